package directory

import (
	"crypto/ed25519"
	"slices"
	"strconv"
	"time"

	"onsight/ons"
)

// Snapshot is the directory at one moment. It is shared by all who read it and never changes.
type Snapshot struct {
	At      Moment // newest block that was followed, and its time
	Hash    string // of that block
	Network ons.Network

	Observed bool      // a list was ever read; without, everything else is zero
	Testing  bool      // the daemon asked is a service node: its Reach fields mean something
	Asked    time.Time // when a daemon last answered

	Entries []Entry // by key, those that are gone included
	Probers []Prober

	Seq    uint64 // of the newest event
	Commit uint64 // of the newest change that is in here; equal numbers of one database mean equal nodes and measurements
}

// Entry returns the node with a key, or nil. It is not to be changed.
func (s *Snapshot) Entry(k Key) *Entry {
	i, found := slices.BinarySearchFunc(s.Entries, k, func(e Entry, k Key) int { return e.Node.Key.Compare(k) })
	if !found {
		return nil
	}
	return &s.Entries[i]
}

// Stored is one row of the log of events. A reorganisation takes rows back: they are deleted, and a row of KindUndone
// says which, so that who follows the log by Seq learns of it.
type Stored struct {
	Seq uint64 // from 1, rising; numbers of deleted rows are not used again
	Event
}

// KindUndone is the Kind of a row of the log that belongs to no node: a reorganisation took back the rows From to To,
// both included, and the blocks above Height.
const KindUndone Kind = "undone"

// Text says s in one sentence.
func (s Stored) Text() string {
	if s.Kind == KindUndone {
		return "A reorganisation replaced what was above block " + strconv.FormatUint(s.Height, 10) + ": events " + s.From + " to " + s.To +
			" did not happen."
	}
	return s.Event.Text()
}

// Here is the vantage point of this machine: its name in the store and in histories.
const Here = "here"

// Check is a Sample and whose it is: what a round of probes, or a report, gives of one node. (A Result is a query's.)
type Check struct {
	Key    Key
	Sample Sample
}

// Prober is an enrolled vantage point other than Here.
type Prober struct {
	Name     string // not empty; what its measurements are stored under
	Key      ed25519.PublicKey
	Sequence uint64    // of its newest report; the next one's is greater
	Enrolled time.Time // when
	Reported time.Time // when its newest report came; zero: none did
}
