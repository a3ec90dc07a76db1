package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"onsight/api"
	"onsight/internal/index"
	"onsight/internal/store"
)

// TestListsOfServer shows that a server's lists and numbers, read in pages, are what is read from its database.
func TestListsOfServer(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "names.db")
	d := startReplay(t, recordings["10"])
	defer d.Close()
	if code, _, errs := runProgram(t, nil, "index", "--once", "--db", path, "--oxend", d.URL()); code != exitOK {
		t.Fatal(errs)
	}
	db, err := store.Open(t.Context(), store.Config{Path: path, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	x := index.New(db)
	if err := x.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	handler := api.New(api.Config{Snapshot: func() api.Snapshot { return x.Snapshot() }}).Handler()
	paged := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); q.Has("limit") {
			q.Set("limit", "3") // a server may give less than is asked for
			r.URL.RawQuery = q.Encode()
		}
		handler.ServeHTTP(w, r)
	}))
	defer paged.Close()
	read := func(args ...string) (v map[string]any) {
		t.Helper()
		code, out, errs := runProgram(t, nil, append(args, "-o", "json")...)
		if code != exitOK {
			t.Fatalf("%v: exit code %d: %s", args, code, errs)
		}
		if err := json.Unmarshal([]byte(out), &v); err != nil {
			t.Fatal(err)
		}
		delete(v, "source")
		return v
	}
	for _, command := range []string{
		"names --limit 100", "names --limit 4", "names --type lokinet,wallet --kind buy --limit 50", "names --status expired,registered",
		"names --expiring --within 100000", "names --expiring", "stats", "stats --days 1000",
	} {
		args := strings.Fields(command)
		want, got := read(append(args, "--db", path)...), read(append(args, "--server", paged.URL)...)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-index +server):\n%s", command, diff)
		}
	}
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/status" {
			handler.ServeHTTP(w, r)
			return
		}
		_, _ = w.Write([]byte(`{"names":[],"next":"AAAA","as_of":{"height":1}}`))
	}))
	defer endless.Close()
	if code, _, errs := runProgram(t, nil, "names", "--server", endless.URL); code != exitUnavailable || !strings.Contains(errs, "does not end") {
		t.Errorf("a list without an end: exit code %d: %s", code, errs)
	}
}
