package devnet_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"onsight/internal/devnet"
	"onsight/ons"
)

func name(t testing.TB, kind ons.Type, text string) ons.Name {
	t.Helper()
	n, err := ons.ParseName(kind, text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func value(t testing.TB, kind ons.Type, text string) ons.Value {
	t.Helper()
	v, err := ons.ParseValue(kind, text, ons.Fakechain)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

const sessionID = "05641ea2589d88686200653b11234f07b41d140fa5c188ca4cd840f86a27874f5b"

// TestRefusals does on the recorded chain what the recorded wallet was refused, and gets its words; only the hash of the refused
// transaction is another one.
func TestRefusals(t *testing.T) {
	t.Parallel()
	r, err := devnet.OpenRecording(recorded10)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file   string
		height uint64
		want   error
		before func(t *testing.T, c *devnet.Chain) // what waited in the pool
	}{
		{"buy_taken_session", 290, devnet.ErrRegistered, nil},
		{"buy_taken_lokinet", 290, devnet.ErrDoubleSpend, func(t *testing.T, c *devnet.Chain) {
			c.Cut(bought(t, c, name(t, ons.Lokinet, "five.loki"))) // as it was bought
			if _, err := c.BuyName(name(t, ons.Lokinet, "five.loki"), loki(t), devnet.BuyOptions{Years: 5}); err != nil {
				t.Fatal(err)
			}
		}},
		{"session_name_over_foreign_wallet", 290, devnet.ErrTwin, nil},
		{"wallet_name_over_foreign_session", 290, devnet.ErrTwin, nil},
		{"bad_name_06", 290, devnet.ErrRule, nil},
		{"renew_expired", 282, devnet.ErrNoRecord, nil},
		{"renew_unknown", 290, devnet.ErrNoRecord, nil},
		{"renew_session", 290, devnet.ErrLength, nil},
		{"update_unknown", 290, devnet.ErrNoRecord, nil},
		{"update_expired", 282, devnet.ErrNoRecord, nil},
		{"update_nothing", 290, devnet.ErrNothing, nil},
		{"update_by_non_owner", 245, devnet.ErrSigner, nil},
		{"update_by_former_owner", 290, devnet.ErrSigner, nil},
	} {
		t.Run(c.file, func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(filepath.Join("testdata/rpc/wallet", "ons_err_"+c.file+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var q struct {
				Request struct {
					Method string
					Params struct{ Type, Name, Value string }
				}
				Response struct{ Error struct{ Message string } }
			}
			if err := json.Unmarshal(raw, &q); err != nil {
				t.Fatal(err)
			}
			chain := r.Chain()
			chain.Cut(c.height)
			if c.before != nil {
				c.before(t, chain)
			}
			p := q.Request.Params
			kind, err := ons.ParseType(p.Type)
			if err != nil {
				t.Fatal(err)
			}
			n := name(t, kind, p.Name)
			var v ons.Value
			if c.file == "bad_name_06" {
				v = value(t, kind, "05"+p.Value[2:])
				v.Bytes[0] = 6 // ons does not read such a text
			} else if p.Value != "" {
				v = value(t, kind, p.Value)
			}
			owner, err := ons.ParseOwner("L76QXfwBy7mWMVfehCtDYnTxwKeP1nCjTBWyzg6eHJYxB4AQVzW7NZo336kqSRj8uyiin3XDbSpHvDuYscHaZijW2GJAp1X", ons.Fakechain)
			if err != nil {
				t.Fatal(err)
			}
			before := chain.Pool()
			switch q.Request.Method {
			case "ons_buy_mapping":
				_, err = chain.BuyName(n, v, devnet.BuyOptions{Owner: owner})
			case "ons_update_mapping":
				_, err = chain.UpdateName(n, devnet.UpdateOptions{Value: v, Signer: devnet.NewAccount(9, ons.OwnerWallet)})
			case "ons_renew_mapping":
				_, err = chain.RenewName(n, 1)
			}
			var refusal *devnet.RefusalError
			if !errors.Is(err, c.want) || !errors.As(err, &refusal) {
				t.Fatalf("error %v", err)
			}
			hash := regexp.MustCompile(`hash=<[0-9a-f]{64}>\}; ONS`)
			if diff := cmp.Diff(hash.ReplaceAllString(q.Response.Error.Message, "…"), hash.ReplaceAllString(refusal.Text, "…")); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(before, chain.Pool()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func loki(t testing.TB) ons.Value {
	return value(t, ons.Lokinet, "bwnjc35phjffokkfxgnexkyhrfd9hnndap7cmecu3hbtk6irbuwo.loki")
}

// bought is the height a name was first bought at.
func bought(t testing.TB, c *devnet.Chain, n ons.Name) uint64 {
	t.Helper()
	history := c.Truth().History(ons.Key{Type: n.Type(), Hash: n.Hash()})
	if len(history) == 0 {
		t.Fatalf("%v was never bought", n)
	}
	return history[0].Updated
}

// TestNamesByHand buys, updates, hands over and renews names of every type, between accounts of both kinds, and holds what a daemon says
// and what package ons makes of the blocks against the truth.
func TestNamesByHand(t *testing.T) {
	t.Parallel()
	for _, dialect := range []devnet.Dialect{devnet.Dialect10, devnet.Dialect11} {
		chain, truth := devnet.Generate(devnet.GenerateConfig{Seed: 4, Blocks: 200, Dialect: dialect, Ordinary: 20, ONS: 20})
		d := start(t, chain, devnet.Options{})
		alice, bob := devnet.NewAccount(1, ons.OwnerWallet), devnet.NewAccount(2, ons.OwnerEd25519)
		hand, twin, host := name(t, ons.Session, "By_hand"), name(t, ons.Wallet, "by_hand"), name(t, ons.Lokinet, "by-hand.loki")
		address := value(t, ons.Wallet, alice.Address(ons.Fakechain))
		do := func(txid ons.Txid, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			if pool := chain.Pool(); pool[len(pool)-1] != txid {
				t.Fatalf("pool %v, want %v", pool, txid)
			}
		}
		do(chain.BuyName(hand, value(t, ons.Session, sessionID), devnet.BuyOptions{Owner: alice.Owner(), Backup: bob.Owner()}))
		do(chain.BuyName(host, loki(t), devnet.BuyOptions{Years: 2}))
		before := truth.Events()
		chain.Mine(1, 0, 0)
		if truth.Events() != before+2 || len(chain.Pool()) != 0 {
			t.Fatalf("%d events more, %d in the pool", truth.Events()-before, len(chain.Pool()))
		}
		do(chain.BuyName(twin, address, devnet.BuyOptions{Owner: bob.Owner()})) // the session name's backup owner may
		do(chain.UpdateName(hand, devnet.UpdateOptions{Value: value(t, ons.Session, "05"+strings.Repeat("7a", 32)), Signer: bob}))
		do(chain.RenewName(host, 5))
		chain.Mine(1, 2, 2)
		do(chain.UpdateName(hand, devnet.UpdateOptions{Owner: devnet.NewAccount(0, ons.OwnerEd25519).Owner(), Signer: alice}))
		do(chain.UpdateName(host, devnet.UpdateOptions{Backup: bob.Owner()})) // the default wallet's key is known
		chain.Mine(1, 0, 0)
		do(chain.UpdateName(hand, devnet.UpdateOptions{Value: value(t, ons.Session, sessionID)}))
		chain.Mine(1, 0, 0)
		if _, err := chain.UpdateName(hand, devnet.UpdateOptions{Value: value(t, ons.Session, sessionID), Signer: alice}); !errors.Is(err, devnet.ErrSigner) {
			t.Errorf("the former owner: %v", err)
		}
		if _, err := chain.UpdateName(host, devnet.UpdateOptions{Backup: bob.Owner()}); !errors.Is(err, devnet.ErrNothing) {
			t.Errorf("the same backup owner: %v", err)
		}
		r, _ := truth.Record(ons.Key{Type: ons.Lokinet, Hash: host.Hash()})
		if want := r.Registered + 7*chain.Year(); r.Expires != want || r.Backup != bob.Owner() {
			t.Errorf("expires %d, want %d; backup %v", r.Expires, want, r.Backup)
		}
		open := map[string]string{}
		for _, o := range truth.Open() {
			open[o.Name.Type().String()+" "+o.Name.String()] = o.Text
		}
		if open["session by_hand"] != sessionID || open["wallet by_hand"] != alice.Address(ons.Fakechain) || open["lokinet by-hand.loki"] == "" {
			t.Errorf("open %v", open)
		}
		chain.Mine(20, 0, 1)
		testTruth(t, d, chain, truth)
		testParses(t, chain)
	}
}

// TestRules refuses what no wallet would make: raw transactions that break a rule of consensus.
func TestRules(t *testing.T) {
	t.Parallel()
	chain, _ := devnet.Generate(devnet.GenerateConfig{Seed: 4, Blocks: 200})
	alice := devnet.NewAccount(1, ons.OwnerEd25519)
	n := name(t, ons.Session, "ruled")
	sealed, err := n.Seal(value(t, ons.Session, sessionID), nil)
	if err != nil {
		t.Fatal(err)
	}
	op := ons.Op{Kind: ons.Buy, Type: ons.Session, Hash: n.Hash(), Owner: alice.Owner(), Value: sealed.Stored(), Burn: 7e9}
	for _, c := range []struct {
		what   string
		change func(*ons.Op)
		want   error
	}{
		{"little burned", func(o *ons.Op) { o.Burn-- }, devnet.ErrRule},
		{"much burned", func(o *ons.Op) { o.Burn++ }, devnet.ErrRule},
		{"no hash", func(o *ons.Op) { o.Hash = ons.Hash{} }, devnet.ErrRule},
		{"short value", func(o *ons.Op) { o.Value = o.Value[1:] }, devnet.ErrRule},
		{"one owner twice", func(o *ons.Op) { o.Backup = o.Owner }, devnet.ErrRule},
		{"built on something", func(o *ons.Op) { o.Prev[3] = 1 }, devnet.ErrRule},
		{"sound", func(*ons.Op) {}, nil},
		{"again", func(*ons.Op) {}, devnet.ErrDoubleSpend},
	} {
		o := op
		c.change(&o)
		_, err := chain.Submit(devnet.RawOp(o, uint64(len(c.what))))
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.what, err, c.want)
		}
	}
	chain.Mine(1, 0, 0)
	head, ok := chain.Truth().Record(op.Key())
	if !ok {
		t.Fatal("not bought")
	}
	update := ons.Op{Kind: ons.Update, Type: ons.Session, Hash: n.Hash(), Prev: head.Txid, Backup: devnet.NewAccount(3, ons.OwnerWallet).Owner()}
	update.Signature = devnet.Sign(alice, update)
	for _, c := range []struct {
		what   string
		change func(*ons.Op)
		want   error
	}{
		{"not its signature", func(o *ons.Op) { o.Signature.Bytes[5] ^= 1 }, devnet.ErrSigner},
		{"another's signature", func(o *ons.Op) { o.Signature = devnet.Sign(devnet.NewAccount(3, ons.OwnerWallet), *o) }, devnet.ErrSigner},
		{"on another record", func(o *ons.Op) { o.Prev[0] ^= 1; o.Signature = devnet.Sign(alice, *o) }, devnet.ErrPast},
		{"of another name", func(o *ons.Op) { o.Hash[0] ^= 1 }, devnet.ErrNoRecord},
		{"the same owner", func(o *ons.Op) { o.Owner = alice.Owner(); o.Signature = devnet.Sign(alice, *o) }, devnet.ErrNothing},
		{"burned", func(o *ons.Op) { o.Burn = 7e9 }, devnet.ErrRule},
		{"sound", func(*ons.Op) {}, nil},
	} {
		o := update
		c.change(&o)
		_, err := chain.Submit(devnet.RawOp(o, 100+uint64(len(c.what))))
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.what, err, c.want)
		}
	}
	young, _ := devnet.Generate(devnet.GenerateConfig{Seed: 4, Blocks: 153})
	if _, err := young.BuyName(name(t, ons.Wallet, "early"), value(t, ons.Wallet, devnet.NewAccount(1, ons.OwnerWallet).Address(ons.Fakechain)),
		devnet.BuyOptions{}); !errors.Is(err, devnet.ErrRule) {
		t.Errorf("a wallet name before HF18: %v", err)
	}
	if _, err := chain.Submit([]byte{1, 2, 3}); !errors.Is(err, devnet.ErrTransaction) {
		t.Errorf("three bytes: %v", err)
	}
}

// TestLegacyByHand buys a name in the scheme of 2020.
func TestLegacyByHand(t *testing.T) {
	t.Parallel()
	chain, truth := devnet.Generate(devnet.GenerateConfig{Seed: 4, Blocks: 200, Ordinary: 0, ONS: 0})
	n := name(t, ons.Session, "old")
	if _, err := chain.BuyName(n, value(t, ons.Session, sessionID), devnet.BuyOptions{Legacy: true}); err != nil {
		t.Fatal(err)
	}
	chain.Mine(1, 0, 0)
	if open := truth.Open(); len(open) != 1 || !open[0].Legacy || open[0].Text != sessionID {
		t.Errorf("open %v", open)
	}
	r, ok := truth.Record(ons.Key{Hash: n.Hash()})
	if !ok || !r.Sealed.Legacy() {
		t.Errorf("record %+v", r)
	}
}

// TestAccountsSign shows that whatever an account of either kind signs, package ons verifies, and nothing else.
func TestAccountsSign(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		kind := rapid.SampledFrom([]ons.OwnerKind{ons.OwnerWallet, ons.OwnerEd25519}).Draw(rt, "kind")
		a := devnet.NewAccount(rapid.Uint64().Draw(rt, "seed"), kind)
		op := ons.Op{Kind: ons.Update, Type: ons.Lokinet, Length: 2, Value: rapid.SliceOfN(rapid.Byte(), 72, 72).Draw(rt, "value")}
		op.Signature = devnet.Sign(a, op)
		record := ons.Record{Type: ons.Lokinet, Owner: ons.Owner{Kind: ons.OwnerEd25519}, Backup: a.Owner()}
		if err := op.Verify(record); err != nil {
			rt.Fatal(err)
		}
		op.Value[rapid.IntRange(0, 71).Draw(rt, "at")] ^= 1
		if op.Verify(record) == nil {
			rt.Fatal("another message verifies")
		}
	})
	a := devnet.NewAccount(7, ons.OwnerWallet)
	if a.Owner() != devnet.NewAccount(7, ons.OwnerWallet).Owner() || a.Owner() == devnet.NewAccount(8, ons.OwnerWallet).Owner() {
		t.Error("an account is not its seed's")
	}
	if o, err := ons.ParseOwner(a.Address(ons.Mainnet), ons.Mainnet); err != nil || o != a.Owner() {
		t.Errorf("owner %v (%v)", o, err)
	}
	if got := a.String(); got != a.Address(ons.Fakechain) {
		t.Errorf("shown as %s", got)
	}
}

// TestRejections gets the words of the recorded daemon for transactions no wallet of ours made: the recorded update of alice's twice, and
// one with a wrong signature.
func TestRejections(t *testing.T) {
	t.Parallel()
	r, err := devnet.OpenRecording(recorded10)
	if err != nil {
		t.Fatal(err)
	}
	chain := r.Chain()
	alice := chain.Truth().History(ons.Key{Hash: name(t, ons.Session, "alice").Hash()})
	update := alice[1]
	raw, ok := chain.Raw(update.Txid)
	if !ok || update.Kind != ons.Update {
		t.Fatalf("%+v", update)
	}
	chain.Cut(update.Updated)
	if txid, err := chain.Submit(raw); err != nil || txid != update.Txid { // its signature is a real wallet's
		t.Fatalf("%v, %v", txid, err)
	}
	_, err = chain.Submit(raw)
	rejected(t, "ons_err_second_update_in_mempool", err, devnet.ErrDoubleSpend)

	dave, ok := chain.Truth().Record(ons.Key{Hash: name(t, ons.Session, "dave").Hash()})
	if !ok {
		t.Fatal("no dave")
	}
	op := ons.Op{Kind: ons.Update, Hash: dave.Hash, Prev: dave.Txid, Backup: devnet.NewAccount(1, ons.OwnerEd25519).Owner()}
	op.Signature = devnet.Sign(devnet.NewAccount(1, ons.OwnerEd25519), op)
	_, err = chain.Submit(devnet.RawOp(op, 1))
	rejected(t, "ons_update_28_session_dave", err, devnet.ErrSigner)
}

// rejected holds an error against a recorded one, hashes and signatures left out.
func rejected(t *testing.T, file string, err, want error) {
	t.Helper()
	raw, e := os.ReadFile(filepath.Join("testdata/rpc/wallet", file+".json"))
	if e != nil {
		t.Fatal(e)
	}
	var q struct {
		Response struct{ Error struct{ Message string } }
	}
	if e := json.Unmarshal(raw, &q); e != nil {
		t.Fatal(e)
	}
	if !errors.Is(err, want) {
		t.Fatalf("error %v", err)
	}
	drawn := regexp.MustCompile(`hash=<[0-9a-f]{64}>\},|signature=[0-9a-f]+`)
	if diff := cmp.Diff(drawn.ReplaceAllString(q.Response.Error.Message, "…"), drawn.ReplaceAllString(err.Error(), "…")); diff != "" {
		t.Error(diff)
	}
}

func ExampleChain_BuyName() {
	chain, truth := devnet.Generate(devnet.GenerateConfig{Blocks: 200})
	alice := devnet.NewAccount(1, ons.OwnerWallet)
	n, _ := ons.ParseName(ons.Session, "alice")
	v, _ := ons.ParseValue(ons.Session, sessionID, chain.Network())
	if _, err := chain.BuyName(n, v, devnet.BuyOptions{Owner: alice.Owner()}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(chain.Pool()), len(truth.Open()))
	chain.Mine(1, 0, 0)
	fmt.Println(len(chain.Pool()), len(truth.Open()))
	_, err := chain.BuyName(n, v, devnet.BuyOptions{})
	fmt.Println(errors.Is(err, devnet.ErrRegistered))
	// Output:
	// 1 0
	// 0 1
	// true
}
