package api_test

import (
	"crypto/ed25519"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"onsight/directory"
	"onsight/internal/devnet"
	"onsight/internal/oxend"
	"onsight/internal/store"
	"onsight/ons"
)

// TestDirectory serves what is known of the nodes of a devnet, from its daemon over the database to the client: a node is
// decommissioned, measured from here and from an enrolled vantage point, and asked for.
func TestDirectory(t *testing.T) {
	t.Parallel()
	net, err := devnet.Start(devnet.Config{Nodes: 14, Past: 60, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { net.Close() })
	client, err := oxend.New(oxend.Config{URL: net.Daemon(0).URL(), Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdle)
	clock := func() time.Time { return now }
	pool, err := oxend.NewPool(oxend.PoolConfig{Clients: []*oxend.Client{client}, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ons.db")
	db, err := store.Open(t.Context(), store.Config{Path: path, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	epoch, err := db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := directory.New(directory.Config{Store: db, Pool: pool, Epoch: epoch, Now: clock})
	cfg := config(indexOf(t, synced()))
	cfg.Nodes, cfg.Directory = dir.Snapshot, dir
	s := serve(t, cfg)
	if code, body := s.do(t, "GET", "/v1/nodes", ""); code != 503 {
		t.Errorf("before the first list: %d %s", code, body)
	}
	if err := dir.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	net.Mine(12) // a quorum tests it
	if err := net.Do(2, devnet.ActDecommission, devnet.ReasonUptime|devnet.ReasonStorage); err != nil {
		t.Fatal(err)
	}
	net.Mine(1)
	if err := dir.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	ask := s.client(t)
	key := directory.Key(net.Node(2).Key()).String()
	list, err := ask.NodesWithResponse(t.Context(), &NodesParams{State: ref("decommissioned"), Fields: ref("key,reasons")})
	if err != nil || list.JSON200 == nil {
		t.Fatalf("%v %s", err, list.Body)
	}
	if one, err := list.JSON200.AsNodes(); err != nil || len(one.Nodes) != 1 || *one.Nodes[0].Key != key || len(one.Nodes[0].Reasons.All) != 2 {
		t.Errorf("%v %s", err, list.Body)
	}
	events, err := ask.NodeEventsWithResponse(t.Context(), key, &NodeEventsParams{})
	if err != nil || events.JSON200 == nil || len(events.JSON200.Events) == 0 {
		t.Fatalf("%v %s", err, events.Body)
	}
	found := false
	for _, e := range events.JSON200.Events {
		found = found || e.Kind == "decommissioned" && strings.Contains(e.Text, "its uptime proofs are late")
	}
	if !found {
		t.Errorf("no decommission with its reasons: %s", events.Body)
	}
	all, err := ask.AllNodeEventsWithResponse(t.Context(), &AllNodeEventsParams{})
	if err != nil || all.JSON200 == nil || len(all.JSON200.Events) <= len(events.JSON200.Events) {
		t.Errorf("%v %.300s", err, all.Body)
	}

	checks := []directory.Check{}
	for _, e := range dir.Snapshot().Entries {
		checks = append(checks, directory.Check{Key: e.Node.Key, Sample: directory.Sample{
			At: now, TCP: 10 * time.Millisecond, TLS: 10 * time.Millisecond, Info: 25 * time.Millisecond, OMQ: directory.NotTried, OK: true,
		}})
	}
	if err := dir.Record(t.Context(), checks); err != nil {
		t.Fatal(err)
	}
	prober := ed25519.NewKeyFromSeed(make([]byte, 32))
	report, err := directory.Report{Network: ons.Fakechain, Sequence: 1, From: now, To: now, Checks: checks}.Sign(prober)
	if err != nil {
		t.Fatal(err)
	}
	post := func() (int, string) {
		t.Helper()
		code, body := s.do(t, "POST", "/v1/probe/reports", string(report))
		if code == 200 {
			return code, ""
		}
		return code, string(problemOf(t, body).Code)
	}
	if code, why := post(); code != 403 || why != "not_enrolled" {
		t.Errorf("a stranger's report: %d %s", code, why)
	}
	if err := db.Enrol(t.Context(), "berlin", prober.Public().(ed25519.PublicKey)); err != nil {
		t.Fatal(err)
	}
	if err := dir.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code, why := post(); code != 200 {
		t.Errorf("the report: %d %s", code, why)
	}
	if code, why := post(); code != 409 || why != "report_out_of_sequence" {
		t.Errorf("the report again: %d %s", code, why)
	}
	report[len(report)-1] ^= 1
	if code, why := post(); code != 403 || why != "wrong_signature" {
		t.Errorf("a forged report: %d %s", code, why)
	}
	for _, vantage := range []string{"here", "berlin"} {
		h, err := ask.NodeHistoryWithResponse(t.Context(), key, &NodeHistoryParams{Vantage: &vantage})
		if err != nil || h.JSON200 == nil || len(h.JSON200.Objects) != 3 || h.JSON200.Objects[0].Count != 1 {
			t.Fatalf("%v %s", err, h.Body)
		}
		if o := h.JSON200.Objects[0]; o.Values[0] == nil || *o.Values[0] != 999 || o.Factor*999 < 0.0249 || o.Factor*999 > 0.0251 {
			t.Errorf("%s: got %+v, want 25 ms", vantage, o)
		}
	}
	one, err := ask.NodeWithResponse(t.Context(), key)
	if err != nil || one.JSON200 == nil || one.JSON200.Verdict == nil || one.JSON200.Verdict.Ups != 2 || *one.JSON200.Latency < 0.0247 || *one.JSON200.Latency > 0.0253 {
		t.Errorf("%v %s", err, one.Body)
	}
	picks, err := ask.PickWithResponse(t.Context(), &PickParams{N: ref("8"), MinCredit: ref("1")})
	if err != nil || picks.JSON200 == nil || len(picks.JSON200.Nodes) == 0 {
		t.Fatalf("%v %s", err, picks.Body)
	}
	for _, n := range picks.JSON200.Nodes {
		if n.Key == key {
			t.Errorf("a decommissioned node was chosen: %s", picks.Body)
		}
	}

	// Who serves what another process writes refuses a report as its own matter, and takes nothing in.
	reader, err := store.Open(t.Context(), store.Config{Path: path, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reader.Close() })
	beside := directory.New(directory.Config{Store: reader, Now: clock})
	if err := beside.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	cfg.Nodes, cfg.Directory = beside.Snapshot, beside
	report, err = directory.Report{Network: ons.Fakechain, Sequence: 2, From: now, To: now, Checks: checks}.Sign(prober)
	if err != nil {
		t.Fatal(err)
	}
	if code, body := serve(t, cfg).do(t, "POST", "/v1/probe/reports", string(report)); code != 503 || problemOf(t, body).Code != "not_the_writer" {
		t.Errorf("a report to a reader: %d %s", code, body)
	}
}
