package store

import (
	"context"
	"math"
	"time"

	"gorm.io/gorm"
)

// Message is a line of a conversation.
type Message struct {
	Seq     int64    // number in this database; never used again
	Chat    [33]byte // who is at the other end; the own id for notes to oneself
	Sender  [33]byte
	Sent    time.Time // to the millisecond, by the sender's clock; with Sender it names the message to everybody
	Arrived time.Time // when we learnt of it
	Kind    Kind
	Text    string
	Files   int  // how many files came with it
	Quote   *Ref // the message that it answers
	Expire  Expire
	Expires time.Time // when it disappears here; zero: not, or not known yet
	State   State
	Hash    string // of the bytes in the swarm; empty: unknown
	Copies  int    // on how many nodes they were seen
}

// Ref names a message as its sender does.
type Ref struct {
	Sender [33]byte
	Sent   time.Time
}

// Expire is how a message disappears. The zero Expire is not at all.
type Expire struct {
	Mode  Mode
	Timer time.Duration
}

// Mode is when the time of a message that disappears begins to run.
type Mode uint8

// The modes.
const (
	Stays Mode = iota
	AfterRead
	AfterSend
)

// Kind is what a line is.
type Kind uint8

// The kinds of lines.
const (
	Text    Kind = 1
	Timer   Kind = 2 // Sender's messages from now on disappear as Expire says
	Deleted Kind = 3 // taken back by its sender
)

// State is how far a message has come. It only rises, but for Failed.
type State uint8

// The states of messages.
const (
	Incoming   State = iota // from somebody else
	Queued                  // to be sent
	Stored                  // a node of the reader's swarm has it
	Replicated              // others of them have it too
	Read                    // the reader says so
	Failed                  // given up
)

type messageRow struct {
	Seq         int64 `gorm:"primaryKey"`
	Chat        []byte
	Sender      []byte
	Sent        int64
	Arrived     int64
	Kind        uint8
	Text        string
	Files       int
	QuoteSent   *int64
	QuoteAuthor []byte
	ExpireMode  uint8
	ExpireTimer int64 // seconds
	Expires     *int64
	State       uint8
	Hash        string
	Copies      int
	SendKey     *string
}

func (messageRow) TableName() string { return "messages" }

func newMessageRow(m *Message) *messageRow {
	r := &messageRow{
		Chat: m.Chat[:], Sender: m.Sender[:], Sent: unix(m.Sent), Arrived: unix(m.Arrived), Kind: uint8(m.Kind), Text: m.Text, Files: m.Files,
		ExpireMode: uint8(m.Expire.Mode), ExpireTimer: int64(m.Expire.Timer / time.Second), Expires: unixOrNull(m.Expires),
		State: uint8(m.State), Hash: m.Hash, Copies: m.Copies,
	}
	if m.Quote != nil {
		sent := unix(m.Quote.Sent)
		r.QuoteSent, r.QuoteAuthor = &sent, m.Quote.Sender[:]
	}
	return r
}

func (r *messageRow) message() Message {
	m := Message{
		Seq: r.Seq, Chat: array[[33]byte](r.Chat), Sender: array[[33]byte](r.Sender), Sent: fromUnix(r.Sent), Arrived: fromUnix(r.Arrived),
		Kind: Kind(r.Kind), Text: r.Text, Files: r.Files, Expire: Expire{Mode: Mode(r.ExpireMode), Timer: time.Duration(r.ExpireTimer) * time.Second},
		Expires: fromUnixOrNull(r.Expires), State: State(r.State), Hash: r.Hash, Copies: r.Copies,
	}
	if r.QuoteSent != nil {
		m.Quote = &Ref{Sender: array[[33]byte](r.QuoteAuthor), Sent: fromUnix(*r.QuoteSent)}
	}
	return m
}

func messages(rows []messageRow) (list []Message) {
	for i := range rows {
		list = append(list, rows[i].message())
	}
	return list
}

// insert adds a message unless it is there, and returns its number and whether it is new.
func insert(tx *gorm.DB, m *Message, key string) (seq int64, fresh bool, err error) {
	r := newMessageRow(m)
	if key != "" {
		r.SendKey = &key
	}
	err = tx.Raw("SELECT seq FROM messages WHERE chat = ? AND sender = ? AND sent = ?", r.Chat, r.Sender, r.Sent).Scan(&seq).Error
	if err != nil || seq != 0 {
		return seq, false, err
	}
	if err := tx.Create(r).Error; err != nil {
		return 0, false, err
	}
	return r.Seq, true, tx.Exec(
		"INSERT INTO chats (active, id) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET active = max(active, excluded.active)",
		min(r.Sent, r.Arrived), r.Chat).Error
}

// Message returns one message, or ErrNotFound.
func (s *Store) Message(ctx context.Context, seq int64) (Message, error) {
	var r messageRow
	err := s.view(ctx, "read message", func(tx *gorm.DB) error { return one(tx.Raw("SELECT * FROM messages WHERE seq = ?", seq), &r) })
	if err != nil {
		return Message{}, err
	}
	return r.message(), nil
}

// Within reports whether a message is in a chat.
func (s *Store) Within(ctx context.Context, chat [33]byte, r Ref) (is bool, err error) {
	err = s.view(ctx, "look for message", func(tx *gorm.DB) error {
		return tx.Raw("SELECT count(*) > 0 FROM messages WHERE chat = ? AND sender = ? AND sent = ?", chat[:], r.Sender[:], unix(r.Sent)).Scan(&is).Error
	})
	return is, err
}

// Keyed returns the number of the message that was sent under a key, or 0.
func (s *Store) Keyed(ctx context.Context, key string) (seq int64, err error) {
	err = s.view(ctx, "look for message", func(tx *gorm.DB) error {
		return tx.Raw("SELECT seq FROM messages WHERE send_key = ?", key).Scan(&seq).Error
	})
	return seq, err
}

// Messages returns up to limit messages of a chat, the newest by their senders' clocks first, though none later than it came (those that
// came together stand as they were sent): those before the message with the number before, or, if that is 0, from the newest one on.
func (s *Store) Messages(ctx context.Context, chat [33]byte, before int64, limit int) ([]Message, error) {
	var rows []messageRow
	err := s.view(ctx, "list messages", func(tx *gorm.DB) error {
		if before == 0 {
			return tx.Raw("SELECT * FROM messages WHERE chat = ? ORDER BY at DESC, sent DESC, seq DESC LIMIT ?", chat[:], limit).Scan(&rows).Error
		}
		return tx.Raw(`SELECT * FROM messages WHERE chat = ? AND (at, sent, seq) < (SELECT at, sent, seq FROM messages WHERE seq = ?)
			ORDER BY at DESC, sent DESC, seq DESC LIMIT ?`, chat[:], before, limit).Scan(&rows).Error
	})
	return messages(rows), err
}

// History returns up to limit messages of all chats in the order of their numbers, those after the given one.
func (s *Store) History(ctx context.Context, after int64, limit int) ([]Message, error) {
	var rows []messageRow
	err := s.view(ctx, "list all messages", func(tx *gorm.DB) error {
		return tx.Raw("SELECT * FROM messages WHERE seq > ? ORDER BY seq LIMIT ?", after, limit).Scan(&rows).Error
	})
	return messages(rows), err
}

// Unread returns the times of up to limit messages of a chat that others sent until then and that were not read, oldest first:
// what a receipt names.
func (s *Store) Unread(ctx context.Context, chat [33]byte, until time.Time, limit int) (list []time.Time, err error) {
	var sent []int64
	err = s.view(ctx, "list unread messages", func(tx *gorm.DB) error {
		return tx.Raw(`SELECT sent FROM messages WHERE chat = ? AND state = 0 AND at <= ?
			AND at > (SELECT coalesce(max(read_until), 0) FROM chats WHERE id = ?) ORDER BY at, sent LIMIT ?`,
			chat[:], unix(until), chat[:], limit).Scan(&sent).Error
	})
	for _, ms := range sent {
		list = append(list, fromUnix(ms))
	}
	return list, err
}

// MarkRead notes that a chat was read up to the message sent at until. Messages that disappear after reading begin to. What
// tells the other side is queued in the same step. The error is ErrNotFound if there is no such chat.
func (s *Store) MarkRead(ctx context.Context, chat [33]byte, until, now time.Time, tell ...Parcel) error {
	if until.After(now) { // what comes from now on is not read
		until = now
	}
	return s.update(ctx, "mark as read", func(tx *gorm.DB) error {
		if err := changed(tx.Exec("UPDATE chats SET read_until = max(read_until, ?) WHERE id = ?", unix(until), chat[:])); err != nil {
			return err
		}
		err := tx.Exec(`UPDATE messages SET expires = ? + 1000 * expire_timer WHERE chat = ? AND state = ? AND at <= ? AND expire_mode = ? AND expires IS NULL`,
			unix(now), chat[:], Incoming, unix(until), AfterRead).Error
		if err != nil {
			return err
		}
		return post(tx, 0, tell, now)
	})
}

// Expire deletes the messages whose time has come, and returns how many have gone.
func (s *Store) Expire(ctx context.Context, now time.Time) (gone int64, err error) {
	var due bool // to look needs no turn at writing
	err = s.view(ctx, "look for messages that disappear", func(tx *gorm.DB) error {
		return tx.Raw("SELECT EXISTS (SELECT 1 FROM messages WHERE expires <= ?)", unix(now)).Scan(&due).Error
	})
	if err != nil || !due {
		return 0, err
	}
	err = s.update(ctx, "delete messages that disappear", func(tx *gorm.DB) error {
		gone, err = expireMessages(tx, now)
		return err
	})
	return gone, err
}

func expireMessages(tx *gorm.DB, now time.Time) (gone int64, err error) {
	done := tx.Exec("DELETE FROM messages WHERE expires <= ?", unix(now))
	return done.RowsAffected, done.Error
}

// Sweep deletes the messages whose time has come, and forgets what swarms have forgotten too, the bytes of what was delivered
// among it. It returns how many messages have gone.
func (s *Store) Sweep(ctx context.Context, now time.Time) (gone int64, err error) {
	err = s.update(ctx, "sweep", func(tx *gorm.DB) error {
		if gone, err = expireMessages(tx, now); err != nil {
			return err
		}
		if err := tx.Exec("DELETE FROM outbox WHERE state = ? AND sent + ttl <= ?", Delivered, unix(now)).Error; err != nil {
			return err
		}
		if err := forgetEvents(tx, now); err != nil {
			return err
		}
		return tx.Exec("DELETE FROM seen WHERE until <= ?", unix(now)).Error
	})
	return gone, err
}

// Chat is a conversation as a list shows it.
type Chat struct {
	ID        [33]byte
	Contact   Contact   // zero, but for its ID, for notes to oneself
	Active    time.Time // when the last message was sent, but not later than it came: a sender's clock may say anything
	ReadUntil time.Time // when the newest message that was read was sent, or came if that is earlier; zero: none
	Unread    int
	Newest    *Message // nil: all have disappeared
}

// Chats returns up to limit conversations, the most recently active first: those after the given one, or, if that is nil, from the
// first on.
func (s *Store) Chats(ctx context.Context, after *Chat, limit int) (list []Chat, err error) {
	var rows []struct {
		ID        []byte
		Active    int64
		ReadUntil int64
		Unread    int
	}
	end, last := int64(math.MaxInt64), [33]byte{}
	if after != nil {
		end, last = unix(after.Active), after.ID
	}
	err = s.view(ctx, "list chats", func(tx *gorm.DB) error {
		// 0 is Incoming: only of a constant SQLite sees that the index of unread messages will do.
		err := tx.Raw(`SELECT *, (SELECT count(*) FROM messages m WHERE m.chat = c.id AND m.at > c.read_until AND m.state = 0) AS unread
			FROM chats c WHERE (active, id) < (?, ?) ORDER BY active DESC, id DESC LIMIT ?`, end, last[:], limit).Scan(&rows).Error
		if err != nil {
			return err
		}
		for _, r := range rows {
			c := Chat{ID: array[[33]byte](r.ID), Active: fromUnix(r.Active), Unread: r.Unread}
			if r.ReadUntil != 0 {
				c.ReadUntil = fromUnix(r.ReadUntil)
			}
			contact := contactRow{ID: r.ID}
			if err := tx.Raw("SELECT * FROM contacts WHERE id = ?", r.ID).Scan(&contact).Error; err != nil {
				return err
			}
			c.Contact = contact.contact()
			var newest []messageRow
			if err := tx.Raw("SELECT * FROM messages WHERE chat = ? ORDER BY at DESC, sent DESC, seq DESC LIMIT 1", r.ID).Scan(&newest).Error; err != nil {
				return err
			}
			if len(newest) == 1 {
				m := newest[0].message()
				c.Newest = &m
			}
			list = append(list, c)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}
