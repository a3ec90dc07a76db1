package directory

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func sample(at time.Time, latency time.Duration) Sample {
	if latency < 0 {
		return Sample{At: at, TCP: NotTried, TLS: NotTried, Info: NotTried, OMQ: NotTried, Failure: "timeout"}
	}
	return Sample{At: at, OK: true, TCP: latency / 2, TLS: 2 * latency, Info: latency, OMQ: NotTried, ClockOffset: time.Second, Version: Version{2, 11}}
}

func near(got, want time.Duration, part float64) bool {
	return math.Abs(float64(got-want)) <= part*float64(want)
}

func TestEstimate(t *testing.T) {
	t.Parallel()
	var e Estimate
	if share, low, high := e.Loss(); share != 0 || low != 0 || high != 1 {
		t.Errorf("of nothing: %v, %v, %v", share, low, high)
	}
	at := t0
	add := func(n int, latency time.Duration) {
		for range n {
			at = at.Add(10 * time.Minute)
			e = e.Add(sample(at, latency))
		}
	}
	add(1, 40*time.Millisecond)
	if e.Latency != 40*time.Millisecond || e.Jitter != 0 || !near(e.P50, e.Latency, 0.01) || !near(e.P95, e.Latency, 0.01) || !e.OK || e.Version != (Version{2, 11}) || e.ClockOffset != time.Second {
		t.Errorf("after one: %+v", e)
	}
	if e.TCP != 20*time.Millisecond || e.TLS != 80*time.Millisecond || e.OMQ != 0 {
		t.Errorf("steps: %+v", e)
	}
	add(9, 60*time.Millisecond)
	if !near(e.Latency, 58*time.Millisecond, 1e-6) || !near(e.Jitter, 20*time.Millisecond/9, 1e-6) || !near(e.P50, 60*time.Millisecond, 0.01) {
		t.Errorf("after ten: %+v", e)
	}
	add(1, NotTried)
	if e.OK || e.Failure != "timeout" || e.Lost != 1 || e.Tried != 11 || !e.LastOK.Equal(at.Add(-10*time.Minute)) {
		t.Errorf("after a failure: %+v", e)
	}
	// It forgets: after a day of 200 ms nothing else is left of the 60.
	add(400, 200*time.Millisecond)
	if !e.OK || e.Failure != "" || !near(e.Latency, 200*time.Millisecond, 1e-3) || !near(e.P50, 200*time.Millisecond, 0.01) || e.Tried > window || e.Lost != 0 {
		t.Errorf("after a day: %+v", e)
	}
	// Faster than the histogram's first step is not "unknown".
	if fast := (Estimate{}).Add(sample(t0, time.Microsecond)); fast.P50 <= 0 || fast.P50 > 100*time.Microsecond {
		t.Errorf("a microsecond: %v", fast.P50)
	}
	if slow := (Estimate{}).Add(sample(t0, time.Hour)); !near(slow.P50, time.Minute, 0.01) {
		t.Errorf("an hour: %v", slow.P50)
	}
}

// TestEstimateIsValue: adding to a copy does not change the original.
func TestEstimateIsValue(t *testing.T) {
	t.Parallel()
	e := measured(50*time.Millisecond, true)
	before, err := e.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	f := e
	for range 300 {
		f = f.Add(sample(t0, time.Second))
	}
	after, err := e.MarshalBinary()
	if err != nil || string(before) != string(after) {
		t.Errorf("changed: %x, %x, %v", before, after, err)
	}
}

// quantile of a list, counted as the histogram counts.
func quantile(all []time.Duration, q float64) time.Duration {
	return slices.Sorted(slices.Values(all))[max(int(q*float64(len(all))+0.5), 1)-1]
}

// TestPercentiles against a sorted list, on latencies of the kind networks have.
func TestPercentiles(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rng := newRand(rapid.Uint64().Draw(t, "seed"))
		base := time.Duration(rapid.IntRange(1, 500).Draw(t, "base")) * time.Millisecond
		var e Estimate
		var all []time.Duration
		for range rapid.IntRange(1, window).Draw(t, "samples") {
			l := base + time.Duration(rng.ExpFloat64()*float64(base)/4)
			e, all = e.Add(sample(t0, l)), append(all, l)
		}
		for q, got := range map[float64]time.Duration{0.5: e.P50, 0.95: e.P95} {
			want := quantile(all, q)
			if !near(got, want, 0.011) && (got-want).Abs() > 70*time.Microsecond {
				t.Fatalf("%v of %d: got %v, want %v", q, len(all), got, want)
			}
		}
	})
}

// TestFade: the shape of a spread of single values stays when half of it is dropped.
func TestFade(t *testing.T) {
	t.Parallel()
	var e Estimate
	for i := range window {
		e = e.Add(sample(t0, time.Duration(20+i)*time.Millisecond))
	}
	p50, p95 := e.P50, e.P95
	e = e.Add(sample(t0, 84*time.Millisecond))
	if e.Tried != window/2+1 || e.hist.TotalCount() != window/2+1 || !near(e.P50, p50, 0.03) || !near(e.P95, p95, 0.03) {
		t.Errorf("%d left, p50 %v was %v, p95 %v was %v", e.Tried, e.P50, p50, e.P95, p95)
	}
}

// TestLoss: the interval holds the true loss in about 95 of 100 cases.
func TestLoss(t *testing.T) {
	t.Parallel()
	rng := newRand(1)
	for _, p := range []float64{0, 0.05, 0.3, 0.9} {
		held := 0
		for range 1000 {
			e := Estimate{Tried: 100}
			for range e.Tried {
				if rng.Float64() < p {
					e.Lost++
				}
			}
			if _, low, high := e.Loss(); low <= p && p <= high {
				held++
			}
		}
		if held < 920 {
			t.Errorf("loss %v: in the interval %d of 1,000 times", p, held)
		}
	}
}

// draw makes an estimate of some samples.
func draw(rng *rand.Rand, n int) (e Estimate) {
	at := t0
	for range n {
		at = at.Add(time.Duration(rng.IntN(600)) * time.Second)
		l := time.Duration(rng.IntN(300_000)) * time.Microsecond
		if rng.IntN(5) == 0 {
			l = NotTried
		}
		e = e.Add(sample(at, l))
	}
	return e
}

var sameEstimate = cmp.Options{cmp.AllowUnexported(Estimate{}, result{}), cmpopts.IgnoreFields(Estimate{}, "hist")}

func TestEstimateEncoding(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := draw(newRand(rapid.Uint64().Draw(t, "seed")), rapid.IntRange(0, 300).Draw(t, "samples"))
		b, err := e.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var got Estimate
		if err := got.UnmarshalBinary(b); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(e, got, sameEstimate); d != "" {
			t.Fatal(d)
		}
		if d := cmp.Diff(e.Add(sample(t0, time.Second)), got.Add(sample(t0, time.Second)), sameEstimate); d != "" {
			t.Fatal(d)
		}
		for i := range b {
			_ = got.UnmarshalBinary(b[:i]) // a cut one may be a shorter estimate, but must not panic
		}
	})
	var e Estimate
	for _, b := range [][]byte{nil, {0}, {2}, {1}, {1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}} {
		if err := e.UnmarshalBinary(b); !errors.Is(err, errEncoding) {
			t.Errorf("%x: %v", b, err)
		}
	}
}

func FuzzEstimate(f *testing.F) {
	for i := range 3 {
		b, _ := draw(newRand(uint64(i)), 10*i).MarshalBinary()
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var e Estimate
		if err := e.UnmarshalBinary(b); err != nil {
			if !errors.Is(err, errEncoding) || e.Tried != 0 {
				t.Fatalf("%+v, %v", e, err)
			}
			return
		}
		again, err := e.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var got Estimate
		if err := got.UnmarshalBinary(again); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(e, got, sameEstimate); d != "" {
			t.Fatal(d)
		}
		e = e.Add(sample(t0, time.Second))
		e.Loss()
	})
}

func BenchmarkEstimateAdd(b *testing.B) {
	e := draw(newRand(1), 100)
	rng := newRand(2)
	at := t0
	b.ReportAllocs()
	for b.Loop() {
		at = at.Add(10 * time.Minute)
		e = e.Add(sample(at, time.Duration(rng.IntN(100_000))*time.Microsecond))
	}
	bytes, _ := e.MarshalBinary()
	b.ReportMetric(float64(len(bytes)), "bytes")
}
