package main

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"onsight/directory"
)

// What `-o json`, jsonl and csv print of nodes, and an onsight server says of them: amounts are atomic and, as everything that may
// exceed 2^53, text; durations are seconds. null is not known or not measured; what does not apply is left out.

type nodesView struct {
	AsOf      asOfView          `json:"as_of"`
	Network   string            `json:"network"`
	Source    string            `json:"source"`    // "database", "daemon" or "server"
	Skipped   int               `json:"skipped"`   // nodes before these
	Truncated int               `json:"truncated"` // and after them
	Nodes     []json.RawMessage `json:"nodes"`     // nodeView, or some of its fields
}

// nodeView is a node with everything that is known of it. Its names are those of directory.FieldNames.
type nodeView struct {
	Key            string            `json:"key"`
	State          string            `json:"state"`
	Swarm          *string           `json:"swarm,omitempty"`
	Operator       *string           `json:"operator"`
	OperatorFee    string            `json:"operator_fee"` // over 18446744073709551612
	Stake          string            `json:"stake"`
	Required       string            `json:"required"`
	Reserved       string            `json:"reserved"`
	Contributors   []contributorView `json:"contributors"`
	Registered     uint64            `json:"registered"`
	Since          uint64            `json:"since"`
	UnlockHeight   *uint64           `json:"unlock_height,omitempty"`
	Credit         int64             `json:"credit"` // blocks
	Decommissions  uint32            `json:"decommissions"`
	Reasons        *reasonsView      `json:"reasons,omitempty"` // of the last decommission
	LastReward     queueView         `json:"last_reward"`
	FirstSeen      seenView          `json:"first_seen"`
	LastSeen       seenView          `json:"last_seen"`
	IP             *string           `json:"ip"`
	Ports          portsView         `json:"ports"`
	Country        *string           `json:"country"`
	AS             *uint32           `json:"as"`
	Place          placeView         `json:"place"`
	Ed25519        *string           `json:"ed25519"`
	X25519         *string           `json:"x25519"`
	BLS            *string           `json:"bls,omitempty"`
	Version        *string           `json:"version"`
	StorageVersion *string           `json:"storage_version"`
	LokinetVersion *string           `json:"lokinet_version"`
	Proof          *string           `json:"proof"`
	StorageReach   reachView         `json:"storage_reach"`
	LokinetReach   reachView         `json:"lokinet_reach"`
	Reachable      string            `json:"reachable"` // up, down, unknown
	Latency        *float64          `json:"latency"`   // of half of the answers
	Loss           *float64          `json:"loss"`      // share of the checks
	Score          float64           `json:"score"`
	Estimate       *estimateView     `json:"estimate"`
	Verdict        *verdictView      `json:"verdict"`
}

type contributorView struct {
	Address  string `json:"address"`
	Amount   string `json:"amount"`
	Reserved string `json:"reserved"`
}

type reasonsView struct {
	All  []string `json:"all"`  // what every voter found
	Some []string `json:"some"` // what only some did
}

// MarshalJSON tells "not known" from "was never decommissioned", which has no reasons at all.
func (v *reasonsView) MarshalJSON() ([]byte, error) {
	if len(v.All)+len(v.Some) == 0 {
		return []byte("null"), nil
	}
	type plain reasonsView
	return json.Marshal(plain{orEmpty(v.All), orEmpty(v.Some)})
}

type queueView struct {
	Height uint64 `json:"height"`
	Index  uint32 `json:"index"`
}

type seenView struct {
	Height uint64  `json:"height"`
	Time   *string `json:"time"`
}

type portsView struct {
	Storage   *uint16 `json:"storage"`
	OMQ       *uint16 `json:"omq"`
	Quorumnet *uint16 `json:"quorumnet"`
}

type placeView struct {
	CountryUnknown string  `json:"country_unknown_reason,omitempty"`
	ASName         *string `json:"as_name,omitempty"`
	ASUnknown      string  `json:"as_unknown_reason,omitempty"`
}

// reachView tells "not observed" from "down".
type reachView struct {
	Observed         bool    `json:"observed"`
	OK               *bool   `json:"ok,omitempty"`
	FirstUnreachable *string `json:"first_unreachable,omitempty"`
	LastUnreachable  *string `json:"last_unreachable,omitempty"`
	LastReachable    *string `json:"last_reachable,omitempty"`
}

// estimateView is what recent checks from one place came to.
type estimateView struct {
	Tried    uint32   `json:"tried"`
	Lost     uint32   `json:"lost"`
	LossLow  float64  `json:"loss_low"` // the true loss is between in 95 of 100 cases
	LossHigh float64  `json:"loss_high"`
	OK       bool     `json:"ok"`
	Failure  string   `json:"failure,omitempty"`
	At       *string  `json:"at"`
	LastOK   *string  `json:"last_ok"`
	Mean     *float64 `json:"mean"` // the newest count most
	Jitter   *float64 `json:"jitter"`
	P50      *float64 `json:"p50"`
	P95      *float64 `json:"p95"`
	TCP      *float64 `json:"tcp"`
	TLS      *float64 `json:"tls"`
	OMQ      *float64 `json:"omq"`

	Unauthenticated saysView `json:"unauthenticated"`
}

// saysView is what a node says of itself, which nobody vouches for.
type saysView struct {
	Version     *string  `json:"storage_version"`
	ClockOffset *float64 `json:"clock_offset"`
}

type verdictView struct {
	Health  string   `json:"health"`
	Ups     int      `json:"ups"`
	Downs   int      `json:"downs"`
	Voters  int      `json:"voters"`
	Offline []string `json:"offline"`
}

func newNodeView(e *directory.Entry) nodeView {
	n := &e.Node
	score, _ := directory.Score(e)
	v := nodeView{
		Key: n.Key.String(), State: string(n.State), Operator: text(n.Operator), OperatorFee: decimal(n.OperatorFee),
		Stake: decimal(n.Contributed), Required: decimal(n.Required), Reserved: decimal(n.Reserved), Contributors: []contributorView{},
		Registered: n.Registered, Since: n.Since, UnlockHeight: number(n.UnlockHeight), Credit: n.Credit, Decommissions: n.Decommissions,
		LastReward: queueView{n.LastReward, n.LastRewardIndex}, FirstSeen: newSeenView(n.FirstSeen), LastSeen: newSeenView(n.LastSeen),
		Ports:   portsView{nonzero(n.StoragePort), nonzero(n.OMQPort), nonzero(n.QuorumnetPort)},
		Country: text(e.Place.Country), AS: nonzero(e.Place.AS),
		Place:   placeView{e.Place.CountryUnknown, text(e.Place.ASName), e.Place.ASUnknown},
		Ed25519: keyOf(n.Ed25519), X25519: keyOf(n.X25519), BLS: text(n.BLS),
		Version: versionOf(n.Oxend), StorageVersion: versionOf(n.Storage), LokinetVersion: versionOf(n.Lokinet), Proof: instant(n.Proof),
		StorageReach: newReachView(n.StorageReach), LokinetReach: newReachView(n.LokinetReach),
		Reachable: string(e.Reachable()), Latency: seconds(e.Estimate.P50), Score: rounded(score),
		Estimate: newEstimateView(&e.Estimate), Verdict: newVerdictView(e.Verdict),
	}
	for _, c := range n.Contributors {
		v.Contributors = append(v.Contributors, contributorView{c.Address, decimal(c.Amount), decimal(c.Reserved)})
	}
	if n.Swarm != directory.NoSwarm {
		v.Swarm = text(swarmID(n.Swarm))
	}
	if n.Decommissions > 0 || n.State == directory.Decommissioned || len(n.Reasons)+len(n.ReasonsMaybe) > 0 {
		v.Reasons = &reasonsView{n.Reasons, n.ReasonsMaybe}
	}
	if n.IP.IsValid() {
		v.IP = text(n.IP.String())
	}
	if e.Estimate.Tried > 0 {
		share, _, _ := e.Estimate.Loss()
		v.Loss = measured(rounded(share))
	}
	return v
}

func newSeenView(m directory.Moment) seenView { return seenView{m.Height, instant(m.Time)} }

func newReachView(r directory.Reach) reachView {
	if !r.Known {
		return reachView{}
	}
	return reachView{true, &r.OK, instant(r.FirstUnreachable), instant(r.LastUnreachable), instant(r.LastReachable)}
}

func newEstimateView(e *directory.Estimate) *estimateView {
	if e.Tried == 0 {
		return nil
	}
	_, low, high := e.Loss()
	v := &estimateView{
		Tried: e.Tried, Lost: e.Lost, LossLow: rounded(low), LossHigh: rounded(high),
		OK: e.OK, Failure: e.Failure, At: instant(e.At), LastOK: instant(e.LastOK),
		Mean: seconds(e.Latency), Jitter: seconds(e.Jitter), P50: seconds(e.P50), P95: seconds(e.P95),
		TCP: seconds(e.TCP), TLS: seconds(e.TLS), OMQ: seconds(e.OMQ),
		Unauthenticated: saysView{Version: versionOf(e.Version)},
	}
	if e.Version != (directory.Version{}) { // with the version comes the clock
		v.Unauthenticated.ClockOffset = measured(float64(e.ClockOffset.Milliseconds()) / 1000)
	}
	return v
}

func newVerdictView(v directory.Verdict) *verdictView {
	if v.Health == "" {
		return nil
	}
	return &verdictView{string(v.Health), v.Ups, v.Downs, v.Voters, orEmpty(v.Offline)}
}

type termView struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Weight float64 `json:"weight"`
	Words  string  `json:"words"`
}

func newTermViews(terms []directory.Term) []termView {
	v := make([]termView, len(terms))
	for i, t := range terms {
		v[i] = termView{t.Name, rounded(t.Value), t.Weight, t.Words}
	}
	return v
}

// versionOf is nil for a version that nobody knows.
func versionOf(v directory.Version) *string {
	if v == (directory.Version{}) {
		return nil
	}
	return text(v.String())
}

// keyOf is nil for the key of a node without a proof.
func keyOf(k [32]byte) *string {
	if k == ([32]byte{}) {
		return nil
	}
	return text(directory.Key(k).String())
}

// instant is nil for never.
func instant(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return text(t.UTC().Format(time.RFC3339))
}

// seconds is nil for what was not measured.
func seconds(d time.Duration) *float64 {
	if d <= 0 {
		return nil
	}
	return measured(float64(d.Round(time.Microsecond).Microseconds()) / 1e6)
}

func measured(x float64) *float64 { return &x }

// rounded drops digits that nobody reads.
func rounded(x float64) float64 { return math.Round(x*1e4) / 1e4 }

// significant keeps six digits of a factor, more than its values have.
func significant(x float64) float64 {
	short, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 6, 64), 64)
	if err != nil {
		return 0
	}
	return short
}

// nonzero is nil for what is not known.
func nonzero[T uint16 | uint32](n T) *T {
	if n == 0 {
		return nil
	}
	return &n
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

func swarmID(id uint64) string {
	if id == directory.NoSwarm {
		return "none"
	}
	return fmt.Sprintf("%016x", id)
}

// nodeDetailView is a node, its future and its past.
type nodeDetailView struct {
	AsOf    asOfView `json:"as_of"`
	Network string   `json:"network"`
	Source  string   `json:"source"`
	nodeView
	Snode       string                 `json:"snode"` // its name in lokinet
	CreditHours float64                `json:"credit_hours"`
	Terms       []termView             `json:"terms"` // of score
	Bad         []string               `json:"bad"`   // what speaks against choosing it
	Forecast    forecastView           `json:"forecast"`
	Events      []nodeEventView        `json:"events"`  // oldest first
	History     map[string]historyView `json:"history"` // by vantage point
}

type forecastView struct {
	FailsTest    *string    `json:"fails_test,omitempty"`
	FailsAt      *blockView `json:"fails_at,omitempty"`
	Deregistered *blockView `json:"deregistered_at,omitempty"`
	Leaves       *blockView `json:"leaves_at,omitempty"`
	Assumptions  []string   `json:"assumptions"`
}

// blockView is a block to come.
type blockView struct {
	Height uint64 `json:"height"`
	Time   string `json:"time"`
}

type nodeEventView struct {
	Seq     uint64   `json:"seq"`
	Height  uint64   `json:"height"`
	Time    string   `json:"time"`
	Kind    string   `json:"kind"`
	From    string   `json:"from,omitempty"`
	To      string   `json:"to,omitempty"`
	Reasons []string `json:"reasons,omitempty"`
	Text    string   `json:"text"`
}

type historyView struct {
	Latency []objectView `json:"latency"` // seconds
	Uptime  []objectView `json:"uptime"`  // share of the checks
}

// objectView is a history in few bytes: value i times factor is of the slot whose middle is first + i × interval.
type objectView struct {
	First    *string           `json:"first"`
	Last     *string           `json:"last"`
	Interval int64             `json:"interval"` // seconds
	Factor   float64           `json:"factor"`
	Count    int               `json:"count"`
	Values   []directory.Value `json:"values"` // null: not measured
}

func newForecastView(f directory.Forecast) forecastView {
	v := forecastView{Deregistered: newBlockView(f.Deregistered), Leaves: newBlockView(f.Leaves), Assumptions: orEmpty(f.Assumptions)}
	if f.Fails != nil {
		v.FailsTest, v.FailsAt = &f.Fails.Test, newBlockView(&f.Fails.At)
	}
	return v
}

func newBlockView(m *directory.Moment) *blockView {
	if m == nil {
		return nil
	}
	return &blockView{m.Height, clock(m.Time.Unix())}
}

func newNodeEventView(e directory.Stored) nodeEventView {
	return nodeEventView{
		Seq: e.Seq, Height: e.Height, Time: e.Time.UTC().Format(time.RFC3339), Kind: string(e.Kind), From: e.From, To: e.To,
		Reasons: e.Reasons, Text: e.Text(),
	}
}

func newObjectViews(objects []directory.Object) []objectView {
	out := make([]objectView, len(objects))
	for i, o := range objects {
		out[i] = objectView{instant(o.First), instant(o.Last), int64(o.Interval / time.Second), significant(o.Factor), o.Count, o.Values}
		if o.Values == nil {
			out[i].Values = []directory.Value{}
		}
	}
	return out
}

type pickView struct {
	AsOf     asOfView   `json:"as_of"`
	Network  string     `json:"network"`
	Source   string     `json:"source"`
	Seed     string     `json:"seed"` // the same seed and nodes give the same choice
	Strategy string     `json:"strategy"`
	Relaxed  []string   `json:"relaxed"` // what could not be kept
	Nodes    []nodeView `json:"nodes"`
}

type swarmView struct {
	ID      string   `json:"id"`
	Size    int      `json:"size"`
	AtRisk  bool     `json:"at_risk"`
	Members []string `json:"members"`
}

type swarmsView struct {
	AsOf    asOfView    `json:"as_of"`
	Network string      `json:"network"`
	Source  string      `json:"source"`
	Swarms  []swarmView `json:"swarms"`
}

type auditView struct {
	AsOf    asOfView      `json:"as_of"`
	Network string        `json:"network"`
	Source  string        `json:"source"`
	Hops    []hopView     `json:"hops"`
	Shared  []findingView `json:"shared"`
	Unknown []string      `json:"unknown"` // what could not be compared, and why
	Warn    []string      `json:"warnings"`
}

type hopView struct {
	Key   string `json:"key"`
	State string `json:"state"`
}

type findingView struct {
	What  string `json:"what"`
	Value string `json:"value"`
	Hops  [2]int `json:"hops"` // counted from 1
}

type simulationView struct {
	AsOf    asOfView     `json:"as_of"`
	Network string       `json:"network"`
	Source  string       `json:"source"`
	Seed    string       `json:"seed"`
	Paths   int          `json:"paths"`
	Nodes   int          `json:"nodes"`
	Shared  []sharedView `json:"shared"`
}

type sharedView struct {
	What    string  `json:"what"`
	Any     int     `json:"any"`
	All     int     `json:"all"`
	Unknown int     `json:"unknown"`
	Rate    float64 `json:"rate"`
}
