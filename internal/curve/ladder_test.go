package curve_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"io"
	"testing"

	"filippo.io/edwards25519"
	"pgregory.net/rapid"

	"onsight/internal/curve"
)

// TestX25519RFC: the vectors of RFC 7748, section 5.2.
func TestX25519RFC(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ scalar, point, want string }{
		{"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4", "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
			"c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"},
		{"4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d", "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
			"95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"},
	} {
		got, err := curve.X25519(unhex32(t, c.scalar), unhex32(t, c.point))
		if want := unhex32(t, c.want); err != nil || got != want {
			t.Errorf("got %x, %v, want %x", got, err, want)
		}
	}
	k, u := [32]byte{9}, [32]byte{9}
	for range 1000 {
		next, err := curve.X25519(k, u)
		if err != nil {
			t.Fatal(err)
		}
		k, u = next, k
	}
	if want := unhex32(t, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"); k != want {
		t.Errorf("after 1,000 rounds got %x, want %x", k, want)
	}
}

// TestX25519Standard holds both functions to crypto/ecdh, for all points and secrets, those of low order included.
func TestX25519Standard(t *testing.T) {
	t.Parallel()
	key := rapid.Custom(func(t *rapid.T) [32]byte {
		return [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "bytes"))
	})
	low := rapid.SampledFrom([][32]byte{{}, {1}, minus(t, 0), minus(t, 1), minus(t, -1)})
	rapid.Check(t, func(t *rapid.T) {
		scalar, point := key.Draw(t, "scalar"), rapid.OneOf(key, key, key, low).Draw(t, "point")
		own, err := ecdh.X25519().NewPrivateKey(scalar[:])
		if err != nil {
			t.Fatal(err)
		}
		if got := curve.BaseX25519(scalar); !bytes.Equal(got[:], own.PublicKey().Bytes()) {
			t.Fatalf("public key %x, want %x", got, own.PublicKey().Bytes())
		}
		other, err := ecdh.X25519().NewPublicKey(point[:])
		if err != nil {
			t.Fatal(err)
		}
		want, wantErr := own.ECDH(other)
		got, err := curve.X25519(scalar, point)
		if (err != nil) != (wantErr != nil) || err != nil && !errors.Is(err, curve.ErrPoint) {
			t.Fatalf("got error %v, want %v", err, wantErr)
		}
		if err == nil && !bytes.Equal(got[:], want) {
			t.Fatalf("got %x, want %x", got, want)
		}
	})
}

// minus returns p − n, a coordinate that is not reduced or of low order.
func minus(t *testing.T, n int) [32]byte {
	p := unhex32(t, "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")
	p[0] -= byte(n)
	return p
}

func TestDecoy(t *testing.T) {
	t.Parallel()
	a, err := curve.Decoy(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := new(edwards25519.Point).SetBytes(a[:32]); err != nil {
		t.Errorf("the first half is no point: %v", err)
	}
	if _, err := edwards25519.NewScalar().SetCanonicalBytes(a[32:]); err != nil {
		t.Errorf("the second half is no scalar: %v", err)
	}
	if b, err := curve.Decoy(rand.Reader); err != nil || a == b {
		t.Errorf("twice the same, %v", err)
	}
	if _, err := curve.Decoy(io.LimitReader(rand.Reader, 100)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got error %v from a source that ends", err)
	}
}

func BenchmarkX25519(b *testing.B) {
	var point [32]byte
	point[0] = 9
	for b.Loop() {
		if _, err := curve.X25519([32]byte{1, 2, 3}, point); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkX25519Standard(b *testing.B) {
	own, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := own.ECDH(own.PublicKey()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBaseX25519(b *testing.B) {
	for b.Loop() {
		curve.BaseX25519([32]byte{1, 2, 3})
	}
}
