package storage

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"onsight/internal/snode"
)

// Sizes of signatures, tokens and hashes in text (spec C.2).
const (
	signatureSize = 64
	hashChars     = 43
	minTimestamp  = 1_000_000_000 // ms; what is below was meant in seconds (spec C.2)
)

// params are a request's parameters. Its methods keep the first error: what it holds after a row of them is what real servers answer,
// provided the row is in their order, which is the names' alphabetical one.
type params struct {
	fields map[string]json.RawMessage
	err    error
}

// parseParams wants an object, even if empty (spec C.2).
func parseParams(raw json.RawMessage) (*params, bool) {
	p := &params{}
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || raw[0] != '{' {
		return nil, false
	}
	if err := json.Unmarshal(raw, &p.fields); err != nil {
		return nil, false
	}
	return p, true
}

// fail keeps the first error.
func (p *params) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

// expected keeps the error for a value of the wrong type.
func (p *params) expected(name, kind string) {
	p.fail("Invalid value given for '%s': expected %s", name, kind)
}

// require keeps the error for a value that is not there.
func (p *params) require(name string, ok bool) {
	if !ok {
		p.fail("Required field '%s' missing", name)
	}
}

// field is a value; null counts as absent.
func (p *params) field(name string) (json.RawMessage, bool) {
	raw, ok := p.fields[name]
	return raw, ok && string(raw) != "null"
}

func (p *params) flag(name string) bool {
	raw, ok := p.field(name)
	if ok && string(raw) != "true" && string(raw) != "false" {
		p.expected(name, "boolean")
	}
	return string(raw) == "true"
}

// text is a string parameter.
func (p *params) text(name string) (string, bool) {
	raw, ok := p.field(name)
	if !ok {
		return "", false
	}
	s, ok := str(raw)
	if !ok {
		p.expected(name, "string")
	}
	return s, ok
}

// str reads a JSON string. Most hold no escapes, and the long ones, base64, are the ones not to be scanned twice.
func str(raw json.RawMessage) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), true // the document was checked to be JSON in UTF-8
	}
	var s string
	return s, json.Unmarshal(raw, &s) == nil
}

// integer is a signed integer; 1.0 and 1e3 are none.
func (p *params) integer(name, kind string) (int64, bool) {
	raw, ok := p.field(name)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		p.fail("Invalid value given for '%s': value out of range", name)
	} else if err != nil {
		p.expected(name, kind)
	}
	return n, err == nil
}

// unsigned is an integer that fits the signed type too, because times are added to it.
func (p *params) unsigned(name, kind string) (int64, bool) {
	if raw, ok := p.field(name); ok && raw[0] == '-' {
		p.expected(name, kind)
		return 0, false
	}
	return p.integer(name, kind)
}

// time is a timestamp in milliseconds.
func (p *params) time(name string) (int64, bool) {
	n, ok := p.unsigned(name, "integer timestamp (in milliseconds)")
	return n, ok && p.milliseconds(name, n)
}

func (p *params) milliseconds(name string, n int64) bool {
	if n < minTimestamp {
		p.fail("Invalid timestamp for '%s': timestamp must be in milliseconds", name)
	}
	return n >= minTimestamp
}

// lenient is a number store takes as text as well.
func (p *params) lenient(name string, read func(string) (int64, bool)) (int64, bool) {
	raw, ok := p.field(name)
	if !ok || raw[0] != '"' {
		return read(name)
	}
	s, ok := str(raw)
	n, err := strconv.ParseUint(s, 10, 63)
	if !ok || err != nil {
		p.fail("Invalid value given for '%s': %s", name, raw)
		return 0, false
	}
	return int64(n), true
}

func (p *params) namespace(name string) (int16, bool) {
	n, ok := p.integer(name, "16-bit integer")
	if ok && n != int64(int16(n)) {
		p.fail("Invalid value given for '%s': value out of range", name)
		return 0, false
	}
	return int16(n), ok
}

// namespaces is a namespace, 0 if there is none, or nil for "all".
func (p *params) namespaces(name string) *int16 {
	raw, ok := p.field(name)
	if !ok {
		return new(int16)
	}
	if string(raw) == `"all"` {
		return nil
	}
	if raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		p.expected(name, `integer or "all"`)
		return nil
	}
	n, _ := p.namespace(name)
	return &n
}

// list is an array, or a single value where an array is expected.
func (p *params) list(name string) ([]json.RawMessage, bool) {
	raw, ok := p.field(name)
	if !ok || raw[0] != '[' {
		return []json.RawMessage{raw}, ok
	}
	return members(raw), true
}

// members are those of an array; none of what is no array.
func members(raw json.RawMessage) (all []json.RawMessage) {
	if len(raw) > 0 && raw[0] == '[' {
		_ = json.Unmarshal(raw, &all) // part of a document that was checked
	}
	return all
}

func (p *params) texts(name string) ([]string, bool) {
	raw, ok := p.list(name)
	if !ok {
		return nil, false
	}
	all := make([]string, len(raw))
	for i := range raw {
		if all[i], ok = str(raw[i]); !ok {
			p.expected(name, "string array")
			return nil, false
		}
	}
	return all, true
}

func (p *params) times(name string) ([]int64, bool) {
	raw, ok := p.list(name)
	if !ok {
		return nil, false
	}
	all := make([]int64, len(raw))
	for i := range raw {
		n, err := strconv.ParseInt(string(raw[i]), 10, 64)
		if err != nil || raw[i][0] == '-' {
			p.expected(name, "timestamp array")
			return nil, false
		}
		if !p.milliseconds(name, n) {
			return nil, false
		}
		all[i] = n
	}
	return all, true
}

// alias is a value that goes by either of two names.
func alias[T any](p *params, name, other string, read func(string) (T, bool)) (T, bool) {
	b, second := read(other) // alphabetically before name wherever there is one
	a, first := read(name)
	if first && second {
		p.fail("Cannot specify both '%s' and '%s'", name, other)
	}
	if first {
		return a, true
	}
	return b, second
}

// Texts of an account id that does not parse; get_swarm has its own (recorded).
const (
	badPubkey      = "Pubkey must be 66 hex digits (33 bytes) long"
	badSwarmPubkey = "Pubkey must be 66 hex digits/33 bytes long"
)

// id checks an account id.
func (p *params) id(text string, ok bool, complaint string) snode.ID {
	p.require("pubkey", ok)
	if p.err != nil {
		return snode.ID{}
	}
	id, err := snode.ParseID(text)
	if err != nil {
		p.fail("%s", complaint)
	}
	return id
}

// hashes are message hashes, one at least.
func (p *params) hashes(name string, list []string, ok bool) []string {
	p.require(name, ok)
	if ok && len(list) == 0 {
		p.fail("%s does not contain any message hashes", name)
	}
	for _, h := range list {
		if len(h) != hashChars || !isBase64(h) {
			p.fail("invalid message hash: %s", h)
		}
	}
	return list
}

// decodeBase64 takes the standard alphabet with or without padding, as real servers do. Go's decoder alone would let newlines pass.
func decodeBase64(s string) ([]byte, bool) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, false
	}
	enc := base64.RawStdEncoding
	if len(s)%4 == 0 {
		enc = base64.StdEncoding
	}
	b, err := enc.DecodeString(s)
	return b, err == nil
}

// isBase64 is decodeBase64 without its result.
func isBase64(s string) bool {
	_, ok := decodeBase64(s)
	return ok
}

// parseSignature reads 86 or, padded, 88 characters of base64.
func parseSignature(s string) (sig [signatureSize]byte, ok bool) {
	b, ok := decodeBase64(s)
	if !ok || len(b) != signatureSize {
		return sig, false
	}
	return [signatureSize]byte(b), true
}

// parseKey reads 64 hex digits; what is wrong is told apart as in spec C.2.
func (p *params) parseKey(s string) (key [32]byte) {
	b, err := hex.DecodeString(s)
	switch {
	case err != nil && !errors.Is(err, hex.ErrLength):
		p.fail("invalid pubkey_ed25519: value is not hex")
	case err != nil || len(b) != len(key):
		p.fail("Invalid pubkey_ed25519: expected 64 hex char or 32 byte pubkey")
	default:
		key = [32]byte(b)
	}
	return key
}
