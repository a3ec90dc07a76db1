package ons

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
)

// lookup is a Source made of a function.
type lookup func(ctx context.Context, t Type, h Hash) (Sealed, error)

func (f lookup) Lookup(ctx context.Context, t Type, h Hash) (Sealed, error) { return f(ctx, t, h) }

func answers(s Sealed, err error) Source {
	return lookup(func(context.Context, Type, Hash) (Sealed, error) { return s, err })
}

func TestResolve(t *testing.T) {
	t.Parallel()
	v := readVectors(t).Names[0]
	n := mustName(t, Session, "TEST")
	sealed := sealedOf(t, v.Ciphertext, v.Nonce)
	broken := errors.New("broken")
	garbage := sealedOf(t, v.Ciphertext, v.Nonce)
	garbage.Ciphertext[0]++
	for _, tt := range []struct {
		what   string
		source Source
		want   []error
	}{
		{"OK", answers(sealed, nil), nil},
		{"NotRegistered", answers(Sealed{}, ErrNotFound), []error{ErrNotFound}},
		{"Unavailable", answers(Sealed{}, ErrUnavailable), []error{ErrUnavailable}},
		{"Broken", answers(Sealed{}, broken), []error{ErrUnavailable, broken}},
		{"Garbage", answers(garbage, nil), []error{ErrOpen}},
		{"WrongLength", answers(Sealed{Ciphertext: fill(0, 3)}, nil), []error{ErrUnavailable, ErrSealed}},
		{"Both", answers(Sealed{}, errors.Join(ErrNotFound, ErrUnavailable)), []error{ErrUnavailable}},
	} {
		t.Run(tt.what, func(t *testing.T) {
			got, err := Resolve(t.Context(), lookup(func(ctx context.Context, typ Type, h Hash) (Sealed, error) {
				if typ != Session || h.String() != v.Hash {
					t.Errorf("asked for %s %s", typ, h)
				}
				return tt.source.Lookup(ctx, typ, h)
			}), n)
			if tt.want == nil {
				if text, _ := got.Text(Mainnet); err != nil || text != v.Text {
					t.Errorf("got %s, %v", text, err)
				}
				return
			}
			for _, want := range tt.want {
				wantErr(t, err, want)
			}
			if errors.Is(err, ErrNotFound) != (tt.what == "NotRegistered") {
				t.Errorf("ErrNotFound: %v", err)
			}
		})
	}
}

func TestAgree(t *testing.T) {
	t.Parallel()
	one, other := Sealed{fill(0, 49), fill(0, 24)}, Sealed{fill(0, 49), fill(1, 24)}
	legacy := Sealed{Ciphertext: fill(0, 49)}
	broken := errors.New("broken")
	yes, no, down, fails := answers(one, nil), answers(Sealed{}, ErrNotFound), answers(Sealed{}, ErrUnavailable), answers(Sealed{}, broken)
	for _, tt := range []struct {
		what    string
		sources []Source
		want    error
	}{
		{"Nobody", nil, ErrUnavailable},
		{"One", []Source{yes}, nil},
		{"All", []Source{yes, yes, yes}, nil},
		{"OneNotFound", []Source{no}, ErrNotFound},
		{"AllNotFound", []Source{no, no, no}, ErrNotFound},
		{"LastNotFound", []Source{yes, yes, no}, ErrUnavailable},
		{"FirstNotFound", []Source{no, yes, yes}, ErrUnavailable},
		{"OtherValue", []Source{yes, yes, answers(other, nil)}, ErrUnavailable},
		{"OtherScheme", []Source{yes, answers(legacy, nil)}, ErrUnavailable},
		{"EmptyAndNotFound", []Source{answers(Sealed{}, nil), no}, ErrUnavailable},
		{"OneDown", []Source{yes, down, yes}, ErrUnavailable},
		{"OneFails", []Source{yes, yes, fails}, ErrUnavailable},
		{"NotFoundAndFails", []Source{no, fails, no}, ErrUnavailable},
		{"FailsKeepsItsError", []Source{fails}, broken},
		{"Nested", []Source{Agree(yes, yes), Agree(yes)}, nil},
		{"NestedNotFound", []Source{Agree(no, no), Agree(no)}, ErrNotFound},
		{"NestedDisagree", []Source{Agree(yes, no), Agree(yes)}, ErrUnavailable},
	} {
		t.Run(tt.what, func(t *testing.T) {
			got, err := Agree(tt.sources...).Lookup(t.Context(), Session, Hash{1})
			if !errors.Is(err, tt.want) || tt.want == nil && !got.Equal(one) || tt.want != nil && got.Ciphertext != nil {
				t.Errorf("got %v, %v, want %v", got, err, tt.want)
			}
			if errors.Is(err, ErrNotFound) && errors.Is(err, ErrUnavailable) {
				t.Errorf("both found out and not: %v", err)
			}
		})
	}
}

// All are asked before any answers, one failure stops the others, and none is left behind.
func TestAgreeConcurrent(t *testing.T) {
	t.Parallel()
	var asked, returned atomic.Int32
	all := make(chan struct{})
	meet := func() {
		if asked.Add(1) == 3 {
			close(all)
		}
		<-all
	}
	waits := lookup(func(ctx context.Context, _ Type, _ Hash) (Sealed, error) {
		meet()
		<-ctx.Done() // only the failure of the third ends this
		returned.Add(1)
		return Sealed{}, ctx.Err()
	})
	broken := errors.New("broken")
	fails := lookup(func(context.Context, Type, Hash) (Sealed, error) {
		meet()
		return Sealed{}, broken
	})
	_, err := Agree(waits, waits, fails).Lookup(t.Context(), Session, Hash{})
	wantErr(t, err, ErrUnavailable)
	wantErr(t, err, broken)
	if returned.Load() != 2 {
		t.Errorf("%d lookups had returned", returned.Load())
	}
}

func TestAgreeCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	waits := lookup(func(ctx context.Context, _ Type, _ Hash) (Sealed, error) {
		cancel()
		<-ctx.Done()
		return Sealed{}, ctx.Err()
	})
	_, err := Agree(waits, waits).Lookup(ctx, Session, Hash{})
	wantErr(t, err, ErrUnavailable)
	wantErr(t, err, context.Canceled)
}
