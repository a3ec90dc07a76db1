package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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
	var kind string
	var opt resolveOptions
	var height uint64
	cmd := &cobra.Command{
		Use:   "resolve NAME",
		Short: "Print the value a name stands for",
		Long: `Print the value that NAME stands for: a Session id, a wallet address or a .loki address.

The database is asked if there is one (--db), else a daemon (--oxend), which learns the name's hash.

With --at-height what the name stood for after that block is told.

With --server an onsight server is asked for all names in a range of hashes, and does not learn which of them is meant. The range is
chosen here, by the lowest of all counts of names: the server's and those from elsewhere (the database, --oxend, a bundle of another
host). Without another count the whole registry is asked for. --exact sends the hash instead. --history and --at-height ask for what happened to all
names of the range, in the same way, and work the rest out here. With --offline nobody is asked: the name is looked
up in a bundle (see onsight bundle pull).

` + typedHelp,
		Example: `  onsight resolve jagerman
  onsight resolve blocks.loki
  onsight resolve alice --type wallet -o json
  onsight resolve jagerman --server https://names.example.org
  onsight resolve jagerman --server https://names.example.org --at-height 1000000`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := p.typed(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			name, err := parseName(kind, text)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("at-height") {
				opt.atHeight = &height
			}
			if err := opt.check(); err != nil {
				return err
			}
			return p.resolve(cmd.Context(), f, name, opt)
		},
	}
	registerType(cmd, &kind)
	cmd.Flags().StringVar(&opt.server, "server", "", "ask the onsight server at `URL`, by range")
	cmd.Flags().BoolVar(&opt.exact, "exact", false, "send the server the name's hash")
	cmd.Flags().BoolVar(&opt.moreBits, "more-bits", false, "let the range be smaller than any asked for before, if there are enough names by now")
	cmd.Flags().BoolVar(&opt.offline, "offline", false, "ask nobody: look into the bundle")
	cmd.Flags().BoolVar(&opt.history, "history", false, "list every change of the name as well; needs a database or a server")
	cmd.Flags().Uint64Var(&height, "at-height", 0, "tell what it was after the block at `HEIGHT`; needs a database or a server")
	return cmd
}

// registerType adds the flag that parseName reads.
func registerType(cmd *cobra.Command, kind *string) {
	cmd.Flags().StringVar(kind, "type", "", "`TYPE` of the name: session, wallet or lokinet (default session, for NAME.loki lokinet)")
	_ = cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions([]string{"session", "wallet", "lokinet"}, cobra.ShellCompDirectiveNoFileComp))
}

// parseName reads a name of the type that was named, or of the one its form suggests.
func parseName(kind, text string) (ons.Name, error) {
	t, err := nameType(kind, text)
	if err != nil {
		return ons.Name{}, usageError{err}
	}
	name, err := ons.ParseName(t, text)
	if err != nil {
		return ons.Name{}, usageError{err}
	}
	return name, nil
}

// resolveOptions are whom to ask, and for what.
type resolveOptions struct {
	server                            string
	exact, moreBits, offline, history bool
	atHeight                          *uint64 // nil: now
}

func (o *resolveOptions) check() error {
	switch {
	case o.history && o.offline:
		return usagef("--history: needs a database or a server: a bundle has none")
	case o.atHeight != nil && o.offline:
		return usagef("--at-height: needs a database or a server: a bundle knows no past")
	case o.offline && o.server != "":
		return usagef("--offline: asks nobody: leave --server out")
	case (o.exact || o.moreBits) && o.server == "":
		return usagef("--exact, --more-bits: are about --server")
	case o.exact && o.moreBits:
		return usagef("--more-bits: is about ranges: leave --exact out")
	}
	return nil
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
	source   string
	revealed string // what whoever was asked learned
	warning  string
	sealed   ons.Sealed
	record   *recordView // nil: the source has none, or it is not shown
	history  []ons.Record
	rules    ons.Rules
	asOf     asOfView
}

func (p program) resolve(ctx context.Context, f *flags, name ons.Name, opt resolveOptions) error {
	var a answer
	var err error
	key := ons.Key{Type: name.Type(), Hash: name.Hash()}
	switch {
	case opt.offline:
		a, err = f.askBundle(ctx, p.env, key)
	case opt.server != "":
		a, err = p.askServer(ctx, f, key, opt)
	default:
		a, err = p.ask(ctx, f, name, opt)
	}
	if a.warning != "" {
		fmt.Fprintln(p.stderr, "onsight: warning:", a.warning)
	}
	if (opt.offline || opt.server != "") && a.revealed != "" && (err != nil || !f.json()) {
		fmt.Fprintf(p.stderr, "onsight: asked: %s; revealed: %s\n", a.source, a.revealed)
	}
	if err != nil {
		if opt.history && !f.json() { // an expired name has one too
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
			AsOf: a.asOf, AtHeight: opt.atHeight, Source: a.source, Revealed: a.revealed, Events: opened(name, a.history, a.rules.Network),
		})
	}
	if _, err := fmt.Fprintln(p.stdout, text); err != nil {
		return err
	}
	if !opt.history {
		return nil
	}
	return p.printHistory(name, a)
}

// printHistory lists every change of a name, oldest first.
func (p program) printHistory(name ons.Name, a answer) error {
	tw := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, e := range opened(name, a.history, a.rules.Network) {
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
func (p program) ask(ctx context.Context, f *flags, name ons.Name, opt resolveOptions) (answer, error) {
	log := f.logger(p, slog.LevelWarn)
	local := f.path() != ""
	if !local && len(f.oxend) == 0 {
		var err error
		if local, err = f.hasDatabase(p.env); err != nil {
			return answer{}, err
		}
	}
	if !local {
		switch {
		case opt.history:
			return answer{}, usagef("--history: needs a database: daemons keep no history")
		case opt.atHeight != nil:
			return answer{}, usagef("--at-height: needs a database: daemons keep no history")
		}
		return p.askDaemon(ctx, f, log, name)
	}
	a, err := p.askIndex(ctx, f, name, opt.history || f.json(), opt.atHeight)
	if errors.Is(err, ons.ErrUnavailable) && len(f.oxend) > 0 && !opt.history && opt.atHeight == nil {
		log.Info("the database could not tell, asking a daemon", "reason", err)
		return p.askDaemon(ctx, f, log, name)
	}
	return a, err
}

// askIndex looks into the database, as things are now or were after a block.
func (p program) askIndex(ctx context.Context, f *flags, name ons.Name, history bool, past *uint64) (answer, error) {
	db, err := f.openDatabase(ctx, p.env, true)
	if err != nil {
		return answer{}, err
	}
	defer db.Close()
	st := db.state
	a := answer{
		source: fromIndex, revealed: nothing,
		rules: ons.Rules{Network: st.Network, Year: st.Year},
		asOf:  asOfView{Height: st.Tip.Height, Hash: st.Tip.Hash.String(), Time: clock(st.TipTime)},
	}
	where := fmt.Sprintf("the index stands at block %d of %d (%s)", st.Tip.Height, st.Target, st.Phase)
	at, complete := st.Tip.Height, st.Phase == indexer.Synced
	if past != nil {
		if at, complete = *past, true; at > st.Tip.Height { // what lies below its newest block the index has
			return answer{}, fmt.Errorf("--at-height %d: %s: %w", at, where, ons.ErrUnavailable)
		}
	} else if age := time.Since(st.Asked); age > staleAfter {
		fmt.Fprintf(p.stderr, "onsight: warning: the index last followed a daemon %s ago: this may be out of date\n", age.Round(time.Second))
	}
	key := ons.Key{Type: name.Type(), Hash: name.Hash()}
	found, err := db.Current(ctx, []ons.Key{key}, at)
	if err != nil {
		return answer{}, unavailable(err)
	}
	r, known := found[key]
	if history && known {
		if a.history, err = db.History(ctx, key, historyLimit); err != nil {
			return answer{}, unavailable(err)
		}
		a.history = slices.DeleteFunc(a.history, func(r ons.Record) bool { return r.Updated > at })
	}
	switch {
	case (!known || !r.Live(at+1)) && !complete:
		// The blocks that are missing may register it, or an expired one again.
		return answer{}, fmt.Errorf("%s: %w", where, ons.ErrUnavailable)
	case !known:
		return answer{}, fmt.Errorf("at height %d: %w", at, ons.ErrNotFound)
	case !r.Live(at + 1):
		return a, fmt.Errorf("expired at height %d: %w", r.Expires, ons.ErrNotFound)
	case !complete:
		fmt.Fprintf(p.stderr, "onsight: warning: %s: this may be out of date\n", where)
	}
	record := newRecordView(r, at+1, a.rules)
	if record.RegisteredAt, err = db.date(ctx, r.Registered); err != nil {
		return answer{}, err
	}
	if record.UpdatedAt, err = db.date(ctx, r.Updated); err != nil {
		return answer{}, err
	}
	a.sealed, a.record = r.Sealed, &record
	return a, nil
}

// date returns when a block was made; nil if the database does not know.
func (d *database) date(ctx context.Context, height uint64) (*string, error) {
	made, ok, err := d.Time(ctx, height)
	if err != nil || !ok {
		return nil, err
	}
	text := clock(made)
	return &text, nil
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
		source: fromDaemon, revealed: theHash,
		rules: ons.Rules{Network: pick.Identity.Network},
		asOf:  asOfView{Height: pick.Info.Height - 1, Hash: pick.Info.TopHash.String()},
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
	record := daemonRecordView(r, pick.Info.Height, a.rules)
	a.sealed, a.record = r.Sealed, &record
	return a, nil
}

// opened opens what a name's history holds.
func opened(name ons.Name, history []ons.Record, n ons.Network) []eventView {
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
