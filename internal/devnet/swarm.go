package devnet

import (
	"math"
	"math/rand/v2"
	"slices"

	"onsight/ons"
)

// Sizes of swarms (spec F.6).
const (
	swarmLeast = 5
	swarmIdeal = 7
)

// reswarm puts every active node into a swarm after the membership changed. The sizes and the ids are oxend's, and so is that the
// block's hash decides who goes where; who exactly does is our own draw.
func (s *stakes) reswarm(m *members, hash ons.Txid) {
	if len(m.active) == 0 {
		return
	}
	swarms := map[uint64][]*[32]byte{}
	var homeless []*[32]byte
	for _, key := range m.active {
		if id := s.nodes[*key].swarm; id != noSwarm {
			swarms[id] = append(swarms[id], key)
		} else {
			homeless = append(homeless, key)
		}
	}
	divide(swarms, homeless, draw(hash, quorumPulse+1))
	for _, id := range sortedIDs(swarms) {
		for _, key := range swarms[id] {
			if s.nodes[*key].swarm != id {
				s.edit(*key).swarm = id
			}
		}
	}
}

// divide fills the smallest swarms with the homeless, refills those that are too small from those that have some to spare, splits off
// new ones while there is an excess, and dissolves those nobody could refill.
func divide(swarms map[uint64][]*[32]byte, homeless []*[32]byte, r *rand.Rand) {
	if len(swarms) == 0 {
		swarms[newSwarmID(nil)] = nil
	}
	settle(swarms, homeless, r)
	for _, id := range sortedIDs(swarms) {
		for len(swarms[id]) < swarmLeast && excess(swarms) > 0 {
			swarms[id] = append(swarms[id], steal(swarms, r))
		}
	}
	starving := func(list []*[32]byte) bool { return len(list) < swarmLeast }
	for !slices.ContainsFunc(swarmLists(swarms), starving) && excess(swarms) >= swarmIdeal+2*len(swarms) {
		var list []*[32]byte
		for len(list) < swarmIdeal {
			list = append(list, steal(swarms, r))
		}
		swarms[newSwarmID(sortedIDs(swarms))] = list
	}
	for _, id := range sortedIDs(swarms) {
		if list := swarms[id]; starving(list) && len(swarms) > 1 {
			delete(swarms, id)
			settle(swarms, list, r)
		}
	}
}

// settle puts each into one of the smallest swarms.
func settle(swarms map[uint64][]*[32]byte, keys []*[32]byte, r *rand.Rand) {
	for _, key := range keys {
		var smallest []uint64
		for _, id := range sortedIDs(swarms) {
			if len(smallest) > 0 && len(swarms[id]) < len(swarms[smallest[0]]) {
				smallest = smallest[:0]
			}
			if len(smallest) == 0 || len(swarms[id]) == len(swarms[smallest[0]]) {
				smallest = append(smallest, id)
			}
		}
		id := smallest[r.IntN(len(smallest))]
		swarms[id] = append(swarms[id], key)
	}
}

// excess is how many nodes the swarms have above the least.
func excess(swarms map[uint64][]*[32]byte) (n int) {
	for _, list := range swarms {
		n += max(0, len(list)-swarmLeast)
	}
	return n
}

// steal takes one of the nodes of the swarms that have more than the least.
func steal(swarms map[uint64][]*[32]byte, r *rand.Rand) *[32]byte {
	var rich []uint64
	for _, id := range sortedIDs(swarms) {
		for range len(swarms[id]) - min(len(swarms[id]), swarmLeast) {
			rich = append(rich, id)
		}
	}
	id := rich[r.IntN(len(rich))]
	i := r.IntN(len(swarms[id]))
	key := swarms[id][i]
	swarms[id] = slices.Delete(swarms[id], i, i+1)
	return key
}

func sortedIDs(swarms map[uint64][]*[32]byte) []uint64 {
	ids := make([]uint64, 0, len(swarms))
	for id := range swarms {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func swarmLists(swarms map[uint64][]*[32]byte) (lists [][]*[32]byte) {
	for _, list := range swarms {
		lists = append(lists, list)
	}
	return lists
}

// newSwarmID halves the largest gap between the ids, which ascend, on the ring of all ids but noSwarm (spec F.6).
func newSwarmID(ids []uint64) uint64 {
	if len(ids) == 0 {
		return 0
	}
	const last = math.MaxUint64 - 1
	left, gap := uint64(0), uint64(0)
	for i, id := range ids {
		var d uint64
		if i+1 < len(ids) {
			d = ids[i+1] - id
		} else {
			d = last - id + ids[0] + 1
		}
		if d > gap {
			left, gap = id, d
		}
	}
	if half := gap / 2; half > last-left {
		return half - (last - left) - 1
	}
	return left + gap/2
}
