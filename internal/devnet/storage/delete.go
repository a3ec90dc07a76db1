package storage

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	"onsight/internal/snode"
)

// deleting is delete.
type deleting struct {
	owner    owner
	hashes   []string
	required bool
}

func parseDelete(p *parser) step {
	var c credentials
	list, ok := p.texts("messages")
	p.pubkey(&c, false)
	required := p.flag("required")
	p.signature(&c)
	return p.recursive(deleting{p.owner(c), p.hashes("messages", list, ok), required})
}

func (r deleting) account() snode.ID { return r.owner.id }

func (r deleting) refuse(s *Server, _, _ int64) *Reply {
	if !s.allowed(&r.owner, snode.Delete, snode.DeleteText(r.hashes), false) {
		return refusal(http.StatusUnauthorized, "delete_msgs signature verification failed")
	}
	return nil
}

// deletedEntry is a node's result of delete, delete_all and delete_before.
type deletedEntry struct {
	Deleted   any    `json:"deleted"` // hashes, or hashes by namespace
	Signature []byte `json:"signature"`
}

func (r deleting) apply(s *Server, now int64, _ bool) (any, error) {
	wanted := map[string]bool{}
	for _, h := range r.hashes {
		wanted[h] = true
	}
	deleted := flat(s.box.delete(r.owner.id, now, func(m *Message) bool { return wanted[m.Hash] }))
	return deletedEntry{deleted, s.sign(snode.DeletedText(r.owner.id, r.hashes, deleted))}, nil
}

// finish makes a 404 of an answer where something should have been deleted and nothing was.
func (r deleting) finish(out *gathered, status int) int {
	if !r.required || status != http.StatusOK {
		return status
	}
	for _, raw := range out.Swarm {
		var e struct{ Deleted []string }
		if json.Unmarshal(raw, &e) == nil && len(e.Deleted) > 0 {
			return status
		}
	}
	return http.StatusNotFound
}

// flat is the hashes of all namespaces, sorted; never nil, since JSON tells null from [].
func flat(by map[int16][]string) []string {
	all := []string{}
	for _, list := range by {
		all = append(all, list...)
	}
	slices.Sort(all)
	return all
}

// shown is hashes as a result shows them: a list for one namespace, an object by namespace for all.
func shown(by map[int16][]string, ns *int16) any {
	if ns != nil {
		return flat(by)
	}
	named := map[string][]string{}
	for n, list := range by {
		named[strconv.Itoa(int(n))] = list // Go sorts an object's names as text, as real servers do
	}
	return named
}

// deletingAll is delete_all and delete_before.
type deletingAll struct {
	owner     owner
	namespace *int16 // nil: all
	time      int64
	before    bool // only what is stamped then or earlier
}

func parseDeleteAll(p *parser) step {
	var c credentials
	ns := p.namespaces("namespace")
	p.pubkey(&c, false)
	p.signature(&c)
	timestamp, timed := p.time("timestamp")
	r := deletingAll{owner: p.owner(c), namespace: ns, time: timestamp}
	p.require("timestamp", timed)
	return p.recursive(r)
}

func parseDeleteBefore(p *parser) step {
	var c credentials
	before, timed := p.time("before")
	ns := p.namespaces("namespace")
	p.pubkey(&c, false)
	p.signature(&c)
	r := deletingAll{owner: p.owner(c), namespace: ns, time: before, before: true}
	p.require("before", timed)
	return p.recursive(r)
}

func (r deletingAll) account() snode.ID { return r.owner.id }

func (r deletingAll) refuse(s *Server, now, slack int64) *Reply {
	name, signed := "delete_all", snode.DeleteAllText(r.namespace, r.time)
	if r.before {
		name, signed = "delete_before", snode.DeleteBeforeText(r.namespace, r.time)
	}
	switch {
	case r.before && r.time > now+slack:
		return refusal(http.StatusUnauthorized, "delete_before timestamp too far in the future")
	case !r.before && !near(r.time, now, slack):
		return refusal(http.StatusNotAcceptable, "delete_all timestamp too far from current time")
	case !s.allowed(&r.owner, snode.Delete, signed, false):
		return refusal(http.StatusUnauthorized, name+" signature verification failed")
	}
	return nil
}

func (r deletingAll) apply(s *Server, now int64, _ bool) (any, error) {
	by := s.box.delete(r.owner.id, now, func(m *Message) bool {
		return (r.namespace == nil || m.Namespace == *r.namespace) && (!r.before || m.Timestamp <= r.time)
	})
	return deletedEntry{shown(by, r.namespace), s.sign(snode.DeletedAllText(r.owner.id, r.time, flat(by)))}, nil
}
