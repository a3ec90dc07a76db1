package devnet

import (
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"onsight/ons"
)

// Clone returns a chain that is the same now and goes its own way from here: what is done to one is not seen in the other. Two daemons
// over a chain and its clone are on two forks as soon as either changes. It has the same clock.
func (c *Chain) Clone() *Chain {
	c.mu.RLock()
	defer c.mu.RUnlock()
	d := &Chain{
		dialect: c.dialect, network: c.network, year: c.year, forks: c.forks,
		recordedInfo: c.recordedInfo, recordedForks: c.recordedForks, version: c.version,
		now: c.now, blocks: slices.Clone(c.blocks), heights: maps.Clone(c.heights), txs: maps.Clone(c.txs), txCount: c.txCount,
		coinbases: maps.Clone(c.coinbases), spent: maps.Clone(c.spent), pool: slices.Clone(c.pool), names: c.names.clone(),
		immutable: c.immutable, pristine: c.pristine, salt: c.salt, acts: c.acts, nodes: c.nodes, stakes: c.stakes.clone(),
		proofs: maps.Clone(c.proofs),
	}
	if c.gen != nil {
		d.gen = c.gen.clone(d)
	}
	return d
}

// clone copies what of a registry can change.
func (r *registry) clone() registry {
	k := registry{
		rows: slices.Clone(r.rows), heads: maps.Clone(r.heads), live: slices.Clone(r.live), now: r.now,
		expiring: make(map[uint64]map[ons.Key]struct{}, len(r.expiring)),
	}
	for height, keys := range r.expiring {
		k.expiring[height] = maps.Clone(keys)
	}
	return k
}

// clone copies a generator for another chain; both draw the same from here on.
func (g *generator) clone(c *Chain) *generator {
	k := *g
	k.c, k.opens, k.names, k.touched = c, maps.Clone(g.opens), slices.Clone(g.names), map[ons.Key]bool{}
	src := *g.src
	k.src = &src
	k.r = rand.New(k.src)
	return &k
}

// SetClock makes blocks mined from now on take their time from a clock, though always a second at least after the block before, and
// pooled transactions their time of receipt. nil takes the clock away: blocks are 120 s apart then.
func (c *Chain) SetClock(now func() time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// Retime moves the times of all blocks of a generated chain but the first, which has none, so that the tip has the given one. It panics
// for a chain that was not generated, whose times are part of what was recorded.
func (c *Chain) Retime(tip time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gen == nil {
		panic("devnet: Retime of a chain that was not generated")
	}
	to := uint64(max(0, tip.Unix()))
	last := c.blocks[len(c.blocks)-1].time
	for i := range c.blocks[1:] {
		b := &c.blocks[1+i]
		b.time = max(1, to-min(to, last-b.time))
	}
}

// blockTime is the time of the next block: by the clock, else 0, which push fills in.
func (c *Chain) blockTime() uint64 {
	if c.now == nil {
		return 0
	}
	return max(c.moment(), c.blocks[len(c.blocks)-1].time+1)
}
