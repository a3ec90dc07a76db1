package oxend

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"onsight/ons"
)

func TestLookupRecorded(t *testing.T) {
	t.Parallel()
	for _, dialect := range []string{"10", "11"} {
		files, err := filepath.Glob(filepath.Join("testdata", dialect, "ons_resolve_*.json"))
		if err != nil || len(files) < 12 {
			t.Fatalf("%d recordings, %v", len(files), err)
		}
		counts := map[string]int{}
		for _, f := range files {
			name := strings.TrimSuffix(filepath.Base(f), ".json")
			rec := load(t, dialect+"/"+name)
			var p struct {
				Type *uint8
				Hash string `json:"name_hash"`
			}
			if rec.Request.Path != "/json_rpc" || json.Unmarshal(rec.Request.Params, &p) != nil || p.Type == nil || *p.Type > 2 {
				continue // not a request we can make
			}
			var want struct {
				Result map[string]string
				Error  *struct{ Code int64 }
			}
			if err := json.Unmarshal(rec.Response, &want); err != nil {
				t.Fatal(err)
			}
			h, err := ons.ParseHash(p.Hash)
			if err != nil {
				continue
			}
			c := serveReply(t, rec.reply())
			s, err := c.Lookup(t.Context(), ons.Type(*p.Type), h)
			switch {
			case want.Error != nil:
				counts["error"]++
				if !errors.Is(err, ons.ErrUnavailable) || errors.Is(err, ons.ErrNotFound) || !isRPC(err, want.Error.Code) {
					t.Errorf("%s/%s: got %v, want ErrUnavailable and code %d", dialect, name, err, want.Error.Code)
				}
			case len(want.Result) == 0:
				counts["none"]++
				if !errors.Is(err, ons.ErrNotFound) || errors.Is(err, ons.ErrUnavailable) {
					t.Errorf("%s/%s: got %v, want ErrNotFound", dialect, name, err)
				}
			default:
				counts["found"]++
				if err != nil || hexOf(s.Ciphertext) != want.Result["encrypted_value"] || hexOf(s.Nonce) != want.Result["nonce"] {
					t.Errorf("%s/%s: got %x, %v", dialect, name, s, err)
				}
			}
		}
		if counts["none"] < 2 || counts["found"] < 2 {
			t.Errorf("%s: only %v", dialect, counts)
		}
	}
}

func TestNamesRecorded10(t *testing.T) {
	t.Parallel()
	const alice = "4R2BSXk3LIg7UL2w/62x6vCJi/VP1PvymK8Sb7q72kw="
	a := nameHash(t, alice)
	c, _ := replay(t, "10", "ons_names_to_owners_session_alice")
	got, err := c.Names(t.Context(), []ons.Key{{Type: ons.Session, Hash: a}}, true)
	if err != nil {
		t.Fatal(err)
	}
	r := got[ons.Key{Type: ons.Session, Hash: a}]
	if len(got) != 1 || r.Owner[:8] != "L9Lkhp7X" || r.Backup[:8] != "L76QXfwB" || r.Updated != 300 || r.Expires != 0 ||
		r.Txid.String() != "67bd64b5a867145fa92a0f2ac5c0feb2af8946f88dcd4cc0a158e72f6930f083" ||
		len(r.Sealed.Ciphertext) != 49 || hexOf(r.Sealed.Nonce) != "d0519b48da9c0e7d4e339fe464e2c2c1b33dc6afe6f0f755" {
		t.Errorf("got %+v", got)
	}

	// Several names, one of them unknown, one of them with several types: as recorded, but grouped our way.
	loki, none := nameHash(t, "o+4DSllf/OdB7MoAIZSVAme1jTGAlaCrWAnuZ7R47fA="), nameHash(t, "bJQ4BNjnvgzoTp6ttFeo8G6NnaR3WZH145XaateUA8Q=")
	var raw struct {
		Result struct{ Entries []map[string]any }
	}
	if err := json.Unmarshal(load(t, "10/ons_names_to_owners_multi_entry").Response, &raw); err != nil {
		t.Fatal(err)
	}
	var entries []map[string]any
	for _, e := range raw.Result.Entries {
		if e["entry_index"].(float64) == 4 {
			e["entry_index"] = 0
			entries = append(entries, e)
		} else if e["entry_index"].(float64) == 2 {
			e["entry_index"] = 1
			entries = append(entries, e)
		}
	}
	c = serveReply(t, mustJSON(t, map[string]any{"result": map[string]any{"status": "OK", "entries": entries}}))
	keys := []ons.Key{{Type: ons.Session, Hash: a}, {Type: ons.Wallet, Hash: a}, {Type: ons.Lokinet, Hash: loki}, {Type: ons.Session, Hash: none}}
	got, err = c.Names(t.Context(), keys, false)
	if err != nil || len(got) != 3 || got[keys[2]].Expires != 379 || got[keys[1]].Updated != 249 {
		t.Errorf("got %d, %v: %+v", len(got), err, got)
	}
}

func TestNamesRecorded11(t *testing.T) {
	t.Parallel()
	alice := nameHash(t, "4R2BSXk3LIg7UL2w/62x6vCJi/VP1PvymK8Sb7q72kw=")
	none := nameHash(t, "bJQ4BNjnvgzoTp6ttFeo8G6NnaR3WZH145XaateUA8Q=")
	c, s := replay(t, "11", "ons_names_to_owners_session_alice", "ons_names_to_owners_wallet_alice",
		"ons_resolve_session_alice", "ons_resolve_wallet_alice", "ons_resolve_unknown")
	keys := []ons.Key{{Type: ons.Session, Hash: none}, {Type: ons.Session, Hash: alice}, {Type: ons.Wallet, Hash: alice}}
	got, err := c.Names(t.Context(), keys, true)
	if err != nil {
		t.Fatal(err)
	}
	r := got[keys[1]]
	if len(got) != 2 || r.Owner[:8] != "LDyu13gL" || r.Backup != "" || r.Updated != 243 || hexOf(r.Sealed.Stored())[:8] != "e74feb10" {
		t.Errorf("got %+v", got)
	}
	want := []string{"get_version", "ons_resolve", "ons_resolve", "ons_names_to_owners", "ons_resolve", "ons_names_to_owners"}
	if d := cmp.Diff(want, s.sent(t)); d != "" {
		t.Error(d)
	}
}

// TestKillers asserts that the requests that killed an 11.x daemon are refused by the rule or cannot be made.
func TestKillers(t *testing.T) {
	t.Parallel()
	// Everything unregistered: ons_names_to_owners must not be sent at all, whatever ons_resolve fails with.
	for name, reply := range map[string]string{
		"none": `{"result":{}}`, "error": `{"error":{"code":-1,"message":"x"}}`, "busy": `{"result":{"status":"BUSY"}}`, "garbage": `[]`,
	} {
		s := serve(t, func(w httpWriter, r rpcRequest) {
			if r.Method == "get_version" {
				answer(w, map[string]any{"status": "OK", "version": 262145})
				return
			}
			w.Write([]byte(reply))
		})
		c := dial(t, Config{URL: s.URL})
		c.Names(t.Context(), []ons.Key{{}, {Type: ons.Wallet}, {Type: ons.Lokinet}}, true)
		if slices.Contains(s.sent(t), "ons_names_to_owners") {
			t.Errorf("%s: ons_names_to_owners was sent", name)
		}
		for _, b := range s.bodies {
			if b[0] != '{' || b[len(b)-1] != '}' {
				t.Errorf("body %q is not one object", b)
			}
		}
	}
	// A daemon that dies of the second question is not asked it again.
	s := serve(t, func(w httpWriter, r rpcRequest) {
		switch r.Method {
		case "get_version":
			answer(w, map[string]any{"status": "OK", "version": 262145})
		case "ons_resolve":
			w.Write(load(t, "11/ons_resolve_session_alice").Response)
		default:
			w.WriteHeader(503)
		}
	})
	c := dial(t, Config{URL: s.URL})
	if _, err := c.Names(t.Context(), []ons.Key{{}}, false); err == nil {
		t.Error("no error")
	}
	if d := cmp.Diff([]string{"get_version", "ons_resolve", "ons_names_to_owners"}, s.sent(t)); d != "" {
		t.Error(d)
	}
	for _, params := range []any{[]int{1}, "x", 7, json.RawMessage("null")} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("params %v were encoded", params)
				}
			}()
			encode(request{method: "m", params: params})
		}()
	}
}

// TestNamesWrong lists replies that do not answer the question.
func TestNamesWrong(t *testing.T) {
	t.Parallel()
	const alice = "4R2BSXk3LIg7UL2w/62x6vCJi/VP1PvymK8Sb7q72kw="
	entry := func(change string) string {
		m := map[string]any{"entry_index": 0, "type": 0, "name_hash": alice, "owner": "L", "encrypted_value": strings.Repeat("ab", 73),
			"txid": strings.Repeat("cd", 32), "update_height": 7}
		json.Unmarshal([]byte(change), &m)
		return string(mustJSON(t, m))
	}
	key := ons.Key{Type: ons.Session, Hash: nameHash(t, alice)}
	for _, tt := range []struct{ name, entries, want string }{
		{"good", entry(`{}`), ""},
		{"another type", entry(`{"type":1,"encrypted_value":"` + strings.Repeat("ab", 105) + `"}`), "unasked"},
		{"another index", entry(`{"entry_index":1}`), "unasked"},
		{"another name", entry(`{"name_hash":"bJQ4BNjnvgzoTp6ttFeo8G6NnaR3WZH145XaateUA8Q="}`), "unasked"},
		{"twice", entry(`{}`) + "," + entry(`{}`), "twice"},
		{"no owner", entry(`{"owner":""}`), "no owner"},
		{"no txid", entry(`{"txid":null}`), "no txid"},
		{"bad name", entry(`{"name_hash":"x"}`), "malformed"},
		{"bad length", entry(`{"encrypted_value":"ab"}`), "encrypted_value"},
		{"untrusted", entry(`{}`) + `],"untrusted":true,"x":[`, "untrusted"},
	} {
		c := serveReply(t, []byte(`{"result":{"status":"OK","entries":[`+tt.entries+`]}}`))
		got, err := c.Names(t.Context(), []ons.Key{key, key}, false)
		if tt.want == "" {
			if err != nil || len(got) != 1 || got[key].Updated != 7 {
				t.Errorf("%s: %v, %v", tt.name, got, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v", tt.name, err)
		}
		if err != nil && strings.Contains(err.Error(), alice) {
			t.Errorf("%s: %q shows the name hash", tt.name, err)
		}
	}
}

// TestNamesBatches checks the limits of a public daemon: 256 entries a call, every entry with its types.
func TestNamesBatches(t *testing.T) {
	t.Parallel()
	var sizes []int
	s := serve(t, func(w httpWriter, r rpcRequest) {
		var p struct {
			Entries []struct{ Types []int }
		}
		json.Unmarshal(r.Params, &p)
		for _, e := range p.Entries {
			if len(e.Types) == 0 || len(e.Types) > 8 {
				t.Errorf("an entry has %d types", len(e.Types))
			}
		}
		if r.Method == methodNames {
			sizes = append(sizes, len(p.Entries))
		}
		answer(w, map[string]any{"status": "OK", "version": 262144})
	})
	c := dial(t, Config{URL: s.URL})
	var keys []ons.Key
	for i := range 300 {
		keys = append(keys, ons.Key{Hash: ons.Hash{byte(i), byte(i >> 8)}}, ons.Key{Type: ons.Wallet, Hash: ons.Hash{byte(i), byte(i >> 8)}})
	}
	got, err := c.Names(t.Context(), keys, true)
	if err != nil || len(got) != 0 || !slices.Equal(sizes, []int{256, 44}) {
		t.Errorf("got %v, %v, batches %v", got, err, sizes)
	}
}
