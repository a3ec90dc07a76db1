package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"

	"github.com/spf13/cobra"

	"onsight/indexer"
)

// errDiffers makes verify exit 1 after it has printed what differs.
var errDiffers = errors.New("the index differs from the daemon")

func (p program) verifyCommand(f *flags) *cobra.Command {
	sample := 256
	var seed uint64
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Compare the index with a daemon: counts, and a sample of records",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if sample < 0 || sample > 1_000_000 {
				return usagef("--sample: must be between 0 and 1000000")
			}
			if !cmd.Flags().Changed("seed") {
				seed = rand.Uint64()
			}
			return p.verify(cmd.Context(), f, sample, seed)
		},
	}
	cmd.Flags().IntVar(&sample, "sample", sample, "records to compare")
	cmd.Flags().Uint64Var(&seed, "seed", 0, "`SEED` of the sample (default random)")
	return cmd
}

func (p program) verify(ctx context.Context, f *flags, sample int, seed uint64) error {
	db, err := f.openDatabase(ctx, p.env, true)
	if err != nil {
		return err
	}
	defer db.Close()
	pool, err := f.pool(f.logger(p, slog.LevelWarn), db.state)
	if err != nil {
		return err
	}
	pick, err := pool.Pick(ctx, nil)
	if err != nil {
		return err
	}
	rep, err := indexer.Verify(ctx, pick.Client, db, sample, rand.New(rand.NewPCG(seed, seed)))
	if err != nil {
		return err
	}
	v := verifyView{
		Height: rep.Tip.Height, Hash: rep.Tip.Hash.String(), Sampled: rep.Sampled, Equal: len(rep.Differences) == 0,
		Index:       countsView{rep.Index[0], rep.Index[1], rep.Index[2]},
		Daemon:      countsView{rep.Daemon[0], rep.Daemon[1], rep.Daemon[2]},
		Differences: []differenceView{},
	}
	for _, d := range rep.Differences {
		v.Differences = append(v.Differences, differenceView(d))
	}
	if err := p.printVerify(f, v); err != nil {
		return err
	}
	if !v.Equal {
		return errDiffers
	}
	return nil
}

func (p program) printVerify(f *flags, v verifyView) error {
	if f.json() {
		return p.printJSON(v)
	}
	for _, d := range v.Differences {
		if _, err := fmt.Fprintf(p.stdout, "%s: %s is %s in the index, %s at the daemon\n", d.What, d.Field, d.Index, d.Daemon); err != nil {
			return err
		}
	}
	if !v.Equal {
		return nil
	}
	_, err := fmt.Fprintf(p.stdout, "equal at height %d: %d session, %d wallet and %d lokinet names live, %d records compared\n",
		v.Height, v.Index.Session, v.Index.Wallet, v.Index.Lokinet, v.Sampled)
	return err
}
