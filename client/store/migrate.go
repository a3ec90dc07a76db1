package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/gofrs/flock"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"gorm.io/gorm"
)

//go:embed migrations/*.sql
var migrations embed.FS

// schema is the version the migrations lead to: the number of the newest file.
const schema = 9

// versions is goose's table of applied migrations, with our step inside each migration's transaction.
type versions struct {
	database.Store
	step func(string)
}

func (v versions) Insert(ctx context.Context, db database.DBTxConn, req database.InsertRequest) error {
	v.step("migration")
	return v.Store.Insert(ctx, db, req)
}

// migrate brings the schema up to date, one transaction per file: killed anywhere, the next Open goes on. Processes that
// open a database at the same time follow one another.
func (s *Store) migrate(ctx context.Context) (err error) {
	table, err := database.NewStore(database.DialectSQLite3, goose.DefaultTablename)
	if err != nil {
		return err
	}
	v := versions{table, s.step}
	have, err := v.version(ctx, s.write)
	if err != nil || have == schema {
		return err
	}
	lock := flock.New(s.path+".lock", flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))
	if err := lock.Lock(); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	pool, err := s.write.DB()
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectCustom, pool, files, goose.WithStore(v),
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	s.log.InfoContext(ctx, "database migrated", "path", s.path, "from", have, "to", schema)
	return nil
}

// version returns the schema's version without changing anything; 0 when there is none yet. The error is ErrSchemaNew for one
// that this program does not know.
func (v versions) version(ctx context.Context, db *gorm.DB) (int64, error) {
	names, err := tables(db.WithContext(ctx))
	switch {
	case err != nil || len(names) == 0:
		return 0, reason(err)
	case !slices.Contains(names, v.Tablename()):
		return 0, errors.New("is the database of another program")
	}
	pool, err := db.DB()
	if err != nil {
		return 0, err
	}
	n, err := v.GetLatestVersion(ctx, pool)
	switch {
	case errors.Is(err, database.ErrVersionNotFound):
		return 0, nil
	case err == nil && n > schema:
		err = fmt.Errorf("%w (schema %d, this program's is %d)", ErrSchemaNew, n, schema)
	}
	return n, err
}
