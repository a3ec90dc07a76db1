package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"onsight/client/store"
	"onsight/internal/snode"
)

const (
	maxMembers = 8 // of a swarm that are tried for one request
	// believed is how many members of the swarm that we know must say that it is another: a liar alone sends nobody astray.
	believed = 2
)

// ErrSwarm means that no node of an account's swarm did what was asked.
var ErrSwarm = errors.New("no node of the swarm answers")

// errRefused means that members of a swarm, more than one and most of those that were asked, refuse for good to do what was asked, and
// that none does it.
var errRefused = errors.New("refused")

// correction is where an account's messages are by the word of nodes that should have had them, until the list of nodes is renewed.
type correction struct {
	swarm   uint64
	keys    [][32]byte
	members []store.Node // those of keys that it is said of how to reach them
}

// swarm returns the nodes that keep an account's messages: computed from the list of nodes, so that nobody is asked whom we write to.
func (c *Client) swarm(ctx context.Context, id ID) ([]*store.Node, error) {
	p, err := c.known(ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	moved, ok := c.moved[id]
	c.mu.Unlock()
	if ok {
		return p.among(moved), nil
	}
	swarm, ok := snode.Choose(p.swarms, snode.Position(snode.ID(id)))
	if !ok {
		return nil, fmt.Errorf("%w: none is in a swarm", ErrNodes)
	}
	return p.members(swarm), nil
}

func (p *pool) members(swarm uint64) (list []*store.Node) {
	for _, n := range p.nodes {
		if n.Swarm == swarm {
			list = append(list, n)
		}
	}
	return list
}

// among returns those of the nodes that we know, and those that were described. These are asked, and nothing else: no path leads through
// what so few have named.
func (p *pool) among(m correction) (list []*store.Node) {
	for _, key := range m.keys {
		if n := p.by[key]; n != nil {
			list = append(list, n)
		} else if i := slices.IndexFunc(m.members, func(n store.Node) bool { return n.Ed25519 == key }); i >= 0 {
			list = append(list, &m.members[i])
		}
	}
	return list
}

// order returns members in the order to try them: at random, then those that may have failed. Those that are slower than the limit are
// left out while there are three others.
func (c *Client) order(members []*store.Node, not map[[32]byte]bool) []*store.Node {
	list := slices.DeleteFunc(slices.Clone(members), func(n *store.Node) bool { return not[n.Ed25519] })
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	now := c.cfg.Now()
	rank := func(n *store.Node) int {
		switch m := c.met[n.Ed25519]; {
		case m == nil:
			return 0
		case m.until.After(now):
			return 2
		case m.extra > c.cfg.MaxLatency:
			return 1
		}
		return 0
	}
	slices.SortStableFunc(list, func(a, b *store.Node) int { return cmp.Compare(rank(a), rank(b)) })
	good := slices.IndexFunc(list, func(n *store.Node) bool { return rank(n) > 0 })
	if good >= others {
		list = slices.DeleteFunc(list, func(n *store.Node) bool { return rank(n) == 1 })
	}
	return list
}

// told is what a member of a swarm answered.
type told struct {
	answer answer
	err    error
}

// askSwarm has a node of an account's swarm do what rpc says, given the node and the network's time: more than one, if an answer is
// overdue, of which the first counts. Members that do not answer, refuse to work or
// know better where the account is are gone around, so that the status of the answer is 200. Those of not are left out. The error wraps
// ErrSwarm, and errRefused if trying again is of no use, or is what ask's may be.
func (c *Client) askSwarm(ctx context.Context, id ID, not map[[32]byte]bool, rpc func(n *store.Node, now time.Time) ([]byte, error)) (answer, error) {
	members, err := c.swarm(ctx, id)
	if err != nil {
		return answer{}, err
	}
	queue := c.order(members, not)
	tried := map[[32]byte]bool{}
	var votes votes
	var astray [][32]byte
	synced, adopted, refusals := false, false, 0
	last := fmt.Errorf("%w: it has no nodes that we know", ErrSwarm)

	within, cancel := context.WithCancelCause(ctx)
	heard, overdue := make(chan told, maxMembers+1), make(chan struct{}, (maxMembers+1)*maxAttempts) // so that nobody waits
	asked := map[[32]byte]time.Time{}                                                                // those under way, and since when
	defer func() {
		cancel(errBeaten)
		for range asked { // they notice at once
			<-heard
		}
	}()
	ask := func(n *store.Node) error {
		request, err := rpc(n, c.Now())
		if err != nil {
			return err
		}
		tried[n.Ed25519], asked[n.Ed25519] = true, time.Now()
		e := effort{tries: maxAttempts, lost: maxLost, wait: min(1+len(queue), 3), late: overdue}
		go func() {
			defer c.bug()
			a, err := c.try(within, n, request, e)
			a.node = n
			heard <- told{a, err}
		}()
		return nil
	}
	next := func() error {
		if len(queue) == 0 || len(tried) >= maxMembers {
			return nil
		}
		n := queue[0]
		queue = queue[1:]
		return ask(n)
	}
	for {
		if len(asked) == 0 {
			if err := next(); err != nil {
				return answer{}, err
			}
			if len(asked) == 0 {
				break
			}
		}
		var h told
		select {
		case <-overdue:
			if err := next(); err != nil {
				return answer{}, err
			}
			continue
		case h = <-heard:
		}
		n, a, err := h.answer.node, h.answer, h.err
		took := time.Since(asked[n.Ed25519])
		delete(asked, n.Ed25519)
		if err != nil && !errors.Is(err, ErrNode) && !errors.Is(err, ErrPath) {
			return answer{}, err
		}
		if err == nil && (a.status == http.StatusNotAcceptable || a.status == http.StatusTooEarly) && !synced {
			synced = true // whose clock is wrong?
			if err := c.Sync(ctx); err != nil {
				return answer{}, err
			}
			if err := ask(n); err != nil {
				return answer{}, err
			}
			continue
		}
		switch {
		case err != nil:
			last = fmt.Errorf("%w: %w", ErrSwarm, err)
		case a.status == http.StatusMisdirectedRequest:
			last = fmt.Errorf("%w: %w", ErrSwarm, &StatusError{a.status})
			moved, ok := c.parseMoved(a.body)
			c.cfg.Log.Debug("account is elsewhere", "by", nodeAttr(n), "nodes", len(moved.members))
			if !ok || adopted {
				continue
			}
			said := votes.add(moved)
			astray = append(astray, n.Ed25519)
			if said < believed && len(queue)+len(asked) > 0 {
				continue
			}
			if to := c.correct(ctx, id, votes.of(moved.swarm)); len(to) > 0 {
				adopted, astray = true, nil
				queue = c.order(slices.DeleteFunc(to, func(n *store.Node) bool { return tried[n.Ed25519] }), not)
			}
		case a.status >= 500, a.status == http.StatusTooManyRequests, a.status == http.StatusNotAcceptable, a.status == http.StatusTooEarly:
			last = fmt.Errorf("%w: %w", ErrSwarm, &StatusError{a.status})
			c.suspect(n.Ed25519)
		case a.status != http.StatusOK: // of one member this says nothing of the others
			last = fmt.Errorf("%w: %w", ErrSwarm, &StatusError{a.status})
			c.suspect(n.Ed25519)
			refusals++
		default:
			for _, liar := range astray { // the others know of no other swarm
				c.suspect(liar)
			}
			for key, since := range asked {
				if time.Since(since) > 2*took { // or somebody on the way to it, which matters as little
					c.suspect(key)
				}
			}
			return a, nil
		}
	}
	if refusals >= believed && refusals*2 > len(tried) {
		last = fmt.Errorf("%w: %w", errRefused, last)
	}
	return answer{}, last
}

// suspect leaves a node out for a while.
func (c *Client) suspect(key [32]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.meet(key).until = c.cfg.Now().Add(suspicion)
}

// votes are what members say of the swarm that an account is in.
type votes []correction

// add adds what one says, and returns how many have named the same swarm.
func (v *votes) add(m correction) (same int) {
	*v = append(*v, m)
	for _, other := range *v {
		if other.swarm == m.swarm {
			same++
		}
	}
	return same
}

// of returns the nodes of a swarm, and how to reach those that enough have described alike.
func (v votes) of(swarm uint64) correction {
	m := correction{swarm: swarm}
	described := map[store.Node]int{}
	seen := map[[32]byte]bool{}
	for _, other := range v {
		if other.swarm != swarm {
			continue
		}
		for _, n := range other.members {
			if described[n]++; described[n] == believed {
				m.members = append(m.members, n)
			}
			if !seen[n.Ed25519] {
				seen[n.Ed25519] = true
				m.keys = append(m.keys, n.Ed25519)
			}
		}
	}
	return m
}

// correct notes that an account is in another swarm than we thought, and returns those of its nodes that we know, or know of now. The list
// of nodes is old then, whenever it was made.
func (c *Client) correct(ctx context.Context, id ID, m correction) []*store.Node {
	p, err := c.known(ctx)
	if err != nil {
		return nil
	}
	if err := c.store.Outdate(context.WithoutCancel(ctx)); err != nil { // for processes that come after this one
		c.cfg.Log.Debug("that the list of nodes is old is not stored", "error", err)
	}
	to := p.among(m)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stale = true
	if len(to) > 0 {
		c.moved[id] = m
	}
	return to
}

// parseMoved reads the body of a 421: which nodes have the account.
func (c *Client) parseMoved(body []byte) (correction, bool) {
	var v struct {
		Nodes []struct {
			IP      string `json:"ip"`
			Port    uint16 `json:"port_https"`
			Ed25519 string `json:"pubkey_ed25519"`
			X25519  string `json:"pubkey_x25519"`
		} `json:"snodes"`
		Swarm string `json:"swarm"`
	}
	if json.Unmarshal(body, &v) != nil || len(v.Nodes) > maxNodes {
		return correction{}, false
	}
	swarm, err := strconv.ParseUint(v.Swarm, 16, 64)
	if err != nil {
		return correction{}, false
	}
	m := correction{swarm: swarm}
	seen := map[[32]byte]bool{}
	for _, n := range v.Nodes {
		var key [32]byte
		if !parseKey(&key, n.Ed25519) || seen[key] { // who says it twice is one all the same
			continue
		}
		seen[key] = true
		m.keys = append(m.keys, key)
		l := listed{IP: n.IP, Port: n.Port, Ed25519: n.Ed25519, X25519: n.X25519, Swarm: &swarm}
		if node, ok := l.node(c.mainnet()); ok {
			m.members = append(m.members, node)
		}
	}
	return m, len(m.keys) > 0
}

// infoRequest asks a node for its clock, among other things.
var infoRequest = []byte(`{"method":"info","params":{}}`)

// maxSync is how many nodes are asked for the time at most.
const maxSync = 9

// Sync learns the network's clock from three nodes, through onions. Another is asked for each that does not say it. What was learnt
// before is forgotten then: the machine's clock may have been set.
func (c *Client) Sync(ctx context.Context) error {
	p, err := c.known(ctx)
	if err != nil {
		return fmt.Errorf("learn the time: %w", err)
	}
	mark := c.clock.mark()
	queue := c.distinct(p, maxSync, nil)
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make(chan error, len(queue))
	asked, answered := 0, 0
	next := func() {
		if asked == len(queue) {
			return
		}
		n := queue[asked]
		asked++
		go func() {
			defer c.bug()
			_, err := c.ask(within, n, infoRequest)
			errs <- err
		}()
	}
	for range minSamples + 1 { // one may be slow
		next()
	}
	for ; answered < asked; answered++ {
		if heard := <-errs; heard != nil {
			err = heard
		}
		if c.clock.since(mark) {
			return nil
		}
		if answered >= 1 && ctx.Err() == nil { // fewer than are needed are under way
			next()
		}
	}
	return fmt.Errorf("learn the time: %w", cmp.Or(err, ErrNodes))
}
