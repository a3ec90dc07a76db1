package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestWrongUsage gives every command that is only a parent of others a word that is none of them.
func TestWrongUsage(t *testing.T) {
	t.Parallel()
	root, _ := program{env: func(string) string { return "" }}.root()
	seen := 0
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
		if cmd.HasSubCommands() && cmd != root {
			seen++
			path := append(strings.Fields(cmd.CommandPath())[1:], "foo")
			if code, out, stderr := runProgram(t, nil, path...); code != exitUsage || out != "" || stderr == "" {
				t.Errorf("%v: exit code %d, printed %.80q and %.80q", path, code, out, stderr)
			}
		}
	}
	walk(root)
	if seen < 4 {
		t.Errorf("%d parents", seen)
	}
	for _, name := range []string{"paths", "completion"} {
		if code, out, _ := runProgram(t, nil, name); code != exitOK || !strings.Contains(out, "Usage:") {
			t.Errorf("%s alone: exit code %d: %s", name, code, out)
		}
	}
	for flag, want := range map[string]string{"status": "expiring", "kind": "renew", "type": "wallet"} {
		if _, out, _ := runProgram(t, nil, "__complete", "names", "--"+flag, ""); !slices.Contains(strings.Split(out, "\n"), want) {
			t.Errorf("--%s completes to %q", flag, out)
		}
	}
}

// TestOtherNetwork insists on a network that a server, or a database, does not hold.
func TestOtherNetwork(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/status" {
			_ = json.NewEncoder(w).Encode(map[string]any{"network": "fakechain"})
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		w.Header().Set("Onsight-Next", "0123456789abcdef-0")
		w.Header().Set("Onsight-Head", "0123456789abcdef-0")
	}))
	defer s.Close()
	if code, _, stderr := runProgram(t, nil, "events", "--server", s.URL, "--network", "fakechain"); code != exitOK {
		t.Errorf("the right network: exit code %d: %s", code, stderr)
	}
	for _, args := range [][]string{{"events"}, {"events", "--follow"}} {
		code, _, stderr := runProgram(t, nil, append(args, "--server", s.URL, "--network", "mainnet")...)
		if code != exitUnavailable || !strings.Contains(stderr, "holds fakechain, not mainnet: the server is of another network") ||
			!strings.Contains(stderr, "hint: name another server with --server") || strings.Contains(stderr, "database") {
			t.Errorf("%v: exit code %d: %s", args, code, stderr)
		}
	}
	d := startReplay(t, recordings["10"])
	defer d.Close()
	db := filepath.Join(t.TempDir(), "names.db")
	if code, _, stderr := runProgram(t, nil, "index", "--once", "--db", db, "--oxend", d.URL()); code != exitOK {
		t.Fatal(stderr)
	}
	if code, out, stderr := runProgram(t, nil, "probers", "list", "--db", db, "--network", "mainnet"); code != exitUnavailable || out != "" || !strings.Contains(stderr, "holds fakechain, not mainnet") {
		t.Errorf("probers: exit code %d: %s %s", code, out, stderr)
	}
	if code, _, stderr := runProgram(t, nil, "probers", "list", "--db", db, "--network", "fakechain"); code != exitOK {
		t.Errorf("probers of the right network: exit code %d: %s", code, stderr)
	}
}
