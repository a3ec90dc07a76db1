package oxend

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"onsight/ons"
)

type httpWriter = http.ResponseWriter

func hexOf(b []byte) string { return hex.EncodeToString(b) }

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// serveReply is a 10.x daemon that says the same to everything but get_version.
func serveReply(t testing.TB, reply []byte) *Client {
	t.Helper()
	s := serve(t, func(w httpWriter, r rpcRequest) {
		if r.Method == "get_version" {
			answer(w, map[string]any{"status": "OK", "version": 262144})
			return
		}
		w.Write(reply)
	})
	return dial(t, Config{URL: s.URL})
}

// TestTransactionsRecorded reads every recorded ONS transaction, and compares 10.x with the daemon's own reading.
func TestTransactionsRecorded(t *testing.T) {
	t.Parallel()
	for _, dialect := range []string{"10", "11"} {
		files, err := filepath.Glob(filepath.Join("testdata", dialect, "get_transactions_ons_[0-9r]*.json"))
		if err != nil || len(files) < 14 {
			t.Fatalf("%d recordings, %v", len(files), err)
		}
		done := 0
		for _, f := range files {
			name := strings.TrimSuffix(filepath.Base(f), ".json")
			if dialect == "11" && !strings.Contains(name, "_raw_") {
				continue // the daemon was not asked for the bytes
			}
			var want struct {
				Txs []struct {
					Hash  string `json:"tx_hash"`
					Type  *uint64
					Extra struct {
						Burn uint64 `json:"burn_amount"`
						ONS  struct {
							Hash string `json:"name_hash"`
							Type string
							Buy  bool
						}
					}
				}
			}
			var env struct{ Result json.RawMessage }
			rec := load(t, dialect+"/"+name)
			if err := errors.Join(json.Unmarshal(rec.reply(), &env), json.Unmarshal(env.Result, &want)); err != nil {
				t.Fatal(err)
			}
			c, _ := replay(t, dialect, name)
			txs, err := c.Transactions(t.Context(), []ons.Txid{txid(t, want.Txs[0].Hash)})
			if err != nil {
				t.Errorf("%s/%s: %v", dialect, name, err)
				continue
			}
			op, err := txs[0].Op()
			if err != nil {
				t.Errorf("%s/%s: %v", dialect, name, err)
				continue
			}
			if w := want.Txs[0].Extra; dialect == "10" && (op.Hash.String() != w.ONS.Hash || op.Type.String() != w.ONS.Type ||
				op.Burn != w.Burn || (op.Kind == ons.Buy) != w.ONS.Buy) {
				t.Errorf("%s/%s: got %+v, want %+v", dialect, name, op, w)
			}
			if dialect == "11" && (!txs[0].HasExtra || txs[0].Type != 4 || op.Burn != want.Txs[0].Extra.Burn) {
				t.Errorf("%s/%s: got %+v", dialect, name, txs[0])
			}
			done++
		}
		if done < 14 {
			t.Errorf("%s: only %d transactions", dialect, done)
		}
	}
}

// TestTransactionForms checks that whichever form arrives is read, with the same result.
func TestTransactionForms(t *testing.T) {
	t.Parallel()
	h := "3b8f6b241f8d0a36b1a2614af047e747a6b5de8daae24fb2dd8ddd433f51b439"
	var ops []ons.Op
	for _, file := range []string{"get_transactions_data", "get_transactions_prune", "get_transactions_split", "get_transactions_tx_extra_raw", "get_transactions_ons_raw_00_buy_session_alice"} {
		c, s := replay(t, "11", file)
		txs, err := c.Transactions(t.Context(), []ons.Txid{txid(t, h)})
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		op, err := txs[0].Op()
		if err != nil || txs[0].Height != 231 {
			t.Fatalf("%s: %v, height %d", file, err, txs[0].Height)
		}
		ops = append(ops, op)
		want := `{"tx_hashes":["` + h + `"],"data":true,"tx_extra_raw":true}`
		var got rpcRequest
		if json.Unmarshal(s.bodies[1], &got); string(got.Params) != want {
			t.Errorf("%s: asked %s, want %s", file, got.Params, want)
		}
	}
	for _, op := range ops[1:] {
		if d := cmp.Diff(ops[0], op); d != "" {
			t.Error(d)
		}
	}
	c, _ := replay(t, "11", "get_transactions_default")
	if _, err := c.Transactions(t.Context(), []ons.Txid{txid(t, h)}); err == nil || !strings.Contains(err.Error(), "without its bytes") {
		t.Errorf("no bytes: got %v", err)
	}
	// An ordinary transaction and one without a RingCT part are not ONS, and no error of ours.
	for _, file := range []string{"10/get_transactions_registration", "10/get_transactions_state_change_1", "10/get_transactions_stake_unlock", "11/get_transactions_other_3", "11/get_transactions_coinbase"} {
		dialect, name, _ := strings.Cut(file, "/")
		rec := load(t, file)
		reply := strings.Replace(string(rec.reply()), "Failed to parse and validate base tx data", "OK", 1) // asked with tx_extra then
		var p struct {
			Txs10 []string `json:"txs_hashes"`
			Txs11 []string `json:"tx_hashes"`
		}
		if err := json.Unmarshal(rec.Request.Params, &p); err != nil {
			t.Fatal(err)
		}
		c := serveReply(t, []byte(reply))
		txs, err := c.Transactions(t.Context(), []ons.Txid{txid(t, append(p.Txs10, p.Txs11...)[0])})
		if err != nil {
			t.Errorf("%s/%s: %v", dialect, name, err)
			continue
		}
		if _, err := txs[0].Op(); !errors.Is(err, ons.ErrNotONS) {
			t.Errorf("%s/%s: got %v, want ErrNotONS", dialect, name, err)
		}
	}
}

func TestTransactionsWrong(t *testing.T) {
	t.Parallel()
	a, b := strings.Repeat("aa", 32), strings.Repeat("bb", 32)
	entry := func(h, rest string) string { return `{"tx_hash":"` + h + `","as_hex":"0400"` + rest + `}` }
	for _, tt := range []struct {
		name, txs, missed string
		missing           bool
		text              string
	}{
		{"missing", entry(a, ""), "", true, b},
		{"missed", entry(a, ""), `,"missed_tx":["` + b + `"]`, true, b},
		{"pool only", entry(a, "") + "," + entry(b, `,"in_pool":true`), "", true, b},
		{"twice", entry(a, "") + "," + entry(a, ""), "", false, "twice"},
		{"foreign", entry(a, "") + "," + entry(strings.Repeat("cc", 32), ""), "", false, "unasked"},
		{"no bytes", entry(a, "") + `,{"tx_hash":"` + b + `"}`, "", false, "without its bytes"},
		{"bad hex", entry(a, "") + `,{"tx_hash":"` + b + `","as_hex":"0"}`, "", false, "hex"},
		{"none", "", "", true, a},
	} {
		c := serveReply(t, []byte(`{"result":{"status":"OK","txs":[`+tt.txs+`]`+tt.missed+`}}`))
		_, err := c.Transactions(t.Context(), []ons.Txid{txid(t, a), txid(t, b)})
		if err == nil || errors.Is(err, ErrMissingTx) != tt.missing || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
	c := serveReply(t, []byte(`{"result":{"status":"OK","untrusted":true,"txs":[`+entry(a, "")+`]}}`))
	if _, err := c.Transactions(t.Context(), []ons.Txid{txid(t, a)}); !errors.Is(err, ErrUntrusted) {
		t.Errorf("untrusted: got %v", err)
	}
}

// TestTransactionsSplit checks batches, order and duplicates.
func TestTransactionsSplit(t *testing.T) {
	t.Parallel()
	most := 0
	s := serve(t, func(w httpWriter, r rpcRequest) {
		if r.Method == "get_version" {
			answer(w, map[string]any{"status": "OK", "version": 262144})
			return
		}
		var p struct {
			Hashes []string `json:"txs_hashes"`
		}
		json.Unmarshal(r.Params, &p)
		most = max(most, len(p.Hashes))
		var txs []map[string]any
		for i := len(p.Hashes) - 1; i >= 0; i-- { // another order than asked
			txs = append(txs, map[string]any{"tx_hash": p.Hashes[i], "as_hex": p.Hashes[i][:8]})
		}
		answer(w, map[string]any{"status": "OK", "txs": txs})
	})
	c := dial(t, Config{URL: s.URL})
	var hashes []ons.Txid
	for i := range 250 {
		hashes = append(hashes, ons.Txid{byte(i % 240), byte(i / 256), 1})
	}
	txs, err := c.Transactions(t.Context(), hashes)
	if err != nil {
		t.Fatal(err)
	}
	for i, tx := range txs {
		if tx.Hash != hashes[i] || hexOf(tx.Raw) != hashes[i].String()[:8] {
			t.Fatalf("transaction %d is %v", i, tx)
		}
	}
	if most != 100 {
		t.Errorf("a request asked for %d transactions, want at most 100", most)
	}
	if txs, err := c.Transactions(t.Context(), nil); err != nil || len(txs) != 0 {
		t.Errorf("no hashes: %v, %v", txs, err)
	}
}

func TestLengthsRecorded(t *testing.T) {
	t.Parallel()
	// Recorded with tx_extra alone; decode_as_json changes as_hex to as_json, which is not looked at.
	for file, want := range map[string]uint64{
		"get_transactions_ons_04_buy_lokinet_alice_loki":      50,
		"get_transactions_ons_07_buy_lokinet_10y_ten_loki":    500,
		"get_transactions_ons_18_renew_lokinet_2y_alice_loki": 100,
		"get_transactions_ons_20_update_lokinet_ten_loki":     50,
		"get_transactions_ons_00_buy_session_alice":           0,
	} {
		var r struct {
			Txs []struct {
				Hash string `json:"tx_hash"`
			}
		}
		if err := json.Unmarshal(load(t, "10/"+file).Response, &r); err != nil {
			t.Fatal(err)
		}
		h := txid(t, r.Txs[0].Hash)
		c, s := replay(t, "10", file)
		got, err := c.Lengths(t.Context(), []ons.Txid{h})
		if err != nil || got[h] != want || (want == 0) != (len(got) == 0) {
			t.Errorf("%s: got %v, %v, want %d", file, got, err, want)
		}
		if body := string(s.bodies[1]); !strings.Contains(body, `"decode_as_json":true,"tx_extra":true`) {
			t.Errorf("asked %s", body)
		}
	}
	c, s := replay(t, "11")
	if got, err := c.Lengths(t.Context(), []ons.Txid{{1}}); err != nil || len(got) != 0 || len(s.sent(t)) != 1 {
		t.Errorf("11.x: got %v, %v, %d requests", got, err, len(s.bodies))
	}
	c = serveReply(t, []byte(`{"result":{"status":"OK"}}`))
	if _, err := c.Lengths(t.Context(), []ons.Txid{{1}}); !errors.Is(err, ErrMissingTx) {
		t.Errorf("missing: got %v", err)
	}
}
