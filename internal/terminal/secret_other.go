//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package terminal

import (
	"io"
	"os"

	"golang.org/x/term"
)

// Secret reads from a terminal, which shows nothing of it, until enough says that all that was read, whole lines, is enough; nil: one
// line. The error is io.EOF if the input ended before anything was typed.
func Secret(f *os.File, enough func(typed []byte) bool) (typed []byte, err error) {
	for {
		line, err := term.ReadPassword(int(f.Fd()))
		typed = append(typed, line...)
		if err == io.EOF && len(typed) > 0 || err == nil && (enough == nil || enough(typed)) {
			return typed, nil
		}
		if err != nil {
			clear(typed)
			return nil, err
		}
		typed = append(typed, '\n')
	}
}

// Hush does nothing here: what is typed while nobody reads is shown.
func Hush(*os.File) (show func() error, err error) { return func() error { return nil }, nil }
