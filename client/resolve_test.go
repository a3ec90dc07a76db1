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
	if got := r.outcomes(t, "nobody"); !slices.Equal(got, []store.Outcome{store.Absent}) {
		t.Errorf("got outcomes %v", got)
	}
	other := n.client(2)
	if got, err := other.Lookup(t.Context(), "bob"); err != nil || got.ID.String() != bob {
		t.Errorf("looked up: %s, %v", got.ID, err)
	}
	if pins, err := other.Store.Pins(t.Context(), "", 10); err != nil || len(pins) != 0 {
		t.Errorf("looking pins %+v, %v", pins, err)
	}
	for _, bad := range []string{"", "a b", "-x", "ünï"} {
		if _, err := r.Resolve(t.Context(), bad); err == nil {
			t.Errorf("%q was resolved", bad)
		}
	}
}

// outcomes is what came of asking for a name, each time, the last first.
func (r *resident) outcomes(t *testing.T, name string) (list []store.Outcome) {
	t.Helper()
	receipts, err := r.Store.Receipts(t.Context(), name, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range receipts {
		list = append(list, r.Outcome)
	}
	return list
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
			if liars <= 1 && right < 6 || liars == 4 && right == 0 {
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

// TestDoubted: who is far behind what enough others know of is not counted, and fewer that claim to be ahead put nobody in doubt.
func TestDoubted(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		floor         uint64
		enough        int
		heights, want []uint64
	}{
		{0, 3, []uint64{100, 111, 111, 111, 100}, []uint64{0, 4}},
		{0, 3, []uint64{100, 100, 111, 111, 100}, nil},
		{0, 3, []uint64{101, 111, 111, 111}, nil},
		{0, 3, []uint64{100, 111, 111}, nil}, // three of them know of no more
		{0, 3, []uint64{100, 1 << 63, ^uint64(0), 100, 100}, nil},
		{0, 3, []uint64{100, ^uint64(0)}, nil},
		{0, 6, []uint64{100, 1 << 63, 1 << 63, 1 << 63, 1 << 63, 1 << 63, 100, 100, 100, 100}, nil},
		{110, 3, []uint64{100, 100, 100}, nil},
		{111, 3, []uint64{100, 100, 101}, []uint64{0, 1}},
		{111, 3, []uint64{100}, []uint64{0}},
		{7, 3, []uint64{0, 0, 1}, nil},
	} {
		var got []uint64
		for _, i := range client.Doubted(test.floor, test.enough, test.heights...) {
			got = append(got, uint64(i))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%d, %d of %v: %v, want %v", test.floor, test.enough, test.heights, got, test.want)
		}
	}
}

// TestAhead: few that claim to be ahead, and answer first, do not keep a change that most report from being noticed.
func TestAhead(t *testing.T) {
	t.Parallel()
	old, new := account(2).ID(), account(3).ID()
	n := startTown(t, devnet.Config{Seed: 41, Nodes: 14}, "session bob "+old.String())
	var all []*resident
	for i := range byte(3) {
		r := n.client(10+i, func(c *client.Config) { c.Agree, c.Ask = 6, 10 })
		r.send(t, "bob", "first")
		all = append(all, r)
	}
	if _, err := n.Update(name(t, "bob"), value(t, new.String())); err != nil {
		t.Fatal(err)
	}
	n.inject("0-3:lie-ons,0-3:ahead=1000,4-13:slow=50ms")
	for i, r := range all {
		s, err := r.Send(t.Context(), client.Letter{Name: name(t, "bob"), Text: "second", Recheck: -1})
		var held *client.HeldError
		if !errors.As(err, &held) || held.New != new {
			t.Errorf("client %d: sent to %s, %v: %+v", i, s.To, err, s.Resolution.Receipt)
		}
	}
}

// TestTooHigh: if those who were believed once said that the chain is higher than it is, that is noticed, and mended, and until then nothing
// goes to an account that was. It rises no faster than chains do.
func TestTooHigh(t *testing.T) {
	t.Parallel()
	old, new := account(2).ID(), account(3).ID()
	n := startTown(t, devnet.Config{Seed: 62, Nodes: 14}, "session bob "+old.String())
	n.inject("all:ahead=4000000000")
	r := n.client(1)
	r.send(t, "bob", "first")
	n.inject("all:ok")
	letter := client.Letter{Name: name(t, "bob"), Text: "second", Recheck: -1}
	if s, err := r.Send(t.Context(), letter); err != nil || s.To != old {
		t.Fatalf("what is behind says the same: %+v, %v", s, err)
	}
	height, at, err := r.Store.Height(t.Context())
	if err != nil || height+1 != n.Chain().Height() {
		t.Fatalf("height is taken to be %d, %v", height, err)
	}
	// Again, with what it was noted as once.
	if err := r.Store.SetHeight(t.Context(), height, 4000000000, at); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Update(name(t, "bob"), value(t, new.String())); err != nil {
		t.Fatal(err)
	}
	if s, err := r.Send(t.Context(), letter); !errors.Is(err, client.ErrBehind) || s.Held != 0 {
		t.Errorf("what is behind says something else: %+v, %v", s, err)
	}
	var held *client.HeldError
	if _, err := r.Send(t.Context(), letter); !errors.As(err, &held) || held.New != new {
		t.Errorf("got error %v, want a *HeldError", err)
	}
	n.inject("all:ahead=1000")
	if _, err := r.Resolve(t.Context(), "bob"); !errors.As(err, &held) {
		t.Errorf("got error %v, want a *HeldError", err)
	}
	if height, _, err := r.Store.Height(t.Context()); err != nil || height > n.Chain().Height()+30 {
		t.Errorf("height is taken to be %d, %v", height, err)
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
	n.inject("all:backwards=2") // answers that are older than the change do not undo it
	if _, err := r.Resolve(t.Context(), "bob"); !errors.As(err, &held) {
		t.Errorf("what it was before the change: %v", err)
	}
	n.inject("all:ok")
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

	// One that stands for no account any more is held too, and cannot be approved. Who never used it is told what it is.
	odd := name(t, "odd")
	if _, err := n.Chain().BuyName(odd, value(t, alice), devnet.BuyOptions{}); err != nil {
		t.Fatal(err)
	}
	update := func(o devnet.UpdateOptions) {
		t.Helper()
		if _, err := n.Chain().UpdateName(odd, o); err != nil {
			t.Fatal(err)
		}
		n.Mine(1)
	}
	n.Mine(1)
	if _, err := r.Resolve(t.Context(), "odd"); err != nil {
		t.Fatal(err)
	}
	sealed, err := odd.Seal(ons.Value{Type: ons.Session, Bytes: append([]byte{3}, held.New[1:]...)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	update(devnet.UpdateOptions{Sealed: sealed})
	if _, err := r.Resolve(t.Context(), "odd"); !errors.As(err, &held) || !errors.Is(err, client.ErrID) || held.New != (client.ID{}) || held.Old.String() != alice {
		t.Errorf("a group: %v", err)
	}
	letter := client.Letter{Name: odd, Text: "waits", Recheck: -1}
	if s, err := r.Send(t.Context(), letter); !errors.As(err, &held) || s.Held == 0 {
		t.Errorf("sent to a group: %+v, %v", s, err)
	}
	for _, id := range []client.ID{{}, held.Old} {
		if err := r.Approve(t.Context(), "odd", id); !errors.Is(err, store.ErrPin) {
			t.Errorf("got error %v for approving %s", err, id)
		}
	}
	n.inject("all:backwards=2") // as if it had expired: what waits waits, until somebody says that it may go to the account that it was
	if _, err := r.Resolve(t.Context(), "odd"); !errors.Is(err, ons.ErrNotFound) {
		t.Errorf("a name that is gone: %v", err)
	}
	if s, err := r.Send(t.Context(), letter); !errors.As(err, &held) || !held.Gone || s.Held == 0 {
		t.Errorf("sent to a name that is gone: %+v, %v", s, err)
	}
	if err := r.Approve(t.Context(), "odd", held.Old); err != nil {
		t.Error(err)
	}
	if list, err := r.Store.Waiting(t.Context(), "odd", 0, 10); err != nil || len(list) != 0 {
		t.Errorf("still held: %+v, %v", list, err)
	}
	n.inject("all:ok")
	if s, err := r.Send(t.Context(), letter); !errors.As(err, &held) || held.Gone || s.Held == 0 {
		t.Errorf("sent to a group: %+v, %v", s, err)
	}
	other := n.client(2)
	if _, err := other.Resolve(t.Context(), "odd"); !errors.Is(err, client.ErrID) || errors.As(err, &held) {
		t.Errorf("a group at first sight: %v", err)
	}
	if _, err := other.Send(t.Context(), letter); !errors.Is(err, client.ErrID) {
		t.Errorf("sent to a group at first sight: %v", err)
	}
	if got := other.outcomes(t, "odd")[:1]; !slices.Equal(got, []store.Outcome{store.NoAccount}) {
		t.Errorf("got outcomes %v", got)
	}
	update(devnet.UpdateOptions{Value: value(t, alice)})
	if _, err := r.Resolve(t.Context(), "odd"); err != nil {
		t.Errorf("an account again: %v", err)
	}
	if list, err := r.Store.Waiting(t.Context(), "odd", 0, 10); err != nil || len(list) != 0 {
		t.Errorf("still held: %+v, %v", list, err)
	}
}

// TestUnreadable: what does not open has no vote, but is an answer of its own where all say so. Chains that end before what is known do not
// count, though they agree.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 28, Nodes: 14})
	if _, err := n.Chain().BuyName(name(t, "bob"), value(t, bob), devnet.BuyOptions{}); err != nil { // so devnet's liars cannot seal for it
		t.Fatal(err)
	}
	n.Mine(20)
	r, other := n.client(1), n.client(2)
	n.inject("0-3:lie-ons")
	for range 6 {
		if got, err := r.Resolve(t.Context(), "bob"); err != nil || got.ID.String() != bob {
			t.Fatalf("with few that lie: %s, %v", got.ID, err)
		}
	}
	n.inject("all:lie-ons")
	if _, err := other.Resolve(t.Context(), "bob"); !errors.Is(err, client.ErrUnreadable) {
		t.Errorf("got error %v, want ErrUnreadable", err)
	}
	n.inject("all:backwards=15")
	var held *client.HeldError
	if s, err := r.Send(t.Context(), client.Letter{Name: name(t, "bob"), Text: "x", Recheck: -1}); !errors.Is(err, client.ErrBehind) || errors.As(err, &held) {
		t.Errorf("all cannot be read and are behind: %+v, %v", s, err)
	}
	n.inject("all:ok,all:lie-ons")
	if _, err := r.Resolve(t.Context(), "bob"); !errors.As(err, &held) || !errors.Is(err, client.ErrUnreadable) {
		t.Errorf("got error %v, want a *HeldError", err)
	}
	n.inject("all:ok")
	n.inject("all:backwards=30")
	got, err := r.Resolve(t.Context(), "bob")
	if !errors.Is(err, client.ErrFewNodes) {
		t.Errorf("all are behind: got error %v, want ErrFewNodes", err)
	}
	for _, a := range got.Receipt.Answers {
		if a.Reason != "its chain is far behind; not registered" || a.Height == 0 || a.Agrees {
			t.Errorf("got answer %+v", a)
		}
	}
	if _, err := r.Resolve(t.Context(), "bob"); !errors.Is(err, ons.ErrNotFound) {
		t.Errorf("all are behind still: got error %v, want ErrNotFound", err)
	}
	if got := r.outcomes(t, "bob")[1:]; got[0] != store.Unanswered || got[1] != store.Unreadable || got[2] != store.Unanswered || got[3] != store.Agreed {
		t.Errorf("got outcomes %v", got)
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
