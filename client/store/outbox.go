package store

import (
	"context"
	"encoding/hex"
	"time"

	"gorm.io/gorm"
)

// Parcel is what is to be stored in a swarm. Its bytes never change.
type Parcel struct {
	ID        int64
	Message   int64    // number of the message; 0: nobody sees it, such as a receipt
	Swarm     [33]byte // whose swarm
	Namespace int16
	Data      []byte
	Sent      time.Time // what the server is told, and what TTL counts from
	TTL       time.Duration
	Copy      bool // for the own other devices; goes with the parcel before it, and not once that was given up

	State    ParcelState
	Attempts int       // how often it was claimed
	Next     time.Time // not before
	Reason   string    // why the last attempt failed
	Hash     string    // what the server called it
}

// ParcelState is what became of a parcel.
type ParcelState uint8

// The states of parcels.
const (
	Pending   ParcelState = 1
	Delivered ParcelState = 2
	GivenUp   ParcelState = 3
	Dropped   ParcelState = 4 // given up by somebody, who may think better of it: it waits for nothing else
)

type parcelRow struct {
	ID        int64 `gorm:"primaryKey"`
	Message   *int64
	Swarm     []byte
	Namespace int16
	Data      []byte
	Sent      int64
	TTL       int64 `gorm:"column:ttl"`
	Follows   *int64
	State     uint8
	Attempts  int
	Next      int64
	Reason    string
	Hash      string
}

func (parcelRow) TableName() string { return "outbox" }

func (r *parcelRow) parcel() Parcel {
	p := Parcel{
		ID: r.ID, Swarm: array[[33]byte](r.Swarm), Namespace: r.Namespace, Data: r.Data, Sent: fromUnix(r.Sent), TTL: time.Duration(r.TTL) * time.Millisecond,
		Copy: r.Follows != nil, State: ParcelState(r.State), Attempts: r.Attempts, Next: fromUnix(r.Next), Reason: r.Reason, Hash: r.Hash,
	}
	if r.Message != nil {
		p.Message = *r.Message
	}
	return p
}

func parcels(rows []parcelRow) (list []Parcel) {
	for i := range rows {
		list = append(list, rows[i].parcel())
	}
	return list
}

// post adds parcels of a message, or of none.
func post(tx *gorm.DB, message int64, list []Parcel, now time.Time) error {
	var before *int64
	for i := range list {
		p := &list[i]
		r := parcelRow{Swarm: p.Swarm[:], Namespace: p.Namespace, Data: p.Data, Sent: unix(p.Sent), TTL: p.TTL.Milliseconds(), State: uint8(Pending), Next: unix(now)}
		if message != 0 {
			r.Message = &message
		}
		if p.Copy {
			r.Follows = before
		}
		if err := tx.Create(&r).Error; err != nil {
			return err
		}
		before = &r.ID
	}
	return nil
}

// Outgoing is what Queue takes: all of it, or nothing.
type Outgoing struct {
	Message *Message // nil: only parcels. Its Seq, Arrived and State are set by Queue
	Parcels []Parcel // in the order they are to be sent
	Ahead   []Parcel // those before them that are not of the message: what tells that we approve
	Approve [33]byte // whose messages we take from now on; zero: nobody new. Who is written to is approved anyway
	Key     string   // names this send to its caller, who may try it again; empty: not
	Held    int64    // the held message that this one is; 0: none
}

// Queue accepts what is to be sent and returns the number of its message. When it has returned, the message will be sent,
// whatever happens to the process. If the key was used before nothing is sent, and the number is that of the message it was
// used for. What is held under the key is not any more. The error is ErrTaken, or ErrNotFound for a held message that is not held any more; then nothing has changed.
func (s *Store) Queue(ctx context.Context, o Outgoing, now time.Time) (seq int64, err error) {
	err = s.update(ctx, "queue message", func(tx *gorm.DB) error {
		if o.Key != "" {
			if err := tx.Raw("SELECT seq FROM messages WHERE send_key = ?", o.Key).Scan(&seq).Error; err != nil {
				return err
			}
		}
		if seq != 0 { // then what is held under this key was sent, and waits no more
			return tx.Exec("DELETE FROM held WHERE id = ? OR send_key = ?", o.Held, o.Key).Error
		}
		if o.Held != 0 {
			if err := changed(tx.Exec("DELETE FROM held WHERE id = ?", o.Held)); err != nil {
				return err
			}
		}
		if o.Key != "" {
			if err := tx.Exec("DELETE FROM held WHERE send_key = ?", o.Key).Error; err != nil {
				return err
			}
		}
		if o.Approve != ([33]byte{}) {
			if err := approve(tx, o.Approve, now, "approved"); err != nil {
				return err
			}
		}
		if o.Message != nil {
			var err error
			if seq, err = write(tx, *o.Message, o.Key, now); err != nil {
				return err
			}
		}
		if err := post(tx, 0, o.Ahead, now); err != nil {
			return err
		}
		return post(tx, seq, o.Parcels, now)
	})
	if err != nil {
		return 0, err
	}
	return seq, nil
}

// write adds a message of our own.
func write(tx *gorm.DB, m Message, key string, now time.Time) (seq int64, err error) {
	m.Arrived, m.State = now, Queued
	self, err := own(tx)
	if err != nil {
		return 0, err
	}
	if m.Chat != self {
		if err := approve(tx, m.Chat, now, "approved"); err != nil {
			return 0, err
		}
	}
	seq, fresh, err := insert(tx, &m, key)
	if err != nil {
		return 0, err
	}
	if !fresh {
		return 0, ErrTaken
	}
	for _, step := range []string{"queued", "encrypted"} {
		if err := line(tx, seq, now, step, ""); err != nil {
			return 0, err
		}
	}
	return seq, tell(tx, Changed, m.Chat, seq, now)
}

// Claim returns up to limit parcels that are due, those that waited longest first. They are not due again before lease has passed, so that
// two processes do not send the same at once; if they do, that is harmless. Each must be told of with Deliver, Postpone or GiveUp. Whether a
// parcel's TTL is over is for the caller to see.
//
// A copy does not wait for its message, as it does in official clients (messaging.md E.4): who reads cannot tell, and it takes half the time.
func (s *Store) Claim(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]Parcel, error) {
	var rows []parcelRow
	err := s.update(ctx, "claim parcels", func(tx *gorm.DB) error {
		return tx.Raw(`UPDATE outbox SET next = ?, attempts = attempts + 1 WHERE id IN (
				SELECT id FROM outbox WHERE state = ? AND next <= ? ORDER BY next, id LIMIT ?
			) RETURNING *`, unix(now.Add(lease)), Pending, unix(now), limit).Scan(&rows).Error
	})
	return parcels(rows), err
}

// NextDue returns when a parcel will be due, or the zero Time if none will.
func (s *Store) NextDue(ctx context.Context) (time.Time, error) {
	var next *int64
	err := s.view(ctx, "look for parcels", func(tx *gorm.DB) error {
		return tx.Raw("SELECT min(next) FROM outbox WHERE state = ?", Pending).Scan(&next).Error
	})
	return fromUnixOrNull(next), err
}

// Deliver notes that a node has stored a parcel. A second time changes nothing. The error is ErrNotFound for no parcel.
func (s *Store) Deliver(ctx context.Context, id int64, node [32]byte, hash string, at time.Time) error {
	return s.update(ctx, "note delivery", func(tx *gorm.DB) error {
		var p parcelRow
		if err := one(tx.Raw("SELECT * FROM outbox WHERE id = ?", id), &p); err != nil || p.State == uint8(Delivered) {
			return err
		}
		if err := tx.Exec("UPDATE outbox SET state = ?, hash = ?, reason = '', next = ? WHERE id = ?", Delivered, hash, int64(never), id).Error; err != nil {
			return err
		}
		self, err := own(tx)
		if err != nil {
			return err
		}
		if array[[33]byte](p.Swarm) == self { // we need not read it back
			if _, err := see(tx, hash, at); err != nil {
				return err
			}
		}
		if p.Message == nil {
			return nil
		}
		if p.Follows != nil {
			return line(tx, *p.Message, at, "copied", hex.EncodeToString(node[:]))
		}
		// The time of what disappears runs from its sending, here as with the reader.
		err = tx.Exec(`UPDATE messages SET hash = ?, expires = CASE expire_mode WHEN ? THEN sent + 1000 * expire_timer WHEN ? THEN ? + 1000 * expire_timer END
			WHERE seq = ?`, hash, AfterSend, AfterRead, unix(at), *p.Message).Error
		if err != nil {
			return err
		}
		return advance(tx, *p.Message, Stored, at, "stored", hex.EncodeToString(node[:]))
	})
}

// Postpone notes why an attempt failed and when the next may be. The error is ErrNotFound unless the parcel is pending.
func (s *Store) Postpone(ctx context.Context, id int64, next time.Time, reason string) error {
	return s.update(ctx, "postpone parcel", func(tx *gorm.DB) error {
		return changed(tx.Exec("UPDATE outbox SET next = ?, reason = ? WHERE id = ? AND state = ?", unix(next), reason, id, Pending))
	})
}

// GiveUp notes that a parcel will not be sent any more, nor what follows it. The error is ErrNotFound unless it is pending.
func (s *Store) GiveUp(ctx context.Context, id int64, reason string, at time.Time) error {
	return s.end(ctx, id, GivenUp, reason, at)
}

// Forsake is GiveUp because somebody says so.
func (s *Store) Forsake(ctx context.Context, id int64, at time.Time) error {
	return s.end(ctx, id, Dropped, "dropped", at)
}

func (s *Store) end(ctx context.Context, id int64, state ParcelState, reason string, at time.Time) error {
	return s.update(ctx, "give up parcel", func(tx *gorm.DB) error {
		var p parcelRow
		if err := one(tx.Raw("UPDATE outbox SET state = ?, reason = ? WHERE id = ? AND state = ? RETURNING *", state, reason, id, Pending), &p); err != nil {
			return err
		}
		if err := tx.Exec("UPDATE outbox SET state = ?, reason = ? WHERE follows = ? AND state = ?", state, reason, id, Pending).Error; err != nil {
			return err
		}
		if p.Message == nil || p.Follows != nil {
			return nil
		}
		if err := tx.Exec("UPDATE messages SET state = ? WHERE seq = ?", Failed, *p.Message).Error; err != nil {
			return err
		}
		return note(tx, *p.Message, at, "failed", reason)
	})
}

// Retry makes the parcels of a message due now, the same bytes: those that wait for their next attempt, and those that were given up or
// dropped. The error is ErrNotFound if there are none.
func (s *Store) Retry(ctx context.Context, message int64, at time.Time) error {
	return s.update(ctx, "retry message", func(tx *gorm.DB) error {
		err := changed(tx.Exec("UPDATE outbox SET state = ?, next = ?, reason = '' WHERE message = ? AND state <> ?", Pending, unix(at), message, Delivered))
		if err != nil {
			return err
		}
		done := tx.Exec("UPDATE messages SET state = ? WHERE seq = ? AND state = ?", Queued, message, Failed)
		if done.Error != nil || done.RowsAffected == 0 {
			return done.Error
		}
		return note(tx, message, at, "queued", "again")
	})
}

// Outbox returns up to limit parcels that are pending or were given up, but not dropped, after the one with the given number.
func (s *Store) Outbox(ctx context.Context, after int64, limit int) ([]Parcel, error) {
	var rows []parcelRow
	err := s.view(ctx, "list parcels", func(tx *gorm.DB) error {
		return tx.Raw("SELECT * FROM outbox WHERE id > ? AND state IN (?, ?) ORDER BY id LIMIT ?", after, Pending, GivenUp, limit).Scan(&rows).Error
	})
	return parcels(rows), err
}

// Replicate notes on how many nodes of the reader's swarm a message was seen; enough says whether those are enough.
func (s *Store) Replicate(ctx context.Context, message int64, copies int, enough bool, at time.Time) error {
	return s.update(ctx, "note replication", func(tx *gorm.DB) error {
		if err := changed(tx.Exec("UPDATE messages SET copies = max(copies, ?) WHERE seq = ?", copies, message)); err != nil || !enough {
			return err
		}
		return advance(tx, message, Replicated, at, "replicated", "")
	})
}

// advance raises the state of a message of our own, and tells of it if it was lower.
func advance(tx *gorm.DB, message int64, to State, at time.Time, step, detail string) error {
	done := tx.Exec("UPDATE messages SET state = ? WHERE seq = ? AND state <> ? AND (state < ? OR state = ?)", to, message, Incoming, to, Failed)
	if done.Error != nil || done.RowsAffected == 0 {
		return done.Error
	}
	return note(tx, message, at, step, detail)
}

// note writes a line and tells those who follow.
func note(tx *gorm.DB, message int64, at time.Time, step, detail string) error {
	if err := line(tx, message, at, step, detail); err != nil {
		return err
	}
	var m messageRow
	if err := one(tx.Raw("SELECT chat FROM messages WHERE seq = ?", message), &m); err != nil {
		return err
	}
	return tell(tx, Changed, array[[33]byte](m.Chat), message, at)
}

// Line is a step of a message on its way.
type Line struct {
	At     time.Time
	Step   string // queued, encrypted, path, stored, copied, replicated, read, failed
	Detail string
}

func line(tx *gorm.DB, message int64, at time.Time, step, detail string) error {
	return tx.Exec("INSERT INTO ledger (message, at, step, detail) VALUES (?, ?, ?, ?)", message, unix(at), step, detail).Error
}

// Note adds a line to the ledger of a message. The error is ErrNotFound if there is no such message.
func (s *Store) Note(ctx context.Context, message int64, l Line) error {
	return s.update(ctx, "write to the ledger", func(tx *gorm.DB) error {
		return changed(tx.Exec("INSERT INTO ledger (message, at, step, detail) SELECT seq, ?, ?, ? FROM messages WHERE seq = ?", unix(l.At), l.Step, l.Detail, message))
	})
}

// Ledger returns the first lines of a message, up to limit.
func (s *Store) Ledger(ctx context.Context, message int64, limit int) (list []Line, err error) {
	var rows []struct {
		At           int64
		Step, Detail string
	}
	err = s.view(ctx, "read the ledger", func(tx *gorm.DB) error {
		return tx.Raw("SELECT at, step, detail FROM ledger WHERE message = ? ORDER BY id LIMIT ?", message, limit).Scan(&rows).Error
	})
	for _, r := range rows {
		list = append(list, Line{At: fromUnix(r.At), Step: r.Step, Detail: r.Detail})
	}
	return list, err
}
