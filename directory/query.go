package directory

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// LimitMost is the largest limit of a Query.
const LimitMost = 1000

// ParameterError says which parameter of a query is unknown or does not parse.
type ParameterError struct {
	Name   string
	Reason string // "" for one that is unknown
}

func (e *ParameterError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("unknown parameter %.40q", e.Name)
	}
	return fmt.Sprintf("parameter %s: %s", e.Name, e.Reason)
}

// View is what a Query looks at: the nodes as of a time.
type View struct {
	Entries []Entry
	Now     time.Time
}

// test says whether an entry is wanted.
type test func(e *Entry, now time.Time) bool

// Query is a parsed question to the list.
type Query struct {
	Fields []string // what to show of each node, as asked for; empty: everything
	Limit  int      // at most so many; 0: none was given
	Offset int
	Timed  bool // the answer depends on View.Now

	tests  []test
	orders []order
}

type order struct {
	field
	name       string
	descending bool
}

// Result is the answer to a Query.
type Result struct {
	Entries   []*Entry // into the View
	Skipped   int      // matching ones before them
	Truncated int      // and after them
}

// ParseQuery reads the parameters of a list of nodes. All of them have to hold; of several values separated by commas one.
// A parameter that is given twice counts as it was given first. An error is a *ParameterError.
//
//	state            awaiting, active, decommissioned, unlocking, gone
//	version, storage_version, lokinet_version   2.11 (that is 2.11.0), unknown, or a range 2.8..2.11, 2.8.., ..2.11
//	swarm            hexadecimal, or none
//	operator, contributor   address
//	prefix           of the key in hexadecimal, or of the address: 10.0.0.0/8
//	country, as      de, AS24940; xz and AS0 for unknown
//	first_seen_days, last_seen_days   days ago: 3, 2-5, 2-, -5
//	credit           blocks: 60, 60..1440, 60.., ..-1
//	proof_age, latency   90m, 1h..2h, 200ms.., ..200ms; what has no proof or was not measured is in no range
//	reachable        up, down, unknown
//	search           words and key:value, all of which have to hold; with quotes around what holds a blank. A word is the
//	                 beginning of a key, address or operator, or part of the name of an AS; a key is one of the above
//	fields           what to show
//	order            fields to sort by, -field for descending; what is unknown comes last, ties are by key
//	limit, offset    1 to 1000, and from 0 on
func ParseQuery(values url.Values) (Query, error) {
	var q Query
	for _, name := range slices.Sorted(maps.Keys(values)) { // sorted: the same query gives the same error
		if len(values[name]) == 0 {
			continue
		}
		if err := q.set(name, values[name][0]); err != nil {
			return Query{}, err
		}
	}
	return q, nil
}

func (q *Query) set(name, value string) error {
	var err error
	switch name {
	case "search":
		err = q.search(value)
	case "fields":
		err = q.show(value)
	case "order":
		err = q.order(value)
	case "limit":
		q.Limit, err = number(value, 1, LimitMost)
	case "offset":
		q.Offset, err = number(value, 0, 999_999)
	default:
		parse, known := filters[name]
		if !known {
			return &ParameterError{Name: name}
		}
		var t test
		if t, err = parse(value); err == nil {
			q.tests = append(q.tests, t)
			q.Timed = q.Timed || slices.Contains(timed, name)
		}
	}
	if _, named := err.(*ParameterError); err != nil && !named {
		err = &ParameterError{Name: name, Reason: err.Error()}
	}
	return err
}

// timed are the filters that compare with the time.
var timed = []string{"first_seen_days", "last_seen_days", "proof_age"}

func number(s string, low, high int) (int, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n < uint64(low) || n > uint64(high) {
		return 0, fmt.Errorf("%.20q is not a number from %d to %d", s, low, high)
	}
	return int(n), nil
}

func (q *Query) show(value string) error {
	for name := range strings.SplitSeq(value, ",") {
		if _, ok := fields[name]; !ok {
			return fmt.Errorf("unknown field %.40q", name)
		}
		q.Fields = append(q.Fields, name)
	}
	return nil
}

func (q *Query) order(value string) error {
	for name := range strings.SplitSeq(value, ",") {
		name, descending := strings.CutPrefix(name, "-")
		f, ok := fields[name]
		if !ok || f.compare == nil {
			return fmt.Errorf("cannot order by %.40q", name)
		}
		if slices.ContainsFunc(q.orders, func(o order) bool { return o.name == name }) {
			return fmt.Errorf("%q is there twice", name)
		}
		q.orders = append(q.orders, order{f, name, descending})
	}
	return nil
}

// Matches reports whether e is among what q asks for.
func (q *Query) Matches(e *Entry, now time.Time) bool {
	for _, t := range q.tests {
		if !t(e, now) {
			return false
		}
	}
	return true
}

// Run answers q. Without an order the entries stay as they are in v.
func (q *Query) Run(v View) Result {
	var found []*Entry
	for i := range v.Entries {
		if q.Matches(&v.Entries[i], v.Now) {
			found = append(found, &v.Entries[i])
		}
	}
	if len(q.orders) > 0 {
		slices.SortFunc(found, q.compare)
	}
	r := Result{Skipped: min(q.Offset, len(found))}
	r.Entries = found[r.Skipped:]
	if q.Limit > 0 && len(r.Entries) > q.Limit {
		r.Truncated = len(r.Entries) - q.Limit
		r.Entries = r.Entries[:q.Limit]
	}
	return r
}

func (q *Query) compare(a, b *Entry) int {
	for _, o := range q.orders {
		if o.known != nil {
			ka, kb := o.known(a), o.known(b)
			if ka != kb {
				if ka {
					return -1
				}
				return 1
			}
			if !ka {
				continue
			}
		}
		c := o.compare(a, b)
		if o.descending {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return a.Node.Key.Compare(b.Node.Key)
}

// field is something to show or to order by.
type field struct {
	known   func(*Entry) bool     // nil: always
	compare func(a, b *Entry) int // nil: there is no order
}

// by makes a field that is ordered by get; known says where it is.
func by[T cmp.Ordered](get func(*Entry) T, known func(*Entry) bool) field {
	return field{known, func(a, b *Entry) int { return cmp.Compare(get(a), get(b)) }}
}

// fields are all there are, by the names the API shows.
var fields = map[string]field{
	"key":             {compare: func(a, b *Entry) int { return a.Node.Key.Compare(b.Node.Key) }},
	"state":           by(func(e *Entry) int { return slices.Index(states, e.Node.State) }, nil),
	"version":         {known: func(e *Entry) bool { return e.Node.Oxend != Version{} }, compare: func(a, b *Entry) int { return a.Node.Oxend.Compare(b.Node.Oxend) }},
	"storage_version": {known: func(e *Entry) bool { return e.Node.Storage != Version{} }, compare: func(a, b *Entry) int { return a.Node.Storage.Compare(b.Node.Storage) }},
	"lokinet_version": {known: func(e *Entry) bool { return e.Node.Lokinet != Version{} }, compare: func(a, b *Entry) int { return a.Node.Lokinet.Compare(b.Node.Lokinet) }},
	"swarm":           by(func(e *Entry) uint64 { return e.Node.Swarm }, func(e *Entry) bool { return e.Node.Swarm != NoSwarm }),
	"operator":        by(func(e *Entry) string { return e.Node.Operator }, func(e *Entry) bool { return e.Node.Operator != "" }),
	"operator_fee":    by(func(e *Entry) uint64 { return e.Node.OperatorFee }, nil),
	"stake":           by(func(e *Entry) uint64 { return e.Node.Contributed }, nil),
	"ip":              {known: func(e *Entry) bool { return e.Node.IP.IsValid() }, compare: func(a, b *Entry) int { return a.Node.IP.Compare(b.Node.IP) }},
	"country":         by(func(e *Entry) string { return e.Place.Country }, func(e *Entry) bool { return e.Place.Country != "" }),
	"as":              by(func(e *Entry) uint32 { return e.Place.AS }, func(e *Entry) bool { return e.Place.AS != 0 }),
	"credit":          by(func(e *Entry) int64 { return e.Node.Credit }, nil),
	"decommissions":   by(func(e *Entry) uint32 { return e.Node.Decommissions }, nil),
	"registered":      by(func(e *Entry) uint64 { return e.Node.Registered }, nil),
	"since":           by(func(e *Entry) uint64 { return e.Node.Since }, nil),
	"first_seen":      by(func(e *Entry) int64 { return e.Node.FirstSeen.Time.Unix() }, nil),
	"last_seen":       by(func(e *Entry) int64 { return e.Node.LastSeen.Time.Unix() }, nil),
	"proof":           by(func(e *Entry) int64 { return e.Node.Proof.Unix() }, func(e *Entry) bool { return !e.Node.Proof.IsZero() }),
	"latency":         by(func(e *Entry) time.Duration { return e.Estimate.P50 }, func(e *Entry) bool { return e.Estimate.P50 > 0 }),
	"loss": by(func(e *Entry) float64 { s, _, _ := e.Estimate.Loss(); return s }, func(e *Entry) bool {
		return e.Estimate.Tried > 0
	}),
	"reachable":   by(func(e *Entry) Health { return e.Reachable() }, func(e *Entry) bool { return e.Reachable() != Unknown }),
	"last_reward": by(func(e *Entry) uint64 { return e.Node.LastReward }, nil),

	// These have no order.
	"ed25519": {}, "x25519": {}, "bls": {}, "contributors": {}, "ports": {}, "reasons": {}, "unlock_height": {}, "storage_reach": {},
	"lokinet_reach": {}, "required": {}, "reserved": {}, "estimate": {}, "place": {}, "verdict": {}, "score": {},
}

// FieldNames returns what "fields" may name, sorted.
func FieldNames() []string { return slices.Sorted(maps.Keys(fields)) }
