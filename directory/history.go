package directory

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Span is the form of a Ring: how much time a slot covers, and how many there are.
type Span struct {
	Interval time.Duration // whole seconds
	Slots    int
}

// The three rings of a node at one vantage point. Checks is for one check every ten minutes.
var (
	Checks = Span{10 * time.Minute, 3 * 24 * 6}
	Hours  = Span{time.Hour, 90 * 24}
	Days   = Span{24 * time.Hour, 5*365 + 1}
)

// ChecksEvery is Checks for another time between two checks: three days of it. Slots are a divisor of an hour, the largest
// that is no longer than the interval, so that hours can be folded from them.
func ChecksEvery(interval time.Duration) Span {
	interval = min(max(interval.Truncate(time.Second), time.Second), time.Hour)
	for time.Hour%interval != 0 {
		interval -= time.Second
	}
	return Span{interval, int(min(Checks.Interval*time.Duration(Checks.Slots)/interval, slotsMost))}
}

// slotsMost bounds what a blob can make us allocate: a day of checks every second, or 16 MB of memory.
const slotsMost = 1 << 17

// cell is what happened in one slot: the sum is of the latencies of those that were OK.
type cell struct {
	tried, ok uint32
	sum       uint64 // µs
}

// Ring is the history of one node from one vantage point at one resolution. Slots lie on the clock, not on the samples, so
// a time without a check is a gap and stays one. The newest sample drops what is older than the ring is long.
type Ring struct {
	span  Span
	first int64  // number of the slot of cells[0]; slots are counted from 1970
	cells []cell // at most span.Slots, the last one not empty
}

// NewRing returns an empty Ring.
func NewRing(s Span) *Ring { return &Ring{span: s} }

// Span returns the form of r.
func (r *Ring) Span() Span { return r.span }

func (r *Ring) slot(at time.Time) int64 {
	s, width := at.Unix(), int64(r.span.Interval/time.Second)
	if s < 0 {
		return -1
	}
	return s / width
}

// at returns the cell of a slot, making room for it, or nil if it is too old.
func (r *Ring) at(slot int64) *cell {
	if slot < 0 || len(r.cells) > 0 && slot <= r.first+int64(len(r.cells))-1-int64(r.span.Slots) {
		return nil
	}
	if len(r.cells) == 0 {
		r.first, r.cells = slot, append(r.cells, cell{})
	}
	if slot < r.first {
		r.cells = append(make([]cell, r.first-slot), r.cells...)
		r.first = slot
	}
	if drop := slot - r.first + 1 - int64(r.span.Slots); drop > 0 {
		if drop >= int64(len(r.cells)) {
			r.first, r.cells = slot, r.cells[:0]
		} else {
			r.first, r.cells = r.first+drop, append(r.cells[:0], r.cells[drop:]...)
		}
	}
	for r.first+int64(len(r.cells)) <= slot {
		r.cells = append(r.cells, cell{})
	}
	return &r.cells[slot-r.first]
}

// Append takes in one check. It reports false for one that is older than the ring.
func (r *Ring) Append(at time.Time, ok bool, latency time.Duration) bool {
	c := r.at(r.slot(at))
	if c == nil {
		return false
	}
	c.tried++
	if ok {
		c.ok++
		c.sum += uint64(max(latency, 0).Microseconds())
	}
	return true
}

// Fold sets the slots of r that begin at or after since to what a finer ring has of them, except those that reach back
// before the finer ring. It may be repeated: a slot is set, not added to. The interval of r must be a multiple of the finer
// one's.
func (r *Ring) Fold(finer *Ring, since time.Time) {
	if !finer.span.folds(r.span) {
		panic(fmt.Sprintf("directory: internal error: %v do not fold into %v", finer.span, r.span))
	}
	many := int64(r.span.Interval / finer.span.Interval)
	whole := finer.first
	if len(finer.cells) == finer.span.Slots {
		whole += many - 1 // the oldest of them may have lost its beginning
	}
	for i := 0; i < len(finer.cells); {
		slot := (finer.first + int64(i)) / many
		var sum cell
		for ; i < len(finer.cells) && (finer.first+int64(i))/many == slot; i++ {
			c := finer.cells[i]
			sum.tried, sum.ok, sum.sum = sum.tried+c.tried, sum.ok+c.ok, sum.sum+c.sum
		}
		if sum.tried == 0 || slot < r.slot(since) || slot < whole/many {
			continue
		}
		if c := r.at(slot); c != nil {
			*c = sum
		}
	}
}

// folds reports whether whole slots of s make one of a coarser span.
func (s Span) folds(coarser Span) bool {
	return s.Interval > 0 && s.Interval <= coarser.Interval && coarser.Interval%s.Interval == 0
}

// cut drops the slots that begin after a time: a clock that was wrong left them, and would have them push out the rest.
func (r *Ring) cut(after time.Time) {
	keep := max(0, min(int64(len(r.cells)), r.slot(after)+1-r.first))
	for keep > 0 && r.cells[keep-1].tried == 0 {
		keep--
	}
	r.cells = r.cells[:keep]
}

// recast returns what r has in slots of another width: each of r goes to the one that its beginning lies in. If both
// divide an hour, no hour has more checks or fewer for it.
func (r *Ring) recast(s Span) *Ring {
	out := NewRing(s)
	width := int64(r.span.Interval / time.Second)
	for i := len(r.cells) - 1; i >= 0; i-- { // newest first: what no longer fits is too old
		from := r.cells[i]
		if from.tried == 0 {
			continue
		}
		if c := out.at(out.slot(time.Unix((r.first+int64(i))*width, 0))); c != nil {
			c.tried, c.ok, c.sum = c.tried+from.tried, c.ok+from.ok, c.sum+from.sum
		}
	}
	return out
}

// Series is which numbers of a Ring are asked for.
type Series string

const (
	LatencySeries Series = "latency" // mean of a slot, seconds
	UptimeSeries  Series = "uptime"  // share of the checks that were OK
)

// Value is one number of an Object, 0 to 999. A negative one is "not measured" and null in JSON.
type Value int16

// MarshalJSON implements json.Marshaler.
func (v Value) MarshalJSON() ([]byte, error) {
	if v < 0 {
		return []byte("null"), nil
	}
	return json.Marshal(int16(v))
}

// Object is a history in few bytes, as Onionoo has it: Value i times Factor is what happened in the slot whose middle is
// First + i × Interval.
type Object struct {
	First, Last time.Time // middles of the first and the last slot, both measured; zero if Count is 0
	Interval    time.Duration
	Factor      float64
	Count       int // of Values
	Values      []Value
}

// Object returns a series from one time to another; zero times mean all there is.
func (r *Ring) Object(s Series, from, to time.Time) Object {
	low, high := r.first, r.first+int64(len(r.cells))-1
	if !from.IsZero() {
		low = max(low, r.slot(from))
	}
	if !to.IsZero() {
		high = min(high, r.slot(to))
	}
	has := func(slot int64) bool {
		c := r.cells[slot-r.first]
		return c.tried > 0 && (s != LatencySeries || c.ok > 0)
	}
	for low <= high && !has(low) {
		low++
	}
	for low <= high && !has(high) {
		high--
	}
	o := Object{Interval: r.span.Interval}
	if low > high {
		return o
	}
	numbers, largest := make([]float64, 0, high-low+1), 0.0
	for slot := low; slot <= high; slot++ {
		n := -1.0
		if c := r.cells[slot-r.first]; has(slot) && s == LatencySeries {
			n = float64(c.sum) / float64(c.ok) / 1e6
		} else if has(slot) {
			n = float64(c.ok) / float64(c.tried)
		}
		numbers, largest = append(numbers, n), max(largest, n)
	}
	o.First, o.Last, o.Count = r.middle(low), r.middle(high), len(numbers)
	o.Factor, o.Values = scaled(numbers, largest)
	return o
}

func (r *Ring) middle(slot int64) time.Time {
	width := int64(r.span.Interval / time.Second)
	return time.Unix(slot*width+width/2, 0).UTC()
}

// scaled maps 0 to largest onto 0 to 999; negative numbers are none.
func scaled(numbers []float64, largest float64) (factor float64, values []Value) {
	factor = largest / 999
	values = make([]Value, len(numbers))
	for i, n := range numbers {
		switch {
		case n < 0:
			values[i] = -1
		case factor > 0:
			values[i] = Value(math.Round(n / factor))
		}
	}
	return factor, values
}

const ringVersion = 1

// MarshalBinary implements encoding.BinaryMarshaler:
//
//	version(1) || varint: interval in seconds || slots || number of the first || then for each slot, oldest first:
//	varint checks || OK ones || if any: sum of their latencies in µs     a slot with checks
//	0 || varint how many                                                 slots without
func (r *Ring) MarshalBinary() ([]byte, error) {
	b := make([]byte, 1, 16+6*len(r.cells))
	b[0] = ringVersion
	for _, n := range []uint64{uint64(r.span.Interval / time.Second), uint64(r.span.Slots), uint64(r.first)} {
		b = binary.AppendUvarint(b, n)
	}
	gap := uint64(0)
	for _, c := range r.cells {
		if c.tried == 0 {
			gap++
			continue
		}
		if gap > 0 {
			b = binary.AppendUvarint(append(b, 0), gap)
			gap = 0
		}
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(c.tried)), uint64(c.ok))
		if c.ok > 0 {
			b = binary.AppendUvarint(b, c.sum)
		}
	}
	return b, nil // the last cell is not a gap
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler. The error wraps errEncoding; r is not changed then. A blob makes
// no more memory than its slots allow.
func (r *Ring) UnmarshalBinary(b []byte) error {
	in := varints{b: b}
	if v := in.byte(); v != ringVersion {
		return fmt.Errorf("%w: a ring of version %d", errEncoding, v)
	}
	got := Ring{span: Span{Interval: time.Duration(in.most(1<<31)) * time.Second, Slots: int(in.most(slotsMost))}}
	got.first = int64(in.most(1 << 40))
	in.bad = in.bad || got.span.Interval == 0 || got.span.Slots == 0
	for len(in.b) > 0 && !in.bad && len(got.cells) <= got.span.Slots {
		c := cell{tried: uint32(in.most(math.MaxUint32))}
		if c.tried == 0 {
			gap := int(in.most(uint64(got.span.Slots - len(got.cells))))
			in.bad = in.bad || gap == 0 || len(in.b) == 0 // a gap has something after it
			got.cells = append(got.cells, make([]cell, gap)...)
			continue
		}
		if c.ok = uint32(in.most(uint64(c.tried))); c.ok > 0 {
			c.sum = in.most(math.MaxUint64)
		}
		got.cells = append(got.cells, c)
	}
	if in.bad || len(got.cells) > got.span.Slots {
		return fmt.Errorf("%w: a ring", errEncoding)
	}
	*r = got
	return nil
}
