package terminal

import "golang.org/x/sys/unix"

const (
	ioctlGet   = unix.TCGETS
	ioctlSet   = unix.TCSETS
	ioctlFlush = unix.TCSETSF // sets, and drops what was typed and not read
)
