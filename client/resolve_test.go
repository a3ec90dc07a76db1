package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"onsight/client"
	"onsight/client/store"
	"onsight/internal/devnet"
	"onsight/ons"
)

const alice = "050ab51fe108939111cfca59a5339c8c51132c01ef8f9457cf0b7fa329366cd55d"

func name(t *testing.T, s string) ons.Name {
	t.Helper()
	n, err := ons.ParseName(ons.Session, s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func value(t *testing.T, id string) ons.Value {
	t.Helper()
	v, err := ons.ParseValue(ons.Session, id, ons.Fakechain)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestResolve: a name becomes an id, and who said so is kept.
func TestResolve(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 21, Nodes: 20}, "session bob "+bob)
	r := n.client(1)
	got, err := r.Resolve(t.Context(), "BOB")
	if err != nil || got.ID.String() != bob {
		t.Fatalf("got %s, %v", got.ID, err)
	}
	if got.Pin.ID != got.ID || got.Pin.Held() {
		t.Errorf("pinned to %x", got.Pin.ID)
	}
	receipts, err := r.Store.Receipts(t.Context(), "bob", 10)
	if err != nil || len(receipts) != 1 {
		t.Fatal(len(receipts), err)
	}
	said := 0
	for _, a := range receipts[0].Answers {
		if a.ID == got.ID && a.Reason == "" && a.Height+1 == n.Chain().Height() {
			said++
		}
		n.node(a.Node)
	}
	if said < 3 || receipts[0].ID != got.ID || receipts[0].Need != 3 || receipts[0].Asked != 5 {
		t.Errorf("got receipt %+v", receipts[0])
	}

	_, err = r.Resolve(t.Context(), "nobody")
	if !errors.Is(err, ons.ErrNotFound) {
		t.Errorf("got error %v, want ErrNotFound", err)
	}
	if receipts, err = r.Store.Receipts(t.Context(), "nobody", 10); err != nil || len(receipts) != 1 || receipts[0].ID != ([33]byte{}) {
		t.Errorf("got receipts %+v, %v", receipts, err)
	}
	for _, bad := range []string{"", "a b", "-x", "ünï"} {
		if _, err := r.Resolve(t.Context(), bad); err == nil {
			t.Errorf("%q was resolved", bad)
		}
	}
}

// TestResolveSlow: of five nodes that are asked two are dead or slow, and the third that answers decides how long it takes.
func TestResolveSlow(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"down", "slow=20s", "drop-onions", "status=503", "no-oxend"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			n := startTown(t, devnet.Config{Seed: 22, Nodes: 20}, "session bob "+bob)
			r := n.client(1, func(c *client.Config) { c.Timeout = 15 * time.Second })
			if err := r.Connect(t.Context()); err != nil {
				t.Fatal(err)
			}
			// Nodes of the paths work: this is about who is asked. Of 14 others 5 do not answer.
			on := map[[32]byte]bool{}
			for _, p := range r.Paths() {
				for _, h := range p {
					on[h.Ed25519] = true
				}
			}
			broken := 0
			for i, node := range n.Nodes() {
				if !on[node.Ed25519()] && broken < 5 {
					n.inject(fmt.Sprintf("%d:%s", i, fault))
					broken++
				}
			}
			begun := time.Now()
			for range 3 {
				if got, err := r.Resolve(t.Context(), "bob"); err != nil || got.ID.String() != bob {
					t.Fatalf("got %s, %v", got.ID, err)
				}
			}
			if took := time.Since(begun); took > 8*time.Second {
				t.Errorf("took %v: the slow ones were waited for", took)
			}
		})
	}
}

// TestResolveLiars: nodes that lie, all the same and what opens, never win below a majority. With one that is asked the truth comes out.
// Some nodes know of no such name, as their chains are behind.
func TestResolveLiars(t *testing.T) {
	t.Parallel()
	for _, liars := range []int{1, 4, 12, 20} {
		t.Run(fmt.Sprint(liars), func(t *testing.T) {
			t.Parallel()
			n := startTown(t, devnet.Config{Seed: 23, Nodes: 20}, "session bob "+bob)
			lies := map[[32]byte]bool{}
			for i, node := range n.Nodes() {
				switch {
				case i < liars:
					lies[node.Ed25519()] = true
					n.inject(fmt.Sprintf("%d:lie-ons", i))
				case i < liars+liars/4:
					n.inject(fmt.Sprintf("%d:backwards=19", i))
				}
			}
			right, wrong := 0, map[client.ID]bool{}
			for i := range byte(6) {
				r := n.client(i)
				got, err := r.Resolve(t.Context(), "bob")
				said := 0
				for _, a := range got.Receipt.Answers {
					if lies[a.Node] {
						said++
					}
				}
				switch {
				case err != nil:
				case got.ID.String() == bob:
					right++
				case 2*said <= got.Receipt.Asked:
					t.Fatalf("a lie of %d of %d was believed: %s", said, got.Receipt.Asked, got.ID)
				default:
					wrong[got.ID] = true
				}
			}
			if liars <= 1 && right < 6 {
				t.Errorf("the truth came out %d times of 6 with %d liars", right, liars)
			}
			if liars == 20 && (right > 0 || len(wrong) != 1) { // else nothing was shown: the lie is one that could be believed
				t.Errorf("all lie: the truth came out %d times of 6, and lies %v", right, wrong)
			}
		})
	}
}

// TestAbsent: only who says that there is no such name says so, not who does not know.
func TestAbsent(t *testing.T) {
	t.Parallel()
	for result, want := range map[string]bool{
		`{}`: true, `{"status":"OK"}`: true,
		`{"status":"BUSY"}`: false, `{"status":null}`: false, `{"encrypted_value":null}`: false, `{"encrypted_value":""}`: false,
		`{"nonce":"00"}`: false, `{"error":"x"}`: false, `null`: false, `[]`: false, `""`: false,
	} {
		absent, err := client.ParseSaid(`{"results":[{"code":200,"body":{"result":` + result + `}},{"code":200,"body":{"result":{"height":7}}}]}`)
		if absent != want || (err == nil) != want {
			t.Errorf("%s: absent %v, %v", result, absent, err)
		}
	}
}

// TestResolveFailing: however many of those who are asked fail, by whosever doing, the few that lie are no majority.
func TestResolveFailing(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 27, Nodes: 24}, "session bob "+bob)
	n.inject("0-7:lie-ons,8-23:no-oxend")
	for i := range byte(4) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			r := n.client(i, func(c *client.Config) { c.Timeout = time.Second })
			got, err := r.Resolve(t.Context(), "bob")
			votes := 0
			for _, a := range got.Receipt.Answers {
				if a.Reason == "" {
					votes++
				}
			}
			if err == nil && (2*votes <= got.Receipt.Asked || votes < got.Receipt.Need) {
				t.Errorf("%d of %d were believed: %s", votes, got.Receipt.Asked, got.ID)
			}
		})
	}
}

// TestDoubted: who is far behind two others is not counted, and one alone that claims to be ahead puts nobody in doubt.
func TestDoubted(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ heights, want []uint64 }{
		{[]uint64{100, 100, 131, 131, 100}, []uint64{0, 1, 4}},
		{[]uint64{101, 131, 131}, nil},
		{[]uint64{100, 100, 1 << 63, 100}, nil},
		{[]uint64{100, 1 << 63, ^uint64(0), 100}, []uint64{0, 3}},
		{[]uint64{100}, nil},
	} {
		var got []uint64
		for _, i := range client.Doubted(test.heights...) {
			got = append(got, uint64(i))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%v: %v, want %v", test.heights, got, test.want)
		}
	}
}

// TestPinned: a name that points elsewhere is held until somebody approves, and one that points back is not.
func TestPinned(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 24, Nodes: 14}, "session bob "+bob)
	r := n.client(1)
	first, err := r.Resolve(t.Context(), "bob")
	if err != nil {
		t.Fatal(err)
	}
	change := func(id string) {
		if _, err := n.Update(name(t, "bob"), value(t, id)); err != nil {
			t.Fatal(err)
		}
	}
	change(alice)
	var held *client.HeldError
	second, err := r.Resolve(t.Context(), "bob")
	if !errors.As(err, &held) || held.Old != first.ID || held.New.String() != alice || second.ID != held.New {
		t.Fatalf("got %v, %+v", err, held)
	}
	if held.Since.IsZero() || held.NextSince.Before(held.Since) {
		t.Errorf("held since %v, pinned since %v", held.NextSince, held.Since)
	}
	if err := r.Approve(t.Context(), "bob", first.ID); !errors.Is(err, store.ErrPin) {
		t.Errorf("got error %v for approving what it was", err)
	}
	change(bob)
	if _, err := r.Resolve(t.Context(), "bob"); err != nil {
		t.Errorf("pointing back: %v", err)
	}
	change(alice)
	if _, err := r.Resolve(t.Context(), "bob"); !errors.As(err, &held) {
		t.Fatal(err)
	}
	if err := r.Approve(t.Context(), "BOB", held.New); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Resolve(t.Context(), "bob"); err != nil || got.ID.String() != alice {
		t.Errorf("after approval: %s, %v", got.ID, err)
	}
}

// TestFewNodes: with fewer nodes than have to agree nothing is believed.
func TestFewNodes(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 25, Nodes: 14}, "session bob "+bob)
	r := n.client(1, func(c *client.Config) { c.Agree, c.Ask = 15, 15 })
	if _, err := r.Resolve(t.Context(), "bob"); !errors.Is(err, client.ErrFewNodes) {
		t.Errorf("got error %v, want ErrFewNodes", err)
	}
	n.inject("all:no-oxend")
	few := n.client(2, func(c *client.Config) { c.Timeout = time.Second })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := few.Resolve(ctx, "bob"); !errors.Is(err, client.ErrFewNodes) {
		t.Errorf("got error %v, want ErrFewNodes", err)
	}
}

// TestConfig: what makes no sense is refused.
func TestConfig(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 26, Nodes: 4})
	r := n.client(1)
	for _, f := range []func(*client.Config){
		func(c *client.Config) { c.Store = nil },
		func(c *client.Config) { c.Account = nil },
		func(c *client.Config) { c.Agree, c.Ask = 2, 5 },
		func(c *client.Config) { c.Agree, c.Ask = 3, 2 },
		func(c *client.Config) { c.Ask = 1000 },
		func(c *client.Config) { c.Encryption = "aes-cbc" },
		func(c *client.Config) { c.Encryption = "none" },
	} {
		cfg := r.cfg
		f(&cfg)
		if _, err := client.New(cfg); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
}
