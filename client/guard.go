package client

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"onsight/client/store"
	"onsight/directory"
	"onsight/internal/snode"
)

const (
	tested   = 2  // candidates at a time
	maxTests = 10 // candidates for one guard
	// maxFaster is how many of them to find one instead of a guard that is too slow: where all are it would be tried with each start.
	maxFaster = 4

	maxKept = 8 // guards that are remembered
	// minRest is how long a guard is left alone after its first failure; it doubles with each one in a row, up to maxRest.
	minRest, maxRest = time.Minute, time.Hour
	// lostAfter is how long a guard has to have failed, lostStrikes times in a row, until it is one no longer.
	lostAfter, lostStrikes = 24 * time.Hour, 6
)

// appoint makes nodes guards after those there are. One that others have to give way to is the one that fails since the longest, else
// the last. The token is held.
func (c *Client) appoint(ctx context.Context, guards []*store.Node) error {
	var fresh [][32]byte
	c.mu.Lock()
	for _, g := range guards {
		if !slices.Contains(c.kept, g.Ed25519) {
			fresh = append(fresh, g.Ed25519)
		}
	}
	var gone [][32]byte
	for len(c.kept) > 0 && len(c.kept)+len(fresh) > maxKept {
		at := len(c.kept) - 1
		for i, key := range c.kept {
			m, worst := c.meet(key), c.meet(c.kept[at])
			if !m.failing.IsZero() && (worst.failing.IsZero() || m.failing.Before(worst.failing)) {
				at = i
			}
		}
		gone = append(gone, c.kept[at])
		c.kept = slices.Delete(c.kept, at, at+1)
	}
	c.kept = append(c.kept, fresh...)
	c.mu.Unlock()
	ctx = context.WithoutCancel(ctx) // they are in use already
	for _, key := range gone {
		if err := c.store.Dismiss(ctx, key); err != nil {
			return err
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	return c.store.Appoint(ctx, fresh...)
}

// rest leaves a guard alone for a while, at least for so long, longer each time it fails. It stays a guard: whoever could
// have us take others by making some fail would come to be one. Only one that has failed for long, whenever it was tried, is none any
// more. The token is held.
func (c *Client) rest(ctx context.Context, key [32]byte, least time.Duration) error {
	c.mu.Lock()
	now := c.cfg.Now()
	m := c.meet(key)
	if m.rests(now) {
		c.mu.Unlock()
		return nil // another request that was lost with this one has said so
	}
	if m.failing.IsZero() {
		m.failing = now
	}
	m.strikes++
	m.rest = now.Add(max(least, min(minRest<<min(m.strikes-1, 20), maxRest)))
	until, lost := m.rest, m.strikes >= lostStrikes && now.Sub(m.failing) >= lostAfter
	if lost {
		c.kept = slices.DeleteFunc(c.kept, func(k [32]byte) bool { return k == key })
	}
	c.mu.Unlock()
	ctx = context.WithoutCancel(ctx) // what was learnt by an answer that is not waited for any more is true all the same
	if lost {
		return c.store.Dismiss(ctx, key)
	}
	return c.store.Rest(ctx, key, now, until)
}

// rests reports whether a guard is to be left alone. None is for longer than that may last: the clock was wrong then.
func (m *meeting) rests(now time.Time) bool { return m.rest.After(now) && m.rest.Sub(now) <= maxRest }

// wake takes back what is said against guards: when nobody at all answers it is us who have no network. The token is held.
func (c *Client) wake(ctx context.Context) error {
	c.mu.Lock()
	var woken [][32]byte
	for _, key := range c.kept {
		if m := c.meet(key); !m.failing.IsZero() {
			m.strikes, m.failing, m.rest = 0, time.Time{}, time.Time{}
			woken = append(woken, key)
		}
	}
	c.mu.Unlock()
	for _, key := range woken {
		if err := c.store.Wake(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// preferred returns the guard that should be in a path instead of its own: one that was before it, and works again. others are the
// other paths. c.mu is held.
func (c *Client) preferred(p *pool, own *store.Node, others []*path) *store.Node {
	apart := p.hops(others)
	now := c.cfg.Now()
	for _, key := range c.kept {
		if key == own.Ed25519 {
			break
		}
		if d := p.find(key); d != nil && !c.meet(key).rests(now) && !c.slow(p, key) && !clashes(d, apart) {
			return p.by[key]
		}
	}
	return own
}

// slow reports whether a guard was slower than the limit when it was tested, while there are others that may not be. c.mu is held.
func (c *Client) slow(p *pool, key [32]byte) bool {
	if n := p.by[key]; n == nil || !c.beyond(n) {
		return false
	}
	left := 0
	for _, n := range p.nodes {
		if m := c.met[n.Ed25519]; !c.beyond(n) && (m == nil || !m.until.After(c.cfg.Now())) {
			left++
		}
	}
	return left >= others
}

// beyond reports whether a node was slower than the limit when it was tested.
func (c *Client) beyond(n *store.Node) bool { return n.Latency > c.cfg.MaxLatency }

// hops returns the nodes of paths.
func (p *pool) hops(paths []*path) (list []*directory.Node) {
	for _, q := range paths {
		for _, h := range q.hops {
			if d := p.find(h.Ed25519); d != nil {
				list = append(list, d)
			}
		}
	}
	return list
}

// guards returns up to n guards beside those of paths: those that were guards before, then such as are tested now. The error says why
// there are fewer. The token is held.
func (c *Client) guards(ctx context.Context, p *pool, paths []*path, n int) (found []*store.Node, err error) {
	apart := p.hops(paths)
	use := func(g *store.Node) {
		found = append(found, g)
		apart = append(apart, p.find(g.Ed25519))
	}
	c.mu.Lock()
	now := c.cfg.Now()
	suspect, rests := map[[32]byte]bool{}, map[[32]byte]bool{}
	var slowest []*store.Node // those beyond the limit, in the order they were found
	for _, key := range c.kept {
		if c.meet(key).rests(now) {
			rests[key] = true
		} else if c.slow(p, key) {
			slowest = append(slowest, p.by[key])
		} else if d := p.find(key); len(found) < n && d != nil && !clashes(d, apart) {
			if c.beyond(p.by[key]) { // and there are too few others
				c.soon(relaxedSlow)
			}
			use(p.by[key])
		}
	}
	for key, m := range c.met {
		if m.until.After(now) {
			suspect[key] = true
		}
	}
	order, _ := directory.Guards(c.rand, p.list, len(p.list)) // as many as there are networks
	c.mu.Unlock()

	if len(found) == n {
		return found, nil
	}
	// Those of other operators first, those that may have failed after them, guards that are to be left alone last.
	rank := func(d *directory.Node) (r int) {
		if rests[d.Ed25519] {
			r += 4
		}
		if suspect[d.Ed25519] {
			r += 2
		}
		if d.Operator != "" && slices.ContainsFunc(apart, func(a *directory.Node) bool { return a.Operator == d.Operator }) {
			r++
		}
		return r
	}
	order = slices.DeleteFunc(order, func(d *directory.Node) bool { return clashes(d, apart) })
	most := maxTests
	if len(slowest) > 0 {
		most = maxFaster
	}
	silent := false
	for tests := 0; len(found) < n && len(order) > 0 && tests < most; {
		var candidates []*store.Node
		begin := len(apart)
		for range min(max(tested, n-len(found)), len(order)) {
			slices.SortStableFunc(order, func(a, b *directory.Node) int { return rank(a) - rank(b) })
			candidates, apart = append(candidates, p.by[order[0].Ed25519]), append(apart, order[0])
			order = order[1:]
		}
		apart = apart[:begin]
		tests += len(candidates)
		fast, slow := c.test(ctx, candidates)
		if ctx.Err() != nil {
			return found, ctx.Err()
		}
		silent = silent || len(fast)+len(slow) < len(candidates)
		for _, g := range fast {
			if len(found) < n && !clashes(p.find(g.Ed25519), apart) {
				use(g)
			}
		}
		slowest = append(slowest, slow...)
		if len(order)+len(found) < others {
			break
		}
	}
	for _, g := range slowest {
		if len(found) < n && !clashes(p.find(g.Ed25519), apart) {
			c.relax(relaxedSlow)
			use(g)
		}
	}
	switch {
	case len(found) == n:
		return found, nil
	case len(found)+len(paths) > 0 && !silent:
		return found, errOnePath
	case len(found)+len(paths) > 0: // there are others, that do not answer
		return found, nil
	}
	if err := c.wake(ctx); err != nil {
		return nil, err
	}
	return nil, ErrNodes
}

// clashes reports whether d is one of apart, or in the /24 of one.
func clashes(d *directory.Node, apart []*directory.Node) bool {
	return slices.ContainsFunc(apart, func(a *directory.Node) bool {
		x, _ := subnet(a.IP)
		y, _ := subnet(d.IP)
		return a.Key == d.Key || x == y && !many(a.IP)
	})
}

// test asks candidates for info, all at once, and returns those that answered, the fast ones and the slow. When one has answered in time
// the others have as long again.
func (c *Client) test(ctx context.Context, candidates []*store.Node) (fast, slow []*store.Node) {
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		node *store.Node
		info snode.Info
		took time.Duration
		err  error
	}
	answers := make(chan answer, len(candidates))
	begun := time.Now()
	for _, n := range candidates {
		go func() {
			defer c.bug()
			at, err := addrPort(n)
			if err != nil {
				answers <- answer{node: n, err: err}
				return
			}
			info, took, err := c.direct.Info(within, at)
			answers <- answer{n, info, took.Request, err}
		}()
	}
	var grace *time.Timer
	for range candidates {
		a := <-answers
		c.mu.Lock()
		switch m := c.meet(a.node.Ed25519); {
		case a.err == nil && m.failing.IsZero():
			m.strikes, m.until, m.took = 0, time.Time{}, a.took
		case a.err == nil:
			m.until, m.took = time.Time{}, a.took // a guard that fails has to do more than answer
		case within.Err() == nil:
			m.until = c.cfg.Now().Add(suspicion)
		}
		c.mu.Unlock()
		if a.err != nil {
			if within.Err() == nil {
				c.cfg.Log.Debug("guard does not answer", "guard", nodeAttr(a.node), "error", a.err, "after", time.Since(begun))
			}
			continue
		}
		c.cfg.Log.Debug("guard tested", "guard", nodeAttr(a.node), "took", a.took)
		c.clock.learn(a.node.Ed25519, a.info.Offset)
		_ = c.praise(ctx, a.node.Ed25519, a.took)
		if a.took > c.cfg.MaxLatency {
			slow = append(slow, a.node)
			continue
		}
		fast = append(fast, a.node)
		if grace == nil {
			grace = time.AfterFunc(time.Since(begun)+20*time.Millisecond, cancel)
			defer grace.Stop()
		}
	}
	return fast, slow
}

func addrPort(n *store.Node) (netip.AddrPort, error) {
	ip, err := netip.ParseAddr(n.IP)
	return netip.AddrPortFrom(ip, n.Port), err
}

// praise stores how fast a node is. One that has left the pool meanwhile is no error.
func (c *Client) praise(ctx context.Context, key [32]byte, took time.Duration) error {
	err := c.store.Praise(ctx, key, took)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}
