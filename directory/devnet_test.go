package directory_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"onsight/directory"
	"onsight/internal/devnet"
	"onsight/internal/oxend"
	"onsight/internal/store"
	"onsight/ons"
)

// dialects runs a test against both.
func dialects(t *testing.T, f func(t *testing.T, d devnet.Dialect)) {
	for _, d := range []devnet.Dialect{devnet.Dialect10, devnet.Dialect11} {
		t.Run(strconv.Itoa(int(d)), func(t *testing.T) {
			t.Parallel()
			f(t, d)
		})
	}
}

// clock is a time that moves when told to.
type clock struct {
	mu  sync.Mutex // guards now
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// bed is a network, a database and the directory that writes it.
type bed struct {
	*directory.Directory
	net   *devnet.Network
	db    *store.Store
	path  string
	clock *clock
}

func startNet(t testing.TB, cfg devnet.Config) *devnet.Network {
	t.Helper()
	n, err := devnet.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func newPool(t testing.TB, now func() time.Time, urls ...string) *oxend.Pool {
	t.Helper()
	var clients []*oxend.Client
	for _, u := range urls {
		c, err := oxend.New(oxend.Config{URL: u, Attempts: 1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.CloseIdle)
		clients = append(clients, c)
	}
	p, err := oxend.NewPool(oxend.PoolConfig{Clients: clients, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func openStore(t testing.TB, cfg store.Config) *store.Store {
	t.Helper()
	db, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// newBed starts a network without a past, and follows its list once.
func newBed(t testing.TB, cfg devnet.Config, edit func(*directory.Config)) *bed {
	t.Helper()
	c := newClock()
	cfg.Now = c.Now
	if cfg.Past == 0 {
		cfg.Past = 60
	}
	b := &bed{net: startNet(t, cfg), path: filepath.Join(t.TempDir(), "ons.db"), clock: c}
	b.db = openStore(t, store.Config{Path: b.path, Now: c.Now})
	b.open(t, b.db, edit)
	b.follow(t)
	return b
}

// open makes a writing directory over a database.
func (b *bed) open(t testing.TB, db *store.Store, edit func(*directory.Config)) {
	t.Helper()
	epoch, err := db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var urls []string
	for i := range b.net.Daemons() {
		urls = append(urls, b.net.Daemon(i).URL())
	}
	cfg := directory.Config{Store: db, Epoch: epoch, Now: b.clock.Now}
	if edit != nil {
		edit(&cfg)
	}
	if cfg.Pool == nil {
		cfg.Pool = newPool(t, b.clock.Now, urls...)
	}
	b.db, b.Directory = db, directory.New(cfg)
}

func (b *bed) follow(t testing.TB) {
	t.Helper()
	if err := b.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// do has something happen to a node, in a block, and follows it.
func (b *bed) do(t testing.TB, i int, act devnet.Act, why devnet.Reasons) {
	t.Helper()
	if err := b.net.Do(i, act, why); err != nil {
		t.Fatal(err)
	}
	b.follow(t)
}

func (b *bed) key(i int) directory.Key { return b.net.Node(i).Key() }

func (b *bed) node(t testing.TB, i int) directory.Node {
	t.Helper()
	e := b.Snapshot().Entry(b.key(i))
	if e == nil {
		t.Fatalf("node %d is not in the snapshot", i)
	}
	return e.Node
}

func (b *bed) log(t testing.TB, key *directory.Key, after uint64) []directory.Stored {
	t.Helper()
	l, err := b.Events(t.Context(), key, after, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// kinds are the kinds of the events of the i-th node after a number.
func (b *bed) kinds(t testing.TB, i int, after uint64) (list []string) {
	t.Helper()
	k := b.key(i)
	for _, e := range b.log(t, &k, after) {
		list = append(list, string(e.Kind))
	}
	return list
}

// same fails unless the snapshot is what a directory made from nothing says now, but for what only the one that was there
// can know.
func (b *bed) same(t testing.TB) {
	t.Helper()
	fresh := &bed{net: b.net, clock: b.clock}
	fresh.open(t, openStore(t, store.Config{Path: filepath.Join(t.TempDir(), "fresh.db"), Now: b.clock.Now}), nil)
	fresh.follow(t)
	if diff := cmp.Diff(living(fresh.Snapshot()), living(b.Snapshot())); diff != "" {
		t.Errorf("not as from nothing (-want +got):\n%s", diff)
	}
}

// living are the nodes on the list as text, without what a directory that was not there cannot know.
func living(s *directory.Snapshot) (list []string) {
	for _, e := range s.Entries {
		n := e.Node
		if n.State == directory.Gone {
			continue
		}
		n.FirstSeen = directory.Moment{}
		if n.State != directory.Decommissioned {
			n.Reasons, n.ReasonsMaybe = nil, nil
		}
		list = append(list, fmt.Sprintf("%+v", n))
	}
	return list
}

func TestLife(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, dialect devnet.Dialect) {
		b := newBed(t, devnet.Config{Dialect: dialect, Nodes: 14}, nil)
		s := b.Snapshot()
		if !s.Observed || s.Network != ons.Fakechain || len(s.Entries) != 14 || s.At.Height != b.net.Chain().Height()-1 || s.At.Time.IsZero() {
			t.Fatalf("%+v", s)
		}
		if got := b.kinds(t, 0, 0); !slices.Equal(got, []string{"registered", "active"}) {
			t.Errorf("at first %v", got)
		}
		after := s.Seq
		step := func(i int, act devnet.Act, why devnet.Reasons, kind string, state directory.State) {
			t.Helper()
			b.do(t, i, act, why)
			if got := b.kinds(t, i, after); !slices.Equal(got, []string{kind}) {
				t.Errorf("%s: got %v, want %s", act, got, kind)
			}
			if n := b.node(t, i); n.State != state {
				t.Errorf("%s: state %s, want %s", act, n.State, state)
			}
			after = b.Snapshot().Seq
			b.net.Mine(1)
			b.follow(t)
			if got := b.kinds(t, i, after); got != nil {
				t.Errorf("a block after %s: %v", act, got)
			}
			b.same(t)
		}
		for range 3 {
			b.net.Mine(1) // so that quorums have tested everybody
		}
		b.follow(t)
		step(3, devnet.ActDecommission, devnet.ReasonStorage|devnet.ReasonTimesync, "decommissioned", directory.Decommissioned)
		n := b.node(t, 3)
		if want := []string{"storage", "timesync"}; !slices.Equal(n.Reasons, want) {
			t.Errorf("reasons %v, want %v", n.Reasons, want)
		}
		k := b.key(3)
		log := b.log(t, &k, 0)
		last := log[len(log)-1]
		if want := "was decommissioned: its storage server cannot be reached, its clock is wrong."; !strings.HasSuffix(last.Text(), want) || last.Height != n.Since {
			t.Errorf("%s at %d, want %s at %d", last.Text(), last.Height, want, n.Since)
		}
		b.net.Mine(2)
		b.follow(t)
		step(3, devnet.ActRecommission, 0, "recommissioned", directory.Active)
		step(4, devnet.ActMove, 0, "ip_changed", directory.Active)
		step(5, devnet.ActUnlock, 0, "unlock_requested", directory.Unlocking)
		step(6, devnet.ActDeregister, devnet.ReasonUptime, "deregistered", directory.Gone)
		gone := b.node(t, 6)
		if gone.LastSeen.Height >= b.Snapshot().At.Height || gone.Active || gone.Swarm != directory.NoSwarm || gone.LastSeen.Time.IsZero() {
			t.Errorf("gone: %+v", gone)
		}
		for leaves := b.node(t, 5).UnlockHeight; b.Snapshot().At.Height <= leaves; {
			b.net.Mine(1)
			b.follow(t)
		}
		if got := b.kinds(t, 5, after); !slices.Equal(got, []string{"unlocked"}) {
			t.Errorf("after its time %v", got)
		}
		after = b.Snapshot().Seq
		b.do(t, 5, devnet.ActStake, 0)
		if got := b.kinds(t, 5, after); !slices.Equal(got, []string{"registered", "active"}) || b.node(t, 5).FirstSeen != s.At {
			t.Errorf("staked again: %v, first seen %v", got, b.node(t, 5).FirstSeen)
		}
		b.same(t)
	})
}

// TestReorg undoes each kind of event and does it again: the end is as if nothing else had ever been.
func TestReorg(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, dialect devnet.Dialect) {
		b := newBed(t, devnet.Config{Dialect: dialect, Nodes: 14}, nil)
		b.net.Mine(3)
		b.follow(t)
		reader := directory.New(directory.Config{Store: openStore(t, store.Config{Path: b.path, ReadOnly: true}), Now: b.clock.Now})
		for _, act := range []devnet.Act{devnet.ActDecommission, devnet.ActRecommission, devnet.ActMove, devnet.ActUnlock, devnet.ActDeregister, devnet.ActStake} {
			i := 2
			if act == devnet.ActMove || act == devnet.ActUnlock {
				i = 3
			}
			before := b.Snapshot()
			b.do(t, i, act, devnet.ReasonPulse)
			done := b.kinds(t, i, before.Seq)
			if len(done) == 0 {
				t.Fatalf("%s: nothing happened", act)
			}
			b.net.Mine(1)
			b.follow(t)
			if err := reader.Load(t.Context()); err != nil {
				t.Fatal(err)
			}
			follower := b.Snapshot().Seq
			b.net.PopBlocks(2)
			b.net.Chain().Mine(3, 0, 0) // without what was in the pool, if it is another chain; or with it
			b.follow(t)
			b.same(t)
			log := b.log(t, nil, follower)
			if len(log) == 0 || log[0].Kind != directory.KindUndone {
				t.Fatalf("%s: who follows the log sees %+v", act, log)
			}
			if from, _ := strconv.ParseUint(log[0].From, 10, 64); from != before.Seq+1 || log[0].To != strconv.FormatUint(follower, 10) {
				t.Errorf("%s: undone %s to %s, want %d to %d", act, log[0].From, log[0].To, before.Seq+1, follower)
			}
			for _, e := range b.log(t, nil, before.Seq)[0:1] {
				if e.Kind != directory.KindUndone {
					t.Errorf("%s: %d %s is still there", act, e.Seq, e.Text())
				}
			}
			if got := b.kinds(t, i, follower); !slices.Equal(got, done) {
				t.Errorf("%s: done again %v, want %v", act, got, done)
			}
			if err := reader.Load(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(b.Snapshot(), reader.Snapshot()) {
				t.Errorf("%s: a reader sees something else", act)
			}
			b.net.Mine(2)
			b.follow(t)
		}
	})
}

// TestReorgAway leaves what the new chain does not have undone.
func TestReorgAway(t *testing.T) {
	t.Parallel()
	b := newBed(t, devnet.Config{Nodes: 12}, nil)
	b.net.Mine(3)
	b.follow(t)
	other := b.net.Chain().Clone()
	before := b.Snapshot()
	b.do(t, 1, devnet.ActDecommission, devnet.ReasonUptime)
	if _, err := b.net.Chain().RegisterNode(devnet.Stake{Key: [32]byte{1, 2, 3}}); err != nil {
		t.Fatal(err)
	}
	b.net.Mine(1)
	b.follow(t)
	if n := len(b.Snapshot().Entries); n != 13 {
		t.Fatalf("%d nodes", n)
	}
	other.Reorg(1, 7)
	other.Mine(3, 0, 0)
	b.net.Daemon(0).Swap(other)
	b.follow(t)
	b.same(t)
	if n := len(b.Snapshot().Entries); n != 12 || b.node(t, 1).State != directory.Active {
		t.Errorf("%d nodes, one is %s", n, b.node(t, 1).State)
	}
	log := b.log(t, nil, before.Seq)
	if len(log) != 1 || log[0].Kind != directory.KindUndone || !strings.Contains(log[0].Text(), "did not happen") {
		t.Errorf("the log is %+v", log)
	}
}

func TestUnchanged(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, dialect devnet.Dialect) {
		b := newBed(t, devnet.Config{Dialect: dialect}, nil)
		before, s := b.net.Daemon(0).Requests(), b.Snapshot()
		b.follow(t)
		after := b.net.Daemon(0).Requests()
		after["get_info"]--
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("asked more than once:\n%s", diff)
		}
		if b.Snapshot() != s {
			t.Error("another snapshot of the same")
		}
		b.clock.pass(2 * time.Minute)
		b.follow(t)
		if got := b.Snapshot(); !got.Asked.Equal(b.clock.Now()) || got.Commit != s.Commit {
			t.Errorf("asked %v, commit %d, want %v and %d", got.Asked, got.Commit, b.clock.Now(), s.Commit)
		}
	})
}

// TestTesting tells a daemon that is a service node from one that is none: what the latter says of reach is no observation.
func TestTesting(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, dialect devnet.Dialect) {
		b := newBed(t, devnet.Config{Dialect: dialect}, nil)
		if s := b.Snapshot(); s.Testing || s.Entries[0].Node.StorageReach.Known || s.Entries[0].Reachable() != directory.Unknown {
			t.Errorf("a daemon that is no service node: %+v", s.Entries[0].Node.StorageReach)
		}
		d, err := devnet.Serve(b.net.Chain(), devnet.Options{ServiceNode: b.key(0)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		b.open(t, b.db, func(c *directory.Config) { c.Pool = newPool(t, b.clock.Now, d.URL()) })
		b.net.Mine(1)
		b.follow(t)
		if s := b.Snapshot(); !s.Testing || !s.Entries[0].Node.StorageReach.Known || s.Entries[0].Reachable() != directory.Up {
			t.Errorf("a daemon that is a service node: %+v", s.Entries[0].Node.StorageReach)
		}
	})
}

func TestDaemonTrouble(t *testing.T) {
	t.Parallel()
	b := newBed(t, devnet.Config{Daemons: 2}, nil)
	s := b.Snapshot()
	if err := b.net.Inject(devnet.Fault{Target: "oxend1", Name: "error"}); err != nil {
		t.Fatal(err)
	}
	b.net.Mine(1)
	b.follow(t) // the other one
	if got := b.Snapshot().At.Height; got != s.At.Height+1 {
		t.Errorf("at %d with a daemon down, want %d", got, s.At.Height+1)
	}
	if err := b.net.Inject(devnet.Fault{Target: "oxend2", Name: "busy"}); err != nil {
		t.Fatal(err)
	}
	b.net.Mine(1)
	s = b.Snapshot()
	if err := b.Refresh(t.Context()); !errors.Is(err, ons.ErrUnavailable) || b.Snapshot() != s {
		t.Errorf("all down: %v", err)
	}
	other := startNet(t, devnet.Config{Seed: 99, Past: 60})
	b.open(t, b.db, func(c *directory.Config) { c.Network = ons.Mainnet; c.Pool = newPool(t, b.clock.Now, other.Oxend()) })
	if err := b.Refresh(t.Context()); !errors.Is(err, directory.ErrOtherNetwork) {
		t.Errorf("another network: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Refresh(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestBehind follows a daemon that ends earlier: it contradicts nothing, and nothing is undone.
func TestBehind(t *testing.T) {
	t.Parallel()
	b := newBed(t, devnet.Config{}, nil)
	short := b.net.Chain().Clone()
	b.net.Mine(3)
	b.follow(t)
	s := b.Snapshot()
	b.net.Daemon(0).Swap(short)
	b.follow(t)
	if got := b.Snapshot(); got.At != s.At || got.Seq != s.Seq {
		t.Errorf("at %v, want %v", got.At, s.At)
	}
	b.net.Daemon(0).Swap(b.net.Chain())
	b.net.Mine(1)
	b.follow(t)
	b.same(t)
}

// TestFirst undoes the very first list.
func TestFirst(t *testing.T) {
	t.Parallel()
	b := newBed(t, devnet.Config{}, nil)
	n := b.Snapshot().Seq
	b.net.Reorg(3)
	b.follow(t)
	b.same(t)
	if log := b.log(t, nil, n); len(log) == 0 || log[0].Kind != directory.KindUndone || log[0].From != "1" {
		t.Errorf("the log is %+v", log)
	}
}

// TestDeep refuses a chain that has none of the stored blocks, unless told to go on.
func TestDeep(t *testing.T) {
	t.Parallel()
	b := newBed(t, devnet.Config{Past: 200, Nodes: -1}, nil)
	b.net.Mine(5)
	b.net.Chain().SetImmutable(b.Snapshot().At.Height)
	b.follow(t)
	s := b.Snapshot()
	other := b.net.Chain().Clone()
	other.Reorg(100, 3)
	other.Mine(3, 0, 0)
	b.net.Daemon(0).Swap(other)
	if err := b.Refresh(t.Context()); !errors.Is(err, directory.ErrNoBase) || b.Snapshot().At != s.At {
		t.Errorf("got %v", err)
	}
	b.open(t, b.db, func(c *directory.Config) { c.AcceptBelow = s.At.Height })
	b.follow(t)
	b.same(t)
	if log := b.log(t, nil, s.Seq); len(log) != 0 || b.Snapshot().At.Height != other.Height()-1 {
		t.Errorf("at %d, news: %+v", b.Snapshot().At.Height, log)
	}
	other.Reorg(2, 5)
	b.follow(t)
	b.same(t)
}
