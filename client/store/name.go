package store

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"gorm.io/gorm"
)

// ErrPin is returned by Approve if and only if a name does not point to the account that was approved, so that nobody approves
// what they have not seen.
var ErrPin = errors.New("the name does not point there")

// Pin is what a name stands for here: the account it pointed to when it was first used.
type Pin struct {
	Name      string
	ID        [33]byte
	Since     time.Time
	Checked   time.Time // when the nodes last said so
	Next      [33]byte  // the account that they say now; zero: the same
	NextSince time.Time // since when that or Trouble is so
	Trouble   Outcome   // NoAccount or Unreadable: what it says now stands for no account; zero: it does
	Gone      time.Time // when the nodes said that it is not registered, if they have said nothing else since; zero: not so
}

// Held reports whether messages to the name have to wait for a decision, or until it stands for an account again.
func (p Pin) Held() bool { return p.Next != [33]byte{} || p.Trouble != 0 }

// Outcome is what came of asking for a name.
type Outcome uint8

// The outcomes of asking for a name.
const (
	Agreed     Outcome = 1 + iota // enough say the same account
	Absent                        // enough say that it is not registered
	NoAccount                     // enough say the same, which is no account
	Unreadable                    // enough say the same, which does not open
	Disagreed                     // enough answered, and no majority says the same
	Unanswered                    // too few answered
)

type pinRow struct {
	Name        string `gorm:"primaryKey"`
	ID          []byte
	Since       int64
	Checked     int64
	Next        []byte
	NextSince   *int64
	NextChecked *int64 // when the nodes last said next or trouble
	Trouble     uint8
	Height      int64 // of the chain when the latest change was agreed on
	Gone        *int64
	Receipt     int64 // that made id
	NextReceipt *int64
}

func (pinRow) TableName() string { return "pins" }

func (r *pinRow) pin() Pin {
	return Pin{
		Name: r.Name, ID: array[[33]byte](r.ID), Since: fromUnix(r.Since), Checked: fromUnix(r.Checked),
		Next: array[[33]byte](r.Next), NextSince: fromUnixOrNull(r.NextSince), Trouble: Outcome(r.Trouble), Gone: fromUnixOrNull(r.Gone),
	}
}

// turn is how long what was found out may have taken to be stored, and much more. What seems older than that was, or what was stored last,
// is of a wrong clock.
const turn = time.Hour

// learn takes over what came of asking, of which there is a receipt, and reports whether that says anything. What was found out before what
// is known already, by the time or by the chain, says nothing: else answers that are older than a change would undo it. known is the height
// of the chain that enough nodes know of: that of the change is no more, so that those who say more than is true do not rule out what comes
// after.
func (r *pinRow) learn(said *Receipt, receipt int64, known int64) bool {
	at := unix(said.At)
	last := r.Checked
	if r.NextChecked != nil {
		last = max(last, *r.NextChecked)
	}
	height := sqlHeight(said.height())
	switch {
	case said.Outcome > Unreadable || at < last && last-at < turn.Milliseconds():
		return false
	case said.Outcome == Absent:
		r.Gone = &at
		return true
	case height < r.Height:
		return false
	}
	r.Gone = nil
	id, trouble := said.ID[:], uint8(0)
	if said.Outcome != Agreed {
		id, trouble = nil, uint8(said.Outcome)
	}
	height = min(height, known)
	switch {
	case trouble == 0 && bytes.Equal(id, r.ID):
		if r.NextSince != nil { // it points back, which is no change of what is pinned
			r.Height = max(r.Height, height)
		}
		r.Checked, r.Next, r.NextSince, r.NextChecked, r.NextReceipt, r.Trouble = at, nil, nil, nil, nil, 0
	case r.NextSince != nil && trouble == r.Trouble && bytes.Equal(id, r.Next):
		r.NextChecked = &at
	default:
		r.Height = max(r.Height, height)
		r.Next, r.Trouble, r.NextSince, r.NextChecked, r.NextReceipt = id, trouble, &at, &at, &receipt
	}
	return true
}

// Receipt is who said what of a name. It is our own note, not a proof to others.
type Receipt struct {
	Name    string
	At      time.Time
	Outcome Outcome
	ID      [33]byte // what was agreed on; zero unless Outcome is Agreed
	Need    int      // how many had to agree
	Asked   int      // of how many
	Answers []Answer // in the order of their nodes' keys, those of others after them
}

// height is that of the chain which so many of those who agree know of as had to agree; 0 if they do not.
func (r *Receipt) height() uint64 {
	var list []uint64
	for _, a := range r.Answers {
		if a.Agrees {
			list = append(list, a.Height)
		}
	}
	if r.Need < 1 || len(list) < r.Need {
		return 0
	}
	slices.Sort(list)
	return list[len(list)-r.Need]
}

// Answer is what one node said, or one of those who were asked beside the nodes.
type Answer struct {
	Node   [32]byte // Ed25519 key
	Source string   // who it was if no node; empty: Node
	Height uint64   // of the chain, as the node knew it
	ID     [33]byte // zero: not registered, or no answer
	Reason string   // why there was no answer, or it does not count; empty: there was
	Agrees bool     // whether it is one of those who decided; never with Source
}

// Confirm stores what came of asking for a name, and returns what the name is pinned to. The first account that a name points to is
// pinned. When it points to another later, or to none, the pin stays and is held. That the name is not registered is noted, and changes
// nothing else; nor does it that nothing was found out, or what was found out before the latest change. Without a pin the error is
// ErrNotFound.
func (s *Store) Confirm(ctx context.Context, r Receipt) (Pin, error) { return s.settle(ctx, r, true) }

// Witness is Confirm, but pins nothing: it is for who looks and does not use the name.
func (s *Store) Witness(ctx context.Context, r Receipt) (Pin, error) { return s.settle(ctx, r, false) }

func (s *Store) settle(ctx context.Context, r Receipt, first bool) (Pin, error) {
	var row pinRow
	var none bool
	err := s.update(ctx, "store receipt", func(tx *gorm.DB) error {
		receipt, err := file(tx, &r)
		if err != nil {
			return err
		}
		var known int64
		if err := tx.Raw("SELECT height FROM account").Scan(&known).Error; err != nil {
			return err
		}
		row = pinRow{}
		err = one(tx.Raw("SELECT * FROM pins WHERE name = ?", r.Name), &row)
		none = errors.Is(err, ErrNotFound)
		switch {
		case none && first && r.Outcome == Agreed:
			none = false
			row = pinRow{
				Name: r.Name, ID: r.ID[:], Since: unix(r.At), Checked: unix(r.At), Height: min(sqlHeight(r.height()), known), Receipt: receipt,
			}
			err = tx.Create(&row).Error
		case none:
			err = nil // the receipt stays
		case err == nil && row.learn(&r, receipt, known):
			err = tx.Save(&row).Error
		}
		if err != nil {
			return err
		}
		return prune(tx, r.Name, none)
	})
	if err == nil && none {
		err = ErrNotFound
	}
	if err != nil {
		return Pin{}, err
	}
	return row.pin(), nil
}

// file stores a receipt, and returns its number.
func file(tx *gorm.DB, r *Receipt) (id int64, err error) {
	var agreed []byte
	if r.ID != ([33]byte{}) {
		agreed = r.ID[:]
	}
	err = one(tx.Raw("INSERT INTO receipts (name, at, outcome, agreed, need, asked) VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
		r.Name, unix(r.At), r.Outcome, agreed, r.Need, r.Asked), &id)
	if err != nil {
		return 0, err
	}
	for _, a := range r.Answers {
		var value []byte
		if a.ID != ([33]byte{}) {
			value = a.ID[:]
		}
		err := tx.Exec("INSERT INTO answers (receipt, node, source, height, value, reason, agrees) VALUES (?, ?, ?, ?, ?, ?, ?)",
			id, a.Node[:], a.Source, int64(min(a.Height, 1<<62)), value, a.Reason, a.Agrees).Error
		if err != nil {
			return 0, err
		}
	}
	return id, nil
}

const (
	maxReceipts = 100 // of a name that is pinned, beside those that made the pin what it is
	maxUnpinned = 200 // of all other names together
)

// prune deletes the receipts that are too many, the oldest first.
func prune(tx *gorm.DB, name string, unpinned bool) error {
	if unpinned {
		return tx.Exec(`DELETE FROM receipts WHERE name NOT IN (SELECT name FROM pins)
			AND id <= (SELECT id FROM receipts WHERE name NOT IN (SELECT name FROM pins) ORDER BY id DESC LIMIT 1 OFFSET ?)`, maxUnpinned).Error
	}
	return tx.Exec(`DELETE FROM receipts WHERE name = @name
		AND id NOT IN (SELECT id FROM receipts WHERE name = @name ORDER BY id DESC LIMIT @max)
		AND id NOT IN (SELECT receipt FROM pins WHERE name = @name UNION SELECT coalesce(next_receipt, 0) FROM pins WHERE name = @name)`,
		map[string]any{"name": name, "max": maxReceipts}).Error
}

// Pin returns what a name is pinned to, or ErrNotFound.
func (s *Store) Pin(ctx context.Context, name string) (Pin, error) {
	var r pinRow
	err := s.view(ctx, "read pin", func(tx *gorm.DB) error { return one(tx.Raw("SELECT * FROM pins WHERE name = ?", name), &r) })
	if err != nil {
		return Pin{}, err
	}
	return r.pin(), nil
}

// Pins returns up to limit pins in the order of their names, those after the given one.
func (s *Store) Pins(ctx context.Context, after string, limit int) (list []Pin, err error) {
	var rows []pinRow
	err = s.view(ctx, "list pins", func(tx *gorm.DB) error {
		return tx.Raw("SELECT * FROM pins WHERE name > ? ORDER BY name LIMIT ?", after, limit).Scan(&rows).Error
	})
	for i := range rows {
		list = append(list, rows[i].pin())
	}
	return list, err
}

// Approve pins a name to the account that it points to now, which was last asked when it was, not when it is approved; or, while the name
// is not registered, to the one that it was pinned to, so that it is not held any more. The error is ErrPin if that is another one.
func (s *Store) Approve(ctx context.Context, name string, id [33]byte, at time.Time) error {
	return s.update(ctx, "approve pin", func(tx *gorm.DB) error {
		const settled = "next = NULL, next_since = NULL, next_checked = NULL, next_receipt = NULL, trouble = 0"
		err := changed(tx.Exec("UPDATE pins SET id = next, since = ?, checked = next_checked, receipt = next_receipt, "+settled+" WHERE name = ? AND next = ?",
			unix(at), name, id[:]))
		if errors.Is(err, ErrNotFound) {
			err = changed(tx.Exec("UPDATE pins SET "+settled+" WHERE name = ? AND id = ? AND next_since IS NOT NULL AND gone IS NOT NULL", name, id[:]))
		}
		if errors.Is(err, ErrNotFound) {
			return ErrPin
		}
		return err
	})
}

// Unpin forgets what a name was pinned to, and who said so. The error is ErrNotFound if it was not.
func (s *Store) Unpin(ctx context.Context, name string) error {
	return s.update(ctx, "forget pin", func(tx *gorm.DB) error {
		if err := changed(tx.Exec("DELETE FROM pins WHERE name = ?", name)); err != nil {
			return err
		}
		return tx.Exec("DELETE FROM receipts WHERE name = ?", name).Error
	})
}

// Receipts returns up to limit receipts of a name, newest first.
func (s *Store) Receipts(ctx context.Context, name string, limit int) (list []Receipt, err error) {
	var rows []struct {
		ID      int64
		Name    string
		At      int64
		Outcome Outcome
		Agreed  []byte
		Need    int
		Asked   int
	}
	err = s.view(ctx, "list receipts", func(tx *gorm.DB) error {
		if err := tx.Raw("SELECT * FROM receipts WHERE name = ? ORDER BY id DESC LIMIT ?", name, limit).Scan(&rows).Error; err != nil {
			return err
		}
		for _, r := range rows {
			receipt := Receipt{Name: r.Name, At: fromUnix(r.At), Outcome: r.Outcome, ID: array[[33]byte](r.Agreed), Need: r.Need, Asked: r.Asked}
			var answers []struct {
				Node   []byte
				Source string
				Height uint64
				Value  []byte
				Reason string
				Agrees bool
			}
			if err := tx.Raw("SELECT * FROM answers WHERE receipt = ? ORDER BY source, node LIMIT 1000", r.ID).Scan(&answers).Error; err != nil {
				return err
			}
			for _, a := range answers {
				receipt.Answers = append(receipt.Answers, Answer{
					Node: array[[32]byte](a.Node), Source: a.Source, Height: a.Height, ID: array[[33]byte](a.Value), Reason: a.Reason, Agrees: a.Agrees,
				})
			}
			list = append(list, receipt)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// Held is a message to a name that has to wait for a decision. It is sealed when that is made: for whom, is not known before.
type Held struct {
	ID    int64
	Name  string
	Text  string
	Quote *Ref   // the message that it answers; nil: none
	Key   string // as in Outgoing
	At    time.Time
}

type heldRow struct {
	ID          int64
	Name        string
	Text        string
	QuoteSent   *int64
	QuoteAuthor []byte
	SendKey     *string
	At          int64
}

func (r *heldRow) held() Held {
	h := Held{ID: r.ID, Name: r.Name, Text: r.Text, At: fromUnix(r.At)}
	if r.QuoteSent != nil {
		h.Quote = &Ref{Sender: array[[33]byte](r.QuoteAuthor), Sent: fromUnix(*r.QuoteSent)}
	}
	if r.SendKey != nil {
		h.Key = *r.SendKey
	}
	return h
}

// Hold keeps a message until somebody decides, and returns its number. With a key that was used before nothing happens, and
// the number is that of the message it was used for: id of one that is held, or seq of one that is not.
func (s *Store) Hold(ctx context.Context, h Held) (id, seq int64, err error) {
	err = s.update(ctx, "hold message", func(tx *gorm.DB) error {
		var key *string
		if h.Key != "" {
			key = &h.Key
			if err := tx.Raw("SELECT seq FROM messages WHERE send_key = ?", h.Key).Scan(&seq).Error; err != nil || seq != 0 {
				return err
			}
			if err := tx.Raw("SELECT id FROM held WHERE send_key = ?", h.Key).Scan(&id).Error; err != nil || id != 0 {
				return err
			}
		}
		var sent *int64
		var author []byte
		if h.Quote != nil {
			at := unix(h.Quote.Sent)
			sent, author = &at, h.Quote.Sender[:]
		}
		return one(tx.Raw("INSERT INTO held (name, text, quote_sent, quote_author, send_key, at) VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
			h.Name, h.Text, sent, author, key, unix(h.At)), &id)
	})
	return id, seq, err
}

// Waiting returns up to limit messages to a name that are held, oldest first, those after the one with the given number.
func (s *Store) Waiting(ctx context.Context, name string, after int64, limit int) (list []Held, err error) {
	var rows []heldRow
	err = s.view(ctx, "list held messages", func(tx *gorm.DB) error {
		return tx.Raw("SELECT * FROM held WHERE name = ? AND id > ? ORDER BY id LIMIT ?", name, after, limit).Scan(&rows).Error
	})
	for i := range rows {
		list = append(list, rows[i].held())
	}
	return list, err
}

// Held returns one held message, or ErrNotFound.
func (s *Store) Held(ctx context.Context, id int64) (Held, error) {
	var r heldRow
	err := s.view(ctx, "read held message", func(tx *gorm.DB) error { return one(tx.Raw("SELECT * FROM held WHERE id = ?", id), &r) })
	if err != nil {
		return Held{}, err
	}
	return r.held(), nil
}

// Free returns the names, up to a thousand, for which something is held though they are pinned to where they point.
func (s *Store) Free(ctx context.Context) (names []string, err error) {
	err = s.view(ctx, "look for held messages", func(tx *gorm.DB) error {
		return tx.Raw("SELECT name FROM pins WHERE next IS NULL AND trouble = 0 AND name IN (SELECT name FROM held) ORDER BY name LIMIT 1000").Scan(&names).Error
	})
	return names, err
}

// Drop deletes a held message. The error is ErrNotFound if there is none.
func (s *Store) Drop(ctx context.Context, id int64) error {
	return s.update(ctx, "drop held message", func(tx *gorm.DB) error { return changed(tx.Exec("DELETE FROM held WHERE id = ?", id)) })
}
