package oxend

import (
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

// wireHashes is a list of hashes, in the type it is given out with. An empty one is nil.
type wireHashes []ons.Txid

func (l *wireHashes) UnmarshalJSON(b []byte) error {
	var hs []wireHash
	if err := json.Unmarshal(b, &hs); err != nil {
		return err
	}
	*l = nil
	for _, h := range hs {
		*l = append(*l, ons.Txid(h))
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
