package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// typedHelp says in the help of commands what typed does.
const typedHelp = `With - instead, it is read from standard input, and stands neither in the list of processes nor in the history of a shell.`

// typed is an argument that should stay private, or one line of standard input if it is "-": every user of a machine can read the
// arguments of all processes. The end of the context ends the wait.
func (p program) typed(ctx context.Context, arg string) (string, error) {
	if arg != "-" {
		return arg, nil
	}
	if p.stdin == nil {
		return "", usagef("-: there is no standard input")
	}
	type read struct {
		line string
		err  error
	}
	done := make(chan read, 1)
	go func() { // it may outlive the call: nothing ends a read of a terminal or a pipe but its other end, or that of the program
		line, err := p.line()
		done <- read{line, err}
	}()
	select {
	case <-ctx.Done():
		return "", fmt.Errorf("read standard input: %w", ctx.Err())
	case r := <-done:
		return r.line, r.err
	}
}

// line is the one line of standard input.
func (p program) line() (string, error) {
	in := bufio.NewReader(io.LimitReader(p.stdin, maxTyped+3)) // one byte more than is taken, and the end of a line
	line, err := in.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read standard input: %w", err)
	}
	if _, err := in.ReadByte(); err == nil {
		return "", usagef("-: standard input has more than one line")
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), nil
}
