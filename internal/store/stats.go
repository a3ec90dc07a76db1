package store

import (
	"context"
	"fmt"
	"math"
	"slices"

	"gorm.io/gorm"

	"onsight/indexer"
	"onsight/internal/events"
	"onsight/ons"
)

// Counts returns how many records of each type (session, wallet, lokinet) live at a chain height, which counts blocks: at
// the newest block it is that block's height + 1.
func (s *Store) Counts(ctx context.Context, height uint64) (counts [3]uint64, err error) {
	var rows []struct {
		Type uint8
		N    uint64
	}
	err = s.read.WithContext(ctx).Raw("SELECT r.type AS type, COUNT(*) AS n FROM records r"+
		" JOIN (SELECT MAX(place) AS place FROM records WHERE place < ? GROUP BY name_hash, type) newest ON newest.place = r.place"+
		" WHERE r.expires = 0 OR r.expires >= ? GROUP BY r.type", first(height), min(height, math.MaxInt64)).Scan(&rows).Error
	if err != nil {
		return counts, fmt.Errorf("count records in %s: %w", s.path, err)
	}
	for _, r := range rows {
		if int(r.Type) >= len(counts) {
			return counts, fmt.Errorf("count records in %s: there are records of type %d", s.path, r.Type)
		}
		counts[r.Type] = r.N
	}
	return counts, nil
}

// Totals counts what is stored, at one moment.
type Totals struct {
	Names   uint64 // distinct keys, living or not
	Hashes  uint64 // distinct hashes of them: a name registered as two types is one
	Records uint64 // ONS transactions that applied
	Blocks  uint64 // heights from the first to the newest; most have no row
	Reorgs  uint64
	Skips   uint64 // ONS transactions that did not apply
}

// Totals counts what is stored.
func (s *Store) Totals(ctx context.Context) (t Totals, err error) {
	err = s.view(ctx, "count", func(tx *gorm.DB) error {
		return tx.Raw("SELECT" +
			" (SELECT COUNT(*) FROM (SELECT 1 FROM records GROUP BY name_hash, type) n) AS names," +
			" (SELECT COUNT(DISTINCT name_hash) FROM records) AS hashes," +
			" (SELECT COUNT(*) FROM records) AS records," +
			" (SELECT COALESCE(MAX(height) - MIN(height) + 1, 0) FROM blocks) AS blocks," +
			" (SELECT COUNT(*) FROM reorgs) AS reorgs," +
			" (SELECT COUNT(*) FROM skips) AS skips").Scan(&t).Error
	})
	return t, err
}

// Sample returns the newest records of the n keys whose hashes follow from, in their order, wrapping around at the end;
// fewer if there are fewer. A name registered as two types is two keys.
func (s *Store) Sample(ctx context.Context, from ons.Hash, n int) (recs []ons.Record, err error) {
	err = s.view(ctx, "sample records", func(tx *gorm.DB) error {
		var rows []recordRow
		for _, where := range []string{"name_hash > ?", "name_hash <= ?"} {
			if n <= len(rows) {
				break
			}
			var more []recordRow
			err := tx.Where("place IN (SELECT MAX(place) FROM records WHERE "+where+
				" GROUP BY name_hash, type ORDER BY name_hash, type LIMIT ?)", from[:], n-len(rows)).
				Order("name_hash, type").Find(&more).Error
			if err != nil {
				return err
			}
			rows = append(rows, more...)
		}
		recs, err = records(rows)
		return err
	})
	if err != nil {
		return nil, err
	}
	return recs, nil
}

// DigestAt returns the running digest after the block at height; zero before the first record, ErrHeight above the tip.
func (s *Store) DigestAt(ctx context.Context, height uint64) (d ons.Txid, err error) {
	err = s.view(ctx, "read digest", func(tx *gorm.DB) error {
		tip, err := newest(tx)
		if err != nil {
			return err
		}
		if tip == nil || height > tip.Height {
			return fmt.Errorf("block %d: %w", height, ErrHeight)
		}
		d, err = digest(tx, height)
		return err
	})
	return d, err
}

// Reorgs returns the newest limit reorganisations before one with a number, newest first; before 0 there are none, so
// math.MaxUint64 begins with the newest.
func (s *Store) Reorgs(ctx context.Context, before uint64, limit int) (out []events.Undoing, err error) {
	if limit <= 0 {
		return nil, nil
	}
	err = s.view(ctx, "read reorganisations", func(tx *gorm.DB) error {
		var rows []reorgRow
		if err := tx.Where("id < ?", min(before, math.MaxInt64)).Order("id DESC").Limit(limit).Find(&rows).Error; err != nil {
			return err
		}
		if len(rows) == 0 {
			return nil
		}
		later, err := readUndoers(tx, rows[len(rows)-1].Seq)
		if err != nil {
			return err
		}
		for some := range slices.Chunk(rows, chunk) {
			list, err := undoings(tx, later, some)
			if err != nil {
				return err
			}
			out = append(out, list...)
		}
		return nil
	})
	return out, err
}

// ReorgDepth is how many reorganisations undid so many blocks.
type ReorgDepth struct {
	Depth uint64 // at most: see Reorg.Base
	Count uint64
}

// ReorgDepths counts all reorganisations by depth, the least first.
func (s *Store) ReorgDepths(ctx context.Context) (out []ReorgDepth, err error) {
	err = s.view(ctx, "count reorganisations", func(tx *gorm.DB) error {
		return tx.Raw("SELECT tip_height - base_height AS depth, COUNT(*) AS count FROM reorgs GROUP BY 1 ORDER BY 1").Scan(&out).Error
	})
	return out, err
}

// SkipRow is an ONS transaction that was left out of the index, and where.
type SkipRow struct {
	Height uint64
	indexer.Skip
}

// Skips returns the newest limit skips, newest first.
func (s *Store) Skips(ctx context.Context, limit int) ([]SkipRow, error) {
	if limit <= 0 {
		return nil, nil
	}
	var rows []skipRow
	err := s.read.WithContext(ctx).Order("height DESC, place DESC").Limit(limit).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read skips in %s: %w", s.path, err)
	}
	out := make([]SkipRow, len(rows))
	for i, r := range rows {
		id, err := txid(r.Txid)
		if err != nil {
			return nil, fmt.Errorf("skip of block %d in %s: %w", r.Height, s.path, err)
		}
		out[i] = SkipRow{Height: r.Height, Skip: indexer.Skip{Txid: id, Reason: r.Reason}}
	}
	return out, nil
}
