package client

import (
	"context"
	"time"
)

const (
	pollEvery    = 5 * time.Second // as official clients (messaging.md B.6)
	refreshEvery = 5 * time.Minute // how often it is looked whether the list of nodes is old
	sweepEvery   = time.Minute
)

// Run keeps an account going until ctx ends: it fetches every five seconds, sends what is due when it is due, and renews the list of
// nodes. After each round in which something may have changed it calls round, if that is not nil; what the round met with, such as that
// no node answers, is told but ends nothing. The error is the store's, or the context's.
func (c *Client) Run(ctx context.Context, round func(trouble error)) error {
	var refreshed, swept time.Time
	for {
		begun := time.Now()
		_, trouble := c.Poll(ctx)
		_, next, err := c.Flush(ctx)
		if trouble == nil {
			trouble = err
		}
		if time.Since(refreshed) >= refreshEvery && ctx.Err() == nil {
			refreshed = time.Now()
			if err := c.Refresh(ctx); trouble == nil {
				trouble = err
			}
		}
		if time.Since(swept) >= sweepEvery && ctx.Err() == nil {
			swept = time.Now()
			if _, err := c.store.Sweep(ctx, c.Now()); err != nil && ctx.Err() == nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if round != nil {
			round(trouble)
		}
		pause := pollEvery - time.Since(begun)
		if !next.IsZero() {
			pause = min(pause, next.Sub(c.Now()))
		}
		timer := time.NewTimer(max(pause, 100*time.Millisecond))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}
