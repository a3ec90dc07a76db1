package indexer

import (
	"context"
	"errors"
	"time"

	"onsight/ons"
)

// Point names one block of one chain.
type Point struct {
	Height uint64
	Hash   ons.Txid
}

// Block is one block as the index keeps it: where it stands and what its ONS transactions did.
type Block struct {
	Point
	Time    int64        // Unix seconds, as the block says
	Records []ons.Record // one per applied ONS transaction, in the block's order
	Moves   []uint32     // TxIndex of those of Records that are updates which changed the owner, rising
	Skips   []Skip       // ONS transactions that could not be applied
	Digest  ons.Txid     // running digest after this block; zero unless it has Records (see Digest)
}

// Skip is an ONS transaction that was left out, and why.
type Skip struct {
	Txid   ons.Txid
	Reason string // one line, no secrets
}

// Phase says how the index stands to the chain it follows.
type Phase string

const (
	Syncing        Phase = "syncing"          // blocks are missing
	Synced         Phase = "synced"           // the tip is the daemon's
	ForkBelowFinal Phase = "fork_below_final" // the daemon's chain contradicts a final block: nothing is written until someone decides
)

// State is what the writer knows beside blocks and records. It is stored as a whole with every Range.
type State struct {
	Network ons.Network // "" means nothing was ever stored
	Genesis ons.Txid
	Year    uint64 // lokinet year in blocks where a flag set it; 0: the network's constant
	Start   uint64 // first height that is indexed: the ONS fork
	Final   uint64 // highest height known to be immutable; 0: none
	Target  uint64 // height of the best daemon's newest block when it was last asked
	Phase   Phase
	Asked   time.Time // when a daemon last answered

	// Filled by the store on reading, ignored on writing.
	Tip     *Point // newest block of the index; nil while there is none
	TipTime int64
	Digest  ons.Txid // running digest at the tip
}

// Range is one atomic step of the index: everything above Base is replaced by Blocks.
type Range struct {
	Base   *Point  // the stored block this range stands on; nil: none, the index begins with Blocks[0]
	Blocks []Block // consecutive heights from Base.Height+1 (or from any height when Base is nil); may be empty
	Keep   uint64  // blocks at or above this height keep their row even without records: the window in which forks are found exactly
	State  State   // stored as it is
}

var (
	// ErrFenced is returned by Commit if and only if another writer has taken over since the epoch was handed out.
	ErrFenced = errors.New("another writer has taken over this database")
	// ErrBase is returned by Commit if and only if Base is not a stored block, so the range does not fit.
	ErrBase = errors.New("the range does not stand on a stored block")
)

// Store is what the indexer needs of its database. internal/store implements it.
type Store interface {
	// State returns what the last Commit stored; the zero State when there is none.
	State(ctx context.Context) (State, error)
	// Points returns at most limit stored blocks at or below height, newest first. Not every height is stored.
	Points(ctx context.Context, height uint64, limit int) ([]Point, error)
	// Current returns, of each key that has one, the newest record made at or below height, expired or not. The height
	// lets records be read as they were below blocks that are about to be replaced.
	Current(ctx context.Context, keys []ons.Key, height uint64) (map[ons.Key]ons.Record, error)
	// DigestAt returns the running digest after the block at height; the zero Txid when no record was made by then.
	DigestAt(ctx context.Context, height uint64) (ons.Txid, error)
	// Commit applies r in one transaction or not at all. Rows above r.Base are removed and, if there were any, the
	// removal is written to the reorg log. It returns ErrFenced or ErrBase, both without having changed anything.
	Commit(ctx context.Context, epoch uint64, r Range) error
}

// Delta is what a reader has to do to its copy: drop what is above Base (everything when Full), then add Records.
type Delta struct {
	Seq     uint64       // what the reader knows afterwards
	Full    bool         // start from nothing; Base means nothing
	Base    uint64       // height; everything above it is dropped
	Records []ons.Record // all above Base, in the chain's order; with Full all there are
	Times   []int64      // of each of Records, what its block says when it was made, Unix seconds; nil: not known
	Tip     *Point       // newest block; nil while there is none. The same as State.Tip
	State   State
}
