// Command devnet serves a chain as an oxend on loopback would, and runs a command inside.
//
//	devnet --replay FILE [COMMAND …]      a recording of a real daemon, of either dialect
//	devnet --generate [COMMAND …]         a chain drawn from a seed
//
// COMMAND gets ONSIGHT_OXEND, the daemon's URL, and, where it is known, ONSIGHT_LOKINET_YEAR. Without a COMMAND the lines to set
// them are printed and the daemon serves until it is stopped. The exit code is COMMAND's; 2 after wrong usage, 127 if there is no
// such COMMAND, 1 for everything else, also for a request that would have killed a real 11.x daemon.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"onsight/internal/devnet"
	"onsight/ons"
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

// options are the flags.
type options struct {
	replay   string
	generate bool
	config   devnet.GenerateConfig
	dialect  int
	serve    devnet.Options
}

// run is the program. It returns an *exitError where the exit code is not 1.
func run(ctx context.Context, args, env []string, std stdio) error {
	var o options
	cmd := &cobra.Command{
		Use:   "devnet (--replay FILE | --generate) [flags] [COMMAND [ARG …]]",
		Short: "Serve a chain as an oxend on loopback and run a command inside",
		Example: `  devnet --replay oxend-chain.jsonl.gz onsight index --once
  devnet --generate --blocks 5000 --ons 300 --seed 7`,
		Args: cobra.ArbitraryArgs, SilenceErrors: true, SilenceUsage: true,
		RunE: func(_ *cobra.Command, command []string) error { return start(ctx, o, command, env, std) },
	}
	f := cmd.Flags()
	f.SetInterspersed(false) // what follows COMMAND is COMMAND's
	f.StringVar(&o.replay, "replay", "", "serve the recording in `FILE` (.jsonl, gzipped or not)")
	f.BoolVar(&o.generate, "generate", false, "serve a generated chain")
	f.IntVar(&o.config.Blocks, "blocks", 400, "blocks to generate")
	f.IntVar(&o.config.Ordinary, "ordinary", 60, "transactions that are not of names to generate")
	f.IntVar(&o.config.ONS, "ons", 120, "transactions of names to generate")
	f.Uint64Var(&o.config.Seed, "seed", 1, "what all that is generated is drawn from")
	f.Uint64Var(&o.config.Year, "year", 50, "blocks of a lokinet \"year\" of a generated chain")
	f.IntVar(&o.dialect, "dialect", 10, "release line a generated chain is served as: 10 or 11")
	f.BoolVar(&o.serve.Public, "public", false, "serve as a public port: fewer methods, fields and limits")
	f.StringVar(&o.serve.Addr, "addr", "127.0.0.1:0", "`ADDRESS` to listen on; port 0 takes a free one")
	cmd.SetArgs(args)
	cmd.SetOut(std.out)
	cmd.SetErr(std.err)
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage("%v", err) })
	return cmd.ExecuteContext(ctx)
}

// start serves the chain and runs the command inside, or waits.
func start(ctx context.Context, o options, command, env []string, std stdio) error {
	chain, err := o.chain()
	if err != nil {
		return err
	}
	d, err := devnet.Serve(chain, o.serve)
	if err != nil {
		return err
	}
	defer d.Close()
	vars := []string{"ONSIGHT_OXEND=" + d.URL()}
	if y := chain.Year(); y > 0 && chain.Network() == ons.Fakechain {
		vars = append(vars, fmt.Sprintf("ONSIGHT_LOKINET_YEAR=%d", y))
	}
	if len(command) == 0 {
		return wait(ctx, d, vars, std)
	}
	err = execute(ctx, command, append(env, vars...), std)
	if crashed := d.Crashed(); crashed != nil {
		return &exitError{1, crashed.Error()}
	}
	return err
}

// chain opens or generates what is to be served.
func (o *options) chain() (*devnet.Chain, error) {
	switch {
	case o.generate == (o.replay != ""):
		return nil, usage("give either --replay FILE or --generate")
	case o.generate && o.dialect != 10 && o.dialect != 11:
		return nil, usage("--dialect is 10 or 11, not %d", o.dialect)
	case o.generate && (o.config.Blocks < 1 || o.config.Ordinary < 0 || o.config.ONS < 0):
		return nil, usage("--blocks must be at least 1, --ordinary and --ons at least 0")
	case o.generate:
		o.config.Dialect = devnet.Dialect(o.dialect)
		chain, _ := devnet.Generate(o.config)
		return chain, nil
	}
	r, err := devnet.OpenRecording(o.replay)
	if err != nil {
		return nil, err
	}
	return r.Chain(), nil
}
