package ons

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// checkOp holds what is true of every operation a parser returns.
func checkOp(t *testing.T, op Op, err error) {
	t.Helper()
	if err != nil {
		if !errors.Is(err, ErrNotONS) && !errors.Is(err, ErrExtra) && !errors.Is(err, ErrOp) && !errors.Is(err, ErrTx) {
			t.Fatalf("unknown error: %v", err)
		}
		if d := cmp.Diff(Op{}, op); d != "" {
			t.Fatalf("operation beside an error: %s", d)
		}
		return
	}
	b := op.AppendExtra(nil)
	again, err := ParseExtra(b)
	if d := cmp.Diff(op, again); d != "" || err != nil {
		t.Fatalf("written again: %v %s", err, d)
	}
	if !bytes.Equal(again.AppendExtra(nil), b) {
		t.Fatalf("writing %x is not stable", b)
	}
	r, err := Apply(nil, op, At{Height: 7, Txid: op.Prev}, Rules{})
	switch {
	case err != nil && (!errors.Is(err, ErrApply) || errors.Is(err, ErrOp)):
		t.Fatalf("does not apply: %v", err)
	case err == nil && (op.Kind != Buy || !bytes.Equal(r.Sealed.Stored(), op.Value)):
		t.Fatalf("%s gave %+v", op.Kind, r)
	}
	op.Prev = Txid{1}
	_ = op.Verify(r)
}

func FuzzParseExtra(f *testing.F) {
	v := readVectors(f)
	for _, e := range v.Extras {
		f.Add(unhex(f, e.Extra))
	}
	legacy := v.op(f, "E1")
	legacy.Value = fill(0, 49)
	f.Add(legacy.AppendExtra([]byte{0x78, 4, 1, 0xe8, 7, 5, 0, 1, 1}))
	f.Add(v.op(f, "E5").AppendExtra(cat([]byte{0x70, 0, 0}, fill(0, 8), []byte{1, 5}, fill(0, 72), []byte{3, 33, 1}, fill(0, 32), []byte{0xde, 1, 1})))
	f.Add(make([]byte, 255))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		op, err := ParseExtra(b)
		checkOp(t, op, err)
		if !bytes.Equal(before, b) {
			t.Fatal("the input changed")
		}
	})
}

func FuzzParseTransaction(f *testing.F) {
	v := readVectors(f)
	for _, e := range v.Extras {
		f.Add(transaction(unhex(f, e.Extra), typeONS))
	}
	f.Add(transaction(nil, 0))
	f.Add(cat([]byte{3, 1, 0, 1, 0, 1, 0xff, 9, 1, 0, 2}, fill(0, 32), []byte{0}))
	f.Fuzz(func(t *testing.T, b []byte) {
		op, err := ParseTransaction(b)
		checkOp(t, op, err)
		if more, err2 := ParseTransaction(append(bytes.Clone(b), 0xff, 0x00)); err == nil && (err2 != nil || !cmp.Equal(op, more)) {
			t.Fatalf("what follows the prefix matters: %v", err2)
		}
	})
}

func FuzzParseName(f *testing.F) {
	for _, s := range []string{"Hello", "a.loki", "xn--Mnchen-Ost-9db.LOKI", "-", "ab--x", "loki", "\u212a", strings.Repeat("a", 65)} {
		f.Add(uint8(0), s)
		f.Add(uint8(1), s)
		f.Add(uint8(2), s)
	}
	f.Fuzz(func(t *testing.T, typ uint8, s string) {
		typ %= 4
		n, err := ParseName(Type(typ), s)
		if err != nil {
			if !errors.Is(err, ErrName) && (typ != 3 || !errors.Is(err, ErrType)) || n != (Name{}) {
				t.Fatalf("got %v, %v", n, err)
			}
			if upper, err := ParseName(Type(typ), strings.Map(up, s)); err == nil {
				t.Fatalf("only %q is valid in upper case", upper)
			}
			return
		}
		text := n.String()
		if max := map[Type]int{Session: 64, Wallet: 64, Lokinet: 68}[n.Type()]; len(text) > max || len(text) == 0 || n.Type() != Type(typ) {
			t.Fatalf("got %q of type %s", text, n.Type())
		}
		for i := range len(text) {
			if c := text[i]; !alphanumeric(c) && c != '-' && (c != '_' || n.Type() == Lokinet) && (c != '.' || i != len(text)-5) {
				t.Fatalf("got %q", text)
			}
		}
		for _, again := range []string{text, strings.Map(up, text)} {
			if m, err := ParseName(n.Type(), again); err != nil || m != n || m.Hash() != n.Hash() {
				t.Fatalf("%q again: got %q, %v", again, m, err)
			}
		}
	})
}

// up raises ASCII letters only.
func up(r rune) rune {
	if 'a' <= r && r <= 'z' {
		return r - 'a' + 'A'
	}
	return r
}

func FuzzParseOwner(f *testing.F) {
	for _, s := range []string{primary, published, spendKey, "", "11", "jpXCZedGfVQ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if b, ok := parseBase58(s); ok && base58(b) != s {
			t.Fatalf("base58 %q is %x, which is %q", s, b, base58(b))
		}
		if b, ok := parseBase58(base58([]byte(s))); !ok || string(b) != s {
			t.Fatalf("bytes %x became %x, %v", s, b, ok)
		}
		for _, n := range networks {
			o, err := ParseOwner(s, n)
			if err != nil {
				if !errors.Is(err, ErrOwner) || o != (Owner{}) {
					t.Fatalf("got %v, %v", o, err)
				}
				continue
			}
			if again, err := ParseOwner(o.Text(n), n); err != nil || again != o {
				t.Fatalf("%s: got %v, %v, want %v", o.Text(n), again, err, o)
			}
			if again, err := ParseOwnerBytes(o.Bytes()); err != nil || again != o {
				t.Fatalf("%x: got %v, %v, want %v", o.Bytes(), again, err, o)
			}
		}
	})
}

func FuzzParseOwnerBytes(f *testing.F) {
	f.Add([]byte{})
	f.Add(cat([]byte{0}, fill(0, 65)))
	f.Add(cat([]byte{1}, fill(0, 32)))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := ParseOwnerBytes(b)
		if err != nil {
			wantErr(t, err, ErrOwner)
			return
		}
		again := o.Bytes()
		if len(b) == 66 && b[65] > 1 {
			b[65] = 1
		}
		if !bytes.Equal(again, b) {
			t.Fatalf("got %x, want %x", again, b)
		}
	})
}

func FuzzParseHash(f *testing.F) {
	for _, s := range []string{strings.Repeat("0f", 32), Hash(fill(0xf0, 32)).Base64(), strings.Repeat("-", 43), strings.Repeat("\n", 43), ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if x, err := ParseTxid(s); err == nil && !strings.EqualFold(x.String(), s) {
			t.Fatalf("got %s for %q", x, s)
		}
		h, err := ParseHash(s)
		if err != nil {
			wantErr(t, err, ErrHash)
			return
		}
		if std := strings.NewReplacer("-", "+", "_", "/").Replace(s); !strings.EqualFold(h.String(), s) && h.Base64() != std && h.Base64()[:43] != std {
			t.Fatalf("got %s for %q", h, s)
		}
		checkHashForms(t, h)
	})
}

func FuzzParseValue(f *testing.F) {
	f.Add(uint8(0), "05fb466d312e1666ad1c84c4ee55b7e034151c0e366a313d95d11436a5f36e1e75")
	f.Add(uint8(1), primary)
	f.Add(uint8(2), "kcpyawm9se7trdbzncimdi5t7st4p5mh9i1mg7gkpuubi4k4ku1y.loki")
	f.Fuzz(func(t *testing.T, typ uint8, s string) {
		for _, n := range networks {
			v, err := ParseValue(Type(typ), s, n)
			if err != nil {
				if !errors.Is(err, ErrValue) && !errors.Is(err, ErrType) || v.Bytes != nil {
					t.Fatalf("got %v, %v", v, err)
				}
				continue
			}
			text, err := v.Text(n)
			if want := s; err != nil || text != want && (v.Type == Wallet || !strings.EqualFold(text, want)) {
				t.Fatalf("%q prints as %q, %v", s, text, err)
			}
		}
	})
}

func FuzzParseSealed(f *testing.F) {
	f.Add(uint8(0), fill(0, 73))
	f.Add(uint8(0), fill(0, 49))
	f.Add(uint8(1), fill(0, 113))
	f.Add(uint8(2), fill(0, 72))
	f.Fuzz(func(t *testing.T, typ uint8, b []byte) {
		s, err := ParseSealed(Type(typ), b)
		if err != nil {
			wantErr(t, err, ErrSealed)
			return
		}
		if !bytes.Equal(s.Stored(), b) || s.check(Type(typ)) != nil {
			t.Fatalf("got %x", s.Stored())
		}
		if s.Legacy() {
			return // 256 MiB to try
		}
		if _, err := (Name{t: Type(typ), s: "test"}).Open(s); err == nil {
			t.Fatal("random bytes open")
		}
	})
}
