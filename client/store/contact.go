package store

import (
	"context"
	"time"

	"gorm.io/gorm"
)

// Contact is somebody who wrote to us or whom we wrote to.
type Contact struct {
	ID         [33]byte
	Nickname   string // what we call them
	Profile    Profile
	Approved   bool // we wrote to them or accepted their request; else their messages are a request
	ApprovedMe bool // they wrote to us or accepted ours
	Blocked    bool // what they send is dropped
	Created    time.Time
}

// Request reports whether what they wrote waits for an answer: whether their messages are wanted.
func (c *Contact) Request() bool { return c.ApprovedMe && !c.Approved && !c.Blocked }

// Profile is how somebody wants to be shown.
type Profile struct {
	Name    string
	Picture string
	Key     []byte    // of the picture; nil: none
	Updated time.Time // zero: unknown
}

type contactRow struct {
	ID         []byte `gorm:"primaryKey"`
	Nickname   string
	Name       string
	Picture    string
	PictureKey []byte
	ProfileAt  int64
	Approved   bool
	ApprovedMe bool
	Blocked    bool
	Created    int64
}

func (r *contactRow) contact() Contact {
	c := Contact{
		ID: array[[33]byte](r.ID), Nickname: r.Nickname, Profile: Profile{Name: r.Name, Picture: r.Picture, Key: r.PictureKey},
		Approved: r.Approved, ApprovedMe: r.ApprovedMe, Blocked: r.Blocked, Created: fromUnix(r.Created),
	}
	if r.ProfileAt != 0 {
		c.Profile.Updated = time.Unix(r.ProfileAt, 0).UTC()
	}
	return c
}

// Contact returns one contact, or ErrNotFound.
func (s *Store) Contact(ctx context.Context, id [33]byte) (Contact, error) {
	var r contactRow
	err := s.view(ctx, "read contact", func(tx *gorm.DB) error { return one(tx.Raw("SELECT * FROM contacts WHERE id = ?", id[:]), &r) })
	if err != nil {
		return Contact{}, err
	}
	return r.contact(), nil
}

// Contacts returns up to limit contacts in the order of their ids, those after the given one.
func (s *Store) Contacts(ctx context.Context, after [33]byte, limit int) (list []Contact, err error) {
	var rows []contactRow
	err = s.view(ctx, "list contacts", func(tx *gorm.DB) error {
		return tx.Raw("SELECT * FROM contacts WHERE id > ? ORDER BY id LIMIT ?", after[:], limit).Scan(&rows).Error
	})
	for i := range rows {
		list = append(list, rows[i].contact())
	}
	return list, err
}

// SetNickname says what we call a contact; empty: what they call themselves. The error is ErrNotFound for a stranger.
func (s *Store) SetNickname(ctx context.Context, id [33]byte, nickname string) error {
	return s.update(ctx, "name contact", func(tx *gorm.DB) error {
		return changed(tx.Exec("UPDATE contacts SET nickname = ? WHERE id = ?", nickname, id[:]))
	})
}

// Block says whether what an account sends is dropped. Strangers can be blocked.
func (s *Store) Block(ctx context.Context, id [33]byte, blocked bool, at time.Time) error {
	return s.update(ctx, "block contact", func(tx *gorm.DB) error {
		if err := know(tx, id, at); err != nil {
			return err
		}
		if err := decide(tx, id[:]); err != nil {
			return err
		}
		return tx.Exec("UPDATE contacts SET blocked = ? WHERE id = ?", blocked, id[:]).Error
	})
}

// Unfinished returns how many messages to an account wait to be sent: what Forget takes back.
func (s *Store) Unfinished(ctx context.Context, id [33]byte) (n int, err error) {
	err = s.view(ctx, "count what waits", func(tx *gorm.DB) error {
		return tx.Raw("SELECT count(*) FROM outbox o JOIN messages m ON m.seq = o.message WHERE o.state = ? AND o.follows IS NULL AND m.chat = ?",
			Pending, id[:]).Scan(&n).Error
	})
	return n, err
}

// Decline deletes a request, with all that was written; with block, what they send from now on is dropped. The error is ErrNotFound if
// there is no request, as when somebody accepted it meanwhile: then nothing has changed.
func (s *Store) Decline(ctx context.Context, id [33]byte, block bool) error {
	return s.update(ctx, "decline request", func(tx *gorm.DB) error {
		if err := decide(tx, id[:]); err != nil {
			return err
		}
		if err := changed(tx.Exec("UPDATE contacts SET blocked = ? WHERE id = ? AND "+asking, block, id[:])); err != nil {
			return err
		}
		return forget(tx, id[:])
	})
}

// Forget deletes a contact and the conversation with it. What waits to be sent is not sent. Whether it is blocked is not forgotten.
// The error is ErrNotFound for a stranger.
func (s *Store) Forget(ctx context.Context, id [33]byte) error {
	return s.update(ctx, "forget contact", func(tx *gorm.DB) error {
		return forget(tx, id[:])
	})
}

func forget(tx *gorm.DB, id []byte) error {
	if err := decide(tx, id); err != nil {
		return err
	}
	if err := changed(tx.Exec("UPDATE contacts SET approved = 0, approved_me = 0, nickname = '' WHERE id = ?", id)); err != nil {
		return err
	}
	for _, q := range []string{
		"DELETE FROM contacts WHERE id = ? AND NOT blocked", "DELETE FROM messages WHERE chat = ?", "DELETE FROM chats WHERE id = ?",
	} {
		if err := tx.Exec(q, id).Error; err != nil {
			return err
		}
	}
	return nil
}

// know makes sure that there is a row for a contact.
func know(tx *gorm.DB, id [33]byte, at time.Time) error {
	// gorm takes bytes right after a parenthesis for a list of values, so here and elsewhere they are not the first.
	return tx.Exec("INSERT INTO contacts (created, id) VALUES (?, ?) ON CONFLICT DO NOTHING", unix(at), id[:]).Error
}

// approve notes that we take their messages, or that they take ours (by "me").
func approve(tx *gorm.DB, id [33]byte, at time.Time, column string) error {
	if err := know(tx, id, at); err != nil {
		return err
	}
	if column == "approved" {
		if err := decide(tx, id[:]); err != nil {
			return err
		}
	}
	return tx.Exec("UPDATE contacts SET "+column+" = 1 WHERE id = ?", id[:]).Error
}

// introduce takes over a profile unless a newer one is known. One of unknown age replaces only another such.
func introduce(tx *gorm.DB, id [33]byte, p *Profile) error {
	if p == nil {
		return nil
	}
	var age int64
	if !p.Updated.IsZero() {
		age = p.Updated.Unix()
	}
	return tx.Exec("UPDATE contacts SET name = ?, picture = ?, picture_key = ?, profile_at = ? WHERE id = ? AND (profile_at < ? OR profile_at = 0)",
		p.Name, p.Picture, p.Key, age, id[:], age).Error
}
