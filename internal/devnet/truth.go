package devnet

import (
	"bytes"
	"slices"
	"strings"

	"onsight/ons"
)

// Truth is what really happened to the names of a chain, kept by this package's own naive model and not by ons.Apply: what an index
// must come to. It follows the chain: after a Cut or a Reorg it says what is true then. Safe for concurrent use.
type Truth struct {
	c *Chain
}

// Truth returns the truth about a chain's names. Of a recording it knows only what the transactions say.
func (c *Chain) Truth() *Truth { return &Truth{c} }

// OpenName is a name whose current value really opens, and what it opens to.
type OpenName struct {
	Name   ons.Name
	Text   string // the value as people write it, on the chain's network
	Legacy bool   // sealed in the scheme of 2020
}

// Keys returns every key that ever had a record, in order of type and hash.
func (t *Truth) Keys() []ons.Key {
	t.c.mu.RLock()
	defer t.c.mu.RUnlock()
	keys := make([]ons.Key, 0, len(t.c.names.heads))
	for k := range t.c.names.heads {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b ons.Key) int {
		if a.Type != b.Type {
			return int(a.Type) - int(b.Type)
		}
		return bytes.Compare(a.Hash[:], b.Hash[:])
	})
	return keys
}

// Record returns a key's newest record, live or expired; false if it never had one.
func (t *Truth) Record(k ons.Key) (ons.Record, bool) {
	t.c.mu.RLock()
	defer t.c.mu.RUnlock()
	if head := t.c.names.head(k); head != nil {
		return head.Record, true
	}
	return ons.Record{}, false
}

// At returns a key's newest record as of the block at a height, live or expired; false if it had none yet.
func (t *Truth) At(k ons.Key, height uint64) (ons.Record, bool) {
	history := t.History(k)
	for i := len(history) - 1; i >= 0; i-- {
		if history[i].Updated <= height {
			return history[i], true
		}
	}
	return ons.Record{}, false
}

// History returns all records a key ever had, oldest first.
func (t *Truth) History(k ons.Key) []ons.Record {
	t.c.mu.RLock()
	defer t.c.mu.RUnlock()
	var list []ons.Record
	for _, r := range t.c.names.history(k) {
		list = append(list, r.Record)
	}
	return list
}

// Events returns how many operations were mined in all.
func (t *Truth) Events() int {
	t.c.mu.RLock()
	defer t.c.mu.RUnlock()
	return len(t.c.names.rows)
}

// Counts returns the live names of each type while the chain has the given number of blocks; false beyond the tip.
func (t *Truth) Counts(height uint64) ([3]uint64, bool) { return t.c.Counts(height) }

// Open returns the live names whose values were really sealed, in order of their text; of a recording none.
func (t *Truth) Open() []OpenName {
	t.c.mu.RLock()
	defer t.c.mu.RUnlock()
	if t.c.gen == nil {
		return nil
	}
	var list []OpenName
	for _, head := range t.c.names.heads {
		r := &t.c.names.rows[head]
		if o, ok := t.c.gen.opens[string(joinValue(r.Sealed))]; ok && alive(r.Expires, uint64(len(t.c.blocks))) && o.Name.Hash() == r.Hash {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b OpenName) int {
		if c := strings.Compare(a.Name.String(), b.Name.String()); c != 0 {
			return c
		}
		return int(a.Name.Type()) - int(b.Name.Type())
	})
	return list
}
