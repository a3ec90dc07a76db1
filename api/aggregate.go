package api

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"strings"

	"onsight/directory"
)

// byMost is how many columns a table may have.
const byMost = 4

type tableView struct {
	By        []string  `json:"by" nullable:"false"`
	Rows      []rowView `json:"rows" nullable:"false" doc:"The largest first"`
	Truncated int       `json:"truncated" doc:"Rows after these"`
	Nodes     int       `json:"nodes" doc:"In all rows"`
	Stake     string    `json:"stake" pattern:"^[0-9]+$" doc:"In all rows, atomic"`
	HHI       float64   `json:"hhi" minimum:"0" maximum:"1" doc:"Sum of the squares of the shares: 1 if there is but one row. As the next two, of the rows without an unknown value, and with a swarm"`
	Gini      float64   `json:"gini" minimum:"0" maximum:"1" doc:"0 if all rows are equal, towards 1 if one has nearly everything"`
	Nakamoto  int       `json:"nakamoto" doc:"How many rows together have more than half"`
}

type rowView struct {
	Values []string `json:"values" nullable:"false" doc:"One for each of by; unknown is one"`
	Nodes  int      `json:"nodes"`
	Share  float64  `json:"share" minimum:"0" maximum:"1" doc:"Of all nodes"`
	Stake  string   `json:"stake" pattern:"^[0-9]+$" doc:"Atomic"`
}

func newTableView(t directory.Table, limit int) tableView {
	shown := t.Rows[:min(len(t.Rows), limit)]
	v := tableView{
		By: t.By, Rows: make([]rowView, len(shown)), Truncated: len(t.Rows) - len(shown), Nodes: t.Nodes, Stake: decimal(t.Stake),
		HHI: rounded(t.HHI), Gini: rounded(t.Gini), Nakamoto: t.Nakamoto,
	}
	for i, r := range shown {
		v.Rows[i] = rowView{r.Values, r.Nodes, rounded(r.Share), decimal(r.Stake)}
	}
	return v
}

// aggregate answers GET /v1/nodes/aggregate: the nodes that a list would have, counted.
func (s *Server) aggregate(c *call) error {
	limit, err := c.limit()
	if err != nil {
		return err
	}
	by := strings.Split(c.query.Get("by"), ",")
	if len(by) > byMost {
		return fmt.Errorf("%w: by must have at most %d names", errParameter, byMost)
	}
	filters := maps.Clone(c.query)
	for _, name := range []string{"by", "limit"} {
		delete(filters, name)
	}
	if filters == nil {
		filters = url.Values{}
	}
	q, err := parseNodeQuery(filters)
	if err != nil {
		return err
	}
	q.Limit = 0 // all of them count
	key, view := c.listing(&q)
	b := c.board
	d, err := b.asked.get(key, func() (*document, error) {
		table, err := directory.Aggregate(q.Run(view).Entries, by...)
		if err != nil {
			return nil, fmt.Errorf("%w: by must be among %s", errParameter, strings.Join(directory.GroupNames(), ", "))
		}
		return newDocument(b.frame.seal(must(json.Marshal(newTableView(table, limit)))), gzip.BestSpeed), nil
	})
	if err != nil {
		return err
	}
	return c.sendDocument(d)
}
