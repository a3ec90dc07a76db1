package devnet

import (
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"onsight/internal/devnet/storage"
	"onsight/internal/onion"
	"onsight/internal/snode"
	"onsight/ons"
)

// accountID is a made-up account.
func accountID(i int) string {
	return "05" + strings.TrimPrefix(hex.EncodeToString(madeUp(ons.Session, fmt.Sprint("account ", i)).Bytes), "05")
}

// swarmMembers are the nodes that any node says keep an account's messages.
func swarmMembers(t testing.TB, n *Network, id string) (nodes []*Node) {
	t.Helper()
	var by = map[string]*Node{}
	var asked *Node
	for _, node := range n.Nodes() {
		e := node.Ed25519()
		by[hex.EncodeToString(e[:])] = node
		if f := node.Faults(); !f.Down && f.Lies == (storage.Lies{}) && node.unready() == "" {
			asked = node
		}
	}
	a := mustAsk(t, newClient(t), http.MethodPost, asked.URL()+rpcPath, fmt.Appendf(nil, `{"method":"get_swarm","params":{"pubkey":%q}}`, id))
	var r struct {
		Snodes []struct {
			Key  string `json:"pubkey_ed25519"`
			IP   string
			Port uint16 `json:"port_https"`
		}
	}
	if err := json.Unmarshal(a.body, &r); err != nil || len(r.Snodes) == 0 {
		t.Fatalf("get_swarm: %v", a)
	}
	for _, s := range r.Snodes {
		node := by[s.Key]
		if node == nil || node.IP().String() != s.IP || node.HTTPSPort() != s.Port {
			t.Fatalf("get_swarm shows %+v, which is nobody", s)
		}
		nodes = append(nodes, node)
	}
	return nodes
}

// publicSpace is a namespace in which everybody may store and retrieve.
const publicSpace = -10

func storeRequest(n *Network, id, data string) string {
	return fmt.Sprintf(`{"method":"store","params":{"pubkey":%q,"timestamp":%d,"ttl":86400000,"data":%q,"namespace":%d}}`,
		id, n.cfg.Now().UnixMilli(), data, publicSpace)
}

func retrieveRequest(id string) string {
	return fmt.Sprintf(`{"method":"retrieve","params":{"pubkey":%q,"namespace":%d}}`, id, publicSpace)
}

func (n *Network) send(t testing.TB, node *Node, request string) answer {
	t.Helper()
	return mustAsk(t, newClient(t), http.MethodPost, node.URL()+rpcPath, []byte(request))
}

func holds(t testing.TB, n *Network, node *Node, id, data string) bool {
	t.Helper()
	a := n.send(t, node, retrieveRequest(id))
	return a.status == 200 && strings.Contains(string(a.body), fmt.Sprintf(`"data":%q`, data))
}

// throughOnion sends a request by way of some nodes to the last of them and opens the reply.
func throughOnion(t testing.TB, request string, path ...*Node) (int, []byte) {
	t.Helper()
	body, key, err := wrapFor(t, request, path...)
	if err != nil {
		t.Fatal(err)
	}
	a := mustAsk(t, newClient(t), http.MethodPost, path[0].URL()+onionPath, body)
	status, inner, err := onion.OpenReply(key, a.body)
	if err != nil {
		t.Fatalf("%v: %v", a, err)
	}
	return status, inner
}

func TestNetworkMessages(t *testing.T) {
	t.Parallel()
	n := startNetwork(t, Config{Nodes: 40})
	if s := n.Status(); s.Swarms < 2 {
		t.Fatalf("%d swarms, want several", s.Swarms)
	}
	for i := range 6 {
		id, data := accountID(i), "aGkg"
		members := swarmMembers(t, n, id)
		if len(members) < swarmLeast {
			t.Errorf("a swarm of %d", len(members))
		}
		in := map[*Node]bool{}
		for _, m := range members {
			in[m] = true
		}
		var outsiders []*Node
		for _, node := range n.Nodes() {
			if !in[node] {
				outsiders = append(outsiders, node)
			}
		}
		if a := n.send(t, members[0], storeRequest(n, id, data)); a.status != 200 {
			t.Fatalf("store: %v", a)
		}
		for _, m := range members {
			if !holds(t, n, m, id, data) {
				t.Errorf("account %d: member %d does not have the message", i, m.Index())
			}
		}
		if a := n.send(t, outsiders[0], retrieveRequest(id)); a.status != http.StatusMisdirectedRequest {
			t.Errorf("somebody else's answer: %v", a)
		}
		status, inner := throughOnion(t, retrieveRequest(id), outsiders[0], outsiders[1], members[1])
		if status != 200 || !strings.Contains(string(inner), data) {
			t.Errorf("by way of three: %d %s", status, inner)
		}
	}
}

// TestNetworkResolve: a name is resolved by a node through an onion, as messengers do it, in either dialect.
func TestNetworkResolve(t *testing.T) {
	t.Parallel()
	for _, dialect := range []Dialect{Dialect10, Dialect11} {
		n := startNetwork(t, Config{Dialect: dialect})
		name, value := mustName(ons.Session, "carla"), madeUp(ons.Session, "carla")
		if _, err := n.Register(name, value, 0); err != nil {
			t.Fatal(err)
		}
		request := func(name ons.Name) string {
			return fmt.Sprintf(`{"method":"oxend_request","params":{"endpoint":"ons_resolve","params":{"type":0,"name_hash":%q}}}`, name.Hash().Base64())
		}
		resolve := func(name ons.Name, last int) (ons.Value, error) {
			status, inner := throughOnion(t, request(name), n.Node(0), n.Node(1), n.Node(last))
			var r struct{ Result json.RawMessage }
			if err := json.Unmarshal(inner, &r); err != nil || status != 200 {
				t.Fatalf("%d %s", status, inner)
			}
			return openResolved(name, r.Result)
		}
		if got, err := resolve(name, 2); err != nil || string(got.Bytes) != string(value.Bytes) {
			t.Errorf("%v: got %x, %v", dialect, got.Bytes, err)
		}
		if _, err := resolve(mustName(ons.Session, "nobody"), 2); !errors.Is(err, errNone) {
			t.Errorf("%v: nobody: %v", dialect, err)
		}
		if err := n.Inject(Fault{"5", "lie-ons", ""}); err != nil {
			t.Fatal(err)
		}
		if got, err := resolve(name, 5); err == nil && string(got.Bytes) == string(value.Bytes) {
			t.Errorf("%v: a liar tells the truth", dialect)
		}
		if got, err := resolve(name, 6); err != nil || string(got.Bytes) != string(value.Bytes) {
			t.Errorf("%v: got %x, %v", dialect, got.Bytes, err)
		}
	}
}

// TestHosts: server-bound onion requests go where the network's hosts are.
func TestHosts(t *testing.T) {
	t.Parallel()
	other := startNetwork(t, Config{Nodes: -1})
	n := startNetwork(t, Config{Nodes: 6, Hosts: map[string]string{"open.example": strings.TrimPrefix(other.Oxend(), "http://")}})
	if address, ok := n.host("open.example"); !ok || address != strings.TrimPrefix(other.Oxend(), "http://") {
		t.Errorf("open.example is at %q, %v", address, ok)
	}
	if _, ok := n.host("shut.example"); ok {
		t.Error("there is a host nobody named")
	}
}

// nodeStates are the states of all nodes.
func nodeStates(n *Network) (list []string) {
	for _, s := range n.NodeStatus() {
		list = append(list, s.State)
	}
	return list
}

func wantState(t testing.TB, n *Network, node int, want string) {
	t.Helper()
	if got := nodeStates(n)[node]; got != want {
		t.Errorf("node %d is %s, want %s", node, got, want)
	}
}

// mineUntil makes blocks until a node is in a state, and tells how many.
func mineUntil(t testing.TB, n *Network, node int, state string, most int) int {
	t.Helper()
	for k := range most + 1 {
		if nodeStates(n)[node] == state {
			return k
		}
		n.Mine(1)
	}
	t.Fatalf("node %d is not %s after %d blocks, but %s", node, state, most, nodeStates(n)[node])
	return 0
}

// TestJudge: quorums take nodes that are away out of service, and back.
func TestJudge(t *testing.T) {
	t.Parallel()
	clock := newFakeClock()
	n := startNetwork(t, Config{Nodes: 20, Now: clock.now})
	inject := func(text string) {
		t.Helper()
		faults, err := ParseFaults(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Inject(faults...); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Do(7, ActDecommission, ReasonStorage); err != nil {
		t.Fatal(err)
	}
	inject("3:down")
	clock.advance(proofValid)
	n.Mine(3)
	wantState(t, n, 3, "active")
	clock.advance(time.Second)
	mineUntil(t, n, 3, "decommissioned", 10)
	last := func() time.Time {
		for _, s := range n.chain.ServiceNodes() {
			if s.Key == n.Node(3).Key() {
				return s.Proof.Time
			}
		}
		return time.Now()
	}
	if at := last(); !at.IsZero() {
		t.Errorf("the daemon still knows a proof of %v: a decommission forgets it", at)
	}
	inject("3:ok")
	if at := last(); clock.now().Sub(at) > proofEvery {
		t.Errorf("it is back, and its last proof of %v", at)
	}
	mineUntil(t, n, 3, "active", 30)
	n.Mine(20)
	wantState(t, n, 7, "decommissioned")
	if err := n.Do(7, ActRecommission, 0); err != nil {
		t.Fatal(err)
	}
	wantState(t, n, 7, "active")

	// One that was away a short while stays.
	inject("4:down")
	clock.advance(time.Minute)
	n.Mine(1)
	inject("4:ok")
	clock.advance(time.Hour)
	n.Mine(10)
	wantState(t, n, 4, "active")

	// One that stays away uses up its credit.
	inject("5:down")
	clock.advance(proofValid + time.Second)
	mineUntil(t, n, 5, "decommissioned", 10)
	credit := n.NodeStatus()[5].Credit
	if blocks := mineUntil(t, n, 5, "gone", 200); int64(blocks) <= credit {
		t.Errorf("deregistered after %d blocks, its credit was %d", blocks, credit)
	}
	inject("5:ok")
	n.Mine(10)
	wantState(t, n, 5, "gone")
	if err := n.Do(5, ActStake, 0); err != nil {
		t.Fatal(err)
	}
	wantState(t, n, 5, "active")
}

// TestJudgeTwice: a node that has used its credit up is not given a second grace.
func TestJudgeTwice(t *testing.T) {
	t.Parallel()
	clock := newFakeClock()
	n := startNetwork(t, Config{Nodes: 20, Now: clock.now})
	away := func(is bool) {
		t.Helper()
		name := map[bool]string{true: "down", false: "ok"}[is]
		if err := n.Inject(Fault{"2", name, ""}); err != nil {
			t.Fatal(err)
		}
		clock.advance(proofValid + time.Second)
	}
	away(true)
	mineUntil(t, n, 2, "decommissioned", 10)
	n.Mine(20)
	away(false)
	mineUntil(t, n, 2, "active", 30)
	if credit := n.NodeStatus()[2].Credit; credit >= firstCredit {
		t.Fatalf("credit %d", credit)
	}
	away(true)
	mineUntil(t, n, 2, "gone", 10)
}

func TestActs(t *testing.T) {
	t.Parallel()
	n := startNetwork(t, Config{Nodes: 20})
	for _, c := range []struct {
		act  Act
		want string
		err  error
	}{
		{ActRecommission, "active", ErrStake},
		{ActStake, "active", ErrStake},
		{"dance", "active", ErrCommand},
		{ActDecommission, "decommissioned", nil},
		{ActDecommission, "decommissioned", ErrStake},
		{ActRecommission, "active", nil},
		{ActMove, "active", nil},
		{ActUnlock, "unlocking", nil},
		{ActUnlock, "unlocking", ErrStake},
	} {
		n.Mine(10) // a quorum has to have tested it since
		height, events := n.Status().Height, len(n.Events())
		if err := n.Do(4, c.act, ReasonUptime); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.act, err, c.err)
		}
		wantState(t, n, 4, c.want)
		if did := map[bool]uint64{true: 1, false: 0}[c.err == nil]; n.Status().Height != height+did || len(n.Events()) != events+int(did) {
			t.Errorf("%s: %d blocks, %d events, want %d of each", c.act, n.Status().Height-height, len(n.Events())-events, did)
		}
	}
	mineUntil(t, n, 4, "gone", 20)
	if err := n.Do(4, ActUnlock, 0); !errors.Is(err, ErrStake) {
		t.Errorf("unlock of one that has left: %v", err)
	}
	if err := n.Do(4, ActStake, 0); err != nil {
		t.Error(err)
	}
	wantState(t, n, 4, "active")
	n.Mine(10)
	if err := n.Do(5, ActDeregister, ReasonStorage); err != nil {
		t.Error(err)
	}
	wantState(t, n, 5, "gone")
	for _, i := range []int{-1, 20} {
		if err := n.Do(i, ActUnlock, 0); !errors.Is(err, ErrCommand) {
			t.Errorf("node %d: %v", i, err)
		}
	}
	if got := n.Nodes(); len(got) != 20 {
		t.Errorf("%d nodes", len(got))
	}
}

func TestReasons(t *testing.T) {
	t.Parallel()
	for _, names := range [][]string{{"uptime"}, {"storage", "lokinet"}, reasonNames} {
		why, err := ParseReasons(names)
		if err != nil || why.String() != strings.Join(names, ",") {
			t.Errorf("%v: %v, %v", names, why, err)
		}
	}
	if why, err := ParseReasons(nil); err != nil || why != ReasonUptime {
		t.Errorf("none: %v, %v", why, err)
	}
	if _, err := ParseReasons([]string{"uptime", "mood"}); !errors.Is(err, ErrCommand) || !strings.Contains(err.Error(), "timesync") {
		t.Errorf("mood: %v", err)
	}
	if got := Reasons(1<<9 | 1).String(); got != "uptime,9" {
		t.Errorf("an unknown bit: %s", got)
	}
}

// TestHandOver: messages stay, whoever goes and comes.
func TestHandOver(t *testing.T) {
	t.Parallel()
	n := startNetwork(t, Config{Nodes: 30})
	const accounts = 8
	for i := range accounts {
		id := accountID(i)
		if a := n.send(t, swarmMembers(t, n, id)[0], storeRequest(n, id, "aGkg")); a.status != 200 {
			t.Fatalf("store: %v", a)
		}
	}
	check := func(when string) {
		t.Helper()
		held := 0
		for i := range accounts {
			id := accountID(i)
			members := swarmMembers(t, n, id)
			for _, m := range members {
				if !holds(t, n, m, id, "aGkg") {
					t.Errorf("%s: node %d does not have account %d's message", when, m.Index(), i)
				}
			}
			held += len(members)
		}
		has := 0
		for _, node := range n.Nodes() {
			has += len(node.storage.Messages())
		}
		if has != held {
			t.Errorf("%s: there are %d messages, those of the swarms are %d", when, has, held)
		}
	}
	check("at first")
	members := swarmMembers(t, n, accountID(0))
	for _, m := range members[:len(members)-1] {
		if err := n.Do(m.Index(), ActDecommission, ReasonStorage); err != nil {
			t.Fatal(err)
		}
		check(fmt.Sprintf("node %d decommissioned", m.Index()))
	}
	n.Mine(8)
	for _, m := range members[:2] {
		if err := n.Do(m.Index(), ActRecommission, 0); err != nil {
			t.Fatal(err)
		}
		check(fmt.Sprintf("node %d recommissioned", m.Index()))
	}
	for _, m := range members[2:4] {
		if err := n.Do(m.Index(), ActDeregister, ReasonStorage); err != nil {
			t.Fatal(err)
		}
		check(fmt.Sprintf("node %d deregistered", m.Index()))
	}
	for _, m := range members[2:4] {
		if err := n.Do(m.Index(), ActStake, 0); err != nil {
			t.Fatal(err)
		}
		check(fmt.Sprintf("node %d staked again", m.Index()))
	}
	n.Reorg(8)
	check("reorganised")
	n.PopBlocks(5)
	check("popped")
	n.Mine(5)
	check("mined")
}

// TestRebuild: a node that moves or upgrades keeps its messages and its faults.
func TestRebuild(t *testing.T) {
	t.Parallel()
	n := startNetwork(t, Config{Nodes: 8, Latency: time.Millisecond})
	id := accountID(1)
	node := swarmMembers(t, n, id)[0]
	i := node.Index()
	if a := n.send(t, node, storeRequest(n, id, "aGkg")); a.status != 200 {
		t.Fatalf("store: %v", a)
	}
	if err := n.Inject(Fault{fmt.Sprint(i), "clock", "3s"}); err != nil {
		t.Fatal(err)
	}
	was := map[netip.Addr]bool{node.IP(): true}
	faults := node.Faults()
	for range 4 {
		from, url, key := n.Node(i).IP(), n.Node(i).URL(), n.Node(i).Key()
		if err := n.Do(i, ActMove, 0); err != nil {
			t.Fatal(err)
		}
		moved := n.Node(i)
		if moved.IP() == from || moved.Key() != key || moved.Faults() != faults {
			t.Errorf("moved from %v to %v, keys %x and %x, faults %+v", from, moved.IP(), key, moved.Key(), moved.Faults())
		}
		was[moved.IP()] = true
		if !holds(t, n, moved, id, "aGkg") {
			t.Error("moved, and lost its message")
		}
		if _, err := ask(t, newClient(t), "POST", url+rpcPath, []byte(infoCall)); err == nil {
			t.Error("it still answers where it was")
		}
		if a, err := query(t, n.Seed(), "get_n_service_nodes", `{"fields":{"public_ip":true}}`); err != nil || !strings.Contains(string(a), moved.IP().String()) {
			t.Errorf("the seed does not show %v: %s, %v", moved.IP(), a, err)
		}
		swarmMembers(t, n, id) // which looks at the addresses
	}
	url, https, omq := n.Node(i).URL(), n.Node(i).HTTPSPort(), n.Node(i).OMQPort()
	n.mu.Lock()
	err := n.nodes[i].rebind(func(c *site) { c.version, c.https, c.omq = [3]uint16{2, 11, 9}, https, omq })
	n.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	n.Mine(1)
	upgraded := n.Node(i)
	if upgraded.URL() != url || upgraded.OMQPort() != omq || upgraded.Version() != ([3]uint16{2, 11, 9}) || upgraded.Faults() != faults {
		t.Errorf("upgraded to %v at %s", upgraded.Version(), upgraded.URL())
	}
	if !holds(t, n, upgraded, id, "aGkg") {
		t.Error("upgraded, and lost its message")
	}
	for _, m := range n.members() {
		if m.Ed25519 == upgraded.Ed25519() && m.Version != upgraded.Version() {
			t.Errorf("the others think its version is %v", m.Version)
		}
	}
	// One that is down stays down when it moves.
	if err := n.Inject(Fault{fmt.Sprint(i), "down", ""}); err != nil {
		t.Fatal(err)
	}
	if err := n.Do(i, ActMove, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(t, newClient(t), "POST", n.Node(i).URL()+rpcPath, []byte(infoCall)); err == nil || !n.Node(i).Faults().Down {
		t.Error("it was down, moved, and answers")
	}
	if err := n.Inject(Fault{fmt.Sprint(i), "ok", ""}); err != nil {
		t.Fatal(err)
	}
	if !holds(t, n, n.Node(i), id, "aGkg") {
		t.Error("moved while down, and lost its message")
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	// Of as many nodes as there may be, without having them listen.
	for _, perSubnet := range []int{1, 3, maxPerSubnet} {
		for seed := range uint64(3) {
			n := &Network{cfg: Config{Seed: seed, PerSubnet: perSubnet}}
			taken, subnets := map[netip.Addr]int{}, map[netip.Prefix]int{}
			for i := range maxNodes {
				for moves := range 7 { // more than move ever needs
					a := n.address(i, moves)
					if last := a.As4()[3]; !a.IsLoopback() || last == 0 || last == 255 {
						t.Fatalf("node %d is on %v", i, a)
					}
					if other, ok := taken[a]; ok && other != i {
						t.Fatalf("nodes %d and %d are on %v", other, i, a)
					}
					taken[a] = i
					p := netip.PrefixFrom(a, 24).Masked()
					if other, ok := subnets[p]; ok && other != i/perSubnet {
						t.Fatalf("groups %d and %d are in %v", other, i/perSubnet, p)
					}
					subnets[p] = i / perSubnet
				}
			}
		}
	}
	n := startNetwork(t, Config{Nodes: 9, PerSubnet: 4, Operators: 2})
	subnets, operators := map[netip.Prefix]int{}, map[ons.Owner]int{}
	for _, node := range n.Nodes() {
		subnets[netip.PrefixFrom(node.IP(), 24).Masked()]++
	}
	for _, s := range n.Chain().ServiceNodes() {
		operators[s.Operator]++
	}
	if len(subnets) != 3 || len(operators) != 2 {
		t.Errorf("subnets %v, operators %v, want 3 and 2", subnets, operators)
	}
	for _, o := range operators {
		if o < 4 {
			t.Errorf("an operator of %d", o)
		}
	}
	one := startNetwork(t, Config{Nodes: 6, OneIP: true})
	ports := map[uint16]bool{}
	for _, node := range one.Nodes() {
		ports[node.HTTPSPort()] = true
		if node.IP() != netip.AddrFrom4([4]byte{127, 0, 0, 1}) {
			t.Errorf("node %d is on %v", node.Index(), node.IP())
		}
	}
	if len(ports) != 6 {
		t.Errorf("%d ports", len(ports))
	}
	url := one.Node(2).URL()
	if err := one.Do(2, ActMove, 0); err != nil || one.Node(2).URL() == url {
		t.Errorf("moved on one IP from %s to %s, %v", url, one.Node(2).URL(), err)
	}
	swarmMembers(t, one, accountID(0))
}

// TestNodeKeys: an old node's key on the chain is another one than its Ed25519 key.
func TestNodeKeys(t *testing.T) {
	t.Parallel()
	n := startNetwork(t, Config{Nodes: 14, Seed: 5})
	for i, node := range n.Nodes() {
		seed := seedOf(5, "node", i)
		key := ed25519.NewKeyFromSeed(seed[:])
		if node.Ed25519() != [32]byte(key.Public().(ed25519.PublicKey)) || (node.Key() == node.Ed25519()) != (i%7 != 6) {
			t.Errorf("node %d: keys %x, %x", i, node.Key(), node.Ed25519())
		}
		if _, found, ok := n.member(node.Ed25519()); !ok || found != node || node.seed != binary.LittleEndian.Uint64(seed[:]) {
			t.Errorf("node %d is not found by its key", i)
		}
	}
	for _, m := range n.members() {
		if m.Swarm == snode.NoSwarm {
			t.Errorf("%x is in no swarm", m.Ed25519)
		}
	}
	if _, _, ok := n.member([32]byte{1}); ok {
		t.Error("a member that nobody is")
	}
}

// wrapFor wraps a request for the last of some nodes.
func wrapFor(t testing.TB, request string, path ...*Node) ([]byte, onion.Key, error) {
	t.Helper()
	var hops []onion.Hop
	for _, node := range path {
		hops = append(hops, hop(t, node))
	}
	last := len(hops) - 1
	return onion.Wrap(nil, onion.XChaCha20, hops[:last], hops[last], []byte(request))
}

// rightlySigned tells whether a node signed what it says it stored.
func rightlySigned(t testing.TB, a answer, node *Node) bool {
	t.Helper()
	var r struct {
		Swarm map[string]struct {
			Hash      string
			Signature []byte
		}
	}
	if err := json.Unmarshal(a.body, &r); err != nil {
		t.Fatalf("%v: %v", a, err)
	}
	key := node.Ed25519()
	own, ok := r.Swarm[hex.EncodeToString(key[:])]
	if !ok {
		t.Fatalf("%v: nothing of the node asked", a)
	}
	return ed25519.Verify(key[:], snode.StoredText(own.Hash), own.Signature)
}
