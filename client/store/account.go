package store

import (
	"context"
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
	ID      int `gorm:"primaryKey;autoIncrement:false"`
	Seed    []byte
	Own     []byte
	Network string
	Name    string
	Renamed int64
	Created int64
	Last    int64
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
// same, in whatever process, because time and sender are what a message is known by.
func (s *Store) NextTime(ctx context.Context, now time.Time) (time.Time, error) {
	var last int64
	err := s.update(ctx, "choose a time", func(tx *gorm.DB) error {
		return one(tx.Raw("UPDATE account SET last = max(last + 1, ?) RETURNING last", unix(now)), &last)
	})
	return fromUnix(last), err
}

// own returns the id of the account.
func own(tx *gorm.DB) ([33]byte, error) {
	var r accountRow
	err := one(tx.Raw("SELECT own FROM account"), &r)
	return array[[33]byte](r.Own), err
}
