package devnet

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"

	"onsight/ons"
)

// What a RefusalError may wrap, beside ErrDoubleSpend.
var (
	ErrRegistered = errors.New("the name is registered")                                 // a purchase of what is still live
	ErrTwin       = errors.New("the name is another owner's, as another type")           // session and wallet names go together
	ErrNoRecord   = errors.New("the name is not registered, or expired")                 // nothing to update or renew
	ErrSigner     = errors.New("the signer is neither the owner nor the backup owner")   // or the signature is wrong
	ErrNothing    = errors.New("the update changes nothing")                             // no part is given, or one is as it was
	ErrLength     = errors.New("names of this type cannot be had for that many years")   // or cannot be renewed
	ErrRule       = errors.New("the operation breaks a rule that needs no record")       // spec A.6, 1 to 6 and 10
	ErrPast       = errors.New("the record is another one than the operation builds on") // its previous transaction is not the newest
)

// RefusalError says why an operation on a name did not get into the pool. Text is what the wallet shows its user, in its own words where
// they were recorded; Reason is one of the errors above or ErrDoubleSpend.
type RefusalError struct {
	Reason error
	Text   string
}

// Error returns the wallet's text.
func (e *RefusalError) Error() string { return e.Text }

// Unwrap returns the reason.
func (e *RefusalError) Unwrap() error { return e.Reason }

func refused(reason error, format string, args ...any) error {
	return &RefusalError{Reason: reason, Text: fmt.Sprintf(format, args...)}
}

// rejected is how the wallet reports that the daemon did not take a transaction: the daemon's reason, and its verdict.
func rejected(why, verdict string) string {
	if why != "" {
		why += "\n"
	}
	return "Transaction was rejected by daemon: " + why + "Verification failed, connection should be dropped, " + verdict +
		", TX Version: 4_tx_types, Type: oxen_name_system"
}

// BuyOptions say how a name is bought.
type BuyOptions struct {
	Owner  ons.Owner // zero: the wallet NewAccount(0, ons.OwnerWallet)
	Backup ons.Owner // zero: none
	Years  int       // of a lokinet name: 1, 2, 5 or 10; zero: 1
	Legacy bool      // seal the value in the scheme of 2020: session names only, takes a second and 256 MiB
}

// BuyName puts the purchase of a name into the pool. The value is sealed under the name. The error is an ons error for a value that does
// not fit the name, else a *RefusalError.
func (c *Chain) BuyName(name ons.Name, value ons.Value, o BuyOptions) (ons.Txid, error) {
	length, ok := lengthByte(name.Type(), cmp.Or(o.Years, 1))
	if !ok {
		return ons.Txid{}, refused(ErrLength, "Invalid ONS buy type: Unsupported ONS type %q; supported buy types are session, "+
			"lokinet_1y, lokinet_2y, lokinet_5y, lokinet_10y", fmt.Sprintf("%v_%dy", name.Type(), o.Years))
	}
	if o.Owner.Kind == ons.OwnerNone {
		o.Owner = NewAccount(0, ons.OwnerWallet).owner
	}
	var sealed ons.Sealed
	if o.Legacy {
		var err error
		if sealed, err = name.SealLegacy(value); err != nil {
			return ons.Txid{}, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.hand()
	op := ons.Op{Kind: ons.Buy, Type: name.Type(), Length: length, Hash: name.Hash(), Owner: o.Owner, Backup: o.Backup}
	op.Burn = c.fee(length)
	var err error
	if op.Value, err = c.seal(g, name, value, sealed, "ONS"); err != nil {
		return ons.Txid{}, err
	}
	return c.act(g, op)
}

// UpdateOptions say what an update changes. Zero fields stay as they are.
type UpdateOptions struct {
	Value         ons.Value
	Sealed        ons.Sealed // instead of Value: no chain sees what is in it
	Owner, Backup ons.Owner
	// Signer is who signs. Zero: the owner or the backup owner, if the chain has the key: it has those of generated people and of
	// NewAccount(0, …).
	Signer Account
}

// UpdateName puts an update of a name into the pool, signed. Errors are as BuyName's.
func (c *Chain) UpdateName(name ons.Name, o UpdateOptions) (ons.Txid, error) {
	const failed = "Failed to create ONS update transaction: "
	if o.Value.Bytes == nil && o.Sealed.Ciphertext == nil && o.Owner.Kind == ons.OwnerNone && o.Backup.Kind == ons.OwnerNone {
		return ons.Txid{}, refused(ErrNothing, failed+"Value, owner and backup owner are not specified. Atleast one field must be "+
			"specified for updating the ONS record")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	head := c.record(ons.Key{Type: name.Type(), Hash: name.Hash()}, false)
	if head == nil {
		return ons.Txid{}, refused(ErrNoRecord, failed+"Signature requested when preparing ONS TX but record to update does not exist")
	}
	if o.Signer.owner.Kind == ons.OwnerNone {
		o.Signer = c.knows(head.Owner, head.Backup)
	}
	if s := o.Signer.owner; s.Kind == ons.OwnerNone || s != head.Owner && s != head.Backup {
		return ons.Txid{}, refused(ErrSigner, failed+"Signature requested when preparing ONS TX, but this wallet is not the owner of "+
			"the record owner=%s", head.Owner.Text(c.network))
	}
	g := c.hand()
	op := ons.Op{Kind: ons.Update, Type: name.Type(), Length: uint8(name.Type()), Hash: name.Hash(), Prev: head.Txid}
	op.Owner, op.Backup = o.Owner, o.Backup
	if o.Value.Bytes != nil || o.Sealed.Ciphertext != nil {
		var err error
		if op.Value, err = c.seal(g, name, o.Value, o.Sealed, "ONS update"); err != nil {
			return ons.Txid{}, err
		}
	}
	op.Signature = o.Signer.sign(op.Message(), g)
	return c.act(g, op)
}

// RenewName puts a renewal of a lokinet name by 1, 2, 5 or 10 years into the pool; anyone may. Errors are as BuyName's.
func (c *Chain) RenewName(name ons.Name, years int) (ons.Txid, error) {
	length, ok := lengthByte(name.Type(), years)
	if name.Type() != ons.Lokinet || !ok {
		what := name.Type().String()
		if name.Type() == ons.Lokinet {
			what = fmt.Sprintf("%s_%dy", what, years)
		}
		return ons.Txid{}, refused(ErrLength, "Invalid ONS renewal type: Unsupported ONS type %q; supported renew types are: "+
			"lokinet_1y, lokinet_2y, lokinet_5y, lokinet_10y", what)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	head := c.record(ons.Key{Type: ons.Lokinet, Hash: name.Hash()}, false)
	if head == nil {
		return ons.Txid{}, refused(ErrNoRecord, "Failed to create ONS renewal transaction: Renewal requested but record to renew does "+
			"not exist or has expired")
	}
	op := ons.Op{Kind: ons.Renew, Type: ons.Lokinet, Length: length, Hash: name.Hash(), Prev: head.Txid, Burn: c.fee(length)}
	return c.act(c.hand(), op)
}

// lengthByte is the type byte for so many years of a type's name.
func lengthByte(t ons.Type, n int) (uint8, bool) {
	if t != ons.Lokinet {
		return uint8(t), n == 1
	}
	for length := uint8(2); length <= 5; length++ {
		if years(length) == uint64(max(n, 0)) {
			return length, true
		}
	}
	return 0, false
}

// fee is what a purchase or renewal burns in the next block.
func (c *Chain) fee(length uint8) uint64 { return fee(c.fork(uint64(len(c.blocks))).Version, length) }

// hand is a generator for one transaction made by hand: what it draws follows from the tip and from how many were made before, and does
// not move what the chain's own generator draws later.
func (c *Chain) hand() *generator {
	c.acts++
	tip := c.tipHash()
	g := &generator{c: c}
	g.reseed(c.acts, binary.LittleEndian.Uint64(tip[:]))
	return g
}

// knows returns the account of one of the owners, if the chain has its key.
func (c *Chain) knows(owners ...ons.Owner) Account {
	known := []Account{NewAccount(0, ons.OwnerWallet), NewAccount(0, ons.OwnerEd25519)}
	if c.gen != nil {
		known = append(known, c.gen.people...)
	}
	for _, o := range owners {
		for _, a := range known {
			if a.owner == o {
				return a
			}
		}
	}
	return Account{}
}

// seal makes the bytes of a value that a transaction carries, and remembers what they open to.
func (c *Chain) seal(g *generator, name ons.Name, v ons.Value, s ons.Sealed, what string) ([]byte, error) {
	if s.Ciphertext == nil {
		var err error
		if s, err = name.Seal(v, g); err != nil {
			return nil, err
		}
	}
	if v.Type == ons.Session && v.Bytes != nil && v.Bytes[0] != 5 {
		return nil, refused(ErrRule, "Failed to create %s transaction: ONS type=session, specifies mapping from name -> ed25519 key where "+
			"the key is not prefixed with 05, given ed25519=%x", what, v.Bytes)
	}
	stored := joinValue(s)
	if text, err := v.Text(c.network); err == nil && c.gen != nil {
		c.gen.opens[string(stored)] = OpenName{Name: name, Text: text, Legacy: len(s.Nonce) == 0}
	}
	return stored, nil
}

// act makes the transaction of an operation and puts it into the pool.
func (c *Chain) act(g *generator, op ons.Op) (ons.Txid, error) {
	t := g.burning(4, 2, 1, op.Burn, op.AppendExtra(g.commonExtra(nil)))
	return c.submit(newTransaction(ons.Txid{}, t.raw))
}
