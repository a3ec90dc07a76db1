package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"onsight/client/store"
	"onsight/directory"
	"onsight/internal/snode"
)

const (
	wantGuards = 2                // and as many paths
	tested     = 2                // candidates at a time
	maxTests   = 10               // candidates for one guard
	noGuard    = 30 * time.Second // how long another guard is not looked for after none was found, while there is one
	maxSilence = 3                // requests in a row that got lost behind a guard before it is one no longer (messaging.md B.4)
	samples    = 8                // draws of one node of each operator before operators are given up
	others     = 3                // that have to be left for a slow node to be left alone
)

// path is a guard and the nodes behind it. It is not changed but for what c.mu guards.
type path struct {
	hops  [directory.Hops]*store.Node
	built time.Time

	best    time.Duration // fastest answer by it; 0: none yet. c.mu guards it
	silence int           // requests in a row that got lost. c.mu guards it
}

func (q *path) guard() *store.Node { return q.hops[0] }

func (q *path) has(key [32]byte) bool {
	return slices.ContainsFunc(q.hops[:], func(h *store.Node) bool { return h.Ed25519 == key })
}

// The rules that may be relaxed, as people are told.
const (
	relaxedOperator = "some nodes of a path are run by the same operator: there are not enough others"
	relaxedNet      = "some nodes of a path are in the same /24 network: there are not enough others"
	relaxedSlow     = "a guard is slower than the limit: there are not enough others"
	relaxedOnePath  = "there is only one path: there are not enough nodes for another"
)

// path returns a path that does not lead through to, another one than those of avoid if there is one. What has grown old is renewed,
// and what is missing is built.
func (c *Client) path(ctx context.Context, to [32]byte, avoid []*path) (*path, error) {
	if q, whole := c.ready(to, avoid); whole && q != nil {
		return q, nil
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	defer c.say()
	if q, whole := c.ready(to, avoid); whole && q != nil {
		return q, nil // somebody else has built it meanwhile
	}
	p, err := c.nodes(ctx)
	if err != nil {
		return nil, err
	}
	c.rotate(p)
	err = c.build(ctx, p)
	if errors.Is(err, ErrNodes) && c.cfg.Now().Sub(p.at).Abs() >= again && ctx.Err() == nil {
		// The list may be so old that nobody of it is there any more.
		if fresh, seeds := c.bootstrap(ctx); seeds == nil {
			p, err = fresh, c.build(ctx, fresh)
		} else {
			err = fmt.Errorf("%w; %w", err, seeds)
		}
	}
	if q, _ := c.ready(to, avoid); q != nil {
		return q, nil
	}
	if q, _ := c.ready(to, nil); q != nil {
		return q, nil
	}
	if q := c.detour(p, to); q != nil {
		return q, nil
	}
	if err == nil {
		err = ErrNodes
	}
	return nil, err
}

// ready returns a path that can be used, if there is one, and whether nothing has to be built first.
func (c *Client) ready(to [32]byte, avoid []*path) (q *path, whole bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.cfg.Now()
	whole = (len(c.paths) >= wantGuards || len(c.paths) > 0 && now.Before(c.retry)) && !c.closed
	var good []*path
	for _, q := range c.paths {
		if age := now.Sub(q.built); age < 0 || age >= c.cfg.Rotate {
			whole = false
		}
		if !q.has(to) && !slices.Contains(avoid, q) {
			good = append(good, q)
		}
	}
	if len(good) == 0 {
		return nil, whole
	}
	return good[c.rand.IntN(len(good))], whole
}

// rotate gives new inner hops to paths that have grown old. Their guards stay: each change would be another chance for somebody who
// waits to be one. The token is held.
func (c *Client) rotate(p *pool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.cfg.Now()
	for i, q := range c.paths {
		if age := now.Sub(q.built); age >= 0 && age < c.cfg.Rotate {
			continue
		}
		if n, ok := c.behind(p, q.guard(), nil, c.paths, nil, nil); ok {
			c.paths[i] = n
		}
	}
}

// build builds the paths that are missing, as far as that is possible, and says why there is none. The token is held.
func (c *Client) build(ctx context.Context, p *pool) error {
	c.mu.Lock()
	have, wait := slices.Clone(c.paths), c.cfg.Now().Before(c.retry)
	c.mu.Unlock()
	if len(have) >= wantGuards || len(have) > 0 && wait {
		return nil
	}
	guards, err := c.guards(ctx, p, have, wantGuards-len(have))
	c.mu.Lock()
	for _, g := range guards {
		if q, ok := c.behind(p, g, nil, c.paths, guards, nil); ok {
			c.paths = append(c.paths, q)
		} else if len(c.paths) > 0 {
			err = errOnePath
		}
	}
	made := len(c.paths)
	if made < wantGuards {
		c.retry = c.cfg.Now().Add(noGuard)
	}
	c.mu.Unlock()
	if err := c.remember(ctx); err != nil {
		return err
	}
	switch {
	case made == 0 && len(guards) > 0:
		return ErrNodes
	case made < wantGuards && errors.Is(err, errOnePath):
		c.relax(relaxedOnePath)
		return nil
	}
	return err
}

var errOnePath = errors.New("no nodes for another path")

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

// behind completes a guard to a path: two nodes that share no /24 and no operator with each other, the guard, the paths there are
// or guards that are about to have one. keep, if not nil, is one of them. Where there are none operators are given up, and then, not on
// mainnet, the /24. What is suspected is used only when nothing else is left. c.mu is held.
func (c *Client) behind(p *pool, guard, keep *store.Node, paths []*path, guards []*store.Node, not map[[32]byte]bool) (*path, bool) {
	var apart []*directory.Node
	for _, n := range guards {
		if d := p.find(n.Ed25519); d != nil && n != guard {
			apart = append(apart, d)
		}
	}
	for _, q := range paths {
		if q.guard() == guard {
			continue // which it replaces
		}
		for _, h := range q.hops {
			if d := p.find(h.Ed25519); d != nil {
				apart = append(apart, d)
			}
		}
	}
	g := p.find(guard.Ed25519)
	if g == nil {
		return nil, false
	}
	if keep != nil {
		if k := p.find(keep.Ed25519); k != nil {
			apart = append(apart, k)
		}
	}
	now := c.cfg.Now()
	for _, suspects := range []bool{false, true} {
		var list []directory.Node
		for i := range p.list {
			key := p.nodes[i].Ed25519
			m := c.met[key]
			if not[key] || !suspects && m != nil && m.until.After(now) {
				continue
			}
			list = append(list, p.list[i])
		}
		hops, ok := c.draw(list, g, apart)
		if !ok {
			continue
		}
		q := &path{built: now, hops: [directory.Hops]*store.Node{guard, p.by[hops[1].Ed25519], p.by[hops[2].Ed25519]}}
		if keep != nil {
			q.hops[1] = keep
		}
		c.builds++
		return q, true
	}
	return nil, false
}

// draw is directory.Path with operators, and with what may be relaxed. c.mu is held.
func (c *Client) draw(list []directory.Node, guard *directory.Node, apart []*directory.Node) (hops [directory.Hops]*directory.Node, ok bool) {
	taken := map[string]bool{guard.Operator: true}
	for _, a := range apart {
		taken[a.Operator] = true
	}
	delete(taken, "") // nobody knows whose
	for range samples {
		if hops, err := directory.Path(c.rand, oneEach(c.rand, list, taken), guard, apart...); err == nil {
			return hops, true
		}
	}
	if hops, err := directory.Path(c.rand, list, guard, apart...); err == nil {
		c.soon(relaxedOperator)
		return hops, true
	}
	if c.mainnet() {
		return hops, false
	}
	far := slices.Clone(list)
	for i := range far {
		far[i].IP = oneForMany
	}
	if hops, err := directory.Path(c.rand, far, guard, apart...); err == nil {
		c.soon(relaxedNet)
		return hops, true
	}
	return hops, false
}

// soon is relax for those who hold c.mu: say tells of it when they do not any more, as whoever listens may ask for Paths.
func (c *Client) soon(rule string) {
	if !slices.Contains(c.due, rule) {
		c.due = append(c.due, rule)
	}
}

// say tells of rules that were relaxed meanwhile.
func (c *Client) say() {
	c.mu.Lock()
	due := c.due
	c.due = nil
	c.mu.Unlock()
	for _, rule := range due {
		c.relax(rule)
	}
}

// oneEach draws one node of each operator that is not taken. Those of nobody known are each their own.
func oneEach(rng *rand.Rand, list []directory.Node, taken map[string]bool) []directory.Node {
	var drawn []directory.Node
	at, seen := map[string]int{}, map[string]int{}
	for _, n := range list {
		switch {
		case taken[n.Operator]:
			continue
		case n.Operator == "":
			drawn = append(drawn, n)
			continue
		}
		i, ok := at[n.Operator]
		if !ok {
			at[n.Operator], seen[n.Operator] = len(drawn), 1
			drawn = append(drawn, n)
			continue
		}
		// Each of them as likely as the others.
		if seen[n.Operator]++; rng.IntN(seen[n.Operator]) == 0 {
			drawn[i] = n
		}
	}
	return drawn
}

func (p *pool) find(key [32]byte) *directory.Node {
	i, ok := slices.BinarySearchFunc(p.list, key, func(n directory.Node, k [32]byte) int { return n.Key.Compare(k) })
	if !ok {
		return nil
	}
	return &p.list[i]
}

// detour is a path for one request to a node that is on every path.
func (c *Client) detour(p *pool, to [32]byte) *path {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, q := range c.paths {
		if q.guard().Ed25519 == to {
			continue
		}
		if d, ok := c.behind(p, q.guard(), nil, nil, nil, map[[32]byte]bool{to: true}); ok {
			return d
		}
	}
	return nil
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

// Hop is a node of a path.
type Hop struct {
	Ed25519  [32]byte
	IP       string
	Operator string // empty: unknown
}

// Paths returns the paths that are in use, guards first.
func (c *Client) Paths() (list [][]Hop) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, q := range c.paths {
		var hops []Hop
		for _, h := range q.hops {
			hops = append(hops, Hop{h.Ed25519, h.IP, h.Operator})
		}
		list = append(list, hops)
	}
	return list
}

// Connect builds the paths, so that what comes next need not wait for them. The error is ErrNodes, ErrSeeds or the store's.
func (c *Client) Connect(ctx context.Context) error {
	_, err := c.path(ctx, [32]byte{}, nil)
	return err
}
