package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"onsight/indexer"
)

// mineAs adds a block after which the index is in another state.
func (w *watched) mineAs(t *testing.T, names int, edit func(*indexer.State)) {
	t.Helper()
	w.names.mine(t, names)
	edit(&w.names.delta.State)
	if err := w.index.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestDoubt asks who cannot know what is not registered: a server that lacks the newest blocks, and an old bundle.
func TestDoubt(t *testing.T) {
	t.Parallel()
	w := watch(t, 100)
	home := t.TempDir()
	env := map[string]string{"XDG_DATA_HOME": home}
	run := func(want int, says []string, args ...string) (stdout string) {
		t.Helper()
		code, stdout, stderr := runProgram(t, env, args...)
		if code != want {
			t.Errorf("%v: exit code %d, want %d: %s", args, code, want, stderr)
		}
		for _, s := range says {
			if !strings.Contains(stderr, s) {
				t.Errorf("%v: said %q, want %q", args, stderr, s)
			}
		}
		return stdout
	}
	behind := func(s *indexer.State) { s.Target += 100 }
	file := filepath.Join(home, "onsight", "onsight-mainnet.bundle")
	late := []string{"stands at block 2", "does not know the newest ones", "could not find out", "hint: try again later"}
	w.mineAs(t, 1, behind)
	run(exitUnavailable, late, "bundle", "pull", "--server", w.URL)
	if out := run(exitUnavailable, late, "doctor", "nobody-has-this", "--server", w.URL); !strings.Contains(out, "session  nobody-has-this       unknown: it could not be found out") {
		t.Errorf("said %s", out)
	}
	run(exitUnavailable, late, "doctor", "nobody-has-this.loki", "--server", w.URL)
	run(0, late[1:2], "doctor", "name-1", "--server", w.URL) // though not whether a wallet name is there as well
	if _, err := os.Stat(file); err == nil {
		t.Error("kept the bundle of a server that is not ready")
	}

	w.mine(t, 1)
	run(exitNotRegistered, nil, "doctor", "nobody-has-this", "--server", w.URL)
	run(exitNotRegistered, nil, "resolve", "nobody-has-this", "--offline")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	w.mineAs(t, 1, behind)
	run(exitUnavailable, nil, "bundle", "pull", "--server", w.URL)
	run(0, nil, "doctor", "name-102", "--server", w.URL) // that was bought just now
	if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
		t.Errorf("%v: took the bundle of a server that is not ready", err)
	}

	// Of a server that is ready an old block is the newest one; of a bundle nobody knows.
	w.mineAs(t, 1, func(s *indexer.State) { s.TipTime = time.Now().Add(-time.Hour).Unix() })
	run(exitNotRegistered, nil, "doctor", "nobody-has-this", "--server", w.URL)
	old := []string{"not registered by block 5", "could not find out", "hint: bring it up to date with `onsight bundle pull"}
	for _, args := range [][]string{{"resolve", "%", "--offline"}, {"bundle", "resolve", "%"}, {"doctor", "%", "--offline"}} {
		with := func(name string) (out []string) {
			for _, a := range args {
				out = append(out, strings.ReplaceAll(a, "%", name))
			}
			return out
		}
		run(exitUnavailable, old, with("nobody-has-this")...)
		if out := run(0, []string{"warning: the bundle is of block 5"}, with("name-7")...); !strings.Contains(out, value(7)) {
			t.Errorf("%v: said %s", args, out)
		}
	}
}

// TestDoubtFiles asks a file host whose files are old.
func TestDoubtFiles(t *testing.T) {
	t.Parallel()
	w := watch(t, 100)
	w.mineAs(t, 1, func(s *indexer.State) { s.TipTime = time.Now().Add(-time.Hour).Unix() })
	w.lie = func(r *http.Response) error { // the server's own replies, as a file host gives them
		if r.Request.URL.Path != "/v1/status" {
			return nil
		}
		return put(r, `{"network":"mainnet","ready":true,"files":{"version":1,"at":"1","bits":0,"hashes":101}}`)
	}
	host := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		r.URL.Path = strings.Replace(r.URL.Path, "/at/1/range/", "/range/", 1)
		w.Config.Handler.ServeHTTP(rw, r)
	}))
	t.Cleanup(host.Close)
	env := map[string]string{"XDG_DATA_HOME": t.TempDir()}
	for _, command := range []string{"resolve", "doctor"} {
		code, _, stderr := runProgram(t, env, command, "nobody-has-this", "--server", host.URL)
		if code != exitUnavailable || !strings.Contains(stderr, "not registered by block 2") || !strings.Contains(stderr, "hint: ask another server") {
			t.Errorf("%s: exit code %d: %s", command, code, stderr)
		}
		code, out, stderr := runProgram(t, env, command, "name-7", "--server", host.URL)
		if code != 0 || !strings.Contains(out, value(7)) || !strings.Contains(stderr, "warning: ") {
			t.Errorf("%s: exit code %d: %s %s", command, code, out, stderr)
		}
	}
}

// put makes a reply be another one.
func put(r *http.Response, body string) error {
	err := r.Body.Close()
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	r.Header = http.Header{"Content-Type": {"application/json"}}
	return err
}
