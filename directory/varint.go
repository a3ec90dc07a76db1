package directory

import (
	"encoding/binary"
	"time"
)

// varints reads numbers off a blob. The first that is cut off or out of bounds makes it bad, and all after it zero.
type varints struct {
	b   []byte
	bad bool
}

func (r *varints) fail() { r.b, r.bad = nil, true }

func (r *varints) byte() byte {
	b := r.bytes(1)
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

func (r *varints) bytes(n int) []byte {
	if n > len(r.b) {
		r.fail()
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

// most reads an unsigned number up to limit.
func (r *varints) most(limit uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > limit {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// between reads a signed number.
func (r *varints) between(low, high int64) int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 || v < low || v > high {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// time reads Unix seconds; 0 is the zero time.
func (r *varints) time() time.Time {
	s := r.between(0, 253402300799) // the year 9999
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(s, 0).UTC()
}
