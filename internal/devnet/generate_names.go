package devnet

import (
	"encoding/hex"

	"onsight/ons"
)

// sizes are the stored lengths of today's values (spec B.4); a wallet's may also be 113.
var sizes = [3]int{73, 105, 72}

// named makes a transaction of names that is valid in a block of a height.
func (g *generator) named(height uint64) *transaction {
	op := g.operation(height)
	key := ons.Key{Type: op.Type, Hash: op.Hash}
	g.touched[key] = true
	extra := op.AppendExtra(g.commonExtra(nil))
	if g.r.IntN(40) == 0 { // a second ONS field and a second burn: the first ones count
		second := op
		second.Hash = ons.Hash(g.bytes(32))
		if op.Burn > 0 {
			second.Burn = op.Burn + 1
		}
		extra = second.AppendExtra(extra)
	}
	t := g.burning(4, 1+g.r.IntN(2), 1, op.Burn, extra)
	// What was meant, not what the bytes say: the truth does not depend on how an extra is built or read.
	t.op = &op
	return t
}

// operation draws an operation that is valid at a height: its name has none in the block yet.
func (g *generator) operation(height uint64) ons.Op {
	version := g.c.fork(height).Version
	for try := 0; try < 8 && len(g.names) > 0; try++ {
		if g.r.IntN(100) < 50 {
			break
		}
		name := g.names[g.r.IntN(len(g.names))]
		key := ons.Key{Type: name.Type(), Hash: name.Hash()}
		head := g.c.names.head(key)
		if head == nil || g.touched[key] {
			continue
		}
		switch {
		case !alive(head.Expires, height):
			return g.buy(name, version)
		case key.Type == ons.Lokinet && g.r.IntN(3) == 0:
			return g.renew(head, version)
		default:
			return g.update(name, head, version)
		}
	}
	return g.buy(g.freshName(version, height), version)
}

// freshName makes a name of a type the fork allows; now and then the wallet name of a session name's owner.
func (g *generator) freshName(version uint8, height uint64) ons.Name {
	types := []ons.Type{ons.Session}
	if version >= 16 {
		types = append(types, ons.Lokinet)
	}
	if version >= 18 {
		types = append(types, ons.Wallet)
	}
	t := types[g.r.IntN(len(types))]
	name := g.newName(t)
	for key := (ons.Key{Type: t, Hash: name.Hash()}); g.c.names.head(key) != nil || g.c.pools(key); key.Hash = name.Hash() {
		name = g.newName(t) // somebody bought that one by hand
	}
	if t == ons.Wallet && g.r.IntN(4) == 0 && len(g.names) > 0 {
		other := g.names[g.r.IntN(len(g.names))]
		twin, err := ons.ParseName(ons.Wallet, other.String())
		key := ons.Key{Type: ons.Wallet, Hash: other.Hash()}
		if err == nil && other.Type() == ons.Session && g.c.names.head(key) == nil && !g.touched[key] {
			name = twin
		}
	}
	if name.String() != legacyName { // stays as it was bought: something must be left to open
		g.names = append(g.names, name)
	}
	return name
}

// fee is what a purchase or renewal burns (spec A.3).
func fee(version, length uint8) uint64 {
	unit := uint64(7_000_000_000)
	switch {
	case version == 15:
		unit = 20_000_000_000
	case version < 18:
		unit = 15_000_000_000
	}
	return unit * [6]uint64{1, 1, 1, 2, 4, 6}[length]
}

// length draws the type byte of a purchase or renewal.
func (g *generator) length(t ons.Type) uint8 {
	if t == ons.Lokinet {
		return uint8(2 + g.r.IntN(4))
	}
	return uint8(t)
}

func (g *generator) buy(name ons.Name, version uint8) ons.Op {
	op := ons.Op{Kind: ons.Buy, Type: name.Type(), Hash: name.Hash(), Length: g.length(name.Type())}
	op.Burn = fee(version, op.Length)
	op.Owner = g.owners[g.r.IntN(len(g.owners))]
	if name.Type() == ons.Wallet { // the owner of the one may buy the other (spec A.6, 7)
		if head := g.c.names.head(ons.Key{Type: ons.Session, Hash: op.Hash}); head != nil {
			op.Owner = head.Owner
		}
	} else if g.r.IntN(3) == 0 {
		op.Backup = g.otherOwner(op.Owner)
	}
	op.Value = g.value(name, version)
	return op
}

func (g *generator) otherOwner(than ons.Owner) ons.Owner {
	for {
		if o := g.owners[g.r.IntN(len(g.owners))]; o != than {
			return o
		}
	}
}

func (g *generator) renew(head *row, version uint8) ons.Op {
	op := ons.Op{Kind: ons.Renew, Type: head.Type, Hash: head.Hash, Prev: head.Txid, Length: g.length(ons.Lokinet)}
	op.Burn = fee(version, op.Length)
	return op
}

// update changes the value, the owner, the backup owner, or several, signed by the owner or the backup owner.
func (g *generator) update(name ons.Name, head *row, version uint8) ons.Op {
	op := ons.Op{Kind: ons.Update, Type: head.Type, Hash: head.Hash, Prev: head.Txid, Length: uint8(head.Type)}
	what := 1 + g.r.IntN(7)
	if what&1 != 0 || head.Type == ons.Wallet {
		op.Value = g.value(name, version)
	}
	if what&2 != 0 && head.Type != ons.Wallet {
		for op.Owner = g.otherOwner(head.Owner); op.Owner == head.Backup; {
			op.Owner = g.otherOwner(head.Owner)
		}
	}
	if what&4 != 0 && head.Type != ons.Wallet {
		for op.Backup = g.otherOwner(head.Backup); op.Backup == head.Owner || op.Backup == op.Owner; {
			op.Backup = g.otherOwner(head.Backup)
		}
	}
	signer := head.Owner
	if head.Backup.Kind != ons.OwnerNone && g.r.IntN(2) == 0 {
		signer = head.Backup
	}
	g.sign(&op, signer)
	return op
}

// sign signs with an owner's key.
func (g *generator) sign(op *ons.Op, signer ons.Owner) {
	for _, person := range g.people {
		if person.owner == signer {
			op.Signature = person.sign(op.Message(), g)
		}
	}
}

// value makes what a name is to point at: random bytes of the right length for most, really sealed for a part.
func (g *generator) value(name ons.Name, version uint8) []byte {
	t := name.Type()
	v := ons.Value{Type: t, Bytes: g.bytes([3]int{33, 65, 32}[t])}
	if t == ons.Session {
		v.Bytes[0] = 5
		if version == 15 || g.r.IntN(50) == 0 {
			return g.legacy(name)
		}
	}
	if t == ons.Wallet {
		if v.Bytes[0] %= 3; v.Bytes[0] == 2 {
			v.Bytes = append(v.Bytes, g.bytes(8)...)
		}
	}
	if g.r.IntN(8) != 0 && g.serial > 200 {
		return g.bytes(sizes[t] + len(v.Bytes) - [3]int{33, 65, 32}[t])
	}
	s, err := name.Seal(v, g)
	if err != nil {
		panic("devnet: internal error: " + err.Error())
	}
	return g.opened(name, v, s)
}

// The one value a chain has that really opens in the scheme of 2020, where sealing costs a second and 256 MiB: vector V11 of spec
// chain.md B.7, which has no randomness in it.
const (
	legacyName  = "hello_world-1"
	legacyPlain = "05808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
	legacyValue = "f1046661a432d537dbd6772835493af5792a5beddff7ad7b412d54de39844f165689de570b81aa722e9700f410f4919643"
)

// legacy is that value for its name, 49 random bytes for any other.
func (g *generator) legacy(name ons.Name) []byte {
	if name.String() != legacyName {
		return g.bytes(49)
	}
	stored, err := hex.DecodeString(legacyValue)
	if err != nil {
		panic("devnet: internal error: " + err.Error())
	}
	g.opens[string(stored)] = OpenName{Name: name, Text: legacyPlain, Legacy: true}
	return stored
}

// opened remembers what a sealed value opens to.
func (g *generator) opened(name ons.Name, v ons.Value, s ons.Sealed) []byte {
	text, err := v.Text(g.c.network)
	if err != nil {
		panic("devnet: internal error: " + err.Error())
	}
	stored := joinValue(s)
	g.opens[string(stored)] = OpenName{Name: name, Text: text}
	return stored
}
