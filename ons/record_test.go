package ons

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var regtest = Rules{Network: Fakechain, Year: 50}

// ops are operations on one lokinet and one session name.
type ops struct{ buyLoki, renew, update, buySession, updateSession Op }

func sampleOps(t testing.TB) ops {
	t.Helper()
	v := readVectors(t)
	o := ops{v.op(t, "E2"), v.op(t, "E5"), v.op(t, "E3"), v.op(t, "E1"), v.op(t, "E4")}
	o.buyLoki.Length, o.renew.Length = 2, 3
	return o
}

func tx(b byte) Txid { return Txid(fill(b, 32)) }

func TestApply(t *testing.T) {
	t.Parallel()
	o := sampleOps(t)
	loki, err := Apply(nil, o.buyLoki, At{Height: 100, TxIndex: 2, Txid: tx(1)}, regtest)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := ParseSealed(Lokinet, o.buyLoki.Value)
	if err != nil {
		t.Fatal(err)
	}
	want := Record{
		Type: Lokinet, Hash: o.buyLoki.Hash, Kind: Buy, Owner: ed(t, edOwner), Backup: ed(t, edBackup), Sealed: sealed,
		Registered: 100, Updated: 100, TxIndex: 2, Expires: 150, Txid: tx(1),
	}
	if d := cmp.Diff(want, loki); d != "" {
		t.Fatal(d)
	}
	session, err := Apply(nil, o.buySession, At{Height: 100, Txid: tx(2), Blocks: 77}, regtest)
	if err != nil || session.Expires != 0 {
		t.Fatalf("got %+v, %v", session, err)
	}

	apply := func(prev Record, op Op, at At) (Record, error) {
		op.Prev = prev.Txid
		return Apply(&prev, op, at, regtest)
	}
	at := At{Height: 120, TxIndex: 1, Txid: tx(9)}
	for _, tt := range []struct {
		what  string
		apply func() (Record, error)
		want  func(r *Record) // what changes but for Kind, Updated, TxIndex, Txid, Prev
		kind  Kind
		from  Record
	}{
		{"UpdateValue", func() (Record, error) { return apply(loki, o.update, at) },
			func(r *Record) { r.Sealed, _ = ParseSealed(Lokinet, o.update.Value) }, Update, loki},
		{"UpdateOwners", func() (Record, error) { return apply(session, o.updateSession, at) },
			func(r *Record) { r.Owner, r.Backup = satoshi(t, true), ed(t, edBackup) }, Update, session},
		{"UpdateIgnoresBlocks", func() (Record, error) { a := at; a.Blocks = 1000; return apply(loki, o.update, a) },
			func(r *Record) { r.Sealed, _ = ParseSealed(Lokinet, o.update.Value) }, Update, loki},
		{"UpdateBackupToNone", func() (Record, error) {
			u := o.update
			u.Value, u.Backup = nil, Owner{Kind: OwnerWallet}
			return apply(loki, u, at)
		}, func(r *Record) { r.Backup = Owner{} }, Update, loki},
		{"UpdateOwnerToBackup", func() (Record, error) {
			u := o.update
			u.Value, u.Owner = nil, loki.Backup
			return apply(loki, u, at)
		}, func(r *Record) { r.Owner = loki.Backup }, Update, loki},
		{"UpdateLast", func() (Record, error) { a := at; a.Height = 150; return apply(loki, o.update, a) },
			func(r *Record) { r.Sealed, _ = ParseSealed(Lokinet, o.update.Value) }, Update, loki},
		{"Renew", func() (Record, error) { return apply(loki, o.renew, at) }, func(r *Record) { r.Expires = 250 }, Renew, loki},
		{"RenewBlocks", func() (Record, error) { a := at; a.Blocks = 7; return apply(loki, o.renew, a) },
			func(r *Record) { r.Expires = 157 }, Renew, loki},
		{"BuyAgain", func() (Record, error) {
			return Apply(&loki, o.buyLoki, At{Height: 151, TxIndex: 1, Txid: tx(9)}, regtest)
		}, func(r *Record) { r.Registered, r.Expires = 151, 201 }, Buy, loki},
		{"BuyBlocks", func() (Record, error) {
			return Apply(nil, o.buyLoki, At{Height: 151, TxIndex: 1, Txid: tx(9), Blocks: 7}, Rules{Network: Mainnet})
		}, func(r *Record) { r.Registered, r.Expires = 151, 158 }, Buy, loki},
		{"BuyMainnet", func() (Record, error) {
			return Apply(nil, o.buyLoki, At{Height: 151, TxIndex: 1, Txid: tx(9)}, Rules{Network: Mainnet})
		}, func(r *Record) { r.Registered, r.Expires = 151, 151+264960 }, Buy, loki},
		{"BuyBackupZero", func() (Record, error) {
			b := o.buyLoki
			b.Backup = Owner{Kind: OwnerWallet}
			return Apply(nil, b, At{Height: 100, TxIndex: 1, Txid: tx(9)}, regtest)
		}, func(r *Record) { r.Backup = Owner{} }, Buy, loki},
	} {
		t.Run(tt.what, func(t *testing.T) {
			before := tt.from
			got, err := tt.apply()
			if err != nil {
				t.Fatal(err)
			}
			want := tt.from
			tt.want(&want)
			want.Kind, want.Updated, want.TxIndex, want.Txid = tt.kind, got.Updated, 1, tx(9)
			if tt.kind != Buy {
				want.Prev = tt.from.Txid
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(before, tt.from); d != "" {
				t.Errorf("the old record changed: %s", d)
			}
		})
	}
}

func TestApplyRefuses(t *testing.T) {
	t.Parallel()
	o := sampleOps(t)
	loki, err := Apply(nil, o.buyLoki, At{Height: 100, Txid: tx(1)}, regtest)
	if err != nil {
		t.Fatal(err)
	}
	session, err := Apply(nil, o.buySession, At{Height: 100, Txid: tx(2)}, regtest)
	if err != nil {
		t.Fatal(err)
	}
	follow := func(op Op, prev Record, f ...func(*Op)) Op {
		op.Prev = prev.Txid
		for _, f := range f {
			f(&op)
		}
		return op
	}
	at := At{Height: 120, Txid: tx(9)}
	for _, tt := range []struct {
		what  string
		prev  *Record
		op    Op
		at    At
		rules Rules
		says  string
	}{
		{"BuyLive", &loki, o.buyLoki, At{Height: 150}, regtest, "already registered until height 150 (is the lokinet year of this fakechain really 50 blocks?)"},
		{"BuyLiveMainnet", &loki, o.buyLoki, At{Height: 150}, Rules{Network: Mainnet}, "already registered until height 150"},
		{"BuyLiveSession", &session, o.buySession, At{Height: 1e9}, regtest, "already registered"},
		{"BuyPrev", nil, follow(o.buyLoki, loki), at, regtest, "a buy names no previous transaction"},
		{"BuyTooLong", nil, o.buyLoki, At{Height: 100, Blocks: math.MaxUint64 - 99}, regtest, "18446744073709551516 blocks from height 100 are too many"},
		{"UpdateUnknown", nil, follow(o.update, loki), at, regtest, "not registered"},
		{"UpdateExpired", &loki, follow(o.update, loki), At{Height: 151}, regtest, "expired at height 150 (is the lokinet year of this fakechain really 50 blocks?)"},
		{"UpdateExpiredMainnet", &loki, follow(o.update, loki), At{Height: 151}, Rules{}, "expired at height 150"},
		{"UpdateExpiredOtherPrev", &loki, o.update, At{Height: 151}, regtest, "it follows transaction c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf, the newest is " + tx(1).String()},
		{"UpdateOtherPrev", &loki, o.update, at, regtest, "it follows transaction"},
		{"UpdateSameValue", &loki, follow(o.update, loki, func(u *Op) { u.Value = o.buyLoki.Value }), at, regtest, "the value is the same"},
		{"UpdateSameOwner", &loki, follow(o.update, loki, func(u *Op) { u.Owner = loki.Owner }), at, regtest, "the owner is the same"},
		{"UpdateSameBackup", &loki, follow(o.update, loki, func(u *Op) { u.Backup = loki.Backup }), at, regtest, "the backup owner is the same"},
		{"UpdateStillNoBackup", &session, follow(o.updateSession, session, func(u *Op) { u.Backup = Owner{Kind: OwnerWallet} }), at, regtest, "the backup owner is the same"},
		{"RenewUnknown", nil, o.renew, at, regtest, "not registered"},
		{"RenewExpired", &loki, follow(o.renew, loki), At{Height: 151}, regtest, "expired at height 150"},
		{"RenewTooLong", &loki, follow(o.renew, loki), At{Height: 120, Blocks: math.MaxUint64}, regtest, "are too many"},
		{"OtherName", &session, follow(o.renew, session), at, regtest, "the record is of session " + session.Hash.String()},
		{"Older", &loki, follow(o.renew, loki), At{Height: 99}, regtest, "the record is newer, of height 100"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			got, err := Apply(tt.prev, tt.op, tt.at, tt.rules)
			wantErr(t, err, ErrApply)
			if err == nil {
				t.Fatalf("got %+v", got)
			}
			text := err.Error()
			if _, reason, _ := strings.Cut(text, "at height "); !strings.Contains(text, tt.says) || strings.Contains(reason, "year") != strings.Contains(tt.says, "year") && tt.what != "RenewExpired" {
				t.Errorf("got %q, want %q in it", text, tt.says)
			}
			if !strings.Contains(text, tt.op.Hash.String()) {
				t.Errorf("%q does not name the record", text)
			}
		})
	}
	for _, f := range []func(*Op){
		func(o *Op) { o.Kind = Renew }, func(o *Op) { o.Kind = 0 }, func(o *Op) { o.Type = Session }, func(o *Op) { o.Length = 6 },
		func(o *Op) { o.Length = 0 }, func(o *Op) { o.Hash = Hash{} }, func(o *Op) { o.Value = fill(0, 10) }, func(o *Op) { o.Backup = o.Owner },
	} {
		op := o.buyLoki
		f(&op)
		_, err := Apply(nil, op, at, regtest)
		wantErr(t, err, ErrApply)
		wantErr(t, err, ErrOp)
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	current := Sealed{Ciphertext: fill(0, 48), Nonce: fill(0, 24)}
	legacy := Sealed{Ciphertext: fill(0, 49)}
	loki := Record{Type: Lokinet, Sealed: current, Expires: 1000}
	year := Rules{Network: Fakechain, Year: 120}
	for _, tt := range []struct {
		what   string
		r      Record
		height uint64
		rules  Rules
		want   Status
		live   bool
	}{
		{"Young", loki, 100, year, StatusRegistered, true},
		{"BeforeTwelfth", loki, 989, year, StatusRegistered, true},
		{"Twelfth", loki, 990, year, StatusExpiring, true},
		{"LastBlock", loki, 1000, year, StatusExpiring, true},
		{"Over", loki, 1001, year, StatusExpired, false},
		{"ShortYear", loki, 999, Rules{Network: Fakechain}, StatusRegistered, true}, // a twelfth of two blocks
		{"ShortYearLast", loki, 1000, Rules{Network: Fakechain}, StatusExpiring, true},
		{"Mainnet", Record{Type: Lokinet, Sealed: current, Expires: 22081}, 0, Rules{Network: Mainnet}, StatusRegistered, true},
		{"MainnetTwelfth", Record{Type: Lokinet, Sealed: current, Expires: 22080}, 0, Rules{Network: Mainnet}, StatusExpiring, true},
		{"Session", Record{Type: Session, Sealed: current}, math.MaxUint64, year, StatusRegistered, true},
		{"SessionLegacy", Record{Type: Session, Sealed: legacy}, 5, year, StatusNeedsUpdate, true},
		{"Wallet", Record{Type: Wallet, Sealed: current}, 5, year, StatusRegistered, true},
	} {
		t.Run(tt.what, func(t *testing.T) {
			if got := tt.r.Status(tt.height, tt.rules); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if got := tt.r.Live(tt.height); got != tt.live {
				t.Errorf("live: %v", got)
			}
		})
	}
}

// A random sequence of operations: what applies gives a record that follows from the one before; what does not leaves it.
func TestApplyProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		typ := Type(rapid.IntRange(0, 2).Draw(t, "type"))
		hash := Hash(append(drawBytes(t, 31, "hash"), 1))
		rules := Rules{Network: rapid.SampledFrom(networks).Draw(t, "network"), Year: uint64(rapid.IntRange(0, 60).Draw(t, "year"))}
		var now *Record
		height := uint64(1)
		for i := range rapid.IntRange(1, 25).Draw(t, "steps") {
			height += uint64(rapid.IntRange(0, 40).Draw(t, "blocks on"))
			at := At{Height: height, TxIndex: uint32(i), Txid: tx(byte(i + 1))}
			if rapid.Bool().Draw(t, "length given") {
				at.Blocks = uint64(rapid.IntRange(1, 60).Draw(t, "length"))
			}
			op := drawOp(t, typ, hash, now)
			next, err := Apply(now, op, at, rules)
			if err != nil {
				if !errors.Is(err, ErrApply) || errors.Is(err, ErrOp) {
					t.Fatal(err)
				}
				continue
			}
			checkStep(t, now, op, at, next)
			now = &next
		}
	})
}

func drawOp(t *rapid.T, typ Type, hash Hash, now *Record) Op {
	op := Op{Kind: Kind(rapid.IntRange(1, 3).Draw(t, "kind")), Type: typ, Length: uint8(typ), Hash: hash}
	if now != nil && (op.Kind != Buy || rapid.IntRange(0, 9).Draw(t, "wrong prev") == 0) {
		op.Prev = now.Txid
	}
	if typ != Lokinet && op.Kind == Renew {
		op.Kind = Update
	}
	if op.Kind == Renew && now == nil {
		op.Kind = Buy
	}
	if typ == Lokinet {
		op.Length = uint8(rapid.IntRange(2, 5).Draw(t, "years"))
	}
	if op.Kind == Renew {
		if op.Prev == (Txid{}) {
			op.Prev = tx(0xee)
		}
		return op
	}
	size := map[Type]int{Session: 73, Wallet: 105, Lokinet: 72}[typ]
	op.Value = bytes.Repeat([]byte{byte(rapid.IntRange(0, 3).Draw(t, "value"))}, size)
	owner := func(label string) Owner {
		return Owner{Kind: OwnerEd25519, Key: [32]byte{byte(rapid.IntRange(1, 4).Draw(t, label))}}
	}
	op.Owner = owner("owner")
	if rapid.Bool().Draw(t, "backup") {
		if op.Backup = owner("backup owner"); op.Backup == op.Owner {
			op.Backup = Owner{Kind: OwnerWallet}
		}
	}
	if op.Kind == Update {
		op.Signature.Kind = OwnerEd25519
		if rapid.Bool().Draw(t, "owner only") {
			op.Value = nil
		}
	}
	return op
}

func checkStep(t *rapid.T, prev *Record, op Op, at At, next Record) {
	if next.Kind != op.Kind || next.Updated != at.Height || next.Txid != at.Txid || next.TxIndex != at.TxIndex || next.Key() != op.Key() {
		t.Fatalf("%+v at %+v gave %+v", op, at, next)
	}
	if !next.Live(at.Height) || (next.Expires == 0) != (next.Type != Lokinet) {
		t.Fatalf("not live when mined, or of the wrong length: %+v", next)
	}
	if op.Kind == Buy {
		if prev != nil && prev.Live(at.Height) || next.Registered != at.Height || next.Prev != (Txid{}) {
			t.Fatalf("bought over %+v: %+v", prev, next)
		}
		return
	}
	if next.Registered != prev.Registered || next.Prev != prev.Txid || next.Expires < prev.Expires {
		t.Fatalf("%s: %+v does not follow %+v", op.Kind, next, *prev)
	}
	changed := next.Owner != prev.Owner || next.Backup != prev.Backup || !next.Sealed.Equal(prev.Sealed)
	if changed != (op.Kind == Update) || (next.Expires > prev.Expires) != (op.Kind == Renew) {
		t.Fatalf("%s changed the wrong things: %+v after %+v", op.Kind, next, *prev)
	}
	if next.Backup.Kind != OwnerNone && next.Backup.Key == [32]byte{} {
		t.Fatalf("backup owner of zeros: %+v", next)
	}
	if op.Value != nil && !slices.Equal(next.Sealed.Stored(), op.Value) {
		t.Fatalf("got value %x, want %x", next.Sealed.Stored(), op.Value)
	}
}
