package curve

import (
	"io"

	"filippo.io/edwards25519"
	"filippo.io/edwards25519/field"
)

// X25519 returns the secret that scalar and point agree on (RFC 7748, section 5), in constant time. The error is ErrPoint,
// for a point of low order. The standard library's crypto/ecdh does the same, but works out the public key of every secret
// it is given, which for a key that is used once doubles the time; for keys that stay it is the faster of the two.
func X25519(scalar, point [32]byte) ([32]byte, error) {
	scalar[0] &= 248
	scalar[31] &= 127
	scalar[31] |= 64
	// SetBytes ignores the highest bit and reduces, as the RFC asks.
	u, err := new(field.Element).SetBytes(point[:])
	if err != nil {
		panic("curve: internal error: " + err.Error())
	}
	var a, aa, b, bb, e, c, d, da, cb field.Element
	x2, z2 := new(field.Element).One(), new(field.Element).Zero()
	x3, z3 := new(field.Element).Set(u), new(field.Element).One()
	swap := 0
	for i := 254; i >= 0; i-- {
		bit := int(scalar[i/8]>>(i%8)) & 1
		swap ^= bit
		x2.Swap(x3, swap)
		z2.Swap(z3, swap)
		swap = bit
		a.Add(x2, z2)
		b.Subtract(x2, z2)
		c.Add(x3, z3)
		d.Subtract(x3, z3)
		da.Multiply(&d, &a)
		cb.Multiply(&c, &b)
		aa.Square(&a)
		bb.Square(&b)
		e.Subtract(&aa, &bb)
		x3.Add(&da, &cb)
		x3.Square(x3)
		z3.Subtract(&da, &cb)
		z3.Square(z3)
		z3.Multiply(z3, u)
		x2.Multiply(&aa, &bb)
		z2.Mult32(&e, 121665)
		z2.Add(z2, &aa)
		z2.Multiply(z2, &e)
	}
	x2.Swap(x3, swap)
	z2.Swap(z3, swap)
	x2.Multiply(x2, z2.Invert(z2))
	if x2.Equal(new(field.Element).Zero()) == 1 {
		return [32]byte{}, ErrPoint
	}
	return [32]byte(x2.Bytes()), nil
}

// BaseX25519 returns the public key of an X25519 secret. It multiplies on the Edwards curve, where the base point has
// tables, which takes a third of a ladder's time.
func BaseX25519(scalar [32]byte) [32]byte {
	s, err := edwards25519.NewScalar().SetBytesWithClamping(scalar[:])
	if err != nil {
		panic("curve: internal error: " + err.Error())
	}
	return [32]byte(new(edwards25519.Point).ScalarBaseMult(s).BytesMontgomery())
}

// Decoy returns 64 bytes that look like an Ed25519 signature and are none: a random point and a random scalar. The error is
// that of rand.
func Decoy(rand io.Reader) (sig [64]byte, err error) {
	r, err := scalar(rand)
	if err != nil {
		return sig, err
	}
	s, err := scalar(rand)
	if err != nil {
		return sig, err
	}
	copy(sig[:], new(edwards25519.Point).ScalarBaseMult(r).Bytes())
	copy(sig[32:], s.Bytes())
	return sig, nil
}

func scalar(rand io.Reader) (*edwards25519.Scalar, error) {
	var wide [64]byte
	if _, err := io.ReadFull(rand, wide[:]); err != nil {
		return nil, err
	}
	s, err := edwards25519.NewScalar().SetUniformBytes(wide[:])
	if err != nil {
		panic("curve: internal error: " + err.Error())
	}
	return s, nil
}
