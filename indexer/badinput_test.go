package indexer_test

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"

	"onsight/indexer"
	"onsight/internal/devnet"
	"onsight/internal/oxend"
	"onsight/ons"
)

// TestBadInput gives the indexer each kind of wrong reply in the middle of a chain. Each must end the round with an error
// that says what was wrong, and leave a whole range: the same state an honest run has at that height.
func TestBadInput(t *testing.T) {
	t.Parallel()
	chain, _ := devnet.Generate(devnet.GenerateConfig{Seed: 7, Blocks: 900, Ordinary: 100, ONS: 300})
	d := serve(t, chain)
	honest := newIndex(t, []string{d.URL()}, nil)
	mustSync(t, honest)

	headers := func(change func([]byte) []byte) func(string, []byte) []byte {
		return onceOn("get_block_headers_range", `"height":600,`, change)
	}
	txs := func(change func([]byte) []byte) func(string, []byte) []byte {
		return onceOn("get_transactions", `"as_hex"`, change)
	}
	replace := func(pattern, with string) func([]byte) []byte {
		re := regexp.MustCompile(pattern)
		return func(b []byte) []byte { return re.ReplaceAll(b, []byte(with)) }
	}
	for _, c := range []struct {
		name   string
		change func(method string, body []byte) []byte
		want   error
		says   string
	}{
		{"truncated", headers(func(b []byte) []byte { return b[:len(b)/2] }), ons.ErrUnavailable, "get_block_headers_range"},
		{"empty", headers(func([]byte) []byte { return nil }), ons.ErrUnavailable, "get_block_headers_range"},
		{"not JSON", headers(func([]byte) []byte { return []byte("<html>busy</html>") }), ons.ErrUnavailable, "get_block_headers_range"},
		{"huge", headers(func(b []byte) []byte { return append(b, bytes.Repeat([]byte(" "), 40<<20)...) }), oxend.ErrTooLarge, "bytes"},
		{"wrong type", headers(replace(`"height":600,`, `"height":"six hundred",`)), ons.ErrUnavailable, "height"},
		{"number too large", headers(replace(`"height":600,`, `"height":99999999999999999999999,`)), ons.ErrUnavailable, "height"},
		{"height out of order", headers(replace(`"height":600,`, `"height":601,`)), ons.ErrUnavailable, "60"},
		{"hash that is none", headers(replace(`"hash":"[0-9a-f]{64}","height":600,`, `"hash":"xyz","height":600,`)), ons.ErrUnavailable, "hash"},
		{"orphan", headers(replace(`"orphan_status":false`, `"orphan_status":true`)), ons.ErrUnavailable, "main chain"},
		{"prev_hash lies", headers(replace(`("height":600,.*?"prev_hash":")[0-9a-f]{8}`, `${1}deadbeef`)), oxend.ErrLinkage, "600"},
		{"error in a 200", headers(func([]byte) []byte {
			return []byte(`{"jsonrpc":"2.0","id":0,"error":{"code":-1,"message":"no"}}`)
		}), ons.ErrUnavailable, "no"},
		{"status not OK", headers(replace(`"status":"OK"`, `"status":"BUSY"`)), ons.ErrUnavailable, "busy"},
		{"transaction left out", txs(dropFirstTx), oxend.ErrMissingTx, "transaction"},
		{"another transaction", txs(replace(`"tx_hash":"[0-9a-f]{8}`, `"tx_hash":"deadbeef`)), ons.ErrUnavailable, "unasked"},
		{"transaction cut short", txs(replace(`"as_hex":"([0-9a-f]{40})[0-9a-f]*"`, `"as_hex":"$1"`)), ons.ErrUnavailable, "unparsable transaction"},
		{"transaction twice in the chain", headers(twice), indexer.ErrLying, "twice"},
		{"transaction without its bytes", txs(replace(`"as_hex":"[0-9a-f]*",?`, ``)), ons.ErrUnavailable, "without its bytes"},
		{"bytes that are no hex", txs(replace(`"as_hex":"0`, `"as_hex":"zz`)), ons.ErrUnavailable, "hex"},
		{"other network", onceOn("get_info", ``, replace(`"nettype":"fakechain"`, `"nettype":"mainnet"`)), oxend.ErrWrongNetwork, "mainnet"},
		{"untrusted", onceOn("get_info", ``, replace(`"untrusted":false`, `"untrusted":true`)), ons.ErrUnavailable, "untrusted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := newIndex(t, []string{tampered(t, d, c.change)}, func(cfg *indexer.Config) { cfg.Batch = 100 })
			st, err := x.Sync(t.Context())
			if err == nil {
				t.Fatalf("no error, state %+v", st)
			}
			if !errors.Is(err, c.want) {
				t.Errorf("error %q, want it to be %q", err, c.want)
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %q does not say %q", err, c.says)
			}
			stored, err := x.db.State(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if atOnce := c.want == oxend.ErrWrongNetwork || c.says == "untrusted"; stored.Tip == nil {
				if !atOnce {
					t.Error("nothing was stored: the reply should have gone wrong in the middle of the chain")
				}
				return
			}
			want, err := honest.db.DigestAt(t.Context(), stored.Tip.Height)
			if err != nil {
				t.Fatal(err)
			}
			if stored.Digest != want {
				t.Errorf("stopped at %d with digest %s, want %s", stored.Tip.Height, stored.Digest, want)
			}
		})
	}
}

// onceOn changes the replies to one method that contain a text.
func onceOn(method, text string, change func([]byte) []byte) func(string, []byte) []byte {
	return func(m string, body []byte) []byte {
		if m != method || !bytes.Contains(body, []byte(text)) {
			return body
		}
		return change(body)
	}
}

var txHashes = regexp.MustCompile(`"tx_hashes":\["([0-9a-f]{64})"[^\]]*\]`)

// twice makes every block of a page that has transactions claim the same one.
func twice(b []byte) []byte {
	first := txHashes.FindSubmatch(b)[1]
	b = regexp.MustCompile(`"num_txes":[1-9]\d*`).ReplaceAll(b, []byte(`"num_txes":1`))
	return txHashes.ReplaceAll(b, []byte(`"tx_hashes":["`+string(first)+`"]`))
}

var firstTx = regexp.MustCompile(`"txs":\[\{[^{}]*\},?`)

func dropFirstTx(b []byte) []byte {
	return firstTx.ReplaceAll(b, []byte(`"txs":[`))
}

// TestUnparsableExtra shows that one transaction nobody can read is skipped, counted, and stops nothing else.
func TestUnparsableExtra(t *testing.T) {
	t.Parallel()
	chain, truth := devnet.Generate(devnet.GenerateConfig{Seed: 8, Blocks: 400, ONS: 60})
	d := serve(t, chain)
	// The last purchase of the chain loses its version and type: the whole extra is unparsable then.
	var victim ons.Record
	for _, key := range truth.Keys() {
		if h := truth.History(key); len(h) == 1 && h[0].Kind == ons.Buy && h[0].Updated >= victim.Updated {
			victim = h[0]
		}
	}
	field := regexp.MustCompile(`7a00[0-9a-f]{2}` + victim.Hash.String())
	url := tampered(t, d, onceOn("get_transactions", `"as_hex"`, func(b []byte) []byte {
		return field.ReplaceAll(b, []byte("7affff"+victim.Hash.String()))
	}))
	x := newIndex(t, []string{url}, nil)
	if st := mustSync(t, x); st.Phase != indexer.Synced {
		t.Errorf("phase %s, want synced", st.Phase)
	}
	skips, err := x.db.Skips(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(skips) != 1 || skips[0].Txid != victim.Txid || !strings.Contains(skips[0].Reason, "unparsable") {
		t.Errorf("skips %+v, want only %s and why", skips, victim.Txid)
	}
	for _, key := range truth.Keys() {
		got, err := x.db.History(t.Context(), key, 100)
		if err != nil {
			t.Fatal(err)
		}
		want := truth.History(key)
		if key == victim.Key() {
			want = nil
		}
		if len(got) != len(want) {
			t.Errorf("a %s name has %d records, want %d", key.Type, len(got), len(want))
		}
	}
}
