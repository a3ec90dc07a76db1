package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"onsight/internal/gate"
	"onsight/ons"
)

// fort is a server on loopback as `onsight serve` is one, with a constant handler behind the same limits beside the others.
type fort struct {
	*Server
	gate *gate.Gate
	at   string
	keys []ons.Key
	body []byte // of the constant

	lookups atomic.Int64 // answered, with whatever status
}

func newFort(t testing.TB, names int, limits Limits, lines gate.Limits) *fort {
	t.Helper()
	x, keys := bigIndex(t, rand.New(rand.NewPCG(7, 0)), names)
	f := &fort{keys: keys}
	f.Server = New(Config{Snapshot: func() Snapshot { return x.Snapshot() }, Limits: limits, Served: func(r Served) {
		if r.Operation == "name" {
			f.lookups.Add(1)
		}
	}})
	f.body = bytes.Repeat([]byte("x"), len(replyTo(t, f.Server, keys[0])))
	f.engine.GET("/constant", f.handle(route{op: &huma.Operation{OperationID: "constant"}, serve: func(c *call) error {
		c.write(http.StatusOK, jsonType, f.body)
		return nil
	}}))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.gate, f.at = gate.Open(l, lines), l.Addr().String()
	server := f.gate.Server(f.Handler())
	done := make(chan error, 1)
	go func() { done <- server.Serve(f.gate) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return f
}

// unforwarded is a GET of this machine's own, which has no limits.
func unforwarded(path string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
}

func (f *fort) nameRequest(rng *rand.Rand) []byte {
	k := f.keys[rng.IntN(len(f.keys))]
	return unforwarded("/v1/names/" + k.Type.String() + "/" + k.Hash.String())
}

// TestSiege attacks a server in all ways at once. A good client is answered as ever, the attackers get no more than their
// share, and once they are gone nothing of them is left. How fast that is, BenchmarkSiege measures.
func TestSiege(t *testing.T) {
	lines := gate.Limits{Client: 16, Total: 256, Stall: 300 * time.Millisecond}
	f := newFort(t, 5000, Limits{Rate: 1, Burst: 5, Concurrent: 8, Total: 200}, lines)
	before, known := runtime.NumGoroutine(), f.crowd.size()
	a := startAttack(t, attackPlan{
		Server: f.at, Idle: 600, PerClient: 16, Slow: 40, Bombs: 4, Askers: 16, Deaf: 16, DeafFor: 10 * time.Second, RedialEvery: 5 * time.Millisecond,
	})
	a.order(t, "idle")
	a.order(t, "all")
	good := &goodClient{at: f.at}
	defer good.close()
	rng := rand.New(rand.NewPCG(1, 1))
	var most gate.Stats
	for i := 0; i < 300 || f.gate.Stats().Stalled == 0; i++ {
		if i == 100_000 {
			t.Fatal("no reader that does not read was given up")
		}
		body, err := good.ask(f.nameRequest(rng))
		if err != nil {
			t.Fatalf("request %d of a good client: %v", i, err)
		}
		if !bytes.Contains(body, []byte(`"encrypted_value":"`)) || body[len(body)-1] != '}' {
			t.Fatalf("request %d of a good client: got %s", i, body)
		}
		s := f.gate.Stats()
		most.Open, most.Clients = max(most.Open, s.Open), max(most.Clients, s.Clients)
	}
	good.close()
	// 16 addresses of readers, two of askers; those that never end a header are nobody yet. Nobody's forged address is one.
	if got := f.crowd.size() - known; got > 18 {
		t.Errorf("%d clients are remembered, want 18 at most", got)
	}
	if s := f.gate.Stats(); most.Open > lines.Total || s.Displaced < 600-uint64(lines.Total) || s.RefusedTotal > 0 {
		t.Errorf("%d connections at once, want %d at most, for which idle ones are closed: %+v", most.Open, lines.Total, s)
	}
	tally := a.stop(t)
	t.Logf("good client: %d requests sent twice; attackers: %+v; gate: %+v", good.again, tally, f.gate.Stats())
	for status := range tally.Replies {
		if !slices.Contains([]int{0, 200, 404, 429, 503}, status) {
			t.Errorf("an asker was answered %d", status)
		}
	}
	if tally.Replies[404] > 2*(5+600) || tally.Replies[429] == 0 {
		t.Errorf("askers got %v, want few 404 and many 429", tally.Replies)
	}
	for _, kind := range []string{"idle", "slow", "bomb", "asker", "deaf"} {
		if tally.Dialled[kind] == 0 {
			t.Errorf("no attacker was %s", kind)
		}
	}
	gone, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for f.gate.Stats().Open > 0 || f.crowd.total.Load() > 0 || runtime.NumGoroutine() > before+5 {
		select {
		case <-tick.C:
		case <-gone.Done():
			t.Fatalf("of an attack that is over there is left: %+v, %d requests, %d goroutines (before: %d)", f.gate.Stats(), f.crowd.total.Load(), runtime.NumGoroutine(), before)
		}
	}
}

// BenchmarkSiege measures a good client, 400 requests a second over 4 connections that it renews every 10 requests, in peace
// and under attack by another process: 10,000 idle connections, headers that come slowly and such that are a megabyte, random
// hashes as fast as they are answered, readers that never read, all with forged X-Forwarded-For. Every other request is to a
// constant handler behind the same limits. Medians of rounds:
//
//	constant-p99-us, names-p99-us, p99-ratio   under attack, from when a request was due; the ratio's goal is at most 2
//	peace-…                                    the same without an attack
//	idle-kB                                    of memory for each idle connection
//	hashes, attack-req/s                       that the attackers asked for, and were answered
//	again                                      requests of the good client that it had to send on a new connection
func BenchmarkSiege(b *testing.B) {
	sz, idle := benchSize(), 10_000
	length := 2 * time.Second
	if sz.names < 100_000 {
		idle, length = 300, 100*time.Millisecond
	}
	f := newFort(b, sz.names, Limits{Rate: 20, Burst: 100, Concurrent: 16, Total: 1024}, gate.Limits{Client: 64, Total: 4096})
	a := startAttack(b, attackPlan{
		Server: f.at, Idle: idle, PerClient: 64, Slow: 200, Bombs: 4, Askers: 32, Deaf: 64, DeafFor: 12 * time.Second, RedialEvery: time.Millisecond,
	})
	for b.Loop() {
		f.rounds(b, sz.rounds, length, "peace-")
		was := memory()
		a.order(b, "idle")
		s := f.gate.Stats()
		b.ReportMetric(float64(memory()-was)/1e3/float64(s.Open), "idle-kB")
		a.order(b, "all")
		began := time.Now()
		again := f.rounds(b, sz.rounds, length, "")
		for sz.names >= 100_000 && f.lookups.Load() < 1_000_000 && time.Since(began) < 5*time.Minute {
			again += f.rounds(b, sz.rounds, length, "")
		}
		took := time.Since(began)
		tally := a.stop(b)
		n := 0
		for status, replies := range tally.Replies {
			if status != 0 {
				n += replies
			}
		}
		b.ReportMetric(float64(n), "hashes")
		b.ReportMetric(float64(n)/took.Seconds(), "attack-req/s")
		b.ReportMetric(float64(again), "again")
		b.Logf("attackers: %+v; gate: %+v", tally, f.gate.Stats())
	}
	b.ReportMetric(0, "ns/op") // an op is a whole siege
}

func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// rounds measures and reports, and returns how many requests were sent a second time.
func (f *fort) rounds(b *testing.B, rounds int, length time.Duration, prefix string) (again int) {
	b.Helper()
	var constants, names, ratios []float64
	for range rounds {
		took, n := f.round(b, length)
		again += n
		var p99 [2]float64
		for kind := range took {
			if len(took[kind]) == 0 {
				b.Fatalf("nothing was answered in %v; gate: %+v", length, f.gate.Stats())
			}
			slices.Sort(took[kind])
			p99[kind] = float64(took[kind][len(took[kind])*99/100].Microseconds())
		}
		constants, names, ratios = append(constants, p99[0]), append(names, p99[1]), append(ratios, p99[1]/p99[0])
	}
	b.ReportMetric(median(constants), prefix+"constant-p99-us")
	b.ReportMetric(median(names), prefix+"names-p99-us")
	b.ReportMetric(median(ratios), prefix+"p99-ratio")
	return again
}

// round returns how long requests to the constant and for names took.
func (f *fort) round(b *testing.B, length time.Duration) (took [2][]time.Duration, again int) {
	b.Helper()
	const clients, every = 4, 10 * time.Millisecond
	constant := unforwarded("/constant")
	var mu sync.Mutex // guards took, again and failed
	var failed error
	var wg sync.WaitGroup
	start := time.Now()
	for i := range clients {
		wg.Go(func() {
			g := &goodClient{at: f.at}
			defer g.close()
			rng := rand.New(rand.NewPCG(uint64(i), 1))
			due := start.Add(every * time.Duration(i) / clients)
			for n := i; time.Since(start) < length; n++ {
				time.Sleep(time.Until(due))
				request := constant
				if n%2 == 1 {
					request = f.nameRequest(rng)
				}
				_, err := g.ask(request)
				mu.Lock()
				took[n%2] = append(took[n%2], time.Since(due))
				if err != nil {
					failed = fmt.Errorf("after %v: %w", time.Since(due), err)
				}
				mu.Unlock()
				due = due.Add(every)
			}
			mu.Lock()
			again += g.again
			mu.Unlock()
		})
	}
	wg.Wait()
	if failed != nil {
		b.Fatalf("%v; gate: %+v", failed, f.gate.Stats())
	}
	return took, again
}
