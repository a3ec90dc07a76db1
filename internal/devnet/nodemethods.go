package devnet

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"onsight/internal/curve"
)

// nodeMethods are the methods about service nodes that a recording has no answers for.
var nodeMethods = map[string]method{
	"get_quorum_state":                        {call: getQuorumState},
	"get_checkpoints":                         {call: getCheckpoints},
	"get_staking_requirement":                 {call: getStakingRequirement},
	"get_service_node_blacklisted_key_images": {call: getBlacklist},
	"get_accrued_batched_earnings":            {call: getAccrued},
	"get_accrued_rewards":                     {call: getAccrued, only: Dialect11},
	"get_service_node_status":                 {call: getServiceNodeStatus, admin: true},
	"get_service_keys":                        {call: getServiceKeys, admin: true},
	"get_service_privkeys":                    {call: refuse, admin: true}, // nobody has them
}

func getStakingRequirement(v *view, b []byte, p params) ([]byte, *rpcError) {
	c := v.chain
	height, _, fault := p.uint("height", math.MaxUint64)
	if fault != nil {
		return b, fault
	}
	if height == 0 || c.dialect == Dialect11 {
		height = uint64(len(c.blocks)) // 11.x does not look at the parameter
	}
	b = appendUint(b, `{"height":`, height)
	return append(appendUint(b, `,"staking_requirement":`, c.requirement()), `,"status":"OK"}`...), nil
}

func getBlacklist(v *view, b []byte, _ params) ([]byte, *rpcError) {
	c := v.chain
	var images [][32]byte
	for image := range c.stakes.blacklist {
		images = append(images, image)
	}
	slices.SortFunc(images, func(x, y [32]byte) int { return slices.Compare(x[:], y[:]) })
	b = append(b, '{')
	if len(images) > 0 || c.dialect == Dialect11 {
		b = append(b, `"blacklist":[`...)
		for i, image := range images {
			if i > 0 {
				b = append(b, ',')
			}
			black := c.stakes.blacklist[image]
			b = appendHex(appendUint(b, `{"amount":`, black.amount), `,"key_image":"`, image[:])
			b = append(appendUint(b, `,"unlock_height":`, black.until), '}')
		}
		b = append(b, "],"...)
	}
	return append(b, `"status":"OK"}`...), nil
}

// getServiceNodeStatus is the daemon's own entry.
func getServiceNodeStatus(v *view, b []byte, p params) ([]byte, *rpcError) {
	c := v.chain
	debug, fault := p.bool("include_json")
	if fault != nil {
		return b, fault
	}
	height := uint64(len(c.blocks) - 1)
	x := v.show(wanted{all: true})
	if !x.sn() {
		if c.dialect == Dialect10 {
			return b, errorf(-1, "Could not convert to a public key, arg: 0 which is pubkey: ")
		}
		b = appendUint(appendHash(b, `{"block_hash":"`, c.tipHash()), `,"height":`, height)
		return append(b, `,"status":"Not a service node"}`...), nil
	}
	b = append(b, '{')
	n := c.stakes.nodes[v.self]
	if c.dialect == Dialect10 {
		text := ""
		if debug && n != nil {
			text = c.debugJSON([]*stakeNode{n})
		}
		b = append(appendJSON(append(b, `"as_json":`...), text), ',')
	}
	b = appendUint(appendHash(b, `"block_hash":"`, c.tipHash()), `,"height":`, height)
	if n == nil {
		n = &stakeNode{} // all zero, as recorded, but for what a proof would say
	}
	x.set(n, v.self)
	b = x.append(append(b, `,"service_node_state":`...))
	return append(b, `,"status":"OK"}`...), nil
}

// getServiceKeys shows the daemon's public keys. A plain node has an Ed25519 and an X25519 key too.
func getServiceKeys(v *view, b []byte, _ params) ([]byte, *rpcError) {
	c := v.chain
	own := v.self != [32]byte{}
	proof, proven := c.proofs[v.self]
	if !own || !proven {
		proof.Ed25519 = curve.PublicKey(sha256.Sum256([]byte("devnet daemon " + v.fullVersion())))
		proof.X25519 = sha256.Sum256(proof.Ed25519[:])
	}
	o := map[string]any{
		"service_node_ed25519_pubkey": hex.EncodeToString(proof.Ed25519[:]),
		"service_node_x25519_pubkey":  hex.EncodeToString(proof.X25519[:]), "status": "OK",
	}
	switch {
	case own:
		o["service_node_pubkey"] = hex.EncodeToString(v.self[:])
	case c.dialect == Dialect10:
		o["service_node_pubkey"] = ""
	}
	if c.dialect == Dialect11 {
		o["is_service_node"] = own
		if own {
			h := sha256.Sum256(append([]byte("bls"), v.self[:]...))
			o["service_node_bls_pubkey"] = strings.Repeat(hex.EncodeToString(h[:]), 2)
		}
	}
	return appendJSON(b, o), nil
}

// ownInfo sets what get_info says of the daemon as a service node.
func (v *view) ownInfo(o object) {
	if v.self == [32]byte{} {
		return
	}
	o.set("service_node", true)
	ping := unix(v.chain.proofs[v.self].Time)
	o.set("last_storage_server_ping", ping)
	o.set("last_lokinet_ping", ping)
}

// ownStatus is the end of get_info's status_line.
func (v *view) ownStatus() string {
	c := v.chain
	if v.self == [32]byte{} {
		return ", SN: no"
	}
	state := "not registered"
	if n := c.stakes.nodes[v.self]; n != nil {
		switch {
		case n.isActive():
			state = "active"
		case n.decommissioned:
			state = "decommissioned"
		default:
			state = "not fully funded"
		}
	}
	ago := "never"
	if t := c.proofs[v.self].Time; !t.IsZero() {
		if d := c.clock().Sub(t).Truncate(time.Second); d >= 0 {
			ago = d.String()
		} else {
			ago = "now"
		}
	}
	return fmt.Sprintf(", SN: %s, proof: %s, storage: %s, lokinet: %s", state, ago, ago, ago)
}
