package devnet

import (
	"bytes"
	"encoding/hex"
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
func askRPC(t testing.TB, c *Chain, o Options, method, params string) map[string]any {
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
				got := askRPC(t, c, o, call.Request.Method, string(call.Request.Params))
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

// TestGeneratedNodeCalls asks about a chain nobody recorded, each method twice with other parameters, and checks the answers against the chain's
// own truth.
func TestGeneratedNodeCalls(t *testing.T) {
	t.Parallel()
	for _, d := range []Dialect{Dialect10, Dialect11} {
		c := withNodes(t, d, 40)
		c.Mine(60, 0, 0)
		tip := c.Height() - 1
		for i := range 40 {
			if i%2 == 0 {
				c.SetProof(key(i), Proof{Ed25519: key(i), X25519: key(i + 1), IP: netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), StoragePort: uint16(i), Time: time.Unix(99, 0)})
			}
		}
		id, err := c.Decommission(key(7), ReasonStorage|ReasonLokinet)
		must(t, id, err)
		c.Mine(1, 0, 0)
		tip++
		nodes := func(params string) []map[string]any {
			return entriesOf(askRPC(t, c, Options{}, "get_service_nodes", params))
		}
		if got := len(nodes("{}")); got != 40 {
			t.Errorf("%v: %d nodes", d, got)
		}
		if got := len(nodes(`{"active_only":true}`)); got != 39 {
			t.Errorf("%v: %d active nodes", d, got)
		}
		for _, i := range []int{7, 8} {
			k := key(i)
			list := nodes(`{"service_node_pubkeys":["` + hexOf(k) + `"]}`)
			if len(list) != 1 || list[0]["service_node_pubkey"] != hexOf(k) || list[0]["active"] != (i != 7) {
				t.Errorf("%v: node %d: %v", d, i, list)
			}
			_, proven := list[0]["public_ip"]
			if want := i == 8 || d == Dialect10; proven != want {
				t.Errorf("%v: node %d: public_ip there: %v", d, i, proven)
			}
			reasons := list[0]["last_decomm_reasons"]
			if want := i == 7 && d == Dialect11; (reasons != nil) != want {
				t.Errorf("%v: node %d: reasons %v", d, i, reasons)
			}
		}
		// A limit draws others each time, and the same in the same order for the same chain.
		a, b := nodes(`{"limit":5,"fields":{"service_node_pubkey":true}}`), nodes(`{"limit":5,"fields":{"service_node_pubkey":true}}`)
		if len(a) != 5 || len(b) != 5 || cmp.Equal(a, b) {
			t.Errorf("%v: limit 5: %v, then %v", d, a, b)
		}
		for _, kind := range []string{"0", "1", "3"} {
			for _, h := range []uint64{tip / 4 * 4, tip/4*4 - 4} {
				o := askRPC(t, c, Options{}, "get_quorum_state", string(appendUint([]byte(`{"quorum_type":`+kind+`,"start_height":`), "", h))+"}")
				q := result(t, o)["quorums"].([]any)[0].(map[string]any)
				wantSize := map[string]int{"0": 10, "1": 20, "3": 11}[kind]
				if got := len(q["quorum"].(map[string]any)["validators"].([]any)); got != wantSize || q["height"] != json.Number(appendUint(nil, "", h)) {
					t.Errorf("%v: quorum %s at %d: %d validators, %v", d, kind, h, got, q["height"])
				}
			}
		}
		for _, count := range []int{1, 3} {
			o := result(t, askRPC(t, c, Options{}, "get_checkpoints", string(appendUint([]byte(`{"count":`), "", uint64(count)))+"}"))
			list := o["checkpoints"].([]any)
			if len(list) != count || list[0].(map[string]any)["height"] != json.Number(appendUint(nil, "", tip/4*4)) {
				t.Errorf("%v: %d checkpoints: %v", d, count, list)
			}
			if got := len(list[0].(map[string]any)["signatures"].([]any)); got != 20 {
				t.Errorf("%v: %d signatures", d, got)
			}
		}
		info := result(t, askRPC(t, c, Options{}, "get_info", ""))
		if want := json.Number(appendUint(nil, "", tip/4*4-4)); info["immutable_height"] != want {
			t.Errorf("%v: immutable_height %v, want %v", d, info["immutable_height"], want)
		}
		if info = result(t, askRPC(t, c, Options{ServiceNode: key(7)}, "get_info", "")); info["service_node"] != true ||
			!strings.Contains(info["status_line"].(string), "SN: decommissioned") {
			t.Errorf("%v: %v", d, info)
		}
		var sum uint64
		balances := c.accrued()
		for _, b := range balances {
			sum += b.amount
		}
		for _, b := range balances[:2] {
			o := result(t, askRPC(t, c, Options{}, "get_accrued_batched_earnings", `{"addresses":["`+b.address+`"]}`))
			got := o["balances"]
			want := any(map[string]any{b.address: json.Number(appendUint(nil, "", b.amount))})
			if d == Dialect10 {
				got, want = o["amounts"], []any{json.Number(appendUint(nil, "", b.amount))}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%v: %s", d, diff)
			}
		}
		testPulseBlocks(t, c, d, sum)
	}
}

// testPulseBlocks looks at the blocks of a chain with forty nodes: made by them, and what was not paid out is accrued.
func testPulseBlocks(t *testing.T, c *Chain, d Dialect, accrued uint64) {
	t.Helper()
	var paid, earned uint64
	for h := uint64(160); h < c.Height(); h++ {
		o := result(t, askRPC(t, c, Options{}, "get_block", string(appendUint(nil, `{"height":`, h))+"}"))
		header := o["block_header"].(map[string]any)
		var j struct {
			Nonce uint64
			Pulse struct {
				Random string `json:"random_value"`
				Voters uint64 `json:"validator_bitset"`
			}
			Signatures []struct{ Signature string }
			Miner      struct{ Vout []struct{ Amount uint64 } } `json:"miner_tx"`
		}
		if err := json.Unmarshal([]byte(o["json"].(string)), &j); err != nil {
			t.Fatal(err)
		}
		var outs uint64
		for _, v := range j.Miner.Vout {
			outs += v.Amount
		}
		paid += outs
		if header["coinbase_payouts"] != json.Number(appendUint(nil, "", outs)) {
			t.Errorf("%v: block %d: payouts %v, outputs %d", d, h, header["coinbase_payouts"], outs)
		}
		if h >= 170+4 {
			earned += reward
		}
		pulse := h > 170 // which registered the nodes
		if got := header["nonce"] == json.Number("0"); got != pulse || (j.Nonce == 0) != pulse || (j.Pulse.Voters == 2047) != pulse || (len(j.Signatures) == 7) != pulse {
			t.Errorf("%v: block %d: %v %+v", d, h, header["nonce"], j)
		}
		leader := c.leaderOf(h)
		want := leader
		if d == Dialect10 && !pulse {
			want = [32]byte{}
		}
		if header["service_node_winner"] != want.String() {
			t.Errorf("%v: block %d: winner %v, want %v", d, h, header["service_node_winner"], want)
		}
	}
	if missing := earned - paid - accrued; missing > 1000 { // less than one unit is lost an address
		t.Errorf("%v: earned %d, paid %d, accrued %d", d, earned, paid, accrued)
	}
}

func hexOf(k [32]byte) string { return hex.EncodeToString(k[:]) }

func BenchmarkServiceNodes(b *testing.B) {
	c := withNodes(b, Dialect10, 2000)
	for i := range 2000 {
		c.SetProof(key(i), Proof{Ed25519: key(i), X25519: key(i + 1), IP: netip.AddrFrom4([4]byte{10, 0, 0, 1}), StoragePort: 22021, Time: time.Unix(99, 0)})
	}
	v := &view{chain: c}
	for name, p := range map[string]string{
		"all":  `{}`,
		"seed": `{"active_only":true,"fields":{"public_ip":true,"storage_port":true,"pubkey_x25519":true,"pubkey_ed25519":true}}`,
	} {
		b.Run(name, func(b *testing.B) {
			params := params{d: Dialect10}
			if fault := params.read(json.RawMessage(p)); fault != nil {
				b.Fatal(fault)
			}
			var out []byte
			for b.Loop() {
				out, _ = getServiceNodes(v, out[:0], params)
			}
			b.SetBytes(int64(len(out)))
		})
	}
	b.Run("mine", func(b *testing.B) {
		for b.Loop() {
			c.Mine(1, 0, 0)
		}
	})
	b.Run("obligations", func(b *testing.B) {
		for b.Loop() {
			c.quorum(quorumObligations, c.Height()-1)
		}
	})
}
