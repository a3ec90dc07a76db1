package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"onsight/ons"
	"onsight/ons/remote"
)

// errNoBundle means that there is no bundle to look into.
var errNoBundle = fmt.Errorf("there is no bundle yet: %w", ons.ErrUnavailable)

// Why a bundle does not tell what is not registered; ons.ErrUnavailable is beside them.
var (
	errOldBundle = errors.New("it may be by now")
	errBehind    = errors.New("it cannot tell what is not registered")
)

func (p program) bundleCommand(f *flags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bundle",
		Short: "Keep the whole registry here, to look names up without asking",
		Long: `Keep the whole registry here, to look names up without asking: about 106 bytes a name. Who gives it learns that it was asked
for, and nothing of the names that are looked up in it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var server, kind string
	pull := &cobra.Command{
		Use:   "pull",
		Short: "Get the bundle of an onsight server, or what changed in it",
		Long: `Get the bundle of an onsight server, or what changed in it since the one that is here. The file is replaced in one step, and only
by a bundle that is whole: its digest is checked. That of a server which does not know the newest blocks is not kept.

What a bundle does not have is not registered for ten minutes from its block on; then it may be by now, and is not told.`,
		Example: `  onsight bundle pull --server https://names.example.org`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if server == "" {
				return usagef("--server: must be given")
			}
			return p.pullBundle(cmd.Context(), f, server)
		},
	}
	pull.Flags().StringVar(&server, "server", "", "get it from the onsight server at `URL`")
	resolve := &cobra.Command{
		Use:     "resolve NAME",
		Short:   "Print the value a name stands for, from the bundle",
		Long:    "Print the value a name stands for, from the bundle, without asking anybody: the same as onsight resolve --offline.\n\n" + typedHelp,
		Example: `  onsight bundle resolve jagerman`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := p.typed(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			name, err := parseName(kind, text)
			if err != nil {
				return err
			}
			return p.resolve(cmd.Context(), f, name, resolveOptions{offline: true})
		},
	}
	registerType(resolve, &kind)
	cmd.AddCommand(pull, resolve)
	return cmd
}

// bundlePath is the bundle to read, found as the database is.
func (f *flags) bundlePath(env func(string) string) (string, error) {
	if f.bundle != "" {
		return f.bundle, nil
	}
	return f.onlyFile(env, ".bundle", "--bundle")
}

// errBundleNetwork means that a bundle has names of another network than the one insisted on, or the server's.
var errBundleNetwork = fmt.Errorf("the bundle is of another network: %w", ons.ErrUnavailable)

// readBundle reads the bundle; where there is none, the error wraps errNoBundle and fs.ErrNotExist.
func (f *flags) readBundle(env func(string) string) (*ons.Bundle, error) {
	path, err := f.bundlePath(env)
	if err != nil {
		return nil, err
	}
	b, err := readBundle(path)
	if err == nil && f.network != "" && b.At().Network != ons.Network(f.network) {
		err = fmt.Errorf("%s: holds %s, not %s: %w", path, b.At().Network, f.network, errBundleNetwork)
	}
	return b, err
}

func readBundle(path string) (*ons.Bundle, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w: %w", path, errNoBundle, fs.ErrNotExist)
	}
	if err != nil {
		return nil, unavailable(err)
	}
	b, err := ons.ParseBundle(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", path, ons.ErrUnavailable, err)
	}
	return b, nil
}

// askBundle looks a name up without asking anybody.
func (f *flags) askBundle(ctx context.Context, env func(string) string, key ons.Key) (answer, error) {
	b, err := f.readBundle(env)
	if err != nil {
		return answer{}, err
	}
	at := b.At()
	a := answer{
		source: fromBundle, revealed: nothing, rules: ons.Rules{Network: at.Network},
		asOf: asOfView{Height: at.Height, Hash: at.Hash.String(), Time: clock(at.Time)},
	}
	a.sealed, err = b.Lookup(ctx, key.Type, key.Hash)
	if old := tooOld("the bundle", at.Height, time.Unix(at.Time, 0)); errors.Is(err, ons.ErrNotFound) && old != nil {
		return a, fmt.Errorf("%w: %w", old, errOldBundle)
	}
	a.warning = stale(at)
	return a, err
}

// tooOld returns why what has a block and nothing newer cannot tell what is not registered; nil if it can.
func tooOld(what string, height uint64, made time.Time) error {
	if age := time.Since(made); age > staleAfter {
		return fmt.Errorf("not registered by block %d, and %s ends with that, %s ago: %w", height, what, age.Round(time.Second), ons.ErrUnavailable)
	}
	return nil
}

// pulledView is what a pull did.
type pulledView struct {
	File     string     `json:"file"`
	Network  string     `json:"network"`
	AsOf     asOfView   `json:"as_of"`
	Names    countsView `json:"names"` // expired ones included
	Digest   string     `json:"digest"`
	Bytes    int        `json:"bytes"`    // of the file
	Received int        `json:"received"` // bytes
	Delta    bool       `json:"delta"`    // only what changed was received
}

func (p program) pullBundle(ctx context.Context, f *flags, server string) error {
	r, err := f.openRemote(ctx, server)
	if err != nil {
		return err
	}
	got, path, err := p.freshBundle(ctx, f, r)
	if err != nil {
		return err
	}
	if !r.Ready() {
		return fmt.Errorf("%w: its bundle is not kept", behind(r, got.Bundle))
	}
	next := got.Bundle
	at, n := next.At(), next.Len()
	v := pulledView{
		File: path, Network: string(at.Network), AsOf: asOfView{Height: at.Height, Hash: at.Hash.String(), Time: clock(at.Time)},
		Names:  countsView{Session: uint64(n[0]), Wallet: uint64(n[1]), Lokinet: uint64(n[2])},
		Digest: fmt.Sprintf("%x", next.Digest()), Bytes: len(next.Bytes()), Received: got.Received, Delta: got.Delta,
	}
	if f.json() {
		return p.printJSON(v)
	}
	what := "all of it"
	if v.Delta {
		what = "what changed"
	}
	_, err = fmt.Fprintf(p.stdout, "%s: %s at height %d: %d session, %d wallet and %d lokinet names, digest %s; %d bytes received, %s\n",
		v.File, v.Network, at.Height, n[0], n[1], n[2], v.Digest, v.Received, what)
	return err
}

// behind is why the bundle of a server that does not know the newest blocks cannot tell what is not registered.
func behind(r *remote.Server, b *ons.Bundle) error {
	return fmt.Errorf("%s: stands at block %d and does not know the newest ones: %w: %w", r.Host(), b.At().Height, errBehind, ons.ErrUnavailable)
}

// freshBundle brings the bundle that is kept here up to date, and returns it with its file. That of a server which does not know
// the newest blocks is returned and not kept: a bundle does not say of itself that it lacks something, and what is kept may say
// that a name is not registered.
func (p program) freshBundle(ctx context.Context, f *flags, r *remote.Server) (got remote.Pulled, path string, err error) {
	if path = f.bundle; path == "" {
		if path, err = defaultFile(p.env, r.Network(), ".bundle"); err != nil {
			return got, path, err
		}
	}
	old, err := readBundle(path)
	switch {
	case err == nil && old.At().Network != r.Network():
		return got, path, fmt.Errorf("%s: holds %s, not %s: %w", path, old.At().Network, r.Network(), errBundleNetwork)
	case err != nil && !errors.Is(err, errNoBundle):
		fmt.Fprintf(p.stderr, "onsight: warning: %v: getting it anew\n", err)
	}
	if got, err = r.Bundle(ctx, old); err != nil {
		return got, path, err
	}
	if r.Ready() && got.Bundle != old {
		if err := writeFile(path, got.Bundle.Bytes()); err != nil {
			return got, path, fmt.Errorf("keep the bundle: %w", err)
		}
		if err := keepOrigin(path, old, got, r.Host()); err != nil {
			return got, path, err
		}
	}
	switch at := got.Bundle.At(); {
	case !r.Ready():
		fmt.Fprintf(p.stderr, "onsight: warning: the server stands at block %d and does not know the newest ones\n", at.Height)
	case r.Files():
		if warning := stale(at); warning != "" {
			fmt.Fprintln(p.stderr, "onsight: warning:", warning)
		}
	}
	return got, path, nil
}

// originEnding follows the name of a bundle's file in that of the one that says from whom the bundle came: its digest, and the
// hosts, each in a line. It is of no other bundle, so one that was put there by hand is of unknown origin.
const originEnding = ".from"

// keepOrigin remembers that a bundle came from a host, and if only what changed did, from those that the old one came from.
func keepOrigin(path string, old *ons.Bundle, got remote.Pulled, host string) error {
	hosts := []string{hostName(host)}
	if got.Delta {
		before := originsOf(path, old)
		if len(before) == 0 {
			return nil // unknown, as it was
		}
		if !slices.Contains(before, hosts[0]) {
			hosts = append(hosts, before...)
		} else {
			hosts = before
		}
	}
	text := fmt.Sprintf("%x\n%s\n", got.Bundle.Digest(), strings.Join(hosts, "\n"))
	if err := writeFile(path+originEnding, []byte(text)); err != nil {
		return fmt.Errorf("remember from whom the bundle came: %w", err)
	}
	return nil
}

// originsOf returns the hosts that a bundle came from; none: unknown.
func originsOf(path string, b *ons.Bundle) []string {
	text, err := os.ReadFile(path + originEnding)
	if err != nil {
		return nil
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if lines[0] != fmt.Sprintf("%x", b.Digest()) {
		return nil
	}
	return lines[1:]
}

// hostName returns a host as it is compared: without its port, since who has one has the others.
func hostName(host string) string {
	return strings.TrimSuffix(strings.ToLower((&url.URL{Host: host}).Hostname()), ".")
}

// stale is the warning about an old bundle; "" if it is new.
func stale(at ons.BundlePoint) string {
	if age := time.Since(time.Unix(at.Time, 0)); age > staleAfter {
		return fmt.Sprintf("the bundle is of block %d, %s ago: this may be out of date", at.Height, age.Round(time.Second))
	}
	return ""
}

// writeFile puts a file in the place of what is there in one step.
func writeFile(path string, b []byte) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.new")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	_, err = tmp.Write(b)
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
