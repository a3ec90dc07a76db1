package store

import (
	"context"
	"time"

	"gorm.io/gorm"
)

// Batch is what one node gave out of one namespace of the own swarm.
type Batch struct {
	Node      [32]byte // its Ed25519 key
	Namespace int16
	Cursor    string // hash of the last item: where to go on; empty: as before
	Items     []Item
}

// Item is one of them, opened.
type Item struct {
	Hash   string
	Change Change // what it means here; nil: nothing
	Reason string // if it means nothing: why, to be counted
}

// Change is one of *Arrived, *Approved, *WasRead and *Unsent. Who it is from was verified.
type Change interface {
	// apply returns why nothing was changed, if so.
	apply(tx *gorm.DB, self [33]byte, at time.Time) (reason string, err error)
}

// remember is how long an item is known after it was last fetched. A swarm keeps none longer than 30 days without being asked
// to; what it says of itself is not relied on.
const remember = 31 * 24 * time.Hour

// Receive stores what a batch means, together with its cursor, and returns how many items were new. Items that were seen before,
// from whatever node, change nothing; what says the same as a message that is there changes nothing either. Of strangers 1,000 are taken,
// and 100 messages of each, until they are decided on: of more strangers nothing is stored, not even that it was seen, and when one is
// decided on the cursors are forgotten, so that the others come.
func (s *Store) Receive(ctx context.Context, b Batch, at time.Time) (fresh int, err error) {
	err = s.update(ctx, "receive", func(tx *gorm.DB) error {
		self, err := own(tx)
		if err != nil {
			return err
		}
		for _, i := range b.Items {
			known, err := see(tx, i.Hash, at)
			if err != nil {
				return err
			}
			if known {
				continue
			}
			fresh++
			reason := i.Reason
			if i.Change != nil {
				if reason, err = i.Change.apply(tx, self, at); err != nil {
					return err
				}
			}
			switch reason {
			case "":
				continue
			case ManyRequests: // it is to be taken when there is room
				fresh--
				if err := tx.Exec("DELETE FROM seen WHERE hash = ?", i.Hash).Error; err != nil {
					return err
				}
			}
			if err := skip(tx, reason, at); err != nil {
				return err
			}
		}
		if b.Cursor == "" {
			return nil
		}
		return tx.Exec("INSERT INTO cursors (namespace, node, hash) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET hash = excluded.hash",
			b.Namespace, b.Node[:], b.Cursor).Error
	})
	if err != nil {
		return 0, err
	}
	return fresh, nil
}

// see notes that an item was fetched, and returns whether it had been before.
func see(tx *gorm.DB, hash string, at time.Time) (known bool, err error) {
	until := unix(at.Add(remember))
	done := tx.Exec("UPDATE seen SET until = ? WHERE hash = ?", until, hash)
	if done.Error != nil || done.RowsAffected > 0 {
		return true, done.Error
	}
	return false, tx.Exec("INSERT INTO seen (hash, until) VALUES (?, ?)", hash, until).Error
}

// Cursor returns where to go on reading a node's namespace: the hash of the last item that was stored, or "".
func (s *Store) Cursor(ctx context.Context, node [32]byte, namespace int16) (hash string, err error) {
	err = s.view(ctx, "read cursor", func(tx *gorm.DB) error {
		return tx.Raw("SELECT hash FROM cursors WHERE node = ? AND namespace = ?", node[:], namespace).Scan(&hash).Error
	})
	return hash, err
}

// Skipped is how often something was fetched that means nothing here.
type Skipped struct {
	Reason string
	N      int
	Last   time.Time
}

// Skipped returns up to limit reasons, the most frequent first.
func (s *Store) Skipped(ctx context.Context, limit int) (list []Skipped, err error) {
	var rows []struct {
		Reason string
		N      int
		Last   int64
	}
	err = s.view(ctx, "list what was skipped", func(tx *gorm.DB) error {
		return tx.Raw("SELECT * FROM skipped ORDER BY n DESC, reason LIMIT ?", limit).Scan(&rows).Error
	})
	for _, r := range rows {
		list = append(list, Skipped{Reason: r.Reason, N: r.N, Last: fromUnix(r.Last)})
	}
	return list, err
}

func blocked(tx *gorm.DB, id [33]byte) (is bool, err error) {
	err = tx.Raw("SELECT blocked FROM contacts WHERE id = ?", id[:]).Scan(&is).Error
	return is, err
}

// Why a change changed nothing. ManyRequests is the only one that may cost its owner something.
const (
	fromBlocked    = "from a blocked account"
	knownAlready   = "known already"
	unknownMessage = "about an unknown message"
	notAsked       = "accepts what was not asked"
	ManyRequests   = "a request, while there are too many"
	manyMessages   = "of a request that has too many"
)

// Arrived is a message from somebody, or a copy of one that another device of ours sent.
type Arrived struct {
	Message Message // its Seq, Arrived and State are set by Receive
	Profile *Profile
}

func (c *Arrived) apply(tx *gorm.DB, self [33]byte, at time.Time) (reason string, err error) {
	m := c.Message
	m.Arrived = at
	if m.Expire.Mode == AfterSend {
		m.Expires = m.ends(at)
	}
	kind := Came
	switch {
	case m.Sender == self:
		m.State, kind = Stored, Copied
		if m.Expire.Mode == AfterRead { // ours counts as read when it was sent
			m.Expires = m.ends(at)
		}
		if m.Chat != self {
			err = approve(tx, m.Chat, at, "approved")
		}
	case m.Chat != m.Sender:
		panic("store: internal error: a message of one account in the chat with another")
	default:
		m.State = Incoming
		var with contactRow
		if err := tx.Raw("SELECT * FROM contacts WHERE id = ?", m.Sender[:]).Scan(&with).Error; err != nil {
			return "", err
		}
		if with.Blocked {
			return fromBlocked, nil
		}
		if !with.Approved {
			if reason, err := room(tx, &with, &m); err != nil || reason != "" {
				return reason, err
			}
		}
		if err = approve(tx, m.Sender, at, "approved_me"); err == nil {
			err = introduce(tx, m.Sender, c.Profile)
		}
		if err == nil && with.Approved && !with.ApprovedMe { // to answer is to accept (messaging.md J.6), and may come before what says so
			err = tell(tx, Accepted, m.Sender, 0, at)
		}
	}
	if err != nil {
		return "", err
	}
	seq, fresh, err := insert(tx, &m, "")
	if err != nil {
		return "", err
	}
	if !fresh {
		return knownAlready, nil
	}
	return "", tell(tx, kind, m.Chat, seq, at)
}

// Whoever likes makes as many accounts as they like, and each writes as much as they like: so of strangers so much is kept, until somebody
// decides. What is there stays: nobody is to lose a message because others came.
const (
	maxRequests = 1000 // that wait for an answer
	maxAsking   = 100  // messages of each
)

// asking says in SQL that a contact's messages wait for an answer.
const asking = "approved_me = 1 AND approved = 0 AND blocked = 0"

// room returns why a message of somebody whose messages we do not take, which is not there yet, has no place, if so.
func room(tx *gorm.DB, with *contactRow, m *Message) (reason string, err error) {
	var there, full bool
	err = tx.Raw("SELECT EXISTS (SELECT 1 FROM messages WHERE chat = ? AND sender = ? AND sent = ?)", m.Chat[:], m.Sender[:], unix(m.Sent)).Scan(&there).Error
	if err != nil || there {
		return "", err
	}
	if !with.ApprovedMe {
		if err := tx.Raw("SELECT count(*) >= ? FROM contacts WHERE "+asking, maxRequests).Scan(&full).Error; err != nil || full {
			return ManyRequests, err
		}
	}
	if err := tx.Raw("SELECT count(*) >= ? FROM messages WHERE chat = ? AND sender = ?", maxAsking, m.Chat[:], m.Sender[:]).Scan(&full).Error; err != nil || full {
		return manyMessages, err
	}
	return "", nil
}

// decide has all be fetched once more if the request of an account is one of as many as there may be, and is to be one no longer: for
// others there was no room. Who fetches at this moment may set the cursor of a node again; other members of the swarm have it too.
func decide(tx *gorm.DB, id []byte) error {
	return tx.Exec("DELETE FROM cursors WHERE (SELECT count(*) FROM contacts WHERE "+asking+") >= ? AND EXISTS (SELECT 1 FROM contacts WHERE id = ? AND "+asking+")",
		maxRequests, id).Error
}

// skip counts what means nothing here.
func skip(tx *gorm.DB, reason string, at time.Time) error {
	return tx.Exec("INSERT INTO skipped (reason, n, last) VALUES (?, 1, ?) ON CONFLICT (reason) DO UPDATE SET n = n + 1, last = excluded.last",
		reason, unix(at)).Error
}

// ends is when a message disappears whose time runs from its sending: which was not later than it came, whatever its sender's clock says.
func (m *Message) ends(arrived time.Time) time.Time {
	if m.Expire.Timer <= 0 {
		return time.Time{}
	}
	if m.Sent.After(arrived) {
		return arrived.Add(m.Expire.Timer)
	}
	return m.Sent.Add(m.Expire.Timer)
}

// Approved says that somebody accepted our request. Of whom we never wrote to, it means nothing.
type Approved struct {
	From    [33]byte
	Profile *Profile
}

func (c *Approved) apply(tx *gorm.DB, self [33]byte, at time.Time) (reason string, err error) {
	if c.From == self {
		return knownAlready, nil
	}
	var with contactRow
	if err := tx.Raw("SELECT * FROM contacts WHERE id = ?", c.From[:]).Scan(&with).Error; err != nil {
		return "", err
	}
	switch {
	case with.Blocked:
		return fromBlocked, nil
	case !with.Approved && !with.ApprovedMe: // else a stranger could make a request that shows nothing
		return notAsked, nil
	}
	if err := introduce(tx, c.From, c.Profile); err != nil {
		return "", err
	}
	if with.ApprovedMe {
		return knownAlready, nil
	}
	if err := approve(tx, c.From, at, "approved_me"); err != nil {
		return "", err
	}
	return "", tell(tx, Accepted, c.From, 0, at)
}

// WasRead says that somebody read messages of ours.
type WasRead struct {
	By   [33]byte
	Sent []time.Time
}

func (c *WasRead) apply(tx *gorm.DB, self [33]byte, at time.Time) (reason string, err error) {
	if is, err := blocked(tx, c.By); err != nil || is {
		return fromBlocked, err
	}
	reason = unknownMessage
	for _, sent := range c.Sent {
		var seq int64
		if err := tx.Raw("SELECT seq FROM messages WHERE chat = ? AND sender = ? AND sent = ?", c.By[:], self[:], unix(sent)).Scan(&seq).Error; err != nil {
			return "", err
		}
		if seq == 0 {
			continue
		}
		reason = ""
		if err := advance(tx, seq, Read, at, "read", ""); err != nil {
			return "", err
		}
	}
	return reason, nil
}

// Unsent says that somebody takes a message back: another in their chat, we ourselves in any.
type Unsent struct {
	By   [33]byte
	Sent time.Time
}

func (c *Unsent) apply(tx *gorm.DB, self [33]byte, at time.Time) (reason string, err error) {
	if is, err := blocked(tx, c.By); err != nil || is {
		return fromBlocked, err
	}
	var found []messageRow
	q, args := "SELECT * FROM messages WHERE sender = ? AND sent = ? AND kind <> ?", []any{c.By[:], unix(c.Sent), Deleted}
	if c.By != self {
		q, args = q+" AND chat = ?", append(args, c.By[:])
	}
	if err := tx.Raw(q+" LIMIT 100", args...).Scan(&found).Error; err != nil {
		return "", err
	}
	if len(found) == 0 {
		return unknownMessage, nil
	}
	for i := range found {
		m := found[i].message()
		// A note to oneself goes without a trace; of others it is shown that there was something.
		if m.Chat == self {
			err = tx.Exec("DELETE FROM messages WHERE seq = ?", m.Seq).Error
		} else {
			err = tx.Exec("UPDATE messages SET kind = ?, text = '', files = 0, quote_sent = NULL, quote_author = NULL WHERE seq = ?", Deleted, m.Seq).Error
		}
		if err != nil {
			return "", err
		}
		if err := tell(tx, TakenBack, m.Chat, m.Seq, at); err != nil {
			return "", err
		}
	}
	return "", nil
}
