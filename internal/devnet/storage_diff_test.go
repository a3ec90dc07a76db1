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
		if d.shape { // present only when not empty, on the recorded network's nodes now and then
			for _, k := range []string{"timestamp_participation", "timesync_status"} {
				delete(want, k)
				delete(got, k)
			}
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
		if !ok || !d.shape && len(want) != len(got) || len(want) > 0 && len(got) == 0 {
			d.add(path, fmt.Sprint(len(want), " elements"), got)
			return
		}
		if d.shape {
			want, got = want[:min(len(want), 1)], got[:min(len(got), 1)]
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
