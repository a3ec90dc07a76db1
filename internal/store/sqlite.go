package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net/url"

	"github.com/mattn/go-sqlite3"
	sqlitedialect "gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

const (
	readers  = 4               // connections for reading; each has its own view of the file, so they never wait for one another
	walLimit = 8 * 1024 * 1024 // bytes the write-ahead log keeps on disk after a checkpoint; a large commit may exceed it for a while
)

// Both kinds of connection keep prepared statements themselves (_stmt_cache_size): those of database/sql and gorm die with
// the transaction they were made in, which here is every one.
const common = "_busy_timeout=10000&_foreign_keys=1&_stmt_cache_size=64"

// openWriter opens the one connection that writes. SQLite lets one transaction write at a time: with one connection ours
// queue in the process instead of meeting SQLITE_BUSY, and with BEGIN IMMEDIATE a transaction that will write never starts
// as a reader that may not become a writer.
//
// WAL: readers go on while we write. synchronous FULL: each commit is on the disk before it ends. What the chain says could be
// fetched again after a power cut, but numbers of the log of events that somebody has seen must not be given to others. See also
// synchronous.
func openWriter(path string) (*gorm.DB, error) {
	return open(path, 1, common+"&_txlock=immediate&_journal_mode=WAL&_synchronous=FULL&_cache_size=-16000")
}

// synchronous is the statement that has later commits wait for the disk, or not. Without, a killed process loses nothing, and a
// power cut tears no commit but may take the newest ones back, until one that waits.
func synchronous(wait bool) string {
	if wait {
		return "PRAGMA synchronous = FULL"
	}
	return "PRAGMA synchronous = NORMAL"
}

// openReader opens the connections that read, in the writer's process and in others.
func openReader(path, more string) (*gorm.DB, error) {
	return open(path, readers, common+"&mode=ro&_query_only=1"+more)
}

func open(path string, conns int, options string) (*gorm.DB, error) {
	// An escaped URI: a path may hold ? # and %.
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + options
	// OpenDB with our own connector: no driver name is registered, and every connection gets the pragma that has no option.
	pool := sql.OpenDB(connector{dsn: dsn, driver: &sqlite3.SQLiteDriver{ConnectHook: func(c *sqlite3.SQLiteConn) error {
		_, err := c.Exec(fmt.Sprintf("PRAGMA journal_size_limit = %d", walLimit), nil)
		return err
	}}})
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	db, err := gorm.Open(sqlitedialect.New(sqlitedialect.Config{Conn: pool}), &gorm.Config{
		Logger:                 logger.Discard, // errors are returned
		SkipDefaultTransaction: true,           // ours are explicit
		DisableAutomaticPing:   true,           // the dialect has just asked for the version
	})
	if err != nil {
		pool.Close()
		return nil, err
	}
	return db, nil
}

// connector makes connections for sql.OpenDB.
type connector struct {
	dsn    string
	driver *sqlite3.SQLiteDriver
}

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }
func (c connector) Driver() driver.Driver                        { return c.driver }

// tables lists the tables there are.
func tables(ctx context.Context, db *sql.DB) (names []string, err error) {
	rows, err := db.QueryContext(ctx, "SELECT name FROM sqlite_master WHERE type = 'table' LIMIT 1000")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}
