package devnet

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"slices"

	"onsight/ons"
)

// sortedPool is the pool in oxend's order: by hash, read as a number of which the last byte counts most.
func (c *Chain) sortedPool() []waiting {
	sorted := slices.Clone(c.pool)
	slices.SortFunc(sorted, func(a, b waiting) int {
		x, y := a.tx.hash, b.tx.hash
		slices.Reverse(x[:])
		slices.Reverse(y[:])
		return bytes.Compare(x[:], y[:])
	})
	return sorted
}

// getTransactionPool is get_transactions of the pool on 11.x; 10.x has shapes of its own for it (spec E.8).
func getTransactionPool(v *view, b []byte, p params) ([]byte, *rpcError) {
	c := v.chain
	if c.dialect == Dialect11 {
		return getTransactions11(v, b, p, true)
	}
	extra, _ := p.bool("tx_extra")
	var images, txs []object
	for _, w := range c.sortedPool() {
		t := w.tx
		for _, in := range t.vin {
			o := object{}
			o.set("id_hash", hex.EncodeToString(in.image))
			o.set("txs_hashes", []string{t.hash.String()})
			images = append(images, o)
		}
		used := c.newestUsed(t)
		o := object{}
		for key, value := range map[string]any{
			"blob_size": len(t.raw), "weight": len(t.raw), "fee": t.fee - min(t.burned(), t.fee), "id_hash": t.hash.String(),
			"do_not_relay": false, "double_spend_seen": false, "kept_by_block": w.kept, "relayed": true,
			"last_failed_height": 0, "last_failed_id_hash": ons.Txid{}.String(), "last_relayed_time": w.received, "receive_time": w.received,
			"max_used_block_height": used, "max_used_block_id_hash": c.blocks[used].hash.String(),
			"tx_blob": hex.EncodeToString(t.raw), "tx_json": string(t.appendJSON10(nil, true)),
		} {
			o.set(key, value)
		}
		if extra {
			o.set("extra", c.shownExtra(t))
		}
		txs = append(txs, o)
	}
	b = append(b, '{')
	if len(images) > 0 {
		b = append(appendJSON(append(b, `"spent_key_images":`...), images), ',')
	}
	if len(txs) > 0 {
		b = append(appendJSON(append(b, `"transactions":`...), txs), ',')
	}
	return v.status(b), nil
}

// shownExtra is a transaction's extra as the daemon shows it: as it was recorded, else as its bytes say.
func (c *Chain) shownExtra(t *transaction) any {
	if t.recorded != nil && t.recorded.decoded["extra"] != nil {
		return t.recorded.decoded["extra"]
	}
	return c.extraObject(t)
}

func getTransactionPoolHashes(v *view, b []byte, _ params) ([]byte, *rpcError) {
	var txs []*transaction
	for _, w := range v.chain.sortedPool() {
		txs = append(txs, w.tx)
	}
	b = append(b, '{')
	if len(txs) > 0 || v.chain.dialect == Dialect11 {
		b = append(appendHashes(b, `"tx_hashes":`, txs), ',')
	}
	return v.status(b), nil
}

// getTransactionPoolStats adds the pool up. Of the histogram of ages there is only the frame.
func getTransactionPoolStats(v *view, b []byte, _ params) ([]byte, *rpcError) {
	c := v.chain
	stats := map[string]uint64{
		"bytes_max": 0, "bytes_med": 0, "bytes_min": 0, "bytes_total": 0, "fee_total": 0, "num_10m": 0, "num_double_spends": 0,
		"num_failing": 0, "num_not_relayed": 0, "oldest": 0, "txs_total": uint64(len(c.pool)),
	}
	var sizes []uint64
	now := c.moment()
	for i, w := range c.pool {
		sizes = append(sizes, uint64(len(w.tx.raw)))
		stats["bytes_total"] += uint64(len(w.tx.raw))
		stats["fee_total"] += w.tx.fee - min(w.tx.burned(), w.tx.fee)
		stats["num_10m"] += b2u(w.received+600 < now)
		stats["num_failing"] += b2u(w.tx.kind == 4 && c.checkOp(w.tx, uint64(len(c.blocks))) != nil)
		if i == 0 || w.received < stats["oldest"] {
			stats["oldest"] = w.received
		}
	}
	if len(sizes) > 0 {
		slices.SortFunc(sizes, cmp.Compare[uint64])
		stats["bytes_min"], stats["bytes_med"], stats["bytes_max"] = sizes[0], sizes[len(sizes)/2], sizes[len(sizes)-1]
	}
	o := object{}
	for key, value := range stats {
		o.set(key, value)
	}
	if c.dialect == Dialect10 {
		o.set("histo_98pc", 0)
	} else {
		o.set("histo", []int{})
		o.set("histo_max", max(1, now-min(now, stats["oldest"])))
	}
	return v.status(append(appendJSON(append(b, `{"pool_stats":`...), o), ',')), nil
}
