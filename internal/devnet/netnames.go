package devnet

import (
	"hash/fnv"

	"onsight/ons"
)

// people are who own names.
type people []Account

func newPeople(seed uint64) (p people) {
	for i := range uint64(12) {
		kind := ons.OwnerWallet
		if i%3 == 0 {
			kind = ons.OwnerEd25519
		}
		p = append(p, NewAccount(seed<<8+i+1, kind))
	}
	return p
}

// of is who buys a name: the same for all types of it, as only the owner of a session name may buy the wallet name, and the other way
// round (spec chain.md A.6).
func (p people) of(name ons.Name) Account {
	h := fnv.New64a()
	h.Write([]byte(name.String()))
	return p[h.Sum64()%uint64(len(p))]
}

// other is another one than somebody.
func (p people) other(than ons.Owner, i int) Account {
	for ; ; i++ {
		if a := p[i%len(p)]; a.Owner() != than {
			return a
		}
	}
}

// find returns the account of an owner; the zero one if nobody here is it.
func (p people) find(o ons.Owner) Account {
	for _, a := range p {
		if a.Owner() == o {
			return a
		}
	}
	return Account{}
}

// Register buys a name for a value and makes the block that holds it. Years count for lokinet; zero: 1. Errors are those of
// Chain.BuyName.
func (n *Network) Register(name ons.Name, value ons.Value, years uint8) (ons.Txid, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return ons.Txid{}, ErrClosed
	}
	return n.mined(n.buy(NameEntry{Name: name, Value: value, Years: years}))
}

// Update changes a name's value, as its owner, and makes the block that holds that. Errors are those of Chain.UpdateName.
func (n *Network) Update(name ons.Name, value ons.Value) (ons.Txid, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return ons.Txid{}, ErrClosed
	}
	return n.mined(n.update(name, UpdateOptions{Value: value}))
}

// Renew renews a lokinet name by 1, 2, 5 or 10 years (zero: 1) and makes the block that holds that. Errors are those of
// Chain.RenewName.
func (n *Network) Renew(name ons.Name, years uint8) (ons.Txid, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return ons.Txid{}, ErrClosed
	}
	return n.mined(n.chain.RenewName(name, int(max(years, 1))))
}

func (n *Network) mined(id ons.Txid, err error) (ons.Txid, error) {
	if err == nil {
		n.mine()
	}
	return id, err
}

func (n *Network) buy(e NameEntry) (ons.Txid, error) {
	if e.Name.Type() == ons.Session {
		n.spoken.Store(e.Name.Hash().Base64(), e.Name)
	}
	return n.chain.BuyName(e.Name, e.Value, BuyOptions{Owner: n.people.of(e.Name).Owner(), Years: int(max(e.Years, 1)), Legacy: e.Legacy})
}

// update signs with the owner's key.
func (n *Network) update(name ons.Name, o UpdateOptions) (ons.Txid, error) {
	if record, ok := n.chain.Truth().Record(ons.Key{Type: name.Type(), Hash: name.Hash()}); ok {
		o.Signer = n.people.find(record.Owner)
	}
	return n.chain.UpdateName(name, o)
}
