package store

import (
	"context"
	"math"
	"time"

	"gorm.io/gorm"
)

// never is when what was delivered is looked at again, unless Recheck says otherwise.
const never = math.MaxInt64

// Recheck notes when it is to be found out again how many nodes have a parcel that was delivered. One that is gone is no error.
func (s *Store) Recheck(ctx context.Context, id int64, at time.Time) error {
	return s.update(ctx, "plan a check", func(tx *gorm.DB) error {
		return tx.Exec("UPDATE outbox SET next = ? WHERE id = ? AND state = ?", unix(at), id, Delivered).Error
	})
}

// Unsure returns up to limit parcels that Recheck planned something for that is due, those whose messages have not come further
// meanwhile. Nothing is planned for them any more.
func (s *Store) Unsure(ctx context.Context, now time.Time, limit int) ([]Parcel, error) {
	var rows []parcelRow
	err := s.update(ctx, "claim checks", func(tx *gorm.DB) error {
		// 2 is Delivered: only of a constant SQLite sees that the index will do.
		if err := tx.Raw("UPDATE outbox SET next = ?, attempts = attempts + 1 WHERE id IN (SELECT id FROM outbox WHERE state = 2 AND next <= ? ORDER BY next LIMIT ?) RETURNING *",
			int64(never), unix(now), limit).Scan(&rows).Error; err != nil {
			return err
		}
		left := rows[:0]
		for _, r := range rows {
			var n int64
			if err := tx.Raw("SELECT count(*) FROM messages WHERE seq = ? AND state = ?", r.Message, Stored).Scan(&n).Error; err != nil {
				return err
			}
			if n > 0 && r.Sent+r.TTL > unix(now) {
				left = append(left, r)
			}
		}
		rows = left
		return nil
	})
	return parcels(rows), err
}

// NextCheck returns when Unsure will return something, or the zero Time.
func (s *Store) NextCheck(ctx context.Context) (time.Time, error) {
	var next *int64
	err := s.view(ctx, "look for checks", func(tx *gorm.DB) error {
		return tx.Raw("SELECT min(next) FROM outbox WHERE state = 2 AND next < ?", int64(never)).Scan(&next).Error
	})
	return fromUnixOrNull(next), err
}
