package store

import (
	"context"
	"time"

	"gorm.io/gorm"
)

// Event is something that programs that follow are told.
type Event struct {
	Seq     int64 // rises; a number means the same event for ever
	At      time.Time
	Kind    EventKind
	Chat    [33]byte
	Message *Message // as it is now; nil: none, or it has gone since
}

// EventKind is what happened.
type EventKind uint8

// The kinds of events.
const (
	Came      EventKind = 1 // a message from somebody else; a request, unless its contact is approved
	Copied    EventKind = 2 // a message that another device of ours sent
	Changed   EventKind = 3 // a message of ours has a new state
	Accepted  EventKind = 4 // somebody accepted our request, or answered it; once
	TakenBack EventKind = 5 // a message was taken back
)

func tell(tx *gorm.DB, kind EventKind, chat [33]byte, message int64, at time.Time) error {
	var ref *int64
	if message != 0 {
		ref = &message
	}
	return tx.Exec("INSERT INTO events (at, kind, chat, message) VALUES (?, ?, ?, ?)", unix(at), kind, chat[:], ref).Error
}

// Events returns up to limit events after the one with the given number, in their order. Every event is given before any with
// a higher number exists.
func (s *Store) Events(ctx context.Context, after int64, limit int) (list []Event, err error) {
	var rows []struct {
		Seq     int64
		At      int64
		Kind    uint8
		Chat    []byte
		Message *int64
	}
	err = s.view(ctx, "list events", func(tx *gorm.DB) error {
		if err := tx.Raw("SELECT * FROM events WHERE seq > ? ORDER BY seq LIMIT ?", after, limit).Scan(&rows).Error; err != nil {
			return err
		}
		for _, r := range rows {
			e := Event{Seq: r.Seq, At: fromUnix(r.At), Kind: EventKind(r.Kind), Chat: array[[33]byte](r.Chat)}
			if r.Message != nil {
				var m []messageRow
				if err := tx.Raw("SELECT * FROM messages WHERE seq = ?", *r.Message).Scan(&m).Error; err != nil {
					return err
				}
				if len(m) == 1 {
					now := m[0].message()
					e.Message = &now
				}
			}
			list = append(list, e)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// How long events are kept: those that all consumers have dealt with, and those that one never asks for.
const (
	keepDealt  = 31 * 24 * time.Hour
	keepUndone = 365 * 24 * time.Hour
)

// forgetEvents deletes the events that nobody needs any more. Their numbers are not used again.
func forgetEvents(tx *gorm.DB, now time.Time) error {
	return tx.Exec("DELETE FROM events WHERE at <= ? AND (at <= ? OR seq <= coalesce((SELECT min(seq) FROM consumers), 0))",
		unix(now.Add(-keepDealt)), unix(now.Add(-keepUndone))).Error
}

// Ack notes that a consumer has dealt with all events up to a number. It never goes back.
func (s *Store) Ack(ctx context.Context, consumer string, seq int64) error {
	return s.update(ctx, "acknowledge events", func(tx *gorm.DB) error {
		return tx.Exec("INSERT INTO consumers (name, seq) VALUES (?, ?) ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)", consumer, seq).Error
	})
}

// Acked returns the number up to which a consumer has dealt with events; 0 for a new one.
func (s *Store) Acked(ctx context.Context, consumer string) (seq int64, err error) {
	err = s.view(ctx, "read consumer", func(tx *gorm.DB) error {
		return tx.Raw("SELECT seq FROM consumers WHERE name = ?", consumer).Scan(&seq).Error
	})
	return seq, err
}
