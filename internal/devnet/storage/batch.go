package storage

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
)

// Bounds of requests made of requests. Real servers' batches have the first (recorded); the second is ours: each level of ifelse scans
// what is below it once more.
const (
	maxRequests = 20
	maxDepth    = 16
)

// result is one request's answer within another.
type result struct {
	Body json.RawMessage `json:"body"`
	Code int             `json:"code"`
}

func resultOf(r Reply) result { return result{r.value(), r.Status} }

// parseRequests reads what batch and sequence share; both say "batch" in their errors.
func parseRequests(p *parser) []step {
	raw, _ := p.field("requests")
	list := members(raw)
	if len(list) == 0 {
		p.fail(`Invalid batch request: no valid "requests" field`)
	}
	if len(list) > maxRequests {
		p.fail("Invalid batch request: subrequest limit exceeded")
		return nil
	}
	steps := make([]step, len(list))
	for i := range list {
		steps[i] = parseRequest(p, list[i], "batch", false)
	}
	return steps
}

// parseRequest reads {"method", "params"} within a request of the kind named.
func parseRequest(p *parser, raw json.RawMessage, kind string, metaToo bool) step {
	outer, ok := parseParams(raw)
	if !ok {
		p.fail("Invalid %s request: subrequests must have method/params keys", kind)
		return nil
	}
	name, ok := str(outer.fields["method"])
	inner, object := parseParams(outer.fields["params"])
	if !ok || !object {
		p.fail("Invalid %s request: subrequests must have method/params keys", kind)
		return nil
	}
	m, ok := p.server.method(name)
	if !ok {
		p.fail("Invalid %s subrequest: invalid method \"%s\"", kind, name)
		return nil
	}
	if m.meta && !metaToo {
		p.fail("Invalid %s subrequest: subrequests may not contain meta-requests", kind)
		return nil
	}
	if p.depth == maxDepth {
		p.fail("Invalid %s request: nested too deeply", kind)
		return nil
	}
	st := m.parse(&parser{params: inner, server: p.server, method: name, raw: outer.fields["params"], depth: p.depth + 1})
	if inner.err != nil {
		p.fail("%w", inner.err)
	}
	return st
}

// results is the answer of batch and sequence.
type results struct {
	Results []result `json:"results"`
}

// batch is requests side by side: what the server does by itself in their order, so that a retrieve shows what a store before it put
// there (recorded), and what it waits for, its peers and its daemon, all at once.
type batch []step

func (b batch) answer(ctx context.Context, s *Server) Reply {
	waits := make([]func() Reply, len(b))
	for i, st := range b {
		if slow, ok := st.(beginner); ok {
			waits[i] = slow.begin(ctx, s)
			continue
		}
		r := st.answer(ctx, s)
		waits[i] = func() Reply { return r }
	}
	all := make([]result, len(b))
	for i, wait := range waits {
		all[i] = resultOf(wait())
	}
	return encode(http.StatusOK, results{all})
}

// beginner is a step that waits for others. begin does not wait; what it returns does, and must be called.
type beginner interface {
	begin(ctx context.Context, s *Server) func() Reply
}

// sequence is requests one after the other, up to the first that fails.
type sequence []step

func (q sequence) answer(ctx context.Context, s *Server) Reply {
	var all []result
	for _, st := range q {
		r := st.answer(ctx, s)
		all = append(all, resultOf(r))
		if !r.ok() {
			break
		}
	}
	return encode(http.StatusOK, results{all})
}

// ifelse is a request that depends on the server and the chain.
type ifelse struct {
	conditions []condition
	yes, no    step
}

// condition is one of the things "if" may ask for.
type condition struct {
	of     func(s *Server) []int64 // what is compared
	bound  []int64
	before bool // true below the bound, else true from it on
}

func parseIfelse(p *parser) step {
	var r ifelse
	raw, _ := p.field("if")
	asked, ok := parseParams(raw)
	if !ok {
		p.fail(`Invalid ifelse request: no valid "if" field`)
		return nil
	}
	for _, kind := range []struct {
		name string
		size int
		of   func(s *Server) []int64
	}{
		{"height", 1, func(s *Server) []int64 { return []int64{int64(s.config.Network.Height())} }},
		{"hf", 2, func(s *Server) []int64 { f := s.config.Network.Fork(); return []int64{int64(f[0]), int64(f[1])} }},
		{"v", 3, func(s *Server) []int64 { return widen(s.config.Version) }},
	} {
		for _, end := range []string{"_at_least", "_before"} {
			if bound, ok := asked.bound(kind.name+end, kind.size); ok {
				r.conditions = append(r.conditions, condition{kind.of, bound, end == "_before"})
			}
		}
	}
	if asked.err != nil {
		p.fail("%w", asked.err)
	}
	branch := func(name string) step {
		if raw, ok := p.field(name); ok {
			return parseRequest(p, raw, "ifelse", true)
		}
		return nil
	}
	r.yes, r.no = branch("then"), branch("else")
	return r
}

// bound is an integer or up to size of them; missing ones are 0.
func (p *params) bound(name string, size int) ([]int64, bool) {
	list, ok := p.list(name)
	if !ok {
		return nil, false
	}
	if len(list) == 0 || len(list) > size {
		p.expected(name, "integer array")
		return nil, false
	}
	bound := make([]int64, size)
	for i, raw := range list {
		one := params{fields: map[string]json.RawMessage{name: raw}}
		if bound[i], ok = one.integer(name, "integer array"); !ok {
			p.expected(name, "integer array")
		}
	}
	return bound, true
}

func widen(v [3]uint16) []int64 { return []int64{int64(v[0]), int64(v[1]), int64(v[2])} }

func (c condition) holds(s *Server) bool {
	return (slices.Compare(c.of(s), c.bound) < 0) == c.before
}

func (r ifelse) answer(ctx context.Context, s *Server) Reply {
	holds := true
	for _, c := range r.conditions {
		holds = holds && c.holds(s)
	}
	out := struct {
		Condition bool      `json:"condition"`
		Height    uint64    `json:"height"`
		HF        [2]int    `json:"hf"`
		Result    *result   `json:"result,omitempty"`
		V         [3]uint16 `json:"v"`
	}{Condition: holds, Height: s.config.Network.Height(), HF: s.config.Network.Fork(), V: s.config.Version}
	st := r.no
	if holds {
		st = r.yes
	}
	if st != nil {
		one := resultOf(st.answer(ctx, s))
		out.Result = &one
	}
	return encode(http.StatusOK, out)
}
