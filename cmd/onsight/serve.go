package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"onsight/api"
	"onsight/directory"
	"onsight/indexer"
	"onsight/internal/events"
	"onsight/internal/gate"
	"onsight/internal/index"
	"onsight/internal/oxend"
	"onsight/internal/store"
)

// stopTimeout is how long requests under way may take when the program is told to stop.
const stopTimeout = 10 * time.Second

// gcPercent is how much the heap may grow between two collections while serving.
const gcPercent = 25

type serveOptions struct {
	followOptions
	geoOptions
	guardOptions
	listen   string
	readOnly bool
	probes   time.Duration        // between two checks of a node; 0: they are not checked
	ready    func(net.Addr) error // says that it serves; nil: "serving http://…"
	level    slog.Level           // from which it logs; zero: info
}

func (p program) serveCommand(f *flags) *cobra.Command {
	var opt serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Follow the chain and serve the index over HTTP",
		Long: `Follow the chain and serve the index over HTTP, in one process.

With --read-only it writes nothing and serves what another process indexes into the same database.`,
		Example: `  onsight serve --oxend http://127.0.0.1:22023
  onsight serve --read-only --db ./names.db --listen 127.0.0.1:8081`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if v := p.env("ONSIGHT_LISTEN"); v != "" && !cmd.Flags().Changed("listen") {
				opt.listen = v
			}
			if opt.readOnly && slices.ContainsFunc([]string{"oxend", "interval", "lokinet-year", "accept-reorg-below", "probe-every"}, cmd.Flags().Changed) {
				return usagef("--read-only: asks no daemon and no node: leave --oxend, --interval, --lokinet-year, --accept-reorg-below and --probe-every to the writer")
			}
			if opt.probes != 0 && !period(opt.probes) {
				return usagef("--probe-every: %s, or 0 to check no nodes", wantPeriod)
			}
			if !opt.readOnly {
				if err := opt.followOptions.complete(cmd, p.env); err != nil {
					return err
				}
			}
			opt.geoOptions.complete(cmd, p.env)
			if err := opt.guardOptions.complete(cmd, p.env); err != nil {
				return err
			}
			return p.serve(cmd.Context(), f, opt)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&opt.listen, "listen", "127.0.0.1:8080", "`ADDRESS` to serve on (ONSIGHT_LISTEN)")
	fl.BoolVar(&opt.readOnly, "read-only", false, "serve a database that another process writes")
	fl.DurationVar(&opt.probes, "probe-every", directory.Checks.Interval, "time between two checks of a service node, as onsight probe does them (0: none)")
	opt.followOptions.register(cmd)
	opt.geoOptions.register(cmd)
	opt.guardOptions.register(cmd)
	return cmd
}

func (p program) serve(ctx context.Context, f *flags, opt serveOptions) error {
	told := ctx // ends when the program is told to stop, which is no failure
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	level := new(slog.LevelVar)
	level.Set(f.logLevel(opt.level))
	log := f.loggerAt(p, level)
	token, err := opt.adminToken()
	if err != nil {
		return err
	}
	geo, err := opt.geoOptions.open()
	if err != nil {
		return err
	}
	defer geo.Close()
	s, err := p.openService(ctx, f, opt, geo, log)
	if err == nil {
		defer s.db.Close()
		err = errors.Join(s.index.Load(ctx), s.nodes.Load(ctx), s.log.Load(ctx))
	}
	if told.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	// The index is nearly all of the heap and hardly changes: a collector that waits for it to double wastes as much again.
	debug.SetGCPercent(gcPercent)
	debug.FreeOSMemory()
	log.Debug("index loaded", "names", s.index.Snapshot().Len())

	listener, err := net.Listen("tcp", opt.listen) // after the lock: a second writer must be told that it is one
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	lines := opt.connections(log)
	entrance := gate.Open(listener, lines)
	var admin *api.Admin
	if token != "" {
		admin = &api.Admin{Token: token, Probers: enrolment{s.db}, Connections: entrance.Stats, Lines: lines, Files: fileLimit(), Level: level}
	}
	site := api.New(api.Config{
		Snapshot: func() api.Snapshot { return s.index.Snapshot() },
		Nodes:    s.nodes.Snapshot, Directory: s.nodes, Events: s.log,
		Upstreams: s.upstreams, Version: versionText(), Log: log,
		Admin: admin, Limits: opt.limits, Served: opt.served(s.metrics, log),
	})
	s.metrics.watch(site, s, entrance)
	server := entrance.Server(site.Handler())
	server.RegisterOnShutdown(site.EndStreams)
	served := make(chan error, 2)
	if opt.metrics != "" {
		at, err := net.Listen("tcp", opt.metrics)
		if err != nil {
			return errors.Join(fmt.Errorf("listen for metrics: %w", err), listener.Close())
		}
		log.Info("serving metrics", "address", at.Addr().String())
		door := gate.Open(at, gate.Limits{Total: metricsConnections})
		figures := door.Server(s.metrics.handler())
		defer figures.Close()
		go func() { served <- figures.Serve(door) }()
	}
	stopJobs := s.startJobs(ctx, cancel, opt, log)
	defer stopJobs()
	go func() { served <- server.Serve(entrance) }()
	if opt.ready == nil {
		opt.ready = func(at net.Addr) error {
			_, err := fmt.Fprintf(p.stdout, "serving http://%s\n", at)
			return err
		}
	}
	if err := opt.ready(listener.Addr()); err != nil {
		cancel(err)
	}
	select {
	case err := <-served:
		cancel(err) // the jobs as well
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	log.Info("stopping")
	shut, done := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer done()
	if err := server.Shutdown(shut); err != nil { // lets requests under way end, but not wait for a slow client for ever
		log.Info("requests cut off", "error", err)
		if err := server.Close(); err != nil {
			return fmt.Errorf("stop serving: %w", err)
		}
	}
	<-served
	if told.Err() != nil {
		return nil
	}
	return context.Cause(ctx)
}

// service is what the jobs of serve work on.
type service struct {
	db    *store.Store
	index *index.Index
	nodes *directory.Directory
	log   *events.Tail
	write *writer // nil for a reader
	seen  atomic.Pointer[[]api.Upstream]

	metrics *metrics
}

func (p program) openService(ctx context.Context, f *flags, opt serveOptions, geo *directory.Geo, log *slog.Logger) (*service, error) {
	if opt.readOnly {
		db, err := f.openDatabase(ctx, p.env, false)
		if err != nil {
			return nil, err
		}
		nodes := directory.New(directory.Config{Store: db.Store, Geo: geo, Log: log})
		return &service{db: db.Store, index: index.New(db.Store), nodes: nodes, log: events.NewTail(db.Store), metrics: newMetrics()}, nil
	}
	w, err := p.openWriter(ctx, f, log, indexOptions{followOptions: opt.followOptions, probeEvery: opt.probes, geo: geo})
	if err != nil {
		return nil, err
	}
	return &service{db: w.db, index: index.New(w.db), nodes: w.nodes, log: events.NewTail(w.db), write: w, metrics: newMetrics()}, nil
}

// look notes what is known of the daemons after a round, where requests find it without a lock. whole is the newest block of the
// index if it has all of the chain of the daemon in use, else nil.
func (s *service) look(whole *indexer.Point) {
	var seen []api.Upstream
	for _, u := range s.write.Pool.Upstreams() {
		v := newUpstream(u)
		if v.Active {
			v.Whole = whole
		}
		seen = append(seen, v)
	}
	s.seen.Store(&seen)
	s.metrics.round(seen)
}

// upstreams tells what was known of the daemons after the last round.
func (s *service) upstreams() []api.Upstream {
	if seen := s.seen.Load(); seen != nil {
		return *seen
	}
	return nil
}

// newUpstream is what everybody may know of a daemon: neither the path of its URL, which may hold a key, nor the words of an
// error, which may hold addresses of the operator's network.
func newUpstream(u oxend.UpstreamStatus) api.Upstream {
	v := api.Upstream{URL: "(hidden)", AskedAt: u.When, Active: u.Active}
	if at, err := url.Parse(u.URL); err == nil {
		v.URL = at.Scheme + "://" + at.Host
	}
	var rpc *oxend.RPCError
	foreign := errors.Is(u.Err, oxend.ErrWrongNetwork) || errors.Is(u.Err, oxend.ErrUntrusted)
	if u.Height > 0 && !foreign {
		v.Height = u.Height - 1 // of the newest block
	}
	switch {
	case u.Err == nil:
	case errors.Is(u.Err, oxend.ErrWrongNetwork):
		v.Error = "is of another network"
	case errors.Is(u.Err, oxend.ErrUntrusted):
		v.Error = "passes on what another daemon says"
	case errors.As(u.Err, &rpc):
		v.Error = "answers with an error"
	default:
		v.Error = "does not answer, or not usefully"
	}
	return v
}
