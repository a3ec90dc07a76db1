package devnet

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"onsight/internal/snode"
)

// rebuilt is a network of one node, and what one does to move or upgrade that.
func rebuilt(t *testing.T) (*Network, *Node) {
	t.Helper()
	w := newTown(t, 1)
	chain, _ := Generate(GenerateConfig{Seed: 1})
	n := &Network{chain: chain, nodes: w.nodes}
	return n, w.nodes[0]
}

// TestNodeMoves: a node that moves or upgrades is the same node. Nothing it knows is lost, however it is asked meanwhile.
func TestNodeMoves(t *testing.T) {
	t.Parallel()
	n, node := rebuilt(t)
	c := newClient(t)
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	id := snode.ID(append([]byte{snode.Group}, key[32:]...))
	now := node.world.now().UnixMilli()
	call := func(format string, args ...any) answer {
		t.Helper()
		a := mustAsk(t, c, "POST", node.URL()+rpcPath, fmt.Appendf(nil, format, args...))
		if a.status != 200 {
			t.Fatal(a)
		}
		return a
	}
	sign := func(text []byte) string { return base64.StdEncoding.EncodeToString(ed25519.Sign(key, text)) }
	call(`{"method":"store","params":{"pubkey":%q,"timestamp":%d,"ttl":86400000,"data":"aGkg","namespace":-10}}`, id, now)
	token := snode.Token{0: snode.Group, 5: 1}
	call(`{"method":"revoke_subaccount","params":{"pubkey":%q,"timestamp":%d,"signature":%q,"revoke":%q}}`, id, now,
		sign(snode.RevokeText(now, []snode.Token{token})), token)
	if err := node.Clock(time.Second); err != nil {
		t.Fatal(err)
	}
	faults := node.Faults()
	at, omq := node.URL(), node.OMQPort()
	other := netip.MustParseAddr("127.0.77.1")
	for name, test := range map[string]struct {
		addr       netip.Addr
		https, omq uint16
		version    [3]uint16
	}{
		"move":    {addr: other, version: [3]uint16{2, 11, 0}},
		"upgrade": {node.IP(), node.HTTPSPort(), omq, [3]uint16{2, 11, 9}},
	} {
		if err := n.nodes[0].rebind(func(c *site) {
			c.ip, c.https, c.omq, c.version = test.addr, test.https, test.omq, test.version
		}); err != nil {
			t.Fatal(name, err)
		}
		c.CloseIdleConnections() // they are cut
		if n.nodes[0] != node {
			t.Fatalf("%s: it is another node", name)
		}
		if node.IP() != test.addr || node.Version() != test.version || node.Faults() != faults || node.HTTPSPort() == 0 || node.OMQPort() == 0 {
			t.Errorf("%s: at %s, version %v, with %+v", name, node.URL(), node.Version(), node.Faults())
		}
		if test.https != 0 && (node.URL() != at || node.OMQPort() != omq) {
			t.Errorf("%s: at %s", name, node.URL())
		}
		if a := call(`{"method":"retrieve","params":{"pubkey":%q,"namespace":-10}}`, id); !strings.Contains(string(a.body), "aGkg") {
			t.Errorf("%s: the message is lost: %v", name, a)
		}
		a := call(`{"method":"revoked_subaccounts","params":{"pubkey":%q,"timestamp":%d,"signature":%q}}`, id, now, sign(snode.RevokedText(now)))
		if !strings.Contains(string(a.body), token.String()) {
			t.Errorf("%s: the revocation is lost: %v", name, a)
		}
		a = call(infoCall)
		version := fmt.Sprintf("%d.%d.%d", test.version[0], test.version[1], test.version[2])
		if agent := a.header.Get("Server"); agent != "Oxen Storage Server/"+version || !strings.Contains(string(a.body), strings.ReplaceAll(version, ".", ",")) {
			t.Errorf("%s: version %s, %v", name, agent, a)
		}
		if test.addr == other {
			if _, err := ask(t, c, "POST", at+rpcPath, []byte(infoCall)); err == nil {
				t.Errorf("%s: it answers where it was", name)
			}
		}
	}
}

// TestNodeCannotMove: one that finds its new address taken stays where it is, and works.
func TestNodeCannotMove(t *testing.T) {
	t.Parallel()
	n, node := rebuilt(t)
	at := node.URL()
	taken, err := net.Listen("tcp4", "127.0.78.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	where := taken.Addr().(*net.TCPAddr).AddrPort()
	for name, change := range map[string]func(*site){
		"https": func(c *site) {
			c.ip, c.https, c.omq, c.version = where.Addr(), where.Port(), 0, [3]uint16{3}
		},
		"omq": func(c *site) {
			c.ip, c.https, c.omq, c.version = where.Addr(), 0, where.Port(), [3]uint16{3}
		},
		"ipv6": func(c *site) { c.ip = netip.IPv6Loopback() },
	} {
		if err := n.nodes[0].rebind(change); err == nil {
			t.Errorf("%s: moved to a place that is taken", name)
		}
		if node.URL() != at || node.Version() != ([3]uint16{2, 11, 0}) || n.nodes[0] != node {
			t.Errorf("%s: at %s, %v", name, node.URL(), node.Version())
		}
		if a := mustAsk(t, newClient(t), "POST", node.URL()+rpcPath, []byte(infoCall)); a.status != 200 {
			t.Errorf("%s: then %v", name, a)
		}
	}
	if err := node.close(); err != nil {
		t.Fatal(err)
	}
	if err := n.nodes[0].rebind(func(c *site) { c.ip = netip.MustParseAddr("127.0.78.2") }); !errors.Is(err, ErrNodeClosed) {
		t.Errorf("a closed one: %v", err)
	}
}

// TestNodeMovesDown: one that is down listens nowhere until it is up, and then where it moved to.
func TestNodeMovesDown(t *testing.T) {
	t.Parallel()
	n, node := rebuilt(t)
	if err := node.Down(); err != nil {
		t.Fatal(err)
	}
	to := netip.MustParseAddr("127.0.79.1")
	// Somebody else is there already, so that it would fail if it listened at all.
	all, err := net.Listen("tcp4", netip.AddrPortFrom(to, node.HTTPSPort()).String())
	if err != nil {
		t.Fatal(err)
	}
	if err := n.nodes[0].rebind(func(c *site) { c.ip, c.https, c.omq = to, node.HTTPSPort(), node.OMQPort() }); err != nil {
		t.Errorf("it listens though it is down: %v", err)
	}
	if err := errors.Join(n.nodes[0].rebind(func(c *site) { c.ip, c.https, c.omq = to, 0, 0 }), all.Close()); err != nil {
		t.Fatal(err)
	}
	if node.IP() != to || node.HTTPSPort() == 0 || node.OMQPort() == 0 || !node.Faults().Down {
		t.Errorf("at %s, OMQ port %d, %+v", node.URL(), node.OMQPort(), node.Faults())
	}
	if _, err := ask(t, newClient(t), "POST", node.URL()+rpcPath, []byte(infoCall)); err == nil {
		t.Error("it answers though it is down")
	}
	if err := node.Up(); err != nil {
		t.Fatal(err)
	}
	if a := mustAsk(t, newClient(t), "POST", node.URL()+rpcPath, []byte(infoCall)); a.status != 200 || node.IP() != to {
		t.Errorf("up again: %v", a)
	}
}

// TestNodeMovesWhileAsked looks for races.
func TestNodeMovesWhileAsked(t *testing.T) {
	t.Parallel()
	n, node := rebuilt(t)
	c := newClient(t)
	var wait sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wait.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				_, _ = ask(t, c, "POST", node.URL()+rpcPath, []byte(infoCall))
				_, _, _ = node.Version(), node.OMQPort(), node.IP()
			}
		})
	}
	for i := range 20 {
		if err := n.nodes[0].rebind(func(c *site) {
			c.ip, c.https, c.omq, c.version[2] = netip.AddrFrom4([4]byte{127, 0, 80, byte(1 + i%3)}), 0, 0, uint16(i)
		}); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wait.Wait()
	if a := mustAsk(t, newClient(t), "POST", node.URL()+rpcPath, []byte(infoCall)); a.status != 200 {
		t.Errorf("then %v", a)
	}
}

// TestNodeBusyWaiting: requests count as long as a slow node keeps them waiting.
func TestNodeBusyWaiting(t *testing.T) {
	t.Parallel()
	w := newTown(t, 1)
	node, c := w.nodes[0], newClient(t)
	set(t, node, NodeFaults{Delay: time.Hour})
	working := make(chan struct{})
	w.change(func() {
		w.daemon = func(context.Context, string, json.RawMessage) (json.RawMessage, error) {
			close(working)
			return json.RawMessage(`{}`), nil
		}
	})
	answered := make(chan error)
	go func() {
		_, err := ask(t, c, "POST", node.URL()+rpcPath, []byte(`{"method":"oxend_request","params":{"endpoint":"ons_resolve"}}`))
		answered <- err
	}()
	<-working
	node.busy.Add(maxBusy - 1)
	// Nor does one wait that is refused for it.
	wantText(t, w.call(t, newClient(t), 0, infoCall), 503, "Server busy, try again later")
	if err := node.Down(); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err == nil {
		t.Error("answered after an hour")
	}
	if got := node.busy.Load(); got != maxBusy-1 {
		t.Errorf("%d requests in work, want none", got-maxBusy+1)
	}
}

// TestNodeBatchDelay: the answers to a batch's requests are under way at once, so a slow peer's delay passes once and none is late.
func TestNodeBatchDelay(t *testing.T) {
	t.Parallel()
	w := newTown(t, 2)
	w.change(func() { w.patient = 12 * time.Second }) // and so 2 s for a member
	set(t, w.nodes[1], NodeFaults{Delay: 300 * time.Millisecond})
	var requests []string
	for i := range 20 {
		requests = append(requests, fmt.Sprintf(`{"method":"store","params":{"pubkey":"05%064d","timestamp":%d,"ttl":86400000,"data":""}}`, i, w.now().UnixMilli()))
	}
	a := w.call(t, newClient(t), 0, `{"method":"batch","params":{"requests":[`+strings.Join(requests, ",")+`]}}`)
	if a.status != 200 || strings.Contains(string(a.body), "failed") {
		t.Errorf("got %v", a)
	}
	if got := len(w.nodes[1].storage.Messages()); got != 20 {
		t.Errorf("the peer has %d messages, want 20", got)
	}
}

func TestNodeHidesKeys(t *testing.T) {
	t.Parallel()
	w := newTown(t, 1)
	c := nodeConfig{Index: 7, Key: ed25519.NewKeyFromSeed([]byte("0123456789abcdef0123456789abcdef")), Legacy: [32]byte{0xab}, World: w}
	secret := w.nodes[0].secret.Bytes()
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		for _, v := range []any{c, &c, []nodeConfig{c}, w.nodes[0], w.nodes, struct{ N *Node }{w.nodes[0]}} {
			got := fmt.Sprintf(format, v)
			for _, key := range [][]byte{c.Key[:32], secret} {
				for _, never := range []string{string(key), hex.EncodeToString(key), strings.Trim(fmt.Sprint(key), "[]"), strings.Trim(fmt.Sprintf("%#v", key), "[]byte{}")} {
					if strings.Contains(got, never) {
						t.Errorf("%s of %T shows a key", format, v)
					}
				}
			}
		}
	}
	if got, want := c.String(), "node 7"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := w.nodes[0].String(), "node 0"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
