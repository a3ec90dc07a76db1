package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"onsight/directory"
	"onsight/indexer"
	"onsight/internal/oxend"
	"onsight/internal/store"
	"onsight/ons"
)

// maxBackoff bounds the wait between rounds that fail.
const maxBackoff = time.Minute

func (p program) indexCommand(f *flags) *cobra.Command {
	var opt indexOptions
	cmd := &cobra.Command{
		Use:   "index",
		Short: "Follow the chain and write the index",
		Long: `Follow the chain and write the index: from the block in which ONS began to the newest one, then as blocks come.

It can be stopped or killed at any time and goes on where it was. Blocks that the chain gave up are undone exactly.`,
		Example: `  onsight index --oxend http://127.0.0.1:22023
  onsight index --once --db ./names.db`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opt.complete(cmd, p.env); err != nil {
				return err
			}
			return p.index(cmd.Context(), f, opt)
		},
	}
	fl := cmd.Flags()
	fl.BoolVar(&opt.once, "once", false, "stop when the newest block is reached")
	fl.Uint64Var(&opt.acceptBelow, "accept-reorg-below", 0, "accept a reorganisation that undoes final blocks if the chains part at or below `HEIGHT`")
	opt.register(cmd)
	return cmd
}

type indexOptions struct {
	followOptions
	once        bool
	acceptBelow uint64
	probeEvery  time.Duration  // of serve
	geo         *directory.Geo // of serve
}

func (p program) index(ctx context.Context, f *flags, opt indexOptions) error {
	log := f.logger(p, slog.LevelInfo)
	w, err := p.openWriter(ctx, f, log, opt)
	if err != nil {
		if ctx.Err() != nil && !opt.once {
			return nil // stopped, as it is meant to be
		}
		return err
	}
	defer w.db.Close()
	defer w.meter.stop()
	if opt.once {
		st, err := w.Sync(ctx)
		w.meter.stop()
		if err != nil {
			return err
		}
		return p.printIndexed(f, st)
	}
	return p.repeat(ctx, log, w, opt.interval)
}

// writer is an index open for writing, and the meter that watches it.
type writer struct {
	*indexer.Indexer
	db    *store.Store
	nodes *directory.Directory
	meter *meter
}

func (p program) openWriter(ctx context.Context, f *flags, log *slog.Logger, opt indexOptions) (*writer, error) {
	path, err := p.writePath(ctx, f, log)
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, store.Config{Path: path, Log: log, Step: p.step})
	if err != nil {
		return nil, err
	}
	w, err := p.newWriter(ctx, f, log, opt, db)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	log.Debug("database open", "path", path)
	return w, nil
}

func (p program) newWriter(ctx context.Context, f *flags, log *slog.Logger, opt indexOptions, db *store.Store) (*writer, error) {
	epoch, err := db.Begin(ctx)
	if err != nil {
		return nil, err
	}
	st, err := db.State(ctx)
	if err != nil {
		return nil, err
	}
	pool, err := f.pool(log, st)
	if err != nil {
		return nil, err
	}
	meter := newMeter(p.stderr, log, time.Now)
	nodes := directory.New(directory.Config{
		Store: db, Epoch: epoch, Pool: pool, Network: ons.Network(f.network), Every: opt.probeEvery, Geo: opt.geo, Log: log,
	})
	return &writer{db: db, nodes: nodes, meter: meter, Indexer: indexer.New(indexer.Config{
		Pool: pool, Store: db, Epoch: epoch,
		Network: ons.Network(f.network), Year: opt.year, AcceptBelow: opt.acceptBelow,
		Log: log, Step: p.step, OnRange: meter.advance,
	})}, nil
}

// repeat runs rounds until ctx ends, which is how this program is meant to be stopped. What only a person can settle
// ends it; what may pass by itself is tried again, ever more slowly.
func (p program) repeat(ctx context.Context, log *slog.Logger, w *writer, interval time.Duration) error {
	wait, worked := interval, false
	for {
		_, err := w.Sync(ctx)
		w.meter.stop()
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			wait, worked = interval, true
		case fatal(err, worked):
			return err
		default:
			log.Error("round ended", "error", err, "again_in", wait)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		if err != nil {
			wait = min(2*wait, maxBackoff)
		}
	}
}

// fatal tells errors that no waiting mends. A wrong daemon is one only at first: later it may be on the port by mistake.
func fatal(err error, worked bool) bool {
	if errors.Is(err, indexer.ErrFenced) || errors.Is(err, indexer.ErrOtherYear) {
		return true
	}
	return !worked && (errors.Is(err, indexer.ErrOtherNetwork) || errors.Is(err, oxend.ErrWrongNetwork))
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

// printIndexed says where the index stands. If that is not the end of the chain, the error says so too.
func (p program) printIndexed(f *flags, st indexer.State) error {
	view := indexedView{Network: string(st.Network), Phase: string(st.Phase), Start: st.Start, Target: st.Target}
	line := fmt.Sprintf("%s: nothing to index yet: ONS begins at height %d, the chain is at %d", st.Network, st.Start, st.Target)
	if st.Tip != nil {
		hash, digest := st.Tip.Hash.String(), st.TipDigest().String()
		view.Height, view.Hash, view.Digest = &st.Tip.Height, &hash, &digest
		line = fmt.Sprintf("%s: %s at height %d, digest %s", st.Network, st.Phase, st.Tip.Height, digest)
	}
	var err error
	if f.json() {
		err = p.printJSON(view)
	} else {
		_, err = fmt.Fprintln(p.stdout, line)
	}
	if err == nil && st.Phase != indexer.Synced {
		err = fmt.Errorf("the daemon is not at the end of the chain, block %d, itself: %w", st.Target, ons.ErrUnavailable)
	}
	return err
}
