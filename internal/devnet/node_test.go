package devnet

import (
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"onsight/internal/onion"
	"onsight/internal/snode"
)

func TestNodeRoutes(t *testing.T) {
	t.Parallel()
	w := newTown(t, 2)
	c := newClient(t)
	n := w.nodes[0]
	const large = 10<<20 + 1
	for _, test := range []struct {
		name, method, path string
		body               []byte
		headers            []string
		status             int
		kind, want         string // want is a regular expression
	}{
		{"rpc", "POST", rpcPath, []byte(infoCall), nil, 200, "application/json", `^\{"hf":\[19,6\],"t":1795304299000,"timestamp":1795304299000,"version":\[2,11,0\]\}$`},
		{"no body", "POST", rpcPath, nil, nil, 400, "text/plain", `^invalid json$`},
		{"long polling", "POST", rpcPath, []byte(infoCall), []string{"x-loki-long-poll", "1"}, 410, "text/plain", `^long polling is no longer supported, client upgrade required$`},
		{"empty long polling", "POST", rpcPath, []byte(infoCall), []string{"x-loki-long-poll", ""}, 200, "application/json", `^\{`},
		{"large rpc", "POST", rpcPath, make([]byte, large), nil, 413, "text/plain", `^Request body too large$`},
		{"large onion", "POST", onionPath, make([]byte, large), nil, 413, "text/plain", `^Request body too large$`},
		{"largest", "POST", onionPath, make([]byte, large-1), nil, 400, "text/plain", `^Error parsing onion request: `},
		{"ping", "POST", "/ping_test/v1", nil, nil, 200, "text/plain", `^$`},
		{"stats", "GET", "/get_stats/v1", nil, nil, 200, "application/json", `^\{"version":"2\.11\.0"\}$`},
		{"get rpc", "GET", rpcPath, nil, nil, 404, "text/plain", `^get /storage_rpc/v1 Not Found$`},
		{"get onion", "GET", onionPath, nil, nil, 404, "text/plain", `^get /onion_req/v2 Not Found$`},
		{"post stats", "POST", "/get_stats/v1", nil, nil, 404, "text/plain", `^post /get_stats/v1 Not Found$`},
		{"unknown", "PUT", "/a%20b?c=d", nil, nil, 404, "text/plain", `^put /a%20b Not Found$`},
		{"old version", "POST", "/storage_rpc/v2", nil, nil, 404, "text/plain", `^post /storage_rpc/v2 Not Found$`},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := mustAsk(t, c, test.method, n.URL()+test.path, test.body, test.headers...)
			if a.status != test.status || !regexp.MustCompile(test.want).Match(a.body) {
				t.Errorf("got %v, want %d %s", a, test.status, test.want)
			}
			for key, want := range map[string]string{
				"Content-Type": test.kind, "Server": "Oxen Storage Server/2.11.0", "Date": "Sat, 21 Nov 2026 23:38:19 GMT",
				"Content-Length": fmt.Sprint(len(a.body)),
			} {
				if got := a.header.Get(key); got != want {
					t.Errorf("%s %q, want %q", key, got, want)
				}
			}
		})
	}
	key := n.Key()
	want := base64.StdEncoding.EncodeToString(key[:])
	if got := mustAsk(t, c, "POST", n.URL()+"/ping_test/v1", nil).header.Get("X-Oxen-Snode-Pubkey"); got != want {
		t.Errorf("X-Oxen-Snode-Pubkey %q, want %q", got, want)
	}
}

// TestNodeRefusesByHand is for what Go's client does not send.
func TestNodeRefusesByHand(t *testing.T) {
	t.Parallel()
	w := newTown(t, 1)
	for _, test := range []struct{ name, request, status string }{
		{"endless body", "POST /onion_req/v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" +
			strings.Repeat("10000\r\n"+strings.Repeat("x", 1<<16)+"\r\n", 161), "413"},
		{"announced body", "POST /onion_req/v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 10485761\r\n\r\n", "413"},
		{"large header", "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 80<<10) + "\r\n\r\n", "431"},
		{"bad length", "POST /storage_rpc/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: y\r\n\r\n", "400"},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn, err := tls.Dial("tcp4", strings.TrimPrefix(w.nodes[0].URL(), "https://"), &tls.Config{InsecureSkipVerify: true})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			go func() { _, _ = io.WriteString(conn, test.request) }() // the node may stop reading
			status := make([]byte, 12)
			if _, err := io.ReadFull(conn, status); err != nil || string(status[9:]) != test.status {
				t.Fatalf("got %q, %v, want %s", status, err, test.status)
			}
			if _, err := io.Copy(io.Discard, conn); err != nil { // it hangs up
				t.Logf("then: %v", err)
			}
		})
	}
}

func TestNodeCertificate(t *testing.T) {
	t.Parallel()
	w := newTown(t, 2)
	var seen [2][]byte
	for i, n := range w.nodes {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			conn, err := tls.Dial("tcp4", netip.AddrPortFrom(n.IP(), n.HTTPSPort()).String(),
				&tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version, NextProtos: []string{"h2", "http/1.1"}})
			if err != nil {
				t.Fatal(err)
			}
			state := conn.ConnectionState()
			_ = conn.Close()
			leaf := state.PeerCertificates[0]
			if got, want := leaf.Subject.String(), "CN=localhost,O=Oxen,C=AU"; got != want || leaf.Issuer.String() != want {
				t.Errorf("certificate of %s by %s, want %s", got, leaf.Issuer, want)
			}
			if state.NegotiatedProtocol == "h2" {
				t.Error("the node speaks HTTP/2, which the real one does not")
			}
			seen[i] = leaf.Raw
		}
		conn, err := tls.Dial("tcp4", netip.AddrPortFrom(n.IP(), n.HTTPSPort()).String(),
			&tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
		if err == nil {
			_ = conn.Close()
			t.Error("the node speaks TLS 1.1")
		}
	}
	if bytes.Equal(seen[0], seen[1]) {
		t.Error("two nodes have one certificate")
	}
}

func TestNodeReadiness(t *testing.T) {
	t.Parallel()
	w := newTown(t, 3)
	c := newClient(t)
	w.settle(0, snode.NoSwarm) // and the third is no member at all
	for _, i := range []int{1, 2} {
		wantText(t, w.call(t, c, i, infoCall), 503, "Service node is not ready: not in any swarm\n")
	}
	if a := w.call(t, c, 0, infoCall); a.status != 200 {
		t.Errorf("a member of a swarm answers %v", a)
	}
	w.change(func() { w.forked = [2]int{19, 2} })
	wantText(t, w.call(t, c, 0, infoCall), 503, "Service node is not ready: not yet on hardfork 19.3\n")
}

func TestNodeRateLimit(t *testing.T) {
	t.Parallel()
	w := newTown(t, 1)
	c := newClient(t)
	for i := range bucketSize {
		if a := w.call(t, c, 0, infoCall); a.status != 200 {
			t.Fatalf("request %d: %v", i, a)
		}
	}
	wantText(t, w.call(t, c, 0, infoCall), 429, "Too Many Requests")
	body, key, err := onion.Wrap(nil, onion.AESGCM, nil, hop(t, w.nodes[0]), []byte(infoCall))
	if err != nil {
		t.Fatal(err)
	}
	a := mustAsk(t, c, "POST", w.nodes[0].URL()+onionPath, body)
	if status, _, err := onion.OpenReply(key, a.body); status != 200 || err != nil {
		t.Errorf("an onion request is limited too: %v, %v", a, err)
	}
	w.change(func() { w.at = w.at.Add(10 * time.Millisecond) }) // three more
	for range 3 {
		if a := w.call(t, c, 0, infoCall); a.status != 200 {
			t.Errorf("refilled, yet %v", a)
		}
	}
	wantText(t, w.call(t, c, 0, infoCall), 429, "Too Many Requests")
}

func TestNodeBuckets(t *testing.T) {
	t.Parallel()
	var b buckets
	now := time.UnixMilli(0)
	client := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) }
	for i := range maxBuckets {
		if !b.take(client(i), now) {
			t.Fatalf("client %d is refused", i)
		}
	}
	if b.take(client(maxBuckets), now) {
		t.Error("more clients than bounded")
	}
	now = now.Add(time.Second)
	if !b.take(client(maxBuckets), now) || len(b.clients) != 1 {
		t.Errorf("full buckets are kept: %d", len(b.clients))
	}
	if !b.take(client(maxBuckets), now.Add(-time.Hour)) {
		t.Error("a clock set back empties the bucket")
	}
}

func TestNodeBusy(t *testing.T) {
	t.Parallel()
	w := newTown(t, 1)
	w.nodes[0].busy.Store(maxBusy)
	wantText(t, w.call(t, newClient(t), 0, infoCall), 503, "Server busy, try again later")
	w.nodes[0].busy.Store(0)
	if a := w.call(t, newClient(t), 0, infoCall); a.status != 200 {
		t.Errorf("then %v", a)
	}
}

func TestNodeOMQPort(t *testing.T) {
	t.Parallel()
	w := newTown(t, 1)
	conn, err := net.Dial("tcp4", netip.AddrPortFrom(w.nodes[0].IP(), w.nodes[0].OMQPort()).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got := make([]byte, 10)
	if _, err := io.ReadFull(conn, got); err != nil || got[0] != 0xff || got[9] != 0x7f {
		t.Errorf("greeted with %x, %v", got, err)
	}
	if err := w.nodes[0].Down(); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(got); n != 0 || err == nil {
		t.Errorf("read %d bytes, %v from a node that is down", n, err)
	}
}

func TestNodeConfig(t *testing.T) {
	t.Parallel()
	w := newTown(t, 1)
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	for name, c := range map[string]nodeConfig{
		"ipv6":         {Key: key, Addr: netip.IPv6Loopback(), World: w},
		"no key":       {Addr: loopback, World: w},
		"https taken":  {Key: key, Addr: w.nodes[0].IP(), HTTPSPort: w.nodes[0].HTTPSPort(), World: w},
		"omq is taken": {Key: key, Addr: w.nodes[0].IP(), OMQPort: w.nodes[0].OMQPort(), World: w},
	} {
		if n, err := newNode(c); err == nil {
			t.Errorf("%s: no error", name)
			_ = n.close()
		}
	}
}

// TestNodeLogs: whatever is asked, the log tells nothing of who asked for what.
func TestNodeLogs(t *testing.T) {
	t.Parallel()
	var log guarded
	w := newTown(t, 3, func(c *nodeConfig) {
		c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	c := newClient(t)
	const id, secret = "05dec9285102eae7e69edf8c5e38183848b9f901361abd3666e2785c690ed9895f", "c2VjcmV0IGNvbnRlbnQ="
	store := fmt.Sprintf(`{"method":"store","params":{"pubkey":%q,"timestamp":%d,"ttl":86400000,"data":%q}}`, id, w.now().UnixMilli(), secret)
	if a := w.call(t, c, 0, store); a.status != 200 {
		t.Fatal(a)
	}
	body, _, err := onion.Wrap(nil, onion.AESGCM, w.hops(t, 0, 1), hop(t, w.nodes[2]), []byte(store))
	if err != nil {
		t.Fatal(err)
	}
	mustAsk(t, c, "POST", w.nodes[0].URL()+onionPath, body)
	mustAsk(t, c, "GET", w.nodes[0].URL()+"/"+id, nil)
	if _, err := tls.Dial("tcp4", strings.TrimPrefix(w.nodes[0].URL(), "https://"), &tls.Config{}); err == nil {
		t.Error("the certificate is trusted")
	}
	for _, n := range w.nodes {
		if err := errors.Join(n.Down(), n.Up()); err != nil {
			t.Fatal(err)
		}
	}
	got := log.String()
	if !strings.Contains(got, "request answered") {
		t.Errorf("nothing is logged: %s", got)
	}
	for _, never := range []string{id, id[2:], secret, "secret", "127.0.0"} {
		if strings.Contains(got, never) {
			t.Errorf("the log contains %q: %s", never, got)
		}
	}
}

// guarded is a buffer that many write to.
type guarded struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *guarded) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *guarded) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestNodeLeavesNothing compares the goroutines before and after, so it runs alone.
func TestNodeLeavesNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("use", func(t *testing.T) {
		w := newTown(t, 6)
		w.change(func() { w.patient = 50 * time.Millisecond })
		c := newClient(t)
		var wait sync.WaitGroup
		for i := range 60 {
			path, dest := w.hops(t, i%6, (i+1)%6), hop(t, w.nodes[(i+2)%6])
			wait.Go(func() {
				body, _, err := onion.Wrap(nil, onion.XChaCha20, path, dest, []byte(infoCall))
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = ask(t, c, "POST", w.nodes[i%6].URL()+onionPath, body) // nodes come and go meanwhile
			})
		}
		for _, n := range w.nodes {
			if err := errors.Join(n.Down(), n.Up(), n.DropOnions(), n.Heal(), n.Delay(time.Hour)); err != nil {
				t.Error(err)
			}
		}
		for _, n := range w.nodes {
			conn, err := net.Dial("tcp4", netip.AddrPortFrom(n.IP(), n.OMQPort()).String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
		}
		for _, n := range w.nodes { // with requests that would wait an hour
			if err := n.close(); err != nil {
				t.Error(err)
			}
		}
		wait.Wait()
		if err := w.nodes[0].SetFaults(NodeFaults{}); !errors.Is(err, ErrNodeClosed) {
			t.Errorf("faults of a closed node: %v", err)
		}
	})
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines before, %d after\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
		}
		runtime.Gosched()
	}
}
