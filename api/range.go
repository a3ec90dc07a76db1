package api

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/bits"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"onsight/indexer"
	"onsight/ons"
)

// A range is the names whose hashes begin with the same bits: who asks for one does not say which of them is meant. How many
// bits are offered follows the registry, so that every range holds some names; all replies of as many bits have one size.
//
// What is offered and sent is made of pieces, the ranges of most bits: the sizes of all others follow from theirs.
const (
	rangeK      = 64       // different hashes that the smallest range must hold
	rangeMargin = 80       // the same before one bit more is offered, so that bits do not go up and down
	maxBits     = 8        // never more: 256 ranges
	keptPieces  = 64 << 20 // bytes; of larger registries pieces are encoded when they are asked for
)

// pieces is how many ranges of most bits there are.
const pieces = 1 << maxBits

// shelf is all ranges after one block.
type shelf struct {
	snap    Snapshot
	tip     indexer.Point
	digest  ons.Txid
	pieces  [pieces]piece
	records int
	hashes  int
	bits    int              // that are offered
	sizes   [maxBits + 1]int // of replies, by bits
	bundle  func() (*ons.Bundle, error)
}

// piece is a range of most bits. A piece in which nothing changed is kept from block to block.
type piece struct {
	records int
	hashes  int    // different ones
	size    int    // of body
	body    []byte // records as JSON, each with a comma before it; nil: to be made when asked for
}

// shelfOf returns the ranges of a snapshot that has a tip. Requests that come together share them.
func (s *Server) shelfOf(snap Snapshot, state indexer.State) *shelf {
	for {
		old := s.shelf.Load()
		if old != nil && old.tip == *state.Tip && old.digest == state.Digest {
			return old
		}
		fresh := newShelf(old, snap, state)
		if s.shelf.CompareAndSwap(old, fresh) {
			return fresh
		}
	}
}

// newShelf makes the ranges of a snapshot, of those of an older one where that is known to be the same.
func newShelf(old *shelf, snap Snapshot, state indexer.State) *shelf {
	s := &shelf{snap: snap, tip: *state.Tip, digest: state.Digest}
	var stale [pieces]bool
	known := false
	m := momentOf(state)
	m.dates = snap
	if old != nil {
		var changed []ons.Key
		changed, known = snap.Changed(old.tip.Hash)
		for _, k := range changed {
			stale[k.Hash[0]] = true
		}
	}
	kept := 0
	for i := range s.pieces {
		if known && !stale[i] {
			s.pieces[i] = old.pieces[i]
		} else {
			s.pieces[i] = newPiece(snap, i, m)
		}
		p := &s.pieces[i]
		if kept += len(p.body); kept > keptPieces {
			kept -= len(p.body)
			p.body = nil
		}
		s.records += p.records
		s.hashes += p.hashes
	}
	if old != nil {
		s.bits = old.bits
	}
	s.choose()
	for b := range s.sizes {
		least := 0
		if old != nil {
			least = old.sizes[b]
		}
		s.sizes[b] = s.sizeClass(b, least)
	}
	s.bundle = bundleOf(snap, state)
	return s
}

func newPiece(snap Snapshot, i int, m moment) piece {
	records := snap.Bucket(maxBits, uint64(i))
	p := piece{records: len(records), body: appendPiece(nil, records, m)}
	for j, r := range records {
		if j == 0 || r.Hash != records[j-1].Hash {
			p.hashes++
		}
	}
	p.size, p.body = len(p.body), slices.Clip(p.body)
	return p
}

func appendPiece(b []byte, records []*ons.Record, m moment) []byte {
	for _, r := range records {
		b = append(b, ',')
		b = appendRanged(b, r, m)
	}
	return b
}

// choose sets how many bits are offered.
func (s *shelf) choose() {
	for s.bits > 0 && s.fewest(s.bits) < rangeK {
		s.bits--
	}
	for s.bits < maxBits && s.fewest(s.bits+1) >= rangeMargin {
		s.bits++
	}
}

// fewest returns how many different hashes the smallest range of so many bits holds.
func (s *shelf) fewest(bits int) int {
	fewest := s.hashes
	for i := range 1 << bits {
		n := 0
		for _, p := range s.within(bits, i) {
			n += p.hashes
		}
		fewest = min(fewest, n)
	}
	return fewest
}

// within returns the pieces of a range.
func (s *shelf) within(bits, number int) []piece {
	width := pieces >> bits
	return s.pieces[number*width : (number+1)*width]
}

// rangeFrame bounds what a reply holds beside its records.
const rangeFrame = 512

// sizeClass returns the size of all replies of so many bits: that of the largest, rounded up so that it seldom changes and
// is no measure of that one; the old class as long as it is not much too large.
func (s *shelf) sizeClass(bits, old int) int {
	most := 0
	for i := range 1 << bits {
		n := 0
		for _, p := range s.within(bits, i) {
			n += p.size
		}
		most = max(most, n)
	}
	most += rangeFrame
	class := roundUp(most)
	if old >= class && most > old/4*3 {
		return old
	}
	return class
}

// roundUp rounds up to one of eight steps between two powers of two, at least to a kilobyte.
func roundUp(n int) int {
	step := max(1<<10, 1<<bits.Len(uint(n))>>4)
	return (n + step - 1) / step * step
}

// ranges answers GET /v1/names/range: which ranges there are.
func (s *Server) ranges(c *call) error {
	if c.state.Tip == nil {
		return c.missing()
	}
	shelf := s.shelfOf(c.snap, c.state)
	return c.send(rangesView{
		Bits: shelf.bits, K: rangeK, Records: shelf.records, Hashes: shelf.hashes, SizeClass: shelf.sizes[shelf.bits], Ready: c.behind() == "",
	}, atTip)
}

// bucket answers GET /v1/names/range/{bits}/{index}: the newest records of all names of a range, padded to its size class
// with blanks. Nothing in it depends on anything but the range. It is hot: pieces are made once.
func (s *Server) bucket(c *call) error {
	if c.state.Tip == nil {
		return c.missing()
	}
	shelf := s.shelfOf(c.snap, c.state)
	bits, number, err := parseRange(c.gin.Param("bits"), c.gin.Param("index"), shelf.bits)
	if err != nil {
		return err
	}
	ready := c.behind() == ""
	h := c.gin.Writer.Header()
	if ready {
		tag := c.frame.tags[c.route]
		h["Etag"] = tag
		h["Cache-Control"] = atTipAsIs
		if c.notModified(tag[0]) {
			return nil
		}
	} else {
		h["Cache-Control"] = noStore
	}
	size := shelf.sizes[bits]
	h["Content-Type"] = jsonType
	h["Content-Length"] = []string{strconv.Itoa(size)}
	h["X-Content-Type-Options"] = noSniff
	c.gin.Writer.WriteHeader(http.StatusOK)

	b := s.buffer()
	defer s.release(b)
	sent := 0
	flush := func(most int) {
		if len(*b) >= most {
			sent += len(*b)
			// An error means that the client has gone; there is nobody to tell.
			_, _ = c.gin.Writer.Write(*b)
			*b = (*b)[:0]
		}
	}
	*b = append(*b, `{"bits":`...)
	*b = strconv.AppendInt(*b, int64(bits), 10)
	*b = append(*b, `,"index":"`...)
	*b = strconv.AppendInt(*b, int64(number), 16)
	*b = append(*b, `","ready":`...)
	*b = strconv.AppendBool(*b, ready)
	*b = append(*b, `,"records":[`...)
	first := true
	for i, p := range shelf.within(bits, number) {
		body := p.body
		if body == nil && p.records > 0 {
			body = appendPiece(nil, shelf.snap.Bucket(maxBits, uint64(number*(pieces>>bits)+i)), c.moment())
		}
		if first && len(body) > 0 {
			body, first = body[1:], false // the comma
		}
		*b = append(*b, body...)
		flush(maxPooled / 2)
	}
	*b = append(*b, ']', '}')
	*b = seal(*b, c.frame.asOf)
	for left := size - sent - len(*b); left > 0; left = size - sent - len(*b) {
		*b = append(*b, blanks[:min(left, len(blanks))]...)
		flush(maxPooled / 2)
	}
	flush(0)
	return nil
}

var blanks = bytes.Repeat([]byte(" "), 4096)

// parseRange reads the path of a range; each has one spelling.
func parseRange(width, index string, offered int) (bits, number int, err error) {
	if len(width) == 1 && width[0] >= '0' && width[0] <= '0'+maxBits {
		bits = int(width[0] - '0')
	} else {
		return 0, 0, fmt.Errorf("%w: bits must be 0 to %d", errRange, offered)
	}
	if bits > offered {
		return 0, 0, fmt.Errorf("%w: bits must be 0 to %d", errRange, offered)
	}
	n, err := strconv.ParseUint(index, 16, 16)
	if err != nil || n>>bits != 0 || strconv.FormatUint(n, 16) != index {
		return 0, 0, fmt.Errorf("%w: index must be the first bits of a hash as a number in lower-case hexadecimal digits", errRange)
	}
	return bits, int(n), nil
}

// bundle answers GET /v1/names/bundle: the whole registry, or what changed in it since a block.
func (s *Server) bundle(c *call) error {
	if c.state.Tip == nil {
		return c.missing()
	}
	var since ons.Txid
	if c.query.Has("since") {
		text := c.query.Get("since")
		var err error
		if since, err = ons.ParseTxid(text); err != nil || strings.ToLower(text) != text {
			return fmt.Errorf("%w: since must be the hash of a block, 64 lower-case hexadecimal digits", errParameter)
		}
	}
	shelf := s.shelfOf(c.snap, c.state)
	all, err := shelf.bundle()
	if err != nil {
		return err
	}
	body, tag := all.Bytes(), all.Digest()
	text := hex.EncodeToString(tag[:])
	if c.query.Has("since") {
		if changed, ok := shelf.snap.Changed(since); ok {
			if delta := all.Delta(since, changed); len(delta) < len(body) {
				body, text = delta, text+"-delta"
			}
		}
	}
	h := c.gin.Writer.Header()
	h["Etag"] = []string{`"` + text + `"`}
	h["Cache-Control"] = atTipAsIs
	if c.notModified(h["Etag"][0]) {
		return nil
	}
	c.write(http.StatusOK, bytesType, body)
	return nil
}

// bundleOf makes the bundle of a snapshot when it is first asked for.
func bundleOf(snap Snapshot, state indexer.State) func() (*ons.Bundle, error) {
	at := ons.BundlePoint{Network: state.Network, Height: state.Tip.Height, Hash: state.Tip.Hash, Time: state.TipTime}
	return sync.OnceValues(func() (*ons.Bundle, error) {
		b, err := ons.NewBundle(at, snap.Records())
		if err != nil {
			return nil, fmt.Errorf("make a bundle: %w", err)
		}
		return b, nil
	})
}
