package directory

import (
	"time"
)

// Failure is a test that will fail, and when.
type Failure struct {
	Test string // as in Node.Reasons
	At   Moment // not before the moment of the forecast: it fails now
}

// Forecast is what will become of a node if nothing changes for the better.
type Forecast struct {
	Fails        *Failure // the next failed test; nil: none is in sight, or it has failed already
	Deregistered *Moment  // the first block that may deregister it; nil: it never comes to that
	Leaves       *Moment  // the last block it is registered in, since its stake is being unlocked; nil: it is not
	Assumptions  []string // what all this stands on, a sentence each
}

// The assumptions of a Forecast.
const (
	assumeBlocks    = "Blocks come every two minutes."
	assumeQuorum    = "A quorum tests the node as soon as it would fail, and agrees."
	assumeNoProof   = "No further uptime proof reaches the daemon asked."
	assumeStorage   = "The storage server stays unreachable."
	assumeLokinet   = "Lokinet stays unreachable."
	assumeUntested  = "The daemon asked does not test storage servers and lokinet: they are taken to be well."
	assumeNoVotes   = "Votes on checkpoints, blocks and time are not in the list: they are taken to be well."
	assumeNotProved = "The daemon asked has no uptime proof of the node: when that test fails is unknown."
	assumeFails     = "The node goes on failing its tests."
	assumeAwaiting  = "A node is not tested before its stake is complete."
)

// NewForecast looks ahead from a moment, by the rules of specification F.1 to F.3: when a test fails next, and when the
// credit is used up after that. A node that is well has a next failure too, if its next proof does not come.
func NewForecast(n *Node, at Moment, t Timing) Forecast {
	f := Forecast{Assumptions: []string{assumeBlocks, assumeQuorum}}
	assume := func(s string) { f.Assumptions = append(f.Assumptions, s) }
	switch n.State {
	case Awaiting:
		return Forecast{Assumptions: []string{assumeAwaiting}}
	case Gone:
		return Forecast{}
	case Decommissioned:
		assume(assumeFails)
		m := at.After(max(n.Credit+1, 0))
		f.Deregistered = &m
		if n.UnlockHeight != 0 && n.UnlockHeight < m.Height {
			f.leave(at.After(int64(n.UnlockHeight) - int64(at.Height)))
		}
		return f
	}
	if f.Fails = n.nextFailure(at, t, assume); f.Fails != nil {
		m := n.deregistration(f.Fails.At, at)
		f.Deregistered = &m
	}
	if n.UnlockHeight != 0 {
		m := at.After(int64(n.UnlockHeight) - int64(at.Height))
		f.leave(m)
	}
	return f
}

// nextFailure returns the first test to fail.
func (n *Node) nextFailure(at Moment, t Timing, assume func(string)) *Failure {
	var first *Failure
	fails := func(test string, when time.Time, assumption string) {
		assume(assumption)
		if when.Before(at.Time) {
			when = at.Time
		}
		if first == nil || when.Before(first.At.Time) {
			blocks := (when.Sub(at.Time) + BlockTime - 1) / BlockTime
			first = &Failure{Test: test, At: Moment{Height: at.Height + uint64(blocks), Time: when}}
		}
	}
	if n.Proof.IsZero() {
		assume(assumeNotProved)
	} else {
		fails("uptime", n.Proof.Add(t.ProofValid), assumeNoProof)
	}
	if since := n.StorageReach.FirstUnreachable; n.StorageReach.Known && !since.IsZero() {
		fails("storage", since.Add(t.Grace()), assumeStorage)
	}
	if since := n.LokinetReach.FirstUnreachable; n.LokinetReach.Known && !since.IsZero() {
		fails("lokinet", since.Add(t.Grace()), assumeLokinet)
	}
	if !n.StorageReach.Known || !n.LokinetReach.Known {
		assume(assumeUntested)
	}
	assume(assumeNoVotes)
	return first
}

// deregistration returns when a node that works until it fails has used its credit up. With too little of it it is not
// decommissioned first.
func (n *Node) deregistration(failed, at Moment) Moment {
	up, later := int64(at.Height)-int64(n.Since), int64(failed.Height)-int64(n.Since)
	credit := max(n.Credit, min(n.Credit+later*dayCredit/dayBlocks-up*dayCredit/dayBlocks, maxCredit))
	if credit < CreditLeast {
		return failed
	}
	return failed.After(credit + 1)
}

// leave drops what comes after the node is gone anyway.
func (f *Forecast) leave(m Moment) {
	f.Leaves = &m
	if f.Fails != nil && f.Fails.At.Height > m.Height {
		f.Fails = nil
	}
	if f.Deregistered != nil && f.Deregistered.Height > m.Height {
		f.Deregistered = nil
	}
}
