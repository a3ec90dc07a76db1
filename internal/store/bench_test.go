package store

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"onsight/indexer"
	"onsight/ons"
)

// bulk is a chain like the one of the goals: n blocks from 1000 on, events of which carry a record; every other event is of
// a name seen before.
func bulk(n, events int) []indexer.Block {
	g := newGen(42)
	var keys []ons.Key
	out := make([]indexer.Block, n)
	for i := range out {
		out[i] = g.block(1000 + uint64(i))
		if g.r.IntN(n) < events {
			key := g.key()
			if len(keys) > 0 && g.r.IntN(2) == 0 {
				key = keys[g.r.IntN(len(keys))]
			} else {
				keys = append(keys, key)
			}
			g.record(&out[i], key)
		}
	}
	return out
}

// fill commits blocks in ranges of size, and returns how many rows that were.
func fill(b testing.TB, s *Store, blocks []indexer.Block, size int) (rows int) {
	epoch := mustBegin(b, s)
	keep := blocks[len(blocks)-1].Height + 1 - min(uint64(len(blocks)), 3000)
	var base *indexer.Point
	for len(blocks) > 0 {
		n := min(size, len(blocks))
		mustCommit(b, s, epoch, indexer.Range{Base: base, Blocks: blocks[:n], Keep: keep})
		for i := range blocks[:n] {
			rows += len(blocks[i].Records)
			if len(blocks[i].Records) > 0 || blocks[i].Height%sparse == 0 || blocks[i].Height >= keep {
				rows++
			}
		}
		base, blocks = point(blocks[n-1]), blocks[n:]
	}
	return rows
}

// fileSize is a database's size after its log was folded into it.
func fileSize(t testing.TB, blocks []indexer.Block) int64 {
	t.Helper()
	path := tempPath(t)
	s := mustOpen(t, Config{Path: path})
	fill(t, s, blocks, 5000)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// sizes returns the bytes a block costs and the bytes an event costs, its block's row included.
func sizes(t testing.TB, n, events int) (perBlock, perEvent float64) {
	t.Helper()
	full := bulk(n, events)
	bare, found := bulk(n, events), 0
	for i := range bare {
		found += len(bare[i].Records)
		bare[i].Records = nil
	}
	empty := fileSize(t, bare)
	return float64(empty) / float64(n), float64(fileSize(t, full)-empty) / float64(found)
}

// TestSize holds a tenth of the goals' chain against their bounds: 60 bytes a block, 400 an event.
func TestSize(t *testing.T) {
	t.Parallel()
	perBlock, perEvent := sizes(t, 30_000, 2_000)
	t.Logf("%.1f bytes/block, %.1f bytes/event", perBlock, perEvent)
	if perBlock > 60 || perEvent > 400 {
		t.Errorf("got %.1f bytes a block and %.1f an event, want at most 60 and 400", perBlock, perEvent)
	}
}

// TestLogSize commits much at once, and then little: the write-ahead log comes back to its limit.
func TestLogSize(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	s := mustOpen(t, Config{Path: path})
	epoch := mustBegin(t, s)
	blocks := bulk(25_000, 25_000)
	mustCommit(t, s, epoch, indexer.Range{Blocks: blocks})
	before, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		mustCommit(t, s, epoch, indexer.Range{Base: point(blocks[len(blocks)-1])})
	}
	after, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes after a large commit, %d after small ones", before.Size(), after.Size())
	if before.Size() <= walLimit || after.Size() > walLimit {
		t.Errorf("got %d and then %d bytes, want more than %d and then at most that", before.Size(), after.Size(), walLimit)
	}
}

// BenchmarkSize reports what 300,000 blocks with 20,000 events cost on disk.
func BenchmarkSize(b *testing.B) {
	for b.Loop() {
		perBlock, perEvent := sizes(b, 300_000, 20_000)
		b.ReportMetric(perBlock, "bytes/block")
		b.ReportMetric(perEvent, "bytes/event")
	}
}

// BenchmarkCommit is the first sync: ranges of 1,000 blocks of which each tenth carries an event, and ranges of nothing else.
func BenchmarkCommit(b *testing.B) {
	for _, every := range []int{10, 1} {
		b.Run(fmt.Sprintf("event-per-%d-blocks", every), func(b *testing.B) {
			blocks := bulk(30_000, 30_000/every)
			rows, n := 0, 0
			dir := b.TempDir()
			for b.Loop() {
				b.StopTimer()
				s := mustOpen(b, Config{Path: filepath.Join(dir, fmt.Sprint(n), "ons.db")})
				n++
				b.StartTimer()
				rows += fill(b, s, blocks, 1000)
				b.StopTimer()
				s.Close()
				b.StartTimer()
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(n*len(blocks))/b.Elapsed().Seconds(), "blocks/s")
		})
	}
}

// BenchmarkFollow is the daily round: one block, one event.
func BenchmarkFollow(b *testing.B) {
	s := mustOpen(b, Config{Path: tempPath(b)})
	blocks := bulk(30_000, 10_000)
	fill(b, s, blocks, 1000)
	epoch := mustBegin(b, s)
	g := newGen(1)
	tip := blocks[len(blocks)-1]
	for b.Loop() {
		next := g.block(tip.Height + 1)
		g.record(&next, g.key())
		mustCommit(b, s, epoch, indexer.Range{Base: point(tip), Blocks: []indexer.Block{next}, Keep: next.Height - 3000})
		tip = next
	}
}

// BenchmarkRollback takes back 11 blocks with 1,000 events.
func BenchmarkRollback(b *testing.B) {
	s := mustOpen(b, Config{Path: tempPath(b)})
	blocks := bulk(30_000, 20_000)
	fill(b, s, blocks, 1000)
	epoch := mustBegin(b, s)
	g := newGen(1)
	tip := blocks[len(blocks)-1]
	for b.Loop() {
		b.StopTimer()
		top := make([]indexer.Block, 11)
		for i := range top {
			top[i] = g.block(tip.Height + 1 + uint64(i))
			for range 91 {
				g.record(&top[i], g.key())
			}
		}
		mustCommit(b, s, epoch, indexer.Range{Base: point(tip), Blocks: top, Keep: tip.Height - 3000})
		b.StartTimer()
		mustCommit(b, s, epoch, indexer.Range{Base: point(tip)})
	}
}

// BenchmarkRead is what an indexer and a reader ask of 20,000 records.
func BenchmarkRead(b *testing.B) {
	s := mustOpen(b, Config{Path: tempPath(b)})
	blocks := bulk(60_000, 20_000)
	fill(b, s, blocks, 1000)
	var keys []ons.Key
	for i := range blocks {
		for j := range blocks[i].Records {
			keys = append(keys, blocks[i].Records[j].Key())
		}
	}
	tip := blocks[len(blocks)-1].Height
	g := newGen(2)
	some := make([]ons.Key, 400)
	for i := range some {
		some[i] = keys[g.r.IntN(len(keys))]
	}
	for name, f := range map[string]func() error{
		"Current400": func() error { _, err := s.Current(b.Context(), some, tip); return err },
		"Record":     func() error { _, err := s.Record(b.Context(), keys[g.r.IntN(len(keys))]); return err },
		"Counts":     func() error { _, err := s.Counts(b.Context(), tip+1); return err },
		"Full":       func() error { _, err := s.Since(b.Context(), 0); return err },
		"Digest":     func() error { _, err := s.DigestAt(b.Context(), tip-100); return err },
		"Sample16":   func() error { _, err := s.Sample(b.Context(), ons.Hash(g.hash()), 16); return err },
		"Totals":     func() error { _, err := s.Totals(b.Context()); return err },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
