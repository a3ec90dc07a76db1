package store

import (
	"context"
	"database/sql"
	"fmt"

	"gorm.io/gorm"

	"onsight/indexer"
	"onsight/ons"
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
	d.Records, d.Times, err = scan(tx, from)
	return d, err
}

// scan reads the records from a place on and when their blocks were made, one row at a time into one row's memory: through
// gorm's Find a whole registry takes three times as long and as much memory again.
func scan(tx *gorm.DB, from uint64) ([]ons.Record, []int64, error) {
	var n int
	if err := tx.Raw("SELECT COUNT(*) FROM records WHERE place >= ?", from).Scan(&n).Error; err != nil {
		return nil, nil, err
	}
	// Blocks with records always have a row.
	rows, err := tx.Raw("SELECT place, type, name_hash, kind, owner, backup, ciphertext, nonce, registered, expires, txid, prev, time"+
		" FROM records JOIN blocks ON height = place / ? WHERE place >= ? ORDER BY place", 1<<placeBits, from).Rows()
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	out, times := make([]ons.Record, 0, n), make([]int64, 0, n)
	var r recordRow
	var made int64
	var hash, owner, backup, id, prev sql.RawBytes // valid until the next row, by when they are copied
	for rows.Next() {
		err := rows.Scan(&r.Place, &r.Type, &hash, &r.Kind, &owner, &backup, &r.Ciphertext, &r.Nonce, &r.Registered, &r.Expires, &id, &prev, &made)
		if err != nil {
			return nil, nil, err
		}
		r.NameHash, r.Owner, r.Backup, r.Txid, r.Prev = hash, owner, backup, id, prev
		rec, err := r.record()
		if err != nil {
			return nil, nil, err
		}
		out, times = append(out, rec), append(times, made)
	}
	if err := rows.Err(); err != nil {
		return nil, nil, err
	}
	if len(out) != n {
		return nil, nil, fmt.Errorf("%d of %d records are of blocks that are not there", n-len(out), n)
	}
	return out, times, nil
}
