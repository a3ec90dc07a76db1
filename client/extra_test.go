package client_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"onsight/client"
	"onsight/client/store"
	"onsight/internal/devnet"
	"onsight/ons"
)

// voice is somebody who is asked beside the nodes.
type voice struct {
	name string
	say  func(ctx context.Context, h ons.Hash) (ons.Sealed, uint64, error)
}

func (v voice) String() string { return v.name }

func (v voice) Lookup(ctx context.Context, h ons.Hash) (ons.Sealed, uint64, error) {
	return v.say(ctx, h)
}

// seals is a voice that says that a name stands for an id.
func seals(t *testing.T, who, what, id string) voice {
	t.Helper()
	sealed, err := name(t, what).Seal(value(t, id), nil)
	if err != nil {
		t.Fatal(err)
	}
	return voice{who, func(context.Context, ons.Hash) (ons.Sealed, uint64, error) { return sealed, 7, nil }}
}

func absent(who string) voice {
	return voice{who, func(context.Context, ons.Hash) (ons.Sealed, uint64, error) { return ons.Sealed{}, 8, ons.ErrNotFound }}
}

// TestExtra: who is asked beside the nodes stands in the receipt and decides nothing.
func TestExtra(t *testing.T) {
	quiet(t)
	n := startTown(t, devnet.Config{Seed: 61, Nodes: 16}, "session bob "+bob)
	truth := voice{"chain", func(_ context.Context, h ons.Hash) (ons.Sealed, uint64, error) {
		r, ok := n.Chain().Truth().Record(ons.Key{Type: ons.Session, Hash: h})
		if !ok {
			return ons.Sealed{}, 0, ons.ErrNotFound
		}
		return r.Sealed, n.Chain().Height() - 1, nil
	}}
	dead := voice{"dead", func(context.Context, ons.Hash) (ons.Sealed, uint64, error) {
		return ons.Sealed{}, 0, errors.Join(ons.ErrUnavailable, errors.New("refused"))
	}}
	r := n.client(1, func(c *client.Config) {
		c.Extra = []client.Extra{truth, seals(t, "liar", "bob", alice), absent("nothing"), dead, dead}
	})
	for range 2 {
		got, err := r.Resolve(t.Context(), "bob")
		if err != nil || got.ID.String() != bob || got.Pin.Held() {
			t.Fatalf("got %s, %v", got.ID, err)
		}
	}
	receipts, err := r.Store.Receipts(t.Context(), "bob", 1)
	if err != nil || len(receipts) != 1 {
		t.Fatal(err)
	}
	voices := map[string]store.Answer{}
	nodes := 0
	for _, a := range receipts[0].Answers {
		if a.Source == "" {
			nodes++
			continue
		}
		voices[a.Source] = a
	}
	if nodes < 3 || len(voices) != 5 {
		t.Fatalf("%d nodes and %d others in the receipt: %+v", nodes, len(voices), receipts[0])
	}
	for who, want := range map[string]string{"chain": bob, "liar": alice} {
		if a := voices[who]; client.ID(a.ID).String() != want || a.Reason != "" || a.Height == 0 {
			t.Errorf("%s: got %+v", who, a)
		}
	}
	if a := voices["nothing"]; a.ID != ([33]byte{}) || a.Reason != "" || a.Height != 8 {
		t.Errorf("nothing: got %+v", a)
	}
	for _, who := range []string{"dead", "dead (2)"} {
		if a := voices[who]; a.Reason == "" {
			t.Errorf("%s: got %+v", who, a)
		}
	}

	// Of a name that the nodes do not have, nobody else's word is taken.
	r.cfg.Extra = []client.Extra{seals(t, "liar", "nobody", alice)}
	r.open(t)
	if _, err := r.Resolve(t.Context(), "nobody"); !errors.Is(err, ons.ErrNotFound) {
		t.Errorf("got error %v, want ErrNotFound", err)
	}
	// Nor where too few nodes answer.
	n.inject("all:no-oxend")
	r.cfg.Extra = []client.Extra{truth, truth, truth, truth, truth}
	r.cfg.Timeout = time.Second
	r.open(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := r.Resolve(ctx, "bob"); !errors.Is(err, client.ErrFewNodes) {
		t.Errorf("got error %v, want ErrFewNodes", err)
	}
}

// TestExtraWaits: who does not answer is given up when nobody waits for the answer any more.
func TestExtraWaits(t *testing.T) {
	quiet(t)
	n := startTown(t, devnet.Config{Seed: 62, Nodes: 16}, "session bob "+bob)
	silent := voice{"silent", func(ctx context.Context, _ ons.Hash) (ons.Sealed, uint64, error) {
		<-ctx.Done()
		return ons.Sealed{}, 0, ctx.Err()
	}}
	r := n.client(1, func(c *client.Config) { c.Extra = []client.Extra{silent} })
	r.connect(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := r.Resolve(ctx, "bob"); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
