package ons

// burnForks are the heights from which a name could be bought at all (hard fork 15), and from which it cost less (16, 18), by
// network (spec D.1). Stagenet and localdev are not in the spec.
var burnForks = map[Network][3]uint64{
	Mainnet:   {496969, 641111, 785000},
	Testnet:   {6, 200, 252},
	Devnet:    {6, 100, 152},
	Fakechain: {8, 9, 11},
}

// Burn returns how much OXEN, in atomic units, the operation that made a record burned, which consensus demands to the unit: it
// follows from type, years and height (spec A.3). Updates burn nothing.
// before is when the record before it ended, which is asked of renewals only: years are not stored, but follow from the two ends.
// start is the height of hard fork 15 as the chain has it.
//
// ok is false if the price is not known: of a network whose forks are not known, such as a fakechain whose start is not that of
// --regtest, or of a time that is no number of years, as of a fakechain whose year is not the one of r. On testnet and devnet a block
// of hard fork 18, of which there is one, may have burned more: consensus allowed that.
func (r Rules) Burn(rec *Record, before, start uint64) (atomic uint64, ok bool) {
	forks, ok := burnForks[r.Network]
	if !ok || forks[0] != start || rec.Updated < start {
		return 0, false
	}
	if rec.Kind == Update {
		return 0, true
	}
	unit := uint64(7e9)
	switch {
	case rec.Updated < forks[1]:
		unit = 20e9
	case rec.Updated < forks[2]:
		unit = 15e9
	}
	if rec.Type != Lokinet {
		return unit, true
	}
	from := rec.Registered
	if rec.Kind == Renew {
		from = before
	}
	for i, factor := range [...]uint64{1, 2, 4, 6} { // of one, two, five and ten years
		if rec.Expires > from && rec.Expires-from == r.Blocks(uint8(Lokinet)+uint8(i)) {
			return unit * factor, true
		}
	}
	return 0, false
}
