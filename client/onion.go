package client

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdh"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"onsight/client/store"
	"onsight/directory"
	"onsight/internal/onion"
	"onsight/internal/snode"
)

const (
	maxAttempts = 4 // of one request, each by another path if there is one
	// maxLost is how often a request to one node may get lost behind different paths before it is taken to be the node's doing.
	maxLost = 2
	// maxAccused is how many nodes one hop may say do not work, with no request succeeding between, until it is not believed.
	maxAccused = 3
)

var (
	// ErrNode means that a node could not be asked, whatever the path, or does not do its work.
	ErrNode = errors.New("service node does not answer")
	// ErrPath means that requests got lost on all paths.
	ErrPath = errors.New("no path works")
	errBody = errors.New("not a storage server's answer")
)

// answer is what a node said, sealed with a key that only it has.
type answer struct {
	node   *store.Node
	status int
	body   []byte
	took   time.Duration
	guard  [32]byte // of the path it came by
	by     *path
}

// result is one of a batch's.
type result struct {
	Code int             `json:"code"`
	Body json.RawMessage `json:"body"`
}

// results reads the answer to a batch of n requests.
func (a *answer) results(n int) ([]result, error) {
	var v struct {
		Results []result `json:"results"`
	}
	if a.status != http.StatusOK {
		return nil, &StatusError{a.status}
	}
	if err := json.Unmarshal(a.body, &v); err != nil || len(v.Results) != n {
		return nil, errBody
	}
	return v.Results, nil
}

// StatusError is a refusal by a node.
type StatusError struct{ Status int }

func (e *StatusError) Error() string { return fmt.Sprintf("node answered %d", e.Status) }

func x25519(key [32]byte) (*ecdh.PublicKey, error) { return ecdh.X25519().NewPublicKey(key[:]) }

// effort is how much is done to ask one node.
type effort struct {
	tries int // by as many paths, if there are
	// lost is how often a request may get lost behind different paths before it is taken to be the node's doing.
	lost int
	// wait is how often an answer may be overdue before another path is tried: the others' turn, where others can be asked instead.
	wait int
	late chan<- struct{} // told that an answer is overdue; nil: nobody is. It has room for tries
}

// ask has a node do what rpc says, through an onion. Whatever is in the way is found out and gone around: the next attempt takes another
// path, at once if the request got lost, and beside the first when an answer is overdue. The answer may be a refusal; the error wraps
// ErrNode when it is the node, ErrPath, ErrNodes, ErrSeeds, or is the context's.
func (c *Client) ask(ctx context.Context, to *store.Node, rpc []byte) (answer, error) {
	return c.try(ctx, to, rpc, effort{tries: maxAttempts, lost: maxLost, wait: 1})
}

// errBeaten is why requests end to which another was answered first.
var errBeaten = errors.New("another was faster")

// end is what became of an attempt.
type end struct {
	answer answer
	of     blame
	err    error
	fatal  bool // no other attempt is of use
}

// try is ask with so much effort.
func (c *Client) try(ctx context.Context, to *store.Node, rpc []byte, e effort) (answer, error) {
	within, cancel := context.WithCancelCause(ctx)
	ends, overdue := make(chan end, e.tries), make(chan struct{}, e.tries)
	used := &taken{}
	tries, running := 0, 0
	begin := func() {
		tries++
		running++
		go func() {
			defer c.bug()
			ends <- c.once(within, to, rpc, used, e, overdue)
		}()
	}
	defer func() {
		cancel(errBeaten)
		for range running { // they notice at once
			<-ends
		}
	}()
	begin()
	lost := 0
	var last error // why no other attempt is made; nil: one may be
	for {
		select {
		case <-overdue:
			if tries < e.tries && last == nil {
				begin()
			}
		case x := <-ends:
			running--
			switch {
			case x.err == nil:
				return x.answer, nil
			case ctx.Err() != nil:
				return answer{}, ctx.Err() // not the network's fault
			case x.of == blamePath && !x.fatal:
				lost++
			}
			switch {
			case x.fatal:
				last = cmp.Or(last, x.err)
			case x.of == blameTarget || lost == e.lost:
				c.suspect(to.Ed25519)
				last = fmt.Errorf("%w: %w", ErrNode, x.err)
			case tries == e.tries:
				last = cmp.Or(last, fmt.Errorf("%w: %w", ErrPath, x.err))
			}
			switch {
			case last == nil:
				begin()
			case running == 0 || x.of == blameTarget && !x.fatal:
				return answer{}, last
			}
		}
	}
}

// taken is the paths that a request has been tried by.
type taken struct {
	mu    sync.Mutex // guards what follows
	paths []*path
}

func (t *taken) list() []*path {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.paths)
}

func (t *taken) add(q *path) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.paths = append(t.paths, q)
}

// once sends a request by one path, and draws the consequences if it gets lost. When the answer is overdue it says so, and goes on
// waiting: until the request's time is over, somebody else is answered, or the guard turns out not to work.
func (c *Client) once(ctx context.Context, to *store.Node, rpc []byte, used *taken, e effort, overdue chan<- struct{}) end {
	q, err := c.path(ctx, to.Ed25519, used.list())
	if err != nil {
		return end{err: err, fatal: true}
	}
	used.add(q)
	within, cancel := context.WithCancelCause(ctx)
	begun, begins := time.Now(), make(chan struct{})
	type reply struct {
		answer answer
		err    error
	}
	done, dead := make(chan reply, 1), make(chan error, 1)
	go func() {
		defer c.bug()
		a, err := c.through(within, q, to, rpc, sync.OnceFunc(func() { close(begins) }))
		done <- reply{a, err}
	}()
	d := c.overdue(q)
	timer := time.NewTimer(d)
	defer timer.Stop()
	var r reply
	suspected := false
	for late := 0; ; {
		select {
		case r = <-done:
		case <-begins:
			r = <-done // however long it is
		case err := <-dead:
			if suspected = false; err == nil {
				continue
			}
			cancel(err)
			if r = <-done; r.err != nil {
				r.err = &snode.ConnectError{Err: err}
			}
		case <-timer.C:
			timer.Reset(d)
			if late++; late == 1 {
				c.cfg.Log.Debug("answer overdue", "guard", nodeAttr(q.guard()), "to", nodeAttr(to), "after", time.Since(begun))
				suspected = true
				go func() {
					defer c.bug()
					dead <- c.late(within, q, to, d)
				}()
				if e.late != nil {
					e.late <- struct{}{}
				}
			}
			if late == e.wait {
				overdue <- struct{}{}
			}
			continue
		}
		break
	}
	if r.err == nil {
		cancel(nil) // the guard works
	} else {
		cancel(context.Cause(ctx))
	}
	if suspected {
		<-dead
	}
	took := time.Since(begun)
	switch {
	case r.err == nil:
		c.cfg.Log.Debug("onion answered", "guard", nodeAttr(q.guard()), "to", nodeAttr(to), "status", r.answer.status, "took", took)
		return end{answer: r.answer}
	case ctx.Err() != nil:
		c.cfg.Log.Debug("onion not waited for", "guard", nodeAttr(q.guard()), "to", nodeAttr(to), "after", took)
		return end{err: ctx.Err()}
	}
	v := c.doubt(q, judge(q, to.Ed25519, r.err))
	c.cfg.Log.Debug("request lost", "guard", nodeAttr(q.guard()), "to", nodeAttr(to), "blame", v.of.String(), "error", r.err, "after", took)
	if err := c.learn(ctx, q, to, v); err != nil {
		return end{err: err, fatal: true}
	}
	return end{of: v.of, err: r.err}
}

// soonest is when an answer is overdue at the earliest: it takes some 0.4 s at 100 ms for each hop. By way of a proxy, such as Tor's, what
// is usual takes seconds.
const soonest, soonestByProxy = time.Second, 4 * time.Second

// overdue returns how long an answer by a path may take until another is tried: three times as long as answers took lately. nil is any
// path.
func (c *Client) overdue(q *path) time.Duration {
	least := soonest
	if c.cfg.Proxy != nil {
		least = soonestByProxy
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	usual := c.usual
	if usual == 0 && q != nil { // nothing is known but of the guard, which is one hop of four
		usual = 2 * max(q.guard().Latency, c.meet(q.guard().Ed25519).took)
	}
	return min(max(least, 3*usual), c.cfg.Timeout/2)
}

// errSilent means that a guard does not answer, by any connection.
var errSilent = errors.New("guard does not answer")

// late is what is done about a path by which an answer is overdue. It may be anybody's doing who is on it, or the node's at its end, so
// that the next request takes other hops and a new connection to the guard: that may have died without a word. The guard is asked
// directly whether it is there; if not, that is an error, and it is left alone.
func (c *Client) late(ctx context.Context, q *path, to *store.Node, d time.Duration) error {
	c.mu.Lock()
	first := slices.Contains(c.paths, q)
	if first {
		c.hangUp(q.guard())
	}
	c.mu.Unlock()
	if !first {
		return nil // who was late before has seen to it
	}
	if err := c.learn(ctx, q, to, verdict{}); err != nil {
		return nil
	}
	at, err := addrPort(q.guard())
	if err != nil {
		return nil
	}
	begun := time.Now()
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*d)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		if context.Cause(ctx) != errBeaten {
			cancel()
			return
		}
		// Others were answered, so that it is not us who have no network: it has had time enough.
		time.AfterFunc(d-time.Since(begun), cancel)
	})()
	_, _, err = c.direct.Info(within, at)
	if err == nil || ctx.Err() != nil && context.Cause(ctx) != errBeaten {
		return nil
	}
	c.cfg.Log.Debug("guard does not answer", "guard", nodeAttr(q.guard()), "error", err)
	within, cancel = context.WithTimeout(context.WithoutCancel(ctx), d)
	defer cancel()
	_ = c.learn(within, q, to, verdict{of: blameGuard})
	return errSilent
}

// hopError is what a hop said instead of handing on the destination's answer.
type hopError struct {
	status int
	text   string
}

// Error leaves out the text, which anybody on the path may have written.
func (e *hopError) Error() string { return fmt.Sprintf("a hop answered %d", e.status) }

// through sends one request by one path. begins is called when an answer begins to come.
func (c *Client) through(ctx context.Context, q *path, to *store.Node, rpc []byte, begins func()) (answer, error) {
	hops := make([]onion.Hop, 0, directory.Hops)
	for _, n := range q.hops {
		h, err := hop(n)
		if err != nil {
			return answer{}, err
		}
		hops = append(hops, h)
	}
	dest, err := hop(to)
	if err != nil {
		return answer{}, err
	}
	body, key, err := onion.Wrap(nil, c.encryption, hops, dest, rpc)
	if err != nil {
		return answer{}, err
	}
	sent, begun := c.cfg.Now(), time.Now()
	var first time.Duration // until an answer began to come
	status, reply, err := c.post(ctx, q.guard(), body, func() {
		first = time.Since(begun)
		begins()
	})
	if err != nil {
		return answer{}, err
	}
	took := time.Since(begun)
	if status != http.StatusOK {
		return answer{}, &hopError{status, string(reply[:min(len(reply), 200)])}
	}
	a := answer{node: to, took: took, guard: q.guard().Ed25519, by: q}
	if a.status, a.body, err = onion.OpenReply(key, reply); err != nil {
		return answer{}, err
	}
	c.works(ctx, q, to, took, first)
	if t, ok := timeOf(a.body); ok {
		c.clock.learn(to.Ed25519, t.Sub(sent.Add(took/2)))
	}
	return a, nil
}

// post sends an onion to a guard.
func (c *Client) post(ctx context.Context, guard *store.Node, body []byte, begins func()) (status int, reply []byte, err error) {
	ctx, cancel := c.attempt(ctx)
	defer cancel()
	for {
		link, err := c.link(guard)
		if err != nil {
			return 0, nil, err
		}
		status, reply, err := link.Onion(ctx, body, begins)
		if errors.Is(err, snode.ErrLinkClosed) {
			continue // by another request that was lost there, which is not this one's affair
		}
		return status, reply, err
	}
}

// timeOf returns a node's time out of its answer; of a batch, out of the first.
func timeOf(body []byte) (time.Time, bool) {
	var v struct {
		T       int64 `json:"t"`
		Results []struct {
			Body json.RawMessage `json:"body"`
		} `json:"results"`
	}
	if json.Unmarshal(body, &v) != nil {
		return time.Time{}, false
	}
	if v.T == 0 && len(v.Results) > 0 {
		_ = json.Unmarshal(v.Results[0].Body, &v) // a refusal is a text, and has no time
	}
	const end = 253402300800000 // the year 10000, from which on no clock is taken at its word
	return time.UnixMilli(v.T), v.T > 0 && v.T < end
}

// link returns the connections to a guard.
func (c *Client) link(guard *store.Node) (*snode.Link, error) {
	at, err := addrPort(guard)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	l := c.links[guard.Ed25519]
	if l == nil || l.At != at {
		if l != nil {
			_ = l.Close() // it leads to where the guard was
		}
		l = &snode.Link{Client: &c.posts, At: at}
		c.links[guard.Ed25519] = l
	}
	return l, nil
}

// works notes that a path and the node at its end do their work.
func (c *Client) works(ctx context.Context, q *path, to *store.Node, took, first time.Duration) {
	c.mu.Lock()
	q.silence = 0
	for _, other := range c.paths { // one that took its place meanwhile
		if other.guard() == q.guard() {
			other.silence = 0
		}
	}
	if c.usual == 0 {
		c.usual = first
	}
	c.usual += (first - c.usual) / 4
	if q.best == 0 || took < q.best {
		q.best = took
	}
	var cleared [][32]byte
	for _, n := range append([]*store.Node{to}, q.hops[:]...) {
		m := c.meet(n.Ed25519)
		if m.strikes > 0 || !m.failing.IsZero() {
			cleared = append(cleared, n.Ed25519)
		}
		m.strikes, m.until, m.failing, m.rest, m.accuses = 0, time.Time{}, time.Time{}, time.Time{}, nil
	}
	c.meet(to.Ed25519).extra = took - q.best
	c.mu.Unlock()
	for _, key := range cleared {
		if err := c.store.Wake(context.WithoutCancel(ctx), key); err != nil {
			c.cfg.Log.Debug("success not stored", "error", err)
		}
	}
}

// blame is whose doing a failure is.
type blame uint8

const (
	blamePath   blame = iota // somebody's on the path, or the node's at its end
	blameGuard               // the guard was not reached, or says that it does not work
	blameHop                 // a node behind the guard, by the word of the one before it
	blameTarget              // the node that was asked, by the word of the last hop or its own
)

func (b blame) String() string { return [...]string{"path", "guard", "hop", "target"}[b] }

// verdict is a blame, and of a hop which.
type verdict struct {
	of  blame
	key [32]byte
	by  *store.Node // by whose word, if not our own; nil: it is
}

// judge says whose doing a failure is (messaging.md B.4, D.7). What hops say is believed only of nodes that the request was to go
// through, as none can prove it.
func judge(q *path, to [32]byte, err error) verdict {
	var connect *snode.ConnectError
	var said *hopError
	switch {
	case errors.As(err, &connect):
		return verdict{of: blameGuard}
	case errors.Is(err, onion.ErrReply):
		return verdict{of: blameTarget} // it opens, so nobody else has written it
	case !errors.As(err, &said):
		return verdict{}
	}
	for _, words := range []string{"Next node not found: ", "Next node is currently unreachable: ", "Snode not ready: "} {
		rest, ok := strings.CutPrefix(said.text, words)
		if !ok {
			continue
		}
		var key [32]byte
		if len(rest) < 64 || !parseKey(&key, rest[:64]) {
			return verdict{}
		}
		switch at := slices.IndexFunc(q.hops[:], func(h *store.Node) bool { return h.Ed25519 == key }); {
		case key == to:
			return verdict{of: blameTarget, key: key, by: q.hops[directory.Hops-1]}
		case at == 0:
			return verdict{of: blameGuard}
		case at > 0:
			return verdict{of: blameHop, key: key, by: q.hops[at-1]}
		}
		return verdict{}
	}
	switch {
	case strings.HasPrefix(said.text, "Service node is not ready"), said.status == http.StatusTooManyRequests,
		strings.HasPrefix(said.text, "Server busy"), strings.HasPrefix(said.text, "Error parsing onion request"):
		return verdict{of: blameGuard} // only who is asked by HTTPS says so
	}
	return verdict{}
}

// doubt turns a verdict by a hop's word against the hop if it has spoken against others already, and nothing has come through it since:
// who says of all that they do not work is more likely not to work itself.
func (c *Client) doubt(q *path, v verdict) verdict {
	if v.by == nil {
		return v
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.meet(v.by.Ed25519)
	if !slices.Contains(m.accuses, v.key) {
		m.accuses = append(m.accuses, v.key)
	}
	if len(m.accuses) < maxAccused {
		return v
	}
	m.accuses = nil
	if v.by == q.guard() {
		return verdict{of: blameGuard}
	}
	return verdict{of: blameHop, key: v.by.Ed25519}
}

// learn draws the consequences of a failure: a guard that does not work is left alone for a while, a hop that does not is replaced, and
// where it is not known who it was, all behind the guard are. The error is the store's.
func (c *Client) learn(ctx context.Context, q *path, to *store.Node, v verdict) error {
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	defer c.say()
	p, err := c.nodes(ctx)
	if err != nil {
		return err
	}
	c.mu.Lock()
	until := c.cfg.Now().Add(suspicion)
	suspect := func(keys ...[32]byte) {
		for _, key := range keys {
			c.meet(key).until = until
		}
	}
	var struck [][32]byte
	failed, least := false, time.Duration(0) // the guard, and how long it is left alone at least
	guard := q.guard()
	i := slices.Index(c.paths, q) // another request may have replaced it already
	switch v.of {
	case blameGuard:
		failed = true
	case blameHop:
		struck = append(struck, v.key)
	case blameTarget:
		struck = append(struck, to.Ed25519)
	case blamePath:
		if i >= 0 {
			q.silence++ // several that get lost at once are one
		}
		if q.silence >= maxSilence {
			failed, least = true, suspicion // it may answer all the same when it is asked for info
		}
		suspect(q.hops[1].Ed25519, q.hops[2].Ed25519)
	}
	suspect(struck...)
	switch {
	case failed:
		c.paths = slices.DeleteFunc(c.paths, func(q *path) bool { return q.guard().Ed25519 == guard.Ed25519 })
		c.retry = time.Time{}
		c.hangUp(guard)
	case i >= 0 && v.of != blameTarget:
		c.paths = slices.Delete(c.paths, i, i+1)
		c.retry = time.Time{}
		var keep *store.Node
		if v.of == blameHop {
			keep = q.hops[1]
			if keep.Ed25519 == v.key {
				keep = q.hops[2]
			}
		}
		if n, ok := c.behind(p, guard, keep, c.paths, nil, nil); ok {
			n.silence = q.silence
			c.paths = append(c.paths, n)
		}
	}
	c.mu.Unlock()
	if failed {
		c.cfg.Log.Debug("guard left alone", "guard", nodeAttr(guard))
		if err := c.rest(ctx, guard.Ed25519, least); err != nil {
			return err
		}
	}
	for _, key := range struck {
		if err := c.strike(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// hangUp closes the connections to a guard that wait. c.mu is held.
func (c *Client) hangUp(guard *store.Node) {
	if l := c.links[guard.Ed25519]; l != nil {
		_ = l.Close()
		delete(c.links, guard.Ed25519)
	}
}

// strike counts a failure of a node, which leaves the pool with the third in a row: several that come at once are one. Guards do not, as
// it may be by somebody else's word. The token is held.
func (c *Client) strike(ctx context.Context, key [32]byte) error {
	c.mu.Lock()
	m, now := c.meet(key), c.cfg.Now()
	if slices.Contains(c.kept, key) || now.Sub(m.struck).Abs() < oneStrike {
		c.mu.Unlock()
		return nil
	}
	m.struck = now
	m.strikes++
	gone := m.strikes >= maxStrike
	if gone && c.pool != nil && c.pool.by[key] != nil {
		c.pool = c.pool.without(key)
	}
	c.mu.Unlock()
	ctx = context.WithoutCancel(ctx) // as in rest
	if gone {
		return c.store.Remove(ctx, key)
	}
	if _, err := c.store.Strike(ctx, key); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return nil
}

// nodeAttr is how nodes are named in the log: those of the network are public, and so are their addresses.
func nodeAttr(n *store.Node) string { return fmt.Sprintf("%x@%s:%d", n.Ed25519[:4], n.IP, n.Port) }

// hexKey is how nodes are named in what people and logs are told.
func hexKey(key [32]byte) string { return hex.EncodeToString(key[:]) }

// object is JSON without what only matters in HTML.
func object(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("client: internal error: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// call is a storage server's request.
func call(method string, params any) []byte {
	return object(struct {
		Method string `json:"method"`
		Params any    `json:"params"`
	}{method, params})
}
