package api

import (
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"onsight/indexer"
	"onsight/internal/stack"
	"onsight/ons"
)

// call is one request while it is answered: all of it from one snapshot, of the index or of the directory.
type call struct {
	*Server
	gin   *gin.Context
	route string // the operation's id
	query url.Values
	snap  Snapshot
	state indexer.State
	board *board // of an operation about nodes, which has no snap and state
	frame *frame

	start   time.Time
	code    string     // of the error that was answered
	inside  bool       // it was admitted
	whole   bool       // its body was read to the end
	visitor *visitor   // whose it is, where that counts
	held    netip.Addr // the client of a stream, which the crowd may have forgotten since
	out     meter      // what is written passes through, where that counts
}

// handle makes a gin handler of a route, which either writes a reply or returns an error. One without an operation is
// that of a path or method that does not exist.
func (s *Server) handle(r route) gin.HandlerFunc {
	var id string
	var known []string
	if r.op != nil {
		id, known = r.op.OperationID, queryNames(r.op)
	}
	return func(g *gin.Context) {
		c := s.call()
		c.gin, c.route = g, id
		defer c.done()
		err := c.begin()
		if r.nodes {
			c.board = s.boardOf(s.cfg.Nodes())
			c.frame = &c.board.frame
		} else {
			c.snap = s.cfg.Snapshot()
			c.state = c.snap.State()
			c.frame = s.frameOf(c.state)
		}
		if err == nil && r.op != nil && g.Request.URL.RawQuery != "" {
			err = c.parseQuery(known)
		}
		if err == nil && r.nodes && !c.board.snap.Observed {
			err = fmt.Errorf("%w: no list of nodes has been read yet", errBehind)
		}
		if err == nil {
			err = r.serve(c)
		}
		if err != nil {
			c.fail(err)
		}
	}
}

// call returns a call to fill; done ends it.
func (s *Server) call() *call {
	c, ok := s.calls.Get().(*call)
	if !ok {
		c = new(call)
	}
	c.Server, c.frame = s, emptyFrame
	return c
}

// done ends a call, and must be deferred: it answers a panic, which is our own bug. What is logged holds nothing of the
// request: of a panic's value, which might, only the type, unless the runtime made it.
func (c *call) done() {
	defer c.finish()
	switch p := recover(); p {
	case nil:
	case http.ErrAbortHandler:
		panic(p)
	default:
		what := fmt.Sprintf("%T", p)
		if err, ok := p.(runtime.Error); ok {
			what = err.Error()
		}
		c.cfg.Log.Error("panic while answering", "operation", c.route, "panic", what, "stack", stack.Calls())
		if c.gin.Writer.Written() {
			panic(http.ErrAbortHandler) // the reply is broken: let the client see that
		}
		c.fail(errPanic)
	}
}

// finish gives a call back.
func (c *call) finish() {
	c.end()
	s := c.Server
	*c = call{} // which would else keep a snapshot alive
	s.calls.Put(c)
}

// parseQuery reads the query. Each parameter must be known and given once.
func (c *call) parseQuery(known []string) error {
	values, err := url.ParseQuery(c.gin.Request.URL.RawQuery)
	if err != nil {
		return fmt.Errorf("%w: the query does not parse", errParameter)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) { // in order, so that of several faults always the same one is told
		given := values[name]
		if !slices.Contains(known, name) {
			return fmt.Errorf("%w: %s", errUnknownParameter, quote(name))
		}
		if len(given) > 1 {
			return fmt.Errorf("%w: %s is given more than once", errParameter, name)
		}
	}
	c.query = values
	return nil
}

// key reads the type and hash in the path.
func (c *call) key() (ons.Key, error) {
	t, err := parseType(c.gin.Param("type"))
	if err != nil {
		return ons.Key{}, err
	}
	h, err := parsePathHash(c.gin.Param("hash"))
	return ons.Key{Type: t, Hash: h}, err
}

// parseType reads the three words for types; ons.ParseType takes more.
func parseType(s string) (ons.Type, error) {
	switch s {
	case "session":
		return ons.Session, nil
	case "wallet":
		return ons.Wallet, nil
	case "lokinet":
		return ons.Lokinet, nil
	}
	return 0, fmt.Errorf("%w: must be session, wallet or lokinet", ons.ErrType)
}

// parsePathHash reads a hash as it may stand in a path: in base64 of the URL alphabet, since a slash would end it, and
// without padding, so that it has one spelling.
func parsePathHash(s string) (ons.Hash, error) {
	if len(s) != 64 && (len(s) != 43 || strings.ContainsAny(s, "+/=")) {
		return ons.Hash{}, fmt.Errorf("%w: must be 64 hexadecimal digits or 43 characters of base64url", ons.ErrHash)
	}
	h, err := ons.ParseHash(s)
	if err != nil {
		return ons.Hash{}, fmt.Errorf("%w: must be 64 hexadecimal digits or 43 characters of base64url", ons.ErrHash)
	}
	return h, nil
}

// limit reads how long a page may be.
func (c *call) limit() (int, error) { return c.limitOf(defaultLimit, maxLimit) }

// limitOf is limit for pages with other bounds.
func (c *call) limitOf(otherwise, most int) (int, error) {
	if !c.query.Has("limit") {
		return otherwise, nil
	}
	n := 0
	for _, r := range c.query.Get("limit") {
		if r < '0' || r > '9' || n > most {
			n = 0
			break
		}
		n = n*10 + int(r-'0')
	}
	if n < 1 || n > most {
		return 0, fmt.Errorf("%w: limit must be 1 to %d", errParameter, most)
	}
	return n, nil
}

// missing returns what there is to say about something the snapshot does not have: that it is not registered, or that
// this cannot be told.
func (c *call) missing() error {
	if why := c.behind(); why != "" {
		return fmt.Errorf("%w: %s", errBehind, why)
	}
	return ons.ErrNotFound
}

// behind returns why the snapshot cannot tell what does not exist; "" if it can.
func (c *call) behind() string {
	return behind(c.state, c.upstreams(), c.cfg.Now())
}

// maxLag and maxSilence bound how old an index may be that says that something does not exist.
const (
	maxLag     = 2 // blocks
	maxSilence = 10 * time.Minute
)

// behind returns why an index of this state may not know the newest blocks; "" if it does.
func behind(state indexer.State, upstreams []Upstream, now time.Time) string {
	switch lag := lag(state, upstreams); {
	case state.Tip == nil:
		return "the index is empty"
	case state.Phase == indexer.ForkBelowFinal:
		return "the daemon's chain contradicts a final block of the index"
	case state.Phase != indexer.Synced:
		return "the index is not complete yet"
	case lag > maxLag:
		return fmt.Sprintf("the index is %d blocks below the chain", lag)
	case now.Sub(followed(state, upstreams)) > maxSilence: // when one was last followed: that one merely answers is not enough
		return "no daemon has answered for more than 10 minutes"
	}
	return ""
}

// followed returns when a daemon was last followed to where the index is. A process that follows one itself knows that better than
// the state, in which it is stored only now and then while there are no new blocks.
func followed(state indexer.State, upstreams []Upstream) time.Time {
	at := state.Asked
	for _, u := range upstreams {
		if u.Error == "" && u.Whole != nil && state.Tip != nil && *u.Whole == *state.Tip && state.Phase == indexer.Synced && u.AskedAt.After(at) {
			at = u.AskedAt
		}
	}
	return at
}

// target returns the best height that is known of.
func target(state indexer.State, upstreams []Upstream) uint64 {
	best := state.Target
	for _, u := range upstreams {
		best = max(best, u.Height) // even of one that fails: the chain is that long
	}
	return best
}

// lag returns how many blocks the index is below the best height that is known of.
func lag(state indexer.State, upstreams []Upstream) uint64 {
	best := target(state, upstreams)
	if state.Tip == nil {
		return best
	}
	return best - min(best, state.Tip.Height)
}

// quote returns a text of the client's in quotes, cut short.
func quote(s string) string {
	if len(s) > 64 {
		s = s[:64] + "…"
	}
	return fmt.Sprintf("%q", strings.ToValidUTF8(s, "?"))
}
