package store

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"gorm.io/gorm"
)

// Node is a service node as the network describes it, and what we met with.
type Node struct {
	Ed25519  [32]byte
	X25519   [32]byte
	IP       string
	Port     uint16 // of its storage server's HTTPS
	Swarm    uint64
	Operator string // whoever staked it; empty: unknown

	Strikes int           // failures since the last success
	Latency time.Duration // of the newest test; 0: not tested
	Guard   int           // 1, 2, … in the order of preference; 0: not a guard
	Failing time.Time     // of a guard: since when it does not work; zero: it does
	Rest    time.Time     // of a guard: until when it is left alone; zero: it is not
}

type nodeRow struct {
	Ed25519  []byte `gorm:"column:ed25519;primaryKey"`
	X25519   []byte `gorm:"column:x25519"`
	IP       string
	Port     uint16
	Swarm    string
	Operator string
	Strikes  int
	Latency  int64 // microseconds
	Guard    int
	Failing  *int64
	Rest     *int64
}

func (nodeRow) TableName() string { return "nodes" }

// SetPool replaces the list of nodes. What we met with at those that stay, is kept; what the list says of it, is ignored.
func (s *Store) SetPool(ctx context.Context, list []Node, at time.Time) error {
	return s.update(ctx, "store nodes", func(tx *gorm.DB) error {
		var stay [][]byte
		for _, n := range list {
			stay = append(stay, n.Ed25519[:])
			err := tx.Exec(`INSERT INTO nodes (port, ed25519, x25519, ip, swarm, operator) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
				x25519 = excluded.x25519, ip = excluded.ip, port = excluded.port, swarm = excluded.swarm, operator = excluded.operator`,
				n.Port, n.Ed25519[:], n.X25519[:], n.IP, fmt.Sprintf("%016x", n.Swarm), n.Operator).Error
			if err != nil {
				return err
			}
		}
		left := tx.Where("ed25519 NOT IN ?", stay)
		if len(stay) == 0 {
			left = tx.Where("TRUE")
		}
		if err := left.Delete(&nodeRow{}).Error; err != nil {
			return err
		}
		return tx.Exec("INSERT INTO pool (id, at) VALUES (1, ?) ON CONFLICT DO UPDATE SET at = excluded.at", unix(at)).Error
	})
}

// Outdate notes that the list of nodes is old, whenever it was learnt.
func (s *Store) Outdate(ctx context.Context) error {
	return s.update(ctx, "note that nodes have changed", func(tx *gorm.DB) error { return tx.Exec("UPDATE pool SET at = 0").Error })
}

// Pool returns the nodes in the order of their keys, up to limit, and when the list was learnt: the zero Time if it never was.
func (s *Store) Pool(ctx context.Context, limit int) (list []Node, at time.Time, err error) {
	var rows []nodeRow
	var when *int64
	err = s.view(ctx, "read nodes", func(tx *gorm.DB) error {
		if err := tx.Raw("SELECT at FROM pool").Scan(&when).Error; err != nil {
			return err
		}
		return tx.Raw("SELECT * FROM nodes ORDER BY ed25519 LIMIT ?", limit).Scan(&rows).Error
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	for _, r := range rows {
		swarm, err := strconv.ParseUint(r.Swarm, 16, 64)
		if err != nil {
			return nil, time.Time{}, fmt.Errorf("read nodes: %w", err)
		}
		list = append(list, Node{
			Ed25519: array[[32]byte](r.Ed25519), X25519: array[[32]byte](r.X25519), IP: r.IP, Port: r.Port, Swarm: swarm, Operator: r.Operator,
			Strikes: r.Strikes, Latency: time.Duration(r.Latency) * time.Microsecond, Guard: r.Guard,
			Failing: fromUnixOrNull(r.Failing), Rest: fromUnixOrNull(r.Rest),
		})
	}
	return list, fromUnixOrNull(when), nil
}

// Strike notes a failure of a node, and returns how many it had since its last success. The error is ErrNotFound for a node that
// is not in the pool.
func (s *Store) Strike(ctx context.Context, node [32]byte) (strikes int, err error) {
	err = s.update(ctx, "note failure", func(tx *gorm.DB) error {
		return one(tx.Raw("UPDATE nodes SET strikes = strikes + 1 WHERE ed25519 = ? RETURNING strikes", node[:]), &strikes)
	})
	return strikes, err
}

// Praise notes that a node answered, and how long it took; 0: not measured. Of a guard that fails it says nothing: that one has
// to do its work again, which is Wake. The error is ErrNotFound for a node that is not in the pool.
func (s *Store) Praise(ctx context.Context, node [32]byte, latency time.Duration) error {
	return s.update(ctx, "note success", func(tx *gorm.DB) error {
		us := latency.Microseconds()
		return changed(tx.Exec(`UPDATE nodes SET strikes = CASE WHEN failing IS NULL THEN 0 ELSE strikes END,
			latency = CASE WHEN ? > 0 THEN ? ELSE latency END WHERE ed25519 = ?`, us, us, node[:]))
	})
}

// Remove takes a node out of the pool. One that is not in it is none too many.
func (s *Store) Remove(ctx context.Context, node [32]byte) error {
	return s.update(ctx, "remove node", func(tx *gorm.DB) error { return tx.Exec("DELETE FROM nodes WHERE ed25519 = ?", node[:]).Error })
}

// Appoint makes nodes guards, after those that are already. Those not in the pool are left out.
func (s *Store) Appoint(ctx context.Context, guards ...[32]byte) error {
	return s.update(ctx, "store guards", func(tx *gorm.DB) error {
		for _, g := range guards {
			err := tx.Exec("UPDATE nodes SET guard = (SELECT max(guard) + 1 FROM nodes) WHERE ed25519 = ? AND guard = 0", g[:]).Error
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Dismiss makes a node a guard no longer. One that is none is no error.
func (s *Store) Dismiss(ctx context.Context, guard [32]byte) error {
	return s.update(ctx, "dismiss guard", func(tx *gorm.DB) error {
		return tx.Exec("UPDATE nodes SET guard = 0, strikes = 0, failing = NULL, rest = NULL WHERE ed25519 = ?", guard[:]).Error
	})
}

// Rest notes that a guard does not work, and until when it is left alone. Wake ends that. One that is not in the pool is no
// error.
func (s *Store) Rest(ctx context.Context, guard [32]byte, now, until time.Time) error {
	return s.update(ctx, "note failure", func(tx *gorm.DB) error {
		return tx.Exec("UPDATE nodes SET strikes = strikes + 1, failing = coalesce(failing, ?), rest = ? WHERE ed25519 = ?", unix(now), unix(until), guard[:]).Error
	})
}

// Wake takes back all that was said against a node. One that is not in the pool is no error.
func (s *Store) Wake(ctx context.Context, node [32]byte) error {
	return s.update(ctx, "note success", func(tx *gorm.DB) error {
		return tx.Exec("UPDATE nodes SET strikes = 0, failing = NULL, rest = NULL WHERE ed25519 = ?", node[:]).Error
	})
}
