package directory

import (
	"errors"
	"math/rand/v2"
	"net/netip"
)

// Hops is the length of a path, the guard included (specification of the messenger, B.4).
const Hops = 3

// ErrTooFew is returned by Guards and Path when the list has too few usable nodes in different networks.
var ErrTooFew = errors.New("too few usable nodes in different networks for a path")

// pool is the usable nodes of a list by their /24.
type pool struct {
	groups [][]*Node
	nodes  []int // for each usable node the number of its group
	order  []int // the groups, shuffled a bit by every draw
}

// usable reports whether a client can send through n.
func usable(n *Node) bool {
	return n.Active && n.IP.IsValid() && n.StoragePort != 0 && known(n.Ed25519) && known(n.X25519)
}

func newPool(list []*Node) *pool {
	p := &pool{}
	at := map[netip.Prefix]int{}
	for _, n := range list {
		if !usable(n) {
			continue
		}
		net := subnet(n.IP, 24)
		g, ok := at[net]
		if !ok || many(n.IP) { // which stands for many networks
			g = len(p.groups)
			p.groups, p.order, at[net] = append(p.groups, nil), append(p.order, g), g
		}
		p.groups[g], p.nodes = append(p.groups[g], n), append(p.nodes, g)
	}
	return p
}

// guards draws n nodes of different /24s, each node as likely as any other.
func (p *pool) guards(rng *rand.Rand, n int) []*Node {
	var guards []*Node
	taken := map[int]bool{}
	for left := len(p.nodes); len(guards) < n && left > 0; left-- {
		// A shuffle that stops when there are enough.
		i := rng.IntN(left)
		p.nodes[i], p.nodes[left-1] = p.nodes[left-1], p.nodes[i]
		if g := p.nodes[left-1]; !taken[g] {
			taken[g] = true
			guards = append(guards, p.groups[g][rng.IntN(len(p.groups[g]))])
		}
	}
	return guards
}

// inner draws n nodes of different /24s, none of them that of a node in apart: each /24 as likely as any other, and in it
// each node. A node in a crowded one is drawn less often, as with the official client.
func (p *pool) inner(rng *rand.Rand, n int, apart []*Node) []*Node {
	var nodes []*Node
	for left := len(p.order); len(nodes) < n && left > 0; left-- {
		i := rng.IntN(left)
		p.order[i], p.order[left-1] = p.order[left-1], p.order[i]
		group := p.groups[p.order[left-1]]
		if !clashes(group[0], apart) {
			nodes = append(nodes, group[rng.IntN(len(group))])
		}
	}
	return nodes
}

// clashes reports whether n is one of apart, or in the /24 of one.
func clashes(n *Node, apart []*Node) bool {
	for _, a := range apart {
		if a.Key == n.Key || sameSubnet(a.IP, n.IP, 24) {
			return true
		}
	}
	return false
}

func pointers(nodes []Node) []*Node {
	list := make([]*Node, len(nodes))
	for i := range nodes {
		list[i] = &nodes[i]
	}
	return list
}

// Guards proposes n guards as the official client does: nodes of different /24s, in the order to try them. Fewer come with
// ErrTooFew. Whoever keeps guards keeps them by their key for as long as they work. As Path, it is for the messenger
// (issue 8); Simulate draws the same way.
func Guards(rng *rand.Rand, nodes []Node, n int) ([]*Node, error) {
	guards := newPool(pointers(nodes)).guards(rng, n)
	if len(guards) < n {
		return guards, ErrTooFew
	}
	return guards, nil
}

// Path completes a guard to a path as the official client does (B.4): two more nodes, of /24s of their own and different
// from those of apart, which are the other guards and the nodes of the other paths. rng decides who learns what: use one
// that nobody can foresee.
func Path(rng *rand.Rand, nodes []Node, guard *Node, apart ...*Node) ([Hops]*Node, error) {
	inner := newPool(pointers(nodes)).inner(rng, Hops-1, append([]*Node{guard}, apart...))
	if len(inner) < Hops-1 {
		return [Hops]*Node{}, ErrTooFew
	}
	return [Hops]*Node{guard, inner[0], inner[1]}, nil
}
