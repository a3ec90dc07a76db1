// Package curve holds the little Edwards curve arithmetic that the standard library keeps to itself.
//
// It is the only home of filippo.io/edwards25519. It verifies the CryptoNote Schnorr signatures that wallets put
// under ONS updates, finds the X25519 key that belongs to an Ed25519 key, and agrees on secrets with keys used once.
//
// Sources: oxen-core 10.6.0, src/crypto/crypto.cpp (check_signature) and src/crypto/crypto-ops.c
// (ge_frombytes_vartime, which refuses encodings that are not canonical; edwards25519 alone does not).
package curve

import (
	"bytes"
	"crypto/subtle"

	"filippo.io/edwards25519"
	"golang.org/x/crypto/sha3"
)

// SchnorrVerify reports whether sig is a CryptoNote signature c(32) || r(32) over digest under the public spend key
// pub: c and r are canonical scalars, c is not zero, R = c·pub + r·G is not the identity, and c = keccak256(digest ||
// pub || R) modulo the group order. Everything here is public, so its time may depend on the input.
func SchnorrVerify(pub, digest [32]byte, sig [64]byte) bool {
	c, err := edwards25519.NewScalar().SetCanonicalBytes(sig[:32])
	if err != nil || c.Equal(edwards25519.NewScalar()) == 1 {
		return false
	}
	r, err := edwards25519.NewScalar().SetCanonicalBytes(sig[32:])
	if err != nil {
		return false
	}
	a, err := new(edwards25519.Point).SetBytes(pub[:])
	if err != nil || !bytes.Equal(a.Bytes(), pub[:]) {
		return false
	}
	commit := new(edwards25519.Point).VarTimeDoubleScalarBaseMult(c, a, r)
	if commit.Equal(edwards25519.NewIdentityPoint()) == 1 {
		return false
	}
	want := challenge(digest, pub, commit)
	return subtle.ConstantTimeCompare(want.Bytes(), c.Bytes()) == 1
}

// challenge is keccak256(digest || pub || commit) modulo the group order. Keccak here is the original one, not
// SHA3-256.
func challenge(digest, pub [32]byte, commit *edwards25519.Point) *edwards25519.Scalar {
	h := sha3.NewLegacyKeccak256()
	h.Write(digest[:])
	h.Write(pub[:])
	h.Write(commit.Bytes())
	var wide [64]byte // SetUniformBytes reduces 64 little-endian bytes; the upper half stays zero
	h.Sum(wide[:0])
	s, err := edwards25519.NewScalar().SetUniformBytes(wide[:])
	if err != nil {
		panic("curve: internal error: " + err.Error())
	}
	return s
}
