package directory

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// hop makes a usable node.
func hop(i int, ip string, operator string, version uint16) Entry {
	return Entry{Node: Node{Key: keyOf(i), Ed25519: keyOf(i), X25519: keyOf(i), State: Active, Funded: true, Active: true,
		IP: netip.MustParseAddr(ip), StoragePort: 22021, Operator: operator, Storage: Version{2, version}}}
}

// hops turns nodes of a generated network into usable ones.
func hops(entries []Entry) []Node {
	for i := range entries {
		entries[i].Node.X25519 = entries[i].Node.Ed25519
	}
	return nodesOf(entries)
}

// TestPath: three different nodes in different /24s, apart from all others, and only usable ones.
func TestPath(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rng := newRand(rapid.Uint64().Draw(t, "seed"))
		nodes := hops(generate(rng, rapid.IntRange(0, 60).Draw(t, "nodes")))
		guards, err := Guards(rng, nodes, 2)
		if err != nil {
			if !errors.Is(err, ErrTooFew) {
				t.Fatal(err)
			}
			return
		}
		used := slices.Clone(guards)
		for _, g := range guards {
			path, err := Path(rng, nodes, g, used...)
			if err != nil {
				if !errors.Is(err, ErrTooFew) {
					t.Fatal(err)
				}
				return
			}
			if path[0] != g {
				t.Fatal("the guard is not the first")
			}
			used = append(used, path[1:]...)
		}
		for i, n := range used {
			if !usable(n) {
				t.Fatalf("unusable: %+v", n)
			}
			for _, o := range used[:i] {
				if o.Key == n.Key || sameSubnet(o.IP, n.IP, 24) {
					t.Fatalf("%v and %v are of one network", o.IP, n.IP)
				}
			}
		}
	})
}

func TestPathTooFew(t *testing.T) {
	t.Parallel()
	nodes := []Node{hop(1, "10.0.0.1", "a", 1).Node, hop(2, "10.0.1.1", "a", 1).Node, hop(3, "10.0.1.2", "a", 1).Node}
	if path, err := Path(newRand(1), nodes, &nodes[0]); !errors.Is(err, ErrTooFew) || path[0] != nil {
		t.Errorf("got %v, %v", path, err)
	}
	if guards, err := Guards(newRand(1), nodes, 3); !errors.Is(err, ErrTooFew) || len(guards) != 2 {
		t.Errorf("got %v, %v", guards, err)
	}
	// One loopback address is as many networks as it has nodes.
	for i := range nodes {
		nodes[i].IP = netip.MustParseAddr("127.0.0.1")
	}
	if path, err := Path(newRand(1), nodes, &nodes[0]); err != nil || path[0] != &nodes[0] {
		t.Errorf("got %v, %v", path, err)
	}
}

// TestPathFair: guards are alike by node, inner hops by /24, as with the official client.
func TestPathFair(t *testing.T) {
	t.Parallel()
	var nodes []Node
	for i := range 12 { // six in a /24 of their own, six together
		ip := fmt.Sprintf("10.0.%d.1", i)
		if i >= 6 {
			ip = fmt.Sprintf("10.0.99.%d", i)
		}
		nodes = append(nodes, hop(i, ip, "", 1).Node)
	}
	rng := newRand(3)
	const draws = 30_000
	guards, inner := map[Key]float64{}, map[Key]float64{}
	apart := &nodes[0]
	for range draws {
		g, err := Guards(rng, nodes, 1)
		if err != nil {
			t.Fatal(err)
		}
		guards[g[0].Key]++
		path, err := Path(rng, nodes, apart)
		if err != nil {
			t.Fatal(err)
		}
		inner[path[1].Key]++
	}
	for i, n := range nodes {
		want := 1.0 / 6 // of six other networks
		if i >= 6 {
			want /= 6
		}
		if i == 0 {
			want = 0
		}
		if math.Abs(guards[n.Key]/draws-1.0/12) > 0.01 || math.Abs(inner[n.Key]/draws-want) > 0.01 {
			t.Errorf("node %d: guard %.3f, inner %.3f, want %.3f", i, guards[n.Key]/draws, inner[n.Key]/draws, want)
		}
	}
}

func TestAudit(t *testing.T) {
	t.Parallel()
	a, b, c := hop(1, "10.0.0.1", "x", 11), hop(2, "10.0.0.2", "y", 11), hop(3, "10.0.7.1", "x", 8)
	a.Place, c.Place = Place{Country: "DE", AS: 7}, Place{Country: "DE"}
	want := []Finding{{"operator", "x", 0, 2}, {"/24", "10.0.0.0/24", 0, 1}, {"/16", "10.0.0.0/16", 0, 1}, {"/16", "10.0.0.0/16", 0, 2},
		{"/16", "10.0.0.0/16", 1, 2}, {"country", "DE", 0, 2}, {"version", "2.11.0", 0, 1}}
	if d := cmp.Diff(want, Audit([]*Entry{&a, &b, &c})); d != "" {
		t.Error(d)
	}
	local := hop(4, "127.0.0.1", "", 0)
	local.Node.Storage = Version{}
	if got := Audit([]*Entry{&local, &local}); got != nil {
		t.Errorf("of unknowns: %v", got)
	}
}

// exactly is the probability that two hops share the operator, by going through all guards and paths of a small network.
func exactly(entries []Entry) float64 {
	net := func(e Entry) string { return networkText(e.Node.IP, 24) }
	groups := map[string][]Entry{}
	for _, e := range entries {
		groups[net(e)] = append(groups[net(e)], e)
	}
	shared := 0.0
	for _, guard := range entries {
		for _, other := range entries { // the second guard only takes its network out
			if net(other) == net(guard) {
				continue
			}
			others := float64(len(entries) - len(groups[net(guard)]))
			var nets []string
			for n := range groups {
				if n != net(guard) && n != net(other) {
					nets = append(nets, n)
				}
			}
			for _, n1 := range nets {
				for _, n2 := range nets {
					if n1 == n2 {
						continue
					}
					for _, h1 := range groups[n1] {
						for _, h2 := range groups[n2] {
							g, a, b := guard.Node.Operator, h1.Node.Operator, h2.Node.Operator
							if g == a || g == b || a == b {
								shared += 1 / float64(len(entries)) / others / float64(len(nets)) / float64(len(nets)-1) /
									float64(len(groups[n1])) / float64(len(groups[n2]))
							}
						}
					}
				}
			}
		}
	}
	return shared
}

// TestSimulate against what can be counted out.
func TestSimulate(t *testing.T) {
	t.Parallel()
	apart, crowded := []Entry{}, []Entry{}
	for i := range 9 {
		apart = append(apart, hop(i, fmt.Sprintf("10.%d.0.1", i), fmt.Sprint(i/3), uint16(i%2)))
		crowded = append(crowded, hop(i, fmt.Sprintf("10.0.%d.%d", min(i, 6), i+1), fmt.Sprint("op", i%2*i), 1))
	}
	// Nine nodes of three operators with three each, all in their own networks: any two of three are of one operator
	// unless all three differ, 1 - 27/84.
	if got := exactly(apart); math.Abs(got-(1-27.0/84)) > 1e-9 {
		t.Fatalf("the closed form says %v", got)
	}
	for name, entries := range map[string][]Entry{"apart": apart, "crowded": crowded} {
		s := Simulate(newRand(5), entries, 50_000)
		if want := exactly(entries); math.Abs(s.Shared[0].Rate-want) > 0.012 || s.Shared[0].What != "operator" || s.Paths != 50_000 || s.Nodes != 9 {
			t.Errorf("%s: got %+v, want %.4f", name, s, want)
		}
		for _, sh := range s.Shared {
			switch {
			case sh.What == "/24" && sh.Any != 0:
				t.Errorf("%s: %d paths within a /24", name, sh.Any)
			case sh.What == "/16" && name == "crowded" && sh.All != s.Paths, sh.What == "country" && (sh.Unknown != s.Paths || sh.Any != 0):
				t.Errorf("%s: %+v", name, sh)
			}
		}
	}
	if s := Simulate(newRand(1), apart[:5], 10); s.Paths != 0 || s.Nodes != 5 {
		t.Errorf("of too few: %+v", s)
	}
}

// TestSimulateNetwork says what session-desktop issue 509 asks for, of a generated network.
func TestSimulateNetwork(t *testing.T) {
	t.Parallel()
	entries := generate(newRand(1), 2000)
	hops(entries)
	s := Simulate(newRand(2), entries, 10_000)
	for _, sh := range s.Shared {
		t.Logf("%-8s any two %.2f %%, all three %.2f %%, not known of all %.1f %%", sh.What, 100*sh.Rate, 100*float64(sh.All)/float64(s.Paths), 100*float64(sh.Unknown)/float64(s.Paths))
	}
	if s.Paths != 10_000 || s.Shared[1].Any != 0 {
		t.Errorf("%+v", s)
	}
}

func BenchmarkSimulate(b *testing.B) {
	entries := generate(newRand(1), 2000)
	hops(entries)
	rng := newRand(2)
	for b.Loop() {
		Simulate(rng, entries, 10_000)
	}
}
