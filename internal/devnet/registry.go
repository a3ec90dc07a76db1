package devnet

import "onsight/ons"

// registry keeps names as oxend's ons.db does: one row per operation, the newest row of a (type, hash) is its current state, a
// rollback deletes the rows at and above a height. Written from spec A.4 and A.6, without package ons.
type registry struct {
	rows     []row
	heads    map[ons.Key]int32               // newest row of a key
	live     [][3]uint64                     // by chain height: live names of each type; index 0 is the empty chain
	expiring map[uint64]map[ons.Key]struct{} // keys that ever had this last living height
	now      [3]uint64                       // live names after the operations of the block being applied
}

type row struct {
	ons.Record
	before   int32 // the key's row before it, -1 if none
	recorded *recordedName
}

func newRegistry() registry {
	return registry{heads: map[ons.Key]int32{}, expiring: map[uint64]map[ons.Key]struct{}{}, live: [][3]uint64{{}}}
}

// head returns the newest row of a key, live or not; nil if there is none.
func (r *registry) head(k ons.Key) *row {
	if i, ok := r.heads[k]; ok {
		return &r.rows[i]
	}
	return nil
}

func alive(expires, height uint64) bool { return expires == 0 || height <= expires }

// applies tells whether an operation mined at a height would be valid against the current rows (spec A.6, 7 to 9, as far as the
// state of names goes).
func (r *registry) applies(op ons.Op, height uint64) bool {
	head := r.head(ons.Key{Type: op.Type, Hash: op.Hash})
	living := head != nil && alive(head.Expires, height)
	if op.Kind == ons.Buy {
		return !living
	}
	return living && op.Prev == head.Txid
}

// apply adds the row an operation makes. One that does not apply is ignored.
func (r *registry) apply(op ons.Op, height uint64, index uint32, txid ons.Txid, blocks uint64) {
	if !r.applies(op, height) {
		return
	}
	key := ons.Key{Type: op.Type, Hash: op.Hash}
	next := row{before: -1}
	if i, ok := r.heads[key]; ok {
		next.before = i
	}
	if op.Kind == ons.Buy {
		next.Record = ons.Record{Type: op.Type, Hash: op.Hash, Registered: height}
		if op.Type == ons.Lokinet {
			next.Expires = height + blocks
		}
		r.now[op.Type]++
	} else {
		next.Record = r.rows[next.before].Record
		next.Prev = next.Txid
	}
	if op.Kind == ons.Renew {
		next.Expires += blocks
	}
	if op.Owner.Kind != ons.OwnerNone {
		next.Owner = op.Owner
	}
	if op.Backup.Kind != ons.OwnerNone {
		next.Backup = op.Backup
	}
	if len(op.Value) > 0 {
		next.Sealed = splitValue(op.Value)
	}
	next.Kind, next.Updated, next.TxIndex, next.Txid = op.Kind, height, index, txid
	r.add(key, next)
}

func (r *registry) add(key ons.Key, next row) {
	if next.Expires != 0 {
		r.expire(key, next.Expires)
	}
	r.heads[key] = int32(len(r.rows))
	r.rows = append(r.rows, next)
}

// expire notes the last height a key may live at.
func (r *registry) expire(key ons.Key, height uint64) {
	keys := r.expiring[height]
	if keys == nil {
		keys = map[ons.Key]struct{}{}
		r.expiring[height] = keys
	}
	keys[key] = struct{}{}
}

// seal ends the block at a height: what lived through it and no longer lives when the chain is one higher stops counting.
func (r *registry) seal(height uint64) {
	for key := range r.expiring[height] {
		if head := r.head(key); head != nil && head.Expires == height {
			r.now[key.Type]--
		}
	}
	r.live = append(r.live[:height+1], r.now)
}

// counts returns the live names while the chain has height blocks.
func (r *registry) counts(height uint64) [3]uint64 { return r.live[height] }

// cut drops the rows at and above a height.
func (r *registry) cut(height uint64) {
	for len(r.rows) > 0 && r.rows[len(r.rows)-1].Updated >= height {
		last := &r.rows[len(r.rows)-1]
		key := last.Key()
		if last.before < 0 {
			delete(r.heads, key)
		} else {
			r.heads[key] = last.before
		}
		*last = row{}
		r.rows = r.rows[:len(r.rows)-1]
	}
	r.live = r.live[:height+1]
	r.now = r.live[height]
}

// history returns a key's rows, oldest first.
func (r *registry) history(k ons.Key) []*row {
	i, ok := r.heads[k]
	if !ok {
		return nil
	}
	var rows []*row
	for ; i >= 0; i = r.rows[i].before {
		rows = append(rows, &r.rows[i])
	}
	for a, b := 0, len(rows)-1; a < b; a, b = a+1, b-1 {
		rows[a], rows[b] = rows[b], rows[a]
	}
	return rows
}

// splitValue splits a stored value: 49 bytes are the scheme of 2020, else the last 24 bytes are the nonce (spec B.4).
func splitValue(stored []byte) ons.Sealed {
	if len(stored) == 49 || len(stored) < 24 {
		return ons.Sealed{Ciphertext: stored}
	}
	n := len(stored) - 24
	return ons.Sealed{Ciphertext: stored[:n:n], Nonce: stored[n:]}
}

func joinValue(s ons.Sealed) []byte {
	return append(append([]byte(nil), s.Ciphertext...), s.Nonce...)
}
