package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"onsight/client/store"
	"onsight/ons"
)

var (
	// ErrFewNodes means that there are not as many nodes to ask for a name as have to agree.
	ErrFewNodes = errors.New("too few distinct nodes to ask")
	// ErrDisagree means that nodes say different things of a name, and no majority the same.
	ErrDisagree = errors.New("nodes do not agree on the name")
	// ErrUnreadable means that a name is registered, and that what enough nodes say it stands for does not open under it.
	ErrUnreadable = errors.New("the name is registered, but what it stands for cannot be read")
	// ErrBehind means that enough nodes say the same of a name, and something else than it is pinned to, but as of a time before what is
	// known here. Whether it is so now was not found out.
	ErrBehind = errors.New("enough nodes say the same of the name, but as of blocks before those that are known")
)

// HeldError means that a name points to another account than when it was first used. Messages to it wait until somebody approves; if it is
// none at all, until it points to one. It is written to logs without its name and accounts.
type HeldError struct {
	Name      string
	Old, New  ID        // New is zero where Why is set
	Since     time.Time // since when it was the old one, here
	NextSince time.Time // and since when the new one
	Why       error     // ErrID or ErrUnreadable if it is no account any more; nil: it is one
	Gone      bool      // whether the name is not even registered now; then Old can be approved
}

// Unwrap returns Why.
func (e *HeldError) Unwrap() error { return e.Why }

// LogValue says that it is held.
func (e *HeldError) LogValue() slog.Value { return slog.StringValue("held") }

func (e *HeldError) Error() string {
	points, now := "points to another account", ""
	switch e.Why {
	case nil:
		now = ", it is " + e.New.String()
	case ErrID:
		points = "points to no account"
	default:
		points = "points to what cannot be read"
	}
	if e.Gone {
		now += "; it is not registered any more"
	}
	return fmt.Sprintf("the name %s %s since %s: it was %s%s", e.Name, points, e.NextSince.Format(time.DateOnly), e.Old, now)
}

// Resolution is what a name stands for, and who says so.
type Resolution struct {
	Name    ons.Name
	ID      ID
	Pin     store.Pin     // what it is pinned to here
	Receipt store.Receipt // our own note of who said what, not a proof to others
	Path    time.Duration // until there was a path
	Took    time.Duration // until enough nodes agreed
}

// said is what one node said of a name, or one of Config.Extra.
type said struct {
	node   *store.Node // nil: it was source
	source string
	height uint64
	sealed ons.Sealed // none if absent
	absent bool
	opened bool
	id     ID    // zero unless it was opened and is one
	err    error // why it does not count
	behind bool  // its chain ends long before what is known, so it does not count either
}

// counts reports whether it is one of those whose word has come to err.
func (s *said) counts(err error) bool { return !s.behind && errors.Is(s.err, err) }

// answered reports whether it was an answer, of use or not.
func (s *said) answered() bool { return s.err == nil || errors.Is(s.err, ErrUnreadable) }

// open finds out whom the value names. One that does not open under the name does not count, as if nothing had been said.
func (s *said) open(n ons.Name) {
	if s.err != nil || s.absent || s.opened {
		return
	}
	value, err := n.Open(s.sealed)
	if err != nil {
		s.err = ErrUnreadable
		return
	}
	s.opened = true
	s.id, _ = NewID(value) // it may be no account
}

func (s *said) equal(o *said) bool {
	return s.absent == o.absent && (s.absent || s.sealed.Equal(o.sealed))
}

// key is that of the node, zero if it was none.
func (s *said) key() (key [32]byte) {
	if s.node != nil {
		key = s.node.Ed25519
	}
	return key
}

// Resolve asks nodes what a name stands for, until Config.Agree of them, and more than half, say the same, stores who said what, whatever
// came of it, and pins the name at its first use. Only its hash leaves, and only through onions; who else is asked, and how, is
// Config.Extra's affair.
//
// Errors: ons.ErrNotFound if and only if enough nodes say that there is no such name; ErrFewNodes; ErrDisagree; ErrID if it stands for
// no account; ErrUnreadable; ErrBehind; a *HeldError beside the resolution if it is pinned to another account, or to one and stands for
// none now; those about nodes and paths.
func (c *Client) Resolve(ctx context.Context, name string) (Resolution, error) {
	r, err := c.resolve(ctx, name, c.store.Confirm)
	if err != nil {
		return r, err
	}
	if _, err := c.Release(ctx, name); err != nil { // it may have pointed elsewhere
		c.cfg.Log.Debug("held messages not released", "error", err)
	}
	return r, nil
}

// Lookup is Resolve, but pins nothing: it is for who looks and does not use the name. What a name was pinned to before counts as there.
func (c *Client) Lookup(ctx context.Context, name string) (Resolution, error) {
	return c.resolve(ctx, name, c.store.Witness)
}

func (c *Client) resolve(ctx context.Context, name string, confirm func(context.Context, store.Receipt) (store.Pin, error)) (Resolution, error) {
	n, err := ons.ParseName(ons.Session, name)
	if err != nil {
		return Resolution{}, err
	}
	begun := time.Now()
	r := Resolution{Name: n}
	if err := c.Connect(ctx); err != nil {
		return r, fmt.Errorf("resolve: %w", err)
	}
	r.Path = time.Since(begun)
	extra := c.askExtra(ctx, n)
	p, err := c.poll(ctx, n)
	agreed := p.agreed
	r.Took = time.Since(begun)
	others := extra(err == nil)
	r.Receipt = store.Receipt{Name: n.String(), At: c.Now(), Outcome: outcome(agreed, err), Need: c.need(p.asked), Asked: p.asked}
	if agreed != nil {
		r.ID = agreed.id
		r.Receipt.ID = agreed.id
	}
	for _, s := range p.heard {
		r.Receipt.Answers = append(r.Receipt.Answers, testimony(n, &s, agreed))
	}
	slices.SortFunc(r.Receipt.Answers, func(a, b store.Answer) int { return bytes.Compare(a.Node[:], b.Node[:]) })
	for _, s := range others {
		r.Receipt.Answers = append(r.Receipt.Answers, testimony(n, &s, agreed))
	}
	// It is kept also if ctx has ended.
	pin, again := confirm(context.WithoutCancel(ctx), r.Receipt)
	if again != nil && !errors.Is(again, store.ErrNotFound) {
		return r, fmt.Errorf("resolve: %w", cmp.Or(err, again))
	}
	r.Pin = pin
	switch {
	case agreed == nil && p.late != nil && !p.late.absent && r.Pin.Held(): // which is to wait as before
		return r, heldBy(r.Pin)
	case agreed == nil && p.late != nil && !p.late.absent && (again != nil || p.late.id != pin.ID):
		return r, fmt.Errorf("resolve: %w", ErrBehind)
	case err != nil && agreed == nil:
		return r, fmt.Errorf("resolve: %w", err)
	case agreed.absent:
		return r, fmt.Errorf("resolve: %w", ons.ErrNotFound)
	case r.Pin.Held():
		return r, heldBy(r.Pin)
	case err != nil:
		return r, fmt.Errorf("resolve: %w", err)
	case again == nil && r.ID != pin.ID: // it did not count in the store
		return r, fmt.Errorf("resolve: %w", ErrBehind)
	}
	return r, nil
}

// outcome is what came of a poll.
func outcome(agreed *said, err error) store.Outcome {
	switch {
	case agreed == nil && errors.Is(err, ErrDisagree):
		return store.Disagreed
	case agreed == nil:
		return store.Unanswered
	case agreed.absent:
		return store.Absent
	case errors.Is(err, ErrUnreadable):
		return store.Unreadable
	case err != nil:
		return store.NoAccount
	}
	return store.Agreed
}

func heldBy(p store.Pin) *HeldError {
	e := &HeldError{Name: p.Name, Old: p.ID, New: p.Next, Since: p.Since, NextSince: p.NextSince, Gone: !p.Gone.IsZero()}
	switch p.Trouble {
	case store.NoAccount:
		e.Why = ErrID
	case store.Unreadable:
		e.Why = ErrUnreadable
	}
	return e
}

// testimony is what goes into the receipt of what a node said, also if that does not count. A value that differs from the agreed one is
// opened to say whom it names, unless that would take the memory of the scheme of 2020.
func testimony(n ons.Name, s *said, agreed *said) store.Answer {
	a := store.Answer{Node: s.key(), Source: s.source, Height: s.height}
	same := agreed != nil && s.equal(agreed)
	switch {
	case s.err != nil:
	case same:
		s.opened, s.id = agreed.opened, agreed.id
	case !s.absent && !s.sealed.Legacy():
		s.open(n)
	}
	a.ID = s.id
	switch {
	case s.behind:
		a.Reason = "its chain is far behind"
		if s.absent {
			a.Reason += "; not registered"
		}
	case s.err != nil:
		a.Reason = reason(s.err)
	case s.absent:
	case !s.opened:
		a.Reason = "says something else"
	case s.id == ID{}:
		a.Reason = "says what is no account"
	}
	a.Agrees = s.node != nil && same && s.counts(agreed.err)
	return a
}

// reason says in a few words why there was no answer.
func reason(err error) string {
	var status *StatusError
	switch {
	case errors.Is(err, context.Canceled):
		return "not waited for"
	case errors.Is(err, context.DeadlineExceeded):
		return "too slow"
	case errors.Is(err, ErrUnreadable):
		return "says what cannot be opened"
	case errors.As(err, &status):
		return status.Error()
	case errors.Is(err, ErrProxy):
		return "the proxy does not connect us"
	case errors.Is(err, ErrSeeds), errors.Is(err, ErrNodes):
		return "no node is reached" // to begin a path at
	case errors.Is(err, ErrStored):
		return "it was not stored"
	case errors.Is(err, ErrNode), errors.Is(err, ons.ErrUnavailable):
		return "not reached"
	case errors.Is(err, ErrPath):
		return "no path to it"
	}
	return "no answer that makes sense"
}

// heightRequest asks for the height of the node's chain: the least that tells it.
const heightRequest = `{"method":"oxend_request","params":{"endpoint":"get_service_nodes","params":{"fields":{"height":true},"limit":1}}}`

// nameRequest asks for a name and the height.
func nameRequest(n ons.Name) []byte {
	return []byte(fmt.Sprintf(`{"method":"batch","params":{"requests":[{"method":"oxend_request","params":{"endpoint":"ons_resolve","params":{"name_hash":"%s","type":0}}},%s]}}`,
		n.Hash().Base64(), heightRequest))
}

// maxBehind is how many blocks a node may be behind others: twenty minutes, at two each (chain.md). Nodes that work are within one or two of
// one another.
const maxBehind = 10

const (
	// blockTime is how often there is a block (chain.md).
	blockTime = 2 * time.Minute
	// maxRise is how much faster than that the height that is known rises at most: it may rest upon those who say more than is true.
	maxRise = 30
)

// need is how many of those who were asked must say the same: Config.Agree, and more than half. Who did not answer counts as asked: that it
// did not may be the doing of hops on the way, who could so choose who is heard.
// Where one is enough, anybody's word is.
func (c *Client) need(asked int) int {
	if c.cfg.Agree == 1 {
		return 1
	}
	return max(c.cfg.Agree, asked/2+1)
}

// round is what came of asking nodes for a name.
type round struct {
	agreed *said  // what enough of those who count say; nil: there is nothing of the kind
	late   *said  // what enough say if those whose chains are behind are counted too, where agreed is nil; nil: there is nothing of the kind
	heard  []said // all that was said by then
	asked  int
}

// poll asks Config.Ask nodes at once, others when too few are left to agree, until enough say the same: need, of asked. Those that are
// still asked are not waited for. Where the value is of use to nobody the error, ErrUnreadable or ErrID, comes with it.
func (c *Client) poll(ctx context.Context, n ons.Name) (r round, err error) {
	p, err := c.known(ctx)
	if err != nil {
		return round{}, err
	}
	nodes := c.distinct(p, 2*c.cfg.Ask, nil)
	if len(nodes) < c.cfg.Agree {
		return round{}, fmt.Errorf("%w: %d, of which %d must agree", ErrFewNodes, len(nodes), c.cfg.Agree)
	}
	floor, noted, err := c.store.Height(ctx)
	if err != nil {
		return round{}, err
	}
	all := min(2*c.cfg.Ask, len(p.nodes))
	r = c.hear(ctx, n, nodes, floor)
	if r.agreed == nil && ctx.Err() == nil {
		r.late = c.belated(n, &r)
		if r.asked >= all {
			c.lower(ctx, &r, floor)
		}
	}
	unreadable, votes := leading(r.heard, func(s *said) bool { return s.counts(ErrUnreadable) })
	if r.agreed == nil && ctx.Err() == nil && votes >= c.need(r.asked) {
		r.agreed, err = &unreadable, ErrUnreadable
	}
	if r.agreed != nil {
		c.remember(ctx, &r, floor, noted)
		if err == nil && !r.agreed.absent && r.agreed.id == (ID{}) {
			err = ErrID
		}
		return r, err
	}
	answered := 0
	var first error // why the first of those who do not count does not
	for i := range r.heard {
		switch s := &r.heard[i]; {
		case s.counts(nil):
			answered++
		case s.behind:
			first = cmp.Or(first, errBehind)
		default:
			first = cmp.Or(first, s.err)
		}
	}
	switch {
	case ctx.Err() != nil:
		return r, ctx.Err()
	case answered >= c.need(r.asked):
		return r, ErrDisagree
	}
	// What is wrong with one node, such as that it has what cannot be opened, is not what came of it.
	return r, fmt.Errorf("%w: only %d of %d answer, and %d must agree: %v", ErrFewNodes, answered, r.asked, c.need(r.asked), first)
}

// hear asks, and finds out what enough of those who count agree on.
func (c *Client) hear(ctx context.Context, n ons.Name, nodes []*store.Node, floor uint64) (r round) {
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	request := nameRequest(n)
	answers := make(chan said, len(nodes)) // so that nobody waits
	ask := func() {
		node := nodes[r.asked]
		r.asked++
		go func() {
			defer c.bug()
			answers <- c.askName(within, node, request)
		}()
	}
	for r.asked < min(c.cfg.Ask, len(nodes)) {
		ask()
	}
	for len(r.heard) < r.asked {
		s := <-answers
		if s.err == nil && !s.absent && !s.sealed.Legacy() {
			s.open(n)
		}
		for i := range r.heard { // what did not open, does not
			if errors.Is(r.heard[i].err, ErrUnreadable) && s.err == nil && s.equal(&r.heard[i]) {
				s.err = ErrUnreadable
			}
		}
		r.heard = append(r.heard, s)
		if r.agreed != nil || ctx.Err() != nil {
			continue
		}
		doubt(r.heard, floor, c.enough(&r))
		most, votes := c.majority(n, &r, func(s *said) bool { return s.counts(nil) })
		if votes >= c.need(r.asked) {
			r.agreed = &most
			cancel() // and wait only for them to notice
			continue
		}
		for r.asked < len(nodes) && votes+r.asked-len(r.heard) < c.need(r.asked) {
			ask()
		}
	}
	return r
}

// majority returns what most of those say who are counted, and how many they are; if that is enough, it was opened.
func (c *Client) majority(n ons.Name, r *round, counted func(*said) bool) (most said, votes int) {
	most, votes = leading(r.heard, counted)
	for votes >= c.need(r.asked) && !most.absent && !most.opened { // of 2020: opened once, as that takes time and memory
		if most.open(n); most.err != nil {
			for i := range r.heard {
				if r.heard[i].err == nil && r.heard[i].equal(&most) {
					r.heard[i].err = most.err
				}
			}
			most, votes = leading(r.heard, counted)
		}
	}
	return most, votes
}

// belated returns what enough of those who answered say, also those whose chains are behind; or nil.
func (c *Client) belated(n ons.Name, r *round) *said {
	if most, votes := c.majority(n, r, func(s *said) bool { return s.err == nil }); votes >= c.need(r.asked) {
		return &most
	}
	if most, votes := leading(r.heard, func(s *said) bool { return errors.Is(s.err, ErrUnreadable) }); votes >= c.need(r.asked) {
		return &most
	}
	return nil
}

// errBehind means that a node's chain ends long before what is known.
var errBehind = errors.New("its chain is far behind")

// enough is how many have to know of a height for it to be known here. One node's word is not enough for what stays, whoever says so.
func (c *Client) enough(r *round) int { return max(2, r.asked/2+1, c.need(r.asked)) }

// remember stores the height that enough of those who were heard know of, if it is above the floor: so nodes that are behind are known as
// such by who asks next, also if they answer first. It rises no faster than a chain does.
func (c *Client) remember(ctx context.Context, r *round, floor uint64, noted time.Time) {
	height := reached(r.heard, c.enough(r))
	now := c.Now()
	if floor > 0 {
		height = min(height, floor+uint64(max(0, now.Sub(noted))/blockTime)+maxRise)
	}
	if height <= floor {
		return
	}
	if err := c.store.SetHeight(ctx, floor, height, now); err != nil {
		c.cfg.Log.Debug("height not stored", "error", err)
	}
}

// lower stores the height that enough of those who were heard know of if none of them knows of the floor: then that is what is wrong,
// because some who agreed said more than was true, or the chain of a test network began anew. What is asked next counts again.
func (c *Client) lower(ctx context.Context, r *round, floor uint64) {
	height := reached(r.heard, c.enough(r))
	if height == 0 || floor <= maxBehind || reached(r.heard, 1) >= floor-maxBehind {
		return
	}
	c.cfg.Log.Info("height of the chain was too high", "was", floor, "is", height)
	if err := c.store.SetHeight(ctx, floor, height, c.Now()); err != nil {
		c.cfg.Log.Debug("height not stored", "error", err)
	}
}

// doubt discounts who is far behind the height that enough of those who were heard know of, or behind the floor, one that enough others knew
// of before: what it does not know may be long so. Fewer that claim to be ahead put nobody in doubt.
func doubt(heard []said, floor uint64, enough int) {
	known := max(reached(heard, enough), floor)
	for i := range heard {
		s := &heard[i]
		s.behind = s.answered() && known > maxBehind && s.height < known-maxBehind
	}
}

// reached returns the height that so many of those who answered know of, or 0 if there are fewer.
func reached(heard []said, enough int) uint64 {
	var heights []uint64
	for i := range heard {
		if heard[i].answered() {
			heights = append(heights, heard[i].height)
		}
	}
	if enough > len(heights) {
		return 0
	}
	slices.Sort(heights)
	return heights[len(heights)-enough]
}

// leading returns what most of those say who are counted, and how many they are.
func leading(heard []said, counted func(*said) bool) (most said, votes int) {
	for i := range heard {
		if !counted(&heard[i]) {
			continue
		}
		n := 0
		for j := range heard {
			if counted(&heard[j]) && heard[j].equal(&heard[i]) {
				n++
			}
		}
		if n > votes {
			most, votes = heard[i], n
		}
	}
	return most, votes
}

const (
	// nameAttempts is how often one node is asked for a name: that a request gets lost on the way counts against nobody.
	nameAttempts = 6
	// nameTime is how often its answer may be overdue until others are asked instead. Guards that hang are replaced by then.
	nameTime = 6
)

// askName asks one node.
func (c *Client) askName(ctx context.Context, n *store.Node, request []byte) said {
	s := said{node: n}
	within, cancel := context.WithTimeout(ctx, nameTime*c.overdue(nil))
	defer cancel()
	a, err := c.try(within, n, request, effort{tries: nameAttempts, lost: nameAttempts, wait: 1})
	if err == nil {
		s, err = parseSaid(&a)
		s.node = n
	}
	s.err = err
	return s
}

// parseSaid reads the answer to nameRequest.
func parseSaid(a *answer) (said, error) {
	results, err := a.results(2)
	if err != nil {
		return said{}, err
	}
	for _, r := range results {
		if r.Code != 200 {
			return said{}, &StatusError{r.Code}
		}
	}
	var s said
	var name struct {
		Result map[string]json.RawMessage `json:"result"`
	}
	var height struct {
		Result struct {
			Height *uint64 `json:"height"`
		} `json:"result"`
	}
	if json.Unmarshal(results[0].Body, &name) != nil || name.Result == nil ||
		json.Unmarshal(results[1].Body, &height) != nil || height.Result.Height == nil {
		return said{}, errBody
	}
	s.height = *height.Result.Height
	// Nothing but an empty result says that there is no such name: what is busy or broken does not know. null is no text.
	fields := map[string]*string{}
	for _, field := range []string{"encrypted_value", "nonce", "status"} {
		if raw, ok := name.Result[field]; ok {
			var text *string
			if json.Unmarshal(raw, &text) != nil || text == nil {
				return said{}, errBody
			}
			fields[field] = text
			delete(name.Result, field)
		}
	}
	value, nonce, status := fields["encrypted_value"], fields["nonce"], fields["status"]
	switch {
	case status != nil && *status != "OK":
		return said{}, errBody
	case value == nil && nonce == nil && len(name.Result) == 0:
		s.absent = true
		return s, nil
	case value == nil:
		return said{}, errBody
	case nonce == nil:
		nonce = new(string)
	}
	if len(*value) > 256 || len(*nonce) > 64 {
		return said{}, errBody
	}
	stored, err := hex.DecodeString(*value + *nonce)
	if err != nil {
		return said{}, errBody
	}
	if s.sealed, err = ons.ParseSealed(ons.Session, stored); err != nil {
		return said{}, errBody
	}
	return s, nil
}
