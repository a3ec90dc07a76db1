package main

import (
	"context"
	"fmt"
	"math"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"onsight/indexer"
	"onsight/internal/events"
	"onsight/ons"
)

// recent is how many undone branches and skipped transactions the status lists.
const recent = 5

func (p program) statusCommand(f *flags) *cobra.Command {
	at := int64(-1)
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how far the index is, and its digest",
		Long: `Show how far the index is, what it holds, and its digest.

Two instances that show the same digest at the same height hold the same history of every name.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("at") && at < 0 {
				return usagef("--at: must be a block height")
			}
			return p.status(cmd.Context(), f, at)
		},
	}
	cmd.Flags().Int64Var(&at, "at", -1, "give the digest at `HEIGHT` instead of the newest block's")
	return cmd
}

func (p program) status(ctx context.Context, f *flags, at int64) error {
	db, err := f.openDatabase(ctx, p.env, true)
	if err != nil {
		return err
	}
	defer db.Close()
	v, err := newStatusView(ctx, db, at)
	if err != nil {
		return err
	}
	if f.json() {
		return p.printJSON(v)
	}
	return p.printStatus(v)
}

func newStatusView(ctx context.Context, db *database, at int64) (statusView, error) {
	st := db.state
	height := st.Tip.Height
	if at >= 0 {
		if height = uint64(at); height > st.Tip.Height || height < st.Start {
			return statusView{}, usagef("--at: the index holds blocks %d to %d", st.Start, st.Tip.Height)
		}
	}
	running, err := db.DigestAt(ctx, height)
	if err != nil {
		return statusView{}, err
	}
	counts, err := db.Counts(ctx, st.Tip.Height+1)
	if err != nil {
		return statusView{}, err
	}
	totals, err := db.Totals(ctx)
	if err != nil {
		return statusView{}, err
	}
	reorgs, err := db.Reorgs(ctx, math.MaxUint64, recent)
	if err != nil {
		return statusView{}, err
	}
	skips, err := db.Skips(ctx, recent)
	if err != nil {
		return statusView{}, err
	}
	v := statusView{
		Database: db.path, Network: string(st.Network), Genesis: st.Genesis.String(), Phase: string(st.Phase),
		Start: st.Start, Height: st.Tip.Height, Hash: st.Tip.Hash.String(), Time: clock(st.TipTime),
		Target: st.Target, Final: st.Final, AskedAt: st.Asked.UTC().Format(time.RFC3339),
		Live:  countsView{counts[ons.Session], counts[ons.Wallet], counts[ons.Lokinet]},
		Names: totals.Names, Records: totals.Records, Skipped: totals.Skips, Reorgs: totals.Reorgs,
		DigestHeight: height, Digest: indexer.Digest(st.Network, st.Genesis, height, running).String(),
	}
	if st.Target > st.Tip.Height {
		v.Lag = st.Target - st.Tip.Height
	}
	for _, r := range reorgs {
		v.Recent = append(v.Recent, newReorgView(r))
	}
	for _, s := range skips {
		v.Left = append(v.Left, skipView{Height: s.Height, Txid: s.Txid.String(), Reason: s.Reason})
	}
	return v, nil
}

func (p program) printStatus(v statusView) error {
	tw := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "database\t%s\n", v.Database)
	fmt.Fprintf(tw, "network\t%s\n", v.Network)
	fmt.Fprintf(tw, "phase\t%s\n", v.Phase)
	fmt.Fprintf(tw, "height\t%d of %d (%s)\n", v.Height, v.Target, v.Time)
	fmt.Fprintf(tw, "final\t%d\n", v.Final)
	fmt.Fprintf(tw, "live names\t%d session, %d wallet, %d lokinet\n", v.Live.Session, v.Live.Wallet, v.Live.Lokinet)
	fmt.Fprintf(tw, "all names\t%d, with %d changes\n", v.Names, v.Records)
	fmt.Fprintf(tw, "skipped\t%d\n", v.Skipped)
	for _, s := range v.Left {
		fmt.Fprintf(tw, "\tat %d: %s\n", s.Height, s.Reason)
	}
	fmt.Fprintf(tw, "reorgs\t%d\n", v.Reorgs)
	for _, r := range v.Recent {
		fmt.Fprintf(tw, "\tat %s: %d blocks above %d, %d records\n", r.At, r.Blocks, r.Fork, r.Records)
	}
	fmt.Fprintf(tw, "digest\t%s at height %d\n", v.Digest, v.DigestHeight)
	return tw.Flush()
}

func newReorgView(r events.Undoing) reorgView {
	return reorgView{
		At: r.At.UTC().Format(time.RFC3339), Fork: r.Base.Height, Blocks: r.Depth(),
		Records: r.Undone.Count, OldHash: r.From.Hash.String(),
	}
}
