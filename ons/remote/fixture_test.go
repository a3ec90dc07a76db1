package remote_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"onsight/api"
	"onsight/indexer"
	"onsight/internal/index"
	"onsight/ons"
	"onsight/ons/remote"
)

// chain is a chain of names that change; it is also the database that the server reads.
type chain struct {
	rng     *rand.Rand
	records []ons.Record
	delta   indexer.Delta
	newest  map[ons.Key]ons.Record
	names   []ons.Name
}

func (c *chain) Since(_ context.Context, seq uint64) (indexer.Delta, error) {
	d := c.delta
	d.Full, d.Records = seq == 0, slices.Clone(c.records)
	if !d.Full {
		d.Base = d.Tip.Height - 1
		d.Records = slices.DeleteFunc(d.Records, func(r ons.Record) bool { return r.Updated <= d.Base })
	}
	return d, nil
}

// mine adds a block: some names are bought, and as many that there are changed.
func (c *chain) mine(t testing.TB, buys int) {
	t.Helper()
	height := uint64(1)
	if c.delta.Tip != nil {
		height = c.delta.Tip.Height + 1
	}
	place := uint32(0)
	add := func(r ons.Record) {
		r.Updated, r.TxIndex = height, place
		r.Txid = ons.Txid{byte(height), byte(height >> 8), byte(place), byte(place >> 8), 1}
		place++
		c.records, c.newest[r.Key()] = append(c.records, r), r
	}
	for range buys {
		typ, text := ons.Session, fmt.Sprintf("name-%d", len(c.names))
		switch c.rng.IntN(4) {
		case 0:
			typ = ons.Wallet
		case 1:
			typ, text = ons.Lokinet, text+".loki"
		}
		n, err := ons.ParseName(typ, text)
		if err != nil {
			t.Fatal(err)
		}
		c.names = append(c.names, n)
		add(c.bought(t, n, height))
	}
	for range min(buys, len(c.names)) {
		n := c.names[c.rng.IntN(len(c.names))]
		old := c.newest[ons.Key{Type: n.Type(), Hash: n.Hash()}]
		switch next := c.bought(t, n, height); {
		case old.Updated == height:
		case !old.Live(height):
			add(next) // bought again
		default:
			next.Kind, next.Prev, next.Registered, next.Expires = ons.Update, old.Txid, old.Registered, old.Expires
			if n.Type() == ons.Lokinet && c.rng.IntN(2) == 0 {
				next.Kind, next.Expires = ons.Renew, old.Expires+10
			}
			add(next)
		}
	}
	c.delta.Seq++
	c.delta.Tip = &indexer.Point{Height: height, Hash: ons.Txid{byte(height), byte(height >> 8), 2}}
	c.delta.State = indexer.State{
		Network: ons.Mainnet, Start: 1, Target: height, Phase: indexer.Synced, Asked: time.Now(), Tip: c.delta.Tip, TipTime: time.Now().Unix(),
	}
}

// bought is the record of a purchase.
func (c *chain) bought(t testing.TB, n ons.Name, height uint64) ons.Record {
	t.Helper()
	random := func(size int) []byte {
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(c.rng.Uint32())
		}
		return b
	}
	v := ons.Value{Type: n.Type(), Bytes: random(32)}
	switch n.Type() {
	case ons.Session:
		v.Bytes = append([]byte{5}, v.Bytes...)
	case ons.Wallet:
		v.Bytes = append([]byte{0}, random(64)...)
	}
	sealed, err := n.Seal(v, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := ons.Record{Type: n.Type(), Hash: n.Hash(), Kind: ons.Buy, Sealed: sealed, Registered: height}
	r.Owner = ons.Owner{Kind: ons.OwnerWallet, Key: [32]byte(random(32)), View: [32]byte(random(32)), Subaddress: c.rng.IntN(2) == 0}
	if c.rng.IntN(2) == 0 {
		r.Backup = ons.Owner{Kind: ons.OwnerEd25519, Key: [32]byte(random(32))}
	}
	if n.Type() == ons.Lokinet {
		r.Expires = height + 4
	}
	return r
}

// site is a server of a chain that notes what it is asked, and may lie.
type site struct {
	*chain
	index *index.Index
	url   *url.URL

	mu    sync.Mutex // guards what follows
	lie   func(*http.Response) error
	asked []string // URLs and headers
}

func serve(t testing.TB, seed uint64) *site {
	t.Helper()
	s := &site{chain: &chain{rng: rand.New(rand.NewPCG(seed, 0)), newest: map[ons.Key]ons.Record{}}}
	s.index = index.New(s.chain)
	inner := httptest.NewServer(api.New(api.Config{Snapshot: func() api.Snapshot { return s.index.Snapshot() }}).Handler())
	t.Cleanup(inner.Close)
	proxy := httputil.NewSingleHostReverseProxy(parse(t, inner.URL))
	proxy.ModifyResponse = func(r *http.Response) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.lie == nil {
			return nil
		}
		return s.lie(r)
	}
	outer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, fmt.Sprint(r.URL.RequestURI(), r.Header))
		s.mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(outer.Close)
	s.url = parse(t, outer.URL)
	return s
}

// grow adds blocks, of so many purchases each.
func (s *site) grow(t testing.TB, blocks, buys int) {
	t.Helper()
	for range blocks {
		s.mine(t, buys)
		if err := s.index.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// lies makes replies to paths with a prefix be others: a status and a body.
func (s *site) lies(prefix string, status int, header http.Header, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lie = func(r *http.Response) error {
		if !strings.HasPrefix(r.Request.URL.Path, prefix) {
			return nil
		}
		rec := httptest.NewRecorder()
		for name, values := range header {
			rec.Header()[name] = values
		}
		rec.WriteHeader(status)
		_, err := rec.WriteString(body)
		*r = *rec.Result()
		r.ContentLength = int64(len(body))
		return err
	}
}

// paths returns what was asked since the last time.
func (s *site) paths() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := strings.Join(s.asked, "\n")
	s.asked = nil
	return all
}

func (s *site) ask(t testing.TB) *remote.Server {
	t.Helper()
	r, err := remote.Ask(t.Context(), remote.Config{URL: s.url})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func parse(t testing.TB, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func keyOf(n ons.Name) ons.Key { return ons.Key{Type: n.Type(), Hash: n.Hash()} }

// memory is a remote.Memory.
type memory struct {
	bits int
	set  bool
	err  error
}

func (m *memory) Most() (int, bool, error) { return m.bits, m.set, m.err }

func (m *memory) Keep(bits int) error {
	m.bits, m.set = bits, true
	return m.err
}
