package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"onsight/client"
	"onsight/client/store"
	"onsight/client/vault"
	"onsight/internal/terminal"
)

type initOptions struct {
	restore    bool
	passphrase bool
	name       string
}

// accountView is the JSON of an account.
type accountView struct {
	ID      string  `json:"id"`
	Name    string  `json:"name,omitempty"`
	Network string  `json:"network"`
	Profile string  `json:"profile"`
	Folder  string  `json:"folder"`
	Created *string `json:"created"`
}

func (p program) initCommand(f *flags) *cobra.Command {
	var opt initOptions
	cmd := &cobra.Command{
		Use:   "init [--restore [-]]",
		Short: "Make an account, or restore one from its words",
		Long: `Make an account, or restore one from its 13 words, and print its id. Nothing is registered anywhere.

The key of its database is kept by the system's keyring. Where there is none, it is sealed under a passphrase, which is asked for at the
terminal; where there is no terminal either, it is the first line of the file that COURIER_PASSPHRASE_FILE names. A passphrase file wins
over a keyring.

--restore asks for the words at the terminal, which does not show them, on one line or on several; with - they are read from standard
input. A restored account finds what was sent to it within the last 14 days, and what its other devices sent, but not the name that others
are shown, which Session's apps share in a way that courier does not read yet: give it with --name, or later with courier account name.

The words are the account: who has them is you, and without them nobody can help. "courier account recovery" shows them.`,
		Example: `  courier init --name "Alice"
  courier init --restore
  courier init --profile bot --restore - < words.txt`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && (args[0] != "-" || !opt.restore) {
				return usagef("init takes nothing but --restore -: words are no arguments, since every user of a machine can read those")
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.init(cmd.Context(), f, opt, len(args) == 1)
		},
	}
	cmd.Flags().BoolVar(&opt.restore, "restore", false, "restore an account from its words, typed at the terminal, or with - from standard input")
	cmd.Flags().BoolVar(&opt.passphrase, "passphrase", false, "ask for a passphrase though there is a keyring")
	cmd.Flags().StringVar(&opt.name, "name", "", "`NAME` that others are shown")
	return cmd
}

func (p program) init(ctx context.Context, f *flags, opt initOptions, piped bool) error {
	if f.hasProfile() {
		return fmt.Errorf("%s: %w", f.folder(), errProfile)
	}
	if err := client.CheckProfileName(opt.name); err != nil {
		return usagef("--name: %w", err)
	}
	seed, err := p.newSeed(ctx, f, opt, piped)
	if err != nil {
		return err
	}
	a := client.NewAccount(seed)
	now := time.Now()
	account := store.Account{Seed: seed, ID: a.ID(), Network: string(f.newNetwork()), Name: opt.name, Created: now}
	if opt.name != "" {
		account.Renamed = now
	}
	// All of it in a folder beside, which then gets its name: a profile is there as a whole or not at all.
	if err := os.MkdirAll(f.home, 0o700); err != nil {
		return fmt.Errorf("make the folder of profiles: %w", err)
	}
	sweep(f.home, now)
	folder, err := os.MkdirTemp(f.home, ".init-")
	if err != nil {
		return fmt.Errorf("make a profile: %w", err)
	}
	release, err := claim(folder, "init") // for as long as this process lives, it is not swept away
	if err == nil {
		defer release()
	}
	err = p.furnish(ctx, f, opt, folder, account)
	if err == nil {
		err = os.Rename(folder, f.folder())
		if err != nil && f.hasProfile() {
			err = fmt.Errorf("%s: %w", f.folder(), errProfile) // another init was faster
		}
	}
	if err != nil {
		return errors.Join(err, discard(folder))
	}
	if err := f.checkProxy(); err != nil {
		return err
	}
	v := newAccountView(f, account)
	if err := p.show(f, v, func() error {
		_, err := fmt.Fprintln(p.stdout, v.ID)
		return err
	}); err != nil {
		return err
	}
	if opt.restore {
		return nil
	}
	return p.offerWords(ctx, f, seed)
}

func newAccountView(f *flags, a store.Account) accountView {
	return accountView{ID: client.ID(a.ID).String(), Name: a.Name, Network: a.Network, Profile: f.profile, Folder: f.folder(), Created: clock(a.Created)}
}

// newSeed draws a seed, or reads the words of one.
func (p program) newSeed(ctx context.Context, f *flags, opt initOptions, piped bool) (client.Seed, error) {
	if !opt.restore {
		return client.NewSeed(nil)
	}
	var words []byte
	var err error
	if piped {
		words, err = p.input(ctx, maxSecret)
	} else {
		words, err = p.words(ctx, f)
	}
	if errors.Is(err, errNoTerminal) {
		return client.Seed{}, fmt.Errorf("recovery words: %w: pipe them in with --restore -", err)
	}
	if err != nil {
		return client.Seed{}, err
	}
	defer clear(words)
	seed, err := client.ParseSeed(string(words))
	if err != nil {
		return client.Seed{}, usagef("recovery words: %w", err)
	}
	return seed, nil
}

// furnish makes the vault and the database of a profile in a folder.
func (p program) furnish(ctx context.Context, f *flags, opt initOptions, folder string, a store.Account) error {
	key, err := p.newVault(ctx, f, opt, filepath.Join(folder, vaultFile))
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, store.Config{Path: filepath.Join(folder, storeFile), Key: key.Derive(purpose), Log: f.logger(p)})
	if err != nil {
		return err
	}
	return errors.Join(s.Create(ctx, a), s.Close())
}

// newVault makes a vault under the passphrase in a file, else with its key in the keyring, else under one that is typed.
func (p program) newVault(ctx context.Context, f *flags, opt initOptions, path string) (key vault.Key, err error) {
	var keyring error
	if f.passphrase == "" && !opt.passphrase {
		key, keyring = unlessOver(ctx, p, func() (vault.Key, error) { return vault.Create(nil, path, nil) })
		if !errors.Is(keyring, vault.ErrKeyring) {
			return key, keyring
		}
	}
	var passphrase []byte
	if f.passphrase != "" {
		passphrase, err = p.secretFile(f.passphrase)
	} else {
		passphrase, err = p.newSecret(ctx, f, "new passphrase for profile "+f.profile)
	}
	if errors.Is(err, errNoTerminal) {
		if keyring != nil {
			err = fmt.Errorf("%w, and %w", vault.ErrKeyring, err) // which file it was for is not the point
		}
		return key, fmt.Errorf("%w: %w", errNoSeal, err)
	}
	if err != nil {
		return key, err
	}
	defer clear(passphrase)
	return vault.Create(nil, path, passphrase)
}

// sweep removes profiles whose init was killed: it holds no lock any more. One that locks nothing may be asking something for a day.
func sweep(home string, now time.Time) {
	left, _ := filepath.Glob(filepath.Join(home, ".init-*")) // the pattern is sound
	for _, folder := range left {
		info, err := os.Lstat(folder)
		dead := err == nil && now.Sub(info.ModTime()) > 24*time.Hour
		if err == nil && exists(filepath.Join(folder, locksFile)) {
			release, err := claim(folder, "init")
			if dead = err == nil; dead {
				defer release()
			}
		}
		if dead {
			_ = discard(folder) // the next init tries again
		}
	}
}

// discard removes a profile that did not come to be, its key in the keyring too.
func discard(folder string) error {
	if v, err := vault.Open(filepath.Join(folder, vaultFile)); err == nil {
		_ = v.Discard()
	}
	return os.RemoveAll(folder)
}

// offerWords shows the words of a new account, if somebody at the terminal wants that.
func (p program) offerWords(ctx context.Context, f *flags, seed client.Seed) error {
	show, err := false, errNoTerminal
	if terminal.Is(p.stdin) { // a script is not asked at the terminal that it was started from: it has what it needs
		show, err = p.confirm(ctx, f, "Show the 13 words that this account can be restored from?")
	}
	switch {
	case errors.Is(err, errNoTerminal):
	case err != nil:
		p.tell("the account was made; `courier account recovery` shows its words, without which it is lost with this machine")
		return err
	case show:
		fmt.Fprintln(p.stderr, "\n  "+strings.ReplaceAll(seed.Words(), " ", "\n  ")+"\n")
		return nil
	}
	p.tell("write down the words of `courier account recovery`: without them the account is lost with this machine")
	return nil
}
