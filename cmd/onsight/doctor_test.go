package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"onsight/internal/devnet"
	"onsight/ons"
)

// TestDoctor holds what is said of every kind of session name of a generated chain, by an index and by a server, to what the
// chain was made of.
func TestDoctor(t *testing.T) {
	t.Parallel()
	chain, truth := devnet.Generate(devnet.GenerateConfig{Seed: 12, Blocks: 500, Ordinary: 20, ONS: 100})
	d, err := devnet.Serve(chain, devnet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	db := filepath.Join(t.TempDir(), "names.db")
	s := startServer(t, plainBinary(t), "--db", db, "--oxend", d.URL())
	await(t, "the server", s.ready)
	found, legacy := 0, 0
	for _, name := range truth.Open() {
		if name.Name.Type() != ons.Session || name.Legacy && legacy > 0 { // one of 2020: each takes a second
			continue
		}
		want := map[string]string{"session-desktop": name.Text, "session-android": name.Text, "session-ios": name.Text, "session.js": name.Text}
		wantCode, wantState := exitOK, "registered"
		if name.Legacy {
			legacy++
			wantCode, wantState = exitError, "needs_update"
			want["session-desktop"], want["session-android"] = "", ""
		} else {
			found++
		}
		for _, source := range [][]string{{"--db", db}, {"--server", s.url}} {
			code, out, stderr := runProgram(t, nil, append([]string{"doctor", name.Name.String(), "-o", "json"}, source...)...)
			if code != wantCode {
				t.Fatalf("%s: exit code %d, want %d: %s", source[0], code, wantCode, stderr)
			}
			var v doctorView
			if err := json.Unmarshal([]byte(out), &v); err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, c := range v.Clients {
				got[c.Client] = deref(c.Value)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s: %s", source[0], d)
			}
			if v.Names[0].State != wantState || deref(v.Names[0].Value) != name.Text {
				t.Errorf("%s: %+v, want %s", source[0], v.Names[0], wantState)
			}
			if name.Legacy != strings.Contains(strings.Join(v.Advice, "\n"), "has to update the record") {
				t.Errorf("%s: advice %q", source[0], v.Advice)
			}
			index := source[0] == "--db"
			if (v.Lookalikes != nil) != index || (v.Revealed == 0) != index || (v.Source == "index") != index {
				t.Errorf("%s: source %q, %d hashes revealed, look-alikes %v", source[0], v.Source, v.Revealed, v.Lookalikes)
			}
		}
	}
	if found < 5 || legacy != 1 {
		t.Errorf("only %d names, and %d of 2020", found, legacy)
	}
}
