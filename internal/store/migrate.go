package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"gorm.io/gorm"
)

//go:embed migrations/*.sql
var migrations embed.FS

// schema is the version the migrations lead to: the number of the newest file.
const schema = 8

// versions is goose's table of applied migrations, with our step inside each migration's transaction.
type versions struct {
	database.Store
	step func(string)
}

func (v versions) Insert(ctx context.Context, db database.DBTxConn, req database.InsertRequest) error {
	v.step("migration")
	return v.Store.Insert(ctx, db, req)
}

func (s *Store) versions() (versions, error) {
	t, err := database.NewStore(database.DialectSQLite3, goose.DefaultTablename)
	return versions{t, s.step}, err
}

// version returns the schema's version without changing anything; 0 when there is none yet.
func (v versions) version(ctx context.Context, db *sql.DB) (int64, error) {
	names, err := tables(ctx, db)
	switch {
	case err != nil || len(names) == 0:
		return 0, err
	case !slices.Contains(names, v.Tablename()):
		return 0, errors.New("is the database of another program")
	}
	n, err := v.GetLatestVersion(ctx, db)
	if errors.Is(err, database.ErrVersionNotFound) {
		return 0, nil
	}
	return n, err
}

// migrate brings the schema up to date, one transaction per file: killed anywhere, the next Open goes on.
func (s *Store) migrate(ctx context.Context) error {
	have, err := s.schemaOf(ctx, s.write)
	if err != nil || have == schema {
		return err
	}
	p, err := s.provider()
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	s.log.InfoContext(ctx, "database migrated", "path", s.path, "from", have, "to", schema)
	return nil
}

func (s *Store) provider() (*goose.Provider, error) {
	v, err := s.versions()
	if err != nil {
		return nil, err
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	db, err := s.write.DB()
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectCustom, db, files, goose.WithStore(v),
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
}

// checkSchema refuses a reader that does not know the tables it would find.
func (s *Store) checkSchema(ctx context.Context) error {
	have, err := s.schemaOf(ctx, s.read)
	if err == nil && have < schema {
		err = fmt.Errorf("%w (schema %d, this program's is %d)", ErrSchemaOld, have, schema)
	}
	return err
}

// schemaOf returns the version of the tables, and ErrSchemaNew for one that this program does not know.
func (s *Store) schemaOf(ctx context.Context, db *gorm.DB) (int64, error) {
	v, err := s.versions()
	if err != nil {
		return 0, err
	}
	pool, err := db.DB()
	if err != nil {
		return 0, err
	}
	have, err := v.version(ctx, pool)
	if err == nil && have > schema {
		err = fmt.Errorf("%w (schema %d, this program's is %d)", ErrSchemaNew, have, schema)
	}
	return have, err
}
