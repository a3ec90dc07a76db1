package devnet

import (
	"bytes"
	"cmp"
	"maps"
	"math"
	"slices"

	"onsight/internal/snode"
	"onsight/ons"
)

// Facts of spec F.1 and F.3.
const (
	maxContributors  = 10
	wholeFee         = math.MaxUint64 - 3 // the operator's fee of 100 % (spec E.10, portions_for_operator)
	feeBasis         = 10_000
	firstCredit      = 60
	mostCredit       = 1440
	creditPerDay     = 24
	blocksPerDay     = 720
	votesNeeded      = 7
	smallUnlockAfter = 21_600 // blocks since registration, for whoever staked less than 24.99 %
	afterReward      = math.MaxUint32
	noSwarm          = snode.NoSwarm
)

// The states a 0x78 field brings.
const (
	stateDeregister = iota
	stateDecommission
	stateRecommission
	statePenalty
)

// lockBlocks is how long the stakes of a deregistered node stay locked; an unlock takes half of it.
func (c *Chain) lockBlocks() uint64 {
	switch c.network {
	case ons.Fakechain:
		return 30
	case ons.Testnet:
		return 1440
	}
	return 21_600
}

// rewardDelay is how many blocks after its activation a node is paid first.
func (c *Chain) rewardDelay() uint64 {
	if c.network == ons.Fakechain || c.network == ons.Testnet {
		return 4
	}
	return 720
}

// requirement is what a node's stakes have to sum up to.
func (c *Chain) requirement() uint64 {
	switch {
	case c.network != "mainnet":
		return 100_000_000_000
	case c.dialect == Dialect11:
		return 25_000_000_000_000
	}
	return 15_000_000_000_000
}

// blacklisted is a stake of a deregistered node.
type blacklisted struct{ amount, until uint64 }

// stakes keeps the service nodes of a chain: what its transactions made of them, block by block (spec F). Every change of a block is
// noted with how to undo it, so that Cut goes back exactly as far as it should.
type stakes struct {
	nodes     map[[32]byte]*stakeNode
	blacklist map[[32]byte]blacklisted // by key image
	balances  map[ons.Owner]uint64     // earned and not paid out, in thousandths
	blocks    []stakeBlock             // by height
	swarmed   bool                     // membership changed in the block being applied
	undo      []func(*stakes)          // of the block being applied

	// tested are workers known from elsewhere, by height and index. Only a recorded chain's are: its quorums cannot be drawn again.
	tested map[[2]uint64][32]byte
}

// stakeBlock is what a block did to the nodes and what they did for it.
type stakeBlock struct {
	undo      []func(*stakes)
	forgotten bool // undo is: the block is too deep
	members   *members
	leader    *[32]byte // next in the reward queue before the block; nil if nobody was
	pulse     bool
	final     [2]uint64 // the newest two checkpoints
	payouts   []payout
}

func newStakes() stakes {
	return stakes{nodes: map[[32]byte]*stakeNode{}, blacklist: map[[32]byte]blacklisted{}, balances: map[ons.Owner]uint64{}}
}

// clone copies what a block may change.
func (s *stakes) clone() stakes {
	return stakes{
		nodes: maps.Clone(s.nodes), blacklist: maps.Clone(s.blacklist), balances: maps.Clone(s.balances), blocks: slices.Clone(s.blocks),
	}
}

// edit returns a copy of a node to change; the old one is put back by Cut.
func (s *stakes) edit(key [32]byte) *stakeNode {
	old := s.nodes[key]
	n := *old
	s.put(&n)
	return &n
}

func (s *stakes) put(n *stakeNode) {
	key, old := n.key, s.nodes[n.key]
	s.nodes[key] = n
	s.undo = append(s.undo, func(s *stakes) {
		if old == nil {
			delete(s.nodes, key)
		} else {
			s.nodes[key] = old
		}
	})
}

func (s *stakes) remove(n *stakeNode) {
	delete(s.nodes, n.key)
	s.undo = append(s.undo, func(s *stakes) { s.nodes[n.key] = n })
	s.swarmed = s.swarmed || n.isActive()
}

func (s *stakes) block(image [32]byte, b blacklisted) {
	s.blacklist[image] = b
	s.undo = append(s.undo, func(s *stakes) { delete(s.blacklist, image) })
}

// leader is who waits longest for a reward.
func (s *stakes) leader() *stakeNode {
	if len(s.blocks) == 0 {
		return nil
	}
	var best *stakeNode
	for _, key := range s.blocks[len(s.blocks)-1].members.active {
		n := s.nodes[*key]
		if best == nil || cmp.Or(cmp.Compare(n.rewarded, best.rewarded), cmp.Compare(n.rewardIndex, best.rewardIndex)) < 0 {
			best = n // on equality the lower key, which comes first
		}
	}
	return best
}

// seal applies the block that is about to become the chain's top (oxend's order: expiry, reward, transactions, swarms, quorums).
func (s *stakes) seal(c *Chain, b *block, height uint64) {
	s.undo, s.swarmed = nil, false
	var sealed stakeBlock
	lead := s.leader()
	for image, black := range s.blacklist {
		if height >= black.until {
			delete(s.blacklist, image)
			s.undo = append(s.undo, func(s *stakes) { s.blacklist[image] = black })
		}
	}
	if lead != nil {
		sealed.leader = &lead.key
		sealed.pulse = b.recorded == nil && c.fork(height).Version >= 16 && len(s.blocks[height-1].members.active) > pulseSize
	}
	changed := false
	for _, n := range s.nodes {
		if n.unlock != 0 && height > n.unlock {
			s.remove(n)
			changed = true
		}
	}
	if lead != nil && s.nodes[lead.key] != nil {
		n := s.edit(lead.key)
		n.rewarded, n.rewardIndex = height, afterReward
	}
	for i, t := range b.txs {
		if t.kind >= 1 && t.kind <= 3 {
			changed = s.transaction(c, t, height, uint32(i)) || changed
		}
	}
	sealed.members = s.members(changed)
	if s.swarmed {
		s.reswarm(sealed.members, b.hash)
	}
	s.participate(c, &sealed, height)
	sealed.final = s.checkpoints(c, height)
	sealed.payouts = s.pay(c, height, sealed.members)
	sealed.undo = s.undo
	s.undo = nil
	s.blocks = append(s.blocks, sealed)
	if height >= undoable {
		s.blocks[height-undoable].undo, s.blocks[height-undoable].forgotten = nil, true
	}
}

// undoable is how many of the newest blocks can be taken back one by one. Below, the nodes are computed anew.
const undoable = 1000

// cut takes back the blocks at and above a height.
func (s *stakes) cut(c *Chain, height uint64) {
	if int(height) < len(s.blocks) && s.blocks[height].forgotten {
		anew := newStakes()
		anew.tested = s.tested
		*s = anew
		for h := range c.blocks[:height] {
			s.seal(c, &c.blocks[h], uint64(h))
		}
		return
	}
	for h := len(s.blocks) - 1; h >= int(height); h-- {
		b := &s.blocks[h]
		s.unpay(c, b, uint64(h))
		for i := len(b.undo) - 1; i >= 0; i-- {
			b.undo[i](s)
		}
		*b = stakeBlock{}
	}
	s.blocks = s.blocks[:min(len(s.blocks), int(height))]
}

// sorted are all nodes, ascending by key.
func (s *stakes) sorted() []*stakeNode {
	list := make([]*stakeNode, 0, len(s.nodes))
	for _, n := range s.nodes {
		list = append(list, n)
	}
	slices.SortFunc(list, func(a, b *stakeNode) int { return bytes.Compare(a.key[:], b.key[:]) })
	return list
}

// members lists the funded nodes anew if they changed, else they are those of the block before.
func (s *stakes) members(changed bool) *members {
	if !changed {
		if len(s.blocks) == 0 {
			return &members{}
		}
		return s.blocks[len(s.blocks)-1].members
	}
	m := &members{}
	for _, n := range s.sorted() {
		if n.isActive() {
			m.active = append(m.active, &n.key)
		} else if n.decommissioned {
			m.decommissioned = append(m.decommissioned, &n.key)
		}
	}
	return m
}

// transaction applies a transaction and tells whether it changed who is active or decommissioned. One that is not valid does nothing.
func (s *stakes) transaction(c *Chain, t *transaction, height uint64, index uint32) bool {
	fields, ok := splitExtra(t.extra)
	if !ok {
		return false
	}
	switch t.kind {
	case 1:
		return s.vote(c, fields, height)
	case 2:
		s.unlock(c, fields, height)
	case 3:
		return s.stake(c, t, fields, height, index)
	}
	return false
}

// stake applies a registration, or a contribution.
func (s *stakes) stake(c *Chain, t *transaction, fields []field, height uint64, index uint32) bool {
	got, ok := t.contribution(fields)
	if !ok {
		return false
	}
	for _, l := range got.locked {
		if _, black := s.blacklist[l.image]; black {
			return false
		}
	}
	if body := first(fields, 0x70); body != nil {
		r, ok := parseRegistration(body)
		if !ok || s.nodes[got.node] != nil || !r.valid(c, height) {
			return false
		}
		n := r.node(c, got.node, height, index)
		if n.accepts(got) != nil {
			return false
		}
		s.put(n)
	} else if n := s.nodes[got.node]; n == nil || n.funded() || n.accepts(got) != nil {
		return false
	}
	n := s.edit(got.node)
	n.contribute(got)
	n.rewarded, n.rewardIndex = height, index
	if n.contributed < n.requirement {
		return false
	}
	n.active = height
	s.swarmed = true
	return true
}

// valid tells whether a registration may be mined at a height, whatever nodes there are.
func (r *registration) valid(c *Chain, height uint64) bool {
	requirement, sum := c.requirement(), uint64(0)
	if f := c.fork(height); r.fork != uint64(f.Version) || f.Version < 19 || r.fee > feeBasis || len(r.wallets) > maxContributors {
		return false
	}
	for i, amount := range r.amounts {
		if amount == 0 || amount > requirement || slices.Contains(r.wallets[:i], r.wallets[i]) {
			return false
		}
		sum += amount
	}
	return sum <= requirement && r.amounts[0] >= requirement/4
}

// unlock applies a key image unlock.
func (s *stakes) unlock(c *Chain, fields []field, height uint64) {
	key, image := first(fields, 0x74), first(fields, 0x77)
	if key == nil || image == nil {
		return
	}
	if n := s.nodes[[32]byte(key)]; n != nil && n.unlocks([32]byte(image[:32]), height) == nil {
		n = s.edit(n.key)
		n.unlock = height + c.lockBlocks()/2
	}
}

// vote applies a state change, if enough of the quorum it names voted for it.
func (s *stakes) vote(c *Chain, fields []field, height uint64) (changed bool) {
	body := first(fields, 0x78)
	if body == nil {
		return false
	}
	v, ok := parseVote(body)
	if !ok || v.height >= height || v.height >= uint64(len(c.blocks)) || len(v.voters) < votesNeeded {
		return false
	}
	key, ok := s.tested[[2]uint64{v.height, v.index}]
	if !ok {
		validators, workers := s.blocks[v.height].members.obligations(c.blocks[v.height].hash)
		if v.index >= uint64(len(workers)) || !v.counts(validators) {
			return false
		}
		key = *workers[v.index]
	}
	n := s.nodes[key]
	if n == nil || n.votable(v.state, v.height) != nil {
		return false
	}
	switch v.state {
	case stateDeregister:
		for _, who := range n.contributors {
			for _, l := range who.locked {
				s.block(l.image, blacklisted{l.amount, height + c.lockBlocks()})
			}
		}
		s.remove(n)
		return true
	case stateDecommission:
		n = s.edit(n.key)
		n.decommissioned, n.decommissionedAt, n.swarm = true, height, noSwarm
		n.decommissions++
		n.all, n.some = v.all, v.some
		c.forgetProof(n.key)
		s.swarmed = true
		return true
	case stateRecommission:
		left := n.earned(n.decommissionedAt)
		n = s.edit(n.key)
		n.credit = max(0, left-2*int64(height-n.decommissionedAt))
		n.decommissioned, n.active = false, height
		n.rewarded, n.rewardIndex = height, afterReward
		n.checkpoints, n.pulses = nil, nil
		s.swarmed = true
		return true
	}
	n = s.edit(n.key)
	n.rewarded, n.rewardIndex, n.penalised = height, afterReward, height
	return false
}

// participate notes who was in the quorums of a block.
func (s *stakes) participate(c *Chain, b *stakeBlock, height uint64) {
	if height%checkpointEvery == 0 && height >= checkpointLag {
		at := height - checkpointLag
		for _, key := range s.blocks[at].members.some(c.blocks[at].hash, quorumCheckpointing, checkpointSize, checkpointSize) {
			if s.nodes[*key] != nil {
				n := s.edit(*key)
				n.checkpoints = lastEight(n.checkpoints, participation{height: at, voted: true})
			}
		}
	}
	if !b.pulse {
		return
	}
	for _, key := range pulseValidators(s.blocks[height-1].members, *b.leader, c.blocks[height-1].hash) {
		if s.nodes[*key] != nil {
			n := s.edit(*key)
			n.pulses = lastEight(n.pulses, participation{height: height, voted: true})
		}
	}
}
