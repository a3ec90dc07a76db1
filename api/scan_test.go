package api

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var scanned = []string{
	`{"names":[]}`, ` { "names" : [ ] } `, "{\"names\":[{\"type\":\"session\",\"hash\":\"" + strings.Repeat("aB", 32) + "\"}\n]}",
	`{"names":[{"hash":"` + strings.Repeat("A", 43) + `","type":"wallet"},{"type":"lokinet","hash":"` + strings.Repeat("A", 43) + `="}]}`,
}

var parsed = []string{
	`{"names":[{"type":"se\u0073sion","hash":"` + strings.Repeat("00", 32) + `"}]}`,
	`{"NAMES":[]}`,
}

var refused = []string{
	`{"names":[{"type":"session","hash":"` + strings.Repeat("00", 32) + `","x":1}]}`, `{"names":[],"more":{}}`,
	`{"names":[{"type":"session","hash":"` + strings.Repeat("00", 32) + `"}],"names":[{"hash":"` + strings.Repeat("00", 32) + `"}]}`,
	``, `{}`, `[]`, `{"names":[}`, `{"names":[]}x`, `{"names":[]`, `{"names":[,]}`, `{"names":[{}]}`, `{"names":[{},]}`,
	`{"names":[{"type":"session","hash":"` + strings.Repeat("00", 32) + `"},]}`,
	`{"names":[{"type":"session","hash":"` + strings.Repeat("00", 32) + `"}{"type":"session","hash":"` + strings.Repeat("00", 32) + `"}]}`,
	`{"names":[{"type":"session","hash":"` + strings.Repeat("00", 31) + `"}]}`, `{"names":[{"type":"x","hash":"` + strings.Repeat("00", 32) + `"}]}`,
	`{"names":[{"type":"session" "hash":"` + strings.Repeat("00", 32) + `"}]}`, `{"names":[{"type":"session","hash":"`, `{"names" []}`,
}

// TestScan shows which bodies are read the short way, which by encoding/json, and which not at all.
func TestScan(t *testing.T) {
	t.Parallel()
	for want, bodies := range map[string][]string{"scanned": scanned, "parsed": parsed, "refused": refused} {
		for _, body := range bodies {
			got := "scanned"
			if _, ok := scanKeys([]byte(body)); !ok {
				got = "parsed"
				if _, err := parseKeys([]byte(body)); err != nil {
					got = "refused"
				}
			}
			if got != want {
				t.Errorf("%s: %s, want %s", body, got, want)
			}
		}
	}
}

// FuzzScan holds scanKeys to parseKeys.
func FuzzScan(f *testing.F) {
	for _, bodies := range [][]string{scanned, parsed, refused} {
		for _, body := range bodies {
			f.Add([]byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, ok := scanKeys(body)
		if !ok {
			return
		}
		want, err := parseKeys(body)
		if err != nil {
			t.Fatalf("scanned %q, but %v", body, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", body, diff)
		}
	})
}
