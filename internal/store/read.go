package store

import (
	"context"
	"errors"
	"fmt"
	"math"

	"gorm.io/gorm"

	"onsight/indexer"
	"onsight/ons"
)

// chunk is how many keys one query of Current asks for, far under both engines' limit of variables.
const chunk = 500

// State returns what the last Commit stored, with the tip; the zero State when there was none.
func (s *Store) State(ctx context.Context) (st indexer.State, err error) {
	err = s.view(ctx, "read state", func(tx *gorm.DB) error {
		st, err = fullState(tx)
		return err
	})
	return st, err
}

// fullState reads the state and what of it stands in other tables.
func fullState(tx *gorm.DB) (st indexer.State, err error) {
	row, err := state(tx)
	if err != nil || row.ID == 0 {
		return st, err
	}
	if st, err = row.state(); err != nil {
		return st, err
	}
	tip, err := newest(tx)
	if err != nil || tip == nil {
		return st, err
	}
	p, err := tip.point()
	if err != nil {
		return st, err
	}
	st.Tip, st.TipTime = &p, tip.Time
	st.Digest, err = digest(tx, tip.Height)
	return st, err
}

// state reads the one row of its table; ID is 0 when there is none.
func state(tx *gorm.DB) (row stateRow, err error) {
	err = tx.Limit(1).Find(&row).Error
	return row, err
}

// newest reads the tip; nil when there is none.
func newest(tx *gorm.DB) (*blockRow, error) {
	row := blockRow{}
	res := tx.Order("height DESC").Limit(1).Find(&row)
	if res.Error != nil || res.RowsAffected == 0 {
		return nil, res.Error
	}
	return &row, nil
}

// digest reads the running digest after the block at height: the one of the last block with records.
func digest(tx *gorm.DB, height uint64) (d ons.Txid, err error) {
	var rows []blockRow
	err = tx.Where("height = (SELECT MAX(place) / ? FROM records WHERE place < ?)", 1<<placeBits, above(height)).
		Limit(1).Find(&rows).Error
	if err != nil || len(rows) == 0 {
		return d, err
	}
	return txid(rows[0].Digest)
}

// Points returns at most limit stored blocks at or below height, newest first.
func (s *Store) Points(ctx context.Context, height uint64, limit int) (points []indexer.Point, err error) {
	if limit <= 0 {
		return nil, nil
	}
	var rows []blockRow
	err = s.read.WithContext(ctx).Select("height", "hash").Where("height <= ?", min(height, math.MaxInt64)).
		Order("height DESC").Limit(limit).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read blocks in %s: %w", s.path, err)
	}
	points = make([]indexer.Point, len(rows))
	for i, r := range rows {
		if points[i], err = r.point(); err != nil {
			return nil, fmt.Errorf("read blocks in %s: %w", s.path, err)
		}
	}
	return points, nil
}

// prefix is the part of a name's hash that is in the index records_by_name.
func prefix(hash []byte) []byte { return hash[:8] }

// ofKey restricts a query to the records of one key.
func ofKey(tx *gorm.DB, key ons.Key) *gorm.DB {
	h := key.Hash[:]
	return tx.Where("substr(name_hash, 1, 8) = ? AND name_hash = ? AND type = ?", prefix(h), h, uint8(key.Type))
}

// Current returns, of each key that has one, the newest record made at or below height, expired or not.
func (s *Store) Current(ctx context.Context, keys []ons.Key, height uint64) (map[ons.Key]ons.Record, error) {
	hashes := map[ons.Type][][]byte{}
	for i := range keys {
		hashes[keys[i].Type] = append(hashes[keys[i].Type], keys[i].Hash[:])
	}
	out := make(map[ons.Key]ons.Record, len(keys))
	err := s.view(ctx, "read records", func(tx *gorm.DB) error {
		for t, list := range hashes {
			for len(list) > 0 {
				n := min(len(list), chunk)
				prefixes := make([][]byte, n)
				for i, h := range list[:n] {
					prefixes[i] = prefix(h)
				}
				var rows []recordRow
				err := tx.Where("place IN (SELECT MAX(place) FROM records WHERE substr(name_hash, 1, 8) IN ?"+
					" AND name_hash IN ? AND type = ? AND place < ? GROUP BY name_hash)",
					prefixes, list[:n], uint8(t), above(height)).Find(&rows).Error
				if err != nil {
					return err
				}
				for i := range rows {
					r, err := rows[i].record()
					if err != nil {
						return err
					}
					out[r.Key()] = r
				}
				list = list[n:]
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Lookup returns the sealed value of a name that lives at the index's newest block. It returns ons.ErrNotFound if there is
// no such name, and ons.ErrUnavailable if that cannot be said: there is no block yet, the index has not reached the end of
// the chain (the missing blocks may register the name, or an expired one again), or the database does not answer.
func (s *Store) Lookup(ctx context.Context, t ons.Type, h ons.Hash) (ons.Sealed, error) {
	var rec *ons.Record
	var st indexer.State
	err := s.view(ctx, "look up", func(tx *gorm.DB) (err error) {
		if st, err = fullState(tx); err != nil || st.Tip == nil {
			return err
		}
		rec, err = record(tx, ons.Key{Type: t, Hash: h})
		return err
	})
	switch {
	case err != nil:
		return ons.Sealed{}, fmt.Errorf("%w: %w", ons.ErrUnavailable, err)
	case st.Tip == nil:
		return ons.Sealed{}, fmt.Errorf("%w: %s has no blocks yet", ons.ErrUnavailable, s.path)
	case rec != nil && rec.Live(st.Tip.Height+1):
		return rec.Sealed, nil
	case st.Phase != indexer.Synced:
		return ons.Sealed{}, fmt.Errorf("%w: the index stands at block %d of %d (%s)", ons.ErrUnavailable, st.Tip.Height, st.Target, st.Phase)
	}
	return ons.Sealed{}, ons.ErrNotFound
}

// Record returns the newest record of a key, expired or not; ons.ErrNotFound if there is none.
func (s *Store) Record(ctx context.Context, key ons.Key) (ons.Record, error) {
	var rec *ons.Record
	err := s.view(ctx, "read record", func(tx *gorm.DB) (err error) {
		rec, err = record(tx, key)
		return err
	})
	if err != nil {
		return ons.Record{}, err
	}
	if rec == nil {
		return ons.Record{}, ons.ErrNotFound
	}
	return *rec, nil
}

// record reads the newest record of a key; nil if there is none.
func record(tx *gorm.DB, key ons.Key) (*ons.Record, error) {
	row := recordRow{}
	res := ofKey(tx, key).Order("place DESC").Limit(1).Find(&row)
	if res.Error != nil || res.RowsAffected == 0 {
		return nil, res.Error
	}
	r, err := row.record()
	return &r, err
}

// Time returns what the block at a height says when it was made, in Unix seconds; false if the index does not keep that block. It
// keeps all that have records.
func (s *Store) Time(ctx context.Context, height uint64) (unix int64, ok bool, err error) {
	var rows []blockRow
	err = s.read.WithContext(ctx).Select("time").Where("height = ?", min(height, math.MaxInt64)).Limit(1).Find(&rows).Error
	if err != nil {
		return 0, false, fmt.Errorf("read block in %s: %w", s.path, err)
	}
	if len(rows) == 0 {
		return 0, false, nil
	}
	return rows[0].Time, true, nil
}

// History returns the first limit records of a key, oldest first, across registrations; none is no error.
func (s *Store) History(ctx context.Context, key ons.Key, limit int) ([]ons.Record, error) {
	if limit <= 0 {
		return nil, nil
	}
	var rows []recordRow
	err := ofKey(s.read.WithContext(ctx), key).Order("place").Limit(limit).Find(&rows).Error
	recs, err2 := records(rows)
	if err := errors.Join(err, err2); err != nil {
		return nil, fmt.Errorf("read history in %s: %w", s.path, err)
	}
	return recs, nil
}
