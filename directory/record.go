package directory

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Record stores a round of checks from Here and loads it: estimates, histories, and the verdicts that follow. Checks of
// unknown nodes are left out.
func (d *Directory) Record(ctx context.Context, checks []Check) error {
	return d.record(ctx, Here, 0, checks)
}

// record is Record for any vantage point; sequence is that of its report. The errors ErrSequence and ErrNotEnrolled have
// changed nothing.
func (d *Directory) record(ctx context.Context, vantage string, sequence uint64, checks []Check) error {
	d.recording.Lock()
	defer d.recording.Unlock()
	if err := d.Load(ctx); err != nil {
		return err
	}
	p := Probed{Vantage: vantage, Sequence: sequence, At: d.Now(), Traces: d.traces(vantage, checks)}
	if len(p.Traces) == 0 && vantage == Here {
		return nil
	}
	samples := map[Key][]Sample{}
	for _, c := range checks {
		samples[c.Key] = append(samples[c.Key], c.Sample)
	}
	if err := d.fold(ctx, vantage, p.Traces, samples); err != nil {
		return err
	}
	if err := d.Store.CommitProbes(ctx, d.Epoch, p); err != nil {
		return err
	}
	return d.Load(ctx)
}

// traces are those of the known nodes among the checks, as they were before.
func (d *Directory) traces(vantage string, checks []Check) []Trace {
	s := d.now.Load()
	d.loading.Lock()
	defer d.loading.Unlock()
	of := d.have.traces[vantage]
	var out []Trace
	seen := make(map[Key]bool, len(checks))
	for _, c := range checks {
		if !seen[c.Key] && s.Entry(c.Key) != nil {
			out = append(out, Trace{Key: c.Key, Vantage: vantage, Estimate: of[c.Key]})
		}
		seen[c.Key] = true
	}
	return out
}

// fold takes the samples into the estimates and rings of traces. The ring of hours is written when one is over, and that
// of days likewise; what is newer a reader folds for itself.
func (d *Directory) fold(ctx context.Context, vantage string, traces []Trace, samples map[Key][]Sample) error {
	var due [Rings][]Key // whose rings are written
	coarsest := make([]int, len(traces))
	for i := range traces {
		t := &traces[i]
		list := samples[t.Key]
		slices.SortStableFunc(list, func(a, b Sample) int { return a.At.Compare(b.At) })
		if before, last := t.Estimate.At, list[len(list)-1].At; !before.IsZero() && over(before, last, Hours.Interval) {
			if coarsest[i] = HoursRing; over(before, last, Days.Interval) {
				coarsest[i] = DaysRing
			}
		}
		for ring := range coarsest[i] + 1 {
			due[ring] = append(due[ring], t.Key)
		}
		for _, s := range list {
			t.Estimate = t.Estimate.Add(s)
		}
	}
	var have [Rings]map[Key][]byte
	for ring, keys := range due {
		var err error
		if have[ring], err = d.Store.Rings(ctx, vantage, ring, keys); err != nil {
			return err
		}
	}
	spans := d.spans()
	for i := range traces {
		t := &traces[i]
		fine, err := openRing(have[ChecksRing][t.Key], spans[ChecksRing])
		finer := fine
		for ring := HoursRing; ring <= coarsest[i] && err == nil; ring++ { // before the samples push anything out
			var r *Ring
			if r, err = openRing(have[ring][t.Key], spans[ring]); err == nil {
				r.Fold(finer, time.Time{})
				t.Rings[ring], err = r.MarshalBinary()
				finer = r
			}
		}
		if err != nil {
			return fmt.Errorf("history of node %s from %s: %w", t.Key, vantage, err)
		}
		for _, s := range samples[t.Key] {
			fine.Append(s.At, s.OK, s.Latency())
		}
		if t.Rings[ChecksRing], err = fine.MarshalBinary(); err != nil {
			return err
		}
	}
	return nil
}

// over reports whether a slot of that width ended between two checks.
func over(before, last time.Time, width time.Duration) bool {
	w := int64(width / time.Second)
	return before.Unix()/w != last.Unix()/w
}

func (d *Directory) spans() [Rings]Span { return [Rings]Span{ChecksEvery(d.Every), Hours, Days} }

// openRing reads a ring; one that is missing, or of another span, begins empty.
func openRing(blob []byte, s Span) (*Ring, error) {
	r := NewRing(s)
	if blob == nil {
		return r, nil
	}
	if err := r.UnmarshalBinary(blob); err != nil {
		return nil, err
	}
	if r.Span() != s {
		return NewRing(s), nil
	}
	return r, nil
}

// History returns a series of one node from one vantage point, zero times meaning all there is: three objects, from the
// finest (every check of three days) over hours (90 days) to days (five years). A node or vantage point without checks has
// three empty ones. "" is Here.
func (d *Directory) History(ctx context.Context, key Key, vantage string, s Series, from, to time.Time) ([]Object, error) {
	if vantage == "" {
		vantage = Here
	}
	objects := make([]Object, Rings)
	var finer *Ring
	for ring, span := range d.spans() {
		blobs, err := d.Store.Rings(ctx, vantage, ring, []Key{key})
		if err != nil {
			return nil, err
		}
		r, err := openRing(blobs[key], span)
		if err != nil {
			return nil, fmt.Errorf("history of node %s from %s: %w", key, vantage, err)
		}
		if finer != nil {
			r.Fold(finer, time.Time{})
		}
		objects[ring], finer = r.Object(s, from, to), r
	}
	return objects, nil
}
