package directory

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind is what happened to a node.
type Kind string

const (
	KindRegistered      Kind = "registered"
	KindActive          Kind = "active"
	KindDecommissioned  Kind = "decommissioned"
	KindRecommissioned  Kind = "recommissioned"
	KindDeregistered    Kind = "deregistered"
	KindUnlockRequested Kind = "unlock_requested" // To: the last block it works in
	KindUnlocked        Kind = "unlocked"
	KindExpired         Kind = "expired"         // left before its stake was complete
	KindIPChanged       Kind = "ip_changed"      // From, To: addresses
	KindVersionChanged  Kind = "version_changed" // From, To: program and version
	KindSwarmChanged    Kind = "swarm_changed"   // From, To: 16 hex digits, or "none"
	KindStakeChanged    Kind = "stake_changed"   // From, To: atomic
)

// Event is one thing that happened to a node.
type Event struct {
	Height   uint64    // of the block that did it; where only we noticed, the block that we noticed it at
	Time     time.Time // of that block, counted from the one we noticed it at
	Key      Key
	Kind     Kind
	From, To string
	Reasons  []string // of a decommission
}

// Text says e in one sentence.
func (e Event) Text() string {
	s := "Node " + e.Key.String()[:8] + " "
	switch e.Kind {
	case KindRegistered:
		s += "was registered"
	case KindActive:
		s += "became active"
	case KindDecommissioned:
		s += "was decommissioned" + because(e.Reasons)
	case KindRecommissioned:
		s += "passed its tests and is active again"
	case KindDeregistered:
		s += "was deregistered"
	case KindUnlockRequested:
		s += "will leave after block " + e.To + ": its stake is being unlocked"
	case KindUnlocked:
		s += "left: its stake is unlocked"
	case KindExpired:
		s += "left before its stake was complete"
	case KindIPChanged:
		s += "moved from " + e.From + " to " + e.To
	case KindVersionChanged:
		s += "changed from " + e.From + " to " + e.To
	case KindSwarmChanged:
		s += "moved from swarm " + e.From + " to swarm " + e.To
	case KindStakeChanged:
		s += "has a stake of " + coins(e.To) + " now, it was " + coins(e.From)
	default:
		s += string(e.Kind)
	}
	return s + "."
}

// because puts the reasons of a decommission into words.
func because(reasons []string) string {
	var words []string
	for _, r := range reasons {
		w := r
		for _, t := range tests {
			if t.name == r {
				w = t.words
			}
		}
		words = append(words, w)
	}
	if len(words) == 0 {
		return ""
	}
	return ": " + strings.Join(words, ", ")
}

// coins writes an atomic amount in whole coins.
func coins(atomic string) string {
	n, ok := new(big.Rat).SetString(atomic)
	if !ok {
		return atomic
	}
	s := n.Quo(n, big.NewRat(1e9, 1)).FloatString(9)
	return strings.TrimRight(strings.TrimRight(s, "0"), ".")
}

// Diff returns what happened between two lists, in the order of blocks, then of keys. at is the newest block of the
// second. A node in neither State Gone nor absent is on a list; the lists may be in any order. What the daemon no longer
// knows (an address without a proof) is no event; see Carry.
func Diff(before, after []Node, at Moment) []Event {
	old := make(map[Key]*Node, len(before))
	for i := range before {
		if before[i].State != Gone {
			old[before[i].Key] = &before[i]
		}
	}
	var events []Event
	for i := range after {
		n := &after[i]
		if n.State == Gone {
			continue
		}
		o := old[n.Key]
		delete(old, n.Key)
		if o != nil && o.Registered != n.Registered { // it left and came back while we were not looking
			events = append(events, left(o, at.After(min(0, int64(n.Registered)-1-int64(at.Height)))))
			o = nil
		}
		if o == nil {
			events = append(events, arrived(n, at)...)
		} else {
			events = append(events, changed(o, n, at)...)
		}
	}
	for _, o := range old {
		events = append(events, left(o, at))
	}
	slices.SortStableFunc(events, func(a, b Event) int {
		return cmp.Or(cmp.Compare(a.Height, b.Height), a.Key.Compare(b.Key))
	})
	return events
}

// Carry returns now with what was known before and is not any more: when it was first seen, and the facts that come from
// proofs or from the tests of service nodes.
func Carry(before, now Node) Node {
	now.FirstSeen = before.FirstSeen
	if before.Registered != now.Registered { // another life
		return now
	}
	if !now.IP.IsValid() {
		now.IP, now.StoragePort, now.OMQPort, now.QuorumnetPort = before.IP, before.StoragePort, before.OMQPort, before.QuorumnetPort
	}
	if now.Ed25519 == [32]byte{} {
		now.Ed25519, now.X25519 = before.Ed25519, before.X25519
	}
	if now.BLS == "" {
		now.BLS = before.BLS
	}
	for _, v := range []struct{ now, before *Version }{{&now.Oxend, &before.Oxend}, {&now.Storage, &before.Storage}, {&now.Lokinet, &before.Lokinet}} {
		if *v.now == (Version{}) {
			*v.now = *v.before
		}
	}
	if now.Decommissions == before.Decommissions && len(now.Reasons)+len(now.ReasonsMaybe) == 0 {
		now.Reasons, now.ReasonsMaybe = before.Reasons, before.ReasonsMaybe
	}
	return now
}

// event makes one at a height that may lie behind the moment.
func event(k Key, kind Kind, height uint64, at Moment) Event {
	height = min(height, at.Height)
	return Event{Height: height, Time: at.After(int64(height) - int64(at.Height)).Time, Key: k, Kind: kind}
}

func arrived(n *Node, at Moment) []Event {
	events := []Event{event(n.Key, KindRegistered, n.Registered, at)}
	newborn := *n
	newborn.State, newborn.Funded, newborn.Active = Awaiting, false, false
	newborn.Decommissions, newborn.UnlockHeight = 0, 0
	return append(events, lived(&newborn, n, at)...)
}

func left(n *Node, at Moment) Event {
	switch {
	case n.State == Awaiting:
		return event(n.Key, KindExpired, at.Height, at)
	case n.UnlockHeight != 0 && at.Height > n.UnlockHeight:
		return event(n.Key, KindUnlocked, n.UnlockHeight+1, at)
	}
	return event(n.Key, KindDeregistered, at.Height, at)
}

func changed(o, n *Node, at Moment) []Event {
	events := lived(o, n, at)
	from := func(kind Kind, from, to string) {
		e := event(n.Key, kind, at.Height, at)
		e.From, e.To = from, to
		events = append(events, e)
	}
	if o.IP != n.IP && o.IP.IsValid() && n.IP.IsValid() {
		from(KindIPChanged, o.IP.String(), n.IP.String())
	}
	for _, v := range []struct {
		name   string
		is, to Version
	}{{"oxend", o.Oxend, n.Oxend}, {"storage server", o.Storage, n.Storage}, {"lokinet", o.Lokinet, n.Lokinet}} {
		if v.is != v.to && v.is != (Version{}) && v.to != (Version{}) {
			from(KindVersionChanged, v.name+" "+v.is.String(), v.name+" "+v.to.String())
		}
	}
	// Leaving the swarm belongs to a decommission, and coming into one to becoming active: no news of their own.
	if o.Swarm != n.Swarm && (o.Active && n.Active || o.Swarm != NoSwarm && n.Swarm != NoSwarm) {
		from(KindSwarmChanged, swarmText(o.Swarm), swarmText(n.Swarm))
	}
	if o.Contributed != n.Contributed {
		from(KindStakeChanged, strconv.FormatUint(o.Contributed, 10), strconv.FormatUint(n.Contributed, 10))
	}
	return events
}

// lived returns the steps of life from o to n, with those that must have been in between.
func lived(o, n *Node, at Moment) []Event {
	var events []Event
	step := func(kind Kind) {
		e := event(n.Key, kind, n.Since, at)
		if kind == KindDecommissioned {
			e.Reasons = n.Reasons
		}
		events = append(events, e)
	}
	missed := n.Decommissions > o.Decommissions
	switch {
	case !n.Funded:
	case !o.Funded && n.Active && !missed:
		step(KindActive)
	case o.Active && !n.Active, !o.Funded && !n.Active: // the activation before it has no height to tell
		step(KindDecommissioned)
	case o.Active && n.Active && missed, !o.Funded && n.Active:
		step(KindDecommissioned)
		step(KindRecommissioned)
	case !o.Active && n.Active:
		step(KindRecommissioned)
	case !o.Active && !n.Active && missed:
		step(KindRecommissioned)
		step(KindDecommissioned)
	}
	if n.UnlockHeight != 0 && o.UnlockHeight == 0 {
		e := event(n.Key, KindUnlockRequested, at.Height, at)
		e.To = strconv.FormatUint(n.UnlockHeight, 10)
		events = append(events, e)
	}
	return events
}

// noSwarm is how NoSwarm is written.
const noSwarm = "none"

func swarmText(id uint64) string {
	if id == NoSwarm {
		return noSwarm
	}
	return fmt.Sprintf("%016x", id)
}
