package api

import (
	"encoding/json"
	"net/netip"
	"time"

	"onsight/directory"
	"onsight/ons"
)

// exampleDirectory is a network of two nodes of one operator.
func exampleDirectory() *directory.Snapshot {
	s := exampleState()
	return &directory.Snapshot{
		At: directory.Moment{Height: s.Tip.Height, Time: time.Unix(s.TipTime, 0)}, Hash: s.Tip.Hash.String(), Network: ons.Mainnet,
		Observed: true, Testing: true, Asked: s.Asked, Entries: []directory.Entry{*exampleDecommissioned(), *exampleEntry()}, Seq: 70, Commit: 900,
	}
}

func exampleOperator() string { return exampleRecordOwner().Text(ons.Mainnet) }

func exampleRecordOwner() ons.Owner {
	return ons.Owner{Kind: ons.OwnerWallet, Key: [32]byte(fill(32, 29)), View: [32]byte(fill(32, 31))}
}

// exampleEntry is an active node that was measured.
func exampleEntry() *directory.Entry {
	at := time.Unix(exampleState().TipTime, 0)
	e := &directory.Entry{
		Node: directory.Node{
			Key: directory.Key(fill(32, 41)), Ed25519: [32]byte(fill(32, 43)), X25519: [32]byte(fill(32, 47)), Operator: exampleOperator(),
			Contributors: []directory.Contributor{{Address: exampleOperator(), Amount: 15_000e9, Reserved: 15_000e9}},
			OperatorFee:  directory.FeeAll, Required: 15_000e9, Contributed: 15_000e9, Reserved: 15_000e9,
			IP: netip.MustParseAddr("192.0.2.7"), StoragePort: 22021, OMQPort: 22020, QuorumnetPort: 22025,
			Oxend: directory.Version{11, 2, 0}, Storage: directory.Version{2, 11, 0}, Lokinet: directory.Version{0, 9, 14},
			Swarm: 0x1c80000000000000, State: directory.Active, Funded: true, Active: true, Since: 1400000, Registered: 1399990, Credit: 1440,
			LastReward: 1499000, Proof: at.Add(-20 * time.Minute),
			StorageReach: directory.Reach{Known: true, OK: true, LastReachable: at.Add(-time.Minute)},
			FirstSeen:    directory.Moment{Height: 1399990, Time: at.Add(-100000 * directory.BlockTime)},
			LastSeen:     directory.Moment{Height: exampleState().Tip.Height, Time: at},
		},
		Place: directory.Place{Country: "SE", AS: 64500, ASName: "Example Hosting"},
	}
	for i := range 5 {
		e.Estimate = e.Estimate.Add(directory.Sample{
			At: at.Add(time.Duration(i-5) * 10 * time.Minute), TCP: 18 * time.Millisecond, TLS: 21 * time.Millisecond, Info: time.Duration(19+i%2) * time.Millisecond,
			OMQ: directory.NotTried, OK: true, ClockOffset: 40 * time.Millisecond, Version: directory.Version{2, 11, 0},
		})
	}
	e.Verdict = directory.Verdict{Health: directory.Up, Ups: 2, Voters: 3, Offline: []string{"stockholm"}}
	return e
}

// exampleDecommissioned is one that never answered.
func exampleDecommissioned() *directory.Entry {
	e := exampleEntry()
	n := &e.Node
	n.Key, n.Ed25519, n.X25519 = directory.Key(fill(32, 53)), [32]byte{}, [32]byte{}
	n.State, n.Active, n.Swarm, n.Credit, n.Decommissions = directory.Decommissioned, false, directory.NoSwarm, 300, 1
	n.Reasons = []string{"uptime", "storage"}
	n.IP, n.Proof, n.StorageReach = netip.Addr{}, time.Time{}, directory.Reach{}
	n.Oxend, n.Storage, n.Lokinet = directory.Version{}, directory.Version{}, directory.Version{}
	e.Place = directory.Place{CountryUnknown: "the address is unknown", ASUnknown: "the address is unknown"}
	e.Estimate, e.Verdict = directory.Estimate{}, directory.Verdict{}
	return e
}

// exampleNodeSealed is a view as a reply.
func exampleNodeSealed(view any) json.RawMessage {
	return newBoard(exampleDirectory()).frame.seal(must(json.Marshal(view)))
}

func exampleNodes(fields []string) json.RawMessage {
	snap := exampleDirectory()
	return newBoard(snap).appendNodes(nil, directory.Result{Entries: []*directory.Entry{&snap.Entries[1]}, Truncated: 1}, fields)
}

func exampleNodeMap() json.RawMessage {
	snap := exampleDirectory()
	return newBoard(snap).newNodeMap(nil).plain.body
}

// exampleNodePatch is the patch of a block in which one proof came.
func exampleNodePatch() json.RawMessage {
	before, after := exampleDirectory(), exampleDirectory()
	before.At.Height--
	before.Entries[1].Node.Proof = before.Entries[1].Node.Proof.Add(-time.Hour)
	var t trail
	old, b := t.mapped(newBoard(before)), newBoard(after)
	b.mapped = t.mapped(b)
	return must(b.patch(&t, old.tag())).plain.body
}

func examplePicks() picksView {
	e := exampleEntry()
	score, terms := directory.Score(e)
	return newPicksView(directory.Diverse, 7, []directory.Picked{{Entry: e, Score: score, Terms: terms}},
		[]string{"only 1 of 3: there are no more good nodes to choose from"})
}

func exampleTable() tableView {
	return newTableView(must(directory.Aggregate([]*directory.Entry{exampleEntry(), exampleDecommissioned()}, "state")), defaultLimit)
}

func exampleSwarm() swarmView {
	e := exampleEntry()
	return swarmView{ID: swarmText(e.Node.Swarm), AtRisk: true, Nodes: []nodeView{newNodeView(e)}}
}

func exampleNodeHistory() nodeHistoryView {
	r := directory.NewRing(directory.Checks)
	at := time.Unix(exampleState().TipTime, 0)
	for i, ms := range []int{20, 22, 0, 0, 19} {
		if ms > 0 {
			r.Append(at.Add(time.Duration(i-5)*10*time.Minute), true, time.Duration(ms)*time.Millisecond)
		}
	}
	return newNodeHistoryView(exampleEntry().Node.Key, directory.Here, directory.LatencySeries,
		[]directory.Object{r.Object(directory.LatencySeries, time.Time{}, time.Time{}), directory.NewRing(directory.Hours).Object(directory.LatencySeries, time.Time{}, time.Time{})})
}

func exampleNodeEvents(undone bool) nodeEventsView {
	at := time.Unix(exampleState().TipTime, 0)
	row := directory.Stored{Seq: 69, Event: directory.Event{
		Height: 1500015, Time: at.Add(-5 * directory.BlockTime), Key: exampleDecommissioned().Node.Key, Kind: directory.KindDecommissioned,
		Reasons: []string{"uptime", "storage"},
	}}
	if undone {
		row = directory.Stored{Seq: 70, Event: directory.Event{Height: 1500012, Time: at, Kind: directory.KindUndone, From: "67", To: "68"}}
	}
	return newNodeEventsView([]directory.Stored{row}, defaultLimit)
}
