package devnet

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"onsight/internal/devnet/storage"
	"onsight/internal/onion"
)

func silent() *log.Logger { return log.New(io.Discard, "", 0) }

func set(t testing.TB, n *Node, f NodeFaults) {
	t.Helper()
	if err := n.SetFaults(f); err != nil {
		t.Fatal(err)
	}
	if got := n.Faults(); got != f {
		t.Fatalf("faults %+v, want %+v", got, f)
	}
}

func TestNodeDown(t *testing.T) {
	t.Parallel()
	w := newTown(t, 3)
	c := newClient(t)
	n := w.nodes[1]
	url, omq := n.URL(), n.OMQPort()
	idle, err := tls.Dial("tcp4", strings.TrimPrefix(url, "https://"), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	for range 3 {
		if err := errors.Join(n.Down(), n.Down()); err != nil {
			t.Fatal(err)
		}
		if _, err := ask(t, c, "POST", url+rpcPath, []byte(infoCall)); err == nil {
			t.Error("a node that is down answers")
		}
		if conn, err := net.Dial("tcp4", fmt.Sprintf("%v:%d", n.IP(), omq)); err == nil {
			_ = conn.Close()
			t.Error("its OMQ port is open")
		}
		next := n.Ed25519()
		a, _ := w.through(t, c, onion.AESGCM, infoCall, 0, 1, 2)
		wantText(t, a, 502, "Next node is currently unreachable: "+hex.EncodeToString(next[:]))
		if err := errors.Join(n.Up(), n.Up()); err != nil {
			t.Fatal(err)
		}
		if n.URL() != url || n.OMQPort() != omq {
			t.Errorf("up at %s, %d, was at %s, %d", n.URL(), n.OMQPort(), url, omq)
		}
		if a := w.call(t, c, 1, infoCall); a.status != 200 {
			t.Errorf("up again: %v", a)
		}
		a, key := w.through(t, c, onion.AESGCM, infoCall, 0, 1, 2)
		wantInner(t, a, key, 200, wantInfo)
	}
	if _, err := idle.Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlived its node")
	}
}

// TestNodeUpTaken: somebody else may have taken the port meanwhile.
func TestNodeUpTaken(t *testing.T) {
	t.Parallel()
	w := newTown(t, 1)
	n := w.nodes[0]
	if err := n.Down(); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", strings.TrimPrefix(n.URL(), "https://"))
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Up(); err == nil || !n.Faults().Down {
		t.Errorf("up on a port that is taken: %v, %+v", err, n.Faults())
	}
	if err := errors.Join(l.Close(), n.Up()); err != nil {
		t.Error(err)
	}
}

// TestNodeSilence: a next hop that says nothing is given up after the time the world has for it.
func TestNodeSilence(t *testing.T) {
	t.Parallel()
	w := newTown(t, 4, func(c *nodeConfig) {
		if c.Index == 3 {
			c.Version = [3]uint16{2, 8, 0}
		}
	})
	c := newClient(t)
	w.change(func() { w.patient = 50 * time.Millisecond })
	for name, f := range map[string]NodeFaults{"drops": {DropOnions: true}, "loses": {Loss: 1}, "is slow": {Delay: time.Hour}} {
		t.Run(name, func(t *testing.T) {
			set(t, w.nodes[1], f)
			for _, path := range [][]int{{0, 1}, {0, 1, 2}, {0, 2, 1}, {2, 0, 2, 1}} {
				a, _ := w.through(t, c, onion.XChaCha20, infoCall, path...)
				wantText(t, a, 504, "Request time out")
			}
		})
	}
	t.Run("drops a client's", func(t *testing.T) {
		set(t, w.nodes[1], NodeFaults{DropOnions: true})
		body, _, err := onion.Wrap(nil, onion.AESGCM, nil, hop(t, w.nodes[1]), []byte(infoCall))
		if err != nil {
			t.Fatal(err)
		}
		if a, err := ask(t, c, "POST", w.nodes[1].URL()+onionPath, body); err == nil {
			t.Errorf("answered with %v", a)
		}
		if a := w.call(t, c, 1, infoCall); a.status != 200 {
			t.Errorf("but other requests should be: %v", a)
		}
	})
	t.Run("is down, 2.8.0", func(t *testing.T) {
		set(t, w.nodes[1], NodeFaults{Down: true})
		a, _ := w.through(t, c, onion.AESGCM, infoCall, 3, 1)
		wantText(t, a, 504, "Request time out")
	})
	t.Run("goes down meanwhile", func(t *testing.T) {
		set(t, w.nodes[1], NodeFaults{})
		working, down := make(chan struct{}), make(chan struct{})
		w.change(func() {
			w.daemon = func(context.Context, string, json.RawMessage) (json.RawMessage, error) {
				close(working)
				<-down
				return json.RawMessage(`{}`), nil
			}
		})
		go func() {
			<-working
			if err := w.nodes[1].Down(); err != nil {
				t.Error(err)
			}
			close(down)
		}()
		a, _ := w.through(t, c, onion.AESGCM, `{"method":"oxend_request","params":{"endpoint":"ons_resolve"}}`, 0, 1)
		wantText(t, a, 504, "Request time out")
	})
}

func TestNodeDelay(t *testing.T) {
	t.Parallel()
	w := newTown(t, 2)
	c := newClient(t)
	const delay = 30 * time.Millisecond
	set(t, w.nodes[0], NodeFaults{Delay: delay})
	set(t, w.nodes[1], NodeFaults{Delay: delay})
	begun := time.Now()
	if a := w.call(t, c, 0, infoCall); a.status != 200 || time.Since(begun) < delay {
		t.Errorf("%v after %v", a, time.Since(begun))
	}
	begun = time.Now()
	a, key := w.through(t, c, onion.AESGCM, infoCall, 0, 1)
	wantInner(t, a, key, 200, wantInfo)
	if took := time.Since(begun); took < 2*delay {
		t.Errorf("two hops took %v, want both delays", took)
	}
	// An hour's delay ends when the node goes down.
	set(t, w.nodes[0], NodeFaults{Delay: time.Hour})
	working, answered := make(chan struct{}), make(chan error)
	w.change(func() {
		w.daemon = func(context.Context, string, json.RawMessage) (json.RawMessage, error) {
			close(working)
			return json.RawMessage(`{}`), nil
		}
	})
	go func() {
		_, err := ask(t, c, "POST", w.nodes[0].URL()+rpcPath, []byte(`{"method":"oxend_request","params":{"endpoint":"ons_resolve"}}`))
		answered <- err
	}()
	<-working
	if err := w.nodes[0].Down(); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err == nil {
		t.Error("answered after an hour")
	}
}

// TestNodeLoss: which requests are lost depends on the seed and nothing else.
func TestNodeLoss(t *testing.T) {
	t.Parallel()
	const requests, share = 100, 0.3
	fates := func(seed uint64) string {
		w := newTown(t, 1, func(c *nodeConfig) { c.Seed = seed })
		set(t, w.nodes[0], NodeFaults{Loss: share})
		c := newClient(t)
		var s strings.Builder
		for range requests {
			a, err := ask(t, c, "GET", w.nodes[0].URL()+"/get_stats/v1", nil, "Connection", "close")
			switch {
			case err != nil:
				s.WriteByte('x')
			case a.status == 200:
				s.WriteByte('.')
			}
		}
		return s.String()
	}
	one, again, other := fates(1), fates(1), fates(2)
	if one != again {
		t.Errorf("one seed, two fates:\n%s\n%s", one, again)
	}
	if one == other {
		t.Errorf("two seeds, one fate: %s", one)
	}
	if lost := strings.Count(one, "x"); lost < 15 || lost > 45 || len(one) != requests {
		t.Errorf("%d of %d lost, want about %v", lost, len(one), requests*share)
	}
}

func TestNodeFate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		low := 0
		const throws = 4000
		for nth := range uint64(throws) {
			f := fate(seed, nth)
			if f < 0 || f >= 1 || f != fate(seed, nth) {
				t.Fatalf("fate(%d, %d) = %v", seed, nth, f)
			}
			if f < 0.25 {
				low++
			}
		}
		if low < throws/5 || low > throws*3/10 {
			t.Fatalf("%d of %d are in the lowest quarter", low, throws)
		}
	})
}

func TestNodeClock(t *testing.T) {
	t.Parallel()
	w := newTown(t, 1)
	set(t, w.nodes[0], NodeFaults{Clock: -time.Hour})
	a := w.call(t, newClient(t), 0, infoCall)
	if want := strings.ReplaceAll(wantInfo, "1795304299000", "1795300699000"); string(a.body) != want {
		t.Errorf("got %v, want %s", a, want)
	}
	if got, want := a.header.Get("Date"), "Sat, 21 Nov 2026 22:38:19 GMT"; got != want {
		t.Errorf("Date %q, want %q", got, want)
	}
}

// TestNodeStatus: whatever it is asked, such a node has one answer, and those before it in a path pass it on.
func TestNodeStatus(t *testing.T) {
	t.Parallel()
	w := newTown(t, 3)
	c := newClient(t)
	own, last := w.nodes[1].Ed25519(), w.nodes[2].Ed25519()
	for _, test := range []struct {
		status     int
		rpc, onion string
	}{
		{429, "Too Many Requests", "Too Many Requests"},
		{500, "request failed", "Invalid response from snode"},
		{502, fmt.Sprintf("Next node not found: %x", own), fmt.Sprintf("Next node not found: %x", last)},
		{503, "Service node is not ready: not done syncing\n", fmt.Sprintf("Snode not ready: %x", own)},
		{504, "Request time out", "Request time out"},
	} {
		t.Run(fmt.Sprint(test.status), func(t *testing.T) {
			set(t, w.nodes[1], NodeFaults{Status: test.status})
			wantText(t, w.call(t, c, 1, infoCall), test.status, test.rpc)
			for _, path := range [][2]string{{"POST", "/ping_test/v1"}, {"GET", "/get_stats/v1"}} {
				wantText(t, mustAsk(t, c, path[0], w.nodes[1].URL()+path[1], nil), test.status, test.rpc)
			}
			for _, path := range [][]int{{1, 2}, {0, 1, 2}} {
				a, _ := w.through(t, c, onion.AESGCM, infoCall, path...)
				wantText(t, a, test.status, test.onion)
			}
			// Its swarm notices.
			a := w.call(t, c, 0, fmt.Sprintf(`{"method":"store","params":{"pubkey":"05%064d","timestamp":%d,"ttl":86400000,"data":""}}`, test.status, w.now().UnixMilli()))
			var stored struct {
				Swarm map[string]struct {
					Failed bool
					Code   string
				}
			}
			if err := json.Unmarshal(a.body, &stored); err != nil {
				t.Fatalf("store: %v, %v", a, err)
			}
			if got := stored.Swarm[hex.EncodeToString(own[:])]; !got.Failed || got.Code != fmt.Sprint(test.status) {
				t.Errorf("store: %v", a)
			}
		})
	}
}

// TestNodeForward: what a swarm's members make of one of them that is in trouble (spec C.3).
func TestNodeForward(t *testing.T) {
	t.Parallel()
	w := newTown(t, 3)
	c := newClient(t)
	w.change(func() { w.patient = 300 * time.Millisecond }) // and so 50 ms for a member
	own := w.nodes[1].Ed25519()
	for name, test := range map[string]struct {
		faults  NodeFaults
		failed  bool
		timeout bool
	}{
		"healthy": {NodeFaults{}, false, false},
		"drops":   {NodeFaults{DropOnions: true}, false, false}, // this is no onion
		"down":    {NodeFaults{Down: true}, true, true},         // a real server cannot tell
		"loses":   {NodeFaults{Loss: 1}, true, true},
		"slow":    {NodeFaults{Delay: time.Hour}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			set(t, w.nodes[1], test.faults)
			a := w.call(t, c, 0, fmt.Sprintf(`{"method":"store","params":{"pubkey":"05%064x","timestamp":%d,"ttl":86400000,"data":""}}`, name, w.now().UnixMilli()))
			var stored struct {
				Swarm map[string]struct{ Failed, Timeout bool }
			}
			if err := json.Unmarshal(a.body, &stored); err != nil || a.status != 200 {
				t.Fatalf("%v, %v", a, err)
			}
			got := stored.Swarm[hex.EncodeToString(own[:])]
			if len(stored.Swarm) != 3 || got.Failed != test.failed || got.Timeout != test.timeout {
				t.Errorf("got %v", a)
			}
		})
	}
}

// TestNodeLies: what the lies are, package storage tests; here they come and go.
func TestNodeLies(t *testing.T) {
	t.Parallel()
	w := newTown(t, 4)
	w.settle(0, 0, 1<<63, 1<<63)
	c := newClient(t)
	ask := func() string {
		return string(w.call(t, c, 0, fmt.Sprintf(`{"method":"get_swarm","params":{"pubkey":"05%064d"}}`, 0)).body)
	}
	truth := ask()
	if err := w.nodes[0].Lie(); err != nil {
		t.Fatal(err)
	}
	if lie := ask(); lie == truth || !strings.Contains(lie, "snodes") {
		t.Errorf("the lie %s, the truth %s", lie, truth)
	}
	if err := w.nodes[0].Heal(); err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != truth {
		t.Errorf("healed, yet %s, not %s", got, truth)
	}
}

func TestNodeFaultsChecked(t *testing.T) {
	t.Parallel()
	w := newTown(t, 1)
	n := w.nodes[0]
	good := NodeFaults{Delay: 1, Loss: 0.5, Clock: -time.Hour, Lies: storage.Lies{ONS: true}}
	set(t, n, good)
	for _, bad := range []NodeFaults{{Delay: -1}, {Loss: -0.1}, {Loss: 1.1}, {Loss: math.NaN()}, {Status: 200}, {Status: 418, Down: true}} {
		if err := n.SetFaults(bad); err == nil || n.Faults() != good {
			t.Errorf("%+v: %v, now %+v", bad, err, n.Faults())
		}
	}
	if err := errors.Join(n.Heal(), n.Delay(time.Second), n.Lossy(0.25), n.Clock(time.Minute), n.DropOnions(), n.Lie(), n.Down()); err != nil {
		t.Fatal(err)
	}
	want := NodeFaults{
		Down: true, Delay: time.Second, Loss: 0.25, Clock: time.Minute, DropOnions: true, Lies: storage.Lies{ONS: true, Swarm: true, Signature: true, Nodes: true},
	}
	if got := n.Faults(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if err := n.Heal(); err != nil || n.Faults() != (NodeFaults{}) {
		t.Errorf("healed to %+v, %v", n.Faults(), err)
	}
}
