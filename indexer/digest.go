package indexer

import (
	"encoding/binary"

	"golang.org/x/crypto/blake2b"

	"onsight/ons"
)

// digestDomain keeps this digest apart from any other hash of the same bytes.
const digestDomain = "onsight digest 1"

// next folds one block that carries records into the running digest of all before it.
//
// The running digest is a function of the chain alone: it changes only at such blocks, takes their height, hash and
// records in order, and so does not depend on ranges, restarts or undone blocks on the way there.
func next(digest ons.Txid, b Block) ons.Txid {
	buf := make([]byte, 0, 64+len(b.Records)*512)
	buf = append(buf, digest[:]...)
	buf = binary.BigEndian.AppendUint64(buf, b.Height)
	buf = append(buf, b.Hash[:]...)
	for _, r := range b.Records {
		buf = appendRecord(buf, r)
	}
	return blake2b.Sum256(buf)
}

// appendRecord appends every field of r, each of fixed width or with its length before it.
func appendRecord(b []byte, r ons.Record) []byte {
	field := func(p []byte) {
		b = binary.BigEndian.AppendUint16(b, uint16(len(p)))
		b = append(b, p...)
	}
	b = append(b, byte(r.Type), byte(r.Kind))
	b = append(b, r.Hash[:]...)
	field(r.Owner.Bytes())
	field(r.Backup.Bytes())
	field(r.Sealed.Stored())
	for _, n := range []uint64{r.Registered, r.Updated, uint64(r.TxIndex), r.Expires} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	b = append(b, r.Txid[:]...)
	return append(b, r.Prev[:]...)
}

// Digest is what two instances compare at one height: a hash over network, height and the running digest of every
// record up to it. Equal digests mean equal histories of all names; the way there (ranges, kills, undone blocks) leaves
// no trace in it.
func Digest(network ons.Network, genesis ons.Txid, height uint64, running ons.Txid) ons.Txid {
	buf := append([]byte(digestDomain), 0)
	buf = append(buf, network...)
	buf = append(buf, 0)
	buf = append(buf, genesis[:]...)
	buf = binary.BigEndian.AppendUint64(buf, height)
	buf = append(buf, running[:]...)
	return blake2b.Sum256(buf)
}

// TipDigest is Digest at the newest block; the zero Txid while there is none.
func (st State) TipDigest() ons.Txid {
	if st.Tip == nil {
		return ons.Txid{}
	}
	return Digest(st.Network, st.Genesis, st.Tip.Height, st.Digest)
}
