package api

import (
	"encoding/binary"
	"sync/atomic"

	"onsight/ons"
)

// spellings keeps what wallets are written as: an address's checksum and base58 take as long as the rest of a look-up. There is
// one place for each, by its key, which it may have to share with another: whoever is asked for last has it. The zero
// spellings are empty. They may be used concurrently, and take no lock.
type spellings struct {
	places [1 << 16]atomic.Pointer[spelling] // half a megabyte, and 13 more when all are taken
}

type spelling struct {
	owner ons.Owner
	text  string
}

// of returns an owner's Text. All calls must be for one network.
func (s *spellings) of(o ons.Owner, n ons.Network) string {
	if o.Kind != ons.OwnerWallet {
		return o.Text(n)
	}
	place := &s.places[binary.LittleEndian.Uint16(o.Key[:])]
	if known := place.Load(); known != nil && known.owner == o {
		return known.text
	}
	text := o.Text(n)
	place.Store(&spelling{o, text})
	return text
}
