package directory

import (
	"cmp"
	"slices"

	"onsight/internal/snode"
)

// SwarmLeast is the size below which a swarm is at risk: the network dissolves or refills it (specification F.6).
const SwarmLeast = 5

// Swarm is the nodes that keep the messages of the same accounts.
type Swarm struct {
	ID      uint64
	Members []*Node // by key
}

// AtRisk reports whether s has too few members.
func (s *Swarm) AtRisk() bool { return len(s.Members) < SwarmLeast }

// Swarms returns the swarms of a list by their ids. Nodes that are gone or in none do not count.
func Swarms(nodes []Node) []Swarm {
	at := map[uint64]int{}
	var swarms []Swarm
	for i := range nodes {
		n := &nodes[i]
		if n.Swarm == NoSwarm || n.State == Gone {
			continue
		}
		s, ok := at[n.Swarm]
		if !ok {
			s = len(swarms)
			at[n.Swarm], swarms = s, append(swarms, Swarm{ID: n.Swarm})
		}
		swarms[s].Members = append(swarms[s].Members, n)
	}
	slices.SortFunc(swarms, func(a, b Swarm) int { return cmp.Compare(a.ID, b.ID) })
	for _, s := range swarms {
		slices.SortFunc(s.Members, func(a, b *Node) int { return a.Key.Compare(b.Key) })
	}
	return swarms
}

// SwarmOf returns the id of the swarm of an account among ids in ascending order: computed here, so that nobody learns
// whose it is. Without ids it is NoSwarm. The error means that the account is not 66 hexadecimal digits.
func SwarmOf(ids []uint64, account string) (uint64, error) {
	id, err := snode.ParseID(account)
	if err != nil {
		return NoSwarm, err
	}
	swarm, _ := snode.Choose(ids, snode.Position(id))
	return swarm, nil
}
