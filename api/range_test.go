package api_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"onsight/api"
	"onsight/indexer"
	"onsight/internal/index"
	"onsight/ons"
)

// names makes n records of random hashes, one in eight of a second type beside the first.
func names(rng *rand.Rand, n int) []ons.Record {
	var out []ons.Record
	for len(out) < n {
		r := record(byte(rng.Uint32()))
		for i := range r.Hash {
			r.Hash[i] = byte(rng.Uint32())
		}
		r.Updated, r.Owner = 4000+uint64(len(out)), owner(byte(rng.Uint32()))
		out = append(out, r)
		if rng.IntN(8) == 0 {
			w := r
			w.Type, w.Updated = ons.Wallet, r.Updated+1
			w.Sealed.Ciphertext = bytes.Repeat([]byte{3}, 81)
			out = append(out, w)
		}
	}
	return out
}

type rangesReply struct {
	Bits, K, Records, Hashes int
	SizeClass                int `json:"size_class"`
	Ready                    bool
}

type bucketReply struct {
	Bits    int
	Index   string
	Ready   bool
	Records []struct {
		Type     string
		NameHash string `json:"name_hash"`
	}
}

func (s *site) ranges(t testing.TB) (r rangesReply) {
	t.Helper()
	code, body := s.do(t, "GET", "/v1/names/range", "")
	if err := json.Unmarshal(body, &r); err != nil || code != 200 {
		t.Fatalf("%d %v %s", code, err, body)
	}
	return r
}

// wire asks without a client that would hide how it was sent, and returns headers (but for the date) and body.
func wire(t testing.TB, url string) (http.Header, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip, br, identity")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s: %d %v", url, resp.StatusCode, err)
	}
	resp.Header.Del("Date")
	return resp.Header, body
}

// TestRanges is the property, over registries of different sizes: every range holds k different hashes, all replies of as
// many bits have one size and the same headers, and together they hold everything once.
func TestRanges(t *testing.T) {
	t.Parallel()
	sizes := []int{0, 1, 63, 100, 200, 1_000, 10_000}
	if os.Getenv("RANGES") != "" { // make ranges
		sizes = []int{1_000_000}
	}
	for _, n := range sizes {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			x := indexOf(t, synced(), names(rand.New(rand.NewPCG(uint64(n), 0)), n)...)
			s := serve(t, config(x))
			r := s.ranges(t)
			if r.K != 64 || r.Records != x.Snapshot().Len() || !r.Ready {
				t.Errorf("got %+v", r)
			}
			if want := map[int]int{200: 1, 1_000: 3, 10_000: 6, 1_000_000: 8}; r.Bits != want[n] {
				t.Errorf("%d bits, want %d", r.Bits, want[n])
			}
			for b := 0; b <= r.Bits; b++ {
				if n > 10_000 && b < r.Bits {
					continue // few and huge
				}
				s.everyRange(t, b, "", r)
				s.everyRange(t, b, "/history", r)
			}
		})
	}
}

// everyRange asks for all ranges of so many bits, or for what happened in them.
func (s *site) everyRange(t *testing.T, bits int, what string, r rangesReply) {
	t.Helper()
	var first http.Header
	size, total := 0, 0
	distinct := map[string]bool{}
	for i := range 1 << bits {
		header, body := wire(t, fmt.Sprintf("%s/v1/names/range/%d/%x%s", s.url, bits, i, what))
		if first == nil {
			first, size = header, len(body)
			if what == "" && bits == r.Bits && size != r.SizeClass {
				t.Errorf("%d bytes, the size class is %d", size, r.SizeClass)
			}
		}
		if diff := cmp.Diff(first, header); diff != "" || len(body) != size {
			t.Fatalf("%d/%x can be told from %d/0: %d bytes, not %d, %s", bits, i, bits, len(body), size, diff)
		}
		var got bucketReply
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
		if got.Bits != bits || got.Index != fmt.Sprintf("%x", i) || !got.Ready {
			t.Errorf("%d/%x says it is %d/%s, ready %v", bits, i, got.Bits, got.Index, got.Ready)
		}
		here := map[string]bool{}
		for _, one := range got.Records {
			h, err := ons.ParseHash(one.NameHash)
			if err != nil || int(binary.BigEndian.Uint16(h[:])>>(16-bits)) != i {
				t.Errorf("%d/%x holds %s", bits, i, one.NameHash)
			}
			here[one.NameHash], distinct[one.NameHash] = true, true
		}
		if bits > 0 && len(here) < r.K {
			t.Errorf("%d/%x holds %d hashes, want %d", bits, i, len(here), r.K)
		}
		total += len(got.Records)
	}
	if total != r.Records || len(distinct) != r.Hashes {
		t.Errorf("%d bits hold %d records of %d hashes, want %d of %d", bits, total, len(distinct), r.Records, r.Hashes)
	}
}

// histories compares what happened in the range of everything with what the index knows of every name.
func (s *site) histories(t *testing.T, snap *index.Snapshot) {
	t.Helper()
	type change struct {
		Kind, Type, Txid string
		NameHash         string `json:"name_hash"`
		UpdateHeight     uint64 `json:"update_height"`
	}
	var got struct{ Records []change }
	_, body := wire(t, s.url+"/v1/names/range/0/0/history")
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	for _, newest := range snap.Bucket(0, 0) {
		for _, r := range snap.History(newest.Key()) {
			want := change{r.Kind.String(), r.Type.String(), r.Txid.String(), r.Hash.String(), r.Updated}
			if len(got.Records) == 0 || got.Records[0] != want {
				t.Fatalf("got %d more, want %+v first", len(got.Records), want)
			}
			got.Records = got.Records[1:]
		}
	}
	if len(got.Records) != 0 {
		t.Fatalf("%d too many", len(got.Records))
	}
}

// counted counts what ranges are made of.
type counted struct {
	api.Snapshot
	buckets *atomic.Int64
}

func (c counted) Bucket(bits int, number uint64) []*ons.Record {
	c.buckets.Add(1)
	return c.Snapshot.Bucket(bits, number)
}

// TestRangesOnce: requests that come together after a block make its ranges once.
func TestRangesOnce(t *testing.T) {
	t.Parallel()
	x := indexOf(t, synced(), names(rand.New(rand.NewPCG(1, 0)), 2000)...)
	var buckets atomic.Int64
	cfg := config(x)
	cfg.Snapshot = func() api.Snapshot { return counted{x.Snapshot(), &buckets} }
	h := api.New(cfg).Handler()
	begin, together := make(chan struct{}), sync.WaitGroup{}
	for range 20 {
		together.Go(func() {
			<-begin
			if w := get(h, "/v1/names/range/1/0", nil); w.Code != 200 {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	close(begin)
	together.Wait()
	if n := buckets.Load(); n != 256 {
		t.Errorf("%d pieces were made, want each of 256 once", n)
	}
}

// TestRangeErrors has a spelling of each mistake.
func TestRangeErrors(t *testing.T) {
	t.Parallel()
	s := serve(t, config(indexOf(t, synced(), names(rand.New(rand.NewPCG(1, 0)), 1000)...)))
	for _, path := range []string{"4/0", "9/0", "-1/0", "+1/0", "01/0", "x/0", "1/2", "3/8", "3/-1", "3/00", "3/G", "0/1", "3/", "1/0x1", "4/0/history", "3/8/history"} {
		code, body := s.do(t, "GET", "/v1/names/range/"+path, "")
		if path == "3/" {
			if code != 404 && code != 400 {
				t.Errorf("%s: %d %s", path, code, body)
			}
			continue
		}
		if p := problemOf(t, body); code != 400 || p.Code != "invalid_range" {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	for _, since := range []string{"1", strings.Repeat("G", 64), strings.Repeat("A", 64)} {
		if code, body := s.do(t, "GET", "/v1/names/bundle?since="+since, ""); code != 400 || problemOf(t, body).Code != "invalid_parameter" {
			t.Errorf("%s: %d %s", since, code, body)
		}
	}
	empty := serve(t, config(indexOf(t, indexer.State{})))
	for _, path := range []string{"range", "range/0/0", "range/0/0/history", "bundle"} {
		if code, body := empty.do(t, "GET", "/v1/names/"+path, ""); code != 503 || problemOf(t, body).Code != "behind" {
			t.Errorf("%s of an empty index: %d %s", path, code, body)
		}
	}
	behind := synced()
	behind.Target += 100
	late := serve(t, config(indexOf(t, behind, record(1))))
	header, body := wire(t, late.url+"/v1/names/range/0/0")
	var got bucketReply
	if err := json.Unmarshal(body, &got); err != nil || got.Ready || len(got.Records) != 1 || header.Get("Cache-Control") != "no-store" {
		t.Errorf("an index that is behind: %v %v %s", err, header, body)
	}
	if header, _ := wire(t, late.url+"/v1/names/bundle"); header.Get("Cache-Control") != "no-store" {
		t.Errorf("the bundle of an index that is behind: %v", header)
	}
}

// steps is a feed that gives one delta after another, of a chain that grows and is reorganised at random.
type steps struct {
	rng    *rand.Rand
	blocks [][]ons.Record // by height, from 1
	seq    uint64
	hash   ons.Txid
	known  []ons.Key
}

// feedFunc is a database of which a function says what there is.
type feedFunc func() indexer.Delta

func (f feedFunc) Since(context.Context, uint64) (indexer.Delta, error) { return f(), nil }

func (c *steps) next() indexer.Delta {
	base := len(c.blocks) - min(len(c.blocks), max(0, c.rng.IntN(16)-10))
	c.blocks = c.blocks[:base]
	for range 1 + c.rng.IntN(3) {
		var block []ons.Record
		height := uint64(len(c.blocks) + 1)
		for range c.rng.IntN(6) {
			r := names(c.rng, 1)[0]
			if len(c.known) > 0 && c.rng.IntN(2) == 0 {
				r.Hash = c.known[c.rng.IntN(len(c.known))].Hash
			} else {
				c.known = append(c.known, r.Key())
			}
			r.Registered, r.Updated, r.TxIndex = height, height, uint32(len(block))
			block = append(block, r)
		}
		c.blocks = append(c.blocks, block)
	}
	c.seq++
	binary.LittleEndian.PutUint64(c.hash[:], c.seq)
	state := synced()
	state.Tip = &indexer.Point{Height: uint64(len(c.blocks)), Hash: c.hash}
	d := indexer.Delta{
		Seq: c.seq, Full: c.seq == 1, Base: uint64(base), Records: slices.Concat(c.blocks[base:]...), Tip: state.Tip, State: state,
	}
	for _, r := range d.Records {
		d.Times = append(d.Times, int64(c.seq*1000+r.Updated)) // another time for a block that is another one
	}
	return d
}

// TestBundle follows a chain over 1,000 steps with reorganisations by deltas, each of which must give a fresh bundle; ranges
// that are kept from block to block must be those of a server that begins anew.
func TestBundle(t *testing.T) {
	t.Parallel()
	c := &steps{rng: rand.New(rand.NewPCG(9, 0))}
	var d indexer.Delta
	x := index.New(feedFunc(func() indexer.Delta { return d }))
	s := serve(t, config(x))
	var have *ons.Bundle
	deltas, reorgs, blocks := 0, 0, 1000
	if testing.Short() {
		blocks = 300
	}
	for i := range blocks {
		d = c.next()
		if have != nil && d.Base < have.At().Height {
			reorgs++
		}
		if err := x.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		if i%3 == 1 {
			continue // a client need not ask after every block
		}
		_, whole := wire(t, s.url+"/v1/names/bundle")
		fresh, err := ons.ParseBundle(whole)
		if err != nil {
			t.Fatal(err)
		}
		if have != nil {
			_, body := wire(t, s.url+"/v1/names/bundle?since="+have.At().Hash.String())
			if ons.IsDelta(body) {
				deltas++
				next, err := have.Apply(body)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(next.Bytes(), whole) {
					t.Fatalf("step %d: the delta gives another bundle", i)
				}
			}
		}
		have = fresh
		if i%20 == 0 {
			anew := serve(t, config(x))
			for _, path := range []string{"/v1/names/range/0/0", "/v1/names/range/0/0/history"} {
				_, old := wire(t, s.url+path)
				_, got := wire(t, anew.url+path)
				if !bytes.Equal(bytes.TrimRight(old, " "), bytes.TrimRight(got, " ")) {
					t.Fatalf("step %d: ranges that were kept differ: %s", i, path)
				}
			}
			s.histories(t, x.Snapshot())
		}
	}
	if deltas < blocks/2 || reorgs < blocks/10 {
		t.Errorf("only %d deltas and %d reorganisations", deltas, reorgs)
	}
	for r := range x.Snapshot().Records() {
		if sealed, err := have.Lookup(t.Context(), r.Type, r.Hash); err != nil || !sealed.Equal(r.Sealed) {
			t.Errorf("%s: got %v %v", r.Hash, sealed, err)
		}
	}
	for _, path := range []string{"range/0/0", "range/0/0/history"} { // held to the document
		if code, body := s.do(t, "GET", "/v1/names/"+path, ""); code != 200 {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	code, _ := s.do(t, "GET", "/v1/names/bundle?since="+strings.Repeat("0", 64), "") // as well
	digest := have.Digest()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/v1/names/bundle", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("If-None-Match", fmt.Sprintf(`"%x"`, digest))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if code != 200 || resp.StatusCode != http.StatusNotModified {
		t.Errorf("got %d and %d", code, resp.StatusCode)
	}
}

// askedChanges is a snapshot that counts how often it is asked what changed.
type askedChanges struct {
	api.Snapshot
	times *atomic.Int64
}

func (c askedChanges) Changed(since ons.Txid) ([]ons.Key, bool) {
	c.times.Add(1)
	return c.Snapshot.Changed(since)
}

// TestDeltaOnce: who asks again for the same delta costs nothing, and who has it does not have it made.
func TestDeltaOnce(t *testing.T) {
	t.Parallel()
	c := &steps{rng: rand.New(rand.NewPCG(3, 0))}
	var d indexer.Delta
	x := index.New(feedFunc(func() indexer.Delta { return d }))
	for range 30 {
		d = c.next()
		if err := x.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	since := x.Snapshot().State().Tip.Hash
	d = c.next()
	if err := x.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	path := "/v1/names/bundle?since=" + since.String()
	begin := func() (*site, *atomic.Int64) {
		times := new(atomic.Int64)
		cfg := config(x)
		cfg.Snapshot = func() api.Snapshot { return askedChanges{x.Snapshot(), times} }
		return serve(t, cfg), times
	}
	s, times := begin()
	first := s.send(t, "GET", path, "", nil)
	if first.status != 200 || !ons.IsDelta(first.body) || times.Load() != 1 {
		t.Fatalf("%d, %d bytes, made %d times", first.status, len(first.body), times.Load())
	}
	if again := s.send(t, "GET", path, "", nil); !bytes.Equal(again.body, first.body) || times.Load() != 1 {
		t.Errorf("%d, made %d times", again.status, times.Load())
	}
	other := "/v1/names/bundle?since=" + strings.Repeat("0", 64)
	if whole := s.send(t, "GET", other, "", nil); whole.status != 200 || ons.IsDelta(whole.body) {
		t.Errorf("a block that is not known: %d", whole.status)
	}
	tag := http.Header{"If-None-Match": {first.header.Get("ETag")}}
	s, times = begin()
	if has := s.send(t, "GET", path, "", tag); has.status != 304 || has.header.Get("ETag") != first.header.Get("ETag") || times.Load() != 0 {
		t.Errorf("who has it: %d, made %d times", has.status, times.Load())
	}
	if has := s.send(t, "GET", path, "", http.Header{"If-None-Match": {"*"}}); has.status != 304 || has.header.Get("ETag") != first.header.Get("ETag") {
		t.Errorf("who has anything: %d", has.status)
	}
}

// TestPaddingTag: replies of two sizes do not have one strong tag. A server pads by what it had before.
func TestPaddingTag(t *testing.T) {
	t.Parallel()
	many := names(rand.New(rand.NewPCG(4, 0)), 1_100)
	before, after := indexOf(t, synced(), many...), indexOf(t, reorganised(), many[:980]...)
	now := before
	cfg := config(before)
	cfg.Snapshot = func() api.Snapshot { return now.Snapshot() }
	old, fresh := serve(t, cfg), serve(t, config(after))
	for _, what := range []string{"", "/history"} {
		path := "/v1/names/range/1/0" + what
		now = before
		old.send(t, "GET", path, "", nil)
		now = after
		a, b := old.send(t, "GET", path, "", nil), fresh.send(t, "GET", path, "", nil)
		if len(a.body) == len(b.body) || a.header.Get("ETag") == b.header.Get("ETag") {
			t.Errorf("%s: %d bytes are %s, %d are %s", path, len(a.body), a.header.Get("ETag"), len(b.body), b.header.Get("ETag"))
		}
		if has := old.send(t, "GET", path, "", http.Header{"If-None-Match": {a.header.Get("ETag")}}); has.status != 304 {
			t.Errorf("%s: %d for its own tag", path, has.status)
		}
	}
}

// reorganised is a state as synced, of another block.
func reorganised() indexer.State {
	st := synced()
	tip := *st.Tip
	tip.Hash[5]++
	st.Tip = &tip
	return st
}
