package client

import (
	"crypto/tls"
	"onsight/client/store"
)

// Builds returns how many paths were built so far.
func (c *Client) Builds() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.builds
}

// Ask asks the node with a key for info, and returns what came of it.
func (c *Client) Offset() (known bool, seconds float64) {
	return c.clock.known(), c.clock.offset().Seconds()
}

// Verify checks a connection as one to the seed node.
func (s SeedNode) Verify(host string) *tls.Config { return s.tls(host) }

// ParseList reads a list of nodes as on a network.
func ParseList(result []byte, mainnet bool) ([]store.Node, error) {
	c := &Client{}
	if mainnet {
		c.cfg.Network = "mainnet"
	}
	return c.parseList(result)
}
