// Command courier is a messenger for terminals, servers and bots: its addresses are names, and it speaks to the Session network.
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
	defer func() {
		if v := recover(); v != nil {
			stack.Report(p.stderr, "courier", v)
			code = exitError
		}
	}()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // who says it twice means it
	return p.run(ctx, os.Args[1:])
}

// program is what a command may use of the world, so that a test can run the same program elsewhere.
type program struct {
	stdin          io.Reader // nil: there is none
	stdout, stderr io.Writer
	env            func(string) string
}
