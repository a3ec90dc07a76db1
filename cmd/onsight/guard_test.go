package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"onsight/api"
	"onsight/internal/devnet"
	"onsight/internal/store"
)

func TestParsePrefix(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"10.0.0.0/8": "10.0.0.0/8", "10.1.2.3/8": "10.0.0.0/8", "192.0.2.1": "192.0.2.1/32", "::1": "::1/128", "2001:db8::1/32": "2001:db8::/32",
		"::ffff:10.0.0.1": "10.0.0.1/32", "::ffff:10.0.0.0/104": "10.0.0.0/8",
		"": "", "proxy.example": "", "10.0.0.0/33": "", "::ffff:0.0.0.0/90": "", "fe80::1%eth0": "",
	} {
		got, err := parsePrefix(in)
		if (err != nil) != (want == "") || err == nil && got != netip.MustParsePrefix(want) {
			t.Errorf("%q: got %v, %v, want %q", in, got, err, want)
		}
	}
}

// TestGuardUsage gives serve settings that mean nothing.
func TestGuardUsage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		says string
		env  map[string]string
		args []string
	}{
		{"--client-rate", nil, []string{"--client-rate", "-1"}},
		{"--client-rate", nil, []string{"--client-rate", "NaN"}},
		{"--client-rate", nil, []string{"--client-rate", "+Inf"}},
		{"--client-burst", nil, []string{"--client-burst", "0"}},
		{"--client-concurrent", nil, []string{"--client-concurrent", "-1"}},
		{"--concurrent", nil, []string{"--concurrent", "-1"}},
		{"--client-connections", nil, []string{"--client-connections", "-1"}},
		{"--connections", nil, []string{"--connections", "-1"}},
		{"--trust-proxy", nil, []string{"--trust-proxy", "proxy.example"}},
		{"--trust-proxy", map[string]string{"ONSIGHT_TRUST_PROXY": "10.0.0.0/8, x"}, nil},
		{"--log-format", nil, []string{"--log-format", "xml"}},
	} {
		if code, _, stderr := runProgram(t, c.env, append([]string{"serve"}, c.args...)...); code != exitUsage || !strings.Contains(stderr, c.says) {
			t.Errorf("%v %v: exit code %d: %s", c.args, c.env, code, stderr)
		}
	}
}

// TestConnections holds that no more connections are let in than there can be files.
func TestConnections(t *testing.T) {
	t.Parallel()
	files := int(fileLimit())
	if files == 0 {
		t.Skip("any number of files may be open")
	}
	most := max(files-spareFiles, files/2)
	for given, want := range map[int]int{0: most, 1: 1, most: most, most + 1: most, math.MaxInt: most} {
		var log lockedBuffer
		o := guardOptions{total: given, lines: 7, limits: api.Limits{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
		got := o.connections(slog.New(slog.NewTextHandler(&log, nil)))
		if got.Total != want || got.Client != 7 || len(got.Free) != 3 || (log.String() != "") != (given > want) {
			t.Errorf("%d asked for: got %+v, want %d; log: %s", given, got, want, log.String())
		}
		o.limits.Loopback = true
		if got := o.connections(slog.New(slog.DiscardHandler)); len(got.Free) != 1 {
			t.Errorf("--limit-loopback: %v have as many as they like", got.Free)
		}
	}
}

// TestMetrics holds what is counted of requests and daemons.
func TestMetrics(t *testing.T) {
	t.Parallel()
	m := newMetrics()
	for range 3 {
		m.served(api.Served{Operation: "name", Status: 200, Took: 200 * time.Microsecond})
	}
	m.served(api.Served{Status: 404, Code: "no_such_path"})
	at := time.Unix(1735689600, 0)
	bad := []api.Upstream{{URL: "http://a", Error: "does not answer", AskedAt: at}, {URL: "http://b", AskedAt: at}}
	m.round(bad)
	m.round(bad) // was not asked again
	bad[0].AskedAt = at.Add(time.Second)
	m.round(bad)
	lines := gather(t, m)
	for _, want := range []string{
		`onsight_request_seconds_bucket{operation="name",le="0.0001"} 0`, `onsight_request_seconds_bucket{operation="name",le="0.00025"} 3`,
		`onsight_requests_total{code="",operation="name",status="200"} 3`, `onsight_requests_total{code="no_such_path",operation="none",status="404"} 1`,
		`onsight_upstream_errors_total{error="does not answer",upstream="http://a"} 2`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no %s in\n%s", want, strings.Join(lines, "\n"))
		}
	}
}

// gather returns the lines that metrics are served as.
func gather(t *testing.T, m *metrics) []string {
	t.Helper()
	w := httptest.NewRecorder()
	m.handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	return strings.Split(w.Body.String(), "\n")
}

func TestHistogramOf(t *testing.T) {
	t.Parallel()
	m := newMetrics()
	m.registry.MustRegister(oneMetric{histogramOf([]store.ReorgDepth{{Depth: 1, Count: 4}, {Depth: 4, Count: 2}, {Depth: 99, Count: 1}})})
	lines := strings.Join(gather(t, m), "\n")
	for _, want := range []string{`{le="1"} 4`, `{le="3"} 4`, `{le="5"} 6`, `{le="50"} 6`, `{le="+Inf"} 7`} {
		if !strings.Contains(lines, "onsight_reorg_depth_blocks_bucket"+want) {
			t.Errorf("no %s in\n%s", want, lines)
		}
	}
}

// oneMetric collects one.
type oneMetric struct{ prometheus.Metric }

func (o oneMetric) Describe(to chan<- *prometheus.Desc) { to <- o.Desc() }
func (o oneMetric) Collect(to chan<- prometheus.Metric) { to <- o.Metric }

// lockedBuffer is what several goroutines write to.
type lockedBuffer struct {
	mu sync.Mutex // guards b
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestServeGuarded runs serve as behind a proxy, with all that tells the operator of requests: clients are held to their
// limits, and what they asked and who they are stands in no log and no metric.
func TestServeGuarded(t *testing.T) {
	t.Parallel()
	chain, truth := devnet.Generate(devnet.GenerateConfig{Seed: 21, Blocks: 400, ONS: 60})
	d, err := devnet.Serve(chain, devnet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	says, out := io.Pipe()
	var log lockedBuffer
	p := program{stdout: out, stderr: &log, env: func(string) string { return "" }}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	code := make(chan int, 1)
	go func() {
		defer out.Close()
		code <- p.run(ctx, []string{
			"serve", "--listen", "127.0.0.1:0", "--db", filepath.Join(t.TempDir(), "names.db"), "--oxend", d.URL(), "--interval", "1s", "--probe-every", "0",
			"--metrics", "127.0.0.1:0", "--log-requests", "--log-format", "json", "--trust-proxy", "127.0.0.0/8", "--client-rate", "0.001", "--client-burst", "5", "-v",
		})
	}()
	line, err := bufio.NewReader(says).ReadString('\n')
	if err != nil {
		t.Fatalf("serve said nothing: %v: %s", err, log.String())
	}
	s := &server{url: strings.TrimSpace(strings.TrimPrefix(line, "serving "))}
	await(t, "the server", s.ready)

	key := truth.Keys()[0]
	secret := []string{key.Hash.String(), "198.51.100.77", "2001:db8", "canary", truth.Open()[0].Name.String()}
	status := map[int]int{}
	for range 8 {
		for _, path := range []string{"/v1/names/" + key.Type.String() + "/" + key.Hash.String(), "/canary", "/v1/status?canary=1"} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Forwarded-For", "2001:db8::1, 198.51.100.77")
			r.Header.Set("User-Agent", "canary")
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			status[res.StatusCode]++
		}
	}
	if diff := cmp.Diff(map[int]int{200: 2, 404: 2, 400: 1, 429: 19}, status); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	var at string
	for line := range strings.Lines(log.String()) {
		var entry struct{ Msg, Address string }
		if err := json.Unmarshal([]byte(line), &entry); err == nil && entry.Msg == "serving metrics" {
			at = entry.Address
		}
	}
	res, err := http.Get("http://" + at + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	metrics := string(b)
	for _, want := range []string{
		"onsight_tip_height 399\n", "onsight_tip_age_seconds ", "onsight_distance_seconds ", "onsight_lag_blocks 0\n", "onsight_ready 1\n", "onsight_final_height ",
		`onsight_names{type="session"} `, `onsight_upstream_up{upstream="` + d.URL() + `"} 1`, `onsight_upstream_height{upstream="` + d.URL() + `"} 399`,
		"onsight_reorg_depth_blocks_count 0\n", "onsight_requests_running 0\n", "go_goroutines ",
		`onsight_connections{state="waiting"} `, "onsight_connection_clients 0\n", `onsight_connections_total{outcome="accepted"} `,
		`onsight_connections_total{outcome="refused_client"} 0`, "onsight_connections_displaced_total 0\n", "onsight_connections_stalled_total 0\n",
		`onsight_requests_total{code="",operation="name",status="200"} 2`, `onsight_requests_total{code="rate_limited",operation="name",status="429"} 6`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	// Metrics are nowhere else.
	if res, err := http.Get(s.url + "/metrics"); err != nil || res.StatusCode != http.StatusNotFound {
		t.Errorf("metrics where names are: %v, %v", res, err)
	}
	stop()
	if got := <-code; got != 0 {
		t.Errorf("exit code %d: %s", got, log.String())
	}
	if !strings.Contains(log.String(), `"msg":"request","operation":"name","status":429,"code":"rate_limited","took":`) {
		t.Errorf("no line of a request in %s", log.String())
	}
	for _, word := range secret {
		if strings.Contains(metrics, word) || strings.Contains(log.String(), word) {
			t.Errorf("%s stands in a log or a metric", word)
		}
	}
}
