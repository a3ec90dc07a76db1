package curve

import (
	"fmt"

	"filippo.io/edwards25519"
	"golang.org/x/crypto/sha3"
)

// Derivation returns 8·secret·point, which a CryptoNote sender and receiver share: the sender takes the transaction's secret key
// and the receiver's view key, the receiver the transaction's public key and the view secret. The secret is reduced modulo the group
// order. (oxen-core 10.6.0, src/crypto/crypto.cpp, generate_key_derivation.)
func Derivation(point, secret [32]byte) (d [32]byte, err error) {
	p, err := decode(point)
	if err != nil {
		return d, fmt.Errorf("derive: %w", err)
	}
	q := new(edwards25519.Point).ScalarMult(reduce(secret), p)
	return [32]byte(q.MultByCofactor(q).Bytes()), nil
}

// OutputSecret returns Hs(derivation || index), the scalar that hides an output's key and amount. (oxen-core 10.6.0,
// src/crypto/crypto.cpp, derivation_to_scalar.)
func OutputSecret(derivation [32]byte, index uint64) [32]byte {
	b := append([]byte(nil), derivation[:]...)
	for ; index >= 0x80; index >>= 7 {
		b = append(b, byte(index)|0x80)
	}
	h := sha3.NewLegacyKeccak256()
	h.Write(append(b, byte(index)))
	return [32]byte(reduce([32]byte(h.Sum(nil))).Bytes())
}

// OutputKey returns secret·G + spend, the key of an output to the wallet with that spend key.
func OutputKey(secret, spend [32]byte) (key [32]byte, err error) {
	p, err := decode(spend)
	if err != nil {
		return key, fmt.Errorf("output key: %w", err)
	}
	q := new(edwards25519.Point).ScalarBaseMult(reduce(secret))
	return [32]byte(q.Add(q, p).Bytes()), nil
}

// PublicKey returns secret·G; the secret is reduced modulo the group order, not hashed as Ed25519 seeds are.
func PublicKey(secret [32]byte) [32]byte {
	return [32]byte(new(edwards25519.Point).ScalarBaseMult(reduce(secret)).Bytes())
}

func decode(b [32]byte) (*edwards25519.Point, error) {
	p, err := new(edwards25519.Point).SetBytes(b[:])
	if err != nil || [32]byte(p.Bytes()) != b {
		return nil, ErrPoint
	}
	return p, nil
}

// reduce takes 32 little-endian bytes modulo the group order.
func reduce(b [32]byte) *edwards25519.Scalar {
	var wide [64]byte
	copy(wide[:], b[:])
	s, err := edwards25519.NewScalar().SetUniformBytes(wide[:])
	if err != nil {
		panic("curve: internal error: " + err.Error())
	}
	return s
}
