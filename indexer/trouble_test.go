package indexer_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"onsight/indexer"
	"onsight/internal/devnet"
	"onsight/ons"
)

func generate(seed uint64, blocks, events int) *devnet.Chain {
	chain, _ := devnet.Generate(devnet.GenerateConfig{Seed: seed, Blocks: blocks, Ordinary: blocks / 20, ONS: events})
	return chain
}

// TestFirstRoundFails shows that a first round which ends before anything is stored leaves nothing out of the next one.
func TestFirstRoundFails(t *testing.T) {
	t.Parallel()
	d := serve(t, generate(21, 300, 30))
	var once sync.Once
	url := tampered(t, d, onceOn("hard_fork_info", "", func(b []byte) []byte {
		once.Do(func() { b = []byte("{") })
		return b
	}))
	x := newIndex(t, []string{url}, func(cfg *indexer.Config) { cfg.Year = 50 })
	if _, err := x.Sync(t.Context()); !errors.Is(err, ons.ErrUnavailable) {
		t.Fatalf("error %v, want one of the daemon", err)
	}
	st := mustSync(t, x)
	if st.Network != ons.Fakechain || st.Genesis == (ons.Txid{}) || st.Year != 50 || st.Phase != indexer.Synced {
		t.Errorf("state %+v, want the network, its first block, and the year", st)
	}
}

// TestUnsyncedDaemon shows that a daemon which is still syncing itself takes the index along, but not to "synced".
func TestUnsyncedDaemon(t *testing.T) {
	t.Parallel()
	d := serve(t, generate(22, 300, 30))
	url := tampered(t, d, onceOn("get_info", "", func(b []byte) []byte {
		return regexp.MustCompile(`"target_height":\d+`).ReplaceAll(b, []byte(`"target_height":900000`))
	}))
	x := newIndex(t, []string{url}, nil)
	st := mustSync(t, x)
	if st.Phase != indexer.Syncing || st.Target != 899_999 || st.Tip.Height != 299 {
		t.Errorf("%s at %d of %d, want syncing at 299 of 899999", st.Phase, st.Tip.Height, st.Target)
	}
	if _, err := x.db.Lookup(t.Context(), ons.Session, ons.Hash{1}); !errors.Is(err, ons.ErrUnavailable) {
		t.Errorf("looking up a name that is not there: %v, want that it cannot be known", err)
	}
}

// TestFailover shows that a daemon which answers get_info and fails at its work is left for the next one in the same round.
func TestFailover(t *testing.T) {
	t.Parallel()
	chain := generate(23, 900, 100)
	d := serve(t, chain)
	calls := atomic.Int32{}
	bad := tampered(t, d, onceOn("get_block_headers_range", "", func(b []byte) []byte {
		if calls.Add(1) > 3 {
			return []byte(`{"jsonrpc":"2.0","id":0,"error":{"code":-32603,"message":"Internal error"}}`)
		}
		return b
	}))
	x := newIndex(t, []string{bad, d.URL()}, func(cfg *indexer.Config) { cfg.Batch = 100 })
	st := mustSync(t, x)
	if st.Phase != indexer.Synced || st.Tip.Height != chain.Height()-1 {
		t.Errorf("%s at %d, want the tip by way of the second daemon", st.Phase, st.Tip.Height)
	}
}

// TestFinalForkFailsOver shows that a daemon on a fork below the final block is left for one that is on our chain.
func TestFinalForkFailsOver(t *testing.T) {
	t.Parallel()
	ours, theirs := generate(24, 600, 60), generate(24, 600, 60)
	ours.SetImmutable(590)
	a, b := serve(t, ours), serve(t, ours)
	x := newIndex(t, []string{a.URL(), b.URL()}, nil)
	st := mustSync(t, x)
	theirs.Reorg(30, 9)
	a.Swap(theirs)
	after, err := x.Sync(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if *after.Tip != *st.Tip || after.Phase != indexer.Synced {
		t.Errorf("%s at %v, want synced at %v", after.Phase, after.Tip, st.Tip)
	}
}

// TestReorgBetweenRequests replaces blocks after their headers were read and before their transactions are: an ordinary
// reorganisation that the same round must get over.
func TestReorgBetweenRequests(t *testing.T) {
	t.Parallel()
	chain := generate(25, 500, 200)
	d := serve(t, chain)
	var once sync.Once
	url := tampered(t, d, onceOn("get_block_headers_range", `"height":499,`, func(b []byte) []byte {
		once.Do(func() { chain.Reorg(10, 3) })
		return b
	}))
	x := newIndex(t, []string{url}, nil)
	st := mustSync(t, x)
	if _, digest := fresh(t, d); st.Digest != digest {
		t.Errorf("digest %s, want %s", st.Digest, digest)
	}
}

// TestFlipFlop shows that a daemon which alternates between two branches ends the round instead of keeping it busy.
func TestFlipFlop(t *testing.T) {
	t.Parallel()
	one, two := generate(26, 400, 40), generate(26, 400, 40)
	two.Reorg(5, 1)
	d := serve(t, one)
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method, again := peekMethod(r)
		if method == "get_info" {
			n++
			d.Swap([]*devnet.Chain{two, one}[n%2])
		}
		d.Handler().ServeHTTP(w, again)
	}))
	defer s.Close()
	x := newIndex(t, []string{s.URL}, nil)
	if _, err := x.Sync(t.Context()); !errors.Is(err, indexer.ErrLying) {
		t.Errorf("error %v, want %v", err, indexer.ErrLying)
	}
}

// TestDaemonBelowStart tells a daemon that syncs anew, which contradicts nothing, from one whose chain leaves ours below
// the first block of the index.
func TestDaemonBelowStart(t *testing.T) {
	t.Parallel()
	chain := generate(27, 400, 40)
	d := serve(t, chain)
	x := newIndex(t, []string{d.URL()}, nil)
	st := mustSync(t, x)
	young := generate(27, 400, 40)
	young.Cut(100)
	d.Swap(young)
	after := mustSync(t, x)
	if *after.Tip != *st.Tip || after.Digest != st.Digest {
		t.Errorf("at %v, want still %v", after.Tip, st.Tip)
	}
	other := generate(27, 400, 40)
	other.Reorg(300, 1)
	d.Swap(other)
	if _, err := x.Sync(t.Context()); !errors.Is(err, indexer.ErrBelowStart) {
		t.Errorf("error %v, want %v", err, indexer.ErrBelowStart)
	}
}

// TestLinkage lies about prev_hash where two replies meet: at the first block of a range, and of a second call in a range.
func TestLinkage(t *testing.T) {
	t.Parallel()
	d := serve(t, generate(28, 1400, 100))
	for name, c := range map[string]struct {
		batch uint64
		block string
	}{
		"between ranges": {100, "750"}, // 149 is the anchor: ranges begin at 150, 250, …
		"between calls":  {1000, "650"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := tampered(t, d, onceOn("get_block_headers_range", `"height":`+c.block+`,`, func(b []byte) []byte {
				return regexp.MustCompile(`("height":`+c.block+`,.*?"prev_hash":")[0-9a-f]{8}`).ReplaceAll(b, []byte(`${1}deadbeef`))
			}))
			x := newIndex(t, []string{url}, func(cfg *indexer.Config) { cfg.Batch = c.batch })
			_, err := x.Sync(t.Context())
			if !errors.Is(err, indexer.ErrLying) || !strings.Contains(err.Error(), "block "+c.block) {
				t.Errorf("error %v, want a lie about block %s", err, c.block)
			}
		})
	}
}

// TestTopHashLies shows that a tip which get_info and the headers name differently is not taken for the end.
func TestTopHashLies(t *testing.T) {
	t.Parallel()
	d := serve(t, generate(29, 300, 30))
	url := tampered(t, d, onceOn("get_info", "", func(b []byte) []byte {
		return regexp.MustCompile(`"top_block_hash":"[0-9a-f]{8}`).ReplaceAll(b, []byte(`"top_block_hash":"deadbeef`))
	}))
	if st, err := newIndex(t, []string{url}, nil).Sync(t.Context()); !errors.Is(err, indexer.ErrLying) {
		t.Errorf("%s, error %v, want %v", st.Phase, err, indexer.ErrLying)
	}
}

// TestImmutableHash shows that a final height is taken only with the hash that block has.
func TestImmutableHash(t *testing.T) {
	t.Parallel()
	chain := generate(30, 300, 30)
	chain.SetImmutable(280)
	d := serve(t, chain)
	url := tampered(t, d, onceOn("get_info", "", func(b []byte) []byte {
		return regexp.MustCompile(`"immutable_block_hash":"[0-9a-f]{8}`).ReplaceAll(b, []byte(`"immutable_block_hash":"deadbeef`))
	}))
	if st := mustSync(t, newIndex(t, []string{url}, nil)); st.Final != 0 {
		t.Errorf("final height %d by a hash that is not ours", st.Final)
	}
	if st := mustSync(t, newIndex(t, []string{d.URL()}, nil)); st.Final != 280 {
		t.Errorf("final height %d, want 280", st.Final)
	}
}

// TestOtherGenesis shows that an index is not continued from a chain with another first block.
func TestOtherGenesis(t *testing.T) {
	t.Parallel()
	chain := generate(31, 300, 30)
	d := serve(t, chain)
	genesis, err := chain.Hash(0)
	if err != nil {
		t.Fatal(err)
	}
	x := newIndex(t, []string{d.URL()}, nil)
	mustSync(t, x)
	url := tampered(t, d, func(_ string, b []byte) []byte {
		return bytes.ReplaceAll(b, []byte(genesis.String()), bytes.Repeat([]byte("ab"), 32))
	})
	y := index{indexer.New(with(x, func(cfg *indexer.Config) { cfg.Pool = newPool(t, url) })), x.db}
	if _, err := y.Sync(t.Context()); !errors.Is(err, indexer.ErrOtherNetwork) {
		t.Errorf("error %v, want %v", err, indexer.ErrOtherNetwork)
	}
	y = index{indexer.New(with(x, func(cfg *indexer.Config) { cfg.Year = 60 })), x.db}
	if _, err := y.Sync(t.Context()); !errors.Is(err, indexer.ErrOtherYear) {
		t.Errorf("error %v, want %v", err, indexer.ErrOtherYear)
	}
}

// TestForkAboveFinal shows that a fork above the final block is followed however sparse the stored blocks are there.
func TestForkAboveFinal(t *testing.T) {
	t.Parallel()
	chain := generate(32, 900, 0)
	chain.SetImmutable(800)
	d := serve(t, chain)
	x := newIndex(t, []string{d.URL()}, func(cfg *indexer.Config) { cfg.Keep = 110 })
	mustSync(t, x)
	chain.Mine(300, 0, 0) // the daemon's checkpoints stall: what is final stays at 800, outside of the window
	mustSync(t, x)
	chain.Reorg(380, 1) // down to 819
	st := mustSync(t, x)
	if st.Final != 800 || st.Tip.Height != chain.Height()-1 {
		t.Errorf("at %d with final height %d, want %d and 800", st.Tip.Height, st.Final, chain.Height()-1)
	}
}

// TestAheadIsBounded shows that no more ranges are under way or waiting than there are workers.
func TestAheadIsBounded(t *testing.T) {
	t.Parallel()
	d := serve(t, generate(33, 2000, 100))
	var asked, written atomic.Int32
	const workers = 3
	x := newIndex(t, []string{d.URL()}, func(cfg *indexer.Config) {
		cfg.Batch, cfg.Workers = 10, workers
		cfg.Step = func(string) {
			// One more may begin between the moment a range is taken and the moment it counts as written.
			if n := asked.Add(1) - written.Load(); n > workers+1 {
				t.Errorf("%d ranges ahead, want at most %d", n, workers+1)
			}
		}
		cfg.OnRange = func(r indexer.Range) {
			if len(r.Blocks) > 0 {
				written.Add(1)
			}
		}
	})
	mustSync(t, x)
	if asked.Load() < 100 {
		t.Errorf("only %d ranges", asked.Load())
	}
}

// TestVerifyFinds falsifies one field of the daemon at a time: each is found, and nothing else.
func TestVerifyFinds(t *testing.T) {
	t.Parallel()
	d := serve(t, generate(34, 400, 100))
	x := newIndex(t, []string{d.URL()}, nil)
	mustSync(t, x)
	for field, change := range map[string][2]string{
		"session":         {`"ons_counts":\[\d+,`, `"ons_counts":[77777,`},
		"owner":           {`"owner":"[^"]*"`, `"owner":"` + strings.Repeat("ab", 32) + `"`},
		"txid":            {`"txid":"[0-9a-f]{8}`, `"txid":"deadbeef`},
		"update_height":   {`"update_height":\d+`, `"update_height":7`},
		"encrypted_value": {`"encrypted_value":"[0-9a-f]{8}`, `"encrypted_value":"deadbeef`},
		"record":          {`"entries":\[.*\]`, `"entries":[]`},
	} {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			re := regexp.MustCompile(change[0])
			url := tampered(t, d, func(method string, b []byte) []byte {
				if method == "get_info" || method == "ons_names_to_owners" {
					return re.ReplaceAll(b, []byte(change[1]))
				}
				return b
			})
			rep, err := indexer.Verify(t.Context(), newClient(t, url), x.db, 50, rand.New(rand.NewPCG(1, 2)))
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, diff := range rep.Differences {
				if diff.Field == field {
					found = true
				} else {
					t.Errorf("also found %+v", diff)
				}
			}
			if !found {
				t.Errorf("a wrong %s was not found", field)
			}
		})
	}
}

// TestVerifyMoves shows that a block in the middle of a comparison is no difference.
func TestVerifyMoves(t *testing.T) {
	t.Parallel()
	chain := generate(35, 400, 100)
	d := serve(t, chain)
	x := newIndex(t, []string{d.URL()}, nil)
	mustSync(t, x)
	url := tampered(t, d, onceOn("ons_names_to_owners", "", func(b []byte) []byte {
		chain.Reorg(20, 1)
		return b
	}))
	if rep, err := indexer.Verify(t.Context(), newClient(t, url), x.db, 50, rand.New(rand.NewPCG(1, 2))); !errors.Is(err, ons.ErrUnavailable) && len(rep.Differences) > 0 {
		t.Errorf("report %+v, error %v, want that nothing can be said", rep, err)
	}
}

// TestBlocksThatDoNotCome shows that readers learn of blocks which a daemon speaks of and does not give.
func TestBlocksThatDoNotCome(t *testing.T) {
	t.Parallel()
	d := serve(t, generate(36, 300, 30))
	x := newIndex(t, []string{d.URL()}, nil)
	mustSync(t, x)
	url := tampered(t, d, onceOn("get_info", "", func(b []byte) []byte {
		return bytes.Replace(b, []byte(`"height":300,`), []byte(`"height":350,`), 1)
	}))
	y := index{indexer.New(with(x, func(cfg *indexer.Config) { cfg.Pool = newPool(t, url) })), x.db}
	st, err := y.Sync(t.Context())
	if err == nil || st.Phase != indexer.Syncing || st.Target != 349 || st.Tip.Height != 299 {
		t.Errorf("%s at %d of %d, error %v, want syncing at 299 of 349 and an error", st.Phase, st.Tip.Height, st.Target, err)
	}
	if st := mustSync(t, x); st.Phase != indexer.Synced {
		t.Errorf("%s with an honest daemon again, want synced", st.Phase)
	}
}
