package curve

import (
	"crypto/ed25519"
	"crypto/sha512"
	"errors"

	"filippo.io/edwards25519"
)

// ErrPoint means that 32 bytes are no canonical point of the curve or, where an X25519 key is wanted, none that has one.
var ErrPoint = errors.New("not a usable curve point")

// minusOne is the group order less one, so that minusOne·P + P is the order times P.
var minusOne = edwards25519.NewScalar().Negate(one())

func one() *edwards25519.Scalar {
	s, err := edwards25519.NewScalar().SetCanonicalBytes(append([]byte{1}, make([]byte, 31)...))
	if err != nil {
		panic("curve: internal error: " + err.Error())
	}
	return s
}

// PublicX25519 returns the X25519 key that belongs to an Ed25519 key: u = (1+y)/(1−y) (messaging.md 0). As libsodium's
// crypto_sign_ed25519_pk_to_curve25519 it refuses, with ErrPoint, what is not on the curve and what is not in the group
// of prime order, so the result is never of low order. Encodings that are not canonical are refused too.
func PublicX25519(ed ed25519.PublicKey) ([32]byte, error) {
	p, err := new(edwards25519.Point).SetBytes(ed)
	if err != nil || !reduced(ed) {
		return [32]byte{}, ErrPoint
	}
	identity := edwards25519.NewIdentityPoint()
	if p.Equal(identity) == 1 {
		return [32]byte{}, ErrPoint
	}
	minusP := new(edwards25519.Point).VarTimeDoubleScalarBaseMult(minusOne, p, edwards25519.NewScalar())
	if minusP.Add(minusP, p).Equal(identity) != 1 {
		return [32]byte{}, ErrPoint
	}
	return [32]byte(p.BytesMontgomery()), nil
}

// reduced reports whether the y of an encoded point is less than p = 2²⁵⁵ − 19. Encoding the point again would tell as well, and take
// an inversion. Two encodings that are not canonical have a y less than p and a sign that their x, 0, does not have; they are of
// low order.
func reduced(ed []byte) bool {
	if ed[0] < 0xed || ed[31]&0x7f != 0x7f {
		return true
	}
	for _, b := range ed[1:31] {
		if b != 0xff {
			return true
		}
	}
	return false
}

// PrivateX25519 returns the X25519 secret that belongs to an Ed25519 key: the first half of the SHA-512 of its seed,
// clamped. A key of the wrong length is the caller's bug and panics.
func PrivateX25519(ed ed25519.PrivateKey) [32]byte {
	h := sha512.Sum512(ed.Seed())
	h[0] &= 248
	h[31] &= 127
	h[31] |= 64
	return [32]byte(h[:32])
}
