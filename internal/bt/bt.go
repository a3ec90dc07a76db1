// Package bt reads and writes bencode the way the oxen programs do.
//
//	i<decimal>e            integer, −2⁶³ … 2⁶⁴−1, no leading zeros, no −0; booleans are 0 and 1
//	<decimal>:<bytes>      string, any bytes
//	l<value>…e             list
//	d<string><value>…e     dictionary, keys in ascending byte order, none twice
//
// There is one spelling for each value and only that one is read, so what is decoded encodes to the same bytes.
//
// Source: messaging.md 0 ("bt / bencode").
package bt

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
)

// What a message from the network may cost at most. Real ones are far smaller: the largest is an upload of 10 MB,
// which is three values, and a configuration message of 76,800 bytes.
const (
	MaxSize   = 16 << 20 // bytes of one encoding
	MaxDepth  = 32       // lists and dictionaries within each other
	MaxValues = 1 << 17  // values of one encoding, keys not counted
)

// ErrSyntax means that bytes are not one value in its one spelling.
var ErrSyntax = errors.New("not bencode")

// ErrLimit means that a value is larger, deeper or of more parts than the limits of this package.
var ErrLimit = errors.New("bencode over the limit")

var errDepth = fmt.Errorf("%w: deeper than %d", ErrLimit, MaxDepth)

// ErrType means that a Go value has no form in bencode.
var ErrType = errors.New("no bencode for this type")

// List is a list of values.
type List = []any

// Dict is a dictionary of values. Keys are any bytes.
type Dict = map[string]any

// Encode writes v: string, []byte, bool, int, int64, uint64, List or Dict, and nothing else in them (ErrType). Only the
// depth is limited (ErrLimit): it is what ends a value that holds itself.
func Encode(v any) ([]byte, error) { return encode(nil, v, MaxDepth) }

func encode(b []byte, v any, depth int) (_ []byte, err error) {
	switch v := v.(type) {
	case string:
		return append(head(b, len(v)), v...), nil
	case []byte:
		return append(head(b, len(v)), v...), nil
	case bool:
		if v {
			return append(b, "i1e"...), nil
		}
		return append(b, "i0e"...), nil
	case int:
		return append(strconv.AppendInt(append(b, 'i'), int64(v), 10), 'e'), nil
	case int64:
		return append(strconv.AppendInt(append(b, 'i'), v, 10), 'e'), nil
	case uint64:
		return append(strconv.AppendUint(append(b, 'i'), v, 10), 'e'), nil
	case List:
		if depth == 0 {
			return nil, errDepth
		}
		b = append(b, 'l')
		for _, x := range v {
			if b, err = encode(b, x, depth-1); err != nil {
				return nil, err
			}
		}
		return append(b, 'e'), nil
	case Dict:
		if depth == 0 {
			return nil, errDepth
		}
		b = append(b, 'd')
		for _, k := range slices.Sorted(maps.Keys(v)) {
			b = append(head(b, len(k)), k...)
			if b, err = encode(b, v[k], depth-1); err != nil {
				return nil, err
			}
		}
		return append(b, 'e'), nil
	}
	return nil, fmt.Errorf("%w: %T", ErrType, v)
}

// head is what stands before a string of n bytes.
func head(b []byte, n int) []byte { return append(strconv.AppendInt(b, int64(n), 10), ':') }

// Decode reads b, all of it. Integers come as int64, those over its range as uint64; strings as string, and the others
// as List and Dict, neither ever nil. Nothing of the result shares memory with b. The errors are ErrSyntax and
// ErrLimit.
func Decode(b []byte) (any, error) {
	if len(b) > MaxSize {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrLimit, MaxSize)
	}
	d := decoder{b: b, left: MaxValues}
	v, err := d.value(MaxDepth)
	if err == nil && d.i != len(b) {
		err = d.syntax("bytes after the value")
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

type decoder struct {
	b    []byte
	i    int
	left int // values still allowed
}

func (d *decoder) syntax(what string) error {
	return fmt.Errorf("%w: %s at byte %d", ErrSyntax, what, d.i)
}

// peek is the next byte, 0 at the end: 0 starts no value.
func (d *decoder) peek() byte {
	if d.i == len(d.b) {
		return 0
	}
	return d.b[d.i]
}

func (d *decoder) value(depth int) (any, error) {
	if d.left--; d.left < 0 {
		return nil, fmt.Errorf("%w: more than %d values", ErrLimit, MaxValues)
	}
	c := d.peek()
	if (c == 'l' || c == 'd') && depth == 0 {
		return nil, errDepth
	}
	switch {
	case c == 'i':
		return d.integer()
	case c >= '0' && c <= '9':
		return d.string()
	case c == 'l':
		return d.list(depth - 1)
	case c == 'd':
		return d.dict(depth - 1)
	}
	return nil, d.syntax("no value")
}

// digits reads a decimal number in its one spelling.
func (d *decoder) digits() (uint64, error) {
	start := d.i
	for c := d.peek(); c >= '0' && c <= '9'; c = d.peek() {
		d.i++
	}
	text := d.b[start:d.i]
	if len(text) > 1 && text[0] == '0' {
		return 0, d.syntax("leading zero")
	}
	if len(text) > 20 { // 2⁶⁴ has 20 digits; a longer text is not worth copying
		return 0, d.syntax("number out of range")
	}
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		return 0, d.syntax("no number")
	}
	return n, nil
}

func (d *decoder) integer() (any, error) {
	d.i++ // i
	minus := d.peek() == '-'
	if minus {
		d.i++
	}
	n, err := d.digits()
	if err != nil {
		return nil, err
	}
	if d.peek() != 'e' {
		return nil, d.syntax("no end of an integer")
	}
	d.i++
	switch {
	case minus && (n == 0 || n > 1<<63):
		return nil, d.syntax("number out of range")
	case minus:
		return int64(-n), nil // wraps to −n, also for 2⁶³
	case n > math.MaxInt64:
		return n, nil
	}
	return int64(n), nil
}

func (d *decoder) string() (string, error) {
	n, err := d.digits()
	if err != nil {
		return "", err
	}
	if d.peek() != ':' {
		return "", d.syntax("no colon after a length")
	}
	d.i++
	if n > uint64(len(d.b)-d.i) {
		return "", d.syntax("string longer than the rest")
	}
	s := string(d.b[d.i : d.i+int(n)])
	d.i += int(n)
	return s, nil
}

func (d *decoder) list(depth int) (List, error) {
	d.i++ // l
	list := List{}
	for d.peek() != 'e' {
		v, err := d.value(depth)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	d.i++
	return list, nil
}

func (d *decoder) dict(depth int) (Dict, error) {
	d.i++ // d
	dict := Dict{}
	last := ""
	for d.peek() != 'e' {
		key, err := d.string()
		if err != nil {
			return nil, err
		}
		if len(dict) > 0 && key <= last {
			return nil, d.syntax("keys out of order")
		}
		last = key
		if dict[key], err = d.value(depth); err != nil {
			return nil, err
		}
	}
	d.i++
	return dict, nil
}
