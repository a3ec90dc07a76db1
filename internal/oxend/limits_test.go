package oxend

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"onsight/ons"
)

// repeat makes a reply of about 1 MiB, or of 8 for lists that may be long, from its beginning, an element and its end.
func repeat(head, element, tail string) []byte {
	size := 1 << 20
	if strings.Contains(head, "tx_hashes") || strings.Contains(head, "issed_tx") || strings.Contains(head, "node") {
		size = 8 << 20
	}
	n := (size - len(head) - len(tail)) / (len(element) + 1)
	return []byte(head + strings.Repeat(element+",", n) + element + tail)
}

// TestMemory gives every decoder a reply of endless small elements. It is not parallel: it counts what is allocated.
func TestMemory(t *testing.T) {
	const st = `{"result":{"status":"OK",`
	hash := `"` + strings.Repeat("ab", 32) + `"`
	headers := scanHeaders(2)
	txs := scanTxs(2)
	for _, tt := range []struct {
		name   string
		body   []byte
		decode func([]byte) error
		ok     bool
	}{
		{"headers", repeat(st+`"headers":[`, `{}`, `]}}`), into(headers), false},
		{"headers, odd", repeat(`{"result":{"Headers":[`, `{}`, `]}}`), into(headers), false},
		{"headers, wide", repeat(`{"result":{"Headers":[`, `{"tx_hashes":[`+hash+`]}`, `]}}`), into(headers), false},
		{"tx_hashes", repeat(st+`"headers":[{"tx_hashes":[`, hash, `]}]}}`), into(headers), false},
		{"tx_hashes, odd", repeat(st+`"Headers":[{"tx_hashes":[`, hash, `]}]}}`), into(headers), false},
		{"tx_hashes, null", repeat(st+`"Headers":[{"tx_hashes":[`, `null`, `]}]}}`), into(headers), false},
		{"txs", repeat(st+`"txs":[`, `{}`, `]}}`), into(txs), false},
		{"txs, odd", repeat(st+`"Txs":[`, `{}`, `]}}`), into(txs), false},
		{"missed_tx", repeat(st+`"missed_tx":[`, hash, `]}}`), into(txs), false},
		{"missed_tx, odd", repeat(st+`"Missed_tx":[`, hash, `]}}`), into(txs), false},
		{"block_headers", repeat(st+`"block_headers":[`, `{}`, `]}}`), into[struct {
			Headers wireHeaders `json:"block_headers"`
		}](nil), false},
		{"names", repeat(st+`"entries":[`, `{}`, `]}}`), into[struct {
			Entries wireRecords `json:"entries"`
		}](nil), false},
		{"nodes", repeat(st+`"service_node_states":[`, `{}`, `]}}`), into[wireNodes](nil), false},
		{"contributors", repeat(st+`"service_node_states":[{"contributors":[`, `{}`, `]}]}}`), into[wireNodes](nil), false},
		{"node with contributors", repeat(st+`"service_node_states":[`, `{"contributors":[{},{}]}`, `]}}`), into[wireNodes](nil), false},
		{"counts", repeat(st+`"ons_counts":[`, `0`, `]}}`), into[wireInfo](nil), false},
		{"fields", repeat(`{"result":{`, `"a":0`, `}}`), into[fields](nil), false},
		{"unknown", repeat(st+`"x":[`, `{"a":{"b":[0]}}`, `],"headers":[]}}`), into(headers), true},
		{"unknown, odd", repeat(st+`"X":[`, `{"a":{"b":[0]}}`, `],"headers":[]}}`), into(headers), true},
		{"unknown keys", repeat(st, `"a":0`, `}}`), into(txs), true},
		{"unknown outer keys", repeat(`{`, `"a":{"b":[{}]}`, `,"result":{"status":"OK"}}`), into(txs), true},
	} {
		before := allocated()
		err := tt.decode(tt.body)
		spent := allocated() - before
		if (err == nil) != tt.ok {
			t.Errorf("%s: got %v", tt.name, err)
		}
		if limit := uint64(8 * len(tt.body)); spent > limit || tt.ok && spent > 1<<20 {
			t.Errorf("%s: %d bytes allocated for a reply of %d", tt.name, spent, len(tt.body))
		}
		if testing.Verbose() {
			t.Logf("%s: %d KiB: %v", tt.name, spent>>10, err)
		}
	}
}

func into[T any](fast func([]byte) (*T, error)) func([]byte) error {
	return func(b []byte) error {
		_, err := decodeReply(b, false, fast)
		var se *shapeError
		if err != nil && !errors.As(err, &se) {
			return nil // must be one
		}
		return err
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// TestSkip checks that what is skipped costs no memory.
func TestSkip(t *testing.T) {
	body := []byte(`{"a":[{"b":[1,true,null,"x",{}]},[]],"c":{"d":{"e":[[[]]]}}}`)
	n := testing.AllocsPerRun(100, func() {
		s := scanner{b: body}
		if s.skip(16); s.bad || s.i != len(body) {
			t.Error("not skipped")
		}
	})
	if n > 1 { // the scanner itself
		t.Errorf("%v allocations", n)
	}
}

func TestImplausible(t *testing.T) {
	t.Parallel()
	const big = 1 << 40
	c := serveReply(t, fmt.Appendf(nil, `{"result":{"status":"OK","version":15,"earliest_height":%d}}`, uint64(big)))
	if _, err := c.HardFork(t.Context(), 15); err == nil || !strings.Contains(err.Error(), "implausible") || !errors.Is(err, ons.ErrUnavailable) {
		t.Errorf("fork: got %v", err)
	}
	for _, w := range []wireRecord{{Updated: big}, {Expires: big}, {Updated: 1<<64 - 1}} {
		w.Hash = (ons.Hash{1}).Base64()
		if _, err := w.record(); err == nil || !strings.Contains(err.Error(), "implausible") {
			t.Errorf("%+v: got %v", w, err)
		}
	}
	i, err := (&wireInfo{Network: "mainnet", Height: 7, TopHash: wireHash{1}, Target: big}).info()
	if err != nil || i.Target != 0 || !i.Synced {
		t.Errorf("target: got %+v, %v", i, err)
	}
}

// TestInfoSparse reads what a daemon behind a filter may say: only what is needed.
func TestInfoSparse(t *testing.T) {
	t.Parallel()
	c := serveReply(t, []byte(`{"result":{"status":"OK","height":5,"nettype":"testnet","top_block_hash":"`+strings.Repeat("ab", 32)+`"}}`))
	i, err := c.Info(t.Context())
	if err != nil || i.Height != 5 || !i.Synced || i.Untrusted || i.Counted || i.Immutable != (Point{}) {
		t.Errorf("got %+v, %v", i, err)
	}
}

// TestNoAnswer lists which errors say that it could not be found out.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	for _, err := range []error{&RPCError{Code: -1}, ErrTooHigh, ErrLinkage, ErrMissingTx, ErrUntrusted, ErrTooLarge, tooMany(1)} {
		if !errors.Is(fmt.Errorf("x: %w", err), ons.ErrUnavailable) || errors.Is(err, ons.ErrNotFound) {
			t.Errorf("%v: not ErrUnavailable, or ErrNotFound", err)
		}
	}
	if errors.Is(ErrWrongNetwork, ons.ErrUnavailable) {
		t.Error("ErrWrongNetwork is an ErrUnavailable")
	}
}

// TestEchoes serves what was asked for in every place whose text could reach an error.
func TestEchoes(t *testing.T) {
	t.Parallel()
	h := ons.Hash{0xde, 0xad, 0xbe, 0xef, 5: 1}
	secret := h.Base64()
	raw := func(format string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			defer conn.Close()
			fmt.Fprintf(conn, format, secret)
		}
	}
	for name, tt := range map[string]struct {
		serve http.HandlerFunc
		want  string
	}{
		"no http":           {raw("%s\r\n\r\n"), "no HTTP reply"},
		"status line":       {raw("HTTP/1.1 %s\r\n\r\n"), "no HTTP reply"},
		"header":            {raw("HTTP/1.1 200 OK\r\n%s\r\n\r\n"), "no HTTP reply"},
		"length":            {raw("HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n"), "no HTTP reply"},
		"transfer encoding": {raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: %s\r\n\r\n"), "no HTTP reply"},
		"chunk":             {raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n"), "no HTTP reply"},
		"unknown field":     {text(`{"result":{"` + secret + `":1}}`), "unknown field"},
		"message":           {text(`{"error":{"code":-1,"message":"` + secret + `"}}`), "daemon error -1"},
		"status":            {text(`{"result":{"status":"` + secret + `"}}`), "status is not OK"},
		"failed":            {text(`{"result":{"status":"Failed"}}`), "status is Failed"},
		"busy":              {text(`{"result":{"status":"BUSY"}}`), "BUSY"},
		"value":             {text(`{"result":{"encrypted_value":"` + secret + `"}}`), "not hex"},
		"not JSON":          {text(secret), "not JSON from byte 2 on"},
		"a string":          {text(`{"result":"` + secret + `"}`), "result is a string"},
		"a number":          {text(`{"result":123456789.5}`), "result is a number"},
		"reply is a string": {text(`"` + secret + `"`), "reply is a string"},
	} {
		s := httptest.NewServer(tt.serve)
		c := dial(t, Config{URL: s.URL})
		_, err := c.Lookup(t.Context(), ons.Session, h)
		s.Close()
		if !errors.Is(err, ons.ErrUnavailable) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
			continue
		}
		for e := err; e != nil; e = errors.Unwrap(e) {
			for _, part := range []string{secret, "3q2+7w", "123456789", "Go "} {
				if strings.Contains(e.Error(), part) {
					t.Errorf("%s: %q shows %q", name, e, part)
				}
			}
		}
	}
}

// TestTimeoutOnce checks that a daemon that hangs costs one timeout, and what is said then.
func TestTimeoutOnce(t *testing.T) {
	t.Parallel()
	d := startDaemon(t)
	d.set(func(d *daemon) { d.hangs = true })
	c := dial(t, Config{URL: d.URL, Timeout: 30 * time.Millisecond, Attempts: 3})
	_, err := c.Info(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no whole reply within 30ms") || len(d.sent(t)) != 1 {
		t.Errorf("got %v after %d requests", err, len(d.sent(t)))
	}
	own := dial(t, Config{URL: d.URL, HTTP: &http.Client{Timeout: 30 * time.Millisecond}})
	if _, err = own.Info(t.Context()); err == nil || !strings.Contains(err.Error(), "no whole reply") || strings.Contains(err.Error(), "deadline") || len(d.sent(t)) != 2 {
		t.Errorf("got %v after %d requests", err, len(d.sent(t)))
	}
}
