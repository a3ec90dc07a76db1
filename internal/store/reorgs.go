package store

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"gorm.io/gorm"

	"onsight/indexer"
	"onsight/internal/events"
	"onsight/ons"
)

// undoers are the reorganisations after a place in the log, in its order.
type undoers struct {
	rows []undoer
	low  [][]uint64 // low[j][i] is the least base of the 1<<j rows from i on
}

type undoer struct{ ID, Seq, BaseHeight uint64 }

// readUndoers reads those after the entry with a number. That is once for a page: there may be thousands.
func readUndoers(tx *gorm.DB, seq uint64) (*undoers, error) {
	u := new(undoers)
	if err := tx.Model(&reorgRow{}).Select("id", "seq", "base_height").Where("seq > ?", seq).Order("id").Find(&u.rows).Error; err != nil {
		return nil, err
	}
	low := make([]uint64, len(u.rows))
	for i, r := range u.rows {
		low[i] = r.BaseHeight
	}
	for size := 1; len(low) > 0; size *= 2 {
		u.low = append(u.low, low)
		var twice []uint64
		for i := 0; i+size < len(low); i++ {
			twice = append(twice, min(low[i], low[i+size]))
		}
		low = twice
	}
	return u, nil
}

// of returns the reorganisation that took back what an entry did in a block: the first one after it that reached so deep. 0: none did.
func (u *undoers) of(seq, height uint64) uint64 {
	at := sort.Search(len(u.rows), func(i int) bool { return u.rows[i].Seq > seq })
	for j := len(u.low) - 1; j >= 0; j-- {
		if at < len(u.low[j]) && u.low[j][at] >= height {
			at += 1 << j
		}
	}
	if at == len(u.rows) {
		return 0
	}
	return u.rows[at].ID
}

// isRecord reports whether a row of the log refers to a record.
func (r *eventRow) isRecord() bool {
	return events.Kind(r.Kind) < events.Reorg
}

// timed is a record, and the time of its block.
type timed struct {
	ons.Record
	time int64
}

// recordsOf reads the records that rows of the log refer to, by the number of the row. A place may have had several: that of a
// row is the one that the first reorganisation after it took back which reached so deep, or else the one that is there. later are all reorganisations after the first of the rows.
func recordsOf(tx *gorm.DB, later *undoers, rows []eventRow) (map[int]timed, error) {
	type at struct{ reorg, place uint64 } // reorg: that took it back; 0: none did
	places := make([]at, len(rows))
	var there, gone []at
	for i, r := range rows {
		if !r.isRecord() {
			continue
		}
		height, _ := split(r.Ref)
		places[i] = at{later.of(r.Seq, height), r.Ref}
		if places[i].reorg == 0 {
			there = append(there, places[i])
		} else {
			gone = append(gone, places[i])
		}
	}
	found := map[at]timed{}
	read := func(q *gorm.DB) error {
		var rows []struct {
			Reorg uint64
			Row   recordRow `gorm:"embedded"`
			Time  int64
		}
		if err := q.Scan(&rows).Error; err != nil {
			return err
		}
		for _, r := range rows {
			rec, err := r.Row.record()
			if err != nil {
				return err
			}
			found[at{r.Reorg, r.Row.Place}] = timed{rec, r.Time}
		}
		return nil
	}
	for some := range slices.Chunk(there, chunk) {
		list := make([]uint64, len(some))
		for i := range some {
			list[i] = some[i].place
		}
		if err := read(tx.Raw("SELECT records.*, b.time AS time FROM records JOIN blocks b ON b.height = place / ? WHERE place IN ?", 1<<placeBits, list)); err != nil {
			return nil, err
		}
	}
	for some := range slices.Chunk(gone, chunk) {
		args := make([]any, 0, 2*len(some))
		for _, a := range some {
			args = append(args, a.reorg, a.place)
		}
		q := "WITH wanted (reorg, place) AS (VALUES (?, ?)" + strings.Repeat(", (?, ?)", len(some)-1) + ")" +
			" SELECT u.* FROM wanted w CROSS JOIN undone u WHERE u.reorg = w.reorg AND u.place = w.place"
		if err := read(tx.Raw(q, args...)); err != nil {
			return nil, err
		}
	}
	out := make(map[int]timed, len(rows))
	for i, r := range rows {
		if rec, ok := found[places[i]]; ok && r.isRecord() {
			out[i] = rec
		}
	}
	return out, nil
}

// reorgsOf reads the reorganisations that rows of the log refer to.
func reorgsOf(tx *gorm.DB, later *undoers, rows []eventRow) (map[uint64]*events.Undoing, error) {
	var ids []uint64
	for _, r := range rows {
		if events.Kind(r.Kind) == events.Reorg {
			ids = append(ids, r.Ref)
		}
	}
	out := map[uint64]*events.Undoing{}
	for some := range slices.Chunk(ids, chunk) {
		var rows []reorgRow
		if err := tx.Where("id IN ?", some).Order("id").Find(&rows).Error; err != nil {
			return nil, err
		}
		list, err := undoings(tx, later, rows)
		if err != nil {
			return nil, err
		}
		for i := range list {
			out[list[i].ID] = &list[i]
		}
	}
	return out, nil
}

// undoings reads what reorganisations, at most a chunk of them, took back, and what came instead. later are all after the first of them.
func undoings(tx *gorm.DB, later *undoers, rows []reorgRow) ([]events.Undoing, error) {
	out := make([]events.Undoing, len(rows))
	for i := range rows {
		var err error
		if out[i], err = rows[i].undoing(); err != nil {
			return nil, fmt.Errorf("reorganisation %d: %w", rows[i].ID, err)
		}
	}
	if err := listUndone(tx, out); err != nil {
		return nil, err
	}
	return out, listRedone(tx, later, rows, out)
}

// undoing is what a row says by itself.
func (r *reorgRow) undoing() (u events.Undoing, err error) {
	u = events.Undoing{ID: r.ID, At: time.UnixMicro(r.At).UTC(), Undone: events.Changes{Count: r.Records}}
	u.Base.Height, u.From.Height = r.BaseHeight, r.TipHeight
	if u.Base.Hash, err = txid(r.BaseHash); err != nil {
		return u, err
	}
	if u.From.Hash, err = txid(r.TipHash); err != nil {
		return u, err
	}
	if r.ToHeight == nil || r.Redone == nil { // written before that was kept
		return u, nil
	}
	u.To, u.Redone.Count = &indexer.Point{Height: *r.ToHeight}, *r.Redone
	u.To.Hash, err = txid(r.ToHash)
	return u, err
}

// listUndone reads the first transactions that each took back.
func listUndone(tx *gorm.DB, list []events.Undoing) error {
	at := map[uint64]*events.Undoing{}
	var ids []uint64
	for i := range list {
		if u := &list[i]; u.Undone.Count > 0 {
			at[u.ID] = u
			ids = append(ids, u.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	var rows []struct {
		Reorg uint64
		Row   recordRow `gorm:"embedded"`
	}
	err := tx.Raw("SELECT u.reorg, u.place, u.type, u.name_hash, u.kind, u.txid FROM reorgs r CROSS JOIN undone u WHERE r.id IN ? AND u.reorg = r.id"+
		" AND u.place <= COALESCE((SELECT n.place FROM undone n WHERE n.reorg = r.id ORDER BY n.place LIMIT 1 OFFSET ?), ?)"+
		" ORDER BY u.reorg, u.place", ids, events.ListMost-1, math.MaxInt64).Scan(&rows).Error
	if err != nil {
		return err
	}
	for i := range rows {
		rec, err := rows[i].Row.record()
		if err != nil {
			return fmt.Errorf("reorganisation %d: %w", rows[i].Reorg, err)
		}
		u := at[rows[i].Reorg]
		u.Undone.First = append(u.Undone.First, change(&rec))
	}
	return nil
}

// listRedone reads the first transactions that came in the step of each. They follow its entry, and only names that end stand between
// them, so they are looked for ever further until they are found.
func listRedone(tx *gorm.DB, later *undoers, rows []reorgRow, list []events.Undoing) error {
	type stretch struct {
		u              *events.Undoing
		from, to, left uint64 // entries to look at, and for how many records
	}
	head, err := lastEvent(tx)
	if err != nil {
		return err
	}
	var open []*stretch
	for i := range rows {
		if n := min(list[i].Redone.Count, events.ListMost); n > 0 {
			open = append(open, &stretch{&list[i], rows[i].Seq, rows[i].Seq + n, n})
		}
	}
	for len(open) > 0 {
		args := make([]any, 0, 3*len(open)+1)
		for i, s := range open {
			args = append(args, i, s.from, s.to)
		}
		var found []struct {
			N   int
			Row eventRow `gorm:"embedded"`
		}
		err := tx.Raw("WITH stretch (n, low, high) AS (VALUES (?, ?, ?)"+strings.Repeat(", (?, ?, ?)", len(open)-1)+")"+
			" SELECT s.n, e.seq, e.kind, e.ref FROM stretch s CROSS JOIN events e WHERE e.seq > s.low AND e.seq <= s.high AND e.kind < ?"+
			" ORDER BY e.seq", append(args, events.Expire)...).Scan(&found).Error
		if err != nil {
			return err
		}
		next := make([]eventRow, len(found))
		for i := range found {
			next[i] = found[i].Row
		}
		recs, err := recordsOf(tx, later, next)
		if err != nil {
			return err
		}
		for i, f := range found {
			s := open[f.N]
			rec, ok := recs[i]
			if s.left == 0 {
				continue
			}
			if s.left--; ok {
				s.u.Redone.First = append(s.u.Redone.First, change(&rec.Record))
			}
		}
		open = slices.DeleteFunc(open, func(s *stretch) bool {
			s.from, s.to = s.to, s.to+2*(s.to-s.from)
			return s.left == 0 || s.from >= head
		})
	}
	return nil
}

func change(r *ons.Record) events.Change {
	return events.Change{Height: r.Updated, TxIndex: r.TxIndex, Key: r.Key(), Kind: r.Kind, Txid: r.Txid}
}
