package api_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"onsight/api"
	"onsight/indexer"
	"onsight/ons"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// from is the header with which a proxy says whom it asks for.
func from(clients string) http.Header { return http.Header{"X-Forwarded-For": {clients}} }

// hold sends a batch up to where the server waits for its body, so that it is being answered, and returns what sends the
// rest and returns the reply's status.
func (s *site) hold(t testing.TB, client string) (release func() int) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	const body = `{"names":[]}`
	fmt.Fprintf(conn, "POST /v1/names/resolve HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", client, len(body))
	in := bufio.NewReader(conn)
	if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") {
		t.Fatalf("got %q, %v, want to be asked for the body", line, err)
	}
	if _, err := in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return func() int {
		t.Helper()
		if _, err := io.WriteString(conn, body); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
}

// refusals provokes each refusal there is, and returns their codes.
func refusals(t *testing.T) (codes []ProblemCode) {
	t.Helper()
	r := record(1)
	cfg := config(indexOf(t, synced(), r))
	cfg.Limits = api.Limits{Rate: 0.125, Burst: 2, Concurrent: 1, Total: 2, Proxies: loopback}
	s := serve(t, cfg)
	ask := func(client string, status int, code ProblemCode, retry string) {
		t.Helper()
		for _, path := range []string{"/healthz", "/readyz", "/v1/realtime"} {
			if got := s.send(t, "GET", path, "", from(client)); got.status != 200 {
				t.Errorf("%s of %s: %d %s", path, client, got.status, got.body)
			}
		}
		got := s.send(t, "GET", path(r), "", from(client))
		if got.status != status {
			t.Fatalf("%s: got %d %s, want %d", client, got.status, got.body, status)
		}
		if status == 200 {
			return
		}
		p := problemOf(t, got.body)
		codes = append(codes, p.Code)
		if p.Code != code || got.header.Get("Retry-After") != retry || got.header.Get("Access-Control-Expose-Headers") != "Retry-After" || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got %s %v, want %s after %s", client, got.body, got.header, code, retry)
		}
	}
	first := s.hold(t, "192.0.2.1")
	ask("192.0.2.1", 429, "too_many_at_once", "1")
	second := s.hold(t, "192.0.2.2")
	ask("192.0.2.3", 503, "busy", "1")
	for _, release := range []func() int{first, second} {
		if got := release(); got != 200 {
			t.Errorf("a request that was admitted: %d", got)
		}
	}
	ask("192.0.2.1", 200, "", "")
	ask("192.0.2.1", 429, "rate_limited", "8")
	ask("192.0.2.3", 200, "", "")
	return codes
}

// TestRates takes steps over time: who shares a limit with whom, and who has none.
func TestRates(t *testing.T) {
	t.Parallel()
	type step struct {
		after  time.Duration
		client string // as X-Forwarded-For; "": the connection's
		want   int
	}
	for name, c := range map[string]struct {
		proxies []netip.Prefix
		steps   []step
		log     string
	}{
		"refilled": {loopback, []step{
			{0, "192.0.2.1", 200}, {0, "192.0.2.1", 200}, {0, "192.0.2.1", 429}, {0, "192.0.2.2", 200},
			{999 * time.Millisecond, "192.0.2.1", 429}, {time.Millisecond, "192.0.2.1", 200}, {0, "192.0.2.1", 429},
			{time.Hour, "192.0.2.1", 200}, {0, "192.0.2.1", 200}, {0, "192.0.2.1", 429},
		}, ""},
		"a /64": {loopback, []step{
			{0, "2001:db8::1", 200}, {0, "2001:db8::ffff:1", 200}, {0, "2001:db8::2", 429}, {0, "2001:db8:0:1::1", 200},
		}, ""},
		"forged": {loopback, []step{
			{0, "192.0.2.9, 192.0.2.1", 200}, {0, "192.0.2.8, 192.0.2.1", 200}, {0, "127.0.0.1, 192.0.2.1", 429}, {0, "192.0.2.9", 200},
		}, ""},
		"a proxy that is not trusted": {nil, []step{{0, "192.0.2.1", 200}, {0, "192.0.2.2", 200}, {0, "192.0.2.3", 429}, {0, "", 200}}, "a proxy on this machine"},
		"the machine's own":           {nil, []step{{0, "", 200}, {0, "", 200}, {0, "", 200}}, ""},
		"a tunnel that says nothing":  {loopback, []step{{0, "", 200}, {0, "", 200}, {0, "", 429}, {0, "192.0.2.1", 200}, {time.Second, "", 200}, {0, "", 429}}, ""},
		"unreadable":                  {loopback, []step{{0, "unknown", 200}, {0, "hidden", 200}, {0, "?", 429}, {0, "192.0.2.1", 200}}, "a proxy on this machine"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := record(1)
			cfg := config(indexOf(t, synced(), r))
			cfg.Limits = api.Limits{Rate: 1, Burst: 2, Proxies: c.proxies, Loopback: strings.Contains(name, "tunnel")}
			var at time.Duration // requests come one after the other
			cfg.Now = func() time.Time { return now.Add(at) }
			s := serve(t, cfg)
			for i, step := range c.steps {
				at += step.after
				header := http.Header{}
				if step.client != "" {
					header = from(step.client)
				}
				if got := s.send(t, "GET", path(r), "", header); got.status != step.want {
					t.Errorf("step %d: got %d, want %d", i, got.status, step.want)
				}
			}
			log := s.log.String()
			if (c.log == "") != (log == "") || !strings.Contains(log, c.log) || strings.Count(log, "\n") > 1 || strings.Contains(log, "192.0.2") {
				t.Errorf("log: %q, want %q once", log, c.log)
			}
		})
	}
}

// TestCosts asks for something dear, and then for something cheap until it is refused: what was dear counted as several
// requests, at most as many as leave a whole burst to wait for.
func TestCosts(t *testing.T) {
	t.Parallel()
	many := make([]ons.Record, 1000)
	for i := range many {
		many[i] = record(byte(i))
		many[i].Hash[1] = byte(i >> 8)
	}
	const burst, size = 40, 128 << 10
	for _, c := range []struct {
		method, path, body string
		cost               int
	}{
		{"GET", "/v1/status", "", 1},
		{"GET", path(many[0]), "", 1},
		{"GET", "/v1/nodes?fields=key", "", 5},
		{"GET", "/v1/nodes/aggregate?by=state", "", 10},
		{"GET", "/v1/nodes/pick", "", 10},
		{"GET", "/v1/nodes/events", "", 5},
		{"POST", "/v1/names/resolve", batch(many[:63]...), 1},
		{"POST", "/v1/names/resolve", batch(many...), 16},
		{"GET", "/v1/names/range/0/0", "", 1}, // and what these send
		{"GET", "/v1/nodes", "", 1},
		{"GET", "/v1/events?limit=99", "", 5},
		{"GET", "/v1/events?limit=1000&kind=reorg", "", 15},
		{"HEAD", "/v1/events/stream", "", 5},
		{"GET", "/v1/reorgs?limit=1", "", 1},
		{"GET", "/v1/reorgs", "", 5},
		{"GET", "/v1/reorgs?limit=100", "", 21},
		{"GET", "/v1/names/bundle", "", 1},
		{"GET", "/v1/names/bundle?since=" + strings.Repeat("0", 64), "", 5},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			t.Parallel()
			cfg := nodeConfig(t, api.GenerateNodes(7, 300, now), &api.Shelf{})
			x := indexOf(t, synced(), slices.Clone(many)...)
			cfg.Snapshot = func() api.Snapshot { return x.Snapshot() }
			cfg.Limits = api.Limits{Rate: 1, Burst: burst, Proxies: loopback}
			cfg.Events = newBook(t).tail
			s := serve(t, cfg)
			header := from("192.0.2.1")
			header.Set("Accept-Encoding", "identity")
			one := s.send(t, c.method, c.path, c.body, header)
			if one.status != 200 {
				t.Fatalf("got %d %s", one.status, one.body)
			}
			want := c.cost + len(one.body)/size
			left := 0
			for s.send(t, "GET", "/v1/status", "", from("192.0.2.1")).status == 200 {
				left++
			}
			if burst-left != want {
				t.Errorf("counted as %d requests, want %d", burst-left, want)
			}
			if got := s.send(t, "GET", "/v1/status", "", from("192.0.2.2")); got.status != 200 {
				t.Errorf("another client: got %d", got.status)
			}
		})
	}
}

// TestDebt asks for as much as it is given at once: a whole burst is to wait for, and no more.
func TestDebt(t *testing.T) {
	t.Parallel()
	cfg := nodeConfig(t, api.GenerateNodes(7, 30, now), &api.Shelf{})
	cfg.Limits = api.Limits{Rate: 1, Burst: 5, Proxies: loopback}
	var at time.Duration // requests come one after the other
	cfg.Now = func() time.Time { return now.Add(at) }
	s := serve(t, cfg)
	for _, step := range []struct {
		after time.Duration
		want  int
		retry string
	}{{0, 200, ""}, {0, 429, "6"}, {5 * time.Second, 429, "1"}, {time.Second, 200, ""}, {0, 429, "6"}, {time.Hour, 200, ""}, {0, 429, "6"}} {
		at += step.after
		got := s.send(t, "GET", "/v1/nodes/pick", "", from("192.0.2.1"))
		if got.status != step.want || got.header.Get("Retry-After") != step.retry {
			t.Errorf("after %v: got %d, come again after %q, want %d, %q", at, got.status, got.header.Get("Retry-After"), step.want, step.retry)
		}
	}
}

// TestUnread announces bodies and does not send them. Nobody waits for one that is of no use: the reply comes at once, and the
// connection ends with it. A body that is there already is no reason to end it.
func TestUnread(t *testing.T) {
	t.Parallel()
	r := record(1)
	cfg := nodeConfig(t, api.GenerateNodes(7, 300, now), &api.Shelf{})
	cfg.Limits = api.Limits{Rate: 0.01, Burst: 100, Proxies: loopback}
	s := serve(t, cfg)
	for s.send(t, "GET", "/v1/nodes/pick", "", from("192.0.2.9")).status == 200 { // until that client is refused
	}
	for _, c := range []struct {
		line, header, body string
		announced          int
		status             int
		close              bool
	}{
		{"POST /v1/names/resolve", "X-Forwarded-For: 192.0.2.9\r\nContent-Type: application/json\r\n", "{", 100_000, 429, true},
		{"POST /v1/names/resolve", "Content-Type: text/plain\r\n", "{", 100_000, 415, true},
		{"POST /v1/nowhere", "", "x", 10, 404, true},
		{"PUT /v1/status", "", "x", 10, 405, true},
		{"GET /v1/nodes", "", "x", 100_000, 200, true}, // a reply that is longer than what is buffered
		{"GET " + path(r), "", "", 10, 404, true},
		{"GET /healthz", "", "whole", 5, 200, true}, // which nobody read
		{"POST /v1/names/resolve", "Content-Type: application/json\r\n", `{"names":[]}`, 12, 200, false},
		{"POST /v1/names/resolve", "Content-Type: application/json\r\n", `{"names":1}`, 11, 400, false},
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		request := fmt.Sprintf("%s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s", c.line, c.header, c.announced, c.body)
		in := bufio.NewReader(conn)
		for again := false; ; again = true {
			if _, err := io.WriteString(conn, request); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatalf("%s: %v", c.line, err)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				t.Fatalf("%s: %v", c.line, err)
			}
			if resp.StatusCode != c.status || resp.Close != c.close {
				t.Errorf("%s with %d of %d bytes: got %d, closing %v, want %d, %v", c.line, len(c.body), c.announced, resp.StatusCode, resp.Close, c.status, c.close)
			}
			if c.close || again {
				break
			}
		}
	}
}

// TestPreflight asks as a browser does before a page's own request.
func TestPreflight(t *testing.T) {
	t.Parallel()
	s := serve(t, config(indexOf(t, synced(), record(1))))
	for _, c := range []struct {
		path, asks string
		status     int
		allow      string
	}{
		{"/v1/names/resolve", "POST", 204, "POST"},
		{path(record(1)), "GET", 204, "GET, HEAD"},
		{"/v1/status", "DELETE", 204, "GET, HEAD"},
		{"/v1/names/resolve", "", 405, ""},
		{"/nowhere", "GET", 404, ""},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, s.url+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", "https://page.example")
		if c.asks != "" {
			r.Header.Set("Access-Control-Request-Method", c.asks)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		h := resp.Header
		if resp.StatusCode != c.status || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Methods") != c.allow || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s, %s: got %d %v, want %d %s", c.path, c.asks, resp.StatusCode, h, c.status, c.allow)
		}
		if c.allow != "" && (h.Get("Access-Control-Allow-Headers") != "Content-Type, If-None-Match, If-Modified-Since, Last-Event-ID" || h.Get("Access-Control-Max-Age") == "") {
			t.Errorf("%s: got %v", c.path, h)
		}
	}
}

// TestServed is told of requests of all kinds: what became of them, and nothing that was asked.
func TestServed(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex // guards told
	var told []api.Served
	r := record(1)
	cfg := config(indexOf(t, synced(), r))
	cfg.Limits = api.Limits{Rate: 0.01, Burst: 3, Proxies: loopback}
	cfg.Served = func(s api.Served) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, s)
	}
	tag := ""
	s := serve(t, cfg)
	for _, c := range []struct {
		method, path, body, client string
	}{
		{"GET", path(r), "", ""}, {"GET", path(r), "", "304"}, {"GET", path(record(2)), "", ""}, {"HEAD", path(r), "", ""},
		{"GET", path(r) + "?canary=1", "", ""}, {"POST", "/v1/names/resolve", batch(r, record(2)), ""},
		{"GET", "/canary", "", ""}, {"PUT", "/v1/status", "", ""},
		{"GET", "/v1/status", "", "192.0.2.77"}, {"GET", "/v1/status", "", "192.0.2.77"}, {"GET", "/v1/status", "", "192.0.2.77"}, {"GET", "/v1/status", "", "192.0.2.77"},
	} {
		header := http.Header{}
		switch c.client {
		case "":
		case "304":
			header.Set("If-None-Match", tag)
		default:
			header = from(c.client)
		}
		got := s.send(t, c.method, c.path, c.body, header)
		tag = got.header.Get("ETag")
	}
	want := []api.Served{
		{"name", 200, "", 0}, {"name", 304, "", 0}, {"name", 404, "not_registered", 0}, {"name", 200, "", 0},
		{"name", 400, "unknown_parameter", 0}, {"resolve", 200, "", 0}, {"", 404, "no_such_path", 0}, {"", 405, "method_not_allowed", 0},
		{"status", 200, "", 0}, {"status", 200, "", 0}, {"status", 200, "", 0}, {"status", 429, "rate_limited", 0},
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestServedPanic is told of what ended in a panic, and the limits are given back.
func TestServedPanic(t *testing.T) {
	t.Parallel()
	told := make(chan api.Served, 10)
	cfg := api.Config{
		Snapshot: func() api.Snapshot { panic("as it happens") }, Limits: api.Limits{Concurrent: 1, Total: 1, Proxies: loopback},
		Served: func(s api.Served) { told <- s },
	}
	s := serve(t, cfg)
	s.snap = nil
	for range 3 {
		if got := s.send(t, "GET", path(record(1)), "", from("192.0.2.1")); got.status != 500 {
			t.Errorf("got %d %s", got.status, got.body)
		}
		if got := <-told; got.Operation != "name" || got.Status != 500 || got.Code != "internal" {
			t.Errorf("told %+v", got)
		}
	}
}

// TestRealtime says how old what is missing may be.
func TestRealtime(t *testing.T) {
	t.Parallel()
	// The index was asked a minute ago, and its newest block is 190 seconds old (see synced).
	for _, c := range []struct {
		name, query string
		edit        func(*indexer.State)
		up          []api.Upstream
		status      int
		distance    int64
	}{
		{name: "at the bound", status: 200, distance: 60},
		{name: "asked", query: "?max_distance=60", status: 200, distance: 60},
		{name: "too old", query: "?max_distance=59", status: 503},
		{name: "a moment too old", edit: func(s *indexer.State) { s.Asked = s.Asked.Add(-time.Millisecond) }, status: 503},
		{name: "the longest", query: "?max_distance=86400", status: 200, distance: 60},
		{name: "a block behind", edit: func(s *indexer.State) { s.Target++ }, query: "?max_distance=189", status: 503},
		{name: "a block behind, allowed", edit: func(s *indexer.State) { s.Target++ }, query: "?max_distance=190", status: 200, distance: 190},
		{name: "followed just now", up: []api.Upstream{{AskedAt: now.Add(-time.Second), Whole: synced().Tip}}, query: "?max_distance=1", status: 200, distance: 1},
		{name: "only asked just now", up: []api.Upstream{{AskedAt: now.Add(-time.Second), Active: true}}, query: "?max_distance=59", status: 503},
		{name: "followed to another block", up: []api.Upstream{{AskedAt: now, Whole: &indexer.Point{Height: synced().Tip.Height}}}, query: "?max_distance=59", status: 503},
		{name: "followed and failed", up: []api.Upstream{{AskedAt: now, Error: "does not answer", Whole: synced().Tip}}, query: "?max_distance=59", status: 503},
		{name: "behind another daemon", up: []api.Upstream{{Height: 5011}}, status: 503},
		{name: "syncing", edit: func(s *indexer.State) { s.Phase = indexer.Syncing }, query: "?max_distance=189", status: 503},
		{name: "a clock ahead of ours", edit: func(s *indexer.State) { s.Asked = now.Add(time.Minute); s.TipTime = now.Unix() + 60 }, status: 200},
		{name: "a fork below final", edit: func(s *indexer.State) { s.Phase = indexer.ForkBelowFinal }, query: "?max_distance=86400", status: 503},
		{name: "empty", edit: func(s *indexer.State) { *s = indexer.State{} }, query: "?max_distance=86400", status: 503},
		{name: "zero", query: "?max_distance=0", status: 400},
		{name: "too long", query: "?max_distance=86401", status: 400},
		{name: "not a number", query: "?max_distance=1m", status: 400},
		{name: "nothing", query: "?max_distance=", status: 400},
		{name: "negative", query: "?max_distance=-1", status: 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			state := synced()
			state.TipTime = now.Unix() - 190
			if c.edit != nil {
				c.edit(&state)
			}
			cfg := config(indexOf(t, state, record(1)))
			cfg.Upstreams = func() []api.Upstream { return c.up }
			s := serve(t, cfg)
			code, body := s.do(t, "GET", "/v1/realtime"+c.query, "")
			var got Realtime
			if code == 200 {
				if err := json.Unmarshal(body, &got); err != nil {
					t.Fatal(err)
				}
			}
			if code != c.status || got.Distance != c.distance {
				t.Errorf("got %d %s, want %d and %d", code, body, c.status, c.distance)
			}
			// The status and the metrics judge by the same.
			if far := int64(api.New(cfg).Health().Distance / time.Second); code == 200 && far != c.distance {
				t.Errorf("the metrics say %d", far)
			}
			_, body = s.do(t, "GET", "/v1/status", "")
			var st Status
			if err := json.Unmarshal(body, &st); err != nil {
				t.Fatal(err)
			}
			if c.name == "followed just now" && (st.AskedAt == nil || !st.AskedAt.Equal(now.Add(-time.Second))) {
				t.Errorf("the status says %s", body)
			}
		})
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	state := synced()
	for _, c := range []struct {
		edit func(*indexer.State)
		want api.Health
	}{
		{func(*indexer.State) {}, api.Health{Ready: true, Distance: time.Minute, TipAge: 90 * time.Second}},
		{func(s *indexer.State) { s.Target += 5 }, api.Health{Lag: 5, Distance: 90 * time.Second, TipAge: 90 * time.Second}},
		{func(s *indexer.State) { *s = indexer.State{} }, api.Health{Distance: -1, TipAge: -1}},
	} {
		edited := state
		c.edit(&edited)
		if diff := cmp.Diff(c.want, api.New(config(indexOf(t, edited))).Health()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
