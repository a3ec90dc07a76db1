package client

import (
	"encoding/hex"
	"errors"

	"onsight/ons"
)

// ErrID means that a text or a value is not the id of an account.
var ErrID = errors.New("not an account id: 66 hexadecimal digits that begin with 05")

// ID is the address of an account: 05 and its X25519 key. The zero ID is nobody's.
type ID [33]byte

// ParseID reads 66 hexadecimal digits of either case. Only ids of accounts are accepted: no groups, no blinded ones. The
// error is ErrID.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 2*len(id) {
		return ID{}, ErrID
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return ID{}, ErrID
	}
	return checkID(id)
}

// NewID returns the id that a name says. The error is ErrID: names also stand for wallets and hosts, and an owner may have
// stored anything.
func NewID(v ons.Value) (ID, error) {
	if v.Type != ons.Session || len(v.Bytes) != len(ID{}) {
		return ID{}, ErrID
	}
	return checkID(ID(v.Bytes))
}

func checkID(id ID) (ID, error) {
	if id[0] != prefix {
		return ID{}, ErrID
	}
	return id, nil
}

// String returns id as 66 lower-case hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText returns what String returns.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is ParseID.
func (id *ID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseID(string(text))
	return err
}
