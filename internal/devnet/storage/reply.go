package storage

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
)

// Type says what a reply's body is.
type Type uint8

// The types of a reply's body.
const (
	JSON   Type = iota // application/json
	Text               // text/plain
	Binary             // application/octet-stream
)

// Reply is an answer: what HTTP calls status and body.
type Reply struct {
	Status int
	Body   []byte
	Type   Type
}

// ok says whether the status is one of success.
func (r Reply) ok() bool { return r.Status >= 200 && r.Status < 300 }

// value is the body as it stands inside a batch's answer: JSON as it is, text as a string, binary as a string of base64.
func (r Reply) value() json.RawMessage {
	switch r.Type {
	case JSON:
		return r.Body
	case Binary:
		return marshal(base64.StdEncoding.EncodeToString(r.Body))
	default:
		return marshal(string(r.Body))
	}
}

func text(status int, s string) Reply {
	return Reply{Status: status, Body: []byte(s), Type: Text}
}

// invalid is the answer to parameters that do not parse.
func invalid(err error) Reply { return text(http.StatusBadRequest, "invalid request: "+err.Error()) }

func encode(status int, v any) Reply {
	return Reply{Status: status, Body: marshal(v)}
}

// marshal writes JSON as real servers do: compact, keys ascending (so do the structs of this package), and "<" as "<".
func marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("storage: internal error: " + err.Error()) // all that is encoded here can be
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// key is written as hex.
type key [32]byte

// MarshalText writes 64 lower-case digits.
func (k key) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, k[:]), nil }
