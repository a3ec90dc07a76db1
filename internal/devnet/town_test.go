package devnet

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"onsight/internal/devnet/storage"
	"onsight/internal/onion"
)

// town is a world of real nodes and nothing else: no chain, and a daemon only if a test gives it one.
type town struct {
	nodes []*Node

	mu      sync.Mutex // guards what follows
	list    []storage.Member
	by      map[[32]byte]int // index in list
	at      time.Time
	patient time.Duration     // onionTimeout
	forked  [2]int            // fork
	tip     uint64            // height
	names   map[string]string // of servers
	daemon  func(ctx context.Context, endpoint string, params json.RawMessage) (json.RawMessage, error)
}

// change changes the world's facts.
func (w *town) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// fact reads one of the world's facts.
func fact[T any](w *town, f *T) T {
	w.mu.Lock()
	defer w.mu.Unlock()
	return *f
}

func (w *town) members() []storage.Member   { return fact(w, &w.list) }
func (w *town) fork() [2]int                { return fact(w, &w.forked) }
func (w *town) height() uint64              { return fact(w, &w.tip) }
func (w *town) now() time.Time              { return fact(w, &w.at) }
func (w *town) onionTimeout() time.Duration { return fact(w, &w.patient) }

func (w *town) member(key [32]byte) (storage.Member, *Node, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i, ok := w.by[key]
	if !ok {
		return storage.Member{}, nil, false
	}
	m := w.list[i]
	for _, n := range w.nodes {
		if n.ed25519 == key {
			return m, n, true
		}
	}
	return m, nil, true
}

func (w *town) oxend(ctx context.Context, _ uint64, endpoint string, params json.RawMessage) (json.RawMessage, error) {
	daemon := fact(w, &w.daemon)
	if daemon == nil {
		return nil, errors.New("no daemon")
	}
	return daemon(ctx, endpoint, params)
}

func (w *town) host(name string) (string, bool) {
	address, ok := fact(w, &w.names)[name]
	return address, ok
}

// settle makes each node of swarms a member of that swarm.
func (w *town) settle(swarms ...uint64) {
	list, by := []storage.Member{}, map[[32]byte]int{}
	for i, swarm := range swarms {
		n := w.nodes[i]
		by[n.ed25519] = len(list)
		list = append(list, storage.Member{
			Legacy: n.legacy, Ed25519: n.ed25519, X25519: n.x25519, IP: n.IP(), HTTPS: n.HTTPSPort(), OMQ: n.OMQPort(), Swarm: swarm,
			Version: n.Version(),
		})
	}
	w.change(func() { w.list, w.by = list, by })
}

// newTown starts nodes that are all of swarm 0.
func newTown(t testing.TB, count int, change ...func(*nodeConfig)) *town {
	t.Helper()
	w := &town{patient: 30 * time.Second, forked: [2]int{19, 6}, at: time.UnixMilli(1_795_304_299_000)}
	swarms := make([]uint64, count)
	for i := range count {
		var seed [32]byte
		binary.BigEndian.PutUint64(seed[:], uint64(i+1))
		key := ed25519.NewKeyFromSeed(seed[:])
		c := nodeConfig{
			Index: i, Seed: uint64(i), Key: key, Legacy: [32]byte(key.Public().(ed25519.PublicKey)),
			Addr: netip.AddrFrom4([4]byte{127, 0, byte(i >> 8), byte(i&0xff) + 1}), Version: [3]uint16{2, 11, 0}, World: w,
		}
		for _, f := range change {
			f(&c)
		}
		n, err := newNode(c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := n.close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		w.nodes = append(w.nodes, n)
	}
	w.settle(swarms...)
	return w
}

func hop(t testing.TB, n *Node) onion.Hop {
	t.Helper()
	x := n.X25519()
	key, err := ecdh.X25519().NewPublicKey(x[:])
	if err != nil {
		t.Fatal(err)
	}
	return onion.Hop{Ed25519: n.Ed25519(), X25519: key}
}

// hops are the nodes with these numbers.
func (w *town) hops(t testing.TB, numbers ...int) []onion.Hop {
	t.Helper()
	path := make([]onion.Hop, len(numbers))
	for i, n := range numbers {
		path[i] = hop(t, w.nodes[n])
	}
	return path
}

// newClient is an HTTPS client that, as real ones do, takes any certificate.
func newClient(t testing.TB) *http.Client {
	t.Helper()
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: 64, DisableCompression: true,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// answer is what came back over HTTPS.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) String() string { return fmt.Sprintf("%d %.200s", a.status, a.body) }

// ask sends a request. An error is the connection's.
func ask(t testing.TB, c *http.Client, method, url string, body []byte, headers ...string) (answer, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := c.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, b}, err
}

// mustAsk is ask where the connection must hold.
func mustAsk(t testing.TB, c *http.Client, method, url string, body []byte, headers ...string) answer {
	t.Helper()
	a, err := ask(t, c, method, url, body, headers...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return a
}

const (
	rpcPath   = "/storage_rpc/v1"
	onionPath = "/onion_req/v2"
	infoCall  = `{"method":"info","params":{}}`
)

func (w *town) call(t testing.TB, c *http.Client, node int, request string) answer {
	t.Helper()
	return mustAsk(t, c, http.MethodPost, w.nodes[node].URL()+rpcPath, []byte(request))
}

// wantText fails the test unless a is what a node says in plain text.
func wantText(t testing.TB, a answer, status int, text string) {
	t.Helper()
	if a.status != status || string(a.body) != text {
		t.Errorf("got %v, want %d %s", a, status, text)
	}
	if got := a.header.Get("Content-Type"); got != "text/plain" {
		t.Errorf("Content-Type %q, want text/plain", got)
	}
}
