package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"onsight/api"
	"onsight/internal/events"
	"onsight/ons"
	"onsight/ons/remote"
)

// Bounds of following a log.
const (
	eventsPage  = 1000             // entries asked for at once
	eventMost   = 1 << 20          // bytes of one
	quietMost   = 45 * time.Second // without a sign of life of a stream: three of them are missing then
	lookAgain   = time.Second      // until a database is asked again
	againAfter  = time.Second      // until a server is asked again that ended a stream
	againAtMost = 30 * time.Second
)

// Words for --after, as the API has them.
const (
	fromStart = "start"
	fromNow   = "now"
)

type eventsOptions struct {
	server, after, kind string
	follow              bool
}

func (p program) eventsCommand(f *flags) *cobra.Command {
	var opt eventsOptions
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Tell what happened to names, chain and nodes",
		Long: `Tell what happened to names, chain and nodes: the log, oldest first.

It is read from the own database, or with --server from an onsight server. Each line begins with a cursor: who gives the newest one as
--after goes on behind it, and misses nothing and reads nothing twice, also when blocks were taken back, which is an event itself.
With --follow it goes on with what happens, and comes back by itself to a server that was gone for a while.`,
		Example: `  onsight events --kind reorg
  onsight events --follow --kind buy,transfer -o jsonl
  onsight events --after 3f9b0c6e21d7a854-118 --server https://names.example.org`,
		Args:        cobra.NoArgs,
		Annotations: map[string]string{outputs: "text,json,jsonl"},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if opt.follow && f.json() {
				return usagef("--follow: has no end, so it is no JSON: use -o jsonl")
			}
			return p.events(cmd.Context(), f, opt)
		},
	}
	fl := cmd.Flags()
	fl.BoolVar(&opt.follow, "follow", false, "go on with what happens")
	fl.StringVar(&opt.server, "server", "", "ask the onsight server at `URL`")
	fl.StringVar(&opt.after, "after", "", "begin behind a `CURSOR`, at start, or now (default start, with --follow now)")
	fl.StringVar(&opt.kind, "kind", "", "`KINDS` to tell, separated by commas: "+strings.Join(events.Names(), ", "))
	_ = cmd.RegisterFlagCompletionFunc("kind", completeList(events.Names()))
	return cmd
}

func (p program) events(ctx context.Context, f *flags, opt eventsOptions) error {
	kinds, err := events.ParseKinds(opt.kind)
	if err != nil {
		return usagef("--kind: %w", err)
	}
	if opt.after == "" {
		if opt.after = fromStart; opt.follow {
			opt.after = fromNow
		}
	}
	if opt.after != fromStart && opt.after != fromNow {
		if _, err := events.ParseCursor(opt.after); err != nil {
			return usagef("--after: must be a cursor, start or now")
		}
	}
	out := &eventPrinter{p: p, as: f.output}
	if opt.server == "" {
		err = p.ownEvents(ctx, f, opt, kinds, out.print)
	} else {
		var u *url.URL
		if u, err = serverURL(opt.server); err == nil {
			err = f.insist(ctx, u)
		}
		if err == nil {
			err = serverEvents(ctx, u, opt, out.print, f.logger(p, slog.LevelInfo))
		}
	}
	if opt.follow && ctx.Err() != nil {
		return nil // told to stop
	}
	if err != nil {
		return err
	}
	return out.end()
}

// ownEvents reads the log of the own database.
func (p program) ownEvents(ctx context.Context, f *flags, opt eventsOptions, kinds events.Kinds, print func([]byte) error) error {
	db, err := f.openAny(ctx, p.env, !opt.follow)
	if err != nil {
		return err
	}
	defer db.Close()
	end, err := db.Events(ctx, math.MaxInt64, 0, 1)
	if err != nil {
		return unavailable(err)
	}
	at := events.Cursor{Log: end.Log}
	switch opt.after {
	case fromStart:
	case fromNow:
		at.Seq = end.Head
	default:
		if at, err = events.ParseCursor(opt.after); err != nil {
			return err
		}
		if at.Log != end.Log || at.Seq > end.Head {
			return fmt.Errorf("%s: %w", db.path, events.ErrReset)
		}
	}
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		page, err := db.Events(ctx, at.Seq, kinds, eventsPage)
		if err != nil {
			return unavailable(err)
		}
		if page.Log != at.Log { // see Store.NewLog
			return fmt.Errorf("%s: %w", db.path, events.ErrReset)
		}
		network, err := db.network(ctx)
		if err != nil {
			return unavailable(err)
		}
		for i := range page.Entries {
			if err := print(api.EventLine(page.Log, &page.Entries[i], network)); err != nil {
				return err
			}
		}
		if at.Seq = page.Next; page.Next < page.Head {
			continue
		}
		if !opt.follow {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// network is that of the database, which one that was empty when it was opened learns later.
func (d *database) network(ctx context.Context) (ons.Network, error) {
	if d.state.Network == "" {
		var err error
		if d.state, err = d.State(ctx); err != nil {
			return "", err
		}
	}
	return d.state.Network, nil
}

// serverEvents reads the log of an onsight server.
func serverEvents(ctx context.Context, base *url.URL, opt eventsOptions, print func([]byte) error, log *slog.Logger) error {
	query := url.Values{"after": {opt.after}}
	if opt.kind != "" {
		query.Set("kind", opt.kind)
	}
	if opt.follow {
		return followEvents(ctx, base, query, print, log)
	}
	query.Set("limit", fmt.Sprint(eventsPage))
	for {
		next, more, err := eventPage(ctx, base, query, print)
		if busy := (*busyError)(nil); errors.As(err, &busy) { // a long log is more than a server gives at once
			select {
			case <-time.After(busy.after):
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err != nil || !more {
			return err
		}
		query.Set("after", next)
	}
}

// busyError is the reply of a server that says when to come again.
type busyError struct {
	error
	after time.Duration
}

func (e *busyError) Unwrap() error { return e.error }

// eventPage reads one page, and returns where to go on and whether there is something.
func eventPage(ctx context.Context, base *url.URL, query url.Values, print func([]byte) error) (next string, more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	resp, err := getEvents(ctx, base.JoinPath("v1", "events"), query, "application/x-ndjson", "")
	if err != nil {
		return "", false, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(io.LimitReader(resp.Body, eventsPage*eventMost))
	lines.Buffer(nil, eventMost)
	for lines.Scan() {
		if err := print(lines.Bytes()); err != nil {
			return "", false, err
		}
	}
	if err := lines.Err(); err != nil {
		return "", false, fmt.Errorf("%s: the reply is cut short or too large: %w: %w", base.Host, ons.ErrUnavailable, err)
	}
	next = resp.Header.Get("Onsight-Next")
	if _, err := events.ParseCursor(next); err != nil || next == query.Get("after") && next != resp.Header.Get("Onsight-Head") {
		return "", false, fmt.Errorf("%s: does not say where its log goes on: %w", base.Host, ons.ErrUnavailable)
	}
	return next, next != resp.Header.Get("Onsight-Head"), nil
}

// followEvents reads streams, each from where the one before ended. Only the first one must be there.
func followEvents(ctx context.Context, base *url.URL, query url.Values, print func([]byte) error, log *slog.Logger) error {
	last, wait := "", againAfter
	for {
		before := last
		err := eventStream(ctx, base, query, &last, print)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case last == "" || errors.Is(err, events.ErrReset) || errors.Is(err, errPrint):
			return err
		case last != before:
			wait = againAfter
		}
		log.Info("stream ended, coming back", "server", base.Host, "error", err, "in", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
		wait = min(2*wait, againAtMost)
	}
}

// errPrint is an error of our own output.
var errPrint = errors.New("cannot write")

// eventStream reads one stream behind an id, which it moves on, until the stream ends.
func eventStream(ctx context.Context, base *url.URL, query url.Values, last *string, print func([]byte) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	quiet := time.AfterFunc(quietMost, cancel)
	defer quiet.Stop()
	resp, err := getEvents(ctx, base.JoinPath("v1", "events", "stream"), query, "text/event-stream", *last)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return readStream(resp.Body, func(id, data string) error {
		quiet.Reset(quietMost)
		if _, err := events.ParseCursor(id); err != nil {
			return fmt.Errorf("%s: its event has no cursor: %w", base.Host, ons.ErrUnavailable)
		}
		if data != "" {
			if err := print([]byte(data)); err != nil {
				return err
			}
		}
		*last = id
		return nil
	})
}

// readStream reads server-sent events (HTML standard, 9.2.6) as our servers write them, until there are no more: the newest id, and the
// data of those that have some. It always returns an error.
func readStream(r io.Reader, event func(id, data string) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, eventMost)
	var id string
	var data []string
	size := 0
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			id = value
		case "data":
			if size += len(value); size > eventMost {
				return fmt.Errorf("an event is too large: %w", ons.ErrUnavailable)
			}
			data = append(data, value)
		case "":
			if lines.Text() == "" && id != "" {
				if err := event(id, strings.Join(data, "\n")); err != nil {
					return err
				}
				data, size = nil, 0
			}
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%w: %w", ons.ErrUnavailable, err)
	}
	return fmt.Errorf("the stream ended: %w", ons.ErrUnavailable)
}

// getEvents asks a server for its log and returns a reply that is good.
func getEvents(ctx context.Context, u *url.URL, query url.Values, accept, last string) (*http.Response, error) {
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", u.Host, ons.ErrUnavailable, remote.WithoutURL(err))
	}
	if resp.StatusCode == http.StatusOK && strings.HasPrefix(resp.Header.Get("Content-Type"), accept) {
		return resp, nil
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusGone {
		return nil, fmt.Errorf("%s: %w", u.Host, events.ErrReset)
	}
	err = fmt.Errorf("%s: answers %d: %w", u.Host, resp.StatusCode, ons.ErrUnavailable)
	if n, e := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 16); e == nil && resp.StatusCode == http.StatusTooManyRequests {
		return nil, &busyError{err, min(time.Duration(n)*time.Second, againAtMost)}
	}
	return nil, err
}

// eventPrinter prints entries, which it is given as lines of the API.
type eventPrinter struct {
	p  program
	as string // format
	n  int
}

// eventLine is what the text of an entry is made of.
type eventLine struct {
	Cursor string `json:"cursor"`
	Kind   string `json:"kind"`
	Height uint64 `json:"height"`
	Time   string `json:"time"`
	Name   *struct {
		Type     string `json:"type"`
		NameHash string `json:"name_hash"`
		Owner    string `json:"owner"`
	} `json:"name"`
	Reorg *struct {
		Depth  uint64 `json:"depth"`
		Undone struct {
			Count uint64 `json:"count"`
		} `json:"undone"`
		Redone struct {
			Count uint64 `json:"count"`
		} `json:"redone"`
	} `json:"reorg"`
	Node *struct {
		Text string `json:"text"`
	} `json:"node"`
}

func (o *eventPrinter) print(line []byte) error {
	var v eventLine
	if err := json.Unmarshal(line, &v); err != nil {
		return fmt.Errorf("an event is not what an onsight server says: %w", ons.ErrUnavailable)
	}
	text := strings.TrimSuffix(string(line), "\n")
	switch o.as {
	case "text":
		text = v.text()
	case "json":
		if text = ",\n  " + text; o.n == 0 {
			text = "[\n  " + text[len(",\n  "):]
		}
	}
	if o.as != "json" {
		text += "\n"
	}
	o.n++
	return o.write(text)
}

// end completes what was printed.
func (o *eventPrinter) end() error {
	switch {
	case o.as != "json":
		return nil
	case o.n == 0:
		return o.write("[]\n")
	}
	return o.write("\n]\n")
}

func (o *eventPrinter) write(text string) error {
	if _, err := io.WriteString(o.p.stdout, text); err != nil {
		return fmt.Errorf("%w: %w", errPrint, err)
	}
	return nil
}

// text says an entry in one line. Nothing that a server sends may steer a terminal.
func (v *eventLine) text() string {
	what := ""
	switch {
	case v.Name != nil && v.Kind == events.Expire.String():
		what = v.Name.Type + " name " + v.Name.NameHash
	case v.Name != nil:
		what = v.Name.Type + " name " + v.Name.NameHash + ", owner " + v.Name.Owner
	case v.Reorg != nil:
		what = fmt.Sprintf("%d blocks taken back, with %d transactions; %d in those that came", v.Reorg.Depth, v.Reorg.Undone.Count, v.Reorg.Redone.Count)
	case v.Node != nil:
		what = v.Node.Text
	}
	if v.Time == "" {
		v.Time = "-"
	}
	line := fmt.Sprintf("%s  %s  %d  %-12s  %s", v.Cursor, v.Time, v.Height, v.Kind, what)
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, line)
}
