package indexer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
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

// BenchmarkSync measures, side by side in one run and at the same concurrency from the same daemon: fetching and decoding
// every reply a sync needs with encoding/json (std) and with our client (fetch), and the sync itself, which parses,
// applies and commits to SQLite as well.
func BenchmarkSync(b *testing.B) {
	chain, events := benchChain(20_000)
	d := serve(b, chain)
	for b.Loop() {
		var stds, fetches, syncs []float64
		var size int64
		for range benchRuns {
			started := time.Now()
			pages(b, chain, func(ctx context.Context, from, to uint64) error { return stdPage(ctx, d.URL(), from, to) })
			stds = append(stds, time.Since(started).Seconds())

			c := newClient(b, d.URL())
			started = time.Now()
			pages(b, chain, func(ctx context.Context, from, to uint64) error { return fetchPage(ctx, c, from, to) })
			fetches = append(fetches, time.Since(started).Seconds())

			path := filepath.Join(b.TempDir(), "names.db")
			started = time.Now()
			syncTo(b, d, path)
			syncs = append(syncs, time.Since(started).Seconds())
			size = fileSize(b, path)
		}
		blocks := float64(chain.Height())
		std, fetch, sync := median(stds), median(fetches), median(syncs)
		b.ReportMetric(sync/std, "sync/std")
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

// pages asks for what a sync asks for, in the same pages and with as many at a time, and drops it.
func pages(b *testing.B, chain *devnet.Chain, fetch func(ctx context.Context, from, to uint64) error) {
	b.Helper()
	var start uint64
	for _, fork := range chain.Forks() {
		if fork.Version == 15 {
			start = fork.Height
		}
	}
	g, ctx := errgroup.WithContext(b.Context())
	g.SetLimit(4)
	for lo := start; lo < chain.Height(); lo += 1000 {
		g.Go(func() error { return fetch(ctx, lo, min(lo+999, chain.Height()-1)) })
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
}

// stdPage fetches a page with nothing but net/http and encoding/json.
func stdPage(ctx context.Context, url string, from, to uint64) error {
	var hashes []string
	for lo := from; lo <= to; lo += 500 {
		var reply struct {
			Result struct {
				Headers []struct {
					Height    uint64   `json:"height"`
					Hash      string   `json:"hash"`
					Prev      string   `json:"prev_hash"`
					Timestamp int64    `json:"timestamp"`
					Txs       []string `json:"tx_hashes"`
				} `json:"headers"`
			} `json:"result"`
		}
		params := map[string]any{"start_height": lo, "end_height": min(lo+499, to), "get_tx_hashes": true}
		if err := stdCall(ctx, url, "get_block_headers_range", params, &reply); err != nil {
			return err
		}
		for _, h := range reply.Result.Headers {
			hashes = append(hashes, h.Txs...)
		}
	}
	for batch := range slices.Chunk(hashes, 100) {
		var reply struct {
			Result struct {
				Txs []struct {
					Hash string `json:"tx_hash"`
					Hex  string `json:"as_hex"`
				} `json:"txs"`
			} `json:"result"`
		}
		if err := stdCall(ctx, url, "get_transactions", map[string]any{"txs_hashes": batch}, &reply); err != nil {
			return err
		}
	}
	return nil
}

// stdClient keeps as many connections as are used at a time.
var stdClient = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}

func stdCall(ctx context.Context, url, method string, params, reply any) error {
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": "0", "method": method, "params": params})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/json_rpc", bytes.NewReader(body))
	if err != nil {
		return err
	}
	res, err := stdClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return json.NewDecoder(res.Body).Decode(reply)
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
