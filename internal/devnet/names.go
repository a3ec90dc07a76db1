package devnet

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"sort"

	"onsight/ons"
)

// parseNameHash takes the forms oxend takes: 64 hex digits, 43 or 44 base64 characters (spec B.1).
func parseNameHash(s string) (h ons.Hash, ok bool) {
	var raw []byte
	var err error
	switch len(s) {
	case 64:
		raw, err = hex.DecodeString(s)
	case 44:
		raw, err = base64.StdEncoding.DecodeString(s)
	case 43:
		raw, err = base64.RawStdEncoding.DecodeString(s)
	}
	if err != nil || len(raw) != 32 {
		return h, false
	}
	return ons.Hash(raw), true
}

// allowed tells whether a type exists at the chain's fork (spec A.1).
func (c *Chain) allowed(t uint64) bool {
	switch version := c.fork(uint64(len(c.blocks))).Version; {
	case t == 0:
		return version >= 15
	case t == 1:
		return version >= 18
	case t <= 5:
		return version >= 16
	}
	return false
}

func onsResolve(v *view, b []byte, p params) ([]byte, *rpcError) {
	c := v.chain
	hash, given, fault := p.string("name_hash")
	if fault != nil {
		return b, fault
	}
	if !given && c.dialect == Dialect11 {
		return b, badParams("Required key 'name_hash' not found")
	}
	t, given, fault := p.int("type")
	if fault != nil {
		return b, fault
	}
	if !given && c.dialect == Dialect11 {
		return b, badParams("Required key 'type' not found")
	}
	if !given || t < 0 || t >= 6 {
		return b, errorf(-1, "Unable to resolve ONS address: 'type' parameter not specified")
	}
	h, ok := parseNameHash(hash)
	if !ok {
		return b, errorf(-1, "Unable to resolve ONS address: invalid 'name_hash' value '%s'", hash)
	}
	if !c.allowed(uint64(t)) {
		return b, errorf(-1, "Invalid lokinet type '%d'", t)
	}
	r := c.record(ons.Key{Type: ons.Type(min(t, 2)), Hash: h}, false)
	if r == nil {
		return append(b, "{}"...), nil
	}
	ciphertext, nonce := r.sealed()
	if v.faults.LieONS {
		ciphertext = lie(ciphertext)
	}
	b = appendHex(b, `{"encrypted_value":"`, ciphertext)
	if len(nonce) > 0 {
		b = appendHex(b, `,"nonce":"`, nonce)
	}
	return append(b, '}'), nil
}

// record returns the current row of a key, nil if there is none or it is expired and not wanted then.
func (c *Chain) record(k ons.Key, expired bool) *row {
	head := c.names.head(k)
	if head == nil || !expired && !alive(head.Expires, uint64(len(c.blocks))) {
		return nil
	}
	return head
}

// stored is the value as ons_names_to_owners shows it.
func (r *row) stored() string {
	if r.recorded != nil {
		return r.recorded.Value
	}
	return hex.EncodeToString(joinValue(r.Sealed))
}

func (r *row) sealed() (ciphertext, nonce []byte) {
	s := r.Sealed
	if r.recorded != nil {
		if raw, err := hex.DecodeString(r.recorded.Value); err == nil {
			s = splitValue(raw)
		}
	}
	return s.Ciphertext, s.Nonce
}

// entry is a row as the owner methods show it, without its index.
func (v *view) entry(r *row) map[string]any {
	c, value := v.chain, r.stored()
	if v.faults.LieONS {
		ciphertext, nonce := r.sealed()
		value = hex.EncodeToString(append(lie(ciphertext), nonce...))
	}
	o := map[string]any{
		"type": r.Type, "name_hash": base64.StdEncoding.EncodeToString(r.Hash[:]), "encrypted_value": value,
		"update_height": r.Updated, "txid": hex.EncodeToString(r.Txid[:]),
	}
	owner, backup := r.Owner.Text(c.network), r.Backup.Text(c.network)
	if r.recorded != nil {
		owner, backup = r.recorded.Owner, r.recorded.Backup
	}
	o["owner"] = owner
	if backup != "" {
		o["backup_owner"] = backup
	}
	if r.Expires != 0 {
		o["expiration_height"] = r.Expires
	}
	return o
}

const badNameHash = "Invalid name_hash: expected hash as 64 hex digits or 43/44 base64 characters"

func onsNamesToOwners(v *view, b []byte, p params) ([]byte, *rpcError) {
	if v.chain.dialect == Dialect11 {
		return onsNamesToOwners11(v, b, p)
	}
	c := v.chain
	raw, _ := p.given("entries")
	var entries []object
	if len(raw) == 0 || json.Unmarshal(raw, &entries) != nil {
		entries = nil
	}
	expired, _ := p.bool("include_expired")
	if v.public && len(entries) > 256 {
		return b, errorf(-1, "Number of requested entries greater than the allowed limit: 256, requested: %d", len(entries))
	}
	var rows []map[string]any
	for i, e := range entries {
		q := params{d: Dialect10, o: e}
		types, _, _ := q.uints("types")
		if v.public && len(types) > 8 {
			return b, errorf(-1, "Number of requested entries in types greater than the allowed limit: 8, requested: %d", len(types))
		}
		wanted := map[ons.Type]bool{}
		for _, t := range types {
			if t > 5 || !c.allowed(t) {
				return b, errorf(-1, "Invalid lokinet type '%d'", t)
			}
			wanted[ons.Type(min(t, 2))] = true
		}
		name, _, _ := q.string("name_hash")
		hash, ok := parseNameHash(name)
		if !ok {
			return b, errorf(-1, badNameHash)
		}
		for t := ons.Session; t <= ons.Lokinet; t++ {
			if !wanted[t] {
				continue
			}
			if r := c.record(ons.Key{Type: t, Hash: hash}, expired); r != nil {
				o := v.entry(r)
				o["entry_index"] = i
				rows = append(rows, o)
			}
		}
	}
	o := map[string]any{"status": "OK"}
	if len(rows) > 0 {
		o["entries"] = rows
	}
	return appendJSON(b, o), nil
}

// onsNamesToOwners11 is the method that kills an 11.x daemon: it reads a row per type without looking whether there is one
// (observed-11.md). Several types of which one is missing are an internal error, as recorded.
func onsNamesToOwners11(v *view, b []byte, p params) ([]byte, *rpcError) {
	c := v.chain
	hashes, given, fault := p.strings("name_hash")
	if fault != nil {
		return b, fault
	}
	if !given {
		return b, badParams("Required key 'name_hash' not found")
	}
	types, _, fault := p.uints("type")
	if fault != nil {
		return b, fault
	}
	if v.public && len(hashes) > 256 {
		return b, errorf(-1, "Number of requested entries (%d) in input is greater than the allowed limit (256)", len(hashes))
	}
	if v.public && len(types) > 8 {
		return b, errorf(-1, "Number of requested entries (%d) in types is greater than the allowed limit (8)", len(types))
	}
	wanted := map[ons.Type]bool{}
	for _, t := range types {
		if t > 5 {
			return append(b, `{"status":"invalid type provided"}`...), nil
		}
		wanted[ons.Type(min(t, 2))] = true
	}
	var rows []map[string]any
	for _, name := range hashes {
		hash, ok := parseNameHash(name)
		if !ok {
			return b, errorf(-1, badNameHash)
		}
		found := 0
		for t := ons.Session; t <= ons.Lokinet; t++ {
			if !wanted[t] {
				continue
			}
			if r := c.record(ons.Key{Type: t, Hash: hash}, false); r != nil {
				rows = append(rows, v.entry(r))
				found++
			}
		}
		if found == 0 && len(types) > 0 {
			return b, errorf(deadlyCode, "ons_names_to_owners of %s, which is not registered or expired", name)
		}
		if found < len(wanted) {
			return b, errorf(-32603, "Internal error")
		}
	}
	o := map[string]any{"status": "OK", "type": append([]uint64{}, types...)}
	if len(rows) > 0 {
		o["result"] = rows
	}
	return appendJSON(b, o), nil
}

func onsOwnersToNames(v *view, b []byte, p params) ([]byte, *rpcError) {
	c := v.chain
	list, given, fault := p.strings("entries")
	if fault != nil {
		return b, fault
	}
	if !given && c.dialect == Dialect11 {
		return b, badParams("Required key 'entries' not found")
	}
	expired, fault := p.bool("include_expired")
	if fault != nil {
		return b, fault
	}
	if v.public && len(list) > 256 {
		if c.dialect == Dialect11 {
			return b, errorf(-1, "Number of requested entries (%d) in input is greater than the allowed limit (256)", len(list))
		}
		return b, errorf(-1, "Number of requested entries greater than the allowed limit: 256, requested: %d", len(list))
	}
	index := map[ons.Owner]int{}
	for i, s := range list {
		o, err := ons.ParseOwner(s, c.network)
		if err != nil {
			return b, errorf(-1, "Wallet address provided could not be parsed owner=%s", s)
		}
		if _, ok := index[o]; !ok {
			index[o] = i
		}
	}
	rows := v.ownerRows(index, expired)
	o := map[string]any{"status": "OK"}
	if len(rows) > 0 || c.dialect == Dialect11 {
		o["entries"] = append([]map[string]any{}, rows...)
	}
	return appendJSON(b, o), nil
}

// ownerRows finds the newest row of each name in which one of the owners is named: also one that is no longer current, as the SQL
// of oxend does (spec E.9).
func (v *view) ownerRows(index map[ons.Owner]int, expired bool) []map[string]any {
	c := v.chain
	newest := map[ons.Key]*row{}
	for i := range c.names.rows {
		r := &c.names.rows[i]
		_, owns := index[r.Owner]
		if _, backs := index[r.Backup]; owns || backs && r.Backup.Kind != ons.OwnerNone {
			newest[r.Key()] = r
		}
	}
	keys := make([]ons.Key, 0, len(newest))
	for k, r := range newest {
		if expired || alive(r.Expires, uint64(len(c.blocks))) {
			keys = append(keys, k)
		}
	}
	sort.Slice(keys, func(i, j int) bool {
		if keys[i].Type != keys[j].Type {
			return keys[i].Type < keys[j].Type
		}
		return string(keys[i].Hash[:]) < string(keys[j].Hash[:])
	})
	var rows []map[string]any
	for _, k := range keys {
		r := newest[k]
		o := v.entry(r)
		i, owns := index[r.Owner]
		if !owns {
			i = index[r.Backup]
		}
		o["request_index"] = i
		if c.dialect == Dialect11 {
			for _, key := range [...]string{"backup_owner", "expiration_height"} {
				if _, ok := o[key]; !ok {
					o[key] = nil
				}
			}
		}
		rows = append(rows, o)
	}
	return rows
}
