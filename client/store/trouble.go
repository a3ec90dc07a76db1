package store

import (
	"errors"

	"github.com/ncruces/go-sqlite3"
)

var (
	// ErrDamaged is what Trouble returns if the database's pages contradict each other.
	ErrDamaged = errors.New("the database is damaged")
	// ErrDisk is what Trouble returns if the database could not be read or written: the disk is full or broken, or may not be written.
	ErrDisk = errors.New("the disk is full, or cannot be written")
)

// Trouble says which trouble, that is none of the program's, stands behind an error of any function here: ErrDamaged, ErrDisk, or nil.
// SQLite's codes: https://www.sqlite.org/rescode.html.
func Trouble(err error) error {
	switch {
	case errors.Is(err, sqlite3.CORRUPT):
		return ErrDamaged
	case errors.Is(err, sqlite3.FULL), errors.Is(err, sqlite3.IOERR), errors.Is(err, sqlite3.READONLY), errors.Is(err, sqlite3.CANTOPEN):
		return ErrDisk
	}
	return nil
}
