package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
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
				head := r.header.Get("Onsight-Head")
				if r.header.Get("Onsight-Next") == "" || r.header.Get("Link") == "" ||
					r.header.Get("Access-Control-Expose-Headers") != "Link, Onsight-Next, Onsight-Head" {
					t.Fatalf("Accept %q: the headers are %v", accept, r.header)
				}
				if accept == "" {
					for line := range bytes.Lines(r.body) {
						got = append(got, string(line))
					}
					v.Next = r.header.Get("Onsight-Next")
					link := r.header.Get("Link")
					if next = strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`); !strings.Contains(link, v.Next) {
						t.Fatalf("the link is %s, next %s", link, v.Next)
					}
				} else {
					if err := json.Unmarshal(r.body, &v); err != nil {
						t.Fatal(err)
					}
					if v.Head != nil {
						head = *v.Head
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
				if has := head != ""; has == full { // what is kept for ever says nothing that moves
					t.Errorf("page %d of %d: the head is %q", page, limit, head)
				}
				if v.Next == head {
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

// TestEventsCached asks twice for the page that ended the log, which goes on in between, as one behind a cache and one who is not: what may
// be kept is the same, so nobody takes an old end for the end.
func TestEventsCached(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	s := serve(t, b.config())
	head, _ := b.tail.Head()
	path := "/v1/events?limit=1&after=" + b.cursor(head.Seq-1)
	for _, accept := range []string{"", "application/json"} {
		one := s.send(t, "GET", path, "", http.Header{"Accept": {accept}})
		b.commit(t, 0, 2)
		two := s.send(t, "GET", path, "", http.Header{"Accept": {accept}})
		if accept != "" { // true of the block that it names, whichever that is
			for _, r := range []*reply{&one, &two} {
				r.body, _, _ = bytes.Cut(r.body, []byte(`,"as_of":`))
			}
		}
		for _, h := range []http.Header{one.header, two.header} {
			h.Del("Date")
			h.Del("Content-Length")
		}
		if one.header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
			t.Errorf("%q: %v", accept, one.header)
		}
		if diff := cmp.Diff(one, two, cmp.AllowUnexported(reply{})); diff != "" {
			t.Errorf("%q: the same page of two times:\n%s", accept, diff)
		}
	}
}

// TestEventsNetwork has the index learn its network while a page is made: the page is wholly of before.
func TestEventsNetwork(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	cfg := b.config()
	before, asked := indexOf(t, indexer.State{}), 0
	cfg.Snapshot = func() api.Snapshot {
		if asked++; asked == 1 {
			return before.Snapshot()
		}
		return b.index.Snapshot()
	}
	h := api.New(cfg).Handler()
	for i, want := range []string{"", b.lines(t)[0]} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/v1/events?limit=1&after="+b.cursor(0), nil))
		cache := w.Header().Get("Cache-Control")
		if w.Code != 200 || w.Body.String() != want || (cache == "no-store") != (want == "") {
			t.Errorf("request %d: %d, Cache-Control %s, %s, want %s", i+1, w.Code, cache, w.Body, want)
		}
	}
}
