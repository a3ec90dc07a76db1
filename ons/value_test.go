package ons

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// V1 to V12 through every entry point.
func TestNameVectors(t *testing.T) {
	for _, v := range readVectors(t).Names {
		t.Run(v.ID, func(t *testing.T) {
			n := Name{t: v.Type, s: v.Name}
			if v.ID != "V12" { // whose name is not legal
				given := v.Name
				if v.Input != "" {
					given = v.Input
				}
				if n = mustName(t, v.Type, given); n.String() != v.Name {
					t.Errorf("got name %q, want %q", n, v.Name)
				}
			}
			if h := n.Hash(); h.String() != v.Hash || h.Base64() != v.Base64 {
				t.Errorf("got hash %s %s, want %s %s", h, h.Base64(), v.Hash, v.Base64)
			}
			checkHashForms(t, n.Hash())

			stored := unhex(t, v.Stored)
			sealed, err := ParseSealed(v.Type, stored)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(sealed.Stored(), stored) || hex.EncodeToString(sealed.Nonce) != v.Nonce ||
				v.Ciphertext != "" && hex.EncodeToString(sealed.Ciphertext) != v.Ciphertext {
				t.Errorf("got %x with nonce %x", sealed.Ciphertext, sealed.Nonce)
			}
			got, err := n.Open(sealed)
			if err != nil {
				t.Fatal(err)
			}
			if hex.EncodeToString(got.Bytes) != v.Plaintext || got.Type != v.Type {
				t.Errorf("got %x of type %s, want %s", got.Bytes, got.Type, v.Plaintext)
			}
			var again Sealed
			if sealed.Legacy() { // its key is taken for right if it opens and seals: each takes 256 MiB
				again, err = n.SealLegacy(got)
			} else {
				if key := n.key(); hex.EncodeToString(key[:]) != v.Key {
					t.Errorf("got key %x, want %s", key, v.Key)
				}
				again, err = n.Seal(got, bytes.NewReader(sealed.Nonce))
			}
			if err != nil || !again.Equal(sealed) {
				t.Errorf("sealed again: got %x, %v, want %x", again.Stored(), err, stored)
			}
			if v.Text == "" {
				return
			}
			if text, err := got.Text(Mainnet); text != v.Text || err != nil {
				t.Errorf("got text %q, %v, want %q", text, err, v.Text)
			}
			if back, err := ParseValue(v.Type, v.Text, Mainnet); !bytes.Equal(back.Bytes, got.Bytes) || err != nil {
				t.Errorf("ParseValue: got %x, %v, want %x", back.Bytes, err, got.Bytes)
			}
		})
	}
}

func TestLibsessionVectors(t *testing.T) {
	type vector struct {
		Name      string
		Base64    string `json:"name_hash_b64"`
		SessionID string `json:"session_id"`
		Cipher    string `json:"ciphertext_hex"`
		Nonce     string `json:"nonce_hex"`
		Key       string `json:"argon2_key"`
	}
	var file struct {
		ONS struct {
			Modern []vector
			Legacy []vector `json:"legacy_argon2"`
		}
	}
	readJSON(t, "testdata/libsession.json", &file)
	if len(file.ONS.Modern) != 5 || len(file.ONS.Legacy) != 5 {
		t.Fatalf("%d modern and %d legacy vectors", len(file.ONS.Modern), len(file.ONS.Legacy))
	}
	first := file.ONS.Legacy[0]
	if key := mustName(t, Session, first.Name).legacyKey(); hex.EncodeToString(key[:]) != first.Key {
		t.Errorf("got another argon2 key than %s", first.Key)
	}
	for _, v := range append(file.ONS.Modern, file.ONS.Legacy...) {
		t.Run(v.Name, func(t *testing.T) {
			n := mustName(t, Session, v.Name)
			if got := n.Hash().Base64(); got != v.Base64 {
				t.Errorf("got hash %s, want %s", got, v.Base64)
			}
			sealed := sealedOf(t, v.Cipher, v.Nonce)
			if sealed.Legacy() != (v.Key != "") {
				t.Errorf("legacy: %v", sealed.Legacy())
			}
			if parsed, err := ParseSealed(Session, sealed.Stored()); err != nil || !parsed.Equal(sealed) {
				t.Errorf("ParseSealed: got %v, %v", parsed, err)
			}
			value, err := n.Open(sealed)
			if err != nil {
				t.Fatal(err)
			}
			if text, err := value.Text(Testnet); text != v.SessionID || err != nil {
				t.Errorf("got %s, %v, want %s", text, err, v.SessionID)
			}
			if v.Key != "" {
				return
			}
			back, err := ParseValue(Session, v.SessionID, Mainnet)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := n.Seal(back, bytes.NewReader(sealed.Nonce)); err != nil || !again.Equal(sealed) {
				t.Errorf("sealed again: got %x, %v", again.Stored(), err)
			}
		})
	}
}

// The negative vectors of spec B.7, and other values that must not open.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	all := readVectors(t).Names
	v1, v2, v12 := all[0], all[1], all[11]
	session, legacy := sealedOf(t, v1.Ciphertext, v1.Nonce), sealedOf(t, v2.Stored, "")
	bad12 := unhex(t, v12.Stored)
	bad12[0] = 'Z'
	loki, err := ParseSealed(Lokinet, bad12)
	if err != nil {
		t.Fatal(err)
	}
	good12 := sealedOf(t, v12.Ciphertext, v12.Nonce)
	for _, tt := range []struct {
		what string
		n    Name
		s    Sealed
		want error
	}{
		{"NotFolded", Name{Session, "Test"}, session, ErrOpen},
		{"ByteChanged", Name{Lokinet, v12.Name}, loki, ErrOpen},
		{"OtherName", Name{Lokinet, "zy ons name"}, good12, ErrOpen},
		{"LegacyOtherName", Name{Session, "Test"}, legacy, ErrOpen},
		{"OtherType", Name{Wallet, "test"}, session, ErrSealed},
		{"LegacyLokinet", Name{Lokinet, "test"}, legacy, ErrSealed},
		{"LegacyWithNonce", Name{Session, "test"}, Sealed{legacy.Ciphertext, session.Nonce}, ErrOpen},
		{"NonceMissing", Name{Session, "test"}, Sealed{session.Ciphertext, nil}, ErrOpen}, // is taken for the form of 2020
		{"NonceShort", Name{Session, "test"}, Sealed{session.Ciphertext, session.Nonce[:23]}, ErrSealed},
		{"NonceEmpty", Name{Session, "test"}, Sealed{session.Ciphertext, []byte{}}, ErrSealed},
		{"Long", Name{Session, "test"}, Sealed{append(session.Ciphertext, 0), session.Nonce}, ErrSealed},
		{"Empty", Name{Session, "test"}, Sealed{}, ErrSealed},
		{"NoSuchType", Name{7, "test"}, session, ErrSealed},
	} {
		t.Run(tt.what, func(t *testing.T) {
			v, err := tt.n.Open(tt.s)
			wantErr(t, err, tt.want)
			if v.Bytes != nil {
				t.Errorf("got %x", v.Bytes)
			}
		})
	}
}

// An owner can store a wallet value whose kind and length do not fit.
func TestOpenGarbage(t *testing.T) {
	t.Parallel()
	n := mustName(t, Wallet, "satoshi")
	for _, b := range [][]byte{append([]byte{2}, fill(1, 64)...), append([]byte{0}, fill(1, 72)...), append([]byte{3}, fill(1, 72)...), append([]byte{3}, fill(1, 64)...)} {
		if _, err := n.Seal(Value{Wallet, b}, nil); !errors.Is(err, ErrValue) {
			t.Errorf("Seal of kind %d, %d bytes: got %v", b[0], len(b), err)
		}
		v := Value{Wallet, b}
		if _, err := v.Text(Mainnet); !errors.Is(err, ErrValue) {
			t.Errorf("Text of kind %d, %d bytes: got %v", b[0], len(b), err)
		}
		_, err := n.Open(sealRaw(n, b))
		wantErr(t, err, ErrOpen)
		wantErr(t, err, ErrValue)
	}
}

func TestSealRefuses(t *testing.T) {
	t.Parallel()
	n := mustName(t, Session, "test")
	loki := mustName(t, Lokinet, "test")
	good := Value{Session, fill(5, 33)}
	for _, v := range []Value{{}, {Lokinet, fill(0, 32)}, {Session, fill(5, 32)}, {Session, fill(5, 34)}, {Type(4), fill(0, 32)}} {
		_, err := n.Seal(v, nil)
		wantErr(t, err, ErrValue)
		_, err = n.SealLegacy(v)
		wantErr(t, err, ErrValue)
	}
	_, err := loki.SealLegacy(Value{Lokinet, fill(0, 32)})
	wantErr(t, err, ErrValue)
	_, err = n.Seal(good, strings.NewReader("too short"))
	wantErr(t, err, io.ErrUnexpectedEOF)
	_, err = n.Seal(good, iotest.ErrReader(errors.New("no entropy")))
	if err == nil {
		t.Error("Seal without a nonce: no error")
	}
	a, err := n.Seal(good, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := n.Seal(good, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if a.Equal(b) {
		t.Error("two seals have the same nonce")
	}
}

func TestParseSealed(t *testing.T) {
	t.Parallel()
	sizes := map[Type][]int{Session: {49, 73}, Wallet: {105, 113}, Lokinet: {72}, Type(3): nil}
	for typ, want := range sizes {
		var got []int
		for n := range 200 {
			stored := fill(0, n)
			s, err := ParseSealed(typ, stored)
			if err != nil {
				wantErr(t, err, ErrSealed)
				continue
			}
			got = append(got, n)
			if s.Legacy() != (n == 49) || !bytes.Equal(s.Stored(), stored) {
				t.Errorf("%s of %d bytes: got %+v", typ, n, s)
			}
			stored[0]++
			if s.Ciphertext[0] == stored[0] {
				t.Error("the sealed value is not a copy")
			}
		}
		if len(got) != len(want) || len(want) > 0 && (got[0] != want[0] || got[len(got)-1] != want[len(want)-1]) {
			t.Errorf("%s: sizes %v accepted, want %v", typ, got, want)
		}
	}
	legacy, current := Sealed{Ciphertext: fill(0, 49)}, Sealed{Ciphertext: fill(0, 49), Nonce: fill(0, 24)}
	if legacy.Equal(current) || current.Equal(legacy) || !current.Equal(current) || current.Equal(Sealed{fill(0, 49), fill(1, 24)}) {
		t.Error("Equal is wrong")
	}
}

// sealRaw seals what Seal refuses.
func sealRaw(n Name, plaintext []byte) Sealed {
	nonce := fill(0x40, nonceSize)
	return Sealed{Ciphertext: newAEAD(n.key()).Seal(nil, nonce, plaintext, nil), Nonce: nonce}
}

func TestSealOpenProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n, v := drawName(t), Value{}
		v = drawValue(t, n.Type())
		s, err := n.Seal(v, nil)
		if err != nil {
			t.Fatal(err)
		}
		s, err = ParseSealed(n.Type(), s.Stored())
		if err != nil {
			t.Fatal(err)
		}
		got, err := n.Open(s)
		if err != nil || got.Type != v.Type || !bytes.Equal(got.Bytes, v.Bytes) {
			t.Fatalf("got %v, %v, want %v", got, err, v)
		}
		i := rapid.IntRange(0, len(s.Ciphertext)-1).Draw(t, "changed byte")
		s.Ciphertext[i] ^= byte(rapid.IntRange(1, 255).Draw(t, "change"))
		if _, err := n.Open(s); !errors.Is(err, ErrOpen) {
			t.Fatalf("changed: got %v", err)
		}
	})
}

func drawName(t *rapid.T) Name {
	typ := Type(rapid.IntRange(0, 2).Draw(t, "type"))
	n, err := ParseName(typ, rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,20}[a-zA-Z0-9])?x`).
		Filter(func(s string) bool { _, err := ParseName(typ, s); return err == nil }).Draw(t, "name"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func drawBytes(t *rapid.T, n int, label string) []byte {
	return rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, label)
}

func drawValue(t *rapid.T, typ Type) Value {
	v := Value{Type: typ}
	switch typ {
	case Session:
		v.Bytes = append([]byte{5}, drawBytes(t, 32, "key")...)
	case Lokinet:
		v.Bytes = drawBytes(t, 32, "key")
	case Wallet:
		id := byte(rapid.IntRange(0, 2).Draw(t, "kind"))
		v.Bytes = append([]byte{id}, drawBytes(t, 64, "keys")...)
		if id == walletIntegrated {
			v.Bytes = append(v.Bytes, drawBytes(t, 8, "payment id")...)
		}
	}
	return v
}
