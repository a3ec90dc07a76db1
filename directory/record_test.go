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

func (b *bed) history(t testing.TB, d *directory.Directory, i int) []directory.Object {
	t.Helper()
	objects, err := d.History(t.Context(), b.key(i), "", directory.UptimeSeries, time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// reader is another process that only reads, and does not know with what flags the writer was started.
func (b *bed) reader(t testing.TB) *directory.Directory {
	t.Helper()
	d := directory.New(directory.Config{Store: openStore(t, store.Config{Path: b.path, ReadOnly: true, Now: b.clock.Now}), Now: b.clock.Now})
	if err := d.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestPeriods: who reads need not know the writer's period, and a writer with another one loses nothing.
func TestPeriods(t *testing.T) {
	t.Parallel()
	every := time.Minute
	edit := func(c *directory.Config) { c.Every = every }
	b := newBed(t, devnet.Config{Nodes: 4}, edit)
	run := func(n int) {
		for range n {
			b.record(t)
			b.clock.pass(every)
		}
	}
	run(30)
	reader := b.reader(t)
	if o := b.history(t, reader, 0); o[0].Interval != time.Minute || o[0].Count != 30 || o[1].Count != 1 {
		t.Errorf("a reader sees %d checks each %v and %d hours, want 30 each minute and 1", o[0].Count, o[0].Interval, o[1].Count)
	}
	b.clock.pass(2 * time.Minute)
	if err := reader.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v := reader.Snapshot().Entry(b.key(0)).Verdict; v.Voters != 0 {
		t.Errorf("three periods later a reader has %+v", v)
	}
	every = 5 * time.Minute
	b.open(t, b.db, edit)
	run(1)
	if o := b.history(t, b.reader(t), 0); o[0].Interval != every || o[0].Count < 7 || o[1].Count != 1 || o[2].Count != 1 {
		t.Errorf("after a change of the period: %d checks each %v, %d hours, %d days", o[0].Count, o[0].Interval, o[1].Count, o[2].Count)
	}
	for _, every = range []time.Duration{7 * time.Minute, 2 * time.Hour} {
		b.open(t, b.db, edit)
		run(20)
		if o := b.history(t, b.Directory, 0); o[1].Count == 0 || !o[2].First.Equal(b.clock.Now().Add(-o[2].Interval*time.Duration(o[2].Count-1)).Truncate(24*time.Hour).Add(12*time.Hour)) {
			t.Errorf("every %v: %d hours from %v, %d days from %v", every, o[1].Count, o[1].First, o[2].Count, o[2].First)
		}
	}
}

// TestFuture: what was measured while the clock was wrong does not stand in the way once it is right.
func TestFuture(t *testing.T) {
	t.Parallel()
	b := newBed(t, devnet.Config{Nodes: 4}, nil)
	b.record(t)
	b.clock.pass(10 * 24 * time.Hour)
	b.record(t)
	b.clock.pass(-10*24*time.Hour + 10*time.Minute)
	for range 3 {
		b.record(t, 1)
		b.clock.pass(10 * time.Minute)
	}
	b.clock.pass(-5 * time.Minute)
	for name, d := range map[string]*directory.Directory{"the writer": b.Directory, "a reader": b.reader(t)} {
		if err := d.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, want := range []directory.Verdict{{Health: directory.Up, Ups: 1, Voters: 1}, {Health: directory.Down, Downs: 1, Voters: 1}} {
			if got := d.Snapshot().Entry(b.key(i)).Verdict; !reflect.DeepEqual(got, want) {
				t.Errorf("%s on node %d: got %+v, want %+v", name, i, got, want)
			}
		}
		if o := b.history(t, d, 0); o[0].Count < 3 || o[0].Last.After(b.clock.Now()) || o[2].Last.After(b.clock.Now().Add(24*time.Hour)) {
			t.Errorf("%s: checks %+v, days %+v", name, o[0], o[2])
		}
	}
	// A clock that is slow is no reason to drop what is right: the chain knows better.
	before := b.history(t, b.Directory, 0)[0].Count
	b.clock.pass(-30 * time.Minute)
	b.record(t)
	b.clock.pass(30 * time.Minute)
	if after := b.history(t, b.Directory, 0)[0].Count; after < before-3 {
		t.Errorf("%d checks are left of %d", after, before)
	}
}

// TestAgain: the same checks count once.
func TestAgain(t *testing.T) {
	t.Parallel()
	b := newBed(t, devnet.Config{Nodes: 2}, nil)
	checks := b.checks()
	commit := uint64(0)
	for i := range 3 {
		if err := b.Record(t.Context(), checks); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			commit = b.Snapshot().Commit
		}
	}
	if e := b.Snapshot().Entry(b.key(0)).Estimate; e.Tried != 1 || b.Snapshot().Commit != commit {
		t.Errorf("the same check thrice: %d tried, commit %d, was %d", e.Tried, b.Snapshot().Commit, commit)
	}
	b.clock.pass(time.Second)
	if err := b.Record(t.Context(), append(checks, b.checks()...)); err != nil {
		t.Fatal(err)
	}
	if e := b.Snapshot().Entry(b.key(0)).Estimate; e.Tried != 2 {
		t.Errorf("with a new one: %d tried, want 2", e.Tried)
	}
}

// TestRecordReadOnly: who only reads refuses to record before it looks at anything.
func TestRecordReadOnly(t *testing.T) {
	t.Parallel()
	b := newBed(t, devnet.Config{Nodes: 2}, nil)
	d := b.reader(t)
	if err := d.Record(t.Context(), b.checks()); !errors.Is(err, directory.ErrFenced) {
		t.Errorf("Record: got error %v, want ErrFenced", err)
	}
	if err := d.Report(t.Context(), []byte("no report")); !errors.Is(err, directory.ErrFenced) {
		t.Errorf("Report: got error %v, want ErrFenced", err)
	}
}

// TestVerdictsAnew: who starts now, or starts over, judges as who has followed: from the last word on a node and that of the
// period before.
func TestVerdictsAnew(t *testing.T) {
	t.Parallel()
	b := newBed(t, devnet.Config{Nodes: 10}, nil)
	follower := b.reader(t)
	verdicts := func(d *directory.Directory) (list []directory.Verdict) {
		t.Helper()
		if err := d.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, e := range d.Snapshot().Entries {
			list = append(list, e.Verdict)
		}
		return list
	}
	b.record(t, 9)
	b.clock.pass(10 * time.Minute)
	for i := range 4 { // a sweep that has just begun, with nothing but failures: it does not count yet
		if err := b.Record(t.Context(), b.checks(0, 1, 2, 3)[i:i+1]); err != nil {
			t.Fatal(err)
		}
		b.clock.pass(time.Second)
	}
	want := verdicts(b.Directory)
	if v := b.Snapshot().Entry(b.key(0)).Verdict; v.Health != directory.Up {
		t.Fatalf("node 0: %+v", v)
	}
	b.net.Reorg(1)
	b.net.Mine(1)
	b.follow(t) // undoes rounds: everybody starts over
	for name, d := range map[string]*directory.Directory{"the writer": b.Directory, "a follower": follower, "a new reader": b.reader(t)} {
		if got := verdicts(d); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v\nwant %+v", name, got, want)
		}
	}
}

// TestReasonsOnce: what one block did to several nodes is asked for once.
func TestReasonsOnce(t *testing.T) {
	t.Parallel()
	b := newBed(t, devnet.Config{Nodes: 20}, nil)
	var asked [2]atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		for i, method := range []string{"get_quorum_state", "get_transactions"} {
			if bytes.Contains(body, []byte(method)) {
				asked[i].Add(1)
			}
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		b.net.Daemon(0).Handler().ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	b.open(t, b.db, func(c *directory.Config) { c.Pool = newPool(t, b.clock.Now, proxy.URL) })
	var down []directory.Key
	for range 60 { // until a quorum has tested several
		for _, n := range b.net.Chain().ServiceNodes() {
			if _, err := b.net.Chain().Decommission(n.Key, devnet.ReasonUptime); err == nil && len(down) < 3 {
				down = append(down, n.Key)
			}
			if len(down) == 3 {
				break
			}
		}
		if len(down) > 0 {
			break
		}
		b.net.Mine(1)
	}
	b.net.Mine(1)
	b.follow(t)
	for _, k := range down {
		if n := b.Snapshot().Entry(k).Node; n.State != directory.Decommissioned || !slices.Equal(n.Reasons, []string{"uptime"}) {
			t.Errorf("%s is %s for %v", k, n.State, n.Reasons)
		}
	}
	if len(down) < 2 || asked[0].Load() > int32(len(down)) || asked[1].Load() != 1 { // each may have had a quorum of its own
		t.Errorf("of %d nodes: asked for %d quorums and %d times for transactions, want one each and 1", len(down), asked[0].Load(), asked[1].Load())
	}
}
