package devnet

import (
	"math/bits"
	"slices"

	"onsight/ons"
)

// stakeNode is a service node after some block. One that a block changes is put in the old one's place, which Cut puts back; within
// it only slices that are not shared may be changed.
type stakeNode struct {
	key              [32]byte
	registered       uint64
	fork             uint8
	requirement      uint64
	fee              uint64 // the operator's, of 10,000
	operator         ons.Owner
	contributors     []contributor // the operator first
	contributed      uint64
	reserved         uint64
	rewarded         uint64 // last_reward_block_height
	rewardIndex      uint32
	active           uint64 // height of the last activation; 0 while stakes are missing
	decommissionedAt uint64 // the last one
	decommissioned   bool
	decommissions    uint32
	credit           int64 // base of spec F.3
	swarm            uint64
	unlock           uint64
	penalised        uint64 // last_ip_change_height
	all, some        uint64 // reasons of the last decommission
	checkpoints      []participation
	pulses           []participation
}

type contributor struct {
	wallet           ons.Owner
	amount, reserved uint64
	locked           []locked
}

// participation is one of the last eight quorums a node was in.
type participation struct {
	height uint64
	round  uint8
	voted  bool
}

func (n *stakeNode) funded() bool   { return n.active != 0 }
func (n *stakeNode) isActive() bool { return n.funded() && !n.decommissioned }

// stateHeight is when the node became what it is.
func (n *stakeNode) stateHeight() uint64 {
	switch {
	case n.decommissioned:
		return n.decommissionedAt
	case n.funded():
		return n.active
	}
	return n.rewarded
}

// earned is the decommission credit at a height (spec F.3).
func (n *stakeNode) earned(height uint64) int64 {
	var up uint64
	if n.decommissioned {
		up = n.decommissionedAt - n.active
	} else if n.funded() {
		up = height - n.active
	}
	credit := min(n.credit+int64(up*creditPerDay/blocksPerDay), mostCredit)
	if n.decommissioned {
		credit -= int64(height - n.decommissionedAt)
	}
	return credit
}

// portions is the operator's fee as oxend keeps it: floor(fee * wholeFee / 10,000).
func (n *stakeNode) portions() uint64 { return mulDiv(n.fee, wholeFee, feeBasis) }

// mulDiv is floor(a*b/c), which must fit.
func mulDiv(a, b, c uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	q, _ := bits.Div64(hi, lo, c)
	return q
}

// node is a node nobody has contributed to.
func (r *registration) node(c *Chain, key [32]byte, height uint64, index uint32) *stakeNode {
	n := &stakeNode{
		key: key, registered: height, fork: uint8(r.fork), requirement: c.requirement(), fee: r.fee, operator: r.wallets[0],
		rewarded: height, rewardIndex: index, credit: firstCredit, swarm: noSwarm, penalised: height,
	}
	for i, w := range r.wallets {
		n.contributors = append(n.contributors, contributor{wallet: w, reserved: r.amounts[i]})
		n.reserved += r.amounts[i]
	}
	return n
}

// accepts returns why a contribution to a node that waits for some is not valid.
func (n *stakeNode) accepts(got contribution) error {
	open := n.requirement - n.reserved
	i := slices.IndexFunc(n.contributors, func(c contributor) bool { return c.wallet == got.wallet })
	if i >= 0 {
		own := n.contributors[i].reserved - n.contributors[i].amount
		switch {
		case got.amount < own:
			return errorStake("less than what is reserved")
		case got.amount > own+open:
			return errorStake("more than what is open")
		}
		return nil
	}
	slots := maxContributors - len(n.contributors)
	switch {
	case slots == 0:
		return errorStake("no contributor more")
	case got.amount > open:
		return errorStake("more than what is open")
	case got.amount < (open+uint64(slots)-1)/uint64(slots):
		return errorStake("less than the smallest contribution")
	}
	return nil
}

func (n *stakeNode) contribute(got contribution) {
	n.contributors = slices.Clone(n.contributors)
	i := slices.IndexFunc(n.contributors, func(c contributor) bool { return c.wallet == got.wallet })
	if i < 0 {
		i = len(n.contributors)
		n.contributors = append(n.contributors, contributor{wallet: got.wallet})
	}
	c := &n.contributors[i]
	c.amount += got.amount
	c.locked = slices.Concat(c.locked, got.locked)
	if c.amount > c.reserved {
		n.reserved += c.amount - c.reserved
		c.reserved = c.amount
	}
	n.contributed += got.amount
}

// unlocks returns why a key image cannot be asked back at a height.
func (n *stakeNode) unlocks(image [32]byte, height uint64) error {
	if n.unlock != 0 {
		return errorStake("its unlock was requested already")
	}
	for _, c := range n.contributors {
		for _, l := range c.locked {
			if l.image != image {
				continue
			}
			if c.amount < mulDiv(n.requirement, 2499, 10_000) && height < n.registered+smallUnlockAfter {
				return errorStake("a small contributor has to wait")
			}
			return nil
		}
	}
	return errorStake("it has no such stake")
}

// votable returns why a quorum drawn at a height cannot change a node to a state.
func (n *stakeNode) votable(state, height uint64) error {
	switch {
	case !n.funded():
		return errorStake("it is not funded")
	case n.stateHeight() >= height:
		return errorStake("no quorum has tested it since its last change")
	case state == stateRecommission && !n.decommissioned:
		return errorStake("it is not decommissioned")
	case (state == stateDecommission || state == statePenalty) && n.decommissioned:
		return errorStake("it is decommissioned already")
	}
	return nil
}

// lastEight adds to a list of which eight are kept.
func lastEight(list []participation, p participation) []participation {
	return append(slices.Clone(list[max(0, len(list)-7):]), p)
}
