package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"onsight/api"
	"onsight/indexer"
	"onsight/internal/index"
	"onsight/internal/store"
	"onsight/ons"
	"onsight/ons/remote"
)

// registry is a database of made-up names that open: name-0, name-1 and so on.
type registry struct {
	delta indexer.Delta
}

func (r *registry) Since(_ context.Context, seq uint64) (indexer.Delta, error) {
	d := r.delta
	if d.Full = seq == 0; !d.Full { // the last block is all that a reader of the one before lacks
		d.Base = d.Tip.Height - 1
		d.Records = slices.DeleteFunc(slices.Clone(d.Records), func(r ons.Record) bool { return r.Updated <= d.Base })
	}
	d.Records = slices.Clone(d.Records)
	return d, nil
}

// mine adds a block with so many names.
func (r *registry) mine(t testing.TB, names int) {
	t.Helper()
	height := uint64(1)
	if r.delta.Tip != nil {
		height = r.delta.Tip.Height + 1
	}
	for range names {
		text := fmt.Sprintf("name-%d", len(r.delta.Records))
		rec := ons.Record{
			Type: ons.Session, Kind: ons.Buy, Owner: ons.Owner{Kind: ons.OwnerEd25519, Key: [32]byte{1}}, Registered: height, Updated: height,
			TxIndex: uint32(len(r.delta.Records)),
		}
		name, err := ons.ParseName(ons.Session, text)
		if err != nil {
			t.Fatal(err)
		}
		value := append([]byte{5}, make([]byte, 32)...)
		copy(value[1:], text)
		if rec.Sealed, err = name.Seal(ons.Value{Type: ons.Session, Bytes: value}, nil); err != nil {
			t.Fatal(err)
		}
		rec.Hash = name.Hash()
		r.delta.Records = append(r.delta.Records, rec)
	}
	r.delta.Seq++
	r.delta.Tip = &indexer.Point{Height: height, Hash: ons.Txid{byte(height), byte(len(r.delta.Records))}}
	r.delta.State = indexer.State{
		Network: ons.Mainnet, Start: 1, Target: height, Phase: indexer.Synced, Asked: time.Now(), Tip: r.delta.Tip, TipTime: time.Now().Unix(),
	}
}

// value is what name-i stands for.
func value(i int) string {
	digits := fmt.Sprintf("05%x", fmt.Sprintf("name-%d", i))
	return digits + strings.Repeat("0", 66-len(digits))
}

// watched is a server with such names that notes the paths it is asked for, and may lie.
type watched struct {
	*httptest.Server
	names *registry
	index *index.Index
	lie   func(*http.Response) error // may be nil; set before it is asked

	mu    sync.Mutex // guards asked
	asked []string
}

func watch(t *testing.T, names int) *watched {
	t.Helper()
	w := &watched{names: &registry{}}
	w.index = index.New(w.names)
	w.mine(t, names)
	inner := httptest.NewServer(api.New(api.Config{Snapshot: func() api.Snapshot { return w.index.Snapshot() }}).Handler())
	t.Cleanup(inner.Close)
	at, err := url.Parse(inner.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(at)
	proxy.ModifyResponse = func(r *http.Response) error {
		if w.lie == nil {
			return nil
		}
		return w.lie(r)
	}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.asked = append(w.asked, r.URL.RequestURI())
		w.mu.Unlock()
		proxy.ServeHTTP(rw, r)
	}))
	t.Cleanup(w.Server.Close)
	return w
}

func (w *watched) mine(t *testing.T, names int) {
	t.Helper()
	w.names.mine(t, names)
	if err := w.index.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// paths returns what was asked since the last time.
func (w *watched) paths() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := strings.Join(w.asked, "\n")
	w.asked = nil
	return all
}

func hashOf(t *testing.T, name string) ons.Hash {
	t.Helper()
	n, err := ons.ParseName(ons.Session, name)
	if err != nil {
		t.Fatal(err)
	}
	return n.Hash()
}

// TestPrivate looks names up in each way, and looks at what the server was asked.
func TestPrivate(t *testing.T) {
	t.Parallel()
	const names = 3000
	w := watch(t, names)
	home := t.TempDir()
	bundle := filepath.Join(home, "onsight", "onsight-mainnet.bundle")
	env := map[string]string{"XDG_DATA_HOME": home}
	run := func(want int, args ...string) (stdout, stderr string) {
		t.Helper()
		code, stdout, stderr := runProgram(t, env, args...)
		if code != want {
			t.Fatalf("%v: exit code %d, want %d: %s", args, code, want, stderr)
		}
		return stdout, stderr
	}
	resolve := func(i int, width int, flags ...string) {
		t.Helper()
		out, stderr := run(0, append([]string{"resolve", fmt.Sprintf("name-%d", i), "--server", w.URL}, flags...)...)
		if strings.TrimSpace(out) != value(i) {
			t.Errorf("got %q, want %q", out, value(i))
		}
		asked, h := w.paths(), hashOf(t, fmt.Sprintf("name-%d", i))
		want := fmt.Sprintf("/v1/names/range/%d/%x", width, binary.BigEndian.Uint64(h[:8])>>(64-width))
		if !strings.HasSuffix(asked, want) || strings.Contains(asked, h.String()) || strings.Contains(asked, "name-") {
			t.Errorf("asked %s, want %s", asked, want)
		}
		if !strings.Contains(stderr, "asked: range; revealed: ") {
			t.Errorf("said %q", stderr)
		}
	}
	resolve(1, 0) // nobody but the server says how many there are
	run(0, "bundle", "pull", "--server", w.URL)
	w.paths()
	resolve(2, 0, "--more-bits") // nor is the server's own bundle a second opinion
	run(0, "bundle", "pull", "--server", w.URL, "--bundle", bundle+".new")
	move(t, bundle+".new", bundle) // of unknown origin
	w.paths()
	resolve(2, 0, "--more-bits")
	if err := os.Remove(bundle); err != nil {
		t.Fatal(err)
	}
	other := strings.Replace(w.URL, "127.0.0.1", "localhost", 1) // somebody else's, as far as a program can tell
	run(0, "bundle", "pull", "--server", other)
	w.paths()
	resolve(2, 0)                // as before
	resolve(3, 4, "--more-bits") // 3,000 names
	resolve(4, 4)
	run(exitNotRegistered, "resolve", "nobody-has-this", "--server", w.URL)
	if asked := w.paths(); !strings.Contains(asked, "/v1/names/range/4/") {
		t.Errorf("asked %s", asked)
	}
	out, _ := run(0, "resolve", "name-5", "--server", w.URL, "-o", "json")
	var got resolvedView
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.Source != "range" || !strings.Contains(got.Revealed, "one of ") ||
		got.Record == nil || got.Record.Status != "registered" {
		t.Errorf("%v %s", err, out)
	}
	w.paths()
	out, _ = run(0, "resolve", "name-6", "--server", w.URL, "--exact", "-o", "json")
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.Source != "exact" || !strings.Contains(w.paths(), hashOf(t, "name-6").String()) {
		t.Errorf("%v %s", err, out)
	}

	// A block later only what changed is sent.
	w.mine(t, 2)
	out, _ = run(0, "bundle", "pull", "--server", other, "-o", "json")
	var pulled pulledView
	if err := json.Unmarshal([]byte(out), &pulled); err != nil || !pulled.Delta || pulled.Received > 1000 || pulled.Names.Session != names+2 || pulled.AsOf.Height != 2 {
		t.Errorf("%v %s", err, out)
	}
	file, err := os.ReadFile(pulled.File)
	if err != nil {
		t.Fatal(err)
	}

	// What happened to a name is worked out here.
	for _, way := range []string{"--server", "--exact"} {
		args := []string{"--server", w.URL}
		if way == "--exact" {
			args = append(args, way)
		}
		out, _ = run(0, append([]string{"resolve", fmt.Sprintf("name-%d", names), "--history"}, args...)...)
		if !strings.HasPrefix(out, value(names)+"\n2  buy  "+value(names)) {
			t.Errorf("%s: got %q", way, out)
		}
		if asked := w.paths(); (way == "--server") != strings.HasSuffix(asked, fmt.Sprintf("/4/%x/history", hashOf(t, fmt.Sprintf("name-%d", names))[0]>>4)) || !strings.Contains(asked, "/history") {
			t.Errorf("asked %s", asked)
		}
		out, _ = run(0, append([]string{"resolve", "name-7", "--at-height", "1", "-o", "json"}, args...)...)
		if err := json.Unmarshal([]byte(out), &got); err != nil || got.Value != value(7) || got.AtHeight == nil || *got.AtHeight != 1 || got.AsOf.Height != 2 {
			t.Errorf("%s: %v %s", way, err, out)
		}
		run(exitNotRegistered, append([]string{"resolve", "name-7", "--at-height", "0"}, args...)...)
		run(exitNotRegistered, append([]string{"resolve", fmt.Sprintf("name-%d", names), "--at-height", "1"}, args...)...)
		run(exitUnavailable, append([]string{"resolve", "name-7", "--at-height", "3"}, args...)...)
	}
	run(exitUsage, "resolve", "name-7", "--at-height", "3", "--offline")
	run(exitUsage, "resolve", "name-7", "--history", "--offline")

	// With the server gone every name is found.
	w.Server.Close()
	w.paths()
	for i := 0; i < names+2; i += 100 {
		out, stderr := run(0, "resolve", fmt.Sprintf("name-%d", i), "--offline")
		if strings.TrimSpace(out) != value(i) || !strings.Contains(stderr, "asked: bundle; revealed: nothing") {
			t.Errorf("got %q %q, want %q", out, stderr, value(i))
		}
	}
	out, _ = run(0, "bundle", "resolve", fmt.Sprintf("name-%d", names+1), "-o", "json")
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.Source != "bundle" || got.Value != value(names+1) {
		t.Errorf("%v %s", err, out)
	}
	run(exitNotRegistered, "resolve", "nobody-has-this", "--offline")
	run(exitUnavailable, "resolve", "name-1", "--offline", "--network", "testnet")
	run(exitUnavailable, "bundle", "pull", "--server", w.URL)
	run(exitUsage, "resolve", "name-1", "--offline", "--server", w.URL)
	run(exitUsage, "resolve", "name-1", "--exact")
	run(exitUsage, "bundle", "pull")
	if asked := w.paths(); asked != "" {
		t.Errorf("asked %s", asked)
	}
	file[len(file)/2] ^= 1
	if err := os.WriteFile(filepath.Join(home, "damaged"), file, 0o600); err != nil {
		t.Fatal(err)
	}
	run(exitUnavailable, "resolve", "name-1", "--offline", "--bundle", filepath.Join(home, "damaged"))
}

func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// bundleOf makes a bundle of mainnet with so many session names and, of the same hashes, so many wallet names.
func bundleOf(t *testing.T, height uint64, session, wallet int) *ons.Bundle {
	t.Helper()
	var all []*ons.Record
	for kind, n := range map[ons.Type]int{ons.Session: session, ons.Wallet: wallet} {
		for i := range n {
			h := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
			sealed := ons.Sealed{Ciphertext: make([]byte, 49), Nonce: make([]byte, 24)}
			if kind == ons.Wallet {
				sealed.Ciphertext = make([]byte, 81)
			}
			all = append(all, &ons.Record{Type: kind, Hash: ons.Hash(h), Sealed: sealed})
		}
	}
	slices.SortFunc(all, func(a, b *ons.Record) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), bytes.Compare(a.Hash[:], b.Hash[:]))
	})
	b, err := ons.NewBundle(ons.BundlePoint{Network: ons.Mainnet, Height: height, Hash: ons.Txid{byte(height)}, Time: 1700000000}, slices.Values(all))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestInflated asks a server that claims more names than there are, in its bundle too, by each way in which that comes here.
func TestInflated(t *testing.T) {
	t.Parallel()
	inflated := bundleOf(t, 5, 40_000, 0)
	for _, pull := range [][]string{{"bundle", "pull"}, {"doctor", "alice"}} {
		var mu sync.Mutex
		var asked []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, r.URL.RequestURI())
			switch r.URL.Path {
			case "/v1/status":
				fmt.Fprint(w, `{"network":"mainnet","ready":true}`)
			case "/v1/names/bundle":
				_, _ = w.Write(inflated.Bytes()) // whoever asks notices
			case "/v1/names/range":
				fmt.Fprint(w, `{"bits":8,"hashes":40000}`)
			default:
				http.NotFound(w, r)
			}
		}))
		t.Cleanup(server.Close)
		env := map[string]string{"XDG_DATA_HOME": t.TempDir()}
		runProgram(t, env, append(pull, "--server", server.URL)...)
		if _, err := os.Stat(filepath.Join(env["XDG_DATA_HOME"], "onsight", "onsight-mainnet.bundle")); err != nil {
			t.Errorf("%v: %v", pull, err)
		}
		runProgram(t, env, "resolve", "alice", "--server", server.URL)
		mu.Lock()
		if got := asked[len(asked)-1]; got != "/v1/names/range/0/0" {
			t.Errorf("%v: asked %s, want the whole registry", pull, got)
		}
		mu.Unlock()
	}
}

// TestCountElsewhere counts by all who know: the lowest number counts, and a hash once.
func TestCountElsewhere(t *testing.T) {
	t.Parallel()
	w := watch(t, 1)
	at, err := url.Parse(w.URL)
	if err != nil {
		t.Fatal(err)
	}
	server, err := remote.Ask(t.Context(), remote.Config{URL: at})
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"XDG_DATA_HOME": t.TempDir()}
	p := program{stdout: io.Discard, stderr: io.Discard, env: func(k string) string { return env[k] }}
	path := filepath.Join(env["XDG_DATA_HOME"], "onsight", "onsight-mainnet.bundle")
	f := &flags{}
	count := func(what string, want int) {
		t.Helper()
		if got, err := f.countElsewhere(t.Context(), p, server); err != nil || got != want {
			t.Errorf("%s: got %d, %v, want %d", what, got, err, want)
		}
	}
	count("nobody", 0)
	keep := func(b *ons.Bundle, old *ons.Bundle, delta bool, host string) {
		t.Helper()
		if err := writeFile(path, b.Bytes()); err != nil {
			t.Fatal(err)
		}
		if host == "" {
			return
		}
		if err := keepOrigin(path, old, remote.Pulled{Bundle: b, Delta: delta}, host); err != nil {
			t.Fatal(err)
		}
	}
	first, second, third := bundleOf(t, 1, 900, 300), bundleOf(t, 2, 901, 300), bundleOf(t, 3, 902, 300)
	keep(first, nil, false, "")
	count("a bundle from who knows where", 0)
	keep(second, first, true, "elsewhere")
	count("what changed in it, from another", 0)
	keep(first, nil, false, "elsewhere:443")
	count("another's bundle", 900)
	keep(second, first, true, "Third.")
	count("two others' bundle", 901)
	keep(third, second, true, "127.0.0.1:1")
	count("what changed in it, from the server by another port", 0)
	keep(third, nil, false, "elsewhere")
	count("got anew", 902)

	db := filepath.Join(env["XDG_DATA_HOME"], "onsight", "onsight-mainnet.db")
	fill(t, db, 1, 700, 200)
	count("a database with fewer", 700)
	keep(bundleOf(t, 4, 600, 600), nil, false, "elsewhere")
	count("a bundle with fewer", 600)
}

// fill makes a database of mainnet, of one block, with so many session names and, of the same hashes, so many wallet names.
func fill(t *testing.T, path string, height uint64, session, wallet int) {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	epoch, err := db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	block := indexer.Block{Point: indexer.Point{Height: height, Hash: ons.Txid{byte(height)}}, Time: 1700000000, Digest: ons.Txid{2}}
	for kind, n := range map[ons.Type]int{ons.Session: session, ons.Wallet: wallet} {
		for i := range n {
			h := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
			block.Records = append(block.Records, ons.Record{
				Type: kind, Hash: ons.Hash(h), Kind: ons.Buy, Owner: ons.Owner{Kind: ons.OwnerEd25519, Key: [32]byte{1}},
				Sealed:     ons.Sealed{Ciphertext: make([]byte, 49), Nonce: make([]byte, 24)},
				Registered: height, Updated: height, TxIndex: uint32(len(block.Records)), Txid: sha256.Sum256(h[:]),
			})
		}
	}
	state := indexer.State{Network: ons.Mainnet, Start: height, Target: height, Phase: indexer.Synced, Asked: time.Now()}
	if err := db.Commit(t.Context(), epoch, indexer.Range{Blocks: []indexer.Block{block}, State: state}); err != nil {
		t.Fatal(err)
	}
}
