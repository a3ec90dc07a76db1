package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"onsight/directory"
	"onsight/ons"
)

var (
	// errNoGood means that no node is good enough to be chosen.
	errNoGood = errors.New("no node is good enough")
	// errUnmeasured means that nobody can tell which nodes are good.
	errUnmeasured = fmt.Errorf("nothing is measured: %w", ons.ErrUnavailable)
)

const picksMost = 1000 // nodes of one choice

type pickOptions struct {
	nodeOptions
	rules    directory.Rules
	strategy string
	seed     uint64

	keys, prefixes, as []string
}

func (p program) pickCommand(f *flags) *cobra.Command {
	var opt pickOptions
	cmd := &cobra.Command{
		Use:   "pick",
		Short: "Choose good service nodes",
		Long: `Choose good service nodes: reachable, fast enough and with credit, of which no two share country, AS, operator or /24. Where there are
not enough, that is given up in this order, never the /24 on mainnet, and said.

  diverse   draws two at random and takes the better one, so that not everybody gets the same three
  fast      takes the fastest
  random    draws among all good ones

Do not choose guards for onion paths this way: clients choose these by themselves, and keep them.

With -o json the reasons are told; with -o seeds each line is ip:port ed25519 x25519.

` + sourceHelp,
		Example: `  onsight pick -n 3 --max-latency 200ms
  onsight pick -n 1 --strategy fast -o seeds`,
		Args:        cobra.NoArgs,
		Annotations: map[string]string{outputs: "text,json,seeds"},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opt.complete(cmd, p.env); err != nil {
				return err
			}
			if !cmd.Flags().Changed("seed") {
				opt.seed = rand.Uint64()
			}
			return p.pick(cmd.Context(), f, opt)
		},
	}
	opt.register(cmd)
	fl := cmd.Flags()
	fl.IntVarP(&opt.rules.N, "number", "n", 3, "how many")
	fl.DurationVar(&opt.rules.MaxLatency, "max-latency", 500*time.Millisecond, "half of a node's answers must take no longer")
	fl.Int64Var(&opt.rules.MinCredit, "min-credit", directory.CreditLeast, "`BLOCKS` a node must have for being down")
	fl.StringVar(&opt.strategy, "strategy", string(directory.Diverse), "`STRATEGY`: diverse, fast or random")
	fl.Uint64Var(&opt.seed, "seed", 0, "`SEED` of the choice (default random)")
	fl.StringSliceVar(&opt.keys, "avoid", nil, "`KEYS` not to choose; the first digits are enough")
	fl.StringSliceVar(&opt.rules.AvoidOperators, "avoid-operator", nil, "`ADDRESSES` of operators not to choose from")
	fl.StringSliceVar(&opt.prefixes, "avoid-prefix", nil, "`RANGES` of addresses not to choose from, such as 10.0.0.0/8")
	fl.StringSliceVar(&opt.rules.AvoidCountries, "avoid-country", nil, "countries not to choose from, two `LETTERS` each; needs --geo-country")
	fl.StringSliceVar(&opt.as, "avoid-as", nil, "`NUMBERS` of autonomous systems not to choose from; needs --geo-as")
	_ = cmd.RegisterFlagCompletionFunc("strategy", cobra.FixedCompletions(strategies, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

var strategies = []string{string(directory.Diverse), string(directory.Fast), string(directory.Random)}

// complete checks the rules and reads those that are text.
func (o *pickOptions) complete(cmd *cobra.Command, env func(string) string) error {
	if err := o.nodeOptions.complete(cmd, env); err != nil {
		return err
	}
	r := &o.rules
	switch {
	case r.N < 1 || r.N > picksMost:
		return usagef("--number: must be between 1 and %d", picksMost)
	case r.MaxLatency <= 0:
		return usagef("--max-latency: must be above 0")
	case r.MinCredit == 0:
		r.MinCredit = -1 // zero means the default to Rules; a node without any credit has 0 or less
	case !slices.Contains(strategies, o.strategy):
		return usagef("--strategy: unknown strategy %q: use %s", o.strategy, either(strategies))
	}
	if err := parseAllBegins(o.keys); err != nil {
		return usagef("--avoid: %w", err)
	}
	r.Strategy = directory.Strategy(o.strategy)
	for _, s := range o.prefixes {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return usagef("--avoid-prefix: %.50q is no range of addresses such as 10.0.0.0/8", s)
		}
		r.AvoidPrefixes = append(r.AvoidPrefixes, p)
	}
	for i, s := range r.AvoidCountries {
		if len(s) != 2 {
			return usagef("--avoid-country: %.20q is no country of two letters", s)
		}
		r.AvoidCountries[i] = strings.ToUpper(s)
	}
	for _, s := range o.as {
		digits := strings.TrimPrefix(strings.ToUpper(s), "AS")
		n, err := strconv.ParseUint(digits, 10, 32)
		if err != nil {
			return usagef("--avoid-as: %.20q is no number of an AS", s)
		}
		r.AvoidAS = append(r.AvoidAS, uint32(n))
	}
	return nil
}

func (p program) pick(ctx context.Context, f *flags, opt pickOptions) error {
	s, err := p.openNodes(ctx, f, opt.nodeOptions)
	if err != nil {
		return err
	}
	return errors.Join(p.printPick(f.output, s, opt), s.close())
}

func (p program) printPick(format string, s *nodeSource, opt pickOptions) error {
	r := opt.rules
	r.Mainnet = s.Network == ons.Mainnet || s.Network == "" // where it is not known, the stricter rule holds
	for _, text := range opt.keys {
		e, err := s.node(text)
		if err != nil {
			return fmt.Errorf("--avoid: %w", err)
		}
		r.AvoidKeys = append(r.AvoidKeys, e.Node.Key)
	}
	picked, relaxed := directory.Pick(directory.Seeded(opt.seed), s.Entries, r)
	switch {
	case len(picked) == 0 && s.unmeasured() != "":
		return errUnmeasured
	case len(picked) == 0:
		return fmt.Errorf("%w: %s", errNoGood, s.whyNone(r.Limits))
	}
	if format == "json" {
		v := pickView{AsOf: s.asOf(), Network: string(s.Network), Source: s.name, Seed: decimal(opt.seed), Strategy: opt.strategy, Relaxed: []string{}}
		v.Relaxed = append(v.Relaxed, relaxed...)
		for _, c := range picked {
			v.Nodes = append(v.Nodes, newNodeView(c.Entry))
		}
		return p.printJSON(v)
	}
	for _, what := range relaxed {
		fmt.Fprintf(p.stderr, "onsight: warning: %s\n", what)
	}
	if format == "seeds" {
		return p.printSeeds(picked)
	}
	columns := []string{"key", "ip", "storage_version", "country", "latency", "loss", "credit", "score"}
	t := table{colours: p.coloured()}
	t.heads(columns, rightward)
	for _, c := range picked {
		row, err := cellsOf(c.Entry, columns, s.At.Time)
		if err != nil {
			return err
		}
		t.add(row...)
	}
	return t.write(p.stdout)
}

// printSeeds prints what a program needs to talk to the nodes.
func (p program) printSeeds(picked []directory.Picked) error {
	for _, c := range picked {
		n := &c.Entry.Node
		at := netip.AddrPortFrom(n.IP, n.StoragePort)
		if _, err := fmt.Fprintf(p.stdout, "%s %s %s\n", at, directory.Key(n.Ed25519), directory.Key(n.X25519)); err != nil {
			return err
		}
	}
	return nil
}

// whyNone counts what speaks against the nodes, the most frequent first.
func (s *nodeSource) whyNone(limits directory.Limits) string {
	counts := map[string]int{}
	for i := range s.Entries {
		if e := &s.Entries[i]; e.Node.State == directory.Active {
			for _, why := range limits.Bad(e) {
				if strings.Contains(why, "blocks of credit") {
					why = "it has too little credit" // each has its own
				}
				counts[why]++
			}
		}
	}
	var whys []string
	for why := range counts {
		whys = append(whys, why)
	}
	slices.SortFunc(whys, func(a, b string) int { return cmp.Or(counts[b]-counts[a], strings.Compare(a, b)) })
	var words []string
	for _, why := range whys {
		words = append(words, fmt.Sprintf("of %s %s", several(counts[why], "node"), why))
	}
	if len(words) == 0 {
		return "none is active, or all are to be avoided"
	}
	return strings.Join(words, "; ")
}
