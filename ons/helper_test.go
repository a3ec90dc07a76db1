package ons

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatalf("decode %q: %v", s, err)
	}
	return b
}

func readJSON(t testing.TB, path string, to any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, to); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got error %v, want %v", err, want)
	}
}

func mustName(t testing.TB, typ Type, s string) Name {
	t.Helper()
	n, err := ParseName(typ, s)
	if err != nil {
		t.Fatalf("ParseName(%s, %q): %v", typ, s, err)
	}
	return n
}

// vectors are the parts of testdata/chain.json that concern names.
type vectors struct {
	Names []struct {
		ID, Name, Input, Scheme, Key, Plaintext, Stored, Ciphertext, Nonce, Text string
		Type                                                                     Type
		Hash                                                                     string `json:"name_hash"`
		Base64                                                                   string `json:"name_hash_b64"`
	}
	Extras []struct {
		ID, Desc, Extra, Message, Digest, Signature string
		Len                                         int
		Signer                                      string `json:"signer_ed25519"`
	} `json:"tx_extra"`
	Monero struct{ Pubkey, Digest, Signature string } `json:"monero_sig"`
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	var v vectors
	readJSON(t, "testdata/chain.json", &v)
	if len(v.Names) != 12 || len(v.Extras) != 5 {
		t.Fatalf("%d names and %d extras in chain.json", len(v.Names), len(v.Extras))
	}
	return v
}

// extra returns the extra of vector id.
func (v vectors) extra(t testing.TB, id string) []byte {
	t.Helper()
	for _, e := range v.Extras {
		if e.ID == id {
			return unhex(t, e.Extra)
		}
	}
	t.Fatalf("no vector %s", id)
	return nil
}

// op returns the operation of vector id.
func (v vectors) op(t testing.TB, id string) Op {
	t.Helper()
	op, err := ParseExtra(v.extra(t, id))
	if err != nil {
		t.Fatalf("%s: %v", id, err)
	}
	return op
}

// sealedOf assembles a sealed value from two texts; an empty nonce means none.
func sealedOf(t testing.TB, ciphertext, nonce string) Sealed {
	t.Helper()
	s := Sealed{Ciphertext: unhex(t, ciphertext)}
	if nonce != "" {
		s.Nonce = unhex(t, nonce)
	}
	return s
}

// fill returns n bytes that count up from first.
func fill(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
