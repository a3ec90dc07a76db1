package directory

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"onsight/internal/oxend"
	"onsight/internal/snode"
)

// BlockTime is what a block takes on every network.
const BlockTime = 2 * time.Minute

// NoSwarm is the Swarm of a node that belongs to none: not funded, or decommissioned.
const NoSwarm = snode.NoSwarm

// FeeAll is Node.OperatorFee of an operator who keeps everything.
const FeeAll uint64 = 1<<64 - 4

var (
	// ErrKey means that a text is not the key of a node.
	ErrKey = errors.New("invalid node key")
	// ErrVersion means that a text is not a version.
	ErrVersion = errors.New("invalid version")
)

// Key is the legacy key of a node: what identifies it on the chain.
type Key [32]byte

// ParseKey reads 64 hexadecimal digits of either case. The error is ErrKey.
func ParseKey(s string) (Key, error) {
	b, err := parse32(s)
	if err != nil || s == "" {
		return Key{}, ErrKey
	}
	return b, nil
}

// String returns k as 64 lower-case hexadecimal digits.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// Address returns the name of the node in lokinet: 52 characters and ".snode".
func (k Key) Address() string { return snode.Address(k) }

// MarshalText implements encoding.TextMarshaler: as String.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler: as ParseKey.
func (k *Key) UnmarshalText(b []byte) (err error) {
	*k, err = ParseKey(string(b))
	return err
}

// Compare orders keys by their bytes.
func (k Key) Compare(o Key) int { return bytes.Compare(k[:], o[:]) }

// Version is the version of a program. The zero Version is unknown.
type Version [3]uint16

// ParseVersion reads one to three numbers with dots between; missing ones are zero. "unknown" is the zero Version.
// The error is ErrVersion.
func ParseVersion(s string) (Version, error) {
	if s == unknown {
		return Version{}, nil
	}
	parts := strings.Split(s, ".")
	if len(parts) > len(Version{}) {
		return Version{}, ErrVersion
	}
	var v Version
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return Version{}, ErrVersion
		}
		v[i] = uint16(n)
	}
	return v, nil
}

// String returns v as "2.11.0", or "unknown".
func (v Version) String() string {
	if v == (Version{}) {
		return unknown
	}
	return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2])
}

// Compare orders versions; the unknown one comes first.
func (v Version) Compare(o Version) int {
	return cmp.Or(cmp.Compare(v[0], o[0]), cmp.Compare(v[1], o[1]), cmp.Compare(v[2], o[2]))
}

// unknown is how everything that nobody knows is written.
const unknown = "unknown"

// State is where a node stands in its life.
type State string

const (
	Awaiting       State = "awaiting"       // registered, the stake is not complete
	Active         State = "active"         // works and earns
	Decommissioned State = "decommissioned" // failed its tests; has its credit to come back
	Unlocking      State = "unlocking"      // active, and will leave at UnlockHeight
	Gone           State = "gone"           // not on the list any more
)

// states are all of them in the order of a life.
var states = []State{Awaiting, Active, Decommissioned, Unlocking, Gone}

// Reach is what a daemon's own tests say of one service of a node.
type Reach struct {
	Known            bool // false: not observed, since the daemon asked is no service node or has not tested it yet
	OK               bool
	FirstUnreachable time.Time // since when it has been failing; zero: it is not
	LastUnreachable  time.Time // zero: never
	LastReachable    time.Time // zero: never
}

// Contributor is one stake in a node. The first is the operator's.
type Contributor struct {
	Address          string
	Amount, Reserved uint64 // atomic
}

// Moment is a block and when it was.
type Moment struct {
	Height uint64
	Time   time.Time
}

// After returns the moment that many blocks later, at two minutes each.
func (m Moment) After(blocks int64) Moment {
	return Moment{Height: uint64(max(0, int64(m.Height)+blocks)), Time: m.Time.Add(time.Duration(blocks) * BlockTime)}
}

// Node is one service node as the chain and one daemon know it. What the daemon does not know is zero.
type Node struct {
	Key             Key
	Ed25519, X25519 [32]byte // zero without a proof
	BLS             string   // 11.x, and only of the daemon's own node
	Operator        string   // address
	Contributors    []Contributor
	OperatorFee     uint64 // over FeeAll

	Required, Contributed, Reserved uint64 // stake, atomic

	IP                                  netip.Addr // not valid: unknown
	StoragePort, OMQPort, QuorumnetPort uint16     // 0: unknown
	Oxend, Storage, Lokinet             Version

	Swarm           uint64 // NoSwarm for none
	State           State
	Funded, Active  bool   // as the daemon says; State is made of them
	Since           uint64 // height of activation, decommission or, awaiting, of the last contribution
	Registered      uint64 // height
	UnlockHeight    uint64 // the last block it works in; 0: no unlock requested
	Credit          int64  // blocks it may be decommissioned for; may be negative
	Decommissions   uint32
	LastReward      uint64 // height; with the index its place in the queue for rewards
	LastRewardIndex uint32

	Proof                      time.Time // when the daemon asked last got an uptime proof; zero: never
	StorageReach, LokinetReach Reach
	Reasons, ReasonsMaybe      []string // of the last decommission: what every voter found, and what some did

	FirstSeen, LastSeen Moment // by us
}

// CreditTime is Credit as a duration.
func (n *Node) CreditTime() time.Duration { return time.Duration(n.Credit) * BlockTime }

// fromDaemon converts what a daemon says of a node at a moment. It is the only place that knows oxend's form.
func fromDaemon(d oxend.ServiceNode, at Moment) (Node, error) {
	key, err := ParseKey(d.Pubkey)
	if err != nil {
		return Node{}, fmt.Errorf("node %.80q: %w", d.Pubkey, err)
	}
	n := Node{
		Key: key, BLS: d.BLS, Operator: d.Operator, OperatorFee: d.PortionsOperator,
		Required: d.StakeRequired, Contributed: d.Contributed, Reserved: d.Reserved,
		StoragePort: d.StoragePort, OMQPort: d.StorageOMQPort, QuorumnetPort: d.QuorumnetPort,
		Oxend: d.NodeVersion, Storage: d.StorageVersion, Lokinet: d.LokinetVersion,
		Swarm: d.SwarmID, State: stateOf(d), Funded: d.Funded, Active: d.Active,
		Since: d.StateHeight, Registered: d.Registered, UnlockHeight: d.UnlockHeight,
		Credit: d.EarnedDowntime, Decommissions: d.Decommissions, LastReward: d.LastReward, LastRewardIndex: d.LastRewardIndex,
		Proof: unix(d.LastProof), StorageReach: reachOf(d.StorageReach), LokinetReach: reachOf(d.LokinetReach),
		Reasons: reasons(d.ReasonAll), ReasonsMaybe: reasons(d.ReasonAny &^ d.ReasonAll),
		FirstSeen: at, LastSeen: at,
	}
	if n.Ed25519, err = parse32(d.Ed25519); err == nil {
		n.X25519, err = parse32(d.X25519)
	}
	if err == nil {
		n.IP, err = parseIP(d.IP)
	}
	if err != nil {
		return Node{}, fmt.Errorf("node %s: %w", key, err)
	}
	for _, c := range d.Contributors {
		n.Contributors = append(n.Contributors, Contributor(c))
	}
	return n, nil
}

func stateOf(d oxend.ServiceNode) State {
	switch {
	case !d.Funded:
		return Awaiting
	case !d.Active:
		return Decommissioned
	case d.UnlockHeight != 0:
		return Unlocking
	}
	return Active
}

// reachOf does not believe "reachable" without a time: 10.x says so of everybody when it is no service node itself
// (specification F.5), and either does before its first test.
func reachOf(r oxend.Reach) Reach {
	tested := !r.OK || r.FirstUnreachable != 0 || r.LastUnreachable != 0 || r.LastReachable != 0
	if !r.Known || !tested {
		return Reach{}
	}
	return Reach{Known: true, OK: r.OK, FirstUnreachable: unix(r.FirstUnreachable),
		LastUnreachable: unix(r.LastUnreachable), LastReachable: unix(r.LastReachable)}
}

// unix reads a daemon's time, where 0 is never. Nonsense beyond the year 9999 becomes its end, which JSON can write.
func unix(seconds uint64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(int64(min(seconds, 253402300799)), 0).UTC()
}

// parse32 reads a key of 32 bytes; "" is the zero one.
func parse32(s string) (b [32]byte, err error) {
	if s == "" {
		return b, nil
	}
	if len(s) != 64 {
		return b, ErrKey
	}
	if _, err = hex.Decode(b[:], []byte(s)); err != nil {
		return [32]byte{}, ErrKey
	}
	return b, nil
}

// parseIP reads an address; "" and 0.0.0.0 are unknown.
func parseIP(s string) (netip.Addr, error) {
	if s == "" {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Unmap().IsUnspecified() {
		return netip.Addr{}, err
	}
	return a.Unmap(), nil
}

// tests are the names of the bits of a decommission's reasons (specification F.2), and what failing one means.
var tests = []struct{ name, words string }{
	{"uptime", "its uptime proofs are late"},
	{"checkpoints", "it missed checkpoint votes"},
	{"pulse", "it missed blocks it should have made"},
	{"storage", "its storage server cannot be reached"},
	{"timecheck", "it does not answer to the question for the time"},
	{"timesync", "its clock is wrong"},
	{"lokinet", "its lokinet cannot be reached"},
}

// reasons names the bits that are set. Unknown ones are passed on by their number.
func reasons(bits uint16) []string {
	var names []string
	for i := range 16 {
		switch {
		case bits>>i&1 == 0:
		case i < len(tests):
			names = append(names, tests[i].name)
		default:
			names = append(names, "bit "+strconv.Itoa(i))
		}
	}
	return names
}
