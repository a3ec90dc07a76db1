// Package terminal is what programs show people: text that strangers wrote, made harmless, and tables of it; and what people type unseen.
//
// A terminal obeys what it is sent. So whatever came from elsewhere (a message, a name somebody gives themselves, the words of a node's
// error) passes Line or Text first: escape sequences and control characters go, and writing from right to left stays within its own
// place on the line. Programs want the text as it is; JSON of it has such characters escaped, where they mean the same and do nothing.
package terminal

import (
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
	"golang.org/x/text/unicode/bidi"
)

// Is reports whether a person sits at f, which may be what a program reads from or writes to, or anything else.
func Is(f any) bool {
	file, ok := f.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// Line returns a text as one line: breaks become blanks.
func Line(s string) string {
	return isolate(strings.Join(strings.FieldsFunc(Text(s), func(r rune) bool { return r == '\n' || r == isolated || r == popped }), " "))
}

// Text returns a text of one or more lines, which end in \n only.
func Text(s string) string {
	lines := strings.Split(harmless(s), "\n")
	for i, line := range lines {
		lines[i] = isolate(line)
	}
	return strings.Join(lines, "\n")
}

const (
	escape    = 0x1b
	bell      = 0x07
	stringEnd = 0x9c // of C1; ESC \ in seven bits
)

// harmless leaves nothing but what is shown, and breaks of lines.
func harmless(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\r\n", "\n")
	var b strings.Builder
	for s != "" {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case sequence(s) > 0:
			n = sequence(s)
		case r == '\n', r == '\v', r == '\f', r == '\r', r == 0x85, r == 0x2028, r == 0x2029:
			b.WriteByte('\n')
		case r == '\t':
			b.WriteByte(' ')
		case Steers(r):
		default:
			b.WriteRune(r)
		}
		s = s[n:]
	}
	return b.String()
}

// sequence returns how long the escape sequence is that s begins with (ECMA-48); 0: with none. One that does not end takes its
// beginning with it only, so that nobody hides the rest of a text.
func sequence(s string) int {
	r, n := utf8.DecodeRuneInString(s)
	kind := byte(0)
	switch {
	case r == escape && len(s) > 1 && s[1] < utf8.RuneSelf:
		kind, n = s[1], 2
	case r >= 0x80 && r < 0xa0: // C1: the same in one character
		kind = byte(r - 0x40)
	default:
		return 0
	}
	switch kind {
	case '[': // CSI: parameters, then one that ends it
		for i := n; i < len(s) && i < n+64; i++ {
			if s[i] >= 0x40 && s[i] < 0x7f {
				return i + 1
			}
			if s[i] < 0x20 || s[i] >= 0x7f {
				break
			}
		}
	case ']', 'P', 'X', '^', '_': // strings, such as a title or a clipboard
		for i, c := range s[n:] {
			switch {
			case c == bell || c == stringEnd:
				return n + i + utf8.RuneLen(c)
			case c == escape && strings.HasPrefix(s[n+i:], "\x1b\\"):
				return n + i + 2
			case unicode.IsControl(c):
				return n // as it began anew: so each text is read once
			}
		}
	}
	switch {
	case kind < 0x20: // a control character after ESC is dealt with on its own
		return 1
	case kind < 0x30 && len(s) > n && s[n] >= 0x30 && s[n] < 0x7f: // such as a set of characters
		return n + 1
	}
	return n
}

// What holds writing that runs from right to left in its place (Unicode TR9).
const (
	isolated = '\u2068' // first strong isolate
	popped   = '\u2069' // pop directional isolate
)

// Steers reports whether a character is not shown but does something: controls, and what changes how others are shown, which are
// those of direction, those that take no room, which make two names look alike, and the tags in which text can hide. The joiners of
// Persian and of emoji stay.
func Steers(r rune) bool {
	switch {
	case unicode.IsControl(r):
		return true
	case r == 0x061c, r == 0x200e, r == 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069: // direction
		return true
	case r == 0x00ad, r == 0x180e, r == 0x200b, r >= 0x2060 && r <= 0x2064, r == 0x034f, r == 0x115f, r == 0x1160, r == 0x3164, r == 0xffa0: // no room
		return true
	case r >= 0xe0000 && r <= 0xe007f, r >= 0xfff9 && r <= 0xfffb, r == 0xfeff, r >= 0x206a && r <= 0x206f: // tags and annotations
		return true
	}
	return false
}

// isolate keeps a line from turning round what stands beside it.
func isolate(line string) string {
	if strings.IndexFunc(line, leftwards) < 0 {
		return line
	}
	return string(isolated) + line + string(popped)
}

// leftwards reports whether a character runs from right to left.
func leftwards(r rune) bool {
	if r < 0x590 {
		return false
	}
	p, _ := bidi.LookupRune(r)
	switch p.Class() {
	case bidi.R, bidi.AL, bidi.AN:
		return true
	}
	return false
}
