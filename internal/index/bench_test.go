package index

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"onsight/indexer"
	"onsight/internal/census"
	"onsight/internal/store"
	"onsight/ons"
)

// benchNames is how many names the benchmarks have: the goals' 100,000, or few with BENCH_SMALL set. Every fifth of them
// has a second record.
func benchNames() int {
	if os.Getenv("BENCH_SMALL") != "" {
		return 2_000
	}
	return 100_000
}

// bulk is a chain with n names and n/5 updates, ten records a block, and its keys.
func bulk(n int) (blocks []indexer.Block, keys []ons.Key) {
	g := newGen(42)
	for done := 0; done < n+n/5; {
		b := g.block(1000 + uint64(len(blocks)))
		for range 10 {
			key := g.key()
			if done%6 == 5 {
				key = keys[g.r.IntN(len(keys))]
			} else {
				keys = append(keys, key)
			}
			g.record(&b, key)
			done++
		}
		blocks = append(blocks, b)
	}
	return blocks, keys
}

// bulkDelta is bulk as a feed gives it to a reader that knows nothing.
func bulkDelta(n int) (d indexer.Delta, keys []ons.Key) {
	blocks, keys := bulk(n)
	tip := blocks[len(blocks)-1]
	d = indexer.Delta{Seq: 1, Full: true, Tip: &tip.Point, State: indexer.State{Phase: indexer.Synced, Tip: &tip.Point}}
	for _, b := range blocks {
		d.Records = append(d.Records, b.Records...)
		for range b.Records {
			d.Times = append(d.Times, b.Time)
		}
	}
	return d, keys
}

// bulkStore is bulk in a database file.
func bulkStore(b *testing.B, path string, n int) (tip indexer.Block) {
	b.Helper()
	s, epoch, err := openStore(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	blocks, _ := bulk(n)
	var base *indexer.Point
	for len(blocks) > 0 {
		k := min(1000, len(blocks))
		if err := s.Commit(b.Context(), epoch, indexer.Range{Base: base, Blocks: blocks[:k]}); err != nil {
			b.Fatal(err)
		}
		tip = blocks[k-1]
		base, blocks = &blocks[k-1].Point, blocks[k:]
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	return tip
}

// startUp is the child of BenchmarkLoad100k: it starts as a reader does, and prints milliseconds of both steps and the
// kilobytes then resident, those after a collection, and the most there were.
func startUp(path string) error {
	ctx := context.Background()
	t0 := time.Now()
	s, err := store.Open(ctx, store.Config{Path: path, ReadOnly: true})
	if err != nil {
		return err
	}
	defer s.Close()
	t1 := time.Now()
	x := New(s)
	if err := x.Load(ctx); err != nil {
		return err
	}
	t2 := time.Now()
	now, peak := resident()
	debug.FreeOSMemory()
	settled, _ := resident()
	fmt.Println(t1.Sub(t0).Seconds()*1e3, t2.Sub(t1).Seconds()*1e3, now, settled, peak, x.Snapshot().Len())
	return nil
}

// BenchmarkCount100k is the statistics of all names, which are made once a block.
func BenchmarkCount100k(b *testing.B) {
	d, _ := bulkDelta(benchNames())
	s := mustLoad(b, New(&canned{delta: d}))
	now := census.Now{Height: d.Tip.Height, Rules: ons.Rules{Network: ons.Mainnet}}
	for b.Loop() {
		if got := census.Count(s, now); got.Types[ons.Session].Known == 0 {
			b.Fatal("nothing is counted")
		}
	}
}

// BenchmarkEmptyPage is the dearest page of a list: one that looks at as many records as it may, and finds nothing.
func BenchmarkEmptyPage(b *testing.B) {
	d, _ := bulkDelta(benchNames())
	s := mustLoad(b, New(&canned{delta: d}))
	now := census.Now{Height: d.Tip.Height, Rules: ons.Rules{Network: ons.Mainnet}}
	f := census.Filter{Statuses: []ons.Status{"none"}}
	for b.Loop() {
		if page, _ := f.Newest(s, now, nil, 100); len(page) > 0 {
			b.Fatal("something is found")
		}
	}
}

// BenchmarkLoad100k is the start of a process that only reads: time until it can answer, and what it then holds.
func BenchmarkLoad100k(b *testing.B) {
	path := filepath.Join(b.TempDir(), "ons.db")
	bulkStore(b, path, benchNames())
	var sum [5]float64
	n := 0
	for b.Loop() {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "ONSIGHT_INDEX_CHILD="+path)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			b.Fatal(err)
		}
		var got [5]float64
		var names int
		if _, err := fmt.Sscan(string(out), &got[0], &got[1], &got[2], &got[3], &got[4], &names); err != nil {
			b.Fatal(err)
		}
		if names != benchNames() {
			b.Fatalf("got %d names, want %d", names, benchNames())
		}
		for i := range sum {
			sum[i] += got[i]
		}
		n++
	}
	b.ReportMetric(sum[0]/float64(n), "open-ms")
	b.ReportMetric(sum[1]/float64(n), "load-ms")
	b.ReportMetric(sum[2]/float64(n)/1024, "after-MB")
	b.ReportMetric(sum[3]/float64(n)/1024, "resident-MB")
	b.ReportMetric(sum[4]/float64(n)/1024, "peak-MB")
}

// resident reads the kilobytes this process has in memory, and the most it ever had.
func resident() (now, peak int) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(b)) {
		fmt.Sscanf(line, "VmRSS: %d", &now)
		fmt.Sscanf(line, "VmHWM: %d", &peak)
	}
	return now, peak
}

// BenchmarkLoadFull is a whole registry, without the database.
func BenchmarkLoadFull(b *testing.B) {
	d, _ := bulkDelta(benchNames())
	feed := &canned{delta: d}
	b.ReportAllocs()
	for b.Loop() {
		mustLoad(b, New(feed))
	}
}

// BenchmarkLoadBlock is the daily round, a block with one new name and one update: by itself, with a reorganisation of that
// block each time, and with the database in front.
func BenchmarkLoadBlock(b *testing.B) {
	for _, c := range []struct {
		name string
		back uint64
	}{{"append", 0}, {"reorganise", 1}} {
		b.Run(c.name, func(b *testing.B) {
			d, keys := bulkDelta(benchNames())
			feed := &canned{delta: d}
			x := New(feed)
			mustLoad(b, x)
			g := newGen(1)
			tip := *d.Tip
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				base := tip.Height - c.back
				next := g.block(base + 1)
				g.record(&next, g.key())
				g.record(&next, keys[g.r.IntN(len(keys))])
				tip = next.Point
				feed.delta.Full, feed.delta.Seq = false, feed.delta.Seq+1
				feed.delta.Base, feed.delta.Records, feed.delta.Times = base, next.Records, []int64{next.Time, next.Time}
				feed.delta.State.Tip = &tip
				b.StartTimer()
				mustLoad(b, x)
			}
		})
	}
	b.Run("store", func(b *testing.B) {
		path := filepath.Join(b.TempDir(), "ons.db")
		tip := bulkStore(b, path, benchNames())
		s, epoch, err := openStore(b.Context(), path)
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		x := New(s)
		mustLoad(b, x)
		g := newGen(1)
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			next := g.block(tip.Height + 1)
			g.record(&next, g.key())
			g.record(&next, g.key())
			r := indexer.Range{Base: &tip.Point, Blocks: []indexer.Block{next}}
			if err := s.Commit(b.Context(), epoch, r); err != nil {
				b.Fatal(err)
			}
			tip = next
			b.StartTimer()
			mustLoad(b, x)
		}
	})
}

// BenchmarkRecord looks names up that are there, and some that are not.
func BenchmarkRecord(b *testing.B) {
	d, keys := bulkDelta(benchNames())
	x := New(&canned{delta: d})
	mustLoad(b, x)
	g := newGen(3)
	g.r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	missing := make([]ons.Key, 1<<12)
	for i := range missing {
		missing[i] = g.key()
	}
	for _, c := range []struct {
		name string
		keys []ons.Key
		want bool
	}{{"found", keys, true}, {"missing", missing, false}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if (x.Snapshot().Record(c.keys[i]) != nil) != c.want {
					b.Fatal("got something else than was there")
				}
				if i++; i == len(c.keys) {
					i = 0
				}
			}
		})
	}
	b.Run("lookup", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			for keys[i].Type == ons.Lokinet { // may have ended
				i = (i + 1) % len(keys)
			}
			if _, err := x.Lookup(b.Context(), keys[i].Type, keys[i].Hash); err != nil {
				b.Fatal(err)
			}
			i = (i + 1) % len(keys)
		}
	})
}

// BenchmarkOwned reads pages of 100 of an owner who has everything.
func BenchmarkOwned(b *testing.B) {
	d, keys := bulkDelta(benchNames())
	me := ons.Owner{Kind: ons.OwnerEd25519, Key: [32]byte{1}}
	for i := range d.Records {
		d.Records[i].Owner = me
	}
	s := mustLoad(b, New(&canned{delta: d}))
	i := 0
	for b.Loop() {
		s.Owned(me, &keys[i], 100)
		i = (i + 1) % len(keys)
	}
}
