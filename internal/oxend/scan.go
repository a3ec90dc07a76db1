package oxend

import (
	"bytes"
	"encoding/hex"
	"errors"

	"onsight/ons"
)

// scanner reads JSON from b[i:]. It knows only plain JSON (ASCII, no escapes, integers, lower-case keys, no null where
// a value is due) and gives up at the first surprise by setting bad; then nothing it returned counts, and
// encoding/json decides what the text means. What it accepts it reads as encoding/json would (fuzzed).
type scanner struct {
	b   []byte
	i   int
	bad bool
	err error // why encoding/json need not be asked either; then bad is set
}

// next skips white space and returns the byte after it, or 0.
func (s *scanner) next() byte {
	for ; s.i < len(s.b); s.i++ {
		if c := s.b[s.i]; c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
	}
	return 0
}

// take consumes c if it is next.
func (s *scanner) take(c byte) bool {
	if s.bad || s.next() != c {
		return false
	}
	s.i++
	return true
}

func (s *scanner) fail() { s.bad = true }

// str reads a string that is printable ASCII without escapes and returns what is between its quotes.
func (s *scanner) str() []byte {
	if !s.take('"') {
		s.fail()
		return nil
	}
	n := bytes.IndexByte(s.b[s.i:], '"')
	if n < 0 {
		s.fail()
		return nil
	}
	v := s.b[s.i : s.i+n]
	for _, c := range v {
		if c < ' ' || c >= 0x7f || c == '\\' {
			s.fail()
			return nil
		}
	}
	s.i += n + 1
	return v
}

// uint reads a plain decimal number of at most limit.
func (s *scanner) uint(limit uint64) uint64 {
	c := s.next()
	if c < '0' || c > '9' {
		s.fail()
		return 0
	}
	start, v := s.i, uint64(0)
	for ; s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9'; s.i++ {
		v = v*10 + uint64(s.b[s.i]-'0')
	}
	// 19 digits cannot overflow; longer numbers are for encoding/json. So is 01.
	if n := s.i - start; n > 19 || n > 1 && c == '0' || v > limit {
		s.fail()
	}
	return v
}

func (s *scanner) word(w string) bool {
	s.next()
	if !bytes.HasPrefix(s.b[s.i:], []byte(w)) {
		return false
	}
	s.i += len(w)
	return true
}

func (s *scanner) boolean() bool {
	v := s.word("true")
	if !v && !s.word("false") {
		s.fail()
	}
	return v
}

// hash reads 64 hex digits.
func (s *scanner) hash() (h ons.Txid) {
	if v := s.str(); len(v) != 64 {
		s.fail()
	} else if _, err := hex.Decode(h[:], v); err != nil {
		s.fail()
	}
	return h
}

// hex reads hex digits. It does without str, whose check hex decoding implies.
func (s *scanner) hex() []byte {
	if !s.take('"') {
		s.fail()
		return nil
	}
	n := bytes.IndexByte(s.b[s.i:], '"')
	if n < 0 {
		s.fail()
		return nil
	}
	v, ok := unhex(s.b[s.i : s.i+n])
	if !ok {
		s.fail()
	}
	s.i += n + 1
	return v
}

// each reads {…} or […] whose opening was taken, calling f at each element.
func (s *scanner) each(closing byte, f func()) {
	if s.take(closing) {
		return
	}
	for !s.bad {
		f()
		if s.take(closing) {
			return
		}
		if !s.take(',') {
			s.fail()
		}
	}
}

func (s *scanner) array(f func()) {
	if !s.take('[') {
		s.fail()
		return
	}
	s.each(']', f)
}

// object calls f with each key, which stands before its value.
func (s *scanner) object(f func(key []byte)) {
	if !s.take('{') {
		s.fail()
		return
	}
	s.each('}', func() {
		key := s.str()
		if !s.take(':') {
			s.fail()
		}
		if !s.bad {
			f(key)
		}
	})
}

// skip reads a value of any kind, at most depth levels deep.
func (s *scanner) skip(depth int) {
	switch c := s.next(); {
	case depth < 0:
		s.fail()
	case c == '"':
		s.str()
	case c == '{':
		s.object(func([]byte) { s.skip(depth - 1) })
	case c == '[':
		s.array(func() { s.skip(depth - 1) })
	case c == 't', c == 'f':
		s.boolean()
	case c == 'n':
		if !s.word("null") {
			s.fail()
		}
	default:
		s.uint(1<<64 - 1)
	}
}

// other skips the value of a key that is none of ours. encoding/json does not mind the case of keys; we do.
func (s *scanner) other(key []byte) {
	for _, c := range key {
		if c >= 'A' && c <= 'Z' {
			s.fail()
		}
	}
	s.skip(16)
}

// once notes in seen that key number n was met, and fails the second time.
func (s *scanner) once(seen *uint32, n int) {
	if *seen&(1<<n) != 0 {
		s.fail()
	}
	*seen |= 1 << n
}

// errDeclined says that a scanner leaves a reply to encoding/json.
var errDeclined = errors.New("oxend: internal error: reply is left to encoding/json")

// reply reads an envelope that holds a result, which is an object with a status. It fails with errDeclined, or for
// good because of an array that is too long.
func (s *scanner) reply(st *stated, field func(key []byte)) error {
	var outer, inner uint32
	s.object(func(key []byte) {
		switch string(key) {
		case "result":
			s.once(&outer, 0)
			s.object(func(key []byte) {
				switch string(key) {
				case "status":
					s.once(&inner, 0)
					st.Status = string(s.str())
				case "untrusted":
					s.once(&inner, 1)
					st.Untrusted = s.boolean()
				default:
					field(key)
				}
			})
		case "error":
			s.fail()
		default:
			s.other(key)
		}
	})
	switch {
	case s.err != nil:
		return s.err
	case s.bad, s.next() != 0, s.i != len(s.b), outer == 0:
		return errDeclined
	}
	return nil
}

// list reads an array of at most most hashes; an empty one is nil.
func (s *scanner) list(most int) (l wireHashes) {
	s.array(func() {
		if s.room(len(l), most) {
			l = append(l, s.hash())
		}
	})
	return l
}

// room reports whether an array of n elements may have one more, and otherwise ends the reading for good.
func (s *scanner) room(n, most int) bool {
	if n < most {
		return true
	}
	s.bad, s.err = true, tooMany(most)
	return false
}
