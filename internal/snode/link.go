package snode

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

const (
	// maxOnion bounds an answer to an onion request: 7,800,000 bytes of messages are the most a server gives at once
	// (messaging.md C.5), in base64 twice.
	maxOnion = 16 << 20
	maxIdle  = 4                // connections of a link that wait for work
	idleTime = 90 * time.Second // official servers close them later
)

// Link posts onion requests to one server, a client's guard, over connections that stay open between requests, since making one takes
// longer than a request. Its exported fields are not changed after first use. It may be used by many goroutines at once; nothing runs
// between requests. Close it.
type Link struct {
	Client *Client // how to connect, and for how long; its MaxReply does not count here
	At     netip.AddrPort

	mu     sync.Mutex // guards what follows
	idle   []idle
	closed bool
}

// idle is a connection that waits for work.
type idle struct {
	*line
	since time.Time
}

// line is an open connection.
type line struct {
	raw  io.Closer
	conn *tls.Conn
	in   *bufio.Reader
	left *io.LimitedReader
}

// ErrLinkClosed is returned by Onion after Close.
var ErrLinkClosed = errors.New("link is closed")

// ConnectError means that a server could not be reached at all, so that it has not seen the request.
type ConnectError struct{ Err error }

func (e *ConnectError) Error() string { return e.Err.Error() }

// Unwrap returns what the network said.
func (e *ConnectError) Unwrap() error { return e.Err }

// Onion posts a request and returns the status and the body of the answer, whatever the status: that of one that is not 200 says which
// hop failed, in the words of nobody knows whom. begins, if not nil, is called when the answer begins to come. The error is a *ConnectError, or wraps ErrAnswer, ErrTooLarge, ErrLinkClosed or what the
// network said; it is the context's own when that ended.
func (l *Link) Onion(ctx context.Context, request []byte, begins func()) (status int, body []byte, err error) {
	end := time.Now().Add(l.Client.timeout())
	for {
		c, used, err := l.take(ctx, end)
		if err != nil {
			return 0, nil, err
		}
		status, body, answered, err := c.ask(ctx, l.At, request, end, begins)
		if err == nil {
			l.give(c)
			return status, body, nil
		}
		_ = c.raw.Close() // of no use after any failure
		// A server may close what is idle at any time. A fresh connection tells whether it is more than that.
		if used && !answered && ctx.Err() == nil && time.Now().Before(end) {
			continue
		}
		return 0, nil, fmt.Errorf("onion request: %w", cause(ctx, err))
	}
}

// take returns a connection that waits, or a new one.
func (l *Link) take(ctx context.Context, end time.Time) (c *line, used bool, err error) {
	l.mu.Lock()
	closed := l.closed
	for len(l.idle) > 0 && c == nil {
		last := l.idle[len(l.idle)-1]
		l.idle = l.idle[:len(l.idle)-1]
		if time.Since(last.since) < idleTime {
			c = last.line
		} else {
			_ = last.raw.Close()
		}
	}
	l.mu.Unlock()
	if closed {
		return nil, false, ErrLinkClosed
	}
	if c != nil {
		return c, true, nil
	}
	raw, err := l.Client.dial(ctx, l.At, end)
	if err != nil {
		return nil, false, &ConnectError{fmt.Errorf("connect: %w", err)}
	}
	if err = raw.SetDeadline(end); err == nil {
		stop := interrupt(ctx, raw)
		conn := tls.Client(raw, TLSConfig())
		err = conn.Handshake()
		stop()
		if err == nil {
			left := &io.LimitedReader{R: conn}
			return &line{raw, conn, bufio.NewReaderSize(left, 4<<10), left}, false, nil
		}
	}
	_ = raw.Close()
	return nil, false, &ConnectError{fmt.Errorf("TLS: %w", cause(ctx, err))}
}

// give keeps a connection for later.
func (l *Link) give(c *line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.idle) >= maxIdle || c.in == nil {
		_ = c.raw.Close()
		return
	}
	l.idle = append(l.idle, idle{c, time.Now()})
}

// Close closes what waits. Requests under way end as they would, and their connections with them.
func (l *Link) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	var errs []error
	for _, i := range l.idle {
		errs = append(errs, i.raw.Close())
	}
	l.idle = nil
	return errors.Join(errs...)
}

// ask sends one request. answered tells whether a part of an answer came.
func (c *line) ask(ctx context.Context, at netip.AddrPort, request []byte, end time.Time, begins func()) (status int, body []byte, answered bool, err error) {
	if err := c.conn.SetDeadline(end); err != nil {
		return 0, nil, false, err
	}
	defer interrupt(ctx, c.conn.NetConn())()
	head := "POST /onion_req/v2 HTTP/1.1\r\nHost: " + at.String() + "\r\nContent-Length: " + strconv.Itoa(len(request)) + "\r\n\r\n"
	// One write: the head is no packet of its own.
	if _, err := c.conn.Write(append([]byte(head), request...)); err != nil {
		return 0, nil, false, err
	}
	c.left.N = maxOnion
	if _, err := c.in.Peek(1); err != nil {
		return 0, nil, false, err
	}
	if begins != nil {
		begins()
	}
	reply, err := http.ReadResponse(c.in, &http.Request{Method: http.MethodPost})
	if err != nil {
		return 0, nil, true, c.failed(err)
	}
	defer reply.Body.Close()
	if body, err = io.ReadAll(reply.Body); err != nil {
		return 0, nil, true, c.failed(err)
	}
	if reply.Close || c.in.Buffered() > 0 {
		c.in = nil // not to be used again
	}
	return reply.StatusCode, body, true, nil
}

func (c *line) failed(err error) error {
	if c.left.N <= 0 {
		return ErrTooLarge
	}
	return wireError(err)
}
