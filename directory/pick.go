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
	tier   float64 // 0 best to 1: the rank, the best being equals
	weight float64 // of Diverse
}

// equals is the share of the good nodes that count as equally good. In theory each of them is drawn 1.8 times as often as
// its fair share, and the mean latency is 0.78 of all's where latencies lie evenly between 1 and 3. Diversity adds to the
// former, since nodes of small operators stand in nobody's way. See TestPickShares for what comes out.
const equals = 0.52

// constraint is something that no two chosen nodes share.
type constraint struct {
	name   string
	shared func(a, b *Entry) bool
}

// holds reports whether two of picked share it.
func (c constraint) holds(picked []Picked) bool {
	for i, p := range picked {
		if slices.ContainsFunc(picked[:i], func(o Picked) bool { return c.shared(p.Entry, o.Entry) }) {
			return true
		}
	}
	return false
}

// constraints are in the order in which they are given up. That nodes are different is not among them.
func (r *Rules) constraints() []constraint {
	return []constraint{
		{"country", func(a, b *Entry) bool { return a.Place.Country != "" && a.Place.Country == b.Place.Country }},
		{"AS", func(a, b *Entry) bool { return a.Place.AS != 0 && a.Place.AS == b.Place.AS }},
		{"operator", func(a, b *Entry) bool { return a.Node.Operator != "" && a.Node.Operator == b.Node.Operator }},
		{"/24", func(a, b *Entry) bool { return sameSubnet(a.Node.IP, b.Node.IP, 24) }},
	}
}

// Pick chooses good nodes among candidates, of which no two share operator, /24, AS or country. Where that leaves too few,
// it gives up country, AS, operator and then, not on mainnet, the /24, and says in relaxed what some share in the end; it
// never chooses a node twice. Fewer than asked for are returned if there are no more.
//
// Diverse draws two and takes the better one, where the better half are equals and the weights of the others fall with the
// square of their rank by Score. The same rng and candidates, in any order, give the same choice.
func Pick(rng *rand.Rand, candidates []Entry, r Rules) (picked []Picked, relaxed []string) {
	if r.N <= 0 {
		r.N = 3
	}
	good := r.good(candidates)
	rules := r.constraints()
	var given []constraint
	for len(picked) < r.N && len(picked) < len(good) {
		pool := compatible(good, picked, rules)
		if len(pool) > 0 {
			p := Picked{Entry: r.draw(rng, pool).Entry}
			p.Score, p.Terms = Score(p.Entry)
			picked = append(picked, p)
			continue
		}
		if len(rules) == 0 || len(rules) == 1 && r.Mainnet {
			break
		}
		given, rules = append(given, rules[0]), rules[1:]
	}
	for _, c := range given {
		if c.holds(picked) {
			relaxed = append(relaxed, "some share the "+c.name+": there were not enough others")
		}
	}
	if len(picked) < r.N {
		relaxed = append(relaxed, fmt.Sprintf("only %d of %d: there are no more good nodes to choose from", len(picked), r.N))
	}
	return picked, relaxed
}

// good returns the usable candidates, ranked.
func (r *Rules) good(candidates []Entry) []candidate {
	var good []candidate
	for i := range candidates {
		e := &candidates[i]
		if r.Good(e) && !r.avoids(e) {
			good = append(good, candidate{Entry: e, score: value(e)})
		}
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
	for i := range good {
		rank := (float64(i) + 0.5) / float64(len(good))
		good[i].tier = max(rank, equals)
		good[i].weight = (1 - good[i].tier) * (1 - good[i].tier)
	}
	return good
}

func (r *Rules) avoids(e *Entry) bool {
	return slices.Contains(r.AvoidKeys, e.Node.Key) ||
		slices.Contains(r.AvoidOperators, e.Node.Operator) ||
		e.Place.Country != "" && slices.Contains(r.AvoidCountries, e.Place.Country) ||
		e.Place.AS != 0 && slices.Contains(r.AvoidAS, e.Place.AS) ||
		slices.ContainsFunc(r.AvoidPrefixes, func(p netip.Prefix) bool { return p.Contains(e.Node.IP) })
}

func compatible(good []candidate, picked []Picked, rules []constraint) []candidate {
	pool := make([]candidate, 0, len(good))
	for _, c := range good {
		if !slices.ContainsFunc(picked, func(p Picked) bool { return conflict(c.Entry, p.Entry, rules) }) {
			pool = append(pool, c)
		}
	}
	return pool
}

func conflict(a, b *Entry, rules []constraint) bool {
	if a.Node.Key == b.Node.Key {
		return true
	}
	for _, c := range rules {
		if c.shared(a, b) {
			return true
		}
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

// sameSubnet reports whether both addresses are in one network of that many bits; of an IPv6 address twice as many. The
// loopback of a test network stands for many networks.
func sameSubnet(a, b netip.Addr, bits int) bool {
	pa, pb := subnet(a, bits), subnet(b, bits)
	return pa.IsValid() && pa == pb && !a.IsLoopback()
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
