// Package gate holds connections from the open internet to limits before anything is read from them, and to making progress
// while they are written to.
//
// A connection waits while nothing of it is being answered: before its first request, while a header comes in, and between two
// requests. That costs a stranger nothing, so whoever waits is the first to go: when a client has as many connections as it
// may, its own longest waiting one is closed for a new one, and when there are as many as there may be in all, the longest
// waiting of all. So any number of idle connections keep nobody out. A new connection is only refused when none waits.
//
// A handler that wants nothing more of a request sets a read deadline that is over. When the server closes such a connection, the
// reply ends, and what the client still sends is thrown away for a moment before the connection goes: what arrives at one that is gone is
// answered by a reset, which may take the reply with it. Meanwhile the connection waits like others, and goes for whoever comes.
//
// How long a reply may take is not bounded, since a whole registry over a slow line takes its time, but the client has to
// read it: what it is sent in one piece must be gone within Limits.Stall.
package gate

import (
	"container/list"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Limits bound connections. The zero Limits bound nothing but how long a reader may stand still.
type Limits struct {
	Client int            // connections of one client (see Client); 0: any number
	Total  int            // of all clients; 0: any number
	Free   []netip.Prefix // whose connections are not counted by client: proxies, and this machine
	Stall  time.Duration  // how long a client may take to read what is written in one piece; 0: DefaultStall
}

// DefaultStall is Limits.Stall where none is given. With pieces of 128 KiB it asks for 13 kB a second.
const DefaultStall = 10 * time.Second

const (
	piece = 128 << 10
	// sendBuffer is how much the kernel may hold of a connection (it takes that twice). Left to itself it takes four
	// megabytes, and a client that reads nothing could have that for each of its connections.
	sendBuffer = 256 << 10
	// How long and how much of what nobody wants is read before a connection is closed: as long as net/http waits where it
	// closes early (rstAvoidanceDelay in net/http/server.go), and as much as it reads after a handler (maxPostHandlerReadBytes).
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 256 << 10
)

// Stats are figures of a gate.
type Stats struct {
	Open    int // connections
	Waiting int // of these
	Clients int // that have them, without those that are Free

	Accepted      uint64 // since the gate was opened
	Displaced     uint64 // waiting ones that were closed for new ones
	RefusedClient uint64 // new ones, since their client had too many that did not wait
	RefusedTotal  uint64 // new ones, since there were too many that did not wait
	Stalled       uint64 // writes that were given up, since the client did not read
}

// Gate is a listener that limits. Use Open, and Server for what serves on it.
type Gate struct {
	net.Listener
	limits  Limits
	stalled atomic.Uint64
	waiting atomic.Int64
	closed  atomic.Bool

	mu      sync.Mutex // guards what follows, and the places of connections
	clients map[netip.Addr]*list.List
	all     list.List // of *conn: those that wait from the longest waiting on, with others among them
	stats   Stats     // those that are counted here
}

// Open returns a gate before a listener, which closing it closes.
func Open(l net.Listener, limits Limits) *Gate {
	if limits.Stall == 0 {
		limits.Stall = DefaultStall
	}
	return &Gate{Listener: l, limits: limits, clients: map[netip.Addr]*list.List{}}
}

// Close closes the listener. Connections go without delay from then on.
func (g *Gate) Close() error {
	g.closed.Store(true)
	return g.Listener.Close()
}

// Client returns the address by which a client is known: an IPv4 address, or the first of an IPv6 /64, which is what one
// customer has. The zero Addr stays what it is.
func Client(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		panic("gate: internal error: " + err.Error())
	}
	return p.Addr()
}

// Accept returns the next connection that may come in.
func (g *Gate) Accept() (net.Conn, error) {
	for {
		raw, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if tcp, ok := raw.(*net.TCPConn); ok {
			_ = tcp.SetWriteBuffer(sendBuffer) // fails only for a connection that is gone
		}
		c := &conn{Conn: raw, gate: g}
		displaced, ok := g.enter(c)
		if displaced != nil {
			displaced.end()
		}
		if ok {
			return c, nil
		}
		c.end()
	}
}

// enter takes a connection in, and returns one that has to go for it.
func (g *Gate) enter(c *conn) (displaced *conn, ok bool) {
	counted := g.limits.Client > 0
	var from netip.Addr
	if at, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		from = at.AddrPort().Addr().Unmap().WithZone("")
	}
	for _, p := range g.limits.Free {
		counted = counted && !p.Contains(from)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if counted {
		c.client = Client(from)
		if own := g.clients[c.client]; own != nil && own.Len() >= g.limits.Client {
			if displaced = longest(own); displaced == nil {
				g.stats.RefusedClient++
				return nil, false
			}
		}
	}
	if displaced == nil && g.limits.Total > 0 && g.all.Len() >= g.limits.Total {
		if displaced = longest(&g.all); displaced == nil {
			g.stats.RefusedTotal++
			return nil, false
		}
	}
	if displaced != nil {
		g.leave(displaced)
		g.stats.Displaced++
	}
	if counted {
		own := g.clients[c.client]
		if own == nil {
			own = list.New()
			g.clients[c.client] = own
		}
		c.among = own.PushBack(c)
	}
	c.place = g.all.PushBack(c)
	g.stats.Accepted++
	g.waiting.Add(1)
	return displaced, true
}

// longest returns the longest waiting connection of a list, nil if none waits. Those that it meets and that do not are moved
// out of the way of the next search: they will be at the end once they wait again. The lock is held.
func longest(of *list.List) *conn {
	for range of.Len() {
		e := of.Front()
		c, ok := e.Value.(*conn)
		if !ok {
			panic("gate: internal error: something else than a connection")
		}
		if !c.busy.Load() {
			return c
		}
		of.MoveToBack(e)
	}
	return nil
}

// leave takes a connection out, if it is in. The lock is held.
func (g *Gate) leave(c *conn) {
	if c.place == nil {
		return
	}
	g.all.Remove(c.place)
	c.place = nil
	if c.among != nil {
		own := g.clients[c.client]
		own.Remove(c.among)
		if own.Len() == 0 {
			delete(g.clients, c.client)
		}
	}
	if !c.busy.Swap(true) { // it waits no more, whatever is said of it from now on
		g.waiting.Add(-1)
	}
}

// Stats returns the figures of this moment.
func (g *Gate) Stats() Stats {
	g.mu.Lock()
	s := g.stats
	s.Open, s.Clients = g.all.Len(), len(g.clients)
	g.mu.Unlock()
	s.Waiting, s.Stalled = int(max(0, g.waiting.Load())), g.stalled.Load()
	return s
}

// conn is one connection.
type conn struct {
	net.Conn
	gate         *Gate
	client       netip.Addr
	place, among *list.Element // in the lists of all and of its client; nil: it is in none. The gate's lock guards them
	busy         atomic.Bool   // something of it is being answered, or it has left
	asked        atomic.Bool   // something of it was answered
	unread       atomic.Bool   // nobody wants what more comes
	due          atomic.Int64  // by when the handler wants to have written, in nanoseconds; 0: it did not say
}

// changed follows what the server says of its connections.
func (g *Gate) changed(nc net.Conn, state http.ConnState) {
	c, ok := nc.(*conn)
	if !ok {
		return
	}
	switch state {
	case http.StateActive:
		c.asked.Store(true)
		if !c.busy.Swap(true) {
			g.waiting.Add(-1)
		}
	case http.StateIdle:
		c.due.Store(0) // was of the request that is over
		g.mu.Lock()
		defer g.mu.Unlock()
		if c.place == nil {
			return
		}
		g.all.MoveToBack(c.place)
		if c.among != nil {
			g.clients[c.client].MoveToBack(c.among)
		}
		if c.busy.Swap(false) {
			g.waiting.Add(1)
		}
	}
}

// end ends a connection that was displaced or refused. Who never asked is owed nothing, and the kernel need not remember it;
// a reply may still be on its way to another.
func (c *conn) end() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok && !c.asked.Load() {
		_ = tcp.SetLinger(0)
	}
	_ = c.Conn.Close() // there is nobody to tell
}

// Close closes the connection and makes room.
func (c *conn) Close() error {
	if c.unread.Swap(false) {
		c.linger()
	}
	c.gate.mu.Lock()
	c.gate.leave(c)
	c.gate.mu.Unlock()
	return c.Conn.Close()
}

// linger ends what is sent, and throws away what comes until the client has seen that. Closing the connection meanwhile ends it.
func (c *conn) linger() {
	tcp, ok := c.Conn.(*net.TCPConn)
	if !ok || c.gate.closed.Load() {
		return
	}
	c.gate.changed(c, http.StateIdle) // before the client can know
	if tcp.CloseWrite() == nil && tcp.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.CopyN(io.Discard, tcp, lingerBytes) // that it fails is how it should end
	}
}

// CloseWrite is how net/http begins to close a connection early: it sleeps after that, for a moment.
func (c *conn) CloseWrite() error {
	c.unread.Store(false)
	c.linger()
	return nil
}

// SetReadDeadline sets by when the next bytes must be here.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.unread.Store(!t.IsZero() && t.Before(time.Now()))
	return c.Conn.SetReadDeadline(t)
}

// Write writes all of b as long as the client reads. A deadline that the handler set holds as well.
func (c *conn) Write(b []byte) (n int, err error) {
	for {
		by := time.Now().Add(c.gate.limits.Stall)
		due := c.due.Load()
		if own := time.Unix(0, due); due != 0 && own.Before(by) {
			by = own
		}
		if err := c.Conn.SetWriteDeadline(by); err != nil {
			return n, err
		}
		m, err := c.Conn.Write(b[:min(len(b), piece)])
		n, b = n+m, b[m:]
		if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
			c.gate.stalled.Add(1)
		}
		if err != nil || len(b) == 0 {
			return n, err
		}
	}
}

// SetWriteDeadline sets by when the handler wants to have written; the zero time takes that back. One that is set while
// another goroutine writes may count only from its next piece on.
func (c *conn) SetWriteDeadline(t time.Time) error {
	if t.IsZero() {
		c.due.Store(0)
		return nil
	}
	c.due.Store(t.UnixNano())
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline sets both deadlines.
func (c *conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}
