//go:build unix

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// lock locks a byte of a file for this process (fcntl(2), F_SETLK), or says which process has. A process does not exclude itself, and must
// not open the file while it holds a lock: to close it gives that up.
func lock(path string, at int64) (release func() error, pid int, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("lock: %w", err)
	}
	for {
		l := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart, Start: at, Len: 1}
		err := syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &l)
		if err == nil {
			return f.Close, 0, nil
		}
		if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
			l.Type = syscall.F_WRLCK
			if err = syscall.FcntlFlock(f.Fd(), syscall.F_GETLK, &l); err == nil && l.Type == syscall.F_UNLCK {
				continue // it ended in between
			}
			pid = int(l.Pid)
		}
		return nil, pid, errors.Join(err, f.Close())
	}
}
