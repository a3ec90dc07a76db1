package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
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
	"onsight/ons"
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
	out, _ = run(0, "bundle", "pull", "--server", w.URL, "-o", "json")
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
