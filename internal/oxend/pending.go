package oxend

import (
	"context"
	"fmt"

	"onsight/ons"
)

// maxPending is how many transactions of a daemon's pool are read. One of mainnet has a handful.
const maxPending = 5000

type pendingLimit struct{}

func (pendingLimit) most() int { return maxPending }

// Pending returns the ONS operations of transactions that wait in the daemon's pool for a block. Each may be mined with the
// next one, or never. All of the pool is asked for: the daemon does not learn which name is looked for. What is no operation,
// or none that can be read, is left out.
func (c *Client) Pending(ctx context.Context) ([]ons.Op, error) {
	d, err := c.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	if d == Dialect11 {
		return c.pending11(ctx)
	}
	return c.pending10(ctx)
}

// pending10 asks 10.x, which sends whole transactions.
func (c *Client) pending10(ctx context.Context) (out []ons.Op, err error) {
	type tx struct {
		Blob wireHex `json:"tx_blob"`
	}
	type result struct {
		stated
		Txs list[tx, pendingLimit] `json:"transactions"`
	}
	const method = "get_transaction_pool"
	r, err := call[result](ctx, c, request{method: method, params: struct{}{}}, nil)
	if err != nil {
		return nil, err
	}
	if r.Untrusted {
		return nil, fmt.Errorf("%s: %s: %w", c.name, method, ErrUntrusted)
	}
	for _, t := range r.Txs {
		if op, err := ons.ParseTransaction(t.Blob); err == nil {
			out = append(out, op)
		}
	}
	return out, nil
}

// pending11 asks 11.x for the transactions of its pool, in the form of all others.
func (c *Client) pending11(ctx context.Context) (out []ons.Op, err error) {
	type params struct {
		Pool  bool `json:"memory_pool"`
		Data  bool `json:"data"`
		Extra bool `json:"tx_extra_raw"`
	}
	type result struct {
		stated
		Txs list[wireTx, pendingLimit] `json:"txs"`
	}
	const method = "get_transactions"
	r, err := call[result](ctx, c, request{method: method, params: params{true, true, true}}, nil)
	if err != nil {
		return nil, err
	}
	if r.Untrusted {
		return nil, fmt.Errorf("%s: %s: %w", c.name, method, ErrUntrusted)
	}
	for i := range r.Txs {
		w := &r.Txs[i]
		w.InPool = false // which tx refuses where mined ones are due
		t, err := w.tx()
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", c.name, method, err)
		}
		if op, err := t.Op(); err == nil {
			out = append(out, op)
		}
	}
	return out, nil
}

// Pending is Client.Pending of the daemon in use or, when that cannot say, of the others in order.
func (p *Pool) Pending(ctx context.Context) ([]ons.Op, error) {
	var out []ons.Op
	_, err := p.try(ctx, func(ctx context.Context, c *Client) (absent bool, err error) {
		out, err = c.Pending(ctx)
		return false, err
	})
	return out, err
}
