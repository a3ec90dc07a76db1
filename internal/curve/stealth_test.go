package curve_test

import (
	"encoding/binary"
	"errors"
	"testing"

	"golang.org/x/crypto/sha3"

	"onsight/internal/curve"
)

// A registration of the recorded 10.6.0 chain (internal/devnet/testdata, transaction ea151dc4…): the operator's address and the
// transaction's secret key are in its extra, and so are the key image of the staked output and its proof.
const (
	viewHex   = "1caf218c7e83420c2c7182cac3192cf96de64aa4df46794d28fba724a591350b"
	spendHex  = "38bed7202c1818af7e01579be9d9cba135b298cb0787323ee06ecc366cd4d13c"
	secretHex = "26a5c1316eddb0cb047ba762a0fde8c97526747c6ed265c60783fab9f3aa8804"
	publicHex = "52e78d5ef1a91ac54f301e4a50453b58bc605ec2ca287e9b5922ee71efe74b3f"
	outputHex = "66abfc5f63c11036469dbcc9b51754d7d5f3010dea71a8abc1df5d33dfd2f2a7"
	changeHex = "b8b27a9ebae77a2b17ffc011b5d5318efe9d27d0854e0646281987f8747fa08e"
	imageHex  = "9352358a7087ad12ea93b94caa831c02d6dfbe92d17480691f16439b596a635f"
	proofHex  = "1e7eccab9535220d3ad257fb2279cfec6aa103bc5ae398b5b83b082fafec8b05550acdddc1183e139a4badcf9f90fdde2bf6206173877a972d07efdb2f5abe06"
	hiddenHex = "f5c96ddcfc4386b7"
)

func unhex32(t testing.TB, s string) [32]byte { return [32]byte(unhex(t, s)) }

func TestRecordedOutput(t *testing.T) {
	t.Parallel()
	if got := curve.PublicKey(unhex32(t, secretHex)); got != unhex32(t, publicHex) {
		t.Errorf("PublicKey = %x", got)
	}
	d, err := curve.Derivation(unhex32(t, viewHex), unhex32(t, secretHex))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{changeHex, outputHex} {
		got, err := curve.OutputKey(curve.OutputSecret(d, uint64(i)), unhex32(t, spendHex))
		if err != nil || got != unhex32(t, want) {
			t.Errorf("output %d: %x, %v, want %s", i, got, err, want)
		}
	}
	secret := curve.OutputSecret(d, 1)
	h := sha3.NewLegacyKeccak256()
	h.Write([]byte("amount"))
	h.Write(secret[:])
	if got := binary.LittleEndian.Uint64(h.Sum(nil)) ^ binary.LittleEndian.Uint64(unhex(t, hiddenHex)); got != 100_000_000_000 {
		t.Errorf("amount %d", got)
	}
	if _, err := curve.Derivation([32]byte{2}, secret); !errors.Is(err, curve.ErrPoint) {
		t.Errorf("Derivation of no point: %v", err)
	}
	if _, err := curve.OutputKey(secret, [32]byte{2}); !errors.Is(err, curve.ErrPoint) {
		t.Errorf("OutputKey of no point: %v", err)
	}
	if curve.OutputSecret(d, 127) == curve.OutputSecret(d, 128) || curve.OutputSecret(d, 0) == curve.OutputSecret(d, 128) {
		t.Error("the index does not count")
	}
}

func TestVerifyKeyImage(t *testing.T) {
	t.Parallel()
	image, key, sig := unhex32(t, imageHex), unhex32(t, outputHex), [64]byte(unhex(t, proofHex))
	if !curve.VerifyKeyImage(image, key, sig) {
		t.Fatal("the recorded proof does not verify")
	}
	if curve.VerifyKeyImage(image, unhex32(t, changeHex), sig) {
		t.Error("it verifies for the change too")
	}
	if curve.VerifyKeyImage(key, key, sig) {
		t.Error("any image will do")
	}
	for i := range sig {
		bad := sig
		bad[i] ^= 1
		if curve.VerifyKeyImage(image, key, bad) {
			t.Errorf("byte %d of the proof does not matter", i)
		}
	}
	for _, no := range [][32]byte{{2}, {1, 31: 0x80}} {
		if curve.VerifyKeyImage(no, key, sig) || curve.VerifyKeyImage(image, no, sig) {
			t.Errorf("%x is a point", no)
		}
	}
}

func FuzzVerifyKeyImage(f *testing.F) {
	f.Add(unhex(f, imageHex), unhex(f, outputHex), unhex(f, proofHex))
	f.Fuzz(func(t *testing.T, image, key, sig []byte) {
		var i, k [32]byte
		var s [64]byte
		copy(i[:], image)
		copy(k[:], key)
		copy(s[:], sig)
		curve.VerifyKeyImage(i, k, s)
	})
}
