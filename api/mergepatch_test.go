package api

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// ApplyPatch is MergePatch of RFC 7396, section 2, word for word.
func ApplyPatch(target, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	t, ok := target.(map[string]any)
	if !ok {
		t = map[string]any{}
	}
	for name, value := range p {
		if value == nil {
			delete(t, name)
		} else {
			t[name] = ApplyPatch(t[name], value)
		}
	}
	return t
}

// TestApplyPatch holds the tests' own half to the examples of RFC 7396, appendix A.
func TestApplyPatch(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, `null`},
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
	} {
		if diff := cmp.Diff(decoded(t, c[2]), ApplyPatch(decoded(t, c[0]), decoded(t, c[1]))); diff != "" {
			t.Errorf("%s on %s (-want +got):\n%s", c[1], c[0], diff)
		}
	}
}

func decoded(t interface{ Fatal(...any) }, text string) (v any) {
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// objects generates JSON objects, with nulls at the ends of nested ones and in lists.
func objects(depth int) *rapid.Generator[map[string]any] {
	value := rapid.OneOf(
		rapid.Just[any](nil), rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Map(rapid.SampledFrom([]string{"", "null", `:null"<`, "x"}), func(s string) any { return s }),
		rapid.Just[any]([]any{nil, map[string]any{"a": nil}}),
	)
	if depth > 0 {
		value = rapid.OneOf(value, rapid.Map(objects(depth-1), func(m map[string]any) any { return m }))
	}
	return rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c", ":null"}), value, 0, 4)
}

// TestMergePatch: the patch between any two objects makes one of the other, and what goes into it has no nulls, but in lists.
func TestMergePatch(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		one := func(label string) json.RawMessage {
			plain := must(json.Marshal(objects(2).Draw(t, label)))
			bare := withoutNulls(plain)
			if diff := cmp.Diff(Stripped(decoded(t, string(plain))), decoded(t, string(bare))); diff != "" {
				t.Fatalf("%s without nulls (-want +got):\n%s", plain, diff)
			}
			return bare
		}
		from, to := one("from"), one("to")
		patch := mergePatch(from, to)
		if diff := cmp.Diff(decoded(t, string(to)), ApplyPatch(decoded(t, string(from)), decoded(t, string(patch)))); diff != "" {
			t.Fatalf("%s on %s (-want +got):\n%s", patch, from, diff)
		}
	})
}

// Stripped is withoutNulls of a decoded value.
func Stripped(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	for name, one := range m {
		if one == nil {
			delete(m, name)
		} else {
			m[name] = Stripped(one)
		}
	}
	return m
}
