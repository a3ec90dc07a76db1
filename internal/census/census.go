// Package census is what can be asked of all names together, rather than of one: lists of those that changed last or end
// soonest, and statistics. It reads a [Registry], which is in memory, and bounds how much of it a page of a list costs.
//
// Names themselves are not on the chain: what is listed are their hashes.
package census

import (
	"iter"

	"onsight/ons"
)

// Registry is the index after one block. Records it gives are not written to. internal/index's Snapshot implements it.
type Registry interface {
	// Record returns the newest record of a key, expired or not; nil if it has none. It is one that Chain gives.
	Record(ons.Key) *ons.Record
	// Records returns the newest records of all names, expired or not.
	Records() iter.Seq[*ons.Record]
	// Chain returns all records of all names in the chain's order.
	Chain() iter.Seq[*ons.Record]
	// Before returns those of Chain that stand before a height and a transaction in its block, the last ones first.
	Before(height uint64, txIndex uint32) iter.Seq[*ons.Record]
	// Ending returns the newest records that expire at or above a height, the soonest first, those of one height in order of type
	// and hash; those of that very height behind a key, or all for nil.
	Ending(from uint64, after *ons.Key) iter.Seq[*ons.Record]
	// Time returns what the block at a height says when it was made, in Unix seconds; false if that is not known.
	Time(height uint64) (int64, bool)
}

// Now is the block after which a Registry is as it is.
type Now struct {
	Height uint64
	Start  uint64 // first height with names: that of hard fork 15
	Rules  ons.Rules
}

// next is the height at which names are judged: the number of blocks as get_info counts them.
func (n Now) next() uint64 { return n.Height + 1 }
