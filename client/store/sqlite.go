package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
	"github.com/ncruces/go-sqlite3/gormlite"
	_ "github.com/ncruces/go-sqlite3/vfs/adiantum" // registers the file system that encrypts
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

const (
	readers  = 2               // connections for reading: one that lists while another looks something up
	block    = 4096            // what is encrypted at a time; SQLite's page, too
	walLimit = 4 * 1024 * 1024 // bytes the write-ahead log keeps on disk after a checkpoint
)

// openWriter opens the one connection that writes. With BEGIN IMMEDIATE a transaction that will write never starts as a reader
// that may not become a writer; other processes wait for it.
func openWriter(path string, key [32]byte) (*gorm.DB, error) {
	return open(path, 1, "&_txlock=immediate&mode=rwc", key,
		"PRAGMA journal_mode = WAL",
		// A power cut loses nothing that was accepted: an fsync per message is nothing beside the network.
		"PRAGMA synchronous = FULL",
		"PRAGMA secure_delete = ON", // what disappears is gone
		"PRAGMA cache_size = -4000",
	)
}

// openReader opens the connections that read.
func openReader(path string, key [32]byte) (*gorm.DB, error) {
	return open(path, readers, "&mode=rw", key, "PRAGMA query_only = 1", "PRAGMA cache_size = -2000")
}

func open(path string, conns int, options string, key [32]byte, pragmas ...string) (*gorm.DB, error) {
	// An escaped URI: a path may hold ? # and %. The key is no part of it, since the name of a database is easily shown.
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?vfs=adiantum" + options
	pragmas = append([]string{
		"PRAGMA hexkey = '" + hex.EncodeToString(key[:]) + "'", // first of all
		"PRAGMA busy_timeout = 10000",
		"PRAGMA foreign_keys = 1",
		"PRAGMA temp_store = MEMORY",
		fmt.Sprintf("PRAGMA journal_size_limit = %d", walLimit),
	}, pragmas...)
	pool, err := driver.Open(dsn, func(c *sqlite3.Conn) error {
		for _, p := range pragmas {
			if err := c.Exec(p); err != nil {
				return err // without p: the first has the key
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	db, err := gorm.Open(gormlite.OpenDB(pool), &gorm.Config{
		Logger:                 logger.Discard, // errors are returned
		SkipDefaultTransaction: true,           // ours are explicit
	})
	if err != nil {
		return nil, errors.Join(reason(err), pool.Close())
	}
	return db, nil
}

// checkKey returns ErrKey unless key opens the database, and touches nothing: under another key SQLite would take a log that a
// killed process left for an empty one, and delete it with all that is only in there.
func checkKey(ctx context.Context, path string, key [32]byte) (err error) {
	for range 3 { // it takes no lock: half of a block that another process is writing looks like another key
		if err = tryKey(ctx, path, key); !errors.Is(err, ErrKey) {
			return err
		}
	}
	return err
}

func tryKey(ctx context.Context, path string, key [32]byte) error {
	db, err := open(path, 1, "&mode=ro&immutable=1", key)
	if err != nil {
		return err
	}
	var version int
	err = reason(db.WithContext(ctx).Raw("PRAGMA schema_version").Scan(&version).Error)
	pool, closed := db.DB()
	if closed == nil {
		closed = pool.Close()
	}
	return errors.Join(err, closed)
}

// mendLog cuts a part of a block off the end of a write-ahead log, such as a full disk leaves. It cannot be decrypted, and
// SQLite, which knows nothing of blocks, would not open the database for it. A commit that was accepted ends in a whole block.
func mendLog(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || info.Size()%block == 0 {
		return err
	}
	return os.Truncate(path, info.Size()-info.Size()%block)
}

// reason tells a database that the key does not open from one that cannot be read. To SQLite the former is a file of rubbish.
func reason(err error) error {
	if errors.Is(err, sqlite3.NOTADB) {
		return ErrKey
	}
	return err
}

// tables lists the tables there are.
func tables(db *gorm.DB) (names []string, err error) {
	err = db.Raw("SELECT name FROM sqlite_master WHERE type = 'table' LIMIT 1000").Scan(&names).Error
	return names, err
}
