package devnet

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"onsight/internal/devnet/storage"
	"onsight/internal/onion"
	"onsight/internal/snode"
)

// storageUncompared are the recordings of storage servers that the contract test leaves out, and why.
var storageUncompared = map[string]string{
	"store_http_body_over_10MiB": "the recorder got no answer; TestNodeRoutes and TestNodeRefusesByHand have the 413",
}

// storageShapes are the recordings of which only names and types are compared, and why.
var storageShapes = map[string]string{
	"oxend_request_get_service_nodes":     "a limit draws nodes at random",
	"oxend_request_get_service_nodes_all": "proofs and rewards at the time of recording are not in the chain; its order is not stable",
	"oxend_request_no_params":             "as oxend_request_get_service_nodes_all",
}

// storageSkews are the recordings whose sender's clock is off by so much that the answer turns on when exactly they were sent: their
// own time says it, less the skew.
var storageSkews = map[string]time.Duration{"retrieve_old_timestamp_61s": -61 * time.Second}

// The storage ports of the recorded nodes that were asked.
const (
	ownSwarm     = 21153 // of account U
	secondMember = 21093 // of the same swarm
	otherSwarm   = 21033 // of account V
	unfunded     = 21163
)

// storageCall is a recorded call.
type storageCall struct {
	name    string
	at      time.Time
	Request struct {
		HTTP, Path   string
		Method       *string
		Params       json.RawMessage
		RawBody      *string `json:"raw_body"`
		Raw          string
		Hops         []string        `json:"hops_ed25519"`
		EncType      string          `json:"enc_type"`
		FinalHopJSON json.RawMessage `json:"final_hop_json"`
		FinalHopBody string          `json:"final_hop_body"`
	}
	Response  json.RawMessage
	Status    int               `json:"http_status"`
	Headers   map[string]string `json:"response_headers"`
	Decrypted *struct {
		Body   json.RawMessage
		Status int
	} `json:"response_decrypted"`
}

var millis = regexp.MustCompile(`"(?:t|timestamp|sig_timestamp)\\*": ?(\d{13})`)

// readStorageCalls reads the recordings in the order they were made: by the times in them, and within a second that has none first.
func readStorageCalls(t *testing.T) []storageCall {
	t.Helper()
	files, err := filepath.Glob("testdata/rpc/storage/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	var calls []storageCall
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c := storageCall{name: strings.TrimSuffix(filepath.Base(file), ".json")}
		if err := json.Unmarshal(b, &c); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		date, _ := time.Parse(http.TimeFormat, c.Headers["Date"])
		c.at = date
		for _, m := range millis.FindAllSubmatch(b, -1) {
			ms, err := strconv.ParseInt(string(m[1]), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			at := time.UnixMilli(ms)
			// Other times are the sender's or a message's.
			if since := at.Sub(date); (date.IsZero() || since >= 0 && since < 2*time.Second) && at.After(c.at) {
				c.at = at
			}
		}
		if skew := storageSkews[c.name]; skew != 0 {
			var p struct{ Timestamp int64 }
			if err := json.Unmarshal(c.Request.Params, &p); err != nil {
				t.Fatal(err)
			}
			c.at = time.UnixMilli(p.Timestamp).Add(-skew)
		}
		calls = append(calls, c)
	}
	slices.SortStableFunc(calls, func(a, b storageCall) int { return a.at.Compare(b.at) })
	return calls
}

// recordedTown is the network of the recordings, with keys of our own, for theirs are not known: names translates what our nodes say.
func recordedTown(t *testing.T) (w *town, byPort map[int]int, names *strings.Replacer, byKey map[string]int) {
	t.Helper()
	var all struct {
		Response struct {
			Result struct {
				States []struct {
					Ed25519 string `json:"pubkey_ed25519"`
					X25519  string `json:"pubkey_x25519"`
					Legacy  string `json:"service_node_pubkey"`
					Port    int    `json:"storage_port"`
					OMQ     uint16 `json:"storage_lmq_port"`
					Swarm   uint64 `json:"swarm_id"`
				} `json:"service_node_states"`
			}
		}
	}
	b, err := os.ReadFile("testdata/rpc/storage/oxend_request_no_params.json")
	if err == nil {
		err = json.Unmarshal(b, &all)
	}
	if err != nil {
		t.Fatal(err)
	}
	states := all.Response.Result.States
	w = newTown(t, len(states), func(c *nodeConfig) { c.Version = [3]uint16{2, 8, 0} })
	byPort, byKey = map[int]int{}, map[string]int{}
	var pairs []string
	swarms := make([]uint64, len(states))
	for i, s := range states {
		n := w.nodes[i]
		theirs, err := hex.DecodeString(s.Ed25519)
		if err != nil {
			t.Fatal(err)
		}
		byPort[s.Port], byKey[s.Ed25519], swarms[i] = i, i, s.Swarm
		pairs = append(pairs, hex.EncodeToString(n.ed25519[:]), s.Ed25519, hex.EncodeToString(n.x25519[:]), s.X25519,
			snode.Address(n.legacy), snode.Address([32]byte(theirs)))
	}
	w.settle(swarms...)
	w.change(func() {
		w.tip = 335
		for i, s := range states { // what is shown is not where our nodes listen
			w.list[i].HTTPS, w.list[i].OMQ, w.list[i].IP = uint16(s.Port), s.OMQ, w.nodes[0].ip
		}
	})
	return w, byPort, strings.NewReplacer(pairs...), byKey
}

// recordedDaemon is a daemon at the block where the storage servers were recorded.
func recordedDaemon(t *testing.T) func(context.Context, string, json.RawMessage) (json.RawMessage, error) {
	t.Helper()
	recording, err := OpenRecording("testdata/oxend-chain.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	chain := recording.Chain()
	d, err := Serve(chain, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	chain.Cut(336)
	return func(ctx context.Context, endpoint string, params json.RawMessage) (json.RawMessage, error) {
		if len(params) == 0 {
			params = json.RawMessage("{}")
		}
		body := fmt.Appendf(nil, `{"jsonrpc":"2.0","id":0,"method":%q,"params":%s}`, endpoint, params)
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL()+"/json_rpc", bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			return nil, err
		}
		defer response.Body.Close()
		var reply struct {
			Result json.RawMessage
			Error  *storage.DaemonError
		}
		if err := json.NewDecoder(io.LimitReader(response.Body, 10<<20)).Decode(&reply); err != nil {
			return nil, err
		}
		if reply.Error != nil {
			return nil, reply.Error
		}
		return reply.Result, nil
	}
}

// TestStorageContract sends every recorded request, unchanged and in the recorded order, at the recorded time, to nodes in the
// recorded state, and compares the answers.
func TestStorageContract(t *testing.T) {
	t.Parallel()
	w, byPort, names, byKey := recordedTown(t)
	daemon := recordedDaemon(t)
	c := newClient(t)
	for _, call := range readStorageCalls(t) {
		t.Run(call.name, func(t *testing.T) {
			if why, ok := storageUncompared[call.name]; ok {
				t.Skip(why)
			}
			w.change(func() {
				w.at = call.at
				w.daemon = daemon
				if strings.HasPrefix(call.name, "oxend_down_") {
					w.daemon = func(context.Context, string, json.RawMessage) (json.RawMessage, error) {
						return nil, errors.New("down")
					}
				}
			})
			if call.name == "delete" {
				call.absorb(t, w)
			}
			var a answer
			var key onion.Key
			node := w.nodes[byPort[call.port()]]
			if call.Request.Path == onionPath {
				a, key = call.onion(t, w, c, byKey)
			} else {
				a = call.rpc(t, c, node)
			}
			if a.status != call.Status {
				t.Fatalf("got %v, want %d", a, call.Status)
			}
			for _, h := range []string{"Server", "Content-Type"} {
				if want, got := call.Headers[h], a.header.Get(h); want != "" && got != want {
					t.Errorf("%s %q, want %q", h, got, want)
				}
			}
			if want := call.Headers["X-Oxen-Snode-Pubkey"]; want != "" {
				if got := a.header.Get("X-Oxen-Snode-Pubkey"); got != base64.StdEncoding.EncodeToString(node.legacy[:]) {
					t.Errorf("X-Oxen-Snode-Pubkey %q", got)
				}
			}
			want, got := call.Response, a.body
			if call.Decrypted != nil {
				status, inner, err := onion.OpenReply(key, a.body)
				if err != nil || status != call.Decrypted.Status {
					t.Fatalf("inner %d %s, %v, want %d", status, inner, err, call.Decrypted.Status)
				}
				want, got = call.Decrypted.Body, inner
			}
			d := differ{shape: storageShapes[call.name] != ""}
			d.compare("", d.parse(want), d.parse([]byte(names.Replace(string(got)))))
			if len(d.found) > 0 {
				t.Errorf("(want, got)\n%s", strings.Join(d.found[:min(len(d.found), 12)], "\n"))
			}
		})
	}
}

// port says which of the recorded nodes was asked.
func (c *storageCall) port() int {
	switch {
	case c.Status == http.StatusMisdirectedRequest:
		return otherSwarm
	case c.name == "retrieve_other_swarm_member":
		return secondMember
	case c.name == "err_not_ready_unfunded_503":
		return unfunded
	}
	return ownSwarm
}

// absorb gives the nodes the message that the recorded delete found: no recorded store made it, so its data is not known.
func (c *storageCall) absorb(t *testing.T, w *town) {
	t.Helper()
	var p struct {
		Pubkey   string
		Messages []string
	}
	if err := json.Unmarshal(c.Request.Params, &p); err != nil {
		t.Fatal(err)
	}
	id, err := snode.ParseID(p.Pubkey)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range w.nodes {
		n.storage.Absorb([]storage.Message{{
			Account: id, Hash: p.Messages[0], Timestamp: c.at.UnixMilli(), Expiry: c.at.Add(time.Minute).UnixMilli(),
		}})
	}
}

func (c *storageCall) rpc(t *testing.T, client *http.Client, n *Node) answer {
	t.Helper()
	var body []byte
	switch {
	case c.Request.RawBody != nil:
		body = []byte(*c.Request.RawBody)
	case c.Request.Method != nil:
		params := c.Request.Params
		if len(params) == 0 || string(params) == "null" { // the recorder's way to write {}
			params = json.RawMessage("{}")
		}
		body = fmt.Appendf(nil, `{"method":%q,"params":%s}`, *c.Request.Method, params)
	}
	method := c.Request.HTTP
	if method == "" {
		method = http.MethodPost
	}
	var headers []string
	if c.name == "err_long_poll_header_410" {
		headers = []string{"X-Loki-Long-Poll", "1"}
	}
	return mustAsk(t, client, method, n.URL()+c.Request.Path, body, headers...)
}

// onion wraps the recorded request for our nodes.
func (c *storageCall) onion(t *testing.T, w *town, client *http.Client, byKey map[string]int) (answer, onion.Key) {
	t.Helper()
	guard := w.nodes[byKey["434f8547482f6e8c4546c85563d943813ce26b4eb2fadb3bfc472b8b61bb4d07"]]
	var body []byte
	var key onion.Key
	switch {
	case c.name == "onion_garbage_ciphertext":
		body = onion.Frame([]byte("garbage ciphertext"), fmt.Appendf(nil, `{"ephemeral_key":"%x"}`, guard.x25519))
	case c.name == "onion_short_payload":
		body = []byte{1, 2}
	default:
		guard = w.nodes[byKey[c.Request.Hops[0]]]
		var path []onion.Hop
		for _, h := range c.Request.Hops {
			path = append(path, hop(t, w.nodes[byKey[h]]))
		}
		if c.name == "onion_next_node_unknown_502" {
			path[2].Ed25519 = [32]byte(bytes.Repeat([]byte{0xab}, 32))
		}
		control := c.Request.FinalHopJSON
		if bytes.Contains(control, []byte(`"host"`)) { // the recorder left out what no node reads before it posts
			control = fmt.Appendf(nil, `{"ephemeral_key":"%x",%s`, path[0].X25519.Bytes(), bytes.TrimSpace(control)[1:])
		}
		e, err := onion.ParseEncryption(c.Request.EncType)
		if err != nil {
			t.Fatal(err)
		}
		body, key = sealThrough(t, e, path, onion.Frame([]byte(c.Request.FinalHopBody), control))
	}
	return mustAsk(t, client, http.MethodPost, guard.URL()+onionPath, body), key
}

// sealThrough seals what the last of path gets, whatever it is, and wraps that for the others. key opens the last one's replies.
func sealThrough(t *testing.T, e onion.Encryption, path []onion.Hop, plain []byte) (body []byte, key onion.Key) {
	t.Helper()
	var control []byte
	for i := len(path) - 1; i >= 0; i-- {
		secret, err := ecdh.X25519().GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		layer, err := onion.ClientKey(e, secret, path[i].X25519)
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := layer.Seal(nil, plain)
		if err != nil {
			t.Fatal(err)
		}
		if i == len(path)-1 {
			key = layer
		}
		part := fmt.Sprintf(`"ephemeral_key":"%x","enc_type":%q}`, secret.PublicKey().Bytes(), e.String())
		body, control = onion.Frame(sealed, []byte("{"+part)), fmt.Appendf(nil, `{"destination":"%x",%s`, path[i].Ed25519, part)
		plain = onion.Frame(sealed, control)
	}
	return body, key
}
