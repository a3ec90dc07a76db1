package devnet_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"onsight/internal/devnet"
	"onsight/ons"
)

// ask sends a request whose connection nobody shares, and returns what came of the body.
func ask(ctx context.Context, url, body string) (status int, got []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Close = true // a cut connection that was used before is tried again
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	got, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, got, err
}

const heightRequest = `{"id":1,"method":"get_height"}`

// TestDaemonFaults sets each fault and sees it come and go.
func TestDaemonFaults(t *testing.T) {
	t.Parallel()
	chain, _ := devnet.Generate(devnet.GenerateConfig{Seed: 3})
	d := start(t, chain, devnet.Options{Seed: 5})
	healthy := func() {
		t.Helper()
		status, got, err := ask(t.Context(), d.URL()+"/json_rpc", heightRequest)
		if err != nil || status != 200 || !bytes.Contains(got, []byte(`"height":400,`)) {
			t.Errorf("%d %s (%v)", status, got, err)
		}
	}
	for _, c := range []struct {
		name   string
		faults devnet.DaemonFaults
		plain  bool
		check  func(status int, got []byte, err error) bool
	}{
		{"error", devnet.DaemonFaults{Error: true}, false, func(status int, got []byte, err error) bool {
			return err == nil && status == 200 && string(got) == `{"error":{"code":-32603,"message":"Internal error"},"id":0,"jsonrpc":"2.0"}`
		}},
		{"plain error", devnet.DaemonFaults{Error: true}, true, func(status int, got []byte, err error) bool {
			return err == nil && status == 500 && string(got) == "Internal error"
		}},
		{"busy", devnet.DaemonFaults{Busy: true}, false, func(status int, got []byte, err error) bool {
			return err == nil && status == 200 && bytes.Contains(got, []byte(`"code":-32003,"message":"Server busy, try again later"`))
		}},
		{"plain busy", devnet.DaemonFaults{Busy: true}, true, func(status int, _ []byte, err error) bool { return err == nil && status == 503 }},
		{"lost", devnet.DaemonFaults{Loss: 1}, false, func(_ int, got []byte, err error) bool { return err != nil && len(got) == 0 }},
		{"truncated", devnet.DaemonFaults{Truncate: true}, false, func(status int, got []byte, err error) bool {
			return errors.Is(err, io.ErrUnexpectedEOF) && status == 200 && len(got) > 20 && !json.Valid(got)
		}},
		{"garbage", devnet.DaemonFaults{Garbage: true}, false, func(status int, got []byte, err error) bool {
			return err == nil && status == 200 && len(got) > 20 && !json.Valid(got)
		}},
		{"huge", devnet.DaemonFaults{Huge: true}, false, func(status int, got []byte, err error) bool {
			return err == nil && status == 200 && len(got) == 1<<20 && got[0] == '{'
		}},
		{"late", devnet.DaemonFaults{Delay: time.Millisecond}, false, func(status int, _ []byte, err error) bool { return err == nil && status == 200 }},
		{"backwards", devnet.DaemonFaults{Backwards: 30}, false, func(_ int, got []byte, _ error) bool {
			return bytes.Contains(got, []byte(`"height":370,`))
		}},
		{"far backwards", devnet.DaemonFaults{Backwards: 1 << 63}, true, func(_ int, got []byte, _ error) bool {
			return bytes.Contains(got, []byte(`"height":1,`))
		}},
	} {
		d.SetFaults(c.faults)
		if d.Faults() != c.faults {
			t.Errorf("%s: faults %+v", c.name, d.Faults())
		}
		path, body := "/json_rpc", heightRequest
		if c.plain {
			path, body = "/get_height", ""
		}
		if status, got, err := ask(t.Context(), d.URL()+path, body); !c.check(status, got, err) {
			t.Errorf("%s: %d %.200q (%v)", c.name, status, got, err)
		}
		d.SetFaults(devnet.DaemonFaults{})
		healthy()
	}
}

// TestStall shows that a stalled or slow request ends when the client gives up and when the daemon is closed.
func TestStall(t *testing.T) {
	t.Parallel()
	chain, _ := devnet.Generate(devnet.GenerateConfig{Seed: 3, Blocks: 10})
	for _, faults := range []devnet.DaemonFaults{{Stall: true}, {Delay: time.Hour}} {
		d := start(t, chain, devnet.Options{})
		d.SetFaults(faults)
		ended := make(chan struct{}, 2)
		inner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() { ended <- struct{}{} }()
			d.Handler().ServeHTTP(w, r)
		}))
		t.Cleanup(inner.Close)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, _, err := ask(ctx, inner.URL+"/json_rpc", heightRequest); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%+v: %v", faults, err)
		}
		cancel()
		<-ended
		done := make(chan error, 1)
		go func() {
			_, _, err := ask(context.WithoutCancel(t.Context()), inner.URL+"/json_rpc", heightRequest)
			done <- err
		}()
		d.Close()
		if err := <-done; err == nil {
			t.Errorf("%+v: answered", faults)
		}
		<-ended
	}
}

// TestLossIsSeeded shows that the seed fixes which requests are lost.
func TestLossIsSeeded(t *testing.T) {
	t.Parallel()
	chain, _ := devnet.Generate(devnet.GenerateConfig{Seed: 3, Blocks: 10})
	fates := func(seed uint64) (s string) {
		d := start(t, chain, devnet.Options{Seed: seed})
		d.SetFaults(devnet.DaemonFaults{Loss: 0.3})
		for range 60 {
			if _, _, err := ask(t.Context(), d.URL()+"/get_height", ""); err != nil {
				s += "x"
			} else {
				s += "."
			}
		}
		return s
	}
	one := fates(1)
	if again := fates(1); again != one {
		t.Errorf("%s\n%s", one, again)
	}
	if lost := strings.Count(one, "x"); lost < 8 || lost > 30 || fates(2) == one {
		t.Errorf("%d of 60 lost", lost)
	}
}

// TestSilentAndBackwards freezes a daemon, and lets one lag, while the chain goes on.
func TestSilentAndBackwards(t *testing.T) {
	t.Parallel()
	chain, _ := devnet.Generate(devnet.GenerateConfig{Seed: 3})
	d := start(t, chain, devnet.Options{})
	height := func() uint64 {
		t.Helper()
		var got struct{ Height uint64 }
		mustRPC(t, d.URL(), "get_height", m{}, &got)
		return got.Height
	}
	d.SetFaults(devnet.DaemonFaults{Silent: true})
	chain.Mine(5, 0, 0)
	if got := height(); got != 400 {
		t.Errorf("frozen at %d", got)
	}
	d.SetFaults(devnet.DaemonFaults{Silent: true, Backwards: 10})
	chain.Mine(5, 0, 0)
	if got := height(); got != 395 {
		t.Errorf("frozen and behind at %d", got)
	}
	d.SetFaults(devnet.DaemonFaults{Backwards: 10})
	for i := range uint64(3) {
		if got := height(); got != 400+i {
			t.Errorf("behind at %d, want %d", got, 400+i)
		}
		chain.Mine(1, 0, 0)
	}
	d.SetFaults(devnet.DaemonFaults{Silent: true})
	var popped struct{ Height uint64 }
	mustRPC(t, d.URL(), "pop_blocks", m{"nblocks": 3}, &popped) // what changes the chain changes the real one
	if popped.Height != 410 || chain.Height() != 410 || height() != 413 {
		t.Errorf("popped to %d, chain %d, shown %d", popped.Height, chain.Height(), height())
	}
	other, _ := devnet.Generate(devnet.GenerateConfig{Seed: 3, Blocks: 30})
	d.Swap(other)
	if got := height(); got != 30 {
		t.Errorf("another chain at %d", got)
	}
}

// TestLies shows that a lying daemon's values do not open, whichever method shows them, and that its transactions are true.
func TestLies(t *testing.T) {
	t.Parallel()
	for _, dialect := range []devnet.Dialect{devnet.Dialect10, devnet.Dialect11} {
		chain, truth := devnet.Generate(devnet.GenerateConfig{Seed: 3, Dialect: dialect})
		d := start(t, chain, devnet.Options{})
		o := truth.Open()[3]
		key := ons.Key{Type: o.Name.Type(), Hash: o.Name.Hash()}
		r, _ := truth.Record(key)
		resolve := func() (got struct {
			Value string `json:"encrypted_value"`
			Nonce string
		}) {
			mustRPC(t, d.URL(), "ons_resolve", m{"type": key.Type, "name_hash": key.Hash.String()}, &got)
			return got
		}
		honest, _ := lookup(t, d.URL(), chain, key)
		straight := resolve()
		d.SetFaults(devnet.DaemonFaults{LieONS: true})
		lied, _ := lookup(t, d.URL(), chain, key)
		crooked := resolve()
		if lied.Value == honest.Value || len(lied.Value) != len(honest.Value) || lied.Txid != honest.Txid || lied.Value != crooked.Value+crooked.Nonce {
			t.Errorf("%v: %+v for %+v", dialect, lied, honest)
		}
		if straight.Value == crooked.Value || crooked != resolve() {
			t.Errorf("%v: %+v", dialect, crooked)
		}
		stored, err := hex.DecodeString(lied.Value)
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := ons.ParseSealed(key.Type, stored)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.Name.Open(sealed); !errors.Is(err, ons.ErrOpen) {
			t.Errorf("%v: it opens (%v)", dialect, err)
		}
		var txs struct{ Txs []m }
		mustRPC(t, d.URL(), "get_transactions", m{"txs_hashes": []string{r.Txid.String()}, "data": true}, &txs)
		raw, _ := chain.Raw(r.Txid)
		if got := txs.Txs[0]["as_hex"]; dialect == devnet.Dialect10 && got != hex.EncodeToString(raw) {
			t.Errorf("%v: raw %v", dialect, got)
		}
	}
}
