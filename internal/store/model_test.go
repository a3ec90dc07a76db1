package store

import (
	"bytes"
	"slices"
	"time"

	"onsight/indexer"
	"onsight/internal/events"
	"onsight/ons"
)

// model is the store as one would write it in an afternoon: lists, and every question answered by going through them.
type model struct {
	blocks []indexer.Block // all of them, from the first
	rows   map[uint64]bool // heights that keep a row
	keep   uint64
	state  indexer.State
	log    []int64          // base of each commit; -1: everything
	reorgs []events.Undoing // without times
	events []events.Entry   // without times of reorganisations
}

func (m *model) tip() *indexer.Block {
	if len(m.blocks) == 0 {
		return nil
	}
	return &m.blocks[len(m.blocks)-1]
}

// all returns every record up to and including height.
func (m *model) all(height uint64) (out []ons.Record) {
	for _, b := range m.blocks {
		if b.Height <= height {
			out = append(out, b.Records...)
		}
	}
	return out
}

func (m *model) current(height uint64) map[ons.Key]ons.Record {
	out := map[ons.Key]ons.Record{}
	for _, r := range m.all(height) {
		out[r.Key()] = r
	}
	return out
}

func (m *model) history(k ons.Key) (out []ons.Record) {
	for _, r := range m.all(^uint64(0)) {
		if r.Key() == k {
			out = append(out, r)
		}
	}
	return out
}

func (m *model) counts(height uint64) (n [3]uint64) {
	if height == 0 {
		return n
	}
	for _, r := range m.current(height - 1) {
		if r.Live(height) {
			n[r.Type]++
		}
	}
	return n
}

func (m *model) digest(height uint64) (d ons.Txid) {
	for _, b := range m.blocks {
		if b.Height <= height && len(b.Records) > 0 {
			d = b.Digest
		}
	}
	return d
}

func (m *model) points(height uint64, limit int) (out []indexer.Point) {
	for _, b := range slices.Backward(m.blocks) {
		if b.Height <= height && m.rows[b.Height] && len(out) < limit {
			out = append(out, b.Point)
		}
	}
	return out
}

func (m *model) skips() (out []SkipRow) {
	for _, b := range slices.Backward(m.blocks) {
		for _, s := range slices.Backward(b.Skips) {
			out = append(out, SkipRow{b.Height, s})
		}
	}
	return out
}

func (m *model) sample(from ons.Hash, n int) (out []ons.Record) {
	for _, r := range m.current(^uint64(0)) {
		out = append(out, r)
	}
	after := func(r ons.Record) int {
		if bytes.Compare(r.Hash[:], from[:]) > 0 {
			return 0
		}
		return 1
	}
	slices.SortFunc(out, func(a, b ons.Record) int {
		if d := after(a) - after(b); d != 0 {
			return d
		}
		if d := bytes.Compare(a.Hash[:], b.Hash[:]); d != 0 {
			return d
		}
		return int(a.Type) - int(b.Type)
	})
	return out[:min(n, len(out))]
}

func (m *model) fullState() indexer.State {
	s := m.state
	if t := m.tip(); t != nil && len(m.log) > 0 {
		s.Tip, s.TipTime, s.Digest = &t.Point, t.Time, m.digest(t.Height)
	}
	return s
}

// wanted says whether the contract asks for the row of b.
func (m *model) wanted(b indexer.Block, keep uint64) bool {
	return len(b.Records)+len(b.Skips) > 0 || b.Height%sparse == 0 || b.Height >= keep ||
		b.Height == m.tip().Height || b.Height == m.blocks[0].Height
}

func (m *model) commit(r indexer.Range) {
	base := int64(-1)
	if t := m.tip(); r.Base != nil {
		base = int64(r.Base.Height)
		if t.Height > r.Base.Height {
			gone := events.Undoing{ID: uint64(len(m.reorgs)) + 1, Base: *r.Base, From: t.Point, To: r.Base}
			var undone []indexer.Block
			for t := m.tip(); t.Height > r.Base.Height; t = m.tip() {
				undone = append([]indexer.Block{*t}, undone...)
				delete(m.rows, t.Height)
				m.blocks = m.blocks[:len(m.blocks)-1]
			}
			if n := len(r.Blocks); n > 0 {
				gone.To = &r.Blocks[n-1].Point
			}
			gone.Undone, gone.Redone = changes(undone), changes(r.Blocks)
			m.reorgs = append(m.reorgs, gone)
			m.note(events.Entry{Kind: events.Reorg, Height: r.Base.Height, Reorg: &gone})
		}
	} else if t != nil {
		base = int64(t.Height)
	}
	m.log = append(m.log, base)
	m.state = r.State
	if len(r.Blocks) == 0 {
		return
	}
	for _, b := range r.Blocks {
		m.blocks = append(m.blocks, b)
		m.happen(b)
	}
	for _, b := range m.blocks {
		switch {
		case m.wanted(b, r.Keep) && b.Height >= r.Blocks[0].Height:
			m.rows[b.Height] = true
		case m.wanted(b, r.Keep):
		case b.Height == r.State.Final: // spared if it has a row
		case b.Height >= m.keep || r.Base != nil && b.Height == r.Base.Height:
			delete(m.rows, b.Height)
		}
	}
	m.keep = r.Keep
}

func (m *model) note(e events.Entry) {
	e.Seq = uint64(len(m.events)) + 1
	m.events = append(m.events, e)
}

// happen notes what the newest block did.
func (m *model) happen(b indexer.Block) {
	at := time.Unix(b.Time, 0).UTC()
	for _, r := range b.Records {
		e := events.Entry{Kind: events.Kind(r.Kind), Height: b.Height, Time: at, Record: &r}
		if slices.Contains(b.Moves, r.TxIndex) {
			e.Kind = events.Transfer
		}
		m.note(e)
	}
	ends := []ons.Record{}
	for _, r := range m.current(b.Height) {
		if r.Expires == b.Height && r.Expires > 0 {
			ends = append(ends, r)
		}
	}
	slices.SortFunc(ends, func(a, b ons.Record) int { return int(place(&a)) - int(place(&b)) })
	for _, r := range ends {
		m.note(events.Entry{Kind: events.Expire, Height: b.Height, Time: at, Record: &r})
	}
}

func changes(blocks []indexer.Block) (c events.Changes) {
	for _, b := range blocks {
		for _, r := range b.Records {
			if c.Count++; c.Count <= events.ListMost {
				c.First = append(c.First, events.Change{Height: r.Updated, TxIndex: r.TxIndex, Key: r.Key(), Kind: r.Kind, Txid: r.Txid})
			}
		}
	}
	return c
}

// page is Store.Events.
func (m *model) page(after uint64, kinds events.Kinds, limit int) (out []events.Entry) {
	for _, e := range m.events {
		if e.Seq > after && kinds.Has(e.Kind) && len(out) < limit {
			out = append(out, e)
		}
	}
	return out
}
