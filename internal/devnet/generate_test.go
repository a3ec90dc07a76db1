package devnet_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"onsight/internal/devnet"
	"onsight/ons"
)

// TestGenerated asks a daemon for every name of a generated chain and holds the answers, and the bytes in the blocks, against the truth.
func TestGenerated(t *testing.T) {
	t.Parallel()
	for _, dialect := range []devnet.Dialect{devnet.Dialect10, devnet.Dialect11} {
		chain, truth := devnet.Generate(devnet.GenerateConfig{Seed: 5, Blocks: 600, Ordinary: 200, ONS: 500, Dialect: dialect})
		d := start(t, chain, devnet.Options{})
		testTruth(t, d, chain, truth)
		kinds := map[ons.Kind]int{}
		types := map[ons.Type]int{}
		rebought, legacy := 0, 0
		for _, k := range truth.Keys() {
			types[k.Type]++
			for i, r := range truth.History(k) {
				kinds[r.Kind]++
				if r.Kind == ons.Buy && i > 0 {
					rebought++
				}
				if len(r.Sealed.Nonce) == 0 {
					legacy++
				}
			}
		}
		t.Logf("%v: kinds %v, types %v, %d bought again, %d legacy, %d open", dialect, kinds, types, rebought, legacy, len(truth.Open()))
		if len(kinds) != 3 || len(types) != 3 || rebought == 0 || legacy == 0 || len(truth.Open()) < 50 {
			t.Error("something is missing")
		}
		testParses(t, chain)
		for range 3 {
			from, dropped := chain.Reorg(40, 9)
			if len(dropped) == 0 || from != chain.Height()-41 {
				t.Errorf("reorg from %d of %d, %d dropped", from, chain.Height(), len(dropped))
			}
			testTruth(t, d, chain, truth)
			testParses(t, chain)
		}
		chain.Mine(10, 3, 3)
		testTruth(t, d, chain, truth)
		if err := d.Crashed(); err != nil {
			t.Error(err)
		}
	}
}

// testTruth compares what the daemon says with the truth.
func testTruth(t *testing.T, d *devnet.Daemon, chain *devnet.Chain, truth *devnet.Truth) {
	t.Helper()
	var counts [3]uint64
	for _, k := range truth.Keys() {
		r, _ := truth.Record(k)
		live := r.Expires == 0 || chain.Height() <= r.Expires
		if live {
			counts[k.Type]++
		}
		got, ok := lookup(t, d.URL(), chain, k)
		if !ok {
			if live {
				t.Errorf("%v is not there", k)
			}
			continue
		}
		if diff := cmp.Diff(entryOf(r, chain.Network()), got); diff != "" {
			t.Error(diff)
		}
	}
	var info struct {
		Height uint64    `json:"height"`
		Top    string    `json:"top_block_hash"`
		Counts [3]uint64 `json:"ons_counts"`
	}
	mustRPC(t, d.URL(), "get_info", m{}, &info)
	tip, _ := chain.Hash(chain.Height() - 1)
	if info.Height != chain.Height() || info.Top != tip.String() || info.Counts != counts {
		t.Errorf("info %+v, want %d %v %v", info, chain.Height(), tip, counts)
	}
	for _, o := range truth.Open() {
		r, _ := truth.Record(ons.Key{Type: o.Name.Type(), Hash: o.Name.Hash()})
		if o.Legacy && chain.Height() != 600 {
			continue // a second each: once is enough
		}
		v, err := o.Name.Open(r.Sealed)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := v.Text(chain.Network()); err != nil || text != o.Text {
			t.Errorf("%v: %q, want %q (%v)", o.Name, text, o.Text, err)
		}
	}
}

// testParses goes through all blocks: the chain hangs together, and package ons finds in the bytes exactly the operations that were meant,
// each valid where it stands, with signatures that verify.
func testParses(t *testing.T, chain *devnet.Chain) {
	t.Helper()
	rules := ons.Rules{Network: chain.Network(), Year: chain.Year()}
	state := map[ons.Key]*ons.Record{}
	other := 0
	for h := range chain.Height() {
		hashes, err := chain.Transactions(h)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range hashes {
			raw, _ := chain.Raw(x)
			op, err := ons.ParseTransaction(raw)
			if errors.Is(err, ons.ErrNotONS) || errors.Is(err, ons.ErrExtra) {
				other++
				continue
			}
			if err != nil {
				t.Fatalf("%v: %v", x, err)
			}
			key := ons.Key{Type: op.Type, Hash: op.Hash}
			prev := state[key]
			if op.Kind == ons.Update && op.Signature.Kind == ons.OwnerEd25519 {
				if err := op.Verify(*prev); err != nil {
					t.Errorf("%v: %v", x, err)
				}
			}
			next, err := ons.Apply(prev, op, ons.At{Height: h, TxIndex: uint32(i), Txid: x}, rules)
			if err != nil {
				t.Fatalf("%v: %v", x, err)
			}
			state[key] = &next
		}
	}
	if other == 0 {
		t.Error("no other transactions")
	}
	for _, k := range chain.Truth().Keys() {
		want, _ := chain.Truth().Record(k)
		got := *state[k]
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

// TestGenerateIsDeterministic makes the same chain twice, reorganisations included.
func TestGenerateIsDeterministic(t *testing.T) {
	t.Parallel()
	var tips [2]ons.Txid
	for i := range tips {
		chain, _ := devnet.Generate(devnet.GenerateConfig{Seed: 3})
		chain.Reorg(20, 7)
		chain.Mine(3, 1, 1)
		tips[i], _ = chain.Hash(chain.Height() - 1)
	}
	if tips[0] != tips[1] {
		t.Error("two chains from one seed")
	}
}

// TestZeroConfig shows that the zero config makes a chain with names from mainnet's genesis.
func TestZeroConfig(t *testing.T) {
	t.Parallel()
	chain, truth := devnet.Generate(devnet.GenerateConfig{})
	genesis, _ := chain.Hash(0)
	if chain.Height() != 400 || truth.Events() != 120 || genesis.String() != "08ff156d993012b0bdf2816c4bee47c9bbc7930593b70ee02574edddf15ee933" {
		t.Errorf("%d blocks, %d events, genesis %v", chain.Height(), truth.Events(), genesis)
	}
	if _, err := chain.Hash(400); !errors.Is(err, devnet.ErrHeight) {
		t.Errorf("error %v", err)
	}
}
