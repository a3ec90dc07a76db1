package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"onsight/indexer"
	"onsight/internal/events"
	"onsight/ons"
)

// replica is a reader's copy, kept by Since alone.
type replica struct {
	seq     uint64
	records []ons.Record
	state   indexer.State
}

func (r *replica) apply(d indexer.Delta) {
	keep := 0
	for !d.Full && keep < len(r.records) && r.records[keep].Updated <= d.Base {
		keep++
	}
	r.records = append(r.records[:keep:keep], d.Records...)
	r.seq, r.state = d.Seq, d.State
}

// machine drives a store and a model side by side.
type machine struct {
	t        *testing.T
	path     string
	s        *Store
	epoch    uint64
	m        model
	g        *gen
	keys     []ons.Key
	replicas [3]replica
}

func (c *machine) open(t *rapid.T) {
	var err error
	if c.s, err = Open(c.t.Context(), Config{Path: c.path}); err != nil {
		t.Fatal(err)
	}
	if c.epoch, err = c.s.Begin(c.t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (c *machine) state(t *rapid.T) indexer.State {
	return indexer.State{
		Network: ons.Fakechain, Genesis: ons.Txid{9}, Year: rapid.Uint64Max(100).Draw(t, "year"), Start: 7,
		Final: rapid.Uint64Max(1000).Draw(t, "final"), Target: rapid.Uint64Max(1000).Draw(t, "target"),
		Phase: indexer.Synced, Asked: time.UnixMicro(1_700_000_000_000_001).UTC(),
	}
}

// blocks draws a run of blocks from height on: mostly few, sometimes past the next sparse row.
func (c *machine) blocks(t *rapid.T, from uint64) []indexer.Block {
	n := rapid.OneOf(rapid.IntRange(1, 8), rapid.IntRange(1, 8), rapid.IntRange(200, 300)).Draw(t, "n")
	out := make([]indexer.Block, n)
	for i := range out {
		out[i] = c.g.block(from + uint64(i))
		if n > 8 && c.g.r.IntN(40) > 0 {
			continue
		}
		for range c.g.r.IntN(3) {
			c.g.record(&out[i], c.keys[c.g.r.IntN(len(c.keys))])
		}
		for j := range c.g.r.IntN(2) {
			out[i].Skips = append(out[i].Skips, indexer.Skip{Txid: c.g.hash(), Reason: fmt.Sprint("reason ", j)})
		}
	}
	return out
}

// commit hands r to both.
func (c *machine) commit(t *rapid.T, r indexer.Range) {
	r.State = c.state(t)
	next := r.Keep
	if tip := c.m.tip(); tip != nil {
		next = tip.Height
	}
	if n := len(r.Blocks); n > 0 {
		next = r.Blocks[n-1].Height
	}
	r.Keep = next - min(next, rapid.Uint64Max(30).Draw(t, "window"))
	if err := c.s.Commit(c.t.Context(), c.epoch, r); err != nil {
		t.Fatal(err)
	}
	c.m.commit(r)
}

func (c *machine) actions() map[string]func(*rapid.T) {
	ctx := c.t.Context()
	needTip := func(t *rapid.T) {
		if c.m.tip() == nil {
			t.Skip("no blocks yet")
		}
	}
	stored := func(t *rapid.T) *indexer.Point {
		needTip(t)
		return rapid.Ptr(rapid.SampledFrom(c.m.points(^uint64(0), 1e6)), false).Draw(t, "base")
	}
	refuse := func(t *rapid.T, want error, epoch uint64, r indexer.Range) {
		if err := c.s.Commit(ctx, epoch, r); !errors.Is(err, want) {
			t.Fatalf("got error %v, want %v", err, want)
		}
	}
	return map[string]func(*rapid.T){
		"append": func(t *rapid.T) {
			if tip := c.m.tip(); tip != nil {
				c.commit(t, indexer.Range{Base: &tip.Point, Blocks: c.blocks(t, tip.Height+1)})
				return
			}
			c.commit(t, indexer.Range{Blocks: c.blocks(t, rapid.Uint64Max(300).Draw(t, "start"))})
		},
		"reorganise": func(t *rapid.T) {
			base := stored(t)
			c.commit(t, indexer.Range{Base: base, Blocks: c.blocks(t, base.Height+1)})
		},
		"roll back":  func(t *rapid.T) { c.commit(t, indexer.Range{Base: stored(t)}) },
		"state only": func(t *rapid.T) { c.commit(t, indexer.Range{}) },
		"at the tip": func(t *rapid.T) { needTip(t); c.commit(t, indexer.Range{Base: &c.m.tip().Point}) },
		"reopen": func(t *rapid.T) {
			if err := c.s.Close(); err != nil {
				t.Fatal(err)
			}
			c.open(t)
		},
		"fenced": func(t *rapid.T) {
			old := c.epoch
			var err error
			if c.epoch, err = c.s.Begin(ctx); err != nil || c.epoch <= old {
				t.Fatalf("got epoch %d after %d, error %v", c.epoch, old, err)
			}
			refuse(t, indexer.ErrFenced, old, indexer.Range{})
			refuse(t, indexer.ErrFenced, 0, indexer.Range{})
		},
		"no such base": func(t *rapid.T) {
			base := indexer.Point{Height: rapid.Uint64Max(400).Draw(t, "height"), Hash: c.g.hash()}
			refuse(t, indexer.ErrBase, c.epoch, indexer.Range{Base: &base, Blocks: c.blocks(t, base.Height+1)})
			if c.m.tip() != nil {
				refuse(t, indexer.ErrBase, c.epoch, indexer.Range{Blocks: c.blocks(t, base.Height)})
			}
		},
		"reader": func(t *rapid.T) {
			r := &c.replicas[rapid.IntRange(0, len(c.replicas)-1).Draw(t, "reader")]
			d, err := c.s.Since(ctx, r.seq)
			if err != nil {
				t.Fatal(err)
			}
			r.apply(d)
			want := replica{seq: uint64(len(c.m.log)), records: c.m.all(^uint64(0)), state: c.m.fullState()}
			same(t, "reader's copy", want, *r, cmp.AllowUnexported(replica{}))
		},
		"": c.check,
	}
}

// check asks the store for its state and for two things more (to ask everything each time takes ten times as long).
func (c *machine) check(t *rapid.T) {
	st, err := c.s.State(c.t.Context())
	compare(t, "State", c.m.fullState(), st, err)
	questions := []func(*rapid.T, uint64, int, ons.Key){
		c.points, c.current, c.history, c.counts, c.sample, c.logs, c.events, c.totals, c.digest, c.lookup,
	}
	for range 2 {
		height := rapid.Uint64Max(uint64(len(c.m.blocks))+310).Draw(t, "height")
		limit := rapid.IntRange(0, 40).Draw(t, "limit")
		rapid.SampledFrom(questions).Draw(t, "question")(t, height, limit, rapid.SampledFrom(c.keys).Draw(t, "key"))
	}
}

func (c *machine) points(t *rapid.T, height uint64, limit int, _ ons.Key) {
	points, err := c.s.Points(c.t.Context(), height, limit)
	compare(t, "Points", c.m.points(height, limit), points, err)
	for _, b := range c.m.blocks {
		if c.m.wanted(b, max(c.m.keep, b.Height+1)) && !c.m.rows[b.Height] {
			t.Fatalf("the row of block %d is gone", b.Height)
		}
	}
}

func (c *machine) current(t *rapid.T, height uint64, _ int, key ons.Key) {
	current, err := c.s.Current(c.t.Context(), c.keys, height)
	compare(t, "Current", c.m.current(height), current, err)
	newest := c.m.current(^uint64(0))
	current, err = c.s.Current(c.t.Context(), c.keys, ^uint64(0))
	compare(t, "Current", newest, current, err)
	rec, err := c.s.Record(c.t.Context(), key)
	if want, ok := newest[key]; ok {
		compare(t, "Record", want, rec, err)
	} else if !errors.Is(err, ons.ErrNotFound) {
		t.Fatalf("Record of nothing: got error %v", err)
	}
}

func (c *machine) history(t *rapid.T, _ uint64, limit int, key ons.Key) {
	want := c.m.history(key)
	history, err := c.s.History(c.t.Context(), key, limit)
	compare(t, "History", want[:min(limit, len(want))], history, err)
}

func (c *machine) counts(t *rapid.T, height uint64, _ int, _ ons.Key) {
	counts, err := c.s.Counts(c.t.Context(), height)
	compare(t, "Counts", c.m.counts(height), counts, err)
}

func (c *machine) sample(t *rapid.T, _ uint64, limit int, key ons.Key) {
	sample, err := c.s.Sample(c.t.Context(), key.Hash, limit)
	compare(t, "Sample", c.m.sample(key.Hash, limit), sample, err)
}

func (c *machine) logs(t *rapid.T, _ uint64, _ int, _ ons.Key) {
	skips, err := c.s.Skips(c.t.Context(), 1e6)
	compare(t, "Skips", c.m.skips(), skips, err)
	reorgs, err := c.s.Reorgs(c.t.Context(), 1e6, 1e6)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(reorgs)
	for i := range reorgs {
		reorgs[i].At = time.Time{}
	}
	same(t, "Reorgs", c.m.reorgs, reorgs)
}

// events asks for a page, and for all.
func (c *machine) events(t *rapid.T, height uint64, limit int, _ ons.Key) {
	kinds := events.Kinds(rapid.Uint16Max(1<<events.Reasons).Draw(t, "kinds")) &^ 1
	p, err := c.s.Events(c.t.Context(), height, kinds, limit+1)
	if err == nil && (p.Head != uint64(len(c.m.events)) || p.Next > p.Head) {
		t.Fatalf("Events: to %d of %d, want %d in all", p.Next, p.Head, len(c.m.events))
	}
	compare(t, "Events", c.m.page(height, kinds, limit+1), timeless(p.Entries), err)
	same(t, "the log", c.m.events, readLog(c.t, c.s))
}

func (c *machine) totals(t *rapid.T, _ uint64, _ int, _ ons.Key) {
	totals, err := c.s.Totals(c.t.Context())
	hashes := map[ons.Hash]bool{}
	for _, r := range c.m.current(^uint64(0)) {
		hashes[r.Hash] = true
	}
	compare(t, "Totals", Totals{
		Names: uint64(len(c.m.current(^uint64(0)))), Hashes: uint64(len(hashes)), Records: uint64(len(c.m.all(^uint64(0)))),
		Blocks: uint64(len(c.m.blocks)), Reorgs: uint64(len(c.m.reorgs)), Skips: uint64(len(c.m.skips())),
	}, totals, err)
}

func (c *machine) digest(t *rapid.T, height uint64, _ int, _ ons.Key) {
	digest, err := c.s.DigestAt(c.t.Context(), height)
	if tip := c.m.tip(); tip != nil && height <= tip.Height {
		compare(t, "DigestAt", c.m.digest(height), digest, err)
	} else if !errors.Is(err, ErrHeight) {
		t.Fatalf("DigestAt(%d): got error %v", height, err)
	}
}

func (c *machine) lookup(t *rapid.T, _ uint64, _ int, key ons.Key) {
	sealed, err := c.s.Lookup(c.t.Context(), key.Type, key.Hash)
	tip := c.m.tip()
	if tip == nil {
		if !errors.Is(err, ons.ErrUnavailable) {
			t.Fatalf("Lookup in an empty index: got error %v", err)
		}
		return
	}
	if rec, ok := c.m.current(tip.Height)[key]; ok && rec.Live(tip.Height+1) {
		compare(t, "Lookup", rec.Sealed, sealed, err)
	} else if !errors.Is(err, ons.ErrNotFound) {
		t.Fatalf("Lookup of what is not there: got error %v", err)
	}
}

func compare(t *rapid.T, what string, want, got any, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	same(t, what, want, got)
}

func same(t *rapid.T, what string, want, got any, opts ...cmp.Option) {
	t.Helper()
	if reflect.DeepEqual(want, got) {
		return // cmp takes twenty times as long
	}
	if d := cmp.Diff(want, got, append(opts, cmpopts.EquateEmpty())...); d != "" {
		t.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

// testAgainstModel is the property: whatever is done to a store, it says what the model says.
func testAgainstModel(t *testing.T, dir func(t *testing.T) string) {
	root, runs := dir(t), 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		c := &machine{t: t, path: filepath.Join(root, fmt.Sprint(runs), "ons.db"), m: model{rows: map[uint64]bool{}}}
		c.g = newGen(rapid.Uint64().Draw(rt, "seed"))
		for i := range 12 {
			k := c.g.key()
			if i%3 == 2 {
				k.Hash = c.keys[i-1].Hash // one name, two types; sometimes the same key twice
			}
			c.keys = append(c.keys, k)
		}
		c.open(rt)
		defer func() { c.s.Close() }()
		rt.Repeat(c.actions())
	})
}
