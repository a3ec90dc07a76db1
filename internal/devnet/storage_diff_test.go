package devnet

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// differ collects in what an answer differs from the recorded one.
type differ struct {
	shape bool // names and types only
	found []string
}

func (d *differ) add(path string, want, got any) {
	d.found = append(d.found, fmt.Sprintf("%s: %.120v, %.120v", path, want, got))
}

// parse reads JSON, or a text that may be JSON, as the body of an onion reply is.
func (d *differ) parse(b []byte) any {
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil || decoder.More() {
		return string(b)
	}
	if s, ok := v.(string); ok && len(s) > 0 && (s[0] == '{' || s[0] == '[') {
		return d.parse([]byte(s))
	}
	return v
}

func (d *differ) compare(path string, want, got any) {
	switch want := want.(type) {
	case map[string]any:
		got, ok := got.(map[string]any)
		if !ok {
			d.add(path, "an object", got)
			return
		}
		wantKeys, gotKeys := slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))
		if !slices.Equal(wantKeys, gotKeys) {
			d.add(path, wantKeys, gotKeys)
			return
		}
		for _, k := range wantKeys {
			d.compare(path+"."+k, want[k], got[k])
		}
	case []any:
		got, ok := got.([]any)
		if !ok || !d.shape && len(want) != len(got) {
			d.add(path, fmt.Sprint(len(want), " elements"), got)
			return
		}
		if d.shape {
			d.compareShapes(path, want, got)
			return
		}
		if strings.HasSuffix(path, ".snodes") { // the order depends on the order of keys, which are not the recorded ones
			slices.SortFunc(want, byEd25519)
			slices.SortFunc(got, byEd25519)
		}
		for i := range want {
			d.compare(fmt.Sprintf("%s[%d]", path, i), want[i], got[i])
		}
	case string:
		got, ok := got.(string)
		switch {
		case !ok:
			d.add(path, want, got)
		case strings.HasSuffix(path, ".signature"): // of our nodes; storage's tests verify them
			if b, err := base64.StdEncoding.DecodeString(got); err != nil || len(b) != ed25519.SignatureSize {
				d.add(path, want, got)
			}
		case !d.shape && unmeasured(want) != unmeasured(got):
			d.add(path, want, got)
		}
	case json.Number:
		got, ok := got.(json.Number)
		if !ok || !d.shape && got != want && !d.near(path, want, got) {
			d.add(path, want, got)
		}
	default: // bool, null
		if d.shape && fmt.Sprintf("%T", want) == fmt.Sprintf("%T", got) {
			return
		}
		if want != got {
			d.add(path, want, got)
		}
	}
}

// compareShapes wants each element of either list to be shaped like one of the other: how many there are of which kind, and in which
// order, differs.
func (d *differ) compareShapes(path string, want, got []any) {
	for i, g := range got {
		d.found = append(d.found, nearest(want, func(w any) []string { return shapeDiff(fmt.Sprintf("%s[%d]", path, i), w, g) })...)
	}
	for i, w := range want {
		d.found = append(d.found, nearest(got, func(g any) []string { return shapeDiff(fmt.Sprintf("%s[recorded %d]", path, i), w, g) })...)
	}
	if (len(want) == 0) != (len(got) == 0) {
		d.add(path, want, got)
	}
}

func shapeDiff(path string, want, got any) []string {
	d, without := differ{shape: true}, differ{shape: true}
	d.compare(path, want, got)
	if len(d.found) > 0 {
		without.compare(path, played(want), got)
	}
	if len(without.found) < len(d.found) {
		return without.found
	}
	return d.found
}

// nearest are the fewest differences there are from one of the elements.
func nearest(elements []any, diff func(any) []string) (fewest []string) {
	for i, e := range elements {
		if found := diff(e); i == 0 || len(found) < len(fewest) {
			fewest = found
		}
	}
	return fewest
}

// played is a node's state without what a replay of the chain cannot know: how the tests went that nodes make of each other. Nodes of
// which there are no tests yet are recorded without these fields too. Where ours have them they are compared.
func played(v any) any {
	o, ok := v.(map[string]any)
	if !ok {
		return v
	}
	o = maps.Clone(o)
	delete(o, "timestamp_participation")
	delete(o, "timesync_status")
	return o
}

func byEd25519(a, b any) int {
	key := func(v any) string {
		m, _ := v.(map[string]any)
		s, _ := m["pubkey_ed25519"].(string)
		return s
	}
	return strings.Compare(key(a), key(b))
}

// unmeasured takes out of a text how long a connection took.
func unmeasured(s string) string {
	return regexp.MustCompile(`after \d+ ms`).ReplaceAllString(s, "after N ms")
}

// near reports whether two times differ only by how long the recorded server took, where the time is when it answered.
func (d *differ) near(path string, want, got json.Number) bool {
	if !strings.HasSuffix(path, ".t") && !strings.HasSuffix(path, ".timestamp") && !strings.HasSuffix(path, ".expiry") {
		return false
	}
	a, err1 := want.Int64()
	b, err2 := got.Int64()
	return err1 == nil && err2 == nil && a-b < 1000 && b-a < 1000
}

func TestDifferShape(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		want, got string
		same      bool
	}{
		{`[{"a":1},{"a":2}]`, `[{"a":3}]`, true},
		{`[{"a":1}]`, `[{"a":1},{"a":"x"}]`, false},
		{`[{"a":1}]`, `[{"a":1},{"b":1}]`, false},
		{`[{"a":1},{"a":1,"b":true}]`, `[{"a":1},{"a":2,"b":false}]`, true}, // some have it,
		{`[{"a":1},{"a":1,"b":true}]`, `[{"a":1}]`, false},                  // and so must some of ours
		{`[{"a":1},{"a":1,"b":true}]`, `[{"a":1},{"a":1,"b":"x"}]`, false},
		{`[{"a":1},{"a":1,"b":true}]`, `[{"a":1},{"a":1,"b":true,"c":1}]`, false},
		{`[{"a":[]},{"a":[1]}]`, `[{"a":[]},{"a":["x"]}]`, false},
		{`[{"a":[]},{"a":[1]}]`, `[{"a":[2,3]},{"a":[]}]`, true},
		{`[[1],["x"]]`, `[[1],["x"],[null]]`, false},
		{`[]`, `[1]`, false},
		{`[1]`, `[]`, false},
		{`[]`, `[]`, true},
		{`{"a":null}`, `{"a":1}`, false},
	} {
		d := differ{shape: true}
		d.compare("", d.parse([]byte(test.want)), d.parse([]byte(test.got)))
		if same := len(d.found) == 0; same != test.same {
			t.Errorf("want %s, got %s: differ in %q", test.want, test.got, d.found)
		}
	}
}
