package storage

import (
	"crypto/ed25519"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"onsight/internal/snode"
)

// A node that joins a swarm takes over what its members hold; one that leaves forgets it.
func TestSwarmChanges(t *testing.T) {
	t.Parallel()
	w, swarms := newWorld(t, 2, 1)
	old, moved := swarms[0][0], swarms[1][0]
	near, far := newUser(t, old, snode.Group, 0), newUser(t, moved, snode.Group, 0)
	for _, text := range []string{"1", "2", "3"} {
		want(t, old, "store", near.store(0, text, w.clock, time.Hour))
	}
	want(t, old, "store", near.store(2, "own", w.clock, time.Minute))
	want(t, moved, "store", far.store(0, "far", w.clock, time.Hour))
	want(t, moved, "revoke_subaccount", far.with(snode.RevokeText(w.clock, []snode.Token{{}}), object{
		"revoke": snode.Token{}.String(), "timestamp": w.clock,
	}))

	if n := moved.Absorb(old.Messages()); n != 0 {
		t.Errorf("absorbed %d of another swarm's", n)
	}
	w.change(func(i int, m *Member) {
		if i == 2 {
			m.Swarm = 0
		}
	})
	if n := moved.Absorb(old.Messages()); n != 4 {
		t.Errorf("absorbed %d, want 4", n)
	}
	if n := moved.Absorb(old.Messages()); n != 0 {
		t.Errorf("absorbed %d again", n)
	}
	if got := texts(t, want(t, moved, "retrieve", near.retrieve(0, w.clock, nil))); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("got %q, want them in the order they came", got)
	}
	if diff := cmp.Diff(old.Messages(), moved.Messages()[1:]); diff != "" { // behind its own, which is the only swarm's now
		t.Error(diff)
	}
	// A third swarm takes "far" away again.
	w.add(Member{Legacy: [32]byte{9}, Swarm: snode.Position(far.id)}, [3]uint16{})
	if n := moved.Shed(); n != 1 || len(moved.box.accounts) != 1 {
		t.Errorf("shed %d, %d accounts left", n, len(moved.box.accounts))
	}
	w.advance(time.Minute)
	if n := len(old.Messages()); n != 3 {
		t.Errorf("%d messages, want none that expired", n)
	}
	var expired []Message
	for _, m := range moved.Messages() {
		m.Expiry = w.clock
		expired = append(expired, m)
	}
	if n := swarms[0][1].Absorb(expired); n != 0 {
		t.Errorf("absorbed %d that had expired", n)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	w, _ := newWorld(t)
	w.members = []Member{{}}
	s := New(Config{Key: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), Network: uplink{w}, Now: w.now, MaxMessages: 3, MaxBytes: 10_000})
	u, v := newUser(t, s, snode.Group, 0), newUser(t, s, snode.Group, 1)
	for _, text := range []string{"1", "2", "3"} {
		want(t, s, "store", u.store(0, text, w.clock, time.Minute))
	}
	if status, _ := ask(t, s, "store", u.store(0, "4", w.clock, time.Minute)); status != 500 {
		t.Errorf("got %d, want 500: the account is full", status)
	}
	want(t, s, "store", u.store(0, "3", w.clock, time.Hour)) // what is there already needs no room
	if status, _ := ask(t, s, "store", v.store(0, string(make([]byte, 9000)), w.clock, time.Minute)); status != 500 {
		t.Errorf("got %d, want 500: the server is full", status)
	}
	want(t, s, "store", v.store(0, string(make([]byte, 5000)), w.clock, time.Minute))
	tokens := func(nth int) object {
		return newUser(t, s, snode.Group, nth).with(snode.RevokeText(w.clock, []snode.Token{{}}), object{"revoke": snode.Token{}.String(), "timestamp": w.clock})
	}
	want(t, s, "revoke_subaccount", tokens(2))
	s.box.maxBytes = s.box.bytes
	if status, _ := ask(t, s, "revoke_subaccount", tokens(3)); status != 500 {
		t.Errorf("got %d, want 500: no room for an account", status)
	}
	// What has expired makes room by itself.
	w.advance(time.Minute)
	want(t, s, "store", v.store(0, string(make([]byte, 5000)), w.clock, time.Minute))
	want(t, s, "store", u.store(0, "4", w.clock, time.Minute))
	if n := len(s.Messages()); n != 3 {
		t.Errorf("%d messages, want 3", n)
	}
}
