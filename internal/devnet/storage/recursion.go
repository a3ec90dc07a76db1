package storage

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"onsight/internal/snode"
)

// Bounds of spec C.3 and C.6.
const (
	forwardTimeout   = 5 * time.Second
	tolerance        = 60_000 // ms a signed time may be off
	forwardTolerance = 70_000 // where another member passed the request on
)

// task is what each member of the swarm does for a recursive method.
type task interface {
	// account is whose messages it is about.
	account() snode.ID
	// refuse is why a client may not; nil if it may. slack is how far its clock may be off, in milliseconds.
	refuse(s *Server, now, slack int64) *Reply
	// apply does it on this server. The result is a struct with its JSON names ascending; own tells the server asked from the others.
	apply(s *Server, now int64, own bool) (any, error)
}

// finisher is a task whose answer holds more than its members' results.
type finisher interface {
	finish(out *gathered, status int) int
}

// recursion is a task all members of the swarm carry out, the server asked being one of them.
type recursion struct {
	task
	method string
	params json.RawMessage
}

// recursive makes a task one of all members.
func (p *parser) recursive(t task) step {
	return recursion{t, p.method, p.raw}
}

// gathered is a recursive method's answer.
type gathered struct {
	Hash  string                  `json:"hash,omitempty"` // of store only
	HF    [2]int                  `json:"hf"`
	Swarm map[key]json.RawMessage `json:"swarm"` // by Ed25519 key
	T     int64                   `json:"t"`
}

// failure is the entry of a member that did not do it.
type failure struct {
	BadPeer bool   `json:"bad_peer_response,omitempty"`
	Code    string `json:"code,omitempty"`
	Failed  bool   `json:"failed"`
	Query   bool   `json:"query_failure,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Timeout bool   `json:"timeout,omitempty"`
}

func (r recursion) answer(ctx context.Context, s *Server) Reply { return r.begin(ctx, s)() }

// begin does the server's own part and sets off the others'; what it returns waits for them and must be called.
func (r recursion) begin(ctx context.Context, s *Server) func() Reply {
	v := s.view()
	if wrong := s.misplaced(v, r.account()); wrong != nil {
		return func() Reply { return *wrong }
	}
	now := s.now()
	if refused := r.refuse(s, now, tolerance); refused != nil {
		return func() Reply { return *refused }
	}
	ctx, cancel := context.WithTimeout(ctx, forwardTimeout)
	others := v.others()
	entries := make([]json.RawMessage, len(others))
	done := make([]bool, len(others))
	var wg sync.WaitGroup
	for i, m := range others {
		wg.Go(func() { entries[i], done[i] = r.forward(ctx, s, m) })
	}
	own, ok := r.here(s, now)
	return func() Reply {
		wg.Wait()
		cancel()
		out := gathered{HF: s.config.Network.Fork(), Swarm: map[key]json.RawMessage{s.key: own}, T: now}
		status := http.StatusInternalServerError
		if ok {
			status = http.StatusOK
		}
		for i, m := range others {
			out.Swarm[m.Ed25519] = entries[i]
			if done[i] {
				status = http.StatusOK
			}
		}
		if f, ok := r.task.(finisher); ok {
			status = f.finish(&out, status)
		}
		return encode(status, out)
	}
}

// here is the entry of the server asked.
func (r recursion) here(s *Server, now int64) (json.RawMessage, bool) {
	entry, err := r.apply(s, now, true)
	if err != nil {
		return marshal(failure{Failed: true, Query: true, Reason: err.Error()}), false
	}
	return marshal(entry), true
}

// forward is the entry of another member.
func (r recursion) forward(ctx context.Context, s *Server, to Member) (json.RawMessage, bool) {
	reply, err := s.config.Network.Forward(ctx, to.Ed25519, r.method, r.params)
	switch {
	case err != nil: // real servers see an unreachable peer and a silent one alike
		return marshal(failure{Failed: true, Timeout: true}), false
	case !reply.ok():
		return marshal(failure{Code: strconv.Itoa(reply.Status), Failed: true, Reason: string(reply.Body)}), false
	}
	var entry map[string]json.RawMessage
	if reply.Type != JSON || json.Unmarshal(reply.Body, &entry) != nil || entry == nil {
		return marshal(failure{BadPeer: true, Failed: true}), false
	}
	return reply.Body, true
}

// forwarded is the answer to the member that passed the request on.
func (r recursion) forwarded(s *Server) Reply {
	if wrong := s.misplaced(s.view(), r.account()); wrong != nil {
		return *wrong
	}
	now := s.now()
	if refused := r.refuse(s, now, forwardTolerance); refused != nil {
		return *refused
	}
	entry, err := r.apply(s, now, false)
	if err != nil {
		return text(http.StatusInternalServerError, err.Error())
	}
	return encode(http.StatusOK, entry)
}

// near says whether a signed time is close enough to now.
func near(t, now, slack int64) bool { return t-now <= slack && now-t <= slack }

// refusal is an answer that says why not.
func refusal(status int, reason string) *Reply {
	r := text(status, reason)
	return &r
}
