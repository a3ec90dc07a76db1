package main

import (
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

// maxText is what is read from standard input as a text. What fits into a message is far less.
const maxText = 64 << 10

type sendOptions struct {
	text    string
	wait    string
	timeout time.Duration
	dryRun  bool
	explain bool
	key     string
	reply   int64
}

func (o *sendOptions) until() store.State {
	return map[string]store.State{"queued": store.Queued, "stored": store.Stored, "replicated": store.Replicated}[o.wait]
}

func (p program) sendCommand(f *flags) *cobra.Command {
	var opt sendOptions
	cmd := &cobra.Command{
		Use:   "send TO… -m TEXT",
		Short: "Send a text to a name, an id, a contact, or yourself",
		Long: `Send a text to a name, an id, a contact (@nick), or yourself (me).

Once it is queued it will be sent, by this command or by whichever runs next, however this one ends: what is sent lies in the outbox in
its final form, and is tried again until servers would not take it any more. --wait says what this command waits for: queued, stored (a
server of the reader's swarm has it), or replicated (three have). What is printed is how far it has come by then, which may be further.

A text has at most 2,000 characters, and is neither blank nor has it null characters. While the command runs, every user of the machine
can read what stands after -m in the list of processes: what they are not to see is piped in, with -m -.

A name that points to another account than when it was first used is held: nothing is sent until you approve (exit code 5).`,
		Example: `  courier send alice -m "hi"
  echo "disk full" | courier send alice bob -m -
  courier send me -m "milk" --wait replicated --explain`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: p.knownWords(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("message") {
				return usagef("no text: write it after -m, or -m - and pipe it in")
			}
			if opt.until() == 0 {
				return usagef("--wait: %q: use queued, stored or replicated", opt.wait)
			}
			if opt.timeout <= 0 {
				return usagef("--timeout: must be more than 0")
			}
			if opt.text == "-" {
				b, err := p.input(cmd.Context(), maxText)
				if errors.Is(err, errLong) {
					return usagef("-m: %w", client.ErrLongText)
				}
				if err != nil {
					return err
				}
				opt.text = strings.TrimSuffix(string(b), "\n")
			}
			if cmd.Flags().Changed("key") && opt.key == "" {
				return usagef("--key: is empty, which would be no key at all")
			}
			if opt.text == "" {
				return usagef("the text is empty")
			}
			if err := client.CheckText(opt.text); err != nil {
				return usagef("-m: %w", err)
			}
			return p.at(cmd.Context(), f, func(d *desk) error { return p.send(cmd.Context(), f, d, opt, args) })
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&opt.text, "message", "m", "", "the `TEXT`, which all users of this machine can see, or - for standard input")
	fl.StringVar(&opt.wait, "wait", "stored", "wait until it is `STATE`: queued, stored or replicated")
	fl.DurationVar(&opt.timeout, "timeout", 30*time.Second, "how long to wait")
	fl.BoolVar(&opt.dryRun, "dry-run", false, "say whom it would go to, and send nothing")
	fl.BoolVar(&opt.explain, "explain", false, "say what took how long, and who said what the name is")
	fl.StringVar(&opt.key, "key", "", "`NAME` of this send: with one that was used before for the same TO, nothing is sent again")
	fl.Int64Var(&opt.reply, "reply-to", 0, "`NUMBER` of the message that it answers")
	fixed(cmd, "wait", "queued", "stored", "replicated")
	return cmd
}

// sentView is the JSON of what became of a text to one of its readers.
type sentView struct {
	To      string       `json:"to"`
	ID      *client.ID   `json:"id"`
	Seq     int64        `json:"seq,omitempty"`  // number of the message
	Held    int64        `json:"held,omitempty"` // or of what waits to be approved
	State   string       `json:"state"`          // queued, stored, replicated, read, failed; held; dry_run; error
	Copies  int          `json:"copies,omitempty"`
	Error   string       `json:"error,omitempty"`
	Name    *nameView    `json:"name,omitempty"`
	Timings *timingsView `json:"timings,omitempty"`

	err    error
	queued time.Time
	path   time.Duration // that was waited for after it was queued
}

// nameView is who said what a name stands for.
type nameView struct {
	Name   string `json:"name"`
	Agreed int    `json:"agreed"`
	Need   int    `json:"need"`
	Asked  int    `json:"asked"`
	Height uint64 `json:"height"` // the least of those who agreed
	Held   bool   `json:"held"`
}

// timingsView is what took how long.
type timingsView struct {
	Key     float64 `json:"key_ms"` // to unlock the profile: derivation, or the keyring
	Path    float64 `json:"path_ms"`
	Resolve float64 `json:"resolve_ms"`
	Encrypt float64 `json:"encrypt_ms"`
	Store   float64 `json:"store_ms"`
}

func newNameView(r *client.Resolution) *nameView {
	v := &nameView{Name: r.Name.String(), Need: r.Receipt.Need, Asked: r.Receipt.Asked, Held: r.Pin.Held()}
	for _, a := range r.Receipt.Answers {
		if a.Source == "" && a.Reason == "" && a.ID == r.Receipt.ID {
			v.Agreed++
			if v.Height == 0 || a.Height < v.Height {
				v.Height = a.Height
			}
		}
	}
	return v
}

// send queues the text for each of its readers, and sends what is queued. What cannot be sent to one is sent to the others all the same;
// the error is that of the first.
func (p program) send(ctx context.Context, f *flags, d *desk, opt sendOptions, words []string) error {
	b, err := d.book(ctx)
	if err != nil {
		return err
	}
	to := make([]whom, len(words))
	for i, word := range words { // before anything is sent: what is misspelt is so for all
		if to[i], err = b.whom(word); err != nil {
			return err
		}
	}
	var quote *store.Ref
	if opt.reply != 0 {
		m, err := d.store.Message(ctx, opt.reply)
		if err != nil {
			return missingf("--reply-to %d: there is no such message", opt.reply)
		}
		quote = &store.Ref{Sender: m.Sender, Sent: m.Sent}
	}
	views := make([]*sentView, len(to))
	for i, w := range to {
		views[i] = d.post(ctx, opt, w, quote)
	}
	if !opt.dryRun {
		d.carry(ctx, opt, views)
	}
	l := newList(p, f, nil, func(t *terminal.Table, v *sentView) {
		switch {
		case v.Seq != 0 || v.Held != 0:
			t.Add(terminal.Cell{Text: fmt.Sprint(v.Seq + v.Held), Right: true}, terminal.Cell{Text: v.State}, terminal.Cell{Text: v.To})
		case v.State == "dry_run":
			t.Add(terminal.Cell{Text: v.To}, terminal.Cell{Text: v.ID.String()})
		}
	})
	var first error
	for _, v := range views {
		if v.err != nil {
			v.Error = terminal.Line(v.err.Error())
			err := fmt.Errorf("%s: %w", v.To, v.err)
			if first == nil {
				first = err
			} else {
				p.tell("error: %v", err)
			}
		}
		if opt.explain {
			if err := p.explain(d, v); err != nil {
				return err
			}
		}
		if err := l.add(v); err != nil {
			return err
		}
	}
	return errors.Join(l.close(), first)
}

// post queues the text for one reader.
func (d *desk) post(ctx context.Context, opt sendOptions, w whom, quote *store.Ref) *sentView {
	v := &sentView{To: w.word, State: "error", Timings: &timingsView{Key: ms(d.unlocked)}}
	var s client.Sent
	if opt.dryRun {
		s.To, v.err = w.id, nil
		if s.To == (client.ID{}) {
			var r client.Resolution
			r, v.err = d.Resolve(ctx, w.name.String())
			s.To, s.Resolution = r.ID, &r
		}
	} else {
		l := client.Letter{To: w.id, Name: w.name, Text: opt.text, Quote: quote}
		if opt.key != "" {
			l.Key = opt.key + " " + w.String()
		}
		v.queued = time.Now()
		s, v.err = d.Send(ctx, l)
	}
	if s.To != (client.ID{}) {
		v.ID = &s.To
	}
	if r := s.Resolution; r != nil {
		if r.Receipt.Need != 0 {
			v.Name = newNameView(r)
		}
		v.Timings.Path, v.Timings.Resolve = ms(r.Path), ms(r.Took-r.Path)
	}
	v.Timings.Encrypt = ms(s.Sealing)
	v.Seq, v.Held = s.Seq, s.Held
	switch {
	case v.Held != 0:
		v.State = "held"
	case v.err == nil && opt.dryRun:
		v.State = "dry_run"
	case v.err == nil:
		v.State = "queued"
	}
	return v
}

// carry sends what is queued until each text has come as far as is waited for.
func (d *desk) carry(ctx context.Context, opt sendOptions, views []*sentView) {
	until := opt.until()
	if until == store.Queued {
		return
	}
	waiting := map[*sentView]bool{}
	for _, v := range views {
		if v.Seq != 0 {
			waiting[v] = true
		}
	}
	if len(waiting) == 0 {
		return
	}
	limited, done := context.WithTimeout(ctx, opt.timeout)
	defer done()
	begun := time.Now()
	_ = d.Connect(limited) // what keeps it from that keeps Flush from sending, which says why
	path := time.Since(begun)
	for v := range waiting {
		v.path = path
	}
	last := d.until(limited, func() bool {
		for v := range waiting {
			come, err := d.track(ctx, v, until)
			if err != nil {
				v.err = err
			}
			if come || err != nil {
				delete(waiting, v)
			}
		}
		return len(waiting) == 0
	})
	for v := range waiting {
		switch {
		case ctx.Err() != nil:
			v.err = fmt.Errorf("%w: interrupted", errLate)
		case last != nil && !errors.Is(last, context.DeadlineExceeded) && !errors.Is(last, context.Canceled):
			v.err = fmt.Errorf("%w: %w", errLate, last)
		default:
			v.err = errLate
		}
	}
}

// until sends what is due, round for round, until done says so, and returns what the last round met with. Another process may be
// sending the same, so it is looked at more often than there is something to do.
func (d *desk) until(ctx context.Context, done func() bool) (trouble error) {
	const look = 100 * time.Millisecond
	for {
		_, _, err := d.Flush(ctx)
		if err != nil && (trouble == nil || ctx.Err() == nil) {
			trouble = err // not that we ended it, if there is a better reason
		}
		if done() {
			return nil
		}
		timer := time.NewTimer(look)
		select {
		case <-ctx.Done():
			timer.Stop()
			return trouble
		case <-timer.C:
		}
	}
}

// track reads how far a message has come.
func (d *desk) track(ctx context.Context, v *sentView, until store.State) (come bool, err error) {
	m, err := d.store.Message(ctx, v.Seq)
	if errors.Is(err, store.ErrNotFound) {
		return true, nil // it has disappeared since, as it was to
	}
	if err != nil {
		return false, err
	}
	v.State, v.Copies = stateName(m.State), m.Copies
	if m.State < until {
		return false, nil
	}
	lines, err := d.store.Ledger(ctx, v.Seq, page)
	if err != nil {
		return false, err
	}
	var queued time.Time
	for _, line := range lines {
		switch line.Step {
		case "queued":
			queued = line.At
		case "stored":
			if v.Timings.Path == 0 {
				v.Timings.Path = ms(v.path)
			}
			v.Timings.Store = max(0, ms(line.At.Sub(queued)-v.path))
		case "failed":
			if m.State == store.Failed {
				return false, fmt.Errorf("%w: %s", errGivenUp, line.Detail)
			}
		}
	}
	return true, nil
}

// explain says what took how long.
func (p program) explain(d *desk, v *sentView) error {
	t := &terminal.Table{}
	row := func(step string, took float64, says string) {
		t.Add(terminal.Cell{Text: "  " + step}, terminal.Cell{Text: fmt.Sprintf("%.1f ms", took), Right: true}, terminal.Cell{Text: says})
	}
	row("key", v.Timings.Key, "from the "+d.how)
	row("path", v.Timings.Path, "")
	says := "nobody was asked"
	if v.Name != nil {
		says = fmt.Sprintf("%s: %d of %d nodes agree, %d must, at height %d", v.Name.Name, v.Name.Agreed, v.Name.Asked, v.Name.Need, v.Name.Height)
	}
	row("resolve", v.Timings.Resolve, says)
	row("encrypt", v.Timings.Encrypt, "")
	row("store", v.Timings.Store, fmt.Sprintf("%s, %d copies", v.State, v.Copies))
	p.tell("%s", v.To)
	return t.Write(p.stderr)
}
