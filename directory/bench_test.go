package directory_test

import (
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"onsight/directory"
	"onsight/internal/devnet"
	"onsight/internal/store"
)

const many = 2000

// newTown is a bed over a chain on which very many nodes are staked, without anything that listens but the daemon.
func newTown(t testing.TB, nodes int) (*bed, *devnet.Chain) {
	t.Helper()
	clock := newClock()
	c, _ := devnet.Generate(devnet.GenerateConfig{Blocks: 170})
	for i := range nodes {
		key := [32]byte{31: 1}
		binary.BigEndian.PutUint64(key[:], uint64(i+1)*0x9e3779b97f4a7c15)
		if _, err := c.RegisterNode(devnet.Stake{Key: key}); err != nil {
			t.Fatal(err)
		}
		c.SetProof(key, devnet.Proof{
			Ed25519: key, X25519: key, IP: netip.AddrFrom4([4]byte{127, byte(i >> 8), byte(i), 1}), StoragePort: 22021, OMQPort: 22020,
			QuorumnetPort: 22025, Oxend: [3]uint16{10, 6, 0}, Storage: [3]uint16{2, 11, 0}, Lokinet: [3]uint16{0, 9, 11}, Time: clock.Now(),
		})
	}
	for len(c.Pool()) > 0 {
		c.Mine(1, 0, 0)
	}
	c.SetClock(clock.Now)
	c.Retime(clock.Now())
	d, err := devnet.Serve(c, devnet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	b := &bed{clock: clock, path: filepath.Join(t.TempDir(), "ons.db")}
	b.db = openStore(t, store.Config{Path: b.path, Now: clock.Now})
	epoch, err := b.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.Directory = directory.New(directory.Config{Store: b.db, Epoch: epoch, Now: clock.Now, Pool: newPool(t, clock.Now, d.URL())})
	b.follow(t)
	if n := len(b.Snapshot().Entries); n != nodes {
		t.Fatalf("%d nodes, want %d", n, nodes)
	}
	return b, c
}

// BenchmarkRefresh follows a list of 2,000 nodes: unchanged, and after a block. first is a database that knows none.
func BenchmarkRefresh(b *testing.B) {
	town, chain := newTown(b, many)
	b.Run("unchanged", func(b *testing.B) {
		for b.Loop() {
			town.follow(b)
		}
	})
	b.Run("block", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			chain.Mine(1, 0, 0)
			b.StartTimer()
			town.follow(b)
		}
	})
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			s, err := store.Open(b.Context(), store.Config{Path: filepath.Join(b.TempDir(), "first.db")})
			if err != nil {
				b.Fatal(err)
			}
			epoch, err := s.Begin(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			d := directory.New(directory.Config{Store: s, Epoch: epoch, Pool: town.Pool, Now: town.clock.Now})
			b.StartTimer()
			if err := d.Refresh(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			s.Close()
			b.StartTimer()
		}
	})
	b.Run("reorg", func(b *testing.B) {
		for i := 0; b.Loop(); i++ { // down to the first list, which comes anew, unless "block" ran more than once
			b.StopTimer()
			chain.Reorg(2, uint64(i)+1)
			chain.Mine(1, 0, 0)
			b.StartTimer()
			town.follow(b)
		}
	})
}

// check is a check of the i-th node, with a latency that is its own.
func (b *bed) check(i int, at time.Time) directory.Check {
	s := sample(at, true)
	s.Info += time.Duration(i*37%8000+int(at.Unix()/600)*61%1500) * time.Microsecond
	return directory.Check{Key: b.Snapshot().Entries[i].Node.Key, Sample: s}
}

// fill stores what checks of every node for so long until now come to, as Record would one by one.
func (b *bed) fill(t testing.TB, d time.Duration) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	p := directory.Probed{Vantage: directory.Here, At: b.clock.Now()}
	for i := range b.Snapshot().Entries {
		rings := [directory.Rings]*directory.Ring{directory.NewRing(directory.Checks), directory.NewRing(directory.Hours), directory.NewRing(directory.Days)}
		var e directory.Estimate
		fold := func() {
			rings[1].Fold(rings[0], time.Time{})
			rings[2].Fold(rings[1], time.Time{})
		}
		for n, at := 0, b.clock.Now().Add(-d); at.Before(b.clock.Now()); n, at = n+1, at.Add(10*time.Minute) {
			s := b.check(i, at).Sample
			rings[0].Append(at, s.OK, s.Latency())
			if e = e.Add(s); n%400 == 0 {
				fold()
			}
		}
		fold()
		tr := directory.Trace{Key: b.Snapshot().Entries[i].Node.Key, Vantage: directory.Here, Estimate: e}
		for n, r := range rings {
			blob, err := r.MarshalBinary()
			must(err)
			tr.Rings[n] = blob
		}
		p.Traces = append(p.Traces, tr)
	}
	must(b.Store.CommitProbes(t.Context(), b.Epoch, p))
	must(b.Load(t.Context()))
}

// BenchmarkRecord stores a check of each of 2,000 nodes, in a database that has three days of them.
func BenchmarkRecord(b *testing.B) {
	town, _ := newTown(b, many)
	town.fill(b, 3*24*time.Hour)
	checks := make([]directory.Check, many)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		for i := range checks {
			checks[i] = town.check(i, town.clock.Now())
		}
		b.StartTimer()
		if err := town.Record(b.Context(), checks); err != nil {
			b.Fatal(err)
		}
		town.clock.pass(10 * time.Minute)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*many), "µs/check")
}

// BenchmarkYear measures what the checks of a year come to on disk, and how long one node's year takes to read.
func BenchmarkYear(b *testing.B) {
	const nodes = 50
	town, _ := newTown(b, nodes)
	town.db.Close()
	empty := town.size(b)
	town.db = openStore(b, store.Config{Path: town.path, Now: town.clock.Now})
	town.Store = town.db
	town.fill(b, 365*24*time.Hour)
	key := town.Snapshot().Entries[7].Node.Key
	for b.Loop() {
		o, err := town.History(b.Context(), key, "", directory.LatencySeries, time.Time{}, time.Time{})
		if err != nil || o[0].Count != 432 || o[1].Count != 90*24 || o[2].Count != 366 {
			b.Fatal(o, err)
		}
	}
	town.db.Close()
	b.ReportMetric(float64(town.size(b)-empty)/nodes, "B/node-year")
}

// size is how large the database is once it is closed.
func (b *bed) size(t testing.TB) int64 {
	t.Helper()
	info, err := os.Stat(b.path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
