package envelope

import (
	"crypto/rand"
	"crypto/sha512"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"onsight/internal/curve"
)

// BenchmarkBeside measures sealing, opening and the making of ids beside libsodium under node and in C, in turns, and reports
// the ratios of the medians: by how much we are faster than node, and how much of C's time we take. Only where scripts/beside
// has made what it is measured beside, with BESIDE naming the folder.
func BenchmarkBeside(b *testing.B) {
	dir := os.Getenv("BESIDE")
	if dir == "" {
		b.Skip("BESIDE is not set: BESIDE=$(scripts/beside)")
	}
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
		b.Run(what, func(b *testing.B) {
			const turns, rounds = 7, 2000
			var ours, node, c []float64
			for b.Loop() {
				for range turns {
					began := time.Now()
					for i := range rounds {
						if err := f(i); err != nil {
							b.Fatal(err)
						}
					}
					ours = append(ours, float64(time.Since(began).Nanoseconds())/rounds)
					node = append(node, other(b, "node", filepath.Join(dir, "bench.mjs"), what, fmt.Sprint(rounds)))
					c = append(c, other(b, filepath.Join(dir, "bench"), what, fmt.Sprint(rounds)))
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(ours)/1000, "µs")
			b.ReportMetric(median(node)/median(ours), "×node's-rate")
			b.ReportMetric(median(ours)/median(c), "×C's-time")
		})
	}
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// other runs one of the other sides, which prints nanoseconds per round.
func other(b *testing.B, command ...string) float64 {
	b.Helper()
	out, err := exec.CommandContext(b.Context(), command[0], command[1:]...).Output()
	if err != nil {
		b.Fatal(err)
	}
	ns, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		b.Fatal(err)
	}
	return ns
}
