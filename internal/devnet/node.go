package devnet

import (
	"cmp"
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"onsight/internal/curve"
	"onsight/internal/devnet/storage"
)

// world is what a node asks of the network it is in: *Network is one, the tests have a smaller one. It is safe for concurrent use.
type world interface {
	// members is a shared snapshot, not to be changed, of the funded nodes with contact data. Another state is another slice: storage
	// servers look no closer.
	members() []storage.Member
	// member finds one of that snapshot. The node is nil if none of this network has the key.
	member(ed25519 [32]byte) (storage.Member, *Node, bool)
	// fork is the hard fork and its revision.
	fork() [2]int
	// height is the chain's height as storage servers tell it.
	height() uint64
	// oxend asks the nodes' daemon, as storage.Network says, or one that is so many blocks behind.
	oxend(ctx context.Context, backwards uint64, endpoint string, params json.RawMessage) (json.RawMessage, error)
	// now is the right time; a node's own is off by its NodeFaults.Clock.
	now() time.Time
	// onionTimeout is how long a hop waits for the next: 30 s (spec D.7), less in tests. The times for a server and for a swarm's
	// member go with it, 25 and 5 s.
	onionTimeout() time.Duration
	// host says where the last hop finds a server's name: host:port, whatever port was asked for.
	host(name string) (address string, ok bool)
}

// nodeConfig is what newNode needs.
type nodeConfig struct {
	Index     int    // which of the network's nodes
	Seed      uint64 // of its dice
	Key       ed25519.PrivateKey
	Legacy    [32]byte
	Addr      netip.Addr // IPv4
	HTTPSPort uint16     // zero: a free one
	OMQPort   uint16     // zero: a free one
	Version   [3]uint16  // of the storage server
	World     world
	Log       *slog.Logger  // nil: silent
	Forge     storage.Forge // nil: its lies about names open under no name
}

// String names the node and hides its key.
func (c nodeConfig) String() string { return fmt.Sprintf("node %d", c.Index) }

// GoString hides the key too.
func (c nodeConfig) GoString() string { return c.String() }

// Node is a service node's storage server, listening on loopback as the real one does: HTTPS with a certificate of its own, and a
// port for OMQ that accepts connections only (nodes of this network call each other within the process). It is safe for concurrent
// use.
type Node struct {
	index       int
	seed        uint64
	legacy      [32]byte
	ed25519     [32]byte
	x25519      [32]byte
	secret      *ecdh.PrivateKey
	certificate tls.Certificate
	world       world
	log         *slog.Logger
	storage     *storage.Server
	limits      buckets
	proxy       *http.Client // to servers
	site        atomic.Pointer[site]
	faults      atomic.Pointer[NodeFaults]
	requests    atomic.Uint64          // received so far, by HTTPS and from other nodes: which throw of the dice is next
	busy        atomic.Int64           // HTTPS requests in work or waiting for the node's delay to pass
	up          atomic.Pointer[uptime] // nil while the node is down

	mu     sync.Mutex // guards what follows, and every change of faults, site and up
	closed bool
}

// site is what may change of a node: where it is, and which version runs there.
type site struct {
	ip         netip.Addr // IPv4
	https, omq uint16     // zero: to be chosen when it listens
	version    [3]uint16
}

// agent is the Server and User-Agent header.
func (p *site) agent() string { return "Oxen Storage Server/" + p.release() }

func (p *site) release() string {
	return fmt.Sprintf("%d.%d.%d", p.version[0], p.version[1], p.version[2])
}

// String names the node and hides its keys.
func (n *Node) String() string { return fmt.Sprintf("node %d", n.index) }

// GoString hides the keys too.
func (n *Node) GoString() string { return n.String() }

// ErrNodeClosed is what a change of a node fails with after its network was closed.
var ErrNodeClosed = errors.New("node is closed")

// newNode makes a node and has it listen. close it.
func newNode(c nodeConfig) (*Node, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if len(c.Key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("node %d: no Ed25519 key", c.Index)
	}
	x := curve.PrivateX25519(c.Key)
	secret, err := ecdh.X25519().NewPrivateKey(x[:])
	if err != nil {
		return nil, fmt.Errorf("node %d: %w", c.Index, err)
	}
	n := &Node{
		index: c.Index, seed: c.Seed, legacy: c.Legacy, ed25519: [32]byte(c.Key[32:]), x25519: [32]byte(secret.PublicKey().Bytes()),
		secret: secret, world: c.World, log: c.Log.With("node", c.Index),
	}
	n.faults.Store(&NodeFaults{})
	if n.certificate, err = newCertificate(c.World.now()); err != nil {
		return nil, fmt.Errorf("node %d: %w", c.Index, err)
	}
	n.proxy = newProxy(c.World)
	n.storage = storage.New(storage.Config{
		Key: c.Key, Legacy: c.Legacy, Version: n.Version, Network: uplink{n}, Now: n.now,
		Lies: func() storage.Lies { return n.Faults().Lies }, Forge: c.Forge,
	})
	if err := n.listen(c.site()); err != nil {
		return nil, fmt.Errorf("node %d: %w", c.Index, err)
	}
	return n, nil
}

func (c nodeConfig) site() site { return site{c.Addr, c.HTTPSPort, c.OMQPort, c.Version} }

// rebind takes the node to another place, which f makes of the one it is in, or has another version run in that one. Connections are
// cut; nothing else is lost, and the Node stays the same. A zero port is a free one, or for a node that is down the one it had, since
// nothing is listened on before it comes up. It fails if the node cannot listen there; the node is where it was then.
func (n *Node) rebind(f func(*site)) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return fmt.Errorf("move node %d: %w", n.index, ErrNodeClosed)
	}
	old := *n.site.Load()
	p := old
	f(&p)
	if err := p.check(); err != nil {
		return fmt.Errorf("move node %d: %w", n.index, err)
	}
	if n.Faults().Down {
		p.https, p.omq = cmp.Or(p.https, old.https), cmp.Or(p.omq, old.omq)
		n.site.Store(&p)
		return nil
	}
	err := n.hangUp()
	if err == nil {
		err = n.listen(p)
	}
	if err != nil {
		return fmt.Errorf("move node %d: %w", n.index, errors.Join(err, n.listen(old)))
	}
	return nil
}

func (p *site) check() error {
	if !p.ip.Is4() {
		return fmt.Errorf("%v is no IPv4 address", p.ip)
	}
	return nil
}

// close ends the node. No goroutine of it is left when it returns.
func (n *Node) close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	return n.hangUp()
}

// Index is the node's number in its network, from 0.
func (n *Node) Index() int { return n.index }

// Key is the node's legacy key, by which the chain knows it.
func (n *Node) Key() [32]byte { return n.legacy }

// Ed25519 is the key by which storage servers and onion requests know the node.
func (n *Node) Ed25519() [32]byte { return n.ed25519 }

// X25519 is the key onion requests are sealed for.
func (n *Node) X25519() [32]byte { return n.x25519 }

// IP is the loopback address the node listens on; another one after it moved.
func (n *Node) IP() netip.Addr { return n.site.Load().ip }

// HTTPSPort is the node's storage port, the same until the node moves.
func (n *Node) HTTPSPort() uint16 { return n.site.Load().https }

// OMQPort is the node's OMQ port, the same until the node moves.
func (n *Node) OMQPort() uint16 { return n.site.Load().omq }

// URL is where the node's routes are until it moves: https://ip:port.
func (n *Node) URL() string {
	p := n.site.Load()
	return "https://" + netip.AddrPortFrom(p.ip, p.https).String()
}

// Version is the storage server's version the node says it has.
func (n *Node) Version() [3]uint16 { return n.site.Load().version }

// now is the node's own clock.
func (n *Node) now() time.Time { return n.world.now().Add(n.Faults().Clock) }

// unready says why the node does not serve clients; "" if it does (spec C.1).
func (n *Node) unready() string {
	if n.Faults().Status == statusUnready {
		return notSynced
	}
	return n.storage.Ready()
}
