package census

import (
	"cmp"
	"slices"

	"onsight/ons"
)

// types is how many types of names there are.
const types = 3

// Statistics are numbers of all names.
type Statistics struct {
	Types  [types]Totals // session, wallet, lokinet
	Owners Owners
	Days   []Day // with changes, the oldest first
}

// Totals are the numbers of one type.
type Totals struct {
	Known   uint64 // names that ever had a record
	Active  uint64 // names that live
	Expired uint64 // names that do not: the rest
	Legacy  uint64 // names that live whose value has the form of 2020
	Changes        // since the first block
}

// Changes are what happened to names.
type Changes struct {
	Buys, Updates, Renewals uint64
	Burned                  uint64 // atomic OXEN, by those whose price is known
	Unpriced                uint64 // buys and renewals whose price is not known
}

// Day is the changes of a day in UTC, by the times of blocks.
type Day struct {
	Day   int64 // since 1970-01-01
	Types [types]Changes
}

// Owners is how names that live are spread over their owners; backup owners do not count.
type Owners struct {
	Count       int // different ones
	OfOne       int // those of just one name
	Names       int // that have an owner
	Top1, Top10 int // names of the owners who have most
	Top100      int
	HHI         float64 // sum of the squares of the shares
	Gini        float64 // 0 if all have equally many, towards 1 if one has nearly all
	Nakamoto    int     // how many owners together have more than half
}

const day = 24 * 60 * 60

// Count goes through all records once.
func Count(reg Registry, now Now) (s Statistics) {
	ends := map[ons.Hash]uint64{} // of lokinet names, which alone are renewed
	days := map[int64]*Day{}
	height, made, known := uint64(0), int64(0), false
	for r := range reg.Chain() {
		if r.Updated != height || height == 0 {
			height = r.Updated
			made, known = reg.Time(height)
		}
		price, priced := now.Rules.Burn(r, ends[r.Hash], now.Start)
		if r.Type == ons.Lokinet {
			ends[r.Hash] = r.Expires
		}
		s.Types[r.Type].Changes.add(r.Kind, price, priced)
		if !known {
			continue
		}
		n := floorDiv(made, day)
		if days[n] == nil {
			days[n] = &Day{Day: n}
		}
		days[n].Types[r.Type].add(r.Kind, price, priced)
	}
	for _, d := range days {
		s.Days = append(s.Days, *d)
	}
	slices.SortFunc(s.Days, func(a, b Day) int { return cmp.Compare(a.Day, b.Day) })

	owners := map[ons.Owner]int{}
	for r := range reg.Records() {
		t := &s.Types[r.Type]
		t.Known++
		if !r.Live(now.next()) {
			t.Expired++
			continue
		}
		t.Active++
		if r.Sealed.Legacy() {
			t.Legacy++
		}
		if r.Owner.Kind != ons.OwnerNone {
			owners[r.Owner]++
		}
	}
	s.Owners = spread(owners)
	return s
}

func (c *Changes) add(k ons.Kind, price uint64, priced bool) {
	switch k {
	case ons.Buy:
		c.Buys++
	case ons.Update:
		c.Updates++
	case ons.Renew:
		c.Renewals++
	}
	c.Burned += price
	if !priced && k != ons.Update {
		c.Unpriced++
	}
}

// floorDiv is a/b rounded down, also below zero.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func spread(owners map[ons.Owner]int) (o Owners) {
	sizes := make([]int, 0, len(owners))
	for _, n := range owners {
		sizes = append(sizes, n)
		o.Names += n
	}
	slices.SortFunc(sizes, func(a, b int) int { return cmp.Compare(b, a) })
	o.Count = len(sizes)
	sum := 0
	for i, n := range sizes {
		share := float64(n) / float64(o.Names)
		o.HHI += share * share
		o.Gini += share * float64(len(sizes)-1-2*i) / float64(len(sizes))
		if 2*sum <= o.Names {
			o.Nakamoto++
		}
		sum += n
		switch {
		case i < 1:
			o.Top1 = sum
			fallthrough
		case i < 10:
			o.Top10 = sum
			fallthrough
		case i < 100:
			o.Top100 = sum
		}
		if n == 1 {
			o.OfOne++
		}
	}
	return o
}
