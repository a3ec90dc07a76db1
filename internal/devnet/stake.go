package devnet

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"onsight/internal/curve"
	"onsight/ons"
)

// ErrStake is what the calls that make transactions about service nodes return, wrapped, if and only if the chain's rules would not
// let the transaction into the next block: the node is unknown or in another state, an amount is too small or too large, or no
// quorum has tested the node since its state last changed (mine a block).
var ErrStake = errors.New("not possible")

func errorStake(why string) error { return fmt.Errorf("%w: %s", ErrStake, why) }

// Stake is a service node to register.
type Stake struct {
	Key      [32]byte   // the node's legacy key
	Operator ons.Owner  // a wallet, not a subaddress; zero: StakeWallet of the key
	Amount   uint64     // what the operator stakes at once, at least a quarter; zero: all that is not reserved for others
	Reserved []Reserved // for other contributors, who pay with Contribute
	Fee      uint64     // the operator's, in hundredths of a percent; at most 10,000
}

// Reserved is a place kept for a contributor.
type Reserved struct {
	Wallet ons.Owner
	Amount uint64
}

// Reasons are the tests a node failed, as bits (spec F.2).
type Reasons uint64

// The tests.
const (
	ReasonUptime Reasons = 1 << iota
	ReasonCheckpoints
	ReasonPulse
	ReasonStorage
	ReasonTimecheck
	ReasonTimesync
	ReasonLokinet
)

// StakeWallet returns a wallet that can stake: the same for the same seed. Its keys are worth nothing, and nobody has the secret ones.
func StakeWallet(seed [32]byte) ons.Owner {
	spend, view := sha256.Sum256(append([]byte("spend"), seed[:]...)), sha256.Sum256(append([]byte("view"), seed[:]...))
	return ons.Owner{
		Kind: ons.OwnerWallet,
		Key:  [32]byte(ed25519.NewKeyFromSeed(spend[:]).Public().(ed25519.PublicKey)),
		View: [32]byte(ed25519.NewKeyFromSeed(view[:]).Public().(ed25519.PublicKey)),
	}
}

// RegisterNode puts a registration with the operator's stake into the pool and returns its hash, or ErrStake. A node all of which the
// operator stakes is active once that is mined.
func (c *Chain) RegisterNode(s Stake) (ons.Txid, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, err := c.registration(s)
	if err != nil {
		return ons.Txid{}, fmt.Errorf("register %x: %w", s.Key[:4], err)
	}
	return c.submit(t)
}

func (c *Chain) registration(s Stake) (*transaction, error) {
	if s.Operator.Kind == ons.OwnerNone {
		s.Operator = StakeWallet(s.Key)
	}
	open := c.requirement()
	for _, r := range s.Reserved {
		if r.Amount > open {
			return nil, errorStake("more is reserved than required")
		}
		open -= r.Amount
	}
	if s.Amount == 0 {
		s.Amount = open
	}
	height := uint64(len(c.blocks))
	r := registration{wallets: []ons.Owner{s.Operator}, amounts: []uint64{s.Amount}, fee: s.Fee, fork: uint64(c.fork(height).Version)}
	for _, p := range s.Reserved {
		r.wallets, r.amounts = append(r.wallets, p.Wallet), append(r.amounts, p.Amount)
	}
	if !r.valid(c, height) {
		return nil, errorStake("the registration is not valid at this height")
	}
	if c.stakes.nodes[s.Key] != nil {
		return nil, errorStake("it is registered")
	}
	g := c.maker("register", s.Key)
	return g.stakeTransaction(s.Key, s.Operator, s.Amount, g.appendRegistration(nil, r))
}

// Contribute puts a contribution into the pool and returns its hash, or ErrStake. An amount of zero is what is reserved for the
// wallet, or else all that is open.
func (c *Chain) Contribute(key [32]byte, wallet ons.Owner, amount uint64) (ons.Txid, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, err := c.contribution(key, wallet, amount)
	if err != nil {
		return ons.Txid{}, fmt.Errorf("contribute to %x: %w", key[:4], err)
	}
	return c.submit(t)
}

func (c *Chain) contribution(key [32]byte, wallet ons.Owner, amount uint64) (*transaction, error) {
	n, err := c.known(key)
	if err != nil {
		return nil, err
	}
	if n.funded() {
		return nil, errorStake("it is funded")
	}
	if amount == 0 {
		amount = n.requirement - n.reserved
		for _, c := range n.contributors {
			if c.wallet == wallet && c.reserved > c.amount {
				amount = c.reserved - c.amount
			}
		}
	}
	if err := n.accepts(contribution{wallet: wallet, amount: amount}); err != nil {
		return nil, err
	}
	return c.maker("contribute", key).stakeTransaction(key, wallet, amount, nil)
}

// RequestUnlock puts a request to give back the operator's stake into the pool and returns its hash, or ErrStake.
func (c *Chain) RequestUnlock(key [32]byte) (ons.Txid, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, err := c.unlockRequest(key)
	if err != nil {
		return ons.Txid{}, fmt.Errorf("unlock %x: %w", key[:4], err)
	}
	return c.submit(t)
}

func (c *Chain) unlockRequest(key [32]byte) (*transaction, error) {
	n, err := c.known(key)
	if err != nil {
		return nil, err
	}
	image := n.contributors[0].locked[0].image
	if err := n.unlocks(image, uint64(len(c.blocks))); err != nil {
		return nil, err
	}
	g := c.maker("unlock", key)
	extra := append([]byte{0x74}, key[:]...)
	extra = append(append(append(extra, 0x77), image[:]...), g.bytes(64+4)...)
	return g.transaction(2, 0, 0, extra), nil
}

// Decommission puts a state change into the pool that takes a node out of service for the reasons, and returns its hash, or ErrStake.
// Its proof is forgotten when that is mined.
func (c *Chain) Decommission(key [32]byte, why Reasons) (ons.Txid, error) {
	return c.change(key, stateDecommission, why)
}

// Recommission puts a decommissioned node back to service. It returns the hash of the state change, or ErrStake.
func (c *Chain) Recommission(key [32]byte) (ons.Txid, error) {
	return c.change(key, stateRecommission, 0)
}

// Deregister removes a node for the reasons and blacklists its stakes. It returns the hash of the state change, or ErrStake.
func (c *Chain) Deregister(key [32]byte, why Reasons) (ons.Txid, error) {
	return c.change(key, stateDeregister, why)
}

// PenaliseIP puts a node at the end of the reward queue. It returns the hash of the state change, or ErrStake.
func (c *Chain) PenaliseIP(key [32]byte) (ons.Txid, error) { return c.change(key, statePenalty, 0) }

func (c *Chain) change(key [32]byte, state uint64, why Reasons) (ons.Txid, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, err := c.stateChange(key, state, uint64(why))
	if err != nil {
		return ons.Txid{}, fmt.Errorf("change state of %x: %w", key[:4], err)
	}
	return c.submit(t)
}

// stateChange makes the state change of the newest quorum that tested the node and may judge it.
func (c *Chain) stateChange(key [32]byte, state, why uint64) (*transaction, error) {
	n, err := c.known(key)
	if err != nil {
		return nil, err
	}
	for h := uint64(len(c.blocks)) - 1; ; h-- {
		if err := n.votable(state, h); err != nil {
			return nil, err
		}
		validators, workers := c.stakes.blocks[h].members.obligations(c.blocks[h].hash)
		i := slices.IndexFunc(workers, func(k *[32]byte) bool { return *k == key })
		if i < 0 || len(validators) < votesNeeded {
			continue
		}
		g := c.maker("change", key)
		v := vote{state: state, height: h, index: uint64(i), all: why, some: why}
		for _, j := range g.r.Perm(len(validators))[:votesNeeded] {
			v.voters = append(v.voters, uint64(j))
		}
		slices.Sort(v.voters)
		return g.transaction(1, 0, 0, v.append(nil, validators)), nil
	}
}

func (c *Chain) known(key [32]byte) (*stakeNode, error) {
	if n := c.stakes.nodes[key]; n != nil {
		return n, nil
	}
	return nil, errorStake("no such node")
}

// append writes the 0x78 field of a vote with the signatures of its voters.
func (v *vote) append(b []byte, validators []*[32]byte) []byte {
	b = appendVarint(append(b, 0x78, 4), v.state)
	b = appendVarint(appendVarint(b, v.height), v.index)
	b = appendVarint(b, uint64(len(v.voters)))
	for _, i := range v.voters {
		b = append(appendVarint(b, i), v.signature(validators[i])...)
	}
	return appendVarint(appendVarint(b, v.all), v.some)
}

// signature stands for a validator's: nobody here has the secret keys, so it is a digest of the key and what is voted for. It tells a
// vote from the random ones generated among ordinary transactions.
func (v *vote) signature(validator *[32]byte) []byte {
	b := append([]byte("devnet vote"), validator[:]...)
	for _, x := range []uint64{v.state, v.height, v.index} {
		b = binary.LittleEndian.AppendUint64(b, x)
	}
	sum := sha512.Sum512(b)
	return sum[:]
}

// counts tells whether the voters are validators, each once, and signed.
func (v *vote) counts(validators []*[32]byte) bool {
	seen := map[uint64]bool{}
	for i, who := range v.voters {
		if who >= uint64(len(validators)) || seen[who] || !bytes.Equal(v.signatures[i], v.signature(validators[who])) {
			return false
		}
		seen[who] = true
	}
	return true
}

// maker draws what is random about a transaction from the chain's tip, what is in the pool and what the transaction is for.
func (c *Chain) maker(what string, key [32]byte) *generator {
	tip := c.tipHash()
	seed := append([]byte(what), tip[:]...)
	seed = binary.LittleEndian.AppendUint64(append(seed, key[:]...), uint64(len(c.pool)))
	return &generator{c: c, r: rand.New(rand.NewChaCha8(sha256.Sum256(seed)))}
}

// appendRegistration writes a 0x70 field; the node's signature is random.
func (g *generator) appendRegistration(b []byte, r registration) []byte {
	b = appendVarint(append(b, 0x70), uint64(len(r.wallets)))
	for _, w := range r.wallets {
		b = append(b, w.Key[:]...)
	}
	b = appendVarint(b, uint64(len(r.wallets)))
	for _, w := range r.wallets {
		b = append(b, w.View[:]...)
	}
	b = appendVarint(binary.LittleEndian.AppendUint64(b, r.fee), uint64(len(r.amounts)))
	for _, a := range r.amounts {
		b = appendVarint(b, a)
	}
	return append(binary.LittleEndian.AppendUint64(b, r.fork), g.bytes(64)...)
}

// stakeTransaction makes a transaction of type 3 whose last output is a stake of the wallet, hidden as a wallet hides it. Key image
// and proof are random.
func (g *generator) stakeTransaction(node [32]byte, wallet ons.Owner, amount uint64, registration []byte) (*transaction, error) {
	if wallet.Kind != ons.OwnerWallet || wallet.Subaddress {
		return nil, errorStake("only a wallet's main address can stake")
	}
	secret := [32]byte(g.bytes(32))
	secret[31] &= 0x0f // below the group order, as oxend wants it
	derivation, err := curve.Derivation(wallet.View, secret)
	if err != nil {
		return nil, errorStake("the wallet's view key is no key")
	}
	hidden := curve.OutputSecret(derivation, 1)
	key, err := curve.OutputKey(hidden, wallet.Key)
	if err != nil {
		return nil, errorStake("the wallet's spend key is no key")
	}
	public := curve.PublicKey(secret)
	extra := append([]byte{1}, public[:]...)
	extra = append(append(extra, 0x02, 9, 1), g.bytes(8)...)
	extra = append(extra, registration...)
	extra = append(append(append(extra, 0x73), wallet.Key[:]...), wallet.View[:]...)
	extra = append(append(extra, 0x74), node[:]...)
	extra = append(append(extra, 0x75), secret[:]...)
	extra = append(append(extra, 0x76, 1), g.bytes(32+64)...)
	t := g.transaction(3, 1, 2, extra)
	rct, _, _ := t.ringct()
	// The parsed parts lie in the raw bytes: this writes there.
	copy(t.vout[1].key, key[:])
	binary.LittleEndian.PutUint64(rct.ecdh[1], hideAmount(hidden, amount))
	return newTransaction(ons.Txid{}, t.raw), nil
}
