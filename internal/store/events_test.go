package store

import (
	"errors"
	"math"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"onsight/indexer"
	"onsight/internal/events"
	"onsight/ons"
)

// TestEventsBackfill brings a database up to date that is older than its log: the log begins with what the database knows.
func TestEventsBackfill(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	s := mustOpen(t, Config{Path: path})
	epoch := mustBegin(t, s)
	g := newGen(21)
	m := model{rows: map[uint64]bool{}}
	keys := []ons.Key{g.key(), g.key(), g.key(), g.key(), g.key()}
	owners := map[ons.Key]ons.Owner{}
	commit := func(r indexer.Range) {
		for i := range r.Blocks {
			b := &r.Blocks[i]
			g.record(b, keys[g.r.IntN(len(keys))])
			rec := &b.Records[0]
			prev, known := owners[rec.Key()]
			b.Moves = nil
			switch {
			case rec.Kind != ons.Update || !known:
				if rec.Kind == ons.Update {
					rec.Kind = ons.Buy
				}
			case g.r.IntN(2) == 0:
				rec.Owner = prev
			case rec.Owner != prev:
				b.Moves = []uint32{rec.TxIndex}
			}
			owners[rec.Key()] = rec.Owner
		}
		mustCommit(t, s, epoch, r)
		m.commit(r)
	}
	commit(indexer.Range{Blocks: g.blocks(40, 300, 0)})
	commit(indexer.Range{Base: &m.tip().Point}) // nothing
	base := m.blocks[290].Point
	clear(owners)
	for k, r := range m.current(base.Height) {
		owners[k] = r.Owner
	}
	commit(indexer.Range{Base: &base, Blocks: g.blocks(base.Height+1, 40, 0)})
	for _, r := range killRounds() {
		if err := s.CommitNodes(t.Context(), epoch, r); err != nil {
			t.Fatal(err)
		}
	}
	log := readLog(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	want := model{reorgs: m.reorgs}
	for _, u := range m.reorgs {
		u.To, u.Redone, u.Undone.First = nil, events.Changes{}, nil // lost on the way down
		want.note(events.Entry{Kind: events.Reorg, Height: u.Base.Height, Reorg: &u})
	}
	for _, b := range m.blocks {
		want.blocks = append(want.blocks, b)
		want.happen(b)
	}
	for _, e := range log {
		if e.Kind == events.Node && (e.Node.Noticed != 2) { // what was taken back is not known any more
			want.note(e)
		}
	}
	kinds := map[events.Kind]int{}
	for _, e := range want.events {
		kinds[e.Kind]++
	}
	if len(kinds) != 7 {
		t.Fatalf("there are not all kinds: %v", kinds)
	}
	migrateDown(t, path, 6)
	s = mustOpen(t, Config{Path: path})
	got := readLog(t, s)
	for i := range got {
		if u := got[i].Reorg; u != nil {
			u.Undone.First = nil
		}
	}
	if d := cmp.Diff(want.events, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}

	// It goes on from there.
	epoch = mustBegin(t, s)
	next := g.blocks(m.tip().Height+1, 1, 1)
	mustCommit(t, s, epoch, indexer.Range{Base: &m.tip().Point, Blocks: next})
	if after := readLog(t, s); len(after) <= len(got) || after[len(got)].Seq != uint64(len(got))+1 {
		t.Errorf("got %d entries after %d", len(after), len(got))
	}
}

// TestEventsSearch looks for what is rare: a page says how far it looked.
func TestEventsSearch(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, Config{Path: tempPath(t)})
	epoch := mustBegin(t, s)
	g := newGen(22)
	blocks := g.blocks(0, 10, 10)
	mustCommit(t, s, epoch, indexer.Range{Blocks: blocks})
	rows := make([]eventRow, searchMost+5) // as if that much had happened
	data := `{"Kind":"active"}`
	for i := range rows {
		rows[i] = eventRow{Kind: uint8(events.Node), Data: &data}
	}
	if err := appendEvents(s.write, rows); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, s, epoch, indexer.Range{Base: point(blocks[5])})
	only, err := events.ParseKinds("reorg")
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Events(t.Context(), 0, only, 10)
	if err != nil || len(p.Entries) != 0 || p.Next != searchMost || p.Head <= p.Next {
		t.Fatalf("got %+v, error %v", p, err)
	}
	p, err = s.Events(t.Context(), p.Next, only, 10)
	if err != nil || len(p.Entries) != 1 || p.Next != p.Head {
		t.Fatalf("got %+v, error %v", p, err)
	}
	for _, after := range []uint64{p.Head, p.Head + 1, math.MaxUint64} {
		if p, err := s.Events(t.Context(), after, 0, 10); err != nil || len(p.Entries) != 0 || p.Next != p.Head {
			t.Errorf("after %d: got %+v, error %v", after, p, err)
		}
	}
}

// TestEventsReader reads the log through another Store.
func TestEventsReader(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	w := mustOpen(t, Config{Path: path, Now: func() time.Time { return time.Unix(5, 0) }})
	epoch := mustBegin(t, w)
	g := newGen(23)
	blocks := g.blocks(0, 10, 10)
	mustCommit(t, w, epoch, indexer.Range{Blocks: blocks})
	mustCommit(t, w, epoch, indexer.Range{Base: point(blocks[5])})
	r := mustOpen(t, Config{Path: path, ReadOnly: true})
	want, err := w.Events(t.Context(), 0, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Events(t.Context(), 0, 0, 100)
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("error %v, -want +got:\n%s", err, d)
	}
	last := got.Entries[slices.IndexFunc(got.Entries, func(e events.Entry) bool { return e.Kind == events.Reorg })]
	if !last.Time.Equal(time.Unix(5, 0)) || got.Log == (events.ID{}) {
		t.Errorf("got %+v of log %s", last, got.Log)
	}
}

// TestNewLog puts a copy in the place of a database that went on: the same number is of another entry, and told apart by the log's id.
func TestNewLog(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	s := mustOpen(t, Config{Path: path})
	epoch := mustBegin(t, s)
	g := newGen(25)
	first := g.blocks(100, 10, 10)
	mustCommit(t, s, epoch, indexer.Range{Blocks: first})
	if err := s.Close(); err != nil { // which empties the log of SQLite
		t.Fatal(err)
	}
	backup, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	goOn := func(draw bool) events.Page {
		s := mustOpen(t, Config{Path: path})
		epoch := mustBegin(t, s)
		if draw {
			if err := s.NewLog(t.Context(), epoch+1); !errors.Is(err, indexer.ErrFenced) {
				t.Errorf("got %v of a stranger, want ErrFenced", err)
			}
			if err := s.NewLog(t.Context(), epoch); err != nil {
				t.Fatal(err)
			}
		}
		mustCommit(t, s, epoch, indexer.Range{Base: point(first[9]), Blocks: g.blocks(110, 5, 5)})
		p, err := s.Events(t.Context(), 0, 0, 100)
		if err != nil || s.Close() != nil {
			t.Fatal(err)
		}
		return p
	}
	before := goOn(false)
	if err := os.WriteFile(path, backup, 0o600); err != nil {
		t.Fatal(err)
	}
	after := goOn(true)
	if d := cmp.Diff(before.Entries[:10], after.Entries[:10]); d != "" {
		t.Errorf("entries of before (-want +got):\n%s", d)
	}
	if before.Entries[10].Record.Hash == after.Entries[10].Record.Hash || before.Log == after.Log {
		t.Errorf("number 11 is of %s and of %s, in logs %s and %s", before.Entries[10].Record.Hash, after.Entries[10].Record.Hash, before.Log, after.Log)
	}
	r := mustOpen(t, Config{Path: path, ReadOnly: true})
	if err := r.NewLog(t.Context(), 1); !errors.Is(err, ErrReadOnly) {
		t.Errorf("a reader: got %v", err)
	}
}
