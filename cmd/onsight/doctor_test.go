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
	env := map[string]string{"XDG_DATA_HOME": t.TempDir()}
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
		for _, source := range [][]string{{"--db", db}, {"--server", s.url}, {"--offline"}, {"--server", s.url, "--exact"}} {
			code, out, stderr := runProgram(t, env, append([]string{"doctor", name.Name.String(), "-o", "json"}, source...)...)
			if code != wantCode {
				t.Fatalf("%s: exit code %d, want %d: %s", source, code, wantCode, stderr)
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
			exact, by := len(source) == 3, map[bool]string{true: "index", false: "bundle"}[source[0] == "--db"]
			if v.Lookalikes == nil || v.Lookalikes.By != by || (v.Revealed == 0) == exact || v.Source != map[bool]string{true: "exact", false: by}[exact] {
				t.Errorf("%s: source %q, %d hashes revealed, look-alikes %v", source, v.Source, v.Revealed, v.Lookalikes)
			}
		}
	}
	if found < 5 || legacy != 1 {
		t.Errorf("only %d names, and %d of 2020", found, legacy)
	}
}

// TestDoctorReveals looks at what a server is asked by the doctor, and finds look-alikes in its bundle.
func TestDoctorReveals(t *testing.T) {
	t.Parallel()
	w := watch(t, 300)
	env := map[string]string{"XDG_DATA_HOME": t.TempDir()}
	doctor := func(want int, args ...string) string {
		t.Helper()
		code, out, stderr := runProgram(t, env, append([]string{"doctor"}, args...)...)
		if code != want {
			t.Fatalf("%v: exit code %d, want %d: %s", args, code, want, stderr)
		}
		return out
	}
	const all = "/v1/status\n/v1/names/bundle"
	out := doctor(0, "name-1", "--server", w.URL)
	if got := w.paths(); got != all {
		t.Errorf("asked %s", got)
	}
	if !strings.Contains(out, "asked: the bundle of "+strings.TrimPrefix(w.URL, "http://")) || !strings.Contains(out, "nothing of the name") {
		t.Errorf("said %s", out)
	}
	out = doctor(exitNotRegistered, "narne-7", "--server", w.URL) // one that is not there
	if got := w.paths(); !strings.HasPrefix(got, all+"?since=") || !strings.Contains(out, "session  name-7  registered: 05") {
		t.Errorf("asked %s, said %s", got, out)
	}
	doctor(0, "name-1", "--offline")
	if got := w.paths(); got != "" {
		t.Errorf("asked %s", got)
	}
	doctor(0, "name-1", "--server", w.URL, "--exact")
	if got := w.paths(); strings.Count(got, hashOf(t, "name-1").String()) != 2 { // as a session and a wallet name
		t.Errorf("asked %s", got)
	}
	doctor(exitUsage, "name-1", "--server", w.URL, "--offline")
	doctor(exitUsage, "name-1", "--exact")
	w.Close()
	doctor(exitUnavailable, "name-1", "--server", w.URL)
	doctor(0, "name-1", "--offline")
}

// TestDoctorPool asks for a name that waits to be mined: in each dialect, by a daemon and by a bundle beside one.
func TestDoctorPool(t *testing.T) {
	t.Parallel()
	for _, dialect := range []devnet.Dialect{devnet.Dialect10, devnet.Dialect11} {
		chain, _ := devnet.Generate(devnet.GenerateConfig{Seed: 12, Blocks: 200, ONS: 10, Dialect: dialect})
		d, err := devnet.Serve(chain, devnet.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		home := t.TempDir()
		env := map[string]string{"XDG_DATA_HOME": home, "ONSIGHT_OXEND": d.URL()}
		db := filepath.Join(home, "names.db")
		if code, _, stderr := runProgram(t, env, "index", "--once", "--db", db); code != 0 {
			t.Fatal(stderr)
		}
		look := func(want int, state string, args ...string) {
			t.Helper()
			code, out, stderr := runProgram(t, env, append([]string{"doctor", "just-bought", "-o", "json"}, args...)...)
			var v doctorView
			if err := json.Unmarshal([]byte(out), &v); err != nil || code != want {
				t.Fatalf("%s %v: exit code %d: %v %s", dialect, args, code, err, stderr)
			}
			waits := strings.Contains(strings.Join(v.Advice, " "), "bought and not mined yet")
			if v.Names[0].State != state || waits != (state == "not_mined") || v.Names[1].State != "not_registered" {
				t.Errorf("%s %v: %+v, want %s", dialect, args, v, state)
			}
		}
		look(exitNotRegistered, "not_registered", "--db", db)
		name, err := ons.ParseName(ons.Session, "just-bought")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := chain.BuyName(name, ons.Value{Type: ons.Session, Bytes: append([]byte{5}, make([]byte, 32)...)}, devnet.BuyOptions{}); err != nil {
			t.Fatal(err)
		}
		look(exitNotRegistered, "not_mined", "--db", db)
		look(exitNotRegistered, "not_mined")
		chain.Mine(1, 0, 0)
		look(exitNotRegistered, "not_registered", "--db", db) // which has not followed yet
		look(0, "registered")
	}
}
