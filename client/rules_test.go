package client

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"onsight/client/store"
	"onsight/directory"
	"onsight/internal/onion"
	"onsight/internal/snode"
	"onsight/ons"
)

const someList = `{"height":7,"service_node_states":[
 {"public_ip":"1.2.3.4","storage_port":22021,"pubkey_ed25519":"434f8547482f6e8c4546c85563d943813ce26b4eb2fadb3bfc472b8b61bb4d07","pubkey_x25519":"affb49ba355ed52e7753f62149e2d07d2ca8ea723177e6c05f31373adfc09d37","swarm_id":18446744073709551615,"operator_address":"L8"},
 {"public_ip":"192.168.0.1","storage_port":1,"pubkey_ed25519":"398799fa8c66ca963243f80f37f63920e7e28c74c1c1db1d30e0cb7650ba2e55","pubkey_x25519":"74a56338fa5cefb21b214d9eaf7c8d477277aae79043bafd18f706d28573d155","swarm_id":0}]}`

// FuzzParseList: what is taken of a list can be connected to, and is nobody's twice.
func FuzzParseList(f *testing.F) {
	f.Add([]byte(someList), true)
	f.Add([]byte(someList), false)
	f.Add([]byte(`{"service_node_states":[{"public_ip":"0.0.0.0"},{"public_ip":"fe80::1%eth0"},7,null]}`), false)
	f.Fuzz(func(t *testing.T, list []byte, mainnet bool) {
		nodes, err := ParseList(list, mainnet)
		if err != nil {
			return
		}
		p := newPool(slices.Clone(nodes), time.Time{})
		if len(p.nodes) != len(nodes) || len(p.by) != len(nodes) {
			t.Errorf("of %d nodes %d are usable, %d different", len(nodes), len(p.nodes), len(p.by))
		}
		for _, n := range p.list {
			if !reachable(n.IP, mainnet) || n.StoragePort == 0 {
				t.Errorf("node at %s:%d", n.IP, n.StoragePort)
			}
			if p.find(n.Ed25519) == nil {
				t.Error("a node is not found by its key")
			}
		}
	})
}

// FuzzParseSaid: what is taken for an answer about a name is a value that a name can have.
func FuzzParseSaid(f *testing.F) {
	f.Add([]byte(`{"results":[{"code":200,"body":{"hf":[19,6],"result":{"encrypted_value":"bba6eb99f8ecc9cfda44e3b260fd7922ab0c908c8bef300090d24239b2f7540d6c27859b41cf06ec3fa66a7f2fc4236369","nonce":"d0519b48da9c0e7d4e339fe464e2c2c1b33dc6afe6f0f755"},"t":1795304303300}},{"code":200,"body":{"result":{"height":335},"t":1795304303300}}]}`))
	f.Add([]byte(`{"results":[{"code":200,"body":{"result":{}}},{"code":200,"body":{"result":{"height":0}}}]}`))
	f.Add([]byte(`{"results":[{"code":400,"body":"RPC error -1: x"},{"code":200,"body":{}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := parseSaid(&answer{status: 200, body: body})
		if err != nil || s.absent {
			return
		}
		if _, err := ons.ParseSealed(ons.Session, s.sealed.Stored()); err != nil {
			t.Error(err)
		}
	})
}

// FuzzReplies: what else a node answers never panics, and no signature is taken for another's.
func FuzzReplies(f *testing.F) {
	hash := strings.Repeat("A", 43)
	f.Add([]byte(`{"snodes":[{"pubkey_ed25519":"434f8547482f6e8c4546c85563d943813ce26b4eb2fadb3bfc472b8b61bb4d07"}],"swarm":"7fffffffffffffff","t":1}`))
	f.Add([]byte(`{"hash":"` + hash + `","swarm":{"434f8547482f6e8c4546c85563d943813ce26b4eb2fadb3bfc472b8b61bb4d07":{"hash":"` + hash + `","signature":"AAAA"}}}`))
	f.Add([]byte(`{"messages":[{"hash":"` + hash + `","data":"AAIB","timestamp":1}],"more":true}`))
	f.Add([]byte(`{"results":[{"body":{"t":1700000000000}}]}`))
	c := &Client{account: NewAccount(Seed{1})}
	f.Fuzz(func(t *testing.T, body []byte) {
		if m, ok := c.parseMoved(body); ok && len(m.keys) == 0 {
			t.Error("moved to nobody")
		}
		if _, ok := parseStored(body, [32]byte{1}, hash, nil); ok {
			t.Error("somebody signs for a key that nobody has")
		}
		if list, _, err := parseMessages(body); err == nil && len(list) > 0 {
			for _, i := range c.read([32]byte{}, 0, list).Items {
				if (i.Change == nil) == (i.Reason == "") {
					t.Errorf("an item means %v, because %q", i.Change, i.Reason)
				}
			}
		}
		if at, ok := timeOf(body); ok && (at.Year() < 1970 || at.Year() > 9999) {
			t.Errorf("time %v", at)
		}
	})
}

// TestForgedCopies: signatures count of members of the swarm only, each once.
func TestForgedCopies(t *testing.T) {
	t.Parallel()
	hash := strings.Repeat("A", hashChars)
	var members []*store.Node
	entries, asked := []string{}, [32]byte{}
	for i := range byte(6) {
		key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{i}, 32))
		public := [32]byte(key.Public().(ed25519.PublicKey))
		if i < 2 {
			members, asked = append(members, &store.Node{Ed25519: public}), public
		}
		entries = append(entries, fmt.Sprintf(`"%x":{"hash":"%s","signature":"%s"}`, public, hash,
			base64.StdEncoding.EncodeToString(ed25519.Sign(key, snode.StoredText(hash)))))
	}
	copies, ok := parseStored([]byte(`{"hash":"`+hash+`","swarm":{`+strings.Join(entries, ",")+`}}`), asked, hash, members)
	if !ok || len(copies) != 2 {
		t.Errorf("%d copies, %v: want those of 2 members", len(copies), ok)
	}
}

// TestManyItems: an answer with more items than a server gives, or with such as none gives, is refused before it takes much memory.
func TestManyItems(t *testing.T) {
	item := `{"hash":"` + strings.Repeat("A", hashChars) + `","data":"AAIB"},`
	for _, c := range []struct {
		what, item string
		n          int
		most       uint64
	}{{"nothing", "{},", 1_000_000, 1 << 20}, {"no data", strings.Replace(item, "AAIB", "", 1), 50_000, 1 << 20}, {"small ones", item, 60_000, 20 << 20}} {
		body := []byte(`{"messages":[` + strings.TrimSuffix(strings.Repeat(c.item, c.n), ",") + `],"more":true}`)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, err := parseMessages(body)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; err == nil || took > c.most {
			t.Errorf("%d of %s: %d bytes, %v", c.n, c.what, took, err)
		}
	}
	list, more, err := parseMessages([]byte(`{"more":true,"messages":[` + item + strings.TrimSuffix(item, ",") + `],"t":1,"hf":[19,6]}`))
	if err != nil || !more || len(list) != 2 {
		t.Fatalf("got %d, %v, %v", len(list), more, err)
	}
	client := &Client{account: NewAccount(Seed{1})}
	if b := client.read([32]byte{}, 0, list); len(b.Items) != 1 {
		t.Errorf("the same item stands %d times", len(b.Items))
	}
}

// FuzzServers: what a seed node or a proxy answers with never panics, is not quoted in an error, and of what follows a proxy's answer
// nothing is lost.
func FuzzServers(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"result\":" + someList + "}"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 Connection established\r\n\r\n\x16\x03\x01"))
	request, err := http.NewRequest(http.MethodPost, "http://seed/json_rpc", nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, reply []byte) {
		if list, err := readSeed(bytes.NewReader(reply), request); err == nil {
			_, _ = ParseList(list, true)
		} else if errors.Is(err, errList) && err.Error() != errList.Error() {
			t.Errorf("an error says more than that there is no list: %v", err)
		}
		r := bytes.NewReader(reply)
		if err := readConnect(r); err == nil {
			rest, _ := io.ReadAll(r)
			end := len(reply)
			for _, blank := range []string{"\n\n", "\n\r\n"} { // a line may end in either way
				if at := bytes.Index(reply, []byte(blank)); at >= 0 {
					end = min(end, at+len(blank))
				}
			}
			if len(rest) != len(reply)-end {
				t.Errorf("%d bytes are left of %q", len(rest), reply)
			}
		}
	})
}

// FuzzJudge: hops are believed only of nodes that the request was to go through.
func FuzzJudge(f *testing.F) {
	q := somePath(4)
	f.Add(502, "Next node not found: "+hexKey(q.hops[1].Ed25519))
	f.Add(503, "Snode not ready: "+hexKey(q.hops[0].Ed25519))
	f.Fuzz(func(t *testing.T, status int, text string) {
		v := judge(q, [32]byte{9}, &hopError{status, text})
		if v.of == blameHop && v.key != q.hops[1].Ed25519 && v.key != q.hops[2].Ed25519 {
			t.Errorf("%x is blamed", v.key)
		}
	})
}

func somePath(first byte) *path {
	q := &path{}
	for i := range q.hops {
		q.hops[i] = &store.Node{Ed25519: [32]byte{first + byte(i)}}
	}
	return q
}

// TestMoved: how to reach a node that we do not know is believed of two members that say the same, each once.
func TestMoved(t *testing.T) {
	t.Parallel()
	c := &Client{cfg: Config{Network: ons.Devnet}}
	key := strings.Repeat("07", 32)
	says := func(ports ...int) correction {
		var nodes []string
		for _, port := range ports {
			nodes = append(nodes, fmt.Sprintf(`{"ip":"5.6.7.8","port":"%d","port_https":%d,"pubkey_ed25519":"%s","pubkey_x25519":"%[3]s"}`, port, port, key))
		}
		m, ok := c.parseMoved([]byte(`{"snodes":[` + strings.Join(nodes, ",") + `],"swarm":"7","t":1}`))
		if !ok {
			t.Fatal("not an answer")
		}
		return m
	}
	p := newPool(nil, time.Time{})
	for _, test := range []struct {
		say  []correction
		want int
	}{{[]correction{says(1)}, 0}, {[]correction{says(1, 1)}, 0}, {[]correction{says(1), says(2)}, 0}, {[]correction{says(1), says(2), says(2)}, 1}} {
		var v votes
		for i, m := range test.say {
			if got := v.add(m); got != i+1 {
				t.Errorf("%d name the swarm, want %d", got, i+1)
			}
		}
		list := p.among(v.of(7))
		if len(list) != test.want || test.want == 1 && (list[0].Port != 2 || list[0].IP != "5.6.7.8") {
			t.Errorf("of %d that speak: got %d nodes, want %d", len(test.say), len(list), test.want)
		}
	}
}

// TestJudge is the table of messaging.md B.4 and D.7.
func TestJudge(t *testing.T) {
	t.Parallel()
	q := somePath(4)
	to := [32]byte{9}
	key := func(k byte) string { b := [32]byte{k}; return hex.EncodeToString(b[:]) }
	for _, c := range []struct {
		err  error
		want blame
		key  byte
	}{
		{&snode.ConnectError{Err: io.EOF}, blameGuard, 0},
		{fmt.Errorf("onion request: %w", io.EOF), blamePath, 0},
		{onion.ErrOpen, blamePath, 0}, // anybody may have changed it
		{fmt.Errorf("%w: no status", onion.ErrReply), blameTarget, 0},
		{&hopError{502, "Next node not found: " + key(5)}, blameHop, 5},
		{&hopError{502, "Next node not found: " + key(6)}, blameHop, 6},
		{&hopError{502, "Next node not found: " + key(9)}, blameTarget, 9},
		{&hopError{502, "Next node not found: " + key(4)}, blameGuard, 0},
		{&hopError{502, "Next node not found: " + key(77)}, blamePath, 0},
		{&hopError{502, "Next node not found: 00"}, blamePath, 0},
		{&hopError{502, "Next node is currently unreachable: " + key(6) + "\n"}, blameHop, 6},
		{&hopError{503, "Snode not ready: " + key(5)}, blameHop, 5},
		{&hopError{503, "Service node is not ready: not in any swarm\n"}, blameGuard, 0},
		{&hopError{429, "Too Many Requests"}, blameGuard, 0},
		{&hopError{400, "Error parsing onion request: Invalid hop_no"}, blameGuard, 0},
		{&hopError{400, "Invalid ciphertext"}, blamePath, 0},
		{&hopError{500, "Invalid response from snode"}, blamePath, 0},
		{&hopError{504, "Request time out"}, blamePath, 0},
	} {
		got := judge(q, to, c.err)
		if got.of != c.want || got.key[0] != c.key {
			t.Errorf("%v: got %s %x, want %s %d", c.err, got.of, got.key[:1], c.want, c.key)
		}
	}
}

// TestDoubt: a hop that says of several that they do not work is not believed, unless something came through it between.
func TestDoubt(t *testing.T) {
	t.Parallel()
	c, err := New(Config{Store: &store.Store{}, Account: NewAccount(Seed{1})})
	if err != nil {
		t.Fatal(err)
	}
	q := somePath(4)
	says := func(key byte) verdict { return verdict{of: blameTarget, key: [32]byte{key}, by: q.hops[2]} }
	for i, key := range []byte{20, 21, 20, 21} {
		if v := c.doubt(q, says(key)); v.of != blameTarget {
			t.Fatalf("word %d is not believed", i+1)
		}
	}
	if v := c.doubt(q, says(22)); v.of != blameHop || v.key != q.hops[2].Ed25519 {
		t.Errorf("got %s %x, want the one who says so", v.of, v.key[:1])
	}
	for key := range byte(10) {
		c.works(t.Context(), q, &store.Node{Ed25519: [32]byte{9}}, 1, 1)
		if v := c.doubt(q, says(30+key)); v.of != blameTarget {
			t.Error("a hop that works is not believed")
		}
	}
	for key := range byte(maxAccused) {
		v := c.doubt(q, verdict{of: blameHop, key: [32]byte{key}, by: q.guard()})
		if want := map[bool]blame{false: blameHop, true: blameGuard}[key == maxAccused-1]; v.of != want {
			t.Errorf("of a guard's word %d: got %s, want %s", key+1, v.of, want)
		}
	}
}

// TestLegacyAnswer: a value of 2020 has no nonce, and opens.
func TestLegacyAnswer(t *testing.T) {
	t.Parallel()
	n, err := ons.ParseName(ons.Session, "old")
	if err != nil {
		t.Fatal(err)
	}
	id := NewAccount(Seed{4}).ID()
	sealed, err := n.SealLegacy(ons.Value{Type: ons.Session, Bytes: id[:]})
	if err != nil {
		t.Fatal(err)
	}
	body := fmt.Sprintf(`{"results":[{"code":200,"body":{"result":{"encrypted_value":"%x"}}},{"code":200,"body":{"result":{"height":5}}}]}`, sealed.Ciphertext)
	s, err := parseSaid(&answer{status: http.StatusOK, body: []byte(body)})
	if err != nil || s.height != 5 || !s.sealed.Legacy() {
		t.Fatalf("got %+v, %v", s, err)
	}
	v, err := n.Open(s.sealed)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := NewID(v); err != nil || got != id {
		t.Errorf("got %s, %v", got, err)
	}
}

// TestMainnetSubnets: on mainnet nothing makes two hops share a /24; a test network gives that up last.
func TestMainnetSubnets(t *testing.T) {
	t.Parallel()
	for _, network := range []ons.Network{ons.Mainnet, ons.Devnet} {
		c, err := New(Config{Store: &store.Store{}, Account: NewAccount(Seed{1}), Network: network})
		if err != nil {
			t.Fatal(err)
		}
		var nodes []store.Node
		for i := range byte(12) {
			nodes = append(nodes, store.Node{Ed25519: [32]byte{i + 1}, X25519: [32]byte{i + 1}, Port: 1, IP: fmt.Sprintf("5.6.%d.%d", i%2, i+1)})
		}
		p := newPool(nodes, time.Now())
		c.pool = p
		_, ok := c.behind(p, p.nodes[0], nil, nil, nil, nil)
		if ok != (network == ons.Devnet) {
			t.Errorf("%s: got a path %v out of two /24s", network, ok)
		}
	}
}

// TestSubnets6: IPv6 nodes of a /48 are neighbours, whether as guards, as hops or as witnesses.
func TestSubnets6(t *testing.T) {
	t.Parallel()
	c, err := New(Config{Store: &store.Store{}, Account: NewAccount(Seed{1})})
	if err != nil {
		t.Fatal(err)
	}
	var nodes []store.Node
	for i := range byte(24) { // of eight /48s
		nodes = append(nodes, store.Node{Ed25519: [32]byte{i + 1}, X25519: [32]byte{1}, Port: 1, IP: fmt.Sprintf("2a01:4f8:%x:%x::1", i/3+1, i)})
	}
	p := newPool(nodes, time.Now())
	c.pool = p
	nets := func(list []*store.Node) int {
		seen := map[string]bool{}
		for _, n := range list {
			seen[strings.Join(strings.Split(n.IP, ":")[:3], ":")] = true
		}
		return len(seen)
	}
	for range 50 {
		q, ok := c.behind(p, p.nodes[0], nil, nil, nil, nil)
		if !ok || nets(q.hops[:]) != directory.Hops {
			t.Fatal("two hops are neighbours")
		}
		if got := c.distinct(p, 20, nil); len(got) != 8 || nets(got) != 8 { // on mainnet no two, however few that leaves
			t.Fatalf("%d witnesses of %d networks", len(got), nets(got))
		}
		if !clashes(p.find(nodes[0].Ed25519), []*directory.Node{p.find(nodes[1].Ed25519)}) || clashes(p.find(nodes[0].Ed25519), []*directory.Node{p.find(nodes[3].Ed25519)}) {
			t.Fatal("neighbours are not known by their /48")
		}
	}
}

// TestMedianClock: no one node moves the clock.
func TestMedianClock(t *testing.T) {
	t.Parallel()
	var k clock
	for i, c := range []struct {
		node   byte
		offset time.Duration
		want   time.Duration
	}{
		{1, time.Hour, 0}, {2, time.Hour, 0}, {1, time.Hour, 0}, {3, time.Second, time.Hour}, {4, 2 * time.Second, 2 * time.Second},
		{5, 3 * time.Second, 3 * time.Second}, {5, 1000 * time.Hour, 2 * time.Second * 1800},
	} {
		k.learn([32]byte{c.node}, c.offset)
		if got := k.offset(); got != c.want {
			t.Errorf("step %d: got %v, want %v", i+1, got, c.want)
		}
	}
}

// TestDraw: every node that may be behind a guard is at times, and none much more often than its /24 says.
func TestDraw(t *testing.T) {
	t.Parallel()
	c, err := New(Config{Store: &store.Store{}, Account: NewAccount(Seed{1})})
	if err != nil {
		t.Fatal(err)
	}
	var nodes []store.Node
	for i := range byte(40) {
		nodes = append(nodes, store.Node{Ed25519: [32]byte{i + 1}, X25519: [32]byte{1}, Port: 1, IP: fmt.Sprintf("5.6.%d.9", i), Operator: fmt.Sprint(i / 4)})
	}
	p := newPool(nodes, time.Now())
	c.pool = p
	drawn := map[[32]byte]int{}
	const rounds = 3000
	for range rounds {
		q, ok := c.behind(p, p.nodes[0], nil, nil, nil, nil)
		if !ok {
			t.Fatal("no path")
		}
		if q.hops[1].Operator == q.hops[2].Operator || q.hops[1].Operator == q.hops[0].Operator {
			t.Fatal("two of one operator")
		}
		for _, h := range q.hops[1:] {
			drawn[h.Ed25519]++
		}
	}
	each := float64((directory.Hops-1)*rounds) / 36 // those of the guard's operator are out
	for _, n := range p.nodes[4:] {
		if k := float64(drawn[n.Ed25519]); k < each/2 || k > each*2 {
			t.Errorf("node %d was drawn %v times, on average it is %v", n.Ed25519[0], k, each)
		}
	}
}

// TestOrder: slow members of a swarm are left alone while there are three others, those that may have failed come last.
func TestOrder(t *testing.T) {
	t.Parallel()
	c, err := New(Config{Store: &store.Store{}, Account: NewAccount(Seed{1})})
	if err != nil {
		t.Fatal(err)
	}
	var members []*store.Node
	for i := range byte(6) {
		members = append(members, &store.Node{Ed25519: [32]byte{i}})
	}
	keys := func(not map[[32]byte]bool) (list []byte) {
		for _, n := range c.order(members, not) {
			list = append(list, n.Ed25519[0])
		}
		return list
	}
	if got := keys(nil); len(got) != 6 {
		t.Errorf("got %v, want all", got)
	}
	c.meet([32]byte{0}).extra = time.Second
	c.meet([32]byte{1}).extra = time.Second
	c.meet([32]byte{2}).until = time.Now().Add(time.Hour)
	got := keys(nil)
	if len(got) != 4 || got[3] != 2 {
		t.Errorf("got %v, want 3 to 5 and then 2", got)
	}
	got = keys(map[[32]byte]bool{{3}: true})
	if len(got) != 5 || got[2]+got[3] != 1 || got[4] != 2 {
		t.Errorf("got %v, want 4 and 5, the slow ones, and then 2", got)
	}
}
