package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"

	"onsight/api"
	"onsight/directory"
	"onsight/internal/store"
)

// leastToken is how long the operator's token has to be: who can ask 20 times a second must not find it.
const leastToken = 32

// adminToken reads the operator's token; "" if there is none. It never stands in arguments, which every user of the machine can
// read.
func (o *guardOptions) adminToken() (string, error) {
	if o.token == "" {
		return "", nil
	}
	b, err := readSecret(o.token)
	if err != nil {
		return "", fmt.Errorf("read the operator's token: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if len(token) < leastToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("read the operator's token: %s: must hold one word of at least %d ASCII characters, such as openssl rand -hex 32 prints", o.token, leastToken)
	}
	return token, nil
}

// enrolment lets the operator say who may report to a database.
type enrolment struct{ db *store.Store }

// Probers implements api.Enrolment.
func (e enrolment) Probers(ctx context.Context) ([]directory.Prober, error) { return e.db.Probers(ctx) }

// Enrol implements api.Enrolment.
func (e enrolment) Enrol(ctx context.Context, name string, key ed25519.PublicKey) error {
	return enrolmentError(e.db.Enrol(ctx, name, key))
}

// Dismiss implements api.Enrolment.
func (e enrolment) Dismiss(ctx context.Context, name string) error {
	return enrolmentError(e.db.Dismiss(ctx, name))
}

// enrolmentError says in the API's words why a database did not change.
func enrolmentError(err error) error {
	for is, says := range map[error]error{store.ErrProber: api.ErrProber, store.ErrNoProber: api.ErrNoProber, store.ErrReadOnly: directory.ErrFenced} {
		if errors.Is(err, is) {
			return fmt.Errorf("%w: %w", says, err)
		}
	}
	return err
}
