package devnet

import "onsight/ons"

// CutToPool cuts a recording at a height whose block was mined when its transactions had been in the pool since a time.
func (c *Chain) CutToPool(height, received uint64) {
	txs := c.blocks[height].txs
	c.Cut(height)
	for _, t := range txs {
		c.pool = append(c.pool, waiting{tx: t, received: received})
	}
}

// CoinbaseRaw returns the bytes of a recorded coinbase as they were built again, and the hash it was recorded with.
func (c *Chain) CoinbaseRaw(height uint64) ([]byte, ons.Txid, bool) {
	t := c.blocks[height].recorded.coinbase
	if t == nil {
		return nil, ons.Txid{}, false
	}
	return t.raw, t.hash, true
}

// RawOp is a transaction with an operation as it is, right or wrong; its fee pays the burn.
func RawOp(op ons.Op, seed uint64) []byte {
	g := &generator{}
	g.reseed(seed, 1)
	return g.burning(4, 1, 1, op.Burn, op.AppendExtra(nil)).raw
}

// Sign signs an update as an account.
func Sign(a Account, op ons.Op) ons.Signature {
	g := &generator{}
	g.reseed(1, 1)
	return a.sign(op.Message(), g)
}

// Sum is oxen's hash of a transaction's bytes.
func Sum(raw []byte) ons.Txid { return newTransaction(ons.Txid{}, raw).hash }
