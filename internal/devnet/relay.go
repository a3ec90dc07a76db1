package devnet

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"onsight/internal/devnet/storage"
	"onsight/internal/onion"
)

// forwardShare: a swarm member has 5 s where a next hop has 30 s (spec C.3, D.7).
const forwardShare = 6

// errUnreachable says that nobody listens where a node should be.
var errUnreachable = errors.New("node is unreachable")

// serveOnion answers POST /onion_req/v2.
func (n *Node) serveOnion(w http.ResponseWriter, r *http.Request) (storage.Reply, error) {
	body, refused, ok := readBody(w, r)
	if !ok {
		return refused, nil
	}
	part, err := onion.ParsePart(body)
	if err != nil {
		return text(http.StatusBadRequest, "Error parsing onion request: "+err.Error()), nil
	}
	return n.onion(r.Context(), part)
}

// onion takes one layer off a request and does what is in it (spec D.7); errCut if the request is not to be answered.
func (n *Node) onion(ctx context.Context, p onion.Part) (storage.Reply, error) {
	if n.Faults().DropOnions {
		ctx, cancel := context.WithTimeout(ctx, n.world.onionTimeout())
		defer cancel()
		<-ctx.Done() // a client is kept waiting as long as another node would wait
		return storage.Reply{}, errCut
	}
	l, err := onion.Peel(n.secret, p)
	switch {
	case errors.Is(err, onion.ErrHops):
		return text(http.StatusBadRequest, "onion request max path length exceeded"), nil
	case errors.Is(err, onion.ErrControl):
		return wrap(l.Reply, text(http.StatusBadRequest, "Invalid json"), false, true), nil
	case err != nil:
		return text(http.StatusBadRequest, "Invalid ciphertext"), nil
	}
	next := n.ed25519
	if l.Kind == onion.Relay {
		next = l.Destination
	}
	if n.unready() != "" {
		if l.Kind == onion.Final {
			return wrap(l.Reply, text(http.StatusServiceUnavailable, "Snode not ready"), l.JSON, l.Base64), nil
		}
		return text(http.StatusServiceUnavailable, "Snode not ready: "+hex.EncodeToString(n.ed25519[:])), nil
	}
	if reply, faulty := n.status("Invalid response from snode", next); faulty {
		return reply, nil
	}
	switch l.Kind {
	case onion.Final:
		if reply, faulty := n.refusal(); faulty {
			return wrap(l.Reply, reply, l.JSON, l.Base64), nil
		}
		return wrap(l.Reply, n.storage.Call(ctx, l.Blob), l.JSON, l.Base64), nil
	case onion.Proxy:
		return n.askServer(ctx, l)
	}
	return n.relay(ctx, l)
}

// relay hands a layer to the next node.
func (n *Node) relay(ctx context.Context, l onion.Layer) (storage.Reply, error) {
	_, next, ok := n.world.member(l.Destination)
	if !ok {
		return text(http.StatusBadGateway, "Next node not found: "+hex.EncodeToString(l.Destination[:])), nil
	}
	within, cancel := context.WithTimeout(ctx, n.world.onionTimeout())
	defer cancel()
	reply, err := hand(within, next, func(ctx context.Context) (storage.Reply, error) { return next.onion(ctx, l.Next) })()
	if errors.Is(err, errUnreachable) {
		if v := n.Version(); v[0] > 2 || v[0] == 2 && v[1] >= 9 {
			return text(http.StatusBadGateway, "Next node is currently unreachable: "+hex.EncodeToString(l.Destination[:])), nil
		}
		<-within.Done() // older servers do not learn that nobody is there
	}
	switch {
	case err == nil:
		return reply, nil
	case ctx.Err() != nil: // this node's own asker has gone
		return storage.Reply{}, ctx.Err()
	}
	return text(http.StatusGatewayTimeout, "Request time out"), nil
}

// hand has a node do something for another, with its faults. What it returns waits for the answer: errUnreachable if the node does not
// listen; if it does not answer, what ended ctx, which must have a deadline.
func hand(ctx context.Context, to *Node, do func(context.Context) (storage.Reply, error)) (wait func() (storage.Reply, error)) {
	var up *uptime
	if to != nil {
		up = to.up.Load()
	}
	if up == nil {
		return func() (storage.Reply, error) { return storage.Reply{}, errUnreachable }
	}
	var reply storage.Reply
	err := to.arrive()
	if err == nil {
		reply, err = do(ctx)
	}
	done := time.Now()
	return func() (storage.Reply, error) {
		if err == nil {
			err = to.linger(ctx, done)
		}
		if err == nil && up.ctx.Err() == nil {
			return reply, nil
		}
		<-ctx.Done() // lost, swallowed or gone down meanwhile: all the asker sees is silence
		return storage.Reply{}, ctx.Err()
	}
}

// wrap seals a reply for the client, as the destination does (spec D.5). Keys are sorted, as the real server's are.
func wrap(key onion.Key, reply storage.Reply, embed, base64ed bool) storage.Reply {
	var body any = string(reply.Body)
	switch {
	case reply.Type == storage.Binary:
		body = base64.StdEncoding.EncodeToString(reply.Body)
	case embed && reply.Type == storage.JSON:
		body = json.RawMessage(reply.Body)
	}
	var plain bytes.Buffer
	e := json.NewEncoder(&plain)
	e.SetEscapeHTML(false) // the real server does not
	if err := e.Encode(struct {
		Body   any `json:"body"`
		Status int `json:"status"`
	}{body, reply.Status}); err != nil {
		panic("devnet: internal error: a storage server's JSON reply is none: " + err.Error())
	}
	sealed, err := key.Seal(nil, bytes.TrimSuffix(plain.Bytes(), []byte("\n")))
	if err != nil {
		panic("devnet: internal error: seal a reply: " + err.Error())
	}
	if base64ed {
		sealed = base64.StdEncoding.AppendEncode(nil, sealed)
	}
	return storage.Reply{Status: http.StatusOK, Body: sealed, Type: storage.Text}
}

// uplink is the node as its storage server sees it: what it knows of the network.
type uplink struct{ n *Node }

func (u uplink) Members() []storage.Member { return u.n.world.members() }
func (u uplink) Fork() [2]int              { return u.n.world.fork() }
func (u uplink) Height() uint64            { return u.n.world.height() }

func (u uplink) Oxend(ctx context.Context, endpoint string, params json.RawMessage) (json.RawMessage, error) {
	if f := u.n.Faults(); !f.NoOxend {
		result, err := u.n.world.oxend(ctx, f.Backwards, endpoint, params)
		if err != nil || f.Ahead == 0 {
			return result, err
		}
		return claim(result, f.Ahead), nil
	}
	t := time.NewTimer(u.n.world.onionTimeout() / oxendShare)
	defer t.Stop()
	select {
	case <-t.C:
		return nil, errNoOxend
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// claim is the result with a height that is so much above what it says, if it says one.
func claim(result json.RawMessage, ahead uint64) json.RawMessage {
	var fields map[string]json.RawMessage
	var height uint64
	if json.Unmarshal(result, &fields) != nil || json.Unmarshal(fields["height"], &height) != nil {
		return result
	}
	fields["height"] = strconv.AppendUint(nil, height+ahead, 10)
	claimed, err := json.Marshal(fields)
	if err != nil {
		panic("devnet: internal error: a daemon's result is no JSON: " + err.Error())
	}
	return claimed
}

// oxendShare of the onion timeout of 30 s is how long a storage server waits for its daemon (recorded: oxend_down_oxend_request).
const oxendShare = 2

var errNoOxend = errors.New("no answer from oxend")

// Forward hands the requests over one by one and waits for all the answers at once: a slow peer's delay passes only once.
func (u uplink) Forward(ctx context.Context, to [32]byte, requests []storage.Request) []storage.Answer {
	_, peer, _ := u.n.world.member(to)
	ctx, cancel := context.WithTimeout(ctx, u.n.world.onionTimeout()/forwardShare)
	defer cancel()
	waits := make([]func() (storage.Reply, error), len(requests))
	for i, r := range requests {
		waits[i] = hand(ctx, peer, func(ctx context.Context) (storage.Reply, error) {
			if reply, faulty := peer.status("request failed", peer.ed25519); faulty {
				return reply, nil
			}
			return peer.storage.Forwarded(ctx, r), ctx.Err()
		})
	}
	answers := make([]storage.Answer, len(requests))
	for i, wait := range waits {
		answers[i].Reply, answers[i].Err = wait()
	}
	return answers
}
