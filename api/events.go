package api

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"onsight/directory"
	"onsight/indexer"
	"onsight/internal/events"
	"onsight/ons"
)

// Log is the log of everything that happened. *events.Tail implements it.
type Log interface {
	// Head returns the newest place that is known without asking, and a channel that is closed when there is a newer one.
	Head() (events.Cursor, <-chan struct{})
	// Events returns the first limit entries behind a number that are of some kinds, or fewer: see events.Page.
	Events(ctx context.Context, after uint64, kinds events.Kinds, limit int) (events.Page, error)
	// Reorgs returns the newest limit reorganisations before one with a number, newest first.
	Reorgs(ctx context.Context, before uint64, limit int) ([]events.Undoing, error)
}

var _ Log = (*events.Tail)(nil)

// Bounds of a page of reorganisations, each of which lists up to twice events.ListMost transactions.
const (
	defaultReorgs = 20
	maxReorgs     = 100
)

// What a page counts as beside its operation: the database takes 1 ms for 20 reorganisations, and up to 2 ms for 100 entries.
const (
	eventsPerRequest = 100
	reorgsPerRequest = 5
)

// Words for after, beside cursors.
const (
	afterStart = "start"
	afterNow   = "now"
)

var linesType = []string{"application/x-ndjson"}

// logEntryView is one entry of the log. It has one of the last three fields, by its kind.
type logEntryView struct {
	Cursor string       `json:"cursor" pattern:"^[0-9a-f]{16}-[0-9]+$" doc:"To go on behind it"`
	Kind   string       `json:"kind" enum:"buy,update,renew,transfer,expire,reorg,node,node_reasons" doc:"transfer: an update that changed the owner"`
	Height uint64       `json:"height" doc:"Of the block that did it; of a reorg, the newest block that stayed: what entries before did above it is taken back"`
	Time   *string      `json:"time" format:"date-time" doc:"Of that block; of a reorg, when it was noticed"`
	Name   *logNameView `json:"name,omitempty" doc:"What the record is from then on; of expire, what it was"`
	Reorg  *reorgView   `json:"reorg,omitempty"`
	Node   *logNodeView `json:"node,omitempty"`
}

type logNameView struct {
	Type             string  `json:"type" enum:"session,wallet,lokinet"`
	NameHash         string  `json:"name_hash" pattern:"^[0-9a-f]{64}$"`
	Txid             string  `json:"txid" pattern:"^[0-9a-f]{64}$"`
	PrevTxid         *string `json:"prev_txid" pattern:"^[0-9a-f]{64}$" doc:"The transaction it changes; null for a buy"`
	Legacy           bool    `json:"legacy"`
	EncryptedValue   string  `json:"encrypted_value" pattern:"^([0-9a-f]{2})*$"`
	Nonce            *string `json:"nonce" pattern:"^[0-9a-f]{48}$"`
	Owner            string  `json:"owner"`
	BackupOwner      *string `json:"backup_owner"`
	RegisterHeight   uint64  `json:"register_height"`
	UpdateHeight     uint64  `json:"update_height"`
	TxIndex          uint32  `json:"tx_index" doc:"Within the block"`
	ExpirationHeight *uint64 `json:"expiration_height"`
}

// logNodeView is what happened to a node.
type logNodeView struct {
	Key     *string  `json:"key,omitempty" pattern:"^[0-9a-f]{64}$" doc:"Absent of undone"`
	Kind    string   `json:"kind" doc:"As in /v1/nodes/events. undone: what was noticed at blocks above height did not happen"`
	Number  *uint64  `json:"number,omitempty" doc:"Its seq in /v1/nodes/events; absent of node_reasons"`
	Noticed *uint64  `json:"noticed,omitempty" doc:"Height of the block whose list showed it; absent of undone and node_reasons"`
	From    string   `json:"from,omitempty"`
	To      string   `json:"to,omitempty"`
	Reasons []string `json:"reasons,omitempty" nullable:"false"`
	Text    string   `json:"text" doc:"All this in one sentence"`
}

// reorgView is one time that blocks were taken back.
type reorgView struct {
	ID     uint64           `json:"id" doc:"Counts from 1"`
	At     string           `json:"at" format:"date-time" doc:"When it was noticed"`
	Depth  uint64           `json:"depth" doc:"Blocks that were taken back: from less base. More than 4,096 blocks deep it may be up to 255 too many"`
	Base   pointView        `json:"base" doc:"The block that stayed"`
	From   pointView        `json:"from" doc:"The newest block that was taken back"`
	To     *pointView       `json:"to" doc:"The newest block that came in the same step; null: it was not kept"`
	Undone transactionsView `json:"undone" doc:"ONS transactions that were taken back"`
	Redone transactionsView `json:"redone" doc:"ONS transactions of the blocks that came in the same step. In the log they follow"`
}

type pointView struct {
	Height uint64 `json:"height"`
	Hash   string `json:"hash" pattern:"^[0-9a-f]{64}$"`
}

type transactionsView struct {
	Count        uint64       `json:"count"`
	Transactions []changeView `json:"transactions" nullable:"false" doc:"The first 50"`
}

type changeView struct {
	Height   uint64 `json:"height"`
	TxIndex  uint32 `json:"tx_index"`
	Kind     string `json:"kind" enum:"buy,update,renew"`
	Type     string `json:"type" enum:"session,wallet,lokinet"`
	NameHash string `json:"name_hash" pattern:"^[0-9a-f]{64}$"`
	Txid     string `json:"txid" pattern:"^[0-9a-f]{64}$"`
}

type logView struct {
	Head   string         `json:"head,omitempty" doc:"Cursor of the newest entry of the log; absent of a page that may be kept for ever"`
	Next   string         `json:"next" doc:"What to give as after next, until it is head: while it is not, there may be more, even if this page has few entries or none"`
	Events []logEntryView `json:"events" nullable:"false" doc:"Oldest first"`
}

type reorgsView struct {
	Reorgs []reorgView `json:"reorgs" nullable:"false" doc:"Newest first"`
	Next   *string     `json:"next" doc:"Cursor of the next page; null: this is the last one"`
}

// EventLine returns an entry as a line of GET /v1/events, with the newline. The same entry always has the same bytes.
func EventLine(log events.ID, e *events.Entry, n ons.Network) []byte {
	return append(must(json.Marshal(newLogEntryView(log, e, n))), '\n') // there is nothing in it that JSON has no words for
}

func newLogEntryView(log events.ID, e *events.Entry, n ons.Network) logEntryView {
	v := logEntryView{Cursor: events.Cursor{Log: log, Seq: e.Seq}.String(), Kind: e.Kind.String(), Height: e.Height, Time: clock(e.Time)}
	switch {
	case e.Record != nil:
		v.Name = newLogNameView(e.Record, n)
	case e.Reorg != nil:
		r := newReorgView(e.Reorg)
		v.Reorg = &r
	case e.Node != nil:
		v.Node = newLogNodeView(e.Kind, e.Node)
	}
	return v
}

func newLogNameView(r *ons.Record, n ons.Network) *logNameView {
	v := &logNameView{
		Type: r.Type.String(), NameHash: r.Hash.String(), Txid: r.Txid.String(), Legacy: r.Sealed.Legacy(),
		EncryptedValue: hex.EncodeToString(r.Sealed.Ciphertext), Nonce: nonce(r.Sealed), Owner: r.Owner.Text(n), BackupOwner: text(r.Backup.Text(n)),
		RegisterHeight: r.Registered, UpdateHeight: r.Updated, TxIndex: r.TxIndex, ExpirationHeight: number(r.Expires),
	}
	if r.Prev != (ons.Txid{}) {
		v.PrevTxid = ref(r.Prev.String())
	}
	return v
}

func newLogNodeView(kind events.Kind, h *events.Happening) *logNodeView {
	v := &logNodeView{Kind: string(h.Kind), From: h.From, To: h.To, Reasons: h.Reasons, Text: h.Text()}
	if kind == events.Node {
		v.Number = &h.Number
	}
	switch {
	case h.Kind == directory.KindUndone:
		v.Text = directory.Stored{Event: h.Event}.Text()
		return v
	case kind == events.Node:
		v.Noticed = &h.Noticed
	}
	v.Key = ref(h.Key.String())
	return v
}

func newReorgView(u *events.Undoing) reorgView {
	v := reorgView{
		ID: u.ID, At: u.At.UTC().Format(time.RFC3339), Depth: u.Depth(), Base: newPointView(u.Base), From: newPointView(u.From),
		Undone: newTransactionsView(u.Undone), Redone: newTransactionsView(u.Redone),
	}
	if u.To != nil {
		to := newPointView(*u.To)
		v.To = &to
	}
	return v
}

func newPointView(p indexer.Point) pointView { return pointView{p.Height, p.Hash.String()} }

func newTransactionsView(c events.Changes) transactionsView {
	v := transactionsView{Count: c.Count, Transactions: make([]changeView, len(c.First))}
	for i, t := range c.First {
		v.Transactions[i] = changeView{t.Height, t.TxIndex, t.Kind.String(), t.Key.Type.String(), t.Key.Hash.String(), t.Txid.String()}
	}
	return v
}

// events answers GET /v1/events.
func (s *Server) events(c *call) error {
	limit, err := c.limit()
	if err != nil {
		return err
	}
	kinds, err := c.kinds()
	if err != nil {
		return err
	}
	at, err := c.after(afterStart, c.query.Get("after"))
	if err != nil {
		return err
	}
	c.charge(limit / eventsPerRequest)
	p, err := s.logPage(c.gin.Request.Context(), at, kinds, limit, c.state.Network)
	if err != nil {
		return err
	}
	next := events.Cursor{Log: p.Log, Seq: p.Next}.String()
	head, cache := events.Cursor{Log: p.Log, Seq: p.Head}.String(), noStore
	if len(p.Entries) == limit && c.query.Has("after") && c.query.Get("after") == at.String() {
		// Entries never change, and these are all that there is room for. Where the log ends does: who had it from a cache would stop there.
		head, cache = "", immutable
	}
	h := c.gin.Writer.Header()
	h["Vary"] = []string{"Accept"}
	h["Cache-Control"] = cache
	again := url.Values{"after": {next}, "limit": {strconv.Itoa(limit)}}
	if kinds != 0 {
		again["kind"] = []string{c.query.Get("kind")}
	}
	h.Set("Link", "</v1/events?"+again.Encode()+`>; rel="next"`)
	h.Set("Onsight-Next", next)
	if head != "" {
		h.Set("Onsight-Head", head)
	}
	h.Set("Access-Control-Expose-Headers", "Link, Onsight-Next, Onsight-Head")
	if wantsJSON(c.gin.Request.Header["Accept"]) {
		v := logView{Head: head, Next: next, Events: make([]logEntryView, len(p.Entries))}
		for i := range p.Entries {
			v.Events[i] = newLogEntryView(p.Log, &p.Entries[i], c.state.Network)
		}
		return c.send(v, cache)
	}
	b := s.buffer()
	defer s.release(b)
	for i := range p.Entries {
		*b = append(*b, EventLine(p.Log, &p.Entries[i], c.state.Network)...)
	}
	c.write(http.StatusOK, linesType, *b)
	return nil
}

// logPage reads a page behind a cursor. It has no entries while it is not known of which network their addresses are.
func (s *Server) logPage(ctx context.Context, at events.Cursor, kinds events.Kinds, limit int, network ons.Network) (events.Page, error) {
	if network == "" {
		return events.Page{Log: at.Log, Head: at.Seq, Next: at.Seq}, nil
	}
	p, err := s.cfg.Events.Events(ctx, at.Seq, kinds, limit)
	switch {
	case err != nil && ctx.Err() != nil:
		return events.Page{}, ctx.Err()
	case err != nil:
		return events.Page{}, unnamed("read the log", err)
	case p.Log != at.Log:
		return events.Page{}, events.ErrReset
	}
	return p, nil
}

// kinds reads what is asked for.
func (c *call) kinds() (events.Kinds, error) {
	kinds, err := events.ParseKinds(c.query.Get("kind"))
	if err != nil {
		return 0, fmt.Errorf("%w: kind: %w", errParameter, err)
	}
	return kinds, nil
}

// after reads behind what to begin: a cursor, or one of the words, otherwise if there is none.
func (c *call) after(otherwise, given string) (events.Cursor, error) {
	if given == "" {
		if given = otherwise; c.query.Has("after") && c.query.Get("after") == "" {
			return events.Cursor{}, errLogCursor
		}
	}
	head, _ := c.cfg.Events.Head()
	switch given {
	case afterStart:
		return events.Cursor{Log: head.Log}, nil
	case afterNow:
		return head, nil
	}
	at, err := events.ParseCursor(given)
	if err != nil {
		return at, errLogCursor
	}
	if at.Log == head.Log && at.Seq <= head.Seq {
		return at, nil
	}
	// Somebody else may know more of it: who reads what another process writes learns of that a little later than others.
	p, err := c.cfg.Events.Events(c.gin.Request.Context(), max(at.Seq, head.Seq+1), 0, 1)
	if err != nil {
		return at, unnamed("read the log", err)
	}
	if p.Log != at.Log || at.Seq > p.Head {
		return at, events.ErrReset
	}
	return at, nil
}

// reorgs answers GET /v1/reorgs.
func (s *Server) reorgs(c *call) error {
	limit, err := c.limitOf(defaultReorgs, maxReorgs)
	if err != nil {
		return err
	}
	before := uint64(math.MaxInt64)
	if c.query.Has("next") {
		text := c.query.Get("next")
		if before, err = strconv.ParseUint(text, 10, 63); err != nil || strconv.FormatUint(before, 10) != text {
			return errCursor
		}
	}
	c.charge(limit / reorgsPerRequest)
	list, err := s.cfg.Events.Reorgs(c.gin.Request.Context(), before, limit+1)
	if err != nil {
		return unnamed("read reorganisations", err)
	}
	v := reorgsView{}
	if len(list) > limit {
		list = list[:limit]
		v.Next = ref(strconv.FormatUint(list[limit-1].ID, 10))
	}
	v.Reorgs = make([]reorgView, len(list))
	for i := range list {
		v.Reorgs[i] = newReorgView(&list[i])
	}
	return c.reply(v)
}

func (d describer) events() *huma.Operation {
	op := operation("events", http.MethodGet, "/v1/events", "events", "Everything that happened, oldest first",
		"Lines of JSON, each a LogEntry; or one object, for who accepts application/json. What an entry says never changes, and its "+
			"cursor is where to go on: who does so misses nothing and reads nothing twice, also when blocks were taken back, which is an entry "+
			"itself. A page may have fewer entries than there is room for, or none, although there are more: go on at `Onsight-Next` (`next`) "+
			"until it is `Onsight-Head` (`head`). Without `after` it begins at the start. A full page behind a cursor may be kept for ever, "+
			"so it does not say where the log ends, and there may be more.")
	op.Parameters = []*huma.Param{cursorParam(afterStart), kindParam(), limitParam()}
	d.replies(op, "Log", logView{}, map[string]*huma.Param{
		"Cache-Control": cacheHeaders()["Cache-Control"],
		"Link":          {Description: "The next page", Schema: &huma.Schema{Type: huma.TypeString}},
		"Onsight-Next":  {Description: "What to give as after next", Schema: &huma.Schema{Type: huma.TypeString}},
		"Onsight-Head":  {Description: "Cursor of the newest entry; absent of a page that may be kept for ever", Schema: &huma.Schema{Type: huma.TypeString}},
	}, exampleLog())
	delete(op.Responses, "304")
	op.Responses["200"].Content["application/x-ndjson"] = &huma.MediaType{
		Schema: &huma.Schema{Type: huma.TypeString, Description: "Lines, each a LogEntry"}, Examples: exampleLines().wrap(),
	}
	d.fails(op, errParameter, errLogCursor, events.ErrReset)
	return op
}

func (d describer) reorgs() *huma.Operation {
	op := operation("reorgs", http.MethodGet, "/v1/reorgs", "events", "Times that blocks were taken back, newest first", "")
	limit := limitParam()
	high := float64(maxReorgs)
	limit.Schema.Maximum, limit.Schema.Default = &high, defaultReorgs
	op.Parameters = []*huma.Param{limit, nextParam()}
	d.replies(op, "Reorgs", reorgsView{}, nil, examples{"one": exampleSealed(reorgsView{Reorgs: []reorgView{newReorgView(exampleUndoing())}})})
	d.registry.Map()["Reorg"].Properties["to"] = orNull(huma.Schema{Ref: schemas + "Point"})
	d.fails(op, errParameter, errCursor)
	return op
}

func cursorParam(otherwise string) *huma.Param {
	return &huma.Param{
		Name: "after", In: "query", Description: "Begin behind: a cursor, start, or now, behind the newest entry",
		Schema: &huma.Schema{Type: huma.TypeString, Pattern: "^(start|now|[0-9a-f]{16}-[0-9]{1,16})$", Default: otherwise},
	}
}

func kindParam() *huma.Param {
	return &huma.Param{Name: "kind", In: "query", Description: "Entries of these kinds alone, separated by commas", Schema: &huma.Schema{
		Type: huma.TypeString, Pattern: "^[a-z_,]*$",
	}}
}

func exampleEntries() []events.Entry {
	state := exampleState()
	at := time.Unix(state.TipTime, 0)
	bought, moved, ended := exampleRecord(ons.Session), exampleRecord(ons.Session), exampleRecord(ons.Lokinet)
	bought.Updated, bought.Txid = bought.Registered, ons.Txid(fill(32, 23))
	moved.Kind, moved.Prev, moved.Updated = ons.Update, bought.Txid, state.Tip.Height
	ended.Expires = state.Tip.Height
	down := directory.Event{Height: state.Tip.Height, Time: at, Key: directory.Key(fill(32, 41)), Kind: directory.KindDecommissioned}
	why := down
	why.Reasons = []string{"uptime"}
	u := exampleUndoing()
	return []events.Entry{
		{Seq: 1, Kind: events.Buy, Height: bought.Updated, Time: at.Add(-time.Hour), Record: bought},
		{Seq: 2, Kind: events.Reorg, Height: u.Base.Height, Time: at, Reorg: u},
		{Seq: 3, Kind: events.Transfer, Height: moved.Updated, Time: at, Record: moved},
		{Seq: 4, Kind: events.Expire, Height: ended.Expires, Time: at, Record: ended},
		{Seq: 5, Kind: events.Node, Height: down.Height, Time: at, Node: &events.Happening{Event: down, Number: 77, Noticed: down.Height}},
		{Seq: 6, Kind: events.Reasons, Height: why.Height, Time: at, Node: &events.Happening{Event: why}},
	}
}

func exampleUndoing() *events.Undoing {
	state := exampleState()
	moved := exampleRecord(ons.Session)
	change := events.Changes{Count: 1, First: []events.Change{{Height: state.Tip.Height, Key: moved.Key(), Kind: ons.Update, Txid: moved.Txid}}}
	return &events.Undoing{
		ID: 1, At: time.Unix(state.TipTime, 0), Base: indexer.Point{Height: state.Tip.Height - 2, Hash: ons.Txid(fill(32, 37))},
		From: indexer.Point{Height: state.Tip.Height, Hash: ons.Txid(fill(32, 43))}, To: state.Tip, Undone: change, Redone: change,
	}
}

func exampleLog() examples {
	log := events.ID(fill(8, 3))
	v := logView{Head: events.Cursor{Log: log, Seq: 6}.String(), Next: events.Cursor{Log: log, Seq: 6}.String()}
	for _, e := range exampleEntries() {
		v.Events = append(v.Events, newLogEntryView(log, &e, ons.Mainnet))
	}
	return examples{"a few kinds": exampleSealed(v)}
}

func exampleLines() examples {
	e := exampleEntries()[0]
	return examples{"one line": must(json.Marshal(string(EventLine(events.ID(fill(8, 3)), &e, ons.Mainnet))))}
}
