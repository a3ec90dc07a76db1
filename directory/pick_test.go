package directory

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// well makes good nodes with these latencies, each with an operator and /24 of its own.
func well(latencies []time.Duration) []Entry {
	var entries []Entry
	for i, l := range latencies {
		entries = append(entries, Entry{
			Node: Node{Key: keyOf(i), State: Active, Funded: true, Active: true, Credit: 1440, Operator: fmt.Sprint("op", i),
				IP: netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1})},
			Estimate: measured(l, true),
		})
	}
	return entries
}

func TestGood(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*Entry)
		want   []string
	}{
		{"good", func(*Entry) {}, nil},
		{"unlocking", func(e *Entry) { e.Node.State = Unlocking }, []string{"it is unlocking"}},
		{"at the limits", func(e *Entry) { e.Node.Credit = 60 }, nil},
		{"credit", func(e *Entry) { e.Node.Credit = 59 }, []string{"it has 59 blocks of credit, less than 60"}},
		{"slow", func(e *Entry) { e.Estimate = measured(600*time.Millisecond, true) }, []string{"half of its answers take longer than 500ms"}},
		{"failed last", func(e *Entry) { e.Estimate = measured(100*time.Millisecond, false) }, []string{"it cannot be reached"}},
		{"failed here, up for others", func(e *Entry) { e.Estimate, e.Verdict.Health = measured(100*time.Millisecond, false), Up }, nil},
		{"up here, down for others", func(e *Entry) { e.Verdict.Health = Down }, []string{"it cannot be reached"}},
		{"not measured", func(e *Entry) { e.Estimate = Estimate{} }, []string{"nobody has tried to reach it", "its latency is not measured"}},
		{"only the daemon knows", func(e *Entry) { e.Estimate, e.Node.StorageReach = Estimate{}, Reach{Known: true, OK: true} },
			[]string{"its latency is not measured"}},
		{"nowhere", func(e *Entry) { e.Node.IP = netip.Addr{} }, []string{"its address is unknown"}},
	} {
		e := well([]time.Duration{100 * time.Millisecond})[0]
		tt.change(&e)
		if d := cmp.Diff(tt.want, Limits{}.Bad(&e)); d != "" || (Limits{}).Good(&e) != (tt.want == nil) {
			t.Errorf("%s: %s", tt.name, d)
		}
	}
}

// TestScore: it is the sum of its terms, 0 to 1, and no better for being slower, lossier or poorer.
func TestScore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := generate(newRand(rapid.Uint64().Draw(t, "seed")), 1)[0]
		value, terms := Score(&e)
		sum, weights := 0.0, 0.0
		for _, term := range terms {
			sum, weights = sum+term.Value*term.Weight, weights+term.Weight
			if term.Value < 0 || term.Value > 1 || term.Words == "" {
				t.Fatalf("%+v", term)
			}
		}
		if math.Abs(sum-value) > 1e-9 || math.Abs(weights-1) > 1e-9 {
			t.Fatalf("score %v, terms %+v", value, terms)
		}
		worse := e
		worse.Node.Credit -= 30
		worse.Estimate.P50 += 10 * time.Millisecond
		worse.Estimate.P95 += 30 * time.Millisecond
		if worse.Estimate.Tried > 0 {
			worse.Estimate.Lost = worse.Estimate.Tried
			if got, _ := Score(&worse); e.Estimate.P50 > 0 && got > value {
				t.Fatalf("worse scores %v, not less than %v", got, value)
			}
		}
	})
}

// latencies of nodes, in the shapes that networks have; at least 3:1 from the slowest to the fastest.
var spreads = map[string]func(rng *rand.Rand, i, n int) float64{
	"even, 3:1":        func(_ *rand.Rand, i, n int) float64 { return 50 + 100*float64(i)/float64(n-1) },
	"even, 10:1":       func(_ *rand.Rand, i, n int) float64 { return 30 + 270*float64(i)/float64(n-1) },
	"geometric, 3:1":   func(_ *rand.Rand, i, n int) float64 { return 50 * math.Pow(3, float64(i)/float64(n-1)) },
	"geometric, 20:1":  func(_ *rand.Rand, i, n int) float64 { return 15 * math.Pow(20, float64(i)/float64(n-1)) },
	"two continents":   func(_ *rand.Rand, i, n int) float64 { return []float64{40, 140}[i%2] + float64(i%7) },
	"log-normal":       func(rng *rand.Rand, i, n int) float64 { return min(450, 80*math.Exp(0.6*rng.NormFloat64())) },
	"random, even 5:1": func(rng *rand.Rand, i, n int) float64 { return 40 + 160*rng.Float64() },
}

// shares draws with 10,000 seeds and returns the largest share of a good node in fair ones, and the mean latency chosen
// over the mean of the good.
func shares(entries []Entry, r Rules) (largest, latency float64) {
	good, sum := 0, 0.0
	for i := range entries {
		if r.Good(&entries[i]) {
			good++
			sum += float64(entries[i].Estimate.P50)
		}
	}
	counts, picks, chosen := map[Key]int{}, 0, 0.0
	for seed := range uint64(10_000) {
		picked, _ := Pick(newRand(seed), entries, r)
		for _, p := range picked {
			counts[p.Entry.Node.Key]++
			picks++
			chosen += float64(p.Entry.Estimate.P50)
		}
	}
	for _, n := range counts {
		largest = max(largest, float64(n)*float64(good)/float64(picks))
	}
	return largest, chosen / float64(picks) / (sum / float64(good))
}

// TestPickShares is the promise of Diverse: no good node more than 2.5 times its fair share, at 0.8 of the latency.
func TestPickShares(t *testing.T) {
	t.Parallel()
	for name, spread := range spreads {
		sizes := []int{50}
		if name == "even, 3:1" { // where the bounds leave the least room
			sizes = []int{20, 50, 200}
		} else if testing.Short() {
			continue
		}
		for _, n := range sizes {
			rng := newRand(7)
			var ls []time.Duration
			for i := range n {
				ls = append(ls, time.Duration(spread(rng, i, n)*float64(time.Millisecond)))
			}
			largest, latency := shares(well(ls), Rules{N: 3})
			t.Logf("%-17s %4d nodes: largest share %.2f × fair, latency %.2f × uniform", name, n, largest, latency)
			if largest > 2.5 || latency > 0.8 {
				t.Errorf("%s, %d nodes: largest share %.2f, latency %.2f", name, n, largest, latency)
			}
		}
	}
}

// TestPickSharesNetwork: the same on generated networks with operators of up to thirty nodes, crowded /24s, losses and
// credit of all sizes.
func TestPickSharesNetwork(t *testing.T) {
	t.Parallel()
	seeds, sizes := uint64(2), []int{100, 300}
	if testing.Short() {
		seeds, sizes = 1, sizes[:1]
	}
	for seed := range seeds {
		for _, n := range sizes {
			largest, latency := shares(generate(newRand(seed), n), Rules{N: 3, Mainnet: true})
			t.Logf("network %d of %4d nodes: largest share %.2f × fair, latency %.2f × uniform", seed, n, largest, latency)
			if largest > 2.5 || latency > 0.8 {
				t.Errorf("network %d of %d nodes: largest share %.2f, latency %.2f", seed, n, largest, latency)
			}
		}
	}
}

// TestPickRules: whatever the network, what is chosen is good, different, keeps what was not given up, and comes out again
// for the same seed, in whatever order the candidates are.
func TestPickRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rng := newRand(rapid.Uint64().Draw(t, "seed"))
		entries := generate(rng, rapid.IntRange(0, 60).Draw(t, "nodes"))
		r := Rules{N: rapid.IntRange(1, 12).Draw(t, "n"), Mainnet: rapid.Bool().Draw(t, "mainnet"),
			Strategy: rapid.SampledFrom([]Strategy{"", Diverse, Fast, Random}).Draw(t, "strategy"), AvoidCountries: []string{"FR"}, AvoidAS: []uint32{103},
			AvoidPrefixes: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}, AvoidOperators: []string{"L0002operator"}, AvoidKeys: []Key{keyOf(3)}}
		seed := rapid.Uint64().Draw(t, "draw")
		picked, relaxed := Pick(newRand(seed), entries, r)
		said := strings.Join(relaxed, "; ")
		if len(picked) > r.N || len(picked) < r.N && !strings.Contains(said, "only") {
			t.Fatalf("%d of %d, %q", len(picked), r.N, said)
		}
		for i, p := range picked {
			e := p.Entry
			if !r.Good(e) || e.Place.Country == "FR" || e.Place.AS == 103 || r.AvoidPrefixes[0].Contains(e.Node.IP) ||
				e.Node.Operator == "L0002operator" || e.Node.Key == keyOf(3) {
				t.Fatalf("chose %+v", e)
			}
			for _, o := range picked[:i] {
				for name, clash := range map[string]bool{
					"never":    o.Entry.Node.Key == e.Node.Key || r.Mainnet && subnet(o.Entry.Node.IP, 24) == subnet(e.Node.IP, 24),
					"/24":      subnet(o.Entry.Node.IP, 24) == subnet(e.Node.IP, 24),
					"operator": o.Entry.Node.Operator == e.Node.Operator,
					"AS":       e.Place.AS != 0 && o.Entry.Place.AS == e.Place.AS,
					"country":  e.Place.Country != "" && o.Entry.Place.Country == e.Place.Country,
				} {
					if clash && !strings.Contains(said, "share the "+name) {
						t.Fatalf("%s and %s clash in %s, and it says %q", o.Entry.Node.Key, e.Node.Key, name, said)
					}
				}
			}
		}
		shuffled := slices.Clone(entries)
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		again, relaxedAgain := Pick(newRand(seed), shuffled, r)
		if d := cmp.Diff(relaxed, relaxedAgain); d != "" || len(again) != len(picked) {
			t.Fatal(d)
		}
		for i := range again {
			if again[i].Entry.Node.Key != picked[i].Entry.Node.Key || again[i].Score != picked[i].Score {
				t.Fatalf("%d: %s, then %s", i, picked[i].Entry.Node.Key, again[i].Entry.Node.Key)
			}
		}
	})
}

// TestPickRelaxes gives up in the fixed order, and not more than it must.
func TestPickRelaxes(t *testing.T) {
	t.Parallel()
	network := func(change func(i int, e *Entry)) []Entry {
		entries := well([]time.Duration{40e6, 50e6, 60e6, 70e6})
		for i := range entries {
			change(i, &entries[i])
		}
		return entries
	}
	said := func(shared ...string) (words []string) {
		for _, s := range shared {
			words = append(words, "some share the "+s+": there were not enough others")
		}
		return words
	}
	for _, tt := range []struct {
		name    string
		mainnet bool
		change  func(i int, e *Entry)
		n       int
		want    []string
	}{
		{"nothing", true, func(int, *Entry) {}, 4, nil},
		{"one country", true, func(_ int, e *Entry) { e.Place.Country = "DE" }, 2, said("country")},
		{"one AS", true, func(_ int, e *Entry) { e.Place.AS = 7 }, 2, said("AS")},
		{"one operator", true, func(_ int, e *Entry) { e.Node.Operator = "x" }, 2, said("operator")},
		{"one operator in one country", true, func(_ int, e *Entry) { e.Node.Operator, e.Place.Country = "x", "DE" }, 2, said("country", "operator")},
		{"one /24", false, func(i int, e *Entry) { e.Node.IP = netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}) }, 2, said("/24")},
		{"one /24 on mainnet", true, func(i int, e *Entry) { e.Node.IP = netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}) }, 2,
			[]string{"only 1 of 2: there are no more good nodes to choose from"}},
		{"countries give way first", true, func(i int, e *Entry) { e.Node.Operator, e.Place.Country = fmt.Sprint(i/2), "DE" }, 2, said("country")},
		{"one loopback", true, func(_ int, e *Entry) { e.Node.IP = netip.MustParseAddr("127.0.0.1") }, 4, nil},
		{"too few", false, func(int, *Entry) {}, 5, []string{"only 4 of 5: there are no more good nodes to choose from"}},
	} {
		_, got := Pick(newRand(1), network(tt.change), Rules{N: tt.n, Mainnet: tt.mainnet})
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
	}
	if picked, relaxed := Pick(newRand(1), nil, Rules{}); len(picked) != 0 || len(relaxed) != 1 {
		t.Errorf("of none: %v, %v", picked, relaxed)
	}
}

func TestPickStrategies(t *testing.T) {
	t.Parallel()
	var ls []time.Duration
	for i := range 50 {
		ls = append(ls, time.Duration(200-i)*time.Millisecond)
	}
	entries := well(ls)
	picked, _ := Pick(newRand(1), entries, Rules{Strategy: Fast})
	for i, p := range picked {
		if p.Entry != &entries[49-i] {
			t.Errorf("fast: %d is %v", i, p.Entry.Estimate.P50)
		}
	}
	largest, latency := shares(entries, Rules{Strategy: Random})
	if largest > 1.2 || math.Abs(latency-1) > 0.01 {
		t.Errorf("random: largest share %.2f, latency %.2f", largest, latency)
	}
}

func BenchmarkPick(b *testing.B) {
	entries := generate(newRand(1), 2000)
	rng := newRand(2)
	b.ReportAllocs()
	for b.Loop() {
		Pick(rng, entries, Rules{N: 3})
	}
}

// BenchmarkPickMany is the most a question to the API can cost.
func BenchmarkPickMany(b *testing.B) {
	entries := generate(newRand(1), 2000)
	rng := newRand(2)
	for b.Loop() {
		Pick(rng, entries, Rules{N: 1000})
	}
}
