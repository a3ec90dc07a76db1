package index

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"maps"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"onsight/indexer"
	"onsight/internal/store"
	"onsight/ons"

	gocmp "github.com/google/go-cmp/cmp"
)

// answers is everything a snapshot can be asked about some keys and owners, as values.
type answers struct {
	State   indexer.State
	Names   int
	Counts  [3]uint64
	Records []*ons.Record
	History [][]*ons.Record
	Owned   [][]*ons.Record
	All     []*ons.Record
	Buckets [][]*ons.Record // the whole, and by 3 bits
	Chain   []*ons.Record
	Before  [][]*ons.Record // above all, and before some
	Ending  [][]*ons.Record // all, and from some heights on and behind one there
	Times   map[uint64]int64
}

// machine drives a store, and indexes that follow it.
type machine struct {
	t      *testing.T
	path   string
	s      *store.Store
	epoch  uint64
	g      *gen
	keys   []ons.Key // what records are of, and one that has none
	chain  []indexer.Point
	often  *Index
	seldom *Index

	held []*Snapshot // older snapshots, and what they said when they were the newest
	said []answers
}

// Since implements Feed: the database that is open now.
func (c *machine) Since(ctx context.Context, seq uint64) (indexer.Delta, error) {
	return c.s.Since(ctx, seq)
}

func (c *machine) open(t *rapid.T) {
	var err error
	if c.s, c.epoch, err = openStore(c.t.Context(), c.path); err != nil {
		t.Fatal(err)
	}
}

// commit draws blocks on base; now and then one block has more records than a chunk has room for.
func (c *machine) commit(t *rapid.T, base *indexer.Point, n int) {
	from := uint64(50)
	if base != nil {
		from = base.Height + 1
		for len(c.chain) > 0 && c.chain[len(c.chain)-1].Height > base.Height {
			c.chain = c.chain[:len(c.chain)-1]
		}
	}
	r := indexer.Range{Base: base, State: indexer.State{
		Network: ons.Fakechain, Genesis: ons.Txid{9}, Target: rapid.Uint64Max(1000).Draw(t, "target"),
		Phase: rapid.SampledFrom([]indexer.Phase{indexer.Syncing, indexer.Synced, indexer.ForkBelowFinal}).Draw(t, "phase"),
	}}
	for i := range n {
		b := c.g.block(from + uint64(i))
		for range c.g.r.IntN(4) {
			c.g.record(&b, c.keys[c.g.r.IntN(len(c.keys)-1)])
		}
		if c.g.r.IntN(200) == 0 {
			strangers := &gen{r: c.g.r}
			for range chunkSize/2 + c.g.r.IntN(chunkSize) {
				strangers.record(&b, c.g.key())
			}
		}
		r.Blocks = append(r.Blocks, b)
		c.chain = append(c.chain, b.Point)
	}
	if err := c.s.Commit(c.t.Context(), c.epoch, r); err != nil {
		t.Fatal(err)
	}
}

// want asks the store, and goes through all its records for the owners.
func (c *machine) want(t *rapid.T) (a answers) {
	ctx := c.t.Context()
	d, err := c.s.Since(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	a.State = d.State
	totals, err := c.s.Totals(ctx)
	if err != nil {
		t.Fatal(err)
	}
	a.Names = int(totals.Names)
	var next uint64
	if d.Tip != nil {
		next = d.Tip.Height + 1
	}
	if a.Counts, err = c.s.Counts(ctx, next); err != nil {
		t.Fatal(err)
	}
	for _, key := range c.keys {
		var newest *ons.Record
		r, err := c.s.Record(ctx, key)
		switch {
		case err == nil:
			newest = &r
		case !errors.Is(err, ons.ErrNotFound):
			t.Fatal(err)
		}
		a.Records = append(a.Records, newest)
		history, err := c.s.History(ctx, key, 1e6)
		if err != nil {
			t.Fatal(err)
		}
		var refs []*ons.Record
		for i := range history {
			refs = append(refs, &history[i])
		}
		a.History = append(a.History, refs)
	}
	newest := map[ons.Key]*ons.Record{}
	for i := range d.Records {
		newest[d.Records[i].Key()] = &d.Records[i]
	}
	for _, o := range append(c.g.owners, ons.Owner{}) {
		a.Owned = append(a.Owned, owned(newest, o))
	}
	a.All, a.Buckets = everything(newest), make([][]*ons.Record, 9)
	for _, r := range newest {
		n := 1 + int(r.Hash[0]>>5)
		a.Buckets[0], a.Buckets[n] = append(a.Buckets[0], r), append(a.Buckets[n], r)
	}
	for _, b := range a.Buckets {
		slices.SortFunc(b, func(a, b *ons.Record) int {
			return cmp.Or(bytes.Compare(a.Hash[:], b.Hash[:]), cmp.Compare(a.Type, b.Type))
		})
	}
	a.Chain, a.Times = []*ons.Record{}, map[uint64]int64{}
	for i := range d.Records {
		a.Chain, a.Times[d.Records[i].Updated] = append(a.Chain, &d.Records[i]), d.Times[i]
		if want := made(d.Records[i].Updated); d.Times[i] != want {
			t.Fatalf("block %d: the database says it was made at %d, want %d", d.Records[i].Updated, d.Times[i], want)
		}
	}
	for i := len(a.Chain); i >= 0; i -= 1 + len(a.Chain)/8 {
		before := slices.Clone(a.Chain[:i])
		slices.Reverse(before)
		a.Before = append(a.Before, before)
	}
	var ending []*ons.Record
	for _, r := range a.All {
		if r.Expires > 0 {
			ending = append(ending, r)
		}
	}
	slices.SortStableFunc(ending, func(a, b *ons.Record) int { return cmp.Compare(a.Expires, b.Expires) })
	a.Ending = append(a.Ending, ending)
	for i := 0; i < len(ending); i += 1 + len(ending)/8 {
		first := slices.IndexFunc(ending, func(r *ons.Record) bool { return r.Expires == ending[i].Expires })
		a.Ending = append(a.Ending, ending[first:], ending[i+1:])
	}
	return a
}

// everything is the newest records in order of type and hash.
func everything(newest map[ons.Key]*ons.Record) []*ons.Record {
	all := slices.Collect(maps.Values(newest))
	slices.SortFunc(all, func(a, b *ons.Record) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), bytes.Compare(a.Hash[:], b.Hash[:]))
	})
	return all
}

// owned goes through all names for those of o.
func owned(newest map[ons.Key]*ons.Record, o ons.Owner) (out []*ons.Record) {
	for _, r := range newest {
		if o.Kind != ons.OwnerNone && (r.Owner == o || r.Backup == o) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *ons.Record) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), bytes.Compare(a.Hash[:], b.Hash[:]))
	})
	return out
}

// ask asks a snapshot the same. Owners are read in pages of a size.
func (c *machine) ask(s *Snapshot, page int) (a answers) {
	a.State, a.Names, a.Counts = s.State(), s.Len(), s.Counts()
	for _, key := range c.keys {
		a.Records, a.History = append(a.Records, s.Record(key)), append(a.History, s.History(key))
	}
	for _, o := range append(c.g.owners, ons.Owner{}) {
		a.Owned = append(a.Owned, pages(s, o, page))
	}
	a.All, a.Buckets = slices.Collect(s.Records()), [][]*ons.Record{s.Bucket(0, 0)}
	for i := range uint64(8) {
		a.Buckets = append(a.Buckets, s.Bucket(3, i))
	}
	a.Chain, a.Times = slices.Collect(s.Chain()), map[uint64]int64{}
	for _, r := range a.Chain {
		if made, ok := s.Time(r.Updated); ok {
			a.Times[r.Updated] = made
		}
	}
	for i := len(a.Chain); i >= 0; i -= 1 + len(a.Chain)/8 {
		height, tx := uint64(math.MaxUint64), uint32(0)
		if i < len(a.Chain) {
			height, tx = a.Chain[i].Updated, a.Chain[i].TxIndex
		}
		a.Before = append(a.Before, slices.Collect(s.Before(height, tx)))
	}
	ending := slices.Collect(s.Ending(0, nil))
	a.Ending = append(a.Ending, ending)
	for i := 0; i < len(ending); i += 1 + len(ending)/8 {
		key := ending[i].Key()
		a.Ending = append(a.Ending, slices.Collect(s.Ending(ending[i].Expires, nil)), slices.Collect(s.Ending(ending[i].Expires, &key)))
	}
	return a
}

// pages reads all an owner has, page by page.
func pages(s *Snapshot, o ons.Owner, size int) (out []*ons.Record) {
	var after *ons.Key
	for {
		some := s.Owned(o, after, size)
		out = append(out, some...)
		if len(some) < size {
			return out
		}
		key := some[len(some)-1].Key()
		after = &key
	}
}

// again asks an older snapshot once more.
func (c *machine) again(t *rapid.T, i int) {
	same(t, "an older snapshot", c.said[i], c.ask(c.held[i], 1<<20))
}

// load brings x up to date and compares it with the store.
func (c *machine) load(t *rapid.T, x *Index) {
	if err := x.Load(c.t.Context()); err != nil {
		t.Fatal(err)
	}
	want := c.want(t)
	same(t, "the newest snapshot", want, c.ask(x.Snapshot(), rapid.SampledFrom([]int{1, 2, 7, 1 << 20}).Draw(t, "page")))
	for i, old := range c.held {
		c.changes(t, x.Snapshot(), old, c.said[i])
	}
	for i, key := range c.keys {
		c.lookup(t, x, key, want.Records[i], want.State)
	}
	if i := rapid.IntRange(0, 5).Draw(t, "hold"); i < len(c.held) {
		c.held[i], c.said[i] = x.Snapshot(), want
	} else {
		c.held, c.said = append(c.held, x.Snapshot()), append(c.said, want)
	}
}

// changes shows that what a snapshot says has changed since an older one of any index is enough to make the one of the other.
func (c *machine) changes(t *rapid.T, s, old *Snapshot, said answers) {
	if old.State().Tip == nil {
		return
	}
	keys, ok := s.Changed(old.State().Tip.Hash)
	if !ok {
		return
	}
	records := map[ons.Key]*ons.Record{}
	for _, r := range said.All {
		records[r.Key()] = r
	}
	for _, k := range keys {
		if r := s.Record(k); r != nil {
			records[k] = r
		} else {
			delete(records, k)
		}
	}
	if got, want := everything(records), slices.Collect(s.Records()); !slices.EqualFunc(got, want, equal) {
		t.Fatalf("an older snapshot with %d changes (-want +got):\n%s", len(keys), gocmp.Diff(want, got))
	}
}

func (c *machine) lookup(t *rapid.T, x *Index, key ons.Key, r *ons.Record, st indexer.State) {
	sealed, err := x.Lookup(c.t.Context(), key.Type, key.Hash)
	switch {
	case st.Tip != nil && r != nil && r.Live(st.Tip.Height+1):
		if err != nil || !reflect.DeepEqual(sealed, r.Sealed) {
			t.Fatalf("Lookup: got %v, error %v, want %v", sealed, err, r.Sealed)
		}
	case st.Tip != nil && st.Phase == indexer.Synced:
		if !errors.Is(err, ons.ErrNotFound) || errors.Is(err, ons.ErrUnavailable) {
			t.Fatalf("Lookup of what is not there: got error %v", err)
		}
	default:
		if !errors.Is(err, ons.ErrUnavailable) || errors.Is(err, ons.ErrNotFound) {
			t.Fatalf("Lookup of what cannot be known: got error %v", err)
		}
	}
}

func same(t *rapid.T, what string, want, got answers) {
	t.Helper()
	lists := func(a, b []*ons.Record) bool { return slices.EqualFunc(a, b, equal) }
	if reflect.DeepEqual(want.State, got.State) && want.Names == got.Names && want.Counts == got.Counts &&
		lists(want.Records, got.Records) && slices.EqualFunc(want.History, got.History, lists) &&
		slices.EqualFunc(want.Owned, got.Owned, lists) && lists(want.All, got.All) && slices.EqualFunc(want.Buckets, got.Buckets, lists) &&
		lists(want.Chain, got.Chain) && slices.EqualFunc(want.Before, got.Before, lists) && slices.EqualFunc(want.Ending, got.Ending, lists) &&
		maps.Equal(want.Times, got.Times) {
		return
	}
	t.Fatalf("%s (-want +got):\n%s", what, gocmp.Diff(want, got))
}

// equal compares two records a hundred times as fast as reflect.DeepEqual does.
func equal(a, b *ons.Record) bool {
	if a == nil || b == nil {
		return a == b
	}
	return plain(a) == plain(b) && a.Sealed.Equal(b.Sealed)
}

// plain is what of a record can be compared.
func plain(r *ons.Record) any {
	return struct {
		key           ons.Key
		kind          ons.Kind
		owner, backup ons.Owner
		heights       [3]uint64
		txIndex       uint32
		txids         [2]ons.Txid
	}{r.Key(), r.Kind, r.Owner, r.Backup, [...]uint64{r.Registered, r.Updated, r.Expires}, r.TxIndex, [...]ons.Txid{r.Txid, r.Prev}}
}

func (c *machine) actions() map[string]func(*rapid.T) {
	tip := func() *indexer.Point {
		if len(c.chain) == 0 {
			return nil
		}
		return &c.chain[len(c.chain)-1]
	}
	forward := func(t *rapid.T) { c.commit(t, tip(), rapid.IntRange(1, 6).Draw(t, "n")) }
	back := func(t *rapid.T) *indexer.Point {
		if len(c.chain) == 0 {
			t.Skip("no blocks yet")
		}
		p := c.chain[max(0, len(c.chain)-1-rapid.IntRange(0, 12).Draw(t, "depth"))]
		return &p
	}
	return map[string]func(*rapid.T){
		"append":       forward,
		"append again": forward,
		"reorganise":   func(t *rapid.T) { c.commit(t, back(t), rapid.IntRange(1, 6).Draw(t, "n")) },
		"roll back":    func(t *rapid.T) { c.commit(t, back(t), 0) },
		"state only":   func(t *rapid.T) { c.commit(t, nil, 0) },
		"reopen": func(t *rapid.T) {
			if err := c.s.Close(); err != nil {
				t.Fatal(err)
			}
			c.open(t)
		},
		"load":       func(t *rapid.T) { c.load(t, c.often) },
		"load again": func(t *rapid.T) { c.load(t, c.often) },
		"load other": func(t *rapid.T) { c.load(t, c.seldom) },
		"load fresh": func(t *rapid.T) { c.load(t, newIndex(c, c.often.Snapshot().hash)) },
		"": func(t *rapid.T) {
			if len(c.held) > 0 {
				c.again(t, c.g.r.IntN(len(c.held)))
			}
		},
	}
}

// TestAgainstStore is the property: whatever is done to a store, an index that follows it answers as the store does, and
// its older snapshots answer as they did.
func TestAgainstStore(t *testing.T) {
	t.Parallel()
	root, runs := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		c := &machine{t: t, path: filepath.Join(root, strconv.Itoa(runs), "ons.db")}
		c.g = newGen(rapid.Uint64().Draw(rt, "seed"))
		for range 6 {
			c.g.owners = append(c.g.owners, c.g.owner())
		}
		twin := c.g.owners[0]
		twin.Subaddress = !twin.Subaddress
		c.g.owners = append(c.g.owners, twin)
		for i := range 16 {
			k := c.g.key()
			switch i % 4 {
			case 1:
				copy(k.Hash[:8], c.keys[i-1].Hash[:8]) // what lists search by first is the same
			case 2:
				k.Hash = c.keys[i-1].Hash // one name, two types; sometimes the same key twice
			}
			c.keys = append(c.keys, k)
		}
		c.often, c.seldom = New(c), New(c)
		if rapid.Bool().Draw(rt, "poor hash") {
			poor := func(o *ons.Owner) uint64 { return uint64(o.Key[0] % 2) }
			c.often, c.seldom = newIndex(c, poor), newIndex(c, poor)
		}
		c.open(rt)
		defer func() { c.s.Close() }()
		rt.Repeat(c.actions())
		for i := range c.held {
			c.again(rt, i)
		}
	})
}

// TestLog is the property that versions of a log keep their items, whatever the newest one does.
func TestLog(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var l log[int]
		var want []int
		type version struct {
			l    log[int]
			want []int
		}
		var old []version
		next := 0
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			old = append(old, version{l, slices.Clone(want)})
			if rapid.Bool().Draw(t, "cut") {
				n := rapid.IntRange(0, len(want)).Draw(t, "keep")
				if edge := n &^ (chunkSize - 1); rapid.Bool().Draw(t, "at an edge") {
					n = edge
				}
				l, want = l.cut(n), want[:n:n]
			}
			items := make([]int, rapid.SampledFrom([]int{0, 1, 3, 700, chunkSize, 2*chunkSize + 5}).Draw(t, "n"))
			for i := range items {
				items[i], next = next, next+1
			}
			l, want = l.append(items), append(want, items...)
		}
		for _, v := range append(old, version{l, want}) {
			if v.l.n != len(v.want) {
				t.Fatalf("got %d items, want %d", v.l.n, len(v.want))
			}
			for i, x := range v.want {
				if got := *v.l.at(uint32(i)); got != x {
					t.Fatalf("item %d of %d: got %d, want %d", i, v.l.n, got, x)
				}
			}
		}
	})
}
