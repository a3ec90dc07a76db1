package indexer_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"onsight/indexer"
	"onsight/internal/devnet"
	"onsight/internal/oxend"
	"onsight/internal/store"
	"onsight/ons"
)

const recorded = "../internal/devnet/testdata"

// index is one database with the indexer that writes it.
type index struct {
	*indexer.Indexer
	db *store.Store
}

// newIndex makes an empty index over the daemons at urls. Changes to the configuration go through edit.
func newIndex(t testing.TB, urls []string, edit func(*indexer.Config)) index {
	t.Helper()
	ctx := t.Context()
	db, err := store.Open(ctx, store.Config{Path: filepath.Join(t.TempDir(), "names.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	epoch, err := db.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cfg := indexer.Config{Pool: newPool(t, urls...), Store: db, Epoch: epoch}
	if edit != nil {
		edit(&cfg)
	}
	return index{indexer.New(cfg), db}
}

func newPool(t testing.TB, urls ...string) *oxend.Pool {
	t.Helper()
	var clients []*oxend.Client
	for _, u := range urls {
		clients = append(clients, newClient(t, u))
	}
	pool, err := oxend.NewPool(oxend.PoolConfig{Clients: clients})
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

func newClient(t testing.TB, url string) *oxend.Client {
	t.Helper()
	c, err := oxend.New(oxend.Config{URL: url, Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	return c
}

// serve starts a daemon over a chain.
func serve(t testing.TB, c *devnet.Chain) *devnet.Daemon {
	t.Helper()
	d, err := devnet.Serve(c, devnet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// tampered serves what d would answer, after change has had its way with it. change gets the method and the whole body.
func tampered(t testing.TB, d *devnet.Daemon, change func(method string, body []byte) []byte) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method, replay := peekMethod(r)
		rec := httptest.NewRecorder()
		d.Handler().ServeHTTP(rec, replay)
		w.Header().Set("Content-Type", "application/json")
		w.Write(change(method, rec.Body.Bytes()))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func mustSync(t testing.TB, x index) indexer.State {
	t.Helper()
	st, err := x.Sync(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// fresh is the digest of an index that is made in one go from the chain as it is now.
func fresh(t testing.TB, d *devnet.Daemon) (indexer.State, ons.Txid) {
	t.Helper()
	st := mustSync(t, newIndex(t, []string{d.URL()}, nil))
	return st, st.Digest
}

// peekMethod reads which method a request is for, and gives the request back unread.
func peekMethod(r *http.Request) (string, *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return "", r
	}
	var call struct {
		Method string `json:"method"`
	}
	_ = json.Unmarshal(body, &call) // a body that is no call has no method
	again := r.Clone(r.Context())
	again.Body = io.NopCloser(bytes.NewReader(body))
	return call.Method, again
}
