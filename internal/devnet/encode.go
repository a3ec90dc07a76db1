package devnet

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strconv"

	"onsight/ons"
)

// The replies that a syncing client asks for by the hundred thousand are appended byte by byte; everything else goes through
// encoding/json, whose sorted map keys are oxend's order.

func appendUint(b []byte, key string, v uint64) []byte {
	return strconv.AppendUint(append(b, key...), v, 10)
}

func appendHash(b []byte, key string, h ons.Txid) []byte {
	return append(hex.AppendEncode(append(b, key...), h[:]), '"')
}

func appendHex(b []byte, key string, v []byte) []byte {
	return append(hex.AppendEncode(append(b, key...), v), '"')
}

func appendHashes(b []byte, key string, txs []*transaction) []byte {
	b = append(append(b, key...), '[')
	for i, t := range txs {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendHash(b, `"`, t.hash)
	}
	return append(b, ']')
}

func appendUints(b []byte, key string, vs []uint64) []byte {
	b = append(append(b, key...), '[')
	for i, v := range vs {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, v, 10)
	}
	return append(b, ']')
}

// appendJSON appends a value of our own making.
func appendJSON(b []byte, v any) []byte {
	var w bytes.Buffer
	e := json.NewEncoder(&w)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("devnet: internal error: " + err.Error())
	}
	return append(b, bytes.TrimRight(w.Bytes(), "\n")...)
}

// object is a JSON object whose values are kept as they came.
type object map[string]json.RawMessage

func (o object) clone() object {
	c := make(object, len(o)+4)
	for k, v := range o {
		c[k] = v
	}
	return c
}

func (o object) set(key string, v any) { o[key] = appendJSON(nil, v) }

func (o object) uint(key string) uint64 {
	v, _ := strconv.ParseUint(string(o[key]), 10, 64)
	return v
}

func (o object) string(key string) (s string) {
	if json.Unmarshal(o[key], &s) != nil {
		return ""
	}
	return s
}
