package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"onsight/client"
	"onsight/client/store"
	"onsight/internal/devnet"
	"onsight/ons"
)

func (r *resident) id() string { return r.Account.ID().String() }

func (r *resident) send(t *testing.T, to, text string) client.Sent {
	t.Helper()
	l := client.Letter{Text: text}
	if id, err := client.ParseID(to); err == nil {
		l.To = id
	} else {
		l.Name = name(t, to)
	}
	s, err := r.Send(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// flush sends all that is due.
func (r *resident) flush(t *testing.T) int {
	t.Helper()
	n, _, err := r.Flush(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (r *resident) poll(t *testing.T) int {
	t.Helper()
	n, err := r.Poll(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// texts are those of a chat, the oldest first.
func (r *resident) texts(t *testing.T, with client.ID) (list []string) {
	t.Helper()
	all, err := r.Store.Messages(t.Context(), with, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range slices.Backward(all) {
		who := "they: "
		if client.ID(m.Sender) == r.Account.ID() {
			who = "I: "
		}
		list = append(list, who+m.Text)
	}
	return list
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestConversation: first contact by name, an answer that accepts, and a second device that sees it all; each once.
func TestConversation(t *testing.T) {
	quiet(t)
	b := account(2).ID()
	n := startTown(t, devnet.Config{Seed: 31, Nodes: 24}, "session bob "+b.String())
	alice, bob := n.client(1), n.client(2)

	first := alice.send(t, "bob", "hello")
	if first.To != b || first.Resolution == nil || first.Seq == 0 {
		t.Fatalf("got %+v", first)
	}
	if got := alice.flush(t); got != 2 { // it and its copy
		t.Errorf("%d parcels were stored, want 2", got)
	}
	for range 3 {
		bob.poll(t)
	}
	same(t, bob.texts(t, alice.Account.ID()), "they: hello")
	contact, err := bob.Store.Contact(t.Context(), alice.Account.ID())
	if err != nil || contact.Approved || !contact.ApprovedMe || contact.Profile.Name != "resident" {
		t.Errorf("a stranger is %+v, %v", contact, err)
	}

	bob.send(t, alice.id(), "who are you?")
	bob.flush(t)
	alice.poll(t)
	if contact, err = alice.Store.Contact(t.Context(), b); err != nil || !contact.Approved || !contact.ApprovedMe {
		t.Errorf("who has answered is %+v, %v", contact, err)
	}
	second := alice.send(t, "bob", "Alice")
	if second.Resolution != nil {
		t.Error("the name was asked for again")
	}
	alice.send(t, alice.id(), "note")
	alice.flush(t)
	bob.poll(t)

	device := n.client(1) // of Alice's, with nothing but her words
	for range 2 {
		device.poll(t)
	}
	for _, r := range []*resident{alice, device} {
		r.poll(t)
		same(t, r.texts(t, b), "I: hello", "they: who are you?", "I: Alice")
		same(t, r.texts(t, r.Account.ID()), "I: note")
	}
	same(t, bob.texts(t, alice.Account.ID()), "they: hello", "I: who are you?", "they: Alice")

	m, err := alice.Store.Message(t.Context(), first.Seq)
	if err != nil || m.State != store.Replicated || m.Copies < 3 {
		t.Errorf("got state %d on %d nodes, %v, want it replicated", m.State, m.Copies, err)
	}
	lines, err := alice.Store.Ledger(t.Context(), first.Seq, 100)
	if err != nil {
		t.Fatal(err)
	}
	var steps []string
	copied := 0 // whenever: it goes beside the message
	for _, l := range lines {
		if l.Step == "copied" {
			copied++
			continue
		}
		steps = append(steps, l.Step)
	}
	if got := strings.Join(steps, " "); got != "queued encrypted path stored replicated" || copied != 1 {
		t.Errorf("the ledger says %q", got)
	}

	// Events: at least once, until they are acknowledged.
	var given []int64
	for range 2 {
		for e, err := range bob.Events(t.Context(), "bot") {
			if err != nil {
				t.Fatal(err)
			}
			given = append(given, e.Seq)
			if len(given) == 1 {
				break // the process dies
			}
		}
	}
	if len(given) < 4 || given[0] != given[1] || !slices.IsSorted(given) {
		t.Errorf("got events %v, want the first again and then each once", given)
	}
	for range bob.Events(t.Context(), "bot") {
		t.Error("an event was given after it was acknowledged")
	}
}

// TestSendKey: a send that is tried again is one send.
func TestSendKey(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 32, Nodes: 12})
	a, b := n.client(1), n.client(2)
	var seqs []int64
	for range 3 {
		s, err := a.Send(t.Context(), client.Letter{To: b.Account.ID(), Text: "once", Key: "order-1"})
		if err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, s.Seq)
	}
	if seqs[0] != seqs[1] || seqs[1] != seqs[2] {
		t.Errorf("got messages %v", seqs)
	}
	a.flush(t)
	b.poll(t)
	same(t, b.texts(t, a.Account.ID()), "they: once")
}

// TestNamedMe: the name "me" is somebody's like any other, and a letter to it is no note to oneself.
func TestNamedMe(t *testing.T) {
	t.Parallel()
	b := account(2).ID()
	n := startTown(t, devnet.Config{Seed: 36, Nodes: 12}, "session me "+b.String())
	a := n.client(1)
	if s := a.send(t, "me", "hello"); s.To != b {
		t.Errorf("it goes to %s, want %s", s.To, b)
	}
	if _, err := a.Send(t.Context(), client.Letter{Text: "x"}); err == nil {
		t.Error("a letter to nobody was accepted")
	}
	if _, err := a.Send(t.Context(), client.Letter{To: client.ID{3, 1}, Text: "x"}); !errors.Is(err, client.ErrID) {
		t.Errorf("got error %v for a group, want ErrID", err)
	}
}

// TestRefusedReply: an answer that is refused accepts nobody, and one that is not accepts with the message.
func TestRefusedReply(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 37, Nodes: 12})
	a, b := n.client(1), n.client(2)
	a.send(t, b.id(), "hello")
	a.flush(t)
	b.poll(t)
	stranger := a.Account.ID()
	if _, err := b.Send(t.Context(), client.Letter{To: stranger, Text: strings.Repeat("x", 2001)}); err == nil {
		t.Fatal("a text that is too long was accepted")
	}
	list, err := b.Store.Outbox(t.Context(), 0, 10)
	if contact, err := b.Store.Contact(t.Context(), stranger); err != nil || contact.Approved || !contact.Request() {
		t.Errorf("after a refused answer the stranger is %+v, %v", contact, err)
	}
	if err != nil || len(list) != 0 {
		t.Errorf("the outbox has %+v, %v", list, err)
	}
	s := b.send(t, a.id(), "hello yourself")
	list, err = b.Store.Outbox(t.Context(), 0, 10)
	if err != nil || len(list) != 3 || list[0].Message != 0 || list[1].Message != s.Seq || !list[2].Copy {
		t.Errorf("the outbox has %+v, %v", list, err)
	}
	if contact, err := b.Store.Contact(t.Context(), stranger); err != nil || !contact.Approved {
		t.Errorf("who was answered is %+v, %v", contact, err)
	}
}

// TestHeld: what is sent to a name that has changed waits, and goes to whom was approved.
func TestHeld(t *testing.T) {
	t.Parallel()
	old, new := account(2).ID(), account(3).ID()
	n := startTown(t, devnet.Config{Seed: 33, Nodes: 20}, "session bob "+old.String())
	var skew time.Duration
	a, c := n.client(1, func(c *client.Config) {
		c.Recheck, c.Now = time.Nanosecond, func() time.Time { return time.Now().Add(skew) }
	}), n.client(3)
	a.send(t, "bob", "first")
	a.flush(t)
	was, err := a.Send(t.Context(), client.Letter{Name: name(t, "bob"), Text: "before", Key: "before"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Update(name(t, "bob"), value(t, new.String())); err != nil {
		t.Fatal(err)
	}
	if s, err := a.Send(t.Context(), client.Letter{Name: name(t, "bob"), Text: "before", Key: "before"}); err != nil || s.Seq != was.Seq || s.To != old || s.Held != 0 {
		t.Errorf("what was sent before is %+v, %v", s, err)
	}
	a.flush(t)
	var held *client.HeldError
	for range 2 {
		s, err := a.Send(t.Context(), client.Letter{Name: name(t, "bob"), Text: "secret", Key: "k"})
		if !errors.As(err, &held) || s.Held == 0 || s.Seq != 0 {
			t.Fatalf("got %+v, %v", s, err)
		}
	}
	if got := a.flush(t); got != 0 {
		t.Errorf("%d parcels were sent though the message is held", got)
	}
	if _, err := a.Release(t.Context(), "bob"); !errors.As(err, &held) {
		t.Errorf("got error %v for releasing what must wait", err)
	}
	if err := a.Approve(t.Context(), "bob", held.New); err != nil {
		t.Fatal(err)
	}
	a.flush(t)
	c.poll(t)
	same(t, c.texts(t, a.Account.ID()), "they: secret")

	// To approve is not to ask: what was said long ago is asked again.
	if _, err := n.Update(name(t, "bob"), value(t, old.String())); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Resolve(t.Context(), "bob"); !errors.As(err, &held) {
		t.Fatal(err)
	}
	skew = 30 * time.Minute
	if err := a.Approve(t.Context(), "bob", held.New); err != nil {
		t.Fatal(err)
	}
	if s, err := a.Send(t.Context(), client.Letter{Name: name(t, "bob"), Text: "later", Recheck: 10 * time.Minute}); err != nil || s.Resolution == nil {
		t.Errorf("nobody was asked: %+v, %v", s, err)
	}
}

// TestUnknown: only that the network does not say what a name stands for is a reason to take the account that it is pinned to.
func TestUnknown(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		client.ErrFewNodes: true, client.ErrPath: true, ons.ErrNotFound: true,
		client.ErrBehind: false, client.ErrID: false, client.ErrUnreadable: false, client.ErrClosed: false, store.ErrDisk: false,
	} {
		if got := client.Unknown(fmt.Errorf("resolve: %w", err)); got != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
}

// TestHeldLog: a log is told that something is held, not what.
func TestHeldLog(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	var err error = &client.HeldError{Name: "bob", Old: account(2).ID()}
	slog.New(slog.NewTextHandler(&log, nil)).Info("not released", "error", err)
	if got := log.String(); !strings.HasSuffix(got, "error=held\n") {
		t.Error(got)
	}
}

// TestHeldFree: what is held is sent when the name points back, and when a process ended between approving and sending.
func TestHeldFree(t *testing.T) {
	t.Parallel()
	old, new := account(2).ID(), account(3).ID()
	n := startTown(t, devnet.Config{Seed: 39, Nodes: 14}, "session bob "+old.String())
	a := n.client(1, func(c *client.Config) { c.Recheck = time.Nanosecond })
	m, err := a.Store.Message(t.Context(), a.send(t, "bob", "first").Seq)
	if err != nil {
		t.Fatal(err)
	}
	quote := &store.Ref{Sender: m.Sender, Sent: m.Sent}
	change := func(id client.ID) {
		t.Helper()
		if _, err := n.Update(name(t, "bob"), value(t, id.String())); err != nil {
			t.Fatal(err)
		}
	}
	hold := func(text string) {
		t.Helper()
		var held *client.HeldError
		if _, err := a.Send(t.Context(), client.Letter{Name: name(t, "bob"), Text: text, Quote: quote}); !errors.As(err, &held) {
			t.Fatal(err)
		}
	}
	change(new)
	hold("points back")
	change(old)
	if _, err := a.Resolve(t.Context(), "bob"); err != nil {
		t.Fatal(err)
	}
	same(t, a.texts(t, old), "I: first", "I: points back")
	if list, err := a.Store.Messages(t.Context(), old, 0, 1); err != nil || list[0].Quote == nil || *list[0].Quote != *quote {
		t.Errorf("in the chat of what it answers it is no answer: %+v, %v", list, err)
	}

	change(new)
	hold("flushed")
	if err := a.Store.Approve(t.Context(), "bob", new, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, blocked := range []bool{true, false} {
		if err := a.Store.Block(t.Context(), new, blocked, time.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Release(t.Context(), "bob"); blocked && !errors.Is(err, client.ErrBlocked) {
			t.Errorf("got error %v for releasing to who is blocked", err)
		}
		a.flush(t)
		if list := a.texts(t, new); (len(list) == 0) != blocked {
			t.Errorf("blocked %v: sent are %q", blocked, list)
		}
	}

	change(old)
	quote = nil // which is not of the chat with the account that it stood for now
	hold("approved again")
	if err := a.Store.Approve(t.Context(), "bob", old, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := a.Approve(t.Context(), "bob", new); !errors.Is(err, store.ErrPin) {
		t.Errorf("got error %v for approving another", err)
	}
	if err := a.Approve(t.Context(), "bob", old); err != nil {
		t.Error(err)
	}
	same(t, a.texts(t, old), "I: first", "I: points back", "I: approved again")
}

// TestHeldBad: what cannot be sealed is not held, one that is does not keep the others, and a new account is not told which message of the old one an answer is to.
func TestHeldBad(t *testing.T) {
	t.Parallel()
	old, new := account(2).ID(), account(3).ID()
	n := startTown(t, devnet.Config{Seed: 38, Nodes: 14}, "session bob "+old.String())
	a := n.client(1, func(c *client.Config) { c.Recheck = time.Nanosecond })
	first := a.send(t, "bob", "first")
	if _, err := n.Update(name(t, "bob"), value(t, new.String())); err != nil {
		t.Fatal(err)
	}
	bob := name(t, "bob")
	var held *client.HeldError
	if s, err := a.Send(t.Context(), client.Letter{Name: bob, Text: strings.Repeat("x", 2001)}); err == nil || errors.As(err, &held) || s.Held != 0 {
		t.Errorf("a text that is too long: %+v, %v", s, err)
	}
	// One that an earlier program held.
	if _, _, err := a.Store.Hold(t.Context(), store.Held{Name: "bob", Text: strings.Repeat("x", 2001), At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	m, err := a.Store.Message(t.Context(), first.Seq)
	if err != nil {
		t.Fatal(err)
	}
	quote := &store.Ref{Sender: m.Sender, Sent: m.Sent}
	// What answers a message goes to its chat only. What would be refused or held is so if it is but tried.
	if err := a.Store.Block(t.Context(), account(4).ID(), true, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, try := range []func(context.Context, client.Letter) (client.Sent, error){a.Rehearse, a.Send} {
		if _, err := try(t.Context(), client.Letter{To: new, Text: "x", Quote: quote}); !errors.Is(err, client.ErrQuote) {
			t.Errorf("got error %v, want ErrQuote", err)
		}
		if _, err := try(t.Context(), client.Letter{To: account(4).ID(), Text: "x"}); !errors.Is(err, client.ErrBlocked) {
			t.Errorf("got error %v, want ErrBlocked", err)
		}
	}
	if s, err := a.Rehearse(t.Context(), client.Letter{Name: bob, Text: "x", Quote: quote}); !errors.As(err, &held) || s.Held != 0 {
		t.Errorf("tried, got %+v, %v", s, err)
	}
	if _, err := a.Send(t.Context(), client.Letter{Name: bob, Text: "second", Quote: quote}); !errors.As(err, &held) {
		t.Fatal(err)
	}
	if err := a.Approve(t.Context(), "bob", held.New); err == nil {
		t.Error("nothing was said of the text that is too long")
	}
	list, err := a.Store.Messages(t.Context(), new, 0, 10)
	if err != nil || len(list) != 1 || list[0].Text != "second" || list[0].Quote != nil {
		t.Errorf("got messages %+v, %v", list, err)
	}
	if waiting, err := a.Store.Waiting(t.Context(), "bob", 0, 10); err != nil || len(waiting) != 1 {
		t.Errorf("held are %d, %v", len(waiting), err)
	}
}

// TestOffline: a text for somebody whose pin is known is accepted without a network, and sent later.
func TestOffline(t *testing.T) {
	t.Parallel()
	b := account(2).ID()
	n := startTown(t, devnet.Config{Seed: 34, Nodes: 12}, "session bob "+b.String())
	var skew time.Duration
	alice := n.client(1, func(c *client.Config) {
		c.Recheck, c.Timeout = time.Nanosecond, time.Second
		c.Now = func() time.Time { return time.Now().Add(skew) }
	})
	if _, err := alice.Resolve(t.Context(), "bob"); err != nil {
		t.Fatal(err)
	}
	n.inject("all:down")
	s := alice.send(t, "bob", "later")
	if s.To != b {
		t.Fatalf("goes to %s", s.To)
	}
	if sent, next, err := alice.Flush(t.Context()); sent != 0 || next.IsZero() || err == nil {
		t.Errorf("%d sent, next %v, %v", sent, next, err)
	}
	if list, err := alice.Store.Outbox(t.Context(), 0, 10); err != nil || len(list) != 2 || list[0].Attempts == 0 || list[0].Reason == "" {
		t.Errorf("the outbox has %+v, %v", list, err)
	}
	n.inject("all:ok")
	skew = time.Minute // until it is due
	alice.flush(t)
	bob := n.client(2)
	bob.poll(t)
	same(t, bob.texts(t, alice.Account.ID()), "they: later")
}

// TestWrongSwarm: a list of nodes whose swarms are wrong is corrected by those who should know, and one liar is not believed.
func TestWrongSwarm(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 35, Nodes: 24})
	a, b := n.client(1), n.client(2)
	if err := a.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, at, err := a.Store.Pool(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	var swarms []uint64
	for _, node := range list {
		if !slices.Contains(swarms, node.Swarm) {
			swarms = append(swarms, node.Swarm)
		}
	}
	if len(swarms) < 2 {
		t.Fatalf("%d swarms: nothing can be wrong", len(swarms))
	}
	for i := range list {
		list[i].Swarm = swarms[(slices.Index(swarms, list[i].Swarm)+1)%len(swarms)]
	}
	if err := a.Store.SetPool(t.Context(), list, at); err != nil {
		t.Fatal(err)
	}
	a.open(t)
	a.send(t, b.id(), "hello")
	a.send(t, a.id(), "note")
	if got := a.flush(t); got != 3 {
		t.Errorf("%d parcels were stored, want 3", got)
	}
	b.poll(t)
	same(t, b.texts(t, a.Account.ID()), "they: hello")
	// The list is known to be old now, though it is young, and was renewed for it.
	if err := a.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	fresh, _, err := a.Store.Pool(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	if slices.EqualFunc(fresh, list, func(x, y store.Node) bool { return x.Swarm == y.Swarm }) {
		t.Error("the list was not renewed")
	}
}

// TestRenewed: whoever only sends or only fetches once in a while has a list of nodes that is not old.
func TestRenewed(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 85, Nodes: 14})
	clock := &fakeClock{}
	r := n.client(1, func(c *client.Config) { c.Now = clock.now })
	age := func() time.Duration {
		_, at, err := r.Store.Pool(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		return clock.now().Sub(at)
	}
	r.connect(t)
	for i, f := range []func(){func() { r.send(t, r.Account.ID().String(), "note"); r.flush(t) }, func() { r.poll(t) }} {
		clock.pass(3 * time.Hour)
		r.open(t)
		f()
		if a := age(); a > time.Hour {
			t.Errorf("after round %d the list is %v old", i, a)
		}
	}
	if err := r.Store.Outdate(t.Context()); err != nil { // as another process does after a 421
		t.Fatal(err)
	}
	r.open(t)
	r.poll(t)
	if a := age(); a > time.Hour {
		t.Errorf("the list is %v old", a)
	}
}

// TestTroubles: whatever some nodes do, all texts arrive, once.
func TestTroubles(t *testing.T) {
	t.Parallel()
	for _, faults := range []string{
		"0-3:down", "0-5:lie-swarm", "0-7:lie-signature", "0-3:status=500", "0-3:status=503,4-6:status=429", "0-3:drop-onions",
		"all:lossy=0.1", "0-3:clock=-5m,4-6:clock=5m", "0-2:status=502,3-5:status=504",
	} {
		t.Run(faults, func(t *testing.T) {
			t.Parallel()
			n := startTown(t, devnet.Config{Seed: 36, Nodes: 24, OnionTimeout: 500 * time.Millisecond})
			n.inject(faults)
			var skew time.Duration
			limits := func(c *client.Config) {
				c.Timeout = 2 * time.Second
				c.Now = func() time.Time { return time.Now().Add(skew) }
			}
			a, b := n.client(1, limits), n.client(2, limits)
			var want []string
			for i := range 5 {
				text := fmt.Sprint("text ", i)
				a.send(t, b.id(), text)
				want = append(want, "they: "+text)
			}
			var last error
			for range 10 { // rounds; what failed is due again in the next
				_, next, err := a.Flush(t.Context())
				if _, perr := b.Poll(t.Context()); perr != nil {
					last = perr
				}
				if err == nil && next.IsZero() {
					break
				}
				last = err
				skew += 15 * time.Second
			}
			for range 3 {
				if _, err := b.Poll(t.Context()); err != nil {
					last = err
				}
			}
			same(t, b.texts(t, a.Account.ID()), want...)
			if t.Failed() {
				t.Log(last)
			}
		})
	}
}

// TestRefusals: what a few members of a swarm refuse, with whatever status, the others take. What all refuse is given up.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 401, 403, 404} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			n := startTown(t, devnet.Config{Seed: 81, Nodes: 14})
			n.inject(fmt.Sprintf("0-3:status=%d", status))
			a, b := n.client(1), n.client(2)
			var want []string
			for i := range 6 {
				text := fmt.Sprint("text ", i)
				a.send(t, b.id(), text)
				want = append(want, "they: "+text)
			}
			if got := a.flush(t); got != 12 {
				t.Errorf("%d parcels were stored, want 12", got)
			}
			b.poll(t)
			same(t, b.texts(t, a.Account.ID()), want...)

			n.inject(fmt.Sprintf("all:status=%d", status))
			s := a.send(t, b.id(), "refused by all")
			if _, _, err := a.Flush(t.Context()); err == nil {
				t.Error("nothing was said of what all refuse")
			}
			if m, err := a.Store.Message(t.Context(), s.Seq); err != nil || m.State != store.Failed {
				t.Errorf("the message is %+v, %v, want it failed", m, err)
			}
		})
	}
}

// TestWrongClock: with the machine's clock hours or weeks off, messages are sent and fetched nevertheless, and carry the network's time:
// with the clock put right again, and without a network too.
func TestWrongClock(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 37, Nodes: 16})
	for i, skew := range []time.Duration{5 * time.Hour, -5 * time.Hour, 20 * 24 * time.Hour, -20 * 24 * time.Hour} {
		off := func(c *client.Config) { c.Now = func() time.Time { return time.Now().Add(skew) } }
		a, b := n.client(byte(10+2*i), off), n.client(byte(11+2*i), off)
		var all []string
		send := func(text string, parcels int) {
			t.Helper()
			s := a.send(t, b.id(), text)
			m, err := a.Store.Message(t.Context(), s.Seq)
			if err != nil || time.Since(m.Sent).Abs() > time.Minute {
				t.Errorf("%v off: %q was sent at %v, %v", skew, text, m.Sent, err)
			}
			all = append(all, "they: "+text)
			if parcels == 0 {
				return
			}
			if got := a.flush(t); got != parcels {
				t.Errorf("%v off: %d parcels of %q were stored, want %d", skew, got, text, parcels)
			}
			b.poll(t)
			same(t, b.texts(t, a.Account.ID()), all...)
		}
		send("hello", 2)
		n.inject("all:down")
		a.cfg.Timeout = time.Second
		a.open(t)
		send("without a network", 0)
		n.inject("all:ok")
		skewed := a.cfg.Now
		a.cfg.Now = nil // it was put right
		a.open(t)
		send("right", 4)
		a.cfg.Now = skewed
	}
}

// TestTimeKept: a process that comes right after another takes its word for the network's time, and one that comes later asks.
func TestTimeKept(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 37, Nodes: 16})
	clock := &fakeClock{}
	a := n.client(1, func(c *client.Config) { c.Now = clock.now })
	for i, asks := range []bool{true, false, true} {
		s, err := a.Send(t.Context(), client.Letter{To: a.Account.ID(), Text: fmt.Sprint(i)})
		if err != nil || (s.Clock > 0) != asks {
			t.Errorf("message %d: %v, error %v, want asked %v", i, s.Clock, err, asks)
		}
		if asks {
			clock.pass(5 * time.Minute)
		} else {
			clock.pass(-20 * time.Minute) // set back: what was learnt is of the future then
		}
		a.open(t)
	}
}

// TestClockSteps: a clock that is set while the client runs is noticed with the first refusal, and nodes that do not answer are gone around.
func TestClockSteps(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 84, Nodes: 16}, "session bob "+bob)
	clock := &fakeClock{}
	r := n.client(1, func(c *client.Config) { c.Now = clock.now })
	r.resolves(t)
	r.send(t, r.Account.ID().String(), "note")
	r.flush(t)
	clock.pass(3 * time.Hour)
	r.poll(t)
	if d := time.Until(r.Now()); d.Abs() > time.Minute {
		t.Errorf("the network's time is taken to be %v ahead", d)
	}
	on := map[[32]byte]bool{}
	for _, p := range r.Paths() {
		for _, h := range p {
			on[h.Ed25519] = true
		}
	}
	down := 0
	for i, node := range n.Nodes() { // six of the others stay
		if !on[node.Ed25519()] && down < 4 {
			n.inject(fmt.Sprintf("%d:down", i))
			down++
		}
	}
	clock.pass(-5 * time.Hour)
	for range 3 {
		if err := r.Sync(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if d := time.Until(r.Now()); d.Abs() > time.Minute {
		t.Errorf("the network's time is taken to be %v ahead", d)
	}
}

// TestGarbage: what is no message is skipped and counted.
func TestGarbage(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 38, Nodes: 12})
	a, b := n.client(1), n.client(2)
	now := time.Now()
	var parcels []store.Parcel
	for i := range 450 { // more than are stored at once
		parcels = append(parcels, store.Parcel{Swarm: b.Account.ID(), Data: []byte(fmt.Sprint("garbage ", i)), Sent: now, TTL: time.Hour})
	}
	parcels = append(parcels, store.Parcel{Swarm: b.Account.ID(), Data: []byte{}, Sent: now, TTL: time.Hour})
	if _, err := a.Store.Queue(t.Context(), store.Outgoing{Parcels: parcels}, now); err != nil {
		t.Fatal(err)
	}
	a.send(t, b.id(), "hello")
	a.flush(t)
	b.poll(t)
	same(t, b.texts(t, a.Account.ID()), "they: hello")
	skipped, err := b.Store.Skipped(t.Context(), 10)
	if err != nil || len(skipped) != 2 || skipped[0].N != 450 || skipped[1].N != 1 {
		t.Errorf("skipped %+v, %v, want 450 of one kind and an empty one", skipped, err)
	}
}

// TestReplication: a message that one node only is known to have is looked after until others have it.
func TestReplication(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 83, Nodes: 14})
	n.inject("2-13:lie-signature")
	clock := &fakeClock{}
	a, b := n.client(1, func(c *client.Config) { c.Now = clock.now }), n.client(2)
	s := a.send(t, b.id(), "hello")
	come := func(to store.State) bool {
		for range 40 {
			_, next, err := a.Flush(t.Context())
			m, merr := a.Store.Message(t.Context(), s.Seq)
			if merr != nil {
				t.Fatal(merr)
			}
			if m.State >= to {
				return true
			}
			if err == nil && next.IsZero() {
				return false
			}
			clock.pass(max(time.Until(next.Add(-clock.passed)), 0) + time.Second)
		}
		return false
	}
	if !come(store.Stored) {
		t.Fatal("it was not stored")
	}
	if m, err := a.Store.Message(t.Context(), s.Seq); err != nil || m.State != store.Stored {
		t.Fatalf("it is %+v, %v, want it stored by two at most", m, err)
	}
	n.inject("all:ok")
	if !come(store.Replicated) {
		t.Error("nobody looked who else has it")
	}
	if _, next, err := a.Flush(t.Context()); err != nil || !next.IsZero() {
		t.Errorf("more is due at %v, %v", next, err)
	}
	b.poll(t)
	same(t, b.texts(t, a.Account.ID()), "they: hello")
}

// TestPollRefused: a member that refuses ends no round, nor does one whose answers are none, and it is said if all refuse.
func TestPollRefused(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 82, Nodes: 14})
	a, b := n.client(1), n.client(2)
	a.send(t, b.id(), "hello")
	a.flush(t)
	for i := range 13 {
		n.inject(fmt.Sprintf("all:ok,%d-%d:status=%d", i, min(i+3, 13), []int{400, 401, 403}[i%3]))
		b.open(t)
		b.poll(t)
	}
	same(t, b.texts(t, a.Account.ID()), "they: hello")
	n.inject("all:status=401")
	if _, err := b.Poll(t.Context()); !errors.Is(err, client.ErrSwarm) {
		t.Errorf("got error %v, want ErrSwarm", err)
	}
}

// TestNothingOutsideOnionsOfMessages watches all that leaves while texts are sent and fetched.
func TestNothingOutsideOnionsOfMessages(t *testing.T) {
	quiet(t)
	b := account(2).ID()
	n := startTown(t, devnet.Config{Seed: 39, Nodes: 16}, "session bob "+b.String())
	s := startSpy(t)
	by := func(c *client.Config) { c.Proxy = s.URL() }
	alice, bob := n.client(1, by), n.client(2, by)
	alice.send(t, "bob", "hello")
	alice.flush(t)
	bob.poll(t)
	same(t, bob.texts(t, alice.Account.ID()), "they: hello")
	s.check(b.String(), b.String()[2:], alice.id(), alice.id()[2:], name(t, "bob").Hash().Base64(), "hello", "store", "retrieve")
}

// TestFirstMessage: with 100 ms at each hop the first message of a client that knows nothing is stored in under 2 s.
func TestFirstMessage(t *testing.T) {
	b := account(2).ID()
	n := startTown(t, devnet.Config{Seed: 40, Nodes: 24}, "session bob "+b.String())
	n.inject("all:slow=100ms")
	for try := range byte(5) { // a busy machine is slow too, but not always
		took := firstMessage(t, n.client(10+try))
		if took <= 2*time.Second {
			return
		}
		t.Logf("took %v", took)
	}
	t.Error("no first message was stored in time")
}

// firstMessage is how long it takes until the first message of a client is stored.
func firstMessage(t *testing.T, r *resident) time.Duration {
	t.Helper()
	begun := time.Now()
	s := r.send(t, "bob", "hello")
	resolved := time.Since(begun)
	r.flush(t)
	lines, err := r.Store.Ledger(t.Context(), s.Seq, 10)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(lines, func(l store.Line) bool { return l.Step == "stored" })
	if at < 0 {
		t.Fatal("it was not stored")
	}
	took := lines[at].At.Sub(begun)
	t.Logf("path %v, name %v, sealing %v, stored after %v", s.Resolution.Path, resolved, s.Sealing, took)
	return took
}

// TestRun: what is queued is sent and what has come is fetched until the context ends, and nothing is left running then.
func TestRun(t *testing.T) {
	quiet(t)
	n := startTown(t, devnet.Config{Seed: 44, Nodes: 12})
	a, b := n.client(1), n.client(2)
	s := a.send(t, b.id(), "hello")
	for _, r := range []*resident{a, b} {
		ctx, cancel := context.WithCancel(t.Context())
		err := r.Run(ctx, func(trouble error) {
			if trouble != nil {
				t.Error(trouble)
			}
			if m, err := a.Store.Message(t.Context(), s.Seq); err != nil || m.State >= store.Stored && (r == a || len(b.texts(t, a.Account.ID())) > 0) {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v, want context.Canceled", err)
		}
	}
	same(t, b.texts(t, a.Account.ID()), "they: hello")
}

// TestRunDeadSwarm: while a swarm that is dead is tried, for no longer than a parcel is another process's, messages are fetched.
func TestRunDeadSwarm(t *testing.T) {
	quiet(t)
	n := startTown(t, devnet.Config{Seed: 45, Nodes: 14})
	a, b := n.client(1), n.client(2)
	b.send(t, a.id(), "hello")
	b.flush(t)
	n.inject("all:lie-signature,all:slow=150ms") // nobody is believed to have stored anything
	a.SetPatience(3 * time.Second)
	a.send(t, b.id(), "to nobody")
	begun := time.Now()
	if _, _, err := a.Flush(t.Context()); err == nil || time.Since(begun) > 6*time.Second {
		t.Errorf("after %v: %v", time.Since(begun), err)
	}
	list, err := a.Store.Outbox(t.Context(), 0, 1)
	if err != nil || len(list) != 1 || list[0].Reason == "" {
		t.Fatalf("the outbox has %+v, %v", list, err)
	}
	if err := a.Store.Retry(t.Context(), list[0].Message, time.Now()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	came := false
	_ = a.Run(ctx, func(error) {
		came = slices.Contains(a.texts(t, b.Account.ID()), "they: hello")
		list, err := a.Store.Outbox(t.Context(), 0, 1)
		if err != nil || len(list) != 1 || list[0].Reason != "" {
			t.Errorf("the round ended with the outbox %+v, %v", list, err)
			cancel()
		}
		if came {
			cancel()
		}
	})
	if !came {
		t.Error("nothing was fetched while something was sent")
	}
}

// TestHungMembers: members of a swarm that hang keep nobody from fetching.
func TestHungMembers(t *testing.T) {
	t.Parallel()
	n := startTown(t, devnet.Config{Seed: 91, Nodes: 14, OnionTimeout: time.Hour})
	bob := n.client(2, func(c *client.Config) { c.Timeout = time.Hour })
	bob.send(t, bob.id(), "milk")
	bob.flush(t)
	_, members, err := bob.Swarm(t.Context(), bob.Account.ID())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range members[:3] {
		if err := n.node(m.Ed25519).Delay(time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 { // so that some of those that hang are asked first
		bob.open(t)
		bob.poll(t)
	}
}
