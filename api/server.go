// Package api answers HTTP requests about names from a copy of the index in memory. It is the only home of gin and huma.
//
// Only hashes of names are ever asked for: no operation takes a plain name. A hash is still worth protecting, since
// whoever has a list of likely names can find the one it is of. So hashes and owners stand in the path or in a body and
// never in the query: query strings end up in more places (access logs of proxies, analytics, Referer headers), and
// many of them log a path's prefix only. This package logs no path, query, body or client address at all. Looking a
// name up without telling the server its hash is issue 6.
//
// Every reply, errors included, says of which block it is true: as_of. A name without a record is only called not
// registered by an index that is up to date; else the answer is that this cannot be told (code "behind").
//
// A Server may be used concurrently, and takes no lock to answer: what Config gives it must not either.
package api

import (
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"onsight/indexer"
	"onsight/ons"
)

// Snapshot is the index as it was after one block, as the API reads it. It never changes, and its methods may be called
// concurrently. The records it returns are not written to. internal/index implements it.
type Snapshot interface {
	// State returns what the index knew when the snapshot was taken.
	State() indexer.State
	// Record returns the newest record of a key, expired or not; nil if it has none.
	Record(ons.Key) *ons.Record
	// History returns all records of a key, oldest first.
	History(ons.Key) []*ons.Record
	// Owned returns at most limit newest records whose owner or backup owner it is, in order of type and hash, that
	// stand behind the key after, or from the first on when that is nil.
	Owned(owner ons.Owner, after *ons.Key, limit int) []*ons.Record
	// Counts returns how many names of each type live at the height after the tip.
	Counts() [3]uint64
	// Len returns how many names ever had a record.
	Len() int
}

// Upstream is a daemon that the index follows.
type Upstream struct {
	URL     string    // shown to everybody: without credentials
	Height  uint64    // of its newest block when it last answered; 0: it never did, or its chain is another one
	Error   string    // why it is not usable now, shown to everybody; "": it is
	AskedAt time.Time // when it last answered, or failed to if Error says so; zero: not yet
	Active  bool      // the one that is followed now
}

// Config is what a Server answers from.
type Config struct {
	Snapshot  func() Snapshot   // the newest one; called once a request, concurrently. Must not be nil nor return nil
	Upstreams func() []Upstream // as Snapshot; nil: none are known, and the index's own word on the chain's length counts alone
	Version   string            // of the program; "" is shown as such
	Now       func() time.Time  // nil: time.Now
	Log       *slog.Logger      // nil: silent. Only panics are logged, and never what was asked
}

// Server answers requests. Use New.
type Server struct {
	cfg      Config
	engine   *gin.Engine
	document []byte    // OpenAPI, as JSON
	docTag   []string  // its ETag
	buffers  sync.Pool // of *[]byte: bodies of the hot operations
	calls    sync.Pool // of *call
	ids      []string  // of the operations
	frame    atomic.Pointer[frame]
}

// route is one operation: what the document says of it, and who answers it. Method, path and the query parameters it
// may have are those of the document.
type route struct {
	op    *huma.Operation
	serve func(*call) error
}

// routes is the table of all operations. They are plain gin handlers that huma only describes: its own handlers
// validate through a global error model, and cost what the hot operations cannot spare. That the document describes
// what the handlers do is held by the tests, which validate every request and reply against it.
func (s *Server) routes(d describer) []route {
	return []route{
		{d.healthz(), s.healthz},
		{d.readyz(), s.readyz},
		{d.openapi(), s.openapi},
		{d.status(), s.status},
		{d.name(), s.name},
		{d.history(), s.history},
		{d.resolve(), s.resolve},
		{d.owned(), s.owned},
	}
}

// New returns a Server. It puts gin, whose mode is global, in release mode.
func New(cfg Config) *Server {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	gin.SetMode(gin.ReleaseMode)
	s := &Server{cfg: cfg, engine: gin.New()}
	s.engine.RedirectTrailingSlash = false
	s.engine.HandleMethodNotAllowed = true
	s.engine.ForwardedByClientIP = false
	s.engine.NoRoute(s.handle(nil, func(*call) error { return errNoPath }))
	s.engine.NoMethod(s.handle(nil, noMethod))

	described := humagin.New(s.engine, newHumaConfig())
	d := newDescriber(described.OpenAPI().Components)
	for _, r := range s.routes(d) {
		described.OpenAPI().AddOperation(r.op)
		s.ids = append(s.ids, r.op.OperationID)
		s.engine.Handle(r.op.Method, ginPath(r.op.Path), s.handle(r.op, r.serve))
	}
	s.document, s.docTag = encodeDocument(described.OpenAPI())
	return s
}

// Handler returns the handler of all operations. It bounds the bodies it reads and takes no time of its own; the
// timeouts (ReadHeaderTimeout, ReadTimeout, WriteTimeout, IdleTimeout) and the size of headers are the http.Server's
// to set. HEAD is answered as GET, relying on the http.Server to leave the body out.
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			get := *r
			get.Method = http.MethodGet
			r = &get
		}
		s.engine.ServeHTTP(w, r)
	})
}
