package directory_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"onsight/directory"
	"onsight/internal/devnet"
	"onsight/internal/store"
)

// sample is a check that took 30 ms, or failed.
func sample(at time.Time, ok bool) directory.Sample {
	s := directory.Sample{At: at, TCP: directory.NotTried, TLS: directory.NotTried, Info: directory.NotTried, OMQ: directory.NotTried}
	if ok {
		s.OK, s.TCP, s.TLS, s.Info = true, 10*time.Millisecond, 20*time.Millisecond, 30*time.Millisecond
	} else {
		s.Failure = "no answer"
	}
	return s
}

// checks are one check of every node: it fails for those in down.
func (b *bed) checks(down ...int) (list []directory.Check) {
	for i := range b.net.Nodes() {
		list = append(list, directory.Check{Key: b.key(i), Sample: sample(b.clock.Now(), !slices.Contains(down, i))})
	}
	return list
}

func (b *bed) record(t testing.TB, down ...int) {
	t.Helper()
	if err := b.Record(t.Context(), b.checks(down...)); err != nil {
		t.Fatal(err)
	}
}

// TestHistory records five days of checks, a gap of one of them among them, and reads them back at every resolution.
func TestHistory(t *testing.T) {
	t.Parallel()
	b := newBed(t, devnet.Config{Nodes: 2}, nil)
	day, n := 24*time.Hour, 0
	begin := b.clock.Now()
	for at := time.Duration(0); at < 5*day; at += 10 * time.Minute {
		if at < 2*day || at >= 3*day {
			b.record(t, 1)
			n++
		}
		b.clock.pass(10 * time.Minute)
	}
	check := func(d *directory.Directory) {
		t.Helper()
		for i, ok := range []bool{true, false} {
			e := d.Snapshot().Entry(b.key(i))
			if e.Estimate.OK != ok || (e.Reachable() == directory.Up) != ok || e.Estimate.Tried == 0 {
				t.Errorf("node %d: %+v, %s", i, e.Estimate, e.Reachable())
			}
		}
		objects, err := d.History(t.Context(), b.key(0), "", directory.LatencySeries, time.Time{}, time.Time{})
		if err != nil || len(objects) != directory.Rings {
			t.Fatalf("%d objects: %v", len(objects), err)
		}
		for i, want := range []struct {
			interval time.Duration
			values   int
			gap      int
		}{{10 * time.Minute, 2 * 144, 0}, {time.Hour, 5 * 24, 24}, {day, 6, 0}} {
			o := objects[i]
			gap := 0
			for _, v := range o.Values {
				if v < 0 {
					gap++
				} else if l := float64(v) * o.Factor; l < 0.0299 || l > 0.0301 {
					t.Errorf("ring %d: a latency of %v", i, l)
				}
			}
			if o.Interval != want.interval || o.Count != want.values || gap != want.gap {
				t.Errorf("ring %d: %d values each %v with a gap of %d, want %+v", i, o.Count, o.Interval, gap, want)
			}
		}
		if first := objects[1].First; !first.Equal(begin.Truncate(time.Hour).Add(30 * time.Minute)) {
			t.Errorf("the first hour is %v", first)
		}
		up, err := d.History(t.Context(), b.key(1), directory.Here, directory.UptimeSeries, b.clock.Now().Add(-time.Hour), time.Time{})
		if err != nil || up[0].Count != 6 || up[0].Values[0] != 0 {
			t.Errorf("uptime of the other in the last hour: %+v, %v", up, err)
		}
		none, err := d.History(t.Context(), directory.Key{1}, "nobody", directory.UptimeSeries, time.Time{}, time.Time{})
		if err != nil || none[0].Count+none[1].Count+none[2].Count != 0 {
			t.Errorf("of nobody: %+v, %v", none, err)
		}
	}
	check(b.Directory)
	reader := directory.New(directory.Config{Store: openStore(t, store.Config{Path: b.path, ReadOnly: true}), Now: b.clock.Now})
	if err := reader.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(reader)
	if !reflect.DeepEqual(reader.Snapshot().Entries, b.Snapshot().Entries) {
		t.Error("who starts anew sees something else")
	}
	if err := b.Record(t.Context(), []directory.Check{{Key: directory.Key{7}, Sample: sample(b.clock.Now(), true)}}); err != nil {
		t.Errorf("an unknown node: %v", err)
	}
}

func TestVantages(t *testing.T) {
	t.Parallel()
	b := newBed(t, devnet.Config{}, nil)
	shared := openStore(t, store.Config{Path: b.path, Shared: true, Now: b.clock.Now}) // as onsight probers does beside serve
	for i, name := range []string{"berlin", "tokyo"} {
		if err := shared.Enrol(t.Context(), name, ed25519.PublicKey(slices.Repeat([]byte{byte(i)}, 32))); err != nil {
			t.Fatal(err)
		}
	}
	report := func(name string, sequence uint64, down ...int) error {
		return b.RecordFrom(t.Context(), name, sequence, b.checks(down...))
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	health := func(i int) directory.Health { return b.Snapshot().Entry(b.key(i)).Reachable() }
	b.record(t, 1, 2)
	must(report("berlin", 1, 2))
	must(report("tokyo", 5))
	if health(1) != directory.Up || health(2) != directory.Down || health(3) != directory.Up {
		t.Errorf("one of three: %s, two of three: %s, none: %s", health(1), health(2), health(3))
	}
	if v := b.Snapshot().Entry(b.key(1)).Verdict; v.Voters != 3 || v.Downs != 1 {
		t.Errorf("%+v", v)
	}
	if p := b.Snapshot().Probers; len(p) != 2 || p[1].Sequence != 5 || !p[1].Reported.Equal(b.clock.Now()) {
		t.Errorf("probers: %+v", p)
	}
	if err := report("tokyo", 5); !errors.Is(err, directory.ErrSequence) {
		t.Errorf("the same report again: %v", err)
	}
	if err := report("paris", 1); !errors.Is(err, directory.ErrNotEnrolled) {
		t.Errorf("a stranger: %v", err)
	}
	b.clock.pass(10 * time.Minute)
	b.record(t, 1, 2)
	must(report("berlin", 2, 1, 2))
	if health(1) != directory.Down {
		t.Errorf("two of three: %s", health(1))
	}
	must(shared.Dismiss(t.Context(), "berlin"))
	must(b.Load(t.Context()))
	if v := b.Snapshot().Entry(b.key(1)).Verdict; v.Voters != 2 || health(1) != directory.Up {
		t.Errorf("without berlin: %+v", v)
	}
	if h, err := b.History(t.Context(), b.key(1), "berlin", directory.UptimeSeries, time.Time{}, time.Time{}); err != nil || h[0].Count != 0 {
		t.Errorf("history from berlin: %+v, %v", h, err)
	}
	b.clock.pass(20 * time.Minute) // nobody reported in the last two periods
	must(b.Load(t.Context()))
	if v := b.Snapshot().Entry(b.key(1)).Verdict; v.Voters != 0 {
		t.Errorf("later: %+v", v)
	}
	if err := shared.CommitNodes(t.Context(), 1, directory.Round{}); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("writing without the lock: %v", err)
	}
}

// TestReasonsLater: where 10.x cannot say why a node was decommissioned, that is found out later.
func TestReasonsLater(t *testing.T) {
	t.Parallel()
	var silent atomic.Bool
	silent.Store(true)
	b := newBed(t, devnet.Config{}, nil)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if silent.Load() && bytes.Contains(body, []byte("get_quorum_state")) {
			w.Write([]byte(`{"jsonrpc":"2.0","id":"0","error":{"code":-1,"message":"Failed to query any quorums at all"}}`))
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		b.net.Daemon(0).Handler().ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	b.open(t, b.db, func(c *directory.Config) { c.Pool = newPool(t, b.clock.Now, proxy.URL) })
	b.net.Mine(3)
	b.follow(t)
	b.do(t, 1, devnet.ActDecommission, devnet.ReasonLokinet)
	k := b.key(1)
	if n := b.node(t, 1); n.State != directory.Decommissioned || n.Reasons != nil {
		t.Fatalf("%s for %v", n.State, n.Reasons)
	}
	silent.Store(false)
	for range 4 {
		b.net.Mine(1)
		b.follow(t)
	}
	if n := b.node(t, 1); !slices.Equal(n.Reasons, []string{"lokinet"}) {
		t.Errorf("later: %v", n.Reasons)
	}
	log := b.log(t, &k, 0)
	if e := log[len(log)-1]; e.Kind != directory.KindDecommissioned || !slices.Equal(e.Reasons, []string{"lokinet"}) {
		t.Errorf("the event: %+v", e)
	}
}

// TestFenced: a directory whose writer was replaced changes nothing any more.
func TestFenced(t *testing.T) {
	t.Parallel()
	b := newBed(t, devnet.Config{}, nil)
	if _, err := b.db.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := b.Snapshot()
	b.net.Mine(1)
	if err := b.Refresh(t.Context()); !errors.Is(err, directory.ErrFenced) {
		t.Errorf("refresh: %v", err)
	}
	if err := b.Record(t.Context(), b.checks()); !errors.Is(err, directory.ErrFenced) {
		t.Errorf("record: %v", err)
	}
	if b.Snapshot() != s {
		t.Error("the snapshot changed")
	}
}

func TestNothing(t *testing.T) {
	t.Parallel()
	d := directory.New(directory.Config{Store: openStore(t, store.Config{Path: filepath.Join(t.TempDir(), "ons.db")})})
	if s := d.Snapshot(); s == nil || s.Observed {
		t.Errorf("%+v", s)
	}
	if err := d.Load(t.Context()); err != nil || d.Snapshot().Observed || d.Snapshot().Entry(directory.Key{}) != nil {
		t.Errorf("%v, %+v", err, d.Snapshot())
	}
	if err := d.Refresh(t.Context()); err == nil {
		t.Error("no daemon")
	}
	if l, err := d.Events(t.Context(), nil, 0, 10); err != nil || len(l) != 0 {
		t.Errorf("%v, %v", l, err)
	}
}
