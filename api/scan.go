package api

import (
	"bytes"
	"encoding/hex"

	"onsight/ons"
)

// scanKeys reads a batch that is written as nearly all are: no field but ours, no escapes, no mistake. Of any other it
// reports false, and parseKeys says what it is. It takes a fifth of the time, half of what a batch costs.
func scanKeys(body []byte) ([]ons.Key, bool) {
	s := scanner{rest: body, ok: true}
	s.want(`{`)
	s.field("names")
	s.want(`[`)
	keys := make([]ons.Key, 0, min(maxBatch, 1+len(body)/75)) // an item with a hash in hexadecimal has more than that
	for s.ok && !s.is(']') {
		if len(keys) == maxBatch {
			return nil, false
		}
		if len(keys) > 0 {
			s.want(`,`)
		}
		keys = append(keys, s.key())
	}
	s.want(`]`)
	s.want(`}`)
	s.space()
	return keys, s.ok && len(s.rest) == 0
}

// scanner reads tokens off the front of rest until one is not what is wanted; then it is not ok, for good.
type scanner struct {
	rest []byte
	ok   bool
}

// key reads {"type":…,"hash":…}, the fields in any order.
func (s *scanner) key() (k ons.Key) {
	s.want(`{`)
	typed := s.try("type")
	if typed {
		k.Type = s.typ()
		s.want(`,`)
	}
	s.field("hash")
	k.Hash = s.hash()
	if !typed {
		s.want(`,`)
		s.field("type")
		k.Type = s.typ()
	}
	s.want(`}`)
	return k
}

func (s *scanner) typ() ons.Type {
	switch string(s.text()) {
	case "session":
		return ons.Session
	case "wallet":
		return ons.Wallet
	case "lokinet":
		return ons.Lokinet
	}
	s.ok = false
	return 0
}

func (s *scanner) hash() (h ons.Hash) {
	text := s.text()
	var err error
	if len(text) == 2*len(h) {
		_, err = hex.Decode(h[:], text)
	} else {
		h, err = ons.ParseHash(string(text))
	}
	s.ok = s.ok && err == nil
	return h
}

// text reads a string without escapes.
func (s *scanner) text() []byte {
	s.want(`"`)
	end := bytes.IndexByte(s.rest, '"')
	if !s.ok || end < 0 {
		s.ok = false
		return nil
	}
	text := s.rest[:end]
	s.rest = s.rest[end+1:]
	return text
}

// field reads a field's name and the colon.
func (s *scanner) field(name string) {
	s.ok = s.try(name) && s.ok
}

// try reads a field's name and the colon if they are next.
func (s *scanner) try(name string) bool {
	s.space()
	n := len(name) + 2
	if len(s.rest) < n || s.rest[0] != '"' || string(s.rest[1:n-1]) != name || s.rest[n-1] != '"' {
		return false
	}
	s.rest = s.rest[n:]
	s.want(`:`)
	return true
}

func (s *scanner) want(token string) {
	s.space()
	if !s.is(token[0]) {
		s.ok = false
		return
	}
	s.rest = s.rest[1:]
}

// is reports whether the next token begins so.
func (s *scanner) is(c byte) bool {
	s.space()
	return len(s.rest) > 0 && s.rest[0] == c
}

func (s *scanner) space() {
	for len(s.rest) > 0 && (s.rest[0] == ' ' || s.rest[0] == '\n' || s.rest[0] == '\t' || s.rest[0] == '\r') {
		s.rest = s.rest[1:]
	}
}
