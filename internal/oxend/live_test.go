package oxend_test

import (
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"onsight/internal/oxend"
	"onsight/ons"
)

// live gives a client of the real daemon that OXEND_LIVE names. Without one it skips: tests touch loopback only.
func live(tb testing.TB, connections int) *oxend.Client {
	tb.Helper()
	url := os.Getenv("OXEND_LIVE")
	if url == "" {
		tb.Skip("OXEND_LIVE names no daemon to ask")
	}
	c, err := oxend.New(oxend.Config{URL: url, AllowPlain: true, Connections: connections})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.CloseIdle)
	return c
}

// unregistered is a hash that no name has, as far as anybody can tell; n makes it another one.
func unregistered(n int) (h ons.Hash) {
	binary.BigEndian.PutUint64(h[:], uint64(n))
	copy(h[8:], "this is the hash of no name")
	return h
}

// TestLive holds a real daemon to what the rest of the tests hold devnet to: the newest blocks link, their transactions
// come, and a name that nobody has is not registered.
func TestLive(t *testing.T) {
	c := live(t, 2)
	ctx := t.Context()
	id, err := oxend.Identify(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	info, err := c.Info(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s, %d blocks, version %s", id.Network, info.Height, info.Version)
	headers, err := c.Headers(ctx, info.Height-min(info.Height, 100), info.Height-1)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		txs, err := c.Transactions(ctx, h.TxHashes)
		if err != nil {
			t.Fatal(err)
		}
		for _, tx := range txs {
			if _, err := tx.Op(); err != nil && !errors.Is(err, ons.ErrNotONS) {
				t.Errorf("transaction %s: %v", tx.Hash, err)
			}
		}
	}
	if _, err := c.Lookup(ctx, ons.Session, unregistered(0)); !errors.Is(err, ons.ErrNotFound) {
		t.Errorf("a name that nobody has: %v", err)
	}
	if records, err := c.Names(ctx, []ons.Key{{Type: ons.Session, Hash: unregistered(0)}}, false); err != nil || len(records) > 0 {
		t.Errorf("a name that nobody has: %v, %v", records, err)
	}
}

// BenchmarkLive is what BenchmarkNames of the API is set beside: ons_resolve over 32 connections to a real daemon.
func BenchmarkLive(b *testing.B) {
	c := live(b, 32)
	const workers, each = 32, 300
	for b.Loop() {
		var mu sync.Mutex // guards took
		var took []time.Duration
		var wg sync.WaitGroup
		started := time.Now()
		for w := range workers {
			wg.Go(func() {
				for i := range each {
					asked := time.Now()
					if _, err := c.Lookup(b.Context(), ons.Session, unregistered(w*each+i)); !errors.Is(err, ons.ErrNotFound) {
						b.Error(err)
						return
					}
					mu.Lock()
					took = append(took, time.Since(asked))
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if len(took) == 0 {
			return
		}
		slices.Sort(took)
		b.ReportMetric(float64(len(took))/time.Since(started).Seconds(), "resolve/s")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
	}
}
