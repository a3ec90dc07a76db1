package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"onsight/directory"
	"onsight/indexer"
	"onsight/internal/index"
	"onsight/ons"
)

// size is what the benchmark has and does: the goals' numbers, or few with BENCH_SMALL set.
type size struct {
	names  int
	rounds int
	round  time.Duration
}

func benchSize() size {
	if os.Getenv("BENCH_SMALL") != "" {
		return size{names: 2000, rounds: 3, round: 50 * time.Millisecond}
	}
	return size{names: 100_000, rounds: 9, round: 700 * time.Millisecond}
}

// lines is how many connections ask at once; batchNames how many names a batch has.
const (
	lines      = 8
	batchNames = 256
)

// BenchmarkNames compares, side by side in one run, single names with a constant gin handler of the same server, and
// with batches. The names are limited and told of as those of `onsight serve` behind a proxy are; the constant is not. The
// client writes prepared requests and reads no more of a reply than where it ends, so that what is measured is the server.
// Medians of rounds:
//
//	constant-req/s, names-req/s, ratio     requests a second at full load; the ratio's goal is at least 0.85
//	constant-p99-us, names-p99-us, p99-ratio   from the moment a request was due, at half of what names reached; at most 1.5
//	batch-names/s, batch-ratio             names a second in batches of 256, and over those asked one by one; at least 20
func BenchmarkNames(b *testing.B) {
	sz := benchSize()
	rng := rand.New(rand.NewPCG(7, 0))
	x, keys := bigIndex(b, rng, sz.names)
	s := New(Config{
		Snapshot: func() Snapshot { return x.Snapshot() }, Served: func(Served) {},
		Limits: Limits{Rate: 1e9, Concurrent: 1000, Total: 1000, Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	})
	constant := bytes.Repeat([]byte("x"), len(replyTo(b, s, keys[0])))
	s.engine.GET("/constant", func(g *gin.Context) { g.Data(http.StatusOK, "application/json", constant) })
	server := httptest.NewServer(s.Handler())
	b.Cleanup(server.Close)
	address := server.Listener.Addr().String()

	constants := get("/constant")
	singles := make([][]byte, len(keys))
	for i, k := range keys {
		singles[i] = nameRequest(k)
	}
	single := func(rng *rand.Rand) []byte { return singles[rng.IntN(len(singles))] }
	var batches [][]byte
	for range 64 {
		batches = append(batches, batchRequest(keys, rng))
	}
	batch := func(rng *rand.Rand) []byte { return batches[rng.IntN(len(batches))] }
	same := func(*rand.Rand) []byte { return constants }

	full := func(next func(*rand.Rand) []byte) float64 {
		return float64(len(load(b, address, next, sz.round, 0))) / sz.round.Seconds()
	}
	p99 := func(next func(*rand.Rand) []byte, rate float64) float64 {
		took := load(b, address, next, sz.round, rate)
		slices.Sort(took)
		return float64(took[len(took)*99/100].Microseconds())
	}
	for _, next := range []func(*rand.Rand) []byte{same, single, batch} {
		full(next) // warm
	}
	for b.Loop() {
		var perConstant, perName, perBatch, slowConstant, slowName, ratios, slower, times []float64
		for range sz.rounds {
			c, n, bt := full(same), full(single), full(batch)
			perConstant, perName, perBatch = append(perConstant, c), append(perName, n), append(perBatch, bt*batchNames)
			ratios, times = append(ratios, n/c), append(times, bt*batchNames/n)
		}
		half := median(perName) / 2
		for range sz.rounds {
			c, n := p99(same, half), p99(single, half)
			slowConstant, slowName, slower = append(slowConstant, c), append(slowName, n), append(slower, n/c)
		}
		b.ReportMetric(median(perConstant), "constant-req/s")
		b.ReportMetric(median(perName), "names-req/s")
		b.ReportMetric(median(ratios), "ratio")
		b.ReportMetric(median(slowConstant), "constant-p99-us")
		b.ReportMetric(median(slowName), "names-p99-us")
		b.ReportMetric(median(slower), "p99-ratio")
		b.ReportMetric(median(perBatch), "batch-names/s")
		b.ReportMetric(median(times), "batch-ratio")
	}
	b.ReportMetric(0, "ns/op") // an op is a whole comparison
}

// BenchmarkRange compares, side by side in one run, ranges with a constant handler of the same server that writes as many
// bytes. Medians of rounds:
//
//	constant-req/s, range-req/s, ratio   requests a second at full load; the ratio's goal is at least 0.7
//	bits, bytes                          of a range
//	shelf-ms, block-ms                   what it takes to make all ranges, and those of a block with one new name
func BenchmarkRange(b *testing.B) {
	sz := benchSize()
	x, keys := bigIndex(b, rand.New(rand.NewPCG(7, 0)), min(sz.names, 10_000))
	s := New(Config{Snapshot: func() Snapshot { return x.Snapshot() }})
	start := time.Now()
	shelf := s.shelfOf(x.Snapshot(), x.Snapshot().State())
	whole := time.Since(start)
	start = time.Now()
	newShelf(shelf, changedOne{x.Snapshot(), keys[0]}, x.Snapshot().State())
	block := time.Since(start)
	constant := bytes.Repeat([]byte("x"), shelf.sizes[shelf.bits])
	s.engine.GET("/constant", func(g *gin.Context) { g.Data(http.StatusOK, "application/json", constant) })
	server := httptest.NewServer(s.Handler())
	b.Cleanup(server.Close)
	var paths [][]byte
	for i := range 1 << shelf.bits {
		paths = append(paths, get(fmt.Sprintf("/v1/names/range/%d/%x", shelf.bits, i)))
	}
	constants := get("/constant")
	full := func(next func(*rand.Rand) []byte) float64 {
		return float64(len(load(b, server.Listener.Addr().String(), next, sz.round, 0))) / sz.round.Seconds()
	}
	same := func(*rand.Rand) []byte { return constants }
	one := func(rng *rand.Rand) []byte { return paths[rng.IntN(len(paths))] }
	full(same)
	full(one)
	for b.Loop() {
		var perConstant, perRange, ratios []float64
		for range sz.rounds {
			c, r := full(same), full(one)
			perConstant, perRange, ratios = append(perConstant, c), append(perRange, r), append(ratios, r/c)
		}
		b.ReportMetric(median(perConstant), "constant-req/s")
		b.ReportMetric(median(perRange), "range-req/s")
		b.ReportMetric(median(ratios), "ratio")
	}
	b.ReportMetric(float64(shelf.bits), "bits")
	b.ReportMetric(float64(len(constant)), "bytes")
	b.ReportMetric(whole.Seconds()*1e3, "shelf-ms")
	b.ReportMetric(block.Seconds()*1e3, "block-ms")
	b.ReportMetric(0, "ns/op") // an op is a whole comparison
}

// changedOne is a snapshot in which one name changed.
type changedOne struct {
	Snapshot
	key ons.Key
}

func (c changedOne) Changed(ons.Txid) ([]ons.Key, bool) { return []ons.Key{c.key}, true }

// BenchmarkNodes compares, side by side in one run, the list of 2,000 nodes with a constant handler of the same server that
// writes the same bytes and headers: plain, as gzip, and as the 304 of a client that has it. Medians of rounds:
//
//	plain-req/s, plain-ratio, gzip-…   requests a second at full load, and over the constant's; the goal is at least 0.9
//	304-req/s, 304-ratio               the same of 304s; at least 0.95
//	encode-ms                          what it takes to make both encodings, once a block
//	plain-bytes, gzip-bytes
func BenchmarkNodes(b *testing.B) {
	sz := benchSize()
	now := time.Now()
	snap := GenerateNodes(7, 2000, now)
	x, _ := bigIndex(b, rand.New(rand.NewPCG(7, 0)), 10)
	s := New(Config{Snapshot: func() Snapshot { return x.Snapshot() }, Nodes: func() *directory.Snapshot { return snap }})
	start := time.Now()
	list := newBoard(snap).list()
	plain, zipped := list.plain, list.packed()
	encode := time.Since(start)
	packed, tag := "Accept-Encoding: gzip\r\n", "If-None-Match: "+plain.tag[0]+"\r\n"
	for path, serve := range map[string]func(g *gin.Context, h http.Header){
		"/constant/plain": func(g *gin.Context, h http.Header) {
			h["Content-Type"], h["Content-Length"], h["X-Content-Type-Options"] = jsonType, plain.length, noSniff
			g.Writer.WriteHeader(http.StatusOK)
			_, _ = g.Writer.Write(plain.body)
		},
		"/constant/gzip": func(g *gin.Context, h http.Header) {
			h["Content-Type"], h["Content-Length"], h["X-Content-Type-Options"], h["Content-Encoding"] = jsonType, zipped.length, noSniff, inGzip
			g.Writer.WriteHeader(http.StatusOK)
			_, _ = g.Writer.Write(zipped.body)
		},
		"/constant/304": func(g *gin.Context, _ http.Header) {
			g.Writer.WriteHeader(http.StatusNotModified)
			g.Writer.WriteHeaderNow()
		},
	} {
		s.engine.GET(path, func(g *gin.Context) {
			h := g.Writer.Header()
			h["Access-Control-Allow-Origin"], h["Cache-Control"], h["Vary"], h["Etag"] = anyOrigin, atTip, byEncoding, plain.tag
			serve(g, h)
		})
	}
	server := httptest.NewServer(s.Handler())
	b.Cleanup(server.Close)
	address := server.Listener.Addr().String()
	full := func(path, header string) float64 {
		raw := []byte("GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" + header + "\r\n")
		return float64(len(load(b, address, func(*rand.Rand) []byte { return raw }, sz.round, 0))) / sz.round.Seconds()
	}
	for b.Loop() {
		for _, c := range []struct{ name, header string }{{"plain", ""}, {"gzip", packed}, {"304", tag}} {
			var rates, ratios []float64
			full("/v1/nodes", c.header) // warm
			for range sz.rounds {
				before := full("/constant/"+c.name, c.header)
				ours := full("/v1/nodes", c.header)
				constant := (before + full("/constant/"+c.name, c.header)) / 2 // what else runs here comes and goes
				rates, ratios = append(rates, ours), append(ratios, ours/constant)
			}
			b.ReportMetric(median(rates), c.name+"-req/s")
			b.ReportMetric(median(ratios), c.name+"-ratio")
		}
		b.ReportMetric(float64(encode.Milliseconds()), "encode-ms")
		b.ReportMetric(float64(len(plain.body)), "plain-bytes")
		b.ReportMetric(float64(len(zipped.body)), "gzip-bytes")
	}
	b.ReportMetric(0, "ns/op") // an op is a whole comparison
}

// BenchmarkNodesPatch is a block in which 67 of 2,000 nodes sent a proof, as it goes to those who have the block before:
//
//	plain-share-%, gzip-share-%   of the whole map, both plain and both as gzip; the goal is at most 1
//	patch-bytes, patch-gzip-bytes, map-bytes, map-gzip-bytes
//	map-ms, patch-ms              what it takes to make the map, once a block, and the patch, once for each older map asked from
func BenchmarkNodesPatch(b *testing.B) {
	now := time.Now()
	before := GenerateNodes(7, 2000, now)
	after := *before
	after.At.Height, after.At.Time, after.Hash, after.Commit = before.At.Height+1, now, strings.Repeat("0c", 32), before.Commit+1
	after.Entries = slices.Clone(before.Entries)
	rng, left := rand.New(rand.NewPCG(7, 0)), 67
	for _, i := range rng.Perm(len(after.Entries)) {
		n := &after.Entries[i].Node
		if n.State != directory.Gone {
			n.LastSeen = after.At
		}
		if n.State == directory.Active && left > 0 {
			n.Proof = now.Add(-time.Duration(rng.IntN(120)) * time.Second)
			left--
		}
	}
	var mapping, patching []float64
	var whole, patch *document
	for b.Loop() {
		var t trail
		old := t.mapped(newBoard(before))
		next := newBoard(&after)
		start := time.Now()
		next.mapped = t.mapped(next)
		next.mapped.packed()
		mapping = append(mapping, time.Since(start).Seconds()*1e3)
		start = time.Now()
		var err error
		if patch, err = next.patch(&t, old.tag()); err != nil {
			b.Fatal(err)
		}
		patch.packed()
		patching = append(patching, time.Since(start).Seconds()*1e3)
		whole = next.mapped.document
	}
	sizes := map[string]int{
		"patch-bytes": len(patch.plain.body), "patch-gzip-bytes": len(patch.packed().body),
		"map-bytes": len(whole.plain.body), "map-gzip-bytes": len(whole.packed().body),
	}
	for name, n := range sizes {
		b.ReportMetric(float64(n), name)
	}
	b.ReportMetric(100*float64(sizes["patch-bytes"])/float64(sizes["map-bytes"]), "plain-share-%")
	b.ReportMetric(100*float64(sizes["patch-gzip-bytes"])/float64(sizes["map-gzip-bytes"]), "gzip-share-%")
	b.ReportMetric(median(mapping), "map-ms")
	b.ReportMetric(median(patching), "patch-ms")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkHandler is BenchmarkNames without a network: what one request costs in the handler.
func BenchmarkHandler(b *testing.B) {
	rng := rand.New(rand.NewPCG(7, 0))
	x, keys := bigIndex(b, rng, 2000)
	snap := GenerateNodes(7, 2000, time.Now())
	s := New(Config{Snapshot: func() Snapshot { return x.Snapshot() }, Nodes: func() *directory.Snapshot { return snap }})
	h := s.Handler()
	for name, raw := range map[string][]byte{
		"single": nameRequest(keys[0]), "batch256": batchRequest(keys, rng),
		"nodes": get("/v1/nodes"), "nodes-filtered": get("/v1/nodes?state=active&latency=..100ms&order=latency&fields=key,ip,ports,latency"),
		"node": get("/v1/nodes/" + snap.Entries[0].Node.Key.String()), "pick": get("/v1/nodes/pick"), "aggregate": get("/v1/nodes/aggregate?by=version,operator"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
				if err != nil {
					b.Fatal(err)
				}
				w := discard{http.Header{}}
				h.ServeHTTP(w, r)
			}
		})
	}
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(status int) {
	if status != http.StatusOK {
		panic("api: internal error: status " + strconv.Itoa(status))
	}
}

// canned is a database with so many names.
type canned indexer.Delta

func (c canned) Since(context.Context, uint64) (indexer.Delta, error) { return indexer.Delta(c), nil }

func bigIndex(b testing.TB, rng *rand.Rand, names int) (*index.Index, []ons.Key) {
	b.Helper()
	random := func(n int) []byte {
		p := make([]byte, 0, n+8)
		for len(p) < n {
			p = binary.LittleEndian.AppendUint64(p, rng.Uint64())
		}
		return p[:n]
	}
	d := indexer.Delta{Seq: 1, Full: true}
	keys := make([]ons.Key, names)
	for i := range keys {
		r := ons.Record{
			Type: ons.Type(i % 10 / 8), Hash: ons.Hash(random(32)), Kind: ons.Buy, Registered: uint64(i/10) + 1, Updated: uint64(i/10) + 1,
			TxIndex: uint32(i % 10), Txid: ons.Txid(random(32)), Owner: ons.Owner{Kind: ons.OwnerWallet, Key: [32]byte(random(32)), View: [32]byte(random(32))},
			Sealed: ons.Sealed{Ciphertext: random(49), Nonce: random(24)},
		}
		if r.Type == ons.Wallet {
			r.Sealed.Ciphertext = random(81)
		}
		keys[i] = r.Key()
		d.Records, d.Times = append(d.Records, r), append(d.Times, 1_600_000_000+120*int64(r.Updated))
	}
	d.State = indexer.State{
		Network: ons.Mainnet, Phase: indexer.Synced, Asked: time.Now(), TipTime: 1_700_000_000,
		Tip: &indexer.Point{Height: uint64(names), Hash: ons.Txid(random(32))},
	}
	d.Tip = d.State.Tip
	x := index.New(canned(d))
	if err := x.Load(b.Context()); err != nil {
		b.Fatal(err)
	}
	return x, keys
}

func get(path string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")
}

func nameRequest(k ons.Key) []byte {
	return get("/v1/names/" + k.Type.String() + "/" + k.Hash.String())
}

func batchRequest(keys []ons.Key, rng *rand.Rand) []byte {
	var items []string
	for range batchNames {
		k := keys[rng.IntN(len(keys))]
		items = append(items, fmt.Sprintf(`{"type":%q,"hash":%q}`, k.Type, k.Hash))
	}
	body := `{"names":[` + strings.Join(items, ",") + `]}`
	return fmt.Appendf(nil, "POST /v1/names/resolve HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: 192.0.2.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// replyTo returns the body of a single name.
func replyTo(b testing.TB, s *Server, k ons.Key) []byte {
	b.Helper()
	w := httptest.NewRecorder()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(nameRequest(k))))
	if err != nil {
		b.Fatal(err)
	}
	s.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		b.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.Bytes()
}

// load asks over several connections for some time, each one request after the other, and returns how long each took.
// With a rate (requests a second, of all connections together) requests are due at even distances, and count from
// then; without one as fast as it goes.
func load(b *testing.B, address string, next func(*rand.Rand) []byte, length time.Duration, rate float64) []time.Duration {
	b.Helper()
	var all []time.Duration
	var failed error
	var mu sync.Mutex // guards all and failed
	var wg sync.WaitGroup
	start := time.Now()
	for line := range lines {
		wg.Go(func() {
			took, err := ask(address, next, rand.New(rand.NewPCG(uint64(line), 1)), start, length, rate)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
			if err != nil {
				failed = err
			}
		})
	}
	wg.Wait()
	if failed != nil || len(all) == 0 {
		b.Fatalf("%d replies, %v", len(all), failed)
	}
	return all
}

func ask(address string, next func(*rand.Rand) []byte, rng *rand.Rand, start time.Time, length time.Duration, rate float64) ([]time.Duration, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	var took []time.Duration
	r := bufio.NewReaderSize(conn, 64<<10)
	every := time.Duration(0)
	if rate > 0 {
		every = time.Duration(float64(time.Second) * lines / rate)
	}
	due := start.Add(time.Duration(rng.Float64() * float64(every)))
	for time.Since(start) < length {
		if rate > 0 {
			time.Sleep(time.Until(due))
		} else {
			due = time.Now()
		}
		if _, err := conn.Write(next(rng)); err != nil {
			return nil, err
		}
		if err := skipReply(r); err != nil {
			return nil, err
		}
		took = append(took, time.Since(due))
		due = due.Add(every)
	}
	return took, nil
}

// skipReply reads one reply, which must be a 200 with a Content-Length, or a 304.
func skipReply(r *bufio.Reader) error {
	length := -1
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && bytes.HasPrefix(line, []byte("HTTP/1.1 304 ")) {
			length = 0
		} else if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
			return fmt.Errorf("reply %q", line)
		}
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(v))); err != nil {
				return err
			}
		}
		if len(line) == 2 {
			break
		}
	}
	if length < 0 {
		return io.ErrUnexpectedEOF
	}
	_, err := r.Discard(length)
	return err
}

func median(v []float64) float64 {
	v = slices.Clone(v)
	slices.Sort(v)
	return v[len(v)/2]
}
