package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gorm.io/gorm"
)

var (
	key   = [32]byte{1, 2, 3}
	epoch = time.UnixMilli(1700000000000).UTC()
	me    = id("me")
	bob   = id("bob")
	carol = id("carol")
	node1 = [32]byte{1}
	node2 = [32]byte{2}
)

func id(name string) (id [33]byte) {
	id[0] = 5
	copy(id[1:], name)
	return id
}

// at is a time n milliseconds into the tests.
func at(n int) time.Time { return epoch.Add(time.Duration(n) * time.Millisecond) }

func tempPath(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "courier.db")
}

func mustOpen(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(context.Background(), Config{Path: path, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// mustCreate opens a new database with an account.
func mustCreate(t testing.TB, path string) *Store {
	t.Helper()
	s := mustOpen(t, path)
	must(t, s.Create(context.Background(), Account{Seed: [16]byte{9}, ID: me, Network: "devnet", Name: "Me", Renamed: at(0), Created: at(0)}))
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// got returns a value, or ends the test.
func got[V any](t testing.TB) func(V, error) V {
	return func(v V, err error) V {
		t.Helper()
		must(t, err)
		return v
	}
}

func text(chat, sender [33]byte, sent int, s string) Message {
	return Message{Chat: chat, Sender: sender, Sent: at(sent), Kind: Text, Text: s}
}

func item(hash string, c Change) Item { return Item{Hash: hash, Change: c} }

func arrived(from [33]byte, sent int, s string) *Arrived {
	return &Arrived{Message: text(from, from, sent, s)}
}

func send(t testing.TB, s *Store, to [33]byte, sent int, words string) int64 {
	t.Helper()
	m := text(to, me, sent, words)
	return got[int64](t)(s.Queue(context.Background(), Outgoing{Message: &m, Parcels: []Parcel{
		{Swarm: to, Data: []byte("sealed " + words), Sent: at(sent), TTL: time.Hour},
		{Swarm: me, Data: []byte("copy " + words), Sent: at(sent), TTL: time.Hour, Copy: true},
	}}, at(sent)))
}

// befriend takes messages of accounts from now on.
func befriend(t testing.TB, s *Store, ids ...[33]byte) {
	t.Helper()
	for _, id := range ids {
		got[int64](t)(s.Queue(context.Background(), Outgoing{Approve: id}, at(0)))
	}
}

func TestAccount(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := mustOpen(t, tempPath(t))
	if _, err := s.Account(ctx); !errors.Is(err, ErrNotFound) {
		t.Errorf("an empty database: %v", err)
	}
	want := Account{Seed: [16]byte{9}, ID: me, Network: "devnet", Name: "Me", Renamed: at(0), Created: at(5)}
	must(t, s.Create(ctx, want))
	if err := s.Create(ctx, want); !errors.Is(err, ErrExists) {
		t.Errorf("a second account: %v", err)
	}
	must(t, s.Rename(ctx, "I", at(7000)))
	want.Name, want.Renamed = "I", at(7000)
	if diff := cmp.Diff(want, got[Account](t)(s.Account(ctx))); diff != "" {
		t.Error(diff)
	}
	if s := fmt.Sprintf("%v %+v %#v", want, struct{ A Account }{want}, want); strings.Contains(s, "9, ") || strings.Contains(s, "0x9") {
		t.Errorf("printed as %s", s)
	}
	for i, now := range []int{10, 10, 9, 5000, 10, 5000} { // a clock that was ahead once is forgotten
		if got, want := got[time.Time](t)(s.NextTime(ctx, at(now))), at([]int{10, 11, 9, 5000, 12, 5001}[i]); !got.Equal(want) {
			t.Errorf("time %d: got %v, want %v", i, got, want)
		}
	}
}

func TestSend(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := mustCreate(t, tempPath(t))
	seq := send(t, s, bob, 10, "hello")

	claimed := got[[]Parcel](t)(s.Claim(ctx, at(10), time.Second, 10))
	// The copy goes with it.
	want := []Parcel{
		{ID: 1, Message: seq, Swarm: bob, Data: []byte("sealed hello"), Sent: at(10), TTL: time.Hour, State: Pending, Attempts: 1, Next: at(1010)},
		{ID: 2, Message: seq, Swarm: me, Data: []byte("copy hello"), Sent: at(10), TTL: time.Hour, Copy: true, State: Pending, Attempts: 1, Next: at(1010)},
	}
	if diff := cmp.Diff(want, claimed); diff != "" {
		t.Errorf("claimed: %s", diff)
	}
	if again := got[[]Parcel](t)(s.Claim(ctx, at(1009), time.Second, 10)); len(again) != 0 {
		t.Errorf("claimed twice: %v", again)
	}
	must(t, s.Postpone(ctx, 1, at(2000), "path broke"))
	must(t, s.Postpone(ctx, 2, at(2100), "path broke"))
	if due := got[time.Time](t)(s.NextDue(ctx)); !due.Equal(at(2000)) {
		t.Errorf("due at %v", due)
	}
	if again := got[[]Parcel](t)(s.Claim(ctx, at(2000), time.Second, 10)); len(again) != 1 || again[0].Attempts != 2 || again[0].Reason != "path broke" {
		t.Errorf("claimed %+v", again)
	}
	must(t, s.Deliver(ctx, 1, node1, "hash", at(2100)))
	must(t, s.Deliver(ctx, 1, node1, "hash", at(2200))) // the answer of an attempt that seemed lost
	if m := got[Message](t)(s.Message(ctx, seq)); m.State != Stored || m.Hash != "hash" {
		t.Errorf("stored: %+v", m)
	}
	if again := got[[]Parcel](t)(s.Claim(ctx, at(2100), time.Second, 10)); len(again) != 1 || !again[0].Copy || again[0].Swarm != me {
		t.Errorf("claimed %+v", again)
	}
	must(t, s.Deliver(ctx, 2, node2, "copy", at(2300)))
	must(t, s.Note(ctx, seq, Line{At: at(2350), Step: "path", Detail: "a b c"}))
	must(t, s.Replicate(ctx, seq, 2, false, at(2400)))
	must(t, s.Replicate(ctx, seq, 5, true, at(2500)))
	must(t, s.Replicate(ctx, seq, 3, true, at(2600)))
	if m := got[Message](t)(s.Message(ctx, seq)); m.State != Replicated || m.Copies != 5 {
		t.Errorf("replicated: %+v", m)
	}
	got[int](t)(s.Receive(ctx, Batch{Node: node1, Items: []Item{item("r", &WasRead{By: bob, Sent: []time.Time{at(10), at(11)}})}}, at(2700)))
	got[int](t)(s.Receive(ctx, Batch{Node: node1, Items: []Item{item("r2", &WasRead{By: carol, Sent: []time.Time{at(10)}})}}, at(2800)))
	if m := got[Message](t)(s.Message(ctx, seq)); m.State != Read {
		t.Errorf("read: %+v", m)
	}
	var steps []string
	for _, l := range got[[]Line](t)(s.Ledger(ctx, seq, 100)) {
		steps = append(steps, l.Step)
	}
	if got, want := strings.Join(steps, " "), "queued encrypted stored copied path replicated read"; got != want {
		t.Errorf("ledger %s, want %s", got, want)
	}
	// The copy comes back from the own swarm: nothing changes, also under another hash.
	events := len(got[[]Event](t)(s.Events(ctx, 0, 100)))
	back := &Arrived{Message: text(bob, me, 10, "hello")}
	got[int](t)(s.Receive(ctx, Batch{Items: []Item{item("copy", back), item("other", back)}}, at(2900)))
	if now := len(got[[]Event](t)(s.Events(ctx, 0, 100))); now != events {
		t.Errorf("%d events more", now-events)
	}
	if c := got[Contact](t)(s.Contact(ctx, bob)); !c.Approved || c.ApprovedMe {
		t.Errorf("whom we write to is %+v", c)
	}
	if left := got[[]Parcel](t)(s.Outbox(ctx, 0, 10)); len(left) != 0 {
		t.Errorf("left in the outbox: %v", left)
	}
	if due := got[time.Time](t)(s.NextDue(ctx)); !due.IsZero() {
		t.Errorf("due at %v", due)
	}
}

// TestTaken: our other device has sent a message at the very time that one of ours was made for.
func TestTaken(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := mustCreate(t, tempPath(t))
	got[int](t)(s.Receive(ctx, Batch{Items: []Item{item("a", &Arrived{Message: text(bob, me, 10, "from there")})}}, at(10)))
	m := text(bob, me, 10, "from here")
	if _, err := s.Queue(ctx, Outgoing{Message: &m, Key: "k", Parcels: []Parcel{{Swarm: bob, Data: []byte("x"), Sent: at(10)}}}, at(10)); !errors.Is(err, ErrTaken) {
		t.Errorf("got error %v", err)
	}
	if list := got[[]Parcel](t)(s.Outbox(ctx, 0, 10)); len(list) != 0 {
		t.Errorf("parcels %v", list)
	}
	m.Sent = at(11)
	if seq := got[int64](t)(s.Queue(ctx, Outgoing{Message: &m, Key: "k"}, at(11))); seq == 0 {
		t.Error("the second try was not taken")
	}
}

// TestRemember: what is fetched again and again is not new after a month either; what is not fetched is forgotten.
func TestRemember(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := mustCreate(t, tempPath(t))
	const day = 24 * 3600 * 1000
	b := Batch{Items: []Item{item("a", arrived(bob, 1, "hello"))}}
	for i, c := range []struct{ day, fresh int }{{0, 1}, {30, 0}, {60, 0}, {92, 1}} {
		got[int64](t)(s.Sweep(ctx, at(c.day*day)))
		if n := got[int](t)(s.Receive(ctx, b, at(c.day*day))); n != c.fresh {
			t.Errorf("step %d: %d new items, want %d", i, n, c.fresh)
		}
	}
	if list := got[[]Message](t)(s.Messages(ctx, bob, 0, 10)); len(list) != 1 {
		t.Errorf("%d messages", len(list))
	}
}

// TestOutboxShrinks: bytes are kept as long as they may have to be stored again, and no longer.
func TestOutboxShrinks(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := mustCreate(t, tempPath(t))
	seq := send(t, s, bob, 10, "hello")
	send(t, s, carol, 20, "not sent")
	must(t, s.Deliver(ctx, 1, node1, "h", at(20)))
	must(t, s.Deliver(ctx, 2, node1, "c", at(20)))
	hour := int(time.Hour / time.Millisecond)
	for _, c := range []struct{ now, left int }{{hour, 4}, {10 + hour, 2}, {20 * hour, 2}} {
		got[int64](t)(s.Sweep(ctx, at(c.now)))
		var n int
		must(t, s.read.Raw("SELECT count(*) FROM outbox").Scan(&n).Error)
		if n != c.left {
			t.Errorf("%d parcels are left at %d, want %d", n, c.now, c.left)
		}
	}
	if m := got[Message](t)(s.Message(ctx, seq)); m.State != Stored {
		t.Errorf("the message is %+v", m)
	}
}

func TestGiveUp(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := mustCreate(t, tempPath(t))
	seq := send(t, s, bob, 10, "hello")
	before := got[[]Parcel](t)(s.Claim(ctx, at(10), time.Second, 10))[0]
	must(t, s.GiveUp(ctx, 1, "refused", at(20)))
	if err := s.GiveUp(ctx, 1, "refused", at(20)); !errors.Is(err, ErrNotFound) {
		t.Errorf("given up twice: %v", err)
	}
	if m := got[Message](t)(s.Message(ctx, seq)); m.State != Failed {
		t.Errorf("failed: %+v", m)
	}
	// What somebody has dropped is not listed, but there.
	dropped := send(t, s, bob, 20, "dropped")
	must(t, s.Forsake(ctx, 3, at(21)))
	if err := s.Forsake(ctx, 3, at(21)); !errors.Is(err, ErrNotFound) {
		t.Errorf("dropped twice: %v", err)
	}
	if m := got[Message](t)(s.Message(ctx, dropped)); m.State != Failed {
		t.Errorf("dropped: %+v", m)
	}
	if left := got[[]Parcel](t)(s.Outbox(ctx, 0, 10)); len(left) != 2 || left[0].State != GivenUp || left[1].State != GivenUp || left[0].Reason != "refused" {
		t.Errorf("outbox %+v", left)
	}
	must(t, s.Retry(ctx, seq, at(30)))
	must(t, s.Postpone(ctx, 1, at(1000), "no answer"))
	must(t, s.Retry(ctx, seq, at(30))) // nor does it wait then
	again := got[[]Parcel](t)(s.Claim(ctx, at(30), time.Second, 10))
	if len(again) != 2 || string(again[0].Data) != string(before.Data) || !again[0].Sent.Equal(before.Sent) {
		t.Errorf("other bytes are sent: %+v", again)
	}
	must(t, s.Deliver(ctx, 1, node1, "hash", at(40)))
	if m := got[Message](t)(s.Message(ctx, seq)); m.State != Stored {
		t.Errorf("stored: %+v", m)
	}
	must(t, s.Deliver(ctx, 2, node1, "hash", at(40)))
	for what, err := range map[string]error{
		"Retry": s.Retry(ctx, seq, at(50)), "Deliver": s.Deliver(ctx, 99, node1, "", at(0)), "Postpone": s.Postpone(ctx, 1, at(0), ""), "GiveUp": s.GiveUp(ctx, 99, "", at(0)),
		"Note": s.Note(ctx, 99, Line{}), "Replicate": s.Replicate(ctx, 99, 1, true, at(0)),
	} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("%s of nothing: %v", what, err)
		}
	}
}

// TestKey: fifty calls with one key are one message.
func TestSendKey(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := mustCreate(t, tempPath(t))
	results := make(chan int64)
	for i := range 50 {
		go func() {
			m := text(bob, me, i, "hello")
			seq, err := s.Queue(ctx, Outgoing{Message: &m, Key: "order-42", Parcels: []Parcel{{Swarm: bob, Data: []byte{byte(i)}, Sent: at(i), TTL: time.Hour}}}, at(i))
			if err != nil {
				t.Error(err)
			}
			results <- seq
		}()
	}
	for range 50 {
		if seq := <-results; seq != 1 {
			t.Errorf("got message %d", seq)
		}
	}
	if list := got[[]Parcel](t)(s.Outbox(ctx, 0, 100)); len(list) != 1 {
		t.Errorf("%d parcels", len(list))
	}
}

func TestReceive(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := mustCreate(t, tempPath(t))
	hello := arrived(bob, 10, "hello")
	hello.Profile = &Profile{Name: "Bob", Picture: "http://x", Key: []byte("k"), Updated: time.Unix(50, 0).UTC()}
	hello.Message.Quote = &Ref{Sender: me, Sent: at(1)}
	hello.Message.Files = 2
	b := Batch{Node: node1, Cursor: "b", Items: []Item{
		item("a", hello), {Hash: "x", Reason: "is not a message"}, item("b", &Arrived{Message: text(carol, me, 5, "from my other device")}),
	}}
	if n := got[int](t)(s.Receive(ctx, b, at(20))); n != 3 {
		t.Errorf("%d new items, want 3", n)
	}
	if n := got[int](t)(s.Receive(ctx, b, at(21))); n != 0 {
		t.Errorf("%d new items the second time", n)
	}
	b.Node, b.Items[0].Hash = node2, "a2" // the same message, sealed or stored another time
	if n := got[int](t)(s.Receive(ctx, b, at(22))); n != 1 {
		t.Errorf("%d new items, want 1", n)
	}
	for node, want := range map[[32]byte]string{node1: "b", node2: "b", {3}: ""} {
		if c := got[string](t)(s.Cursor(ctx, node, 0)); c != want {
			t.Errorf("cursor %q, want %q", c, want)
		}
	}
	list := got[[]Message](t)(s.Messages(ctx, bob, 0, 10))
	want := []Message{{Seq: 1, Chat: bob, Sender: bob, Sent: at(10), Arrived: at(20), Kind: Text, Text: "hello", Files: 2, Quote: &Ref{Sender: me, Sent: at(1)}}}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Error(diff)
	}
	wantContact := Contact{ID: bob, Profile: *hello.Profile, ApprovedMe: true, Created: at(20)}
	if diff := cmp.Diff(wantContact, got[Contact](t)(s.Contact(ctx, bob))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Skipped{{"is not a message", 1, at(20)}, {knownAlready, 1, at(22)}}, got[[]Skipped](t)(s.Skipped(ctx, 10))); diff != "" {
		t.Error(diff)
	}
	var kinds []EventKind
	for _, e := range got[[]Event](t)(s.Events(ctx, 0, 10)) {
		kinds = append(kinds, e.Kind)
	}
	if diff := cmp.Diff([]EventKind{Came, Copied}, kinds); diff != "" {
		t.Error(diff)
	}
	chats := got[[]Chat](t)(s.Chats(ctx, nil, 10))
	if len(chats) != 2 || chats[0].ID != bob || chats[0].Unread != 1 || chats[0].Newest.Text != "hello" || chats[0].Contact.Profile.Name != "Bob" || chats[1].Unread != 0 {
		t.Errorf("chats %+v", chats)
	}
	// Who says that they write from the future does not stand above all others for ever.
	got[int](t)(s.Receive(ctx, Batch{Items: []Item{item("f", arrived(id("eve"), 1_000_000_000, "beware"))}}, at(30)))
	got[int](t)(s.Receive(ctx, Batch{Items: []Item{item("g", arrived(bob, 31, "hello again"))}}, at(40)))
	if list := got[[]Chat](t)(s.Chats(ctx, nil, 10)); len(list) != 3 || list[0].ID != bob || !list[1].Active.Equal(at(30)) {
		t.Errorf("chats %+v", list)
	}
	if older := got[[]Chat](t)(s.Chats(ctx, &chats[0], 10)); len(older) != 1 || older[0].ID != carol {
		t.Errorf("older chats %+v", older)
	}
}

// TestProfiles: what a contact said last of itself counts, not what came last.
func TestProfiles(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := mustCreate(t, tempPath(t))
	for i, c := range []struct {
		name string
		age  int64
		want string
	}{{"first", 0, "first"}, {"second", 0, "second"}, {"third", 100, "third"}, {"old", 99, "third"}, {"none", 0, "third"}, {"new", 101, "new"}} {
		p := &Profile{Name: c.name}
		if c.age != 0 {
			p.Updated = time.Unix(c.age, 0)
		}
		var change Change = &Arrived{Message: text(bob, bob, i, "x"), Profile: p}
		if i%2 == 1 {
			change = &Approved{From: bob, Profile: p}
		}
		got[int](t)(s.Receive(ctx, Batch{Items: []Item{item(c.name, change)}}, at(i)))
		if got := got[Contact](t)(s.Contact(ctx, bob)).Profile.Name; got != c.want {
			t.Errorf("after %s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestBlockAndForget(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := mustCreate(t, tempPath(t))
	must(t, s.Block(ctx, bob, true, at(0)))
	got[int](t)(s.Receive(ctx, Batch{Items: []Item{item("a", arrived(bob, 1, "let me in")), item("b", &Approved{From: bob}), item("c", arrived(carol, 2, "hello"))}}, at(3)))
	if events := got[[]Event](t)(s.Events(ctx, 0, 10)); len(events) != 1 || events[0].Chat != carol {
		t.Errorf("events %+v", events)
	}
	if list := got[[]Skipped](t)(s.Skipped(ctx, 10)); len(list) != 1 || list[0].N != 2 || list[0].Reason != fromBlocked {
		t.Errorf("skipped %+v", list)
	}
	must(t, s.SetNickname(ctx, carol, "C"))
	if err := s.SetNickname(ctx, id("nobody"), "N"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a stranger was named: %v", err)
	}
	must(t, s.Forget(ctx, carol))
	if err := s.Forget(ctx, carol); !errors.Is(err, ErrNotFound) {
		t.Errorf("forgotten twice: %v", err)
	}
	if n := len(got[[]Chat](t)(s.Chats(ctx, nil, 10))); n != 0 {
		t.Errorf("%d chats are left", n)
	}
	// What was deleted does not come back, but a new message does.
	got[int](t)(s.Receive(ctx, Batch{Items: []Item{item("c", arrived(carol, 2, "hello")), item("d", arrived(carol, 4, "hello?"))}}, at(5)))
	if list := got[[]Message](t)(s.Messages(ctx, carol, 0, 10)); len(list) != 1 || list[0].Text != "hello?" {
		t.Errorf("messages %+v", list)
	}
	must(t, s.Forget(ctx, bob))
	if c := got[Contact](t)(s.Contact(ctx, bob)); !c.Blocked {
		t.Error("forgetting unblocked")
	}
	must(t, s.Block(ctx, bob, false, at(6)))
	got[int](t)(s.Receive(ctx, Batch{Items: []Item{item("e", arrived(bob, 7, "thanks"))}}, at(8)))
	if n := len(got[[]Contact](t)(s.Contacts(ctx, [33]byte{}, 10))); n != 2 {
		t.Errorf("%d contacts", n)
	}
	if list := got[[]Contact](t)(s.Contacts(ctx, bob, 10)); len(list) != 1 || list[0].ID != carol {
		t.Errorf("contacts after bob: %+v", list)
	}
}

// TestBlockedInAllWays: of who is blocked nothing counts, and of a stranger no acceptance, which would be a request that shows nothing.
func TestBlockedInAllWays(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := mustCreate(t, tempPath(t))
	seq := send(t, s, bob, 1, "to bob")
	got[int](t)(s.Receive(ctx, Batch{Items: []Item{item("a", arrived(bob, 2, "of bob"))}}, at(3)))
	must(t, s.Block(ctx, bob, true, at(4)))
	events := len(got[[]Event](t)(s.Events(ctx, 0, 100)))
	got[int](t)(s.Receive(ctx, Batch{Items: []Item{
		item("b", &WasRead{By: bob, Sent: []time.Time{at(1)}}), item("c", &Unsent{By: bob, Sent: at(2)}), item("d", &Approved{From: bob}),
		item("e", &Approved{From: carol, Profile: &Profile{Name: "Carol"}}),
	}}, at(5)))
	if m := got[Message](t)(s.Message(ctx, seq)); m.State != Queued {
		t.Errorf("who is blocked read it: %+v", m)
	}
	if list := got[[]Message](t)(s.Messages(ctx, bob, 0, 1)); list[0].Text != "of bob" {
		t.Errorf("who is blocked took it back: %+v", list)
	}
	if _, err := s.Contact(ctx, carol); !errors.Is(err, ErrNotFound) {
		t.Errorf("a stranger who accepts what was not asked became a contact: %v", err)
	}
	if diff := cmp.Diff([]Skipped{{fromBlocked, 3, at(5)}, {notAsked, 1, at(5)}}, got[[]Skipped](t)(s.Skipped(ctx, 10))); diff != "" {
		t.Error(diff)
	}
	// Whom we asked is told of once.
	send(t, s, carol, 6, "to carol")
	got[int](t)(s.Receive(ctx, Batch{Items: []Item{item("f", &Approved{From: carol}), item("g", &Approved{From: carol, Profile: &Profile{Name: "Carol"}})}}, at(7)))
	if c := got[Contact](t)(s.Contact(ctx, carol)); !c.ApprovedMe || c.Profile.Name != "Carol" {
		t.Errorf("who accepted is %+v", c)
	}
	if n := len(got[[]Event](t)(s.Events(ctx, 0, 100))) - events; n != 2 { // that it was queued, and that it was accepted
		t.Errorf("%d events, want 2", n)
	}
	// An answer is an acceptance, whichever of the two comes first.
	dave := id("dave")
	send(t, s, dave, 8, "to dave")
	got[int](t)(s.Receive(ctx, Batch{Items: []Item{item("h", arrived(dave, 9, "yes")), item("i", &Approved{From: dave})}}, at(10)))
	var kinds []EventKind
	for _, e := range got[[]Event](t)(s.Events(ctx, 0, 100))[events+2:] {
		kinds = append(kinds, e.Kind)
	}
	if diff := cmp.Diff([]EventKind{Changed, Accepted, Came}, kinds); diff != "" {
		t.Error(diff)
	}
}

func TestUnsent(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := mustCreate(t, tempPath(t))
	send(t, s, carol, 3, "secret of mine")
	got[int](t)(s.Receive(ctx, Batch{Items: []Item{
		item("a", arrived(bob, 1, "secret of bob")),
		item("n", &Arrived{Message: text(me, me, 2, "note")}),
		item("u1", &Unsent{By: carol, Sent: at(1)}), // carol takes back what bob wrote
		item("u2", &Unsent{By: bob, Sent: at(9)}),   // no such message
	}}, at(10)))
	if m := got[[]Message](t)(s.Messages(ctx, bob, 0, 10)); m[0].Kind != Text {
		t.Errorf("another took it back: %+v", m)
	}
	got[int](t)(s.Receive(ctx, Batch{Items: []Item{
		item("u3", &Unsent{By: bob, Sent: at(1)}), item("u4", &Unsent{By: me, Sent: at(2)}), item("u5", &Unsent{By: me, Sent: at(3)}), item("u6", &Unsent{By: bob, Sent: at(1)}),
	}}, at(11)))
	for chat, want := range map[[33]byte]int{bob: 1, carol: 1, me: 0} {
		list := got[[]Message](t)(s.Messages(ctx, chat, 0, 10))
		if len(list) != want {
			t.Errorf("%d messages, want %d", len(list), want)
		}
		for _, m := range list {
			if m.Kind != Deleted || m.Text != "" {
				t.Errorf("not taken back: %+v", m)
			}
		}
	}
	if found := got[[]Message](t)(s.Search(ctx, Query{Text: "secret", Limit: 10})); len(found) != 0 {
		t.Errorf("still found: %+v", found)
	}
	if list := got[[]Skipped](t)(s.Skipped(ctx, 10)); len(list) != 1 || list[0].N != 3 {
		t.Errorf("skipped %+v", list)
	}
}

// TestFuture: a message that says to be of the end of time stands where it came, and reading it reads nothing that comes later.
func TestFuture(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := mustCreate(t, tempPath(t))
	end := 8_000_000_000_000
	got[int](t)(s.Receive(ctx, Batch{Items: []Item{item("a", arrived(bob, end, "far"))}}, at(10)))
	must(t, s.MarkRead(ctx, bob, at(end), at(20)))
	if c := got[[]Chat](t)(s.Chats(ctx, nil, 1))[0]; c.Unread != 0 || !c.ReadUntil.Equal(at(20)) {
		t.Errorf("chat %+v", c)
	}
	got[int](t)(s.Receive(ctx, Batch{Items: []Item{item("b", arrived(bob, 30, "later"))}}, at(40)))
	if c := got[[]Chat](t)(s.Chats(ctx, nil, 1))[0]; c.Unread != 1 || c.Newest.Text != "later" {
		t.Errorf("chat %+v", c)
	}
	if list := got[[]time.Time](t)(s.Unread(ctx, bob, at(50), 10)); len(list) != 1 || !list[0].Equal(at(30)) {
		t.Errorf("unread %v", list)
	}
	list := got[[]Message](t)(s.Messages(ctx, bob, 0, 10))
	if len(list) != 2 || list[0].Text != "later" || !list[1].Sent.Equal(at(end)) {
		t.Errorf("messages %+v", list)
	}
	if older := got[[]Message](t)(s.Messages(ctx, bob, list[0].Seq, 10)); len(older) != 1 || older[0].Text != "far" {
		t.Errorf("before it: %+v", older)
	}
}

func TestReadAndSweep(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := mustCreate(t, tempPath(t))
	short := arrived(bob, 1, "one")
	short.Message.Expire = Expire{Mode: AfterRead, Timer: 2 * time.Second}
	timed := arrived(bob, 3, "three")
	timed.Message.Expire = Expire{Mode: AfterSend, Timer: time.Minute}
	got[int](t)(s.Receive(ctx, Batch{Items: []Item{item("a", short), item("b", arrived(bob, 2, "two")), item("c", timed)}}, at(10)))
	if list := got[[]time.Time](t)(s.Unread(ctx, bob, at(2), 10)); len(list) != 2 || !list[0].Equal(at(1)) {
		t.Errorf("unread %v", list)
	}
	must(t, s.MarkRead(ctx, bob, at(2), at(1000), Parcel{Swarm: bob, Data: []byte("receipt"), Sent: at(1000), TTL: time.Hour}))
	must(t, s.MarkRead(ctx, bob, at(1), at(2000))) // never goes back
	if err := s.MarkRead(ctx, carol, at(1), at(1)); !errors.Is(err, ErrNotFound) {
		t.Errorf("a chat that is not there was read: %v", err)
	}
	if c := got[[]Chat](t)(s.Chats(ctx, nil, 1))[0]; c.Unread != 1 || !c.ReadUntil.Equal(at(2)) {
		t.Errorf("chat %+v", c)
	}
	if p := got[[]Parcel](t)(s.Claim(ctx, at(1000), time.Second, 1)); len(p) != 1 || p[0].Message != 0 || string(p[0].Data) != "receipt" {
		t.Errorf("parcels %+v", p)
	}
	must(t, s.Deliver(ctx, 1, node1, "h", at(1001)))
	if n := got[int64](t)(s.Sweep(ctx, at(2999))); n != 0 {
		t.Errorf("%d messages gone too early", n)
	}
	if n := got[int64](t)(s.Sweep(ctx, at(3000))); n != 1 {
		t.Errorf("%d messages gone two seconds after reading", n)
	}
	if n := got[int64](t)(s.Sweep(ctx, at(60_002))); n != 0 {
		t.Errorf("%d messages gone within a minute of sending", n)
	}
	if n := got[int64](t)(s.Sweep(ctx, at(60_003))); n != 1 {
		t.Errorf("%d messages gone a minute after sending", n)
	}
	if list := got[[]Message](t)(s.Messages(ctx, bob, 0, 10)); len(list) != 1 || list[0].Text != "two" {
		t.Errorf("left %+v", list)
	}
	// An event whose message has gone is still told.
	if e := got[[]Event](t)(s.Events(ctx, 0, 10)); len(e) != 3 || e[0].Message != nil || e[1].Message == nil {
		t.Errorf("events %+v", e)
	}
	// Our own: from sending.
	m := text(bob, me, 70_000, "mine")
	m.Expire = Expire{Mode: AfterRead, Timer: time.Second}
	seq := got[int64](t)(s.Queue(ctx, Outgoing{Message: &m, Parcels: []Parcel{{Swarm: bob, Data: []byte("x"), Sent: at(70_000), TTL: time.Hour}}}, at(70_000)))
	must(t, s.Deliver(ctx, 2, node1, "h2", at(71_000)))
	if m := got[Message](t)(s.Message(ctx, seq)); !m.Expires.Equal(at(72_000)) {
		t.Errorf("disappears at %v", m.Expires)
	}
	got[int64](t)(s.Sweep(ctx, at(72_000)))
	if _, err := s.Message(ctx, seq); !errors.Is(err, ErrNotFound) {
		t.Errorf("still there: %v", err)
	}
}

// TestDisappears: messages of others, and copies of our own, go when their time has come, which no clock of a sender puts off.
func TestDisappears(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := mustCreate(t, tempPath(t))
	timed := func(a *Arrived, mode Mode, timer time.Duration) *Arrived {
		a.Message.Expire = Expire{Mode: mode, Timer: timer}
		return a
	}
	got[int](t)(s.Receive(ctx, Batch{Items: []Item{
		item("a", timed(arrived(bob, 5, "in time"), AfterSend, time.Second)),
		item("b", timed(arrived(bob, 900_000_000, "from the future"), AfterSend, 2*time.Second)),
		item("c", timed(&Arrived{Message: text(bob, me, 7, "copy")}, AfterSend, 3*time.Second)),
		item("d", timed(&Arrived{Message: text(bob, me, 900_000_001, "copy, read")}, AfterRead, 4*time.Second)),
		item("e", timed(arrived(bob, 8, "to be read"), AfterRead, time.Second)),
		item("f", timed(arrived(bob, 9, "no timer"), AfterSend, 0)),
		item("g", timed(arrived(bob, 10, "gone before it came"), AfterSend, time.Millisecond)),
	}}, at(100)))
	for _, step := range []struct{ now, gone int }{{100, 1}, {1004, 0}, {1005, 1}, {2099, 0}, {2100, 1}, {3006, 0}, {3007, 1}, {4099, 0}, {4100, 1}, {2_000_000_000, 0}} {
		if n := got[int64](t)(s.Expire(ctx, at(step.now))); n != int64(step.gone) {
			t.Errorf("at %d: %d messages gone, want %d", step.now, n, step.gone)
		}
	}
	if list := got[[]Message](t)(s.Messages(ctx, bob, 0, 10)); len(list) != 2 || list[0].Text != "no timer" || list[1].Text != "to be read" {
		t.Errorf("left %+v", list)
	}
}

func TestPaging(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := mustCreate(t, tempPath(t))
	var items []Item
	for i := range 25 {
		items = append(items, item(fmt.Sprint(i), arrived(bob, (i*7)%25, fmt.Sprint((i*7)%25))))
	}
	got[int](t)(s.Receive(ctx, Batch{Items: items}, at(12))) // by a clock that is behind that of who sent the half of them
	var all []string
	for before := int64(0); ; {
		page := got[[]Message](t)(s.Messages(ctx, bob, before, 7))
		for _, m := range page {
			all = append(all, m.Text)
			before = m.Seq
		}
		if len(page) == 0 {
			break
		}
	}
	if got, want := strings.Join(all, " "), "24 23 22 21 20 19 18 17 16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 0"; got != want {
		t.Errorf("got %s", got)
	}
}

// TestEventsEnd: events are kept until all who follow have dealt with them, but not for ever.
func TestEventsEnd(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := mustCreate(t, tempPath(t))
	for i := range 4 {
		got[int](t)(s.Receive(ctx, Batch{Items: []Item{item(fmt.Sprint(i), arrived(bob, i, "x"))}}, at(i)))
	}
	left := func(after time.Duration, want ...int64) {
		t.Helper()
		got[int64](t)(s.Sweep(ctx, at(3).Add(after)))
		var seqs []int64
		for _, e := range got[[]Event](t)(s.Events(ctx, 0, 10)) {
			seqs = append(seqs, e.Seq)
		}
		if !slices.Equal(seqs, want) {
			t.Errorf("after %v there are %v, want %v", after, seqs, want)
		}
	}
	left(keepDealt, 1, 2, 3, 4) // nobody follows yet
	must(t, s.Ack(ctx, "one", 3))
	must(t, s.Ack(ctx, "two", 2))
	left(keepDealt-time.Second, 1, 2, 3, 4)
	left(keepDealt, 3, 4)
	must(t, s.Ack(ctx, "two", 4))
	left(keepDealt, 4)
	left(keepUndone)
	got[int](t)(s.Receive(ctx, Batch{Items: []Item{item("new", arrived(bob, 9, "x"))}}, at(9)))
	left(keepDealt, 5)
}

func TestConsumers(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := mustCreate(t, tempPath(t))
	for i := range 5 {
		got[int](t)(s.Receive(ctx, Batch{Items: []Item{item(fmt.Sprint(i), arrived(bob, i, "x"))}}, at(i)))
	}
	for _, step := range []struct{ ack, want int64 }{{2, 2}, {1, 2}, {4, 4}} {
		must(t, s.Ack(ctx, "bot", step.ack))
		if n := got[int64](t)(s.Acked(ctx, "bot")); n != step.want {
			t.Errorf("acked %d: got %d, want %d", step.ack, n, step.want)
		}
	}
	if n := got[int64](t)(s.Acked(ctx, "new")); n != 0 {
		t.Errorf("a new consumer is at %d", n)
	}
	if e := got[[]Event](t)(s.Events(ctx, 4, 10)); len(e) != 1 || e[0].Seq != 5 {
		t.Errorf("events %+v", e)
	}
}

// TestRequests: a thousand strangers wait for an answer, others come when one of them was decided on. Nobody who is there goes because of
// others.
func TestRequests(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := mustCreate(t, tempPath(t))
	stranger := func(i int) [33]byte { return id(fmt.Sprintf("stranger %04d", i)) }
	some := []int{0, 1, 2, 1000, 1001, 1002}
	var all []Item
	for _, i := range some {
		all = append(all, item(fmt.Sprint("hash ", i), arrived(stranger(i), i, "hi")))
	}
	receive := func(when int, items ...Item) int {
		t.Helper()
		return got[int](t)(s.Receive(ctx, Batch{Node: node1, Cursor: items[len(items)-1].Hash, Items: items}, at(when)))
	}
	there := func(want ...bool) {
		t.Helper()
		for k, i := range some {
			_, err := s.Contact(ctx, stranger(i))
			if list := got[[]Message](t)(s.Messages(ctx, stranger(i), 0, 10)); (err == nil) != want[k] || (len(list) > 0) != want[k] {
				t.Errorf("stranger %d: %v, %d messages", i, err, len(list))
			}
		}
	}
	receive(5000, all[:2]...)
	befriend(t, s, stranger(0), carol)
	must(t, s.update(ctx, "fill", func(tx *gorm.DB) error { // as what they write would
		for i := 3; i < 1000; i++ {
			if err := approve(tx, stranger(i), at(5000), "approved_me"); err != nil {
				return err
			}
		}
		return nil
	}))
	if n := receive(5001, all[2:]...); n != 2 {
		t.Errorf("%d are new", n)
	}
	there(true, true, true, true, false, false) // the first is none of the thousand
	if n := receive(5002, all...); n != 0 {
		t.Errorf("%d came again", n)
	}
	if got := got[string](t)(s.Cursor(ctx, node1, 0)); got != "hash 1002" {
		t.Errorf("the cursor is %s", got)
	}
	if diff := cmp.Diff([]Skipped{{ManyRequests, 4, at(5002)}}, got[[]Skipped](t)(s.Skipped(ctx, 10))); diff != "" {
		t.Error(diff)
	}
	events := got[[]Event](t)(s.Events(ctx, 0, 100))
	for _, e := range events {
		if e.Message == nil {
			t.Fatalf("event %d has lost its message", e.Seq)
		}
	}
	// Who is known, and what our other devices send, is taken meanwhile.
	receive(6000, item("a", arrived(stranger(0), 6000, "more")), item("b", arrived(stranger(1), 6000, "more")), item("c", arrived(carol, 6000, "hello")),
		item("d", &Arrived{Message: text(bob, me, 6000, "from there")}), item("e", arrived(bob, 6001, "to there")))
	if n := len(got[[]Event](t)(s.Events(ctx, 0, 100))) - len(events); n != 7 {
		t.Errorf("%d events more, want those of 5 messages, and that bob and carol answered", n)
	}
	for k, decide := range []func() error{
		func() error { return s.Decline(ctx, stranger(2), false) },
		func() error { return s.Block(ctx, stranger(1000), true, at(7000)) },
		func() error { befriend(t, s, stranger(3)); return nil },
		func() error { return s.Forget(ctx, stranger(4)) }, // now there was room already
	} {
		must(t, decide())
		if at, want := got[string](t)(s.Cursor(ctx, node1, 0)), []string{"", "", "", "hash 1002"}[k]; at != want {
			t.Errorf("decision %d: the cursor is %q, want %q", k+1, at, want)
		}
		if n, want := receive(7001, all...), []int{1, 1, 0, 0}[k]; n != want {
			t.Errorf("decision %d: %d are new, want %d", k+1, n, want)
		}
	}
	there(true, true, false, true, true, true)
}

// TestLongRequest: of one stranger a hundred messages are kept, and of a contact as many as there are.
func TestLongRequest(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := mustCreate(t, tempPath(t))
	receive := func(from, n int) {
		t.Helper()
		var items []Item
		for i := from; i < from+n; i++ {
			items = append(items, item(fmt.Sprint("hash ", i), arrived(bob, i%1000, "hi")))
		}
		if fresh := got[int](t)(s.Receive(ctx, Batch{Node: node1, Items: items}, at(2000))); fresh != n {
			t.Errorf("%d are new, want %d", fresh, n)
		}
	}
	for k, step := range []struct {
		from, n, want int
		befriend      bool
	}{{0, 60, 60, false}, {60, 43, 100, false}, {1000, 1, 100, false}, {103, 2, 102, true}} {
		if step.befriend {
			befriend(t, s, bob)
		}
		receive(step.from, step.n)
		if n := len(got[[]Message](t)(s.Messages(ctx, bob, 0, 1000))); n != step.want {
			t.Errorf("step %d: %d messages, want %d", k+1, n, step.want)
		}
	}
	if diff := cmp.Diff([]Skipped{{manyMessages, 3, at(2000)}, {knownAlready, 1, at(2000)}}, got[[]Skipped](t)(s.Skipped(ctx, 10))); diff != "" {
		t.Error(diff)
	}
}

// TestDecline: a request that was answered meanwhile is none, and stays with all that waits to be sent.
func TestDecline(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := mustCreate(t, tempPath(t))
	dave := id("dave")
	got[int](t)(s.Receive(ctx, Batch{Items: []Item{item("a", arrived(bob, 1, "hi")), item("b", arrived(carol, 2, "hi")), item("c", arrived(dave, 3, "hi"))}}, at(4)))
	must(t, s.Decline(ctx, bob, false))
	if _, err := s.Contact(ctx, bob); !errors.Is(err, ErrNotFound) {
		t.Errorf("who was declined: %v", err)
	}
	must(t, s.Decline(ctx, carol, true))
	if c := got[Contact](t)(s.Contact(ctx, carol)); !c.Blocked || c.ApprovedMe || len(got[[]Message](t)(s.Messages(ctx, carol, 0, 10))) != 0 {
		t.Errorf("who was blocked is %+v", c)
	}
	send(t, s, dave, 5, "answer")
	for what, who := range map[string][33]byte{"declined": bob, "blocked": carol, "answered": dave} {
		for _, block := range []bool{false, true} {
			if err := s.Decline(ctx, who, block); !errors.Is(err, ErrNotFound) {
				t.Errorf("who was %s: %v", what, err)
			}
		}
	}
	c := got[Contact](t)(s.Contact(ctx, dave))
	if n, m := len(got[[]Message](t)(s.Messages(ctx, dave, 0, 10))), len(got[[]Parcel](t)(s.Outbox(ctx, 0, 10))); n != 2 || m != 2 || !c.Approved || c.Blocked {
		t.Errorf("who was answered is %+v, with %d messages and %d parcels", c, n, m)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := mustCreate(t, tempPath(t))
	said := func(when int, what [33]byte) Receipt {
		r := Receipt{Name: "bob", At: at(when), Outcome: Agreed, ID: what, Need: 2, Asked: 3, Answers: []Answer{
			{Node: node1, Height: 100, ID: what, Agrees: true}, {Node: node2, Height: 101, ID: what, Agrees: true}, {Node: [32]byte{3}, Reason: "timed out"},
		}}
		if what == ([33]byte{}) {
			r.Outcome = Absent
		}
		return r
	}
	for _, step := range []struct{ old, height, want uint64 }{{0, 100, 100}, {99, 200, 100}, {100, 1 << 63, 1 << 62}, {1 << 62, 100, 100}} {
		must(t, s.SetHeight(ctx, step.old, step.height, at(int(step.want))))
		if h, when, err := s.Height(ctx); err != nil || h != step.want || step.want == 100 && !when.Equal(at(100)) {
			t.Errorf("got height %d of %v, %v, want %d", h, when, err, step.want)
		}
	}
	if _, err := s.Witness(ctx, said(1, bob)); !errors.Is(err, ErrNotFound) {
		t.Errorf("a name that was only looked at: %v", err)
	}
	if _, err := s.Confirm(ctx, said(1, [33]byte{})); !errors.Is(err, ErrNotFound) {
		t.Errorf("a name that is not registered: %v", err)
	}
	for i, step := range []struct {
		when int
		id   [33]byte
		want Pin
	}{
		{2, bob, Pin{Name: "bob", ID: bob, Since: at(2), Checked: at(2)}},
		{3, bob, Pin{Name: "bob", ID: bob, Since: at(2), Checked: at(3)}},
		{4, carol, Pin{Name: "bob", ID: bob, Since: at(2), Checked: at(3), Next: carol, NextSince: at(4)}},
		{5, carol, Pin{Name: "bob", ID: bob, Since: at(2), Checked: at(3), Next: carol, NextSince: at(4)}},
		{6, [33]byte{}, Pin{Name: "bob", ID: bob, Since: at(2), Checked: at(3), Next: carol, NextSince: at(4), Gone: at(6)}},
		{7, id("eve"), Pin{Name: "bob", ID: bob, Since: at(2), Checked: at(3), Next: id("eve"), NextSince: at(7)}},
		{8, bob, Pin{Name: "bob", ID: bob, Since: at(2), Checked: at(8)}},
		{9, carol, Pin{Name: "bob", ID: bob, Since: at(2), Checked: at(8), Next: carol, NextSince: at(9)}},
	} {
		p := got[Pin](t)(s.Confirm(ctx, said(step.when, step.id)))
		if diff := cmp.Diff(step.want, p); diff != "" {
			t.Errorf("step %d: %s", i, diff)
		}
		if p.Held() != (step.want.Next != [33]byte{}) {
			t.Errorf("step %d: held %t", i, p.Held())
		}
	}
	// What is no account holds it too; what was not found out changes nothing.
	want := Pin{Name: "bob", ID: bob, Since: at(2), Checked: at(8), NextSince: at(10), Trouble: NoAccount}
	for i, o := range []Outcome{NoAccount, NoAccount, Disagreed, Unanswered, Absent} {
		r := said(10+i, [33]byte{})
		r.Outcome = o
		if o == Absent {
			want.Gone = r.At
		}
		if diff := cmp.Diff(want, got[Pin](t)(s.Confirm(ctx, r))); diff != "" || !want.Held() {
			t.Errorf("%d: %s", o, diff)
		}
	}
	r := said(16, [33]byte{})
	r.Outcome, r.Answers[0].Height = Unreadable, ^uint64(0)
	want.Trouble, want.NextSince, want.Gone = Unreadable, at(16), time.Time{}
	if diff := cmp.Diff(want, got[Pin](t)(s.Witness(ctx, r))); diff != "" {
		t.Error(diff)
	}
	got[Pin](t)(s.Confirm(ctx, said(17, bob)))
	got[Pin](t)(s.Confirm(ctx, said(18, carol)))
	got[Pin](t)(s.Confirm(ctx, said(19, carol)))
	// What was found out before that, by the time or by the chain, undoes nothing.
	stale, before := said(18, bob), said(20, bob)
	before.Answers[0].Height = 98
	later := said(30, carol)
	later.Answers[0].Height = 100
	for _, r := range []Receipt{stale, before, later} {
		p := got[Pin](t)(s.Confirm(ctx, r))
		if diff := cmp.Diff(Pin{Name: "bob", ID: bob, Since: at(2), Checked: at(17), Next: carol, NextSince: at(18)}, p); diff != "" {
			t.Error(diff)
		}
	}
	if err := s.Approve(ctx, "bob", id("eve"), at(40)); !errors.Is(err, ErrPin) {
		t.Errorf("approved what it does not point to: %v", err)
	}
	if err := s.Approve(ctx, "bob", bob, at(40)); !errors.Is(err, ErrPin) {
		t.Errorf("kept what is registered to another: %v", err)
	}
	must(t, s.Approve(ctx, "bob", carol, at(40)))
	if diff := cmp.Diff([]Pin{{Name: "bob", ID: carol, Since: at(40), Checked: at(30)}}, got[[]Pin](t)(s.Pins(ctx, "", 10))); diff != "" {
		t.Error(diff)
	}
	receipts := got[[]Receipt](t)(s.Receipts(ctx, "bob", 2))
	if diff := cmp.Diff([]Receipt{later, before}, receipts); diff != "" {
		t.Error(diff)
	}
	// Of those that found nothing out a hundred are kept, and those that made the pin, and what it points to now, what they are.
	got[Pin](t)(s.Confirm(ctx, said(41, bob)))
	for i := range 150 {
		r := said(50+i, carol)
		r.Outcome = Unanswered
		got[Pin](t)(s.Confirm(ctx, r))
	}
	receipts = got[[]Receipt](t)(s.Receipts(ctx, "bob", 1000))
	if n := len(receipts); n != 102 || !receipts[100].At.Equal(at(41)) || !receipts[101].At.Equal(at(18)) {
		t.Errorf("%d receipts are kept, the last %+v", n, receipts[n-1])
	}
	// While the name is not registered what it was pinned to can be kept.
	gone := got[Pin](t)(s.Confirm(ctx, said(300, [33]byte{})))
	if !gone.Gone.Equal(at(300)) || !gone.Held() {
		t.Errorf("gone: %+v", gone)
	}
	must(t, s.Approve(ctx, "bob", carol, at(301)))
	if p := got[Pin](t)(s.Pin(ctx, "bob")); p.Held() || p.ID != carol || !p.Checked.Equal(at(30)) || !p.Since.Equal(at(40)) {
		t.Errorf("kept: %+v", p)
	}
	// A clock that was ahead once does not keep what comes after from counting.
	got[Pin](t)(s.Confirm(ctx, said(int(2*turn.Milliseconds()), carol)))
	if p := got[Pin](t)(s.Confirm(ctx, said(302, bob))); p.Next != bob {
		t.Errorf("after a wrong clock: %+v", p)
	}
	for i := range maxUnpinned + 5 {
		r := said(310, [33]byte{})
		r.Name, r.Answers = fmt.Sprint("n", i), nil
		if _, err := s.Confirm(ctx, r); !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]int{"n4": 0, "n5": 1, "bob": 101} {
		if n := len(got[[]Receipt](t)(s.Receipts(ctx, name, 1000))); n != want {
			t.Errorf("%d receipts of %s are kept, want %d", n, name, want)
		}
	}
	must(t, s.Unpin(ctx, "bob"))
	if err := s.Unpin(ctx, "bob"); !errors.Is(err, ErrNotFound) {
		t.Errorf("unpinned twice: %v", err)
	}
	if _, err := s.Pin(ctx, "bob"); !errors.Is(err, ErrNotFound) {
		t.Errorf("still pinned: %v", err)
	}
}

// TestHeld: a held message is sent once, whoever decides.
func TestHeld(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := mustCreate(t, tempPath(t))
	hold := func(h Held) (id int64) {
		t.Helper()
		id, seq, err := s.Hold(ctx, h)
		must(t, err)
		if seq != 0 {
			t.Errorf("it was sent before as %d", seq)
		}
		return id
	}
	one := hold(Held{Name: "bob", Text: "hello", Key: "k", At: at(1)})
	if again := hold(Held{Name: "bob", Text: "hello", Key: "k", At: at(2)}); again != one {
		t.Errorf("held twice: %d and %d", one, again)
	}
	two := hold(Held{Name: "bob", Text: "again", Quote: &Ref{bob, at(2)}, At: at(3)})
	if h := got[Held](t)(s.Held(ctx, two)); h.Text != "again" || h.Quote == nil {
		t.Errorf("held is %+v", h)
	}
	if _, err := s.Held(ctx, 99); !errors.Is(err, ErrNotFound) {
		t.Errorf("got error %v for nothing", err)
	}
	waiting := got[[]Held](t)(s.Waiting(ctx, "bob", 0, 10))
	if diff := cmp.Diff([]Held{{one, "bob", "hello", nil, "k", at(1)}, {two, "bob", "again", &Ref{bob, at(2)}, "", at(3)}}, waiting); diff != "" {
		t.Error(diff)
	}
	m := text(bob, me, 10, "hello")
	o := Outgoing{Message: &m, Held: one, Key: "k"}
	seq := got[int64](t)(s.Queue(ctx, o, at(10)))
	if again := got[int64](t)(s.Queue(ctx, o, at(11))); again != seq {
		t.Errorf("sent twice: %d and %d", seq, again)
	}
	// A key that was used for a message is used: nothing is held under it, and what was is sent.
	if id, was, err := s.Hold(ctx, Held{Name: "bob", Text: "hello", Key: "k", At: at(11)}); err != nil || id != 0 || was != seq {
		t.Errorf("held %d, sent before %d, %v", id, was, err)
	}
	both := hold(Held{Name: "bob", Text: "both", Key: "both", At: at(11)})
	m3 := text(bob, me, 11, "both")
	sent := got[int64](t)(s.Queue(ctx, Outgoing{Message: &m3, Key: "both"}, at(11)))
	if again := got[int64](t)(s.Queue(ctx, Outgoing{Message: &m3, Key: "both", Held: both}, at(11))); again != sent {
		t.Errorf("sent twice: %d and %d", sent, again)
	}
	if waiting := got[[]Held](t)(s.Waiting(ctx, "bob", one, 10)); len(waiting) != 1 || waiting[0].ID != two {
		t.Errorf("held are %+v", waiting)
	}
	must(t, s.Drop(ctx, two))
	if err := s.Drop(ctx, two); !errors.Is(err, ErrNotFound) {
		t.Errorf("dropped twice: %v", err)
	}
	m2 := text(bob, me, 12, "again")
	if _, err := s.Queue(ctx, Outgoing{Message: &m2, Held: two}, at(12)); !errors.Is(err, ErrNotFound) {
		t.Errorf("what was dropped was sent: %v", err)
	}
	if list := got[[]Message](t)(s.Messages(ctx, bob, 0, 10)); len(list) != 2 {
		t.Errorf("%d messages", len(list))
	}
	// Accepting a request sends something that nobody sees.
	got[int64](t)(s.Queue(ctx, Outgoing{Approve: carol, Parcels: []Parcel{{Swarm: carol, Data: []byte("yes"), Sent: at(13), TTL: time.Hour}}}, at(13)))
	if c := got[Contact](t)(s.Contact(ctx, carol)); !c.Approved {
		t.Errorf("not approved: %+v", c)
	}
}

func pool(s *Store) ([]Node, error) {
	list, _, err := s.Pool(context.Background(), 10)
	return list, err
}

func TestPool(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := mustCreate(t, tempPath(t))
	if list, when, err := s.Pool(ctx, 10); err != nil || len(list) != 0 || !when.IsZero() {
		t.Errorf("an empty pool: %v, %v, %v", list, when, err)
	}
	n := func(i byte) Node {
		return Node{Ed25519: [32]byte{i}, X25519: [32]byte{i, 1}, IP: "127.0.0.1", Port: 1000 + uint16(i), Swarm: ^uint64(0) - uint64(i), Operator: "op"}
	}
	must(t, s.SetPool(ctx, []Node{n(1), n(2), n(3)}, at(1)))
	for want := 1; want < 3; want++ {
		if strikes := got[int](t)(s.Strike(ctx, [32]byte{2})); strikes != want {
			t.Errorf("%d strikes, want %d", strikes, want)
		}
	}
	must(t, s.Praise(ctx, [32]byte{1}, 20*time.Millisecond))
	must(t, s.Praise(ctx, [32]byte{1}, 0))
	must(t, s.Appoint(ctx, [32]byte{3}, [32]byte{9}))
	must(t, s.Appoint(ctx, [32]byte{1}, [32]byte{3}))
	moved := n(2)
	moved.IP, moved.Strikes = "127.0.0.2", 77
	must(t, s.SetPool(ctx, []Node{n(1), moved, n(4)}, at(2)))
	first, second := n(1), moved
	first.Latency, first.Guard, second.Strikes = 20*time.Millisecond, 2, 2
	list, when, err := s.Pool(ctx, 10)
	if diff := cmp.Diff([]Node{first, second, n(4)}, list); err != nil || diff != "" || !when.Equal(at(2)) {
		t.Errorf("%v, %v: %s", when, err, diff)
	}
	// A guard that fails is left alone since its first failure, whatever it answers, until it works again.
	must(t, s.Rest(ctx, [32]byte{1}, at(3), at(4)))
	must(t, s.Rest(ctx, [32]byte{1}, at(5), at(7)))
	must(t, s.Rest(ctx, [32]byte{9}, at(5), at(7)))
	must(t, s.Praise(ctx, [32]byte{1}, 30*time.Millisecond))
	failing := first
	failing.Latency, failing.Strikes, failing.Failing, failing.Rest = 30*time.Millisecond, 2, at(3), at(7)
	for _, step := range []func(context.Context, [32]byte) error{s.Wake, s.Dismiss} {
		if diff := cmp.Diff(failing, got[[]Node](t)(pool(s))[0]); diff != "" {
			t.Error(diff)
		}
		must(t, step(ctx, [32]byte{1}))
		failing.Strikes, failing.Failing, failing.Rest = 0, time.Time{}, time.Time{}
	}
	failing.Guard = 0
	if diff := cmp.Diff(failing, got[[]Node](t)(pool(s))[0]); diff != "" {
		t.Error(diff)
	}
	must(t, s.Remove(ctx, [32]byte{1}))
	must(t, s.Remove(ctx, [32]byte{1}))
	if _, err := s.Strike(ctx, [32]byte{1}); !errors.Is(err, ErrNotFound) {
		t.Errorf("a strike for nobody: %v", err)
	}
	if err := s.Praise(ctx, [32]byte{1}, 1); !errors.Is(err, ErrNotFound) {
		t.Errorf("praise for nobody: %v", err)
	}
	must(t, s.SetPool(ctx, nil, at(3)))
	if list, _, err := s.Pool(ctx, 10); err != nil || len(list) != 0 {
		t.Errorf("left %v, %v", list, err)
	}
}

func TestSearch(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := mustCreate(t, tempPath(t))
	for i, line := range []string{"Größe zählt", "the quick brown fox", "quick, the fox is brown", `say "hello" to 05ab`, "brownian motion", "日本語 テスト"} {
		from := bob
		if i%2 == 1 {
			from = carol
		}
		got[int](t)(s.Receive(ctx, Batch{Items: []Item{item(fmt.Sprint(i), arrived(from, i, line))}}, at(100)))
	}
	for _, c := range []struct {
		q    Query
		want string
	}{
		{Query{Text: "fox"}, "2 1"}, {Query{Text: "FOX quick"}, "2 1"}, {Query{Text: `"quick brown"`}, "1"}, {Query{Text: "brown*"}, "4 2 1"}, {Query{Text: "brown"}, "2 1"},
		{Query{Text: "grosse"}, ""}, {Query{Text: "GRÖSSE"}, ""}, {Query{Text: "größe"}, "0"}, {Query{Text: "zahlt"}, "0"}, {Query{Text: "hello"}, "3"},
		{Query{Text: ""}, ""}, {Query{Text: "!!! ***"}, ""}, {Query{Text: `fox AND NOT brown`}, ""}, {Query{Text: `"`}, ""}, {Query{Text: `"fox`}, "2 1"}, {Query{Text: `fo"x`}, ""},
		{Query{Text: "text:fox"}, ""}, {Query{Text: "fox^ (brown)"}, "2 1"}, {Query{Text: "日本語"}, "5"}, {Query{Text: "fox\x00"}, "2 1"},
		{Query{Text: "fox", Chat: bob}, "2"}, {Query{Text: "fox", Sender: carol}, "1"}, {Query{Text: "fox", After: at(2)}, "2"}, {Query{Text: "fox", Before: at(2)}, "1"},
	} {
		c.q.Limit = 10
		var found []string
		for _, m := range got[[]Message](t)(s.Search(ctx, c.q)) {
			found = append(found, fmt.Sprint(m.Seq-1))
		}
		if got := strings.Join(found, " "); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.q, got, c.want)
		}
	}
}

func FuzzMatch(f *testing.F) {
	for _, s := range []string{"fox", `"a b" c*`, `NEAR(a b)`, "a^", `""`, "-", "a\x00b", "\xff"} {
		f.Add(s)
	}
	s := mustCreate(f, tempPath(f))
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := s.Search(context.Background(), Query{Text: text, Limit: 1}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}

func TestOpen(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "new folder", "a?b#c%20.db")
	s := mustCreate(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode() != fs.ModeDir|0o700 {
		t.Errorf("mode of the folder %v, %v", info.Mode(), err)
	}
	second := mustOpen(t, path) // at the same time
	send(t, second, bob, 1, "hello")
	if list := got[[]Message](t)(s.Messages(ctx, bob, 0, 10)); len(list) != 1 {
		t.Errorf("%d messages", len(list))
	}
	for name, c := range map[string]struct {
		cfg Config
		err error
	}{
		"AnotherKey": {Config{Path: path, Key: [32]byte{7}}, ErrKey},
		"NoKey":      {Config{Path: path}, ErrKey},
		"NoPath":     {Config{Key: key}, nil},
		"Folder":     {Config{Path: filepath.Dir(path), Key: key}, nil},
	} {
		if s, err := Open(ctx, c.cfg); err == nil || c.err != nil && !errors.Is(err, c.err) {
			t.Errorf("%s: got %v, %v", name, s, err)
		} else if strings.Contains(err.Error(), "0102030000") {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
	}
	if s := fmt.Sprintf("%v %#v", Config{Key: key}, Config{Key: key}); strings.Contains(s, "1 2 3") {
		t.Errorf("printed as %s", s)
	}
}

func TestSchema(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	s := mustCreate(t, path)
	must(t, s.write.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (?, 1)", schema+1).Error)
	if _, err := Open(t.Context(), Config{Path: path, Key: key}); !errors.Is(err, ErrSchemaNew) {
		t.Errorf("got error %v", err)
	}
	entries, err := migrations.ReadDir("migrations")
	if err != nil || len(entries) != schema {
		t.Errorf("%d migrations, %v, the schema is %d", len(entries), err, schema)
	}
	other := tempPath(t)
	db, err := openWriter(other, key)
	must(t, err)
	must(t, db.Exec("CREATE TABLE theirs (x INTEGER)").Error)
	must(t, closeDB(db))
	if _, err := Open(t.Context(), Config{Path: other, Key: key}); err == nil {
		t.Error("the database of another program was taken over")
	}
}

func closeDB(db *gorm.DB) error {
	pool, err := db.DB()
	if err != nil {
		return err
	}
	return pool.Close()
}

func TestCanceled(t *testing.T) {
	t.Parallel()
	s := mustCreate(t, tempPath(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m := text(bob, me, 1, "x")
	_, err := s.Queue(ctx, Outgoing{Message: &m}, at(1))
	_, err2 := s.Chats(ctx, nil, 1)
	for _, err := range []error{err, err2} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v", err)
		}
	}
	send(t, s, bob, 2, "still works")
}

func TestHistory(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := mustCreate(t, tempPath(t))
	first, second := send(t, s, bob, 20, "one"), send(t, s, me, 10, "two")
	if list := got[[]Message](t)(s.History(ctx, 0, 1)); len(list) != 1 || list[0].Seq != first {
		t.Errorf("the first is %+v", list)
	}
	if list := got[[]Message](t)(s.History(ctx, first, 10)); len(list) != 1 || list[0].Seq != second {
		t.Errorf("the next is %+v", list)
	}
	if list := got[[]Message](t)(s.History(ctx, second, 10)); len(list) != 0 {
		t.Errorf("the last is %+v", list)
	}
}
