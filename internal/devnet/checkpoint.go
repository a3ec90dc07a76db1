package devnet

import (
	"crypto/sha512"
	"encoding/binary"
	"math"
	"slices"
)

// Checkpoints older than keptCheckpoints blocks are dropped but for every sixtieth (spec D.3).
const keptCheckpoints = 60

// maxCheckpoints bounds what a public port answers at once (spec E.4).
const maxCheckpoints = 256

// checkpointed tells whether the daemon still has the service nodes' checkpoint of a height.
func (c *Chain) checkpointed(height uint64) bool {
	n := uint64(len(c.blocks))
	if height >= n || c.stakes.blocks[height].final[1] != height || height == 0 {
		return false
	}
	return n-1-height <= keptCheckpoints || height%keptCheckpoints == 0
}

// checkpoints returns the newest two checkpoints once a block of a height is there, the lower first, zero where there is none: a new
// one if a full quorum can vote, who all do.
func (s *stakes) checkpoints(c *Chain, height uint64) (final [2]uint64) {
	if height > 0 {
		final = s.blocks[height-1].final
	}
	if height%checkpointEvery != 0 || height < checkpointLag || c.fork(height).Version < 13 ||
		len(s.blocks[height-checkpointLag].members.active) < checkpointSize {
		return final
	}
	return [2]uint64{final[1], height}
}

// finalHeight is the height below which a reorganisation cannot go: of the newest two checkpoints the lower (spec D.3); 0 if there
// are not two.
func (c *Chain) finalHeight() uint64 {
	if len(c.blocks) == 0 {
		return 0
	}
	return c.stakes.blocks[len(c.blocks)-1].final[0]
}

// getCheckpoints shows the newest checkpoints, or those of a range.
func getCheckpoints(v *view, b []byte, p params) ([]byte, *rpcError) {
	c := v.chain
	r, fault := p.heights()
	if fault != nil {
		return b, fault
	}
	from, haveFrom, to, haveTo := r.start, r.started, r.end, r.ended
	count, haveCount, fault := p.uint("count", math.MaxUint32)
	if fault != nil {
		return b, fault
	}
	if !haveCount {
		count = 60
	}
	if v.public && count > maxCheckpoints {
		return b, errorf(-1, "Number of checkpoints requested greater than the allowed limit: %d, requested: %d", maxCheckpoints, count)
	}
	var heights []uint64
	top := uint64(len(c.blocks) - 1)
	low, high := from, min(to, top)
	if !haveTo {
		high = top
	}
	if !haveFrom {
		low = 0
	}
	if low <= high {
		for h := low; h <= high; h++ {
			if c.checkpointed(h) {
				heights = append(heights, h)
			}
		}
	}
	if !haveFrom {
		slices.Reverse(heights)
	}
	if n := int(count); !(haveFrom && haveTo) && n > 0 && len(heights) > n {
		heights = heights[:n]
	}
	b = append(b, '{')
	if len(heights) > 0 || c.dialect == Dialect11 {
		b = append(b, `"checkpoints":[`...)
		for i, h := range heights {
			if i > 0 {
				b = append(b, ',')
			}
			b = c.appendCheckpoint(b, h)
		}
		b = append(b, "],"...)
	}
	return v.status(b), nil
}

func (c *Chain) appendCheckpoint(b []byte, height uint64) []byte {
	hash := c.blocks[height].hash
	b = appendUint(appendHash(b, `{"block_hash":"`, hash), `,"height":`, height)
	b = append(b, `,"prev_height":0,"signatures":[`...)
	at := height - checkpointLag
	for i, key := range c.stakes.blocks[at].members.some(c.blocks[at].hash, quorumCheckpointing, checkpointSize, checkpointSize) {
		if i > 0 {
			b = append(b, ',')
		}
		sum := sha512.Sum512(append(binary.LittleEndian.AppendUint64([]byte("devnet checkpoint"), height), append(key[:], hash[:]...)...))
		b = appendUint(appendHex(b, `{"signature":"`, sum[:]), `,"voter_index":`, uint64(i))
		b = append(b, '}')
	}
	return append(b, `],"type":"ServiceNode","version":0}`...)
}
