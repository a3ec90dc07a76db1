package api

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"onsight/ons"
)

// counted is a snapshot that counts the ranges that are made of it.
type counted struct {
	Snapshot
	buckets *atomic.Int64
}

func (c counted) Bucket(bits int, number uint64) []*ons.Record {
	c.buckets.Add(1)
	return c.Snapshot.Bucket(bits, number)
}

// TestShelfShared asks for the ranges of a new block from all sides: they are made once.
func TestShelfShared(t *testing.T) {
	t.Parallel()
	x, _ := bigIndex(t, rand.New(rand.NewPCG(7, 0)), 2000)
	s := New(Config{Snapshot: func() Snapshot { return x.Snapshot() }})
	snap := counted{x.Snapshot(), new(atomic.Int64)}
	var wg sync.WaitGroup
	var got [32]*shelf
	for i := range got {
		wg.Go(func() { got[i] = s.shelfOf(snap, snap.State()) })
	}
	wg.Wait()
	for i := range got {
		if got[i] != got[0] {
			t.Fatal("two requests have different ranges")
		}
	}
	if n := snap.buckets.Load(); n != pieces {
		t.Errorf("%d ranges were made, want %d", n, pieces)
	}
}
