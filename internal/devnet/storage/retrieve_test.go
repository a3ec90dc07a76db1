package storage

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"onsight/internal/snode"
)

func TestRetrieve(t *testing.T) {
	t.Parallel()
	w, swarms := newWorld(t, 1)
	s, now := swarms[0][0], w.clock
	u := newUser(t, s, snode.Session, 0)
	var hashes []string
	for i := range 5 {
		hashes = append(hashes, want(t, s, "store", u.store(0, fmt.Sprint(i), now, day24))["hash"].(string))
	}
	want(t, s, "store", u.store(5, "elsewhere", now, day24))
	const size = messageBesides + hashChars + 2 // each counts for this
	for _, test := range []struct {
		name string
		more object
		want string
		rest bool
	}{
		{"all", nil, "0 1 2 3 4", false},
		{"after", object{"last_hash": hashes[2]}, "3 4", false},
		{"after, by the old name", object{"lastHash": hashes[2]}, "3 4", false},
		{"after the last", object{"last_hash": hashes[4]}, "", false},
		{"unknown", object{"last_hash": strings.Repeat("A", 43)}, "0 1 2 3 4", false},
		{"two", object{"max_count": 2}, "0 1", true},
		{"exactly all", object{"max_count": 5}, "0 1 2 3 4", false},
		{"small", object{"max_size": 1}, "0", true},
		{"two's size", object{"max_size": 2 * size}, "0 1", true},
		{"just not three's size", object{"max_size": 3*size - 1}, "0 1", true},
		{"the tiniest fraction", object{"max_size": -maxRetrieve}, "0", true},
		{"beyond it", object{"max_size": int64(-1) << 63}, "0", true},
		{"more than may be", object{"max_size": int64(1) << 62}, "0 1 2 3 4", false},
		{"both", object{"max_size": 2 * size, "max_count": 4}, "0 1", true},
	} {
		got := want(t, s, "retrieve", u.retrieve(0, now, test.more))
		if all := strings.Join(texts(t, got), " "); all != test.want || got["more"] != test.rest {
			t.Errorf("%s: got %s, more %v, want %s, %v", test.name, all, got["more"], test.want, test.rest)
		}
	}
	// The usual answer is a fifth of the longest.
	big := strings.Repeat("x", maxData-1)
	for i := range 20 {
		want(t, s, "store", u.store(3, big+string(rune('a'+i)), now, day24))
	}
	if got := want(t, s, "retrieve", u.retrieve(3, now, nil)); len(texts(t, got)) != 15 || got["more"] != true {
		t.Errorf("got %d, more %v, want 15 of 20", len(texts(t, got)), got["more"])
	}
	if got := want(t, s, "retrieve", u.retrieve(3, now, object{"max_size": -1})); len(texts(t, got)) != 20 || got["more"] != false {
		t.Errorf("got %d, more %v, want 20", len(texts(t, got)), got["more"])
	}

	refused(t, s, "retrieve", object{"pubkey": u.id.String()}, 401, "retrieve: request signature required")
	refused(t, s, "retrieve", u.retrieve(0, now-60_001, nil), 406, "retrieve timestamp too far from current time")
	wrong := u.retrieve(0, now, object{"namespace": 1})
	refused(t, s, "retrieve", wrong, 401, "retrieve signature verification failed")
	// In an open namespace a signature is not asked for, but checked.
	want(t, s, "retrieve", object{"pubkey": u.id.String(), "namespace": -21})
	wrong["namespace"] = -21
	refused(t, s, "retrieve", wrong, 401, "retrieve signature verification failed")
	other := newUser(t, s, snode.Session, 1)
	foreign := other.retrieve(0, now, object{"pubkey": u.id.String()})
	refused(t, s, "retrieve", foreign, 401, "retrieve signature verification failed")
	foreign["pubkey_ed25519"] = "02" + strings.Repeat("00", 31) // no point of the curve
	refused(t, s, "retrieve", foreign, 401, "retrieve signature verification failed")
}

func TestOutboxHoldsOne(t *testing.T) {
	t.Parallel()
	w, swarms := newWorld(t, 2)
	s := swarms[0][0]
	u := newUser(t, s, snode.Group, 0)
	for _, text := range []string{"old", "new"} {
		want(t, s, "store", u.store(-21, text, w.clock, day24))
	}
	if got := texts(t, want(t, swarms[0][1], "retrieve", object{"pubkey": u.id.String(), "namespace": -21})); !slices.Equal(got, []string{"new"}) {
		t.Errorf("got %q, want the new one only", got)
	}
}

func TestMessagesExpire(t *testing.T) {
	t.Parallel()
	w, swarms := newWorld(t, 1)
	s := swarms[0][0]
	u := newUser(t, s, snode.Group, 0)
	want(t, s, "store", u.store(0, "short", w.clock, time.Minute))
	want(t, s, "store", u.store(0, "long", w.clock, time.Hour))
	now := w.advance(time.Minute)
	if got := texts(t, want(t, s, "retrieve", u.retrieve(0, now, nil))); !slices.Equal(got, []string{"long"}) {
		t.Errorf("got %q", got)
	}
	w.advance(time.Hour)
	if n := s.Prune(); n != 1 || len(s.box.accounts) != 0 || s.box.bytes != 0 {
		t.Errorf("pruned %d, %d accounts and %d bytes left", n, len(s.box.accounts), s.box.bytes)
	}
}
