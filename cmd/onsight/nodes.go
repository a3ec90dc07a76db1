package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"onsight/directory"
)

// nodeFilters are the flags that choose among nodes: the parameters of directory.ParseQuery, with hyphens. want says what one may be.
var nodeFilters = []struct{ name, usage, want string }{
	{"state", "`STATE`, all but gone by default", "awaiting, active, decommissioned, unlocking or gone"},
	{"version", "`RANGE` of versions of oxend", "2.11, 2.8..2.11, 2.8.., ..2.11 or unknown"},
	{"storage-version", "`RANGE` of versions of the storage server", "2.11, 2.8..2.11, 2.8.., ..2.11 or unknown"},
	{"lokinet-version", "`RANGE` of versions of lokinet", "0.9, 0.9..0.10, 0.9.., ..0.10 or unknown"},
	{"swarm", "`ID` of its swarm", "hexadecimal digits, or none"},
	{"operator", "who runs it", "an `ADDRESS`"},
	{"contributor", "who has a stake in it", "an `ADDRESS`"},
	{"prefix", "`BEGINNING` of its key, or a range of addresses", "hexadecimal digits, or such as 10.0.0.0/8"},
	{"country", "where it is, by --geo-country", "two `LETTERS`, xz for unknown"},
	{"as", "`NUMBER` of its autonomous system, by --geo-as", "AS24940, or 0 for unknown"},
	{"first-seen-days", "`DAYS` since it was first seen", "3, 2-5, 2- or -5"},
	{"last-seen-days", "`DAYS` since it was last seen", "3, 2-5, 2- or -5"},
	{"credit", "`BLOCKS` it may be down", "60, 60..1440, 60.. or ..-1"},
	{"proof-age", "`TIME` since its last uptime proof", "90m, 1h..2h or 2h.."},
	{"latency", "`TIME` that half of its answers take", "50ms..200ms or ..200ms"},
	{"reachable", "`HEALTH`", "up, down or unknown"},
	{"search", "`TEXT`", "words and key:value; a word is the beginning of a key, address or operator, or part of the name of an AS"},
}

func (p program) nodesCommand(f *flags) *cobra.Command {
	var opt nodeOptions
	cmd := &cobra.Command{
		Use:   "nodes",
		Short: "List the service nodes",
		Long: `List the service nodes: who is staked, who is well, how long they take to answer.

All filters have to hold; of several values separated by commas one. What nobody measured or observed shows as - or unknown, and is in
no range. The formats of -o are table, json, jsonl and csv.

` + sourceHelp,
		Example: `  onsight nodes --state decommissioned --columns key,reasons,credit --sort credit
  onsight nodes --storage-version ..2.10 -o csv
  onsight nodes --reachable up --latency ..100ms --sort latency --limit 20`,
		Args:        cobra.NoArgs,
		Annotations: map[string]string{outputs: "table,json,jsonl,csv"},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opt.complete(cmd, p.env); err != nil {
				return err
			}
			q, err := nodeQuery(cmd.Flags())
			if err != nil {
				return err
			}
			opt.gone = strings.Contains(cmd.Flag("state").Value.String()+cmd.Flag("search").Value.String(), string(directory.Gone))
			return p.nodes(cmd.Context(), f, opt, q)
		},
	}
	opt.register(cmd)
	fl := cmd.Flags()
	for _, o := range nodeFilters {
		fl.String(o.name, "", o.usage+": "+o.want)
	}
	fl.String("sort", "", "`COLUMNS` to sort by, separated by commas, -COLUMN for descending; what is unknown comes last (default key)")
	fl.String("columns", "", "`COLUMNS` to show, separated by commas (default the most wanted)")
	fl.String("limit", "", "show at most `N`, up to 1000 (default all)")
	fl.String("offset", "", "leave out the first `N`")
	fl.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName { // as the API spells them
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	for name, values := range map[string][]string{
		"state":     {"awaiting", "active", "decommissioned", "unlocking", "gone"},
		"reachable": {"up", "down", "unknown"},
		"columns":   directory.FieldNames(),
		"sort":      append(sortable(), descending(sortable())...),
	} {
		_ = cmd.RegisterFlagCompletionFunc(name, completeList(values))
	}
	return cmd
}

// completeList completes the last of several values separated by commas.
func completeList(values []string) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(_ *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		before := toComplete[:strings.LastIndexByte(toComplete, ',')+1]
		out := make([]string, len(values))
		for i, v := range values {
			out[i] = before + v
		}
		return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// sortable are the columns that have an order.
func sortable() []string {
	var names []string
	for _, name := range directory.FieldNames() {
		if _, err := directory.ParseQuery(url.Values{"order": {name}}); err == nil {
			names = append(names, name)
		}
	}
	return names
}

func descending(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = "-" + name
	}
	return out
}

// onList are the states of a query that names none.
const onList = "awaiting,active,decommissioned,unlocking"

// nodeQuery makes a question of flags. Its errors name the flag and what it may be.
func nodeQuery(fl *pflag.FlagSet) (directory.Query, error) {
	values := url.Values{}
	take := func(flag, parameter string) {
		if fl.Changed(flag) {
			values.Set(parameter, fl.Lookup(flag).Value.String())
		}
	}
	for _, o := range nodeFilters {
		take(o.name, strings.ReplaceAll(o.name, "-", "_"))
	}
	take("sort", "order")
	take("columns", "fields")
	take("limit", "limit")
	take("offset", "offset")
	if !values.Has("state") && !strings.Contains(values.Get("search"), "state:") {
		values.Set("state", onList)
	}
	q, err := directory.ParseQuery(values)
	var wrong *directory.ParameterError
	switch {
	case errors.As(err, &wrong) && wrong.Name == "order":
		return q, usagef("--sort: %s: use %s", wrong.Reason, either(sortable()))
	case errors.As(err, &wrong) && wrong.Name == "fields":
		return q, usagef("--columns: %s: use %s", wrong.Reason, either(directory.FieldNames()))
	case errors.As(err, &wrong):
		flag := strings.ReplaceAll(wrong.Name, "_", "-")
		for _, o := range nodeFilters {
			if o.name == flag {
				return q, usagef("--%s: %s: want %s", flag, wrong.Reason, strings.ReplaceAll(o.want, "`", ""))
			}
		}
		return q, usagef("--%s: %s", flag, wrong.Reason)
	case err != nil:
		return q, usageError{err}
	}
	return q, nil
}

func (p program) nodes(ctx context.Context, f *flags, opt nodeOptions, q directory.Query) error {
	s, err := p.openNodes(ctx, f, opt)
	if err != nil {
		return err
	}
	now := time.Now()
	err = p.printNodes(f.output, s, q, q.Run(directory.View{Entries: s.Entries, Now: now}), now)
	return errors.Join(err, s.close())
}

func (p program) printNodes(format string, s *nodeSource, q directory.Query, r directory.Result, now time.Time) error {
	switch format {
	case "json":
		return p.printNodesJSON(s, q, r)
	case "jsonl":
		for _, e := range r.Entries {
			o, err := objectOf(e, q.Fields)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(p.stdout, "%s\n", o); err != nil {
				return err
			}
		}
		return nil
	case "csv":
		return p.printNodesCSV(q.Fields, r)
	}
	if err := p.printNodesTable(q.Fields, r, now); err != nil {
		return err
	}
	p.noteNodes(s, r)
	return nil
}

func (p program) printNodesJSON(s *nodeSource, q directory.Query, r directory.Result) error {
	v := nodesView{
		AsOf: s.asOf(), Network: string(s.Network), Source: s.name, Skipped: r.Skipped, Truncated: r.Truncated, Nodes: []json.RawMessage{},
	}
	for _, e := range r.Entries {
		o, err := objectOf(e, q.Fields)
		if err != nil {
			return err
		}
		v.Nodes = append(v.Nodes, o)
	}
	return p.printJSON(v)
}

func (p program) printNodesCSV(columns []string, r directory.Result) error {
	if len(columns) == 0 {
		columns = csvColumns
	}
	w := csv.NewWriter(p.stdout)
	if err := w.Write(columns); err != nil {
		return err
	}
	for _, e := range r.Entries {
		fields, err := fieldsOf(e)
		if err != nil {
			return err
		}
		row := make([]string, len(columns))
		for i, name := range columns {
			row[i] = plainText(fields[name])
		}
		if err := w.Write(row); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

func (p program) printNodesTable(columns []string, r directory.Result, now time.Time) error {
	if len(columns) == 0 {
		columns = tableColumns
	}
	t := table{colours: p.coloured()}
	t.heads(columns, rightward)
	for _, e := range r.Entries {
		row, err := cellsOf(e, columns, now)
		if err != nil {
			return err
		}
		t.add(row...)
	}
	return t.write(p.stdout)
}

// noteNodes says beside a table what it is of, and what is missing.
func (p program) noteNodes(s *nodeSource, r directory.Result) {
	what := several(len(r.Entries), "node")
	if all := len(r.Entries) + r.Skipped + r.Truncated; all > len(r.Entries) {
		what = fmt.Sprintf("%d of %s", len(r.Entries), several(all, "node"))
	}
	fmt.Fprintf(p.stderr, "onsight: %s, %s at block %d (%s), by the %s%s\n", what, s.Network, s.At.Height, clock(s.At.Time.Unix()), s.name, s.unmeasured())
}

// unmeasured says, where it is so, that nobody measured anything; see hintMeasure.
func (s *nodeSource) unmeasured() string {
	for i := range s.Entries {
		if s.Entries[i].Estimate.Tried > 0 {
			return ""
		}
	}
	if s.name == fromDaemon {
		return "; daemons measure nothing"
	}
	return "; nothing is measured yet"
}

func (s *nodeSource) asOf() asOfView {
	return asOfView{Height: s.At.Height, Hash: s.Hash, Time: clock(s.At.Time.Unix())}
}
