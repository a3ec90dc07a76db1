package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"onsight/client/store"
	"onsight/directory"
	"onsight/internal/onion"
	"onsight/internal/snode"
)

const (
	poolLeast = 8 // nodes below which the seeds are asked again: two paths and two more (messaging.md B.2)
	witnesses = 3 // nodes that are asked for their lists
	agreeing  = 2 // how many of them have to list a node alike
	// again is how long seed nodes that could not help, or gave few nodes, are left alone.
	again = time.Minute
	// suspicion is how long a node is left out that may be the reason of a failure.
	suspicion = 10 * time.Minute
	maxStrike = 3 // failures in a row after which a node leaves the pool (messaging.md B.4)
	// oneStrike is how long further failures of a node are taken for the same one: many requests are under way at once.
	oneStrike = 10 * time.Second
)

// ErrNodes means that there are not enough nodes to do what was asked.
var ErrNodes = errors.New("too few service nodes")

// errAgree means that nodes do not agree on which nodes there are.
var errAgree = errors.New("nodes do not agree on a list of nodes")

// pool is the nodes as they were learnt together. It is not changed: another state is another pool.
type pool struct {
	nodes  []*store.Node // in the order of their keys
	list   []directory.Node
	by     map[[32]byte]*store.Node
	swarms []uint64  // ascending
	at     time.Time // when the list was learnt; zero: never
}

func newPool(nodes []store.Node, at time.Time) *pool {
	p := &pool{by: make(map[[32]byte]*store.Node, len(nodes)), at: at}
	slices.SortFunc(nodes, compareNodes)
	for i := range nodes {
		n := &nodes[i]
		ip, err := netip.ParseAddr(n.IP)
		if err != nil {
			continue
		}
		p.nodes, p.by[n.Ed25519] = append(p.nodes, n), n
		// Clients know no legacy keys; what identifies a node to them will do.
		p.list = append(p.list, directory.Node{
			Key: n.Ed25519, Ed25519: n.Ed25519, X25519: n.X25519, IP: ip, StoragePort: n.Port, Operator: n.Operator, Swarm: n.Swarm, Active: true,
		})
		if n.Swarm != snode.NoSwarm {
			p.swarms = append(p.swarms, n.Swarm)
		}
	}
	slices.Sort(p.swarms)
	p.swarms = slices.Compact(p.swarms)
	return p
}

// guards returns the keys of those that were guards when the pool was read, the preferred one first.
func (p *pool) guards() (keys [][32]byte) {
	var list []*store.Node
	for _, n := range p.nodes {
		if n.Guard != 0 {
			list = append(list, n)
		}
	}
	slices.SortFunc(list, func(a, b *store.Node) int { return a.Guard - b.Guard })
	for _, n := range list {
		keys = append(keys, n.Ed25519)
	}
	return keys
}

// without returns the pool without a node.
func (p *pool) without(key [32]byte) *pool {
	var left []store.Node
	for _, n := range p.nodes {
		if n.Ed25519 != key {
			left = append(left, *n)
		}
	}
	return newPool(left, p.at)
}

// meeting is what we met with at a node in this process.
type meeting struct {
	strikes int
	struck  time.Time     // when the last of them was counted
	until   time.Time     // suspected until then
	extra   time.Duration // how much longer its last answer took than the path to it
	took    time.Duration // of its last answer to a test; 0: it was not tested
	accuses [][32]byte    // nodes that it said do not work, since something came through it

	failing time.Time // of a guard: since when it fails; zero: it does not
	rest    time.Time // of a guard: left alone until then
}

// meet returns what we met with at a node. c.mu is held.
func (c *Client) meet(key [32]byte) *meeting {
	m := c.met[key]
	if m == nil {
		m = &meeting{}
		if c.pool != nil && c.pool.by[key] != nil {
			n := c.pool.by[key]
			m.strikes, m.failing, m.rest = n.Strikes, n.Failing, n.Rest
		}
		c.met[key] = m
	}
	return m
}

// hop is a node as onion requests have it.
func hop(n *store.Node) (onion.Hop, error) {
	key, err := x25519(n.X25519)
	return onion.Hop{Ed25519: n.Ed25519, X25519: key}, err
}

// lock takes the token of who learns nodes and builds paths.
func (c *Client) lock(ctx context.Context) (unlock func(), err error) {
	select {
	case c.building <- struct{}{}:
		return func() { <-c.building }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// nodes returns the pool: the stored one, or if that is too small what seed nodes give. The token is held.
func (c *Client) nodes(ctx context.Context) (*pool, error) {
	c.mu.Lock()
	p, closed := c.pool, c.closed
	c.mu.Unlock()
	if closed {
		return nil, ErrClosed
	}
	if p == nil {
		stored, at, err := c.store.Pool(ctx, maxNodes)
		if err != nil {
			return nil, err
		}
		p = newPool(stored, at)
		c.mu.Lock()
		c.pool, c.kept = p, p.guards()
		c.mu.Unlock()
	}
	if len(p.nodes) >= poolLeast || len(p.nodes) > directory.Hops && c.cfg.Now().Sub(p.at).Abs() < again {
		return p, nil
	}
	fresh, err := c.bootstrap(ctx)
	switch {
	case err == nil:
		return fresh, nil
	case len(p.nodes) > directory.Hops && ctx.Err() == nil:
		c.cfg.Log.Debug("seed nodes not reached", "error", err)
		return p, nil // few are better than none
	}
	return nil, err
}

// bootstrap replaces the pool by what seed nodes give. The token is held.
func (c *Client) bootstrap(ctx context.Context) (*pool, error) {
	list, err := c.fromSeeds(ctx)
	if err != nil {
		return nil, err
	}
	c.cfg.Log.Debug("nodes learnt from a seed node", "nodes", len(list))
	return c.adopt(ctx, list)
}

// adopt makes a list the pool, here and on disk. Nodes we know stay what they were to us.
func (c *Client) adopt(ctx context.Context, list []store.Node) (*pool, error) {
	at := c.cfg.Now()
	if err := c.store.SetPool(ctx, list, at); err != nil {
		return nil, err
	}
	stored, at, err := c.store.Pool(ctx, maxNodes)
	if err != nil {
		return nil, err
	}
	p := newPool(stored, at)
	c.mu.Lock()
	defer c.mu.Unlock()
	before := 0
	if c.pool != nil {
		before = len(c.pool.nodes)
	}
	c.cfg.Log.Debug("list of nodes renewed", "nodes", len(p.nodes), "before", before, "swarms", len(p.swarms))
	c.pool, c.kept = p, p.guards()
	c.stale = false
	clear(c.moved)
	// Paths through nodes that are gone, or are elsewhere, are none.
	c.paths = slices.DeleteFunc(c.paths, func(q *path) bool {
		for _, h := range q.hops {
			n := p.by[h.Ed25519]
			if n == nil || n.IP != h.IP || n.Port != h.Port || n.X25519 != h.X25519 {
				return true
			}
		}
		return false
	})
	return p, nil
}

// listRequest asks a node for the nodes its daemon knows.
const listRequest = `{"method":"batch","params":{"requests":[{"method":"oxend_request","params":{"endpoint":"get_service_nodes","params":{"active_only":true,` + wanted + `}}}]}}`

// Refresh renews the list of nodes if it is older than Config.Fresh: three nodes are asked through onions, and a node counts if two of
// them list it alike. Where they do not agree the seed nodes are asked. While that fails too the old list stays, and the error says why.
func (c *Client) Refresh(ctx context.Context) error {
	p, err := c.known(ctx)
	if err != nil {
		return fmt.Errorf("refresh the list of nodes: %w", err)
	}
	c.mu.Lock()
	stale := c.stale
	c.mu.Unlock()
	if age := c.cfg.Now().Sub(p.at); !stale && age >= 0 && age < c.cfg.Fresh {
		return nil
	}
	return c.Relist(ctx)
}

// renew is Refresh at the end of a round, for those who do no others: what it meets with ends nothing.
func (c *Client) renew(ctx context.Context) {
	c.mu.Lock()
	wait := time.Since(c.renewed) < again && !c.renewed.IsZero()
	c.mu.Unlock()
	if wait || ctx.Err() != nil {
		return
	}
	if err := c.Refresh(ctx); err != nil {
		c.cfg.Log.Debug("list of nodes not renewed", "error", err)
		c.mu.Lock()
		c.renewed = time.Now()
		c.mu.Unlock()
	}
}

// Relist is Refresh however old the list is.
func (c *Client) Relist(ctx context.Context) error {
	p, err := c.known(ctx)
	if err != nil {
		return fmt.Errorf("refresh the list of nodes: %w", err)
	}
	list, err := c.agreed(ctx, p)
	unlock, lockErr := c.lock(ctx)
	if lockErr != nil {
		return lockErr
	}
	defer unlock()
	if err == nil {
		_, err = c.adopt(ctx, list)
	} else if ctx.Err() == nil {
		var seeds error
		if _, seeds = c.bootstrap(ctx); seeds == nil {
			return nil
		}
		err = fmt.Errorf("%w; %w", err, seeds)
	}
	if err != nil {
		return fmt.Errorf("refresh the list of nodes: %w", err)
	}
	return nil
}

// known is nodes for those who do not hold the token.
func (c *Client) known(ctx context.Context) (*pool, error) {
	unlock, err := c.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return c.nodes(ctx)
}

// agreed asks witnesses, and returns the nodes that enough of them list alike.
func (c *Client) agreed(ctx context.Context, p *pool) ([]store.Node, error) {
	asked := c.distinct(p, witnesses, nil)
	type answer struct {
		list []store.Node
		err  error
	}
	answers := make(chan answer, len(asked))
	for _, n := range asked {
		go func() {
			defer c.bug()
			list, err := c.listOf(ctx, n)
			if err != nil {
				c.cfg.Log.Debug("no list of nodes", "error", err)
			}
			answers <- answer{list, err}
		}()
	}
	votes := map[store.Node]int{}
	lists := 0
	var last error
	for range asked {
		a := <-answers
		if a.err != nil {
			last = a.err
			continue
		}
		lists++
		for _, n := range a.list {
			votes[n]++
		}
	}
	if lists < agreeing && last != nil {
		return nil, fmt.Errorf("%w: only %d of %d gave one: %w", errAgree, lists, len(asked), last)
	}
	var list []store.Node
	same := 0
	for n, k := range votes {
		if k >= agreeing {
			list = append(list, n)
			if p.by[n.Ed25519] != nil {
				same++
			}
		}
	}
	// Two nodes of one mind are no reason to forget most of those we know: somebody may want us to.
	if len(list) < min(poolLeast, len(p.nodes)) || same*2 < len(p.nodes) {
		return nil, fmt.Errorf("%w: %d nodes, %d of our %d among them", errAgree, len(list), same, len(p.nodes))
	}
	return list, nil
}

func (c *Client) listOf(ctx context.Context, n *store.Node) ([]store.Node, error) {
	a, err := c.ask(ctx, n, []byte(listRequest))
	if err != nil {
		return nil, err
	}
	results, err := a.results(1)
	if err != nil {
		return nil, err
	}
	var v struct {
		Result json.RawMessage `json:"result"`
	}
	if err := json.Unmarshal(results[0].Body, &v); err != nil || results[0].Code != 200 {
		return nil, errList
	}
	return c.parseList(v.Result)
}

// distinct draws up to k nodes to be asked the same, as different as there are: first of different operators, /24s and swarms, then
// of different operators and /24s, then of different /24s, and not on mainnet of one. Those of not are left out, and
// those that may have failed are taken last.
func (c *Client) distinct(p *pool, k int, not map[[32]byte]bool) []*store.Node {
	c.mu.Lock()
	order := c.rand.Perm(len(p.nodes))
	now := c.cfg.Now()
	onPath := map[[32]byte]bool{}
	for _, q := range c.paths {
		for _, h := range q.hops {
			onPath[h.Ed25519] = true
		}
	}
	// Those that may have failed come last, before them those that our paths lead through.
	rank := func(i int) int {
		key := p.nodes[i].Ed25519
		switch {
		case c.met[key] != nil && c.met[key].until.After(now):
			return 2
		case onPath[key]:
			return 1
		}
		return 0
	}
	ranks := make([]int, len(order))
	for i := range ranks {
		ranks[i] = rank(i)
	}
	c.mu.Unlock()
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(ranks[a], ranks[b]) })
	var chosen []*store.Node
	taken := map[string]bool{}
	for step := range 8 {
		level, suspects := step%4, step >= 4
		if level == 3 && c.mainnet() {
			continue
		}
		for _, i := range order {
			if len(chosen) == k {
				return chosen
			}
			n := p.nodes[i]
			traits := traits(n, &p.list[i])
			shared := slices.ContainsFunc(traits[:3-level], func(t string) bool { return taken[t] })
			if shared || not[n.Ed25519] || ranks[i] == 2 && !suspects || slices.Contains(chosen, n) {
				continue
			}
			chosen = append(chosen, n)
			for _, t := range traits {
				taken[t] = true
			}
		}
	}
	return chosen
}

// traits are what two nodes should not share, the most important first.
func traits(n *store.Node, d *directory.Node) [3]string {
	net, operator := "net of "+string(n.Ed25519[:]), "operator of "+string(n.Ed25519[:])
	if p, ok := subnet(d.IP); ok && !many(d.IP) {
		net = p.String()
	}
	if n.Operator != "" {
		operator = n.Operator
	}
	return [3]string{net, operator, fmt.Sprintf("swarm %x", n.Swarm)}
}

// oneForMany is the address that counts as many networks, as a test network may have all its nodes there.
var oneForMany = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// many reports whether an address counts as many: oneForMany does, and what it is in IPv6.
func many(a netip.Addr) bool { return a == oneForMany || a == netip.IPv6Loopback() }

// subnet is the /24 of an address, the /48 of an IPv6 one.
func subnet(a netip.Addr) (netip.Prefix, bool) {
	bits := 24
	if a.Is6() {
		bits = 48
	}
	p, err := a.Prefix(bits)
	return p, err == nil
}
