package client

import (
	"time"

	"onsight/client/store"
)

// Builds returns how many paths were built so far.
func (c *Client) Builds() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.builds
}

// ParseList reads a list of nodes as on a network.
func ParseList(result []byte, mainnet bool) ([]store.Node, error) {
	c := &Client{}
	if mainnet {
		c.cfg.Network = "mainnet"
	}
	return c.parseList(result)
}

// SetPatience sets how long attempts for a parcel take at most.
func (c *Client) SetPatience(d time.Duration) { c.patience = d }

// ParseSaid reads what a node says of a name, and of its chain's height.
func ParseSaid(body string) (absent bool, err error) {
	s, err := parseSaid(&answer{status: 200, body: []byte(body)})
	return s.absent, err
}

// Doubted tells which of those who were heard, at these heights, are discounted where the floor was known before, and so many are enough.
func Doubted(floor uint64, enough int, heights ...uint64) (list []int) {
	var heard []said
	for _, h := range heights {
		heard = append(heard, said{height: h})
	}
	doubt(heard, floor, enough)
	for i := range heard {
		if heard[i].behind {
			list = append(list, i)
		}
	}
	return list
}

// Unknown reports whether an error of resolving a name is the network's not to know.
func Unknown(err error) bool { return unknown(err) }
