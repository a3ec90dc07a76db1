package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"onsight/ons"
)

// extraTime is how long whoever is asked beside the nodes may take: the answer may be the whole registry.
const extraTime = 30 * time.Second

// Extra is somebody who is asked for names beside the nodes, such as an onsight server or its bundle: one more voice, which stands in the
// receipt. However many there are, as many nodes must agree as without them, what a name is pinned to does not depend on them, and
// that they do not answer is no error.
type Extra interface {
	// Lookup returns what is stored under a hash, and the height of the chain of which that is true. The error wraps
	// ons.ErrNotFound if and only if there is nothing. It returns when ctx ends. It decides what leaves of the hash, and how.
	Lookup(ctx context.Context, h ons.Hash) (ons.Sealed, uint64, error)
	// String returns what the receipt calls it. Of several that are called the same all but the first are numbered.
	String() string
}

// voices returns what the receipt calls those who are asked beside the nodes, each in another way.
func voices(extra []Extra) (names []string) {
	for _, e := range extra {
		name := e.String()
		for i := 2; slices.Contains(names, name); i++ {
			name = fmt.Sprintf("%s (%d)", e, i)
		}
		names = append(names, name)
	}
	return names
}

// askExtra begins to ask Config.Extra. The function it returns ends that, and returns what they said; if it is not worth waiting for
// them, at once.
func (c *Client) askExtra(ctx context.Context, n ons.Name) func(wait bool) []said {
	ctx, cancel := context.WithTimeout(ctx, extraTime)
	answers := make([]chan said, len(c.cfg.Extra))
	names := voices(c.cfg.Extra)
	for i, e := range c.cfg.Extra {
		answers[i] = make(chan said, 1)
		go func() {
			defer c.bug()
			s := said{source: names[i]}
			s.sealed, s.height, s.err = e.Lookup(ctx, n.Hash())
			if errors.Is(s.err, ons.ErrNotFound) {
				s.sealed, s.absent, s.err = ons.Sealed{}, true, nil
			}
			answers[i] <- s
		}()
	}
	return func(wait bool) (list []said) {
		defer cancel()
		if !wait {
			cancel()
		}
		for _, a := range answers {
			list = append(list, <-a)
		}
		return list
	}
}
