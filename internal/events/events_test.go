package events_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"onsight/indexer"
	"onsight/internal/events"
	"onsight/internal/store"
	"onsight/ons"
)

func TestKinds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]events.Kind{
		"":                     {events.Buy, events.Update, events.Renew, events.Transfer, events.Expire, events.Reorg, events.Node, events.Reasons},
		"reorg":                {events.Reorg},
		"node_reasons,buy,buy": {events.Buy, events.Reasons},
	} {
		set, err := events.ParseKinds(text)
		if err != nil || !slices.Equal(set.List(), want) {
			t.Errorf("%q: got %v, error %v, want %v", text, set.List(), err, want)
		}
		for k := range events.Reasons + 1 {
			if k > 0 && set.Has(k) != slices.Contains(want, k) {
				t.Errorf("%q has %s: %t", text, k, set.Has(k))
			}
		}
	}
	for _, text := range []string{"sale", "buy,", ",", "Buy", "buy update"} {
		if _, err := events.ParseKinds(text); !errors.Is(err, events.ErrKind) {
			t.Errorf("%q: got error %v", text, err)
		}
	}
	if set, err := events.ParseKinds(strings.Join(events.Names(), ",")); err != nil || len(set.List()) != int(events.Reasons) {
		t.Errorf("all names: got %v, error %v", set.List(), err)
	}
	for k, want := range map[events.Kind]string{0: "0", events.Buy: "buy", events.Reasons: "node_reasons", 9: "9"} {
		if k.String() != want {
			t.Errorf("got %s, want %s", k, want)
		}
	}
	for k, want := range map[ons.Kind]events.Kind{ons.Buy: events.Buy, ons.Update: events.Update, ons.Renew: events.Renew} {
		if events.Kind(k) != want {
			t.Errorf("%s is %s", k, events.Kind(k))
		}
	}
}

func TestParseCursor(t *testing.T) {
	t.Parallel()
	id := events.ID{0x3f, 0x9b, 7: 0x54}
	for text, want := range map[string]events.Cursor{
		"3f9b000000000054-0":                {Log: id},
		"3f9b000000000054-118":              {Log: id, Seq: 118},
		"0000000000000000-9007199254740992": {Seq: 1 << 53},
	} {
		if got, err := events.ParseCursor(text); err != nil || got != want || got.String() != text {
			t.Errorf("%s: got %v, error %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "-", "3f9b000000000054", "3f9b000000000054-", "3f9b000000000054-01", "3f9b000000000054-+1", "3F9B000000000054-1", "3f9b0000000000-1",
		"3f9b00000000005400-1", "xf9b000000000054-1", "3f9b000000000054-1-1", " 3f9b000000000054-1", "3f9b000000000054-9007199254740993",
		"3f9b000000000054-99999999999999999999",
	} {
		if got, err := events.ParseCursor(text); !errors.Is(err, events.ErrCursor) || got != (events.Cursor{}) {
			t.Errorf("%q: got %v, error %v", text, got, err)
		}
	}
}

// FuzzParseCursor holds that a cursor has one spelling.
func FuzzParseCursor(f *testing.F) {
	for _, s := range []string{"3f9b000000000054-118", "0000000000000000-0", "3f9b000000000054--1", "3f9b000000000054-0x1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if c, err := events.ParseCursor(s); err == nil && c.String() != s {
			t.Errorf("%q is read as %s", s, c)
		}
	})
}

// growing is a database that grows.
type growing struct {
	*store.Store
	epoch uint64
	tip   *indexer.Point
	n     uint64
}

func newGrowing(t interface{ Fatal(...any) }, dir string) *growing {
	s, err := store.Open(context.Background(), store.Config{Path: filepath.Join(dir, "ons.db")})
	if err != nil {
		t.Fatal(err)
	}
	g := &growing{Store: s}
	if g.epoch, err = s.Begin(context.Background()); err != nil {
		t.Fatal(err)
	}
	return g
}

// block adds a block with so many names.
func (g *growing) block(t interface{ Fatal(...any) }, names int) {
	b := indexer.Block{Point: indexer.Point{Height: 100}, Time: 1_700_000_000}
	if g.tip != nil {
		b.Height = g.tip.Height + 1
	}
	b.Hash = ons.Txid{byte(b.Height), byte(b.Height >> 8), 1}
	for i := range names {
		g.n++
		b.Records = append(b.Records, ons.Record{
			Hash: ons.Hash{byte(g.n), byte(g.n >> 8), byte(g.n >> 16)}, Kind: ons.Buy, Registered: b.Height, Updated: b.Height, TxIndex: uint32(i),
			Sealed: ons.Sealed{Ciphertext: make([]byte, 49), Nonce: make([]byte, 24)},
		})
		b.Digest = b.Hash
	}
	if err := g.Commit(context.Background(), g.epoch, indexer.Range{Base: g.tip, Blocks: []indexer.Block{b}, State: indexer.State{Network: ons.Mainnet}}); err != nil {
		t.Fatal(err)
	}
	g.tip = &b.Point
}

// TestTail lets a log grow, and tails load it now and then: what they give is what the database gives, but for what they have
// not loaded.
func TestTail(t *testing.T) {
	t.Parallel()
	root, runs := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		ctx := t.Context()
		g := newGrowing(t, filepath.Join(root, fmt.Sprint(runs)))
		defer g.Close()
		tails, loaded := []*events.Tail{}, []uint64{}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			g.block(t, rapid.SampledFrom([]int{0, 1, 1, 2, 7, 7, 30}).Draw(t, "names"))
			if rapid.Bool().Draw(t, "new") {
				tails, loaded = append(tails, events.NewTail(g)), append(loaded, 0)
			}
			for i, tail := range tails {
				_, grown := tail.Head()
				if rapid.Bool().Draw(t, "load") {
					if err := tail.Load(ctx); err != nil {
						t.Fatal(err)
					}
					select {
					case <-grown:
					default:
						if loaded[i] != g.n {
							t.Fatalf("nobody is told that the log grew from %d to %d", loaded[i], g.n)
						}
					}
					loaded[i] = g.n
				}
				head, _ := tail.Head()
				if head.Seq != loaded[i] {
					t.Fatalf("stands at %d, want %d", head.Seq, loaded[i])
				}
				after := rapid.Uint64Max(g.n+2).Draw(t, "after")
				limit := rapid.IntRange(1, 30).Draw(t, "limit")
				kinds := rapid.SampledFrom([]events.Kinds{0, 1 << events.Buy, 1 << events.Reorg}).Draw(t, "kinds")
				got, err := tail.Events(ctx, after, kinds, limit)
				want, err2 := g.Events(ctx, after, kinds, limit)
				if err := errors.Join(err, err2); err != nil {
					t.Fatal(err)
				}
				if got.Log != want.Log || got.Next > got.Head || got.Head > want.Head {
					t.Fatalf("got %d of %d of %s, want %d of %d of %s", got.Next, got.Head, got.Log, want.Next, want.Head, want.Log)
				}
				for len(want.Entries) > 0 && want.Entries[len(want.Entries)-1].Seq > got.Head {
					want.Entries = want.Entries[:len(want.Entries)-1] // not loaded
				}
				n := min(len(got.Entries), len(want.Entries)) // one may have looked farther
				if diff := cmp.Diff(want.Entries[:n], got.Entries[:n], cmpopts.EquateEmpty()); diff != "" || len(got.Entries) < len(want.Entries) && got.Next == got.Head {
					t.Fatalf("after %d: %d of %d (-want +got):\n%s", after, n, len(want.Entries), diff)
				}
			}
		}
	})
}

// TestTailLong lets a log grow past what a tail keeps, while somebody reads it.
func TestTailLong(t *testing.T) {
	t.Parallel()
	g := newGrowing(t, t.TempDir())
	defer g.Close()
	tail := events.NewTail(g)
	at, seen := uint64(0), uint64(0)
	for range 5 {
		g.block(t, 2100)
		if err := tail.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		for at < g.n-1000 { // some way behind
			p, err := tail.Events(t.Context(), at, 0, 700)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range p.Entries {
				if seen++; e.Seq != seen {
					t.Fatalf("entry %d after %d", e.Seq, seen-1)
				}
			}
			at = p.Next
		}
	}
	if p, err := tail.Events(t.Context(), 3, 0, 2); err != nil || len(p.Entries) != 2 || p.Entries[0].Seq != 4 || p.Next != 5 {
		t.Errorf("of old: got %+v, error %v", p, err)
	}
}

// TestTailReplaced has another database in the place of the one before: the tail begins anew.
func TestTailReplaced(t *testing.T) {
	t.Parallel()
	a, b := newGrowing(t, t.TempDir()), newGrowing(t, t.TempDir())
	defer a.Close()
	defer b.Close()
	a.block(t, 5)
	b.block(t, 3)
	at := &movable{Source: a}
	tail := events.NewTail(at)
	load := func(want uint64) events.ID {
		t.Helper()
		if err := tail.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		head, _ := tail.Head()
		p, err := tail.Events(t.Context(), 0, 0, 100)
		if err != nil || head.Seq != want || len(p.Entries) != int(want) || p.Log != head.Log {
			t.Fatalf("got %v, %d entries, error %v; want %d", head, len(p.Entries), err, want)
		}
		return head.Log
	}
	before := load(5)
	_, grown := tail.Head()
	at.Source = b
	if load(3) == before {
		t.Error("two logs have one id")
	}
	<-grown
}

type movable struct{ events.Source }

func TestTailFails(t *testing.T) {
	t.Parallel()
	g := newGrowing(t, t.TempDir())
	g.block(t, 2)
	tail := events.NewTail(g)
	if err := tail.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.Close()
	if err := tail.Load(t.Context()); err == nil {
		t.Error("a database that is closed was loaded")
	}
	if p, err := tail.Events(t.Context(), 0, 0, 10); err != nil || len(p.Entries) != 2 {
		t.Errorf("what was loaded: %d entries, error %v", len(p.Entries), err)
	}
	if _, err := tail.Reorgs(t.Context(), math.MaxInt64, 1); err == nil {
		t.Error("reorganisations of a database that is closed")
	}
}

// Replaying a log gives the registry.
func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	db := written(dir) // two names are bought in two blocks, then another block replaces the second
	defer db.Close()

	var records []ons.Record // in the order of the chain
	var at events.Cursor     // to be kept: who comes again goes on behind it
	for {
		page, err := db.Events(context.Background(), at.Seq, 0, 100)
		if err != nil {
			log.Fatal(err)
		}
		for _, e := range page.Entries {
			fmt.Println(e.Kind, e.Height)
			switch {
			case e.Kind == events.Reorg:
				records = slices.DeleteFunc(records, func(r ons.Record) bool { return r.Updated > e.Height })
			case e.Record != nil && e.Kind != events.Expire:
				records = append(records, *e.Record)
			}
		}
		if at = (events.Cursor{Log: page.Log, Seq: page.Next}); page.Next == page.Head {
			break
		}
	}
	registry := map[ons.Key]ons.Record{}
	for _, r := range records {
		registry[r.Key()] = r
	}
	fmt.Println(len(registry), "names")
	// Output:
	// buy 100
	// buy 101
	// reorg 100
	// buy 101
	// 2 names
}

type fatal struct{}

func (fatal) Fatal(v ...any) { log.Fatal(v...) }

func written(dir string) *growing {
	g := newGrowing(fatal{}, dir)
	g.block(fatal{}, 1)
	base := *g.tip
	g.block(fatal{}, 1)
	g.tip = &base
	g.block(fatal{}, 1)
	return g
}
