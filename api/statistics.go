package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"onsight/indexer"
	"onsight/internal/census"
	"onsight/ons"
)

// Bounds of how many days statistics may go back.
const (
	defaultDays = 90
	maxDays     = 10_000
)

// statisticsView is numbers of all names. Server.statistics writes it.
type statisticsView struct {
	Session totalsView `json:"session"`
	Wallet  totalsView `json:"wallet"`
	Lokinet totalsView `json:"lokinet"`
	Burned  string     `json:"burned" pattern:"^[0-9]+$" doc:"By all types, atomic OXEN (1e-9)"`
	Owners  ownersView `json:"owners"`
	Days    []dayView  `json:"days" nullable:"false" doc:"Days with changes, oldest first"`
}

type totalsView struct {
	Known       uint64      `json:"known" doc:"Names that ever had a record"`
	Active      uint64      `json:"active" doc:"Names that live"`
	Expired     uint64      `json:"expired" doc:"Names that do not any more: with active all that are known"`
	Legacy      uint64      `json:"legacy" doc:"Names that live whose value has the form of 2020 (argon2), which clients no longer read"`
	LegacyShare float64     `json:"legacy_share" minimum:"0" maximum:"1" doc:"Of those that live; 0 if there are none"`
	Changes     changesView `json:"changes" doc:"Since the first block with names"`
}

type changesView struct {
	Buys     uint64 `json:"buys"`
	Updates  uint64 `json:"updates"`
	Renewals uint64 `json:"renewals"`
	Burned   string `json:"burned" pattern:"^[0-9]+$" doc:"Atomic OXEN (1e-9), exactly what consensus demands for type, years and hard fork"`
	Unpriced uint64 `json:"unpriced" doc:"Purchases and renewals that are not in burned, since their price is not known: 0 on mainnet, testnet and devnet"`
}

// dayView is the changes of a day by the times of blocks, in UTC.
type dayView struct {
	Day     string      `json:"day" format:"date"`
	Session changesView `json:"session"`
	Wallet  changesView `json:"wallet"`
	Lokinet changesView `json:"lokinet"`
}

// ownersView is how names that live are spread over owners, of whom it names none.
type ownersView struct {
	Count       int     `json:"count" doc:"Different owners of names that live; backup owners do not count"`
	OfOne       int     `json:"of_one" doc:"Owners of just one name"`
	Top1Share   float64 `json:"top_1_share" minimum:"0" maximum:"1" doc:"Of the names, of the owner who has most"`
	Top10Share  float64 `json:"top_10_share" minimum:"0" maximum:"1"`
	Top100Share float64 `json:"top_100_share" minimum:"0" maximum:"1"`
	HHI         float64 `json:"hhi" minimum:"0" maximum:"1" doc:"Sum of the squares of the shares: 1 if there is but one owner"`
	Gini        float64 `json:"gini" minimum:"0" maximum:"1" doc:"0 if all have equally many, towards 1 if one has nearly all"`
	Nakamoto    int     `json:"nakamoto" doc:"How many owners together have more than half"`
}

func newStatisticsView(s *census.Statistics) statisticsView {
	burned := uint64(0)
	for _, t := range s.Types {
		burned += t.Burned
	}
	v := statisticsView{
		Session: newTotalsView(s.Types[ons.Session]), Wallet: newTotalsView(s.Types[ons.Wallet]), Lokinet: newTotalsView(s.Types[ons.Lokinet]),
		Burned: decimal(burned), Days: make([]dayView, len(s.Days)),
		Owners: ownersView{
			Count: s.Owners.Count, OfOne: s.Owners.OfOne, Top1Share: share(s.Owners.Top1, s.Owners.Names), Top10Share: share(s.Owners.Top10, s.Owners.Names),
			Top100Share: share(s.Owners.Top100, s.Owners.Names), HHI: rounded(s.Owners.HHI), Gini: rounded(s.Owners.Gini), Nakamoto: s.Owners.Nakamoto,
		},
	}
	for i, d := range s.Days {
		v.Days[i] = dayView{
			Day:     dayText(d.Day),
			Session: newChangesView(d.Types[ons.Session]), Wallet: newChangesView(d.Types[ons.Wallet]), Lokinet: newChangesView(d.Types[ons.Lokinet]),
		}
	}
	return v
}

func newTotalsView(t census.Totals) totalsView {
	return totalsView{
		Known: t.Known, Active: t.Active, Expired: t.Expired, Legacy: t.Legacy, LegacyShare: share(int(t.Legacy), int(t.Active)),
		Changes: newChangesView(t.Changes),
	}
}

func newChangesView(c census.Changes) changesView {
	return changesView{Buys: c.Buys, Updates: c.Updates, Renewals: c.Renewals, Burned: decimal(c.Burned), Unpriced: c.Unpriced}
}

func share(part, of int) float64 {
	if of == 0 {
		return 0
	}
	return rounded(float64(part) / float64(of))
}

func dayText(day int64) string {
	return time.Unix(day*24*60*60, 0).UTC().Format(time.DateOnly)
}

// tally is the statistics after one block, encoded when they are first asked for.
type tally struct {
	tip    indexer.Point
	digest ons.Txid
	made   func() (*tallied, error)
}

// tallied is a statisticsView as JSON, so that replies of few days need no more than copying.
type tallied struct {
	head []byte   // up to the list of days
	days []int64  // since 1970
	rows [][]byte // of each day, with a comma before it; one piece of memory
}

// tallyOf returns the statistics of a snapshot that has a tip. Requests that come together share them.
func (s *Server) tallyOf(snap Snapshot, c *call) *tally {
	for {
		old := s.tally.Load()
		if old != nil && old.tip == *c.state.Tip && old.digest == c.state.Digest {
			return old
		}
		now := c.censusNow()
		fresh := &tally{tip: *c.state.Tip, digest: c.state.Digest, made: sync.OnceValues(func() (*tallied, error) {
			return newTallied(census.Count(snap, now))
		})}
		if s.tally.CompareAndSwap(old, fresh) {
			return fresh
		}
	}
}

func newTallied(s census.Statistics) (*tallied, error) {
	view := newStatisticsView(&s)
	t := &tallied{}
	for i, d := range view.Days {
		row, err := json.Marshal(d)
		if err != nil {
			return nil, err
		}
		t.days, t.rows = append(t.days, s.Days[i].Day), append(t.rows, append([]byte{','}, row...))
	}
	view.Days = []dayView{}
	head, err := json.Marshal(view)
	if err != nil {
		return nil, err
	}
	t.head = head[:len(head)-len("]}")]
	return t, nil
}

// statistics answers GET /v1/names/statistics.
func (s *Server) statistics(c *call) error {
	if c.state.Tip == nil {
		return c.missing()
	}
	days := defaultDays
	if c.query.Has("days") {
		text := c.query.Get("days")
		var err error
		if days, err = strconv.Atoi(text); err != nil || days < 0 || days > maxDays || strconv.Itoa(days) != text {
			return fmt.Errorf("%w: days must be 0 to %d", errParameter, maxDays)
		}
	}
	if c.fresh() {
		return nil
	}
	t, err := s.tallyOf(c.snap, c).made()
	if err != nil {
		return err
	}
	last := c.state.TipTime / (24 * 60 * 60)
	from := sort.Search(len(t.days), func(i int) bool { return t.days[i] > last-int64(days) })
	b := s.buffer()
	defer s.release(b)
	*b = append(*b, t.head...)
	for i, row := range t.rows[from:] {
		if i == 0 {
			row = row[1:] // the comma
		}
		*b = append(*b, row...)
	}
	*b = append(*b, "]}"...)
	*b = seal(*b, c.frame.asOf)
	c.write(http.StatusOK, jsonType, *b)
	return nil
}

func (d describer) statistics() *huma.Operation {
	op := operation("statistics", http.MethodGet, "/v1/names/statistics", "names", "Numbers of all names, and of each day",
		"What is burned is exact: a purchase or renewal must burn what consensus demands, no more and no less, which follows from its type, its "+
			"years and the hard fork. Nothing here names a name or an owner.")
	low, high := 0.0, float64(maxDays)
	op.Parameters = []*huma.Param{{
		Name: "days", In: "query", Description: "How many days to list, that of the newest block and those before it",
		Schema: &huma.Schema{Type: huma.TypeInteger, Minimum: &low, Maximum: &high, Default: defaultDays},
	}}
	d.replies(op, "Statistics", statisticsView{}, cacheHeaders(), examples{"one day": exampleSealed(exampleStatistics())})
	d.fails(op, errParameter, errBehind)
	return op
}

func exampleStatistics() statisticsView {
	return newStatisticsView(&census.Statistics{
		Types: [3]census.Totals{
			{Known: 9000, Active: 9000, Legacy: 450, Changes: census.Changes{Buys: 9000, Updates: 2100, Burned: 71_000e9}},
			{Known: 40, Active: 40, Changes: census.Changes{Buys: 40, Burned: 280e9}},
			{Known: 460, Active: 300, Expired: 160, Changes: census.Changes{Buys: 480, Updates: 60, Renewals: 90, Burned: 5_000e9}},
		},
		Owners: census.Owners{Count: 7000, Names: 9340, OfOne: 6500, Top1: 400, Top10: 900, Top100: 1500, HHI: 0.0025, Gini: 0.24, Nakamoto: 2331},
		Days:   []census.Day{{Day: exampleState().TipTime / (24 * 60 * 60), Types: [3]census.Changes{{Buys: 3, Updates: 1, Burned: 21e9}}}},
	})
}
