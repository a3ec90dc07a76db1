package ons_test

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"

	"onsight/ons"
)

// registry is a Source with one entry: a real record of mainnet (spec B.7, V4).
type registry map[ons.Hash]string

// Lookup implements ons.Source.
func (r registry) Lookup(_ context.Context, t ons.Type, h ons.Hash) (ons.Sealed, error) {
	stored, err := hex.DecodeString(r[h])
	if err != nil || len(stored) == 0 {
		return ons.Sealed{}, ons.ErrNotFound
	}
	return ons.ParseSealed(t, stored)
}

func Example() {
	name, err := ons.ParseName(ons.Session, "Jagerman")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(name, name.Hash().Base64())

	source := registry{name.Hash(): "d9bca6752665f2254ec7522f98aa5f2dfb13c9fa1ad1e39cd3d7a89a0df04719e348da537bc310a53e3b59ca24639b9b42" +
		"73e8243f3fadd471be36c6df3d62f863f9bb3a9d1cc696c0"}
	value, err := ons.Resolve(context.Background(), ons.Agree(source, source), name)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := value.Text(ons.Mainnet)
	fmt.Println(text, err)

	_, err = ons.Resolve(context.Background(), ons.Agree(source, registry{}), name)
	fmt.Println(errors.Is(err, ons.ErrUnavailable))
	// Output:
	// jagerman yB7mbm2q1MaczqNZCYguH+71z5jooEMeXA0sncfni+g=
	// 05fb466d312e1666ad1c84c4ee55b7e034151c0e366a313d95d11436a5f36e1e75 <nil>
	// true
}

func ExampleApply() {
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	name, err := ons.ParseName(ons.Lokinet, "blocks")
	if err != nil {
		fmt.Println(err)
		return
	}
	sealed, err := name.Seal(ons.Value{Type: ons.Lokinet, Bytes: make([]byte, 32)}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	owner := ons.Owner{Kind: ons.OwnerEd25519, Key: [32]byte(key.Public().(ed25519.PublicKey))}
	buy := ons.Op{Kind: ons.Buy, Type: ons.Lokinet, Length: 2, Hash: name.Hash(), Owner: owner, Value: sealed.Stored(), Burn: 7e9}

	extra := buy.AppendExtra(nil) // what a wallet puts on the chain
	op, err := ons.ParseExtra(extra)
	if err != nil {
		fmt.Println(err)
		return
	}
	rules := ons.Rules{Network: ons.Mainnet}
	record, err := ons.Apply(nil, op, ons.At{Height: 700_000, Txid: ons.Txid{1}}, rules)
	fmt.Println(record.Kind, record.Expires, record.Status(700_001, rules), err)

	update := ons.Op{Kind: ons.Update, Type: ons.Lokinet, Length: 2, Hash: name.Hash(), Prev: record.Txid, Backup: ons.Owner{Kind: ons.OwnerEd25519, Key: [32]byte{2}}}
	if err := update.Sign(key); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(update.Verify(record))
	record, err = ons.Apply(&record, update, ons.At{Height: 700_010, Txid: ons.Txid{2}}, rules)
	fmt.Println(record.Kind, record.Registered, record.Updated, err)
	// Output:
	// buy 964960 registered <nil>
	// <nil>
	// update 700000 700010 <nil>
}

func ExampleReadings() {
	id := ons.Answer{Value: ons.Value{Type: ons.Session, Bytes: append([]byte{5}, make([]byte, 32)...)}}
	for _, r := range ons.Readings("Mag69") {
		v := r.Judge(id)
		fmt.Printf("%s %s: %s%s\n", v.Client, v.Outcome, v.Name, v.Why)
	}
	// Output:
	// session-desktop finds: mag69
	// session-android finds: mag69
	// session-ios finds: mag69
	// session.js misses: it keeps capital letters, and names are registered without
}

func ExampleLookalikes() {
	name, err := ons.ParseName(ons.Session, "modern")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(ons.Lookalikes(name, 5))
	// Output:
	// [rnodern nnodern m0dern moclern modem]
}
