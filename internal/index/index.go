package index

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"onsight/indexer"
	"onsight/ons"
)

// Feed tells what changed. Since returns what a reader that knows seq (0: nothing) must do to its copy; the records become
// the index's own. internal/store implements it.
type Feed interface {
	Since(ctx context.Context, seq uint64) (indexer.Delta, error)
}

// Index is a copy of a feed in memory. All methods may be called from any number of goroutines.
type Index struct {
	feed   Feed
	newest atomic.Pointer[Snapshot]

	mu sync.Mutex // held while a snapshot is made from the newest one and put in its place
}

var _ ons.Source = (*Index)(nil)

// New returns an empty index over feed; Load fills it.
func New(feed Feed) *Index {
	seed := maphash.MakeSeed()
	return newIndex(feed, func(o *ons.Owner) uint64 { return maphash.Comparable(seed, *o) })
}

// newIndex lets tests choose how owners are hashed.
func newIndex(feed Feed, hash func(*ons.Owner) uint64) *Index {
	x := &Index{feed: feed}
	x.newest.Store(&Snapshot{hash: hash})
	return x
}

// Load asks the feed once what changed and swaps in the snapshot that knows it. Calls follow one another; readers never
// wait. After an error the newest snapshot is the one from before.
func (x *Index) Load(ctx context.Context) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	old := x.newest.Load()
	d, err := x.feed.Since(ctx, old.seq)
	if err != nil {
		return fmt.Errorf("load index: %w", err)
	}
	if !d.Full && d.Seq == old.seq {
		return nil
	}
	next, err := old.next(&d)
	if err != nil {
		return fmt.Errorf("load index: %w", err)
	}
	x.newest.Store(next)
	return nil
}

// Snapshot returns the newest snapshot; an empty one before the first Load. It never waits.
func (x *Index) Snapshot() *Snapshot { return x.newest.Load() }

// Lookup returns the sealed value of a name that lives in the block after the index's newest one. The error wraps
// ons.ErrNotFound if and only if the index had every block when it last heard of the chain and the name does not live;
// otherwise it wraps ons.ErrUnavailable: the index is empty, or lacks blocks that may hold the name. How long ago that
// was, State().Asked tells. The value is shared: it must not be written to.
func (x *Index) Lookup(_ context.Context, t ons.Type, h ons.Hash) (ons.Sealed, error) {
	s := x.Snapshot()
	if s.state.Tip == nil {
		return ons.Sealed{}, fmt.Errorf("%w: the index has no blocks yet", ons.ErrUnavailable)
	}
	if r := s.Record(ons.Key{Type: t, Hash: h}); r != nil && r.Live(s.state.Tip.Height+1) {
		return r.Sealed, nil
	}
	if s.state.Phase != indexer.Synced {
		return ons.Sealed{}, fmt.Errorf("%w: not registered by block %d, and the index lacks blocks (%s)", ons.ErrUnavailable,
			s.state.Tip.Height, s.state.Phase)
	}
	return ons.Sealed{}, ons.ErrNotFound
}
