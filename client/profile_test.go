package client_test

import (
	"errors"
	"strings"
	"testing"

	"onsight/client"
	"onsight/client/store"
	"onsight/internal/devnet"
)

// TestProfile: a name travels with messages, a request is declined or answered, and a receipt says that it was read.
func TestProfile(t *testing.T) {
	quiet(t)
	ctx := t.Context()
	n := startTown(t, devnet.Config{Seed: 41})
	alice, bob := n.client(1), n.client(2)
	if err := alice.Rename(ctx, strings.Repeat("ä", 51)); err == nil {
		t.Error("a name that is too long is taken")
	}
	if err := alice.Rename(ctx, "Ä"); err != nil {
		t.Fatal(err)
	}
	alice.send(t, bob.id(), "one")
	alice.flush(t)
	bob.poll(t)
	c, err := bob.Store.Contact(ctx, alice.Account.ID())
	if err != nil || c.Profile.Name != "Ä" || !c.Request() {
		t.Fatalf("bob knows %+v, %v", c, err)
	}

	if err := bob.Decline(ctx, alice.Account.ID(), false); err != nil {
		t.Fatal(err)
	}
	if err := bob.Decline(ctx, alice.Account.ID(), false); !errors.Is(err, client.ErrNoRequest) {
		t.Errorf("declined twice: %v", err)
	}
	bob.poll(t)
	same(t, bob.texts(t, alice.Account.ID()))

	second := alice.send(t, bob.id(), "two")
	alice.flush(t)
	bob.poll(t)
	same(t, bob.texts(t, alice.Account.ID()), "they: two")
	chats, err := bob.Store.Chats(ctx, nil, 10)
	if err != nil || len(chats) != 1 || chats[0].Unread != 1 {
		t.Fatalf("bob has %+v, %v", chats, err)
	}
	until := chats[0].Newest.Sent
	// A request is not told that it was read.
	if err := bob.MarkRead(ctx, alice.Account.ID(), until.Add(-1), true); err != nil {
		t.Fatal(err)
	}
	if sent := bob.flush(t); sent != 0 {
		t.Errorf("%d parcels about a request", sent)
	}
	if err := bob.Accept(ctx, alice.Account.ID()); err != nil {
		t.Fatal(err)
	}
	if err := bob.Decline(ctx, alice.Account.ID(), false); !errors.Is(err, client.ErrNoRequest) {
		t.Errorf("declined what was accepted: %v", err)
	}
	if err := bob.MarkRead(ctx, alice.Account.ID(), until, true); err != nil {
		t.Fatal(err)
	}
	bob.flush(t)
	alice.poll(t)
	if m, err := alice.Store.Message(ctx, second.Seq); err != nil || m.State != store.Read {
		t.Errorf("alice's message is %+v, %v", m, err)
	}
	if err := bob.MarkRead(ctx, account(9).ID(), until, false); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("read of nobody: %v", err)
	}
}

// TestForsake gives up a message, and tries it again.
func TestForsake(t *testing.T) {
	quiet(t)
	ctx := t.Context()
	n := startTown(t, devnet.Config{Seed: 42})
	alice, bob := n.client(1), n.client(2)
	sent := alice.send(t, bob.id(), "one")
	if err := alice.Forsake(ctx, sent.Seq); err != nil {
		t.Fatal(err)
	}
	if err := alice.Forsake(ctx, sent.Seq); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("forsaken twice: %v", err)
	}
	if n := alice.flush(t); n != 0 {
		t.Errorf("%d parcels were sent", n)
	}
	if m, err := alice.Store.Message(ctx, sent.Seq); err != nil || m.State != store.Failed {
		t.Errorf("the message is %+v, %v", m, err)
	}
	if err := alice.Store.Retry(ctx, sent.Seq, alice.Now()); err != nil {
		t.Fatal(err)
	}
	alice.flush(t)
	bob.poll(t)
	same(t, bob.texts(t, alice.Account.ID()), "they: one")
}
