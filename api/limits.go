package api

import (
	"hash/maphash"
	"math"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"onsight/internal/gate"
)

// Limits bound what one client, and all together, may ask. The zero Limits bound nothing.
//
// What costs more than one look-up counts as several requests: by what the operation does, and by what is sent. Some of that
// is only known once it is asked for, so whoever may ask for anything may ask for something dear, and then has to wait the
// longer: for at most as long as it takes to have a whole burst again.
//
// A client is an IPv4 address or an IPv6 /64, which is what one customer has. What it asked is not kept: a few numbers of
// each are in memory until its bucket is full again, and never written anywhere.
type Limits struct {
	Rate       float64 // requests a second of one client in the long run; 0: any number
	Burst      int     // how many it may send at once; 0: those of one second
	Concurrent int     // how many of one client are answered at a time; 0: any number
	Total      int     // how many of all clients are answered at a time; 0: any number

	Streams       int // how many streams all clients may hold, beside the requests that are answered; 0: any number
	ClientStreams int // how many streams one client may hold; 0: any number

	Loopback bool // requests of this machine that name no proxy count too, as one client: they may be a tunnel's, of anybody

	Proxies []netip.Prefix // of proxies, which say in X-Forwarded-For whom they ask for; nil: nobody is believed
}

// unlimited are the operations that answer at any time: machines that watch this one ask them, and a refusal would cost
// as much as the answer.
var unlimited = map[string]bool{"healthz": true, "readyz": true, "realtime": true}

// work is how many requests an operation counts as beside the one that it is: those that go through all nodes, and those that
// ask the database or write to it. A look-up takes some 20 µs of the machine, of which 5 are ours; by BenchmarkHandler a pick
// takes 1 ms. What is made once a block is not in it, nor what only sends much.
var work = map[string]int{"pick": 9, "aggregate": 9, "report": 9, "nodeHistory": 4, "nodeEvents": 4, "allNodeEvents": 4,
	"events": 4, "eventStream": 4} // and more by how long a page may be, like reorgs: see eventsPerRequest

// workOfQuery is the same of operations whose reply is made for the request only when it has a query.
var workOfQuery = map[string]int{"nodes": 4, "bundle": 4}

const (
	namesPerRequest = 64        // of a batch
	bytesPerRequest = 128 << 10 // of replies
)

// Bounds of what is remembered of clients.
const (
	crowdParts = 64              // each with a lock of its own
	partSize   = 512             // clients of one generation
	leastLife  = 5 * time.Second // of a generation
)

// crowd is the clients of late. A client that was not seen for so long that its bucket is full again is as one that never
// came, so it is forgotten: of two generations the older one is dropped when the younger is old enough.
type crowd struct {
	limits Limits
	life   time.Duration
	total  atomic.Int64
	seed   maphash.Seed
	parts  [crowdParts]part
}

type part struct {
	mu           sync.Mutex // guards what follows, and every visitor of it
	young, older map[netip.Addr]*visitor
	turned       time.Time
}

// visitor is one client.
type visitor struct {
	part    *part
	tokens  *rate.Limiter
	running int
}

func newCrowd(l Limits) *crowd {
	if l.Burst == 0 {
		l.Burst = max(1, int(math.Ceil(min(l.Rate, math.MaxInt32))))
	}
	c := &crowd{limits: l, life: leastLife, seed: maphash.MakeSeed()}
	if l.Rate > 0 {
		fill := min(2*float64(l.Burst)/l.Rate, time.Hour.Seconds()) // from the deepest debt
		c.life = max(c.life, time.Duration(fill*float64(time.Second)))
	}
	return c
}

// admit takes in one request, which leave ends. An error, with the time after which to come again, is one that was not.
func (c *crowd) admit(from netip.Addr, now time.Time) (*visitor, time.Duration, error) {
	if n := c.total.Add(1); c.limits.Total > 0 && n > int64(c.limits.Total) {
		c.total.Add(-1)
		return nil, time.Second, errBusy
	}
	if c.limits.Rate == 0 && c.limits.Concurrent == 0 {
		return nil, 0, nil
	}
	v, wait, err := c.enter(gate.Client(from), now)
	if err != nil {
		c.total.Add(-1)
	}
	return v, wait, err
}

// charge counts what was admitted as n requests more, into debt if need be.
func (c *crowd) charge(v *visitor, n int, now time.Time) {
	v.part.mu.Lock()
	defer v.part.mu.Unlock()
	n = min(n, int(math.Floor(v.tokens.TokensAt(now)))+c.limits.Burst)
	for ; n > 0; n -= c.limits.Burst {
		v.tokens.ReserveN(now, min(n, c.limits.Burst)) // which it grants: nothing says that it must be soon
	}
}

// again returns a client that came in once and holds a stream.
func (c *crowd) again(client netip.Addr, now time.Time) *visitor {
	p := c.partOf(client)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.find(client, now, c)
}

// debt returns after how long a client will owe nothing, at most an hour.
func (c *crowd) debt(v *visitor, now time.Time) time.Duration {
	v.part.mu.Lock()
	defer v.part.mu.Unlock()
	owed := -v.tokens.TokensAt(now)
	return time.Duration(min(max(0, owed)/c.limits.Rate, time.Hour.Seconds()) * float64(time.Second))
}

// leave ends a request that was admitted.
func (c *crowd) leave(v *visitor) {
	c.total.Add(-1)
	if v == nil {
		return
	}
	v.part.mu.Lock()
	v.running--
	v.part.mu.Unlock()
}

func (c *crowd) partOf(client netip.Addr) *part {
	return &c.parts[maphash.Comparable(c.seed, client)%crowdParts]
}

func (c *crowd) enter(client netip.Addr, now time.Time) (*visitor, time.Duration, error) {
	p := c.partOf(client)
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.find(client, now, c)
	if c.limits.Concurrent > 0 && v.running >= c.limits.Concurrent {
		return nil, time.Second, errConcurrent
	}
	if c.limits.Rate > 0 && !v.tokens.AllowN(now, 1) {
		missing := 1 - v.tokens.TokensAt(now)
		return nil, time.Duration(min(missing/c.limits.Rate, time.Hour.Seconds()) * float64(time.Second)), errRate
	}
	v.running++
	return v, 0, nil
}

// find returns a client, a new one if it was not seen of late. The lock is held.
func (p *part) find(client netip.Addr, now time.Time, c *crowd) *visitor {
	if now.Sub(p.turned).Abs() >= c.life { // a request that waited for the lock may be a little older
		p.turn(now)
	}
	if v := p.young[client]; v != nil {
		return v
	}
	v := p.older[client]
	if v == nil {
		v = &visitor{part: p, tokens: rate.NewLimiter(rate.Limit(c.limits.Rate), c.limits.Burst)}
	} else {
		delete(p.older, client)
	}
	if len(p.young) >= partSize {
		p.forget()
	}
	p.young[client] = v
	return v
}

// turn begins a generation. Who is being answered stays in it.
func (p *part) turn(now time.Time) {
	young := map[netip.Addr]*visitor{}
	for client, v := range p.older {
		if v.running > 0 {
			young[client] = v
		}
	}
	p.young, p.older, p.turned = young, p.young, now
}

// forget drops some client that is not being answered. There are more of them than we care to remember, so it is one of
// many addresses of somebody who tries just that, and has a full bucket at each next one anyway. A stranger is never
// refused for what others do.
func (p *part) forget() {
	for client, v := range p.young {
		if v.running == 0 {
			delete(p.young, client)
			return
		}
	}
}

// size returns how many clients are remembered.
func (c *crowd) size() (n int) {
	for i := range c.parts {
		p := &c.parts[i]
		p.mu.Lock()
		n += len(p.young) + len(p.older)
		p.mu.Unlock()
	}
	return n
}
