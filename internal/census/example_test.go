package census_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"onsight/indexer"
	"onsight/internal/census"
	"onsight/internal/index"
	"onsight/ons"
)

// feed stands for the database: it knows a name that was bought for 7 OXEN, and one that was bought for two years.
type feed struct{}

func (feed) Since(context.Context, uint64) (indexer.Delta, error) {
	tip := &indexer.Point{Height: 1500000, Hash: ons.Txid{1}}
	return indexer.Delta{
		Seq: 1, Full: true, Tip: tip, State: indexer.State{Network: ons.Mainnet, Start: 496969, Phase: indexer.Synced, Tip: tip},
		Records: []ons.Record{
			{Type: ons.Session, Hash: ons.Hash{1}, Kind: ons.Buy, Registered: 900000, Updated: 900000, Sealed: ons.Sealed{Nonce: make([]byte, 24)}},
			{Type: ons.Lokinet, Hash: ons.Hash{2}, Kind: ons.Buy, Registered: 970100, Updated: 970100, Expires: 970100 + 529920},
		},
		Times: []int64{1630000000, 1638400000},
	}, nil
}

func Example() {
	x := index.New(feed{})
	if err := x.Load(context.Background()); err != nil {
		log.Fatal(err)
	}
	now := census.Now{Height: 1500000, Start: 496969, Rules: ons.Rules{Network: ons.Mainnet}}
	f, err := census.ParseFilter("session,lokinet", "buy", "")
	if err != nil {
		log.Fatal(err)
	}
	page, next := f.Newest(x.Snapshot(), now, nil, 10)
	fmt.Println(page[0].Type, page[1].Type, next)
	soon, _ := census.Expiring(x.Snapshot(), now, 720, nil, 10)
	fmt.Println(soon[0].Expires-now.Height, "blocks are left")
	for _, d := range census.Count(x.Snapshot(), now).Days {
		fmt.Println(time.Unix(d.Day*24*60*60, 0).UTC().Format(time.DateOnly), d.Types[ons.Session].Burned, d.Types[ons.Lokinet].Burned)
	}
	// Output:
	// lokinet session <nil>
	// 20 blocks are left
	// 2021-08-26 7000000000 0
	// 2021-12-01 0 14000000000
}
