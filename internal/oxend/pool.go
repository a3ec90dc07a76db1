package oxend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"onsight/ons"
)

// What makes a pool leave a daemon that still answers.
const (
	maxLag   = 3                // blocks behind the best other …
	lagFor   = 60 * time.Second // … for this long
	askFor   = 3 * time.Second  // time for health questions to daemons that are not in use
	firstFor = 5 * time.Second  // the same while none is in use but another answered
	failRest = 30 * time.Second // a daemon that failed is left alone for so long while another can be used
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

	first time.Duration // firstFor

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
	onsFork  *Fork // where ONS begins on its chain; nil: not asked since its identity was checked
	info     Info
	err      error     // of the last question; nil: it answered and is of the right network
	when     time.Time // of the last question
	fault    error     // what it last failed at in use though it answers; nil: nothing
	faultAt  time.Time // when that was
	lagSince time.Time // since when it, in use, lags behind; zero: it does not
}

// faulty reports whether u failed in use a short while ago. It needs Pool.mu.
func (u *upstream) faulty(now time.Time) bool { return u.fault != nil && now.Sub(u.faultAt) < failRest }

// reason says why u is not to be used now; nil if nothing speaks against it. It needs Pool.mu.
func (u *upstream) reason(now time.Time) error {
	if u.err == nil && u.faulty(now) {
		return u.fault
	}
	return u.err
}

// UpstreamStatus says what a pool knows of one daemon.
type UpstreamStatus struct {
	URL    string      // without credentials
	Active bool        // it is the one in use
	Height uint64      // number of blocks when it last answered; 0: it never did
	Err    error       // why it is not used, as of the last question or Failed; nil: it can be, or was not asked
	When   time.Time   // of the last question; zero: none
	Net    ons.Network // as it last said; "": it never did
}

// NewPool returns a pool; it asks nothing yet.
func NewPool(c PoolConfig) (*Pool, error) {
	if len(c.Clients) == 0 {
		return nil, errors.New("no daemon to ask")
	}
	p := &Pool{now: c.Now, log: c.Log, first: firstFor, want: c.Want, genes: c.Genesis}
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
	out, now := make([]UpstreamStatus, len(p.ups)), p.now()
	for i, u := range p.ups {
		out[i] = UpstreamStatus{u.c.String(), u == p.active, u.info.Height, u.reason(now), u.when, u.info.Network}
	}
	return out
}

// Len returns how many daemons the pool has.
func (p *Pool) Len() int { return len(p.ups) }

// Failed tells the pool that c, which answers when asked how it stands, failed at its work with err. c is passed over
// for the next 30 seconds while another daemon qualifies; when none does it is used all the same.
func (p *Pool) Failed(c *Client, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range p.ups {
		if u.c != c {
			continue
		}
		if err == nil {
			err = errors.New("it failed in use")
		}
		if now := p.now(); !u.faulty(now) {
			p.log.Info("daemon is passed over", "daemon", c.String(), "reason", err.Error())
		}
		u.fault, u.faultAt, u.known, u.onsFork = err, p.now(), false, nil
	}
}

// askAll asks every daemon how it stands, all at the same time: the one in use as long as its client takes, the
// others not for long. Those that failed a short while ago are asked only if the one in use is of no use.
func (p *Pool) askAll(ctx context.Context) {
	p.mu.Lock()
	active, now := p.active, p.now()
	var others, rested []*upstream
	for _, u := range p.ups {
		switch {
		case u == active:
		case active != nil && u.err != nil && !u.when.IsZero() && now.Sub(u.when) < failRest:
			rested = append(rested, u)
		default:
			others = append(others, u)
		}
	}
	p.mu.Unlock()
	if active == nil {
		p.askFirst(ctx)
		return
	}
	var wg sync.WaitGroup
	for _, u := range others {
		wg.Go(func() { p.askBriefly(ctx, u, askFor) })
	}
	p.ask(ctx, ctx, active)
	wg.Wait()
	p.mu.Lock()
	lost := active.reason(p.now()) != nil
	p.mu.Unlock()
	if lost { // now every one counts
		for _, u := range rested {
			wg.Go(func() { p.askBriefly(ctx, u, p.first) })
		}
		wg.Wait()
	}
}

// askFirst asks every daemon while none is in use. Once one can be used, the others have only the rest of firstFor.
func (p *Pool) askFirst(ctx context.Context) {
	qctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	heard := make(chan *upstream)
	for _, u := range p.ups {
		go func() {
			p.ask(ctx, qctx, u)
			heard <- u
		}()
	}
	late := time.NewTimer(p.first)
	defer late.Stop()
	expired, usable := false, false
	for n := 0; n < len(p.ups); {
		select {
		case u := <-heard:
			n++
			p.mu.Lock()
			usable = usable || u.err == nil
			p.mu.Unlock()
		case <-late.C:
			expired = true
		}
		if expired && usable {
			cancel(lateError(p.first))
		}
	}
}

func (p *Pool) askBriefly(ctx context.Context, u *upstream, limit time.Duration) {
	qctx, cancel := context.WithTimeoutCause(ctx, limit, lateError(limit))
	defer cancel()
	p.ask(ctx, qctx, u)
}

// ask asks u, within qctx, how it stands and, if it failed since, who it is. What it hears counts only if the
// caller's ctx lives on: that a caller gave up says nothing about u.
func (p *Pool) ask(ctx, qctx context.Context, u *upstream) {
	p.mu.Lock()
	known, id := u.known, u.id
	p.mu.Unlock()
	info, err := u.c.Info(qctx)
	if err == nil && info.Untrusted {
		err = fmt.Errorf("%s: %w", u.c, ErrUntrusted)
	}
	asked := err == nil && (!known || id.Network != info.Network)
	if asked {
		id, err = identify(qctx, u.c, info)
	}
	if ctx.Err() != nil {
		return
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
	if asked || err != nil {
		u.onsFork = nil
	}
	u.err, u.known, u.id = err, err == nil, id
}

// fits needs mu.
func (p *Pool) fits(id Identity) error {
	if p.want != "" && id.Network != p.want {
		return fmt.Errorf("network is %s, not %s: %w", id.Network, p.want, ErrWrongNetwork)
	}
	if p.genes != (ons.Txid{}) && id.Genesis != p.genes {
		return fmt.Errorf("first block is %s, not %s: %w", id.Genesis, p.genes, ErrWrongNetwork)
	}
	return nil
}
