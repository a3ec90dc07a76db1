package index

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"onsight/indexer"
	"onsight/internal/devnet"
	"onsight/internal/oxend"
	"onsight/ons"
)

func TestEmpty(t *testing.T) {
	t.Parallel()
	s := New(&canned{}).Snapshot()
	key, owner := ons.Key{Type: ons.Wallet}, ons.Owner{Kind: ons.OwnerEd25519}
	if r, h, o := s.Record(key), s.History(key), s.Owned(owner, &key, 10); r != nil || h != nil || o != nil {
		t.Errorf("got %v, %v and %v of nothing", r, h, o)
	}
	if s.Len() != 0 || s.Counts() != [3]uint64{} || s.State() != (indexer.State{}) {
		t.Errorf("got %d names, %v, %v of nothing", s.Len(), s.Counts(), s.State())
	}
	if r, h := s.Record(ons.Key{Type: types}), s.History(ons.Key{Type: 255}); r != nil || h != nil {
		t.Errorf("got %v and %v of types that do not exist", r, h)
	}
}

// TestLookup walks a lokinet name past its end and shows when "not registered" may be said.
func TestLookup(t *testing.T) {
	t.Parallel()
	rec := ons.Record{Type: ons.Lokinet, Hash: ons.Hash{7}, Updated: 10, Expires: 21, Sealed: ons.Sealed{Ciphertext: []byte("x"), Nonce: []byte("y")}}
	for _, c := range []struct {
		name  string
		tip   uint64 // 0: none
		phase indexer.Phase
		hash  ons.Hash
		want  error
	}{
		{"no blocks", 0, indexer.Synced, rec.Hash, ons.ErrUnavailable},
		{"lives", 15, indexer.Synced, rec.Hash, nil},
		{"lives in the next block", 20, indexer.Synced, rec.Hash, nil},
		{"ended", 21, indexer.Synced, rec.Hash, ons.ErrNotFound},
		{"unknown", 15, indexer.Synced, ons.Hash{8}, ons.ErrNotFound},
		{"syncing, lives", 15, indexer.Syncing, rec.Hash, nil},
		{"syncing, ended", 21, indexer.Syncing, rec.Hash, ons.ErrUnavailable}, // a renewal may be in what is missing
		{"syncing, unknown", 15, indexer.Syncing, ons.Hash{8}, ons.ErrUnavailable},
		{"fork below final", 15, indexer.ForkBelowFinal, ons.Hash{8}, ons.ErrUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := indexer.Delta{Seq: 1, Full: true, State: indexer.State{Phase: c.phase}}
			if c.tip > 0 {
				d.State.Tip, d.Records = &indexer.Point{Height: c.tip}, []ons.Record{rec}
			}
			x := New(&canned{delta: d})
			mustLoad(t, x)
			got, err := x.Lookup(t.Context(), ons.Lokinet, c.hash)
			if !errors.Is(err, c.want) || err == nil && !got.Equal(rec.Sealed) {
				t.Errorf("got %v, error %v, want error %v", got, err, c.want)
			}
			if errors.Is(err, ons.ErrNotFound) && errors.Is(err, ons.ErrUnavailable) {
				t.Errorf("error %v says both", err)
			}
		})
	}
}

// TestLoad shows what Load asks for and what it does with answers that are no use.
func TestLoad(t *testing.T) {
	t.Parallel()
	rec := func(height uint64, tx uint32) ons.Record {
		return ons.Record{Hash: ons.Hash{byte(height)}, Updated: height, TxIndex: tx}
	}
	feed := &canned{delta: indexer.Delta{Seq: 5, Full: true, Records: []ons.Record{rec(10, 0), rec(10, 3), rec(11, 1)}}}
	x := New(feed)
	first := mustLoad(t, x)
	broken := errors.New("broken")
	odd := rec(12, 0)
	odd.Type = types
	for _, c := range []struct {
		name string
		feed canned
		want string
	}{
		{"feed fails", canned{err: broken}, "load index: broken"},
		{"unknown type", canned{delta: indexer.Delta{Seq: 6, Base: 11, Records: []ons.Record{odd}}}, "name of type 3"},
		{"below base", canned{delta: indexer.Delta{Seq: 6, Base: 11, Records: []ons.Record{rec(11, 2)}}}, "above block 11"},
		{"blocks out of order", canned{delta: indexer.Delta{Seq: 6, Base: 11, Records: []ons.Record{rec(13, 0), rec(12, 0)}}}, "order"},
		{"transactions out of order", canned{delta: indexer.Delta{Seq: 6, Full: true, Records: []ons.Record{rec(13, 1), rec(13, 1)}}}, "order"},
	} {
		*feed = c.feed
		err := x.Load(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) || c.feed.err != nil && !errors.Is(err, c.feed.err) {
			t.Errorf("%s: got error %v, want %q", c.name, err, c.want)
		}
		if feed.asked != 5 || x.Snapshot() != first {
			t.Errorf("%s: asked for %d, snapshot changed: %t", c.name, feed.asked, x.Snapshot() != first)
		}
	}
	*feed = canned{delta: indexer.Delta{Seq: 5, Base: 11}}
	if mustLoad(t, x) != first {
		t.Error("the snapshot changed although nothing happened")
	}
	*feed = canned{delta: indexer.Delta{Seq: 3, Full: true, Records: []ons.Record{rec(50, 0)}}} // another database
	if s := mustLoad(t, x); s.Len() != 1 || s.Record(ons.Key{Hash: ons.Hash{10}}) != nil || first.Len() != 2 {
		t.Errorf("got %d names, and %d before", s.Len(), first.Len())
	}
}

// TestChain follows a generated chain through the real indexer and database, forward and through reorganisations, and
// compares what the index says with what the generator knows.
func TestChain(t *testing.T) {
	t.Parallel()
	chain, _ := devnet.Generate(devnet.GenerateConfig{Seed: 3, Blocks: 500, ONS: 300})
	d, err := devnet.Serve(chain, devnet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	client, err := oxend.New(oxend.Config{URL: d.URL(), Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdle)
	pool, err := oxend.NewPool(oxend.PoolConfig{Clients: []*oxend.Client{client}})
	if err != nil {
		t.Fatal(err)
	}
	db, epoch, err := openStore(t.Context(), filepath.Join(t.TempDir(), "ons.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	in := indexer.New(indexer.Config{Pool: pool, Store: db, Epoch: epoch})
	x := New(db)
	for round := range 6 {
		switch {
		case round%3 == 1:
			chain.Reorg(20*round, uint64(round))
		case round > 0:
			chain.Mine(3, 1, 2)
		}
		if _, err := in.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		compareTruth(t, mustLoad(t, x), chain.Truth())
	}
}

func compareTruth(t *testing.T, s *Snapshot, truth *devnet.Truth) {
	t.Helper()
	newest, owners := map[ons.Key]*ons.Record{}, map[ons.Owner]bool{}
	for _, key := range truth.Keys() {
		want, got := truth.History(key), s.History(key)
		if !slices.EqualFunc(got, want, func(a *ons.Record, b ons.Record) bool { return equal(a, &b) }) {
			t.Errorf("history of a %s name: got %d records, want %d", key.Type, len(got), len(want))
		}
		r := want[len(want)-1]
		newest[key] = &r
		owners[r.Owner], owners[r.Backup] = true, true
	}
	if s.Len() != len(newest) {
		t.Errorf("got %d names, want %d", s.Len(), len(newest))
	}
	want, ok := truth.Counts(s.State().Tip.Height + 1)
	if got := s.Counts(); !ok || got != want {
		t.Errorf("got counts %v, want %v", got, want)
	}
	for o := range owners {
		if want, got := owned(newest, o), pages(s, o, 3); !slices.EqualFunc(got, want, equal) {
			t.Errorf("names of an owner: got %d, want %d", len(got), len(want))
		}
	}
}

// TestReaders lets readers go on, with the newest snapshot and with old ones, while blocks come and are taken back. A
// snapshot is its own witness: each name's newest record says of which block it is, and all that is below the tip is there.
func TestReaders(t *testing.T) {
	t.Parallel()
	g := newGen(5)
	feed := &canned{delta: indexer.Delta{Seq: 1, Full: true}}
	x := New(feed)
	keys := make([]ons.Key, 40)
	for i := range keys {
		keys[i] = g.key()
	}
	me := ons.Owner{Kind: ons.OwnerEd25519, Key: [32]byte{1}}
	// Every block has one record for each key; a name's txid repeats the hash of its block.
	step := func(base uint64, n int) {
		d := &feed.delta
		d.Seq, d.Base, d.Records = d.Seq+1, base, nil
		for range n {
			b := g.block(base + 1)
			for _, k := range keys {
				g.record(&b, k)
				r := &b.Records[len(b.Records)-1]
				r.Txid, r.Owner, r.Expires = b.Hash, me, 0
			}
			base++
			d.Records = append(d.Records, b.Records...)
			d.Tip, d.State.Tip = &b.Point, &b.Point
		}
		mustLoad(t, x)
		d.Full = false
	}
	step(0, 30)
	verify := func(s *Snapshot, deep bool) error {
		tip := *s.State().Tip
		for _, k := range keys {
			if r := s.Record(k); r.Updated != tip.Height || r.Txid != tip.Hash || r.Key() != k {
				return fmt.Errorf("record of block %d in a snapshot of block %d", r.Updated, tip.Height)
			}
			if !deep {
				continue
			}
			for i, r := range s.History(k) {
				if r.Updated != uint64(i+1) || r.Key() != k || len(r.Sealed.Ciphertext) < 48 {
					return fmt.Errorf("history at %d is of block %d", i, r.Updated)
				}
			}
		}
		if got := s.Owned(me, nil, 1000); len(got) != len(keys) || got[0].Txid != tip.Hash {
			return fmt.Errorf("got %d owned names", len(got))
		}
		if n := s.Counts(); n[0]+n[1]+n[2] != uint64(len(keys)) {
			return fmt.Errorf("got counts %v", n)
		}
		return nil
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			var old []*Snapshot
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				s := x.Snapshot()
				old = append(old, s)
				if len(old) > 8 {
					old = slices.Delete(old, i%8, i%8+1)
				}
				if err := errors.Join(verify(s, false), verify(old[0], true)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 300 {
		tip := feed.delta.Tip.Height
		step(tip-min(tip, uint64(g.r.IntN(8))), 1+g.r.IntN(6))
	}
	close(stop)
	wg.Wait()
}

// TestOwnedPages reads what an owner has in pages whose borders fall on names that are no longer his.
func TestOwnedPages(t *testing.T) {
	t.Parallel()
	me, other := ons.Owner{Kind: ons.OwnerEd25519, Key: [32]byte{1}}, ons.Owner{Kind: ons.OwnerWallet, Key: [32]byte{1}}
	var recs []ons.Record
	for i := range 10 {
		recs = append(recs, ons.Record{Hash: ons.Hash{byte(i)}, Owner: me, Backup: me, Updated: 1, TxIndex: uint32(i)})
	}
	sold := recs[5]
	sold.Owner, sold.Backup, sold.Updated = other, ons.Owner{}, 2
	s := mustLoad(t, New(&canned{delta: indexer.Delta{Full: true, Records: append(recs, sold)}}))
	hashes := func(recs []*ons.Record) string {
		var b bytes.Buffer
		for _, r := range recs {
			fmt.Fprint(&b, r.Hash[0], " ")
		}
		return b.String()
	}
	for _, c := range []struct {
		owner ons.Owner
		after *ons.Key
		limit int
		want  string
	}{
		{me, nil, 100, "0 1 2 3 4 6 7 8 9 "},
		{me, &ons.Key{}, 3, "1 2 3 "},
		{me, &ons.Key{Hash: ons.Hash{5}}, 2, "6 7 "},
		{me, &ons.Key{Hash: ons.Hash{5, 1}}, 2, "6 7 "},
		{me, &ons.Key{Type: ons.Wallet}, 2, ""},
		{me, nil, 0, ""},
		{me, nil, -1, ""},
		{other, nil, 9, "5 "},
		{ons.Owner{}, nil, 9, ""},
	} {
		if got := hashes(s.Owned(c.owner, c.after, c.limit)); got != c.want {
			t.Errorf("kind %d after %v, %d at most: got %q, want %q", c.owner.Kind, c.after, c.limit, got, c.want)
		}
	}
}

// TestChanged shows what is known of older blocks, and that it is forgotten before it takes much room.
func TestChanged(t *testing.T) {
	t.Parallel()
	g := newGen(5)
	feed := &canned{}
	x := New(feed)
	var tips []ons.Txid
	for i := range uint64(maxTips + 2) {
		b := g.block(i + 1)
		if i%2 == 0 && i < 10 {
			g.record(&b, g.key())
		}
		feed.delta = indexer.Delta{Seq: i + 1, Full: i == 0, Base: i, Records: b.Records, Tip: &b.Point, State: indexer.State{Tip: &b.Point}}
		mustLoad(t, x)
		tips = append(tips, b.Hash)
		if i != 9 {
			continue
		}
		for j, want := range []int{4, 4, 3, 3, 2, 2, 1, 1, 0, 0} {
			if keys, ok := x.Snapshot().Changed(tips[j]); !ok || len(keys) != want {
				t.Errorf("since block %d: %d keys, %v, want %d", j+1, len(keys), ok, want)
			}
		}
	}
	if _, ok := x.Snapshot().Changed(tips[9]); ok {
		t.Error("nothing was forgotten")
	}
	if keys, ok := x.Snapshot().Changed(tips[len(tips)-2]); !ok || len(keys) != 0 {
		t.Errorf("since the block before: %v, %v", keys, ok)
	}
	if _, ok := x.Snapshot().Changed(ons.Txid{}); ok {
		t.Error("a block that never was")
	}
}

// TestTips has the same block again and again, as the index's state is stored while no block comes: that takes no room of what is
// remembered of changes.
func TestTips(t *testing.T) {
	t.Parallel()
	g := newGen(9)
	feed := &canned{}
	x := New(feed)
	load := func(height uint64, hash ons.Txid, base uint64) {
		t.Helper()
		tip := &indexer.Point{Height: height, Hash: hash}
		seq := feed.delta.Seq + 1
		feed.delta = indexer.Delta{Seq: seq, Full: seq == 1, Base: base, Tip: tip, State: indexer.State{Tip: tip}}
		if err := x.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	a, b := g.hash(), g.hash()
	load(5, a, 0)
	for range maxTips {
		load(5, a, 5)
	}
	load(6, b, 5)
	load(6, b, 6)
	load(5, a, 5) // back, which is a change
	if n := x.Snapshot().tips.n; n != 3 {
		t.Errorf("%d tips are remembered, want 3", n)
	}
	for _, hash := range []ons.Txid{a, b} {
		if _, ok := x.Snapshot().Changed(hash); !ok {
			t.Errorf("what changed since %s is forgotten", hash)
		}
	}
}
