package main

import (
	"os/exec"
	"strings"
	"testing"

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
	for _, want := range []string{`.B \-o, \-\-output FORMAT`, "COURIER_MAX_LATENCY", "Exit codes: 0 done", `.B \-\-exec CMD`} {
		if !strings.Contains(page, want) {
			t.Errorf("nothing on %q", want)
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
