package directory_test

import (
	"crypto/ed25519"
	"errors"
	"testing"
	"time"

	"onsight/directory"
	"onsight/internal/devnet"
	"onsight/ons"
)

// place is a vantage point that reports over the wire.
type place struct {
	*directory.Probe
	key      ed25519.PrivateKey
	sequence uint64
	lies     bool // about every node it can without being held to be offline
	offline  bool // everything fails
}

func newPlace(t *testing.T, b *bed, name string, seed byte) *place {
	t.Helper()
	key := ed25519.NewKeyFromSeed(append(make([]byte, 31), seed))
	if err := b.db.Enrol(t.Context(), name, key.Public().(ed25519.PublicKey)); err != nil {
		t.Fatal(err)
	}
	return &place{Probe: directory.NewProbe(directory.ProbeConfig{Now: b.clock.Now}), key: key}
}

func all(s *directory.Snapshot) (nodes []directory.Node) {
	for _, e := range s.Entries {
		nodes = append(nodes, e.Node)
	}
	return nodes
}

// report signs what a place says of a round now.
func (p *place) report(t *testing.T, b *bed, checks []directory.Check) []byte {
	t.Helper()
	p.sequence++
	now := b.clock.Now()
	said, err := directory.Report{Network: ons.Fakechain, Sequence: p.sequence, From: now, To: now, Checks: checks}.Sign(p.key)
	if err != nil {
		t.Fatal(err)
	}
	return said
}

func (p *place) round(t *testing.T, b *bed) {
	t.Helper()
	checks, err := p.Round(t.Context(), all(b.Snapshot()))
	if err != nil {
		t.Fatal(err)
	}
	for i := range checks {
		if s := &checks[i].Sample; p.offline || p.lies && i < len(checks)/6 {
			*s = directory.Sample{At: s.At, TCP: -1, TLS: -1, Info: -1, OMQ: -1, Failure: "port: timed out"}
		}
	}
	if err := b.Report(t.Context(), p.report(t, b, checks)); err != nil {
		t.Fatal(err)
	}
}

// TestIdle: a decommissioned node that answers so is up; one that the chain holds for active and that says so is not.
func TestIdle(t *testing.T) {
	t.Parallel()
	b := newBed(t, devnet.Config{Seed: 1, Nodes: 20}, nil)
	b.do(t, 3, devnet.ActDecommission, devnet.ReasonPulse)
	b.follow(t)
	nodes := all(b.Snapshot())
	for _, active := range []bool{false, true} {
		for i := range nodes {
			if nodes[i].Key == b.key(3) {
				nodes[i].Active = active
			}
		}
		checks, err := directory.NewProbe(directory.ProbeConfig{Now: b.clock.Now}).Round(t.Context(), nodes)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range checks {
			if want := c.Key != b.key(3) || !active; c.Sample.OK != want {
				t.Errorf("active %v: node %v: %+v, want OK to be %v", active, c.Key, c.Sample, want)
			}
		}
	}
}

// TestVantagePoints has three places measure a devnet over fake time, two of them by signed reports. A node that dies is
// called down within two periods and up again when it is back; one place that lies or is offline flips nothing.
func TestVantagePoints(t *testing.T) {
	t.Parallel()
	b := newBed(t, devnet.Config{Seed: 1, Nodes: 12}, nil)
	here := directory.NewProbe(directory.ProbeConfig{Now: b.clock.Now})
	berlin, lima := newPlace(t, b, "berlin", 1), newPlace(t, b, "lima", 2)
	if err := b.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	period := func() {
		t.Helper()
		b.clock.pass(directory.Checks.Interval)
		checks, err := here.Round(t.Context(), all(b.Snapshot()))
		if err == nil {
			err = b.Record(t.Context(), checks)
		}
		if err != nil {
			t.Fatal(err)
		}
		berlin.round(t, b)
		lima.round(t, b)
	}
	want := func(step string, down ...int) {
		t.Helper()
		for i := range b.net.Nodes() {
			want := directory.Up
			for _, d := range down {
				if d == i {
					want = directory.Down
				}
			}
			if got := b.Snapshot().Entry(b.key(i)); got.Reachable() != want {
				t.Errorf("%s: node %d is %s, want %s: %+v", step, i, got.Reachable(), want, got.Verdict)
			}
		}
	}
	period()
	want("all are well")
	if v := b.Snapshot().Entries[0].Verdict; v.Voters != 3 || v.Ups != 3 {
		t.Errorf("got %+v, want three voters", v)
	}
	lima.lies = true
	period()
	period()
	want("one lies")
	if v := b.Snapshot().Entry(b.key(7)).Verdict; v.Voters != 3 { // else it would have been left out, not outvoted
		t.Errorf("one lies: got %+v, want three voters", v)
	}
	if err := b.net.Node(5).Down(); err != nil {
		t.Fatal(err)
	}
	period()
	period()
	want("a node died, one lies", 5)
	lima.lies, lima.offline = false, true
	period()
	period()
	want("one is offline", 5)
	if err := b.net.Node(5).Up(); err != nil {
		t.Fatal(err)
	}
	period()
	period()
	want("it is back, one is offline")

	for _, vantage := range []string{directory.Here, "berlin", "lima"} {
		objects, err := b.History(t.Context(), b.key(5), vantage, directory.UptimeSeries, time.Time{}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if o := objects[directory.ChecksRing]; o.Count != 9 {
			t.Errorf("%s: got a history of %d checks, want 9", vantage, o.Count)
		}
	}
}

// TestReportRefused: a refused report changes nothing, and each reason is an error of its own.
func TestReportRefused(t *testing.T) {
	t.Parallel()
	b := newBed(t, devnet.Config{Seed: 1, Nodes: 3}, nil)
	berlin := newPlace(t, b, "berlin", 1)
	if err := b.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	check := func(k directory.Key) []directory.Check {
		return []directory.Check{{Key: k, Sample: directory.Sample{At: b.clock.Now(), OK: true, OMQ: -1}}}
	}
	good := berlin.report(t, b, check(b.key(0)))
	stranger := &place{key: ed25519.NewKeyFromSeed(append(make([]byte, 31), 9))}
	forged := append([]byte(nil), good...)
	forged[len(forged)-1] ^= 1
	refuse := func(name string, report []byte, want error) {
		t.Helper()
		before := b.Snapshot().Commit
		if err := b.Report(t.Context(), report); !errors.Is(err, want) {
			t.Errorf("%s: got error %v, want %v", name, err, want)
		}
		if b.Snapshot().Commit != before {
			t.Errorf("%s: something was stored", name)
		}
	}
	refuse("forged", forged, directory.ErrReportSignature)
	refuse("not one", []byte("report"), directory.ErrReportForm)
	refuse("large", make([]byte, directory.ReportMost+1), directory.ErrReportSize)
	refuse("a stranger's", stranger.report(t, b, check(b.key(0))), directory.ErrNotEnrolled)
	refuse("an unknown node", berlin.report(t, b, check(directory.Key{1})), directory.ErrReportNode)
	if err := b.Report(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	refuse("replayed", good, directory.ErrSequence)
	late := berlin.report(t, b, check(b.key(0)))
	b.clock.pass(6 * time.Minute)
	refuse("late", late, directory.ErrReportTime)
	fresh := berlin.report(t, b, check(b.key(0)))
	if err := b.db.Dismiss(t.Context(), "berlin"); err != nil {
		t.Fatal(err)
	}
	// The snapshot does not know yet that berlin may not report: the store does.
	refuseStale := b.Report(t.Context(), fresh)
	if !errors.Is(refuseStale, directory.ErrNotEnrolled) {
		t.Errorf("after the enrolment was taken back: got error %v, want ErrNotEnrolled", refuseStale)
	}
}
