package directory

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"onsight/internal/oxend"
	"onsight/ons"
)

// Config says what a Directory reads, writes and accepts.
type Config struct {
	Store   Store         // required
	Pool    *oxend.Pool   // the daemons; nil: Refresh is an error
	Epoch   uint64        // the writer epoch that every commit carries; 0: it only reads, and recording is ErrFenced
	Network ons.Network   // refuse any other; "": the stored one, or whatever the first daemon says
	Every   time.Duration // between two checks of a node, as a writer records them; 0: ten minutes
	Geo     *Geo          // nil: places are unknown

	// AcceptBelow lets the list go on from a chain that has none of the blocks that could be gone back to, if the oldest of
	// them is at or below this height: what happened stays written, and nothing is undone. 0: never.
	AcceptBelow uint64

	Log *slog.Logger     // nil: silent
	Now func() time.Time // nil: time.Now
}

// Directory follows the list of nodes and keeps what was measured of them. Its methods do one round each and may be
// called from any number of goroutines; rounds that write the same follow one another.
type Directory struct {
	Config

	refresh sync.Mutex // held by Refresh, and guards asked
	asked   map[Key]asked

	recording sync.Mutex // held by Record, from reading to commit

	loading sync.Mutex // guards have; taken after the others
	have    have

	now atomic.Pointer[Snapshot]
}

// New returns a Directory over cfg. It does nothing yet: its snapshot is empty until Load or Refresh.
func New(cfg Config) *Directory {
	if cfg.Every <= 0 {
		cfg.Every = Checks.Interval
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	d := &Directory{Config: cfg, asked: map[Key]asked{}}
	d.have = have{traces: map[string]map[Key]Estimate{}, judge: NewJudge(cfg.Every)}
	d.now.Store(&Snapshot{Network: cfg.Network})
	return d
}

// Snapshot returns the newest snapshot, never nil.
func (d *Directory) Snapshot() *Snapshot { return d.now.Load() }

// Events returns the first limit rows of the log after a number, oldest first: of one node, or with nil all, those of
// KindUndone included.
func (d *Directory) Events(ctx context.Context, key *Key, after uint64, limit int) ([]Stored, error) {
	return d.Store.NodeEvents(ctx, key, after, limit)
}

var (
	// ErrOtherNetwork is returned by Refresh if and only if the daemon's network or genesis is not the one that is stored or
	// asked for.
	ErrOtherNetwork = errors.New("this directory is of another network")
	// ErrNoBase is returned by Refresh if and only if the daemon's chain has none of the blocks that could be gone back to.
	// Nothing was changed.
	ErrNoBase = errors.New("the daemon's chain leaves the directory's below a block that is final")

	errLying = errors.New("the daemon contradicts itself")
	errNone  = errors.New("no daemon is given")
)
