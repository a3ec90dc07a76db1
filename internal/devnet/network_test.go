package devnet

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"onsight/ons"
)

// fakeClock is a clock that the tests set.
type fakeClock struct {
	mu sync.Mutex // guards what follows
	at time.Time
}

func newFakeClock() *fakeClock { return &fakeClock{at: time.Unix(1_795_304_299, 0)} }

func (c *fakeClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// startNetwork starts a network that ends with the test.
func startNetwork(t testing.TB, cfg Config) *Network {
	t.Helper()
	n, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return n
}

// query calls a method of a daemon; a refusal is an error.
func query(t testing.TB, url, method, params string) (json.RawMessage, error) {
	t.Helper()
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":"0","method":%q,"params":%s}`, method, params)
	a, err := ask(t, newClient(t), http.MethodPost, strings.TrimSuffix(url, "/")+"/json_rpc", []byte(body))
	if err != nil {
		return nil, err
	}
	var reply struct {
		Result json.RawMessage
		Error  *struct{ Message string }
	}
	if err := json.Unmarshal(a.body, &reply); err != nil {
		return nil, err
	}
	if reply.Error != nil {
		return nil, errors.New(reply.Error.Message)
	}
	return reply.Result, nil
}

func mustQuery(t testing.TB, url, method, params string, result any) {
	t.Helper()
	raw, err := query(t, url, method, params)
	if err == nil {
		err = json.Unmarshal(raw, result)
	}
	if err != nil {
		t.Fatalf("%s %s: %v", method, params, err)
	}
}

// tipOf is the height and the hash of the newest block a daemon shows.
func tipOf(t testing.TB, url string) (uint64, string) {
	t.Helper()
	var r struct {
		Header struct {
			Height uint64
			Hash   string
		} `json:"block_header"`
	}
	mustQuery(t, url, "get_last_block_header", `{}`, &r)
	return r.Header.Height, r.Header.Hash
}

// resolved is what a daemon's answer opens to for somebody who knows the name.
func resolved(t testing.TB, url string, name ons.Name) (ons.Value, error) {
	t.Helper()
	raw, err := query(t, url, "ons_resolve", fmt.Sprintf(`{"name_hash":%q,"type":%d}`, name.Hash(), name.Type()))
	if err != nil {
		return ons.Value{}, err
	}
	return openResolved(name, raw)
}

func openResolved(name ons.Name, raw json.RawMessage) (ons.Value, error) {
	var r struct {
		Value string `json:"encrypted_value"`
		Nonce string
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return ons.Value{}, err
	}
	if r.Value == "" {
		return ons.Value{}, errNone
	}
	var s ons.Sealed
	var err error
	if s.Ciphertext, err = hex.DecodeString(r.Value); err != nil {
		return ons.Value{}, err
	}
	if r.Nonce != "" { // of the scheme of 2020 it has none
		if s.Nonce, err = hex.DecodeString(r.Nonce); err != nil {
			return ons.Value{}, err
		}
	}
	return name.Open(s)
}

var errNone = errors.New("no such name")

func wantResolved(t testing.TB, url string, name ons.Name, want ons.Value) {
	t.Helper()
	got, err := resolved(t, url, name)
	if err != nil || got.Type != want.Type || !bytes.Equal(got.Bytes, want.Bytes) {
		t.Errorf("%v opens to %x, %v, want %x", name, got.Bytes, err, want.Bytes)
	}
}

func TestZeroConfig(t *testing.T) {
	t.Parallel()
	n := startNetwork(t, Config{})
	s := n.Status()
	if s.Nodes != 12 || s.Staked != 12 || s.Active != 12 || s.Swarms < 1 || s.LokinetYear != 200 || len(s.Oxend) != 1 || len(s.Seeds) != 2 {
		t.Errorf("got %+v", s)
	}
	if s.Pool != 0 || s.Names != ([3]uint64{}) || s.Height != pastForks+400-1 {
		t.Errorf("got %+v, want nothing in the pool, no names and 400 blocks after the forks", s)
	}
	if height, tip := tipOf(t, n.Oxend()); height != s.Height || tip != s.Tip {
		t.Errorf("the daemon is at %d %s, want %d %s", height, tip, s.Height, s.Tip)
	}
	addresses, operators, keys := map[netip.Addr]bool{}, map[ons.Owner]bool{}, map[[32]byte]bool{}
	for i, node := range n.Nodes() {
		if node.Index() != i || n.Node(i) != node || node.Version() != ([3]uint16{2, 11, 0}) {
			t.Errorf("node %d is %d, of version %v", i, node.Index(), node.Version())
		}
		if !node.IP().IsLoopback() {
			t.Errorf("node %d is on %v", i, node.IP())
		}
		addresses[netip.PrefixFrom(node.IP(), 24).Masked().Addr()] = true
		keys[node.Key()] = true
		if a := mustAsk(t, newClient(t), "GET", node.URL()+"/get_stats/v1", nil); a.status != 200 {
			t.Errorf("node %d: %v", i, a)
		}
	}
	for _, s := range n.Chain().ServiceNodes() {
		operators[s.Operator] = true
		if s.Proof.Time.IsZero() || time.Since(s.Proof.Time) > 2*proofEvery {
			t.Errorf("the last proof of a node is of %v", s.Proof.Time)
		}
	}
	if len(addresses) != 12 || len(operators) != 12 || len(keys) != 12 {
		t.Errorf("%d /24, %d operators, %d keys, want 12 of each", len(addresses), len(operators), len(keys))
	}
	if n.Node(-1) != nil || n.Node(12) != nil {
		t.Error("there is a node -1 or 12")
	}
}

// seedRequests are what clients ask a seed node (spec messaging.md B.1): the desktop, and Android.
var seedRequests = map[string]string{
	"object": `{"jsonrpc":"2.0","method":"get_n_service_nodes","params":{"active_only":true,"fields":{"public_ip":true,"storage_port":true,` +
		`"pubkey_x25519":true,"pubkey_ed25519":true,"requested_unlock_height":true,"height":true}}}`,
	"array": `{"jsonrpc":"2.0","method":"get_n_service_nodes","params":{"active_only":true,"fields":["public_ip","storage_port","pubkey_x25519",` +
		`"pubkey_ed25519","requested_unlock_height","height"]}}`,
	"android": `{"jsonrpc":"2.0","method":"get_n_service_nodes","params":{"active_only":true,"fields":["public_ip","storage_port","pubkey_x25519","pubkey_ed25519"]}}`,
}

func TestSeeds(t *testing.T) {
	t.Parallel()
	for _, dialect := range []Dialect{Dialect10, Dialect11} {
		n := startNetwork(t, Config{Dialect: dialect})
		if err := n.Do(3, ActUnlock, 0); err != nil {
			t.Fatal(err)
		}
		if err := n.Do(5, ActDecommission, ReasonUptime); err != nil {
			t.Fatal(err)
		}
		url, pin := n.SeedTLS()
		var presented []byte
		pinned := &http.Transport{TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true, VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error { presented = raw[0]; return nil },
		}}
		t.Cleanup(pinned.CloseIdleConnections)
		mustAsk(t, &http.Client{Transport: pinned}, "GET", url+"get_height", nil)
		if sum := sha256.Sum256(presented); hex.EncodeToString(sum[:]) != pin {
			t.Errorf("the certificate's hash is %x, the pin %s", sum, pin)
		}
		// As the desktop does: the certificate is the only authority there is, and the name must be right.
		certificate, err := x509.ParseCertificate(presented)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AddCert(certificate)
		trusting := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
		t.Cleanup(trusting.CloseIdleConnections)
		for at, client := range map[string]*http.Client{n.Seed(): newClient(t), url: {Transport: trusting}} {
			for form, request := range seedRequests {
				name := fmt.Sprint(dialect, " ", form, " ", at)
				a := mustAsk(t, client, "POST", at+"json_rpc", []byte(request), "User-Agent", "WhatsApp", "Accept-Language", "en-us",
					"Content-Type", "application/json")
				if got := a.header["Content-Type"]; a.status != 200 || !slices.Equal(got, []string{"application/json"}) {
					t.Errorf("%s: %v, Content-Type %q", name, a, got)
				}
				var reply struct {
					Result struct {
						Height uint64
						States []map[string]any `json:"service_node_states"`
					}
				}
				if err := json.Unmarshal(a.body, &reply); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if form != "android" && reply.Result.Height != n.Status().Height {
					t.Errorf("%s: height %v, want %d", name, reply.Result.Height, n.Status().Height)
				}
				got, want := map[string]string{}, map[string]string{}
				for _, s := range reply.Result.States {
					unlock := ""
					if form != "android" {
						unlock = fmt.Sprint(s["requested_unlock_height"] != 0.0)
					}
					got[fmt.Sprint(s["pubkey_ed25519"])] = fmt.Sprintln(s["public_ip"], s["storage_port"], s["pubkey_x25519"], unlock)
					// 10.x takes an array for all fields (recorded); clients read those they asked for.
					if want := map[bool]int{true: 4, false: 5}[form == "android"]; len(s) != want && (dialect == Dialect11 || form == "object") {
						t.Errorf("%s: %d fields, want %d: %v", name, len(s), want, s)
					}
				}
				for i, node := range n.Nodes() {
					if i != 5 {
						unlock := ""
						if form != "android" {
							unlock = fmt.Sprint(i == 3)
						}
						e := node.Ed25519()
						want[hex.EncodeToString(e[:])] = fmt.Sprintln(node.IP(), node.HTTPSPort(), hexOf(node.X25519()), unlock)
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
			}
		}
		if a := mustAsk(t, newClient(t), "POST", n.Seed()+"json_rpc", []byte(`{"jsonrpc":"2.0","id":0,"method":"pop_blocks","params":{"nblocks":1}}`)); !strings.Contains(string(a.body), "error") {
			t.Errorf("a seed does what its admin may: %v", a)
		}
	}
}

func TestNetworkNames(t *testing.T) {
	t.Parallel()
	for _, dialect := range []Dialect{Dialect10, Dialect11} {
		n := startNetwork(t, Config{Dialect: dialect, Daemons: 2, Nodes: 2})
		session, lokinet := mustName(ons.Session, "carla"), mustName(ons.Lokinet, "carla.loki")
		value, other := madeUp(ons.Session, "carla"), madeUp(ons.Session, "other")
		before := n.Status()
		id, err := n.Register(session, value, 0)
		if err != nil || id == (ons.Txid{}) {
			t.Fatal(err)
		}
		if _, err := n.Register(lokinet, madeUp(ons.Lokinet, "carla"), 2); err != nil {
			t.Fatal(err)
		}
		for i := range n.Daemons() {
			wantResolved(t, n.Daemon(i).URL(), session, value)
			wantResolved(t, n.Daemon(i).URL(), lokinet, madeUp(ons.Lokinet, "carla"))
		}
		if s := n.Status(); s.Height != before.Height+2 || s.Names != [3]uint64{1, 0, 1} {
			t.Errorf("got %+v", s)
		}
		if _, err := n.Update(session, other); err != nil {
			t.Fatal(err)
		}
		wantResolved(t, n.Oxend(), session, other)
		expires := func() uint64 {
			r, _ := n.Chain().Truth().Record(ons.Key{Type: ons.Lokinet, Hash: lokinet.Hash()})
			return r.Expires
		}
		until := expires()
		if _, err := n.Renew(lokinet, 5); err != nil || expires() != until+5*200 {
			t.Errorf("renewed until %d, was %d, %v", expires(), until, err)
		}
		if _, err := n.Renew(lokinet, 0); err != nil || expires() != until+6*200 {
			t.Errorf("renewed until %d, was %d, %v", expires(), until, err)
		}
		height := n.Status().Height
		nobody := mustName(ons.Session, "nobody")
		for _, c := range []struct {
			what string
			act  func() (ons.Txid, error)
			want error
		}{
			{"taken", func() (ons.Txid, error) { return n.Register(session, value, 0) }, ErrRegistered},
			{"not there", func() (ons.Txid, error) { return n.Update(nobody, value) }, ErrNoRecord},
			{"nothing new", func() (ons.Txid, error) { return n.Update(session, ons.Value{}) }, ErrNothing},
			{"three years", func() (ons.Txid, error) {
				return n.Register(mustName(ons.Lokinet, "x.loki"), madeUp(ons.Lokinet, "x"), 3)
			}, ErrLength},
			{"renew session", func() (ons.Txid, error) { return n.Renew(session, 1) }, ErrLength},
			{"renew nothing", func() (ons.Txid, error) { return n.Renew(mustName(ons.Lokinet, "x.loki"), 1) }, ErrNoRecord},
		} {
			if _, err := c.act(); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", c.what, err, c.want)
			}
		}
		if _, err := n.Register(mustName(ons.Session, "y"), madeUp(ons.Lokinet, "y"), 0); err == nil {
			t.Error("a session name got a lokinet value")
		}
		if got := n.Status().Height; got != height {
			t.Errorf("refused, yet %d blocks were made", got-height)
		}
	}
}

// TestNetworkReorg: what happens to the chain is seen by all that follow it.
func TestNetworkReorg(t *testing.T) {
	t.Parallel()
	n := startNetwork(t, Config{Daemons: 2})
	name, value := mustName(ons.Session, "carla"), madeUp(ons.Session, "carla")
	height := func() (heights []uint64) {
		for _, url := range []string{n.Daemon(0).URL(), n.Daemon(1).URL(), n.Seed()} {
			h, tip := tipOf(t, url)
			heights = append(heights, h)
			if hash, err := n.Chain().Hash(h); err != nil || hash.String() != tip {
				t.Errorf("%s shows %s at %d, want %v, %v", url, tip, h, hash, err)
			}
		}
		return heights
	}
	id := "05" + strings.Repeat("ab", 32)
	onNode := func(i int) error {
		a := mustAsk(t, newClient(t), "POST", n.Node(i).URL()+rpcPath, fmt.Appendf(nil,
			`{"method":"oxend_request","params":{"endpoint":"ons_resolve","params":{"type":0,"name_hash":%q}}}`, name.Hash()))
		var r struct{ Result json.RawMessage }
		if err := json.Unmarshal(a.body, &r); err != nil {
			return err
		}
		_, err := openResolved(name, r.Result)
		return err
	}
	swarms := func() string {
		return string(mustAsk(t, newClient(t), "POST", n.Node(0).URL()+rpcPath, fmt.Appendf(nil, `{"method":"get_swarm","params":{"pubkey":%q}}`, id)).body)
	}
	n.Mine(3)
	from := n.Status().Height
	if got := height(); !slices.Equal(got, []uint64{from, from, from}) {
		t.Errorf("heights %v, want %d", got, from)
	}
	old := n.Status().Tip
	n.Reorg(2)
	if got := height(); !slices.Equal(got, []uint64{from + 1, from + 1, from + 1}) {
		t.Errorf("heights after a reorganisation of two %v, want %d", got, from+1)
	}
	if hash, _ := n.Chain().Hash(from); hash.String() == old {
		t.Error("reorganised, yet the block is the same")
	}
	if _, err := n.Register(name, value, 0); err != nil {
		t.Fatal(err)
	}
	if err := onNode(4); err != nil {
		t.Error(err)
	}
	if err := n.Do(1, ActDecommission, ReasonUptime); err != nil {
		t.Fatal(err)
	}
	gone := swarms()
	n.PopBlocks(2)
	if got := height(); !slices.Equal(got, []uint64{from + 1, from + 1, from + 1}) {
		t.Errorf("heights after two are popped %v, want %d", got, from+1)
	}
	if s := n.Status(); s.Pool != 2 || s.Active != 12 {
		t.Errorf("got %+v, want a purchase and a state change in the pool", s)
	}
	if err := onNode(4); !errors.Is(err, errNone) {
		t.Errorf("a storage server still knows the name: %v", err)
	}
	if there := swarms(); there == gone {
		t.Error("the swarm did not change back")
	}
	n.Mine(1)
	if s := n.Status(); s.Pool != 0 || s.Active != 11 {
		t.Errorf("got %+v, want the pool empty", s)
	}
	wantResolved(t, n.Seed(), name, value)
	if err := onNode(4); err != nil {
		t.Error(err)
	}
}

// TestNetworkDepths: however much of the chain goes, nothing breaks.
func TestNetworkDepths(t *testing.T) {
	t.Parallel()
	n := startNetwork(t, Config{Names: DemoNames(1, 20), Year: 50, Past: 60, Daemons: 2})
	if err := n.Inject(Fault{"oxend2", "fork", "3"}); err != nil {
		t.Fatal(err)
	}
	for _, act := range []func(){
		func() { n.Reorg(50) }, func() { n.PopBlocks(80) }, func() { n.Mine(5) }, func() { n.Reorg(10_000) }, func() { n.Mine(2) },
		func() { n.PopBlocks(10_000) }, func() { n.Mine(1) }, func() { n.Reorg(1) }, func() { n.Reorg(0) }, func() { n.PopBlocks(0) },
		func() { _ = n.Inject(Fault{"oxend2", "fork", "3"}) }, func() { n.Mine(200) },
	} {
		act()
		for _, url := range []string{n.Oxend(), n.Daemon(1).URL(), n.Seed()} {
			tipOf(t, url)
		}
		for i := range 12 {
			mustAsk(t, newClient(t), "POST", n.Node(i).URL()+rpcPath, []byte(infoCall))
		}
		n.NodeStatus()
	}
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	twice := []NameEntry{{Name: mustName(ons.Session, "a"), Value: madeUp(ons.Session, "a")}, {Name: mustName(ons.Session, "a"), Value: madeUp(ons.Session, "b")}}
	for what, cfg := range map[string]Config{
		"too many nodes":          {Nodes: maxNodes + 1},
		"10 daemons":              {Daemons: 10},
		"-1 daemons":              {Daemons: -1},
		"negative past":           {Past: -1},
		"negative per subnet":     {PerSubnet: -1},
		"300 nodes in a subnet":   {PerSubnet: 300},
		"negative block time":     {BlockTime: -1},
		"negative latency":        {Latency: -1},
		"negative operators":      {Operators: -1},
		"negative dice":           {Dice: -1},
		"endless dice":            {Dice: 1e300},
		"loss above 1":            {Loss: 1.5},
		"no dialect":              {Dialect: 9},
		"address taken":           {Addr: taken.Addr().String(), Past: 1},
		"address nonsense":        {Addr: "nonsense", Past: 1},
		"fault of no daemon":      {Faults: []Fault{{"oxend2", "stall", ""}}, Past: 1},
		"fault of no node":        {Faults: []Fault{{"12", "down", ""}}, Past: 1},
		"fault of no name":        {Faults: []Fault{{"1", "", ""}}, Past: 1},
		"a name twice":            {Names: twice},
		"a value of another type": {Names: []NameEntry{{Name: mustName(ons.Session, "a"), Value: madeUp(ons.Lokinet, "a")}}},
	} {
		t.Run(what, func(t *testing.T) {
			n, err := Start(cfg)
			if err == nil {
				n.Close()
				t.Fatal("it starts")
			}
			if !strings.HasPrefix(err.Error(), "start network: ") {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestShortPast: a network works however short its past is.
func TestShortPast(t *testing.T) {
	t.Parallel()
	pasts := []int{1, 2, 3, 5, 8, 13, 21, 34}
	if testing.Short() {
		pasts = []int{1, 8}
	}
	for _, past := range pasts {
		for _, life := range []bool{false, true} {
			cfg := Config{Nodes: 5, Past: past, Life: life, Names: DemoNames(1, 30), Year: 1000}
			n, err := Start(cfg)
			if err != nil {
				t.Errorf("past %d, life %v: %v", past, life, err)
				continue
			}
			if s := n.Status(); !life && s.Active != 5 {
				t.Errorf("past %d: %d nodes active", past, s.Active)
			}
			for _, e := range cfg.Names {
				wantResolved(t, n.Oxend(), e.Name, e.Value)
			}
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestNoNodes(t *testing.T) {
	t.Parallel()
	n := startNetwork(t, Config{Nodes: -1, Life: true, Dice: 3, Names: DemoNames(1, 10)})
	n.Mine(20)
	if s := n.Status(); s.Nodes != 0 || s.Swarms != 0 || s.Height != pastForks+400-1+20 {
		t.Errorf("got %+v", s)
	}
	if err := n.Inject(Fault{"all", "down", ""}); err != nil {
		t.Error(err)
	}
	if err := n.Inject(Fault{"0", "down", ""}); !errors.Is(err, ErrFault) {
		t.Errorf("fault of a node that is not there: %v", err)
	}
	if err := n.Do(0, ActUnlock, 0); !errors.Is(err, ErrCommand) {
		t.Errorf("act on a node that is not there: %v", err)
	}
}

// TestTwoNetworks: even of one seed, two networks do not disturb each other.
func TestTwoNetworks(t *testing.T) {
	t.Parallel()
	clock := newFakeClock()
	a, b := startNetwork(t, Config{Now: clock.now}), startNetwork(t, Config{Now: clock.now})
	if a.Oxend() == b.Oxend() || a.Seed() == b.Seed() || a.Node(0).URL() == b.Node(0).URL() {
		t.Error("they share an address")
	}
	if a.Status().Tip != b.Status().Tip {
		t.Error("of the same seed at the same time, yet they differ")
	}
	a.Mine(5)
	if from, to := b.Status().Height, a.Status().Height; to != from+5 {
		t.Errorf("heights %d and %d", from, to)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	mustAsk(t, newClient(t), "GET", b.Node(0).URL()+"/get_stats/v1", nil)
	tipOf(t, b.Oxend())
}

// TestClosed: nothing that is said to a closed network makes it listen again.
func TestClosed(t *testing.T) {
	t.Parallel()
	n, err := Start(Config{Nodes: 12, Life: true, Dice: 1})
	if err != nil {
		t.Fatal(err)
	}
	url := n.Node(3).URL()
	if err := errors.Join(n.Close(), n.Close()); err != nil {
		t.Fatal(err)
	}
	height := n.Status().Height
	n.Mine(20)
	n.Reorg(1)
	n.PopBlocks(1)
	for what, err := range map[string]error{
		"do":       n.Do(3, ActMove, 0),
		"inject":   n.Inject(Fault{"3", "down", ""}),
		"register": second(n.Register(mustName(ons.Session, "a"), madeUp(ons.Session, "a"), 0)),
		"update":   second(n.Update(mustName(ons.Session, "a"), madeUp(ons.Session, "a"))),
		"renew":    second(n.Renew(mustName(ons.Lokinet, "a.loki"), 1)),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got := n.Status().Height; got != height {
		t.Errorf("height %d, was %d", got, height)
	}
	for _, url := range []string{url, n.Node(3).URL(), n.Oxend(), n.Seed()} {
		if _, err := ask(t, newClient(t), "GET", url, nil); err == nil {
			t.Errorf("%s answers", url)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// goroutinesOf are the stacks of this package's goroutines, but for those of tests.
func goroutinesOf(mark string) (list []string) {
	b := make([]byte, 16<<20)
	for _, stack := range strings.Split(string(b[:runtime.Stack(b, true)]), "\n\n") {
		if strings.Contains(stack, mark) && !strings.Contains(stack, "testing.tRunner") {
			list = append(list, stack)
		}
	}
	return list
}

// TestNoGoroutineLeft must not be parallel: it looks at all goroutines of the process.
func TestNoGoroutineLeft(t *testing.T) {
	const own = "onsight/internal/devnet"
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	http.DefaultClient.CloseIdleConnections()
	wait := func() (left []string) {
		for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
			left = append(goroutinesOf(own), goroutinesOf("net/http.(*conn)")...)
			if len(left) == 0 {
				return nil
			}
		}
		return left
	}
	if left := wait(); left != nil {
		t.Fatalf("before: %s", strings.Join(left, "\n\n"))
	}
	n, err := Start(Config{Life: true, Daemons: 3, BlockTime: time.Millisecond, Dice: 2, Latency: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	control, err := n.OpenControl(filepath.Join(t.TempDir(), "devnet.sock"), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Inject(Fault{"oxend3", "stall", ""}, Fault{"oxend2", "fork", "3"}, Fault{"4", "slow", "1h"}, Fault{"5", "drop-onions", ""}); err != nil {
		t.Fatal(err)
	}
	client := newClient(t)
	var pending sync.WaitGroup
	for _, url := range []string{n.Daemon(2).URL() + "/get_height", n.Node(4).URL() + "/get_stats/v1", n.Oxend() + "/get_height", n.Seed() + "get_height"} {
		pending.Go(func() {
			if r, err := client.Get(url); err == nil {
				r.Body.Close()
			}
		})
	}
	for range 3 {
		n.Mine(10)
	}
	if err := errors.Join(control.Close(), n.Close()); err != nil {
		t.Error(err)
	}
	pending.Wait()
	client.CloseIdleConnections()
	if left := wait(); left != nil {
		t.Errorf("after Close %d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
	}
	if _, err := Start(Config{Addr: taken.Addr().String()}); err == nil {
		t.Error("it starts on an address that is taken")
	}
	if _, err := Start(Config{Faults: []Fault{{"99", "down", ""}}}); err == nil {
		t.Error("it starts with a fault of no node")
	}
	if left := wait(); left != nil {
		t.Errorf("after a failed Start %d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
	}
}

func TestBlockTime(t *testing.T) {
	t.Parallel()
	n := startNetwork(t, Config{Nodes: 2, BlockTime: time.Millisecond})
	from := n.Status().Height
	for deadline := time.Now().Add(20 * time.Second); n.Status().Height < from+3; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("no blocks come")
		}
	}
}

// BenchmarkStart starts and ends the network of the demo; it is to take less than 2 s and 150 MB.
func BenchmarkStart(b *testing.B) {
	var before, after runtime.MemStats
	var held uint64
	for b.Loop() {
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&before)
		b.StartTimer()
		n, err := Start(Config{Nodes: 60, Life: true, Names: DemoNames(1, 200)})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&after)
		held = max(held, after.HeapInuse+after.StackInuse-min(before.HeapInuse+before.StackInuse, after.HeapInuse+after.StackInuse))
		if err := n.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/start")
	b.ReportMetric(float64(held)/1e6, "MB")
}
