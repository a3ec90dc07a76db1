// Package api answers HTTP requests about names from a copy of the index in memory, and about service nodes from the
// snapshot of a directory. It is the only home of gin and huma.
//
// Only hashes of names are ever asked for: no operation takes a plain name. A hash is still worth protecting, since
// whoever has a list of likely names can find the one it is of. So hashes and owners stand in the path or in a body and
// never in the query: query strings end up in more places (access logs of proxies, analytics, Referer headers), and
// many of them log a path's prefix only. This package logs no path, query, body or client address at all. A name can be
// looked up without telling its hash: by a range of hashes, or in a bundle of all.
//
// Limits hold every client to its share, and errors, too many requests among them, cost less than answers.
//
// Every reply, errors included, says of which block it is true: as_of. Index and directory are followed apart: it is that
// of the one that was asked. A name without a record is only called not
// registered by an index that is up to date; else the answer is that this cannot be told (code "behind").
//
// A Server may be used concurrently, and takes no lock to answer but one for a moment to count a client's requests, and one with
// which the first request of a block makes what the others wait for: what Config gives it must take none.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"onsight/directory"
	"onsight/indexer"
	"onsight/internal/census"
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
	// What lists and statistics are made of. Records is in order of type and hash.
	census.Registry
	// Bucket returns those whose hashes begin with as many bits of a number, in order of hash and type.
	Bucket(bits int, number uint64) []*ons.Record
	// Changed returns the keys whose newest record may be another one than when a block was the newest; false if that is
	// not known.
	Changed(since ons.Txid) ([]ons.Key, bool)
}

// Upstream is a daemon that the index follows.
type Upstream struct {
	URL     string    // shown to everybody: without credentials
	Height  uint64    // of its newest block when it last answered; 0: it never did, or its chain is another one
	Error   string    // why it is not usable now, shown to everybody; "": it is
	AskedAt time.Time // when it last answered, or failed to if Error says so; zero: not yet
	Active  bool      // the one that is followed now

	// Whole is the newest block of the index when all of the daemon's chain was in it, as of AskedAt; nil: it was not.
	Whole *indexer.Point
}

// Directory is what the operations about nodes need beside a snapshot: what is read from the database, or written there.
// *directory.Directory implements it.
type Directory interface {
	// Events returns the first limit rows of the log after a number, oldest first: of one node, or with nil all.
	Events(ctx context.Context, key *directory.Key, after uint64, limit int) ([]directory.Stored, error)
	// History returns a series of one node from one vantage point, one object for each resolution; zero times mean all.
	History(ctx context.Context, key directory.Key, vantage string, s directory.Series, from, to time.Time) ([]directory.Object, error)
	// Report takes in a signed report, or returns why not: an error that wraps one of directory's, or another that is ours.
	Report(ctx context.Context, report []byte) error
}

// Config is what a Server answers from.
type Config struct {
	Snapshot  func() Snapshot   // the newest one; called once a request, concurrently. Must not be nil nor return nil
	Upstreams func() []Upstream // as Snapshot; nil: none are known, and the index's own word on the chain's length counts alone
	Version   string            // of the program; "" is shown as such

	Nodes     func() *directory.Snapshot // as Snapshot; nil: there are no operations about nodes
	Directory Directory                  // nil: those among them that need it are not there

	Admin *Admin // nil: the operator's operations are closed

	Events    Log           // nil: there are no operations about events
	Heartbeat time.Duration // between two signs of life of a stream; 0: 15 seconds
	Patience  time.Duration // with a client that does not read its stream; 0: 10 seconds

	Limits Limits       // the zero ones bound nothing
	Served func(Served) // called after each request, concurrently; nil: nobody is told

	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // nil: silent. Only panics and what the operator should mend are logged, and never what was asked
}

// Server answers requests. Use New.
type Server struct {
	cfg       Config
	engine    *gin.Engine
	document  []byte    // OpenAPI, as JSON
	docTag    []string  // its ETag
	buffers   sync.Pool // of *[]byte: bodies of the hot operations
	calls     sync.Pool // of *call
	ids       []string  // of the operations
	frame     atomic.Pointer[frame]
	shelf     once[shelf, *shelf]
	histories once[rack, *rack]
	tally     atomic.Pointer[tally]
	board     atomic.Pointer[board]
	trail     trail
	crowd     *crowd
	holders   holders
	closing   sync.Once
	closed    chan struct{} // by EndStreams
	timed     bool          // requests are limited, or told of
	warned    atomic.Bool
	started   time.Time
}

// route is one operation: what the document says of it, and who answers it. Method, path and the query parameters it
// may have are those of the document.
type route struct {
	op    *huma.Operation
	serve func(*call) error
	nodes bool // answered from the directory, not from the index
}

// routes is the table of all operations. They are plain gin handlers that huma only describes: its own handlers
// validate through a global error model, and cost what the hot operations cannot spare. That the document describes
// what the handlers do is held by the tests, which validate every request and reply against it.
func (s *Server) routes(d describer) []route {
	all := []route{
		{op: d.healthz(), serve: s.healthz},
		{op: d.readyz(), serve: s.readyz},
		{op: d.realtime(), serve: s.realtime},
		{op: d.openapi(), serve: s.openapi},
		{op: d.status(), serve: s.status},
		{op: d.name(), serve: s.name},
		{op: d.history(), serve: s.history},
		{op: d.resolve(), serve: s.resolve},
		{op: d.owned(), serve: s.owned},
		{op: d.ranges(), serve: s.ranges},
		{op: d.bucket(), serve: s.bucket},
		{op: d.bucketHistory(), serve: s.bucketHistory},
		{op: d.bundle(), serve: s.bundle},
		{op: d.newest(), serve: s.newest},
		{op: d.expiring(), serve: s.expiring},
		{op: d.statistics(), serve: s.statistics},
	}
	all = append(all, s.adminRoutes(d)...)
	if s.cfg.Events != nil {
		all = append(all, route{op: d.events(), serve: s.events}, route{op: d.eventStream(), serve: s.eventStream}, route{op: d.reorgs(), serve: s.reorgs})
	}
	if s.cfg.Nodes == nil {
		return all
	}
	all = append(all,
		route{d.nodes(), s.nodes, true},
		route{d.node(), s.node, true},
		route{d.pick(), s.pick, true},
		route{d.aggregate(), s.aggregate, true},
		route{d.swarms(), s.swarms, true},
		route{d.swarm(), s.swarm, true},
		route{d.paths(), s.paths, true},
		route{d.storageNodes(), s.storageNodes, true},
	)
	if s.cfg.Directory == nil {
		return all
	}
	return append(all,
		route{d.nodeHistory(), s.nodeHistory, true},
		route{d.nodeEvents(), s.nodeEvents, true},
		route{d.allNodeEvents(), s.allNodeEvents, true},
		route{d.report(), s.report, true},
	)
}

// New returns a Server. It puts gin, whose mode is global, in release mode.
func New(cfg Config) *Server {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Heartbeat <= 0 {
		cfg.Heartbeat = heartbeat
	}
	if cfg.Patience <= 0 {
		cfg.Patience = patience
	}
	gin.SetMode(gin.ReleaseMode)
	s := &Server{cfg: cfg, engine: gin.New(), crowd: newCrowd(cfg.Limits), started: cfg.Now(), closed: make(chan struct{})}
	l := cfg.Limits
	s.timed = cfg.Served != nil || l.Rate > 0 || l.Concurrent > 0 || l.Total > 0
	s.engine.RedirectTrailingSlash = false
	s.engine.HandleMethodNotAllowed = true
	s.engine.ForwardedByClientIP = false
	s.engine.NoRoute(s.handle(route{serve: func(*call) error { return errNoPath }}))
	s.engine.NoMethod(s.handle(route{serve: noMethod}))

	described := humagin.New(s.engine, newHumaConfig())
	d := newDescriber(described.OpenAPI().Components, cfg.Nodes != nil)
	for _, r := range s.routes(d) {
		addSample(r.op)
		described.OpenAPI().AddOperation(r.op)
		s.ids = append(s.ids, r.op.OperationID)
		s.engine.Handle(r.op.Method, ginPath(r.op.Path), s.handle(r))
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
			w, r = headWriter{w}, &get
		}
		s.engine.ServeHTTP(w, r)
	})
}
