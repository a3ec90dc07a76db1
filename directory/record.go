package directory

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Record stores a round of checks from Here and loads it: estimates, histories, and the verdicts that follow. Checks of
// unknown nodes are left out, and so are those that are no newer than what is stored: the same again changes nothing. The
// error is ErrFenced if this Directory only reads.
func (d *Directory) Record(ctx context.Context, checks []Check) error {
	return d.record(ctx, Here, 0, checks)
}

// record is Record for any vantage point; sequence is that of its report. The errors ErrSequence and ErrNotEnrolled have
// changed nothing.
func (d *Directory) record(ctx context.Context, vantage string, sequence uint64, checks []Check) error {
	if d.Epoch == 0 {
		return ErrFenced
	}
	d.recording.Lock()
	defer d.recording.Unlock()
	if err := d.Load(ctx); err != nil {
		return err
	}
	p := Probed{Vantage: vantage, Sequence: sequence, At: d.Now(), Every: d.Every}
	var samples map[Key][]Sample
	p.Traces, samples = d.traces(vantage, checks)
	if len(p.Traces) == 0 && vantage == Here {
		return nil
	}
	if err := d.fold(ctx, vantage, p.Traces, samples); err != nil {
		return err
	}
	if err := d.Store.CommitProbes(ctx, d.Epoch, p); err != nil {
		return err
	}
	return d.Load(ctx)
}

// traces are those of the known nodes among the checks, as they were before, and their new samples in the order of time.
func (d *Directory) traces(vantage string, checks []Check) ([]Trace, map[Key][]Sample) {
	s, horizon := d.now.Load(), d.horizon()
	d.loading.Lock()
	defer d.loading.Unlock()
	of := d.have.traces[vantage]
	var out []Trace
	samples := make(map[Key][]Sample, len(checks))
	for _, c := range checks {
		if s.Entry(c.Key) == nil {
			continue
		}
		before := of[c.Key]
		before.rewind(horizon)
		if c.Sample.At.Unix() <= before.At.Unix() && !before.At.IsZero() { // which is stored in seconds
			continue
		}
		if samples[c.Key] == nil {
			out = append(out, Trace{Key: c.Key, Vantage: vantage, Estimate: before})
		}
		samples[c.Key] = append(samples[c.Key], c.Sample)
	}
	for _, list := range samples {
		slices.SortStableFunc(list, func(a, b Sample) int { return a.At.Compare(b.At) })
	}
	return out, samples
}

// horizon is after all that can have been measured by now. What is stored of later was by a clock that was wrong; that ours
// is not slow instead, the chain says.
func (d *Directory) horizon() time.Time {
	now := d.Now()
	if block := d.now.Load().At.Time; block.After(now) {
		now = block
	}
	return now.Add(max(d.Every, reportSkew))
}

// fold takes the samples into the estimates and rings of traces. The ring of hours is written when one is over, and that
// of days likewise; what is newer a reader folds for itself.
func (d *Directory) fold(ctx context.Context, vantage string, traces []Trace, samples map[Key][]Sample) error {
	var due [Rings][]Key // whose rings are written
	coarsest := make([]int, len(traces))
	for i := range traces {
		t := &traces[i]
		list := samples[t.Key]
		if before, last := t.Estimate.At, list[len(list)-1].At; !before.IsZero() && over(before, last, Hours.Interval) {
			if coarsest[i] = HoursRing; over(before, last, Days.Interval) {
				coarsest[i] = DaysRing
			}
		}
		for ring := range coarsest[i] + 1 {
			due[ring] = append(due[ring], t.Key)
		}
		for _, s := range list {
			t.Estimate = t.Estimate.add(s, d.Every)
		}
	}
	var have [Rings]map[Key][]byte
	for ring, keys := range due {
		var err error
		if have[ring], err = d.Store.Rings(ctx, vantage, ring, keys); err != nil {
			return err
		}
	}
	span, horizon := ChecksEvery(d.Every), d.horizon()
	for i := range traces {
		t := &traces[i]
		fine, err := openRing(have[ChecksRing][t.Key], ChecksRing, span, horizon)
		finer := fine
		for ring := HoursRing; ring <= coarsest[i] && err == nil; ring++ { // before the samples push anything out
			var r *Ring
			if r, err = openRing(have[ring][t.Key], ring, span, horizon); err == nil {
				r.Fold(finer, time.Time{})
				t.Rings[ring], err = r.MarshalBinary()
				finer = r
			}
		}
		if err != nil {
			return fmt.Errorf("history of node %s from %s: %w", t.Key, vantage, err)
		}
		if fine.Span() != span { // the period was another one
			fine = fine.recast(span)
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

// openRing reads a ring without what is after the horizon. One that is missing begins empty; checks have the span given
// unless the ring says another.
func openRing(blob []byte, ring int, checks Span, horizon time.Time) (*Ring, error) {
	span := [Rings]Span{checks, Hours, Days}[ring]
	r := NewRing(span)
	if blob == nil {
		return r, nil
	}
	if err := r.UnmarshalBinary(blob); err != nil {
		return nil, err
	}
	if r.span != span && (ring != ChecksRing || !r.span.folds(Hours)) {
		return nil, fmt.Errorf("%w: ring %d has slots of %v", errEncoding, ring, r.span.Interval)
	}
	r.cut(horizon)
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
	for ring := range Rings {
		blobs, err := d.Store.Rings(ctx, vantage, ring, []Key{key})
		if err != nil {
			return nil, err
		}
		r, err := openRing(blobs[key], ring, ChecksEvery(d.Every), d.horizon())
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
