package main

import (
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// TestManual shows that each command stands in the manual, and that troff takes it, where there is one.
func TestManual(t *testing.T) {
	t.Parallel()
	code, page, stderr := runProgram(t, nil, "man")
	if code != exitOK || stderr != "" {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	root, _ := program{env: func(string) string { return "" }}.root()
	var each func(cmd *cobra.Command)
	each = func(cmd *cobra.Command) {
		if cmd.Runnable() && !cmd.HasSubCommands() && cmd.Name() != "help" && !strings.Contains(page, "\n.SS "+troff(cmd.CommandPath())) {
			t.Errorf("nothing on %s", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			each(sub)
		}
	}
	each(root)
	for _, want := range []string{`.B \-o, \-\-output FORMAT`, "COURIER_MAX_LATENCY", ".SH EXIT STATUS\n.TP\n.B 0\ndone", ".SH ENVIRONMENT", ".SH FILES", `.B \-\-exec CMD`} {
		if !strings.Contains(page, want) {
			t.Errorf("nothing on %q", want)
		}
	}
	for line := range strings.SplitSeq(page, "\n") {
		if strings.HasPrefix(line, " ") && utf8.RuneCountInString(strings.ReplaceAll(strings.ReplaceAll(line, `\-`, "-"), `\e`, `\`)) > width-7 {
			t.Errorf("wider than %d columns, indented: %s", width, line)
		}
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("needs groff to look at the page")
	}
	cmd := exec.CommandContext(t.Context(), groff, "-man", "-Tutf8", "-ww", "-z", "-K", "utf8")
	cmd.Stdin = strings.NewReader(page)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("groff: %v: %s", err, out)
	}
}

// TestHelpWidth: no line of any help is wider than every terminal is.
func TestHelpWidth(t *testing.T) {
	t.Parallel()
	root, _ := program{env: func(string) string { return "" }}.root()
	var each func(cmd *cobra.Command)
	each = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			each(sub)
		}
		if cmd.HasParent() && cmd.Parent().Name() == "completion" || cmd.Name() == "completion" {
			return // cobra's words
		}
		code, out, stderr := runProgram(t, nil, append(strings.Fields(cmd.CommandPath())[1:], "--help")...)
		if code != exitOK || stderr != "" {
			t.Errorf("%s: exit code %d: %s", cmd.CommandPath(), code, stderr)
		}
		for line := range strings.SplitSeq(out, "\n") {
			if utf8.RuneCountInString(line) > width {
				t.Errorf("%s: %s", cmd.CommandPath(), line)
			}
		}
	}
	each(root)
}
