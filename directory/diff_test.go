package directory

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func node(i int, change ...func(*Node)) Node {
	n := Node{Key: keyOf(i), State: Active, Funded: true, Active: true, Registered: 50, Since: 60, Swarm: 0,
		IP: netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), Oxend: Version{10, 6, 0}, Contributed: 100e9}
	for _, c := range change {
		c(&n)
	}
	return n
}

func state(s State, since uint64) func(*Node) {
	return func(n *Node) {
		n.State, n.Funded, n.Active, n.Since = s, s != Awaiting, s == Active || s == Unlocking, since
		if !n.Active {
			n.Swarm = NoSwarm
		}
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	decomm := func(since uint64, times uint32) func(*Node) {
		return func(n *Node) {
			state(Decommissioned, since)(n)
			n.Decommissions, n.Reasons = times, []string{"storage", "uptime"}
		}
	}
	recomm := func(since uint64, times uint32) func(*Node) {
		return func(n *Node) { n.Since, n.Decommissions = since, times }
	}
	unlock := func(n *Node) { n.State, n.UnlockHeight = Unlocking, 120 }
	for _, tt := range []struct {
		name        string
		before, now []Node
		height      uint64 // 0: 100
		want        []string
	}{
		{"nothing", []Node{node(1)}, []Node{node(1)}, 0, nil},
		{"the first list", nil, []Node{node(1)}, 0, []string{"50 registered", "60 active"}},
		{"awaiting", nil, []Node{node(1, state(Awaiting, 55))}, 0, []string{"50 registered"}},
		{"first seen decommissioned", nil, []Node{node(1, decomm(70, 1))}, 0, []string{"50 registered", "70 decommissioned [storage uptime]"}},
		{"first seen after a decommission", nil, []Node{node(1, recomm(70, 1))}, 0, []string{"50 registered", "70 decommissioned", "70 recommissioned"}},
		{"funded", []Node{node(1, state(Awaiting, 55))}, []Node{node(1)}, 0, []string{"60 active"}},
		{"decommissioned", []Node{node(1)}, []Node{node(1, decomm(99, 1))}, 0, []string{"99 decommissioned [storage uptime]"}},
		{"recommissioned", []Node{node(1, decomm(70, 1))}, []Node{node(1, recomm(98, 1))}, 0, []string{"98 recommissioned"}},
		{"both, unseen", []Node{node(1)}, []Node{node(1, recomm(98, 1))}, 0, []string{"98 decommissioned", "98 recommissioned"}},
		{"back and down again, unseen", []Node{node(1, decomm(70, 1))}, []Node{node(1, decomm(97, 2))}, 0,
			[]string{"97 recommissioned", "97 decommissioned [storage uptime]"}},
		{"deregistered", []Node{node(1, decomm(70, 1))}, nil, 0, []string{"100 deregistered"}},
		{"deregistered while active", []Node{node(1)}, nil, 0, []string{"100 deregistered"}},
		{"unlock requested", []Node{node(1)}, []Node{node(1, unlock)}, 0, []string{"100 unlock_requested →120"}},
		{"deregistered before its unlock", []Node{node(1, unlock)}, nil, 0, []string{"100 deregistered"}},
		{"deregistered in its last block", []Node{node(1, unlock)}, nil, 120, []string{"120 deregistered"}},
		{"unlocked", []Node{node(1, unlock)}, nil, 121, []string{"121 unlocked"}},
		{"unlocked, seen later", []Node{node(1, unlock)}, nil, 125, []string{"121 unlocked"}},
		{"never funded", []Node{node(1, state(Awaiting, 55))}, nil, 0, []string{"100 expired"}},
		{"gone stays gone", []Node{node(1, state(Gone, 55))}, []Node{node(1, state(Gone, 55))}, 0, nil},
		{"marked as gone", []Node{node(1)}, []Node{node(1, func(n *Node) { n.State = Gone })}, 0, []string{"100 deregistered"}},
		{"came back", []Node{node(1, func(n *Node) { n.State = Gone })}, []Node{node(1, func(n *Node) { n.Registered, n.Since = 90, 91 })}, 0,
			[]string{"90 registered", "91 active"}},
		{"left and came back", []Node{node(1)}, []Node{node(1, func(n *Node) { n.Registered, n.Since = 90, 91 })}, 0,
			[]string{"89 deregistered", "90 registered", "91 active"}},
		{"moved", []Node{node(1)}, []Node{node(1, func(n *Node) {
			n.IP, n.Oxend, n.Swarm, n.Contributed = netip.MustParseAddr("10.9.9.9"), Version{11}, 1<<63-1, 101e9
		})}, 0, []string{"100 ip_changed 10.0.0.1→10.9.9.9", "100 version_changed oxend 10.6.0→oxend 11.0.0",
			"100 swarm_changed 0000000000000000→7fffffffffffffff", "100 stake_changed 100000000000→101000000000"}},
		{"the daemon forgot the proof", []Node{node(1)}, []Node{node(1, func(n *Node) { n.IP, n.Oxend = netip.Addr{}, Version{} })}, 0, nil},
		{"the daemon is behind", nil, []Node{node(1)}, 55, []string{"50 registered", "55 active"}},
	} {
		height := tt.height
		if height == 0 {
			height = 100
		}
		at := Moment{height, t0}
		var got []string
		for _, e := range Diff(tt.before, tt.now, at) {
			s := fmt.Sprintf("%d %s", e.Height, e.Kind)
			if e.From+e.To != "" {
				s += " " + e.From + "→" + e.To
			}
			if len(e.Reasons) > 0 {
				s += fmt.Sprint(" ", e.Reasons)
			}
			got = append(got, s)
			if want := t0.Add(-time.Duration(height-e.Height) * BlockTime); !e.Time.Equal(want) {
				t.Errorf("%s: %s at %v, want %v", tt.name, e.Kind, e.Time, want)
			}
			if e.Key != keyOf(1) || !strings.HasPrefix(e.Text(), "Node "+keyOf(1).String()[:8]+" ") || !strings.HasSuffix(e.Text(), ".") {
				t.Errorf("%s: %q", tt.name, e.Text())
			}
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
	}
}

func TestEventText(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		e    Event
		want string
	}{
		{Event{Kind: KindDecommissioned, Reasons: []string{"uptime", "storage", "bit 9"}},
			"Node 00000000 was decommissioned: its uptime proofs are late, its storage server cannot be reached, bit 9."},
		{Event{Kind: KindStakeChanged, From: "100000000000", To: "18446744073709551615"}, "Node 00000000 has a stake of 18446744073.709551615 now, it was 100."},
		{Event{Kind: "odd"}, "Node 00000000 odd."},
	} {
		if got := tt.e.Text(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

// TestDiffOrder: neither the order of the lists nor maps show in the events, and no change means no event.
func TestDiffOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rng := newRand(rapid.Uint64().Draw(t, "seed"))
		var a, b []Node
		for _, e := range generate(rng, 40) {
			a = append(a, e.Node)
		}
		for _, e := range generate(rng, 40) {
			if rng.IntN(5) > 0 {
				b = append(b, e.Node)
			}
		}
		at := Moment{3000, t0}
		want := Diff(a, b, at)
		shuffle := func(n []Node) []Node {
			n = append([]Node{}, n...)
			rng.Shuffle(len(n), func(i, j int) { n[i], n[j] = n[j], n[i] })
			return n
		}
		if d := cmp.Diff(want, Diff(shuffle(a), shuffle(b), at)); d != "" {
			t.Fatal(d)
		}
		if got := Diff(a, shuffle(a), at); len(got) != 0 {
			t.Fatalf("no change, but %v", got)
		}
	})
}

func TestCarry(t *testing.T) {
	t.Parallel()
	before := node(1, func(n *Node) {
		n.FirstSeen, n.Ed25519, n.StoragePort, n.Reasons = Moment{5, t0}, keyOf(9), 22021, []string{"uptime"}
	})
	forgot := node(1, func(n *Node) {
		n.IP, n.Oxend, n.FirstSeen, n.LastSeen = netip.Addr{}, Version{}, Moment{9, t0}, Moment{9, t0}
	})
	want := before
	want.LastSeen = Moment{9, t0}
	if d := cmp.Diff(want, Carry(before, forgot), same); d != "" {
		t.Error(d)
	}
	reborn := node(1, func(n *Node) { n.Registered, n.IP = 90, netip.Addr{} })
	if got := Carry(before, reborn); got.IP.IsValid() || got.FirstSeen != before.FirstSeen {
		t.Errorf("got %+v", got)
	}
	moved := node(1, func(n *Node) { n.IP, n.Decommissions = netip.MustParseAddr("10.9.9.9"), 1 })
	if got := Carry(before, moved); got.IP != moved.IP || got.StoragePort != 0 || got.Reasons != nil {
		t.Errorf("got %+v", got)
	}
}
