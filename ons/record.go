package ons

import (
	"bytes"
	"errors"
	"fmt"
	"math"
)

// Key is what a record is found by.
type Key struct {
	Type Type
	Hash Hash
}

// Record is the state of a name after an operation. Records are never changed: each operation makes a new one, and the
// newest of a Key is the current one. The Sealed value of two records may share memory; nobody writes to it.
type Record struct {
	Type       Type
	Hash       Hash
	Kind       Kind   // of the last op
	Owner      Owner  // may update it
	Backup     Owner  // may update it as well; none: there is none
	Sealed     Sealed // its value
	Registered uint64 // height of the buy this registration began with
	Updated    uint64 // height of the last op
	TxIndex    uint32 // place of that transaction among its block's, coinbase not counted
	Expires    uint64 // last height at which it lives; 0 means never
	Txid       Txid   // of the last op
	Prev       Txid   // of the op before it in this registration; zero for a buy
}

// Key returns the key of r.
func (r Record) Key() Key { return Key{Type: r.Type, Hash: r.Hash} }

// Live reports whether r lives at a height: that of the block an operation is mined in, or, for whoever asks now, the
// number of blocks as get_info counts them (spec A.4). There is no time of grace.
func (r Record) Live(height uint64) bool { return r.Expires == 0 || height <= r.Expires }

// At is where an operation was mined.
type At struct {
	Height  uint64
	TxIndex uint32
	Txid    Txid
	Blocks  uint64 // length in blocks as a 10.x daemon gave it; 0: by Rules. Updates, which carry one too, ignore it
}

// ErrApply means that an operation does not apply to the record it meets; the error says why.
var ErrApply = errors.New("operation does not apply")

// Apply returns the record that op makes of prev, the newest one of its key, or nil if there is none (spec A.4, A.6).
// Not checked are the fork a type is allowed from, the burn, the signature (Op.Verify) and the rule that ties the
// wallet name of a text to the owner of its session name: a mined operation has passed them. The error wraps ErrApply,
// and ErrOp too if op by itself is invalid.
func Apply(prev *Record, op Op, at At, r Rules) (Record, error) {
	if err := op.check(); err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrApply, err)
	}
	var next Record
	err := follows(prev, op, at)
	if err == nil {
		switch op.Kind {
		case Buy:
			next, err = buy(prev, op, at, r)
		case Update:
			next, err = update(prev, op, at, r)
		case Renew:
			next, err = renew(prev, op, at, r)
		}
	}
	if err != nil {
		return Record{}, fmt.Errorf("%w: %s of %s %s at height %d: %w", ErrApply, op.Kind, op.Type, op.Hash, at.Height, err)
	}
	next.Kind = op.Kind
	next.Updated, next.TxIndex, next.Txid, next.Prev = at.Height, at.TxIndex, at.Txid, op.Prev
	return next, nil
}

// follows reports a record of another name, or one that is newer than the operation: a caller's mistake.
func follows(prev *Record, op Op, at At) error {
	switch {
	case prev == nil:
		return nil
	case prev.Key() != op.Key():
		return fmt.Errorf("the record is of %s %s", prev.Type, prev.Hash)
	case at.Height < prev.Updated:
		return fmt.Errorf("the record is newer, of height %d", prev.Updated)
	}
	return nil
}

func buy(prev *Record, op Op, at At, r Rules) (Record, error) {
	if prev != nil && prev.Live(at.Height) {
		if prev.Expires == 0 {
			return Record{}, errors.New("already registered")
		}
		return Record{}, fmt.Errorf("already registered until height %d%s", prev.Expires, r.hint())
	}
	if op.Prev != (Txid{}) {
		return Record{}, errors.New("a buy names no previous transaction")
	}
	sealed, err := ParseSealed(op.Type, op.Value)
	if err != nil {
		return Record{}, err
	}
	next := Record{Type: op.Type, Hash: op.Hash, Owner: op.Owner, Backup: op.Backup.orNone(), Sealed: sealed, Registered: at.Height}
	next.Expires, err = prolong(at.Height, op, at, r)
	return next, err
}

func update(prev *Record, op Op, at At, r Rules) (Record, error) {
	if err := continues(prev, op, at, r); err != nil {
		return Record{}, err
	}
	next := *prev
	if op.Value != nil {
		if bytes.Equal(op.Value, prev.Sealed.Stored()) {
			return Record{}, errors.New("the value is the same")
		}
		sealed, err := ParseSealed(op.Type, op.Value)
		if err != nil {
			return Record{}, err
		}
		next.Sealed = sealed
	}
	if op.Owner.given() {
		if op.Owner == prev.Owner {
			return Record{}, errors.New("the owner is the same")
		}
		next.Owner = op.Owner
	}
	if op.Backup.given() {
		next.Backup = op.Backup.orNone()
		if next.Backup == prev.Backup {
			return Record{}, errors.New("the backup owner is the same")
		}
	}
	return next, nil
}

func renew(prev *Record, op Op, at At, r Rules) (Record, error) {
	if err := continues(prev, op, at, r); err != nil {
		return Record{}, err
	}
	next := *prev
	var err error
	next.Expires, err = prolong(prev.Expires, op, at, r) // from the old end, not from now
	return next, err
}

// continues reports why an update or renewal cannot follow prev.
func continues(prev *Record, op Op, at At, r Rules) error {
	switch {
	case prev == nil:
		return errors.New("not registered")
	case op.Prev != prev.Txid:
		return fmt.Errorf("it follows transaction %s, the newest is %s", op.Prev, prev.Txid)
	case !prev.Live(at.Height):
		return fmt.Errorf("expired at height %d%s", prev.Expires, r.hint())
	}
	return nil
}

// hint says what is likely wrong when our expiry and the chain's disagree: regtest daemons are built with a year of any
// length.
func (r Rules) hint() string {
	if r.Network != Fakechain {
		return ""
	}
	return fmt.Sprintf(" (is the lokinet year of this fakechain really %d blocks?)", r.Blocks(uint8(Lokinet)))
}

// prolong returns when a buy or renewal that counts from a height ends: 0, never, for all but lokinet.
func prolong(from uint64, op Op, at At, r Rules) (uint64, error) {
	if op.Type != Lokinet {
		return 0, nil
	}
	blocks := at.Blocks
	if blocks == 0 {
		blocks = r.Blocks(op.Length)
	}
	if blocks > math.MaxUint64-from {
		return 0, fmt.Errorf("%d blocks from height %d are too many", blocks, from)
	}
	return from + blocks, nil
}

// Status is what a record means to its owner now.
type Status string

// The states of a record.
const (
	StatusRegistered  Status = "registered"
	StatusExpiring    Status = "expiring"     // at most a twelfth of a year is left
	StatusExpired     Status = "expired"      // anybody may buy it
	StatusNeedsUpdate Status = "needs_update" // its value has the form of 2020, which some clients no longer read
)

// Status returns the state of r at a height, the number of blocks as get_info counts them.
func (r Record) Status(height uint64, rules Rules) Status {
	switch {
	case r.Type == Session && r.Sealed.Legacy():
		return StatusNeedsUpdate
	case !r.Live(height):
		return StatusExpired
	case r.Expires != 0 && r.Expires-height <= rules.Blocks(uint8(Lokinet))/12:
		return StatusExpiring
	}
	return StatusRegistered
}
