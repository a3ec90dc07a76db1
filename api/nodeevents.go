package api

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"onsight/directory"
)

// nodeEventView is one row of the log.
type nodeEventView struct {
	Seq     uint64   `json:"seq" doc:"Its number, rising; those of rows that a reorganisation took back are not used again"`
	Height  uint64   `json:"height" doc:"Of the block that did it, or that it was noticed at"`
	Time    *string  `json:"time" format:"date-time"`
	Key     *string  `json:"key,omitempty" pattern:"^[0-9a-f]{64}$" doc:"Absent of undone"`
	Kind    string   `json:"kind" enum:"registered,active,decommissioned,recommissioned,deregistered,unlock_requested,unlocked,expired,ip_changed,version_changed,swarm_changed,stake_changed,undone" doc:"undone: a reorganisation took the rows from to to back"`
	From    string   `json:"from,omitempty" doc:"What was before, if it changed"`
	To      string   `json:"to,omitempty" doc:"What is now, if it changed; of unlock_requested the last block it works in"`
	Reasons []string `json:"reasons,omitempty" nullable:"false" doc:"Of decommissioned; absent if they are not known"`
	Text    string   `json:"text" doc:"All this in one sentence"`
}

type nodeEventsView struct {
	Events []nodeEventView `json:"events" nullable:"false" doc:"Oldest first"`
	Next   *uint64         `json:"next" doc:"What to give as after for the next page; null: this is the last one"`
}

func newNodeEventsView(rows []directory.Stored, limit int) nodeEventsView {
	v := nodeEventsView{}
	if len(rows) > limit {
		rows = rows[:limit]
		v.Next = &rows[limit-1].Seq
	}
	v.Events = make([]nodeEventView, len(rows))
	for i, r := range rows {
		v.Events[i] = nodeEventView{
			Seq: r.Seq, Height: r.Height, Time: clock(r.Time), Kind: string(r.Kind), From: r.From, To: r.To, Reasons: r.Reasons, Text: r.Text(),
		}
		if r.Kind != directory.KindUndone {
			v.Events[i].Key = ref(r.Key.String())
		}
	}
	return v
}

// nodeEvents answers GET /v1/nodes/{key}/events.
func (s *Server) nodeEvents(c *call) error {
	e, err := c.entry()
	if err != nil {
		return err
	}
	return c.events(&e.Node.Key)
}

// allNodeEvents answers GET /v1/nodes/events: the log of all nodes, reorganisations included.
func (s *Server) allNodeEvents(c *call) error { return c.events(nil) }

func (c *call) events(key *directory.Key) error {
	limit, err := c.limit()
	if err != nil {
		return err
	}
	after := uint64(0)
	if c.query.Has("after") {
		// As far as every JSON reader can count.
		if after, err = strconv.ParseUint(c.query.Get("after"), 10, 64); err != nil || after > 1<<53 {
			return fmt.Errorf("%w: after must be the number of an event", errParameter)
		}
	}
	rows, err := c.cfg.Directory.Events(c.gin.Request.Context(), key, after, limit+1)
	if err != nil {
		return unnamed("read the events of nodes", err)
	}
	return c.sendView(newNodeEventsView(upTo(rows, c.board.snap.Seq), limit))
}

// upTo leaves out rows that are newer than the snapshot that a reply is of: another process, or this one, may have followed another
// block since it was loaded.
func upTo(rows []directory.Stored, seq uint64) []directory.Stored {
	n, _ := slices.BinarySearchFunc(rows, seq, func(r directory.Stored, seq uint64) int { return cmp.Compare(r.Seq, seq+1) })
	return rows[:n]
}

var keys = regexp.MustCompile("[0-9A-Fa-f]{64}")

// unnamed is an error of the database without the keys in it, so that it may be logged.
func unnamed(doing string, err error) error {
	return fmt.Errorf("%s: %s", doing, keys.ReplaceAllString(err.Error(), "…"))
}

// nodeHistoryView is what happened to one number over the years.
type nodeHistoryView struct {
	Key     string       `json:"key" pattern:"^[0-9a-f]{64}$"`
	Vantage string       `json:"vantage" doc:"From where it was measured; here: this server"`
	Series  string       `json:"series" enum:"latency,uptime" doc:"latency: mean of a slot in seconds; uptime: share of the checks that were answered"`
	Objects []objectView `json:"objects" nullable:"false" doc:"From the finest to the longest"`
}

// objectView is a history as Onionoo has it.
type objectView struct {
	First    *string           `json:"first" format:"date-time" doc:"Middle of the first slot; null if count is 0"`
	Last     *string           `json:"last" format:"date-time" doc:"Middle of the last slot; null if count is 0"`
	Interval int64             `json:"interval" doc:"Of a slot, seconds"`
	Factor   float64           `json:"factor" doc:"Value i times factor is what happened in the slot whose middle is first + i × interval"`
	Count    int               `json:"count" doc:"Of values"`
	Values   []directory.Value `json:"values" nullable:"false" doc:"0 to 999; null: not measured"`
}

func newNodeHistoryView(key directory.Key, vantage string, s directory.Series, objects []directory.Object) nodeHistoryView {
	v := nodeHistoryView{Key: key.String(), Vantage: vantage, Series: string(s), Objects: make([]objectView, len(objects))}
	for i, o := range objects {
		v.Objects[i] = objectView{
			First: clock(o.First), Last: clock(o.Last), Interval: int64(o.Interval / time.Second), Factor: significant(o.Factor), Count: o.Count, Values: o.Values,
		}
		if o.Values == nil {
			v.Objects[i].Values = []directory.Value{}
		}
	}
	return v
}

// significant keeps six digits of a factor, more than its values have.
func significant(f float64) float64 {
	if f == 0 || math.IsInf(f, 0) || math.IsNaN(f) {
		return 0
	}
	g, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 6, 64), 64)
	if err != nil {
		return 0
	}
	return g
}

// nodeHistory answers GET /v1/nodes/{key}/history.
func (s *Server) nodeHistory(c *call) error {
	e, err := c.entry()
	if err != nil {
		return err
	}
	series := directory.LatencySeries
	if c.query.Has("series") {
		series = directory.Series(c.query.Get("series"))
		if series != directory.LatencySeries && series != directory.UptimeSeries {
			return fmt.Errorf("%w: series must be %s or %s", errParameter, directory.LatencySeries, directory.UptimeSeries)
		}
	}
	vantage, err := c.vantage()
	if err != nil {
		return err
	}
	from, err := c.time("from")
	if err != nil {
		return err
	}
	to, err := c.time("to")
	if err != nil {
		return err
	}
	if !from.IsZero() && !to.IsZero() && to.Before(from) {
		return fmt.Errorf("%w: to must not be before from", errParameter)
	}
	objects, err := s.cfg.Directory.History(c.gin.Request.Context(), e.Node.Key, vantage, series, from, to)
	if err != nil {
		return unnamed("read the history of a node", err)
	}
	return c.sendView(newNodeHistoryView(e.Node.Key, vantage, series, objects))
}

// timeMost is more bytes than a time of RFC 3339 needs.
const timeMost = 40

// time reads a moment: RFC 3339, or whole seconds since 1970; zero if there is none.
func (c *call) time(name string) (time.Time, error) {
	text := c.query.Get(name)
	if !c.query.Has(name) {
		return time.Time{}, nil
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil && n <= lastSecond {
		return time.Unix(int64(n), 0), nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil && len(text) <= timeMost && at.Unix() >= 0 {
		return at, nil
	}
	return time.Time{}, fmt.Errorf("%w: %s must be a time of RFC 3339, or seconds since 1970", errParameter, name)
}

// vantage reads whose measurements are asked for.
func (c *call) vantage() (string, error) {
	if !c.query.Has("vantage") {
		return directory.Here, nil
	}
	asked := c.query.Get("vantage")
	if asked == "" {
		return "", fmt.Errorf("%w: vantage is empty", errParameter)
	}
	if asked == directory.Here {
		return asked, nil
	}
	for _, p := range c.board.snap.Probers {
		if p.Name == asked {
			return asked, nil
		}
	}
	return "", errNoVantage
}

type reportView struct {
	Status string `json:"status" enum:"accepted"`
}

// report answers POST /v1/probe/reports. Whose it is and whether it is believed is for the directory to say.
func (s *Server) report(c *call) error {
	if !mediaType(c.gin.GetHeader("Content-Type"), "application/octet-stream") {
		return errReportType
	}
	b := s.buffer()
	defer s.release(b)
	var err error
	*b, err = readAll(http.MaxBytesReader(c.gin.Writer, c.gin.Request.Body, directory.ReportMost), *b)
	if err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return fmt.Errorf("%w: at most %d bytes", errTooLarge, directory.ReportMost)
		}
		return fmt.Errorf("%w: it ends early", errBody)
	}
	c.whole = true
	if err := s.cfg.Directory.Report(c.gin.Request.Context(), *b); err != nil {
		for _, f := range reportFaults {
			if errors.Is(err, f.err) {
				return f.err // without what is wrapped: a node's key
			}
		}
		return unnamed("take in a report", err)
	}
	return c.reply(reportView{Status: "accepted"})
}
