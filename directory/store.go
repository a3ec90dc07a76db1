package directory

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

// Position is how far the list is followed. It is stored as a whole with every Round.
type Position struct {
	Network ons.Network // "" means that nothing was ever stored
	Genesis ons.Txid
	Point             // newest block whose list is stored; zero: none
	Time    time.Time // of that block
	Testing bool      // the daemon that gave the list is a service node
	Asked   time.Time // when a daemon last answered

	// Filled by the store on reading, ignored on writing.
	Seq    uint64        // of the newest event
	Commit uint64        // rises with each Round, Probed and enrolment
	Every  time.Duration // of the newest Probed; 0: none was stored
}

// Round is one atomic step of the list: everything that rounds above Base did is undone, then Nodes and Events are
// written. One whose point is Base's stores the Position only.
type Round struct {
	Base     *Point // the stored point it stands on; nil: none, and points stored before are forgotten, nodes and events not
	Position Position
	Nodes    []Change
	Events   []Event
	Reasons  []Event // reasons found out later: those of the event with the same key, kind and height
	Final    uint64  // points below the newest one at or below it will not be asked for again
}

// Change is a node as it is from now on.
type Change struct {
	Node Node
	// Fleeting: only that changed which the next list says anyway (credit, rewards, proof, reach), so that there is nothing
	// to undo.
	Fleeting bool
}

// Ring numbers: which Span a stored Ring has.
const (
	ChecksRing = iota
	HoursRing
	DaysRing
	Rings
)

// Trace is what the checks of one node from one vantage point came to.
type Trace struct {
	Key      Key
	Vantage  string // Here, or the name of a Prober
	Estimate Estimate
	Rings    [Rings][]byte // as Ring.MarshalBinary writes them; nil: as it was
}

// Probed is what one round of probes, or one report of a Prober, changes.
type Probed struct {
	Vantage  string
	Sequence uint64 // of the report; ignored for Here
	At       time.Time
	Every    time.Duration // between two checks of a node
	Traces   []Trace
}

// Changes is what a reader has to do to its copy: replace what is in here. With Full it starts from nothing.
type Changes struct {
	Full     bool
	Position Position
	Nodes    []Node  // LastSeen of those that are not gone is the Position's
	Traces   []Trace // without rings
	Probers  []Prober
}

var (
	// ErrFenced is returned if and only if another writer has taken over since the epoch was handed out, or none was: by a
	// Directory that only reads.
	ErrFenced = errors.New("not the writer of this database: another one has taken over, or it is only read here")
	// ErrBase is returned by CommitNodes if and only if Base is not a stored point, so that the round does not fit.
	ErrBase = errors.New("the round does not stand on a stored point")
	// ErrSequence is returned by CommitProbes if and only if a report's sequence does not rise.
	ErrSequence = errors.New("the report is not newer than the last one")
	// ErrNotEnrolled is returned for a vantage point that is neither Here nor an enrolled prober.
	ErrNotEnrolled = errors.New("the prober is not enrolled")
)

// Store is what a Directory needs of its database. internal/store implements it.
type Store interface {
	// NodesSince returns what changed after a commit, read at one moment; 0 knows nothing.
	NodesSince(ctx context.Context, commit uint64) (Changes, error)
	// NodePoints returns at most limit points that a Round may stand on, at or below height, newest first.
	NodePoints(ctx context.Context, height uint64, limit int) ([]Point, error)
	// NodesAt returns all nodes as they were at a stored point but for what is fleeting, which is of now. The error wraps
	// ErrBase if the point is not stored.
	NodesAt(ctx context.Context, at Point) ([]Node, error)
	// CommitNodes applies r in one transaction or not at all. The errors ErrFenced and ErrBase have changed nothing.
	CommitNodes(ctx context.Context, epoch uint64, r Round) error
	// NodeEvents returns the first limit rows of the log after a number: of one node, or with nil all.
	NodeEvents(ctx context.Context, key *Key, after uint64, limit int) ([]Stored, error)

	// Rings returns the rings with a number of the given nodes at a vantage point; of a node without one, nothing.
	// They are as Ring.MarshalBinary wrote them.
	Rings(ctx context.Context, vantage string, ring int, keys []Key) (map[Key][]byte, error)
	// CommitProbes applies p in one transaction or not at all. The errors ErrFenced, ErrSequence and ErrNotEnrolled have
	// changed nothing.
	CommitProbes(ctx context.Context, epoch uint64, p Probed) error
}
