package api

import (
	"compress/gzip"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"onsight/directory"
)

// nodesMost is the length of any list of nodes, swarms or groups, whether or not a limit was given.
const nodesMost = 10_000

// Bounds of a question, so that none costs much: each word of a search is held to each node.
const (
	searchMost = 200  // bytes
	valueMost  = 2000 // of any other parameter
)

// listed are the states that a query means that names none: all but gone.
const listed = "awaiting,active,decommissioned,unlocking"

// plainList is the query without parameters.
var plainList = must(parseNodeQuery(url.Values{}))

// nodeParams are the query parameters of a list of nodes: what package directory takes, in words.
var nodeParams = []struct{ name, words string }{
	{"state", "awaiting, active, decommissioned, unlocking or gone; without it all but gone"},
	{"version", "of oxend: 2.11, unknown, or a range as 2.8..2.11, 2.8.. or ..2.11"},
	{"storage_version", "of the storage server, as version"},
	{"lokinet_version", "of lokinet, as version"},
	{"swarm", "hexadecimal, or none"},
	{"operator", "an address"},
	{"contributor", "an address"},
	{"prefix", "the beginning of a key in hexadecimal, or a range of addresses as 10.0.0.0/8"},
	{"country", "two letters; xz for unknown"},
	{"as", "a number of an autonomous system, with or without AS; 0 for unknown"},
	{"first_seen_days", "days ago, as 3, 2-5, 2- or -5"},
	{"last_seen_days", "days ago, as 3, 2-5, 2- or -5"},
	{"credit", "blocks, as 60, 60..1440, 60.. or ..-1"},
	{"proof_age", "a duration or a range, as 90m, 1h..2h or 2h..; a node without a proof is in none"},
	{"latency", "a duration or a range, as 200ms, 50ms..1s or ..200ms; what was not measured is in none"},
	{"reachable", "up, down or unknown"},
	{"search", "words and key:value, all of which hold, with quotes around what holds a blank: a word is the beginning of a key, " +
		"address or operator, or part of the name of an AS, and a key one of these parameters"},
}

// nodeShape are the parameters that say what of the nodes is shown.
var nodeShape = []struct{ name, words string }{
	{"fields", "names of fields of a node, separated by commas: " + strings.Join(directory.FieldNames(), ", ")},
	{"order", "names of fields to sort by, separated by commas, with - before one for descending; what is unknown comes last, ties are by key"},
	{"limit", "1 to 1000; without it 10,000"},
	{"offset", "0 to 999999"},
}

// parseNodeQuery reads the parameters of a list of nodes. It repeats nothing of them in its errors but their names.
func parseNodeQuery(values url.Values) (directory.Query, error) {
	for _, name := range slices.Sorted(maps.Keys(values)) { // in order, so that of several faults always the same one is told
		given := values[name]
		if most := longest(name); given[0] == "" || len(given[0]) > most {
			return directory.Query{}, fmt.Errorf("%w: %s must have 1 to %d bytes", errParameter, name, most)
		}
	}
	if !values.Has("state") && !strings.Contains(values.Get("search"), "state:") {
		with := url.Values{"state": {listed}}
		for name, given := range values {
			with[name] = given
		}
		values = with
	}
	q, err := directory.ParseQuery(values)
	var wrong *directory.ParameterError
	switch {
	case errors.As(err, &wrong):
		return q, errNodeParameter(wrong.Name)
	case err != nil:
		return q, err
	}
	if q.Limit == 0 {
		q.Limit = nodesMost
	}
	return q, nil
}

// longest returns how many bytes a parameter may have.
func longest(name string) int {
	if name == "search" {
		return searchMost
	}
	return valueMost
}

// errNodeParameter says what a parameter should be.
func errNodeParameter(name string) error {
	for _, p := range append(nodeParams, nodeShape...) {
		if p.name == name {
			return fmt.Errorf("%w: %s must be %s", errParameter, name, p.words)
		}
	}
	return fmt.Errorf("%w: %s", errParameter, quote(name))
}

// nodes answers GET /v1/nodes. Without parameters the reply is there already.
func (s *Server) nodes(c *call) error {
	if len(c.query) == 0 {
		return c.sendDocument(c.board.list())
	}
	if c.query.Has("form") || c.query.Has("since") {
		return s.nodeMap(c)
	}
	q, err := parseNodeQuery(c.query)
	if err != nil {
		return err
	}
	key, view := c.listing(&q)
	b := c.board
	d, err := b.asked.get(key, func() (*document, error) {
		// Packed fast: this may be asked for once, and by who wants to cost us time.
		return newDocument(b.appendNodes(nil, q.Run(view), q.Fields), gzip.BestSpeed), nil
	})
	if err != nil {
		return err
	}
	return c.sendDocument(d)
}

// keptFor is how long an answer is kept that depends on the time: as long as a client keeps it.
const keptFor = 5 * time.Second

// listing returns what a query looks at, and what its answer is kept under.
func (c *call) listing(q *directory.Query) (string, directory.View) {
	key, now := c.route+"?"+c.query.Encode(), c.cfg.Now()
	if q.Timed {
		now = now.Truncate(keptFor)
		key += "#" + strconv.FormatInt(now.Unix(), 10) // which no query has in it
	}
	return key, directory.View{Entries: c.board.snap.Entries, Now: now}
}

// appendNodes writes a nodesView as a reply.
func (b *board) appendNodes(out []byte, r directory.Result, fields []string) []byte {
	show := columns(fields)
	out = append(out, `{"skipped":`...)
	out = strconv.AppendInt(out, int64(r.Skipped), 10)
	out = append(out, `,"truncated":`...)
	out = strconv.AppendInt(out, int64(r.Truncated), 10)
	out = append(out, `,"next":`...)
	if r.Truncated > 0 {
		out = strconv.AppendInt(out, int64(r.Skipped+len(r.Entries)), 10)
	} else {
		out = append(out, "null"...)
	}
	out = append(out, `,"nodes":[`...)
	for i, e := range r.Entries {
		if i > 0 {
			out = append(out, ',')
		}
		out = b.json(e).appendTo(out, show)
	}
	return b.frame.seal(append(out, ']', '}'))
}

// entry returns the node in the path.
func (c *call) entry() (*directory.Entry, error) {
	key, err := directory.ParseKey(c.gin.Param("key"))
	if err != nil {
		return nil, errNodeKey
	}
	e := c.board.snap.Entry(key)
	if e == nil {
		return nil, errNoNode
	}
	return e, nil
}

// node answers GET /v1/nodes/{key}: all that is known of one, gone or not.
func (s *Server) node(c *call) error {
	e, err := c.entry()
	if err != nil {
		return err
	}
	return c.sendView(newNodeDetailView(e, c.board.snap))
}
