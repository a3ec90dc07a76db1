//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package terminal

import "golang.org/x/sys/unix"

const (
	ioctlGet   = unix.TIOCGETA
	ioctlSet   = unix.TIOCSETA
	ioctlFlush = unix.TIOCSETAF // sets, and drops what was typed and not read
)
