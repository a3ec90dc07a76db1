package indexer_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"onsight/indexer"
	"onsight/internal/devnet"
	"onsight/internal/events"
	"onsight/ons"
)

// TestGenerated indexes a generated chain of every kind of operation and compares every record, and every record's
// history, with the model its generator kept.
func TestGenerated(t *testing.T) {
	t.Parallel()
	for _, dialect := range []devnet.Dialect{devnet.Dialect10, devnet.Dialect11} {
		t.Run(dialect.String(), func(t *testing.T) {
			t.Parallel()
			cfg := devnet.GenerateConfig{Seed: 3, Blocks: 5000, Ordinary: 500, ONS: 3000, Dialect: dialect}
			chain, truth := devnet.Generate(cfg)
			d := serve(t, chain)
			x := newIndex(t, []string{d.URL()}, func(c *indexer.Config) { c.Year = chain.Year() })
			st := mustSync(t, x)
			if st.Phase != indexer.Synced || st.Tip.Height != chain.Height()-1 {
				t.Fatalf("%s at %d, want the tip %d", st.Phase, st.Tip.Height, chain.Height()-1)
			}
			kinds := compareTruth(t, x, truth)
			for _, kind := range []ons.Kind{ons.Buy, ons.Update, ons.Renew} {
				if kinds[kind] == 0 {
					t.Errorf("the chain has no %s: it tests nothing of it", kind)
				}
			}
			rep, err := indexer.Verify(t.Context(), newClient(t, d.URL()), x.db, 500, rand.New(rand.NewPCG(1, 1)))
			if err != nil {
				t.Fatal(err)
			}
			if len(rep.Differences) > 0 || rep.Sampled < 400 {
				t.Errorf("verify compared %d records and found %v", rep.Sampled, rep.Differences)
			}
			if err := d.Crashed(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestReorgRecordings walks through three replaced blocks as real daemons had them: before, after, and one block later.
func TestReorgRecordings(t *testing.T) {
	t.Parallel()
	before, after, plusOne, err := devnet.LoadReorg(recorded)
	if err != nil {
		t.Fatal(err)
	}
	d := serve(t, before.Chain)
	x := newIndex(t, []string{d.URL()}, nil)
	for _, state := range []devnet.ReorgState{before, after, plusOne} {
		d.Swap(state.Chain)
		st := mustSync(t, x)
		if st.Tip.Height != state.Chain.Height()-1 {
			t.Fatalf("%s: at %d, want %d", state.Name, st.Tip.Height, state.Chain.Height()-1)
		}
		compareDaemon(t, x, state)
		if _, digest := fresh(t, d); digest != st.Digest {
			t.Errorf("%s: digest %s, in one go %s", state.Name, st.Digest, digest)
		}
	}
	reorgs, err := x.db.Reorgs(t.Context(), math.MaxUint64, 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(reorgs) != 1 || reorgs[0].Base.Height != 293 || reorgs[0].From.Height != 296 {
		t.Errorf("reorg log %+v, want one: 293 to 296 undone", reorgs)
	}
}

// TestFinal shows that a chain which leaves ours below a final block is refused, says so in the stored state, undoes
// nothing, and is followed only when the operator accepts it.
func TestFinal(t *testing.T) {
	t.Parallel()
	chain, _ := devnet.Generate(devnet.GenerateConfig{Seed: 5, Blocks: 600, ONS: 200})
	chain.SetImmutable(590)
	d := serve(t, chain)
	x := newIndex(t, []string{d.URL()}, nil)
	st := mustSync(t, x)
	if st.Final != 590 {
		t.Fatalf("final height %d, want 590", st.Final)
	}
	chain.SetImmutable(0)
	chain.Reorg(30, 1) // down to block 569
	_, err := x.Sync(t.Context())
	var final *indexer.FinalError
	if !errors.As(err, &final) || final.Fork != 569 || final.Final != 590 {
		t.Fatalf("error %v, want a fork at 569 below 590", err)
	}
	stored, err := x.db.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if stored.Phase != indexer.ForkBelowFinal || *stored.Tip != *st.Tip || stored.Digest != st.Digest {
		t.Errorf("stored %+v, want the old chain and the phase %s", stored, indexer.ForkBelowFinal)
	}
	for _, c := range []struct {
		below uint64
		ok    bool
	}{{568, false}, {569, true}} {
		y := index{indexer.New(with(x, func(cfg *indexer.Config) { cfg.AcceptBelow = c.below })), x.db}
		st, err := y.Sync(t.Context())
		if ok := err == nil; ok != c.ok {
			t.Fatalf("accepting below %d: %v", c.below, err)
		}
		if c.ok {
			if _, digest := fresh(t, d); st.Digest != digest || st.Phase != indexer.Synced {
				t.Errorf("after accepting: %s with digest %s, want %s", st.Phase, st.Digest, digest)
			}
		}
	}
}

func with(x index, edit func(*indexer.Config)) indexer.Config {
	cfg := x.Config
	edit(&cfg)
	return cfg
}

// TestShorterDaemon shows that a daemon which only ends earlier undoes nothing: it contradicts no block.
func TestShorterDaemon(t *testing.T) {
	t.Parallel()
	chain, _ := devnet.Generate(devnet.GenerateConfig{Seed: 6, Blocks: 500, ONS: 100})
	d := serve(t, chain)
	x := newIndex(t, []string{d.URL()}, nil)
	st := mustSync(t, x)
	chain.Cut(400)
	after := mustSync(t, x)
	if *after.Tip != *st.Tip || after.Digest != st.Digest {
		t.Errorf("at %v, want still %v", after.Tip, st.Tip)
	}
}

// TestOtherNetwork shows that a database is never continued from another chain, even one with the same network name and
// first block.
func TestOtherNetwork(t *testing.T) {
	t.Parallel()
	one, _ := devnet.Generate(devnet.GenerateConfig{Seed: 1, Blocks: 300, ONS: 20})
	two, _ := devnet.Generate(devnet.GenerateConfig{Seed: 2, Blocks: 400, ONS: 20})
	x := newIndex(t, []string{serve(t, one).URL()}, nil)
	st := mustSync(t, x)
	y := index{indexer.New(with(x, func(cfg *indexer.Config) { cfg.Pool = newPool(t, serve(t, two).URL()) })), x.db}
	if _, err := y.Sync(t.Context()); !errors.Is(err, indexer.ErrBelowStart) {
		t.Fatalf("error %v, want %v", err, indexer.ErrBelowStart)
	}
	stored, err := x.db.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if *stored.Tip != *st.Tip || stored.Digest != st.Digest {
		t.Errorf("at %v, want still %v", stored.Tip, st.Tip)
	}
}

// TestDigestIsOfTheChain drives random sequences of new blocks, reorganisations, restarts and range sizes. However the
// index came to a tip, its digest, its counts and its history are those of an index made in one go.
func TestDigestIsOfTheChain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64Range(1, 1<<32).Draw(rt, "seed")
		chain, _ := devnet.Generate(devnet.GenerateConfig{Seed: seed, Blocks: 400, Ordinary: 10, ONS: 150})
		d := serve(t, chain)
		defer d.Close()
		x := newIndex(t, []string{d.URL()}, nil)
		defer x.db.Close()
		for range rapid.IntRange(1, 6).Draw(rt, "steps") {
			if rapid.Bool().Draw(rt, "reorg") {
				chain.Reorg(rapid.IntRange(1, 60).Draw(rt, "depth"), rapid.Uint64().Draw(rt, "branch"))
			}
			x.Indexer = indexer.New(with(x, func(cfg *indexer.Config) {
				cfg.Batch = rapid.Uint64Range(1, 200).Draw(rt, "batch")
				cfg.Workers = rapid.IntRange(1, 5).Draw(rt, "workers")
				cfg.Keep = rapid.Uint64Range(1, 100).Draw(rt, "keep")
			}))
			st, err := x.Sync(t.Context())
			if err != nil {
				rt.Fatal(err)
			}
			other := newIndex(t, []string{d.URL()}, nil)
			want := mustSync(t, other)
			if *st.Tip != *want.Tip || st.Digest != want.Digest {
				rt.Fatalf("at %v with digest %s, in one go %v with %s", st.Tip, st.Digest, want.Tip, want.Digest)
			}
			got, err1 := x.db.Counts(t.Context(), chain.Height())
			counts, err2 := other.db.Counts(t.Context(), chain.Height())
			if err := errors.Join(err1, err2); err != nil {
				rt.Fatal(err)
			}
			if diff := cmp.Diff(counts, got); diff != "" {
				rt.Fatal(diff)
			}
			other.db.Close()
		}
	})
}

// TestMoves shows that the log calls those updates transfers that changed the owner, also where the record before is in the
// database and not in the same range.
func TestMoves(t *testing.T) {
	t.Parallel()
	chain, truth := devnet.Generate(devnet.GenerateConfig{Seed: 8, Blocks: 400, ONS: 300})
	d := serve(t, chain)
	for _, batch := range []uint64{7, 1000} {
		x := newIndex(t, []string{d.URL()}, func(cfg *indexer.Config) { cfg.Batch, cfg.Year = batch, chain.Year() })
		mustSync(t, x)
		want, moves := map[ons.Txid]events.Kind{}, 0
		for _, key := range truth.Keys() {
			history := truth.History(key)
			for i, r := range history {
				want[r.Txid] = events.Kind(r.Kind)
				if r.Kind == ons.Update && r.Owner != history[i-1].Owner {
					want[r.Txid] = events.Transfer
					moves++
				}
			}
		}
		if moves < 5 {
			t.Fatalf("%d transfers, want more", moves)
		}
		p, err := x.db.Events(t.Context(), 0, 0, 10_000)
		if err != nil || p.Next != p.Head {
			t.Fatalf("%d of %d, error %v", p.Next, p.Head, err)
		}
		got := map[ons.Txid]events.Kind{}
		for _, e := range p.Entries {
			if e.Kind != events.Expire {
				got[e.Record.Txid] = e.Kind
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ranges of %d (-want +got):\n%s", batch, diff)
		}
	}
}
