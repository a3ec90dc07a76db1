package devnet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Config says what network Start makes. The zero Config makes a small one in which nothing moves unless it is told to.
type Config struct {
	Seed      uint64        // keys, names, delays, dice: all that is drawn comes from it
	Dialect   Dialect       // of the daemons; zero: 10.x
	Daemons   int           // oxends on one chain, each with faults of its own; zero: 1
	Addr      string        // the first daemon's; zero: 127.0.0.1 and a free port
	Nodes     int           // staked nodes, each with its storage server; zero: 12, negative: none
	Operators int           // who run the nodes, in turn; zero: each node its own
	PerSubnet int           // nodes that share a /24; zero: 1
	OneIP     bool          // every node on 127.0.0.1, for systems that know no other loopback address
	Storage   [3]uint16     // version of the storage servers; zero: 2.11.0, with Life several
	Names     []NameEntry   // on the chain from the start
	Past      int           // blocks after those of the forks, before anyone looks; zero: 400
	Year      uint64        // blocks of a lokinet "year"; zero: 200
	BlockTime time.Duration // between blocks; zero: blocks come by Mine alone
	Life      bool          // things happen with each block: names are bought and changed, nodes come, go and move, and their past differs
	Latency   time.Duration // the median of the nodes' delays, which differ; zero: no delay
	Loss      float64       // share of requests to nodes whose connection is cut
	Faults    []Fault       // from the start
	Dice      float64       // faults a block that the dice bring, and take away some blocks later

	OnCrash      func(error)       // told of each daemon, seed node included, that a request kills (11.x); nil: nobody is
	OnionTimeout time.Duration     // how long a relay waits for the next; zero: 30 s
	Hosts        map[string]string // where the hosts of server-bound onion requests really are, "host:port" by host name
	Now          func() time.Time  // nil: time.Now
	Log          *slog.Logger      // nil: silent
}

func (cfg *Config) complete() error {
	set := func(v *int, zero int) {
		if *v == 0 {
			*v = zero
		}
	}
	set(&cfg.Nodes, 12)
	cfg.Nodes = max(cfg.Nodes, 0)
	set(&cfg.Daemons, 1)
	set(&cfg.Past, 400)
	set(&cfg.PerSubnet, 1)
	if cfg.Dialect == 0 {
		cfg.Dialect = Dialect10
	}
	if cfg.Year == 0 {
		cfg.Year = 200
	}
	if cfg.OnionTimeout == 0 {
		cfg.OnionTimeout = 30 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case cfg.Nodes > maxNodes:
		return fmt.Errorf("%d nodes: at most %d", cfg.Nodes, maxNodes)
	case cfg.Daemons < 0 || cfg.Daemons > 9:
		return fmt.Errorf("%d daemons: 1 to 9", cfg.Daemons)
	case cfg.Dialect != Dialect10 && cfg.Dialect != Dialect11:
		return fmt.Errorf("dialect %d: 10 or 11", cfg.Dialect)
	case cfg.Past < 0 || cfg.BlockTime < 0 || cfg.Latency < 0 || cfg.Operators < 0:
		return errors.New("past, block time, latency and operators must not be negative")
	case cfg.PerSubnet < 0 || cfg.PerSubnet > maxPerSubnet:
		return fmt.Errorf("%d nodes per subnet: 1 to %d", cfg.PerSubnet, maxPerSubnet)
	case !(cfg.Dice >= 0 && cfg.Dice <= maxDice):
		return fmt.Errorf("%v faults a block: 0 to %d", cfg.Dice, maxDice)
	case !(cfg.Loss >= 0 && cfg.Loss <= 1):
		return errors.New("loss is a share between 0 and 1")
	}
	return nil
}

// maxNodes is how many nodes have a /24 of their own in 127/8 and a listener each without a fight for file descriptors.
const maxNodes = 2000

// maxPerSubnet is how many addresses of a /24 nodes can have, from .1 to .254.
const maxPerSubnet = 254

// maxDice is how many faults a block the dice may bring.
const maxDice = 100

// Network is a network on loopback: daemons over one chain, seed nodes, and service nodes with their storage servers. It is safe for
// concurrent use. Close it.
type Network struct {
	cfg     Config
	chain   *Chain
	daemons []*Daemon
	seeds   *seeds
	table   atomic.Pointer[table]
	stop    context.CancelFunc
	wg      sync.WaitGroup // the block clock

	spoken sync.Map // the session names that were bought here, by their hashes in base64

	mu     sync.Mutex // guards what follows, and is held while we move the chain
	nodes  []*Node
	down   map[int]time.Time // since when a node is down
	held   map[int]bool      // nodes decommissioned by hand: they stay so until somebody says otherwise
	people people
	forked map[int]*Chain // daemons on chains of their own
	dice   *dice
	life   *life
	rolls  uint64
	events []Event
	closed bool
}

// Event is something that happened to a network of its own accord or by command.
type Event struct {
	Height uint64 `json:"height"` // of the newest block then
	What   string `json:"what"`
}

// ErrConfig is wrapped when Start refuses a Config for what is in it, whatever the machine; a fault that it cannot put on wraps ErrFault.
var ErrConfig = errors.New("invalid configuration")

// ErrClosed is what changes of a network fail with after Close.
var ErrClosed = errors.New("network is closed")

// Start makes a network and begins to serve it.
func Start(cfg Config) (*Network, error) {
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("start network: %w: %w", ErrConfig, err)
	}
	n := &Network{
		cfg: cfg, forked: map[int]*Chain{}, down: map[int]time.Time{}, held: map[int]bool{},
		dice: newDice(cfg.Seed, cfg.Dice), people: newPeople(cfg.Seed),
	}
	n.table.Store(&table{})
	n.chain, _ = Generate(GenerateConfig{Seed: cfg.Seed, Dialect: cfg.Dialect, Blocks: pastForks, Year: cfg.Year})
	if cfg.Life {
		n.life = newLife(cfg.Seed)
	}
	err := n.start()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start network: %w", err), n.Close())
	}
	return n, nil
}

// pastForks is the height at which a generated chain has all its forks behind it.
const pastForks = 170

func (n *Network) start() error {
	for range n.cfg.Nodes {
		if err := n.addNode(); err != nil {
			return err
		}
	}
	if err := n.livePast(); err != nil {
		return err
	}
	n.chain.Retime(n.cfg.Now())
	n.chain.SetClock(n.cfg.Now)
	for i := range n.cfg.Daemons {
		o := Options{Seed: n.cfg.Seed + uint64(i)}
		o.Changed, o.Crashed = n.resettle, crashed(n.cfg.OnCrash, fmt.Sprintf("oxend %d", i+1))
		if i == 0 {
			o.Addr = n.cfg.Addr
		}
		d, err := Serve(n.chain, o)
		if err != nil {
			return err
		}
		n.daemons = append(n.daemons, d)
	}
	var err error
	if n.seeds, err = serveSeeds(n.chain, n.cfg.Now(), crashed(n.cfg.OnCrash, "seed node")); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, f := range n.cfg.Faults {
		if err := n.apply(f); err != nil {
			return err
		}
	}
	n.settle()
	ctx, cancel := context.WithCancel(context.Background())
	n.stop = cancel
	n.wg.Go(func() { n.run(ctx) })
	return nil
}

// crashed names a daemon to who wants to know of its end.
func crashed(tell func(error), who string) func(error) {
	if tell == nil {
		return nil
	}
	return func(err error) { tell(fmt.Errorf("%s: %w", who, err)) }
}

// String hides the keys.
func (n *Network) String() string { return fmt.Sprintf("network of %d nodes", len(n.Nodes())) }

// GoString hides the keys.
func (n *Network) GoString() string { return n.String() }

// Close ends all that the network serves and waits for it. It may be called twice.
func (n *Network) Close() error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	n.closed = true
	n.mu.Unlock()
	if n.stop != nil {
		n.stop()
	}
	n.wg.Wait()
	var errs []error
	for _, d := range n.daemons {
		errs = append(errs, d.Close())
	}
	if n.seeds != nil {
		errs = append(errs, n.seeds.close())
	}
	for _, node := range n.Nodes() {
		errs = append(errs, node.close())
	}
	return errors.Join(errs...)
}

// resettle is settle after a daemon was told to change the chain.
func (n *Network) resettle() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.closed {
		n.settle()
	}
}

// proofEvery is how often nodes send a proof that they are up (spec chain.md F.2, fakechain).
const proofEvery = time.Minute

// run keeps proofs fresh, and makes a block every block time if there is one.
func (n *Network) run(ctx context.Context) {
	proofs := time.NewTicker(proofEvery / 2)
	defer proofs.Stop()
	var blocks <-chan time.Time
	if n.cfg.BlockTime > 0 {
		tick := time.NewTicker(n.cfg.BlockTime)
		defer tick.Stop()
		blocks = tick.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-blocks:
			n.Mine(1)
		case <-proofs.C:
			n.resettle()
		}
	}
}

// Oxend returns the URL of the first daemon's admin port.
func (n *Network) Oxend() string { return n.daemons[0].URL() }

// Daemon returns the i-th daemon, from 0.
func (n *Network) Daemon(i int) *Daemon { return n.daemons[i] }

// Crashed returns an error wrapping ErrCrashed for each daemon, seed node included, that a request has killed; nil if none is. The others
// go on.
func (n *Network) Crashed() error {
	var errs []error
	for i, d := range n.daemons {
		if err := d.Crashed(); err != nil {
			errs = append(errs, fmt.Errorf("daemon %d: %w", i+1, err))
		}
	}
	if err := n.seeds.plain.Crashed(); err != nil {
		errs = append(errs, fmt.Errorf("seed node: %w", err))
	}
	return errors.Join(errs...)
}

// Daemons returns how many daemons there are.
func (n *Network) Daemons() int { return len(n.daemons) }

// Chain returns the chain that the nodes and every daemon that is not on a fork follow.
func (n *Network) Chain() *Chain { return n.chain }

// Node returns the i-th node, from 0; nil if there is none.
func (n *Network) Node(i int) *Node {
	n.mu.Lock()
	defer n.mu.Unlock()
	if i < 0 || i >= len(n.nodes) {
		return nil
	}
	return n.nodes[i]
}

// Nodes returns all nodes in order, those included that are staked no more.
func (n *Network) Nodes() []*Node {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]*Node(nil), n.nodes...)
}

// Events returns what has happened, oldest first. With the same seed and the same commands it is the same.
func (n *Network) Events() []Event {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]Event{}, n.events...)
}

// maxEvents bounds what is remembered of what has happened.
const maxEvents = 10_000

func (n *Network) note(format string, args ...any) {
	e := Event{n.chain.Height() - 1, fmt.Sprintf(format, args...)}
	if len(n.events) == maxEvents {
		n.events = append(n.events[:0], n.events[maxEvents/2:]...)
	}
	n.events = append(n.events, e)
	n.cfg.Log.Info("event", "height", e.Height, "what", e.What)
}

// Mine makes k blocks: what is in the pool goes into the first, and with each comes what life and the dice bring.
func (n *Network) Mine(k int) {
	one := func() bool {
		n.mu.Lock() // a block at a time: others want to know and to close meanwhile
		defer n.mu.Unlock()
		if !n.closed {
			n.mine()
		}
		return !n.closed
	}
	for range k {
		if !one() {
			return
		}
	}
}

func (n *Network) mine() {
	n.rolls++
	for _, f := range n.dice.roll(n.rolls, len(n.nodes), len(n.daemons), n.faulty) {
		if err := n.apply(f); err != nil {
			n.cfg.Log.Error("fault not applied", "fault", f.String(), "error", err)
		}
	}
	if n.life != nil {
		n.live()
	}
	n.judge()
	n.chain.Mine(1, 0, 0)
	for _, c := range n.forked {
		c.Mine(1, 0, 0)
	}
	n.settle()
}

// depth is how many blocks can go: those that made the forks stay, as the network is none without.
func (n *Network) depth() int { return max(0, int(n.chain.Height())-pastForks) }

// faulty tells whether a target has faults beyond its usual delay and loss.
func (n *Network) faulty(target string) bool {
	f := Fault{Target: target}
	if i, ok := f.daemon(); ok {
		return n.forked[i] != nil || n.daemons[i].Faults() != DaemonFaults{}
	}
	i, _, _ := f.nodes(len(n.nodes))
	return n.nodes[i].Faults() != n.usual(i)
}

// Reorg replaces the newest depth blocks by depth + 1 others, in which their transactions are mined again but
// for a fifth, which go back into the pool.
func (n *Network) Reorg(depth int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.closed {
		n.reorg(depth)
	}
}

func (n *Network) reorg(depth int) {
	n.rolls++
	depth = min(depth, n.depth())
	n.chain.ReorgToPool(depth, n.rolls)
	n.note("reorganisation of %d blocks", depth)
	n.settle()
}

// PopBlocks drops the newest k blocks, as the admin's pop_blocks does: their transactions go back into the pool.
func (n *Network) PopBlocks(k int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return
	}
	k = min(k, n.depth())
	n.chain.PopBlocks(k)
	n.note("%d blocks popped", k)
	n.settle()
}

// Inject puts faults on parts of the network. Those before one that is refused stay.
func (n *Network) Inject(faults ...Fault) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return ErrClosed
	}
	defer n.settle() // the time a node is down counts from now
	for _, f := range faults {
		if err := n.apply(f); err != nil {
			return err
		}
	}
	return nil
}

func (n *Network) apply(f Fault) error {
	if i, ok := f.daemon(); ok {
		if i >= len(n.daemons) {
			return fmt.Errorf("%w: %v: there are %d daemons", ErrFault, f, len(n.daemons))
		}
		faults := n.daemons[i].Faults()
		if err := f.change(&faults); err != nil {
			return err
		}
		if f.Name == "fork" || f.Name == "ok" {
			n.split(i, f)
		}
		n.daemons[i].setFaults(faults, f.Name != "silent")
		n.note("oxend%s %s", f.Target[len("oxend"):], f.text())
		return nil
	}
	first, last, ok := f.nodes(len(n.nodes))
	if !ok {
		return fmt.Errorf("%w: %v: the nodes are 0 to %d", ErrFault, f, len(n.nodes)-1)
	}
	for _, node := range n.nodes[first : last+1] {
		faults := node.Faults()
		if f.Name == "ok" {
			faults = n.usual(node.Index())
		} else if err := f.change(&faults); err != nil {
			return err
		}
		if err := node.SetFaults(faults); err != nil {
			return fmt.Errorf("%v: %w", f, err)
		}
	}
	n.note("node %s %s", f.Target, f.text())
	return nil
}

// split puts a daemon on a chain of its own that left ours so many blocks ago, or back.
func (n *Network) split(i int, f Fault) {
	delete(n.forked, i)
	if f.Name == "fork" {
		depth, err := count(f.Value)
		if err != nil {
			panic("devnet: internal error: " + err.Error()) // change has read it
		}
		own := n.chain.Clone()
		own.Reorg(min(int(depth), n.depth()), n.rolls<<8+uint64(i)+1)
		n.forked[i] = own
		n.daemons[i].Swap(own)
		return
	}
	n.daemons[i].Swap(n.chain)
}

// usual is what is wrong with a node on a good day: its delay and its loss.
func (n *Network) usual(i int) NodeFaults {
	f := NodeFaults{Loss: n.cfg.Loss}
	if n.cfg.Latency > 0 {
		r := rand.New(rand.NewPCG(n.cfg.Seed, 0x64656c6179+uint64(i)))
		spread := 0.4 + 1.2*r.Float64() // most lie around the median,
		if r.IntN(8) == 0 {
			spread += 3 * r.Float64() // some far off
		}
		f.Delay = time.Duration(float64(n.cfg.Latency) * spread)
	}
	return f
}
