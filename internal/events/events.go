// Package events is the one log of what happened: to names, to the chain that they stand in, and to service nodes.
//
// Whoever writes the index appends, in the transaction that changes the rest. An entry has the next number and stays as it
// was appended, whatever becomes of the blocks it is of: what a reorganisation takes back stays in the log, and an entry of
// kind [Reorg] says that it does not hold any more. So a reader that remembers how far it came misses nothing, meets nothing
// twice, and has the registry by replaying what it read (see the Example):
//
//   - an entry about a name makes its Record the newest one of its key;
//   - [Expire] changes no record: from the block after Height on, the name does not live;
//   - [Reorg] takes back what entries before it did above its Height;
//   - [Node] entries of kind directory.KindUndone likewise take back those of nodes that were noticed above their height.
//
// Names and nodes are followed apart, so a reorganisation is told of twice, each time in order with what it takes back.
package events

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"onsight/directory"
	"onsight/indexer"
	"onsight/ons"
)

// Kind is what an entry tells. The numbers are stored; the first three are those of ons.Kind.
type Kind uint8

const (
	Buy      Kind = 1 + iota
	Update        // of the value or the backup owner
	Renew         // of a lokinet name
	Transfer      // an update that changes the owner
	Expire        // a lokinet name ends: its Record is the newest one, and Height is where that expires
	Reorg         // blocks were taken back
	Node          // something happened to a service node
	Reasons       // it was found out later why a node was decommissioned
)

var kindNames = [...]string{
	Buy: "buy", Update: "update", Renew: "renew", Transfer: "transfer", Expire: "expire", Reorg: "reorg", Node: "node", Reasons: "node_reasons",
}

// String returns the word for k; of none of ours, its number.
func (k Kind) String() string {
	if k < Buy || int(k) >= len(kindNames) {
		return strconv.Itoa(int(k))
	}
	return kindNames[k]
}

// Names returns the words for all kinds.
func Names() []string { return append([]string(nil), kindNames[Buy:]...) }

// Kinds is a set of kinds; the zero one is all of them.
type Kinds uint16

// ErrKind is returned by ParseKinds if and only if a word is not that of a kind.
var ErrKind = errors.New("no such kind of event")

// ParseKinds reads words separated by commas. The empty text is all kinds.
func ParseKinds(s string) (set Kinds, err error) {
	if s == "" {
		return 0, nil
	}
words:
	for word := range strings.SplitSeq(s, ",") {
		for k := Buy; int(k) < len(kindNames); k++ {
			if word == kindNames[k] {
				set |= 1 << k
				continue words
			}
		}
		return 0, fmt.Errorf("%w: use %s", ErrKind, strings.Join(Names(), ", "))
	}
	return set, nil
}

// Has reports whether k is in the set.
func (set Kinds) Has(k Kind) bool { return set == 0 || set&(1<<k) != 0 }

// List returns the kinds of the set, all of them for the zero one.
func (set Kinds) List() (list []Kind) {
	for k := Buy; int(k) < len(kindNames); k++ {
		if set.Has(k) {
			list = append(list, k)
		}
	}
	return list
}

// Entry is one entry of the log. It never changes.
type Entry struct {
	Seq    uint64 // from 1, without gaps
	Kind   Kind
	Height uint64    // of the block that did it; of a Reorg, the newest block that stayed
	Time   time.Time // of that block, in whole seconds; of a Reorg, when it was noticed. Zero if that is not known

	Record *ons.Record // of entries about names, else nil
	Reorg  *Undoing    // of a Reorg, else nil
	Node   *Happening  // of entries about nodes, else nil
}

// Undoing is one time that blocks were taken back.
type Undoing struct {
	ID     uint64 // counts from 1
	At     time.Time
	Base   indexer.Point  // the block that stayed; the chains part there or, where not every block is kept, above
	From   indexer.Point  // newest block of the chain that was left
	To     *indexer.Point // newest block that came in the same step; Base if none did; nil: it was not kept
	Undone Changes        // what was taken back
	Redone Changes        // what the blocks did that came in the same step: they are the next entries, with those that expire
}

// Depth is how many blocks were taken back at most: see Base.
func (u *Undoing) Depth() uint64 { return u.From.Height - u.Base.Height }

// Changes are ONS transactions, in the order of their chain.
type Changes struct {
	Count uint64
	First []Change // the first of them, at most ListMost
}

// ListMost is how many changes an Undoing lists.
const ListMost = 50

// Change is an ONS transaction, without what it wrote.
type Change struct {
	Height  uint64
	TxIndex uint32
	Key     ons.Key
	Kind    ons.Kind
	Txid    ons.Txid
}

// Happening is an entry about nodes. Those of kind Reasons have the height, key and kind of what they are the reasons of.
type Happening struct {
	directory.Event
	Number  uint64 // of it in the log of the directory; 0 of Reasons
	Noticed uint64 // height of the block whose list showed it; 0 of what was undone
}

// ID tells logs apart: it is drawn when a log begins.
type ID [8]byte

// String returns 16 hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Cursor is a place in a log: behind the entry with a number, or with 0 before the first.
type Cursor struct {
	Log ID
	Seq uint64
}

var (
	// ErrCursor is returned by ParseCursor if and only if a text is not one that String makes.
	ErrCursor = errors.New("invalid cursor")
	// ErrReset is returned if and only if a cursor is of another log than the one asked, or ahead of its end: what was read
	// before is no part of what the log holds, and has to be forgotten.
	ErrReset = errors.New("the log began anew: read it from the start")
)

// String returns "<log>-<seq>".
func (c Cursor) String() string { return c.Log.String() + "-" + strconv.FormatUint(c.Seq, 10) }

// maxSeq is as far as every JSON reader can count.
const maxSeq = 1 << 53

// ParseCursor reads what String writes, and nothing else.
func ParseCursor(s string) (c Cursor, err error) {
	log, seq, ok := strings.Cut(s, "-")
	n, err := strconv.ParseUint(seq, 10, 64)
	if !ok || err != nil || n > maxSeq || len(log) != 2*len(c.Log) {
		return Cursor{}, ErrCursor
	}
	c.Seq = n
	if _, err := hex.Decode(c.Log[:], []byte(log)); err != nil || c.String() != s {
		return Cursor{}, ErrCursor
	}
	return c, nil
}

// Page is a stretch of a log, read at one moment.
type Page struct {
	Log     ID
	Head    uint64 // number of the newest entry of the log; 0: there is none
	Entries []Entry
	Next    uint64 // all entries up to this one were looked at. It may be less than Head, with few entries or none: go on there
}
