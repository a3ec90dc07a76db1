package oxend

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"

	"onsight/ons"
)

// wireHash is a 32-byte hash as 64 hex digits. null leaves it zero.
type wireHash ons.Txid

var errHash = errors.New("a hash is not 64 hex digits")

func (h *wireHash) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	if len(b) != 66 {
		return errHash
	}
	if _, err := hex.Decode(h[:], b[1:65]); err != nil {
		return errHash
	}
	return nil
}

// wireHashes is a list of at most maxHashes hashes, in the type it is given out with. An empty one is nil.
type wireHashes []ons.Txid

// maxHashes is more than a block or a reply has (a block is at most 600,000 bytes or so).
const maxHashes = 100_000

func (l *wireHashes) UnmarshalJSON(b []byte) error {
	*l = nil
	if string(b) == "null" {
		return nil
	}
	s := scanner{b: b}
	*l = s.list(maxHashes)
	switch {
	case s.err != nil:
		return s.err
	case s.bad:
		return errHash
	}
	return nil
}

// list is an array that is not read beyond its limit. An empty one is nil.
type list[T any, L limit] []T

// limit says how many elements a list may have.
type limit interface{ most() int }

func (l *list[T, L]) UnmarshalJSON(b []byte) error {
	*l = nil
	var most L
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		if t == nil {
			return err // null
		}
		return json.Unmarshal(b, new([0]T)) // words what it is instead
	}
	for d.More() {
		if len(*l) == most.most() {
			return tooMany(most.most())
		}
		var zero T
		*l = append(*l, zero)
		if err := d.Decode(&(*l)[len(*l)-1]); err != nil {
			return err
		}
	}
	return nil
}

func tooMany(limit int) error { return shapef("an array has more than %d elements", limit) }

// fields is an object of a few fields whose meaning is found out later.
type fields map[string]json.RawMessage

const maxFields = 16

func (f *fields) UnmarshalJSON(b []byte) error {
	*f = nil
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		if t == nil {
			return err // null
		}
		return json.Unmarshal(b, new(struct{})) // words what it is instead
	}
	*f = make(fields)
	for n := 0; d.More(); n++ {
		if n == maxFields {
			return shapef("an object has more than %d fields", maxFields)
		}
		key, err := d.Token()
		if err != nil {
			return err
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return err
		}
		(*f)[key.(string)] = v
	}
	return nil
}

// wireHex is bytes as hex digits. null leaves it nil.
type wireHex []byte

var errHex = errors.New("a value is not hex")

func (x *wireHex) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	if len(b) < 2 || b[0] != '"' {
		return errHex
	}
	var ok bool
	if *x, ok = unhex(b[1 : len(b)-1]); !ok {
		return errHex
	}
	return nil
}

func unhex(b []byte) ([]byte, bool) {
	out := make([]byte, len(b)/2)
	if _, err := hex.Decode(out, b); err != nil {
		return nil, false
	}
	return out, true
}

// optional is a number that may be absent; zero and absent differ.
type optional struct {
	n   uint64
	set bool
}

func (o *optional) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	o.set = true
	return json.Unmarshal(b, &o.n)
}
