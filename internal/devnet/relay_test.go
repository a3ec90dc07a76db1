package devnet

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"onsight/internal/onion"
	"onsight/internal/snode"
)

// through wraps a call for a node by way of others and posts it to the guard.
func (w *town) through(t testing.TB, c *http.Client, e onion.Encryption, rpc string, numbers ...int) (answer, onion.Key) {
	t.Helper()
	path := w.hops(t, numbers...)
	last := len(path) - 1
	body, key, err := onion.Wrap(nil, e, path[:last], path[last], []byte(rpc))
	if err != nil {
		t.Fatal(err)
	}
	return mustAsk(t, c, http.MethodPost, w.nodes[numbers[0]].URL()+onionPath, body), key
}

func wantInner(t testing.TB, a answer, key onion.Key, status int, body string) {
	t.Helper()
	if a.status != 200 {
		t.Fatalf("got %v, want a sealed reply", a)
	}
	got, inner, err := onion.OpenReply(key, a.body)
	if err != nil || got != status || string(inner) != body {
		t.Errorf("got %d %s, %v, want %d %s", got, inner, err, status, body)
	}
}

const wantInfo = `{"hf":[19,6],"t":1795304299000,"timestamp":1795304299000,"version":[2,11,0]}`

func TestOnionToStorage(t *testing.T) {
	t.Parallel()
	w := newTown(t, 4)
	c := newClient(t)
	for _, e := range []onion.Encryption{onion.AESGCM, onion.XChaCha20} {
		for _, path := range [][]int{{0}, {0, 1}, {0, 1, 2}, {3, 2, 1, 0}, {1, 1, 1}} {
			t.Run(fmt.Sprint(e, path), func(t *testing.T) {
				a, key := w.through(t, c, e, infoCall, path...)
				wantInner(t, a, key, 200, wantInfo)
				if got := a.header.Get("Content-Type"); got != "text/plain" {
					t.Errorf("Content-Type %q", got)
				}
				a, key = w.through(t, c, e, `{"method":"nosuch","params":{}}`, path...)
				wantInner(t, a, key, 400, "no method nosuch")
			})
		}
	}
	// What one hop of three stores, all of the swarm have.
	const id = "05dec9285102eae7e69edf8c5e38183848b9f901361abd3666e2785c690ed9895f"
	a, key := w.through(t, c, onion.AESGCM, fmt.Sprintf(`{"method":"store","params":{"pubkey":%q,"timestamp":%d,"ttl":86400000,"data":"aGk=","namespace":-10}}`,
		id, w.now().UnixMilli()), 0, 1, 2)
	if status, _, err := onion.OpenReply(key, a.body); status != 200 || err != nil {
		t.Fatalf("store: %v, %d, %v", a, status, err)
	}
	for i := range w.nodes {
		a := w.call(t, c, i, fmt.Sprintf(`{"method":"retrieve","params":{"pubkey":%q,"namespace":-10}}`, id))
		if !strings.Contains(string(a.body), `"data":"aGk="`) {
			t.Errorf("node %d: %v", i, a)
		}
	}
}

// sealFor makes what a client would post that had chosen all of the guard's layer, and what opens the guard's own replies.
func sealFor(t testing.TB, guard onion.Hop, plain []byte) (body []byte, key onion.Key) {
	t.Helper()
	secret, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if key, err = onion.ClientKey(onion.AESGCM, secret, guard.X25519); err != nil {
		t.Fatal(err)
	}
	sealed, err := key.Seal(nil, plain)
	if err != nil {
		t.Fatal(err)
	}
	return onion.Frame(sealed, fmt.Appendf(nil, `{"ephemeral_key":"%x"}`, secret.PublicKey().Bytes())), key
}

func TestOnionReplyOptions(t *testing.T) {
	t.Parallel()
	w := newTown(t, 1)
	c := newClient(t)
	for _, test := range []struct {
		control, rpc  string
		raw, embedded bool
		want          string
	}{
		{`{"headers":{}}`, infoCall, false, false, wantInfo},
		{`{"headers":{},"json":false,"base64":true}`, infoCall, false, false, wantInfo},
		{`{"headers":{},"json":true}`, infoCall, false, true, wantInfo},
		{`{"headers":"","json":true,"base64":false}`, infoCall, true, true, wantInfo},
		{`{"headers":null,"base64":false}`, infoCall, true, false, wantInfo},
		{`{"headers":{},"json":true}`, `{}`, false, false, "invalid json: no `method` field"},
		{`{"headers":{},"json":true}`, "{\"method\":\"<&\u2028>\",\"params\":{}}", false, false, "no method <&\u2028>"},
	} {
		t.Run(test.control, func(t *testing.T) {
			body, key := sealFor(t, hop(t, w.nodes[0]), onion.Frame([]byte(test.rpc), []byte(test.control)))
			a := mustAsk(t, c, "POST", w.nodes[0].URL()+onionPath, body)
			sealed, err := base64.StdEncoding.DecodeString(string(a.body))
			if (err != nil) != test.raw {
				t.Errorf("raw %v, want %v", err != nil, test.raw)
			}
			if test.raw {
				sealed = a.body
			}
			plain, err := key.Open(sealed)
			if err != nil {
				t.Fatal(err)
			}
			var reply struct{ Body json.RawMessage }
			if err := json.Unmarshal(plain, &reply); err != nil {
				t.Fatal(err)
			}
			got := string(reply.Body)
			if !test.embedded {
				var s string
				if err := json.Unmarshal(reply.Body, &s); err != nil {
					t.Fatalf("%s: %v", got, err)
				}
				got = s
			}
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
	// Binary replies are base64 in the JSON.
	body, key := sealFor(t, hop(t, w.nodes[0]), onion.Frame([]byte(`{"method":"active_nodes_bin","params":{}}`), []byte(`{"headers":{},"json":true}`)))
	status, inner, err := onion.OpenReply(key, mustAsk(t, c, "POST", w.nodes[0].URL()+onionPath, body).body)
	if err != nil || status != 200 {
		t.Fatalf("active_nodes_bin: %d %s, %v", status, inner, err)
	}
	if b, err := base64.StdEncoding.DecodeString(string(inner)); err != nil || len(b) == 0 {
		t.Errorf("active_nodes_bin: %q, %v", inner, err)
	}
}

// TestOnionErrors has every row of spec D.7 but those about time, which are in TestNodeFaults.
func TestOnionErrors(t *testing.T) {
	t.Parallel()
	w := newTown(t, 5)
	c := newClient(t)
	w.settle(0, 0, 0, snode.NoSwarm) // node 3 is funded but in no swarm, node 4 unknown
	guard, three, four := hop(t, w.nodes[0]), w.nodes[3].Ed25519(), w.nodes[4].Ed25519()
	unready, unknown := hex.EncodeToString(three[:]), hex.EncodeToString(four[:])
	good, _ := sealFor(t, guard, onion.Frame([]byte(infoCall), []byte(`{"headers":""}`)))
	part, err := onion.ParsePart(good)
	if err != nil {
		t.Fatal(err)
	}
	hopNo := func(n int) []byte {
		return onion.Frame(part.Ciphertext, fmt.Appendf(nil, `{"ephemeral_key":"%x","enc_type":"aes-gcm","hop_no":%d}`, part.Ephemeral, n))
	}
	for _, test := range []struct {
		name   string
		body   []byte
		status int
		want   string
	}{
		{"empty", nil, 400, "Error parsing onion request: Unexpected payload size; expected ciphertext size"},
		{"short", []byte{1, 2}, 400, "Error parsing onion request: Unexpected payload size; expected ciphertext size"},
		{"hop 16", hopNo(16), 400, "onion request max path length exceeded"},
		{"garbage", onion.Frame([]byte("garbage ciphertext"), fmt.Appendf(nil, `{"ephemeral_key":"%x"}`, part.Ephemeral)), 400, "Invalid ciphertext"},
		{"for another", onion.Frame(part.Ciphertext, fmt.Appendf(nil, `{"ephemeral_key":"%x"}`, guard.X25519.Bytes())), 400, "Invalid ciphertext"},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantText(t, mustAsk(t, c, "POST", w.nodes[0].URL()+onionPath, test.body), test.status, test.want)
		})
	}
	for name, control := range map[string]string{
		"no json": "nope", "no key": `{"enc_type":"aes-gcm"}`, "bad key": `{"ephemeral_key":"00"}`, "bad type": fmt.Sprintf(`{"ephemeral_key":"%x","enc_type":"rot13"}`, part.Ephemeral),
	} {
		t.Run(name, func(t *testing.T) {
			a := mustAsk(t, c, "POST", w.nodes[0].URL()+onionPath, onion.Frame(part.Ciphertext, []byte(control)))
			if a.status != 400 || !strings.HasPrefix(string(a.body), "Error parsing onion request: ") {
				t.Errorf("got %v", a)
			}
		})
	}
	t.Run("hop 15", func(t *testing.T) {
		if a := mustAsk(t, c, "POST", w.nodes[0].URL()+onionPath, hopNo(15)); a.status != 200 {
			t.Errorf("got %v", a)
		}
	})
	t.Run("hops are counted", func(t *testing.T) {
		if a, _ := w.through(t, c, onion.AESGCM, infoCall, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0); a.status != 200 {
			t.Errorf("16 nodes: %v", a)
		}
		a, _ := w.through(t, c, onion.AESGCM, infoCall, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1)
		wantText(t, a, 400, "onion request max path length exceeded")
	})
	t.Run("invalid control", func(t *testing.T) {
		body, key := sealFor(t, guard, onion.Frame(nil, []byte(`{"destination":"xyz"}`)))
		wantInner(t, mustAsk(t, c, "POST", w.nodes[0].URL()+onionPath, body), key, 400, "Invalid json")
	})
	t.Run("garbage further in", func(t *testing.T) {
		bad := w.hops(t, 2)[0]
		bad.X25519 = guard.X25519
		body, _, err := onion.Wrap(nil, onion.AESGCM, w.hops(t, 0, 1), bad, []byte(infoCall))
		if err != nil {
			t.Fatal(err)
		}
		wantText(t, mustAsk(t, c, "POST", w.nodes[0].URL()+onionPath, body), 400, "Invalid ciphertext")
	})
	t.Run("unknown next", func(t *testing.T) {
		for _, path := range [][]int{{0, 4}, {0, 1, 4}, {0, 1, 4, 2}} {
			a, _ := w.through(t, c, onion.XChaCha20, infoCall, path...)
			wantText(t, a, 502, "Next node not found: "+unknown)
		}
	})
	t.Run("unready", func(t *testing.T) {
		for _, path := range [][]int{{3, 0}, {0, 3, 1}, {0, 1, 3, 1}} {
			a, _ := w.through(t, c, onion.AESGCM, infoCall, path...)
			wantText(t, a, 503, "Snode not ready: "+unready)
		}
		for _, path := range [][]int{{3}, {0, 3}, {0, 1, 3}} {
			a, key := w.through(t, c, onion.XChaCha20, infoCall, path...)
			wantInner(t, a, key, 503, "Snode not ready")
		}
	})
}

// BenchmarkOnion is a swarm of clients that keep their connections and ask through three hops over HTTPS.
func BenchmarkOnion(b *testing.B) {
	w := newTown(b, 12)
	c := newClient(b)
	b.SetParallelism(8)
	b.ReportAllocs()
	// Wrapped beforehand, so that the node is measured and not the client; a node does not mind hearing the same twice.
	var bodies [12][]byte
	for i := range bodies {
		body, _, err := onion.Wrap(nil, onion.AESGCM, w.hops(b, i, (i+1)%12, (i+2)%12), hop(b, w.nodes[(i+3)%12]), []byte(infoCall))
		if err != nil {
			b.Fatal(err)
		}
		bodies[i] = body
	}
	begun := time.Now()
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for i := 0; p.Next(); i = (i + 1) % 12 {
			if a, err := ask(b, c, http.MethodPost, w.nodes[i].URL()+onionPath, bodies[i]); err != nil || a.status != 200 {
				b.Errorf("%v, %v", a, err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/time.Since(begun).Seconds(), "req/s")
}

// BenchmarkNodeStart starts and stops the sixty nodes of a large network.
func BenchmarkNodeStart(b *testing.B) {
	b.ReportAllocs()
	var before, after runtime.MemStats
	for b.Loop() {
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&before)
		b.StartTimer()
		w := newTown(b, 60)
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc+after.StackInuse-before.HeapAlloc-before.StackInuse)/(1<<20), "MiB/60nodes")
		b.ReportMetric(float64(after.Sys)/(1<<20), "MiB/process")
		for _, n := range w.nodes {
			if err := n.close(); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
	}
}
