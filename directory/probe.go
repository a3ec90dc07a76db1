package directory

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"onsight/internal/snode"
)

// ErrAddress means that a node is not to be checked: it has no address or port, or, on a public network, none that is
// anybody's but our own network's.
var ErrAddress = errors.New("no address that may be checked")

// ErrResources means that a check failed for want of something of our own (file descriptors, ports), which says nothing of
// the node.
var ErrResources = errors.New("this machine is out of resources")

// ProbeConfig says how nodes are checked. The zero ProbeConfig is good for a network on loopback; others set Public.
type ProbeConfig struct {
	Every    time.Duration // a node is checked once in each such period; 0: ten minutes
	Parallel int           // checks under way at once; 0: 64
	Pace     time.Duration // between the starts of two checks, so that they do not delay each other; 0: 2 ms, negative: none
	Timeout  time.Duration // of the storage port, and again of the OMQ port; 0: 5 s
	Public   bool          // refuse addresses that are not of the public Internet

	Dial     func(ctx context.Context, network, address string) (net.Conn, error) // nil: a net.Dialer
	Now      func() time.Time                                                     // of samples and periods; nil: time.Now
	Rand     *rand.Rand                                                           // of the places in a period, read once by NewProbe; nil: a real one
	Progress func(done, of int, c Check)                                          // called for each check as it ends, one at a time; nil: not called
}

// Probe checks nodes from this machine: TCP, TLS and info of the storage port, then TCP of the OMQ port. It connects to
// nodes directly, by address, and sends them nothing but the question for info, which is the same from everybody. Its
// methods may be used by many goroutines at once.
type Probe struct {
	ProbeConfig
	client *snode.Client
	seed   uint64
}

// NewProbe returns a Probe. It does nothing yet.
func NewProbe(cfg ProbeConfig) *Probe {
	cfg.Every = cmp.Or(max(cfg.Every, 0), Checks.Interval)
	cfg.Parallel = cmp.Or(max(cfg.Parallel, 0), 64)
	cfg.Pace = cmp.Or(cfg.Pace, 2*time.Millisecond)
	cfg.Timeout = cmp.Or(max(cfg.Timeout, 0), 5*time.Second)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	p := &Probe{ProbeConfig: cfg, client: &snode.Client{Dial: cfg.Dial, Timeout: cfg.Timeout, Now: cfg.Now}}
	if p.seed = rand.Uint64(); cfg.Rand != nil {
		p.seed = cfg.Rand.Uint64()
	}
	return p
}

// Refuses returns an error that wraps ErrAddress for a node that is never checked, and says why; nil for others.
func (p *Probe) Refuses(n *Node) error {
	switch {
	case n.State == Gone:
		return fmt.Errorf("%w: it is %s", ErrAddress, Gone)
	case !n.IP.IsValid() || n.IP.IsUnspecified() || n.StoragePort == 0:
		return fmt.Errorf("%w: it has sent none yet", ErrAddress)
	case p.Public && !public(n.IP):
		return fmt.Errorf("%w: %s is not public", ErrAddress, n.IP)
	}
	return nil
}

const (
	// jitter is the part of a period by which a node's place in it varies from one to the next.
	jitter = 0.1
	// spread is the part of a period, from its start, that places without their jitter lie in: the end is for who asks late.
	spread = 0.8
	// rest is the part of a period that always lies between two checks of a node, whatever was done before a restart.
	rest = 0.8
)

// Due returns the nodes to check now, in any order; last tells when one was last checked, zero for never.
//
// Periods lie on the clock, as the slots of a Ring and the periods of a Judge do, and each has one check of a node: at a
// place that is the node's own in this Probe, so that checks spread over the period, give or take a tenth of it. A node that
// was never checked is due at once. Whoever asks ten times a period or more misses none.
func (p *Probe) Due(nodes []Node, last func(Key) time.Time) []Node {
	now := p.Now()
	period := now.UnixNano() / int64(p.Every)
	start := time.Unix(0, period*int64(p.Every))
	var due []Node
	for i := range nodes {
		n := &nodes[i]
		if p.Refuses(n) != nil {
			continue
		}
		at := last(n.Key)
		if at.After(now) {
			at = time.Time{} // our clock was set back: what it said before is worth nothing
		}
		place := start.Add(p.place(n.Key, period))
		if at.IsZero() || at.Before(start) && !now.Before(place) && now.Sub(at) >= time.Duration(rest*float64(p.Every)) {
			due = append(due, *n)
		}
	}
	return due
}

// place is where in a period a node's check is due.
func (p *Probe) place(k Key, period int64) time.Duration {
	own := share(p.seed, binary.LittleEndian.Uint64(k[:]))
	once := share(p.seed^uint64(period), binary.LittleEndian.Uint64(k[8:]))
	return time.Duration((spread*own + jitter*once) * float64(p.Every))
}

// share is at least 0 and less than 1, the same for the same arguments.
func share(seed, of uint64) float64 { return rand.New(rand.NewPCG(seed, of)).Float64() }

// Round checks nodes, each once, and returns what came of it in the order they were given in. A node that Refuses speaks
// against is left out, and one that is given twice is checked once.
//
// The error says why there are not checks of all others: it is the context's when that ended, which the checks then under
// way do not outlive, or wraps ErrResources. What could be checked is returned with it.
func (p *Probe) Round(ctx context.Context, nodes []Node) ([]Check, error) {
	s := sweep{Probe: p, start: time.Now()}
	seen := map[Key]bool{}
	for i := range nodes {
		if n := &nodes[i]; !seen[n.Key] && p.Refuses(n) == nil {
			seen[n.Key] = true
			s.nodes = append(s.nodes, n)
		}
	}
	s.checks = make([]*Check, len(s.nodes))
	var workers sync.WaitGroup
	for range min(p.Parallel, len(s.nodes)) {
		workers.Go(func() { s.work(ctx) })
	}
	workers.Wait()
	checks := make([]Check, 0, len(s.checks))
	for _, c := range s.checks {
		if c != nil {
			checks = append(checks, *c)
		}
	}
	if ctx.Err() != nil && len(checks) < len(s.nodes) {
		return checks, ctx.Err()
	}
	return checks, s.err
}

// sweep is one round under way.
type sweep struct {
	*Probe
	nodes []*Node

	mu     sync.Mutex // guards what follows, and calls of Progress
	next   int        // of nodes
	start  time.Time  // of the next check, not before
	checks []*Check   // by node; nil: none
	done   int
	err    error
}

// work takes one node after another until there is none, or the context ends.
func (s *sweep) work(ctx context.Context) {
	for {
		i, wait := s.take()
		if i < 0 || !pause(ctx, wait) {
			return
		}
		c, err := s.check(ctx, s.nodes[i])
		if ctx.Err() != nil {
			return // what was cut off is no failure of the node's
		}
		s.put(i, c, err)
	}
}

// take returns the next node to check, -1 if there is none, and in what time.
func (s *sweep) take() (i int, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == len(s.nodes) {
		return -1, 0
	}
	s.next++
	now := time.Now()
	if s.start.Before(now) {
		s.start = now
	}
	wait = s.start.Sub(now)
	s.start = s.start.Add(max(s.Pace, 0))
	return s.next - 1, wait
}

func (s *sweep) put(i int, c Check, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done++
	if err != nil {
		s.err = cmp.Or(s.err, err)
		return
	}
	s.checks[i] = &c
	if s.Progress != nil {
		s.Progress(s.done, len(s.nodes), c)
	}
}

// pause lets time pass; false if the context ended.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// check checks one node. The error wraps ErrResources; whatever the node does is in the Check.
func (p *Probe) check(ctx context.Context, n *Node) (Check, error) {
	s := Sample{At: p.Now(), OMQ: NotTried}
	info, took, err := p.client.Info(ctx, netip.AddrPortFrom(n.IP, n.StoragePort))
	if own(err) {
		return Check{}, fmt.Errorf("%w: %w", ErrResources, err)
	}
	s.TCP, s.TLS, s.Info = took.TCP, took.TLS, took.Request
	switch {
	case err == nil:
		s.OK, s.ClockOffset, s.Version = true, info.Offset, info.Version
	case !n.Active && idle(err):
		s.OK = true // it is up, and says what the chain says
	default:
		s.Failure = failure(err, took)
	}
	if n.OMQPort != 0 && ctx.Err() == nil {
		if s.OMQ, err = p.client.Connect(ctx, netip.AddrPortFrom(n.IP, n.OMQPort)); own(err) {
			return Check{}, fmt.Errorf("%w: %w", ErrResources, err)
		}
		if err != nil && s.OK {
			s.Failure = "OMQ " + failure(err, snode.Timings{TCP: -1})
		}
	}
	return Check{Key: n.Key, Sample: s}, nil
}

// own reports whether an error is this machine's, not the node's.
func own(err error) bool {
	for _, e := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// idle reports whether a server answered that it has nothing to do, as that of a decommissioned node does.
func idle(err error) bool {
	var status *snode.StatusError
	return errors.As(err, &status) && status.Reason == snode.ReasonNoSwarm
}

// failure says in a few words of ours why a server did not answer. Nothing that it sent is in them.
func failure(err error, took snode.Timings) string {
	var status *snode.StatusError
	step := "port"
	switch {
	case took.TCP >= 0 && took.TLS >= 0:
		step = "answer"
	case took.TCP >= 0:
		step = "TLS"
	}
	var network net.Error
	switch {
	case errors.As(err, &status):
		return status.Error()
	case errors.Is(err, snode.ErrAnswer):
		return snode.ErrAnswer.Error()
	case errors.Is(err, snode.ErrTooLarge):
		return snode.ErrTooLarge.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return step + ": timed out"
	case errors.Is(err, syscall.ECONNREFUSED):
		return step + ": refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return step + ": no route"
	case step == "port":
		return step + ": not open"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return step + ": cut off"
	}
	return step + ": failed"
}

// special are the addresses that are not of the public Internet although they look like it: IANA's registries of
// special-purpose addresses, https://www.iana.org/assignments/iana-ipv4-special-registry and …-ipv6-…. Of IPv6 only what
// is in 2000::/3 is given to anybody; of that, what embeds an IPv4 address or is nobody's.
var special = prefixes("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")

var unicast6 = netip.MustParsePrefix("2000::/3")

func prefixes(all ...string) (ps []netip.Prefix) {
	for _, p := range all {
		ps = append(ps, netip.MustParsePrefix(p))
	}
	return ps
}

// public reports whether an address can be somebody's on the Internet.
func public(a netip.Addr) bool {
	if a = a.Unmap(); !a.IsValid() || a.Zone() != "" || a.Is6() && !unicast6.Contains(a) {
		return false
	}
	return !slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(a) })
}
