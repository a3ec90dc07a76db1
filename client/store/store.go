package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/ncruces/go-sqlite3"
	"gorm.io/gorm"
)

var (
	// ErrKey is returned by Open if and only if the file is not a database under this key.
	ErrKey = errors.New("the key does not open the database")
	// ErrSchemaNew is returned by Open if and only if a newer program has written this database. Nothing was changed.
	ErrSchemaNew = errors.New("the database is newer than this program")
	// ErrNotFound means that there is no such thing in the database.
	ErrNotFound = errors.New("not found")
	// ErrTaken is returned by Queue if and only if there is a message of ours with the same time in the chat: another device sent
	// one. The message has to be made anew with the next time.
	ErrTaken = errors.New("another message of ours has the same time")
	// ErrExists is returned by Create if and only if the database has an account.
	ErrExists = errors.New("the database has an account already")
)

// Config says which database to open and how.
type Config struct {
	Path string       // file; it and its folder (0700) are created. Empty is an error
	Key  [32]byte     // what it is encrypted with
	Log  *slog.Logger // nil: silent

	// Step is called at named points, for tests that kill the process there; nil: not called.
	//
	//	migration      inside a migration's transaction, after its statements ran
	//	before-commit  the last thing inside any other transaction that writes
	//	after-commit   when it is durable
	Step func(point string)
}

// String hides the key.
func (c Config) String() string { return "store.Config(" + c.Path + ")" }

// GoString hides the key.
func (c Config) GoString() string { return c.String() }

// Store is an open database. Its methods may be called from any number of goroutines.
type Store struct {
	path  string
	log   *slog.Logger
	step  func(string)
	write *gorm.DB // one connection
	read  *gorm.DB // a few that cannot write
}

// Open opens the database at cfg.Path, creates it if there is none, and brings its schema up to date. Errors: ErrKey,
// ErrSchemaNew.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	s := &Store{path: cfg.Path, log: cfg.Log, step: cfg.Step}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.step == nil {
		s.step = func(string) {}
	}
	if err := s.open(ctx, cfg.Key); err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", cfg.Path, err), s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, key [32]byte) (err error) {
	if s.path == "" {
		return errors.New("no path given")
	}
	if s.path, err = filepath.Abs(s.path); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return err
	}
	// SQLite would create it readable for others.
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := checkKey(ctx, s.path, key); err != nil {
		return err
	}
	if err := mendLog(s.path + "-wal"); err != nil {
		return err
	}
	if s.write, err = openWriter(s.path, key); err != nil {
		return err
	}
	if err := s.migrate(ctx); err != nil {
		return err
	}
	s.read, err = openReader(s.path, key)
	return err
}

// Close closes the database. The last process to close it also empties its log file.
func (s *Store) Close() error {
	var errs []error
	for _, db := range []*gorm.DB{s.read, s.write} { // the writer last: a reader cannot empty the log
		if db == nil {
			continue
		}
		pool, err := db.DB()
		if err == nil {
			err = pool.Close()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// update runs f in one transaction that writes. what names the step in errors.
func (s *Store) update(ctx context.Context, what string, f func(tx *gorm.DB) error) error {
	err := s.write.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if err := f(tx); err != nil {
			return err
		}
		s.step("before-commit")
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, ended(ctx, err))
	}
	s.step("after-commit")
	return nil
}

// view runs f in one transaction that reads: all it reads belongs to one moment.
func (s *Store) view(ctx context.Context, what string, f func(tx *gorm.DB) error) error {
	if err := s.read.WithContext(ctx).Transaction(f, &sql.TxOptions{ReadOnly: true}); err != nil {
		return fmt.Errorf("%s: %w", what, ended(ctx, err))
	}
	return nil
}

// ended returns the context's error where it is that which ended a statement: SQLite says that it was interrupted.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, sqlite3.INTERRUPT) {
		return ctx.Err()
	}
	return err
}

// one fills row with the one row that a query gives, or returns ErrNotFound.
func one(q *gorm.DB, row any) error {
	got := q.Scan(row)
	if got.Error == nil && got.RowsAffected == 0 {
		return ErrNotFound
	}
	return got.Error
}

// changed returns ErrNotFound if a statement has touched no row.
func changed(done *gorm.DB) error {
	if done.Error == nil && done.RowsAffected == 0 {
		return ErrNotFound
	}
	return done.Error
}

// unix is how a time is stored; the zero Time is NULL where that is allowed.
func unix(t time.Time) int64 { return t.UnixMilli() }

func unixOrNull(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	ms := t.UnixMilli()
	return &ms
}

func fromUnix(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func fromUnixOrNull(ms *int64) time.Time {
	if ms == nil {
		return time.Time{}
	}
	return fromUnix(*ms)
}

// array returns a stored key or id. A damaged one is not worth an error: it is nobody's.
func array[A [16]byte | [32]byte | [33]byte](b []byte) (a A) {
	switch p := any(&a).(type) {
	case *[16]byte:
		copy(p[:], b)
	case *[32]byte:
		copy(p[:], b)
	case *[33]byte:
		copy(p[:], b)
	}
	return a
}
