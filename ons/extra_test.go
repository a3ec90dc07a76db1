package ons

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	edOwner  = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8" // seed 00…1f
	edBackup = "174553b456dddfc6908ecab1c101fe6ab21e2baa0617795b7d43a63482993fd5" // seed 60…7f
)

func ed(t testing.TB, key string) Owner {
	t.Helper()
	return Owner{Kind: OwnerEd25519, Key: [32]byte(unhex(t, key))}
}

func satoshi(t testing.TB, sub bool) Owner {
	t.Helper()
	return Owner{Kind: OwnerWallet, Key: [32]byte(unhex(t, spendKey)), View: [32]byte(unhex(t, viewKey)), Subaddress: sub}
}

// E1 to E5, field by field.
func TestExtraVectors(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	session, loki := mustName(t, Session, "hello_world-1"), mustName(t, Lokinet, "xn--mnchen-ost-9db")
	prev := Txid(fill(0xc0, 32))
	signature := func(i int) Signature {
		return Signature{OwnerEd25519, [64]byte(unhex(t, v.Extras[i].Signature))}
	}
	want := []Op{
		{Kind: Buy, Hash: session.Hash(), Owner: satoshi(t, false), Value: unhex(t, v.Names[4].Stored), Burn: 7e9},
		{Kind: Buy, Type: Lokinet, Length: 5, Hash: loki.Hash(), Owner: ed(t, edOwner), Backup: ed(t, edBackup), Value: unhex(t, v.Names[5].Stored), Burn: 42e9},
		{Kind: Update, Type: Lokinet, Length: 2, Hash: loki.Hash(), Prev: prev, Value: unhex(t, v.Extras[2].Message)[:72], Signature: signature(2)},
		{Kind: Update, Hash: session.Hash(), Prev: prev, Owner: satoshi(t, true), Backup: ed(t, edBackup), Signature: signature(3)},
		{Kind: Renew, Type: Lokinet, Length: 3, Hash: loki.Hash(), Prev: prev, Burn: 14e9},
	}
	for i, e := range v.Extras {
		t.Run(e.ID, func(t *testing.T) {
			extra := unhex(t, e.Extra)
			if len(extra) != e.Len {
				t.Errorf("%d bytes, want %d", len(extra), e.Len)
			}
			op, err := ParseExtra(extra)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want[i], op); d != "" {
				t.Error(d)
			}
			if got := op.AppendExtra(extra[:33:33]); !bytes.Equal(got, extra) {
				t.Errorf("written again: got %x, want %x", got, extra)
			}
			if op.Key() != (Key{op.Type, op.Hash}) {
				t.Errorf("got key %v", op.Key())
			}
			got, err := ParseTransaction(transaction(extra, typeONS))
			if d := cmp.Diff(op, got); d != "" || err != nil {
				t.Error(err, d)
			}
			for n := range extra { // truncated anywhere it either misses the ONS field or does not parse, but for a missing burn
				if got, err := ParseExtra(extra[:n]); err == nil && got.Burn != 0 {
					t.Errorf("first %d of %d bytes: got %+v", n, len(extra), got)
				}
			}
			if len(op.Value) > 0 { // the op owns its value
				value := bytes.Clone(op.Value)
				clear(extra)
				if !bytes.Equal(op.Value, value) {
					t.Error("the value is part of the input")
				}
			}
		})
	}
}

// transaction wraps extra in a prefix of version 4 with one input and one output.
func transaction(extra []byte, kind byte) []byte {
	return cat([]byte{4, 1, 0, 0, 1, 0x02, 0, 2, 7, 3}, fill(0x10, 32), []byte{1, 0, 0x02}, fill(0x30, 32),
		binary.AppendUvarint(nil, uint64(len(extra))), extra, []byte{kind}, []byte("RingCT"))
}

// Every tag of spec C.2 beside an ONS field: what is well-formed, and what spoils the extra.
func TestExtraTags(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	e1 := v.extra(t, "E1")
	want := v.op(t, "E1")
	zeros := func(n int) []byte { return make([]byte, n) }
	huge := binary.AppendUvarint(nil, math.MaxUint64)
	for _, tt := range []struct {
		what  string
		field []byte
		ok    bool
	}{
		{"Padding", zeros(1 + 254), true},
		{"PaddingEmpty", zeros(1), true},
		{"PaddingLong", zeros(1 + 255), false},
		{"PaddingNotZero", []byte{0, 0, 1}, false},
		{"PublicKey", cat([]byte{1}, fill(0, 32)), true},
		{"PublicKeyShort", cat([]byte{1}, fill(0, 31)), false},
		{"Nonce", cat([]byte{2, 9}, fill(1, 9)), true},
		{"NonceEmpty", []byte{2, 0}, true},
		{"NonceLongest", cat([]byte{2, 0xff, 1}, zeros(255)), true},
		{"NonceTooLong", cat([]byte{2, 0x80, 2}, zeros(256)), false},
		{"NonceShort", []byte{2, 9, 1}, false},
		{"NonceLengthNotCanonical", cat([]byte{2, 0x89, 0}, fill(1, 9)), false},
		{"MergeMining", cat([]byte{3, 33, 1}, fill(0, 32)), true},
		{"MergeMiningMore", cat([]byte{3, 34, 1}, fill(0, 33)), true},
		{"MergeMiningShort", cat([]byte{3, 32, 1}, fill(0, 31)), false},
		{"MergeMiningEmpty", []byte{3, 0}, false},
		{"PublicKeys", cat([]byte{4, 2}, fill(0, 64)), true},
		{"PublicKeysNone", []byte{4, 0}, true},
		{"PublicKeysShort", cat([]byte{4, 2}, fill(0, 63)), false},
		{"PublicKeysHuge", cat([]byte{4}, huge, fill(0, 64)), false},
		{"PublicKeysWrap", cat([]byte{4}, binary.AppendUvarint(nil, 1<<59), fill(0, 64)), false}, // times 32 is 0
		{"Register", cat([]byte{0x70, 1}, fill(0, 32), []byte{1}, fill(0, 32), fill(0, 8), []byte{2, 0x80, 1, 5}, fill(0, 8), fill(0, 64)), true},
		{"RegisterUneven", cat([]byte{0x70, 0, 1}, fill(0, 32), fill(0, 8), []byte{0}, fill(0, 8), fill(0, 64)), true},
		{"RegisterAmountsHuge", cat([]byte{0x70, 0, 0}, fill(0, 8), huge), false},
		{"RegisterShort", cat([]byte{0x70, 0, 0}, fill(0, 8), []byte{0}, fill(0, 71)), false},
		{"Deregister", cat([]byte{0x71}, fill(0, 12), []byte{2}, fill(0, 2*68)), true},
		{"DeregisterShort", cat([]byte{0x71}, fill(0, 12), []byte{2}, fill(0, 2*68-1)), false},
		{"Winner", cat([]byte{0x72}, fill(0, 32)), true},
		{"Contributor", cat([]byte{0x73}, fill(0, 64)), true},
		{"ContributorShort", cat([]byte{0x73}, fill(0, 63)), false},
		{"NodeKey", cat([]byte{0x74}, fill(0, 32)), true},
		{"SecretKey", cat([]byte{0x75}, fill(0, 32)), true},
		{"KeyImages", cat([]byte{0x76, 1}, fill(0, 96)), true},
		{"KeyImagesShort", cat([]byte{0x76, 1}, fill(0, 95)), false},
		{"Unlock", cat([]byte{0x77}, fill(0, 100)), true},
		{"UnlockShort", cat([]byte{0x77}, fill(0, 99)), false},
		{"StateOld", cat([]byte{0x78, 3, 0xe8, 7, 5, 1, 2}, fill(0, 64)), true},
		{"State", cat([]byte{0x78, 4, 1, 0xe8, 7, 5, 1, 2}, fill(0, 64), []byte{1, 0xff, 1}), true},
		{"StateVoterWide", cat([]byte{0x78, 0, 1, 1, 1, 0x80, 1}, fill(0, 64)), true},
		{"StateVoterTooWide", cat([]byte{0x78, 0, 1, 1, 1, 0x80, 0x80, 0x80, 0x80, 0x10}, fill(0, 64)), false},
		{"StateNoVotes", []byte{0x78, 4, 0, 1, 1, 0, 0, 0}, true},
		{"StateVersion", []byte{0x78, 5, 0, 1, 1, 0, 0, 0}, false},
		{"StateUnknown", []byte{0x78, 4, 4, 1, 1, 0, 0, 0}, false},
		{"StateReasonsMissing", []byte{0x78, 4, 0, 1, 1, 0}, false},
		{"StateReasonsWide", []byte{0x78, 4, 0, 1, 1, 0, 0x80, 0x80, 4, 0}, false},
		{"StateVotesHuge", cat([]byte{0x78, 0, 1, 1}, huge), false},
		{"Burn", cat([]byte{0x79}, fill(9, 8)), true}, // the first burn counts, not this one
		{"BurnShort", cat([]byte{0x79}, fill(9, 7)), false},
		{"ONSAgain", v.extra(t, "E2")[33:], true}, // the first ONS field counts
		{"ONSAgainBroken", v.extra(t, "E2")[33:100], false},
		{"Minergate", cat([]byte{0xde, 3}, fill(0, 3)), true},
		{"MinergateHuge", cat([]byte{0xde}, huge), false},
		{"VarintWide", cat([]byte{0xde}, bytes.Repeat([]byte{0xff}, 9), []byte{2}), false},
		{"VarintLong", cat([]byte{0xde}, bytes.Repeat([]byte{0x80}, 10), []byte{1}), false},
		{"VarintCut", []byte{0xde, 0x80}, false},
		{"Unknown", cat([]byte{0x05}, fill(0, 32)), false},
		{"Unknown7b", cat([]byte{0x7b}, fill(0, 32)), false},
		{"UnknownFF", []byte{0xff}, false},
	} {
		t.Run(tt.what, func(t *testing.T) {
			got, err := ParseExtra(cat(e1, tt.field))
			if !tt.ok {
				wantErr(t, err, ErrExtra)
				if !reflect.ValueOf(got).IsZero() {
					t.Errorf("got %+v beside the error", got)
				}
				return
			}
			if d := cmp.Diff(want, got); d != "" || err != nil {
				t.Error(err, d)
			}
			alone, err := ParseExtra(tt.field)
			if tt.what == "ONSAgain" {
				want := v.op(t, "E2")
				if d := cmp.Diff(want, alone); d != "" || err != nil {
					t.Error(err, d)
				}
				return
			}
			wantErr(t, err, ErrNotONS)
		})
	}
	_, err := ParseExtra(nil)
	wantErr(t, err, ErrNotONS)
	// A burn before the ONS field counts like one after it; no burn at all is zero.
	burn := cat([]byte{0x79}, binary.LittleEndian.AppendUint64(nil, 5), e1)
	if op, err := ParseExtra(burn); err != nil || op.Burn != 5 {
		t.Errorf("got burn %d, %v", op.Burn, err)
	}
	if op, err := ParseExtra(e1[:len(e1)-9]); err != nil || op.Burn != 0 {
		t.Errorf("got burn %d, %v", op.Burn, err)
	}
	zero := cat([]byte{0x79}, zeros(8), e1) // a first burn of zero is still the first
	if op, err := ParseExtra(zero); err != nil || op.Burn != 0 {
		t.Errorf("got burn %d, %v", op.Burn, err)
	}
}

// What parses but is no operation, and what does not parse inside the ONS field.
func TestExtraRules(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	buy, loki, update, renew := v.op(t, "E1"), v.op(t, "E2"), v.op(t, "E4"), v.op(t, "E5")
	change := func(op Op, f func(*Op)) []byte { f(&op); return op.AppendExtra(nil) }
	raw := func(op Op, f func([]byte) []byte) []byte { return f(op.AppendExtra(nil)) }
	for _, tt := range []struct {
		what  string
		extra []byte
		want  error // nil: valid
	}{
		{"Version", raw(buy, func(b []byte) []byte { b[1] = 1; return b }), ErrOp},
		{"TypeSix", raw(buy, func(b []byte) []byte { b[2] = 6; return b }), ErrExtra},
		{"TypeNotCanonical", raw(buy, func(b []byte) []byte { return cat(b[:2], []byte{0x80, 0}, b[3:]) }), ErrExtra},
		{"BitsUnknown", raw(renew, func(b []byte) []byte { b[67] = 16; return b }), ErrExtra},
		{"OwnerKind", raw(buy, func(b []byte) []byte { b[68] = 2; return b }), ErrExtra},
		{"SignatureKind", raw(update, func(b []byte) []byte { b[68+66+33] = 2; return b }), ErrExtra},
		{"SubaddressFlag", raw(buy, func(b []byte) []byte { b[68+65] = 2; return b }), nil},
		{"HashZero", change(buy, func(o *Op) { o.Hash = Hash{} }), ErrOp},
		{"HashOfEmptyName", change(buy, func(o *Op) { o.Hash = emptyHash }), ErrOp},
		{"BuyWithSignature", change(buy, func(o *Op) { o.Signature = update.Signature }), nil}, // makes it an update
		{"BuyOnlyOwner", change(buy, func(o *Op) { o.Value = nil }), ErrOp},
		{"BuyOnlyValue", change(buy, func(o *Op) { o.Owner = Owner{} }), ErrOp},
		{"BuyOwnerIsBackup", change(buy, func(o *Op) { o.Backup = o.Owner }), ErrOp},
		{"BuyOwnerIsBackupOtherFlag", change(buy, func(o *Op) { o.Backup = satoshi(t, true) }), nil},
		{"BuyBackupZero", change(buy, func(o *Op) { o.Backup = Owner{Kind: OwnerWallet} }), nil},
		{"BuyPrev", change(buy, func(o *Op) { o.Prev = renew.Prev }), nil}, // refused by Apply
		{"BuyLegacyValue", change(buy, func(o *Op) { o.Value = fill(0, 49) }), nil},
		{"BuyValueLength", change(buy, func(o *Op) { o.Value = fill(0, 72) }), ErrOp},
		{"BuyValueEmpty", change(buy, func(o *Op) { o.Value = []byte{} }), ErrOp},
		{"BuyWallet", change(buy, func(o *Op) { o.Length, o.Value = 1, fill(0, 105) }), nil},
		{"BuyWalletIntegrated", change(buy, func(o *Op) { o.Length, o.Value = 1, fill(0, 113) }), nil},
		{"BuyWalletLegacy", change(buy, func(o *Op) { o.Length, o.Value = 1, fill(0, 49) }), ErrOp},
		{"BuyLokinetLegacy", change(loki, func(o *Op) { o.Value = fill(0, 49) }), ErrOp},
		{"BuyLokinetYear", change(loki, func(o *Op) { o.Length = 2 }), nil},
		{"UpdateNothing", change(update, func(o *Op) { o.Owner, o.Backup = Owner{}, Owner{} }), ErrOp},
		{"UpdateUnsigned", change(update, func(o *Op) { o.Signature = Signature{} }), ErrOp},
		{"UpdateBackupOnly", change(update, func(o *Op) { o.Owner = Owner{} }), nil},
		{"RenewSession", change(renew, func(o *Op) { o.Length = 0 }), ErrOp},
		{"RenewWallet", change(renew, func(o *Op) { o.Length = 1 }), ErrOp},
		{"RenewPrevZero", change(renew, func(o *Op) { o.Prev = Txid{} }), ErrOp},
		{"RenewTen", change(renew, func(o *Op) { o.Length = 5 }), nil},
		{"ValueHuge", raw(buy, func(b []byte) []byte { return cat(b[:68+66], binary.AppendUvarint(nil, math.MaxUint64)) }), ErrExtra},
	} {
		t.Run(tt.what, func(t *testing.T) {
			op, err := ParseExtra(tt.extra)
			if tt.want != nil {
				wantErr(t, err, tt.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			again, err := ParseExtra(op.AppendExtra(nil))
			if d := cmp.Diff(op, again); d != "" || err != nil {
				t.Error(err, d)
			}
		})
	}
}

func TestParseTransaction(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	extra, want := v.extra(t, "E1"), v.op(t, "E1")
	size := binary.AppendUvarint(nil, uint64(len(extra)))
	output := cat([]byte{0x80, 1, 0x02}, fill(0, 32))
	end := cat(size, extra, []byte{4})
	huge := binary.AppendUvarint(nil, math.MaxUint64)
	for _, tt := range []struct {
		what string
		raw  []byte
		want error
	}{
		{"ONS", transaction(extra, 4), nil},
		{"NoInputs", cat([]byte{4, 1, 0, 0, 0, 1}, output, end), nil},
		{"NoOutputs", cat([]byte{4, 0, 0, 0, 0}, end), nil},
		{"Coinbase", cat([]byte{4, 1, 0, 0, 1, 0xff, 0x90, 3, 1}, output, end), nil},
		{"TwoOutputs", cat([]byte{4, 2, 0, 60, 0x80, 1, 0, 2}, output, output, end), nil},
		{"Standard", transaction(extra, 0), ErrNotONS},
		{"StateChange", transaction(extra, 1), ErrNotONS},
		{"Later", transaction(extra, 9), ErrNotONS},
		{"OtherTypeBadExtra", transaction([]byte{0xff}, 3), ErrNotONS},
		{"BadExtra", transaction([]byte{0xff}, 4), ErrExtra},
		{"EmptyExtra", transaction(nil, 4), ErrNotONS},
		{"Version1", cat([]byte{1, 0, 0, 1}, output, size, extra), ErrNotONS},
		{"Version2", cat([]byte{2, 0, 0, 1}, output, size, extra), ErrNotONS},
		{"Version3", cat([]byte{3, 1, 0, 1, 0, 0, 1}, output, size, extra), ErrNotONS},
		{"Version0", cat([]byte{0, 0, 0, 1}, output, size, extra), ErrTx},
		{"Version5", cat([]byte{5, 1, 0, 0, 0, 1}, output, end), ErrTx},
		{"Empty", nil, ErrTx},
		{"NoType", cat([]byte{4, 1, 0, 0, 0, 1}, output, size, extra), ErrTx},
		{"UnlockTimes", cat([]byte{4, 2, 0, 0, 0, 0, 1}, output, end), ErrTx},
		{"UnlockTimesHuge", cat([]byte{4}, huge, end), ErrTx},
		{"InputsHuge", cat([]byte{4, 0, 0}, huge, end), ErrTx},
		{"InputTag", cat([]byte{4, 0, 0, 1, 0x01, 0, 0}, end), ErrTx},
		{"OffsetsHuge", cat([]byte{4, 0, 0, 1, 0x02, 0}, huge, end), ErrTx},
		{"OutputsHuge", cat([]byte{4, 0, 0, 0}, huge, end), ErrTx},
		{"OutputTag", cat([]byte{4, 1, 0, 0, 0, 1, 0, 3}, fill(0, 32), end), ErrTx},
		{"ExtraHuge", cat([]byte{4, 0, 0, 0, 0}, huge, extra), ErrTx},
		{"ExtraCut", cat([]byte{4, 0, 0, 0, 0}, size, extra[:20]), ErrTx},
	} {
		t.Run(tt.what, func(t *testing.T) {
			got, err := ParseTransaction(tt.raw)
			if tt.want != nil {
				wantErr(t, err, tt.want)
				return
			}
			if d := cmp.Diff(want, got); d != "" || err != nil {
				t.Error(err, d)
			}
		})
	}
	raw := transaction(extra, 4)
	prefix := len(raw) - len("RingCT")
	for n := range prefix {
		if _, err := ParseTransaction(raw[:n]); err == nil {
			t.Errorf("first %d bytes of a prefix of %d parse", n, prefix)
		}
	}
	if hex.EncodeToString(want.Hash[:]) != want.Hash.String() {
		t.Error("hash")
	}
}
