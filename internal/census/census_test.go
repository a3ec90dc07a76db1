package census_test

import (
	"cmp"
	"errors"
	"iter"
	"math/big"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"onsight/internal/census"
	"onsight/ons"
)

// plain is a registry that goes through everything.
type plain []*ons.Record

func (p plain) newest() map[ons.Key]*ons.Record {
	m := map[ons.Key]*ons.Record{}
	for _, r := range p {
		m[r.Key()] = r
	}
	return m
}

func (p plain) Record(k ons.Key) *ons.Record { return p.newest()[k] }
func (p plain) Chain() iter.Seq[*ons.Record] { return slices.Values(p) }
func (p plain) Time(h uint64) (int64, bool)  { return int64(h) * 20_000, h%7 != 0 }
func (p plain) Records() iter.Seq[*ons.Record] {
	return p.filter(func(*ons.Record) bool { return true })
}

func (p plain) filter(want func(*ons.Record) bool) iter.Seq[*ons.Record] {
	var out []*ons.Record
	m := p.newest()
	for _, r := range p {
		if m[r.Key()] == r && want(r) {
			out = append(out, r)
		}
	}
	return slices.Values(out)
}

func (p plain) Before(height uint64, tx uint32) iter.Seq[*ons.Record] {
	return func(yield func(*ons.Record) bool) {
		for _, r := range slices.Backward(p) {
			if (r.Updated < height || r.Updated == height && r.TxIndex < tx) && !yield(r) {
				return
			}
		}
	}
}

func byEnd(a, b *ons.Record) int {
	return cmp.Or(cmp.Compare(a.Expires, b.Expires), cmp.Compare(a.Type, b.Type), slices.Compare(a.Hash[:], b.Hash[:]))
}

func (p plain) Ending(from uint64, after *ons.Key) iter.Seq[*ons.Record] {
	return slices.Values(slices.SortedFunc(p.filter(func(r *ons.Record) bool {
		return r.Expires != 0 && r.Expires >= from &&
			(after == nil || byEnd(r, &ons.Record{Expires: from, Type: after.Type, Hash: after.Hash}) > 0)
	}), byEnd))
}

var now = census.Now{Height: 300, Start: 8, Rules: ons.Rules{Network: ons.Fakechain, Year: 120}}

// chain draws records of few names.
func chain(t *rapid.T) (p plain) {
	height, tx := uint64(8), uint32(0)
	for range rapid.IntRange(0, 60).Draw(t, "records") {
		if n := uint64(rapid.IntRange(0, 8).Draw(t, "on")); n > 0 {
			height, tx = height+n, 0
		}
		tx++
		r := &ons.Record{
			Type: ons.Type(rapid.IntRange(0, 2).Draw(t, "type")), Hash: ons.Hash{byte(rapid.IntRange(0, 9).Draw(t, "name"))},
			Kind: ons.Kind(rapid.IntRange(1, 3).Draw(t, "kind")), Updated: height, Registered: height, TxIndex: tx,
			Owner: ons.Owner{Kind: ons.OwnerEd25519, Key: [32]byte{byte(rapid.IntRange(0, 5).Draw(t, "owner"))}},
		}
		if rapid.Bool().Draw(t, "new form") {
			r.Sealed.Nonce = make([]byte, 24)
		}
		if r.Type == ons.Lokinet {
			r.Expires = height + 120*uint64(rapid.SampledFrom([]int{0, 1, 2, 5}).Draw(t, "years"))
		}
		p = append(p, r)
	}
	return p
}

// TestNewest is the property that the pages of a list together are what a walk over all names finds.
func TestNewest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := chain(t)
		some := func(name string, of ...string) string {
			var words []string
			for _, s := range of {
				if rapid.IntRange(0, 2).Draw(t, name) == 0 {
					words = append(words, s)
				}
			}
			return strings.Join(words, ",")
		}
		types, kinds := some("types", "session", "wallet", "lokinet"), some("kinds", "buy", "update", "renew")
		statuses := some("statuses", "registered", "expiring", "expired", "needs_update")
		f, err := census.ParseFilter(types, kinds, statuses)
		if err != nil {
			t.Fatal(err)
		}
		in := func(list, word string) bool {
			return list == "" || slices.Contains(strings.Split(list, ","), word)
		}
		want := slices.Collect(p.filter(func(r *ons.Record) bool {
			return in(types, r.Type.String()) && in(kinds, r.Kind.String()) && in(statuses, string(r.Status(301, now.Rules)))
		}))
		slices.Reverse(want)
		var got []*ons.Record
		var before *census.Place
		limit := rapid.IntRange(1, 9).Draw(t, "limit")
		for {
			page, next := f.Newest(p, now, before, limit)
			if got = append(got, page...); next == nil {
				break
			}
			if len(page) != limit {
				t.Fatalf("a page of %d of %d, although there is little to look at", len(page), limit)
			}
			before = next
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

// TestNewestIsBounded shows that a page ends where it has looked at enough, and that the next one goes on there.
func TestNewestIsBounded(t *testing.T) {
	t.Parallel()
	p := make(long, 50_000)
	for i := range p {
		p[i] = ons.Record{Hash: ons.Hash{byte(i), byte(i >> 8)}, Kind: ons.Buy, Updated: uint64(i + 8)}
	}
	p[0].Kind = ons.Update
	f := census.Filter{Kinds: []ons.Kind{ons.Update}}
	var before *census.Place
	pages := 0
	for {
		page, next := f.Newest(p, now, before, 10)
		pages++
		if next == nil {
			if pages != 3 || len(page) != 1 || page[0] != &p[0] {
				t.Errorf("got %d pages, the last of %d", pages, len(page))
			}
			return
		}
		if len(page) > 0 {
			t.Fatalf("page %d has %d names", pages, len(page))
		}
		before = next
	}
}

// long is a registry of names that were bought once.
type long []ons.Record

func (l long) Record(k ons.Key) *ons.Record {
	return &l[int(k.Hash[0])|int(k.Hash[1])<<8]
}
func (l long) Before(height uint64, _ uint32) iter.Seq[*ons.Record] {
	return func(yield func(*ons.Record) bool) {
		for i := min(uint64(len(l)), height-8); i > 0; i-- {
			if !yield(&l[i-1]) {
				return
			}
		}
	}
}
func (l long) Records() iter.Seq[*ons.Record]                { return nil }
func (l long) Chain() iter.Seq[*ons.Record]                  { return nil }
func (l long) Ending(uint64, *ons.Key) iter.Seq[*ons.Record] { return nil }
func (l long) Time(uint64) (int64, bool)                     { return 0, false }

// TestExpiring is the same property of the list of what ends soonest.
func TestExpiring(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := chain(t)
		within := uint64(rapid.IntRange(0, 700).Draw(t, "within"))
		want := slices.SortedFunc(p.filter(func(r *ons.Record) bool {
			return r.Expires != 0 && r.Live(301) && r.Expires <= 301+within
		}), byEnd)
		var got []*ons.Record
		var after *census.End
		limit := rapid.IntRange(1, 9).Draw(t, "limit")
		for {
			page, next := census.Expiring(p, now, within, after, limit)
			got = append(got, page...)
			if next == nil {
				break
			}
			after = next
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		if within == now.Soon() {
			for _, r := range got {
				if r.Status(301, now.Rules) != ons.StatusExpiring {
					t.Fatalf("%v is not expiring", r)
				}
			}
		}
	})
}

// TestCount is the property that the statistics are what naive counting gives.
func TestCount(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := chain(t)
		got := census.Count(p, now)
		var want [3]census.Totals
		owned, prev := map[ons.Owner]int{}, map[ons.Key]*ons.Record{}
		for _, r := range p {
			w := &want[r.Type]
			before := uint64(0)
			if b := prev[r.Key()]; b != nil {
				before = b.Expires
			}
			prev[r.Key()] = r
			price, ok := now.Rules.Burn(r, before, 8)
			w.Burned += price
			if !ok {
				w.Unpriced++
			}
			*[]*uint64{nil, &w.Buys, &w.Updates, &w.Renewals}[r.Kind]++
		}
		for _, r := range prev {
			w := &want[r.Type]
			w.Known++
			if !r.Live(301) {
				w.Expired++
				continue
			}
			w.Active++
			owned[r.Owner]++
			if r.Sealed.Nonce == nil {
				w.Legacy++
			}
		}
		if diff := gocmp.Diff(want, got.Types); diff != "" {
			t.Fatalf("totals (-want +got):\n%s", diff)
		}
		days := map[int64][3]census.Changes{}
		for i, d := range got.Days {
			if i > 0 && got.Days[i-1].Day >= d.Day {
				t.Fatal("days out of order")
			}
			days[d.Day] = d.Types
		}
		events := 0
		for _, r := range p {
			if made, ok := p.Time(r.Updated); ok {
				if _, there := days[made/86400]; !there {
					t.Fatalf("day %d is missing", made/86400)
				}
				events++
			}
		}
		for _, d := range days {
			for _, c := range d {
				events -= int(c.Buys + c.Updates + c.Renewals)
			}
		}
		if events != 0 {
			t.Fatalf("%d changes are on no day", events)
		}
		checkOwners(t, owned, got.Owners)
	})
}

func checkOwners(t *rapid.T, owned map[ons.Owner]int, got census.Owners) {
	sum, squares, pairs := 0, 0, 0
	for _, a := range owned {
		sum, squares = sum+a, squares+a*a
		for _, b := range owned {
			pairs += max(a-b, b-a)
		}
	}
	if got.Count != len(owned) || got.Names != sum || got.Top10 != sum || got.Top100 != sum {
		t.Fatalf("got %+v of %v", got, owned)
	}
	if sum == 0 {
		return
	}
	near := func(what string, got float64, num, den int) {
		want, _ := big.NewRat(int64(num), int64(den)).Float64()
		if d := got - want; d > 1e-9 || d < -1e-9 {
			t.Fatalf("%s: got %v, want %v", what, got, want)
		}
	}
	near("hhi", got.HHI, squares, sum*sum)
	near("gini", got.Gini, pairs, 2*len(owned)*sum) // the mean difference over twice the mean
}

func TestParseFilter(t *testing.T) {
	t.Parallel()
	for _, bad := range [][3]string{{"names"}, {"session,"}, {"", "bought"}, {"", "", "registered,dead"}, {"Session"}} {
		if _, err := census.ParseFilter(bad[0], bad[1], bad[2]); !errors.Is(err, census.ErrFilter) {
			t.Errorf("%q: got error %v", bad, err)
		}
	}
}
