package devnet

import (
	"encoding/hex"

	"golang.org/x/crypto/sha3"
)

// recordedTx is a transaction as a recorded daemon showed it.
type recordedTx struct {
	raw      object // the entry with the hex: no flags on 10.x, data on 11.x
	decoded  object // 10.x: with as_json and extra; 11.x: with extra
	extraRaw string // 11.x: tx_extra_raw
	blocks   uint64 // 10.x: extra.ons.blocks
}

// txFlags are the parameters of get_transactions that shape an entry.
type txFlags struct {
	hex, json, extra, extraRaw, stake, prune, split bool
}

// prunableHash is the keccak-256 of what a pruned node drops.
func (t *transaction) prunableHash() string {
	if t.pruned == len(t.raw) {
		return emptyKeccak
	}
	h := sha3.NewLegacyKeccak256()
	h.Write(t.raw[t.pruned:])
	return hex.EncodeToString(h.Sum(nil))
}

// appendOutputs appends the global indices of a mined transaction's outputs, after a comma; nothing if it has none.
func (c *Chain) appendOutputs(b []byte, p place) []byte {
	if p.tx.outs == 0 {
		return b
	}
	k := &c.blocks[p.height]
	first := k.outputs
	if p.index != coinbaseIndex {
		first += c.coinbaseOuts(k, p.height)
		for _, t := range k.txs[:p.index] {
			first += uint64(t.outs)
		}
	}
	b = append(b, `,"output_indices":[`...)
	for i := range p.tx.outs {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendUint(b, "", first+uint64(i))
	}
	return append(b, ']')
}

// appendEntry10 appends an element of get_transactions' txs as 10.x shows it. lost says that the daemon stopped at it (the trap of
// observed.md): then it has no place and no extra.
func (c *Chain) appendEntry10(b []byte, p place, f txFlags, lost bool) []byte {
	if p.tx.recorded != nil {
		return appendJSON(b, c.recordedEntry10(p, f, lost))
	}
	t := p.tx
	b = append(b, '{')
	switch {
	case f.json:
		b = appendJSON(append(b, `"as_json":`...), string(t.appendJSON10(nil, !f.prune)))
		b = append(b, ',')
	case t.rct() && !f.prune && !f.split:
		b = append(appendHex(b, `"as_hex":"`, t.raw), ',')
	}
	b = append(b, `"blink":false,`...)
	if p.height != pooled {
		height, time := p.height, uint64(0)
		if lost {
			height = 0
		} else {
			time = c.blocks[p.height].time
		}
		b = append(appendUint(b, `"block_height":`, height), ',')
		b = append(appendUint(b, `"block_timestamp":`, time), ',')
	}
	b = append(b, `"double_spend_seen":false`...)
	if f.extra && !lost {
		b = appendJSON(append(b, `,"extra":`...), c.extraObject(t))
	}
	if p.height == pooled {
		b = append(b, `,"in_pool":true`...)
	} else {
		b = append(b, `,"in_pool":false`...)
		if !lost {
			b = c.appendOutputs(b, p)
		}
	}
	if (f.split && t.rct()) && !f.json {
		b = appendHex(b, `,"prunable_as_hex":"`, t.raw[t.pruned:])
	}
	if f.split || f.prune || !t.rct() {
		b = append(append(append(b, `,"prunable_hash":"`...), t.prunableHash()...), '"')
		if !f.json {
			b = appendHex(b, `,"pruned_as_hex":"`, t.raw[:t.pruned])
		}
	}
	if p.height == pooled {
		b = append(appendUint(b, `,"received_timestamp":`, p.received), `,"relayed":true`...)
	}
	b = appendUint(b, `,"size":`, uint64(len(t.raw)))
	if f.stake && !lost {
		b = t.appendStake(b)
	}
	return append(appendHash(b, `,"tx_hash":"`, t.hash), '}')
}

// recordedEntry10 is a recorded entry with what the flags add and drop, put where the transaction is mined.
func (c *Chain) recordedEntry10(p place, f txFlags, lost bool) object {
	t := p.tx
	o := t.recorded.raw.clone()
	whole := o["as_hex"] != nil
	if f.json {
		delete(o, "as_hex")
		delete(o, "pruned_as_hex")
		o["as_json"] = t.recorded.decoded["as_json"]
		if f.prune && t.rct() {
			o.set("as_json", string(t.appendJSON10(nil, false)))
		}
	} else if whole && (f.prune || f.split) && t.prefix > 0 {
		delete(o, "as_hex")
		o.set("pruned_as_hex", hex.EncodeToString(t.raw[:t.pruned]))
		if f.split {
			o.set("prunable_as_hex", hex.EncodeToString(t.raw[t.pruned:]))
		}
	}
	if whole && (f.prune || f.split) && t.prefix > 0 {
		o.set("prunable_hash", t.prunableHash())
	}
	if f.extra && !lost {
		o["extra"] = t.recorded.decoded["extra"]
	}
	if f.stake && !lost {
		if v := stakeAmount(t.recorded.decoded); v > 0 {
			o.set("stake_amount", v)
		}
	}
	switch {
	case lost:
		o.set("block_height", 0)
		o.set("block_timestamp", 0)
		delete(o, "output_indices")
	case p.height == pooled:
		for _, key := range [...]string{"block_height", "block_timestamp", "output_indices"} {
			delete(o, key)
		}
		o.set("in_pool", true)
		o.set("relayed", true)
		o.set("received_timestamp", p.received)
	default:
		o.set("block_height", p.height)
		o.set("block_timestamp", c.blocks[p.height].time)
		if list := c.appendOutputs(nil, p); list != nil {
			o["output_indices"] = list[len(`,"output_indices":`):]
		}
	}
	return o
}

// stakeAmount is what a registration or contribution locked: the sum of the registration's contributors that are paid for, which
// is all a recording shows.
func stakeAmount(decoded object) uint64 {
	var extra struct {
		Contributor string `json:"sn_contributor"`
		Register    struct {
			Contributors []struct {
				Amount uint64 `json:"amount"`
				Wallet string `json:"wallet"`
			} `json:"contributors"`
		} `json:"sn_registration"`
	}
	if unmarshal(decoded["extra"], &extra) != nil {
		return 0
	}
	for _, c := range extra.Register.Contributors {
		if c.Wallet == extra.Contributor {
			return c.Amount
		}
	}
	return 0
}

// appendEntry11 appends an element of get_transactions' txs as 11.x shows it, the decoded transaction merged in.
func (c *Chain) appendEntry11(b []byte, p place, f txFlags) []byte {
	t := p.tx
	if t.recorded != nil {
		return appendJSON(b, c.recordedEntry11(p, f))
	}
	b = append(b, `{"blink":false`...)
	if p.height != pooled {
		b = appendUint(b, `,"block_height":`, p.height)
		b = appendUint(b, `,"block_timestamp":`, c.blocks[p.height].time)
	}
	burned := t.burned()
	b = appendUint(b, `,"burned":`, burned)
	cut := f.prune || f.split || !t.rct()
	if f.hex && !cut {
		b = appendHex(b, `,"data":"`, t.raw)
	}
	if f.extra {
		b = appendJSON(append(b, `,"extra":`...), c.extraObject(t))
	}
	b = appendUint(b, `,"fee":`, t.fee-min(burned, t.fee))
	if p.height == pooled {
		used := c.newestUsed(t)
		b = appendUint(append(b, `,"in_pool":true`...), `,"last_relayed_time":`, p.received)
		b = appendHash(b, `,"max_used_block":"`, c.blocks[used].hash)
		b = appendUint(b, `,"max_used_height":`, used)
		b = append(appendUint(b, `,"received_timestamp":`, p.received), `,"relayed":true`...)
		b = appendUint(b, `,"weight":`, uint64(len(t.raw)))
	} else {
		b = c.appendOutputs(b, p)
	}
	b = appendUints(b, `,"output_unlock_times":`, t.unlocks)
	if f.split && t.rct() {
		b = appendHex(b, `,"prunable":"`, t.raw[t.pruned:])
	}
	if cut {
		b = append(append(append(b, `,"prunable_hash":"`...), t.prunableHash()...), '"')
		if f.hex || f.prune || f.split {
			b = appendHex(b, `,"pruned":"`, t.raw[:t.pruned])
		}
	}
	b = t.appendRingct11(b, !f.prune)
	b = appendUint(b, `,"size":`, uint64(len(t.raw)))
	b = t.appendStake(b)
	if f.extraRaw {
		b = appendHex(b, `,"tx_extra_raw":"`, t.extra)
	}
	b = appendHash(b, `,"tx_hash":"`, t.hash)
	b = appendUint(b, `,"type":`, t.kind)
	b = appendUint(b, `,"unlock_time":`, t.unlock)
	b = appendUint(b, `,"version":`, t.version)
	b = t.appendVin(append(b, `,"vin":`...), Dialect11)
	return append(t.appendVout(append(b, `,"vout":`...)), '}')
}

// burned is the amount of the first burn field.
func (t *transaction) burned() uint64 {
	if t.op != nil {
		return t.op.Burn
	}
	return 0
}

func (c *Chain) recordedEntry11(p place, f txFlags) object {
	t := p.tx
	o := t.recorded.raw.clone()
	cut := (f.prune || f.split) && t.prefix > 0 && o["data"] != nil
	if !f.hex || cut {
		delete(o, "data")
	}
	if !f.hex && !f.prune && !f.split {
		delete(o, "pruned")
	}
	if f.prune {
		delete(o, "rctsig_prunable")
	}
	if cut {
		o.set("pruned", hex.EncodeToString(t.raw[:t.pruned]))
		o.set("prunable_hash", t.prunableHash())
		if f.split {
			o.set("prunable", hex.EncodeToString(t.raw[t.pruned:]))
		}
	}
	if f.extra {
		o["extra"] = t.recorded.decoded["extra"]
	}
	if f.extraRaw {
		o.set("tx_extra_raw", t.recorded.extraRaw)
	}
	if p.height == pooled {
		for _, key := range [...]string{"block_height", "block_timestamp", "output_indices"} {
			delete(o, key)
		}
		used := c.newestUsed(t)
		o.set("in_pool", true)
		o.set("last_relayed_time", p.received)
		o.set("received_timestamp", p.received)
		o.set("relayed", true)
		o.set("max_used_block", c.blocks[used].hash.String())
		o.set("max_used_height", used)
		o.set("weight", len(t.raw))
	} else {
		o.set("block_height", p.height)
		o.set("block_timestamp", c.blocks[p.height].time)
		if list := c.appendOutputs(nil, p); list != nil {
			o["output_indices"] = list[len(`,"output_indices":`):]
		}
	}
	return o
}
