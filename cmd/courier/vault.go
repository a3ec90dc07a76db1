package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"onsight/client/vault"
)

type vaultView struct {
	Passphrase bool   `json:"passphrase"`
	Keyring    string `json:"keyring"` // open, locked, none
}

func (p program) vaultCommand(f *flags) *cobra.Command {
	cmd := &cobra.Command{
		Use: "vault", Short: "What opens the profile: the keyring, a passphrase",
		Long: `What opens the profile. The key of the database is sealed under a passphrase, or in the system's keyring, or both. While the keyring
has it, no command asks for the passphrase; a passphrase file that is named is used before it.`,
	}
	var file string
	change := &cobra.Command{
		Use: "passphrase", Short: "Seal the profile under another passphrase, or a first one",
		Long: `Seal the profile under another passphrase, or a first one. It is asked for at the terminal, or is the first line of a file.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := p.openVault(f)
			if err != nil {
				return err
			}
			got, err := p.unlock(cmd.Context(), f, v)
			if err != nil {
				return err
			}
			var next []byte
			if file != "" {
				next, err = p.secretFile(file)
			} else {
				next, err = p.newSecret(cmd.Context(), f, "new passphrase for profile "+f.profile)
			}
			if err != nil {
				return err
			}
			defer clear(next)
			return v.SetPassphrase(nil, got.key, next)
		},
	}
	change.Flags().StringVar(&file, "new-passphrase-file", "", "`FILE` whose first line is the new passphrase")
	cmd.AddCommand(
		&cobra.Command{
			Use: "status", Short: "Say what opens the profile", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				v, err := p.openVault(f)
				if err != nil {
					return err
				}
				view := vaultView{Passphrase: v.HasPassphrase(), Keyring: "open"}
				switch _, err := p.recall(cmd.Context(), f, v); {
				case cmd.Context().Err() != nil:
					return err
				case errors.Is(err, vault.ErrLocked):
					view.Keyring = "locked"
				case err != nil:
					view.Keyring = "none"
				}
				return p.show(f, view, func() error {
					says := map[string]string{"open": "has the key: no passphrase is asked for", "locked": "has no key", "none": "there is none"}
					t := p.table()
					t.Pair("keyring", says[view.Keyring])
					passphrase := "none"
					if view.Passphrase {
						passphrase = "opens the profile"
					}
					t.Pair("passphrase", passphrase)
					return t.Write(p.stdout)
				})
			},
		},
		&cobra.Command{
			Use: "lock", Short: "Take the key out of the keyring", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				v, err := p.openVault(f)
				if err != nil {
					return err
				}
				_, err = unlessOver(cmd.Context(), p, func() (struct{}, error) { return struct{}{}, v.Forget() })
				if errors.Is(err, vault.ErrNoPassphrase) {
					return fmt.Errorf("%w: give it one first with `courier vault passphrase`", err)
				}
				return err
			},
		},
		&cobra.Command{
			Use: "unlock", Short: "Put the key into the keyring, so that no passphrase is asked for", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				v, err := p.openVault(f)
				if err != nil {
					return err
				}
				got, err := p.unlock(cmd.Context(), f, v)
				if err != nil || got.how == "keyring" {
					return err
				}
				_, err = unlessOver(cmd.Context(), p, func() (struct{}, error) { return struct{}{}, v.Remember(got.key) })
				if errors.Is(err, vault.ErrKeyring) {
					return fmt.Errorf("%w: without one each command derives the key anew, with the passphrase from the terminal or COURIER_PASSPHRASE_FILE", err)
				}
				return err
			},
		},
		change,
	)
	return cmd
}
