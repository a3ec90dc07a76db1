package index

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"iter"
	"slices"
	"sort"

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
	blocks  log[block]  // that have records and whose times are known, lowest first
	names   [types]list // newest records by hash
	owners  list        // newest records by owner and backup owner
	ends    [types]list // newest records that expire, by the last height they live at
	counts  [types]uint64

	changed log[ons.Key] // keys whose newest record changed, in the order it did, since the index began or forgot
	tips    log[tip]     // what was known at which tip, oldest first
}

// block is a block with records.
type block struct {
	height uint64
	time   int64
}

// tip is the newest block of a snapshot, and how many changes came before.
type tip struct {
	hash    ons.Txid
	changes int
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

// Records returns the newest record of every key, expired or not, in order of type and hash.
func (s *Snapshot) Records() iter.Seq[*ons.Record] {
	return func(yield func(*ons.Record) bool) {
		for t := range s.names {
			for _, at := range s.names[t].at {
				if !yield(s.records.at(at)) {
					return
				}
			}
		}
	}
}

// Time returns what the block at a height says when it was made, in Unix seconds; false if the index does not know: it
// knows that of blocks with records. It does not allocate.
func (s *Snapshot) Time(height uint64) (unix int64, ok bool) {
	lo, hi := 0, s.blocks.n // not sort.Search: this is asked for every name that is served
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		b := s.blocks.at(uint32(mid))
		switch {
		case b.height == height:
			return b.time, true
		case b.height < height:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return 0, false
}

// Chain returns all records, of all names and also those that are not the newest ones, in the chain's order.
func (s *Snapshot) Chain() iter.Seq[*ons.Record] {
	return func(yield func(*ons.Record) bool) {
		for i := range s.records.n {
			if !yield(s.records.at(uint32(i))) {
				return
			}
		}
	}
}

// Before returns those records of Chain that stand before a place in it, a height and the place of a transaction in its block,
// the last ones first.
func (s *Snapshot) Before(height uint64, txIndex uint32) iter.Seq[*ons.Record] {
	at := ons.Record{Updated: height, TxIndex: txIndex}
	return func(yield func(*ons.Record) bool) {
		i := sort.Search(s.records.n, func(i int) bool { return !before(s.records.at(uint32(i)), &at) })
		for i--; i >= 0; i-- {
			if !yield(s.records.at(uint32(i))) {
				return
			}
		}
	}
}

// Ending returns the newest records that expire, those that do so first first and then in order of type and hash: from a height
// on, or if after is not nil, those that stand behind a key among those of that height.
func (s *Snapshot) Ending(from uint64, after *ons.Key) iter.Seq[*ons.Record] {
	return func(yield func(*ons.Record) bool) {
		var at [types]int
		for t := range s.ends {
			if after == nil {
				at[t] = s.ends[t].seek(&s.records, from, 0, new(ons.Hash))
				continue
			}
			at[t] = s.ends[t].seek(&s.records, from, after.Type, &after.Hash)
			if i := at[t]; i < len(s.ends[t].at) && s.ends[t].heads[i] == from && s.records.at(s.ends[t].at[i]).Key() == *after {
				at[t]++
			}
		}
		for {
			next := -1
			for t := range s.ends {
				if at[t] < len(s.ends[t].at) && (next < 0 || s.ends[t].heads[at[t]] < s.ends[next].heads[at[next]]) {
					next = t
				}
			}
			if next < 0 || !yield(s.records.at(s.ends[next].at[at[next]])) {
				return
			}
			at[next]++
		}
	}
}

// Bucket returns, in order of hash and type, the newest records (expired or not) whose hashes begin with the given bits:
// the lowest bits, 0 to 64 of them, of a number. With 0 bits it is all of them.
func (s *Snapshot) Bucket(bits int, number uint64) []*ons.Record {
	var out []*ons.Record
	for t := range s.names {
		l := &s.names[t]
		from := sort.Search(len(l.heads), func(i int) bool { return l.heads[i]>>(64-bits) >= number })
		for i := from; i < len(l.heads) && l.heads[i]>>(64-bits) == number; i++ {
			out = append(out, s.records.at(l.at[i]))
		}
	}
	slices.SortFunc(out, func(a, b *ons.Record) int {
		return cmp.Or(bytes.Compare(a.Hash[:], b.Hash[:]), cmp.Compare(a.Type, b.Type))
	})
	return out
}

// Changed returns the keys whose newest record may be another one, or gone, than when the given block was the index's newest
// one; some may be there twice. ok is false if that is not known: the block never was it, or too long ago.
func (s *Snapshot) Changed(since ons.Txid) (keys []ons.Key, ok bool) {
	for i := s.tips.n - 1; i >= 0; i-- {
		was := s.tips.at(uint32(i))
		if was.hash != since {
			continue
		}
		for j := was.changes; j < s.changed.n; j++ {
			keys = append(keys, *s.changed.at(uint32(j)))
		}
		return keys, true
	}
	return nil, false
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
