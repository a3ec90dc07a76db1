package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the program, and two small ones to run inside it, commands of the scripts.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"devnet": main,
		"ask":    func() { os.Exit(ask(os.Args[1:])) },
		"linger": func() { os.Exit(linger()) },
	})
}

// TestScripts runs the real program.
func TestScripts(t *testing.T) {
	recordings, err := filepath.Abs("../../internal/devnet/testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("RECORDINGS", recordings)
			e.Setenv("GORACE", "atexit_sleep_ms=0") // else each process sleeps for a second before it ends
			return nil
		},
	})
}

// ask posts a body to a path of the daemon it runs in and prints the reply.
func ask(args []string) int {
	if len(args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: ask PATH BODY")
		return 2
	}
	resp, err := http.Post(os.Getenv("ONSIGHT_OXEND")+args[0], "application/json", strings.NewReader(args[1]))
	if err != nil {
		fmt.Fprintln(os.Stderr, "no answer")
		return 3
	}
	defer resp.Body.Close()
	_, _ = io.Copy(os.Stdout, resp.Body)
	return 0
}

// linger stops its parent and waits for the signal to be handed on.
func linger() int {
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt)
	p, err := os.FindProcess(os.Getppid())
	if err != nil {
		return 1
	}
	if err := p.Signal(os.Interrupt); err != nil {
		return 1
	}
	<-c
	fmt.Println("interrupted")
	return 7
}

// TestWait serves without a command until its context ends.
func TestWait(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan error, 1)
	var stderr bytes.Buffer
	go func() { done <- run(ctx, []string{"--generate"}, nil, stdio{nil, w, &stderr}) }()
	var url string
	var year int
	if _, err := fmt.Fscanf(r, "export ONSIGHT_OXEND=%s\nexport ONSIGHT_LOKINET_YEAR=%d\n", &url, &year); err != nil {
		t.Fatal(err)
	}
	if year != 50 {
		t.Errorf("year %d, want 50", year)
	}
	resp, err := http.Get(url + "/get_height")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("%v, %s", err, stderr.String())
	}
}
