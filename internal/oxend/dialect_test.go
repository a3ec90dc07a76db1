package oxend

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// TestUpgrade checks that a daemon replaced by one of the other dialect is noticed.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	var version, down atomic.Int64
	version.Store(262144)
	h := strings.Repeat("ab", 32)
	s := serve(t, func(w httpWriter, r rpcRequest) {
		v := version.Load()
		switch {
		case down.Load() > 0:
			down.Add(-1)
			w.WriteHeader(503)
		case r.Method == "get_version":
			answer(w, map[string]any{"status": "OK", "version": v})
		case v == 262144:
			answer(w, h)
		default:
			answer(w, map[string]any{"5": h, "status": "OK"})
		}
	})
	c := dial(t, Config{URL: s.URL})
	ask := func() {
		t.Helper()
		if got, err := c.BlockHash(t.Context(), 5); err != nil || got.String() != h {
			t.Errorf("got %v, %v", got, err)
		}
	}
	ask()
	down.Store(1)
	if _, err := c.HeadersAt(t.Context(), []uint64{5}); err == nil {
		t.Error("no error")
	}
	version.Store(262145)
	ask()
	// Nothing fails, but the Server header is another: a downgrade over a new connection.
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "oxend/10.6.0")
		body, _ := io.ReadAll(r.Body)
		switch {
		case strings.Contains(string(body), "get_version"):
			answer(w, map[string]any{"status": "OK", "version": 262144})
		case strings.Contains(string(body), "get_info"):
			w.Write(load(t, "10/get_info").Response)
		default:
			answer(w, h)
		}
	})
	if _, err := c.Info(t.Context()); err != nil {
		t.Error(err)
	}
	ask()
}

func TestDialectFallback(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		file string
		want Dialect
	}{{"10/get_info_public_port", Dialect10}, {"11/get_info_public_port", Dialect11}} {
		s := serve(t, func(w httpWriter, r rpcRequest) {
			if r.Method == "get_info" {
				w.Write(load(t, tt.file).Response)
				return
			}
			refuse(w, -32601, "Method not found")
		})
		if got, err := dial(t, Config{URL: s.URL}).Dialect(t.Context()); err != nil || got != tt.want {
			t.Errorf("%s: got %v, %v", tt.file, got, err)
		}
	}
}
