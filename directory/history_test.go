package directory

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestRing(t *testing.T) {
	t.Parallel()
	r := NewRing(Span{10 * time.Minute, 6})
	type step struct {
		minute  int
		ok      bool
		latency time.Duration
		refused bool
		first   int // minute of the middle of the first slot
		want    string
	}
	for i, s := range []step{
		{0, true, 100 * time.Millisecond, false, 5, "[999]"},
		{1, true, 200 * time.Millisecond, false, 5, "[999]"},
		{10, false, 0, false, 5, "[999]"},                                   // no latency of a failure
		{35, true, 300 * time.Millisecond, false, 5, "[500,null,null,999]"}, // gaps stay
		{-10, true, 300 * time.Millisecond, false, -5, "[999,500,null,null,999]"},
		{20, true, 150 * time.Millisecond, false, -5, "[999,500,null,500,999]"}, // late, but not too
		{40, true, 300 * time.Millisecond, false, -5, "[999,500,null,500,999,999]"},
		{50, true, 150 * time.Millisecond, false, 5, "[500,null,500,999,999,500]"}, // the oldest goes
		{-5, true, 300 * time.Millisecond, true, 5, "[500,null,500,999,999,500]"},
		{500, true, 300 * time.Millisecond, false, 505, "[999]"},
		{50, true, 300 * time.Millisecond, true, 505, "[999]"},
	} {
		if got := r.Append(t0.Add(time.Duration(s.minute)*time.Minute), s.ok, s.latency); got == s.refused {
			t.Errorf("step %d: got %v", i, got)
		}
		o := r.Object(LatencySeries, time.Time{}, time.Time{})
		values, err := json.Marshal(o.Values)
		if err != nil {
			t.Fatal(err)
		}
		first := t0.Add(time.Duration(s.first) * time.Minute)
		last := first.Add(time.Duration(o.Count-1) * 10 * time.Minute)
		if string(values) != s.want || !o.First.Equal(first) || !o.Last.Equal(last) || o.Count != len(o.Values) || o.Interval != 10*time.Minute {
			t.Errorf("step %d: got %s from %v to %v, want %s from %v", i, values, o.First, o.Last, s.want, first)
		}
	}
	if r.Append(time.Unix(-5, 0), true, 0) {
		t.Error("took a check of before 1970")
	}
}

func TestObject(t *testing.T) {
	t.Parallel()
	r := NewRing(Hours)
	if o := r.Object(UptimeSeries, t0, t0.Add(time.Hour)); o.Count != 0 || len(o.Values) != 0 || !o.First.IsZero() {
		t.Errorf("of nothing: %+v", o)
	}
	for i := range 8 {
		at := t0.Add(time.Duration(i/4) * time.Hour)
		r.Append(at, i != 0 && i < 4, 250*time.Millisecond)
	}
	for _, tt := range []struct {
		series   Series
		from, to time.Time
		factor   float64
		want     []Value
	}{
		{UptimeSeries, time.Time{}, time.Time{}, 0.75 / 999, []Value{999, 0}},
		{UptimeSeries, t0.Add(time.Hour), time.Time{}, 0, []Value{0}},
		{UptimeSeries, time.Time{}, t0, 0.75 / 999, []Value{999}},
		{LatencySeries, time.Time{}, time.Time{}, 0.25 / 999, []Value{999}},
		{LatencySeries, t0.Add(time.Hour), time.Time{}, 0, nil},
		{LatencySeries, t0.Add(9 * time.Hour), t0, 0, nil},
	} {
		o := r.Object(tt.series, tt.from, tt.to)
		if d := cmp.Diff(tt.want, o.Values); d != "" || o.Factor != tt.factor {
			t.Errorf("%s from %v to %v: factor %v, %s", tt.series, tt.from, tt.to, o.Factor, d)
		}
	}
}

// TestFold: hours folded from checks, whenever and however often that is done, equal hours that were given every check;
// but for the hour that the finer ring has begun to drop, which stays as it was.
func TestFold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		checks, folded, direct := NewRing(Span{10 * time.Minute, 30}), NewRing(Span{time.Hour, 50}), NewRing(Span{time.Hour, 50})
		at := t0
		for range rapid.IntRange(1, 300).Draw(t, "checks") {
			at = at.Add(time.Duration(rapid.IntRange(0, 25).Draw(t, "minutes")) * time.Minute)
			ok := rapid.Bool().Draw(t, "ok")
			checks.Append(at, ok, 40*time.Millisecond)
			direct.Append(at, ok, 40*time.Millisecond)
			if rapid.Bool().Draw(t, "fold") {
				folded.Fold(checks, at.Add(-2*time.Hour))
				folded.Fold(checks, at.Add(-2*time.Hour))
			}
			folded.Fold(checks, at)
		}
		if d := cmp.Diff(direct, folded, cmp.AllowUnexported(Ring{}, cell{})); d != "" {
			t.Fatal(d)
		}
	})
}

func TestFoldKeepsWhatTheFinerLost(t *testing.T) {
	t.Parallel()
	checks, hours := NewRing(Span{10 * time.Minute, 9}), NewRing(Hours)
	for i := range 12 {
		checks.Append(t0.Add(time.Duration(i)*10*time.Minute), true, time.Second)
		hours.Fold(checks, time.Time{})
	}
	for i, c := range hours.cells {
		if c.tried != 6 {
			t.Errorf("hour %d has %d checks, want 6", i, c.tried)
		}
	}
}

func TestRingEncoding(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := NewRing(Span{time.Duration(rapid.IntRange(1, 100).Draw(t, "interval")) * time.Second, rapid.IntRange(1, 60).Draw(t, "slots")})
		for range rapid.IntRange(0, 80).Draw(t, "checks") {
			at := t0.Add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "at")) * time.Second)
			r.Append(at, rapid.Bool().Draw(t, "ok"), time.Duration(rapid.IntRange(0, 1e9).Draw(t, "latency")))
		}
		b, err := r.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var got Ring
		if err := got.UnmarshalBinary(b); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(r.Object(LatencySeries, time.Time{}, time.Time{}), got.Object(LatencySeries, time.Time{}, time.Time{})); d != "" {
			t.Fatal(d)
		}
		again, err := got.MarshalBinary()
		if err != nil || string(again) != string(b) {
			t.Fatalf("%x, then %x, %v", b, again, err)
		}
	})
}

func FuzzRing(f *testing.F) {
	for _, s := range []Span{Checks, Hours, Days} {
		r := NewRing(s)
		for i := range 20 {
			r.Append(t0.Add(time.Duration(i*i)*s.Interval/3), i%5 > 0, time.Duration(i)*time.Millisecond)
		}
		b, _ := r.MarshalBinary()
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Ring
		if err := r.UnmarshalBinary(b); err != nil {
			if !errors.Is(err, errEncoding) {
				t.Fatal(err)
			}
			return
		}
		if len(r.cells) > r.span.Slots {
			t.Fatalf("%d cells in %d slots", len(r.cells), r.span.Slots)
		}
		r.Object(LatencySeries, time.Time{}, t0)
		r.Object(UptimeSeries, t0, time.Time{})
		r.Append(t0, true, time.Second)
		again, err := r.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if err := new(Ring).UnmarshalBinary(again); err != nil {
			t.Fatalf("%x became %x: %v", b, again, err)
		}
	})
}

// year makes the three rings of a node that was checked every ten minutes for a year.
func year(tb testing.TB) [3][]byte {
	rings := [3]*Ring{NewRing(Checks), NewRing(Hours), NewRing(Days)}
	rng := newRand(1)
	for at := t0; at.Before(t0.AddDate(1, 0, 0)); at = at.Add(10 * time.Minute) {
		for _, r := range rings {
			r.Append(at, rng.IntN(50) > 0, 40*time.Millisecond+time.Duration(rng.IntN(200_000))*time.Microsecond)
		}
	}
	var blobs [3][]byte
	for i, r := range rings {
		var err error
		if blobs[i], err = r.MarshalBinary(); err != nil {
			tb.Fatal(err)
		}
	}
	return blobs
}

// TestYear: a year of 2,000 nodes is at most 100 MB.
func TestYear(t *testing.T) {
	t.Parallel()
	size := 0
	for i, b := range year(t) {
		t.Logf("ring %d: %d bytes", i, len(b))
		size += len(b)
	}
	if total := 2000 * size; total > 100_000_000 {
		t.Errorf("a year of 2,000 nodes is %d bytes", total)
	}
}

// BenchmarkYearRead is what an answer with a node's year costs: decoding the blob of days, or of all rings, and the objects.
func BenchmarkYearRead(b *testing.B) {
	blobs := year(b)
	size := 0
	for _, blob := range blobs {
		size += len(blob)
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, blob := range blobs {
			var r Ring
			if err := r.UnmarshalBinary(blob); err != nil {
				b.Fatal(err)
			}
			r.Object(LatencySeries, time.Time{}, time.Time{})
			r.Object(UptimeSeries, time.Time{}, time.Time{})
		}
	}
	b.ReportMetric(float64(size), "bytes/node")
}

// BenchmarkRingAppend is what a check costs: the blob of checks read, one more, and written.
func BenchmarkRingAppend(b *testing.B) {
	blob, at := year(b)[0], t0.AddDate(1, 0, 0)
	b.ReportAllocs()
	for b.Loop() {
		var r Ring
		if err := r.UnmarshalBinary(blob); err != nil {
			b.Fatal(err)
		}
		at = at.Add(10 * time.Minute)
		r.Append(at, true, 50*time.Millisecond)
		blob, _ = r.MarshalBinary()
	}
}

// TestChecksEvery: whatever the period, slots make whole hours, and what is checked in an hour is folded into that hour.
func TestChecksEvery(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ every, want time.Duration }{
		{0, time.Second}, {1500 * time.Millisecond, time.Second}, {time.Minute, time.Minute}, {7 * time.Minute, 400 * time.Second},
		{90 * time.Second, 90 * time.Second}, {10 * time.Minute, 10 * time.Minute}, {45 * time.Minute, 30 * time.Minute}, {time.Hour, time.Hour},
		{2 * time.Hour, time.Hour}, {36 * time.Hour, time.Hour},
	} {
		s := ChecksEvery(tt.every)
		if s.Interval != tt.want || s.Slots < 1 || s.Slots > slotsMost {
			t.Errorf("%v: got %v, want slots of %v", tt.every, s, tt.want)
			continue
		}
		checks, hours, direct := NewRing(s), NewRing(Hours), NewRing(Hours)
		for at := t0; at.Before(t0.Add(48 * time.Hour)); at = at.Add(max(tt.every, time.Minute)) {
			checks.Append(at, true, time.Second)
			direct.Append(at, true, time.Second)
			hours.Fold(checks, time.Time{})
		}
		if d := cmp.Diff(direct, hours, cmp.AllowUnexported(Ring{}, cell{})); d != "" {
			t.Errorf("%v: %s", tt.every, d)
		}
	}
}

func TestFoldRefuses(t *testing.T) {
	t.Parallel()
	for _, s := range []Span{{7 * time.Minute, 9}, {2 * time.Hour, 9}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%v folds into hours", s)
				}
			}()
			NewRing(Hours).Fold(NewRing(s), time.Time{})
		}()
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	r := NewRing(Hours)
	for _, hour := range []int{0, 1, 5} {
		r.Append(t0.Add(time.Duration(hour)*time.Hour), true, time.Second)
	}
	for _, step := range []struct {
		after time.Duration // from t0
		left  int
	}{{24 * time.Hour, 6}, {5 * time.Hour, 6}, {5*time.Hour - 1, 2}, {time.Hour, 2}, {0, 1}, {-time.Hour, 0}, {-time.Hour, 0}} {
		if r.cut(t0.Add(step.after)); len(r.cells) != step.left {
			t.Errorf("cut after %v: %d slots left, want %d", step.after, len(r.cells), step.left)
		}
	}
	if !r.Append(t0, true, time.Second) || len(r.cells) != 1 {
		t.Error("an empty ring takes nothing")
	}
}

// TestRecast: with another width of slots, every hour has what it had.
func TestRecast(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		span := func(label string) Span {
			return ChecksEvery(time.Duration(rapid.IntRange(30, 4000).Draw(t, label)) * time.Second)
		}
		r := NewRing(span("from"))
		for range rapid.IntRange(0, 50).Draw(t, "checks") {
			at := t0.Add(time.Duration(rapid.IntRange(0, 2*24*3600).Draw(t, "at")) * time.Second)
			r.Append(at, rapid.Bool().Draw(t, "ok"), time.Duration(rapid.IntRange(0, 1e9).Draw(t, "latency")))
		}
		want, got := NewRing(Hours), NewRing(Hours)
		want.Fold(r, time.Time{})
		got.Fold(r.recast(span("to")), time.Time{})
		if d := cmp.Diff(want.Object(LatencySeries, time.Time{}, time.Time{}), got.Object(LatencySeries, time.Time{}, time.Time{})); d != "" {
			t.Fatal(d)
		}
		if d := cmp.Diff(want.Object(UptimeSeries, time.Time{}, time.Time{}), got.Object(UptimeSeries, time.Time{}, time.Time{})); d != "" {
			t.Fatal(d)
		}
	})
}
