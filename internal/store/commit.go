package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"onsight/indexer"
)

const (
	sparse    = 256              // every so many heights a block keeps its row for good
	logLength = 10_000           // commits that Since remembers
	lease     = 60 * time.Second // how long a writer that says nothing counts as alive
	batch     = 100              // rows per INSERT: 1,200 variables, far under SQLite's 32,766
)

// Begin makes the caller the writer and returns its epoch, which Commit asks for. Whoever wrote before is fenced.
func (s *Store) Begin(ctx context.Context) (epoch uint64, err error) {
	if s.write == nil || s.shared {
		return 0, ErrReadOnly
	}
	err = s.write.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if err := tx.Exec("UPDATE writer SET epoch = epoch + 1, until = ? WHERE id = 1", s.until()).Error; err != nil {
			return err
		}
		return tx.Raw("SELECT epoch FROM writer WHERE id = 1").Scan(&epoch).Error
	})
	if err != nil {
		return 0, fmt.Errorf("begin writing %s: %w", s.path, err)
	}
	return epoch, nil
}

func (s *Store) until() int64 { return s.now().Add(lease).UnixMicro() }

// Commit applies r in one transaction or not at all; see indexer.Store. A range without blocks and without a base stores
// its State and touches nothing else. Any error but ErrFenced and ErrBase is the database's or the caller's mistake, and
// likewise has changed nothing.
func (s *Store) Commit(ctx context.Context, epoch uint64, r indexer.Range) error {
	if s.write == nil || s.shared {
		return ErrReadOnly
	}
	if err := check(&r); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	wait := func(conn *gorm.DB) (bool, error) { return waits(conn, &r) }
	err := s.transact(ctx, wait, func(tx *gorm.DB) error {
		if err := s.apply(tx, epoch, &r); err != nil {
			return err
		}
		s.step("before-commit")
		return nil
	})
	if err != nil {
		return fmt.Errorf("commit to %s: %w", s.path, err)
	}
	s.step("after-commit")
	return nil
}

// transact runs f as one transaction, which is on the disk at its end if wait says so. One connection runs both, so that nobody who
// commits at the same time goes without waiting.
func (s *Store) transact(ctx context.Context, wait func(*gorm.DB) (bool, error), f func(*gorm.DB) error) error {
	return s.write.WithContext(ctx).Connection(func(conn *gorm.DB) error {
		conn = conn.Session(&gorm.Session{NewDB: true}) // else one statement would be part of the next
		durable, err := wait(conn)
		if err != nil {
			return err
		}
		if err := conn.Exec(synchronous(durable)).Error; err != nil {
			return err
		}
		return conn.Transaction(f)
	})
}

func always(*gorm.DB) (bool, error) { return true, nil }

// waits reports whether a range is to be on the disk before Commit ends. What a power cut takes back of a first sync is made again as it
// was, with the same numbers in the log of events, and waiting would take as long as all else. Not so what is taken back, nor what
// comes later: a chain may be another one by then.
func waits(tx *gorm.DB, r *indexer.Range) (bool, error) {
	if r.State.Phase != indexer.Syncing {
		return true, nil
	}
	old, err := state(tx)
	if err != nil || old.Synced != 0 || r.Base == nil {
		return old.Synced != 0, err
	}
	tip, err := newest(tx)
	return tip != nil && tip.Height > r.Base.Height, err
}

// check finds what no database state could make right.
func check(r *indexer.Range) error {
	for i := range r.Blocks {
		b := &r.Blocks[i]
		switch {
		case b.Height > maxHeight:
			return fmt.Errorf("block %d is higher than any chain", b.Height)
		case i > 0 && b.Height != r.Blocks[i-1].Height+1:
			return fmt.Errorf("block %d follows block %d", b.Height, r.Blocks[i-1].Height)
		case i == 0 && r.Base != nil && b.Height != r.Base.Height+1:
			return fmt.Errorf("block %d stands on block %d", b.Height, r.Base.Height)
		}
		for j := range b.Records {
			rec := &b.Records[j]
			switch {
			case rec.Updated != b.Height:
				return fmt.Errorf("block %d has a record of height %d", b.Height, rec.Updated)
			case rec.TxIndex >= 1<<placeBits:
				return fmt.Errorf("block %d has a transaction number %d", b.Height, rec.TxIndex)
			case j > 0 && rec.TxIndex <= b.Records[j-1].TxIndex:
				return fmt.Errorf("records of block %d are not in its order", b.Height)
			}
		}
	}
	return nil
}

// apply is the whole of Commit inside the transaction.
func (s *Store) apply(tx *gorm.DB, epoch uint64, r *indexer.Range) error {
	res := tx.Exec("UPDATE writer SET until = ? WHERE id = 1 AND epoch = ? AND epoch > 0", s.until(), epoch)
	if res.Error != nil {
		return res.Error
	}
	if res.RowsAffected == 0 {
		return indexer.ErrFenced
	}
	tip, err := newest(tx)
	if err != nil {
		return err
	}
	undone, err := s.stand(tx, tip, r)
	if err != nil {
		return err
	}
	old, err := state(tx)
	if err != nil {
		return err
	}
	keep := old.Keep
	if n := len(r.Blocks); n > 0 {
		keep = min(r.Keep, maxHeight) // so that it fits a column
		if err := insert(tx, r, tip == nil); err != nil {
			return err
		}
		if r.Base != nil {
			// A shorter window (after a rollback, or another setting) leaves rows that a later, longer one removes.
			spare := [2]uint64{r.Blocks[n-1].Height, r.State.Final}
			if err := prune(tx, old.Keep, keep, spare); err != nil {
				return err
			}
			if err := prune(tx, r.Base.Height, min(r.Base.Height+1, keep), spare); err != nil {
				return err
			}
		}
	}
	row := newStateRow(&r.State, keep)
	if row.Synced = old.Synced; r.State.Phase == indexer.Synced {
		row.Synced = 1
	}
	if err := tx.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error; err != nil {
		return err
	}
	if err := logRange(tx, undone, r); err != nil {
		return fmt.Errorf("log events: %w", err)
	}
	return logCommit(tx, tip, r)
}

// stand makes r.Base the newest block and returns what that took back, if anything, or says that it is not there.
func (s *Store) stand(tx *gorm.DB, tip *blockRow, r *indexer.Range) (*reorgRow, error) {
	if r.Base == nil {
		if tip != nil && len(r.Blocks) > 0 {
			return nil, fmt.Errorf("%w: none is named, but the index has %d", indexer.ErrBase, tip.Height)
		}
		return nil, nil
	}
	if tip == nil || r.Base.Height > tip.Height {
		return nil, fmt.Errorf("%w: %d %s", indexer.ErrBase, r.Base.Height, r.Base.Hash)
	}
	base := blockRow{}
	res := tx.Where("height = ?", r.Base.Height).Limit(1).Find(&base)
	if res.Error != nil {
		return nil, res.Error
	}
	if res.RowsAffected == 0 || string(base.Hash) != string(r.Base.Hash[:]) {
		return nil, fmt.Errorf("%w: %d %s", indexer.ErrBase, r.Base.Height, r.Base.Hash)
	}
	if tip.Height == base.Height {
		return nil, nil
	}
	row, err := s.rollback(tx, &base, tip, r)
	if err != nil {
		return nil, fmt.Errorf("roll back to block %d: %w", base.Height, err)
	}
	s.step("rollback")
	return row, nil
}

// rollback removes everything above base and writes down that it did, and for what.
func (s *Store) rollback(tx *gorm.DB, base, tip *blockRow, r *indexer.Range) (*reorgRow, error) {
	row := reorgRow{
		At: s.now().UnixMicro(), BaseHeight: base.Height, BaseHash: base.Hash, TipHeight: tip.Height, TipHash: tip.Hash,
	}
	from := above(base.Height)
	if err := tx.Raw("SELECT COALESCE(MAX(id), 0) + 1 FROM reorgs").Scan(&row.ID).Error; err != nil {
		return nil, err
	}
	if err := tx.Raw("SELECT COUNT(*) FROM records WHERE place >= ?", from).Scan(&row.Records).Error; err != nil {
		return nil, err
	}
	seq, err := lastEvent(tx)
	if err != nil {
		return nil, err
	}
	row.Seq = seq + 1
	to, redone := *r.Base, uint64(0)
	for i := range r.Blocks {
		to, redone = r.Blocks[i].Point, redone+uint64(len(r.Blocks[i].Records))
	}
	row.ToHeight, row.ToHash, row.Redone = &to.Height, to.Hash[:], &redone
	if err := tx.Create(&row).Error; err != nil {
		return nil, err
	}
	for _, q := range []struct {
		sql  string
		args []any
	}{
		{"INSERT INTO undone (reorg, place, type, name_hash, kind, txid, time, owner, backup, ciphertext, nonce, registered, expires, prev)" +
			" SELECT ?, place, type, name_hash, kind, txid, (SELECT b.time FROM blocks b WHERE b.height = place / ?)," +
			" owner, backup, ciphertext, nonce, registered, expires, prev FROM records WHERE place >= ?", []any{row.ID, 1 << placeBits, from}},
		{"DELETE FROM records WHERE place >= ?", []any{from}},
		{"DELETE FROM skips WHERE height > ?", []any{base.Height}},
		{"DELETE FROM blocks WHERE height > ?", []any{base.Height}},
	} {
		if err := tx.Exec(q.sql, q.args...).Error; err != nil {
			return nil, err
		}
	}
	s.log.DebugContext(tx.Statement.Context, "blocks rolled back", "base", base.Height, "tip", tip.Height, "records", row.Records)
	return &row, nil
}

// insert writes the rows of r's blocks: all records and skips, and the blocks worth a row.
func insert(tx *gorm.DB, r *indexer.Range, empty bool) error {
	blocks, recs, skips := 0, 0, 0
	worth := func(i int) bool {
		b := &r.Blocks[i]
		return len(b.Records)+len(b.Skips) > 0 || b.Height%sparse == 0 || b.Height >= r.Keep ||
			i == len(r.Blocks)-1 || i == 0 && empty
	}
	for i := range r.Blocks {
		if worth(i) {
			blocks++
		}
		recs += len(r.Blocks[i].Records)
		skips += len(r.Blocks[i].Skips)
	}
	blockRows, recordRows, skipRows := make([]blockRow, 0, blocks), make([]recordRow, 0, recs), make([]skipRow, 0, skips)
	for i := range r.Blocks {
		b := &r.Blocks[i]
		if worth(i) {
			blockRows = append(blockRows, newBlockRow(b))
		}
		for j := range b.Records {
			recordRows = append(recordRows, newRecordRow(&b.Records[j]))
		}
		for j := range b.Skips {
			skipRows = append(skipRows, skipRow{Height: b.Height, Place: j, Txid: b.Skips[j].Txid[:], Reason: b.Skips[j].Reason})
		}
	}
	return errors.Join(create(tx, blockRows), create(tx, recordRows), create(tx, skipRows))
}

func create[Row any](tx *gorm.DB, rows []Row) error {
	if len(rows) == 0 {
		return nil // gorm calls this an error
	}
	return tx.CreateInBatches(rows, batch).Error
}

// prune deletes the rows of blocks in [from, to) that nothing else keeps. The first block stays, since the index begins
// there, and the spared ones: the tip and the final block, below which no fork may be taken to lie by mistake.
func prune(tx *gorm.DB, from, to uint64, spare [2]uint64) error {
	if from >= to {
		return nil
	}
	return tx.Exec("DELETE FROM blocks WHERE height >= ? AND height < ? AND height % ? <> 0 AND height <> ? AND height <> ?"+
		" AND digest IS NULL AND height <> (SELECT MIN(height) FROM blocks)"+
		" AND NOT EXISTS (SELECT 1 FROM skips WHERE skips.height = blocks.height)", from, to, sparse, spare[0], spare[1]).Error
}

// logCommit tells readers from where on their copy is no longer right.
func logCommit(tx *gorm.DB, tip *blockRow, r *indexer.Range) error {
	row := commitRow{BaseHeight: -1}
	switch {
	case r.Base != nil:
		row.BaseHeight = int64(r.Base.Height)
	case len(r.Blocks) == 0 && tip != nil:
		row.BaseHeight = int64(min(tip.Height, math.MaxInt64))
	}
	if err := tx.Raw("SELECT COALESCE(MAX(seq), 0) + 1 FROM commits").Scan(&row.Seq).Error; err != nil {
		return err
	}
	if err := tx.Create(&row).Error; err != nil {
		return err
	}
	if row.Seq <= logLength {
		return nil
	}
	return tx.Exec("DELETE FROM commits WHERE seq <= ?", row.Seq-logLength).Error
}
