package ons

import (
	"fmt"
	"math"
)

// Network is the kind of chain, as get_info calls it in nettype.
type Network string

// The networks. Stagenet and localdev exist in 11.x only; fakechain is what --regtest makes.
const (
	Mainnet   Network = "mainnet"
	Testnet   Network = "testnet"
	Devnet    Network = "devnet"
	Fakechain Network = "fakechain"
	Stagenet  Network = "stagenet"
	Localdev  Network = "localdev"
)

// ParseNetwork reads one of the names above, spelled exactly so.
func ParseNetwork(s string) (Network, error) {
	n := Network(s)
	if _, ok := n.prefixes(); !ok {
		return "", fmt.Errorf("unknown network %.20q", s)
	}
	return n, nil
}

// prefixes are the numbers that open an address of n: primary, subaddress, integrated, in the order of the kind byte of
// a wallet value (spec B.6). Localdev is not in the spec; like fakechain it takes those of mainnet.
func (n Network) prefixes() ([3]uint64, bool) {
	switch n {
	case Mainnet, Fakechain, Localdev:
		return [3]uint64{114, 116, 115}, true
	case Testnet:
		return [3]uint64{156, 158, 157}, true
	case Devnet:
		return [3]uint64{3930, 5850, 4442}, true
	case Stagenet:
		return [3]uint64{4888, 5656, 5272}, true
	}
	return [3]uint64{}, false
}

// Rules are what a network's consensus says of time.
type Rules struct {
	Network Network
	Year    uint64 // blocks of one lokinet "year", on fakechain only; zero: the network's constant
}

const (
	yearBlocks          = 368 * 720 // one "year" is 368 days of 720 blocks
	testnetYearBlocks   = 720
	fakechainYearBlocks = 2
)

// Blocks returns for how many blocks a buy or renewal with this type byte pays (spec A.4): 2 to 5 are one, two, five
// and ten years of lokinet; 0 for the others, which never expire. Stagenet and localdev are not in the spec and count
// as mainnet does. Testnet shortens all but the ten years: so does its code.
func (r Rules) Blocks(length uint8) uint64 {
	years := [...]uint64{0, 0, 1, 2, 5, 10}
	if int(length) >= len(years) || years[length] == 0 {
		return 0
	}
	year := uint64(yearBlocks)
	switch {
	case r.Network == Testnet && length < maxLength:
		year = testnetYearBlocks
	case r.Network == Fakechain && r.Year != 0:
		year = r.Year
	case r.Network == Fakechain:
		year = fakechainYearBlocks
	}
	if year > math.MaxUint64/10 { // set by hand, to nonsense
		return math.MaxUint64
	}
	return years[length] * year
}
