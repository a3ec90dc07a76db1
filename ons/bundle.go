package ons

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sort"

	"golang.org/x/crypto/blake2b"
)

// A bundle is the registry as it was after one block: one row for the newest record of every name, expired ones too. It is
// a function of the chain alone, so whoever makes one at a block makes the same bytes. Integers are little endian.
//
//	bundle   "onsbndl1" || as of || rows of each type(3×4) || rows of session, wallet, lokinet || digest(32)
//	as of    length(1) || network || height(8) || block hash(32) || block time(8)
//	row      name hash(32) || length(1) || stored value, zeros behind it || of lokinet: expiration height(8), 0 for never
//	         106 bytes for session, whose value is 73 or (of 2020) 49 bytes; 146 for wallet; 113 for lokinet
//	digest   BLAKE2b-256 of all before it
//
//	delta    "onsdlta1" || as of || block hash(32) of the bundle it is for || digest(32) of the bundle it makes
//	         || of each type: rows(4), hashes(4) || of each type: rows to put, hashes(32) to take out
//
// Rows and hashes stand in ascending order of hash, each hash once. A delta needs no digest of its own: that of what it
// makes tells whether it was the right one for the right bundle. Hashes to take out that the bundle does not have are to be
// ignored: whoever makes the delta knows that a name was bought and taken back since, and need not know whether it was there.
const (
	bundleMagic = "onsbndl1"
	deltaMagic  = "onsdlta1"
	rowFixed    = 32 + 1
	digestSize  = blake2b.Size256
	bundleTypes = 3
)

// ErrBundle means that bytes are no bundle or no delta, are damaged, or that a delta is for another bundle.
var ErrBundle = errors.New("invalid bundle")

// BundlePoint is the block that a bundle is true of.
type BundlePoint struct {
	Network Network
	Height  uint64
	Hash    Txid
	Time    int64 // of the block, Unix seconds
}

// Bundle is the registry at one block, for looking names up without asking anybody. It never changes and may be used
// concurrently.
type Bundle struct {
	at   BundlePoint
	rows [bundleTypes][]byte
	raw  []byte
}

var _ Source = (*Bundle)(nil)

// valueSize returns how many bytes rows of a type have for a stored value: the most there are.
func valueSize(t Type) int {
	switch t {
	case Session:
		return sessionSize + tagSize + nonceSize
	case Wallet:
		return walletSize + paymentSize + tagSize + nonceSize
	}
	return lokinetSize + tagSize + nonceSize
}

// rowSize returns how many bytes a row of a type has.
func rowSize(t Type) int {
	n := rowFixed + valueSize(t)
	if t == Lokinet {
		n += 8
	}
	return n
}

// NewBundle makes the bundle of the newest records of all names, given in order of type and hash. The error wraps
// ErrBundle if they are not, and ErrSealed if a value has a length that none of its type has.
func NewBundle(at BundlePoint, records iter.Seq[*Record]) (*Bundle, error) {
	var rows [bundleTypes][]byte
	for r := range records {
		if r.Type >= bundleTypes {
			return nil, fmt.Errorf("%w: a name of type %s", ErrBundle, r.Type)
		}
		if err := r.Sealed.check(r.Type); err != nil {
			return nil, err
		}
		rows[r.Type] = appendRow(rows[r.Type], r)
	}
	return assemble(at, rows)
}

func appendRow(b []byte, r *Record) []byte {
	n := len(r.Sealed.Ciphertext) + len(r.Sealed.Nonce)
	b = append(b, r.Hash[:]...)
	b = append(b, byte(n))
	b = append(b, r.Sealed.Ciphertext...)
	b = append(b, r.Sealed.Nonce...)
	b = append(b, make([]byte, valueSize(r.Type)-n)...)
	if r.Type == Lokinet {
		b = binary.LittleEndian.AppendUint64(b, r.Expires)
	}
	return b
}

// assemble puts rows together and checks them.
func assemble(at BundlePoint, rows [bundleTypes][]byte) (*Bundle, error) {
	size := 0
	for _, part := range rows {
		size += len(part)
	}
	raw := make([]byte, 0, size+256)
	raw = at.append(append(raw, bundleMagic...))
	for t, part := range rows {
		raw = binary.LittleEndian.AppendUint32(raw, uint32(len(part)/rowSize(Type(t))))
	}
	for _, part := range rows {
		raw = append(raw, part...)
	}
	digest := blake2b.Sum256(raw)
	return ParseBundle(append(raw, digest[:]...))
}

func (p BundlePoint) append(b []byte) []byte {
	b = append(b, byte(len(p.Network)))
	b = append(b, p.Network...)
	b = binary.LittleEndian.AppendUint64(b, p.Height)
	b = append(b, p.Hash[:]...)
	return binary.LittleEndian.AppendUint64(b, uint64(p.Time))
}

// point reads what append writes. It fails on a network that does not exist.
func (r *reader) point() BundlePoint {
	var p BundlePoint
	n, err := ParseNetwork(string(r.next(uint64(r.byte()))))
	if err != nil {
		r.fail()
	}
	p.Network, p.Height = n, r.uint64()
	r.array((*[32]byte)(&p.Hash))
	p.Time = int64(r.uint64())
	return p
}

// uint32 reads 4 bytes, little endian.
func (r *reader) uint32() uint32 {
	b := r.next(4)
	if b == nil {
		return 0
	}
	return binary.LittleEndian.Uint32(b)
}

// ParseBundle reads what Bundle.Bytes returns; the bundle keeps b, which must not be written to. It checks the digest and
// every row, so that damage anywhere is an error: it wraps ErrBundle.
func ParseBundle(b []byte) (*Bundle, error) {
	if len(b) < len(bundleMagic)+digestSize || string(b[:len(bundleMagic)]) != bundleMagic {
		return nil, fmt.Errorf("%w: does not begin like one", ErrBundle)
	}
	body := b[:len(b)-digestSize]
	if blake2b.Sum256(body) != [digestSize]byte(b[len(body):]) {
		return nil, fmt.Errorf("%w: damaged: its digest is another", ErrBundle)
	}
	r := reader{rest: body[len(bundleMagic):]}
	out := &Bundle{at: r.point(), raw: b}
	var counts [bundleTypes]uint32
	for t := range counts {
		counts[t] = r.uint32()
	}
	for t, n := range counts {
		out.rows[t] = r.next(uint64(n) * uint64(rowSize(Type(t))))
	}
	if r.bad || len(r.rest) != 0 {
		return nil, fmt.Errorf("%w: its length is not what it says", ErrBundle)
	}
	for t, rows := range out.rows {
		if err := checkRows(Type(t), rows); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// checkRows reports rows that are out of order or hold what no row can.
func checkRows(t Type, rows []byte) error {
	size := rowSize(t)
	for at := 0; at < len(rows); at += size {
		row := rows[at : at+size]
		n := int(row[32])
		switch {
		case at > 0 && bytes.Compare(rows[at-size:at-size+32], row[:32]) >= 0:
			return fmt.Errorf("%w: %s rows are not in order of hash", ErrBundle, t)
		case n > valueSize(t) || !storedSize(t, n):
			return fmt.Errorf("%w: a %s value of %d bytes", ErrBundle, t, n)
		case len(bytes.TrimLeft(row[rowFixed+n:rowFixed+valueSize(t)], "\x00")) > 0:
			return fmt.Errorf("%w: bytes behind a %s value", ErrBundle, t)
		}
	}
	return nil
}

// At returns the block that b is true of.
func (b *Bundle) At() BundlePoint { return b.at }

// Bytes returns what ParseBundle reads; it must not be written to.
func (b *Bundle) Bytes() []byte { return b.raw }

// Digest returns the digest of b, by which two bundles can be compared.
func (b *Bundle) Digest() [32]byte { return [32]byte(b.raw[len(b.raw)-digestSize:]) }

// Len returns how many names of each type b has, expired ones included.
func (b *Bundle) Len() [3]int {
	var n [3]int
	for t, rows := range b.rows {
		n[t] = len(rows) / rowSize(Type(t))
	}
	return n
}

// Hashes returns how many different hashes b has: a name that is registered as two types counts once.
func (b *Bundle) Hashes() int {
	var all [][]byte
	for t, rows := range b.rows {
		for row := range slices.Chunk(rows, rowSize(Type(t))) {
			all = append(all, row[:32])
		}
	}
	slices.SortFunc(all, bytes.Compare)
	return len(slices.CompactFunc(all, bytes.Equal))
}

// Find returns the sealed value of a name and the last height at which it lives (0: for ever), whether or not it still does.
// ok is false if the chain had never heard of it. The value is shared: it must not be written to.
func (b *Bundle) Find(k Key) (s Sealed, expires uint64, ok bool) {
	row := b.row(k)
	if row == nil {
		return Sealed{}, 0, false
	}
	n := int(row[32])
	stored := row[rowFixed : rowFixed+n : rowFixed+n]
	if k.Type == Lokinet {
		expires = binary.LittleEndian.Uint64(row[len(row)-8:])
	}
	if n == legacySize {
		return Sealed{Ciphertext: stored}, expires, true
	}
	cut := n - nonceSize
	return Sealed{Ciphertext: stored[:cut:cut], Nonce: stored[cut:]}, expires, true
}

// row returns the row of a name; nil if there is none.
func (b *Bundle) row(k Key) []byte {
	if k.Type >= bundleTypes {
		return nil
	}
	rows, size := b.rows[k.Type], rowSize(k.Type)
	i, ok := sort.Find(len(rows)/size, func(i int) int { return bytes.Compare(k.Hash[:], rows[i*size:i*size+32]) })
	if !ok {
		return nil
	}
	return rows[i*size : (i+1)*size]
}

// Lookup returns the sealed value of a name that lives in the block after the bundle's; if there is none, the error wraps
// ErrNotFound: that is true of that block, and how old it is, At tells.
func (b *Bundle) Lookup(_ context.Context, t Type, h Hash) (Sealed, error) {
	s, expires, ok := b.Find(Key{Type: t, Hash: h})
	switch {
	case !ok:
		return Sealed{}, fmt.Errorf("at height %d: %w", b.at.Height, ErrNotFound)
	case expires != 0 && b.at.Height+1 > expires:
		return Sealed{}, fmt.Errorf("expired at height %d: %w", expires, ErrNotFound)
	}
	return s, nil
}

// Delta returns what Apply makes b of, from the bundle of an older (or abandoned) block. In changed must be the keys of all
// names whose newest record is another one, or gone, since; others do no harm, nor does a key given twice.
func (b *Bundle) Delta(from Txid, changed []Key) []byte {
	changed = slices.Clone(changed)
	slices.SortFunc(changed, func(x, y Key) int {
		return cmp.Or(cmp.Compare(x.Type, y.Type), bytes.Compare(x.Hash[:], y.Hash[:]))
	})
	var put, drop [bundleTypes][]byte
	for _, k := range slices.Compact(changed) {
		if k.Type >= bundleTypes {
			continue
		}
		if row := b.row(k); row != nil {
			put[k.Type] = append(put[k.Type], row...)
		} else {
			drop[k.Type] = append(drop[k.Type], k.Hash[:]...)
		}
	}
	out := b.at.append([]byte(deltaMagic))
	digest := b.Digest()
	out = append(append(out, from[:]...), digest[:]...)
	for t := range put {
		out = binary.LittleEndian.AppendUint32(out, uint32(len(put[t])/rowSize(Type(t))))
		out = binary.LittleEndian.AppendUint32(out, uint32(len(drop[t])/len(Hash{})))
	}
	for t := range put {
		out = append(append(out, put[t]...), drop[t]...)
	}
	return out
}

// BundleHead is how many bytes of a bundle or a delta tell its length, at most.
const BundleHead = 256

// BundleSize returns how many bytes what begins like this has as a whole, of a bundle or a delta: given BundleHead bytes of it, or
// all if there are fewer. The error wraps ErrBundle if it is neither.
func BundleSize(head []byte) (uint64, error) {
	delta := IsDelta(head)
	if !delta && !bytes.HasPrefix(head, []byte(bundleMagic)) {
		return 0, fmt.Errorf("%w: does not begin like one", ErrBundle)
	}
	r := reader{rest: head[len(bundleMagic):]}
	r.point()
	size := uint64(0)
	if delta {
		r.next(32 + digestSize)
	} else {
		size = digestSize
	}
	for t := range Type(bundleTypes) {
		size += uint64(r.uint32()) * uint64(rowSize(t)) // 2^32 rows and hashes of each type are far from overflowing
		if delta {
			size += uint64(r.uint32()) * uint64(len(Hash{}))
		}
	}
	if r.bad {
		return 0, fmt.Errorf("%w: ends before it says how long it is", ErrBundle)
	}
	return uint64(len(head)-len(r.rest)) + size, nil
}

// IsDelta reports whether bytes begin like a delta, not like a bundle.
func IsDelta(b []byte) bool { return bytes.HasPrefix(b, []byte(deltaMagic)) }

// Apply returns the bundle that a delta makes of b, equal in every byte to one made afresh. The error wraps ErrBundle if the
// delta is damaged or for another bundle; then only a whole bundle helps.
func (b *Bundle) Apply(delta []byte) (*Bundle, error) {
	if !IsDelta(delta) {
		return nil, fmt.Errorf("%w: not a delta", ErrBundle)
	}
	r := reader{rest: delta[len(deltaMagic):]}
	at := r.point()
	var from, digest [32]byte
	r.array(&from)
	r.array(&digest)
	var counts [bundleTypes][2]uint32
	for t := range counts {
		counts[t] = [2]uint32{r.uint32(), r.uint32()}
	}
	if !r.bad && (Txid(from) != b.at.Hash || at.Network != b.at.Network) {
		return nil, fmt.Errorf("%w: a delta for the bundle of block %s, not %s", ErrBundle, Txid(from), b.at.Hash)
	}
	var rows [bundleTypes][]byte
	for t, n := range counts {
		size := rowSize(Type(t))
		put, drop := r.next(uint64(n[0])*uint64(size)), r.next(uint64(n[1])*32)
		if r.bad {
			break
		}
		rows[t] = merged(b.rows[t], put, drop, size)
	}
	if r.bad || len(r.rest) != 0 {
		return nil, fmt.Errorf("%w: the length of the delta is not what it says", ErrBundle)
	}
	next, err := assemble(at, rows)
	if err != nil {
		return nil, err
	}
	if next.Digest() != digest {
		return nil, fmt.Errorf("%w: the delta makes another bundle than it should", ErrBundle)
	}
	return next, nil
}

// merged returns rows with those of put in the place of their likes, and without those of drop. Whether all are in order the
// caller finds out by the result.
func merged(rows, put, drop []byte, size int) []byte {
	out := make([]byte, 0, len(rows)+len(put))
	for len(rows) > 0 || len(put) > 0 {
		if len(rows) == 0 {
			return append(out, put...)
		}
		for len(drop) > 0 && bytes.Compare(drop[:32], rows[:32]) < 0 {
			drop = drop[32:]
		}
		c := -1
		if len(put) > 0 {
			c = bytes.Compare(rows[:32], put[:32])
		}
		switch {
		case c > 0:
			out, put = append(out, put[:size]...), put[size:]
			continue
		case c == 0:
			out, put = append(out, put[:size]...), put[size:]
		case len(drop) > 0 && bytes.Equal(drop[:32], rows[:32]):
		default:
			out = append(out, rows[:size]...)
		}
		rows = rows[size:]
	}
	return out
}
