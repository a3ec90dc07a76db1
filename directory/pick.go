package directory

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sort"
)

// Strategy is how Pick draws from the good nodes.
type Strategy string

const (
	Diverse Strategy = "diverse" // well-scored ones more often, none too often
	Fast    Strategy = "fast"    // always the fastest: everybody near you gets the same
	Random  Strategy = "random"  // all good ones alike
)

// Rules are what a choice has to keep. The zero Rules ask for three diverse nodes on a network that is not mainnet.
type Rules struct {
	Limits
	N        int      // how many; 0: 3
	Strategy Strategy // "": Diverse
	Mainnet  bool     // never two of one /24, whatever the cost

	AvoidKeys      []Key
	AvoidOperators []string
	AvoidPrefixes  []netip.Prefix
	AvoidCountries []string // two letters
	AvoidAS        []uint32
}

// Picked is one chosen node and why.
type Picked struct {
	Entry *Entry
	Score float64
	Terms []Term
}

// candidate is a good node at its place among the good.
type candidate struct {
	*Entry
	score  float64
	shares [len(apart)]int // what no other chosen one may have as well, as numbers; 0: unknown, which nobody shares
	tier   float64         // 0 best to 1: the rank, the best being equals
	weight float64         // of Diverse
}

// apart is what two chosen nodes do not share, in the order in which it is given up. That they are different nodes is not
// among it.
var apart = [...]string{"country", "AS", "operator", "/24"}

// equals is the share of the good nodes that count as equally good. In theory each of them is drawn 1.8 times as often as
// its fair share, and the mean latency is 0.78 of all's where latencies lie evenly between 1 and 3. See TestPickShares for
// what comes out.
const equals = 0.52

// Seeded returns the randomness that a seed stands for, wherever it is named: the same nodes, rules and seed give the same choice.
func Seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// Pick chooses good nodes among candidates, of which no two share operator, /24, AS or country. Where that leaves too few,
// it gives up country, AS, operator and then, not on mainnet, the /24, and says in relaxed what some share in the end; it
// never chooses a node twice. Fewer than asked for are returned if there are no more.
//
// Diverse draws two and takes the better one, where the better half are equals and the weights of the others fall with the
// square of their rank by Score. Nodes that many others exclude weigh more, so that a rare country or a small operator is
// not drawn all the time. The same rng and candidates, in any order, give the same choice.
func Pick(rng *rand.Rand, candidates []Entry, r Rules) (picked []Picked, relaxed []string) {
	if r.N <= 0 {
		r.N = 3
	}
	good := r.good(candidates)
	var chosen []candidate
	given := 0 // how much of apart is given up
	pool := slices.Clone(good)
	for len(chosen) < r.N && len(chosen) < len(good) {
		if len(pool) > 0 {
			c := r.draw(rng, pool)
			chosen = append(chosen, c)
			pool = slices.DeleteFunc(pool, func(o candidate) bool { return o.clashes(c, given) })
		} else if given == len(apart) || given == len(apart)-1 && r.Mainnet {
			break
		} else {
			given++
			pool = compatible(good, chosen, given)
		}
	}
	for i, what := range apart[:given] {
		if shared(chosen, i) {
			relaxed = append(relaxed, "some share the "+what+": there were not enough others")
		}
	}
	if len(chosen) < r.N {
		relaxed = append(relaxed, fmt.Sprintf("only %d of %d: there are no more good nodes to choose from", len(chosen), r.N))
	}
	for _, c := range chosen {
		p := Picked{Entry: c.Entry}
		p.Score, p.Terms = Score(c.Entry)
		picked = append(picked, p)
	}
	return picked, relaxed
}

// good returns the usable candidates, ranked.
func (r *Rules) good(candidates []Entry) []candidate {
	var good []candidate
	var numbers [len(apart)]map[string]int
	for i := range numbers {
		numbers[i] = map[string]int{"": 0}
	}
	for i := range candidates {
		e := &candidates[i]
		if !r.Good(e) || r.avoids(e) {
			continue
		}
		c := candidate{Entry: e, score: value(e)}
		for i, what := range apart {
			v := traitOf(what, e)
			n, ok := numbers[i][v]
			if !ok {
				n = len(numbers[i])
				numbers[i][v] = n
			}
			c.shares[i] = n
		}
		good = append(good, c)
	}
	slices.SortFunc(good, func(a, b candidate) int {
		c := cmp.Compare(b.score, a.score)
		if r.Strategy == Fast {
			c = cmp.Or(cmp.Compare(a.Estimate.P50, b.Estimate.P50), c)
		}
		if c == 0 {
			c = a.Node.Key.Compare(b.Node.Key)
		}
		return c
	})
	r.weigh(good)
	return good
}

// weigh gives each candidate its tier and weight by its rank. Then it makes up for crowds: with each further draw fewer of
// the nodes of a big operator are left to be drawn, and all of a small one. Each round of that comes nearer to the balance.
func (r *Rules) weigh(good []candidate) {
	base := make([]float64, len(good))
	for i := range good {
		c := &good[i]
		c.tier = max((float64(i)+0.5)/float64(len(good)), equals)
		base[i] = (1 - c.tier) * (1 - c.tier)
		c.weight = base[i]
	}
	for range balanceRounds {
		chances := chances(good)
		var crowds [len(apart)][]float64
		for i := range crowds {
			crowds[i] = make([]float64, len(good)+1)
			for j, c := range good {
				if c.shares[i] != 0 {
					crowds[i][c.shares[i]] += chances[j]
				}
			}
		}
		for j := range good {
			// The chance that a draw takes none that excludes j. An AS is mostly in one country.
			shares := good[j].shares
			free := (1 - max(crowds[0][shares[0]], crowds[1][shares[1]])) * (1 - max(crowds[2][shares[2]], crowds[3][shares[3]]))
			open, left := 0.0, 1.0 // how often j can still be drawn, on average of all draws
			for range r.N {
				open, left = open+left/float64(r.N), left*free
			}
			good[j].weight = base[j] / open
		}
	}
}

// balanceRounds is enough for the weights to change by less than a hundredth in another one.
const balanceRounds = 2

// chances returns how likely Diverse takes each as the first: that it is drawn twice, or with one of a worse tier, or
// before one of its own.
func chances(good []candidate) []float64 {
	total := 0.0
	for _, c := range good {
		total += c.weight
	}
	p := make([]float64, len(good))
	worse := total
	for i := 0; i < len(good); {
		j, tier := i, 0.0
		for ; j < len(good) && good[j].tier == good[i].tier; j++ {
			tier += good[j].weight
		}
		worse -= tier
		for ; i < j; i++ {
			p[i] = good[i].weight * (tier + 2*worse) / (total * total)
		}
	}
	return p
}

func (r *Rules) avoids(e *Entry) bool {
	return slices.Contains(r.AvoidKeys, e.Node.Key) ||
		slices.Contains(r.AvoidOperators, e.Node.Operator) ||
		e.Place.Country != "" && slices.Contains(r.AvoidCountries, e.Place.Country) ||
		e.Place.AS != 0 && slices.Contains(r.AvoidAS, e.Place.AS) ||
		slices.ContainsFunc(r.AvoidPrefixes, func(p netip.Prefix) bool { return p.Contains(e.Node.IP) })
}

// compatible returns those of good that share nothing with chosen but what is given up, the first of apart.
func compatible(good, chosen []candidate, given int) []candidate {
	keys := make(map[Key]bool, len(chosen))
	var taken [len(apart)]map[int]bool
	for i := given; i < len(apart); i++ {
		taken[i] = make(map[int]bool, len(chosen))
	}
	for _, c := range chosen {
		keys[c.Node.Key] = true
		for i := given; i < len(apart); i++ {
			taken[i][c.shares[i]] = c.shares[i] != 0
		}
	}
	pool := make([]candidate, 0, len(good))
	for _, c := range good {
		free := !keys[c.Node.Key]
		for i := given; i < len(apart) && free; i++ {
			free = !taken[i][c.shares[i]]
		}
		if free {
			pool = append(pool, c)
		}
	}
	return pool
}

// clashes reports whether c is o or shares with it what is not given up.
func (c *candidate) clashes(o candidate, given int) bool {
	for i := given; i < len(apart); i++ {
		if c.shares[i] != 0 && c.shares[i] == o.shares[i] {
			return true
		}
	}
	return c.Node.Key == o.Node.Key
}

// shared reports whether two of chosen have the same of what apart has at i.
func shared(chosen []candidate, i int) bool {
	seen := make(map[int]bool, len(chosen))
	for _, c := range chosen {
		if seen[c.shares[i]] {
			return true
		}
		seen[c.shares[i]] = c.shares[i] != 0
	}
	return false
}

// draw takes one of pool, which is ranked.
func (r *Rules) draw(rng *rand.Rand, pool []candidate) candidate {
	switch r.Strategy {
	case Fast:
		return pool[0]
	case Random:
		return pool[rng.IntN(len(pool))]
	}
	sums, sum := make([]float64, len(pool)), 0.0
	for i, c := range pool {
		sum += c.weight
		sums[i] = sum
	}
	one := func() candidate {
		return pool[min(sort.SearchFloat64s(sums, rng.Float64()*sum), len(pool)-1)]
	}
	a, b := one(), one()
	if b.tier < a.tier {
		return b
	}
	return a
}

// sameSubnet reports whether both addresses are in one network of that many bits; of an IPv6 address twice as many.
func sameSubnet(a, b netip.Addr, bits int) bool {
	pa, pb := subnet(a, bits), subnet(b, bits)
	return pa.IsValid() && pa == pb && !many(a)
}

// many reports whether an address stands for many networks: 127.0.0.1, on which a test network may have all its nodes.
func many(a netip.Addr) bool {
	return a == netip.AddrFrom4([4]byte{127, 0, 0, 1}) || a == netip.IPv6Loopback()
}

// subnet returns the network of that many bits that a is in; not valid if a is not.
func subnet(a netip.Addr, bits int) netip.Prefix {
	if a.Is6() {
		bits *= 2
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
