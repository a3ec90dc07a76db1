package devnet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"onsight/ons"
)

func TestParseFaults(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]Fault{
		"":                           nil,
		" , ,":                       nil,
		"3:down":                     {{"3", "down", ""}},
		"oxend:slow=2s, 2-5:lie-ons": {{"oxend", "slow", "2s"}, {"2-5", "lie-ons", ""}},
		"oxend9:fork=3":              {{"oxend9", "fork", "3"}},
		"all:ok,0:status=503":        {{"all", "ok", ""}, {"0", "status", "503"}},
		"7-7:clock=-90s":             {{"7-7", "clock", "-90s"}},
		"oxend1:lossy=1":             {{"oxend1", "lossy", "1"}},
		"1:slow=0s,1:lossy=0":        {{"1", "slow", "0s"}, {"1", "lossy", "0"}},
	} {
		got, err := ParseFaults(text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %v %s", text, err, diff)
		}
	}
	for text, want := range map[string]string{
		"down":              "write TARGET:NAME",
		":down":             "write TARGET:NAME",
		"3:":                "use one of ahead, backwards, clock, down",
		"3:sleepy":          `no fault "sleepy"`,
		"oxend:down":        "use one of backwards, busy",
		"3:stall":           "use one of ahead, backwards, clock, down",
		"nobody:down":       "use oxend, oxend2, a node's number, 2-5 or all",
		"oxend0:stall":      "no target",
		"oxend-1:stall":     "no target",
		"oxend256:stall":    "no target",
		"5-2:down":          "no target",
		"-1:down":           "no target",
		"2-:down":           "no target",
		"99999999999:down":  "no target",
		"3:down=yes":        "takes no value",
		"3:slow":            "wants a duration",
		"3:slow=-1s":        "wants a duration",
		"3:slow=fast":       "wants a duration",
		"3:clock":           "wants a duration",
		"3:clock=soon":      "wants a duration",
		"3:lossy=1.5":       "between 0 and 1",
		"3:lossy=NaN":       "between 0 and 1",
		"3:status=200":      "404, 429, 500, 502, 503 or 504",
		"oxend:fork":        "wants a number of blocks",
		"oxend:fork=0":      "wants a number of blocks",
		"oxend:backwards=x": "wants a number of blocks",
		"3:down,4:sleepy":   "sleepy",
	} {
		if got, err := ParseFaults(text); !errors.Is(err, ErrFault) || !strings.Contains(err.Error(), want) || got != nil {
			t.Errorf("%q: %v, %v, want %q", text, got, err, want)
		}
	}
}

// FuzzParseFaults: what is read is written the same, and is read again as the same.
func FuzzParseFaults(f *testing.F) {
	for _, text := range []string{"", "3:down", "oxend:slow=2s,2-5:lie-ons", "all:ok", "oxend2:fork=3", "1:status=503,:,x:y=z", "0:clock=-1h", "0:lossy=5e-324"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		faults, err := ParseFaults(text)
		if err != nil {
			if !errors.Is(err, ErrFault) {
				t.Errorf("%v", err)
			}
			return
		}
		var written []string
		for _, fault := range faults {
			written = append(written, fault.String())
		}
		again, err := ParseFaults(strings.Join(written, ","))
		if diff := cmp.Diff(faults, again); err != nil || diff != "" {
			t.Errorf("%q: %v %s", text, err, diff)
		}
	})
}

// TestFaultNames: what a node says is wrong with it is what ParseFaults reads.
func TestFaultNames(t *testing.T) {
	t.Parallel()
	n := startNetwork(t, Config{Nodes: 2, Past: 60})
	const text = "1:down,1:slow=2s,1:lossy=0.3,1:clock=-1m30s,1:drop-onions,1:no-oxend,1:backwards=3,1:ahead=4," +
		"1:lie-ons,1:lie-swarm,1:lie-signature,1:lie-nodes,1:status=503"
	faults, err := ParseFaults(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Inject(faults...); err != nil {
		t.Fatal(err)
	}
	s := n.NodeStatus()
	if got := "1:" + strings.Join(s[1].Faults, ",1:"); got != text || len(s[0].Faults) != 0 {
		t.Errorf("got %s and %v, want %s", got, s[0].Faults, text)
	}
	if len(faults) != len(nodeFaults)-1 {
		t.Errorf("%d faults tried, there are %d and ok", len(faults), len(nodeFaults)-1)
	}
	if err := n.Inject(Fault{"all", "ok", ""}); err != nil || len(n.NodeStatus()[1].Faults) != 0 {
		t.Errorf("healed: %v, %v", n.NodeStatus()[1].Faults, err)
	}
	for _, fault := range []Fault{{"2", "down", ""}, {"oxend2", "stall", ""}, {"0-2", "down", ""}, {"0", "stall", ""}, {"", "", ""}} {
		if err := n.Inject(fault); !errors.Is(err, ErrFault) {
			t.Errorf("%v: %v", fault, err)
		}
	}
	if faults := n.Node(0).Faults(); faults != (NodeFaults{}) {
		t.Errorf("refused, yet %+v", faults)
	}
}

func inject(t testing.TB, n *Network, text string) {
	t.Helper()
	faults, err := ParseFaults(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Inject(faults...); err != nil {
		t.Fatal(err)
	}
}

// eachTime tells whether something is so each of several times: a busy machine is slow too, but not always.
func eachTime(is func() bool) bool {
	for range 5 {
		if !is() {
			return false
		}
	}
	return true
}

// TestNodeFaultsByName sees each named fault of nodes from outside. What they do in detail, nodefaults_test.go shows.
func TestNodeFaultsByName(t *testing.T) {
	t.Parallel()
	clock := newFakeClock()
	n := startNetwork(t, Config{Nodes: 40, OnionTimeout: 400 * time.Millisecond, Now: clock.now}) // of several swarms
	name, value := mustName(ons.Session, "carla"), madeUp(ons.Session, "carla")
	if _, err := n.Register(name, value, 0); err != nil {
		t.Fatal(err)
	}
	id := accountID(1)
	members := swarmMembers(t, n, id)
	node := members[0]
	i := node.Index()
	request := func(request string) (answer, error) {
		return ask(t, newClient(t), http.MethodPost, node.URL()+rpcPath, []byte(request))
	}
	resolve := fmt.Sprintf(`{"method":"oxend_request","params":{"endpoint":"ons_resolve","params":{"type":0,"name_hash":%q}}}`, name.Hash())
	swarm := fmt.Sprintf(`{"method":"get_swarm","params":{"pubkey":%q}}`, id)
	told := func(request string) string {
		a, err := ask(t, newClient(t), http.MethodPost, node.URL()+rpcPath, []byte(request))
		return fmt.Sprint(a.status, string(a.body), err)
	}
	const list = `{"method":"oxend_request","params":{"endpoint":"get_service_nodes","params":{"fields":{"pubkey_ed25519":true}}}}`
	truth := map[string]string{"resolve": told(resolve), "swarm": told(swarm), "list": told(list)}
	seen := map[string]func() bool{
		"down": func() bool { _, err := request(infoCall); return err != nil },
		"slow=100ms": func() bool {
			return eachTime(func() bool {
				begun := time.Now()
				_, err := request(infoCall)
				return err == nil && time.Since(begun) >= 100*time.Millisecond
			})
		},
		"lossy=1": func() bool { _, err := request(infoCall); return err != nil },
		"clock=-90s": func() bool {
			a, err := request(infoCall)
			return err == nil && strings.Contains(string(a.body), fmt.Sprint(clock.now().Add(-90*time.Second).UnixMilli()))
		},
		"drop-onions": func() bool {
			hops := append([]*Node{n.Node((i + 1) % 40)}, node)
			body, _, err := wrapFor(t, infoCall, hops...)
			if err != nil {
				t.Fatal(err)
			}
			a := mustAsk(t, newClient(t), http.MethodPost, hops[0].URL()+onionPath, body)
			_, err = request(infoCall)
			return a.status == http.StatusGatewayTimeout && err == nil
		},
		"no-oxend": func() bool {
			a, err := request(resolve)
			return err == nil && a.status == 400 && string(a.body) == "Unknown oxend error"
		},
		"backwards=1": func() bool {
			text := told(resolve) // which was registered in the last block
			return strings.Contains(text, `"result":{}`) && !strings.Contains(text, "encrypted_value")
		},
		"ahead=4000000000": func() bool {
			heights := told(`{"method":"oxend_request","params":{"endpoint":"get_service_nodes","params":{"fields":{"height":true},"limit":1}}}`)
			return strings.Contains(heights, fmt.Sprintf(`"height":%d`, n.Chain().Height()-1+4000000000)) && told(resolve) == truth["resolve"]
		},
		"lie-nodes": func() bool { return told(list) != truth["list"] && told(resolve) == truth["resolve"] },
		"lie-ons":   func() bool { return told(resolve) != truth["resolve"] && told(swarm) == truth["swarm"] },
		"lie-swarm": func() bool { return told(swarm) != truth["swarm"] && told(resolve) == truth["resolve"] },
		"lie-signature": func() bool {
			a, err := request(storeRequest(n, id, "c2ln"))
			return err == nil && a.status == 200 && !rightlySigned(t, a, node)
		},
		"status=503": func() bool { a, err := request(infoCall); return err == nil && a.status == 503 },
	}
	for fault, is := range seen {
		if is() {
			t.Errorf("%s is seen, but was not set", fault)
		}
		inject(t, n, fmt.Sprintf("%d:%s", i, fault))
		if !is() {
			t.Errorf("%s is not seen", fault)
		}
		inject(t, n, fmt.Sprintf("%d:ok", i))
		if is() {
			t.Errorf("%s is seen, but was ended", fault)
		}
	}
	if len(seen) != len(nodeFaults)-1 {
		t.Errorf("%d faults seen, there are %d and ok", len(seen), len(nodeFaults)-1)
	}
	// Several at once, and a range.
	inject(t, n, "2-4:slow=1ms,3:lossy=0.5")
	for j, want := range []NodeFaults{1: {}, 2: {Delay: time.Millisecond}, 3: {Delay: time.Millisecond, Loss: 0.5}, 4: {Delay: time.Millisecond}, 5: {}} {
		if got := n.Node(j).Faults(); got != want {
			t.Errorf("node %d: %+v, want %+v", j, got, want)
		}
	}
}

// TestDaemonFaultsByName sees each named fault of daemons from outside, at the daemon it was put on and at no other.
func TestDaemonFaultsByName(t *testing.T) {
	t.Parallel()
	n := startNetwork(t, Config{Nodes: 12, Daemons: 2, Past: 60})
	name := mustName(ons.Session, "carla")
	if _, err := n.Register(name, madeUp(ons.Session, "carla"), 0); err != nil {
		t.Fatal(err)
	}
	n.Mine(10)
	height := func(url string) (uint64, error) {
		raw, err := query(t, url, "get_height", `{}`)
		if err != nil {
			return 0, err
		}
		var r struct{ Height uint64 }
		err = json.Unmarshal(raw, &r)
		return r.Height, err
	}
	first := n.Daemon(0).URL()
	refused := func(text string) func(string) bool {
		return func(url string) bool {
			_, err := query(t, url, "get_height", `{}`)
			return err != nil && strings.Contains(err.Error(), text)
		}
	}
	seen := map[string]func(url string) bool{
		"error": refused("Internal error"),
		"busy":  refused("Server busy"),
		"stall": func(url string) bool {
			return eachTime(func() bool {
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/get_height", nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := newClient(t).Do(r)
				if err == nil {
					resp.Body.Close()
				}
				return errors.Is(err, context.DeadlineExceeded)
			})
		},
		"truncate": refused("EOF"),
		"garbage":  refused("invalid character"),
		"huge": func(url string) bool {
			resp, err := newClient(t).Get(url + "/get_height")
			if err != nil {
				return false
			}
			defer resp.Body.Close()
			b := make([]byte, 1<<20)
			k := 0
			for err == nil && k < len(b) {
				var got int
				got, err = resp.Body.Read(b[k:])
				k += got
			}
			return k == len(b)
		},
		"lossy=1": refused("EOF"),
		"slow=100ms": func(url string) bool {
			return eachTime(func() bool {
				begun := time.Now()
				_, err := height(url)
				return err == nil && time.Since(begun) >= 100*time.Millisecond
			})
		},
		"lie-ons":     func(url string) bool { _, err := resolved(t, url, name); return err != nil },
		"backwards=5": func(url string) bool { h, err := height(url); return err == nil && h == n.Chain().Height()-5 },
		"silent": func(url string) bool {
			before, _ := height(url)
			n.Mine(1)
			after, err := height(url)
			return err == nil && after == before
		},
		"fork=3": func(url string) bool {
			n.Mine(1)
			h, tip := tipOf(t, url)
			_, other := tipOf(t, first)
			if url == first {
				_, other = tipOf(t, n.Seed())
			}
			hash, err := n.Chain().Hash(h)
			return tip != other && (err != nil || hash.String() != tip)
		},
	}
	for fault, is := range seen {
		for i, url := range []string{first, n.Daemon(1).URL()} {
			if is(url) {
				t.Errorf("%s is seen at daemon %d, but was not set", fault, i)
			}
			target := [...]string{"oxend", "oxend2"}[i]
			inject(t, n, target+":"+fault)
			if !is(url) {
				t.Errorf("%s is not seen at daemon %d", fault, i)
			}
			if fault != "silent" && fault != "fork=3" && is(n.Daemon(1-i).URL()) {
				t.Errorf("%s is seen at daemon %d, but was set at %d", fault, 1-i, i)
			}
			inject(t, n, target+":ok")
			if is(url) {
				t.Errorf("%s is seen at daemon %d, but was ended", fault, i)
			}
		}
	}
	if len(seen) != len(daemonFaults)-1 {
		t.Errorf("%d faults seen, there are %d and ok", len(seen), len(daemonFaults)-1)
	}
}

// TestFork: two daemons on two forks, both of which grow, until one comes back.
func TestFork(t *testing.T) {
	t.Parallel()
	n := startNetwork(t, Config{Nodes: 4, Daemons: 2, Past: 60})
	one, two := n.Daemon(0).URL(), n.Daemon(1).URL()
	hash := func(url string, height uint64) string {
		var r struct {
			Header struct{ Hash string } `json:"block_header"`
		}
		mustQuery(t, url, "get_block_header_by_height", fmt.Sprintf(`{"height":%d}`, height), &r)
		return r.Header.Hash
	}
	tip := n.Status().Height
	inject(t, n, "oxend2:fork=3")
	if h, _ := tipOf(t, two); h != tip+1 {
		t.Errorf("the fork is at %d, the chain at %d", h, tip)
	}
	n.Mine(4)
	if h, _ := tipOf(t, two); h != tip+5 {
		t.Errorf("the fork is at %d, the chain at %d", h, n.Status().Height)
	}
	for height, same := range map[uint64]bool{tip - 4: true, tip - 3: true, tip - 2: false, tip: false, tip + 4: false} {
		if got := hash(one, height) == hash(two, height); got != same {
			t.Errorf("block %d is the same: %v, want %v", height, got, same)
		}
	}
	// What else is wrong with it does not end the fork.
	inject(t, n, "oxend2:slow=1ms")
	if hash(one, tip) == hash(two, tip) {
		t.Error("slow, and back on the chain")
	}
	inject(t, n, "oxend2:ok")
	if hash(one, tip) != hash(two, tip) {
		t.Error("healed, and still on its fork")
	}
	if h, _ := tipOf(t, two); h != n.Status().Height {
		t.Errorf("healed, and at %d, not %d", h, n.Status().Height)
	}
}

// TestSilentStays: another fault does not make a silent daemon speak.
func TestSilentStays(t *testing.T) {
	t.Parallel()
	n := startNetwork(t, Config{Nodes: 2, Past: 60})
	inject(t, n, "oxend:silent")
	at, _ := tipOf(t, n.Oxend())
	n.Mine(3)
	inject(t, n, "oxend:slow=1ms")
	if h, _ := tipOf(t, n.Oxend()); h != at {
		t.Errorf("silent since %d, and now at %d", at, h)
	}
	inject(t, n, "oxend:backwards=2")
	if h, _ := tipOf(t, n.Oxend()); h != at-2 {
		t.Errorf("silent since %d, two back, and now at %d", at, h)
	}
	inject(t, n, "oxend:ok")
	if h, _ := tipOf(t, n.Oxend()); h != n.Status().Height {
		t.Errorf("healed, and at %d", h)
	}
}
