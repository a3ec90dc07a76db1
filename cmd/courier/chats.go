package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"onsight/client"
	"onsight/client/store"
	"onsight/internal/terminal"
)

// chatView is the JSON of a conversation.
type chatView struct {
	Chat      client.ID    `json:"chat"`
	With      string       `json:"with"`
	Active    *string      `json:"active"`
	Unread    int          `json:"unread"`
	Request   bool         `json:"request"`
	Blocked   bool         `json:"blocked"`
	ReadUntil *string      `json:"read_until,omitempty"`
	Newest    *messageView `json:"newest"`

	active string
}

func (p program) chatsCommand(f *flags) *cobra.Command {
	var limit int
	var unread bool
	cmd := &cobra.Command{
		Use: "chats", Short: "List the conversations, the most recently active first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			return p.at(ctx, f, func(d *desk) error {
				b, err := d.book(ctx)
				if err != nil {
					return err
				}
				l := newList(p, f, []string{"WITH", "UNREAD", "ACTIVE", "LAST"}, func(t *terminal.Table, v chatView) { t.Add(v.row()...) })
				var after *store.Chat
				for l.n < limit {
					chats, err := d.store.Chats(ctx, after, page)
					if err != nil {
						return err
					}
					if len(chats) == 0 {
						break
					}
					for i := range chats {
						after = &chats[i]
						if unread && after.Unread == 0 || l.n == limit {
							continue
						}
						if err := l.add(b.chat(after)); err != nil {
							return err
						}
					}
				}
				return l.close()
			})
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 50, "how many at most")
	cmd.Flags().BoolVar(&unread, "unread", false, "only those with unread messages")
	return cmd
}

func (b *book) chat(c *store.Chat) chatView {
	v := chatView{
		Chat: c.ID, With: b.label(c.ID), Active: clock(c.Active), Unread: c.Unread, Request: c.Contact.Request(), Blocked: c.Contact.Blocked,
		ReadUntil: clock(c.ReadUntil), active: moment(c.Active),
	}
	if c.Newest != nil {
		m := b.message(c.Newest)
		v.Newest = &m
	}
	return v
}

func (v chatView) row() []terminal.Cell {
	with, unread, last := v.With, "", ""
	if v.Request {
		with += " (request)"
	}
	if v.Unread > 0 {
		unread = fmt.Sprint(v.Unread)
	}
	if v.Newest != nil {
		if last = v.Newest.body(); v.Newest.From == "me" && v.With != "me" {
			last = "me: " + last
		}
		last = shorten(last, 60)
	}
	return []terminal.Cell{{Text: with, Colour: terminal.Bold}, {Text: unread, Colour: terminal.Green, Right: true}, {Text: v.active, Colour: terminal.Dim}, {Text: last}}
}

// shorten cuts a text after so many characters. What turns the direction round is taken out before, so that it is not cut in half.
func shorten(text string, n int) string {
	r := []rune(strings.NewReplacer("\u2068", "", "\u2069", "").Replace(terminal.Line(text)))
	if len(r) <= n {
		return string(r)
	}
	return string(r[:n-1]) + "…"
}
