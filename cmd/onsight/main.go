// Command onsight is the explorer: it follows an Oxen chain into an index of every ONS registration and answers from it.
package main

import (
	"context"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"

	"onsight/internal/stack"
)

func main() {
	log.SetOutput(io.Discard) // net/http quotes what strangers send there; our own log is slog's
	os.Exit(program{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, env: os.Getenv}.main())
}

// main runs the command line of this process until it ends or is told to.
func (p program) main() (code int) {
	defer stack.OnQuit(p.stderr)()
	defer p.recovered(&code)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return p.run(ctx, os.Args[1:])
}

// program is what a command may use of the world, so that a test can run the same program elsewhere.
type program struct {
	stdin          io.Reader // nil: there is none
	stdout, stderr io.Writer
	env            func(string) string
	step           func(string) // see store.Config.Step and indexer.Config.Step; nil outside of kill tests
}
