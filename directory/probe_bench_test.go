package directory_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"onsight/directory"
	"onsight/internal/devnet"
	"onsight/internal/snode"
	"onsight/internal/store"
)

// probeServer is set in the process that BenchmarkProbe measures against, so that the nodes' CPU is not ours.
const probeServer = "ONSIGHT_TEST_PROBE_SERVER"

// TestProbeServer is that process: it says where its daemon is, and ends when its input does.
func TestProbeServer(t *testing.T) {
	if os.Getenv(probeServer) == "" {
		t.Skip("is a part of BenchmarkProbe")
	}
	fmt.Println(startNet(t, devnet.Config{Seed: 1, Nodes: 200, Past: 60}).Oxend())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func startServer(b *testing.B) (oxend string) {
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
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(line)
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

// benchBatch is how many checks are stored at once: with 2,000 nodes and a look every ten seconds, those that are due.
const benchBatch = 40

// BenchmarkProbe compares the CPU of a check with that of a bare dial: of the two ports, and storing it in a database that
// has three days of every node. The TLS that no check can do without is measured by itself and taken off. The sides take
// turns, the medians count.
func BenchmarkProbe(b *testing.B) {
	pool := newPool(b, time.Now, startServer(b))
	db := openStore(b, store.Config{Path: filepath.Join(b.TempDir(), "ons.db")})
	epoch, err := db.Begin(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	d := directory.New(directory.Config{Store: db, Epoch: epoch, Pool: pool})
	if err := d.Refresh(b.Context()); err != nil {
		b.Fatal(err)
	}
	var nodes []directory.Node
	for _, e := range d.Snapshot().Entries {
		nodes = append(nodes, e.Node)
	}
	if err := d.Record(b.Context(), threeDays(nodes)); err != nil {
		b.Fatal(err)
	}
	p := directory.NewProbe(directory.ProbeConfig{Pace: -1})
	var checks []directory.Check
	each := func(do func(net.Conn) error) func() error {
		return func() error {
			for i := range nodes {
				at := netip.AddrPortFrom(nodes[i].IP, nodes[i].StoragePort)
				conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", at.String())
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
			checks, err = p.Round(b.Context(), nodes)
			return err
		}},
		{"store", func() error {
			for batch := range slices.Chunk(checks, benchBatch) {
				if err := d.Record(b.Context(), batch); err != nil {
					return err
				}
			}
			return nil
		}},
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
			if len(checks) != len(nodes) || slices.ContainsFunc(checks, func(c directory.Check) bool { return !c.Sample.OK }) {
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

// threeDays are checks of all nodes until ten minutes ago, as many as the finest ring holds.
func threeDays(nodes []directory.Node) (checks []directory.Check) {
	rng, now := rand.New(rand.NewPCG(1, 1)), time.Now()
	for i := range nodes {
		for k := directory.Checks.Slots; k > 0; k-- {
			took := time.Duration(20_000+rng.IntN(60_000)) * time.Microsecond
			checks = append(checks, directory.Check{Key: nodes[i].Key, Sample: directory.Sample{
				At: now.Add(-time.Duration(k) * directory.Checks.Interval), OK: rng.IntN(20) > 0, TCP: took, TLS: took, Info: took, OMQ: took}})
		}
	}
	return checks
}
