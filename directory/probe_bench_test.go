package directory

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"onsight/internal/devnet"
	"onsight/internal/snode"
)

// probeServer is set in the process that BenchmarkProbe measures against, so that the nodes' CPU is not ours.
const probeServer = "ONSIGHT_TEST_PROBE_SERVER"

// TestProbeServer is that process: it prints its nodes, and ends when its input does.
func TestProbeServer(t *testing.T) {
	if os.Getenv(probeServer) == "" {
		t.Skip("is a part of BenchmarkProbe")
	}
	if err := json.NewEncoder(os.Stdout).Encode(staked(startNetwork(t, devnet.Config{Nodes: 200}))); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func startServer(b *testing.B) []Node {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestProbeServer$", "-test.timeout=120s")
	cmd.Env = append(os.Environ(), probeServer+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	r := bufio.NewReader(out)
	line, err := r.ReadBytes('\n')
	if err != nil {
		b.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, r) }() // ends with the process
	var nodes []Node
	if err := json.Unmarshal(line, &nodes); err != nil {
		b.Fatal(err)
	}
	return nodes
}

// cpu is what this process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkProbe compares the CPU of a check, storing included, with that of a bare dial; the TLS that no check can do without
// is measured by itself and taken off. The sides take turns, the medians count.
func BenchmarkProbe(b *testing.B) {
	nodes := startServer(b)
	p := NewProbe(ProbeConfig{Pace: -1})
	var checks []Check
	keep := map[Key]*Trace{}
	each := func(do func(net.Conn) error) func() error {
		return func() error {
			for _, n := range nodes {
				conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", netip.AddrPortFrom(n.IP, n.StoragePort).String())
				if err == nil {
					err = do(conn)
					conn.Close()
				}
				if err != nil {
					return err
				}
			}
			return nil
		}
	}
	sides := []struct {
		name string
		run  func() error
	}{
		{"dial", each(func(net.Conn) error { return nil })},
		{"tls", each(func(c net.Conn) error { return tls.Client(c, snode.TLSConfig()).Handshake() })},
		{"probe", func() (err error) {
			checks, err = p.Round(context.Background(), nodes)
			return err
		}},
		{"store", func() error { return keepChecks(keep, checks) }},
	}
	took := make([][]float64, len(sides)) // µs a node
	for b.Loop() {
		for range 9 {
			for i, s := range sides {
				before := cpu(b)
				if err := s.run(); err != nil {
					b.Fatal(err)
				}
				took[i] = append(took[i], float64((cpu(b)-before).Nanoseconds())/1e3/float64(len(nodes)))
			}
			if len(checks) != len(nodes) || slices.ContainsFunc(checks, func(c Check) bool { return !c.Sample.OK }) {
				b.Fatal("not every node answered")
			}
		}
	}
	median := map[string]float64{}
	for i, s := range sides {
		slices.Sort(took[i])
		median[s.name] = took[i][len(took[i])/2]
		b.ReportMetric(median[s.name], s.name+"-µs")
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric((median["probe"]+median["store"]-(median["tls"]-median["dial"]))/median["dial"], "×dial")
}

// keepChecks does what storing a round costs apart from the database.
func keepChecks(keep map[Key]*Trace, checks []Check) error {
	for _, c := range checks {
		t := keep[c.Key]
		if t == nil {
			t = &Trace{Key: c.Key, Rings: [Rings]*Ring{NewRing(Checks), NewRing(Hours), NewRing(Days)}}
			keep[c.Key] = t
		}
		t.Estimate = t.Estimate.Add(c.Sample)
		t.Rings[0].Append(c.Sample.At, c.Sample.OK, c.Sample.Latency())
		if _, err := t.Estimate.MarshalBinary(); err != nil {
			return err
		}
		if _, err := t.Rings[0].MarshalBinary(); err != nil {
			return fmt.Errorf("%v: %w", c.Key, err)
		}
	}
	return nil
}
