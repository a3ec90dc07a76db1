// Command devnet is a network on loopback: a daemon, seed nodes and service nodes with their storage servers, and a command run inside.
//
//	devnet [COMMAND …]                    a whole network, drawn from a seed
//	devnet --replay FILE [COMMAND …]      a recording of a real daemon, of either dialect, and no nodes
//	devnet --generate [COMMAND …]         a chain drawn from a seed, and no nodes
//	devnet mine|reorg|register|node …     tell a running network what is to happen
//
// COMMAND gets the variables that programs find the network by: ONSIGHT_OXEND and ONSIGHT_LOKINET_YEAR; COURIER_SEEDS and
// LOCAL_DEVNET_SEED_URL, the seed node; DEVNET_SEED_TLS and DEVNET_SEED_PIN, the one over TLS and the SHA-256 of its certificate;
// DEVNET_SOCKET, for control. Without a COMMAND the lines to set them are printed and the network serves until it is stopped. The
// exit code is COMMAND's; 2 after wrong usage, 127 if there is no such COMMAND, 1 for everything else, also for a request that would
// have killed a real 11.x daemon.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"onsight/internal/devnet"
)

func main() {
	err := run(context.Background(), os.Args[1:], os.Environ(), stdio{os.Stdin, os.Stdout, os.Stderr})
	os.Exit(exitCode(err, os.Stderr))
}

// stdio is what the program and its command read and write.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// exitError ends the program with a code. With no message it is silent: the command has said what there is to say.
type exitError struct {
	code    int
	message string
}

func (e *exitError) Error() string { return e.message }

// exitCode prints an error and returns the code it ends the program with.
func exitCode(err error, w io.Writer) int {
	if err == nil {
		return 0
	}
	code := 1
	var exit *exitError
	if errors.As(err, &exit) {
		code = exit.code
	}
	if err.Error() != "" {
		fmt.Fprintln(w, "devnet:", err)
	}
	if code == 2 {
		fmt.Fprintln(w, "devnet: try devnet --help")
	}
	return code
}

func usage(format string, args ...any) error {
	return &exitError{2, fmt.Sprintf(format, args...)}
}

// lookup reads a variable out of an environment.
func lookup(env []string) func(string) string {
	return func(name string) string {
		for i := len(env) - 1; i >= 0; i-- {
			if v, ok := strings.CutPrefix(env[i], name+"="); ok {
				return v
			}
		}
		return ""
	}
}

// run is the program. It returns an *exitError where the exit code is not 1.
func run(ctx context.Context, args, env []string, std stdio) error {
	var o options
	cmd := &cobra.Command{
		Use:   "devnet [flags] [COMMAND [ARG …]]",
		Short: "Serve a network on loopback and run a command inside",
		Long: `Serve a network on loopback and run a command inside.

Without --replay or --generate it is a whole network: a daemon over a chain, seed nodes, and service nodes whose storage servers
store, replicate and pass on onion requests. Everything drawn at random comes from --seed. Without a COMMAND it prints the variables
by which programs find it and serves until it is stopped; "devnet mine" and the other control commands then tell it what happens.`,
		Example: `  devnet                                        # then: devnet mine, devnet node 3 down, … in another terminal
  devnet --nodes 40 --names demo --block-time 5s bash
  devnet --faults 3:down,oxend:slow=2s --latency 80ms onsight serve
  devnet --replay oxend-chain.jsonl.gz onsight index --once
  devnet --generate --blocks 5000 --ons 300 --seed 7`,
		Args: cobra.ArbitraryArgs, SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, command []string) error {
			o.changed = cmd.Flags().Changed
			return o.start(ctx, command, env, std)
		},
	}
	o.register(cmd)
	cmd.AddGroup(&cobra.Group{ID: "control", Title: "Commands to a running network:"})
	cmd.AddCommand(controlCommands(std, lookup(env))...)
	cmd.SetArgs(args)
	cmd.SetIn(std.in)
	cmd.SetOut(std.out)
	cmd.SetErr(std.err)
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage("%v", err) })
	return cmd.ExecuteContext(ctx)
}

// options are the flags.
type options struct {
	seed    uint64
	year    uint64
	dialect int
	addr    string
	changed func(flag string) bool

	network devnet.Config
	names   string
	faults  string
	socket  string
	verbose bool

	replay   string
	generate bool
	config   devnet.GenerateConfig
	public   bool
}

func (o *options) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SetInterspersed(false) // what follows COMMAND is COMMAND's
	f.Uint64Var(&o.seed, "seed", 1, "what all that is made up is drawn from")
	f.IntVar(&o.dialect, "dialect", 10, "release line of the daemon: 10 or 11")
	f.StringVar(&o.addr, "addr", "127.0.0.1:0", "`ADDRESS` the daemon listens on; port 0 takes a free one")
	f.Uint64Var(&o.year, "year", 0, "`BLOCKS` of a lokinet \"year\" (default 200, with --generate 50)")

	f.IntVar(&o.network.Nodes, "nodes", 12, "service nodes")
	f.IntVar(&o.network.Operators, "operators", 0, "how many operators run them (0: each node its own)")
	f.IntVar(&o.network.PerSubnet, "per-subnet", 1, "how many nodes share a /24")
	f.BoolVar(&o.network.OneIP, "one-ip", false, "all nodes on 127.0.0.1, for systems that know no other loopback address")
	f.StringVar(&o.names, "names", "", "names that are registered from the start: a `FILE` of TYPE NAME VALUE lines, or demo")
	f.IntVar(&o.network.Past, "past", 400, "`BLOCKS` before anybody looks")
	f.DurationVar(&o.network.BlockTime, "block-time", 0, "time between blocks (0: only devnet mine makes them)")
	f.BoolVar(&o.network.Life, "life", false, "with each block things happen to names and nodes")
	f.StringVar(&o.faults, "faults", "", "`LIST` of TARGET:FAULT[=VALUE], as 3:down,4-6:slow=2s,oxend:stall (see devnet node --help), and dice[=RATE]")
	f.Float64Var(&o.network.Loss, "loss", 0, "share of requests to nodes that are lost, 0 to 1")
	f.DurationVar(&o.network.Latency, "latency", 0, "median delay of the nodes' answers; each has its own")
	f.IntVar(&o.network.Daemons, "daemons", 1, "daemons on the chain, each with faults of its own: oxend, oxend2, …")
	f.StringVar(&o.socket, "socket", "", "control socket, a `PATH` ("+devnet.SocketEnv+"; default in XDG_RUNTIME_DIR)")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "log what happens to standard error")

	f.StringVar(&o.replay, "replay", "", "serve the recording in `FILE` (.jsonl, gzipped or not) and nothing else")
	f.BoolVar(&o.generate, "generate", false, "serve a generated chain and nothing else")
	f.IntVar(&o.config.Blocks, "blocks", 400, "with --generate: blocks")
	f.IntVar(&o.config.Ordinary, "ordinary", 60, "with --generate: transactions that are not of names")
	f.IntVar(&o.config.ONS, "ons", 120, "with --generate: transactions of names")
	f.BoolVar(&o.public, "public", false, "with --replay or --generate: serve as a public port, with fewer methods, fields and limits")
	_ = cmd.RegisterFlagCompletionFunc("dialect", cobra.FixedCompletions([]string{"10", "11"}, cobra.ShellCompDirectiveNoFileComp))
}

// start checks the flags and serves what they ask for.
func (o *options) start(ctx context.Context, command, env []string, std stdio) error {
	if o.dialect != 10 && o.dialect != 11 {
		return usage("--dialect is 10 or 11, not %d", o.dialect)
	}
	alone := o.generate || o.replay != ""
	for flags, fit := range map[string]bool{
		"nodes operators per-subnet one-ip names past block-time life faults loss latency daemons socket": !alone,
		"blocks ordinary ons": o.generate, "public": alone, "dialect year seed": o.replay == "",
	} {
		for _, name := range strings.Fields(flags) {
			if o.changed(name) && !fit {
				return usage("--%s does not go together with %s", name, o.mode())
			}
		}
	}
	if alone {
		return o.serveChain(ctx, command, env, std)
	}
	return o.serveNetwork(ctx, command, env, std)
}

func (o *options) mode() string {
	switch {
	case o.replay != "":
		return "--replay"
	case o.generate:
		return "--generate"
	}
	return "a whole network: it is for --replay or --generate"
}
