package directory

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func refs(entries []Entry) []*Entry {
	list := make([]*Entry, len(entries))
	for i := range entries {
		list[i] = &entries[i]
	}
	return list
}

// TestAggregateSums: whatever it is counted by, the rows are the list: each node once, all stakes, shares that make 1.
func TestAggregateSums(t *testing.T) {
	t.Parallel()
	entries := generate(newRand(1), 500)
	var stake uint64
	for _, e := range entries {
		stake += e.Node.Contributed
	}
	for _, name := range GroupNames() {
		for _, by := range [][]string{{name}, {name, "state"}} {
			table, err := Aggregate(refs(entries), by...)
			if err != nil {
				t.Fatal(err)
			}
			nodes, staked, share := 0, uint64(0), 0.0
			for i, r := range table.Rows {
				nodes, staked, share = nodes+r.Nodes, staked+r.Stake, share+r.Share
				want := countFunc(entries, func(e Entry) bool {
					return groups[name](&e) == r.Values[0] && (len(by) == 1 || string(e.Node.State) == r.Values[1])
				})
				if r.Nodes != want || i > 0 && r.Nodes > table.Rows[i-1].Nodes || len(r.Values) != len(by) {
					t.Errorf("%v: row %+v, want %d", by, r, want)
				}
			}
			if nodes != 500 || table.Nodes != 500 || staked != stake || table.Stake != stake || math.Abs(share-1) > 1e-9 {
				t.Errorf("%v: %d nodes, stake %d, share %v", by, nodes, staked, share)
			}
			if table.HHI <= 0 || table.HHI > 1 || table.Gini < 0 || table.Gini >= 1 || table.Nakamoto < 1 {
				t.Errorf("%v: %+v", by, table)
			}
		}
	}
	for _, by := range [][]string{nil, {"colour"}, {"state", ""}} {
		var pe *ParameterError
		if _, err := Aggregate(refs(entries), by...); !errors.As(err, &pe) || pe.Name != "by" {
			t.Errorf("%v: %v", by, err)
		}
	}
	if table, err := Aggregate(nil, "state"); err != nil || len(table.Rows) != 0 || table.HHI != 0 {
		t.Errorf("of nothing: %+v, %v", table, err)
	}
}

func TestAggregateUnknown(t *testing.T) {
	t.Parallel()
	entries := []Entry{hop(1, "10.0.0.1", "a", 11), hop(2, "10.0.1.1", "", 11), hop(3, "10.1.0.1", "", 11)}
	table, err := Aggregate(refs(entries), "operator")
	want := Table{By: []string{"operator"}, Rows: []Row{{[]string{"unknown"}, 2, 2.0 / 3, 0}, {[]string{"a"}, 1, 1.0 / 3, 0}}, Nodes: 3, HHI: 1, Nakamoto: 1}
	if d := cmp.Diff(want, table); d != "" || err != nil {
		t.Error(d, err)
	}
}

func TestConcentration(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sizes    []int
		hhi, gin float64
		nakamoto int
	}{
		{nil, 0, 0, 0},
		{[]int{7}, 1, 0, 1},
		{[]int{5, 5, 5, 5}, 0.25, 0, 3},
		{[]int{97, 1, 1, 1}, 0.9412, 0.72, 1},
		{[]int{3, 2, 1}, 14.0 / 36, 4.0 / 18, 2},
		{[]int{2, 2}, 0.5, 0, 2}, // half is not more than half
	} {
		hhi, gini, nakamoto := concentration(tt.sizes)
		if math.Abs(hhi-tt.hhi) > 1e-9 || math.Abs(gini-tt.gin) > 1e-9 || nakamoto != tt.nakamoto {
			t.Errorf("%v: got %v, %v, %d", tt.sizes, hhi, gini, nakamoto)
		}
	}
	// Gini by its definition: half the mean difference between two rows over the mean.
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(1, 100), 1, 30).Draw(t, "sizes")
		slices.SortFunc(sizes, func(a, b int) int { return b - a })
		differences, sum := 0.0, 0.0
		for _, a := range sizes {
			sum += float64(a)
			for _, b := range sizes {
				differences += math.Abs(float64(a - b))
			}
		}
		n := float64(len(sizes))
		if _, got, _ := concentration(sizes); math.Abs(got-differences/(2*n*sum)) > 1e-9 {
			t.Fatalf("got %v, want %v", got, differences/(2*n*sum))
		}
	})
}

func TestSwarms(t *testing.T) {
	t.Parallel()
	nodes, _ := recorded(t, "10/get_service_nodes_all")
	nodes = append(nodes, node(1, func(n *Node) { n.State = Gone }))
	var sizes []int
	var ids []uint64
	for _, s := range Swarms(nodes) {
		sizes, ids = append(sizes, len(s.Members)), append(ids, s.ID)
		if s.AtRisk() || !slices.IsSortedFunc(s.Members, func(a, b *Node) int { return strings.Compare(a.Key.String(), b.Key.String()) }) {
			t.Errorf("swarm %x: %d members", s.ID, len(s.Members))
		}
	}
	if d := cmp.Diff([]int{8, 8}, sizes); d != "" || ids[0] != 0 || ids[1] != 1<<63-1 {
		t.Errorf("%s: %x", d, ids)
	}
	for n := range 8 {
		s := Swarm{Members: make([]*Node, n)}
		if s.AtRisk() != (n < 5) {
			t.Errorf("%d members: %v", n, s.AtRisk())
		}
	}
}

// TestSwarmOf has the vectors of specification F.6.
func TestSwarmOf(t *testing.T) {
	t.Parallel()
	spread := []uint64{0, 0x3fffffffffffffff, 0x7fffffffffffffff, 0xbfffffffffffffff}
	others := []uint64{0x1000000000000000, 0x5000000000000000, 0xf000000000000000}
	for account, want := range map[string][2]uint64{
		"05fb466d312e1666ad1c84c4ee55b7e034151c0e366a313d95d11436a5f36e1e75": {0x3fffffffffffffff, 0x1000000000000000},
		"05d2ad010eeb72d72e561d9de7bd7b6989af77dcabffa03a5111a6c859ae5c3a72": {0x3fffffffffffffff, 0x5000000000000000},
		"053506f4a71324b7dd114eddbf4e311f39dde243e1f2cb97c40db1961f70ebaae8": {0, 0xf000000000000000},
	} {
		for i, ids := range [][]uint64{spread, others} {
			if got, err := SwarmOf(ids, account); err != nil || got != want[i] {
				t.Errorf("%s: got %x, %v, want %x", account, got, err, want[i])
			}
		}
	}
	if got, err := SwarmOf(nil, strings.Repeat("05", 33)); err != nil || got != NoSwarm {
		t.Errorf("got %x, %v", got, err)
	}
	if got, err := SwarmOf(spread, "05"); err == nil || got != NoSwarm {
		t.Errorf("got %x, %v", got, err)
	}
}
