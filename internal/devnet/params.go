package devnet

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf8"
)

// params are a method's parameters with each dialect's manner of reading them: 10.x (epee) takes what has the right type and leaves
// the rest at its default, 11.x checks and says what is wrong.
type params struct {
	d      Dialect
	o      object
	absent bool // no parameters at all
	strict bool // on a plain path
}

func validUTF8(b []byte) bool { return utf8.Valid(b) }

func (p *params) read(raw json.RawMessage) *rpcError {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		p.absent = true
		return nil
	}
	if raw[0] != '{' || json.Unmarshal(raw, &p.o) != nil {
		if p.d == Dialect10 {
			return errorf(-32603, "Internal error")
		}
		return notObject
	}
	return nil
}

// given returns a parameter's JSON; null counts as absent on 10.x.
func (p params) given(key string) (json.RawMessage, bool) {
	raw, ok := p.o[key]
	if !ok || p.d == Dialect10 && string(raw) == "null" {
		return nil, false
	}
	return bytes.TrimSpace(raw), true
}

// uint reads a non-negative number.
func (p params) uint(key string, most uint64) (v uint64, ok bool, _ *rpcError) {
	raw, ok := p.given(key)
	if !ok {
		return 0, false, nil
	}
	s := string(raw)
	if p.d == Dialect10 {
		s = trimQuotes(s)
	}
	v, err := strconv.ParseUint(s, 10, 64)
	switch {
	case err == nil && v <= most:
		return v, true, nil
	case p.d == Dialect10:
		return 0, false, nil
	case err == nil:
		return 0, false, badParams("Invalid value for '%s': value too large", key)
	}
	return 0, false, badParams("Invalid value for '%s': non-negative value required", key)
}

// int reads a number that may be negative.
func (p params) int(key string) (v int64, ok bool, _ *rpcError) {
	raw, ok := p.given(key)
	if !ok {
		return 0, false, nil
	}
	s := string(raw)
	if p.d == Dialect10 {
		s = trimQuotes(s)
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err == nil {
		return v, true, nil
	}
	if p.d == Dialect10 {
		return 0, false, nil
	}
	return 0, false, badParams("Invalid value for '%s': value is not an integer", key)
}

// bool reads true or false.
func (p params) bool(key string) (bool, *rpcError) {
	raw, ok := p.given(key)
	if !ok {
		return false, nil
	}
	switch string(raw) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	if p.d == Dialect10 {
		return false, nil
	}
	return false, badParams("[json.exception.type_error.302] type must be boolean, but is %s", jsonType(raw))
}

// string reads a text.
func (p params) string(key string) (s string, ok bool, _ *rpcError) {
	raw, ok := p.given(key)
	if !ok {
		return "", false, nil
	}
	if json.Unmarshal(raw, &s) == nil && raw[0] == '"' {
		return s, true, nil
	}
	if p.d == Dialect10 {
		return "", false, nil
	}
	return "", false, badParams("[json.exception.type_error.302] type must be string, but is %s", jsonType(raw))
}

// strings reads a list of texts.
func (p params) strings(key string) (list []string, ok bool, _ *rpcError) {
	raw, ok := p.given(key)
	if !ok {
		return nil, false, nil
	}
	if raw[0] == '[' && json.Unmarshal(raw, &list) == nil {
		return list, true, nil
	}
	if p.d == Dialect10 {
		return nil, false, nil
	}
	return nil, false, badParams("Invalid values in '%s'", key)
}

// heights are the ends of a range of blocks as they were asked for, and which of them were.
type heights struct {
	start, end     uint64
	started, ended bool
}

// heights reads start_height and end_height.
func (p params) heights() (r heights, fault *rpcError) {
	if r.start, r.started, fault = p.uint("start_height", math.MaxUint64); fault != nil {
		return r, fault
	}
	r.end, r.ended, fault = p.uint("end_height", math.MaxUint64)
	return r, fault
}

// uints reads a list of numbers; negative ones wrap around on 11.x, as there.
func (p params) uints(key string) (list []uint64, ok bool, _ *rpcError) {
	raw, ok := p.given(key)
	if !ok {
		return nil, false, nil
	}
	var all []json.RawMessage
	if raw[0] == '[' && json.Unmarshal(raw, &all) == nil {
		for _, one := range all {
			s := string(one)
			if p.d == Dialect10 {
				s = trimQuotes(s)
			}
			if v, err := strconv.ParseUint(s, 10, 64); err == nil {
				list = append(list, v)
			} else if v, err := strconv.ParseInt(s, 10, 64); err == nil && p.d == Dialect11 {
				list = append(list, uint64(v))
			} else {
				all = nil
				break
			}
		}
		if all != nil {
			return list, true, nil
		}
	}
	if p.d == Dialect10 {
		return nil, false, nil
	}
	return nil, false, badParams("Invalid values in '%s'", key)
}

func trimQuotes(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

// jsonType names a value's type as nlohmann's JSON library does.
func jsonType(raw json.RawMessage) string {
	switch raw[0] {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "number"
}
