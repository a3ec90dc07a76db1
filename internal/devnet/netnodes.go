package devnet

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"onsight/internal/devnet/storage"
	"onsight/internal/snode"
	"onsight/ons"
)

// table is who is in which swarm at one moment.
type table struct {
	list []storage.Member
	by   map[[32]byte]int // places in list, by Ed25519 key
	node map[[32]byte]*Node
}

// What a Node asks of its network.

func (n *Network) members() []storage.Member { return n.table.Load().list }

func (n *Network) member(key [32]byte) (storage.Member, *Node, bool) {
	t := n.table.Load()
	i, ok := t.by[key]
	if !ok {
		return storage.Member{}, nil, false
	}
	return t.list[i], t.node[key], true
}

func (n *Network) fork() [2]int {
	c := n.chain
	c.mu.RLock()
	defer c.mu.RUnlock()
	f := c.fork(uint64(len(c.blocks) - 1))
	return [2]int{int(f.Version), c.revision(f)}
}

func (n *Network) height() uint64              { return n.chain.Height() - 1 }
func (n *Network) now() time.Time              { return n.cfg.Now() }
func (n *Network) onionTimeout() time.Duration { return n.cfg.OnionTimeout }

func (n *Network) host(name string) (string, bool) {
	address, ok := n.cfg.Hosts[name]
	return address, ok
}

// oxend is a storage server's own daemon, which has no faults: those of the network's daemons are theirs.
func (n *Network) oxend(_ context.Context, backwards uint64, endpoint string, params json.RawMessage) (json.RawMessage, error) {
	chain := n.chain
	if backwards > 0 {
		chain = chain.Clone()
		chain.Cut(max(chain.Height(), backwards+1) - backwards)
	}
	result, fault := chain.ask(endpoint, params)
	if fault != nil {
		return nil, &storage.DaemonError{Code: fault.code, Message: fault.message}
	}
	return result, nil
}

// forge seals the account that all liars give out for a session name of this network.
func (n *Network) forge(params json.RawMessage) (value, nonce string, ok bool) {
	var q struct {
		Hash string `json:"name_hash"`
	}
	if json.Unmarshal(params, &q) != nil {
		return "", "", false
	}
	known, ok := n.spoken.Load(q.Hash)
	if !ok {
		return "", "", false
	}
	liar := seedOf(n.cfg.Seed, "liar", 0)
	sealed, err := known.(ons.Name).Seal(ons.Value{Type: ons.Session, Bytes: append([]byte{5}, liar[:]...)}, zeros{})
	return hex.EncodeToString(sealed.Ciphertext), hex.EncodeToString(sealed.Nonce), err == nil
}

// zeros is a nonce for what is always the same.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// addNode makes the i-th node and has it listen. It is not staked yet.
func (n *Network) addNode() error {
	i := len(n.nodes)
	if i >= maxNodes {
		return fmt.Errorf("at most %d nodes", maxNodes)
	}
	seed := seedOf(n.cfg.Seed, "node", i)
	host := nodeConfig{
		Index: i, Seed: binary.LittleEndian.Uint64(seed[:]), Key: ed25519.NewKeyFromSeed(seed[:]), Addr: n.address(i, 0),
		Version: n.cfg.Storage, World: n, Log: n.cfg.Log, Forge: n.forge,
	}
	host.Legacy = [32]byte(host.Key.Public().(ed25519.PublicKey))
	if i%7 == 6 { // an old node: its key on the chain is another one than its Ed25519 key
		other := seedOf(n.cfg.Seed, "legacy", i)
		host.Legacy = [32]byte(ed25519.NewKeyFromSeed(other[:]).Public().(ed25519.PublicKey))
	}
	if host.Version == ([3]uint16{}) {
		host.Version = [3]uint16{2, 11, 0}
		if n.life != nil {
			host.Version = [...][3]uint16{{2, 11, 0}, {2, 11, 2}, {2, 8, 0}, {2, 10, 1}, {2, 11, 2}}[i%5]
		}
	}
	node, err := newNode(host)
	if err != nil {
		return err
	}
	n.nodes = append(n.nodes, node)
	return node.SetFaults(n.usual(i))
}

// address is where the i-th node lives after it has moved so often: each group of PerSubnet nodes has a /24 of its own.
func (n *Network) address(i, moves int) netip.Addr {
	if n.cfg.OneIP {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	group := i / n.cfg.PerSubnet
	r := rand.New(rand.NewPCG(n.cfg.Seed, uint64(group)<<8+uint64(moves)))
	// The second byte is free to be met again, as some /16 are on the real network; the third makes the /24 the group's own.
	second, third := 1+group/250+8*r.IntN(4)+32*(moves%7), 1+group%250
	return netip.AddrFrom4([4]byte{127, byte(second), byte(third), byte(1 + i%n.cfg.PerSubnet + r.IntN(255-n.cfg.PerSubnet))})
}

// operator is who runs the i-th node.
func (n *Network) operator(i int) ons.Owner {
	if n.cfg.Operators > 0 {
		i %= n.cfg.Operators
	}
	return StakeWallet(seedOf(n.cfg.Seed, "operator", i))
}

// settle makes nodes and daemons know of each other what is true after the chain or a node has changed.
func (n *Network) settle() {
	now := n.cfg.Now()
	for i, node := range n.nodes {
		if node.Faults().Down {
			if n.down[i].IsZero() {
				n.down[i] = now
			}
		} else {
			delete(n.down, i)
		}
		n.prove(i, now)
	}
	before := n.table.Load()
	n.tabulate()
	n.handOver(before)
	for _, node := range n.nodes {
		node.storage.Prune()
	}
}

// prove sets what the daemons know of a node: its last proof, and whether tests reached it.
func (n *Network) prove(i int, now time.Time) {
	node := n.nodes[i]
	// Proofs come in turn, not all at once.
	phase := proofEvery * time.Duration(i%60) / 60
	sent := now.Add(-phase).Truncate(proofEvery).Add(phase)
	reached := Reachability{LastReachable: sent}
	if since, down := n.down[i]; down {
		sent = since.Add(-phase).Truncate(proofEvery).Add(phase)
		reached = Reachability{LastReachable: sent, FirstUnreachable: since, LastUnreachable: now}
		if last, known := n.chain.proof(node.Key()); known && last.Time.IsZero() {
			sent = last.Time // a decommission had it forgotten, and no other has come
		}
	}
	oxend := [3]uint16{10, 6, 0}
	if n.cfg.Dialect == Dialect11 {
		oxend = [3]uint16{11, 0, 6}
	}
	proof := Proof{
		Ed25519: node.Ed25519(), X25519: node.X25519(), IP: node.IP(),
		StoragePort: node.HTTPSPort(), OMQPort: node.OMQPort(), QuorumnetPort: 22025, Oxend: oxend, Storage: node.Version(),
		Lokinet: [3]uint16{0, 9, 11}, Time: sent, StorageReachability: reached, LokinetReachability: reached,
	}
	n.chain.SetProof(node.Key(), proof)
	for _, c := range n.forked {
		c.SetProof(node.Key(), proof)
	}
}

func (n *Network) tabulate() {
	t := &table{by: map[[32]byte]int{}, node: map[[32]byte]*Node{}}
	for _, s := range n.chain.ServiceNodes() {
		if p := s.Proof; s.Funded && p.IP.IsValid() {
			t.by[p.Ed25519] = len(t.list)
			t.list = append(t.list, storage.Member{
				Legacy: s.Key, Ed25519: p.Ed25519, X25519: p.X25519, IP: p.IP, HTTPS: p.StoragePort, OMQ: p.OMQPort, Swarm: s.Swarm,
				Version: p.Storage,
			})
		}
	}
	for _, node := range n.nodes {
		t.node[node.Ed25519()] = node
	}
	n.table.Store(t)
}

// handOver passes messages on to the members that swarms have won, as those that were there do.
func (n *Network) handOver(before *table) {
	after, changed := n.table.Load(), false
	for _, m := range after.list {
		i, ok := before.by[m.Ed25519]
		changed = changed || !ok && m.Swarm != snode.NoSwarm || ok && before.list[i].Swarm != m.Swarm
	}
	if !changed && len(before.list) == len(after.list) {
		return
	}
	var all []storage.Message
	var revoked []storage.Revocation
	for _, node := range n.nodes {
		if !node.Faults().Down {
			all = append(all, node.storage.Messages()...)
			revoked = append(revoked, node.storage.Revoked()...)
		}
	}
	for _, node := range n.nodes {
		if !node.Faults().Down {
			node.storage.Absorb(all)
			node.storage.AbsorbRevoked(revoked)
			node.storage.Shed()
		}
	}
}

// proofValid is how long a proof counts (spec chain.md F.2, fakechain).
const proofValid = 125 * time.Second

// judge is what the quorums decide: a node whose last proof is too old is decommissioned, or deregistered if it has no credit, and one
// that is back is recommissioned, unless it was decommissioned by hand.
func (n *Network) judge() {
	now := n.cfg.Now()
	nodes := map[[32]byte]int{}
	for i, node := range n.nodes {
		nodes[node.Key()] = i
	}
	for _, s := range n.chain.ServiceNodes() {
		i, ours := nodes[s.Key]
		if !ours || !s.Funded {
			continue
		}
		since, down := n.down[i]
		gone := down && now.Sub(since) > proofValid
		var err error
		switch {
		case s.Active && gone && s.Credit >= firstCredit:
			_, err = n.chain.Decommission(s.Key, ReasonUptime|ReasonStorage)
		case s.Active && gone, !s.Active && gone && s.Credit < 0:
			_, err = n.chain.Deregister(s.Key, ReasonUptime|ReasonStorage)
		case !s.Active && !down && !n.held[i]:
			_, err = n.chain.Recommission(s.Key)
		default:
			continue
		}
		// No quorum has tested the node since it changed, or what is in the pool decides already: the next block is soon.
		if err != nil && !errors.Is(err, ErrStake) && !errors.Is(err, ErrDoubleSpend) {
			n.cfg.Log.Error("state of a node not changed", "node", i, "error", err)
		}
	}
}
