package oxend

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"onsight/ons"
)

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

	// Nor is a daemon believed whose chain does not reach ONS, or never does.
	for _, d := range []func(*daemon){
		func(d *daemon) { d.height = 10 }, func(d *daemon) { d.onsFork = 0 }, func(d *daemon) { d.onsFork = 1 << 40 },
	} {
		p, ds, _ = startPool(t, 1, PoolConfig{})
		ds[0].set(d)
		ask(ons.ErrUnavailable)
	}
	p, ds, _ = startPool(t, 2, PoolConfig{})
	ds[0].set(func(d *daemon) { d.height = 10 })
	ask(ons.ErrNotFound)
	ask(ons.ErrNotFound)
	if n := strings.Count(strings.Join(ds[1].sent(t), " "), "hard_fork_info"); n != 2 { // 15 and 16, once
		t.Errorf("asked %d times for forks, want 2", n)
	}

	dead, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Lookup(dead, ons.Session, ons.Hash{}); !errors.Is(err, ons.ErrUnavailable) {
		t.Errorf("dead context: %v", err)
	}
	if _, err := p.Pick(dead, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("dead context: %v", err)
	}
}

// TestPoolFallsOver checks that a daemon that answers but does not work is asked last for a while.
func TestPoolFallsOver(t *testing.T) {
	t.Parallel()
	key := ons.Key{Type: ons.Session, Hash: ons.Hash{1}}
	for method, ask := range map[string]func(*Pool) error{
		"ons_resolve": func(p *Pool) error { _, err := p.Lookup(t.Context(), key.Type, key.Hash); return err },
		methodNames: func(p *Pool) error {
			m, err := p.Names(t.Context(), []ons.Key{key}, true)
			if err == nil && len(m) == 0 {
				return ons.ErrNotFound
			}
			return err
		},
	} {
		p, ds, ck := startPool(t, 2, PoolConfig{})
		if _, err := p.Pick(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		asked := func(d *daemon) int { return strings.Count(strings.Join(d.sent(t), " "), method) }
		ds[0].set(func(d *daemon) { d.broken = method })
		for range 3 {
			if err := ask(p); !errors.Is(err, ons.ErrNotFound) {
				t.Errorf("%s: got %v", method, err)
			}
		}
		if a, b := asked(ds[0]), asked(ds[1]); a != 1 || b != 3 {
			t.Errorf("%s: asked %d and %d times, want 1 and 3", method, a, b)
		}
		if u := p.Upstreams()[0]; u.Err == nil || !strings.Contains(u.Err.Error(), "503") {
			t.Errorf("%s: status is %+v", method, u)
		}
		if c, err := p.Pick(t.Context(), nil); err != nil || c.Client != p.ups[1].c {
			t.Errorf("%s: picked %v, %v", method, c.Client, err)
		}
		ds[1].set(func(d *daemon) { d.down = true })
		if err := ask(p); !errors.Is(err, ons.ErrUnavailable) || strings.Count(err.Error(), "503") != 2 {
			t.Errorf("%s: got %v", method, err)
		}
		ds[0].set(func(d *daemon) { d.broken = "" })
		if err := ask(p); !errors.Is(err, ons.ErrNotFound) { // it rests, but nothing else is left
			t.Errorf("%s: got %v", method, err)
		}
		ck.add(failRest)
		if u := p.Upstreams()[0]; u.Err != nil {
			t.Errorf("%s: status is %+v", method, u)
		}
	}

	// What a daemon itself answers does not make it rest, nor does a caller that gives up.
	p, ds, _ := startPool(t, 2, PoolConfig{})
	ds[0].set(func(d *daemon) { d.names = "7" })
	if _, err := p.Lookup(t.Context(), key.Type, key.Hash); !errors.Is(err, ons.ErrNotFound) {
		t.Error(err)
	}
	if p.Upstreams()[0].Err == nil {
		t.Error("garbage is an answer")
	}
	p, ds, _ = startPool(t, 2, PoolConfig{})
	ds[0].set(func(d *daemon) { d.hangs = true })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := p.Lookup(ctx, key.Type, key.Hash)
	if !errors.Is(err, ons.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "deadline exceeded") {
		t.Errorf("got %v", err)
	}
	if u := p.Upstreams()[0]; u.Err != nil || !u.When.IsZero() {
		t.Errorf("a caller gave up: %+v", u)
	}
}

// TestPoolHanging checks that a daemon that hangs costs little time while another answers.
func TestPoolHanging(t *testing.T) {
	t.Parallel()
	p, ds, _ := startPool(t, 3, PoolConfig{})
	p.first = 20 * time.Millisecond
	ds[0].set(func(d *daemon) { d.hangs = true })
	c, err := p.Pick(t.Context(), nil)
	if err != nil || c.Client != p.ups[1].c {
		t.Errorf("got %v, %v", c.Client, err)
	}
	if u := p.Upstreams()[0]; u.Err == nil || !strings.Contains(u.Err.Error(), "no whole reply within 20ms") {
		t.Errorf("got %+v", u)
	}
	// One that is slower than that is waited for while none answered.
	for _, d := range ds {
		d.set(func(d *daemon) { d.hangs = true })
	}
	p2, err := NewPool(PoolConfig{Clients: []*Client{
		dial(t, Config{URL: ds[0].URL, Timeout: 50 * time.Millisecond}), dial(t, Config{URL: ds[1].URL, Timeout: 60 * time.Millisecond}),
	}})
	if err != nil {
		t.Fatal(err)
	}
	p2.first = time.Millisecond
	if _, err := p2.Pick(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "within 50ms") || !strings.Contains(err.Error(), "within 60ms") {
		t.Errorf("got %v", err)
	}
	if n := len(ds[0].sent(t)); n != 2 { // each client once: what timed out is not repeated
		t.Errorf("asked %d times, want 2", n)
	}
}

func TestPoolSole(t *testing.T) {
	t.Parallel()
	p, ds, _ := startPool(t, 1, PoolConfig{})
	ds[0].set(func(d *daemon) { d.fork = 1 })
	for range 3 {
		c, err := p.Pick(t.Context(), &Point{Height: 80, Hash: ons.Txid{1}})
		if err != nil || c.Client != p.ups[0].c || p.Len() != 1 {
			t.Fatalf("got %v, %v", c.Client, err)
		}
		p.Failed(c.Client, errWork)
		if u := p.Upstreams()[0]; u.Err != errWork || !u.Active {
			t.Errorf("got %+v", u)
		}
	}
}
