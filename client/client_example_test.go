package client_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"onsight/client"
	"onsight/client/store"
	"onsight/internal/devnet"
	"onsight/ons"
)

// Alice writes to a name, on a network on loopback, and Bob reads it.
func Example() {
	if err := example(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// bob is 05e83676
	// alice says hello
}

func example(ctx context.Context) error {
	alice, bob := client.NewAccount(client.Seed{1}), client.NewAccount(client.Seed{2})
	names, err := devnet.ParseNames(strings.NewReader("session bob "+bob.ID().String()), ons.Fakechain)
	if err != nil {
		return err
	}
	n, err := devnet.Start(devnet.Config{Past: 20, Names: names})
	if err != nil {
		return err
	}
	defer n.Close()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	open := func(name string, a *client.Account) (*client.Client, func(), error) {
		s, err := store.Open(ctx, store.Config{Path: filepath.Join(dir, name), Key: [32]byte{1}}) // the key is client/vault's
		if err != nil {
			return nil, nil, err
		}
		if err := s.Create(ctx, store.Account{Seed: a.Seed(), ID: a.ID(), Name: name}); err != nil {
			return nil, nil, err
		}
		c, err := client.New(client.Config{Store: s, Account: a, Network: ons.Devnet, Seeds: []client.SeedNode{{URL: n.Seed()}}})
		return c, func() { _ = c.Close(); _ = s.Close() }, err
	}
	a, done, err := open("alice", alice)
	if err != nil {
		return err
	}
	defer done()
	b, done, err := open("bob", bob)
	if err != nil {
		return err
	}
	defer done()

	name, err := ons.ParseName(ons.Session, "bob")
	if err != nil {
		return err
	}
	sent, err := a.Send(ctx, client.Letter{Name: name, Text: "hello"})
	if err != nil {
		return err
	}
	fmt.Println("bob is", sent.To.String()[:8])
	if _, _, err := a.Flush(ctx); err != nil {
		return err
	}
	if _, err := b.Poll(ctx); err != nil {
		return err
	}
	for e, err := range b.Events(ctx, "example") {
		if err != nil {
			return err
		}
		fmt.Println("alice says", e.Message.Text)
	}
	return nil
}
