package devnet

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"onsight/ons"
)

// Dialect is a release line of oxend, as its RPC speaks.
type Dialect uint8

// The two release lines.
const (
	Dialect10 Dialect = 10 // 10.x, as 10.6.0
	Dialect11 Dialect = 11 // 11.x, as 11.0.6
)

// String returns "10.x" or "11.x".
func (d Dialect) String() string { return fmt.Sprintf("%d.x", uint8(d)) }

// genesisHash is the hash of block 0 of mainnet and of fakechain (spec D.4).
const genesisHash = "08ff156d993012b0bdf2816c4bee47c9bbc7930593b70ee02574edddf15ee933"

// ErrHeight is returned when a height lies outside of the chain.
var ErrHeight = errors.New("no such height")

// Chain is what a daemon knows: blocks in order, transactions by hash, and the names they registered. It is safe for concurrent
// use; a reader sees the chain before or after a change, never within it.
type Chain struct {
	dialect Dialect
	network ons.Network
	year    uint64
	forks   []Fork
	gen     *generator // nil unless generated

	recordedInfo  map[string]json.RawMessage // get_info as recorded; nil if the chain was generated
	recordedForks map[uint64]json.RawMessage // hard_fork_info by version, as recorded
	version       uint64                     // get_version

	mu        sync.RWMutex     // guards everything below
	now       func() time.Time // nil unless set: blocks are 120 s apart
	blocks    []block
	heights   map[ons.Txid]uint32 // of blocks, by hash
	txs       map[ons.Txid]place  // of mined transactions
	txCount   uint64
	coinbases map[ons.Txid]uint32   // heights of recorded ones, by hash
	spent     map[[32]byte]struct{} // key images of mined transactions
	pool      []waiting
	names     registry
	immutable uint64
	pristine  bool // a recording nobody has changed since it was read
	salt      uint64
	acts      uint64        // transactions made by hand
	nodes     []serviceNode // as recorded
	stakes    stakes
	proofs    map[[32]byte]Proof // by legacy key; of this daemon, not of the chain
	draws     atomic.Uint64      // of random service nodes
	addresses sync.Map           // texts of wallets, in quotes, by ons.Owner
}

// Fork is the first block of a hard fork.
type Fork struct {
	Version uint8
	Height  uint64
}

// block is one block of a chain; its height is its place.
type block struct {
	hash, prev ons.Txid
	time       uint64
	txs        []*transaction
	outputs    uint64 // global index of the block's first output, the coinbase's if it has one
	recorded   *recordedBlock
}

// place is where a transaction was mined.
type place struct {
	tx     *transaction
	height uint64
	index  uint32 // among the block's, coinbase not counted

	received uint64 // of a pooled one
}

// Block is one block to append. Zero fields are filled in: Hash by a hash over what is before it, Time by 120 s after the block
// before.
type Block struct {
	Hash ons.Txid
	Time uint64 // seconds since 1970
	Txs  []Tx
}

// Tx is one transaction of a Block. A zero Hash is filled in by oxen's hash of Raw, if that is a transaction.
type Tx struct {
	Hash ons.Txid
	Raw  []byte // prefix and RingCT part as on the wire
}

func newChain(d Dialect) *Chain {
	return &Chain{
		dialect: d, network: ons.Fakechain, version: 262144 + uint64(d-Dialect10),
		heights: map[ons.Txid]uint32{}, txs: map[ons.Txid]place{}, names: newRegistry(), coinbases: map[ons.Txid]uint32{},
		spent: map[[32]byte]struct{}{}, stakes: newStakes(),
	}
}

// Dialect returns the release line the chain's daemon speaks by default.
func (c *Chain) Dialect() Dialect { return c.dialect }

// Network returns the network the chain belongs to.
func (c *Chain) Network() ons.Network { return c.network }

// Year returns the length in blocks of one lokinet "year" where it is the chain's own and not the network's constant, else 0.
func (c *Chain) Year() uint64 { return c.year }

// Forks returns the chain's hard forks in order. The caller must not change the slice.
func (c *Chain) Forks() []Fork { return c.forks }

// Height returns the number of blocks.
func (c *Chain) Height() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return uint64(len(c.blocks))
}

// Hash returns the hash of the block at a height, or ErrHeight.
func (c *Chain) Hash(height uint64) (ons.Txid, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if height >= uint64(len(c.blocks)) {
		return ons.Txid{}, fmt.Errorf("block %d of %d: %w", height, len(c.blocks), ErrHeight)
	}
	return c.blocks[height].hash, nil
}

// Transactions returns the hashes of a block's transactions, coinbase left out, in block order, or ErrHeight.
func (c *Chain) Transactions(height uint64) ([]ons.Txid, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if height >= uint64(len(c.blocks)) {
		return nil, fmt.Errorf("block %d of %d: %w", height, len(c.blocks), ErrHeight)
	}
	var hashes []ons.Txid
	for _, t := range c.blocks[height].txs {
		hashes = append(hashes, t.hash)
	}
	return hashes, nil
}

// Raw returns a mined or pooled transaction's bytes, and false if there is none of that hash.
func (c *Chain) Raw(hash ons.Txid) ([]byte, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if p, ok := c.find(hash); ok {
		return append([]byte(nil), p.tx.raw...), true
	}
	return nil, false
}

// Counts returns the numbers of live session, wallet and lokinet names while the chain has the given number of blocks, as
// get_info's ons_counts; false if it never was that high.
func (c *Chain) Counts(height uint64) ([3]uint64, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if height > uint64(len(c.blocks)) {
		return [3]uint64{}, false
	}
	return c.names.counts(height), true
}

// Cut drops the blocks at and above a height. The transactions in them are gone, not pooled. Cutting above the tip does nothing.
func (c *Chain) Cut(height uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut(height)
}

// Append adds blocks on top. A block's names follow from its transactions; an operation that does not apply is ignored.
func (c *Chain) Append(blocks ...Block) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range blocks {
		c.appendBlock(b)
	}
}

// Replace cuts at a height and appends blocks there, in one step for readers: a reorganisation.
func (c *Chain) Replace(height uint64, blocks ...Block) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut(height)
	for _, b := range blocks {
		c.appendBlock(b)
	}
}

// SetImmutable sets the highest final height the daemon reports; 0 means none (spec D.3).
func (c *Chain) SetImmutable(height uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.immutable, c.pristine = height, false
}

func (c *Chain) cut(height uint64) {
	if height >= uint64(len(c.blocks)) {
		return
	}
	for _, b := range c.blocks[height:] {
		delete(c.heights, b.hash)
		for _, t := range b.txs {
			delete(c.txs, t.hash)
			for _, image := range t.images() {
				delete(c.spent, image)
			}
		}
		if b.recorded != nil && b.recorded.coinbase != nil {
			delete(c.coinbases, b.recorded.coinbase.hash)
		}
		c.txCount -= uint64(len(b.txs))
	}
	clear(c.blocks[height:])
	c.blocks = c.blocks[:height]
	c.names.cut(height)
	c.stakes.cut(c, height)
	c.pristine = false
}

func (c *Chain) appendBlock(b Block) {
	txs := make([]*transaction, 0, len(b.Txs))
	for _, t := range b.Txs {
		txs = append(txs, newTransaction(t.Hash, t.Raw))
	}
	c.push(block{hash: b.Hash, time: b.Time, txs: txs})
}

// push puts a block on top; prev, and the hash, time and outputs left zero, are filled in.
func (c *Chain) push(b block) {
	height := uint64(len(c.blocks))
	if height > 0 {
		last := &c.blocks[height-1]
		b.prev = last.hash
		b.outputs = last.outputs + c.coinbaseOuts(last, height-1)
		for _, t := range last.txs {
			b.outputs += uint64(t.outs)
		}
		if b.time == 0 {
			b.time = last.time + 120
		}
	}
	if b.hash == (ons.Txid{}) {
		c.salt++
		seed := append([]byte(nil), b.prev[:]...)
		seed = binary.LittleEndian.AppendUint64(seed, c.salt)
		for _, t := range b.txs {
			seed = append(seed, t.hash[:]...)
		}
		b.hash = sha256.Sum256(seed)
	}
	for i, t := range b.txs {
		c.txs[t.hash] = place{tx: t, height: height, index: uint32(i)}
		if t.op != nil {
			c.names.apply(*t.op, height, uint32(i), t.hash, c.length(t))
		}
		for _, image := range t.images() {
			c.spent[image] = struct{}{}
		}
	}
	c.mined(b.txs)
	if b.recorded != nil && b.recorded.coinbase != nil {
		c.coinbases[b.recorded.coinbase.hash] = uint32(height)
	}
	c.names.seal(height)
	c.stakes.seal(c, &b, height)
	c.heights[b.hash] = uint32(height)
	c.blocks = append(c.blocks, b)
	c.txCount += uint64(len(b.txs))
	c.pristine = false
}

// length is how many blocks a lokinet buy or renewal adds: as the daemon said, else by spec A.4 with the chain's year.
func (c *Chain) length(t *transaction) uint64 {
	if t.recorded != nil && t.recorded.blocks != 0 {
		return t.recorded.blocks
	}
	return c.lengthBlocks(t.op.Length)
}

func (c *Chain) lengthBlocks(length uint8) uint64 {
	year := c.year
	if year == 0 {
		switch c.network {
		case ons.Fakechain:
			year = 2
		case ons.Testnet:
			if year = 720; length == 5 {
				return 2_649_600 // not shortened
			}
		default:
			year = 264_960
		}
	}
	return years(length) * year
}

// years is how many lokinet "years" a type byte stands for.
func years(length uint8) uint64 {
	switch length {
	case 2:
		return 1
	case 3:
		return 2
	case 4:
		return 5
	case 5:
		return 10
	}
	return 0
}

// find looks among the mined, then among the pooled and the coinbases; a pooled one has the height math.MaxUint64.
func (c *Chain) find(hash ons.Txid) (place, bool) {
	if p, ok := c.txs[hash]; ok {
		return p, true
	}
	for _, w := range c.pool {
		if w.tx.hash == hash {
			return w.place(), true
		}
	}
	return c.findCoinbase(hash)
}

func (c *Chain) tipHash() ons.Txid { return c.blocks[len(c.blocks)-1].hash }

// fork returns the hard fork in force for a block of a height.
func (c *Chain) fork(height uint64) Fork {
	f := Fork{Version: 7}
	for _, g := range c.forks {
		if g.Height <= height {
			f = g
		}
	}
	return f
}
