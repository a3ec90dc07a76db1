package api

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"onsight/indexer"
	"onsight/internal/census"
	"onsight/ons"
)

func hashes(t *rapid.T, label string) [32]byte {
	return [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, label))
}

func owners(t *rapid.T, label string) ons.Owner {
	o := ons.Owner{Kind: ons.OwnerKind(rapid.IntRange(0, 2).Draw(t, label+" kind"))}
	if o.Kind != ons.OwnerNone {
		o.Key = hashes(t, label+" key")
	}
	if o.Kind == ons.OwnerWallet {
		o.View, o.Subaddress = hashes(t, label+" view"), rapid.Bool().Draw(t, label+" sub")
	}
	return o
}

// someDates are one date for all blocks of even height.
type someDates int64

func (d someDates) Time(height uint64) (int64, bool) { return int64(d), height%2 == 0 }

// TestAppend shows that the encoders write what encoding/json makes of the views.
func TestAppend(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		heights := rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64Range(0, 3e6), rapid.Uint64())
		r := &ons.Record{
			Type: ons.Type(rapid.IntRange(0, 2).Draw(t, "type")), Hash: hashes(t, "hash"), Kind: ons.Kind(rapid.IntRange(1, 3).Draw(t, "kind")), Owner: owners(t, "owner"), Backup: owners(t, "backup"),
			Sealed:     ons.Sealed{Ciphertext: rapid.SliceOfN(rapid.Byte(), 0, 90).Draw(t, "ciphertext")},
			Registered: heights.Draw(t, "registered"), Updated: heights.Draw(t, "updated"), Expires: heights.Draw(t, "expires"),
			Txid: hashes(t, "txid"),
		}
		if rapid.Bool().Draw(t, "never changed") {
			r.Updated = r.Registered
		}
		if rapid.Bool().Draw(t, "nonce") {
			r.Sealed.Nonce = rapid.SliceOfN(rapid.Byte(), 24, 24).Draw(t, "nonce")
		}
		state := indexer.State{
			Network: rapid.SampledFrom([]ons.Network{"", ons.Mainnet, ons.Fakechain}).Draw(t, "network"), Final: heights.Draw(t, "final"),
			Tip:     &indexer.Point{Height: rapid.Uint64Range(0, 3e6).Draw(t, "tip"), Hash: hashes(t, "block")},
			TipTime: rapid.Int64Range(0, 4e9).Draw(t, "time"),
		}
		m := momentOf(state)
		if rapid.Bool().Draw(t, "dated") {
			m.times = someDates(rapid.Int64Range(-1, lastSecond+1).Draw(t, "date"))
		}
		same := func(got []byte, view any) {
			t.Helper()
			want, err := json.Marshal(view)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
		view := newNameView(r, m)
		if view.ExpiresAt != nil {
			if _, err := time.Parse(time.RFC3339, *view.ExpiresAt); err != nil {
				t.Error(err)
			}
		}
		same(append(appendName([]byte{'{'}, r, m), '}'), view)
		same(appendRanged(nil, r, m), newRangedView(r, m))
		same(appendPast(nil, r, m), newPastView(r, m))
		answer := answerView{Type: view.Type, Hash: view.NameHash, Status: view.Status}
		absent := answer
		absent.Status = statusBehind
		full := answer
		full.Record = &view
		same(appendFull(nil, r, m), full)
		// The compact form has nulls where omitempty would leave out.
		type compact struct {
			Type   string  `json:"type"`
			Hash   string  `json:"hash"`
			Status string  `json:"status"`
			Value  *string `json:"value"`
			Nonce  *string `json:"nonce"`
		}
		same(appendCompact(nil, r, m), compact{answer.Type, answer.Hash, answer.Status, &view.EncryptedValue, view.Nonce})
		same(appendAbsent(nil, r.Key(), statusBehind, false), compact{Type: absent.Type, Hash: absent.Hash, Status: absent.Status})
		same(appendAsOf(nil, state), asOfView{Height: m.tip, Hash: state.Tip.Hash.String(), Time: *clock(time.Unix(state.TipTime, 0))})
	})
}

// TestExpiry holds the estimate at its ends.
func TestExpiry(t *testing.T) {
	t.Parallel()
	m := moment{tip: 1000, blocks: 1001, time: 1_000_000}
	for _, c := range []struct {
		height uint64
		want   int64
		ok     bool
	}{
		{0, 0, false}, {1000, 1_000_000, true}, {1001, 1_000_120, true}, {999, 999_880, true}, {1, 880_120, true},
		{1<<64 - 1, 0, false}, {1 << 62, 0, false}, {lastSecond / blockSeconds, 0, false},
	} {
		if got, ok := m.expiry(&ons.Record{Expires: c.height}); ok != c.ok || (ok && got != c.want) {
			t.Errorf("height %d: got %d %v, want %d %v", c.height, got, ok, c.want, c.ok)
		}
	}
}

// TestCursors shows that cursors read what they write.
func TestCursors(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		k := ons.Key{Type: ons.Type(rapid.IntRange(0, 2).Draw(t, "type")), Hash: hashes(t, "hash")}
		if got, err := parseCursor(formatCursor(k)); err != nil || *got != k {
			t.Errorf("%v: got %v, %v", k, got, err)
		}
		p := census.Place{Height: rapid.Uint64().Draw(t, "height"), TxIndex: rapid.Uint32().Draw(t, "tx")}
		if got, err := parsePlace(formatPlace(p)); err != nil || *got != p {
			t.Errorf("%v: got %v, %v", p, got, err)
		}
		e := census.End{Height: p.Height, Key: k}
		if got, err := parseEnd(formatEnd(e)); err != nil || *got != e {
			t.Errorf("%v: got %v, %v", e, got, err)
		}
		n := rapid.Uint64().Draw(t, "skip")
		if got, err := parseSkip(formatSkip(n)); err != nil || got != n {
			t.Errorf("%d: got %d, %v", n, got, err)
		}
	})
}

// TestExampleOpens shows that the document's examples hold real values.
func TestExampleOpens(t *testing.T) {
	t.Parallel()
	for _, typ := range []ons.Type{ons.Session, ons.Wallet, ons.Lokinet} {
		name, err := ons.ParseName(typ, "example")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := name.Open(exampleRecord(typ).Sealed); err != nil {
			t.Errorf("%s: %v", typ, err)
		}
	}
}
