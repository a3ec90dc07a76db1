package storage

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// Member is a funded service node with contact data, as the chain's list shows it.
type Member struct {
	Legacy, Ed25519, X25519 [32]byte
	IP                      netip.Addr
	HTTPS, OMQ              uint16
	Swarm                   uint64    // snode.NoSwarm: none
	Version                 [3]uint16 // of its storage server
}

// Network is what a server knows of the world. Its methods are called from many goroutines at once.
type Network interface {
	// Members is a shared snapshot of the funded nodes with contact data; nobody changes it, a new one is another slice.
	Members() []Member
	// Fork is the hard fork and its revision.
	Fork() [2]int
	// Height is the chain's height.
	Height() uint64
	// Oxend asks the server's own daemon. An RPC error is a *DaemonError.
	Oxend(ctx context.Context, endpoint string, params json.RawMessage) (json.RawMessage, error)
	// Forward hands requests to another member of the swarm, which answers each with Forwarded, in this order, and returns as many
	// answers. An error in one means that the member was not reached, context.DeadlineExceeded that it did not answer in time. It
	// returns when ctx is done.
	Forward(ctx context.Context, to [32]byte, requests []Request) []Answer
}

// DaemonError is an RPC error of a server's daemon.
type DaemonError struct {
	Code    int
	Message string
}

// Error is the text that clients of the storage server are given (recorded).
func (e *DaemonError) Error() string { return fmt.Sprintf("RPC error %d: %s", e.Code, e.Message) }

// Lies are the lies a server tells. The zero value is an honest server.
type Lies struct {
	ONS       bool // oxend_request returns changed sealed values of names
	Swarm     bool // get_swarm and 421 name the nodes of all swarms but the right one
	Signature bool // signatures of the server do not verify
	Nodes     bool // oxend_request lists nodes under keys that nobody has: all servers that lie so list the same
}

// Forge seals a wrong value, the same at all servers, for the name that params of ons_resolve ask for, in hex. It is false if the name
// cannot be told from its hash.
type Forge func(params json.RawMessage) (value, nonce string, ok bool)

// Config says what a Server is made of.
type Config struct {
	Key         ed25519.PrivateKey // signs its results; required
	Legacy      [32]byte           // says which of the members it is; required
	Version     func() [3]uint16   // asked at every request; nil: 2.8.0. From 2.11 on it knows active_nodes_bin and revoked_subaccounts
	Network     Network            // required
	Now         func() time.Time   // its own clock; nil: the real one
	Lies        func() Lies        // asked at every request; nil: none
	Forge       Forge              // what Lies.ONS says; nil: what opens under no name
	MaxMessages int                // per account; 0: 10,000
	MaxBytes    int64              // of all messages, with 256 bytes for each and 1,024 for each account; 0: 256 MiB
}

// String names the server and hides its key.
func (c Config) String() string { return fmt.Sprintf("storage server of node %x", c.Legacy) }

// Server is one storage server. Its methods may be called from many goroutines at once.
type Server struct {
	config Config
	key    [32]byte
	box    *box
	last   atomic.Pointer[view]
}

// New makes a server that holds no messages.
func New(c Config) *Server {
	if c.Version == nil {
		c.Version = func() [3]uint16 { return [3]uint16{2, 8, 0} }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Lies == nil {
		c.Lies = func() Lies { return Lies{} }
	}
	return &Server{config: c, key: [32]byte(c.Key.Public().(ed25519.PublicKey)), box: newBox(c.MaxMessages, c.MaxBytes)}
}

// String names the server and hides its key.
func (s *Server) String() string { return s.config.String() }

// now is the server's time in milliseconds.
func (s *Server) now() int64 { return s.config.Now().UnixMilli() }

func (s *Server) lies() Lies { return s.config.Lies() }

// sign is the server's signature, which does not verify if it lies.
func (s *Server) sign(text []byte) []byte {
	sig := ed25519.Sign(s.config.Key, text)
	if s.lies().Signature {
		sig[0] ^= 1
	}
	return sig
}

// Call answers a client's request {"method": …, "params": {…}}. It waits for the other members of the swarm where the method is one all
// of them carry out: until each has answered, five seconds have passed, or ctx is done. What is not begun by then is not done.
func (s *Server) Call(ctx context.Context, request []byte) Reply {
	if r, ok := s.unready(); ok {
		return r
	}
	if !utf8.Valid(request) || !json.Valid(request) {
		return text(http.StatusBadRequest, "invalid json")
	}
	envelope, ok := parseParams(bytes.TrimSpace(request))
	if !ok {
		envelope = &params{}
	}
	if envelope.err != nil {
		return text(http.StatusBadRequest, "invalid json: "+envelope.err.Error())
	}
	method, ok := str(envelope.fields["method"])
	if !ok {
		return text(http.StatusBadRequest, "invalid json: no `method` field")
	}
	p, ok := parseParams(envelope.fields["params"])
	if !ok {
		return text(http.StatusBadRequest, "invalid json: no `params` field")
	}
	m, ok := s.method(method)
	if !ok {
		return text(http.StatusBadRequest, "no method "+method)
	}
	st := m.parse(&parser{params: p, server: s})
	if p.err != nil {
		return invalid(p.err)
	}
	return s.do(ctx, st)
}

// late is the answer to nobody: whoever asked is not waiting any more.
var late = text(http.StatusGatewayTimeout, "Request time out")

// do carries out a request, or a part of one, while somebody waits for it.
func (s *Server) do(ctx context.Context, st step) Reply {
	if ctx.Err() != nil {
		return late
	}
	return st.answer(ctx, s)
}

// Forwarded answers a request that another member of the swarm got and passed on: its own result, which that member puts into the
// answer's "swarm". It does nothing once ctx is done.
func (s *Server) Forwarded(ctx context.Context, r Request) Reply {
	if r, ok := s.unready(); ok {
		return r
	}
	if ctx.Err() != nil {
		return late
	}
	return r.forwarded(s)
}

// unready is the answer of a server that is not ready.
func (s *Server) unready() (Reply, bool) {
	reason := s.Ready()
	return text(http.StatusServiceUnavailable, "Service node is not ready: "+reason+"\n"), reason != ""
}
