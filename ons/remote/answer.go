package remote

import (
	"encoding/hex"
	"fmt"
	"time"

	"onsight/ons"
)

// Answer is what was said of one name, and what asking for it revealed.
type Answer struct {
	// Records are all records of the name, oldest first and across registrations, if they were asked for; else at most the
	// newest one, without Kind and Prev. None have TxIndex.
	Records  []ons.Record
	Network  ons.Network
	Point    Point                // the zero Point if nothing came back
	Ready    bool                 // the newest blocks were known
	Times    map[uint64]time.Time // of blocks in which Records were registered and updated, by height, where the server knows them
	Revealed Revealed

	host string
}

// Revealed is what a lookup told, besides when it was made, and from which address.
type Revealed struct {
	Unasked bool   // nothing at all: no name was asked for
	Hash    bool   // the whole hash
	Bits    int    // without it: how many of its first bits; 0 is nothing
	Number  uint64 // those bits
	Among   int    // different hashes in the range; 0: not known, as no answer came
}

// String returns what was revealed as a part of a sentence.
func (r Revealed) String() string {
	switch {
	case r.Unasked:
		return "nothing: no name was asked for"
	case r.Hash:
		return "the name's hash, from which a name that can be guessed can be found"
	case r.Bits == 0:
		return "nothing of the name: the whole registry was asked for"
	case r.Among == 0:
		return fmt.Sprintf("that the name is in range %x of %d", r.Number, 1<<r.Bits)
	}
	return fmt.Sprintf("that the name is one of %d, or none, in range %x of %d", r.Among, r.Number, 1<<r.Bits)
}

// Newest returns the newest record, whether or not it lives; ok is false if there is none.
func (a Answer) Newest() (r ons.Record, ok bool) {
	if len(a.Records) == 0 {
		return ons.Record{}, false
	}
	return a.Records[len(a.Records)-1], true
}

// Live returns the newest record if it lives in the block after the Point. If not, the error wraps ons.ErrNotFound, or
// ons.ErrUnavailable if it may have been registered in blocks that were not known.
func (a Answer) Live() (ons.Record, error) {
	r, ok := a.Newest()
	switch missing := !ok || !r.Live(a.Point.Height+1); {
	case missing && !a.Ready:
		return ons.Record{}, fmt.Errorf("%s: not registered by block %d, and the server does not know the newest ones: %w", a.host, a.Point.Height, ons.ErrUnavailable)
	case !ok:
		return ons.Record{}, fmt.Errorf("at height %d: %w", a.Point.Height, ons.ErrNotFound)
	case missing:
		return ons.Record{}, fmt.Errorf("expired at height %d: %w", r.Expires, ons.ErrNotFound)
	}
	return r, nil
}

// add adds a record of the name that was asked for.
func (a *Answer) add(w *wireRecord, key ons.Key) error {
	r, err := w.record(key, a.Network)
	if err != nil {
		return err
	}
	a.Records = append(a.Records, r)
	for _, at := range []struct {
		height uint64
		text   *string
	}{{r.Registered, w.RegisteredAt}, {r.Updated, w.UpdatedAt}, {r.Updated, w.Time}} {
		if at.text == nil {
			continue
		}
		made, err := time.Parse(time.RFC3339, *at.text)
		if err != nil {
			return err
		}
		if a.Times == nil {
			a.Times = map[uint64]time.Time{}
		}
		a.Times[at.height] = made
	}
	return nil
}

// At returns what Live would have after the block of a height, of an answer with all records. The error wraps
// ons.ErrNotFound if the name did not live in the block after it, and ons.ErrUnavailable if that block is not known yet.
func (a Answer) At(height uint64) (ons.Record, error) {
	if height > a.Point.Height {
		return ons.Record{}, fmt.Errorf("%s: block %d is not known yet, the newest is %d: %w", a.host, height, a.Point.Height, ons.ErrUnavailable)
	}
	then := a
	then.Point.Height, then.Ready, then.Records = height, true, nil
	for _, r := range a.Records {
		if r.Updated <= height {
			then.Records = append(then.Records, r)
		}
	}
	return then.Live()
}

// wirePoint is as_of.
type wirePoint struct {
	Height uint64 `json:"height"`
	Hash   string `json:"hash"`
	Time   string `json:"time"`
}

func (w wirePoint) point() (p Point, err error) {
	p.Height = w.Height
	if p.Hash, err = ons.ParseTxid(w.Hash); err == nil {
		p.Time, err = time.Parse(time.RFC3339, w.Time)
	}
	return p, err
}

// wireRecord is a record as a range, an exact lookup and a history write it.
type wireRecord struct {
	Kind     string  `json:"kind"`      // of a history
	PrevTxid *string `json:"prev_txid"` // of a history
	Height   uint64  `json:"height"`    // of the history of one name, where it stands for UpdateHeight
	Time     *string `json:"time"`      // of the history of one name, where it stands for UpdatedAt

	Type             string  `json:"type"`
	NameHash         string  `json:"name_hash"`
	EncryptedValue   string  `json:"encrypted_value"`
	Nonce            *string `json:"nonce"`
	Owner            string  `json:"owner"`
	BackupOwner      *string `json:"backup_owner"`
	RegisterHeight   uint64  `json:"register_height"`
	RegisteredAt     *string `json:"registered_at"`
	UpdateHeight     uint64  `json:"update_height"`
	UpdatedAt        *string `json:"updated_at"`
	ExpirationHeight *uint64 `json:"expiration_height"`
	Txid             string  `json:"txid"`
}

// record returns it as a record of a name, which the caller has compared it with.
func (w *wireRecord) record(key ons.Key, n ons.Network) (ons.Record, error) {
	r := ons.Record{Type: key.Type, Hash: key.Hash, Registered: w.RegisterHeight, Updated: max(w.UpdateHeight, w.Height)}
	if w.ExpirationHeight != nil {
		r.Expires = *w.ExpirationHeight
	}
	switch w.Kind {
	case "":
	case ons.Buy.String():
		r.Kind = ons.Buy
	case ons.Update.String():
		r.Kind = ons.Update
	case ons.Renew.String():
		r.Kind = ons.Renew
	default:
		return r, fmt.Errorf("a record of kind %.20q", w.Kind)
	}
	stored, err := hex.DecodeString(w.EncryptedValue)
	if err != nil {
		return r, err
	}
	if w.Nonce != nil {
		nonce, err := hex.DecodeString(*w.Nonce)
		if err != nil {
			return r, err
		}
		stored = append(stored, nonce...)
	}
	if r.Sealed, err = ons.ParseSealed(key.Type, stored); err != nil {
		return r, err
	}
	if r.Owner, err = ons.ParseOwner(w.Owner, n); err != nil {
		return r, err
	}
	if w.BackupOwner != nil {
		if r.Backup, err = ons.ParseOwner(*w.BackupOwner, n); err != nil {
			return r, err
		}
	}
	if w.PrevTxid != nil {
		if r.Prev, err = ons.ParseTxid(*w.PrevTxid); err != nil {
			return r, err
		}
	}
	r.Txid, err = ons.ParseTxid(w.Txid)
	return r, err
}

// ordered reports whether records are what a history holds: oldest first.
func ordered(records []ons.Record) bool {
	for i := 1; i < len(records); i++ {
		if records[i].Updated < records[i-1].Updated {
			return false
		}
	}
	return true
}
