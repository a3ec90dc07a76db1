package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"onsight/client"
	"onsight/internal/terminal"
)

func (p program) netCommand(f *flags) *cobra.Command {
	cmd := &cobra.Command{
		Use: "net", Short: "The network: paths, swarms, and what is wrong with it",
		Long: `The network: paths, swarms, and what is wrong with it. All that is asked goes through a path of three nodes. Who is first on a path (the
guard) sees your address and not what you ask; who is asked sees what and not for whom. Guards stay for long.`,
	}
	cmd.AddCommand(p.pathCommand(f), p.pathsCommand(f), p.swarmCommand(f), p.doctorCommand(f))
	return cmd
}

// hopView is a node.
type hopView struct {
	Role     string `json:"role,omitempty"` // guard, hop, node
	Node     string `json:"node"`           // Ed25519 key
	IP       string `json:"ip"`
	Operator string `json:"operator,omitempty"`
}

func newHopView(role string, h client.Hop) hopView {
	return hopView{Role: role, Node: fmt.Sprintf("%x", h.Ed25519), IP: h.IP, Operator: h.Operator}
}

func newPathView(hops []client.Hop) (list []hopView) {
	for i, h := range hops {
		role := "hop"
		if i == 0 {
			role = "guard"
		}
		list = append(list, newHopView(role, h))
	}
	return list
}

func (v hopView) row(t *terminal.Table) {
	t.Add(terminal.Cell{Text: v.Role}, terminal.Cell{Text: v.Node}, terminal.Cell{Text: v.IP}, terminal.Cell{Text: shorten(v.Operator, 12)})
}

// tripView is the way that a request went.
type tripView struct {
	Path []hopView `json:"path"` // the guard first, the node that was asked last
	Took float64   `json:"took_ms"`
}

// pathsView is a path that is in use.
type pathsView struct {
	Path []hopView `json:"path"`
}

func (p program) pathCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "path", Short: "Send a request through a path, and show which way it went", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.at(cmd.Context(), f, func(d *desk) error {
				trip, err := d.Ping(cmd.Context())
				if err != nil {
					return err
				}
				v := tripView{Path: append(newPathView(trip.Path), newHopView("node", trip.To)), Took: ms(trip.Took)}
				return p.show(f, v, func() error {
					t := p.table()
					for _, h := range v.Path {
						h.row(t)
					}
					p.tell("there and back in %.1f ms", v.Took)
					return t.Write(p.stdout)
				})
			})
		},
	}
}

func (p program) pathsCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "paths", Short: "Show the paths that requests go by", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.at(cmd.Context(), f, func(d *desk) error {
				if err := d.Connect(cmd.Context()); err != nil {
					return err
				}
				l := newList(p, f, nil, func(t *terminal.Table, v pathsView) {
					for _, h := range v.Path {
						h.row(t)
					}
				})
				for _, hops := range d.Paths() {
					if err := l.add(pathsView{newPathView(hops)}); err != nil {
						return err
					}
				}
				return l.close()
			})
		},
	}
}

// memberView is a node that keeps messages.
type memberView struct {
	hopView
	Swarm   string `json:"swarm"`
	Suspect bool   `json:"suspect"`
}

func (p program) swarmCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "swarm [WHO]", Short: "List the nodes that keep somebody's messages, or your own",
		Long: "List the nodes that keep somebody's messages, or your own. Which they are is worked out here: nobody is asked whom you write to.",
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: firstWord(p.knownWords(f)),
		RunE: func(cmd *cobra.Command, args []string) error {
			word := "me"
			if len(args) == 1 {
				word = args[0]
			}
			return p.withContact(cmd.Context(), f, word, func(d *desk, id client.ID) error {
				swarm, members, err := d.Swarm(cmd.Context(), id)
				if err != nil {
					return err
				}
				l := newList(p, f, []string{"NODE", "IP", "OPERATOR", ""}, func(t *terminal.Table, v memberView) {
					note := terminal.Cell{}
					if v.Suspect {
						note = terminal.Cell{Text: "did not answer lately", Colour: terminal.Yellow}
					}
					t.Add(terminal.Cell{Text: v.Node}, terminal.Cell{Text: v.IP}, terminal.Cell{Text: shorten(v.Operator, 12)}, note)
				})
				for _, m := range members {
					if err := l.add(memberView{newHopView("", m.Hop), fmt.Sprintf("%x", swarm), m.Suspect}); err != nil {
						return err
					}
				}
				return l.close()
			})
		},
	}
}

// errIll is what a doctor ends with if something does not work.
var errIll = errors.New("something does not work")

func (p program) doctorCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Look at everything between you and the network, and say what to do",
		Long: `Look at everything between you and the network, and say what to do: the proxy, seed nodes, the list of nodes and who agrees on it, guards,
paths, the clock, rules about paths that cannot be kept, and the swarm that keeps your messages. Each line is ok, warn or fail.

Exit code 3 if anything failed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.at(cmd.Context(), f, func(d *desk) error { return p.doctor(cmd.Context(), f, d) })
		},
	}
}

func (p program) doctor(ctx context.Context, f *flags, d *desk) error {
	l := newList(p, f, nil, func(t *terminal.Table, v checkView) {
		colour := map[string]string{"ok": terminal.Green, "warn": terminal.Yellow, "fail": terminal.Red}[v.State]
		t.Add(terminal.Cell{Text: v.Check}, terminal.Cell{Text: v.State, Colour: colour}, terminal.Cell{Text: v.Says}, terminal.Cell{Text: v.Next})
	})
	var failed []string
	x := examination{f: f, d: d, say: func(v checkView) error {
		if v.State == "fail" {
			failed = append(failed, v.Check)
		}
		return l.add(v)
	}}
	err := x.run(ctx)
	if err := errors.Join(err, l.close()); err != nil {
		return err
	}
	if len(failed) > 0 {
		return fmt.Errorf("%w: %s", errIll, strings.Join(failed, ", "))
	}
	return nil
}
