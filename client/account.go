package client

import (
	"crypto/ed25519"

	"onsight/client/internal/envelope"
)

// prefix is the first byte of an account's id.
const prefix = envelope.Prefix

// Account is a seed and the keys that follow from it. It is safe for concurrent use.
type Account struct {
	seed Seed
	keys *envelope.Keys
}

// NewAccount returns the account of a seed, a new one or one that was restored from words.
func NewAccount(seed Seed) *Account {
	return &Account{seed: seed, keys: envelope.NewKeys(seed.wide())}
}

// ID returns the address of the account.
func (a *Account) ID() ID { return a.keys.ID() }

// Seed returns the secret that the account can be restored from, to be shown to its owner (Seed.Words).
func (a *Account) Seed() Seed { return a.seed }

// Public returns the key that the account signs with, which storage servers want to know.
func (a *Account) Public() ed25519.PublicKey { return a.keys.Public() }

// Sign signs a text, such as a request to a storage server.
func (a *Account) Sign(text []byte) []byte { return a.keys.Sign(text) }

// String returns the id and hides the rest.
func (a *Account) String() string { return a.ID().String() }

// GoString hides the keys.
func (a *Account) GoString() string { return "client.Account(" + a.String() + ")" }
