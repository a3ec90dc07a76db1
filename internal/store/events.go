package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"onsight/directory"
	"onsight/indexer"
	"onsight/internal/events"
)

var _ events.Source = (*Store)(nil)

// searchMost is how many entries are looked at for one page.
const searchMost = 20_000

// lastEvent returns the number of the newest entry of the log.
func lastEvent(tx *gorm.DB) (seq uint64, err error) {
	err = tx.Raw("SELECT COALESCE(MAX(seq), 0) FROM events").Scan(&seq).Error
	return seq, err
}

// appendEvents numbers rows and writes them behind the newest one.
func appendEvents(tx *gorm.DB, rows []eventRow) error {
	if len(rows) == 0 {
		return nil
	}
	seq, err := lastEvent(tx)
	if err != nil {
		return err
	}
	// Not by gorm, which takes several times as long, and these are as many as the records.
	for some := range slices.Chunk(rows, batch) {
		args := make([]any, 0, 5*len(some))
		for i := range some {
			seq++
			r := &some[i]
			args = append(args, seq, r.Kind, r.Ref, r.Time, r.Data)
		}
		q := "INSERT INTO events (seq, kind, ref, time, data) VALUES (?, ?, ?, ?, ?)" + strings.Repeat(", (?, ?, ?, ?, ?)", len(some)-1)
		if err := tx.Exec(q, args...).Error; err != nil {
			return err
		}
	}
	return nil
}

// logRange appends what a range did, whose records are stored: what it took back, then block by block its records and
// after them what ends there.
func logRange(tx *gorm.DB, undone *reorgRow, r *indexer.Range) error {
	var rows []eventRow
	if undone != nil {
		rows = append(rows, eventRow{Kind: uint8(events.Reorg), Ref: undone.ID, Time: time.UnixMicro(undone.At).Unix()})
	}
	ends, err := endings(tx, r.Blocks)
	if err != nil {
		return err
	}
	for i := range r.Blocks {
		b := &r.Blocks[i]
		moves := b.Moves
		for j := range b.Records {
			rec := &b.Records[j]
			kind := events.Kind(rec.Kind)
			if len(moves) > 0 && moves[0] == rec.TxIndex {
				kind, moves = events.Transfer, moves[1:]
			}
			rows = append(rows, eventRow{Kind: uint8(kind), Ref: place(rec)})
		}
		for len(ends) > 0 && ends[0].Expires == b.Height {
			rows = append(rows, eventRow{Kind: uint8(events.Expire), Ref: ends[0].Place, Time: b.Time})
			ends = ends[1:]
		}
	}
	return appendEvents(tx, rows)
}

type ending struct{ Place, Expires uint64 }

// endings returns the records of names that end in blocks, which are stored: the newest of their names by then. They come in the
// order of the blocks.
func endings(tx *gorm.DB, blocks []indexer.Block) (rows []ending, err error) {
	if len(blocks) == 0 {
		return nil, nil
	}
	// expires > 0 is there for the index, which has only such rows.
	err = tx.Raw("SELECT r.place AS place, r.expires AS expires FROM records r WHERE r.expires > 0 AND r.expires >= ? AND r.expires <= ?"+
		" AND NOT EXISTS (SELECT 1 FROM records n WHERE substr(n.name_hash, 1, 8) = substr(r.name_hash, 1, 8)"+
		" AND n.name_hash = r.name_hash AND n.type = r.type AND n.place > r.place AND n.place < (r.expires + 1) * ?)"+
		" ORDER BY r.expires, r.place", blocks[0].Height, blocks[len(blocks)-1].Height, 1<<placeBits).Scan(&rows).Error
	return rows, err
}

// happening is what eventRow.Data has of an entry about nodes.
type happening struct {
	Number, Noticed, Height uint64
	Key                     string // hexadecimal; "" of none
	Kind, From, To          string
	Reasons                 []string
}

// logNodes appends rows of the directory's log, and reasons that were found out later.
func logNodes(tx *gorm.DB, rows []nodeEventRow, reasons []directory.Event) error {
	out := make([]eventRow, 0, len(rows)+len(reasons))
	add := func(kind events.Kind, r *nodeEventRow) error {
		list, err := words(r.Reasons)
		if err != nil {
			return err
		}
		b, err := json.Marshal(happening{
			Number: r.Seq, Noticed: uint64(max(r.Round, 0)), Height: uint64(r.Height), Key: fmt.Sprintf("%x", r.Key),
			Kind: r.Kind, From: r.Was, To: r.Became, Reasons: list,
		})
		text := string(b)
		out = append(out, eventRow{Kind: uint8(kind), Time: r.Time, Data: &text})
		return err
	}
	for i := range rows {
		if err := add(events.Node, &rows[i]); err != nil {
			return err
		}
	}
	for i := range reasons {
		row := newNodeEventRow(&reasons[i], 0, 0)
		if err := add(events.Reasons, &row); err != nil {
			return err
		}
	}
	return appendEvents(tx, out)
}

// NewLog draws another id for the log, whose entries stay: cursors that were given before are of none now. It is for a database
// that was restored from an older copy, which gives numbers anew that somebody has seen. It returns indexer.ErrFenced as Commit does.
func (s *Store) NewLog(ctx context.Context, epoch uint64) error {
	if s.write == nil || s.shared {
		return ErrReadOnly
	}
	err := s.transact(ctx, always, func(tx *gorm.DB) error {
		res := tx.Exec("UPDATE event_log SET log = randomblob(8) WHERE EXISTS (SELECT 1 FROM writer WHERE id = 1 AND epoch = ? AND epoch > 0)", epoch)
		if res.Error == nil && res.RowsAffected == 0 {
			return indexer.ErrFenced
		}
		return res.Error
	})
	if err != nil {
		return fmt.Errorf("begin a new log in %s: %w", s.path, err)
	}
	return nil
}

// Events returns the first limit entries of the log behind a number that are of some kinds, read at one moment. It looks at a
// limited number of entries for that: see events.Page.
func (s *Store) Events(ctx context.Context, after uint64, kinds events.Kinds, limit int) (p events.Page, err error) {
	err = s.view(ctx, "read events", func(tx *gorm.DB) error {
		p, err = page(tx, after, kinds, limit)
		return err
	})
	if err != nil {
		return events.Page{}, err
	}
	return p, nil
}

func page(tx *gorm.DB, after uint64, kinds events.Kinds, limit int) (p events.Page, err error) {
	var ids []eventLogRow
	if err := tx.Limit(1).Find(&ids).Error; err != nil {
		return p, err
	}
	if len(ids) == 0 || len(ids[0].Log) != len(p.Log) {
		return p, errors.New("event_log has no row")
	}
	p.Log = events.ID(ids[0].Log)
	if p.Head, err = lastEvent(tx); err != nil || after >= p.Head || limit <= 0 {
		p.Next = min(after, p.Head)
		return p, err
	}
	p.Next = p.Head
	if p.Head-after > searchMost {
		p.Next = after + searchMost
	}
	q := tx.Where("seq > ? AND seq <= ?", after, p.Next)
	if kinds != 0 {
		q = q.Where("kind IN ?", kinds.List())
	}
	var rows []eventRow
	if err := q.Order("seq").Limit(limit).Find(&rows).Error; err != nil {
		return p, err
	}
	if len(rows) == limit {
		p.Next = rows[len(rows)-1].Seq
	}
	p.Entries, err = entries(tx, rows)
	return p, err
}

// entries reads what rows of the log refer to.
func entries(tx *gorm.DB, rows []eventRow) ([]events.Entry, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	later, err := readUndoers(tx, rows[0].Seq)
	if err != nil {
		return nil, err
	}
	recs, err := recordsOf(tx, later, rows)
	if err != nil {
		return nil, err
	}
	reorgs, err := reorgsOf(tx, later, rows)
	if err != nil {
		return nil, err
	}
	out := make([]events.Entry, len(rows))
	for i, r := range rows {
		e := events.Entry{Seq: r.Seq, Kind: events.Kind(r.Kind), Time: unstamp(r.Time)}
		switch e.Kind {
		case events.Node, events.Reasons:
			if e.Node, err = r.happening(e.Time); err != nil {
				return nil, err
			}
			e.Height = e.Node.Height
		case events.Reorg:
			if e.Reorg = reorgs[r.Ref]; e.Reorg == nil {
				return nil, fmt.Errorf("event %d: there is no reorganisation %d", r.Seq, r.Ref)
			}
			e.Height = e.Reorg.Base.Height
		default:
			rec, ok := recs[i]
			if !ok {
				return nil, fmt.Errorf("event %d: there is no record at %d", r.Seq, r.Ref)
			}
			if e.Record, e.Height = &rec.Record, rec.Updated; e.Kind == events.Expire {
				e.Height = rec.Expires
			} else {
				e.Time = unstamp(rec.time)
			}
		}
		out[i] = e
	}
	return out, nil
}

// happening reads the data of an entry about nodes.
func (r *eventRow) happening(at time.Time) (*events.Happening, error) {
	if r.Data == nil {
		return nil, fmt.Errorf("event %d: it has no data", r.Seq)
	}
	var d happening
	if err := json.Unmarshal([]byte(*r.Data), &d); err != nil {
		return nil, fmt.Errorf("event %d: %w", r.Seq, err)
	}
	h := &events.Happening{Number: d.Number, Noticed: d.Noticed, Event: directory.Event{
		Height: d.Height, Time: at, Kind: directory.Kind(d.Kind), From: d.From, To: d.To, Reasons: d.Reasons,
	}}
	if d.Key != "" {
		var err error
		if h.Key, err = directory.ParseKey(d.Key); err != nil {
			return nil, fmt.Errorf("event %d: %w", r.Seq, err)
		}
	}
	return h, nil
}
