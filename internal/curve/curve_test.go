package curve_test

import (
	"encoding/hex"
	"testing"

	"filippo.io/edwards25519"
	"golang.org/x/crypto/sha3"
	"pgregory.net/rapid"

	"onsight/internal/curve"
)

// Spec C.2, E3: the CryptoNote signature over its digest.
const (
	pubHex    = "349cdd1c4fa06c077439accfe3713db3ce8a7be8c5397a89239153d5e9424631"
	digestHex = "c870ea02c1a387f796453391177200b4e3a450ebb877a20d8fec015f9142b60a"
	sigHex    = "f224659a661f9d1f63fb92f29d1feebffaf3967b45e6b3d1c571eb6f1430d40cdb7b49fb7092047a87553ae4912ad88f64e32454ad1f9b1606c685a4fb2dcf0b"
	orderHex  = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func vector(t testing.TB) (pub, digest [32]byte, sig [64]byte) {
	t.Helper()
	return [32]byte(unhex(t, pubHex)), [32]byte(unhex(t, digestHex)), [64]byte(unhex(t, sigHex))
}

func TestSchnorrVerify(t *testing.T) {
	t.Parallel()
	pub, digest, sig := vector(t)
	if !curve.SchnorrVerify(pub, digest, sig) {
		t.Fatal("the vector does not verify")
	}
	for i := range sig {
		bad := sig
		bad[i] ^= 1
		if curve.SchnorrVerify(pub, digest, bad) {
			t.Errorf("byte %d of the signature does not matter", i)
		}
	}
	for i := range 32 {
		bad := digest
		bad[i] ^= 1
		if curve.SchnorrVerify(pub, bad, sig) {
			t.Errorf("byte %d of the digest does not matter", i)
		}
		bad = pub
		bad[i] ^= 1
		if curve.SchnorrVerify(bad, digest, sig) {
			t.Errorf("byte %d of the key does not matter", i)
		}
	}
}

func TestSchnorrVerifyRefuses(t *testing.T) {
	t.Parallel()
	pub, digest, sig := vector(t)
	order := unhex(t, orderHex)
	// r + order is the same scalar, not canonical.
	long := sig
	carry := 0
	for i, b := range order {
		carry += int(long[32+i]) + int(b)
		long[32+i] = byte(carry)
		carry >>= 8
	}
	zeroC := sig
	clear(zeroC[:32])
	orderC := sig
	copy(orderC[:], order)
	identity := [32]byte{1}
	minusZero := [32]byte{1, 31: 0x80}
	notCanonical := [32]byte(unhex(t, "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")) // y = p + 1
	for _, tt := range []struct {
		what string
		pub  [32]byte
		sig  [64]byte
	}{
		{"ScalarNotReduced", pub, long},
		{"ChallengeZero", pub, zeroC},
		{"ChallengeOrder", pub, orderC},
		{"AllZero", pub, [64]byte{}},
		{"AllOnes", pub, [64]byte(append(order, order...))},
		{"KeyMinusZero", minusZero, sig},
		{"KeyNotCanonical", notCanonical, sig},
		{"KeyNoPoint", [32]byte{2}, sig},
		{"CommitmentIdentity", identity, [64]byte{0: 1}}, // c·identity + 0·G
	} {
		t.Run(tt.what, func(t *testing.T) {
			if curve.SchnorrVerify(tt.pub, digest, tt.sig) {
				t.Error("verifies")
			}
		})
	}
}

// sign makes a signature: k·G is committed to, c is its challenge, r = k − c·secret.
func sign(secret, k *edwards25519.Scalar, digest [32]byte) (pub [32]byte, sig [64]byte) {
	copy(pub[:], new(edwards25519.Point).ScalarBaseMult(secret).Bytes())
	h := sha3.NewLegacyKeccak256()
	h.Write(digest[:])
	h.Write(pub[:])
	h.Write(new(edwards25519.Point).ScalarBaseMult(k).Bytes())
	c, err := edwards25519.NewScalar().SetUniformBytes(append(h.Sum(nil), make([]byte, 32)...))
	if err != nil {
		panic(err)
	}
	r := edwards25519.NewScalar().Subtract(k, edwards25519.NewScalar().Multiply(c, secret))
	copy(sig[:], c.Bytes())
	copy(sig[32:], r.Bytes())
	return pub, sig
}

func TestSchnorrVerifyProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		scalar := func(label string) *edwards25519.Scalar {
			s, err := edwards25519.NewScalar().SetUniformBytes(rapid.SliceOfN(rapid.Byte(), 64, 64).Draw(t, label))
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		digest := [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "digest"))
		secret, k := scalar("secret"), scalar("nonce")
		if k.Equal(edwards25519.NewScalar()) == 1 {
			return // the commitment would be the identity
		}
		pub, sig := sign(secret, k, digest)
		if !curve.SchnorrVerify(pub, digest, sig) {
			t.Fatalf("%x does not verify under %x", sig, pub)
		}
		digest[0] ^= 1
		if curve.SchnorrVerify(pub, digest, sig) {
			t.Fatal("another digest verifies")
		}
	})
}

func FuzzSchnorrVerify(f *testing.F) {
	pub, digest, sig := vector(f)
	f.Add(pub[:], digest[:], sig[:])
	f.Fuzz(func(t *testing.T, p, d, s []byte) {
		if len(p) != 32 || len(d) != 32 || len(s) != 64 {
			return
		}
		got := curve.SchnorrVerify([32]byte(p), [32]byte(d), [64]byte(s))
		if want := [32]byte(p) == pub && [32]byte(d) == digest && [64]byte(s) == sig; want && !got {
			t.Error("the vector does not verify")
		}
	})
}

func BenchmarkSchnorrVerify(b *testing.B) {
	pub, digest, sig := vector(b)
	for b.Loop() {
		if !curve.SchnorrVerify(pub, digest, sig) {
			b.Fatal("does not verify")
		}
	}
}
