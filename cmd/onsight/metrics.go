package main

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"onsight/api"
	"onsight/internal/gate"
	"onsight/internal/store"
	"onsight/ons"
)

// metrics are the figures of serve. Labels hold what the document of the API lists and the daemons' hosts: nothing that a
// client sends is ever one.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	took     *prometheus.HistogramVec
	failures *prometheus.CounterVec

	lines sync.Map             // of requestLine to requestMeter: a label costs more than a request should
	asked map[string]time.Time // when each daemon was last asked; only round touches it
}

type requestLine struct {
	operation, code string
	status          int
}

type requestMeter struct {
	count prometheus.Counter
	took  prometheus.Observer
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(), asked: map[string]time.Time{},
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "onsight_requests_total", Help: "Requests answered, by operation, status and, of errors, code.",
		}, []string{"operation", "status", "code"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "onsight_request_seconds", Help: "Time from a request's header to the end of writing its reply.",
			Buckets: []float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .05, .25, 1, 5, 30},
		}, []string{"operation"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "onsight_upstream_errors_total", Help: "Rounds after which a daemon was not usable, by why.",
		}, []string{"upstream", "error"}),
	}
	m.registry.MustRegister(m.requests, m.took, m.failures,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// served notes a request.
func (m *metrics) served(r api.Served) {
	line := requestLine{r.Operation, r.Code, r.Status}
	at, ok := m.lines.Load(line)
	if !ok {
		operation := r.Operation
		if operation == "" {
			operation = "none"
		}
		at, _ = m.lines.LoadOrStore(line, requestMeter{
			m.requests.WithLabelValues(operation, strconv.Itoa(r.Status), r.Code), m.took.WithLabelValues(operation),
		})
	}
	meter := at.(requestMeter)
	meter.count.Inc()
	meter.took.Observe(r.Took.Seconds())
}

// round notes how the daemons are after a round. Calls must not overlap.
func (m *metrics) round(upstreams []api.Upstream) {
	for _, u := range upstreams {
		if u.Error != "" && u.AskedAt.After(m.asked[u.URL]) {
			m.failures.WithLabelValues(u.URL, u.Error).Inc()
		}
		m.asked[u.URL] = u.AskedAt
	}
}

// watch adds what is looked up whenever somebody asks.
func (m *metrics) watch(site *api.Server, s *service, entrance *gate.Gate) {
	m.registry.MustRegister(doors{entrance})
	m.registry.MustRegister(figures{site, s})
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "onsight_requests_running", Help: "Requests that count against the limits and are being answered.",
	}, func() float64 { return float64(site.Health().Running) }))
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "onsight_event_streams", Help: "Streams of events that clients hold.",
	}, func() float64 { return float64(site.Health().Streams) }))
}

// handler answers GET /metrics.
func (m *metrics) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, ErrorHandling: promhttp.ContinueOnError}))
	return mux
}

// figures are what the index and the database say when they are asked.
type figures struct {
	site *api.Server
	*service
}

var (
	descTipHeight   = describe("onsight_tip_height", "Height of the newest block of the index.")
	descFinalHeight = describe("onsight_final_height", "Highest block that is known to be final.")
	descTipAge      = describe("onsight_tip_age_seconds", "Time since the newest block says it was made: the figure to watch for a chain or daemon that stands still.")
	descDistance    = describe("onsight_distance_seconds", "No block older than that is missing; see /v1/realtime.")
	descLag         = describe("onsight_lag_blocks", "Blocks that the index is below the best height known of.")
	descReady       = describe("onsight_ready", "1 if it can tell what is not registered; see /readyz.")
	descNames       = describe("onsight_names", "Living names by type.", "type")
	descUsable      = describe("onsight_upstream_up", "1 if the daemon was usable when last asked.", "upstream")
	descHeight      = describe("onsight_upstream_height", "Height of the daemon's newest block when it last answered.", "upstream")
	descReorgs      = describe("onsight_reorg_depth_blocks", "Reorganisations that the database has seen, by how many blocks they undid at most.")
)

// depths are the buckets of reorganisations.
var depths = []float64{1, 2, 3, 5, 10, 20, 50}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// Describe implements prometheus.Collector.
func (f figures) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descTipHeight, descFinalHeight, descTipAge, descDistance, descLag, descReady, descNames, descUsable, descHeight, descReorgs,
	} {
		to <- d
	}
}

// Collect implements prometheus.Collector. What is not known is not there.
func (f figures) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	snap, h := f.index.Snapshot(), f.site.Health()
	if st := snap.State(); st.Tip != nil {
		gauge(descTipHeight, float64(st.Tip.Height))
		gauge(descFinalHeight, float64(st.Final))
		gauge(descTipAge, h.TipAge.Seconds())
	}
	if h.Distance >= 0 {
		gauge(descDistance, h.Distance.Seconds())
	}
	gauge(descLag, float64(h.Lag))
	gauge(descReady, oneIf(h.Ready))
	counts := snap.Counts()
	for _, t := range []ons.Type{ons.Session, ons.Wallet, ons.Lokinet} {
		gauge(descNames, float64(counts[t]), t.String())
	}
	told := map[string]bool{}
	for _, u := range f.upstreams() {
		if told[u.URL] {
			continue // two paths of one host look the same
		}
		told[u.URL] = true
		gauge(descUsable, oneIf(u.Error == ""), u.URL)
		if u.Height > 0 {
			gauge(descHeight, float64(u.Height), u.URL)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	undone, err := f.db.ReorgDepths(ctx)
	if err != nil {
		to <- prometheus.NewInvalidMetric(descReorgs, err)
		return
	}
	to <- histogramOf(undone)
}

// doors are the figures of connections.
type doors struct{ *gate.Gate }

var (
	descConnections = describe("onsight_connections", "Open connections, by whether something of them is being answered.", "state")
	descConnClients = describe("onsight_connection_clients", "Clients that have connections; proxies and this machine are none.")
	descEntered     = describe("onsight_connections_total", "New connections: taken in, or refused as their client, or all, had too many.", "outcome")
	descDisplaced   = describe("onsight_connections_displaced_total", "Waiting connections that were closed for new ones.")
	descStalled     = describe("onsight_connections_stalled_total", "Replies that were given up, since the client did not read them.")
)

// Describe implements prometheus.Collector.
func (d doors) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descConnections, descConnClients, descEntered, descDisplaced, descStalled} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (d doors) Collect(to chan<- prometheus.Metric) {
	s := d.Stats()
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(descConnections, s.Waiting, "waiting")
	gauge(descConnections, max(0, s.Open-s.Waiting), "answered") // the two are not read at one moment
	gauge(descConnClients, s.Clients)
	count(descEntered, s.Accepted, "accepted")
	count(descEntered, s.RefusedClient, "refused_client")
	count(descEntered, s.RefusedTotal, "refused_total")
	count(descDisplaced, s.Displaced)
	count(descStalled, s.Stalled)
}

// scrapeTimeout bounds the one question to the database.
const scrapeTimeout = 5 * time.Second

func histogramOf(undone []store.ReorgDepth) prometheus.Metric {
	buckets := map[float64]uint64{}
	for _, d := range depths {
		buckets[d] = 0
	}
	var count uint64
	var sum float64
	for _, u := range undone {
		count, sum = count+u.Count, sum+float64(u.Depth)*float64(u.Count)
		for _, d := range depths {
			if float64(u.Depth) <= d {
				buckets[d] += u.Count
			}
		}
	}
	return prometheus.MustNewConstHistogram(descReorgs, count, sum, buckets)
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
