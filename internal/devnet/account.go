package devnet

import (
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/binary"
	"io"
	"math/big"
	"slices"

	"golang.org/x/crypto/blake2b"
	"golang.org/x/crypto/sha3"

	"onsight/ons"
)

// Account is a made-up person who can own names: a wallet (a CryptoNote spend and view key) or a single ed25519 key. The zero Account
// owns nothing and signs nothing. Accounts are values and may be copied.
type Account struct {
	owner ons.Owner
	seed  []byte // of the ed25519 key, or of the spend key
}

// NewAccount makes the account of a seed; the same seed and kind always make the same one. Its keys are worth nothing: whoever knows the
// seed has them.
func NewAccount(seed uint64, kind ons.OwnerKind) Account {
	part := func(which byte) []byte {
		d := blake2b.Sum256(binary.LittleEndian.AppendUint64([]byte{'d', 'e', 'v', 'n', 'e', 't', which}, seed))
		return d[:]
	}
	switch kind {
	case ons.OwnerEd25519:
		return newAccount(part('k'), nil)
	case ons.OwnerWallet:
		return newAccount(part('s'), part('v'))
	}
	return Account{}
}

// newAccount makes the account of a secret seed: a wallet if it has a view seed too.
func newAccount(seed, view []byte) Account {
	public := func(seed []byte) [32]byte { return [32]byte(ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)) }
	a := Account{seed: slices.Clone(seed), owner: ons.Owner{Kind: ons.OwnerEd25519, Key: public(seed)}}
	if view != nil {
		a.owner.Kind, a.owner.View = ons.OwnerWallet, public(view)
	}
	return a
}

// Owner returns the account as transactions name it.
func (a Account) Owner() ons.Owner { return a.owner }

// Address returns what the account is called on a network: a wallet's address, or the hex digits of the key.
func (a Account) Address(n ons.Network) string { return a.owner.Text(n) }

// String returns the account's address on a private network: what can be shown of it.
func (a Account) String() string { return a.Address(ons.Fakechain) }

// order is that of the group both kinds of key live in.
var order, _ = new(big.Int).SetString("1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed", 16)

// sign signs an update's message (spec A.7). The nonce of a wallet's signature is drawn from random.
func (a Account) sign(message []byte, random io.Reader) ons.Signature {
	s := ons.Signature{Kind: a.owner.Kind}
	switch a.owner.Kind {
	case ons.OwnerEd25519:
		s.Bytes = [64]byte(ed25519.Sign(ed25519.NewKeyFromSeed(a.seed), digest(message)))
	case ons.OwnerWallet:
		s.Bytes = a.schnorr(digest(message), random)
	}
	return s
}

// schnorr makes a CryptoNote signature: c = keccak(digest || A || kG), r = k - ca. Points come from crypto/ed25519, whose public key of a
// seed is that seed's scalar times the base point.
func (a Account) schnorr(digest []byte, random io.Reader) (sig [64]byte) {
	var nonce [64]byte
	if _, err := io.ReadFull(random, nonce[:]); err != nil {
		panic("devnet: internal error: " + err.Error())
	}
	once := sha512.Sum512(nonce[:])
	commit := ed25519.NewKeyFromSeed(once[:32])
	h := sha3.NewLegacyKeccak256()
	h.Write(digest)
	h.Write(a.owner.Key[:])
	h.Write(commit.Public().(ed25519.PublicKey))
	c := littleEndian(h.Sum(nil))
	r := scalar(commit.Seed())
	r.Sub(r, new(big.Int).Mul(c, scalar(a.seed))).Mod(r, order)
	for i, v := range [...]*big.Int{c, r} {
		part := sig[i*32 : i*32+32]
		v.FillBytes(part)
		slices.Reverse(part)
	}
	return sig
}

// scalar is the secret scalar of an ed25519 seed (RFC 8032, 5.1.5).
func scalar(seed []byte) *big.Int {
	h := sha512.Sum512(seed)
	h[0] &= 248
	h[31] = h[31]&127 | 64
	return littleEndian(h[:32])
}

func littleEndian(b []byte) *big.Int {
	b = slices.Clone(b)
	slices.Reverse(b)
	v := new(big.Int).SetBytes(b)
	return v.Mod(v, order)
}
