package oxend

import (
	"context"
	"fmt"
	"strconv"

	"onsight/ons"
)

// NoSwarm is the SwarmID of a node that belongs to no swarm: not funded, or decommissioned.
const NoSwarm uint64 = 1<<64 - 1

// NodeList is one answer of get_service_nodes.
type NodeList struct {
	Unchanged bool     // the poll hash is still the newest block; Nodes is empty then
	Height    uint64   // of the newest block: one less than Info.Height. 0 if that field was not asked for
	BlockHash ons.Txid // of the newest block: the next poll hash. Zero if it was not asked for
	HardFork  uint8
	Nodes     []ServiceNode // in no particular order
}

// ServiceNode is one node as the daemon describes it. What was not asked for, or the daemon does not know, is zero.
type ServiceNode struct {
	Pubkey           string // primary key, 64 hex digits: identifies the node
	Ed25519, X25519  string // 64 hex digits; empty without a proof
	BLS              string // 11.x, and only of the daemon's own node
	IP               string // dotted IPv4; empty or 0.0.0.0 when unknown
	StoragePort      uint16 // HTTPS; 0 unknown
	StorageOMQPort   uint16
	QuorumnetPort    uint16
	SwarmID          uint64 // NoSwarm for none
	Active, Funded   bool   // Funded and not Active: decommissioned
	Registered       uint64 // height
	StateHeight      uint64 // of activation, decommission or last contribution
	UnlockHeight     uint64 // 0: no unlock requested
	Decommissions    uint32
	EarnedDowntime   int64 // blocks; may be negative
	LastReward       uint64
	LastRewardIndex  uint32
	LastProof        uint64 // Unix seconds when this daemon last had a proof; 0 never
	NodeVersion      [3]uint16
	StorageVersion   [3]uint16
	LokinetVersion   [3]uint16
	Operator         string // address
	PortionsOperator uint64 // fee over 18446744073709551612
	StakeRequired    uint64 // atomic
	Contributed      uint64 // atomic
	Reserved         uint64 // atomic
	Contributors     []Contributor
	StorageReach     Reach
	LokinetReach     Reach
	ReasonAll        uint16 // why it was last decommissioned, as bits (11.x only)
	ReasonAny        uint16
	RegisteredHF     uint8
}

// Contributor is one stake in a node. The first is the operator.
type Contributor struct {
	Address  string
	Amount   uint64 // atomic
	Reserved uint64 // atomic
}

// Reach is what the daemon's own tests say of a node. Only a daemon that is a service node tests others.
type Reach struct {
	Known            bool // the daemon said so
	OK               bool
	FirstUnreachable uint64 // Unix seconds; 0: never
	LastUnreachable  uint64
	LastReachable    uint64
}

type wireNodes struct {
	stated
	Unchanged bool                      `json:"unchanged"`
	Height    uint64                    `json:"height"`
	BlockHash wireHash                  `json:"block_hash"`
	HardFork  uint8                     `json:"hardfork"`
	States    list[wireNode, nodeLimit] `json:"service_node_states"`
}

// There are about 2,000 nodes, with at most 10 contributors each.
type (
	nodeLimit  struct{}
	stakeLimit struct{}
)

func (nodeLimit) most() int  { return 20_000 }
func (stakeLimit) most() int { return 1_000 }

type wireNode struct {
	Pubkey           string                      `json:"service_node_pubkey"`
	Ed25519          string                      `json:"pubkey_ed25519"`
	X25519           string                      `json:"pubkey_x25519"`
	BLS              string                      `json:"pubkey_bls"`
	IP               string                      `json:"public_ip"`
	StoragePort      uint16                      `json:"storage_port"`
	StorageOMQPort   uint16                      `json:"storage_lmq_port"`
	QuorumnetPort    uint16                      `json:"quorumnet_port"`
	SwarmID          optional                    `json:"swarm_id"`
	Swarm            string                      `json:"swarm"` // the same in hex: 16 digits on 10.x, without padding on 11.x
	Active           bool                        `json:"active"`
	Funded           bool                        `json:"funded"`
	Registered       uint64                      `json:"registration_height"`
	StateHeight      uint64                      `json:"state_height"`
	UnlockHeight     uint64                      `json:"requested_unlock_height"`
	Decommissions    uint32                      `json:"decommission_count"`
	EarnedDowntime   int64                       `json:"earned_downtime_blocks"`
	LastReward       uint64                      `json:"last_reward_block_height"`
	LastRewardIndex  uint32                      `json:"last_reward_transaction_index"`
	LastProof        uint64                      `json:"last_uptime_proof"`
	NodeVersion      [3]uint16                   `json:"service_node_version"`
	StorageVersion   [3]uint16                   `json:"storage_server_version"`
	LokinetVersion   [3]uint16                   `json:"lokinet_version"`
	Operator         string                      `json:"operator_address"`
	PortionsOperator uint64                      `json:"portions_for_operator"`
	StakeRequired    uint64                      `json:"staking_requirement"`
	Contributed      uint64                      `json:"total_contributed"`
	Reserved         optional                    `json:"total_reserved"` // 11.x: only if it is not total_contributed
	Contributors     list[wireStake, stakeLimit] `json:"contributors"`
	StorageOK        *bool                       `json:"storage_server_reachable"`
	StorageFirstUn   uint64                      `json:"storage_server_first_unreachable"`
	StorageLastUn    uint64                      `json:"storage_server_last_unreachable"`
	StorageLast      uint64                      `json:"storage_server_last_reachable"`
	LokinetOK        *bool                       `json:"lokinet_reachable"`
	LokinetFirstUn   uint64                      `json:"lokinet_first_unreachable"`
	LokinetLastUn    uint64                      `json:"lokinet_last_unreachable"`
	LokinetLast      uint64                      `json:"lokinet_last_reachable"`
	ReasonAll        uint16                      `json:"last_decommission_reason_consensus_all"`
	ReasonAny        uint16                      `json:"last_decommission_reason_consensus_any"`
	RegisteredHF     uint8                       `json:"registration_hf_version"`
}

type wireStake struct {
	Address  string   `json:"address"`
	Amount   uint64   `json:"amount"`
	Reserved optional `json:"reserved"` // 11.x: only if it is not amount
}

// ServiceNodes asks for the list of service nodes. poll, if not zero, is the BlockHash of an earlier answer: while it
// is the newest block the answer is only Unchanged. fields are the names of spec E.10 to send (with "height" and
// "block_hash" for those of the list itself); none means everything.
func (c *Client) ServiceNodes(ctx context.Context, poll ons.Txid, fields ...string) (NodeList, error) {
	d, err := c.Dialect(ctx)
	if err != nil {
		return NodeList{}, err
	}
	params := map[string]any{}
	if poll != (ons.Txid{}) {
		params["poll_block_hash"] = poll.String()
	}
	switch {
	case len(fields) == 0: // everything, in both dialects
	case d == Dialect11:
		params["fields"] = fields
	default: // a list is ignored by 10.x: everything would come
		set := make(map[string]bool, len(fields))
		for _, f := range fields {
			set[f] = true
		}
		params["fields"] = set
	}
	const method = "get_service_nodes"
	w, err := call[wireNodes](ctx, c, request{method: method, params: params}, nil)
	if err != nil {
		return NodeList{}, err
	}
	l, err := w.list()
	if err != nil {
		return NodeList{}, fmt.Errorf("%s: %s: %w", c.name, method, err)
	}
	return l, nil
}

func (w *wireNodes) list() (NodeList, error) {
	l := NodeList{Unchanged: w.Unchanged, Height: w.Height, BlockHash: ons.Txid(w.BlockHash), HardFork: w.HardFork}
	if w.Untrusted {
		return l, ErrUntrusted
	}
	for i := range w.States {
		n, err := w.States[i].node()
		if err != nil {
			return NodeList{}, err
		}
		l.Nodes = append(l.Nodes, n)
	}
	return l, nil
}

func (w *wireNode) node() (ServiceNode, error) {
	swarm := NoSwarm
	if w.SwarmID.set {
		swarm = w.SwarmID.n
	} else if w.Swarm != "" {
		var err error
		if swarm, err = strconv.ParseUint(w.Swarm, 16, 64); err != nil {
			return ServiceNode{}, shapef("a node's swarm is not 16 hex digits")
		}
	}
	n := ServiceNode{
		Pubkey: w.Pubkey, Ed25519: w.Ed25519, X25519: w.X25519, BLS: w.BLS,
		IP: w.IP, StoragePort: w.StoragePort, StorageOMQPort: w.StorageOMQPort, QuorumnetPort: w.QuorumnetPort,
		SwarmID: swarm, Active: w.Active, Funded: w.Funded,
		Registered: w.Registered, RegisteredHF: w.RegisteredHF, StateHeight: w.StateHeight, UnlockHeight: w.UnlockHeight,
		Decommissions: w.Decommissions, EarnedDowntime: w.EarnedDowntime,
		LastReward: w.LastReward, LastRewardIndex: w.LastRewardIndex, LastProof: w.LastProof,
		NodeVersion: w.NodeVersion, StorageVersion: w.StorageVersion, LokinetVersion: w.LokinetVersion,
		Operator: w.Operator, PortionsOperator: w.PortionsOperator,
		StakeRequired: w.StakeRequired, Contributed: w.Contributed, Reserved: w.Contributed,
		StorageReach: reach(w.StorageOK, w.StorageFirstUn, w.StorageLastUn, w.StorageLast),
		LokinetReach: reach(w.LokinetOK, w.LokinetFirstUn, w.LokinetLastUn, w.LokinetLast),
		ReasonAll:    w.ReasonAll, ReasonAny: w.ReasonAny,
	}
	if w.Reserved.set {
		n.Reserved = w.Reserved.n
	}
	for _, s := range w.Contributors {
		st := Contributor{Address: s.Address, Amount: s.Amount, Reserved: s.Amount}
		if s.Reserved.set {
			st.Reserved = s.Reserved.n
		}
		n.Contributors = append(n.Contributors, st)
	}
	return n, nil
}

func reach(ok *bool, firstUn, lastUn, last uint64) Reach {
	return Reach{Known: ok != nil, OK: ok != nil && *ok, FirstUnreachable: firstUn, LastUnreachable: lastUn, LastReachable: last}
}
