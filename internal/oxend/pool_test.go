package oxend

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"onsight/ons"
)

// daemon is a small 10.x daemon whose chain is a function of height and fork.
type daemon struct {
	*server
	mu        sync.Mutex // guards what follows
	height    uint64
	target    uint64
	untrusted bool
	down      bool
	network   string
	fork      byte   // which chain …
	forkAt    uint64 // … from this height on
	names     string // result of ons_resolve
	hashes    map[uint64]string
}

func (d *daemon) set(f func(*daemon)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(d)
}

func (d *daemon) hash(height uint64) ons.Txid {
	if h, ok := d.hashes[height]; ok {
		b, _ := hex.DecodeString(h)
		return ons.Txid(b)
	}
	fork := byte(0)
	if height >= d.forkAt {
		fork = d.fork
	}
	return sha256.Sum256(fmt.Appendf(nil, "block %d of chain %d", height, fork))
}

func startDaemon(t testing.TB) *daemon {
	d := &daemon{height: 100, network: "fakechain", names: "{}"}
	d.server = serve(t, func(w httpWriter, r rpcRequest) {
		d.mu.Lock()
		defer d.mu.Unlock()
		var p struct{ Height, Heights []uint64 }
		json.Unmarshal(r.Params, &p)
		ok := func(m map[string]any) {
			m["status"] = "OK"
			answer(w, m)
		}
		switch {
		case d.down:
			w.WriteHeader(503)
		case r.Method == "get_version":
			ok(map[string]any{"version": 262144})
		case r.Method == "get_info":
			ok(map[string]any{"height": d.height, "target_height": d.target, "nettype": d.network, "untrusted": d.untrusted,
				"top_block_hash": d.hash(d.height - 1).String(), "ons_counts": []int{0, 0, 0}})
		case r.Method == "get_block_hash" && p.Height[0] >= d.height:
			refuse(w, -2, "too high")
		case r.Method == "get_block_hash":
			answer(w, d.hash(p.Height[0]).String())
		case r.Method == "get_block_header_by_height":
			var hs []map[string]any
			for _, h := range p.Heights {
				hs = append(hs, map[string]any{"height": h, "hash": d.hash(h).String(), "prev_hash": d.hash(h - 1).String()})
			}
			ok(map[string]any{"block_headers": hs})
		case r.Method == "ons_resolve":
			answer(w, json.RawMessage(d.names))
		default:
			refuse(w, -32601, "Method not found")
		}
	})
	return d
}

// clock is the time of a pool under test.
type clock struct {
	mu sync.Mutex // guards at
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func startPool(t testing.TB, n int, conf PoolConfig) (*Pool, []*daemon, *clock) {
	t.Helper()
	var ds []*daemon
	for range n {
		d := startDaemon(t)
		ds = append(ds, d)
		conf.Clients = append(conf.Clients, dial(t, Config{URL: d.URL, Attempts: 1}))
	}
	ck := &clock{at: time.Unix(1_700_000_000, 0)}
	conf.Now = ck.now
	p, err := NewPool(conf)
	if err != nil {
		t.Fatal(err)
	}
	return p, ds, ck
}

func TestPoolPick(t *testing.T) {
	t.Parallel()
	type step struct {
		say  string
		wait time.Duration
		do   func(a, b, c *daemon)
		tip  uint64 // of our chain (fork 0); 0: none
		want string // "a", "b", "c", or what the error says
	}
	grow := func(n uint64, ds ...*daemon) {
		for _, d := range ds {
			d.set(func(d *daemon) { d.height += n })
		}
	}
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"stays", []step{
			{say: "the first is preferred", want: "a"},
			{say: "3 behind for long is fine", do: func(a, b, c *daemon) { grow(3, b, c) }, want: "a"},
			{wait: time.Hour, want: "a"},
		}},
		{"fails and stays away", []step{
			{want: "a"},
			{say: "down", do: func(a, b, c *daemon) { a.set(func(d *daemon) { d.down = true }) }, want: "b"},
			{say: "back, but no reason to return", wait: time.Hour, do: func(a, b, c *daemon) { a.set(func(d *daemon) { d.down = false }) }, want: "b"},
			{say: "down while it still rests", do: func(a, b, c *daemon) {
				a.set(func(d *daemon) { d.down = true })
				b.set(func(d *daemon) { d.down = true })
			}, want: "c"},
		}},
		{"lags", []step{
			{want: "a"},
			{say: "4 behind", do: func(a, b, c *daemon) { grow(4, b) }, want: "a"},
			{wait: 59 * time.Second, want: "a"},
			{wait: time.Second, want: "b"},
			{say: "the other way only after as long", do: func(a, b, c *daemon) { grow(9, a) }, want: "b"},
			{wait: 30 * time.Second, do: func(a, b, c *daemon) { grow(5, b) }, say: "caught up", want: "b"},
			{wait: 40 * time.Second, do: func(a, b, c *daemon) { grow(5, a) }, say: "lags anew", want: "b"},
			{wait: 61 * time.Second, want: "a"},
		}},
		{"lags behind another chain", []step{
			{want: "a"},
			{do: func(a, b, c *daemon) {
				b.set(func(d *daemon) { d.fork, d.forkAt, d.height = 1, 50, 200 })
				c.set(func(d *daemon) { d.height = 80 })
			}, tip: 90, want: "a"},
			{wait: 2 * time.Minute, tip: 90, say: "its blocks are not ours", want: "a"},
			{do: func(a, b, c *daemon) { a.set(func(d *daemon) { d.down = true }) }, tip: 99, say: "c is below tip-11, b is another chain", want: "it does not have our blocks"},
			{do: func(a, b, c *daemon) { c.set(func(d *daemon) { d.height = 89 }) }, tip: 99, wait: time.Minute, say: "88 is its newest: just enough", want: "c"},
		}},
		{"back before it was asked again", []step{
			{do: func(a, b, c *daemon) { c.set(func(d *daemon) { d.down = true }) }, want: "a"},
			{do: func(a, b, c *daemon) { a.set(func(d *daemon) { d.down = true }) }, want: "b"},
			{wait: time.Second, do: func(a, b, c *daemon) {
				a.set(func(d *daemon) { d.down = false })
				b.set(func(d *daemon) { d.down = true })
			}, want: "a"},
		}},
		{"changes its network in use", []step{
			{want: "a"},
			{do: func(a, b, c *daemon) { a.set(func(d *daemon) { d.network = "localdev" }) }, want: "b"},
		}},
		{"fork one block too deep", []step{
			{want: "a"},
			{do: func(a, b, c *daemon) {
				a.set(func(d *daemon) { d.down = true })
				b.set(func(d *daemon) { d.fork, d.forkAt = 1, 88 })
			}, tip: 99, want: "c"},
		}},
		{"shallow fork is ours", []step{
			{want: "a"},
			{do: func(a, b, c *daemon) {
				a.set(func(d *daemon) { d.down = true })
				b.set(func(d *daemon) { d.fork, d.forkAt = 1, 89 })
			}, tip: 99, want: "b"},
		}},
		{"first choice on another chain", []step{
			{say: "c has our blocks", do: func(a, b, c *daemon) {
				a.set(func(d *daemon) { d.fork, d.forkAt = 1, 1 })
				b.set(func(d *daemon) { d.fork, d.forkAt = 2, 1 })
			}, tip: 99, want: "c"},
		}},
		{"first choice when none has our blocks", []step{
			{do: func(a, b, c *daemon) {
				for _, d := range []*daemon{a, b, c} {
					d.set(func(d *daemon) { d.fork, d.forkAt = 1, 1 })
				}
			}, tip: 99, want: "a"},
		}},
		{"untrusted", []step{
			{do: func(a, b, c *daemon) { a.set(func(d *daemon) { d.untrusted = true }) }, want: "b"},
			{do: func(a, b, c *daemon) { b.set(func(d *daemon) { d.untrusted = true }) }, want: "c"},
			{do: func(a, b, c *daemon) { c.set(func(d *daemon) { d.untrusted = true }) }, want: "untrusted"},
		}},
		{"unsynced", []step{
			{do: func(a, b, c *daemon) { a.set(func(d *daemon) { d.target = 500 }) }, want: "b"},
			{do: func(a, b, c *daemon) { b.set(func(d *daemon) { d.target = 500 }) }, want: "c"},
			{say: "nothing better", do: func(a, b, c *daemon) { c.set(func(d *daemon) { d.target = 500 }) }, want: "c"},
			{do: func(a, b, c *daemon) { c.set(func(d *daemon) { d.down = true }) }, want: "a"},
		}},
		{"all unsynced at first", []step{
			{do: func(a, b, c *daemon) {
				for _, d := range []*daemon{a, b, c} {
					d.set(func(d *daemon) { d.target = 500 })
				}
			}, want: "a"},
		}},
		{"another network", []step{
			{do: func(a, b, c *daemon) { b.set(func(d *daemon) { d.network = "stagenet" }) }, want: "a"},
			{do: func(a, b, c *daemon) { a.set(func(d *daemon) { d.down = true }) }, say: "b is of another network now that one was used", want: "c"},
			{do: func(a, b, c *daemon) { c.set(func(d *daemon) { d.fork = 7 }) }, say: "its first block changed unnoticed", want: "c"},
		}},
		{"all down", []step{
			{do: func(a, b, c *daemon) {
				for _, d := range []*daemon{a, b, c} {
					d.set(func(d *daemon) { d.down = true })
				}
			}, want: "HTTP 503"},
			{say: "one comes back", do: func(a, b, c *daemon) { c.set(func(d *daemon) { d.down = false }) }, want: "c"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, ds, ck := startPool(t, 3, PoolConfig{})
			own := &daemon{}
			ours := func(_ context.Context, height uint64) (ons.Txid, bool, error) { return own.hash(height), true, nil }
			for i, s := range tt.steps {
				ck.add(s.wait)
				if s.do != nil {
					s.do(ds[0], ds[1], ds[2])
				}
				c, info, err := p.Pick(t.Context(), s.tip, s.tip > 0, ours)
				if n := strings.Index("abc", s.want); n >= 0 {
					if err != nil || c != p.ups[n].c || info.Height != ds[n].height {
						t.Fatalf("step %d (%s): got %v at %d, %v, want %s", i, s.say, c, info.Height, err, s.want)
					}
					continue
				}
				if !errors.Is(err, ons.ErrUnavailable) || errors.Is(err, ErrWrongNetwork) || !strings.Contains(err.Error(), s.want) {
					t.Fatalf("step %d (%s): got %v, %v, want an error with %q", i, s.say, c, err, s.want)
				}
				for _, d := range ds {
					if !strings.Contains(err.Error(), d.URL) {
						t.Errorf("step %d: %q does not say why %s cannot be used", i, err, d.URL)
					}
				}
			}
		})
	}
}

func TestPoolWrongNetwork(t *testing.T) {
	t.Parallel()
	for name, conf := range map[string]PoolConfig{"network": {Want: ons.Testnet}, "genesis": {Genesis: ons.Txid{1}}} {
		p, ds, _ := startPool(t, 2, conf)
		_, _, err := p.Pick(t.Context(), 0, false, nil)
		if !errors.Is(err, ons.ErrUnavailable) || !errors.Is(err, ErrWrongNetwork) {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := p.Lookup(t.Context(), ons.Session, ons.Hash{}); !errors.Is(err, ons.ErrUnavailable) || errors.Is(err, ons.ErrNotFound) || !errors.Is(err, ErrWrongNetwork) {
			t.Errorf("%s: lookup got %v", name, err)
		}
		ds[1].set(func(d *daemon) { d.down = true })
		p, _, _ = startPool(t, 1, conf)
		p.ups = append(p.ups, &upstream{c: dial(t, Config{URL: ds[1].URL, Attempts: 1})})
		if _, _, err = p.Pick(t.Context(), 0, false, nil); errors.Is(err, ErrWrongNetwork) || !errors.Is(err, ons.ErrUnavailable) {
			t.Errorf("%s and down: got %v", name, err)
		}
		for _, u := range p.Upstreams() {
			if u.Err == nil || u.When.IsZero() || u.Active {
				t.Errorf("%s: status %+v", name, u)
			}
		}
	}
}

func TestPoolLookup(t *testing.T) {
	t.Parallel()
	value := `{"encrypted_value":"` + strings.Repeat("ab", 49) + `","nonce":"` + strings.Repeat("cd", 24) + `"}`
	p, ds, _ := startPool(t, 2, PoolConfig{})
	ask := func(want error) {
		t.Helper()
		s, err := p.Lookup(t.Context(), ons.Session, ons.Hash{1})
		if want == nil && (err != nil || len(s.Ciphertext) != 49) || want != nil && !errors.Is(err, want) {
			t.Errorf("got %+v, %v, want %v", s, err, want)
		}
		if errors.Is(err, ons.ErrNotFound) == errors.Is(err, ons.ErrUnavailable) && err != nil {
			t.Errorf("got %v: both or neither", err)
		}
	}
	ask(ons.ErrNotFound)
	ds[1].set(func(d *daemon) { d.names = value })
	ask(ons.ErrNotFound) // the first said so; it is believed
	ds[0].set(func(d *daemon) { d.down = true })
	ask(nil)
	ds[1].set(func(d *daemon) { d.down = true })
	ask(ons.ErrUnavailable)

	// Only a synced daemon knows that a name is not registered.
	p, ds, _ = startPool(t, 1, PoolConfig{})
	ds[0].set(func(d *daemon) { d.target = 500 })
	ask(ons.ErrUnavailable)
	ds[0].set(func(d *daemon) { d.names = value })
	ask(nil)

	// An untrusted one is not asked at all.
	p, ds, _ = startPool(t, 1, PoolConfig{})
	ds[0].set(func(d *daemon) { d.untrusted, d.names = true, value })
	ask(ons.ErrUnavailable)

	dead, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Lookup(dead, ons.Session, ons.Hash{}); !errors.Is(err, ons.ErrUnavailable) {
		t.Errorf("dead context: %v", err)
	}
	if _, _, err := p.Pick(dead, 0, false, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("dead context: %v", err)
	}
}

// TestPoolConcurrent is for the race detector.
func TestPoolConcurrent(t *testing.T) {
	t.Parallel()
	p, ds, ck := startPool(t, 3, PoolConfig{})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 10 {
				ds[n%3].set(func(d *daemon) { d.down = n%2 == 0; d.height += uint64(n) })
				ck.add(20 * time.Second)
				if i%2 == 0 {
					p.Pick(t.Context(), 0, false, nil)
				} else {
					p.Lookup(t.Context(), ons.Session, ons.Hash{})
				}
				p.Upstreams()
			}
		})
	}
	wg.Wait()
}

func TestIdentify(t *testing.T) {
	t.Parallel()
	mainnet := make(map[uint64]string)
	for _, c := range mainnetCheckpoints {
		mainnet[c.height] = c.hash
	}
	lie := make(map[uint64]string)
	for h, x := range mainnet {
		lie[h] = x
	}
	lie[1000] = strings.Repeat("ab", 32)
	for _, tt := range []struct {
		name    string
		network string
		height  uint64
		hashes  map[uint64]string
		ok      bool
		asked   string
	}{
		{"mainnet", "mainnet", 1_500_000, mainnet, true, "[1,10,100,1000,86535,97407,98552,144650,266284,301187]"},
		{"mainnet, young", "mainnet", 1000, lie, true, "[1,10,100]"},
		{"mainnet, new", "mainnet", 1, mainnet, true, ""},
		{"mainnet, a checkpoint is another", "mainnet", 2000, lie, false, "[1,10,100,1000]"},
		{"mainnet, first block is another", "mainnet", 2000, nil, false, ""},
		{"testnet", "testnet", 2000, map[uint64]string{0: testGenesis}, true, ""},
		{"devnet", "devnet", 2000, map[uint64]string{0: testGenesis}, true, ""},
		{"testnet, first block is another", "testnet", 2000, mainnet, false, ""},
		{"fakechain", "fakechain", 2000, nil, true, ""},
		{"stagenet", "stagenet", 2000, nil, true, ""},
		{"unknown", "moon", 2000, mainnet, false, ""},
	} {
		d := startDaemon(t)
		d.set(func(d *daemon) { d.network, d.height, d.hashes = tt.network, tt.height, tt.hashes })
		id, err := Identify(t.Context(), dial(t, Config{URL: d.URL}))
		if tt.ok && (err != nil || string(id.Network) != tt.network || id.Genesis != d.hash(0)) {
			t.Errorf("%s: got %v, %v", tt.name, id, err)
		}
		if !tt.ok && !errors.Is(err, ErrWrongNetwork) {
			t.Errorf("%s: got %v", tt.name, err)
		}
		last := string(d.bodies[len(d.bodies)-1])
		if asked := strings.Contains(last, "heights"); asked != (tt.asked != "") || !strings.Contains(last, tt.asked) {
			t.Errorf("%s: asked %s, want %s", tt.name, last, tt.asked)
		}
	}
	if FinalHeight(ons.Mainnet) != 301187 || FinalHeight(ons.Fakechain) != 0 {
		t.Error("final heights")
	}
}
