package ons

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"golang.org/x/crypto/blake2b"

	"onsight/internal/curve"
)

// Kind is what an operation does.
type Kind uint8

// The kinds of operations.
const (
	Buy    Kind = 1 // registers a name that has no live record
	Update Kind = 2 // changes value, owner or backup owner
	Renew  Kind = 3 // prolongs a lokinet name; anybody may
)

// String returns "buy", "update" or "renew".
func (k Kind) String() string {
	switch k {
	case Buy:
		return "buy"
	case Update:
		return "update"
	case Renew:
		return "renew"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Op is one ONS transaction: what it says, not what it does to the record of the name, for which see Apply.
type Op struct {
	Kind      Kind
	Type      Type
	Length    uint8     // type byte of the transaction, 0 to 5; 2 to 5 are lokinet for one, two, five and ten years
	Hash      Hash      // of the name
	Prev      Txid      // transaction of the record it changes; zero for a buy
	Owner     Owner     // none: not given
	Backup    Owner     // none: not given. A given one with all-zero keys stands for "no backup owner"
	Value     []byte    // sealed, as stored; nil if the op sets none
	Signature Signature // of an update
	Burn      uint64    // atomic OXEN, 1e-9
}

// Signature is an update's signature over BLAKE2b-256 of Op.Message.
type Signature struct {
	Kind  OwnerKind // of the owner who signed; OwnerNone: no signature
	Bytes [64]byte  // Ed25519: RFC 8032; wallet: CryptoNote's c || r under the spend key
}

var (
	// ErrNotONS means that the input is well-formed, but of another type or without an ONS field.
	ErrNotONS = errors.New("not an ONS transaction")
	// ErrExtra means that a field of the extra does not parse, which makes all of it void.
	ErrExtra = errors.New("unparsable transaction extra")
	// ErrTx means that the prefix of a transaction does not parse.
	ErrTx = errors.New("unparsable transaction")
	// ErrOp means that an operation breaks a rule that needs no record to see. None of these can have been mined.
	ErrOp = errors.New("invalid ONS operation")
	// ErrSignature means that neither owner made an update's signature.
	ErrSignature = errors.New("signature of neither owner")
)

// emptyHash is the hash of the empty name, which consensus refuses as it does zeros.
var emptyHash = Hash(blake2b.Sum256(nil))

// Key returns the key of the record that o is about.
func (o Op) Key() Key { return Key{Type: o.Type, Hash: o.Hash} }

// fields are the bits that say which parts of o are given.
func (o *Op) fields() byte {
	var bits byte
	if o.Owner.given() {
		bits |= hasOwner
	}
	if o.Backup.given() {
		bits |= hasBackup
	}
	if o.Signature.Kind != OwnerNone {
		bits |= hasSignature
	}
	if o.Value != nil {
		bits |= hasValue
	}
	return bits
}

// kindOf tells the kind by the parts that are given, as consensus does, or returns 0.
func kindOf(bits byte, length uint8, prev Txid) Kind {
	switch {
	case bits == hasOwner|hasValue, bits == hasOwner|hasBackup|hasValue:
		return Buy
	case bits&hasSignature != 0 && bits&(hasOwner|hasBackup|hasValue) != 0:
		return Update
	case bits == 0 && prev != Txid{} && length >= uint8(Lokinet):
		return Renew
	}
	return 0
}

// check reports, as ErrOp, what breaks a rule of spec A.6 that needs no record to see. The type's fork and the burn are
// not checked.
func (o *Op) check() error {
	t, ok := fold(o.Length)
	switch {
	case !ok || t != o.Type:
		return fmt.Errorf("%w: type byte %d for type %s", ErrOp, o.Length, o.Type)
	case o.Kind == 0:
		return fmt.Errorf("%w: parts 0x%02x make no buy, update or renewal", ErrOp, o.fields())
	case o.Kind != kindOf(o.fields(), o.Length, o.Prev):
		return fmt.Errorf("%w: parts 0x%02x make no %s", ErrOp, o.fields(), o.Kind)
	case o.Owner.given() && o.Owner == o.Backup:
		return fmt.Errorf("%w: owner and backup owner are the same", ErrOp)
	case o.Hash == Hash{} || o.Hash == emptyHash:
		return fmt.Errorf("%w: forbidden name hash", ErrOp)
	case o.Value != nil && !storedSize(o.Type, len(o.Value)):
		return fmt.Errorf("%w: value of %d bytes for type %s", ErrOp, len(o.Value), o.Type)
	}
	return nil
}

// Message returns the bytes whose BLAKE2b-256 an update signs: value || owner || backup owner || previous txid, each
// only if given, and owners without the subaddress flag (spec A.7). Neither type nor name is part of it.
func (o Op) Message() []byte {
	b := make([]byte, 0, len(o.Value)+3*65+32)
	b = append(b, o.Value...)
	b = o.Owner.append(b, false)
	b = o.Backup.append(b, false)
	return append(b, o.Prev[:]...)
}

// Verify reports whether the owner or the backup owner of current signed the update o; else the error wraps
// ErrSignature. It looks at the signature only: whether o applies to current is for Apply to say. Mined updates have
// passed this check.
func (o Op) Verify(current Record) error {
	digest := blake2b.Sum256(o.Message())
	for _, owner := range [...]Owner{current.Owner, current.Backup} {
		if owner.Kind != o.Signature.Kind {
			continue
		}
		switch owner.Kind {
		case OwnerWallet:
			if curve.SchnorrVerify(owner.Key, digest, o.Signature.Bytes) {
				return nil
			}
		case OwnerEd25519:
			if ed25519.Verify(owner.Key[:], digest[:], o.Signature.Bytes[:]) {
				return nil
			}
		}
	}
	return fmt.Errorf("%w: %s of %s", ErrSignature, o.Kind, o.Hash)
}

// Sign signs the update o with an Ed25519 key and keeps the signature in it. The error wraps ErrOp if o is no update,
// sets nothing, or the key has a wrong length.
func (o *Op) Sign(key ed25519.PrivateKey) error {
	switch {
	case o.Kind != Update || o.fields()&^hasSignature == 0:
		return fmt.Errorf("%w: only an update that sets something is signed", ErrOp)
	case len(key) != ed25519.PrivateKeySize:
		return fmt.Errorf("%w: signing key of %d bytes", ErrOp, len(key))
	}
	digest := blake2b.Sum256(o.Message())
	o.Signature = Signature{Kind: OwnerEd25519, Bytes: [64]byte(ed25519.Sign(key, digest[:]))}
	return nil
}
