package client

import (
	crand "crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"

	"onsight/client/store"
	"onsight/internal/onion"
	"onsight/internal/snode"
	"onsight/ons"
)

// Config says how a Client works.
type Config struct {
	Store   *store.Store // the account's database, which Close leaves open; required
	Account *Account     // whose it is; required

	Network ons.Network // "": ons.Mainnet
	Seeds   []SeedNode  // where nodes are learnt from first; nil: the official ones on mainnet, which other networks do not have
	Proxy   *url.URL    // socks5:// or http://, for everything; nil: none

	Agree, Ask int           // how many nodes must say the same of a name, of how many that are asked; 0: 3 of 5
	Extra      []Extra       // who is asked for names beside the nodes; nil: nobody
	Recheck    time.Duration // how old what a name was found to stand for grows before a send asks again; 0: 10 min, negative: it always asks
	Copies     int           // how many members of a swarm must say that they have a message; 0: 3
	MaxLatency time.Duration // slower guards and swarm members are left alone while there are three others; 0: 500 ms
	Timeout    time.Duration // of one attempt; 0: 10 s, as official clients, 20 s with a proxy
	Rotate     time.Duration // how old a path grows before its inner hops are chosen anew; 0: 10 min
	Fresh      time.Duration // how old the list of nodes grows before Refresh asks for another; 0: 2 h
	Encryption string        // of onion requests: "aes-gcm" or "xchacha20"; "": aes-gcm, which most clients use

	Bug    func(any)        // told of a panic in a goroutine of the client's own; must not return; nil: it ends the program, as usual
	Stored func(int64)      // told of each message that a node has, and when enough have it, by goroutines of Flush, which waits; nil: nobody is
	Notice func(string)     // told, once, of each rule about paths that cannot be kept, a sentence; may ask nothing that waits; nil: nobody is
	Now    func() time.Time // the machine's clock, which the network's is compared with; nil: time.Now
	Rand   *rand.Rand       // chooses nodes, in tests; nil: as nobody can foresee. Used by one goroutine at a time
	Log    *slog.Logger     // nil: silent
}

// Client is an account on the network. It may be used by many goroutines at once. Nothing runs between calls. Close it.
type Client struct {
	cfg        Config
	account    *Account
	store      *store.Store
	dial       dial
	direct     snode.Client // asks guards for info
	posts      snode.Client // how links connect
	encryption onion.Encryption
	clock      clock
	patience   time.Duration
	building   chan struct{} // holds a token while somebody learns nodes or builds paths

	mu      sync.Mutex // guards what follows
	rand    *rand.Rand
	pool    *pool // nil: not read yet
	met     map[[32]byte]*meeting
	paths   []*path
	kept    [][32]byte // guards, those in use and those that were, the preferred one first
	retry   time.Time  // not before that another guard is looked for, while there is one
	links   map[[32]byte]*snode.Link
	moved   map[ID]correction
	stale   bool // the list of nodes, whatever its age
	relaxed []string
	due     []string // of relaxed, to be said
	builds  int
	usual   time.Duration // until an answer begins to come, of late; 0: none came yet
	closed  bool

	renewed  time.Time      // when renew failed last; zero: never
	timeless time.Time      // when the network's time was asked for in vain; zero: never
	ahead    *time.Duration // of the network's clock, as it is stored; nil: not by this Client
}

// ErrClosed is what everything fails with after Close.
var ErrClosed = errors.New("client is closed")

// New returns the client of an account. It asks nobody anything before it is used. The errors are about cfg.
func New(cfg Config) (*Client, error) {
	set := func(d *time.Duration, zero time.Duration) {
		if *d == 0 {
			*d = zero
		}
	}
	set(&cfg.MaxLatency, 500*time.Millisecond)
	set(&cfg.Recheck, 10*time.Minute)
	if cfg.Proxy != nil {
		set(&cfg.Timeout, 20*time.Second)
	}
	set(&cfg.Timeout, 10*time.Second)
	set(&cfg.Rotate, 10*time.Minute)
	set(&cfg.Fresh, 2*time.Hour)
	if cfg.Agree == 0 {
		cfg.Agree = 3
	}
	if cfg.Ask == 0 {
		cfg.Ask = max(5, cfg.Agree)
	}
	if cfg.Copies == 0 {
		cfg.Copies = 3
	}
	if cfg.Network == "" {
		cfg.Network = ons.Mainnet
	}
	if cfg.Seeds == nil && cfg.Network == ons.Mainnet {
		cfg.Seeds = mainnetSeeds
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		var seed [32]byte
		crand.Read(seed[:]) // never fails: it ends the program instead
		cfg.Rand = rand.New(rand.NewChaCha8(seed))
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case cfg.Store == nil || cfg.Account == nil:
		return nil, errors.New("client without store or account")
	case cfg.Agree < 1 || cfg.Ask < cfg.Agree || cfg.Ask > MaxAsk:
		return nil, fmt.Errorf("%d of %d nodes: at least 1 must agree, and at most %d can be asked", cfg.Agree, cfg.Ask, MaxAsk)
	case cfg.Agree*2 <= cfg.Ask:
		return nil, fmt.Errorf("%d of %d nodes: less than a majority could say different things", cfg.Agree, cfg.Ask)
	}
	encryption, err := onion.ParseEncryption(cfg.Encryption)
	if err != nil || encryption == onion.AESCBC { // which is not authenticated
		return nil, fmt.Errorf("encryption %q: use aes-gcm or xchacha20", cfg.Encryption)
	}
	dial, err := newDial(cfg.Proxy)
	if err != nil {
		return nil, err
	}
	return &Client{
		cfg: cfg, account: cfg.Account, store: cfg.Store, dial: dial, encryption: encryption,
		direct:   snode.Client{Dial: dial, Timeout: min(cfg.Timeout, 5*time.Second), Now: cfg.Now},
		posts:    snode.Client{Dial: dial, Timeout: cfg.Timeout},
		patience: patience,
		building: make(chan struct{}, 1), rand: cfg.Rand,
		met: map[[32]byte]*meeting{}, links: map[[32]byte]*snode.Link{}, moved: map[ID]correction{},
	}, nil
}

// MaxAsk bounds how many nodes are asked for one name (Config.Ask).
const MaxAsk = 25

// Close closes connections. What is under way ends as it would, and what comes after fails. The store stays open.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	var errs []error
	for _, l := range c.links {
		errs = append(errs, l.Close())
	}
	clear(c.links)
	return errors.Join(errs...)
}

// Account returns whose client it is.
func (c *Client) Account() *Account { return c.account }

// String returns the id and hides the rest.
func (c *Client) String() string { return "client of " + c.account.String() }

// GoString hides the keys.
func (c *Client) GoString() string { return c.String() }

func (c *Client) mainnet() bool { return c.cfg.Network == ons.Mainnet }

// bug tells of a panic: the runtime would print what functions were called with, such as hashes and keys. It must be deferred.
func (c *Client) bug() {
	if c.cfg.Bug == nil {
		return
	}
	if v := recover(); v != nil {
		c.cfg.Bug(v)
		panic("client: internal error: Config.Bug returned")
	}
}

// relax says, once, which rule about paths cannot be kept, as the network is too small or too slow for it.
func (c *Client) relax(rule string) {
	c.mu.Lock()
	for _, r := range c.relaxed {
		if r == rule {
			c.mu.Unlock()
			return
		}
	}
	c.relaxed = append(c.relaxed, rule)
	c.mu.Unlock()
	c.cfg.Log.Info("rule relaxed", "rule", rule)
	if c.cfg.Notice != nil {
		c.cfg.Notice(rule)
	}
}

// Relaxed returns which rules about paths could not be kept so far, as the network is too small or too slow for them: sentences.
func (c *Client) Relaxed() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.relaxed...)
}

// Now returns the time on the network's clock, as far as it is known.
func (c *Client) Now() time.Time { return c.cfg.Now().Add(c.clock.offset()) }
