package devnet_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"onsight/internal/devnet"
)

// call is a recorded request with its reply.
type call struct {
	Request struct {
		HTTP    string          `json:"http"`
		Path    string          `json:"path"`
		Method  *string         `json:"method"`
		Params  json.RawMessage `json:"params"`
		RawBody *string         `json:"raw_body"`
	} `json:"request"`
	Response json.RawMessage `json:"response"`
	Status   *int            `json:"http_status"`
	Port     string          `json:"port"`
	Note     string          `json:"note"`
	Alive    *bool           `json:"daemon_alive_after"`
}

// body is the request as it was sent.
func (c *call) body() []byte {
	switch {
	case c.Request.RawBody != nil:
		var b []byte
		for _, r := range *c.Request.RawBody {
			b = append(b, byte(r)) // recorded byte by byte; one body is not UTF-8
		}
		return b
	case c.Request.Method != nil:
		o := map[string]any{"jsonrpc": "2.0", "id": "0", "method": *c.Request.Method}
		if len(c.Request.Params) > 0 && string(c.Request.Params) != "null" {
			o["params"] = c.Request.Params
		}
		b, err := json.Marshal(o)
		if err != nil {
			panic(err)
		}
		return b
	case string(c.Request.Params) == "null":
		return nil
	}
	return c.Request.Params
}

func readCall(t testing.TB, path string) *call {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var c call
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return &c
}

// send sends a request as recorded and returns status and body.
func (c *call) send(t testing.TB, url string) (int, []byte, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), c.Request.HTTP, url+c.Request.Path, bytes.NewReader(c.body()))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, b, err
}

// shape decodes a body for comparing: numbers exact, text that is no JSON as a string.
func shape(b []byte) any {
	var v any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return string(b)
	}
	return v
}

// notComparable says, by the beginning of a file's name, why a recorded call cannot be compared with a replay of the chain recording.
var notComparable = map[string]string{
	"ckpt_":                              "another network, with checkpoints",
	"pulse_":                             "another network, with pulse blocks",
	"get_accrued":                        "method of service nodes",
	"get_checkpoints":                    "method of service nodes",
	"get_quorum_state":                   "method of service nodes",
	"get_service_keys":                   "method of service nodes",
	"get_service_node_":                  "method of service nodes",
	"get_staking_requirement":            "method of service nodes",
	"get_info_on_service_node":           "recorded on another node",
	"get_service_nodes_on_":              "recorded on another node",
	"get_service_nodes_without_proofs":   "recorded right after a restart, which forgot the proofs",
	"get_service_nodes_include_json":     "as_json is not in the recording",
	"get_service_nodes_after_unlock":     "nodes of another height, which the recording does not have",
	"get_service_nodes_unlock_requested": "nodes of another height, which the recording does not have",
	"get_service_nodes_before_hf9":       "nodes of another height, which the recording does not have",
}

func reason(name string) string {
	best := ""
	for prefix := range notComparable {
		if strings.HasPrefix(name, prefix) && len(prefix) > len(best) {
			best = prefix
		}
	}
	return notComparable[best]
}

// normalize removes what a replay cannot know or the daemon draws at random.
func normalize(name string, v any) any {
	o, ok := v.(map[string]any)
	if !ok {
		return v
	}
	r, ok := o["result"].(map[string]any)
	if !ok {
		r = o
	}
	delete(r, "blob")                     // get_block: not in the recording
	delete(r, "next_needed_pruning_seed") // sync_info: drawn
	if name == "get_connections" || name == "sync_info" {
		delete(r, "connections") // nobody is connected to a fake one
		delete(r, "peers")
	}
	for _, key := range [...]string{ // of the machine and the minute
		"free_space", "database_size", "start_time", "incoming_connections_count", "outgoing_connections_count", "target_height",
		"pulse_ideal_timestamp", "pulse_target_timestamp", "total_bytes_in", "total_bytes_out", "total_packets_in", "total_packets_out",
	} {
		if _, ok := r[key]; ok {
			r[key] = "…"
		}
	}
	if states, ok := r["service_node_states"].([]any); ok {
		r["service_node_states"] = nodes(name, states)
	}
	if header, ok := r["block_header"].(map[string]any); ok && header["pow_hash"] != nil {
		header["pow_hash"] = "…" // the recording does not have it
	}
	if images, ok := r["spent_key_images"].([]any); ok {
		r["spent_key_images"] = byText(images)
	}
	if rows, ok := r["entries"].([]any); ok && strings.HasPrefix(name, "ons_owners_to_names") {
		r["entries"] = byText(rows)
	}
	return v
}

// nodes keeps what of a list of service nodes is the same each time: how many, which fields, and the values that do not move.
func nodes(name string, states []any) any {
	var list []any
	for _, s := range states {
		o := s.(map[string]any)
		for key := range o {
			moves := strings.Contains(key, "uptime") || strings.Contains(key, "reachable") || strings.Contains(key, "reward") ||
				key == "earned_downtime_blocks"
			if moves || strings.Contains(name, "limit") || strings.Contains(name, "fields_all") || strings.Contains(name, "poll_") ||
				strings.Contains(name, "public") || strings.Contains(name, "n_service") || strings.Contains(name, "get_all") ||
				strings.Contains(name, "unknown") || strings.Contains(name, "false") || strings.Contains(name, "unsynced") {
				o[key] = "…" // a random pick: only the fields can be compared
			}
		}
		// Some lists appear only when not empty; which, depends on the node picked.
		for _, key := range [...]string{"pulse_participation", "checkpoint_participation", "timestamp_participation", "timesync_status"} {
			delete(o, key)
		}
		list = append(list, s)
	}
	return byText(list)
}

func byText(list []any) []string {
	var texts []string
	for _, v := range list {
		b, _ := json.Marshal(v)
		texts = append(texts, string(b))
	}
	for i := range texts {
		for j := i + 1; j < len(texts); j++ {
			if texts[j] < texts[i] {
				texts[i], texts[j] = texts[j], texts[i]
			}
		}
	}
	return texts
}

// TestContract plays every recorded call that belongs to the state of the chain recording against its replay.
func TestContract(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, recording, calls string
		state                  func(name string, c *devnet.Chain) // as the chain was when the call was recorded
		least                  int
	}{
		{"10", "testdata/oxend-chain.jsonl.gz", "testdata/rpc/oxend", func(name string, c *devnet.Chain) {
			if strings.Contains(name, "_pool") && (strings.Contains(name, "with_ons_tx") || strings.Contains(name, "in_pool")) {
				c.CutToPool(313, 1795303043)
			}
			if strings.HasPrefix(name, "unsynced") {
				c.Cut(301)
			}
		}, 249},
		{"11", "testdata/oxend11/chain.jsonl.gz", "testdata/oxend11/rpc", func(name string, c *devnet.Chain) {
			switch {
			case strings.HasSuffix(name, "just_started"):
				c.Cut(1)
			case strings.HasSuffix(name, "while_live"):
				c.Cut(244)
			default:
				c.CutToPool(293, 1795309641)
			}
		}, 349},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := devnet.OpenRecording(c.recording)
			if err != nil {
				t.Fatal(err)
			}
			files, err := filepath.Glob(c.calls + "/*.json")
			if err != nil || len(files) < 200 {
				t.Fatalf("%d files, %v", len(files), err)
			}
			compared, reasons := 0, map[string]int{}
			for _, file := range files {
				name := strings.TrimSuffix(filepath.Base(file), ".json")
				if why := reason(name); why != "" {
					reasons[why]++
					continue
				}
				compared++
				t.Run(name, func(t *testing.T) {
					q := readCall(t, file)
					chain := r.Chain()
					c.state(name, chain)
					public := q.Port == "public" || strings.Contains(name, "public")
					d := start(t, chain, devnet.Options{Public: public})
					if q.Alive != nil && !*q.Alive {
						testDeadly(t, q, d)
						return
					}
					testCall(t, name, q, d.URL())
				})
			}
			t.Logf("%d of %d recorded calls compared; not: %v", compared, len(files), reasons)
			if compared < c.least {
				t.Errorf("%d compared, want %d", compared, c.least)
			}
		})
	}
}

// testCall sends a recorded call and compares the reply with the recorded one.
func testCall(t *testing.T, name string, q *call, url string) {
	t.Helper()
	status, got, err := q.send(t, url)
	if err != nil {
		t.Fatal(err)
	}
	if status != *q.Status {
		t.Errorf("status %d, want %d", status, *q.Status)
	}
	want := shape(q.Response)
	if s, ok := want.(string); ok {
		if diff := cmp.Diff(s, string(got)); diff != "" {
			t.Error(diff)
		}
		return
	}
	if diff := cmp.Diff(normalize(name, want), normalize(name, shape(got))); diff != "" {
		t.Errorf("%s\n%s", q.body(), diff)
	}
}

// TestContractReorg plays the recorded calls around a reorganisation against the three chains built from them.
func TestContractReorg(t *testing.T) {
	t.Parallel()
	before, after, plusOne, err := devnet.LoadReorg("testdata")
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, s := range []devnet.ReorgState{before, after, plusOne} {
		d := start(t, s.Chain, devnet.Options{})
		files, err := filepath.Glob("testdata/rpc/reorg/" + s.Name + "_*.json")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), s.Name+"_"), ".json")
			if name == "get_service_nodes_top" {
				continue // its list of nodes is of that moment, but the recording's is of its end
			}
			compared++
			t.Run(s.Name+"/"+name, func(t *testing.T) { testCall(t, name, readCall(t, file), d.URL()) })
		}
	}
	if compared < 40 {
		t.Errorf("%d compared", compared)
	}
}

// testDeadly shows that a request which killed the real daemon kills this one: no reply, and nobody listens any more.
func testDeadly(t *testing.T, q *call, d *devnet.Daemon) {
	t.Helper()
	if _, _, err := q.send(t, d.URL()); err == nil {
		t.Error("it answers")
	}
	if err := d.Crashed(); !errors.Is(err, devnet.ErrCrashed) {
		t.Errorf("Crashed() = %v", err)
	}
	if _, err := http.Get(d.URL() + "/get_height"); err == nil {
		t.Error("it still listens")
	}
}

func start(t testing.TB, c *devnet.Chain, o devnet.Options) *devnet.Daemon {
	t.Helper()
	d, err := devnet.Serve(c, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}
