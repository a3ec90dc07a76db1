package oxend

import (
	"net/http"
	"testing"

	"onsight/internal/devnet"
	"onsight/ons"
)

// TestPendingRecorded reads the pool of a real daemon in which an operation waits. It was recorded with tx_extra, which is not
// asked for, as it only adds to each transaction, and in other replies takes transactions away.
func TestPendingRecorded(t *testing.T) {
	t.Parallel()
	version, pool := load(t, "10/get_version"), load(t, "10/get_transaction_pool_with_ons_tx_json_rpc")
	s := serve(t, func(w http.ResponseWriter, r rpcRequest) {
		reply := version
		if r.Method == pool.method() {
			reply = pool
		}
		w.WriteHeader(reply.Status)
		_, _ = w.Write(reply.reply())
	})
	got, err := dial(t, Config{URL: s.URL}).Pending(t.Context())
	if err != nil || len(got) != 1 || got[0].Type != ons.Session {
		t.Errorf("%v %+v", err, got)
	}
}

// TestPending buys a name and looks into the pool, before and after it is mined.
func TestPending(t *testing.T) {
	t.Parallel()
	for _, dialect := range []devnet.Dialect{devnet.Dialect10, devnet.Dialect11} {
		chain, _ := devnet.Generate(devnet.GenerateConfig{Seed: 5, Blocks: 200, Dialect: dialect})
		d, err := devnet.Serve(chain, devnet.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		c, err := New(Config{URL: d.URL()})
		if err != nil {
			t.Fatal(err)
		}
		pool, err := NewPool(PoolConfig{Clients: []*Client{c}})
		if err != nil {
			t.Fatal(err)
		}
		pending := func(want ...ons.Key) {
			t.Helper()
			got, err := pool.Pending(t.Context())
			if err != nil || len(got) != len(want) {
				t.Fatalf("%s: %v, %d operations wait, want %d", dialect, err, len(got), len(want))
			}
			for i, op := range got {
				if op.Key() != want[i] || op.Kind != ons.Buy {
					t.Errorf("%s: %+v waits", dialect, op)
				}
			}
		}
		pending()
		name, err := ons.ParseName(ons.Session, "just-bought")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := chain.BuyName(name, ons.Value{Type: ons.Session, Bytes: append([]byte{5}, make([]byte, 32)...)}, devnet.BuyOptions{}); err != nil {
			t.Fatal(err)
		}
		pending(ons.Key{Type: name.Type(), Hash: name.Hash()})
		chain.Mine(1, 0, 0)
		pending()
	}
}
