package storage

import (
	"context"
	"net/http"

	"onsight/internal/snode"
)

// revoking is revoke_subaccount, and unrevoke_subaccount where it takes that back.
type revoking struct {
	owner     owner
	tokens    []snode.Token
	timestamp int64
	back      bool
}

func parseRevoke(p *parser) step   { return parseTokens(p, "revoke", false) }
func parseUnrevoke(p *parser) step { return parseTokens(p, "unrevoke", true) }

func parseTokens(p *parser, name string, back bool) step {
	var c credentials
	var list []string
	var ok bool
	p.pubkey(&c, false)
	if !back {
		list, ok = p.texts(name)
	}
	c.signature, c.signed = p.text("signature") // of the account's own key: subaccounts cannot do this
	timestamp, timed := p.time("timestamp")
	if back {
		list, ok = p.texts(name)
	}
	r := revoking{owner: p.owner(c), timestamp: timestamp, back: back}
	p.require("timestamp", timed)
	p.require(name, ok && len(list) > 0)
	if len(list) > maxRevoked {
		p.fail("'%s' holds more than %d subaccount tokens", name, maxRevoked)
		return nil
	}
	for _, text := range list {
		t, err := snode.ParseToken(text)
		if err != nil {
			p.fail("invalid subaccount: expected base64 or hex-encoded subaccount token")
		}
		r.tokens = append(r.tokens, t)
	}
	return p.recursive(r)
}

func (r revoking) account() snode.ID { return r.owner.id }

func (r revoking) refuse(s *Server, now, slack int64) *Reply {
	name, signed := "revoke_subaccount", snode.RevokeText(r.timestamp, r.tokens)
	if r.back {
		name, signed = "unrevoke_subaccount", snode.UnrevokeText(r.timestamp, r.tokens)
	}
	switch {
	case !near(r.timestamp, now, slack):
		return refusal(http.StatusNotAcceptable, name+" timestamp too far from current time")
	case !r.owner.rules(signed):
		return refusal(http.StatusUnauthorized, name+" signature verification failed")
	}
	return nil
}

// revokedEntry is a node's result of revoke_subaccount and unrevoke_subaccount.
type revokedEntry struct {
	Count     *int   `json:"count,omitempty"` // of unrevoke only: how many were there
	Signature []byte `json:"signature"`
}

func (r revoking) apply(s *Server, now int64, _ bool) (any, error) {
	e := revokedEntry{}
	if r.back {
		n := s.box.unrevoke(r.owner.id, r.tokens)
		e.Count = &n
	} else if err := s.box.revoke(r.owner.id, r.tokens, now); err != nil {
		return nil, err
	}
	e.Signature = s.sign(snode.TokensText(r.owner.id, r.timestamp, r.tokens))
	return e, nil
}

// askingRevoked is revoked_subaccounts.
type askingRevoked struct {
	owner     owner
	timestamp int64
}

func parseRevoked(p *parser) step {
	var c credentials
	p.pubkey(&c, false)
	c.signature, c.signed = p.text("signature")
	timestamp, timed := p.time("timestamp")
	r := askingRevoked{p.owner(c), timestamp}
	p.require("timestamp", timed)
	return r
}

func (r askingRevoked) answer(_ context.Context, s *Server) Reply {
	if wrong := s.misplaced(s.view(), r.owner.id); wrong != nil {
		return *wrong
	}
	now := s.now()
	switch {
	case !near(r.timestamp, now, tolerance):
		return text(http.StatusNotAcceptable, "revoked_subaccounts timestamp too far from current time")
	case !r.owner.rules(snode.RevokedText(r.timestamp)):
		return text(http.StatusUnauthorized, "revoked_subaccounts signature verification failed")
	}
	out := struct {
		HF      [2]int   `json:"hf"`
		Revoked []string `json:"revoked_subaccounts"`
		T       int64    `json:"t"`
	}{HF: s.config.Network.Fork(), Revoked: []string{}, T: now}
	for _, t := range s.box.revokedOf(r.owner.id) {
		out.Revoked = append(out.Revoked, t.String())
	}
	return encode(http.StatusOK, out)
}
