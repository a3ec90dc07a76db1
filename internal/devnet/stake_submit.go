package devnet

import (
	"time"

	"onsight/ons"
)

// What is here stands in for the pool, until that is there: submit and clock are what the service nodes need of it.

// submit puts a transaction into the pool. The chain is locked.
func (c *Chain) submit(t *transaction) (ons.Txid, error) {
	c.pool = append(c.pool, t)
	return t.hash, nil
}

// minePool puts a block on top that holds the pool, then more blocks.
func (c *Chain) minePool(blocks int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range blocks {
		c.push(block{hash: c.gen.hash(), txs: c.pool})
		c.pool = nil
	}
}

// clock is the daemon's.
func (c *Chain) clock() time.Time { return time.Unix(int64(c.blocks[len(c.blocks)-1].time), 0) }
