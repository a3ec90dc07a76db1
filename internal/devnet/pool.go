package devnet

import (
	"errors"
	"slices"

	"onsight/ons"
)

// ErrDoubleSpend is wrapped when a transaction is refused if and only if another one in the pool touches the same name, or a pooled or a
// mined one spends one of the same key images.
var ErrDoubleSpend = errors.New("double spend")

// ErrTransaction is returned for bytes that are no transaction.
var ErrTransaction = errors.New("invalid transaction")

// poolLife is how long a transaction waits in the pool before it is forgotten, in seconds: oxend's three days.
const poolLife = 3 * 86400

// waiting is a transaction in the pool.
type waiting struct {
	tx       *transaction
	received uint64 // seconds since 1970
	kept     bool   // it was in a block before
}

func (w waiting) place() place { return place{tx: w.tx, height: pooled, received: w.received} }

// Submit puts a transaction into the pool and returns its hash. It refuses what the daemon would as far as names and key images go; of
// money and ring signatures it knows nothing. The error wraps ErrTransaction, ErrDoubleSpend or, for an operation on a name, what
// RefusalError tells.
func (c *Chain) Submit(raw []byte) (ons.Txid, error) {
	t := newTransaction(ons.Txid{}, slices.Clone(raw))
	if t.prefix == 0 || len(t.vin) > 0 && t.vin[0].gen {
		return ons.Txid{}, ErrTransaction
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.submit(t)
}

// submit puts a transaction into the pool unless it is refused. The chain is locked.
func (c *Chain) submit(t *transaction) (ons.Txid, error) {
	if t.kind == 4 {
		if err := c.checkOp(t, uint64(len(c.blocks))); err != nil {
			return ons.Txid{}, err
		}
	}
	if c.conflicts(t) {
		return ons.Txid{}, &RefusalError{Reason: ErrDoubleSpend, Text: rejected("", "Double spend TX")}
	}
	c.pool = append(c.pool, waiting{tx: t, received: c.moment()})
	c.pristine = false
	return t.hash, nil
}

// conflicts tells whether a transaction touches what another one does.
func (c *Chain) conflicts(t *transaction) bool {
	if _, mined := c.txs[t.hash]; mined {
		return true
	}
	images := t.images()
	for _, image := range images {
		if _, spent := c.spent[image]; spent {
			return true
		}
	}
	for _, w := range c.pool {
		if w.tx.hash == t.hash || w.tx.op != nil && t.op != nil && w.tx.op.Key() == t.op.Key() {
			return true
		}
		for _, image := range w.tx.images() {
			if slices.Contains(images, image) {
				return true
			}
		}
	}
	return false
}

// Pool returns the hashes of the transactions that wait to be mined, in the order they came.
func (c *Chain) Pool() []ons.Txid {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var hashes []ons.Txid
	for _, w := range c.pool {
		hashes = append(hashes, w.tx.hash)
	}
	return hashes
}

// PopBlocks drops the newest n blocks, but never the first one, as the daemon's pop_blocks does: their transactions go back into the
// pool, to be mined again where they still hold. It returns their hashes, oldest first.
func (c *Chain) PopBlocks(n int) []ons.Txid {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.popBlocks(n)
}

func (c *Chain) popBlocks(n int) (returned []ons.Txid) {
	from := len(c.blocks) - max(0, min(n, len(c.blocks)-1))
	var old []*transaction
	for _, b := range c.blocks[from:] {
		old = append(old, b.txs...)
	}
	c.cut(uint64(from))
	c.giveBack(old)
	for _, t := range old {
		returned = append(returned, t.hash)
	}
	return returned
}

// giveBack puts transactions that were mined before all others of the pool: what came later may build on them. Two may touch one name
// then; they are mined in two blocks.
func (c *Chain) giveBack(txs []*transaction) {
	var back []waiting
	for _, t := range txs {
		back = append(back, waiting{tx: t, received: c.moment(), kept: true})
	}
	c.pool = append(back, c.pool...)
}

// minable takes out of the pool's order what the next block can hold: one operation a name, each valid there. touched gets their names.
// What is too old is forgotten.
func (c *Chain) minable(touched map[ons.Key]bool) (txs []*transaction) {
	height, now := uint64(len(c.blocks)), c.moment()
	c.pool = slices.DeleteFunc(c.pool, func(w waiting) bool { return w.received+poolLife < now })
	for _, w := range c.pool {
		if op := w.tx.op; op != nil {
			if touched[op.Key()] || c.checkOp(w.tx, height) != nil {
				continue
			}
			touched[op.Key()] = true
		}
		txs = append(txs, w.tx)
	}
	return txs
}

// pools tells whether an operation on a name waits.
func (c *Chain) pools(k ons.Key) bool {
	return slices.ContainsFunc(c.pool, func(w waiting) bool { return w.tx.op != nil && w.tx.op.Key() == k })
}

// mined takes transactions out of the pool.
func (c *Chain) mined(txs []*transaction) {
	if len(c.pool) == 0 {
		return
	}
	in := map[ons.Txid]bool{}
	for _, t := range txs {
		in[t.hash] = true
	}
	c.pool = slices.DeleteFunc(c.pool, func(w waiting) bool { return in[w.tx.hash] })
}

// moment is now, in seconds: by the clock if there is one, else the tip's time.
func (c *Chain) moment() uint64 {
	if c.now != nil {
		return uint64(max(0, c.now().Unix()))
	}
	if len(c.blocks) == 0 {
		return 0
	}
	return c.blocks[len(c.blocks)-1].time
}
