package indexer_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"onsight/internal/devnet"
	"onsight/ons"
)

// compareTruth compares every record and every history of the index with what the chain's generator knows, and returns
// how many operations there were of each kind.
func compareTruth(t *testing.T, x index, truth *devnet.Truth) map[ons.Kind]int {
	t.Helper()
	kinds := map[ons.Kind]int{}
	keys := truth.Keys()
	for _, key := range keys {
		want := truth.History(key)
		got, err := x.db.History(t.Context(), key, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(want, got) { // cmp.Diff of thousands of equal records takes minutes with -race
			t.Errorf("history of a %s name (-want +got):\n%s", key.Type, cmp.Diff(want, got))
		}
		for _, r := range want {
			kinds[r.Kind]++
		}
		newest, err := x.db.Record(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(want[len(want)-1], newest) {
			t.Errorf("newest record of a %s name (-want +got):\n%s", key.Type, cmp.Diff(want[len(want)-1], newest))
		}
	}
	totals, err := x.db.Totals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if totals.Names != uint64(len(keys)) || totals.Records != uint64(truth.Events()) {
		t.Errorf("%d names with %d records, want %d with %d", totals.Names, totals.Records, len(keys), truth.Events())
	}
	return kinds
}

// compareDaemon compares the index with what a real daemon answered in one state of the reorg recordings: the counts of
// live names, and the records of the three names it was asked for.
func compareDaemon(t *testing.T, x index, state devnet.ReorgState) {
	t.Helper()
	ctx := t.Context()
	var info struct {
		Response struct {
			Result struct {
				Height uint64    `json:"height"`
				Counts [3]uint64 `json:"ons_counts"`
			} `json:"result"`
		} `json:"response"`
	}
	readJSON(t, state.Name+"_get_info.json", &info)
	counts, err := x.db.Counts(ctx, info.Response.Result.Height)
	if err != nil {
		t.Fatal(err)
	}
	if counts != info.Response.Result.Counts {
		t.Errorf("%s: live names %v, the daemon says %v", state.Name, counts, info.Response.Result.Counts)
	}

	var call struct {
		Request struct {
			Params struct {
				Entries []struct {
					Hash  string     `json:"name_hash"`
					Types []ons.Type `json:"types"`
				} `json:"entries"`
			} `json:"params"`
		} `json:"request"`
		Response struct {
			Result struct {
				Entries []struct {
					Entry   int      `json:"entry_index"`
					Type    ons.Type `json:"type"`
					Owner   string   `json:"owner"`
					Backup  string   `json:"backup_owner"`
					Sealed  string   `json:"encrypted_value"`
					Updated uint64   `json:"update_height"`
					Expires uint64   `json:"expiration_height"`
					Txid    string   `json:"txid"`
				} `json:"entries"`
			} `json:"result"`
		} `json:"response"`
	}
	readJSON(t, state.Name+"_ons_names_to_owners.json", &call)
	type answer struct {
		Owner, Backup, Sealed, Txid string
		Updated, Expires            uint64
	}
	want := map[ons.Key]answer{}
	for i, e := range call.Request.Params.Entries {
		hash, err := ons.ParseHash(e.Hash)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range call.Response.Result.Entries {
			if r.Entry == i {
				want[ons.Key{Type: r.Type, Hash: hash}] = answer{r.Owner, r.Backup, r.Sealed, r.Txid, r.Updated, r.Expires}
			}
		}
		for _, typ := range e.Types {
			key := ons.Key{Type: typ, Hash: hash}
			var got answer
			if r, err := x.db.Record(ctx, key); err == nil {
				got = answer{r.Owner.Text(ons.Fakechain), r.Backup.Text(ons.Fakechain), hex.EncodeToString(r.Sealed.Stored()), r.Txid.String(), r.Updated, r.Expires}
			}
			if diff := cmp.Diff(want[key], got); diff != "" {
				t.Errorf("%s: entry %d (-daemon +index):\n%s", state.Name, i, diff)
			}
		}
	}
}

func readJSON(t *testing.T, file string, v any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(recorded, "rpc", "reorg", file))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		t.Fatal(err)
	}
}
