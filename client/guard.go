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
)

// remember stores the guards, the preferred one first.
func (c *Client) remember(ctx context.Context) error {
	c.mu.Lock()
	var keys [][32]byte
	for _, q := range c.paths {
		keys = append(keys, q.guard().Ed25519)
	}
	c.mu.Unlock()
	return c.store.SetGuards(ctx, keys...)
}

// guards returns up to n guards beside those of paths: those that were guards before, then such as are tested now. The error says why
// there are fewer. The token is held.
func (c *Client) guards(ctx context.Context, p *pool, paths []*path, n int) (found []*store.Node, err error) {
	var apart []*directory.Node
	use := func(g *store.Node) {
		found = append(found, g)
		apart = append(apart, p.find(g.Ed25519))
	}
	for _, q := range paths {
		for _, h := range q.hops {
			if d := p.find(h.Ed25519); d != nil {
				apart = append(apart, d)
			}
		}
	}
	c.mu.Lock()
	now := c.cfg.Now()
	suspect := map[[32]byte]bool{}
	for key, m := range c.met {
		if m.until.After(now) {
			suspect[key] = true
		}
	}
	order, _ := directory.Guards(c.rand, p.list, len(p.list)) // as many as there are networks
	c.mu.Unlock()

	kept := slices.DeleteFunc(slices.Clone(p.nodes), func(k *store.Node) bool { return k.Guard == 0 || suspect[k.Ed25519] })
	slices.SortFunc(kept, func(a, b *store.Node) int { return a.Guard - b.Guard })
	for _, k := range kept {
		if d := p.find(k.Ed25519); len(found) < n && !clashes(d, apart) {
			use(k)
		}
	}
	if len(found) == n {
		return found, nil
	}
	// Those of other operators first, those that may have failed last.
	rank := func(d *directory.Node) (r int) {
		if suspect[d.Ed25519] {
			r += 2
		}
		if d.Operator != "" && slices.ContainsFunc(apart, func(a *directory.Node) bool { return a.Operator == d.Operator }) {
			r++
		}
		return r
	}
	order = slices.DeleteFunc(order, func(d *directory.Node) bool { return clashes(d, apart) })
	var slowest []*store.Node // those beyond the limit, in the order they were found
	for tests := 0; len(found) < n && len(order) > 0 && tests < maxTests; {
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
	case len(found)+len(paths) > 0:
		return found, errOnePath
	}
	return nil, ErrNodes
}

// clashes reports whether d is one of apart, or in the /24 of one.
func clashes(d *directory.Node, apart []*directory.Node) bool {
	return slices.ContainsFunc(apart, func(a *directory.Node) bool {
		x, _ := subnet(a.IP)
		y, _ := subnet(d.IP)
		return a.Key == d.Key || x == y && a.IP != oneForMany
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
		case a.err == nil:
			m.strikes, m.until = 0, time.Time{}
		case within.Err() == nil:
			m.until = c.cfg.Now().Add(suspicion)
		}
		c.mu.Unlock()
		if a.err != nil {
			c.cfg.Log.Debug("guard does not answer", "error", a.err)
			continue
		}
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
