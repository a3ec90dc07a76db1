package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

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
			if err := completeYear(cmd, p.env, &opt.year); err != nil {
				return err
			}
			if opt.interval < time.Second {
				return usagef("--interval: must be at least 1s")
			}
			return p.index(cmd.Context(), f, opt)
		},
	}
	fl := cmd.Flags()
	fl.BoolVar(&opt.once, "once", false, "stop when the newest block is reached")
	fl.DurationVar(&opt.interval, "interval", 10*time.Second, "time between questions for new blocks")
	fl.Uint64Var(&opt.acceptBelow, "accept-reorg-below", 0, "accept a reorganisation that undoes final blocks if the chains part at or below `HEIGHT`")
	yearFlag(cmd, &opt.year)
	return cmd
}

type indexOptions struct {
	once        bool
	interval    time.Duration
	acceptBelow uint64
	year        uint64
}

func (p program) index(ctx context.Context, f *flags, opt indexOptions) error {
	log := f.logger(p)
	path, err := p.writePath(ctx, f, log)
	if err != nil {
		return err
	}
	db, err := store.Open(ctx, store.Config{Path: path, Log: log, Step: p.step})
	if err != nil {
		return err
	}
	defer db.Close()
	epoch, err := db.Begin(ctx)
	if err != nil {
		return err
	}
	st, err := db.State(ctx)
	if err != nil {
		return err
	}
	pool, err := f.pool(log, knownChain{st.Network, st.Genesis})
	if err != nil {
		return err
	}
	meter := newMeter(p.stderr, log, time.Now)
	defer meter.stop()
	x := indexer.New(indexer.Config{
		Pool: pool, Store: db, Epoch: epoch,
		Network: ons.Network(f.network), Year: opt.year, AcceptBelow: opt.acceptBelow,
		Log: log, Step: p.step, OnRange: meter.advance,
	})
	log.Debug("database open", "path", path, "network", st.Network)
	if opt.once {
		st, err := x.Sync(ctx)
		meter.stop()
		if err != nil {
			return err
		}
		return p.printIndexed(f, st)
	}
	return p.repeat(ctx, log, meter, opt.interval, x.Sync)
}

// repeat runs rounds until ctx ends, which is how this program is meant to be stopped. What only a person can settle
// ends it; what may pass by itself is tried again, ever more slowly.
func (p program) repeat(ctx context.Context, log *slog.Logger, meter *meter, interval time.Duration, sync func(context.Context) (indexer.State, error)) error {
	wait := interval
	for {
		_, err := sync(ctx)
		meter.stop()
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			wait = interval
		case fatal(err):
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

// fatal tells errors that no waiting mends.
func fatal(err error) bool {
	return errors.Is(err, indexer.ErrOtherNetwork) || errors.Is(err, oxend.ErrWrongNetwork) || errors.Is(err, indexer.ErrFenced)
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
		pool, err := f.pool(log, knownChain{})
		if err != nil {
			return "", err
		}
		_, info, err := pool.Pick(ctx, 0, false, nil)
		if err != nil {
			return "", err
		}
		network = info.Network
	}
	return defaultPath(p.env, network)
}

func (p program) printIndexed(f *flags, st indexer.State) error {
	view := indexedView{Network: string(st.Network), Phase: string(st.Phase), Target: st.Target}
	if st.Tip != nil {
		view.Height, view.Hash = st.Tip.Height, st.Tip.Hash.String()
		view.Digest = indexer.Digest(st.Network, st.Genesis, st.Tip.Height, st.Digest).String()
	}
	if f.json() {
		return p.printJSON(view)
	}
	_, err := fmt.Fprintf(p.stdout, "%s: %s at height %d, digest %s\n", view.Network, view.Phase, view.Height, view.Digest)
	return err
}
