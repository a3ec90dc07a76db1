package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
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
	fresh   time.Duration
}

func (o *sendOptions) until() store.State {
	return map[string]store.State{"queued": store.Queued, "stored": store.Stored, "replicated": store.Replicated}[o.wait]
}

func (p program) sendCommand(f *flags) *cobra.Command {
	var opt sendOptions
	var reply string
	cmd := &cobra.Command{
		Use:   "send TO… -m TEXT",
		Short: "Send a text to a name, an id, a contact, or yourself",
		Long: `Send a text to a name, an id, a contact (@nick), or yourself (me).

Once it is queued it will be sent, by this command or by whichever runs next, however this one ends: what is sent lies in the outbox in
its final form, and is tried again until servers would not take it any more. --wait says what this command waits for: queued, stored (a
server of the reader's swarm has it), or replicated (three have). What is printed is how far it has come by then, which may be further.

A text has at most 2,000 characters, and is neither blank nor has it null characters. While the command runs, every user of the machine
can read what stands after -m in the list of processes: what they are not to see is piped in, with -m -.

A name that points to another account than when it was first used is held: nothing is sent until you approve (exit code 5). Nodes are asked
for a name unless they were within --fresh, so a change may be noticed that much later. What cannot be found out then goes to the account
that was first used, unless enough nodes say another of which it is not known whether that is so now (exit code 3).`,
		Example: `  courier send alice -m "hi"
  echo "disk full" | courier send alice bob -m -
  courier send me -m "milk" --wait replicated --explain`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("say who it is for: courier send TO -m TEXT")
			}
			return nil
		},
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
			switch {
			case opt.fresh < 0:
				return usagef("--fresh: must not be less than 0")
			case opt.fresh == 0:
				opt.fresh = -1
			}
			if cmd.Flags().Changed("key") && opt.key == "" {
				return usagef("--key: is empty, which would be no key at all")
			}
			if cmd.Flags().Changed("reply-to") {
				if strings.HasPrefix(reply, "h") {
					return usagef("--reply-to: %s is held, and nobody has it yet: a message has a number without h", reply)
				}
				var err error
				if opt.reply, err = number(reply); err != nil {
					return usagef("--reply-to: %w", err)
				}
			}
			last := opt.text == "-" && terminal.Is(p.stdin) // a passphrase is asked for first, else what is typed for it becomes the text
			if !last {
				if err := p.text(cmd.Context(), &opt); err != nil {
					return err
				}
			}
			return p.at(cmd.Context(), f, func(d *desk) error {
				if last {
					if err := p.text(cmd.Context(), &opt); err != nil {
						return err
					}
				}
				return p.send(cmd.Context(), f, d, opt, args)
			})
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&opt.text, "message", "m", "", "the `TEXT`, which all users of this machine can see, or - for standard input")
	fl.StringVar(&opt.wait, "wait", "stored", "wait until it is `STATE`: queued, stored or replicated")
	fl.DurationVar(&opt.timeout, "timeout", 30*time.Second, "how long all of it may take, once the profile is unlocked")
	fl.BoolVar(&opt.dryRun, "dry-run", false, "say whom it would go to, or why not, and send nothing")
	fl.DurationVar(&opt.fresh, "fresh", 10*time.Minute, "how long what a name stands for is believed without asking again; 0: not at all")
	fl.BoolVar(&opt.explain, "explain", false, "say what took how long, and who said what the name is")
	fl.StringVar(&opt.key, "key", "", "`NAME` of this send: with one that was used before for the same TO, nothing is sent again")
	fl.StringVar(&reply, "reply-to", "", "`NUMBER` of the message that it answers")
	fixed(cmd, "wait", "queued", "stored", "replicated")
	return cmd
}

// text reads the text from standard input, if that is where it is, and checks it.
func (p program) text(ctx context.Context, opt *sendOptions) error {
	if opt.text == "-" {
		b, err := p.input(ctx, maxText)
		if errors.Is(err, errLong) {
			return usagef("-m: %w", client.ErrLongText)
		}
		if err != nil {
			return err
		}
		opt.text = strings.TrimSuffix(string(b), "\n")
	}
	if opt.text == "" {
		return usagef("the text is empty")
	}
	if err := client.CheckText(opt.text); err != nil {
		return usagef("-m: %w", err)
	}
	return nil
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
	Recheck *recheckView `json:"recheck,omitempty"` // that the name could not be asked for again
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

// recheckView is why a name that was used before could not be asked for again, so that what is sent goes to whom it stood for.
type recheckView struct {
	Outcome   string  `json:"outcome"`   // unasked, absent, disagreed, unanswered
	Confirmed *string `json:"confirmed"` // when that was last so
}

// says why.
func (v *recheckView) says() string {
	switch v.Outcome {
	case "unasked":
		return "nobody could be asked in time"
	case "unanswered":
		return "too few nodes answered"
	case "absent":
		return "it is not registered now"
	}
	return outcomeWords[v.Outcome]
}

// timingsView is what took how long.
type timingsView struct {
	Key     float64 `json:"key_ms"`  // to unlock the profile: derivation, or the keyring
	Open    float64 `json:"open_ms"` // the rest of opening it, above all its database
	Path    float64 `json:"path_ms"`
	Resolve float64 `json:"resolve_ms"`
	Clock   float64 `json:"clock_ms"` // to learn the network's time, which the message bears
	Encrypt float64 `json:"encrypt_ms"`
	Store   float64 `json:"store_ms"`
	Total   float64 `json:"total_ms"` // from the start until the text had come as far as was waited for
}

func newNameView(r *client.Resolution) *nameView {
	v := &nameView{Name: r.Name.String(), Need: r.Receipt.Need, Asked: r.Receipt.Asked, Held: r.Pin.Held()}
	for _, a := range r.Receipt.Answers {
		if a.Agrees {
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
		if errors.Is(err, store.ErrNotFound) {
			return usagef("--reply-to %d: there is no such message", opt.reply)
		}
		if err != nil {
			return err
		}
		for _, w := range to { // before anything is sent, too
			id := w.id
			if id == (client.ID{}) {
				id = b.pins[w.name.String()].ID
			}
			if id != (client.ID{}) && id != m.Chat { // of a name that was never used Send knows
				return replyError(w.word)
			}
		}
		quote = &store.Ref{Sender: m.Sender, Sent: m.Sent}
	}
	limited, done := context.WithTimeout(ctx, opt.timeout)
	defer done()
	views := make([]*sentView, len(to))
	for i, w := range to {
		views[i] = d.post(ctx, limited, opt, w, quote, b.pins[w.name.String()])
		if r := views[i].Recheck; r != nil {
			goes := "sent"
			if opt.dryRun {
				goes = "it would go"
			}
			p.tell("%s could not be asked again (%s); %s to the account of %s", w.word, r.says(), goes, momentOf(r.Confirmed))
		}
		if err := p.other(ctx, d, opt, views[i]); err != nil {
			return err
		}
	}
	settle := func() {}
	if !opt.dryRun {
		settle = d.carry(ctx, limited, opt, views)
		defer settle()
	}
	for _, v := range views {
		v.Timings.Total = ms(time.Since(d.begun))
	}
	l := newList(p, f, nil, func(t *terminal.Table, v *sentView) {
		switch {
		case v.Seq != 0 || v.Held != 0:
			t.Add(terminal.Cell{Text: waitNumber(v.Seq, v.Held), Right: true}, terminal.Cell{Text: v.State}, terminal.Cell{Text: v.To})
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
		if err := l.add(v); err != nil {
			return err
		}
	}
	if err := l.close(); err != nil || !opt.explain { // what is asked for is said before the rest is done
		return errors.Join(err, first)
	}
	begun := time.Now()
	settle()
	waited := time.Since(begun)
	for _, v := range views {
		copied, err := d.copied(ctx, v)
		if err == nil {
			err = p.explain(d, v, waited, copied)
		}
		if err != nil {
			return errors.Join(err, first)
		}
	}
	return first
}

// other says so if a key was used before, and for another text.
func (p program) other(ctx context.Context, d *desk, opt sendOptions, v *sentView) error {
	if opt.key == "" {
		return nil
	}
	text := opt.text
	switch {
	case v.Seq != 0:
		m, err := d.store.Message(ctx, v.Seq)
		if err != nil && !errors.Is(err, store.ErrNotFound) { // it has disappeared since, as it was to
			return err
		}
		if err == nil {
			text = m.Text
		}
	case v.Held != 0:
		h, err := d.store.Held(ctx, v.Held)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err == nil {
			text = h.Text
		}
	}
	if text != opt.text {
		p.tell("note: %s: another text was sent under this --key, and this one is not: %s", v.To, waitNumber(v.Seq, v.Held))
	}
	return nil
}

// How long it may take to put a text into the outbox once the time that was given is over.
const (
	leastTime = 100 * time.Millisecond // to notice that it is over
	queueTime = 5 * time.Second
)

// post queues the text for one reader. What is to be learnt from the network for it ends with limited; a name that was used before then
// stands for whom it stood for, and one that was not is not found out.
func (d *desk) post(ctx, limited context.Context, opt sendOptions, w whom, quote *store.Ref, pin store.Pin) *sentView {
	v := &sentView{To: w.word, State: "error", Timings: &timingsView{Key: ms(d.unlocked), Open: ms(d.opened)}}
	var s client.Sent
	l := client.Letter{To: w.id, Name: w.name, Text: opt.text, Quote: quote, Recheck: opt.fresh}
	if opt.key != "" {
		l.Key = opt.key + " " + w.String()
	}
	v.queued = time.Now()
	send := d.Send
	if opt.dryRun {
		send = d.Rehearse
	}
	// try reports whether it was the time that kept it from being queued.
	try := func(within context.Context, done context.CancelFunc) (ended bool) {
		defer done()
		asked := s.Resolution
		if s, v.err = send(within, l); s.Resolution == nil {
			s.Resolution = asked
		}
		return v.err != nil && within.Err() != nil && ctx.Err() == nil && s.Seq == 0 && s.Held == 0
	}
	end, _ := limited.Deadline()
	asking := time.Until(end)
	if pin.Name != "" {
		asking /= 2 // the rest is for sending it: to whom is known
	}
	ended := try(context.WithTimeout(ctx, asking))
	l.Recheck = math.MaxInt64 // the name is not asked for again
	known := l.To != (client.ID{}) || pin.Name != "" && !pin.Held() || s.To != (client.ID{})
	if ended && known { // what is left is for the network's time; who has asked for that in vain does not at once again
		ended = try(context.WithTimeout(ctx, max(time.Until(end), leastTime))) && try(context.WithTimeout(ctx, queueTime))
	}
	if ended && l.To == (client.ID{}) {
		v.err = errNoAnswer
	}
	switch {
	case errors.Is(v.err, client.ErrQuote):
		v.err = replyError(w.word)
	case errors.Is(v.err, client.ErrBlocked):
		v.err = usagef("blocked: `courier contacts unblock %s` first, or no answer would come", w.word)
	}
	if s.To != (client.ID{}) {
		v.ID = &s.To
	}
	if r := s.Resolution; r != nil {
		if r.Receipt.Need != 0 {
			v.Name = newNameView(r)
		}
		v.Timings.Path, v.Timings.Resolve = ms(r.Path), ms(max(0, r.Took-r.Path))
		if v.err == nil && r.ID != s.To {
			v.Recheck = &recheckView{outcomes[r.Receipt.Outcome], clock(pin.Checked)}
		}
	}
	v.Timings.Path += ms(s.Path)
	v.Timings.Clock, v.Timings.Encrypt = ms(s.Clock), ms(s.Sealing)
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

// replyError says that a message is of another chat: to quote it would tell who wrote it, and when.
func replyError(word string) error {
	return usagef("--reply-to: the message is not of the chat with %s, who would be told who wrote it", word)
}

// carry sends what is queued until each text has come as far as is waited for. What is under way then, such as copies for one's other
// devices, goes on; settle waits for it.
func (d *desk) carry(ctx, timed context.Context, opt sendOptions, views []*sentView) (settle func()) {
	settle = func() {}
	until := opt.until()
	if until == store.Queued {
		return settle
	}
	waiting := map[*sentView]bool{}
	for _, v := range views {
		if v.Seq != 0 {
			waiting[v] = true
		}
	}
	if len(waiting) == 0 {
		return settle
	}
	limited, done := context.WithCancel(timed)
	begun := time.Now()
	_ = d.Connect(limited) // what keeps it from that keeps Flush from sending, which says why
	path := time.Since(begun)
	for v := range waiting {
		v.path = path
	}
	flushing, last := d.until(limited, func() bool {
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
	return sync.OnceFunc(func() {
		timer := time.NewTimer(settleTime)
		defer timer.Stop()
		select {
		case <-flushing:
			done()
		case <-timer.C:
			done() // what is not sent by now stays in the outbox
			<-flushing
		}
	})
}

// settleTime is how long the end of a command waits for what nobody waits for.
const settleTime = 2 * time.Second

// until sends what is due, round for round, until done says so, and returns what the last round met with, and what is closed when the
// round ends that is still under way. Another process may be sending the same, so it is looked at more often than there is something
// to do.
func (d *desk) until(ctx context.Context, done func() bool) (flushing <-chan struct{}, trouble error) {
	const look = 100 * time.Millisecond
	for {
		over := make(chan struct{})
		var err error // Flush's, once over is closed
		go func() {
			defer close(over)
			defer func() {
				if v := recover(); v != nil {
					d.bug(v)
				}
			}()
			_, _, err = d.Flush(ctx)
		}()
		for waits := true; waits; {
			select {
			case <-d.stored:
				if done() {
					return over, nil
				}
			case <-over:
				waits = false
			}
		}
		if err != nil && ctx.Err() == nil {
			trouble = err // not that we ended it
		}
		if done() {
			return over, nil
		}
		timer := time.NewTimer(look)
		select {
		case <-ctx.Done():
			timer.Stop()
			return over, trouble
		case <-timer.C:
		}
	}
}

// copied says what became of the copy for one's other devices; nothing if there is none.
func (d *desk) copied(ctx context.Context, v *sentView) (says string, err error) {
	if v.Seq == 0 || v.State == stateName(store.Failed) || idOf(v.ID) == d.account.ID {
		return "", nil
	}
	lines, err := d.store.Ledger(ctx, v.Seq, page)
	says = "left in the outbox"
	for _, line := range lines {
		if line.Step == "copied" {
			says = "stored"
		}
	}
	return says, err
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
func (p program) explain(d *desk, v *sentView, waited time.Duration, copied string) error {
	t := &terminal.Table{}
	row := func(step string, took float64, says string) {
		t.Add(terminal.Cell{Text: "  " + step}, terminal.Cell{Text: fmt.Sprintf("%.1f ms", took), Right: true}, terminal.Cell{Text: says})
	}
	row("key", v.Timings.Key, "from the "+d.how)
	row("open", v.Timings.Open, "the database")
	row("path", v.Timings.Path, "")
	says := "nobody was asked"
	if v.Name != nil {
		says = fmt.Sprintf("%s: %d of %d nodes agree, %d must, at height %d", v.Name.Name, v.Name.Agreed, v.Name.Asked, v.Name.Need, v.Name.Height)
	}
	row("resolve", v.Timings.Resolve, says)
	row("clock", v.Timings.Clock, "")
	row("encrypt", v.Timings.Encrypt, "and put into the outbox")
	row("store", v.Timings.Store, fmt.Sprintf("%s, %d copies", v.State, v.Copies))
	row("total", v.Timings.Total, "")
	if copied != "" {
		row("copy", ms(waited), "waited for after that, for your other devices: "+copied)
	}
	p.tell("%s", v.To)
	return t.Write(p.stderr)
}
