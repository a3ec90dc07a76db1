package indexer_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"onsight/indexer"
	"onsight/internal/devnet"
	"onsight/internal/oxend"
	"onsight/internal/store"
	"onsight/ons"
)

// benchRuns is how often each side is measured; the median counts.
const benchRuns = 3

// benchChain is a chain of the size the goals of docs/benchmarks.md speak of, or a small one where only rot is looked for.
func benchChain(onsTxs int) (*devnet.Chain, int) {
	blocks, ordinary := 300_000, 60_000
	if os.Getenv("BENCH_SMALL") != "" {
		blocks, ordinary, onsTxs = blocks/100, ordinary/100, onsTxs/100
	}
	chain, _ := devnet.Generate(devnet.GenerateConfig{Seed: 1, Blocks: blocks, Ordinary: ordinary, ONS: onsTxs})
	return chain, onsTxs
}

// BenchmarkSync measures, side by side in one run: fetching and JSON-decoding every reply a sync needs, and the sync
// itself (parse, apply, commit to SQLite) at the same concurrency from the same daemon.
func BenchmarkSync(b *testing.B) {
	chain, events := benchChain(20_000)
	d := serve(b, chain)
	for b.Loop() {
		var fetches, syncs []float64
		var size int64
		for range benchRuns {
			started := time.Now()
			fetchOnly(b, newClient(b, d.URL()), chain)
			fetches = append(fetches, time.Since(started).Seconds())

			path := filepath.Join(b.TempDir(), "names.db")
			started = time.Now()
			syncTo(b, d, path)
			syncs = append(syncs, time.Since(started).Seconds())
			size = fileSize(b, path)
		}
		blocks := float64(chain.Height())
		fetch, sync := median(fetches), median(syncs)
		b.ReportMetric(sync/fetch, "sync/fetch")
		b.ReportMetric(blocks/sync, "blocks/s")
		b.ReportMetric(blocks/fetch, "fetched-blocks/s")

		// A chain of the same length without names tells what a block costs, the difference what an event does.
		bare, _ := benchChain(0)
		path := filepath.Join(b.TempDir(), "bare.db")
		syncTo(b, serve(b, bare), path)
		without := fileSize(b, path)
		b.ReportMetric(float64(without)/blocks, "bytes/block")
		b.ReportMetric(float64(size-without)/float64(events), "bytes/event")
	}
}

// fetchOnly asks for what a sync asks for, in the same pages and with as many at a time, and drops it.
func fetchOnly(b *testing.B, c *oxend.Client, chain *devnet.Chain) {
	b.Helper()
	start := uint64(0)
	fork, err := c.HardFork(b.Context(), 15)
	if err != nil {
		b.Fatal(err)
	}
	start = fork.Earliest
	g, ctx := errgroup.WithContext(b.Context())
	g.SetLimit(4)
	for lo := start; lo < chain.Height(); lo += 1000 {
		g.Go(func() error { return fetchPage(ctx, c, lo, min(lo+999, chain.Height()-1)) })
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
}

func fetchPage(ctx context.Context, c *oxend.Client, from, to uint64) error {
	var hashes, lengths []ons.Txid
	for lo := from; lo <= to; lo += 500 {
		headers, err := c.Headers(ctx, lo, min(lo+499, to))
		if err != nil {
			return err
		}
		for _, h := range headers {
			hashes = append(hashes, h.TxHashes...)
		}
	}
	for batch := range slices.Chunk(hashes, 100) {
		txs, err := c.Transactions(ctx, batch)
		if err != nil {
			return err
		}
		for _, tx := range txs {
			if op, err := tx.Op(); err == nil && op.Type == ons.Lokinet && op.Kind != ons.Update {
				lengths = append(lengths, tx.Hash)
			}
		}
	}
	_, err := c.Lengths(ctx, lengths)
	return err
}

func syncTo(b *testing.B, d *devnet.Daemon, path string) {
	b.Helper()
	db, err := store.Open(b.Context(), store.Config{Path: path})
	if err != nil {
		b.Fatal(err)
	}
	epoch, err := db.Begin(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	x := indexer.New(indexer.Config{Pool: newPool(b, d.URL()), Store: db, Epoch: epoch})
	st, err := x.Sync(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	if st.Phase != indexer.Synced {
		b.Fatalf("phase %s", st.Phase)
	}
	if err := db.Close(); err != nil { // checkpoints: the file is whole
		b.Fatal(err)
	}
}

func fileSize(b *testing.B, path string) int64 {
	b.Helper()
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	return info.Size()
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}
