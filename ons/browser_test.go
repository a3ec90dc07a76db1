package ons

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

var rewrite = flag.Bool("update", false, "write testdata/browser.json")

// browserVectors is what the dashboard's own implementation (frontend/src/lib) is held to: there vitest reads the same file.
type browserVectors struct {
	Note       string              `json:"note"`
	Lookalikes []browserLookalikes `json:"lookalikes"`
	Readings   []browserReadings   `json:"readings"`
	Bundle     string              `json:"bundle"`
	Delta      string              `json:"delta"`
	After      string              `json:"after"` // what the delta makes of the bundle
	Hashes     int                 `json:"hashes"`
	Rows       []browserRow        `json:"rows"` // of the bundle
}

type browserLookalikes struct {
	Type string   `json:"type"`
	Name string   `json:"name"`
	Near []string `json:"near"` // the first 60
}

type browserReadings struct {
	Text string             `json:"text"`
	Asks map[Client]*string `json:"asks"` // null: for nothing that can be registered
}

type browserRow struct {
	Type    string `json:"type"`
	Hash    string `json:"hash"`
	Stored  string `json:"stored"`
	Expires uint64 `json:"expires"`
}

// TestBrowserVectors holds testdata/browser.json to what this package says; -update writes it.
func TestBrowserVectors(t *testing.T) {
	v := browserVectors{Note: "Written by go test ./ons -run TestBrowserVectors -update; read by frontend/src/lib"}
	for _, n := range []Name{
		mustName(t, Session, "modern"), mustName(t, Session, "wallet"), mustName(t, Session, "bob_1"), mustName(t, Session, "_bob"),
		mustName(t, Lokinet, "rnail"), mustName(t, Wallet, "o"), mustName(t, Session, "xy"), mustName(t, Session, "xn--nal-hoa"),
		mustName(t, Wallet, "lilil1i1"), mustName(t, Lokinet, "a-b"),
	} {
		near := []string{}
		for _, like := range Lookalikes(n, 60) {
			near = append(near, like.String())
		}
		v.Lookalikes = append(v.Lookalikes, browserLookalikes{n.Type().String(), n.String(), near})
	}
	for _, text := range []string{
		"mag69", "Mag69", " mag69", "mag69 ", ".mag69.", "mag69.loki", "Ünal", "ünal", "e\u0301", "❤\ufe0f", "faß", "İ", "Σίσ", "b\u043eb", "-x", "x-", "a~b",
		"a%b", "a b", "", "_x_", "ab--cd", "a.b", "a@b", "東京", "bob\u200b", "ü\u3002b", "\u05d0\u05d1a", "\U0001f600", "ＢＯＢ", "Ⅴ", "xn--nal-hoa",
		"mag69\ufeff", "\ufeffmag69", "mag69\u0085", "\u00a0mag69\u3000",
	} {
		asks := map[Client]*string{}
		for _, r := range Readings(text) {
			asks[r.Client] = nil
			if r.Name != (Name{}) {
				s := r.Name.String()
				asks[r.Client] = &s
			}
		}
		v.Readings = append(v.Readings, browserReadings{text, asks})
	}

	rng := rand.New(rand.NewPCG(7, 0))
	records := map[Key]Record{}
	draw := func() Key { return Key{Type: Type(rng.IntN(3)), Hash: Hash{byte(rng.IntN(12)), 31: byte(rng.IntN(3))}} }
	for range 40 {
		k := draw()
		records[k] = randomRecord(rng, k)
	}
	before := bundled(t, somewhere(1), records)
	for k, r := range records {
		v.Rows = append(v.Rows, browserRow{k.Type.String(), k.Hash.String(), hex.EncodeToString(r.Sealed.Stored()), r.Expires})
	}
	slices.SortFunc(v.Rows, func(a, b browserRow) int {
		return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.Hash, b.Hash))
	})
	var changed []Key
	for range 12 {
		k := draw()
		changed = append(changed, k)
		if rng.IntN(3) == 0 {
			delete(records, k)
		} else {
			records[k] = randomRecord(rng, k)
		}
	}
	at := somewhere(2)
	at.Height++
	after := bundled(t, at, records)
	v.Bundle, v.Delta, v.After = hex.EncodeToString(before.Bytes()), hex.EncodeToString(after.Delta(somewhere(1).Hash, changed)), hex.EncodeToString(after.Bytes())
	v.Hashes = before.Hashes()

	got, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const path = "testdata/browser.json"
	if *rewrite {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("testdata/browser.json is not what this package says: run go test ./ons -run TestBrowserVectors -update")
	}
}
