package store

import (
	"bytes"
	"slices"

	"onsight/indexer"
	"onsight/ons"
)

// model is the store as one would write it in an afternoon: lists, and every question answered by going through them.
type model struct {
	blocks []indexer.Block // all of them, from the first
	rows   map[uint64]bool // heights that keep a row
	keep   uint64
	state  indexer.State
	log    []int64 // base of each commit; -1: everything
	reorgs []Reorg // without times and ids
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
			gone := Reorg{Base: *r.Base, Tip: t.Point}
			for t := m.tip(); t.Height > r.Base.Height; t = m.tip() {
				gone.Records += uint64(len(t.Records))
				delete(m.rows, t.Height)
				m.blocks = m.blocks[:len(m.blocks)-1]
			}
			m.reorgs = append(m.reorgs, gone)
		}
	} else if t != nil {
		base = int64(t.Height)
	}
	m.log = append(m.log, base)
	m.state = r.State
	if len(r.Blocks) == 0 {
		return
	}
	m.blocks = append(m.blocks, r.Blocks...)
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
