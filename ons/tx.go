package ons

import "fmt"

// The prefix of a transaction (spec C.1), up to its type.
const (
	maxVersion   = 4
	unlockTimes  = 3 // versions from here list one unlock time per output
	typed        = 4 // versions from here end in a type
	typeONS      = 4
	inputGen     = 0xff
	inputKey     = 0x02
	outputKey    = 0x02
	minInput     = 2      // tag and a varint
	outputSize   = 2 + 32 // at least: a varint, tag and key
	keyImageSize = 32
)

// ParseTransaction reads the ONS operation of a raw transaction, whole or pruned: only the prefix is read, what follows
// it is not. The error wraps ErrTx if the prefix does not parse, ErrNotONS if its type is another one, and else is
// ParseExtra's. An ONS field in a transaction of another type means nothing to consensus.
func ParseTransaction(raw []byte) (Op, error) {
	r := reader{rest: raw}
	version := r.varint(maxVersion)
	times := 0
	if version >= unlockTimes {
		times = r.count(1)
		for range times {
			r.varint(unlimited)
		}
	}
	if version == unlockTimes {
		r.byte() // is_state_change
	}
	r.varint(unlimited) // unlock_time
	for range r.count(minInput) {
		r.input()
	}
	outputs := r.count(outputSize)
	for range outputs {
		r.varint(unlimited) // amount
		if r.byte() != outputKey {
			r.fail()
		}
		r.next(32)
	}
	extra := r.next(r.varint(unlimited))
	kind := uint64(0)
	if version >= typed {
		kind = r.varint(unlimited)
	}
	if version == 0 || version >= unlockTimes && times != outputs {
		r.fail()
	}
	if r.bad {
		return Op{}, fmt.Errorf("%w: %d bytes of version %d", ErrTx, len(raw), version)
	}
	if kind != typeONS {
		return Op{}, ErrNotONS // as it is: most transactions end here
	}
	return ParseExtra(extra)
}

// input reads one input of a transaction.
func (r *reader) input() {
	switch r.byte() {
	case inputGen:
		r.varint(unlimited) // height
	case inputKey:
		r.varint(unlimited) // amount
		for range r.count(1) {
			r.varint(unlimited) // key offset
		}
		r.next(keyImageSize)
	default:
		r.fail()
	}
}
