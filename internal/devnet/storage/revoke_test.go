package storage

import (
	"testing"

	"onsight/internal/snode"
)

func TestRevocation(t *testing.T) {
	t.Parallel()
	w, swarms := newWorld(t, 2)
	s, now := swarms[0][0], w.clock
	u := newUser(t, s, snode.Group, 0)
	var tokens []snode.Token
	for i := range maxRevoked + 1 {
		tokens = append(tokens, u.admit(byte(i), snode.Group, snode.Read).token)
	}
	revoke := func(tokens ...snode.Token) object {
		names := []string{}
		for _, token := range tokens {
			names = append(names, token.String())
		}
		return u.with(snode.RevokeText(now, tokens), object{"revoke": names, "timestamp": now})
	}
	kept := func() []string {
		reply := want(t, swarms[0][1], "revoked_subaccounts", u.with(snode.RevokedText(now), object{"timestamp": now}))
		return list(reply["revoked_subaccounts"])
	}
	if got := kept(); got != nil {
		t.Errorf("got %v, want none", got)
	}
	refused(t, s, "revoke_subaccount", revoke(tokens...), 400, "invalid request: 'revoke' holds more than 50 subaccount tokens")
	want(t, s, "revoke_subaccount", revoke(tokens[:maxRevoked]...))
	want(t, s, "revoke_subaccount", revoke(tokens[1])) // again: no second entry
	e := entryOf(want(t, s, "revoke_subaccount", revoke(tokens[maxRevoked])), s)
	verifies(t, s, e, snode.TokensText(u.id, now, tokens[maxRevoked:]))
	if got := kept(); len(got) != maxRevoked || got[0] != tokens[1].String() || got[maxRevoked-1] != tokens[maxRevoked].String() {
		t.Errorf("got %d tokens, want the newest 50", len(got))
	}
	gone := u.admit(7, snode.Group, snode.Read)
	for ns, status := range map[int16]int{11: 401, -11: 200, -111: 200, -12: 401} {
		p := gone.by(u, snode.RetrieveText(ns, now), object{"namespace": ns, "timestamp": now})
		if r := s.Call(t.Context(), request(t, "retrieve", p)); r.Status != status {
			t.Errorf("namespace %d: got %d %s, want %d", ns, r.Status, r.Body, status)
		}
	}
	two := []snode.Token{tokens[0], gone.token}
	back := u.with(snode.UnrevokeText(now, two), object{"unrevoke": []string{two[0].String(), two[1].String()}, "timestamp": now})
	if e := entryOf(want(t, s, "unrevoke_subaccount", back), swarms[0][1]); e["count"] != 1.0 {
		t.Errorf("got %v, want one: the other was dropped", e)
	}
	want(t, s, "retrieve", gone.by(u, snode.RetrieveText(11, now), object{"namespace": 11, "timestamp": now}))
	old := now - 60_001
	refused(t, s, "revoke_subaccount", u.with(snode.RevokeText(old, two), object{"revoke": two[0].String(), "timestamp": old}), 406,
		"revoke_subaccount timestamp too far from current time")
	refused(t, s, "unrevoke_subaccount", u.with(nil, object{"unrevoke": two[0].String(), "timestamp": now}), 401,
		"unrevoke_subaccount signature verification failed")
	refused(t, s, "revoked_subaccounts", u.with(nil, object{"timestamp": now}), 401, "revoked_subaccounts signature verification failed")
	refused(t, s, "revoked_subaccounts", u.with(nil, object{"timestamp": old}), 406,
		"revoked_subaccounts timestamp too far from current time")
}
