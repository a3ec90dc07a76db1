package devnet_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"onsight/internal/devnet"
)

// TestModelEqualsRecording holds the naive model against what the real daemons said of each name: owner, backup, value, heights, txid.
func TestModelEqualsRecording(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ path, records string }{{recorded10, "testdata/ons_records.json"}, {recorded11, "testdata/oxend11/ons_records.json"}} {
		r, err := devnet.OpenRecording(c.path)
		if err != nil {
			t.Fatal(err)
		}
		if r.Year() != 50 {
			t.Errorf("%s: year %d, want 50", c.path, r.Year())
		}
		chain := r.Chain()
		truth := chain.Truth()
		var info struct {
			Counts [3]uint64 `json:"ons_counts"`
		}
		if err := json.Unmarshal(r.Info(), &info); err != nil {
			t.Fatal(err)
		}
		if got, _ := chain.Counts(chain.Height()); got != info.Counts {
			t.Errorf("%s: counts %v, want %v", c.path, got, info.Counts)
		}
		d := start(t, chain, devnet.Options{}) // answers names as recorded
		n := 0
		for _, k := range truth.Keys() {
			r, _ := truth.Record(k)
			got, ok := lookup(t, d.URL(), chain, k)
			if !ok {
				continue
			}
			n++
			if diff := cmp.Diff(got, entryOf(r, chain.Network())); diff != "" {
				t.Error(diff)
			}
		}
		if n < 9 {
			t.Errorf("%s: %d names compared", c.path, n)
		}
	}
}

// TestUnknownTransactions damages every transaction's bytes, as if a later oxend had written them: names are still answered as recorded.
func TestUnknownTransactions(t *testing.T) {
	t.Parallel()
	for path, key := range map[string]string{recorded10: `"as_hex":"0401`, recorded11: `"data":"0401`} {
		text := string(gunzip(t, mustRead(t, path)))
		damaged := strings.ReplaceAll(text, key, strings.Replace(key, "0401", "ffff", 1))
		whole, err := devnet.ReadRecording(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		r, err := devnet.ReadRecording(strings.NewReader(damaged))
		if err != nil {
			t.Fatal(err)
		}
		one, two := start(t, whole.Chain(), devnet.Options{}), start(t, r.Chain(), devnet.Options{})
		names := 0
		for _, k := range one.Chain().Truth().Keys() {
			want, live := lookup(t, one.URL(), one.Chain(), k)
			got, ok := lookup(t, two.URL(), two.Chain(), k)
			if live != ok {
				t.Errorf("%v: there %v, want %v", k, ok, live)
			}
			if live {
				names++
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		}
		counts, _ := one.Chain().Counts(one.Chain().Height())
		if got, _ := two.Chain().Counts(two.Chain().Height()); got != counts || names < 9 {
			t.Errorf("%d names, counts %v, want %v", names, got, counts)
		}
	}
}

// TestReorgRecording walks through the recorded reorganisation: every recorded call of each state gets the recorded answer.
func TestReorgRecording(t *testing.T) {
	t.Parallel()
	before, after, plusOne, err := devnet.LoadReorg("testdata")
	if err != nil {
		t.Fatal(err)
	}
	d := start(t, before.Chain, devnet.Options{})
	for _, s := range []devnet.ReorgState{before, after, plusOne} {
		d.Swap(s.Chain)
		files, err := filepath.Glob("testdata/rpc/reorg/" + s.Name + "_*.json")
		if err != nil || len(files) < 10 {
			t.Fatal(len(files), err)
		}
		for _, file := range files {
			name := strings.TrimPrefix(filepath.Base(file), s.Name+"_")
			if reason(name) != "" || strings.HasPrefix(name, "get_service_nodes_top") {
				continue // the chain recording has the nodes of its own tip only
			}
			q := readCall(t, file)
			_, got, err := q.send(t, d.URL())
			if err != nil {
				t.Fatal(err)
			}
			g, w := normalize(name, shape(got)), normalize(name, shape(q.Response))
			for _, v := range []any{g, w} {
				mask(v, "output_indices", "received_timestamp") // of what was mined in the meantime; of the minute
			}
			if diff := cmp.Diff(w, g); diff != "" {
				t.Errorf("%s: %s", file, diff)
			}
		}
	}
}

// mask blanks values that cannot be known, however deep.
func mask(v any, keys ...string) {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			if slices.Contains(keys, k) {
				v[k] = "…"
			}
			mask(v[k], keys...)
		}
	case []any:
		for _, e := range v {
			mask(e, keys...)
		}
	}
}

// TestComputedEqualsRecorded appends the recorded blocks' bytes as if they were made, and compares what is computed of each transaction
// with what the real daemon computed.
func TestComputedEqualsRecorded(t *testing.T) {
	t.Parallel()
	for _, path := range []string{recorded10, recorded11} {
		r, err := devnet.OpenRecording(path)
		if err != nil {
			t.Fatal(err)
		}
		chain := r.Chain()
		made, _ := devnet.Generate(devnet.GenerateConfig{Blocks: 1, Dialect: r.Dialect()})
		var blocks []devnet.Block
		var all []string
		for h := uint64(1); h < chain.Height(); h++ {
			hash, _ := chain.Hash(h)
			b := devnet.Block{Hash: hash}
			hashes, _ := chain.Transactions(h)
			for _, x := range hashes {
				raw, _ := chain.Raw(x)
				b.Txs = append(b.Txs, devnet.Tx{Hash: x, Raw: raw})
				all = append(all, x.String())
			}
			blocks = append(blocks, b)
		}
		made.Append(blocks...)
		one, two := start(t, chain, devnet.Options{}), start(t, made, devnet.Options{})
		n := 0
		for _, x := range all {
			for _, params := range []m{
				{}, {"decode_as_json": true}, {"tx_extra": true, "decode_as_json": true}, {"prune": true}, {"split": true}, {"data": true},
				{"tx_extra": true, "tx_extra_raw": true, "data": true},
			} {
				params["txs_hashes"] = []string{x}
				var want, got m
				mustRPC(t, one.URL(), "get_transactions", params, &want)
				mustRPC(t, two.URL(), "get_transactions", params, &got)
				mask(want, "block_timestamp", "output_indices")
				mask(got, "block_timestamp", "output_indices")
				n++
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("%s %v: %s", path, params, diff)
				}
			}
		}
		t.Logf("%s: %d entries", path, n)
		for _, k := range chain.Truth().Keys() {
			want, got := chain.Truth().History(k), made.Truth().History(k)
			if diff := cmp.Diff(want, got); diff != "" && !strings.Contains(diff, "none") {
				t.Fatal(diff)
			}
		}
	}
}

// TestRefusedRecordings shows what is refused and that the error says where.
func TestRefusedRecordings(t *testing.T) {
	t.Parallel()
	r, err := os.ReadFile(recorded10)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(gunzip(t, r)), "\n")
	without := func(part string) string {
		var keep []string
		for _, l := range lines {
			if !strings.Contains(l, part) {
				keep = append(keep, l)
			}
		}
		return strings.Join(keep, "")
	}
	for name, c := range map[string]struct{ in, want string }{
		"missing transaction": {
			without(`"kind":"tx","hash":"987471c3f312991ae17c4fb44253bdfd50c67b67464dcc96ab85a152a9e3a2f0"`),
			"block 229 names transaction 987471c3f312991ae17c4fb44253bdfd50c67b67464dcc96ab85a152a9e3a2f0",
		},
		"missing block":  {without(`"kind":"block","height":17,`), "want height 17"},
		"malformed line": {lines[0] + "{\"kind\":\n", "line 2: "},
		"not an object":  {lines[0] + "[]\n", "line 2: "},
		"no kind":        {"{}\n", "line 1: no kind"},
		"empty":          {"", "no info line"},
		"cut off":        {strings.Join(lines[:100], ""), "info says 338"},
		"no gzip":        {"\x1f\x8b\x00", "invalid recording"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := devnet.ReadRecording(strings.NewReader(c.in))
			if !errors.Is(err, devnet.ErrRecording) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
	if _, err := devnet.OpenRecording("testdata/none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func gunzip(t testing.TB, b []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func mustRead(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// FuzzReadRecording shows that no input makes it panic, and that what it takes can be served.
func FuzzReadRecording(f *testing.F) {
	lines := strings.SplitAfter(string(gunzip(f, mustRead(f, recorded10))), "\n")
	f.Add([]byte(strings.Join(lines[:20], "")))
	f.Add([]byte(`{"kind":"info","result":{"height":1}}` + "\n" + `{"kind":"block","height":0,"header":{"height":0,"hash":"` + strings.Repeat("0", 64) +
		`","prev_hash":"` + strings.Repeat("0", 64) + `"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := devnet.ReadRecording(bytes.NewReader(b))
		if err != nil {
			return
		}
		chain := r.Chain()
		chain.Cut(1)
	})
}
