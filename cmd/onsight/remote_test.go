package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"onsight/internal/devnet"
)

// TestRemoteDates compares the records that a server gives in each way, with their dates, with those of its database.
func TestRemoteDates(t *testing.T) {
	t.Parallel()
	chain, truth := devnet.Generate(devnet.GenerateConfig{Seed: 12, Blocks: 300, ONS: 60})
	d, err := devnet.Serve(chain, devnet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	db := filepath.Join(t.TempDir(), "names.db")
	s := startServer(t, plainBinary(t), "--db", db, "--oxend", d.URL())
	await(t, "the server", s.ready)
	env := map[string]string{"XDG_DATA_HOME": t.TempDir()}
	updated := false
	for _, name := range truth.Open() {
		if name.Legacy {
			continue
		}
		record := func(args ...string) *recordView {
			t.Helper()
			args = append([]string{"resolve", name.Name.String(), "--type", name.Name.Type().String(), "-o", "json"}, args...)
			code, out, stderr := runProgram(t, env, args...)
			var v resolvedView
			if err := json.Unmarshal([]byte(out), &v); err != nil || code != 0 || v.Record == nil {
				t.Fatalf("%v: exit code %d: %v %s", args, code, err, stderr)
			}
			return v.Record
		}
		want := record("--db", db)
		updated = updated || *want.RegisterHeight != want.UpdateHeight
		for _, way := range []string{"", "--exact", "--history", "--exact --history"} {
			got := record(append([]string{"--server", s.url}, strings.Fields(way)...)...)
			if deref(got.RegisteredAt) != deref(want.RegisteredAt) || deref(got.UpdatedAt) != deref(want.UpdatedAt) || want.UpdatedAt == nil {
				t.Errorf("%s %s: %s %s, want %s %s", name.Name, way, deref(got.RegisteredAt), deref(got.UpdatedAt), deref(want.RegisteredAt), deref(want.UpdatedAt))
			}
		}
	}
	if !updated {
		t.Error("no name was updated")
	}
}

// TestBitsDamaged has the file that remembers how many bits were sent hold what is no number.
func TestBitsDamaged(t *testing.T) {
	t.Parallel()
	w := watch(t, 100)
	for _, text := range []string{"", "x", "-1"} {
		home := t.TempDir()
		file := filepath.Join(home, "onsight", "onsight-mainnet.bits")
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, stderr := runProgram(t, map[string]string{"XDG_DATA_HOME": home}, "resolve", "name-1", "--server", w.URL)
		if code != exitUnavailable || !strings.Contains(stderr, file) || !strings.Contains(stderr, "hint: it remembers how much of a hash servers were told: delete it") {
			t.Errorf("%q: exit code %d: %s", text, code, stderr)
		}
	}
}

// TestExactOfFiles asks a file host for a single name, which it has no files of.
func TestExactOfFiles(t *testing.T) {
	t.Parallel()
	w := watch(t, 1)
	w.lie = func(r *http.Response) error {
		return put(r, `{"network":"mainnet","ready":true,"files":{"version":1,"at":"1","bits":0,"hashes":1}}`)
	}
	code, _, stderr := runProgram(t, nil, "resolve", "name-0", "--exact", "--server", w.URL)
	if code != exitUnavailable || !strings.Contains(stderr, "revealed: nothing: no name was asked for") || w.paths() != "/v1/status" {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
