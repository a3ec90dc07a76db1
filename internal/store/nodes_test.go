package store

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"onsight/directory"
	"onsight/internal/events"
	"onsight/ons"
)

var nodesEpoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func testKey(i int) directory.Key { return directory.Key{byte(i), 31: byte(i + 1)} }

// full is a node every field of which has a value that is hard to store.
func full() directory.Node {
	at := directory.Moment{Height: 7, Time: nodesEpoch}
	return directory.Node{
		Key: testKey(1), Ed25519: [32]byte{2}, X25519: [32]byte{3}, BLS: "bls", Operator: "L1,\n\"",
		Contributors: []directory.Contributor{{Address: "L1,\n\"", Amount: 1<<64 - 1, Reserved: 3}, {Address: "0x2"}},
		OperatorFee:  directory.FeeAll, Required: 1<<64 - 1, Contributed: 1 << 63, Reserved: 5, IP: netip.MustParseAddr("2001:db8::1"),
		StoragePort: 65535, OMQPort: 2, QuorumnetPort: 3, Oxend: directory.Version{65535, 1, 2}, Storage: directory.Version{1}, Lokinet: directory.Version{0, 0, 1},
		Swarm: 1<<64 - 2, State: directory.Decommissioned, Funded: true, Active: true, Since: 1<<64 - 1, Registered: 2, UnlockHeight: 1 << 63,
		Credit: -1 << 63, Decommissions: 1<<32 - 1, LastReward: 1<<64 - 1, LastRewardIndex: 1<<32 - 1, Proof: time.Unix(253402300799, 0).UTC(),
		StorageReach: directory.Reach{Known: true, OK: true, FirstUnreachable: nodesEpoch, LastUnreachable: nodesEpoch, LastReachable: nodesEpoch},
		LokinetReach: directory.Reach{Known: true}, Reasons: []string{"uptime, and more", "bit 9"}, ReasonsMaybe: []string{"", "\"pulse,"},
		FirstSeen: at, LastSeen: at,
	}
}

// TestNodeFields fails for a field that a row does not keep.
func TestNodeFields(t *testing.T) {
	t.Parallel()
	for v, i := reflect.ValueOf(full()), 0; i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Errorf("the test leaves %s out", v.Type().Field(i).Name)
		}
	}
	for _, want := range []directory.Node{full(), {Key: testKey(2), Swarm: directory.NoSwarm}} {
		row, err := newNodeRow(&want, 3)
		if err != nil {
			t.Fatal(err)
		}
		got, err := row.node()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want)
		}
	}
}

// nodeStep is what a list was when a round was committed.
type nodeStep struct {
	point directory.Point
	nodes map[directory.Key]directory.Node
	log   []directory.Event // all events up to it
}

// nodeModel is what the store should hold: the steps that can be gone back to.
type nodeModel struct {
	steps []nodeStep
	round uint64
}

func (m *nodeModel) top() *nodeStep { return &m.steps[len(m.steps)-1] }

// plain is a node without what is fleeting.
func plain(n directory.Node) directory.Node {
	n.Credit, n.LastSeen = 0, directory.Moment{}
	return n
}

func plains(list []directory.Node) map[directory.Key]directory.Node {
	out := map[directory.Key]directory.Node{}
	for _, n := range list {
		out[n.Key] = plain(n)
	}
	return out
}

// next makes a round that stands on the i-th step, with random changes.
func (m *nodeModel) next(t *rapid.T, i int) directory.Round {
	m.round++
	base := m.steps[i]
	height := base.point.Height + rapid.Uint64Range(1, 3).Draw(t, "blocks")
	p := directory.Point{Height: height, Hash: ons.Txid{byte(m.round), byte(m.round >> 8), 1}}
	r := directory.Round{Base: &base.point, Position: directory.Position{Network: ons.Fakechain, Point: p, Time: nodesEpoch}}
	step := nodeStep{point: p, nodes: maps.Clone(base.nodes), log: slices.Clone(base.log)}
	for _, k := range rapid.SliceOfNDistinct(rapid.IntRange(0, 7), 0, 8, rapid.ID).Draw(t, "changed") {
		n, known := step.nodes[testKey(k)]
		n.Key, n.Credit = testKey(k), int64(m.round)
		c := directory.Change{Fleeting: known && rapid.Bool().Draw(t, "fleeting")}
		if !c.Fleeting {
			n.Contributed = m.round
			e := directory.Event{Height: height, Time: nodesEpoch, Key: n.Key, Kind: directory.KindStakeChanged, To: strconv.FormatUint(m.round, 10)}
			r.Events, step.log = append(r.Events, e), append(step.log, e)
		}
		c.Node = n
		step.nodes[n.Key] = n
		r.Nodes = append(r.Nodes, c)
	}
	m.steps = append(m.steps[:i+1:i+1], step)
	return r
}

// TestNodesModel goes forward, back and forward again at random, and compares with a model: all nodes now, those of every
// point that can be gone back to, the log, and what a reader has who asks for changes now and then.
func TestNodesModel(t *testing.T) {
	t.Parallel()
	root, runs := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		ctx := t.Context()
		s, err := Open(ctx, Config{Path: filepath.Join(root, strconv.Itoa(runs), "ons.db")})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		epoch, err := s.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		first := directory.Point{Height: 1, Hash: ons.Txid{9}}
		m := &nodeModel{steps: []nodeStep{{point: first, nodes: map[directory.Key]directory.Node{}}}}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(s.CommitNodes(ctx, epoch, directory.Round{Position: directory.Position{Network: ons.Fakechain, Point: first, Time: nodesEpoch}}))
		var past []events.Entry
		reader, seen := map[directory.Key]directory.Node{}, uint64(0)
		for range rapid.IntRange(1, 12).Draw(t, "rounds") {
			i := len(m.steps) - 1
			if rapid.IntRange(0, 3).Draw(t, "back") == 0 {
				i = rapid.IntRange(0, len(m.steps)-1).Draw(t, "to")
			}
			r := m.next(t, i)
			if rapid.IntRange(0, 4).Draw(t, "final") == 0 {
				f := rapid.IntRange(0, len(m.steps)-1).Draw(t, "newest final")
				r.Final = m.steps[f].point.Height
				m.steps = m.steps[f:]
			}
			must(s.CommitNodes(ctx, epoch, r))

			all, err := s.NodesSince(ctx, 0)
			must(err)
			if got, want := plains(all.Nodes), m.top().nodes; !equalNodes(got, want) {
				t.Fatalf("now %v, want %v", got, want)
			}
			for _, step := range m.steps {
				list, err := s.NodesAt(ctx, step.point)
				must(err)
				if got := plains(list); !equalNodes(got, step.nodes) {
					t.Fatalf("at %d: %v, want %v", step.point.Height, got, step.nodes)
				}
			}
			points, err := s.NodePoints(ctx, 1<<63, 100)
			must(err)
			if len(points) != len(m.steps) || points[0] != m.top().point {
				t.Fatalf("points %v, want %d", points, len(m.steps))
			}
			if rapid.Bool().Draw(t, "read") {
				c, err := s.NodesSince(ctx, seen)
				must(err)
				if c.Full {
					clear(reader)
				}
				for _, n := range c.Nodes {
					reader[n.Key] = n
				}
				seen = c.Position.Commit
				if got := plains(slices.Collect(maps.Values(reader))); !equalNodes(got, m.top().nodes) {
					t.Fatalf("a reader has %v, want %v", got, m.top().nodes)
				}
			}
			log, err := s.NodeEvents(ctx, nil, 0, 10_000)
			must(err)
			var got []directory.Event
			for i, e := range log {
				if i > 0 && e.Seq <= log[i-1].Seq || e.Seq > all.Position.Seq {
					t.Fatalf("event %d after %d of %d", e.Seq, log[max(i, 1)-1].Seq, all.Position.Seq)
				}
				if e.Kind != directory.KindUndone {
					got = append(got, e.Event)
				}
			}
			if !reflect.DeepEqual(got, m.top().log) && len(got)+len(m.top().log) > 0 {
				t.Fatalf("log %v, want %v", got, m.top().log)
			}
			now := readLog(t, s)
			if len(past) > 0 && !reflect.DeepEqual(now[:len(past)], past) {
				t.Fatalf("the log of everything was changed: %v, was %v", now, past)
			}
			past = now
			if got := replayNodes(now); !reflect.DeepEqual(got, m.top().log) && len(got)+len(m.top().log) > 0 {
				t.Fatalf("the log of everything comes to %v, want %v", got, m.top().log)
			}
		}
		gone := directory.Point{Height: 1, Hash: ons.Txid{8}}
		if err := s.CommitNodes(ctx, epoch, directory.Round{Base: &gone, Position: directory.Position{Point: gone}}); !errors.Is(err, directory.ErrBase) {
			t.Fatalf("on a point that is not stored: %v", err)
		}
		if _, err := s.NodesAt(ctx, gone); !errors.Is(err, directory.ErrBase) {
			t.Fatalf("nodes there: %v", err)
		}
	})
}

// replayNodes is what happened to nodes by a log: what it does not say later not to have happened.
func replayNodes(log []events.Entry) (out []directory.Event) {
	var noticed []uint64
	for _, e := range log {
		switch {
		case e.Kind != events.Node:
		case e.Node.Kind == directory.KindUndone:
			for len(noticed) > 0 && noticed[len(noticed)-1] > e.Height {
				out, noticed = out[:len(out)-1], noticed[:len(noticed)-1]
			}
		default:
			out, noticed = append(out, e.Node.Event), append(noticed, e.Node.Noticed)
		}
	}
	return out
}

// TestNodeReasons finds reasons out later: the log of everything tells them then, and does not change what it said.
func TestNodeReasons(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, Config{Path: tempPath(t)})
	epoch := mustBegin(t, s)
	p := directory.Point{Height: 1, Hash: ons.Txid{1}}
	down := directory.Event{Height: 1, Time: nodesEpoch, Key: testKey(1), Kind: directory.KindDecommissioned}
	why := down
	why.Reasons = []string{"uptime", `"b"`}
	at := directory.Position{Network: ons.Fakechain, Point: p, Time: nodesEpoch}
	for _, r := range []directory.Round{{Position: at, Events: []directory.Event{down}}, {Base: &p, Position: at, Reasons: []directory.Event{why}}} {
		if err := s.CommitNodes(t.Context(), epoch, r); err != nil {
			t.Fatal(err)
		}
	}
	want := []events.Entry{
		{Seq: 1, Kind: events.Node, Height: 1, Time: nodesEpoch, Node: &events.Happening{Event: down, Number: 1, Noticed: 1}},
		{Seq: 2, Kind: events.Reasons, Height: 1, Time: nodesEpoch, Node: &events.Happening{Event: why}},
	}
	if d := gocmp.Diff(want, readLog(t, s)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func equalNodes(got, want map[directory.Key]directory.Node) bool {
	return maps.EqualFunc(got, want, func(a, b directory.Node) bool { return reflect.DeepEqual(a, plain(b)) })
}

// killRounds are rounds of which the last takes the one before back.
func killRounds() []directory.Round {
	node := func(i int, amount uint64) directory.Change {
		return directory.Change{Node: directory.Node{Key: testKey(i), Contributed: amount, State: directory.Active}}
	}
	at := func(height uint64) directory.Position {
		return directory.Position{Network: ons.Fakechain, Point: directory.Point{Height: height, Hash: ons.Txid{byte(height)}}, Time: nodesEpoch}
	}
	event := func(i int, height uint64) directory.Event {
		return directory.Event{Height: height, Time: nodesEpoch, Key: testKey(i), Kind: directory.KindStakeChanged}
	}
	one := at(1).Point
	return []directory.Round{
		{Position: at(1), Nodes: []directory.Change{node(1, 1), node(2, 1)}, Events: []directory.Event{event(1, 1)}},
		{Base: &one, Position: at(2), Nodes: []directory.Change{node(1, 2), node(3, 2)}, Events: []directory.Event{event(1, 2), event(3, 2)}},
		{Base: &one, Position: at(3), Nodes: []directory.Change{node(2, 3)}, Events: []directory.Event{event(2, 3)}},
	}
}

// TestNodesKilled kills a writer at every named point of every round: what is left is a state between two rounds, from which
// the rest leads to the same end.
func TestNodesKilled(t *testing.T) {
	t.Parallel()
	state := func(s *Store) string {
		c, err := s.NodesSince(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		log, err := s.NodeEvents(t.Context(), nil, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%+v %+v", c, log)
	}
	commit := func(s *Store, rounds []directory.Round) (states []string) {
		epoch, err := s.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		states = append(states, state(s))
		for _, r := range rounds {
			if err := s.CommitNodes(t.Context(), epoch, r); err != nil {
				t.Fatal(err)
			}
			states = append(states, state(s))
		}
		return states
	}
	open := func(path string) *Store {
		s, err := Open(t.Context(), Config{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	want := commit(open(tempPath(t)), killRounds())
	for _, point := range []struct {
		name string
		n    int
	}{{"before-commit", 1}, {"after-commit", 1}, {"before-commit", 2}, {"after-commit", 2}, {"rollback", 1}, {"before-commit", 3}, {"after-commit", 3}} {
		path := tempPath(t)
		cmd, _ := child(t, "killnodes", path, point.name, strconv.Itoa(point.n))
		cmd.Wait()
		s := open(path)
		done := slices.Index(want, state(s))
		if done < 0 {
			t.Fatalf("killed at %s %d: %s", point.name, point.n, state(s))
		}
		if states := commit(s, killRounds()[done:]); cmp.Compare(states[len(states)-1], want[len(want)-1]) != 0 {
			t.Errorf("killed at %s %d: ends as %s, want %s", point.name, point.n, states[len(states)-1], want[len(want)-1])
		}
	}
}

func TestProbers(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{Path: tempPath(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	key := make([]byte, 32)
	for _, c := range []struct {
		name string
		key  []byte
		want error
	}{{"berlin", key, nil}, {"berlin", slices.Repeat([]byte{1}, 32), ErrProber}, {"tokyo", key, ErrProber}, {directory.Here, slices.Repeat([]byte{1}, 32), ErrProber},
		{"", slices.Repeat([]byte{1}, 32), ErrProber}, {"tokyo", key[:31], ErrProber}} {
		if err := s.Enrol(t.Context(), c.name, c.key); !errors.Is(err, c.want) {
			t.Errorf("enrol %q: %v, want %v", c.name, err, c.want)
		}
	}
	if l, err := s.Probers(t.Context()); err != nil || len(l) != 1 || l[0].Name != "berlin" || l[0].Enrolled.IsZero() {
		t.Errorf("%+v, %v", l, err)
	}
	if err := s.Dismiss(t.Context(), "tokyo"); !errors.Is(err, ErrNoProber) {
		t.Errorf("dismiss: %v", err)
	}
	if err := s.Dismiss(t.Context(), "berlin"); err != nil {
		t.Error(err)
	}
}
