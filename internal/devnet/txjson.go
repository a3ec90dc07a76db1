package devnet

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
)

// ringct is the RingCT part of a transaction of type 5 (CLSAG), the only one since HF16.
type ringct struct {
	ecdh   [][]byte
	masks  [][]byte
	proofs []proof
	clsags []clsag
	pseudo [][]byte
}

type proof struct {
	points [6][]byte // A S T1 T2 taux mu
	l, r   [][]byte
	abt    [3][]byte
}

type clsag struct {
	s     [][]byte
	c1, d []byte
}

// ringct reads the part after the prefix; base false if even its base is of another type, whole false if the prunable part is.
func (t *transaction) ringct() (r ringct, base, whole bool) {
	c := &cursor{b: t.raw, at: t.prefix}
	if c.byte() != 5 {
		return r, false, false
	}
	c.varint()
	for range t.vout {
		r.ecdh = append(r.ecdh, c.bytes(8))
	}
	for range t.vout {
		r.masks = append(r.masks, c.bytes(32))
	}
	if c.err != nil {
		return r, false, false
	}
	for n := c.count(32 * 9); n > 0 && c.err == nil; n-- {
		var p proof
		for i := range p.points {
			p.points[i] = c.bytes(32)
		}
		p.l, p.r = c.keys(c.count(32)), c.keys(c.count(32))
		for i := range p.abt {
			p.abt[i] = c.bytes(32)
		}
		r.proofs = append(r.proofs, p)
	}
	for _, in := range t.vin {
		r.clsags = append(r.clsags, clsag{s: c.keys(uint64(len(in.ring))), c1: c.bytes(32), d: c.bytes(32)})
	}
	r.pseudo = c.keys(uint64(len(t.vin)))
	return r, true, c.err == nil && c.at == len(t.raw)
}

func (c *cursor) keys(n uint64) (keys [][]byte) {
	for ; n > 0 && c.err == nil; n-- {
		keys = append(keys, c.bytes(32))
	}
	return keys
}

func appendKeys(b []byte, key string, keys [][]byte) []byte {
	b = append(append(b, key...), '[')
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendHex(b, `"`, k)
	}
	return append(b, ']')
}

func (t *transaction) appendVin(b []byte, d Dialect) []byte {
	b = append(b, '[')
	for i, in := range t.vin {
		if i > 0 {
			b = append(b, ',')
		}
		if in.gen {
			b = append(appendUint(b, `{"gen":{"height":`, in.amount), "}}"...)
			continue
		}
		b = appendUint(b, `{"key":{"amount":`, in.amount)
		if d == Dialect10 {
			b = appendUints(b, `,"key_offsets":`, in.ring)
			b = appendHex(b, `,"k_image":"`, in.image)
		} else {
			b = appendHex(b, `,"k_image":"`, in.image)
			b = appendUints(b, `,"key_offsets":`, in.ring)
		}
		b = append(b, "}}"...)
	}
	return append(b, ']')
}

func (t *transaction) appendVout(b []byte) []byte {
	b = append(b, '[')
	for i, out := range t.vout {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendUint(b, `{"amount":`, out.amount)
		b = append(appendHex(b, `,"target":{"key":"`, out.key), "}}"...)
	}
	return append(b, ']')
}

func appendECDH(b []byte, r ringct) []byte {
	b = append(b, `"ecdhInfo":[`...)
	for i, e := range r.ecdh {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendHex(b, `{"amount":"`, e), '}')
	}
	return append(b, ']')
}

// appendJSON10 appends what 10.x shows as as_json, with the prunable part or without.
func (t *transaction) appendJSON10(b []byte, prunable bool) []byte {
	b = appendUint(b, `{"version":`, t.version)
	b = appendUints(b, `,"output_unlock_times":`, t.unlocks)
	b = appendUint(b, `,"unlock_time":`, t.unlock)
	b = t.appendVin(append(b, `,"vin":`...), Dialect10)
	b = t.appendVout(append(b, `,"vout":`...))
	b = append(b, `,"extra":[`...)
	for i, v := range t.extra {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(v), 10)
	}
	b = append(b, ']')
	if t.version >= 4 {
		b = appendUint(b, `,"type":`, t.kind)
	}
	if len(t.vin) > 0 && t.vin[0].gen {
		b = append(b, `,"rct_signatures":{"type":0}`...)
	}
	if !t.rct() {
		return append(b, '}')
	}
	r, base, whole := t.ringct()
	if !base {
		return append(b, '}')
	}
	b = appendUint(b, `,"rct_signatures":{"type":5,"txnFee":`, t.fee)
	b = appendECDH(append(b, ','), r)
	b = append(appendKeys(b, `,"outPk":`, r.masks), '}')
	if whole && prunable {
		b = appendPrunable10(append(b, `,"rctsig_prunable":`...), r)
	}
	return append(b, '}')
}

func appendPrunable10(b []byte, r ringct) []byte {
	b = appendUint(b, `{"nbp":`, uint64(len(r.proofs)))
	b = append(b, `,"bp":[`...)
	for i, p := range r.proofs {
		if i > 0 {
			b = append(b, ',')
		}
		for i, name := range [...]string{`{"A":"`, `,"S":"`, `,"T1":"`, `,"T2":"`, `,"taux":"`, `,"mu":"`} {
			b = appendHex(b, name, p.points[i])
		}
		b = appendKeys(b, `,"L":`, p.l)
		b = appendKeys(b, `,"R":`, p.r)
		for i, name := range [...]string{`,"a":"`, `,"b":"`, `,"t":"`} {
			b = appendHex(b, name, p.abt[i])
		}
		b = append(b, '}')
	}
	b = append(b, `],"CLSAGs":[`...)
	for i, g := range r.clsags {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendKeys(b, `{"s":`, g.s)
		b = appendHex(b, `,"c1":"`, g.c1)
		b = append(appendHex(b, `,"D":"`, g.d), '}')
	}
	return append(appendKeys(b, `],"pseudoOuts":`, r.pseudo), '}')
}

// appendRingct11 appends rct_signatures and rctsig_prunable as 11.x merges them into an entry, each after a comma.
func (t *transaction) appendRingct11(b []byte, prunable bool) []byte {
	if !t.rct() {
		if len(t.vin) > 0 {
			b = append(b, `,"rct_signatures":{"type":0}`...)
		}
		return b
	}
	r, base, whole := t.ringct()
	if !base {
		return b
	}
	b = appendECDH(append(b, `,"rct_signatures":{`...), r)
	b = appendKeys(b, `,"outPk":`, r.masks)
	b = append(appendUint(b, `,"txnFee":`, t.fee), `,"type":5}`...)
	if !whole || !prunable {
		return b
	}
	b = append(b, `,"rctsig_prunable":{"CLSAGs":[`...)
	for i, g := range r.clsags {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendHex(b, `{"D":"`, g.d)
		b = appendHex(b, `,"c1":"`, g.c1)
		b = append(appendKeys(b, `,"s":`, g.s), '}')
	}
	b = append(b, `],"bp":[`...)
	for i, p := range r.proofs {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendHex(b, `{"A":"`, p.points[0])
		b = appendKeys(b, `,"L":`, p.l)
		b = appendKeys(b, `,"R":`, p.r)
		b = appendHex(b, `,"S":"`, p.points[1])
		b = appendHex(b, `,"T1":"`, p.points[2])
		b = appendHex(b, `,"T2":"`, p.points[3])
		b = appendHex(b, `,"a":"`, p.abt[0])
		b = appendHex(b, `,"b":"`, p.abt[1])
		b = appendHex(b, `,"mu":"`, p.points[5])
		b = appendHex(b, `,"t":"`, p.abt[2])
		b = append(appendHex(b, `,"taux":"`, p.points[4]), '}')
	}
	b = appendUint(b, `],"nbp":`, uint64(len(r.proofs)))
	return append(appendKeys(b, `,"pseudoOuts":`, r.pseudo), '}')
}

// extraNames are the words 11.x has for extra fields; the burn has none.
var extraNames = map[byte]string{
	0x01: "pub_key", 0x02: "nonce", 0x04: "additional_pub_keys", 0x70: "service_node_register", 0x72: "service_node_winner",
	0x73: "service_node_contributor", 0x74: "service_node_pubkey", 0x75: "tx_secret_key", 0x76: "tx_key_image_proofs",
	0x77: "tx_key_image_unlock", 0x78: "service_node_state_change", 0x7a: "oxen_name_system",
}

// extraObject is the extra of a made transaction as get_transactions shows it; what a made one never has is left out.
func (c *Chain) extraObject(t *transaction) object {
	o := object{}
	fields, ok := splitExtra(t.extra)
	if !ok {
		return o
	}
	var kinds, keys []string
	for _, f := range fields {
		if name, ok := extraNames[f.tag]; ok {
			kinds = append(kinds, name)
		}
		switch f.tag {
		case 0x01:
			keys = append(keys, hex.EncodeToString(f.body))
		case 0x02:
			if len(f.body) == 10 && f.body[1] == 1 {
				o.set("payment_id", hex.EncodeToString(f.body[2:]))
			}
		case 0x72:
			o.set("sn_winner", hex.EncodeToString(f.body))
		case 0x78:
			o.set("sn_state_change", stateChange(f.body))
		case 0x79:
			o.set("burn_amount", binary.LittleEndian.Uint64(f.body)) // the last one shows, the first one counts
		case 0x7a:
			if c.dialect == Dialect10 {
				o.set("ons", c.onsObject(f.body))
			}
		default:
			c.stakeExtra(o, f)
		}
	}
	if n := len(keys); n == 1 || n > 1 && c.dialect == Dialect10 {
		o.set("pubkey", keys[n-1])
	} else if len(keys) > 1 {
		o.set("pubkey", keys)
	}
	if c.dialect == Dialect11 && len(kinds) == 1 {
		o.set("type", kinds[0])
	} else if c.dialect == Dialect11 && len(kinds) > 1 {
		o.set("type", kinds)
	}
	return o
}

func (c *Chain) onsObject(body []byte) map[string]any {
	op, _ := (&cursor{b: body}).operation()
	o := map[string]any{"name_hash": hex.EncodeToString(op.Hash[:]), "type": [...]string{"session", "wallet", "lokinet"}[op.Type]}
	if op.Kind != 0 {
		o[[...]string{"", "buy", "update", "renew"}[op.Kind]] = true
	}
	if op.Length >= 2 {
		o["blocks"] = c.lengthBlocks(op.Length)
	}
	if s := op.Owner.Text(c.network); s != "" {
		o["owner"] = s
	}
	if s := op.Backup.Text(c.network); s != "" {
		o["backup_owner"] = s
	}
	if len(op.Value) > 0 {
		o["value"] = hex.EncodeToString(op.Value)
	}
	return o
}

func stateChange(body []byte) map[string]any {
	c := &cursor{b: body}
	state := c.varint()
	v4 := state == 4
	if v4 {
		state = c.varint()
	}
	o := map[string]any{"type": [...]string{"dereg", "decom", "recom", "ip"}[min(state, 3)], "height": c.varint(), "index": c.varint()}
	var voters []uint64
	for n := c.varint(); n > 0 && c.err == nil; n-- {
		voters = append(voters, c.varint())
		c.bytes(64)
	}
	o["voters"] = voters
	if v4 {
		all, some := c.varint(), c.varint()
		if r := reasons(all); len(r) > 0 {
			o["reasons"] = r
		}
		if r := reasons(some &^ all); len(r) > 0 {
			o["reasons_maybe"] = r
		}
	}
	return o
}

// reasons names the bits of spec F.2.
func reasons(bits uint64) (names []string) {
	for i, name := range [...]string{"uptime", "checkpoints", "pulse", "storage", "timecheck", "timesync", "lokinet"} {
		if bits>>i&1 != 0 {
			names = append(names, name)
		}
	}
	return names
}
