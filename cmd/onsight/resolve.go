package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"onsight/indexer"
	"onsight/ons"
)

// historyLimit bounds how many changes of one name are shown.
const historyLimit = 1000

func (p program) resolveCommand(f *flags) *cobra.Command {
	var kind, server string
	var history bool
	cmd := &cobra.Command{
		Use:   "resolve NAME",
		Short: "Print the value a name stands for",
		Long: `Print the value a name stands for: a Session id, a wallet address or a .loki address.

The database is asked if there is one (--db), else a daemon (--oxend); with --server, an onsight server. Whoever is asked learns
the name's hash only.`,
		Example: `  onsight resolve jagerman
  onsight resolve blocks.loki
  onsight resolve alice --type wallet -o json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := nameType(kind, args[0])
			if err != nil {
				return usageError{err}
			}
			name, err := ons.ParseName(t, args[0])
			if err != nil {
				return usageError{err}
			}
			if server != "" && history {
				return usagef("--history: needs a database, not a server")
			}
			return p.resolve(cmd.Context(), f, name, server, history)
		},
	}
	cmd.Flags().StringVar(&kind, "type", "", "`TYPE` of the name: session, wallet or lokinet (default session, for NAME.loki lokinet)")
	cmd.Flags().StringVar(&server, "server", "", "ask the onsight server at `URL`")
	cmd.Flags().BoolVar(&history, "history", false, "list every change of the name as well; needs a database")
	_ = cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions([]string{"session", "wallet", "lokinet"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// staleAfter is how old an index may be before that is worth a warning.
const staleAfter = 10 * time.Minute

// nameType is the type that was named, or the one the form of the name suggests.
func nameType(kind, name string) (ons.Type, error) {
	if kind != "" {
		return ons.ParseType(kind)
	}
	if strings.HasSuffix(strings.ToLower(name), ".loki") {
		return ons.Lokinet, nil
	}
	return ons.Session, nil
}

// answer is what a source said about one name.
type answer struct {
	source  string
	sealed  ons.Sealed
	record  recordView // only filled for -o json
	history []ons.Record
	rules   ons.Rules
	asOf    asOfView
}

func (p program) resolve(ctx context.Context, f *flags, name ons.Name, server string, history bool) error {
	var a answer
	var err error
	if server != "" {
		a, err = p.askServer(ctx, f, server, name)
	} else {
		a, err = p.ask(ctx, f, name, history)
	}
	if err != nil {
		if history && !f.json() { // an expired name has one too
			err = errors.Join(p.printHistory(name, a), err)
		}
		return err
	}
	value, err := name.Open(a.sealed)
	if err != nil {
		return fmt.Errorf("registered, but what its owner stored is no value of this name: %w", err)
	}
	text, err := value.Text(a.rules.Network)
	if err != nil {
		return fmt.Errorf("registered, but what its owner stored is no %s value: %w", name.Type(), err)
	}
	if f.json() {
		return p.printJSON(resolvedView{
			Name: name.String(), Type: name.Type().String(), Value: text, Record: a.record,
			AsOf: a.asOf, Source: a.source, Events: events(name, a.history, a.rules.Network),
		})
	}
	if _, err := fmt.Fprintln(p.stdout, text); err != nil {
		return err
	}
	if !history {
		return nil
	}
	return p.printHistory(name, a)
}

// printHistory lists every change of a name, oldest first.
func (p program) printHistory(name ons.Name, a answer) error {
	tw := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, e := range events(name, a.history, a.rules.Network) {
		shown := "(does not open)"
		if e.Value != nil {
			shown = *e.Value
		}
		fmt.Fprintf(tw, "%d\t%s\t%s\t%s\n", e.Height, e.Kind, shown, e.Txid)
	}
	return tw.Flush()
}

// ask puts the question to the database if one is named or, with no daemon named either, there is one; else to a daemon. A
// database that cannot tell hands the question on to a daemon that was named.
func (p program) ask(ctx context.Context, f *flags, name ons.Name, history bool) (answer, error) {
	log := f.logger(p, slog.LevelWarn)
	local := f.path() != ""
	if !local && len(f.oxend) == 0 {
		var err error
		if local, err = f.hasDatabase(p.env); err != nil {
			return answer{}, err
		}
	}
	if !local {
		if history {
			return answer{}, usagef("--history: needs a database: daemons keep no history")
		}
		return p.askDaemon(ctx, f, log, name)
	}
	a, err := p.askIndex(ctx, f, name, history || f.json())
	if errors.Is(err, ons.ErrUnavailable) && len(f.oxend) > 0 && !history {
		log.Info("the database could not tell, asking a daemon", "reason", err)
		return p.askDaemon(ctx, f, log, name)
	}
	return a, err
}

func (p program) askIndex(ctx context.Context, f *flags, name ons.Name, history bool) (answer, error) {
	db, err := f.openDatabase(ctx, p.env, true)
	if err != nil {
		return answer{}, err
	}
	defer db.Close()
	st := db.state
	a := answer{
		source: "index",
		rules:  ons.Rules{Network: st.Network, Year: st.Year},
		asOf:   asOfView{Height: st.Tip.Height, Hash: st.Tip.Hash.String(), Time: clock(st.TipTime)},
	}
	key := ons.Key{Type: name.Type(), Hash: name.Hash()}
	r, err := db.Record(ctx, key)
	if err != nil && !errors.Is(err, ons.ErrNotFound) {
		return answer{}, unavailable(err)
	}
	where := fmt.Sprintf("the index stands at block %d of %d (%s)", st.Tip.Height, st.Target, st.Phase)
	if age := time.Since(st.Asked); age > staleAfter {
		fmt.Fprintf(p.stderr, "onsight: warning: the index last followed a daemon %s ago: this may be out of date\n", age.Round(time.Second))
	}
	switch missing := err != nil; {
	case (missing || !r.Live(st.Tip.Height+1)) && st.Phase != indexer.Synced:
		// The blocks that are missing may register it, or an expired one again.
		return answer{}, fmt.Errorf("%s: %w", where, ons.ErrUnavailable)
	case missing:
		return answer{}, fmt.Errorf("at height %d: %w", st.Tip.Height, ons.ErrNotFound)
	case !r.Live(st.Tip.Height + 1):
		if history {
			if a.history, err = db.History(ctx, key, historyLimit); err != nil {
				return answer{}, unavailable(err)
			}
		}
		return a, fmt.Errorf("expired at height %d: %w", r.Expires, ons.ErrNotFound)
	case st.Phase != indexer.Synced:
		fmt.Fprintf(p.stderr, "onsight: warning: %s: this may be out of date\n", where)
	}
	a.sealed, a.record = r.Sealed, newRecordView(r, st.Tip.Height+1, a.rules)
	if history {
		if a.history, err = db.History(ctx, key, historyLimit); err != nil {
			return answer{}, unavailable(err)
		}
	}
	return a, nil
}

func (p program) askDaemon(ctx context.Context, f *flags, log *slog.Logger, name ons.Name) (answer, error) {
	pool, err := f.pool(log, indexer.State{})
	if err != nil {
		return answer{}, err
	}
	pick, err := pool.Pick(ctx, nil)
	if err != nil {
		return answer{}, err
	}
	a := answer{
		source: "daemon",
		rules:  ons.Rules{Network: pick.Identity.Network},
		asOf:   asOfView{Height: pick.Info.Height - 1, Hash: pick.Info.TopHash.String()},
	}
	if a.sealed, err = pool.Lookup(ctx, name.Type(), name.Hash()); err != nil {
		return answer{}, err
	}
	if !f.json() {
		return a, nil
	}
	key := ons.Key{Type: name.Type(), Hash: name.Hash()}
	records, err := pool.Names(ctx, []ons.Key{key}, false)
	if err != nil {
		return answer{}, err
	}
	r, ok := records[key]
	if !ok {
		return answer{}, fmt.Errorf("the daemon resolves the name but has no record of it: %w", ons.ErrUnavailable)
	}
	a.sealed, a.record = r.Sealed, daemonRecordView(r, pick.Info.Height, a.rules)
	return a, nil
}

// events opens what a name's history holds.
func events(name ons.Name, history []ons.Record, n ons.Network) []eventView {
	var out []eventView
	for _, r := range history {
		e := eventView{
			Kind: r.Kind.String(), Height: r.Updated, Txid: r.Txid.String(),
			Owner: r.Owner.Text(n), BackupOwner: text(r.Backup.Text(n)), ExpirationHeight: number(r.Expires),
		}
		if v, err := name.Open(r.Sealed); err == nil {
			if s, err := v.Text(n); err == nil {
				e.Value = &s
			}
		}
		out = append(out, e)
	}
	return out
}
