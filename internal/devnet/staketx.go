package devnet

import (
	"encoding/binary"
	"encoding/hex"
	"math"

	"golang.org/x/crypto/sha3"

	"onsight/internal/curve"
	"onsight/ons"
)

// registration is the body of a 0x70 field in the form of HF19: whole amounts, not portions.
type registration struct {
	wallets []ons.Owner
	amounts []uint64
	fee     uint64 // of 10,000
	fork    uint64
}

// contribution is what a type-3 transaction stakes: fields 0x73 to 0x76 with the outputs they open.
type contribution struct {
	node   [32]byte
	wallet ons.Owner
	locked []locked
	amount uint64 // of all of them
}

// locked is one output that is staked. While it is, its key image may not be spent.
type locked struct {
	image, key [32]byte
	amount     uint64
}

// vote is the body of a 0x78 field: what a quorum's validators want done to the node it tested at index.
type vote struct {
	state, height, index uint64
	voters               []uint64
	signatures           [][]byte
	all, some            uint64 // reasons, spec F.2
}

// first returns the body of the first field with a tag, nil if there is none.
func first(fields []field, tag byte) []byte {
	for _, f := range fields {
		if f.tag == tag {
			return f.body
		}
	}
	return nil
}

func parseRegistration(body []byte) (r registration, ok bool) {
	c := &cursor{b: body}
	spend := c.keys(c.count(32))
	view := c.keys(c.count(32))
	r.fee = binary.LittleEndian.Uint64(append(c.bytes(8), make([]byte, 8)...))
	for n := c.count(1); n > 0 && c.err == nil; n-- {
		r.amounts = append(r.amounts, c.varint())
	}
	r.fork = binary.LittleEndian.Uint64(append(c.bytes(8), make([]byte, 8)...))
	c.bytes(64)
	if c.err != nil || len(spend) == 0 || len(spend) != len(view) || len(spend) != len(r.amounts) {
		return r, false
	}
	for i := range spend {
		r.wallets = append(r.wallets, ons.Owner{Kind: ons.OwnerWallet, Key: [32]byte(spend[i]), View: [32]byte(view[i])})
	}
	return r, true
}

// contribution opens the outputs that were staked. The transaction's secret key and the contributor's address are in the extra for
// that: the output of index i belongs to the contributor if its key is Hs(8rV || i)·G + S, and holds amount XOR keccak("amount" ||
// Hs). Change to the same address is told from a stake by the proofs: only a stake has one. Those of made transactions are random: where
// none verifies, every output that is the contributor's is a stake, and a made transaction has one.
func (t *transaction) contribution(fields []field) (c contribution, ok bool) {
	node, wallet, secret, proofs := first(fields, 0x74), first(fields, 0x73), first(fields, 0x75), first(fields, 0x76)
	if node == nil || wallet == nil || secret == nil || proofs == nil {
		return c, false
	}
	c.node = [32]byte(node)
	c.wallet = ons.Owner{Kind: ons.OwnerWallet, Key: [32]byte(wallet[:32]), View: [32]byte(wallet[32:])}
	derivation, err := curve.Derivation(c.wallet.View, [32]byte(secret))
	if err != nil {
		return c, false
	}
	rct, base, _ := t.ringct()
	if !base {
		return c, false
	}
	var unproven []locked
	for i, out := range t.vout {
		hidden := curve.OutputSecret(derivation, uint64(i))
		key, err := curve.OutputKey(hidden, c.wallet.Key)
		if err != nil || [32]byte(out.key) != key {
			continue
		}
		l := locked{key: key, amount: hideAmount(hidden, binary.LittleEndian.Uint64(rct.ecdh[i]))}
		proven := false
		images := &cursor{b: proofs}
		for n := images.count(96); n > 0 && !proven; n-- {
			l.image = [32]byte(images.bytes(32))
			proven = curve.VerifyKeyImage(l.image, key, [64]byte(images.bytes(64)))
		}
		if proven {
			c.locked = append(c.locked, l)
		} else if images.at > 1 {
			unproven = append(unproven, l)
		}
	}
	if len(c.locked) == 0 {
		c.locked = unproven
	}
	for _, l := range c.locked {
		if l.amount > math.MaxInt64-c.amount {
			return c, false // no amount anybody has
		}
		c.amount += l.amount
	}
	return c, c.amount > 0
}

// hideAmount hides an amount, and shows a hidden one.
func hideAmount(secret [32]byte, amount uint64) uint64 {
	h := sha3.NewLegacyKeccak256()
	h.Write([]byte("amount"))
	h.Write(secret[:])
	return amount ^ binary.LittleEndian.Uint64(h.Sum(nil))
}

func parseVote(body []byte) (v vote, ok bool) {
	c := &cursor{b: body}
	v.state = c.varint()
	long := v.state == 4
	if long {
		v.state = c.varint()
	}
	v.height, v.index = c.varint(), c.varint()
	for n := c.count(65); n > 0 && c.err == nil; n-- {
		v.voters = append(v.voters, c.varint())
		v.signatures = append(v.signatures, c.bytes(64))
	}
	if long {
		v.all, v.some = c.varint(), c.varint()
	}
	return v, c.err == nil && v.state <= 3
}

// stakeExtra adds to an extra as get_transactions shows it what a field says about service nodes (spec E.8).
func (c *Chain) stakeExtra(o object, f field) {
	switch f.tag {
	case 0x70:
		if r, ok := parseRegistration(f.body); ok {
			o.set("sn_registration", c.registrationObject(r))
		}
	case 0x73:
		wallet := ons.Owner{Kind: ons.OwnerWallet, Key: [32]byte(f.body[:32]), View: [32]byte(f.body[32:])}
		o.set("sn_contributor", wallet.Text(c.network))
	case 0x74:
		o.set("sn_pubkey", hex.EncodeToString(f.body))
	case 0x75:
		o.set("tx_secret_key", hex.EncodeToString(f.body))
	case 0x76:
		var images []string
		b := &cursor{b: f.body}
		for n := b.count(96); n > 0; n-- {
			images = append(images, hex.EncodeToString(b.bytes(96)[:32]))
		}
		if len(images) > 0 {
			o.set("locked_key_images", images)
		}
	case 0x77:
		o.set("key_image_unlock", hex.EncodeToString(f.body[:32]))
	}
}

func (c *Chain) registrationObject(r registration) any {
	contributors := []map[string]any{}
	for i, w := range r.wallets {
		contributors = append(contributors, map[string]any{
			"amount": r.amounts[i], "portion": mulDiv(min(r.amounts[i], c.requirement()), 1_000_000, c.requirement()), "wallet": w.Text(c.network),
		})
	}
	return map[string]any{"contributors": contributors, "fee": min(r.fee, feeBasis) * (1_000_000 / feeBasis), "hardfork": r.fork}
}

// appendStake appends a type-3 transaction's stake_amount after a comma; nothing for others.
func (t *transaction) appendStake(b []byte) []byte {
	if t.kind != 3 {
		return b
	}
	fields, _ := splitExtra(t.extra)
	if got, ok := t.contribution(fields); ok {
		b = appendUint(b, `,"stake_amount":`, got.amount)
	}
	return b
}
