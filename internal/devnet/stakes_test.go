package devnet

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"onsight/ons"
)

func key(i int) [32]byte { return [32]byte{0: byte(i * 37), 1: byte(i), 2: byte(i >> 8), 31: 1} }

// withNodes is a chain with n active nodes, and one block on top of the one that registered them.
func withNodes(t testing.TB, d Dialect, n int) *Chain {
	t.Helper()
	c, _ := Generate(GenerateConfig{Blocks: 170, Dialect: d, Seed: 7})
	for i := range n {
		if _, err := c.RegisterNode(Stake{Key: key(i)}); err != nil {
			t.Fatal(err)
		}
	}
	c.Mine(2, 0, 0)
	return c
}

func must(t testing.TB, _ ons.Txid, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestLifeCycle(t *testing.T) {
	t.Parallel()
	c := withNodes(t, Dialect10, 20)
	k := key(3)
	n := func() *stakeNode { t.Helper(); return c.stakes.nodes[k] }
	registered := c.Height() - 2
	if got := n(); !got.isActive() || got.active != registered || got.earned(c.Height()-1) != 60 || got.swarm == noSwarm {
		t.Fatalf("after registration: %+v", got)
	}
	c.Mine(58, 0, 0) // 60 blocks after it: two more
	if got := n().earned(c.Height() - 1); got != 61 {
		t.Errorf("credit after %d blocks: %d", c.Height()-1-registered, got)
	}
	_, err := c.Recommission(k)
	if !errors.Is(err, ErrStake) {
		t.Errorf("recommission of an active node: %v", err)
	}
	must2 := func(f func([32]byte, Reasons) (ons.Txid, error), why Reasons) { id, err := f(k, why); must(t, id, err) }
	c.SetProof(k, Proof{Time: time.Unix(1, 0), IP: netip.MustParseAddr("127.0.0.1")})
	must2(c.Decommission, ReasonStorage|ReasonUptime)
	c.Mine(1, 0, 0)
	at := c.Height() - 1
	if got := n(); got.isActive() || !got.funded() || got.swarm != noSwarm || got.decommissions != 1 || got.stateHeight() != at || got.all != 9 {
		t.Fatalf("after decommission: %+v", got)
	}
	if p := c.proofs[k]; !p.Time.IsZero() || !p.IP.IsValid() {
		t.Errorf("proof after decommission: %+v", p)
	}
	id, err := c.RequestUnlock(key(4))
	must(t, id, err)
	c.Mine(10, 0, 0)
	if got := n().earned(c.Height() - 1); got != 62-10 {
		t.Errorf("credit after 10 blocks: %d", got)
	}
	id, err = c.Recommission(k)
	must(t, id, err)
	c.Mine(1, 0, 0)
	if got := n(); !got.isActive() || got.earned(c.Height()-1) != 62-2*11 || got.swarm == noSwarm || got.rewardIndex != afterReward {
		t.Fatalf("after recommission: %+v, %d", got, got.earned(c.Height()-1))
	}
	// The unlock was mined in block at+1: 15 blocks on it is still there, the next one removes it.
	if until := c.stakes.nodes[key(4)].unlock; until != at+1+15 {
		t.Fatalf("unlock at %d, want %d", until, at+16)
	}
	c.Mine(int(at+16-(c.Height()-1)), 0, 0)
	if c.stakes.nodes[key(4)] == nil {
		t.Fatal("gone too early")
	}
	c.Mine(1, 0, 0)
	if c.stakes.nodes[key(4)] != nil {
		t.Fatal("still there")
	}
	id, err = c.PenaliseIP(key(5))
	must(t, id, err)
	must2(c.Deregister, ReasonLokinet)
	image := n().contributors[0].locked[0].image
	c.Mine(1, 0, 0)
	at = c.Height() - 1
	if got := c.stakes.nodes[key(5)]; got.rewarded != at || got.penalised != at || !got.isActive() {
		t.Errorf("after a penalty: %+v", got)
	}
	if c.stakes.nodes[k] != nil {
		t.Fatal("deregistered and there")
	}
	if diff := cmp.Diff(blacklisted{100_000_000_000, at + 30}, c.stakes.blacklist[image], cmp.AllowUnexported(blacklisted{})); diff != "" {
		t.Error(diff)
	}
	c.Mine(29, 0, 0)
	if len(c.stakes.blacklist) != 1 {
		t.Error("free too early")
	}
	c.Mine(1, 0, 0)
	if len(c.stakes.blacklist) != 0 {
		t.Error("still locked")
	}
	if _, err := c.Deregister(k, 0); !errors.Is(err, ErrStake) {
		t.Errorf("deregister of nobody: %v", err)
	}
}

func TestContributions(t *testing.T) {
	t.Parallel()
	c := withNodes(t, Dialect10, 0)
	k, alice, bob := key(1), StakeWallet(key(2)), StakeWallet(key(3))
	for name, s := range map[string]Stake{
		"TooLittle":  {Key: k, Amount: 24_999_999_999},
		"TooMuch":    {Key: k, Amount: 100_000_000_001},
		"FeeTooHigh": {Key: k, Fee: 10_001},
		"Reserved":   {Key: k, Reserved: []Reserved{{alice, 100_000_000_001}}},
		"Twice":      {Key: k, Amount: 30e9, Operator: alice, Reserved: []Reserved{{alice, 30e9}}},
		"NoPoint":    {Key: k, Operator: ons.Owner{Kind: ons.OwnerWallet, Key: [32]byte{2}, View: [32]byte{2}}},
		"NoWallet":   {Key: k, Operator: ons.Owner{Kind: ons.OwnerEd25519, Key: alice.Key}},
	} {
		if _, err := c.RegisterNode(s); !errors.Is(err, ErrStake) {
			t.Errorf("%s: %v", name, err)
		}
	}
	id, err := c.RegisterNode(Stake{Key: k, Amount: 50e9, Reserved: []Reserved{{alice, 25e9}}, Fee: 550})
	must(t, id, err)
	c.Mine(1, 0, 0)
	n := c.stakes.nodes[k]
	if n.funded() || n.contributed != 50e9 || n.reserved != 75e9 || n.stateHeight() != c.Height()-1 || n.swarm != noSwarm {
		t.Fatalf("%+v", n)
	}
	if _, err := c.Contribute(k, alice, 24e9); !errors.Is(err, ErrStake) {
		t.Errorf("less than reserved: %v", err)
	}
	if _, err := c.Contribute(k, bob, 1e9); !errors.Is(err, ErrStake) {
		t.Errorf("less than the least: %v", err)
	}
	if _, err := c.Contribute(k, bob, 26e9); !errors.Is(err, ErrStake) {
		t.Errorf("more than open: %v", err)
	}
	id, err = c.Contribute(k, bob, 0)
	must(t, id, err)
	c.Mine(1, 0, 0)
	id, err = c.Contribute(k, alice, 0)
	must(t, id, err)
	c.Mine(1, 0, 0)
	n = c.stakes.nodes[k]
	if !n.isActive() || n.contributed != 100e9 || n.reserved != 100e9 || len(n.contributors) != 3 || n.swarm != 0 {
		t.Fatalf("%+v", n)
	}
	if _, err := c.Contribute(k, bob, 0); !errors.Is(err, ErrStake) {
		t.Errorf("funded: %v", err)
	}
	c.Cut(c.Height() - 1)
	if n := c.stakes.nodes[k]; n.funded() || len(n.contributors) != 3 || n.contributors[1].amount != 0 {
		t.Errorf("after a cut: %+v", n)
	}
}

// TestStakesFollowChain is the property the whole rests on: whatever was done, cutting back gives exactly the state of then, and
// applying the same blocks again the state of now.
func TestStakesFollowChain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, _ := Generate(GenerateConfig{Blocks: 165, Seed: rapid.Uint64().Draw(t, "seed")})
		type moment struct{ nodes, balances, blacklist any }
		now := func() moment {
			nodes := map[[32]byte]stakeNode{}
			for k, n := range c.stakes.nodes {
				nodes[k] = *n
			}
			return moment{nodes, maps.Clone(c.stakes.balances), maps.Clone(c.stakes.blacklist)}
		}
		past := map[uint64]moment{}
		start := c.Height()
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			past[c.Height()] = now()
			k := key(rapid.IntRange(0, 24).Draw(t, "node"))
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				_, _ = c.Decommission(k, ReasonUptime)
			case 1:
				_, _ = c.Recommission(k)
			case 2:
				_, _ = c.Deregister(k, 0)
			case 3:
				_, _ = c.RequestUnlock(k)
			case 4:
				_, _ = c.RegisterNode(Stake{Key: k, Amount: 25e9, Fee: 1000})
			case 5:
				_, _ = c.Contribute(k, StakeWallet(key(rapid.IntRange(0, 3).Draw(t, "who"))), 0)
			default:
				for i := range 25 {
					if i%3 == int(k[1])%3 {
						_, _ = c.RegisterNode(Stake{Key: key(i)})
					}
				}
			}
			c.Mine(1, 0, 0)
		}
		end := now()
		height := uint64(rapid.IntRange(int(start), int(c.Height())).Draw(t, "cut"))
		if _, ok := past[height]; !ok {
			return
		}
		blocks := slices.Clone(c.blocks[height:])
		c.Cut(height)
		if got := now(); !reflect.DeepEqual(got.nodes, past[height].nodes) || !reflect.DeepEqual(got.blacklist, past[height].blacklist) ||
			!equalBalances(got.balances, past[height].balances) {
			t.Fatalf("cut to %d: another state than then", height)
		}
		for _, b := range blocks {
			c.push(b)
		}
		if got := now(); !reflect.DeepEqual(got.nodes, end.nodes) || !equalBalances(got.balances, end.balances) {
			t.Fatal("the same blocks again: another state")
		}
	})
}

// equalBalances compares; having nothing is the same as not being there.
func equalBalances(a, b any) bool {
	x, y := a.(map[ons.Owner]uint64), b.(map[ons.Owner]uint64)
	for w, v := range x {
		if y[w] != v {
			return false
		}
	}
	for w, v := range y {
		if x[w] != v {
			return false
		}
	}
	return true
}

// TestSwarmID checks the computed sequence of spec F.6.
func TestSwarmID(t *testing.T) {
	t.Parallel()
	want := []uint64{
		0, 0x7fffffffffffffff, 0xbfffffffffffffff, 0x3fffffffffffffff, 0x5fffffffffffffff, 0x9fffffffffffffff, 0xdfffffffffffffff,
		0x1fffffffffffffff, 0x2fffffffffffffff,
	}
	var ids []uint64
	for i, w := range want {
		got := newSwarmID(ids)
		if got != w {
			t.Fatalf("id %d: %016x, want %016x", i, got, w)
		}
		ids = append(ids, got)
		slices.Sort(ids)
	}
}

func TestSwarms(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 4, 5, 13, 14, 16, 60, 200} {
		c := withNodes(t, Dialect10, n)
		checkSwarms(t, c, n)
		// 16 nodes are two swarms, as recorded.
		if got := len(swarmsOf(c)); n == 16 && got != 2 {
			t.Errorf("16 nodes in %d swarms", got)
		}
		if n < 60 {
			continue
		}
		for i := range n / 2 {
			id, err := c.Deregister(key(i), 0)
			for errors.Is(err, ErrStake) { // no quorum has tested it yet
				c.Mine(1, 0, 0)
				id, err = c.Deregister(key(i), 0)
			}
			must(t, id, err)
			if i%5 == 0 {
				c.Mine(1, 0, 0)
			}
		}
		c.Mine(1, 0, 0)
		checkSwarms(t, c, n-n/2)
	}
}

func swarmsOf(c *Chain) map[uint64]int {
	swarms := map[uint64]int{}
	for _, n := range c.ServiceNodes() {
		if n.Active {
			swarms[n.Swarm]++
		}
	}
	return swarms
}

func checkSwarms(t *testing.T, c *Chain, want int) {
	t.Helper()
	total, small, spare := 0, 0, 0
	swarms := swarmsOf(c)
	for id, n := range swarms {
		if id == noSwarm {
			t.Errorf("%d active nodes in no swarm", n)
		}
		total += n
		if n < swarmLeast {
			small++
		}
		spare += max(0, n-swarmLeast)
	}
	if total != want {
		t.Errorf("%d active nodes, want %d", total, want)
	}
	if small > 0 && len(swarms) > 1 {
		t.Errorf("%d swarms of %d are too small", small, len(swarms))
	}
	if small == 0 && spare >= swarmIdeal+2*len(swarms) {
		t.Errorf("%d swarms with %d to spare", len(swarms), spare)
	}
}

// TestOrdinaryStateChanges shows that the random state changes among generated ordinary transactions hit no node.
func TestOrdinaryStateChanges(t *testing.T) {
	t.Parallel()
	c := withNodes(t, Dialect10, 30)
	c.Mine(100, 10, 0)
	for _, n := range c.ServiceNodes() {
		if !n.Active || n.Decommissions != 0 {
			t.Errorf("%x: %+v", n.Key[:4], n)
		}
	}
}

func TestDeterministic(t *testing.T) {
	t.Parallel()
	show := func() string {
		c := withNodes(t, Dialect11, 30)
		_, _ = c.Decommission(key(2), ReasonPulse)
		c.Mine(30, 0, 0)
		return fmt.Sprint(c.tipHash(), c.ServiceNodes(), c.accrued())
	}
	if a, b := show(), show(); a != b {
		t.Error("the same steps, another chain")
	}
}

func TestClone(t *testing.T) {
	t.Parallel()
	c := withNodes(t, Dialect10, 14)
	c.Mine(10, 0, 0)
	other := c.stakes.clone()
	want := len(c.stakes.blocks)
	c.Cut(100)
	if len(other.nodes) != 14 || len(other.blocks) != want || other.blocks[want-1].members == nil {
		t.Fatal("cutting one cut the other")
	}
	other.cut(c, 100)
	if len(other.nodes) != 0 || len(other.blocks) != 100 {
		t.Error("the copy cannot be cut")
	}
}

func TestCheckpoints(t *testing.T) {
	t.Parallel()
	c := withNodes(t, Dialect10, 24)
	if got := c.finalHeight(); got != 0 {
		t.Fatalf("final %d before any checkpoint", got)
	}
	c.Mine(200, 0, 0)
	for range 8 {
		tip := c.Height() - 1
		if want := tip/4*4 - 4; c.finalHeight() != want {
			t.Errorf("tip %d: final %d, want %d", tip, c.finalHeight(), want)
		}
		c.Mine(1, 0, 0)
	}
	tip := c.Height() - 1
	for h := range c.Height() {
		// 170 registered the nodes: the first quorum of 20 is drawn from there, for the first checkpoint 11 blocks on.
		want := h%4 == 0 && h >= 181 && (tip-h <= 60 || h%60 == 0)
		if got := c.checkpointed(h); got != want {
			t.Errorf("checkpoint at %d of %d: %v", h, tip, got)
		}
	}
	for _, n := range c.stakes.nodes {
		if len(n.checkpoints) != 8 || len(n.pulses) != 8 {
			t.Errorf("participation %v, %v", n.checkpoints, n.pulses)
		}
		for _, p := range n.checkpoints {
			if (p.height+checkpointLag)%checkpointEvery != 0 {
				t.Errorf("participation at %d", p.height)
			}
		}
	}
}

func TestReachable(t *testing.T) {
	t.Parallel()
	now := time.Unix(10_000, 0)
	ago := func(s int) time.Time { return now.Add(-time.Duration(s) * time.Second) }
	for _, tt := range []struct {
		name string
		r    Reachability
		want bool
	}{
		{"Never", Reachability{}, true},
		{"Reached", Reachability{LastReachable: ago(1)}, true},
		{"WithinGrace", Reachability{FirstUnreachable: ago(60), LastUnreachable: ago(1)}, true},
		{"Failing", Reachability{FirstUnreachable: ago(66), LastUnreachable: ago(1)}, false},
		{"OldNews", Reachability{FirstUnreachable: ago(900), LastUnreachable: ago(301)}, true},
		{"ReachedSince", Reachability{FirstUnreachable: ago(900), LastUnreachable: ago(10), LastReachable: ago(5)}, true},
	} {
		if got := tt.r.reachable(now, 65*time.Second); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// TestReorgNodes shows that after a reorganisation the nodes are those another daemon makes of the new blocks alone.
func TestReorgNodes(t *testing.T) {
	t.Parallel()
	c := withNodes(t, Dialect10, 30)
	c.Mine(40, 0, 0)
	for i := range 6 {
		id, err := c.RegisterNode(Stake{Key: key(100 + i)})
		must(t, id, err)
		id, err = c.RequestUnlock(key(i))
		must(t, id, err)
		if id, err = c.Decommission(key(20+i), ReasonUptime); !errors.Is(err, ErrStake) {
			must(t, id, err)
		}
		c.Mine(2, 0, 0)
	}
	before := len(c.stakes.nodes)
	for branch := range uint64(4) {
		c.Reorg(11, branch)
		other := newChain(Dialect10)
		other.forks = c.forks
		for _, b := range c.blocks {
			other.push(block{hash: b.hash, time: b.time, txs: b.txs})
		}
		if diff := cmp.Diff(other.ServiceNodes(), c.ServiceNodes(), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(other.accrued(), c.accrued(), cmp.AllowUnexported(balance{})); diff != "" {
			t.Fatal(diff)
		}
		if c.finalHeight() != other.finalHeight() {
			t.Errorf("final %d and %d", c.finalHeight(), other.finalHeight())
		}
	}
	t.Logf("%d nodes before, %d after", before, len(c.stakes.nodes))
}
