package client

import (
	"context"
	"slices"
	"sync"
	"time"
)

// clock learns how far the network's clock is ahead of the machine's. No node alone moves it: what counts is the median of what
// different nodes said last.
type clock struct {
	mu      sync.Mutex    // guards what follows
	samples []sample      // the oldest first, one of a node
	heard   uint64        // how many there were in all
	before  time.Duration // what is taken for the offset until enough were heard
}

type sample struct {
	node   [32]byte
	offset time.Duration
	nth    uint64 // in the order they were heard
}

const (
	maxSamples = 9
	// minSamples is how many nodes have to be heard before the machine's clock is corrected: of two, one may lie.
	minSamples = 3
)

// learn notes a node's clock: ahead of ours by offset.
func (k *clock) learn(node [32]byte, offset time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.heard++
	k.samples = slices.DeleteFunc(k.samples, func(s sample) bool { return s.node == node })
	if len(k.samples) == maxSamples {
		k.samples = slices.Delete(k.samples, 0, 1)
	}
	k.samples = append(k.samples, sample{node, offset, k.heard})
}

// mark is a moment that since knows.
func (k *clock) mark() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.heard
}

// since reports whether enough nodes were heard after a moment, and forgets what was heard before it if so.
func (k *clock) since(mark uint64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	i := slices.IndexFunc(k.samples, func(s sample) bool { return s.nth > mark })
	if i < 0 || len(k.samples)-i < minSamples {
		return false
	}
	k.samples = slices.Delete(k.samples, 0, i)
	return true
}

// known reports whether enough nodes were heard.
func (k *clock) known() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.samples) >= minSamples
}

// count returns how many nodes were heard.
func (k *clock) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.samples)
}

// assume says what to take for the offset until enough nodes were heard.
func (k *clock) assume(offset time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.before = offset
}

// offset returns how far the network is ahead, or as long as that is not known what is assumed.
func (k *clock) offset() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.samples) < minSamples {
		return k.before
	}
	var all []time.Duration
	for _, s := range k.samples {
		all = append(all, s.offset)
	}
	slices.Sort(all)
	return all[(len(all)-1)/2]
}

// fits reports whether no node that was heard contradicts an offset.
func (k *clock) fits(offset time.Duration) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !slices.ContainsFunc(k.samples, func(s sample) bool { return (s.offset - offset).Abs() > 2*time.Second })
}

const (
	timeLimit = 3 * time.Second  // that sealing waits for the network's time
	noTime    = 30 * time.Second // how long it does not after that was in vain
	timeGood  = 10 * time.Minute // that what enough nodes said is used by processes that come later
)

// learnTime learns the network's time unless it is known, or was asked for in vain lately. It returns how long it took until there was a
// path, and then until it was learnt.
func (c *Client) learnTime(ctx context.Context) (path, clock time.Duration) {
	c.mu.Lock()
	wait := time.Since(c.timeless) >= noTime || c.timeless.IsZero()
	c.mu.Unlock()
	if wait && !c.clock.known() {
		within, cancel := context.WithTimeout(ctx, min(c.cfg.Timeout, timeLimit))
		defer cancel()
		begun := time.Now()
		err := c.Connect(within)
		path = time.Since(begun)
		if err == nil && !c.timeStands(ctx) {
			err = c.Sync(within)
			clock = time.Since(begun) - path
		}
		if err != nil {
			c.cfg.Log.Debug("time not learnt", "error", err)
			c.mu.Lock()
			c.timeless = time.Now()
			c.mu.Unlock()
		}
	}
	return path, clock
}

// timeStands reports whether enough nodes were heard lately by whatever process, and none heard since says otherwise: commands that send
// one message each then need not ask for the time, which takes as long as sending.
func (c *Client) timeStands(ctx context.Context) bool {
	ahead, heard, err := c.store.Ahead(ctx)
	age := c.cfg.Now().Sub(heard)
	return err == nil && !heard.IsZero() && age >= 0 && age < timeGood && c.clock.fits(ahead)
}

// nextTime is the time of the next message, on the network's clock: whoever reads it sorts by that, and it cannot be changed when it is
// sealed. Without a network it is what was learnt last.
func (c *Client) nextTime(ctx context.Context) (time.Time, error) {
	c.learnTime(ctx)
	if c.clock.known() {
		c.keepTime(ctx)
	} else if ahead, heard, err := c.store.Ahead(ctx); err != nil {
		return time.Time{}, err
	} else if !heard.After(c.cfg.Now()) { // else the machine's clock was set back since
		c.clock.assume(ahead)
	}
	return c.store.NextTime(ctx, c.Now())
}

// keepTime stores how far the network's clock is ahead, for a process that cannot ask.
func (c *Client) keepTime(ctx context.Context) {
	ahead := c.clock.offset()
	c.mu.Lock()
	kept := c.ahead != nil && (*c.ahead-ahead).Abs() < time.Second
	c.ahead = &ahead
	c.mu.Unlock()
	if kept {
		return
	}
	c.cfg.Log.Debug("network's time learnt", "ahead", ahead, "nodes", c.clock.count())
	if err := c.store.SetAhead(ctx, ahead, c.cfg.Now()); err != nil {
		c.cfg.Log.Debug("time not stored", "error", err)
	}
}
