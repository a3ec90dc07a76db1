package storage

import (
	"context"
	"encoding/base64"
	"net/http"

	"onsight/internal/snode"
)

// Bounds of one answer of retrieve (spec C.5): what messages count for in all, and beside their data.
const (
	maxRetrieve    = 7_800_000
	usualFraction  = 5
	messageBesides = 100
)

// retrieving is retrieve.
type retrieving struct {
	owner     owner
	signed    bool // it is checked even where nothing asks for it
	namespace int16
	last      string
	count     int64
	size      int64
	timestamp int64
}

func parseRetrieve(p *parser) step {
	var c credentials
	last, _ := alias(p.params, "last_hash", "lastHash", p.text)
	count, _ := p.integer("max_count", "integer")
	size, _ := p.integer("max_size", "integer")
	ns, named := p.namespace("namespace")
	p.pubkey(&c, true)
	p.signature(&c)
	timestamp, timed := p.time("timestamp")

	r := retrieving{namespace: ns, last: last, count: count, size: size, timestamp: timestamp}
	// A namespace that is named and not open wants its signature as a parameter; without any the server says so with 401 (recorded).
	if r.signed = c.hasKey || c.signed || timed || named && !snode.ReadableByAnyone(ns); r.signed {
		r.owner = p.owner(c)
		p.require("timestamp", timed)
	} else {
		r.owner.id = p.id(c.pubkey, c.hasPubkey, badPubkey)
	}
	if last != "" {
		if len(last) != hashChars {
			p.fail("Invalid last_hash: expected base64 (43 chars)")
		} else if !isBase64(last) {
			p.fail("Invalid last_hash: not base64")
		}
	}
	return r
}

// budget is how much the messages may count for.
func (r retrieving) budget() int64 {
	switch {
	case r.count <= 0 && r.size == 0:
		return maxRetrieve / usualFraction
	case r.size == 0 || r.size > maxRetrieve:
		return maxRetrieve
	case r.size < 0:
		return maxRetrieve / -max(r.size, -maxRetrieve)
	default:
		return r.size
	}
}

// shownData is written as base64; nothing at all as "=", as real servers do (recorded).
type shownData []byte

// MarshalText writes base64 with padding.
func (d shownData) MarshalText() ([]byte, error) {
	if len(d) == 0 {
		return []byte("="), nil
	}
	return base64.StdEncoding.AppendEncode(nil, d), nil
}

// message is one of retrieve's.
type message struct {
	Data       shownData `json:"data"`
	Expiration int64     `json:"expiration"`
	Hash       string    `json:"hash"`
	Timestamp  int64     `json:"timestamp"`
}

func (r retrieving) answer(_ context.Context, s *Server) Reply {
	if wrong := s.misplaced(s.view(), r.owner.id); wrong != nil {
		return *wrong
	}
	now := s.now()
	switch {
	case !r.signed && !snode.ReadableByAnyone(r.namespace):
		return text(http.StatusUnauthorized, "retrieve: request signature required")
	case !r.signed:
	case !near(r.timestamp, now, tolerance):
		return text(http.StatusNotAcceptable, "retrieve timestamp too far from current time")
	case !s.allowed(&r.owner, snode.Read, snode.RetrieveText(r.namespace, r.timestamp), snode.RevokedMayRead(r.namespace)):
		return text(http.StatusUnauthorized, "retrieve signature verification failed")
	}
	out := struct {
		HF       [2]int    `json:"hf"`
		Messages []message `json:"messages"`
		More     bool      `json:"more"`
		T        int64     `json:"t"`
	}{HF: s.config.Network.Fork(), Messages: []message{}, T: now}
	left := r.budget()
	s.box.after(r.owner.id, r.namespace, r.last, now, func(m Message) bool {
		left -= messageBesides + int64(len(m.Hash)) + (int64(len(m.Data))*4+2)/3
		// One is always given, or a reader could never get past it.
		if out.More = len(out.Messages) > 0 && left < 0 || r.count > 0 && int64(len(out.Messages)) == r.count; out.More {
			return false
		}
		out.Messages = append(out.Messages, message{m.Data, m.Expiry, m.Hash, m.Timestamp})
		return true
	})
	return encode(http.StatusOK, out)
}

// expiring is get_expiries.
type expiring struct {
	owner     owner
	hashes    []string
	timestamp int64
}

func parseGetExpiries(p *parser) step {
	var c credentials
	list, ok := p.texts("messages")
	p.pubkey(&c, false)
	p.signature(&c)
	timestamp, timed := p.time("timestamp")
	r := expiring{owner: p.owner(c), timestamp: timestamp}
	p.require("timestamp", timed)
	r.hashes = p.hashes("messages", list, ok)
	return r
}

func (r expiring) answer(_ context.Context, s *Server) Reply {
	if wrong := s.misplaced(s.view(), r.owner.id); wrong != nil {
		return *wrong
	}
	now := s.now()
	switch {
	case !near(r.timestamp, now, tolerance):
		return text(http.StatusNotAcceptable, "get_expiries timestamp too far from current time")
	case !s.allowed(&r.owner, snode.Read, snode.GetExpiriesText(r.timestamp, r.hashes), false):
		return text(http.StatusUnauthorized, "get_expiries signature verification failed")
	}
	return encode(http.StatusOK, struct {
		Expiries map[string]int64 `json:"expiries"` // and neither t nor hf (recorded)
	}{s.box.expiries(r.owner.id, r.hashes, now)})
}
