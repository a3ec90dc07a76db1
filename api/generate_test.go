package api

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"onsight/directory"
	"onsight/ons"
)

// GenerateNodes makes a directory of a network: operators with one to thirty nodes, some /24s shared, all states, and gaps
// in what is known.
func GenerateNodes(seed uint64, n int, now time.Time) *directory.Snapshot {
	rng := rand.New(rand.NewPCG(seed, 0))
	snap := &directory.Snapshot{
		At: directory.Moment{Height: 5010, Time: now.Add(-90 * time.Second)}, Hash: strings.Repeat("0b", 32), Network: ons.Testnet,
		Observed: true, Testing: true, Asked: now, Seq: 700, Commit: 900, Probers: []directory.Prober{{Name: "stockholm"}},
	}
	operator, left := "", 0
	for range n {
		if left == 0 {
			operator, left = ons.Owner{Kind: ons.OwnerWallet, Key: random32(rng), View: random32(rng)}.Text(ons.Testnet), 1+rng.IntN(1+rng.IntN(30))
		}
		left--
		snap.Entries = append(snap.Entries, generateNode(rng, operator, n, now))
	}
	slices.SortFunc(snap.Entries, func(a, b directory.Entry) int { return a.Node.Key.Compare(b.Node.Key) })
	return snap
}

func random32(rng *rand.Rand) (b [32]byte) {
	for i := 0; i < len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], rng.Uint64())
	}
	return b
}

func generateNode(rng *rand.Rand, operator string, of int, now time.Time) directory.Entry {
	as := uint32(rng.IntN(6))
	node := directory.Node{
		Key: random32(rng), Ed25519: random32(rng), X25519: random32(rng), Operator: operator, OperatorFee: rng.Uint64(),
		IP:          netip.AddrFrom4([4]byte{byte(10 + as), byte(rng.IntN(8)), byte(rng.IntN(200)), byte(1 + rng.IntN(250))}),
		StoragePort: 22021, OMQPort: 22020, QuorumnetPort: 22025, Oxend: directory.Version{10 + uint16(rng.IntN(2)), uint16(rng.IntN(7)), 0},
		Storage: directory.Version{2, 8 + uint16(rng.IntN(4)), uint16(rng.IntN(2))}, Lokinet: directory.Version{0, 9, 11 + uint16(rng.IntN(3))},
		Swarm: uint64(rng.IntN(of/7+1)) << 40, State: directory.Active, Funded: true, Active: true,
		Registered: uint64(rng.IntN(1000)), Since: 1000 + uint64(rng.IntN(1000)), Credit: int64(rng.IntN(1441)), Decommissions: uint32(rng.IntN(3)),
		LastReward: 1000 + uint64(rng.IntN(1000)), LastRewardIndex: uint32(rng.IntN(3)) - 1, Required: 15_000e9, Contributed: 15_000e9, Reserved: 15_000e9,
		Proof:     now.Add(-time.Duration(rng.IntN(9000)) * time.Second),
		FirstSeen: directory.Moment{Height: 1, Time: now.Add(-time.Duration(rng.IntN(100*24)) * time.Hour)},
		LastSeen:  directory.Moment{Height: 2000, Time: now.Add(-time.Duration(rng.IntN(48)) * time.Hour)},
		Contributors: []directory.Contributor{
			{Address: operator, Amount: 1, Reserved: 1}, {Address: fmt.Sprintf("Lcontributor%d", rng.IntN(of)), Amount: 1<<64 - 2, Reserved: 2},
		},
	}
	switch rng.IntN(20) {
	case 0:
		node.State, node.Active, node.Swarm, node.Credit, node.Decommissions = directory.Decommissioned, false, directory.NoSwarm, node.Credit-100, 1
		node.Reasons = []string{"uptime"}
	case 1:
		node = directory.Node{
			Key: node.Key, Operator: operator, Contributors: node.Contributors, Required: 15_000e9, Swarm: directory.NoSwarm, State: directory.Awaiting,
			FirstSeen: node.FirstSeen, LastSeen: node.LastSeen,
		}
	case 2:
		node.State, node.UnlockHeight = directory.Unlocking, 9000
	case 3:
		node.State = directory.Gone
	case 4:
		node.StorageReach = directory.Reach{Known: true, OK: rng.IntN(2) == 0, LastReachable: now}
		if !node.StorageReach.OK {
			node.StorageReach.FirstUnreachable, node.StorageReach.LastUnreachable = now.Add(-time.Hour), now
		}
	}
	e := directory.Entry{Node: node}
	if rng.IntN(20) > 0 && node.IP.IsValid() {
		e.Place = directory.Place{Country: []string{"DE", "FR", "US", "SE", "NL", "CA"}[as], AS: []uint32{100, 101, 102, 103, 104, 1<<32 - 1}[as], ASName: fmt.Sprintf("Host %d Online", as)}
	} else {
		e.Place = directory.Place{CountryUnknown: "no database of countries was given", ASUnknown: "no database of autonomous systems was given"}
	}
	if rng.IntN(5) > 0 {
		latency := time.Duration(20+rng.IntN(300)) * time.Millisecond
		for range 3 {
			e.Estimate = e.Estimate.Add(directory.Sample{
				At: now.Add(-time.Minute), TCP: latency, TLS: latency, Info: latency, OMQ: directory.NotTried, OK: true, Version: node.Storage,
				ClockOffset: -1500 * time.Millisecond,
			})
		}
		if rng.IntN(10) == 0 {
			e.Estimate = e.Estimate.Add(directory.Sample{
				At: now, TCP: directory.NotTried, TLS: directory.NotTried, Info: directory.NotTried, OMQ: directory.NotTried, Failure: `said "no"`,
			})
		}
	}
	if rng.IntN(3) == 0 {
		e.Verdict = directory.Verdict{Health: directory.Up, Ups: 2, Downs: 1, Voters: 3, Offline: []string{directory.Here}}
	}
	return e
}

// Shelf is a Directory that has what it is filled with, as a database would give it.
type Shelf struct {
	Rows    []directory.Stored
	Rings   map[string][]*directory.Ring // by vantage point: of every node
	Err     error                        // what everything returns, if it is not nil
	Reports [][]byte                     // taken in
}

var _ Directory = (*directory.Directory)(nil)

func (s *Shelf) Events(_ context.Context, key *directory.Key, after uint64, limit int) ([]directory.Stored, error) {
	var rows []directory.Stored
	for _, r := range s.Rows {
		if r.Seq > after && (key == nil || r.Key == *key) && len(rows) < limit {
			rows = append(rows, r)
		}
	}
	return rows, s.failure(key)
}

func (s *Shelf) History(_ context.Context, key directory.Key, vantage string, series directory.Series, from, to time.Time) ([]directory.Object, error) {
	var objects []directory.Object
	for _, r := range s.Rings[vantage] {
		objects = append(objects, r.Object(series, from, to))
	}
	return objects, s.failure(&key)
}

func (s *Shelf) Report(_ context.Context, b []byte) error {
	if s.Err == nil {
		s.Reports = append(s.Reports, slices.Clone(b))
	}
	return s.Err
}

// failure is Err as a database says it: with what it was asked for.
func (s *Shelf) failure(key *directory.Key) error {
	if s.Err == nil || key == nil {
		return s.Err
	}
	return fmt.Errorf("node %X of %s: %w", *key, key, s.Err)
}

// Faults are the errors that refuse a report, and their codes.
func Faults() map[string]error {
	all := map[string]error{}
	for _, f := range reportFaults {
		all[f.code] = f.err
	}
	return all
}
