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

// Request is a client's request that all members of the swarm carry out, the server asked being one of them. Its parameters are in
// order, and what was in it beside them is gone.
type Request struct{ task task }

// Answer is what became of a request that was passed on.
type Answer struct {
	Reply Reply
	Err   error // why there is no reply
}

// recursive makes a task one of all members.
func (p *parser) recursive(t task) step { return Request{t} }

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

func (r Request) answer(ctx context.Context, s *Server) Reply {
	v := s.view()
	e, refused := r.begin(ctx, s, v)
	if refused != nil {
		return *refused
	}
	s.passOn(ctx, v.others(), []*errand{e})
	return e.reply()
}

// errand is a request while the members of the swarm carry it out.
type errand struct {
	Request
	out    gathered
	status int
}

// begin does the server's own part, unless there is a reason not to.
func (r Request) begin(ctx context.Context, s *Server, v *view) (e *errand, refused *Reply) {
	if ctx.Err() != nil {
		return nil, &late
	}
	if wrong := s.misplaced(v, r.task.account()); wrong != nil {
		return nil, wrong
	}
	now := s.now()
	if refused := r.task.refuse(s, now, tolerance); refused != nil {
		return nil, refused
	}
	e = &errand{r, gathered{HF: s.config.Network.Fork(), Swarm: map[key]json.RawMessage{}, T: now}, http.StatusInternalServerError}
	entry, err := r.task.apply(s, now, true)
	if err != nil {
		entry = failure{Failed: true, Query: true, Reason: err.Error()}
	}
	e.add(s.key, marshal(entry), err == nil)
	return e, nil
}

// add adds a member's entry. One that did it is enough for success.
func (e *errand) add(member key, entry json.RawMessage, ok bool) {
	e.out.Swarm[member] = entry
	if ok {
		e.status = http.StatusOK
	}
}

// passOn has the others carry errands out, all of them at once and each in the errands' order, and waits for them.
func (s *Server) passOn(ctx context.Context, others []Member, errands []*errand) {
	if len(errands) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, forwardTimeout)
	defer cancel()
	requests := make([]Request, len(errands))
	for i, e := range errands {
		requests[i] = e.Request
	}
	answers := make([][]Answer, len(others))
	var wg sync.WaitGroup
	for i, m := range others {
		wg.Go(func() { answers[i] = s.config.Network.Forward(ctx, m.Ed25519, requests) })
	}
	wg.Wait()
	for i, m := range others {
		for j, e := range errands {
			entry, ok := answers[i][j].entry()
			e.add(m.Ed25519, entry, ok)
		}
	}
}

// entry is what is shown of another member.
func (a Answer) entry() (json.RawMessage, bool) {
	switch {
	case a.Err != nil: // real servers see an unreachable peer and a silent one alike
		return marshal(failure{Failed: true, Timeout: true}), false
	case !a.Reply.ok():
		return marshal(failure{Code: strconv.Itoa(a.Reply.Status), Failed: true, Reason: string(a.Reply.Body)}), false
	case a.Reply.Type != JSON || !json.Valid(a.Reply.Body) || a.Reply.Body[0] != '{':
		return marshal(failure{BadPeer: true, Failed: true}), false
	}
	return a.Reply.Body, true
}

// reply is the answer to the client.
func (e *errand) reply() Reply {
	if f, ok := e.task.(finisher); ok {
		e.status = f.finish(&e.out, e.status)
	}
	return encode(e.status, e.out)
}

// forwarded is the answer to the member that passed the request on.
func (r Request) forwarded(s *Server) Reply {
	if wrong := s.misplaced(s.view(), r.task.account()); wrong != nil {
		return *wrong
	}
	now := s.now()
	if refused := r.task.refuse(s, now, forwardTolerance); refused != nil {
		return *refused
	}
	entry, err := r.task.apply(s, now, false)
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
