package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"onsight/client"
	"onsight/client/store"
	"onsight/internal/terminal"
)

func (p program) contactsCommand(f *flags) *cobra.Command {
	cmd := &cobra.Command{Use: "contacts", Short: "Whom you know: list, name, block, remove"}
	var yes bool
	remove := p.onContact(f, "remove WHO", "Remove a contact, and all that was written with them",
		"Remove a contact, and all that was written with them: what waits in the outbox is not sent. Who is blocked stays so, and names that they were used by still stand for them (courier names pins). It asks first; --yes is the answer.",
		func(ctx context.Context, d *desk, id client.ID, word string) error {
			waits, err := d.store.Unfinished(ctx, id)
			if err != nil {
				return err
			}
			question := "Delete all that was written with " + terminal.Line(word) + "?"
			if waits > 0 {
				question = fmt.Sprintf("Delete all that was written with %s, and do not send what waits (messages: %d)?", terminal.Line(word), waits)
			}
			if !yes {
				switch sure, err := p.confirm(ctx, f, question); {
				case errors.Is(err, errNoTerminal):
					return fmt.Errorf("%w: say --yes if you are sure", err)
				case err != nil:
					return err
				case !sure:
					return errors.New("nothing was deleted")
				}
			}
			if err := d.store.Forget(ctx, id); err != nil {
				return strangerError(word, err)
			}
			if waits > 0 {
				p.tell("what waited for them will not be sent (messages: %d)", waits)
			}
			return nil
		})
	remove.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.AddCommand(
		p.listContacts(f, "list", "List everybody you wrote to, or who wrote to you", func(c *store.Contact) bool { return true }),
		&cobra.Command{
			Use: "name WHO NICKNAME", Short: "Say what you call a contact",
			Long: "Say what you call a contact: they can be written to as @NICKNAME. Nobody else sees it. \"\" takes it away.",
			Args: cobra.ExactArgs(2), ValidArgsFunction: firstWord(p.knownWords(f)),
			RunE: func(cmd *cobra.Command, args []string) error {
				if err := checkNickname(args[1]); err != nil {
					return err
				}
				return p.withContact(cmd.Context(), f, args[0], func(d *desk, id client.ID) error {
					b, err := d.book(cmd.Context())
					if err != nil {
						return err
					}
					for _, other := range b.nicknamed(args[1]) {
						if other != id {
							return usagef("@%s is %s already", args[1], other)
						}
					}
					return strangerError(args[0], d.store.SetNickname(cmd.Context(), id, args[1]))
				})
			},
		},
		p.onContact(f, "block WHO", "Drop whatever somebody sends", "", block(true)),
		p.onContact(f, "unblock WHO", "Take somebody's messages again", "", block(false)),
		remove,
	)
	return cmd
}

func (p program) requestsCommand(f *flags) *cobra.Command {
	cmd := &cobra.Command{
		Use: "requests", Short: "Strangers who wrote to you: list, accept, decline, block",
		Long: `Strangers who wrote to you. Until you accept, or answer, they are not told that you read them.

1,000 wait at most, with 100 messages each. While so many do, others are not taken; they come when one of the 1,000 is accepted, declined or
blocked, if that is within the 14 days for which messages are kept for you. What one of them writes beyond 100 is dropped until you accept.`,
	}
	cmd.AddCommand(
		p.listContacts(f, "list", "List who waits for an answer", (*store.Contact).Request),
		p.onContact(f, "accept WHO", "Take their messages, and tell them so", "", func(ctx context.Context, d *desk, id client.ID, word string) error {
			c, err := d.store.Contact(ctx, id)
			if errors.Is(err, store.ErrNotFound) || err == nil && !c.Request() {
				err = client.ErrNoRequest
			}
			if err != nil {
				return requestError(err, word)
			}
			if err := d.Accept(ctx, id); err != nil {
				return err
			}
			return p.carryOut(ctx, d)
		}),
		p.onContact(f, "decline WHO", "Delete the request; they are not told, and can make another", "", func(ctx context.Context, d *desk, id client.ID, word string) error {
			return requestError(d.Decline(ctx, id, false), word)
		}),
		p.onContact(f, "block WHO", "Delete the request, and drop whatever they send", "", func(ctx context.Context, d *desk, id client.ID, word string) error {
			return requestError(d.Decline(ctx, id, true), word)
		}),
	)
	return cmd
}

func block(blocked bool) func(context.Context, *desk, client.ID, string) error {
	return func(ctx context.Context, d *desk, id client.ID, word string) error {
		if id == d.account.ID {
			return usagef("%s: that is you", word)
		}
		return d.store.Block(ctx, id, blocked, d.Now())
	}
}

// onContact is a command that does something to one contact.
func (p program) onContact(f *flags, use, short, long string, do func(context.Context, *desk, client.ID, string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: long, Args: cobra.ExactArgs(1), ValidArgsFunction: firstWord(p.knownWords(f)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withContact(cmd.Context(), f, args[0], func(d *desk, id client.ID) error { return do(cmd.Context(), d, id, args[0]) })
		},
	}
}

func (p program) withContact(ctx context.Context, f *flags, word string, do func(*desk, client.ID) error) error {
	return p.at(ctx, f, func(d *desk) error {
		id, err := d.accountOf(ctx, word)
		if err != nil {
			return err
		}
		return do(d, id)
	})
}

func (p program) listContacts(f *flags, use, short string, which func(*store.Contact) bool) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			return p.at(ctx, f, func(d *desk) error {
				b, err := d.book(ctx)
				if err != nil {
					return err
				}
				l := newList(p, f, []string{"WHO", "CALLS THEMSELVES", "STATUS", "ID"}, func(t *terminal.Table, v contactView) {
					t.Add(terminal.Cell{Text: v.called(), Colour: terminal.Bold}, terminal.Cell{Text: v.Profile}, terminal.Cell{Text: v.status()}, terminal.Cell{Text: v.ID.String()})
				})
				err = d.eachContact(ctx, func(c store.Contact) error {
					if !which(&c) {
						return nil
					}
					return l.add(b.contact(&c))
				})
				if err != nil {
					return err
				}
				return l.close()
			})
		},
	}
}

// called is what we know a contact by: beside it stand what they call themselves, and the id.
func (v *contactView) called() string {
	switch {
	case v.Nickname != "":
		return "@" + v.Nickname
	case v.Name != "":
		return shownName(v.Name)
	}
	return ""
}

// checkNickname refuses what could not be told from something else on a command line.
func checkNickname(nick string) error {
	switch {
	case nick == "":
		return nil
	case strings.EqualFold(nick, "me") || likeID(nick) || strings.HasPrefix(nick, "@") || strings.HasPrefix(nick, "-") || strings.HasPrefix(nick, "name:"):
		return usagef("%q means something else already", nick)
	case len(nick) > 100 || strings.TrimSpace(nick) != nick || !utf8.ValidString(nick) || strings.IndexFunc(nick, terminal.Steers) >= 0:
		return usagef("%q: a nickname is up to 100 bytes, without control characters or blanks around it", nick)
	}
	return nil
}

func strangerError(word string, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return missingf("%s is no contact yet: write to them first", word)
	}
	return err
}

func requestError(err error, word string) error {
	if errors.Is(err, client.ErrNoRequest) {
		return missingf("there is no request of %s", word)
	}
	return err
}
