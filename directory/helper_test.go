package directory

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"testing"
	"time"

	"onsight/internal/oxend"
	"onsight/ons"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

func keyOf(i int) (k Key) {
	binary.BigEndian.PutUint64(k[:], uint64(i)*0x9e3779b97f4a7c15) // spread, so that order by key is none by i
	binary.BigEndian.PutUint32(k[28:], uint32(i)+1)                // never the zero key
	return k
}

// recorded lets a recorded reply of a real daemon go through internal/oxend and fromDaemon. A name like 11/file is in its
// testdata, or in ours.
func recorded(t testing.TB, name string) ([]Node, oxend.NodeList) {
	t.Helper()
	load := func(name string) []byte {
		b, err := os.ReadFile("../internal/oxend/testdata/" + name + ".json")
		if errors.Is(err, fs.ErrNotExist) {
			b, err = os.ReadFile("testdata/" + name + ".json")
		}
		if err != nil {
			t.Fatal(err)
		}
		var r struct{ Response json.RawMessage }
		if err := json.Unmarshal(b, &r); err != nil {
			t.Fatal(err)
		}
		return r.Response
	}
	version, reply := load(name[:2]+"/get_version"), load(name)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var ask struct{ Method string }
		if err := json.NewDecoder(r.Body).Decode(&ask); err != nil {
			t.Error(err)
		}
		if ask.Method == "get_version" {
			w.Write(version)
			return
		}
		w.Write(reply)
	}))
	defer server.Close()
	c, err := oxend.New(oxend.Config{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	l, err := c.ServiceNodes(t.Context(), ons.Txid{})
	if err != nil {
		t.Fatal(err)
	}
	var nodes []Node
	for _, d := range l.Nodes {
		n, err := fromDaemon(d, Moment{Height: l.Height, Time: t0})
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, n)
	}
	return nodes, l
}

// generate makes a network: operators with one to thirty nodes, some /24s shared, all states, and gaps in what is known.
func generate(rng *rand.Rand, n int) []Entry {
	var entries []Entry
	operator, left := 0, 0
	for i := range n {
		if left == 0 {
			operator, left = operator+1, 1+rng.IntN(1+rng.IntN(30))
		}
		left--
		as := uint32(rng.IntN(6))
		node := Node{
			Key: keyOf(i), Ed25519: keyOf(i + 1_000_000), Operator: fmt.Sprintf("L%04doperator", operator), OperatorFee: rng.Uint64(),
			IP:          netip.AddrFrom4([4]byte{byte(10 + as), byte(rng.IntN(8)), byte(rng.IntN(200)), byte(1 + rng.IntN(250))}),
			StoragePort: 22021, OMQPort: 22020, Oxend: Version{10 + uint16(rng.IntN(2)), uint16(rng.IntN(7)), 0},
			Storage: Version{2, 8 + uint16(rng.IntN(4)), uint16(rng.IntN(2))}, Lokinet: Version{0, 9, 11 + uint16(rng.IntN(3))},
			Swarm: uint64(rng.IntN(n/7+1)) << 40, State: Active, Funded: true, Active: true,
			Registered: uint64(rng.IntN(1000)), Since: 1000 + uint64(rng.IntN(1000)), Credit: int64(rng.IntN(1441)), Decommissions: uint32(rng.IntN(3)),
			LastReward: 1000 + uint64(rng.IntN(1000)), Required: 15_000e9, Contributed: 15_000e9, Reserved: 15_000e9,
			Proof:     t0.Add(-time.Duration(rng.IntN(9000)) * time.Second),
			FirstSeen: Moment{1, t0.Add(-time.Duration(rng.IntN(100*24)) * time.Hour)}, LastSeen: Moment{2000, t0.Add(-time.Duration(rng.IntN(48)) * time.Hour)},
		}
		node.Contributors = []Contributor{{Address: node.Operator, Amount: 1}, {Address: fmt.Sprintf("Lcontributor%d", rng.IntN(n)), Amount: 2}}
		switch rng.IntN(20) {
		case 0:
			node.State, node.Active, node.Swarm, node.Credit = Decommissioned, false, NoSwarm, node.Credit-100
		case 1:
			node.State, node.Funded, node.Active, node.Swarm = Awaiting, false, false, NoSwarm
			node.IP, node.Ed25519, node.Proof, node.Oxend, node.Storage, node.Lokinet = netip.Addr{}, [32]byte{}, time.Time{}, Version{}, Version{}, Version{}
		case 2:
			node.State, node.UnlockHeight = Unlocking, 9000
		case 3:
			node.State = Gone
		case 4:
			node.StorageReach = Reach{Known: true, OK: rng.IntN(2) == 0}
		}
		e := Entry{Node: node}
		if rng.IntN(20) > 0 && node.IP.IsValid() {
			e.Place = Place{Country: []string{"DE", "FR", "US", "SE", "NL", "CA"}[as], AS: 100 + as, ASName: fmt.Sprintf("Host %d Online", as)}
		}
		if rng.IntN(5) > 0 {
			e.Estimate = measured(time.Duration(20+rng.IntN(300))*time.Millisecond, rng.IntN(10) > 0)
		}
		entries = append(entries, e)
	}
	return entries
}

// measured is an estimate of three equal samples, or of one more that failed.
func measured(latency time.Duration, ok bool) (e Estimate) {
	s := Sample{At: t0, TCP: latency, TLS: latency, Info: latency, OMQ: NotTried, OK: true}
	for range 3 {
		e = e.Add(s)
	}
	if !ok {
		e = e.Add(Sample{At: t0, TCP: NotTried, TLS: NotTried, Info: NotTried, OMQ: NotTried, Failure: "timeout"})
	}
	return e
}
