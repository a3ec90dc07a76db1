package devnet_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"onsight/internal/devnet"
	"onsight/ons"
)

// pick is what one round of requests asks for: another block, transaction and name each round.
type pick struct {
	t      *testing.T
	url    string
	c      *devnet.Chain
	truth  *devnet.Truth
	height uint64 // of a block with transactions
	txs    []ons.Txid
	record ons.Record // a live one
}

// get calls a method and decodes its result anew.
func (p pick) get(method string, params any) (r m) {
	p.t.Helper()
	mustRPC(p.t, p.url, method, params, &r)
	return r
}

func (p pick) hash(height uint64) string {
	h, err := p.c.Hash(height)
	if err != nil {
		p.t.Fatal(err)
	}
	return h.String()
}

func (p pick) equal(what string, got, want any) {
	p.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		p.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func (p pick) header(what string, h any, height uint64) {
	p.t.Helper()
	o, _ := h.(m)
	txs, _ := p.c.Transactions(height)
	p.equal(what, []any{o["hash"], o["prev_hash"], o["height"], o["num_txes"], o["depth"]},
		[]any{p.hash(height), p.hash(height - 1), height, len(txs), p.c.Height() - 1 - height})
}

func texts(list []ons.Txid) (s []string) {
	for _, x := range list {
		s = append(s, x.String())
	}
	return s
}

// methodTests holds each method's answer against what the chain is, for whatever is picked: no answer is looked up by its request.
var methodTests = map[string]func(p pick){
	"get_height": func(p pick) {
		r := p.get("get_height", m{})
		p.equal("height", []any{r["height"], r["hash"]}, []any{p.c.Height(), p.hash(p.c.Height() - 1)})
	},
	"get_info": func(p pick) {
		r := p.get("get_info", m{})
		counts, _ := p.c.Counts(p.c.Height())
		p.equal("info", []any{r["height"], r["top_block_hash"], r["ons_counts"], r["tx_pool_size"]},
			[]any{p.c.Height(), p.hash(p.c.Height() - 1), counts, len(p.c.Pool())})
	},
	"get_block_count": func(p pick) { p.equal("count", p.get("get_block_count", m{})["count"], p.c.Height()) },
	"get_block_hash": func(p pick) {
		if p.c.Dialect() == devnet.Dialect11 {
			p.equal("hash", p.get("get_block_hash", m{"heights": []any{p.height}})[fmt.Sprint(p.height)], p.hash(p.height))
			return
		}
		var r string
		mustRPC(p.t, p.url, "get_block_hash", m{"height": []any{p.height}}, &r)
		p.equal("hash", r, p.hash(p.height))
	},
	"get_last_block_header": func(p pick) {
		h := p.get("get_last_block_header", m{"fill_pow_hash": true})["block_header"].(m)
		p.header("header", h, p.c.Height()-1)
		sum := sha256.Sum256(must(hex.DecodeString(p.hash(p.c.Height() - 1))))
		p.equal("pow_hash", h["pow_hash"], hex.EncodeToString(sum[:]))
	},
	"get_block_header_by_height": func(p pick) {
		p.header("header", p.get("get_block_header_by_height", m{"height": p.height})["block_header"], p.height)
	},
	"get_block_header_by_hash": func(p pick) {
		p.header("header", p.get("get_block_header_by_hash", m{"hash": p.hash(p.height)})["block_header"], p.height)
	},
	"get_block_headers_range": func(p pick) {
		list := p.get("get_block_headers_range", m{"start_height": p.height - 3, "end_height": p.height, "get_tx_hashes": true})["headers"].([]any)
		p.equal("headers", len(list), 4)
		for i, h := range list {
			p.header("header", h, p.height-3+uint64(i))
		}
		p.equal("tx_hashes", list[3].(m)["tx_hashes"], texts(p.txs))
	},
	"get_block": func(p pick) {
		r := p.get("get_block", m{"height": p.height})
		p.header("header", r["block_header"], p.height)
		p.equal("tx_hashes", r["tx_hashes"], texts(p.txs))
	},
	"get_transactions": func(p pick) {
		missing := strings.Repeat("ab", 32)
		r := p.get("get_transactions", m{"txs_hashes": append(texts(p.txs), missing), "data": true})
		txs := r["txs"].([]any)
		p.equal("txs", []any{len(txs), r["missed_tx"]}, []any{len(p.txs), []any{missing}})
		for i, x := range txs {
			raw, _ := p.c.Raw(p.txs[i])
			tx := x.(m)
			shown := first(tx, "as_hex", "data", "pruned_as_hex", "pruned")
			p.equal("raw", []any{tx["tx_hash"], shown, tx["size"]}, []any{p.txs[i], hex.EncodeToString(raw), len(raw)})
		}
	},
	"get_transactions of coinbases": func(p pick) {
		h := p.get("get_block_header_by_height", m{"height": p.height - 90})["block_header"].(m) // before HF19
		hash := h["miner_tx_hash"].(string)
		tx := p.get("get_transactions", m{"txs_hashes": []string{hash}, "tx_extra": true, "decode_as_json": true})["txs"].([]any)[0].(m)
		p.equal("coinbase", []any{tx["tx_hash"], tx["block_height"], len(tx["output_indices"].([]any))}, []any{hash, p.height - 90, 1})
		recent := p.get("get_transactions", m{"txs_hashes": []string{p.get("get_last_block_header", m{})["block_header"].(m)["miner_tx_hash"].(string)}})
		p.equal("coinbase without outputs", recent["txs"] != nil, p.c.Dialect() == devnet.Dialect11)
	},
	"get_transaction_pool": func(p pick) {
		r := p.get("get_transaction_pool", m{})
		var got []string
		for _, x := range append(list(r["transactions"]), list(r["txs"])...) {
			got = append(got, fmt.Sprint(first(x.(m), "id_hash", "tx_hash")))
		}
		p.equal("pool", sorted(got), sorted(texts(p.c.Pool())))
	},
	"get_transaction_pool_hashes": func(p pick) {
		var got []string
		for _, x := range list(p.get("get_transaction_pool_hashes", m{})["tx_hashes"]) {
			got = append(got, x.(string))
		}
		p.equal("pool", sorted(got), sorted(texts(p.c.Pool())))
	},
	"get_transaction_pool_stats": func(p pick) {
		size := 0
		for _, x := range p.c.Pool() {
			raw, _ := p.c.Raw(x)
			size += len(raw)
		}
		stats := p.get("get_transaction_pool_stats", m{})["pool_stats"].(m)
		p.equal("stats", []any{stats["txs_total"], stats["bytes_total"]}, []any{len(p.c.Pool()), size})
	},
	"get_coinbase_tx_sum": func(p pick) {
		var burned uint64
		for h := p.height - 5; h <= p.height; h++ {
			txs, _ := p.c.Transactions(h)
			for _, x := range txs {
				raw, _ := p.c.Raw(x)
				if op, err := ons.ParseTransaction(raw); err == nil {
					burned += op.Burn
				}
			}
		}
		p.equal("burned", p.get("get_coinbase_tx_sum", m{"height": p.height - 5, "count": 6})["burn_amount"], float64(burned))
	},
	"get_output_distribution": func(p pick) {
		if p.c.Dialect() == devnet.Dialect11 {
			var r m
			if err := rpc(p.t, p.url, "get_output_distribution", m{}, &r); err == nil || err.Error() != "-32601 Method not found" {
				p.t.Errorf("error %v", err)
			}
			return
		}
		r := p.get("get_output_distribution", m{"amounts": []int{0}, "from_height": p.height, "to_height": p.height})
		got := r["distributions"].([]any)[0].(m)
		list := p.get("get_transactions", m{"txs_hashes": texts(p.txs)})["txs"].([]any)
		var outs []any
		for _, x := range list {
			indices, _ := x.(m)["output_indices"].([]any)
			outs = append(outs, indices...)
		}
		p.equal("outputs", got["distribution"], []any{len(outs)})
		if len(outs) > 0 {
			p.equal("base", got["base"], outs[0])
		}
	},
	"hard_fork_info": func(p pick) {
		forks := p.c.Forks()
		f := forks[int(p.height)%len(forks)]
		r := p.get("hard_fork_info", m{"version": f.Version})
		p.equal("fork", []any{r["version"], r["earliest_height"]}, []any{f.Version, f.Height})
	},
	"ons_resolve": func(p pick) {
		r := p.get("ons_resolve", m{"type": p.record.Type, "name_hash": p.record.Hash.Base64()})
		p.equal("value", r["encrypted_value"], hex.EncodeToString(p.record.Sealed.Ciphertext))
		p.equal("nothing", p.get("ons_resolve", m{"type": p.record.Type, "name_hash": strings.Repeat("ab", 32)}), m{})
	},
	"ons_names_to_owners": func(p pick) {
		e, ok := lookup(p.t, p.url, p.c, p.record.Key())
		if diff := cmp.Diff(entryOf(p.record, p.c.Network()), e); diff != "" || !ok {
			p.t.Error(diff)
		}
	},
	"ons_owners_to_names": func(p pick) {
		owner := p.record.Owner
		want := map[string]bool{}
		for _, k := range p.truth.Keys() {
			var newest ons.Record
			for _, r := range p.truth.History(k) {
				if r.Owner == owner || r.Backup == owner {
					newest = r
				}
			}
			if newest.Owner.Kind != ons.OwnerNone && newest.Live(p.c.Height()) {
				want[newest.Txid.String()] = true
			}
		}
		got := map[string]bool{}
		for _, e := range list(p.get("ons_owners_to_names", m{"entries": []string{owner.Text(p.c.Network())}})["entries"]) {
			got[e.(m)["txid"].(string)] = true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			p.t.Error(diff)
		}
	},
	"get_service_nodes_state_changes": func(p pick) {
		r := p.get("get_service_nodes_state_changes", m{"start_height": 0, "end_height": p.height})
		var want uint64
		for h := range p.height + 1 {
			txs, _ := p.c.Transactions(h)
			for _, x := range txs {
				if raw, _ := p.c.Raw(x); raw[1] == 0 && raw[3] == 0 { // neither inputs nor outputs
					want++
				}
			}
		}
		var got float64
		for _, key := range []string{"total_deregister", "total_decommission", "total_recommission", "total_ip_change_penalty"} {
			got += r[key].(float64)
		}
		p.equal("changes", got, want)
	},
	"start_mining": func(p pick) {
		p.equal("no address", p.get("start_mining", m{"miner_address": "x"})["status"], "Failed, invalid address")
		p.equal("address", p.get("start_mining", m{"miner_address": devnet.NewAccount(p.height, ons.OwnerWallet).Address(p.c.Network())})["status"], "BUSY")
	},
	"sync_info": func(p pick) { p.equal("height", p.get("sync_info", m{})["height"], p.c.Height()) },
	"pop_blocks": func(p pick) {
		before := p.c.Height()
		p.equal("height", p.get("pop_blocks", m{"nblocks": 2})["height"], before-2)
		p.equal("height", p.c.Height(), before-2)
	},
}

func first(o m, keys ...string) any {
	for _, k := range keys {
		if v, ok := o[k]; ok {
			return v
		}
	}
	return nil
}

func list(v any) []any { l, _ := v.([]any); return l }

func sorted(s []string) []string { slices.Sort(s); return s }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestMethods asks every method of a generated chain, for two blocks and names, before and after the chain goes on, with a transaction in
// the pool.
func TestMethods(t *testing.T) {
	t.Parallel()
	for _, dialect := range []devnet.Dialect{devnet.Dialect10, devnet.Dialect11} {
		chain, truth := devnet.Generate(devnet.GenerateConfig{Seed: 8, Dialect: dialect})
		d := start(t, chain, devnet.Options{})
		for round := range 4 {
			p := pick{t: t, url: d.URL(), c: chain, truth: truth}
			for p.height = 215 + uint64(round)*7; len(p.txs) == 0; p.height++ {
				p.txs, _ = chain.Transactions(p.height)
			}
			p.height--
			keys := truth.Keys()
			for i := round * 5; p.record.Owner.Kind == ons.OwnerNone; i++ {
				if r, _ := truth.Record(keys[i]); r.Live(chain.Height()) {
					p.record = r
				}
			}
			for name, test := range methodTests {
				if name != "pop_blocks" {
					t.Run(fmt.Sprintf("%v/%d/%s", dialect, round, name), func(t *testing.T) { p.t = t; test(p) })
				}
			}
			methodTests["pop_blocks"](p)
			n := mustName(t, fmt.Sprintf("round-%d", round))
			if _, err := chain.BuyName(n, value(t, ons.Session, sessionID), devnet.BuyOptions{}); err != nil {
				t.Fatal(err)
			}
			if round == 1 {
				chain.Mine(3, 1, 1)
			}
		}
	}
}

func mustName(t testing.TB, text string) ons.Name { return name(t, ons.Session, text) }

// TestHashes computes the hash of every recorded transaction, and of the coinbases, which are built again from what get_block shows: byte
// by byte, or their hashes were others.
func TestHashes(t *testing.T) {
	t.Parallel()
	for _, path := range []string{recorded10, recorded11} {
		r, err := devnet.OpenRecording(path)
		if err != nil {
			t.Fatal(err)
		}
		c, coinbases, others := r.Chain(), 0, 0
		for h := range c.Height() {
			if raw, want, ok := c.CoinbaseRaw(h); ok {
				coinbases++
				if got := devnet.Sum(raw); got != want {
					t.Errorf("%s: coinbase of %d: %v, want %v", path, h, got, want)
				}
			}
			txs, _ := c.Transactions(h)
			for _, x := range txs {
				others++
				if raw, _ := c.Raw(x); devnet.Sum(raw) != x {
					t.Errorf("%s: transaction of %d: %v, want %v", path, h, devnet.Sum(raw), x)
				}
			}
		}
		if coinbases < 160 || others < 22 {
			t.Errorf("%s: %d and %d", path, coinbases, others)
		}
	}
}
