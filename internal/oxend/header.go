package oxend

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"onsight/ons"
)

// Header is one block without its transactions.
type Header struct {
	Height   uint64
	Hash     ons.Txid
	Prev     ons.Txid // hash of the block before
	Time     int64    // Unix seconds, as the block says
	Major    uint8    // hard fork
	Minor    uint8
	TxHashes []ons.Txid // transactions in the block's order, without the coinbase; nil when there are none
}

type wireHeader struct {
	Height    uint64     `json:"height"`
	Hash      wireHash   `json:"hash"`
	Prev      wireHash   `json:"prev_hash"`
	Timestamp uint64     `json:"timestamp"`
	Major     uint8      `json:"major_version"`
	Minor     uint8      `json:"minor_version"`
	Orphan    bool       `json:"orphan_status"`
	NumTxes   optional   `json:"num_txes"`
	TxHashes  wireHashes `json:"tx_hashes"`
}

type headerPage struct {
	stated
	Headers wireHeaders `json:"headers"`
}

type wireHeaders = list[wireHeader, pageLimit]

// maxPage bounds one call of Headers or HeadersAt.
const maxPage = 10_000

type pageLimit struct{}

func (pageLimit) most() int { return maxPage }

// Headers returns the headers of the blocks from..to, both inclusive, with their transaction hashes, in one request
// (at most 10,000; 500 to 1,000 are a good page). They are consecutive, on the main chain, and each names the hash of
// the one before it as its Prev, else the error wraps ErrLinkage. A range beyond the tip wraps ErrTooHigh.
func (c *Client) Headers(ctx context.Context, from, to uint64) ([]Header, error) {
	if from > to || to-from >= maxPage {
		return nil, fmt.Errorf("%s: headers %d to %d: not a range of 1 to %d blocks", c.name, from, to, maxPage)
	}
	type params struct {
		Start    uint64 `json:"start_height"`
		End      uint64 `json:"end_height"`
		TxHashes bool   `json:"get_tx_hashes"`
	}
	p, err := call(ctx, c, request{method: "get_block_headers_range", params: params{from, to, true}}, scanHeaders(int(to-from)+1))
	if err != nil {
		return nil, c.rangeError(err, from, to)
	}
	out := make([]Header, len(p.Headers))
	err = p.check(uint64(len(p.Headers)) == to-from+1)
	for i := 0; err == nil && i < len(out); i++ {
		if out[i], err = p.Headers[i].header(from + uint64(i)); err == nil && i > 0 && out[i].Prev != out[i-1].Hash {
			err = fmt.Errorf("%w: prev_hash of block %d is %s, but block %d is %s",
				ErrLinkage, out[i].Height, out[i].Prev, out[i-1].Height, out[i-1].Hash)
		}
	}
	if err != nil {
		return nil, c.rangeError(fmt.Errorf("%s: get_block_headers_range: %w", c.name, err), from, to)
	}
	return out, nil
}

func (c *Client) rangeError(err error, from, to uint64) error {
	if isRPC(err, codeTooHigh) {
		err = fmt.Errorf("%w (%w)", ErrTooHigh, err)
	}
	return fmt.Errorf("headers %d to %d: %w", from, to, err)
}

// HeadersAt returns the headers at the given heights, in that order, with their transaction hashes, in one request.
// A height beyond the tip wraps ErrTooHigh. No heights, no request.
func (c *Client) HeadersAt(ctx context.Context, heights []uint64) ([]Header, error) {
	switch {
	case len(heights) == 0:
		return nil, nil
	case len(heights) > maxPage:
		return nil, fmt.Errorf("%s: headers at %d heights: more than %d", c.name, len(heights), maxPage)
	}
	type params struct {
		Heights  []uint64 `json:"heights"`
		TxHashes bool     `json:"get_tx_hashes"`
	}
	type result struct {
		stated
		Headers wireHeaders `json:"block_headers"`
	}
	const method = "get_block_header_by_height"
	r, err := call[result](ctx, c, request{method: method, params: params{heights, true}}, nil)
	if err != nil {
		if isRPC(err, codeTooHigh) {
			err = fmt.Errorf("%w (%w)", ErrTooHigh, err)
		}
		return nil, err
	}
	p := headerPage{r.stated, r.Headers}
	out := make([]Header, len(p.Headers))
	err = p.check(len(p.Headers) == len(heights))
	for i := 0; err == nil && i < len(out); i++ {
		out[i], err = p.Headers[i].header(heights[i])
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", c.name, method, err)
	}
	return out, nil
}

func (p *headerPage) check(count bool) error {
	if p.Untrusted {
		return ErrUntrusted
	}
	if !count {
		return shapef("reply has another number of headers (%d) than asked for", len(p.Headers))
	}
	return nil
}

// header checks w, which has to be the one at this height, and gives it out.
func (w *wireHeader) header(height uint64) (Header, error) {
	switch {
	case w.Height != height:
		return Header{}, shapef("header has height %d where %d was due", w.Height, height)
	case w.Orphan:
		return Header{}, shapef("block %d is not on the main chain", height)
	case w.Hash == wireHash{}, w.Prev == wireHash{} && height > 0:
		return Header{}, shapef("header %d has no hash or no prev_hash", height)
	case w.Timestamp > math.MaxInt64:
		return Header{}, shapef("header %d has an impossible timestamp", height)
	case w.NumTxes.set && w.NumTxes.n != uint64(len(w.TxHashes)):
		return Header{}, shapef("block %d has %d transactions but %d tx_hashes came", height, w.NumTxes.n, len(w.TxHashes))
	}
	for _, h := range w.TxHashes {
		if h == (ons.Txid{}) {
			return Header{}, shapef("block %d has an empty transaction hash", height)
		}
	}
	h := Header{
		Height: height, Hash: ons.Txid(w.Hash), Prev: ons.Txid(w.Prev), Time: int64(w.Timestamp),
		Major: w.Major, Minor: w.Minor,
	}
	if len(w.TxHashes) > 0 {
		h.TxHashes = w.TxHashes
	}
	return h, nil
}

// BlockHash returns the hash of the block at height; ErrTooHigh if and only if the chain does not reach it.
func (c *Client) BlockHash(ctx context.Context, height uint64) (ons.Txid, error) {
	d, err := c.Dialect(ctx)
	if err != nil {
		return ons.Txid{}, err
	}
	ask := c.blockHash10
	if d == Dialect11 {
		ask = c.blockHash11
	}
	h, err := ask(ctx, height)
	switch {
	case isRPC(err, codeTooHigh):
		return ons.Txid{}, fmt.Errorf("block %d: %w (%w)", height, ErrTooHigh, err)
	case err == nil && h == wireHash{}:
		err = shapef("%s: get_block_hash: reply has no hash", c.name)
	}
	return ons.Txid(h), err
}

func (c *Client) blockHash10(ctx context.Context, height uint64) (wireHash, error) {
	type params struct {
		Height [1]uint64 `json:"height"` // not positional: that is Monero's form
	}
	h, err := call[wireHash](ctx, c, request{method: "get_block_hash", params: params{[1]uint64{height}}}, nil)
	if err != nil {
		return wireHash{}, err
	}
	return *h, nil
}

func (c *Client) blockHash11(ctx context.Context, height uint64) (wireHash, error) {
	type params struct {
		Heights [1]uint64 `json:"heights"`
	}
	m, err := call[fields](ctx, c, request{method: "get_block_hash", params: params{[1]uint64{height}}}, nil)
	if err != nil {
		return wireHash{}, err
	}
	var h wireHash
	if raw, ok := (*m)[strconv.FormatUint(height, 10)]; ok {
		if err := json.Unmarshal(raw, &h); err != nil {
			return wireHash{}, fmt.Errorf("%s: get_block_hash: %w", c.name, err)
		}
	}
	return h, nil
}
