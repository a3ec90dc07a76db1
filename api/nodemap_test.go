package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"onsight/api"
	"onsight/directory"
)

// town is a directory of which every step is another one.
type town struct {
	rng     *rand.Rand
	snap    *directory.Snapshot
	earlier [][]directory.Entry // for reorganisations
	fresh   uint64
}

// step makes the next block, a reorganisation, or measurements between two blocks.
func (w *town) step() {
	next := *w.snap
	next.Commit++
	next.Entries = slices.Clone(w.snap.Entries)
	switch kind := w.rng.IntN(10); {
	case kind < 2: // measured
		for range 3 {
			w.measure(&next.Entries[w.rng.IntN(len(next.Entries))])
		}
	case kind < 3 && len(w.earlier) > 0: // back, to a block that others follow
		back := w.rng.IntN(len(w.earlier))
		next.Entries = slices.Clone(w.earlier[back])
		next.At.Height -= uint64(len(w.earlier) - back)
		w.earlier = w.earlier[:back]
		w.block(&next)
	default:
		w.earlier = append(w.earlier[max(0, len(w.earlier)-12):], w.snap.Entries)
		w.block(&next)
	}
	w.snap = &next
}

func (w *town) block(s *directory.Snapshot) {
	w.fresh++
	s.At.Height++
	s.At.Time = s.At.Time.Add(time.Duration(w.rng.IntN(240)-20) * time.Second)
	s.Hash = fmt.Sprintf("%064x", w.fresh)
	for range 1 + w.rng.IntN(4) {
		w.change(s, &s.Entries[w.rng.IntN(len(s.Entries))])
	}
	if w.rng.IntN(5) == 0 && len(s.Entries) < 20 {
		one := api.GenerateNodes(w.rng.Uint64(), 1, now).Entries[0]
		s.Entries = append(s.Entries, one)
		slices.SortFunc(s.Entries, func(a, b directory.Entry) int { return a.Node.Key.Compare(b.Node.Key) })
	}
	for i := range s.Entries {
		if s.Entries[i].Node.State != directory.Gone {
			s.Entries[i].Node.LastSeen = s.At
		}
	}
}

// change does to a node what a block may.
func (w *town) change(s *directory.Snapshot, e *directory.Entry) {
	n := &e.Node
	switch w.rng.IntN(8) {
	case 0:
		n.Proof = s.At.Time
	case 1:
		n.Proof, n.IP, n.StoragePort, n.Oxend = time.Time{}, netip.Addr{}, 0, directory.Version{}
	case 2:
		n.State, n.Active, n.Reasons, n.Decommissions, n.Swarm = directory.Decommissioned, false, []string{"uptime"}, 1, directory.NoSwarm
	case 3:
		n.State, n.Active, n.Reasons, n.Swarm, n.UnlockHeight = directory.Active, true, nil, w.rng.Uint64N(9), 0
	case 4:
		n.State = directory.Gone
	case 5:
		n.State, n.UnlockHeight = directory.Unlocking, s.At.Height+100
	case 6:
		n.StorageReach = directory.Reach{Known: true, OK: w.rng.IntN(2) == 0, LastReachable: s.At.Time}
		if !n.StorageReach.OK {
			n.StorageReach.FirstUnreachable = s.At.Time
		}
	case 7:
		n.Contributors = n.Contributors[:w.rng.IntN(len(n.Contributors)+1)]
	}
}

func (w *town) measure(e *directory.Entry) {
	e.Estimate = e.Estimate.Add(directory.Sample{
		At: e.Estimate.At.Add(time.Minute), TCP: time.Duration(w.rng.IntN(90)) * time.Millisecond, TLS: directory.NotTried,
		Info: time.Duration(1+w.rng.IntN(90)) * time.Millisecond, OMQ: directory.NotTried, OK: w.rng.IntN(4) > 0,
	})
	if w.rng.IntN(9) == 0 {
		e.Estimate = directory.Estimate{}
	}
}

// keeper is a client that keeps the map by patches.
type keeper struct {
	tag string
	doc any
}

// follow brings k up to date, and reports whether by a patch.
func (k *keeper) follow(t *testing.T, h http.Handler) bool {
	t.Helper()
	query := "form=map"
	if k.tag != "" {
		query = "since=" + url.QueryEscape(k.tag)
	}
	w := get(h, "/v1/nodes?"+query, nil)
	var got any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
		t.Fatalf("%d %v %.300s", w.Code, err, w.Body)
	}
	k.tag = w.Header().Get("ETag")
	switch kind := w.Header().Get("Content-Type"); kind {
	case "application/merge-patch+json":
		k.doc = api.ApplyPatch(k.doc, got)
		return true
	case "application/json":
		k.doc = got
	default:
		t.Fatalf("Content-Type %q", kind)
	}
	return false
}

func get(h http.Handler, target string, header http.Header) *httptest.ResponseRecorder {
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", target, nil)
	for name, values := range header {
		r.Header[name] = values
	}
	h.ServeHTTP(w, r)
	return w
}

func canonical(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestNodePatches is the property, over 1,000 steps with reorganisations: whoever follows by patches, however seldom, has what the
// whole map is, and that is what the list is, as far as it can be.
func TestNodePatches(t *testing.T) {
	t.Parallel()
	w := &town{rng: rand.New(rand.NewPCG(5, 0)), snap: api.GenerateNodes(5, 12, now)}
	cfg := nodeConfig(t, w.snap, &api.Shelf{})
	cfg.Nodes = func() *directory.Snapshot { return w.snap }
	h := api.New(cfg).Handler()
	keepers := make([]keeper, 6)
	patches, wholes, changes := 0, 0, 1000
	if testing.Short() {
		changes = 250
	}
	for step := range changes {
		w.step()
		var whole any
		full := get(h, "/v1/nodes?form=map", nil)
		if err := json.Unmarshal(full.Body.Bytes(), &whole); err != nil {
			t.Fatal(err)
		}
		want := canonical(t, whole)
		if step%50 == 0 {
			wantMap(t, h, whole)
		}
		for i := range keepers {
			k := &keepers[i]
			if w.rng.IntN(1<<i) > 0 {
				continue // this one follows seldom
			}
			if k.tag != "" && w.rng.IntN(100) == 0 {
				k.tag = `"forgotten"`
			}
			if k.follow(t, h) {
				patches++
			} else {
				wholes++
			}
			if got := canonical(t, k.doc); !bytes.Equal(got, want) {
				t.Fatalf("step %d, client %d (-whole +patched):\n%s", step, i, cmp.Diff(whole, k.doc))
			}
			if k.tag != full.Header().Get("ETag") {
				t.Fatalf("step %d: the patch leads to %s, the whole is %s", step, k.tag, full.Header().Get("ETag"))
			}
		}
	}
	if patches < changes || wholes < 10 || wholes*4 > patches {
		t.Errorf("%d patches, %d whole maps", patches, wholes)
	}
}

// wantMap holds the map to the list.
func wantMap(t *testing.T, h http.Handler, whole any) {
	t.Helper()
	var list map[string]any
	if err := json.Unmarshal(get(h, "/v1/nodes", nil).Body.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	byKey := map[string]any{}
	for _, n := range list["nodes"].([]any) {
		node := n.(map[string]any)
		if seen := node["last_seen"].(map[string]any); seen["height"] != list["as_of"].(map[string]any)["height"] {
			t.Errorf("a node on the list was last seen at %v", seen)
		}
		key := node["key"].(string)
		delete(node, "key")
		delete(node, "last_seen")
		byKey[key] = node
	}
	want := map[string]any{"truncated": list["truncated"], "nodes": byKey, "as_of": list["as_of"], "network": list["network"]}
	if diff := cmp.Diff(api.Stripped(want), whole); diff != "" {
		t.Fatalf("the map is not the list (-list +map):\n%s", diff)
	}
}

// TestNodeMap holds the forms of the list to the document, with their headers.
func TestNodeMap(t *testing.T) {
	t.Parallel()
	snap := api.GenerateNodes(5, 300, now)
	cfg := nodeConfig(t, snap, &api.Shelf{})
	cfg.Nodes = func() *directory.Snapshot { return snap }
	s := serve(t, cfg)
	identity := http.Header{"Accept-Encoding": {"identity"}}
	whole := s.send(t, "GET", "/v1/nodes?form=map", "", identity)
	tag := whole.header.Get("ETag")
	if whole.status != 200 || !strings.HasPrefix(tag, `W/"`) || whole.header.Get("Access-Control-Expose-Headers") != "ETag" || whole.header.Get("Vary") != "Accept-Encoding" {
		t.Fatalf("%d %v", whole.status, whole.header)
	}
	s.sinceDate(t, "/v1/nodes?form=map", whole.header)

	before := snap
	proved, counted := *snap, *snap
	proved.Entries = slices.Clone(snap.Entries)
	proved.At.Height, proved.At.Time, proved.Hash, proved.Commit = 5011, now.Add(-time.Second), strings.Repeat("0c", 32), 901
	key := onListFirst(&proved)
	key.Node.Proof = proved.At.Time
	snap = &proved
	bare := strings.Trim(strings.TrimPrefix(tag, "W/"), `"`)
	var patch []byte
	for _, since := range []string{tag, `"` + bare + `"`, `"` + bare + `-gzip"`, bare} {
		got := s.send(t, "GET", "/v1/nodes?since="+url.QueryEscape(since), "", identity)
		want := fmt.Sprintf(`{"truncated":0,"nodes":{"%s":{"proof":"%s"}},"as_of":{"height":5011,"hash":"%s","time":"%[2]s"},"network":"testnet"}`,
			key.Node.Key, proved.At.Time.UTC().Format(time.RFC3339), proved.Hash)
		if patch = got.body; string(patch) != want || got.header.Get("Content-Type") != "application/merge-patch+json" || got.header.Get("Cache-Control") != tipCache {
			t.Fatalf("since %s: %v %s, want %s", since, got.header, patch, want)
		}
	}
	present := s.send(t, "GET", "/v1/nodes?since="+url.QueryEscape(tag), "", identity).header.Get("ETag")
	for _, c := range []struct {
		query, given string
		status       int
		kind         string
	}{
		{"since=" + url.QueryEscape(tag), present, 304, ""},
		{"since=" + url.QueryEscape(tag), tag, 200, "application/merge-patch+json"},
		{"since=" + url.QueryEscape(present), present, 304, ""},
		{"since=" + url.QueryEscape(present), "", 200, "application/merge-patch+json"}, // in which nothing is but as_of
		{"form=map&since=" + url.QueryEscape(tag), "", 200, "application/merge-patch+json"},
		{"since=unknown", "", 200, "application/json"},
		{"since=unknown", present, 304, ""},
		{"form=map", tag, 200, "application/json"},
		{"form=map", present, 304, ""},
		{"since=", "", 400, "application/problem+json"},
		{"since=" + strings.Repeat("x", 101), "", 400, "application/problem+json"},
		{"form=list", "", 400, "application/problem+json"},
		{"form=map&limit=3", "", 400, "application/problem+json"},
		{"since=unknown&state=active", "", 400, "application/problem+json"},
	} {
		header := identity.Clone()
		if c.given != "" {
			header.Set("If-None-Match", c.given)
		}
		got := s.send(t, "GET", "/v1/nodes?"+c.query, "", header)
		if got.status != c.status || got.header.Get("Content-Type") != c.kind {
			t.Errorf("%s with %s: %d %v, want %d %s", c.query, c.given, got.status, got.header, c.status, c.kind)
		}
	}

	// The chain goes back: a patch leads there too.
	counted.Commit = 902
	snap = &counted
	back := s.send(t, "GET", "/v1/nodes?since="+url.QueryEscape(present), "", identity)
	if again := back.header.Get("ETag"); again != tag || !strings.Contains(string(back.body), before.Hash) || len(back.body) > 2*len(patch) {
		t.Errorf("back at %s by %s, want %s", again, back.body, tag)
	}

	// A block in which everything changed has no patch that is smaller.
	other := *api.GenerateNodes(6, 300, now)
	other.Commit = 903
	snap = &other
	if got := s.send(t, "GET", "/v1/nodes?since="+url.QueryEscape(tag), "", identity); got.header.Get("Content-Type") != "application/json" {
		t.Errorf("%d bytes of %s", len(got.body), got.header.Get("Content-Type"))
	}
}

// onListFirst returns the first active node of a snapshot.
func onListFirst(s *directory.Snapshot) *directory.Entry {
	for i := range s.Entries {
		if s.Entries[i].Node.State == directory.Active {
			return &s.Entries[i]
		}
	}
	return nil
}
