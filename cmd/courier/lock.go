package main

import (
	"errors"
	"fmt"
	"hash/fnv"
	"path/filepath"
)

// locksFile is in the folder of a profile, and empty: processes lock bytes of it for what only one of them is to do. The system takes the
// locks back when their process ends, however it does.
const locksFile = "locks"

// errNoLocks means that this system has none.
var errNoLocks = errors.New("files cannot be locked here")

// heldError means that another process does what only one is to do.
type heldError struct {
	what string
	pid  int
}

func (e *heldError) Error() string {
	return fmt.Sprintf("%s is followed by another process (pid %d)", e.what, e.pid)
}

// claim locks what only one process is to do with the profile in a folder, until release. The error is a *heldError if and only if another
// does it.
func claim(folder, what string) (release func() error, err error) {
	h := fnv.New64a()
	h.Write([]byte(what))
	release, pid, err := lock(filepath.Join(folder, locksFile), int64(h.Sum64()>>2)) // which byte: names are not to be read there
	if pid != 0 {
		return nil, &heldError{what, pid}
	}
	return release, err
}
