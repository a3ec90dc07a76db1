package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// history runs the script and returns what the database says at each moment, from the empty one on.
func history(t *testing.T, s *Store) []string {
	t.Helper()
	states := []string{dump(t, s)}
	for _, step := range script() {
		must(t, step(t.Context(), s))
		states = append(states, dump(t, s))
	}
	return states
}

// TestKilled has a child kill itself at each named point of a script: what it left is what was there before or after the step,
// and the next process goes on from it.
func TestKilled(t *testing.T) {
	t.Parallel()
	want := history(t, mustOpen(t, tempPath(t)))
	for i := 1; i < len(want); i++ {
		if want[i] == want[i-1] {
			t.Fatalf("step %d of the script changes nothing", i)
		}
	}
	type point struct {
		name    string
		n, left int
	}
	var points []point
	for n := range schema {
		points = append(points, point{"migration", n + 1, 0})
	}
	for n := range script() {
		points = append(points, point{"before-commit", n + 1, n}, point{"after-commit", n + 1, n + 1})
	}
	for _, c := range points {
		t.Run(fmt.Sprint(c.name, c.n), func(t *testing.T) {
			t.Parallel()
			path := tempPath(t)
			cmd, _, _ := child(t, "point", path, c.name, fmt.Sprint(c.n))
			killed(t, cmd)
			s := mustOpen(t, path)
			if got := dump(t, s); got != want[c.left] {
				t.Fatalf("got %s\nwant %s", got, want[c.left])
			}
			for _, step := range script()[c.left:] {
				must(t, step(t.Context(), s))
			}
			if got := dump(t, s); got != want[len(want)-1] {
				t.Errorf("went on to %s\nwant %s", got, want[len(want)-1])
			}
		})
	}
}

// TestKill kills a process at any moment while it sends and receives, KILLS times (20 unless the environment says otherwise).
// What it said was done, is there, once; what it had begun is there whole or not at all. KILL_SEED repeats a run.
func TestKill(t *testing.T) {
	kills, seed := number(t, "KILLS", 20), number(t, "KILL_SEED", 1)
	t.Logf("KILLS=%d KILL_SEED=%d", kills, seed)
	rng := rand.New(rand.NewPCG(uint64(seed), 0))
	path := tempPath(t)
	s := mustCreate(t, path)
	befriend(t, s, carol) // of strangers not all is kept
	must(t, s.Close())
	next := 0
	for range kills {
		cmd, _, out := child(t, "work", path, fmt.Sprint(next))
		if line, err := out.ReadString('\n'); err != nil || line != "ready\n" {
			t.Fatalf("the child said %q, %v", line, err)
		}
		done := next
		for range rng.IntN(40) {
			line, err := out.ReadString('\n')
			must(t, err)
			n, err := strconv.Atoi(strings.TrimSpace(line))
			must(t, err)
			done = n + 1
		}
		must(t, cmd.Process.Kill()) // somewhere in a later step
		for {                       // what it still said counts
			line, err := out.ReadString('\n')
			if err != nil {
				break
			}
			n, err := strconv.Atoi(strings.TrimSpace(line))
			must(t, err)
			done = n + 1
		}
		killed(t, cmd)
		s := mustOpen(t, path)
		dump(t, s) // also checks the search index
		sent := whole(t, s, bob, "sent ", 2)
		received := whole(t, s, carol, "received ", 1)
		if sent < done || sent > done+1 || received < done || received > sent {
			t.Fatalf("seed %d: %d were done, %d sent and %d received are stored", seed, done, sent, received)
		}
		if received < sent { // finish the step that was begun
			i := received
			_, err := s.Receive(t.Context(), Batch{Node: node1, Cursor: fmt.Sprint("hash ", i),
				Items: []Item{item(fmt.Sprint("hash ", i), arrived(carol, i, fmt.Sprint("received ", i)))}}, at(i))
			must(t, err)
		}
		next = sent
		must(t, s.Close())
	}
	if next == 0 {
		t.Error("nothing was done")
	}
}

func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	must(t, err)
	return n
}

// whole returns how many messages a chat has, and fails unless they are numbers 0, 1, 2, … once each, with all that belongs to
// them.
func whole(t *testing.T, s *Store, chat [33]byte, words string, gap int) int {
	t.Helper()
	list := got[[]Message](t)(s.Messages(t.Context(), chat, 0, 1_000_000))
	slices.Reverse(list)
	for i, m := range list {
		if m.Text != fmt.Sprint(words, i) || !m.Sent.Equal(at(gap*i)) {
			t.Fatalf("message %d is %+v", i, m)
		}
	}
	if words == "sent " {
		parcels := got[[]Parcel](t)(s.Outbox(t.Context(), 0, 1_000_000))
		if len(parcels) != len(list) {
			t.Fatalf("%d messages, %d parcels", len(list), len(parcels))
		}
		for i, p := range parcels {
			if p.Message != list[i].Seq || !bytes.Equal(p.Data, fmt.Append(nil, "bytes ", i)) {
				t.Fatalf("parcel %d is %+v", i, p)
			}
		}
		return len(list)
	}
	came := 0
	for _, e := range got[[]Event](t)(s.Events(t.Context(), 0, 1_000_000)) {
		if e.Kind == Came {
			came++
		}
	}
	if cursor := got[string](t)(s.Cursor(t.Context(), node1, 0)); came != len(list) || came > 0 && cursor != fmt.Sprint("hash ", came-1) {
		t.Fatalf("%d messages, %d events, cursor %q", len(list), came, cursor)
	}
	return len(list)
}

// TestTwoPollers: two processes fetch the same at the same time from different nodes.
func TestTwoPollers(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	s := mustCreate(t, path)
	befriend(t, s, carol)
	cmd, in, out := child(t, "fetch", path)
	if line, err := out.ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("the child said %q, %v", line, err)
	}
	in.Close() // go
	must(t, fetch(t.Context(), s, [32]byte{1}))
	must(t, cmd.Wait())
	list := got[[]Message](t)(s.Messages(t.Context(), carol, 0, 1000))
	events := got[[]Event](t)(s.Events(t.Context(), 0, 1000))
	if len(list) != 210 || len(events) != 211 { // the first message answers, which is told of once
		t.Errorf("%d messages and %d events, want 210, and that carol answered", len(list), len(events))
	}
	for _, node := range [][32]byte{{1}, {2}} {
		if c := got[string](t)(s.Cursor(t.Context(), node, 0)); c != "hash 209" {
			t.Errorf("cursor %q", c)
		}
	}
}

// TestPowerLoss cuts the write-ahead log anywhere, and puts rubbish where it was cut: the database opens as it was after some
// step, the later the less is cut.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	const seed = 11
	path := tempPath(t)
	s := mustOpen(t, path)
	states := history(t, s)
	db, err := os.ReadFile(path)
	must(t, err)
	wal, err := os.ReadFile(path + "-wal")
	must(t, err)
	rnd := rand.New(rand.NewPCG(seed, 1))
	cuts := []int{0, len(wal)}
	for range 40 {
		cuts = append(cuts, rnd.IntN(len(wal)))
	}
	slices.Sort(cuts)
	before, seen := -1, map[int]bool{}
	for i, cut := range cuts {
		tail := make([]byte, 0)
		if i%2 == 1 {
			for range len(wal) - cut {
				tail = append(tail, byte(rnd.Uint32()))
			}
		}
		copied := filepath.Join(t.TempDir(), "courier.db")
		must(t, os.WriteFile(copied, db, 0o600))
		must(t, os.WriteFile(copied+"-wal", append(slices.Clip(wal[:cut]), tail...), 0o600))
		s, err := Open(context.Background(), Config{Path: copied, Key: key})
		if err != nil {
			t.Fatalf("seed %d, cut at %d of %d: %v", seed, cut, len(wal), err)
		}
		now := slices.Index(states, dump(t, s))
		if now < before || now < 0 {
			t.Fatalf("seed %d, cut at %d of %d: opens as after step %d, an earlier cut as after %d", seed, cut, len(wal), now, before)
		}
		before, seen[now] = now, true
		must(t, s.Close())
	}
	if before != len(states)-1 || len(seen) < 5 {
		t.Errorf("the cuts left %d different states, the last %d of %d", len(seen), before, len(states)-1)
	}
}

// TestWrongKeyLeavesLog: a key that does not open a database must not cost what is only in its log yet.
func TestWrongKeyLeavesLog(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	s := mustCreate(t, path)
	send(t, s, bob, 1, "accepted")
	copied := filepath.Join(t.TempDir(), "courier.db")
	for _, suffix := range []string{"", "-wal"} { // as a killed process leaves them
		b, err := os.ReadFile(path + suffix)
		must(t, err)
		must(t, os.WriteFile(copied+suffix, b, 0o600))
	}
	if _, err := Open(t.Context(), Config{Path: copied, Key: [32]byte{7}}); !errors.Is(err, ErrKey) {
		t.Fatalf("got error %v", err)
	}
	s = mustOpen(t, copied)
	if list := got[[]Message](t)(s.Messages(t.Context(), bob, 0, 10)); len(list) != 1 {
		t.Errorf("%d messages are left", len(list))
	}
}

// TestMalformed damages pages of a good database: reading gives errors, or old news, never a panic.
func TestMalformed(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	s := mustCreate(t, path)
	befriend(t, s, carol)
	must(t, fetch(t.Context(), s, node1))
	must(t, s.Close())
	good, err := os.ReadFile(path)
	must(t, err)
	rnd := rand.New(rand.NewPCG(13, 1))
	failed := 0
	for range 40 {
		bad := bytes.Clone(good)
		where := 4096 + rnd.IntN(len(bad)-2*4096)
		for i := range 2048 {
			bad[where+i] = byte(rnd.Uint32())
		}
		must(t, os.WriteFile(path, bad, 0o600))
		s, err := Open(t.Context(), Config{Path: path, Key: key})
		if err == nil {
			_, err1 := s.Messages(t.Context(), carol, 0, 1000)
			_, err2 := s.Search(t.Context(), Query{Text: "received", Limit: 1000})
			_, err3 := s.Chats(t.Context(), nil, 10)
			if err1 != nil || err2 != nil || err3 != nil {
				failed++
			}
			s.Close()
		} else {
			failed++
		}
	}
	if failed == 0 {
		t.Error("no damage was found")
	}
	t.Logf("%d of 40 damages were found", failed)
}

// TestNothingInClear: what is stored is in no file, neither while the database is open nor after.
func TestNothingInClear(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	path := tempPath(t)
	const canary = "KanarienvogeL"
	s := mustOpen(t, path)
	var seed [16]byte
	copy(seed[:], canary)
	must(t, s.Create(ctx, Account{Seed: seed, ID: id(canary), Network: canary, Name: canary, Created: at(0)}))
	chat := id(canary + "2")
	m := Message{Chat: chat, Sender: id(canary), Sent: at(1), Kind: Text, Text: canary}
	got[int64](t)(s.Queue(ctx, Outgoing{Message: &m, Key: canary, Parcels: []Parcel{{Swarm: chat, Data: []byte(canary), Sent: at(1), TTL: time.Hour}}}, at(1)))
	for i := range 200 {
		a := arrived(chat, i, fmt.Sprint(canary, i))
		a.Profile = &Profile{Name: canary, Picture: canary, Key: []byte(canary)}
		got[int](t)(s.Receive(ctx, Batch{Cursor: canary, Items: []Item{item(fmt.Sprint(canary, i), a), {Hash: fmt.Sprint(i, canary), Reason: canary}}}, at(i)))
	}
	got[Pin](t)(s.Confirm(ctx, Receipt{Name: canary, At: at(1), Outcome: Agreed, ID: chat, Answers: []Answer{{Reason: canary}}}))
	_, _, err := s.Hold(ctx, Held{Name: canary, Text: canary, At: at(1)})
	must(t, err)
	must(t, s.SetNickname(ctx, chat, canary))
	if n := len(got[[]Message](t)(s.Search(ctx, Query{Text: canary + "*", Limit: 1000}))); n != 201 {
		t.Errorf("found %d messages", n)
	}
	scan := func(when string) {
		entries, err := os.ReadDir(filepath.Dir(path))
		must(t, err)
		files := 0
		for _, e := range entries {
			b, err := os.ReadFile(filepath.Join(filepath.Dir(path), e.Name()))
			must(t, err)
			files++
			for _, mark := range []string{canary, strings.ToLower(canary), canary[2:9], "SQLite format", "CREATE TABLE", "messages"} {
				if bytes.Contains(b, []byte(mark)) {
					t.Errorf("%s: %q is in %s", when, mark, e.Name())
				}
			}
		}
		t.Logf("%s: %d files", when, files)
	}
	scan("open")
	must(t, s.Close())
	scan("closed")
}
