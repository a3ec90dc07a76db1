package oxend

import (
	"context"
	"errors"
	"fmt"
	"time"

	"onsight/ons"
)

// fresh is for how long an answer to "how do you stand" serves lookups.
const fresh = 30 * time.Second

// Lookup makes Pool an ons.Source: it asks the daemon in use and, when that cannot say, the others in order. A daemon
// is asked only after it was found of the right network and trusted. That a name is not registered is believed only of
// a daemon that is synced and whose chain has reached ONS; from another it wraps ons.ErrUnavailable. It needs no Pick.
func (p *Pool) Lookup(ctx context.Context, t ons.Type, h ons.Hash) (ons.Sealed, error) {
	var s ons.Sealed
	absent, err := p.try(ctx, func(ctx context.Context, c *Client) (absent bool, err error) {
		s, err = c.Lookup(ctx, t, h)
		if errors.Is(err, ons.ErrNotFound) {
			return true, nil
		}
		return false, err
	})
	switch {
	case err != nil:
		return ons.Sealed{}, err
	case absent != nil:
		return ons.Sealed{}, fmt.Errorf("%s: %w", absent, ons.ErrNotFound)
	}
	return s, nil
}

// Names is Client.Names of the daemon in use or, when that cannot say, of the others in order, as with Lookup: that a
// name is not in the map is believed under the same conditions.
func (p *Pool) Names(ctx context.Context, keys []ons.Key, includeExpired bool) (map[ons.Key]NameRecord, error) {
	var out map[ons.Key]NameRecord
	_, err := p.try(ctx, func(ctx context.Context, c *Client) (absent bool, err error) {
		if out, err = c.Names(ctx, keys, includeExpired); err != nil {
			return false, err
		}
		for _, k := range keys {
			if _, ok := out[k]; !ok {
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// try puts a question to one daemon after the other until one answers it. question reports whether the answer is that
// something does not exist; absent is the daemon that said so and may be believed.
func (p *Pool) try(ctx context.Context, question func(context.Context, *Client) (bool, error)) (absent *Client, err error) {
	r := round{p: p, reasons: make(map[*upstream]error)}
	for _, u := range p.order() {
		none, err := p.put(ctx, u, question)
		switch {
		case err == nil && none:
			return u.c, nil
		case err == nil:
			return nil, nil
		case ctx.Err() != nil:
			return nil, fmt.Errorf("%w: %w", ons.ErrUnavailable, err)
		}
		r.reasons[u] = err
	}
	return nil, r.unavailable()
}

// put puts a question to u, if u can be used, and returns only what may be believed.
func (p *Pool) put(ctx context.Context, u *upstream, question func(context.Context, *Client) (bool, error)) (none bool, err error) {
	if err := p.ready(ctx, u); err != nil {
		return false, err
	}
	none, err = question(ctx, u.c)
	if err != nil && ctx.Err() == nil && !isAnswer(err) {
		p.Failed(u.c, err)
	}
	if err == nil && none {
		err = p.believable(ctx, u)
	}
	return none, err
}

// isAnswer reports whether err says nothing against the daemon: it is its own answer, or we did not get to ask.
func isAnswer(err error) bool {
	var re *RPCError
	var we *waitError
	return errors.As(err, &re) && re.Code != codeBusy || errors.As(err, &we)
}

// order is in which order questions are put: the daemon in use, the others as configured, and last those that failed
// a short while ago.
func (p *Pool) order() []*upstream {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	var good, bad []*upstream
	add := func(u *upstream) {
		if u.reason(now) != nil && (u.err == nil || now.Sub(u.when) < failRest) {
			bad = append(bad, u)
		} else {
			good = append(good, u)
		}
	}
	if p.active != nil {
		add(p.active)
	}
	for _, u := range p.ups {
		if u != p.active {
			add(u)
		}
	}
	return append(good, bad...)
}

// ready makes sure that u was found usable within the last half minute.
func (p *Pool) ready(ctx context.Context, u *upstream) error {
	p.mu.Lock()
	stale := !u.known || u.err != nil || p.now().Sub(u.when) >= fresh
	p.mu.Unlock()
	if stale && len(p.ups) > 1 {
		p.askBriefly(ctx, u, p.first)
	} else if stale {
		p.ask(ctx, ctx, u)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", u.c, gaveUp(ctx))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if u.err == nil && p.want == "" {
		p.want, p.genes = u.id.Network, u.id.Genesis
	}
	return u.err
}

// believable returns nil if u can know that something does not exist.
func (p *Pool) believable(ctx context.Context, u *upstream) error {
	p.mu.Lock()
	info, fork := u.info, u.onsFork
	p.mu.Unlock()
	if !info.Synced {
		return fmt.Errorf("%s: not registered as far as it knows, but it is still syncing (block %d of %d): try again when it is done", u.c, info.Height, info.Target)
	}
	if fork == nil {
		f, err := u.c.ONSFork(ctx)
		if err != nil {
			return err
		}
		fork = &f
		p.mu.Lock()
		if u.known {
			u.onsFork = fork
		}
		p.mu.Unlock()
	}
	if !fork.Known || info.Height <= fork.Earliest {
		return fmt.Errorf("%s: not registered as far as it knows, but its chain (%d blocks) has not reached the fork that brings names: try again when it has synced, or check that it is of the network you mean", u.c, info.Height)
	}
	return nil
}
