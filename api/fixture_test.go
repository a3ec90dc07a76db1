package api_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"onsight/api"
	"onsight/directory"
	"onsight/indexer"
	"onsight/internal/devnet"
	"onsight/internal/index"
	"onsight/internal/oxend"
	"onsight/internal/store"
	"onsight/ons"
)

// now is when the tests take place.
var now = time.Unix(1735689700, 0)

// site is a served API and the document it is held to.
type site struct {
	url    string
	snap   func() api.Snapshot
	nodes  func() *directory.Snapshot
	doc    *openapi3.T
	router routers.Router
	log    *bytes.Buffer // to be read when nothing is served any more
}

// config returns what an API over an index answers from.
func config(x *index.Index) api.Config {
	return api.Config{
		Snapshot: func() api.Snapshot { return x.Snapshot() },
		Version:  "test", Now: func() time.Time { return now },
	}
}

// serve serves an API on loopback.
func serve(t testing.TB, cfg api.Config) *site {
	t.Helper()
	s := &site{snap: cfg.Snapshot, nodes: cfg.Nodes, log: &bytes.Buffer{}}
	cfg.Log = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	server := httptest.NewServer(api.New(cfg).Handler())
	t.Cleanup(server.Close)
	s.url = server.URL
	s.doc, s.router = document(t)
	return s
}

// document returns the document in the tree, as 3.1.
func document(t testing.TB) (*openapi3.T, routers.Router) {
	t.Helper()
	d := readDocument()
	if d.err != nil {
		t.Fatal(d.err)
	}
	if !strings.HasPrefix(d.doc.OpenAPI, "3.1") {
		t.Fatalf("the document is of %s, want 3.1", d.doc.OpenAPI)
	}
	return d.doc, d.router
}

type readDoc struct {
	doc    *openapi3.T
	router routers.Router
	err    error
}

// readDocument reads it once for all tests. The router validates the document, examples included; for a 3.1 one it and
// the filter in check use the validator of JSON Schema 2020-12 by themselves.
var readDocument = sync.OnceValue(func() (d readDoc) {
	for _, kind := range []string{"application/x-ndjson", "text/event-stream"} { // ours that it does not know are texts
		openapi3filter.RegisterBodyDecoder(kind, openapi3filter.FileBodyDecoder)
	}
	if d.doc, d.err = openapi3.NewLoader().LoadFromFile("openapi.json"); d.err == nil {
		d.router, d.err = legacy.NewRouter(d.doc, openapi3.EnableExamplesValidation())
	}
	return d
})

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// do sends a request and holds it and its reply to the document.
func (s *site) do(t testing.TB, method, path, body string) (int, []byte) {
	t.Helper()
	r := s.send(t, method, path, body, nil)
	return r.status, r.body
}

func (s *site) send(t testing.TB, method, path, body string, header http.Header) reply {
	t.Helper()
	newRequest := func() *http.Request {
		r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if method == http.MethodPost {
			r.Header.Set("Content-Type", "application/json")
		}
		if strings.HasPrefix(path, "/v1/probe/") {
			r.Header.Set("Content-Type", "application/octet-stream")
		}
		for name, values := range header {
			r.Header[name] = values
		}
		return r
	}
	resp, err := http.DefaultClient.Do(newRequest())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	s.check(t, newRequest(), resp, got)
	return reply{resp.StatusCode, resp.Header, got}
}

// Do lets the generated client send through check.
func (s *site) client(t testing.TB) *ClientWithResponses {
	t.Helper()
	c, err := NewClientWithResponses(s.url, WithHTTPClient(doer(func(r *http.Request) (*http.Response, error) {
		var sent []byte
		if r.Body != nil {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			sent, r.Body = b, io.NopCloser(bytes.NewReader(b))
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return nil, err
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		resp.Body = io.NopCloser(bytes.NewReader(got))
		if err == nil {
			again := r.Clone(r.Context())
			again.Body = io.NopCloser(bytes.NewReader(sent))
			s.check(t, again, resp, got)
		}
		return resp, err
	})))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

// check holds a request and its reply to the document.
func (s *site) check(t testing.TB, r *http.Request, resp *http.Response, body []byte) {
	t.Helper()
	what := r.Method + " " + r.URL.RequestURI()
	asked := *r
	if asked.Method == http.MethodHead {
		if len(body) > 0 {
			t.Errorf("%s: a body of %d bytes", what, len(body))
		}
		return // its headers are compared with GET's by TestHead
	}
	if resp.StatusCode != http.StatusNotModified {
		if resp.ContentLength != int64(len(body)) && !resp.Uncompressed {
			t.Errorf("%s: Content-Length %d, body of %d bytes", what, resp.ContentLength, len(body))
		}
		lines := resp.Header.Get("Content-Type") == "application/x-ndjson" // which have no as_of
		if r.URL.Path != "/openapi.json" && !lines && (r.URL.Path != "/v1/names/bundle" || resp.StatusCode >= 400) {
			s.checkAsOf(t, what, body)
		}
	}
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %s %q, want %q", what, name, got, want)
		}
	}
	if resp.StatusCode >= 400 {
		s.checkProblem(t, what, resp, body)
		if code := problemOf(t, body).Code; code == "no_such_path" || code == "method_not_allowed" {
			return // no operation's
		}
	}
	route, params, err := s.router.FindRoute(&asked)
	if err != nil {
		if resp.StatusCode != http.StatusInternalServerError {
			t.Errorf("%s: answered %d, but the document has no such operation: %v", what, resp.StatusCode, err)
		}
		return
	}
	in := &openapi3filter.RequestValidationInput{Request: &asked, PathParams: params, Route: route, Options: &openapi3filter.Options{
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
	}}
	err = openapi3filter.ValidateRequest(t.Context(), in)
	if err != nil && (resp.StatusCode < 400 || resp.StatusCode == http.StatusNotFound) {
		t.Errorf("%s: answered %d, but the document does not allow the request: %v", what, resp.StatusCode, err)
	}
	out := (&openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: resp.StatusCode, Header: resp.Header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}).SetBodyBytes(body)
	if err := openapi3filter.ValidateResponse(t.Context(), out); err != nil {
		t.Errorf("%s: the reply is not what the document says: %v\n%s", what, err, body)
	}
}

// checkProblem holds an error to the document's schema of all errors.
func (s *site) checkProblem(t testing.TB, what string, resp *http.Response, body []byte) {
	t.Helper()
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Errorf("%s: %v in %s", what, err, body)
	} else if err := s.doc.Components.Schemas["Problem"].Value.VisitJSON(v, openapi3.EnableJSONSchema2020()); err != nil {
		t.Errorf("%s: %v in %s", what, err, body)
	}
	if got := resp.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("%s: Content-Type %q", what, got)
	}
	if p := problemOf(t, body); int(p.Status) != resp.StatusCode {
		t.Errorf("%s: the body says status %d, the reply %d", what, p.Status, resp.StatusCode)
	}
	if retry := resp.Header.Get("Retry-After"); (retry != "") != (resp.StatusCode == http.StatusServiceUnavailable || resp.StatusCode == http.StatusTooManyRequests) {
		t.Errorf("%s: status %d with Retry-After %q", what, resp.StatusCode, retry)
	}
}

// checkAsOf compares as_of with the index.
func (s *site) checkAsOf(t testing.TB, what string, body []byte) {
	t.Helper()
	var got struct {
		AsOf *struct {
			Height uint64
			Hash   string
			Time   time.Time
		} `json:"as_of"`
		Code string
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Errorf("%s: %v in %s", what, err, body)
		return
	}
	if s.aboutNodes(strings.Fields(what)[1]) && got.Code != "no_such_path" && got.Code != "method_not_allowed" {
		snap := s.nodes()
		if (got.AsOf == nil) == snap.Observed || !bytes.Contains(body, []byte(`"as_of":`)) || got.AsOf != nil &&
			(got.AsOf.Height != snap.At.Height || got.AsOf.Hash != snap.Hash || got.AsOf.Time.Unix() != snap.At.Time.Unix()) {
			t.Errorf("%s: as_of is %v, the directory stands at %v", what, got.AsOf, snap.At)
		}
		return
	}
	if s.snap == nil {
		return
	}
	switch state := s.snap().State(); {
	case (got.AsOf == nil) != (state.Tip == nil), !bytes.Contains(body, []byte(`"as_of":`)):
		t.Errorf("%s: as_of is %v, the index stands at %v: %s", what, got.AsOf, state.Tip, body)
	case state.Tip == nil:
	case got.AsOf.Height != state.Tip.Height || got.AsOf.Hash != state.Tip.Hash.String() || got.AsOf.Time.Unix() != state.TipTime:
		t.Errorf("%s: as_of is %v, the index stands at %v", what, *got.AsOf, *state.Tip)
	}
}

// aboutNodes reports whether a path is answered from the directory.
func (s *site) aboutNodes(path string) bool {
	for _, prefix := range []string{"/v1/nodes", "/v1/swarms", "/v1/paths/", "/v1/service-nodes/", "/v1/probe/"} {
		if s.nodes != nil && strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

func problemOf(t testing.TB, body []byte) Problem {
	t.Helper()
	var p Problem
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return p
}

// feed is a database that holds what it is told.
type feed indexer.Delta

func (f feed) Since(context.Context, uint64) (indexer.Delta, error) { return indexer.Delta(f), nil }

// nodeConfig is config with a directory.
func nodeConfig(t testing.TB, snap *directory.Snapshot, shelf *api.Shelf) api.Config {
	cfg := config(indexOf(t, synced()))
	cfg.Nodes, cfg.Directory = func() *directory.Snapshot { return snap }, shelf
	return cfg
}

// indexOf returns an index of a state and records.
func indexOf(t testing.TB, state indexer.State, records ...ons.Record) *index.Index {
	t.Helper()
	slices.SortStableFunc(records, func(a, b ons.Record) int { return cmp.Compare(a.Updated, b.Updated) })
	for i := range records {
		records[i].TxIndex = uint32(i)
	}
	times := make([]int64, len(records))
	for i, r := range records {
		times[i] = made(r.Updated)
	}
	x := index.New(feed{Seq: 1, Full: true, Records: records, Times: times, Tip: state.Tip, State: state})
	if err := x.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return x
}

// made is when the block at a height was.
func made(height uint64) int64 { return now.Unix() - 90 - 120*(5010-int64(height)) }

// synced is the state of an index that is up to date.
func synced() indexer.State {
	return indexer.State{
		Network: ons.Fakechain, Year: 1200, Start: 100, Final: 5000, Target: 5010, Phase: indexer.Synced, Asked: now.Add(-time.Minute),
		Tip: &indexer.Point{Height: 5010, Hash: ons.Txid{1, 2, 3}}, TipTime: now.Unix() - 90, Digest: ons.Txid{4, 5, 6},
	}
}

// chain is a generated chain, indexed into SQLite and from there into memory: the whole way a name takes.
type chain struct {
	*index.Index
	chain *devnet.Chain
	truth *devnet.Truth
}

func newChain(t testing.TB) chain {
	t.Helper()
	return newChainOf(t, devnet.GenerateConfig{Seed: 3})
}

func newChainOf(t testing.TB, of devnet.GenerateConfig) chain {
	t.Helper()
	c, truth := devnet.Generate(of)
	d, err := devnet.Serve(c, devnet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	client, err := oxend.New(oxend.Config{URL: d.URL(), Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdle)
	pool, err := oxend.NewPool(oxend.PoolConfig{Clients: []*oxend.Client{client}})
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "names.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	epoch, err := db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cfg := indexer.Config{Pool: pool, Store: db, Epoch: epoch, Year: c.Year(), Now: func() time.Time { return now }}
	if _, err := indexer.New(cfg).Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	x := index.New(db)
	if err := x.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return chain{x, c, truth}
}
