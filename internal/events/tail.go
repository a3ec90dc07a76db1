package events

import (
	"context"
	"fmt"
	"sync"
)

// Source is where a log is read from. internal/store implements it.
type Source interface {
	// Events returns the first limit entries behind a number that are of some kinds, or fewer: see Page.Next.
	Events(ctx context.Context, after uint64, kinds Kinds, limit int) (Page, error)
	// Reorgs returns the newest limit reorganisations before one with a number, newest first.
	Reorgs(ctx context.Context, before uint64, limit int) ([]Undoing, error)
}

// Bounds of a Tail. An entry takes half a kilobyte.
const (
	window  = 4096 // newest entries that are kept at least, if there are as many
	loadMax = 1000 // entries read at once
)

// Tail is a log with its newest entries in memory, so that those who follow it do not ask the database for the same thing.
// Its methods may be called concurrently.
type Tail struct {
	source Source

	loading sync.Mutex // held by Load

	mu      sync.Mutex // guards what follows
	log     ID
	head    uint64        // newest number that is known
	entries []Entry       // those up to head, without gaps. The array behind it is never written to twice
	grown   chan struct{} // closed when head changes
}

// NewTail returns a tail that knows nothing before Load.
func NewTail(s Source) *Tail { return &Tail{source: s, grown: make(chan struct{})} }

// Load reads what was appended since the last one. After an error it knows what it had read by then.
func (t *Tail) Load(ctx context.Context) error {
	t.loading.Lock()
	defer t.loading.Unlock()
	at, _ := t.Head()
	for {
		if at == (Cursor{}) { // of an old log, only the end is wanted
			p, err := t.source.Events(ctx, 0, 0, 1)
			if err != nil {
				return fmt.Errorf("load events: %w", err)
			}
			at = Cursor{p.Log, p.Head - min(p.Head, window)}
			t.begin(at)
		}
		p, err := t.source.Events(ctx, at.Seq, 0, loadMax)
		if err != nil {
			return fmt.Errorf("load events: %w", err)
		}
		if p.Log != at.Log || p.Head < at.Seq {
			at = Cursor{} // another database is in its place
			continue
		}
		t.append(p.Entries, p.Next)
		if at.Seq = p.Next; p.Next >= p.Head {
			return nil
		}
	}
}

// begin forgets all entries.
func (t *Tail) begin(at Cursor) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log, t.head, t.entries = at.Log, at.Seq, nil
	t.wake()
}

func (t *Tail) append(more []Entry, head uint64) {
	if len(more) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entries, t.head = append(t.entries, more...), head
	if len(t.entries) > 2*window {
		t.entries = append(make([]Entry, 0, 2*window), t.entries[len(t.entries)-window:]...) // so that the others can go
	}
	t.wake()
}

// wake tells those who wait. The lock is held.
func (t *Tail) wake() {
	close(t.grown)
	t.grown = make(chan struct{})
}

// Head returns the newest place that is known, and a channel that is closed when there is a newer one.
func (t *Tail) Head() (Cursor, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Cursor{t.log, t.head}, t.grown
}

// Events implements Source: from memory if it has all that follow the number, else from the source.
func (t *Tail) Events(ctx context.Context, after uint64, kinds Kinds, limit int) (Page, error) {
	t.mu.Lock()
	p, have := Page{Log: t.log, Head: t.head, Next: t.head}, t.entries
	t.mu.Unlock()
	first := p.Head - uint64(len(have)) // the number before the first that is kept
	if p.Log == (ID{}) || after < first || after > p.Head {
		return t.source.Events(ctx, after, kinds, limit)
	}
	for _, e := range have[after-first:] {
		if len(p.Entries) >= limit {
			p.Next = e.Seq - 1
			break
		}
		if kinds.Has(e.Kind) {
			p.Entries = append(p.Entries, e)
		}
	}
	return p, nil
}

// Reorgs implements Source. They are not in memory.
func (t *Tail) Reorgs(ctx context.Context, before uint64, limit int) ([]Undoing, error) {
	return t.source.Reorgs(ctx, before, limit)
}
