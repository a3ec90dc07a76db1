package oxend

import (
	"errors"
	"strings"
	"testing"

	"onsight/ons"
)

func TestIdentify(t *testing.T) {
	t.Parallel()
	mainnet := make(map[uint64]string)
	for _, c := range mainnetCheckpoints {
		mainnet[c.height] = c.hash
	}
	lie := make(map[uint64]string)
	for h, x := range mainnet {
		lie[h] = x
	}
	lie[1000] = strings.Repeat("ab", 32)
	for _, tt := range []struct {
		name    string
		network string
		height  uint64
		hashes  map[uint64]string
		ok      bool
		asked   string
	}{
		{"mainnet", "mainnet", 1_500_000, mainnet, true, "[1,10,100,1000,86535,97407,98552,144650,266284,301187]"},
		{"mainnet, young", "mainnet", 1000, lie, true, "[1,10,100]"},
		{"mainnet, new", "mainnet", 1, mainnet, true, ""},
		{"mainnet, a checkpoint is another", "mainnet", 2000, lie, false, "[1,10,100,1000]"},
		{"mainnet, first block is another", "mainnet", 2000, nil, false, ""},
		{"testnet", "testnet", 2000, map[uint64]string{0: testGenesis}, true, ""},
		{"devnet", "devnet", 2000, map[uint64]string{0: testGenesis}, true, ""},
		{"testnet, first block is another", "testnet", 2000, mainnet, false, ""},
		{"fakechain", "fakechain", 2000, nil, true, ""},
		{"stagenet", "stagenet", 2000, nil, true, ""},
		{"unknown", "moon", 2000, mainnet, false, ""},
	} {
		d := startDaemon(t)
		d.set(func(d *daemon) { d.network, d.height, d.hashes = tt.network, tt.height, tt.hashes })
		id, err := Identify(t.Context(), dial(t, Config{URL: d.URL}))
		if tt.ok && (err != nil || string(id.Network) != tt.network || id.Genesis != d.hash(0)) {
			t.Errorf("%s: got %v, %v", tt.name, id, err)
		}
		if !tt.ok && !errors.Is(err, ErrWrongNetwork) {
			t.Errorf("%s: got %v", tt.name, err)
		}
		last := string(d.bodies[len(d.bodies)-1])
		if asked := strings.Contains(last, "heights"); asked != (tt.asked != "") || !strings.Contains(last, tt.asked) {
			t.Errorf("%s: asked %s, want %s", tt.name, last, tt.asked)
		}
	}
	if FinalHeight(ons.Mainnet) != 301187 || FinalHeight(ons.Fakechain) != 0 {
		t.Error("final heights")
	}
}
