package ons

import (
	"bufio"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// mined is one transaction of a recording: where it stands, and what the daemon said of it.
type mined struct {
	At
	raw   []byte
	kind  int            // type of the transaction, -1 if the daemon does not say
	ons   map[string]any // extra.ons; nil if there is none, and always on 11.x
	burn  uint64
	isONS bool // whether the daemon sees an ONS field in it
}

// readChain reads the transactions of a recording in the order of the chain.
func readChain(t *testing.T, path string) []mined {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	type line struct {
		Kind   string
		Height uint64
		Hash   string
		Block  struct {
			Txs []string `json:"tx_hashes"`
		}
		Raw struct {
			Hex    string `json:"as_hex"`
			Pruned string `json:"pruned_as_hex"`
			Data   string
			Type   *int
		}
		Decoded struct {
			JSON   string `json:"as_json"`
			Height uint64 `json:"block_height"`
			Extra  struct {
				Burn uint64         `json:"burn_amount"`
				ONS  map[string]any `json:"ons"`
				Type any            `json:"type"`
			}
		}
	}
	txs := map[string]line{}
	var order []mined
	hashes := map[int]string{}
	lines := bufio.NewScanner(unzipped)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var l struct{ Kind string }
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		if l.Kind != "block" && l.Kind != "tx" {
			continue
		}
		var full line
		if err := json.Unmarshal(lines.Bytes(), &full); err != nil {
			t.Fatal(err)
		}
		if l.Kind == "tx" {
			txs[full.Hash] = full
			continue
		}
		for i, hash := range full.Block.Txs {
			x, err := ParseTxid(hash)
			if err != nil {
				t.Fatal(err)
			}
			hashes[len(order)] = hash
			order = append(order, mined{At: At{Height: full.Height, TxIndex: uint32(i), Txid: x}})
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	for i := range order {
		m, l := &order[i], txs[hashes[i]]
		m.raw = unhex(t, l.Raw.Hex+l.Raw.Pruned+l.Raw.Data)
		m.kind, m.ons, m.burn = -1, l.Decoded.Extra.ONS, l.Decoded.Extra.Burn
		switch {
		case l.Raw.Type != nil: // 11.x
			m.kind = *l.Raw.Type
			m.isONS = slices.Contains(asList(l.Decoded.Extra.Type), "oxen_name_system")
		case l.Decoded.JSON != "":
			var tx struct{ Type int }
			if err := json.Unmarshal([]byte(l.Decoded.JSON), &tx); err != nil {
				t.Fatal(err)
			}
			m.kind, m.isONS = tx.Type, m.ons != nil
		}
		if m.kind < 0 || len(m.raw) == 0 || l.Decoded.Height != m.Height {
			t.Fatalf("transaction %s is not recorded as it should be", hashes[i])
		}
	}
	return order
}

// asList makes a list of a text that stands for one of one.
func asList(v any) []any {
	if l, ok := v.([]any); ok {
		return l
	}
	return []any{v}
}

// daemonWords writes op as extra.ons of a 10.x daemon shows it.
func daemonWords(op Op, r Rules) map[string]any {
	words := map[string]any{op.Kind.String(): true, "type": op.Type.String(), "name_hash": op.Hash.String()}
	if op.Type == Lokinet {
		words["blocks"] = float64(r.Blocks(op.Length))
	}
	if op.Value != nil {
		words["value"] = hex.EncodeToString(op.Value)
	}
	if s := op.Owner.Text(r.Network); s != "" {
		words["owner"] = s
	}
	if s := op.Backup.Text(r.Network); s != "" {
		words["backup_owner"] = s
	}
	return words
}

// replay parses and applies the transactions of a recording. It returns the newest record of each name, and all of its operations.
func replay(t *testing.T, txs []mined, blocksGiven bool) (map[Key]Record, map[Key][]Record) {
	t.Helper()
	newest, history := map[Key]Record{}, map[Key][]Record{}
	seen := map[Kind]int{}
	for _, m := range txs {
		op, err := ParseTransaction(m.raw)
		if (err == nil) != m.isONS || m.isONS != (m.kind == typeONS) || err != nil && !errors.Is(err, ErrNotONS) {
			t.Errorf("%s of type %d: %v", m.Txid, m.kind, err)
		}
		if err != nil {
			continue
		}
		seen[op.Kind]++
		if op.Burn != m.burn {
			t.Errorf("%s: got burn %d, want %d", m.Txid, op.Burn, m.burn)
		}
		if m.ons != nil {
			if d := cmp.Diff(m.ons, daemonWords(op, regtest)); d != "" {
				t.Errorf("%s: %s", m.Txid, d)
			}
		}
		if again, err := ParseExtra(op.AppendExtra(nil)); err != nil || !cmp.Equal(op, again) {
			t.Errorf("%s written again: %v, %s", m.Txid, err, cmp.Diff(op, again))
		}
		at, rules := m.At, regtest
		if blocksGiven { // then the year must not matter
			rules.Year = 7
			if b, ok := m.ons["blocks"].(float64); ok {
				at.Blocks = uint64(b)
			}
		}
		var prev *Record
		if r, ok := newest[op.Key()]; ok {
			prev = &r
		}
		if op.Kind == Update {
			if err := op.Verify(*prev); err != nil {
				t.Errorf("%s: %v", m.Txid, err)
			}
			if err := op.Verify(Record{Owner: satoshi(t, false), Backup: ed(t, edOwner)}); !errors.Is(err, ErrSignature) {
				t.Errorf("%s verifies for a stranger: %v", m.Txid, err)
			}
		}
		next, err := Apply(prev, op, at, rules)
		if err != nil {
			t.Errorf("%s: %v", m.Txid, err)
			continue
		}
		newest[op.Key()] = next
		history[op.Key()] = append(history[op.Key()], next)
	}
	t.Logf("%d transactions; operations by kind: %v; names: %d", len(txs), seen, len(newest))
	return newest, history
}

// truth is a record of ons_records.json of either recording.
type truth struct {
	Name     string
	Given    string `json:"name_as_bought"`
	Given11  string `json:"name_as_given"`
	Type     string
	Hex      string `json:"name_hash_hex"`
	Base64   string `json:"name_hash_base64"`
	Value    string `json:"expected_value"`
	Owner    string
	Backup   string `json:"backup_owner"`
	Txid     string
	Sealed   string  `json:"encrypted_value"`
	Register uint64  `json:"register_height"`
	Updated  uint64  `json:"update_height"`
	Expires  *uint64 `json:"expiration_height"`
	Expired  *bool   // 10.x
	Live     *bool   // 11.x
	History  []struct {
		Height uint64
		Txid   string
		Burn   uint64
		ONS    map[string]any // 10.x
		Kind   string         // 11.x
		Value  string         // 11.x: in the clear
		Owner  string
		Backup string `json:"backup_owner"`
	}
}

func (want truth) live() bool {
	return want.Live != nil && *want.Live || want.Expired != nil && !*want.Expired
}

func checkTruth(t *testing.T, height uint64, want truth, got Record, history []Record) {
	t.Helper()
	typ, err := ParseType(want.Type)
	if err != nil {
		t.Fatal(err)
	}
	n := mustName(t, typ, either(want.Given, want.Given11))
	if n.String() != want.Name || n.Hash().String() != want.Hex || got.Key() != (Key{typ, n.Hash()}) ||
		want.Base64 != "" && n.Hash().Base64() != want.Base64 {
		t.Errorf("got name %q with hash %s", n, n.Hash())
	}
	if got.Owner.Text(Fakechain) != want.Owner || got.Backup.Text(Fakechain) != want.Backup {
		t.Errorf("got owner %s, backup %s, want %s, %s", got.Owner.Text(Fakechain), got.Backup.Text(Fakechain), want.Owner, want.Backup)
	}
	if got.Txid.String() != want.Txid || got.Registered != want.Register || got.Updated != want.Updated {
		t.Errorf("got %s, heights %d and %d, want %s, %d and %d", got.Txid, got.Registered, got.Updated, want.Txid, want.Register, want.Updated)
	}
	if got.Live(height) != want.live() || (got.Status(height, regtest) == StatusExpired) == want.live() {
		t.Errorf("live: %v, status %s, want %v", got.Live(height), got.Status(height, regtest), want.live())
	}
	switch { // an 11.x daemon cannot be asked about expired ones
	case want.Expires != nil && *want.Expires != got.Expires, want.Expires == nil && want.live() && got.Expires != 0:
		t.Errorf("got expiry %d, want %v", got.Expires, want.Expires)
	}
	if sealed := hex.EncodeToString(got.Sealed.Stored()); want.Sealed != "" && sealed != want.Sealed {
		t.Errorf("got sealed value %s, want %s", sealed, want.Sealed)
	}
	checkValue(t, n, got.Sealed, want.Value)
	if len(history) != len(want.History) {
		t.Fatalf("got %d operations, want %d", len(history), len(want.History))
	}
	for i, h := range want.History {
		r := history[i]
		kind := Kind(0)
		for _, k := range []Kind{Buy, Update, Renew} {
			if h.Kind == k.String() || h.ONS[k.String()] == true {
				kind = k
			}
		}
		if r.Kind != kind || r.Updated != h.Height || r.Txid.String() != h.Txid {
			t.Errorf("operation %d: got %s %s at %d, want %s %s at %d", i, r.Kind, r.Txid, r.Updated, kind, h.Txid, h.Height)
		}
		if h.Value != "" {
			checkValue(t, n, r.Sealed, h.Value)
		}
		if h.Owner != "" && r.Owner.Text(Fakechain) != h.Owner || h.Backup != "" && r.Backup.Text(Fakechain) != h.Backup {
			t.Errorf("operation %d: got owner %s, backup %s, want %s, %s", i, r.Owner.Text(Fakechain), r.Backup.Text(Fakechain), h.Owner, h.Backup)
		}
	}
}

// either returns a, or b if a is empty.
func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func checkValue(t *testing.T, n Name, s Sealed, want string) {
	t.Helper()
	v, err := n.Open(s)
	if err != nil {
		t.Error(err)
		return
	}
	if text, err := v.Text(Fakechain); err != nil || text != want {
		t.Errorf("got value %s, %v, want %s", text, err, want)
	}
}

func TestRecordings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		what, chain, records string
		blocksGiven          bool
	}{
		{"oxend10", "testdata/oxend10/oxend-chain.jsonl.gz", "testdata/oxend10/ons_records.json", false},
		{"oxend10BlocksGiven", "testdata/oxend10/oxend-chain.jsonl.gz", "testdata/oxend10/ons_records.json", true},
		{"oxend11", "testdata/oxend11/chain.jsonl.gz", "testdata/oxend11/ons_records.json", false},
	} {
		t.Run(tt.what, func(t *testing.T) {
			var truths struct {
				Height  uint64 `json:"chain_height"`
				Records []truth
			}
			readJSON(t, tt.records, &truths)
			newest, history := replay(t, readChain(t, tt.chain), tt.blocksGiven)
			for _, want := range truths.Records {
				t.Run(want.Type+" "+want.Name, func(t *testing.T) {
					h, err := ParseHash(want.Hex)
					if err != nil {
						t.Fatal(err)
					}
					typ, err := ParseType(want.Type)
					if err != nil {
						t.Fatal(err)
					}
					key := Key{typ, h}
					got, ok := newest[key]
					if !ok {
						t.Fatal("not registered")
					}
					checkTruth(t, truths.Height, want, got, history[key])
					delete(newest, key)
				})
			}
			for _, key := range slices.SortedFunc(maps.Keys(newest), func(a, b Key) int { return slices.Compare(a.Hash[:], b.Hash[:]) }) {
				t.Errorf("%s %s is not in %s", key.Type, key.Hash, tt.records)
			}
		})
	}
}

// What was done to the names, by the wallets' own account.
func TestRecordedEvents(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ what, chain, events string }{
		{"oxend10", "testdata/oxend10/oxend-chain.jsonl.gz", "testdata/oxend10/ons_events.json"},
		{"oxend11", "testdata/oxend11/chain.jsonl.gz", "testdata/oxend11/ons_events.json"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			var file struct {
				Events []struct {
					Kind, Type, Name, Value, Owner, Txid string
					Height                               uint64
					Backup                               string `json:"backup_owner"`
				}
			}
			readJSON(t, tt.events, &file)
			ops := map[string]Op{}
			heights := map[string]uint64{}
			for _, m := range readChain(t, tt.chain) {
				if op, err := ParseTransaction(m.raw); err == nil {
					ops[m.Txid.String()], heights[m.Txid.String()] = op, m.Height
				}
			}
			found := 0
			for _, e := range file.Events {
				op, ok := ops[e.Txid]
				if !ok {
					continue // refused, or dropped by a reorganisation
				}
				found++
				typ, err := ParseType(e.Type)
				if err != nil {
					t.Fatal(err)
				}
				n := mustName(t, typ, e.Name)
				if op.Kind.String() != e.Kind || op.Key() != (Key{typ, n.Hash()}) {
					t.Errorf("%s: got %s of %s, want %s of %q", e.Txid, op.Kind, op.Type, e.Kind, e.Name)
				}
				if (e.Value != "") != (op.Value != nil) {
					t.Errorf("%s: got value %x, want %s", e.Txid, op.Value, e.Value)
				} else if e.Value != "" {
					sealed, err := ParseSealed(typ, op.Value)
					if err != nil {
						t.Fatal(err)
					}
					checkValue(t, n, sealed, e.Value)
				}
				if e.Owner != "" && op.Owner.Text(Fakechain) != e.Owner || e.Backup != op.Backup.Text(Fakechain) {
					t.Errorf("%s: got owner %s, backup %q, want %s, %q", e.Txid, op.Owner.Text(Fakechain), op.Backup.Text(Fakechain), e.Owner, e.Backup)
				}
			}
			t.Logf("%d events, %d of them on the chain, which has %d operations", len(file.Events), found, len(ops))
			if found < len(ops)*2/3 {
				t.Errorf("only %d of %d operations are among the events", found, len(ops))
			}
		})
	}
}
