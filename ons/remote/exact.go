package remote

import (
	"context"
	"fmt"
	"net/url"

	"onsight/ons"
)

// maxPages bounds how many pages of one name's history are read: of 500 records each.
const maxPages = 200

// Exact looks names up by their whole hash. It may be used concurrently.
type Exact struct{ server *Server }

var _ ons.Source = Exact{}

// Exact returns the source that sends hashes.
func (s *Server) Exact() Exact { return Exact{s} }

// Lookup implements ons.Source.
func (e Exact) Lookup(ctx context.Context, t ons.Type, h ons.Hash) (ons.Sealed, error) {
	a, err := e.Find(ctx, ons.Key{Type: t, Hash: h})
	if err != nil {
		return ons.Sealed{}, err
	}
	found, err := a.Live()
	return found.Sealed, err
}

// begin returns an answer without records.
func (e Exact) begin() (Answer, error) {
	s := e.server
	a := Answer{Network: s.network, Ready: s.ready, host: s.Host()}
	if s.files != nil {
		a.Revealed.Unasked = true
		return a, fmt.Errorf("%s: has files only, and no single names: ask by range: %w", s.Host(), ons.ErrUnavailable)
	}
	a.Revealed.Hash = true
	return a, nil
}

// Find asks for the newest record of a name. That there is none is an error that wraps ons.ErrNotFound. The answer says what
// was revealed beside an error too.
func (e Exact) Find(ctx context.Context, key ons.Key) (Answer, error) {
	a, err := e.begin()
	if err != nil {
		return a, err
	}
	var reply struct {
		wireRecord
		AsOf wirePoint `json:"as_of"`
	}
	if err := e.server.get(ctx, &reply, shortReply, shortTime, "v1", "names", key.Type.String(), key.Hash.String()); err != nil {
		return a, err
	}
	if reply.NameHash != key.Hash.String() || reply.Type != key.Type.String() {
		return a, fmt.Errorf("%s: answered about another name: %w", e.server.Host(), ons.ErrUnavailable)
	}
	if a.Point, err = reply.AsOf.point(); err != nil {
		return a, e.server.strange()
	}
	if err := a.add(&reply.wireRecord, key); err != nil {
		return a, e.server.strange()
	}
	return a, nil
}

// History asks for all records of a name, with the errors of Find. A reorganisation between two pages is an error that wraps
// ons.ErrUnavailable: ask again.
func (e Exact) History(ctx context.Context, key ons.Key) (Answer, error) {
	a, err := e.begin()
	if err != nil {
		return a, err
	}
	s := e.server
	u := s.base.JoinPath("v1", "names", key.Type.String(), key.Hash.String(), "history")
	query := url.Values{"limit": {"500"}}
	for range maxPages {
		u.RawQuery = query.Encode()
		var page struct {
			NameHash string       `json:"name_hash"`
			Type     string       `json:"type"`
			History  []wireRecord `json:"history"`
			Next     *string      `json:"next"`
			AsOf     wirePoint    `json:"as_of"`
		}
		if err := s.getURL(ctx, &page, shortReply, shortTime, u); err != nil {
			return a, err
		}
		at, err := page.AsOf.point()
		switch {
		case err != nil:
			return a, s.strange()
		case page.NameHash != key.Hash.String() || page.Type != key.Type.String():
			return a, fmt.Errorf("%s: answered about another name: %w", s.Host(), ons.ErrUnavailable)
		}
		a.Point = at
		for i := range page.History {
			if err := a.add(&page.History[i], key); err != nil {
				return a, s.strange()
			}
		}
		if page.Next == nil {
			return a, s.chained(a.Records)
		}
		query.Set("next", *page.Next)
	}
	return a, fmt.Errorf("%s: the name's history does not end: %w", s.Host(), ons.ErrUnavailable)
}

// chained reports a history that is none, as where the chain was reorganised between two pages: out of order, or with a change
// that does not follow the one before it.
func (s *Server) chained(records []ons.Record) error {
	if !ordered(records) {
		return s.strange()
	}
	for i, r := range records {
		if r.Prev != (ons.Txid{}) && (i == 0 || r.Prev != records[i-1].Txid) {
			return fmt.Errorf("%s: the name's history is not of one chain: %w", s.Host(), ons.ErrUnavailable)
		}
	}
	return nil
}
