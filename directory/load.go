package directory

import (
	"context"
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

func (h *have) clear(every time.Duration) {
	*h = have{traces: map[string]map[Key]Estimate{}, judge: NewJudge(every)}
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
		h.clear(d.Every)
		entries = nil
	}
	if c.Full || c.Position.Commit != h.position.Commit {
		h.enrolled(c.Probers)
	}
	h.position, h.period = c.Position, h.judge.index(now)
	h.take(c.Traces)
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
	for _, p := range h.probers {
		if !slices.ContainsFunc(probers, func(q Prober) bool { return q.Name == p.Name }) {
			h.judge.Forget(p.Name)
			delete(h.traces, p.Name)
		}
	}
	h.probers = probers
}

func (h *have) take(traces []Trace) {
	for _, t := range traces {
		of := h.traces[t.Vantage]
		if of == nil {
			of = map[Key]Estimate{}
			h.traces[t.Vantage] = of
		}
		of[t.Key] = t.Estimate
		if t.Estimate.Tried > 0 {
			h.judge.Report(t.Vantage, t.Estimate.At, t.Key, t.Estimate.OK)
		}
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
