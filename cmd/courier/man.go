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
	verbatim(b, root.Long)
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
				verbatim(b, what)
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
