package main

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"onsight/directory"
	"onsight/internal/devnet"
	"onsight/internal/store"
	"onsight/ons"
)

func startDevnet(t *testing.T, nodes int) *devnet.Network {
	t.Helper()
	n, err := devnet.Start(devnet.Config{Seed: 1, Nodes: nodes, Past: 50})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// openDirectory is one over a new database that follows a devnet.
func openDirectory(t *testing.T, n *devnet.Network) (*directory.Directory, *store.Store) {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "names.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	f := flags{oxend: []string{n.Oxend()}}
	log := slog.New(slog.DiscardHandler)
	b, err := newBase(t.Context(), &f, log, db)
	if err != nil {
		t.Fatal(err)
	}
	d, err := b.directory(&f, directory.Config{Log: log})
	if err == nil {
		err = d.Refresh(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return d, db
}

// TestProbeReports runs `onsight probe --once --report-to` against a server that takes reports in: what was measured in one
// place is known in the other, under the name it was enrolled by, and the key goes nowhere.
func TestProbeReports(t *testing.T) {
	t.Parallel()
	n := startDevnet(t, 5)
	server, db := openDirectory(t, n)
	received := make(chan []byte, 10)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err == nil && r.URL.Path == "/base/v1/probe/reports" && r.Method == http.MethodPost {
			received <- b
			err = server.Report(r.Context(), b)
		}
		if err != nil {
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, `{"detail":"`+err.Error()+`\u001b[0m"}`)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer web.Close()
	dir := t.TempDir()
	key := filepath.Join(dir, "berlin.key")
	code, public, stderr := runProgram(t, nil, "probe", "keygen", key)
	if code != 0 {
		t.Fatal(stderr)
	}
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, error %v; want 0600", info.Mode(), err)
	}
	probe := func(db string) (int, string) {
		code, _, stderr := runProgram(t, nil, "probe", "--once", "--oxend", n.Oxend(), "--db", filepath.Join(dir, db), "--report-to", web.URL+"/base", "--key", key)
		return code, stderr
	}
	if code, stderr := probe("one.db"); code != exitUnavailable || !strings.Contains(stderr, "answers 403") || !strings.Contains(stderr, "not enrolled[0m") {
		t.Errorf("before it was enrolled: got exit code %d, %q", code, stderr)
	}
	<-received
	raw, err := hex.DecodeString(strings.TrimSpace(public))
	if err == nil {
		err = db.Enrol(t.Context(), "berlin", raw)
	}
	if err == nil {
		err = server.Load(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	if code, stderr := probe("two.db"); code != 0 {
		t.Fatalf("got exit code %d: %s", code, stderr)
	}
	report, err := directory.ParseReport(<-received)
	if err != nil || len(report.Checks) != 5 || report.Network != ons.Fakechain {
		t.Errorf("got %+v, error %v; want five checks on fakechain", report, err)
	}
	for _, e := range server.Snapshot().Entries {
		if e.Verdict.Voters != 1 || e.Verdict.Ups != 1 || e.Estimate.Tried != 0 {
			t.Errorf("got %+v, want one voter, who is not here", e.Verdict)
		}
		o, err := server.History(t.Context(), e.Node.Key, "berlin", directory.LatencySeries, time.Time{}, time.Time{})
		if err != nil || o[0].Count != 1 {
			t.Errorf("got %+v, error %v; want one check", o, err)
		}
	}
}

// TestReporter: what could not be delivered goes with the next report unless it became too old; what was refused does not;
// and numbers rise, also when the clock does not.
func TestReporter(t *testing.T) {
	t.Parallel()
	status := http.StatusNoContent
	var got []directory.Report
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		report, err := directory.ParseReport(b)
		if err != nil {
			t.Error(err)
		}
		got = append(got, report)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	defer web.Close()
	path := filepath.Join(t.TempDir(), "key")
	if _, err := makeKey(path); err != nil {
		t.Fatal(err)
	}
	r, err := program{}.newReporter(probeOptions{reportTo: web.URL, key: path})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r.now = func() time.Time { return now }
	check := func(i byte) directory.Check {
		return directory.Check{Key: directory.Key{i}, Sample: directory.Sample{At: now, OK: true, OMQ: directory.NotTried}}
	}
	sequence := uint64(0)
	for _, s := range []struct {
		name   string
		pass   time.Duration
		status int
		checks []directory.Check
		fails  bool
		keys   []byte // of the report; nil: none is sent
	}{
		{"nothing to say", 0, 204, nil, false, nil},
		{"delivered", 0, 204, []directory.Check{check(1), check(2)}, false, []byte{1, 2}},
		{"server away", time.Minute, 503, []directory.Check{check(3)}, true, []byte{3}},
		{"still", time.Minute, 503, []directory.Check{check(4)}, true, []byte{3, 4}},
		{"back", time.Minute, 204, nil, false, []byte{3, 4}},
		{"once only", time.Minute, 204, nil, false, nil},
		{"refused", 0, 403, []directory.Check{check(5)}, true, []byte{5}},
		{"not again", 0, 204, nil, false, nil},
		{"redirected", 0, 307, []directory.Check{check(6)}, true, []byte{6}},
		{"too many", 0, 429, nil, true, []byte{6}},
		{"too old", 5 * time.Minute, 204, []directory.Check{check(7)}, false, []byte{7}},
		{"clock set back", -time.Hour, 204, []directory.Check{check(8)}, false, []byte{8}},
	} {
		now, status, got = now.Add(s.pass), s.status, nil
		for i := range s.checks {
			s.checks[i].Sample.At = now
		}
		if err := r.send(t.Context(), ons.Fakechain, s.checks); (err != nil) != s.fails || s.fails && !errors.Is(err, ons.ErrUnavailable) {
			t.Errorf("%s: got error %v", s.name, err)
		}
		if len(s.keys) == 0 {
			if len(got) != 0 {
				t.Errorf("%s: something was sent", s.name)
			}
			continue
		}
		if len(got) != 1 {
			t.Errorf("%s: got %d requests, want 1", s.name, len(got))
			continue
		}
		var keys []byte
		for _, c := range got[0].Checks {
			keys = append(keys, c.Key[0])
		}
		if string(keys) != string(s.keys) {
			t.Errorf("%s: got nodes %v, want %v", s.name, keys, s.keys)
		}
		if got[0].Sequence <= sequence {
			t.Errorf("%s: got number %d after %d", s.name, got[0].Sequence, sequence)
		}
		sequence = got[0].Sequence
	}
}

// TestServeProbes: serve follows the list of nodes and measures them.
func TestServeProbes(t *testing.T) {
	t.Parallel()
	n := startDevnet(t, 4)
	d, _ := openDirectory(t, n)
	p := prober{Directory: d, log: slog.New(slog.DiscardHandler)}
	if err := p.round(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, e := range d.Snapshot().Entries {
		if e.Reachable() != directory.Up || e.Estimate.Tried != 1 {
			t.Errorf("got %s after %d checks, want up after one", e.Reachable(), e.Estimate.Tried)
		}
	}
	if err := p.round(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e := d.Snapshot().Entries[0]; e.Estimate.Tried != 1 {
		t.Errorf("checked %d times within a period", e.Estimate.Tried)
	}
}

// TestProbePublic: only where the nodes are ours by nature are their addresses taken as they come.
func TestProbePublic(t *testing.T) {
	for n, want := range map[ons.Network]bool{ons.Mainnet: false, ons.Testnet: false, ons.Devnet: false, ons.Stagenet: false, ons.Fakechain: true, ons.Localdev: true} {
		if got := private(n); got != want {
			t.Errorf("%s: got %v, want %v", n, got, want)
		}
	}
}

func TestReadKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a folder", "key")
	public, err := makeKey(path)
	if err != nil {
		t.Fatal(err)
	}
	key, err := readKey(path)
	if err != nil || !public.Equal(key.Public().(ed25519.PublicKey)) {
		t.Errorf("got another key, error %v", err)
	}
	if _, err := makeKey(path); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second time: got error %v, want ErrExist", err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := readKey(path); err == nil || strings.Contains(err.Error(), "PRIVATE") {
		t.Errorf("readable by others: got error %v", err)
	}
}

// TestReportError: the path of a server's URL, which may hold a key, is in no error.
func TestReportError(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	if _, err := makeKey(path); err != nil {
		t.Fatal(err)
	}
	r, err := program{}.newReporter(probeOptions{reportTo: "http://127.0.0.1:1/s3cret", key: path})
	if err != nil {
		t.Fatal(err)
	}
	check := directory.Check{Key: directory.Key{1}, Sample: directory.Sample{At: time.Now(), OK: true, OMQ: directory.NotTried}}
	err = r.send(t.Context(), ons.Fakechain, []directory.Check{check})
	if !errors.Is(err, ons.ErrUnavailable) || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("got %v", err)
	}
}

// TestPeriods: nodes are checked a whole number of times an hour, which is what histories are made of.
func TestPeriods(t *testing.T) {
	t.Parallel()
	env := map[string]string{"XDG_DATA_HOME": t.TempDir()}
	for _, every := range []string{"59s", "7m", "10m1s", "40m", "90m", "2h", "-1m"} {
		for _, args := range [][]string{{"probe", "--once", "--every", every}, {"serve", "--probe-every", every}} {
			args = append(args, "--oxend", "http://127.0.0.1:1")
			if code, _, stderr := runProgram(t, env, args...); code != exitUsage || !strings.Contains(stderr, "10m, 12m, 15m, 20m, 30m or 1h") {
				t.Errorf("%v: got exit code %d: %s", args, code, stderr)
			}
		}
	}
	for _, every := range []string{"1m", "2m", "3m", "5m", "6m", "10m", "12m", "15m", "20m", "30m", "1h"} {
		if d, err := time.ParseDuration(every); err != nil || !period(d) || !strings.Contains(wantPeriod, every) {
			t.Errorf("%s: refused, error %v", every, err)
		}
	}
}

// TestProbeFuture: a check that a wrong clock dated ahead does not keep a node from being checked.
func TestProbeFuture(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		last time.Time
		want bool
	}{
		{time.Time{}, true}, {now.Add(-time.Hour), true}, {now.Add(-8 * time.Minute), true}, {now.Add(-7 * time.Minute), false}, {now, false},
		{now.Add(time.Second), true}, {now.AddDate(10, 0, 0), true},
	} {
		if got := again(c.last, now, 10*time.Minute); got != c.want {
			t.Errorf("last checked %v: got %v, want %v", c.last, got, c.want)
		}
	}
}
