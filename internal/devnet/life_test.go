package devnet

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"onsight/ons"
)

// TestDice: what the dice bring follows from their seed, and ends.
func TestDice(t *testing.T) {
	t.Parallel()
	throw := func(seed uint64, rate float64, nodes, daemons, rolls int) (texts []string) {
		d := newDice(seed, rate)
		for i := range rolls {
			for _, f := range d.roll(uint64(i+1), nodes, daemons, nobody) {
				texts = append(texts, fmt.Sprint(i, " ", f))
			}
		}
		return texts
	}
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		rate := rapid.Float64Range(0, 4).Draw(t, "rate")
		nodes, daemons := rapid.IntRange(0, 60).Draw(t, "nodes"), rapid.IntRange(0, 3).Draw(t, "daemons")
		d, ill := newDice(seed, rate), map[string]uint64{}
		var texts []string
		struck := 0
		for i := range 60 {
			for _, f := range d.roll(uint64(i+1), nodes, daemons, nobody) {
				texts = append(texts, fmt.Sprint(i, " ", f))
				since, is := ill[f.Target]
				switch {
				case f.Name == "ok" && !is:
					t.Fatalf("%v is healed, and was well", f.Target)
				case f.Name == "ok" && uint64(i+1)-since > longest:
					t.Fatalf("%v was ill for %d rolls", f.Target, uint64(i+1)-since)
				case f.Name == "ok":
					delete(ill, f.Target)
				case is:
					t.Fatalf("%v is struck twice", f.Target)
				default:
					ill[f.Target] = uint64(i + 1)
					struck++
					if err := f.check(); err != nil {
						t.Fatal(err)
					}
					if _, _, ok := f.nodes(nodes); !ok {
						if k, ok := f.daemon(); !ok || k >= daemons {
							t.Fatalf("%v is nobody", f.Target)
						}
					}
				}
			}
		}
		if diff := cmp.Diff(texts, throw(seed, rate, nodes, daemons, 60)); diff != "" {
			t.Fatal(diff)
		}
		if rate == 0 && struck > 0 || nodes > 30 && rate >= 1 && struck < 30 {
			t.Fatalf("%d struck at a rate of %v", struck, rate)
		}
	})
	if one, other := throw(1, 1, 10, 1, 100), throw(2, 1, 10, 1, 100); strings.Join(one, "") == strings.Join(other, "") {
		t.Error("two seeds, one fate")
	}
}

// TestEvents: the same seed and the same commands bring the same events, another seed others.
func TestEvents(t *testing.T) {
	t.Parallel()
	type step struct {
		what string
		n    int
	}
	play := func(t interface{ Fatal(...any) }, seed uint64, steps []step) ([]Event, Status) {
		clock := newFakeClock()
		n, err := Start(Config{Seed: seed, Nodes: 8, Past: 60, Life: true, Dice: 1, Names: DemoNames(seed, 20), Now: clock.now})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		for _, s := range steps {
			switch s.what {
			case "mine":
				for range s.n {
					clock.advance(proofEvery)
					n.Mine(1)
				}
			case "reorg":
				n.Reorg(s.n)
			case "pop":
				n.PopBlocks(s.n)
			default:
				_ = n.Do(s.n, Act(s.what), ReasonUptime) // may be refused
			}
		}
		s := n.Status()
		s.Oxend, s.Seeds = nil, nil
		return n.Events(), s
	}
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
			what := rapid.SampledFrom([]string{"mine", "mine", "mine", "reorg", "pop", "move", "decommission", "unlock"}).Draw(t, "what")
			return step{what, rapid.IntRange(1, 12).Draw(t, "n")}
		}), 1, 4).Draw(t, "steps")
		steps = append([]step{{"mine", 20}}, steps...)
		one, status := play(t, seed, steps)
		again, statusAgain := play(t, seed, steps)
		if diff := cmp.Diff(one, again); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(status, statusAgain); diff != "" {
			t.Fatal(diff)
		}
	})
	steps := []step{{"mine", 30}}
	one, _ := play(t, 1, steps)
	if other, _ := play(t, 2, steps); cmp.Equal(one, other) {
		t.Errorf("two seeds, one story: %v", one)
	}
}

// TestLife: of everything that may happen, something does, and the network stays whole.
func TestLife(t *testing.T) {
	t.Parallel()
	clock := newFakeClock()
	n := startNetwork(t, Config{Nodes: 60, Life: true, Names: DemoNames(1, 200), Now: clock.now})
	versions := map[[3]uint16]bool{}
	for _, node := range n.Nodes() {
		versions[node.Version()] = true
	}
	if len(versions) < 3 {
		t.Errorf("versions %v", versions)
	}
	states := map[string]int{}
	for _, s := range n.NodeStatus() {
		states[s.State]++
	}
	for _, state := range []string{"active", "awaiting", "decommissioned", "unlocking", "gone"} {
		if states[state] == 0 {
			t.Errorf("no node is %s: %v", state, states)
		}
	}
	for range 600 {
		clock.advance(proofEvery)
		n.Mine(1)
	}
	happened := map[string]int{}
	for _, e := range n.Events() {
		what := strings.TrimLeft(strings.TrimPrefix(e.What, "node "), "0123456789 ")
		happened[strings.TrimPrefix(what, "a ")]++
	}
	for _, what := range []string{
		"session name is bought", "lokinet name is bought", "session name is updated", "lokinet name is renewed", "is decommissioned", "moves",
		"upgrades", "asks to leave", "is staked", "reorganisation of 1 blocks",
	} {
		if happened[what] == 0 {
			t.Errorf("not once: %s; but %v", what, happened)
		}
	}
	s := n.Status()
	if s.Active < 45 || s.Pool > 50 || s.Names[0] < 100 {
		t.Errorf("in the end %+v", s)
	}
	for _, e := range n.cfg.Names[:4] { // what documentation says of the first holds on
		if e.Name.Type() == ons.Lokinet {
			continue // but for what expires
		}
		wantResolved(t, n.Oxend(), e.Name, e.Value)
	}
	for i, node := range n.Nodes() {
		if a := n.send(t, node, infoCall); a.status != 200 && a.status != 503 {
			t.Errorf("node %d: %v", i, a)
		}
	}
}

// TestEventsBounded: what is remembered does not grow for ever.
func TestEventsBounded(t *testing.T) {
	t.Parallel()
	n := startNetwork(t, Config{Nodes: -1, Past: 1})
	for i := range maxEvents + 10 {
		n.note("%d", i)
	}
	events := n.Events()
	if len(events) > maxEvents || events[len(events)-1].What != fmt.Sprint(maxEvents+9) || events[0].What == "0" {
		t.Errorf("%d events, from %v to %v", len(events), events[0], events[len(events)-1])
	}
}

// nobody has faults of another making.
func nobody(string) bool { return false }
