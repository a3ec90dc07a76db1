package main

import (
	"time"

	"onsight/client"
	"onsight/client/store"
)

// messageView is the JSON of a message.
type messageView struct {
	Seq     int64      `json:"seq"`
	Chat    client.ID  `json:"chat"`
	Sender  client.ID  `json:"sender"`
	From    string     `json:"from"` // how the sender is shown: me, @nickname, a name, ~what they call themselves, or the id
	Sent    *string    `json:"sent"`
	Arrived *string    `json:"arrived"`
	Kind    string     `json:"kind"`
	Text    string     `json:"text"`
	Files   int        `json:"files,omitempty"`
	Quote   *refView   `json:"quote,omitempty"`
	Expires *string    `json:"expires,omitempty"`
	State   string     `json:"state"`
	Copies  int        `json:"copies,omitempty"`
	Hash    string     `json:"hash,omitempty"`
	Ledger  []lineView `json:"ledger,omitempty"`
}

type refView struct {
	Sender client.ID `json:"sender"`
	Sent   *string   `json:"sent"`
}

type lineView struct {
	At     *string `json:"at"`
	Step   string  `json:"step"`
	Detail string  `json:"detail,omitempty"`
}

func (b *book) message(m *store.Message) messageView {
	v := messageView{
		Seq: m.Seq, Chat: m.Chat, Sender: m.Sender, From: b.label(m.Sender), Sent: clock(m.Sent), Arrived: clock(m.Arrived), Kind: kindName(m.Kind),
		Text: m.Text, Files: m.Files, Expires: clock(m.Expires), State: stateName(m.State), Copies: m.Copies, Hash: m.Hash,
	}
	if m.Quote != nil {
		v.Quote = &refView{m.Quote.Sender, clock(m.Quote.Sent)}
	}
	return v
}

func kindName(k store.Kind) string {
	switch k {
	case store.Text:
		return "text"
	case store.Timer:
		return "timer"
	case store.Deleted:
		return "deleted"
	}
	return "unknown"
}

func stateName(s store.State) string {
	switch s {
	case store.Incoming:
		return "incoming"
	case store.Queued:
		return "queued"
	case store.Stored:
		return "stored"
	case store.Replicated:
		return "replicated"
	case store.Read:
		return "read"
	case store.Failed:
		return "failed"
	}
	return "unknown"
}

// contactView is the JSON of a contact.
type contactView struct {
	ID         client.ID `json:"id"`
	Shown      string    `json:"shown"`
	Nickname   string    `json:"nickname,omitempty"`
	Name       string    `json:"name,omitempty"`    // that was resolved to them
	Profile    string    `json:"profile,omitempty"` // what they call themselves
	Approved   bool      `json:"approved"`
	ApprovedMe bool      `json:"approved_me"`
	Blocked    bool      `json:"blocked"`
	Request    bool      `json:"request"`
	Created    *string   `json:"created"`
}

func (b *book) contact(c *store.Contact) contactView {
	return contactView{
		ID: c.ID, Shown: b.label(c.ID), Nickname: c.Nickname, Name: b.names[c.ID], Profile: c.Profile.Name, Approved: c.Approved, ApprovedMe: c.ApprovedMe,
		Blocked: c.Blocked, Request: c.Request(), Created: clock(c.Created),
	}
}

// status is how a contact stands to us, in a word.
func (v *contactView) status() string {
	switch {
	case v.Blocked:
		return "blocked"
	case v.Request:
		return "request"
	case v.Approved && !v.ApprovedMe:
		return "asked"
	}
	return ""
}

// eventView is the JSON of an event.
type eventView struct {
	Seq     int64        `json:"seq"` // rises; the same event has the same number for ever
	At      *string      `json:"at"`
	Kind    string       `json:"event"`
	Chat    client.ID    `json:"chat"`
	With    string       `json:"with"` // how who is at the other end is shown
	Request bool         `json:"request"`
	Message *messageView `json:"message"`
}

// Kinds of events.
const (
	eventMessage  = "message"
	eventCopy     = "copy"
	eventState    = "state"
	eventAccepted = "accepted"
	eventTaken    = "taken_back"
)

func (b *book) event(e *store.Event) eventView {
	kinds := map[store.EventKind]string{
		store.Came: eventMessage, store.Copied: eventCopy, store.Changed: eventState, store.Accepted: eventAccepted, store.TakenBack: eventTaken,
	}
	c := b.contacts[e.Chat]
	v := eventView{Seq: e.Seq, At: clock(e.At), Kind: kinds[e.Kind], Chat: e.Chat, With: b.label(e.Chat), Request: c.Request()}
	if e.Message != nil {
		m := b.message(e.Message)
		v.Message = &m
	}
	return v
}

// ms is a duration in JSON.
func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
