package oxend

import (
	"context"
	"fmt"
	"strings"

	"onsight/ons"
)

// Dialect is a family of daemon releases whose RPC agrees.
type Dialect uint8

const (
	// Dialect10 is oxend 10.x (and what came before, as far as it is understood).
	Dialect10 Dialect = 10
	// Dialect11 is oxend 11.x.
	Dialect11 Dialect = 11
)

func (d Dialect) String() string {
	switch d {
	case Dialect10:
		return "10.x"
	case Dialect11:
		return "11.x"
	}
	return "unknown"
}

// firstVersion11 is the first get_version of 11.x: major 4, minor 1 in 16 bits each (spec G; 10.6.0 says 4.0).
const firstVersion11 = 4<<16 | 1

// Dialect returns which dialect the daemon speaks. The answer is remembered until a request fails in a way that a
// replaced daemon would explain.
func (c *Client) Dialect(ctx context.Context) (Dialect, error) {
	c.mu.Lock()
	d := c.dialect
	c.mu.Unlock()
	if d != 0 {
		return d, nil
	}
	d, err := c.askDialect(ctx)
	if err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dialect = d
	return d, nil
}

func (c *Client) askDialect(ctx context.Context) (Dialect, error) {
	type result struct {
		stated
		Version uint64 `json:"version"`
	}
	v, err := call[result](ctx, c, request{method: "get_version"}, nil)
	switch {
	case err == nil && v.Version >= firstVersion11:
		return Dialect11, nil
	case err == nil && v.Version > 0:
		return Dialect10, nil
	case err != nil && !isRPC(err, codeNoMethod) && !isRPC(err, 403):
		return 0, err
	}
	// Something between us and the daemon does not let get_version through.
	i, err := c.info(ctx)
	if err != nil {
		return 0, err
	}
	if i.L2Height.set || i.PubkeyBLS != "" || strings.HasPrefix(i.Version, "11") {
		return Dialect11, nil
	}
	return Dialect10, nil
}

// Info is what get_info says of the daemon and its chain, now.
type Info struct {
	Network   ons.Network
	Height    uint64   // number of blocks: the newest has Height-1. At least 1
	TopHash   ons.Txid // hash of the newest block
	Target    uint64   // best height heard of from peers, counted like Height; 0 or lower than Height when none is better or what was heard is implausible
	Immutable Point    // newest block the daemon will not replace; zero: it knows none
	HardFork  uint8    // fork of the next block
	Counts    [3]uint64
	Counted   bool   // Counts was given: live names by type (session, wallet, lokinet) at Height
	Version   string // as the daemon says, such as "10.6.0-release"; a public port says only "10"
	Untrusted bool   // the answer comes from a bootstrap daemon
	Synced    bool   // Target is not beyond Height
}

// Point names one block.
type Point struct {
	Height uint64
	Hash   ons.Txid
}

type wireInfo struct {
	stated
	Network         string                   `json:"nettype"`
	Height          uint64                   `json:"height"`
	Target          uint64                   `json:"target_height"`
	TopHash         wireHash                 `json:"top_block_hash"`
	ImmutableHeight uint64                   `json:"immutable_height"`
	ImmutableHash   string                   `json:"immutable_block_hash"` // "" when there is none
	HardFork        uint8                    `json:"hard_fork"`
	Counts          list[uint64, countLimit] `json:"ons_counts"`
	Version         string                   `json:"version"`
	L2Height        optional                 `json:"l2_height"`  // 11.x
	PubkeyBLS       string                   `json:"pubkey_bls"` // 11.x
}

type countLimit struct{}

func (countLimit) most() int { return 3 } // types of names

// maxHeight is beyond any height that this century will see.
const maxHeight = 1 << 40

func implausible(field string, height uint64) error {
	return shapef("%s is implausible: %d", field, height)
}

func (c *Client) info(ctx context.Context) (*wireInfo, error) {
	return call[wireInfo](ctx, c, request{method: "get_info"}, nil)
}

// Info asks the daemon how it stands. An untrusted answer is returned with Untrusted set, not refused.
func (c *Client) Info(ctx context.Context) (Info, error) {
	w, err := c.info(ctx)
	if err != nil {
		return Info{}, err
	}
	i, err := w.info()
	if err != nil {
		return Info{}, fmt.Errorf("%s: get_info: %w", c.name, err)
	}
	return i, nil
}

func (w *wireInfo) info() (Info, error) {
	i := Info{
		Height: w.Height, TopHash: ons.Txid(w.TopHash), Target: w.Target, HardFork: w.HardFork,
		Version: oneLine(w.Version), Untrusted: w.Untrusted,
	}
	if i.Target >= maxHeight { // peers say it, and any peer may lie
		i.Target = 0
	}
	i.Synced = i.Target <= i.Height
	var err error
	if i.Network, err = ons.ParseNetwork(w.Network); err != nil {
		return Info{}, fmt.Errorf("nettype %q is unknown: %w", oneLine(w.Network), ErrWrongNetwork)
	}
	if w.Height == 0 || i.TopHash == (ons.Txid{}) {
		return Info{}, shapef("reply has no height or no top_block_hash")
	}
	if w.Height >= maxHeight {
		return Info{}, implausible("height", w.Height)
	}
	switch len(w.Counts) {
	case 0:
	case 3:
		i.Counts, i.Counted = [3]uint64(w.Counts), true
	default:
		return Info{}, shapef("ons_counts has %d numbers, want 3", len(w.Counts))
	}
	if w.ImmutableHash != "" {
		h, err := ons.ParseTxid(w.ImmutableHash)
		if w.ImmutableHeight >= maxHeight {
			return Info{}, implausible("immutable_height", w.ImmutableHeight)
		}
		if err != nil || w.ImmutableHeight >= w.Height {
			return Info{}, shapef("immutable block %d is not a block of the chain", w.ImmutableHeight)
		}
		i.Immutable = Point{Height: w.ImmutableHeight, Hash: h}
	}
	return i, nil
}

// Fork says where a hard fork begins.
type Fork struct {
	Version  uint8
	Earliest uint64 // first height of the fork, if Known
	Known    bool   // the daemon gave a height: the fork exists on its network and is scheduled or past
	Enabled  bool   // the chain has reached it
}

// HardFork asks where the fork with this version begins on the daemon's network. On 11.x a version that the network
// skipped is answered with the next one: Fork.Version tells.
func (c *Client) HardFork(ctx context.Context, version uint8) (Fork, error) {
	type params struct {
		Version uint8 `json:"version"`
	}
	type result struct {
		stated
		Version  uint8    `json:"version"`
		Enabled  bool     `json:"enabled"`
		Earliest optional `json:"earliest_height"`
	}
	r, err := call[result](ctx, c, request{method: "hard_fork_info", params: params{version}}, nil)
	if err != nil {
		return Fork{}, err
	}
	if r.Untrusted {
		return Fork{}, fmt.Errorf("%s: hard_fork_info: %w", c.name, ErrUntrusted)
	}
	if r.Earliest.n >= maxHeight {
		return Fork{}, fmt.Errorf("%s: hard_fork_info: %w", c.name, implausible("earliest_height", r.Earliest.n))
	}
	return Fork{Version: r.Version, Earliest: r.Earliest.n, Known: r.Earliest.set, Enabled: r.Enabled}, nil
}

// The hard forks at which ONS may have begun on a network: 15 brought it (spec D.1), and a network that skipped 15 has
// it from the next one on.
const firstONSFork, lastONSFork = 15, 21

// ONSFork asks where ONS begins: at the first of its hard forks that the network has. A network that has none of them
// gives a Fork that is not Known.
func (c *Client) ONSFork(ctx context.Context) (Fork, error) {
	for v := uint8(firstONSFork); v <= lastONSFork; v++ {
		if f, err := c.HardFork(ctx, v); err != nil || f.Known {
			return f, err
		}
	}
	return Fork{}, nil
}
