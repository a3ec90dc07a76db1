package storage

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzEach: of every document that encoding/json reads, each shows what encoding/json finds.
func FuzzEach(f *testing.F) {
	for _, s := range []string{
		`{}`, `[]`, ` { } `, "[\n]", `{"a":1}`, "{ \"a\" :\t1 , \"b\" : [ 1 , 2 ]\r\n}", `[1,"]",{"}":"["},[],{},null,-1.5e3]`,
		`{"\"":"\\","\\\\":"\\\"","a":"\\\\"}`, `{"a":1,"a":2}`, `["\u005d","",[["]"]]]`, `{"":{"":{"":""}}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		trimmed := bytes.TrimSpace(document)
		if !json.Valid(document) || trimmed[0] != '{' && trimmed[0] != '[' {
			return
		}
		var list, gotList []json.RawMessage
		var object map[string]json.RawMessage
		gotObject := map[string]json.RawMessage{}
		each(trimmed, func(name, value json.RawMessage) bool {
			if name == nil {
				gotList = append(gotList, value)
				return true
			}
			var s string
			if err := json.Unmarshal(name, &s); err != nil {
				t.Fatalf("name %q: %v", name, err)
			}
			gotObject[s] = value
			return true
		})
		if trimmed[0] == '[' {
			if err := json.Unmarshal(document, &list); err != nil {
				t.Fatal(err)
			}
		} else if err := json.Unmarshal(document, &object); err != nil {
			t.Fatal(err)
		}
		if len(list) != len(gotList) || len(object) != len(gotObject) {
			t.Fatalf("%q: got %d and %d, want %d and %d", document, len(gotList), len(gotObject), len(list), len(object))
		}
		if len(list) > 0 {
			if diff := cmp.Diff(list, gotList); diff != "" {
				t.Errorf("%q: %s", document, diff)
			}
		} else if len(object) > 0 {
			if diff := cmp.Diff(object, gotObject); diff != "" {
				t.Errorf("%q: %s", document, diff)
			}
		}
	})
}
