package api

import (
	"encoding/base64"
	"encoding/binary"
	"net/http"

	"onsight/ons"
)

// Bounds of a page.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// nameRecord returns the newest record of the name in the path, expired or not.
func (c *call) nameRecord() (ons.Key, *ons.Record, error) {
	key, err := c.key()
	if err != nil {
		return key, nil, err
	}
	r := c.snap.Record(key)
	if r == nil || c.state.Tip == nil {
		return key, nil, c.missing()
	}
	return key, r, nil
}

// name answers GET /v1/names/{type}/{hash}. It is hot: no reflection.
func (s *Server) name(c *call) error {
	if c.query.Has("at_height") {
		return s.nameAt(c)
	}
	_, r, err := c.nameRecord()
	if err != nil {
		return err
	}
	if c.fresh() {
		return nil
	}
	b := s.buffer()
	defer s.release(b)
	*b = append(*b, '{')
	*b = appendName(*b, r, c.moment())
	*b = append(*b, '}')
	*b = seal(*b, c.frame.asOf)
	c.write(http.StatusOK, jsonType, *b)
	return nil
}

// history answers GET /v1/names/{type}/{hash}/history: what happened to the name, oldest first.
func (s *Server) history(c *call) error {
	key, all, at, err := c.nameHistory()
	if err != nil {
		return err
	}
	limit, err := c.limit()
	if err != nil {
		return err
	}
	skip, err := parseSkip(c.query.Get("next"))
	if err != nil {
		return err
	}
	r := all[len(all)-1]
	if skip > uint64(len(all)) {
		return errCursor
	}
	page := all[skip:]
	var next *string
	if len(page) > limit {
		page = page[:limit]
		next = ref(formatSkip(skip + uint64(limit)))
	}
	cache, has := atTip, false
	if c.query.Has("at_height") {
		cache, has = c.freshAt(at, r)
	} else {
		has = c.fresh()
	}
	if has {
		return nil
	}
	v := historyView{
		Type: key.Type.String(), NameHash: key.Hash.String(), Status: string(r.Status(at.blocks, at.rules)),
		History: make([]eventView, len(page)), Next: next,
	}
	if c.query.Has("at_height") {
		v.AtHeight = &at.tip
	}
	for i, r := range page {
		v.History[i] = newEventView(r, at)
	}
	return c.send(v, cache)
}

// The cursor of a history is how many events were given. It is base64 of eight bytes, so that nobody counts on it.
func formatSkip(n uint64) string {
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, n))
}

// parseSkip reads what formatSkip returns; the empty text is the beginning.
func parseSkip(s string) (uint64, error) {
	if s == "" {
		return 0, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != 8 {
		return 0, errCursor
	}
	return binary.BigEndian.Uint64(b), nil
}
