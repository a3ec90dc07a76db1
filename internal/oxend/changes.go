package oxend

import (
	"context"
	"fmt"

	"onsight/ons"
)

// StateChange is what the quorums decided about one node, as a transaction says it.
type StateChange struct {
	Kind           string // "dereg", "decom", "recom" or "ip"; others are passed on
	Height         uint64 // of the obligations quorum that decided
	Index          uint64 // of the node among the workers of that quorum
	Reasons, Maybe []string
}

// StateChanges returns what the block at height did to nodes, in its order. ErrTooHigh beyond the tip. Only 10.x: 11.x says the
// reasons with the list of nodes.
func (c *Client) StateChanges(ctx context.Context, height uint64) ([]StateChange, error) {
	headers, err := c.HeadersAt(ctx, []uint64{height})
	if err != nil {
		return nil, err
	}
	var out []StateChange
	err = inBatches(headers[0].TxHashes, func(batch []ons.Txid) error {
		changes, err := c.stateChanges(ctx, batch)
		out = append(out, changes...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

type wireChanges struct {
	stated
	Txs list[wireChangeTx, txLimit] `json:"txs"`
}

type wireChangeTx struct {
	Hash  wireHash `json:"tx_hash"`
	Extra struct {
		Change *struct {
			Kind    string                    `json:"type"`
			Height  uint64                    `json:"height"`
			Index   uint64                    `json:"index"`
			Reasons list[string, reasonLimit] `json:"reasons"`
			Maybe   list[string, reasonLimit] `json:"reasons_maybe"`
		} `json:"sn_state_change"`
	} `json:"extra"`
}

func (c *Client) stateChanges(ctx context.Context, hashes []ons.Txid) ([]StateChange, error) {
	// With decode_as_json the whole batch comes back whatever is in it (observed.md, TRAP), and with it prune is safe.
	type params struct {
		Hashes []string `json:"txs_hashes"`
		Decode bool     `json:"decode_as_json"`
		Extra  bool     `json:"tx_extra"`
		Prune  bool     `json:"prune"`
	}
	p := params{Decode: true, Extra: true, Prune: true}
	for _, h := range hashes {
		p.Hashes = append(p.Hashes, h.String())
	}
	const method = "get_transactions"
	w, err := call[wireChanges](ctx, c, request{method: method, params: p}, nil)
	if err != nil {
		return nil, err
	}
	out, err := w.changes(hashes)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", c.name, method, err)
	}
	return out, nil
}

// changes checks that w answers exactly the hashes.
func (w *wireChanges) changes(hashes []ons.Txid) (out []StateChange, err error) {
	if w.Untrusted {
		return nil, ErrUntrusted
	}
	missing := make(map[ons.Txid]bool, len(hashes))
	for _, h := range hashes {
		missing[h] = true
	}
	for i := range w.Txs {
		t := &w.Txs[i]
		if !missing[ons.Txid(t.Hash)] {
			return nil, shapef("transaction %s came unasked or twice", ons.Txid(t.Hash))
		}
		delete(missing, ons.Txid(t.Hash))
		if s := t.Extra.Change; s != nil {
			out = append(out, StateChange{Kind: oneLine(s.Kind), Height: s.Height, Index: s.Index, Reasons: lines(s.Reasons), Maybe: lines(s.Maybe)})
		}
	}
	for h := range missing {
		return nil, fmt.Errorf("%w: %s did not come", ErrMissingTx, h)
	}
	return out, nil
}

// A node has seven tests to fail, and fields have room for 64 bits.
type reasonLimit struct{}

func (reasonLimit) most() int { return 64 }

func lines(list []string) (out []string) {
	for _, s := range list {
		out = append(out, oneLine(s))
	}
	return out
}

type wireQuorums struct {
	stated
	Quorums list[wireQuorum, quorumLimit] `json:"quorums"`
}

type wireQuorum struct {
	Height uint64 `json:"height"`
	Kind   uint8  `json:"quorum_type"`
	Quorum struct {
		Workers list[string, nodeLimit] `json:"workers"`
	} `json:"quorum"`
}

// One quorum of each kind, and one more that a block being made has.
type quorumLimit struct{}

func (quorumLimit) most() int { return 16 }

// Obligations returns the keys of the nodes that the obligations quorum of a height tested, 64 hex digits each: StateChange.Index
// counts in them. A daemon that keeps no such quorum any more gives an RPCError.
func (c *Client) Obligations(ctx context.Context, height uint64) ([]string, error) {
	type params struct {
		Start uint64 `json:"start_height"`
		End   uint64 `json:"end_height"`
		Kind  uint8  `json:"quorum_type"` // 0: obligations
	}
	const method = "get_quorum_state"
	w, err := call[wireQuorums](ctx, c, request{method: method, params: params{Start: height, End: height}}, nil)
	if err != nil {
		return nil, err
	}
	workers, err := w.workers(height)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", c.name, method, err)
	}
	return workers, nil
}

func (w *wireQuorums) workers(height uint64) ([]string, error) {
	if w.Untrusted {
		return nil, ErrUntrusted
	}
	for _, q := range w.Quorums {
		if q.Height == height && q.Kind == 0 {
			return q.Quorum.Workers, nil
		}
	}
	return nil, shapef("reply has no obligations quorum of block %d", height)
}
