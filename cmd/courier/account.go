package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"rsc.io/qr"

	"onsight/client"
)

func (p program) accountCommand(f *flags) *cobra.Command {
	cmd := &cobra.Command{Use: "account", Short: "The own account: id, name, recovery words"}
	cmd.AddCommand(
		&cobra.Command{
			Use: "show", Short: "Show the id and what else is known of the own account", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return p.at(cmd.Context(), f, func(d *desk) error {
					v := newAccountView(f, d.account)
					return p.show(f, v, func() error {
						t := p.table()
						t.Pair("id", v.ID)
						t.Pair("name", v.Name)
						t.Pair("network", v.Network)
						t.Pair("profile", v.Profile)
						t.Pair("folder", v.Folder)
						t.Pair("created", moment(d.account.Created))
						return t.Write(p.stdout)
					})
				})
			},
		},
		&cobra.Command{
			Use: "qr", Short: "Draw the id as a code that phones read", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return p.at(cmd.Context(), f, func(d *desk) error {
					id := client.ID(d.account.ID).String()
					return p.show(f, map[string]string{"id": id}, func() error { return drawCode(p.stdout, id) })
				})
			},
		},
		&cobra.Command{
			Use: "name [NAME]", Short: "Show or change the name that others are shown",
			Long: "Show the name that others are shown, or change it. It travels with each message that is sent from then on; \"\" is none.",
			Args: cobra.MaximumNArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
			RunE: func(cmd *cobra.Command, args []string) error {
				return p.at(cmd.Context(), f, func(d *desk) error {
					if len(args) == 1 {
						if err := d.Rename(cmd.Context(), args[0]); err != nil {
							return err
						}
						d.account.Name = args[0]
					}
					v := newAccountView(f, d.account)
					return p.show(f, v, func() error {
						if v.Name == "" {
							return nil
						}
						return p.line(v.Name)
					})
				})
			},
		},
		&cobra.Command{
			Use: "recovery", Short: "Show the 13 words that the account can be restored from",
			Long: "Show the 13 words that the account can be restored from, here and in Session's own clients. Who has them reads and writes as you.",
			Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return p.at(cmd.Context(), f, func(d *desk) error {
					words := d.Account().Seed().Words()
					return p.show(f, map[string]string{"words": words}, func() error {
						_, err := fmt.Fprintln(p.stdout, words)
						return err
					})
				})
			},
		},
	)
	return cmd
}

// drawCode draws a QR code in half blocks, dark on light whatever the terminal's colours are.
func drawCode(w io.Writer, text string) error {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return fmt.Errorf("draw the code: %w", err)
	}
	const quiet = 4 // what the standard wants around it
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		for x := -quiet; x < code.Size+quiet; x++ {
			// A code that is drawn light on dark is not read by all: so what is light is painted.
			switch upper, lower := !code.Black(x, y), !code.Black(x, y+1); {
			case upper && lower:
				b.WriteRune('█')
			case upper:
				b.WriteRune('▀')
			case lower:
				b.WriteRune('▄')
			default:
				b.WriteByte(' ')
			}
		}
		b.WriteByte('\n')
	}
	_, err = io.WriteString(w, b.String())
	return err
}
