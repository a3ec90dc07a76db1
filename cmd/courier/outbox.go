package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"onsight/client"
	"onsight/client/store"
	"onsight/internal/terminal"
)

// outboxView is the JSON of what waits: a message that is to be sent or was given up, or one that is held.
type outboxView struct {
	Seq      int64      `json:"seq,omitempty"`  // number of the message; absent: nobody sees it, such as a receipt
	Held     int64      `json:"held,omitempty"` // number of what is held for a name
	To       string     `json:"to"`
	ID       *client.ID `json:"id,omitempty"`
	State    string     `json:"state"` // pending, given_up, held
	Copy     bool       `json:"copy"`  // for the own other devices
	Attempts int        `json:"attempts"`
	Next     *string    `json:"next,omitempty"`
	Reason   string     `json:"reason,omitempty"`
}

func (p program) outboxCommand(f *flags) *cobra.Command {
	cmd := &cobra.Command{
		Use: "outbox", Short: "What is still to be sent: list, retry, drop",
		Long: `What is still to be sent, was given up, or is held because its name points to another account than before.

What is pending is sent by whichever courier runs next and its time has come; retry does not wait for that.`,
	}
	var all bool
	var held bool
	retry := &cobra.Command{
		Use: "retry [NUMBER…]", Short: "Send what is due, and these messages now, given up or not",
		Args: cobra.ArbitraryArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return p.at(ctx, f, func(d *desk) error {
				for _, arg := range args {
					seq, err := number(arg)
					if err != nil {
						return err
					}
					if err := d.store.Retry(ctx, seq, d.Now()); err != nil {
						return waitsError(arg, err)
					}
				}
				if all {
					if err := d.retryAll(ctx); err != nil {
						return err
					}
				}
				return p.carryOut(ctx, d)
			})
		},
	}
	retry.Flags().BoolVar(&all, "all", false, "all that waits or was given up")
	drop := &cobra.Command{
		Use: "drop NUMBER", Short: "Give up a message that waits, or delete one that is held",
		Args: cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			seq, err := number(args[0])
			if err != nil {
				return err
			}
			return p.at(ctx, f, func(d *desk) error {
				if held {
					return waitsError(args[0], d.store.Drop(ctx, seq))
				}
				return waitsError(args[0], d.Forsake(ctx, seq))
			})
		},
	}
	drop.Flags().BoolVar(&held, "held", false, "the number is that of a held message")
	cmd.AddCommand(
		&cobra.Command{
			Use: "list", Short: "List what waits, what was given up and what is held", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return p.at(cmd.Context(), f, func(d *desk) error { return p.listOutbox(cmd.Context(), f, d) })
			},
		},
		retry, drop,
	)
	return cmd
}

func waitsError(word string, err error) error {
	if exitCode(err) == exitNotFound {
		return missingf("%s: nothing with this number waits", word)
	}
	return err
}

func (d *desk) eachParcel(ctx context.Context, do func(store.Parcel) error) error {
	var after int64
	for {
		list, err := d.store.Outbox(ctx, after, page)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, parcel := range list {
			if err := do(parcel); err != nil {
				return err
			}
			after = parcel.ID
		}
	}
}

func (d *desk) retryAll(ctx context.Context) error {
	waits := map[int64]bool{}
	err := d.eachParcel(ctx, func(parcel store.Parcel) error {
		if parcel.Message != 0 {
			waits[parcel.Message] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	for seq := range waits {
		if err := d.store.Retry(ctx, seq, d.Now()); err != nil && !errors.Is(err, store.ErrNotFound) { // another process has sent it
			return err
		}
	}
	return nil
}

func (p program) listOutbox(ctx context.Context, f *flags, d *desk) error {
	b, err := d.book(ctx)
	if err != nil {
		return err
	}
	l := newList(p, f, []string{"", "TO", "STATE", "TRIES", "NEXT", "WHY"}, func(t *terminal.Table, v outboxView) {
		n, state := v.Seq, v.State
		if v.Held != 0 {
			n = v.Held
		}
		if v.Copy {
			state += " (copy)"
		}
		text := fmt.Sprint(n)
		if n == 0 {
			text = "-"
		}
		t.Add(terminal.Cell{Text: text, Right: true}, terminal.Cell{Text: v.To}, terminal.Cell{Text: state},
			terminal.Cell{Text: fmt.Sprint(v.Attempts), Right: true}, terminal.Cell{Text: momentOf(v.Next)}, terminal.Cell{Text: v.Reason})
	})
	err = d.eachParcel(ctx, func(parcel store.Parcel) error {
		id := client.ID(parcel.Swarm)
		v := outboxView{
			Seq: parcel.Message, To: b.label(id), ID: &id, State: "pending", Copy: parcel.Copy, Attempts: parcel.Attempts,
			Next: clock(parcel.Next), Reason: parcel.Reason,
		}
		if parcel.State == store.GivenUp {
			v.State, v.Next = "given_up", nil
		}
		return l.add(v)
	})
	if err != nil {
		return err
	}
	err = d.eachPin(ctx, func(pin store.Pin) error {
		var after int64
		for {
			waiting, err := d.store.Waiting(ctx, pin.Name, after, page)
			if err != nil || len(waiting) == 0 {
				return err
			}
			for _, h := range waiting {
				after = h.ID
				v := outboxView{Held: h.ID, To: h.Name, State: "held", Reason: "the name points to another account: courier names approve " + h.Name}
				if !pin.Held() {
					v.Reason = "the name is approved: courier outbox retry says what is in the way"
				}
				if err := l.add(v); err != nil {
					return err
				}
			}
		}
	})
	if err != nil {
		return err
	}
	return l.close()
}
