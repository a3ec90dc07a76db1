package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func (p program) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "man",
		Short:   "Print the manual page of all commands",
		Long:    "Print the manual page of all commands, as troff.",
		Example: "  courier man | man -l -\n  courier man > /usr/local/share/man/man1/courier.1",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var b strings.Builder
			writeManual(&b, cmd.Root())
			_, err := io.WriteString(p.stdout, b.String())
			return err
		},
	}
}

// writeManual writes one page: what the program is, its flags, and each command.
func writeManual(b *strings.Builder, root *cobra.Command) {
	name := root.Name()
	fmt.Fprintf(b, ".TH %s 1\n.SH NAME\n%s \\- %s\n", strings.ToUpper(name), name, troff(root.Short))
	fmt.Fprintf(b, ".SH SYNOPSIS\n.B %s\n.I COMMAND\n[flags] [arguments]\n", name)
	fmt.Fprint(b, ".SH DESCRIPTION\n")
	prose(b, longHelp)
	fmt.Fprint(b, ".SH FLAGS OF ALL COMMANDS\n")
	writeFlags(b, root.PersistentFlags())
	fmt.Fprint(b, ".SH COMMANDS\n")
	var each func(cmd *cobra.Command)
	each = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			if sub.Hidden || sub.Name() == "help" {
				continue
			}
			if sub.Runnable() && !sub.HasSubCommands() {
				fmt.Fprintf(b, ".SS %s\n", troff(sub.CommandPath()+strings.TrimPrefix(sub.Use, sub.Name())))
				what := sub.Long
				if what == "" {
					what = sub.Short + "."
				}
				prose(b, what)
				writeFlags(b, sub.LocalNonPersistentFlags())
				if sub.Example != "" {
					fmt.Fprint(b, ".PP\n")
					verbatim(b, sub.Example)
				}
			}
			each(sub)
		}
	}
	each(root)
	fmt.Fprint(b, ".SH EXIT STATUS\n")
	for _, m := range exitMeanings {
		fmt.Fprintf(b, ".TP\n.B %d\n%s\n", m.code, troff(m.says))
	}
	for _, part := range []struct {
		head string
		list [][2]string
	}{
		{"ENVIRONMENT", [][2]string{
			{"COURIER_…", "flags: those beside each flag above"},
			{"XDG_DATA_HOME, HOME", "where the folder of profiles is, unless --home says so; a relative XDG_DATA_HOME is ignored"},
			{"DBUS_SESSION_BUS_ADDRESS", "where the system's keyring is asked for, on Linux"},
			{"NO_COLOR, TERM", "no colours if the one is set, or the other is dumb"},
		}},
		{"FILES", [][2]string{
			{"$XDG_DATA_HOME/courier/PROFILE/vault", "what opens the database; without XDG_DATA_HOME it is ~/.local/share"},
			{"$XDG_DATA_HOME/courier/PROFILE/courier.db", "contacts, messages and outbox, encrypted"},
		}},
	} {
		fmt.Fprintf(b, ".SH %s\n", part.head)
		for _, l := range part.list {
			fmt.Fprintf(b, ".TP\n.B %s\n%s\n", troff(l[0]), troff(l[1]))
		}
	}
}

// writeFlags writes a paragraph for each flag.
func writeFlags(b *strings.Builder, flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		arg, usage := pflag.UnquoteUsage(f)
		short := ""
		if f.Shorthand != "" {
			short = "-" + f.Shorthand + ", "
		}
		fmt.Fprintf(b, ".TP\n.B %s\n%s (%s)\n", troff(strings.TrimSpace(short+"--"+f.Name+" "+arg)), troff(usage), troff(variable(f.Name)))
	})
}

// prose writes paragraphs, and lines that begin with blanks as they stand.
func prose(b *strings.Builder, text string) {
	for part := range strings.SplitSeq(strings.Trim(text, "\n"), "\n\n") {
		var said, shown []string
		for line := range strings.SplitSeq(part, "\n") {
			if strings.HasPrefix(line, " ") {
				shown = append(shown, line)
			} else {
				said = append(said, line)
			}
		}
		fmt.Fprint(b, ".PP\n")
		if len(said) > 0 {
			fmt.Fprintf(b, "%s\n", troff(strings.Join(said, "\n")))
		}
		if len(shown) > 0 {
			verbatim(b, strings.Join(shown, "\n"))
		}
	}
}

// verbatim writes lines as they stand: they are made for a terminal.
func verbatim(b *strings.Builder, text string) {
	fmt.Fprintf(b, ".nf\n%s\n.fi\n", troff(strings.Trim(text, "\n")))
}

// troff escapes a text, so that no line of it is a request.
func troff(text string) string {
	lines := strings.Split(strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
