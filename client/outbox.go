package client

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"onsight/client/store"
	"onsight/internal/snode"
)

const (
	lease      = 2 * time.Minute // of a parcel
	patience   = lease * 3 / 4   // that attempts for it take at most, so that no other process makes some too
	maxParcels = 8               // that are sent at a time
	minPause   = 2 * time.Second // after the first failure; it doubles
	maxPause   = 10 * time.Minute
	maxChecks  = 20 // of who has a message
	maxStores  = 3  // members that a parcel is brought to until enough have it
)

// ErrStored means that a node did not store what it was given, whatever it said.
var ErrStored = errors.New("node did not store the message")

// Flush sends what is due: one round. Each parcel is brought to a node of its swarm, which hands it on to the others; those that say so,
// signed, have it. What fails is put off, longer each time, and given up when no server would take it any more. The list of nodes is
// renewed if something was due and it is old. It returns how many
// parcels were stored and when more will be due: the zero Time if none. The error is the store's or the context's, else what kept the
// last parcel from being sent.
func (c *Client) Flush(ctx context.Context) (stored int, next time.Time, err error) {
	tried := false
	defer func() {
		if tried {
			c.renew(ctx)
		}
	}()
	var mu sync.Mutex // guards stored and last
	var last error
	if c.clock.known() {
		if err := c.store.Hasten(ctx, c.Now(), maxPause+lease); err != nil {
			return 0, time.Time{}, err
		}
	}
	c.releaseAll(ctx)
	for {
		due, err := c.store.Claim(ctx, c.Now(), lease, maxParcels)
		if err != nil {
			return stored, time.Time{}, err
		}
		if len(due) == 0 {
			break
		}
		tried = true
		errs := make([]error, len(due))
		var wg sync.WaitGroup
		for i, p := range due {
			wg.Go(func() {
				defer c.bug()
				sent, why := c.deliver(ctx, p)
				if sent {
					mu.Lock()
					stored++
					mu.Unlock()
					return
				}
				if errs[i] = c.putOff(ctx, p, why); errs[i] == nil {
					mu.Lock()
					last = why
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			return stored, time.Time{}, err
		}
	}
	if err := c.recheck(ctx); err != nil {
		return stored, time.Time{}, err
	}
	next, err = c.store.NextDue(ctx)
	if err != nil {
		return stored, next, err
	}
	check, err := c.store.NextCheck(ctx)
	if next.IsZero() || !check.IsZero() && check.Before(next) {
		next = check
	}
	if err == nil {
		err = last
	}
	return stored, next, err
}

// recheck finds out who has the messages that too few nodes had: by bringing them once more, which the others hear of again.
func (c *Client) recheck(ctx context.Context) error {
	due, err := c.store.Unsure(ctx, c.Now(), maxParcels)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for _, p := range due {
		wg.Go(func() {
			defer c.bug()
			if _, err := c.deliver(ctx, p); err != nil {
				c.cfg.Log.Debug("replication not known", "error", err)
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}

// putOff notes that a parcel was not sent, and why.
func (c *Client) putOff(ctx context.Context, p store.Parcel, why error) error {
	now := c.Now()
	var err error
	switch {
	case ctx.Err() != nil:
		// It was not the network's fault: it is due at once. What ended us must not keep us from saying so.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		err = errors.Join(c.store.Postpone(ctx, p.ID, now, "interrupted"), ctx.Err())
	case c.expired(p):
		err = c.store.GiveUp(ctx, p.ID, "too old: "+reason(why), now)
	case errors.Is(why, errRefused):
		err = c.store.GiveUp(ctx, p.ID, reason(why), now)
	default:
		err = c.store.Postpone(ctx, p.ID, now.Add(c.pause(p.Attempts)), reason(why))
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil // another process has delivered it meanwhile
	}
	return err
}

// expired reports whether no server takes a parcel any more, as far as the network's time is known.
func (c *Client) expired(p store.Parcel) bool {
	return c.clock.known() && c.Now().After(p.Sent.Add(p.TTL))
}

// pause is how long to wait after so many attempts, between half and all of what doubles each time.
func (c *Client) pause(attempts int) time.Duration {
	d := minPause << min(max(attempts-1, 0), 20)
	d = min(d, maxPause)
	c.mu.Lock()
	defer c.mu.Unlock()
	return d/2 + time.Duration(c.rand.Int64N(int64(d/2)))
}

// deliver brings a parcel to its swarm. Whoever has it already says so, so that a second time does no harm.
func (c *Client) deliver(ctx context.Context, p store.Parcel) (sent bool, why error) {
	enough := false
	defer func() {
		if (sent || p.State == store.Delivered) && p.Message != 0 && !p.Copy && !enough && p.Attempts < maxChecks {
			within, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			if err := c.store.Recheck(within, p.ID, c.Now().Add(c.pause(p.Attempts))); err != nil {
				c.cfg.Log.Warn("no check planned", "error", err)
			}
		}
	}()
	if c.expired(p) {
		return false, fmt.Errorf("%w: no server takes it any more", ErrSwarm)
	}
	id := ID(p.Swarm)
	hash := snode.Hash(snode.ID(id), p.Namespace, p.Data)
	have := map[[32]byte]bool{}
	tried := map[[32]byte]bool{}
	within, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	for range maxStores {
		a, err := c.askSwarm(within, id, tried, func(_ *store.Node, now time.Time) ([]byte, error) { return storeRequest(p, now), nil })
		if err != nil {
			why = err
			break
		}
		tried[a.node.Ed25519] = true
		members, err := c.swarm(ctx, id) // which may be another by now
		if err != nil {
			return sent, err
		}
		copies, ok := parseStored(a.body, a.node.Ed25519, hash, members)
		if !ok {
			why = ErrStored
			c.suspect(a.node.Ed25519)
			continue
		}
		for _, key := range copies {
			have[key] = true
		}
		if !sent {
			sent = true
			if p.State != store.Delivered {
				if err := c.noteStored(ctx, p, &a, hash); err != nil {
					return false, err
				}
			}
		}
		if enough = len(have) >= min(c.cfg.Copies, max(len(members), 1)); enough {
			break
		}
		if c.cfg.Stored != nil && p.Message != 0 && !p.Copy {
			c.cfg.Stored(p.Message) // before others are asked
		}
	}
	if sent && p.Message != 0 && !p.Copy {
		err := c.store.Replicate(ctx, p.Message, len(have), enough, c.Now())
		if err != nil && !errors.Is(err, store.ErrNotFound) { // it may have disappeared meanwhile
			c.cfg.Log.Warn("replication not stored", "error", err)
		}
		if enough && c.cfg.Stored != nil {
			c.cfg.Stored(p.Message)
		}
	}
	return sent, why
}

// noteStored notes that a node has a parcel, and by which guard it got there.
func (c *Client) noteStored(ctx context.Context, p store.Parcel, a *answer, hash string) error {
	now := c.Now()
	if p.Message != 0 && !p.Copy {
		err := c.store.Note(ctx, p.Message, store.Line{At: now, Step: "path", Detail: hexKey(a.guard)})
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return c.store.Deliver(ctx, p.ID, a.node.Ed25519, hash, now)
}

// storeRequest asks for a parcel to be stored. Its time is that of the message, unless the clock was wrong then and servers would not
// take it: it is no part of what is stored.
func storeRequest(p store.Parcel, now time.Time) []byte {
	at := p.Sent
	if at.After(now) {
		at = now
	}
	return call("store", struct {
		Data      string `json:"data"`
		Namespace int16  `json:"namespace"`
		Pubkey    string `json:"pubkey"`
		Timestamp int64  `json:"timestamp"`
		TTL       int64  `json:"ttl"`
	}{base64.StdEncoding.EncodeToString(p.Data), p.Namespace, ID(p.Swarm).String(), at.UnixMilli(), p.TTL.Milliseconds()})
}

// parseStored returns which members of a swarm say, signed, that they have a message, and whether the one that was asked is among them. Who
// answers for others cannot make their signatures, but those of keys that nobody knows.
func parseStored(body []byte, asked [32]byte, hash string, members []*store.Node) (copies [][32]byte, ok bool) {
	var v struct {
		Hash  string `json:"hash"`
		Swarm map[string]struct {
			Hash      string `json:"hash"`
			Signature string `json:"signature"`
		} `json:"swarm"`
	}
	if json.Unmarshal(body, &v) != nil || v.Hash != hash || len(v.Swarm) > maxNodes {
		return nil, false
	}
	text := snode.StoredText(hash)
	for name, entry := range v.Swarm {
		var key [32]byte
		signature, err := base64.StdEncoding.DecodeString(entry.Signature)
		if err != nil || !parseKey(&key, name) || entry.Hash != hash || !ed25519.Verify(key[:], text, signature) {
			continue
		}
		if key != asked && !slices.ContainsFunc(members, func(n *store.Node) bool { return n.Ed25519 == key }) {
			continue
		}
		copies = append(copies, key)
		ok = ok || key == asked
	}
	return copies, ok
}
