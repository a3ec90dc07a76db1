package envelope

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"fmt"
	"io"

	"golang.org/x/crypto/blake2b"
	"golang.org/x/crypto/nacl/secretbox"
	//lint:ignore SA1019 a box's key is HSalsa20 of a secret, which is offered nowhere else without working the secret out again
	"golang.org/x/crypto/salsa20/salsa"

	"onsight/internal/curve"
)

const (
	block   = 160                                           // padded contents are a multiple of this
	trailer = ed25519.PublicKeySize + ed25519.SignatureSize // what follows the padded content
	head    = 32                                            // the ephemeral key
)

// pad returns content and its padding, with room for what seal appends. A content that fills its blocks with the mark gets
// another block, as libsession does it.
func pad(content []byte) []byte {
	n := len(content) + 1
	size := n + block - n%block
	padded := make([]byte, size, size+trailer)
	padded[copy(padded, content)] = 0x80
	return padded
}

// unpad takes the padding away: zeros, and the mark before them. What has no mark is returned as it is, as all clients do.
func unpad(b []byte) []byte {
	cut := bytes.TrimRight(b, "\x00")
	if len(cut) > 0 && cut[len(cut)-1] == 0x80 {
		return cut[:len(cut)-1]
	}
	return b
}

// seal signs what is padded and boxes it for the recipient. It may write behind padded. The error is that of rand, or
// ErrRecipient.
func seal(rand io.Reader, from *Keys, to [32]byte, padded []byte) ([]byte, error) {
	plain := append(padded, from.Public()...)
	// The recipient's key is signed, not sent: the signature takes its place.
	plain = append(plain, ed25519.Sign(from.ed, append(plain, to[:]...))...)

	var secret [32]byte
	if _, err := io.ReadFull(rand, secret[:]); err != nil {
		return nil, fmt.Errorf("choose a key: %w", err)
	}
	public := curve.BaseX25519(secret)
	shared, err := curve.X25519(secret, to)
	if err != nil {
		return nil, ErrRecipient
	}
	out := make([]byte, head, head+secretbox.Overhead+len(plain))
	copy(out, public[:])
	return secretbox.Seal(out, plain, nonce(public, to), boxKey(shared)), nil
}

// open opens a box and checks who signed it. It returns the content and the sender's X25519 key. The error is ErrOpen or
// ErrSignature.
func open(own *Keys, box []byte) (content []byte, sender [32]byte, err error) {
	if len(box) < head+secretbox.Overhead+trailer {
		return nil, sender, ErrOpen
	}
	ephemeral, err := ecdh.X25519().NewPublicKey(box[:head])
	if err != nil {
		return nil, sender, ErrOpen
	}
	shared, err := own.x.ECDH(ephemeral)
	if err != nil { // of low order
		return nil, sender, ErrOpen
	}
	to := [32]byte(own.id[1:])
	plain, ok := secretbox.Open(nil, box[head:], nonce([32]byte(box[:head]), to), boxKey([32]byte(shared)))
	if !ok {
		return nil, sender, ErrOpen
	}
	size := len(plain) - trailer
	signer := ed25519.PublicKey(plain[size : size+ed25519.PublicKeySize])
	signature := bytes.Clone(plain[size+ed25519.PublicKeySize:])
	signed := append(plain[:size+ed25519.PublicKeySize], to[:]...)
	if !ed25519.Verify(signer, signed, signature) {
		return nil, sender, ErrSignature
	}
	if sender, err = curve.PublicX25519(signer); err != nil {
		return nil, sender, ErrSignature
	}
	return unpad(plain[:size:size]), sender, nil
}

// nonce is what libsodium's sealed boxes use: no two messages share an ephemeral key.
func nonce(ephemeral, recipient [32]byte) *[24]byte {
	h, err := blake2b.New(24, nil)
	if err != nil {
		panic("envelope: internal error: " + err.Error())
	}
	h.Write(ephemeral[:])
	h.Write(recipient[:])
	var n [24]byte
	h.Sum(n[:0])
	return &n
}

// boxKey is NaCl's: HSalsa20 of the shared secret.
func boxKey(shared [32]byte) *[32]byte {
	var key [32]byte
	salsa.HSalsa20(&key, new([16]byte), &shared, &salsa.Sigma)
	return &key
}
