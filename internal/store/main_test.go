package store

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"onsight/indexer"
	"onsight/internal/events"
	"onsight/ons"
)

// TestMain runs a child's part when a test has started this binary again (see child).
func TestMain(m *testing.M) {
	if job := os.Getenv("ONSIGHT_STORE_CHILD"); job != "" {
		if err := childMain(strings.Split(job, "|")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// childMain is what a child does: "hold|PATH" keeps the database open until its input ends; "look|PATH|brief"
// reads it; "kill|PATH|POINT|N" opens it and
// commits ("killnodes" rounds of nodes), and kills itself when POINT is reached for the Nth time.
func childMain(job []string) error {
	ctx := context.Background()
	switch job[0] {
	case "hold":
		s, err := Open(ctx, Config{Path: job[1]})
		if err != nil {
			return err
		}
		fmt.Println("ready")
		io.Copy(io.Discard, os.Stdin)
		return s.Close()
	case "look":
		s, err := Open(ctx, Config{Path: job[1], ReadOnly: true, Brief: job[2] == "brief"})
		if err != nil {
			return err
		}
		st, err := s.State(ctx)
		if err != nil {
			return err
		}
		fmt.Println(st.Network)
		return s.Close()
	case "kill", "killnodes":
		n, err := strconv.Atoi(job[3])
		if err != nil {
			return err
		}
		s, err := Open(ctx, Config{Path: job[1], Step: func(point string) {
			if point == job[2] {
				if n--; n == 0 {
					syscall.Kill(os.Getpid(), syscall.SIGKILL)
				}
			}
		}})
		if err != nil {
			return err
		}
		epoch, err := s.Begin(ctx)
		if err != nil {
			return err
		}
		if job[0] == "killnodes" {
			for _, r := range killRounds() {
				if err := s.CommitNodes(ctx, epoch, r); err != nil {
					return err
				}
			}
			return s.Close()
		}
		for _, r := range killRanges() {
			if err := s.Commit(ctx, epoch, r); err != nil {
				return err
			}
		}
		return s.Close()
	}
	return fmt.Errorf("no such job: %q", job)
}

// child starts this test binary as another process that does job, and returns once it has said "ready" or ended. close its
// input to end it.
func child(t *testing.T, job ...string) (cmd *exec.Cmd, input io.Closer) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(exe)
	cmd.Env = append(os.Environ(), "ONSIGHT_STORE_CHILD="+strings.Join(job, "|"))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Process.Kill(); cmd.Wait() })
	bufio.NewReader(out).ReadString('\n')
	return cmd, in
}

func tempPath(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "ons.db")
}

// mustOpen opens a database and closes it with the test.
func mustOpen(t testing.TB, cfg Config) *Store {
	t.Helper()
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func mustBegin(t testing.TB, s *Store) uint64 {
	t.Helper()
	epoch, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return epoch
}

func mustCommit(t testing.TB, s *Store, epoch uint64, r indexer.Range) {
	t.Helper()
	if err := s.Commit(t.Context(), epoch, r); err != nil {
		t.Fatal(err)
	}
}

// gen makes blocks and records that are plausible in size and shape, the same ones for the same seed.
type gen struct{ r *rand.Rand }

func newGen(seed uint64) *gen { return &gen{rand.New(rand.NewPCG(seed, 0))} }

func (g *gen) bytes(n int) []byte {
	b := make([]byte, n)
	for i := 0; i < n; i += 8 {
		var w [8]byte
		binary.LittleEndian.PutUint64(w[:], g.r.Uint64())
		copy(b[i:], w[:])
	}
	return b
}

func (g *gen) hash() ons.Txid { return ons.Txid(g.bytes(32)) }

func (g *gen) owner() ons.Owner {
	if g.r.IntN(4) == 0 {
		return ons.Owner{Kind: ons.OwnerEd25519, Key: g.hash()}
	}
	return ons.Owner{Kind: ons.OwnerWallet, Key: g.hash(), View: g.hash(), Subaddress: g.r.IntN(8) == 0}
}

// block returns an empty block at height.
func (g *gen) block(height uint64) indexer.Block {
	return indexer.Block{Point: indexer.Point{Height: height, Hash: g.hash()}, Time: 1_600_000_000 + 120*int64(height)}
}

// record appends a record of key to b: a buy, an update or a renewal, every fifth with a backup owner.
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
		r.Registered -= min(r.Registered, uint64(g.r.IntN(1000)))
	}
	if r.Kind == ons.Update && g.r.IntN(3) == 0 {
		b.Moves = append(b.Moves, r.TxIndex)
	}
	b.Records = append(b.Records, r)
	b.Digest = g.hash()
}

func (g *gen) key() ons.Key { return ons.Key{Type: ons.Type(g.r.IntN(3)), Hash: ons.Hash(g.bytes(32))} }

// blocks returns n blocks from height on, about events of which carry a record.
func (g *gen) blocks(from uint64, n, events int) []indexer.Block {
	out := make([]indexer.Block, n)
	for i := range out {
		out[i] = g.block(from + uint64(i))
		if g.r.IntN(n) < events {
			g.record(&out[i], g.key())
		}
	}
	return out
}

func point(b indexer.Block) *indexer.Point { return &b.Point }

// killRanges are what a child that gets killed commits: two ranges forward, one back and forward again.
func killRanges() []indexer.Range {
	g := newGen(7)
	st := indexer.State{Network: ons.Fakechain, Phase: indexer.Syncing}
	a := indexer.Range{Blocks: g.blocks(100, 20, 10), State: st}
	b := indexer.Range{Base: point(a.Blocks[19]), Blocks: g.blocks(120, 20, 10), State: st}
	c := indexer.Range{Base: point(b.Blocks[4]), Blocks: g.blocks(125, 10, 5), State: st}
	return []indexer.Range{a, b, c}
}

// dump is everything a database says of the chain, as text, to compare two of them.
func dump(t testing.TB, s *Store) string {
	t.Helper()
	ctx := t.Context()
	delta, err := s.Since(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	points, err := s.Points(ctx, ^uint64(0), 1e6)
	if err != nil {
		t.Fatal(err)
	}
	reorgs, err := s.Reorgs(ctx, 1e6, 1e6)
	if err != nil {
		t.Fatal(err)
	}
	for i := range reorgs {
		reorgs[i].At = time.Time{}
	}
	log := readLog(t, s)
	skips, err := s.Skips(ctx, 1e6)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal([]any{delta, points, reorgs, log, skips})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// tester is a *testing.T or a *rapid.T.
type tester interface {
	Helper()
	Fatal(...any)
	Context() context.Context
}

// readLog is the whole log, page by page, without the times of reorganisations.
func readLog(t tester, s *Store) (all []events.Entry) {
	t.Helper()
	for after := uint64(0); ; {
		p, err := s.Events(t.Context(), after, 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p.Entries...)
		if after = p.Next; after == p.Head {
			return timeless(all)
		}
	}
}

func timeless(log []events.Entry) []events.Entry {
	for i := range log {
		if r := log[i].Reorg; r != nil {
			log[i].Time, r.At = time.Time{}, time.Time{}
		}
	}
	return log
}
