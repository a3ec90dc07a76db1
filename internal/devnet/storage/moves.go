package storage

import "slices"

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
