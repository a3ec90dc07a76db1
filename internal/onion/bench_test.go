package onion_test

import (
	"strconv"
	"testing"

	"onsight/internal/beside"
	"onsight/internal/onion"
)

// BenchmarkBeside measures a request of 1,000 bytes by way of three hops beside libsodium, which has no AES for every machine.
func BenchmarkBeside(b *testing.B) {
	hops, _ := chain(b, 4)
	rpc := make([]byte, 1000)
	b.Run("onion", func(b *testing.B) {
		beside.Run(b, "onion", 1000, func(int) error {
			_, _, err := onion.Wrap(nil, onion.XChaCha20, hops[:3], hops[3], rpc)
			return err
		})
	})
}

func BenchmarkWrap(b *testing.B) {
	hops, _ := chain(b, 4)
	for _, e := range encryptions[:2] {
		for _, size := range []int{200, 100_000} {
			rpc := make([]byte, size)
			b.Run(e.String()+"/"+strconv.Itoa(size), func(b *testing.B) {
				for b.Loop() {
					if _, _, err := onion.Wrap(nil, e, hops[:3], hops[3], rpc); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkPeel(b *testing.B) {
	hops, secrets := chain(b, 2)
	for _, e := range encryptions {
		for _, size := range []int{200, 100_000} {
			body, _, err := onion.Wrap(nil, e, hops[:1], hops[1], make([]byte, size))
			if err != nil {
				b.Fatal(err)
			}
			b.Run(e.String()+"/"+strconv.Itoa(size), func(b *testing.B) {
				for b.Loop() {
					p, err := onion.ParsePart(body)
					if err != nil {
						b.Fatal(err)
					}
					if _, err := onion.Peel(secrets[0], p); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkX25519 is what Peel is measured against.
func BenchmarkX25519(b *testing.B) {
	own, other := fixed(b, 1), fixed(b, 2).PublicKey()
	for b.Loop() {
		if _, err := own.ECDH(other); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenReply(b *testing.B) {
	_, k := sealed(b, onion.XChaCha20, nil)
	body, err := k.Seal(nil, []byte(`{"status":200,"body":"{\"hf\":[19,6],\"t\":1795304304068}"}`))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := onion.OpenReply(k, body); err != nil {
			b.Fatal(err)
		}
	}
}
