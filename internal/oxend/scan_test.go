package oxend

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var (
	scanHash   = `"` + strings.Repeat("0f", 32) + `"`
	scanValues = []string{
		scanHash, "0", "1", "7", "255", "256", "19", "18446744073709551615", "18446744073709551616", "1234567890123456789", "01", "-1", "1.0", "1e3",
		"true", "false", "null", `""`, `"00"`, `"0"`, `"zz"`, `"\u0030\u0030"`, `"a\"b"`, "\"\x01\"", "\"é\"", "[]", "{}", "[" + scanHash + "]",
		"[" + scanHash + "," + scanHash + "]", "[null]", "[" + scanHash + ",]", `{"A":{"b":[1,true,null,"x"]}}`, `{"a":1,}`, `[1 2]`, "tru", "trueish", "nul", "",
		" 4 ", "\t\"OK\"\n", "\x00", strings.Repeat("[", 20) + strings.Repeat("]", 20),
	}
	scanGood = map[string]string{"hash": scanHash, "prev_hash": scanHash, "height": "5", "timestamp": "9", "major_version": "19", "minor_version": "6",
		"orphan_status": "false", "num_txes": "1", "tx_hashes": "[" + scanHash + "]", "tx_hash": scanHash, "block_height": "3", "in_pool": "false",
		"type": "4", "as_hex": `"00ff"`, "pruned_as_hex": `"00"`, "data": `"01"`, "pruned": `"02"`, "tx_extra_raw": `"03"`, "status": `"OK"`, "untrusted": "false"}
	scanKeys = []string{"hash", "prev_hash", "height", "timestamp", "major_version", "minor_version", "orphan_status", "num_txes", "tx_hashes", "status",
		"untrusted", "tx_hash", "block_height", "in_pool", "type", "as_hex", "pruned_as_hex", "data", "pruned", "tx_extra_raw", "missed_tx", "block_size",
		"Hash", "ſtatus", "headers", "txs", "result", "error", "id", ""}
)

// TestScanOdd puts every odd value behind every key at every level, alone and twice, and compares with encoding/json.
func TestScanOdd(t *testing.T) {
	t.Parallel()
	for _, key := range scanKeys {
		for _, value := range scanValues {
			one := fmt.Sprintf("%q:%s", key, value)
			two := fmt.Sprintf("%s,%q:%s", one, key, scanGood[key])
			for _, f := range []string{one, two} {
				for _, body := range []string{
					`{"result":{"status":"OK","headers":[{` + f + `}],"txs":[{` + f + `}]}}`,
					`{"result":{"status":"OK","headers":[{"height":1},{` + f + `},{}]}}`,
					`{"result":{"txs":[{"type":1},{` + f + `},{}],"status":"OK"}}`,
					`{"result":{"status":"OK",` + f + `}}`,
					`{"result":{"status":"OK"},` + f + `}`,
					`{` + f + `,"result":{"headers":[],"status":"OK"}}` + value,
				} {
					sameAsJSON(t, []byte(body), scanHeaders(maxPage))
					sameAsJSON(t, []byte(body), scanTxs(maxTxs))
				}
			}
		}
	}
}

// TestScanTraps are differences that were possible: a list twice (encoding/json then fills the first one's elements
// again), and a NUL after the end.
func TestScanTraps(t *testing.T) {
	t.Parallel()
	for _, list := range []string{`"headers":[{"height":7}],"headers":[{}]`, `"txs":[{"block_height":7}],"txs":[{}]`} {
		body := []byte(`{"result":{"status":"OK",` + list + `}}`)
		sameAsJSON(t, body, scanHeaders(maxPage))
		sameAsJSON(t, body, scanTxs(maxTxs))
	}
	for _, end := range []string{"\x00", "\x00 ", " \x00x"} {
		body := []byte(`{"result":{"status":"OK","headers":[]}}` + end)
		sameAsJSON(t, body, scanHeaders(maxPage))
		sameAsJSON(t, body, scanTxs(maxTxs))
	}
}

// TestScanProperty feeds the scanner pages that are valid but for a few odd keys and values.
func TestScanProperty(t *testing.T) {
	t.Parallel()
	h, good := scanHash, scanGood
	values, keys := rapid.SampledFrom(scanValues), rapid.SampledFrom(scanKeys)
	object := func(t *rapid.T) string {
		var parts []string
		for range rapid.IntRange(0, 6).Draw(t, "fields") {
			k := keys.Draw(t, "key")
			v, ok := good[k]
			if !ok || rapid.IntRange(0, 9).Draw(t, "odd") == 0 {
				v = values.Draw(t, "value")
			}
			parts = append(parts, fmt.Sprintf("%q:%s", k, v))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	rapid.Check(t, func(t *rapid.T) {
		var list []string
		for range rapid.IntRange(0, 3).Draw(t, "objects") {
			list = append(list, object(t))
		}
		name := rapid.SampledFrom([]string{"headers", "txs"}).Draw(t, "list")
		extra := rapid.SampledFrom([]string{"", `,"untrusted":true`, `,"missed_tx":[` + h + `]`, `,"x":[1]`, `,"status":"OK"`}).Draw(t, "extra")
		tail := rapid.SampledFrom([]string{"", "", "", "\n", " x", "}", `,"result":{}`, `,"error":null`, `,"error":{}`, `,"id":0`}).Draw(t, "tail")
		end := "}"
		if strings.HasPrefix(tail, ",") {
			end, tail = tail+"}", ""
		}
		body := []byte(`{"jsonrpc":"2.0","result":{"status":"OK","` + name + `":[` + strings.Join(list, ",") + `]` + extra + `}` + end + tail)
		sameAsJSON(t, body, scanHeaders(maxPage))
		sameAsJSON(t, body, scanTxs(maxTxs))
	})
}
