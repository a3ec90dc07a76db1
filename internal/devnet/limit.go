package devnet

import (
	"net/netip"
	"sync"
	"time"
)

// The token bucket of each client address (spec C.1).
const (
	bucketSize   = 600
	bucketRefill = 300 // a second
	maxBuckets   = 10_000
)

// buckets limit how often a client may ask. The zero value is ready.
type buckets struct {
	mu      sync.Mutex // guards what follows
	clients map[netip.Addr]bucket
}

// bucket is how many tokens a client had at a time.
type bucket struct {
	tokens float64
	at     time.Time
}

func (b bucket) filled(now time.Time) bucket {
	if since := now.Sub(b.at); since > 0 { // a clock may be set back
		b.tokens = min(bucketSize, b.tokens+since.Seconds()*bucketRefill)
	}
	b.at = now
	return b
}

// take takes a token from a client's bucket, if one is left.
func (b *buckets) take(client netip.Addr, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	had, known := b.clients[client]
	switch {
	case known:
		had = had.filled(now)
	case len(b.clients) >= maxBuckets && !b.forget(now):
		return false
	default:
		had = bucket{tokens: bucketSize, at: now}
	}
	if b.clients == nil {
		b.clients = map[netip.Addr]bucket{}
	}
	ok := had.tokens >= 1
	if ok {
		had.tokens--
	}
	b.clients[client] = had
	return ok
}

// forget drops the full buckets and reports whether there were any. b.mu is held.
func (b *buckets) forget(now time.Time) bool {
	before := len(b.clients)
	for client, had := range b.clients {
		if had.filled(now).tokens >= bucketSize {
			delete(b.clients, client)
		}
	}
	return len(b.clients) < before
}
