package directory

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// groups are what nodes can be counted by. "unknown" is its own value.
var groups = map[string]func(*Entry) string{
	"state":           func(e *Entry) string { return string(e.Node.State) },
	"version":         func(e *Entry) string { return e.Node.Oxend.String() },
	"storage_version": func(e *Entry) string { return e.Node.Storage.String() },
	"lokinet_version": func(e *Entry) string { return e.Node.Lokinet.String() },
	"operator":        func(e *Entry) string { return cmp.Or(e.Node.Operator, unknown) },
	"swarm":           func(e *Entry) string { return swarmText(e.Node.Swarm) },
	"subnet16":        func(e *Entry) string { return cmp.Or(networkText(e.Node.IP, 16), unknown) },
	"subnet24":        func(e *Entry) string { return cmp.Or(networkText(e.Node.IP, 24), unknown) },
	"country":         func(e *Entry) string { return cmp.Or(e.Place.Country, unknown) },
	"as": func(e *Entry) string {
		if e.Place.AS == 0 {
			return unknown
		}
		return strings.TrimSpace(fmt.Sprintf("AS%d %s", e.Place.AS, e.Place.ASName))
	},
}

// GroupNames returns what Aggregate can count by, sorted.
func GroupNames() []string { return slices.Sorted(maps.Keys(groups)) }

// Row is one line of a Table.
type Row struct {
	Values []string // one for each of Table.By
	Nodes  int
	Share  float64 // of Table.Nodes
	Stake  uint64  // contributed, atomic
}

// Table is nodes counted by what they have in common.
type Table struct {
	By    []string
	Rows  []Row // the largest first
	Nodes int
	Stake uint64

	// How concentrated the known ones are: rows with an unknown value and without a swarm are left out of these.
	HHI      float64 // sum of the squares of the shares: 1 over the number of equal rows, 1 if there is but one
	Gini     float64 // 0 if all rows are equal, towards 1 if one has nearly everything
	Nakamoto int     // how many rows together have more than half
}

// Aggregate counts entries by one or more names of GroupNames. The error is a *ParameterError called by.
func Aggregate(entries []*Entry, by ...string) (Table, error) {
	var of []func(*Entry) string
	for _, name := range by {
		f, ok := groups[name]
		if !ok {
			return Table{}, &ParameterError{Name: "by", Reason: fmt.Sprintf("cannot count by %.40q", name)}
		}
		of = append(of, f)
	}
	if len(of) == 0 {
		return Table{}, &ParameterError{Name: "by", Reason: "it is empty"}
	}
	t := Table{By: by}
	at := map[string]int{}
	for _, e := range entries {
		values := make([]string, len(of))
		for i, f := range of {
			values[i] = f(e)
		}
		id := strings.Join(values, "\x00")
		i, ok := at[id]
		if !ok {
			i = len(t.Rows)
			at[id], t.Rows = i, append(t.Rows, Row{Values: values})
		}
		t.Rows[i].Nodes++
		t.Rows[i].Stake += e.Node.Contributed
		t.Nodes++
		t.Stake += e.Node.Contributed
	}
	slices.SortFunc(t.Rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.Nodes, a.Nodes), slices.Compare(a.Values, b.Values))
	})
	var sizes []int
	for i := range t.Rows {
		r := &t.Rows[i]
		r.Share = float64(r.Nodes) / float64(t.Nodes)
		if !slices.Contains(r.Values, unknown) && !slices.Contains(r.Values, noSwarm) {
			sizes = append(sizes, r.Nodes)
		}
	}
	t.HHI, t.Gini, t.Nakamoto = concentration(sizes)
	return t, nil
}

// concentration of sizes, the largest first.
func concentration(sizes []int) (hhi, gini float64, nakamoto int) {
	total := 0
	for _, n := range sizes {
		total += n
	}
	if total == 0 {
		return 0, 0, 0
	}
	n, sum := float64(len(sizes)), 0
	for i, size := range sizes {
		share := float64(size) / float64(total)
		hhi += share * share
		gini += share * (n - 1 - 2*float64(i)) / n
		if 2*sum <= total {
			nakamoto++
		}
		sum += size
	}
	return hhi, gini, nakamoto
}
