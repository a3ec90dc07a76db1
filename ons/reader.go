package ons

import "encoding/binary"

// reader takes fields off the front of bytes. The first field that does not fit sets bad and empties it;
// from then on everything reads as zero, so a parser checks once per step.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) fail() {
	r.rest, r.bad = nil, true
}

// next returns the next n bytes of the input itself, not a copy, or nil.
func (r *reader) next(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.fail()
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if len(r.rest) == 0 {
		r.fail()
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *reader) array(to *[32]byte) { copy(to[:], r.next(32)) }

// uint64 reads 8 bytes, little endian.
func (r *reader) uint64() uint64 {
	b := r.next(8)
	if b == nil {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

// varint reads an unsigned LEB128 number of at most limit. A last byte of zero after others is malformed, so each
// number has one form.
func (r *reader) varint(limit uint64) uint64 {
	var v uint64
	for shift := 0; ; shift += 7 {
		c := r.byte()
		if r.bad || shift > 0 && c == 0 || shift == 63 && c > 1 {
			r.fail()
			return 0
		}
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			break
		}
	}
	if v > limit {
		r.fail()
		return 0
	}
	return v
}

// count reads the number of elements that follow, of at least size bytes each, and fails if there is no room for so
// many.
func (r *reader) count(size int) int {
	n := r.varint(1<<64 - 1)
	if n > uint64(len(r.rest)/size) {
		r.fail()
		return 0
	}
	return int(n)
}

// list skips a number of elements of exactly size bytes.
func (r *reader) list(size int) { r.next(uint64(r.count(size) * size)) }
