package devnet_test

import (
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"onsight/internal/devnet"
	"onsight/ons"
)

// sample is what requests can be made of on a chain nobody here made.
type sample struct {
	height   uint64 // of a block with a purchase
	hash     string
	txs      []string
	nameHash string
	kind     ons.Type
	owner    string
}

// requests are the same questions for any daemon.
func (s sample) requests(d devnet.Dialect) map[string]m {
	names := m{"entries": []any{m{"name_hash": s.nameHash, "types": []any{s.kind}}}}
	hash := m{"height": []any{s.height}}
	if d == devnet.Dialect11 {
		names, hash = m{"name_hash": []string{s.nameHash}, "type": []any{s.kind}}, m{"heights": []any{0, 1}}
	}
	return map[string]m{
		"get_info": {}, "get_height": {}, "get_block_count": {}, "get_version": {}, "get_fee_estimate": {}, "hard_fork_info": {"version": 19},
		"get_block_hash": hash, "get_last_block_header": {}, "get_block": {"height": s.height},
		"get_block_header_by_height": {"height": s.height, "get_tx_hashes": true}, "get_block_header_by_hash": {"hash": s.hash},
		"get_block_headers_range": {"start_height": s.height, "end_height": s.height, "get_tx_hashes": true},
		"get_transactions":        {"txs_hashes": s.txs, "decode_as_json": true, "tx_extra": true, "tx_extra_raw": true, "data": true},
		"ons_resolve":             {"type": s.kind, "name_hash": s.nameHash}, "ons_names_to_owners": names,
		"ons_owners_to_names": {"entries": []string{s.owner}},
	}
}

// take finds the last purchase of a session name among a chain's newest blocks by asking its daemon.
func take(t *testing.T, url string) (s sample, ok bool) {
	t.Helper()
	var info struct{ Height uint64 }
	mustRPC(t, url, "get_info", m{}, &info)
	for end := info.Height - 1; end > 100; end -= 100 {
		var r struct {
			Headers []struct {
				Height uint64
				Hash   string
				Txs    []string `json:"tx_hashes"`
			}
		}
		mustRPC(t, url, "get_block_headers_range", m{"start_height": end - 99, "end_height": end, "get_tx_hashes": true}, &r)
		for _, h := range slices.Backward(r.Headers) {
			for _, x := range h.Txs {
				var got struct{ Txs []map[string]any }
				mustRPC(t, url, "get_transactions", m{"txs_hashes": []string{x}, "data": true}, &got)
				text, _ := first(got.Txs[0], "as_hex", "data").(string)
				op, err := ons.ParseTransaction(must(hex.DecodeString(text)))
				if err == nil && op.Kind == ons.Buy && op.Type == ons.Session && op.Backup.Kind != ons.OwnerNone {
					return sample{
						height: h.Height, hash: h.Hash, txs: []string{x}, nameHash: op.Hash.String(), kind: op.Type, owner: op.Owner.Text(ons.Fakechain),
					}, true
				}
			}
		}
	}
	return s, false
}

// shapes lists what a reply consists of: the path and the type of each part.
func shapes(v any, path string, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			shapes(e, path+"."+k, into)
		}
	case []any:
		into[path+" list"] = true
		for _, e := range v {
			shapes(e, path+"[]", into)
		}
	default:
		into[fmt.Sprintf("%s %T", path, v)] = true
	}
}

// chancy are parts that depend on what a chain holds and not on who shows it.
var chancy = []string{".block_hash", ".bootstrap", ".pulse", ".difficulty", ".immutable", ".nonce", ".payment_id", ".tx_hashes", "rct", ".blob", ".backup_owner", ".expiration_height", ".latest_height", ".last_height"}

// TestShapes asks a daemon over a generated chain and others the same questions, each about its own chain, and finds the same parts in the
// replies: replays of both recordings, and the real daemon OXEND_LIVE names.
func TestShapes(t *testing.T) {
	t.Parallel()
	others := map[string]string{}
	for _, path := range []string{recorded10, recorded11} {
		d, err := devnet.Replay(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		others[path] = d.URL()
	}
	if url := os.Getenv("OXEND_LIVE"); url != "" {
		others["live"] = url
	}
	for name, url := range others {
		t.Run(name, func(t *testing.T) {
			var version struct{ Version uint64 }
			mustRPC(t, url, "get_version", m{}, &version)
			dialect := devnet.Dialect10 + devnet.Dialect(min(version.Version-262144, 1))
			chain, _ := devnet.Generate(devnet.GenerateConfig{Seed: 12, Dialect: dialect})
			d := start(t, chain, devnet.Options{})
			theirs, ok := take(t, url)
			ours, found := take(t, d.URL())
			if !ok || !found {
				t.Skip("no purchase to ask about")
			}
			mine := ours.requests(dialect)
			for method, params := range theirs.requests(dialect) {
				var want, got any
				mustRPC(t, url, method, params, &want)
				mustRPC(t, d.URL(), method, mine[method], &got)
				a, b := map[string]bool{}, map[string]bool{}
				shapes(want, method, a)
				shapes(got, method, b)
				for part := range maps.Keys(a) {
					if !b[part] && !slices.ContainsFunc(chancy, func(s string) bool { return strings.Contains(part, s) }) {
						t.Errorf("missing: %s", part)
					}
				}
				for part := range maps.Keys(b) {
					if !a[part] && !slices.ContainsFunc(chancy, func(s string) bool { return strings.Contains(part, s) }) {
						t.Errorf("invented: %s", part)
					}
				}
			}
		})
	}
}
