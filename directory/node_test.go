package directory

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"onsight/internal/oxend"
)

// same compares addresses by value.
var same = cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.EquateEmpty()}

func find(t *testing.T, nodes []Node, prefix string) Node {
	t.Helper()
	for _, n := range nodes {
		if strings.HasPrefix(n.Key.String(), prefix) {
			return n
		}
	}
	t.Fatalf("no node %s", prefix)
	return Node{}
}

func count(nodes []Node) map[State]int {
	m := map[State]int{}
	for _, n := range nodes {
		m[n.State]++
	}
	return m
}

func TestRecorded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		file   string
		height uint64
		want   map[State]int
	}{
		{"10/get_service_nodes_all", 337, map[State]int{Active: 16, Awaiting: 1, Decommissioned: 1}},
		{"10/get_service_nodes_fields_object", 337, map[State]int{Active: 16, Awaiting: 1, Decommissioned: 1}},
		{"10/get_service_nodes_unlock_requested", 314, map[State]int{Unlocking: 1}},
		{"10/get_service_nodes_after_unlock", 330, map[State]int{}},
		{"10/get_service_nodes_on_service_node", 337, map[State]int{Active: 1}},
		{"10/ckpt_get_service_nodes", 363, map[State]int{Active: 3}},
		{"10/pulse_get_service_nodes", 336, map[State]int{Active: 2}},
		{"10/unsynced_get_service_nodes", 300, map[State]int{Active: 1}},
		{"11/get_service_nodes_all", 292, map[State]int{Active: 3}},
		{"11/get_service_nodes_on_sn", 292, map[State]int{Active: 3}},
		{"11/get_service_nodes_without_proofs", 293, map[State]int{Active: 3}},
	} {
		nodes, list := recorded(t, tt.file)
		if d := cmp.Diff(tt.want, count(nodes)); d != "" || list.Height != tt.height {
			t.Errorf("%s at %d: %s", tt.file, list.Height, d)
		}
		for i, n := range nodes {
			// What the form does not change has to be the same to the last bit.
			d := list.Nodes[i]
			if n.Key.String() != d.Pubkey || n.Swarm != d.SwarmID || n.OperatorFee != d.PortionsOperator || n.Credit != d.EarnedDowntime ||
				n.Required != d.StakeRequired || n.Contributed != d.Contributed || n.Reserved != d.Reserved || n.LastRewardIndex != d.LastRewardIndex {
				t.Errorf("%s: got %+v of %+v", tt.file, n, d)
			}
			// None of these daemons had tested anybody: 10.6.0 says "reachable" all the same.
			if n.StorageReach.Known || n.LokinetReach.Known {
				t.Errorf("%s: %s: reach was not observed, got %+v", tt.file, n.Key, n.StorageReach)
			}
		}
	}
}

func TestRecordedNodes(t *testing.T) {
	t.Parallel()
	nodes, _ := recorded(t, "10/get_service_nodes_all")
	unfunded := find(t, nodes, "78d1844b")
	if unfunded.OperatorFee != 1844674407370955161 || unfunded.Swarm != NoSwarm || unfunded.Contributed != 50_000_000_000 ||
		unfunded.Reserved != 75_000_000_000 || unfunded.Required != 100_000_000_000 || len(unfunded.Contributors) != 2 || unfunded.Since != 223 {
		t.Errorf("unfunded: %+v", unfunded)
	}
	down := find(t, nodes, "819054d9")
	if down.Credit != 14 || down.CreditTime() != 28*time.Minute || down.Swarm != NoSwarm || down.Since != 289 || down.Decommissions != 1 ||
		down.OperatorFee != 1014570924054025338 || len(down.Contributors) != 3 {
		t.Errorf("decommissioned: %+v", down)
	}
	works := find(t, nodes, "d7826434")
	if works.Swarm != 1<<63-1 || works.OperatorFee != FeeAll || works.IP != netip.MustParseAddr("127.0.0.1") || works.LastRewardIndex != 1<<32-1 ||
		!works.Proof.Equal(time.Unix(1795304470, 0)) || works.Oxend != (Version{10, 6, 0}) || works.Storage != (Version{2, 8, 0}) {
		t.Errorf("active: %+v", works)
	}
	nodes, _ = recorded(t, "10/get_service_nodes_unlock_requested")
	if n := nodes[0]; n.UnlockHeight == 0 || !n.Active {
		t.Errorf("unlocking: %+v", n)
	}
	nodes, _ = recorded(t, "10/unsynced_get_service_nodes")
	if n := nodes[0]; n.IP.IsValid() || !n.Proof.IsZero() || n.Oxend != (Version{}) || n.Credit != 63 {
		t.Errorf("of an unsynced daemon: %+v", n)
	}
	nodes, _ = recorded(t, "11/get_service_nodes_without_proofs")
	if n := nodes[0]; n.IP.IsValid() || n.StoragePort != 0 || n.Ed25519 != [32]byte{} || n.Storage != (Version{}) || n.Reserved != n.Contributed {
		t.Errorf("11.x without a proof: %+v", n)
	}
}

// TestReach is the matrix of who says what of reachability.
func TestReach(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		in   oxend.Reach
		want Health
	}{
		{"11.x that is no service node", oxend.Reach{}, Unknown},
		{"10.x that is no service node", oxend.Reach{Known: true, OK: true}, Unknown},
		{"tested, well", oxend.Reach{Known: true, OK: true, LastReachable: 5}, Up},
		{"failing, within the grace", oxend.Reach{Known: true, OK: true, FirstUnreachable: 5, LastUnreachable: 6}, Up},
		{"failing", oxend.Reach{Known: true, FirstUnreachable: 5, LastUnreachable: 6}, Down},
		{"failing, no times", oxend.Reach{Known: true}, Down},
		{"said nothing, has times", oxend.Reach{LastReachable: 5}, Unknown},
	} {
		e := Entry{Node: Node{StorageReach: reachOf(tt.in)}}
		if got := e.Reachable(); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestFromDaemonRefuses(t *testing.T) {
	t.Parallel()
	good := oxend.ServiceNode{Pubkey: strings.Repeat("ab", 32), IP: "0.0.0.0", LastProof: 1<<64 - 1, ReasonAll: 1<<3 | 1<<15, ReasonAny: 1<<3 | 1}
	n, err := fromDaemon(good, Moment{})
	if err != nil || n.IP.IsValid() || n.Proof.Year() != 9999 {
		t.Errorf("got %+v, %v", n, err)
	}
	if d := cmp.Diff([][]string{{"storage", "bit 15"}, {"uptime"}}, [][]string{n.Reasons, n.ReasonsMaybe}); d != "" {
		t.Error(d)
	}
	for _, change := range []func(*oxend.ServiceNode){
		func(n *oxend.ServiceNode) { n.Pubkey = "" },
		func(n *oxend.ServiceNode) { n.Pubkey = "ab" },
		func(n *oxend.ServiceNode) { n.Ed25519 = strings.Repeat("zz", 32) },
		func(n *oxend.ServiceNode) { n.X25519 = "0" },
		func(n *oxend.ServiceNode) { n.IP = "1.2.3" },
	} {
		bad := good
		change(&bad)
		if n, err := fromDaemon(bad, Moment{}); err == nil || n.Key != (Key{}) {
			t.Errorf("%+v: no error", bad)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]Version{"2.11": {2, 11}, "11": {11}, "0.9.13": {0, 9, 13}, "unknown": {}, "65535.0.1": {65535, 0, 1}} {
		got, err := ParseVersion(s)
		if err != nil || got != want {
			t.Errorf("%s: got %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", ".", "1.2.3.4", "1.-2", "65536", "v1", "1. 2"} {
		if got, err := ParseVersion(s); !errors.Is(err, ErrVersion) {
			t.Errorf("%q: got %v, %v", s, got, err)
		}
	}
	if (Version{2, 9}).Compare(Version{2, 11}) >= 0 || (Version{}).Compare(Version{0, 0, 1}) >= 0 || (Version{1, 2, 3}).Compare(Version{1, 2, 3}) != 0 {
		t.Error("versions are not ordered by their numbers")
	}
}

// TestNodeJSON: a node comes back from JSON as it was, so that a store may keep it so.
func TestNodeJSON(t *testing.T) {
	t.Parallel()
	nodes, _ := recorded(t, "10/get_service_nodes_all")
	for _, n := range nodes {
		b, err := json.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		var got Node
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(n, got, same); d != "" {
			t.Error(d)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add(strings.Repeat("aB", 32))
	f.Fuzz(func(t *testing.T, s string) {
		if k, err := ParseKey(s); err == nil && k.String() != strings.ToLower(s) {
			t.Fatalf("%q is written %s", s, k)
		}
	})
}

func FuzzParseVersion(f *testing.F) {
	f.Add("2.11.0")
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseVersion(s)
		if err != nil {
			return
		}
		if again, err := ParseVersion(v.String()); err != nil || again != v {
			t.Fatalf("%q: %v, then %v, %v", s, v, again, err)
		}
	})
}
