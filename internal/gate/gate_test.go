package gate

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// from is a connection that nothing is sent over, from an address.
type from struct {
	net.Conn
	at netip.AddrPort
}

func (f from) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(f.at) }
func (f from) Close() error         { return nil }

func address(client byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, client}) }

// TestGate compares a gate with a model: a list of connections in the order in which they began to wait.
func TestGate(t *testing.T) {
	t.Parallel()
	type modelled struct {
		c      *conn
		client byte
		busy   bool
	}
	rapid.Check(t, func(t *rapid.T) {
		const free = 4 // this client is not counted
		limits := Limits{
			Client: rapid.IntRange(0, 3).Draw(t, "client"), Total: rapid.IntRange(0, 8).Draw(t, "total"),
			Free: []netip.Prefix{netip.PrefixFrom(address(free), 32)},
		}
		g := Open(nil, limits)
		var model []*modelled
		want := Stats{}
		drop := func(i int) { model = append(model[:i:i], model[i+1:]...) }
		pick := func() int { return rapid.IntRange(0, len(model)-1).Draw(t, "which") }
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			step := rapid.SampledFrom([]string{"enter", "enter", "enter", "ask", "answered", "close"}).Draw(t, "step")
			if step != "enter" && len(model) == 0 {
				continue
			}
			switch step {
			case "ask":
				m := model[pick()]
				m.busy = true
				g.changed(m.c, http.StateActive)
			case "answered":
				i := pick()
				m := model[i]
				if m.busy {
					m.busy = false
					drop(i)
					model = append(model, m)
					g.changed(m.c, http.StateIdle)
				}
			case "close":
				i := pick()
				c := model[i].c
				drop(i)
				for range 2 { // as net/http may
					if err := c.Close(); err != nil {
						t.Fatal(err)
					}
				}
				g.changed(c, http.StateIdle) // too late
			case "enter":
				client := rapid.ByteRange(1, 4).Draw(t, "from")
				own, oldest, oldestOwn := 0, -1, -1
				for i, m := range model {
					if !m.busy && oldest < 0 {
						oldest = i
					}
					if m.client == client {
						own++
						if !m.busy && oldestOwn < 0 {
							oldestOwn = i
						}
					}
				}
				out := -1
				refused := false
				switch {
				case limits.Client > 0 && client != free && own >= limits.Client:
					if out, refused = oldestOwn, oldestOwn < 0; refused {
						want.RefusedClient++
					}
				case limits.Total > 0 && len(model) >= limits.Total:
					if out, refused = oldest, oldest < 0; refused {
						want.RefusedTotal++
					}
				}
				c := &conn{Conn: from{at: netip.AddrPortFrom(address(client), 1)}, gate: g}
				displaced, ok := g.enter(c)
				var expected *conn
				if out >= 0 {
					expected = model[out].c
					drop(out)
					want.Displaced++
				}
				if ok == refused || displaced != expected {
					t.Fatalf("a connection of %d: got in %v, displacing %p, want %v, %p", client, ok, displaced, !refused, expected)
				}
				if ok {
					model = append(model, &modelled{c: c, client: client})
					want.Accepted++
				}
			}
			want.Open, want.Waiting = len(model), 0
			clients := map[byte]bool{}
			for _, m := range model {
				if !m.busy {
					want.Waiting++
				}
				if limits.Client > 0 && m.client != free {
					clients[m.client] = true
				}
			}
			want.Clients = len(clients)
			if diff := cmp.Diff(want, g.Stats()); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
		}
	})
}

func TestClient(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "2001:db8:1:2::": "2001:db8:1:2::", "::1": "::",
		"fe80::1%eth0": "fe80::",
	} {
		if got := Client(netip.MustParseAddr(in)).String(); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	if got := Client(netip.Addr{}); got.IsValid() {
		t.Errorf("nobody: got %s", got)
	}
}

// serve serves a handler behind a gate on loopback.
func serve(t *testing.T, limits Limits, h http.HandlerFunc) (*Gate, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := Open(l, limits)
	server := g.Server(h)
	done := make(chan error, 1)
	go func() { done <- server.Serve(g) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return g, l.Addr().String()
}

// dial connects from an address of this machine.
func dial(t *testing.T, from, to string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.DialContext(t.Context(), "tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return c
}

// ask sends a request and returns the reply's status; 0 if the connection was closed.
func ask(c net.Conn, request string) int {
	_, _ = io.WriteString(c, request) // what comes back tells
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0
	}
	return res.StatusCode
}

const plain = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

// TestIdle fills a server with connections that ask nothing. A client that comes then is answered, and so is one more of the
// client that has them all.
func TestIdle(t *testing.T) {
	t.Parallel()
	g, at := serve(t, Limits{Client: 8, Total: 12}, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "here") })
	var idle []net.Conn
	for i := range 40 {
		idle = append(idle, dial(t, fmt.Sprintf("127.0.0.%d", 2+i/10), at))
	}
	if got := ask(dial(t, "127.0.0.9", at), plain); got != http.StatusOK {
		t.Errorf("a stranger: got %d", got)
	}
	if got := ask(dial(t, "127.0.0.5", at), plain); got != http.StatusOK {
		t.Errorf("who has too many: got %d", got)
	}
	if got := ask(idle[0], plain); got != 0 {
		t.Errorf("the longest waiting connection: got %d, want none", got)
	}
	if got := ask(idle[39], plain); got != http.StatusOK {
		t.Errorf("the newest of many: got %d", got)
	}
	if s := g.Stats(); s.Open > 12 || s.Accepted != 42 || s.Displaced != 30 || s.RefusedClient+s.RefusedTotal != 0 {
		t.Errorf("got %+v", s)
	}
}

// TestBusy holds that what is being answered is not closed for others: those are refused.
func TestBusy(t *testing.T) {
	t.Parallel()
	began, finish := make(chan bool, 2), make(chan bool)
	g, at := serve(t, Limits{Client: 2}, func(http.ResponseWriter, *http.Request) {
		began <- true
		<-finish
	})
	a, b := dial(t, "127.0.0.2", at), dial(t, "127.0.0.2", at)
	for _, c := range []net.Conn{a, b} {
		if _, err := io.WriteString(c, plain); err != nil {
			t.Fatal(err)
		}
		<-began
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.0.2")}}
	if third, err := d.DialContext(t.Context(), "tcp", at); err == nil { // else it was closed before it was told of
		defer third.Close()
		if err := third.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if got := ask(third, plain); got != 0 {
			t.Errorf("a third: got %d, want it closed", got)
		}
	}
	if s := g.Stats(); s.Waiting != 0 || s.Open != 2 || s.RefusedClient != 1 {
		t.Errorf("got %+v", s)
	}
	close(finish)
	for _, c := range []net.Conn{a, b} {
		if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("what was being answered: %v, %v", res, err)
		}
	}
}

// TestHeaders sends headers that are too long, in one line and in many.
func TestHeaders(t *testing.T) {
	t.Parallel()
	_, at := serve(t, Limits{}, func(http.ResponseWriter, *http.Request) { t.Error("the handler was asked") })
	for _, h := range []string{"X: " + strings.Repeat("x", 1<<20), strings.Repeat("X: y\r\n", 4096), strings.Repeat("x", 20<<10)} {
		// Sending may fail, and the reply be lost for that: what counts is that none is another one.
		if got := ask(dial(t, "127.0.0.1", at), "GET / HTTP/1.1\r\nHost: x\r\n"+h+"\r\n\r\n"); got != 0 && got != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("a header of %d bytes: got %d", len(h), got)
		}
	}
}

// TestStall asks for more than all buffers hold, and reads nothing of it.
func TestStall(t *testing.T) {
	t.Parallel()
	wrote := make(chan error, 1)
	g, at := serve(t, Limits{Stall: 50 * time.Millisecond}, func(w http.ResponseWriter, _ *http.Request) {
		var err error
		for range 1024 {
			if _, err = w.Write(make([]byte, 1<<20)); err != nil {
				break
			}
		}
		wrote <- err
	})
	c := dial(t, "127.0.0.1", at)
	if _, err := io.WriteString(c, plain); err != nil {
		t.Fatal(err)
	}
	if err := <-wrote; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want %v", err, os.ErrDeadlineExceeded)
	}
	if s := g.Stats(); s.Stalled != 1 {
		t.Errorf("got %+v", s)
	}
}

// TestController holds that a handler can set deadlines of its own through the server.
func TestController(t *testing.T) {
	t.Parallel()
	wrote := make(chan error, 1)
	_, at := serve(t, Limits{}, func(w http.ResponseWriter, _ *http.Request) {
		c := http.NewResponseController(w)
		err := errors.Join(c.SetReadDeadline(time.Time{}), c.SetWriteDeadline(time.Unix(1, 0)))
		if err == nil {
			_, err = w.Write(make([]byte, 1<<20))
		}
		wrote <- err
	})
	if got := ask(dial(t, "127.0.0.1", at), plain); got != 0 {
		t.Errorf("got %d, want a reply that breaks off", got)
	}
	if err := <-wrote; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want %v", err, os.ErrDeadlineExceeded)
	}
}

// TestUnread sends a body that nobody wants while the reply to it is here already. The client can send all of a short one, and
// read the reply; nobody waits for a long one, and whoever comes has the place of the connection at once.
func TestUnread(t *testing.T) {
	t.Parallel()
	g, at := serve(t, Limits{Total: 1}, func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength == 0 {
			return
		}
		w.Header().Set("Connection", "close")
		if err := http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprint(w, "too much")
	})
	begin := func(length int) (net.Conn, *bufio.Reader) {
		t.Helper()
		c := dial(t, "127.0.0.1", at)
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", length)
		in := bufio.NewReader(c)
		if _, err := in.Peek(1); err != nil {
			t.Fatal(err)
		}
		return c, in
	}
	for range 20 {
		c, in := begin(200_000)
		for range 20 {
			if _, err := c.Write(make([]byte, 10_000)); err != nil {
				t.Fatal(err)
			}
		}
		reply, err := io.ReadAll(in)
		if err != nil || !bytes.HasPrefix(reply, []byte("HTTP/1.1 429 ")) || !bytes.HasSuffix(reply, []byte("too much")) {
			t.Fatalf("%v: %q", err, reply)
		}
		c.Close()
	}
	long, _ := begin(1 << 30)
	var err error
	for range 10_000 {
		if _, err = long.Write(make([]byte, 10_000)); err != nil {
			break
		}
	}
	if err == nil {
		t.Error("took in 100 MB that nobody wants")
	}
	if _, in := begin(1 << 30); in != nil {
		if _, err := io.ReadAll(in); err != nil {
			t.Error(err)
		}
	}
	before := g.Stats().Displaced
	if got := ask(dial(t, "127.0.0.2", at), plain); got != http.StatusOK {
		t.Errorf("who comes meanwhile: got %d", got)
	}
	if s := g.Stats(); s.Displaced > before+1 || s.RefusedTotal != 0 {
		t.Errorf("got %+v", s)
	}
}

// sink takes everything in, and notes in what pieces and by when.
type sink struct {
	net.Conn
	by     []time.Time
	pieces []int
	got    bytes.Buffer
}

func (s *sink) SetWriteDeadline(t time.Time) error {
	s.by = append(s.by, t)
	return nil
}

func (s *sink) Write(b []byte) (int, error) {
	s.pieces = append(s.pieces, len(b))
	return s.got.Write(b)
}

// TestPieces holds that every piece of a long reply has the whole time, and that a handler may give less.
func TestPieces(t *testing.T) {
	t.Parallel()
	const stall = time.Hour
	g := Open(nil, Limits{Stall: stall})
	for _, n := range []int{0, 1, piece, piece + 1, 3*piece - 1} {
		s := &sink{}
		c := &conn{Conn: s, gate: g}
		body := bytes.Repeat([]byte("onsight"), n/7+1)[:n]
		before := time.Now().Add(stall)
		if got, err := c.Write(body); got != n || err != nil || !bytes.Equal(s.got.Bytes(), body) {
			t.Fatalf("%d bytes: wrote %d, %v", n, got, err)
		}
		if want := max(1, (n+piece-1)/piece); len(s.pieces) != want || len(s.by) != want {
			t.Errorf("%d bytes in %v, %d deadlines, want %d of each", n, s.pieces, len(s.by), want)
		}
		for _, by := range s.by {
			if by.Before(before) || by.After(time.Now().Add(stall)) {
				t.Errorf("%d bytes: by %v, want in an hour", n, by)
			}
			before = by
		}
	}
	s := &sink{}
	c := &conn{Conn: s, gate: g}
	own := time.Now().Add(time.Minute)
	last := func() time.Time {
		t.Helper()
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		return s.by[len(s.by)-1]
	}
	for _, c := range []struct {
		what string
		do   func() error
		own  bool
	}{
		{"set", func() error { return c.SetWriteDeadline(own) }, true},
		{"later than ours", func() error { return c.SetWriteDeadline(own.Add(2 * stall)) }, false},
		{"set again", func() error { return c.SetWriteDeadline(own) }, true},
		{"taken back", func() error { return c.SetWriteDeadline(time.Time{}) }, false},
		{"set for one request", func() error { return c.SetWriteDeadline(own) }, true},
		{"the next request", func() error { g.changed(c, http.StateIdle); return nil }, false},
	} {
		if err := c.do(); err != nil {
			t.Fatal(err)
		}
		if got := last(); got.Equal(own) != c.own {
			t.Errorf("%s: by %v, the handler's %v", c.what, got, own)
		}
	}
}

// BenchmarkEnter lets a connection into a gate that 10,000 idle ones fill.
func BenchmarkEnter(b *testing.B) {
	g := Open(nil, Limits{Client: 64, Total: 10_000})
	i := uint32(0)
	enter := func() *conn {
		i++
		c := &conn{Conn: from{at: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1)}, gate: g}
		if _, ok := g.enter(c); !ok {
			b.Fatal("refused")
		}
		return c
	}
	for range 10_000 {
		enter()
	}
	b.ReportAllocs()
	for b.Loop() {
		enter()
	}
}

// BenchmarkRequest is what a request costs at the gate: asked, written once, answered.
func BenchmarkRequest(b *testing.B) {
	g := Open(nil, Limits{Client: 64, Total: 10_000})
	c := &conn{Conn: from{at: netip.AddrPortFrom(address(1), 1), Conn: &null{}}, gate: g}
	g.enter(c)
	body := make([]byte, 700)
	b.ReportAllocs()
	for b.Loop() {
		g.changed(c, http.StateActive)
		if _, err := c.Write(body); err != nil {
			b.Fatal(err)
		}
		g.changed(c, http.StateIdle)
	}
}

// null takes everything.
type null struct{ net.Conn }

func (*null) SetWriteDeadline(time.Time) error { return nil }
func (*null) Write(b []byte) (int, error)      { return len(b), nil }
