package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"onsight/internal/devnet"
)

// household is a network, and profiles on it that the real program is run with.
type household struct {
	*devnet.Network
	t       *testing.T
	home    string
	program string
}

func startHousehold(t *testing.T, people ...string) (h *household, ids map[string]string) {
	t.Helper()
	n, err := devnet.Start(devnet.Config{Seed: 9, Past: 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	h = &household{n, t, t.TempDir(), plain(t)}
	if err := os.WriteFile(filepath.Join(h.home, "passphrase"), []byte("open sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ids = map[string]string{}
	for _, who := range people {
		ids[who] = strings.TrimSpace(h.run(who, "init"))
	}
	return h, ids
}

// command is the real program: a test binary under its name (see TestMain).
func (h *household) command(ctx context.Context, who string, args ...string) *exec.Cmd {
	h.t.Helper()
	cmd := exec.CommandContext(ctx, h.program, args...)
	cmd.Env = append(os.Environ(), "COURIER_HOME="+filepath.Join(h.home, "profiles"), "COURIER_PROFILE="+who, "COURIER_SEEDS="+h.Seed(), "COURIER_NO_INPUT=1",
		"COURIER_PASSPHRASE_FILE="+filepath.Join(h.home, "passphrase"), "COURIER_MAX_LATENCY=5s", "DBUS_SESSION_BUS_ADDRESS=")
	return cmd
}

func (h *household) run(who string, args ...string) string {
	h.t.Helper()
	var stderr bytes.Buffer
	cmd := h.command(h.t.Context(), who, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		h.t.Fatalf("%s: courier %s: %v: %s", who, strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// heard is an event as listen -o jsonl prints it.
type heard struct {
	Seq     int64
	Event   string
	Message *struct {
		Seq  int64
		Text string
	}
}

// TestListenKilled kills who listens as soon as it has printed something, until all was printed. Every message is given, in order, and one
// that is given twice has the same number.
func TestListenKilled(t *testing.T) {
	t.Parallel()
	h, ids := startHousehold(t, "alice", "bob")
	const messages = 4
	for i := range messages {
		h.run("alice", "send", ids["bob"], "-m", fmt.Sprint("message ", i))
	}
	bySeq := map[int64]string{}
	var order []string
	for len(bySeq) < messages {
		cmd := h.command(t.Context(), "bob", "listen", "-o", "jsonl")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for lines.Scan() { // what it printed before it died counts too: it may have been acknowledged
			if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
			var e heard
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				t.Fatalf("%s: %v", lines.Text(), err)
			}
			if was, ok := bySeq[e.Seq]; ok && was != e.Message.Text {
				t.Errorf("event %d was %q and is %q", e.Seq, was, e.Message.Text)
			} else if !ok {
				order = append(order, e.Message.Text)
			}
			bySeq[e.Seq] = e.Message.Text
		}
		_ = cmd.Wait() // it was killed
	}
	if got, want := strings.Join(order, ", "), "message 0, message 1, message 2, message 3"; got != want {
		t.Errorf("heard %q, want %q", got, want)
	}
	if got := strings.Count(h.run("bob", "messages", "read", ids["alice"]), "message "); got != messages {
		t.Errorf("%d messages are stored, want %d", got, messages)
	}
}

// TestListenStopped tells who listens to stop, as Ctrl-C does: it does so at once, and that is no error.
func TestListenStopped(t *testing.T) {
	t.Parallel()
	h, _ := startHousehold(t, "alice")
	for _, args := range [][]string{{"listen"}, {"listen", "-o", "json"}} {
		cmd := h.command(t.Context(), "alice", args...)
		var stdout bytes.Buffer
		cmd.Stdout = &stdout
		says, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(says)
		for lines.Scan() && !strings.Contains(lines.Text(), "listening") {
		}
		// No other follows under its name meanwhile. (That one may once it was killed is what TestListenKilled sees.)
		second, err := h.command(t.Context(), "alice", "listen", "--once").CombinedOutput()
		if want := fmt.Sprintf("consumer listen is followed by another process (pid %d)", cmd.Process.Pid); err == nil || !strings.Contains(string(second), want) {
			t.Errorf("a second listener: %v: %s", err, second)
		}
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		rest, _ := io.ReadAll(says)
		if err := cmd.Wait(); err != nil || len(rest) > 0 {
			t.Errorf("%v: %v: %s", args, err, rest)
		}
		if len(args) > 1 && stdout.String() != "[]\n" {
			t.Errorf("printed %q", stdout.String())
		}
	}
}

// TestSendAtOnce has several processes send by one key, and by keys of their own: each text is sent once.
func TestSendAtOnce(t *testing.T) {
	t.Parallel()
	h, ids := startHousehold(t, "alice", "bob")
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() { h.run("alice", "send", ids["bob"], "-m", fmt.Sprint("text ", i/3), "--key", fmt.Sprint(i/3)) })
	}
	wg.Wait()
	got := h.run("bob", "listen", "--once", "-o", "jsonl")
	if strings.Count(got, `"event":"message"`) != 2 || strings.Count(got, `"text":"text 0"`) != 1 || strings.Count(got, `"text":"text 1"`) != 1 {
		t.Errorf("bob hears\n%s", got)
	}
}

// TestListenMemory: who only listens takes little, although deriving a key takes 64 MiB.
func TestListenMemory(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("needs /proc")
	}
	h, ids := startHousehold(t, "alice", "bob")
	h.run("alice", "send", ids["bob"], "-m", "hello")
	cmd := h.command(t.Context(), "bob", "listen", "-o", "jsonl")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil { // it has fetched, opened and stored
		t.Fatal(err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var kib int
	if _, err := fmt.Sscan(rest, &kib); err != nil || kib > 40<<10 {
		t.Errorf("takes %d KiB, want at most 40 MiB: %v", kib, err)
	}
	t.Logf("%d KiB", kib)
}
