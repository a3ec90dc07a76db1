package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"onsight/internal/census"
	"onsight/internal/index"
	"onsight/ons"
)

// Bounds of a list of names.
const (
	listedLimit = 20        // unless more are asked for
	listedMost  = 100_000   // as many as the largest registry we know of
	pageNames   = 1000      // that a server gives at a time
	pagesNames  = 1000      // that a server is asked for
	maxPage     = 4 << 20   // bytes of one: a name takes 1 KB
	blockTime   = 120       // seconds a block takes (spec D.2)
	oneDay      = 24 * 3600 // seconds
)

// listOptions are which names to list.
type listOptions struct {
	server                 string
	types, kinds, statuses string
	expiring               bool
	within                 uint64
	limit                  int
}

// listView is what `onsight names -o json` prints.
type listView struct {
	Names  []listedView `json:"names"`
	AsOf   asOfView     `json:"as_of"`
	Source string       `json:"source"` // index or server
}

// listedView is a name in a list.
type listedView struct {
	recordView
	Kind      string  `json:"kind"` // of the last transaction
	ExpiresAt *string `json:"expires_at"`
}

func (p program) namesCommand(f *flags) *cobra.Command {
	var opt listOptions
	cmd := &cobra.Command{
		Use:   "names",
		Short: "List the names that changed last, or expire soonest",
		Long: `List the names that changed last, newest first, or with --expiring those that expire soonest.

Names are listed by their hashes: they themselves are not on the chain. Of several values of a filter, separated by commas, one has to hold.

The database is asked (--db), or with --server an onsight server, which learns the filters.`,
		Example: `  onsight names
  onsight names --type lokinet --kind buy,renew --limit 100
  onsight names --expiring --within 5040
  onsight names --status needs_update -o json --server https://names.example.org`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := census.ParseFilter(opt.types, opt.kinds, opt.statuses)
			if err != nil {
				return usagef("--%s", strings.TrimPrefix(err.Error(), census.ErrFilter.Error()+": "))
			}
			within := (*uint64)(nil)
			if cmd.Flags().Changed("within") {
				within = &opt.within
			}
			switch {
			case opt.limit < 1 || opt.limit > listedMost:
				return usagef("--limit: must be 1 to %d", listedMost)
			case within != nil && !opt.expiring:
				return usagef("--within: is about --expiring")
			case opt.expiring && opt.types+opt.kinds+opt.statuses != "":
				return usagef("--expiring: takes no filters")
			}
			return p.names(cmd.Context(), f, opt, filter, within)
		},
	}
	cmd.Flags().StringVar(&opt.server, "server", "", "ask the onsight server at `URL`")
	cmd.Flags().StringVar(&opt.types, "type", "", "`TYPES` to list: session, wallet, lokinet")
	cmd.Flags().StringVar(&opt.kinds, "kind", "", "`KINDS` of their last transaction: buy, update, renew")
	cmd.Flags().StringVar(&opt.statuses, "status", "", "`STATUSES` to list: registered, expiring, expired, needs_update")
	cmd.Flags().BoolVar(&opt.expiring, "expiring", false, "list the names that expire soonest")
	cmd.Flags().Uint64Var(&opt.within, "within", 0, "`BLOCKS` in which they do, about 720 a day (default a twelfth of the network's year)")
	cmd.Flags().IntVar(&opt.limit, "limit", listedLimit, "`NUMBER` of names to list at most")
	for flag, values := range map[string][]string{
		"type": {"session", "wallet", "lokinet"}, "kind": {"buy", "update", "renew"}, "status": {"registered", "expiring", "expired", "needs_update"},
	} {
		_ = cmd.RegisterFlagCompletionFunc(flag, completeList(values))
	}
	return cmd
}

func (p program) names(ctx context.Context, f *flags, opt listOptions, filter census.Filter, within *uint64) error {
	var v listView
	var err error
	if opt.server != "" {
		v, err = listRemote(ctx, f, opt, within)
	} else {
		v, err = p.listIndex(ctx, f, opt, filter, within)
	}
	if err != nil {
		return err
	}
	if f.json() {
		return p.printJSON(v)
	}
	t := table{colours: p.coloured()}
	if opt.expiring {
		t.heads([]string{"expires", "height", "type", "name_hash"}, rightHeight)
	} else {
		t.heads([]string{"changed", "height", "kind", "type", "status", "name_hash"}, rightHeight)
	}
	for _, n := range v.Names {
		if opt.expiring {
			t.add(cell{text: dayOf(n.ExpiresAt)}, cell{text: heightText(n.ExpirationHeight), right: true}, cell{text: n.Type}, cell{text: n.NameHash})
			continue
		}
		t.add(cell{text: dayOf(n.UpdatedAt)}, cell{text: decimal(n.UpdateHeight), right: true}, cell{text: n.Kind}, cell{text: n.Type},
			cell{text: n.Status, colour: statusColour(n.Status)}, cell{text: n.NameHash})
	}
	err = t.write(p.stdout)
	fmt.Fprintf(p.stderr, "onsight: %s at block %d, by the %s\n", several(len(v.Names), "name"), v.AsOf.Height, v.Source)
	return err
}

func rightHeight(column string) bool { return column == "height" }

func heightText(n *uint64) string {
	if n == nil {
		return "-"
	}
	return decimal(*n)
}

// dayOf is the day of a time.
func dayOf(rfc3339 *string) string {
	if rfc3339 == nil {
		return "-"
	}
	day, _, _ := strings.Cut(*rfc3339, "T")
	return day
}

func statusColour(status string) string {
	switch ons.Status(status) {
	case ons.StatusExpiring, ons.StatusNeedsUpdate:
		return yellow
	case ons.StatusExpired:
		return dim
	}
	return plain
}

// loaded is the whole index of a database.
type loaded struct {
	*index.Snapshot
	now  census.Now
	time int64 // of the newest block
	asOf asOfView
}

// loadIndex reads a database into memory, and warns if it is old.
func (p program) loadIndex(ctx context.Context, f *flags) (*loaded, error) {
	db, err := f.openDatabase(ctx, p.env, true)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	x := index.New(db.Store)
	if err := x.Load(ctx); err != nil {
		return nil, unavailable(err)
	}
	st := x.Snapshot().State()
	if age := time.Since(st.Asked); age > staleAfter {
		fmt.Fprintf(p.stderr, "onsight: warning: the index last followed a daemon %s ago: this may be out of date\n", age.Round(time.Second))
	}
	return &loaded{
		Snapshot: x.Snapshot(), time: st.TipTime,
		now:  census.Now{Height: st.Tip.Height, Start: st.Start, Rules: ons.Rules{Network: st.Network, Year: st.Year}},
		asOf: asOfView{Height: st.Tip.Height, Hash: st.Tip.Hash.String(), Time: clock(st.TipTime)},
	}, nil
}

func (p program) listIndex(ctx context.Context, f *flags, opt listOptions, filter census.Filter, within *uint64) (listView, error) {
	x, err := p.loadIndex(ctx, f)
	if err != nil {
		return listView{}, err
	}
	v := listView{Names: []listedView{}, AsOf: x.asOf, Source: fromIndex}
	if opt.expiring {
		if within == nil {
			soon := x.now.Soon()
			within = &soon
		}
		page, _ := census.Expiring(x, x.now, *within, nil, opt.limit)
		for _, r := range page {
			v.Names = append(v.Names, x.listed(r))
		}
		return v, nil
	}
	for before := (*census.Place)(nil); ; {
		page, next := filter.Newest(x, x.now, before, opt.limit-len(v.Names))
		for _, r := range page {
			v.Names = append(v.Names, x.listed(r))
		}
		if next == nil || len(v.Names) == opt.limit {
			return v, nil
		}
		before = next
	}
}

// listed is a record as a list shows it.
func (x *loaded) listed(r *ons.Record) listedView {
	v := listedView{recordView: newRecordView(*r, x.now.Height+1, x.now.Rules), Kind: r.Kind.String()}
	v.RegisteredAt, v.UpdatedAt = x.date(r.Registered), x.date(r.Updated)
	if r.Expires != 0 {
		at := clock(x.time + (int64(r.Expires)-int64(x.now.Height))*blockTime)
		v.ExpiresAt = &at
	}
	return v
}

func (x *loaded) date(height uint64) *string {
	made, ok := x.Time(height)
	if !ok {
		return nil
	}
	text := clock(made)
	return &text
}

// listRemote reads a list of a server, page by page.
func listRemote(ctx context.Context, f *flags, opt listOptions, within *uint64) (listView, error) {
	base, err := f.openLists(ctx, opt.server)
	if err != nil {
		return listView{}, err
	}
	v := listView{Names: []listedView{}, Source: fromServer}
	u, query := base.JoinPath("v1", "names"), url.Values{}
	if opt.expiring {
		u = u.JoinPath("expiring")
		if within != nil {
			query.Set("within", decimal(*within))
		}
	}
	for name, list := range map[string]string{"type": opt.types, "kind": opt.kinds, "status": opt.statuses} {
		if list != "" {
			query.Set(name, list)
		}
	}
	for range pagesNames {
		query.Set("limit", strconv.Itoa(min(pageNames, opt.limit-len(v.Names))))
		u.RawQuery = query.Encode()
		var page struct {
			Names []listedView `json:"names"`
			Next  *string      `json:"next"`
			AsOf  asOfView     `json:"as_of"`
		}
		if err := getJSON(ctx, u, &page, maxPage); err != nil {
			return listView{}, err
		}
		v.AsOf = page.AsOf
		v.Names = append(v.Names, page.Names...)
		if page.Next == nil || len(v.Names) >= opt.limit {
			v.Names = v.Names[:min(len(v.Names), opt.limit)]
			return v, nil
		}
		query.Set("next", *page.Next)
	}
	return listView{}, fmt.Errorf("%s: its list does not end: %w", base.Host, ons.ErrUnavailable)
}
