package store

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gorm.io/gorm"
)

// TestMain runs a child's part when a test has started this binary again (see child).
func TestMain(m *testing.M) {
	if job := os.Getenv("COURIER_STORE_CHILD"); job != "" {
		if err := childMain(strings.Split(job, "|")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Parse()
	if info, ok := debug.ReadBuildInfo(); ok && !testing.Short() && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		flag.Set("rapid.checks", "20") // as -short would: SQLite is ten times as slow then; scripts/stages runs the hundred without
	}
	os.Exit(m.Run())
}

// childMain is what a child does:
//
//	point|PATH|POINT|N  runs the script of crash_test.go, and kills itself when POINT is reached for the Nth time
//	work|PATH|FROM      sends and receives from number FROM on, and says on standard output what is done, until it is killed
//	fetch|PATH          receives what the parent receives at the same time
func childMain(job []string) error {
	ctx := context.Background()
	cfg := Config{Path: job[1], Key: key}
	switch job[0] {
	case "point":
		n, err := strconv.Atoi(job[3])
		if err != nil {
			return err
		}
		cfg.Step = func(point string) {
			if point != job[2] {
				return
			}
			if n--; n == 0 {
				syscall.Kill(os.Getpid(), syscall.SIGKILL)
			}
		}
		s, err := Open(ctx, cfg)
		if err != nil {
			return err
		}
		for _, step := range script() {
			if err := step(ctx, s); err != nil {
				return err
			}
		}
		return s.Close()
	case "work":
		from, err := strconv.Atoi(job[2])
		if err != nil {
			return err
		}
		s, err := Open(ctx, cfg)
		if err != nil {
			return err
		}
		fmt.Println("ready")
		for i := from; ; i++ {
			if err := work(ctx, s, i); err != nil {
				return err
			}
			fmt.Println(i)
		}
	case "fetch":
		s, err := Open(ctx, cfg)
		if err != nil {
			return err
		}
		fmt.Println("ready")
		io.ReadAll(os.Stdin)
		return errors.Join(fetch(ctx, s, [32]byte{2}), s.Close())
	}
	return fmt.Errorf("no such job: %q", job)
}

// child starts this test binary as another process that does job.
func child(t *testing.T, job ...string) (cmd *exec.Cmd, input io.Closer, output *bufio.Reader) {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	cmd = exec.Command(exe)
	cmd.Env = append(os.Environ(), "COURIER_STORE_CHILD="+strings.Join(job, "|"))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { in.Close(); cmd.Process.Kill(); cmd.Wait() })
	return cmd, in, bufio.NewReader(out)
}

// killed waits for a child to die of SIGKILL.
func killed(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended with %v", err)
	}
}

// dump returns everything in the database as text.
func dump(t testing.TB, s *Store) string {
	t.Helper()
	var b strings.Builder
	err := s.view(context.Background(), "dump", func(tx *gorm.DB) error {
		for _, table := range []string{
			"account", "contacts", "chats", "messages", "seen", "cursors", "skipped", "outbox", "ledger", "events", "consumers",
			"pins", "receipts", "answers", "held", "nodes", "pool",
		} {
			var rows []map[string]any
			if err := tx.Raw("SELECT * FROM " + table + " ORDER BY 1, 2").Scan(&rows).Error; err != nil {
				return err
			}
			for _, r := range rows {
				fmt.Fprintf(&b, "%s %v\n", table, r)
			}
		}
		// FTS5's own check that its index says what the texts say.
		return nil
	})
	must(t, err)
	must(t, s.write.Exec("INSERT INTO search (search, rank) VALUES ('integrity-check', 1)").Error)
	return b.String()
}

// script is a life in steps, each of which is one transaction.
func script() []func(context.Context, *Store) error {
	m := text(bob, me, 10, "hello bob")
	o := Outgoing{Message: &m, Key: "k", Parcels: []Parcel{
		{Swarm: bob, Data: []byte("sealed"), Sent: at(10), TTL: time.Hour}, {Swarm: me, Data: []byte("copy"), Sent: at(10), TTL: time.Hour, Copy: true},
	}}
	claim := func(now int) func(context.Context, *Store) error {
		return func(ctx context.Context, s *Store) error {
			_, err := s.Claim(ctx, at(now), time.Second, 10)
			return err
		}
	}
	receive := func(now int, node [32]byte, items ...Item) func(context.Context, *Store) error {
		return func(ctx context.Context, s *Store) error {
			_, err := s.Receive(ctx, Batch{Node: node, Cursor: items[len(items)-1].Hash, Items: items}, at(now))
			return err
		}
	}
	return []func(context.Context, *Store) error{
		func(ctx context.Context, s *Store) error {
			return s.Create(ctx, Account{ID: me, Network: "devnet", Name: "Me", Created: at(0), Renamed: at(0)})
		},
		func(ctx context.Context, s *Store) error {
			return s.SetPool(ctx, []Node{{Ed25519: node1, IP: "127.0.0.1"}, {Ed25519: node2}}, at(1))
		},
		func(ctx context.Context, s *Store) error {
			_, err := s.Confirm(ctx, Receipt{Name: "bob", At: at(2), Outcome: Agreed, ID: bob, Need: 1, Asked: 1, Answers: []Answer{{Node: node1, ID: bob}}})
			return err
		},
		func(ctx context.Context, s *Store) error { _, err := s.Queue(ctx, o, at(10)); return err },
		claim(10),
		receive(11, node1, item("a", arrived(bob, 5, "hi")), item("b", arrived(carol, 6, "let me in")), Item{Hash: "c", Reason: "rubbish"}),
		receive(12, node2, item("b", arrived(carol, 6, "let me in")), item("a", arrived(bob, 5, "hi"))),
		func(ctx context.Context, s *Store) error { return s.Deliver(ctx, 1, node1, "h1", at(13)) },
		claim(1020), // what was claimed and not told of: the copy
		func(ctx context.Context, s *Store) error { return s.Deliver(ctx, 2, node2, "h2", at(15)) },
		func(ctx context.Context, s *Store) error {
			return s.MarkRead(ctx, bob, at(5), at(16), Parcel{Swarm: bob, Data: []byte("receipt"), Sent: at(16), TTL: time.Hour})
		},
		receive(17, node1, item("d", &WasRead{By: bob, Sent: []time.Time{at(10)}}), item("e", &Unsent{By: carol, Sent: at(6)})),
		func(ctx context.Context, s *Store) error { return s.Ack(ctx, "bot", 3) },
		func(ctx context.Context, s *Store) error { return s.Forget(ctx, carol) },
		func(ctx context.Context, s *Store) error { _, err := s.Sweep(ctx, at(40*24*3600*1000)); return err },
	}
}

// work is number i of what a child does until it is killed: one message sent, one received.
func work(ctx context.Context, s *Store, i int) error {
	m := text(bob, me, 2*i, fmt.Sprint("sent ", i))
	_, err := s.Queue(ctx, Outgoing{Message: &m, Parcels: []Parcel{{Swarm: bob, Data: fmt.Append(nil, "bytes ", i), Sent: m.Sent, TTL: time.Hour}}}, m.Sent)
	if err != nil {
		return err
	}
	// Two that are known, as after a lost cursor, and a new one.
	items := []Item{}
	for n := max(0, i-2); n <= i; n++ {
		items = append(items, item(fmt.Sprint("hash ", n), arrived(carol, n, fmt.Sprint("received ", n))))
	}
	_, err = s.Receive(ctx, Batch{Node: node1, Cursor: fmt.Sprint("hash ", i), Items: items}, at(i))
	return err
}

// fetch receives 200 messages in batches that overlap.
func fetch(ctx context.Context, s *Store, node [32]byte) error {
	for from := 0; from < 200; from += 10 {
		var items []Item
		for n := from; n < from+20; n++ {
			items = append(items, item(fmt.Sprint("hash ", n), arrived(carol, n, fmt.Sprint("received ", n))))
		}
		if _, err := s.Receive(ctx, Batch{Node: node, Cursor: fmt.Sprint("hash ", from+19), Items: items}, at(from)); err != nil {
			return err
		}
	}
	return nil
}
