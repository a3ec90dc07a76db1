package client_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"onsight/client"
	"onsight/client/store"
	"onsight/internal/devnet"
	"onsight/ons"
)

// TestMain has fewer schedules drawn than rapid would (20, as -short would), unless it is told how many: scripts/stages runs the hundred.
func TestMain(m *testing.M) {
	if job := os.Getenv("COURIER_CHILD"); job != "" { // a test has started this binary again
		if err := childMain(strings.Split(job, "|")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Parse()
	told := false
	flag.Visit(func(f *flag.Flag) { told = told || f.Name == "rapid.checks" })
	if !told && !testing.Short() {
		flag.Set("rapid.checks", "20")
	}
	os.Exit(m.Run())
}

// world is what a schedule is played in: a network that all schedules share, whose clock they move, and three processes of two people.
type world struct {
	net   *devnet.Network
	clock *atomic.Int64 // how far it is ahead of the machine's
}

// process is a client over a database; two of Bob's share one.
type process struct {
	c *client.Client
	s *store.Store
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.clock.Load())) }

func (w *world) process(t *rapid.T, s *store.Store, a *client.Account, seed uint64) process {
	c, err := client.New(client.Config{
		Store: s, Account: a, Network: ons.Devnet, Seeds: []client.SeedNode{{URL: w.net.Seed()}}, Now: w.now,
		Rand: rand.New(rand.NewPCG(seed, 1)), Timeout: time.Second, MaxLatency: 2 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	return process{c, s}
}

// TestSchedules: over schedules of lost, doubled and late requests, refusals, lies, nodes that come and go, swarms that change, cursors
// that are lost and two processes that fetch at once, every text that was accepted stands exactly once in both databases, and in that of
// another device that comes late.
func TestSchedules(t *testing.T) {
	w := &world{clock: &atomic.Int64{}}
	n, err := devnet.Start(devnet.Config{Seed: 41, Nodes: 22, Past: 20, OnionTimeout: 150 * time.Millisecond, Now: w.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	w.net = n
	var number atomic.Uint32
	rapid.Check(t, func(t *rapid.T) { w.play(t, number.Add(1)) })
}

func (w *world) play(t *rapid.T, number uint32) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "schedule")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	heal := func() {
		faults, _ := devnet.ParseFaults("all:ok")
		if err := w.net.Inject(faults...); err != nil {
			t.Fatal(err)
		}
	}
	heal()
	defer heal()
	open := func(file string, a *client.Account) *store.Store {
		s, err := store.Open(ctx, store.Config{Path: filepath.Join(dir, file), Key: [32]byte{1}})
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Create(ctx, store.Account{Seed: a.Seed(), ID: a.ID(), Network: "devnet", Created: w.now()})
		return s
	}
	who := func(i byte) *client.Account {
		return client.NewAccount(client.Seed{byte(number), byte(number >> 8), byte(number >> 16), i})
	}
	alice, bob := who(1), who(2)
	stores := []*store.Store{open("alice", alice), open("bob", bob)}
	for _, s := range stores {
		defer s.Close()
	}
	processes := []process{
		w.process(t, stores[0], alice, 1), w.process(t, stores[1], bob, 2), w.process(t, stores[1], bob, 3),
	}
	for _, p := range processes {
		defer p.c.Close()
	}
	accounts := []*client.Account{alice, bob, bob}
	said := map[client.ID][]string{} // by whom
	texts := 0

	any := func(label string) int { return rapid.IntRange(0, 2).Draw(t, label) }
	say := func() {
		i := any("who")
		to := alice
		if accounts[i] == alice {
			to = bob
		}
		texts++
		l := client.Letter{To: to.ID(), Text: fmt.Sprint("text ", texts), Key: fmt.Sprint(texts)}
		for range rapid.IntRange(1, 2).Draw(t, "tries") { // a caller that does not know whether it was accepted
			if _, err := processes[i].c.Send(ctx, l); err != nil {
				t.Fatal(err)
			}
		}
		said[accounts[i].ID()] = append(said[accounts[i].ID()], l.Text)
	}
	steps := map[string]func(*rapid.T){
		"say":  func(*rapid.T) { say() },
		"say2": func(*rapid.T) { say() },
		"flush": func(*rapid.T) {
			_, _, _ = processes[any("who")].c.Flush(ctx) // whatever it says
		},
		"poll": func(*rapid.T) { _, _ = processes[any("who")].c.Poll(ctx) },
		"pollBoth": func(*rapid.T) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, _ = processes[1].c.Poll(ctx)
			}()
			_, _ = processes[2].c.Poll(ctx)
			<-done
		},
		"flushBoth": func(*rapid.T) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, _, _ = processes[1].c.Flush(ctx)
			}()
			_, _, _ = processes[2].c.Flush(ctx)
			<-done
		},
		"interrupted": func(*rapid.T) {
			ctx, cancel := context.WithTimeout(ctx, time.Duration(rapid.IntRange(0, 30).Draw(t, "ms"))*time.Millisecond)
			defer cancel()
			_, _, _ = processes[any("who")].c.Flush(ctx)
			_, _ = processes[any("other")].c.Poll(ctx)
		},
		"later": func(*rapid.T) { w.clock.Add(int64(time.Duration(rapid.IntRange(1, 300).Draw(t, "s")) * time.Second)) },
		"break": func(*rapid.T) {
			fault := rapid.SampledFrom([]string{
				"down", "lossy=0.4", "status=500", "status=502", "status=503", "status=504", "status=429", "drop-onions", "lie-swarm",
				"lie-signature", "clock=-5m", "clock=5m", "slow=20ms",
			}).Draw(t, "fault")
			first := rapid.IntRange(0, 18).Draw(t, "node")
			faults, err := devnet.ParseFaults(fmt.Sprintf("%d-%d:%s", first, first+rapid.IntRange(0, 3).Draw(t, "more"), fault))
			if err == nil {
				err = w.net.Inject(faults...)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		"blackout": func(*rapid.T) {
			fault := rapid.SampledFrom([]string{"down", "lossy=0.7", "status=500", "status=503", "lie-swarm"}).Draw(t, "fault")
			faults, err := devnet.ParseFaults("all:" + fault)
			if err == nil {
				err = w.net.Inject(faults...)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		"heal": func(*rapid.T) { heal() },
		"swarms": func(*rapid.T) {
			heal() // the quorums would deregister for good whoever is down with a block
			act := devnet.ActDecommission
			if rapid.Bool().Draw(t, "back") {
				act = devnet.ActRecommission
			}
			_ = w.net.Do(rapid.IntRange(0, 5).Draw(t, "node"), act, devnet.ReasonUptime) // it may be what it is to become
			w.net.Mine(1)
		},
		"lostCursors": func(*rapid.T) {
			i := any("who")
			for _, node := range w.net.Nodes() {
				if _, err := processes[i].s.Receive(ctx, store.Batch{Node: node.Ed25519(), Cursor: strings.Repeat("x", 43)}, w.now()); err != nil {
					t.Fatal(err)
				}
			}
		},
		"refresh": func(*rapid.T) { _ = processes[any("who")].c.Relist(ctx) },
	}
	names := make([]string, 0, len(steps))
	for name := range steps {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, step := range rapid.SliceOfN(rapid.SampledFrom(names), 4, 24).Draw(t, "steps") {
		steps[step](t)
	}

	// Then the trouble ends, and everything has to come out right.
	heal()
	for i := range 6 {
		if act := w.net.Do(i, devnet.ActRecommission, 0); act == nil {
			w.net.Mine(1)
		}
	}
	w.net.Mine(2)
	var last error
	for range 12 {
		w.clock.Add(int64(11 * time.Minute)) // suspicions and pauses are over
		waiting := 0
		for _, p := range processes {
			if err := p.c.Refresh(ctx); err != nil {
				last = err
			}
			_, next, err := p.c.Flush(ctx)
			if err != nil || !next.IsZero() {
				waiting++
			}
			if _, err := p.c.Poll(ctx); err != nil {
				last, waiting = err, waiting+1
			}
		}
		if waiting == 0 {
			break
		}
	}
	late := open("late", alice)
	defer late.Close()
	device := w.process(t, late, alice, 4)
	defer device.c.Close()
	for range 3 {
		for _, p := range append(processes, device) {
			if _, err := p.c.Poll(ctx); err != nil {
				last = err
			}
		}
	}
	check := func(whose string, s *store.Store, with client.ID) {
		all, err := s.Messages(ctx, with, 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		got := map[client.ID][]string{}
		for _, m := range all {
			got[m.Sender] = append(got[m.Sender], m.Text)
		}
		for _, a := range []*client.Account{alice, bob} {
			slices.Sort(got[a.ID()])
			slices.Sort(said[a.ID()])
			if !slices.Equal(got[a.ID()], said[a.ID()]) {
				t.Errorf("%s: of %s's there are %q, want %q; last error: %v", whose, a.ID().String()[:8], got[a.ID()], said[a.ID()], last)
			}
		}
	}
	check("alice", stores[0], bob.ID())
	check("bob", stores[1], alice.ID())
	check("the late device", late, bob.ID())
}
