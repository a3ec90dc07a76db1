package ons

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
)

// A Source looks sealed values up by the hash of a name. It never sees the name.
//
// Lookup must return an error that wraps ErrNotFound if and only if the source answered and has no live record; then
// the caller may say so. Any other error, ErrUnavailable or not, means that it could not find out. Lookup may be called
// concurrently.
type Source interface {
	Lookup(ctx context.Context, t Type, h Hash) (Sealed, error)
}

var (
	// ErrNotFound means, if and only if it is wrapped, that who was asked answered and has no live record.
	ErrNotFound = errors.New("not registered")
	// ErrUnavailable means that it could not be found out whether a name is registered or what it stands for.
	ErrUnavailable = errors.New("could not find out")
)

// Resolve looks n up and opens what it finds. The error wraps ErrNotFound, ErrUnavailable (with the source's own error;
// a value of an impossible length counts as no answer), or ErrOpen. Only the hash leaves the caller.
func Resolve(ctx context.Context, s Source, n Name) (Value, error) {
	sealed, err := s.Lookup(ctx, n.Type(), n.Hash())
	if err != nil {
		return Value{}, outcome(err)
	}
	v, err := n.Open(sealed)
	if errors.Is(err, ErrSealed) {
		return Value{}, outcome(err)
	}
	return v, err
}

// outcome makes of a source's error one that wraps either ErrNotFound or ErrUnavailable, and not both.
func outcome(err error) error {
	switch {
	case notFound(err):
		return err
	case errors.Is(err, ErrNotFound): // and ErrUnavailable: somebody could not find out
		return fmt.Errorf("%w: %v", ErrUnavailable, err)
	case errors.Is(err, ErrUnavailable):
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// notFound reports whether err is the answer "not registered" and nothing else.
func notFound(err error) bool {
	return errors.Is(err, ErrNotFound) && !errors.Is(err, ErrUnavailable)
}

// Agree returns a Source that asks all of sources at once and answers only what all of them answer: a value if all gave
// the same one, ErrNotFound if all said so. If one fails, or two differ, the error wraps ErrUnavailable; so it does
// without sources. The first failure cancels the other lookups; Lookup returns when all of them have. It is as
// concurrent as its sources are.
func Agree(sources ...Source) Source { return agreement(slices.Clone(sources)) }

type agreement []Source

// Lookup implements Source.
func (a agreement) Lookup(ctx context.Context, t Type, h Hash) (Sealed, error) {
	if len(a) == 0 {
		return Sealed{}, fmt.Errorf("%w: no source to ask", ErrUnavailable)
	}
	type answer struct {
		sealed Sealed
		err    error // nil, or wraps ErrNotFound
	}
	answers := make([]answer, len(a))
	g, ctx := errgroup.WithContext(ctx)
	for i, s := range a {
		g.Go(func() error {
			sealed, err := s.Lookup(ctx, t, h)
			if err != nil && !notFound(err) {
				return fmt.Errorf("source %d of %d: %w", i+1, len(a), outcome(err))
			}
			answers[i] = answer{sealed, err}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return Sealed{}, err
	}
	first := answers[0]
	for i, next := range answers[1:] {
		if notFound(next.err) != notFound(first.err) || !next.sealed.Equal(first.sealed) && next.err == nil {
			return Sealed{}, fmt.Errorf("%w: sources 1 and %d of %d disagree", ErrUnavailable, i+2, len(a))
		}
	}
	return first.sealed, first.err
}
