package store

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"gorm.io/gorm"

	"onsight/indexer"
	"onsight/internal/events"
)

// turbulent is a database whose newest two blocks were taken back n times, and every hundredth time seventy.
func turbulent(t testing.TB, n int) (*Store, *model) {
	t.Helper()
	s := mustOpen(t, Config{Path: tempPath(t)})
	epoch := mustBegin(t, s)
	g := newGen(24)
	m := &model{rows: map[uint64]bool{}}
	commit := func(r indexer.Range) {
		mustCommit(t, s, epoch, r)
		m.commit(r)
	}
	commit(indexer.Range{Blocks: g.blocks(1000, 100, 100)})
	for i := range n {
		depth := 2
		if i%100 == 50 {
			depth = 70
		}
		base := m.blocks[len(m.blocks)-1-depth].Point
		commit(indexer.Range{Base: &base, Blocks: g.blocks(base.Height+1, depth, depth)})
	}
	return s, m
}

// TestReorgsCost reads pages over many reorganisations, and counts what is read for them: each thing once.
func TestReorgsCost(t *testing.T) {
	t.Parallel()
	const n = 200
	s, m := turbulent(t, n)
	queries, rows := 0, int64(0)
	count := func(tx *gorm.DB) { queries, rows = queries+1, rows+tx.RowsAffected }
	if err := s.read.Callback().Query().After("gorm:query").Register("count", count); err != nil {
		t.Fatal(err)
	}
	only, err := events.ParseKinds("reorg")
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(m.reorgs)
	slices.Reverse(want)
	for what, read := range map[string]func() ([]events.Undoing, error){
		"a list": func() ([]events.Undoing, error) { return s.Reorgs(t.Context(), math.MaxUint64, 1000) },
		"a page": func() (out []events.Undoing, err error) {
			p, err := s.Events(t.Context(), 0, only, 1000)
			for _, e := range p.Entries {
				out = append(out, *e.Reorg)
			}
			slices.Reverse(out)
			return out, err
		},
	} {
		queries, rows = 0, 0
		got, err := read()
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got, cmpopts.IgnoreFields(events.Undoing{}, "At"), cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
		if most := int64(20 * n); queries > 30 || rows > most {
			t.Errorf("%s of %d reorganisations: %d queries for %d rows, want at most 30 for %d", what, n, queries, rows, most)
		}
	}
	queries, rows = 0, 0
	p, err := s.Events(t.Context(), 0, 0, 1000)
	if err != nil || len(p.Entries) < 700 {
		t.Fatalf("%d entries, error %v", len(p.Entries), err)
	}
	if queries > 30 {
		t.Errorf("%d entries: %d queries for %d rows, want at most 30", len(p.Entries), queries, rows)
	}
}

// BenchmarkReorgs reads pages of a log with many reorganisations.
func BenchmarkReorgs(b *testing.B) {
	only, err := events.ParseKinds("reorg")
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{300, 3000} {
		s, _ := turbulent(b, n)
		for name, read := range map[string]func() error{
			"kind=reorg": func() error { _, err := s.Events(b.Context(), 0, only, 1000); return err },
			"events":     func() error { _, err := s.Events(b.Context(), 0, 0, 1000); return err },
			"list":       func() error { _, err := s.Reorgs(b.Context(), math.MaxUint64, 101); return err },
			"stream":     func() error { _, err := s.Events(b.Context(), 0, 0, 100); return err },
		} {
			b.Run(fmt.Sprintf("%d/%s", n, name), func(b *testing.B) {
				for b.Loop() {
					if err := read(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
