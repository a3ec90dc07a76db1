package api

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"onsight/indexer"
)

// Served is what may be told of a request that was answered: nothing of what it asked, nor of who did.
type Served struct {
	Operation string        // its id in the document; "" for a path or method that there is not
	Status    int           // of the reply
	Code      string        // of an error; "" for none
	Took      time.Duration // from the end of the header to the end of our writing
}

// Values of headers that every reply has. A reply is data: a browser that shows one runs and loads nothing, and names its
// address, which may hold a hash, to nobody.
var (
	noContent  = []string{"default-src 'none'; frame-ancestors 'none'"}
	noReferrer = []string{"no-referrer"}
)

// begin sets what every reply has, and takes the request in. An error is the reason why it is not.
func (c *call) begin() error {
	h := c.gin.Writer.Header()
	h["Access-Control-Allow-Origin"] = anyOrigin // there are no cookies and no sessions: all pages may ask
	h["Content-Security-Policy"] = noContent
	h["Referrer-Policy"] = noReferrer
	h["X-Content-Type-Options"] = noSniff
	if c.gin.Request.Method == http.MethodGet {
		c.unread() // there is no use for a body
	}
	if !c.timed {
		return nil
	}
	c.start = c.cfg.Now()
	if unlimited[c.route] {
		return nil
	}
	client, proxied := origin(c.gin.Request, c.cfg.Limits.Proxies)
	if client.IsLoopback() && !proxied && !c.cfg.Limits.Loopback {
		return nil // this machine's own
	}
	if client.IsLoopback() && proxied && !c.warned.Swap(true) {
		c.cfg.Log.Warn("a proxy on this machine is not trusted, or says for whom it asks in no way that can be read: all that counts as one client")
	}
	v, wait, err := c.crowd.admit(client, c.start)
	if err != nil {
		h["Retry-After"] = []string{strconv.Itoa(max(1, int(math.Ceil(wait.Seconds()))))}
		h["Access-Control-Expose-Headers"] = []string{"Retry-After"}
		return err
	}
	c.inside, c.visitor = true, v
	if v != nil {
		c.out = meter{c.gin.Writer, c, 0}
		c.gin.Writer = &c.out
		c.charge(work[c.route])
		if c.gin.Request.URL.RawQuery != "" {
			c.charge(workOfQuery[c.route])
		}
	}
	return nil
}

// charge counts the request as n more, where it counts.
func (c *call) charge(n int) {
	if n > 0 && c.counts() {
		c.crowd.charge(c.visitor, n, c.cfg.Now()) // which may be long after it began
	}
}

// debt returns for how long a stream has to wait until its client owes nothing.
func (c *call) debt() time.Duration {
	if !c.counts() {
		return 0
	}
	return c.crowd.debt(c.visitor, c.cfg.Now())
}

// counts reports whether there is somebody to charge. Of a stream it may be a new visitor: one that is not seen for long is forgotten.
func (c *call) counts() bool {
	if c.visitor == nil || c.cfg.Limits.Rate == 0 {
		return false
	}
	if c.held.IsValid() {
		c.visitor = c.crowd.again(c.held, c.cfg.Now())
	}
	return true
}

// meter charges a client for what it is sent, before it is: many large replies at once are not sent before they count.
type meter struct {
	gin.ResponseWriter
	call *call
	sent int
}

// Write implements http.ResponseWriter.
func (m *meter) Write(b []byte) (int, error) {
	before := m.sent / bytesPerRequest
	m.sent += len(b)
	m.call.charge(m.sent/bytesPerRequest - before)
	return m.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (m *meter) Unwrap() http.ResponseWriter { return m.ResponseWriter }

// unread has the server not wait for what of a body nobody wants. It would do that before it replies, so that connections
// whose requests were refused could be held open as if they were being answered. Such a connection ends with the reply: to
// net/http a deadline that is over is a client that went away, and it would cancel what is asked over it next.
func (c *call) unread() {
	if c.gin.Request.ContentLength == 0 || c.whole {
		return
	}
	c.gin.Writer.Header()["Connection"] = []string{"close"}
	// An error means that there is no connection.
	_ = http.NewResponseController(c.gin.Writer).SetReadDeadline(longAgo)
}

var longAgo = time.Unix(1, 0)

// end ends what begin began.
func (c *call) end() {
	if c.inside {
		c.crowd.leave(c.visitor)
	}
	if c.out.ResponseWriter != nil {
		c.gin.Writer = c.out.ResponseWriter // gin has it longer than we have the call
	}
	if c.cfg.Served != nil {
		c.cfg.Served(Served{c.route, c.gin.Writer.Status(), c.code, c.cfg.Now().Sub(c.start)})
	}
}

// preflight answers a browser that asks whether a page may send a request. gin has set Allow.
func (c *call) preflight() bool {
	h := c.gin.Writer.Header()
	if c.gin.Request.Method != http.MethodOptions || c.gin.Request.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", h.Get("Allow"))
	h.Set("Access-Control-Allow-Headers", "Content-Type, If-None-Match, If-Modified-Since, Last-Event-ID")
	h.Set("Access-Control-Max-Age", "86400")
	c.gin.Writer.WriteHeader(http.StatusNoContent)
	c.gin.Writer.WriteHeaderNow()
	return true
}

// Health is how the index stands, as the operations judge it.
type Health struct {
	Ready    bool          // it can tell what is not registered
	Lag      uint64        // blocks that it is below the best height that is known of
	Distance time.Duration // see GET /v1/realtime; negative: nobody can tell
	TipAge   time.Duration // since the time its newest block says; negative: there is none
	Running  int64         // requests that count against the limits and are being answered
	Streams  int           // that clients hold
}

// Health returns how the index stands now.
func (s *Server) Health() Health {
	state := s.cfg.Snapshot().State()
	now := s.cfg.Now()
	up := s.upstreams()
	h := Health{Ready: behind(state, up, now) == "", Lag: lag(state, up), Distance: -1, TipAge: -1, Running: s.crowd.total.Load(), Streams: s.holders.count()}
	if state.Tip != nil {
		h.TipAge = tipAge(state, now)
	}
	if d, why := distance(state, up, now); why == "" {
		h.Distance = d
	}
	return h
}

func (s *Server) upstreams() []Upstream {
	if s.cfg.Upstreams == nil {
		return nil
	}
	return s.cfg.Upstreams()
}

// tipAge returns how long ago the newest block says that it was made.
func tipAge(state indexer.State, now time.Time) time.Duration {
	return max(0, now.Sub(time.Unix(state.TipTime, 0)))
}

// distance returns how far into the past what the index lacks may reach: if it has the whole chain, to when a daemon last
// said so, else to its newest block. Or it returns why nobody can tell.
func distance(state indexer.State, up []Upstream, now time.Time) (time.Duration, string) {
	switch {
	case state.Tip == nil:
		return 0, "the index is empty"
	case state.Phase == indexer.ForkBelowFinal:
		return 0, "the daemon's chain contradicts a final block of the index"
	}
	asked := max(0, now.Sub(followed(state, up)))
	if state.Phase == indexer.Synced && lag(state, up) == 0 {
		return asked, ""
	}
	return max(asked, tipAge(state, now)), ""
}

// allowHead adds HEAD, which is ours, to what gin has set.
func allowHead(h http.Header) {
	if allow := h.Get("Allow"); strings.Contains(allow, http.MethodGet) {
		h.Set("Allow", allow+", "+http.MethodHead)
	}
}
