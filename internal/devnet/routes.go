package devnet

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"onsight/internal/devnet/storage"
)

const (
	maxRequest = 10 << 20 // of a body (spec C.1)
	maxBusy    = 1000     // requests a node works on at a time; the real server's queue is bounded too
)

// serve answers an HTTPS request.
func (n *Node) serve(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	defer func() {
		// net/http would write it to a log that nobody reads.
		if v := recover(); v != nil {
			if v != http.ErrAbortHandler {
				n.log.Error("request panicked", "panic", v, "stack", string(debug.Stack()))
			}
			panic(http.ErrAbortHandler)
		}
	}()
	if err := n.arrive(); err != nil {
		panic(http.ErrAbortHandler) // cuts the connection
	}
	reply, err := n.route(w, r)
	if err == nil {
		err = n.linger(r.Context())
	}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	h := w.Header()
	h.Set("Server", n.agent)
	h.Set("Content-Type", contentType(reply.Type))
	h.Set("Content-Length", strconv.Itoa(len(reply.Body)))
	h.Set("Date", n.now().UTC().Format(http.TimeFormat))
	controller := http.NewResponseController(w)
	if reply.Status == http.StatusRequestEntityTooLarge {
		h.Set("Connection", "close")
		err = controller.SetReadDeadline(time.Now()) // the rest of the body is not waited for
	}
	if err = errors.Join(err, controller.SetWriteDeadline(time.Now().Add(writeTimeout))); err != nil {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(reply.Status)
	_, _ = w.Write(reply.Body) // the client may have gone
	n.log.Debug("request answered", "status", reply.Status, "took", time.Since(begun))
}

func contentType(t storage.Type) string {
	switch t {
	case storage.JSON:
		return "application/json"
	case storage.Binary:
		return "application/octet-stream"
	}
	return "text/plain"
}

// linger lets the node's delay pass.
func (n *Node) linger(ctx context.Context) error {
	d := n.Faults().Delay
	if d == 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// route answers by method and path; errCut if the request is not to be answered at all.
func (n *Node) route(w http.ResponseWriter, r *http.Request) (storage.Reply, error) {
	if n.busy.Add(1) > maxBusy {
		n.busy.Add(-1)
		return text(http.StatusServiceUnavailable, "Server busy, try again later"), nil
	}
	defer n.busy.Add(-1)
	path := r.URL.EscapedPath()
	switch r.Method + " " + path {
	case "POST /storage_rpc/v1":
		return n.serveRPC(w, r), nil
	case "POST /onion_req/v2":
		return n.serveOnion(w, r)
	case "POST /ping_test/v1":
		if reply, faulty := n.status("request failed", n.ed25519); faulty {
			return reply, nil
		}
		w.Header().Set("X-Oxen-Snode-Pubkey", base64.StdEncoding.EncodeToString(n.legacy[:]))
		return text(http.StatusOK, ""), nil
	case "GET /get_stats/v1":
		if reply, faulty := n.status("request failed", n.ed25519); faulty {
			return reply, nil
		}
		_, version, _ := strings.Cut(n.agent, "/")
		return storage.Reply{Status: http.StatusOK, Type: storage.JSON, Body: fmt.Appendf(nil, `{"version":%q}`, version)}, nil
	}
	return text(http.StatusNotFound, strings.ToLower(r.Method)+" "+path+" Not Found"), nil
}

// serveRPC answers POST /storage_rpc/v1.
func (n *Node) serveRPC(w http.ResponseWriter, r *http.Request) storage.Reply {
	if why := n.unready(); why != "" {
		return text(http.StatusServiceUnavailable, "Service node is not ready: "+why+"\n")
	}
	if reply, faulty := n.status("request failed", n.ed25519); faulty {
		return reply
	}
	// The right clock counts, not the node's own: a fault of that would refill or empty the bucket.
	client, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !n.limits.take(client.Addr(), n.world.now()) {
		return text(http.StatusTooManyRequests, "Too Many Requests")
	}
	if r.Header.Get("X-Loki-Long-Poll") != "" {
		return text(http.StatusGone, "long polling is no longer supported, client upgrade required")
	}
	body, refused, ok := readBody(w, r)
	if !ok {
		return refused
	}
	return n.storage.Call(r.Context(), body)
}

// readBody reads a request's body within its bound.
func readBody(w http.ResponseWriter, r *http.Request) (body []byte, refused storage.Reply, ok bool) {
	tooLarge := text(http.StatusRequestEntityTooLarge, "Request body too large")
	if r.ContentLength > maxRequest {
		return nil, tooLarge, false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, tooLarge, false
	case err != nil: // nobody is left to read this
		return nil, text(http.StatusBadRequest, "Bad Request"), false
	}
	return body, storage.Reply{}, true
}

func text(status int, s string) storage.Reply {
	return storage.Reply{Status: status, Body: []byte(s), Type: storage.Text}
}
