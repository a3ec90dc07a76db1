package ons

import (
	"encoding/hex"
	"errors"
	"fmt"
)

// OwnerKind is the kind of key that may update a name.
type OwnerKind uint8

// The kinds of owners. On the wire a wallet is 0 and an Ed25519 key 1.
const (
	OwnerNone    OwnerKind = 0
	OwnerWallet  OwnerKind = 1
	OwnerEd25519 OwnerKind = 2
)

// ErrOwner means that a text or bytes are no owner.
var ErrOwner = errors.New("invalid owner")

// Owner is who may update a name (spec A.5). It is comparable, and owners are equal if and only if consensus takes them
// for equal: of two wallets the subaddress flags count too. The zero Owner is "none".
type Owner struct {
	Kind       OwnerKind
	Key        [32]byte // spend key, or the Ed25519 key
	View       [32]byte // wallet only
	Subaddress bool     // wallet only
}

// given reports whether o is an owner at all.
func (o Owner) given() bool { return o.Kind != OwnerNone }

// orNone returns o, or the none owner if its keys are all zero, which consensus reads as "no backup owner".
func (o Owner) orNone() Owner {
	if o.Key == [32]byte{} && o.View == [32]byte{} {
		return Owner{}
	}
	return o
}

// Text returns a wallet owner as an address of network n, an Ed25519 owner as 64 hexadecimal digits, and "" for none or
// for a wallet on a network that does not exist.
func (o Owner) Text(n Network) string {
	switch o.Kind {
	case OwnerWallet:
		b := make([]byte, 0, walletSize)
		b = append(b, walletPrimary)
		if o.Subaddress {
			b[0] = walletSubaddress
		}
		s, err := address(append(append(b, o.Key[:]...), o.View[:]...), n)
		if err != nil {
			return ""
		}
		return s
	case OwnerEd25519:
		return hex.EncodeToString(o.Key[:])
	}
	return ""
}

// ParseOwner reads an address of network n, primary, subaddress or integrated (its payment id is dropped), or else
// exactly 64 hexadecimal digits. The error wraps ErrOwner; the empty text is an error too.
func ParseOwner(s string, n Network) (Owner, error) {
	if len(s) == 64 { // no address has this length
		o := Owner{Kind: OwnerEd25519}
		if _, err := hex.Decode(o.Key[:], []byte(s)); err != nil {
			return Owner{}, fmt.Errorf("%w: not hexadecimal", ErrOwner)
		}
		return o, nil
	}
	b, err := parseAddress(s, n)
	if err != nil {
		return Owner{}, fmt.Errorf("%w: %w", ErrOwner, err)
	}
	return Owner{
		Kind:       OwnerWallet,
		Key:        [32]byte(b[1:33]),
		View:       [32]byte(b[33:65]),
		Subaddress: b[0] == walletSubaddress,
	}, nil
}

// Bytes returns o as a transaction carries it: kind 0, spend, view and flag (66 bytes), or kind 1 and key (33 bytes);
// nil for none.
func (o Owner) Bytes() []byte { return o.append(nil, true) }

// append adds the wire form of o to b. What updates sign leaves the flag out.
func (o Owner) append(b []byte, flag bool) []byte {
	switch o.Kind {
	case OwnerWallet:
		b = append(b, wireWallet)
		b = append(b, o.Key[:]...)
		b = append(b, o.View[:]...)
		switch {
		case flag && o.Subaddress:
			b = append(b, 1)
		case flag:
			b = append(b, 0)
		}
	case OwnerEd25519:
		b = append(b, wireEd25519)
		b = append(b, o.Key[:]...)
	}
	return b
}

// ParseOwnerBytes reads what Bytes returns, and nothing after it; no bytes at all are none. The error is ErrOwner.
func ParseOwnerBytes(b []byte) (Owner, error) {
	if len(b) == 0 {
		return Owner{}, nil
	}
	r := reader{rest: b}
	o := r.owner()
	if r.bad || len(r.rest) != 0 {
		return Owner{}, ErrOwner
	}
	return o, nil
}

// Kinds of owners and signatures on the wire.
const (
	wireWallet  = 0
	wireEd25519 = 1
)

// owner reads an owner from tx extra. The daemon reads the flag into a C++ bool unchecked: whatever is not zero is set.
func (r *reader) owner() Owner {
	var o Owner
	switch r.varint(wireEd25519) {
	case wireWallet:
		o.Kind = OwnerWallet
		r.array(&o.Key)
		r.array(&o.View)
		o.Subaddress = r.byte() != 0
	case wireEd25519:
		o.Kind = OwnerEd25519
		r.array(&o.Key)
	}
	return o
}
