package oxend

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"onsight/ons"
)

// headerReply is a page of n headers: the recorded ones over and over, with consecutive heights.
func headerReply(tb testing.TB, n int) []byte {
	tb.Helper()
	var r struct {
		Result struct{ Headers []map[string]json.RawMessage }
	}
	if err := json.Unmarshal(load(tb, "10/get_block_headers_range_public_large").Response, &r); err != nil {
		tb.Fatal(err)
	}
	recorded := r.Result.Headers[1:]
	var list []map[string]json.RawMessage
	for i := range n {
		h := make(map[string]json.RawMessage)
		for k, v := range recorded[i%len(recorded)] {
			h[k] = v
		}
		h["height"] = json.RawMessage(fmt.Sprint(600_000 + i))
		h["hash"] = json.RawMessage(fmt.Sprintf(`"%064x"`, i+1))
		h["prev_hash"] = json.RawMessage(fmt.Sprintf(`"%064x"`, i))
		h["num_txes"] = json.RawMessage("0")
		if i%5 == 0 {
			h["num_txes"] = json.RawMessage("1")
			h["tx_hashes"] = json.RawMessage(fmt.Sprintf(`["%064x"]`, 1<<30+i))
		}
		list = append(list, h)
	}
	list[0]["prev_hash"] = list[0]["hash"]
	return mustJSON(tb, map[string]any{"jsonrpc": "2.0", "id": "0", "result": map[string]any{"status": "OK", "untrusted": false, "headers": list}})
}

// txReply is a page of n transactions: recorded ones of a dialect over and over, with other hashes.
func txReply(tb testing.TB, file string, n int) ([]byte, []ons.Txid) {
	tb.Helper()
	var env struct {
		Result struct{ Txs []map[string]json.RawMessage }
	}
	if err := json.Unmarshal(load(tb, file).reply(), &env); err != nil {
		tb.Fatal(err)
	}
	var list []map[string]json.RawMessage
	var hashes []ons.Txid
	for i := range n {
		t := make(map[string]json.RawMessage)
		for k, v := range env.Result.Txs[i%len(env.Result.Txs)] {
			t[k] = v
		}
		delete(t, "extra")
		h := ons.Txid{1, byte(i >> 8), byte(i)}
		t["tx_hash"] = json.RawMessage(`"` + h.String() + `"`)
		list, hashes = append(list, t), append(hashes, h)
	}
	return mustJSON(tb, map[string]any{"jsonrpc": "2.0", "id": "0", "result": map[string]any{"status": "OK", "untrusted": false, "txs": list}}), hashes
}

func BenchmarkHeaderPage(b *testing.B) {
	const n = 500
	body := headerReply(b, n)
	run := func(name string, fast func([]byte) (*headerPage, error)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				p, err := decodeReply(body, false, fast)
				if err != nil || len(p.Headers) != n {
					b.Fatal(err)
				}
				for i := range p.Headers {
					if _, err := p.Headers[i].header(600_000 + uint64(i)); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "headers/s")
		})
	}
	run("json", nil)
	run("scan", scanHeaders(n))
}

func BenchmarkTxPage(b *testing.B) {
	const n = 100
	for name, file := range map[string]string{"10": "10/get_transactions_multi", "11": "11/get_transactions_ons_raw_00_buy_session_alice"} {
		body, hashes := txReply(b, file, n)
		run := func(kind string, fast func([]byte) (*txPage, error)) {
			b.Run(name+"/"+kind, func(b *testing.B) {
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					p, err := decodeReply(body, false, fast)
					if err == nil {
						err = p.collect(hashes, make(map[ons.Txid]Tx, n))
					}
					if err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "txs/s")
			})
		}
		run("json", nil)
		run("scan", scanTxs(n))
	}
}

// BenchmarkHeaders fetches pages over loopback, as a sync does; the server shares the machine.
func BenchmarkHeaders(b *testing.B) {
	const n = 1000
	body := headerReply(b, n)
	s := serve(b, func(w httpWriter, r rpcRequest) { w.Write(body) })
	c := dial(b, Config{URL: s.URL})
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.Headers(b.Context(), 600_000, 600_000+n-1); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "headers/s")
}

// TestFastPath makes sure that recorded pages take the fast path: a silent fall-back would only be slow.
func TestFastPath(t *testing.T) {
	t.Parallel()
	for _, body := range [][]byte{headerReply(t, 10), load(t, "11/get_block_headers_range_public_all").reply(), load(t, "10/pulse_get_block_headers_range").reply()} {
		sameAsJSON(t, body, scanHeaders(maxPage))
		var compact bytes.Buffer
		if err := json.Compact(&compact, body); err != nil {
			t.Fatal(err)
		}
		if _, err := scanHeaders(maxPage)(compact.Bytes()); err != nil {
			t.Error("a page of headers is not scanned")
		}
	}
	for _, f := range []string{"10/get_transactions_raw", "10/get_transactions_multi", "11/get_transactions_tx_extra_raw", "11/get_transactions_prune", "11/get_transactions_other_3"} {
		body := load(t, f).reply()
		sameAsJSON(t, body, scanTxs(maxTxs))
		if _, err := scanTxs(maxTxs)(body); err != nil {
			t.Errorf("%s is not scanned", f)
		}
	}
}
