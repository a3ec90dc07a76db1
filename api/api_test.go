package api_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"onsight/api"
	"onsight/directory"
	"onsight/indexer"
	"onsight/internal/events"
	"onsight/ons"
)

// record is a session name of the owner of number 1, bought at height 4000. Its hash begins with n.
func record(n byte) ons.Record {
	return ons.Record{
		Type: ons.Session, Hash: ons.Hash{n, 0xfb, 0xff, 0xfe}, Kind: ons.Buy, Owner: owner(1),
		Sealed:     ons.Sealed{Ciphertext: bytes.Repeat([]byte{n}, 49), Nonce: bytes.Repeat([]byte{0xee}, 24)},
		Registered: 4000, Updated: 4000, Txid: ons.Txid{n},
	}
}

func owner(n byte) ons.Owner { return ons.Owner{Kind: ons.OwnerEd25519, Key: [32]byte{n}} }

// lokinet is a name that expires.
func lokinet(n byte, expires uint64) ons.Record {
	r := record(n)
	r.Type, r.Expires = ons.Lokinet, expires
	r.Sealed.Ciphertext = r.Sealed.Ciphertext[:48]
	return r
}

// old2020 has a value of 2020.
func old2020(n byte) ons.Record {
	r := record(n)
	r.Sealed.Nonce = nil
	return r
}

func path(r ons.Record) string { return "/v1/names/" + r.Type.String() + "/" + r.Hash.String() }

func batch(records ...ons.Record) string {
	var items []string
	for _, r := range records {
		items = append(items, fmt.Sprintf(`{"type":%q,"hash":%q}`, r.Type, r.Hash))
	}
	return `{"names":[` + strings.Join(items, ",") + `]}`
}

func statusOf(t *testing.T, body []byte) string {
	t.Helper()
	var v struct{ Status string }
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return v.Status
}

// TestStatus holds the bounds of each status: the index stands at height 5010, so whoever asks asks at 5011, and a
// twelfth of its year is 100 blocks.
func TestStatus(t *testing.T) {
	t.Parallel()
	for i, c := range []struct {
		record ons.Record
		want   string
	}{
		{record(1), "registered"},
		{lokinet(2, 5112), "registered"},
		{lokinet(3, 5111), "expiring"},
		{lokinet(4, 5011), "expiring"},
		{lokinet(5, 5010), "expired"},
		{lokinet(6, 4001), "expired"},
		{old2020(7), "needs_update"},
	} {
		s := serve(t, config(indexOf(t, synced(), c.record)))
		code, body := s.do(t, "GET", path(c.record), "")
		if got := statusOf(t, body); code != 200 || got != c.want {
			t.Errorf("case %d: got %d %s, want %s", i, code, got, c.want)
		}
		for _, query := range []string{"", "?full=0", "?full=1"} {
			code, body = s.do(t, "POST", "/v1/names/resolve"+query, batch(c.record, record(99)))
			var got struct{ Names []struct{ Status string } }
			if err := json.Unmarshal(body, &got); code != 200 || err != nil || len(got.Names) != 2 {
				t.Fatalf("case %d: %d %v %s", i, code, err, body)
			}
			if got.Names[0].Status != c.want || got.Names[1].Status != "not_registered" {
				t.Errorf("case %d: batch%s: got %v, want %s and not_registered", i, query, got.Names, c.want)
			}
		}
		if code, body := s.do(t, "GET", path(c.record)+"/history", ""); code != 200 || statusOf(t, body) != c.want {
			t.Errorf("case %d: history: got %d %s, want %s", i, code, body, c.want)
		}
	}
}

// TestFields compares whole replies with what is written here.
func TestFields(t *testing.T) {
	t.Parallel()
	r := lokinet(0xab, 5020)
	r.Updated, r.Kind, r.Prev = 5001, ons.Renew, ons.Txid{9}
	r.Backup = owner(2)
	s := serve(t, config(indexOf(t, synced(), r, old2020(0xcd))))
	asOf := `,"as_of":{"height":5010,"hash":"0102030000000000000000000000000000000000000000000000000000000000","time":"2025-01-01T00:00:10Z"}}`
	pad := func(s string) string { return s + strings.Repeat("0", 64-len(s)) }
	tail := `"expiration_height":5020,"expires_at":"2025-01-01T00:20:10Z","txid":"` + pad("ab") + `","confirmations":10,"final":false`
	renewed := `"type":"lokinet","name_hash":"` + pad("abfbfffe") + `","status":"expiring","legacy":false,"encrypted_value":"` +
		strings.Repeat("ab", 48) + `","nonce":"` + strings.Repeat("ee", 24) + `","owner":"` + pad("01") + `","backup_owner":"` + pad("02") +
		`","register_height":4000,"registered_at":"2024-12-30T14:20:10Z","kind":"renew","update_height":5001,"updated_at":"2024-12-31T23:42:10Z",` + tail
	old := `"type":"session","name_hash":"` + pad("cdfbfffe") + `","status":"needs_update","legacy":true,"encrypted_value":"` +
		strings.Repeat("cd", 49) + `","nonce":null,"owner":"` + pad("01") + `","backup_owner":null,"register_height":4000,"registered_at":"2024-12-30T14:20:10Z","kind":"buy","update_height":4000,"updated_at":"2024-12-30T14:20:10Z",` +
		`"expiration_height":null,"expires_at":null,"txid":"` + pad("cd") + `","confirmations":1011,"final":true`
	for _, c := range []struct{ method, path, body, want string }{
		{"GET", path(r), "", `{` + renewed + asOf},
		{"GET", path(old2020(0xcd)), "", `{` + old + asOf},
		{"GET", "/v1/owners/" + pad("01") + "/names", "", `{"owner":"` + pad("01") + `","names":[{` + old + `},{` + renewed + `}],"next":null` + asOf},
		{"GET", "/v1/owners/" + pad("02") + "/names?limit=1", "", `{"owner":"` + pad("02") + `","names":[{` + renewed + `}],"next":null` + asOf},
		{"GET", "/v1/owners/" + pad("03") + "/names", "", `{"owner":"` + pad("03") + `","names":[],"next":null` + asOf},
		{"GET", path(r) + "/history", "", `{"type":"lokinet","name_hash":"` + pad("abfbfffe") + `","status":"expiring","history":[{"kind":"renew","height":5001,"time":"2024-12-31T23:42:10Z","txid":"` +
			pad("ab") + `","prev_txid":"` + pad("09") + `","legacy":false,"encrypted_value":"` + strings.Repeat("ab", 48) + `","nonce":"` +
			strings.Repeat("ee", 24) + `","owner":"` + pad("01") + `","backup_owner":"` + pad("02") +
			`","register_height":4000,"expiration_height":5020,"confirmations":10,"final":false}],"next":null` + asOf},
		{"POST", "/v1/names/resolve", batch(r, old2020(0xcd), record(1)), `{"names":[{"type":"lokinet","hash":"` + pad("abfbfffe") + `","status":"expiring","value":"` +
			strings.Repeat("ab", 48) + `","nonce":"` + strings.Repeat("ee", 24) + `"},{"type":"session","hash":"` + pad("cdfbfffe") +
			`","status":"needs_update","value":"` + strings.Repeat("cd", 49) + `","nonce":null},{"type":"session","hash":"` + pad("01fbfffe") +
			`","status":"not_registered","value":null,"nonce":null}]` + asOf},
		{"POST", "/v1/names/resolve?full=1", batch(r, record(1)), `{"names":[{"type":"lokinet","hash":"` + pad("abfbfffe") + `","status":"expiring","record":{` +
			renewed + `}},{"type":"session","hash":"` + pad("01fbfffe") + `","status":"not_registered","record":null}]` + asOf},
		{"POST", "/v1/names/resolve", `{"names":[]}`, `{"names":[]` + asOf},
		{"GET", "/healthz", "", `{"status":"ok"` + asOf},
		{"GET", "/readyz", "", `{"status":"ready"` + asOf},
	} {
		code, got := s.do(t, c.method, c.path, c.body)
		if diff := cmp.Diff(c.want, string(got)); code != 200 || diff != "" {
			t.Errorf("%s %s: %d (-want +got):\n%s", c.method, c.path, code, diff)
		}
	}
}

// TestHashForms asks for one name in every spelling of its hash.
func TestHashForms(t *testing.T) {
	t.Parallel()
	r := record(0xfb)
	s := serve(t, config(indexOf(t, synced(), r)))
	std, urlSafe := r.Hash.Base64(), base64.RawURLEncoding.EncodeToString(r.Hash[:])
	if !strings.ContainsAny(std, "+/") {
		t.Fatalf("%s looks the same in both alphabets", std)
	}
	hex := r.Hash.String()
	for _, c := range []struct {
		hash       string
		path, body int
	}{
		{hex, 200, 200}, {strings.ToUpper(hex), 200, 200}, {urlSafe, 200, 200},
		{urlSafe + "=", 400, 200}, {"%2B" + urlSafe[1:], 400, 400}, {strings.Replace(std[:43], "/", "_", 99), 400, 400},
		{hex[1:], 400, 400}, {hex + "0", 400, 400}, {"g" + hex[1:], 400, 400}, {urlSafe[:42] + "B", 400, 400}, {"alice", 400, 400},
	} {
		if code, body := s.do(t, "GET", "/v1/names/session/"+c.hash, ""); code != c.path {
			t.Errorf("path, %q: %d, want %d: %s", c.hash, code, c.path, body)
		}
		if strings.ContainsAny(c.hash, "+%") {
			continue
		}
		if code, body := s.do(t, "POST", "/v1/names/resolve", `{"names":[{"type":"session","hash":"`+c.hash+`"}]}`); code != c.body {
			t.Errorf("body, %q: %d, want %d: %s", c.hash, code, c.body, body)
		}
	}
	for _, hash := range []string{std, std[:43]} {
		if code, _ := s.do(t, "POST", "/v1/names/resolve", `{"names":[{"type":"session","hash":"`+hash+`"}]}`); code != 200 {
			t.Errorf("body, %q: %d", hash, code)
		}
	}
}

// errorCase is a request and the error it is answered with.
type errorCase struct {
	site               *site
	method, path, body string
	status             int
	code               string
}

// TestErrors provokes each error there is, and none that the document does not list.
func TestErrors(t *testing.T) {
	t.Parallel()
	r := record(1)
	many := make([]ons.Record, 1001)
	for i := range many {
		many[i] = record(byte(i))
	}
	owned := "/v1/owners/" + strings.Repeat("01", 32) + "/names"
	up := serve(t, config(indexOf(t, synced(), r)))
	none := serve(t, config(indexOf(t, indexer.State{})))
	broken := serve(t, api.Config{Snapshot: func() api.Snapshot { panic("no snapshot for alice") }})
	broken.snap = nil
	seen := map[ProblemCode]bool{}
	for _, c := range append(append(nodeErrors(t), eventErrors(t)...), []errorCase{
		{up, "GET", path(r) + "?alice=1", "", 400, "unknown_parameter"},
		{up, "GET", "/v1/status?limit=1", "", 400, "unknown_parameter"},
		{up, "GET", "/healthz?" + strings.Repeat("x", 5000), "", 400, "unknown_parameter"},
		{up, "GET", "/healthz?%ff", "", 400, "unknown_parameter"},
		{up, "GET", "/openapi.json?a", "", 400, "unknown_parameter"},
		{up, "GET", path(r) + "/history?%zz", "", 400, "invalid_parameter"},
		{up, "GET", owned + "?limit=0", "", 400, "invalid_parameter"},
		{up, "GET", owned + "?limit=1001", "", 400, "invalid_parameter"},
		{up, "GET", owned + "?limit=", "", 400, "invalid_parameter"},
		{up, "GET", owned + "?limit=1&limit=2", "", 400, "invalid_parameter"},
		{up, "GET", path(r) + "/history?limit=99999999999999999999", "", 400, "invalid_parameter"},
		{up, "GET", path(r) + "/history?limit=-1", "", 400, "invalid_parameter"},
		{up, "POST", "/v1/names/resolve?full=yes", batch(r), 400, "invalid_parameter"},
		{up, "GET", owned + "?next=x", "", 400, "invalid_cursor"},
		{up, "GET", owned + "?next=" + base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{3}, 33)), "", 400, "invalid_cursor"},
		{up, "GET", path(r) + "/history?next=x", "", 400, "invalid_cursor"},
		{up, "GET", path(r) + "/history?next=__________8", "", 400, "invalid_cursor"},
		{up, "GET", strings.Replace(path(r), "session", "Session", 1), "", 400, "invalid_type"},
		{up, "GET", strings.Replace(path(r), "session", "lokinet_2y", 1), "", 400, "invalid_type"},
		{up, "GET", "/v1/names/alice/" + r.Hash.String() + "/history", "", 400, "invalid_type"},
		{up, "POST", "/v1/names/resolve", `{"names":[{"hash":"` + r.Hash.String() + `"}]}`, 400, "invalid_type"},
		{up, "GET", "/v1/names/session/alice", "", 400, "invalid_hash"},
		{up, "GET", "/v1/names/session/alice/history", "", 400, "invalid_hash"},
		{up, "POST", "/v1/names/resolve", `{"names":[{"type":"session"}]}`, 400, "invalid_hash"},
		{up, "GET", "/v1/owners/alice/names", "", 400, "invalid_owner"},
		{up, "GET", "/v1/names/range/alice/0", "", 400, "invalid_range"},
		{up, "GET", "/v1/names/range/0/alice", "", 400, "invalid_range"},
		{up, "GET", "/v1/names/bundle?since=alice", "", 400, "invalid_parameter"},
		{up, "GET", path(r) + "?at_height=alice", "", 400, "invalid_parameter"},
		{up, "GET", path(r) + "?at_height=-1", "", 400, "invalid_parameter"},
		{up, "GET", path(r) + "?at_height=04000", "", 400, "invalid_parameter"},
		{up, "GET", path(r) + "?at_height=99999999999999999999", "", 400, "invalid_parameter"},
		{up, "GET", path(r) + "/history?at_height=", "", 400, "invalid_parameter"},
		{up, "GET", path(r) + "?at_height=5011", "", 404, "no_such_height"},
		{up, "GET", path(r) + "/history?at_height=5011", "", 404, "no_such_height"},
		{up, "GET", path(r) + "?at_height=3999", "", 404, "not_registered"},
		{up, "GET", path(record(2)) + "/history?at_height=5010", "", 404, "not_registered"},
		{up, "GET", "/v1/names?type=alice", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/names?kind=buy,", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/names?status=alice", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/names?limit=0", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/names?next=alice", "", 400, "invalid_cursor"},
		{up, "GET", "/v1/names/expiring?within=-1", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/names/expiring?within=1d", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/names/expiring?next=alice", "", 400, "invalid_cursor"},
		{up, "GET", "/v1/names/statistics?days=10001", "", 400, "invalid_parameter"},
		{up, "GET", "/v1/names/statistics?days=alice", "", 400, "invalid_parameter"},
		{up, "POST", "/v1/names/resolve", "", 400, "invalid_body"},
		{up, "POST", "/v1/names/resolve", "{}", 400, "invalid_body"},
		{up, "POST", "/v1/names/resolve", `{"names":null}`, 400, "invalid_body"},
		{up, "POST", "/v1/names/resolve", `{"names":["alice"]}`, 400, "invalid_body"},
		{up, "POST", "/v1/names/resolve", batch(r) + "x", 400, "invalid_body"},
		{up, "POST", "/v1/names/resolve", "[", 400, "invalid_body"},
		{up, "POST", "/v1/names/resolve", batch(many...), 400, "too_many_names"},
		{up, "GET", path(record(2)), "", 404, "not_registered"},
		{up, "GET", path(record(2)) + "/history", "", 404, "not_registered"},
		{up, "GET", "/", "", 404, "no_such_path"},
		{up, "GET", path(r) + "/", "", 404, "no_such_path"},
		{up, "GET", "/v1/names/session", "", 404, "no_such_path"},
		{up, "GET", "/v1/names//" + r.Hash.String(), "", 400, "invalid_type"},
		{up, "GET", "//healthz", "", 404, "no_such_path"},
		{up, "PUT", path(r), "", 405, "method_not_allowed"},
		{up, "OPTIONS", path(r), "", 405, "method_not_allowed"},
		{up, "GET", "/v1/names/resolve", "", 405, "method_not_allowed"},
		{up, "POST", "/v1/names/resolve", strings.Repeat(" ", 256<<10+1), 413, "body_too_large"},
		{none, "GET", "/readyz", "", 503, "behind"},
		{none, "GET", path(r), "", 503, "behind"},
		{none, "GET", path(r) + "/history", "", 503, "behind"},
		{none, "GET", owned, "", 503, "behind"},
		{none, "GET", "/v1/owners/alice/names", "", 503, "behind"},
		{none, "GET", "/v1/names/range/0/0", "", 503, "behind"},
		{none, "POST", "/v1/names/resolve", batch(r), 503, "behind"},
		{none, "GET", path(r) + "?at_height=1", "", 503, "behind"},
		{none, "GET", "/v1/names", "", 503, "behind"},
		{none, "GET", "/v1/names/expiring", "", 503, "behind"},
		{none, "GET", "/v1/names/statistics", "", 503, "behind"},
		{broken, "GET", "/healthz", "", 500, "internal"},
		{broken, "GET", "/openapi.json", "", 500, "internal"},
		{broken, "GET", path(r), "", 500, "internal"},
		{broken, "POST", "/v1/names/resolve", batch(r), 500, "internal"},
	}...) {
		code, body := c.site.do(t, c.method, c.path, c.body)
		p := problemOf(t, body)
		seen[p.Code] = true
		if code != c.status || string(p.Code) != c.code {
			t.Errorf("%s %.90s: got %d %s, want %d %s", c.method, c.path, code, body, c.status, c.code)
		}
		// What was asked is not repeated; the name of a parameter is.
		if c.code == "unknown_parameter" && !strings.Contains(p.Detail, `"`) {
			t.Errorf("%.90s: %s names no parameter", c.path, p.Detail)
		}
		if c.code != "unknown_parameter" && (strings.Contains(string(body), "alice") || strings.Contains(string(body), r.Hash.String())) {
			t.Errorf("%.90s: %s repeats what was asked", c.path, body)
		}
	}
	for _, header := range []string{"", "text/plain", "application/x-www-form-urlencoded"} {
		got := up.send(t, "POST", "/v1/names/resolve", batch(r), http.Header{"Content-Type": {header}})
		p := problemOf(t, got.body)
		seen[p.Code] = true
		if got.status != 415 || p.Code != "unsupported_media_type" {
			t.Errorf("a body of type %q: got %s", header, got.body)
		}
	}
	for _, code := range append(refusals(t), adminRefusals(t)...) {
		seen[code] = true
	}
	for _, code := range up.doc.Components.Schemas["Problem"].Value.Properties["code"].Value.Enum {
		if !seen[ProblemCode(code.(string))] {
			t.Errorf("code %s of the document was not provoked", code)
		}
	}
}

// TestExamples shows that the document has an example of every status and code. That they are valid is checked
// whenever it is loaded.
func TestExamples(t *testing.T) {
	t.Parallel()
	doc, _ := document(t)
	var examples strings.Builder
	collect := func(where string, raw any) {
		b, err := json.Marshal(raw)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(b), `"examples"`) && where != "/openapi.json 200" && where != "/v1/names/bundle 200" {
			t.Errorf("%s: no example", where)
		}
		examples.Write(b)
	}
	for path, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			for status, r := range op.Responses.Map() {
				if status != "304" {
					collect(path+" "+status, r.Value.Content)
				}
			}
		}
	}
	for name, r := range doc.Components.Responses {
		collect(name, r.Value.Content)
	}
	for schema, property := range map[string]string{"Problem": "code", "Name": "status", "NameReply": "status", "Answer": "status"} {
		for _, v := range doc.Components.Schemas[schema].Value.Properties[property].Value.Enum {
			if !strings.Contains(examples.String(), fmt.Sprintf(`"%s":%q`, property, v)) {
				t.Errorf("no example of %s %s", property, v)
			}
		}
	}
}

// TestBehind says of each state what is answered about a name that the index does not have, and that one it has is
// answered whatever the state.
func TestBehind(t *testing.T) {
	t.Parallel()
	up := func(height uint64, err string, ago time.Duration) []api.Upstream {
		return []api.Upstream{{URL: "http://127.0.0.1:1", Height: height, Error: err, AskedAt: now.Add(-ago), Active: true}}
	}
	silent := func(s *indexer.State) { s.Asked = now.Add(-10*time.Minute - time.Second) }
	for _, c := range []struct {
		name   string
		edit   func(*indexer.State)
		up     []api.Upstream
		behind bool
	}{
		{name: "up to date"},
		{name: "2 blocks below its target", edit: func(s *indexer.State) { s.Target += 2 }},
		{name: "3 blocks below its target", edit: func(s *indexer.State) { s.Target += 3 }, behind: true},
		{name: "above its target", edit: func(s *indexer.State) { s.Target -= 100 }},
		{name: "2 blocks below an upstream", up: up(5012, "", 0)},
		{name: "3 blocks below an upstream", up: up(5013, "", 0), behind: true},
		{name: "below an upstream that fails at its work", up: up(5999, "fails", 0), behind: true},
		{name: "beside an upstream of another chain", up: up(0, "another network", 0)},
		{name: "asked 10 minutes ago", edit: func(s *indexer.State) { s.Asked = now.Add(-10 * time.Minute) }},
		{name: "asked longer ago", edit: silent, behind: true},
		{name: "asked longer ago, though one answers", edit: silent, up: up(5010, "", time.Minute), behind: true},
		{name: "no answer for longer", edit: silent, up: up(5010, "", 11*time.Minute), behind: true},
		{name: "asked now without an answer", edit: silent, up: up(5010, "refused", 0), behind: true},
		{name: "never asked", edit: func(s *indexer.State) { s.Asked = time.Time{} }, behind: true},
		{name: "syncing", edit: func(s *indexer.State) { s.Phase = indexer.Syncing }, behind: true},
		{name: "no phase", edit: func(s *indexer.State) { s.Phase = "" }, behind: true},
		{name: "fork below final", edit: func(s *indexer.State) { s.Phase = indexer.ForkBelowFinal }, behind: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			state := synced()
			if c.edit != nil {
				c.edit(&state)
			}
			cfg := config(indexOf(t, state, record(1)))
			if c.up != nil {
				cfg.Upstreams = func() []api.Upstream { return c.up }
			}
			s := serve(t, cfg)
			missing, ready, status := 404, 200, "not_registered"
			if c.behind {
				missing, ready, status = 503, 503, "behind"
			}
			for path, want := range map[string]int{
				path(record(1)): 200, path(record(1)) + "/history": 200, "/v1/owners/" + strings.Repeat("0", 64) + "/names": ready,
				path(record(2)): missing, path(record(2)) + "/history": missing, "/readyz": ready, "/healthz": 200,
			} {
				if code, body := s.do(t, "GET", path, ""); code != want {
					t.Errorf("%s: got %d %s, want %d", path, code, body, want)
				}
			}
			_, body := s.do(t, "POST", "/v1/names/resolve", batch(record(1), record(2)))
			var got Answers
			if err := json.Unmarshal(body, &got); err != nil || got.Names[0].Status != "registered" || string(got.Names[1].Status) != status {
				t.Errorf("batch: got %s, want registered and %s", body, status)
			}
			_, body = s.do(t, "GET", "/v1/status", "")
			var st Status
			if err := json.Unmarshal(body, &st); err != nil || st.Ready == c.behind || (st.Reason != nil) != c.behind || len(st.Upstreams) != len(c.up) {
				t.Errorf("status: got %s", body)
			}
		})
	}
}

// TestEmpty asks an index that was never filled for what can be told all the same.
func TestEmpty(t *testing.T) {
	t.Parallel()
	s := serve(t, config(indexOf(t, indexer.State{})))
	for path, want := range map[string]int{"/healthz": 200, "/v1/status": 200, "/openapi.json": 200, "/readyz": 503, "/nowhere": 404} {
		if code, body := s.do(t, "GET", path, ""); code != want {
			t.Errorf("%s: got %d %s, want %d", path, code, body, want)
		}
	}
	if code, body := s.do(t, "POST", "/v1/names/resolve", `{"names":[]}`); code != 200 || string(body) != `{"names":[],"as_of":null}` {
		t.Errorf("batch of none: got %d %s", code, body)
	}
}

// Cache-Control of what is true of the newest block, and of what does not exist.
const tipCache, absentCache = "public, max-age=5, stale-while-revalidate=10", "public, max-age=2"

// TestCache holds ETags, dates and Cache-Control, and HEAD to GET.
func TestCache(t *testing.T) {
	t.Parallel()
	many := names(rand.New(rand.NewPCG(1, 0)), 200)
	s := serve(t, config(indexOf(t, synced(), append(many, record(1))...)))
	next := synced()
	next.Tip = &indexer.Point{Height: 5011, Hash: ons.Txid{7}}
	next.TipTime++
	later := serve(t, config(indexOf(t, next, append(many, record(1), record(3))...)))
	final := synced()
	final.Final++
	settled := serve(t, config(indexOf(t, final, record(1))))
	tags := map[string]string{}
	for path, cache := range map[string]string{
		path(record(1)):                                     tipCache,
		path(record(1)) + "/history":                        tipCache,
		"/v1/owners/" + strings.Repeat("01", 32) + "/names": tipCache,
		"/v1/names?limit=1":                                 tipCache, // larger ones are compressed: TestListsPacked
		"/v1/names/expiring?within=1000000":                 tipCache,
		"/v1/names/statistics":                              tipCache,
		"/v1/names/range":                                   tipCache,
		"/v1/names/range/0/0":                               tipCache + ", no-transform",
		"/v1/names/bundle":                                  tipCache + ", no-transform",
		"/openapi.json":                                     "public, max-age=300, stale-while-revalidate=3600",
		"/v1/status":                                        "no-store",
		"/v1/realtime?max_distance=100":                     "no-store",
		"/healthz":                                          "no-store",
		"/readyz":                                           "no-store",
		path(record(2)):                                     absentCache,
		path(record(2)) + "/history":                        absentCache,
		"/v1/names/session":                                 "no-store",
		"/v1/names/session/" + "alice?limit=false":          "no-store",
	} {
		got := s.send(t, "GET", path, "", nil)
		if c := got.header.Get("Cache-Control"); c != cache {
			t.Errorf("%s: Cache-Control %q, want %q", path, c, cache)
		}
		head := s.send(t, "HEAD", path, "", nil)
		for _, h := range []http.Header{head.header, got.header} {
			h.Del("Date")
		}
		if diff := cmp.Diff(got.header, head.header); diff != "" || head.status != got.status {
			t.Errorf("HEAD %s: %d and %d (-GET +HEAD):\n%s", path, head.status, got.status, diff)
		}
		tag := got.header.Get("ETag")
		if (tag != "") != strings.Contains(cache, "stale") {
			t.Errorf("%s: ETag %q", path, tag)
		}
		date := ""
		if strings.HasPrefix(cache, tipCache) {
			date = time.Unix(synced().TipTime, 0).UTC().Format(http.TimeFormat)
		}
		if got := got.header.Get("Last-Modified"); got != date {
			t.Errorf("%s: Last-Modified %q, want %q", path, got, date)
		}
		if tag == "" {
			continue
		}
		if other := tags[tag]; other != "" {
			t.Errorf("%s and %s have one ETag", path, other)
		}
		tags[tag] = path
		for given, want := range map[string]int{
			tag: 304, "W/" + tag: 304, `"x", ` + tag: 304, "*": 304, `"x"`: 200, strings.Trim(tag, `"`): 200,
		} {
			cond := s.send(t, "GET", path, "", http.Header{"If-None-Match": {given}})
			if cond.status != want || cond.header.Get("ETag") != tag || (want == 304 && len(cond.body) > 0) {
				t.Errorf("%s, If-None-Match %s: got %d, want %d", path, given, cond.status, want)
			}
		}
		if date == "" {
			continue
		}
		s.sinceDate(t, path, got.header)
		others := []*site{later, settled}
		if path == "/v1/names/bundle" || path == "/v1/names/range" || strings.HasPrefix(path, "/v1/names?") || strings.Contains(path, "expiring") {
			// Tagged by content, in which what is final shows nowhere, or changed nothing.
			others = others[:1]
		}
		for _, other := range others {
			if cond := other.send(t, "GET", path, "", http.Header{"If-None-Match": {tag}}); cond.status != 200 {
				t.Errorf("%s: %d for the tag of another block", path, cond.status)
			}
		}
	}
	// What does not exist has no tag to match.
	if got := s.send(t, "GET", path(record(2)), "", http.Header{"If-None-Match": {"*"}}); got.status != 404 {
		t.Errorf("missing, If-None-Match *: %d", got.status)
	}
	if got := later.send(t, "GET", path(record(2)), "", http.Header{"If-Modified-Since": {time.Unix(next.TipTime, 0).UTC().Format(http.TimeFormat)}}); got.status != 404 {
		t.Errorf("missing, If-Modified-Since: %d", got.status)
	}
}

// sinceDate asks again with dates, which say nothing: another server gives the same one to something else. A tag does.
func (s *site) sinceDate(t *testing.T, path string, given http.Header) {
	t.Helper()
	date, tag := given.Get("Last-Modified"), given.Get("ETag")
	at, err := http.ParseTime(date)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	for _, c := range []struct {
		date, tag string
		want      int
	}{
		{date, "", 200}, {date, tag, 304}, {date, `"x"`, 200}, {"yesterday", tag, 304}, {"yesterday", "", 200},
		{at.Add(-time.Second).Format(http.TimeFormat), "", 200}, {at.Add(time.Second).Format(http.TimeFormat), "", 200},
	} {
		header := http.Header{"If-Modified-Since": {c.date}, "Accept-Encoding": {"identity"}}
		if c.tag != "" {
			header.Set("If-None-Match", c.tag)
		}
		if got := s.send(t, "GET", path, "", header); got.status != c.want || got.header.Get("Last-Modified") != date {
			t.Errorf("%s, If-Modified-Since %s and If-None-Match %s: %d, want %d", path, c.date, c.tag, got.status, c.want)
		}
	}
}

func TestAllow(t *testing.T) {
	t.Parallel()
	s := serve(t, config(indexOf(t, synced(), record(1))))
	for path, want := range map[string]string{path(record(1)): "GET, HEAD", "/v1/names/resolve": "POST"} {
		for _, method := range []string{"DELETE", "PUT"} {
			if got := s.send(t, method, path, "", nil).header.Get("Allow"); got != want {
				t.Errorf("%s %s: Allow %q, want %q", method, path, got, want)
			}
		}
	}
}

// TestPages walks more names of one owner than a daemon would give, and a long history.
func TestPages(t *testing.T) {
	t.Parallel()
	var records []ons.Record
	for i := range 700 {
		r := record(byte(i))
		r.Hash[1], r.Type = byte(i>>8), ons.Type(i%2)
		if r.Type == ons.Wallet {
			r.Sealed.Ciphertext = bytes.Repeat([]byte{1}, 81)
		}
		if i%3 == 0 {
			r.Owner, r.Backup = owner(2), owner(1)
		}
		records = append(records, r)
	}
	busy := record(7)
	busy.Hash, busy.Owner = ons.Hash{1, 1, 1}, owner(3)
	for i := range 250 {
		if i > 0 {
			busy.Kind, busy.Prev = ons.Update, busy.Txid
		}
		busy.Updated, busy.Txid = uint64(4001+i), ons.Txid{1, byte(i)}
		records = append(records, busy)
	}
	s := serve(t, config(indexOf(t, synced(), records...)))
	walk := func(path string, limit int, each func([]byte) (int, *string)) (pages, items int) {
		query := ""
		if limit > 0 {
			query = fmt.Sprintf("limit=%d", limit)
		}
		for next := ""; ; pages++ {
			code, body := s.do(t, "GET", path+"?"+query+next, "")
			if code != 200 {
				t.Fatalf("%s: %d %s", path, code, body)
			}
			n, more := each(body)
			items += n
			if more == nil {
				return pages + 1, items
			}
			next = "&next=" + *more
			if query == "" {
				next = next[1:]
			}
		}
	}
	for limit, want := range map[int]int{0: 7, 1: 700, 99: 8, 100: 7, 699: 2, 700: 1, 1000: 1} {
		var seen []string
		pages, items := walk("/v1/owners/"+strings.Repeat("0", 1)+"1"+strings.Repeat("0", 62)+"/names", limit, func(body []byte) (int, *string) {
			var o Owned
			if err := json.Unmarshal(body, &o); err != nil {
				t.Fatal(err)
			}
			for _, n := range o.Names {
				seen = append(seen, string(n.Type)+n.NameHash)
			}
			return len(o.Names), o.Next
		})
		if pages != want || items != 700 || !slices.IsSorted(seen) || len(slices.Compact(seen)) != 700 {
			t.Errorf("limit %d: %d pages with %d names, want %d with 700, each once, in order", limit, pages, items, want)
		}
	}
	for limit, want := range map[int]int{0: 3, 100: 3, 125: 2, 250: 1, 1000: 1} {
		height := int64(4000)
		pages, items := walk(path(busy)+"/history", limit, func(body []byte) (int, *string) {
			var h History
			if err := json.Unmarshal(body, &h); err != nil {
				t.Fatal(err)
			}
			for _, e := range h.History {
				if height++; e.Height != height {
					t.Errorf("event at height %d, want %d", e.Height, height)
				}
			}
			return len(h.History), h.Next
		})
		if pages != want || items != 250 {
			t.Errorf("history, limit %d: %d pages with %d events, want %d with 250", limit, pages, items, want)
		}
	}
}

// TestOwnerForms finds the names of a wallet by its address; those of other networks are none.
func TestOwnerForms(t *testing.T) {
	t.Parallel()
	r := record(1)
	r.Owner = ons.Owner{Kind: ons.OwnerWallet, Key: [32]byte{1}, View: [32]byte{2}}
	s := serve(t, config(indexOf(t, synced(), r)))
	sub := r.Owner
	sub.Subaddress = true
	for owner, want := range map[string]string{
		r.Owner.Text(ons.Fakechain): "1 of 200", sub.Text(ons.Fakechain): "0 of 200",
		r.Owner.Text(ons.Testnet): "0 of 400", r.Owner.Text(ons.Fakechain) + "1": "0 of 400",
	} {
		code, body := s.do(t, "GET", "/v1/owners/"+owner+"/names", "")
		if got := fmt.Sprintf("%d of %d", strings.Count(string(body), "name_hash"), code); got != want {
			t.Errorf("%s: got %s, want %s", owner, got, want)
		}
	}
}

// TestUpstreams shows what is told of the daemons.
func TestUpstreams(t *testing.T) {
	t.Parallel()
	cfg := config(indexOf(t, synced(), record(1), lokinet(2, 9000), lokinet(3, 4500)))
	cfg.Upstreams = func() []api.Upstream {
		return []api.Upstream{
			{URL: "http://127.0.0.1:1", Height: 5011, AskedAt: now, Active: true},
			{URL: "http://127.0.0.1:2", Error: `refused "so"`, AskedAt: now.Add(-time.Hour)},
			{URL: "http://127.0.0.1:3"},
		}
	}
	s := serve(t, cfg)
	_, body := s.do(t, "GET", "/v1/status", "")
	for _, want := range []string{
		`"network":"fakechain","phase":"synced","ready":true,"reason":null,"height":5010,"hash":"010203`,
		`"target_height":5011,"lag":1,"immutable_height":5000,"start_height":100,"digest":"` + cfg.Snapshot().State().TipDigest().String() + `"`, `"asked_at":"2025-01-01T00:00:40Z"`,
		`"names":{"session":1,"wallet":0,"lokinet":1,"known":3}`,
		`{"url":"http://127.0.0.1:1","height":5011,"error":null,"asked_at":"2025-01-01T00:01:40Z","active":true}`,
		`{"url":"http://127.0.0.1:2","height":null,"error":"refused \"so\"","asked_at":"2024-12-31T23:01:40Z","active":false}`,
		`{"url":"http://127.0.0.1:3","height":null,"error":null,"asked_at":null,"active":false}`,
		`"versions":{"onsight":"test","go":"go1.`,
	} {
		if !strings.Contains(string(body), want) {
			t.Errorf("%s lacks %s", body, want)
		}
	}
}

// TestNothingLogged shows that what is asked is in no log, not even when answering fails.
func TestNothingLogged(t *testing.T) {
	t.Parallel()
	r := record(1)
	for name, snapshot := range map[string]func() api.Snapshot{
		"works":  config(indexOf(t, synced(), r)).Snapshot,
		"panics": func() api.Snapshot { panic(fmt.Errorf("about %s", r.Hash)) },
	} {
		s := serve(t, api.Config{Snapshot: snapshot})
		if name == "panics" {
			s.snap = nil
		}
		for _, p := range []string{path(r), path(record(2)), "/v1/owners/" + strings.Repeat("01", 32) + "/names", "/nowhere", path(r) + "?canary=1"} {
			s.send(t, "GET", p, "", http.Header{"X-Forwarded-For": {"192.0.2.77"}, "User-Agent": {"canary"}})
		}
		s.send(t, "POST", "/v1/names/resolve", batch(r, record(2)), nil)
		log := s.log.String()
		if (log != "") != (name == "panics") {
			t.Errorf("%s: log %q", name, log)
		}
		for _, secret := range []string{r.Hash.String(), record(2).Hash.String(), "canary", "192.0.2.77", "127.0.0.1", strings.Repeat("01", 32)} {
			if strings.Contains(log, secret) {
				t.Errorf("%s: the log has %q:\n%s", name, secret, log)
			}
		}
		if name == "panics" && !strings.Contains(log, "panic=") {
			t.Errorf("the log does not say what happened: %s", log)
		}
	}
}

// fragile is a snapshot that panics when it is asked for a record.
type fragile struct{ api.Snapshot }

//go:noinline
func (fragile) Record(k ons.Key) *ons.Record { panic(fmt.Errorf("about %s", k.Hash)) }

// TestStackOfPanic shows that the log says where a panic came from, and nothing of the arguments on the way: the runtime's own
// stack has the first bytes of a hash that is passed by value.
func TestStackOfPanic(t *testing.T) {
	t.Parallel()
	r := record(0xa7)
	snap := fragile{config(indexOf(t, synced(), r)).Snapshot()}
	s := serve(t, api.Config{Snapshot: func() api.Snapshot { return snap }})
	if got := s.send(t, "GET", path(r), "", nil); got.status != 500 {
		t.Fatalf("status %d, want 500", got.status)
	}
	log := s.log.String()
	if !strings.Contains(log, "api_test.fragile.Record") || !strings.Contains(log, "api_test.go:") {
		t.Errorf("the log does not say where: %s", log)
	}
	if strings.Contains(log, "0xa7") || strings.Contains(log, "{0x") {
		t.Errorf("the log has arguments: %s", log)
	}
}

// TestServedDocument shows that what is served is what is in the tree.
func TestServedDocument(t *testing.T) {
	t.Parallel()
	cfg := nodeConfig(t, &directory.Snapshot{}, &api.Shelf{})
	cfg.Events = events.NewTail(nil)
	s := serve(t, cfg)
	_, body := s.do(t, "GET", "/openapi.json", "")
	tree, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var served, want any
	if err := errors.Join(json.Unmarshal(body, &served), json.Unmarshal(tree, &want)); err != nil || !reflect.DeepEqual(served, want) {
		t.Errorf("what is served is not api/openapi.json (%v)", err)
	}
}

func ExampleServer() {
	// index.Index has the snapshots of a database; here it is empty.
	server := api.New(api.Config{Snapshot: func() api.Snapshot { return empty.Snapshot() }})
	http.Handle("/", server.Handler())

	resp := ask(server.Handler(), "/v1/names/session/0000000000000000000000000000000000000000000000000000000000000000")
	body, _ := io.ReadAll(resp.Body)
	fmt.Println(resp.Status)
	fmt.Println(string(body))
	// Output:
	// 503 Service Unavailable
	// {"type":"about:blank","title":"Service Unavailable","status":503,"code":"behind","detail":"cannot tell now: the index is empty","as_of":null}
}
