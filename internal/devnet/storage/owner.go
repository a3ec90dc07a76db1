package storage

import (
	"crypto/ed25519"

	"onsight/internal/curve"
	"onsight/internal/snode"
)

// owner is whose messages a request is about, and the proof that it may ask.
type owner struct {
	id        snode.ID
	key       *[32]byte // pubkey_ed25519
	signature [signatureSize]byte
	token     *snode.Token
	tokenSig  [signatureSize]byte
}

// credentials are an owner's parameters before they are checked: types come first, for all parameters, then what is missing.
type credentials struct {
	pubkey, key, signature, token, tokenSig          string
	hasPubkey, hasKey, signed, hasToken, hasTokenSig bool
}

// pubkey and signature read the credentials in two goes, because other parameters come between them in the alphabet.
func (p *params) pubkey(c *credentials, alternative bool) {
	if alternative {
		c.pubkey, c.hasPubkey = alias(p, "pubkey", "pubKey", p.text)
	} else {
		c.pubkey, c.hasPubkey = p.text("pubkey")
	}
	c.key, c.hasKey = p.text("pubkey_ed25519")
}

func (p *params) signature(c *credentials) {
	c.signature, c.signed = p.text("signature")
	c.token, c.hasToken = p.text("subaccount")
	c.tokenSig, c.hasTokenSig = p.text("subaccount_sig")
}

// owner checks credentials; the signature is required.
func (p *params) owner(c credentials) owner {
	o := owner{id: p.id(c.pubkey, c.hasPubkey, badPubkey)}
	if p.err != nil {
		return o
	}
	if c.hasKey {
		if o.id.Prefix() != snode.Session {
			p.fail("pubkey_ed25519 is only permitted for 05[...] pubkeys")
			return o
		}
		key := p.parseKey(c.key)
		o.key = &key
	}
	if c.hasToken {
		t, err := snode.ParseToken(c.token)
		if err != nil {
			p.fail("invalid subaccount: expected base64 or hex-encoded subaccount token")
		}
		if !c.hasTokenSig {
			p.fail("invalid subaccount: subaccount_sig is required when using subaccount")
		}
		var ok bool
		if o.tokenSig, ok = parseSignature(c.tokenSig); !ok {
			p.fail("invalid subaccount signature: expected base64 encoded Ed25519 signature")
		}
		o.token = &t
	}
	p.require("signature", c.signed)
	if p.err != nil {
		return o
	}
	var ok bool
	if o.signature, ok = parseSignature(c.signature); !ok {
		p.fail("invalid signature: expected base64 encoded Ed25519 signature")
	}
	return o
}

// account is the key that rules the account; false: what was given does not belong to it.
func (o *owner) account() (ed25519.PublicKey, bool) {
	if o.key == nil {
		// Of a session id that sent no pubkey_ed25519 this is an X25519 key, under which nothing verifies.
		return ed25519.PublicKey(o.id[1:]), true
	}
	x, err := curve.PublicX25519(o.key[:])
	return ed25519.PublicKey(o.key[:]), err == nil && x == [32]byte(o.id[1:])
}

// allowed says whether the owner's key, or its subaccount with all it needs, signed the text. Revoked subaccounts may do nothing,
// unless the caller says otherwise.
func (s *Server) allowed(o *owner, need snode.Flags, text []byte, revokedToo bool) bool {
	key, ok := o.account()
	if !ok {
		return false
	}
	if t := o.token; t != nil {
		if !t.Allows(o.id, need) || !revokedToo && s.box.isRevoked(o.id, *t) || !ed25519.Verify(key, t[:], o.tokenSig[:]) {
			return false
		}
		member := t.Key()
		key = member[:]
	}
	return ed25519.Verify(key, text, o.signature[:])
}

// rules says whether the account's own key signed; a subaccount will not do.
func (o *owner) rules(text []byte) bool {
	key, ok := o.account()
	return ok && ed25519.Verify(key, text, o.signature[:])
}
