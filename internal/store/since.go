package store

import (
	"context"
	"errors"

	"gorm.io/gorm"

	"onsight/indexer"
)

// Since returns what a reader that knows seq must do, read at one moment; seq 0 knows nothing. A reader that has not asked
// for 10,000 commits starts over. With Full the whole history comes at once: some 300 bytes a record.
func (s *Store) Since(ctx context.Context, seq uint64) (d indexer.Delta, err error) {
	err = s.view(ctx, "read changes", func(tx *gorm.DB) error {
		d, err = since(tx, seq)
		return err
	})
	if err != nil {
		return indexer.Delta{}, err
	}
	return d, nil
}

func since(tx *gorm.DB, seq uint64) (d indexer.Delta, err error) {
	var log struct{ Oldest, Newest uint64 }
	if err := tx.Raw("SELECT COALESCE(MIN(seq), 0) AS oldest, COALESCE(MAX(seq), 0) AS newest FROM commits").Scan(&log).Error; err != nil {
		return d, err
	}
	st, err := fullState(tx)
	if err != nil {
		return d, err
	}
	d = indexer.Delta{Seq: log.Newest, Tip: st.Tip, State: st}
	// A seq from the future is of another database, or of commits a power cut took back.
	d.Full = seq == 0 || seq > log.Newest || seq+1 < log.Oldest
	from := uint64(0)
	if !d.Full {
		var base *int64
		if err := tx.Raw("SELECT MIN(base_height) FROM commits WHERE seq > ?", seq).Scan(&base).Error; err != nil {
			return d, err
		}
		switch {
		case base == nil && st.Tip == nil: // nothing happened, and there is nothing
			return d, nil
		case base == nil:
			d.Base = st.Tip.Height
			return d, nil
		case *base < 0:
			d.Full = true
		default:
			d.Base = uint64(*base)
			from = above(d.Base)
		}
	}
	var rows []recordRow
	err = tx.Where("place >= ?", from).Order("place").Find(&rows).Error
	recs, err2 := records(rows)
	d.Records = recs
	return d, errors.Join(err, err2)
}
