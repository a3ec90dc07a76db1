package api

import (
	"iter"
	"strings"
)

// Accept and Accept-Encoding are read as RFC 9110, 12.5: what is offered has the weight of the element that is most exactly about it.
// Parameters other than q are passed over: what is offered has none that could differ. An element whose weight is malformed is as not
// there.

// weight is what a client thinks of something.
type weight struct {
	q     int // thousandths; 0: not that
	exact int // how exactly the element names it; 0: none does
}

// wantsJSON reports whether one JSON object is asked for instead of lines of them, which are also for who takes neither.
func wantsJSON(accept []string) bool {
	object, lines := weigh(accept, mediaRange("application", "json")), weigh(accept, mediaRange("application", "x-ndjson"))
	return object.q > lines.q || object.q == lines.q && object.q > 0 && object.exact > lines.exact
}

// takesGzip reports whether a reply is to be packed with gzip: it is named, for who says * may know none, and taken not less gladly
// than a plain one.
func takesGzip(headers []string) bool {
	packed, plain := weigh(headers, coding("gzip", "x-gzip")), weigh(headers, coding("identity"))
	return packed.q > 0 && packed.exact == exactly && (plain.exact < exactly || packed.q >= plain.q)
}

// exactly is how exactly an element names something by its name.
const exactly = 3

// mediaRange tells how exactly a media range names a type.
func mediaRange(kind, sub string) func(name string) int {
	return func(name string) int {
		k, s, ok := strings.Cut(name, "/")
		switch {
		case !ok:
		case k == "*" && s == "*":
			return 1
		case strings.EqualFold(k, kind) && s == "*":
			return 2
		case strings.EqualFold(k, kind) && strings.EqualFold(s, sub):
			return exactly
		}
		return 0
	}
}

// coding tells how exactly an element names a content coding.
func coding(names ...string) func(name string) int {
	return func(name string) int {
		for _, n := range names {
			if strings.EqualFold(name, n) {
				return exactly
			}
		}
		if name == "*" {
			return 1
		}
		return 0
	}
}

// weigh finds the element that names something most exactly, of equal ones the first.
func weigh(headers []string, names func(string) int) (w weight) {
	for _, h := range headers {
		for element := range unquoted(h, ',') {
			name, rest, _ := strings.Cut(element, ";")
			exact := names(trim(name))
			if exact <= w.exact {
				continue
			}
			if q, ok := quality(rest); ok {
				w = weight{q, exact}
			}
		}
	}
	return w
}

// quality reads the weight among the parameters of an element, 1 if there is none.
func quality(parameters string) (thousandths int, ok bool) {
	for p := range unquoted(parameters, ';') {
		name, value, given := strings.Cut(p, "=")
		if strings.EqualFold(trim(name), "q") {
			if !given {
				return 0, false
			}
			return parseQuality(trim(value))
		}
	}
	return 1000, true
}

// parseQuality reads a qvalue: 0 to 1, with up to three digits behind the point.
func parseQuality(s string) (thousandths int, ok bool) {
	whole, digits, _ := strings.Cut(s, ".")
	if whole != "0" && whole != "1" || len(digits) > 3 {
		return 0, false
	}
	thousandths = int(whole[0]-'0') * 1000
	for i, unit := 0, 100; i < len(digits); i, unit = i+1, unit/10 {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, false
		}
		thousandths += int(digits[i]-'0') * unit
	}
	return thousandths, thousandths <= 1000
}

func trim(s string) string { return strings.Trim(s, " \t") }

// unquoted splits a header's value at a separator that does not stand in a quoted string.
func unquoted(s string, separator byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		from, quoted := 0, false
		for i := 0; i < len(s); i++ {
			switch {
			case s[i] == '"':
				quoted = !quoted
			case quoted && s[i] == '\\':
				i++
			case !quoted && s[i] == separator:
				if !yield(s[from:i]) {
					return
				}
				from = i + 1
			}
		}
		yield(s[from:])
	}
}
