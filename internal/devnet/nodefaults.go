package devnet

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"onsight/internal/devnet/storage"
)

// NodeFaults is what is wrong with a node. The zero value is a healthy one.
type NodeFaults struct {
	// Down: nobody listens, what was connected is cut, other nodes cannot reach it.
	Down bool
	// Delay passes before each answer, to clients and to other nodes. What the request did is done by then.
	Delay time.Duration
	// Loss is the share of requests, 0 to 1, whose connection is cut unanswered. The fate of a node's n-th request is fixed by the
	// node's seed.
	Loss float64
	// Clock is how far the node's clock is ahead.
	Clock time.Duration
	// DropOnions: onion requests are swallowed. The hop before says 504 when it has waited long enough, a client gets no answer.
	DropOnions bool
	// NoOxend: its daemon does not answer it.
	NoOxend bool
	// Backwards is how many blocks its daemon is behind.
	Backwards uint64
	// Ahead is how many blocks more its daemon says that it has than it has.
	Ahead uint64
	// Lies the storage server tells.
	Lies storage.Lies
	// Status, if not zero, is what every request to a route is answered with, and the text the real server has for it: 429, 500,
	// 502, 503 or 504. One of 400, 401, 403 and 404 is a refusal: what its storage server answers every onion request with that ends
	// there, while the node hands on those of others and takes what its swarm forwards.
	Status int
}

// statusUnready is the NodeFaults.Status of a node that says it is not ready.
const statusUnready = http.StatusServiceUnavailable

// notSynced is the reason such a node gives (spec C.1).
const notSynced = "not done syncing"

func (f NodeFaults) check() error {
	switch {
	case f.Delay < 0:
		return fmt.Errorf("delay of %v", f.Delay)
	case !(f.Loss >= 0 && f.Loss <= 1): // NaN too
		return fmt.Errorf("loss of %v is not between 0 and 1", f.Loss)
	}
	switch f.Status {
	case 0, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, statusUnready, http.StatusGatewayTimeout:
		return nil
	}
	return fmt.Errorf("no node answers everything with status %d", f.Status)
}

// Faults is what is wrong with the node at the moment.
func (n *Node) Faults() NodeFaults { return *n.faults.Load() }

// SetFaults replaces what is wrong with the node, from the next answer on. It fails, changing nothing, for faults that make no
// sense, and if the node is to come up and its ports are taken.
func (n *Node) SetFaults(f NodeFaults) error { return n.change(func(old *NodeFaults) { *old = f }) }

// change changes the node's faults and has it listen or not.
func (n *Node) change(f func(*NodeFaults)) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	faults := n.Faults()
	f(&faults)
	if err := faults.check(); err != nil {
		return fmt.Errorf("faults of node %d: %w", n.index, err)
	}
	if n.closed {
		return fmt.Errorf("faults of node %d: %w", n.index, ErrNodeClosed)
	}
	if !faults.Down && n.up.Load() == nil {
		if err := n.listen(*n.site.Load()); err != nil {
			return fmt.Errorf("bring node %d up: %w", n.index, err)
		}
	}
	n.faults.Store(&faults)
	n.log.Debug("node has faults", "faults", faults)
	if faults.Down && n.up.Load() != nil {
		if err := n.hangUp(); err != nil {
			return fmt.Errorf("take node %d down: %w", n.index, err)
		}
	}
	return nil
}

// Down takes the node off the net until Up; see NodeFaults.
func (n *Node) Down() error { return n.change(func(f *NodeFaults) { f.Down = true }) }

// Up has the node listen again, on the ports it had.
func (n *Node) Up() error { return n.change(func(f *NodeFaults) { f.Down = false }) }

// Delay makes the node wait before each answer; see NodeFaults.
func (n *Node) Delay(d time.Duration) error { return n.change(func(f *NodeFaults) { f.Delay = d }) }

// Lossy makes the node cut a share of its requests; see NodeFaults.
func (n *Node) Lossy(share float64) error { return n.change(func(f *NodeFaults) { f.Loss = share }) }

// Clock sets the node's clock ahead, or back if d is negative.
func (n *Node) Clock(d time.Duration) error { return n.change(func(f *NodeFaults) { f.Clock = d }) }

// DropOnions makes the node swallow onion requests.
func (n *Node) DropOnions() error { return n.change(func(f *NodeFaults) { f.DropOnions = true }) }

// Lie makes the node tell every lie it knows.
func (n *Node) Lie() error {
	return n.change(func(f *NodeFaults) { f.Lies = storage.Lies{ONS: true, Swarm: true, Signature: true, Nodes: true} })
}

// Heal puts everything right that is wrong with the node.
func (n *Node) Heal() error { return n.SetFaults(NodeFaults{}) }

// errCut says that a request is not answered: its connection is cut.
var errCut = errors.New("cut")

// arrive counts a request that reached the node and throws the dice for it; errCut if it is lost.
func (n *Node) arrive() error {
	nth := n.requests.Add(1)
	if f := n.faults.Load(); f.Loss > 0 && fate(n.seed, nth) < f.Loss {
		return errCut
	}
	return nil
}

// fate is between 0 and 1, and the same whenever the seed and the number of the request are. It is one step of SplitMix64, so that
// no state is kept and requests in parallel need no lock.
func fate(seed, nth uint64) float64 {
	z := seed + nth*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	return float64(z>>11) / (1 << 53)
}

// status is what the node answers every request with, if it has that fault. The text of a 500 depends on who asks; next is the node
// a 502 is about.
func (n *Node) status(internal string, next [32]byte) (_ storage.Reply, faulty bool) {
	status := n.Faults().Status
	switch status {
	case http.StatusTooManyRequests:
		return text(status, "Too Many Requests"), true
	case http.StatusInternalServerError:
		return text(status, internal), true
	case http.StatusBadGateway:
		return text(status, "Next node not found: "+hex.EncodeToString(next[:])), true
	case statusUnready:
		return text(status, "Service node is not ready: "+notSynced+"\n"), true
	case http.StatusGatewayTimeout:
		return text(status, "Request time out"), true
	}
	return storage.Reply{}, false
}

// refusal is what the node's storage server answers every client with, if it has that fault.
func (n *Node) refusal() (_ storage.Reply, faulty bool) {
	switch status := n.Faults().Status; status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		return text(status, http.StatusText(status)), true
	}
	return storage.Reply{}, false
}
