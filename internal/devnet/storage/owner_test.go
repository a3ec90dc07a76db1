package storage

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"maps"
	"testing"

	"onsight/internal/snode"
)

// member is a subaccount of a group: its token, and the parameters that go with each of its requests.
type member struct {
	key   ed25519.PrivateKey
	token snode.Token
	proof object
}

func (u user) admit(n byte, prefix byte, flags snode.Flags) member {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
	token := snode.NewToken(prefix, flags, [32]byte(key.Public().(ed25519.PublicKey)))
	return member{key, token, object{
		"subaccount": token.String(), "subaccount_sig": base64.StdEncoding.EncodeToString(ed25519.Sign(u.key, token[:])),
	}}
}

// by is the user's request as a subaccount makes it.
func (m member) by(u user, signed []byte, more object) object {
	p := u.with(signed, more)
	maps.Copy(p, m.proof)
	p["signature"] = base64.StdEncoding.EncodeToString(ed25519.Sign(m.key, signed))
	return p
}

func TestSubaccounts(t *testing.T) {
	t.Parallel()
	w, swarms := newWorld(t, 2)
	s, now := swarms[0][0], w.clock
	for _, prefix := range []byte{snode.Group, snode.Session} {
		u := newUser(t, s, prefix, 0)
		hash := want(t, s, "store", u.store(11, "x", now, day24))["hash"].(string)
		hashes, eleven := []string{hash}, int16(11)
		read := func(m member, ns int16) object {
			return m.by(u, snode.RetrieveText(ns, now), object{"namespace": ns, "timestamp": now})
		}
		store := func(m member, ns int16) object {
			return m.by(u, snode.StoreText(ns, now), object{"namespace": ns, "timestamp": now, "ttl": day, "data": ""})
		}
		for _, test := range []struct {
			name   string
			prefix byte
			flags  snode.Flags
			method string
			params func(member) object
			status int
		}{
			{"read", prefix, snode.Read, "retrieve", func(m member) object { return read(m, 11) }, 200},
			{"read without", prefix, snode.Write | snode.Delete, "retrieve", func(m member) object { return read(m, 11) }, 401},
			{"read of another prefix", prefix ^ 1, snode.Read, "retrieve", func(m member) object { return read(m, 11) }, 401},
			{"read of any prefix", prefix ^ 1, snode.Read | snode.AnyPrefix, "retrieve", func(m member) object { return read(m, 11) }, 200},
			{"write", prefix, snode.Write, "store", func(m member) object { return store(m, 11) }, 200},
			{"write without", prefix, snode.Read, "store", func(m member) object { return store(m, 11) }, 401},
			{"outbox", prefix, snode.Write | snode.Delete, "store", func(m member) object { return store(m, -1) }, 200},
			{"outbox without delete", prefix, snode.Write, "store", func(m member) object { return store(m, -1) }, 401},
			{"expiries", prefix, snode.Read, "get_expiries", func(m member) object {
				return m.by(u, snode.GetExpiriesText(now, hashes), object{"messages": hashes, "timestamp": now})
			}, 200},
			{"extend", prefix, snode.Write, "expire", func(m member) object {
				return m.by(u, snode.ExpireText("", []int64{now}, hashes), object{"messages": hashes, "expiry": now})
			}, 200},
			{"shorten without delete", prefix, snode.Write, "expire", func(m member) object {
				return m.by(u, snode.ExpireText("shorten", []int64{now}, hashes), object{"messages": hashes, "expiry": now, "shorten": true})
			}, 400},
			{"expire all without delete", prefix, snode.Write, "expire_all", func(m member) object {
				return m.by(u, snode.ExpireAllText(&eleven, now), object{"namespace": 11, "expiry": now})
			}, 401},
			{"delete without", prefix, snode.Write, "delete", func(m member) object {
				return m.by(u, snode.DeleteText(hashes), object{"messages": hashes})
			}, 401},
			{"revoke", prefix, 15, "revoke_subaccount", func(m member) object {
				return m.by(u, snode.RevokeText(now, []snode.Token{m.token}), object{"revoke": m.token.String(), "timestamp": now})
			}, 401},
			{"delete", prefix, snode.Delete, "delete", func(m member) object {
				return m.by(u, snode.DeleteText(hashes), object{"messages": hashes})
			}, 200},
		} {
			m := u.admit(1, test.prefix, test.flags)
			r := s.Call(t.Context(), request(t, test.method, test.params(m)))
			if r.Status != test.status {
				t.Errorf("%s: got %d %s, want %d", test.name, r.Status, r.Body, test.status)
			}
			// With the token's signature of somebody else nothing goes.
			m.proof["subaccount_sig"] = base64.StdEncoding.EncodeToString(ed25519.Sign(m.key, m.token[:]))
			if r := s.Call(t.Context(), request(t, test.method, test.params(m))); r.ok() {
				t.Errorf("%s: got %d for a token its account has not signed", test.name, r.Status)
			}
		}
		// A subaccount without Delete cannot make a message go earlier: expire is extend.
		hash = want(t, s, "store", u.store(11, "y", now, day24))["hash"].(string)
		m := u.admit(1, prefix, snode.Write)
		p := m.by(u, snode.ExpireText("", []int64{now}, []string{hash}), object{"messages": hash, "expiry": now})
		e := entryOf(want(t, s, "expire", p), swarms[0][1])
		verifies(t, swarms[0][1], e, snode.ExpiredText(u.id, []int64{now}, []string{hash}, nil, map[string]int64{hash: now + day}))
	}
}
