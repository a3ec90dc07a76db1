package onion

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hmac"
	crand "crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/blake2b"
	"golang.org/x/crypto/chacha20poly1305"
)

// Encryption is how a layer and its reply are sealed.
type Encryption uint8

// The kinds of messaging.md D.2.
const (
	AESGCM Encryption = iota // what an absent enc_type means
	XChaCha20
	AESCBC // legacy: not authenticated. Nodes open it and answer in it; clients should not choose it
)

// ErrEncryption means that a text names no kind of encryption.
var ErrEncryption = errors.New("invalid encryption type")

// ErrOpen means that a ciphertext was not sealed with this key, or was changed since.
var ErrOpen = errors.New("does not decrypt")

// ParseEncryption reads an enc_type in any spelling nodes accept; "" is AESGCM. The error is ErrEncryption.
func ParseEncryption(s string) (Encryption, error) {
	switch s {
	case "", "aes-gcm", "gcm":
		return AESGCM, nil
	case "xchacha20", "xchacha20-poly1305":
		return XChaCha20, nil
	case "aes-cbc", "cbc":
		return AESCBC, nil
	}
	return 0, ErrEncryption
}

// String returns the enc_type as it is sent.
func (e Encryption) String() string {
	switch e {
	case AESGCM:
		return "aes-gcm"
	case XChaCha20:
		return "xchacha20"
	case AESCBC:
		return "aes-cbc"
	}
	return fmt.Sprintf("Encryption(%d)", uint8(e))
}

// Key seals and opens one layer and its reply. The zero Key is of no use. It is safe for concurrent use.
type Key struct {
	encryption Encryption
	shared     [32]byte // the X25519 secret
	key        [32]byte // what encryption makes of it
}

// ClientKey returns the key of a layer for its sender. The error is about a public key of low order or an unknown
// encryption.
func ClientKey(e Encryption, ephemeral *ecdh.PrivateKey, server *ecdh.PublicKey) (Key, error) {
	return newKey(e, ephemeral, server, ephemeral.PublicKey(), server)
}

// ServerKey returns the key of a layer for its receiver, the same as ClientKey's. The error is about a public key of low
// order or an unknown encryption.
func ServerKey(e Encryption, server *ecdh.PrivateKey, ephemeral *ecdh.PublicKey) (Key, error) {
	return newKey(e, server, ephemeral, ephemeral, server.PublicKey())
}

func newKey(e Encryption, own *ecdh.PrivateKey, other, client, server *ecdh.PublicKey) (Key, error) {
	ss, err := own.ECDH(other)
	if err != nil {
		return Key{}, fmt.Errorf("agree on a key: %w", err)
	}
	k := Key{encryption: e, shared: [32]byte(ss)}
	switch e {
	case AESGCM:
		k.key = gcmKey(k.shared)
	case XChaCha20:
		both := append(append(ss, client.Bytes()...), server.Bytes()...)
		k.key = blake2b.Sum256(both)
	case AESCBC:
		k.key = k.shared
	default:
		return Key{}, ErrEncryption
	}
	return k, nil
}

func gcmKey(shared [32]byte) [32]byte {
	h := hmac.New(sha256.New, []byte("LOKI"))
	h.Write(shared[:])
	return [32]byte(h.Sum(nil))
}

// String hides the key.
func (k Key) String() string { return "onion.Key(" + k.encryption.String() + ")" }

// GoString hides the key.
func (k Key) GoString() string { return k.String() }

func (k Key) aead() cipher.AEAD {
	if k.encryption == XChaCha20 {
		a, err := chacha20poly1305.NewX(k.key[:])
		if err != nil {
			panic("onion: internal error: " + err.Error())
		}
		return a
	}
	a, err := cipher.NewGCM(k.block())
	if err != nil {
		panic("onion: internal error: " + err.Error())
	}
	return a
}

func (k Key) block() cipher.Block {
	b, err := aes.NewCipher(k.key[:])
	if err != nil {
		panic("onion: internal error: " + err.Error())
	}
	return b
}

// Seal returns a fresh nonce and plain sealed. A nil rand means crypto/rand, which everything but a test wants; the
// error is rand's.
func (k Key) Seal(rand io.Reader, plain []byte) ([]byte, error) {
	if rand == nil {
		rand = crand.Reader
	}
	if k.encryption == AESCBC {
		return k.sealCBC(rand, plain)
	}
	a := k.aead()
	nonce := make([]byte, a.NonceSize(), a.NonceSize()+len(plain)+a.Overhead())
	if _, err := io.ReadFull(rand, nonce); err != nil {
		return nil, fmt.Errorf("choose a nonce: %w", err)
	}
	return a.Seal(nonce, nonce, plain, nil), nil
}

// Open returns what was sealed, in memory of its own. The error is ErrOpen.
func (k Key) Open(sealed []byte) ([]byte, error) {
	if k.encryption == AESCBC {
		return k.openCBC(sealed)
	}
	a := k.aead()
	n := a.NonceSize()
	if len(sealed) < n {
		return nil, ErrOpen
	}
	plain, err := a.Open(nil, sealed[:n], sealed[n:], nil)
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

func (k Key) sealCBC(rand io.Reader, plain []byte) ([]byte, error) {
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	b := make([]byte, aes.BlockSize+len(plain)+pad)
	iv, body := b[:aes.BlockSize], b[aes.BlockSize:]
	if _, err := io.ReadFull(rand, iv); err != nil {
		return nil, fmt.Errorf("choose a nonce: %w", err)
	}
	copy(body, plain)
	for i := range pad {
		body[len(plain)+i] = byte(pad)
	}
	cipher.NewCBCEncrypter(k.block(), iv).CryptBlocks(body, body)
	return b, nil
}

func (k Key) openCBC(sealed []byte) ([]byte, error) {
	if len(sealed) < 2*aes.BlockSize || len(sealed)%aes.BlockSize != 0 {
		return nil, ErrOpen
	}
	plain := make([]byte, len(sealed)-aes.BlockSize)
	cipher.NewCBCDecrypter(k.block(), sealed[:aes.BlockSize]).CryptBlocks(plain, sealed[aes.BlockSize:])
	// That padding can be probed is the protocol's: it has no other check, and an answer shows the rest anyway.
	pad := int(plain[len(plain)-1])
	if pad == 0 || pad > aes.BlockSize {
		return nil, ErrOpen
	}
	for _, b := range plain[len(plain)-pad:] {
		if int(b) != pad {
			return nil, ErrOpen
		}
	}
	return plain[:len(plain)-pad], nil
}
