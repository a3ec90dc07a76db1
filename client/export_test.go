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
