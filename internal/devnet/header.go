package devnet

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"

	"onsight/ons"
)

const (
	// emptyKeccak is the keccak-256 of nothing: the prunable_hash of a transaction without a prunable part.
	emptyKeccak = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
	coinbase    = 111 // bytes of a block without transactions since HF19
	payoutSize  = 41  // bytes of one output of its coinbase
	reward      = 16500000000
)

// recordedBlock is a block as a recorded daemon showed it.
type recordedBlock struct {
	before, after []byte       // the header around the value of depth, neither brace nor tx_hashes at the end
	block         object       // get_block's result, its header left out
	coinbase      *transaction // nil if the recording does not show its hash
	outs          uint64       // of the coinbase
}

// appendHeader appends a block's header object (spec E.6).
func (c *Chain) appendHeader(b []byte, height uint64, hashes bool) []byte {
	k := &c.blocks[height]
	depth := uint64(len(c.blocks)) - 1 - height
	if k.recorded != nil {
		b = append(b, k.recorded.before...)
		b = appendUint(b, "", depth)
		b = append(b, k.recorded.after...)
	} else {
		b = c.appendMadeHeader(b, k, height, depth)
	}
	if hashes && len(k.txs) > 0 {
		b = appendHashes(b, `,"tx_hashes":`, k.txs)
	}
	return append(b, '}')
}

func (c *Chain) appendMadeHeader(b []byte, k *block, height, depth uint64) []byte {
	f := c.fork(height)
	size, fees := uint64(coinbase), uint64(0)
	for _, t := range k.txs {
		size += uint64(len(t.raw))
		fees += t.fee - min(t.burned(), t.fee)
	}
	payout := uint64(0)
	pulse := &c.stakes.blocks[height]
	if f.Version < 19 {
		payout = reward + fees
	}
	for _, p := range pulse.payouts {
		payout += p.amount
		size += payoutSize
	}
	blockSize := size
	if c.dialect == Dialect11 {
		blockSize += 217
	}
	b = appendUint(b, `{"block_size":`, blockSize)
	b = appendUint(b, `,"block_weight":`, size)
	b = appendUint(b, `,"coinbase_payouts":`, payout)
	b = appendUint(b, `,"cumulative_difficulty":`, height+1)
	b = appendUint(b, `,"depth":`, depth)
	b = appendHash(b, `,"difficulty":1,"hash":"`, k.hash)
	b = appendUint(b, `,"height":`, height)
	b = appendUint(b, `,"long_term_weight":`, size)
	b = appendUint(b, `,"major_version":`, uint64(f.Version))
	miner := k.minerHash()
	switch {
	case c.dialect == Dialect11:
		b = appendHash(b, `,"miner_tx_hash":"`, miner)
		b = appendUint(b, `,"miner_tx_outs":`, max(b2u(payout > 0), uint64(len(pulse.payouts))))
	case payout > 0:
		b = appendHash(b, `,"miner_tx_hash":"`, miner)
	default:
		b = append(b, `,"miner_tx_hash":""`...)
	}
	b = appendUint(b, `,"minor_version":`, c.minor(f))
	b = appendUint(b, `,"nonce":`, c.nonce(height))
	b = appendUint(b, `,"num_txes":`, uint64(len(k.txs)))
	b = appendHash(b, `,"orphan_status":false,"prev_hash":"`, k.prev)
	b = appendUint(b, `,"reward":`, reward+fees)
	b = appendHash(b, `,"service_node_winner":"`, c.winner(height))
	return appendUint(b, `,"timestamp":`, k.time)
}

func b2u(v bool) uint64 {
	if v {
		return 1
	}
	return 0
}

// minor is the minor version a daemon writes into a block: the snode revision since HF19.
func (c *Chain) minor(f Fork) uint64 {
	if f.Version >= 19 {
		return 6
	}
	return 19
}

// nonce and minerHash are drawn from the hash, which is as good as random.
func (k *block) nonce() uint64 {
	return uint64(k.hash[3])<<24 | uint64(k.hash[2])<<16 | uint64(k.hash[1])<<8 | uint64(k.hash[0])
}

func (k *block) minerHash() (h ons.Txid) {
	for i := range h {
		h[i] = k.hash[i] ^ 0x5a
	}
	return h
}

// appendBlockResult appends get_block's result. A recorded block has no blob: the recording has none.
func (c *Chain) appendBlockResult(b []byte, height uint64) []byte {
	k := &c.blocks[height]
	var o object
	if k.recorded != nil {
		o = k.recorded.block.clone()
	} else {
		o = object{}
		o.set("status", "OK")
		o.set("json", string(c.blockJSON(k, height)))
		o.set("blob", hex.EncodeToString(c.blockBlob(k, height)))
		if c.dialect == Dialect10 {
			o.set("untrusted", false)
		}
		if len(k.txs) > 0 || c.dialect == Dialect11 {
			o["tx_hashes"] = appendHashes(nil, "", k.txs)
		}
	}
	o["block_header"] = c.appendHeader(nil, height, false)
	return appendJSON(b, o)
}

// paid is what a made block's coinbase pays: the reward to who made it, since HF19 the batched payouts, none in most blocks.
func (c *Chain) paid(k *block, height uint64) []payout {
	if c.fork(height).Version < 19 {
		return []payout{{wallet: ons.Owner{Key: k.hash}, amount: reward}}
	}
	return c.stakes.blocks[height].payouts
}

// minerTx is the coinbase of a made block.
func (c *Chain) minerTx(k *block, height uint64) *transaction {
	extra := append([]byte{1}, k.hash[:]...)
	leader := c.leaderOf(height)
	extra = append(append(extra, 0x72), leader[:]...)
	paid := c.paid(k, height)
	raw := appendVarint([]byte{4}, uint64(len(paid)))
	for range paid {
		raw = appendVarint(raw, height+30)
	}
	raw = appendVarint(raw, height+30)
	raw = appendVarint(append(raw, 1, 0xff), height)
	raw = appendVarint(raw, uint64(len(paid)))
	for i, p := range paid {
		key := sha256.Sum256(append(append([]byte{byte(i)}, k.hash[:]...), p.wallet.Key[:]...))
		raw = append(append(appendVarint(raw, p.amount), 2), key[:]...)
	}
	raw = append(appendVarint(raw, uint64(len(extra))), extra...)
	return newTransaction(k.minerHash(), append(raw, 0, 0))
}

func (c *Chain) blockJSON(k *block, height uint64) []byte {
	f := c.fork(height)
	if c.dialect == Dialect11 {
		return c.blockJSON11(k, height, f)
	}
	b := appendUint(nil, `{"major_version":`, uint64(f.Version))
	b = appendUint(b, `,"minor_version":`, c.minor(f))
	b = appendUint(b, `,"timestamp":`, k.time)
	b = appendHash(b, `,"prev_id":"`, k.prev)
	b = appendUint(b, `,"nonce":`, c.nonce(height))
	if f.Version >= 16 {
		b = appendJSON(append(b, `,"pulse":`...), c.pulseJSON(height))
	}
	b = append(append(b, `,"miner_tx":`...), c.minerTx(k, height).appendJSON10(nil, true)...)
	b = appendHashes(b, `,"tx_hashes":`, k.txs)
	if f.Version >= 16 {
		b = appendJSON(append(b, `,"signatures":`...), c.signatures(height))
	}
	if f.Version >= 19 {
		b = appendUint(b, `,"height":`, height)
		b = appendHash(b, `,"service_node_winner_key":"`, c.producer(height))
		b = appendUint(b, `,"reward":`, reward)
	}
	return append(b, '}')
}

func (c *Chain) blockJSON11(k *block, height uint64, f Fork) []byte {
	o := object{}
	o.set("height", height)
	o.set("major_version", f.Version)
	o.set("minor_version", c.minor(f))
	o.set("nonce", c.nonce(height))
	o.set("prev_id", k.prev.String())
	o.set("pulse", c.pulseJSON(height))
	o.set("pulse_producer", c.producer(height).String())
	o.set("reward", reward)
	o.set("signatures", c.signatures(height))
	o.set("timestamp", k.time)
	o["tx_hashes"] = appendHashes(nil, "", k.txs)
	o["miner_tx"] = json.RawMessage(c.minerTx(k, height).appendJSON10(nil, true))
	return appendJSON(nil, o)
}

// blockBlob is the block on the wire, as far as a made one goes.
func (c *Chain) blockBlob(k *block, height uint64) []byte {
	f := c.fork(height)
	b := appendVarint(nil, uint64(f.Version))
	b = appendVarint(b, c.minor(f))
	b = appendVarint(b, k.time)
	b = append(b, k.prev[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(c.nonce(height)))
	p := c.pulseOf(height)
	if f.Version >= 16 {
		b = append(append(b, p.random[:]...), 0) // round 0
		b = binary.LittleEndian.AppendUint16(b, p.voters)
	}
	b = append(b, c.minerTx(k, height).raw...)
	b = appendVarint(b, uint64(len(k.txs)))
	for _, t := range k.txs {
		b = append(b, t.hash[:]...)
	}
	if f.Version >= 16 {
		b = appendVarint(b, uint64(len(p.signatures)))
		for i, s := range p.signatures {
			b = append(binary.LittleEndian.AppendUint16(b, uint16(i)), s[:]...)
		}
	}
	if f.Version >= 19 {
		producer := c.producer(height)
		b = appendVarint(b, height)
		b = appendVarint(append(b, producer[:]...), reward)
	}
	return b
}

func appendVarint(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}
