package ons

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const (
	spendKey  = "d94549d14148e17d3d3125f69b036d3b7d7eeaac655abef12833d1c6f13594bc"
	viewKey   = "060f92bc457a0fbf7cb61327b23dee14602d8a6376bc10750abb8e0d84d498a2"
	primary   = "LDBEN6Ut4NkMwyaXWZ7kBEAx8X64o6YtDhLXUP26uLHyYT4nFmcaPU2Z2fauqrhTLh4Qfr61pUUZVLaTHqAdycETKM1STrz"
	published = "T6TzkJb5EiASaCkcH7idBEi1HSrpSQJE1Zq3aL65ojBMPZvqHNYPTL56i3dncGVNEYCG5QG5zrBmRiVwcg6b1cRM1SRNqbp44"
)

var networks = []Network{Mainnet, Testnet, Devnet, Fakechain, Stagenet, Localdev}

// The addresses of spec B.6 and B.7.
func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		network           Network
		kind              byte
		spend, view, text string
	}{
		{Mainnet, 0, spendKey, viewKey, primary},
		{Fakechain, 0, spendKey, viewKey, primary},
		{Localdev, 0, spendKey, viewKey, primary},
		{Mainnet, 1, spendKey, viewKey, "LYaaPi7sGunMwyaXWZ7kBEAx8X64o6YtDhLXUP26uLHyYT4nFmcaPU2Z2fauqrhTLh4Qfr61pUUZVLaTHqAdycETKHg9GrW"},
		{Mainnet, 2, spendKey, viewKey, "LNsuNuJNfeGMwyaXWZ7kBEAx8X64o6YtDhLXUP26uLHyYT4nFmcaPU2Z2fauqrhTLh4Qfr61pUUZVLaTHqAdycETU6eBjkDSXyQ1yban47"},
		{Testnet, 0, spendKey, viewKey, "T6Tzr5KhAVDeiXcfnRJRFpKGh5Mwn5RfoYwNrUGF2doJRsupR9LJ7i13dmy6HtwKSkgpfspNASKSs3kf1njGKsaK2K1Ve7AXL"},
		{Testnet, 1, spendKey, viewKey, "TRsLsgxgP2FeiXcfnRJRFpKGh5Mwn5RfoYwNrUGF2doJRsupR9LJ7i13dmy6HtwKSkgpfspNASKSs3kf1njGKsaK2K1U12Zrb"},
		{Testnet, 2, spendKey, viewKey, "TGAfrt9BmkjeiXcfnRJRFpKGh5Mwn5RfoYwNrUGF2doJRsupR9LJ7i13dmy6HtwKSkgpfspNASKSs3kf1njGKsaKSXjKToXRMUy14W79Muqm"},
		{Devnet, 0, spendKey, viewKey, "dV3SeN1ESXHeiXcfnRJRFpKGh5Mwn5RfoYwNrUGF2doJRsupR9LJ7i13dmy6HtwKSkgpfspNASKSs3kf1njGKsaK2K1QfeKrd"},
		{Devnet, 1, spendKey, viewKey, "dVcQrRCdBpjeiXcfnRJRFpKGh5Mwn5RfoYwNrUGF2doJRsupR9LJ7i13dmy6HtwKSkgpfspNASKSs3kf1njGKsaK2K1Up3tcq"},
		{Testnet, 0, "d9122259efc798e34319b08adb69f526f761e85a679ec44494742e6d511086ec",
			"727e0b243d7a221fbd9a751a9f754351976cd0471370f81b34b5ef8c8ef0330c", published},
	} {
		b := append([]byte{tt.kind}, unhex(t, tt.spend+tt.view)...)
		if tt.kind == walletIntegrated {
			b = append(b, 1, 2, 3, 4, 5, 6, 7, 8)
		}
		if got, err := (Value{Wallet, b}).Text(tt.network); got != tt.text || err != nil {
			t.Errorf("%s, kind %d: got %s, %v, want %s", tt.network, tt.kind, got, err, tt.text)
		}
		if v, err := ParseValue(Wallet, tt.text, tt.network); err != nil || !bytes.Equal(v.Bytes, b) {
			t.Errorf("ParseValue(%s): got %x, %v, want %x", tt.text, v.Bytes, err, b)
		}
		want := Owner{Kind: OwnerWallet, Key: [32]byte(b[1:]), View: [32]byte(b[33:]), Subaddress: tt.kind == walletSubaddress}
		o, err := ParseOwner(tt.text, tt.network)
		if err != nil || o != want {
			t.Errorf("ParseOwner(%s): got %v, %v, want %v", tt.text, o, err, want)
		}
		if got := o.Text(tt.network); tt.kind != walletIntegrated && got != tt.text {
			t.Errorf("owner prints as %s, want %s", got, tt.text)
		}
		for _, other := range networks {
			alike := func(n Network) bool { return n == Mainnet || n == Fakechain || n == Localdev }
			if _, err := ParseOwner(tt.text, other); (err == nil) != (other == tt.network || alike(other) && alike(tt.network)) {
				t.Errorf("%s address read as one of %s: %v", tt.network, other, err)
			}
		}
	}
}

func TestStagenetAddress(t *testing.T) {
	t.Parallel()
	want := map[byte]string{0: "ST", 1: "ST", 2: "ST"}
	for kind, prefix := range want {
		b := append([]byte{kind}, unhex(t, spendKey+viewKey)...)
		size := 97
		if kind == walletIntegrated {
			b, size = append(b, fill(0, 8)...), 108
		}
		s, err := (Value{Wallet, b}).Text(Stagenet)
		if err != nil || !strings.HasPrefix(s, prefix) && kind == 0 || len(s) != size {
			t.Errorf("kind %d: got %s, %v", kind, s, err)
		}
	}
}

func TestParseOwnerInvalid(t *testing.T) {
	t.Parallel()
	swapped := "M" + primary[1:]
	for _, s := range []string{
		"", primary[:94], primary + "z", swapped, " " + primary, primary + "\n", strings.ToLower(primary),
		primary[:50] + "0" + primary[51:], primary[:50] + "x" + primary[51:],
		strings.Repeat("1", 95), strings.Repeat("z", 95), strings.Repeat("1", 11), "11", "1",
		spendKey[:63], spendKey + "0", spendKey[:63] + "g", strings.Repeat(" ", 64), "0x" + spendKey[:62],
		published, // of testnet
	} {
		o, err := ParseOwner(s, Mainnet)
		if err == nil {
			t.Errorf("ParseOwner(%q): got %v, want an error", s, o)
			continue
		}
		wantErr(t, err, ErrOwner)
		if _, err := ParseValue(Wallet, s, Mainnet); !errors.Is(err, ErrValue) {
			t.Errorf("ParseValue(%q): got %v", s, err)
		}
	}
	if _, err := ParseOwner(primary, "nowhere"); !errors.Is(err, ErrOwner) {
		t.Errorf("unknown network: got %v", err)
	}
	o, err := ParseOwner(primary, Mainnet)
	if err != nil || o.Text("nowhere") != "" || (Owner{}).Text(Mainnet) != "" {
		t.Errorf("got %v, %v", o, err)
	}
	if _, err := (Value{Wallet, append([]byte{0}, fill(0, 64)...)}).Text("nowhere"); !errors.Is(err, ErrValue) {
		t.Errorf("unknown network: got %v", err)
	}
	ed, err := ParseOwner(strings.ToUpper(spendKey), Devnet)
	if err != nil || ed.Kind != OwnerEd25519 || ed.Text(Devnet) != spendKey {
		t.Errorf("got %v, %v", ed, err)
	}
}

func TestOwnerBytes(t *testing.T) {
	t.Parallel()
	spend, view := unhex(t, spendKey), unhex(t, viewKey)
	wallet := Owner{Kind: OwnerWallet, Key: [32]byte(spend), View: [32]byte(view)}
	sub := wallet
	sub.Subaddress = true
	if wallet == sub {
		t.Error("the subaddress flag does not count")
	}
	for _, tt := range []struct {
		o    Owner
		want []byte
	}{
		{Owner{}, nil},
		{wallet, cat([]byte{0}, spend, view, []byte{0})},
		{sub, cat([]byte{0}, spend, view, []byte{1})},
		{Owner{Kind: OwnerEd25519, Key: [32]byte(spend)}, cat([]byte{1}, spend)},
	} {
		if got := tt.o.Bytes(); !bytes.Equal(got, tt.want) {
			t.Errorf("got %x, want %x", got, tt.want)
		}
		if got, err := ParseOwnerBytes(tt.want); got != tt.o || err != nil {
			t.Errorf("ParseOwnerBytes(%x): got %v, %v, want %v", tt.want, got, err, tt.o)
		}
		for i := 1; i < len(tt.want); i++ {
			if o, err := ParseOwnerBytes(tt.want[:i]); !errors.Is(err, ErrOwner) {
				t.Errorf("%d of %d bytes: got %v, %v", i, len(tt.want), o, err)
			}
		}
		if tt.want != nil {
			_, err := ParseOwnerBytes(append(slices.Clone(tt.want), 0))
			wantErr(t, err, ErrOwner)
		}
	}
	_, err := ParseOwnerBytes(cat([]byte{2}, spend))
	wantErr(t, err, ErrOwner)
	_, err = ParseOwnerBytes(cat([]byte{0x81, 0}, spend))
	wantErr(t, err, ErrOwner)
	// A flag that is neither 0 nor 1 is set: the daemon reads it into a bool unchecked.
	if o, err := ParseOwnerBytes(cat([]byte{0}, spend, view, []byte{7})); o != sub || err != nil {
		t.Errorf("got %v, %v", o, err)
	}
}

func TestParseValueInvalid(t *testing.T) {
	t.Parallel()
	const loki = "kcpyawm9se7trdbzncimdi5t7st4p5mh9i1mg7gkpuubi4k4ku1y"
	const id = "05fb466d312e1666ad1c84c4ee55b7e034151c0e366a313d95d11436a5f36e1e75"
	for typ, texts := range map[Type][]string{
		Session: {"", id[:64], id + "00", "15" + id[2:], "00" + id[2:], id[:65] + "g", " " + id[1:], id + "\n"},
		Lokinet: {"", loki, ".loki", loki[:51] + ".loki", loki + "y.loki", loki[:51] + "b.loki", loki[:51] + "9.loki", "l" + loki[1:] + ".loki",
			loki + ".lokj", loki + ".loki.loki", loki[:51] + "\u212a.loki", loki[:47] + "y.loki"},
	} {
		for _, s := range texts {
			if v, err := ParseValue(typ, s, Mainnet); !errors.Is(err, ErrValue) {
				t.Errorf("ParseValue(%s, %q): got %x, %v", typ, s, v.Bytes, err)
			}
		}
	}
	if v, err := ParseValue(Lokinet, strings.ToUpper(loki)+".Loki", Mainnet); err != nil || hex.EncodeToString(v.Bytes[:2]) != "531a" {
		t.Errorf("upper case: got %x, %v", v.Bytes, err)
	}
	if v, err := ParseValue(Session, strings.ToUpper(id), Mainnet); err != nil || hex.EncodeToString(v.Bytes) != id {
		t.Errorf("upper case: got %x, %v", v.Bytes, err)
	}
	_, err := ParseValue(3, id, Mainnet)
	wantErr(t, err, ErrType)
	_, err = Value{Type: 3, Bytes: fill(0, 32)}.Text(Mainnet)
	wantErr(t, err, ErrValue)
	// The prefix is for wallets to enforce: what the chain holds is shown as it is.
	if s, err := (Value{Session, bytes.Repeat([]byte{0x61}, 33)}).Text(Mainnet); err != nil || s != strings.Repeat("61", 33) {
		t.Errorf("got %s, %v", s, err)
	}
}

func TestBase58(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ hex, text string }{
		{"", ""}, {"00", "11"}, {"39", "1z"}, {"ff", "5Q"}, {"0000", "111"}, {"ffff", "LUv"}, {"ffffff", "2UzHL"},
		{"0000000000000000", "11111111111"}, {"ffffffffffffffff", "jpXCZedGfVQ"},
	} {
		if got := base58(unhex(t, tt.hex)); got != tt.text {
			t.Errorf("base58(%s): got %s, want %s", tt.hex, got, tt.text)
		}
		if got, ok := parseBase58(tt.text); !ok || hex.EncodeToString(got) != tt.hex {
			t.Errorf("parseBase58(%s): got %x, %v, want %s", tt.text, got, ok, tt.hex)
		}
	}
	for _, s := range []string{"1", "1111", "11111111", "5R", "zz", "LUw", "jpXCZedGfVR", "zzzzzzzzzzz", "0O", "Il", "1 1", "\xff1", "111111111111"} {
		if b, ok := parseBase58(s); ok {
			t.Errorf("parseBase58(%q): got %x, want an error", s, b)
		}
	}
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	for _, n := range networks {
		if got, err := ParseNetwork(string(n)); got != n || err != nil {
			t.Errorf("ParseNetwork(%s): got %s, %v", n, got, err)
		}
	}
	for _, s := range []string{"", "Mainnet", "regtest", strings.Repeat("x", 1000)} {
		if n, err := ParseNetwork(s); err == nil || len(err.Error()) > 60 {
			t.Errorf("ParseNetwork: got %q, %v", n, err)
		}
	}
}

// The table of spec A.4.
func TestRulesBlocks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		r    Rules
		want [8]uint64
	}{
		{Rules{}, [8]uint64{2: 264960, 529920, 1324800, 2649600}},
		{Rules{Network: Mainnet, Year: 9}, [8]uint64{2: 264960, 529920, 1324800, 2649600}},
		{Rules{Network: Devnet}, [8]uint64{2: 264960, 529920, 1324800, 2649600}},
		{Rules{Network: Stagenet}, [8]uint64{2: 264960, 529920, 1324800, 2649600}},
		{Rules{Network: Testnet}, [8]uint64{2: 720, 1440, 3600, 2649600}},
		{Rules{Network: Fakechain}, [8]uint64{2: 2, 4, 10, 20}},
		{Rules{Network: Fakechain, Year: 50}, [8]uint64{2: 50, 100, 250, 500}},
		{Rules{Network: Fakechain, Year: 1 << 63}, [8]uint64{2: math.MaxUint64, math.MaxUint64, math.MaxUint64, math.MaxUint64}},
	} {
		var got [8]uint64
		for i := range got {
			got[i] = tt.r.Blocks(uint8(i))
		}
		if got != tt.want {
			t.Errorf("%+v: got %v, want %v", tt.r, got, tt.want)
		}
	}
}

func TestTextProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom(networks).Draw(t, "network")
		v := drawValue(t, Type(rapid.IntRange(0, 2).Draw(t, "type")))
		s, err := v.Text(n)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseValue(v.Type, s, n)
		if err != nil || !bytes.Equal(got.Bytes, v.Bytes) {
			t.Fatalf("%s on %s: got %x, %v, want %x", s, n, got.Bytes, err, v.Bytes)
		}
		o := drawOwner(t, "owner")
		if got, err := ParseOwner(o.Text(n), n); got != o || err != nil {
			t.Fatalf("%s on %s: got %v, %v, want %v", o.Text(n), n, got, err, o)
		}
		if got, err := ParseOwnerBytes(o.Bytes()); got != o || err != nil {
			t.Fatalf("got %v, %v, want %v", got, err, o)
		}
		checkHashForms(t, Hash(drawBytes(t, 32, "hash")))
	})
}

func drawOwner(t *rapid.T, label string) Owner {
	o := Owner{Kind: OwnerEd25519, Key: [32]byte(drawBytes(t, 32, label+" key"))}
	if rapid.Bool().Draw(t, label+" is a wallet") {
		o.Kind = OwnerWallet
		o.View = [32]byte(drawBytes(t, 32, label+" view"))
		o.Subaddress = rapid.Bool().Draw(t, label+" is a subaddress")
	}
	return o
}
