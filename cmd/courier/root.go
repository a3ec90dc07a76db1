package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"onsight/internal/terminal"
)

const longHelp = `courier sends and receives messages over the Session network, to names.

  courier init                        # an account, which is nothing but 13 words
  courier send alice -m "hi"          # to a name, an id, a contact's nickname (@nick), or me
  courier listen                      # what comes, until Ctrl-C

Whoever is written to is one of:
  me            yourself, on all your devices
  05…           an id, 66 hexadecimal digits
  @nick         what you call a contact (courier contacts name)
  name:alice    a registered name: several nodes must say the same of it, and what it first stood for is remembered
  alice         either of the two, if it is clear which

What is found is printed to standard output, everything else to standard error. Every flag has an environment variable: --max-latency is
COURIER_MAX_LATENCY. A flag wins over it.

Exit codes: 0 done, found · 1 other error · 2 wrong usage
            3 could not find out: the network, too few nodes, or they disagree · 4 there is none: no such name, contact, message
            5 held: the name points to another account than before · 6 not stored in time: it stays in the outbox
            7 locked: no way to the passphrase, or to an answer, without a terminal`

// run executes one command line and returns the exit code.
func (p program) run(ctx context.Context, args []string) int {
	root, started := p.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		p.tell("interrupted")
		return exitError
	}
	p.tell("error: %v", err)
	if hint := hintFor(err); hint != "" {
		p.tell("hint: %s", hint)
	}
	if !*started {
		return exitUsage // cobra refused flags or arguments before any command began
	}
	return exitCode(err)
}

// tell says something to people. What strangers wrote in it can do nothing to the terminal.
func (p program) tell(format string, args ...any) {
	fmt.Fprintln(p.stderr, "courier: "+terminal.Text(fmt.Sprintf(format, args...)))
}

func (p program) root() (*cobra.Command, *bool) {
	started := new(bool)
	var f flags
	root := &cobra.Command{
		Use:           "courier",
		Short:         "Messages by human name, from any terminal",
		Long:          longHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			*started = true
			return f.complete(cmd, p.env)
		},
	}
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	f.register(root, p.env)
	root.AddCommand(p.initCommand(&f), p.accountCommand(&f), p.profilesCommand(&f), p.vaultCommand(&f),
		p.sendCommand(&f), p.listenCommand(&f), p.chatsCommand(&f), p.messagesCommand(&f), p.contactsCommand(&f), p.requestsCommand(&f),
		p.outboxCommand(&f), p.exportCommand(&f), p.namesCommand(&f), p.netCommand(&f), p.manCommand(), p.versionCommand(&f))
	root.InitDefaultCompletionCmd()
	parents(root)
	return root, started
}

// parents makes commands that only hold others help when they are called alone, and refuse what is none of them.
func parents(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		parents(cmd)
		if cmd.HasSubCommands() && !cmd.Runnable() {
			cmd.Args = cobra.NoArgs
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
}
