package envelope

import (
	"crypto/rand"
	"strings"
	"testing"
)

// text makes a padded content of 320 bytes, what a short message usually has.
var text320 = Message{Time: now, Body: &Visible{Text: strings.Repeat("x", 250), Profile: &Profile{Name: "Alice", Updated: 1699999999}}}

func BenchmarkSeal(b *testing.B) {
	from, to := alice(b), bob(b).ID()
	for b.Loop() {
		if _, err := Seal(nil, from, to, text320); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	from, own := alice(b), bob(b)
	data, err := Seal(nil, from, own.ID(), text320)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Open(own, data); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSealBox and BenchmarkOpenBox are the cryptography alone: what other implementations are measured by.
func BenchmarkSealBox(b *testing.B) {
	from, to := alice(b), bob(b).ID()
	padded := pad(make([]byte, 300))
	for b.Loop() {
		if _, err := seal(rand.Reader, from, [32]byte(to[1:]), padded); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenBox(b *testing.B) {
	from, own := alice(b), bob(b)
	to := own.ID()
	box, err := seal(rand.Reader, from, [32]byte(to[1:]), pad(make([]byte, 300)))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := open(own, box); err != nil {
			b.Fatal(err)
		}
	}
}
