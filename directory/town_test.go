package directory_test

import (
	"slices"
	"testing"

	"onsight/directory"
	"onsight/internal/devnet"
)

// TestStakes follows what no act of a network does: a new version, and a stake that comes in two parts.
func TestStakes(t *testing.T) {
	t.Parallel()
	b, chain := newTown(t, 12)
	kinds := func(k directory.Key, after uint64) (list []directory.Kind, last directory.Event) {
		for _, e := range b.log(t, &k, after) {
			list, last = append(list, e.Kind), e.Event
		}
		return list, last
	}
	one := chain.ServiceNodes()[0]
	proof := one.Proof
	proof.Storage = [3]uint16{2, 12, 0}
	chain.SetProof(one.Key, proof)
	key := directory.Key{4, 4, 4}
	other := devnet.StakeWallet([32]byte{5})
	const half = 50_000_000_000
	if _, err := chain.RegisterNode(devnet.Stake{Key: key, Reserved: []devnet.Reserved{{Wallet: other, Amount: half}}}); err != nil {
		t.Fatal(err)
	}
	after := b.Snapshot().Seq
	chain.Mine(1, 0, 0)
	b.follow(t)
	if got, e := kinds(one.Key, after); !slices.Equal(got, []directory.Kind{directory.KindVersionChanged}) || e.From != "storage server 2.11.0" || e.To != "storage server 2.12.0" {
		t.Errorf("a new version: %v, %s", got, e.Text())
	}
	n := b.Snapshot().Entry(key).Node
	if got, _ := kinds(key, after); !slices.Equal(got, []directory.Kind{directory.KindRegistered}) || n.State != directory.Awaiting || n.Swarm != directory.NoSwarm || n.Contributed != half {
		t.Errorf("half a stake: %v, %+v", got, n)
	}
	after = b.Snapshot().Seq
	if _, err := chain.Contribute(key, other, 0); err != nil {
		t.Fatal(err)
	}
	chain.Mine(1, 0, 0)
	b.follow(t)
	got, _ := kinds(key, after)
	n = b.Snapshot().Entry(key).Node
	if !slices.Contains(got, directory.KindActive) || !slices.Contains(got, directory.KindStakeChanged) || n.State != directory.Active || len(n.Contributors) != 2 {
		t.Errorf("the other half: %v, %+v", got, n)
	}
	chain.Reorg(2, 9)
	chain.Mine(1, 0, 0)
	b.follow(t)
	if e := b.log(t, nil, b.Snapshot().Seq-1); len(e) != 1 || b.Snapshot().At.Height != chain.Height()-1 {
		t.Errorf("at %d, the log ends with %+v", b.Snapshot().At.Height, e)
	}
}

// TestMany follows 2,000 nodes across blocks and a reorganisation, with the list sorted and complete throughout.
func TestMany(t *testing.T) {
	t.Parallel()
	b, chain := newTown(t, many)
	check := func() {
		t.Helper()
		s := b.Snapshot()
		sorted := slices.IsSortedFunc(s.Entries, func(a, b directory.Entry) int { return a.Node.Key.Compare(b.Node.Key) })
		if len(s.Entries) != many || !sorted || s.At.Height != chain.Height()-1 {
			t.Errorf("%d nodes at %d, sorted %v", len(s.Entries), s.At.Height, sorted)
		}
		active := 0
		for i := range s.Entries {
			if s.Entries[i].Node.State == directory.Active {
				active++
			}
		}
		want := 0
		for _, n := range chain.ServiceNodes() {
			if n.Active {
				want++
			}
		}
		if active != want {
			t.Errorf("%d are active, want %d", active, want)
		}
	}
	check()
	for i := range 2 {
		for _, n := range chain.ServiceNodes()[i*100:] {
			if _, err := chain.Decommission(n.Key, devnet.ReasonUptime); err == nil {
				break // the first that a quorum has tested
			}
		}
		chain.Mine(1, 0, 0)
		b.follow(t)
		check()
	}
	chain.Reorg(2, 1)
	b.follow(t)
	check()
}
