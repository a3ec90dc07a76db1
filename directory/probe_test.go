package directory

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"onsight/internal/devnet"
)

func startNetwork(t testing.TB, cfg devnet.Config) *devnet.Network {
	t.Helper()
	cfg.Seed, cfg.Past = 1, 50
	n, err := devnet.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// staked are a network's nodes as a list gives them, as far as a probe looks.
func staked(n *devnet.Network) []Node {
	var nodes []Node
	for _, x := range n.Nodes() {
		nodes = append(nodes, Node{Key: x.Key(), State: Active, IP: x.IP(), StoragePort: x.HTTPSPort(), OMQPort: x.OMQPort()})
	}
	return nodes
}

// sweepOnce is a round in which everything that can be checked is.
func sweepOnce(t testing.TB, p *Probe, nodes []Node) map[Key]Sample {
	t.Helper()
	checks, err := p.Round(t.Context(), nodes)
	if err != nil {
		t.Fatal(err)
	}
	got := map[Key]Sample{}
	for _, c := range checks {
		got[c.Key] = c.Sample
	}
	if len(got) != len(checks) {
		t.Fatalf("got %d checks of %d nodes", len(checks), len(got))
	}
	return got
}

// TestProbeFaults checks nodes with everything a devnet's can have.
func TestProbeFaults(t *testing.T) {
	n := startNetwork(t, devnet.Config{Nodes: 8})
	for i, f := range []devnet.NodeFaults{
		{}, {Delay: 40 * time.Millisecond}, {Loss: 1}, {Down: true}, {Clock: time.Hour}, {Status: 503}, {Status: 500}, {Delay: time.Minute},
	} {
		if err := n.Node(i).SetFaults(f); err != nil {
			t.Fatal(err)
		}
	}
	nodes := staked(n)
	var seen int
	now := func() time.Time { return t0 }
	p := NewProbe(ProbeConfig{Timeout: time.Minute, Now: now, Progress: func(done, of int, c Check) {
		if seen++; done != seen || of != 7 {
			t.Errorf("got progress %d of %d, want %d of 7", done, of, seen)
		}
	}})
	got := sweepOnce(t, p, nodes[:7])
	hangs := sweepOnce(t, NewProbe(ProbeConfig{Timeout: 3 * time.Second, Now: now}), nodes[7:]) // others would fail by it on a busy machine
	got[nodes[7].Key] = hangs[nodes[7].Key]
	for i, want := range []struct {
		ok      bool
		failure string
		steps   int
	}{
		{true, "", 4}, {true, "", 4}, {false, "answer: cut off", 3}, {false, "port: refused", 0}, {true, "", 4},
		{false, "answered 503: not done syncing", 3}, {false, "answered 500", 3}, {false, "answer: timed out", 3},
	} {
		s := got[nodes[i].Key]
		steps := 0
		for _, d := range []time.Duration{s.TCP, s.TLS, s.Info, s.OMQ} {
			if d >= 0 {
				steps++
			}
		}
		if s.OK != want.ok || s.Failure != want.failure || steps != want.steps || s.At != t0 {
			t.Errorf("node %d: got %+v, want OK %v, %q, %d steps, at %v", i, s, want.ok, want.failure, want.steps, t0)
		}
		if s.OK && s.Version != (Version{2, 11, 0}) || !s.OK && s.Version != (Version{}) {
			t.Errorf("node %d: got version %v", i, s.Version)
		}
	}
	if d := got[nodes[1].Key].Info; d < 40*time.Millisecond {
		t.Errorf("got %v from a node with a delay of 40ms", d)
	}
	// The nodes' clock is the machine's, ours stands still at t0.
	off := got[nodes[4].Key].ClockOffset - got[nodes[0].Key].ClockOffset
	if (off - time.Hour).Abs() > 5*time.Second {
		t.Errorf("got an offset of %v more than a node with a right clock, want 1h", off)
	}
}

// TestProbeOMQ: a node whose OMQ port is closed answers all the same, and it is said.
func TestProbeOMQ(t *testing.T) {
	n := startNetwork(t, devnet.Config{Nodes: 2})
	nodes := staked(n)
	if err := n.Node(1).Down(); err != nil {
		t.Fatal(err)
	}
	nodes[0].OMQPort = nodes[1].OMQPort
	nodes[0].IP, nodes[1].IP = n.Node(0).IP(), n.Node(1).IP()
	one := nodes[0]
	p := NewProbe(ProbeConfig{})
	if s := sweepOnce(t, p, []Node{one})[one.Key]; !s.OK || s.OMQ != NotTried || s.Failure != "OMQ port: refused" {
		t.Errorf("got %+v", s)
	}
	// Its own OMQ port speaks no TLS.
	plain := one
	plain.StoragePort, plain.OMQPort = n.Node(0).OMQPort(), 0
	if s := sweepOnce(t, p, []Node{plain})[one.Key]; s.OK || s.TCP < 0 || s.TLS >= 0 || s.Failure != "TLS: failed" {
		t.Errorf("without TLS: got %+v", s)
	}
	one.OMQPort = 0
	if s := sweepOnce(t, p, []Node{one})[one.Key]; !s.OK || s.OMQ != NotTried || s.Failure != "" {
		t.Errorf("without the port: got %+v", s)
	}
}

// refused is a dialer that fails the test: nothing may be connected to.
func refused(t *testing.T) func(context.Context, string, string) (net.Conn, error) {
	return func(_ context.Context, _, address string) (net.Conn, error) {
		t.Errorf("connected to %s", address)
		return nil, syscall.ECONNREFUSED
	}
}

func TestProbeRefuses(t *testing.T) {
	node := func(ip string) Node {
		return Node{Key: keyOf(1), State: Active, IP: netip.MustParseAddr(ip), StoragePort: 22021, OMQPort: 22020}
	}
	p := NewProbe(ProbeConfig{Public: true, Dial: refused(t)})
	for _, ip := range []string{
		"127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "0.1.2.3",
		"224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1",
		"::", "::1", "fe80::1", "fe80::1%eth0", "2606:4700::1%eth0", "fc00::1", "fd12::1", "ff02::1", "fec0::1", "2001:db8::1", "2001::1", "2002:7f00:1::1", "3fff::1",
		"64:ff9b::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::7f00:1", "4000::1",
	} {
		n := node(ip)
		if err := p.Refuses(&n); !errors.Is(err, ErrAddress) {
			t.Errorf("%s: got error %v, want ErrAddress", ip, err)
		}
		if checks, err := p.Round(t.Context(), []Node{n}); len(checks) != 0 || err != nil {
			t.Errorf("%s: got %v, %v from a round", ip, checks, err)
		}
		if due := p.Due([]Node{n}, func(Key) time.Time { return time.Time{} }); len(due) != 0 {
			t.Errorf("%s: it is due", ip)
		}
	}
	for _, ip := range []string{"1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "192.0.1.1", "198.20.0.1", "223.255.255.255", "2606:4700::1", "::ffff:8.8.8.8"} {
		n := node(ip)
		if err := p.Refuses(&n); err != nil {
			t.Errorf("%s: got error %v", ip, err)
		}
	}
	loopback := NewProbe(ProbeConfig{})
	for name, c := range map[string]struct {
		change func(*Node)
		want   error
	}{
		"loopback":   {func(n *Node) {}, nil},
		"no address": {func(n *Node) { n.IP = netip.Addr{} }, ErrAddress},
		"any":        {func(n *Node) { n.IP = netip.IPv4Unspecified() }, ErrAddress},
		"no port":    {func(n *Node) { n.StoragePort = 0 }, ErrAddress},
		"gone":       {func(n *Node) { n.State = Gone }, ErrAddress},
	} {
		n := node("127.0.0.1")
		c.change(&n)
		if err := loopback.Refuses(&n); !errors.Is(err, c.want) {
			t.Errorf("%s: got error %v, want %v", name, err, c.want)
		}
	}
}

// TestProbeBounds: never more checks at once than allowed, none of a node twice, and the order is that of the nodes.
func TestProbeBounds(t *testing.T) {
	var under, most, dials atomic.Int64
	p := NewProbe(ProbeConfig{Parallel: 7, Pace: -1, Dial: func(context.Context, string, string) (net.Conn, error) {
		for n := under.Add(1); n > most.Load(); {
			most.Store(n)
		}
		runtime.Gosched()
		dials.Add(1)
		under.Add(-1)
		return nil, syscall.ECONNREFUSED
	}})
	var nodes []Node
	for i := range 500 {
		nodes = append(nodes, Node{Key: keyOf(i), IP: netip.MustParseAddr("127.0.0.1"), StoragePort: 1})
	}
	checks, err := p.Round(t.Context(), slices.Concat(nodes, nodes[:100]))
	if err != nil || len(checks) != 500 || dials.Load() != 500 || most.Load() > 7 {
		t.Errorf("got %d checks, %d dials, %d at once, error %v; want 500, 500, at most 7", len(checks), dials.Load(), most.Load(), err)
	}
	for i, c := range checks {
		if c.Key != nodes[i].Key {
			t.Fatalf("check %d is of another node", i)
		}
	}
}

// TestProbeResources: what this machine lacks is no fault of a node.
func TestProbeResources(t *testing.T) {
	n := 0
	p := NewProbe(ProbeConfig{Parallel: 1, Dial: func(context.Context, string, string) (net.Conn, error) {
		if n++; n == 2 {
			return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}
		}
		return nil, syscall.ECONNREFUSED
	}})
	var nodes []Node
	for i := range 3 {
		nodes = append(nodes, Node{Key: keyOf(i), IP: netip.MustParseAddr("127.0.0.1"), StoragePort: 1})
	}
	checks, err := p.Round(t.Context(), nodes)
	if !errors.Is(err, ErrResources) || len(checks) != 2 || checks[0].Key != keyOf(0) || checks[1].Key != keyOf(2) {
		t.Errorf("got %d checks, error %v; want those of nodes 0 and 2, and ErrResources", len(checks), err)
	}
}

// TestProbeCancel ends a round in the middle: what was checked is returned, what was cut off is no failure, nothing runs on.
func TestProbeCancel(t *testing.T) {
	n := startNetwork(t, devnet.Config{Nodes: 12})
	for i := range 8 {
		if err := n.Node(4 + i).Delay(time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	nodes := staked(n)
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := NewProbe(ProbeConfig{Timeout: time.Minute, Progress: func(done, _ int, _ Check) {
		if done == 4 {
			cancel() // the other eight hang in info
		}
	}})
	checks, err := p.Round(ctx, nodes)
	if !errors.Is(err, context.Canceled) || len(checks) != 4 {
		t.Errorf("got %d checks, error %v; want 4, context.Canceled", len(checks), err)
	}
	for _, c := range checks {
		if !c.Sample.OK {
			t.Errorf("got %+v", c)
		}
	}
	if checks, err := p.Round(ctx, nodes); !errors.Is(err, context.Canceled) || len(checks) != 0 {
		t.Errorf("after the end: got %d checks, error %v", len(checks), err)
	}
	// The nodes' side of the connections winds up by itself.
	for end := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(end) {
			b := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, b[:runtime.Stack(b, true)])
		}
	}
}

// TestDue runs a day over fake time, asking every few seconds: each node has one check in each period, they spread over it,
// and never follow closely; also when the program starts anew, with other places.
func TestDue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := newRand(rapid.Uint64().Draw(t, "seed"))
		every := time.Duration(rapid.IntRange(1, 60).Draw(t, "minutes")) * time.Minute
		step := every / time.Duration(rapid.IntRange(20, 100).Draw(t, "asked a period"))
		var nodes []Node
		for i := range 40 {
			nodes = append(nodes, Node{Key: keyOf(i), IP: netip.MustParseAddr("127.0.0.1"), StoragePort: 1})
		}
		now := t0.Truncate(every)
		start := func() *Probe {
			return NewProbe(ProbeConfig{Every: every, Now: func() time.Time { return now }, Rand: rng})
		}
		p, last := start(), map[Key]time.Time{}
		const periods = 12
		count := map[Key]map[int64]int{}
		again := rapid.IntRange(0, 2).Draw(t, "restarts") > 0
		for end := now.Add(periods * every); now.Before(end); now = now.Add(step) {
			if again && rng.IntN(100) == 0 {
				p = start()
			}
			for _, n := range p.Due(nodes, func(k Key) time.Time { return last[k] }) {
				if was := last[n.Key]; !was.IsZero() && now.Sub(was) < time.Duration(rest*float64(every)) {
					t.Fatalf("checked at %v and at %v", was, now)
				}
				period := now.UnixNano() / int64(every)
				if count[n.Key] == nil {
					count[n.Key] = map[int64]int{}
				}
				count[n.Key][period]++
				last[n.Key] = now
			}
		}
		for k, c := range count {
			for period, n := range c {
				if n != 1 {
					t.Fatalf("%v: %d checks in period %d", k, n, period)
				}
			}
			if len(c) < periods-1 { // the last place may be after the last question
				t.Fatalf("%v: checked in %d periods of %d", k, len(c), periods)
			}
		}
		if len(count) != len(nodes) {
			t.Fatalf("%d nodes of %d were checked", len(count), len(nodes))
		}
	})
}

// TestDueSpreads: in an ordinary period of 2,000 nodes, no minute has many more checks than another.
func TestDueSpreads(t *testing.T) {
	start := t0.Truncate(10 * time.Minute)
	now := start
	p := NewProbe(ProbeConfig{Now: func() time.Time { return now }, Rand: newRand(1)})
	var nodes []Node
	last := map[Key]time.Time{}
	for i := range 2000 {
		nodes = append(nodes, Node{Key: keyOf(i), IP: netip.MustParseAddr("127.0.0.1"), StoragePort: 1})
		last[keyOf(i)] = start.Add(-9 * time.Minute)
	}
	for minute := range 9 {
		checks := 0
		for range 6 {
			now = now.Add(10 * time.Second)
			for _, n := range p.Due(nodes, func(k Key) time.Time { return last[k] }) {
				last[n.Key], checks = now, checks+1
			}
		}
		if most := 300; checks > most || checks < 20 {
			t.Errorf("minute %d has %d checks, want 20 to %d", minute, checks, most)
		}
	}
	for k, at := range last {
		if at.Before(start) {
			t.Errorf("%v was not checked", k)
		}
	}
}

// TestDueClock: a clock that was set back does not stop the checks.
func TestDueClock(t *testing.T) {
	n := Node{Key: keyOf(1), IP: netip.MustParseAddr("127.0.0.1"), StoragePort: 1}
	p := NewProbe(ProbeConfig{Now: func() time.Time { return t0 }})
	if due := p.Due([]Node{n}, func(Key) time.Time { return t0.Add(time.Hour) }); len(due) != 1 {
		t.Error("a node that was checked in the future is not due")
	}
}

// accuracyTries is how often a machine may have been too busy with something else while it measured.
const accuracyTries = 4

// TestProbeAccuracy measures 20 nodes with delays of 20 to 60 ms 20 times each, some losing requests, in real time: it is
// about how exact the figures are, not how fast. They are those of a machine that does nothing else meanwhile, so it runs
// only where ACCURACY=1 says that it runs alone.
func TestProbeAccuracy(t *testing.T) {
	if os.Getenv("ACCURACY") != "1" {
		t.Skip("measures in real time, which takes a machine that does nothing else: ACCURACY=1 go test -run TestProbeAccuracy ./directory")
	}
	n := startNetwork(t, devnet.Config{Nodes: 20})
	for i := range n.Nodes() {
		f := devnet.NodeFaults{Delay: accuracyDelay(i)}
		if i%4 == 3 {
			f.Loss = accuracyLoss
		}
		if err := n.Node(i).SetFaults(f); err != nil {
			t.Fatal(err)
		}
	}
	for try := 1; ; try++ {
		median, outside := measureAccuracy(t, staked(n))
		if median <= 1 && outside <= 1 { // 95 % intervals: one of the five lossy nodes may be outside
			return
		}
		if try == accuracyTries {
			t.Fatalf("the median node's error is %.2f of what is allowed, %d nodes have a loss outside of their interval", median, outside)
		}
	}
}

const accuracyLoss = 0.3 // of every fourth node's requests

func accuracyDelay(i int) time.Duration { return time.Duration(20+2*i) * time.Millisecond }

// measureAccuracy returns the median node's error over what is allowed, and how many nodes lose more or less than their
// interval says.
func measureAccuracy(t *testing.T, nodes []Node) (median float64, outside int) {
	t.Helper()
	estimates := map[Key]Estimate{}
	p := NewProbe(ProbeConfig{Parallel: 4})
	for range 20 {
		for k, s := range sweepOnce(t, p, nodes) {
			estimates[k] = estimates[k].Add(s)
		}
	}
	var errs []float64
	var lost, tried uint32
	for i := range nodes {
		e, want := estimates[nodes[i].Key], accuracyDelay(i)
		if e.Tried != 20 {
			t.Fatalf("node %d: %d samples", i, e.Tried)
		}
		errs = append(errs, float64((e.P50-want).Abs())/float64(max(2*time.Millisecond, want/20)))
		truth := 0.0
		if i%4 == 3 {
			truth, lost, tried = accuracyLoss, lost+e.Lost, tried+e.Tried
		}
		if _, low, high := e.Loss(); truth < low || truth > high {
			outside++
		}
	}
	slices.Sort(errs)
	median = errs[len(errs)/2]
	t.Logf("error over max(2 ms, 5 %%): median %.2f, worst %.2f; loss %d of %d where %.0f %% are lost, %d of 20 nodes outside of their interval",
		median, errs[len(errs)-1], lost, tried, 100*accuracyLoss, outside)
	return median, outside
}
