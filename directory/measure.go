package directory

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// NotTried is the duration of a step of a probe that was not tried, or not come to.
const NotTried time.Duration = -1

// Sample is one check of one node from one place.
type Sample struct {
	At                  time.Time
	TCP, TLS, Info, OMQ time.Duration // each NotTried or how long that step alone took
	OK                  bool          // the storage server answered
	Failure             string        // why not, in a few words
	ClockOffset         time.Duration // its clock less ours, as it says itself; only with Info
	Version             Version       // as it says itself; zero: it did not
}

// Latency is how long the node takes to answer: to a request on an open connection if there was one, else to a
// connection. NotTried for a sample that is not OK.
func (s *Sample) Latency() time.Duration {
	switch {
	case !s.OK:
		return NotTried
	case s.Info >= 0:
		return s.Info
	}
	return s.TCP
}

const (
	// window is how many samples count as recent: with the 129th the older ones count half. At a check every ten
	// minutes the estimate is of the last day.
	window = 128
	// smoothing is the weight of the newest sample in the averages; the first ten weigh the same (dnscrypt-proxy).
	smoothing = 0.1
	// The histogram holds 64 µs to a minute with two digits (an error of 1 %), in some 20 bytes per distinct value.
	lowest, highest, digits = 64, 60_000_000, 2
)

// Estimate is what the samples of one node from one place come to. It is a value: copies do not share anything that
// changes. The zero Estimate has seen none.
type Estimate struct {
	Tried, Lost uint32 // recent checks and those among them that failed
	OK          bool   // the last check
	Failure     string // why it failed
	At          time.Time
	LastOK      time.Time

	Latency  time.Duration // average, the newest count most; 0: unknown, as below
	Jitter   time.Duration // the same of the differences between neighbours
	P50, P95 time.Duration // of the recent ones

	TCP, TLS, OMQ time.Duration // averages of the other steps

	// What the node says of itself, unauthenticated.
	ClockOffset time.Duration
	Version     Version

	last time.Duration                 // the latency before, for Jitter
	was  result                        // of the last check in an earlier period than At's, for a Judge that begins anew
	hist *hdrhistogram.PackedHistogram // never changed once it is here; nil: empty
}

// Add returns e after one more sample. Samples come in the order of their time.
func (e Estimate) Add(s Sample) Estimate {
	if e.Tried >= window {
		e.fade()
	}
	e.Tried++
	e.OK, e.Failure, e.At = s.OK, s.Failure, s.At
	if !s.OK {
		e.Lost++
		return e
	}
	e.Failure, e.LastOK = "", s.At
	n := e.answered()
	e.TCP, e.TLS, e.OMQ = smooth(e.TCP, s.TCP, n), smooth(e.TLS, s.TLS, n), smooth(e.OMQ, s.OMQ, n)
	if s.Version != (Version{}) {
		e.Version = s.Version
	}
	if s.Info >= 0 {
		e.ClockOffset = s.ClockOffset
	}
	if l := s.Latency(); l >= 0 {
		if e.last > 0 {
			e.Jitter = smooth(e.Jitter, (l - e.last).Abs(), n-1)
		}
		e.Latency, e.last = smooth(e.Latency, l, n), l
		e.record(l)
	}
	return e
}

// add is Add where periods of that length count.
func (e Estimate) add(s Sample, period time.Duration) Estimate {
	if e.Tried > 0 && !e.At.IsZero() && periodOf(e.At.Truncate(time.Second), period) != periodOf(s.At.Truncate(time.Second), period) {
		e.was = result{e.At, e.OK}
	}
	return e.Add(s)
}

// rewind forgets when the last checks were if that is after a time, which no clock but a wrong one says.
func (e *Estimate) rewind(horizon time.Time) {
	if e.At.After(horizon) {
		e.At = time.Time{}
	}
	if e.LastOK.After(horizon) {
		e.LastOK = time.Time{}
	}
	if e.was.at.After(horizon) {
		e.was = result{}
	}
}

func (e *Estimate) answered() uint32 { return e.Tried - e.Lost }

// smooth takes the n-th value into an average. 0 means that there is none yet.
func smooth(average, value time.Duration, n uint32) time.Duration {
	if value < 0 {
		return average
	}
	if average == 0 {
		return value
	}
	weight := max(smoothing, 1/float64(max(n, 1)))
	return average + time.Duration(weight*float64(value-average))
}

func (e *Estimate) record(l time.Duration) {
	h := newHist()
	if e.hist != nil {
		h = e.hist.Clone()
	}
	recordHist(h, l.Microseconds(), 1)
	e.setHist(h)
}

func newHist() *hdrhistogram.PackedHistogram { return hdrhistogram.NewPacked(lowest, highest, digits) }

func recordHist(h *hdrhistogram.PackedHistogram, us, n int64) {
	if err := h.RecordValues(min(max(us, 0), highest), n); err != nil {
		panic("directory: internal error: " + err.Error()) // the value is within the bounds
	}
}

// setHist takes h over and reads the percentiles off it, so that a list of nodes need not.
func (e *Estimate) setHist(h *hdrhistogram.PackedHistogram) {
	e.hist, e.P50, e.P95 = h, 0, 0
	if h.TotalCount() > 0 {
		e.P50 = time.Duration(h.ValueAtPercentile(50)) * time.Microsecond
		e.P95 = time.Duration(h.ValueAtPercentile(95)) * time.Microsecond
	}
}

// fade halves what was recorded. Values that occur once would all vanish: each second of them stays, going up.
func (e *Estimate) fade() {
	lost := e.Lost / 2
	e.Tried, e.Lost = e.answered()/2+lost, lost
	if e.hist == nil {
		return
	}
	h, sum := newHist(), int64(0)
	e.hist.ForEachBucket(func(value, count int64) bool {
		if n := (sum+count)/2 - sum/2; n > 0 {
			recordHist(h, value, n)
		}
		sum += count
		return true
	})
	e.setHist(h)
}

// Loss is the share of recent checks that failed, and the interval that holds the true one in 95 cases of 100 (Wilson).
// Without a check it is 0 of 0 to 1: unknown.
func (e Estimate) Loss() (share, low, high float64) {
	if e.Tried == 0 {
		return 0, 0, 1
	}
	const z = 1.959964
	n, p := float64(e.Tried), float64(e.Lost)/float64(e.Tried)
	middle, half := (p+z*z/(2*n))/(1+z*z/n), z/(1+z*z/n)*math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return p, max(0, middle-half), min(1, middle+half)
}

// errEncoding means that bytes are no Estimate or Ring that this version wrote.
var errEncoding = errors.New("not what was encoded")

const (
	estimateVersion = 2
	failureMost     = 200 // bytes of Failure that are kept
)

// MarshalBinary implements encoding.BinaryMarshaler: a version byte, the numbers as varints, and the histogram as pairs
// of the distance to the value before and a count. Times are kept to the second.
func (e Estimate) MarshalBinary() ([]byte, error) {
	flag := func(b bool) uint64 {
		if b {
			return 1
		}
		return 0
	}
	b := []byte{estimateVersion}
	for _, n := range []uint64{uint64(e.Tried), uint64(e.Lost), flag(e.OK), flag(e.was.ok), uint64(e.Version[0]), uint64(e.Version[1]), uint64(e.Version[2])} {
		b = binary.AppendUvarint(b, n)
	}
	for _, n := range []int64{seconds(e.At), seconds(e.LastOK), seconds(e.was.at), int64(e.Latency), int64(e.Jitter), int64(e.TCP), int64(e.TLS),
		int64(e.OMQ), int64(e.ClockOffset), int64(e.last)} {
		b = binary.AppendVarint(b, n)
	}
	failure := e.Failure[:min(len(e.Failure), failureMost)]
	b = append(binary.AppendUvarint(b, uint64(len(failure))), failure...)
	if e.hist != nil {
		before := int64(0)
		e.hist.ForEachBucket(func(value, count int64) bool {
			b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(value-before)), uint64(count))
			before = value
			return true
		})
	}
	return b, nil
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler. The error wraps errEncoding; e is not changed then.
func (e *Estimate) UnmarshalBinary(b []byte) error {
	r := varints{b: b}
	if v := r.byte(); v != estimateVersion {
		return fmt.Errorf("%w: an estimate of version %d", errEncoding, v)
	}
	got := Estimate{Tried: uint32(r.most(1 << 30)), Lost: uint32(r.most(1 << 30)), OK: r.most(1) == 1, was: result{ok: r.most(1) == 1}}
	for i := range got.Version {
		got.Version[i] = uint16(r.most(math.MaxUint16))
	}
	got.At, got.LastOK, got.was.at = r.time(), r.time(), r.time()
	for _, d := range []*time.Duration{&got.Latency, &got.Jitter, &got.TCP, &got.TLS, &got.OMQ} {
		*d = time.Duration(r.between(0, int64(time.Hour)))
	}
	got.ClockOffset = time.Duration(r.between(math.MinInt64, math.MaxInt64))
	got.last = time.Duration(r.between(0, int64(time.Hour)))
	got.Failure = string(r.bytes(int(r.most(failureMost))))
	if len(r.b) > 0 && !r.bad {
		h, value := newHist(), int64(0)
		for len(r.b) > 0 && !r.bad {
			value += int64(r.most(highest))
			n := int64(r.most(1 << 30))
			if value > highest || n == 0 || h.TotalCount() > 1<<31 {
				r.bad = true
				break
			}
			recordHist(h, value, n)
		}
		got.setHist(h)
	}
	if r.bad || got.Lost > got.Tried {
		return fmt.Errorf("%w: an estimate", errEncoding)
	}
	*e = got
	return nil
}

// seconds is Unix time; 0 for the zero time.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
