package index

import (
	"fmt"
	"sort"

	"onsight/indexer"
	"onsight/ons"
)

// Bounds of what is kept to tell what changed: weeks, in a few megabytes. Beyond, all is forgotten.
const (
	maxChanges = 1 << 16
	maxTips    = 1 << 14
)

// next returns the snapshot after d, whose records it takes over. s must be the newest one.
func (s *Snapshot) next(d *indexer.Delta) (*Snapshot, error) {
	n := &Snapshot{hash: s.hash}
	if !d.Full {
		*n = *s
	}
	if err := check(d); err != nil {
		return nil, err
	}
	n.seq, n.state = d.Seq, d.State
	if n.changed.n > maxChanges || n.tips.n >= maxTips {
		n.changed, n.tips = log[ons.Key]{}, log[tip]{}
	}
	if !d.Full {
		n.drop(d.Base)
	}
	pack(d.Records)
	n.add(d.Records)
	n.date(d)
	n.count()
	// The state alone is stored every few seconds.
	if n.state.Tip != nil && (n.tips.n == 0 || n.tips.at(uint32(n.tips.n-1)).hash != n.state.Tip.Hash) {
		n.tips = n.tips.append([]tip{{n.state.Tip.Hash, n.changed.n}})
	}
	return n, nil
}

// check finds records that are not what a Delta promises: they would break the order that everything else relies on.
func check(d *indexer.Delta) error {
	if d.Times != nil && len(d.Times) != len(d.Records) {
		return fmt.Errorf("%d times of %d records", len(d.Times), len(d.Records))
	}
	for i := range d.Records {
		r := &d.Records[i]
		switch {
		case r.Type >= types:
			return fmt.Errorf("block %d has a name of type %d", r.Updated, r.Type)
		case !d.Full && r.Updated <= d.Base:
			return fmt.Errorf("block %d has a record, but should stand above block %d", r.Updated, d.Base)
		case i > 0 && !before(&d.Records[i-1], r):
			return fmt.Errorf("records of block %d are not in the chain's order", r.Updated)
		}
	}
	return nil
}

// before reports whether a stands before b in the chain.
func before(a, b *ons.Record) bool {
	return a.Updated < b.Updated || a.Updated == b.Updated && a.TxIndex < b.TxIndex
}

// pack moves the sealed values of records into one piece of memory: two hundred thousand small ones cost a quarter more
// and the collector a look at each.
func pack(recs []ons.Record) {
	size := 0
	for i := range recs {
		size += len(recs[i].Sealed.Ciphertext) + len(recs[i].Sealed.Nonce)
	}
	room := make([]byte, 0, size)
	move := func(b []byte) []byte {
		if b == nil {
			return nil // of a nonce it means something
		}
		n := len(room)
		room = append(room, b...)
		return room[n:len(room):len(room)]
	}
	for i := range recs {
		v := &recs[i].Sealed
		v.Ciphertext, v.Nonce = move(v.Ciphertext), move(v.Nonce)
	}
}

// drop takes back every record above a height.
func (s *Snapshot) drop(base uint64) {
	keep := sort.Search(s.records.n, func(i int) bool { return s.records.at(uint32(i)).Updated > base })
	if keep == s.records.n {
		return
	}
	var gone, come []uint32
	for i := keep; i < s.records.n; i++ {
		prev := *s.prev.at(uint32(i))
		if int(prev) > keep {
			continue // the one before it is taken back as well
		}
		r := s.records.at(uint32(i))
		at, _ := s.find(r.Type, &r.Hash)
		gone = append(gone, at)
		if prev > 0 {
			come = append(come, prev-1)
		}
	}
	s.note(gone)
	s.replace(gone, come)
	s.records, s.prev = s.records.cut(keep), s.prev.cut(keep)
	s.blocks = s.blocks.cut(sort.Search(s.blocks.n, func(i int) bool { return s.blocks.at(uint32(i)).height > base }))
}

// add puts records on top.
func (s *Snapshot) add(recs []ons.Record) {
	if len(recs) == 0 {
		return
	}
	first := uint32(s.records.n)
	s.records = s.records.append(recs)
	rows := make([]entry, len(recs))
	for i := range recs {
		rows[i] = entry{prefix(&recs[i].Hash), first + uint32(i)}
	}
	arrange(&s.records, rows)
	prev := make([]uint32, len(recs))
	gone, come := make([]uint32, 0, len(recs)), make([]uint32, 0, len(recs))
	for i, row := range rows {
		if i > 0 && order(&s.records, rows[i-1], row) == 0 {
			prev[row.at-first] = rows[i-1].at + 1
			come[len(come)-1] = row.at
			continue
		}
		r := s.records.at(row.at)
		if at, ok := s.find(r.Type, &r.Hash); ok {
			prev[row.at-first] = at + 1
			gone = append(gone, at)
		}
		come = append(come, row.at)
	}
	s.prev = s.prev.append(prev)
	if s.tips.n > 0 { // else there was nothing to change
		s.note(come)
	}
	s.replace(gone, come)
}

// date puts the blocks of new records on top.
func (s *Snapshot) date(d *indexer.Delta) {
	var blocks []block
	for i, t := range d.Times {
		if h := d.Records[i].Updated; len(blocks) == 0 || blocks[len(blocks)-1].height != h {
			blocks = append(blocks, block{h, t})
		}
	}
	s.blocks = s.blocks.append(blocks)
}

// note writes down that the newest records of these records' keys change.
func (s *Snapshot) note(places []uint32) {
	keys := make([]ons.Key, len(places))
	for i, at := range places {
		keys[i] = s.records.at(at).Key()
	}
	s.changed = s.changed.append(keys)
}

// replace makes the records of come the newest of their keys, those of gone no longer.
func (s *Snapshot) replace(gone, come []uint32) {
	old, new := s.rows(gone), s.rows(come)
	for t := range s.names {
		s.names[t] = s.names[t].merge(&s.records, old.names[t], new.names[t])
		s.ends[t] = s.ends[t].merge(&s.records, old.ends[t], new.ends[t])
	}
	s.owners = s.owners.merge(&s.records, old.owners, new.owners)
}

// rows is what records stand as in each list.
type rows struct {
	names, ends [types][]entry
	owners      []entry
}

func (s *Snapshot) rows(places []uint32) (out rows) {
	for _, at := range places {
		r := s.records.at(at)
		out.names[r.Type] = append(out.names[r.Type], entry{prefix(&r.Hash), at})
		if r.Expires != 0 {
			out.ends[r.Type] = append(out.ends[r.Type], entry{r.Expires, at})
		}
		var owner uint64
		if r.Owner.Kind != ons.OwnerNone {
			owner = s.hash(&r.Owner)
			out.owners = append(out.owners, entry{owner, at})
		}
		if r.Backup.Kind != ons.OwnerNone {
			if h := s.hash(&r.Backup); r.Owner.Kind == ons.OwnerNone || h != owner { // one row, if both are found by the same
				out.owners = append(out.owners, entry{h, at})
			}
		}
	}
	for t := range out.names {
		arrange(&s.records, out.names[t])
		arrange(&s.records, out.ends[t])
	}
	arrange(&s.records, out.owners)
	return out
}

// count counts the names that live in the next block.
func (s *Snapshot) count() {
	s.counts = [types]uint64{}
	if s.state.Tip == nil {
		return
	}
	for t := range s.names {
		ended := s.ends[t].seek(&s.records, s.state.Tip.Height+1, 0, new(ons.Hash))
		s.counts[t] = uint64(len(s.names[t].at) - ended)
	}
}
