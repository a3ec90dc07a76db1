package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"onsight/directory"
	"onsight/ons"
)

const (
	eventsMost  = 1000 // of one node that are read at once
	eventPages  = 100  // of one node
	eventsShown = 20   // newest ones in a text
)

func (p program) nodeCommand(f *flags) *cobra.Command {
	var opt nodeOptions
	cmd := &cobra.Command{
		Use:   "node KEY",
		Short: "Show all that is known of one service node",
		Long: `Show all that is known of one service node: its life and stake, how it answers, what will become of it if nothing gets better, what
happened to it, and its history. KEY may be shortened to its first digits, at least 4.

` + sourceHelp + ` A server learns which node you look at.`,
		Example: `  onsight node 3f1a
  onsight node 3f1a -o json --server http://127.0.0.1:8080`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opt.complete(cmd, p.env); err != nil {
				return err
			}
			if err := parseAllBegins(args); err != nil {
				return err
			}
			return p.node(cmd.Context(), f, opt, args[0])
		},
	}
	opt.register(cmd)
	opt.gone = true
	return cmd
}

func (p program) node(ctx context.Context, f *flags, opt nodeOptions, key string) error {
	s, err := p.openNodes(ctx, f, opt)
	if err != nil {
		return err
	}
	d, err := s.details(ctx, key)
	if err == nil && f.json() {
		err = p.printJSON(d.view(s))
	} else if err == nil {
		err = p.printNode(s, d, time.Now())
	}
	return errors.Join(err, s.close())
}

// details is all that is known of one node.
type details struct {
	*directory.Entry
	forecast directory.Forecast
	events   []directory.Stored
	history  []vantage
}

// vantage is the history of a node from one place: for each series its objects, from the finest to the longest.
type vantage struct {
	name            string
	latency, uptime []directory.Object
}

func (s *nodeSource) details(ctx context.Context, key string) (*details, error) {
	e, err := s.node(key)
	if err != nil {
		return nil, err
	}
	d := &details{Entry: e, forecast: directory.NewForecast(&e.Node, s.At, directory.TimingOf(s.Network))}
	if d.events, err = s.events(ctx, e.Node.Key); err != nil {
		return nil, err
	}
	if remote, ok := s.of.(*serverNodes); ok {
		if err := remote.askVantages(ctx, e.Node.Key); err != nil {
			return nil, err
		}
	}
	names := []string{directory.Here}
	for _, p := range s.Probers {
		names = append(names, p.Name)
	}
	for _, name := range names {
		v := vantage{name: name}
		if v.latency, err = s.of.History(ctx, e.Node.Key, name, directory.LatencySeries, time.Time{}, time.Time{}); err != nil {
			return nil, err
		}
		if v.uptime, err = s.of.History(ctx, e.Node.Key, name, directory.UptimeSeries, time.Time{}, time.Time{}); err != nil {
			return nil, err
		}
		if len(v.uptime) > 0 && v.uptime[0].Count+v.uptime[len(v.uptime)-1].Count > 0 {
			d.history = append(d.history, v)
		}
	}
	return d, nil
}

// events reads all that happened to a node, oldest first.
func (s *nodeSource) events(ctx context.Context, key directory.Key) (all []directory.Stored, err error) {
	after := uint64(0)
	for range eventPages {
		page, err := s.of.Events(ctx, &key, after, eventsMost)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < eventsMost {
			return all, nil
		}
		last := page[len(page)-1].Seq
		if last <= after {
			break
		}
		after = last
	}
	return nil, fmt.Errorf("the events of node %s do not end: %w", key, ons.ErrUnavailable)
}

func (d *details) view(s *nodeSource) nodeDetailView {
	_, terms := directory.Score(d.Entry)
	v := nodeDetailView{
		AsOf: s.asOf(), Network: string(s.Network), Source: s.name, nodeView: newNodeView(d.Entry),
		Snode: d.Node.Key.Address(), CreditHours: d.Node.CreditTime().Hours(), Terms: newTermViews(terms),
		Bad: orEmpty(directory.Limits{}.Bad(d.Entry)), Forecast: newForecastView(d.forecast),
		Events: []nodeEventView{}, History: map[string]historyView{},
	}
	for _, e := range d.events {
		v.Events = append(v.Events, newNodeEventView(e))
	}
	for _, h := range d.history {
		v.History[h.name] = historyView{newObjectViews(h.latency), newObjectViews(h.uptime)}
	}
	return v
}

func (p program) printNode(s *nodeSource, d *details, now time.Time) error {
	t := table{colours: p.coloured()}
	t.identity(d.Entry)
	t.life(d.Entry, s, now)
	t.measurements(d.Entry, s, now)
	t.forecast(d.forecast, s.At)
	t.events(d.events)
	for _, h := range d.history {
		t.add(cell{text: "history from " + h.name, colour: bold})
		for i := range h.latency {
			if u := h.uptime[i]; u.Count > 0 {
				since := fmt.Sprintf("each %s since %s", span(u.Interval), u.First.Format(time.DateOnly))
				t.pair("  latency, "+since, historyLine(directory.LatencySeries, h.latency[i]))
				t.pair("  uptime, "+since, historyLine(directory.UptimeSeries, u))
			}
		}
	}
	return t.write(p.stdout)
}

// identity adds who the node is and who runs it.
func (t *table) identity(e *directory.Entry) {
	n := &e.Node
	t.pair("key", n.Key.String())
	t.pair("ed25519", orUnknown(optional(keyOf(n.Ed25519))))
	t.pair("x25519", orUnknown(optional(keyOf(n.X25519))))
	if n.BLS != "" {
		t.pair("bls", n.BLS)
	}
	t.pair("lokinet", n.Key.Address())
	t.pair("operator", orUnknown(n.Operator)+", fee "+feeText(n.OperatorFee))
	t.pair("stake", fmt.Sprintf("%s of %s", coins(n.Contributed), coins(n.Required)))
	for _, c := range n.Contributors {
		t.pair("", coins(c.Amount)+" by "+c.Address)
	}
}

// life adds where the node stands in its life, and where it is.
func (t *table) life(e *directory.Entry, s *nodeSource, now time.Time) {
	n := &e.Node
	state := stateCell(n.State)
	t.add(cell{text: "state", colour: dim}, cell{text: stateText(n), colour: state.colour})
	if reasons := reasonsText(n); reasons != "" {
		t.pair("", reasons)
	}
	t.pair("registered", fmt.Sprintf("at block %d", n.Registered))
	if n.State != directory.Awaiting && n.State != directory.Gone {
		t.pair("credit", fmt.Sprintf("%d blocks, %s", n.Credit, span(n.CreditTime())))
	}
	t.pair("swarm", swarmID(n.Swarm))
	at := "unknown"
	if n.IP.IsValid() {
		at = n.IP.String()
		if ports := portsText(n); ports != "" {
			at += ": " + ports
		}
	}
	t.pair("address", at)
	t.pair("place", placeText(e.Place))
	t.pair("versions", fmt.Sprintf("oxend %s, storage server %s, lokinet %s", n.Oxend, n.Storage, n.Lokinet))
	proof := "none known"
	if !n.Proof.IsZero() {
		proof = ago(n.Proof, now) + " ago"
	}
	t.pair("uptime proof", proof)
	t.pair("last reward", fmt.Sprintf("at block %d", n.LastReward))
	t.pair("seen", fmt.Sprintf("from block %d to %d", n.FirstSeen.Height, n.LastSeen.Height))
}

func stateText(n *directory.Node) string {
	switch s := string(n.State); n.State {
	case directory.Unlocking:
		return fmt.Sprintf("%s, leaves after block %d", s, n.UnlockHeight)
	case directory.Gone:
		return s + ", not on the list any more"
	default:
		return fmt.Sprintf("%s since block %d", s, n.Since)
	}
}

// reasonsText says why a node was decommissioned last; empty if it never was.
func reasonsText(n *directory.Node) string {
	if n.Decommissions == 0 {
		return ""
	}
	s := fmt.Sprintf("decommissioned %d times, last for %s", n.Decommissions, orUnknown(strings.Join(n.Reasons, ", ")))
	if n.Decommissions == 1 {
		s = "decommissioned once, for " + orUnknown(strings.Join(n.Reasons, ", "))
	}
	if len(n.ReasonsMaybe) > 0 {
		s += "; some voters also said " + strings.Join(n.ReasonsMaybe, ", ")
	}
	return s
}

// measurements adds how the node answers, and who says so.
func (t *table) measurements(e *directory.Entry, s *nodeSource, now time.Time) {
	t.add(cell{text: "reachable", colour: dim}, healthCell(e.Reachable()))
	if v := verdictText(e.Verdict); v != "" {
		t.pair("", v)
	}
	t.pair("  for the daemon", "storage server "+reachText(e.Node.StorageReach, now)+"; lokinet "+reachText(e.Node.LokinetReach, now))
	est := &e.Estimate
	if est.Tried == 0 {
		t.pair("latency", "not measured"+s.unmeasured())
		return
	}
	_, low, high := est.Loss()
	t.pair("  here", fmt.Sprintf("%d of %d checks failed (a loss of %.0f to %.0f %%), the last check %s ago", est.Lost, est.Tried, 100*low, 100*high, ago(est.At, now)))
	if !est.OK {
		t.pair("", "the last one failed: "+est.Failure)
	}
	t.pair("latency", fmt.Sprintf("half within %s, 95 in 100 within %s; average %s, jitter %s", orUnknown(latencyText(est.P50)), orUnknown(latencyText(est.P95)),
		orUnknown(latencyText(est.Latency)), orUnknown(latencyText(est.Jitter))))
	t.pair("", fmt.Sprintf("TCP %s, TLS %s, OMQ %s", orUnknown(latencyText(est.TCP)), orUnknown(latencyText(est.TLS)), orUnknown(latencyText(est.OMQ))))
	if !est.LastOK.IsZero() {
		t.pair("says of itself", fmt.Sprintf("storage server %s, clock off by %s (not proved)", est.Version, est.ClockOffset.Round(time.Millisecond)))
	}
	score, terms := directory.Score(e)
	t.pair("score", fmt.Sprintf("%.2f", score))
	for _, term := range terms {
		t.pair("", fmt.Sprintf("%.2f × %.2f %s: %s", term.Value, term.Weight, term.Name, term.Words))
	}
	if bad := (directory.Limits{}).Bad(e); len(bad) > 0 {
		t.pair("not chosen", strings.Join(bad, "; "))
	}
}

// forecast adds what will become of the node.
func (t *table) forecast(f directory.Forecast, at directory.Moment) {
	if f.Fails == nil && f.Deregistered == nil && f.Leaves == nil {
		return
	}
	t.add(cell{text: "if nothing changes", colour: bold})
	when := func(m directory.Moment) string {
		if left := m.Time.Sub(at.Time); left > 0 {
			return fmt.Sprintf("in %s, at block %d", span(left), m.Height)
		}
		return fmt.Sprintf("now, at block %d", m.Height)
	}
	if f.Fails != nil {
		t.pair("  fails "+f.Fails.Test, when(f.Fails.At))
	}
	if f.Deregistered != nil {
		t.pair("  deregistered", when(*f.Deregistered))
	}
	if f.Leaves != nil {
		t.pair("  leaves", when(*f.Leaves))
	}
	for i, a := range f.Assumptions {
		name := ""
		if i == 0 {
			name = "  assumed"
		}
		t.pair(name, a)
	}
}

func (t *table) events(events []directory.Stored) {
	if len(events) == 0 {
		return
	}
	title := "events"
	if hidden := len(events) - eventsShown; hidden > 0 {
		title = fmt.Sprintf("events, and %d earlier ones (-o json)", hidden)
		events = events[hidden:]
	}
	t.add(cell{text: title, colour: bold})
	for _, e := range events {
		t.pair(fmt.Sprintf("  block %d", e.Height), e.Text())
	}
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}
