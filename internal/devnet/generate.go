package devnet

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"onsight/ons"
)

// GenerateConfig says what Generate makes. The zero GenerateConfig makes a small chain with names of every kind and fate.
type GenerateConfig struct {
	Seed     uint64  // everything drawn comes from it
	Blocks   int     // zero: 400, and then 60 for a zero Ordinary and 120 for a zero ONS
	Ordinary int     // transactions that are not of names, a twentieth of them state changes
	ONS      int     // transactions that are. Needs more Blocks than the height of HF15
	Dialect  Dialect // zero: Dialect10
	Year     uint64  // blocks of a lokinet "year"; zero: 50
	Forks    []Fork  // zero: as the recordings have them: HF15 at 150, 16 at 152, 17 at 154, 18 at 156, 19 at 160
	TxSize   int     // bytes of an ordinary transaction; zero: what its inputs and outputs make, 1.5 to 2.5 kB
}

// defaultForks are the fork heights of the recorded chains.
var defaultForks = []Fork{
	{7, 0}, {8, 1}, {9, 2}, {10, 3}, {11, 4}, {12, 5}, {13, 6}, {14, 7}, {15, 150}, {16, 152}, {17, 154}, {18, 156}, {19, 160},
}

// firstTime is the time of block 1 of a generated chain, seconds since 1970.
const firstTime = 1700000000

// generator draws a chain from a seed.
type generator struct {
	cfg     GenerateConfig
	src     *rand.PCG
	r       *rand.Rand // of src
	c       *Chain
	opens   map[string]OpenName // really sealed values, as stored
	people  []Account
	owners  []ons.Owner // those people, some of the wallets by a subaddress
	names   []ons.Name
	serial  int
	traps   int
	touched map[ons.Key]bool // in the block being made
}

// Generate makes a chain from a seed, and the truth about its names. The same config always gives the same chain.
func Generate(cfg GenerateConfig) (*Chain, *Truth) {
	if cfg.Blocks <= 0 {
		cfg.Blocks = 400
		if cfg.Ordinary == 0 {
			cfg.Ordinary = 60
		}
		if cfg.ONS == 0 {
			cfg.ONS = 120
		}
	}
	if cfg.Dialect == 0 {
		cfg.Dialect = Dialect10
	}
	if cfg.Year == 0 {
		cfg.Year = 50
	}
	if len(cfg.Forks) == 0 {
		cfg.Forks = defaultForks
	}
	c := newChain(cfg.Dialect)
	c.year, c.forks = cfg.Year, cfg.Forks
	g := &generator{
		cfg: cfg, c: c, opens: map[string]OpenName{}, touched: map[ons.Key]bool{},
	}
	g.reseed(cfg.Seed, 0x6f6e73)
	c.gen = g
	g.settle()
	g.run()
	return c, c.Truth()
}

func (g *generator) reseed(a, b uint64) {
	g.src = rand.NewPCG(a, b)
	g.r = rand.New(g.src)
}

// settle draws who can own names.
func (g *generator) settle() {
	for i := range 24 {
		var person Account
		if seed := g.bytes(32); i < 8 {
			person = newAccount(seed, nil)
		} else {
			person = newAccount(seed, g.bytes(32))
			// Not derived as a real subaddress is, but nobody but a wallet can tell.
			person.owner.Subaddress = i%4 == 3
		}
		g.people = append(g.people, person)
		g.owners = append(g.owners, person.owner)
	}
}

// run makes the blocks.
func (g *generator) run() {
	n := g.cfg.Blocks
	ordinary, named := make([]uint16, n), make([]uint16, n)
	for range g.cfg.Ordinary {
		if n > 1 {
			ordinary[1+g.r.IntN(n-1)]++
		}
	}
	if first := int(g.forkHeight(15)); first < n && g.cfg.ONS > 0 {
		early := min(g.cfg.ONS, 2)
		named[first] += uint16(early)
		for range g.cfg.ONS - early {
			named[first+g.r.IntN(n-first)]++
		}
	}
	genesis, err := parseHash(genesisHash)
	if err != nil {
		panic("devnet: internal error: " + err.Error())
	}
	g.c.blocks = make([]block, 0, n)
	for height := range n {
		b := block{time: firstTime + uint64(height)*120}
		if height == 0 {
			b.hash, b.time = genesis, 0
		} else {
			b.hash = g.hash()
		}
		clear(g.touched)
		for range ordinary[height] {
			b.txs = append(b.txs, g.ordinary(uint64(height)))
		}
		for range named[height] {
			b.txs = append(b.txs, g.named(uint64(height)))
		}
		g.r.Shuffle(len(b.txs), func(i, j int) { b.txs[i], b.txs[j] = b.txs[j], b.txs[i] })
		g.c.push(b)
	}
}

func (g *generator) forkHeight(version uint8) uint64 {
	for _, f := range g.cfg.Forks {
		if f.Version >= version {
			return f.Height
		}
	}
	return 1 << 62
}

func (g *generator) hash() (h ons.Txid) {
	g.fill(h[:])
	return h
}

func (g *generator) bytes(n int) []byte {
	b := make([]byte, n)
	g.fill(b)
	return b
}

func (g *generator) fill(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, g.r.Uint64())
	}
	if len(b) > 0 {
		var last [8]byte
		binary.LittleEndian.PutUint64(last[:], g.r.Uint64())
		copy(b, last[:])
	}
}

// Read makes a generator the source of nonces. It never fails.
func (g *generator) Read(b []byte) (int, error) {
	g.fill(b)
	return len(b), nil
}

// ordinary makes a transaction that is not of names: a transfer, or a state change, which has no RingCT part. The first few carry
// the traps an index must not fall into.
func (g *generator) ordinary(height uint64) *transaction {
	extra := g.commonExtra(nil)
	g.traps++
	switch {
	case g.traps == 2:
		extra = append(extra, 0x55, 1, 2, 3) // a tag nobody knows: oxend calls the whole extra unparsable
	case g.traps == 4:
		extra = append(extra, 0x70, 0xff) // a registration that breaks off
	case g.traps == 6 || g.traps%50 == 0:
		extra = g.decoy(extra) // an ONS field in a transfer counts for nothing
	case g.traps%20 == 3:
		return g.transaction(1, 0, 0, g.stateChange(height))
	}
	return g.transaction(0, 1+g.r.IntN(2), 2, extra)
}

func (g *generator) commonExtra(b []byte) []byte {
	b = append(append(b, 0x01), g.bytes(32)...)
	return append(append(b, 0x02, 9, 1), g.bytes(8)...)
}

func (g *generator) stateChange(height uint64) []byte {
	b := []byte{0x78, 4, byte(1 + g.r.IntN(2))}
	b = append(appendVarint(b, height-min(height, 10)), byte(g.r.IntN(10)), 7)
	for i := range 7 {
		b = append(append(b, byte(i)), g.bytes(64)...)
	}
	return append(b, 1, 1)
}

// decoy appends an ONS field that must not count: a purchase of a name that may well be somebody's.
func (g *generator) decoy(extra []byte) []byte {
	name := mustName(ons.Session, "decoy")
	if len(g.names) > 0 {
		name = g.names[g.r.IntN(len(g.names))]
	}
	op := ons.Op{
		Kind: ons.Buy, Type: name.Type(), Length: uint8(name.Type()), Hash: name.Hash(), Owner: g.owners[0], Value: g.bytes(sizes[name.Type()]),
		Burn: 7e9,
	}
	return op.AppendExtra(extra)
}

// transaction makes a transaction of version 4 in the layout of spec C.1, its RingCT part random but well-formed.
func (g *generator) transaction(kind byte, ins, outs int, extra []byte) *transaction {
	return g.burning(kind, ins, outs, 0, extra)
}

// burning makes a transaction that burns an amount, which is part of its fee.
func (g *generator) burning(kind byte, ins, outs int, burn uint64, extra []byte) *transaction {
	b := make([]byte, 0, 700+1000*ins)
	b = appendVarint(append(b, 4), uint64(outs))
	b = append(b, make([]byte, outs)...)
	b = appendVarint(append(b, 0), uint64(ins))
	for range ins {
		b = append(b, 2, 0, 10)
		for range 10 {
			b = append(b, byte(1+g.r.IntN(127)))
		}
		b = append(b, g.bytes(32)...)
	}
	b = appendVarint(b, uint64(outs))
	for range outs {
		b = append(append(b, 0, 2), g.bytes(32)...)
	}
	b = append(appendVarint(b, uint64(len(extra))), extra...)
	b = append(b, kind)
	if ins > 0 {
		rounds := 6
		if outs > 1 {
			rounds = 7
		}
		b = appendVarint(append(b, 5), burn+10_000_000+uint64(g.r.IntN(1_000_000)))
		at := len(b)
		n := outs*40 + 1 + 6*32 + 2*(1+rounds*32) + 3*32 + ins*(10+2+1)*32
		b = append(b, make([]byte, n)...)
		g.fill(b[at:])
		b[at+outs*40] = 1
		b[at+outs*40+1+6*32] = byte(rounds)
		b[at+outs*40+1+6*32+1+rounds*32] = byte(rounds)
		if size := g.cfg.TxSize; kind == 0 && size > len(b) {
			b = append(b, g.bytes(size-len(b))...)
		} else if kind == 0 && size > at+outs*40 {
			b = b[:size:size]
		}
	}
	return newTransaction(g.hash(), b)
}

// newName makes a name nobody has.
func (g *generator) newName(t ons.Type) ons.Name {
	g.serial++
	if g.serial == 1 && t == ons.Session {
		return mustName(t, legacyName)
	}
	text := fmt.Sprintf("name-%d", g.serial)
	switch g.serial % 7 {
	case 1:
		text = fmt.Sprintf("_n%d_", g.serial)
	case 2:
		text = fmt.Sprintf("Upper%d", g.serial)
	}
	if t == ons.Lokinet {
		text = fmt.Sprintf("host-%d.loki", g.serial)
	}
	return mustName(t, text)
}

func mustName(t ons.Type, text string) ons.Name {
	name, err := ons.ParseName(t, text)
	if err != nil {
		panic("devnet: internal error: " + err.Error())
	}
	return name
}
