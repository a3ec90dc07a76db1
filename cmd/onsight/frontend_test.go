package main

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"onsight/internal/devnet"
)

// TestServeFrontend asks a running server for the dashboard, or for the word that it was not built, and for what stays the API's.
func TestServeFrontend(t *testing.T) {
	t.Parallel()
	chain, _ := devnet.Generate(devnet.GenerateConfig{Seed: 3, Blocks: 20})
	d, err := devnet.Serve(chain, devnet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	s := startServer(t, plainBinary(t), "--db", filepath.Join(t.TempDir(), "names.db"), "--oxend", d.URL())
	for _, tt := range []struct {
		path   string
		status int
		kind   string
	}{
		{"/", http.StatusOK, "text/html"},
		{"/v1/status", http.StatusOK, "application/json"},
		{"/v1/nothing", http.StatusNotFound, "application/problem+json"},
		{"/nothing", http.StatusNotFound, "application/problem+json"},
		{"/routes.json", http.StatusNotFound, "application/problem+json"},
	} {
		res, err := http.Get(s.url + tt.path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != tt.status || !strings.HasPrefix(res.Header.Get("Content-Type"), tt.kind) {
			t.Errorf("%s: got %d %s, %v, want %d %s", tt.path, res.StatusCode, res.Header.Get("Content-Type"), err, tt.status, tt.kind)
		}
		policy := res.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", tt.path, policy)
		}
		if tt.kind == "text/html" && !strings.Contains(string(body), "<title>onsight</title>") {
			t.Errorf("%s: %.80q", tt.path, body)
		}
	}
}
