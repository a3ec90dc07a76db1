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
		for i := 0; b.Loop(); i++ {
			b.StopTimer()
			chain.Reorg(2, uint64(i)+1)
			chain.Mine(1, 0, 0)
			b.StartTimer()
			town.follow(b)
		}
	})
}

func (b *bed) all() (list []directory.Check) {
	for i := range b.Snapshot().Entries {
		s := sample(b.clock.Now(), true)
		s.Info += time.Duration(i*37%8000+int(b.clock.Now().Unix()/600)*61%1500) * time.Microsecond
		list = append(list, directory.Check{Key: b.Snapshot().Entries[i].Node.Key, Sample: s})
	}
	return list
}

// BenchmarkRecord stores a check of each of 2,000 nodes, in a database that has three days of them.
func BenchmarkRecord(b *testing.B) {
	town, _ := newTown(b, many)
	town.fill(b, 3*24*time.Hour)
	checks := town.all()
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		town.clock.pass(10 * time.Minute)
		for i := range checks {
			checks[i].Sample.At = town.clock.Now()
		}
		b.StartTimer()
		if err := town.Record(b.Context(), checks); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*many), "µs/check")
}

// fill records checks of every node for so long.
func (b *bed) fill(t testing.TB, d time.Duration) {
	t.Helper()
	for end := b.clock.Now().Add(d); b.clock.Now().Before(end); b.clock.pass(10 * time.Minute) {
		if err := b.Record(t.Context(), b.all()); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkYear measures what the checks of a year come to on disk, and how long one node's year takes to read. With
// ONSIGHT_YEAR_NODES it is of so many nodes; 20 are enough to tell.
func BenchmarkYear(b *testing.B) {
	const nodes = 20
	town, _ := newTown(b, nodes)
	size := func() int64 {
		town.db.Close()
		info, err := os.Stat(town.path)
		if err != nil {
			b.Fatal(err)
		}
		return info.Size()
	}
	town.fill(b, 365*24*time.Hour)
	key := town.Snapshot().Entries[7].Node.Key
	for b.Loop() {
		if o, err := town.History(b.Context(), key, "", directory.LatencySeries, time.Time{}, time.Time{}); err != nil || o[2].Count < 365 {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(size())/nodes, "B/node-year")
}
