package oxend

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"onsight/ons"
)

func TestNewURL(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ url, posted, shown, fails string }{
		{url: "127.0.0.1:22023", posted: "http://127.0.0.1:22023/json_rpc"},
		{url: "localhost:22023/json_rpc", posted: "http://localhost:22023/json_rpc"},
		{url: "[::1]:22023", posted: "http://[::1]:22023/json_rpc"},
		{url: "http://127.0.0.1:22023", posted: "http://127.0.0.1:22023/json_rpc"},
		{url: "http://127.0.0.1:22023/", posted: "http://127.0.0.1:22023/json_rpc"},
		{url: "http://127.0.0.1:22023/json_rpc/", posted: "http://127.0.0.1:22023/json_rpc"},
		{url: "https://example.org/oxen/json_rpc", posted: "https://example.org/oxen/json_rpc"},
		{url: "https://u:pw@example.org:1", posted: "https://example.org:1/json_rpc"},
		{url: "https://example.org:1/json_rpc?key=pw", posted: "https://example.org:1/json_rpc?key=pw", shown: "https://example.org:1/json_rpc"},
		{url: "http://example.org:22023", fails: "plain HTTP"},
		{url: "example.org:22023", fails: "plain HTTP"},
		{url: "ftp://127.0.0.1", fails: "scheme"},
		{url: "", fails: "no host"},
		{url: "http://u:pw@:%zz", fails: "malformed"},
		{url: "http://u:pw@[::1", fails: "malformed"},
	} {
		c, err := New(Config{URL: tt.url})
		if tt.fails != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fails) || strings.Contains(err.Error(), "pw") {
				t.Errorf("%q: got %v, want %q", tt.url, err, tt.fails)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", tt.url, err)
			continue
		}
		shown := tt.shown
		if shown == "" {
			shown = tt.posted
		}
		if c.url != tt.posted || c.String() != shown {
			t.Errorf("%q: posts to %q, shows %q", tt.url, c.url, c)
		}
	}
	if _, err := New(Config{URL: "http://example.org:22023", AllowPlain: true}); err != nil {
		t.Errorf("plain HTTP that was asked for: %v", err)
	}
	for _, c := range []Config{
		{URL: "https://example.org", PinSHA256: [][]byte{{1}}},
		{URL: "http://localhost:1", PinSHA256: [][]byte{make([]byte, 32)}},
		{URL: "https://example.org", PinSHA256: [][]byte{make([]byte, 32)}, HTTP: http.DefaultClient},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	near := dial(t, Config{URL: "127.0.0.1:1"})
	far := dial(t, Config{URL: "https://example.org:1"})
	raised := dial(t, Config{URL: "https://example.org:1", Connections: 8, Rate: -1})
	for _, tt := range []struct {
		c     *Client
		conns int
		rate  float64
	}{{near, 4, 1e300}, {far, 2, 4}, {raised, 8, 1e300}} {
		if cap(tt.c.slots) != tt.conns || min(float64(tt.c.limit.Limit()), 1e300) != tt.rate {
			t.Errorf("%s: %d connections, %v/s", tt.c, cap(tt.c.slots), tt.c.limit.Limit())
		}
	}
	for _, u := range DefaultUpstreams(ons.Mainnet) {
		c := dial(t, u)
		if !strings.HasPrefix(c.url, "https://seed") || len(u.PinSHA256) != 1 || len(u.PinSHA256[0]) != 32 {
			t.Errorf("default upstream %+v", u)
		}
	}
	if n := len(DefaultUpstreams(ons.Mainnet)); n != 3 || len(DefaultUpstreams(ons.Testnet)) != 0 {
		t.Errorf("%d default upstreams", n)
	}
}

// TestBadReplies gives every kind of bad reply to several decoders: an error that says what is wrong, nothing else.
func TestBadReplies(t *testing.T) {
	t.Parallel()
	ok := `{"result":{"status":"OK","height":1,"nettype":"fakechain","top_block_hash":"` + strings.Repeat("ab", 32) + `"}}`
	for _, tt := range []struct {
		name  string
		serve http.HandlerFunc
		want  string
		tries int32 // how often it is asked
	}{
		{"truncated", text(ok[:60]), "unexpected end", 1},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "4000")
			w.Write([]byte(ok))
		}, "ends early", 3},
		{"longer than announced", func(w http.ResponseWriter, _ *http.Request) {
			conn, buf, _ := w.(http.Hijacker).Hijack()
			defer conn.Close()
			fmt.Fprintf(buf, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n%s", ok)
			buf.Flush()
		}, "unexpected end", 1},
		{"announced too large", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5000")
			w.Write([]byte(strings.Repeat(" ", 5000)))
		}, "5000 bytes announced, at most 4096 accepted", 1},
		{"too large", func(w http.ResponseWriter, _ *http.Request) {
			for range 10 {
				w.Write([]byte(strings.Repeat(" ", 1000)))
				w.(http.Flusher).Flush()
			}
		}, "at most 4096 bytes accepted", 1},
		{"html", text("<html><body>502</body></html>"), "invalid character '<'", 1},
		{"empty", text(""), "unexpected end", 1},
		{"trailing garbage", text(ok + "{}"), "after top-level value", 1},
		{"not an object", text(`[1]`), "reply is an array", 1},
		{"result of wrong type", text(`{"result":7}`), "result is a number", 1},
		{"field of wrong type", text(`{"result":{"status":"OK","height":"338"}}`), "field height is a string", 1},
		{"huge number", text(`{"result":{"status":"OK","height":1e400}}`), "field height is a number that does not fit", 1},
		{"overflow", text(`{"result":{"status":"OK","height":18446744073709551616}}`), "field height is a number that does not fit", 1},
		{"negative", text(`{"result":{"status":"OK","height":-1}}`), "field height is a number that does not fit", 1},
		{"list of wrong type", text(`{"result":{"status":"OK","ons_counts":"x"}}`), "field ons_counts is a string", 1},
		{"long list", text(`{"result":{"status":"OK","ons_counts":[1,2,3,4]}}`), "an array has more than 3 elements", 1},
		{"implausible height", text(strings.Replace(ok, `"height":1`, `"height":1099511627776`, 1)), "height is implausible", 1},
		{"implausible immutable", text(strings.Replace(ok, `"height":1`, `"height":1,"immutable_height":18446744073709551615,"immutable_block_hash":"`+strings.Repeat("ab", 32)+`"`, 1)), "immutable_height is implausible", 1},
		{"deep", text(`{"result":` + strings.Repeat("[", 1900) + strings.Repeat("]", 1900) + `}`), "result is an array", 1},
		{"bad hash", text(`{"result":{"status":"OK","height":1,"nettype":"fakechain","top_block_hash":"zz"}}`), "64 hex digits", 1},
		{"no result", text(`{"id":0}`), "neither result nor error", 1},
		{"null result", text(`{"result":null}`), "neither result nor error", 1},
		{"no status", text(`{"result":{"height":1}}`), "no status", 1},
		{"bad status", text(`{"result":{"status":"Failed\nline two"}}`), `status is "Failed line two"`, 1},
		{"no height", text(`{"result":{"status":"OK","nettype":"fakechain"}}`), "no height", 1},
		{"unknown network", text(`{"result":{"status":"OK","nettype":"moon","height":1}}`), `"moon"`, 1},
		{"error", text(`{"error":{"code":-1,"message":"wrong\u001b[2J"},"id":0}`), "daemon error -1: wrong [2J", 1},
		{"error and result", text(`{"error":{"code":-5,"message":"m"},"result":{"status":"OK"}}`), "daemon error -5: m", 1},
		{"busy error", text(`{"error":{"code":-32003,"message":"Server busy, try again later"}}`), "Server busy", 3},
		{"busy status", text(`{"result":{"status":"BUSY"}}`), "busy", 3},
		{"500", code(500), "HTTP 500", 3},
		{"503", code(503), "HTTP 503", 3},
		{"429", code(429), "HTTP 429", 3},
		{"401", code(401), "user:password@", 1},
		{"403", code(403), "HTTP 403", 1},
		{"404", code(404), "not the JSON-RPC address", 1},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, "redirects are refused", 1},
		{"hangs up", func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			conn.Close()
		}, "without a reply (EOF)", 3},
		{"not HTTP", func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			defer conn.Close()
			fmt.Fprint(conn, "user:hunter2\n")
		}, "no HTTP reply", 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var tries atomic.Int32
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				tries.Add(1)
				tt.serve(w, r)
			}))
			defer s.Close()
			c := dial(t, Config{URL: strings.Replace(s.URL, "://", "://user:hunter2@", 1), MaxReply: 4096})
			_, err := c.Info(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			for _, part := range []string{s.URL + "/json_rpc: get_info: "} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not name daemon and method", err)
				}
			}
			if strings.ContainsAny(err.Error(), "\n\x1b") || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %q", err)
			}
			if n := tries.Load(); n != tt.tries {
				t.Errorf("asked %d times, want %d", n, tt.tries)
			}
			// No decoder takes it for an answer.
			if _, err := c.Headers(t.Context(), 5, 6); err == nil {
				t.Error("Headers: no error")
			}
			if _, err := c.Lookup(t.Context(), ons.Session, ons.Hash{}); !errors.Is(err, ons.ErrUnavailable) || errors.Is(err, ons.ErrNotFound) {
				t.Errorf("Lookup: %v", err)
			}
		})
	}
}

func text(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(s)) }
}

func code(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", n) }
}

func TestBadHeaders(t *testing.T) {
	t.Parallel()
	hash := func(n int) string { return fmt.Sprintf("%064x", n) }
	header := func(height int, rest string) string {
		return fmt.Sprintf(`{"height":%d,"hash":"%s","prev_hash":"%s","num_txes":0%s}`, height, hash(height+1), hash(height), rest)
	}
	for _, tt := range []struct {
		name, headers, want string
		is                  error
	}{
		{"good", header(5, "") + "," + header(6, ""), "", nil},
		{"too few", header(5, ""), "number of headers", nil},
		{"too many", header(5, "") + "," + header(6, "") + "," + header(7, ""), "more than 2 elements", nil},
		{"none", "", "number of headers", nil},
		{"wrong height", header(5, "") + "," + header(7, ""), "height 7 where 6 was due", nil},
		{"orphan", header(5, "") + "," + header(6, `,"orphan_status":true`), "main chain", nil},
		{"null", header(5, "") + ",null", "height 0 where 6", nil},
		{"no hash", header(5, "") + `,{"height":6}`, "no hash", nil},
		{"hash of wrong type", header(5, "") + `,{"height":6,"hash":7}`, "64 hex digits", nil},
		{"long hash", header(5, "") + `,{"height":6,"hash":"` + hash(7) + `0","prev_hash":"` + hash(6) + `"}`, "64 hex digits", nil},
		{"linkage", header(5, "") + `,{"height":6,"hash":"` + hash(7) + `","prev_hash":"` + hash(9) + `"}`, "prev_hash of block 6 is " + hash(9) + ", but block 5 is " + hash(6), ErrLinkage},
		{"count", header(5, "") + `,{"height":6,"hash":"` + hash(7) + `","prev_hash":"` + hash(6) + `","num_txes":1}`, "1 transactions but 0", nil},
		{"count the other way", header(5, "") + "," + header(6, `,"tx_hashes":["`+hash(9)+`"]`), "0 transactions but 1", nil},
		{"empty tx hash", header(5, "") + `,{"height":6,"hash":"` + hash(7) + `","prev_hash":"` + hash(6) + `","tx_hashes":[null]}`, "64 hex digits", nil},
		{"zero tx hash", header(5, "") + `,{"height":6,"hash":"` + hash(7) + `","prev_hash":"` + hash(6) + `","tx_hashes":["` + hash(0) + `"]}`, "empty transaction hash", nil},
		{"time", header(5, "") + "," + header(6, `,"timestamp":18446744073709551615`), "timestamp", nil},
	} {
		c := serveReply(t, []byte(`{"result":{"status":"OK","headers":[`+tt.headers+`]}}`))
		hs, err := c.Headers(t.Context(), 5, 6)
		if tt.want == "" {
			if err != nil || len(hs) != 2 {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), c.String()) {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
	c := serveReply(t, load(t, "10/get_block_headers_range_beyond").reply())
	if _, err := c.Headers(t.Context(), 5, 6); !errors.Is(err, ErrTooHigh) {
		t.Errorf("beyond: %v", err)
	}
	c = serveReply(t, []byte(`{"result":{"status":"OK","untrusted":true,"headers":[`+header(5, "")+`]}}`))
	if _, err := c.Headers(t.Context(), 5, 5); !errors.Is(err, ErrUntrusted) {
		t.Errorf("untrusted: %v", err)
	}
	for _, r := range [][2]uint64{{6, 5}, {0, maxPage}} {
		if _, err := c.Headers(t.Context(), r[0], r[1]); err == nil {
			t.Errorf("range %v: no error", r)
		}
	}
}

// TestLookupWrong lists what is neither a value nor "not registered".
func TestLookupWrong(t *testing.T) {
	t.Parallel()
	v49, v24 := strings.Repeat("ab", 49), strings.Repeat("cd", 24)
	for name, result := range map[string]string{
		"null": `null`, "list": `[]`, "string": `"x"`, "unknown field": `{"x":1}`, "null value": `{"encrypted_value":null}`,
		"empty value": `{"encrypted_value":""}`, "nonce alone": `{"nonce":"` + v24 + `"}`, "short nonce": `{"encrypted_value":"` + v49 + `","nonce":"cd"}`,
		"empty nonce": `{"encrypted_value":"` + v49 + `","nonce":""}`, "null nonce": `{"encrypted_value":"` + v49 + `","nonce":null}`,
		"nonce within the value": `{"encrypted_value":"` + v49 + v24 + `"}`, "value as short as to look legacy": `{"encrypted_value":"` + v49[:50] + `","nonce":"` + v24 + `"}`,
		"short": `{"encrypted_value":"ab","nonce":"` + v24 + `"}`, "not hex": `{"encrypted_value":"zz"}`, "number": `{"encrypted_value":7}`,
		"busy": `{"status":"BUSY"}`, "failed": `{"status":"Failed"}`, "untrusted": `{"untrusted":true}`, "untrusted value": `{"encrypted_value":"` + v49 + `","untrusted":true}`,
	} {
		c := serveReply(t, []byte(`{"result":`+result+`}`))
		_, err := c.Lookup(t.Context(), ons.Session, ons.Hash{1})
		if !errors.Is(err, ons.ErrUnavailable) || errors.Is(err, ons.ErrNotFound) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for name, result := range map[string]string{"legacy": `{"encrypted_value":"` + v49 + `"}`, "current": `{"encrypted_value":"` + v49 + `","nonce":"` + v24 + `"}`} {
		c := serveReply(t, []byte(`{"result":`+result+`}`))
		s, err := c.Lookup(t.Context(), ons.Session, ons.Hash{1})
		if err != nil || s.Legacy() != (name == "legacy") || len(s.Ciphertext) != 49 {
			t.Errorf("%s: got %+v, %v", name, s, err)
		}
	}
}

// TestSecrets checks that neither errors nor the log show what was asked for.
func TestSecrets(t *testing.T) {
	t.Parallel()
	h := ons.Hash{0xde, 0xad, 0xbe, 0xef, 5: 1}
	var log bytes.Buffer
	s := serve(t, func(w httpWriter, r rpcRequest) {
		if r.Method == "get_version" {
			answer(w, map[string]any{"status": "OK", "version": 262144})
			return
		}
		refuse(w, -1, "Unable to resolve ONS address: invalid 'name_hash' value '"+h.Base64()+"'")
	})
	c := dial(t, Config{URL: strings.Replace(s.URL, "://", "://user:hunter2@", 1), Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	_, err1 := c.Lookup(t.Context(), ons.Session, h)
	_, err2 := c.Names(t.Context(), []ons.Key{{Hash: h}}, true)
	for _, text := range []string{err1.Error(), err2.Error(), log.String()} {
		for _, secret := range []string{h.Base64(), h.String(), "deadbeef", "hunter2", "user"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q shows %q", text, secret)
			}
		}
	}
	if !strings.Contains(log.String(), "method=ons_resolve") {
		t.Errorf("log is %q", log.String())
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(text(string(load(t, "10/get_info").Response)))
	defer s.Close()
	pin := sha256.Sum256(s.Certificate().Raw)
	other := sha256.Sum256([]byte("another"))
	for _, tt := range []struct {
		name string
		conf Config
		ok   bool
	}{
		{"pinned", Config{PinSHA256: [][]byte{other[:], pin[:]}}, true},
		{"pinned another", Config{PinSHA256: [][]byte{other[:]}}, false},
		{"unpinned, self-signed", Config{}, false},
		{"trusted", Config{HTTP: s.Client()}, true},
	} {
		tt.conf.URL = s.URL
		c := dial(t, tt.conf)
		if _, err := c.Info(t.Context()); (err == nil) != tt.ok {
			t.Errorf("%s: got %v", tt.name, err)
		} else if err != nil && !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}

func TestBasicAuth(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, ok := r.BasicAuth(); !ok || u != "user" || p != "pa ss" {
			w.WriteHeader(401)
			return
		}
		w.Write(load(t, "10/get_info").Response)
	}))
	defer s.Close()
	if _, err := dial(t, Config{URL: strings.Replace(s.URL, "://", "://user:pa%20ss@", 1)}).Info(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := dial(t, Config{URL: s.URL}).Info(t.Context()); err == nil {
		t.Error("no login, no error")
	}
}

// TestRecovers checks that a failure that passes is not seen.
func TestRecovers(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) < 3 {
			w.WriteHeader(502)
			return
		}
		w.Write(load(t, "10/get_info").Response)
	}))
	defer s.Close()
	if _, err := dial(t, Config{URL: s.URL}).Info(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestTimeoutAndCancel(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-release }))
	defer s.Close()
	defer close(release)
	c := dial(t, Config{URL: s.URL, Timeout: 20 * time.Millisecond, Attempts: 2})
	if _, err := c.Info(t.Context()); err == nil || !strings.Contains(err.Error(), "no whole reply within 20ms") {
		t.Errorf("timeout: got %v", err)
	}
	// Each wait ends with the context: for the reply, for a connection, for the rate.
	ctx, cancel := context.WithCancel(t.Context())
	c = dial(t, Config{URL: s.URL, Connections: 1})
	slow := dial(t, Config{URL: s.URL, Rate: 0.001})
	slow.limit.Allow()
	var wg sync.WaitGroup
	for _, cl := range []*Client{c, c, slow} {
		wg.Go(func() {
			if _, err := cl.Info(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: got %v", err)
			}
		})
	}
	time.AfterFunc(10*time.Millisecond, cancel)
	wg.Wait()
	dead, stop := context.WithCancel(t.Context())
	stop()
	if _, err := c.Lookup(dead, ons.Session, ons.Hash{}); !errors.Is(err, ons.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("dead context: got %v", err)
	}
}

func TestConnections(t *testing.T) {
	t.Parallel()
	var now, most, opened atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		w.Write(load(t, "10/get_info").Response)
		now.Add(-1)
	}))
	s.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			opened.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	c := dial(t, Config{URL: s.URL, Connections: 2})
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			if _, err := c.Info(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if most.Load() > 2 || opened.Load() > 2 {
		t.Errorf("%d requests at once over %d connections, want at most 2", most.Load(), opened.Load())
	}
}
