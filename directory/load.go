package directory

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"
)

// have is the copy of what is committed: what the next Snapshot is made of.
type have struct {
	position Position
	traces   map[string]map[Key]Estimate
	probers  []Prober
	judge    *Judge
	period   int64 // of the verdicts in the snapshot
}

// Load makes a Snapshot of what is committed, by whomever. When nothing is new that costs one small query.
func (d *Directory) Load(ctx context.Context) error {
	d.loading.Lock()
	defer d.loading.Unlock()
	h, old, now := &d.have, d.now.Load(), d.Now()
	c, err := d.Store.NodesSince(ctx, h.position.Commit)
	if err != nil {
		return err
	}
	if !c.Full && c.Position.Commit == h.position.Commit && h.judge.index(now) == h.period {
		if c.Position.Asked.Equal(old.Asked) {
			return nil
		}
		s := *old // its entries are shared
		s.Asked, h.position = c.Position.Asked, c.Position
		d.now.Store(&s)
		return nil
	}
	entries := slices.Clone(old.Entries)
	if c.Full {
		entries, h.traces = nil, map[string]map[Key]Estimate{}
		if c.Position.Commit < h.position.Commit || c.Position.Genesis != h.position.Genesis {
			h.judge = NewJudge(d.Every) // another database, or an older copy of it
		}
	}
	if every := cmp.Or(c.Position.Every, d.Every); every != h.judge.period {
		h.judge = h.judge.every(every)
	}
	if c.Full || c.Position.Commit != h.position.Commit {
		h.enrolled(c.Probers)
	}
	h.position, h.period = c.Position, h.judge.index(now)
	h.take(c.Traces, now)
	s := &Snapshot{
		At: Moment{Height: h.position.Height, Time: h.position.Time}, Network: h.position.Network,
		Observed: !h.position.Asked.IsZero(), Testing: h.position.Testing, Asked: h.position.Asked,
		Entries: d.merged(entries, c.Nodes), Probers: h.probers, Seq: h.position.Seq, Commit: h.position.Commit,
	}
	if s.Observed {
		s.Hash = h.position.Hash.String()
	} else {
		s.Network = d.Network
	}
	h.fill(s, now)
	d.now.Store(s)
	return nil
}

// enrolled takes the probers over. Who is not among them any more does not vote.
func (h *have) enrolled(probers []Prober) {
	known := func(vantage string) bool {
		return vantage == Here || slices.ContainsFunc(probers, func(p Prober) bool { return p.Name == vantage })
	}
	h.judge.retain(known)
	maps.DeleteFunc(h.traces, func(vantage string, _ map[Key]Estimate) bool { return !known(vantage) })
	h.probers = probers
}

// take adds what was measured. The newest word on a node and that of a period before are all that a Judge goes by, so it
// makes no difference since when one has followed.
func (h *have) take(traces []Trace, now time.Time) {
	report := func(t *Trace, r result) {
		if !r.at.IsZero() && h.judge.index(r.at) <= h.judge.index(now)+1 {
			h.judge.Report(t.Vantage, r.at, t.Key, r.ok)
		}
	}
	for _, t := range traces {
		of := h.traces[t.Vantage]
		if of == nil {
			of = map[Key]Estimate{}
			h.traces[t.Vantage] = of
		}
		of[t.Key] = t.Estimate
		report(&t, t.Estimate.was)
		report(&t, result{t.Estimate.At, t.Estimate.OK})
	}
}

// merged puts changed nodes, which come by key, into entries, which are ours.
func (d *Directory) merged(entries []Entry, changed []Node) []Entry {
	fresh := make([]Entry, 0, len(changed))
	for _, n := range changed {
		i, found := slices.BinarySearchFunc(entries, n.Key, func(e Entry, k Key) int { return e.Node.Key.Compare(k) })
		if !found {
			fresh = append(fresh, Entry{Node: n, Place: d.Geo.Place(n.IP)})
			continue
		}
		if entries[i].Node.IP != n.IP {
			entries[i].Place = d.Geo.Place(n.IP)
		}
		entries[i].Node = n
	}
	if len(fresh) == 0 {
		return entries
	}
	entries = append(entries, fresh...)
	slices.SortFunc(entries, func(a, b Entry) int { return a.Node.Key.Compare(b.Node.Key) })
	return entries
}

// fill completes the entries of a snapshot that nobody has seen yet.
func (h *have) fill(s *Snapshot, now time.Time) {
	verdict := h.judge.Judge(now)
	ours := h.traces[Here]
	for i := range s.Entries {
		e := &s.Entries[i]
		if e.Node.State != Gone {
			e.Node.LastSeen = s.At
		}
		e.Estimate = ours[e.Node.Key]
		if e.Verdict = verdict(e.Node.Key); e.Verdict.Voters == 0 && len(e.Verdict.Offline) == 0 {
			e.Verdict = Verdict{}
		}
	}
}
