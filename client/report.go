package client

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"onsight/client/store"
	"onsight/internal/snode"
)

// SeedReport is what a seed node said when it was asked.
type SeedReport struct {
	URL   string
	Nodes int // in its list
	Took  time.Duration
	Err   error // why there is no list; nil: there is
}

// CheckSeeds asks every seed node for its list, which changes nothing here. They come in the order of Config.Seeds.
func (c *Client) CheckSeeds(ctx context.Context) []SeedReport {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	reports := make([]SeedReport, len(c.cfg.Seeds))
	done := make(chan struct{})
	for i, s := range c.cfg.Seeds {
		go func() {
			defer c.bug()
			r := SeedReport{URL: s.URL}
			begun := time.Now()
			body, err := s.ask(ctx, c.dial)
			r.Took = time.Since(begun)
			var list []store.Node
			if err == nil {
				list, err = c.parseList(body)
			}
			r.Nodes, r.Err = len(list), err
			reports[i] = r
			done <- struct{}{}
		}()
	}
	for range reports {
		<-done
	}
	return reports
}

// GuardReport is a guard and how it answered when it was asked for info.
type GuardReport struct {
	Hop
	Used    bool // in a path now
	Took    time.Duration
	Err     error     // why it did not answer; nil: it did
	Failing time.Time // since when it does not do its work; zero: it does
	Rest    time.Time // until when it is left alone; zero: it is not
}

// CheckGuards asks all guards for info, directly, as is done before one is chosen. They come in the order of preference. The error is
// that of who knows no nodes.
func (c *Client) CheckGuards(ctx context.Context) ([]GuardReport, error) {
	p, err := c.known(ctx)
	if err != nil {
		return nil, err
	}
	var nodes []*store.Node
	var reports []GuardReport
	c.mu.Lock()
	for _, key := range c.kept {
		n := p.by[key]
		if n == nil {
			continue
		}
		m := c.meet(key)
		used := slices.ContainsFunc(c.paths, func(q *path) bool { return q.guard().Ed25519 == key })
		nodes, reports = append(nodes, n), append(reports, GuardReport{Hop: hopOf(n), Used: used, Failing: m.failing, Rest: m.rest})
	}
	c.mu.Unlock()
	done := make(chan struct{})
	for i, n := range nodes {
		go func() {
			defer c.bug()
			var took snode.Timings
			at, err := addrPort(n)
			if err == nil {
				_, took, err = c.direct.Info(ctx, at)
			}
			reports[i].Took, reports[i].Err = took.Request, err
			done <- struct{}{}
		}()
	}
	for range nodes {
		<-done
	}
	return reports, nil
}

// PoolReport is what is known of the nodes there are.
type PoolReport struct {
	Nodes  int
	Swarms int
	At     time.Time // when the list was learnt
	Listed int       // nodes that witnesses list alike now
	Same   int       // of ours among them
	Err    error     // why witnesses do not agree, or could not be asked; nil: they do
}

// CheckPool asks three nodes for their lists, through onions, and compares them with ours, which stays. The error is that of who knows no
// nodes.
func (c *Client) CheckPool(ctx context.Context) (PoolReport, error) {
	p, err := c.known(ctx)
	if err != nil {
		return PoolReport{}, err
	}
	r := PoolReport{Nodes: len(p.nodes), Swarms: len(p.swarms), At: p.at}
	var list []store.Node
	list, r.Err = c.agreed(ctx, p)
	r.Listed = len(list)
	for _, n := range list {
		if p.by[n.Ed25519] != nil {
			r.Same++
		}
	}
	return r, nil
}

// Member is a node of a swarm.
type Member struct {
	Hop
	Suspect bool // it did not do its work lately
}

// Swarm returns the nodes that keep an account's messages and the number of their swarm, in the order of their keys. Nobody is asked. The
// error wraps ErrNodes if no swarm is known.
func (c *Client) Swarm(ctx context.Context, id ID) (swarm uint64, list []Member, err error) {
	members, err := c.swarm(ctx, id)
	if err != nil {
		return 0, nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.cfg.Now()
	for _, n := range members {
		m := c.met[n.Ed25519]
		swarm = n.Swarm
		list = append(list, Member{Hop: hopOf(n), Suspect: m != nil && m.until.After(now)})
	}
	if len(list) == 0 {
		return 0, nil, fmt.Errorf("%w: none of the swarm", ErrNodes)
	}
	return swarm, list, nil
}

// Trip is a request that went through a path.
type Trip struct {
	Path []Hop // the guard first
	To   Hop
	Took time.Duration // there and back
}

// Ping sends a node a request for info through a path, as everything is sent, and returns which way it went. The errors are about nodes
// and paths.
func (c *Client) Ping(ctx context.Context) (Trip, error) {
	p, err := c.known(ctx)
	if err != nil {
		return Trip{}, err
	}
	for _, n := range c.distinct(p, minSamples, nil) {
		var a answer
		if a, err = c.ask(ctx, n, infoRequest); err != nil {
			continue // by whose doing does not matter: others are there to be asked
		}
		if a.status != http.StatusOK {
			err = &StatusError{a.status}
			continue
		}
		return Trip{Path: a.by.list(), To: hopOf(n), Took: a.took}, nil
	}
	if err == nil {
		err = ErrNodes
	}
	return Trip{}, err
}

// Offset returns how far the network's clock is ahead of ours, and of how many nodes that is known; of fewer than three it is not believed,
// and is 0.
func (c *Client) Offset() (ahead time.Duration, heard int) { return c.clock.offset(), c.clock.count() }
