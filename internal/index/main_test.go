package index

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"onsight/indexer"
	"onsight/internal/store"
	"onsight/ons"
)

// TestMain runs a child's part when a benchmark has started this binary again (see BenchmarkLoad100k).
func TestMain(m *testing.M) {
	if path := os.Getenv("ONSIGHT_INDEX_CHILD"); path != "" {
		if err := startUp(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// canned is a feed that gives what it is told to.
type canned struct {
	delta indexer.Delta
	err   error
	asked uint64
}

func (c *canned) Since(_ context.Context, seq uint64) (indexer.Delta, error) {
	c.asked = seq
	return c.delta, c.err
}

// gen makes blocks and records that are plausible in size and shape, the same ones for the same seed.
type gen struct {
	r      *rand.Rand
	owners []ons.Owner // records are of one of these; none: of a new one each
}

func newGen(seed uint64) *gen { return &gen{r: rand.New(rand.NewPCG(seed, 0))} }

func (g *gen) bytes(n int) []byte {
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, g.r.Uint64())
	}
	return b[:n:n]
}

func (g *gen) hash() ons.Txid { return ons.Txid(g.bytes(32)) }

func (g *gen) key() ons.Key {
	return ons.Key{Type: ons.Type(g.r.IntN(types)), Hash: ons.Hash(g.hash())}
}

func (g *gen) owner() ons.Owner {
	switch {
	case g.owners != nil:
		return g.owners[g.r.IntN(len(g.owners))]
	case g.r.IntN(4) == 0:
		return ons.Owner{Kind: ons.OwnerEd25519, Key: g.hash()}
	}
	return ons.Owner{Kind: ons.OwnerWallet, Key: g.hash(), View: g.hash(), Subaddress: g.r.IntN(8) == 0}
}

// block returns an empty block at height.
func (g *gen) block(height uint64) indexer.Block {
	return indexer.Block{Point: indexer.Point{Height: height, Hash: g.hash()}, Time: made(height)}
}

// made is when the block at a height was.
func made(height uint64) int64 { return 1_600_000_000 + 120*int64(height) }

// record appends a record of key to b, every fifth with a backup owner. Lokinet names live for up to 100 blocks.
func (g *gen) record(b *indexer.Block, key ons.Key) {
	r := ons.Record{
		Type: key.Type, Hash: key.Hash, Kind: ons.Kind(1 + g.r.IntN(3)), Owner: g.owner(),
		Registered: b.Height, Updated: b.Height, Txid: g.hash(),
		Sealed: ons.Sealed{Ciphertext: g.bytes(49), Nonce: g.bytes(24)},
	}
	if n := len(b.Records); n > 0 {
		r.TxIndex = b.Records[n-1].TxIndex + 1 + uint32(g.r.IntN(3))
	}
	if g.r.IntN(5) == 0 {
		r.Backup = g.owner()
	}
	switch r.Type {
	case ons.Session:
		if g.r.IntN(10) == 0 {
			r.Sealed.Nonce = nil
		}
	case ons.Lokinet:
		r.Sealed.Ciphertext = r.Sealed.Ciphertext[:48]
		r.Expires = b.Height + uint64(g.r.IntN(100))
	}
	if r.Kind != ons.Buy {
		r.Prev = g.hash()
	}
	b.Records = append(b.Records, r)
	b.Digest = g.hash()
}

// openStore opens a database and makes the caller its writer.
func openStore(ctx context.Context, path string) (*store.Store, uint64, error) {
	s, err := store.Open(ctx, store.Config{Path: path})
	if err != nil {
		return nil, 0, err
	}
	epoch, err := s.Begin(ctx)
	return s, epoch, err
}

func mustLoad(t testing.TB, x *Index) *Snapshot {
	t.Helper()
	if err := x.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return x.Snapshot()
}
