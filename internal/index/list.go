package index

import (
	"bytes"
	"cmp"
	"slices"

	"onsight/ons"
)

// entry is one row of a list: what it is found by first, and the place of its record.
type entry struct {
	head uint64
	at   uint32
}

// list is places of records in order of (head, type, hash). It is never changed.
type list struct {
	heads []uint64
	at    []uint32
}

// seek returns the first row that is not before (head, t, h).
func (l *list) seek(recs *log[ons.Record], head uint64, t ons.Type, h *ons.Hash) int {
	lo, hi := 0, len(l.heads)
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if x := l.heads[mid]; x < head || x == head && compare(recs.at(l.at[mid]), t, h) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// merge returns the list without the rows gone, which it must have, and with those of come. Both are in its order.
func (l list) merge(recs *log[ons.Record], gone, come []entry) list {
	if len(gone)+len(come) == 0 {
		return l
	}
	n := len(l.at) - len(gone) + len(come)
	out := list{make([]uint64, 0, n), make([]uint32, 0, n)}
	for len(gone)+len(come) > 0 {
		var e entry
		removes := len(come) == 0 || len(gone) > 0 && order(recs, gone[0], come[0]) <= 0
		if removes {
			e, gone = gone[0], gone[1:]
		} else {
			e, come = come[0], come[1:]
		}
		if len(l.at) > 0 {
			r := recs.at(e.at)
			i := l.seek(recs, e.head, r.Type, &r.Hash)
			out.heads, out.at = append(out.heads, l.heads[:i]...), append(out.at, l.at[:i]...)
			if removes {
				i++
			}
			l.heads, l.at = l.heads[i:], l.at[i:]
		}
		if !removes {
			out.heads, out.at = append(out.heads, e.head), append(out.at, e.at)
		}
	}
	return list{append(out.heads, l.heads...), append(out.at, l.at...)}
}

// arrange puts rows in the order of lists; those of one key and head in the order of their places.
func arrange(recs *log[ons.Record], rows []entry) {
	slices.SortFunc(rows, func(a, b entry) int {
		if c := order(recs, a, b); c != 0 {
			return c
		}
		return cmp.Compare(a.at, b.at)
	})
}

// order compares rows as lists do.
func order(recs *log[ons.Record], a, b entry) int {
	if a.head != b.head {
		if a.head < b.head {
			return -1
		}
		return 1
	}
	r := recs.at(b.at)
	return compare(recs.at(a.at), r.Type, &r.Hash)
}

// compare compares the key of r with another.
func compare(r *ons.Record, t ons.Type, h *ons.Hash) int {
	if r.Type != t {
		return cmp.Compare(r.Type, t)
	}
	return bytes.Compare(r.Hash[:], h[:])
}
