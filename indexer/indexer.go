package indexer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"onsight/internal/oxend"
	"onsight/ons"
)

const (
	defaultBatch   = 1000
	defaultWorkers = 4
	defaultKeep    = 4096
)

var (
	// ErrOtherNetwork is returned by Sync if and only if the daemon's network or genesis is not the one that is stored or
	// asked for.
	ErrOtherNetwork = errors.New("this database belongs to another network")
	// ErrOtherYear is returned by Sync if and only if Config.Year is not the one that the index was begun with.
	ErrOtherYear = errors.New("the index was begun with another lokinet year")
	// ErrNoFork is returned by Sync when the daemon knows no height for the fork that brought ONS.
	ErrNoFork = fmt.Errorf("the network has no height for the ONS fork: %w", ons.ErrUnavailable)
	// ErrLying is returned by Sync when a daemon contradicts itself about the chain: not a reorganisation, not usable.
	ErrLying = fmt.Errorf("the daemon contradicts itself: %w", ons.ErrUnavailable)
	// ErrBelowStart is returned by Sync when the daemon's chain leaves ours below the first block of the index.
	ErrBelowStart = fmt.Errorf("the daemon's chain leaves the index below its first block, a new database would be needed: %w", ons.ErrUnavailable)
)

// Config says what an Indexer reads, writes and accepts.
type Config struct {
	Pool    *oxend.Pool // the daemons; required
	Store   Store       // required
	Epoch   uint64      // the writer epoch every Commit carries
	Network ons.Network // refuse any other; "": the stored one, or whatever the first daemon says
	Year    uint64      // blocks of one lokinet year where a network sets its own; 0: the network's constant

	// AcceptBelow lets a reorganisation undo final blocks if the newest common block is at or below this height.
	// 0: never.
	AcceptBelow uint64

	Batch   uint64 // blocks in one range, that is in one database transaction; 0: 1,000
	Workers int    // ranges fetched ahead in parallel; 0: 4
	Keep    uint64 // newest blocks whose hashes are all kept; 0: 4,096

	Log  *slog.Logger     // nil: silent
	Now  func() time.Time // nil: time.Now
	Step func(string)     // called with "fetch" before each range is asked for; nil: nothing

	// OnRange is called after each commit with what was written; nil: nothing. It must not keep the slices.
	OnRange func(Range)
}

// Indexer writes one index. Its methods do one round each and must not run concurrently.
type Indexer struct {
	Config
}

// New returns an Indexer over cfg. It does nothing yet.
func New(cfg Config) *Indexer {
	if cfg.Batch == 0 {
		cfg.Batch = defaultBatch
	}
	if cfg.Workers == 0 {
		cfg.Workers = defaultWorkers
	}
	if cfg.Keep == 0 {
		cfg.Keep = defaultKeep
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Step == nil {
		cfg.Step = func(string) {}
	}
	if cfg.OnRange == nil {
		cfg.OnRange = func(Range) {}
	}
	return &Indexer{Config: cfg}
}

// Sync brings the index to the daemon's tip and returns the state that is stored then, also with an error. Blocks that the
// daemon no longer has are undone. Everything written before an error stays and is continued from. The phase says whether
// the end was reached: a daemon that is still syncing itself takes the index only as far as it has come.
//
// A daemon that cannot do its work is left for another one of the pool, each once.
//
// Errors: those of the daemons wrap ons.ErrUnavailable, among them ErrNoFork, ErrLying and ErrBelowStart; a chain that
// leaves ours below a final block gives a *FinalError; ErrOtherNetwork, ErrOtherYear; the store's, such as ErrFenced.
func (x *Indexer) Sync(ctx context.Context) (State, error) {
	var moved, forks, failed int
	for {
		st, err := x.Store.State(ctx)
		if err != nil {
			return State{}, err
		}
		step, err := x.round(ctx, st)
		if step.forked {
			forks++
		}
		switch {
		case err == nil && step.done:
			return x.Store.State(ctx)
		case err == nil && forks <= maxForks:
			moved = 0
			continue
		case err == nil:
			err = fmt.Errorf("%d reorganisations in one round: %w", forks, ErrLying)
		case errors.Is(err, errMoved) && moved < maxMoved && ctx.Err() == nil:
			moved++ // read again: a reorganisation looks like this, a lie stays
			continue
		case errors.Is(err, errMoved):
			err = fmt.Errorf("%w: %w", err, ErrLying)
		}
		if step.client != nil && blames(err) && ctx.Err() == nil {
			x.Pool.Failed(step.client, err)
			if failed++; failed < x.Pool.Len() {
				continue
			}
		}
		if now, err := x.Store.State(ctx); err == nil {
			st = now
		}
		return st, err
	}
}

const (
	maxMoved = 3 // times the same stretch is read again because it did not fit together
	maxForks = 3 // reorganisations that one Sync follows: an honest chain has one
)

// errMoved is returned by round when the chain it read stopped fitting together, as it does when it is reorganised
// between two requests.
var errMoved = errors.New("the chain changed while it was read")

// blames reports whether an error may be the daemon's fault, so that another one is worth asking.
func blames(err error) bool {
	var final *FinalError
	return errors.Is(err, ons.ErrUnavailable) || errors.Is(err, ErrOtherNetwork) || errors.As(err, &final)
}

// step is what a round came to.
type step struct {
	client *oxend.Client // the daemon that was followed; nil if none was found
	forked bool          // blocks were undone
	done   bool          // nothing is left to do
}

// round takes the index from st to the tip the daemon has now.
func (x *Indexer) round(ctx context.Context, st State) (step, error) {
	ours, err := x.below(ctx, st)
	if err != nil {
		return step{}, err
	}
	pick, err := x.Pool.Pick(ctx, ours)
	if err != nil {
		return step{}, err
	}
	s, stored := step{client: pick.Client}, st
	if err := x.adopt(pick, &st); err != nil {
		return s, err
	}
	top := pick.Info.Height - 1
	st.Target, st.Asked = max(pick.Best, top), x.Now()
	if st.Tip == nil {
		if err := x.begin(ctx, pick, &st); err != nil {
			return s, err
		}
	}
	if st.Tip == nil { // the fork that brings ONS is still ahead
		st.Phase = end(pick)
		s.done = true
		return s, x.commit(ctx, &st, Range{})
	}

	base, forked, err := x.common(ctx, pick, *st.Tip)
	if err != nil {
		return s, err
	}
	if !forked && top <= st.Tip.Height {
		// The daemon has what we have, or less of it: being behind is no contradiction, so nothing is undone.
		s.done = true
		return s, x.settle(ctx, pick, stored, &st)
	}
	if forked {
		if err := x.allow(ctx, base, &st); err != nil {
			return s, err
		}
		x.Log.Warn("reorganisation", "fork", base.Height, "undone", st.Tip.Height-base.Height, "target", st.Target)
		s.forked = true
	}
	return s, x.follow(ctx, pick, base, &st) // and once more: the chain went on meanwhile
}

// lagging is how many blocks the daemon in use may be behind the best one before its tip is no end to speak of.
const lagging = 3

// end is the phase at the daemon's tip: a daemon that is itself behind is no authority on what is not registered.
func end(pick oxend.Choice) Phase {
	if pick.Info.Synced && pick.Best <= pick.Info.Height-1+lagging {
		return Synced
	}
	return Syncing
}

// depth is how far below our tip a daemon must agree with us (specification D.3: reorganisations of a healthy network
// end there).
const depth = 11

// below is the newest stored block at least depth under our tip; nil while there is none.
func (x *Indexer) below(ctx context.Context, st State) (*oxend.Point, error) {
	if st.Tip == nil {
		return nil, nil
	}
	return x.stored(ctx, st.Tip.Height-min(st.Tip.Height, depth))
}

// stored is the newest stored block at or below height; nil if there is none.
func (x *Indexer) stored(ctx context.Context, height uint64) (*oxend.Point, error) {
	points, err := x.Store.Points(ctx, height, 1)
	if err != nil || len(points) == 0 {
		return nil, err
	}
	return &oxend.Point{Height: points[0].Height, Hash: points[0].Hash}, nil
}

// adopt holds a daemon to the network of the index, or takes its network over for an index that is empty.
func (x *Indexer) adopt(pick oxend.Choice, st *State) error {
	id := pick.Identity
	if x.Network != "" && x.Network != id.Network {
		return fmt.Errorf("%s: follows %s, not %s: %w", pick.Client, id.Network, x.Network, ErrOtherNetwork)
	}
	if st.Network == "" {
		st.Network, st.Genesis, st.Year = id.Network, id.Genesis, x.Year
	}
	if id.Network != st.Network || id.Genesis != st.Genesis {
		return fmt.Errorf("%s: follows %s with genesis %s, the index %s with genesis %s: %w",
			pick.Client, id.Network, id.Genesis, st.Network, st.Genesis, ErrOtherNetwork)
	}
	if x.Year != 0 && x.Year != st.Year {
		began := ons.Rules{Network: st.Network, Year: st.Year}.Blocks(uint8(ons.Lokinet))
		return fmt.Errorf("%w: of %d blocks, not %d: use a new database", ErrOtherYear, began, x.Year)
	}
	return nil
}

// begin finds where ONS begins and stores the block before it, on which everything else will stand.
func (x *Indexer) begin(ctx context.Context, pick oxend.Choice, st *State) error {
	fork, err := pick.Client.ONSFork(ctx)
	if err != nil {
		return err
	}
	if !fork.Known {
		return fmt.Errorf("%s: %w", pick.Client, ErrNoFork)
	}
	st.Start = fork.Earliest
	anchor := st.Start - min(st.Start, 1)
	if pick.Info.Height <= anchor {
		return nil
	}
	p, err := fetch(ctx, pick.Client, anchor, anchor)
	if err != nil {
		return err
	}
	if anchor < st.Start {
		p.ops[0] = nil // before the fork an ONS field means nothing
	}
	st.Phase = Syncing
	return x.write(ctx, st, newRun(ons.Txid{}), nil, p)
}

// follow writes the blocks above base up to the daemon's tip.
func (x *Indexer) follow(ctx context.Context, pick oxend.Choice, base Point, st *State) error {
	top := pick.Info.Height - 1
	digest := st.Digest
	if base != *st.Tip { // what stands above base is being replaced
		var err error
		if digest, err = x.Store.DigestAt(ctx, base.Height); err != nil {
			return err
		}
	}
	n := newRun(digest)
	was := st.Phase
	st.Phase = Syncing
	if was == Synced && top > st.Tip.Height+lagging {
		// Readers must know that blocks are missing even if none of them can be had.
		if err := x.commit(ctx, st, Range{Base: st.Tip}); err != nil {
			return err
		}
	}
	return ahead(ctx, pick.Client, base.Height+1, top, x.Batch, x.Workers, x.Step, func(p page) error {
		if p.prev != base.Hash {
			return fmt.Errorf("block %d: prev_hash %s is not the hash %s of block %d: %w",
				p.blocks[0].Height, p.prev, base.Hash, base.Height, errMoved)
		}
		if last := p.blocks[len(p.blocks)-1].Point; last.Height == top {
			if last.Hash != pick.Info.TopHash {
				return fmt.Errorf("block %d: %s in the chain, %s in get_info: %w", last.Height, last.Hash, pick.Info.TopHash, errMoved)
			}
			st.Phase = end(pick)
		}
		at := base
		if err := x.write(ctx, st, n, &at, p); err != nil {
			return err
		}
		base = *st.Tip
		return nil
	})
}

// write applies a page to the records below it and commits it on top of base.
func (x *Indexer) write(ctx context.Context, st *State, n *run, base *Point, p page) error {
	if err := x.apply(ctx, n, base, ons.Rules{Network: st.Network, Year: st.Year}, p); err != nil {
		return err
	}
	if err := x.commit(ctx, st, Range{Base: base, Blocks: p.blocks}); err != nil {
		return err
	}
	last := p.blocks[len(p.blocks)-1]
	tip := last.Point // a copy: the block holds records
	st.Tip, st.TipTime, st.Digest = &tip, last.Time, n.digest
	return nil
}

// commit stores a range together with st.
func (x *Indexer) commit(ctx context.Context, st *State, r Range) error {
	if st.Target > x.Keep {
		r.Keep = st.Target - x.Keep
	}
	r.State = *st
	if err := x.Store.Commit(ctx, x.Epoch, r); err != nil {
		return err
	}
	x.OnRange(r)
	return nil
}

// askedEvery is how soon it is stored that nothing is new: whoever reads the index judges by it how old what he has may be.
const askedEvery = 20 * time.Second

// settle stores that the daemon's tip was reached, when that says anything new.
func (x *Indexer) settle(ctx context.Context, pick oxend.Choice, stored State, st *State) error {
	st.Phase = end(pick)
	if err := x.finalise(ctx, pick.Info, st); err != nil {
		return err
	}
	if stored.Phase == st.Phase && stored.Final == st.Final && stored.Target == st.Target && st.Asked.Sub(stored.Asked) < askedEvery {
		return nil
	}
	return x.commit(ctx, st, Range{Base: st.Tip})
}
