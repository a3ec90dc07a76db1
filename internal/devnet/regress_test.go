package devnet

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRecommissionOnce: what is done by hand is not done by the quorums a second time.
func TestRecommissionOnce(t *testing.T) {
	t.Parallel()
	n := startNetwork(t, Config{Nodes: 20, Past: 60})
	for _, act := range []Act{ActDecommission, ActRecommission} {
		if err := n.Do(4, act, ReasonUptime); err != nil {
			t.Fatal(err)
		}
	}
	n.Mine(5)
	reply, fault := n.chain.ask("get_service_nodes_state_changes", json.RawMessage(`{"start_height":170}`))
	if fault != nil {
		t.Fatal(fault)
	}
	for _, want := range []string{`"total_decommission":1,`, `"total_recommission":1,`} {
		if !strings.Contains(string(reply), want) {
			t.Errorf("%s has no %s", reply, want)
		}
	}
}

// TestDoWaits: an act for which no quorum has tested the node yet makes blocks until one has; where none can, it says so.
func TestDoWaits(t *testing.T) {
	t.Parallel()
	n := startNetwork(t, Config{Past: 60})
	for i := range n.Nodes()[:2] {
		for _, act := range []Act{ActDecommission, ActRecommission} {
			if err := n.Do(i, act, ReasonUptime); err != nil {
				t.Errorf("node %d: %v", i, err)
			}
		}
	}
	if err := n.Do(0, ActRecommission, 0); !errors.Is(err, ErrStake) || !strings.Contains(err.Error(), "it is not decommissioned") {
		t.Errorf("twice: %v", err)
	}
	small := startNetwork(t, Config{Nodes: 8, Past: 60})
	if err := small.Do(0, ActDecommission, ReasonUptime); !errors.Is(err, ErrStake) || !strings.Contains(err.Error(), "more active nodes") {
		t.Errorf("without anybody to be tested: %v", err)
	}
}

// TestForgottenUndo: a cut deeper than what can be taken back block by block comes to the same nodes.
func TestForgottenUndo(t *testing.T) {
	t.Parallel()
	n := startNetwork(t, Config{Nodes: 14, Past: 60, Life: true})
	height := n.chain.Height()
	was := n.chain.Clone()
	n.Mine(undoable + 100)
	n.chain.Cut(height)
	if diff := cmp.Diff(states(t, was), states(t, n.chain)); diff != "" {
		t.Error(diff)
	}
	if n.chain.stakes.blocks[height-1].undo != nil && n.chain.stakes.blocks[height-1].forgotten {
		t.Error("a block has an undo and none")
	}
}

// states is what of the nodes the chain alone says.
func states(t *testing.T, c *Chain) string {
	t.Helper()
	reply, fault := c.ask("get_service_nodes", json.RawMessage(`{"fields":{"service_node_pubkey":true,"active":true,"swarm":true,`+
		`"earned_downtime_blocks":true,"last_reward_block_height":true,"total_contributed":true,"state_height":true,"decommission_count":true}}`))
	if fault != nil {
		t.Fatal(fault)
	}
	accrued, fault := c.ask("get_accrued_batched_earnings", nil)
	if fault != nil {
		t.Fatal(fault)
	}
	return strings.ReplaceAll(string(reply)+string(accrued), "},{", "},\n{")
}

// TestDiceSpare: who has faults of another making is none of the dice's.
func TestDiceSpare(t *testing.T) {
	t.Parallel()
	n := startNetwork(t, Config{Nodes: 12, Past: 60, Dice: 4, Latency: 1, Daemons: 2})
	inject(t, n, "0-5:lie-ons,oxend2:fork=3")
	n.Mine(60)
	for i := range 6 {
		if f := n.Node(i).Faults(); f.Lies.ONS != true || f.Down {
			t.Errorf("node %d: %+v", i, f)
		}
	}
	if n.Daemon(1).Chain() == n.chain {
		t.Error("the fork is gone")
	}
}

// TestCrashedGoOn: a killed daemon is dead, and the others are not.
func TestCrashedGoOn(t *testing.T) {
	t.Parallel()
	n := startNetwork(t, Config{Nodes: 2, Past: 60, Daemons: 2, Dialect: Dialect11})
	client := newClient(t)
	if r, err := client.Post(n.Oxend()+"/json_rpc", "application/json", strings.NewReader("[]")); err == nil {
		r.Body.Close()
		t.Error("it answers")
	}
	if err := n.Crashed(); !errors.Is(err, ErrCrashed) || !strings.Contains(err.Error(), "daemon 1") {
		t.Errorf("crashed: %v", err)
	}
	n.Mine(1)
	for _, url := range []string{n.Daemon(1).URL() + "/get_height", n.Seed() + "get_height"} {
		r, err := client.Get(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		r.Body.Close()
	}
}
