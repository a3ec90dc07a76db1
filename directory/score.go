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
		l.MinCredit = CreditLeast
	}
	return l
}

// flaws are what may speak against a node, as bits: words for thousands would cost more than choosing among them.
const (
	notActive = 1 << iota
	nowhere
	unreachable
	untried
	poor
	unmeasured
	slow
)

func (l Limits) flaws(e *Entry) (f uint) {
	set := func(bit uint, has bool) {
		if has {
			f |= bit
		}
	}
	reachable, p50 := e.Reachable(), e.Estimate.P50
	set(notActive, e.Node.State != Active) // one that is unlocking leaves soon
	set(nowhere, !e.Node.IP.IsValid())
	set(unreachable, reachable == Down)
	set(untried, reachable == Unknown)
	set(poor, e.Node.Credit < l.MinCredit)
	set(unmeasured, p50 == 0)
	set(slow, p50 > l.MaxLatency)
	return f
}

// Good reports whether nothing speaks against using e: it is active, reachable, measured and fast enough, and has enough
// credit.
func (l Limits) Good(e *Entry) bool { return l.filled().flaws(e) == 0 }

// Bad returns what speaks against using e, a phrase each; nothing if it is good.
func (l Limits) Bad(e *Entry) []string {
	l = l.filled()
	flaws := l.flaws(e)
	var bad []string
	for _, f := range []struct {
		bit   uint
		words string
	}{
		{notActive, "it is " + string(e.Node.State)},
		{nowhere, "its address is unknown"},
		{unreachable, "it cannot be reached"},
		{untried, "nobody has tried to reach it"},
		{poor, fmt.Sprintf("it has %d blocks of credit, less than %d", e.Node.Credit, l.MinCredit)},
		{unmeasured, "its latency is not measured"},
		{slow, fmt.Sprintf("half of its answers take longer than %v", l.MaxLatency)},
	} {
		if flaws&f.bit != 0 {
			bad = append(bad, f.words)
		}
	}
	return bad
}

// Term is one part of a Score.
type Term struct {
	Name   string
	Value  float64 // 0 to 1, 1 is best
	Weight float64 // all weights make 1
	Words  string  // what the value is made of
}

// halfLatency is the latency that is worth half of none.
const halfLatency = 100 * time.Millisecond

// weights of the terms of a score; they make 1. Latency has what dnscrypt-proxy gives it, and the rest is for not having
// to wait or ask again.
var weights = [...]struct {
	name   string
	weight float64
}{{"latency", 0.7}, {"success", 0.15}, {"steadiness", 0.1}, {"credit", 0.05}}

// parts returns the values of the terms, 0 to 1.
func parts(e *Entry) (v [len(weights)]float64) {
	est := &e.Estimate
	if est.P50 > 0 {
		v[0] = worth(est.P50, halfLatency)
		v[2] = worth(est.P95-est.P50, halfLatency)
	}
	if est.Tried > 0 {
		loss, _, _ := est.Loss()
		v[1] = 1 - loss
	}
	v[3] = min(1, max(0, float64(e.Node.Credit)/dayBlocks))
	return v
}

// value is Score without the words, which cost more than all the rest of a choice.
func value(e *Entry) (sum float64) {
	for i, v := range parts(e) {
		sum += v * weights[i].weight
	}
	return sum
}

// Score values a node from 0 to 1, the sum of its terms by weight. What is not known counts as 0. It says nothing of
// whether the node is good; see Limits.
func Score(e *Entry) (float64, []Term) {
	est := &e.Estimate
	words := [len(weights)]string{"not measured", "never checked from here", "not measured",
		fmt.Sprintf("%d blocks of credit, a day of them is worth 1", e.Node.Credit)}
	if est.P50 > 0 {
		words[0] = fmt.Sprintf("half of the answers come within %v; %v is worth 0.5", readable(est.P50), halfLatency)
		words[2] = fmt.Sprintf("95 in 100 come within %v", readable(est.P95))
	}
	if est.Tried > 0 {
		_, low, high := est.Loss()
		words[1] = fmt.Sprintf("%d of %d checks failed: a loss of %.0f to %.0f %%", est.Lost, est.Tried, 100*low, 100*high)
	}
	terms := make([]Term, len(weights))
	for i, v := range parts(e) {
		terms[i] = Term{Name: weights[i].name, Value: v, Weight: weights[i].weight, Words: words[i]}
	}
	return value(e), terms
}

// worth falls from 1 for nothing to a half, a third and so on for multiples of half.
func worth(d, half time.Duration) float64 { return float64(half) / float64(half+max(d, 0)) }

// readable drops digits that nobody reads.
func readable(d time.Duration) time.Duration {
	if d < time.Millisecond {
		return d
	}
	return d.Round(100 * time.Microsecond)
}
