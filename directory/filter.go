package directory

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// filters are the parameters that choose among nodes, each with what parses its value.
var filters = map[string]func(string) (test, error){
	"state":           list(parseState),
	"version":         list(versions(func(e *Entry) Version { return e.Node.Oxend })),
	"storage_version": list(versions(func(e *Entry) Version { return e.Node.Storage })),
	"lokinet_version": list(versions(func(e *Entry) Version { return e.Node.Lokinet })),
	"swarm":           list(parseSwarm),
	"operator":        list(text(func(e *Entry, s string) bool { return e.Node.Operator == s })),
	"contributor": list(text(func(e *Entry, s string) bool {
		return slices.ContainsFunc(e.Node.Contributors, func(c Contributor) bool { return c.Address == s })
	})),
	"prefix":          list(parsePrefix),
	"country":         list(parseCountry),
	"as":              list(parseAS),
	"first_seen_days": list(days(func(e *Entry) time.Time { return e.Node.FirstSeen.Time })),
	"last_seen_days":  list(days(func(e *Entry) time.Time { return e.Node.LastSeen.Time })),
	"credit":          list(ranges(parseInt, func(e *Entry, _ time.Time) (int64, bool) { return e.Node.Credit, true })),
	"proof_age": list(ranges(time.ParseDuration, func(e *Entry, now time.Time) (time.Duration, bool) {
		return now.Sub(e.Node.Proof), !e.Node.Proof.IsZero()
	})),
	"latency": list(ranges(time.ParseDuration, func(e *Entry, _ time.Time) (time.Duration, bool) {
		return e.Estimate.P50, e.Estimate.P50 > 0
	})),
	"reachable": list(parseHealth),
}

// list makes a test that holds if one of several values holds.
func list(parse func(string) (test, error)) func(string) (test, error) {
	return func(value string) (test, error) {
		var any []test
		for one := range strings.SplitSeq(value, ",") {
			t, err := parse(one)
			if err != nil {
				return nil, err
			}
			any = append(any, t)
		}
		if len(any) == 1 {
			return any[0], nil
		}
		return func(e *Entry, now time.Time) bool {
			return slices.ContainsFunc(any, func(t test) bool { return t(e, now) })
		}, nil
	}
}

func text(holds func(*Entry, string) bool) func(string) (test, error) {
	return func(s string) (test, error) {
		if s == "" {
			return nil, errors.New("it is empty")
		}
		return func(e *Entry, _ time.Time) bool { return holds(e, s) }, nil
	}
}

func parseState(s string) (test, error) {
	if !slices.Contains(states, State(s)) {
		return nil, fmt.Errorf("%.20q is no state", s)
	}
	return func(e *Entry, _ time.Time) bool { return e.Node.State == State(s) }, nil
}

func parseHealth(s string) (test, error) {
	h := Health(s)
	if h != Up && h != Down && h != Unknown {
		return nil, fmt.Errorf("%.20q is not up, down or unknown", s)
	}
	return func(e *Entry, _ time.Time) bool { return e.Reachable() == h }, nil
}

// versions takes "unknown" out of every range: nothing is known to be older than 2.8.
func versions(get func(*Entry) Version) func(string) (test, error) {
	return func(s string) (test, error) {
		from, to, err := bounds(s, ParseVersion)
		if err != nil {
			return nil, err
		}
		return func(e *Entry, _ time.Time) bool {
			v := get(e)
			if v == (Version{}) {
				return from != nil && to != nil && *from == v && *to == v
			}
			return (from == nil || v.Compare(*from) >= 0) && (to == nil || v.Compare(*to) <= 0)
		}, nil
	}
}

func parseSwarm(s string) (test, error) {
	id := NoSwarm
	if s != noSwarm {
		var err error
		if id, err = strconv.ParseUint(s, 16, 64); err != nil {
			return nil, fmt.Errorf("%.20q is no swarm", s)
		}
	}
	return func(e *Entry, _ time.Time) bool { return e.Node.Swarm == id }, nil
}

func parsePrefix(s string) (test, error) {
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("%.50q is no range of addresses", s)
		}
		return func(e *Entry, _ time.Time) bool { return p.Contains(e.Node.IP) }, nil
	}
	s = strings.ToLower(s)
	if s == "" || len(s) > 64 || strings.Trim(s, "0123456789abcdef") != "" {
		return nil, fmt.Errorf("%.70q does not begin a key", s)
	}
	return func(e *Entry, _ time.Time) bool { return hasPrefix(e.Node.Key, s) }, nil
}

// hasPrefix compares digit by digit, since a String for every node would be most of the work of a query.
func hasPrefix(k [32]byte, digits string) bool {
	const hexDigits = "0123456789abcdef"
	if len(digits) > 2*len(k) {
		return false
	}
	for i := range len(digits) {
		if digits[i] != hexDigits[k[i/2]>>(4*(1-i%2))&15] {
			return false
		}
	}
	return true
}

func parseCountry(s string) (test, error) {
	if len(s) != 2 {
		return nil, fmt.Errorf("%.20q is no country of two letters", s)
	}
	if s = strings.ToUpper(s); s == "XZ" {
		s = ""
	}
	return func(e *Entry, _ time.Time) bool { return e.Place.Country == s }, nil
}

func parseAS(s string) (test, error) {
	digits := s
	if len(s) > 2 && strings.EqualFold(s[:2], "as") {
		digits = s[2:]
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("%.20q is no number of an AS", s)
	}
	return func(e *Entry, _ time.Time) bool { return e.Place.AS == uint32(n) }, nil
}

// days reads "3", "2-5", "2-" and "-5", in whole days before now.
func days(get func(*Entry) time.Time) func(string) (test, error) {
	return func(s string) (test, error) {
		low, high, isRange := strings.Cut(s, "-")
		if !isRange {
			high = low
		}
		from, to := 0, 1<<20
		var err error
		if low != "" {
			from, err = number(low, 0, 1<<20)
		}
		if high != "" && err == nil {
			to, err = number(high, 0, 1<<20)
		}
		if err != nil || s == "" || s == "-" {
			return nil, fmt.Errorf("%.20q is not days as in 3, 2-5, 2- or -5", s)
		}
		return func(e *Entry, now time.Time) bool {
			n := int(now.Sub(get(e)) / (24 * time.Hour))
			return !get(e).IsZero() && n >= from && n <= to
		}, nil
	}
}

// bounds reads "a", "a..b", "a.." and "..b"; nil is no bound.
func bounds[T any](s string, parse func(string) (T, error)) (from, to *T, err error) {
	low, high, isRange := strings.Cut(s, "..")
	if !isRange {
		high = low
	}
	if low == "" && high == "" {
		return nil, nil, errors.New("it is empty")
	}
	for _, b := range []struct {
		s    string
		into **T
	}{{low, &from}, {high, &to}} {
		if b.s == "" {
			continue
		}
		v, err := parse(b.s)
		if err != nil {
			return nil, nil, fmt.Errorf("%.40q does not parse", b.s)
		}
		*b.into = &v
	}
	return from, to, nil
}

func parseInt(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) }

// ranges makes a test of bounds. What get does not know is in none.
func ranges[T cmp.Ordered](parse func(string) (T, error), get func(*Entry, time.Time) (T, bool)) func(string) (test, error) {
	return func(s string) (test, error) {
		from, to, err := bounds(s, parse)
		if err != nil {
			return nil, err
		}
		return func(e *Entry, now time.Time) bool {
			v, known := get(e, now)
			return known && (from == nil || v >= *from) && (to == nil || v <= *to)
		}, nil
	}
}
