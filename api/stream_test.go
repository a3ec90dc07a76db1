package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"onsight/api"
)

// stream is an open stream of events.
type stream struct {
	resp *http.Response
	in   *bufio.Scanner
	id   string // the newest that was read
	stop context.CancelFunc
}

// stream opens one. header is the Last-Event-ID; "" is none.
func (b *book) stream(t testing.TB, url, query, header string) *stream {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	req, err := http.NewRequestWithContext(ctx, "GET", url+"/v1/events/stream"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != "" {
		req.Header.Set("Last-Event-ID", header)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%s: %d %v", query, resp.StatusCode, resp.Header)
	}
	s := &stream{resp: resp, in: bufio.NewScanner(resp.Body), stop: stop}
	s.in.Buffer(nil, 1<<20)
	return s
}

// step reads to the next empty line. data is "" of a sign of life; ok is false at the end.
func (s *stream) step() (data string, ok bool) {
	for s.in.Scan() {
		line := s.in.Text()
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "":
			return data, true
		case name == "id":
			s.id = value
		case name == "data":
			data = value + "\n"
		}
	}
	return "", false
}

// next reads the next event.
func (s *stream) next(t testing.TB) string {
	t.Helper()
	for {
		data, ok := s.step()
		if !ok {
			t.Fatalf("the stream ended: %v", s.in.Err())
		}
		if data != "" {
			var v struct{ Cursor string }
			if err := json.Unmarshal([]byte(data), &v); err != nil || v.Cursor != s.id {
				t.Fatalf("id %s of %s, error %v", s.id, data, err)
			}
			return data
		}
	}
}

// TestStream reads a stream from each place it may begin at.
func TestStream(t *testing.T) {
	t.Parallel()
	b := fullBook(t)
	cfg := b.config()
	cfg.Heartbeat = 20 * time.Millisecond
	s := serve(t, cfg)
	past := b.lines(t)
	n := len(past)
	type open struct {
		query, header string
		from          int
	}
	streams := map[open]*stream{}
	for _, o := range []open{
		{"", "", n}, {"?after=now", "", n}, {"?after=start", "", 0}, {"?after=" + b.cursor(3), "", 3}, {"?after=start", b.cursor(5), 5}, {"?after=now", b.cursor(1), 1},
	} {
		streams[o] = b.stream(t, s.url, o.query, o.header)
		if _, ok := streams[o].step(); !ok || streams[o].id != b.cursor(uint64(o.from)) { // it is there
			t.Fatalf("%+v begins with %s", o, streams[o].id)
		}
	}
	b.commit(t, 2, 3)
	b.happen(t)
	all := b.lines(t)
	for o, st := range streams {
		for i, want := range all[o.from:] {
			if got := st.next(t); got != want {
				t.Fatalf("%+v: entry %d: got %s, want %s", o, o.from+i+1, got, want)
			}
		}
	}

	// One who wants only what does not come is moved on all the same.
	st := b.stream(t, s.url, "?after=start&kind=transfer", "")
	for st.id != b.cursor(uint64(len(all))) {
		if data, ok := st.step(); !ok || data != "" {
			t.Fatalf("got %q, %t", data, ok)
		}
	}
	if got := s.send(t, "HEAD", "/v1/events/stream", "", nil); got.status != 200 || got.header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD: %d %v", got.status, got.header)
	}
}

// TestStreamResumed cuts streams off a hundred times, wherever they are, while the log grows and blocks are taken back: a
// consumer that goes on where it was sees every entry once, in order.
func TestStreamResumed(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	cfg := b.config()
	cfg.Heartbeat = 5 * time.Millisecond
	s := serve(t, cfg)
	rng := rand.New(rand.NewPCG(3, 4))
	var got []string
	at := "" // the newest id that was seen
	for range 100 {
		st := b.stream(t, s.url, "?after=start", at)
		b.commit(t, rng.IntN(3), 2+rng.IntN(3))
		if rng.IntN(3) == 0 {
			b.happen(t)
		}
		for range rng.IntN(9) {
			data, ok := st.step()
			if !ok {
				t.Fatal(st.in.Err())
			}
			if data != "" {
				got = append(got, data)
			}
		}
		if st.id != "" {
			at = st.id
		}
		st.stop()
	}
	want := b.lines(t)
	st := b.stream(t, s.url, "", at)
	for len(got) < len(want) {
		got = append(got, st.next(t))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestStreamTimeouts outlives the timeouts of the http.Server, which are those of requests.
func TestStreamTimeouts(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	cfg := b.config()
	cfg.Heartbeat = 20 * time.Millisecond
	site := api.New(cfg)
	server := httptest.NewUnstartedServer(site.Handler())
	server.Config.ReadTimeout, server.Config.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond
	server.Config.RegisterOnShutdown(site.EndStreams)
	server.Start()
	t.Cleanup(server.Close)
	st := b.stream(t, server.URL, "", "")
	began := time.Now()
	for time.Since(began) < 300*time.Millisecond {
		if _, ok := st.step(); !ok {
			t.Fatalf("it ended after %v: %v", time.Since(began), st.in.Err())
		}
	}
	// Who shuts down does not wait for it, and it ends like any reply.
	if err := server.Config.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	for ok := true; ok; {
		_, ok = st.step()
	}
	if err := st.in.Err(); err != nil {
		t.Errorf("the stream ended with %v", err)
	}
}

// TestStreamNotRead has a client that does not read: it is cut off, and when it comes again it has missed nothing.
func TestStreamNotRead(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	b.commit(t, 0, 1000)
	cfg := b.config()
	cfg.Patience = 50 * time.Millisecond
	site := api.New(cfg)
	server := httptest.NewServer(site.Handler())
	t.Cleanup(server.Close)
	// A pipe holds nothing, where sockets hold as much as their kernel likes.
	conn, other := net.Pipe()
	defer conn.Close()
	piped := &http.Server{Handler: site.Handler()}
	defer piped.Close()
	go piped.Serve(&oneListener{conn: other, closed: make(chan struct{})})
	fmt.Fprintf(conn, "GET /v1/events/stream?after=start HTTP/1.0\r\n\r\n")
	head := make([]byte, 100_000)
	if _, err := io.ReadFull(conn, head); err != nil {
		t.Fatal(err)
	}
	wait(t, func() bool { return site.Health().Streams == 0 })
	rest, _ := io.ReadAll(conn) // what had been written: it may end with an error
	rest = append(head, rest...)
	var got []string
	at := ""
	for event := range strings.SplitSeq(string(rest[:max(0, bytes.LastIndex(rest, []byte("\n\n")))]), "\n\n") { // whole ones
		id, data, ok := strings.Cut(event, "\ndata: ")
		if _, id, _ = strings.Cut(id, "id: "); id != "" {
			at = id
		}
		if ok {
			got = append(got, data+"\n")
		}
	}
	want := b.lines(t)
	if len(got) == 0 || len(got) >= len(want) {
		t.Fatalf("got %d of %d entries before it was cut off", len(got), len(want))
	}
	st := b.stream(t, server.URL, "?after=start", at)
	for len(got) < len(want) {
		got = append(got, st.next(t))
	}
	if !slices.Equal(got, want) {
		t.Errorf("-want +got:\n%s", cmp.Diff(want, got))
	}
}

// oneListener gives one connection.
type oneListener struct {
	conn   net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *oneListener) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *oneListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// wait asks until something is so.
func wait(t *testing.T, so func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(30 * time.Second)
	for !so() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("it did not come to that within 30 seconds")
		}
	}
}

// TestStreamLimits holds as many streams as are allowed, beside the requests.
func TestStreamLimits(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	cfg := b.config()
	cfg.Limits = api.Limits{Concurrent: 1, Total: 1, Streams: 3, ClientStreams: 2, Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	site := api.New(cfg)
	server := httptest.NewServer(site.Handler())
	t.Cleanup(server.Close)
	ask := func(client, path string) (int, string, func()) {
		ctx, stop := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, "GET", server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Forwarded-For", client)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var p Problem
		if resp.StatusCode >= 400 {
			if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || resp.Header.Get("Retry-After") == "" {
				t.Errorf("%v, %v", err, resp.Header)
			}
		}
		return resp.StatusCode, string(p.Code), func() { stop(); resp.Body.Close() }
	}
	const path = "/v1/events/stream"
	_, _, leave := ask("192.0.2.1", path)
	_, _, leave2 := ask("192.0.2.1", path)
	defer leave2()
	if status, code, _ := ask("192.0.2.1", path); status != 429 || code != "too_many_at_once" {
		t.Errorf("a third one of a client: %d %s", status, code)
	}
	_, _, leave3 := ask("2001:db8::1", path)
	defer leave3()
	if status, code, _ := ask("192.0.2.2", path); status != 503 || code != "busy" {
		t.Errorf("a fourth one of all: %d %s", status, code)
	}
	if status, _, done := ask("192.0.2.1", "/v1/reorgs"); status != 200 {
		t.Errorf("a request beside streams: %d", status)
	} else {
		done()
	}
	if h := site.Health(); h.Streams != 3 {
		t.Errorf("%d streams", h.Streams)
	}
	leave()
	wait(t, func() bool { return site.Health().Streams == 2 })
	if status, _, done := ask("192.0.2.2", path); status != 200 {
		t.Errorf("after one ended: %d", status)
	} else {
		done()
	}
	wait(t, func() bool { return site.Health().Running == 0 })
}

// TestStreamHead asks for the header of a stream as a client that is held to limits: the reply ends, and holds no stream.
func TestStreamHead(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	cfg := b.config()
	cfg.Limits = api.Limits{Rate: 1, Burst: 9, ClientStreams: 1, Proxies: loopback}
	site := api.New(cfg)
	server := httptest.NewServer(site.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(site.EndStreams)
	for _, client := range []string{"", "192.0.2.1"} {
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
		defer stop()
		req, err := http.NewRequestWithContext(ctx, "HEAD", server.URL+"/v1/events/stream", nil)
		if err != nil {
			t.Fatal(err)
		}
		if client != "" {
			req.Header.Set("X-Forwarded-For", client)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatalf("client %q: %v", client, err)
		}
		resp.Body.Close()
		wait(t, func() bool { return site.Health().Running == 0 })
		if n := site.Health().Streams; resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" || n > 0 {
			t.Errorf("client %q: %d %v, %d streams", client, resp.StatusCode, resp.Header, n)
		}
	}
}

// TestStreamCharged has a client catch up over a stream: that counts against it as pages do, the stream waits while the client is in
// debt, and goes on without a gap.
func TestStreamCharged(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	b.commit(t, 0, 3000)
	cfg := b.config()
	cfg.Heartbeat = 5 * time.Millisecond
	cfg.Limits = api.Limits{Rate: 1, Burst: 10, Proxies: loopback}
	var clock atomic.Int64
	cfg.Now = func() time.Time { return now.Add(time.Duration(clock.Load())) }
	site := api.New(cfg)
	server := httptest.NewServer(site.Handler())
	t.Cleanup(server.CloseClientConnections)
	ask := func(path string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Forwarded-For", "192.0.2.1")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	resp := ask("/v1/events/stream?after=start")
	st := &stream{resp: resp, in: bufio.NewScanner(resp.Body)}
	want := b.lines(t)
	var got []string
	pause := func() { // reads until nothing but signs of life comes
		for quiet := 0; quiet < 5; {
			data, ok := st.step()
			if !ok {
				t.Fatalf("the stream ended: %v", st.in.Err())
			}
			if quiet++; data != "" {
				got, quiet = append(got, data), 0
			}
		}
	}
	pause()
	if len(got) == 0 || len(got) > 1500 {
		t.Errorf("%d of %d entries came for a burst of 10 requests", len(got), len(want))
	}
	if resp := ask("/v1/status"); resp.StatusCode != 429 {
		t.Errorf("a request beside a stream in debt: %d", resp.StatusCode)
	}
	for i := 0; len(got) < len(want) && i < 1000; i++ {
		clock.Add(int64(5 * time.Second))
		before := len(got)
		pause()
		if n := len(got) - before; n > 1500 {
			t.Fatalf("%d entries came in 5 seconds of 1 request each", n)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("-want +got:\n%s", cmp.Diff(want, got))
	}
	// What comes by and by is as before, also for a client that was forgotten meanwhile.
	clock.Add(int64(24 * time.Hour))
	b.commit(t, 0, 3)
	for _, want := range b.lines(t)[len(want):] {
		if got := st.next(t); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
