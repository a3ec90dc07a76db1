package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
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
)

// HeldError means that a name points to another account than when it was first used. Messages to it wait until somebody approves; if it is
// none at all, until it points to one.
type HeldError struct {
	Name      string
	Old, New  ID        // New is zero where Why is set
	Since     time.Time // since when it was the old one, here
	NextSince time.Time // and since when the new one
	Why       error     // ErrID or ErrUnreadable if it is no account any more; nil: it is one
}

// Unwrap returns Why.
func (e *HeldError) Unwrap() error { return e.Why }

func (e *HeldError) Error() string {
	switch e.Why {
	case nil:
	case ErrID:
		return fmt.Sprintf("the name %s points to no account since %s: it was %s", e.Name, e.NextSince.Format(time.DateOnly), e.Old)
	default:
		return fmt.Sprintf("the name %s points to what cannot be read since %s: it was %s", e.Name, e.NextSince.Format(time.DateOnly), e.Old)
	}
	return fmt.Sprintf("the name %s points to another account since %s: it was %s, it is %s", e.Name, e.NextSince.Format(time.DateOnly), e.Old, e.New)
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
}

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
// no account; ErrUnreadable; a *HeldError beside the resolution if it is pinned to another account, or to one and stands for none now;
// those about nodes and paths.
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
	agreed, heard, asked, err := c.poll(ctx, n)
	r.Took = time.Since(begun)
	others := extra(err == nil)
	r.Receipt = store.Receipt{Name: n.String(), At: c.Now(), Outcome: outcome(agreed, err), Need: c.need(asked), Asked: asked}
	if agreed != nil {
		r.ID = agreed.id
		r.Receipt.ID = agreed.id
	}
	for _, s := range heard {
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
	case err != nil && agreed == nil:
		return r, fmt.Errorf("resolve: %w", err)
	case agreed.absent:
		return r, fmt.Errorf("resolve: %w", ons.ErrNotFound)
	case r.Pin.Held():
		return r, heldBy(r.Pin)
	case err != nil:
		return r, fmt.Errorf("resolve: %w", err)
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
	e := &HeldError{Name: p.Name, Old: p.ID, New: p.Next, Since: p.Since, NextSince: p.NextSince}
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
	case s.err != nil && !errors.Is(s.err, errBehind):
	case same:
		s.opened, s.id = agreed.opened, agreed.id
	case !s.absent && !s.sealed.Legacy():
		behind := s.err
		s.err = nil
		s.open(n)
		s.err = cmp.Or(behind, s.err)
	}
	a.ID = s.id
	switch {
	case s.err != nil:
		a.Reason = reason(s.err)
		if s.absent {
			a.Reason += "; not registered"
		}
	case s.absent:
	case !s.opened:
		a.Reason = "says something else"
	case s.id == ID{}:
		a.Reason = "says what is no account"
	}
	a.Agrees = s.node != nil && same && errors.Is(s.err, agreed.err)
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
	case errors.Is(err, errBehind):
		return "its chain is far behind"
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

// errBehind means that a node's chain ends long before that of others.
var errBehind = errors.New("node is behind")

// need is how many of those who were asked must say the same: Config.Agree, and more than half. Who did not answer counts as asked: that it
// did not may be the doing of hops on the way, who could so choose who is heard.
// Where one is enough, anybody's word is.
func (c *Client) need(asked int) int {
	if c.cfg.Agree == 1 {
		return 1
	}
	return max(c.cfg.Agree, asked/2+1)
}

// poll asks Config.Ask nodes at once, others when too few are left to agree, and returns what enough equal answers say: need, of asked.
// heard is all that was said by then; those that are still asked are not waited for. Where the value is of use to nobody the error, ErrUnreadable
// or ErrID, comes with it.
func (c *Client) poll(ctx context.Context, n ons.Name) (agreed *said, heard []said, asked int, err error) {
	p, err := c.known(ctx)
	if err != nil {
		return nil, nil, 0, err
	}
	nodes := c.distinct(p, 2*c.cfg.Ask, nil)
	if len(nodes) < c.cfg.Agree {
		return nil, nil, 0, fmt.Errorf("%w: %d, of which %d must agree", ErrFewNodes, len(nodes), c.cfg.Agree)
	}
	floor, err := c.store.Height(ctx)
	if err != nil {
		return nil, nil, 0, err
	}
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	request := nameRequest(n)
	answers := make(chan said, len(nodes)) // so that nobody waits
	ask := func() {
		node := nodes[asked]
		asked++
		go func() {
			defer c.bug()
			answers <- c.askName(within, node, request)
		}()
	}
	for asked < min(c.cfg.Ask, len(nodes)) {
		ask()
	}
	for len(heard) < asked {
		s := <-answers
		if s.err == nil && !s.absent && !s.sealed.Legacy() {
			s.open(n)
		}
		for i := range heard { // what did not open, does not
			if errors.Is(heard[i].err, ErrUnreadable) && s.err == nil && s.equal(&heard[i]) {
				s.err = ErrUnreadable
			}
		}
		heard = append(heard, s)
		if agreed != nil || ctx.Err() != nil {
			continue
		}
		doubt(heard, floor)
		most, votes := leading(heard, nil)
		for votes >= c.need(asked) && !most.absent && !most.opened { // of 2020: opened once, as that takes time and memory
			if most.open(n); most.err != nil {
				for i := range heard {
					if heard[i].err == nil && heard[i].equal(&most) {
						heard[i].err = most.err
					}
				}
				most, votes = leading(heard, nil)
			}
		}
		if votes >= c.need(asked) {
			agreed = &most
			cancel() // and wait only for them to notice
			continue
		}
		for asked < len(nodes) && votes+asked-len(heard) < c.need(asked) {
			ask()
		}
	}
	answered := 0
	for i := range heard {
		if heard[i].err == nil {
			answered++
		}
		err = cmp.Or(err, heard[i].err)
	}
	if agreed != nil || answered >= c.need(asked) {
		c.remember(ctx, heard, max(2, asked/2+1, c.need(asked)), floor) // one node's word is not enough for what stays, whoever says so
	}
	unreadable, votes := leading(heard, ErrUnreadable)
	switch {
	case agreed != nil && !agreed.absent && agreed.id == ID{}:
		return agreed, heard, asked, ErrID
	case agreed != nil:
		return agreed, heard, asked, nil
	case ctx.Err() != nil:
		return nil, heard, asked, ctx.Err()
	case votes >= c.need(asked):
		return &unreadable, heard, asked, ErrUnreadable
	case answered >= c.need(asked):
		return nil, heard, asked, ErrDisagree
	}
	return nil, heard, asked, fmt.Errorf("%w: only %d of %d answer, and %d must agree: %w", ErrFewNodes, answered, asked, c.need(asked), err)
}

// remember stores the height that enough of those who were heard know of, if it is above the floor. So nodes that are behind are known as such by who asks next, also
// if they answer first.
func (c *Client) remember(ctx context.Context, heard []said, enough int, floor uint64) {
	var heights []uint64
	for i := range heard {
		if heard[i].err == nil {
			heights = append(heights, heard[i].height)
		}
	}
	if len(heights) < enough {
		return
	}
	slices.Sort(heights)
	if heights[len(heights)-enough] <= floor {
		return
	}
	if err := c.store.SetHeight(ctx, heights[len(heights)-enough]); err != nil {
		c.cfg.Log.Debug("height not stored", "error", err)
	}
}

// doubt discounts who is far behind the second highest of those who were heard, or behind the floor, a height that enough others knew of
// before: what it does not know may be long so. One alone that claims to be ahead puts nobody in doubt.
func doubt(heard []said, floor uint64) {
	var first, second uint64
	for i := range heard {
		switch h := heard[i].height; {
		case heard[i].err != nil || h <= second:
		case h > first:
			first, second = h, first
		default:
			second = h
		}
	}
	known := max(second, floor)
	for i := range heard {
		if heard[i].err == nil && known > maxBehind && heard[i].height < known-maxBehind {
			heard[i].err = errBehind
		}
	}
}

// leading returns what most of those say whose word has come to err, and how many they are.
func leading(heard []said, err error) (most said, votes int) {
	for i := range heard {
		if !errors.Is(heard[i].err, err) {
			continue
		}
		n := 0
		for j := range heard {
			if errors.Is(heard[j].err, err) && heard[j].equal(&heard[i]) {
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
