package directory

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// prober is a vantage point of a test: what it reports of each node at a time.
type prober struct {
	name string
	sees func(node int, at time.Time) bool
	from time.Duration // when its sweep of the nodes begins in each period
}

// watch lets probers sweep the nodes once a period, each node at its own time within it, and calls step after each minute.
func watch(nodes int, length time.Duration, probers []prober, step func(at time.Time, judge func(Key) Verdict)) {
	const period = 10 * time.Minute
	j := NewJudge(period)
	for at := t0; at.Before(t0.Add(length)); at = at.Add(time.Minute) {
		for _, p := range probers {
			for i := range nodes {
				due := (p.from + time.Duration(i)*period/time.Duration(nodes)) % period
				if at.Sub(t0)%period == due.Truncate(time.Minute) {
					j.Report(p.name, at, keyOf(i), p.sees(i, at))
				}
			}
		}
		step(at, j.Judge(at))
	}
}

func always(ok bool) func(int, time.Time) bool { return func(int, time.Time) bool { return ok } }

// TestDeadNode: one that dies is down within two periods, at whatever minute it dies and wherever it stands in the sweeps,
// and no other one ever is; also if one of three vantage points says the contrary, is offline, or silent.
func TestDeadNode(t *testing.T) {
	t.Parallel()
	const nodes = 20
	for died := range 20 {
		for dead := range 3 {
			death := t0.Add(30*time.Minute + time.Duration(died)*time.Minute)
			honest := func(node int, at time.Time) bool { return node != dead*9 || at.Before(death) }
			third := map[string]func(int, time.Time) bool{
				"honest":       honest,
				"says all up":  always(true),
				"offline":      always(false),
				"lies of one":  func(node int, at time.Time) bool { return node != 5 && honest(node, at) },
				"lies of four": func(node int, _ time.Time) bool { return node > 4 },
				"goes offline": func(node int, at time.Time) bool { return honest(node, at) && at.Before(t0.Add(25*time.Minute)) },
				"silent":       nil,
			}
			for name, sees := range third {
				probers := []prober{{"a", honest, 0}, {"b", honest, 4 * time.Minute}}
				if sees != nil {
					probers = append(probers, prober{"c", sees, 7 * time.Minute})
				}
				watch(nodes, 80*time.Minute, probers, func(at time.Time, judge func(Key) Verdict) {
					for i := range nodes {
						got := judge(keyOf(i)).Health
						switch {
						case i == dead*9 && !at.Before(death.Add(20*time.Minute)) && got != Down:
							t.Fatalf("third %s: node %d died at %v and is %s at %v", name, i, death, got, at)
						case (i != dead*9 || at.Before(death)) && got == Down:
							t.Fatalf("third %s: node %d is well, but down at %v", name, i, at)
						}
					}
				})
			}
		}
	}
}

// TestAlone: the only vantage point goes offline, and with it no node.
func TestAlone(t *testing.T) {
	t.Parallel()
	const nodes = 20
	offline := t0.Add(25 * time.Minute)
	sees := func(_ int, at time.Time) bool { return at.Before(offline) }
	watch(nodes, 70*time.Minute, []prober{{"a", sees, 0}}, func(at time.Time, judge func(Key) Verdict) {
		downs := 0
		for i := range nodes {
			v := judge(keyOf(i))
			if v.Health == Down {
				downs++
			}
			if want := []string{"a"}; at.After(offline.Add(20*time.Minute)) && (v.Health != Unknown || cmp.Diff(want, v.Offline) != "") {
				t.Fatalf("at %v: %+v", at, v)
			}
		}
		// While its sweep is at it, up to 30 % may have failed before it is noticed.
		if downs > 6 || downs > 0 && (at.Before(offline) || at.After(offline.Add(5*time.Minute))) {
			t.Fatalf("%d down at %v", downs, at)
		}
	})
}

func TestJudge(t *testing.T) {
	t.Parallel()
	type report struct {
		vantage string
		minute  int
		node    int
		ok      bool
	}
	sweep := func(vantage string, minute int, down ...int) (rs []report) {
		for i := range 10 {
			rs = append(rs, report{vantage, minute, i, true})
		}
		for _, d := range down {
			rs[d].ok = false
		}
		return rs
	}
	for _, tt := range []struct {
		name   string
		sweeps [][]report
		minute int
		want   Verdict // of node 0
	}{
		{"nobody", nil, 5, Verdict{Health: Unknown}},
		{"one", [][]report{sweep("a", 1, 0)}, 5, Verdict{Health: Down, Downs: 1, Voters: 1}},
		{"one of two is no majority", [][]report{sweep("a", 1, 0), sweep("b", 1)}, 5, Verdict{Health: Up, Ups: 1, Downs: 1, Voters: 2}},
		{"two of three", [][]report{sweep("a", 1, 0), sweep("b", 1, 0), sweep("c", 1)}, 5, Verdict{Health: Down, Ups: 1, Downs: 2, Voters: 3}},
		{"one of three, two did not try this node", [][]report{sweep("a", 1, 0), sweep("b", 1)[1:], sweep("c", 1)[1:]}, 5,
			Verdict{Health: Up, Downs: 1, Voters: 3}},
		{"newer word counts", [][]report{sweep("a", 1, 0), sweep("a", 12)}, 15, Verdict{Health: Up, Ups: 1, Voters: 1}},
		{"the period before counts", [][]report{sweep("a", 1, 0)}, 19, Verdict{Health: Down, Downs: 1, Voters: 1}},
		{"older does not", [][]report{sweep("a", 1, 0)}, 20, Verdict{Health: Unknown}},
		{"nor does the future", [][]report{sweep("a", 31, 0)}, 20, Verdict{Health: Unknown}},
		{"30 % is not yet offline", [][]report{sweep("a", 1, 0, 1, 2)}, 5, Verdict{Health: Down, Downs: 1, Voters: 1}},
		{"40 % is", [][]report{sweep("a", 1, 0, 1, 2, 3)}, 5, Verdict{Health: Unknown, Offline: []string{"a"}}},
		{"the future does not last", [][]report{sweep("a", 5000), sweep("a", 5010), sweep("a", 11, 0)}, 15, Verdict{Health: Down, Downs: 1, Voters: 1}},
		{"offline now, not before", [][]report{sweep("a", 1), sweep("a", 11, 0, 1, 2, 3)}, 15, Verdict{Health: Up, Ups: 1, Voters: 1}},
		{"too late a report", [][]report{sweep("a", 11), sweep("a", 21), sweep("a", 1, 0)}, 25, Verdict{Health: Up, Ups: 1, Voters: 1}},
		{"out of order", [][]report{sweep("a", 11), sweep("a", 2, 0)}, 15, Verdict{Health: Up, Ups: 1, Voters: 1}},
		{"tried again", [][]report{sweep("a", 1, 0, 1, 2, 3), sweep("a", 2)}, 5, Verdict{Health: Up, Ups: 1, Voters: 1}},
		{"tried again, came in first", [][]report{sweep("a", 2), sweep("a", 1, 0, 1, 2, 3)}, 5, Verdict{Health: Up, Ups: 1, Voters: 1}},
	} {
		j := NewJudge(0)
		for _, s := range tt.sweeps {
			for _, r := range s {
				j.Report(r.vantage, t0.Add(time.Duration(r.minute)*time.Minute), keyOf(r.node), r.ok)
			}
			j.Judge(t0.Add(time.Duration(tt.minute) * time.Minute))
		}
		j.Report("forgotten", t0, keyOf(0), false)
		j.retain(func(vantage string) bool { return vantage != "forgotten" })
		if d := cmp.Diff(tt.want, j.Judge(t0.Add(time.Duration(tt.minute)*time.Minute))(keyOf(0))); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
	}
}

func BenchmarkJudge(b *testing.B) {
	j := NewJudge(0)
	for v := range 3 {
		for i := range 2000 {
			j.Report(fmt.Sprint(v), t0, keyOf(i), i%50 > 0)
		}
	}
	for b.Loop() {
		judge := j.Judge(t0)
		for i := range 2000 {
			judge(keyOf(i))
		}
	}
}
