package storage

import (
	"net/http"

	"onsight/internal/snode"
)

// maxExpiry is how far ahead an expiry may be set, in milliseconds; later ones are brought down to it (spec C.6).
const maxExpiry = maxOwnTTL

// changing is expire.
type changing struct {
	owner           owner
	hashes          []string
	expiries        []int64 // one, or one for each hash
	extend, shorten bool
}

func parseExpire(p *parser) step {
	var c credentials
	expiries, timed := p.times("expiry")
	extend := p.flag("extend")
	list, ok := p.texts("messages")
	p.pubkey(&c, false)
	shorten := p.flag("shorten")
	p.signature(&c)
	r := changing{owner: p.owner(c), expiries: expiries, extend: extend, shorten: shorten}
	p.require("expiry", timed)
	r.hashes = p.hashes("messages", list, ok)
	if extend && shorten {
		p.fail("cannot specify both 'shorten' and 'extend'")
	}
	if len(expiries) != 1 && len(expiries) != len(r.hashes) {
		p.fail("'expiry' must be a single expiry, or the same length as 'messages'")
	}
	return p.recursive(r)
}

func (r changing) account() snode.ID { return r.owner.id }

func (r changing) refuse(s *Server, now, slack int64) *Reply {
	for _, at := range r.expiries {
		if at < now-slack {
			return refusal(http.StatusUnauthorized, "expire: timestamp should be >= current time")
		}
	}
	mode := ""
	if r.shorten {
		mode = "shorten"
	} else if r.extend {
		mode = "extend"
	}
	if !s.allowed(&r.owner, snode.Write, snode.ExpireText(mode, r.expiries, r.hashes), false) {
		return refusal(http.StatusUnauthorized, "expire: signature verification failed")
	}
	if r.shorten && r.extendOnly() {
		return refusal(http.StatusBadRequest,
			"expire: shorten parameter cannot be used with this subaccount token (missing delete access)")
	}
	return nil
}

// extendOnly says whether the request comes from a subaccount that may not make messages go.
func (r changing) extendOnly() bool {
	return r.owner.token != nil && r.owner.token.Flags()&snode.Delete == 0
}

// changedEntry is a node's result of expire.
type changedEntry struct {
	Expiry    any              `json:"expiry"` // one, or one for each updated hash
	Signature []byte           `json:"signature"`
	Unchanged map[string]int64 `json:"unchanged,omitzero"` // with shorten or extend only
	Updated   []string         `json:"updated"`
}

func (r changing) apply(s *Server, now int64, _ bool) (any, error) {
	extend := r.extend || r.extendOnly()
	wanted := make([]int64, len(r.expiries))
	for i, at := range r.expiries {
		wanted[i] = min(at, now+maxExpiry)
	}
	changed, stayed := s.box.expire(r.owner.id, r.hashes, now, func(i int, old int64) (int64, bool) {
		at := wanted[0]
		if len(wanted) > 1 {
			at = wanted[i]
		}
		return at, !(extend && at <= old || r.shorten && at >= old)
	})
	e := changedEntry{Updated: make([]string, len(changed))}
	applied := make([]int64, len(changed))
	for i, c := range changed {
		e.Updated[i], applied[i] = c.hash, c.expiry
	}
	e.Expiry = applied
	if len(wanted) == 1 {
		e.Expiry, applied = wanted[0], wanted
	}
	if extend || r.shorten {
		e.Unchanged = map[string]int64{}
		for _, c := range stayed {
			e.Unchanged[c.hash] = c.expiry
		}
	}
	e.Signature = s.sign(snode.ExpiredText(r.owner.id, applied, r.hashes, e.Updated, e.Unchanged))
	return e, nil
}

// shortening is expire_all.
type shortening struct {
	owner     owner
	namespace *int16 // nil: all
	expiry    int64
}

func parseExpireAll(p *parser) step {
	var c credentials
	expiry, timed := p.time("expiry")
	ns := p.namespaces("namespace")
	p.pubkey(&c, false)
	p.signature(&c)
	r := shortening{owner: p.owner(c), namespace: ns, expiry: expiry}
	p.require("expiry", timed)
	return p.recursive(r)
}

func (r shortening) account() snode.ID { return r.owner.id }

func (r shortening) refuse(s *Server, now, slack int64) *Reply {
	switch {
	case r.expiry < now-slack:
		return refusal(http.StatusNotAcceptable, "expire_all timestamp should be >= current time")
	case !s.allowed(&r.owner, snode.Delete, snode.ExpireAllText(r.namespace, r.expiry), false):
		return refusal(http.StatusUnauthorized, "expire_all signature verification failed")
	}
	return nil
}

// shortenedEntry is a node's result of expire_all.
type shortenedEntry struct {
	Signature []byte `json:"signature"`
	Updated   any    `json:"updated"` // hashes, or hashes by namespace
}

func (r shortening) apply(s *Server, now int64, _ bool) (any, error) {
	by := s.box.shorten(r.owner.id, r.namespace, r.expiry, now)
	return shortenedEntry{s.sign(snode.DeletedAllText(r.owner.id, r.expiry, flat(by))), shown(by, r.namespace)}, nil
}
