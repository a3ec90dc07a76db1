package devnet

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"onsight/ons"
)

// life is what happens of its own accord with each block. It follows from the seed and from what it finds.
type life struct {
	r      *rand.Rand
	serial int
	away   map[int]uint64 // decommissioned nodes, and the roll at which they come back
}

func newLife(seed uint64) *life {
	return &life{r: rand.New(rand.NewPCG(seed, 0x6c696665)), away: map[int]uint64{}}
}

// live lets happen what may happen with one block. What turns out not to be possible does not happen.
func (n *Network) live() {
	l := n.life
	for _, chance := range []struct {
		percent int
		act     func() (what string, err error)
	}{
		{35, n.someBuy}, {20, n.someUpdate}, {10, n.someRenew}, {3, n.someDecommission}, {2, n.someMove}, {2, n.someUpgrade},
		{1, n.someUnlock}, {4, n.someStake}, {2, n.someReorg},
	} {
		if l.r.IntN(100) >= chance.percent {
			continue
		}
		what, err := chance.act()
		var refusal *RefusalError
		switch {
		case err == nil && what != "":
			n.note("%s", what)
		case err != nil && !errors.As(err, &refusal) && !errors.Is(err, ErrStake) && !errors.Is(err, ErrDoubleSpend):
			n.cfg.Log.Error("life", "error", err)
		}
	}
	for i, until := range l.away {
		if until <= n.rolls {
			delete(l.away, i)
			delete(n.held, i) // judge does the rest
		}
	}
}

func (n *Network) someBuy() (string, error) {
	l := n.life
	l.serial++
	word := demoWords[l.r.IntN(len(demoWords))] + "-of-" + demoWords[l.r.IntN(len(demoWords))]
	t, text := ons.Session, word
	if l.r.IntN(3) == 0 {
		t, text = ons.Lokinet, word+".loki"
	}
	_, err := n.buy(NameEntry{Name: mustName(t, text), Value: madeUp(t, fmt.Sprint(word, l.serial))})
	return fmt.Sprintf("a %v name is bought", t), err
}

// someName is one of the network's first names.
func (n *Network) someName(t ons.Type) (ons.Name, bool) {
	for range 20 {
		if len(n.cfg.Names) == 0 {
			break
		}
		// The first four keep what documentation says of them.
		if i := n.life.r.IntN(len(n.cfg.Names)); i > 3 && n.cfg.Names[i].Name.Type() == t {
			return n.cfg.Names[i].Name, true
		}
	}
	return ons.Name{}, false
}

func (n *Network) someUpdate() (string, error) {
	name, ok := n.someName(ons.Session)
	if !ok {
		return "", nil
	}
	n.life.serial++
	_, err := n.update(name, UpdateOptions{Value: madeUp(ons.Session, fmt.Sprint("new ", n.life.serial))})
	return "a session name is updated", err
}

func (n *Network) someRenew() (string, error) {
	name, ok := n.someName(ons.Lokinet)
	if !ok {
		return "", nil
	}
	_, err := n.chain.RenewName(name, 1)
	return "a lokinet name is renewed", err
}

// someNode is a node that is active and has nothing going on.
func (n *Network) someNode() (int, bool) {
	active := map[[32]byte]bool{}
	for _, s := range n.chain.ServiceNodes() {
		active[s.Key] = s.Active && s.RequestedUnlock == 0
	}
	for range 20 {
		if len(n.nodes) == 0 {
			break
		}
		if i := n.life.r.IntN(len(n.nodes)); active[n.nodes[i].Key()] && n.down[i].IsZero() {
			return i, true
		}
	}
	return 0, false
}

func (n *Network) someDecommission() (string, error) {
	i, ok := n.someNode()
	if !ok || len(n.life.away) > len(n.nodes)/10 {
		return "", nil
	}
	_, err := n.chain.Decommission(n.nodes[i].Key(), Reasons(1)<<n.life.r.IntN(7))
	if err == nil {
		n.held[i] = true
		n.life.away[i] = n.rolls + 5 + uint64(n.life.r.IntN(20))
	}
	return fmt.Sprintf("node %d is decommissioned", i), err
}

func (n *Network) someMove() (string, error) {
	i, ok := n.someNode()
	if !ok || n.cfg.OneIP {
		return "", nil
	}
	return fmt.Sprintf("node %d moves", i), n.move(i)
}

// move gives a node another address. Its quorum puts it at the end of the reward queue for that.
func (n *Network) move(i int) error {
	old := n.nodes[i].IP()
	for moves := 1; ; moves++ {
		if to := n.address(i, moves); to != old || n.cfg.OneIP {
			if err := n.nodes[i].rebind(func(c *site) { c.ip, c.https, c.omq = to, 0, 0 }); err != nil {
				return err
			}
			break
		}
	}
	_, err := n.chain.PenaliseIP(n.nodes[i].Key())
	if errors.Is(err, ErrStake) {
		return nil // no quorum has seen it yet
	}
	return err
}

func (n *Network) someUpgrade() (string, error) {
	i, ok := n.someNode()
	if !ok {
		return "", nil
	}
	return fmt.Sprintf("node %d upgrades", i), n.nodes[i].rebind(func(c *site) {
		c.version = [3]uint16{2, 11, c.version[2] + 1}
	})
}

func (n *Network) someUnlock() (string, error) {
	i, ok := n.someNode()
	if !ok {
		return "", nil
	}
	_, err := n.chain.RequestUnlock(n.nodes[i].Key())
	return fmt.Sprintf("node %d asks to leave", i), err
}

// someStake stakes a node again that had left.
func (n *Network) someStake() (string, error) {
	staked := map[[32]byte]bool{}
	for _, s := range n.chain.ServiceNodes() {
		staked[s.Key] = true
	}
	for i, node := range n.nodes {
		if !staked[node.Key()] {
			_, err := n.chain.RegisterNode(Stake{Key: node.Key(), Operator: n.operator(i)})
			return fmt.Sprintf("node %d is staked", i), err
		}
	}
	return "", nil
}

func (n *Network) someReorg() (string, error) {
	n.reorg(1 + n.life.r.IntN(2))
	return "", nil
}
