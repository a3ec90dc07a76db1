package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the release build (-ldflags "-X main.version=…"); otherwise the module's own is shown.
var version = ""

type versionView struct {
	Version string `json:"version"`
	Go      string `json:"go"`
}

func (p program) versionCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version of this program",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := ownVersion()
			return p.show(f, v, func() error {
				_, err := fmt.Fprintln(p.stdout, v.says())
				return err
			})
		},
	}
}

func ownVersion() versionView {
	v := versionView{Version: version, Go: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok && v.Version == "" {
		v.Version = info.Main.Version
	}
	if v.Version == "" {
		v.Version = "(devel)"
	}
	return v
}

func (v versionView) says() string { return fmt.Sprintf("courier %s (%s)", v.Version, v.Go) }
