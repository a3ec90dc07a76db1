package oxend

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"onsight/ons"
)

// recording is one file of testdata.
type recording struct {
	Request struct {
		Path    string          `json:"path"`
		Method  string          `json:"method"`
		Params  json.RawMessage `json:"params"`
		RawBody *string         `json:"raw_body"`
	} `json:"request"`
	Response json.RawMessage `json:"response"`
	Status   int             `json:"http_status"`
}

func load(t testing.TB, path string) recording {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", path+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var r recording
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return r
}

// method of a call, whether it went to /json_rpc or to a path of its own.
func (r recording) method() string {
	if r.Request.Method != "" {
		return r.Request.Method
	}
	return strings.TrimPrefix(r.Request.Path, "/")
}

// reply is the body of the answer over /json_rpc.
func (r recording) reply() []byte {
	if r.Request.Path == "/json_rpc" {
		return r.Response
	}
	return []byte(`{"jsonrpc":"2.0","id":"0","result":` + string(r.Response) + `}`)
}

// server answers POSTs to /json_rpc and keeps what it was sent.
type server struct {
	*httptest.Server
	mu     sync.Mutex // guards bodies
	bodies [][]byte
}

type rpcRequest struct {
	Method string
	Params json.RawMessage
}

func serve(t testing.TB, h func(w http.ResponseWriter, r rpcRequest)) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.bodies = append(s.bodies, body)
		s.mu.Unlock()
		var r rpcRequest
		if err := json.Unmarshal(body, &r); err != nil || req.URL.Path != "/json_rpc" {
			http.Error(w, "Not found", http.StatusNotFound)
			return
		}
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// sent returns the method names asked for, in order.
func (s *server) sent(t testing.TB) []string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, b := range s.bodies {
		var r rpcRequest
		if err := json.Unmarshal(b, &r); err != nil {
			t.Fatalf("a body is not an object: %q", b)
		}
		out = append(out, r.Method)
	}
	return out
}

// replay serves the recordings with these names: a request is answered by the one with its method and params (for
// get_transactions: its hashes), another one by an error.
func replay(t testing.TB, dialect string, names ...string) (*Client, *server) {
	t.Helper()
	recs := []recording{load(t, dialect+"/get_version")}
	for _, n := range names {
		recs = append(recs, load(t, dialect+"/"+n))
	}
	s := serve(t, func(w http.ResponseWriter, r rpcRequest) {
		for _, rec := range recs {
			if rec.method() == r.Method && sameParams(r.Method, r.Params, rec.Request.Params) {
				w.WriteHeader(rec.Status)
				w.Write(rec.reply())
				return
			}
		}
		t.Errorf("nothing recorded for %s %s", r.Method, r.Params)
		http.Error(w, "nothing recorded", http.StatusTeapot)
	})
	return dial(t, Config{URL: s.URL}), s
}

func sameParams(method string, got, want json.RawMessage) bool {
	var a, b map[string]any
	json.Unmarshal(got, &a)
	json.Unmarshal(want, &b)
	if method == "get_transactions" {
		list := func(m map[string]any) any {
			if l, ok := m["txs_hashes"]; ok {
				return l
			}
			return m["tx_hashes"]
		}
		return reflect.DeepEqual(list(a), list(b))
	}
	return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b)
}

// dial is New with pauses fit for tests.
func dial(t testing.TB, c Config) *Client {
	t.Helper()
	cl, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	cl.pause = time.Millisecond
	t.Cleanup(cl.CloseIdle)
	return cl
}

func txid(t testing.TB, s string) ons.Txid {
	t.Helper()
	x, err := ons.ParseTxid(s)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func nameHash(t testing.TB, s string) ons.Hash {
	t.Helper()
	h, err := ons.ParseHash(s)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// answer writes a result as a daemon does.
func answer(w io.Writer, result any) {
	json.NewEncoder(w).Encode(map[string]any{"jsonrpc": "2.0", "id": "0", "result": result})
}

func refuse(w io.Writer, code int, message string) {
	json.NewEncoder(w).Encode(map[string]any{"jsonrpc": "2.0", "id": 0, "error": map[string]any{"code": code, "message": message}})
}
