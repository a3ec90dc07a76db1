package devnet

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"onsight/ons"
)

// The kinds of quorums (spec E.7), and how large they are: oxen-core 10.6.0, src/cryptonote_core/service_node_rules.h.
const (
	quorumObligations = iota
	quorumCheckpointing
	quorumBlink
	quorumPulse

	obligationSize   = 10 // validators, and
	testedNodes      = 50 // at least so many workers, or a hundredth of all nodes
	checkpointSize   = 20
	checkpointEvery  = 4
	checkpointLag    = 11 // a checkpoint's quorum is drawn from the state so many blocks before: REORG_SAFETY_BUFFER
	blinkSize        = 10
	blinkMin         = 7
	blinkEvery       = 5
	pulseSize        = 11
	maxQuorumHeights = 256
)

// members are the funded nodes after a block, ascending by key. They are shared between blocks and never changed.
type members struct {
	active, decommissioned []*[32]byte
}

type quorum struct {
	height     uint64 // as get_quorum_state shows it
	kind       uint8
	validators []*[32]byte
	workers    []*[32]byte
}

// Whom a quorum consists of is drawn from the hash of a block, as by oxend, but with our own draw: the recorded quorums do not follow
// from the chain by any rule we know.
func draw(hash ons.Txid, kind uint8) *rand.Rand {
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(hash[:]), uint64(kind)))
}

// obligations draws who tests whom after a block: the validators from the active nodes, the workers from all the others.
func (m *members) obligations(hash ons.Txid) (validators, workers []*[32]byte) {
	r, n := draw(hash, quorumObligations), min(len(m.active), obligationSize)
	all := slices.Concat(m.active, m.decommissioned)
	swap := func(list []*[32]byte) { r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] }) }
	swap(all[:len(m.active)])
	swap(all[n:])
	return all[:n:n], all[n:min(len(all), n+max(testedNodes, len(all)/100))]
}

func (m *members) some(hash ons.Txid, kind uint8, least, most int) (validators []*[32]byte) {
	if len(m.active) < least {
		return nil
	}
	for _, i := range draw(hash, kind).Perm(len(m.active))[:min(len(m.active), most)] {
		validators = append(validators, m.active[i])
	}
	return validators
}

// quorum returns the quorum of a kind shown at a height; false if there is none of that kind there. The chain is locked.
func (c *Chain) quorum(kind uint8, height uint64) (q quorum, ok bool) {
	q = quorum{height: height, kind: kind}
	at := height
	switch kind {
	case quorumCheckpointing:
		if height%checkpointEvery != 0 || height < checkpointLag {
			return q, false
		}
		at = height - checkpointLag
	case quorumBlink:
		if height%blinkEvery != 0 {
			return q, false
		}
	case quorumPulse:
		return c.pulseQuorum(height)
	}
	if at >= uint64(len(c.blocks)) || c.fork(at).Version < 12 {
		return q, false
	}
	m, hash := c.stakes.blocks[at].members, c.blocks[at].hash
	switch kind {
	case quorumObligations:
		q.validators, q.workers = m.obligations(hash)
	case quorumCheckpointing:
		q.validators = m.some(hash, kind, checkpointSize, checkpointSize)
	case quorumBlink:
		q.validators = m.some(hash, kind, blinkMin, blinkSize)
	}
	return q, true
}

// getQuorumState shows who was drawn for what.
func getQuorumState(v *view, b []byte, p params) ([]byte, *rpcError) {
	c := v.chain
	r, fault := p.heights()
	if fault != nil {
		return b, fault
	}
	from, haveFrom, to, haveTo := r.start, r.started, r.end, r.ended
	kind, haveKind, fault := p.uint("quorum_type", 255)
	if fault != nil {
		return b, fault
	}
	if !haveKind {
		kind = 255
	}
	if kind > quorumPulse && kind != 255 {
		return b, errorf(-1, "Quorum type specifies an invalid value: %d", kind)
	}
	n := uint64(len(c.blocks))
	wanted := func(k uint8) bool { return kind == 255 || kind == uint64(k) }
	var list []quorum
	add := func(k uint8, height uint64) {
		if wanted(k) {
			if q, ok := c.quorum(k, height); ok {
				list = append(list, q)
			}
		}
	}
	switch {
	case !haveFrom && !haveTo:
		tip := n - 1
		latest := map[uint8]uint64{quorumObligations: tip, quorumCheckpointing: tip - tip%checkpointEvery, quorumBlink: tip - tip%blinkEvery}
		for h := tip - min(tip, blinkEvery); h <= tip; h++ {
			for k := range uint8(quorumPulse) {
				if latest[k] == h {
					add(k, h)
				}
			}
		}
	default:
		if !haveFrom {
			from = to
		}
		if !haveTo {
			to = from
		}
		from, to := min(from, n), min(to, n)
		if count := max(from, to) - min(from, to) + 1; v.public && count > maxQuorumHeights {
			return b, errorf(-1, "Number of quorums requested greater than the allowed limit: %d, requested: %d", maxQuorumHeights, count)
		}
		for h := from; ; {
			for k := range uint8(quorumPulse + 1) {
				if h < n {
					add(k, h)
				}
			}
			if h == to {
				break
			}
			if h < to {
				h++
			} else {
				h--
			}
		}
	}
	// The block being made has a pulse quorum already. As recorded it is not shown among all kinds of the latest.
	if latest := !haveFrom && !haveTo; kind == quorumPulse && latest || !latest && max(from, to) >= n {
		add(quorumPulse, n)
	}
	if len(list) == 0 {
		return b, errorf(-1, "Failed to query any quorums at all")
	}
	b = append(b, `{"quorums":[`...)
	for i, q := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = q.appendJSON(b, c.dialect)
	}
	return v.status(append(b, "],"...)), nil
}

func (q *quorum) appendJSON(b []byte, d Dialect) []byte {
	b = append(appendUint(b, `{"height":`, q.height), `,"quorum":{`...)
	if len(q.validators) > 0 || d == Dialect11 {
		b = appendPointers(b, `"validators":`, q.validators)
	}
	if len(q.workers) > 0 || d == Dialect11 {
		b = appendPointers(b, `,"workers":`, q.workers)
	}
	return append(appendUint(b, `},"quorum_type":`, uint64(q.kind)), '}')
}

func appendPointers(b []byte, name string, keys []*[32]byte) []byte {
	b = append(append(b, name...), '[')
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendHex(b, `"`, k[:])
	}
	return append(b, ']')
}
