package remote

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/url"

	"onsight/ons"
)

// Pulled is a bundle, and what came for it.
type Pulled struct {
	Bundle   *ons.Bundle
	Received int  // bytes of bundles and deltas
	Delta    bool // only what changed was received, or nothing because nothing did
}

// Bundle gets a server's bundle. Given an old one, only what changed is asked for where the server knows that; the server then
// learns of which block the old one is. The error wraps ons.ErrUnavailable; one that is older than the old one is such an
// error, and so is one of another network than the server said.
func (s *Server) Bundle(ctx context.Context, old *ons.Bundle) (Pulled, error) {
	var p Pulled
	all := s.base.JoinPath("v1", "names", "bundle")
	u := *all
	switch {
	case old == nil:
	case s.files == nil:
		u.RawQuery = url.Values{"since": {old.At().Hash.String()}}.Encode()
	case s.files.Digest == digest(old): // a file host gives no deltas
		return Pulled{Bundle: old, Delta: true}, nil
	}
	body, err := s.body(ctx, &u, bundleReply, registryTime)
	if err != nil {
		return p, s.here(err)
	}
	p.Received = len(body)
	if old != nil && ons.IsDelta(body) {
		if p.Bundle, err = old.Apply(body); err == nil {
			p.Delta = true
			return p, s.newer(p.Bundle, old)
		}
		// Ours is not what the server takes it for: get it anew.
		if body, err = s.body(ctx, all, bundleReply, registryTime); err != nil {
			return p, s.here(err)
		}
		p.Received += len(body)
	}
	if p.Bundle, err = ons.ParseBundle(body); err != nil {
		return p, fmt.Errorf("%s: %w: %w", s.Host(), ons.ErrUnavailable, err)
	}
	return p, s.newer(p.Bundle, old)
}

// newer reports a bundle that must not take the place of old.
func (s *Server) newer(b, old *ons.Bundle) error {
	switch at := b.At(); {
	case at.Network != s.network:
		return fmt.Errorf("%s: its bundle is of %s: %w", s.Host(), at.Network, ons.ErrUnavailable)
	case old != nil && at.Height < old.At().Height:
		return fmt.Errorf("%s: its bundle is of block %d, older than the one here of block %d: %w",
			s.Host(), at.Height, old.At().Height, ons.ErrUnavailable)
	}
	return nil
}

func digest(b *ons.Bundle) string {
	d := b.Digest()
	return hex.EncodeToString(d[:])
}
