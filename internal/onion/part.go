package onion

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// MaxHop is the largest Part.Hop that a node still opens (messaging.md D.7).
const MaxHop = 15

// maxControl bounds the JSON beside a blob and the head of a Request or Response. Real ones are under 1 KB; without a
// bound a 10 MiB body of tiny keys would become a map of hundreds of megabytes.
const maxControl = 64 << 10

// Part is one sealed layer as its receiver gets it: in the guard's HTTP body or from the hop before.
type Part struct {
	Ciphertext []byte
	Ephemeral  [32]byte // the client's X25519 key for this layer
	Encryption Encryption
	Hop        int // nodes it has passed: 0 from a client
}

// partError is a detail that nodes send after "Error parsing onion request: ", hence the capital letters.
type partError string

func (e partError) Error() string { return string(e) }

// The first text is recorded of 2.8.0; of the others only the status is known to be the same.
const (
	errNoSize    = partError("Unexpected payload size; expected ciphertext size")
	errNoBlob    = partError("Unexpected payload size; ciphertext is shorter than its size")
	errNoJSON    = partError("Invalid json after the ciphertext")
	errEphemeral = partError("Invalid ephemeral_key: expected 64 hex digits")
	errEncType   = partError("Invalid encryption type")
	errHopNo     = partError("Invalid hop_no")
)

// Frame joins a blob and the JSON beside it.
func Frame(blob, control []byte) []byte {
	b := make([]byte, 4, 4+len(blob)+len(control))
	binary.LittleEndian.PutUint32(b, uint32(len(blob)))
	return append(append(b, blob...), control...)
}

// Split undoes Frame. What it returns shares b's memory. The errors are those of ParsePart.
func Split(b []byte) (blob, control []byte, err error) {
	if len(b) < 4 {
		return nil, nil, errNoSize
	}
	n := binary.LittleEndian.Uint32(b)
	b = b[4:]
	if uint64(n) > uint64(len(b)) {
		return nil, nil, errNoBlob
	}
	return b[:n:n], b[n:], nil
}

// ParsePart reads what a client posts to its guard. The ciphertext shares body's memory. The text of its error is the
// detail that a node answers after "Error parsing onion request: " (messaging.md D.7).
func ParsePart(body []byte) (Part, error) {
	blob, control, err := Split(body)
	if err != nil {
		return Part{}, err
	}
	f, err := parseFields(control)
	if err != nil {
		return Part{}, errNoJSON
	}
	p, err := f.part(blob)
	if err != nil {
		return Part{}, err
	}
	p.Hop, err = field(f, "hop_no", 0)
	if err != nil || p.Hop < 0 {
		return Part{}, errHopNo
	}
	return p, nil
}

// fields are the members of a JSON object. A map and no struct, because encoding/json ignores the case of struct fields
// and which keys exist decides what a node does.
type fields map[string]json.RawMessage

var errFields = errors.New("not a JSON object")

func parseFields(b []byte) (fields, error) {
	if len(b) > maxControl || !utf8.Valid(b) {
		return nil, errFields
	}
	var f fields
	if err := json.Unmarshal(b, &f); err != nil || f == nil {
		return nil, errFields
	}
	return f, nil
}

func (f fields) has(key string) bool { _, ok := f[key]; return ok }

var errField = errors.New("a member of the wrong type")

// field returns the member key, or absent if there is none. null is of no type.
func field[T any](f fields, key string, absent T) (T, error) {
	raw, ok := f[key]
	if !ok {
		return absent, nil
	}
	var v T
	if string(raw) == "null" || json.Unmarshal(raw, &v) != nil {
		return absent, errField
	}
	return v, nil
}

// key reads a member that is a key in hexadecimal.
func (f fields) key(name string) ([32]byte, error) {
	s, err := field(f, name, "")
	var k [32]byte
	if err != nil || len(s) != 2*len(k) {
		return [32]byte{}, errField
	}
	if _, err := hex.Decode(k[:], []byte(s)); err != nil {
		return [32]byte{}, errField
	}
	return k, nil
}

// part reads the key and the encryption of the blob that stands beside f.
func (f fields) part(blob []byte) (Part, error) {
	key, err := f.key("ephemeral_key")
	if err != nil {
		return Part{}, errEphemeral
	}
	name, err := field(f, "enc_type", "")
	if err != nil {
		return Part{}, errEncType
	}
	e, err := ParseEncryption(name)
	if err != nil {
		return Part{}, errEncType
	}
	return Part{Ciphertext: blob, Ephemeral: key, Encryption: e}, nil
}
