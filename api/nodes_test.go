package api_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"onsight/api"
	"onsight/directory"
	"onsight/ons"
)

const manyNodes = 2000

// nodeSite serves a generated directory.
func nodeSite(t testing.TB, n int) (*site, *directory.Snapshot, *api.Shelf) {
	t.Helper()
	snap := api.GenerateNodes(5, n, now)
	snap.Seq = 1 << 53 // whatever is put on the shelf
	shelf := &api.Shelf{}
	return serve(t, nodeConfig(t, snap, shelf)), snap, shelf
}

// nodeErrors are the errors of the operations about nodes.
func nodeErrors(t *testing.T) []errorCase {
	up, snap, _ := nodeSite(t, 100)
	key := snap.Entries[0].Node.Key.String()
	none := serve(t, nodeConfig(t, &directory.Snapshot{}, &api.Shelf{}))
	broken := serve(t, nodeConfig(t, snap, &api.Shelf{Err: errors.New("disk of alice")}))
	absent := strings.Repeat("ab", 32)
	cases := []errorCase{
		{up, "GET", "/v1/nodes?alice=1", "", 400, "unknown_parameter"},
		{up, "GET", "/v1/nodes?limt=1&state=active", "", 400, "unknown_parameter"},
		{up, "GET", "/v1/nodes/" + key + "?fields=key", "", 400, "unknown_parameter"},
		{up, "GET", "/v1/nodes/aggregate?by=state&fields=key", "", 400, "unknown_parameter"},
		{up, "GET", "/v1/swarms?limit=1", "", 400, "unknown_parameter"},
		{up, "GET", "/v1/nodes?state=alice", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes?state=", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes?search=", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes?search=alice:1", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes?search=%22alice", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes?search=state:alice", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes?search=" + strings.Repeat("a", 201), "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes?operator=" + strings.Repeat("a", 2001), "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes?state=active&state=gone", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes?limit=0", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes?limit=1001", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes?offset=1000000", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes?fields=key,alice", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes?order=-alice", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes?order=estimate", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes/alice", "", 400, "invalid_key"},
		{up, "GET", "/v1/nodes/" + key[1:], "", 400, "invalid_key"},
		{up, "GET", "/v1/nodes/alice/history", "", 400, "invalid_key"},
		{up, "GET", "/v1/nodes/alice/events", "", 400, "invalid_key"},
		{up, "GET", "/v1/nodes/" + absent, "", 404, "no_such_node"},
		{up, "GET", "/v1/nodes/" + absent + "/history", "", 404, "no_such_node"},
		{up, "GET", "/v1/nodes/" + absent + "/events", "", 404, "no_such_node"},
		{up, "GET", "/v1/nodes/" + key + "/history?series=alice", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes/" + key + "/history?vantage=", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes/" + key + "/history?from=alice", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes/" + key + "/history?from=", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes/" + key + "/history?to=-1", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes/" + key + "/history?to=0001-01-01T00:00:00Z", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes/" + key + "/history?to=253402300800", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes/" + key + "/history?from=2&to=1", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes?form=alice", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes?since=&form=map", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes/" + key + "/history?vantage=alice", "", 404, "no_such_vantage_point"},
		{up, "GET", "/v1/nodes/" + key + "/events?after=alice", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes/events?after=-1", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes/events?after=9007199254740993", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes/events?limit=1001", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes/aggregate", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes/aggregate?by=alice", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes/aggregate?by=", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes/aggregate?by=state,state,state,state,state", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/nodes/aggregate?by=state&credit=alice", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/swarms/alice", "", 400, "invalid_swarm"},
		{up, "GET", "/v1/swarms/00000000000000000", "", 400, "invalid_swarm"},
		{up, "GET", "/v1/swarms/ffffffffffffffff", "", 404, "no_such_swarm"},
		{up, "GET", "/v1/swarms/abcdef", "", 404, "no_such_swarm"},
		{up, "POST", "/v1/nodes", "", 405, "method_not_allowed"},
		{up, "GET", "/v1/probe/reports", "", 405, "method_not_allowed"},
		{up, "POST", "/v1/probe/reports", strings.Repeat("x", 1<<20+1), 413, "body_too_large"},
		{broken, "GET", "/v1/nodes/" + key + "/events", "", 500, "internal"},
		{broken, "GET", "/v1/nodes/" + key + "/history", "", 500, "internal"},
		{broken, "GET", "/v1/nodes/events", "", 500, "internal"},
		{broken, "POST", "/v1/probe/reports", "alice", 500, "internal"},
	}
	for _, name := range []string{
		"version", "storage_version", "lokinet_version", "swarm", "prefix", "country", "as", "first_seen_days", "last_seen_days", "credit",
		"proof_age", "latency", "reachable", "limit", "offset", "fields", "order",
	} {
		cases = append(cases, errorCase{up, "GET", "/v1/nodes?" + name + "=alice.", "", 400, "invalid_parameter"})
	}
	for _, query := range []string{
		"n=0", "n=51", "n=", "n=alice", "strategy=alice", "max_latency=5", "max_latency=2m", "max_latency=-1s", "min_credit=0", "min_credit=1441", "seed=-1",
		"seed=18446744073709551616", "avoid_keys=alice", "avoid_keys=" + key + ",", "avoid_operators=", "avoid_prefixes=10.0.0.0", "avoid_countries=DEU",
		"avoid_as=alice", "avoid_as=AS", "avoid_countries=de" + strings.Repeat(",de", 100),
	} {
		cases = append(cases, errorCase{up, "GET", "/v1/nodes/pick?" + query, "", 400, "invalid_parameter"})
	}
	for _, path := range []string{
		"/v1/nodes", "/v1/nodes?state=active", "/v1/nodes/" + key, "/v1/nodes/" + key + "/history", "/v1/nodes/" + key + "/events", "/v1/nodes/events",
		"/v1/nodes/pick", "/v1/nodes/aggregate?by=state", "/v1/swarms", "/v1/swarms/0", "/v1/paths/statistics", "/v1/service-nodes/storage-nodes",
	} {
		cases = append(cases, errorCase{none, "GET", path, "", 503, "behind"})
	}
	cases = append(cases, errorCase{none, "POST", "/v1/probe/reports", "x", 503, "behind"})
	for code, err := range api.Faults() {
		site := serve(t, nodeConfig(t, snap, &api.Shelf{Err: fmt.Errorf("%w: alice", err)}))
		status := map[string]int{"body_too_large": 413, "invalid_report": 400, "wrong_signature": 403, "not_enrolled": 403, "not_the_writer": 503}[code]
		if status == 0 {
			status = 409
		}
		cases = append(cases, errorCase{site, "POST", "/v1/probe/reports", "x", status, code})
	}
	return cases
}

// listOf reads a list of nodes.
func listOf(t testing.TB, body []byte) Nodes {
	t.Helper()
	var v Nodes
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%v in %.500s", err, body)
	}
	return v
}

// onList are the nodes that are not gone.
func onList(snap *directory.Snapshot) (n int) {
	for _, e := range snap.Entries {
		if e.Node.State != directory.Gone {
			n++
		}
	}
	return n
}

// TestNodes asks for 2,000 nodes and compares each field of each with what is known.
func TestNodes(t *testing.T) {
	t.Parallel()
	s, snap, _ := nodeSite(t, manyNodes)
	r, err := s.client(t).NodesWithResponse(t.Context(), &NodesParams{})
	if err != nil || r.JSON200 == nil {
		t.Fatalf("%v %.300s", err, r.Body)
	}
	got, err := r.JSON200.AsNodes()
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Nodes) != onList(snap) || got.Skipped != 0 || got.Truncated != 0 {
		t.Fatalf("%d nodes, %d skipped, %d truncated, want all %d", len(got.Nodes), got.Skipped, got.Truncated, onList(snap))
	}
	states := map[directory.State]int{}
	i := 0
	for _, e := range snap.Entries {
		if e.Node.State == directory.Gone {
			continue
		}
		if diff := cmp.Diff(wantNode(&e), got.Nodes[i]); diff != "" {
			t.Fatalf("node %d (-want +got):\n%s", i, diff)
		}
		states[e.Node.State]++
		i++
	}
	if len(states) != 4 {
		t.Errorf("states %v, want all four", states)
	}
}

// wantNode says in the plainest way what a node should look like.
func wantNode(e *directory.Entry) Node {
	n := e.Node
	hexOf := func(k [32]byte) *string {
		if k == ([32]byte{}) {
			return nil
		}
		return ref(fmt.Sprintf("%x", k))
	}
	version := func(v directory.Version) *string {
		if v == (directory.Version{}) {
			return nil
		}
		return ref(v.String())
	}
	when := func(at time.Time) *time.Time {
		if at.IsZero() {
			return nil
		}
		return ref(at.UTC().Truncate(time.Second))
	}
	port := func(p uint16) *int32 {
		if p == 0 {
			return nil
		}
		return ref(int32(p))
	}
	secs := func(d time.Duration) *float64 {
		if d == 0 {
			return nil
		}
		return ref(float64(d.Microseconds()) / 1e6)
	}
	round := func(f float64) float64 { return math.Round(f*10_000) / 10_000 }
	reach := func(r directory.Reach) *Reach {
		if !r.Known {
			return &Reach{}
		}
		return &Reach{
			Observed: true, Ok: ref(r.OK), FirstUnreachable: when(r.FirstUnreachable), LastUnreachable: when(r.LastUnreachable), LastReachable: when(r.LastReachable),
		}
	}
	score, _ := directory.Score(e)
	v := Node{
		Key: ref(n.Key.String()), State: ref(NodeState(n.State)), Operator: ref(n.Operator), OperatorFee: ref(strconv.FormatUint(n.OperatorFee, 10)),
		Stake: ref(strconv.FormatUint(n.Contributed, 10)), Required: ref(strconv.FormatUint(n.Required, 10)), Reserved: ref(strconv.FormatUint(n.Reserved, 10)),
		Contributors: &[]Stake{}, Registered: ref(int64(n.Registered)), Since: ref(int64(n.Since)), Credit: ref(n.Credit), Decommissions: ref(int64(n.Decommissions)),
		LastReward: &Queued{Height: int64(n.LastReward), Index: int64(n.LastRewardIndex)},
		FirstSeen:  &Seen{Height: int64(n.FirstSeen.Height), Time: when(n.FirstSeen.Time)}, LastSeen: &Seen{Height: int64(n.LastSeen.Height), Time: when(n.LastSeen.Time)},
		Ports: &Ports{Storage: port(n.StoragePort), Omq: port(n.OMQPort), Quorumnet: port(n.QuorumnetPort)},
		Place: &Place{}, Ed25519: hexOf(n.Ed25519), X25519: hexOf(n.X25519), Version: version(n.Oxend), StorageVersion: version(n.Storage),
		LokinetVersion: version(n.Lokinet), Proof: when(n.Proof), StorageReach: reach(n.StorageReach), LokinetReach: reach(n.LokinetReach),
		Reachable: ref(NodeReachable(e.Reachable())), Latency: secs(e.Estimate.P50), Score: ref(round(score)),
	}
	for _, c := range n.Contributors {
		*v.Contributors = append(*v.Contributors, Stake{Address: c.Address, Amount: strconv.FormatUint(c.Amount, 10), Reserved: strconv.FormatUint(c.Reserved, 10)})
	}
	if n.Swarm != directory.NoSwarm {
		v.Swarm = ref(fmt.Sprintf("%016x", n.Swarm))
	}
	if n.UnlockHeight > 0 {
		v.UnlockHeight = ref(int64(n.UnlockHeight))
	}
	if len(n.Reasons) > 0 {
		v.Reasons = &Why{All: n.Reasons, Some: []string{}}
	}
	if n.IP.IsValid() {
		v.Ip = ref(n.IP.String())
	}
	if e.Place.Country != "" {
		v.Country, v.As, v.Place.AsName = ref(e.Place.Country), ref(int64(e.Place.AS)), ref(e.Place.ASName)
	} else {
		v.Place.CountryUnknownReason, v.Place.AsUnknownReason = ref(e.Place.CountryUnknown), ref(e.Place.ASUnknown)
	}
	if est := e.Estimate; est.Tried > 0 {
		loss, low, high := est.Loss()
		v.Loss = ref(round(loss))
		v.Estimate = &Estimate{
			Tried: int64(est.Tried), Lost: int64(est.Lost), LossLow: round(low), LossHigh: round(high), Ok: est.OK, At: when(est.At), LastOk: when(est.LastOK),
			Mean: secs(est.Latency), Jitter: secs(est.Jitter), P50: secs(est.P50), P95: secs(est.P95), Tcp: secs(est.TCP), Tls: secs(est.TLS), Omq: secs(est.OMQ),
			Unauthenticated: Unauthenticated{StorageVersion: version(est.Version)},
		}
		if est.Version != (directory.Version{}) {
			v.Estimate.Unauthenticated.ClockOffset = ref(-1.5)
		}
		if est.Failure != "" {
			v.Estimate.Failure = ref(est.Failure)
		}
	}
	if e.Verdict.Health != "" {
		v.Verdict = &Verdict{Health: VerdictHealth(e.Verdict.Health), Ups: int64(e.Verdict.Ups), Downs: int64(e.Verdict.Downs), Voters: int64(e.Verdict.Voters), Offline: []string{"here"}}
	}
	return v
}

// TestNodeText holds the whole of two nodes to what is written here: what is null, what is not there, what is text.
func TestNodeText(t *testing.T) {
	t.Parallel()
	snap := api.GenerateNodes(1, 1, now)
	e := &snap.Entries[0]
	*e = directory.Entry{Node: directory.Node{
		Key: directory.Key{0xab}, Operator: "Lop", State: directory.Awaiting, Swarm: directory.NoSwarm, OperatorFee: 1<<64 - 4, Required: 1<<64 - 1,
		FirstSeen: directory.Moment{Height: 7, Time: now}, LastSeen: directory.Moment{Height: 8, Time: now},
	}}
	e.Place = directory.Place{CountryUnknown: "why", ASUnknown: "so"}
	s := serve(t, nodeConfig(t, snap, &api.Shelf{}))
	_, body := s.do(t, "GET", "/v1/nodes?state=awaiting", "")
	want := `{"skipped":0,"truncated":0,"next":null,"nodes":[{"key":"ab` + strings.Repeat("0", 62) + `","state":"awaiting","operator":"Lop","operator_fee":"18446744073709551612",` +
		`"stake":"0","required":"18446744073709551615","reserved":"0","contributors":[],"registered":0,"since":0,"credit":0,"decommissions":0,` +
		`"last_reward":{"height":0,"index":0},"first_seen":{"height":7,"time":"2025-01-01T00:01:40Z"},"last_seen":{"height":8,"time":"2025-01-01T00:01:40Z"},` +
		`"ip":null,"ports":{"storage":null,"omq":null,"quorumnet":null},"country":null,"as":null,"place":{"country_unknown_reason":"why","as_unknown_reason":"so"},` +
		`"ed25519":null,"x25519":null,"version":null,"storage_version":null,"lokinet_version":null,"proof":null,"storage_reach":{"observed":false},` +
		`"lokinet_reach":{"observed":false},"reachable":"unknown","latency":null,"loss":null,"score":0,"estimate":null,"verdict":null}],` +
		`"as_of":{"height":5010,"hash":"` + strings.Repeat("0b", 32) + `","time":"2025-01-01T00:00:10Z"},"network":"testnet"}`
	if diff := cmp.Diff(want, string(body)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_, body = s.do(t, "GET", "/v1/nodes?fields=state,swarm,latency,key&search=ab", "")
	if want := `"nodes":[{"key":"ab` + strings.Repeat("0", 62) + `","state":"awaiting","latency":null}]`; !strings.Contains(string(body), want) {
		t.Errorf("got %s, want %s", body, want)
	}
	e.Node.State, e.Node.Decommissions = directory.Decommissioned, 1
	s = serve(t, nodeConfig(t, snap, &api.Shelf{})) // a snapshot does not change: this is another one
	if _, body = s.do(t, "GET", "/v1/nodes?fields=reasons", ""); !strings.Contains(string(body), `"nodes":[{"reasons":null}]`) {
		t.Errorf("reasons that are not known: %s", body)
	}
}

// TestNodeQueries asks random questions, and holds what comes back to package directory's answer.
func TestNodeQueries(t *testing.T) {
	t.Parallel()
	s, snap, _ := nodeSite(t, manyNodes)
	rng := rand.New(rand.NewPCG(2, 0))
	node := func() *directory.Node { return &snap.Entries[rng.IntN(len(snap.Entries))].Node }
	parts := []func() (string, string){
		func() (string, string) {
			return "state", []string{"active", "awaiting,gone", "gone", "decommissioned", "unlocking,active"}[rng.IntN(5)]
		},
		func() (string, string) {
			return "version", []string{"10.3", "10..10.4", "11..", "unknown", "10.1,11.2"}[rng.IntN(5)]
		},
		func() (string, string) { return "storage_version", "2.9.." },
		func() (string, string) {
			return "swarm", []string{"none", fmt.Sprintf("%x", node().Swarm)}[rng.IntN(2)]
		},
		func() (string, string) { return "operator", node().Operator },
		func() (string, string) { return "contributor", node().Contributors[1].Address },
		func() (string, string) {
			return "prefix", []string{node().Key.String()[:1+rng.IntN(3)], "11.0.0.0/9"}[rng.IntN(2)]
		},
		func() (string, string) { return "country", []string{"de", "xz,SE"}[rng.IntN(2)] },
		func() (string, string) { return "as", []string{"AS101", "102,0"}[rng.IntN(2)] },
		func() (string, string) { return "first_seen_days", []string{"3", "10-40", "50-", "-20"}[rng.IntN(4)] },
		func() (string, string) { return "last_seen_days", "0-1" },
		func() (string, string) { return "credit", []string{"60..", "..0", "100..900"}[rng.IntN(3)] },
		func() (string, string) { return "proof_age", []string{"1h..2h", "..30m"}[rng.IntN(2)] },
		func() (string, string) { return "latency", []string{"..100ms", "50ms..200ms"}[rng.IntN(2)] },
		func() (string, string) { return "reachable", []string{"up", "down", "unknown"}[rng.IntN(3)] },
		func() (string, string) {
			return "search", []string{`"Host 2 Online"`, "state:active host", "country:fr", "10.", node().Key.String()[:2]}[rng.IntN(5)]
		},
		func() (string, string) {
			return "order", []string{"-latency", "state,-credit", "operator,key", "-version,loss", "swarm", "first_seen", "-proof"}[rng.IntN(7)]
		},
		func() (string, string) { return "limit", strconv.Itoa(1 + rng.IntN(1000)) },
		func() (string, string) { return "offset", strconv.Itoa(rng.IntN(300)) },
	}
	nonempty, queries := 0, 400
	if testing.Short() {
		queries = 80
	}
	for range queries {
		asked := url.Values{"fields": {"key"}}
		for range rng.IntN(4) {
			name, value := parts[rng.IntN(len(parts))]()
			asked.Set(name, value)
		}
		model := url.Values{}
		for name, value := range asked {
			model[name] = value
		}
		if !asked.Has("state") && !strings.Contains(asked.Get("search"), "state:") {
			model.Set("state", "awaiting,active,decommissioned,unlocking")
		}
		q, err := directory.ParseQuery(model)
		if err != nil {
			t.Fatal(err)
		}
		want := q.Run(directory.View{Entries: snap.Entries, Now: now})
		code, body := s.do(t, "GET", "/v1/nodes?"+asked.Encode(), "")
		got := listOf(t, body)
		same := code == 200 && len(got.Nodes) == len(want.Entries) && got.Skipped == int64(want.Skipped) && got.Truncated == int64(want.Truncated)
		for i := 0; same && i < len(got.Nodes); i++ {
			same = *got.Nodes[i].Key == want.Entries[i].Node.Key.String()
		}
		if !same {
			t.Errorf("%v: %d, %d nodes, %d skipped, %d truncated, want %d, %d, %d", asked, code, len(got.Nodes), got.Skipped, got.Truncated,
				len(want.Entries), want.Skipped, want.Truncated)
		}
		if (got.Next != nil) != (want.Truncated > 0) || got.Next != nil && *got.Next != int64(want.Skipped+len(want.Entries)) {
			t.Errorf("%v: next is %v", asked, got.Next)
		}
		if len(got.Nodes) > 0 {
			nonempty++
		}
	}
	if nonempty < queries/4 {
		t.Errorf("only %d of %d questions have an answer that is not empty", nonempty, queries)
	}
}

// TestNodeTime: what depends on the time is kept for no longer than a client keeps it, though the list is the same.
func TestNodeTime(t *testing.T) {
	t.Parallel()
	snap := api.GenerateNodes(3, 200, now)
	for i := range snap.Entries {
		snap.Entries[i].Node.Proof = now.Add(-time.Hour + 7*time.Second)
	}
	at := now
	cfg := nodeConfig(t, snap, &api.Shelf{})
	cfg.Now = func() time.Time { return at }
	s := serve(t, cfg)
	for _, path := range []string{"/v1/nodes?proof_age=..1h", "/v1/nodes?search=proof_age:..1h", "/v1/nodes/aggregate?by=state&proof_age=..1h"} {
		for _, c := range []struct {
			after time.Duration
			want  bool
		}{{0, true}, {9 * time.Second, true}, {10 * time.Second, false}} {
			at = now.Add(c.after)
			code, body := s.do(t, "GET", path, "")
			if some := code == 200 && !bytes.Contains(body, []byte(`"nodes":[]`)) && !bytes.Contains(body, []byte(`"nodes":0`)); some != c.want {
				t.Errorf("%s after %v: %d, some %v, want %v", path, c.after, code, some, c.want)
			}
		}
	}
}

// TestNodeFields shows that every field there is can be asked for alone, and that there are no others.
func TestNodeFields(t *testing.T) {
	t.Parallel()
	s, snap, _ := nodeSite(t, 300)
	for i := range snap.Entries { // so that nothing is absent
		n := &snap.Entries[i].Node
		n.BLS, n.UnlockHeight, n.Swarm, n.Reasons = "b15", 9000, 1, []string{"uptime"}
	}
	_, body := s.do(t, "GET", "/v1/nodes?limit=1&state=active,gone,awaiting,decommissioned,unlocking", "")
	var all struct{ Nodes []map[string]json.RawMessage }
	if err := json.Unmarshal(body, &all); err != nil {
		t.Fatal(err)
	}
	for _, name := range directory.FieldNames() {
		_, body := s.do(t, "GET", "/v1/nodes?limit=1&state=active,gone,awaiting,decommissioned,unlocking&fields="+name, "")
		var one struct{ Nodes []map[string]json.RawMessage }
		if err := json.Unmarshal(body, &one); err != nil || len(one.Nodes) != 1 || len(one.Nodes[0]) != 1 ||
			string(one.Nodes[0][name]) != string(all.Nodes[0][name]) {
			t.Errorf("fields=%s: %s", name, body)
		}
		delete(all.Nodes[0], name)
	}
	if len(all.Nodes[0]) > 0 {
		t.Errorf("fields that cannot be asked for: %v", all.Nodes[0])
	}
}

// TestNode asks for nodes one by one.
func TestNode(t *testing.T) {
	t.Parallel()
	s, snap, _ := nodeSite(t, 300)
	client := s.client(t)
	seen := map[directory.State]bool{}
	for i := range snap.Entries {
		e := &snap.Entries[i]
		if seen[e.Node.State] && i > 50 {
			continue
		}
		seen[e.Node.State] = true
		key := e.Node.Key.String()
		if i%2 == 1 {
			key = strings.ToUpper(key)
		}
		r, err := client.NodeWithResponse(t.Context(), key)
		if err != nil || r.JSON200 == nil {
			t.Fatalf("%v %s", err, r.Body)
		}
		var got Node
		if err := json.Unmarshal(r.Body, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wantNode(e), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", e.Node.State, diff)
		}
		d := r.JSON200
		f := directory.NewForecast(&e.Node, snap.At, directory.TimingOf(snap.Network))
		if d.Snode != e.Node.Key.Address() || math.Abs(d.CreditHours-float64(e.Node.Credit)/30) > 1e-9 || len(d.Terms) != 4 ||
			!slices.Equal(d.Bad, (directory.Limits{}).Bad(e)) || !slices.Equal(d.Forecast.Assumptions, f.Assumptions) ||
			(d.Forecast.DeregisteredAt == nil) != (f.Deregistered == nil) || (d.Forecast.LeavesAt == nil) != (f.Leaves == nil) ||
			(d.Forecast.FailsTest == nil) != (f.Fails == nil) || !slices.Equal(d.Vantages, []string{"here", "stockholm"}) {
			t.Errorf("%s: got %s, forecast %+v", e.Node.State, r.Body, f)
		}
		if f.Fails != nil && (*d.Forecast.FailsTest != f.Fails.Test || d.Forecast.FailsAt.Height != int64(f.Fails.At.Height)) {
			t.Errorf("%s: got %s, forecast %+v", e.Node.State, r.Body, *f.Fails)
		}
	}
	if len(seen) != 5 {
		t.Errorf("states %v, want all five", seen)
	}
}

// TestNodeEvents walks a log, of one node and of all, with a reorganisation in it.
func TestNodeEvents(t *testing.T) {
	t.Parallel()
	s, snap, shelf := nodeSite(t, 10)
	for i := range 250 {
		e := directory.Event{Height: uint64(4000 + i), Time: now, Key: snap.Entries[i%10].Node.Key, Kind: directory.KindSwarmChanged, From: "none", To: "00000000000000ff"}
		switch i {
		case 100:
			e = directory.Event{Height: 4099, Time: now, Kind: directory.KindUndone, From: "90", To: "95"}
		case 110:
			e.Kind, e.Reasons, e.From, e.To = directory.KindDecommissioned, []string{"uptime"}, "", ""
		}
		shelf.Rows = append(shelf.Rows, directory.Stored{Seq: uint64(2*i + 1), Event: e})
	}
	client := s.client(t)
	for limit, wantPages := range map[int]int{100: 3, 250: 1, 7: 36, 1000: 1} {
		pages, rows := 0, []NodeEvent{}
		for after := (*int64)(nil); ; pages++ {
			r, err := client.AllNodeEventsWithResponse(t.Context(), &AllNodeEventsParams{After: after, Limit: &limit})
			if err != nil || r.JSON200 == nil {
				t.Fatalf("%v %s", err, r.Body)
			}
			rows = append(rows, r.JSON200.Events...)
			if after = r.JSON200.Next; after == nil {
				break
			}
		}
		if pages+1 != wantPages || len(rows) != 250 {
			t.Errorf("limit %d: %d rows in %d pages, want 250 in %d", limit, len(rows), pages+1, wantPages)
		}
		for i, row := range rows {
			want := shelf.Rows[i]
			if row.Seq != int64(want.Seq) || row.Height != int64(want.Height) || string(row.Kind) != string(want.Kind) || row.Text != want.Text() ||
				(row.Key == nil) != (want.Kind == directory.KindUndone) {
				t.Errorf("row %d: got %+v, want %+v", i, row, want)
			}
		}
	}
	key := snap.Entries[0].Node.Key.String()
	r, err := client.NodeEventsWithResponse(t.Context(), key, &NodeEventsParams{After: ref(int64(21))})
	if err != nil || r.JSON200 == nil || len(r.JSON200.Events) != 22 || r.JSON200.Next != nil {
		t.Fatalf("%v %s", err, r.Body)
	}
	reasons, undone := 0, 0
	for _, e := range r.JSON200.Events {
		if e.Reasons != nil {
			reasons++
		}
		if e.Kind == "undone" {
			undone++
		}
		if *e.Key != key {
			t.Errorf("event of %s, want %s", *e.Key, key)
		}
	}
	if reasons != 1 || undone != 0 {
		t.Errorf("%d events with reasons, %d undone, want 1 and none", reasons, undone)
	}
}

// TestNodeEventsOfBlock asks while the database is ahead of the list that is served, as it is between a commit and the next load: what
// the block in as_of does not know of is not told.
func TestNodeEventsOfBlock(t *testing.T) {
	t.Parallel()
	snap := api.GenerateNodes(3, 10, now)
	key := snap.Entries[0].Node.Key
	shelf := &api.Shelf{}
	for seq := uint64(1); seq <= 6; seq++ {
		shelf.Rows = append(shelf.Rows, directory.Stored{Seq: seq, Event: directory.Event{
			Height: snap.At.Height + seq - 4, Time: now, Key: key, Kind: directory.KindSwarmChanged, From: "none", To: "00000000000000ff",
		}})
	}
	snap.Seq = 4
	s := serve(t, nodeConfig(t, snap, shelf))
	for path, want := range map[string]int{
		"/v1/nodes/events": 4, "/v1/nodes/events?limit=4": 4, "/v1/nodes/events?after=3": 1, "/v1/nodes/events?after=4": 0, "/v1/nodes/events?after=5": 0,
		"/v1/nodes/" + key.String() + "/events": 4,
	} {
		code, body := s.do(t, "GET", path, "")
		var got struct {
			Events []struct{ Height uint64 }
			Next   *uint64
			AsOf   struct{ Height uint64 } `json:"as_of"`
		}
		if err := json.Unmarshal(body, &got); err != nil || code != 200 {
			t.Fatalf("%s: %d %v %s", path, code, err, body)
		}
		if len(got.Events) != want || got.Next != nil {
			t.Errorf("%s: got %s, want %d and no more", path, body, want)
		}
		for _, e := range got.Events {
			if e.Height > got.AsOf.Height {
				t.Errorf("%s: an event of block %d, as of %d", path, e.Height, got.AsOf.Height)
			}
		}
	}
}

// TestNodeHistory reads rings from two vantage points.
func TestNodeHistory(t *testing.T) {
	t.Parallel()
	s, snap, shelf := nodeSite(t, 10)
	fine, empty, other := directory.NewRing(directory.Checks), directory.NewRing(directory.Hours), directory.NewRing(directory.Checks)
	for i := range 100 {
		if i%10 != 3 {
			fine.Append(now.Add(time.Duration(i-100)*10*time.Minute), i%4 > 0, time.Duration(20+i)*time.Millisecond)
		}
	}
	other.Append(now, true, time.Second)
	shelf.Rings = map[string][]*directory.Ring{directory.Here: {fine, empty}, "stockholm": {other}}
	client, key := s.client(t), snap.Entries[3].Node.Key.String()
	from, to := now.Add(-10*time.Hour).UTC().Format(time.RFC3339), strconv.FormatInt(now.Add(-5*time.Hour).Unix(), 10)
	for _, c := range []struct {
		params  NodeHistoryParams
		vantage string
		series  directory.Series
		rings   []*directory.Ring
	}{
		{NodeHistoryParams{}, "here", directory.LatencySeries, shelf.Rings[directory.Here]},
		{NodeHistoryParams{Vantage: ref("here"), Series: ref(NodeHistoryParamsSeries("latency"))}, "here", directory.LatencySeries, shelf.Rings[directory.Here]},
		{NodeHistoryParams{Series: ref(NodeHistoryParamsSeries("uptime"))}, "here", directory.UptimeSeries, shelf.Rings[directory.Here]},
		{NodeHistoryParams{Vantage: ref("stockholm")}, "stockholm", directory.LatencySeries, shelf.Rings["stockholm"]},
		{NodeHistoryParams{From: &from}, "here", directory.LatencySeries, shelf.Rings[directory.Here]},
		{NodeHistoryParams{To: &to}, "here", directory.LatencySeries, shelf.Rings[directory.Here]},
		{NodeHistoryParams{From: &from, To: &to}, "here", directory.LatencySeries, shelf.Rings[directory.Here]},
		{NodeHistoryParams{From: ref("0"), To: ref("1")}, "here", directory.LatencySeries, shelf.Rings[directory.Here]},
	} {
		var low, high time.Time
		if c.params.From != nil && *c.params.From == from {
			low = now.Add(-10 * time.Hour)
		}
		if c.params.To != nil {
			high = time.Unix(1, 0)
			if *c.params.To == to {
				high = now.Add(-5 * time.Hour)
			}
		}
		r, err := client.NodeHistoryWithResponse(t.Context(), key, &c.params)
		if err != nil || r.JSON200 == nil {
			t.Fatalf("%v %s", err, r.Body)
		}
		got := r.JSON200
		if got.Key != key || got.Vantage != c.vantage || string(got.Series) != string(c.series) || len(got.Objects) != len(c.rings) {
			t.Fatalf("%s of %s: %d objects, want %d: %s", got.Series, got.Vantage, len(got.Objects), len(c.rings), r.Body)
		}
		for i, ring := range c.rings {
			want, o := ring.Object(c.series, low, high), got.Objects[i]
			if o.Count != int64(want.Count) || o.Interval != int64(want.Interval.Seconds()) || len(o.Values) != want.Count || (o.First == nil) != (want.Count == 0) ||
				o.First != nil && (!o.First.Equal(want.First) || !o.Last.Equal(want.Last)) || o.Factor < want.Factor*0.9999 || o.Factor > want.Factor*1.0001 {
				t.Errorf("%s of %s: got %+v, want %+v", c.series, c.vantage, o, want)
			}
			for j, v := range want.Values {
				if (v < 0) != (o.Values[j] == nil) || v >= 0 && *o.Values[j] != int(v) {
					t.Errorf("value %d: got %v, want %d", j, o.Values[j], v)
				}
			}
		}
	}
}

// TestPick holds choices to the rules asked for.
func TestPick(t *testing.T) {
	t.Parallel()
	s, snap, _ := nodeSite(t, manyNodes)
	client := s.client(t)
	pick := func(p PickParams) Picks {
		t.Helper()
		r, err := client.PickWithResponse(t.Context(), &p)
		if err != nil || r.JSON200 == nil {
			t.Fatalf("%v %s", err, r.Body)
		}
		if cache := r.HTTPResponse.Header.Get("Cache-Control"); cache != "no-store" || r.HTTPResponse.Header.Get("ETag") != "" {
			t.Errorf("Cache-Control %q, ETag %q", cache, r.HTTPResponse.Header.Get("ETag"))
		}
		return *r.JSON200
	}
	keys := func(p Picks) (keys []string) {
		for _, n := range p.Nodes {
			keys = append(keys, n.Key)
		}
		return keys
	}
	first := pick(PickParams{})
	if len(first.Nodes) != 3 || len(first.Relaxed) != 0 || first.Strategy != "diverse" {
		t.Fatalf("got %+v, want three", first)
	}
	if again := pick(PickParams{Seed: &first.Seed}); !slices.Equal(keys(first), keys(again)) {
		t.Errorf("seed %s: got %v and %v", first.Seed, keys(first), keys(again))
	}
	different := map[string]bool{}
	for range 20 {
		different[keys(pick(PickParams{}))[0]] = true
	}
	if len(different) < 10 {
		t.Errorf("20 choices begin with only %d nodes", len(different))
	}
	fast := pick(PickParams{Strategy: ref("fast"), N: ref("1")})
	least := snap.Entries[0].Estimate.P50
	for _, e := range snap.Entries {
		if (directory.Limits{}).Good(&e) && (least == 0 || e.Estimate.P50 < least) {
			least = e.Estimate.P50
		}
	}
	if got := *fast.Nodes[0].Latency; got != float64(least.Microseconds())/1e6 {
		t.Errorf("fast: got %v, want %v", got, least)
	}
	key, err := directory.ParseKey(fast.Nodes[0].Key)
	if err != nil {
		t.Fatal(err)
	}
	avoid := snap.Entry(key)
	for _, p := range []PickParams{
		{AvoidKeys: ref(key.String())}, {AvoidOperators: ref(avoid.Node.Operator)}, {AvoidPrefixes: ref(avoid.Node.IP.String() + "/8")},
		{AvoidCountries: ref(strings.ToLower(avoid.Place.Country) + ",xx")}, {AvoidAs: ref(fmt.Sprintf("as%d,7", avoid.Place.AS))},
	} {
		p.Strategy, p.N = ref("fast"), ref("20")
		got := pick(p)
		if len(got.Nodes) != 20 || slices.Contains(keys(got), key.String()) {
			t.Errorf("%+v: got %d nodes, %v", p, len(got.Nodes), keys(got))
		}
	}
	none := pick(PickParams{MaxLatency: ref("1ms"), MinCredit: ref("1440"), Strategy: ref("random")})
	if len(none.Nodes) != 0 || len(none.Relaxed) != 1 || !strings.HasPrefix(none.Relaxed[0], "only 0 of 3") {
		t.Errorf("got %+v, want none and a reason", none)
	}
}

// TestPickMainnet shows that on mainnet no two nodes of a /24 are chosen, and elsewhere they are.
func TestPickMainnet(t *testing.T) {
	t.Parallel()
	for network, want := range map[ons.Network]int{ons.Mainnet: 1, ons.Testnet: 3, "": 1} {
		snap := api.GenerateNodes(5, manyNodes, now)
		snap.Network = network
		one := api.GenerateNodes(5, manyNodes, now).Entries[0]
		kept := snap.Entries[:0]
		for _, e := range snap.Entries {
			if (directory.Limits{}).Good(&e) {
				e.Node.IP = one.Node.IP
				kept = append(kept, e)
			}
		}
		snap.Entries = kept
		if !kept[0].Node.IP.IsValid() {
			t.Fatal("no address")
		}
		s := serve(t, nodeConfig(t, snap, &api.Shelf{}))
		r, err := s.client(t).PickWithResponse(t.Context(), &PickParams{})
		if err != nil || r.JSON200 == nil || len(r.JSON200.Nodes) != want || len(r.JSON200.Relaxed) == 0 {
			t.Errorf("%s: %v %s, want %d nodes", network, err, r.Body, want)
		}
	}
}

// TestAggregate compares sums with the list.
func TestAggregate(t *testing.T) {
	t.Parallel()
	s, snap, _ := nodeSite(t, manyNodes)
	client := s.client(t)
	for _, by := range append(directory.GroupNames(), "version,state", "operator,subnet24,as,swarm") {
		r, err := client.AggregateWithResponse(t.Context(), &AggregateParams{By: by, Limit: ref(1000)})
		if err != nil || r.JSON200 == nil {
			t.Fatalf("%v %s", err, r.Body)
		}
		got, nodes := r.JSON200, int64(0)
		for _, row := range got.Rows {
			nodes += row.Nodes
			if len(row.Values) != strings.Count(by, ",")+1 {
				t.Errorf("by=%s: row %v", by, row.Values)
			}
		}
		if got.Nodes != int64(onList(snap)) || (nodes != got.Nodes) != (got.Truncated > 0) || len(got.Rows) > 1000 {
			t.Errorf("by=%s: %d nodes in %d rows, %d in all, %d truncated, want %d", by, nodes, len(got.Rows), got.Nodes, got.Truncated, onList(snap))
		}
	}
	r, err := client.AggregateWithResponse(t.Context(), &AggregateParams{By: "state", State: ref("gone,active"), Limit: ref(1), Country: ref("de")})
	if err != nil || r.JSON200 == nil || len(r.JSON200.Rows) != 1 || r.JSON200.Truncated != 1 || r.JSON200.Rows[0].Values[0] != "active" {
		t.Errorf("%v %s", err, r.Body)
	}
	want := 0
	for _, e := range snap.Entries {
		if e.Place.Country == "DE" && (e.Node.State == directory.Gone || e.Node.State == directory.Active) {
			want++
		}
	}
	if r.JSON200.Nodes != int64(want) {
		t.Errorf("%d nodes, want %d", r.JSON200.Nodes, want)
	}
}

// TestSwarms asks for all swarms, and for each.
func TestSwarms(t *testing.T) {
	t.Parallel()
	s, snap, _ := nodeSite(t, 500)
	client := s.client(t)
	want := map[string][]string{}
	for _, e := range snap.Entries {
		if e.Node.Swarm != directory.NoSwarm && e.Node.State != directory.Gone {
			id := fmt.Sprintf("%016x", e.Node.Swarm)
			want[id] = append(want[id], e.Node.Key.String())
		}
	}
	all, err := client.SwarmsWithResponse(t.Context())
	if err != nil || all.JSON200 == nil || len(all.JSON200.Swarms) != len(want) || all.JSON200.Least != 5 {
		t.Fatalf("%v %.300s", err, all.Body)
	}
	risky := int64(0)
	for _, row := range all.JSON200.Swarms {
		if row.Size != int64(len(want[row.Id])) || row.AtRisk != (row.Size < 5) {
			t.Errorf("%+v, want %d members", row, len(want[row.Id]))
		}
		if row.AtRisk {
			risky++
		}
		for _, id := range []string{row.Id, strings.TrimLeft(row.Id, "0"), strings.ToUpper(row.Id)} {
			if id == "" {
				continue
			}
			one, err := client.SwarmWithResponse(t.Context(), id)
			if err != nil || one.JSON200 == nil || one.JSON200.Id != row.Id || one.JSON200.AtRisk != row.AtRisk || one.JSON200.Truncated != 0 {
				t.Fatalf("%v %.300s", err, one.Body)
			}
			var keys []string
			for _, n := range one.JSON200.Nodes {
				keys = append(keys, *n.Key)
			}
			if !slices.Equal(keys, want[row.Id]) {
				t.Errorf("swarm %s: got %v, want %v", id, keys, want[row.Id])
			}
		}
	}
	if risky != all.JSON200.AtRisk || risky == 0 {
		t.Errorf("%d at risk, counted %d, want some", all.JSON200.AtRisk, risky)
	}
}

// TestPaths draws paths once.
func TestPaths(t *testing.T) {
	t.Parallel()
	s, _, _ := nodeSite(t, manyNodes)
	r, err := s.client(t).PathsWithResponse(t.Context())
	if err != nil || r.JSON200 == nil {
		t.Fatalf("%v %s", err, r.Body)
	}
	got := r.JSON200
	if got.Paths != 10_000 || got.Hops != 3 || got.Nodes < 1500 || len(got.Shared) != 6 {
		t.Fatalf("got %s", r.Body)
	}
	for _, f := range got.Shared {
		if f.What == "/24" && f.Any != 0 || f.What == "AS" && f.Rate < 0.3 || f.All > f.Any {
			t.Errorf("got %+v", f)
		}
	}
	if _, again := s.do(t, "GET", "/v1/paths/statistics", ""); !bytes.Equal(again, r.Body) {
		t.Errorf("got %s, then %s", r.Body, again)
	}
}

// TestStorageNodes reads the list as a bot does.
func TestStorageNodes(t *testing.T) {
	t.Parallel()
	s, snap, _ := nodeSite(t, manyNodes)
	var bot struct {
		StorageNodes []struct {
			IP   string
			Port int
			Key  string `json:"pubkey"`
		} `json:"storage_nodes"`
	}
	_, body := s.do(t, "GET", "/v1/service-nodes/storage-nodes", "")
	if err := json.Unmarshal(body, &bot); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, e := range snap.Entries {
		if (e.Node.State == directory.Active || e.Node.State == directory.Unlocking) && e.Reachable() != directory.Down {
			want[e.Node.Key.String()] = e.Node.IP.String()
		}
	}
	sorted := true
	for i, n := range bot.StorageNodes {
		if want[n.Key] != n.IP || n.Port != 22021 {
			t.Errorf("got %+v, want %s", n, want[n.Key])
		}
		sorted = sorted && (i == 0 || bot.StorageNodes[i-1].Key < n.Key)
	}
	if len(bot.StorageNodes) != len(want) || len(want) < 1000 || sorted {
		t.Errorf("%d nodes, want %d; in order of key: %v", len(bot.StorageNodes), len(want), sorted)
	}
	// A measurement leaves the order as it is, a block does not.
	measured, mined := *snap, *snap
	measured.Commit++
	mined.Hash = strings.Repeat("0c", 32)
	for _, c := range []struct {
		snap *directory.Snapshot
		same bool
	}{{&measured, true}, {&mined, false}} {
		_, again := serve(t, nodeConfig(t, c.snap, &api.Shelf{})).do(t, "GET", "/v1/service-nodes/storage-nodes", "")
		first, _, _ := bytes.Cut(body, []byte(`"as_of"`))
		if got := bytes.HasPrefix(again, first); got != c.same {
			t.Errorf("commit %d of %.4s: the same order is %v, want %v", c.snap.Commit, c.snap.Hash, got, c.same)
		}
	}
}

// TestReport hands reports in. What is wrong with one is for package directory to find out; see TestErrors for how it is told.
func TestReport(t *testing.T) {
	t.Parallel()
	s, _, shelf := nodeSite(t, 10)
	for _, body := range []string{"\x00\xffreport", strings.Repeat("x", 1<<20)} {
		r, err := s.client(t).ReportWithBodyWithResponse(t.Context(), "application/octet-stream", strings.NewReader(body))
		if err != nil || r.JSON200 == nil || r.JSON200.Status != "accepted" || string(shelf.Reports[len(shelf.Reports)-1]) != body {
			t.Errorf("%v %s", err, r.Body)
		}
	}
	for _, kind := range []string{"application/json", ""} {
		if got := s.send(t, "POST", "/v1/probe/reports", "x", http.Header{"Content-Type": {kind}}); got.status != 415 {
			t.Errorf("type %q: %d %s", kind, got.status, got.body)
		}
	}
	if len(shelf.Reports) != 2 {
		t.Errorf("%d reports taken in, want 2", len(shelf.Reports))
	}
}

// TestNodeCache holds tags, encodings and HEAD.
func TestNodeCache(t *testing.T) {
	t.Parallel()
	s, snap, shelf := nodeSite(t, 300)
	key := snap.Entries[0].Node.Key.String()
	shelf.Rows = []directory.Stored{{Seq: 1, Event: directory.Event{Kind: directory.KindActive, Key: snap.Entries[0].Node.Key}}}
	later := *snap
	later.At.Height++
	later.At.Time = later.At.Time.Add(time.Second)
	later.Commit++
	next := serve(t, nodeConfig(t, &later, shelf))
	for path, packed := range map[string]bool{
		"/v1/nodes": true, "/v1/nodes?country=de": true, "/v1/nodes?proof_age=..1h&limit=5": true, "/v1/nodes/" + key: false, "/v1/nodes/" + key + "/events": false, "/v1/nodes/" + key + "/history": false,
		"/v1/nodes/events": false, "/v1/nodes/aggregate?by=state": false, "/v1/nodes/aggregate?by=version,operator": true, "/v1/swarms": true,
		"/v1/swarms/" + fmt.Sprintf("%x", someSwarm(snap)): true,
		"/v1/paths/statistics":                             false, "/v1/service-nodes/storage-nodes": true,
	} {
		plain := s.send(t, "GET", path, "", http.Header{"Accept-Encoding": {"identity"}})
		tag := plain.header.Get("ETag")
		if plain.status != 200 || tag == "" || plain.header.Get("Cache-Control") != tipCache ||
			plain.header.Get("Last-Modified") != snap.At.Time.UTC().Format(http.TimeFormat) || plain.header.Get("Content-Encoding") != "" {
			t.Fatalf("%s: %d %v", path, plain.status, plain.header)
		}
		zipped := raw(t, s.url+path, "gzip, deflate")
		if got := zipped.header.Get("Content-Encoding") == "gzip"; got != packed || packed != (zipped.header.Get("Vary") == "Accept-Encoding") ||
			(zipped.header.Get("ETag") != tag) != packed {
			t.Errorf("%s: %v", path, zipped.header)
		}
		if packed {
			r, err := gzip.NewReader(bytes.NewReader(zipped.body))
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(r); err != nil || !bytes.Equal(b, plain.body) || len(zipped.body)*2 > len(b) {
				t.Errorf("%s: %v, %d bytes of %d", path, err, len(zipped.body), len(plain.body))
			}
		}
		for given, want := range map[string]int{tag: 304, "W/" + tag: 304, "*": 304, `"x"`: 200} {
			got := s.send(t, "GET", path, "", http.Header{"If-None-Match": {given}, "Accept-Encoding": {"identity"}})
			if got.status != want || got.header.Get("ETag") != tag || want == 304 && len(got.body) > 0 {
				t.Errorf("%s, If-None-Match %s: %d, want %d", path, given, got.status, want)
			}
		}
		s.sinceDate(t, path, plain.header)
		head := s.send(t, "HEAD", path, "", http.Header{"Accept-Encoding": {"identity"}})
		plain.header.Del("Date")
		head.header.Del("Date")
		if diff := cmp.Diff(plain.header, head.header); diff != "" || head.status != 200 {
			t.Errorf("HEAD %s: %d (-GET +HEAD):\n%s", path, head.status, diff)
		}
		if got := next.send(t, "GET", path, "", http.Header{"If-None-Match": {tag}, "Accept-Encoding": {"identity"}}); got.status != 200 {
			t.Errorf("%s: %d for the tag of another block", path, got.status)
		}
	}
}

// someSwarm returns a swarm that has members.
func someSwarm(snap *directory.Snapshot) uint64 {
	for _, e := range snap.Entries {
		if e.Node.State == directory.Active {
			return e.Node.Swarm
		}
	}
	return directory.NoSwarm
}

// raw asks without unpacking what comes.
func raw(t *testing.T, url, encoding string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", encoding)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, b}
}

// TestAcceptEncoding says who gets gzip.
func TestAcceptEncoding(t *testing.T) {
	t.Parallel()
	s, _, _ := nodeSite(t, 50)
	for given, want := range map[string]bool{
		"gzip": true, "GZIP": true, "br, gzip;q=0.5": true, "gzip; q=1.0": true, "gzip;q=0": false, "gzip; q=0.00": false, "br": false, "": false,
		"x-gzip-no": false, "*": false,
	} {
		if got := raw(t, s.url+"/v1/nodes", given).header.Get("Content-Encoding") == "gzip"; got != want {
			t.Errorf("%q: got gzip %v, want %v", given, got, want)
		}
	}
}

// TestSnapshots shows that a reply is of the newest snapshot, and that one in which nothing changed makes nothing anew.
func TestSnapshots(t *testing.T) {
	t.Parallel()
	snap := api.GenerateNodes(5, 20, now)
	cfg := nodeConfig(t, snap, &api.Shelf{})
	cfg.Nodes = func() *directory.Snapshot { return snap }
	s := serve(t, cfg)
	tag := func() string { return s.send(t, "GET", "/v1/nodes", "", nil).header.Get("ETag") }
	first := tag()
	asked := *snap
	asked.Asked = now.Add(time.Minute)
	snap = &asked
	if got := tag(); got != first {
		t.Errorf("the tag changed to %s though nothing did", got)
	}
	measured := *snap
	measured.Commit++
	measured.Entries = slices.Clone(snap.Entries)
	measured.Entries[0].Node.Credit++
	snap = &measured
	second := tag()
	if second == first {
		t.Error("the tag is that of the snapshot before")
	}
	gone := *snap
	gone.Hash, gone.At.Height = strings.Repeat("0c", 32), 5011
	snap = &gone
	if got := tag(); got == second {
		t.Error("the tag is that of the block before")
	}
}

// TestWithoutNodes shows that without a directory there are no such operations, and without a database some.
func TestWithoutNodes(t *testing.T) {
	t.Parallel()
	without := serve(t, config(indexOf(t, synced())))
	cfg := nodeConfig(t, api.GenerateNodes(1, 10, now), nil)
	cfg.Directory = nil
	memory := serve(t, cfg)
	key := cfg.Nodes().Entries[0].Node.Key.String()
	for path, want := range map[string]int{
		"/v1/nodes": 200, "/v1/nodes/" + key: 200, "/v1/swarms": 200, "/v1/nodes/" + key + "/events": 404, "/v1/nodes/" + key + "/history": 404,
	} {
		w, err := http.Get(without.url + path)
		if err != nil {
			t.Fatal(err)
		}
		w.Body.Close()
		m, err := http.Get(memory.url + path)
		if err != nil {
			t.Fatal(err)
		}
		m.Body.Close()
		if w.StatusCode != 404 || m.StatusCode != want {
			t.Errorf("%s: got %d without a directory, %d without a database, want 404 and %d", path, w.StatusCode, m.StatusCode, want)
		}
	}
	for path, want := range map[*site]bool{without: false, memory: true} {
		r, err := http.Get(path.url + "/openapi.json")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || bytes.Contains(b, []byte(`"/v1/nodes"`)) != want || bytes.Contains(b, []byte("/events")) || bytes.Contains(b, []byte("no_such_node")) != want {
			t.Errorf("the document is not of what is there (%v)", err)
		}
	}
}

// TestNoNodeLogged shows that what is asked about nodes is in no log, not even when answering fails.
func TestNoNodeLogged(t *testing.T) {
	t.Parallel()
	snap := api.GenerateNodes(1, 10, now)
	key := snap.Entries[0].Node.Key.String()
	for name, cfg := range map[string]api.Config{
		"works": nodeConfig(t, snap, &api.Shelf{}), "fails": nodeConfig(t, snap, &api.Shelf{Err: errors.New("disk")}),
	} {
		s := serve(t, cfg)
		for _, path := range []string{
			"/v1/nodes?search=canary", "/v1/nodes?canary=1", "/v1/nodes/" + key, "/v1/nodes/" + key + "/events?after=77077", "/v1/nodes/" + strings.ToUpper(key) + "/history",
			"/v1/nodes/pick?avoid_keys=" + key, "/v1/swarms/77077", "/v1/nodes/aggregate?by=state&operator=canary",
		} {
			s.send(t, "GET", path, "", http.Header{"X-Forwarded-For": {"192.0.2.77"}, "User-Agent": {"canary"}})
		}
		s.send(t, "POST", "/v1/probe/reports", "canary", nil)
		log := s.log.String()
		if (log != "") != (name == "fails") || name == "fails" && !strings.Contains(log, "disk") {
			t.Errorf("%s: log %q", name, log)
		}
		for _, secret := range []string{key, strings.ToUpper(key), "canary", "192.0.2.77", "127.0.0.1", "77077"} {
			if strings.Contains(log, secret) {
				t.Errorf("%s: the log has %q:\n%s", name, secret, log)
			}
		}
	}
}

// FuzzNodes sends queries to every operation about nodes that takes one.
func FuzzNodes(f *testing.F) {
	snap := api.GenerateNodes(5, 40, now)
	h := api.New(nodeConfig(f, snap, &api.Shelf{})).Handler()
	for i, seed := range []string{
		"state=active&order=-latency,key&limit=3&offset=1&fields=key,score", "search=%22Host 2%22 state:gone", "credit=..-1&version=2.8..&latency=1h..2h", "by=version,operator&limit=1",
		"n=5&strategy=fast&seed=18446744073709551615&avoid_as=AS1,2&avoid_prefixes=::/0", "max_latency=9999999h&min_credit=1", "after=9007199254740992&limit=1000",
		"vantage=here&series=uptime", "state=;", "%zz", "a", "prefix=10.0.0.0/8,ab&as=as0&country=xz&proof_age=..1s&first_seen_days=-5",
	} {
		f.Add(uint8(i), seed)
	}
	key := snap.Entries[0].Node.Key.String()
	paths := []string{
		"/v1/nodes", "/v1/nodes/aggregate", "/v1/nodes/pick", "/v1/nodes/events", "/v1/nodes/" + key + "/history", "/v1/nodes/" + key + "/events", "/v1/nodes/" + key,
		"/v1/swarms", "/v1/swarms/0",
	}
	f.Fuzz(func(t *testing.T, which uint8, query string) {
		w := httptest.NewRecorder()
		path := paths[int(which)%len(paths)]
		h.ServeHTTP(w, &http.Request{Method: "GET", URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{}, Body: http.NoBody})
		wellFormed(t, w)
		var list struct{ Nodes []json.RawMessage }
		if path == "/v1/nodes" && w.Code == 200 && (json.Unmarshal(w.Body.Bytes(), &list) != nil || len(list.Nodes) > len(snap.Entries)) {
			t.Errorf("%s", w.Body)
		}
	})
}

// TestNodeParameters shows that the document lists what the handlers know, and says of each field what it is.
func TestNodeParameters(t *testing.T) {
	t.Parallel()
	doc, _ := document(t)
	var names []string
	for _, p := range doc.Paths.Find("/v1/nodes").Get.Parameters {
		names = append(names, p.Value.Name)
	}
	for _, name := range []string{"state", "search", "fields", "order", "limit", "offset"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not in the document", name)
		}
	}
	var fields []string
	for name := range doc.Components.Schemas["Node"].Value.Properties {
		fields = append(fields, name)
	}
	slices.Sort(fields)
	if want := directory.FieldNames(); !reflect.DeepEqual(fields, want) {
		t.Errorf("the document has the fields %v, the query language %v", fields, want)
	}
}

// TestNodeNetwork: each reply about nodes says of which network they are, and where that is not known no two of a /24 are chosen.
func TestNodeNetwork(t *testing.T) {
	t.Parallel()
	snap := api.GenerateNodes(5, manyNodes, now)
	shelf := &api.Shelf{}
	s := serve(t, nodeConfig(t, snap, shelf))
	key := snap.Entries[0].Node.Key.String()
	for _, path := range []string{
		"/v1/nodes", "/v1/nodes?limit=1", "/v1/nodes/" + key, "/v1/nodes/" + key + "/history", "/v1/nodes/" + key + "/events", "/v1/nodes/events", "/v1/nodes/pick",
		"/v1/nodes/aggregate?by=state", "/v1/swarms", fmt.Sprintf("/v1/swarms/%x", someSwarm(snap)), "/v1/paths/statistics", "/v1/service-nodes/storage-nodes",
	} {
		if code, body := s.do(t, "GET", path, ""); code != 200 || !bytes.HasSuffix(body, []byte(`},"network":"testnet"}`)) {
			t.Errorf("%s: %d …%s", path, code, body[max(0, len(body)-100):])
		}
	}
}

// TestParameterOrder: of several wrong parameters always the same one is named.
func TestParameterOrder(t *testing.T) {
	t.Parallel()
	s, _, _ := nodeSite(t, 1)
	for query, want := range map[string]string{
		"version=&swarm=&credit=&operator=&country=": "country", "zz=1&yy=1&xx=1&bb=1&aa=1": "aa", "version=1&version=2&credit=1&credit=2&as=1&as=2": "as",
	} {
		for range 20 {
			if code, body := s.do(t, "GET", "/v1/nodes?"+query, ""); code != 400 || !strings.Contains(problemOf(t, body).Detail, want) {
				t.Fatalf("%s: %d %s, want %s", query, code, body, want)
			}
		}
	}
}
