package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"onsight/internal/devnet"
	"onsight/ons"
)

type demoOptions struct {
	network devnet.Config
	names   int
	listen  string
	lasts   time.Duration
}

func (p program) demoCommand(f *flags) *cobra.Command {
	var opt demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show it all on a made-up network",
		Long: `Show it all on a made-up network: service nodes in several swarms and a daemon on loopback, names with a past, and the
explorer following them. Blocks come every few seconds, and with them things happen. Nothing is kept.`,
		Example: `  onsight demo
  onsight demo --nodes 20 --block-time 1s --seed 7`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if v := p.env("ONSIGHT_LISTEN"); v != "" && !cmd.Flags().Changed("listen") {
				opt.listen = v
			}
			if opt.network.Nodes < 1 || opt.names < 4 || opt.network.BlockTime <= 0 {
				return usagef("--nodes must be at least 1, --names at least 4, --block-time above 0")
			}
			return p.demo(cmd.Context(), f, opt)
		},
	}
	fl := cmd.Flags()
	fl.IntVar(&opt.network.Nodes, "nodes", 60, "service nodes")
	fl.IntVar(&opt.names, "names", 200, "names registered from the start")
	fl.Uint64Var(&opt.network.Seed, "seed", 1, "what all that is made up is drawn from")
	fl.DurationVar(&opt.network.BlockTime, "block-time", 3*time.Second, "time between blocks")
	fl.DurationVar(&opt.network.Latency, "latency", 60*time.Millisecond, "median delay of the nodes; each has its own")
	fl.Float64Var(&opt.network.Dice, "dice", 0.2, "faults a block")
	fl.DurationVar(&opt.lasts, "for", 0, "end by itself after this time (0: when it is stopped)")
	fl.StringVar(&opt.listen, "listen", "127.0.0.1:8080", "`ADDRESS` to serve on, or a free port if it is taken (ONSIGHT_LISTEN)")
	return cmd
}

func (p program) demo(ctx context.Context, f *flags, opt demoOptions) (err error) {
	if opt.lasts > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, opt.lasts)
		defer cancel()
	}
	signal.Ignore(syscall.SIGPIPE) // a reader that goes must not keep the folder from being removed
	dir, err := os.MkdirTemp("", "onsight-demo-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	cfg := opt.network
	cfg.Life, cfg.Names = true, devnet.DemoNames(cfg.Seed, opt.names)
	if f.verbose {
		cfg.Log = f.logger(p, slog.LevelInfo)
	}
	n, err := devnet.Start(cfg)
	switch {
	case errors.Is(err, devnet.ErrConfig):
		return usagef("%v", err)
	case err != nil:
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	control, err := n.OpenControl(filepath.Join(dir, "devnet.sock"), false) // where it goes with the rest
	if err != nil {
		return err
	}
	defer control.Close()

	// What the environment says of a real daemon or database is not meant for the demo.
	own := *f
	own.oxend, own.db, own.network = []string{n.Oxend()}, filepath.Join(dir, "demo.db"), string(ons.Fakechain)
	follow := followOptions{interval: time.Second, year: n.Chain().Year()}
	quiet := p
	quiet.stdout, quiet.stderr = io.Discard, io.Discard
	if err := quiet.index(ctx, &own, indexOptions{followOptions: follow, once: true}); err != nil {
		if opt.lasts > 0 && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil // its time was over before there was anything to see
		}
		return err
	}
	quiet.stderr = p.stderr
	serve := serveOptions{followOptions: follow, listen: freeOr(opt.listen), level: slog.LevelError, probes: time.Minute}
	serve.ready = func(at net.Addr) error { return p.demoReady(n, cfg, control.Path(), "http://"+at.String()) }
	return quiet.serve(ctx, &own, serve)
}

// freeOr is an address to listen on: this one, or a free port where it is taken.
func freeOr(address string) string {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return "127.0.0.1:0"
	}
	l.Close()
	return address
}

// demoReady says what there is and what to try.
func (p program) demoReady(n *devnet.Network, cfg devnet.Config, socket, url string) error {
	s, self := n.Status(), os.Args[0]
	other := func(program string) string { return strings.TrimSuffix(self, "onsight") + program }
	_, err := fmt.Fprintf(p.stdout, `A network on loopback: %d service nodes in %d swarms, %d names, a block every %v.
serving %s

Try, from another terminal:
  %s resolve alice --server %s
  %s nodes --server %s --sort latency
  %s pick --server %s
  curl %s/v1/status
  DEVNET_SOCKET=%s %s reorg 3
  COURIER_SEEDS=%s COURIER_HOME=%s sh -c '%s init && %s send alice -m hi --explain'

Its daemon: ONSIGHT_OXEND=%s · its seed node: COURIER_SEEDS=%s · Ctrl-C ends it.
`, s.Active, s.Swarms, s.Names[0]+s.Names[1]+s.Names[2], cfg.BlockTime, url,
		self, url, self, url, self, url, url, socket, other("devnet"),
		s.Seeds[0], filepath.Join(filepath.Dir(socket), "courier"), other("courier"), other("courier"), n.Oxend(), s.Seeds[0])
	return err
}
