package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"onsight/directory"
	"onsight/indexer"
	"onsight/internal/events"
	"onsight/internal/oxend"
	"onsight/internal/store"
	"onsight/ons"
	"onsight/ons/remote"
)

// Exit codes, as `onsight help` lists them.
const (
	exitOK            = 0
	exitError         = 1
	exitUsage         = 2
	exitUnavailable   = 3
	exitNotRegistered = 4
	exitLocked        = 5
)

const longHelp = `onsight follows an Oxen chain into an index of every ONS registration and answers from it.

Names never leave this program: who is asked gets a name's hash, or a part of it, and the sealed value is opened here.

Exit codes: 0 done, found · 1 other error, verify found differences, or a client misses a name · 2 wrong usage
            3 could not find out · 4 not registered, no such node · 5 database locked by another writer`

// usageError marks what the user wrote as wrong, as opposed to what became of it.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// run executes one command line and returns the exit code.
func (p program) run(ctx context.Context, args []string) int {
	root, started := p.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(p.stderr, "onsight: error: %v\n", err)
	if hint := hintFor(err); hint != "" {
		fmt.Fprintf(p.stderr, "onsight: hint: %s\n", hint)
	}
	if !*started {
		return exitUsage // cobra refused flags or arguments before any command began
	}
	return exitCode(err)
}

func (p program) root() (*cobra.Command, *bool) {
	started := new(bool)
	var f flags
	root := &cobra.Command{
		Use:           "onsight",
		Short:         "An index of every ONS registration of an Oxen chain",
		Long:          longHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			*started = true
			return f.complete(cmd, p.env)
		},
	}
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	f.register(root)
	root.AddCommand(p.indexCommand(&f), p.serveCommand(&f), p.resolveCommand(&f), p.namesCommand(&f), p.statsCommand(&f), p.bundleCommand(&f), p.exportCommand(&f), p.doctorCommand(&f), p.verifyCommand(&f), p.statusCommand(&f), p.versionCommand(&f),
		p.nodesCommand(&f), p.nodeCommand(&f), p.pickCommand(&f), p.swarmCommand(&f), p.pathsCommand(&f), p.probeCommand(&f), p.probersCommand(&f),
		p.eventsCommand(&f), p.demoCommand(&f))
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if !cmd.Runnable() { // cobra's own: it would help with anything, and exit 0
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
	return root, started
}

// exitCode maps an error to what the program exits with.
func exitCode(err error) int {
	var usage usageError
	var locked *store.LockedError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &locked):
		return exitLocked
	case errors.Is(err, ons.ErrNotFound), errors.Is(err, errNobodyFinds), errors.Is(err, errNoNode), errors.Is(err, errNoSwarm):
		return exitNotRegistered
	case errors.Is(err, ons.ErrUnavailable):
		return exitUnavailable
	}
	return exitError
}

// hintFor says what to do next, where we know it.
func hintFor(err error) string {
	var locked *store.LockedError
	var final *indexer.FinalError
	switch {
	case errors.As(err, &locked):
		return "only one program may write a database; stop the other one, or read with resolve and status"
	case errors.As(err, &final):
		return "the daemon may be on the wrong fork; the index keeps answering as it is"
	case errors.Is(err, errServerNetwork):
		return "name another server with --server, or the network that it holds with --network"
	case errors.Is(err, errBundleNetwork):
		return "name another file with --bundle, or the network that it holds with --network"
	case errors.Is(err, indexer.ErrOtherNetwork), errors.Is(err, oxend.ErrWrongNetwork), errors.Is(err, directory.ErrOtherNetwork):
		return "name the right daemon with --oxend, or another database with --db"
	case errors.Is(err, store.ErrSchemaOld):
		return "run `onsight index` once to bring the database up to date"
	case errors.Is(err, store.ErrSchemaNew):
		return "this database was written by a newer onsight: use that one"
	case errors.Is(err, errNoDatabase):
		return "make one with `onsight index`, or ask a daemon with --oxend"
	case errors.Is(err, errNoBundle):
		return "get one with `onsight bundle pull --server URL`"
	case errors.Is(err, errOldBundle):
		return "bring it up to date with `onsight bundle pull --server URL`, or ask a server"
	case errors.Is(err, errBehind):
		return "try again later, or ask another server"
	case errors.Is(err, errOldFiles):
		return "ask another server: who runs this one has to export again"
	case errors.Is(err, errBits):
		return "it remembers how much of a hash servers were told: delete it to forget that and begin anew, or take the bundle instead"
	case errors.Is(err, remote.ErrRefused):
		return "take the bundle instead: `onsight bundle pull`, then resolve --offline"
	case errors.Is(err, events.ErrReset):
		return "forget what you have, and begin with --after start"
	case errors.Is(err, errNoNodes):
		return "let `onsight serve` follow them, or ask a daemon with --oxend"
	case errors.Is(err, errUnmeasured):
		return "let `onsight serve` measure for a while, or ask a server that does with --server"
	case errors.Is(err, errNoGood):
		return "allow more with --max-latency and --min-credit, or avoid less"
	case errors.Is(err, errNoNode):
		return "`onsight nodes` lists those there are, with --state gone those that left"
	case errors.Is(err, errNoSwarm):
		return "`onsight swarm` lists those there are"
	case errors.Is(err, directory.ErrResources):
		return "allow more open files (ulimit -n), or check fewer nodes at once with --parallel"
	case errors.Is(err, errNoDaemon):
		return "name one with --oxend URL or ONSIGHT_OXEND"
	}
	return ""
}
