package storage_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"onsight/internal/devnet/storage"
)

// alone is a network of one node.
type alone struct{ storage.Member }

func (n alone) Members() []storage.Member { return []storage.Member{n.Member} }
func (alone) Fork() [2]int                { return [2]int{19, 6} }
func (alone) Height() uint64              { return 338 }

func (alone) Oxend(context.Context, string, json.RawMessage) (json.RawMessage, error) {
	return json.RawMessage("{}"), nil
}

func (alone) Forward(context.Context, [32]byte, string, json.RawMessage) (storage.Reply, error) {
	return storage.Reply{}, errors.New("there are no others")
}

func Example() {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	me := storage.Member{
		Legacy: [32]byte{1}, Ed25519: [32]byte(key.Public().(ed25519.PublicKey)), IP: netip.MustParseAddr("127.0.0.1"), HTTPS: 22021, OMQ: 22020,
	}
	s := storage.New(storage.Config{
		Key: key, Legacy: me.Legacy, Network: alone{me}, Now: func() time.Time { return time.UnixMilli(1_800_000_000_000) },
	})
	for _, request := range []string{
		`{"method":"info","params":{}}`,
		`{"method":"store","params":{"pubkey":"05","timestamp":1800000000000,"ttl":60000,"data":"aGk="}}`,
		`{"method":"retrieve","params":{"pubkey":"050000000000000000000000000000000000000000000000000000000000000000","namespace":-10}}`,
	} {
		reply := s.Call(context.Background(), []byte(request))
		fmt.Println(reply.Status, string(reply.Body))
	}
	// Output:
	// 200 {"hf":[19,6],"t":1800000000000,"timestamp":1800000000000,"version":[2,8,0]}
	// 400 invalid request: Pubkey must be 66 hex digits (33 bytes) long
	// 200 {"hf":[19,6],"messages":[],"more":false,"t":1800000000000}
}
