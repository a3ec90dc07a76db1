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
	if client.IsLoopback() && !proxied { // this machine's own
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
		c.inside, c.visitor = false, nil
	}
	return func() { c.holders.leave(client) }, nil
}

// EndStreams ends all streams, and those to come: an http.Server that shuts down would wait for them. Clients come back.
func (s *Server) EndStreams() { s.closing.Do(func() { close(s.closed) }) }

// headWriter marks a request of which only the header of the reply is wanted.
type headWriter struct{ http.ResponseWriter }

func (w headWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

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
	leave, err := c.hold()
	if err != nil {
		return err
	}
	defer leave()
	// A stream outlives snapshots.
	c.snap, c.frame = nil, emptyFrame

	h := c.gin.Writer.Header()
	h["Content-Type"], h["Cache-Control"] = streamType, noStore
	h.Set("X-Accel-Buffering", "no") // nginx would else collect it
	c.gin.Writer.WriteHeader(http.StatusOK)
	w := c.gin.Writer.(interface{ Unwrap() http.ResponseWriter }).Unwrap()
	if _, head := w.(headWriter); head {
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

// follow writes what is in the log behind a cursor, and then what is appended, until somebody ends it.
func (s *Server) follow(ctx context.Context, out *streamWriter, at events.Cursor, kinds events.Kinds) error {
	if err := out.send("retry: 2000\nid: " + at.String() + "\n\n"); err != nil {
		return err
	}
	tick := time.NewTicker(s.cfg.Heartbeat)
	defer tick.Stop()
	for {
		_, grown := s.cfg.Events.Head() // before reading, so that nothing comes between
		network := s.cfg.Snapshot().State().Network
		p, err := s.logPage(ctx, at, kinds, streamPage, network)
		if err != nil {
			return err
		}
		at.Seq = max(at.Seq, p.Next)
		if err := out.entries(&p, network); err != nil {
			return err
		}
		if p.Next < p.Head {
			select {
			case <-s.closed:
				return nil
			default:
				continue
			}
		}
		select {
		case <-grown:
		case <-tick.C:
			// An id of its own moves a client on over entries that it does not want.
			if err := out.send(":\nid: " + at.String() + "\n\n"); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-s.closed:
			return nil
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
