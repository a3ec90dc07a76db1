package devnet

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Options say how a daemon serves a chain. The zero Options serve it as an admin port of the chain's own dialect on a free port.
type Options struct {
	Dialect Dialect // zero: the chain's. A recording can be served in its own dialect only
	Addr    string  // zero: 127.0.0.1:0
	Public  bool    // as --rpc-public does: no admin methods, limits, fewer fields
	Seed    uint64  // of the dice that DaemonFaults.Loss is drawn with

	ServiceNode [32]byte // the legacy key of the service node it is, registered or not; zero: it is none
}

// Daemon is a fake oxend listening on loopback. It is safe for concurrent use.
type Daemon struct {
	chain   atomic.Pointer[Chain]
	public  bool
	self    [32]byte // the service node it is
	server  *http.Server
	url     string
	handler http.Handler
	done    chan struct{} // closed when the listener has ended
	buffers sync.Pool     // *[]byte, reply bodies
	faults  atomic.Pointer[broken]
	seed    uint64
	served  atomic.Uint64 // requests so far

	mu       sync.Mutex // guards what follows
	crashed  error
	requests map[string]uint64
}

// ErrCrashed is what Crashed wraps: a real 11.x daemon would be dead.
var ErrCrashed = errors.New("daemon killed by a deadly request")

// noLog is where net/http may complain: its lines would name clients' addresses.
var noLog = log.New(io.Discard, "", 0)

// maxBody bounds a request; oxend itself has no limit (spec H.7).
const maxBody = 32 << 20

// Serve starts a daemon over a chain, which may go on changing. Close it.
func Serve(c *Chain, o Options) (*Daemon, error) {
	if o.Dialect != 0 && o.Dialect != c.dialect {
		if c.recordedInfo != nil {
			return nil, fmt.Errorf("serve: a recording of %v cannot be served as %v", c.dialect, o.Dialect)
		}
		return nil, fmt.Errorf("serve: the chain was generated for %v", c.dialect)
	}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("serve: %w", err)
	}
	d := &Daemon{
		public: o.Public, self: o.ServiceNode, seed: o.Seed, url: "http://" + l.Addr().String(), done: make(chan struct{}),
		requests: map[string]uint64{},
	}
	d.chain.Store(c)
	d.faults.Store(&broken{})
	d.handler = http.HandlerFunc(d.front)
	d.server = &http.Server{
		Handler: d.handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 1 << 16, ErrorLog: noLog,
	}
	go func() {
		defer close(d.done)
		_ = d.server.Serve(l) // ErrServerClosed, by Close or a crash
	}()
	return d, nil
}

// Replay serves a recording of either dialect as the recorded daemon's admin port. Close it.
func Replay(path string) (*Daemon, error) {
	r, err := OpenRecording(path)
	if err != nil {
		return nil, err
	}
	return Serve(r.Chain(), Options{})
}

// URL returns the daemon's address, http://127.0.0.1:PORT.
func (d *Daemon) URL() string { return d.url }

// Chain returns the chain being served.
func (d *Daemon) Chain() *Chain { return d.chain.Load() }

// Swap serves another chain from the next request on, in that chain's dialect.
func (d *Daemon) Swap(c *Chain) { d.chain.Store(c) }

// Handler returns what answers the requests, faults and all, so that other faults can be wrapped around it and served elsewhere.
func (d *Daemon) Handler() http.Handler { return d.handler }

// Close stops listening, drops the connections and waits for the listener to end. It may be called twice.
func (d *Daemon) Close() error {
	err := d.server.Close()
	<-d.done
	return err
}

// Crashed returns an error wrapping ErrCrashed that says which request would have killed the real daemon (11.x only: observed-11.md),
// nil if none was sent. A killed daemon no longer listens.
func (d *Daemon) Crashed() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.crashed
}

// Done is closed when the daemon no longer listens: it was closed, or killed.
func (d *Daemon) Done() <-chan struct{} { return d.done }

// Requests returns how often each method was called, by its first name; aliases count with it, unknown ones as "".
func (d *Daemon) Requests() map[string]uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	counts := make(map[string]uint64, len(d.requests))
	for method, n := range d.requests {
		counts[method] = n
	}
	return counts
}

func (d *Daemon) count(method string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.requests[method]++
}

// crash is how an 11.x daemon dies: no reply, the connection cut, nobody listening. It does not return.
func (d *Daemon) crash(why string) {
	d.mu.Lock()
	if d.crashed == nil {
		d.crashed = fmt.Errorf("%w: %s", ErrCrashed, why)
	}
	d.mu.Unlock()
	_ = d.server.Close()
	panic(http.ErrAbortHandler)
}

// view is what one request is answered from.
type view struct {
	chain  *Chain // as the faults show it
	real   *Chain // which a method that writes changes
	public bool
	self   [32]byte // the service node the daemon is
	faults *broken
	done   <-chan struct{} // the daemon's
}

func (v *view) serverHeader() string {
	version, network := v.fullVersion(), string(v.chain.network)
	if v.public {
		version = strconv.Itoa(int(v.chain.dialect))
	}
	if v.chain.dialect == Dialect10 && network == "fakechain" {
		network = "fakenet"
	}
	return "oxend/" + version + " " + network
}

func (v *view) fullVersion() string {
	if s := object(v.chain.recordedInfo).string("version"); s != "" {
		return s
	}
	if v.chain.dialect == Dialect11 {
		return "11.0.6-devnet"
	}
	return "10.6.0-devnet"
}
