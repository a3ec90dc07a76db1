package ons

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// Tags of tx extra (spec C.2; oxen-core src/cryptonote_basic/tx_extra.h).
const (
	tagPadding     = 0x00
	tagPublicKey   = 0x01
	tagNonce       = 0x02
	tagMergeMining = 0x03
	tagPublicKeys  = 0x04
	tagRegister    = 0x70
	tagDeregister  = 0x71
	tagWinner      = 0x72
	tagContributor = 0x73
	tagNodeKey     = 0x74
	tagSecretKey   = 0x75
	tagKeyImages   = 0x76
	tagUnlock      = 0x77
	tagStateChange = 0x78
	tagBurn        = 0x79
	tagONS         = 0x7a
	tagMinergate   = 0xde
	maxPadding     = 254 // zeros after the tag
	maxNonce       = 255
	signatureSize  = 64
	stateVersion   = 4 // of a state change with reasons; smaller numbers there are states
	maxState       = 3
	unlimited      = math.MaxUint64
)

// Bits of the ONS field that say which parts follow.
const (
	hasOwner     = 0x01
	hasBackup    = 0x02
	hasSignature = 0x04
	hasValue     = 0x08
	hasAll       = 0x0f
)

// ParseExtra reads the ONS operation of a transaction's extra. As in consensus the first ONS field and the first burn
// field count, and one field that does not parse spoils the whole extra; the daemon's own extra.ons shows the last
// ones. The error wraps ErrExtra for that, ErrNotONS if there is no ONS field, and ErrOp if its content is no valid
// operation.
func ParseExtra(extra []byte) (Op, error) {
	var (
		op            Op
		version       uint8
		found, burned bool
		burn          uint64
	)
	r := reader{rest: extra}
	for len(r.rest) > 0 {
		at := len(extra) - len(r.rest)
		switch tag := r.byte(); {
		case tag == tagONS && !found:
			op, version = r.op()
			found = true
		case tag == tagONS:
			r.op()
		case tag == tagBurn && !burned:
			burn = r.uint64()
			burned = true
		default:
			r.skip(tag)
		}
		if r.bad {
			return Op{}, fmt.Errorf("%w: field 0x%02x at byte %d of %d", ErrExtra, extra[at], at, len(extra))
		}
	}
	if !found {
		return Op{}, ErrNotONS
	}
	if version != 0 {
		return Op{}, fmt.Errorf("%w: version %d", ErrOp, version)
	}
	op.Burn = burn
	op.Value = bytes.Clone(op.Value) // it was part of extra
	op.Kind = kindOf(op.fields(), op.Length, op.Prev)
	if err := op.check(); err != nil {
		return Op{}, err
	}
	return op, nil
}

// op reads the body of an ONS field. The value is part of the input.
func (r *reader) op() (op Op, version uint8) {
	version = r.byte()
	op.Length = uint8(r.varint(maxLength))
	op.Type, _ = fold(op.Length)
	r.array((*[32]byte)(&op.Hash))
	r.array((*[32]byte)(&op.Prev))
	bits := r.varint(hasAll)
	if bits&hasOwner != 0 {
		op.Owner = r.owner()
	}
	if bits&hasBackup != 0 {
		op.Backup = r.owner()
	}
	if bits&hasSignature != 0 {
		op.Signature.Kind = OwnerWallet
		if r.varint(wireEd25519) == wireEd25519 {
			op.Signature.Kind = OwnerEd25519
		}
		copy(op.Signature.Bytes[:], r.next(signatureSize))
	}
	if bits&hasValue != 0 {
		op.Value = r.next(r.varint(unlimited))
	}
	return op, version
}

// skip reads the body of a field that is not ours.
func (r *reader) skip(tag byte) {
	switch tag {
	case tagPadding:
		if len(r.rest) > maxPadding {
			r.fail()
		}
		for _, c := range r.next(uint64(len(r.rest))) {
			if c != 0 {
				r.fail()
			}
		}
	case tagPublicKey, tagWinner, tagNodeKey, tagSecretKey:
		r.next(32)
	case tagNonce:
		r.next(r.varint(maxNonce))
	case tagMergeMining: // a byte string with the field inside; the daemon ignores what follows it there
		inner := reader{rest: r.next(r.varint(unlimited))}
		inner.varint(unlimited) // depth
		inner.next(32)          // root
		r.bad = r.bad || inner.bad
	case tagPublicKeys:
		r.list(32)
	case tagRegister:
		r.list(32)             // spend keys
		r.list(32)             // view keys
		r.next(8)              // fee
		for range r.count(1) { // amounts
			r.varint(unlimited)
		}
		r.next(8 + signatureSize) // fork or expiration
	case tagDeregister:
		r.next(8 + 4) // height, index
		r.list(signatureSize + 4)
	case tagContributor:
		r.next(2 * 32)
	case tagKeyImages:
		r.list(32 + signatureSize)
	case tagUnlock:
		r.next(32 + signatureSize + 4) // key image, signature, nonce
	case tagStateChange:
		r.stateChange()
	case tagBurn:
		r.next(8)
	case tagMinergate:
		r.next(r.varint(unlimited))
	default:
		r.fail()
	}
}

// stateChange reads the body of a service node's change of state, whose first number is the state before version 4.
func (r *reader) stateChange() {
	version := r.varint(stateVersion)
	if version == stateVersion {
		r.varint(maxState)
	}
	r.varint(unlimited)      // height
	r.varint(math.MaxUint32) // index of the node
	for range r.count(1 + signatureSize) {
		r.varint(math.MaxUint32) // index of the voter
		r.next(signatureSize)
	}
	if version == stateVersion {
		r.varint(math.MaxUint16) // reasons all gave
		r.varint(math.MaxUint16) // reasons any gave
	}
}

// AppendExtra appends to b what a wallet writes for o: the ONS field and, if it burns, the burn field. It writes
// what o holds, valid or not; ParseExtra of the result is o again if it is valid.
func (o Op) AppendExtra(b []byte) []byte {
	b = append(b, tagONS, 0)
	b = binary.AppendUvarint(b, uint64(o.Length))
	b = append(b, o.Hash[:]...)
	b = append(b, o.Prev[:]...)
	b = append(b, o.fields())
	b = o.Owner.append(b, true)
	b = o.Backup.append(b, true)
	if o.Signature.Kind != OwnerNone {
		kind := byte(wireWallet)
		if o.Signature.Kind == OwnerEd25519 {
			kind = wireEd25519
		}
		b = append(b, kind)
		b = append(b, o.Signature.Bytes[:]...)
	}
	if o.Value != nil {
		b = binary.AppendUvarint(b, uint64(len(o.Value)))
		b = append(b, o.Value...)
	}
	if o.Burn > 0 {
		b = append(b, tagBurn)
		b = binary.LittleEndian.AppendUint64(b, o.Burn)
	}
	return b
}
