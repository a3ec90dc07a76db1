package oxend

import (
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
	onsFork   uint64 // height of hard fork 16; there is no 15. 0: the network has neither
	broken    string // a method that fails
	hangs     bool   // until the test ends
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
	d := &daemon{height: 100, network: "fakechain", names: "{}", onsFork: 10}
	d.server = serve(t, func(w httpWriter, r rpcRequest) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.hangs {
			d.mu.Unlock()
			<-t.Context().Done()
			d.mu.Lock()
			return
		}
		var p struct {
			Height, Heights []uint64
			Version         uint8
		}
		json.Unmarshal(r.Params, &p)
		ok := func(m map[string]any) {
			m["status"] = "OK"
			answer(w, m)
		}
		switch {
		case d.down, r.Method == d.broken:
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
		case r.Method == "hard_fork_info" && p.Version >= 16 && d.onsFork > 0:
			ok(map[string]any{"version": p.Version, "earliest_height": d.onsFork})
		case r.Method == "hard_fork_info":
			ok(map[string]any{"version": p.Version})
		case r.Method == methodNames:
			ok(map[string]any{})
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

var errWork = errors.New("headers do not fit together")

func TestPoolPick(t *testing.T) {
	t.Parallel()
	type step struct {
		say  string
		wait time.Duration
		do   func(a, b, c *daemon)
		tip  uint64 // of our chain (fork 0); 0: none
		fail string // which of them is given to Failed first
		want string // "a", "b", "c", or what the error says
		best uint64 // of Choice; 0: not checked
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
			{say: "3 behind for long is fine", do: func(a, b, c *daemon) { grow(3, b, c) }, want: "a", best: 102},
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
		{"first choice with one down", []step{
			{do: func(a, b, c *daemon) {
				a.set(func(d *daemon) { d.down = true })
				b.set(func(d *daemon) { d.fork, d.forkAt = 1, 1 })
				c.set(func(d *daemon) { d.fork, d.forkAt = 1, 1 })
			}, tip: 99, want: "taken only when every daemon answers"},
			{say: "nor when one is too short", do: func(a, b, c *daemon) {
				a.set(func(d *daemon) { d.down, d.broken = false, "get_block_hash" })
			}, tip: 99, want: "it does not have our blocks: its block 88 is"},
			{do: func(a, b, c *daemon) {
				a.set(func(d *daemon) { d.broken, d.height = "", 50 })
			}, tip: 99, say: "all have answered now", want: "a"},
		}},
		{"first choice far behind", []step{
			{do: func(a, b, c *daemon) { grow(4, b); grow(1, c) }, want: "b", best: 103},
		}},
		{"first choice a bit behind", []step{
			{do: func(a, b, c *daemon) { grow(3, b) }, want: "a", best: 102},
		}},
		{"first choice far behind another chain", []step{
			{do: func(a, b, c *daemon) { b.set(func(d *daemon) { d.fork, d.forkAt, d.height = 1, 50, 200 }) }, tip: 90, want: "a"},
		}},
		{"first choice says it is synced", []step{
			{do: func(a, b, c *daemon) {
				a.set(func(d *daemon) { d.height = 20 })
				b.set(func(d *daemon) { d.target = 500 })
				c.set(func(d *daemon) { d.height, d.target = 200, 500 })
			}, want: "c", best: 499},
			{want: "c", say: "not left for one that knows less"},
		}},
		{"implausible target", []step{
			{do: func(a, b, c *daemon) { a.set(func(d *daemon) { d.target = 1 << 40 }) }, want: "a", best: 99},
			{do: func(a, b, c *daemon) { a.set(func(d *daemon) { d.target = 1<<40 - 1 }) }, want: "b", best: 1<<40 - 2},
		}},
		{"fails in use", []step{
			{want: "a"},
			{fail: "a", want: "b"},
			{fail: "b", want: "c"},
			{fail: "c", say: "all did: the first has rested longest", wait: time.Second, want: "a"},
			{say: "and nothing else qualifies", wait: 28 * time.Second, want: "a"},
			{say: "b and c have rested, and are free to take; a too", wait: time.Hour, want: "a"},
		}},
		{"fails in use while the others are no use", []step{
			{want: "a"},
			{do: func(a, b, c *daemon) {
				b.set(func(d *daemon) { d.down = true })
				c.set(func(d *daemon) { d.fork, d.forkAt = 1, 50 })
			}, tip: 99, want: "a"},
			{fail: "a", tip: 99, say: "never locked out", want: "a"},
			{do: func(a, b, c *daemon) { b.set(func(d *daemon) { d.down = false }) }, tip: 99, say: "b rests, but is asked", want: "b"},
			{do: func(a, b, c *daemon) { b.set(func(d *daemon) { d.down = true }) }, tip: 99, say: "a rests, but is used", want: "a"},
		}},
		{"fails before the first choice", []step{
			{fail: "a", want: "b"},
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
			for i, s := range tt.steps {
				ck.add(s.wait)
				if s.do != nil {
					s.do(ds[0], ds[1], ds[2])
				}
				if s.fail != "" {
					p.Failed(p.ups[strings.Index("abc", s.fail)].c, errWork)
				}
				var ours *Point
				if s.tip > 0 {
					ours = &Point{Height: s.tip - 11, Hash: own.hash(s.tip - 11)}
				}
				got, err := p.Pick(t.Context(), ours)
				if n := strings.Index("abc", s.want); n >= 0 {
					if err != nil || got.Client != p.ups[n].c || got.Info.Height != ds[n].height || string(got.Identity.Network) != ds[n].network {
						t.Fatalf("step %d (%s): got %v at %d, %v, want %s", i, s.say, got.Client, got.Info.Height, err, s.want)
					}
					if s.best != 0 && got.Best != s.best {
						t.Errorf("step %d (%s): best is %d, want %d", i, s.say, got.Best, s.best)
					}
					continue
				}
				c := got.Client
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
		_, err := p.Pick(t.Context(), nil)
		if !errors.Is(err, ons.ErrUnavailable) || !errors.Is(err, ErrWrongNetwork) {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := p.Lookup(t.Context(), ons.Session, ons.Hash{}); !errors.Is(err, ons.ErrUnavailable) || errors.Is(err, ons.ErrNotFound) || !errors.Is(err, ErrWrongNetwork) {
			t.Errorf("%s: lookup got %v", name, err)
		}
		ds[1].set(func(d *daemon) { d.down = true })
		p, _, _ = startPool(t, 1, conf)
		p.ups = append(p.ups, &upstream{c: dial(t, Config{URL: ds[1].URL, Attempts: 1})})
		if _, err = p.Pick(t.Context(), nil); errors.Is(err, ErrWrongNetwork) || !errors.Is(err, ons.ErrUnavailable) {
			t.Errorf("%s and down: got %v", name, err)
		}
		for _, u := range p.Upstreams() {
			if u.Err == nil || u.When.IsZero() || u.Active {
				t.Errorf("%s: status %+v", name, u)
			}
		}
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
					p.Pick(t.Context(), nil)
				} else {
					p.Lookup(t.Context(), ons.Session, ons.Hash{})
					p.Failed(p.ups[n%3].c, errWork)
				}
				p.Upstreams()
			}
		})
	}
	wg.Wait()
}
