package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"onsight/client/store"
	"onsight/directory"
)

const (
	wantGuards = 2                // and as many paths
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
	relaxedSlow     = "a guard is slower than the limit: not enough faster ones are known"
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
	// Behind a guard that swallowed the last request there may be another way, but where there is another guard it is the better one.
	least := slices.MinFunc(good, func(a, b *path) int { return cmp.Compare(a.silence, b.silence) }).silence
	good = slices.DeleteFunc(good, func(q *path) bool { return q.silence > least })
	return good[c.rand.IntN(len(good))], whole
}

// rotate gives new inner hops to paths that have grown old. Their guards stay, or give way to the one whose place they took while it
// did not work: each other guard would be another chance for somebody who waits to be one. The token is held.
func (c *Client) rotate(p *pool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.cfg.Now()
	for i, q := range c.paths {
		if age := now.Sub(q.built); age >= 0 && age < c.cfg.Rotate {
			continue
		}
		others := slices.Delete(slices.Clone(c.paths), i, i+1)
		if n, ok := c.behind(p, c.preferred(p, q.guard(), others), nil, others, nil, nil); ok {
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
	var used []*store.Node
	c.mu.Lock()
	for _, g := range guards {
		if q, ok := c.behind(p, g, nil, c.paths, guards, nil); ok {
			c.paths, used = append(c.paths, q), append(used, g)
		} else if len(c.paths) > 0 {
			err = errOnePath
		}
	}
	made := len(c.paths)
	if made < wantGuards && ctx.Err() == nil { // else nobody looked to the end
		c.retry = c.cfg.Now().Add(noGuard)
	}
	c.mu.Unlock()
	if err := c.appoint(ctx, used); err != nil {
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
		if q.guard() != guard { // else it is replaced
			apart = append(apart, p.hops([]*path{q})...)
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
	for level := range 3 {
		var list []directory.Node
		for i := range p.list {
			key := p.nodes[i].Ed25519
			m := c.met[key]
			// First other guards are left out too: as hops they could not be guards again.
			if not[key] || level < 2 && m != nil && m.until.After(now) || level < 1 && slices.Contains(c.kept, key) {
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
		c.cfg.Log.Debug("path built", "guard", nodeAttr(q.hops[0]), "second", nodeAttr(q.hops[1]), "third", nodeAttr(q.hops[2]))
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

// Hop is a node, such as one of a path.
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
		list = append(list, q.list())
	}
	return list
}

func (q *path) list() (hops []Hop) {
	for _, h := range q.hops {
		hops = append(hops, hopOf(h))
	}
	return hops
}

func hopOf(n *store.Node) Hop { return Hop{n.Ed25519, n.IP, n.Operator} }

// Connect builds the paths, so that what comes next need not wait for them. The error is ErrNodes, ErrSeeds or the store's.
func (c *Client) Connect(ctx context.Context) error {
	_, err := c.path(ctx, [32]byte{}, nil)
	return err
}
