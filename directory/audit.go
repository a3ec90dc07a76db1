package directory

import (
	"math/rand/v2"
	"net/netip"
	"strconv"
)

// traits are what two hops of a path should not share. "" is unknown, which nothing shares.
var traits = []struct {
	name string
	of   func(*Entry) string
}{
	{"operator", func(e *Entry) string { return e.Node.Operator }},
	{"/24", func(e *Entry) string { return networkText(e.Node.IP, 24) }},
	{"/16", func(e *Entry) string { return networkText(e.Node.IP, 16) }},
	{"AS", func(e *Entry) string {
		if e.Place.AS == 0 {
			return ""
		}
		return "AS" + strconv.FormatUint(uint64(e.Place.AS), 10)
	}},
	{"country", func(e *Entry) string { return e.Place.Country }},
	{"version", func(e *Entry) string { // of the storage server, which is what a hop is
		if e.Node.Storage == (Version{}) {
			return ""
		}
		return e.Node.Storage.String()
	}},
}

// traitOf returns the trait of that name.
func traitOf(name string, e *Entry) string {
	for _, t := range traits {
		if t.name == name {
			return t.of(e)
		}
	}
	panic("directory: internal error: no trait " + name)
}

// networkText is the network of an address; 127.0.0.1 is in none, as it stands for many.
func networkText(a netip.Addr, bits int) string {
	p := subnet(a, bits)
	if !p.IsValid() || many(a) {
		return ""
	}
	return p.String()
}

// Finding is something that two hops share.
type Finding struct {
	What  string // operator, /24, /16, AS, country or version
	Value string
	A, B  int // which hops, counted from 0
}

// Audit returns what the hops of a path share, two by two. It asks nobody.
func Audit(hops []*Entry) []Finding {
	var found []Finding
	for _, t := range traits {
		for b := range hops {
			for a := range b {
				if v := t.of(hops[a]); v != "" && v == t.of(hops[b]) {
					found = append(found, Finding{t.name, v, a, b})
				}
			}
		}
	}
	return found
}

// Shared says of how many paths something holds.
type Shared struct {
	What    string  // as in Finding
	Any     int     // two of the hops share it
	All     int     // all of them do
	Unknown int     // it is not known of every hop, so that Any may be too low
	Rate    float64 // Any of all paths
}

// Statistics are what Simulate found.
type Statistics struct {
	Paths  int // drawn; 0 if the list is too small for any
	Nodes  int // usable ones in the list
	Shared []Shared
}

// simulatedGuards is how many guards, and so paths, the official client has at a time.
const simulatedGuards = 2

// Simulate draws paths as the official client does (B.4), two guards with a path each at a time, and counts how often the
// hops of one share something.
func Simulate(rng *rand.Rand, entries []Entry, paths int) Statistics {
	of := make(map[*Node]int, len(entries))
	list := make([]*Node, len(entries))
	for i := range entries {
		list[i] = &entries[i].Node
		of[list[i]] = i
	}
	values := numbered(entries)
	p := newPool(list)
	s := Statistics{Nodes: len(p.nodes), Shared: make([]Shared, len(traits))}
	for s.Paths < paths {
		guards := p.guards(rng, simulatedGuards)
		inner := p.inner(rng, simulatedGuards*(Hops-1), guards)
		if len(guards) < simulatedGuards || len(inner) < simulatedGuards*(Hops-1) {
			break
		}
		for i, g := range guards {
			if s.Paths < paths {
				s.Paths++
				s.count(values, [Hops]int{of[g], of[inner[2*i]], of[inner[2*i+1]]})
			}
		}
	}
	for i, t := range traits {
		s.Shared[i].What = t.name
		s.Shared[i].Rate = float64(s.Shared[i].Any) / float64(max(s.Paths, 1))
	}
	return s
}

// numbered replaces the texts of traits by numbers, which are made once and compared often; 0 is unknown.
func numbered(entries []Entry) [][]int {
	values := make([][]int, len(traits))
	for i, t := range traits {
		numbers := map[string]int{"": 0}
		values[i] = make([]int, len(entries))
		for j := range entries {
			v := t.of(&entries[j])
			if _, ok := numbers[v]; !ok {
				numbers[v] = len(numbers)
			}
			values[i][j] = numbers[v]
		}
	}
	return values
}

func (s *Statistics) count(values [][]int, hops [Hops]int) {
	for i, v := range values {
		a, b, c := v[hops[0]], v[hops[1]], v[hops[2]]
		same := func(x, y int) bool { return x != 0 && x == y }
		if same(a, b) || same(a, c) || same(b, c) {
			s.Shared[i].Any++
		}
		if same(a, b) && same(b, c) {
			s.Shared[i].All++
		}
		if a == 0 || b == 0 || c == 0 {
			s.Shared[i].Unknown++
		}
	}
}
