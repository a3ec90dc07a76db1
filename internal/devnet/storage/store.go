package storage

import (
	"fmt"
	"math"
	"net/http"

	"onsight/internal/snode"
)

// Bounds of store (spec C.6), in bytes and milliseconds.
const (
	maxData     = 76_800
	day         = 24 * 60 * 60 * 1000
	minTTL      = 10_000
	maxTTL      = 14 * day // in namespaces anyone may store to
	maxOwnTTL   = 30 * day // in others
	storeLeeway = 10_000   // how far in the future a timestamp and in the past an expiry may lie
)

// storing is store.
type storing struct {
	owner    owner
	signed   bool
	message  Message
	signedAt int64
}

func parseStore(p *parser) step {
	var c credentials
	data, hasData := p.text("data")
	expiry, hasExpiry := p.time("expiry")
	ns, _ := p.namespace("namespace")
	p.pubkey(&c, true)
	signedAt, hasSignedAt := p.time("sig_timestamp")
	p.signature(&c)
	timestamp, hasTimestamp := p.lenient("timestamp", p.time)
	ttl, hasTTL := p.lenient("ttl", func(name string) (int64, bool) { return p.unsigned(name, "positive integer") })

	p.require("timestamp", hasTimestamp)
	if hasExpiry && hasTTL {
		p.fail("Cannot specify both 'expiry' and 'ttl'")
	} else if !hasExpiry && !hasTTL {
		p.fail("Required field 'expiry' or 'ttl' missing")
	}
	r := storing{signed: c.signed, signedAt: timestamp}
	if c.signed {
		r.owner = p.owner(c)
	} else {
		r.owner.id = p.id(c.pubkey, c.hasPubkey, badPubkey)
	}
	p.require("data", hasData)
	if p.err != nil {
		return nil
	}
	if hasSignedAt {
		r.signedAt = signedAt
	}
	if hasTTL {
		expiry = timestamp + min(ttl, math.MaxInt64-timestamp)
	}
	// The length comes first: what is too long is not looked into (recorded).
	var ok bool
	var b []byte
	if len(data) <= (maxData+2)/3*4 {
		if b, ok = decodeBase64(data); !ok {
			p.fail("Invalid 'data' value: not base64 encoded")
		}
	}
	if !ok || len(b) > maxData {
		p.fail("Message body exceeds maximum allowed length of %d bytes", maxData)
		return nil
	}
	r.message = Message{Account: r.owner.id, Namespace: ns, Hash: snode.Hash(r.owner.id, ns, b), Timestamp: timestamp, Expiry: expiry, Data: b}
	return p.recursive(r)
}

func (r storing) account() snode.ID { return r.owner.id }

func (r storing) refuse(s *Server, now, slack int64) *Reply {
	m := &r.message
	longest := int64(maxOwnTTL)
	if snode.PublicInbox(m.Namespace) {
		longest = maxTTL
	}
	if ttl := m.Expiry - m.Timestamp; ttl < minTTL || ttl > longest {
		return refusal(http.StatusForbidden, "Provided expiry/TTL is not valid.")
	}
	if m.Timestamp > now+storeLeeway || m.Expiry < now-storeLeeway {
		return refusal(http.StatusNotAcceptable, "Timestamp error: check your clock")
	}
	if snode.PublicInbox(m.Namespace) {
		return nil // a signature is not looked at
	}
	need := snode.Write
	if snode.PublicOutbox(m.Namespace) {
		need |= snode.Delete // it replaces what is there
	}
	switch {
	case !r.signed:
		return refusal(http.StatusUnauthorized, fmt.Sprintf("store: signature required to store to namespace %d", m.Namespace))
	case !near(r.signedAt, now, slack):
		return refusal(http.StatusNotAcceptable, "store signature timestamp too far from current time")
	case !s.allowed(&r.owner, need, snode.StoreText(m.Namespace, r.signedAt), false):
		return refusal(http.StatusUnauthorized, "store signature verification failed")
	}
	return nil
}

// storedEntry is a node's result of store.
type storedEntry struct {
	Already   any    `json:"already,omitempty"`
	Expiry    int64  `json:"expiry"`
	Hash      string `json:"hash"`
	Signature []byte `json:"signature"`
	T         int64  `json:"t,omitempty"` // of the server asked only (recorded)
}

func (r storing) apply(s *Server, now int64, own bool) (any, error) {
	expiry, already, err := s.box.store(r.message, now)
	if err != nil {
		return nil, err
	}
	e := storedEntry{Expiry: expiry, Hash: r.message.Hash, Signature: s.sign(snode.StoredText(r.message.Hash))}
	if own {
		e.T = now
	}
	if already {
		// Between nodes it travels as bencode, which knows no booleans (recorded).
		if e.Already = any(1); own {
			e.Already = true
		}
	}
	return e, nil
}

func (r storing) finish(out *gathered, status int) int {
	out.Hash = r.message.Hash
	return status
}
