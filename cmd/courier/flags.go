package main

import (
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"onsight/client"
	"onsight/ons"
)

// flags are the settings that all commands share. Each has an environment variable; a flag wins over it.
type flags struct {
	home       string
	profile    string
	passphrase string // file that holds it
	output     string
	noInput    bool
	verbose    bool
	logAs      string

	network    string
	seeds      []string
	proxy      string
	maxLatency time.Duration
	agree, ask int
	encryption string

	by    *url.URL    // proxy, parsed; nil: none
	local bool        // the command asks nobody anything
	once  []string    // flags about a single message that came from the environment
	extra []*registry // who is asked for names beside the nodes
}

func (f *flags) register(root *cobra.Command, env func(string) string) {
	pf := root.PersistentFlags()
	pf.StringVar(&f.home, "home", "", "`FOLDER` of all profiles (default courier in the XDG data folder)")
	pf.StringVar(&f.profile, "profile", "default", "`NAME` of the profile: its account and its database")
	pf.StringVar(&f.passphrase, "passphrase-file", "", "`FILE` whose first line is the passphrase, where there is neither keyring nor terminal")
	pf.StringVarP(&f.output, "output", "o", "text", "`FORMAT` of the answer: text, json, or jsonl for one JSON object a line")
	pf.BoolVar(&f.noInput, "no-input", false, "never ask at the terminal: fail instead")
	pf.BoolVarP(&f.verbose, "verbose", "v", false, "log every step to standard error")
	pf.StringVar(&f.logAs, "log-format", "text", "`FORMAT` of the log: text or json")
	pf.StringVar(&f.network, "network", "", "`NETWORK` of a new account, or to insist on (default mainnet, with --seeds devnet)")
	pf.StringSliceVar(&f.seeds, "seeds", nil, "`URL` of a seed node, repeatable or comma separated (default the official ones of mainnet)")
	pf.StringVar(&f.proxy, "proxy", "", "`URL` of a proxy for everything: socks5://host:port or http://host:port; none to go without where a profile was used with one")
	pf.DurationVar(&f.maxLatency, "max-latency", 500*time.Millisecond, "leave slower nodes alone while there are others")
	pf.IntVar(&f.agree, "agree", 3, "how many nodes must say the same of a name")
	pf.IntVar(&f.ask, "ask", 5, "how many are asked")
	pf.StringVar(&f.encryption, "encryption", "aes-gcm", "`CIPHER` of onion requests: aes-gcm, which most clients use, or xchacha20")
	fixed(root, "encryption", "aes-gcm", "xchacha20")
	fixed(root, "output", "text", "json", "jsonl")
	fixed(root, "log-format", "text", "json")
	fixed(root, "network", networks()...)
	_ = root.RegisterFlagCompletionFunc("profile", func(cmd *cobra.Command, _ []string, _ string) (list []string, _ cobra.ShellCompDirective) {
		if f.complete(cmd, env) == nil {
			list, _ = profiles(f.home)
		}
		return list, cobra.ShellCompDirectiveNoFileComp
	})
}

// fixed completes a flag to what it may be.
func fixed(cmd *cobra.Command, flag string, values ...string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic("courier: internal error: " + err.Error())
	}
}

func networks() []string {
	return []string{string(ons.Mainnet), string(ons.Testnet), string(ons.Devnet), string(ons.Fakechain), string(ons.Stagenet), string(ons.Localdev)}
}

// variable is the environment variable of a flag.
func variable(flag string) string {
	return "COURIER_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// onceFlags are about one message or question: who leaves their variables set has them in every command that follows.
var onceFlags = []string{"message", "key", "reply-to", "dry-run", "yes"}

// complete fills what was not given as a flag from the environment and checks the values.
func (f *flags) complete(cmd *cobra.Command, env func(string) string) error {
	var wrong error
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		v := env(variable(flag.Name))
		if flag.Changed || v == "" || wrong != nil || flag.Name == "help" {
			return
		}
		if slices.Contains(onceFlags, flag.Name) {
			f.once = append(f.once, flag.Name)
		}
		if err := cmd.Flags().Set(flag.Name, v); err != nil {
			wrong = usagef("%s: %q is not what --%s takes", variable(flag.Name), v, flag.Name)
		}
	})
	if wrong != nil {
		return wrong
	}
	if !slices.Contains([]string{"text", "json", "jsonl"}, f.output) {
		return usagef("--output: unknown format %q: use text, json or jsonl", f.output)
	}
	if f.logAs != "text" && f.logAs != "json" {
		return usagef("--log-format: unknown format %q: use text or json", f.logAs)
	}
	if err := checkProfile(f.profile); err != nil {
		return err
	}
	if f.home == "" {
		var err error
		if f.home, err = dataFolder(env); err != nil {
			return err
		}
	}
	seeds := f.seeds[:0]
	for _, s := range f.seeds {
		if s = strings.TrimSpace(s); s != "" {
			if u, err := url.Parse(s); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
				return usagef("--seeds: %q is not http://host:port or https://host:port", s)
			}
			seeds = append(seeds, s)
		}
	}
	f.seeds = seeds
	if f.network != "" {
		if _, err := ons.ParseNetwork(f.network); err != nil {
			return usagef("--network: unknown network %q: use one of %s", f.network, strings.Join(networks(), ", "))
		}
	}
	f.local = staysHome(cmd.CommandPath())
	if tells, err := cmd.Flags().GetBool("receipt"); err == nil && tells { // of messages read
		f.local = false
	}
	if f.proxy != "" && f.proxy != noProxy {
		u, err := url.Parse(f.proxy)
		if err != nil || u.Host == "" || u.Scheme != "socks5" && u.Scheme != "socks5h" && u.Scheme != "http" {
			return usagef("--proxy: is not socks5://host:port or http://host:port") // it may hold a password
		}
		f.by = u
	}
	if f.ask > client.MaxAsk {
		return usagef("--ask %d: at most %d nodes are asked", f.ask, client.MaxAsk)
	}
	if f.agree < 1 || f.ask < f.agree || f.agree*2 <= f.ask {
		return usagef("--agree %d of --ask %d: a majority of those that are asked must say the same", f.agree, f.ask)
	}
	if f.encryption != "aes-gcm" && f.encryption != "xchacha20" {
		return usagef("--encryption: unknown cipher %q: use aes-gcm or xchacha20", f.encryption)
	}
	if f.maxLatency <= 0 {
		return usagef("--max-latency: must be more than 0")
	}
	return nil
}

// newNetwork is the network of a new account.
func (f *flags) newNetwork() ons.Network {
	switch {
	case f.network != "":
		return ons.Network(f.network)
	case len(f.seeds) > 0:
		return ons.Devnet
	}
	return ons.Mainnet
}

// checkNetwork holds what was asked for against the network that an account lives in.
func (f *flags) checkNetwork(n ons.Network) error {
	switch {
	case f.network != "" && f.network != string(n):
		return usagef("--network %s: the account of profile %s is of %s", f.network, f.profile, n)
	case f.network == "" && len(f.seeds) > 0 && n == ons.Mainnet:
		return usagef("--seeds: the account of profile %s is of mainnet, which has its own: add --network mainnet if these are of it too", f.profile)
	}
	return nil
}

func (f *flags) seedNodes() (list []client.SeedNode) {
	for _, s := range f.seeds {
		list = append(list, client.SeedNode{URL: s})
	}
	return list
}

// logger writes to standard error: warnings, with --verbose every step.
func (f *flags) logger(p program) *slog.Logger {
	level := slog.LevelWarn
	if f.verbose {
		level = slog.LevelDebug
	}
	opt := &slog.HandlerOptions{Level: level}
	var h slog.Handler = slog.NewTextHandler(p.stderr, opt)
	if f.logAs == "json" {
		h = slog.NewJSONHandler(p.stderr, opt)
	}
	return slog.New(h)
}
