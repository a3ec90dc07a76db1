package api

import (
	"bytes"
	"encoding/json"
)

// JSON merge patches (RFC 7396). A patch says null of what is to go, so it cannot say that something is null: what is to be
// patched has none.

var jsonNull = json.RawMessage("null")

// members returns what a JSON object of ours holds.
func members(object []byte) map[string]json.RawMessage {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(object, &m); err != nil {
		panic("api: internal error: " + err.Error())
	}
	return m
}

func isObject(v json.RawMessage) bool { return len(v) > 0 && v[0] == '{' }

// mergePatch returns the patch that makes one object of another. Both were written alike and are without nulls.
func mergePatch(from, to []byte) []byte {
	patch, old := map[string]json.RawMessage{}, members(from)
	for name, v := range members(to) {
		was, had := old[name]
		delete(old, name)
		switch {
		case had && bytes.Equal(was, v):
		case had && isObject(was) && isObject(v):
			patch[name] = mergePatch(was, v)
		default:
			patch[name] = v
		}
	}
	for name := range old {
		patch[name] = jsonNull
	}
	return must(json.Marshal(patch))
}

// withoutNulls returns a value without the members that are null, in objects of objects too; lists stay as they are.
func withoutNulls(v json.RawMessage) json.RawMessage {
	if !isObject(v) || !bytes.Contains(v, []byte(":null")) { // which is seldom anything else's
		return v
	}
	m := members(v)
	for name, one := range m {
		if bytes.Equal(one, jsonNull) {
			delete(m, name)
		} else {
			m[name] = withoutNulls(one)
		}
	}
	return must(json.Marshal(m))
}
