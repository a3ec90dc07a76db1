package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"onsight/directory"
	"onsight/internal/oxend"
	"onsight/ons"
	"onsight/ons/remote"
)

// look is how often it is looked which nodes are due: a Probe wants to be asked ten times a period or more.
func look(every time.Duration) time.Duration {
	return max(min(every/12, 10*time.Second).Truncate(time.Second), time.Second)
}

// reportAge is how old a check may become before it is not reported any more: a server takes those of the last five minutes.
const reportAge = 4 * time.Minute

// period reports whether nodes may be checked so often: what is kept of them by the hour is made of whole ones.
func period(every time.Duration) bool { return every >= time.Minute && time.Hour%every == 0 }

const wantPeriod = "must divide an hour: 1m, 2m, 3m, 4m, 5m, 6m, 10m, 12m, 15m, 20m, 30m or 1h"

type probeOptions struct {
	once     bool
	reportTo string
	key      string
	every    time.Duration
	timeout  time.Duration
	parallel int
}

func (p program) probeCommand(f *flags) *cobra.Command {
	var opt probeOptions
	cmd := &cobra.Command{
		Use:   "probe",
		Short: "Measure from here how service nodes answer",
		Long: `Measure from here how service nodes answer: how long it takes to connect to their storage server, to set up TLS and to get
an answer to "info", and to connect to their OMQ port. Each node is checked once in --every, and what came of it is stored.

Nodes see this machine's address and a question that is the same from everybody. Nothing is sent to anybody else unless
--report-to names an onsight server at which this machine is enrolled (onsight probe keygen, onsight probers add).

onsight serve does the same for its own database.`,
		Example: `  onsight probe --once
  onsight probe --report-to https://names.example.org --key berlin.key`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case !period(opt.every):
				return usagef("--every: %s", wantPeriod)
			case opt.timeout < 100*time.Millisecond || opt.timeout > time.Minute:
				return usagef("--timeout: must be 100ms to 1m")
			case opt.parallel < 1 || opt.parallel > 1024:
				return usagef("--parallel: must be 1 to 1024")
			case opt.key != "" && opt.reportTo == "":
				return usagef("--key: is for --report-to")
			}
			return p.probe(cmd.Context(), f, opt)
		},
	}
	fl := cmd.Flags()
	fl.BoolVar(&opt.once, "once", false, "check every node that was not checked lately now, show what came of it, and stop")
	fl.StringVar(&opt.reportTo, "report-to", "", "report to the onsight server at `URL`, where this machine's key is enrolled")
	fl.StringVar(&opt.key, "key", "", "file of the key that reports are signed with (default probe.key in the XDG data folder)")
	fl.DurationVar(&opt.every, "every", directory.Checks.Interval, "time between two checks of a node")
	fl.DurationVar(&opt.timeout, "timeout", 5*time.Second, "how long a node may take to answer")
	fl.IntVar(&opt.parallel, "parallel", 64, "nodes checked at once")
	cmd.AddCommand(p.keygenCommand(f))
	return cmd
}

// prober measures the nodes of a directory, and reports what came of it if that is asked for. Only one goroutine may use it.
type prober struct {
	*directory.Directory
	config   directory.ProbeConfig
	probe    *directory.Probe // made when the network is known
	reporter *reporter        // nil: reports to nobody
	log      *slog.Logger
}

func (p program) probe(ctx context.Context, f *flags, opt probeOptions) error {
	level := slog.LevelInfo
	if opt.once {
		level = slog.LevelWarn // the answer says it all
	}
	log := f.logger(p, level)
	var r *reporter
	if opt.reportTo != "" {
		var err error
		if r, err = p.newReporter(opt); err != nil {
			return err
		}
	}
	b, err := p.openBase(ctx, f, log)
	if err != nil {
		return err
	}
	defer b.db.Close()
	d, err := b.directory(f, directory.Config{Every: opt.every, Log: log})
	if err != nil {
		return err
	}
	if err := d.Load(ctx); err != nil {
		return err
	}
	meter := newProbeMeter(p.stderr)
	defer meter.stop()
	pr := &prober{Directory: d, reporter: r, log: log, config: directory.ProbeConfig{
		Every: opt.every, Parallel: opt.parallel, Timeout: opt.timeout, Progress: meter.advance,
	}}
	if opt.once {
		return p.probeOnce(ctx, f, pr, meter)
	}
	return pr.repeat(ctx)
}

// private are the networks whose nodes are on loopback or at home; everywhere else such an address would be a trick.
func private(n ons.Network) bool { return n == ons.Fakechain || n == ons.Localdev }

// nodes are those of the newest snapshot; last tells when each was checked from here.
func (p *prober) nodes() (nodes []directory.Node, last func(directory.Key) time.Time) {
	s := p.Snapshot()
	if p.probe == nil && s.Network != "" {
		p.config.Public = !private(s.Network)
		p.probe = directory.NewProbe(p.config)
	}
	for i := range s.Entries {
		nodes = append(nodes, s.Entries[i].Node)
	}
	return nodes, func(k directory.Key) time.Time {
		if e := s.Entry(k); e != nil {
			return e.Estimate.At
		}
		return time.Time{}
	}
}

// round checks the nodes that are due, stores what came of it, and reports it. What was checked before ctx ended is kept.
func (p *prober) round(ctx context.Context) error {
	nodes, last := p.nodes()
	if p.probe == nil {
		return nil // no list yet
	}
	_, err := p.check(ctx, p.probe.Due(nodes, last))
	return err
}

func (p *prober) check(ctx context.Context, nodes []directory.Node) ([]directory.Check, error) {
	checks, err := p.probe.Round(ctx, nodes)
	if len(checks) > 0 {
		kept := context.WithoutCancel(ctx)
		err = errors.Join(err, p.Record(kept, checks))
		p.log.Debug("nodes checked", "nodes", len(nodes), "checks", len(checks))
	}
	if p.reporter != nil && ctx.Err() == nil {
		err = errors.Join(err, p.reporter.send(ctx, p.Snapshot().Network, checks))
	}
	return checks, err
}

// repeat follows the list and checks nodes as they become due, until ctx ends.
func (p *prober) repeat(ctx context.Context) error {
	lists, rounds := complaint{log: p.log, what: "list of nodes not followed"}, complaint{log: p.log, what: "nodes not checked"}
	tick := time.NewTicker(look(p.config.Every))
	defer tick.Stop()
	for worked := false; ; {
		err := p.Refresh(ctx)
		if err != nil && ctx.Err() == nil && fatalList(err, worked) {
			return err
		}
		worked = worked || err == nil
		lists.report(ctx, err)
		rounds.report(ctx, p.round(ctx))
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// fatalList tells errors of Refresh that no waiting mends.
func fatalList(err error, worked bool) bool {
	return errors.Is(err, directory.ErrFenced) || !worked && (errors.Is(err, directory.ErrOtherNetwork) || errors.Is(err, oxend.ErrWrongNetwork))
}

// tooSoon is the part of a period after which a node may be checked again because a user says so.
const tooSoon = 0.8

// again reports whether a node may be checked again. A last check in the future is a mistake of some clock, and none.
func again(last, now time.Time, every time.Duration) bool {
	return last.After(now) || now.Sub(last) >= time.Duration(tooSoon*float64(every))
}

// probeOnce checks all nodes but those that were checked just before, and shows what is known of all then.
func (p program) probeOnce(ctx context.Context, f *flags, pr *prober, meter *probeMeter) error {
	if err := pr.Refresh(ctx); err != nil {
		return err
	}
	nodes, last := pr.nodes()
	started := time.Now()
	var now []directory.Node
	skipped := 0
	for i := range nodes {
		switch n := &nodes[i]; {
		case n.State == directory.Gone:
		case pr.probe.Refuses(n) != nil:
			skipped++
		case again(last(n.Key), started, pr.config.Every):
			now = append(now, *n)
		}
	}
	checks, err := pr.check(ctx, now)
	meter.stop()
	if err != nil {
		return err
	}
	views := checkViews(pr.Snapshot(), checks)
	if f.json() {
		return p.printJSON(views)
	}
	return p.printChecks(views, len(nodes), len(now), skipped)
}

// checkView is one check. What a step did not come to is null; with self_reported_ begins what a node says of itself,
// for which nobody vouches.
type checkView struct {
	Key     string   `json:"key"`
	Address string   `json:"address"`
	State   string   `json:"state"`
	At      string   `json:"at"`
	OK      bool     `json:"ok"`
	Failure string   `json:"failure,omitempty"`
	TCP     *float64 `json:"tcp_ms"`
	TLS     *float64 `json:"tls_ms"`
	Info    *float64 `json:"info_ms"`
	OMQ     *float64 `json:"omq_ms"`
	Clock   *float64 `json:"self_reported_clock_offset_ms"`
	Version *string  `json:"self_reported_version"`
}

// checkViews are checks by how fast the node answered, those that did not last.
func checkViews(s *directory.Snapshot, checks []directory.Check) []checkView {
	checks = slices.Clone(checks)
	slices.SortStableFunc(checks, func(a, b directory.Check) int {
		if a.Sample.OK != b.Sample.OK {
			if a.Sample.OK {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.Sample.Latency(), b.Sample.Latency()), a.Key.Compare(b.Key))
	})
	views := make([]checkView, 0, len(checks))
	for _, c := range checks {
		m := &c.Sample
		v := checkView{Key: c.Key.String(), At: m.At.UTC().Format(time.RFC3339), OK: m.OK, Failure: m.Failure,
			TCP: millis(m.TCP), TLS: millis(m.TLS), Info: millis(m.Info), OMQ: millis(m.OMQ)}
		if e := s.Entry(c.Key); e != nil {
			v.Address, v.State = e.Node.IP.String(), string(e.Node.State)
		}
		if m.OK {
			offset, version := float64(m.ClockOffset.Milliseconds()), m.Version.String()
			v.Clock, v.Version = &offset, &version
		}
		views = append(views, v)
	}
	return views
}

// millis is nil for a step that was not come to.
func millis(d time.Duration) *float64 {
	if d < 0 {
		return nil
	}
	ms := float64(d.Round(10*time.Microsecond)) / float64(time.Millisecond)
	return &ms
}

func (p program) printChecks(views []checkView, known, checked, skipped int) error {
	if len(views) > 0 {
		tw := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tw, "NODE\tADDRESS\tSTATE\tINFO ms\tTCP\tTLS\tOMQ\tCLOCK s *\tVERSION *\tFAILURE")
		number := func(v *float64) string {
			if v == nil {
				return "-"
			}
			return fmt.Sprintf("%.1f", *v)
		}
		for _, v := range views {
			clock, version := "-", "-"
			if v.Clock != nil {
				clock, version = fmt.Sprintf("%+.1f", *v.Clock/1000), *v.Version
			}
			fmt.Fprintf(tw, "%s…\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", v.Key[:12], v.Address, v.State,
				number(v.Info), number(v.TCP), number(v.TLS), number(v.OMQ), clock, version, v.Failure)
		}
		if err := tw.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(p.stdout, "* as the node says of itself; nobody vouches for it")
	}
	ok := 0
	for _, v := range views {
		if v.OK {
			ok++
		}
	}
	_, err := fmt.Fprintf(p.stdout, "%d nodes known, %d checked: %d answered, %d did not; %d have no address that may be checked\n",
		known, checked, ok, len(views)-ok, skipped)
	return err
}

// reporter sends checks to an onsight server. Only one goroutine may use it.
type reporter struct {
	url      *url.URL
	sign     func(directory.Report) ([]byte, error)
	now      func() time.Time
	client   http.Client
	sequence uint64
	pending  map[directory.Key]directory.Check // not yet taken by the server
}

func (p program) newReporter(opt probeOptions) (*reporter, error) {
	u, err := url.Parse(opt.reportTo)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usagef("--report-to: want a URL such as https://names.example.org")
	}
	path := opt.key
	if path == "" {
		if path, err = defaultKeyPath(p.env); err != nil {
			return nil, err
		}
	}
	key, err := readKey(path)
	if err != nil {
		return nil, err
	}
	return &reporter{
		url: u.JoinPath("v1", "probe", "reports"), now: time.Now, pending: map[directory.Key]directory.Check{},
		sign:   func(r directory.Report) ([]byte, error) { return r.Sign(key) },
		client: http.Client{Timeout: serverTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}, nil
}

// send reports checks, and those before that the server could not be told of, unless they are too old. What it refuses is not
// tried again.
func (r *reporter) send(ctx context.Context, network ons.Network, checks []directory.Check) error {
	now := r.now()
	for _, c := range checks {
		r.pending[c.Key] = c
	}
	report := directory.Report{Network: network, From: now, To: now}
	for k, c := range r.pending {
		if at := c.Sample.At; now.Sub(at) > reportAge || at.After(now) {
			delete(r.pending, k)
			continue
		} else if at.Before(report.From) {
			report.From = at
		}
		report.Checks = append(report.Checks, c)
	}
	if len(report.Checks) == 0 {
		return nil
	}
	r.sequence = max(r.sequence+1, uint64(now.UnixMilli())) // rises over restarts too, with nothing to remember
	report.Sequence = r.sequence
	body, err := r.sign(report)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	refused, err := r.post(ctx, body)
	if err == nil || refused {
		clear(r.pending)
	}
	return err
}

// post sends one report; refused means that the same would be refused again.
func (r *reporter) post(ctx context.Context, body []byte) (refused bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url.String(), bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	res, err := r.client.Do(req)
	if err != nil {
		return false, fmt.Errorf("report to %s: %w: %w", r.url.Host, ons.ErrUnavailable, remote.WithoutURL(err))
	}
	defer res.Body.Close()
	said, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	switch {
	case err != nil:
		return false, fmt.Errorf("report to %s: %w: %w", r.url.Host, ons.ErrUnavailable, err)
	case res.StatusCode/100 == 2:
		return false, nil
	}
	return res.StatusCode/100 == 4 && res.StatusCode != http.StatusTooManyRequests,
		fmt.Errorf("report to %s: answers %d: %w%s", r.url.Host, res.StatusCode, ons.ErrUnavailable, detail(said))
}
