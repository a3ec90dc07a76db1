package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"onsight/internal/events"
	"onsight/internal/gate"
	"onsight/ons"
)

// Bounds of a stream.
const (
	streamPage = 100              // entries that are written at once
	patience   = 10 * time.Second // with a client, until it has read them
	heartbeat  = 15 * time.Second // between two signs of life; proxies give up after 60
)

var streamType = []string{"text/event-stream"}

// holders are the clients that hold streams, each of which costs memory and a connection for as long as it likes. They
// are counted apart from requests, which end.
type holders struct {
	mu    sync.Mutex // guards what follows
	total int
	each  map[netip.Addr]int // no more of them than streams
}

// enter takes in a stream, which leave ends.
func (h *holders) enter(client netip.Addr, l Limits) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case l.Streams > 0 && h.total >= l.Streams:
		return errBusy
	case l.ClientStreams > 0 && h.each[client] >= l.ClientStreams:
		return errConcurrent
	}
	if h.each == nil {
		h.each = map[netip.Addr]int{}
	}
	h.total++
	h.each[client]++
	return nil
}

func (h *holders) leave(client netip.Addr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.total--
	if h.each[client]--; h.each[client] == 0 {
		delete(h.each, client)
	}
}

func (h *holders) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.total
}

// hold turns a request that was admitted into a stream. leave must be called.
func (c *call) hold() (leave func(), err error) {
	client, proxied := origin(c.gin.Request, c.cfg.Limits.Proxies)
	limits := c.cfg.Limits
	if client.IsLoopback() && !proxied && !c.cfg.Limits.Loopback { // this machine's own
		limits = Limits{}
	}
	client = gate.Client(client)
	if err := c.holders.enter(client, limits); err != nil {
		h := c.gin.Writer.Header()
		h["Retry-After"] = []string{retryAfter}
		h["Access-Control-Expose-Headers"] = []string{"Retry-After"}
		return nil, err
	}
	if c.inside {
		c.crowd.leave(c.visitor)
		c.inside, c.held = false, client
	}
	return func() { c.holders.leave(client) }, nil
}

// EndStreams ends all streams, and those to come: an http.Server that shuts down would wait for them. Clients come back.
func (s *Server) EndStreams() { s.closing.Do(func() { close(s.closed) }) }

// headWriter marks a request of which only the header of the reply is wanted.
type headWriter struct{ http.ResponseWriter }

func (w headWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// isHead reports whether a request is marked so, by whatever the writer was wrapped into since.
func isHead(w http.ResponseWriter) bool {
	for {
		if _, head := w.(headWriter); head {
			return true
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return false
		}
		w = u.Unwrap()
	}
}

// eventStream answers GET /v1/events/stream. Nothing is kept of a client but where it is: what it has not read stays in
// the log, so one that reads too slowly is cut off, and goes on where it was when it comes again.
func (s *Server) eventStream(c *call) error {
	kinds, err := c.kinds()
	if err != nil {
		return err
	}
	// A browser that comes again repeats the address, after included, and says in the header where it really was.
	given := c.gin.Request.Header.Get("Last-Event-ID")
	if given == "" {
		given = c.query.Get("after")
	}
	at, err := c.after(afterNow, given)
	if err != nil {
		return err
	}
	head := isHead(c.gin.Writer)
	if !head {
		leave, err := c.hold()
		if err != nil {
			return err
		}
		defer leave()
	}
	// A stream outlives snapshots.
	c.snap, c.frame = nil, emptyFrame

	h := c.gin.Writer.Header()
	h["Content-Type"], h["Cache-Control"] = streamType, noStore
	h.Set("X-Accel-Buffering", "no") // nginx would else collect it
	c.gin.Writer.WriteHeader(http.StatusOK)
	if head {
		c.gin.Writer.WriteHeaderNow()
		return nil
	}
	out := streamWriter{control: http.NewResponseController(c.gin.Writer), call: c}
	if err := out.control.SetReadDeadline(time.Time{}); err != nil { // that of requests would end it
		return nil
	}
	// Errors are the client's end, and whatever else they are the reply has begun: the client comes again.
	_ = s.follow(c.gin.Request.Context(), &out, at, kinds)
	return nil
}

// entriesPerRequest is how many entries a page of a stream that catches up may look at before it counts as one request more. The database
// takes 1 ms for 100 entries that it finds next to each other, and as much to look for rare ones among so many.
const entriesPerRequest = 5000

// follow writes what is in the log behind a cursor, and then what is appended, until somebody ends it. While the client is in debt it
// waits: what is in the log stays there.
func (s *Server) follow(ctx context.Context, out *streamWriter, at events.Cursor, kinds events.Kinds) error {
	if err := out.send("retry: 2000\nid: " + at.String() + "\n\n"); err != nil {
		return err
	}
	tick := time.NewTicker(s.cfg.Heartbeat)
	defer tick.Stop()
	wait := func(grown <-chan struct{}, solvent <-chan time.Time) error {
		select {
		case <-grown:
		case <-solvent:
		case <-tick.C:
			// An id of its own moves a client on over entries that it does not want.
			return out.send(":\nid: " + at.String() + "\n\n")
		case <-ctx.Done():
			return ctx.Err()
		case <-s.closed:
			return http.ErrServerClosed
		}
		return nil
	}
	for {
		if debt := out.debt(); debt > 0 {
			if err := wait(nil, time.After(debt)); err != nil {
				return err
			}
			continue
		}
		head, grown := s.cfg.Events.Head() // before reading, so that nothing comes between
		network := s.cfg.Snapshot().State().Network
		p, err := s.logPage(ctx, at, kinds, streamPage, network)
		if err != nil {
			return err
		}
		if at.Seq+streamPage < head.Seq { // else it is in memory, for all who follow
			out.charge(1 + int((p.Next-min(p.Next, at.Seq))/entriesPerRequest))
		}
		at.Seq = max(at.Seq, p.Next)
		if err := out.entries(&p, network); err != nil {
			return err
		}
		if p.Next < p.Head {
			select {
			case <-s.closed:
				return http.ErrServerClosed
			default:
				continue
			}
		}
		if err := wait(grown, nil); err != nil {
			return err
		}
	}
}

// streamWriter writes server-sent events, each within a time.
type streamWriter struct {
	control *http.ResponseController
	*call
}

func (w *streamWriter) entries(p *events.Page, n ons.Network) error {
	if len(p.Entries) == 0 {
		return nil
	}
	b := w.buffer()
	defer w.release(b)
	for i := range p.Entries {
		e := &p.Entries[i]
		*b = fmt.Appendf(*b, "id: %s\ndata: %s\n", events.Cursor{Log: p.Log, Seq: e.Seq}, EventLine(p.Log, e, n)) // the line has its end
	}
	return w.write(*b)
}

func (w *streamWriter) send(text string) error { return w.write([]byte(text)) }

func (w *streamWriter) write(b []byte) error {
	if err := w.control.SetWriteDeadline(time.Now().Add(w.cfg.Patience)); err != nil {
		return err
	}
	if _, err := w.gin.Writer.Write(b); err != nil {
		return err
	}
	return w.control.Flush()
}

func (d describer) eventStream() *huma.Operation {
	op := operation("eventStream", http.MethodGet, "/v1/events/stream", "events", "Everything that happens, as it happens",
		"Server-sent events: `data` is a LogEntry, `id` its cursor. Without `after` it begins with what comes next. Who was cut off sends the "+
			"newest id as Last-Event-ID, as browsers do by themselves, or as `after`, and misses nothing; the header wins. An event without data "+
			"comes every 15 seconds. Who does not read for 10 seconds is cut off.")
	op.Parameters = []*huma.Param{cursorParam(afterNow), kindParam(), {
		Name: "Last-Event-ID", In: "header", Description: "Cursor of the newest entry that arrived", Schema: &huma.Schema{Type: huma.TypeString},
	}}
	e := exampleEntries()[0]
	log := events.ID(fill(8, 3))
	sample := fmt.Sprintf("id: %s\ndata: %s\n", events.Cursor{Log: log, Seq: e.Seq}, EventLine(log, &e, ons.Mainnet))
	op.Responses["200"] = &huma.Response{Description: "A stream without end", Content: map[string]*huma.MediaType{
		"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}, Examples: examples{"one event": must(json.Marshal(sample))}.wrap()},
	}}
	d.fails(op, errParameter, errLogCursor, events.ErrReset)
	return op
}
