package storage

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"onsight/internal/snode"
)

// recording is one call to a real server (see ../testdata/README.md).
type recording struct {
	name    string
	at      int64 // when it was answered, in milliseconds
	Request struct {
		Path   string
		Method *string
		Params json.RawMessage
		Raw    *string `json:"raw_body"`
	}
	Response json.RawMessage
	Status   int               `json:"http_status"`
	Headers  map[string]string `json:"response_headers"`
}

// elsewhere are the recordings that no Server answers, with the reason.
var elsewhere = map[string]string{
	"err_404_path":               "HTTP: the front's",
	"err_get_storage_rpc":        "HTTP: the front's",
	"err_long_poll_header_410":   "HTTP: the front's",
	"info_get_stats_v1":          "HTTP: the front's",
	"ping_test":                  "HTTP: the front's",
	"store_http_body_over_10MiB": "HTTP: the front's",
	"onion_*":                    "onion requests: the front's",
}

// leftOut gives the pattern of elsewhere that a recording fits.
func leftOut(t *testing.T, name string) string {
	t.Helper()
	for pattern := range elsewhere {
		if ok, err := filepath.Match(pattern, name); ok || err != nil {
			return pattern
		}
	}
	return ""
}

func readRecordings(t *testing.T) []recording {
	t.Helper()
	paths, err := filepath.Glob("../testdata/rpc/storage/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatal("no recordings", err)
	}
	var all []recording
	left := map[string]bool{}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r := recording{name: strings.TrimSuffix(filepath.Base(path), ".json")}
		if err := json.Unmarshal(b, &r); err != nil {
			t.Fatal(path, err)
		}
		if pattern := leftOut(t, r.name); pattern != "" {
			left[pattern] = true
			continue
		}
		r.at = r.when(t)
		all = append(all, r)
	}
	if len(left) != len(elsewhere) {
		t.Errorf("left out are %v, which is not all of %v", left, elsewhere)
	}
	slices.SortStableFunc(all, func(a, b recording) int { return cmp.Compare(a.at, b.at) })
	return all
}

// when is the time in the reply, or the one the client signed, or the second the HTTP header shows.
func (r recording) when(t *testing.T) int64 {
	t.Helper()
	if at := timeIn(r.Response); at != 0 {
		return at
	}
	date, err := time.Parse(time.RFC1123, r.Headers["Date"])
	if err != nil && r.Headers != nil {
		t.Fatal(r.name, err)
	}
	second := date.Unix()*1000 + 999 // the header lags
	var p struct {
		Timestamp json.Number
	}
	if json.Unmarshal(r.Request.Params, &p) == nil {
		if at, err := strconv.ParseInt(string(p.Timestamp), 10, 64); err == nil && max(at, second)-min(at, second) < 3000 {
			return at
		}
	}
	return second
}

// timeIn finds a "t".
func timeIn(raw json.RawMessage) int64 {
	var o struct {
		T       int64
		Results []struct{ Body json.RawMessage }
		Result  struct{ Body json.RawMessage }
	}
	if json.Unmarshal(raw, &o) != nil {
		return 0
	}
	if o.T != 0 {
		return o.T
	}
	for _, r := range o.Results {
		if at := timeIn(r.Body); at != 0 {
			return at
		}
	}
	if o.Result.Body != nil {
		return timeIn(o.Result.Body)
	}
	return 0
}

// recordedWorld is the network of the recordings: two swarms of eight with the nodes of get_swarm, and one node in none. Of the keys only
// the Ed25519 ones are new, since the servers must sign; names maps the recorded ones, in hex, to them.
func recordedWorld(t *testing.T, all []recording) (w *world, first, other, stranger, unfunded *Server, names map[string]string) {
	t.Helper()
	w, _ = newWorld(t)
	names = map[string]string{}
	swarm := func(name string, id uint64) (servers []*Server) {
		i := slices.IndexFunc(all, func(r recording) bool { return r.name == name })
		var reply struct {
			Snodes []struct {
				IP      netip.Addr
				Port    uint16 `json:"port_https"`
				OMQ     uint16 `json:"port_omq"`
				Ed25519 string `json:"pubkey_ed25519"`
				Legacy  string `json:"pubkey_legacy"`
				X25519  string `json:"pubkey_x25519"`
			}
		}
		if err := json.Unmarshal(all[i].Response, &reply); err != nil {
			t.Fatal(err)
		}
		for _, n := range reply.Snodes {
			s := w.add(Member{
				Legacy: key32(t, n.Legacy), X25519: key32(t, n.X25519), IP: n.IP, HTTPS: n.Port, OMQ: n.OMQ, Swarm: id, Version: [3]uint16{2, 8, 0},
			}, [3]uint16{2, 8, 0})
			names[n.Ed25519] = hex.EncodeToString(s.key[:])
			servers = append(servers, s)
		}
		return servers
	}
	near, far := swarm("get_swarm", 0), swarm("get_swarm_other", 0x7fffffffffffffff)
	unfunded = w.add(Member{Swarm: snode.NoSwarm}, [3]uint16{2, 8, 0})
	if len(near) != 8 || len(far) != 8 {
		t.Fatal(len(near), len(far))
	}
	w.oxend = func(endpoint string, params json.RawMessage) (json.RawMessage, error) {
		return recordedOxend(t, all, endpoint, params)
	}
	return w, near[0], near[5], far[0], unfunded, names
}

// recordedOxend is the daemon: what it said to the same call, up to the order of names.
func recordedOxend(t *testing.T, all []recording, endpoint string, params json.RawMessage) (json.RawMessage, error) {
	for _, r := range all {
		var p struct {
			Endpoint string
			Params   json.RawMessage
		}
		if r.Request.Method == nil || *r.Request.Method != "oxend_request" || json.Unmarshal(r.Request.Params, &p) != nil {
			continue
		}
		if p.Params == nil {
			p.Params = json.RawMessage("{}")
		}
		if r.name == "oxend_down_oxend_request" || p.Endpoint != endpoint || !bytes.Equal(compact(t, p.Params), compact(t, params)) {
			continue
		}
		var out struct{ Result json.RawMessage }
		if json.Unmarshal(r.Response, &out) == nil {
			return compact(t, out.Result), nil
		}
		var text string
		if err := json.Unmarshal(r.Response, &text); err != nil {
			t.Fatal(err)
		}
		return nil, &DaemonError{-1, strings.TrimPrefix(text, "RPC error -1: ")}
	}
	t.Errorf("unrecorded call of the daemon: %s %s", endpoint, params)
	return nil, errors.New("not recorded")
}

func compact(t *testing.T, raw json.RawMessage) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func key32(t *testing.T, s string) [32]byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 32 {
		t.Fatal(s, err)
	}
	return [32]byte(b)
}

// Every recorded call, in the order of their times, against servers of the same network: status, text or JSON down to the last value and
// the body's very length. Signatures are of other keys, so the recorded one and ours must both verify over the same text.
func TestRecorded(t *testing.T) {
	t.Parallel()
	all := readRecordings(t)
	w, first, other, stranger, unfunded, names := recordedWorld(t, all)
	up := w.oxend
	for _, r := range all {
		w.oxend = up
		server := first
		switch r.name {
		case "retrieve_other_swarm_member":
			server = other
		case "retrieve_wrong_swarm_421", "store_wrong_swarm_421":
			server = stranger
		case "err_not_ready_unfunded_503":
			server = unfunded
		case "oxend_down_oxend_request":
			w.oxend = func(string, json.RawMessage) (json.RawMessage, error) { return nil, errors.New("the daemon is down") }
		case "delete":
			for _, s := range w.servers { // what it deletes was stored by a call that is not recorded
				s.Absorb([]Message{unrecorded(t, r)})
			}
		}
		var body []byte
		if r.Request.Raw != nil {
			body = []byte(*r.Request.Raw)
		} else {
			params := r.Request.Params
			if params == nil || string(params) == "null" {
				params = json.RawMessage("{}") // what the recorder sent
			}
			body = request(t, *r.Request.Method, params)
		}
		w.mu.Lock()
		w.clock = r.at
		w.mu.Unlock()
		got := server.Call(t.Context(), body)
		if got.Status != r.Status {
			t.Errorf("%s: got status %d %.200s, want %d %.200s", r.name, got.Status, got.Body, r.Status, r.Response)
			continue
		}
		r.compare(t, got, names)
	}
}

// unrecorded is the message that a recorded delete found.
func unrecorded(t *testing.T, r recording) Message {
	t.Helper()
	p := decode(t, r.Request.Params).(object)
	id, err := snode.ParseID(p["pubkey"].(string))
	if err != nil {
		t.Fatal(err)
	}
	return Message{Account: id, Hash: list(p["messages"])[0], Timestamp: r.at, Expiry: r.at + 60_000}
}

func (r recording) compare(t *testing.T, got Reply, names map[string]string) {
	t.Helper()
	if n := r.Headers["Content-Length"]; n != "" && n != strconv.Itoa(len(got.Body)) {
		t.Errorf("%s: got %d bytes, want %s", r.name, len(got.Body), n)
	}
	var text string
	if json.Unmarshal(r.Response, &text) == nil {
		if got.Type != Text || string(got.Body) != text {
			t.Errorf("%s: got %s, want %s", r.name, got.Body, text)
		}
		return
	}
	gotValue, wantValue := decode(t, got.Body), decode(t, r.Response)
	if got.Type != JSON {
		t.Errorf("%s: got type %d, want JSON", r.name, got.Type)
	}
	if !bytes.Equal(got.Body, marshal(gotValue)) {
		t.Errorf("%s: names are not ascending: %.300s", r.name, got.Body)
	}
	strip(t, r.name, deref(r.Request.Method), r.Request.Params, gotValue)
	strip(t, r.name, deref(r.Request.Method), r.Request.Params, wantValue)
	if r.name == "expire_beyond_30d_clamped" {
		for _, entry := range wantValue.(object)["swarm"].(object) { // by each node's own clock
			if at := number(t, entry.(object)["expiry"]); at-r.at-maxExpiry > 10 {
				t.Errorf("%s: %d", r.name, at)
			}
			entry.(object)["expiry"] = json.Number(strconv.FormatInt(r.at+maxExpiry, 10))
		}
	}
	if _, ok := wantValue.(object)["result"]; !ok { // what the daemon or a subrequest says holds none of our keys
		wantValue = renamed(wantValue, names)
	}
	settle(t, r.at, wantValue)
	if diff := gocmp.Diff(wantValue, gotValue); diff != "" {
		t.Errorf("%s: -want +got\n%.3000s", r.name, diff)
	}
}

// settle sets the times within a batch's answer to one: its parts took a few milliseconds.
func settle(t *testing.T, at int64, reply any) {
	t.Helper()
	results, _ := reply.(object)["results"].([]any)
	for _, r := range results {
		body, _ := r.(object)["body"].(object)
		for _, name := range []string{"t", "timestamp"} {
			if v, ok := body[name]; ok {
				if d := number(t, v) - at; d < 0 || d > 100 {
					t.Errorf("%s is off by %d", name, d)
				}
				body[name] = json.Number(strconv.FormatInt(at, 10))
			}
		}
	}
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func decode(t *testing.T, b []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return v
}

func number(t *testing.T, v any) int64 {
	t.Helper()
	n, err := strconv.ParseInt(string(v.(json.Number)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func numbers(t *testing.T, v any) []int64 {
	t.Helper()
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	out := []int64{}
	for _, n := range list {
		out = append(out, number(t, n))
	}
	return out
}

// renamed puts our Ed25519 keys in place of the recorded ones.
func renamed(v any, names map[string]string) any {
	switch v := v.(type) {
	case object:
		out := object{}
		for k, e := range v {
			if k == "pubkey_ed25519" {
				e = names[e.(string)]
			}
			if n, ok := names[k]; ok {
				k = n
			}
			out[k] = renamed(e, names)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = renamed(e, names)
		}
		return out
	}
	return v
}

// strip checks the signatures in a reply and takes them out.
func strip(t *testing.T, name, method string, raw json.RawMessage, reply any) {
	t.Helper()
	o, ok := reply.(object)
	if !ok {
		return
	}
	if results, ok := o["results"].([]any); ok {
		var p struct {
			Requests []struct {
				Method string
				Params json.RawMessage
			}
		}
		if err := json.Unmarshal(raw, &p); err != nil {
			t.Fatal(err)
		}
		for i, r := range results {
			strip(t, name, p.Requests[i].Method, p.Requests[i].Params, r.(object)["body"])
		}
		return
	}
	swarm, ok := o["swarm"].(object)
	if !ok {
		return
	}
	params, _ := decode(t, raw).(object)
	for node, e := range swarm {
		entry := e.(object)
		sig, err := base64.StdEncoding.DecodeString(entry["signature"].(string))
		public := key32(t, node)
		if err != nil || !ed25519.Verify(public[:], signedByNode(t, method, params, entry), sig) {
			t.Errorf("%s: the signature of %s does not verify", name, node)
		}
		delete(entry, "signature")
	}
}

// signedByNode is the text under a node's signature of its entry (spec C.6).
func signedByNode(t *testing.T, method string, params, entry object) []byte {
	t.Helper()
	id, err := snode.ParseID(params["pubkey"].(string))
	if err != nil {
		t.Fatal(err)
	}
	switch method {
	case "store":
		return snode.StoredText(entry["hash"].(string))
	case "delete":
		return snode.DeletedText(id, list(params["messages"]), list(entry["deleted"]))
	case "delete_all":
		return snode.DeletedAllText(id, number(t, params["timestamp"]), list(entry["deleted"]))
	case "delete_before":
		return snode.DeletedAllText(id, number(t, params["before"]), list(entry["deleted"]))
	case "expire_all":
		return snode.DeletedAllText(id, number(t, params["expiry"]), list(entry["updated"]))
	case "expire":
		unchanged := map[string]int64{}
		if u, ok := entry["unchanged"].(object); ok {
			for h, at := range u {
				unchanged[h] = number(t, at)
			}
		}
		return snode.ExpiredText(id, numbers(t, entry["expiry"]), list(params["messages"]), list(entry["updated"]), unchanged)
	case "revoke_subaccount", "unrevoke_subaccount":
		var tokens []snode.Token
		for _, s := range append(list(params["revoke"]), list(params["unrevoke"])...) {
			token, err := snode.ParseToken(s)
			if err != nil {
				t.Fatal(err)
			}
			tokens = append(tokens, token)
		}
		return snode.TokensText(id, number(t, params["timestamp"]), tokens)
	}
	t.Fatal("no text for", method)
	return nil
}

// list is the strings of an array, of an object of arrays, or a single one.
func list(v any) (all []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, s := range v {
			all = append(all, s.(string))
		}
	case object:
		for _, l := range v {
			all = append(all, list(l)...)
		}
	}
	return all
}
