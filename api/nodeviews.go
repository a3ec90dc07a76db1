package api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"onsight/directory"
)

// The JSON shapes of the operations about nodes. null is "not known" or "not measured"; a field that is not there does not
// apply, or was not asked for. Amounts are atomic and, as all numbers that do not fit in 53 bits, decimal text; swarms are 16
// hexadecimal digits; durations are seconds. Numbers of 32 bits are int64 here, since huma takes a uint32 for an int32.

// nodeView is a node. The names are those of directory.FieldNames.
type nodeView struct {
	Key            string  `json:"key" pattern:"^[0-9a-f]{64}$" doc:"The legacy key: what identifies it on the chain"`
	State          string  `json:"state" enum:"awaiting,active,decommissioned,unlocking,gone" doc:"awaiting: its stake is not complete; unlocking: active, and will leave at unlock_height; gone: not on the list any more"`
	Swarm          *string `json:"swarm,omitempty" pattern:"^[0-9a-f]{16}$" doc:"Absent if it is in none"`
	Operator       *string `json:"operator" doc:"Address"`
	OperatorFee    string  `json:"operator_fee" pattern:"^[0-9]+$" doc:"Share of the rewards that the operator takes before all others, over 18446744073709551612"`
	Stake          string  `json:"stake" pattern:"^[0-9]+$" doc:"Contributed, atomic"`
	Required       string  `json:"required" pattern:"^[0-9]+$" doc:"Stake that is required, atomic"`
	Reserved       string  `json:"reserved" pattern:"^[0-9]+$" doc:"Contributed or promised, atomic"`
	Contributors   []stake `json:"contributors" nullable:"false" doc:"The operator first"`
	Registered     uint64  `json:"registered" doc:"Height"`
	Since          uint64  `json:"since" doc:"Height of its activation, decommission or, awaiting, last contribution"`
	UnlockHeight   *uint64 `json:"unlock_height,omitempty" doc:"Last block it works in; absent if no unlock was requested"`
	Credit         int64   `json:"credit" doc:"Blocks that it may be decommissioned for, negative when that is overdrawn"`
	Decommissions  int64   `json:"decommissions" doc:"How often it was decommissioned"`
	Reasons        *why    `json:"reasons,omitempty" doc:"Of the last decommission; absent if there was none, null if they are not known"`
	LastReward     queued  `json:"last_reward" doc:"Its place in the queue for rewards"`
	FirstSeen      seen    `json:"first_seen" doc:"By this server"`
	LastSeen       seen    `json:"last_seen" doc:"By this server: on the list"`
	IP             *string `json:"ip" doc:"Address, of its uptime proof"`
	Ports          ports   `json:"ports"`
	Country        *string `json:"country" pattern:"^[A-Z]{2}$" doc:"By a local database; place says why it is not known"`
	AS             *int64  `json:"as" doc:"Number of the autonomous system, by a local database; place says why it is not known"`
	Place          place   `json:"place"`
	Ed25519        *string `json:"ed25519" pattern:"^[0-9a-f]{64}$"`
	X25519         *string `json:"x25519" pattern:"^[0-9a-f]{64}$"`
	BLS            *string `json:"bls,omitempty"`
	Version        *string `json:"version" doc:"Of oxend, of its uptime proof"`
	StorageVersion *string `json:"storage_version" doc:"Of the storage server, of its uptime proof"`
	LokinetVersion *string `json:"lokinet_version" doc:"Of its uptime proof"`
	Proof          *string `json:"proof" format:"date-time" doc:"When the daemon asked last got an uptime proof; null: never"`
	StorageReach   reach   `json:"storage_reach" doc:"What the daemon asked has found of the storage server"`
	LokinetReach   reach   `json:"lokinet_reach" doc:"What the daemon asked has found of lokinet"`

	Reachable string    `json:"reachable" enum:"up,down,unknown" doc:"The best answer there is: of the vantage points, else our own last check, else of the daemon asked. unknown: nobody looked"`
	Latency   *float64  `json:"latency" doc:"Half of the answers come within so many seconds, measured from this server"`
	Loss      *float64  `json:"loss" minimum:"0" maximum:"1" doc:"Share of the recent checks from this server that failed"`
	Score     float64   `json:"score" minimum:"0" maximum:"1" doc:"How well it serves, 1 is best. What is not known counts as 0"`
	Estimate  *estimate `json:"estimate" doc:"Measured from this server"`
	Verdict   *verdict  `json:"verdict" doc:"Of the vantage points together; null: none reported"`
}

type stake struct {
	Address  string `json:"address"`
	Amount   string `json:"amount" pattern:"^[0-9]+$" doc:"Atomic"`
	Reserved string `json:"reserved" pattern:"^[0-9]+$" doc:"Atomic"`
}

type why struct {
	All  []string `json:"all" nullable:"false" doc:"What every voter found"`
	Some []string `json:"some" nullable:"false" doc:"What only some did"`
}

// MarshalJSON tells "not known" from "was never decommissioned", which has no why.
func (w *why) MarshalJSON() ([]byte, error) {
	if len(w.All)+len(w.Some) == 0 {
		return []byte("null"), nil
	}
	type plain why
	return json.Marshal(plain{orEmpty(w.All), orEmpty(w.Some)})
}

type queued struct {
	Height uint64 `json:"height" doc:"Of the last reward or change of state"`
	Index  int64  `json:"index" doc:"Order among those of that height; 4294967295: it got none since its state changed at that height"`
}

type seen struct {
	Height uint64  `json:"height"`
	Time   *string `json:"time" format:"date-time"`
}

type ports struct {
	Storage   *uint16 `json:"storage" doc:"HTTPS of the storage server"`
	OMQ       *uint16 `json:"omq" doc:"OMQ of the storage server"`
	Quorumnet *uint16 `json:"quorumnet"`
}

type place struct {
	CountryUnknown string  `json:"country_unknown_reason,omitempty" doc:"Absent if the country is known"`
	ASName         *string `json:"as_name,omitempty"`
	ASUnknown      string  `json:"as_unknown_reason,omitempty" doc:"Absent if the autonomous system is known"`
}

// reach tells "not observed" from "down".
type reach struct {
	Observed         bool    `json:"observed" doc:"false: the daemon asked is no service node, or has not tested it yet; nothing else is here then"`
	OK               *bool   `json:"ok,omitempty" doc:"The last test passed"`
	FirstUnreachable *string `json:"first_unreachable,omitempty" format:"date-time" doc:"Since when it has been failing; absent if it is not"`
	LastUnreachable  *string `json:"last_unreachable,omitempty" format:"date-time"`
	LastReachable    *string `json:"last_reachable,omitempty" format:"date-time"`
}

type estimate struct {
	Tried           int64           `json:"tried" doc:"Recent checks"`
	Lost            int64           `json:"lost" doc:"Those among them that failed"`
	LossLow         float64         `json:"loss_low" doc:"With loss_high: holds the true share in 95 cases of 100"`
	LossHigh        float64         `json:"loss_high"`
	OK              bool            `json:"ok" doc:"The last check"`
	Failure         string          `json:"failure,omitempty" doc:"Why it failed"`
	At              *string         `json:"at" format:"date-time" doc:"Of the last check"`
	LastOK          *string         `json:"last_ok" format:"date-time"`
	Mean            *float64        `json:"mean" doc:"Of the time to an answer, the newest count most"`
	Jitter          *float64        `json:"jitter"`
	P50             *float64        `json:"p50"`
	P95             *float64        `json:"p95"`
	TCP             *float64        `json:"tcp" doc:"Time to connect to the storage server"`
	TLS             *float64        `json:"tls" doc:"And to agree on TLS"`
	OMQ             *float64        `json:"omq" doc:"Time to connect to the OMQ port"`
	Unauthenticated unauthenticated `json:"unauthenticated" doc:"What the node says of itself in its answer, which nobody vouches for"`
}

type unauthenticated struct {
	StorageVersion *string  `json:"storage_version"`
	ClockOffset    *float64 `json:"clock_offset" doc:"Its clock less ours, seconds"`
}

type verdict struct {
	Health  string   `json:"health" enum:"up,down,unknown"`
	Ups     int      `json:"ups" doc:"Vantage points that reached it when they last tried"`
	Downs   int      `json:"downs" doc:"That did not"`
	Voters  int      `json:"voters" doc:"All that reported, whether or not on this node: down is more than half of these"`
	Offline []string `json:"offline" nullable:"false" doc:"Vantage points that do not count, since nearly everything fails for them"`
}

// nodesView is a list of nodes. board.appendNodes writes it.
type nodesView struct {
	Skipped   int        `json:"skipped" doc:"Nodes before these that are asked for too"`
	Truncated int        `json:"truncated" doc:"And after them"`
	Next      *int       `json:"next" doc:"What to give as offset for the page after this; null: this is the last one"`
	Nodes     []nodeView `json:"nodes" nullable:"false" doc:"By key unless order says otherwise"`
}

// nodeDetailView is all that is known of one node.
type nodeDetailView struct {
	nodeView
	Snode       string       `json:"snode" doc:"Its name in lokinet"`
	CreditHours float64      `json:"credit_hours" doc:"credit at two minutes a block"`
	Terms       []termView   `json:"terms" nullable:"false" doc:"What score is made of"`
	Bad         []string     `json:"bad" nullable:"false" doc:"What speaks against choosing it, by the limits of /v1/nodes/pick; nothing if it is good"`
	Forecast    forecastView `json:"forecast" doc:"What becomes of it if nothing changes for the better"`
	Vantages    []string     `json:"vantages" nullable:"false" doc:"From where its history may be asked for: here, and the enrolled vantage points"`
}

type termView struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value" minimum:"0" maximum:"1"`
	Weight float64 `json:"weight" minimum:"0" maximum:"1"`
	Words  string  `json:"words"`
}

type forecastView struct {
	FailsTest    *string    `json:"fails_test,omitempty" doc:"The next test it fails; with fails_at; absent if none is in sight"`
	FailsAt      *blockView `json:"fails_at,omitempty"`
	Deregistered *blockView `json:"deregistered_at,omitempty" doc:"The first block that may deregister it; absent if it never comes to that"`
	Leaves       *blockView `json:"leaves_at,omitempty" doc:"The last block it works in; absent if its stake is not being unlocked"`
	Assumptions  []string   `json:"assumptions" nullable:"false" doc:"What this stands on"`
}

// blockView is a block to come.
type blockView struct {
	Height uint64 `json:"height"`
	Time   string `json:"time" format:"date-time" doc:"At two minutes a block"`
}

func newNodeView(e *directory.Entry) nodeView {
	n, est := &e.Node, &e.Estimate
	score, _ := directory.Score(e)
	v := nodeView{
		Key: n.Key.String(), State: string(n.State), Operator: text(n.Operator), OperatorFee: decimal(n.OperatorFee),
		Stake: decimal(n.Contributed), Required: decimal(n.Required), Reserved: decimal(n.Reserved), Contributors: make([]stake, len(n.Contributors)),
		Registered: n.Registered, Since: n.Since, UnlockHeight: number(n.UnlockHeight), Credit: n.Credit, Decommissions: int64(n.Decommissions),
		LastReward: queued{n.LastReward, int64(n.LastRewardIndex)}, FirstSeen: newSeen(n.FirstSeen), LastSeen: newSeen(n.LastSeen),
		Ports:   ports{nonzero(n.StoragePort), nonzero(n.OMQPort), nonzero(n.QuorumnetPort)},
		Country: text(e.Place.Country), AS: autonomous(e.Place.AS),
		Place:   place{e.Place.CountryUnknown, text(e.Place.ASName), e.Place.ASUnknown},
		Ed25519: keyText(n.Ed25519), X25519: keyText(n.X25519), BLS: text(n.BLS),
		Version: versionText(n.Oxend), StorageVersion: versionText(n.Storage), LokinetVersion: versionText(n.Lokinet),
		Proof: clock(n.Proof), StorageReach: newReach(n.StorageReach), LokinetReach: newReach(n.LokinetReach),
		Reachable: string(e.Reachable()), Latency: seconds(est.P50), Score: rounded(score),
	}
	for i, c := range n.Contributors {
		v.Contributors[i] = stake{c.Address, decimal(c.Amount), decimal(c.Reserved)}
	}
	if n.Swarm != directory.NoSwarm {
		v.Swarm = ref(swarmText(n.Swarm))
	}
	if n.Decommissions > 0 || n.State == directory.Decommissioned || len(n.Reasons)+len(n.ReasonsMaybe) > 0 {
		v.Reasons = &why{n.Reasons, n.ReasonsMaybe}
	}
	if n.IP.IsValid() {
		v.IP = ref(n.IP.String())
	}
	if est.Tried > 0 {
		loss, low, high := est.Loss()
		v.Loss = ptr(rounded(loss))
		v.Estimate = newEstimate(est, low, high)
	}
	if e.Verdict.Health != "" {
		v.Verdict = &verdict{string(e.Verdict.Health), e.Verdict.Ups, e.Verdict.Downs, e.Verdict.Voters, orEmpty(e.Verdict.Offline)}
	}
	return v
}

func newEstimate(e *directory.Estimate, low, high float64) *estimate {
	v := &estimate{
		Tried: int64(e.Tried), Lost: int64(e.Lost), LossLow: rounded(low), LossHigh: rounded(high), OK: e.OK, Failure: e.Failure, At: clock(e.At), LastOK: clock(e.LastOK),
		Mean: seconds(e.Latency), Jitter: seconds(e.Jitter), P50: seconds(e.P50), P95: seconds(e.P95), TCP: seconds(e.TCP), TLS: seconds(e.TLS),
		OMQ: seconds(e.OMQ), Unauthenticated: unauthenticated{StorageVersion: versionText(e.Version)},
	}
	if e.Version != (directory.Version{}) { // with the version comes the clock
		v.Unauthenticated.ClockOffset = ptr(float64(e.ClockOffset.Milliseconds()) / 1000)
	}
	return v
}

func newReach(r directory.Reach) reach {
	if !r.Known {
		return reach{}
	}
	return reach{
		Observed: true, OK: &r.OK, FirstUnreachable: clock(r.FirstUnreachable), LastUnreachable: clock(r.LastUnreachable), LastReachable: clock(r.LastReachable),
	}
}

func newSeen(m directory.Moment) seen { return seen{m.Height, clock(m.Time)} }

func newNodeDetailView(e *directory.Entry, s *directory.Snapshot) nodeDetailView {
	_, terms := directory.Score(e)
	f := directory.NewForecast(&e.Node, s.At, directory.TimingOf(s.Network))
	v := nodeDetailView{
		nodeView: newNodeView(e), Snode: e.Node.Key.Address(), CreditHours: e.Node.CreditTime().Hours(),
		Terms: newTermViews(terms), Bad: orEmpty(directory.Limits{}.Bad(e)),
		Forecast: forecastView{Deregistered: newBlockView(f.Deregistered), Leaves: newBlockView(f.Leaves), Assumptions: orEmpty(f.Assumptions)},
		Vantages: []string{directory.Here},
	}
	for _, p := range s.Probers {
		v.Vantages = append(v.Vantages, p.Name)
	}
	if f.Fails != nil {
		v.Forecast.FailsTest, v.Forecast.FailsAt = &f.Fails.Test, newBlockView(&f.Fails.At)
	}
	return v
}

func newTermViews(terms []directory.Term) []termView {
	v := make([]termView, len(terms))
	for i, t := range terms {
		v[i] = termView{t.Name, rounded(t.Value), t.Weight, t.Words}
	}
	return v
}

func newBlockView(m *directory.Moment) *blockView {
	if m == nil {
		return nil
	}
	at := m.Time
	if at.Unix() > lastSecond {
		at = time.Unix(lastSecond, 0)
	}
	return &blockView{m.Height, *clock(at)}
}

func swarmText(id uint64) string { return fmt.Sprintf("%016x", id) }

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

// keyText is nil for the zero key.
func keyText(k [32]byte) *string {
	if k == ([32]byte{}) {
		return nil
	}
	return ref(hex.EncodeToString(k[:]))
}

// versionText is nil for an unknown version.
func versionText(v directory.Version) *string {
	if v == (directory.Version{}) {
		return nil
	}
	return ref(v.String())
}

// seconds is nil for 0, which is how an Estimate says that it does not know.
func seconds(d time.Duration) *float64 {
	if d <= 0 {
		return nil
	}
	return ptr(float64(d.Round(time.Microsecond).Microseconds()) / 1e6)
}

// rounded drops digits that nobody reads.
func rounded(f float64) float64 { return math.Round(f*1e4) / 1e4 }

func ptr[T any](v T) *T { return &v }

// nonzero is nil for "unknown".
func nonzero(n uint16) *uint16 {
	if n == 0 {
		return nil
	}
	return &n
}

// autonomous is nil for an unknown system.
func autonomous(n uint32) *int64 {
	if n == 0 {
		return nil
	}
	return ptr(int64(n))
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// shuffle puts items in an order that depends on the block of a snapshot only: new measurements move nothing.
func shuffle[T any](snap *directory.Snapshot, items []T) {
	rng := rand.New(rand.NewChaCha8(sha256.Sum256([]byte(snap.Hash))))
	rng.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
}
