package devnet

import (
	"fmt"
	"math/rand/v2"

	"onsight/ons"
)

// livePast makes the blocks before anybody looks: the nodes are staked, the names bought, and with Life both have seen something.
func (n *Network) livePast() error {
	blocks := max(n.cfg.Past, 1)
	r := rand.New(rand.NewPCG(n.cfg.Seed, 0x70617374))
	plan := make([][]func() error, blocks)
	// at plans something for a share of the past, or so many blocks after that.
	at := func(share float64, act func() error) int {
		i := min(int(share*float64(blocks)), blocks-1)
		plan[i] = append(plan[i], act)
		return i
	}
	n.settle()
	for i := range n.nodes {
		n.planNode(i, r, at)
	}
	for _, e := range n.cfg.Names {
		n.planName(e, r, at)
	}
	for _, acts := range plan {
		for _, act := range acts {
			if err := act(); err != nil {
				return err
			}
		}
		n.chain.Mine(1, 0, 0)
	}
	return nil
}

// plan is told what happens when, as a share of the past.
type planner func(share float64, act func() error) int

// planNode stakes a node in the first third of the past. With Life one in ten has been decommissioned for a while, and single ones
// wait for contributions, are decommissioned, are about to leave, or have left.
func (n *Network) planNode(i int, r *rand.Rand, at planner) {
	key := n.nodes[i].Key()
	stake := Stake{Key: key, Operator: n.operator(i), Fee: uint64(r.IntN(20)) * 50}
	part := n.chain.requirement() / 4
	if i%3 == 1 {
		stake.Amount, stake.Reserved = 2*part, []Reserved{{StakeWallet(seedOf(n.cfg.Seed, "contributor", i%5)), 2 * part}}
	}
	waits := n.life != nil && i%29 == 4 && i%3 == 1
	early := 0.3 * r.Float64()
	at(early, func() error { _, err := n.chain.RegisterNode(stake); return err })
	if len(stake.Reserved) > 0 && !waits {
		at(early+0.05, func() error {
			_, err := n.chain.Contribute(key, stake.Reserved[0].Wallet, stake.Reserved[0].Amount)
			return err
		})
	}
	if n.life == nil || waits {
		return
	}
	// State changes need a quorum that has tested the node; where there was none, it has been lucky.
	change := func(share float64, to func() (ons.Txid, error)) { at(share, func() error { _, _ = to(); return nil }) }
	reason := Reasons(1) << r.IntN(7)
	decommission := func() (ons.Txid, error) { return n.chain.Decommission(key, reason) }
	switch i % 30 {
	case 3, 13, 23:
		change(0.6+0.2*r.Float64(), decommission)
		change(0.85, func() (ons.Txid, error) { return n.chain.Recommission(key) })
	case 8:
		change(0.97, decommission)
		n.held[i] = true
	case 18:
		change(0.8, func() (ons.Txid, error) { return n.chain.Deregister(key, reason) })
	case 21:
		change(0.99, func() (ons.Txid, error) { return n.chain.RequestUnlock(key) })
	case 27:
		change(0.7, func() (ons.Txid, error) { return n.chain.RequestUnlock(key) })
	}
}

// planName buys a name at some time and lets happen to it what its entry says.
func (n *Network) planName(e NameEntry, r *rand.Rand, at planner) {
	when := 0.1 + 0.5*r.Float64()
	if e.Name.Type() == ons.Lokinet && !e.expired && !e.renewed {
		when = max(1-0.8*float64(n.cfg.Year)/float64(max(n.cfg.Past, 1)), 0) // late enough to live still
		when += (0.95 - when) * r.Float64()
	}
	if e.expired || e.renewed {
		when = 0
	}
	bought := e
	if e.updated {
		bought.Value = madeUp(e.Name.Type(), e.Name.String()+" before")
	}
	first := at(when, func() error {
		if _, err := n.buy(bought); err != nil {
			return fmt.Errorf("register a name: %w", err)
		}
		return nil
	})
	// What comes later is left out where the past is too short for it.
	later := func(share float64, act func() (ons.Txid, error)) {
		if int(share*float64(n.cfg.Past)) > first+1 {
			first = at(share, func() error { _, err := act(); return err })
		} else if e.updated {
			e.Value = bought.Value
		}
	}
	if e.renewed {
		later(0.9*float64(n.cfg.Year)/float64(max(n.cfg.Past, 1)), func() (ons.Txid, error) { return n.chain.RenewName(e.Name, 10) })
	}
	if e.updated {
		later(0.7+0.1*r.Float64(), func() (ons.Txid, error) { return n.update(e.Name, UpdateOptions{Value: e.Value}) })
	}
	if e.handedOn {
		i := r.IntN(len(n.people))
		later(0.85+0.1*r.Float64(), func() (ons.Txid, error) {
			return n.update(e.Name, UpdateOptions{Owner: n.people.other(n.people.of(e.Name).Owner(), i).Owner()})
		})
	}
}
