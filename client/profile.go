package client

import (
	"context"
	"errors"
	"fmt"

	"onsight/client/internal/envelope"
	"onsight/client/store"
)

// ErrNoRequest means that somebody's messages are no request: they are taken already, or there are none.
var ErrNoRequest = errors.New("there is no request")

// CheckProfileName returns why a text cannot be the name that others are shown, or nil. Empty is no name, which is allowed.
func CheckProfileName(name string) error { return envelope.CheckName(name) }

// Rename changes the name that others are shown. It travels with what is sent from then on. The error is CheckProfileName's or the
// store's.
func (c *Client) Rename(ctx context.Context, name string) error {
	if err := CheckProfileName(name); err != nil {
		return err
	}
	return c.store.Rename(ctx, name, c.Now())
}

// Decline deletes a request, with all that was written. Who made it is not told, and can make another. The error is ErrNoRequest.
func (c *Client) Decline(ctx context.Context, id ID) error {
	contact, err := c.store.Contact(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && !contact.Request() {
		return fmt.Errorf("decline: %w", ErrNoRequest)
	}
	if err != nil {
		return err
	}
	return c.store.Forget(ctx, id)
}
