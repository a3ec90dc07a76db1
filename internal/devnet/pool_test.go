package devnet_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"onsight/internal/devnet"
	"onsight/ons"
)

// TestPoolIsMinedAgain pops the blocks of a purchase and the updates built on it: all go back into the pool, in order, and are mined
// again one block each.
func TestPoolIsMinedAgain(t *testing.T) {
	t.Parallel()
	chain, truth := devnet.Generate(devnet.GenerateConfig{Seed: 6, Blocks: 200, Ordinary: 10, ONS: 10})
	n := name(t, ons.Session, "again")
	key := ons.Key{Hash: n.Hash()}
	if _, err := chain.BuyName(n, value(t, ons.Session, sessionID), devnet.BuyOptions{}); err != nil {
		t.Fatal(err)
	}
	chain.Mine(1, 1, 0)
	for _, text := range []string{"05" + sessionID[4:] + "11", "05" + sessionID[4:] + "22"} {
		if _, err := chain.UpdateName(n, devnet.UpdateOptions{Value: value(t, ons.Session, text)}); err != nil {
			t.Fatal(err)
		}
		chain.Mine(1, 0, 0)
	}
	want := truth.History(key)
	returned := chain.PopBlocks(3)
	if len(returned) != 4 || !slices.Equal(returned, chain.Pool()) {
		t.Fatalf("returned %v, pool %v", returned, chain.Pool())
	}
	if _, ok := truth.Record(key); ok || chain.Height() != 200 {
		t.Errorf("the name is still there at %d", chain.Height())
	}
	chain.Mine(3, 0, 0)
	got := truth.History(key)
	for i := range want {
		want[i].TxIndex, got[i].TxIndex = 0, 0 // the ordinary one may stand elsewhere
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if pool := chain.Pool(); len(pool) != 0 {
		t.Errorf("pool %v", pool)
	}
	if popped := chain.PopBlocks(1 << 40); chain.Height() != 1 || len(popped) == 0 {
		t.Errorf("height %d", chain.Height())
	}
}

// TestDoubleSpends offers transactions that others have been before.
func TestDoubleSpends(t *testing.T) {
	t.Parallel()
	chain, _ := devnet.Generate(devnet.GenerateConfig{Seed: 6})
	hashes, err := chain.Transactions(chain.Height() - 1)
	for h := chain.Height() - 1; len(hashes) == 0 && err == nil; h-- {
		hashes, err = chain.Transactions(h)
	}
	raw, ok := chain.Raw(hashes[0])
	if err != nil || !ok {
		t.Fatal(err)
	}
	if _, err := chain.Submit(raw); !errors.Is(err, devnet.ErrDoubleSpend) && !errors.Is(err, devnet.ErrPast) && !errors.Is(err, devnet.ErrRegistered) {
		t.Errorf("a mined one: %v", err)
	}
	n := name(t, ons.Session, "twice")
	txid, err := chain.BuyName(n, value(t, ons.Session, sessionID), devnet.BuyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	raw, _ = chain.Raw(txid)
	if _, err := chain.Submit(raw); !errors.Is(err, devnet.ErrDoubleSpend) {
		t.Errorf("the same again: %v", err)
	}
	chain.Append(devnet.Block{Txs: []devnet.Tx{{Raw: raw}}})
	if len(chain.Pool()) != 0 {
		t.Error("a mined transaction stays in the pool")
	}
}

// TestReorgToPool shows that a reorganisation gives back what it drops, and that Reorg does not.
func TestReorgToPool(t *testing.T) {
	t.Parallel()
	chain, truth := devnet.Generate(devnet.GenerateConfig{Seed: 9, Blocks: 300, Ordinary: 100, ONS: 200})
	clone := chain.Clone()
	_, dropped := chain.ReorgToPool(60, 1)
	_, same := clone.Reorg(60, 1)
	if !slices.Equal(dropped, same) || len(dropped) == 0 || len(clone.Pool()) != 0 || !slices.Equal(dropped, chain.Pool()) {
		t.Fatalf("dropped %d and %d, pools %d and %d", len(dropped), len(same), len(chain.Pool()), len(clone.Pool()))
	}
	chain.Mine(1, 0, 0)
	if again, _ := chain.Transactions(chain.Height() - 1); len(again) == 0 {
		t.Error("nothing was mined again")
	}
	d := start(t, chain, devnet.Options{})
	testTruth(t, d, chain, truth)
	testParses(t, chain)
}

// TestRecordedPoolIsMined mines the recorded pool: what came out on the real daemon comes out here.
func TestRecordedPoolIsMined(t *testing.T) {
	t.Parallel()
	_, after, plusOne, err := devnet.LoadReorg("testdata")
	if err != nil {
		t.Fatal(err)
	}
	after.Chain.Mine(1, 0, 0)
	for _, k := range plusOne.Chain.Truth().Keys() {
		want, _ := plusOne.Chain.Truth().Record(k)
		got, _ := after.Chain.Truth().Record(k)
		want.TxIndex, got.TxIndex = 0, 0
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

// TestClone changes a chain and its clone at random: each is what it would be alone.
func TestClone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64Range(1, 4).Draw(rt, "seed")
		one, _ := devnet.Generate(devnet.GenerateConfig{Seed: seed, Blocks: 180, Ordinary: 20, ONS: 20})
		two, _ := devnet.Generate(devnet.GenerateConfig{Seed: seed, Blocks: 180, Ordinary: 20, ONS: 20})
		clone := one.Clone()
		change := func(c *devnet.Chain, what, arg int) {
			switch what {
			case 0:
				c.Mine(arg%4, 1, 1)
			case 1:
				c.Reorg(arg, uint64(arg))
			case 2:
				c.PopBlocks(arg % 5)
			case 3:
				n := name(t, ons.Session, "own-"+string(rune('a'+arg%26)))
				_, _ = c.BuyName(n, value(t, ons.Session, sessionID), devnet.BuyOptions{}) // twice is refused, the same in both
			case 4:
				c.Retime(time.Unix(1_800_000_000+int64(arg), 0))
			}
		}
		for range rapid.IntRange(1, 6).Draw(rt, "changes") {
			what, arg := rapid.IntRange(0, 4).Draw(rt, "what"), rapid.IntRange(0, 40).Draw(rt, "arg")
			change(one, what, arg+1)
			change(clone, what, arg)
			change(two, what, arg)
		}
		tip, _ := clone.Hash(clone.Height() - 1)
		want, _ := two.Hash(two.Height() - 1)
		if clone.Height() != two.Height() || tip != want || !slices.Equal(clone.Pool(), two.Pool()) {
			rt.Fatalf("height %d, want %d", clone.Height(), two.Height())
		}
		for _, k := range two.Truth().Keys() {
			if diff := cmp.Diff(two.Truth().History(k), clone.Truth().History(k)); diff != "" {
				rt.Fatal(diff)
			}
		}
	})
}

// TestClock mines by a clock, and moves a past to end now.
func TestClock(t *testing.T) {
	t.Parallel()
	chain, truth := devnet.Generate(devnet.GenerateConfig{Seed: 1, Blocks: 50, Ordinary: 0, ONS: 0, Forks: []devnet.Fork{{Version: 7}, {Version: 19, Height: 1}}})
	if truth.Events() != 0 {
		t.Fatalf("%d events", truth.Events())
	}
	now := time.Unix(1_900_000_000, 0)
	chain.Retime(now)
	chain.SetClock(func() time.Time { return now })
	d := start(t, chain, devnet.Options{})
	header := func(height uint64) (h struct{ Timestamp, Num_txes uint64 }) {
		t.Helper()
		var r struct {
			Block_header *struct{ Timestamp, Num_txes uint64 }
		}
		r.Block_header = &h
		mustRPC(t, d.URL(), "get_block_header_by_height", m{"height": height}, &r)
		return h
	}
	for height, want := range map[uint64]int64{0: 0, 1: 1_900_000_000 - 48*120, 49: 1_900_000_000} {
		if got := header(height); got.Timestamp != uint64(want) || got.Num_txes != 0 {
			t.Errorf("block %d: %+v, want %d", height, got, want)
		}
	}
	chain.Mine(1, 0, 0) // no second has passed
	now = now.Add(30 * time.Second)
	chain.Mine(1, 1, 3)
	now = now.Add(-time.Hour)
	chain.Mine(1, 0, 0)
	for height, want := range map[uint64]uint64{50: 1_900_000_001, 51: 1_900_000_030, 52: 1_900_000_031} {
		if got := header(height); got.Timestamp != want {
			t.Errorf("block %d: %+v, want %d", height, got, want)
		}
	}
	now = now.Add(time.Hour)
	from, _ := chain.Reorg(3, 1)
	for h := from; h < chain.Height(); h++ {
		if got, before := header(h), header(h-1); got.Timestamp <= before.Timestamp || got.Timestamp > uint64(now.Unix())+4 {
			t.Errorf("block %d: %+v after %+v", h, got, before)
		}
	}
	if _, err := chain.BuyName(name(t, ons.Session, "waits"), value(t, ons.Session, sessionID), devnet.BuyOptions{}); err != nil {
		t.Fatal(err)
	}
	var pool struct {
		Transactions []struct {
			Time uint64 `json:"receive_time"`
			Kept bool   `json:"kept_by_block"`
		}
	}
	mustRPC(t, d.URL(), "get_transaction_pool", m{}, &pool)
	if len(pool.Transactions) != 1 || pool.Transactions[0].Time != uint64(now.Unix()) || pool.Transactions[0].Kept {
		t.Errorf("pool %+v", pool)
	}
	now = now.Add(73 * time.Hour) // longer than it waits
	chain.Mine(1, 0, 0)
	if got := header(chain.Height() - 1); got.Num_txes != 0 || len(chain.Pool()) != 0 {
		t.Errorf("%+v, pool %v", got, chain.Pool())
	}
}
