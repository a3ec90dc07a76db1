package client

import (
	"context"
	"sync"
	"time"
)

const (
	pollEvery    = 5 * time.Second // as official clients (messaging.md B.6)
	refreshEvery = 5 * time.Minute // how often it is looked whether the list of nodes is old
	sweepEvery   = time.Minute
)

// Run keeps an account going until ctx ends: it fetches every five seconds, sends what is due when it is due, neither waiting for the
// other, and renews the list of nodes. After each round in which something may have changed it calls round, never twice at once, if that
// is not nil; what the last rounds met with, such as that no node answers, is told but ends nothing. The error is the store's, or the
// context's.
func (c *Client) Run(ctx context.Context, round func(trouble error)) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()

	fetched, sent := make(chan keeping, 1), make(chan keeping, 1)
	fetch := c.keeper()
	start := func(work func(context.Context) keeping, done chan<- keeping) {
		wg.Go(func() {
			defer c.bug()
			done <- work(ctx)
		})
	}
	start(fetch, fetched)
	start(c.send, sent)
	sending := true
	var fetching, flushing error // what the last rounds met with
	poll, flush := time.NewTimer(0), time.NewTimer(0)
	defer poll.Stop()
	defer flush.Stop()
	poll.Stop()
	flush.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-poll.C:
			start(fetch, fetched)
			if !sending { // somebody else may have queued something
				sending = true
				start(c.send, sent)
			}
			continue
		case <-flush.C:
			if !sending {
				sending = true
				start(c.send, sent)
			}
			continue
		case k := <-fetched:
			if k.fatal != nil && ctx.Err() == nil {
				return k.fatal
			}
			fetching = k.trouble
			poll.Reset(max(pollEvery-time.Since(k.begun), 100*time.Millisecond))
		case k := <-sent:
			sending, flushing = false, k.trouble
			if !k.next.IsZero() {
				flush.Reset(max(k.next.Sub(c.Now()), 100*time.Millisecond))
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if round != nil {
			trouble := fetching
			if trouble == nil {
				trouble = flushing
			}
			round(trouble)
		}
	}
}

// keeping is what one round of Run came to.
type keeping struct {
	begun          time.Time
	next           time.Time // when there is more to be done; zero: nobody knows
	trouble, fatal error
}

// send is a round of Flush.
func (c *Client) send(ctx context.Context) (k keeping) {
	_, k.next, k.trouble = c.Flush(ctx)
	return k
}

// keeper returns rounds of Poll, with what is to be done now and then.
func (c *Client) keeper() func(context.Context) keeping {
	var refreshed, swept time.Time
	return func(ctx context.Context) keeping {
		k := keeping{begun: time.Now()}
		_, k.trouble = c.Poll(ctx)
		if time.Since(refreshed) >= refreshEvery && ctx.Err() == nil {
			refreshed = time.Now()
			if err := c.Refresh(ctx); k.trouble == nil {
				k.trouble = err
			}
		}
		if time.Since(swept) >= sweepEvery && ctx.Err() == nil {
			swept = time.Now()
			_, k.fatal = c.store.Sweep(ctx, c.Now())
		}
		return k
	}
}
