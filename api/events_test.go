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
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"onsight/api"
	"onsight/directory"
	"onsight/indexer"
	"onsight/internal/events"
	"onsight/internal/index"
	"onsight/internal/store"
	"onsight/ons"
)

// book is a database that its test writes, and what is served from it.
type book struct {
	*store.Store
	tail  *events.Tail
	index *index.Index
	epoch uint64
	rng   *rand.Rand
	chain []indexer.Block
	nodes directory.Point
}

func newBook(t testing.TB) *book {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "ons.db"), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	b := &book{Store: db, tail: events.NewTail(db), index: index.New(db), rng: rand.New(rand.NewPCG(1, 2)), nodes: directory.Point{Height: 1}}
	if b.epoch, err = db.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.commit(t, 0, 3)
	b.round(t, directory.Round{Position: b.at()})
	return b
}

func (b *book) config() api.Config {
	cfg := config(b.index)
	cfg.Events = b.tail
	return cfg
}

// commit takes undo blocks back, and makes n with a name each. A name ends in the next block.
func (b *book) commit(t testing.TB, undo, n int) {
	t.Helper()
	r := indexer.Range{State: synced()}
	if len(b.chain) > 0 {
		b.chain = b.chain[:len(b.chain)-undo]
		base := b.chain[len(b.chain)-1].Point
		r.Base = &base
	}
	for range n {
		height := uint64(1000 + len(b.chain))
		block := indexer.Block{Point: indexer.Point{Height: height}, Time: 1_700_000_000 + int64(height)}
		for i := range block.Hash {
			block.Hash[i] = byte(b.rng.Uint32())
		}
		rec := record(byte(height))
		rec.Updated, rec.Registered, rec.Txid = height, height, block.Hash
		if height%2 == 0 {
			rec = lokinet(byte(height), height+1)
			rec.Updated, rec.Registered, rec.Txid = height, height, block.Hash
		}
		block.Records, block.Digest = []ons.Record{rec}, block.Hash
		b.chain = append(b.chain, block)
		r.Blocks = append(r.Blocks, block)
	}
	if err := b.Commit(t.Context(), b.epoch, r); err != nil {
		t.Fatal(err)
	}
	b.load(t)
}

func (b *book) at() directory.Position {
	return directory.Position{Network: ons.Fakechain, Point: b.nodes, Time: now}
}

func (b *book) round(t testing.TB, r directory.Round) {
	t.Helper()
	if err := b.CommitNodes(t.Context(), b.epoch, r); err != nil {
		t.Fatal(err)
	}
	b.load(t)
}

// happen lets something happen to a node.
func (b *book) happen(t testing.TB) {
	base := b.nodes
	b.nodes.Height++
	e := directory.Event{Height: b.nodes.Height, Time: now, Key: directory.Key{7}, Kind: directory.KindIPChanged, From: "10.0.0.1", To: "10.0.0.2"}
	b.round(t, directory.Round{Base: &base, Position: b.at(), Events: []directory.Event{e}})
}

func (b *book) load(t testing.TB) {
	t.Helper()
	if err := b.index.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.tail.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// lines is the whole log as it is served.
func (b *book) lines(t testing.TB) (all []string) {
	t.Helper()
	for after := uint64(0); ; {
		p, err := b.Events(t.Context(), after, 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range p.Entries {
			all = append(all, string(api.EventLine(p.Log, &e, ons.Fakechain)))
		}
		if after = p.Next; after == p.Head {
			return all
		}
	}
}

func (b *book) cursor(seq uint64) string {
	head, _ := b.tail.Head()
	return events.Cursor{Log: head.Log, Seq: seq}.String()
}

// full is a book with entries of all kinds.
func fullBook(t testing.TB) *book {
	b := newBook(t)
	b.commit(t, 2, 4)
	b.happen(t)
	base := b.nodes
	why := directory.Event{Height: base.Height, Key: directory.Key{7}, Kind: directory.KindDecommissioned, Reasons: []string{"uptime"}}
	b.round(t, directory.Round{Base: &base, Position: b.at(), Reasons: []directory.Event{why}})
	first := directory.Point{Height: 1}
	b.nodes.Height = 3
	b.round(t, directory.Round{Base: &first, Position: b.at()})
	b.commit(t, 1, 0)
	return b
}

// TestEvents reads the log in pages of every size, in both forms, and compares it with the database.
func TestEvents(t *testing.T) {
	t.Parallel()
	b := fullBook(t)
	s := serve(t, b.config())
	want := b.lines(t)
	schema := s.doc.Components.Schemas["LogEntry"].Value
	kinds := map[string]int{}
	for _, line := range want {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatal(err)
		}
		if err := schema.VisitJSON(v, openapi3.EnableJSONSchema2020()); err != nil {
			t.Errorf("%v in %s", err, line)
		}
		kinds[v["kind"].(string)]++
	}
	if len(kinds) != 5 { // no update, renew, transfer: those differ by a word
		t.Errorf("got kinds %v", kinds)
	}
	for _, limit := range []int{1, 3, 1000} {
		for _, accept := range []string{"", "application/json", "text/html, application/json;q=0.5"} {
			var got []string
			next := fmt.Sprintf("/v1/events?limit=%d", limit)
			for page := 0; ; page++ {
				r := s.send(t, "GET", next, "", http.Header{"Accept": {accept}})
				if r.status != 200 || r.header.Get("Vary") != "Accept" {
					t.Fatalf("%s: %d %v %s", next, r.status, r.header, r.body)
				}
				var v Log
				if r.header.Get("Onsight-Next") == "" || r.header.Get("Onsight-Head") == "" || r.header.Get("Link") == "" ||
					r.header.Get("Access-Control-Expose-Headers") != "Link, Onsight-Next, Onsight-Head" {
					t.Fatalf("Accept %q: the headers are %v", accept, r.header)
				}
				if accept == "" {
					for line := range bytes.Lines(r.body) {
						got = append(got, string(line))
					}
					v.Next, v.Head = r.header.Get("Onsight-Next"), r.header.Get("Onsight-Head")
					link := r.header.Get("Link")
					if next = strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`); !strings.Contains(link, v.Next) {
						t.Fatalf("the link is %s, next %s", link, v.Next)
					}
				} else {
					if err := json.Unmarshal(r.body, &v); err != nil {
						t.Fatal(err)
					}
					var raw struct{ Events []json.RawMessage }
					if err := json.Unmarshal(r.body, &raw); err != nil {
						t.Fatal(err)
					}
					for _, e := range raw.Events {
						got = append(got, string(e)+"\n")
					}
					next = fmt.Sprintf("/v1/events?limit=%d&after=%s", limit, v.Next)
				}
				full := len(got) == (page+1)*limit && page > 0
				if cache := r.header.Get("Cache-Control"); (cache == "public, max-age=31536000, immutable") != full || cache != "no-store" && !full {
					t.Errorf("page %d of %d: Cache-Control %s", page, limit, cache)
				}
				if v.Next == v.Head {
					break
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("pages of %d, Accept %q (-want +got):\n%s", limit, accept, diff)
			}
		}
	}
	for kind, n := range kinds {
		r := s.send(t, "GET", "/v1/events?kind="+kind, "", nil)
		if got := bytes.Count(r.body, []byte("\n")); got != n || !strings.Contains(r.header.Get("Link"), "kind="+kind) {
			t.Errorf("%s: got %d, want %d, %v", kind, got, n, r.header)
		}
	}
	for path, n := range map[string]int{
		"?after=now": 0, "?after=start&kind=reorg,expire": kinds["reorg"] + kinds["expire"], "?after=" + b.cursor(2): len(want) - 2, "?after=" + b.cursor(uint64(len(want))): 0,
	} {
		if r := s.send(t, "GET", "/v1/events"+path, "", nil); bytes.Count(r.body, []byte("\n")) != n {
			t.Errorf("%s: got %s, want %d", path, r.body, n)
		}
	}
}

// eventErrors are the errors of the operations about events.
func eventErrors(t *testing.T) []errorCase {
	b := newBook(t)
	s := serve(t, b.config())
	n := uint64(len(b.lines(t)))
	var all []errorCase
	for _, path := range []string{"/v1/events", "/v1/events/stream"} {
		for query, want := range map[string]string{
			"?after=": "invalid_cursor", "?after=alice": "invalid_cursor", "?after=" + b.cursor(1) + "0x": "invalid_cursor",
			"?kind=alice": "invalid_parameter", "?limit=x": "", "?alice=1": "unknown_parameter",
			"?after=" + b.cursor(n+1): "log_reset", "?after=0123456789abcdef-0": "log_reset", "?after=0123456789abcdef-1": "log_reset",
		} {
			status := http.StatusBadRequest
			switch {
			case want == "log_reset":
				status = http.StatusGone
			case want == "" && path == "/v1/events":
				want = "invalid_parameter"
			case want == "":
				want = "unknown_parameter"
			}
			all = append(all, errorCase{s, "GET", path + query, "", status, want})
		}
	}
	return append(all,
		errorCase{s, "GET", "/v1/reorgs?limit=101", "", 400, "invalid_parameter"},
		errorCase{s, "GET", "/v1/reorgs?next=x", "", 400, "invalid_cursor"},
		errorCase{s, "GET", "/v1/reorgs?next=01", "", 400, "invalid_cursor"},
		errorCase{s, "POST", "/v1/events/stream", "", 405, "method_not_allowed"},
	)
}

// TestEventsBehind asks a server with a cursor that another one gave, which has read more of the log already.
func TestEventsBehind(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	cfg := b.config()
	cfg.Events = events.NewTail(b)
	late := cfg.Events.(*events.Tail)
	if err := late.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := serve(t, cfg)
	b.commit(t, 0, 5)
	newest := uint64(len(b.lines(t)))
	for seq := range newest + 1 {
		if r := s.send(t, "GET", "/v1/events?after="+b.cursor(seq), "", nil); r.status != 200 || bytes.Count(r.body, []byte("\n")) > int(newest-seq) {
			t.Errorf("behind %d: %d %s", seq, r.status, r.body)
		}
	}
	st := b.stream(t, s.url, "", b.cursor(newest))
	b.commit(t, 0, 1)
	if err := late.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := st.next(t), b.lines(t)[newest]; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestReorgs pages through the reorganisations, newest first.
func TestReorgs(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	for i := range 5 {
		b.commit(t, 1+i%2, 3)
	}
	s := serve(t, b.config())
	list, err := b.Reorgs(t.Context(), 1<<62, 100)
	if err != nil || len(list) != 5 {
		t.Fatalf("%d reorganisations, error %v", len(list), err)
	}
	var got []Reorg
	for path := "/v1/reorgs?limit=2"; ; {
		r := s.send(t, "GET", path, "", nil)
		var v Reorgs
		if err := json.Unmarshal(r.body, &v); err != nil || r.status != 200 {
			t.Fatalf("%s: %d %v %s", path, r.status, err, r.body)
		}
		got = append(got, v.Reorgs...)
		if v.Next == nil {
			break
		}
		path = "/v1/reorgs?limit=2&next=" + *v.Next
	}
	for i, g := range got {
		w := list[i]
		if g.Id != int64(w.ID) || g.Depth != int64(w.Depth()) || g.Base.Hash != w.Base.Hash.String() || g.From.Height != int64(w.From.Height) ||
			g.To == nil || g.To.Hash != w.To.Hash.String() || g.Undone.Count != int64(w.Undone.Count) || len(g.Redone.Transactions) != 3 ||
			g.Redone.Transactions[2].Txid != w.Redone.First[2].Txid.String() || g.Undone.Transactions[0].NameHash != w.Undone.First[0].Key.Hash.String() {
			t.Errorf("got %+v, want %+v", g, w)
		}
	}
	if len(got) != len(list) {
		t.Errorf("got %d, want %d", len(got), len(list))
	}
}

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
