package client_test

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"onsight/client"
	"onsight/client/store"
	"onsight/internal/devnet"
	"onsight/ons"
)

// town is a network with some names, and those who live there.
type town struct {
	*devnet.Network
	t testing.TB
}

func startTown(t testing.TB, cfg devnet.Config, names ...string) *town {
	t.Helper()
	if len(names) > 0 {
		list, err := devnet.ParseNames(strings.NewReader(strings.Join(names, "\n")), ons.Fakechain)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Names = list
	}
	if cfg.Past == 0 {
		cfg.Past = 20
	}
	n, err := devnet.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return &town{n, t}
}

// resident is a client and its database.
type resident struct {
	*client.Client
	Store   *store.Store
	Account *client.Account
	cfg     client.Config

	mu      sync.Mutex
	notices []string
}

// account returns the account of a number.
func account(i byte) *client.Account { return client.NewAccount(client.Seed{1, 2, 3, i}) }

func (n *town) client(i byte, change ...func(*client.Config)) *resident {
	n.t.Helper()
	ctx := context.Background()
	s, err := store.Open(ctx, store.Config{Path: filepath.Join(n.t.TempDir(), "courier.db"), Key: [32]byte{1}})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { s.Close() })
	a := account(i)
	if err := s.Create(ctx, store.Account{Seed: a.Seed(), ID: a.ID(), Network: "devnet", Name: "resident", Created: time.Now()}); err != nil {
		n.t.Fatal(err)
	}
	r := &resident{Store: s, Account: a}
	r.cfg = client.Config{
		Store: s, Account: a, Network: ons.Devnet, Seeds: []client.SeedNode{{URL: n.Seed()}},
		Rand: rand.New(rand.NewPCG(uint64(i), 1)), Timeout: 3 * time.Second, MaxLatency: 2 * time.Second, // the machine may be busy
		Notice: func(text string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.notices = append(r.notices, text)
		},
	}
	for _, f := range change {
		f(&r.cfg)
	}
	r.open(n.t)
	return r
}

// open starts the client, or starts it anew over the same database.
func (r *resident) open(t testing.TB) {
	t.Helper()
	if r.Client != nil {
		r.Client.Close()
	}
	c, err := client.New(r.cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.Client = c
	t.Cleanup(func() { c.Close() })
}

func (r *resident) told() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.notices...)
}

// node returns the node of the town with a key.
func (n *town) node(key [32]byte) *devnet.Node {
	n.t.Helper()
	for _, node := range n.Nodes() {
		if node.Ed25519() == key {
			return node
		}
	}
	n.t.Fatalf("no node %x", key)
	return nil
}

func (n *town) inject(faults string) {
	n.t.Helper()
	list, err := devnet.ParseFaults(faults)
	if err == nil {
		err = n.Inject(list...)
	}
	if err != nil {
		n.t.Fatal(err)
	}
}

// quiet checks, when everything else of the test has ended, that no goroutine of the module is left.
func quiet(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		var stacks string
		for end := time.Now().Add(5 * time.Second); time.Now().Before(end); runtime.Gosched() {
			b := make([]byte, 1<<20)
			stacks = string(b[:runtime.Stack(b, true)])
			left := false
			for _, g := range strings.Split(stacks, "\n\n")[1:] {
				left = left || strings.Contains(g, "onsight/client.(") || strings.Contains(g, "onsight/internal/snode.(")
			}
			if !left {
				return
			}
		}
		t.Errorf("goroutines are left:\n%s", stacks)
	})
}
