package store

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"onsight/directory"
	"onsight/ons"
)

// nodeRow is a row of nodes, and what node_undo keeps of one as JSON. Numbers a daemon says may use all 64 bits, which no
// column has room for unsigned: they are stored as the signed ones with the same bits.
type nodeRow struct {
	Key             []byte `gorm:"primaryKey;autoIncrement:false"`
	Ed25519         []byte `gorm:"column:ed25519"`
	X25519          []byte `gorm:"column:x25519"`
	Bls             string
	Operator        string
	Contributors    string
	OperatorFee     int64
	Required        int64
	Contributed     int64
	Reserved        int64
	IP              string `gorm:"column:ip"`
	StoragePort     uint16
	OmqPort         uint16
	QuorumnetPort   uint16
	Oxend           string
	Storage         string
	Lokinet         string
	Swarm           int64
	State           string
	Funded          int8
	Active          int8
	Since           int64
	Registered      int64
	UnlockHeight    int64
	Credit          int64
	Decommissions   uint32
	LastReward      int64
	LastRewardIndex uint32
	Proof           int64
	StorageKnown    int8
	StorageOk       int8
	StorageFirstBad int64
	StorageLastBad  int64
	StorageLastOk   int64
	LokinetKnown    int8
	LokinetOk       int8
	LokinetFirstBad int64
	LokinetLastBad  int64
	LokinetLastOk   int64
	Reasons         string
	ReasonsMaybe    string
	FirstHeight     int64
	FirstTime       int64
	LastHeight      int64
	LastTime        int64
	Changed         uint64
}

type nodeEventRow struct {
	Seq     uint64 `gorm:"primaryKey;autoIncrement:false"`
	Round   int64
	Height  int64
	Time    int64
	Key     []byte
	Kind    string
	Was     string
	Became  string
	Reasons string
}

type nodePointRow struct {
	Height int64 `gorm:"primaryKey;autoIncrement:false"`
	Hash   []byte
}

type nodeUndoRow struct {
	Round int64  `gorm:"primaryKey;autoIncrement:false"`
	Key   []byte `gorm:"primaryKey;autoIncrement:false"`
	Was   *string
}

type nodeStateRow struct {
	ID      int `gorm:"primaryKey;autoIncrement:false"`
	Network string
	Genesis []byte
	Height  int64
	Hash    []byte
	Time    int64
	Testing int8
	Asked   int64
	Seq     uint64
	Commits uint64
	Rolled  uint64
	Every   int64
}

type proberRow struct {
	Name     string `gorm:"primaryKey;autoIncrement:false"`
	Key      []byte
	Sequence int64
	Enrolled int64
	Reported int64
}

func (nodeRow) TableName() string      { return "nodes" }
func (nodeEventRow) TableName() string { return "node_events" }
func (nodePointRow) TableName() string { return "node_points" }
func (nodeUndoRow) TableName() string  { return "node_undo" }
func (nodeStateRow) TableName() string { return "node_state" }
func (proberRow) TableName() string    { return "probers" }

// contributorRow is one element of nodes.contributors.
type contributorRow struct {
	Address          string
	Amount, Reserved uint64
}

func newNodeRow(n *directory.Node, commit uint64) (nodeRow, error) {
	r := nodeRow{
		Key: n.Key[:], Ed25519: short(n.Ed25519), X25519: short(n.X25519), Bls: n.BLS, Operator: n.Operator,
		OperatorFee: int64(n.OperatorFee), Required: int64(n.Required), Contributed: int64(n.Contributed), Reserved: int64(n.Reserved),
		StoragePort: n.StoragePort, OmqPort: n.OMQPort, QuorumnetPort: n.QuorumnetPort,
		Oxend: n.Oxend.String(), Storage: n.Storage.String(), Lokinet: n.Lokinet.String(),
		Swarm: int64(n.Swarm), State: string(n.State), Funded: bit(n.Funded), Active: bit(n.Active),
		Since: int64(n.Since), Registered: int64(n.Registered), UnlockHeight: int64(n.UnlockHeight), Credit: n.Credit,
		Decommissions: n.Decommissions, LastReward: int64(n.LastReward), LastRewardIndex: n.LastRewardIndex, Proof: stamp(n.Proof),
		StorageKnown: bit(n.StorageReach.Known), StorageOk: bit(n.StorageReach.OK), StorageFirstBad: stamp(n.StorageReach.FirstUnreachable),
		StorageLastBad: stamp(n.StorageReach.LastUnreachable), StorageLastOk: stamp(n.StorageReach.LastReachable),
		LokinetKnown: bit(n.LokinetReach.Known), LokinetOk: bit(n.LokinetReach.OK), LokinetFirstBad: stamp(n.LokinetReach.FirstUnreachable),
		LokinetLastBad: stamp(n.LokinetReach.LastUnreachable), LokinetLastOk: stamp(n.LokinetReach.LastReachable),
		Reasons: joined(n.Reasons), ReasonsMaybe: joined(n.ReasonsMaybe),
		FirstHeight: int64(n.FirstSeen.Height), FirstTime: stamp(n.FirstSeen.Time),
		LastHeight: int64(n.LastSeen.Height), LastTime: stamp(n.LastSeen.Time), Changed: commit,
	}
	if n.IP.IsValid() {
		r.IP = n.IP.String()
	}
	if len(n.Contributors) > 0 {
		list := make([]contributorRow, len(n.Contributors))
		for i, c := range n.Contributors {
			list[i] = contributorRow(c)
		}
		b, err := json.Marshal(list)
		if err != nil {
			return r, fmt.Errorf("node %s: contributors: %w", n.Key, err)
		}
		r.Contributors = string(b)
	}
	return r, nil
}

// node undoes newNodeRow.
func (r *nodeRow) node() (directory.Node, error) {
	n := directory.Node{
		BLS: r.Bls, Operator: r.Operator, OperatorFee: uint64(r.OperatorFee),
		Required: uint64(r.Required), Contributed: uint64(r.Contributed), Reserved: uint64(r.Reserved),
		StoragePort: r.StoragePort, OMQPort: r.OmqPort, QuorumnetPort: r.QuorumnetPort,
		Swarm: uint64(r.Swarm), State: directory.State(r.State), Funded: r.Funded != 0, Active: r.Active != 0,
		Since: uint64(r.Since), Registered: uint64(r.Registered), UnlockHeight: uint64(r.UnlockHeight), Credit: r.Credit,
		Decommissions: r.Decommissions, LastReward: uint64(r.LastReward), LastRewardIndex: r.LastRewardIndex, Proof: unstamp(r.Proof),
		StorageReach: directory.Reach{Known: r.StorageKnown != 0, OK: r.StorageOk != 0, FirstUnreachable: unstamp(r.StorageFirstBad),
			LastUnreachable: unstamp(r.StorageLastBad), LastReachable: unstamp(r.StorageLastOk)},
		LokinetReach: directory.Reach{Known: r.LokinetKnown != 0, OK: r.LokinetOk != 0, FirstUnreachable: unstamp(r.LokinetFirstBad),
			LastUnreachable: unstamp(r.LokinetLastBad), LastReachable: unstamp(r.LokinetLastOk)},
		FirstSeen: directory.Moment{Height: uint64(r.FirstHeight), Time: unstamp(r.FirstTime)},
		LastSeen:  directory.Moment{Height: uint64(r.LastHeight), Time: unstamp(r.LastTime)},
	}
	var errs [10]error
	n.Key, errs[0] = nodeKey(r.Key)
	n.Ed25519, errs[1] = unshort(r.Ed25519)
	n.X25519, errs[2] = unshort(r.X25519)
	n.Oxend, errs[3] = directory.ParseVersion(r.Oxend)
	n.Storage, errs[4] = directory.ParseVersion(r.Storage)
	n.Lokinet, errs[5] = directory.ParseVersion(r.Lokinet)
	if r.IP != "" {
		n.IP, errs[6] = netip.ParseAddr(r.IP)
	}
	if r.Contributors != "" {
		var list []contributorRow
		errs[7] = json.Unmarshal([]byte(r.Contributors), &list)
		for _, c := range list {
			n.Contributors = append(n.Contributors, directory.Contributor(c))
		}
	}
	n.Reasons, errs[8] = words(r.Reasons)
	n.ReasonsMaybe, errs[9] = words(r.ReasonsMaybe)
	for _, err := range errs {
		if err != nil {
			return n, fmt.Errorf("node %x: %w", r.Key, err)
		}
	}
	return n, nil
}

func newNodeEventRow(e *directory.Event, seq uint64, round int64) nodeEventRow {
	return nodeEventRow{
		Seq: seq, Round: round, Height: int64(e.Height), Time: stamp(e.Time), Key: e.Key[:], Kind: string(e.Kind),
		Was: e.From, Became: e.To, Reasons: joined(e.Reasons),
	}
}

func (r *nodeEventRow) stored() (directory.Stored, error) {
	s := directory.Stored{Seq: r.Seq, Event: directory.Event{
		Height: uint64(r.Height), Time: unstamp(r.Time), Kind: directory.Kind(r.Kind), From: r.Was, To: r.Became,
	}}
	var err error
	if s.Reasons, err = words(r.Reasons); err == nil && len(r.Key) > 0 {
		s.Key, err = nodeKey(r.Key)
	}
	if err != nil {
		err = fmt.Errorf("event %d: %w", r.Seq, err)
	}
	return s, err
}

func (r *nodeStateRow) position() (directory.Position, error) {
	p := directory.Position{
		Network: ons.Network(r.Network), Point: directory.Point{Height: uint64(r.Height)}, Time: unstamp(r.Time), Testing: r.Testing != 0,
		Seq: r.Seq, Commit: r.Commits, Every: time.Duration(r.Every) * time.Microsecond,
	}
	if r.Asked != 0 {
		p.Asked = time.UnixMicro(r.Asked).UTC()
	}
	var err error
	if len(r.Genesis) > 0 {
		if p.Genesis, err = txid(r.Genesis); err != nil {
			return p, fmt.Errorf("genesis: %w", err)
		}
	}
	if len(r.Hash) > 0 {
		if p.Hash, err = txid(r.Hash); err != nil {
			return p, fmt.Errorf("block %d: %w", r.Height, err)
		}
	}
	return p, nil
}

// set takes over what a position says; what the store itself counts stays.
func (r *nodeStateRow) set(p *directory.Position) {
	r.Network, r.Genesis, r.Height, r.Hash = string(p.Network), long(p.Genesis), int64(p.Height), long(p.Hash)
	r.Time, r.Testing = stamp(p.Time), bit(p.Testing)
	if r.Asked = 0; !p.Asked.IsZero() {
		r.Asked = p.Asked.UnixMicro()
	}
}

func (r *proberRow) prober() directory.Prober {
	p := directory.Prober{Name: r.Name, Key: r.Key, Sequence: uint64(r.Sequence), Enrolled: time.UnixMicro(r.Enrolled).UTC()}
	if r.Reported != 0 {
		p.Reported = time.UnixMicro(r.Reported).UTC()
	}
	return p
}

// stamp is Unix seconds, 0 for the zero time.
func stamp(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func unstamp(s int64) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(s, 0).UTC()
}

func bit(b bool) int8 {
	if b {
		return 1
	}
	return 0
}

// joined makes one text of a list, whatever is in it; words undoes that.
func joined(list []string) string {
	if len(list) == 0 {
		return ""
	}
	b, err := json.Marshal(list)
	if err != nil {
		panic("store: internal error: " + err.Error()) // there are only strings in it
	}
	return string(b)
}

func words(s string) (list []string, err error) {
	if s != "" {
		if err = json.Unmarshal([]byte(s), &list); err != nil {
			err = fmt.Errorf("list of reasons: %w", err)
		}
	}
	return list, err
}

// short is a key that may be unknown: then it has no bytes. long is the same of a hash.
func short(k [32]byte) []byte {
	if k == [32]byte{} {
		return []byte{}
	}
	return k[:]
}

func long(h ons.Txid) []byte { return short(h) }

func unshort(b []byte) (k [32]byte, err error) {
	if len(b) == 0 {
		return k, nil
	}
	return nodeKey(b)
}

func nodeKey(b []byte) (k directory.Key, err error) {
	if len(b) != len(k) {
		return k, fmt.Errorf("%d bytes where a key has %d", len(b), len(k))
	}
	return directory.Key(b), nil
}
