package devnet

import (
	"encoding/json"
	"fmt"
	"math"

	"onsight/ons"
)

// coinbaseIndex is the index of a block's coinbase, whose outputs come before those of its transactions.
const coinbaseIndex = math.MaxUint32

// coinbaseOuts is how many outputs a block's coinbase has.
func (c *Chain) coinbaseOuts(k *block, height uint64) uint64 {
	if k.recorded != nil {
		return k.recorded.outs
	}
	return uint64(len(c.paid(k, height)))
}

// findCoinbase finds the coinbase of a hash. On 10.x one without outputs is nowhere.
func (c *Chain) findCoinbase(hash ons.Txid) (place, bool) {
	if h, ok := c.coinbases[hash]; ok {
		return place{tx: c.blocks[h].recorded.coinbase, height: uint64(h), index: coinbaseIndex}, true
	}
	h, ok := c.heights[(&block{hash: hash}).minerHash()] // which undoes itself
	if !ok || c.blocks[h].recorded != nil {
		return place{}, false
	}
	height := uint64(h)
	if c.dialect == Dialect10 && c.coinbaseOuts(&c.blocks[h], height) == 0 {
		return place{}, false
	}
	return place{tx: c.minerTx(&c.blocks[h], height), height: height, index: coinbaseIndex}, true
}

// coinbaseOf builds a coinbase again from the document get_block shows: its bytes, which the recording does not have, follow from it. nil
// if the document does not show one as we know them. The hash is the recorded one, or none: 10.x shows none for a coinbase without outputs.
func coinbaseOf(header, result object) *transaction {
	var doc struct {
		Miner struct {
			Version uint64   `json:"version"`
			Unlocks []uint64 `json:"output_unlock_times"`
			Unlock  uint64   `json:"unlock_time"`
			Vin     []struct {
				Gen struct{ Height uint64 }
			} `json:"vin"`
			Vout []struct {
				Amount uint64
				Target struct{ Key string }
			} `json:"vout"`
			Extra []uint16 `json:"extra"`
			Type  uint64   `json:"type"`
		} `json:"miner_tx"`
	}
	m := &doc.Miner
	if json.Unmarshal([]byte(result.string("json")), &doc) != nil || len(m.Vin) != 1 {
		return nil
	}
	b := appendVarint(nil, m.Version)
	if m.Version >= 3 {
		b = appendVarint(b, uint64(len(m.Unlocks)))
		for _, u := range m.Unlocks {
			b = appendVarint(b, u)
		}
	}
	if m.Version == 3 {
		b = append(b, 0) // no state change
	}
	b = appendVarint(append(appendVarint(b, m.Unlock), 1, 0xff), m.Vin[0].Gen.Height)
	b = appendVarint(b, uint64(len(m.Vout)))
	for _, out := range m.Vout {
		key, err := parseHash(out.Target.Key)
		if err != nil {
			return nil
		}
		b = append(append(appendVarint(b, out.Amount), 2), key[:]...)
	}
	b = appendVarint(b, uint64(len(m.Extra)))
	for _, v := range m.Extra {
		b = append(b, byte(v))
	}
	if m.Version >= 4 {
		b = appendVarint(b, m.Type)
	}
	hash, _ := parseHash(header.string("miner_tx_hash"))
	return newTransaction(hash, append(b, 0)) // no RingCT
}

// outputHeight returns the height of the block that holds the output of a global index; the tip's if there is none such yet.
func (c *Chain) outputHeight(index uint64) uint64 {
	low, high := 0, len(c.blocks)-1
	for low < high {
		mid := (low + high + 1) / 2
		if c.blocks[mid].outputs <= index {
			low = mid
		} else {
			high = mid - 1
		}
	}
	return uint64(low)
}

// newestUsed is the height of the newest block whose outputs are in a transaction's rings: below it the transaction is worth nothing.
func (c *Chain) newestUsed(t *transaction) uint64 {
	var newest uint64
	for _, in := range t.vin {
		var index uint64
		for _, step := range in.ring {
			index += step
		}
		newest = max(newest, c.outputHeight(index))
	}
	return newest
}

// getCoinbaseTxSum adds up what a range of blocks paid out, took in and burned.
func getCoinbaseTxSum(v *view, b []byte, p params) ([]byte, *rpcError) {
	c := v.chain
	start, _, fault := p.uint("height", math.MaxUint64)
	if fault != nil {
		return b, fault
	}
	count, _, fault := p.uint("count", math.MaxUint64)
	if fault != nil {
		return b, fault
	}
	var emission, fees, burned uint64 // what was paid out beside fees; fees without burns
	for h := start; h-start < count && h < uint64(len(c.blocks)); h++ {
		var header struct{ Reward uint64 }
		if err := json.Unmarshal(c.appendHeader(nil, h, false), &header); err != nil {
			panic(fmt.Sprintf("devnet: internal error: header %d: %v", h, err))
		}
		var paid uint64
		for _, t := range c.blocks[h].txs {
			burned += t.burned()
			paid += t.fee - min(t.burned(), t.fee)
		}
		emission += header.Reward - min(paid, header.Reward)
		fees += paid
	}
	b = appendUint(b, `{"burn_amount":`, burned)
	b = appendUint(b, `,"emission_amount":`, emission)
	return append(appendUint(b, `,"fee_amount":`, fees), `,"status":"OK"}`...), nil
}

// getOutputDistribution counts the outputs of each block of a range. All outputs are of the amount 0 since amounts are hidden.
func getOutputDistribution(v *view, b []byte, p params) ([]byte, *rpcError) {
	c := v.chain
	amounts, _, _ := p.uints("amounts")
	from, _, _ := p.uint("from_height", math.MaxUint64)
	to, _, _ := p.uint("to_height", math.MaxUint64)
	cumulative, _ := p.bool("cumulative")
	tip := uint64(len(c.blocks) - 1)
	if to == 0 || to > tip {
		to = tip
	}
	list := []object{}
	if len(amounts) > 256 {
		return b, errorf(-1, "Too many amounts") // our limit: each is answered with as many numbers as there are blocks
	}
	for _, amount := range amounts {
		o := object{}
		o.set("amount", amount)
		o.set("binary", false)
		o.set("compress", false)
		o.set("start_height", from)
		var base uint64
		counts := []uint64{}
		if amount == 0 && from <= to {
			base = c.blocks[from].outputs
			for h := from; h <= to; h++ {
				end := c.outputs()
				if h < tip {
					end = c.blocks[h+1].outputs
				}
				if cumulative {
					counts = append(counts, end)
				} else {
					counts = append(counts, end-c.blocks[h].outputs)
				}
			}
		}
		o.set("base", base)
		if len(counts) > 0 {
			o.set("distribution", counts)
		}
		list = append(list, o)
	}
	b = append(b, '{')
	if len(list) > 0 {
		b = append(appendJSON(append(b, `"distributions":`...), list), ',')
	}
	return v.status(b), nil
}

// outputs is how many outputs the chain has.
func (c *Chain) outputs() uint64 {
	n := len(c.blocks) - 1
	sum := c.blocks[n].outputs + c.coinbaseOuts(&c.blocks[n], uint64(n))
	for _, t := range c.blocks[n].txs {
		sum += uint64(t.outs)
	}
	return sum
}
