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
)

// HeldError means that a name points to another account than when it was first used. Messages to it wait until somebody approves.
type HeldError struct {
	Name      string
	Old, New  ID
	Since     time.Time // since when it was the old one, here
	NextSince time.Time // and since when the new one
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("%s points to another account since %s: it was %s, it is %s", e.Name, e.NextSince.Format(time.DateOnly), e.Old, e.New)
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
	err    error
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

// Resolve asks nodes what a name stands for, until Config.Agree of them, and more than half, say the same, stores who said what, and pins the name at its
// first use. Only its hash leaves, and only through onions; who else is asked, and how, is Config.Extra's affair.
//
// Errors: ons.ErrNotFound if and only if enough nodes say that there is no such name; ErrFewNodes; ErrDisagree; ErrID if it stands for
// no account; a *HeldError beside the resolution if it is pinned to another account; those about nodes and paths.
func (c *Client) Resolve(ctx context.Context, name string) (Resolution, error) {
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
	r.Receipt = store.Receipt{Name: n.String(), At: c.Now(), Need: c.need(asked), Asked: asked}
	for _, s := range heard {
		r.Receipt.Answers = append(r.Receipt.Answers, c.testimony(n, &s, agreed))
	}
	slices.SortFunc(r.Receipt.Answers, func(a, b store.Answer) int { return bytes.Compare(a.Node[:], b.Node[:]) })
	for _, s := range others {
		r.Receipt.Answers = append(r.Receipt.Answers, c.testimony(n, &s, agreed))
	}
	if err != nil {
		return r, fmt.Errorf("resolve: %w", err)
	}
	if !agreed.absent {
		value, err := n.Open(agreed.sealed)
		if err == nil {
			r.ID, err = NewID(value)
		}
		if err != nil {
			return r, fmt.Errorf("resolve: %w", err)
		}
		r.Receipt.ID = r.ID
		for _, s := range append(heard, others...) {
			// What equals the opened value is it, without opening it again.
			if s.err == nil && s.equal(agreed) {
				at := slices.IndexFunc(r.Receipt.Answers, func(a store.Answer) bool { return a.Node == s.key() && a.Source == s.source })
				r.Receipt.Answers[at].ID = r.ID
			}
		}
	}
	r.Pin, err = c.store.Confirm(ctx, r.Receipt)
	switch {
	case agreed.absent && (err == nil || errors.Is(err, store.ErrNotFound)):
		return r, fmt.Errorf("resolve: %w", ons.ErrNotFound)
	case err != nil:
		return r, fmt.Errorf("resolve: %w", err)
	case r.Pin.Held():
		return r, heldBy(r.Pin)
	}
	if _, err := c.Release(ctx, name); err != nil { // it may have pointed elsewhere
		c.cfg.Log.Debug("held messages not released", "error", err)
	}
	return r, nil
}

func heldBy(p store.Pin) *HeldError {
	return &HeldError{Name: p.Name, Old: p.ID, New: p.Next, Since: p.Since, NextSince: p.NextSince}
}

// testimony is what goes into the receipt of what a node said. A value that differs from the agreed one is opened to say whom it names,
// unless that would take the memory of the scheme of 2020.
func (c *Client) testimony(n ons.Name, s *said, agreed *said) store.Answer {
	a := store.Answer{Node: s.key(), Source: s.source, Height: s.height}
	switch {
	case s.err != nil:
		a.Reason = reason(s.err)
	case s.absent || agreed != nil && s.equal(agreed):
	case s.sealed.Legacy():
		a.Reason = "says something else"
	default:
		value, err := n.Open(s.sealed)
		if err == nil {
			a.ID, err = idOf(value)
		}
		if err != nil {
			a.Reason = "says what cannot be opened"
		}
	}
	return a
}

func idOf(v ons.Value) ([33]byte, error) {
	id, err := NewID(v)
	return id, err
}

// reason says in a few words why there was no answer.
func reason(err error) string {
	var status *StatusError
	switch {
	case errors.Is(err, context.Canceled):
		return "not waited for"
	case errors.Is(err, context.DeadlineExceeded):
		return "too slow"
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

// maxBehind is how many blocks, an hour's, a node may be behind one that two of those who were asked know of.
const maxBehind = 30

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
// heard is all that was said by then; those that are still asked are not waited for.
func (c *Client) poll(ctx context.Context, n ons.Name) (agreed *said, heard []said, asked int, err error) {
	p, err := c.known(ctx)
	if err != nil {
		return nil, nil, 0, err
	}
	nodes := c.distinct(p, 2*c.cfg.Ask, nil)
	if len(nodes) < c.cfg.Agree {
		return nil, nil, 0, fmt.Errorf("%w: %d, of which %d must agree", ErrFewNodes, len(nodes), c.cfg.Agree)
	}
	within, cancel := context.WithCancel(ctx)
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
		heard = append(heard, <-answers)
		if agreed != nil || ctx.Err() != nil {
			continue
		}
		doubt(heard)
		most, votes := leading(heard)
		if votes >= c.need(asked) {
			agreed = &most
			cancel() // and wait only for them to notice
			continue
		}
		for asked < len(nodes) && votes+asked-len(heard) < c.need(asked) {
			ask()
		}
	}
	cancel()
	answered := 0
	for i := range heard {
		if heard[i].err == nil {
			answered++
		}
		err = cmp.Or(err, heard[i].err)
	}
	switch {
	case agreed != nil:
		return agreed, heard, asked, nil
	case ctx.Err() != nil:
		return nil, heard, asked, ctx.Err()
	case answered >= c.need(asked):
		return nil, heard, asked, ErrDisagree
	}
	return nil, heard, asked, fmt.Errorf("%w: only %d of %d answer, and %d must agree: %w", ErrFewNodes, answered, asked, c.need(asked), err)
}

// doubt discounts who is far behind the second highest of those who were heard: what it does not know may be long so. One alone that
// claims to be ahead puts nobody in doubt.
func doubt(heard []said) {
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
	for i := range heard {
		if heard[i].err == nil && second > maxBehind && heard[i].height < second-maxBehind {
			heard[i].err = errBehind
		}
	}
}

// leading returns what most say, and how many.
func leading(heard []said) (most said, votes int) {
	for i := range heard {
		if heard[i].err != nil {
			continue
		}
		n := 0
		for j := range heard {
			if heard[j].err == nil && heard[j].equal(&heard[i]) {
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
