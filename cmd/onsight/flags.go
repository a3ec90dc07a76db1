package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"onsight/ons"
)

// flags are the settings that several commands share. Each has an environment variable; a flag wins over it.
type flags struct {
	oxend   []string
	db      string
	bundle  string
	network string
	output  string
	verbose bool
	logAs   string

	rate        float64
	connections int
}

func (f *flags) register(root *cobra.Command) {
	pf := root.PersistentFlags()
	pf.StringSliceVar(&f.oxend, "oxend", nil, "daemon `URL`, repeatable or comma separated (ONSIGHT_OXEND)")
	pf.StringVar(&f.db, "db", "", "database, `PATH` or sqlite:PATH (ONSIGHT_DB; default onsight-<network>.db in the XDG data folder)")
	pf.StringVar(&f.bundle, "bundle", "", "bundle, a `FILE` (ONSIGHT_BUNDLE; default onsight-<network>.bundle in the XDG data folder)")
	pf.StringVar(&f.network, "network", "", "`NETWORK` to insist on: mainnet, testnet, devnet, fakechain, stagenet, localdev (ONSIGHT_NETWORK)")
	pf.StringVarP(&f.output, "output", "o", "", "`FORMAT` of the answer: text or json, unless the command says otherwise")
	pf.BoolVarP(&f.verbose, "verbose", "v", false, "log every step to standard error")
	pf.StringVar(&f.logAs, "log-format", "text", "`FORMAT` of the log: text or json")
	pf.Float64Var(&f.rate, "oxend-rate", 0, "requests a second to each daemon (0: 4, on loopback unlimited)")
	pf.IntVar(&f.connections, "oxend-connections", 0, "connections to each daemon (0: 2, on loopback 4)")
	_ = root.RegisterFlagCompletionFunc("output", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return formats(cmd), cobra.ShellCompDirectiveNoFileComp
	})
	_ = root.RegisterFlagCompletionFunc("network", cobra.FixedCompletions(networkNames(), cobra.ShellCompDirectiveNoFileComp))
}

// outputs is the annotation of commands that have other formats than text and json: all of them, the default first.
const outputs = "outputs"

// formats are what -o may be, the default first.
func formats(cmd *cobra.Command) []string {
	if s := cmd.Annotations[outputs]; s != "" {
		return strings.Split(s, ",")
	}
	return []string{"text", "json"}
}

// either lists what may be chosen from: "a, b or c".
func either(of []string) string {
	if len(of) < 2 {
		return strings.Join(of, "")
	}
	last := len(of) - 1
	return strings.Join(of[:last], ", ") + " or " + of[last]
}

func networkNames() []string {
	return []string{string(ons.Mainnet), string(ons.Testnet), string(ons.Devnet), string(ons.Fakechain), string(ons.Stagenet), string(ons.Localdev)}
}

// complete fills what was not given as a flag from the environment and checks the values.
func (f *flags) complete(cmd *cobra.Command, env func(string) string) error {
	changed := cmd.Flags().Changed
	if v := env("ONSIGHT_OXEND"); v != "" && !changed("oxend") {
		f.oxend = strings.Split(v, ",")
	}
	if v := env("ONSIGHT_DB"); v != "" && !changed("db") {
		f.db = v
	}
	if v := env("ONSIGHT_BUNDLE"); v != "" && !changed("bundle") {
		f.bundle = v
	}
	if v := env("ONSIGHT_NETWORK"); v != "" && !changed("network") {
		f.network = v
	}
	urls := f.oxend[:0]
	for _, u := range f.oxend {
		if u = strings.TrimSpace(u); u != "" {
			urls = append(urls, u)
		}
	}
	f.oxend = urls
	if f.network != "" {
		if _, err := ons.ParseNetwork(f.network); err != nil {
			return usagef("--network: unknown network %q: use one of %s", f.network, strings.Join(networkNames(), ", "))
		}
	}
	may := formats(cmd)
	if !changed("output") {
		f.output = may[0]
	}
	if !slices.Contains(may, f.output) {
		return usagef("--output: unknown format %q: use %s", f.output, either(may))
	}
	if f.logAs != "text" && f.logAs != "json" {
		return usagef("--log-format: unknown format %q: use text or json", f.logAs)
	}
	if f.rate < 0 || f.connections < 0 {
		return usagef("--oxend-rate and --oxend-connections: must not be negative")
	}
	if scheme, _, ok := strings.Cut(f.db, ":"); ok && (scheme == "postgres" || scheme == "postgresql") {
		return usagef("--db: %s is not supported yet: use a path or sqlite:PATH", scheme)
	}
	if f.path() == "" && (changed("db") || f.db != "") {
		return usagef("--db: names no file: use a path or sqlite:PATH")
	}
	return nil
}

func (f *flags) json() bool { return f.output == "json" }

// path is the database file that was asked for; "" when none was named.
func (f *flags) path() string { return strings.TrimPrefix(f.db, "sqlite:") }

// defaultPath is where the database of a network lives when none is named.
func defaultPath(env func(string) string, n ons.Network) (string, error) {
	return defaultFile(env, n, ".db")
}

// defaultFile is where a file of an ending and a network lives when none is named.
func defaultFile(env func(string) string, n ons.Network, ending string) (string, error) {
	dir := env("XDG_DATA_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find the data folder: %w", err)
		}
		dir = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(dir, "onsight", "onsight-"+string(n)+ending), nil
}

// logLevel is the given level, with --verbose that of every step.
func (f *flags) logLevel(level slog.Level) slog.Level {
	if f.verbose {
		return slog.LevelDebug
	}
	return level
}

// logger writes to standard error from the given level on, with --verbose every step.
func (f *flags) logger(p program, level slog.Level) *slog.Logger {
	return f.loggerAt(p, f.logLevel(level))
}

// loggerAt writes to standard error from a level on that may change.
func (f *flags) loggerAt(p program, level slog.Leveler) *slog.Logger {
	opt := &slog.HandlerOptions{Level: level}
	if f.logAs == "json" {
		return slog.New(slog.NewJSONHandler(p.stderr, opt))
	}
	return slog.New(slog.NewTextHandler(p.stderr, opt))
}

// followOptions are the settings of the commands that follow the chain.
type followOptions struct {
	interval    time.Duration
	year        uint64
	acceptBelow uint64
}

func (o *followOptions) register(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&o.interval, "interval", 10*time.Second, "time between questions for new blocks")
	cmd.Flags().Uint64Var(&o.acceptBelow, "accept-reorg-below", 0, "accept a reorganisation that undoes final blocks if the chains part at or below `HEIGHT`")
	cmd.Flags().Uint64Var(&o.year, "lokinet-year", 0, "`BLOCKS` in one lokinet year on a fakechain that changed it (ONSIGHT_LOKINET_YEAR)")
}

// complete fills what was not given as a flag from the environment and checks the values.
func (o *followOptions) complete(cmd *cobra.Command, env func(string) string) error {
	if v := env("ONSIGHT_LOKINET_YEAR"); v != "" && !cmd.Flags().Changed("lokinet-year") {
		n, err := strconv.ParseUint(v, 10, 32)
		if err != nil {
			return usagef("ONSIGHT_LOKINET_YEAR: %q is not a number of blocks", v)
		}
		o.year = n
	}
	if o.interval < time.Second {
		return usagef("--interval: must be at least 1s")
	}
	return nil
}
