package curve

import (
	"crypto/subtle"

	"filippo.io/edwards25519"
	"filippo.io/edwards25519/field"
	"golang.org/x/crypto/sha3"
)

// montgomeryA is the A of Curve25519 in Montgomery form.
const montgomeryA = 486662

// VerifyKeyImage reports whether sig shows that image is the key image of an output's key: that whoever made it knows x with key = x·G
// and image = x·Hp(key). It is a ring signature c || r with one member over the image. Everything here is public. (oxen-core 10.6.0,
// src/crypto/crypto.cpp, check_key_image_signature and check_ring_signature.)
func VerifyKeyImage(image, key [32]byte, sig [64]byte) bool {
	c, err := edwards25519.NewScalar().SetCanonicalBytes(sig[:32])
	if err != nil {
		return false
	}
	r, err := edwards25519.NewScalar().SetCanonicalBytes(sig[32:])
	if err != nil {
		return false
	}
	p, err := decode(key)
	if err != nil {
		return false
	}
	i, err := decode(image)
	if err != nil {
		return false
	}
	left := new(edwards25519.Point).VarTimeDoubleScalarBaseMult(c, p, r)
	right := new(edwards25519.Point).ScalarMult(r, hashToPoint(key))
	right.Add(right, new(edwards25519.Point).ScalarMult(c, i))
	h := sha3.NewLegacyKeccak256()
	h.Write(image[:])
	h.Write(left.Bytes())
	h.Write(right.Bytes())
	want := reduce([32]byte(h.Sum(nil)))
	return subtle.ConstantTimeCompare(want.Bytes(), c.Bytes()) == 1
}

// hashToPoint is CryptoNote's Hp: keccak256 of the key, mapped to the curve in the manner of Elligator 2, times eight. (oxen-core
// 10.6.0, src/crypto/crypto-ops.c, ge_fromfe_frombytes_vartime.)
func hashToPoint(key [32]byte) *edwards25519.Point {
	h := sha3.NewLegacyKeccak256()
	h.Write(key[:])
	var wide [64]byte // the hash is a number of 256 bits; SetWideBytes takes it modulo p with its highest bit
	h.Sum(wide[:0])
	u, err := new(field.Element).SetWideBytes(wide[:])
	if err != nil {
		panic("curve: internal error: " + err.Error())
	}
	one := new(field.Element).One()
	a := new(field.Element).Mult32(one, montgomeryA)
	v := new(field.Element).Square(u)
	v.Add(v, v) // 2u²
	w := new(field.Element).Add(v, one)
	x := new(field.Element).Square(a)
	x.Multiply(x, v)
	x.Subtract(new(field.Element).Square(w), x)        // w² - 2A²u²
	k := new(field.Element).Mult32(one, montgomeryA+2) // A(A+2)w
	k.Multiply(k, a)
	k.Multiply(k, w)
	z := new(field.Element).Negate(a)
	root, square := new(field.Element).SqrtRatio(new(field.Element).Add(k, k), x)
	sign := 0
	if square == 1 {
		root.Multiply(root, u)
		z.Multiply(z, v)
	} else {
		root, _ = root.SqrtRatio(k, x)
		sign = 1
	}
	if root.IsNegative() != sign {
		root.Negate(root)
	}
	px, py := new(field.Element), new(field.Element).Subtract(z, w)
	z.Add(z, w)
	px.Multiply(root, z)
	p, err := new(edwards25519.Point).SetExtendedCoordinates(px, py, z, new(field.Element).Multiply(root, py))
	if err != nil {
		panic("curve: internal error: " + err.Error())
	}
	return p.MultByCofactor(p)
}
