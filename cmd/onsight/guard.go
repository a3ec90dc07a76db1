package main

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"onsight/api"
	"onsight/internal/gate"
)

// guardOptions are what serve allows its clients, and what it tells its operator of them.
type guardOptions struct {
	limits  api.Limits
	lines   int // connections of one client
	total   int // of all
	proxies []string
	token   string // the file of the operator's token; "": there is none
	metrics string // where to serve metrics; "": nowhere
	log     bool   // a line for each request
}

func (o *guardOptions) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.Float64Var(&o.limits.Rate, "client-rate", 20, "requests a second of one client (an IPv4 address or IPv6 /64) in the long run (0: any number)")
	fl.IntVar(&o.limits.Burst, "client-burst", 100, "requests that one client may send at once")
	fl.IntVar(&o.limits.Concurrent, "client-concurrent", 16, "requests of one client that are answered at a time (0: any number)")
	fl.IntVar(&o.limits.Total, "concurrent", 1024, "requests of all clients that are answered at a time (0: any number)")
	fl.IntVar(&o.lines, "client-connections", 64, "connections of one client; for more its idle ones are closed (0: any number)")
	fl.IntVar(&o.total, "connections", 4096, "connections of all clients; for more idle ones are closed (0: as many as files may be open)")
	fl.IntVar(&o.limits.Streams, "streams", 1024, "streams of events that all clients may hold (0: any number)")
	fl.IntVar(&o.limits.ClientStreams, "client-streams", 8, "streams of events that one client may hold (0: any number)")
	fl.StringSliceVar(&o.proxies, "trust-proxy", nil, "`CIDR` or address of a proxy that says in X-Forwarded-For whom it asks for, repeatable or comma separated (ONSIGHT_TRUST_PROXY)")
	fl.BoolVar(&o.limits.Loopback, "limit-loopback", false, "hold requests and connections of this machine to the limits of one client: for a Tor onion service or a tunnel, which does not say for whom it asks")
	fl.StringVar(&o.token, "admin-token-file", "", "`FILE` with the token of the operator, who may then use /v1/admin (ONSIGHT_ADMIN_TOKEN_FILE; default closed)")
	fl.StringVar(&o.metrics, "metrics", "", "`ADDRESS` to serve /metrics on, for Prometheus (ONSIGHT_METRICS; default nowhere)")
	fl.BoolVar(&o.log, "log-requests", false, "log a line for each request: operation, status and time, nothing of what was asked or by whom")
}

// complete fills what was not given as a flag from the environment and checks the values.
func (o *guardOptions) complete(cmd *cobra.Command, env func(string) string) error {
	if v := env("ONSIGHT_TRUST_PROXY"); v != "" && !cmd.Flags().Changed("trust-proxy") {
		o.proxies = strings.Split(v, ",")
	}
	if v := env("ONSIGHT_ADMIN_TOKEN_FILE"); v != "" && !cmd.Flags().Changed("admin-token-file") {
		o.token = v
	}
	if v := env("ONSIGHT_METRICS"); v != "" && !cmd.Flags().Changed("metrics") {
		o.metrics = v
	}
	l := &o.limits
	if !(l.Rate >= 0) || math.IsInf(l.Rate, 0) || l.Concurrent < 0 || l.Total < 0 || o.lines < 0 || o.total < 0 || l.Streams < 0 || l.ClientStreams < 0 {
		return usagef("--client-rate, --client-concurrent, --client-connections, --concurrent, --connections, --streams and --client-streams: must not be negative")
	}
	if l.Burst < 1 {
		return usagef("--client-burst: must be at least 1")
	}
	for _, s := range o.proxies {
		p, err := parsePrefix(strings.TrimSpace(s))
		if err != nil {
			return usagef("--trust-proxy: %v", err)
		}
		l.Proxies = append(l.Proxies, p)
	}
	return nil
}

const (
	spareFiles         = 512 // that connections leave: the database, daemons, and nodes that are checked
	metricsConnections = 64
)

// connections are the limits of connections, no more of them than files may be open. The program may have as many open as
// the system lets it: Go raises the soft limit when it starts.
func (o *guardOptions) connections(log *slog.Logger) gate.Limits {
	l := gate.Limits{Client: o.lines, Total: o.total, Free: slices.Clone(o.limits.Proxies)}
	if !o.limits.Loopback {
		// Programs of this machine, and a proxy on it that is not told of, whose clients are no fewer for that.
		l.Free = append(l.Free, netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::1/128"))
	}
	files := fileLimit()
	if files == 0 {
		return l
	}
	most := int(max(files-min(files, spareFiles), files/2))
	if l.Total > most {
		log.Warn("fewer connections than asked for: too few files may be open", "connections", most, "files", files, "files_wanted", l.Total+spareFiles)
	}
	if l.Total == 0 || l.Total > most {
		l.Total = most
	}
	return l
}

// fileLimit returns how many files may be open; 0: any number, or nobody can tell.
func fileLimit() uint64 {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil || l.Cur > math.MaxInt32 {
		return 0
	}
	return l.Cur
}

// parsePrefix reads a range of addresses, or one address.
func parsePrefix(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a range such as 10.0.0.0/8", s)
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if p.Addr().Is4In6() { // no address is looked at in that form
		if p.Bits() < 96 {
			return netip.Prefix{}, fmt.Errorf("%q: write IPv4 ranges as such", s)
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

// served is told of each request: nil if nobody wants to know.
func (o *guardOptions) served(m *metrics, log *slog.Logger) func(api.Served) {
	if !o.log && o.metrics == "" {
		return nil
	}
	return func(r api.Served) {
		m.served(r)
		if o.log {
			log.LogAttrs(context.Background(), slog.LevelInfo, "request", slog.String("operation", r.Operation),
				slog.Int("status", r.Status), slog.String("code", r.Code), slog.Duration("took", r.Took))
		}
	}
}
