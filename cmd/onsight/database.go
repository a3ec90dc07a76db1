package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"onsight/indexer"
	"onsight/internal/store"
	"onsight/ons"
)

// errNoDatabase means that there is no index to read.
var errNoDatabase = fmt.Errorf("there is no index yet: %w", ons.ErrUnavailable)

// database is an index open for reading, and what it holds.
type database struct {
	*store.Store
	path  string
	state indexer.State
}

// openDatabase opens the index to read, briefly or to stay. Whatever keeps it from being read means that nothing can be
// found out: every error but a wrong usage wraps ons.ErrUnavailable.
func (f *flags) openDatabase(ctx context.Context, env func(string) string, brief bool) (*database, error) {
	d, err := f.openAny(ctx, env, brief)
	if err == nil && d.state.Tip == nil {
		err = errors.Join(unavailable(fmt.Errorf("%s: the index is empty", d.path)), d.Close())
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

// openAny is openDatabase for who does not need names in it.
func (f *flags) openAny(ctx context.Context, env func(string) string, brief bool) (*database, error) {
	path, err := f.readPath(env)
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, store.Config{Path: path, ReadOnly: true, Brief: brief})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, errNoDatabase)
	}
	if err != nil {
		return nil, unavailable(err)
	}
	d := &database{Store: db, path: path}
	if d.state, err = db.State(ctx); err == nil {
		err = d.check(f)
	}
	if err != nil {
		return nil, errors.Join(unavailable(err), db.Close())
	}
	return d, nil
}

func (d *database) check(f *flags) error {
	if f.network != "" && d.state.Network != "" && d.state.Network != ons.Network(f.network) {
		return fmt.Errorf("%s: holds %s, not %s: %w", d.path, d.state.Network, f.network, indexer.ErrOtherNetwork)
	}
	return nil
}

// unavailable makes an error of the database say that nothing could be found out.
func unavailable(err error) error {
	if errors.Is(err, ons.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", ons.ErrUnavailable, err)
}

// readPath is the database to read: the named one, or the default one of the named network; if neither is named, the only
// default one there is, mainnet's before others.
func (f *flags) readPath(env func(string) string) (string, error) {
	if f.path() != "" {
		return f.path(), nil
	}
	return f.onlyFile(env, ".db", "--db")
}

// onlyFile is the default file of an ending: that of the named network, or else the only one there is, mainnet's before others.
func (f *flags) onlyFile(env func(string) string, ending, flag string) (string, error) {
	network := ons.Network(f.network)
	if network == "" {
		network = ons.Mainnet
	}
	path, err := defaultFile(env, network, ending)
	if err != nil {
		return "", err
	}
	dir, name := filepath.Split(path)
	found, err := fs.Glob(os.DirFS(dir), "onsight-*"+ending) // a folder that is not there has none
	if err != nil {
		return "", err
	}
	switch {
	case f.network != "" || len(found) == 0 || slices.Contains(found, name):
		return path, nil // if it is not there, opening it will say so
	case len(found) > 1:
		return "", usagef("several and none of mainnet: name one with %s or --network: %s has %s", flag, dir, strings.Join(found, ", "))
	}
	return filepath.Join(dir, found[0]), nil
}

// hasDatabase reports whether there is an index to read without one being named.
func (f *flags) hasDatabase(env func(string) string) (bool, error) {
	path, err := f.readPath(env)
	if err != nil {
		return false, err
	}
	_, err = os.Stat(path)
	return err == nil, nil
}
