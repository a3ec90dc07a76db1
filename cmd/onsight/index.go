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
	cmd.Flags().BoolVar(&opt.newLog, "new-log", false, "the database was restored from a copy: make cursors of before invalid")
	cmd.Flags().BoolVar(&opt.once, "once", false, "stop when the newest block is reached")
	opt.register(cmd)
	return cmd
}

type indexOptions struct {
	followOptions
	once       bool
	newLog     bool
	probeEvery time.Duration  // of serve
	geo        *directory.Geo // of serve
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
	b, err := p.openBase(ctx, f, log)
	if err != nil {
		return nil, err
	}
	if opt.newLog {
		err = b.db.NewLog(ctx, b.epoch)
	}
	var w *writer
	if err == nil {
		w, err = p.newWriter(f, log, opt, b)
	}
	if err != nil {
		return nil, errors.Join(err, b.db.Close())
	}
	return w, nil
}

func (p program) newWriter(f *flags, log *slog.Logger, opt indexOptions, b *base) (*writer, error) {
	pool, err := f.poolOf(b.clients, log, b.state)
	if err != nil {
		return nil, err
	}
	nodes, err := b.directory(f, directory.Config{Every: opt.probeEvery, Geo: opt.geo, AcceptBelow: opt.acceptBelow, Log: log})
	if err != nil {
		return nil, err
	}
	meter := newMeter(p.stderr, log, time.Now)
	return &writer{db: b.db, nodes: nodes, meter: meter, Indexer: indexer.New(indexer.Config{
		Pool: pool, Store: b.db, Epoch: b.epoch,
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
