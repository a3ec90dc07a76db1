package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"onsight/client/store"
)

// A message is queued with the bytes that will be sent for it, claimed, sent, and its delivery noted.
func Example() {
	err := example(context.Background())
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// sending 15 bytes, attempt 1
	// hello: queued encrypted stored
}

func example(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := store.Open(ctx, store.Config{Path: filepath.Join(dir, "courier.db"), Key: [32]byte{1}})
	if err != nil {
		return err
	}
	defer s.Close()

	me, bob, now := [33]byte{5, 1}, [33]byte{5, 2}, time.UnixMilli(1700000000000)
	if err := s.Create(ctx, store.Account{ID: me, Network: "devnet", Created: now}); err != nil {
		return err
	}
	sent, err := s.NextTime(ctx, now)
	if err != nil {
		return err
	}
	seq, err := s.Queue(ctx, store.Outgoing{
		Message: &store.Message{Chat: bob, Sender: me, Sent: sent, Kind: store.Text, Text: "hello"},
		Parcels: []store.Parcel{{Swarm: bob, Data: []byte("sealed envelope"), Sent: sent, TTL: 14 * 24 * time.Hour}},
		Key:     "order-42",
	}, now)
	if err != nil {
		return err
	}
	due, err := s.Claim(ctx, now, 30*time.Second, 10)
	if err != nil {
		return err
	}
	for _, p := range due {
		fmt.Printf("sending %d bytes, attempt %d\n", len(p.Data), p.Attempts)
		if err := s.Deliver(ctx, p.ID, [32]byte{7}, "hash that the node gave", now); err != nil {
			return err
		}
	}
	m, err := s.Message(ctx, seq)
	if err != nil {
		return err
	}
	lines, err := s.Ledger(ctx, seq, 100)
	if err != nil {
		return err
	}
	fmt.Print(m.Text, ":")
	for _, l := range lines {
		fmt.Print(" ", l.Step)
	}
	fmt.Println()
	return nil
}
