package client_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"onsight/client"
	"onsight/internal/devnet"
)

// TestResolveLagging: nodes whose daemons do not know the newest block say that a name which was registered in it is absent. Fewer than
// have to agree do not win, whoever answers first.
func TestResolveLagging(t *testing.T) {
	t.Parallel()
	for _, lag := range []int{1, 2} {
		t.Run(fmt.Sprint(lag), func(t *testing.T) {
			t.Parallel()
			n := startTown(t, devnet.Config{Seed: 71, Nodes: 14})
			if _, err := n.Register(name(t, "bob"), value(t, bob), 0); err != nil {
				t.Fatal(err)
			}
			n.inject("all:slow=60ms") // who lags answers first
			for i := range lag {
				n.inject(fmt.Sprintf("%d:ok,%d:backwards=3", i, i))
			}
			said := 0
			for i := range byte(6) {
				r := n.client(i)
				got, err := r.Resolve(t.Context(), "bob")
				if err != nil || got.ID.String() != bob {
					t.Fatalf("got %s, %v", got.ID, err)
				}
				for _, a := range got.Receipt.Answers {
					if a.ID == ([33]byte{}) && a.Reason == "" {
						said++
					}
				}
			}
			if said == 0 {
				t.Error("nobody was asked who lags")
			}
		})
	}
}

// TestFifthNode: of five nodes that are asked two are dead or slow: the third of the others decides how long it takes.
func TestFifthNode(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"slow=20s", "no-oxend", "status=503"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			n := startTown(t, devnet.Config{Seed: 72, Nodes: 11}, "session bob "+bob) // two paths and five more
			r := n.client(1, func(c *client.Config) { c.Timeout = 15 * time.Second })
			if err := r.Connect(t.Context()); err != nil {
				t.Fatal(err)
			}
			on := map[[32]byte]bool{}
			for _, p := range r.Paths() {
				for _, h := range p {
					on[h.Ed25519] = true
				}
			}
			broken := 0
			for i, node := range n.Nodes() {
				if !on[node.Ed25519()] && broken < 2 {
					n.inject(fmt.Sprintf("%d:%s", i, fault))
					broken++
				}
			}
			begun := time.Now()
			got, err := r.Resolve(t.Context(), "bob")
			if err != nil || got.ID.String() != bob {
				t.Fatalf("got %s, %v", got.ID, err)
			}
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("took %v: the two were waited for", took)
			}
		})
	}
}

// TestListLiars: two of three witnesses who say the same of nodes that nobody has do not become the list, nor do two who disagree.
func TestListLiars(t *testing.T) {
	t.Parallel()
	for _, seeds := range []bool{true, false} {
		t.Run(fmt.Sprint("seeds=", seeds), func(t *testing.T) {
			t.Parallel()
			n := startTown(t, devnet.Config{Seed: 73, Nodes: 14}, "session bob "+bob)
			r := n.client(1, func(c *client.Config) { c.Agree, c.Ask = 1, 1 })
			if err := r.Connect(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !seeds {
				r.cfg.Seeds = []client.SeedNode{{URL: "http://127.0.0.1:1/"}}
				r.open(t)
			}
			n.inject("all:lie-nodes")
			n.inject("5:ok") // so that at most one of three says the truth
			for range 4 {
				err := r.Relist(t.Context())
				if seeds != (err == nil) || !seeds && !errors.Is(err, client.ErrSeeds) {
					t.Fatalf("got error %v", err)
				}
				list, _, err := r.Store.Pool(t.Context(), 100)
				if err != nil || len(list) != 14 {
					t.Fatalf("%d nodes, %v", len(list), err)
				}
				for _, k := range list {
					n.node(k.Ed25519) // fails for strangers
				}
			}
			if _, err := r.Resolve(t.Context(), "bob"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSubnetGoneSend: a whole /24 goes, the seed nodes too, and a process that has but the list of nodes sends with the next attempt,
// within three path builds.
func TestSubnetGoneSend(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 74, Nodes: 30, PerSubnet: 3})
	r := n.client(1)
	if err := r.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	gone := net24(r.Paths()[0][0].IP)
	down := 0
	for _, node := range n.Nodes() {
		if net24(node.IP().String()) == gone {
			down++
			if err := node.Down(); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.cfg.Seeds = []client.SeedNode{{URL: "http://127.0.0.1:1/"}}
	r.open(t)
	r.send(t, r.id(), "note")
	if got := r.flush(t); got != 1 {
		t.Errorf("%d parcels were stored, want 1", got)
	}
	if built := r.Builds(); down != 3 || built > 2+3 { // two paths, and what broke
		t.Errorf("%d nodes down, %d paths were built", down, built)
	}
}

// TestClosedWhile: Close while requests are under way leaves nothing running when they have ended.
func TestClosedWhile(t *testing.T) {
	quiet(t)
	n := startTown(t, devnet.Config{Seed: 75, Nodes: 14}, "session bob "+bob)
	n.inject("all:slow=100ms")
	r := n.client(1)
	done := make(chan error, 4)
	for range cap(done) {
		go func() { _, err := r.Resolve(t.Context(), "bob"); done <- err }()
	}
	if err := r.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for range cap(done) {
		if err := <-done; err != nil && !errors.Is(err, client.ErrClosed) {
			t.Error(err)
		}
	}
}

// TestIPv6: nodes of which lists say an IPv6 address are reached there, whatever the form of the address.
func TestIPv6(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6 loopback: ", err)
	}
	l.Close()
	n := startTown(t, devnet.Config{Seed: 76, Nodes: 12, OneIP: true}, "session bob "+bob)
	r := n.client(1)
	r.connect(t)
	list, at, err := r.Store.Pool(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		list[i].IP, list[i].Port = "::1", gate6(t, netip.AddrPortFrom(netip.MustParseAddr(list[i].IP), list[i].Port))
	}
	if err := r.Store.SetPool(t.Context(), list, at); err != nil {
		t.Fatal(err)
	}
	r.open(t)
	got, err := r.Resolve(t.Context(), "bob")
	if err != nil || got.ID.String() != bob {
		t.Fatalf("got %s, %v", got.ID, err)
	}
	for _, p := range r.Paths() {
		if p[0].IP != "::1" {
			t.Errorf("a guard is at %s", p[0].IP)
		}
	}
	if told := r.told(); len(told) > 0 {
		t.Errorf("rules were relaxed for the one address that counts as many: %q", told)
	}
}

// gate6 hands what comes to a port of ::1 on to an address.
func gate6(t *testing.T, to netip.AddrPort) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	pipe(t, l, to.String())
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

// pipe hands connections on to an address until the test ends.
func pipe(t *testing.T, l net.Listener, to string) {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex // guards open
	open := []net.Conn{}
	wg.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			mu.Lock()
			open = append(open, near, far)
			mu.Unlock()
			for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
				wg.Go(func() {
					io.Copy(way[0], way[1])
					way[0].Close()
				})
			}
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
}
