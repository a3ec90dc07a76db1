package main

import (
	"context"

	"github.com/spf13/cobra"

	"onsight/client/store"
)

// exportView is one line of an export: exactly one of its parts.
type exportView struct {
	Account *accountView `json:"account,omitempty"`
	Contact *contactView `json:"contact,omitempty"`
	Message *messageView `json:"message,omitempty"`
}

func (p program) exportCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "export",
		Short: "Print all contacts and messages, one JSON object a line",
		Long: `Print the account (without its secret), all contacts and all messages, one JSON object a line, messages in the order of their numbers. It
is in clear: mind where it goes.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.at(cmd.Context(), f, func(d *desk) error { return p.export(cmd.Context(), f, d) })
		},
	}
}

func (p program) export(ctx context.Context, f *flags, d *desk) error {
	lines := *f
	if lines.output == "text" {
		lines.output = "jsonl"
	}
	b, err := d.book(ctx)
	if err != nil {
		return err
	}
	l := newList[exportView](p, &lines, nil, nil)
	own := newAccountView(f, d.account)
	if err := l.add(exportView{Account: &own}); err != nil {
		return err
	}
	err = d.eachContact(ctx, func(c store.Contact) error {
		v := b.contact(&c)
		return l.add(exportView{Contact: &v})
	})
	if err != nil {
		return err
	}
	var after int64
	for {
		list, err := d.store.History(ctx, after, page)
		if err != nil {
			return err
		}
		for i := range list {
			after = list[i].Seq
			v := b.message(&list[i])
			if err := l.add(exportView{Message: &v}); err != nil {
				return err
			}
		}
		if len(list) == 0 {
			return l.close()
		}
	}
}
