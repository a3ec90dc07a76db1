package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/mattn/go-sqlite3"
	"gorm.io/gorm"

	"onsight/indexer"
	"onsight/ons"
)

var (
	// ErrReadOnly is returned by Begin and Commit if and only if the store was opened with Config.ReadOnly.
	ErrReadOnly = errors.New("the database was opened for reading only")
	// ErrSchemaOld is returned by Open if and only if a reader finds a schema older than this program's (or none yet): the
	// writer has to run once first.
	ErrSchemaOld = errors.New("the database is older than this program")
	// ErrSchemaNew is returned by Open if and only if a newer program has written this database. Nothing was changed.
	ErrSchemaNew = errors.New("the database is newer than this program")
	// ErrHeight is returned by DigestAt if and only if the height is above the newest block of the index.
	ErrHeight = errors.New("height is not indexed yet")
)

// Config says which database to open and how.
type Config struct {
	Path     string           // file; a writer creates it and its folder (0700). Empty is an error
	ReadOnly bool             // read what another process writes: no lock, no migration, nothing is created
	Log      *slog.Logger     // nil: silent
	Now      func() time.Time // nil: time.Now

	// Brief lets a reader that ends soon read a database which nobody writes from a folder that it may not write to. It
	// would not notice a writer that begins while it reads. Only with ReadOnly.
	Brief bool

	// Shared opens beside a running writer for Enrol and Dismiss alone: no lock, no migration, no epoch. It excludes ReadOnly.
	Shared bool

	// Step is called at named points, for tests that kill the process there; nil: not called.
	//
	//	migration      inside a migration's transaction, after its statements ran
	//	rollback       inside a commit's transaction, after rows above Base were removed
	//	before-commit  the last thing inside a commit's transaction
	//	after-commit   when the transaction is durable against a killed process
	Step func(point string)
}

// Store is an open database. Its methods may be called from any number of goroutines; commits follow one another.
type Store struct {
	path  string // absolute, links resolved
	log   *slog.Logger
	now   func() time.Time
	step  func(string)
	lock  *flock.Flock // nil for a reader
	write *gorm.DB     // one connection; nil for a reader
	read  *gorm.DB     // a few connections that cannot write

	shared bool // Config.Shared
}

var (
	_ indexer.Store = (*Store)(nil)
	_ ons.Source    = (*Store)(nil)
)

// Open opens the database at cfg.Path. A writer takes the lock beside it and brings the schema up to date. Errors: a
// *LockedError when another writer has it, ErrSchemaOld, ErrSchemaNew, for a reader fs.ErrNotExist when there is no file.
// While no writer runs, a reader must be allowed to create files in the folder: SQLite keeps its index of the log there.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	s := &Store{log: cfg.Log, now: cfg.Now, step: cfg.Step, shared: cfg.Shared}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.step == nil {
		s.step = func(string) {}
	}
	if err := s.open(ctx, cfg); err != nil {
		if locked := (*LockedError)(nil); errors.As(err, &locked) {
			return nil, err // names the database itself; nothing is open yet
		}
		return nil, errors.Join(fmt.Errorf("open database %s: %w", cfg.Path, err), s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, cfg Config) (err error) {
	if cfg.Path == "" {
		return errors.New("no path given")
	}
	if cfg.ReadOnly || cfg.Shared {
		info, err := os.Stat(cfg.Path) // else SQLite says "unable to open database file", whatever the reason
		if err != nil {
			return err
		}
		if info.IsDir() {
			return errors.New("is a folder")
		}
		if s.path, err = canonical(cfg.Path); err != nil {
			return err
		}
		if cfg.Shared {
			if s.write, err = openWriter(s.path); err != nil {
				return err
			}
		}
	} else {
		if err := os.MkdirAll(filepath.Dir(cfg.Path), 0o700); err != nil {
			return err
		}
		// The lock is found by the file's own path: two ways to one file must not mean two writers.
		if s.path, err = canonical(cfg.Path); err != nil {
			return err
		}
		if s.lock, err = lock(s.path); err != nil {
			return err
		}
		if s.write, err = openWriter(s.path); err != nil {
			return err
		}
		if err := s.migrate(ctx); err != nil {
			return err
		}
	}
	err = s.openRead(ctx, cfg.ReadOnly || cfg.Shared, "")
	if err != nil && cfg.Brief && s.still(err) {
		return errors.Join(s.Close(), s.openRead(ctx, cfg.ReadOnly, "&immutable=1"))
	}
	return err
}

func (s *Store) openRead(ctx context.Context, check bool, more string) (err error) {
	if s.read, err = openReader(s.path, more); err != nil || !check {
		return err
	}
	return s.checkSchema(ctx)
}

// still reports whether a reader was refused only because it may not write beside the file, and nobody else writes to it
// now: a writer's log would be there.
func (s *Store) still(err error) bool {
	var e sqlite3.Error
	if !errors.As(err, &e) || e.Code != sqlite3.ErrReadonly && e.Code != sqlite3.ErrCantOpen {
		return false
	}
	_, err = os.Stat(s.path + "-wal")
	return errors.Is(err, fs.ErrNotExist)
}

// Close closes the database and lets go of the lock. The last one to close a database also empties its log file.
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
	if s.lock != nil {
		errs = append(errs, unlock(s.lock))
	}
	return errors.Join(errs...)
}

// view runs f in one read transaction: all it reads belongs to one moment. what names the step in errors.
func (s *Store) view(ctx context.Context, what string, f func(tx *gorm.DB) error) error {
	// SQLite has no other isolation than this one and ignores the wish; PostgreSQL needs it.
	err := s.read.WithContext(ctx).Transaction(f, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return fmt.Errorf("%s in %s: %w", what, s.path, err)
	}
	return nil
}

// canonical returns path as an absolute one without symbolic links. The file itself need not exist.
func canonical(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real, nil
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, filepath.Base(path)), nil
}
