package client

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"onsight/client/internal/envelope"
	"onsight/client/store"
	"onsight/internal/snode"
)

const (
	// pollers is how many members of the own swarm are asked in a round: one may lack what another has (messaging.md B.6).
	pollers  = 2
	maxPages = 40 // of one member in a round; the next goes on from there
	// maxItems is more than a server gives at once: it stops at 3.9 MB, and counts at least 143 bytes for each (messaging.md C.5).
	maxItems = 3_900_000/143 + 1
	// chunk is how many items are opened and stored in one transaction, during which nobody else writes.
	chunk = 200
)

// Poll fetches what has come: one round. Each item is opened, and stored together with where to go on; what was seen before, from
// whatever member, changes nothing, and what cannot be opened is counted. The list of nodes is renewed
// if it is old. It returns how many items were new. The error is the store's,
// or says why no member of the own swarm could be asked.
func (c *Client) Poll(ctx context.Context) (fresh int, err error) {
	defer c.renew(ctx)
	asked := map[[32]byte]bool{}
	for served := 0; served < pollers; {
		node, n, err := c.drain(ctx, asked)
		fresh += n
		switch {
		case err == nil:
			served++
		case !errors.Is(err, ErrSwarm), node == [32]byte{} && served == 0:
			return fresh, fmt.Errorf("fetch messages: %w", err)
		case node == [32]byte{}: // there is no other
			return fresh, nil
		default: // what came before it failed is stored
			c.cfg.Log.Debug("fetching ended early", "error", err)
			c.suspect(node)
		}
		asked[node] = true
	}
	return fresh, nil
}

// drain fetches all that a member has, one that is not in not. node is who was asked: nobody, if no member did what was asked.
func (c *Client) drain(ctx context.Context, not map[[32]byte]bool) (node [32]byte, fresh int, err error) {
	const namespace = 0
	from := map[[32]byte]string{} // who was asked for what comes after what
	request := func(n *store.Node, now time.Time) ([]byte, error) {
		at, err := c.store.Cursor(ctx, n.Ed25519, namespace)
		from[n.Ed25519] = at
		return c.retrieveRequest(namespace, at, now), err
	}
	a, err := c.askSwarm(ctx, c.account.ID(), not, request)
	if err == nil {
		node = a.node.Ed25519
	}
	for range maxPages {
		if err == nil && a.status != http.StatusOK {
			err = fmt.Errorf("%w: %w", ErrSwarm, &StatusError{a.status})
		}
		if err != nil {
			return node, fresh, err
		}
		items, more, err := parseMessages(a.body)
		if err != nil {
			return node, fresh, fmt.Errorf("%w: %w", ErrSwarm, err)
		}
		if len(items) == 0 {
			return node, fresh, nil
		}
		for part := range slices.Chunk(items, chunk) {
			n, err := c.store.Receive(ctx, c.read(node, namespace, part), c.Now())
			fresh += n
			if err != nil {
				return node, fresh, err
			}
		}
		if !more || items[len(items)-1].hash == from[node] {
			return node, fresh, nil
		}
		next, err := request(a.node, c.Now())
		if err != nil {
			return node, fresh, err
		}
		if a, err = c.ask(ctx, a.node, next); err != nil {
			return node, fresh, fmt.Errorf("%w: %w", ErrSwarm, err)
		}
	}
	return node, fresh, nil
}

// retrieveRequest asks for what is in a namespace of ours after the item with a hash.
func (c *Client) retrieveRequest(namespace int16, after string, now time.Time) []byte {
	at := now.UnixMilli()
	return call("retrieve", struct {
		LastHash  string `json:"last_hash"`
		MaxSize   int    `json:"max_size"`
		Namespace int16  `json:"namespace"`
		Pubkey    string `json:"pubkey"`
		Ed25519   string `json:"pubkey_ed25519"`
		Signature string `json:"signature"`
		Timestamp int64  `json:"timestamp"`
	}{after, -2, namespace, c.account.ID().String(), hexKey([32]byte(c.account.Public())),
		base64.StdEncoding.EncodeToString(c.account.Sign(snode.RetrieveText(namespace, at))), at})
}

// fetched is an item as a node gives it.
type fetched struct {
	hash string // by the node's word
	data []byte // nil: none
}

// parseMessages reads the answer to retrieve. It ends at the first item that no server gives, so that an answer takes no more memory than
// it may have messages.
func parseMessages(body []byte) (list []fetched, more bool, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	is := func(want json.Delim) bool {
		t, err := d.Token()
		return err == nil && t == want
	}
	if !is('{') {
		return nil, false, errBody
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, false, errBody
		}
		switch key {
		case "messages":
			if list != nil || !is('[') {
				return nil, false, errBody
			}
			for d.More() {
				var m struct {
					Hash string `json:"hash"`
					Data string `json:"data"`
				}
				if len(list) == maxItems || d.Decode(&m) != nil || len(m.Hash) != hashChars || m.Data == "" {
					return nil, false, errBody
				}
				f := fetched{hash: m.Hash}
				if m.Data != "=" { // what servers write for nothing at all, which anybody may have stored
					if f.data, err = base64.StdEncoding.DecodeString(m.Data); err != nil || len(f.data) == 0 {
						return nil, false, errBody
					}
				}
				list = append(list, f)
			}
			if !is(']') {
				return nil, false, errBody
			}
		case "more":
			if d.Decode(&more) != nil {
				return nil, false, errBody
			}
		default:
			var other json.RawMessage
			if d.Decode(&other) != nil {
				return nil, false, errBody
			}
		}
	}
	if !is('}') {
		return nil, false, errBody
	}
	return list, more, nil
}

// hashChars is how long a message's hash is.
const hashChars = 43

// read opens what a node gave. An item is known by the hash of its bytes, whatever the node says: else it could have us take what is to
// come for what has been.
func (c *Client) read(node [32]byte, namespace int16, list []fetched) store.Batch {
	b := store.Batch{Node: node, Namespace: namespace, Cursor: list[len(list)-1].hash}
	id := c.account.ID()
	once := map[string]bool{}
	for _, f := range list {
		i := store.Item{Hash: snode.Hash(snode.ID(id), namespace, f.data)}
		if once[i.Hash] {
			continue
		}
		once[i.Hash] = true
		if f.data == nil {
			i.Reason = "is empty"
		} else {
			i.Change, i.Reason = c.open(f.data)
		}
		if a, ok := i.Change.(*store.Arrived); ok {
			a.Message.Hash = i.Hash
		}
		b.Items = append(b.Items, i)
	}
	return b
}

// open says what an item of the own swarm means, or why it means nothing.
func (c *Client) open(data []byte) (store.Change, string) {
	r, err := envelope.Open(c.account.keys, data)
	if err != nil {
		for _, known := range []error{envelope.ErrFormat, envelope.ErrNewer, envelope.ErrOpen, envelope.ErrSignature, envelope.ErrTime, envelope.ErrRefused} {
			if errors.Is(err, known) {
				return nil, known.Error()
			}
		}
		return nil, "cannot be read"
	}
	own := c.account.ID()
	m := store.Message{Chat: r.Sender, Sender: r.Sender, Sent: milli(r.Time), Kind: store.Text, Expire: expire(r.Expire)}
	if ID(r.Sender) == own && r.SyncTarget != ([33]byte{}) {
		m.Chat = r.SyncTarget
	}
	switch b := r.Body.(type) {
	case *envelope.Visible:
		m.Text, m.Files = b.Text, len(b.Attachments)
		if i := b.Invitation; i != nil {
			m.Text = strings.TrimSpace(i.Name + " " + i.URL) // which wins over a text (messaging.md E.4)
		}
		if m.Text == "" && m.Files == 0 {
			return nil, "shows nothing that is shown here" // such as a reaction
		}
		if b.Quote != nil {
			m.Quote = &store.Ref{Sender: b.Quote.Author, Sent: milli(b.Quote.Time)}
		}
		return &store.Arrived{Message: m, Profile: introduced(b.Profile)}, ""
	case *envelope.TimerChange:
		m.Kind = store.Timer
		return &store.Arrived{Message: m}, ""
	case *envelope.Approval:
		return &store.Approved{From: r.Sender, Profile: introduced(b.Profile)}, ""
	case *envelope.Receipt:
		read := &store.WasRead{By: r.Sender}
		for _, t := range b.Read {
			read.Sent = append(read.Sent, milli(t))
		}
		return read, ""
	case *envelope.Unsend:
		return &store.Unsent{By: r.Sender, Sent: milli(b.Time)}, ""
	}
	return nil, "of a kind that is not kept" // typing, calls, groups
}

// milli is a time of a message. What no clock can say is the end of time.
func milli(ms uint64) time.Time {
	const end = 8_640_000_000_000_000 // as the envelope's
	return time.UnixMilli(int64(min(ms, end))).UTC()
}

func expire(e envelope.Expire) store.Expire {
	return store.Expire{Mode: store.Mode(e.Mode), Timer: time.Duration(e.Timer) * time.Second}
}

func introduced(p *envelope.Profile) *store.Profile {
	if p == nil {
		return nil
	}
	s := &store.Profile{Name: p.Name, Picture: p.Picture, Key: p.Key}
	if p.Updated != 0 {
		const end = 253402300799
		s.Updated = time.Unix(int64(min(p.Updated, end)), 0).UTC()
	}
	return s
}

// Events returns what has happened since a consumer was here last, in order, and ends when that is all. An event counts as dealt with
// when the loop asks for the next one or has come to its end; one that the loop leaves at is given again. So each is given at least
// once, with a number that stays.
func (c *Client) Events(ctx context.Context, consumer string) iter.Seq2[store.Event, error] {
	return func(yield func(store.Event, error) bool) {
		at, err := c.store.Acked(ctx, consumer)
		for err == nil {
			var list []store.Event
			if list, err = c.store.Events(ctx, at, 100); err != nil || len(list) == 0 {
				break
			}
			for _, e := range list {
				if !yield(e, nil) {
					return
				}
				if err = c.store.Ack(ctx, consumer, e.Seq); err != nil {
					break
				}
				at = e.Seq
			}
		}
		if err != nil {
			yield(store.Event{}, err)
		}
	}
}
