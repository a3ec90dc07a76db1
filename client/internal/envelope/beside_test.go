package envelope

import (
	"crypto/rand"
	"crypto/sha512"
	"testing"

	"onsight/internal/beside"
	"onsight/internal/curve"
)

// BenchmarkBeside measures sealing, opening and the making of ids beside libsodium.
func BenchmarkBeside(b *testing.B) {
	from, own := alice(b), bob(b)
	to := [32]byte(own.id[1:])
	padded := append(make([]byte, 0, 320+trailer), make([]byte, 320)...)
	box, err := seal(rand.Reader, from, to, padded)
	if err != nil {
		b.Fatal(err)
	}
	for what, f := range map[string]func(i int) error{
		"seal": func(int) error { _, err := seal(rand.Reader, from, to, padded); return err },
		"open": func(int) error { _, _, err := open(own, box); return err },
		"id": func(i int) error { // client.Seed.ID
			h := sha512.Sum512([]byte{0: byte(i), 1: byte(i >> 8), 31: 0})
			curve.BaseX25519([32]byte(h[:32]))
			return nil
		},
	} {
		b.Run(what, func(b *testing.B) { beside.Run(b, what, 2000, f) })
	}
}
