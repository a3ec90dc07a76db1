package devnet

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"onsight/internal/snode"
	"onsight/ons"
)

// Act is something the quorums or its operator do with a node.
type Act string

// The acts.
const (
	ActDecommission Act = "decommission" // for reasons; it stays so until recommissioned
	ActRecommission Act = "recommission"
	ActDeregister   Act = "deregister" // for reasons
	ActUnlock       Act = "unlock"     // the operator asks for the stake back: the node leaves half a lock time later
	ActMove         Act = "move"       // to another address
	ActStake        Act = "stake"      // again, after it has left
)

// Acts are all acts.
var Acts = []Act{ActDecommission, ActRecommission, ActDeregister, ActUnlock, ActMove, ActStake}

// reasonNames are the tests a node can fail, by bit (spec chain.md F.2).
var reasonNames = []string{"uptime", "checkpoints", "pulse", "storage", "timecheck", "timesync", "lokinet"}

// ParseReasons reads names of failed tests. None means uptime.
func ParseReasons(names []string) (Reasons, error) {
	var why Reasons
	for _, name := range names {
		bit := slices.Index(reasonNames, name)
		if bit < 0 {
			return 0, fmt.Errorf("%w: no reason %q: use %s", ErrCommand, name, strings.Join(reasonNames, ", "))
		}
		why |= 1 << bit
	}
	if why == 0 {
		why = ReasonUptime
	}
	return why, nil
}

// String returns the names of the tests, separated by commas.
func (r Reasons) String() string {
	var names []string
	for v := uint64(r); v != 0; v &= v - 1 {
		if bit := bits.TrailingZeros64(v); bit < len(reasonNames) {
			names = append(names, reasonNames[bit])
		} else {
			names = append(names, strconv.Itoa(bit))
		}
	}
	return strings.Join(names, ",")
}

// Do has something happen to the i-th node and makes the block that holds it. The error wraps ErrStake where it is not possible.
func (n *Network) Do(i int, act Act, why Reasons) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return ErrClosed
	}
	if i < 0 || i >= len(n.nodes) {
		return fmt.Errorf("%w: node %d: the nodes are 0 to %d", ErrCommand, i, len(n.nodes)-1)
	}
	try, err := n.try(i, act, why)
	if err != nil {
		return err
	}
	if act == ActDecommission {
		n.held[i] = true
	}
	// A quorum tests a node now and then; until one has, it can only be waited for.
	err = try()
	for wait := 0; errors.Is(err, errUntested) && wait < untestedFor; wait++ {
		n.mine()
		err = try()
	}
	if errors.Is(err, errUntested) {
		err = fmt.Errorf("%w: quorums of %d test all but themselves, so there must be more active nodes than that", err, obligationSize)
	}
	if err != nil {
		return fmt.Errorf("%s node %d: %w", act, i, err)
	}
	n.note("node %d: %s", i, act)
	n.mine()
	if act == ActRecommission {
		delete(n.held, i) // not before: judge would do it a second time
	}
	return nil
}

// untestedFor is how many blocks Do waits for a quorum.
const untestedFor = 60

// try returns what puts the act's transaction into the pool.
func (n *Network) try(i int, act Act, why Reasons) (func() error, error) {
	key := n.nodes[i].Key()
	do := map[Act]func() (ons.Txid, error){
		ActDecommission: func() (ons.Txid, error) { return n.chain.Decommission(key, why) },
		ActRecommission: func() (ons.Txid, error) { return n.chain.Recommission(key) },
		ActDeregister:   func() (ons.Txid, error) { return n.chain.Deregister(key, why) },
		ActUnlock:       func() (ons.Txid, error) { return n.chain.RequestUnlock(key) },
		ActMove:         func() (ons.Txid, error) { return ons.Txid{}, n.move(i) },
		ActStake: func() (ons.Txid, error) {
			return n.chain.RegisterNode(Stake{Key: key, Operator: n.operator(i)})
		},
	}[act]
	if do == nil {
		return nil, fmt.Errorf("%w: no act %q: use %s", ErrCommand, act, list(Acts))
	}
	return func() error { _, err := do(); return err }, nil
}

func list(acts []Act) string {
	var names []string
	for _, a := range acts {
		names = append(names, string(a))
	}
	return strings.Join(names, ", ")
}

func (n *Network) nodeCommand(c Command) error {
	why, err := ParseReasons(c.Reasons)
	if err != nil {
		return err
	}
	return n.Do(c.Node, Act(c.Act), why)
}

// Status says what there is.
func (n *Network) Status() Status {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := Status{Height: n.chain.Height() - 1, LokinetYear: n.chain.Year(), Nodes: len(n.nodes), Pool: len(n.chain.Pool())}
	if hash, err := n.chain.Hash(s.Height); err == nil {
		s.Tip = hash.String()
	}
	s.Names, _ = n.chain.Counts(s.Height + 1)
	for _, d := range n.daemons {
		s.Oxend = append(s.Oxend, d.URL())
	}
	s.Seeds = []string{n.seeds.plain.URL(), strings.TrimSuffix(n.seeds.url, "/")}
	swarms := map[uint64]bool{}
	for _, node := range n.chain.ServiceNodes() {
		s.Staked++
		if node.Active {
			s.Active++
			swarms[node.Swarm] = true
		}
	}
	delete(swarms, snode.NoSwarm)
	s.Swarms = len(swarms)
	return s
}

// NodeStatus says of every node what it is.
func (n *Network) NodeStatus() []NodeStatus {
	n.mu.Lock()
	defer n.mu.Unlock()
	staked := map[[32]byte]ServiceNode{}
	for _, s := range n.chain.ServiceNodes() {
		staked[s.Key] = s
	}
	list := make([]NodeStatus, 0, len(n.nodes))
	for i, node := range n.nodes {
		key := node.Key()
		v := NodeStatus{Node: i, Key: hex.EncodeToString(key[:]), URL: node.URL(), State: "gone", Faults: node.Faults().names()}
		if s, ok := staked[key]; ok {
			v.Credit = s.Credit
			if s.Swarm != snode.NoSwarm {
				v.Swarm = strconv.FormatUint(s.Swarm, 16)
			}
			switch {
			case !s.Funded:
				v.State = "awaiting"
			case !s.Active:
				v.State = "decommissioned"
			case s.RequestedUnlock > 0:
				v.State = "unlocking"
			default:
				v.State = "active"
			}
		}
		list = append(list, v)
	}
	return list
}

// names are the faults as ParseFaults reads them.
func (f NodeFaults) names() []string {
	var list []string
	add := func(is bool, text string) {
		if is {
			list = append(list, text)
		}
	}
	add(f.Down, "down")
	add(f.Delay > 0, "slow="+f.Delay.String())
	add(f.Loss > 0, "lossy="+strconv.FormatFloat(f.Loss, 'g', -1, 64))
	add(f.Clock != 0, "clock="+f.Clock.String())
	add(f.DropOnions, "drop-onions")
	add(f.NoOxend, "no-oxend")
	add(f.Backwards > 0, "backwards="+strconv.FormatUint(f.Backwards, 10))
	add(f.Ahead > 0, "ahead="+strconv.FormatUint(f.Ahead, 10))
	add(f.Lies.ONS, "lie-ons")
	add(f.Lies.Swarm, "lie-swarm")
	add(f.Lies.Signature, "lie-signature")
	add(f.Lies.Nodes, "lie-nodes")
	add(f.Status > 0, "status="+strconv.Itoa(f.Status))
	return list
}

// Environment are the variables by which programs find the network, NAME=VALUE each.
func (n *Network) Environment() []string {
	s := n.Status()
	return []string{
		"ONSIGHT_OXEND=" + strings.Join(s.Oxend, ","), fmt.Sprintf("ONSIGHT_LOKINET_YEAR=%d", s.LokinetYear),
		"COURIER_SEEDS=" + s.Seeds[0], "LOCAL_DEVNET_SEED_URL=" + s.Seeds[0] + "/",
		"DEVNET_SEED_TLS=" + strings.TrimSuffix(n.seeds.url, "/"), "DEVNET_SEED_PIN=" + n.seeds.pin,
	}
}
