package devnet_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"testing"

	"onsight/internal/devnet"
)

// BenchmarkGenerate makes a chain of the size the index is measured with.
func BenchmarkGenerate(b *testing.B) {
	for b.Loop() {
		devnet.Generate(devnet.GenerateConfig{Seed: 1, Blocks: 300_000, Ordinary: 60_000, ONS: 20_000})
	}
}

// BenchmarkClone forks a chain of the size of a demonstration's; a lagging daemon does it once a block.
func BenchmarkClone(b *testing.B) {
	chain, _ := devnet.Generate(devnet.GenerateConfig{Seed: 1, Blocks: 5_000, Ordinary: 1_000, ONS: 500})
	for b.Loop() {
		chain.Clone()
	}
}

// BenchmarkMine mines one transaction made by hand a block.
func BenchmarkMine(b *testing.B) {
	chain, _ := devnet.Generate(devnet.GenerateConfig{Seed: 1})
	n, other := mustName(b, "mined"), devnet.UpdateOptions{Value: value(b, 0, sessionID)}
	if _, err := chain.BuyName(n, other.Value, devnet.BuyOptions{}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		chain.Mine(1, 0, 0)
		if _, err := chain.UpdateName(n, other); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkServe asks over loopback for headers and for raw transactions, pages as a syncing client does.
func BenchmarkServe(b *testing.B) {
	chain, _ := devnet.Generate(devnet.GenerateConfig{Seed: 1, Blocks: 20_000, Ordinary: 4_000, ONS: 2_000})
	d := start(b, chain, devnet.Options{})
	var hashes []string
	for h := range chain.Height() {
		list, _ := chain.Transactions(h)
		for _, x := range list {
			hashes = append(hashes, x.String())
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	const page = 500
	post := func(b *testing.B, body []byte) {
		resp, err := http.Post(d.URL()+"/json_rpc", "application/json", bytes.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		n, _ := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		b.SetBytes(n)
	}
	b.Run("headers", func(b *testing.B) {
		for b.Loop() {
			at := r.IntN(20_000 - page)
			post(b, fmt.Appendf(nil, `{"id":1,"method":"get_block_headers_range","params":{"start_height":%d,"end_height":%d,"get_tx_hashes":true}}`, at, at+page-1))
		}
		b.ReportMetric(float64(b.N)*page/b.Elapsed().Seconds(), "headers/s")
	})
	b.Run("transactions", func(b *testing.B) {
		for b.Loop() {
			at := r.IntN(len(hashes) - 200)
			list, _ := json.Marshal(hashes[at : at+200])
			post(b, fmt.Appendf(nil, `{"id":1,"method":"get_transactions","params":{"txs_hashes":%s}}`, list))
		}
		b.ReportMetric(float64(b.N)*200/b.Elapsed().Seconds(), "txs/s")
	})
}
