package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// stops are the signals that end a program and are handed on to the command.
var stops = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}

// wait prints how to use what is served and serves until a signal comes, ctx ends or done is closed.
func wait(ctx context.Context, done <-chan struct{}, vars []string, std stdio) error {
	ctx, stop := signal.NotifyContext(ctx, stops...)
	defer stop()
	for _, v := range vars {
		fmt.Fprintln(std.out, "export "+v)
	}
	select {
	case <-ctx.Done():
	case <-done:
	}
	return nil
}

// execute runs a command with our standard streams and hands it the signals we get. Its exit code becomes ours, 128 + n if signal n
// killed it.
func execute(ctx context.Context, command, env []string, std stdio) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = std.in, std.out, std.err
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, stops...)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			return &exitError{127, fmt.Sprintf("run %s: command not found", command[0])}
		}
		return fmt.Errorf("run %s: %w", command[0], err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			_ = cmd.Process.Signal(s) // it may have ended already
		case err := <-done:
			return outcome(command[0], err)
		}
	}
}

// outcome turns what a command ended with into an exit code.
func outcome(name string, err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		if err != nil {
			return fmt.Errorf("run %s: %w", name, err)
		}
		return nil
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return &exitError{128 + int(ws.Signal()), ""}
	}
	return &exitError{exit.ExitCode(), ""}
}
