package snode

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
)

// ErrToken means that a text is not a subaccount token.
var ErrToken = errors.New("invalid subaccount token")

// Flags are what a subaccount may do.
type Flags byte

// The flags of messaging.md C.7.
const (
	Read      Flags = 1
	Write     Flags = 2
	Delete    Flags = 4
	AnyPrefix Flags = 8 // the token is good for accounts of any prefix
)

// Token names a subaccount (messaging.md C.7):
//
//	prefix of the account 1 ‖ flags 1 ‖ 00 ‖ 00 ‖ Ed25519 key 32
type Token [36]byte

// NewToken assembles the token of the subaccount with key.
func NewToken(prefix byte, flags Flags, key [32]byte) Token {
	t := Token{prefix, byte(flags)}
	copy(t[4:], key[:])
	return t
}

// ParseToken reads 72 hexadecimal digits of either case or 48 characters of base64. Reserved bytes may be anything, as
// servers have it. The error is ErrToken.
func ParseToken(s string) (Token, error) {
	var t Token
	switch len(s) {
	case 72:
		if _, err := hex.Decode(t[:], []byte(s)); err != nil {
			return Token{}, ErrToken
		}
		return t, nil
	case 48:
		// Decode skips line breaks; then fewer than 36 bytes come out.
		if n, err := base64.StdEncoding.Decode(t[:], []byte(s)); err != nil || n != len(t) {
			return Token{}, ErrToken
		}
		return t, nil
	}
	return Token{}, ErrToken
}

// String returns t as 48 characters of base64, the form requests have it in. It is no secret.
func (t Token) String() string { return base64.StdEncoding.EncodeToString(t[:]) }

// Prefix returns the prefix of the accounts that t is good for, unless it has AnyPrefix.
func (t Token) Prefix() byte { return t[0] }

// Flags returns what t allows.
func (t Token) Flags() Flags { return Flags(t[1]) }

// Key returns the Ed25519 key that signs the subaccount's requests.
func (t Token) Key() [32]byte { return [32]byte(t[4:]) }

// Allows reports whether t is made for id's prefix and has all flags of need. That the account has signed t, and has
// not revoked it, is for the caller to check.
func (t Token) Allows(id ID, need Flags) bool {
	return (t.Prefix() == id.Prefix() || t.Flags()&AnyPrefix != 0) && t.Flags()&need == need
}
