package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"onsight/internal/terminal"
)

const longHelp = `courier sends and receives messages over the Session network, to names.

  courier init                  # an account: nothing but 13 words
  courier send alice -m "hi"    # to a name, an id, a contact, or me
  courier listen                # what comes, until Ctrl-C

Whoever is written to is one of:
  me            yourself, on all your devices
  05…           an id, 66 hexadecimal digits
  @nick         what you call a contact (courier contacts name)
  name:alice    a registered name: several nodes must say the same of it,
                and what it first stood for is remembered
  alice         either of the two, if it is clear which

What is found is printed to standard output, everything else to standard error; with -o json or jsonl an error is an object there,
{"error":…,"exit":…,"next":…}. Every flag has an environment variable: --max-latency is COURIER_MAX_LATENCY. A flag wins over it. The
variables of flags that are about one message (COURIER_KEY, COURIER_MESSAGE, COURIER_REPLY_TO, COURIER_DRY_RUN, COURIER_YES) are for
one command: that one was set is said each time.
`

// exitMeanings are what the help and the manual say of exit codes.
var exitMeanings = []struct {
	code int
	says string
}{
	{exitOK, "done, found"},
	{exitError, "another error"},
	{exitUsage, "wrong usage"},
	{exitUnavailable, "could not find out: the network, too few nodes, or they disagree"},
	{exitNotFound, "there is none: no such name, contact, message, profile"},
	{exitHeld, "held: the name points to another account than before"},
	{exitLate, "not stored in time: it stays in the outbox"},
	{exitLocked, "locked: no way to the passphrase, or to an answer, without a terminal"},
	{exitInterrupted, "interrupted (Ctrl-C) before it was done; listen, which ends so, has 0"},
}

func exitHelp() string {
	var b strings.Builder
	b.WriteString("\nExit codes:\n")
	for _, m := range exitMeanings {
		fmt.Fprintf(&b, "  %-3d  %s\n", m.code, m.says)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

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
		return exitInterrupted
	}
	err = plainly(err)
	code := exitUsage // cobra refused flags or arguments before any command began
	if *started {
		code = exitCode(err)
	}
	hint := hintFor(err)
	if format, _ := root.PersistentFlags().GetString("output"); format == "json" || format == "jsonl" {
		if b, err := encode(errorView{err.Error(), code, hint}, "", ""); err == nil {
			_, _ = p.stderr.Write(b)
		}
		return code
	}
	p.tell("error: %v", err)
	if hint != "" {
		p.tell("hint: %s", hint)
	}
	return code
}

// errorView is the JSON of an error.
type errorView struct {
	Error string `json:"error"`
	Exit  int    `json:"exit"`
	Next  string `json:"next,omitempty"` // what to do, in words
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
		Long:          longHelp + exitHelp(),
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			*started = true
			if err := f.complete(cmd, p.env); err != nil {
				return err
			}
			for _, flag := range f.once {
				p.tell("note: --%s is %s of the environment", flag, variable(flag))
			}
			return nil
		},
	}
	root.Version = ownVersion().says()
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	f.register(root, p.env)
	root.AddCommand(p.initCommand(&f), p.accountCommand(&f), p.profilesCommand(&f), p.vaultCommand(&f),
		p.sendCommand(&f), p.listenCommand(&f), p.chatsCommand(&f), p.messagesCommand(&f), p.contactsCommand(&f), p.requestsCommand(&f),
		p.outboxCommand(&f), p.exportCommand(&f), p.namesCommand(&f), p.netCommand(&f), p.manCommand(), p.versionCommand(&f))
	root.InitDefaultCompletionCmd()
	root.SetHelpCommand(helpCommand(root))
	parents(root)
	dress(root)
	return root, started
}

// helpCommand is cobra's, but that there is no such command is an error.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Help about a command",
		ValidArgsFunction: func(_ *cobra.Command, args []string, typed string) (words []cobra.Completion, _ cobra.ShellCompDirective) {
			cmd, _, err := root.Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			for _, sub := range cmd.Commands() {
				if sub.IsAvailableCommand() && strings.HasPrefix(sub.Name(), typed) {
					words = append(words, cobra.CompletionWithDesc(sub.Name(), sub.Short))
				}
			}
			return words, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil {
				return usageError{err}
			}
			if len(rest) > 0 {
				return unknown(cmd, rest[0])
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		},
	}
}

// unknown says that a command has no such part, and what may have been meant.
func unknown(cmd *cobra.Command, word string) error {
	if cmd.SuggestionsMinimumDistance <= 0 {
		cmd.SuggestionsMinimumDistance = 2 // as cobra has it for its own
	}
	meant := ""
	for _, name := range cmd.SuggestionsFor(word) {
		meant += fmt.Sprintf("; did you mean `%s %s`?", cmd.CommandPath(), name)
	}
	return usagef("unknown command %q for %q%s", word, cmd.CommandPath(), meant)
}

// width is how many columns helps have: what every terminal has.
const width = 80

// dress has the helps of a command, and of those below it, fit into any terminal, and says how it is called where it is called wrongly.
func dress(cmd *cobra.Command) {
	cmd.Long = terminal.Fill(cmd.Long, width)
	cmd.SetUsageTemplate(strings.ReplaceAll(cmd.UsageTemplate(), "FlagUsages ", fmt.Sprintf("FlagUsagesWrapped %d ", width)))
	if check := cmd.Args; check != nil && !cmd.HasSubCommands() {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			err := check(cmd, args)
			if usage := (usageError{}); err == nil || errors.As(err, &usage) {
				return err
			}
			if len(args) == 0 {
				return usagef("something is missing: %s", cmd.UseLine())
			}
			return usagef("so many words are not taken (%d): %s", len(args), cmd.UseLine())
		}
	}
	for _, sub := range cmd.Commands() {
		dress(sub)
	}
}

// parents makes commands that only hold others help when they are called alone, and refuse what is none of them.
func parents(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		parents(cmd)
		if cmd.HasSubCommands() && !cmd.Runnable() {
			cmd.Args = func(cmd *cobra.Command, args []string) error {
				if len(args) > 0 {
					return unknown(cmd, args[0])
				}
				return nil
			}
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
}
