package devnet

import (
	"crypto/sha512"
	"encoding/hex"

	"onsight/ons"
)

// pulseSignatures is how many of a pulse quorum's validators sign a block.
const pulseSignatures = 7

// allValidators is the bit set of a pulse quorum all of whom took part.
const allValidators = 1<<pulseSize - 1

// pulse is what a made block carries from the quorum that made it; zero for a mined one.
type pulse struct {
	random     [16]byte
	voters     uint16
	signatures [][64]byte
}

// pulseOf draws the pulse part of a block from its hash.
func (c *Chain) pulseOf(height uint64) (p pulse) {
	if !c.stakes.blocks[height].pulse {
		return p
	}
	hash := c.blocks[height].hash
	copy(p.random[:], hash[16:])
	p.voters = allValidators
	for i := range byte(pulseSignatures) {
		p.signatures = append(p.signatures, sha512.Sum512(append([]byte{'p', i}, hash[:]...)))
	}
	return p
}

func (c *Chain) pulseJSON(height uint64) any {
	p := c.pulseOf(height)
	return struct {
		Random string `json:"random_value"`
		Round  int    `json:"round"`
		Voters uint16 `json:"validator_bitset"`
	}{hex.EncodeToString(p.random[:]), 0, p.voters}
}

func (c *Chain) signatures(height uint64) any {
	type signature struct {
		Voter     int    `json:"voter_index"`
		Signature string `json:"signature"`
	}
	list := []signature{}
	for i, s := range c.pulseOf(height).signatures {
		list = append(list, signature{i, hex.EncodeToString(s[:])})
	}
	return list
}

// nonce is what a miner found; zero in a pulse block.
func (c *Chain) nonce(height uint64) uint64 {
	if c.stakes.blocks[height].pulse {
		return 0
	}
	return c.blocks[height].nonce()
}

// leaderOf is the node whose turn it was to be rewarded for a block; zero if there was none.
func (c *Chain) leaderOf(height uint64) (key ons.Txid) {
	if l := c.stakes.blocks[height].leader; l != nil {
		key = *l
	}
	return key
}

// producer is the node that made a block; zero if it was mined.
func (c *Chain) producer(height uint64) (key ons.Txid) {
	if c.stakes.blocks[height].pulse {
		key = c.leaderOf(height)
	}
	return key
}

// winner is what a header shows: 10.x the producer, 11.x whose turn it was, mined or not (observed-11.md).
func (c *Chain) winner(height uint64) ons.Txid {
	if c.dialect == Dialect11 {
		return c.leaderOf(height)
	}
	return c.producer(height)
}

// pulseValidators draws the eleven who make a block with its leader, from who was active before it.
func pulseValidators(m *members, leader [32]byte, before ons.Txid) []*[32]byte {
	if len(m.active) <= pulseSize {
		return nil
	}
	var list []*[32]byte
	for _, i := range draw(before, quorumPulse).Perm(len(m.active)) {
		if *m.active[i] != leader && len(list) < pulseSize {
			list = append(list, m.active[i])
		}
	}
	return list
}

// pulseQuorum is the quorum that made a block, or is to make the next one.
func (c *Chain) pulseQuorum(height uint64) (quorum, bool) {
	n := uint64(len(c.blocks))
	q := quorum{height: height, kind: quorumPulse}
	if height == 0 || height > n || c.fork(height).Version < 16 || height < n && !c.stakes.blocks[height].pulse {
		return q, false
	}
	var leader *[32]byte
	if height < n {
		leader = c.stakes.blocks[height].leader
	} else if l := c.stakes.leader(); l != nil {
		leader = &l.key
	}
	if leader == nil {
		return q, false
	}
	q.validators = pulseValidators(c.stakes.blocks[height-1].members, *leader, c.blocks[height-1].hash)
	q.workers = []*[32]byte{leader}
	return q, len(q.validators) > 0
}
