package devnet

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// ask calls a method of a daemon over the chain and decodes the whole reply, numbers exact.
func ask(t testing.TB, c *Chain, o Options, method, params string) map[string]any {
	t.Helper()
	d, err := Serve(c, o)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	body := `{"jsonrpc":"2.0","id":"0","method":"` + method + `"`
	if params != "" && params != "null" {
		body += `,"params":` + params
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.URL()+"/json_rpc", strings.NewReader(body+"}"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, b)
}

func decode(t testing.TB, b []byte) (o map[string]any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&o); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return o
}

func result(t testing.TB, o map[string]any) map[string]any {
	t.Helper()
	r, ok := o["result"].(map[string]any)
	if !ok {
		t.Fatalf("no result: %v", o)
	}
	return r
}

type recordedCall struct {
	Request struct {
		Method string
		Params json.RawMessage
	}
	Response json.RawMessage
}

// proofOf takes from a recorded entry what a proof says.
func proofOf(t testing.TB, o map[string]any) ([32]byte, Proof) {
	t.Helper()
	text := func(name string) string { s, _ := o[name].(string); return s }
	num := func(name string) int64 {
		n, _ := o[name].(json.Number)
		v, _ := n.Int64()
		return v
	}
	hash := func(name string) [32]byte { h, _ := parseHash(text(name)); return h }
	ver := func(name string) (v [3]uint16) {
		list, _ := o[name].([]any)
		for i, n := range list {
			x, _ := n.(json.Number).Int64()
			v[i] = uint16(x)
		}
		return v
	}
	ip, _ := netip.ParseAddr(text("public_ip"))
	p := Proof{
		Ed25519: hash("pubkey_ed25519"), X25519: hash("pubkey_x25519"), IP: ip, StoragePort: uint16(num("storage_port")),
		OMQPort: uint16(num("storage_lmq_port")), QuorumnetPort: uint16(num("quorumnet_port")), Oxend: ver("service_node_version"),
		Storage: ver("storage_server_version"), Lokinet: ver("lokinet_version"),
	}
	if at := num("last_uptime_proof"); at != 0 {
		p.Time = time.Unix(at, 0)
	}
	key := hash("service_node_pubkey")
	if key == ([32]byte{}) {
		key = p.Ed25519
	}
	return key, p
}

// TestRecordedNodeCalls plays the recorded calls about service nodes that belong to the chain recordings against the state computed
// from the transactions. The daemon is given the recorded proofs, and is the service node where one was asked.
func TestRecordedNodeCalls(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		chain, dir string
		height     uint64
		names      []string
	}{
		{"testdata/oxend-chain.jsonl.gz", "testdata/rpc/oxend", 338, []string{
			"get_accrued_batched_earnings", "get_accrued_batched_earnings_all", "get_accrued_batched_earnings_bad", "get_checkpoints",
			"get_staking_requirement", "get_service_node_blacklisted_key_images", "get_service_node_status_on_plain_node",
			"get_service_node_status_on_sn", "get_service_node_status_include_json", "get_service_keys_on_sn", "get_service_keys_on_plain_node",
			"get_service_node_status_unregistered_fields", "get_quorum_state_bad_type", "get_quorum_state_range", "get_quorum_state_tip",
			"get_quorum_state_type_255", "get_quorum_state_type_obligations", "get_service_nodes_all", "get_service_nodes_active_only",
			"get_service_nodes_on_service_node", "get_service_nodes_state_changes", "get_service_nodes_fields_object",
			"get_service_nodes_fields_unknown", "get_service_nodes_fields_array", "get_service_nodes_fields_all", "get_service_nodes_limit_3",
			"get_service_nodes_minimal_top_fields", "get_service_nodes_by_pubkey", "get_service_nodes_by_unknown_pubkey",
			"get_service_nodes_include_json", "get_service_nodes_poll_changed", "get_service_nodes_poll_unchanged",
		}},
		{"testdata/oxend-chain.jsonl.gz", "testdata/rpc/oxend", 331, []string{"get_service_node_status_after_unlock", "get_service_nodes_after_unlock"}},
		{"testdata/oxend-chain.jsonl.gz", "testdata/rpc/oxend", 301, []string{"unsynced_get_service_nodes"}},
		{"testdata/oxend11/chain.jsonl.gz", "testdata/oxend11/rpc", 293, []string{
			"get_accrued_batched_earnings_alias", "get_accrued_rewards", "get_accrued_rewards_all", "get_checkpoints", "get_quorum_state_tip",
			"get_staking_requirement", "get_service_node_blacklisted_key_images", "get_service_node_status_on_plain_node",
			"get_service_node_status_on_sn", "get_service_keys_on_sn", "get_service_keys_on_plain_node", "get_service_nodes_all",
			"get_service_nodes_on_sn", "get_service_nodes_fields_list", "get_service_nodes_fields_list_all",
			"get_service_nodes_fields_list_exclude", "get_service_nodes_fields_list_exclude_only", "get_service_nodes_limit_1",
			"get_service_nodes_limit_negative", "get_service_nodes_active_only",
		}},
		{"testdata/oxend11/chain.jsonl.gz", "testdata/oxend11/rpc", 294, []string{
			"get_service_nodes_without_proofs", "get_service_nodes_without_proofs_fields",
		}},
	} {
		for _, name := range tt.names {
			t.Run(filepath.Base(tt.dir)+"/"+name, func(t *testing.T) {
				t.Parallel()
				var call recordedCall
				if err := readJSON(filepath.Join(tt.dir, name+".json"), &call); err != nil {
					t.Fatal(err)
				}
				c := recordedChain(t, tt.chain)
				c.Cut(tt.height)
				c.recordedInfo = nil // the state is to be computed, not looked up
				var o Options
				want := decode(t, call.Response)
				proofs := c.nodes
				if strings.Contains(name, "without_proofs") || strings.HasPrefix(name, "unsynced") {
					proofs = nil
				}
				for _, n := range proofs {
					c.SetProof(proofOf(t, decode(t, appendJSON(nil, n.object))))
				}
				for _, n := range entriesOf(want) {
					if n["last_uptime_proof"] != nil && n["pubkey_ed25519"] != nil && n["pubkey_ed25519"] != "" {
						c.SetProof(proofOf(t, n))
					}
				}
				if self := selfOf(t, name, want, c); self != ([32]byte{}) {
					o.ServiceNode = self
				}
				got := ask(t, c, o, call.Request.Method, string(call.Request.Params))
				random := len(entriesOf(want)) < len(c.stakes.nodes) && strings.Contains(string(call.Request.Params), "limit")
				if diff := cmp.Diff(comparable(name, want, random), comparable(name, got, random)); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// selfOf is the service node that answered a recorded call; zero if a plain node did.
func selfOf(t testing.TB, name string, want map[string]any, c *Chain) (self [32]byte) {
	if strings.Contains(name, "plain_node") {
		return self
	}
	r, _ := want["result"].(map[string]any)
	switch {
	case r == nil:
	case r["service_node_state"] != nil:
		self, _ = proofOf(t, r["service_node_state"].(map[string]any))
	case strings.HasPrefix(name, "get_service_keys"):
		h, err := parseHash(r["service_node_pubkey"].(string))
		if err != nil {
			t.Fatal(err)
		}
		return h
	case strings.HasSuffix(name, "on_service_node"), strings.HasSuffix(name, "on_sn"):
		for _, n := range entriesOf(want) {
			if self, _ = proofOf(t, n); n["pubkey_bls"] != nil {
				break
			}
		}
	}
	return self
}

func entriesOf(o map[string]any) (list []map[string]any) {
	r, _ := o["result"].(map[string]any)
	states, _ := r["service_node_states"].([]any)
	if one := r["service_node_state"]; one != nil {
		states = append(states, one)
	}
	for _, s := range states {
		list = append(list, s.(map[string]any))
	}
	return list
}

// comparable takes out of a reply what we draw ourselves or nobody can know, and puts lists without an order into one.
func comparable(name string, o map[string]any, random bool) map[string]any {
	r, _ := o["result"].(map[string]any)
	if r == nil {
		return o
	}
	delete(r, "target_height") // what peers said
	for _, n := range entriesOf(o) {
		for _, field := range []string{"swarm", "swarm_id", "pubkey_bls"} { // our own draw; a key pair nobody has
			if _, ok := n[field]; ok && n["swarm"] != "" {
				n[field] = "…"
			}
		}
		for _, field := range []string{"timestamp_participation", "timesync_status"} { // how many tests there were
			if l, ok := n[field].([]any); ok {
				n[field] = l[0]
			}
		}
		for _, field := range []string{"quorumnet_tests", "timesync_tests"} {
			if _, ok := n[field]; ok {
				n[field] = "…"
			}
		}
		for field := range n {
			if random {
				n[field] = "…" // another node
			}
		}
		// Those that were away got no tests, and the proof of a decommissioned node is forgotten when a block is applied, not here.
		if strings.Contains(name, "service_node") && name != "get_service_node_status_on_sn" {
			delete(n, "timestamp_participation")
			delete(n, "timesync_status")
		}
	}
	if states, ok := r["service_node_states"].([]any); ok {
		slices.SortFunc(states, func(a, b any) int { return bytes.Compare(appendJSON(nil, a), appendJSON(nil, b)) })
	}
	if q, ok := r["quorums"].([]any); ok {
		for _, one := range q {
			for kind, keys := range one.(map[string]any)["quorum"].(map[string]any) {
				one.(map[string]any)["quorum"].(map[string]any)[kind] = len(keys.([]any)) // who they are is our own draw
			}
		}
	}
	if strings.HasPrefix(name, "get_service_keys") {
		for field, v := range r {
			if s, ok := v.(string); ok && len(s) > 2 && field != "service_node_pubkey" {
				r[field] = len(s)
			}
		}
	}
	if text, ok := r["as_json"].(string); ok && text != "" {
		var nodes []any
		if json.Unmarshal([]byte(text), &nodes) == nil && len(nodes) > 0 {
			info := nodes[0].(map[string]any)["info"].(map[string]any)
			delete(info, "swarm_id")
			if random {
				nodes[0] = len(info)
			}
			r["as_json"] = nodes
		}
	}
	return o
}
