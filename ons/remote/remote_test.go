package remote_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"onsight/ons"
	"onsight/ons/remote"
)

// finder is what both ways to ask for one name have.
type finder interface {
	ons.Source
	Find(context.Context, ons.Key) (remote.Answer, error)
	History(context.Context, ons.Key) (remote.Answer, error)
}

// then is what a chain's records say of a name after a block: the model.
func (c *chain) then(key ons.Key, height uint64) (last ons.Record, live bool) {
	for _, r := range c.records {
		if r.Key() == key && r.Updated <= height {
			last, live = r, true
		}
	}
	return last, live && last.Live(height+1)
}

// TestAnswers compares what is found in each way, now and as it was after each block, with what the chain was made of.
func TestAnswers(t *testing.T) {
	t.Parallel()
	s := serve(t, 1)
	s.grow(t, 30, 20)
	r, err := s.ask(t).Range(t.Context(), remote.Caution{Names: 600})
	if err != nil {
		t.Fatal(err)
	}
	if r.Bits() != 2 {
		t.Fatalf("%d bits", r.Bits())
	}
	tip := s.delta.Tip.Height
	never, err := ons.ParseName(ons.Session, "nobody-has-this")
	if err != nil {
		t.Fatal(err)
	}
	plain := cmpopts.IgnoreFields(ons.Record{}, "TxIndex")
	newest := cmpopts.IgnoreFields(ons.Record{}, "TxIndex", "Kind", "Prev")
	expired, changed := 0, 0
	for _, how := range []finder{r, s.ask(t).Exact()} {
		for i := 0; i < len(s.names); i += 7 {
			key := keyOf(s.names[i])
			want, live := s.then(key, tip)
			a, err := how.Find(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := a.Newest()
			if diff := cmp.Diff(want, got, newest); diff != "" || a.Point.Height != tip || !a.Ready || a.Network != ons.Mainnet {
				t.Fatalf("%T: %+v %s", how, a, diff)
			}
			sealed, err := how.Lookup(t.Context(), key.Type, key.Hash)
			if live != (err == nil) || !live && !errors.Is(err, ons.ErrNotFound) || live && !sealed.Equal(want.Sealed) {
				t.Fatalf("%T: lives: %v, but %v", how, live, err)
			}
			if a, err = how.History(t.Context(), key); err != nil {
				t.Fatal(err)
			}
			if len(a.Records) > 2 {
				changed++
			}
			for height := range tip + 1 {
				want, live := s.then(key, height)
				got, err := a.At(height)
				switch {
				case live != (err == nil) || err != nil && !errors.Is(err, ons.ErrNotFound):
					t.Fatalf("%T: after block %d it lives: %v, but %v", how, height, live, err)
				case !live:
					expired++
					continue
				}
				if diff := cmp.Diff(want, got, plain); diff != "" {
					t.Fatalf("%T: after block %d %s", how, height, diff)
				}
			}
			if _, err := a.At(tip + 1); !errors.Is(err, ons.ErrUnavailable) {
				t.Errorf("a block to come: %v", err)
			}
		}
		if _, err := how.Lookup(t.Context(), ons.Session, never.Hash()); !errors.Is(err, ons.ErrNotFound) {
			t.Errorf("%T: %v", how, err)
		}
	}
	if expired == 0 || changed == 0 {
		t.Errorf("%d of an expired name, %d with a long history", expired, changed)
	}
}

// TestIndistinguishable asks for names that are there and names that are not: the server sees the same.
func TestIndistinguishable(t *testing.T) {
	t.Parallel()
	s := serve(t, 2)
	s.grow(t, 10, 100)
	r, err := s.ask(t).Range(t.Context(), remote.Caution{Names: 1000})
	if err != nil {
		t.Fatal(err)
	}
	s.paths()
	for i := range 20 {
		key := keyOf(s.names[i])
		if _, err := r.Find(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		present := s.paths()
		key.Hash[31]++
		a, err := r.Find(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		absent := s.paths()
		if present != absent || strings.Contains(present, key.Hash.String()[:8]) || strings.Count(present, "\n") != 0 {
			t.Errorf("asked %s\nand %s", present, absent)
		}
		if a.Revealed.Among < 64 || a.Revealed.Bits != r.Bits() || a.Revealed.Hash {
			t.Errorf("revealed %+v", a.Revealed)
		}
	}
}

// TestCaution has what bounds a range.
func TestCaution(t *testing.T) {
	t.Parallel()
	s := serve(t, 3)
	s.grow(t, 10, 300) // 3,000 names: the server offers 4 bits
	for _, c := range []struct {
		what      string
		caution   remote.Caution
		bits, may int
		keeps     int
	}{
		{"nobody else counts", remote.Caution{Memory: &memory{}}, 0, 0, 0},
		{"no memory", remote.Caution{Names: 3000}, 4, 4, 0},
		{"the first time", remote.Caution{Names: 3000, Memory: &memory{}}, 4, 4, 4},
		{"fewer names elsewhere", remote.Caution{Names: 300, Memory: &memory{}}, 1, 1, 1},
		{"more names elsewhere", remote.Caution{Names: 1e9, Memory: &memory{}}, 4, 4, 4},
		{"no more than before", remote.Caution{Names: 3000, Memory: &memory{bits: 2, set: true}}, 2, 4, 2},
		{"unless told", remote.Caution{Names: 3000, Memory: &memory{bits: 2, set: true}, More: true}, 4, 4, 4},
		{"fewer than before", remote.Caution{Names: 300, Memory: &memory{bits: 3, set: true}, More: true}, 1, 1, 3},
	} {
		r, err := s.ask(t).Range(t.Context(), c.caution)
		if err != nil {
			t.Fatal(err)
		}
		if r.Bits() != c.bits || r.May() != c.may {
			t.Errorf("%s: %d bits of %d, want %d of %d", c.what, r.Bits(), r.May(), c.bits, c.may)
		}
		if m, ok := c.caution.Memory.(*memory); ok && m.bits != c.keeps {
			t.Errorf("%s: keeps %d, want %d", c.what, m.bits, c.keeps)
		}
	}
	broken := errors.New("broken")
	if _, err := s.ask(t).Range(t.Context(), remote.Caution{Names: 3000, Memory: &memory{err: broken}}); !errors.Is(err, broken) {
		t.Errorf("a broken memory: %v", err)
	}
}

const asOf = `"as_of":{"height":9,"hash":"0000000000000000000000000000000000000000000000000000000000000001","time":"2026-01-01T00:00:00Z"}`

// TestLies asks servers that offer or give what must not be taken.
func TestLies(t *testing.T) {
	t.Parallel()
	const status, ranges, bucket, name = "/v1/status", "/v1/names/range", "/v1/names/range/", "/v1/names/session/"
	for what, c := range map[string]struct {
		path    string
		status  int
		body    string
		refused bool
		want    string
	}{
		"too many bits":           {ranges, 200, `{"bits":9,"hashes":1000000000}`, true, "offers ranges of 9 bits"},
		"too few names":           {ranges, 200, `{"bits":5,"hashes":2047}`, true, "offers ranges of 5 bits for 2047 names"},
		"negative":                {ranges, 200, `{"bits":-1,"hashes":-1}`, true, "offers ranges of -1 bits"},
		"a range of none":         {bucket, 200, `{"ready":true,"records":[],` + asOf + `}`, true, "gives a range of 0 names"},
		"names of other range":    {bucket, 200, `{"ready":true,"records":[{"name_hash":"x"}],` + asOf + `}`, false, "gives names of another range"},
		"no range":                {bucket, 404, `{"code":"not_registered",` + asOf + `}`, false, "not what an onsight server says"},
		"no point":                {bucket, 200, `{"ready":true,"records":[]}`, false, "not what an onsight server says"},
		"no network":              {status, 200, `{"network":"lunarnet"}`, false, "names no network"},
		"no server":               {status, 200, `<html>`, false, "not what an onsight server says"},
		"another server":          {status, 302, ``, false, "answers 302"},
		"too long":                {status, 200, strings.Repeat(" ", 2<<20), false, "cut short or too large"},
		"files of the future":     {status, 200, `{"network":"mainnet","files":{"version":2,"at":"1"}}`, false, "form that is not known"},
		"files of another folder": {status, 200, `{"network":"mainnet","files":{"version":1,"at":"../../x"}}`, false, "form that is not known"},
		"not there, of no block":  {name, 404, `{"code":"not_registered","as_of":null}`, false, "not what an onsight server says"},
		"another name":            {name, 200, `{"type":"session","name_hash":"00",` + asOf + `}`, false, "answered about another name"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := serve(t, 4)
			s.grow(t, 2, 150)
			s.lies(c.path, c.status, http.Header{"Location": {s.url.String() + "/elsewhere"}}, c.body)
			ask := func() error {
				server, err := remote.Ask(t.Context(), remote.Config{URL: s.url})
				if err != nil {
					return err
				}
				var how finder = server.Exact()
				if c.path != name {
					if how, err = server.Range(t.Context(), remote.Caution{Names: 300}); err != nil {
						return err
					}
				}
				_, err = how.Lookup(t.Context(), ons.Session, s.names[0].Hash())
				return err
			}
			err := ask()
			if !errors.Is(err, ons.ErrUnavailable) || errors.Is(err, ons.ErrNotFound) || errors.Is(err, remote.ErrRefused) != c.refused || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
			asked := s.paths()
			if c.path == ranges && strings.Contains(asked, bucket) || strings.Contains(asked, "elsewhere") {
				t.Errorf("asked %s all the same", asked)
			}
			if strings.Contains(fmt.Sprint(err), "/v1/") {
				t.Errorf("names a path: %v", err)
			}
		})
	}
	nobody := parse(t, "http://127.0.0.1:1/secret")
	if _, err := remote.Ask(t.Context(), remote.Config{URL: nobody}); !errors.Is(err, ons.ErrUnavailable) || strings.Contains(err.Error(), "secret") {
		t.Errorf("nobody: %v", err)
	}
}

// TestBehind asks a server that lacks the newest blocks: it knows what is there, and cannot tell what is not.
func TestBehind(t *testing.T) {
	t.Parallel()
	s := serve(t, 5)
	s.mine(t, 300)
	s.delta.State.Target += 100
	if err := s.index.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	server := s.ask(t)
	r, err := server.Range(t.Context(), remote.Caution{Names: 300})
	if err != nil || server.Ready() {
		t.Fatal(err)
	}
	key := keyOf(s.names[0])
	for _, how := range []finder{r, server.Exact()} {
		if _, err := how.Lookup(t.Context(), key.Type, key.Hash); err != nil {
			t.Errorf("%T: %v", how, err)
		}
		if _, err := how.Lookup(t.Context(), key.Type, ons.Hash{1}); !errors.Is(err, ons.ErrUnavailable) || errors.Is(err, ons.ErrNotFound) {
			t.Errorf("%T: %v", how, err)
		}
	}
}

// TestBundle follows a chain by deltas.
func TestBundle(t *testing.T) {
	t.Parallel()
	s := serve(t, 6)
	s.grow(t, 3, 50)
	first, err := s.ask(t).Bundle(t.Context(), nil)
	if err != nil || first.Delta || first.Received != len(first.Bundle.Bytes()) {
		t.Fatalf("%v %+v", err, first)
	}
	s.grow(t, 1, 2)
	next, err := s.ask(t).Bundle(t.Context(), first.Bundle)
	if err != nil || !next.Delta || next.Received > 2000 || next.Bundle.At().Height != 4 {
		t.Fatalf("%v %+v", err, next)
	}
	fresh, err := s.ask(t).Bundle(t.Context(), nil)
	if err != nil || fresh.Bundle.Digest() != next.Bundle.Digest() {
		t.Errorf("%v: the delta makes another bundle", err)
	}
	older := *next.Bundle
	s.lies("/v1/names/bundle", 200, nil, string(first.Bundle.Bytes()))
	if _, err := s.ask(t).Bundle(t.Context(), &older); !errors.Is(err, ons.ErrUnavailable) || !strings.Contains(err.Error(), "older than the one here") {
		t.Errorf("an older one: %v", err)
	}
	damaged := first.Bundle.Bytes()
	damaged[len(damaged)/2] ^= 1
	s.lies("/v1/names/bundle", 200, nil, string(damaged))
	if _, err := s.ask(t).Bundle(t.Context(), nil); !errors.Is(err, ons.ErrBundle) || !errors.Is(err, ons.ErrUnavailable) {
		t.Errorf("a damaged one: %v", err)
	}
	s.lies("/v1/status", 200, nil, `{"network":"testnet","ready":true}`)
	if _, err := s.ask(t).Bundle(t.Context(), nil); !errors.Is(err, ons.ErrUnavailable) || !strings.Contains(err.Error(), "is of mainnet") {
		t.Errorf("of another network: %v", err)
	}
	s.lies("/v1/names/bundle", 200, nil, "onsdlta1 and nothing of use")
	if _, err := s.ask(t).Bundle(t.Context(), next.Bundle); !errors.Is(err, ons.ErrUnavailable) {
		t.Errorf("a useless delta: %v", err)
	}
}

// wire answers requests with bytes.
type wire func(path string) string

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Request: r, Body: io.NopCloser(strings.NewReader(w(r.URL.Path)))}, nil
}

// FuzzReply reads whatever a server may say, in each way.
func FuzzReply(f *testing.F) {
	f.Add(`{}`)
	f.Add(`{"network":"mainnet","ready":true,"records":[{}],` + asOf + `}`)
	f.Add(`{"records":[{"type":"session","name_hash":"` + strings.Repeat("0", 64) + `"}],` + asOf + `}`)
	f.Add(`{"type":"session","name_hash":"` + strings.Repeat("0", 64) + `","history":[{"kind":"buy"}],"next":"x",` + asOf + `}`)
	f.Add(`{"network":"mainnet","files":{"version":1,"at":"0","bits":1,"hashes":128}}`)
	f.Add("onsbndl1")
	f.Fuzz(func(t *testing.T, body string) {
		cfg := remote.Config{URL: &url.URL{Scheme: "http", Host: "x"}, HTTP: &http.Client{Transport: wire(func(path string) string {
			if path == "/v1/status" {
				return `{"network":"mainnet","ready":true}`
			}
			return body
		})}}
		server, err := remote.Ask(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		ways := []finder{server.Exact()}
		if r, err := server.Range(t.Context(), remote.Caution{Names: 1000}); err == nil {
			ways = append(ways, r)
		}
		for _, how := range ways {
			a, err := how.History(t.Context(), ons.Key{})
			if err == nil {
				_, _ = a.At(1)
			}
			if _, err := how.Lookup(t.Context(), ons.Session, ons.Hash{}); err != nil && !errors.Is(err, ons.ErrNotFound) && !errors.Is(err, ons.ErrUnavailable) {
				t.Error(err)
			}
		}
		if got, err := server.Bundle(t.Context(), nil); err == nil && got.Bundle.At().Network != ons.Mainnet {
			t.Error("took a bundle of another network")
		}
		cfg.HTTP.Transport = wire(func(string) string { return body })
		_, _ = remote.Ask(t.Context(), cfg)
	})
}

// ExampleServer_Range looks a name up without telling which.
func ExampleServer_Range() {
	ctx := context.Background()
	name, err := ons.ParseName(ons.Session, "jagerman")
	if err != nil {
		panic(err)
	}
	server, err := remote.Ask(ctx, remote.Config{URL: &url.URL{Scheme: "https", Host: "names.example.org"}, HTTP: &http.Client{Transport: wire(recorded)}})
	if err != nil {
		panic(err)
	}
	names, err := server.Range(ctx, remote.Caution{}) // nobody else counts names: the whole registry is asked for
	if err != nil {
		panic(err)
	}
	answer, err := names.Find(ctx, ons.Key{Type: name.Type(), Hash: name.Hash()})
	if err != nil {
		panic(err)
	}
	_, err = answer.Live()
	fmt.Println(err)
	fmt.Println("revealed", answer.Revealed)
	// Output:
	// at height 9: not registered
	// revealed nothing of the name: the whole registry was asked for
}

// recorded is what a server says that has no names.
func recorded(path string) string {
	switch path {
	case "/v1/status":
		return `{"network":"mainnet","ready":true}`
	case "/v1/names/range":
		return `{"bits":0,"hashes":0}`
	}
	return `{"ready":true,"records":[],` + asOf + `}`
}

// TestBounds asks a server that sends without end, and counts what is taken of it.
func TestBounds(t *testing.T) {
	t.Parallel()
	s := serve(t, 7)
	s.grow(t, 1, 150)
	first, err := s.ask(t).Bundle(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	whole := string(first.Bundle.Bytes())
	s.grow(t, 1, 2)
	u := s.url.JoinPath("v1", "names", "bundle")
	u.RawQuery = "since=" + first.Bundle.At().Hash.String()
	res, err := http.Get(u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	read, err := io.ReadAll(res.Body)
	if err != nil || !ons.IsDelta(read) {
		t.Fatal(err)
	}
	delta := string(read)
	huge := []byte(whole)
	copy(huge[8+8+8+32+8:], "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff") // rows of mainnet's bundle
	for what, c := range map[string]struct {
		begins string
		most   int64
	}{
		"a bundle and more": {whole, int64(len(whole))},
		"a delta and more":  {delta, int64(len(delta))},
		"a huge bundle":     {string(huge[:200]), 0},
		"no bundle":         {"x", 0},
		"half a head":       {whole[:20], 0},
		"a range":           {"", 1 << 20},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			taken := &endless{begins: c.begins}
			cfg := remote.Config{URL: &url.URL{Scheme: "http", Host: "x"}, HTTP: &http.Client{Transport: transport(func(r *http.Request) *http.Response {
				body := io.Reader(strings.NewReader(`{"network":"mainnet","ready":true}`))
				switch r.URL.Path {
				case "/v1/names/range":
					body = strings.NewReader(`{"bits":1,"hashes":1000,"size_class":4096}`)
				case "/v1/names/bundle", "/v1/names/range/0/0":
					body = taken
				}
				return &http.Response{StatusCode: http.StatusOK, Request: r, Body: io.NopCloser(body), ContentLength: -1}
			})}}
			server, err := remote.Ask(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if c.begins == "" {
				var names *remote.Range
				if names, err = server.Range(t.Context(), remote.Caution{}); err != nil {
					t.Fatal(err)
				}
				_, err = names.Find(t.Context(), ons.Key{})
			} else {
				_, err = server.Bundle(t.Context(), first.Bundle)
			}
			if !errors.Is(err, ons.ErrUnavailable) || taken.taken > c.most+64<<10 {
				t.Errorf("took %d bytes: %v", taken.taken, err)
			}
		})
	}
}

// endless is a body that begins in some way and never ends.
type endless struct {
	begins string
	taken  int64
}

func (e *endless) Read(b []byte) (int, error) {
	if e.taken > 1<<28 {
		return 0, errors.New("a quarter of a gigabyte")
	}
	n := copy(b, e.begins)
	e.begins = e.begins[n:]
	if n == 0 {
		clear(b)
		n = len(b)
	}
	e.taken += int64(n)
	return n, nil
}

// transport answers requests.
type transport func(*http.Request) *http.Response

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r), nil }
