package store

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// said is a message as all devices name it.
type said struct {
	chat, sender [33]byte
	sent         int
}

// machine drives a store and a model side by side: what others and our other device wrote, the swarm that gives it out in any
// order, as often as it likes, and messages of our own on their way.
type machine struct {
	path string
	s    *Store

	swarm []swarmItem // all that was ever stored there
	now   int

	has      map[said]string // what must be shown
	gone     map[said]bool   // taken back
	seen     map[string]bool // hashes that were fetched
	came     int             // events of others' messages
	blocked  map[[33]byte]bool
	keys     map[string]int64 // send keys and their messages
	pending  map[int64]said   // parcels that are not delivered, nor given up
	order    map[int64]int64  // copy → what it waits for
	state    map[said]State   // of our own
	messages map[said]int64   // numbers, which must not change
}

type swarmItem struct {
	hash   string
	what   said
	unsend bool
}

func (c *machine) open(t *rapid.T) {
	s, err := Open(context.Background(), Config{Path: c.path, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	c.s = s
}

func (c *machine) fatal(t *rapid.T, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

func (w said) words() string {
	return fmt.Sprintf("%s to %s at %d", w.sender[1:6], w.chat[1:6], w.sent)
}

// write has somebody store a message, or take one back; the same message may lie there several times.
func (c *machine) write(t *rapid.T) {
	from := rapid.SampledFrom([][33]byte{bob, carol, me}).Draw(t, "from")
	chat := from
	if from == me {
		chat = rapid.SampledFrom([][33]byte{bob, carol, me}).Draw(t, "to")
	}
	w := said{chat, from, rapid.IntRange(0, 30).Draw(t, "sent")*2 + 1} // odd: those of this device are even
	unsend := rapid.IntRange(0, 5).Draw(t, "unsend") == 0
	c.swarm = append(c.swarm, swarmItem{fmt.Sprint("hash ", len(c.swarm)), w, unsend})
}

// fetch receives some of what lies there from one of two nodes, in any order.
func (c *machine) fetch(t *rapid.T) {
	if len(c.swarm) == 0 {
		return
	}
	var items []Item
	picks := rapid.SliceOfN(rapid.IntRange(0, len(c.swarm)-1), 1, 12).Draw(t, "items")
	c.now++
	for _, i := range picks {
		it := c.swarm[i]
		var change Change = &Arrived{Message: text(it.what.chat, it.what.sender, it.what.sent, it.what.words())}
		if it.unsend {
			change = &Unsent{By: it.what.sender, Sent: at(it.what.sent)}
		}
		items = append(items, item(it.hash, change))
		if c.seen[it.hash] {
			continue
		}
		c.seen[it.hash] = true
		if c.blocked[it.what.sender] {
			continue
		}
		if it.unsend {
			c.takeBack(it.what)
			continue
		}
		if _, there := c.has[it.what]; there || c.gone[it.what] {
			continue
		}
		c.has[it.what] = it.what.words()
		if it.what.sender != me {
			c.came++
		}
	}
	if _, err := c.s.Receive(context.Background(), Batch{Node: rapid.SampledFrom([][32]byte{node1, node2}).Draw(t, "node"), Items: items, Cursor: items[len(items)-1].Hash}, at(c.now)); err != nil {
		t.Fatal(err)
	}
}

// takeBack is what taking back means: another's in their chat; ours wherever it is, without a trace among the notes.
func (c *machine) takeBack(w said) {
	for _, chat := range [][33]byte{bob, carol, me} {
		if w.sender != me && chat != w.sender {
			continue
		}
		k := said{chat, w.sender, w.sent}
		if _, there := c.has[k]; !there {
			continue
		}
		delete(c.has, k)
		if chat != me {
			c.gone[k] = true
		}
	}
}

// send queues a message, sometimes under a key that was used before.
func (c *machine) send(t *rapid.T) {
	to := rapid.SampledFrom([][33]byte{bob, carol}).Draw(t, "to")
	name := ""
	if rapid.Bool().Draw(t, "named") {
		name = fmt.Sprint("key ", rapid.IntRange(0, 5).Draw(t, "key"))
	}
	c.now++
	when, err := c.s.NextTime(context.Background(), at(1000+2*c.now))
	c.fatal(t, err)
	w := said{to, me, int(when.Sub(epoch) / time.Millisecond)}
	m := text(to, me, w.sent, w.words())
	seq, err := c.s.Queue(context.Background(), Outgoing{Message: &m, Key: name, Parcels: []Parcel{
		{Swarm: to, Data: []byte(w.words()), Sent: when, TTL: time.Hour}, {Swarm: me, Data: []byte("copy of " + w.words()), Sent: when, TTL: time.Hour, Copy: true},
	}}, at(c.now))
	c.fatal(t, err)
	if before, used := c.keys[name]; used {
		if before != seq {
			t.Fatalf("%s gave message %d, then %d", name, before, seq)
		}
		return
	}
	if name != "" {
		c.keys[name] = seq
	}
	for _, known := range c.messages {
		if known == seq {
			t.Fatalf("number %d was given twice", seq)
		}
	}
	c.has[w], c.state[w] = w.words(), Queued
	// The newest two parcels are its own.
	var last [2]int64
	for id := range c.parcels(t) {
		if id > last[1] {
			last = [2]int64{last[1], id}
		} else if id > last[0] {
			last[0] = id
		}
	}
	c.pending[last[0]], c.pending[last[1]], c.order[last[1]] = w, w, last[0]
}

func (c *machine) parcels(t *rapid.T) map[int64]Parcel {
	list, err := c.s.Outbox(context.Background(), 0, 1000)
	c.fatal(t, err)
	byID := map[int64]Parcel{}
	for _, p := range list {
		byID[p.ID] = p
	}
	return byID
}

// deliver claims what is due, and has each attempt end in some way. An answer may be lost; then the bytes are sent again.
func (c *machine) deliver(t *rapid.T) {
	c.now += 100
	list, err := c.s.Claim(context.Background(), at(c.now), 50*time.Millisecond, rapid.IntRange(1, 10).Draw(t, "limit"))
	c.fatal(t, err)
	claimed := map[int64]bool{}
	for _, p := range list {
		claimed[p.ID] = true
		w, open := c.pending[p.ID]
		if !open && p.Copy && claimed[c.order[p.ID]] {
			continue // it was claimed with its message, which was given up since
		}
		if !open {
			t.Fatalf("parcel %d was claimed although it is settled", p.ID)
		}
		if p.Copy && c.state[w] == Failed {
			t.Fatalf("copy %d was claimed after its message was given up", p.ID)
		}
		want := w.words()
		if p.Copy {
			want = "copy of " + want
		}
		if string(p.Data) != want {
			t.Fatalf("the bytes are %q, want %q", p.Data, want)
		}
		switch rapid.SampledFrom([]string{"stored", "stored", "stored twice", "lost", "later", "refused"}).Draw(t, "end") {
		case "stored":
			c.stored(t, p, w)
		case "stored twice":
			c.stored(t, p, w)
			c.stored(t, p, w)
		case "later":
			c.fatal(t, c.s.Postpone(context.Background(), p.ID, at(c.now+10), "try again"))
		case "refused":
			c.fatal(t, c.s.GiveUp(context.Background(), p.ID, "refused", at(c.now)))
			delete(c.pending, p.ID)
			if !p.Copy {
				c.state[w] = Failed
				for id, first := range c.order {
					if first == p.ID {
						delete(c.pending, id)
					}
				}
			}
		}
	}
}

func (c *machine) stored(t *rapid.T, p Parcel, w said) {
	c.fatal(t, c.s.Deliver(context.Background(), p.ID, node1, fmt.Sprint("stored ", p.ID), at(c.now)))
	delete(c.pending, p.ID)
	if p.Copy { // our swarm gives it back, and the store need not look at it
		c.seen[fmt.Sprint("stored ", p.ID)] = true
		return
	}
	c.state[w] = max(c.state[w], Stored)
}

func (c *machine) block(t *rapid.T) {
	who, is := rapid.SampledFrom([][33]byte{bob, carol}).Draw(t, "who"), rapid.Bool().Draw(t, "blocked")
	c.fatal(t, c.s.Block(context.Background(), who, is, at(c.now)))
	c.blocked[who] = is
}

func (c *machine) reopen(t *rapid.T) {
	c.fatal(t, c.s.Close())
	c.open(t)
}

// check compares: every message that must be there is there once, under the number it always had; nothing else is; others'
// messages were told of once; nothing that is not settled is missing from the outbox.
func (c *machine) check(t *rapid.T) {
	ctx := context.Background()
	shown := map[said]string{}
	for _, chat := range [][33]byte{bob, carol, me} {
		list, err := c.s.Messages(ctx, chat, 0, 1000)
		c.fatal(t, err)
		when := func(m Message) time.Time {
			if m.Arrived.Before(m.Sent) {
				return m.Arrived
			}
			return m.Sent
		}
		if !slices.IsSortedFunc(list, func(a, b Message) int { return when(b).Compare(when(a)) }) {
			t.Fatal("not in order")
		}
		for _, m := range list {
			w := said{m.Chat, m.Sender, int(m.Sent.Sub(epoch) / time.Millisecond)}
			if known, ok := c.messages[w]; ok && known != m.Seq && chat != me { // notes that were taken back may be written again
				t.Fatalf("%s was message %d and is %d", w.words(), known, m.Seq)
			}
			c.messages[w] = m.Seq
			if m.Kind == Deleted {
				if !c.gone[w] {
					t.Fatalf("%s is taken back", w.words())
				}
				continue
			}
			if _, twice := shown[w]; twice {
				t.Fatalf("%s stands twice", w.words())
			}
			shown[w] = m.Text
			if want, own := c.state[w]; own && m.State != want {
				t.Fatalf("%s has state %d, want %d", w.words(), m.State, want)
			}
		}
	}
	if diff := cmp.Diff(texts(c.has), texts(shown)); diff != "" {
		t.Fatal(diff)
	}
	events, err := c.s.Events(ctx, 0, 10_000)
	c.fatal(t, err)
	came := 0
	for i, e := range events {
		if i > 0 && e.Seq <= events[i-1].Seq {
			t.Fatal("events are not in order")
		}
		if e.Kind == Came {
			came++
		}
	}
	if came != c.came {
		t.Fatalf("%d messages came by the events, want %d", came, c.came)
	}
	open := map[int64]bool{}
	for id, p := range c.parcels(t) {
		if p.State == Pending {
			open[id] = true
		}
	}
	for id := range c.pending {
		if !open[id] {
			t.Fatalf("parcel %d is lost", id)
		}
	}
	if len(open) != len(c.pending) {
		t.Fatalf("%d parcels are pending, want %d", len(open), len(c.pending))
	}
}

func texts(m map[said]string) (list []string) {
	for _, s := range m {
		list = append(list, s)
	}
	slices.Sort(list)
	return list
}

// TestExactlyOnce holds the store to the model over random schedules.
func TestExactlyOnce(t *testing.T) {
	t.Parallel()
	first := tempPath(t)
	s := mustOpen(t, first)
	must(t, s.Create(t.Context(), Account{ID: me, Network: "devnet", Created: at(0)}))
	must(t, s.Close())
	empty, err := os.ReadFile(first)
	must(t, err)
	rapid.Check(t, func(rt *rapid.T) {
		c := &machine{
			path: tempPath(t), has: map[said]string{}, gone: map[said]bool{}, seen: map[string]bool{}, blocked: map[[33]byte]bool{}, keys: map[string]int64{},
			pending: map[int64]said{}, order: map[int64]int64{}, state: map[said]State{}, messages: map[said]int64{},
		}
		c.fatal(rt, os.WriteFile(c.path, empty, 0o600))
		c.open(rt)
		defer func() { c.fatal(rt, c.s.Close()) }()
		rt.Repeat(map[string]func(*rapid.T){
			"write": c.write, "write2": c.write, "fetch": c.fetch, "fetch2": c.fetch, "send": c.send, "deliver": c.deliver, "block": c.block, "reopen": c.reopen, "": c.check,
		})
	})
}
