package curve_test

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"

	"filippo.io/edwards25519"
	"pgregory.net/rapid"

	"onsight/internal/curve"
)

// TestX25519Vectors: the conversions of libsession-util 1.2.0.
func TestX25519Vectors(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../ons/testdata/libsession.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Conversions []struct {
			Seed   string `json:"seed"`
			EdPub  string `json:"ed25519_pk"`
			XSec   string `json:"x25519_sk"`
			XPub   string `json:"x25519_pk"`
			EdFull string `json:"ed25519_sk"`
		} `json:"conversions"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Conversions) == 0 {
		t.Fatal("no vectors")
	}
	for i, c := range v.Conversions {
		got, err := curve.PublicX25519(unhex(t, c.EdPub))
		if err != nil || hex.EncodeToString(got[:]) != c.XPub {
			t.Errorf("%d: public %x, %v, want %s", i, got, err, c.XPub)
		}
		secret := curve.PrivateX25519(ed25519.PrivateKey(unhex(t, c.EdFull)))
		if hex.EncodeToString(secret[:]) != c.XSec {
			t.Errorf("%d: private %x, want %s", i, secret, c.XSec)
		}
		if want := curve.PrivateX25519(ed25519.NewKeyFromSeed(unhex(t, c.Seed))); secret != want {
			t.Errorf("%d: of the seed %x", i, want)
		}
	}
}

func TestPublicX25519Refuses(t *testing.T) {
	t.Parallel()
	// A point of order 8, and a good key with it added: on the curve, in no group of prime order.
	torsion := unhex(t, "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
	low, err := new(edwards25519.Point).SetBytes(torsion)
	if err != nil {
		t.Fatal(err)
	}
	mixed := low.Add(low, edwards25519.NewGeneratorPoint()).Bytes()
	for _, tt := range []struct {
		what string
		key  []byte
	}{
		{"Empty", nil},
		{"Short", make([]byte, 31)},
		{"Long", make([]byte, 33)},
		{"NoPoint", append([]byte{2}, make([]byte, 31)...)},
		{"Identity", append([]byte{1}, make([]byte, 31)...)},
		{"OrderTwo", unhex(t, "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")},
		{"OrderFour", make([]byte, 32)},
		{"OrderEight", torsion},
		{"Mixed", mixed},
		{"NotCanonical", unhex(t, "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")},
		{"MinusZero", append([]byte{1}, append(make([]byte, 30), 0x80)...)},
	} {
		t.Run(tt.what, func(t *testing.T) {
			if got, err := curve.PublicX25519(tt.key); !errors.Is(err, curve.ErrPoint) {
				t.Errorf("got %x, %v, want ErrPoint", got, err)
			}
		})
	}
}

// TestPublicX25519NotReduced: all encodings whose y is not less than p, some of which decode to points of prime order.
func TestPublicX25519NotReduced(t *testing.T) {
	t.Parallel()
	decoded := 0
	for low := 0xed; low <= 0xff; low++ {
		for _, high := range []byte{0x7f, 0xff} {
			key := unhex(t, "00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff00")
			key[0], key[31] = byte(low), high
			if _, err := new(edwards25519.Point).SetBytes(key); err == nil {
				decoded++
			}
			if got, err := curve.PublicX25519(key); !errors.Is(err, curve.ErrPoint) {
				t.Errorf("%x: got %x, %v, want ErrPoint", key, got, err)
			}
		}
	}
	if decoded == 0 {
		t.Error("none of them is a point")
	}
}

// TestX25519Property: the two halves of a key stay halves of one key.
func TestX25519Property(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		key := ed25519.NewKeyFromSeed(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "seed"))
		secret := curve.PrivateX25519(key)
		x, err := ecdh.X25519().NewPrivateKey(secret[:])
		if err != nil {
			t.Fatal(err)
		}
		got, err := curve.PublicX25519(key.Public().(ed25519.PublicKey))
		if err != nil || got != [32]byte(x.PublicKey().Bytes()) {
			t.Fatalf("got %x, %v, want %x", got, err, x.PublicKey().Bytes())
		}
	})
}

func FuzzPublicX25519(f *testing.F) {
	f.Add(unhex(f, pubHex))
	f.Add(make([]byte, 32))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := curve.PublicX25519(b)
		if err != nil {
			return
		}
		pub, err := ecdh.X25519().NewPublicKey(x[:])
		if err != nil {
			t.Fatal(err)
		}
		secret := [32]byte{1}
		own, err := ecdh.X25519().NewPrivateKey(secret[:])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := own.ECDH(pub); err != nil {
			t.Fatalf("%x is of low order: %v", x, err)
		}
	})
}

func BenchmarkPublicX25519(b *testing.B) {
	pub := ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey)
	for b.Loop() {
		if _, err := curve.PublicX25519(pub); err != nil {
			b.Fatal(err)
		}
	}
}

// The two accounts of a Session user, a signing key and a Session ID, are one seed.
func ExamplePublicX25519() {
	seed, err := hex.DecodeString("8daa51f35462c891b4b74b14365c788fb7e6e22f061ab30f24c25657f86839d2")
	if err != nil {
		fmt.Println(err)
		return
	}
	key := ed25519.NewKeyFromSeed(seed)
	pub, err := curve.PublicX25519(key.Public().(ed25519.PublicKey))
	if err != nil {
		fmt.Println(err)
		return
	}
	secret := curve.PrivateX25519(key)
	x, err := ecdh.X25519().NewPrivateKey(secret[:])
	fmt.Println([32]byte(x.PublicKey().Bytes()) == pub, err)
	// Output: true <nil>
}
