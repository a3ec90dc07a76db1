package directory

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"onsight/ons"
)

func TestTiming(t *testing.T) {
	t.Parallel()
	for network, want := range map[ons.Network]time.Duration{ons.Mainnet: 65 * time.Minute, ons.Testnet: 11 * time.Minute, ons.Devnet: 11 * time.Minute, ons.Fakechain: 65 * time.Second} {
		if got := TimingOf(network).Grace(); got != want {
			t.Errorf("%s: got %v, want %v", network, got, want)
		}
	}
}

func TestForecast(t *testing.T) {
	t.Parallel()
	at := Moment{10_000, t0}
	proof := func(ago time.Duration) func(*Node) { return func(n *Node) { n.Proof = t0.Add(-ago) } }
	credit := func(blocks int64) func(*Node) { return func(n *Node) { n.Credit = blocks } }
	since := func(height uint64) func(*Node) { return func(n *Node) { n.Since = height } }
	well := func(n *Node) {
		n.StorageReach, n.LokinetReach = Reach{Known: true, OK: true, LastReachable: t0}, Reach{Known: true, OK: true, LastReachable: t0}
	}
	failing := func(r *Reach, ago time.Duration) {
		*r = Reach{Known: true, OK: true, FirstUnreachable: t0.Add(-ago), LastUnreachable: t0}
	}
	for _, tt := range []struct {
		name         string
		node         Node
		test         string
		fails        time.Duration // from now
		failsAt      uint64
		deregistered uint64 // height; 0: never
		leaves       uint64
		lacks        string // an assumption that is not made
	}{
		{"a fresh proof", node(1, proof(0), credit(1440), well), "uptime", 125 * time.Minute, 10_063, 10_063 + 1441, 0, assumeUntested},
		{"late", node(1, proof(3*time.Hour), credit(1440), well), "uptime", 0, 10_000, 11_441, 0, assumeStorage},
		{"nearly late", node(1, proof(124*time.Minute), credit(60), since(9999), well), "uptime", time.Minute, 10_001, 10_062, 0, ""},
		{"too little credit", node(1, proof(124*time.Minute), credit(59), since(9999), well), "uptime", time.Minute, 10_001, 10_001, 0, ""},
		{"earns it in time", node(1, proof(60*time.Minute), credit(59), since(9999), well), "uptime", 65 * time.Minute, 10_033, 10_033 + 61, 0, ""},
		{"storage first", node(1, proof(0), credit(100), since(9999), well, func(n *Node) { failing(&n.StorageReach, 5*time.Minute) }),
			"storage", time.Hour, 10_030, 10_030 + 102, 0, assumeUntested},
		{"lokinet first", node(1, proof(0), credit(100), since(9999), well, func(n *Node) {
			failing(&n.StorageReach, 5*time.Minute)
			failing(&n.LokinetReach, 15*time.Minute)
		}), "lokinet", 50 * time.Minute, 10_025, 10_025 + 101, 0, ""},
		{"not observed", node(1, proof(0), credit(1440)), "uptime", 125 * time.Minute, 10_063, 11_504, 0, assumeStorage},
		{"no proof known", node(1, credit(1440), well), "", 0, 0, 0, 0, assumeNoProof},
		{"decommissioned", node(1, state(Decommissioned, 9000), credit(14)), "", 0, 0, 10_015, 0, assumeNoProof},
		{"decommissioned, leaves before", node(1, state(Decommissioned, 9000), credit(1000), func(n *Node) { n.UnlockHeight = 10_010 }), "", 0, 0, 0, 10_010, ""},
		{"decommissioned, deregistered before", node(1, state(Decommissioned, 9000), credit(14), func(n *Node) { n.UnlockHeight = 10_900 }), "", 0, 0, 10_015, 0, ""},
		{"out of credit", node(1, state(Decommissioned, 9000), credit(-5)), "", 0, 0, 10_000, 0, ""},
		{"leaves before", node(1, proof(0), credit(1440), well, func(n *Node) { n.State, n.UnlockHeight = Unlocking, 10_010 }), "", 0, 0, 0, 10_010, ""},
		{"fails before it leaves", node(1, proof(124*time.Minute), credit(1440), well, func(n *Node) { n.State, n.UnlockHeight = Unlocking, 10_900 }),
			"uptime", time.Minute, 10_001, 0, 10_900, ""},
		{"awaiting", node(1, state(Awaiting, 9000), proof(0)), "", 0, 0, 0, 0, assumeQuorum},
		{"gone", node(1, state(Gone, 9000), proof(0)), "", 0, 0, 0, 0, assumeQuorum},
	} {
		f := NewForecast(&tt.node, at, TimingOf(ons.Mainnet))
		var got Failure
		if f.Fails != nil {
			got = *f.Fails
		}
		want := Failure{tt.test, Moment{tt.failsAt, t0.Add(tt.fails)}}
		if tt.test == "" {
			want = Failure{}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s fails: %s", tt.name, d)
		}
		height := func(m *Moment) uint64 {
			if m == nil {
				return 0
			}
			return m.Height
		}
		if height(f.Deregistered) != tt.deregistered || height(f.Leaves) != tt.leaves {
			t.Errorf("%s: deregistered %d, want %d, leaves %d, want %d", tt.name, height(f.Deregistered), tt.deregistered, height(f.Leaves), tt.leaves)
		}
		if slices.Contains(f.Assumptions, tt.lacks) {
			t.Errorf("%s: assumes %q", tt.name, tt.lacks)
		}
		if tt.node.State != Gone && len(f.Assumptions) == 0 {
			t.Errorf("%s: no assumptions", tt.name)
		}
	}
}

// TestForecastReplay: the rules of the specification applied block by block to a node that dies come to what is forecast
// at each block before.
func TestForecastReplay(t *testing.T) {
	t.Parallel()
	timing := TimingOf(ons.Mainnet)
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.Int64Range(0, 1500).Draw(t, "base")
		since := rapid.Uint64Range(0, 60_000).Draw(t, "since")
		last := since + rapid.Uint64Range(0, 50_000).Draw(t, "lived") // the block of the last proof
		when := func(height uint64) time.Time { return t0.Add(time.Duration(height) * BlockTime) }
		credit := func(height uint64) int64 { return min(base+int64(height-since)*24/720, 1440) }

		// What happens.
		failed := last
		for when(failed).Before(when(last).Add(timing.ProofValid)) {
			failed++
		}
		gone := failed
		if credit(failed) >= 60 {
			for credit(failed)-int64(gone-failed) >= 0 {
				gone++
			}
		}
		// What is said of it before.
		for _, height := range []uint64{last, last + 1, (last + failed) / 2, failed} {
			n := node(1, func(n *Node) { n.Since, n.Credit, n.Proof = since, credit(height), when(last) })
			f := NewForecast(&n, Moment{height, when(height)}, timing)
			if f.Fails == nil || f.Fails.At.Height != failed || f.Deregistered == nil || f.Deregistered.Height != gone {
				t.Fatalf("at %d: fails %+v, want %d, deregistered %+v, want %d", height, f.Fails, failed, f.Deregistered, gone)
			}
		}
		if credit(failed) < 60 {
			return
		}
		for _, height := range []uint64{failed, (failed + gone) / 2, gone - 1} {
			n := node(1, state(Decommissioned, failed), func(n *Node) { n.Credit = credit(failed) - int64(height-failed) })
			if f := NewForecast(&n, Moment{height, when(height)}, timing); f.Deregistered == nil || f.Deregistered.Height != gone {
				t.Fatalf("decommissioned, at %d: deregistered %+v, want %d", height, f.Deregistered, gone)
			}
		}
	})
}
