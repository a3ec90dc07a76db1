package ons

import (
	"crypto/ed25519"
	"testing"
)

func BenchmarkHash(b *testing.B) {
	n := mustName(b, Session, "hello_world-1")
	b.ReportAllocs()
	for b.Loop() {
		_ = n.Hash()
	}
}

func BenchmarkParseName(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseName(Session, "Hello_World-1"); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkOpen(b *testing.B, vector int) {
	v := readVectors(b).Names[vector]
	n := mustName(b, v.Type, v.Name)
	s, err := ParseSealed(v.Type, unhex(b, v.Stored))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := n.Open(s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B)       { benchmarkOpen(b, 0) }
func BenchmarkOpenWallet(b *testing.B) { benchmarkOpen(b, 6) }
func BenchmarkOpenLegacy(b *testing.B) { benchmarkOpen(b, 1) } // argon2: 256 MiB

func BenchmarkSeal(b *testing.B) {
	n, v := mustName(b, Session, "test"), Value{Session, append([]byte{5}, fill(0, 32)...)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := n.Seal(v, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseTransaction(b *testing.B) {
	v := readVectors(b)
	for _, bb := range []struct {
		what string
		raw  []byte
		ons  bool
	}{
		{"Buy", transaction(v.extra(b, "E1"), typeONS), true},
		{"Renew", transaction(v.extra(b, "E5"), typeONS), true},
		{"Other", transaction(v.extra(b, "E1"), 0), false},
	} {
		b.Run(bb.what, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(bb.raw)))
			for b.Loop() {
				if _, err := ParseTransaction(bb.raw); (err == nil) != bb.ons {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkApply(b *testing.B) {
	op := readVectors(b).op(b, "E2")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Apply(nil, op, At{Height: 100}, Rules{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	op := readVectors(b).op(b, "E3")
	key := ed25519.NewKeyFromSeed(fill(0, 32))
	r := Record{Owner: Owner{Kind: OwnerEd25519, Key: [32]byte(key.Public().(ed25519.PublicKey))}}
	for b.Loop() {
		if err := op.Verify(r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOwnerText(b *testing.B) {
	o, err := ParseOwner(primary, Mainnet)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		_ = o.Text(Mainnet)
	}
}

func BenchmarkReadings(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_ = Readings("Ünal")
	}
}

func BenchmarkLookalikes(b *testing.B) { // those of a long name, of which there are more than the limit
	n := mustName(b, Session, "modern_class_of_illinois")
	b.ReportAllocs()
	for b.Loop() {
		if len(Lookalikes(n, 1000)) != 1000 {
			b.Fatal("fewer")
		}
	}
}
