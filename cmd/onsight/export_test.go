package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/bits"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gofrs/flock"
	"github.com/google/go-cmp/cmp"

	"onsight/internal/devnet"
)

// TestExport looks names up at a bare file server that has what was exported from an indexed chain, by the programs' own commands,
// before and after the chain was reorganised.
func TestExport(t *testing.T) {
	t.Parallel()
	chain, truth := devnet.Generate(devnet.GenerateConfig{Seed: 21, Blocks: 300, ONS: 700})
	d, err := devnet.Serve(chain, devnet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	home := t.TempDir()
	db, dir := filepath.Join(home, "names.db"), filepath.Join(home, "public")
	env := map[string]string{"XDG_DATA_HOME": home}
	run := func(want int, args ...string) (stdout, stderr string) {
		t.Helper()
		code, stdout, stderr := runProgram(t, env, args...)
		if code != want {
			t.Fatalf("%v: exit code %d, want %d: %s", args, code, want, stderr)
		}
		return stdout, stderr
	}
	export := func() (v exportedView) {
		t.Helper()
		run(0, "index", "--once", "--db", db, "--oxend", d.URL())
		out, _ := run(0, "export", "--static", dir, "--db", db, "-o", "json")
		if err := json.Unmarshal([]byte(out), &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	first := export()
	if out, _ := run(0, "export", "--static", filepath.Join(home, "other"), "--db", db); !strings.Contains(out, fmt.Sprintf("fakechain at height %d: %d files written", first.AsOf.Height, first.Files)) {
		t.Errorf("said %s", out)
	}
	if again := export(); again.Files != 0 || again.Folder != first.Folder {
		t.Errorf("a second time %+v", again)
	}

	var mu sync.Mutex
	var asked []string
	files := http.FileServer(http.Dir(dir))
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.URL.RequestURI())
		mu.Unlock()
		files.ServeHTTP(w, r)
	}))
	defer host.Close()
	paths := func() string {
		mu.Lock()
		defer mu.Unlock()
		all := strings.Join(asked, " ")
		asked = nil
		return all
	}

	other := strings.Replace(host.URL, "127.0.0.1", "localhost", 1) // as somebody else: the host's own bundle counts no names for it
	run(0, "bundle", "pull", "--server", other)
	if got := paths(); got != "/v1/status /v1/names/bundle" {
		t.Errorf("asked %s", got)
	}
	run(0, "bundle", "pull", "--server", other) // nothing changed
	if got := paths(); got != "/v1/status" {
		t.Errorf("asked %s", got)
	}
	var status struct {
		Files struct{ Bits, Hashes int }
	}
	if b, err := os.ReadFile(filepath.Join(dir, "v1", "status")); err != nil || json.Unmarshal(b, &status) != nil || status.Files.Bits < 1 {
		t.Fatalf("%v %s", err, b)
	}
	width := bits.Len(uint(status.Files.Hashes/128)) - 1
	lookups := func(v exportedView) {
		t.Helper()
		found := 0
		for _, name := range truth.Open() {
			if name.Legacy || found == 10 {
				continue
			}
			found++
			for _, more := range [][]string{nil, {"--history"}} {
				out, _ := run(0, append([]string{"resolve", name.Name.String(), "--type", name.Name.Type().String(), "--server", host.URL}, more...)...)
				if value, _, _ := strings.Cut(out, "\n"); value != name.Text {
					t.Errorf("%s: got %s, want %s", name.Name, out, name.Text)
				}
			}
			at := "/v1/status /v1/names/at/" + filepath.Base(v.Folder)
			if got := paths(); !strings.Contains(got, fmt.Sprintf("%s/range/%d/", at, width)) || !strings.Contains(got, fmt.Sprintf("%s/history/%d/", at, width)) {
				t.Errorf("asked %s", got)
			}
		}
		if found < 10 {
			t.Errorf("only %d names", found)
		}
		run(exitUnavailable, "resolve", "nobody-has-this", "--server", host.URL) // the chain is of years ago
		run(exitUnavailable, "resolve", "nobody-has-this", "--server", host.URL, "--exact")
		paths()
	}
	lookups(first)
	out, _ := run(exitUnavailable, "doctor", "nobody-has-this", "--server", host.URL, "-o", "json")
	var v doctorView
	if err := json.Unmarshal([]byte(out), &v); err != nil || v.Revealed != 0 || v.Lookalikes == nil {
		t.Errorf("%v %s", err, out)
	}

	// Everything in a range is of one size, and all names are in each width once.
	sizes := map[string]int64{}
	count := 0
	err = filepath.WalkDir(first.Folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o444 != 0o444 {
			t.Errorf("%s: %s", path, info.Mode())
		}
		width := filepath.Dir(path)
		if size, ok := sizes[width]; ok && size != info.Size() {
			t.Errorf("%s: %d bytes, others %d", path, info.Size(), size)
		}
		sizes[width] = info.Size()
		count++
		return nil
	})
	if err != nil || count != first.Files-2 || len(sizes) != 2*(status.Files.Bits+1) {
		t.Errorf("%v, %d files, %d folders", err, count, len(sizes))
	}

	// After a reorganisation there is another folder, and the one before is still there, but not the one before that.
	before := first
	for i := range 3 {
		chain.Reorg(3, uint64(i)+1)
		if err := os.Mkdir(filepath.Join(filepath.Dir(before.Folder), ".new-of-a-killed-export"), 0o700); err != nil {
			t.Fatal(err)
		}
		next := export()
		if next.Folder == before.Folder || next.Files < 3 {
			t.Fatalf("after a reorganisation %+v", next)
		}
		left, err := os.ReadDir(filepath.Dir(next.Folder))
		if err != nil || len(left) != 2 {
			t.Errorf("%d: %v, %d folders", i, err, len(left))
		}
		if _, err := os.Stat(before.Folder); err != nil {
			t.Error(err)
		}
		before = next
	}
	run(0, "bundle", "pull", "--server", host.URL)
	paths()

	// What is not an export is not touched, nor is one made of half an index.
	foreign := filepath.Join(home, "foreign")
	if err := os.MkdirAll(filepath.Join(foreign, "v1"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(foreign, "v1", "status"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr := run(exitError, "export", "--static", foreign, "--db", db)
	if !strings.Contains(stderr, "name another folder") {
		t.Errorf("said %s", stderr)
	}
	run(exitUsage, "export")
	run(exitUnavailable, "export", "--static", dir, "--db", filepath.Join(home, "absent.db"))
}

// TestExportAlone: an export goes back to no older block, shares its folder with no other one, and takes out what a killed one left,
// even if there is nothing new.
func TestExportAlone(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	older, newer, dir := filepath.Join(home, "older.db"), filepath.Join(home, "newer.db"), filepath.Join(home, "public")
	fill(t, older, 7, 300, 0)
	fill(t, newer, 8, 310, 0)
	export := func(db string, want int) (stderr string) {
		t.Helper()
		code, _, stderr := runProgram(t, nil, "export", "--static", dir, "--db", db)
		if code != want {
			t.Fatalf("exit code %d, want %d: %s", code, want, stderr)
		}
		return stderr
	}
	all := func() (files []string) {
		t.Helper()
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	export(older, exitOK)
	export(newer, exitOK)
	want := all()
	status, err := os.ReadFile(filepath.Join(dir, "v1", "status"))
	if err != nil {
		t.Fatal(err)
	}
	// One that began before the newer one, and ends after it.
	if said := export(older, exitUnavailable); !strings.Contains(said, "block 8") {
		t.Errorf("said %s", said)
	}
	if now, err := os.ReadFile(filepath.Join(dir, "v1", "status")); err != nil || !bytes.Equal(now, status) {
		t.Errorf("%v: the status is another one", err)
	}

	for _, left := range []string{"v1/names/at/.new-1/range/0/0", "v1/names/.new-2", "v1/.new-3"} {
		left = filepath.Join(dir, filepath.FromSlash(left))
		if err := os.MkdirAll(filepath.Dir(left), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(left, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lock := flock.New(filepath.Join(dir, exportLock))
	if ok, err := lock.TryLock(); err != nil || !ok {
		t.Fatal(ok, err)
	}
	if said := export(newer, exitLocked); !strings.Contains(said, "another process") {
		t.Errorf("said %s", said)
	}
	if got := all(); len(got) != len(want)+3 {
		t.Errorf("%d files, want those of the other one too", len(got))
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	export(newer, exitOK)
	if diff := cmp.Diff(want, all()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestExportCleans puts folders beside those of an export that only look like them.
func TestExportCleans(t *testing.T) {
	t.Parallel()
	at := t.TempDir()
	made := "7-" + strings.Repeat("a", 16)
	folders := map[string]bool{ // by path: whether they stay
		"keep/range": true, "too/range": true,
		made + "/range/0": false, made + "1/range": true, "8-" + strings.Repeat("a", 16) + "/mine": true, "backup": true, ".new-1": false,
		"9-" + strings.Repeat("b", 16) + "/history": false,
	}
	for path := range folders {
		if err := os.MkdirAll(filepath.Join(at, path), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w := exporter{at: at}
	if err := w.clean("keep", "too"); err != nil {
		t.Fatal(err)
	}
	for path, want := range folders {
		if _, err := os.Stat(filepath.Join(at, path)); (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
}
