package main

import (
	"context"
	"errors"
	"log/slog"

	"onsight/directory"
	"onsight/indexer"
	"onsight/internal/oxend"
	"onsight/internal/store"
	"onsight/ons"
)

// base is a database open for writing, and what all that write it begin with.
type base struct {
	db      *store.Store
	epoch   uint64
	state   indexer.State
	clients []*oxend.Client
}

func (p program) openBase(ctx context.Context, f *flags, log *slog.Logger) (*base, error) {
	path, err := p.writePath(ctx, f, log)
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, store.Config{Path: path, Log: log, Step: p.step})
	if err != nil {
		return nil, err
	}
	b, err := newBase(ctx, f, log, db)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	log.Debug("database open", "path", path)
	return b, nil
}

func newBase(ctx context.Context, f *flags, log *slog.Logger, db *store.Store) (*base, error) {
	epoch, err := db.Begin(ctx)
	if err != nil {
		return nil, err
	}
	state, err := db.State(ctx)
	if err != nil {
		return nil, err
	}
	clients, err := f.clients(log)
	if err != nil {
		return nil, err
	}
	return &base{db: db, epoch: epoch, state: state, clients: clients}, nil
}

// directory is one over b, with what cfg says beside. Its pool is its own: a daemon that is of no use for the list of nodes is not
// held against it where names are read.
func (b *base) directory(f *flags, cfg directory.Config) (*directory.Directory, error) {
	pool, err := f.poolOf(b.clients, cfg.Log, b.state)
	if err != nil {
		return nil, err
	}
	cfg.Store, cfg.Epoch, cfg.Pool, cfg.Network = b.db, b.epoch, pool, ons.Network(f.network)
	return directory.New(cfg), nil
}

// writePath is the database to write. Without a name it is the network's default one, and a daemon has to say which
// network that is unless the user did.
func (p program) writePath(ctx context.Context, f *flags, log *slog.Logger) (string, error) {
	if f.path() != "" {
		return f.path(), nil
	}
	network := ons.Network(f.network)
	if network == "" && len(f.oxend) == 0 {
		network = ons.Mainnet
	}
	if network == "" {
		pool, err := f.pool(log, indexer.State{})
		if err != nil {
			return "", err
		}
		pick, err := pool.Pick(ctx, nil)
		if err != nil {
			return "", err
		}
		network = pick.Identity.Network
	}
	return defaultPath(p.env, network)
}
