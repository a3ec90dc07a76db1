package store

import (
	"fmt"
	"math"
	"time"

	"onsight/indexer"
	"onsight/ons"
)

// placeBits is how many low bits of a place count transactions within a block: a million, where real blocks hold hundreds.
const placeBits = 20

// maxHeight is the greatest height a place has room for.
const maxHeight = math.MaxInt64>>placeBits - 1

// first returns the place before which all records of lower heights stand.
func first(height uint64) uint64 { return min(height, maxHeight+1) << placeBits }

// above returns the first place of a block higher than height.
func above(height uint64) uint64 { return first(min(height, maxHeight) + 1) }

type blockRow struct {
	Height uint64 `gorm:"primaryKey;autoIncrement:false"`
	Hash   []byte
	Time   int64
	Digest []byte
}

type recordRow struct {
	Place      uint64 `gorm:"primaryKey;autoIncrement:false"`
	Type       uint8
	NameHash   []byte
	Kind       uint8
	Owner      []byte
	Backup     []byte
	Ciphertext []byte
	Nonce      []byte
	Registered uint64
	Expires    uint64
	Txid       []byte
	Prev       []byte
}

type skipRow struct {
	Height uint64 `gorm:"primaryKey;autoIncrement:false"`
	Place  int    `gorm:"primaryKey;autoIncrement:false"`
	Txid   []byte
	Reason string
}

type reorgRow struct {
	ID         uint64 `gorm:"primaryKey;autoIncrement:false"`
	At         int64
	BaseHeight uint64
	BaseHash   []byte
	TipHeight  uint64
	TipHash    []byte
	Records    uint64
	ToHeight   *uint64
	ToHash     []byte
	Redone     *uint64
	Seq        uint64
}

// eventRow is a row of the log.
type eventRow struct {
	Seq  uint64 `gorm:"primaryKey;autoIncrement:false"`
	Kind uint8
	Ref  uint64
	Time int64
	Data *string
}

type eventLogRow struct {
	ID  int `gorm:"primaryKey;autoIncrement:false"`
	Log []byte
}

type commitRow struct {
	Seq        uint64 `gorm:"primaryKey;autoIncrement:false"`
	BaseHeight int64
}

type stateRow struct {
	ID      int `gorm:"primaryKey;autoIncrement:false"`
	Network string
	Genesis []byte
	Year    uint64
	Start   uint64
	Final   uint64
	Target  uint64
	Phase   string
	Asked   int64
	Keep    uint64
	Synced  uint8 // 1: the phase was once
}

func (blockRow) TableName() string    { return "blocks" }
func (recordRow) TableName() string   { return "records" }
func (skipRow) TableName() string     { return "skips" }
func (reorgRow) TableName() string    { return "reorgs" }
func (eventRow) TableName() string    { return "events" }
func (eventLogRow) TableName() string { return "event_log" }
func (commitRow) TableName() string   { return "commits" }
func (stateRow) TableName() string    { return "state" }

// newBlockRow shares b's memory, as do the other new…Row functions: rows live shorter than what they are made of.
func newBlockRow(b *indexer.Block) blockRow {
	r := blockRow{Height: b.Height, Hash: b.Hash[:], Time: b.Time}
	if len(b.Records) > 0 {
		r.Digest = b.Digest[:]
	}
	return r
}

func (r blockRow) point() (indexer.Point, error) {
	hash, err := txid(r.Hash)
	if err != nil {
		return indexer.Point{}, fmt.Errorf("block %d: %w", r.Height, err)
	}
	return indexer.Point{Height: r.Height, Hash: hash}, nil
}

func newRecordRow(r *ons.Record) recordRow {
	row := recordRow{
		Place: place(r), Type: uint8(r.Type), NameHash: r.Hash[:], Kind: uint8(r.Kind),
		Owner: r.Owner.Bytes(), Backup: r.Backup.Bytes(), Ciphertext: r.Sealed.Ciphertext, Nonce: r.Sealed.Nonce,
		Registered: r.Registered, Expires: r.Expires, Txid: r.Txid[:],
	}
	if r.Prev != (ons.Txid{}) {
		row.Prev = r.Prev[:]
	}
	return row
}

func (r recordRow) record() (ons.Record, error) {
	rec := ons.Record{
		Type: ons.Type(r.Type), Kind: ons.Kind(r.Kind), Sealed: ons.Sealed{Ciphertext: r.Ciphertext, Nonce: r.Nonce},
		Registered: r.Registered, Expires: r.Expires,
	}
	rec.Updated, rec.TxIndex = split(r.Place)
	hash, err1 := txid(r.NameHash)
	id, err2 := txid(r.Txid)
	prev, err3 := ons.Txid{}, error(nil)
	if r.Prev != nil {
		prev, err3 = txid(r.Prev)
	}
	owner, err4 := ons.ParseOwnerBytes(r.Owner)
	backup, err5 := ons.ParseOwnerBytes(r.Backup)
	for _, err := range []error{err1, err2, err3, err4, err5} {
		if err != nil {
			return rec, fmt.Errorf("record %d of block %d: %w", rec.TxIndex, rec.Updated, err)
		}
	}
	rec.Hash, rec.Txid, rec.Prev, rec.Owner, rec.Backup = ons.Hash(hash), id, prev, owner, backup
	return rec, nil
}

func records(rows []recordRow) ([]ons.Record, error) {
	out := make([]ons.Record, len(rows))
	for i := range rows {
		var err error
		if out[i], err = rows[i].record(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func newStateRow(s *indexer.State, keep uint64) stateRow {
	row := stateRow{
		ID: 1, Network: string(s.Network), Genesis: s.Genesis[:], Year: s.Year, Start: s.Start, Final: s.Final,
		Target: s.Target, Phase: string(s.Phase), Keep: keep,
	}
	if !s.Asked.IsZero() {
		row.Asked = s.Asked.UnixMicro()
	}
	return row
}

func (r stateRow) state() (indexer.State, error) {
	genesis, err := txid(r.Genesis)
	if err != nil {
		return indexer.State{}, fmt.Errorf("genesis: %w", err)
	}
	s := indexer.State{
		Network: ons.Network(r.Network), Genesis: genesis, Year: r.Year, Start: r.Start, Final: r.Final,
		Target: r.Target, Phase: indexer.Phase(r.Phase),
	}
	if r.Asked != 0 {
		s.Asked = time.UnixMicro(r.Asked).UTC()
	}
	return s, nil
}

// place returns where a record stands.
func place(r *ons.Record) uint64 { return first(r.Updated) | uint64(r.TxIndex) }

// split undoes a place.
func split(place uint64) (height uint64, txIndex uint32) {
	return place >> placeBits, uint32(place & (1<<placeBits - 1))
}

// txid reads a column of 32 bytes.
func txid(b []byte) (x ons.Txid, err error) {
	if len(b) != len(x) {
		return x, fmt.Errorf("%d bytes where a hash has %d", len(b), len(x))
	}
	return ons.Txid(b), nil
}
