package storage

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"onsight/internal/snode"
)

// A member that passes a request on may have taken ten seconds over it.
func TestForwardedTolerance(t *testing.T) {
	t.Parallel()
	w, swarms := newWorld(t, 1)
	s := swarms[0][0]
	u := newUser(t, s, snode.Group, 0)
	for _, test := range []struct {
		age    int64
		status int
	}{{70_000, 200}, {70_001, 406}, {-70_000, 200}, {-70_001, 406}} {
		at := w.clock - test.age
		r := s.Forwarded(t.Context(), "delete_all", marshal(u.with(snode.DeleteAllText(new(int16), at), object{"timestamp": at})))
		if r.Status != test.status {
			t.Errorf("%d ms: got %d %s, want %d", test.age, r.Status, r.Body, test.status)
		}
	}
	w.change(func(_ int, m *Member) { m.Swarm = 1 << 63 })
	stranger := newUser(t, w.add(Member{Legacy: [32]byte{1}, Swarm: 0}, [3]uint16{}), snode.Group, 0)
	if r := s.Forwarded(t.Context(), "store", marshal(stranger.store(0, "x", w.clock, day24))); r.Status != 421 {
		t.Errorf("got %d %s, want 421", r.Status, r.Body)
	}
}

func TestFailedEntries(t *testing.T) {
	t.Parallel()
	w, swarms := newWorld(t, 6)
	s := swarms[0][0]
	u := newUser(t, s, snode.Session, 0)
	wire := []struct {
		reply Reply
		err   error
		want  object
	}{
		{Reply{}, context.DeadlineExceeded, object{"failed": true, "timeout": true}},
		{Reply{}, errors.New("no route"), object{"failed": true, "timeout": true}},
		{Reply{Status: 421, Body: []byte("{}")}, nil, object{"failed": true, "code": "421", "reason": "{}"}},
		{Reply{Status: 200, Body: []byte("[1]")}, nil, object{"failed": true, "bad_peer_response": true}},
		{Reply{Status: 200, Body: []byte("{}"), Type: Text}, nil, object{"failed": true, "bad_peer_response": true}},
	}
	for i, f := range wire {
		w.wire[swarms[0][i+1].key] = func(Reply) (Reply, error) { return f.reply, f.err }
	}
	reply := want(t, s, "store", u.store(0, "x", w.clock, day24))
	for i, f := range wire {
		if diff := cmp.Diff(f.want, entryOf(reply, swarms[0][i+1])); diff != "" {
			t.Error(diff)
		}
	}
	// With the server's own storage full there is nobody left that did it.
	s.box.maxMessages = 1
	status, reply := ask(t, s, "store", u.store(0, "y", w.clock, day24))
	if diff := cmp.Diff(object{"failed": true, "query_failure": true, "reason": errFull.Error()}, entryOf(reply, s)); status != 500 || diff != "" {
		t.Errorf("got %d: %s", status, diff)
	}
	// A peer's success is one.
	delete(w.wire, swarms[0][2].key)
	if status, _ = ask(t, s, "store", u.store(0, "y", w.clock, day24)); status != 200 {
		t.Errorf("got %d, want 200", status)
	}
	// And what a client may not do is not passed on at all.
	w.asked = 0
	refused(t, s, "store", object{"pubkey": u.id.String(), "namespace": 2, "timestamp": w.clock, "ttl": day, "data": ""}, 401,
		"store: signature required to store to namespace 2")
	if w.asked != 0 {
		t.Errorf("peers were asked %d times", w.asked)
	}
	swarms[0][3].box.maxBytes = 1
	if r := swarms[0][3].Forwarded(t.Context(), "store", marshal(u.store(0, "z", w.clock, day24))); r.Status != 500 || string(r.Body) != errFull.Error() {
		t.Errorf("got %d %s", r.Status, r.Body)
	}
}
