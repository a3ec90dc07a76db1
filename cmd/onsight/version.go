package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the release build (-ldflags "-X main.version=…"); otherwise the module's own is shown.
var version = ""

func (p program) versionCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version of this program",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := versionText()
			if f.json() {
				return p.printJSON(versionView{Version: v, Go: runtime.Version()})
			}
			_, err := fmt.Fprintf(p.stdout, "onsight %s (%s)\n", v, runtime.Version())
			return err
		},
	}
}

func versionText() string {
	v := version
	if info, ok := debug.ReadBuildInfo(); ok && v == "" {
		v = info.Main.Version
	}
	if v == "" {
		v = "(devel)"
	}
	return v
}
