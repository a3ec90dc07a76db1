package devnet

import (
	"encoding/json"
	"maps"
	"testing"

	"onsight/ons"
)

// FuzzStake shows that no extra of a stake, an unlock or a state change makes the state panic, that what is shown afterwards is JSON,
// and that a cut takes back whatever it did.
func FuzzStake(f *testing.F) {
	c := withNodes(f, Dialect10, 12)
	id, err := c.RegisterNode(Stake{Key: key(50), Amount: 25e9})
	must(f, id, err)
	id, err = c.RequestUnlock(key(1))
	must(f, id, err)
	id, err = c.Decommission(key(2), ReasonUptime)
	for n := 2; err != nil && n < 12; n++ {
		id, err = c.Decommission(key(n), ReasonUptime)
	}
	must(f, id, err)
	c.Mine(1, 0, 0)
	height := c.Height() - 1
	var prefixes [][]byte
	for i, t := range c.blocks[height].txs {
		f.Add(uint8(i), t.extra)
		prefixes = append(prefixes, t.raw)
	}
	c.Cut(height)
	f.Fuzz(func(t *testing.T, which uint8, extra []byte) {
		x := newTransaction(ons.Txid{}, prefixes[int(which)%len(prefixes)])
		x.extra = extra
		before, balances := maps.Clone(c.stakes.nodes), maps.Clone(c.stakes.balances)
		c.push(block{hash: ons.Txid{1}, txs: []*transaction{x}})
		v := &view{chain: c}
		w := wanted{all: true}
		list := v.states(w, nil, false, 0)
		if b := v.appendStates(nil, w, list); !json.Valid(b) {
			t.Errorf("no JSON: %s", b)
		}
		if b := appendJSON(nil, c.extraObject(x)); !json.Valid(b) {
			t.Errorf("no JSON: %s", b)
		}
		for range 20 {
			c.push(block{})
		}
		c.Cut(height)
		if !maps.Equal(before, c.stakes.nodes) || !equalBalances(balances, c.stakes.balances) {
			t.Error("the cut left something behind")
		}
	})
}
