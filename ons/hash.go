package ons

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

// ErrHash means that a text is none of the forms a hash is written in.
var ErrHash = errors.New("invalid hash")

// Hash is the hash of a name, BLAKE2b-256 of its folded text: all the chain knows of it.
type Hash [32]byte

// String returns h as 64 lower-case hexadecimal digits, as get_transactions shows it.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Base64 returns h as 44 characters of the standard alphabet, padded, as the ons_ calls of the daemon show it.
func (h Hash) Base64() string { return base64.StdEncoding.EncodeToString(h[:]) }

// ParseHash reads 64 hexadecimal digits of either case, or 43 characters of base64 in the standard or the URL alphabet,
// with or without the one "=" of padding. Unused bits must be zero, so each hash has one spelling per form.
// The error is ErrHash.
func ParseHash(s string) (Hash, error) {
	var h Hash
	switch len(s) {
	case 64:
		if _, err := hex.Decode(h[:], []byte(s)); err != nil {
			return Hash{}, ErrHash
		}
		return h, nil
	case 44:
		if s[43] != '=' {
			return Hash{}, ErrHash
		}
		s = s[:43]
	case 43:
	default:
		return Hash{}, ErrHash
	}
	enc := base64.RawStdEncoding
	if strings.ContainsAny(s, "-_") {
		enc = base64.RawURLEncoding
	}
	// Decode skips line breaks; then fewer than 32 bytes come out.
	if n, err := enc.Strict().Decode(h[:], []byte(s)); err != nil || n != len(h) {
		return Hash{}, ErrHash
	}
	return h, nil
}

// Txid is the hash of a transaction or of a block: any 32-byte hash of the chain.
type Txid [32]byte

// String returns x as 64 lower-case hexadecimal digits.
func (x Txid) String() string { return hex.EncodeToString(x[:]) }

// ParseTxid reads 64 hexadecimal digits of either case. The error is ErrHash.
func ParseTxid(s string) (Txid, error) {
	var x Txid
	if len(s) != 64 {
		return Txid{}, ErrHash
	}
	if _, err := hex.Decode(x[:], []byte(s)); err != nil {
		return Txid{}, ErrHash
	}
	return x, nil
}
