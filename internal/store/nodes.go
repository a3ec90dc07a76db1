package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"onsight/directory"
)

var _ directory.Store = (*Store)(nil)

// nodeBatch is how many nodes one INSERT writes: 2,300 variables.
const nodeBatch = 50

// NodesSince returns what changed in the directory after a commit, read at one moment; 0 knows nothing. When nothing did,
// that is one query of one row.
func (s *Store) NodesSince(ctx context.Context, commit uint64) (c directory.Changes, err error) {
	err = s.view(ctx, "read nodes", func(tx *gorm.DB) error {
		st, err := nodeState(tx)
		if err != nil {
			return err
		}
		if c.Position, err = st.position(); err != nil || commit == st.Commits && commit > 0 {
			return err
		}
		// A commit from the future is of another database, or one that a power cut took back.
		c.Full = commit == 0 || commit > st.Commits || commit < st.Rolled
		if c.Full {
			commit = 0
		}
		if c.Nodes, err = nodes(tx, "changed > ?", commit); err != nil {
			return err
		}
		if c.Traces, err = traces(tx, commit); err != nil {
			return err
		}
		c.Probers, err = probers(tx)
		return err
	})
	if err != nil {
		return directory.Changes{}, err
	}
	return c, nil
}

func nodeState(tx *gorm.DB) (row nodeStateRow, err error) {
	if err = tx.Limit(1).Find(&row).Error; err == nil && row.ID == 0 {
		err = errors.New("node_state has no row")
	}
	return row, err
}

func nodes(tx *gorm.DB, where string, args ...any) ([]directory.Node, error) {
	var rows []nodeRow
	if err := tx.Where(where, args...).Order("key").Find(&rows).Error; err != nil {
		return nil, err
	}
	out := make([]directory.Node, len(rows))
	for i := range rows {
		var err error
		if out[i], err = rows[i].node(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// NodePoints returns at most limit points that a round may stand on, at or below height, newest first.
func (s *Store) NodePoints(ctx context.Context, height uint64, limit int) ([]directory.Point, error) {
	if limit <= 0 {
		return nil, nil
	}
	var rows []nodePointRow
	err := s.read.WithContext(ctx).Where("height <= ?", int64(min(height, math.MaxInt64))).Order("height DESC").Limit(limit).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read points of nodes in %s: %w", s.path, err)
	}
	out := make([]directory.Point, len(rows))
	for i, r := range rows {
		hash, err := txid(r.Hash)
		if err != nil {
			return nil, fmt.Errorf("read points of nodes in %s: block %d: %w", s.path, r.Height, err)
		}
		out[i] = directory.Point{Height: uint64(r.Height), Hash: hash}
	}
	return out, nil
}

// NodesAt returns all nodes as they were at a stored point but for what is fleeting, which is of now. The error wraps
// directory.ErrBase if the point is not stored.
func (s *Store) NodesAt(ctx context.Context, at directory.Point) (list []directory.Node, err error) {
	err = s.view(ctx, "read nodes of a block", func(tx *gorm.DB) error {
		if err := nodePoint(tx, &at); err != nil {
			return err
		}
		if list, err = nodes(tx, "key NOT IN (SELECT key FROM node_undo WHERE round > ?)", int64(at.Height)); err != nil {
			return err
		}
		before, err := undone(tx, int64(at.Height))
		for i := range before {
			n, err := before[i].node()
			if err != nil {
				return err
			}
			list = append(list, n)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// nodePoint says whether a point is stored.
func nodePoint(tx *gorm.DB, p *directory.Point) error {
	var row nodePointRow
	res := tx.Where("height = ?", int64(p.Height)).Limit(1).Find(&row)
	if res.Error != nil {
		return res.Error
	}
	if res.RowsAffected == 0 || string(row.Hash) != string(p.Hash[:]) {
		return fmt.Errorf("%w: %d %s", directory.ErrBase, p.Height, p.Hash)
	}
	return nil
}

// undone reads what nodes that rounds above base changed were at base, leaving out those that were not there.
func undone(tx *gorm.DB, base int64) ([]nodeRow, error) {
	var undo []nodeUndoRow
	err := tx.Raw("SELECT u.round, u.key, u.was FROM node_undo u JOIN (SELECT key, MIN(round) AS round FROM node_undo WHERE round > ?"+
		" GROUP BY key) oldest ON oldest.key = u.key AND oldest.round = u.round WHERE u.was IS NOT NULL", base).Scan(&undo).Error
	if err != nil {
		return nil, err
	}
	rows := make([]nodeRow, len(undo))
	for i, u := range undo {
		if err := json.Unmarshal([]byte(*u.Was), &rows[i]); err != nil {
			return nil, fmt.Errorf("node %x before block %d: %w", u.Key, u.Round, err)
		}
	}
	return rows, nil
}

// CommitNodes applies r in one transaction or not at all; see directory.Store. Any error but directory.ErrFenced and
// directory.ErrBase is the database's, and likewise has changed nothing.
func (s *Store) CommitNodes(ctx context.Context, epoch uint64, r directory.Round) error {
	return s.commitDirectory(ctx, epoch, "commit nodes", func(tx *gorm.DB, st *nodeStateRow) error { return s.applyRound(tx, st, &r) })
}

// commitDirectory runs f as one transaction of the writer, with a new number of commit, and stores what f makes of the
// state. The number is given back if f wants none: if it lowers it.
func (s *Store) commitDirectory(ctx context.Context, epoch uint64, what string, f func(tx *gorm.DB, st *nodeStateRow) error) error {
	if s.write == nil || s.shared {
		return ErrReadOnly
	}
	err := s.transact(ctx, always, func(tx *gorm.DB) error {
		res := tx.Exec("UPDATE writer SET until = ? WHERE id = 1 AND epoch = ? AND epoch > 0", s.until(), epoch)
		if res.Error == nil && res.RowsAffected == 0 {
			return directory.ErrFenced
		}
		if res.Error != nil {
			return res.Error
		}
		if err := changeDirectory(tx, f); err != nil {
			return err
		}
		s.step("before-commit")
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s to %s: %w", what, s.path, err)
	}
	s.step("after-commit")
	return nil
}

func changeDirectory(tx *gorm.DB, f func(tx *gorm.DB, st *nodeStateRow) error) error {
	st, err := nodeState(tx)
	if err != nil {
		return err
	}
	st.Commits++
	if err := f(tx, &st); err != nil {
		return err
	}
	return tx.Save(&st).Error
}

func (s *Store) applyRound(tx *gorm.DB, st *nodeStateRow, r *directory.Round) error {
	tip := directory.Point{Height: uint64(st.Height)}
	copy(tip.Hash[:], st.Hash)
	var undone []nodeEventRow
	switch {
	case r.Base == nil: // what is stored of an earlier chain, if anything, cannot be gone back to
		if err := tx.Exec("DELETE FROM node_points").Error; err != nil {
			return err
		}
		if err := tx.Exec("DELETE FROM node_undo").Error; err != nil {
			return err
		}
	default:
		if err := nodePoint(tx, r.Base); err != nil {
			return err
		}
		if *r.Base != tip {
			var err error
			if undone, err = rollbackNodes(tx, st, r); err != nil {
				return fmt.Errorf("roll nodes back to block %d: %w", r.Base.Height, err)
			}
			s.step("rollback")
		}
	}
	if r.Base != nil && r.Position.Point == tip && *r.Base == tip && len(r.Nodes)+len(r.Events)+len(r.Reasons) == 0 {
		st.Commits-- // who asked last is no news
		st.set(&r.Position)
		return nil
	}
	round := int64(r.Position.Height)
	if r.Base == nil || r.Position.Point != *r.Base {
		row := nodePointRow{Height: round, Hash: r.Position.Hash[:]}
		if err := tx.Create(&row).Error; err != nil {
			return err
		}
	}
	if err := writeNodes(tx, st.Commits, r); err != nil {
		return err
	}
	events := make([]nodeEventRow, len(r.Events))
	for i := range r.Events {
		st.Seq++
		events[i] = newNodeEventRow(&r.Events[i], st.Seq, round)
	}
	if err := create(tx, events); err != nil {
		return err
	}
	for i := range r.Reasons {
		e := newNodeEventRow(&r.Reasons[i], 0, 0)
		err := tx.Exec("UPDATE node_events SET reasons = ? WHERE substr(key, 1, 8) = ? AND key = ? AND kind = ? AND height = ?",
			e.Reasons, e.Key[:8], e.Key, e.Kind, e.Height).Error
		if err != nil {
			return err
		}
	}
	if err := logNodes(tx, append(undone, events...), r.Reasons); err != nil {
		return fmt.Errorf("log events: %w", err)
	}
	st.set(&r.Position)
	return pruneNodes(tx, int64(min(r.Final, r.Position.Height)))
}

// rollbackNodes makes nodes what they were at r.Base, deletes the events since, and returns the row that notes which those were, if
// there were any.
func rollbackNodes(tx *gorm.DB, st *nodeStateRow, r *directory.Round) ([]nodeEventRow, error) {
	base := int64(r.Base.Height)
	before, err := undone(tx, base)
	if err != nil {
		return nil, err
	}
	var gone struct{ Oldest, Newest uint64 }
	err = tx.Raw("SELECT COALESCE(MIN(seq), 0) AS oldest, COALESCE(MAX(seq), 0) AS newest FROM node_events WHERE round > ?", base).Scan(&gone).Error
	if err != nil {
		return nil, err
	}
	for _, q := range []string{
		"DELETE FROM nodes WHERE key IN (SELECT key FROM node_undo WHERE round > ?)",
		"DELETE FROM node_events WHERE round > ?",
		"DELETE FROM node_undo WHERE round > ?",
		"DELETE FROM node_points WHERE height > ?",
	} {
		if err := tx.Exec(q, base).Error; err != nil {
			return nil, err
		}
	}
	st.Rolled = st.Commits
	if len(before) > 0 {
		if err := tx.CreateInBatches(before, nodeBatch).Error; err != nil {
			return nil, err
		}
	}
	if gone.Newest == 0 {
		return nil, nil
	}
	st.Seq++
	row := nodeEventRow{
		Seq: st.Seq, Round: -1, Height: base, Time: stamp(r.Position.Time), Key: []byte{}, Kind: string(directory.KindUndone),
		Was: strconv.FormatUint(gone.Oldest, 10), Became: strconv.FormatUint(gone.Newest, 10),
	}
	return []nodeEventRow{row}, tx.Create(&row).Error
}

// writeNodes writes the nodes of a round, and before that what they were unless that cannot be asked for.
func writeNodes(tx *gorm.DB, commit uint64, r *directory.Round) error {
	if len(r.Nodes) == 0 {
		return nil
	}
	rows, keys := make([]nodeRow, len(r.Nodes)), [][]byte{}
	for i := range r.Nodes {
		var err error
		if rows[i], err = newNodeRow(&r.Nodes[i].Node, commit); err != nil {
			return err
		}
		if !r.Nodes[i].Fleeting && r.Base != nil {
			keys = append(keys, rows[i].Key)
		}
	}
	if err := keepNodes(tx, int64(r.Position.Height), keys); err != nil {
		return err
	}
	return tx.Clauses(clause.OnConflict{UpdateAll: true}).CreateInBatches(rows, nodeBatch).Error
}

// keepNodes writes down what nodes are before a round changes them. What the same round did before comes first.
func keepNodes(tx *gorm.DB, round int64, keys [][]byte) error {
	for len(keys) > 0 {
		n := min(len(keys), chunk)
		var was []nodeRow
		if err := tx.Where("key IN ?", keys[:n]).Find(&was).Error; err != nil {
			return err
		}
		rows := make([]nodeUndoRow, 0, n)
		known := map[string]bool{}
		for i := range was {
			b, err := json.Marshal(&was[i])
			if err != nil {
				return err
			}
			text := string(b)
			known[string(was[i].Key)] = true
			rows = append(rows, nodeUndoRow{Round: round, Key: was[i].Key, Was: &text})
		}
		for _, k := range keys[:n] {
			if !known[string(k)] {
				rows = append(rows, nodeUndoRow{Round: round, Key: k})
			}
		}
		if err := tx.Clauses(clause.OnConflict{DoNothing: true}).CreateInBatches(rows, batch).Error; err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

// pruneNodes deletes what only a reorganisation below the newest point at or below final would need.
func pruneNodes(tx *gorm.DB, final int64) error {
	var keep *int64
	if err := tx.Raw("SELECT MAX(height) FROM node_points WHERE height <= ?", final).Scan(&keep).Error; err != nil || keep == nil {
		return err
	}
	if err := tx.Exec("DELETE FROM node_points WHERE height < ?", *keep).Error; err != nil {
		return err
	}
	return tx.Exec("DELETE FROM node_undo WHERE round <= ?", *keep).Error
}

// NodeEvents returns the first limit rows of the log after a number: of one node, or with nil all.
func (s *Store) NodeEvents(ctx context.Context, key *directory.Key, after uint64, limit int) ([]directory.Stored, error) {
	if limit <= 0 {
		return nil, nil
	}
	tx := s.read.WithContext(ctx).Where("seq > ?", int64(min(after, math.MaxInt64)))
	if key != nil {
		tx = tx.Where("substr(key, 1, 8) = ? AND key = ?", key[:8], key[:])
	}
	var rows []nodeEventRow
	if err := tx.Order("seq").Limit(limit).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read events of nodes in %s: %w", s.path, err)
	}
	out := make([]directory.Stored, len(rows))
	for i := range rows {
		var err error
		if out[i], err = rows[i].stored(); err != nil {
			return nil, fmt.Errorf("read events of nodes in %s: %w", s.path, err)
		}
	}
	return out, nil
}
