package store_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"onsight/indexer"
	"onsight/internal/store"
	"onsight/ons"
)

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	s, err := store.Open(ctx, store.Config{Path: filepath.Join(dir, "ons.db")})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	name, err := ons.ParseName(ons.Session, "alice")
	if err != nil {
		log.Fatal(err)
	}
	epoch, err := s.Begin(ctx)
	if err != nil {
		log.Fatal(err)
	}
	block := indexer.Block{Point: indexer.Point{Height: 101250, Hash: ons.Txid{1}}, Records: []ons.Record{{
		Type: ons.Session, Hash: name.Hash(), Kind: ons.Buy, Registered: 101250, Updated: 101250,
		Sealed: ons.Sealed{Ciphertext: make([]byte, 49), Nonce: make([]byte, 24)},
	}}}
	err = s.Commit(ctx, epoch, indexer.Range{Blocks: []indexer.Block{block}, State: indexer.State{Network: ons.Mainnet, Phase: indexer.Synced}})
	if err != nil {
		log.Fatal(err)
	}

	// A reader that knows nothing yet.
	delta, err := s.Since(ctx, 0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(delta.Full, delta.State.Network, delta.Tip.Height, len(delta.Records))

	_, err = s.Lookup(ctx, ons.Wallet, name.Hash())
	fmt.Println(err)
	// Output:
	// true mainnet 101250 1
	// not registered
}
