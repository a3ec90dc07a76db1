package api

import (
	"fmt"
	"strings"
	"testing"
)

func TestWantsJSON(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]bool{
		"": false, "*/*": false, "application/*": false, "text/html": false, "application/x-ndjson": false,
		"application/json": true, "Application/JSON ; charset=utf-8": true, "application/json, text/plain, */*": true,
		"application/json;q=0": false, "application/json;q=0.000": false, "application/json;q=0, */*": false, "application/json ; Q=0.001": true,
		"text/html, application/json;q=0.5": true, "application/json;q=0.5, application/x-ndjson": false, "application/json, application/x-ndjson;q=0.9": true,
		"application/json, application/x-ndjson": false, "application/*, application/x-ndjson;q=0": true, "*/*, application/x-ndjson;q=0.5": true,
		"application/json;q=0.5, */*": false, "application/json;q=1.0, */*;q=0.8": true,
		`application/json;profile="a, b;q=0";q=1`: true, `text/x;a="\", application/json";q=1`: false,
		"application/json;q=2": false, "application/json;q=x": false, "application/json;q": false, "application/json;q=0.0001": false, "application/json;q=-1": false,
		"application/jsonx": false, "application": false, ",,;q=1,": false,
	} {
		if got := wantsJSON(strings.Split(accept, "|")); got != want {
			t.Errorf("%q: got %v, want %v", accept, got, want)
		}
	}
	if !wantsJSON([]string{"text/html", "application/json"}) || wantsJSON(nil) {
		t.Error("several headers, or none, are read wrongly")
	}
}

func TestTakesGzip(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]bool{
		"": false, "identity": false, "br": false, "gzip": true, "GZIP": true, "x-gzip": true, "br, gzip": true, "*": false, "*;q=0": false,
		"gzip;q=0": false, "gzip;q=0.0": false, "gzip;q=0, *": false, "gzip; q=0.001": true, "gzip;q=1.000": true,
		"gzip;q=0.5, identity": false, "identity;q=0.5, gzip": true, "identity, gzip": true, "identity;q=0, gzip;q=0.1": true, "*;q=0.5, identity": false,
		"gzip;q=0.5, *;q=0.8": true, "gzip;q=0.00.": false, "gzip;q=..": false, "gzip;q=7": false, "gzipped": false,
	} {
		if got := takesGzip([]string{accept}); got != want {
			t.Errorf("%q: got %v, want %v", accept, got, want)
		}
	}
}

// FuzzAccept holds that no header breaks the reader, that what is refused is not sent, and that a weight is one.
func FuzzAccept(f *testing.F) {
	for _, s := range []string{"", "*/*", "application/json;q=0.5, */*", `a/b;c="\",";q=1`, "gzip;q=0", "gzip, identity;q=0.3", `"`, `\`, ";;q=,", "q=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, names := range []func(string) int{mediaRange("application", "json"), coding("gzip", "x-gzip")} {
			if w := weigh([]string{s}, names); w.q < 0 || w.q > 1000 || w.exact < 0 || w.exact > exactly || w.exact == 0 && w.q != 0 {
				t.Errorf("%q: %+v", s, w)
			}
		}
		if wantsJSON([]string{"application/json;q=0", s}) || takesGzip([]string{"gzip;q=0", s}) {
			t.Errorf("%q: what was refused is sent", s)
		}
		if !wantsJSON([]string{"application/json, application/x-ndjson;q=0", s}) || !takesGzip([]string{"gzip, identity;q=0", s}) {
			t.Errorf("%q: what was asked for is not sent", s)
		}
		if n, ok := parseQuality(s); ok && fmt.Sprintf("%.3f", float64(n)/1000)[:len(s)] != s && s != "0." && s != "1." {
			t.Errorf("%q: a weight of %d", s, n)
		}
		joined, n := 0, 0
		for part := range unquoted(s, ',') {
			joined, n = joined+len(part), n+1
		}
		if joined+n-1 != len(s) {
			t.Errorf("%q: %d bytes in %d parts", s, joined, n)
		}
	})
}
