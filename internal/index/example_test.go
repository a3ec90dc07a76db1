package index_test

import (
	"context"
	"fmt"
	"log"

	"onsight/indexer"
	"onsight/internal/index"
	"onsight/ons"
)

// feed stands for the database: it knows one block with one name.
type feed struct{ name ons.Name }

func (f feed) Since(context.Context, uint64) (indexer.Delta, error) {
	tip := &indexer.Point{Height: 101250, Hash: ons.Txid{1}}
	return indexer.Delta{
		Seq: 1, Full: true, Tip: tip, State: indexer.State{Network: ons.Mainnet, Phase: indexer.Synced, Tip: tip},
		Records: []ons.Record{{
			Type: f.name.Type(), Hash: f.name.Hash(), Kind: ons.Buy, Registered: 101250, Updated: 101250,
			Sealed: ons.Sealed{Ciphertext: make([]byte, 49), Nonce: make([]byte, 24)},
		}},
	}, nil
}

func Example() {
	name, err := ons.ParseName(ons.Session, "alice")
	if err != nil {
		log.Fatal(err)
	}
	x := index.New(feed{name})
	before := x.Snapshot()
	if err := x.Load(context.Background()); err != nil {
		log.Fatal(err)
	}
	now := x.Snapshot()
	fmt.Println(before.Len(), now.Len(), now.State().Tip.Height, now.Counts())
	fmt.Println(now.Record(ons.Key{Type: name.Type(), Hash: name.Hash()}).Registered)

	_, err = x.Lookup(context.Background(), ons.Wallet, name.Hash())
	fmt.Println(err)
	// Output:
	// 0 1 101250 [1 0 0]
	// 101250
	// not registered
}
