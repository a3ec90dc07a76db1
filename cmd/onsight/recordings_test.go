package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"onsight/internal/devnet"
	"onsight/internal/store"
)

// recordings are the whole chains recorded from real daemons (internal/devnet/testdata/README.md), by dialect.
var recordings = map[string]string{
	"10": "oxend-chain.jsonl.gz",
	"11": "oxend11/chain.jsonl.gz",
}

const recorded = "../../internal/devnet/testdata"

func startReplay(fatal interface{ Fatalf(string, ...any) }, file string) *devnet.Daemon {
	dir, err := filepath.Abs(recorded)
	if err != nil {
		fatal.Fatalf("%v", err)
	}
	d, err := devnet.Replay(filepath.Join(dir, file))
	if err != nil {
		fatal.Fatalf("%v", err)
	}
	return d
}

// runProgram runs one command line and returns its exit code and output.
func runProgram(t *testing.T, env map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	home := t.TempDir()
	p := program{stdout: &out, stderr: &errs, env: func(k string) string {
		if _, ok := env[k]; !ok && k == "XDG_DATA_HOME" {
			return home
		}
		return env[k]
	}}
	code = p.run(t.Context(), args)
	return code, out.String(), errs.String()
}

// truth is the part that both ons_records.json have in common, of names as their wallets knew them.
type truth struct {
	Year    uint64 `json:"ons_year_blocks"`
	Records []struct {
		Name       string  `json:"name"`
		Type       string  `json:"type"`
		Value      string  `json:"expected_value"`
		Owner      string  `json:"owner"`
		Backup     *string `json:"backup_owner"`
		Registered uint64  `json:"register_height"`
		Updated    uint64  `json:"update_height"`
		Expires    *uint64 `json:"expiration_height"`
		Expired    bool    `json:"expired"`
		Live       *bool   `json:"live"`
		Txid       string  `json:"txid"`
		Sealed     string  `json:"encrypted_value"`
		History    []struct {
			Height uint64 `json:"height"`
			Txid   string `json:"txid"`
		} `json:"history"`
	} `json:"records"`
}

// TestEveryRecordedName resolves each name of both recordings through the program, from the index and from the daemon,
// and compares everything that is printed with what the wallets that bought them knew.
func TestEveryRecordedName(t *testing.T) {
	t.Parallel()
	for dialect, file := range recordings {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(filepath.Join(recorded, filepath.Dir(file), "ons_records.json"))
			if err != nil {
				t.Fatal(err)
			}
			var want truth
			if err := json.Unmarshal(raw, &want); err != nil {
				t.Fatal(err)
			}
			d := startReplay(t, file)
			defer d.Close()
			db := filepath.Join(t.TempDir(), "names.db")
			env := map[string]string{}
			args := []string{"index", "--once", "--db", db, "--oxend", d.URL()}
			if want.Year != 0 {
				args = append(args, "--lokinet-year", strconv.FormatUint(want.Year, 10))
			}
			if code, _, stderr := runProgram(t, env, args...); code != 0 {
				t.Fatalf("index: exit code %d: %s", code, stderr)
			}
			live := 0
			for _, r := range want.Records {
				dead := r.Expired || r.Live != nil && !*r.Live
				for _, source := range [][]string{{"--db", db}, {"--oxend", d.URL()}} {
					code, out, stderr := runProgram(t, env, append([]string{"resolve", r.Name, "--type", r.Type, "-o", "json"}, source...)...)
					if dead {
						if code != exitNotRegistered {
							t.Errorf("%s %s, expired, from %s: exit code %d: %s", r.Type, r.Name, source[0], code, stderr)
						}
						continue
					}
					if code != 0 {
						t.Errorf("%s %s from %s: exit code %d: %s", r.Type, r.Name, source[0], code, stderr)
						continue
					}
					var got resolvedView
					if err := json.Unmarshal([]byte(out), &got); err != nil {
						t.Fatal(err)
					}
					nonce := ""
					if got.Record.Nonce != nil {
						nonce = *got.Record.Nonce
					}
					check := func(what string, got, want any) {
						if got != want {
							t.Errorf("%s %s from %s: %s is %v, want %v", r.Type, r.Name, source[0], what, got, want)
						}
					}
					check("value", got.Value, r.Value)
					check("owner", got.Record.Owner, r.Owner)
					check("backup owner", deref(got.Record.BackupOwner), deref(r.Backup))
					check("update height", got.Record.UpdateHeight, r.Updated)
					check("expiration height", deref(got.Record.ExpirationHeight), deref(r.Expires))
					check("txid", got.Record.Txid, r.Txid)
					check("sealed value", got.Record.EncryptedValue+nonce, r.Sealed)
					if source[0] == "--oxend" {
						continue
					}
					live++
					check("register height", deref(got.Record.RegisterHeight), r.Registered)
					check("changes", len(got.Events), len(r.History))
					for i, e := range r.History {
						if i < len(got.Events) {
							check("txid of a change", got.Events[i].Txid, e.Txid)
							check("height of a change", got.Events[i].Height, e.Height)
						}
					}
				}
			}
			if live < 10 {
				t.Errorf("only %d live names were compared", live)
			}
			if err := d.Crashed(); err != nil {
				t.Errorf("the daemon was killed by a question: %v", err)
			}
		})
	}
}

func deref[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

// TestLocked shows that a second writer is refused with the first one's process id, and a reader is not.
func TestLocked(t *testing.T) {
	t.Parallel()
	d := startReplay(t, recordings["10"])
	defer d.Close()
	path := filepath.Join(t.TempDir(), "names.db")
	index := []string{"index", "--once", "--db", path, "--oxend", d.URL()}
	if code, _, stderr := runProgram(t, nil, index...); code != 0 {
		t.Fatal(stderr)
	}
	db, err := store.Open(t.Context(), store.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	code, _, stderr := runProgram(t, nil, index...)
	if pid := strconv.Itoa(os.Getpid()); code != exitLocked || !strings.Contains(stderr, pid) {
		t.Errorf("exit code %d, want %d with the process id %s: %s", code, exitLocked, pid, stderr)
	}
	if code, out, stderr := runProgram(t, nil, "resolve", "bob_name", "--db", path); code != 0 || !strings.HasPrefix(out, "052473ae") {
		t.Errorf("resolve beside a writer: exit code %d: %s", code, stderr)
	}
}

// TestGeneratedNames resolves every name of a generated chain whose value is known, the one in the scheme of 2020 among
// them, from the index and from daemons of both dialects.
func TestGeneratedNames(t *testing.T) {
	t.Parallel()
	for _, dialect := range []devnet.Dialect{devnet.Dialect10, devnet.Dialect11} {
		t.Run(dialect.String(), func(t *testing.T) {
			t.Parallel()
			chain, truth := devnet.Generate(devnet.GenerateConfig{Seed: 4, Blocks: 600, Ordinary: 30, ONS: 120, Dialect: dialect})
			d, err := devnet.Serve(chain, devnet.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			db := filepath.Join(t.TempDir(), "names.db")
			env := map[string]string{"ONSIGHT_LOKINET_YEAR": strconv.FormatUint(chain.Year(), 10)}
			if code, _, stderr := runProgram(t, env, "index", "--once", "--db", db, "--oxend", d.URL()); code != 0 {
				t.Fatalf("index: exit code %d: %s", code, stderr)
			}
			legacy := 0
			for _, n := range truth.Open() {
				sources := [][]string{{"--db", db}, {"--oxend", d.URL()}}
				if n.Legacy {
					legacy++ // opening takes a second and 256 MiB: once is enough
					sources = sources[:1]
				}
				for _, source := range sources {
					code, out, stderr := runProgram(t, env, append([]string{"resolve", n.Name.String(), "--type", n.Name.Type().String()}, source...)...)
					if code != 0 || strings.TrimSpace(out) != n.Text {
						t.Errorf("a %s name from %s: exit code %d, %q, want %q: %s", n.Name.Type(), source[0], code, out, n.Text, stderr)
					}
				}
			}
			if len(truth.Open()) < 20 || legacy == 0 {
				t.Errorf("%d names, %d of them in the scheme of 2020: too few to show anything", len(truth.Open()), legacy)
			}
			if err := d.Crashed(); err != nil {
				t.Errorf("the daemon was killed by a question: %v", err)
			}
		})
	}
}
