package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"onsight/client"
	"onsight/client/vault"
	"onsight/internal/canary"
	"onsight/internal/devnet"
	"onsight/internal/spy"
	"onsight/internal/stack"
	"onsight/ons"
)

// What is marked. Whatever is text has the word canary in it.
const (
	canaryPassphrase = "canary-passphrase"
	canaryHere       = "canary-bird-here"  // a registered name
	canaryGone       = "canary-bird-gone"  // one that is not
	canaryMoved      = "canary-bird-moved" // one that comes to point elsewhere
)

var canarySeeds = map[string]client.Seed{"alice": client.Seed([]byte("canary-seed-here")), "bob": client.Seed([]byte("canary-seed-gone"))}

// marked is what the suite lets loose.
type marked struct {
	what   string
	secret bool // not even people are told, unless they ask for it; else logs, files and the network are not
	canary.Shapes
}

// canaries returns all that is to be found nowhere.
func canaries(t *testing.T) (all []marked) {
	t.Helper()
	for who, seed := range canarySeeds {
		words := strings.Fields(seed.Words())
		var runs []string
		for i := range len(words) - 2 {
			runs = append(runs, strings.Join(words[i:i+3], " "))
		}
		a := client.NewAccount(seed)
		id := a.ID()
		all = append(all,
			marked{"the seed of " + who, true, canary.Shapes{}.Bytes(seed[:])},
			marked{"words of " + who, true, canary.Text(runs...)},
			marked{"the private key of " + who, true, canary.Shapes{}.Bytes(ed25519.NewKeyFromSeed(append(seed[:], make([]byte, 16)...))[:32])},
			marked{"the id of " + who, false, canary.Shapes{}.Bytes(id[1:])},
			marked{"the public key of " + who, false, canary.Shapes{}.Bytes(a.Public())})
	}
	all = append(all, marked{"the passphrase", true, canary.Text(canaryPassphrase).Bytes([]byte(canaryPassphrase))})
	for _, plain := range []string{canaryHere, canaryGone, canaryMoved} {
		n, err := ons.ParseName(ons.Session, plain)
		if err != nil {
			t.Fatal(err)
		}
		h := n.Hash()
		all = append(all, marked{"the hash of " + plain, false, canary.Shapes{}.Bytes(h[:])})
	}
	return append(all, marked{"a text", false, canary.Text("canary").Bytes([]byte("canary"))})
}

// canaryRun is one way to run a command, of alice's unless bob is to.
type canaryRun struct {
	args  string // words in capitals stand for ids
	stdin string
	bob   bool
	says  bool // it is asked to print a secret
	code  int
	moved bool // canaryMoved points elsewhere from then on
}

// canaryCommands has a line for each command of the program, in the order in which they are run. A new command needs one here.
var canaryCommands = []struct {
	command string
	runs    []canaryRun
}{
	{"courier version", []canaryRun{{}}},
	{"courier help", []canaryRun{{args: "send"}}},
	{"courier man", []canaryRun{{}}},
	{"courier completion bash", []canaryRun{{}}},
	{"courier completion zsh", []canaryRun{{}}},
	{"courier completion fish", []canaryRun{{}}},
	{"courier completion powershell", []canaryRun{{}}},
	{"courier init", []canaryRun{
		{args: "--name canary-shown --restore -", stdin: canarySeeds["alice"].Words()}, {bob: true, args: "--restore -", stdin: canarySeeds["bob"].Words()},
		{args: "--restore -", stdin: canarySeeds["alice"].Words(), code: exitError},
	}},
	{"courier profiles", []canaryRun{{}}},
	{"courier account show", []canaryRun{{args: "-o json"}}},
	{"courier account qr", []canaryRun{{}}},
	{"courier account name", []canaryRun{{}, {args: "canary-renamed"}}},
	{"courier account recovery", []canaryRun{{says: true}}},
	{"courier vault status", []canaryRun{{}}},
	{"courier vault lock", []canaryRun{{code: exitLocked}}},
	{"courier vault unlock", []canaryRun{{code: exitLocked}}},
	{"courier vault passphrase", []canaryRun{{args: "--new-passphrase-file PASSPHRASE"}}},
	{"courier names resolve", []canaryRun{
		{args: canaryHere + " --server http://127.0.0.1:1"}, {args: canaryMoved}, {args: canaryGone, code: exitNotFound}, {args: canaryHere + " --seeds http://127.0.0.1:1 -o json"},
	}},
	{"courier names pins", []canaryRun{{}}},
	{"courier names receipt", []canaryRun{{args: canaryHere}, {args: canaryGone}}},
	{"courier names audit", []canaryRun{{}}},
	{"courier names approve", []canaryRun{{args: canaryHere, code: exitNotFound}}},
	{"courier send", []canaryRun{
		{args: canaryHere + " -m canary-text-one --explain --key canary-key"}, {args: "BOB -m - --wait replicated", stdin: "canary-text-two"},
		{args: "me -m canary-note"}, {args: canaryGone + " -m canary-text", code: exitNotFound}, {args: canaryHere + " -m canary-text --dry-run"},
		{args: "canary-nobody@ -m canary-text", code: exitUsage},
		{moved: true, args: canaryMoved + " -m canary-held --fresh 0s", code: exitHeld},
	}},
	{"courier listen", []canaryRun{
		{bob: true, args: "--once -o jsonl --consumer canary-consumer"}, {bob: true, args: "--once --exec cat"}, {args: "--once"},
	}},
	{"courier requests list", []canaryRun{{bob: true}}},
	{"courier requests accept", []canaryRun{{bob: true, args: "ALICE"}}},
	{"courier requests decline", []canaryRun{{bob: true, args: "ALICE", code: exitNotFound}}},
	{"courier requests block", []canaryRun{{bob: true, args: "ALICE", code: exitNotFound}}},
	{"courier contacts name", []canaryRun{{bob: true, args: "ALICE canary-nick"}}},
	{"courier contacts list", []canaryRun{{bob: true}, {args: "-o json"}}},
	{"courier chats", []canaryRun{{bob: true}}},
	{"courier messages read", []canaryRun{{bob: true, args: "canary-nick"}, {args: "me"}}},
	{"courier messages search", []canaryRun{{bob: true, args: "canary text"}}},
	{"courier messages show", []canaryRun{{args: "1 -o json"}, {args: "77", code: exitNotFound}}},
	{"courier outbox list", []canaryRun{{}}},
	{"courier outbox show", []canaryRun{{args: "h1"}, {args: "h1 -o json"}, {args: "77", code: exitNotFound}}},
	{"courier outbox retry", []canaryRun{{}}},
	{"courier outbox drop", []canaryRun{{args: "h1"}, {args: "77", code: exitNotFound}}},
	{"courier export", []canaryRun{{}}},
	{"courier net path", []canaryRun{{}}},
	{"courier net paths", []canaryRun{{}}},
	{"courier net swarm", []canaryRun{{}, {args: canaryHere}}},
	{"courier net doctor", []canaryRun{{}}},
	{"courier contacts block", []canaryRun{{bob: true, args: "canary-nick"}}},
	{"courier contacts unblock", []canaryRun{{bob: true, args: "canary-nick"}}},
	{"courier contacts remove", []canaryRun{{bob: true, args: "canary-nick --yes"}}},
	{"courier __complete", []canaryRun{{args: "send canary"}}}, // what shells run for Tab; cobra's own
}

// aviary is where the canaries fly: a network, one who watches all that arrives there, and the files of two people.
type aviary struct {
	*devnet.Network
	spy        *spy.Spy
	program    string
	files      string // folder of all that is written
	passphrase string // file, elsewhere
	secrets    []marked
	words      *strings.Replacer
}

func startAviary(t *testing.T) *aviary {
	t.Helper()
	a := &aviary{program: plain(t), files: t.TempDir(), passphrase: filepath.Join(t.TempDir(), "passphrase"), secrets: canaries(t)}
	alice, bob := canarySeeds["alice"].ID().String(), canarySeeds["bob"].ID().String()
	names, err := devnet.ParseNames(strings.NewReader("session "+canaryHere+" "+bob+"\nsession "+canaryMoved+" "+bob), ons.Fakechain)
	if err != nil {
		t.Fatal(err)
	}
	if a.Network, err = devnet.Start(devnet.Config{Seed: 11, Past: 20, Nodes: 14, Names: names}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Network.Close() })
	if a.spy, err = spy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.spy.Close() })
	if err := os.WriteFile(a.passphrase, []byte(canaryPassphrase+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a.words = strings.NewReplacer("ALICE", alice, "BOB", bob, "PASSPHRASE", a.passphrase)
	return a
}

// command is the real program, all of whose files are in one folder and all of whose connections lead through the spy.
func (a *aviary) command(ctx context.Context, who string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, a.program, args...)
	cmd.Dir = a.files
	cmd.Env = []string{
		"HOME=" + a.files, "XDG_DATA_HOME=" + a.files, "TMPDIR=" + a.files, "PATH=" + os.Getenv("PATH"), "DBUS_SESSION_BUS_ADDRESS=",
		"COURIER_PROFILE=" + who, "COURIER_SEEDS=" + a.Seed(), "COURIER_NO_INPUT=1", "COURIER_PASSPHRASE_FILE=" + a.passphrase,
		"COURIER_MAX_LATENCY=5s", "COURIER_PROXY=" + a.spy.URL().String(), "GOCOVERDIR=" + os.Getenv("GOCOVERDIR"),
	}
	return cmd
}

// search fails the test for each canary in some bytes, or only for those that nobody may see.
func (a *aviary) search(t *testing.T, where string, b []byte, onlySecret bool) {
	t.Helper()
	lower := bytes.ToLower(b)
	for _, m := range a.secrets {
		if onlySecret && !m.secret {
			continue
		}
		if shape := m.In(b, lower); shape != "" {
			t.Errorf("%s: has %s, as %s", where, m.what, shape)
		}
	}
}

// says looks at what a process wrote to standard error: what is a log has no canary, and what people are told no secret.
func (a *aviary) says(t *testing.T, what string, stderr []byte) {
	t.Helper()
	for line := range bytes.Lines(stderr) {
		a.search(t, what+": standard error", line, !bytes.HasPrefix(line, []byte("{")) && bytes.HasPrefix(line, []byte("courier: ")))
	}
}

func (a *aviary) run(t *testing.T, command string, r canaryRun) {
	t.Helper()
	if r.moved {
		a.move(t)
	}
	words := append(strings.Fields(command)[1:], strings.Fields(a.words.Replace(r.args))...)
	if words[0] != "__complete" && !strings.Contains(r.args, "--exec") {
		words = append(words, "--verbose", "--log-format", "json")
	}
	who := "alice"
	if r.bob {
		who = "bob"
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := a.command(ctx, who, words...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(r.stdin), &stdout, &stderr
	what := strings.TrimSpace(command + " " + r.args)
	if err := cmd.Run(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != r.code || ctx.Err() != nil {
		t.Errorf("%s: %v, want exit code %d\n%s", what, err, r.code, &stderr)
	}
	a.says(t, what, stderr.Bytes())
	if !r.says {
		a.search(t, what+": standard output", stdout.Bytes(), true)
	} else if !slices.ContainsFunc(a.secrets, func(m marked) bool { return m.secret && m.In(stdout.Bytes(), stdout.Bytes()) != "" }) {
		t.Errorf("%s: no secret is found where there is one", what) // so that what is not found elsewhere is not there
	}
}

// move has canaryMoved point to alice.
func (a *aviary) move(t *testing.T) {
	t.Helper()
	n, err := ons.ParseName(ons.Session, canaryMoved)
	if err != nil {
		t.Fatal(err)
	}
	v, err := ons.ParseValue(ons.Session, canarySeeds["alice"].ID().String(), ons.Fakechain)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Update(n, v); err != nil {
		t.Fatal(err)
	}
}

// searchFiles looks through all files, their names included.
func (a *aviary) searchFiles(t *testing.T) (databases int) {
	t.Helper()
	err := filepath.WalkDir(a.files, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		a.search(t, "the name of the file "+d.Name(), []byte(d.Name()), false)
		if !d.Type().IsRegular() {
			return nil
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // such as a log that was in use
		}
		if err != nil {
			return err
		}
		if strings.Contains(d.Name(), storeFile) && len(b) > 0 {
			databases++
		}
		a.search(t, "the file "+d.Name(), b, false)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return databases
}

// TestNoTrace lets marked seeds, words, passphrases, names, ids and texts loose in every command there is, and finds them nowhere: not
// in the database, its log or the vault, in other files or their names, in what is logged, in what a process that is told to quit or
// that breaks down leaves behind, nor in what arrives at the network. People are told what is theirs, but no secret that they do not ask for.
func TestNoTrace(t *testing.T) {
	t.Parallel()
	a := startAviary(t)
	t.Run("commands", a.commands)
	a.searchKeys(t)
	t.Run("quit", a.quit)
	t.Run("panic", a.panics)
	t.Run("files", func(t *testing.T) {
		if n := a.searchFiles(t); n < 2 {
			t.Errorf("%d files of databases, want two people's", n)
		}
	})
	t.Run("network", func(t *testing.T) {
		seen := a.spy.Seen()
		for _, wrong := range spy.Direct(seen) {
			t.Error(wrong)
		}
		onions := 0
		for _, q := range seen {
			if q.Path == "/onion_req/v2" {
				onions++
			}
			a.search(t, "a request to "+q.Path, append([]byte(q.Head), q.Body...), false)
		}
		if onions < 40 {
			t.Errorf("only %d onions were seen", onions)
		}
	})
}

// commands runs every command of the program.
func (a *aviary) commands(t *testing.T) {
	left := map[string]bool{}
	root, _ := program{env: func(string) string { return "" }, stdout: io.Discard, stderr: io.Discard}.root()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		left[c.CommandPath()] = c.Runnable() && !c.HasSubCommands()
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
	left["courier __complete"] = true
	for _, c := range canaryCommands {
		if _, ok := left[c.command]; !ok {
			t.Errorf("%s: the program has no such command", c.command)
		}
		left[c.command] = false
		for _, r := range c.runs {
			a.run(t, c.command, r)
		}
	}
	for command, missing := range left {
		if missing {
			t.Errorf("%s: give it a line in canaryCommands", command)
		}
	}
}

// searchKeys adds the keys that were made meanwhile to what is searched for.
func (a *aviary) searchKeys(t *testing.T) {
	t.Helper()
	for who := range canarySeeds {
		v, err := vault.Open(filepath.Join(a.files, "courier", who, vaultFile))
		if err != nil {
			t.Fatal(err)
		}
		key, err := v.Unlock([]byte(canaryPassphrase))
		if err != nil {
			t.Fatal(err)
		}
		derived := key.Derive(purpose)
		a.secrets = append(a.secrets,
			marked{"the key of the vault of " + who, true, canary.Shapes{}.Bytes(key[:])},
			marked{"the key of the database of " + who, true, canary.Shapes{}.Bytes(derived[:])})
	}
}

// quit tells a process to quit while it listens, and looks at what other processes see of it, at its files, the write-ahead log among
// them, and at what it leaves.
func (a *aviary) quit(t *testing.T) {
	a.run(t, "courier send", canaryRun{args: canaryHere + " -m canary-text-three"})
	cmd := a.command(t.Context(), "bob", "listen", "--verbose", "--log-format", "json", "-o", "jsonl")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	heard := make([]byte, 1) // something has come, and is stored
	if _, err := io.ReadFull(stdout, heard); err != nil {
		t.Error(err)
	}
	for _, seen := range []string{"cmdline", "environ"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", cmd.Process.Pid, seen))
		if err == nil {
			a.search(t, "listen: "+seen, b, false)
		} else if !errors.Is(err, fs.ErrNotExist) { // no such thing on other systems
			t.Error(err)
		}
	}
	if n := a.searchFiles(t); n < 3 {
		t.Errorf("%d files of databases: there is no write-ahead log", n)
	}
	if err := cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, stdout)
	_ = cmd.Wait()
	if cmd.ProcessState.ExitCode() != stack.ExitQuit || !strings.Contains(stderr.String(), "courier.program.run") {
		t.Errorf("exit code %d, and no word of where it was: %.2000s", cmd.ProcessState.ExitCode(), &stderr)
	}
	a.says(t, "what it left when it quit", stderr.Bytes())
}

// panics has the program break down over a text that it was about to print, and in a goroutine that asks for a name.
func (a *aviary) panics(t *testing.T) {
	for _, c := range []struct{ how, args, at string }{
		{"stdout", "messages read me", "courier.panicky.Write"},
		{"stdin", "send me -m -", "courier.panicky.Read"},
		{"log", "names resolve " + canaryHere + " --verbose --log-format json", "client.(*Client).once"},
	} {
		if c.how == "log" {
			faults, err := devnet.ParseFaults("all:lossy=0.6")
			if err == nil {
				err = a.Inject(faults...)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		cmd := a.command(t.Context(), "alice", strings.Fields(c.args)...)
		cmd.Env = append(cmd.Env, panicVariable+"="+c.how)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		_ = cmd.Run()
		text := stderr.String()
		if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != exitError || !strings.Contains(text, "courier: internal error: ") || !strings.Contains(text, c.at) {
			t.Errorf("%s: got %v, and no word of where it was: %.2000s", c.how, cmd.ProcessState, text)
		}
		a.search(t, c.how+": what it left when it broke down", stderr.Bytes(), false)
	}
}
