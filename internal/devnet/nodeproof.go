package devnet

import (
	"net/netip"
	"time"

	"onsight/ons"
)

// Proof is what a daemon knows of a service node beside the chain: its last uptime proof, and how the daemon's own storage server and
// lokinet reached it. It is this daemon's, and no reorganisation changes it.
type Proof struct {
	Ed25519, X25519                          [32]byte
	IP                                       netip.Addr
	StoragePort, OMQPort, QuorumnetPort      uint16
	Oxend, Storage, Lokinet                  [3]uint16 // versions
	Time                                     time.Time // when it came; zero: there was none
	StorageReachability, LokinetReachability Reachability
}

// Reachability is what tests of a node's storage server or lokinet found (spec F.5). Zero times mean never.
type Reachability struct {
	LastReachable    time.Time
	FirstUnreachable time.Time // of the failures since it was last reached
	LastUnreachable  time.Time
}

// reachable tells whether the node counts as reachable: not if the newest report is a failure of the last five minutes and failures
// began longer ago than the grace.
func (r Reachability) reachable(now time.Time, grace time.Duration) bool {
	failing := !r.FirstUnreachable.IsZero() && r.LastUnreachable.After(r.LastReachable)
	return !failing || now.Sub(r.LastUnreachable) > 5*time.Minute || now.Sub(r.FirstUnreachable) <= grace
}

// grace is how long a node may be unreachable (spec F.2).
func (c *Chain) grace() time.Duration {
	switch c.network {
	case ons.Fakechain:
		return 65 * time.Second
	case "mainnet":
		return 3900 * time.Second
	}
	return 660 * time.Second
}

// SetProof sets what the daemon knows of a node, registered or not.
func (c *Chain) SetProof(key [32]byte, p Proof) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proofs == nil {
		c.proofs = map[[32]byte]Proof{}
	}
	c.proofs[key] = p
}

// forgetProof is what a decommission does: the proof's time goes, the contact data stay.
func (c *Chain) forgetProof(key [32]byte) {
	if p, ok := c.proofs[key]; ok {
		p.Time = time.Time{}
		c.proofs[key] = p
	}
}

// ServiceNode is a service node after the chain's top block, with what the daemon knows of it.
type ServiceNode struct {
	Key             [32]byte
	Operator        ons.Owner
	Swarm           uint64 // 2^64-1: in none
	Active, Funded  bool   // Funded and not Active: decommissioned
	Registered      uint64
	State           uint64 // height since which it is what it is
	Credit          int64  // blocks it may be decommissioned (spec F.3)
	Decommissions   uint32
	Rewarded        uint64 // height of its last reward, or of what put it at the end of the queue
	RequestedUnlock uint64 // 0: none
	Contributed     uint64
	Reserved        uint64
	Proof           Proof // zero: none yet
}

// ServiceNodes returns the registered nodes after the top block, ascending by key. Of a recorded chain they are what its transactions say
// but for state changes: whom its quorums tested is not in the recording, nor are the proofs. Its daemon shows the recorded list.
func (c *Chain) ServiceNodes() []ServiceNode {
	c.mu.RLock()
	defer c.mu.RUnlock()
	tip := uint64(len(c.blocks) - 1)
	var list []ServiceNode
	for _, n := range c.stakes.sorted() {
		list = append(list, ServiceNode{
			Key: n.key, Operator: n.operator, Swarm: n.swarm, Active: n.isActive(), Funded: n.funded(), Registered: n.registered,
			State: n.stateHeight(), Credit: n.earned(tip), Decommissions: n.decommissions, Rewarded: n.rewarded,
			RequestedUnlock: n.unlock, Contributed: n.contributed, Reserved: n.reserved, Proof: c.proofs[n.key],
		})
	}
	return list
}

// clock is the daemon's: the one that was set, else the time of the newest block.
func (c *Chain) clock() time.Time {
	if c.now != nil {
		return c.now()
	}
	return time.Unix(int64(c.blocks[len(c.blocks)-1].time), 0)
}
