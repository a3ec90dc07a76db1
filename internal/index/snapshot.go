package index

import (
	"encoding/binary"

	"onsight/indexer"
	"onsight/ons"
)

// types is how many types of names there are.
const types = 3

// Snapshot is the registry after one commit. It never changes and may be read from any number of goroutines, for as long
// as anybody likes; what its methods return points into it and must not be changed.
type Snapshot struct {
	seq   uint64 // of the feed
	state indexer.State
	hash  func(*ons.Owner) uint64 // heads of owners

	records log[ons.Record]
	prev    log[uint32] // of each record, the place of the one before it of its key, plus one; 0: none
	names   [types]list // newest records by hash
	owners  list        // newest records by owner and backup owner
	ends    [types]list // newest records that expire, by the last height they live at
	counts  [types]uint64
}

// State returns what the writer stored, with the tip; the zero State when nothing was ever stored.
func (s *Snapshot) State() indexer.State { return s.state }

// Len returns how many keys there are, living or not.
func (s *Snapshot) Len() int {
	n := 0
	for t := range s.names {
		n += len(s.names[t].at)
	}
	return n
}

// Counts returns how many names of each type (session, wallet, lokinet) live in the block after the newest one, which is
// what get_info counts there.
func (s *Snapshot) Counts() [3]uint64 { return s.counts }

// Record returns the newest record of a key, expired or not; nil if there is none. It does not allocate.
func (s *Snapshot) Record(key ons.Key) *ons.Record {
	at, ok := s.find(key.Type, &key.Hash)
	if !ok {
		return nil
	}
	return s.records.at(at)
}

// History returns all records of a key, oldest first, across registrations; none is nil.
func (s *Snapshot) History(key ons.Key) []*ons.Record {
	at, ok := s.find(key.Type, &key.Hash)
	if !ok {
		return nil
	}
	n := 0
	for i := at + 1; i != 0; i = *s.prev.at(i - 1) {
		n++
	}
	out := make([]*ons.Record, n)
	for i := at + 1; i != 0; i = *s.prev.at(i - 1) {
		n--
		out[n] = s.records.at(i - 1)
	}
	return out
}

// Owned returns, in order of type and hash, the newest records (expired or not) whose owner or backup owner is o: the
// first limit of those whose keys come after a key, or with nil of all. Nobody owns anything as the none owner.
func (s *Snapshot) Owned(o ons.Owner, after *ons.Key, limit int) []*ons.Record {
	if o.Kind == ons.OwnerNone {
		return nil
	}
	var from ons.Key
	if after != nil {
		from = *after
	}
	head := s.hash(&o)
	i := s.owners.seek(&s.records, head, from.Type, &from.Hash)
	var out []*ons.Record
	for ; i < len(s.owners.at) && s.owners.heads[i] == head && len(out) < limit; i++ {
		r := s.records.at(s.owners.at[i])
		if r.Owner != o && r.Backup != o || after != nil && r.Key() == *after {
			continue // the hashes of two owners are the same, or this is where the last page ended
		}
		out = append(out, r)
	}
	return out
}

// find returns the place of the newest record of a key.
func (s *Snapshot) find(t ons.Type, h *ons.Hash) (at uint32, ok bool) {
	if t >= types {
		return 0, false
	}
	l, head := &s.names[t], prefix(h)
	i := l.seek(&s.records, head, t, h)
	if i == len(l.at) || l.heads[i] != head || s.records.at(l.at[i]).Hash != *h {
		return 0, false
	}
	return l.at[i], true
}

// prefix is what names are found by first.
func prefix(h *ons.Hash) uint64 { return binary.BigEndian.Uint64(h[:8]) }
