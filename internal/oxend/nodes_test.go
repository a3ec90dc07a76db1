package oxend

import (
	"encoding/json"
	"math"
	"testing"

	"onsight/ons"
)

func TestServiceNodesRecorded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		dialect, file string
		nodes         int
	}{{"10", "get_service_nodes_all", 0}, {"11", "get_service_nodes_all", 0}, {"10", "ckpt_get_service_nodes", 0}, {"11", "get_service_nodes_without_proofs", 0}} {
		c := serveReply(t, load(t, tt.dialect+"/"+tt.file).reply())
		l, err := c.ServiceNodes(t.Context(), ons.Txid{})
		if err != nil {
			t.Errorf("%s/%s: %v", tt.dialect, tt.file, err)
			continue
		}
		var want struct {
			Result struct {
				Height uint64
				States []struct {
					Pubkey   string  `json:"service_node_pubkey"`
					Swarm    uint64  `json:"swarm_id"`
					Portions uint64  `json:"portions_for_operator"`
					Earned   int64   `json:"earned_downtime_blocks"`
					Reserved *uint64 `json:"total_reserved"`
					Total    uint64  `json:"total_contributed"`
					IP       string  `json:"public_ip"`
					Port     uint16  `json:"storage_port"`
					OK       *bool   `json:"storage_server_reachable"`
				} `json:"service_node_states"`
			}
		}
		if err := json.Unmarshal(load(t, tt.dialect+"/"+tt.file).Response, &want); err != nil {
			t.Fatal(err)
		}
		if l.Height != want.Result.Height || len(l.Nodes) != len(want.Result.States) || len(l.Nodes) == 0 {
			t.Errorf("%s/%s: %d nodes at %d", tt.dialect, tt.file, len(l.Nodes), l.Height)
		}
		for i, w := range want.Result.States {
			n := l.Nodes[i]
			reserved := w.Total
			if w.Reserved != nil {
				reserved = *w.Reserved
			}
			if n.Pubkey != w.Pubkey || n.SwarmID != w.Swarm || n.PortionsOperator != w.Portions || n.EarnedDowntime != w.Earned ||
				n.Reserved != reserved || n.IP != w.IP || n.StoragePort != w.Port || n.StorageReach.Known != (w.OK != nil) {
				t.Errorf("%s/%s: got %+v, want %+v", tt.dialect, tt.file, n, w)
			}
		}
	}
	c, _ := replay(t, "10", "get_service_nodes_poll_unchanged")
	l, err := c.ServiceNodes(t.Context(), txid(t, "a49ae6a94beeac9fcc445247e9c262f2549a3fcb83dcc7cbaf483e7f33c26900"), "service_node_pubkey", "height")
	if err != nil || !l.Unchanged || l.Height != 337 || len(l.Nodes) != 0 {
		t.Errorf("got %+v, %v", l, err)
	}
	c, _ = replay(t, "11", "get_service_nodes_poll_unchanged")
	l, err = c.ServiceNodes(t.Context(), txid(t, "8a4bad7e4657bf4521d06972cee49b85fbd39d504a493670a50874ca12fa6d06"), "service_node_pubkey", "height")
	if err != nil || !l.Unchanged || l.Height != 292 {
		t.Errorf("got %+v, %v", l, err)
	}
	if (&wireNode{Swarm: "7fffffffffffffff"}).must(t).SwarmID != math.MaxInt64 || (&wireNode{}).must(t).SwarmID != NoSwarm {
		t.Error("swarm id is not exact")
	}
}

func (w *wireNode) must(t *testing.T) ServiceNode {
	n, err := w.node()
	if err != nil {
		t.Fatal(err)
	}
	return n
}
