package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"onsight/client"
	"onsight/client/store"
	"onsight/internal/terminal"
)

// outboxView is the JSON of what waits: a message that is to be sent or was given up, or one that is held.
type outboxView struct {
	Number   string     `json:"number,omitempty"` // what the commands of outbox take; absent: nobody sees it, such as a receipt
	Seq      int64      `json:"seq,omitempty"`    // number of the message
	Held     int64      `json:"held,omitempty"`   // number of what is held for a name
	To       string     `json:"to"`
	ID       *client.ID `json:"id,omitempty"`
	State    string     `json:"state"` // pending, given_up, held
	Copy     bool       `json:"copy"`  // for the own other devices
	Attempts int        `json:"attempts"`
	Next     *string    `json:"next,omitempty"`
	Reason   string     `json:"reason,omitempty"`
	Text     *string    `json:"text,omitempty"` // by show
	At       *string    `json:"at,omitempty"`   // since when it is held; by show
}

// waitNumber is what something that waits is called: what is held for a name has numbers of its own, with an h.
func waitNumber(seq, held int64) string {
	switch {
	case held != 0:
		return fmt.Sprintf("h%d", held)
	case seq != 0:
		return fmt.Sprint(seq)
	}
	return ""
}

// parseWait reads a waitNumber. One of both is 0.
func parseWait(word string) (seq, held int64, err error) {
	if digits, ok := strings.CutPrefix(word, "h"); ok {
		held, err = number(digits)
	} else {
		seq, err = number(word)
	}
	if err != nil {
		return 0, 0, usagef("%q is not the number of anything that waits: see courier outbox list", word)
	}
	return seq, held, nil
}

func (p program) outboxCommand(f *flags) *cobra.Command {
	cmd := &cobra.Command{
		Use: "outbox", Short: "What is still to be sent: list, show, retry, drop",
		Long: `What is still to be sent, was given up, or is held because its name points to another account than before.

What is pending is sent by whichever courier runs next and its time has come; retry does not wait for that. What is held has numbers with
an h, such as h1; it becomes a message when the name is approved. What was dropped waits no more, and is not listed; courier messages show
has it still, and retry with its number sends it after all.`,
	}
	var all bool
	retry := &cobra.Command{
		Use: "retry [NUMBER…]", Short: "Send what is due, and these messages now, given up or not",
		Args: cobra.ArbitraryArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return p.at(ctx, f, func(d *desk) error {
				for _, arg := range args {
					seq, held, err := parseWait(arg)
					if err != nil {
						return err
					}
					if held != 0 {
						if err := d.unhold(ctx, held); err != nil {
							return waitsError(arg, err)
						}
						continue
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
	retry.Flags().BoolVar(&all, "all", false, "all that waits or was given up, but for what was dropped")
	drop := &cobra.Command{
		Use: "drop NUMBER", Short: "Never send a message that waits, or delete one that is held",
		Args: cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: p.onWaiting(f, func(ctx context.Context, d *desk, word string, seq, held int64) error {
			if held != 0 {
				return waitsError(word, d.store.Drop(ctx, held))
			}
			return waitsError(word, d.Forsake(ctx, seq))
		}),
	}
	show := &cobra.Command{
		Use: "show NUMBER", Short: "Show a message that waits, and what happened to it on its way",
		Args: cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: p.onWaiting(f, func(ctx context.Context, d *desk, word string, seq, held int64) error {
			if held != 0 {
				return waitsError(word, p.showHeld(ctx, f, d, held))
			}
			return p.showMessage(ctx, f, d, seq)
		}),
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "list", Short: "List what waits, what was given up and what is held", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return p.at(cmd.Context(), f, func(d *desk) error { return p.listOutbox(cmd.Context(), f, d) })
			},
		},
		show, retry, drop,
	)
	return cmd
}

// onWaiting runs a command about one message that waits, or, if seq is 0, about what is held.
func (p program) onWaiting(f *flags, do func(ctx context.Context, d *desk, word string, seq, held int64) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		seq, held, err := parseWait(args[0])
		if err != nil {
			return err
		}
		return p.at(cmd.Context(), f, func(d *desk) error { return do(cmd.Context(), d, args[0], seq, held) })
	}
}

// heldView says what is held, and why.
func heldView(h *store.Held, pin store.Pin) outboxView {
	name := shownName(h.Name)
	v := outboxView{Number: waitNumber(0, h.ID), Held: h.ID, To: name, State: "held", Reason: "the name points to another account: courier names approve " + name}
	switch {
	case !pin.Held():
		v.Reason = "the name is approved: courier outbox retry says what is in the way"
	case !pin.Gone.IsZero():
		v.Reason = "the name is not registered any more: courier names approve " + name
	case pin.Trouble != 0:
		v.Reason = "the name " + outcomeWords[outcomes[pin.Trouble]] + " now: courier names receipt " + name
	}
	return v
}

func (p program) showHeld(ctx context.Context, f *flags, d *desk, number int64) error {
	h, err := d.store.Held(ctx, number)
	if err != nil {
		return err
	}
	pin, err := d.store.Pin(ctx, h.Name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	v := heldView(&h, pin)
	v.Text, v.At = &h.Text, clock(h.At)
	return p.show(f, v, func() error {
		t := p.table()
		t.Pair("number", v.Number)
		t.Pair("to", v.To)
		t.Pair("since", momentOf(v.At))
		t.Pair("state", v.State)
		t.Pair("why", v.Reason)
		if err := t.Write(p.stdout); err != nil {
			return err
		}
		return p.paragraph(h.Text)
	})
}

// unhold sends what is held for the name that a held message is for, or says why not.
func (d *desk) unhold(ctx context.Context, number int64) error {
	h, err := d.store.Held(ctx, number)
	if err != nil {
		return err
	}
	_, err = d.Release(ctx, h.Name)
	return err
}

// until says how long it is until a moment.
func until(s *string) string {
	if s == nil {
		return ""
	}
	t, err := time.Parse(time.RFC3339, *s)
	if err != nil {
		return ""
	}
	if d := time.Until(t); d > time.Second {
		return "in " + d.Round(time.Second).String()
	}
	return "now"
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
		state := v.State
		if v.Copy {
			state += " (copy)"
		}
		t.Add(terminal.Cell{Text: cmp.Or(v.Number, "-"), Right: true}, terminal.Cell{Text: v.To}, terminal.Cell{Text: state},
			terminal.Cell{Text: fmt.Sprint(v.Attempts), Right: true}, terminal.Cell{Text: until(v.Next)}, terminal.Cell{Text: v.Reason})
	})
	err = d.eachParcel(ctx, func(parcel store.Parcel) error {
		id := client.ID(parcel.Swarm)
		v := outboxView{
			Number: waitNumber(parcel.Message, 0), Seq: parcel.Message, To: b.label(id), ID: &id, State: "pending", Copy: parcel.Copy, Attempts: parcel.Attempts,
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
				if err := l.add(heldView(&h, pin)); err != nil {
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
