package devnet

import (
	"fmt"
	"math/rand/v2"
	"strconv"
)

// diceFaults are what the dice bring upon nodes and daemons.
var diceFaults = struct{ node, daemon []string }{
	node: []string{
		"down", "down", "down", "slow=300ms", "slow=1500ms", "lossy=0.2", "lossy=0.5", "clock=-90s", "clock=40s", "drop-onions",
		"lie-ons", "lie-swarm", "lie-signature", "status=502", "status=503",
	},
	daemon: []string{"error", "busy", "slow=500ms", "truncate", "huge", "garbage", "backwards=2", "silent", "lossy=0.3"},
}

// longest is how many blocks a fault of the dice lasts at most.
const longest = 8

// dice bring faults upon a network, one roll a block. What they bring, to whom and when follows from their seed alone.
type dice struct {
	r      *rand.Rand
	rate   float64 // faults a block
	active []struck
}

type struck struct {
	target string
	until  uint64 // roll in which it ends
}

func newDice(seed uint64, rate float64) *dice {
	return &dice{r: rand.New(rand.NewPCG(seed, 0x64696365)), rate: rate}
}

// roll returns the faults that begin and those that end with the n-th roll, for a network of so many nodes and daemons.
func (d *dice) roll(n uint64, nodes, daemons int) []Fault {
	var faults []Fault
	kept := d.active[:0]
	for _, s := range d.active {
		if s.until <= n {
			faults = append(faults, Fault{Target: s.target, Name: "ok"})
		} else {
			kept = append(kept, s)
		}
	}
	d.active = kept
	for rate := d.rate; rate > 0; rate-- {
		if d.r.Float64() >= rate {
			continue
		}
		target, kinds := strconv.Itoa(d.r.IntN(max(nodes, 1))), diceFaults.node
		if daemons > 0 && (nodes == 0 || d.r.IntN(6) == 0) {
			kinds, target = diceFaults.daemon, "oxend"
			if i := d.r.IntN(daemons); i > 0 {
				target = fmt.Sprintf("oxend%d", i+1)
			}
		}
		kind := kinds[d.r.IntN(len(kinds))]
		lasts := 1 + uint64(d.r.IntN(longest))
		if nodes+daemons == 0 || d.struck(target) {
			continue
		}
		f, err := ParseFaults(target + ":" + kind)
		if err != nil {
			panic("devnet: internal error: " + err.Error())
		}
		faults = append(faults, f...)
		d.active = append(d.active, struck{target, n + lasts})
	}
	return faults
}

func (d *dice) struck(target string) bool {
	for _, s := range d.active {
		if s.target == target {
			return true
		}
	}
	return false
}
