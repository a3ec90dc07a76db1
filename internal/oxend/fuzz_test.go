package oxend

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"onsight/ons"
)

// seedReplies adds every recorded reply of a method, compact as daemons send it, and some that are almost right.
func seedReplies(f *testing.F, pattern string, more ...string) {
	f.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "1[01]", pattern+".json"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no recordings %s: %v", pattern, err)
	}
	for _, file := range files {
		rec := load(f, strings.TrimSuffix(strings.TrimPrefix(filepath.ToSlash(file), "testdata/"), ".json"))
		if reply := rec.reply(); json.Valid(reply) && len(reply) < 20_000 {
			f.Add(reply)
		}
	}
	for _, s := range append(more, `{}`, `[]`, `null`, `{"result":{}}`, `{"error":{"code":-1,"message":"m"}}`, `{"result":{"status":"OK"}} x`) {
		f.Add([]byte(s))
	}
}

// sameAsJSON fails if fast accepts what encoding/json rejects or reads otherwise.
func sameAsJSON[T any](t rapid.TB, body []byte, fast func([]byte) (*T, error)) {
	t.Helper()
	got, ferr := fast(body)
	if ferr == errDeclined {
		return
	}
	var env struct {
		Result *T `json:"result"`
		Error  *struct{}
	}
	err := json.Unmarshal(body, &env)
	if ferr != nil { // too long: encoding/json may have met something else first
		if json.Valid(body) && err == nil {
			t.Fatalf("scanner: %v, encoding/json accepts\n%s", ferr, body)
		}
		return
	}
	if err != nil || env.Error != nil || env.Result == nil {
		t.Fatalf("scanner accepts what encoding/json does not: %v\n%s", err, body)
	}
	if !reflect.DeepEqual(env.Result, got) {
		t.Fatalf("scanner reads otherwise than encoding/json: %+v\nencoding/json: %+v\n%s", got, env.Result, body)
	}
}

func FuzzScanHeaders(f *testing.F) {
	seedReplies(f, "*get_block_headers_range*",
		`{"result":{"headers":[{"height":1,"Height":2}],"status":"OK"}}`,
		`{"result":{"headers":[{"height":01,"num_txes":18446744073709551615,"x":{"a":[1,"b",null,true]}},null],"status":"\u004fK"}}`,
		`{"result":{"headers":[],"headers":[{}],"status":"OK","untrusted":false}}`)
	f.Fuzz(func(t *testing.T, body []byte) {
		sameAsJSON(t, body, scanHeaders(maxPage))
		if p, err := decodeReply(body, false, scanHeaders(maxPage)); err == nil {
			for i := range p.Headers {
				p.Headers[i].header(uint64(i))
			}
		}
	})
}

func FuzzScanTxs(f *testing.F) {
	seedReplies(f, "get_transactions*", `{"result":{"txs":[{"tx_hash":"00","as_hex":"","data":null,"type":4}],"missed_tx":[null],"status":"OK"}}`)
	f.Fuzz(func(t *testing.T, body []byte) {
		sameAsJSON(t, body, scanTxs(maxTxs))
		if p, err := decodeReply(body, false, scanTxs(maxTxs)); err == nil {
			got := make(map[ons.Txid]Tx)
			batch := make([]ons.Txid, 0, len(p.Txs))
			for i := range p.Txs {
				batch = append(batch, ons.Txid(p.Txs[i].Hash))
			}
			if p.collect(batch, got) == nil {
				for _, tx := range got {
					tx.Op()
				}
			}
		}
	})
}

// FuzzReply runs every other decoder over any reply: none may panic, and none may both fail and give a value.
func FuzzReply(f *testing.F) {
	for _, p := range []string{"*get_info*", "get_version", "hard_fork*", "get_block_hash*", "ons_*", "get_service_nodes_p*", "get_quorum_state*", "err_*"} {
		seedReplies(f, p)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if w, err := decodeReply[wireInfo](body, false, nil); err == nil {
			if i, err := w.info(); err == nil && (i.Height == 0 || i.Network == "") {
				t.Errorf("info without a height or network: %+v", i)
			}
		}
		if w, err := decodeReply[wireNodes](body, false, nil); err == nil {
			w.list()
		}
		if w, err := decodeReply[wireChanges](body, false, nil); err == nil {
			var hashes []ons.Txid
			for _, tx := range w.Txs {
				hashes = append(hashes, ons.Txid(tx.Hash))
			}
			w.changes(hashes)
		}
		if w, err := decodeReply[wireQuorums](body, false, nil); err == nil {
			w.workers(336)
		}
		if h, err := decodeReply[wireHash](body, false, nil); err == nil && h == nil {
			t.Error("neither hash nor error")
		}
		if m, err := decodeReply[fields](body, true, nil); err == nil {
			for _, typ := range []ons.Type{ons.Session, ons.Wallet, ons.Lokinet} {
				if s, err := resolved(typ, *m); err == nil && len(s.Ciphertext) == 0 {
					t.Error("neither value nor error")
				}
			}
		}
		if w, err := decodeReply[struct {
			stated
			Entries wireRecords `json:"entries"`
			Result  wireRecords `json:"result"`
		}](body, true, nil); err == nil {
			for _, r := range append(w.Entries, w.Result...) {
				r.record()
			}
		}
	})
}
