package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"onsight/client/store"
	"onsight/internal/terminal"
)

func (p program) messagesCommand(f *flags) *cobra.Command {
	cmd := &cobra.Command{Use: "messages", Short: "Read, search and show messages"}
	cmd.AddCommand(p.readCommand(f), p.searchCommand(f), p.showMessageCommand(f))
	return cmd
}

type readOptions struct {
	limit   int
	before  int64
	peek    bool
	receipt bool
}

func (p program) readCommand(f *flags) *cobra.Command {
	var opt readOptions
	cmd := &cobra.Command{
		Use:   "read CHAT",
		Short: "Print the newest messages of a conversation, and mark them as read",
		Long: `Print the newest messages of a conversation, the last one last, and mark them as read, here; who wrote them is told so only with
--receipt. CHAT is whom it is with: a name, an id, a contact, or me.`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: firstWord(p.knownWords(f)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if opt.limit < 1 || opt.peek && opt.receipt {
				return usagef("--limit must be at least 1, and --peek excludes --receipt")
			}
			return p.at(cmd.Context(), f, func(d *desk) error { return p.read(cmd.Context(), f, d, opt, args[0]) })
		},
	}
	cmd.Flags().IntVar(&opt.limit, "limit", 50, "how many at most")
	cmd.Flags().Int64Var(&opt.before, "before", 0, "those before the message with this `NUMBER`")
	cmd.Flags().BoolVar(&opt.peek, "peek", false, "do not mark them as read")
	cmd.Flags().BoolVar(&opt.receipt, "receipt", false, "tell who wrote them that they were read")
	return cmd
}

func (p program) read(ctx context.Context, f *flags, d *desk, opt readOptions, word string) error {
	b, err := d.book(ctx)
	if err != nil {
		return err
	}
	id, err := b.known(word)
	if err != nil {
		return err
	}
	list, err := d.store.Messages(ctx, id, opt.before, opt.limit)
	if err != nil {
		return err
	}
	if len(list) == 0 && opt.before == 0 {
		return missingf("there are no messages with %s", word)
	}
	slices.Reverse(list)
	if err := p.printMessages(f, b, list); err != nil {
		return err
	}
	if opt.peek || len(list) == 0 {
		return nil
	}
	if err := d.MarkRead(ctx, id, list[len(list)-1].Sent, opt.receipt); err != nil {
		return err
	}
	if !opt.receipt {
		return nil
	}
	return p.carryOut(ctx, d)
}

func (p program) printMessages(f *flags, b *book, list []store.Message) error {
	l := newList[messageView](p, f, nil, nil)
	for i := range list {
		v := b.message(&list[i])
		if f.output == "text" {
			_, err := io.WriteString(p.stdout, v.says(b.label(v.Chat), false))
			if err != nil {
				return err
			}
			continue
		}
		if err := l.add(v); err != nil {
			return err
		}
	}
	return l.close()
}

// carryOut sends what was queued beside messages, such as a receipt. What cannot be sent now stays in the outbox.
func (p program) carryOut(ctx context.Context, d *desk) error {
	limited, done := context.WithTimeout(ctx, 30*time.Second)
	defer done()
	if _, _, err := d.Flush(limited); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w: %w", errLate, err)
	}
	return nil
}

type searchOptions struct {
	in, from      string
	after, before string
	limit         int
}

func (p program) searchCommand(f *flags) *cobra.Command {
	var opt searchOptions
	cmd := &cobra.Command{
		Use:   "search WORDS…",
		Short: "Find messages by their words, the last that came first",
		Long: `Find messages by their words, the last that came first. All words must occur; case and accents make no difference. "a phrase" in
quotes (which the shell must leave), and any ending with *.`,
		Example: `  courier messages search disk full
  courier messages search '"disk full"' --in ops --after 2026-01-31
  courier messages search 'deploy*' --from alice -o jsonl`,
		Args: cobra.MinimumNArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			q := store.Query{Text: strings.Join(args, " "), Limit: opt.limit}
			if q.Limit < 1 {
				return usagef("--limit: must be at least 1")
			}
			var err error
			if q.After, err = parseTime("after", opt.after); err != nil {
				return err
			}
			if q.Before, err = parseTime("before", opt.before); err != nil {
				return err
			}
			return p.at(ctx, f, func(d *desk) error {
				b, err := d.book(ctx)
				if err != nil {
					return err
				}
				if opt.in != "" {
					if q.Chat, err = b.known(opt.in); err != nil {
						return err
					}
				}
				if opt.from != "" {
					if q.Sender, err = b.known(opt.from); err != nil {
						return err
					}
				}
				found, err := d.store.Search(ctx, q)
				if err != nil {
					return err
				}
				l := newList(p, f, []string{"", "SENT", "WITH", "FROM", "TEXT"}, func(t *terminal.Table, v messageView) {
					t.Add(terminal.Cell{Text: fmt.Sprint(v.Seq), Right: true}, terminal.Cell{Text: momentOf(v.Sent)},
						terminal.Cell{Text: b.label(v.Chat)}, terminal.Cell{Text: v.From}, terminal.Cell{Text: shorten(v.body(), 100)})
				})
				for i := range found {
					if err := l.add(b.message(&found[i])); err != nil {
						return err
					}
				}
				if len(found) == 0 {
					p.tell("nothing found")
				}
				return l.close()
			})
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&opt.in, "in", "", "only in the conversation with `WHO`")
	fl.StringVar(&opt.from, "from", "", "only from `WHO`")
	fl.StringVar(&opt.after, "after", "", "only sent at or after `TIME`: 2026-01-31, or 2026-01-31T15:04:05Z")
	fl.StringVar(&opt.before, "before", "", "only sent before `TIME`")
	fl.IntVar(&opt.limit, "limit", 50, "how many at most")
	for _, flag := range []string{"in", "from"} {
		if err := cmd.RegisterFlagCompletionFunc(flag, p.knownWords(f)); err != nil {
			panic("courier: internal error: " + err.Error())
		}
	}
	return cmd
}

// parseTime reads a day, which begins where the user is, or a time.
func parseTime(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, time.Local); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, usagef("--%s: %q is no time: write 2026-01-31, or 2026-01-31T15:04:05Z", flag, text)
	}
	return t, nil
}

func (p program) showMessageCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "show NUMBER",
		Short: "Show a message and what happened to it on its way",
		Args:  cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			seq, err := number(args[0])
			if err != nil {
				return err
			}
			return p.at(ctx, f, func(d *desk) error { return p.showMessage(ctx, f, d, seq) })
		},
	}
}

func (p program) showMessage(ctx context.Context, f *flags, d *desk, seq int64) error {
	m, err := d.store.Message(ctx, seq)
	if err != nil {
		return messageError(seq, err)
	}
	lines, err := d.store.Ledger(ctx, seq, 1000)
	if err != nil {
		return err
	}
	b, err := d.book(ctx)
	if err != nil {
		return err
	}
	v := b.message(&m)
	for _, line := range lines {
		v.Ledger = append(v.Ledger, lineView{clock(line.At), line.Step, line.Detail})
	}
	return p.show(f, v, func() error { return p.wholeMessage(&v, b.label(v.Chat), lines) })
}

func (p program) wholeMessage(v *messageView, with string, lines []store.Line) error {
	t := p.table()
	t.Pair("number", fmt.Sprint(v.Seq))
	t.Pair("with", with)
	t.Pair("from", v.From)
	t.Pair("sent", momentOf(v.Sent))
	t.Pair("arrived", momentOf(v.Arrived))
	if v.Quote != nil {
		t.Pair("answers", fmt.Sprintf("%s of %s", v.Quote.Sender, momentOf(v.Quote.Sent)))
	}
	if v.Expires != nil {
		t.Pair("disappears", momentOf(v.Expires))
	}
	t.Pair("state", v.State)
	if v.Copies > 0 {
		t.Pair("copies", fmt.Sprint(v.Copies))
	}
	if err := t.Write(p.stdout); err != nil {
		return err
	}
	if err := p.paragraph(v.body()); err != nil || len(lines) == 0 {
		return err
	}
	way := p.table()
	for _, line := range lines {
		way.Add(terminal.Cell{Text: line.At.Local().Format("2006-01-02 15:04:05.000"), Colour: terminal.Dim}, terminal.Cell{Text: line.Step}, terminal.Cell{Text: line.Detail})
	}
	if _, err := fmt.Fprintln(p.stdout); err != nil {
		return err
	}
	return way.Write(p.stdout)
}

// paragraph writes a text that may be anybody's below what it belongs to.
func (p program) paragraph(text string) error {
	_, err := fmt.Fprintf(p.stdout, "\n    %s\n", strings.ReplaceAll(terminal.Text(text), "\n", "\n    "))
	return err
}

// momentOf is a time of JSON in a table.
func momentOf(s *string) string {
	if s == nil {
		return ""
	}
	t, err := time.Parse(time.RFC3339, *s)
	if err != nil {
		return ""
	}
	return moment(t)
}

// number reads the number of a message.
func number(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, usagef("%q is not the number of a message", text)
	}
	return n, nil
}

// messageError says which message is not there.
func messageError(seq int64, err error) error {
	if exitCode(err) == exitNotFound {
		return missingf("there is no message %d", seq)
	}
	return err
}
