package devnet

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"onsight/ons"
)

// FuzzTransaction shows that no bytes make the parser panic, and that what it shows of them is JSON.
func FuzzTransaction(f *testing.F) {
	chain, _ := Generate(GenerateConfig{Seed: 2, Blocks: 170, Ordinary: 10, ONS: 10})
	for _, b := range chain.blocks {
		for _, t := range b.txs {
			f.Add(t.raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		x := newTransaction(ons.Txid{}, raw)
		for _, c := range []*Chain{newChain(Dialect10), newChain(Dialect11)} {
			c.year = 50
			c.push(block{txs: []*transaction{x}})
			p := c.txs[x.hash]
			for _, flags := range []txFlags{{}, {json: true, extra: true}, {hex: true, extra: true, extraRaw: true}, {split: true}, {prune: true}} {
				entry := c.appendEntry10(nil, p, flags, false)
				if c.dialect == Dialect11 {
					entry = c.appendEntry11(nil, p, flags)
				}
				if !json.Valid(entry) {
					t.Errorf("%v: %s", c.dialect, entry)
				}
			}
			d := newChain(c.dialect)
			d.push(block{})
			if _, err := d.Submit(raw); err == nil {
				pool, fault := getTransactionPool(&view{chain: d, faults: &broken{}}, nil, params{d: d.dialect})
				if fault != nil || !json.Valid(pool) {
					t.Errorf("%v: %s (%v)", d.dialect, pool, fault)
				}
				d.Mine(1, 0, 0)
			}
		}
	})
}

// FuzzRequest shows that no body gets anything but a reply or, on 11.x, a dead daemon.
func FuzzRequest(f *testing.F) {
	for _, body := range []string{
		``, `{`, `[]`, `null`, `7`, `{"id":1,"method":"get_info"}`, `{"method":"ons_resolve","params":{"type":"0","name_hash":"x"}}`,
		`{"id":{},"method":"get_block_hash","params":{"heights":[-1,1]}}`, `{"method":"get_service_nodes","params":{"fields":["all","-swarm"]}}`,
		`{"method":"get_transactions","params":{"txs_hashes":["00"],"tx_hashes":5,"memory_pool":true}}`,
		`{"method":"ons_names_to_owners","params":{"entries":[{"types":[0,3,9]}],"name_hash":[""],"type":[1]}}`,
		`{"method":"get_service_nodes_state_changes","params":{"start_height":0,"end_height":18446744073709551615}}`,
	} {
		f.Add([]byte(body))
	}
	var daemons []*Daemon
	for _, dialect := range []Dialect{Dialect10, Dialect11} {
		chain, _ := Generate(GenerateConfig{Seed: 2, Dialect: dialect})
		d, err := Serve(chain, Options{})
		if err != nil {
			f.Fatal(err)
		}
		f.Cleanup(func() { d.Close() })
		daemons = append(daemons, d)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, d := range daemons {
			for _, path := range []string{"/json_rpc", "/get_transactions"} {
				func() {
					defer func() {
						if r := recover(); r != nil && r != http.ErrAbortHandler {
							panic(r)
						}
						d.mu.Lock()
						d.crashed = nil
						d.mu.Unlock()
					}()
					w := httptest.NewRecorder()
					d.Handler().ServeHTTP(w, httptest.NewRequest("POST", path, bytes.NewReader(body)))
					if w.Code == http.StatusOK && !json.Valid(w.Body.Bytes()) {
						t.Errorf("%s: %s", body, w.Body)
					}
				}()
			}
		}
	})
}
