package devnet

import (
	"bytes"
	"encoding/binary"
	"slices"

	"onsight/ons"
)

// payout is one output of a coinbase: what somebody earned since the last one.
type payout struct {
	wallet ons.Owner
	amount uint64
}

const leastPayout = 1_000_000_000

// payInterval is after how many blocks an address is paid.
func (c *Chain) payInterval() uint64 {
	if c.network == ons.Fakechain || c.network == ons.Testnet {
		return 20
	}
	return 2520
}

// pay pays out whose turn it is at a height, then credits the block's reward: in equal parts to the nodes that are active long
// enough, and within a node first the operator's fee, then by stake (spec D.1, HF19). Amounts are kept in thousandths, and what
// a payout rounds off stays.
func (s *stakes) pay(c *Chain, height uint64, m *members) (paid []payout) {
	if c.fork(height).Version < 19 {
		return nil
	}
	for wallet, balance := range s.balances {
		if balance/1000 >= leastPayout && height%c.payInterval() == binary.LittleEndian.Uint64(wallet.View[:])%c.payInterval() {
			paid = append(paid, payout{wallet, balance / 1000})
		}
	}
	slices.SortFunc(paid, func(a, b payout) int { return bytes.Compare(a.wallet.Key[:], b.wallet.Key[:]) })
	for _, p := range paid {
		s.balances[p.wallet] -= p.amount * 1000
	}
	s.accrue(c, height, m, func(wallet ons.Owner, amount uint64) { s.balances[wallet] += amount })
	return paid
}

// unpay takes back what pay did for a block. The nodes are still as they were then.
func (s *stakes) unpay(c *Chain, b *stakeBlock, height uint64) {
	if c.fork(height).Version < 19 {
		return
	}
	s.accrue(c, height, b.members, func(wallet ons.Owner, amount uint64) {
		if s.balances[wallet] -= amount; s.balances[wallet] == 0 {
			delete(s.balances, wallet)
		}
	})
	for _, p := range b.payouts {
		s.balances[p.wallet] += p.amount * 1000
	}
}

// accrue tells what the reward of a block is to whom.
func (s *stakes) accrue(c *Chain, height uint64, m *members, to func(ons.Owner, uint64)) {
	var payable []*stakeNode
	for _, key := range m.active {
		if n := s.nodes[*key]; n.active+c.rewardDelay() <= height {
			payable = append(payable, n)
		}
	}
	for _, n := range payable {
		n.shares(reward*1000/uint64(len(payable)), to)
	}
}

// shares divides a node's part of a reward.
func (n *stakeNode) shares(amount uint64, to func(ons.Owner, uint64)) {
	fee := mulDiv(amount, n.portions(), wholeFee)
	if fee > 0 {
		to(n.operator, fee)
	}
	if rest := amount - fee; rest > 0 {
		for _, c := range n.contributors {
			to(c.wallet, mulDiv(rest, c.amount, n.contributed))
		}
	}
}

// balance is what a wallet has earned and not been paid, in atomic units.
type balance struct {
	address string
	amount  uint64
}

func (c *Chain) accrued() []balance {
	list := make([]balance, 0, len(c.stakes.balances))
	for wallet, milli := range c.stakes.balances {
		list = append(list, balance{wallet.Text(c.network), milli / 1000})
	}
	slices.SortFunc(list, func(a, b balance) int { return bytes.Compare([]byte(a.address), []byte(b.address)) })
	return list
}

// getAccrued tells what addresses earned and were not paid; of all if none is given.
func getAccrued(v *view, b []byte, p params) ([]byte, *rpcError) {
	c := v.chain
	addresses, _, fault := p.strings("addresses")
	if fault != nil {
		return b, fault
	}
	all := c.accrued()
	if len(addresses) > 0 {
		have := map[string]uint64{}
		for _, a := range all {
			have[a.address] = a.amount
		}
		all = all[:0]
		for _, a := range addresses {
			// 10.x leaves out, and refuses if nothing is left, what 11.x answers with nothing.
			if amount, ok := have[a]; ok || c.dialect == Dialect11 {
				all = append(all, balance{a, amount})
			}
		}
		if len(all) == 0 {
			return b, errorf(-1, "Failed to query any service nodes batched amounts at all")
		}
	}
	if c.dialect == Dialect11 {
		balances := map[string]uint64{}
		for _, a := range all {
			balances[a.address] = a.amount
		}
		return appendJSON(b, map[string]any{"balances": balances, "status": "OK"}), nil
	}
	o := map[string]any{"status": "OK"}
	if len(all) > 0 {
		var names []string
		var amounts []uint64
		for _, a := range all {
			names, amounts = append(names, a.address), append(amounts, a.amount)
		}
		o["addresses"], o["amounts"] = names, amounts
	}
	return appendJSON(b, o), nil
}
