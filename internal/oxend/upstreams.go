package oxend

import (
	"encoding/hex"

	"onsight/ons"
)

// seeds are Session's seed nodes: daemons behind TLS with self-signed certificates, and the SHA-256 of each (spec
// D.6, from the sources of Session Desktop).
var seeds = []struct{ url, pin string }{
	{"https://seed1.getsession.org:4443/json_rpc", "36ea0b253537988551ee856e4fd20d55011e9c8b27eaa2f34b8f32a0bdf04f2d"},
	{"https://seed2.getsession.org:4443/json_rpc", "c5908dd4139acd96aedd1e45576597650809c8a5ea02af556d4853d45396e0e7"},
	{"https://seed3.getsession.org:4443/json_rpc", "8a0af2c712342f22ce00e53c1601410ef8d84156aee0a9809c32f6f7efbe556e"},
}

// DefaultUpstreams returns the daemons to use for a network when the user names none: for mainnet the seeds with
// pinned certificates, for others none. Nothing is asked over plain HTTP unless the user names it.
func DefaultUpstreams(n ons.Network) []Config {
	if n != ons.Mainnet {
		return nil
	}
	var out []Config
	for _, s := range seeds {
		pin, err := hex.DecodeString(s.pin)
		if err != nil {
			panic("oxend: internal error: pin of " + s.url)
		}
		out = append(out, Config{URL: s.url, PinSHA256: [][]byte{pin}})
	}
	return out
}
