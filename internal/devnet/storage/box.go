package storage

import (
	"errors"
	"math"
	"slices"
	"sync"

	"onsight/internal/snode"
)

// Bounds of what a server keeps, where Config says nothing. Real ones keep 3.5 GB on disk; these keep it in memory, sixty to a process.
const (
	defaultAccountMessages = 10_000
	defaultBytes           = 256 << 20
	messageCost            = 256 // beside its data: headers, hash, map and list entries
	accountCost            = 1024
	maxRevoked             = 50 // per account; the oldest are dropped (spec C.6)
)

// errFull is the reason given when a bound is reached.
var errFull = errors.New("storage is full")

// Message is one stored message.
type Message struct {
	Account           snode.ID
	Namespace         int16
	Hash              string // 43 characters
	Timestamp, Expiry int64  // ms
	Data              []byte // shared; nobody changes it
}

// entry is a message in its account's lists.
type entry struct {
	Message
	number uint64 // the order of arrival
}

// account is what one account has.
type account struct {
	spaces  map[int16][]*entry // in order of arrival
	hashes  map[string]*entry
	revoked []snode.Token // oldest first
	soonest int64         // no message expires before it
}

// box is what a server keeps: every message in memory, gone with the process. All it does is quick; nothing waits under its lock.
type box struct {
	maxMessages int   // per account
	maxBytes    int64 // in all

	mu       sync.Mutex // guards what follows
	accounts map[snode.ID]*account
	bytes    int64
	soonest  int64 // no message expires before it
	next     uint64
}

func newBox(maxMessages int, maxBytes int64) *box {
	if maxMessages == 0 {
		maxMessages = defaultAccountMessages
	}
	if maxBytes == 0 {
		maxBytes = defaultBytes
	}
	return &box{maxMessages: maxMessages, maxBytes: maxBytes, accounts: map[snode.ID]*account{}, soonest: math.MaxInt64}
}

func cost(m *Message) int64 { return messageCost + int64(len(m.Data)) }

// open is an account without its expired messages; nil if there is none. The lock is held.
func (b *box) open(id snode.ID, now int64) *account {
	a := b.accounts[id]
	if a == nil {
		return nil
	}
	if now >= a.soonest {
		b.remove(id, a, func(e *entry) bool { return e.Expiry <= now })
		if b.accounts[id] == nil {
			return nil
		}
	}
	return a
}

// remove takes the chosen messages out of an account, and the account if that was all there was. The lock is held.
func (b *box) remove(id snode.ID, a *account, chosen func(*entry) bool) (removed []*entry) {
	a.soonest = math.MaxInt64
	for ns, list := range a.spaces {
		list = slices.DeleteFunc(list, func(e *entry) bool {
			if !chosen(e) {
				a.soonest = min(a.soonest, e.Expiry)
				return false
			}
			delete(a.hashes, e.Hash)
			b.bytes -= cost(&e.Message)
			removed = append(removed, e)
			return true
		})
		if a.spaces[ns] = list; len(list) == 0 {
			delete(a.spaces, ns)
		}
	}
	b.drop(id, a)
	return removed
}

// drop forgets an account that holds nothing. The lock is held.
func (b *box) drop(id snode.ID, a *account) {
	if len(a.hashes) == 0 && len(a.revoked) == 0 {
		delete(b.accounts, id)
		b.bytes -= accountCost
	}
}

// make is an account, new if need be. The lock is held.
func (b *box) make(id snode.ID) *account {
	a := b.accounts[id]
	if a == nil {
		a = &account{spaces: map[int16][]*entry{}, hashes: map[string]*entry{}, soonest: math.MaxInt64}
		b.accounts[id] = a
		b.bytes += accountCost
	}
	return a
}

// room says whether n bytes more can be kept for an account; it throws out what has expired before it says no. The lock is held.
func (b *box) room(id snode.ID, n, now int64) bool {
	fits := func() bool {
		if b.accounts[id] == nil {
			return b.bytes+accountCost+n <= b.maxBytes
		}
		return b.bytes+n <= b.maxBytes
	}
	if !fits() && now >= b.soonest {
		b.prune(now)
	}
	return fits()
}

// prune throws out what has expired. The lock is held.
func (b *box) prune(now int64) (n int) {
	b.soonest = math.MaxInt64
	for id, a := range b.accounts {
		if now >= a.soonest {
			n += len(b.remove(id, a, func(e *entry) bool { return e.Expiry <= now }))
		}
		b.soonest = min(b.soonest, a.soonest)
	}
	return n
}

// expires lowers the bounds for a message that expires then. The lock is held.
func (b *box) expires(a *account, at int64) {
	a.soonest = min(a.soonest, at)
	b.soonest = min(b.soonest, at)
}

// store keeps a message. One with the same hash stays as it is but for a later expiry; a public outbox forgets what it held.
func (b *box) store(m Message, now int64) (expiry int64, already bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fits := b.room(m.Account, cost(&m), now)
	a := b.open(m.Account, now)
	if a != nil {
		if old := a.hashes[m.Hash]; old != nil {
			old.Expiry = max(old.Expiry, m.Expiry)
			return old.Expiry, true, nil
		}
	}
	if !fits || a != nil && len(a.hashes) >= b.maxMessages {
		return 0, false, errFull
	}
	if a != nil && snode.PublicOutbox(m.Namespace) {
		b.remove(m.Account, a, func(e *entry) bool { return e.Namespace == m.Namespace })
	}
	a = b.make(m.Account)
	b.next++
	e := &entry{Message: m, number: b.next}
	a.spaces[m.Namespace] = append(a.spaces[m.Namespace], e)
	a.hashes[m.Hash] = e
	b.bytes += cost(&m)
	b.expires(a, m.Expiry)
	return m.Expiry, false, nil
}

// after are the messages of a namespace behind the one named, or all if that one is not there. take ends it by returning false.
func (b *box) after(id snode.ID, ns int16, last string, now int64, take func(Message) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.open(id, now)
	if a == nil {
		return
	}
	list := a.spaces[ns]
	if e := a.hashes[last]; e != nil && e.Namespace == ns {
		at, _ := slices.BinarySearchFunc(list, e.number, func(e *entry, n uint64) int {
			if e.number < n {
				return -1
			} else if e.number > n {
				return 1
			}
			return 0
		})
		list = list[at+1:]
	}
	for _, e := range list {
		if !take(e.Message) {
			return
		}
	}
}

// expiries are those of the messages that are there.
func (b *box) expiries(id snode.ID, hashes []string, now int64) map[string]int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	found := map[string]int64{}
	if a := b.open(id, now); a != nil {
		for _, h := range hashes {
			if e := a.hashes[h]; e != nil {
				found[h] = e.Expiry
			}
		}
	}
	return found
}

// delete forgets the chosen messages and returns their hashes by namespace, each list sorted.
func (b *box) delete(id snode.ID, now int64, chosen func(*Message) bool) map[int16][]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.open(id, now)
	if a == nil {
		return nil
	}
	return byNamespace(b.remove(id, a, func(e *entry) bool { return chosen(&e.Message) }))
}

// change is a message's new expiry: its hash, and what it expires at now.
type change struct {
	hash   string
	expiry int64
}

// expire changes the expiries of the messages named, each as the function says, and returns what changed and what stayed, both sorted.
func (b *box) expire(id snode.ID, hashes []string, now int64, expiry func(i int, old int64) (int64, bool)) (changed, stayed []change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.open(id, now)
	if a == nil {
		return nil, nil
	}
	seen := map[*entry]bool{}
	for i, h := range hashes {
		e := a.hashes[h]
		if e == nil || seen[e] {
			continue
		}
		seen[e] = true
		at, ok := expiry(i, e.Expiry)
		if !ok {
			stayed = append(stayed, change{h, e.Expiry})
			continue
		}
		e.Expiry = at
		b.expires(a, at)
		changed = append(changed, change{h, at})
	}
	sortChanges(changed)
	sortChanges(stayed)
	return changed, stayed
}

func sortChanges(all []change) {
	slices.SortFunc(all, func(x, y change) int {
		if x.hash < y.hash {
			return -1
		}
		return 1 // no hash is there twice
	})
}

// shorten brings the expiry of the chosen messages that would live longer down, and returns their hashes by namespace, each list sorted.
func (b *box) shorten(id snode.ID, ns *int16, expiry, now int64) map[int16][]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.open(id, now)
	if a == nil {
		return nil
	}
	var changed []*entry
	for _, e := range a.hashes {
		if (ns == nil || e.Namespace == *ns) && e.Expiry > expiry {
			e.Expiry = expiry
			changed = append(changed, e)
		}
	}
	b.expires(a, expiry)
	return byNamespace(changed)
}

func byNamespace(entries []*entry) map[int16][]string {
	sorted := map[int16][]string{}
	for _, e := range entries {
		sorted[e.Namespace] = append(sorted[e.Namespace], e.Hash)
	}
	for _, list := range sorted {
		slices.Sort(list)
	}
	return sorted
}

// revoke adds tokens to those an account has taken back; the newest stay.
func (b *box) revoke(id snode.ID, tokens []snode.Token, now int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.room(id, 0, now) {
		return errFull
	}
	a := b.make(id)
	for _, t := range tokens {
		if !slices.Contains(a.revoked, t) {
			a.revoked = append(a.revoked, t)
		}
	}
	if over := len(a.revoked) - maxRevoked; over > 0 {
		a.revoked = slices.Delete(a.revoked, 0, over)
	}
	return nil
}

// unrevoke takes tokens out again and says how many were there.
func (b *box) unrevoke(id snode.ID, tokens []snode.Token) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.accounts[id]
	if a == nil {
		return 0
	}
	before := len(a.revoked)
	a.revoked = slices.DeleteFunc(a.revoked, func(t snode.Token) bool { return slices.Contains(tokens, t) })
	n := before - len(a.revoked)
	b.drop(id, a)
	return n
}

func (b *box) isRevoked(id snode.ID, t snode.Token) bool {
	return slices.Contains(b.revokedOf(id), t)
}

func (b *box) revokedOf(id snode.ID) []snode.Token {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a := b.accounts[id]; a != nil {
		return slices.Clone(a.revoked)
	}
	return nil
}
