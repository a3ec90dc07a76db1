package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"onsight/client/vault"
	"onsight/internal/terminal"
)

// maxSecret bounds a passphrase, and recovery words.
const maxSecret = 4096

// terminal returns where somebody can be asked: standard input, or, where that is a file or a pipe, the terminal that the program was
// started from. The error is errNoTerminal.
func (p program) terminal(f *flags) (in *os.File, done func(), err error) {
	if f.noInput {
		return nil, nil, errNoInput
	}
	if terminal.Is(p.stdin) {
		return p.stdin.(*os.File), func() {}, nil
	}
	if _, ok := p.stdin.(*os.File); !ok {
		return nil, nil, errNoTerminal // a test's, whatever terminal that runs in
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, nil, errNoTerminal
	}
	return tty, func() { tty.Close() }, nil
}

// tries is how often somebody at a terminal may answer before it is an error.
const tries = 3

// secret asks for a line at the terminal, which does not show it. The end of the context ends the wait. Clear it when it was used. An
// error is errNothing if the input ended.
func (p program) secret(ctx context.Context, f *flags, prompt string) ([]byte, error) {
	return p.prompt(ctx, f, prompt, func(in *os.File) ([]byte, error) { return terminal.Secret(in, nil) })
}

// words asks for recovery words, on one line or on several: where they are copied from has them so, too.
func (p program) words(ctx context.Context, f *flags) ([]byte, error) {
	return p.prompt(ctx, f, "recovery words (an empty line ends them): ", func(in *os.File) ([]byte, error) {
		return terminal.Secret(in, func(typed []byte) bool {
			return len(typed) == 0 || typed[len(typed)-1] == '\n' || len(bytes.Fields(typed)) >= 13
		})
	})
}

// confirm asks a question, whose answer is no unless it begins with y.
func (p program) confirm(ctx context.Context, f *flags, question string) (bool, error) {
	b, err := p.prompt(ctx, f, question+" [y/N] ", func(in *os.File) ([]byte, error) {
		line, err := bufio.NewReader(io.LimitReader(in, maxSecret)).ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return line, err
	})
	return strings.HasPrefix(strings.ToLower(string(b)), "y"), err
}

func (p program) prompt(ctx context.Context, f *flags, prompt string, read func(*os.File) ([]byte, error)) ([]byte, error) {
	in, done, err := p.terminal(f)
	if err != nil {
		return nil, err
	}
	defer done()
	before, err := term.GetState(int(in.Fd()))
	if err != nil {
		return nil, errNoTerminal
	}
	fmt.Fprint(p.stderr, prompt)
	answer, err := unlessOver(ctx, p, func() ([]byte, error) { return read(in) })
	fmt.Fprintln(p.stderr)
	if ctx.Err() != nil {
		_ = term.Restore(int(in.Fd()), before) // else the shell would not show what is typed
	}
	switch {
	case errors.Is(err, io.EOF):
		return nil, errNothing
	case err != nil:
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return answer, nil
}

// unlessOver does what nothing but its other end can stop, such as reading from a terminal or asking a keyring, until the context ends.
// Then it goes on alone, to the end of the program at the latest.
func unlessOver[T any](ctx context.Context, p program, do func() (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		defer func() {
			if v := recover(); v != nil {
				p.bug(v)
			}
		}()
		v, err := do()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// newSecret asks for a new passphrase, twice, and again where that went wrong.
func (p program) newSecret(ctx context.Context, f *flags, prompt string) (secret []byte, err error) {
	for range tries {
		if err != nil {
			p.tell("%v: try again", err)
		}
		if secret, err = p.secret(ctx, f, prompt+": "); err != nil {
			return nil, err
		}
		if len(secret) == 0 {
			err = vault.ErrEmpty
			continue
		}
		var again []byte
		if again, err = p.secret(ctx, f, "once more: "); err != nil {
			return nil, err
		}
		same := bytes.Equal(secret, again)
		clear(again)
		if same {
			return secret, nil
		}
		clear(secret)
		err = errDiffer
	}
	return nil, err
}

// secretFile reads the first line of a file.
func (p program) secretFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSecretFile, err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		p.tell("warning: others can read %s: chmod 600 it", path)
	}
	b, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSecretFile, err)
	}
	line, _, _ := bytes.Cut(b, []byte{'\n'})
	line = bytes.TrimSuffix(line, []byte{'\r'})
	if len(line) == 0 || len(line) > maxSecret {
		return nil, fmt.Errorf("%w: the first line of %s is empty or too long", errSecretFile, path)
	}
	return line, nil
}

// input is all of standard input, up to limit bytes. The end of the context ends the wait.
func (p program) input(ctx context.Context, limit int64) ([]byte, error) {
	if p.stdin == nil {
		return nil, usagef("-: there is no standard input")
	}
	b, err := unlessOver(ctx, p, func() ([]byte, error) { return io.ReadAll(io.LimitReader(p.stdin, limit+1)) })
	switch {
	case err != nil:
		return nil, fmt.Errorf("read standard input: %w", err)
	case int64(len(b)) > limit:
		return nil, usagef("-: %w than %d bytes", errLong, limit)
	}
	return b, nil
}
