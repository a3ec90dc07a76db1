package storage

import (
	"bytes"
	"slices"

	"onsight/internal/snode"
)

// Prune forgets the messages that have expired and returns how many. Nothing shows them in any case; this frees their memory.
func (s *Server) Prune() int {
	b := s.box
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.prune(s.now())
}

// Messages are the messages kept, in the order they came: what a swarm's member hands to one that joins it. Their data is shared.
func (s *Server) Messages() []Message {
	b, now := s.box, s.now()
	b.mu.Lock()
	var all []*entry
	for _, a := range b.accounts {
		for _, e := range a.hashes {
			if e.Expiry > now {
				all = append(all, e)
			}
		}
	}
	slices.SortFunc(all, func(x, y *entry) int {
		if x.number < y.number {
			return -1
		}
		return 1
	})
	messages := make([]Message, len(all))
	for i, e := range all {
		messages[i] = e.Message
	}
	b.mu.Unlock()
	return messages
}

// Absorb takes the messages that belong to the server's swarm and have not expired, as if they were stored now in this order, and
// returns how many were new to it. What it holds already keeps its place and the later expiry. It is not told to other members.
func (s *Server) Absorb(messages []Message) (n int) {
	v, now := s.view(), s.now()
	for _, m := range messages {
		if !v.mine(m.Account) || m.Expiry <= now {
			continue
		}
		if _, already, err := s.box.store(m, now); err == nil && !already {
			n++
		}
	}
	return n
}

// Revocation is a subaccount that an account has taken back.
type Revocation struct {
	Account snode.ID
	Token   snode.Token
}

// Revoked are the subaccounts taken back, account by account, each one's oldest first: what goes with Messages.
func (s *Server) Revoked() []Revocation {
	b := s.box
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []Revocation
	for id, a := range b.accounts {
		for _, t := range a.revoked {
			all = append(all, Revocation{id, t})
		}
	}
	slices.SortStableFunc(all, func(x, y Revocation) int { return bytes.Compare(x.Account[:], y.Account[:]) })
	return all
}

// AbsorbRevoked takes the revocations that belong to the server's swarm, and returns how many were new to it. Those it holds already
// count as newer: where an account has too many, they stay.
func (s *Server) AbsorbRevoked(revoked []Revocation) (n int) {
	v, now := s.view(), s.now()
	by := map[snode.ID][]snode.Token{}
	for _, r := range revoked {
		if v.mine(r.Account) {
			by[r.Account] = append(by[r.Account], r.Token)
		}
	}
	for id, tokens := range by {
		n += s.box.revokedBefore(id, tokens, now)
	}
	return n
}

// Shed forgets the accounts that are not the server's swarm's, as after it moved to another one, and returns how many messages went.
func (s *Server) Shed() (n int) {
	v, b := s.view(), s.box
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, a := range b.accounts {
		if v.mine(id) {
			continue
		}
		a.revoked = nil
		n += len(b.remove(id, a, func(*entry) bool { return true }))
	}
	return n
}
