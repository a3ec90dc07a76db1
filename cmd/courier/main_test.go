package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"github.com/zalando/go-keyring"

	"onsight/client"
)

var update = flag.Bool("update", false, "rewrite the goldens")

// TestMain lets the test binary be the program: as `courier` inside test scripts.
func TestMain(m *testing.M) {
	// Else each process that the race detector looks at sleeps for a second before it ends, for what goroutines are left.
	if err := os.Setenv("GORACE", strings.TrimSpace("atexit_sleep_ms=0 "+os.Getenv("GORACE"))); err != nil {
		panic(err)
	}
	testscript.Main(removing{m}, map[string]func(){"courier": mainOrPanic})
}

// removing removes what tests share once all have run.
type removing struct{ *testing.M }

func (m removing) Run() int {
	defer func() { os.RemoveAll(sharedFolder) }()
	return m.M.Run()
}

// panicVariable has the program break down where it says: when it writes to standard output (stdout), or in a goroutine, when it
// logs (log) or reads (stdin).
const panicVariable = "TEST_COURIER_PANICS"

// panicky panics about what it is to write.
type panicky struct{}

func (panicky) Write(b []byte) (int, error) { panic("about " + string(b)) }

func (panicky) Read([]byte) (int, error) { panic("about what canary typed") }

// panickyLog panics about log lines of requests that got lost, which goroutines of the client write.
type panickyLog struct{ io.Writer }

func (w panickyLog) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("request lost")) {
		panic("about canary")
	}
	return w.Writer.Write(b)
}

// mainOrPanic is main as the test binary has it.
func mainOrPanic() {
	p := program{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, env: os.Getenv}
	switch os.Getenv(panicVariable) {
	case "stdout":
		p.stdout = panicky{}
	case "stdin":
		p.stdin = panicky{}
	case "log":
		p.stderr = panickyLog{os.Stderr}
	default:
		if dir := os.Getenv(keyringVariable); dir != "" {
			log.SetOutput(io.Discard)
			os.Exit(withKeyring(dir, p.main))
		}
		main()
		return
	}
	os.Exit(p.main())
}

// keyringVariable names the folder that is the keyring of the processes of a script: with it no process derives a key, which takes 64 MiB
// and most of a short command's time. Scripts about passphrases take it away.
const keyringVariable = "TEST_COURIER_KEYRING"

// withKeyring runs the program with what processes before it left in the keyring, and keeps what it leaves. What is taken out of it is in
// it again afterwards.
func withKeyring(dir string, run func() int) int {
	const service = "courier"
	keyring.MockInit()
	check := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	known, err := os.ReadDir(dir)
	check(err)
	for _, entry := range known {
		b, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		check(err)
		check(keyring.Set(service, entry.Name(), string(b)))
	}
	code := run()
	vaults, err := filepath.Glob(filepath.Join(os.Getenv("XDG_DATA_HOME"), "courier", "*", vaultFile))
	check(err)
	for _, path := range vaults {
		b, err := os.ReadFile(path)
		if err != nil || len(b) < 25 {
			continue
		}
		user := hex.EncodeToString(b[9:25]) // see vault's documentation
		if key, err := keyring.Get(service, user); err == nil && !slices.ContainsFunc(known, func(e os.DirEntry) bool { return e.Name() == user }) {
			whole, err := os.CreateTemp(filepath.Dir(dir), ".key-*") // another process may be reading the folder
			check(err)
			_, err = whole.WriteString(key)
			check(errors.Join(err, whole.Close()))
			check(os.Rename(whole.Name(), filepath.Join(dir, user)))
		}
	}
	return code
}

// runProgram runs one command line in this process, with nothing to ask at.
func runProgram(t *testing.T, env map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	p := program{stdout: &out, stderr: &errs, env: func(name string) string { return env[name] }}
	code = p.run(context.WithoutCancel(t.Context()), args)
	return code, out.String(), errs.String()
}

// TestWrongUsage gives every command that is only a parent of others a word that is none of them, and each flag's variable nonsense.
func TestWrongUsage(t *testing.T) {
	t.Parallel()
	root, _ := program{env: func(string) string { return "" }}.root()
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
		if cmd.HasSubCommands() {
			path := append(strings.Fields(cmd.CommandPath())[1:], "foo")
			if code, out, stderr := runProgram(t, nil, path...); code != exitUsage || out != "" || stderr == "" {
				t.Errorf("%v: exit code %d, printed %.80q and %.80q", path, code, out, stderr)
			}
		}
	}
	walk(root)
	for name, value := range map[string]string{
		"COURIER_OUTPUT": "xml", "COURIER_NO_INPUT": "perhaps", "COURIER_NETWORK": "moon", "COURIER_SEEDS": "here", "COURIER_PROXY": "gopher://x",
		"COURIER_MAX_LATENCY": "-1s", "COURIER_AGREE": "two", "COURIER_ASK": "9", "COURIER_PROFILE": "../x", "COURIER_LOG_FORMAT": "yaml",
		"COURIER_ENCRYPTION": "rot13",
	} {
		env := map[string]string{name: value, "COURIER_HOME": t.TempDir()}
		if code, out, stderr := runProgram(t, env, "version"); code != exitUsage || out != "" || stderr == "" {
			t.Errorf("%s=%s: exit code %d, printed %.80q and %.80q", name, value, code, out, stderr)
		}
	}
	env := map[string]string{"COURIER_OUTPUT": "xml", "COURIER_HOME": t.TempDir()}
	if code, out, _ := runProgram(t, env, "version", "-o", "json"); code != exitOK || !strings.HasPrefix(out, "{\n") {
		t.Errorf("a flag over its variable: exit code %d, printed %.80q", code, out)
	}
}

// TestNoAccount: what a name stands for cannot be read, or is no account. Once it was used that holds what is sent to it.
func TestNoAccount(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		code int
		hint string
	}{
		{client.ErrUnreadable, exitUnavailable, "another value"},
		{client.ErrID, exitUnavailable, "something else than an account"},
		{client.ErrBehind, exitUnavailable, "try again in a while"},
		{fmt.Errorf("%w: %w", client.ErrFewNodes, client.ErrUnreadable), exitUnavailable, "ask more nodes"},
		{&client.HeldError{Name: "bob", Why: client.ErrID, Gone: true}, exitHeld, "`courier names approve bob 0000"},
		{&client.HeldError{Name: "05ab", Why: client.ErrUnreadable}, exitHeld, "`courier names receipt name:05ab`"},
		{&client.HeldError{Name: "bob", Why: client.ErrID}, exitHeld, "waits until the name stands for an account"},
		{&client.HeldError{Name: "bob"}, exitHeld, "`courier names approve bob`"},
	} {
		err := fmt.Errorf("resolve: %w", test.err)
		if code, hint := exitCode(err), hintFor(err); code != test.code || !strings.Contains(hint, test.hint) {
			t.Errorf("%v: exit code %d, hint %q", err, code, hint)
		}
	}
}

// TestGivenUp: who hears that a message was given up is told what to do, and that it is none of the errors with codes of their own.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("bobby: %w: 403", errGivenUp)
	if code, hint := exitCode(err), hintFor(err); code != exitError || !strings.Contains(hint, "courier outbox retry") {
		t.Errorf("exit code %d, hint %q", code, hint)
	}
}

// TestInterrupted: who is stopped while there is something to do says so by the code that shells have for it.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	never, _ := io.Pipe()
	var stderr bytes.Buffer
	p := program{stdin: never, stdout: io.Discard, stderr: &stderr, env: func(string) string { return "" }}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if code := p.run(ctx, []string{"send", "me", "-m", "-"}); code != exitInterrupted || stderr.String() != "courier: interrupted\n" {
		t.Errorf("exit code %d: %s", code, &stderr)
	}
}

// raced reports whether the race detector is on.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// sharedFolder is where plainProgram builds; "" before that.
var sharedFolder string

// plainProgram returns the file of this test binary without the race detector, as courier: most of what processes do here is to derive
// keys and to write to databases, which the detector makes several times as slow, and other tests have it look at the same in one process.
var plainProgram = sync.OnceValues(func() (file string, err error) {
	if !raced() {
		return exec.LookPath("courier")
	}
	if sharedFolder, err = os.MkdirTemp("", "courier-test"); err != nil {
		return "", err
	}
	file = filepath.Join(sharedFolder, "courier")
	if out, err := exec.Command("go", "test", "-c", "-o", file, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return file, nil
})

// plain is plainProgram for a test.
func plain(t *testing.T) string {
	t.Helper()
	file, err := plainProgram()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestScripts(t *testing.T) {
	t.Parallel()
	dir := filepath.Dir(plain(t))
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_DATA_HOME", env.WorkDir+"/data")
			bus := ""
			name, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(env.WorkDir), "script-"), ".")
			if name != "account" && name != "keyring" {
				bus = "unix:path=/nowhere" // what says that there is a keyring
				dir := env.WorkDir + "/.keyring"
				env.Setenv(keyringVariable, dir)
				if err := os.Mkdir(dir, 0o700); err != nil {
					return err
				}
			} else {
				env.Setenv("COURIER_PASSPHRASE_FILE", env.WorkDir+"/passphrase")
			}
			env.Setenv("DBUS_SESSION_BUS_ADDRESS", bus)
			env.Setenv("COURIER_NO_INPUT", "1") // scripts that want a terminal take this away
			env.Setenv("TZ", "UTC")
			env.Setenv("GORACE", os.Getenv("GORACE"))
			if name != "talk" { // where the race detector looks at the program itself
				env.Setenv("PATH", dir+string(os.PathListSeparator)+env.Getenv("PATH"))
			}
			return os.WriteFile(env.WorkDir+"/passphrase", []byte("open sesame\n"), 0o600)
		},
		Cmds: townCommands,
	})
}

// code runs a command and checks its exit code: code N PROGRAM ARGS…
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N PROGRAM ARGS…")
	}
	got := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := err.(interface{ ExitCode() int })
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = strings.TrimSpace(string(rune('0' + exit.ExitCode())))
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}
