package api

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"onsight/ons"
)

// owned answers GET /v1/owners/{owner}/names: the names that an owner may update, as owner or backup owner, expired
// ones included, in order of type and hash.
func (s *Server) owned(c *call) error {
	owner, err := ons.ParseOwner(c.gin.Param("owner"), c.state.Network)
	if err != nil {
		if c.state.Network == "" {
			return c.missing() // of which network an address would have to be is not known yet
		}
		return fmt.Errorf("%w: must be a wallet address of %s or 64 hexadecimal digits", ons.ErrOwner, c.state.Network)
	}
	limit, err := c.limit()
	if err != nil {
		return err
	}
	after, err := parseCursor(c.query.Get("next"))
	if err != nil {
		return err
	}
	page := c.snap.Owned(owner, after, limit+1)
	if len(page) == 0 && after == nil {
		// That an owner has nothing is, like "not registered", for an index to say that is up to date.
		if err := c.missing(); errors.Is(err, errBehind) {
			return err
		}
	}
	next := ""
	if len(page) > limit {
		page = page[:limit]
		next = formatCursor(page[limit-1].Key())
	}
	if c.fresh() {
		return nil
	}
	b := s.buffer()
	defer s.release(b)
	*b = append(*b, `{"owner":`...)
	*b = strconv.AppendQuote(*b, owner.Text(c.state.Network))
	*b = append(*b, ',')
	*b = appendNames(*b, page, c.moment(), next)
	*b = append(*b, '}')
	*b = seal(*b, c.frame.asOf)
	c.write(http.StatusOK, jsonType, *b)
	return nil
}

// formatCursor returns where a page ended: base64 of type and hash.
func formatCursor(k ons.Key) string {
	return base64.RawURLEncoding.EncodeToString(append([]byte{byte(k.Type)}, k.Hash[:]...))
}

// parseCursor reads what formatCursor returns; the empty text is the beginning.
func parseCursor(s string) (*ons.Key, error) {
	if s == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != 33 || b[0] > byte(ons.Lokinet) {
		return nil, errCursor
	}
	return &ons.Key{Type: ons.Type(b[0]), Hash: ons.Hash(b[1:])}, nil
}
