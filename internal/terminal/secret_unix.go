//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package terminal

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Secret reads from a terminal, which shows nothing of it, until enough says that all that was read, whole lines, is enough; nil: one
// line. What is typed beyond it is left to who reads next, unless enough is given: then it is dropped, so that the rest of what was pasted
// does not become the next command of a shell. The line's end is not part of the answer. The error is io.EOF if and only if the input
// ended (Ctrl-D) before anything was typed; golang.org/x/term's ReadPassword waits on then.
func Secret(f *os.File, enough func(typed []byte) bool) (typed []byte, err error) {
	fd := int(f.Fd())
	before, err := hide(fd)
	if err != nil {
		return nil, err
	}
	restore := uint(ioctlSet)
	if enough != nil {
		restore = ioctlFlush
	}
	defer func() {
		if again := unix.IoctlSetTermios(fd, restore, before); err == nil && again != nil {
			err = fmt.Errorf("show again what is typed: %w", again)
		}
	}()
	var b [1]byte // no more, since what follows the line is not ours
	for {
		switch _, err := f.Read(b[:]); {
		case err == io.EOF && len(typed) > 0:
			return typed, nil
		case err != nil:
			clear(typed)
			return nil, err
		}
		if b[0] == '\n' && (enough == nil || enough(typed)) {
			return typed, nil
		}
		typed = append(typed, b[0])
	}
}

// Hush has a terminal show nothing of what is typed, whether somebody reads it or not, until show is called.
func Hush(f *os.File) (show func() error, err error) {
	fd := int(f.Fd())
	before, err := hide(fd)
	if err != nil {
		return nil, err
	}
	return func() error { return unix.IoctlSetTermios(fd, ioctlSet, before) }, nil
}

// hide stops the echo, and returns how the terminal was before.
func hide(fd int) (before *unix.Termios, err error) {
	before, err = unix.IoctlGetTermios(fd, ioctlGet)
	if err != nil {
		return nil, fmt.Errorf("hide what is typed: %w", err)
	}
	hidden := *before
	hidden.Lflag &^= unix.ECHO
	hidden.Lflag |= unix.ICANON | unix.ISIG
	hidden.Iflag |= unix.ICRNL
	if err := unix.IoctlSetTermios(fd, ioctlSet, &hidden); err != nil {
		return nil, fmt.Errorf("hide what is typed: %w", err)
	}
	return before, nil
}
