package devnet

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"onsight/ons"
)

// DaemonFaults is what is wrong with a daemon. The zero DaemonFaults is a healthy one. Several may be set: the connection suffers first
// (Loss, Stall), then the answer (Error, Busy), then its bytes (Garbage, Huge, Truncate, in this order, one of them).
type DaemonFaults struct {
	Delay     time.Duration // before each answer; it ends early when the client gives up or the daemon is closed
	Loss      float64       // share of requests whose connection is cut unanswered, from 0 to 1; the seed fixes which
	Stall     bool          // takes requests and never answers, until the client gives up or the daemon is closed
	Error     bool          // every call fails: -32603, or HTTP 500 on a plain path
	Busy      bool          // every call is put off: -32003, or HTTP 503 on a plain path
	Garbage   bool          // answers are bytes that are no JSON
	Huge      bool          // answers begin well and never end, until the client gives up or the daemon is closed
	Truncate  bool          // answers break off in the middle
	Backwards uint64        // answers as if the chain were so many blocks lower, though never without its first
	Silent    bool          // the chain it shows stays as it was when this was set
	LieONS    bool          // the sealed values it shows are wrong ones, the same each time; transactions are as they are
}

// broken are the faults of a daemon with what they need to know.
type broken struct {
	DaemonFaults
	chain  *Chain // the one served when the faults were set
	frozen *Chain // of Silent

	mu     sync.Mutex // guards what follows: the chain that Backwards shows, and of which tip it was made
	tip    ons.Txid
	source *Chain
	lower  *Chain
}

// SetFaults makes the daemon behave so from the next request on. Silent takes the chain as it is now.
func (d *Daemon) SetFaults(f DaemonFaults) {
	b := &broken{DaemonFaults: f}
	if f.Silent {
		b.chain = d.chain.Load()
		b.frozen = b.chain.Clone()
	}
	d.faults.Store(b)
}

// Faults returns what SetFaults set last.
func (d *Daemon) Faults() DaemonFaults { return d.faults.Load().DaemonFaults }

// shown is the chain that answers come from.
func (b *broken) shown(c *Chain) *Chain {
	if b.frozen != nil && c == b.chain { // Swap ends it
		c = b.frozen
	}
	if b.Backwards == 0 {
		return c
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	tip, err := c.Hash(c.Height() - 1)
	if b.lower == nil || err != nil || b.source != c || b.tip != tip {
		b.lower = c.Clone()
		height := b.lower.Height()
		b.lower.Cut(max(1, height-min(height, b.Backwards)))
		b.tip, b.source = tip, c
	}
	return b.lower
}

// lost draws whether the next request is cut: the seed and its number among all requests of the daemon say so.
func (d *Daemon) lost(share float64) bool {
	n := d.served.Add(1)
	return share > 0 && rand.New(rand.NewPCG(d.seed, n)).Float64() < share
}

// front is what requests come to: it lets those through that no fault takes.
func (d *Daemon) front(w http.ResponseWriter, r *http.Request) {
	f := d.faults.Load()
	if d.Crashed() != nil || d.lost(f.Loss) {
		panic(http.ErrAbortHandler)
	}
	// Read whole before waiting: net/http notices that a client is gone only then.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil || !f.wait(r.Context(), d.done) {
		panic(http.ErrAbortHandler) // too large, or the client went away
	}
	d.serve(w, r, f, body)
}

// wait passes the delay; false if there is to be no answer.
func (b *broken) wait(ctx context.Context, done <-chan struct{}) bool {
	var passed <-chan time.Time // never, of a stalled one
	switch {
	case b.Stall:
	case b.Delay <= 0:
		return true
	default:
		t := time.NewTimer(b.Delay)
		defer t.Stop()
		passed = t.C
	}
	select {
	case <-passed:
		return true
	case <-ctx.Done():
	case <-done:
	}
	return false
}

// refusal is the error every call gets, nil if none does.
func (b *broken) refusal() *rpcError {
	switch {
	case b.Error:
		return errorf(-32603, "Internal error")
	case b.Busy:
		return errorf(-32003, "Server busy, try again later")
	}
	return nil
}

// spoil writes an answer's bytes as the faults have them; false if they have no say. What never ends, or ends too early, ends by a panic.
func (v *view) spoil(w http.ResponseWriter, body []byte) bool {
	switch f := v.faults; {
	case f.Garbage:
		junk := make([]byte, len(body)+1)
		for i := range junk {
			junk[i] = 0x80 | byte(i*31) // never JSON, nor UTF-8
		}
		_, _ = w.Write(junk) // the client may have gone
	case f.Huge:
		spaces := bytes.Repeat([]byte(" "), 64<<10)
		for _, err := w.Write([]byte("{")); err == nil && v.listening(); {
			_, err = w.Write(spaces)
		}
		panic(http.ErrAbortHandler)
	case f.Truncate:
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush() // so that the half arrives; a recorder need not have it
		panic(http.ErrAbortHandler)
	default:
		return false
	}
	return true
}

// listening tells whether the daemon has not been closed.
func (v *view) listening() bool {
	select {
	case <-v.done:
		return false
	default:
		return true
	}
}

// lie changes a sealed value so that it no longer opens, always in the same way.
func lie(b []byte) []byte {
	b = append([]byte(nil), b...)
	for i := range b {
		b[i] ^= byte(0xa5 + i)
	}
	return b
}
