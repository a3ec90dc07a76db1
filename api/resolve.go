package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"

	"onsight/ons"
)

// Bounds of a batch.
const (
	maxBatch = 1000      // names
	maxBody  = 256 << 10 // bytes; a thousand names take about 100 KB
)

// resolve answers POST /v1/names/resolve: many names in one request, in its order. It is hot: the reply is appended.
func (s *Server) resolve(c *call) error {
	full, err := c.full()
	if err != nil {
		return err
	}
	keys, err := c.readKeys()
	if err != nil {
		return err
	}
	c.charge(len(keys) / namesPerRequest)
	if c.state.Tip == nil && len(keys) > 0 {
		return c.missing()
	}
	b := s.buffer()
	defer s.release(b)
	*b = append(*b, `{"names":[`...)
	at := c.moment()
	absent := ""
	for i, key := range keys {
		if i > 0 {
			*b = append(*b, ',')
		}
		r := c.snap.Record(key)
		if r == nil && absent == "" {
			absent = statusNotRegistered
			if c.behind() != "" {
				absent = statusBehind
			}
		}
		switch {
		case r == nil:
			*b = appendAbsent(*b, key, absent, full)
		case full:
			*b = appendFull(*b, r, at)
		default:
			*b = appendCompact(*b, r, at)
		}
	}
	*b = append(*b, ']', '}')
	*b = seal(*b, c.frame.asOf)
	c.gin.Writer.Header()["Cache-Control"] = noStore
	c.write(http.StatusOK, jsonType, *b)
	return nil
}

// full reports whether whole records are asked for.
func (c *call) full() (bool, error) {
	switch v := c.query.Get("full"); {
	case !c.query.Has("full") || v == "0":
		return false, nil
	case v == "1":
		return true, nil
	}
	return false, fmt.Errorf("%w: full must be 0 or 1", errParameter)
}

// readKeys reads the body.
func (c *call) readKeys() ([]ons.Key, error) {
	if !mediaType(c.gin.GetHeader("Content-Type"), "application/json") {
		return nil, errMediaType
	}
	b := c.buffer()
	defer c.release(b)
	var err error
	*b, err = readAll(http.MaxBytesReader(c.gin.Writer, c.gin.Request.Body, maxBody), *b)
	if err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return nil, fmt.Errorf("%w: at most %d bytes", errTooLarge, maxBody)
		}
		return nil, fmt.Errorf("%w: it ends early", errBody)
	}
	c.whole = true
	if keys, ok := scanKeys(*b); ok {
		return keys, nil
	}
	return parseKeys(*b)
}

// mediaType reports whether a Content-Type is the one that is wanted.
func mediaType(header, want string) bool {
	kind, _, err := mime.ParseMediaType(header)
	return err == nil && kind == want
}

// readAll is io.ReadAll into a buffer.
func readAll(r io.Reader, b []byte) ([]byte, error) {
	for {
		b = slices.Grow(b, 512)
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

// nameRefs is the list of a batch, given once.
type nameRefs struct {
	list  []nameRefView
	given bool
}

// UnmarshalJSON refuses a second list: encoding/json would merge the two.
func (r *nameRefs) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	if r.given {
		return errBody
	}
	r.given = true
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(&r.list)
}

// parseKeys reads the names of a batch. Its errors say where the mistake is and never what was written there.
func parseKeys(body []byte) ([]ons.Key, error) {
	var asked struct {
		Names nameRefs `json:"names"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields() // as the document says: a misspelt field must not be ignored
	err := d.Decode(&asked)
	if err == nil && d.More() {
		err = errBody
	}
	if err != nil {
		if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
			return nil, fmt.Errorf("%w: wrong type of JSON value at byte %d", errBody, wrong.Offset)
		}
		return nil, fmt.Errorf("%w: not JSON, or with other fields than names, type and hash", errBody)
	}
	if !asked.Names.given {
		return nil, fmt.Errorf("%w: names is missing", errBody)
	}
	if n := len(asked.Names.list); n > maxBatch {
		return nil, fmt.Errorf("%w: %d, at most %d", errTooMany, n, maxBatch)
	}
	keys := make([]ons.Key, len(asked.Names.list))
	for i, n := range asked.Names.list {
		t, err := parseType(n.Type)
		if err != nil {
			return nil, fmt.Errorf("names[%d].type: %w", i, err)
		}
		h, err := ons.ParseHash(n.Hash)
		if err != nil {
			return nil, fmt.Errorf("names[%d].hash: %w", i, err)
		}
		keys[i] = ons.Key{Type: t, Hash: h}
	}
	return keys, nil
}
