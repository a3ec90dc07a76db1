package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// typedHelp says in the help of commands what typed does.
const typedHelp = `With - instead, it is read from standard input, and stands neither in the list of processes nor in the history of a shell.`

// typed is an argument that should stay private, or one line of standard input if it is "-": every user of a machine can read the
// arguments of all processes.
func (p program) typed(arg string) (string, error) {
	if arg != "-" {
		return arg, nil
	}
	if p.stdin == nil {
		return "", usagef("-: there is no standard input")
	}
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
