package indexer

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"onsight/internal/oxend"
	"onsight/ons"
)

const (
	headersPerCall = 500 // specification E.4: suggested, since daemons set no limit of their own
	txsPerCall     = 100 // so that one reply stays far below the cap on replies even with large transactions
)

// mined is an ONS transaction in its place: parsed, or the reason why it could not be.
type mined struct {
	at  ons.At
	op  ons.Op
	err error
}

// page is one range of blocks as fetched, with the ONS transactions of each.
type page struct {
	blocks []Block
	prev   ons.Txid  // prev_hash of the first block
	ops    [][]mined // parallel to blocks
}

// fetch reads the blocks from..to and parses their ONS transactions. It checks what can be checked without the index:
// heights, linkage inside the page, every transaction present.
func fetch(ctx context.Context, c *oxend.Client, from, to uint64) (page, error) {
	var p page
	p.blocks = make([]Block, 0, to-from+1)
	p.ops = make([][]mined, 0, to-from+1)

	type place struct {
		block int
		index uint32
	}
	var hashes []ons.Txid
	var places []place
	seen := map[ons.Txid]bool{}
	for lo := from; lo <= to; lo += headersPerCall {
		headers, err := c.Headers(ctx, lo, min(lo+headersPerCall-1, to))
		if errors.Is(err, oxend.ErrTooHigh) {
			err = fmt.Errorf("%w: %w", errMoved, err)
		}
		if err != nil {
			return page{}, err
		}
		for _, h := range headers {
			if n := len(p.blocks); n == 0 {
				p.prev = h.Prev
			} else if last := p.blocks[n-1]; h.Prev != last.Hash {
				return page{}, fmt.Errorf("block %d: prev_hash %s is not the hash %s of block %d: %w",
					h.Height, h.Prev, last.Hash, last.Height, errMoved)
			}
			for i, hash := range h.TxHashes {
				if seen[hash] {
					return page{}, fmt.Errorf("%s: transaction %s is in the chain twice: %w", c, hash, ErrLying)
				}
				seen[hash] = true
				hashes = append(hashes, hash)
				places = append(places, place{len(p.blocks), uint32(i)})
			}
			p.blocks = append(p.blocks, Block{Point: Point{Height: h.Height, Hash: h.Hash}, Time: h.Time})
			p.ops = append(p.ops, nil)
		}
	}

	var lengths []ons.Txid // lokinet purchases and renewals, whose length the daemon may state
	for lo := 0; lo < len(hashes); lo += txsPerCall {
		hi := min(lo+txsPerCall, len(hashes))
		txs, err := c.Transactions(ctx, hashes[lo:hi])
		if errors.Is(err, oxend.ErrMissingTx) {
			err = fmt.Errorf("%w: %w", errMoved, err) // a reorganisation sends transactions back to the pool
		}
		if err != nil {
			return page{}, err
		}
		for i, tx := range txs {
			op, err := tx.Op()
			if errors.Is(err, ons.ErrNotONS) {
				continue
			}
			if errors.Is(err, ons.ErrTx) { // no chain holds such a one: it is the reply that is damaged
				return page{}, fmt.Errorf("%s: transaction %s: %w: %w", c, tx.Hash, err, ons.ErrUnavailable)
			}
			at := places[lo+i]
			p.ops[at.block] = append(p.ops[at.block], mined{
				at:  ons.At{Height: p.blocks[at.block].Height, TxIndex: at.index, Txid: tx.Hash},
				op:  op,
				err: err,
			})
			if err == nil && op.Type == ons.Lokinet && op.Kind != ons.Update {
				lengths = append(lengths, tx.Hash)
			}
		}
	}
	if len(lengths) == 0 {
		return p, nil
	}
	blocks, err := c.Lengths(ctx, lengths)
	if err != nil {
		return page{}, err
	}
	for _, ops := range p.ops {
		for i := range ops {
			ops[i].at.Blocks = blocks[ops[i].at.Txid]
		}
	}
	return p, nil
}

// ahead fetches from..to in pages of size blocks, up to workers at a time, and gives them to use in order. It returns
// when use has had all of them, or with the first error; no goroutine outlives it.
func ahead(ctx context.Context, c *oxend.Client, from, to, size uint64, workers int, step func(string), use func(page) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()

	type result struct {
		page page
		err  error
	}
	queue := make(chan chan result, workers-1)
	wg.Go(func() {
		defer close(queue)
		for lo := from; lo <= to; lo += size {
			done := make(chan result, 1)
			select {
			case queue <- done: // full: workers pages are under way or waiting, which bounds memory
			case <-ctx.Done():
				return
			}
			hi := min(lo+size-1, to)
			wg.Go(func() {
				step("fetch")
				p, err := fetch(ctx, c, lo, hi)
				done <- result{p, err}
			})
		}
	})
	for done := range queue {
		select {
		case r := <-done:
			if r.err != nil {
				return r.err
			}
			if err := use(r.page); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ctx.Err()
}
