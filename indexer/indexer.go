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

// The ONS fork, and the last version of the protocol that is known to exist (specification D.1, G).
const (
	onsFork  = 15
	lastFork = 21
)

var (
	// ErrOtherNetwork is returned by Sync if and only if the daemon's network or genesis is not the one that is stored.
	ErrOtherNetwork = errors.New("this database belongs to another network")
	// ErrNoFork is returned by Sync when the daemon knows no height for the fork that brought ONS.
	ErrNoFork = errors.New("the network has no height for the ONS fork")
	// ErrLying is returned by Sync when a daemon contradicts itself about the chain: not a reorganisation, not usable.
	ErrLying = errors.New("the daemon contradicts itself")
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
	known *oxend.Client // the daemon whose identity was checked last
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

// Sync brings the index to the daemon's tip and returns the state it reached, which on an error is the last one stored.
// Blocks that the daemon no longer has are undone. Everything written before an error stays and is continued from.
//
// Errors: those of the daemon wrap ons.ErrUnavailable; ErrOtherNetwork, ErrNoFork, ErrLying, *FinalError; ErrFenced.
func (x *Indexer) Sync(ctx context.Context) (State, error) {
	st, err := x.Store.State(ctx)
	if err != nil {
		return State{}, err
	}
	for stuck := 0; ; {
		before := st.Tip
		done, err := x.round(ctx, &st)
		if err == nil && done {
			return st, nil
		}
		// A chain that moved between two requests is read again, as long as that leads somewhere.
		if err != nil && (!errors.Is(err, errMoved) || stuck == 3) {
			if errors.Is(err, errMoved) {
				err = fmt.Errorf("%w: %w", ErrLying, err)
			}
			return st, err
		}
		if stuck++; before == nil || st.Tip == nil || *before != *st.Tip {
			stuck = 0
		}
	}
}

// errMoved is returned by round when the chain it read stopped fitting together, as it does when it is reorganised
// between two requests.
var errMoved = errors.New("the chain changed while it was read")

// round takes st to the tip the daemon has now. It reports whether there is nothing left to do.
func (x *Indexer) round(ctx context.Context, st *State) (bool, error) {
	var tip uint64
	if st.Tip != nil {
		tip = st.Tip.Height
	}
	c, info, err := x.Pool.Pick(ctx, tip, st.Tip != nil, x.ours)
	if err != nil {
		return false, err
	}
	if info.Height == 0 {
		return false, fmt.Errorf("%s: reports a chain without blocks: %w", c, ons.ErrUnavailable)
	}
	if err := x.identify(ctx, c, st); err != nil {
		return false, err
	}
	if st.Tip == nil {
		if err := x.begin(ctx, c, info, st); err != nil {
			return false, err
		}
	}
	st.Target, st.Asked = info.Height-1, x.Now()
	if st.Tip == nil {
		st.Phase = Synced // the fork that brings ONS is still ahead
		return true, x.commit(ctx, st, Range{})
	}

	base, forked, err := x.common(ctx, c, info, *st.Tip)
	if err != nil {
		return false, err
	}
	if !forked && st.Target <= st.Tip.Height {
		// The daemon has what we have, or less of it: being behind is no contradiction, so nothing is undone.
		return true, x.settle(ctx, info, st)
	}
	if forked {
		if err := x.allow(ctx, base, st); err != nil {
			return false, err
		}
		x.Log.Warn("reorganisation", "fork", base.Height, "undone", st.Tip.Height-base.Height, "target", st.Target)
	}
	if err := x.follow(ctx, c, base, info, st); err != nil {
		return false, err
	}
	return false, nil // once more: the chain went on meanwhile
}

// ours gives our block hash at a height, if it is one of those that are stored.
func (x *Indexer) ours(ctx context.Context, height uint64) (ons.Txid, bool, error) {
	points, err := x.Store.Points(ctx, height, 1)
	if err != nil || len(points) == 0 || points[0].Height != height {
		return ons.Txid{}, false, err
	}
	return points[0].Hash, true, nil
}

// identify refuses a daemon of another network than the stored one, and takes over the first one's.
func (x *Indexer) identify(ctx context.Context, c *oxend.Client, st *State) error {
	if c == x.known {
		return nil
	}
	id, err := oxend.Identify(ctx, c)
	if err != nil {
		return err
	}
	if x.Network != "" && x.Network != id.Network {
		return fmt.Errorf("%s: follows %s, not %s: %w", c, id.Network, x.Network, ErrOtherNetwork)
	}
	if st.Network == "" {
		st.Network, st.Genesis, st.Year = id.Network, id.Genesis, x.Year
	}
	if id.Network != st.Network || id.Genesis != st.Genesis {
		return fmt.Errorf("%s: follows %s with genesis %s, the index %s with genesis %s: %w",
			c, id.Network, id.Genesis, st.Network, st.Genesis, ErrOtherNetwork)
	}
	if x.Year != 0 && x.Year != st.Year {
		return fmt.Errorf("the index was made with a lokinet year of %d blocks, not %d: use a new database", st.Year, x.Year)
	}
	x.known = c
	return nil
}

// begin finds where ONS begins and stores the block before it, on which everything else will stand.
func (x *Indexer) begin(ctx context.Context, c *oxend.Client, info oxend.Info, st *State) error {
	start, err := forkHeight(ctx, c)
	if err != nil {
		return err
	}
	st.Start = start
	anchor := start
	if anchor > 0 {
		anchor--
	}
	if info.Height <= anchor {
		return nil
	}
	p, err := fetch(ctx, c, anchor, anchor)
	if err != nil {
		return err
	}
	if start > 0 {
		p.ops[0] = nil // before the fork an ONS field means nothing
	}
	st.Phase = Syncing
	return x.write(ctx, st, newRun(ons.Txid{}), nil, p)
}

// forkHeight asks from which height on names can be registered. A network may have skipped that fork number, in which
// case the next one that it has brought ONS with it.
func forkHeight(ctx context.Context, c *oxend.Client) (uint64, error) {
	for version := uint8(onsFork); version <= lastFork; version++ {
		fork, err := c.HardFork(ctx, version)
		if err != nil {
			return 0, err
		}
		if fork.Known {
			return fork.Earliest, nil
		}
	}
	return 0, fmt.Errorf("%s: %w", c, ErrNoFork)
}

// follow writes the blocks above base up to the tip of info.
func (x *Indexer) follow(ctx context.Context, c *oxend.Client, base Point, info oxend.Info, st *State) error {
	digest := st.Digest
	if base != *st.Tip { // what stands above base is being replaced
		var err error
		if digest, err = x.Store.DigestAt(ctx, base.Height); err != nil {
			return err
		}
	}
	n := newRun(digest)
	st.Phase = Syncing
	return ahead(ctx, c, base.Height+1, info.Height-1, x.Batch, x.Workers, x.Step, func(p page) error {
		if p.prev != base.Hash {
			return fmt.Errorf("block %d: prev_hash %s is not the hash %s of block %d: %w",
				p.blocks[0].Height, p.prev, base.Hash, base.Height, errMoved)
		}
		if last := p.blocks[len(p.blocks)-1].Point; last.Height == st.Target {
			if last.Hash != info.TopHash {
				return fmt.Errorf("block %d: %s in the chain, %s in get_info: %w", last.Height, last.Hash, info.TopHash, errMoved)
			}
			st.Phase = Synced
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
	st.Tip, st.TipTime, st.Digest = &last.Point, last.Time, n.digest
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

// settle stores that the tip was reached, when that says anything new.
func (x *Indexer) settle(ctx context.Context, info oxend.Info, st *State) error {
	stored, err := x.Store.State(ctx)
	if err != nil {
		return err
	}
	st.Phase = Synced
	if err := x.finalise(ctx, info, st); err != nil {
		return err
	}
	if stored.Phase == st.Phase && stored.Final == st.Final && stored.Target == st.Target && st.Asked.Sub(stored.Asked) < time.Minute {
		return nil
	}
	return x.commit(ctx, st, Range{Base: st.Tip})
}
