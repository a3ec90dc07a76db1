package storage

import (
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"onsight/internal/snode"
)

func TestDelete(t *testing.T) {
	t.Parallel()
	w, swarms := newWorld(t, 3)
	s, now := swarms[0][0], w.clock
	u := newUser(t, s, snode.Session, 0)
	put := func(ns int16, text string, at int64) string {
		p := u.with(snode.StoreText(ns, now), object{
			"namespace": ns, "data": base64.StdEncoding.EncodeToString([]byte(text)), "timestamp": at, "sig_timestamp": now, "ttl": day,
		})
		return want(t, s, "store", p)["hash"].(string)
	}
	a, b, c, d := put(0, "a", now-5), put(0, "b", now), put(2, "c", now-5), put(3, "d", now)
	unknown := strings.Repeat("A", 43)
	del := u.with(snode.DeleteText([]string{b, unknown, a}), object{"messages": []string{b, unknown, a}, "required": true})
	pair := []any{a, b}
	if a > b {
		pair = []any{b, a}
	}
	got := want(t, s, "delete", del)
	for _, peer := range swarms[0] {
		e := entryOf(got, peer)
		verifies(t, peer, e, snode.DeletedText(u.id, []string{b, unknown, a}, []string{a, b}))
		if diff := cmp.Diff(pair, e["deleted"]); diff != "" {
			t.Error(diff)
		}
	}
	if status, _ := ask(t, s, "delete", del); status != 404 {
		t.Errorf("got %d, want 404 when nothing was there", status)
	}
	del["messages"] = []string{c}
	refused(t, s, "delete", del, 401, "delete_msgs signature verification failed")

	before := u.with(snode.DeleteBeforeText(nil, now-1), object{"before": now - 1, "namespace": "all"})
	e := entryOf(want(t, s, "delete_before", before), swarms[0][2])
	verifies(t, swarms[0][2], e, snode.DeletedAllText(u.id, now-1, []string{c}))
	if diff := cmp.Diff(any(object{"2": []any{c}}), e["deleted"]); diff != "" {
		t.Error(diff)
	}
	before["before"] = now
	refused(t, s, "delete_before", before, 401, "delete_before signature verification failed")
	refused(t, s, "delete_all", u.with(nil, object{"timestamp": now}), 401, "delete_all signature verification failed")
	three := int16(3)
	e = entryOf(want(t, s, "delete_all", u.with(snode.DeleteAllText(&three, now), object{"timestamp": now, "namespace": 3})), s)
	if diff := cmp.Diff(any([]any{d}), e["deleted"]); diff != "" {
		t.Error(diff)
	}
}

// verifies checks a node's signature.
func verifies(t *testing.T, s *Server, e object, text []byte) {
	t.Helper()
	sig, err := base64.StdEncoding.DecodeString(e["signature"].(string))
	if err != nil || !ed25519.Verify(s.key[:], text, sig) {
		t.Errorf("the signature of %v does not verify", e)
	}
}
