package oxend_test

import (
	"errors"
	"path/filepath"
	"testing"

	"onsight/internal/devnet"
	"onsight/internal/oxend"
	"onsight/ons"
)

// TestWholeChain walks a recorded chain of each dialect from the ONS fork to the tip through every method.
func TestWholeChain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		file    string
		dialect oxend.Dialect
		ops     int
	}{{"oxend-chain.jsonl.gz", oxend.Dialect10, 35}, {"oxend11/chain.jsonl.gz", oxend.Dialect11, 14}} {
		t.Run(tt.dialect.String(), func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			d, err := devnet.Replay(filepath.Join("..", "devnet", "testdata", tt.file))
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			c, err := oxend.New(oxend.Config{URL: d.URL()})
			if err != nil {
				t.Fatal(err)
			}
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			dialect, err := c.Dialect(ctx)
			must(err)
			info, err := c.Info(ctx)
			must(err)
			id, err := oxend.Identify(ctx, c)
			must(err)
			fork, err := c.HardFork(ctx, 15)
			must(err)
			if dialect != tt.dialect || id.Network != ons.Fakechain || !fork.Known || fork.Earliest != 150 || !info.Synced {
				t.Fatalf("dialect %v, %+v, %+v, %+v", dialect, id, fork, info)
			}
			hs, err := c.Headers(ctx, 0, info.Height-1)
			must(err)
			if hs[0].Hash != id.Genesis || hs[len(hs)-1].Hash != info.TopHash {
				t.Errorf("the chain goes from %v to %v", hs[0].Hash, hs[len(hs)-1].Hash)
			}
			if _, err := c.Headers(ctx, 0, info.Height); !errors.Is(err, oxend.ErrTooHigh) {
				t.Errorf("beyond the tip: %v", err)
			}
			if _, err := c.BlockHash(ctx, info.Height); !errors.Is(err, oxend.ErrTooHigh) {
				t.Errorf("beyond the tip: %v", err)
			}
			at, err := c.HeadersAt(ctx, []uint64{info.Height - 1, 0, 231})
			must(err)
			if at[0].Hash != info.TopHash || at[1].Hash != id.Genesis || len(at[2].TxHashes) != len(hs[231].TxHashes) {
				t.Errorf("headers at heights: %+v", at)
			}
			var hashes []ons.Txid
			for _, h := range hs {
				hashes = append(hashes, h.TxHashes...)
			}
			txs, err := c.Transactions(ctx, hashes)
			must(err)
			keys := make(map[ons.Key]bool)
			ops := 0
			for _, tx := range txs {
				op, err := tx.Op()
				if errors.Is(err, ons.ErrNotONS) {
					continue
				}
				must(err)
				ops++
				keys[ons.Key{Type: op.Type, Hash: op.Hash}] = true
			}
			if ops < tt.ops {
				t.Errorf("%d operations, want at least %d", ops, tt.ops)
			}
			lengths, err := c.Lengths(ctx, hashes)
			must(err)
			if (len(lengths) > 5) != (tt.dialect == oxend.Dialect10) {
				t.Errorf("lengths of %d transactions", len(lengths))
			}
			var list []ons.Key
			for k := range keys {
				list = append(list, k)
			}
			names, err := c.Names(ctx, list, false)
			must(err)
			var counts [3]uint64
			for _, k := range list {
				s, err := c.Lookup(ctx, k.Type, k.Hash)
				n, listed := names[k]
				if errors.Is(err, ons.ErrNotFound) != !listed || err == nil && !s.Equal(n.Sealed) {
					t.Errorf("%v: %v, listed %v", k, err, listed)
				}
				if listed {
					counts[k.Type]++
				}
			}
			if counts != info.Counts {
				t.Errorf("live names %v, the daemon counts %v", counts, info.Counts)
			}
			nodes, err := c.ServiceNodes(ctx, ons.Txid{})
			must(err)
			if len(nodes.Nodes) == 0 || nodes.Height != info.Height-1 || nodes.BlockHash != info.TopHash {
				t.Errorf("%d service nodes at %d", len(nodes.Nodes), nodes.Height)
			}
			must(d.Crashed())
		})
	}
}
