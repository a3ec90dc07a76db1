package snode

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"

	"golang.org/x/crypto/blake2b"
)

// ErrID means that a text is not an account id.
var ErrID = errors.New("invalid account id")

// The prefixes of accounts that storage servers keep messages for (messaging.md 0). Servers accept any other as well.
const (
	Session byte = 0x05 // the other 32 bytes are an X25519 key
	Group   byte = 0x03 // the other 32 bytes are an Ed25519 key
)

// ID is an account: a prefix byte and 32 bytes of a key.
type ID [33]byte

// ParseID reads 66 hexadecimal digits of either case. Any prefix is accepted, as servers do. The error is ErrID.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 2*len(id) {
		return ID{}, ErrID
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return ID{}, ErrID
	}
	return id, nil
}

// String returns id as 66 lower-case hexadecimal digits, the form that is signed.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Prefix returns the first byte: Session, Group or another.
func (id ID) Prefix() byte { return id[0] }

// Key returns the other 32 bytes.
func (id ID) Key() [32]byte { return [32]byte(id[1:]) }

// Hash returns the hash that servers know a message by: 43 characters of unpadded base64 of BLAKE2b-256(id ‖ namespace
// in decimal unless 0 ‖ data). Times are no part of it (messaging.md C.6, store).
func Hash(id ID, namespace int16, data []byte) string {
	h, err := blake2b.New256(nil)
	if err != nil {
		panic("snode: internal error: " + err.Error())
	}
	var head [len(id) + 6]byte // "-32768" is the longest namespace
	h.Write(appendNamespace(append(head[:0], id[:]...), namespace))
	h.Write(data)
	var sum [blake2b.Size256]byte
	return base64.RawStdEncoding.EncodeToString(h.Sum(sum[:0]))
}

// appendNamespace writes a namespace as hashes and signatures have it: nothing for 0.
func appendNamespace(b []byte, namespace int16) []byte {
	if namespace == 0 {
		return b
	}
	return strconv.AppendInt(b, int64(namespace), 10)
}

// zbase32 is z-base-32, most significant bits first.
var zbase32 = base32.NewEncoding("ybndrfg8ejkmcpqxot1uwisza345h769").WithPadding(base32.NoPadding)

// Address returns the name of a node by its legacy key: 52 characters of z-base-32 and ".snode" (messaging.md C.5).
func Address(legacy [32]byte) string { return zbase32.EncodeToString(legacy[:]) + ".snode" }

// NoSwarm is the id of no swarm: what servers answer when there is none.
const NoSwarm = ^uint64(0)

// Position returns where on the ring of swarms id lies: the exclusive or of the four big-endian words of its key
// (messaging.md C.4).
func Position(id ID) uint64 {
	var p uint64
	for i := 1; i < len(id); i += 8 {
		p ^= binary.BigEndian.Uint64(id[i:])
	}
	return p
}

// Choose returns the swarm whose id is nearest to position on the ring modulo 2⁶⁴; of two equally near ones the left.
// swarms are ids in ascending order. Without any it returns NoSwarm and false.
func Choose(swarms []uint64, position uint64) (swarm uint64, ok bool) {
	if len(swarms) == 0 {
		return NoSwarm, false
	}
	i, _ := slices.BinarySearch(swarms, position)
	right := swarms[i%len(swarms)]
	left := swarms[(i+len(swarms)-1)%len(swarms)]
	if right-position < position-left { // unsigned: around the ring
		return right, true
	}
	return left, true
}
