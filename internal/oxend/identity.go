package oxend

import (
	"context"
	"fmt"

	"onsight/ons"
)

// Identity is what makes a daemon's chain the one it claims to be.
type Identity struct {
	Network ons.Network
	Genesis ons.Txid
}

// mainnetCheckpoints are the blocks hard-coded in oxend's src/checkpoints/checkpoints.cpp (spec D.4).
var mainnetCheckpoints = []struct {
	height uint64
	hash   string
}{
	{0, "08ff156d993012b0bdf2816c4bee47c9bbc7930593b70ee02574edddf15ee933"},
	{1, "647997953a5ea9b5ab329c2291d4cbb08eed587c287e451eeeb2c79bab9b940f"},
	{10, "4a7cd8b9bff380d48d6f3533a5e0509f8589cc77d18218b3f7218846e77738fc"},
	{100, "01b8d33a50713ff837f8ad7146021b8e3060e0316b5e4afc407e46cdb50b6760"},
	{1000, "5e3b0a1f931885bc0ab1d6ecdc625816576feae29e2f9ac94c5ccdbedb1465ac"},
	{86535, "52b7c5a60b97bf1efbf0d63a0aa1a313e8f0abe4627eb354b0c5a73cb1f4391e"},
	{97407, "504af73abbaba85a14ddc16634658bf4dcc241dc288b1eaad09e216836b71023"},
	{98552, "2058d5c675bd91284f4996435593499c9ab84a5a0f569f57a86cde2e815e57da"},
	{144650, "a1ab207afc790675070ecd7aac874eb0691eb6349ea37c44f8f58697a5d6cbc4"},
	{266284, "c42801a37a41e3e9f934a266063483646072a94bfc7269ace178e93c91414b1f"},
	{301187, "e23e4cf3a2fe3e9f0ffced5cc76426e5bdffd3aad822268f4ad63d82cb958559"},
}

// testGenesis is the first block of testnet and of devnet: they share it (spec D.4).
const testGenesis = "93228e506979e2159af05ff19a06dd35ac27a54b9b9feee76db14b534d739fe2"

// FinalHeight returns the height of the newest block of n that is hard-coded in oxend itself, below which no
// reorganisation can be right; 0 on networks that have none but the first block.
func FinalHeight(n ons.Network) uint64 {
	if n == ons.Mainnet {
		return mainnetCheckpoints[len(mainnetCheckpoints)-1].height
	}
	return 0
}

// Identify asks the daemon which chain it follows and checks that claim against what is hard-coded: the first block
// of mainnet, testnet and devnet, and on mainnet the checkpoints below the daemon's height. The other networks have
// no fixed first block: whatever the daemon says is returned. It wraps ErrWrongNetwork if and only if the claim is
// false (or the network unknown), and ErrUntrusted if the daemon only repeats another.
func Identify(ctx context.Context, c *Client) (Identity, error) {
	i, err := c.Info(ctx)
	if err != nil {
		return Identity{}, err
	}
	return identify(ctx, c, i)
}

func identify(ctx context.Context, c *Client, i Info) (Identity, error) {
	if i.Untrusted {
		return Identity{}, fmt.Errorf("%s: %w", c.name, ErrUntrusted)
	}
	wrong := func(height uint64, got ons.Txid) error {
		return fmt.Errorf("%s: block %d of %s is %s: %w", c.name, height, i.Network, got, ErrWrongNetwork)
	}
	genesis, err := c.BlockHash(ctx, 0)
	if err != nil {
		return Identity{}, err
	}
	id := Identity{Network: i.Network, Genesis: genesis}
	switch i.Network {
	case ons.Testnet, ons.Devnet:
		if genesis.String() != testGenesis {
			return Identity{}, wrong(0, genesis)
		}
	case ons.Mainnet:
		if genesis.String() != mainnetCheckpoints[0].hash {
			return Identity{}, wrong(0, genesis)
		}
		var heights []uint64
		for _, p := range mainnetCheckpoints[1:] {
			if p.height < i.Height {
				heights = append(heights, p.height)
			}
		}
		hs, err := c.HeadersAt(ctx, heights)
		if err != nil {
			return Identity{}, err
		}
		for n, h := range hs {
			if h.Hash.String() != mainnetCheckpoints[n+1].hash {
				return Identity{}, wrong(h.Height, h.Hash)
			}
		}
	}
	return id, nil
}
