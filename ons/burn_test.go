package ons_test

import (
	"testing"

	"onsight/ons"
)

func TestBurn(t *testing.T) {
	t.Parallel()
	const year = 368 * 720
	main, fake := ons.Rules{Network: ons.Mainnet}, ons.Rules{Network: ons.Fakechain, Year: 30}
	for _, c := range []struct {
		name   string
		rules  ons.Rules
		rec    ons.Record
		before uint64
		want   uint64
		known  bool
	}{
		{"session, fork 15", main, ons.Record{Kind: ons.Buy, Updated: 496969, Registered: 496969}, 0, 20e9, true},
		{"session, last of fork 15", main, ons.Record{Kind: ons.Buy, Updated: 641110, Registered: 641110}, 0, 20e9, true},
		{"session, fork 16", main, ons.Record{Kind: ons.Buy, Updated: 641111, Registered: 641111}, 0, 15e9, true},
		{"session, last of fork 17", main, ons.Record{Kind: ons.Buy, Updated: 784999, Registered: 784999}, 0, 15e9, true},
		{"wallet, fork 18", main, ons.Record{Kind: ons.Buy, Type: ons.Wallet, Updated: 785000, Registered: 785000}, 0, 7e9, true},
		{"update", main, ons.Record{Kind: ons.Update, Updated: 785000, Registered: 785000}, 0, 0, true},
		{"lokinet, one year", main, ons.Record{Kind: ons.Buy, Type: ons.Lokinet, Updated: 8e5, Registered: 8e5, Expires: 8e5 + year}, 0, 7e9, true},
		{"lokinet, ten years", main, ons.Record{Kind: ons.Buy, Type: ons.Lokinet, Updated: 8e5, Registered: 8e5, Expires: 8e5 + 10*year}, 0, 42e9, true},
		{"lokinet of fork 16, five years", main, ons.Record{Kind: ons.Buy, Type: ons.Lokinet, Updated: 7e5, Registered: 7e5, Expires: 7e5 + 5*year}, 0, 60e9, true},
		{"renewed by two", main, ons.Record{Kind: ons.Renew, Type: ons.Lokinet, Updated: 9e5, Registered: 8e5, Expires: 8e5 + 3*year}, 8e5 + year, 14e9, true},
		{"no number of years", main, ons.Record{Kind: ons.Buy, Type: ons.Lokinet, Updated: 8e5, Registered: 8e5, Expires: 8e5 + 3*year}, 0, 0, false},
		{"renewed backwards", main, ons.Record{Kind: ons.Renew, Type: ons.Lokinet, Updated: 9e5, Registered: 8e5, Expires: 8e5}, 8e5 + year, 0, false},
		{"fakechain", fake, ons.Record{Kind: ons.Buy, Type: ons.Lokinet, Updated: 100, Registered: 100, Expires: 160}, 0, 14e9, true},
		{"before names", main, ons.Record{Kind: ons.Buy, Updated: 496968}, 0, 0, false},
		{"testnet, ten years", ons.Rules{Network: ons.Testnet}, ons.Record{Kind: ons.Buy, Type: ons.Lokinet, Updated: 300, Registered: 300, Expires: 300 + 10*year}, 0, 42e9, true},
		{"stagenet", ons.Rules{Network: ons.Stagenet}, ons.Record{Kind: ons.Buy, Updated: 8e5}, 0, 0, false},
	} {
		start := map[ons.Network]uint64{ons.Mainnet: 496969, ons.Testnet: 6, ons.Fakechain: 8}[c.rules.Network]
		got, known := c.rules.Burn(&c.rec, c.before, start)
		if got != c.want || known != c.known {
			t.Errorf("%s: got %d, %v, want %d, %v", c.name, got, known, c.want, c.known)
		}
		if _, known := c.rules.Burn(&c.rec, c.before, start+1); known {
			t.Errorf("%s: known of a chain that began elsewhere", c.name)
		}
	}
}
