package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"onsight/client/internal/envelope"
	"onsight/client/store"
)

// ErrNoRequest means that somebody's messages are no request: they are taken already, or there are none.
var ErrNoRequest = errors.New("there is no request")

// CheckProfileName returns why a text cannot be the name that others are shown, or nil. Empty is no name, which is allowed.
func CheckProfileName(name string) error { return envelope.CheckName(name) }

// ErrLongText means that a text is longer than what may be sent: 2,000 characters.
var ErrLongText = envelope.ErrTooLong

// ErrBlank means that a text shows nothing, or has null characters, at which some programs end it.
var ErrBlank = errors.New("text that is blank, or has null characters")

// CheckText returns why a text cannot be sent whoever it is for: ErrLongText, ErrBlank, that it is not UTF-8, or nil.
func CheckText(text string) error {
	if err := envelope.CheckText(text); err != nil {
		return err
	}
	if !strings.ContainsFunc(text, shows) || strings.ContainsRune(text, 0) {
		return ErrBlank
	}
	return nil
}

// shows reports whether a rune can be seen, alone.
func shows(r rune) bool {
	const braille = '\u2800' // its pattern without a dot, which Unicode has among the symbols
	return r != braille && !unicode.IsSpace(r) && !unicode.In(r, unicode.Cc, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// Rename changes the name that others are shown. It travels with what is sent from then on. The error is CheckProfileName's or the
// store's.
func (c *Client) Rename(ctx context.Context, name string) error {
	if err := CheckProfileName(name); err != nil {
		return err
	}
	return c.store.Rename(ctx, name, c.Now())
}

// Decline deletes a request, with all that was written. Who made it is not told, and can make another, unless block says that what they
// send from now on is dropped. The error is ErrNoRequest; a request that somebody accepts meanwhile is none, and stays.
func (c *Client) Decline(ctx context.Context, id ID, block bool) error {
	err := c.store.Decline(ctx, id, block)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("decline: %w", ErrNoRequest)
	}
	return err
}

// MarkRead notes that a chat was read up to the message sent at until. With tell, who wrote what was unread is told so, if we take their
// messages; official clients tell only if their user chose to. The error is the store's: store.ErrNotFound if there is no such chat.
func (c *Client) MarkRead(ctx context.Context, chat ID, until time.Time, tell bool) error {
	var parcels []store.Parcel
	if tell && chat != c.account.ID() {
		contact, err := c.store.Contact(ctx, chat)
		if err != nil {
			return err
		}
		unread, err := c.store.Unread(ctx, chat, until, maxReceipt)
		if err != nil {
			return err
		}
		if contact.Approved && !contact.Blocked && len(unread) > 0 {
			p, err := c.receipt(ctx, chat, unread)
			if err != nil {
				return err
			}
			parcels = append(parcels, p)
		}
	}
	return c.store.MarkRead(ctx, chat, until, c.Now(), parcels...)
}

// maxReceipt is how many messages one receipt names. What is unread beyond that, nobody waits for.
const maxReceipt = 1000

// receipt is what tells somebody that messages of theirs were read.
func (c *Client) receipt(ctx context.Context, to ID, read []time.Time) (store.Parcel, error) {
	sent, err := c.store.NextTime(ctx, c.Now())
	if err != nil {
		return store.Parcel{}, err
	}
	r := &envelope.Receipt{}
	for _, t := range read {
		r.Read = append(r.Read, uint64(t.UnixMilli()))
	}
	data, err := envelope.Seal(nil, c.account.keys, to, envelope.Message{Time: uint64(sent.UnixMilli()), Body: r})
	if err != nil {
		return store.Parcel{}, fmt.Errorf("seal: %w", err)
	}
	return store.Parcel{Swarm: to, Data: data, Sent: sent, TTL: ttl}, nil
}

// Forsake gives up what of a message was not sent yet. It stays, as one that failed, and is tried again only by its number (store.Retry). The error is
// store.ErrNotFound if nothing of it waits.
func (c *Client) Forsake(ctx context.Context, message int64) error {
	found := false
	var after int64
	for {
		list, err := c.store.Outbox(ctx, after, 100)
		if err != nil {
			return err
		}
		for _, p := range list {
			after = p.ID
			if p.Message != message || p.State != store.Pending {
				continue
			}
			switch err := c.store.Forsake(ctx, p.ID, c.Now()); {
			case err == nil:
				found = true
			case !errors.Is(err, store.ErrNotFound): // what followed it is given up with it
				return err
			}
		}
		if len(list) == 0 {
			break
		}
	}
	if !found {
		return store.ErrNotFound
	}
	return nil
}
