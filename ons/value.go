package ons

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/blake2b"
	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/nacl/secretbox"
)

// Sealed is a value as the chain stores it: encrypted under a key that everybody derives from the name.
type Sealed struct {
	Ciphertext []byte // with the 16 bytes of its tag
	Nonce      []byte // 24 bytes; nil means the argon2 scheme of 2020, which only session values have
}

// ErrSealed means that a sealed value has a length that none of its type has.
var ErrSealed = errors.New("invalid sealed value")

// ErrOpen means that a value does not open with this name: the name is another one, or its owner stored
// garbage, of which consensus checks only the length.
var ErrOpen = errors.New("value does not open with this name")

// ErrValue means that a text or bytes are no value of the type.
var ErrValue = errors.New("invalid value")

const (
	nonceSize   = chacha20poly1305.NonceSizeX // 24
	tagSize     = chacha20poly1305.Overhead   // 16; secretbox.Overhead is the same
	sessionSize = 33                          // 0x05 || X25519 public key
	lokinetSize = 32                          // Ed25519 public key
	walletSize  = 65                          // id || spend || view
	paymentSize = 8                           // payment id of an integrated address
	legacySize  = sessionSize + tagSize       // 49: a stored session value of 2020, without a nonce
)

// plain reports whether values of type t can have n bytes.
func plain(t Type, n int) bool {
	switch t {
	case Session:
		return n == sessionSize
	case Lokinet:
		return n == lokinetSize
	case Wallet:
		return n == walletSize || n == walletSize+paymentSize
	}
	return false
}

// ParseSealed splits a value as transactions carry it and databases store it: ciphertext || nonce, or the 49 bytes
// of a session value of 2020, which has no nonce (spec B.4). It copies. The error wraps ErrSealed.
func ParseSealed(t Type, stored []byte) (Sealed, error) {
	n := len(stored)
	if !storedSize(t, n) {
		return Sealed{}, fmt.Errorf("%w: %d bytes for type %s", ErrSealed, n, t)
	}
	b := bytes.Clone(stored)
	if n == legacySize {
		return Sealed{Ciphertext: b}, nil
	}
	cut := n - nonceSize
	return Sealed{Ciphertext: b[:cut:cut], Nonce: b[cut:]}, nil
}

// storedSize reports whether stored values of type t can have n bytes. No length of today's scheme is legacySize.
func storedSize(t Type, n int) bool {
	return t == Session && n == legacySize || plain(t, n-tagSize-nonceSize)
}

// check reports, as ErrSealed, lengths that no value of type t has.
func (s Sealed) check(t Type) error {
	switch {
	case s.Legacy() && (t != Session || len(s.Ciphertext) != legacySize),
		!s.Legacy() && (len(s.Nonce) != nonceSize || !plain(t, len(s.Ciphertext)-tagSize)):
		return fmt.Errorf("%w: %d bytes with a nonce of %d for type %s", ErrSealed, len(s.Ciphertext), len(s.Nonce), t)
	}
	return nil
}

// Stored returns s in the one piece that transactions carry: ciphertext || nonce.
func (s Sealed) Stored() []byte {
	b := make([]byte, 0, len(s.Ciphertext)+len(s.Nonce))
	return append(append(b, s.Ciphertext...), s.Nonce...)
}

// Legacy reports whether s is in the argon2 scheme of 2020. Opening it takes 256 MiB of memory and up to a second:
// programs bound how many they open at once.
func (s Sealed) Legacy() bool { return s.Nonce == nil }

// Equal reports whether s and o are the same bytes in the same scheme.
func (s Sealed) Equal(o Sealed) bool {
	return s.Legacy() == o.Legacy() && bytes.Equal(s.Ciphertext, o.Ciphertext) && bytes.Equal(s.Nonce, o.Nonce)
}

// Value is what a name stands for, in the clear (spec B.5):
//
//	session   0x05 || X25519 public key                     33 bytes
//	wallet    0 primary or 1 subaddress || spend || view    65 bytes
//	          2 integrated || spend || view || payment id   73 bytes
//	lokinet   Ed25519 public key                            32 bytes
//
// The 0x05 is enforced by wallets only: the chain may hold other first bytes, which a caller should distrust.
type Value struct {
	Type  Type
	Bytes []byte
}

// check reports, as ErrValue, bytes that no value of the type has.
func (v Value) check() error {
	if !plain(v.Type, len(v.Bytes)) {
		return fmt.Errorf("%w: %d bytes for type %s", ErrValue, len(v.Bytes), v.Type)
	}
	if v.Type == Wallet {
		id := v.Bytes[0]
		if id > walletIntegrated || (id == walletIntegrated) != (len(v.Bytes) > walletSize) {
			return fmt.Errorf("%w: wallet of kind %d with %d bytes", ErrValue, id, len(v.Bytes))
		}
	}
	return nil
}

// Open decrypts s, which must be of n's type, with the key derived from n. That it opens proves only that whoever
// sealed it knew the name. The error wraps ErrSealed if s has an impossible length, and ErrOpen if it does not open or
// holds what no value of the type can be (then it wraps ErrValue too).
func (n Name) Open(s Sealed) (Value, error) {
	if err := s.check(n.t); err != nil {
		return Value{}, err
	}
	var b []byte
	if s.Legacy() {
		key := n.legacyKey()
		var ok bool
		if b, ok = secretbox.Open(nil, s.Ciphertext, new([nonceSize]byte), &key); !ok {
			return Value{}, ErrOpen
		}
	} else {
		var err error
		if b, err = newAEAD(n.key()).Open(nil, s.Nonce, s.Ciphertext, nil); err != nil {
			return Value{}, ErrOpen
		}
	}
	v := Value{Type: n.t, Bytes: b}
	if err := v.check(); err != nil {
		return Value{}, fmt.Errorf("%w: %w", ErrOpen, err)
	}
	return v, nil
}

// Seal encrypts v, which must be of n's type, in today's scheme (spec B.2). It reads 24 bytes from nonce, or from
// crypto/rand if that is nil. The error wraps ErrValue, or the reader's.
func (n Name) Seal(v Value, nonce io.Reader) (Sealed, error) {
	if err := n.accepts(v); err != nil {
		return Sealed{}, err
	}
	if nonce == nil {
		nonce = rand.Reader
	}
	x := make([]byte, nonceSize)
	if _, err := io.ReadFull(nonce, x); err != nil {
		return Sealed{}, fmt.Errorf("read nonce: %w", err)
	}
	return Sealed{Ciphertext: newAEAD(n.key()).Seal(nil, x, v.Bytes, nil), Nonce: x}, nil
}

// SealLegacy encrypts v in the scheme of 2020 (spec B.3), for session names only. It takes 256 MiB of memory. Consensus
// still accepts the form, some clients no longer read it (see Client): it is here for tests and fake chains. The error wraps ErrValue.
func (n Name) SealLegacy(v Value) (Sealed, error) {
	if err := n.accepts(v); err != nil {
		return Sealed{}, err
	}
	if n.t != Session {
		return Sealed{}, fmt.Errorf("%w: only session values have the form of 2020", ErrValue)
	}
	key := n.legacyKey()
	return Sealed{Ciphertext: secretbox.Seal(nil, v.Bytes, new([nonceSize]byte), &key)}, nil
}

// accepts reports, as ErrValue, what cannot be sealed under n.
func (n Name) accepts(v Value) error {
	if v.Type != n.t {
		return fmt.Errorf("%w: a %s value for a %s name", ErrValue, v.Type, n.t)
	}
	return v.check()
}

func newAEAD(key [32]byte) cipher.AEAD {
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		panic("ons: internal error: " + err.Error())
	}
	return aead
}

// key is BLAKE2b-256 of the folded name, keyed with its hash.
func (n Name) key() (key [32]byte) {
	hash := n.Hash()
	h, err := blake2b.New256(hash[:])
	if err != nil {
		panic("ons: internal error: " + err.Error())
	}
	h.Write([]byte(n.s))
	h.Sum(key[:0])
	return key
}

// legacyKey is Argon2id 1.3 of the folded name with sixteen zero bytes of salt: libsodium's MODERATE of 2020.
func (n Name) legacyKey() [32]byte {
	const passes, kib, lanes = 3, 256 * 1024, 1
	return [32]byte(argon2.IDKey([]byte(n.s), make([]byte, 16), passes, kib, lanes, 32))
}
