package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"onsight/indexer"
	"onsight/internal/devnet"
	"onsight/internal/oxend"
	"onsight/internal/store"
	"onsight/ons"
)

// killPoints are where a process is killed, each as often as the next.
var killPoints = []string{"migration", "fetch", "before-commit", "after-commit", "rollback"}

// migrations is how many migrations a new database takes; a kill is aimed at each of them.
const migrations = 7

// TestKill kills a process that indexes a generated chain of 50,000 blocks at named points, KILLS times (20 unless the
// environment says otherwise). After each kill the database must hold exactly the state of some height, with a log that comes to it, and it must end
// with the digest of an undisturbed run. KILL_SEED repeats a run.
//
// The killed process is a plain test binary, built once: what is looked at is the disk.
func TestKill(t *testing.T) {
	kills := count(t, "KILLS", 20)
	seed := uint64(count(t, "KILL_SEED", 1))
	t.Logf("KILLS=%d KILL_SEED=%d", kills, seed)
	k := newKiller(t, seed)

	hits := map[string]int{}
	for i := range kills {
		point := killPoints[i%len(killPoints)]
		nth := 1
		switch point {
		case "migration":
			k.finish()
			k.fresh()
			nth = 1 + k.rng.IntN(migrations)
		case "rollback":
			k.finish()
			k.reorg(1 + k.rng.IntN(200))
		default:
			nth = 1 + k.rng.IntN(8)
		}
		if !k.kill(point, nth) { // it came to the end first
			k.finish()
			k.fresh()
			if !k.kill(point, nth) {
				t.Fatalf("%s:%d is not reached from an empty database", point, nth)
			}
		}
		hits[point]++
	}
	k.finish()
	for _, point := range killPoints {
		t.Logf("killed at %s: %d times", point, hits[point])
		if kills >= len(killPoints) && hits[point] == 0 {
			t.Errorf("no kill at %s", point)
		}
	}
	t.Logf("%d runs to the end, each with the digest of an undisturbed one", k.finished)
}

func count(t *testing.T, name string, otherwise int) int {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		return otherwise
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// killer is a chain, the program that is killed while it indexes it, and a reference index that never is.
type killer struct {
	t        *testing.T
	rng      *rand.Rand
	binary   string
	chain    *devnet.Chain
	url      string
	folder   string
	db       string // the database under torture
	dbs      int
	want     *store.Store // the undisturbed index
	epoch    uint64
	digest   ons.Txid // where the last undisturbed run of the database under torture ended
	finished int
}

func newKiller(t *testing.T, seed uint64) *killer {
	t.Helper()
	k := &killer{t: t, rng: rand.New(rand.NewPCG(seed, 0)), folder: t.TempDir(), binary: plainBinary(t)}
	k.chain, _ = devnet.Generate(devnet.GenerateConfig{Seed: seed, Blocks: 50_000, Ordinary: 4_000, ONS: 6_000})
	d, err := devnet.Serve(k.chain, devnet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	k.url = d.URL()

	ctx := t.Context()
	if k.want, err = store.Open(ctx, store.Config{Path: filepath.Join(k.folder, "want.db")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.want.Close() })
	if k.epoch, err = k.want.Begin(ctx); err != nil {
		t.Fatal(err)
	}
	k.undisturbed()
	k.fresh()
	return k
}

// undisturbed brings the reference to the chain's tip.
func (k *killer) undisturbed() indexer.State {
	k.t.Helper()
	c, err := oxend.New(oxend.Config{URL: k.url})
	if err != nil {
		k.t.Fatal(err)
	}
	pool, err := oxend.NewPool(oxend.PoolConfig{Clients: []*oxend.Client{c}})
	if err != nil {
		k.t.Fatal(err)
	}
	st, err := indexer.New(indexer.Config{Pool: pool, Store: k.want, Epoch: k.epoch}).Sync(k.t.Context())
	if err != nil {
		k.t.Fatal(err)
	}
	return st
}

// plainBinary builds this test binary without the race detector: what its processes are looked at for is what they leave
// and what they say.
func plainBinary(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "onsight.test")
	if out, err := exec.Command("go", "test", "-c", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	return binary
}

// fresh goes on with a database that does not exist yet.
func (k *killer) fresh() {
	k.dbs++
	k.db = filepath.Join(k.folder, strconv.Itoa(k.dbs)+".db")
}

func (k *killer) reorg(depth int) {
	k.chain.Reorg(depth, k.rng.Uint64())
	k.undisturbed()
}

// run starts the program on the database under torture; plan is when it is to kill itself, or "none:1".
func (k *killer) run(plan, hit string) error {
	cmd := exec.Command(k.binary, "index", "--once", "--db", k.db, "--oxend", k.url)
	cmd.Env = append(os.Environ(), "ONSIGHT_TEST_KILL="+plan, "ONSIGHT_TEST_HIT="+hit)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signaled()) {
		k.t.Fatalf("%s: %v\n%s", plan, err, out)
	}
	return err
}

// finish lets the program run to the end undisturbed and compares digests.
func (k *killer) finish() {
	k.t.Helper()
	if err := k.run("none:1", ""); err != nil {
		k.t.Fatal(err)
	}
	st, digest, ok := k.state()
	want, err := k.want.State(k.t.Context())
	if err != nil {
		k.t.Fatal(err)
	}
	if !ok || *st.Tip != *want.Tip || digest != want.Digest || st.Phase != indexer.Synced {
		k.t.Fatalf("ended at %v with digest %s (%s), undisturbed %v with %s", st.Tip, digest, st.Phase, want.Tip, want.Digest)
	}
	k.digest = digest
	k.finished++
}

// kill runs the program until it kills itself at the nth time it reaches point, and looks at what is left. It reports
// false if the program came to its end before.
func (k *killer) kill(point string, nth int) bool {
	k.t.Helper()
	hit := filepath.Join(k.folder, "hit")
	if err := os.Remove(hit); err != nil && !errors.Is(err, os.ErrNotExist) {
		k.t.Fatal(err)
	}
	plan := point + ":" + strconv.Itoa(nth)
	err := k.run(plan, hit)
	if err == nil {
		return false
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		k.t.Fatalf("%s: the program ended with %v, want SIGKILL", plan, err)
	}
	got, err := os.ReadFile(hit)
	if err != nil || string(got) != point {
		k.t.Fatalf("%s: the point was not hit: %q, %v", plan, got, err)
	}
	st, digest, ok := k.state()
	if !ok {
		return true // killed before the first block; the next run must begin again
	}
	// What is left is the state of one height: of the chain as it is, or as it was before the reorganisation.
	want := k.digest
	if point != "rollback" {
		if want, err = k.want.DigestAt(k.t.Context(), st.Tip.Height); err != nil {
			k.t.Fatal(err)
		}
	}
	if digest != want {
		k.t.Fatalf("%s: digest %s at height %d, want %s", plan, digest, st.Tip.Height, want)
	}
	return true
}

// state reads the database under torture; ok is false while it holds no block.
func (k *killer) state() (st indexer.State, digest ons.Txid, ok bool) {
	k.t.Helper()
	ctx := context.Background()
	db, err := store.Open(ctx, store.Config{Path: k.db, ReadOnly: true})
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, store.ErrSchemaOld) {
		return indexer.State{}, ons.Txid{}, false
	}
	if err != nil {
		k.t.Fatal(err)
	}
	defer db.Close()
	if st, err = db.State(ctx); err != nil {
		k.t.Fatal(err)
	}
	if st.Tip == nil {
		return st, ons.Txid{}, false
	}
	if digest, err = db.DigestAt(ctx, st.Tip.Height); err != nil {
		k.t.Fatal(err)
	}
	checkLog(k.t, db)
	return st, digest, true
}
