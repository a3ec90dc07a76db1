package directory

import (
	"context"
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
	Pool    *oxend.Pool   // the daemons; nil: Refresh cannot be called
	Epoch   uint64        // the writer epoch that every commit carries; 0: it only reads
	Network ons.Network   // refuse any other; "": the stored one, or whatever the first daemon says
	Every   time.Duration // between two checks of a node; 0: ten minutes
	Geo     *Geo          // nil: places are unknown

	Log *slog.Logger     // nil: silent
	Now func() time.Time // nil: time.Now
}

// Directory follows the list of nodes and keeps what was measured of them. Its methods do one round each and may be
// called from any number of goroutines; rounds that write follow one another.
type Directory struct {
	Config

	writing sync.Mutex // held by Refresh, and by Record from reading to commit
	loading sync.Mutex // guards what follows
	have    loaded

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
	d := &Directory{Config: cfg}
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

// Refresh does one round: it asks a daemon for the list if there is a new block, and commits what became of the nodes.
// What a reorganisation undid is undone and done anew. Then the commit is loaded. A list that has not changed costs one
// small request a daemon. Errors of the daemons wrap ons.ErrUnavailable.
func (d *Directory) Refresh(ctx context.Context) error { return nil }

// Load makes a Snapshot of what is committed, by whomever. When nothing is new that costs one small query.
func (d *Directory) Load(ctx context.Context) error { return nil }

// Record stores a round of checks from Here and loads it: estimates, histories, and the verdicts that follow. Checks of
// unknown nodes are left out.
func (d *Directory) Record(ctx context.Context, checks []Check) error {
	return d.record(ctx, Here, 0, checks)
}

// record is Record for any vantage point; sequence is that of its report.
func (d *Directory) record(ctx context.Context, vantage string, sequence uint64, checks []Check) error {
	return nil
}

// History returns a series of one node from one vantage point, zero times meaning all there is: three objects, from the
// finest (every check of three days) over hours (90 days) to days (five years).
func (d *Directory) History(ctx context.Context, key Key, vantage string, s Series, from, to time.Time) ([]Object, error) {
	return nil, nil
}

type loaded struct{}
