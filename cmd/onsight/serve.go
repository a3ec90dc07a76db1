package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"onsight/api"
	"onsight/internal/index"
	"onsight/internal/store"
)

// Bounds of one connection: no client may hold one open by being slow.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 15 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 16 << 10
	stopTimeout   = 10 * time.Second
)

const gcPercent = 25

type serveOptions struct {
	listen   string
	readOnly bool
	interval time.Duration
	year     uint64
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
			if err := completeYear(cmd, p.env, &opt.year); err != nil {
				return err
			}
			if v := p.env("ONSIGHT_LISTEN"); v != "" && !cmd.Flags().Changed("listen") {
				opt.listen = v
			}
			if opt.interval < time.Second {
				return usagef("--interval: must be at least 1s")
			}
			return p.serve(cmd.Context(), f, opt)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&opt.listen, "listen", "127.0.0.1:8080", "`ADDRESS` to serve on (ONSIGHT_LISTEN)")
	fl.BoolVar(&opt.readOnly, "read-only", false, "serve a database that another process writes")
	fl.DurationVar(&opt.interval, "interval", 10*time.Second, "time between questions for new blocks")
	yearFlag(cmd, &opt.year)
	return cmd
}

func (p program) serve(ctx context.Context, f *flags, opt serveOptions) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	log := f.logger(p)
	listener, err := net.Listen("tcp", opt.listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	defer listener.Close()

	s, err := p.openService(ctx, f, opt, log)
	if err != nil {
		return err
	}
	defer s.db.Close()
	if err := s.index.Load(ctx); err != nil {
		return err
	}
	// The index is nearly all of the heap and hardly changes: a collector that waits for it to double wastes as much again.
	debug.SetGCPercent(gcPercent)
	debug.FreeOSMemory()
	log.Debug("index loaded", "names", s.index.Snapshot().Len())
	server := &http.Server{
		Handler: api.New(api.Config{
			Snapshot:  func() api.Snapshot { return s.index.Snapshot() },
			Upstreams: s.upstreams, Version: versionText(), Log: log,
		}).Handler(),
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // its lines hold client addresses
	}
	stopJobs := s.startJobs(ctx, cancel, opt.interval, log)
	defer stopJobs()

	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	if _, err := fmt.Fprintf(p.stdout, "serving http://%s\n", listener.Addr()); err != nil {
		cancel(err)
	}
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	log.Info("stopping")
	shut, done := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer done()
	err = server.Shutdown(shut) // lets requests under way end
	<-served
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// service is what the jobs of serve work on.
type service struct {
	db    *store.Store
	index *index.Index
	write *writer // nil for a reader
}

func (p program) openService(ctx context.Context, f *flags, opt serveOptions, log *slog.Logger) (*service, error) {
	if opt.readOnly {
		db, err := f.openDatabase(ctx, p.env, false)
		if err != nil {
			return nil, err
		}
		return &service{db: db.Store, index: index.New(db.Store)}, nil
	}
	w, err := p.openWriter(ctx, f, log, indexOptions{year: opt.year})
	if err != nil {
		return nil, err
	}
	return &service{db: w.db, index: index.New(w.db), write: w}, nil
}

// upstreams tells what is known of the daemons.
func (s *service) upstreams() []api.Upstream {
	if s.write == nil {
		return nil
	}
	var out []api.Upstream
	for _, u := range s.write.Pool.Upstreams() {
		v := api.Upstream{URL: u.URL, Height: u.Height, AskedAt: u.When, Active: u.Active}
		if u.Height > 0 {
			v.Height-- // of the newest block
		}
		if u.Err != nil {
			v.Error = u.Err.Error()
		}
		out = append(out, v)
	}
	return out
}
