package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rogpeppe/go-internal/testscript"
	"pgregory.net/rapid"

	"onsight/directory"
	"onsight/internal/devnet"
)

// towns are the networks of scripts that town started, and what was said to their daemons.
var towns sync.Map // *testscript.TestScript → *heard

// heard is a network whose daemon is listened to.
type heard struct {
	*devnet.Network
	mu   sync.Mutex // guards said
	said bytes.Buffer
}

func (h *heard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	h.mu.Lock()
	h.said.WriteString(r.URL.String() + "\n")
	r.Header.Write(&h.said)
	h.said.Write(append(body, '\n'))
	h.mu.Unlock()
	r.Body = io.NopCloser(bytes.NewReader(body))
	h.Daemon(0).Handler().ServeHTTP(w, r)
}

// town starts a devnet of so many nodes and operators until the script ends: town NODES OPERATORS. What its daemon is asked can
// be looked at with asked. It sets ONSIGHT_OXEND, and the keys of the nodes as N0, N1, ….
func town(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: town NODES OPERATORS")
	}
	nodes, err := strconv.Atoi(args[0])
	ts.Check(err)
	operators, err := strconv.Atoi(args[1])
	ts.Check(err)
	n, err := devnet.Start(devnet.Config{Seed: 3, Nodes: nodes, Operators: operators, Dialect: devnet.Dialect11})
	ts.Check(err)
	ts.Defer(func() { n.Close() })
	h := &heard{Network: n}
	server := httptest.NewServer(h)
	ts.Defer(server.Close)
	towns.Store(ts, h)
	ts.Defer(func() { towns.Delete(ts) })
	ts.Setenv("ONSIGHT_OXEND", server.URL)
	for i, node := range n.Nodes() {
		ts.Setenv("N"+strconv.Itoa(i), directory.Key(node.Key()).String())
	}
}

func townOf(ts *testscript.TestScript) *heard {
	h, ok := towns.Load(ts)
	if !ok {
		ts.Fatalf("no town")
	}
	return h.(*heard)
}

// act has something happen to a node: act ACT NODE [REASON…]; as ACT also down and up of its storage server.
func act(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: act ACT NODE [REASON…]")
	}
	h := townOf(ts)
	i, err := strconv.Atoi(args[1])
	ts.Check(err)
	switch args[0] {
	case "down":
		ts.Check(h.Node(i).Down())
	case "up":
		ts.Check(h.Node(i).Up())
	default:
		why, err := devnet.ParseReasons(args[2:])
		ts.Check(err)
		err = h.Do(i, devnet.Act(args[0]), why)
		for blocks := 0; errors.Is(err, devnet.ErrStake) && blocks < 100; blocks++ { // no quorum has tested it yet
			h.Mine(1)
			err = h.Do(i, devnet.Act(args[0]), why)
		}
		ts.Check(err)
	}
}

// asked checks that the daemon was, or with ! was not, sent a text, in whatever case.
func asked(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || args[0] == "" {
		ts.Fatalf("usage: [!] asked TEXT")
	}
	h := townOf(ts)
	h.mu.Lock()
	defer h.mu.Unlock()
	if said := bytes.Contains(bytes.ToLower(h.said.Bytes()), []byte(strings.ToLower(args[0]))); said == neg {
		ts.Fatalf("sent: %v, want %v: %s", said, !neg, args[0])
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	rows := [][]cell{
		{{text: "NAME", colour: bold}, {text: "N", colour: bold, right: true}, {text: "NOTE"}},
		{{text: "ä"}, {text: "7", right: true}, {}},
		{{text: "longer", colour: green}, {text: "1234", right: true}, {text: "\x1b\nlast\u009b"}},
		{{}, {text: "-", right: true}, {text: "x"}},
	}
	want := `NAME       N  NOTE
ä          7
longer  1234  last
           -  x
`
	var plainTable table
	for _, row := range rows {
		plainTable.add(row...)
	}
	var b strings.Builder
	if err := plainTable.write(&b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
	coloured := table{rows: rows, colours: true}
	b.Reset()
	if err := coloured.write(&b); err != nil {
		t.Fatal(err)
	}
	if got := strings.NewReplacer("\x1b[1m", "", "\x1b[32m", "", "\x1b[0m", "").Replace(b.String()); got != want {
		t.Errorf("colours move text:\n%s", cmp.Diff(want, got))
	}
	if !strings.Contains(b.String(), "\x1b[32mlonger\x1b[0m") {
		t.Errorf("no colour in %q", b.String())
	}
}

func TestSpan(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		d    time.Duration
		want string
	}{
		{0, "0s"}, {119 * time.Second, "119s"}, {2 * time.Minute, "2m"}, {119 * time.Minute, "119m"}, {2 * time.Hour, "2h00m"},
		{47*time.Hour + 59*time.Minute, "47h59m"}, {48 * time.Hour, "2d00h"}, {-90 * time.Minute, "-90m"},
	} {
		if got := span(c.d); got != c.want {
			t.Errorf("span(%v) = %q, want %q", c.d, got, c.want)
		}
	}
}

func TestCoins(t *testing.T) {
	t.Parallel()
	for atomic, want := range map[uint64]string{0: "0", 1: "0.000000001", 15e9: "15", 3_750_000_000: "3.75", math.MaxUint64: "18446744073.709551615"} {
		if got := coins(atomic); got != want {
			t.Errorf("coins(%d) = %q, want %q", atomic, got, want)
		}
	}
}

func TestSpark(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []directory.Value
		top    float64
		want   string
	}{
		{nil, 1, ""},
		{[]directory.Value{0, 999, -1, 500}, 1, "▁█·▅"},
		{[]directory.Value{0, 0}, 0, "▁▁"},
		{[]directory.Value{999, 999}, 0.5, "██"},
	} {
		if got := spark(directory.Object{Factor: 1.0 / 999, Values: c.values}, c.top); got != c.want {
			t.Errorf("spark(%v, %v) = %q, want %q", c.values, c.top, got, c.want)
		}
	}
	// A year of hours is drawn within the width, a gap that fills a character staying one.
	long := make([]directory.Value, 600)
	for i := range long {
		if long[i] = 999; i < 10 {
			long[i] = -1
		}
	}
	if got, want := spark(directory.Object{Factor: 1, Values: long}, 999), "·"+strings.Repeat("█", sparkWidth-1); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestNodeView reads back what is written of any node: a server's list is as good as one's own.
func TestNodeView(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawEntry(t)
		b, err := json.Marshal(newNodeView(&want))
		if err != nil {
			t.Fatal(err)
		}
		var v nodeView
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatal(err)
		}
		var r reader
		got := v.entry(&r)
		if r.err != nil {
			t.Fatal(r.err)
		}
		same := cmp.Options{cmpopts.IgnoreUnexported(directory.Estimate{}), cmpopts.EquateEmpty(), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })}
		if diff := cmp.Diff(want, got, same); diff != "" {
			t.Error(diff)
		}
	})
}

func drawEntry(t *rapid.T) directory.Entry {
	instants := rapid.Custom(func(t *rapid.T) time.Time {
		if s := rapid.Int64Range(0, 4e9).Draw(t, "seconds"); s > 0 {
			return time.Unix(s, 0).UTC()
		}
		return time.Time{}
	})
	keys := rapid.Custom(func(t *rapid.T) (k [32]byte) {
		copy(k[:], rapid.SliceOfN(rapid.Byte(), 0, 32).Draw(t, "key"))
		return k
	})
	versions := rapid.Custom(func(t *rapid.T) directory.Version {
		return directory.Version{rapid.Uint16().Draw(t, "major"), rapid.Uint16Max(3).Draw(t, "minor"), rapid.Uint16Max(3).Draw(t, "patch")}
	})
	reaches := rapid.Custom(func(t *rapid.T) directory.Reach {
		if !rapid.Bool().Draw(t, "known") {
			return directory.Reach{}
		}
		return directory.Reach{Known: true, OK: rapid.Bool().Draw(t, "ok"), FirstUnreachable: instants.Draw(t, "first"), LastReachable: instants.Draw(t, "last")}
	})
	amounts, words := rapid.Uint64(), rapid.SliceOfN(rapid.SampledFrom([]string{"uptime", "storage", "bit 9"}), 0, 2)
	moment := func(name string) directory.Moment {
		return directory.Moment{Height: rapid.Uint64Max(1<<40).Draw(t, name+" height"), Time: instants.Draw(t, name)}
	}
	n := directory.Node{
		Key: keys.Draw(t, "key"), Ed25519: keys.Draw(t, "ed25519"), X25519: keys.Draw(t, "x25519"), BLS: rapid.StringMatching(`[0-9a-f]{0,8}`).Draw(t, "bls"),
		Operator: rapid.StringMatching(`L?[a-z]{0,4}`).Draw(t, "operator"), OperatorFee: amounts.Draw(t, "fee"),
		Required: amounts.Draw(t, "required"), Contributed: amounts.Draw(t, "contributed"), Reserved: amounts.Draw(t, "reserved"),
		StoragePort: rapid.Uint16().Draw(t, "storage port"), OMQPort: rapid.Uint16().Draw(t, "omq port"), QuorumnetPort: rapid.Uint16().Draw(t, "quorumnet"),
		Oxend: versions.Draw(t, "oxend"), Storage: versions.Draw(t, "storage"), Lokinet: versions.Draw(t, "lokinet"),
		Swarm: rapid.SampledFrom([]uint64{0, 5, math.MaxInt64, directory.NoSwarm}).Draw(t, "swarm"),
		State: rapid.SampledFrom([]directory.State{directory.Awaiting, directory.Active, directory.Decommissioned, directory.Unlocking, directory.Gone}).Draw(t, "state"),
		Since: rapid.Uint64Max(1<<40).Draw(t, "since"), Registered: rapid.Uint64Max(1<<40).Draw(t, "registered"), UnlockHeight: rapid.Uint64Max(9).Draw(t, "unlock"),
		Credit: rapid.Int64Range(-1e6, 1e6).Draw(t, "credit"), Decommissions: rapid.Uint32().Draw(t, "decommissions"),
		LastReward: rapid.Uint64Max(1<<40).Draw(t, "reward"), LastRewardIndex: rapid.Uint32().Draw(t, "index"),
		Proof: instants.Draw(t, "proof"), StorageReach: reaches.Draw(t, "storage reach"), LokinetReach: reaches.Draw(t, "lokinet reach"),
		Reasons: words.Draw(t, "reasons"), ReasonsMaybe: words.Draw(t, "maybe"), FirstSeen: moment("first"), LastSeen: moment("last"),
	}
	n.Active = n.State == directory.Active || n.State == directory.Unlocking
	n.Funded = n.Active || n.State == directory.Decommissioned
	for range rapid.IntRange(0, 2).Draw(t, "contributors") {
		n.Contributors = append(n.Contributors, directory.Contributor{Address: "L1", Amount: amounts.Draw(t, "amount"), Reserved: amounts.Draw(t, "reserved")})
	}
	if rapid.Bool().Draw(t, "has address") {
		n.IP = netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "ip")))
	}
	e := directory.Entry{Node: n}
	if rapid.Bool().Draw(t, "placed") {
		e.Place = directory.Place{Country: "DE", AS: 24940, ASName: "Hetzner"}
	} else {
		e.Place = directory.Place{CountryUnknown: "no database", ASUnknown: "no database"}
	}
	start := time.Unix(1.7e9, 0).UTC()
	for i := range rapid.IntRange(0, 5).Draw(t, "checks") {
		s := directory.Sample{At: start.Add(time.Duration(i) * time.Minute), TCP: directory.NotTried, TLS: directory.NotTried, Info: directory.NotTried, OMQ: directory.NotTried}
		if s.OK = rapid.Bool().Draw(t, "ok"); s.OK {
			s.TCP, s.Info = time.Duration(rapid.Int64Range(1, 1e6).Draw(t, "tcp"))*time.Microsecond, time.Duration(rapid.Int64Range(1, 1e6).Draw(t, "info"))*time.Microsecond
			s.Version, s.ClockOffset = directory.Version{2, 11, 0}, time.Duration(rapid.Int64Range(-5000, 5000).Draw(t, "clock"))*time.Millisecond
		} else {
			s.Failure = "refused"
		}
		e.Estimate = e.Estimate.Add(s)
	}
	for _, d := range []*time.Duration{&e.Estimate.Latency, &e.Estimate.Jitter, &e.Estimate.TCP, &e.Estimate.TLS, &e.Estimate.OMQ} {
		*d = d.Round(time.Microsecond) // what JSON keeps
	}
	if rapid.Bool().Draw(t, "judged") {
		e.Verdict = directory.Verdict{Health: directory.Down, Ups: 1, Downs: 2, Voters: 3, Offline: []string{"lima"}}
	}
	return e
}

// spoiling is a daemon of which nobody can use the list of nodes: one has an address that is none.
func spoiling(t *testing.T, n *devnet.Network) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		said := httptest.NewRecorder()
		n.Daemon(0).Handler().ServeHTTP(said, r)
		w.WriteHeader(said.Code)
		w.Write(regexp.MustCompile(`("public_ip": ?)"[^"]*"`).ReplaceAll(said.Body.Bytes(), []byte(`$1"nowhere"`)))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestSpoiledList: what a daemon said whose list is of no use keeps nothing from the next one, and alone it is no list of no nodes.
func TestSpoiledList(t *testing.T) {
	t.Parallel()
	n := startDevnet(t, 5)
	bad := spoiling(t, n)
	env := map[string]string{"XDG_DATA_HOME": t.TempDir()}
	if code, out, stderr := runProgram(t, env, "nodes", "--oxend", bad); code != exitUnavailable || out != "" {
		t.Errorf("alone: exit code %d, %q, want %d: %s", code, out, exitUnavailable, stderr)
	}
	if code, out, stderr := runProgram(t, env, "nodes", "--oxend", bad+","+n.Oxend(), "-o", "csv"); code != exitOK || strings.Count(out, "\n") != 6 {
		t.Errorf("before another: exit code %d, %q, want five nodes: %s", code, out, stderr)
	}
}

// TestLiveStore holds the store of one Refresh to what a Directory needs of it.
func TestLiveStore(t *testing.T) {
	t.Parallel()
	var s liveStore
	points := func(height uint64, limit int) []directory.Point {
		t.Helper()
		got, err := s.NodePoints(t.Context(), height, limit)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	anchor, tip := directory.Point{Height: 7}, directory.Point{Height: 9}
	if len(points(100, 1)) != 0 || s.listed() {
		t.Error("an empty store has something")
	}
	for _, round := range []directory.Round{{Position: directory.Position{Point: anchor}}, {Base: &anchor, Position: directory.Position{Point: anchor}}} {
		if err := s.CommitNodes(t.Context(), 0, round); err != nil {
			t.Fatal(err)
		}
		if len(points(6, 1)) != 0 || len(points(7, 0)) != 0 || len(points(7, 64)) != 1 || points(8, 1)[0] != anchor || s.listed() {
			t.Errorf("after %+v: got %v, listed %v", round, points(8, 1), s.listed())
		}
	}
	if err := s.CommitNodes(t.Context(), 0, directory.Round{Base: &anchor, Position: directory.Position{Point: tip}}); err != nil {
		t.Fatal(err)
	}
	if points(9, 1)[0] != tip || !s.listed() {
		t.Errorf("got %v, listed %v", points(9, 1), s.listed())
	}
}
