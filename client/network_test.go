package client_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"onsight/client"
	"onsight/internal/devnet"
	"onsight/internal/spy"
	"onsight/ons"
)

const bob = "05d2ad010eeb72d72e561d9de7bd7b6989af77dcabffa03a5111a6c859ae5c3a72"

func net24(ip string) string { return ip[:strings.LastIndexByte(ip, '.')] }

// TestPaths: of all nodes on all paths no two are the same, in the same /24 or of the same operator.
func TestPaths(t *testing.T) {
	quiet(t)
	for _, cfg := range []devnet.Config{
		{Seed: 1, Nodes: 12},
		{Seed: 2, Nodes: 30, PerSubnet: 3},
		{Seed: 3, Nodes: 30, Operators: 10},
	} {
		n := startTown(t, cfg)
		c := n.client(1)
		if err := c.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		paths := c.Paths()
		if len(paths) != 2 {
			t.Fatalf("%d paths, want 2", len(paths))
		}
		seen := map[string]bool{}
		for _, p := range paths {
			for _, h := range p {
				for _, trait := range []string{hex.EncodeToString(h.Ed25519[:]), net24(h.IP), h.Operator} {
					if seen[trait] {
						t.Errorf("two nodes share %s", trait)
					}
					seen[trait] = true
				}
			}
		}
		if told := c.told(); len(told) > 0 {
			t.Errorf("rules were relaxed without need: %q", told)
		}
		// Guards are kept.
		before := c.Paths()
		c.open(t)
		if err := c.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, p := range c.Paths() {
			if p[0] != before[i][0] {
				t.Errorf("guard %d is another one after a restart", i+1)
			}
		}
	}
}

// TestRelaxed: a network that is too small for the rules has paths nevertheless, and it is said once which ones were given up.
func TestRelaxed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		cfg  devnet.Config
		want string // part of what is said
	}{
		{"Operators", devnet.Config{Seed: 1, Nodes: 12, Operators: 2}, "operator"},
		{"Subnet", devnet.Config{Seed: 2, Nodes: 12, PerSubnet: 12}, "/24"},
		{"OneIP", devnet.Config{Seed: 3, Nodes: 12, OneIP: true}, ""},
		{"Few", devnet.Config{Seed: 4, Nodes: 4}, "only one path"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := startTown(t, c.cfg, "session bob "+bob)
			r := n.client(1)
			for range 2 {
				if _, err := r.Resolve(t.Context(), "bob"); err != nil && c.cfg.Nodes > 4 {
					t.Fatal(err)
				}
			}
			told := r.told()
			if c.want == "" && len(told) > 0 {
				t.Errorf("got %q, want nothing said", told)
			}
			if c.want != "" && !slices.ContainsFunc(told, func(s string) bool { return strings.Contains(s, c.want) }) {
				t.Errorf("got %q, want something about %s", told, c.want)
			}
			slices.Sort(told)
			if len(slices.Compact(slices.Clone(told))) != len(told) {
				t.Errorf("something was said twice: %q", told)
			}
			if !slices.Equal(slices.Sorted(slices.Values(r.Relaxed())), told) {
				t.Errorf("said %q, but relaxed %q", told, r.Relaxed())
			}
		})
	}
}

// TestMainnetNeverRelaxes: on mainnet two hops are never in one /24. Its rules hold whatever the seed node; loopback addresses are no
// nodes there.
func TestMainnetNeverRelaxes(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 1, Nodes: 12})
	r := n.client(1, func(c *client.Config) { c.Network = ons.Mainnet })
	if err := r.Connect(t.Context()); !errors.Is(err, client.ErrSeeds) {
		t.Errorf("got error %v, want none of the nodes taken", err)
	}
}

// TestHealing: any one or two hops killed, and the next request succeeds within three path builds.
func TestHealing(t *testing.T) {
	t.Parallel()
	for _, old := range []bool{false, true} {
		for _, kill := range [][]int{{0}, {1}, {2}, {0, 1}, {0, 2}, {1, 2}} {
			t.Run(fmt.Sprint("old=", old, kill), func(t *testing.T) {
				t.Parallel()
				cfg := devnet.Config{Seed: 7, Nodes: 16, OnionTimeout: 200 * time.Millisecond}
				if old {
					cfg.Storage = [3]uint16{2, 8, 0} // does not say that the next is unreachable
				}
				n := startTown(t, cfg, "session bob "+bob)
				r := n.client(1, func(c *client.Config) { c.Agree, c.Ask = 1, 1 })
				if _, err := r.Resolve(t.Context(), "bob"); err != nil {
					t.Fatal(err)
				}
				for _, p := range r.Paths() {
					for _, i := range kill {
						if err := n.node(p[i].Ed25519).Down(); err != nil {
							t.Fatal(err)
						}
					}
				}
				// A node that is asked may be among the dead, so that others are asked instead.
				before := r.Builds()
				if _, err := r.Resolve(t.Context(), "bob"); err != nil {
					t.Fatal(err)
				}
				t.Logf("%d builds for two paths", r.Builds()-before)
				if built := r.Builds() - before; built > 3+1 { // the second path is built as well
					t.Errorf("%d paths were built", built)
				}
			})
		}
	}
}

// TestHanging: hops that hang, where others refuse, are gone around as well, without waiting until requests time out, and so are nodes
// at the end of paths. The next process finds the guards that hung left alone.
func TestHanging(t *testing.T) {
	t.Parallel()
	for _, hang := range [][]int{{0}, {2}, {0, 1}, {1, 2}} {
		t.Run(fmt.Sprint(hang), func(t *testing.T) {
			t.Parallel()
			n := startTown(t, devnet.Config{Seed: 7, Nodes: 16, OnionTimeout: time.Hour}, "session bob "+bob)
			r := n.client(1, func(c *client.Config) { c.Agree, c.Ask, c.Timeout = 1, 1, time.Hour })
			if _, err := r.Resolve(t.Context(), "bob"); err != nil {
				t.Fatal(err)
			}
			for _, p := range r.Paths() {
				for _, i := range hang {
					if err := n.node(p[i].Ed25519).Delay(time.Hour); err != nil {
						t.Fatal(err)
					}
				}
			}
			before := r.Builds()
			if _, err := r.Resolve(t.Context(), "bob"); err != nil {
				t.Fatal(err)
			}
			t.Logf("%d builds for two paths", r.Builds()-before)
			// The second path is built as well, and other hops behind guards until these are found out. Who is asked may hang, too.
			if built := r.Builds() - before; built > 3+1+2 {
				t.Errorf("%d paths were built", built)
			}
			if hang[0] != 0 {
				return
			}
			r.open(t)
			r.connect(t)
			for _, g := range r.guards() {
				if n.node(g).Faults().Delay > 0 {
					t.Errorf("the next process uses guard %x, which hangs", g)
				}
			}
		})
	}
}

// TestSilentHops: hops that swallow what they are to hand on are gone around, wherever they stand.
func TestSilentHops(t *testing.T) {
	t.Parallel()
	for _, hop := range []int{0, 1, 2} {
		t.Run(fmt.Sprint(hop), func(t *testing.T) {
			t.Parallel()
			n := startTown(t, devnet.Config{Seed: 9, Nodes: 16, OnionTimeout: 300 * time.Millisecond}, "session bob "+bob)
			r := n.client(1, func(c *client.Config) { c.Agree, c.Ask, c.Timeout = 1, 1, time.Second })
			if err := r.Connect(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := n.node(r.Paths()[0][hop].Ed25519).DropOnions(); err != nil {
				t.Fatal(err)
			}
			for range 6 {
				if _, err := r.Resolve(t.Context(), "bob"); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestSubnetGone: all nodes of a guard's /24 go, and the next request succeeds.
func TestSubnetGone(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 5, Nodes: 24, PerSubnet: 3}, "session bob "+bob)
	r := n.client(1)
	if err := r.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	gone := net24(r.Paths()[0][0].IP)
	for _, node := range n.Nodes() {
		if net24(node.IP().String()) == gone {
			if err := node.Down(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := r.Resolve(t.Context(), "bob"); err != nil {
		t.Fatal(err)
	}
}

// TestSeedsDown: with the nodes it knows a client needs no seed node; without any it says what is wrong.
func TestSeedsDown(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 6, Nodes: 12}, "session bob "+bob)
	r := n.client(1)
	if err := r.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	nobody := []client.SeedNode{{URL: "http://127.0.0.1:1/"}}
	r.cfg.Seeds = nobody
	r.open(t)
	if _, err := r.Resolve(t.Context(), "bob"); err != nil {
		t.Fatal(err)
	}
	stranger := n.client(2, func(c *client.Config) { c.Seeds = nobody })
	if err := stranger.Connect(t.Context()); !errors.Is(err, client.ErrSeeds) {
		t.Errorf("got error %v, want ErrSeeds", err)
	}
}

// TestAllMoved: a list of which nothing is true any more is replaced by the seed nodes'.
func TestAllMoved(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 8, Nodes: 12}, "session bob "+bob)
	clock := time.Now()
	var mu sync.Mutex
	r := n.client(1, func(c *client.Config) {
		c.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return clock }
	})
	list, _, err := r.Store.Pool(t.Context(), 100)
	if err != nil || len(list) != 0 {
		t.Fatal(len(list), err)
	}
	if err := r.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, at, err := r.Store.Pool(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		list[i].Port = 1 // nobody listens there
	}
	if err := r.Store.SetPool(t.Context(), list, at); err != nil {
		t.Fatal(err)
	}
	r.open(t)
	mu.Lock()
	clock = clock.Add(time.Hour)
	mu.Unlock()
	if err := r.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Resolve(t.Context(), "bob"); err != nil {
		t.Fatal(err)
	}
}

// TestRelist: nodes agree on a new list; liars that are fewer than two do not change it.
func TestRelist(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 10, Nodes: 14}, "session bob "+bob)
	r := n.client(1)
	if err := r.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := n.Do(3, devnet.ActDecommission, devnet.ReasonUptime); err != nil {
		t.Fatal(err)
	}
	n.Mine(1)
	r.cfg.Seeds = []client.SeedNode{{URL: "http://127.0.0.1:1/"}} // it is the nodes' word that counts
	r.open(t)
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list, _, err := r.Store.Pool(t.Context(), 100); err != nil || len(list) != 14 {
		t.Errorf("%d nodes, %v: a fresh list was asked for again", len(list), err)
	}
	if err := r.Relist(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list, _, err := r.Store.Pool(t.Context(), 100); err != nil || len(list) != 13 {
		t.Errorf("%d nodes, %v, want 13", len(list), err)
	}
}

// TestSlowGuards: guards that are slower than the limit are left alone while there are three others, and else taken, which is said.
func TestSlowGuards(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 11, Nodes: 12})
	n.inject("0-5:slow=700ms")
	slow := map[[32]byte]bool{}
	for i := range 6 {
		slow[n.Node(i).Ed25519()] = true
	}
	limit := func(c *client.Config) { c.MaxLatency = 350 * time.Millisecond }
	for i := range byte(3) {
		r := n.client(i, limit)
		if err := r.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, p := range r.Paths() {
			if slow[p[0].Ed25519] {
				t.Error("a slow guard was chosen though there are fast ones")
			}
		}
	}
	n.inject("6-11:slow=700ms")
	r := n.client(9, limit)
	if err := r.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if told := r.told(); !slices.ContainsFunc(told, func(s string) bool { return strings.Contains(s, "slower") }) {
		t.Errorf("said %q, want that guards are slow", told)
	}
}

// TestSlowKept: guards that were kept give way when they are slower than the limit, unless all are.
func TestSlowKept(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 86, Nodes: 14})
	r := n.client(1)
	n.inject("all:slow=700ms")
	r.connect(t)
	before := r.guards()
	r.cfg.MaxLatency = 350 * time.Millisecond
	r.open(t)
	r.connect(t)
	if !slices.Equal(r.guards(), before) {
		t.Errorf("the guards are others, that are as slow")
	}
	slower := func(times int) {
		t.Helper()
		told := r.told()
		if len(told) != times || slices.ContainsFunc(told, func(s string) bool { return !strings.Contains(s, "slower") }) || len(r.Relaxed()) != 1 {
			t.Errorf("said %q, and relaxed are %q; want %d times that guards are slow", told, r.Relaxed(), times)
		}
	}
	slower(1)
	// Once nobody else is left to be tried they stay, which is said all the same.
	praise := func(took time.Duration) {
		t.Helper()
		for _, node := range n.Nodes() {
			if key := node.Ed25519(); !slices.Contains(before, key) {
				if err := r.Store.Praise(t.Context(), key, took); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	praise(700 * time.Millisecond)
	r.open(t)
	r.connect(t)
	if !slices.Equal(r.guards(), before) {
		t.Errorf("the guards are others, though there are none")
	}
	slower(2)
	praise(time.Millisecond)
	n.inject("all:ok")
	for i, node := range n.Nodes() {
		if slices.Contains(before, node.Ed25519()) {
			n.inject(fmt.Sprintf("%d:slow=700ms", i))
		}
	}
	r.open(t)
	r.connect(t)
	for _, g := range r.guards() {
		if slices.Contains(before, g) {
			t.Error("a slow guard is used though there are fast ones")
		}
	}
}

// TestRotation: inner hops change with time, guards do not.
func TestRotation(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 12, Nodes: 30})
	var mu sync.Mutex
	passed := time.Duration(0)
	r := n.client(1, func(c *client.Config) {
		c.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return time.Now().Add(passed) }
	})
	if err := r.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := r.Paths()
	if err := r.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, p := range r.Paths() {
		if !slices.Equal(p, before[i]) {
			t.Error("a path changed before its time")
		}
	}
	mu.Lock()
	passed = 11 * time.Minute
	mu.Unlock()
	if err := r.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, p := range r.Paths() {
		if p[0] != before[i][0] {
			t.Error("a guard changed with time")
		}
		if p[1] == before[i][1] && p[2] == before[i][2] {
			t.Error("the inner hops did not change with time")
		}
	}
}

// TestClock: the clock of the network is learnt, though some nodes have another.
func TestClock(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 13, Nodes: 12}, "session bob "+bob)
	n.inject("2:clock=5h,7:clock=-5h")
	r := n.client(1, func(c *client.Config) { c.Now = func() time.Time { return time.Now().Add(-time.Hour) } })
	if _, err := r.Resolve(t.Context(), "bob"); err != nil {
		t.Fatal(err)
	}
	if d := time.Until(r.Now()); d.Abs() > 5*time.Second {
		t.Errorf("the network's clock is taken to be %v ahead of what it is", d)
	}
}

func TestEncryptions(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 14, Nodes: 12}, "session bob "+bob)
	for i, e := range []string{"", "aes-gcm", "xchacha20"} {
		r := n.client(byte(i), func(c *client.Config) { c.Encryption = e })
		if got, err := r.Resolve(t.Context(), "bob"); err != nil || got.ID.String() != bob {
			t.Errorf("%q: got %s, %v", e, got.ID, err)
		}
	}
}

// TestSeedCertificate: a seed node with pins is believed if and only if both are its certificate's.
func TestSeedCertificate(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 15, Nodes: 12})
	at, pin := n.SeedTLS()
	other := strings.Repeat("00", 32)
	for _, c := range []struct {
		name string
		seed client.SeedNode
		want error
	}{
		{"Right", client.SeedNode{URL: at, Certificate: strings.ToUpper(pin)}, nil},
		{"OtherCertificate", client.SeedNode{URL: at, Certificate: other}, client.ErrCertificate},
		{"OtherKey", client.SeedNode{URL: at, Certificate: pin, SPKI: "mlYTXvkmIEYcpswANTpnBwlz9Cswi0py/RQKkbdQOZQ="}, client.ErrCertificate},
		{"NoPin", client.SeedNode{URL: at}, client.ErrSeeds},
		{"NoURL", client.SeedNode{URL: "seed"}, client.ErrSeeds},
	} {
		r := n.client(1, func(cfg *client.Config) { cfg.Seeds = []client.SeedNode{c.seed} })
		if err := r.Connect(t.Context()); !errors.Is(err, c.want) {
			t.Errorf("%s: got error %v, want %v", c.name, err, c.want)
		}
	}
}

// spied is a proxy that sees all that leaves.
type spied struct {
	*spy.Spy
	t *testing.T
}

func startSpy(t *testing.T) *spied {
	t.Helper()
	s, err := spy.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &spied{s, t}
}

// check fails for whatever may not be sent directly, and if not all kinds of requests were seen that may.
func (s *spied) check(secrets ...string) {
	s.t.Helper()
	seen := s.Seen()
	for _, wrong := range spy.Direct(seen, secrets...) {
		s.t.Error(wrong)
	}
	kinds := map[string]int{}
	for _, q := range seen {
		kinds[q.Path]++
	}
	if kinds["/onion_req/v2"] == 0 || kinds["/storage_rpc/v1"] == 0 || kinds["/json_rpc"] == 0 {
		s.t.Errorf("the spy has seen only %v", kinds)
	}
}

// TestNothingOutsideOnions watches all that leaves, by way of an HTTP proxy.
func TestNothingOutsideOnions(t *testing.T) {
	quiet(t)
	n := startTown(t, devnet.Config{Seed: 16, Nodes: 12}, "session bob "+bob)
	s := startSpy(t)
	r := n.client(1, func(c *client.Config) { c.Proxy = s.URL() })
	if _, err := r.Resolve(t.Context(), "bob"); err != nil {
		t.Fatal(err)
	}
	if err := r.Relist(t.Context()); err != nil {
		t.Fatal(err)
	}
	name, err := ons.ParseName(ons.Session, "bob")
	if err != nil {
		t.Fatal(err)
	}
	s.check(bob, bob[2:], name.Hash().String(), name.Hash().Base64(), r.Account.ID().String(), "ons_resolve", hex.EncodeToString(r.Account.Public()))
	t.Logf("%d requests", len(s.Seen()))

	wrong := s.URL()
	wrong.User = nil
	stranger := n.client(2, func(c *client.Config) { c.Proxy = wrong })
	if err := stranger.Connect(t.Context()); !errors.Is(err, client.ErrProxy) {
		t.Errorf("got error %v from a proxy that refuses", err)
	}
}

// TestSOCKS goes by way of a SOCKS5 proxy, which is told the host's name.
func TestSOCKS(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 17, Nodes: 12}, "session bob "+bob)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	names, conns := map[string]int{}, []net.Conn{}
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			wg.Go(func() {
				defer conn.Close()
				host, ok := socks(conn)
				mu.Lock()
				names[host]++
				mu.Unlock()
				if !ok {
					return
				}
				server, err := net.Dial("tcp", host)
				if err != nil {
					return
				}
				defer server.Close()
				wg.Go(func() {
					io.Copy(server, conn)
					server.Close()
				})
				io.Copy(conn, server)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	at, pin := n.SeedTLS()
	r := n.client(1, func(c *client.Config) {
		c.Proxy = &url.URL{Scheme: "socks5", Host: l.Addr().String()}
		c.Seeds = []client.SeedNode{{URL: at, Certificate: pin}}
	})
	if _, err := r.Resolve(t.Context(), "bob"); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	u, err := url.Parse(at)
	if err != nil || names[u.Host] == 0 {
		t.Errorf("the proxy was asked for %v, and not for %s by its name", names, u.Host)
	}
	if len(names) < 3 {
		t.Errorf("the proxy was asked for %v only", names)
	}
}

// socks does what a SOCKS5 server does up to the connection.
func socks(conn net.Conn) (host string, ok bool) {
	b := make([]byte, 262)
	if _, err := io.ReadFull(conn, b[:2]); err != nil {
		return "", false
	}
	if _, err := io.ReadFull(conn, b[:b[1]]); err != nil {
		return "", false
	}
	conn.Write([]byte{5, 0})
	if _, err := io.ReadFull(conn, b[:4]); err != nil {
		return "", false
	}
	switch b[3] {
	case 1:
		if _, err := io.ReadFull(conn, b[:6]); err != nil {
			return "", false
		}
		host = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[:4])), uint16(b[4])<<8|uint16(b[5])).String()
	case 3:
		if _, err := io.ReadFull(conn, b[:1]); err != nil {
			return "", false
		}
		k := int(b[0])
		if _, err := io.ReadFull(conn, b[:k+2]); err != nil {
			return "", false
		}
		host = fmt.Sprintf("%s:%d", b[:k], int(b[k])<<8|int(b[k+1]))
	}
	_, err := conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	return host, err == nil
}

// TestClosed: a closed client does nothing more.
func TestClosed(t *testing.T) {
	quiet(t)
	n := startTown(t, devnet.Config{Seed: 18, Nodes: 12}, "session bob "+bob)
	r := n.client(1)
	if err := r.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Resolve(t.Context(), "bob"); !errors.Is(err, client.ErrClosed) {
		t.Errorf("got error %v, want ErrClosed", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.open(t)
	if err := r.Connect(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want context.Canceled", err)
	}
}
