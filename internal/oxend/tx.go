package oxend

import (
	"context"
	"fmt"

	"onsight/ons"
)

// Tx is one mined transaction, as far as an ONS index needs it.
type Tx struct {
	Hash ons.Txid
	// Raw is the binary transaction, whole or pruned: both begin with the prefix. Nil when Extra is given.
	Raw []byte
	// Extra is the transaction's extra field and Type its type, where the daemon (11.x) says them apart. HasExtra
	// tells an empty Extra from none.
	Extra    []byte
	Type     uint64
	HasExtra bool
	// Height of its block as the daemon says. 10.x says 0 for transactions without a RingCT part (state changes and
	// stake unlocks): the height that counts is that of the header that names the transaction.
	Height uint64
}

// typeONS is the type of transactions that carry ONS operations (spec A.6).
const typeONS = 4

// Op parses the ONS operation of t. It wraps ons.ErrNotONS when t is an ordinary transaction, and otherwise what
// ons.ParseTransaction and ons.ParseExtra do.
func (t Tx) Op() (ons.Op, error) {
	if !t.HasExtra {
		return ons.ParseTransaction(t.Raw)
	}
	if t.Type != typeONS {
		return ons.Op{}, fmt.Errorf("transaction type %d: %w", t.Type, ons.ErrNotONS)
	}
	return ons.ParseExtra(t.Extra)
}

type wireTx struct {
	Hash     wireHash `json:"tx_hash"`
	Height   uint64   `json:"block_height"`
	InPool   bool     `json:"in_pool"`
	AsHex    wireHex  `json:"as_hex"`        // 10.x
	Pruned10 wireHex  `json:"pruned_as_hex"` // 10.x: no RingCT part, or a pruned daemon
	Data     wireHex  `json:"data"`          // 11.x
	Pruned11 wireHex  `json:"pruned"`        // 11.x
	Extra    wireHex  `json:"tx_extra_raw"`  // 11.x
	Type     optional `json:"type"`          // 11.x
}

type txPage struct {
	stated
	Txs    list[wireTx, txLimit] `json:"txs"`
	Missed wireHashes            `json:"missed_tx"`
}

// maxTxs is how many transactions one request asks for.
const maxTxs = 100

type txLimit struct{}

func (txLimit) most() int { return maxTxs }

// Transactions returns the mined transactions with these hashes, in that order, asking for at most 100 at a time.
// One that does not come back, or is not mined yet, is an error that wraps ErrMissingTx and names it; so is an answer
// that was not asked for, or comes twice, an error.
func (c *Client) Transactions(ctx context.Context, hashes []ons.Txid) ([]Tx, error) {
	d, err := c.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	got := make(map[ons.Txid]Tx, len(hashes))
	err = inBatches(hashes, func(batch []ons.Txid) error {
		p, err := call(ctx, c, request{method: "get_transactions", params: txParams(d, batch)}, scanTxs(len(batch)))
		if err != nil {
			return err
		}
		if err := p.collect(batch, got); err != nil {
			c.forget() // the other dialect ignores our parameters, and sends no bytes or nothing
			return fmt.Errorf("%s: get_transactions: %w", c.name, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := make([]Tx, len(hashes))
	for i, h := range hashes {
		out[i] = got[h]
	}
	return out, nil
}

// txParams asks for raw transactions. 10.x sends them when no flag is set; with tx_extra it may lose a part of the
// batch (observed.md, TRAP). 11.x sends none unasked: these two flags were seen to work
// together, and either alone is enough.
func txParams(d Dialect, hashes []ons.Txid) any {
	list := make([]string, len(hashes))
	for i, h := range hashes {
		list[i] = h.String()
	}
	if d == Dialect11 {
		return struct {
			Hashes []string `json:"tx_hashes"`
			Data   bool     `json:"data"`
			Extra  bool     `json:"tx_extra_raw"`
		}{list, true, true}
	}
	return struct {
		Hashes []string `json:"txs_hashes"`
	}{list}
}

// inBatches calls f with the distinct hashes, at most maxTxs at a time.
func inBatches(hashes []ons.Txid, f func([]ons.Txid) error) error {
	seen := make(map[ons.Txid]bool, len(hashes))
	batch := make([]ons.Txid, 0, min(len(hashes), maxTxs))
	for i, h := range hashes {
		if !seen[h] {
			seen[h] = true
			batch = append(batch, h)
		}
		if len(batch) == maxTxs || i == len(hashes)-1 && len(batch) > 0 {
			if err := f(batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	return nil
}

// collect checks that p answers exactly the hashes of batch and puts the transactions into got.
func (p *txPage) collect(batch []ons.Txid, got map[ons.Txid]Tx) error {
	if p.Untrusted {
		return ErrUntrusted
	}
	asked := make(map[ons.Txid]bool, len(batch))
	for _, h := range batch {
		asked[h] = true
	}
	for _, h := range p.Missed {
		if asked[h] {
			return fmt.Errorf("%w: %s is unknown to the daemon", ErrMissingTx, h)
		}
	}
	for i := range p.Txs {
		t, err := p.Txs[i].tx()
		if err != nil {
			return err
		}
		if _, twice := got[t.Hash]; twice {
			return shapef("transaction %s came twice", t.Hash)
		}
		if !asked[t.Hash] {
			return shapef("transaction %s came unasked", t.Hash)
		}
		got[t.Hash] = t
	}
	for _, h := range batch {
		if _, ok := got[h]; !ok {
			return fmt.Errorf("%w: %s did not come", ErrMissingTx, h)
		}
	}
	return nil
}

func (w *wireTx) tx() (Tx, error) {
	t := Tx{Hash: ons.Txid(w.Hash), Height: w.Height}
	if w.InPool {
		return Tx{}, fmt.Errorf("%w: %s is not mined yet", ErrMissingTx, t.Hash)
	}
	if w.Extra != nil && w.Type.set {
		t.Extra, t.Type, t.HasExtra = w.Extra, w.Type.n, true
		return t, nil
	}
	for _, raw := range [][]byte{w.AsHex, w.Pruned10, w.Data, w.Pruned11} {
		if len(raw) > 0 {
			t.Raw = raw
			return t, nil
		}
	}
	return Tx{}, shapef("transaction %s came without its bytes", t.Hash)
}

// Lengths returns, for those of the given mined transactions that carry an operation on a lokinet name, the number of
// blocks a 10.x daemon says with it (extra.ons.blocks; it says one on updates too, where it means nothing). 11.x
// says none: the map is empty. A transaction that does not come back wraps ErrMissingTx.
func (c *Client) Lengths(ctx context.Context, hashes []ons.Txid) (map[ons.Txid]uint64, error) {
	out := make(map[ons.Txid]uint64)
	d, err := c.Dialect(ctx)
	if err != nil || d == Dialect11 {
		return out, err
	}
	// With decode_as_json the whole batch comes back whatever is in it (observed.md, TRAP).
	type params struct {
		Hashes []string `json:"txs_hashes"`
		Decode bool     `json:"decode_as_json"`
		Extra  bool     `json:"tx_extra"`
	}
	type tx struct {
		Hash  wireHash `json:"tx_hash"`
		Extra struct {
			ONS struct {
				Blocks uint64 `json:"blocks"`
			} `json:"ons"`
		} `json:"extra"`
	}
	type result struct {
		stated
		Txs list[tx, txLimit] `json:"txs"`
	}
	err = inBatches(hashes, func(batch []ons.Txid) error {
		list := make([]string, len(batch))
		missing := make(map[ons.Txid]bool, len(batch))
		for i, h := range batch {
			list[i], missing[h] = h.String(), true
		}
		r, err := call[result](ctx, c, request{method: "get_transactions", params: params{list, true, true}}, nil)
		if err != nil {
			return err
		}
		if r.Untrusted {
			return fmt.Errorf("%s: get_transactions: %w", c.name, ErrUntrusted)
		}
		for _, t := range r.Txs {
			h := ons.Txid(t.Hash)
			if !missing[h] {
				return shapef("%s: get_transactions: transaction %s came unasked or twice", c.name, h)
			}
			delete(missing, h)
			if n := t.Extra.ONS.Blocks; n > 0 {
				out[h] = n
			}
		}
		for _, h := range batch {
			if missing[h] {
				return fmt.Errorf("%s: get_transactions: %w: %s did not come", c.name, ErrMissingTx, h)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
