package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"onsight/internal/devnet"
)

// remote is a running network as its control socket shows it.
type remote struct {
	std    stdio
	env    func(string) string
	socket string
	json   bool
}

// Bounds of one answer: ten thousand blocks take a while, two thousand nodes some space.
const (
	answerTime = 5 * time.Minute
	maxAnswer  = 16 << 20
)

// call sends a command, or asks if there is none, and decodes the reply.
func (r *remote) call(ctx context.Context, path string, command *devnet.Command, reply any) error {
	socket := r.socket
	if socket == "" {
		socket = r.env(devnet.SocketEnv)
	}
	if socket == "" {
		var err error
		if socket, err = devnet.DefaultSocket(r.env("XDG_RUNTIME_DIR")); err != nil {
			return err
		}
	}
	client := http.Client{Timeout: answerTime, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}
	method, body := http.MethodGet, io.Reader(nil)
	if command != nil {
		b, err := json.Marshal(command)
		if err != nil {
			return err
		}
		method, body = http.MethodPost, bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://devnet"+path, body)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	var refused *net.OpError
	if errors.As(err, &refused) && refused.Op == "dial" {
		return fmt.Errorf("no network answers on %s: start one with devnet, or name its socket with --socket or %s", socket, devnet.SocketEnv)
	}
	if err != nil {
		return fmt.Errorf("the network on %s does not answer: %w", socket, err)
	}
	defer resp.Body.Close()
	reader := io.LimitReader(resp.Body, maxAnswer)
	if resp.StatusCode != http.StatusOK {
		var failed struct{ Error string }
		if err := json.NewDecoder(reader).Decode(&failed); err != nil || failed.Error == "" {
			return fmt.Errorf("the network answers with status %d", resp.StatusCode)
		}
		return errors.New(failed.Error)
	}
	if err := json.NewDecoder(reader).Decode(reply); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

// do sends a command and shows the status after it.
func (r *remote) do(ctx context.Context, path string, command *devnet.Command) error {
	var s devnet.Status
	if err := r.call(ctx, path, command, &s); err != nil {
		return err
	}
	return r.show(s, func(w io.Writer) {
		fmt.Fprintf(w, "height\t%d\ntip\t%s\n", s.Height, s.Tip)
		fmt.Fprintf(w, "nodes\t%d, %d staked, %d active, %d swarms\n", s.Nodes, s.Staked, s.Active, s.Swarms)
		fmt.Fprintf(w, "names\t%d session, %d wallet, %d lokinet\n", s.Names[0], s.Names[1], s.Names[2])
		fmt.Fprintf(w, "pool\t%d\noxend\t%s\nseeds\t%s\n", s.Pool, strings.Join(s.Oxend, " "), strings.Join(s.Seeds, " "))
	})
}

func (r *remote) show(v any, text func(io.Writer)) error {
	if r.json {
		e := json.NewEncoder(r.std.out)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	w := tabwriter.NewWriter(r.std.out, 0, 0, 2, ' ', 0)
	text(w)
	return w.Flush()
}

func number(what, text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, usage("%s is a number, not %q", what, text)
	}
	return n, nil
}

// controlCommands are what a running network can be told.
func controlCommands(std stdio, env func(string) string) []*cobra.Command {
	r := &remote{std: std, env: env}
	var output string
	var commands []*cobra.Command
	add := func(cmd *cobra.Command, run func(cmd *cobra.Command, args []string) error) *cobra.Command {
		cmd.GroupID = "control"
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if output != "text" && output != "json" {
				return usage("--output: unknown format %q: use text or json", output)
			}
			r.json = output == "json"
			return run(cmd, args)
		}
		f := cmd.Flags()
		f.StringVar(&r.socket, "socket", "", "control socket of the network, a `PATH` ("+devnet.SocketEnv+")")
		f.StringVarP(&output, "output", "o", "text", "`FORMAT` of the answer: text or json")
		_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
		commands = append(commands, cmd)
		return cmd
	}
	counted := func(path, what string, set func(*devnet.Command, int)) func(*cobra.Command, []string) error {
		return func(cmd *cobra.Command, args []string) error {
			var c devnet.Command
			if len(args) > 0 {
				k, err := number(what, args[0])
				if err != nil {
					return err
				}
				if k == 0 {
					return usage("%s must be at least 1", what)
				}
				set(&c, k)
			}
			return r.do(cmd.Context(), path, &c)
		}
	}
	add(&cobra.Command{Use: "mine [BLOCKS]", Short: "Make blocks", Args: atMost(1)},
		counted("/mine", "BLOCKS", func(c *devnet.Command, k int) { c.Blocks = k }))
	add(&cobra.Command{Use: "reorg [DEPTH]", Short: "Replace the newest blocks by others", Args: atMost(1)},
		counted("/reorg", "DEPTH", func(c *devnet.Command, k int) { c.Depth = k }))
	add(&cobra.Command{Use: "pop [BLOCKS]", Short: "Drop the newest blocks; their transactions go back into the pool", Args: atMost(1)},
		counted("/pop", "BLOCKS", func(c *devnet.Command, k int) { c.Blocks = k }))
	names := func(use, short, path string, args int, value, years bool) {
		var c devnet.Command
		cmd := add(&cobra.Command{Use: use, Short: short, Args: exactly(args)}, func(cmd *cobra.Command, args []string) error {
			c.Name = args[0]
			if value {
				c.Value = args[1]
			}
			return r.do(cmd.Context(), path, &c)
		})
		cmd.Flags().StringVar(&c.Type, "type", "", "`TYPE` of the name: session, wallet or lokinet (default: lokinet for NAME.loki, else session)")
		if years {
			cmd.Flags().Uint8Var(&c.Years, "years", 1, "1, 2, 5 or 10 for a lokinet name")
		}
	}
	names("register NAME VALUE", "Buy a name for a value, or for @WORD's made-up one, in a block of its own", "/register", 2, true, true)
	names("update NAME VALUE", "Change a name's value, in a block of its own", "/update", 2, true, false)
	names("renew NAME", "Renew a lokinet name, in a block of its own", "/renew", 1, false, true)
	var reasons []string
	node := add(&cobra.Command{
		Use: "node NODE (ACT | FAULT …)", Short: "Have something happen to a node",
		Long: `Have something happen to a node, by its number, and make the block that holds it. A quorum of ten tests the other nodes now and
then: where a state change has to wait for one, blocks are made until it has.

ACT is decommission, recommission, deregister, unlock, move (to another address) or stake (again).
FAULT is down, slow=2s, lossy=0.3, clock=-90s, drop-onions, lie-ons, lie-swarm, lie-signature, lie-nodes, status=503,
no-oxend (its daemon does not answer it), backwards=5 (its daemon is so many blocks behind),
ahead=5 (it says that it is so many ahead), or ok to end them.`,
		Example: "  devnet node 3 down\n  devnet node 4 slow=2s lie-ons\n  devnet node 5 decommission --reason uptime",
		Args:    atLeast(2),
	}, func(cmd *cobra.Command, args []string) error {
		i, err := number("NODE", args[0])
		if err != nil {
			return err
		}
		if len(args) == 2 && slices.Contains(devnet.Acts, devnet.Act(args[1])) {
			if _, err := devnet.ParseReasons(reasons); err != nil {
				return usage("--reason: %v", err)
			}
			return r.do(cmd.Context(), "/node", &devnet.Command{Node: i, Act: args[1], Reasons: reasons})
		}
		text := args[0] + ":" + strings.Join(args[1:], ","+args[0]+":")
		if _, err := devnet.ParseFaults(text); err != nil {
			return usage("%q is neither an act (%s) nor a fault: %v", strings.Join(args[1:], " "), acts(), err)
		}
		return r.do(cmd.Context(), "/faults", &devnet.Command{Faults: text})
	})
	node.Flags().StringSliceVar(&reasons, "reason", nil, "`REASON` of a decommission or deregistration (default uptime)")
	add(&cobra.Command{
		Use: "fault TARGET:FAULT …", Short: "Put faults on nodes and daemons",
		Long: `Put faults on nodes and daemons, as --faults does. TARGET is oxend, oxend2 …, a node's number, 2-5, or all nodes. Faults of one
target add up; ok ends them.

Nodes:   see devnet node --help
Daemons: error, busy (an error instead of an answer), garbage, truncate, huge (up to 256 MiB), stall (never an answer),
         backwards=5 (answers as if so many blocks lower), silent (the chain it shows moves no more), lie-ons (wrong sealed values),
         slow=2s, lossy=0.3, fork=3 (it left our chain so many blocks ago)`,
		Example: "  devnet fault oxend:stall\n  devnet fault 3-5:down oxend2:fork=3\n  devnet fault all:ok oxend:ok", Args: atLeast(1),
	}, func(cmd *cobra.Command, args []string) error {
		text := strings.Join(args, ",")
		if _, err := devnet.ParseFaults(text); err != nil {
			return usage("%v", err)
		}
		return r.do(cmd.Context(), "/faults", &devnet.Command{Faults: text})
	})
	add(&cobra.Command{Use: "status", Short: "Show the network", Args: exactly(0)}, func(cmd *cobra.Command, _ []string) error {
		return r.do(cmd.Context(), "/status", nil)
	})
	add(&cobra.Command{Use: "nodes", Short: "List the nodes", Args: exactly(0)}, func(cmd *cobra.Command, _ []string) error {
		var list []devnet.NodeStatus
		if err := r.call(cmd.Context(), "/nodes", nil, &list); err != nil {
			return err
		}
		return r.show(list, func(w io.Writer) {
			fmt.Fprintln(w, "NODE\tSTATE\tSWARM\tCREDIT\tURL\tFAULTS")
			for _, s := range list {
				fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%s\t%s\n", s.Node, s.State, s.Swarm, s.Credit, s.URL, strings.Join(s.Faults, " "))
			}
		})
	})
	add(&cobra.Command{Use: "events", Short: "List what has happened", Args: exactly(0)}, func(cmd *cobra.Command, _ []string) error {
		var list []devnet.Event
		if err := r.call(cmd.Context(), "/events", nil, &list); err != nil {
			return err
		}
		return r.show(list, func(w io.Writer) {
			for _, e := range list {
				fmt.Fprintf(w, "%d\t%s\n", e.Height, e.What)
			}
		})
	})
	return commands
}

func acts() string {
	var names []string
	for _, a := range devnet.Acts {
		names = append(names, string(a))
	}
	return strings.Join(names, ", ")
}

func exactly(n int) cobra.PositionalArgs { return wants(cobra.ExactArgs(n)) }
func atLeast(n int) cobra.PositionalArgs { return wants(cobra.MinimumNArgs(n)) }
func atMost(n int) cobra.PositionalArgs  { return wants(cobra.MaximumNArgs(n)) }

// wants makes a wrong number of arguments a wrong usage.
func wants(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usage("%s: %v: usage: devnet %s", cmd.Name(), err, cmd.Use)
		}
		return nil
	}
}
