package directory

import (
	"time"

	"onsight/ons"
)

// CreditLeast is the credit, in blocks, with less of which a failed test deregisters at once (specification F.3).
const CreditLeast = 60

const (
	dayBlocks = 720  // 24 hours of BlockTime
	maxCredit = 1440 // two days
	dayCredit = 24   // earned in a day of being active
)

// Timing is what a network's rules say of proofs (specification F.2).
type Timing struct {
	ProofInterval time.Duration // between two proofs of a node
	ProofValid    time.Duration // how long one counts
}

// TimingOf returns the timing of a network. Stagenet and localdev are not in the specification and count as testnet.
func TimingOf(n ons.Network) Timing {
	switch n {
	case ons.Mainnet:
		return Timing{ProofInterval: 3600 * time.Second, ProofValid: 7500 * time.Second}
	case ons.Fakechain:
		return Timing{ProofInterval: 60 * time.Second, ProofValid: 125 * time.Second}
	}
	return Timing{ProofInterval: 600 * time.Second, ProofValid: 1260 * time.Second}
}

// Grace is how long a service may be unreachable before that is a failed test.
func (t Timing) Grace() time.Duration { return t.ProofValid - t.ProofInterval }
