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

func (c *Client) stateChanges(ctx context.Context, hashes []ons.Txid) ([]StateChange, error) {
	// With decode_as_json the whole batch comes back whatever is in it (observed.md, TRAP), and with it prune is safe.
	type params struct {
		Hashes []string `json:"txs_hashes"`
		Decode bool     `json:"decode_as_json"`
		Extra  bool     `json:"tx_extra"`
		Prune  bool     `json:"prune"`
	}
	type tx struct {
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
	type result struct {
		stated
		Txs list[tx, txLimit] `json:"txs"`
	}
	p := params{Decode: true, Extra: true, Prune: true}
	missing := make(map[ons.Txid]bool, len(hashes))
	for _, h := range hashes {
		p.Hashes = append(p.Hashes, h.String())
		missing[h] = true
	}
	const method = "get_transactions"
	r, err := call[result](ctx, c, request{method: method, params: p}, nil)
	if err != nil {
		return nil, err
	}
	if r.Untrusted {
		return nil, fmt.Errorf("%s: %s: %w", c.name, method, ErrUntrusted)
	}
	var out []StateChange
	for _, t := range r.Txs {
		if !missing[ons.Txid(t.Hash)] {
			return nil, shapef("%s: %s: transaction %s came unasked or twice", c.name, method, ons.Txid(t.Hash))
		}
		delete(missing, ons.Txid(t.Hash))
		if s := t.Extra.Change; s != nil {
			out = append(out, StateChange{Kind: oneLine(s.Kind), Height: s.Height, Index: s.Index, Reasons: lines(s.Reasons), Maybe: lines(s.Maybe)})
		}
	}
	for _, h := range hashes {
		if missing[h] {
			return nil, fmt.Errorf("%s: %s: %w: %s did not come", c.name, method, ErrMissingTx, h)
		}
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

// Obligations returns the keys of the nodes that the obligations quorum of a height tested, 64 hex digits each: StateChange.Index
// counts in them. A daemon that keeps no such quorum any more gives an RPCError.
func (c *Client) Obligations(ctx context.Context, height uint64) ([]string, error) {
	type params struct {
		Start uint64 `json:"start_height"`
		End   uint64 `json:"end_height"`
		Kind  uint8  `json:"quorum_type"`
	}
	type quorum struct {
		Height uint64 `json:"height"`
		Kind   uint8  `json:"quorum_type"`
		Quorum struct {
			Workers list[string, nodeLimit] `json:"workers"`
		} `json:"quorum"`
	}
	type result struct {
		stated
		Quorums list[quorum, quorumLimit] `json:"quorums"`
	}
	const method = "get_quorum_state"
	r, err := call[result](ctx, c, request{method: method, params: params{Start: height, End: height}}, nil)
	if err != nil {
		return nil, err
	}
	if r.Untrusted {
		return nil, fmt.Errorf("%s: %s: %w", c.name, method, ErrUntrusted)
	}
	for _, q := range r.Quorums {
		if q.Height == height && q.Kind == 0 {
			return q.Quorum.Workers, nil
		}
	}
	return nil, fmt.Errorf("%s: %s: %w", c.name, method, shapef("reply has no obligations quorum of block %d", height))
}

// One quorum of each kind, and one more that a block being made has.
type quorumLimit struct{}

func (quorumLimit) most() int { return 16 }
