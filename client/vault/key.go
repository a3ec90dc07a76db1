package vault

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
)

// Key opens what belongs to a profile.
type Key [32]byte

// Derive returns a key for one purpose. Keys of different purposes say nothing of each other nor of k.
func (k Key) Derive(purpose string) [32]byte {
	b, err := hkdf.Key(sha256.New, k[:], nil, "courier "+purpose, 32)
	if err != nil {
		panic("vault: internal error: " + err.Error())
	}
	return [32]byte(b)
}

// String hides the key.
func (k Key) String() string { return "vault.Key" }

// GoString hides the key.
func (k Key) GoString() string { return k.String() }

// check is stored in clear, to tell this key from others.
func (k Key) check() (c [checkSize]byte) {
	d := k.Derive("check")
	copy(c[:], d[:])
	return c
}

// fits reports whether k is the key with this check.
func (k Key) fits(check [checkSize]byte) bool {
	own := k.check()
	return subtle.ConstantTimeCompare(own[:], check[:]) == 1
}
