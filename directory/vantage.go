package directory

import (
	"maps"
	"slices"
	"time"
)

// offlineShare is the share of failed nodes above which a vantage point, not the nodes, is held to be offline.
const offlineShare = 0.3

// Verdict is what the vantage points together say of one node.
type Verdict struct {
	Health  Health   // Unknown: none of them checked it
	Ups     int      // vantage points that reached it when they last tried
	Downs   int      // that did not
	Voters  int      // all that reported, whether or not on this node: Down is more than half of these
	Offline []string // that do not count for now, since nearly everything fails for them
}

// round is what one vantage point saw in one period: for each node its last result.
type round struct {
	period int64
	last   map[Key]result
	failed int
}

type result struct {
	at time.Time
	ok bool
}

// offline reports whether too much fails for it to be the nodes'.
func (r *round) offline() bool { return float64(r.failed) > offlineShare*float64(len(r.last)) }

// Judge decides which nodes are down. It knows the last two periods only, and takes no part in who may report: the
// caller hands in what enrolled vantage points said. Its methods must not run concurrently.
//
// "Down" is a majority of the vantage points that reported in the last two periods. Of each only the periods count in
// which at most 30 % of the nodes it tried failed, and of those its newest word on a node. So one that lies or is offline
// flips nothing if two others report, and a node that died is called down when the period after is over at the latest.
// With three nodes or less, one that fails is already too much to be believed.
type Judge struct {
	period time.Duration
	rounds map[string][]round // of each vantage point the two newest periods, older first
}

// NewJudge returns a Judge with the time between two checks of a node as its period; 0: ten minutes.
func NewJudge(period time.Duration) *Judge {
	if period <= 0 {
		period = Checks.Interval
	}
	return &Judge{period: period, rounds: map[string][]round{}}
}

func (j *Judge) index(at time.Time) int64 { return periodOf(at, j.period) }

// periodOf numbers periods from 1970, as slots of a Ring are.
func periodOf(at time.Time, period time.Duration) int64 { return at.UnixNano() / int64(period) }

// every returns a Judge with that period that knows what j does.
func (j *Judge) every(period time.Duration) *Judge {
	out := NewJudge(period)
	for vantage, rs := range j.rounds {
		for _, r := range rs {
			for node, last := range r.last {
				out.Report(vantage, last.at, node, last.ok)
			}
		}
	}
	return out
}

// Report takes in one check. What is older than the two newest periods of that vantage point is dropped.
func (j *Judge) Report(vantage string, at time.Time, node Key, ok bool) {
	r := j.round(vantage, j.index(at))
	if r == nil {
		return
	}
	before, again := r.last[node]
	if again && before.at.After(at) {
		return
	}
	if again && !before.ok {
		r.failed--
	}
	if !ok {
		r.failed++
	}
	r.last[node] = result{at, ok}
}

// round returns the one to write to, or nil if it is too old.
func (j *Judge) round(vantage string, period int64) *round {
	rs := j.rounds[vantage]
	i, found := slices.BinarySearchFunc(rs, period, func(r round, p int64) int { return int(r.period - p) })
	if !found {
		if len(rs) == 2 && i == 0 {
			return nil
		}
		rs = slices.Insert(rs, i, round{period: period, last: map[Key]result{}})
		if len(rs) > 2 {
			rs, i = rs[1:], i-1
		}
		j.rounds[vantage] = rs
	}
	return &rs[i]
}

// retain drops all vantage points but some: those that are enrolled no more.
func (j *Judge) retain(some func(vantage string) bool) {
	maps.DeleteFunc(j.rounds, func(vantage string, _ []round) bool { return !some(vantage) })
}

// Judge returns a function that gives the verdict on each node as of now. It is good until the next Report. What was
// reported of later than the next period was by a clock that was wrong, and is dropped.
func (j *Judge) Judge(now time.Time) func(Key) Verdict {
	for vantage, rs := range j.rounds {
		j.rounds[vantage] = slices.DeleteFunc(rs, func(r round) bool { return r.period > j.index(now)+1 })
	}
	var voters [][]round // of each vantage point what counts, newest first
	var offline []string
	for vantage, rs := range j.rounds {
		var counts []round
		silent := true
		for i := len(rs) - 1; i >= 0; i-- {
			r := &rs[i]
			if age := j.index(now) - r.period; age < 0 || age > 1 {
				continue
			}
			silent = false
			if !r.offline() {
				counts = append(counts, *r)
			}
		}
		switch {
		case len(counts) > 0:
			voters = append(voters, counts)
		case !silent:
			offline = append(offline, vantage)
		}
	}
	slices.Sort(offline)
	return func(node Key) Verdict {
		v := Verdict{Voters: len(voters), Offline: offline}
		for _, rounds := range voters {
			for _, r := range rounds {
				if last, ok := r.last[node]; ok {
					if last.ok {
						v.Ups++
					} else {
						v.Downs++
					}
					break
				}
			}
		}
		switch {
		case v.Ups+v.Downs == 0:
			v.Health = Unknown
		default:
			v.Health = health(2*v.Downs <= v.Voters)
		}
		return v
	}
}
