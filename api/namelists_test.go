package api_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"onsight/api"
	"onsight/indexer"
	"onsight/internal/devnet"
	"onsight/internal/index"
	"onsight/ons"
)

// withoutAsOf is a reply without as_of, and without what at_height adds or leaves as it is now.
func withoutAsOf(t *testing.T, body []byte) (m map[string]any) {
	t.Helper()
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	delete(m, "as_of")
	delete(m, "at_height")
	delete(m, "expires_at")
	delete(m, "final")
	events, _ := m["history"].([]any)
	for _, e := range events {
		delete(e.(map[string]any), "final")
	}
	return m
}

// TestPast is the property that what is said of a height is what an index says that ends there.
func TestPast(t *testing.T) {
	t.Parallel()
	x := newChain(t)
	s := serve(t, config(x.Index))
	state, rng := x.Snapshot().State(), rand.New(rand.NewPCG(4, 0))
	keys, heights := x.truth.Keys(), 40
	if testing.Short() {
		heights = 8
	}
	for range heights {
		height := 8 + rng.Uint64N(state.Tip.Height-7)
		short := feed{Seq: 1, Full: true, State: state}
		short.State.Tip = &indexer.Point{Height: height, Hash: ons.Txid{byte(height), 1}}
		for r := range x.Snapshot().Chain() {
			if r.Updated <= height {
				made, _ := x.Snapshot().Time(r.Updated)
				short.Records, short.Times = append(short.Records, *r), append(short.Times, made)
			}
		}
		stopped := index.New(short)
		if err := stopped.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		cfg := config(stopped)
		then := serve(t, cfg)
		for range 20 {
			key := keys[rng.IntN(len(keys))]
			for _, tail := range []string{"", "/history"} {
				path := fmt.Sprintf("/v1/names/%s/%s%s", key.Type, key.Hash, tail)
				got := s.send(t, "GET", fmt.Sprintf("%s?at_height=%d", path, height), "", nil)
				_, known := x.truth.At(key, height)
				if !known {
					if p := problemOf(t, got.body); got.status != 404 || p.Code != "not_registered" {
						t.Fatalf("%s at %d: got %s", path, height, got.body)
					}
					continue
				}
				code, want := then.do(t, "GET", path, "")
				if code != 200 || got.status != 200 {
					t.Fatalf("%s at %d: got %d %s, want %d %s", path, height, got.status, got.body, code, want)
				}
				if diff := gocmp.Diff(withoutAsOf(t, want), withoutAsOf(t, got.body)); diff != "" {
					t.Fatalf("%s at %d (-want +got):\n%s", path, height, diff)
				}
				if !bytes.Contains(got.body, fmt.Appendf(nil, `"at_height":%d`, height)) {
					t.Fatalf("%s does not say of which height it is", got.body)
				}
				if immutable := strings.Contains(got.header.Get("Cache-Control"), "immutable"); immutable != (height <= state.Final) {
					t.Fatalf("height %d of final %d: %s", height, state.Final, got.header.Get("Cache-Control"))
				}
				again := s.send(t, "GET", fmt.Sprintf("%s?at_height=%d", path, height), "", http.Header{"If-None-Match": {got.header.Get("Etag")}})
				if again.status != http.StatusNotModified {
					t.Fatalf("%s: got %d for its own tag", path, again.status)
				}
			}
		}
	}
}

// TestPastForever: what is said of a final block, by one tag and for ever, is the same however long the chain has become.
func TestPastForever(t *testing.T) {
	t.Parallel()
	r := lokinet(1, 100_000)
	ask := func(height uint64, tag string) reply {
		t.Helper()
		state := synced() // blocks come more slowly than one thinks
		state.Tip = &indexer.Point{Height: height, Hash: ons.Txid{byte(height)}}
		s := serve(t, config(indexOf(t, state, r)))
		header := http.Header{}
		if tag != "" {
			header.Set("If-None-Match", tag)
		}
		return s.send(t, "GET", path(r)+"?at_height=4500", "", header)
	}
	first, later := ask(5010, ""), ask(5100, "")
	tag := first.header.Get("ETag")
	if !strings.Contains(first.header.Get("Cache-Control"), "immutable") || ask(5100, tag).status != http.StatusNotModified {
		t.Fatalf("got %v", first.header)
	}
	said := func(r reply) (m map[string]any) {
		if err := json.Unmarshal(r.body, &m); err != nil {
			t.Fatal(err)
		}
		delete(m, "as_of")
		return m
	}
	if diff := gocmp.Diff(said(first), said(later)); diff != "" {
		t.Errorf("(-first +later):\n%s", diff)
	}
	want := time.Unix(made(r.Updated)+120*int64(r.Expires-r.Updated), 0).UTC().Format(time.RFC3339)
	if got := said(first)["expires_at"]; got != want {
		t.Errorf("expires at %v, want %s", got, want)
	}
}

// TestPastBehind shows that a block which the index has still to read is no error of who asks.
func TestPastBehind(t *testing.T) {
	t.Parallel()
	r := record(1)
	state := synced()
	state.Phase, state.Target = indexer.Syncing, 6000
	s := serve(t, config(indexOf(t, state, r)))
	for height, want := range map[int]int{5010: 200, 5011: 503, 6000: 503, 6001: 404, 3999: 404} {
		if code, body := s.do(t, "GET", fmt.Sprintf("%s?at_height=%d", path(r), height), ""); code != want {
			t.Errorf("height %d: got %d %s", height, code, body)
		}
	}
	state.Phase = indexer.ForkBelowFinal // which casts doubt on what is final
	s = serve(t, config(indexOf(t, state, r)))
	if got := s.send(t, "GET", path(r)+"?at_height=4000", "", nil); strings.Contains(got.header.Get("Cache-Control"), "immutable") {
		t.Errorf("got %v", got.header)
	}
}

// listed reads a list, page by page.
func listed(t *testing.T, s *site, path string) (names []Name) {
	t.Helper()
	for next := ""; ; {
		code, body := s.do(t, "GET", path+next, "")
		var page struct {
			Names []Name
			Next  *string
		}
		if err := json.Unmarshal(body, &page); code != 200 || err != nil {
			t.Fatalf("%s: %d %v %s", path, code, err, body)
		}
		names = append(names, page.Names...)
		if page.Next == nil {
			return names
		}
		next = "&next=" + *page.Next
	}
}

// TestListsPacked: a list of some size is compressed for clients that take it, and each encoding has its own tag.
func TestListsPacked(t *testing.T) {
	t.Parallel()
	s := serve(t, config(indexOf(t, synced(), names(rand.New(rand.NewPCG(1, 0)), 200)...)))
	plain := s.send(t, "GET", "/v1/names?limit=100", "", http.Header{"Accept-Encoding": {"identity"}})
	packed := raw(t, s.url+"/v1/names?limit=100", "gzip")
	if packed.header.Get("Content-Encoding") != "gzip" || packed.header.Get("Vary") != "Accept-Encoding" || packed.header.Get("ETag") == plain.header.Get("ETag") {
		t.Errorf("%v after %v", packed.header, plain.header)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed.body))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); err != nil || !bytes.Equal(b, plain.body) {
		t.Errorf("%v: %d bytes are not the %d", err, len(b), len(plain.body))
	}
}

// TestLists compares lists of a generated chain with what happened there.
func TestLists(t *testing.T) {
	t.Parallel()
	x := newChain(t)
	s := serve(t, config(x.Index))
	var all []ons.Record
	for _, key := range x.truth.Keys() {
		r, _ := x.truth.Record(key)
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b ons.Record) int {
		return cmp.Or(cmp.Compare(b.Updated, a.Updated), cmp.Compare(b.TxIndex, a.TxIndex))
	})
	for _, query := range []string{
		"?limit=7", "?limit=1000&type=session,wallet", "?limit=3&kind=renew", "?limit=5&status=expired,needs_update&type=lokinet,session", "?limit=2&status=expiring&type=&kind=",
	} {
		in := func(name, v string) bool {
			_, list, found := strings.Cut(query, name+"=")
			list, _, _ = strings.Cut(list, "&")
			return !found || list == "" || slices.Contains(strings.Split(list, ","), v)
		}
		want := []Name{}
		for _, r := range all {
			if n := wantName(x, r); in("type", string(n.Type)) && in("kind", string(n.Kind)) && in("status", string(n.Status)) {
				want = append(want, n)
			}
		}
		if diff := gocmp.Diff(want, append([]Name{}, listed(t, s, "/v1/names"+query)...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}

	next := x.chain.Height()
	slices.SortFunc(all, func(a, b ons.Record) int {
		return cmp.Or(cmp.Compare(a.Expires, b.Expires), bytes.Compare(a.Hash[:], b.Hash[:]))
	})
	for query, within := range map[string]uint64{"?limit=2": x.chain.Year() / 12, "?limit=3&within=100000": 100000, "?limit=1&within=0": 0} {
		want := []Name{}
		for _, r := range all {
			if r.Expires >= next && r.Expires-next <= within {
				want = append(want, wantName(x, r))
			}
		}
		if diff := gocmp.Diff(want, append([]Name{}, listed(t, s, "/v1/names/expiring"+query)...)); diff != "" {
			t.Errorf("expiring%s (-want +got):\n%s", query, diff)
		}
	}
}

// TestStatistics compares the numbers with those of the chain: what was burned is what a daemon adds up of its transactions.
func TestStatistics(t *testing.T) {
	t.Parallel()
	// The heights of --regtest, as spec D.1 has them.
	x := newChainOf(t, devnet.GenerateConfig{Seed: 5, Forks: []devnet.Fork{
		{Version: 15, Height: 8}, {Version: 16, Height: 9}, {Version: 17, Height: 10}, {Version: 18, Height: 11}, {Version: 19, Height: 13},
	}})
	s := serve(t, config(x.Index))
	get := func(query string) (v Statistics) {
		t.Helper()
		code, body := s.do(t, "GET", "/v1/names/statistics"+query, "")
		if err := json.Unmarshal(body, &v); code != 200 || err != nil {
			t.Fatalf("%d %v %s", code, err, body)
		}
		return v
	}
	v := get("")
	d, err := devnet.Serve(x.chain, devnet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	resp, err := http.Post(d.URL()+"/json_rpc", "application/json",
		strings.NewReader(`{"jsonrpc":"2.0","id":"0","method":"get_coinbase_tx_sum","params":{"height":0,"count":1000000}}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var sum struct {
		Result struct {
			Burned json.Number `json:"burn_amount"`
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&sum); err != nil || sum.Result.Burned == "" {
		t.Fatalf("%v: %+v", err, sum)
	}
	if v.Burned != sum.Result.Burned.String() {
		t.Errorf("burned: got %s, the daemon says %s", v.Burned, sum.Result.Burned)
	}
	counts, _ := x.truth.Counts(x.chain.Height())
	known, changes := map[ons.Type]int64{}, int64(0)
	for _, key := range x.truth.Keys() {
		known[key.Type]++
		changes += int64(len(x.truth.History(key)))
	}
	var told, daily, unpriced int64
	sumOf := func(c Changes) int64 { unpriced += c.Unpriced; return c.Buys + c.Updates + c.Renewals }
	for i, c := range []Totals{v.Session, v.Wallet, v.Lokinet} {
		if c.Active != int64(counts[i]) || c.Known != known[ons.Type(i)] || c.Expired != c.Known-c.Active {
			t.Errorf("type %d: got %+v, want %d of %d", i, c, counts[i], known[ons.Type(i)])
		}
		told += sumOf(c.Changes)
	}
	for _, d := range v.Days {
		daily += sumOf(d.Session) + sumOf(d.Wallet) + sumOf(d.Lokinet)
	}
	if told != changes || daily != changes || unpriced != 0 {
		t.Errorf("got %d changes, %d on all days, %d without a price; want %d", told, daily, unpriced, changes)
	}
	if last := get("?days=1"); len(last.Days) != 1 || last.Days[0] != v.Days[len(v.Days)-1] || last.Burned != v.Burned {
		t.Errorf("of one day: got %+v", last.Days)
	}
	if none := get("?days=0"); len(none.Days) != 0 {
		t.Errorf("of no day: got %+v", none.Days)
	}
}

// TestStatisticsFollow shows that numbers are made anew after a block.
func TestStatisticsFollow(t *testing.T) {
	t.Parallel()
	newest := indexOf(t, synced(), record(1))
	cfg := config(nil)
	cfg.Snapshot = func() api.Snapshot { return newest.Snapshot() }
	s := serve(t, cfg)
	_, first := s.do(t, "GET", "/v1/names/statistics", "")
	state := synced()
	state.Tip = &indexer.Point{Height: 5010, Hash: ons.Txid{7}}
	newest = indexOf(t, state, record(1), old2020(2))
	_, second := s.do(t, "GET", "/v1/names/statistics", "")
	if !bytes.Contains(first, []byte(`{"session":{"known":1,"active":1,"expired":0,"legacy":0,"legacy_share":0,"changes":{"buys":1,`)) ||
		!bytes.Contains(second, []byte(`{"session":{"known":2,"active":2,"expired":0,"legacy":1,"legacy_share":0.5,"changes":{"buys":2,`)) {
		t.Errorf("got\n%s\n%s", first, second)
	}
}
