package devnet

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/crypto/blake2b"

	"onsight/ons"
)

// digest is what an update signs (spec A.7).
func digest(message []byte) []byte {
	d := blake2b.Sum256(message)
	return d[:]
}

// Reorg replaces the newest depth blocks of a generated chain by depth + 1 others, in one step for readers. The blocks get other
// hashes; their transactions are mined again at other heights, but for a fifth, which are dropped, and for those that are not valid
// any more. It returns the height of the first block replaced and the hashes that were dropped. All that is drawn follows from the
// branch and the tip that is left. It panics for a chain that was not generated.
func (c *Chain) Reorg(depth int, branch uint64) (from uint64, dropped []ons.Txid) {
	return c.reorg(depth, branch, false)
}

// ReorgToPool is Reorg, but what is dropped goes back into the pool, as it does in oxend.
func (c *Chain) ReorgToPool(depth int, branch uint64) (from uint64, dropped []ons.Txid) {
	return c.reorg(depth, branch, true)
}

func (c *Chain) reorg(depth int, branch uint64, keep bool) (from uint64, dropped []ons.Txid) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gen == nil {
		panic("devnet: Reorg of a chain that was not generated; use Replace")
	}
	depth = max(0, min(depth, len(c.blocks)-1))
	tip := c.tipHash()
	c.gen.reseed(branch, binary.LittleEndian.Uint64(tip[:]))
	from = uint64(len(c.blocks) - depth)
	var old, lost []*transaction
	for _, b := range c.blocks[from:] {
		old = append(old, b.txs...)
	}
	c.cut(from)
	g, n := c.gen, depth+1
	at := make([]int, len(old)) // which new block each goes into, in the old order
	for i := range at {
		at[i] = g.r.IntN(n)
	}
	slices.Sort(at)
	broken := map[ons.Key]bool{}
	for i, next := 0, 0; i < n; i++ {
		b := block{hash: g.hash(), time: c.branchTime(from-1, i+1, n)}
		clear(g.touched)
		for ; next < len(old) && at[next] <= i; next++ {
			t := old[next]
			if !g.again(t, from+uint64(i), broken) {
				dropped, lost = append(dropped, t.hash), append(lost, t)
				continue
			}
			b.txs = append(b.txs, t)
		}
		c.push(b)
	}
	if keep {
		c.giveBack(lost)
	}
	return from, dropped
}

// branchTime is the time of the i-th of n blocks over a height: with a clock they lie evenly between that block and now.
func (c *Chain) branchTime(height uint64, i, n int) uint64 {
	base := c.blocks[height].time
	if c.now == nil {
		return base + uint64(i)*120 + 1
	}
	now := c.moment()
	return max(c.blocks[len(c.blocks)-1].time+1, base+(now-min(now, base))*uint64(i)/uint64(n))
}

// again tells whether a transaction of a dropped block is mined again at a height.
func (g *generator) again(t *transaction, height uint64, lost map[ons.Key]bool) bool {
	if t.op == nil {
		return g.r.IntN(5) > 0
	}
	key := ons.Key{Type: t.op.Type, Hash: t.op.Hash}
	if lost[key] || g.touched[key] || g.r.IntN(5) == 0 || !g.c.names.applies(*t.op, height) {
		lost[key] = true // what came after it in the old blocks built on it
		return false
	}
	g.touched[key] = true
	return true
}

// Mine puts n more blocks on a chain. The first of them begins with what of the pool is valid in it, the next ones with what became
// valid; then each gets the given numbers of ordinary and name transactions, drawn. It panics when any are to be drawn for a chain that
// was not generated.
func (c *Chain) Mine(n, ordinary, named int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.gen
	if g == nil && (ordinary > 0 || named > 0) {
		panic("devnet: Mine on a chain that was not generated; use Append")
	}
	for range n {
		b, height := block{time: c.blockTime()}, uint64(len(c.blocks))
		touched := map[ons.Key]bool{}
		if g != nil {
			b.hash, touched = g.hash(), g.touched
			clear(touched)
		}
		b.txs = c.minable(touched)
		for range ordinary {
			b.txs = append(b.txs, g.ordinary(height))
		}
		for range named {
			if height >= g.forkHeight(15) {
				b.txs = append(b.txs, g.named(height))
			}
		}
		c.push(b)
	}
}

// ReorgState is a chain as recorded at one moment of a reorganisation.
type ReorgState struct {
	Name  string // as its files begin: 1_before_reorg, 2_after_reorg, 3_after_reorg_plus_one_block
	Chain *Chain
}

// LoadReorg builds the three chains of the recorded reorganisation (10.x, blocks 294 to 296 replaced): before it, after it with the
// dropped transactions in the pool, and one block later, which mines them again. dir is laid out as this package's testdata: the whole
// chain in oxend-chain.jsonl.gz, the blocks of each state in rpc/reorg.
func LoadReorg(dir string) (before, after, plusOne ReorgState, err error) {
	r, err := OpenRecording(filepath.Join(dir, "oxend-chain.jsonl.gz"))
	if err != nil {
		return before, after, plusOne, err
	}
	var states [3]ReorgState
	for i, name := range [...]string{"1_before_reorg", "2_after_reorg", "3_after_reorg_plus_one_block"} {
		c, err := r.state(filepath.Join(dir, "rpc", "reorg", name))
		if err != nil {
			return before, after, plusOne, fmt.Errorf("load %s: %w", name, err)
		}
		states[i] = ReorgState{Name: name, Chain: c}
	}
	return states[0], states[1], states[2], nil
}

// state builds the chain that three recorded calls show: their names begin with prefix.
func (r *Recording) state(prefix string) (*Chain, error) {
	var info struct{ Result object }
	var headers struct {
		Result struct{ Headers []object }
	}
	var txs struct{ Txs []object }
	for file, to := range map[string]any{"get_info": &info, "headers_range": &headers, "get_transactions": &txs} {
		if err := readCall(prefix+"_"+file+".json", to); err != nil {
			return nil, err
		}
	}
	c := r.Chain()
	c.recordedInfo = info.Result
	if len(headers.Result.Headers) == 0 {
		return nil, fmt.Errorf("%w: no headers", ErrRecording)
	}
	c.cut(headers.Result.Headers[0].uint("height"))
	for _, o := range headers.Result.Headers {
		if err := c.pushRecorded(r, o); err != nil {
			return nil, err
		}
	}
	for _, o := range txs.Txs {
		if h, err := parseHash(o.string("tx_hash")); err == nil && string(o["in_pool"]) == "true" && r.txs[h] != nil {
			c.pool = append(c.pool, waiting{tx: r.txs[h], received: o.uint("received_timestamp"), kept: true})
		}
	}
	if n := info.Result.uint("height"); n != uint64(len(c.blocks)) || info.Result.string("top_block_hash") != c.tipHash().String() {
		return nil, fmt.Errorf("%w: headers and get_info disagree on the tip", ErrRecording)
	}
	return c, nil
}

// pushRecorded puts a block of which only the header is known on top.
func (c *Chain) pushRecorded(r *Recording, header object) error {
	one := &Recording{blocks: make([]lineBlock, len(c.blocks), len(c.blocks)+1), txs: r.txs}
	one.blocks[len(c.blocks)-1].hash = c.tipHash()
	height := uint64(len(c.blocks))
	result := object{}
	result.set("status", "OK")
	result.set("untrusted", false)
	if hashes := header["tx_hashes"]; hashes != nil {
		result["tx_hashes"] = hashes
	}
	if int(height) < len(r.blocks) && r.blocks[height].hash.String() == header.string("hash") {
		result = r.blocks[height].recorded.block
	}
	if err := one.lineBlock(line{Height: &height, Header: header, Block: result}); err != nil {
		return fmt.Errorf("%w: %w", ErrRecording, err)
	}
	l := one.blocks[height]
	b := block{hash: l.hash, time: l.time, recorded: l.recorded}
	for _, h := range l.txs {
		if r.txs[h] == nil {
			return fmt.Errorf("%w: block %d names transaction %v, which is not in the recording", ErrRecording, height, h)
		}
		b.txs = append(b.txs, r.txs[h])
	}
	c.push(b)
	return nil
}

// readCall reads the response of a recorded call.
func readCall(path string, to any) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read call: %w", err)
	}
	var call struct{ Response json.RawMessage }
	if err := json.Unmarshal(raw, &call); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if err := json.Unmarshal(call.Response, to); err != nil {
		return fmt.Errorf("read %s: response: %w", path, err)
	}
	return nil
}
