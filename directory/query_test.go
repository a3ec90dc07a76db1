package directory

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// plain is an entry as a row of texts: what the model of the query language knows of it.
func plain(e Entry) map[string]string {
	r := map[string]string{
		"key": hex.EncodeToString(e.Node.Key[:]), "ed": hex.EncodeToString(e.Node.Ed25519[:]), "state": string(e.Node.State),
		"operator": e.Node.Operator, "credit": strconv.FormatInt(e.Node.Credit, 10), "swarm": strconv.FormatUint(e.Node.Swarm, 16),
		"country": e.Place.Country, "as": strconv.Itoa(int(e.Place.AS)), "as_name": e.Place.ASName, "reachable": "unknown",
		"first": strconv.Itoa(int(t0.Sub(e.Node.FirstSeen.Time).Hours()) / 24), "last": strconv.Itoa(int(t0.Sub(e.Node.LastSeen.Time).Hours()) / 24),
		"registered": strconv.FormatUint(e.Node.Registered, 10),
	}
	if e.Node.Swarm == 1<<64-1 {
		r["swarm"] = "none"
	}
	if e.Node.IP.IsValid() {
		r["ip"] = e.Node.IP.String()
	}
	for name, v := range map[string]Version{"version": e.Node.Oxend, "storage_version": e.Node.Storage, "lokinet_version": e.Node.Lokinet} {
		if v[0]+v[1]+v[2] > 0 {
			r[name] = fmt.Sprintf("%05d.%05d.%05d", v[0], v[1], v[2])
		}
	}
	for _, c := range e.Node.Contributors {
		r["contributors"] += "|" + c.Address + "|"
	}
	if !e.Node.Proof.IsZero() {
		r["proof_age"] = strconv.FormatInt(int64(t0.Sub(e.Node.Proof)), 10)
	}
	if e.Estimate.P50 > 0 {
		r["latency"] = strconv.FormatInt(int64(e.Estimate.P50), 10)
	}
	switch {
	case e.Estimate.Tried > 0 && e.Estimate.OK, e.Estimate.Tried == 0 && e.Node.StorageReach.Known && e.Node.StorageReach.OK:
		r["reachable"] = "up"
	case e.Estimate.Tried > 0, e.Node.StorageReach.Known:
		r["reachable"] = "down"
	}
	return r
}

// condition is one parameter with its model.
type condition struct {
	name, value string
	holds       func(map[string]string) bool
}

func atoi(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// interval writes a random range and returns its model over numbers.
func interval(rng *rand.Rand, of func() int64, write func(int64) string, single bool) (string, func(string) bool) {
	a, b := of(), of()
	if a > b {
		a, b = b, a
	}
	switch rng.IntN(4) {
	case 0:
		return write(a) + "..", func(s string) bool { return s != "" && atoi(s) >= a }
	case 1:
		return ".." + write(b), func(s string) bool { return s != "" && atoi(s) <= b }
	case 2:
		if single {
			return write(a), func(s string) bool { return s != "" && atoi(s) == a }
		}
	}
	return write(a) + ".." + write(b), func(s string) bool { return s != "" && atoi(s) >= a && atoi(s) <= b }
}

// several joins values of one parameter: one of them has to hold.
func several(rng *rand.Rand, one func() condition) condition {
	c := one()
	for rng.IntN(3) == 0 {
		d, before := one(), c.holds
		c.value += "," + d.value
		c.holds = func(r map[string]string) bool { return before(r) || d.holds(r) }
	}
	return c
}

// conditions makes one random condition of each kind. like is an entry to take values from, so that they match something.
func conditions(rng *rand.Rand, entries []Entry) map[string]func() condition {
	like := func() map[string]string { return plain(entries[rng.IntN(len(entries))]) }
	equal := func(name, field string) func() condition {
		return func() condition {
			v := like()[field]
			return condition{name, v, func(r map[string]string) bool { return r[field] == v }}
		}
	}
	version := func(name string) func() condition {
		parse := func(padded string) string { // as people write them
			var parts []string
			for _, p := range strings.Split(padded, ".") {
				parts = append(parts, strconv.Itoa(int(atoi(p))))
			}
			if parts[2] == "0" {
				parts = parts[:2]
			}
			return strings.Join(parts, ".")
		}
		return func() condition {
			a, b := like()[name], like()[name]
			if a == "" || b == "" {
				return condition{name, "unknown", func(r map[string]string) bool { return r[name] == "" }}
			}
			if a > b {
				a, b = b, a
			}
			switch rng.IntN(4) {
			case 0:
				return condition{name, parse(a), func(r map[string]string) bool { return r[name] == a }}
			case 1:
				return condition{name, parse(a) + "..", func(r map[string]string) bool { return r[name] >= a }}
			case 2:
				return condition{name, ".." + parse(b), func(r map[string]string) bool { return r[name] != "" && r[name] <= b }}
			}
			return condition{name, parse(a) + ".." + parse(b), func(r map[string]string) bool { return r[name] >= a && r[name] <= b }}
		}
	}
	days := func(name, field string) func() condition {
		return func() condition {
			a, b := rng.IntN(100), rng.IntN(100)
			a, b = min(a, b), max(a, b)
			switch rng.IntN(4) {
			case 0:
				return condition{name, fmt.Sprintf("%d-", a), func(r map[string]string) bool { return int(atoi(r[field])) >= a }}
			case 1:
				return condition{name, fmt.Sprintf("-%d", b), func(r map[string]string) bool { return int(atoi(r[field])) <= b }}
			case 2:
				return condition{name, strconv.Itoa(a), func(r map[string]string) bool { return int(atoi(r[field])) == a }}
			}
			return condition{name, fmt.Sprintf("%d-%d", a, b), func(r map[string]string) bool { d := int(atoi(r[field])); return d >= a && d <= b }}
		}
	}
	duration := func(ns int64) string { return time.Duration(ns).String() }
	return map[string]func() condition{
		"state":           equal("state", "state"),
		"swarm":           equal("swarm", "swarm"),
		"operator":        equal("operator", "operator"),
		"reachable":       equal("reachable", "reachable"),
		"version":         version("version"),
		"storage_version": version("storage_version"),
		"lokinet_version": version("lokinet_version"),
		"first_seen_days": days("first_seen_days", "first"),
		"last_seen_days":  days("last_seen_days", "last"),
		"contributor": func() condition {
			c := entries[rng.IntN(len(entries))].Node.Contributors[rng.IntN(2)].Address
			return condition{"contributor", c, func(r map[string]string) bool { return strings.Contains(r["contributors"], "|"+c+"|") }}
		},
		"country": func() condition {
			v := like()["country"]
			if v == "" {
				return condition{"country", "xz", func(r map[string]string) bool { return r["country"] == "" }}
			}
			return condition{"country", strings.ToLower(v), func(r map[string]string) bool { return r["country"] == v }}
		},
		"as": func() condition {
			v := like()["as"]
			return condition{"as", []string{"AS", "as", ""}[rng.IntN(3)] + v, func(r map[string]string) bool { return r["as"] == v }}
		},
		"prefix": func() condition {
			row := like()
			if rng.IntN(2) == 0 || row["ip"] == "" {
				p := row["key"][:1+rng.IntN(4)]
				return condition{"prefix", strings.ToUpper(p), func(r map[string]string) bool { return strings.HasPrefix(r["key"], p) }}
			}
			p := netip.PrefixFrom(netip.MustParseAddr(row["ip"]), 8+rng.IntN(18))
			return condition{"prefix", p.String(), func(r map[string]string) bool {
				return r["ip"] != "" && p.Contains(netip.MustParseAddr(r["ip"]))
			}}
		},
		"credit": func() condition {
			v, holds := interval(rng, func() int64 { return int64(rng.IntN(1600)) - 100 }, func(n int64) string { return strconv.FormatInt(n, 10) }, true)
			return condition{"credit", v, func(r map[string]string) bool { return holds(r["credit"]) }}
		},
		"proof_age": func() condition {
			v, holds := interval(rng, func() int64 { return int64(rng.IntN(9000)) * 1e9 }, duration, true)
			return condition{"proof_age", v, func(r map[string]string) bool { return holds(r["proof_age"]) }}
		},
		"latency": func() condition {
			v, holds := interval(rng, func() int64 { return int64(rng.IntN(320)) * 1e6 }, duration, false)
			return condition{"latency", v, func(r map[string]string) bool { return holds(r["latency"]) }}
		},
		"word": func() condition {
			row := like()
			words := []string{"0", row["key"][:rng.IntN(6)+1], strings.ToUpper(row["ed"][:4]), row["operator"][:5], "ONLINE", row["operator"][1:3]}
			if row["ip"] != "" {
				words = append(words, row["ip"][:5])
			}
			w := words[rng.IntN(len(words))]
			return condition{"word", w, func(r map[string]string) bool {
				low := strings.ToLower(w)
				snode := keyFrom(r["key"]).Address()
				return strings.HasPrefix(r["key"], low) || r["ed"] != strings.Repeat("0", 64) && strings.HasPrefix(r["ed"], low) ||
					strings.HasPrefix(r["operator"], w) || r["ip"] != "" && strings.HasPrefix(r["ip"], low) ||
					strings.HasPrefix(snode, low) || strings.Contains(strings.ToLower(r["as_name"]), low)
			}}
		},
	}
}

func keyFrom(s string) Key {
	k, err := ParseKey(s)
	if err != nil {
		panic(err)
	}
	return k
}

// orderings are the model of order: what to compare of a row; "" is unknown.
var orderings = map[string]func(map[string]string) (string, int64){
	"key":        func(r map[string]string) (string, int64) { return r["key"], 0 },
	"operator":   func(r map[string]string) (string, int64) { return r["operator"], 0 },
	"country":    func(r map[string]string) (string, int64) { return r["country"], 0 },
	"version":    func(r map[string]string) (string, int64) { return r["version"], 0 },
	"credit":     func(r map[string]string) (string, int64) { return "known", atoi(r["credit"]) },
	"registered": func(r map[string]string) (string, int64) { return "known", atoi(r["registered"]) },
	"latency": func(r map[string]string) (string, int64) {
		if r["latency"] == "" {
			return "", 0
		}
		return "known", atoi(r["latency"])
	},
}

// TestQueryModel compares thousands of random queries on 2,000 nodes with a model that knows nothing of the code.
func TestQueryModel(t *testing.T) {
	t.Parallel()
	queries := 3000
	if testing.Short() {
		queries = 300
	}
	rng := newRand(42)
	entries := generate(rng, 2000)
	rows := make([]map[string]string, len(entries))
	for i, e := range entries {
		rows[i] = plain(e)
	}
	kinds := conditions(rng, entries)
	names := make([]string, 0, len(kinds))
	for n := range kinds {
		names = append(names, n)
	}
	sort.Strings(names)
	some, matched := 0, 0
	for i := range queries {
		values := url.Values{}
		var model []func(map[string]string) bool
		var search []string
		for range 1 + rng.IntN(3) {
			name := names[rng.IntN(len(names))]
			if values.Has(name) {
				continue
			}
			c := kinds[name]()
			if name == "word" {
				search = append(search, c.value)
			} else {
				c = several(rng, kinds[name])
				if rng.IntN(3) == 0 {
					search = append(search, fmt.Sprintf(`%s:"%s"`, name, c.value))
				} else {
					values.Set(name, c.value)
				}
			}
			model = append(model, c.holds)
		}
		if len(search) > 0 {
			values.Set("search", strings.Join(search, "  "))
		}
		var want []int
		for j, r := range rows {
			if !slices.ContainsFunc(model, func(holds func(map[string]string) bool) bool { return !holds(r) }) {
				want = append(want, j)
			}
		}
		matched += len(want)
		if len(want) > 0 {
			some++
		}
		want, skipped, truncated := arrange(rng, values, rows, want)

		q, err := ParseQuery(values)
		if err != nil {
			t.Fatalf("%v: %v", values, err)
		}
		got := q.Run(View{entries, t0})
		var keys, wanted []string
		for _, e := range got.Entries {
			keys = append(keys, e.Node.Key.String())
		}
		for _, j := range want {
			wanted = append(wanted, rows[j]["key"])
		}
		if d := cmp.Diff(wanted, keys); d != "" || got.Skipped != skipped || got.Truncated != truncated {
			t.Fatalf("query %d, %v: %d skipped, %d truncated, want %d, %d: %s", i, values, got.Skipped, got.Truncated, skipped, truncated, d)
		}
	}
	t.Logf("%d queries, %d with an answer, %d nodes on average", queries, some, matched/queries)
	if some < queries/3 {
		t.Errorf("only %d of %d queries match anything", some, queries)
	}
}

// arrange adds order, limit and offset at random, and does the same to the model's answer.
func arrange(rng *rand.Rand, values url.Values, rows []map[string]string, want []int) (_ []int, skipped, truncated int) {
	if rng.IntN(2) == 0 {
		var names, order []string
		for n := range orderings {
			names = append(names, n)
		}
		sort.Strings(names)
		for _, i := range rng.Perm(len(names))[:1+rng.IntN(2)] {
			order = append(order, []string{"", "-"}[rng.IntN(2)]+names[i])
		}
		values.Set("order", strings.Join(order, ","))
		sort.Slice(want, func(i, j int) bool {
			a, b := rows[want[i]], rows[want[j]]
			for _, o := range order {
				name, down := strings.CutPrefix(o, "-")
				s1, n1 := orderings[name](a)
				s2, n2 := orderings[name](b)
				switch {
				case s1 == s2 && n1 == n2:
					continue
				case s1 == "" || s2 == "":
					return s1 != ""
				}
				return (s1 < s2 || s1 == s2 && n1 < n2) != down
			}
			return a["key"] < b["key"]
		})
	}
	if rng.IntN(3) == 0 {
		skipped = rng.IntN(30)
		values.Set("offset", strconv.Itoa(skipped))
		skipped = min(skipped, len(want))
		want = want[skipped:]
	}
	if rng.IntN(3) == 0 {
		limit := 1 + rng.IntN(30)
		values.Set("limit", strconv.Itoa(limit))
		if len(want) > limit {
			want, truncated = want[:limit], len(want)-limit
		}
	}
	return want, skipped, truncated
}

func TestParseQueryErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ query, name, reason string }{
		{"colour=red", "colour", ""},
		{"State=active", "State", ""},
		{"state=actve", "state", `"actve" is no state`},
		{"state=active,", "state", `"" is no state`},
		{"version=a..b", "version", `"a" does not parse`},
		{"version=..", "version", "it is empty"},
		{"version=", "version", "it is empty"},
		{"swarm=xyz", "swarm", `"xyz" is no swarm`},
		{"operator=", "operator", "it is empty"},
		{"prefix=10.0.0.0/33", "prefix", `"10.0.0.0/33" is no range of addresses`},
		{"prefix=xy", "prefix", `"xy" does not begin a key`},
		{"prefix=" + strings.Repeat("a", 65), "prefix", `"` + strings.Repeat("a", 65) + `" does not begin a key`},
		{"country=deu", "country", `"deu" is no country of two letters`},
		{"as=ASX", "as", `"ASX" is no number of an AS`},
		{"first_seen_days=1-b", "first_seen_days", `"1-b" is not days as in 3, 2-5, 2- or -5`},
		{"last_seen_days=-", "last_seen_days", `"-" is not days as in 3, 2-5, 2- or -5`},
		{"credit=60-70", "credit", `"60-70" does not parse`},
		{"latency=200", "latency", `"200" does not parse`},
		{"proof_age=1h..x", "proof_age", `"x" does not parse`},
		{"reachable=yes", "reachable", `"yes" is not up, down or unknown`},
		{`search="a`, "search", "a quote is not closed"},
		{"search=state:x", "state", `"x" is no state`},
		{"search=colour:x", "search", `unknown key "colour"`},
		{"fields=key,colour", "fields", `unknown field "colour"`},
		{"order=state,-latency,-state", "order", `"state" is there twice`},
		{"order=-colour", "order", `cannot order by "colour"`},
		{"order=contributors", "order", `cannot order by "contributors"`},
		{"limit=0", "limit", `"0" is not a number from 1 to 1000`},
		{"limit=1001", "limit", `"1001" is not a number from 1 to 1000`},
		{"offset=1000000", "offset", `"1000000" is not a number from 0 to 999999`},
		{"offset=-1", "offset", `"-1" is not a number from 0 to 999999`},
	} {
		values, err := url.ParseQuery(tt.query)
		if err != nil {
			t.Fatal(err)
		}
		_, err = ParseQuery(values)
		var pe *ParameterError
		if !errors.As(err, &pe) || pe.Name != tt.name || pe.Reason != tt.reason || !strings.Contains(err.Error(), tt.name) {
			t.Errorf("%s: got %v", tt.query, err)
		}
	}
}

func TestQuery(t *testing.T) {
	t.Parallel()
	entries := generate(newRand(1), 50)
	for _, tt := range []struct {
		query string
		want  int
	}{
		{"", 50},
		{"search=", 50},
		{`search=""`, 50},
		{"search=2001:db8::", 0}, // an address, not a key
		{"state=active&state=nonsense", count(nodesOf(entries))[Active]},
		{`search="Host 1 Online"`, countFunc(entries, func(e Entry) bool { return e.Place.AS == 101 })},
		{"search=" + entries[7].Node.Key.Address(), 1},
	} {
		values, err := url.ParseQuery(tt.query)
		if err != nil {
			t.Fatal(err)
		}
		q, err := ParseQuery(values)
		if err != nil {
			t.Fatal(err)
		}
		if got := q.Run(View{entries, t0}); len(got.Entries) != tt.want {
			t.Errorf("%s: got %d, want %d", tt.query, len(got.Entries), tt.want)
		}
	}
	q, err := ParseQuery(url.Values{"fields": {"key,latency"}, "limit": {}})
	if err != nil || cmp.Diff([]string{"key", "latency"}, q.Fields) != "" {
		t.Errorf("got %v, %v", q.Fields, err)
	}
}

// TestFieldsOrder: every field that can be ordered by gives the same order again and backwards its reverse, but for
// what is unknown, which stays last.
func TestFieldsOrder(t *testing.T) {
	t.Parallel()
	entries := generate(newRand(1), 300)
	for _, name := range FieldNames() {
		if fields[name].compare == nil {
			continue
		}
		run := func(order string) []*Entry {
			q, err := ParseQuery(url.Values{"order": {order}})
			if err != nil {
				t.Fatal(err)
			}
			return q.Run(View{entries, t0}).Entries
		}
		up, down := run(name), run("-"+name)
		known := len(up)
		if k := fields[name].known; k != nil {
			known = countFunc(entries, func(e Entry) bool { return k(&e) })
		}
		for i := range known {
			if fields[name].compare(up[i], down[known-1-i]) != 0 || i > 0 && fields[name].compare(up[i-1], up[i]) > 0 {
				t.Errorf("%s: out of order at %d", name, i)
				break
			}
		}
	}
}

func nodesOf(entries []Entry) (nodes []Node) {
	for _, e := range entries {
		nodes = append(nodes, e.Node)
	}
	return nodes
}

func countFunc(entries []Entry, holds func(Entry) bool) (n int) {
	for _, e := range entries {
		if holds(e) {
			n++
		}
	}
	return n
}

func FuzzParseQuery(f *testing.F) {
	f.Add("state=active&version=2.8..2.11&order=-latency,key&limit=5")
	f.Add(`search=a+state:active+"b c"+prefix:10.0.0.0/8&first_seen_days=2-`)
	f.Add("swarm=none&credit=..-1&country=xz&as=AS0&latency=..5ms&proof_age=1h..")
	entries := generate(newRand(1), 20)
	f.Fuzz(func(t *testing.T, s string) {
		values, err := url.ParseQuery(s)
		if err != nil {
			return
		}
		q, err := ParseQuery(values)
		if err != nil {
			var pe *ParameterError
			if !errors.As(err, &pe) || len(err.Error()) > 300 && values.Get(pe.Name) == "" {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if r := q.Run(View{entries, t0}); r.Skipped+len(r.Entries)+r.Truncated > len(entries) {
			t.Fatalf("%q: %d skipped, %d, %d truncated", s, r.Skipped, len(r.Entries), r.Truncated)
		}
	})
}

func BenchmarkQuery(b *testing.B) {
	v := View{generate(newRand(1), 2000), t0}
	for _, s := range []string{"", "state=active&version=11..&latency=..200ms", "order=latency&limit=50", "search=abc+state:active"} {
		b.Run(s, func(b *testing.B) {
			values, err := url.ParseQuery(s)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				q, err := ParseQuery(values)
				if err != nil {
					b.Fatal(err)
				}
				q.Run(v)
			}
		})
	}
}

// TestTimed: a query says whether its answer may be another one later.
func TestTimed(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]bool{
		"": false, "state=gone&credit=60..&latency=..1s&order=proof&limit=3": false, "search=state:gone proof": false,
		"proof_age=1h..": true, "first_seen_days=3": true, "last_seen_days=-5": true, "search=abc proof_age:..2h": true,
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if q, err := ParseQuery(values); err != nil || q.Timed != want {
			t.Errorf("%s: %v %v, want %v", query, q.Timed, err, want)
		}
	}
}
