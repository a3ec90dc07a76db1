package client_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"onsight/client"
	"onsight/client/store"
	"onsight/internal/devnet"
	"onsight/ons"
)

// killed is how many messages are sent and fetched while processes are killed: 500 where KILLS says how often.
func killed() int {
	if os.Getenv("KILLS") == "" {
		return 60
	}
	return 500
}

// childMain is the part of a process that is killed:
//
//	send|DIR|SEED|FROM  sends texts from number FROM on, and says on standard output what was accepted
//	fetch|DIR|SEED      fetches until all have come, and says how many rounds it took
func childMain(job []string) error {
	ctx := context.Background()
	i, file := byte(1), "alice"
	if job[0] == "fetch" {
		i, file = 2, "bob"
	}
	s, err := store.Open(ctx, store.Config{Path: filepath.Join(job[1], file), Key: [32]byte{1}})
	if err != nil {
		return err
	}
	c, err := client.New(client.Config{Store: s, Account: account(i), Network: ons.Devnet, Seeds: []client.SeedNode{{URL: job[2]}}})
	if err != nil {
		return err
	}
	switch job[0] {
	case "send":
		from, err := strconv.Atoi(job[3])
		if err != nil {
			return err
		}
		for n := from; n <= killed(); n++ {
			l := client.Letter{To: account(2).ID(), Text: fmt.Sprint("text ", n), Key: fmt.Sprint(n)}
			if _, err := c.Send(ctx, l); err != nil {
				return err
			}
			fmt.Println(n)
			if n%5 == 0 {
				_, _, _ = c.Flush(ctx) // the next one does it
			}
		}
	case "fetch":
		for n := 1; ; n++ {
			if _, err := c.Poll(ctx); err != nil {
				return err
			}
			all, err := s.Messages(ctx, account(1).ID(), 0, 2*killed())
			if err != nil {
				return err
			}
			fmt.Println(n)
			if len(all) >= killed() {
				break
			}
		}
	}
	return s.Close()
}

// TestKill kills who sends and who fetches again and again, 4 times in all or as often as KILLS says. Nothing that was accepted
// is lost, and nothing stands twice.
func TestKill(t *testing.T) {
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("children are no other with the race detector, only slow")
	}
	kills := 4
	if n, err := strconv.Atoi(os.Getenv("KILLS")); err == nil {
		kills = n
	}
	n := startTown(t, devnet.Config{Seed: 43, Nodes: 16})
	dir := t.TempDir()
	open := func(file string, i byte) *store.Store {
		s, err := store.Open(t.Context(), store.Config{Path: filepath.Join(dir, file), Key: [32]byte{1}})
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Create(t.Context(), store.Account{Seed: account(i).Seed(), ID: account(i).ID(), Network: "devnet", Created: time.Now()})
		return s
	}
	for i, file := range []string{"alice", "bob"} {
		s := open(file, byte(i+1))
		// Of a stranger not so much is kept.
		if _, err := s.Queue(t.Context(), store.Outgoing{Approve: account(byte(2 - i)).ID()}, time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	rng := rand.New(rand.NewPCG(1, uint64(kills)))
	// run runs a child, kills it some time after it has said something so often, and returns what it said last and whether it came to
	// its end.
	run := func(lines int, job ...string) (last int, ended bool) {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "COURIER_CHILD="+strings.Join(job, "|"))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		r := bufio.NewScanner(out)
		for r.Scan() {
			if k, err := strconv.Atoi(r.Text()); err == nil {
				last = k
			}
			if lines--; lines == 0 {
				delay := time.NewTimer(time.Duration(rng.IntN(30)) * time.Millisecond) // anywhere in what it does next
				<-delay.C
				_ = cmd.Process.Kill()
			}
		}
		return last, cmd.Wait() == nil
	}
	from := 1
	for done, k := false, 0; !done; k++ {
		lines := 0 // the last one is left alone
		if k < kills/2 {
			lines = 1 + rng.IntN(2*killed()/max(kills/2, 1)*8/10)
		}
		last, ended := run(lines, "send", dir, n.Seed(), strconv.Itoa(from))
		if last > 0 {
			from = last // accepted, and maybe the next as well
		}
		done = ended
		if !ended && lines == 0 {
			t.Fatal("the sender ended with an error")
		}
	}
	// What the last one has left, somebody else sends.
	alice := open("alice", 1)
	defer alice.Close()
	sender, err := client.New(client.Config{
		Store: alice, Account: account(1), Network: ons.Devnet, Seeds: []client.SeedNode{{URL: n.Seed()}},
	})
	if err != nil {
		t.Fatal(err)
	}
	// The dead have claimed parcels for some minutes, which are over now.
	if _, err := alice.Claim(t.Context(), time.Now().Add(time.Hour), -time.Hour, 2*killed()); err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	if _, next, err := sender.Flush(t.Context()); err != nil || !next.IsZero() {
		t.Fatalf("more is due at %v, %v", next, err)
	}
	for done, k := false, 0; !done; k++ {
		lines := 0
		if k < kills-kills/2 {
			lines = 1 + rng.IntN(2)
		}
		_, done = run(lines, "fetch", dir, n.Seed())
		if !done && lines == 0 {
			t.Fatal("the reader ended with an error")
		}
	}
	bob := open("bob", 2)
	defer bob.Close()
	check := func(s *store.Store, with client.ID) {
		all, err := s.Messages(t.Context(), with, 0, 3*killed())
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		for _, m := range all {
			seen[m.Text]++
			if m.State == store.Queued || m.State == store.Failed {
				t.Errorf("%s has state %d", m.Text, m.State)
			}
		}
		for n := 1; n <= killed(); n++ {
			if k := seen[fmt.Sprint("text ", n)]; k != 1 {
				t.Errorf("text %d stands %d times", n, k)
			}
		}
	}
	check(alice, account(2).ID())
	check(bob, account(1).ID())
}
