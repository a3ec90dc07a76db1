package store

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"onsight/indexer"
	"onsight/internal/events"
	"onsight/ons"
)

func TestSQLite(t *testing.T) {
	t.Parallel()
	testStore(t, func(t *testing.T) string { return t.TempDir() })
}

// testStore is what every backend must do. dir returns a place where databases can be made.
func testStore(t *testing.T, dir func(t *testing.T) string) {
	fresh := func(t *testing.T) (*Store, uint64) {
		s := mustOpen(t, Config{Path: filepath.Join(dir(t), "ons.db")})
		return s, mustBegin(t, s)
	}
	t.Run("Model", func(t *testing.T) {
		t.Parallel()
		testAgainstModel(t, dir)
	})
	t.Run("Empty", func(t *testing.T) {
		t.Parallel()
		s := mustOpen(t, Config{Path: filepath.Join(dir(t), "ons.db")})
		if err := s.Commit(t.Context(), 0, indexer.Range{}); !errors.Is(err, indexer.ErrFenced) {
			t.Errorf("before Begin: got error %v", err)
		}
		st, err := s.State(t.Context())
		if err != nil || !cmp.Equal(indexer.State{}, st) {
			t.Errorf("got state %+v, error %v", st, err)
		}
		d, err := s.Since(t.Context(), 0)
		if err != nil || !d.Full || d.Seq != 0 || len(d.Records) != 0 {
			t.Errorf("got delta %+v, error %v", d, err)
		}
		if _, err := s.Record(t.Context(), ons.Key{}); !errors.Is(err, ons.ErrNotFound) {
			t.Errorf("got error %v", err)
		}
	})
	t.Run("RefusesNonsense", func(t *testing.T) {
		t.Parallel()
		testNonsense(t, fresh)
	})
	t.Run("Times", func(t *testing.T) {
		t.Parallel()
		testTimes(t, fresh)
	})
	t.Run("Undone", func(t *testing.T) {
		t.Parallel()
		testUndone(t, fresh)
	})
	t.Run("OldReaderStartsOver", func(t *testing.T) {
		t.Parallel()
		testOldReader(t, fresh)
	})
	t.Run("ManyKeys", func(t *testing.T) {
		t.Parallel()
		testManyKeys(t, fresh)
	})
	t.Run("Cancelled", func(t *testing.T) {
		t.Parallel()
		s, epoch := fresh(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Commit(ctx, epoch, indexer.Range{}); !errors.Is(err, context.Canceled) {
			t.Errorf("Commit: got error %v", err)
		}
		if _, err := s.Lookup(ctx, 0, ons.Hash{}); !errors.Is(err, context.Canceled) || !errors.Is(err, ons.ErrUnavailable) {
			t.Errorf("Lookup: got error %v", err)
		}
	})
}

// testNonsense hands Commit ranges that fit no chain: each is refused by a plain error and changes nothing.
func testNonsense(t *testing.T, fresh func(*testing.T) (*Store, uint64)) {
	s, epoch := fresh(t)
	g := newGen(1)
	mustCommit(t, s, epoch, indexer.Range{Blocks: g.blocks(10, 5, 5)})
	want := dump(t, s)
	tip, err := s.Points(t.Context(), math.MaxUint64, 1)
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(r *indexer.Range){
		"gap":              func(r *indexer.Range) { r.Blocks[1].Height++ },
		"gap after base":   func(r *indexer.Range) { r.Blocks = r.Blocks[1:] },
		"too high":         func(r *indexer.Range) { r.Blocks, r.Base = []indexer.Block{g.block(math.MaxUint64)}, nil },
		"record elsewhere": func(r *indexer.Range) { r.Blocks[2].Records[0].Updated++ },
		"record twice":     func(r *indexer.Range) { b := &r.Blocks[2]; b.Records = append(b.Records, b.Records[0]) },
		"place too great":  func(r *indexer.Range) { r.Blocks[2].Records[0].TxIndex = 1 << placeBits },
		"no value":         func(r *indexer.Range) { r.Blocks[2].Records[0].Sealed = ons.Sealed{} },
		"expires too late": func(r *indexer.Range) { r.Blocks[2].Records[0].Expires = math.MaxUint64 },
		"target too great": func(r *indexer.Range) { r.State.Target = math.MaxUint64 },
	} {
		r := indexer.Range{Base: &tip[0], Blocks: g.blocks(15, 3, 0)}
		g.record(&r.Blocks[2], g.key())
		spoil(&r)
		err := s.Commit(t.Context(), epoch, r)
		if err == nil || errors.Is(err, indexer.ErrBase) || errors.Is(err, indexer.ErrFenced) {
			t.Errorf("%s: got error %v", name, err)
		}
		if d := cmp.Diff(want, dump(t, s)); d != "" {
			t.Errorf("%s changed the database (-want +got):\n%s", name, d)
		}
	}
}

// testTimes shows that blocks are dated as they say, also after others took their place.
func testTimes(t *testing.T, fresh func(*testing.T) (*Store, uint64)) {
	s, epoch := fresh(t)
	g := newGen(8)
	chain := g.blocks(1000, 40, 60)
	mustCommit(t, s, epoch, indexer.Range{Blocks: chain})
	other := g.blocks(1021, 10, 20)
	for i := range other {
		other[i].Time += 77
	}
	mustCommit(t, s, epoch, indexer.Range{Base: point(chain[20]), Blocks: other})
	d, err := s.Since(t.Context(), 0)
	if err != nil || len(d.Times) != len(d.Records) || len(d.Records) == 0 {
		t.Fatalf("%d times of %d records, error %v", len(d.Times), len(d.Records), err)
	}
	made := map[uint64]int64{}
	for _, b := range append(chain[:21:21], other...) {
		made[b.Height] = b.Time
	}
	for i, r := range d.Records {
		unix, ok, err := s.Time(t.Context(), r.Updated)
		if want := made[r.Updated]; d.Times[i] != want || unix != want || !ok || err != nil {
			t.Errorf("block %d: got %d and %d, %v, %v, want %d", r.Updated, d.Times[i], unix, ok, err, want)
		}
	}
	if _, ok, err := s.Time(t.Context(), 1031); ok || err != nil {
		t.Errorf("a block that is not there: got %v, error %v", ok, err)
	}
}

func testUndone(t *testing.T, fresh func(*testing.T) (*Store, uint64)) {
	s, epoch := fresh(t)
	g := newGen(2)
	blocks := g.blocks(0, 30, 30)
	mustCommit(t, s, epoch, indexer.Range{Blocks: blocks})
	mustCommit(t, s, epoch, indexer.Range{Base: point(blocks[9])})
	mustCommit(t, s, epoch, indexer.Range{Base: point(blocks[4]), Blocks: blocks[5:]})
	reorgs, err := s.Reorgs(t.Context(), math.MaxUint64, 10)
	if err != nil || len(reorgs) != 2 {
		t.Fatalf("got %+v, error %v", reorgs, err)
	}
	got := reorgs[1]
	got.At = time.Time{}
	want := events.Undoing{ID: 1, Base: blocks[9].Point, From: blocks[29].Point, To: point(blocks[9]), Undone: changes(blocks[10:])}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if got := reorgs[0]; !cmp.Equal(got.Redone, changes(blocks[5:])) || *got.To != blocks[29].Point || got.Depth() != 5 {
		t.Errorf("got %+v", got)
	}
	if page, err := s.Reorgs(t.Context(), 2, 10); err != nil || len(page) != 1 || page[0].ID != 1 {
		t.Errorf("before the second: got %+v, error %v", page, err)
	}
	depths, err := s.ReorgDepths(t.Context())
	if d := cmp.Diff([]ReorgDepth{{Depth: 5, Count: 1}, {Depth: 20, Count: 1}}, depths); err != nil || d != "" {
		t.Errorf("error %v, -want +got:\n%s", err, d)
	}
}

// testOldReader lets the log grow past its length.
func testOldReader(t *testing.T, fresh func(*testing.T) (*Store, uint64)) {
	s, epoch := fresh(t)
	g := newGen(3)
	mustCommit(t, s, epoch, indexer.Range{Blocks: g.blocks(0, 3, 3)})
	fill := make([]commitRow, logLength-1) // as if that many commits had followed
	for i := range fill {
		fill[i] = commitRow{Seq: uint64(i + 2), BaseHeight: 2}
	}
	if err := create(s.write, fill); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		seq  uint64
		full bool
	}{{0, true}, {1, false}, {logLength, false}, {logLength + 1, true}} {
		if d, err := s.Since(t.Context(), c.seq); err != nil || d.Full != c.full || d.Seq != logLength {
			t.Errorf("before pruning, seq %d: got full %t, seq %d, error %v", c.seq, d.Full, d.Seq, err)
		}
	}
	mustCommit(t, s, epoch, indexer.Range{})
	mustCommit(t, s, epoch, indexer.Range{})
	for _, c := range []struct {
		seq  uint64
		full bool
	}{{1, true}, {2, false}, {logLength + 2, false}, {logLength + 3, true}} {
		if d, err := s.Since(t.Context(), c.seq); err != nil || d.Full != c.full || d.Seq != logLength+2 {
			t.Errorf("after pruning, seq %d: got full %t, seq %d, error %v", c.seq, d.Full, d.Seq, err)
		}
	}
	var n int64
	if err := s.write.Model(&commitRow{}).Count(&n).Error; err != nil || n != logLength {
		t.Errorf("got %d commits in the log, error %v", n, err)
	}
}

// testManyKeys asks for more keys than one query takes.
func testManyKeys(t *testing.T, fresh func(*testing.T) (*Store, uint64)) {
	s, epoch := fresh(t)
	g := newGen(4)
	b := g.block(5)
	for range 3 * chunk {
		g.record(&b, g.key())
	}
	mustCommit(t, s, epoch, indexer.Range{Blocks: []indexer.Block{b}})
	want, keys := map[ons.Key]ons.Record{}, []ons.Key{}
	for _, r := range b.Records {
		want[r.Key()] = r
		keys = append(keys, r.Key(), r.Key(), g.key())
	}
	got, err := s.Current(t.Context(), keys, b.Height)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
