package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"onsight/directory"
)

// errNoSwarm means that the list has no such swarm.
var errNoSwarm = errors.New("there is no swarm")

func (p program) swarmCommand(f *flags) *cobra.Command {
	var opt nodeOptions
	var id string
	cmd := &cobra.Command{
		Use:   "swarm [ACCOUNT]",
		Short: "Show the swarms, or the one of an account",
		Long: `Show the swarms and which are at risk, or the members of one: by its id, or the one that keeps the messages of an account.

An account's swarm is computed here, from the list of all nodes: nobody that is asked learns the account or the swarm. ` + typedHelp + `

` + sourceHelp,
		Example: `  onsight swarm
  onsight swarm 05a1…
  onsight swarm --id 1ffffffffffffff`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opt.complete(cmd, p.env); err != nil {
				return err
			}
			if len(args) > 0 && cmd.Flags().Changed("id") {
				return usagef("--id: name a swarm or an account, not both")
			}
			if len(args) > 0 {
				account, err := p.typed(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if _, err := directory.SwarmOf(nil, account); err != nil {
					return usagef("an account is 66 hexadecimal digits: %w (look a name up with `onsight resolve` first)", err)
				}
				return p.swarm(cmd.Context(), f, opt, func(ids []uint64) (uint64, error) { return directory.SwarmOf(ids, account) })
			}
			if cmd.Flags().Changed("id") {
				want, err := strconv.ParseUint(id, 16, 64)
				if err != nil || want == directory.NoSwarm {
					return usagef("--id: %.20q is no swarm: want up to 16 hexadecimal digits", id)
				}
				return p.swarm(cmd.Context(), f, opt, func([]uint64) (uint64, error) { return want, nil })
			}
			return p.swarms(cmd.Context(), f, opt)
		},
	}
	opt.register(cmd)
	cmd.Flags().StringVar(&id, "id", "", "`ID` of a swarm in hexadecimal")
	return cmd
}

// swarmList is the swarms of all nodes, and their ids.
func (s *nodeSource) swarmList() (swarms []directory.Swarm, ids []uint64) {
	list := make([]directory.Node, len(s.Entries))
	for i := range s.Entries {
		list[i] = s.Entries[i].Node
	}
	swarms = directory.Swarms(list)
	for _, w := range swarms {
		ids = append(ids, w.ID)
	}
	return swarms, ids
}

// swarm shows the one that choose takes among the ids in ascending order.
func (p program) swarm(ctx context.Context, f *flags, opt nodeOptions, choose func([]uint64) (uint64, error)) error {
	s, err := p.openNodes(ctx, f, opt)
	if err != nil {
		return err
	}
	return errors.Join(p.printSwarm(f, s, choose), s.close())
}

func (p program) printSwarm(f *flags, s *nodeSource, choose func([]uint64) (uint64, error)) error {
	swarms, ids := s.swarmList()
	id, err := choose(ids)
	if err != nil {
		return err
	}
	for i := range swarms {
		if swarms[i].ID != id {
			continue
		}
		if f.json() {
			return p.printJSON(swarmsView{AsOf: s.asOf(), Network: string(s.Network), Source: s.name, Swarms: []swarmView{newSwarmView(&swarms[i])}})
		}
		fmt.Fprintf(p.stderr, "onsight: swarm %s: %s\n", swarmID(id), sizeText(&swarms[i]))
		t := table{colours: p.coloured()}
		columns := []string{"key", "ip", "state", "storage_version", "reachable", "latency"}
		t.heads(columns, rightward)
		for _, n := range swarms[i].Members {
			row, err := cellsOf(s.Entry(n.Key), columns, s.At.Time)
			if err != nil {
				return err
			}
			t.add(row...)
		}
		return t.write(p.stdout)
	}
	if len(swarms) == 0 {
		return fmt.Errorf("%w on %s at block %d", errNoSwarm, s.Network, s.At.Height)
	}
	return fmt.Errorf("%w with the id %s", errNoSwarm, swarmID(id))
}

func newSwarmView(w *directory.Swarm) swarmView {
	v := swarmView{ID: swarmID(w.ID), Size: len(w.Members), AtRisk: w.AtRisk()}
	for _, n := range w.Members {
		v.Members = append(v.Members, n.Key.String())
	}
	return v
}

func sizeText(w *directory.Swarm) string {
	s := several(len(w.Members), "node")
	if w.AtRisk() {
		s += fmt.Sprintf(", at risk: below %d", directory.SwarmLeast)
	}
	return s
}

// swarms lists them all.
func (p program) swarms(ctx context.Context, f *flags, opt nodeOptions) error {
	s, err := p.openNodes(ctx, f, opt)
	if err != nil {
		return err
	}
	list, _ := s.swarmList()
	if f.json() {
		v := swarmsView{AsOf: s.asOf(), Network: string(s.Network), Source: s.name, Swarms: []swarmView{}}
		for i := range list {
			v.Swarms = append(v.Swarms, newSwarmView(&list[i]))
		}
		return errors.Join(p.printJSON(v), s.close())
	}
	t := table{colours: p.coloured()}
	t.add(cell{text: "SWARM", colour: bold}, cell{text: "NODES", colour: bold, right: true}, cell{})
	risk := 0
	for i := range list {
		row := []cell{{text: swarmID(list[i].ID)}, {text: strconv.Itoa(len(list[i].Members)), right: true}, {}}
		if list[i].AtRisk() {
			risk++
			row[2] = cell{text: "at risk", colour: red}
		}
		t.add(row...)
	}
	err = t.write(p.stdout)
	fmt.Fprintf(p.stderr, "onsight: %s, %d at risk, %s at block %d, by the %s\n", several(len(list), "swarm"), risk, s.Network, s.At.Height, s.name)
	return errors.Join(err, s.close())
}
