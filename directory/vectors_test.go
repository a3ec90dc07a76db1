package directory

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write testdata/choice.json and query.json")

// choiceVectors are nodes in the words of the API, and what is chosen and found among them. The dashboard, which chooses and audits in the
// browser, is held to the same file (frontend/src/lib/choice.test.ts).
type choiceVectors struct {
	About string        `json:"about"`
	Nodes []choiceNode  `json:"nodes"`
	Picks []choicePick  `json:"picks"`
	Paths []choicePaths `json:"paths"`
	Audit []choiceAudit `json:"audit"`
	Even  []choiceEven  `json:"even"`
}

type choiceNode struct {
	Key       string           `json:"key"`
	State     State            `json:"state"`
	Operator  string           `json:"operator"`
	IP        string           `json:"ip,omitempty"`
	Ports     map[string]int   `json:"ports"`
	Ed25519   string           `json:"ed25519,omitempty"`
	X25519    string           `json:"x25519,omitempty"`
	Storage   string           `json:"storage_version,omitempty"`
	Country   string           `json:"country,omitempty"`
	AS        uint32           `json:"as,omitempty"`
	Credit    int64            `json:"credit"`
	Reachable Health           `json:"reachable"`
	Latency   float64          `json:"latency,omitempty"`
	Estimate  *choiceEstimates `json:"estimate,omitempty"`
}

type choiceEstimates struct {
	Tried uint32  `json:"tried"`
	Lost  uint32  `json:"lost"`
	P50   float64 `json:"p50,omitempty"`
	P95   float64 `json:"p95,omitempty"`
}

type choicePick struct {
	Seed       uint64   `json:"seed,string"`
	N          int      `json:"n"`
	Strategy   Strategy `json:"strategy"`
	Mainnet    bool     `json:"mainnet"`
	MaxLatency float64  `json:"max_latency"` // seconds
	MinCredit  int64    `json:"min_credit"`
	Operators  []string `json:"avoid_operators"`
	Prefixes   []string `json:"avoid_prefixes"`
	Countries  []string `json:"avoid_countries"`
	AS         []uint32 `json:"avoid_as"`
	Picked     []string `json:"picked"`
	Relaxed    int      `json:"relaxed"` // how many sentences
}

type choicePaths struct {
	Seed   uint64   `json:"seed"`
	Paths  int      `json:"paths"`
	Nodes  int      `json:"nodes"`
	Shared []Shared `json:"shared"`
}

type choiceAudit struct {
	Hops  []string  `json:"hops"`
	Found []Finding `json:"found"`
}

type choiceEven struct {
	Sizes    []int   `json:"sizes"`
	HHI      float64 `json:"hhi"`
	Gini     float64 `json:"gini"`
	Nakamoto int     `json:"nakamoto"`
}

// TestChoiceVectors writes or compares testdata/choice.json.
func TestChoiceVectors(t *testing.T) {
	entries := generate(newRand(7), 90)
	v := choiceVectors{About: "Made by TestChoiceVectors of package directory with -update"}
	seconds := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1e6 }
	for i := range entries {
		e := &entries[i]
		if e.Node.IP.IsValid() {
			e.Node.X25519 = keyOf(i + 2_000_000)
		}
		if i%9 == 8 { // the other family, and addresses that stand for many
			e.Node.IP = netip.MustParseAddr([]string{"2001:db8:1::5", "2001:db8:1:ffff::6", "127.0.0.1", "::1", "2001:db8:2::1"}[i/9%5])
		}
		e.Estimate.P50, e.Estimate.P95 = e.Estimate.P50.Round(time.Microsecond), e.Estimate.P95.Round(time.Microsecond)
		n := choiceNode{
			Key: e.Node.Key.String(), State: e.Node.State, Operator: e.Node.Operator, Ports: map[string]int{"storage": int(e.Node.StoragePort)},
			Country: e.Place.Country, AS: e.Place.AS, Credit: e.Node.Credit, Reachable: e.Reachable(), Latency: seconds(e.Estimate.P50),
		}
		if e.Node.IP.IsValid() {
			n.IP = e.Node.IP.String()
		}
		if known(e.Node.Ed25519) {
			n.Ed25519 = Key(e.Node.Ed25519).String()
		}
		if known(e.Node.X25519) {
			n.X25519 = Key(e.Node.X25519).String()
		}
		if e.Node.Storage != (Version{}) {
			n.Storage = e.Node.Storage.String()
		}
		if est := e.Estimate; est.Tried > 0 {
			n.Estimate = &choiceEstimates{uint32(est.Tried), uint32(est.Lost), seconds(est.P50), seconds(est.P95)}
		}
		v.Nodes = append(v.Nodes, n)
	}
	rng := newRand(8)
	for seed := range uint64(60) {
		p := choicePick{Seed: rng.Uint64() >> 11 << (seed % 11), N: 1 + rng.IntN(8), Strategy: []Strategy{Diverse, Fast, Random}[seed%3], Mainnet: seed%2 == 0}
		if seed%4 == 1 {
			p.MaxLatency, p.MinCredit = 0.15, 300
		}
		if seed%5 == 2 {
			p.Operators, p.Prefixes = []string{entries[0].Node.Operator}, []string{"12.0.0.0/8", "2001:db8:1::/48"}
		}
		if seed%6 == 1 {
			p.Countries, p.AS = []string{"DE", "US"}, []uint32{103}
		}
		if seed%7 == 3 {
			p.N = 40
		}
		r := Rules{N: p.N, Strategy: p.Strategy, Mainnet: p.Mainnet, AvoidOperators: p.Operators, AvoidCountries: p.Countries, AvoidAS: p.AS}
		r.MaxLatency, r.MinCredit = time.Duration(p.MaxLatency*1e9), p.MinCredit
		for _, s := range p.Prefixes {
			r.AvoidPrefixes = append(r.AvoidPrefixes, netip.MustParsePrefix(s))
		}
		picked, relaxed := Pick(Seeded(p.Seed), entries, r)
		p.Relaxed, p.Picked = len(relaxed), []string{}
		for _, one := range picked {
			p.Picked = append(p.Picked, one.Entry.Node.Key.String())
		}
		v.Picks = append(v.Picks, p)
	}
	var alive []Entry
	for _, e := range entries {
		if e.Node.State != Gone {
			alive = append(alive, e)
		}
	}
	for seed := range uint64(3) {
		s := Simulate(Seeded(seed), alive, 501)
		v.Paths = append(v.Paths, choicePaths{seed, s.Paths, s.Nodes, s.Shared})
	}
	for range 30 {
		var hops []*Entry
		a := choiceAudit{Found: []Finding{}}
		for range 3 {
			e := &entries[rng.IntN(len(entries))]
			hops, a.Hops = append(hops, e), append(a.Hops, e.Node.Key.String())
		}
		a.Found = append(a.Found, Audit(hops)...)
		v.Audit = append(v.Audit, a)
	}
	for range 8 {
		var sizes []int
		for range rng.IntN(9) {
			sizes = append(sizes, 1+rng.IntN(50))
		}
		slices.SortFunc(sizes, func(a, b int) int { return b - a })
		one := choiceEven{Sizes: append([]int{}, sizes...)}
		one.HHI, one.Gini, one.Nakamoto = concentration(sizes)
		v.Even = append(v.Even, one)
	}
	got, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const file = "testdata/choice.json"
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(want, got) {
		t.Errorf("%s is not what is chosen now (%v); go test ./directory -run TestChoiceVectors -update, if that is meant", file, err)
	}
}
