package storage

import (
	"slices"
	"testing"
	"time"

	"onsight/internal/snode"
)

// What one member was told, all of them keep; own and others' entries differ as recorded.
func TestStoreReachesTheSwarm(t *testing.T) {
	t.Parallel()
	w, swarms := newWorld(t, 5, 3)
	s, now := swarms[0][1], w.clock
	u := newUser(t, s, snode.Session, 0)
	first := want(t, s, "store", u.store(0, "hello", now, day24))
	again := want(t, s, "store", u.store(0, "hello", now, 2*day24))
	earlier := want(t, s, "store", u.store(0, "hello", now, time.Hour))
	if n := len(first["swarm"].(object)); n != 5 {
		t.Errorf("got %d entries, want 5", n)
	}
	for _, peer := range swarms[0] {
		wantAlready, wantT := any(1.0), any(nil)
		if peer == s {
			wantAlready, wantT = true, float64(now)
		}
		for _, step := range []struct {
			reply   object
			already any
			expiry  int64
		}{{first, nil, now + day}, {again, wantAlready, now + 2*day}, {earlier, wantAlready, now + 2*day}} {
			e := entryOf(step.reply, peer)
			if e["already"] != step.already || e["t"] != wantT || e["expiry"] != float64(step.expiry) || e["hash"] != step.reply["hash"] {
				t.Errorf("got %v, want already %v, t %v, expiry %d", e, step.already, wantT, step.expiry)
			}
		}
		if got := texts(t, want(t, peer, "retrieve", u.retrieve(0, now, nil))); !slices.Equal(got, []string{"hello"}) {
			t.Errorf("got %q", got)
		}
	}
	status, wrong := ask(t, swarms[1][0], "retrieve", u.retrieve(0, now, nil))
	if status != 421 || len(wrong["snodes"].([]any)) != 5 || wrong["swarm"] != "0" || wrong["hf"] == nil || wrong["t"] == nil {
		t.Errorf("got %d %v, want 421 and the five", status, wrong)
	}
}

func TestStoreRules(t *testing.T) {
	t.Parallel()
	w, swarms := newWorld(t, 2)
	s, now := swarms[0][0], w.clock
	u := newUser(t, s, snode.Session, 0)
	const badTTL, clock = "Provided expiry/TTL is not valid.", "Timestamp error: check your clock"
	for _, test := range []struct {
		name      string
		ns        int16
		timestamp int64
		ttl       int64
		status    int
		want      string
	}{
		{"shortest", 0, now, 10_000, 200, ""},
		{"too short", 0, now, 9_999, 403, badTTL},
		{"longest for anyone", 10, now, 14 * day, 200, ""},
		{"too long for anyone", 10, now, 14*day + 1, 403, badTTL},
		{"longest of one's own", 2, now, 30 * day, 200, ""},
		{"too long of one's own", 2, now, 30*day + 1, 403, badTTL},
		{"endless", 2, now, 1<<63 - 1, 403, badTTL},
		{"a little ahead", 0, now + 10_000, day, 200, ""},
		{"too far ahead", 0, now + 10_001, day, 406, clock},
		{"just expired", 0, now - 30_000, 20_000, 200, ""},
		{"expired", 0, now - 30_001, 20_000, 406, clock},
		{"signed a minute ago", 2, now - 60_000, day, 200, ""},
		{"signed earlier", 2, now - 60_001, day, 406, "store signature timestamp too far from current time"},
	} {
		p := u.store(test.ns, test.name, test.timestamp, 0)
		p["ttl"] = test.ttl
		r := s.Call(t.Context(), request(t, "store", p))
		if r.Status != test.status || test.status != 200 && string(r.Body) != test.want {
			t.Errorf("%s: got %d %s, want %d %s", test.name, r.Status, r.Body, test.status, test.want)
		}
	}
	unsigned := u.store(7, "x", now, day24)
	delete(unsigned, "signature")
	refused(t, s, "store", unsigned, 401, "store: signature required to store to namespace 7")
	other := u.store(7, "x", now, day24)
	other["namespace"] = 8
	refused(t, s, "store", other, 401, "store signature verification failed")
	late := u.with(snode.StoreText(7, now), object{"namespace": 7, "data": "", "timestamp": now - day, "sig_timestamp": now, "expiry": now + day})
	want(t, s, "store", late)
}
