package api

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"math/bits"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

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

// rack is what is sent of all ranges after one block: the newest records, or all there ever were.
type rack struct {
	tip    indexer.Point
	digest ons.Txid
	pieces [pieces]piece
	sizes  [maxBits + 1]int // of replies, by bits
}

// piece is a range of most bits. A piece in which nothing changed is kept from block to block.
type piece struct {
	records int
	hashes  int    // different ones
	size    int    // of body
	body    []byte // records as JSON, each with a comma before it; nil: to be made when asked for
}

// encoder appends the records of a range as JSON, each with a comma before it, given the newest ones; it returns how many
// there are.
type encoder func(b []byte, snap Snapshot, newest []*ons.Record, m moment) ([]byte, int)

// newRack makes the ranges of a snapshot that has a tip, of those of an older one where that is known to be the same.
func newRack(old *rack, snap Snapshot, state indexer.State, encode encoder) *rack {
	r := &rack{tip: *state.Tip, digest: state.Digest}
	var stale [pieces]bool
	known := false
	m := momentIn(snap, state)
	if old != nil {
		var changed []ons.Key
		changed, known = snap.Changed(old.tip.Hash)
		for _, k := range changed {
			stale[k.Hash[0]] = true
		}
	}
	kept := 0
	for i := range r.pieces {
		if known && !stale[i] {
			r.pieces[i] = old.pieces[i]
		} else {
			r.pieces[i] = newPiece(snap, i, m, encode)
		}
		p := &r.pieces[i]
		if kept += len(p.body); kept > keptPieces {
			kept -= len(p.body)
			p.body = nil
		}
	}
	for b := range r.sizes {
		least := 0
		if old != nil {
			least = old.sizes[b]
		}
		r.sizes[b] = r.sizeClass(b, least)
	}
	return r
}

func newPiece(snap Snapshot, i int, m moment, encode encoder) piece {
	newest := snap.Bucket(maxBits, uint64(i))
	var p piece
	p.body, p.records = encode(nil, snap, newest, m)
	for j, r := range newest {
		if j == 0 || r.Hash != newest[j-1].Hash {
			p.hashes++
		}
	}
	p.size, p.body = len(p.body), slices.Clip(p.body)
	return p
}

// encodeNewest is the encoder of the newest records.
func encodeNewest(b []byte, _ Snapshot, newest []*ons.Record, m moment) ([]byte, int) {
	for _, r := range newest {
		b = append(b, ',')
		b = appendRanged(b, r, m)
	}
	return b, len(newest)
}

// encodeHistories is the encoder of all records, those of a name oldest first.
func encodeHistories(b []byte, snap Snapshot, newest []*ons.Record, m moment) ([]byte, int) {
	count := 0
	for _, r := range newest {
		all := snap.History(r.Key())
		for _, one := range all {
			b = append(b, ',')
			b = appendPast(b, one, m)
		}
		count += len(all)
	}
	return b, count
}

// body returns the records of a piece, encoded again if they were not kept.
func (r *rack) body(i int, snap Snapshot, m moment, encode encoder) []byte {
	p := &r.pieces[i]
	if p.body != nil || p.records == 0 {
		return p.body
	}
	b, _ := encode(nil, snap, snap.Bucket(maxBits, uint64(i)), m)
	return b
}

// shelf is all ranges of newest records after one block, how finely they are offered, the bundle, and the deltas to it that were
// asked for of late.
type shelf struct {
	*rack
	snap    Snapshot
	records int
	hashes  int
	bits    int // that are offered
	bundle  func() (*ons.Bundle, error)
	deltas  lists // by since
}

// shelfOf returns the ranges of a snapshot that has a tip.
func (s *Server) shelfOf(snap Snapshot, state indexer.State) *shelf {
	return s.shelf.of(state, func(old *shelf) *shelf { return newShelf(old, snap, state) })
}

// historiesOf is shelfOf for the histories in ranges, which are made when somebody asks for one: they are larger, and seldom
// asked for.
func (s *Server) historiesOf(snap Snapshot, state indexer.State) *rack {
	return s.histories.of(state, func(old *rack) *rack { return newRack(old, snap, state, encodeHistories) })
}

func (s *shelf) shows(state indexer.State) bool { return s != nil && s.rack.shows(state) }

func (r *rack) shows(state indexer.State) bool {
	return r != nil && r.tip == *state.Tip && r.digest == state.Digest
}

// once keeps what is made of a snapshot, a *T that may be nil. After a block the first request makes it of the one before, and
// those that come meanwhile wait for it.
type once[T any, P interface {
	*T
	shows(indexer.State) bool
}] struct {
	newest atomic.Pointer[T]
	mu     sync.Mutex // held while one is made from the newest and put in its place
}

func (o *once[T, P]) of(state indexer.State, fresh func(old P) P) P {
	if now := P(o.newest.Load()); now.shows(state) {
		return now
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	old := P(o.newest.Load())
	if old.shows(state) {
		return old
	}
	now := fresh(old)
	o.newest.Store(now)
	return now
}

// newShelf makes the ranges of a snapshot, of those of an older one where that is known to be the same.
func newShelf(old *shelf, snap Snapshot, state indexer.State) *shelf {
	s := &shelf{snap: snap}
	if old == nil {
		s.rack = newRack(nil, snap, state, encodeNewest)
	} else {
		s.rack, s.bits = newRack(old.rack, snap, state, encodeNewest), old.bits
	}
	for i := range s.pieces {
		s.records += s.pieces[i].records
		s.hashes += s.pieces[i].hashes
	}
	s.choose()
	s.bundle = bundleOf(snap, state)
	return s
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
func (r *rack) within(bits, number int) []piece {
	width := pieces >> bits
	return r.pieces[number*width : (number+1)*width]
}

// rangeFrame bounds what a reply holds beside its records.
const rangeFrame = 512

// sizeClass returns the size of all replies of so many bits: that of the largest, rounded up so that it seldom changes and
// is no measure of that one; the old class as long as it is not much too large.
func (r *rack) sizeClass(bits, old int) int {
	most := 0
	for i := range 1 << bits {
		n := 0
		for _, p := range r.within(bits, i) {
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
	v := rangesView{
		Bits: shelf.bits, K: rangeK, Records: shelf.records, Hashes: shelf.hashes, SizeClass: shelf.sizes[shelf.bits], Ready: c.behind() == "",
	}
	if !v.Ready {
		return c.reply(v) // this may change without a block
	}
	return c.sendView(v) // tagged by content: what is offered depends on what was offered before
}

// bucket answers GET /v1/names/range/{bits}/{index}: the newest records of all names of a range. It is hot: pieces are made
// once.
func (s *Server) bucket(c *call) error {
	if c.state.Tip == nil {
		return c.missing()
	}
	shelf := s.shelfOf(c.snap, c.state)
	return c.sendRange(shelf.bits, shelf.rack, encodeNewest)
}

// bucketHistory answers GET /v1/names/range/{bits}/{index}/history: all records of all names of a range.
func (s *Server) bucketHistory(c *call) error {
	if c.state.Tip == nil {
		return c.missing()
	}
	return c.sendRange(s.shelfOf(c.snap, c.state).bits, s.historiesOf(c.snap, c.state), encodeHistories)
}

// sendRange sends a range of a rack, padded to its size class with blanks. Nothing in it depends on anything but the range.
func (c *call) sendRange(offered int, r *rack, encode encoder) error {
	bits, number, err := parseRange(c.gin.Param("bits"), c.gin.Param("index"), offered)
	if err != nil {
		return err
	}
	ready := c.behind() == ""
	h := c.gin.Writer.Header()
	if ready {
		// How much is padded depends on what was here before, which the block does not tell.
		tag := c.frame.tags[c.route][0]
		if c.kept([]string{tag[:len(tag)-1] + "-" + strconv.Itoa(r.sizes[bits]) + `"`}, atTipAsIs) {
			return nil
		}
	} else {
		h["Cache-Control"] = noStore
	}
	h["Content-Type"] = jsonType
	h["Content-Length"] = []string{strconv.Itoa(r.sizes[bits])}
	h["X-Content-Type-Options"] = noSniff
	c.gin.Writer.WriteHeader(http.StatusOK)

	b := c.buffer()
	defer c.release(b)
	// An error means that the client has gone; there is nobody to tell.
	_ = r.write(c.gin.Writer, b, c.snap, c.moment(), encode, bits, number, ready, c.frame.asOf)
	return nil
}

// write writes a reply, through a buffer.
func (r *rack) write(w io.Writer, b *[]byte, snap Snapshot, m moment, encode encoder, bits, number int, ready bool, asOf []byte) (err error) {
	sent := 0
	flush := func(most int) {
		if len(*b) >= most && err == nil {
			sent += len(*b)
			_, err = w.Write(*b)
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
	width := pieces >> bits
	for i := number * width; i < (number+1)*width && err == nil; i++ {
		body := r.body(i, snap, m, encode)
		if first && len(body) > 0 {
			body, first = body[1:], false // the comma
		}
		*b = append(*b, body...)
		flush(maxPooled / 2)
	}
	*b = append(*b, ']', '}')
	*b = seal(*b, asOf)
	for left := r.sizes[bits] - sent - len(*b); left > 0 && err == nil; left = r.sizes[bits] - sent - len(*b) {
		*b = append(*b, blanks[:min(left, len(blanks))]...)
		flush(maxPooled / 2)
	}
	flush(0)
	return err
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
	digest := all.Digest()
	whole := `"` + hex.EncodeToString(digest[:]) + `"`
	body, tag, made := all.Bytes(), whole, false
	if c.query.Has("since") {
		delta := whole[:len(whole)-1] + `-delta"`
		if slices.Contains(c.gin.Request.Header["If-None-Match"], delta) { // a delta to this bundle, which need not be made again
			tag = delta
		} else if part, err := shelf.delta(since, all, delta); err != nil {
			return err
		} else if len(part.plain.body) > 0 {
			body, tag, made = part.plain.body, delta, true
		}
	}
	cache := atTipAsIs
	if c.behind() != "" {
		cache = noStore
	}
	if c.kept([]string{tag}, cache) {
		if made {
			c.charge(len(body) / bytesPerRequest) // as if it were sent: making it is what costs
		}
		return nil
	}
	c.write(http.StatusOK, bytesType, body)
	return nil
}

// delta returns what changed in the bundle since a block; without a body if that is not known, or no shorter than the bundle.
// Equal requests share it.
func (s *shelf) delta(since ons.Txid, all *ons.Bundle, tag string) (*document, error) {
	return s.deltas.get(since.String(), func() (*document, error) {
		changed, ok := s.snap.Changed(since)
		if !ok {
			return &document{}, nil
		}
		body := all.Delta(since, changed)
		if len(body) >= len(all.Bytes()) {
			return &document{}, nil
		}
		return &document{mediaType: bytesType, plain: newEncoding(body, tag)}, nil
	})
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
