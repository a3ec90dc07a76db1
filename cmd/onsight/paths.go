package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"onsight/directory"
)

// pathsMost bounds how many paths are drawn: a minute or so.
const pathsMost = 10_000_000

func (p program) pathsCommand(f *flags) *cobra.Command {
	cmd := &cobra.Command{
		Use: "paths", Short: "Look at onion paths: what their hops share", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.auditCommand(f))
	return cmd
}

func (p program) auditCommand(f *flags) *cobra.Command {
	var opt nodeOptions
	var simulate int
	var seed uint64
	cmd := &cobra.Command{
		Use:   "audit KEY KEY KEY | --simulate N",
		Short: "Say what the hops of a path share, or how often they would",
		Long: `Say what the hops of a path share, two by two: operator, /24, /16, AS, country, version. Who runs two hops of a path can tell who talks
to whom. The keys are looked up here, in the list of all nodes: nobody that is asked learns them.

With --simulate, paths are drawn by the rule of the official client, and it is counted how often hops share something.

` + sourceHelp,
		Example: `  onsight paths audit 3f1a 77c0 a81b
  onsight paths audit --simulate 10000 --seed 1 -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opt.complete(cmd, p.env); err != nil {
				return err
			}
			drawn := cmd.Flags().Changed("simulate")
			switch {
			case drawn && len(args) > 0:
				return usagef("--simulate: draws its own paths: leave the keys out")
			case drawn && (simulate < 1 || simulate > pathsMost):
				return usagef("--simulate: must be between 1 and %d", pathsMost)
			case drawn:
				if !cmd.Flags().Changed("seed") {
					seed = rand.Uint64()
				}
				return p.simulate(cmd.Context(), f, opt, simulate, seed)
			case len(args) != directory.Hops:
				return usagef("a path has %d hops, these are %d: name them by their keys, the guard first, or use --simulate", directory.Hops, len(args))
			}
			if err := parseAllBegins(args); err != nil {
				return err
			}
			return p.audit(cmd.Context(), f, opt, args)
		},
	}
	opt.register(cmd)
	cmd.Flags().IntVar(&simulate, "simulate", 0, "draw `N` paths as the official client does")
	cmd.Flags().Uint64Var(&seed, "seed", 0, "`SEED` of the paths (default random)")
	return cmd
}

func (p program) audit(ctx context.Context, f *flags, opt nodeOptions, keys []string) error {
	s, err := p.openNodes(ctx, f, opt)
	if err != nil {
		return err
	}
	v, err := s.audit(keys)
	if err == nil && f.json() {
		err = p.printJSON(v)
	} else if err == nil {
		err = p.printAudit(v)
	}
	return errors.Join(err, s.close())
}

func (s *nodeSource) audit(keys []string) (auditView, error) {
	v := auditView{
		AsOf: s.asOf(), Network: string(s.Network), Source: s.name,
		Shared: []findingView{}, Warn: []string{},
	}
	var hops []*directory.Entry
	for i, key := range keys {
		e, err := s.node(key)
		if err != nil {
			return v, fmt.Errorf("hop %d: %w", i+1, err)
		}
		for j, o := range hops {
			if o == e {
				v.Warn = append(v.Warn, fmt.Sprintf("hops %d and %d are the same node", j+1, i+1))
			}
		}
		hops = append(hops, e)
		v.Hops = append(v.Hops, hopView{e.Node.Key.String(), string(e.Node.State)})
		v.Warn = append(v.Warn, hopWarnings(i+1, e)...)
	}
	v.Unknown = unknowns(hops)
	for _, found := range directory.Audit(hops) {
		v.Shared = append(v.Shared, findingView{found.What, found.Value, [2]int{found.A + 1, found.B + 1}})
	}
	return v, nil
}

// hopWarnings says why a node is of no use in a path.
func hopWarnings(i int, e *directory.Entry) (out []string) {
	if !e.Node.Active {
		out = append(out, fmt.Sprintf("hop %d is %s", i, e.Node.State))
	}
	if e.Reachable() == directory.Down {
		out = append(out, fmt.Sprintf("hop %d is down", i))
	}
	return out
}

// unknowns says what of the hops could not be compared, and why.
func unknowns(hops []*directory.Entry) []string {
	out, of := []string{}, map[string][]string{} // which hops, by what is unknown of them
	add := func(i int, what, why string) {
		said := what + " is unknown: " + why
		if of[said] == nil {
			out = append(out, said)
		}
		of[said] = append(of[said], strconv.Itoa(i+1))
	}
	for i, e := range hops {
		if e.Node.Operator == "" {
			add(i, "operator", "the list does not name it")
		}
		switch {
		case !e.Node.IP.IsValid():
			add(i, "/24 and /16", "so is the address")
		case e.Node.IP.IsLoopback():
			add(i, "/24 and /16", "the address is one of a test network")
		}
		if e.Place.AS == 0 {
			add(i, "AS", e.Place.ASUnknown)
		}
		if e.Place.Country == "" {
			add(i, "country", e.Place.CountryUnknown)
		}
		if e.Node.Storage == (directory.Version{}) {
			add(i, "version", "there is no uptime proof")
		}
	}
	for i, said := range out {
		which := "hop "
		if len(of[said]) > 1 {
			which = "hops "
		}
		out[i] = which + strings.Join(of[said], ", ") + ": " + said
	}
	return out
}

func (p program) printAudit(v auditView) error {
	t := table{colours: p.coloured()}
	for i, h := range v.Hops {
		state := stateCell(directory.State(h.State))
		t.add(cell{text: fmt.Sprintf("hop %d", i+1), colour: dim}, cell{text: h.Key}, state)
	}
	if err := t.write(p.stdout); err != nil {
		return err
	}
	t = table{colours: t.colours}
	for _, s := range v.Shared {
		t.add(cell{text: fmt.Sprintf("hops %d and %d", s.Hops[0], s.Hops[1])}, cell{text: "share the " + s.What, colour: red}, cell{text: s.Value})
	}
	if len(v.Shared) == 0 {
		t.add(cell{text: "no two hops share anything that is known", colour: green})
	}
	if err := t.write(p.stdout); err != nil {
		return err
	}
	t = table{colours: t.colours}
	for _, w := range slices.Concat(v.Warn, v.Unknown) {
		t.add(cell{text: w, colour: yellow})
	}
	return t.write(p.stdout)
}

func (p program) simulate(ctx context.Context, f *flags, opt nodeOptions, paths int, seed uint64) error {
	s, err := p.openNodes(ctx, f, opt)
	if err != nil {
		return err
	}
	return errors.Join(p.printSimulation(f, s, paths, seed), s.close())
}

func (p program) printSimulation(f *flags, s *nodeSource, paths int, seed uint64) error {
	st := directory.Simulate(rand.New(rand.NewPCG(seed, seed)), s.Entries, paths)
	if st.Paths == 0 {
		return fmt.Errorf("%s has %d usable nodes at block %d: %w", s.Network, st.Nodes, s.At.Height, directory.ErrTooFew)
	}
	v := simulationView{AsOf: s.asOf(), Network: string(s.Network), Source: s.name, Seed: decimal(seed), Paths: st.Paths, Nodes: st.Nodes}
	for _, sh := range st.Shared {
		v.Shared = append(v.Shared, sharedView(sh))
	}
	if f.json() {
		return p.printJSON(v)
	}
	fmt.Fprintf(p.stderr, "onsight: %d paths of %d hops among %d usable nodes, %s at block %d, by the %s, seed %d\n",
		v.Paths, directory.Hops, v.Nodes, v.Network, s.At.Height, s.name, seed)
	t := table{colours: p.coloured()}
	t.add(cell{text: "SHARED", colour: bold}, cell{text: "BY TWO HOPS", colour: bold, right: true}, cell{text: "BY ALL", colour: bold, right: true},
		cell{text: "NOT KNOWN", colour: bold, right: true})
	of := func(n int) cell {
		return cell{text: fmt.Sprintf("%.2f %%", 100*float64(n)/float64(v.Paths)), right: true}
	}
	for _, sh := range v.Shared {
		row := []cell{{text: sh.What}, of(sh.Any), of(sh.All), of(sh.Unknown)}
		if sh.Unknown == v.Paths { // a share of nothing would read as "never"
			row[1], row[2] = cell{text: "-", right: true}, cell{text: "-", right: true}
		}
		t.add(row...)
	}
	return t.write(p.stdout)
}
