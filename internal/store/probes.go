package store

import (
	"context"
	"crypto/ed25519"
	"database/sql"
	"errors"
	"fmt"
	"math"

	"gorm.io/gorm"

	"onsight/directory"
)

var (
	// ErrProber is returned by Enrol if and only if the name or the key is enrolled already, or is none.
	ErrProber = errors.New("the prober cannot be enrolled")
	// ErrNoProber is returned by Dismiss if and only if no prober has that name.
	ErrNoProber = errors.New("no such prober")
)

// traces reads the estimates that changed after a commit.
func traces(tx *gorm.DB, commit uint64) (out []directory.Trace, err error) {
	rows, err := tx.Raw("SELECT key, vantage, blob FROM estimates WHERE changed > ?", commit).Rows()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var key, blob sql.RawBytes // valid until the next row, by when they are read
	for rows.Next() {
		var t directory.Trace
		if err := rows.Scan(&key, &t.Vantage, &blob); err != nil {
			return nil, err
		}
		if t.Key, err = nodeKey(key); err == nil {
			err = t.Estimate.UnmarshalBinary(blob)
		}
		if err != nil {
			return nil, fmt.Errorf("estimate of node %x from %s: %w", []byte(key), t.Vantage, err)
		}
		out = append(out, t)
	}
	return out, rows.Err()
}

func probers(tx *gorm.DB) ([]directory.Prober, error) {
	var rows []proberRow
	if err := tx.Order("name").Limit(proberMost).Find(&rows).Error; err != nil {
		return nil, err
	}
	out := make([]directory.Prober, len(rows))
	for i := range rows {
		out[i] = rows[i].prober()
	}
	return out, nil
}

// proberMost is how many probers may be enrolled: each costs every node a row in four tables.
const proberMost = 100

// Rings returns the rings with a number of the given nodes at a vantage point; of a node without one, nothing.
func (s *Store) Rings(ctx context.Context, vantage string, ring int, keys []directory.Key) (map[directory.Key][]byte, error) {
	out := make(map[directory.Key][]byte, len(keys))
	err := s.view(ctx, "read histories", func(tx *gorm.DB) error {
		for len(keys) > 0 {
			n := min(len(keys), chunk)
			list := make([][]byte, n)
			for i := range list {
				list[i] = keys[i][:]
			}
			if err := rings(tx, vantage, ring, list, out); err != nil {
				return err
			}
			keys = keys[n:]
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func rings(tx *gorm.DB, vantage string, ring int, keys [][]byte, out map[directory.Key][]byte) error {
	rows, err := tx.Raw("SELECT key, blob FROM rings WHERE key IN ? AND vantage = ? AND ring = ?", keys, vantage, ring).Rows()
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var key, blob []byte
		if err := rows.Scan(&key, &blob); err != nil {
			return err
		}
		k, err := nodeKey(key)
		if err != nil {
			return err
		}
		out[k] = blob
	}
	return rows.Err()
}

// CommitProbes applies p in one transaction or not at all; see directory.Store. Any error but directory.ErrFenced,
// directory.ErrSequence and directory.ErrNotEnrolled is the database's, and likewise has changed nothing.
func (s *Store) CommitProbes(ctx context.Context, epoch uint64, p directory.Probed) error {
	return s.commitDirectory(ctx, epoch, "commit probes", func(tx *gorm.DB, st *nodeStateRow) error { return applyProbes(tx, st, &p) })
}

func applyProbes(tx *gorm.DB, st *nodeStateRow, p *directory.Probed) error {
	if p.Vantage != directory.Here {
		if err := report(tx, p); err != nil {
			return err
		}
	}
	st.Every = p.Every.Microseconds()
	for i := range p.Traces { // the vantage point first: gorm takes bytes behind an opening bracket for a list
		t := &p.Traces[i]
		blob, err := t.Estimate.MarshalBinary()
		if err != nil {
			return fmt.Errorf("estimate of node %s: %w", t.Key, err)
		}
		err = tx.Exec("INSERT INTO estimates (vantage, key, blob, changed) VALUES (?, ?, ?, ?)"+
			" ON CONFLICT (key, vantage) DO UPDATE SET blob = excluded.blob, changed = excluded.changed",
			p.Vantage, t.Key[:], blob, st.Commits).Error
		if err != nil {
			return err
		}
		for ring, blob := range t.Rings {
			if blob == nil {
				continue
			}
			err := tx.Exec("INSERT INTO rings (vantage, key, ring, blob) VALUES (?, ?, ?, ?)"+
				" ON CONFLICT (key, vantage, ring) DO UPDATE SET blob = excluded.blob", p.Vantage, t.Key[:], ring, blob).Error
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// report notes that a prober's report came, if it may.
func report(tx *gorm.DB, p *directory.Probed) error {
	var row proberRow
	res := tx.Where("name = ?", p.Vantage).Limit(1).Find(&row)
	switch {
	case res.Error != nil:
		return res.Error
	case res.RowsAffected == 0:
		return fmt.Errorf("%w: %q", directory.ErrNotEnrolled, p.Vantage)
	case p.Sequence > math.MaxInt64 || p.Sequence <= uint64(row.Sequence):
		return fmt.Errorf("%w: its number is %d, the last one's %d", directory.ErrSequence, p.Sequence, row.Sequence)
	}
	row.Sequence, row.Reported = int64(p.Sequence), p.At.UnixMicro()
	return tx.Save(&row).Error
}

// Probers returns the enrolled vantage points by name.
func (s *Store) Probers(ctx context.Context) (list []directory.Prober, err error) {
	err = s.view(ctx, "read probers", func(tx *gorm.DB) error {
		list, err = probers(tx)
		return err
	})
	return list, err
}

// Enrol lets a prober report. It needs no epoch: with Config.Shared it may be done while another process writes.
func (s *Store) Enrol(ctx context.Context, name string, key ed25519.PublicKey) error {
	return s.enrolment(ctx, "enrol "+name, func(tx *gorm.DB, st *nodeStateRow) error {
		var taken int64
		if err := tx.Raw("SELECT COUNT(*) FROM probers WHERE name = ? OR key = ?", name, []byte(key)).Scan(&taken).Error; err != nil {
			return err
		}
		var n int64
		if err := tx.Raw("SELECT COUNT(*) FROM probers").Scan(&n).Error; err != nil {
			return err
		}
		switch {
		case name == "" || name == directory.Here:
			return fmt.Errorf("%w: %q is no name", ErrProber, name)
		case len(key) != ed25519.PublicKeySize:
			return fmt.Errorf("%w: a key has %d bytes", ErrProber, ed25519.PublicKeySize)
		case taken > 0:
			return fmt.Errorf("%w: its name or key is enrolled", ErrProber)
		case n >= proberMost:
			return fmt.Errorf("%w: there are %d already", ErrProber, n)
		}
		return tx.Create(&proberRow{Name: name, Key: key, Enrolled: s.now().UnixMicro()}).Error
	})
}

// Dismiss takes a prober's enrolment back and deletes what it measured. ErrNoProber if there is none of that name.
func (s *Store) Dismiss(ctx context.Context, name string) error {
	return s.enrolment(ctx, "dismiss "+name, func(tx *gorm.DB, st *nodeStateRow) error {
		res := tx.Exec("DELETE FROM probers WHERE name = ?", name)
		if res.Error == nil && res.RowsAffected == 0 {
			return ErrNoProber
		}
		st.Rolled = st.Commits
		return errors.Join(res.Error, tx.Exec("DELETE FROM estimates WHERE vantage = ?", name).Error,
			tx.Exec("DELETE FROM rings WHERE vantage = ?", name).Error)
	})
}

func (s *Store) enrolment(ctx context.Context, what string, f func(tx *gorm.DB, st *nodeStateRow) error) error {
	if s.write == nil {
		return ErrReadOnly
	}
	err := s.write.WithContext(ctx).Transaction(func(tx *gorm.DB) error { return changeDirectory(tx, f) })
	if err != nil {
		return fmt.Errorf("%s in %s: %w", what, s.path, err)
	}
	return nil
}
