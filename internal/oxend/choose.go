package oxend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"onsight/ons"
)

// Choice is the daemon a pool chose, and what it just said.
type Choice struct {
	Client   *Client
	Info     Info
	Identity Identity
	// Best is the height of the newest block that any usable daemon of the pool has or, while it is not synced, has
	// heard of.
	Best uint64
}

// Pick returns the daemon to follow now. ours is a block we have that every daemon of our chain must have, such as the
// one 11 below our tip: a reorganisation of a healthy network is at most that deep (spec D.3). Nil: we have none.
//
// It stays with the daemon in use. It leaves it when it fails, is untrusted or of another network, was given to
// Failed, is not synced while another is, or is more than 3 blocks behind the best other for 60 seconds; and then
// goes only to a daemon that is of the right network, trusted, and has our block, and of these to none that is more
// than 3 blocks behind the best. The very first choice takes a daemon without our block only if it is the only one,
// or every one answers and none has it: a deep reorganisation is the caller's to judge. A daemon that is not synced,
// or was given to Failed, is used when there is nothing better, an untrusted one never.
//
// When none can be used, the error wraps ons.ErrUnavailable and says why for each; it wraps ErrWrongNetwork too if
// that was the reason for all.
func (p *Pool) Pick(ctx context.Context, ours *Point) (Choice, error) {
	p.pick.Lock()
	defer p.pick.Unlock()
	p.askAll(ctx)
	if ctx.Err() != nil {
		return Choice{}, gaveUp(ctx)
	}
	r := round{p: p, now: p.now(), ours: ours, reasons: make(map[*upstream]error)}
	u, err := r.choose(ctx)
	if err != nil {
		return Choice{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if u.upstream != p.active {
		p.log.LogAttrs(ctx, slog.LevelInfo, "daemon chosen", slog.String("daemon", u.c.String()), slog.Uint64("height", u.info.Height))
		p.active, u.lagSince = u.upstream, time.Time{}
	}
	p.want, p.genes = u.id.Network, u.id.Genesis
	best := u.info.best()
	for _, o := range p.ups {
		if o.err == nil && o.known && p.fits(o.id) == nil {
			best = max(best, o.info.best())
		}
	}
	return Choice{u.c, u.info, u.id, best}, nil
}

// best is the height of the newest block the daemon has heard of.
func (i Info) best() uint64 { return max(i.Height, i.Target, 1) - 1 }

// round is one choice, made on what was just heard.
type round struct {
	p       *Pool
	now     time.Time
	ours    *Point
	reasons map[*upstream]error
}

// candidate is an upstream that answered and is of the right network, as it was when the round began.
type candidate struct {
	*upstream
	info    Info
	id      Identity
	faulty  bool
	faultAt time.Time
}

func (r *round) choose(ctx context.Context) (*candidate, error) {
	active, others, first := r.candidates()
	if active != nil && !active.faulty && !r.shouldLeave(active, others) {
		return active, nil
	}
	if first && len(r.p.ups) == 1 && len(others) == 1 {
		return others[0], nil
	}
	if active != nil && !active.faulty { // it still serves: others must be better
		others = slices.DeleteFunc(others, func(u *candidate) bool { return !better(u.info, active.info) })
	}
	good := r.onOurChain(ctx, others)
	if ctx.Err() != nil {
		return nil, gaveUp(ctx)
	}
	if u := nearest(good); u != nil {
		return u, nil
	}
	if active != nil && !active.faulty {
		return active, nil
	}
	// Nothing else qualifies: what failed longest ago has had most time to recover.
	if active != nil {
		good = slices.Insert(good, 0, active)
	}
	var oldest *candidate
	for _, u := range good {
		if oldest == nil || u.faultAt.Before(oldest.faultAt) {
			oldest = u
		}
	}
	if oldest != nil {
		return oldest, nil
	}
	if first && r.allElsewhere() {
		return preferred(others), nil
	}
	err := r.unavailable()
	if first && errors.Is(err, errFork) {
		err = fmt.Errorf("%w (a daemon without our blocks is taken only when every daemon answers and none has them)", err)
	}
	return nil, err
}

// candidates notes the reason of each daemon that cannot be used and returns the others; active is nil unless the one
// in use is among them. first: none was ever chosen.
func (r *round) candidates() (active *candidate, others []*candidate, first bool) {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	for _, u := range r.p.ups {
		c := &candidate{u, u.info, u.id, u.faulty(r.now), u.faultAt}
		switch {
		case u.err != nil:
			r.reasons[u] = u.err
		case u == r.p.active:
			active = c
		default:
			others = append(others, c)
		}
	}
	return active, others, r.p.active == nil
}

// shouldLeave reports whether something may be better than the daemon in use, which answers.
func (r *round) shouldLeave(active *candidate, others []*candidate) bool {
	lags := false
	for _, u := range others {
		lags = lags || !u.faulty && ahead(u.info, active.info)
	}
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	switch {
	case !lags:
		active.lagSince = time.Time{}
	case active.lagSince.IsZero():
		active.lagSince = r.now
	}
	return !active.info.Synced || lags && r.now.Sub(active.lagSince) >= lagFor
}

func ahead(u, active Info) bool { return u.Synced && u.Height > active.Height+maxLag }

// better reports whether leaving a daemon that answers for u is worth it.
func better(u, active Info) bool {
	return ahead(u, active) || u.Synced && !active.Synced && u.Height+maxLag >= active.Height
}

// nearest returns the preferred one of those that did not fail and are near the best of them; nil: there is none.
func nearest(list []*candidate) *candidate {
	var top uint64
	for _, u := range list {
		if !u.faulty {
			top = max(top, u.info.Height)
		}
	}
	var near []*candidate
	for _, u := range list {
		if !u.faulty && u.info.Height+maxLag >= top {
			near = append(near, u)
		}
	}
	return preferred(near)
}

// preferred returns the first that is synced, else the first.
func preferred(list []*candidate) *candidate {
	for _, u := range list {
		if u.info.Synced {
			return u
		}
	}
	if len(list) > 0 {
		return list[0]
	}
	return nil
}

var errFork = errors.New("it does not have our blocks")

// onOurChain returns those that have our block, and notes the reason of each other.
func (r *round) onOurChain(ctx context.Context, list []*candidate) (good []*candidate) {
	errs := make([]error, len(list))
	var wg sync.WaitGroup
	for i, u := range list {
		wg.Go(func() { errs[i] = r.hasOurs(ctx, u.c) })
	}
	wg.Wait()
	for i, u := range list {
		if errs[i] == nil {
			good = append(good, u)
		} else {
			r.reasons[u.upstream] = errs[i]
		}
	}
	return good
}

// hasOurs wraps errFork if and only if c answered and does not have our block.
func (r *round) hasOurs(ctx context.Context, c *Client) error {
	if r.ours == nil {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, askFor, lateError(askFor))
	defer cancel()
	got, err := c.BlockHash(ctx, r.ours.Height)
	switch {
	case errors.Is(err, ErrTooHigh):
		return fmt.Errorf("%w: it is below block %d", errFork, r.ours.Height)
	case err != nil:
		return err
	case got != r.ours.Hash:
		return fmt.Errorf("%w: its block %d is %s, ours %s", errFork, r.ours.Height, got, r.ours.Hash)
	}
	return nil
}

// allElsewhere reports whether every daemon answered that it does not have our block.
func (r *round) allElsewhere() bool {
	for _, u := range r.p.ups {
		if !errors.Is(r.reasons[u], errFork) {
			return false
		}
	}
	return true
}

// unavailable says why each daemon is of no use.
func (r *round) unavailable() error {
	var lines []string
	wrong, fork := true, false
	for _, u := range r.p.ups {
		err := r.reasons[u]
		wrong, fork = wrong && errors.Is(err, ErrWrongNetwork), fork || errors.Is(err, errFork)
		lines = append(lines, reason(u.c, err))
	}
	err := fmt.Errorf("%w: no daemon can be used: %s", ons.ErrUnavailable, strings.Join(lines, "; "))
	switch {
	case wrong:
		return &both{err, ErrWrongNetwork}
	case fork:
		return &both{err, errFork}
	}
	return err
}

func reason(c *Client, err error) string {
	if err == nil {
		return c.String() + ": not asked"
	}
	if s := err.Error(); strings.Contains(s, c.String()) {
		return s
	}
	return c.String() + ": " + err.Error()
}

// both is err, and to errors.Is also what.
type both struct{ err, what error }

func (b *both) Error() string   { return b.err.Error() }
func (b *both) Unwrap() []error { return []error{b.err, b.what} }
