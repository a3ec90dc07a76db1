package client_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"onsight/client"
	"onsight/client/store"
	"onsight/internal/devnet"
)

// fakeClock is a clock that a test moves.
type fakeClock struct {
	mu     sync.Mutex // guards what follows
	passed time.Duration
}

func (k *fakeClock) now() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return time.Now().Add(k.passed)
}

func (k *fakeClock) pass(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.passed += d
}

// guards returns the guards in use, in the order of their keys.
func (r *resident) guards() (keys [][32]byte) {
	for _, p := range r.Paths() {
		keys = append(keys, p[0].Ed25519)
	}
	slices.SortFunc(keys, func(a, b [32]byte) int { return slices.Compare(a[:], b[:]) })
	return keys
}

// kept returns the guards that are stored, the preferred one first.
func (r *resident) kept(t *testing.T) (keys [][32]byte) {
	t.Helper()
	list, _, err := r.Store.Pool(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; ; i++ {
		at := slices.IndexFunc(list, func(n store.Node) bool { return n.Guard == i })
		if at < 0 {
			return keys
		}
		keys = append(keys, list[at].Ed25519)
	}
}

func (r *resident) connect(t *testing.T) {
	t.Helper()
	if err := r.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// resolves asks for bob until every path was used, and has all paths.
func (r *resident) resolves(t *testing.T) {
	t.Helper()
	for range 4 {
		if _, err := r.Resolve(t.Context(), "bob"); err != nil {
			t.Fatal(err)
		}
	}
	r.connect(t)
}

// TestGuardReturns: a guard that fails for a while is left alone, and is one again when that is over, in the process that saw it and in
// another.
func TestGuardReturns(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 51, Nodes: 24}, "session bob "+bob)
	clock := &fakeClock{}
	r := n.client(1, func(c *client.Config) { c.Now = clock.now })
	r.connect(t)
	before := r.guards()
	first := r.kept(t)[0]
	if err := n.node(first).Down(); err != nil {
		t.Fatal(err)
	}
	r.resolves(t)
	if slices.Contains(r.guards(), first) {
		t.Fatal("a guard that is down is used")
	}
	during := r.guards()
	if got := r.kept(t); len(got) != 3 || got[0] != first {
		t.Errorf("%x are kept, want %x and its two", got, first)
	}
	if err := n.node(first).Up(); err != nil {
		t.Fatal(err)
	}
	r.open(t)
	r.connect(t)
	if !slices.Equal(r.guards(), during) {
		t.Error("another process did not leave the guard alone, or took others")
	}
	clock.pass(11 * time.Minute) // paths are renewed
	r.connect(t)
	if !slices.Equal(r.guards(), before) {
		t.Errorf("the guards are %x, want those of before: %x", r.guards(), before)
	}
	r.resolves(t)
	r.open(t)
	r.connect(t)
	if !slices.Equal(r.guards(), before) {
		t.Error("after a restart the guards are not those of before")
	}
	// Had it not come back, it would be left alone longer.
	if err := n.node(first).Down(); err != nil {
		t.Fatal(err)
	}
	for _, rest := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute} {
		r.open(t)
		r.resolves(t)
		if slices.Contains(r.guards(), first) {
			t.Fatal("a guard that is down is used")
		}
		clock.pass(rest - 10*time.Second)
		r.open(t)
		r.connect(t)
		if slices.Contains(r.guards(), first) {
			t.Errorf("it was not left alone for %v", rest)
		}
		clock.pass(11 * time.Second)
	}
	if got := r.kept(t); len(got) != 3 {
		t.Errorf("%d guards are kept, want no more than 3", len(got))
	}
}

// TestGuardLost: a guard that fails for a day, whenever it is tried, is one no longer.
func TestGuardLost(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 52, Nodes: 24}, "session bob "+bob)
	clock := &fakeClock{}
	r := n.client(1, func(c *client.Config) { c.Now = clock.now })
	r.connect(t)
	first := r.kept(t)[0]
	if err := n.node(first).Down(); err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		if i > 0 && !slices.Contains(r.kept(t), first) {
			t.Fatalf("it was given up after %d failures", i)
		}
		r.open(t)
		r.resolves(t)
		clock.pass(5 * time.Hour)
	}
	if slices.Contains(r.kept(t), first) {
		t.Error("it is kept all the same")
	}
}

// TestGuardClock: a guard that failed while the clock was years ahead is not left alone for years.
func TestGuardClock(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 55, Nodes: 24}, "session bob "+bob)
	clock := &fakeClock{}
	r := n.client(1, func(c *client.Config) { c.Now = clock.now })
	r.connect(t)
	before := r.guards()
	clock.pass(5 * 365 * 24 * time.Hour)
	node := n.node(before[0])
	if err := node.Down(); err != nil {
		t.Fatal(err)
	}
	r.resolves(t)
	if err := node.Up(); err != nil {
		t.Fatal(err)
	}
	clock.pass(-5 * 365 * 24 * time.Hour)
	r.open(t)
	r.connect(t)
	if !slices.Equal(r.guards(), before) {
		t.Errorf("the guards are %x, want those of before: %x", r.guards(), before)
	}
}

// TestGuardsOffline: while nobody answers, nothing is held against guards.
func TestGuardsOffline(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 53, Nodes: 16}, "session bob "+bob)
	clock := &fakeClock{}
	r := n.client(1, func(c *client.Config) { c.Now = clock.now })
	r.connect(t)
	before := r.guards()
	n.inject("all:down")
	r.cfg.Seeds = []client.SeedNode{{URL: "http://127.0.0.1:1/"}}
	for range 10 {
		r.open(t)
		if _, err := r.Resolve(t.Context(), "bob"); err == nil {
			t.Fatal("nobody answers, and yet there is an answer")
		}
		clock.pass(3 * time.Hour)
	}
	if told := r.told(); len(told) > 0 {
		t.Errorf("said %q of a network that is down", told)
	}
	n.inject("all:ok")
	r.open(t)
	r.resolves(t)
	if !slices.Equal(r.guards(), before) {
		t.Errorf("the guards are %x, want those of before: %x", r.guards(), before)
	}
}

// TestGuardBlink: many requests that get lost at once when a guard is gone for a moment are one failure.
func TestGuardBlink(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 54, Nodes: 24}, "session bob "+bob)
	r := n.client(1)
	r.connect(t)
	first := r.kept(t)[0]
	if err := n.node(first).Down(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			if _, err := r.Resolve(t.Context(), "bob"); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	list, _, err := r.Store.Pool(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range list {
		if node.Ed25519 == first && node.Strikes != 1 {
			t.Errorf("%d failures are counted, want 1", node.Strikes)
		}
	}
	if !slices.Contains(r.kept(t), first) {
		t.Error("it is a guard no longer")
	}
}
