package oxend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"onsight/ons"
)

// What makes a pool leave a daemon that still answers.
const (
	maxLag   = 3                // blocks behind the best other …
	lagFor   = 60 * time.Second // … for this long
	safety   = 11               // a reorganisation of a healthy network is at most this deep (spec D.3)
	askFor   = 3 * time.Second  // time for health questions to daemons that are not in use
	firstFor = 15 * time.Second // the same while none is in use and there are several
	failRest = 30 * time.Second // a daemon that failed is left alone for so long while another is in use
)

// PoolConfig lists the daemons of a pool.
type PoolConfig struct {
	Clients []*Client        // in order of preference; at least one
	Want    ons.Network      // the network they must follow; "": that of the first daemon that is used
	Genesis ons.Txid         // the first block they must have; zero: that of the first daemon that is used
	Now     func() time.Time // clock; nil: time.Now
	Log     *slog.Logger     // nil: silent
}

// Pool chooses one of several daemons and stays with it. Its methods may be used by many goroutines at once; it asks
// nothing by itself.
type Pool struct {
	now func() time.Time
	log *slog.Logger
	ups []*upstream

	pick   sync.Mutex // held by Pick: one choice at a time
	mu     sync.Mutex // guards what follows, and the fields of upstream that say so
	want   ons.Network
	genes  ons.Txid
	active *upstream // nil: none was ever chosen
}

// upstream is one daemon and what is known of it.
type upstream struct {
	c *Client
	// guarded by Pool.mu
	known    bool // its identity was checked since it last failed
	id       Identity
	info     Info
	err      error     // of the last question; nil: it answered and is of the right network
	when     time.Time // of the last question
	lagSince time.Time // since when it, in use, lags behind; zero: it does not
}

// UpstreamStatus says what a pool knows of one daemon.
type UpstreamStatus struct {
	URL    string      // without credentials
	Active bool        // it is the one in use
	Height uint64      // number of blocks when it last answered; 0: it never did
	Err    error       // why it cannot be used, as of the last question; nil: it can, or was not asked
	When   time.Time   // of the last question; zero: none
	Net    ons.Network // as it last said; "": it never did
}

// NewPool returns a pool; it asks nothing yet.
func NewPool(c PoolConfig) (*Pool, error) {
	if len(c.Clients) == 0 {
		return nil, errors.New("no daemon to ask")
	}
	p := &Pool{now: c.Now, log: c.Log, want: c.Want, genes: c.Genesis}
	if p.now == nil {
		p.now = time.Now
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	for _, cl := range c.Clients {
		if cl == nil {
			return nil, errors.New("a daemon of the pool is nil")
		}
		p.ups = append(p.ups, &upstream{c: cl})
	}
	return p, nil
}

// Upstreams reports on every daemon, in the configured order. It asks none.
func (p *Pool) Upstreams() []UpstreamStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]UpstreamStatus, len(p.ups))
	for i, u := range p.ups {
		out[i] = UpstreamStatus{u.c.String(), u == p.active, u.info.Height, u.err, u.when, u.info.Network}
	}
	return out
}

// Pick returns the daemon to follow now, and its fresh Info. tip is the height of the newest block we have, if
// haveTip; ours returns the hash we have at a height, and whether we have one.
//
// It stays with the daemon in use. It leaves it when it fails, is untrusted or of another network, is not synced
// while another is, or is more than 3 blocks behind the best other for 60 seconds; and then goes only to a daemon
// that is of the right network, trusted, and has our block 11 below our tip. The very first choice prefers such a
// daemon and takes one with other blocks if there is none: a deep reorganisation is the caller's to judge. A daemon
// that is not synced is used when there is nothing better, an untrusted one never.
//
// When none can be used, the error wraps ons.ErrUnavailable and says why for each; it wraps ErrWrongNetwork too if
// that was the reason for all.
func (p *Pool) Pick(ctx context.Context, tip uint64, haveTip bool, ours func(context.Context, uint64) (ons.Txid, bool, error)) (*Client, Info, error) {
	p.pick.Lock()
	defer p.pick.Unlock()
	if err := p.askAll(ctx); err != nil {
		return nil, Info{}, err
	}
	r := round{p: p, tip: tip, haveTip: haveTip, ours: ours, reasons: make(map[*upstream]error)}
	u, err := r.choose(ctx)
	if err != nil {
		return nil, Info{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if u != p.active {
		p.log.LogAttrs(ctx, slog.LevelInfo, "daemon chosen", slog.String("daemon", u.c.String()), slog.Uint64("height", u.info.Height))
		p.active, u.lagSince = u, time.Time{}
	}
	if u.known { // a lookup may have failed on it meanwhile
		p.want, p.genes = u.id.Network, u.id.Genesis
	}
	return u.c, u.info, nil
}

// askAll asks every daemon how it stands: the one in use (or, when there is none, all) as long as its client takes,
// the others at the same time but not for long. It fails only when ctx ended.
func (p *Pool) askAll(ctx context.Context) error {
	p.mu.Lock()
	active, now := p.active, p.now()
	p.mu.Unlock()
	var others, rested []*upstream
	for _, u := range p.ups {
		switch {
		case u == active:
		case active != nil && p.resting(u, now):
			rested = append(rested, u)
		default:
			others = append(others, u)
		}
	}
	octx, cancel := ctx, context.CancelFunc(func() {})
	switch {
	case active != nil:
		octx, cancel = context.WithTimeout(ctx, askFor)
	case len(others) > 1:
		octx, cancel = context.WithTimeout(ctx, firstFor)
	}
	defer cancel()
	var wg sync.WaitGroup
	for _, u := range others {
		wg.Go(func() { p.ask(octx, u) })
	}
	if active != nil {
		p.ask(ctx, active)
	}
	wg.Wait()
	if active != nil && active.failed(p) { // now every one counts
		rctx, cancel := context.WithTimeout(ctx, firstFor)
		defer cancel()
		for _, u := range rested {
			wg.Go(func() { p.ask(rctx, u) })
		}
		wg.Wait()
	}
	return ctx.Err()
}

func (p *Pool) resting(u *upstream, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return u.err != nil && !u.when.IsZero() && now.Sub(u.when) < failRest
}

func (u *upstream) failed(p *Pool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return u.err != nil
}

// ask asks u how it stands and, if it failed since, who it is.
func (p *Pool) ask(ctx context.Context, u *upstream) {
	p.mu.Lock()
	known, id := u.known, u.id
	p.mu.Unlock()
	info, err := u.c.Info(ctx)
	if err == nil && info.Untrusted {
		err = fmt.Errorf("%s: %w", u.c, ErrUntrusted)
	}
	if err == nil && (!known || id.Network != info.Network) {
		id, err = identify(ctx, u.c, info)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	u.when = p.now()
	if info.Height > 0 {
		u.info = info
	}
	if err == nil {
		err = p.fits(id)
	}
	if err != nil && u.err == nil {
		p.log.LogAttrs(ctx, slog.LevelInfo, "daemon cannot be used", slog.String("daemon", u.c.String()), slog.String("reason", err.Error()))
	}
	u.err, u.known, u.id = err, err == nil, id
}

// fits holds mu.
func (p *Pool) fits(id Identity) error {
	if p.want != "" && id.Network != p.want {
		return fmt.Errorf("network is %s, not %s: %w", id.Network, p.want, ErrWrongNetwork)
	}
	if p.genes != (ons.Txid{}) && id.Genesis != p.genes {
		return fmt.Errorf("first block is %s, not %s: %w", id.Genesis, p.genes, ErrWrongNetwork)
	}
	return nil
}

// round is one choice, made on what was just heard.
type round struct {
	p       *Pool
	tip     uint64
	haveTip bool
	ours    func(context.Context, uint64) (ons.Txid, bool, error)
	reasons map[*upstream]error
}

// candidate is an upstream that answered and is of the right network.
type candidate struct {
	*upstream
	info Info
}

func (r *round) choose(ctx context.Context) (*upstream, error) {
	active, others := r.candidates()
	leave := true
	if active != nil {
		if leave = r.shouldLeave(active, others); !leave {
			return active.upstream, nil
		}
	}
	var fallback *upstream
	for _, synced := range []bool{true, false} {
		for _, u := range others {
			if u.info.Synced != synced || active != nil && !better(u.info, active.info) {
				continue
			}
			err := r.onOurChain(ctx, u.c)
			if err == nil {
				return u.upstream, nil
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			r.reasons[u.upstream] = err
			if errors.Is(err, errFork) && fallback == nil {
				fallback = u.upstream
			}
		}
	}
	r.p.mu.Lock()
	first := r.p.active == nil
	r.p.mu.Unlock()
	switch {
	case active != nil:
		return active.upstream, nil
	case first && fallback != nil:
		return fallback, nil
	}
	return nil, r.unavailable()
}

// candidates notes the reason of each daemon that cannot be used and returns the others; active is nil unless the one
// in use is among them.
func (r *round) candidates() (active *candidate, others []candidate) {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	for _, u := range r.p.ups {
		switch {
		case u.err != nil:
			r.reasons[u] = u.err
		case u == r.p.active:
			active = &candidate{u, u.info}
		default:
			others = append(others, candidate{u, u.info})
		}
	}
	return active, others
}

// shouldLeave reports whether something may be better than the daemon in use, which answers.
func (r *round) shouldLeave(active *candidate, others []candidate) bool {
	lags := false
	for _, u := range others {
		lags = lags || ahead(u.info, active.info)
	}
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	now := r.p.now()
	switch {
	case !lags:
		active.lagSince = time.Time{}
	case active.lagSince.IsZero():
		active.lagSince = now
	}
	return !active.info.Synced || lags && now.Sub(active.lagSince) >= lagFor
}

func ahead(u, active Info) bool { return u.Synced && u.Height > active.Height+maxLag }

// better reports whether leaving a daemon that answers for u is worth it.
func better(u, active Info) bool { return ahead(u, active) || u.Synced && !active.Synced }

var errFork = errors.New("it does not have our blocks")

// onOurChain checks that c has the block we have 11 below our tip. It wraps errFork if and only if c answered and
// does not.
func (r *round) onOurChain(ctx context.Context, c *Client) error {
	if !r.haveTip || r.ours == nil {
		return nil
	}
	height := r.tip - min(r.tip, safety)
	want, ok, err := r.ours(ctx, height)
	if err != nil {
		return fmt.Errorf("read our block %d: %w", height, err)
	}
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	got, err := c.BlockHash(ctx, height)
	switch {
	case errors.Is(err, ErrTooHigh):
		return fmt.Errorf("%w: it is below block %d", errFork, height)
	case err != nil:
		return err
	case got != want:
		return fmt.Errorf("%w: its block %d is %s, ours %s", errFork, height, got, want)
	}
	return nil
}

// unavailable says why each daemon is of no use.
func (r *round) unavailable() error {
	var lines []string
	wrong := true
	for _, u := range r.p.ups {
		err := r.reasons[u]
		wrong = wrong && errors.Is(err, ErrWrongNetwork)
		lines = append(lines, reason(u.c, err))
	}
	err := fmt.Errorf("%w: no daemon can be used: %s", ons.ErrUnavailable, strings.Join(lines, "; "))
	if wrong {
		return &both{err, ErrWrongNetwork}
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

// Lookup makes Pool an ons.Source: it asks the daemon in use and, when that cannot say, the others in order. A daemon
// is asked only after it was found of the right network and trusted. That a name is not registered is believed only of
// a daemon that is synced; from another it wraps ons.ErrUnavailable.
func (p *Pool) Lookup(ctx context.Context, t ons.Type, h ons.Hash) (ons.Sealed, error) {
	p.mu.Lock()
	order := make([]*upstream, 0, len(p.ups))
	if p.active != nil {
		order = append(order, p.active)
	}
	for _, u := range p.ups {
		if u != p.active {
			order = append(order, u)
		}
	}
	p.mu.Unlock()
	r := round{p: p, reasons: make(map[*upstream]error)}
	for _, u := range order {
		s, err := p.lookup(ctx, u, t, h)
		if err == nil || errors.Is(err, ons.ErrNotFound) {
			return s, err
		}
		if ctx.Err() != nil {
			return ons.Sealed{}, fmt.Errorf("%w: %w", ons.ErrUnavailable, ctx.Err())
		}
		r.reasons[u] = err
	}
	return ons.Sealed{}, r.unavailable()
}

// fresh is for how long an answer to "how do you stand" serves lookups.
const fresh = 30 * time.Second

func (p *Pool) lookup(ctx context.Context, u *upstream, t ons.Type, h ons.Hash) (ons.Sealed, error) {
	p.mu.Lock()
	stale := u.when.IsZero() || p.now().Sub(u.when) >= fresh || u.err != nil
	p.mu.Unlock()
	if stale {
		p.ask(ctx, u)
	}
	p.mu.Lock()
	err, synced := u.err, u.info.Synced
	if err == nil && p.want == "" {
		p.want, p.genes = u.id.Network, u.id.Genesis
	}
	p.mu.Unlock()
	if err != nil {
		return ons.Sealed{}, err
	}
	s, err := u.c.Lookup(ctx, t, h)
	if errors.Is(err, ons.ErrNotFound) && !synced {
		return ons.Sealed{}, fmt.Errorf("%s: not registered as far as it knows, but it is still syncing", u.c)
	}
	return s, err
}
