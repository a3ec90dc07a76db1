package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"github.com/gofrs/flock"
)

// LockedError is returned by Open if and only if another writer has the database.
type LockedError struct {
	Path string // the database
	PID  int    // process that holds it; 0 if unknown
}

// Error names the database and, if known, the process.
func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("%s is being written by another process", e.Path)
	}
	return fmt.Sprintf("%s is being written by process %d", e.Path, e.PID)
}

// lock takes path.lock, which the system frees when its holder dies, however it dies. The file stays when it is freed:
// removing it would let a third process lock a new file while a second one waits on the old.
func lock(path string) (*flock.Flock, error) {
	l := flock.New(path+".lock", flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))
	ok, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if !ok {
		return nil, &LockedError{Path: path, PID: holder(l.Path())}
	}
	if err := os.WriteFile(l.Path(), fmt.Appendln(nil, os.Getpid()), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("lock: %w", err), l.Close())
	}
	return l, nil
}

// unlock empties the lock file before it lets go, so that nobody is told of a process that is gone.
func unlock(l *flock.Flock) error {
	err := os.Truncate(l.Path(), 0)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // someone has tidied up
	}
	return errors.Join(err, l.Close())
}

// holder reads the process id in a lock file; 0 if there is none.
func holder(path string) int {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(b)))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}
