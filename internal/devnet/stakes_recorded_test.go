package devnet

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// determined are the fields of a service node that follow from the chain. Swarms are not among them: which node goes where is our own
// draw; nor is what proofs and tests say.
var determined = []string{
	"active", "contributors", "decommission_count", "earned_downtime_blocks", "funded", "last_reward_block_height",
	"last_reward_transaction_index", "operator_address", "operator_fee", "payable", "portions_for_operator", "registration_height",
	"registration_hf_version", "requested_unlock_height", "service_node_pubkey", "staking_requirement", "state_height",
	"total_contributed", "total_reserved",
}

func recordedChain(t testing.TB, path string) *Chain {
	t.Helper()
	r, err := OpenRecording(path)
	if err != nil {
		t.Fatal(err)
	}
	c := r.Chain()
	if c.dialect == Dialect11 {
		return c
	}
	// Which nodes the recorded quorums judged: five were decommissioned (decommission_count), one still is (state_height 289); which of
	// the other four had which index makes no difference, as they went together at 293 and came back together at 308.
	c.stakes.tested = map[[2]uint64][32]byte{}
	var four [][32]byte
	for _, n := range c.nodes {
		key, err := parseHash(n.string("service_node_pubkey"))
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case n.uint("decommission_count") == 0:
		case n.uint("state_height") == 289:
			c.stakes.tested[[2]uint64{274, 3}] = key
		default:
			four = append(four, key)
		}
	}
	for i, at := range [][2]uint64{{278, 2}, {279, 1}, {278, 6}, {278, 4}} {
		c.stakes.tested[at] = four[i]
	}
	for i, index := range []uint64{6, 0, 3, 5} {
		c.stakes.tested[[2]uint64{294, index}] = four[i]
	}
	const before = 270
	blocks := slices.Clone(c.blocks[before:])
	c.cut(before)
	for _, b := range blocks {
		c.push(b)
	}
	return c
}

// computed are the nodes as the chain's transactions make them, as the dialect shows them.
func computed(t testing.TB, c *Chain) (list []map[string]any) {
	t.Helper()
	v := &view{chain: c}
	w := wanted{all: true}
	if err := json.Unmarshal(v.appendStates(nil, w, v.states(w, nil, false, 0)), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

func onlyDetermined(list []map[string]any) map[string]any {
	byKey := map[string]any{}
	for _, o := range list {
		got := map[string]any{}
		for _, name := range determined {
			if v, ok := o[name]; ok {
				got[name] = v
			}
		}
		byKey[o["service_node_pubkey"].(string)] = got
	}
	return byKey
}

// TestNodesOfRecordedChains computes the service nodes of the recorded chains from their transactions alone - registrations,
// contributions, ten state changes, an unlock and a node that came back - and compares with what the daemons said.
func TestNodesOfRecordedChains(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"oxend-chain.jsonl.gz", "oxend11/chain.jsonl.gz"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			c := recordedChain(t, filepath.Join("testdata", file))
			var want []map[string]any
			for _, n := range c.nodes {
				var o map[string]any
				if err := json.Unmarshal(appendJSON(nil, n.object), &o); err != nil {
					t.Fatal(err)
				}
				want = append(want, o)
			}
			if diff := cmp.Diff(onlyDetermined(want), onlyDetermined(computed(t, c))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRecordedRewards compares, block by block, whose turn it was and what was paid out with the recorded coinbases.
func TestRecordedRewards(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"oxend-chain.jsonl.gz", "oxend11/chain.jsonl.gz"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			c := recordedChain(t, filepath.Join("testdata", file))
			paid := 0
			for h := range c.blocks {
				if c.fork(uint64(h)).Version < 19 {
					continue
				}
				var j struct {
					Miner struct {
						Extra []int `json:"extra"`
						Vout  []struct{ Amount uint64 }
					} `json:"miner_tx"`
				}
				if err := json.Unmarshal([]byte(c.blocks[h].recorded.block.string("json")), &j); err != nil {
					t.Fatal(err)
				}
				var winner []byte
				for _, b := range j.Miner.Extra[len(j.Miner.Extra)-32:] {
					winner = append(winner, byte(b))
				}
				if got := c.leaderOf(uint64(h)); got.String() != hex.EncodeToString(winner) {
					t.Fatalf("block %d: the reward is %v's, want %x", h, got, winner)
				}
				var got, want []uint64
				for _, p := range c.stakes.blocks[h].payouts {
					got = append(got, p.amount)
				}
				for _, o := range j.Miner.Vout {
					want = append(want, o.Amount)
				}
				paid += len(want)
				if !slices.Equal(got, want) {
					t.Errorf("block %d pays %v, want %v", h, got, want)
				}
			}
			t.Logf("%d payouts", paid)
		})
	}
}

func readJSON(path string, to any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, to)
}

// TestRecordedStakeExtras compares what we say of every recorded stake, unlock and state change with what the daemons said, from the raw bytes alone.
func TestRecordedStakeExtras(t *testing.T) {
	t.Parallel()
	seen := map[uint64]int{}
	for _, file := range []string{"oxend-chain.jsonl.gz", "oxend11/chain.jsonl.gz"} {
		c := recordedChain(t, filepath.Join("testdata", file))
		for _, b := range c.blocks {
			for _, x := range b.txs {
				if x.kind < 1 || x.kind > 3 {
					continue
				}
				seen[x.kind]++
				var got, want any
				if err := json.Unmarshal(appendJSON(nil, c.extraObject(x)), &got); err != nil {
					t.Fatal(err)
				}
				if err := json.Unmarshal(x.recorded.decoded["extra"], &want); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: %v: %s", file, x.hash, diff)
				}
				if amount := x.recorded.raw["stake_amount"]; amount != nil {
					if got, want := string(x.appendStake(nil)), `,"stake_amount":`+string(amount); got != want {
						t.Errorf("%s: %v: %s, want %s", file, x.hash, got, want)
					}
				}
			}
		}
	}
	if want := map[uint64]int{1: 9, 2: 1, 3: 24}; !cmp.Equal(want, seen) {
		t.Errorf("kinds seen: %v, want %v", seen, want)
	}
}
