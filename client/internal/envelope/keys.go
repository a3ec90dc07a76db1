package envelope

import (
	"crypto/ecdh"
	"crypto/ed25519"

	"onsight/internal/curve"
)

// Prefix is the first byte of the id of an account.
const Prefix = 0x05

// Keys are those of an account, worked out once. They are safe for concurrent use.
type Keys struct {
	ed ed25519.PrivateKey
	x  *ecdh.PrivateKey
	id [33]byte
}

// NewKeys returns the keys that belong to the seed of an Ed25519 key.
func NewKeys(seed [32]byte) *Keys {
	k := &Keys{ed: ed25519.NewKeyFromSeed(seed[:]), id: [33]byte{Prefix}}
	secret := curve.PrivateX25519(k.ed)
	x, err := ecdh.X25519().NewPrivateKey(secret[:])
	if err != nil {
		panic("envelope: internal error: " + err.Error())
	}
	k.x = x
	copy(k.id[1:], x.PublicKey().Bytes())
	return k
}

// ID returns the account's id: Prefix and its X25519 key.
func (k *Keys) ID() [33]byte { return k.id }

// Public returns the Ed25519 key that the account signs with.
func (k *Keys) Public() ed25519.PublicKey { return k.ed.Public().(ed25519.PublicKey) }

// Sign signs what a storage server asks to be signed.
func (k *Keys) Sign(text []byte) []byte { return ed25519.Sign(k.ed, text) }

// String hides the keys.
func (k *Keys) String() string { return "envelope.Keys" }

// GoString hides the keys.
func (k *Keys) GoString() string { return k.String() }
