package devnet

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"golang.org/x/crypto/sha3"

	"onsight/ons"
)

// pooled is the height of a transaction that is not mined.
const pooled = math.MaxUint64

// transaction is a transaction with what its bytes say (spec C.1). Where they cannot be parsed only hash, raw and recorded count.
type transaction struct {
	hash     ons.Txid
	raw      []byte
	prefix   int // length of the prefix; 0 if the bytes could not be parsed
	pruned   int // length of prefix and RingCT base: what a pruned node keeps
	version  uint64
	unlock   uint64
	unlocks  []uint64
	vin      []input
	vout     []output
	extra    []byte
	kind     uint64 // the type after the extra
	fee      uint64 // RingCT's txnFee: what was burned is in it
	outs     int
	op       *ons.Op // nil unless kind is 4 and the first ONS field is an operation
	recorded *recordedTx
}

type input struct {
	gen    bool
	amount uint64 // or the height, of a gen
	ring   []uint64
	image  []byte
}

type output struct {
	amount uint64
	key    []byte
}

// rct tells whether a RingCT part follows the prefix.
func (t *transaction) rct() bool { return t.prefix < len(t.raw) && len(t.vin) > 0 && !t.vin[0].gen }

// images are the key images a transaction spends.
func (t *transaction) images() (images [][32]byte) {
	for _, in := range t.vin {
		if len(in.image) == 32 {
			images = append(images, [32]byte(in.image))
		}
	}
	return images
}

// newTransaction parses a transaction's bytes. A zero hash is filled in.
func newTransaction(hash ons.Txid, raw []byte) *transaction {
	t := &transaction{hash: hash, raw: raw}
	if err := t.parse(); err != nil {
		*t = transaction{hash: hash, raw: raw, pruned: len(raw)}
	}
	if t.hash == (ons.Txid{}) {
		t.hash = t.sum()
	}
	return t
}

// sum is oxen's hash of a transaction: the keccak-256 over those of its prefix, of what a pruned node keeps beside it, which is a zero
// byte where there is nothing, and of the rest, which is zeros then. Of bytes that cannot be parsed it is any hash.
func (t *transaction) sum() (sum ons.Txid) {
	if t.prefix == 0 {
		return sha256.Sum256(t.raw)
	}
	keccak := func(b []byte) []byte {
		h := sha3.NewLegacyKeccak256()
		h.Write(b)
		return h.Sum(nil)
	}
	base, rest := t.raw[t.prefix:t.pruned], make([]byte, 32)
	if len(base) == 0 {
		base = []byte{0}
	}
	if t.pruned < len(t.raw) {
		rest = keccak(t.raw[t.pruned:])
	}
	copy(sum[:], keccak(slices.Concat(keccak(t.raw[:t.prefix]), keccak(base), rest)))
	return sum
}

var errShort = errors.New("unexpected end")

// cursor reads a byte string from the front; after an error every read gives zero.
type cursor struct {
	b   []byte
	at  int
	err error
}

func (c *cursor) bytes(n uint64) []byte {
	if c.err != nil || n > uint64(len(c.b)-c.at) {
		c.err = errShort
		return nil
	}
	b := c.b[c.at : c.at+int(n) : c.at+int(n)]
	c.at += int(n)
	return b
}

func (c *cursor) byte() byte {
	if b := c.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) varint() uint64 {
	if c.err != nil {
		return 0
	}
	v, n := binary.Uvarint(c.b[c.at:])
	if n <= 0 || n > 1 && c.b[c.at+n-1] == 0 {
		c.err = errShort
		return 0
	}
	c.at += n
	return v
}

// count reads a number of things of at least size bytes each.
func (c *cursor) count(size uint64) uint64 {
	n := c.varint()
	if n > uint64(len(c.b)-c.at)/size {
		c.err = errShort
		return 0
	}
	return n
}

func (t *transaction) parse() error {
	c := &cursor{b: t.raw}
	t.version = c.varint()
	if t.version >= 3 {
		for n := c.count(1); n > 0 && c.err == nil; n-- {
			t.unlocks = append(t.unlocks, c.varint())
		}
	}
	if t.version == 3 {
		c.byte()
	}
	t.unlock = c.varint()
	for n := c.count(2); n > 0 && c.err == nil; n-- {
		t.vin = append(t.vin, c.input())
	}
	for n := c.count(34); n > 0 && c.err == nil; n-- {
		amount, tag := c.varint(), c.byte()
		if tag != 2 {
			return errors.New("unknown output")
		}
		t.vout = append(t.vout, output{amount, c.bytes(32)})
	}
	t.outs = len(t.vout)
	t.extra = c.bytes(c.varint())
	if t.version >= 4 {
		t.kind = c.varint()
	}
	t.prefix, t.pruned = c.at, c.at
	if c.err != nil {
		return c.err
	}
	if t.rct() {
		if c.byte() != 0 {
			t.fee = c.varint()
			c.bytes(uint64(len(t.vout)) * 40)
		}
		if c.err != nil {
			return c.err
		}
		t.pruned = c.at
	}
	if len(t.vin) > 0 && t.vin[0].gen && t.version >= 2 && c.at < len(t.raw) && t.raw[c.at] == 0 {
		t.pruned++ // RingCT of type 0, which is nothing more
	}
	if t.kind == 4 {
		if fields, ok := splitExtra(t.extra); ok {
			t.op = operation(fields)
		}
	}
	return nil
}

func (c *cursor) input() (in input) {
	switch tag := c.byte(); tag {
	case 0xff:
		return input{gen: true, amount: c.varint()}
	case 2:
		in.amount = c.varint()
		for n := c.count(1); n > 0 && c.err == nil; n-- {
			in.ring = append(in.ring, c.varint())
		}
		in.image = c.bytes(32)
	default:
		c.err = errors.New("unknown input")
	}
	return in
}

// field is one field of a transaction extra: its tag and body.
type field struct {
	tag  byte
	body []byte
}

// splitExtra splits an extra into its fields (spec C.2); false if any of them cannot be parsed.
func splitExtra(extra []byte) ([]field, bool) {
	c := &cursor{b: extra}
	var fields []field
	for c.at < len(extra) && c.err == nil {
		tag := c.byte()
		start := c.at
		switch tag {
		case 0x00:
			for c.at < len(extra) {
				if c.byte() != 0 || c.at-start > 254 {
					return fields, false
				}
			}
		case 0x01, 0x72, 0x74, 0x75:
			c.bytes(32)
		case 0x02, 0x03, 0xde:
			n := c.varint()
			if tag == 0x02 && n > 255 {
				return fields, false
			}
			c.bytes(n)
		case 0x04:
			c.bytes(c.count(32) * 32)
		case 0x70:
			c.bytes(c.count(32) * 32)
			c.bytes(c.count(32) * 32)
			c.bytes(8)
			for n := c.count(1); n > 0 && c.err == nil; n-- {
				c.varint()
			}
			c.bytes(8 + 64)
		case 0x71:
			c.bytes(12)
			c.bytes(c.count(68) * 68)
		case 0x73:
			c.bytes(64)
		case 0x76:
			c.bytes(c.count(96) * 96)
		case 0x77:
			c.bytes(32 + 64 + 4)
		case 0x78:
			x := c.varint()
			if x == 4 {
				c.varint()
			}
			c.varint()
			c.varint()
			for n := c.count(65); n > 0 && c.err == nil; n-- {
				c.varint()
				c.bytes(64)
			}
			if x == 4 {
				c.varint()
				c.varint()
			}
		case 0x79:
			c.bytes(8)
		case 0x7a:
			if _, ok := c.operation(); !ok {
				return fields, false
			}
		default:
			return fields, false
		}
		if c.err == nil {
			fields = append(fields, field{tag, extra[start:c.at]})
		}
	}
	return fields, c.err == nil
}

// operation reads the body of an ONS field. Kind stays 0 if the bits do not make an operation.
func (c *cursor) operation() (op ons.Op, ok bool) {
	if c.byte() != 0 {
		return op, false
	}
	op.Length = uint8(min(c.varint(), 255))
	op.Type = ons.Type(min(op.Length, 2))
	copy(op.Hash[:], c.bytes(32))
	copy(op.Prev[:], c.bytes(32))
	bits := c.varint()
	if c.err != nil || op.Length > 5 || bits > 15 {
		return op, false
	}
	if bits&1 != 0 {
		op.Owner = c.owner()
	}
	if bits&2 != 0 {
		op.Backup = c.owner()
	}
	if bits&4 != 0 {
		op.Signature.Kind = ons.OwnerKind(min(c.varint(), 1)) + ons.OwnerWallet
		copy(op.Signature.Bytes[:], c.bytes(64))
	}
	if bits&8 != 0 {
		op.Value = c.bytes(c.varint())
	}
	switch {
	case bits == 9 || bits == 11:
		op.Kind = ons.Buy
	case bits&4 != 0 && bits&11 != 0:
		op.Kind = ons.Update
	case bits == 0 && op.Prev != (ons.Txid{}) && op.Length >= 2:
		op.Kind = ons.Renew
	}
	return op, c.err == nil
}

func (c *cursor) owner() (o ons.Owner) {
	switch c.varint() {
	case 0:
		o.Kind = ons.OwnerWallet
		copy(o.Key[:], c.bytes(32))
		copy(o.View[:], c.bytes(32))
		o.Subaddress = c.byte() != 0
	case 1:
		o.Kind = ons.OwnerEd25519
		copy(o.Key[:], c.bytes(32))
	default:
		c.err = errors.New("unknown owner")
	}
	return o
}

// operation returns the operation of the first ONS field, with the first burn field's amount; nil if it is none.
func operation(fields []field) *ons.Op {
	var op *ons.Op
	var burn uint64
	for i := len(fields) - 1; i >= 0; i-- {
		switch f := fields[i]; f.tag {
		case 0x79:
			burn = binary.LittleEndian.Uint64(f.body)
		case 0x7a:
			first, _ := (&cursor{b: f.body}).operation()
			op = &first
		}
	}
	if op == nil || op.Kind == 0 {
		return nil
	}
	op.Burn = burn
	return op
}
