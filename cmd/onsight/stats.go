package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"onsight/internal/census"
	"onsight/ons"
)

// Bounds of how many days are shown.
const (
	statsDays     = 14
	statsDaysMost = 10_000
	maxStats      = 16 << 20 // bytes of a reply: a day takes 300
)

// statsView is what `onsight stats -o json` prints, and what a server says of its names.
type statsView struct {
	Session totalsView `json:"session"`
	Wallet  totalsView `json:"wallet"`
	Lokinet totalsView `json:"lokinet"`
	Burned  string     `json:"burned"` // atomic OXEN
	Owners  ownersView `json:"owners"`
	Days    []statsDay `json:"days"` // with changes, oldest first
	AsOf    asOfView   `json:"as_of"`
	Source  string     `json:"source"` // index or server
}

type totalsView struct {
	Known       uint64      `json:"known"`
	Active      uint64      `json:"active"`
	Expired     uint64      `json:"expired"`
	Legacy      uint64      `json:"legacy"` // active with a value of 2020
	LegacyShare float64     `json:"legacy_share"`
	Changes     changesView `json:"changes"`
}

type changesView struct {
	Buys     uint64 `json:"buys"`
	Updates  uint64 `json:"updates"`
	Renewals uint64 `json:"renewals"`
	Burned   string `json:"burned"`   // atomic OXEN
	Unpriced uint64 `json:"unpriced"` // buys and renewals that are not in burned
}

type statsDay struct {
	Day     string      `json:"day"`
	Session changesView `json:"session"`
	Wallet  changesView `json:"wallet"`
	Lokinet changesView `json:"lokinet"`
}

// ownersView is how names that live are spread over owners.
type ownersView struct {
	Count       int     `json:"count"`
	OfOne       int     `json:"of_one"`
	Top1Share   float64 `json:"top_1_share"`
	Top10Share  float64 `json:"top_10_share"`
	Top100Share float64 `json:"top_100_share"`
	HHI         float64 `json:"hhi"`
	Gini        float64 `json:"gini"`
	Nakamoto    int     `json:"nakamoto"`
}

func (p program) statsCommand(f *flags) *cobra.Command {
	var server string
	var days int
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Show numbers of all names, and of each day",
		Long: `Show how many names there are, live and have expired, what happened to them, what that burned, and how owners are spread.

The database is asked (--db), or an onsight server (--server). Days are those of UTC by the times of blocks; days without changes are left out.`,
		Example: `  onsight stats
  onsight stats --days 365 -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if days < 0 || days > statsDaysMost {
				return usagef("--days: must be 0 to %d", statsDaysMost)
			}
			v, err := p.stats(cmd.Context(), f, server, days)
			if err != nil {
				return err
			}
			if f.json() {
				return p.printJSON(v)
			}
			return p.printStats(v)
		},
	}
	cmd.Flags().StringVar(&server, "server", "", "ask the onsight server at `URL`")
	cmd.Flags().IntVar(&days, "days", statsDays, "`NUMBER` of days to list")
	return cmd
}

func (p program) stats(ctx context.Context, f *flags, server string, days int) (statsView, error) {
	if server == "" {
		x, err := p.loadIndex(ctx, f)
		if err != nil {
			return statsView{}, err
		}
		return newStatsView(census.Count(x, x.now), x, days), nil
	}
	base, err := f.openLists(ctx, server)
	if err != nil {
		return statsView{}, err
	}
	v := statsView{}
	u := base.JoinPath("v1", "names", "statistics")
	u.RawQuery = url.Values{"days": {strconv.Itoa(days)}}.Encode()
	err = getJSON(ctx, u, &v, maxStats)
	v.Source = fromServer
	return v, err
}

func newStatsView(s census.Statistics, x *loaded, days int) statsView {
	burned := uint64(0)
	for _, t := range s.Types {
		burned += t.Burned
	}
	o := s.Owners
	v := statsView{
		Session: newTotalsView(s.Types[ons.Session]), Wallet: newTotalsView(s.Types[ons.Wallet]), Lokinet: newTotalsView(s.Types[ons.Lokinet]),
		Burned: decimal(burned), AsOf: x.asOf, Source: fromIndex, Days: []statsDay{},
		Owners: ownersView{
			Count: o.Count, OfOne: o.OfOne, Top1Share: ratio(o.Top1, o.Names), Top10Share: ratio(o.Top10, o.Names), Top100Share: ratio(o.Top100, o.Names),
			HHI: rounded(o.HHI), Gini: rounded(o.Gini), Nakamoto: o.Nakamoto,
		},
	}
	for _, d := range s.Days {
		if d.Day > x.time/oneDay-int64(days) {
			v.Days = append(v.Days, statsDay{
				Day:     time.Unix(d.Day*oneDay, 0).UTC().Format(time.DateOnly),
				Session: newChangesView(d.Types[ons.Session]), Wallet: newChangesView(d.Types[ons.Wallet]), Lokinet: newChangesView(d.Types[ons.Lokinet]),
			})
		}
	}
	return v
}

func newTotalsView(t census.Totals) totalsView {
	return totalsView{
		Known: t.Known, Active: t.Active, Expired: t.Expired, Legacy: t.Legacy, LegacyShare: ratio(int(t.Legacy), int(t.Active)),
		Changes: newChangesView(t.Changes),
	}
}

func newChangesView(c census.Changes) changesView {
	return changesView{Buys: c.Buys, Updates: c.Updates, Renewals: c.Renewals, Burned: decimal(c.Burned), Unpriced: c.Unpriced}
}

func ratio(part, of int) float64 {
	if of == 0 {
		return 0
	}
	return rounded(float64(part) / float64(of))
}

func (p program) printStats(v statsView) error {
	t := table{colours: p.coloured()}
	numbers := []string{"type", "active", "expired", "argon2", "bought", "updated", "renewed", "burned"}
	t.heads(numbers, func(c string) bool { return c != "type" })
	for _, row := range []struct {
		name string
		totalsView
	}{{"session", v.Session}, {"wallet", v.Wallet}, {"lokinet", v.Lokinet}} {
		t.add(append([]cell{{text: row.name}, countCell(row.Active), countCell(row.Expired), countCell(row.Legacy)}, changeCells(row.Changes)...)...)
	}
	if err := t.write(p.stdout); err != nil {
		return err
	}
	o := v.Owners
	fmt.Fprintf(p.stdout, "\n%s, %d of one name; the first has %.1f %%, the first 10 %.1f %%, the first 100 %.1f %%; Gini %.2f, Nakamoto %d\n",
		several(o.Count, "owner"), o.OfOne, 100*o.Top1Share, 100*o.Top10Share, 100*o.Top100Share, o.Gini, o.Nakamoto)
	if len(v.Days) > 0 {
		days := table{colours: p.coloured()}
		days.heads([]string{"day", "type", "bought", "updated", "renewed", "burned"}, func(c string) bool { return c != "day" && c != "type" })
		for _, d := range v.Days {
			for _, row := range []struct {
				name string
				changesView
			}{{"session", d.Session}, {"wallet", d.Wallet}, {"lokinet", d.Lokinet}} {
				if row.Buys+row.Updates+row.Renewals > 0 {
					days.add(append([]cell{{text: d.Day}, {text: row.name}}, changeCells(row.changesView)...)...)
				}
			}
		}
		fmt.Fprintln(p.stdout)
		if err := days.write(p.stdout); err != nil {
			return err
		}
	}
	if n := v.Session.Changes.Unpriced + v.Wallet.Changes.Unpriced + v.Lokinet.Changes.Unpriced; n > 0 {
		fmt.Fprintf(p.stderr, "onsight: warning: burned lacks %s whose price is not known\n", several(int(n), "operation"))
	}
	fmt.Fprintf(p.stderr, "onsight: at block %d, by the %s\n", v.AsOf.Height, v.Source)
	return nil
}

func countCell(n uint64) cell { return cell{text: decimal(n), right: true} }

// changeCells are changes in the columns bought, updated, renewed, burned.
func changeCells(c changesView) []cell {
	return []cell{countCell(c.Buys), countCell(c.Updates), countCell(c.Renewals), {text: oxen(c.Burned), right: true}}
}

// oxen is an amount of atomic units in OXEN; prices are whole ones.
func oxen(atomic string) string {
	n, err := strconv.ParseUint(atomic, 10, 64)
	if err != nil {
		return atomic
	}
	return strconv.FormatFloat(float64(n)/1e9, 'f', -1, 64)
}
