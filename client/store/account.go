package store

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"
)

// Account is whose database it is.
type Account struct {
	Seed    [16]byte
	ID      [33]byte
	Network string // which network it lives in; an account has one
	Name    string // shown to others
	Renamed time.Time
	Created time.Time
}

// String hides the seed.
func (a Account) String() string { return "store.Account" }

// GoString hides the seed.
func (a Account) GoString() string { return a.String() }

type accountRow struct {
	ID       int `gorm:"primaryKey;autoIncrement:false"`
	Seed     []byte
	Own      []byte
	Network  string
	Name     string
	Renamed  int64
	Created  int64
	Ahead    int64
	Heard    int64
	Height   int64
	HeightAt int64
}

func (accountRow) TableName() string { return "account" }

// Create stores the account. The error is ErrExists if there is one.
func (s *Store) Create(ctx context.Context, a Account) error {
	return s.update(ctx, "create account", func(tx *gorm.DB) error {
		var n int64
		if err := tx.Raw("SELECT count(*) FROM account").Scan(&n).Error; err != nil {
			return err
		}
		if n > 0 {
			return ErrExists
		}
		return tx.Create(&accountRow{
			ID: 1, Seed: a.Seed[:], Own: a.ID[:], Network: a.Network, Name: a.Name, Renamed: a.Renamed.Unix(), Created: unix(a.Created),
		}).Error
	})
}

// Account returns the account, or ErrNotFound if none was created yet.
func (s *Store) Account(ctx context.Context) (a Account, err error) {
	var r accountRow
	err = s.view(ctx, "read account", func(tx *gorm.DB) error { return one(tx.Raw("SELECT * FROM account"), &r) })
	if err != nil {
		return Account{}, err
	}
	return Account{
		Seed: array[[16]byte](r.Seed), ID: array[[33]byte](r.Own), Network: r.Network, Name: r.Name,
		Renamed: time.Unix(r.Renamed, 0).UTC(), Created: fromUnix(r.Created),
	}, nil
}

// Rename changes the name that others are shown.
func (s *Store) Rename(ctx context.Context, name string, at time.Time) error {
	return s.update(ctx, "rename account", func(tx *gorm.DB) error {
		return changed(tx.Exec("UPDATE account SET name = ?, renamed = ?", name, at.Unix()))
	})
}

// NextTime returns the time of the account's next message: now, or the first free millisecond after. No two calls return the
// same, in whatever process, because time and sender are what a message is known by. A clock that was ahead once moves none but the times
// that were chosen by it.
func (s *Store) NextTime(ctx context.Context, now time.Time) (time.Time, error) {
	var free int64
	err := s.update(ctx, "choose a time", func(tx *gorm.DB) error {
		if err := tx.Exec("DELETE FROM times WHERE at < ?", unix(now.Add(-remember))).Error; err != nil {
			return err
		}
		return one(tx.Raw(`INSERT INTO times (at)
			WITH RECURSIVE t (at) AS (VALUES (?) UNION ALL SELECT t.at + 1 FROM t JOIN times USING (at))
			SELECT max(at) FROM t RETURNING at`, unix(now)), &free)
	})
	return fromUnix(free), err
}

// SetAhead notes how far the network's clock is ahead of the machine's, and what that one says.
func (s *Store) SetAhead(ctx context.Context, ahead time.Duration, heard time.Time) error {
	return s.update(ctx, "note the time", func(tx *gorm.DB) error {
		return changed(tx.Exec("UPDATE account SET ahead = ?, heard = ?", ahead.Milliseconds(), unix(heard)))
	})
}

// Ahead returns what SetAhead noted last, or zeros. The error is ErrNotFound without an account.
func (s *Store) Ahead(ctx context.Context) (ahead time.Duration, heard time.Time, err error) {
	var r accountRow
	err = s.view(ctx, "read the time", func(tx *gorm.DB) error { return one(tx.Raw("SELECT ahead, heard FROM account"), &r) })
	if err != nil || r.Heard == 0 {
		return 0, time.Time{}, err
	}
	return time.Duration(r.Ahead) * time.Millisecond, fromUnix(r.Heard), nil
}

// SetHeight notes a height of the chain that enough nodes know of, unless it is not old any more that was noted before. If it is lowered,
// so is what changes of names have to be newer than.
func (s *Store) SetHeight(ctx context.Context, old, height uint64, at time.Time) error {
	return s.update(ctx, "note the height", func(tx *gorm.DB) error {
		err := changed(tx.Exec("UPDATE account SET height = ?, height_at = ? WHERE height = ?", sqlHeight(height), unix(at), sqlHeight(old)))
		if errors.Is(err, ErrNotFound) {
			return nil // another process was faster
		}
		if err == nil && height < old {
			err = tx.Exec("UPDATE pins SET height = ? WHERE height > ?", sqlHeight(height), sqlHeight(height)).Error
		}
		return err
	})
}

// Height returns what SetHeight noted last, and when, or zeros.
func (s *Store) Height(ctx context.Context) (height uint64, at time.Time, err error) {
	var r accountRow
	err = s.view(ctx, "read the height", func(tx *gorm.DB) error { return tx.Raw("SELECT height, height_at FROM account").Scan(&r).Error })
	if err != nil || r.HeightAt == 0 {
		return 0, time.Time{}, err
	}
	return uint64(r.Height), fromUnix(r.HeightAt), nil
}

// sqlHeight is a height as it is stored. None that is real is cut.
func sqlHeight(height uint64) int64 { return int64(min(height, 1<<62)) }

// Hasten makes parcels due that wait for longer than they may: the clock was wrong when that was decided.
func (s *Store) Hasten(ctx context.Context, now time.Time, longest time.Duration) error {
	return s.update(ctx, "hasten parcels", func(tx *gorm.DB) error {
		return tx.Exec("UPDATE outbox SET next = ? WHERE state = ? AND next > ?", unix(now), Pending, unix(now.Add(longest))).Error
	})
}

// own returns the id of the account.
func own(tx *gorm.DB) ([33]byte, error) {
	var r accountRow
	err := one(tx.Raw("SELECT own FROM account"), &r)
	return array[[33]byte](r.Own), err
}
