package census

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"onsight/ons"
)

// maxLooked is how many records one page may look at: a few milliseconds.
const maxLooked = 20_000

// ErrFilter is returned by ParseFilter if and only if a list names something that there is not; the error says what there is.
var ErrFilter = errors.New("invalid filter")

// Filter says which names are wanted. Of each list one has to hold; empty lists hold for all.
type Filter struct {
	Types    []ons.Type
	Kinds    []ons.Kind // of the last operation
	Statuses []ons.Status
}

// ParseFilter reads lists that are separated by commas; an empty text is an empty list. The error wraps ErrFilter.
func ParseFilter(types, kinds, statuses string) (f Filter, err error) {
	if f.Types, err = parseList("type", types, []ons.Type{ons.Session, ons.Wallet, ons.Lokinet}); err != nil {
		return Filter{}, err
	}
	if f.Kinds, err = parseList("kind", kinds, []ons.Kind{ons.Buy, ons.Update, ons.Renew}); err != nil {
		return Filter{}, err
	}
	f.Statuses, err = parseList("status", statuses, []ons.Status{ons.StatusRegistered, ons.StatusExpiring, ons.StatusExpired, ons.StatusNeedsUpdate})
	if err != nil {
		return Filter{}, err
	}
	return f, nil
}

// parseList reads words that each stand for one of some values.
func parseList[T any](name, text string, of []T) (out []T, err error) {
	if text == "" {
		return nil, nil
	}
	words := make([]string, len(of))
	for i, v := range of {
		words[i] = fmt.Sprint(v)
	}
	for word := range strings.SplitSeq(text, ",") {
		i := slices.Index(words, word)
		if i < 0 {
			return nil, fmt.Errorf("%w: %s must be among %s", ErrFilter, name, strings.Join(words, ", "))
		}
		out = append(out, of[i])
	}
	return out, nil
}

func (f *Filter) match(r *ons.Record, now Now) bool {
	return (len(f.Types) == 0 || slices.Contains(f.Types, r.Type)) && (len(f.Kinds) == 0 || slices.Contains(f.Kinds, r.Kind)) &&
		(len(f.Statuses) == 0 || slices.Contains(f.Statuses, r.Status(now.next(), now.Rules)))
}

// Place is where in the chain a record stands: the cursor of a list of what changed last.
type Place struct {
	Height  uint64
	TxIndex uint32
}

func placeOf(r *ons.Record) Place { return Place{r.Updated, r.TxIndex} }

// Newest returns the newest records of at most limit names that a filter wants, those that changed last first: of those that stand
// before a place, or with nil of all. next is where the page after it begins; nil: there is none. A page may be short, or even
// empty, although there is a next one: no page looks at more than 20,000 records.
func (f *Filter) Newest(reg Registry, now Now, before *Place, limit int) (page []*ons.Record, next *Place) {
	at := Place{math.MaxUint64, 0}
	if before != nil {
		at = *before
	}
	looked := 0
	for r := range reg.Before(at.Height, at.TxIndex) {
		if looked == maxLooked {
			return page, &at
		}
		looked++
		if f.match(r, now) && reg.Record(r.Key()) == r {
			if len(page) == limit {
				return page, &at
			}
			page = append(page, r)
		}
		at = placeOf(r)
	}
	return page, nil
}

// End is when a name ends, and which: the cursor of a list of what ends soonest.
type End struct {
	Height uint64 // last one at which it lives
	Key    ons.Key
}

// Soon is within how many blocks a name ends that has the status expiring.
func (n Now) Soon() uint64 { return n.Rules.Blocks(uint8(ons.Lokinet)) / 12 }

// Expiring returns the newest records of at most limit names that live and end within so many blocks, the soonest first: of those
// behind one, or with nil of all. next is the last one of the page if there are more, else nil.
func Expiring(reg Registry, now Now, within uint64, after *End, limit int) (page []*ons.Record, next *End) {
	from, key := now.next(), (*ons.Key)(nil)
	if after != nil && after.Height >= from {
		from, key = after.Height, &after.Key
	}
	for r := range reg.Ending(from, key) {
		if r.Expires-now.next() > within {
			break
		}
		if len(page) == limit {
			last := page[limit-1]
			return page, &End{last.Expires, last.Key()}
		}
		page = append(page, r)
	}
	return page, nil
}
