package main

import (
	"flag"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/rogpeppe/go-internal/testscript"

	"onsight/internal/devnet"
)

var update = flag.Bool("update", false, "rewrite the goldens")

// TestMain lets the test binary be the program: as `onsight` inside test scripts, and as a process that kills itself at a
// named point (see kill_test.go).
func TestMain(m *testing.M) {
	if plan := os.Getenv("ONSIGHT_TEST_KILL"); plan != "" {
		p := program{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, env: os.Getenv, step: killAt(plan)}
		os.Exit(p.main())
	}
	for _, kind := range []string{"application/x-ndjson", "text/event-stream"} { // what TestDocsRun cannot read is text
		openapi3filter.RegisterBodyDecoder(kind, openapi3filter.FileBodyDecoder)
	}
	testscript.Main(m, map[string]func(){"onsight": main})
}

// killAt returns a step function that ends this process by SIGKILL when the point of the plan, "point:n", is reached for
// the nth time, and leaves a note that it was reached in the file ONSIGHT_TEST_HIT.
func killAt(plan string) func(string) {
	point, count, _ := strings.Cut(plan, ":")
	left, err := strconv.Atoi(count)
	if err != nil {
		panic("ONSIGHT_TEST_KILL: " + plan)
	}
	var mu sync.Mutex // guards left: ranges are fetched in parallel
	return func(at string) {
		if at != point {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if left--; left > 0 {
			return
		}
		if err := os.WriteFile(os.Getenv("ONSIGHT_TEST_HIT"), []byte(point), 0o600); err != nil {
			panic(err)
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			panic(err)
		}
		select {} // the signal is on its way; nothing may happen after this point
	}
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata", UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_DATA_HOME", env.WorkDir+"/data")
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else each process sleeps for a second before it ends
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"replay": replay, "network": network, "town": town, "act": act, "asked": asked, "code": code, "needs": needs,
		},
	})
}

// replay serves a recording until the script ends: replay 10|11. It sets ONSIGHT_OXEND.
func replay(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || recordings[args[0]] == "" {
		ts.Fatalf("usage: replay 10|11")
	}
	d := startReplay(ts, recordings[args[0]])
	ts.Defer(func() { d.Close() })
	ts.Setenv("ONSIGHT_OXEND", d.URL())
}

// needs puts another of our programs into the path: needs devnet.
func needs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: needs PROGRAM")
	}
	bin := ts.MkAbs("needed")
	build := exec.Command("go", "build", "-o", bin+"/", "onsight/cmd/"+args[0])
	if out, err := build.CombinedOutput(); err != nil {
		ts.Fatalf("%v: %s", err, out)
	}
	ts.Setenv("PATH", bin+string(os.PathListSeparator)+ts.Getenv("PATH"))
}

// network starts a devnet of so many nodes until the script ends: network N. It sets ONSIGHT_OXEND.
func network(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: network N")
	}
	nodes, err := strconv.Atoi(args[0])
	ts.Check(err)
	n, err := devnet.Start(devnet.Config{Seed: 1, Nodes: nodes, Past: 50})
	ts.Check(err)
	ts.Defer(func() { n.Close() })
	ts.Setenv("ONSIGHT_OXEND", n.Oxend())
}

// code runs a command and checks its exit code: code N PROGRAM ARGS…
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N PROGRAM ARGS…")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if err != nil {
		var exit interface{ ExitCode() int }
		if e, ok := err.(interface{ ExitCode() int }); ok {
			exit = e
			got = exit.ExitCode()
		} else {
			ts.Fatalf("%v", err)
		}
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}
