package directory

import (
	"fmt"
	"time"
)

// Limits say which nodes are good enough to be used. The zero Limits are those of the fields' comments.
type Limits struct {
	MaxLatency time.Duration // for half of the answers; 0: 500 ms
	MinCredit  int64         // blocks; 0: 60, with less a failed test ends in deregistration (specification F.2)
}

func (l Limits) filled() Limits {
	if l.MaxLatency <= 0 {
		l.MaxLatency = 500 * time.Millisecond
	}
	if l.MinCredit == 0 {
		l.MinCredit = minCredit
	}
	return l
}

// Bad returns what speaks against using e, a phrase each. Nothing does if it is good: active, reachable, with enough
// credit, measured and fast enough.
func (l Limits) Bad(e *Entry) []string {
	l = l.filled()
	var bad []string
	if s := e.Node.State; s != Active {
		bad = append(bad, "it is "+string(s)) // one that is unlocking leaves soon
	}
	if !e.Node.IP.IsValid() {
		bad = append(bad, "its address is unknown")
	}
	switch e.Reachable() {
	case Down:
		bad = append(bad, "it cannot be reached")
	case Unknown:
		bad = append(bad, "nobody has tried to reach it")
	}
	if e.Node.Credit < l.MinCredit {
		bad = append(bad, fmt.Sprintf("it has %d blocks of credit, less than %d", e.Node.Credit, l.MinCredit))
	}
	switch p50 := e.Estimate.P50; {
	case p50 == 0:
		bad = append(bad, "its latency is not measured")
	case p50 > l.MaxLatency:
		bad = append(bad, fmt.Sprintf("half of its answers take longer than %v", l.MaxLatency))
	}
	return bad
}

// Good reports whether nothing speaks against using e.
func (l Limits) Good(e *Entry) bool { return len(l.Bad(e)) == 0 }

// Term is one part of a Score.
type Term struct {
	Name   string
	Value  float64 // 0 to 1, 1 is best
	Weight float64 // all weights make 1
	Words  string  // what the value is made of
}

// halfLatency is the latency that is worth half of none.
const halfLatency = 100 * time.Millisecond

// Score values a node from 0 to 1, the sum of its terms by weight. What is not known counts as 0. It says nothing of
// whether the node is good; see Limits.
func Score(e *Entry) (value float64, terms []Term) {
	est := &e.Estimate
	share, low, high := est.Loss()
	terms = []Term{
		{"latency", worth(est.P50, halfLatency), 0.7, fmt.Sprintf("half of the answers come within %v; %v is worth 0.5", round2(est.P50), halfLatency)},
		{"success", 1 - share, 0.15, fmt.Sprintf("%d of %d checks failed: a loss of %.0f to %.0f %%", est.Lost, est.Tried, 100*low, 100*high)},
		{"steadiness", worth(est.P95-est.P50, halfLatency), 0.1, fmt.Sprintf("95 in 100 come within %v", round2(est.P95))},
		{"credit", min(1, max(0, float64(e.Node.Credit)/dayBlocks)), 0.05, fmt.Sprintf("%d blocks of credit, a day of them is worth 1", e.Node.Credit)},
	}
	if est.Tried == 0 {
		terms[1].Value, terms[1].Words = 0, "never checked from here"
	}
	if est.P50 == 0 {
		terms[0].Value, terms[0].Words = 0, "not measured"
		terms[2].Value, terms[2].Words = 0, "not measured"
	}
	for _, t := range terms {
		value += t.Weight * t.Value
	}
	return value, terms
}

// worth falls from 1 for nothing to a half, a third and so on for multiples of half.
func worth(d, half time.Duration) float64 { return float64(half) / float64(half+max(d, 0)) }

// round2 keeps a duration readable.
func round2(d time.Duration) time.Duration {
	if d < time.Millisecond {
		return d
	}
	return d.Round(100 * time.Microsecond)
}
