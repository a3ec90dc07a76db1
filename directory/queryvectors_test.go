package directory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"slices"
	"testing"
	"time"
)

// queryVectors are nodes in the words of the API, and what queries find among them, in which order. The dashboard, which answers them in
// the browser, is held to the same file (frontend/src/lib/nodes.test.ts).
type queryVectors struct {
	About   string        `json:"about"`
	Now     time.Time     `json:"now"`
	Nodes   []queryNode   `json:"nodes"` // by key
	Queries []queryAnswer `json:"queries"`
}

type queryNode struct {
	Key          string         `json:"key"`
	State        State          `json:"state"`
	Version      string         `json:"version,omitempty"`
	Storage      string         `json:"storage_version,omitempty"`
	Lokinet      string         `json:"lokinet_version,omitempty"`
	Swarm        string         `json:"swarm,omitempty"`
	Operator     string         `json:"operator,omitempty"`
	OperatorFee  string         `json:"operator_fee"`
	Stake        string         `json:"stake"`
	Contributors []queryAddress `json:"contributors"`
	IP           string         `json:"ip,omitempty"`
	Country      string         `json:"country,omitempty"`
	AS           uint32         `json:"as,omitempty"`
	Place        *queryPlace    `json:"place,omitempty"`
	Ed25519      string         `json:"ed25519,omitempty"`
	Credit       int64          `json:"credit"`
	Count        uint32         `json:"decommissions"`
	Registered   uint64         `json:"registered"`
	Since        uint64         `json:"since"`
	LastReward   queryMoment    `json:"last_reward"`
	FirstSeen    queryMoment    `json:"first_seen"`
	LastSeen     queryMoment    `json:"last_seen"`
	Proof        *time.Time     `json:"proof,omitempty"`
	Latency      float64        `json:"latency,omitempty"`
	Loss         *float64       `json:"loss,omitempty"`
	Reachable    Health         `json:"reachable"`
}

type queryAddress struct {
	Address string `json:"address"`
}

type queryPlace struct {
	ASName string `json:"as_name"`
}

type queryMoment struct {
	Height uint64     `json:"height"`
	Time   *time.Time `json:"time,omitempty"`
}

type queryAnswer struct {
	Query string `json:"query"`
	Wrong string `json:"wrong,omitempty"` // the parameter that is unknown or cannot be read
	Found []int  `json:"found"`           // places in the list
}

// TestQueryVectors writes or compares testdata/query.json.
func TestQueryVectors(t *testing.T) {
	entries := generate(newRand(9), 60)
	slices.SortFunc(entries, func(a, b Entry) int { return a.Node.Key.Compare(b.Node.Key) })
	v := queryVectors{About: "Made by TestQueryVectors of package directory with -update", Now: t0.Add(90 * time.Minute)}
	for i := range entries {
		v.Nodes = append(v.Nodes, inWords(&entries[i]))
	}
	some := v.Nodes[7]
	queries := []string{
		"", "state=active", "state=active,awaiting", "state=well", "state=", "state=active,", "version=10.3", "version=10.3.0", "version=10..10.4", "version=..10.4", "version=11..",
		"version=unknown", "version=unknown..", "version=1.2.3.4", "version=x", "version=-1", "version=65536", "version=10.3,11", "version=..", "storage_version=2.9..", "lokinet_version=0.9.12",
		"swarm=none", "swarm=0", "swarm=30000000000", "swarm=0000030000000000", "swarm=00000030000000000", "swarm=g", "swarm=", "swarm=none,0",
		"operator=" + some.Operator, "operator=L", "operator=", "contributor=" + some.Operator, "contributor=Lcontributor1", "prefix=" + some.Key[:1], "prefix=" + some.Key, "prefix=A", "prefix=zz", "prefix=",
		"prefix=10.0.0.0/8", "prefix=10.0.0.0/14", "prefix=10.1.2.3/14", "prefix=0.0.0.0/0", "prefix=10.0.0.0/33", "prefix=10.0.0/8", "prefix=10.0.0.0/08", "prefix=10.0.0.0/", "prefix=" + some.IP + "/32", "prefix=::/0",
		"country=de", "country=DE,fr", "country=xz", "country=deu", "country=", "as=101", "as=AS101", "as=as101,102", "as=0", "as=AS0", "as=AS", "as=x", "as=4294967296", "as=-1",
		"first_seen_days=3", "first_seen_days=2-40", "first_seen_days=50-", "first_seen_days=-20", "first_seen_days=-", "first_seen_days=", "first_seen_days=x", "first_seen_days=9999999", "first_seen_days=1,2,3,4,5",
		"last_seen_days=0", "last_seen_days=1", "last_seen_days=1-", "credit=100..", "credit=..100", "credit=..-1", "credit=-50..50", "credit=+60..", "credit=many", "credit=..", "credit=", "credit=1.5",
		"proof_age=..1h", "proof_age=1h30m..2h", "proof_age=90m..", "proof_age=1.5h..", "proof_age=5", "proof_age=h", "latency=..100ms", "latency=100ms..200ms", "latency=.1s..", "latency=0..", "latency=-1s..", "latency=1d", "latency=150000us..",
		"reachable=up", "reachable=down", "reachable=unknown", "reachable=up,down", "reachable=maybe",
		"search=", "search=" + some.Key[:2], "search=" + some.Key[:2] + "G", "search=" + some.Operator, "search=l0001", "search=L0001", "search=10.", "search=host+3", "search=%22host+3%22", "search=%22host+3+online%22+state:active",
		"search=state:active+version:11..", "search=%22open", "search=foo:bar", "search=state:well", "search=::1", "search=credit:..100", "search=a:b", "search=" + some.Key[:40], "search=state:active,gone+10.", "search=+++",
		"state=active&credit=100..&search=1", "state=active&state=gone", "alice=1", "stat=active", "order=credit&columns=key", "order=-credit", "order=state,-credit", "order=-stake,operator", "order=ip", "order=-ip",
		"order=latency", "order=-latency", "order=loss", "order=version,-storage_version", "order=-lokinet_version", "order=swarm", "order=-country,as", "order=proof", "order=-first_seen", "order=last_seen", "order=reachable", "order=-reachable",
		"order=operator_fee", "order=last_reward", "order=decommissions,registered", "order=since", "order=-key",
	}
	for _, query := range queries {
		answer := queryAnswer{Query: query, Found: []int{}}
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		values.Del("columns") // is the page's
		q, err := ParseQuery(values)
		if err != nil {
			answer.Wrong = err.(*ParameterError).Name
		} else {
			for _, e := range q.Run(View{entries, v.Now}).Entries {
				answer.Found = append(answer.Found, slices.IndexFunc(entries, func(one Entry) bool { return one.Node.Key == e.Node.Key }))
			}
		}
		v.Queries = append(v.Queries, answer)
	}
	got, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const file = "testdata/query.json"
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(want, got) {
		t.Errorf("%s is not what is found now (%v); go test ./directory -run TestQueryVectors -update, if that is meant", file, err)
	}
}

// inWords returns a node as the API gives it.
func inWords(e *Entry) queryNode {
	version := func(v Version) string {
		if v == (Version{}) {
			return ""
		}
		return v.String()
	}
	n := queryNode{
		Key: e.Node.Key.String(), State: e.Node.State, Version: version(e.Node.Oxend), Storage: version(e.Node.Storage), Lokinet: version(e.Node.Lokinet),
		Operator: e.Node.Operator, OperatorFee: fmt.Sprint(e.Node.OperatorFee), Stake: fmt.Sprint(e.Node.Contributed), Country: e.Place.Country, AS: e.Place.AS,
		Credit: e.Node.Credit, Count: e.Node.Decommissions, Registered: e.Node.Registered, Since: e.Node.Since, LastReward: queryMoment{Height: e.Node.LastReward},
		FirstSeen: queryMoment{e.Node.FirstSeen.Height, &e.Node.FirstSeen.Time}, LastSeen: queryMoment{e.Node.LastSeen.Height, &e.Node.LastSeen.Time},
		Latency: e.Estimate.P50.Seconds(), Reachable: e.Reachable(),
	}
	for _, c := range e.Node.Contributors {
		n.Contributors = append(n.Contributors, queryAddress{c.Address})
	}
	if e.Node.Swarm != NoSwarm {
		n.Swarm = fmt.Sprintf("%016x", e.Node.Swarm)
	}
	if e.Node.IP.IsValid() {
		n.IP = e.Node.IP.String()
	}
	if e.Place.ASName != "" {
		n.Place = &queryPlace{e.Place.ASName}
	}
	if known(e.Node.Ed25519) {
		n.Ed25519 = Key(e.Node.Ed25519).String()
	}
	if !e.Node.Proof.IsZero() {
		n.Proof = &e.Node.Proof
	}
	if loss, _, _ := e.Estimate.Loss(); e.Estimate.Tried > 0 {
		n.Loss = &loss
	}
	return n
}
