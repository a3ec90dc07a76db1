package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"onsight/client"
	"onsight/client/store"
	"onsight/internal/terminal"
)

type listenOptions struct {
	once     bool
	command  string
	args     []string
	timeout  time.Duration // for a run of command
	consumer string
	count    int
}

func (p program) listenCommand(f *flags) *cobra.Command {
	var opt listenOptions
	cmd := &cobra.Command{
		Use:   "listen [--once] [--exec CMD -- ARGS…]",
		Short: "Fetch and print what comes, and send what is due, until Ctrl-C",
		Long: `Fetch and print what comes, and send what is due, until Ctrl-C; with --once in one round.

Each event has a number that rises and stays. It counts as dealt with once it was printed, or CMD has ended with 0; until then it is given
again, so a program that follows sees each at least once. --consumer keeps several that follow apart; what one process follows under a
name, no other does at the same time.

With --exec, CMD is run with ARGS for each message that comes from somebody else, one after another, without a shell. It gets the event as one line
of JSON on standard input. If it fails, or takes longer than --exec-timeout, after which it is killed with all that it has started, the same message is given again: with --once by the next listen, else after a pause.`,
		Example: `  courier listen
  courier listen --once -o jsonl
  courier listen --exec ./answer -- --colour blue`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 && opt.command == "" {
				return usagef("listen takes no arguments but those of --exec")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if opt.command != "" {
				path, err := exec.LookPath(opt.command)
				if err != nil {
					return usagef("--exec: %w: it has to be a program that can be run; what is to be its arguments stands after --", err)
				}
				opt.command, opt.args = path, args
			}
			if opt.timeout <= 0 {
				return usagef("--exec-timeout: must be more than 0")
			}
			if opt.count < 0 {
				return usagef("--count: must not be less than 0")
			}
			if opt.consumer == "" || len(opt.consumer) > 64 || strings.ContainsFunc(opt.consumer, func(r rune) bool { return !unicode.IsPrint(r) }) {
				return usagef("--consumer: use 1 to 64 characters that can be printed")
			}
			return p.at(cmd.Context(), f, func(d *desk) error { return p.listen(cmd.Context(), f, d, opt) })
		},
	}
	fl := cmd.Flags()
	fl.SetInterspersed(false) // what follows CMD is CMD's
	fl.BoolVar(&opt.once, "once", false, "one round, then end")
	fl.StringVar(&opt.command, "exec", "", "run `CMD` for each message that comes")
	fl.DurationVar(&opt.timeout, "exec-timeout", time.Minute, "how long a run of CMD may take")
	fl.StringVar(&opt.consumer, "consumer", "listen", "`NAME` under which it is kept how far this listener has come")
	fl.IntVar(&opt.count, "count", 0, "end after so many messages that came (0: never)")
	return cmd
}

// errEnough ends a listener that has heard what it wanted.
var errEnough = errors.New("enough")

// listener gives events to whoever is to have them.
type listener struct {
	p      program
	f      *flags
	d      *desk
	opt    listenOptions
	out    *list[eventView]
	heard  int
	failed map[int64]bool // messages that were said to be given up
	pause  time.Duration  // after a command that failed; doubles
	next   time.Time      // not before, because of it
}

func (p program) listen(ctx context.Context, f *flags, d *desk, opt listenOptions) (err error) {
	release, err := claim(f.folder(), "consumer "+opt.consumer)
	var taken *heldError
	switch {
	case errors.As(err, &taken):
		return err
	case err == nil:
		defer func() { err = errors.Join(err, release()) }()
	case !errors.Is(err, errNoLocks): // some file systems have none either
		p.tell("warning: it is not known whether another process follows: %v", err)
	}
	l := &listener{p: p, f: f, d: d, opt: opt, out: newList[eventView](p, f, nil, nil), failed: map[int64]bool{}}
	defer func() {
		if opt.command == "" && f.output == "json" {
			err = errors.Join(err, l.out.close())
		}
	}()
	if opt.once {
		_, trouble := d.Poll(ctx)
		_, _, unsent := d.Flush(ctx)
		if _, err := d.store.Sweep(ctx, d.Now()); err != nil {
			return err
		}
		if err := l.deal(ctx); err != nil && !errors.Is(err, errEnough) {
			return err
		}
		if trouble != nil {
			return trouble
		}
		if unsent != nil {
			p.tell("warning: not all was sent: %v", unsent)
		}
		return nil
	}
	debug.FreeOSMemory() // deriving the key took 64 MiB, which are not needed again while this runs
	p.tell("listening; Ctrl-C ends it")
	if err := l.deal(ctx); l.over(err) != nil { // what was fetched before, by whomever
		return l.end(ctx, err)
	}
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	said := ""
	err = d.Run(running, func(trouble error) {
		if err := l.over(l.deal(running)); err != nil {
			stop(err)
			return
		}
		says := ""
		if trouble != nil && running.Err() == nil {
			says = trouble.Error()
		}
		if says != said {
			if said = says; says == "" {
				says = "works again"
			}
			p.tell("%s", says)
		}
	})
	if cause := context.Cause(running); cause != nil {
		err = cause
	}
	return l.end(ctx, err)
}

// over returns err unless going on makes sense: a command that fails is tried again.
func (l *listener) over(err error) error {
	var failed *commandError
	if errors.As(err, &failed) {
		l.p.tell("warning: %v: the same message is given again in %v", err, l.pause)
		return nil
	}
	return err
}

// end makes of why a listener ended what the program returns: that somebody ended it is no error.
func (l *listener) end(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// deal gives all events that there are.
func (l *listener) deal(ctx context.Context) error {
	if time.Now().Before(l.next) {
		return nil
	}
	var b *book
	enough := false
	for e, err := range l.d.Events(ctx, l.opt.consumer) {
		if err != nil {
			return err
		}
		if enough { // the one before counts as dealt with now
			return errEnough
		}
		if b == nil {
			if b, err = l.d.names(ctx); err != nil {
				return err
			}
		}
		if err := l.d.meet(ctx, b, e.Chat); err != nil {
			return err
		}
		v := b.event(&e)
		if err := l.give(ctx, v); err != nil {
			return err
		}
		if e.Kind == store.Came {
			l.heard++
			enough = l.heard == l.opt.count
		}
	}
	if enough {
		return errEnough
	}
	return nil
}

// names is a book without contacts.
func (d *desk) names(ctx context.Context) (*book, error) {
	b := &book{self: d.account.ID, contacts: map[client.ID]store.Contact{}, names: map[client.ID]string{}, pins: map[string]store.Pin{}}
	return b, d.eachPin(ctx, func(pin store.Pin) error {
		b.pins[pin.Name] = pin
		if was, ok := b.names[pin.ID]; !ok || pin.Name < was {
			b.names[pin.ID] = pin.Name
		}
		return nil
	})
}

// meet writes a contact into the book, if there is one: strangers make as many as they like, so not all are read for each round.
func (d *desk) meet(ctx context.Context, b *book, id client.ID) error {
	c, err := d.store.Contact(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	b.contacts[id] = c
	return err
}

func (l *listener) give(ctx context.Context, v eventView) error {
	switch {
	case l.opt.command != "":
		if v.Kind != eventMessage || v.Message == nil { // it has disappeared since, as it was to
			return nil
		}
		return l.run(ctx, v)
	case l.f.output == "text":
		_, err := io.WriteString(l.p.stdout, l.says(v))
		return err
	}
	return l.out.add(v)
}

// says is an event for people. Progress of messages of ours is none: send says that.
func (l *listener) says(v eventView) string {
	switch v.Kind {
	case eventState:
		// An event has its message as it is now, so there may be several that say this.
		if m := v.Message; m != nil && m.State == stateName(store.Failed) && !l.failed[m.Seq] {
			l.failed[m.Seq] = true
			return fmt.Sprintf("* message %d to %s was given up: see courier messages show %d\n", m.Seq, terminal.Line(v.With), m.Seq)
		}
	case eventAccepted:
		return "* " + terminal.Line(v.With) + " accepts your messages\n"
	case eventTaken:
		if v.Message == nil {
			return ""
		}
		return fmt.Sprintf("* %s took back message %d\n", terminal.Line(v.Message.From), v.Message.Seq)
	case eventMessage, eventCopy:
		if v.Message == nil {
			return "" // it has disappeared since, as it was to
		}
		return v.Message.says(v.With, v.Request)
	}
	return ""
}

// says is a message for people: when, who, what. Further lines of it are indented, so that none looks like another message.
func (v *messageView) says(with string, request bool) string {
	who := terminal.Line(v.From)
	switch {
	case v.Sender == v.Chat && v.From == "me":
	case v.From == "me":
		who = "me → " + terminal.Line(with)
	case request:
		who += " (request)"
	}
	at := ""
	if v.Sent != nil {
		if t, err := time.Parse(time.RFC3339, *v.Sent); err == nil {
			at = moment(t)
		}
	}
	return fmt.Sprintf("%s  %s: %s\n", at, who, strings.ReplaceAll(terminal.Text(v.body()), "\n", "\n    "))
}

// body is what a message says, in words where it has none.
func (v *messageView) body() string {
	text := v.Text
	switch v.Kind {
	case "timer":
		text = "(messages disappear from now on, or no longer)"
	case "deleted":
		text = "(taken back)"
	}
	if v.Files > 0 {
		text = strings.TrimSpace(fmt.Sprintf("%s [%d files]", text, v.Files))
	}
	return text
}

// commandError means that the command of --exec failed.
type commandError struct{ error }

func (e *commandError) Unwrap() error { return e.error }

const (
	firstPause = time.Second
	lastPause  = time.Minute
)

// run gives an event to the command.
func (l *listener) run(ctx context.Context, v eventView) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	limited, done := context.WithTimeout(ctx, l.opt.timeout)
	defer done()
	cmd := exec.CommandContext(limited, l.opt.command, l.opt.args...)
	cmd.Stdin = bytes.NewReader(append(line, '\n'))
	cmd.Stdout, cmd.Stderr = l.p.stdout, l.p.stderr
	apart(cmd)
	cmd.Cancel = func() error {
		if ctx.Err() == nil {
			return endGroup(cmd, os.Kill)
		}
		return endGroup(cmd, os.Interrupt) // it may have something to put away
	}
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if limited.Err() != nil {
			err = fmt.Errorf("took longer than %v (--exec-timeout)", l.opt.timeout)
		}
		l.pause = min(max(2*l.pause, firstPause), lastPause)
		l.next = time.Now().Add(l.pause)
		return &commandError{fmt.Errorf("--exec: %w", err)}
	}
	l.pause, l.next = 0, time.Time{}
	return nil
}
