package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"onsight/client/internal/envelope"
	"onsight/client/store"
	"onsight/ons"
)

// ttl is how long a swarm keeps a message (messaging.md E.2).
const ttl = 14 * 24 * time.Hour

// Letter is a text to be sent.
type Letter struct {
	To    ID       // whom to; zero: who Name stands for. One's own is a note to oneself
	Name  ons.Name // of Session; not used if To is set
	Text  string
	Quote *store.Ref // the message that it answers; nil: none
	Key   string     // names this send to its caller, who may try it again; empty: not

	Recheck time.Duration // as Config's, of this one; 0: that
}

var (
	// ErrBlocked means that a letter is for somebody whose messages are dropped, so that no answer would come.
	ErrBlocked = errors.New("they are blocked")
	// ErrQuote means that the message that a letter answers is not in the chat with who it is for: it would tell them who wrote it.
	ErrQuote = errors.New("the message that it answers is not of this chat")
)

// Sent is what became of a Letter.
type Sent struct {
	To         ID
	Seq        int64         // number of the message; 0: it is held
	Held       int64         // number of the held message; 0: it is not
	Resolution *Resolution   // how the name was found out; nil: it was not asked for
	Path       time.Duration // until there was a path, where the network's time had to be learnt
	Clock      time.Duration // until that was learnt then
	Sealing    time.Duration
}

// Send accepts a text. When it has returned without an error, the text will be sent by Flush, whatever happens to the process: the bytes
// that it will be sent as are stored. A name is resolved unless that was done lately; while the network does not say, or says that there is
// no such name, it is who it is pinned to. If it points to another account than that, the text is held, and the error is a *HeldError.
//
// Errors beside Resolve's: ErrBlocked, ErrQuote, envelope's about the text, such as that it is too long.
func (c *Client) Send(ctx context.Context, l Letter) (Sent, error) {
	s, err := c.recipient(ctx, &l, c.Resolve)
	var held *HeldError
	if errors.As(err, &held) {
		if err := c.check(ctx, held.Old, &l); err != nil {
			return s, err
		}
		id, seq, err := c.store.Hold(ctx, store.Held{Name: l.Name.String(), Text: l.Text, Quote: l.Quote, Key: l.Key, At: c.Now()})
		if err != nil {
			return s, err
		}
		if seq != 0 { // it was sent before the name changed
			m, err := c.store.Message(ctx, seq)
			s.To, s.Seq = m.Chat, seq
			return s, err
		}
		s.Held = id
		return s, held
	}
	if err == nil {
		err = c.admit(ctx, s.To, &l)
	}
	if err != nil {
		return s, err
	}
	s.Path, s.Clock = c.learnTime(ctx)
	begun := time.Now()
	s.Seq, err = c.queue(ctx, s.To, l, 0)
	s.Sealing = time.Since(begun)
	return s, err
}

// Rehearse finds out what Send would do with a letter, and returns the same errors. It asks for names as Send does, but pins none, and
// neither sends nor holds anything.
func (c *Client) Rehearse(ctx context.Context, l Letter) (Sent, error) {
	s, err := c.recipient(ctx, &l, c.Lookup)
	to := s.To
	var held *HeldError
	if errors.As(err, &held) {
		to = held.Old
	}
	if err == nil || held != nil {
		err = cmp.Or(c.check(ctx, to, &l), err)
	}
	return s, err
}

// recipient finds out whom a letter is for. resolve is asked for the name.
func (c *Client) recipient(ctx context.Context, l *Letter, resolve func(context.Context, string) (Resolution, error)) (s Sent, err error) {
	switch {
	case l.To != (ID{}):
		if _, err := checkID(l.To); err != nil {
			return Sent{}, err
		}
		return Sent{To: l.To}, nil
	case l.Name.Type() != ons.Session || l.Name.String() == "":
		return Sent{}, errors.New("a letter to nobody: neither an id nor a name of Session")
	}
	name := l.Name.String()
	pin, err := c.store.Pin(ctx, name)
	pinned := err == nil
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return Sent{}, err
	}
	if age := c.Now().Sub(pin.Checked); pinned && !pin.Held() && age >= 0 && age < cmp.Or(l.Recheck, c.cfg.Recheck) {
		return Sent{To: pin.ID}, nil
	}
	r, err := resolve(ctx, name)
	s = Sent{To: r.ID, Resolution: &r}
	var held *HeldError
	switch {
	case err == nil || errors.As(err, &held) || ctx.Err() != nil || !pinned || !unknown(err):
		return s, err
	}
	// That it cannot be found out, or that nobody has the name now, is no reason to take the one we know for another.
	c.cfg.Log.Debug("name not checked", "error", err)
	if r.Pin.Name != "" { // else nobody could be asked
		pin = r.Pin
	}
	if pin.Held() {
		return s, heldBy(pin)
	}
	s.To = pin.ID
	return s, nil
}

// unknown reports whether an error of resolving says that the network does not know what a name stands for, or that it is not to be reached.
// What it does say, but is older than what is known, or could not be stored, is something else.
func unknown(err error) bool {
	return slices.ContainsFunc([]error{
		ons.ErrNotFound, ErrFewNodes, ErrDisagree, ErrSeeds, ErrCertificate, ErrNodes, ErrPath, ErrNode, ErrProxy, ErrStored, ons.ErrUnavailable,
		context.DeadlineExceeded,
	}, func(of error) bool { return errors.Is(err, of) })
}

// admit returns why a letter is not to be sent to an account, or nil.
func (c *Client) admit(ctx context.Context, to ID, l *Letter) error {
	if l.Key != "" {
		if seq, err := c.store.Keyed(ctx, l.Key); err != nil || seq != 0 { // it was sent before, and is not again
			return err
		}
	}
	contact, err := c.store.Contact(ctx, to)
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return err
	case contact.Blocked:
		return ErrBlocked
	}
	return c.admitQuote(ctx, to, l)
}

// admitQuote returns ErrQuote if what a letter answers is not in the chat with an account.
func (c *Client) admitQuote(ctx context.Context, to ID, l *Letter) error {
	if l.Quote == nil {
		return nil
	}
	is, err := c.store.Within(ctx, to, *l.Quote)
	if err == nil && !is {
		err = ErrQuote
	}
	return err
}

// check does what sending a letter does but for that, as with one that has to wait: what cannot be sent is not to wait.
func (c *Client) check(ctx context.Context, to ID, l *Letter) error {
	if err := c.admit(ctx, to, l); err != nil {
		return err
	}
	me, err := c.store.Account(ctx)
	if err != nil {
		return err
	}
	now := c.Now()
	if _, err := c.pack(to, envelope.Message{Time: uint64(now.UnixMilli()), Body: body(l, me)}, now); err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	return nil
}

// body is what a letter says.
func body(l *Letter, me store.Account) *envelope.Visible {
	v := &envelope.Visible{Text: l.Text, Profile: profile(me)}
	if l.Quote != nil {
		v.Quote = &envelope.Ref{Time: uint64(l.Quote.Sent.UnixMilli()), Author: l.Quote.Sender}
	}
	return v
}

// queue seals a text and stores it to be sent. held is the number of the held message that it is, or 0.
func (c *Client) queue(ctx context.Context, to ID, l Letter, held int64) (seq int64, err error) {
	me, err := c.store.Account(ctx)
	if err != nil {
		return 0, err
	}
	contact, err := c.store.Contact(ctx, to)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return 0, err
	}
	visible := body(&l, me)
	o := store.Outgoing{Key: l.Key, Held: held}
	if contact.ApprovedMe && !contact.Approved && to != c.account.ID() { // to answer a request is to accept it (messaging.md J.6)
		p, err := c.approval(ctx, to, me)
		if err != nil {
			return 0, err
		}
		o.Approve, o.Ahead = to, []store.Parcel{p}
	}
	for {
		sent, err := c.nextTime(ctx)
		if err != nil {
			return 0, err
		}
		o.Message = &store.Message{Chat: to, Sender: c.account.ID(), Sent: sent, Kind: store.Text, Text: l.Text, Quote: l.Quote}
		parcels, err := c.pack(to, envelope.Message{Time: uint64(sent.UnixMilli()), Body: visible}, sent)
		if err != nil {
			return 0, fmt.Errorf("seal: %w", err)
		}
		o.Parcels = parcels
		seq, err := c.store.Queue(ctx, o, c.Now())
		if !errors.Is(err, store.ErrTaken) {
			return seq, err
		}
	}
}

// pack seals a message for who is to have it, and a copy for our other devices.
func (c *Client) pack(to ID, m envelope.Message, sent time.Time) ([]store.Parcel, error) {
	own := c.account.ID()
	if to == own {
		m, _ = m.SyncCopy(own) // a note to oneself is but the copy
		data, err := envelope.Seal(nil, c.account.keys, own, m)
		return []store.Parcel{{Swarm: own, Data: data, Sent: sent, TTL: ttl}}, err
	}
	data, err := envelope.Seal(nil, c.account.keys, to, m)
	if err != nil {
		return nil, err
	}
	parcels := []store.Parcel{{Swarm: to, Data: data, Sent: sent, TTL: ttl}}
	if m, ok := m.SyncCopy(to); ok {
		if data, err = envelope.Seal(nil, c.account.keys, own, m); err != nil {
			return nil, err
		}
		parcels = append(parcels, store.Parcel{Swarm: own, Data: data, Sent: sent, TTL: ttl, Copy: true})
	}
	return parcels, nil
}

func profile(me store.Account) *envelope.Profile {
	if me.Name == "" {
		return nil
	}
	p := &envelope.Profile{Name: me.Name}
	if me.Renamed.Unix() > 0 {
		p.Updated = uint64(me.Renamed.Unix())
	}
	return p
}

// approval is what tells somebody that we take their messages.
func (c *Client) approval(ctx context.Context, to ID, me store.Account) (store.Parcel, error) {
	sent, err := c.nextTime(ctx)
	if err != nil {
		return store.Parcel{}, err
	}
	data, err := envelope.Seal(nil, c.account.keys, to, envelope.Message{Time: uint64(sent.UnixMilli()), Body: &envelope.Approval{Profile: profile(me)}})
	if err != nil {
		return store.Parcel{}, fmt.Errorf("seal: %w", err)
	}
	return store.Parcel{Swarm: to, Data: data, Sent: sent, TTL: ttl}, nil
}

// Accept takes somebody's messages from now on, and queues what tells them so.
func (c *Client) Accept(ctx context.Context, id ID) error {
	me, err := c.store.Account(ctx)
	if err != nil {
		return err
	}
	p, err := c.approval(ctx, id, me)
	if err != nil {
		return err
	}
	_, err = c.store.Queue(ctx, store.Outgoing{Approve: id, Parcels: []store.Parcel{p}}, c.Now())
	return err
}

// Approve pins a name to the account that it points to now, and queues what was held for it, also if it was approved before or points
// back. A name that is not registered any more can be left pinned to the account that it was. The error is store.ErrPin if that is another
// one than was approved.
func (c *Client) Approve(ctx context.Context, name string, id ID) error {
	n, err := ons.ParseName(ons.Session, name)
	if err != nil {
		return err
	}
	if err := c.store.Approve(ctx, n.String(), id, c.Now()); err != nil {
		if pin, again := c.store.Pin(ctx, n.String()); again != nil || pin.Held() || pin.ID != id || !errors.Is(err, store.ErrPin) {
			return err
		}
	}
	_, err = c.Release(ctx, name)
	return err
}

// Release queues what is held for a name, unless it still has to wait, and returns how much. Approve does it too, as does
// Resolve when the name points back, and Flush for a process that ended between the two. What it answers is left out unless that is in the
// chat with who it goes to. What cannot be queued stays and does not keep the others; the error is
// the first's, or ErrBlocked.
func (c *Client) Release(ctx context.Context, name string) (released int, err error) {
	n, err := ons.ParseName(ons.Session, name)
	if err != nil {
		return 0, err
	}
	pin, err := c.store.Pin(ctx, n.String())
	if err != nil {
		return 0, err
	}
	if pin.Held() {
		return 0, heldBy(pin)
	}
	switch contact, err := c.store.Contact(ctx, pin.ID); {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return 0, err
	case contact.Blocked:
		return 0, ErrBlocked
	}
	var after int64
	var failed error
	for {
		waiting, err := c.store.Waiting(ctx, n.String(), after, 100)
		if err != nil || len(waiting) == 0 {
			return released, cmp.Or(err, failed)
		}
		for _, h := range waiting {
			after = h.ID
			l := Letter{Text: h.Text, Quote: h.Quote, Key: h.Key}
			err := c.admitQuote(ctx, pin.ID, &l)
			if errors.Is(err, ErrQuote) { // to lose the text is worse than to lose what it is about
				l.Quote, err = nil, nil
			}
			if err == nil {
				_, err = c.queue(ctx, pin.ID, l, h.ID)
			}
			switch {
			case ctx.Err() != nil:
				return released, ctx.Err()
			case err == nil:
				released++
			case !errors.Is(err, store.ErrNotFound): // or another process was faster
				failed = cmp.Or(failed, fmt.Errorf("held message %d: %w", h.ID, err))
			}
		}
	}
}

// releaseAll queues what is held for names that are not held any more. What is in the way of it stays for another time.
func (c *Client) releaseAll(ctx context.Context) {
	names, err := c.store.Free(ctx)
	for _, name := range names {
		if _, again := c.Release(ctx, name); again != nil {
			err = cmp.Or(err, again)
		}
	}
	if err != nil {
		c.cfg.Log.Debug("held messages not released", "error", err)
	}
}
