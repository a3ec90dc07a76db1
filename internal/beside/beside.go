// Package beside is for benchmarks that compare our Go with other programs that do the same: libsodium under node, and in C.
package beside

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// turns is how often each side has its turn: ours, node's, C's, ours again.
const turns = 7

// Run measures f beside the others' what, so many rounds a turn, and reports the medians' ratios: by how much we are faster than node, and
// how much of C's time we take. f is given the number of the round. It is skipped unless BESIDE names the folder that scripts/beside made.
func Run(b *testing.B, what string, rounds int, f func(i int) error) {
	dir := os.Getenv("BESIDE")
	if dir == "" {
		b.Skip("BESIDE is not set: BESIDE=$(scripts/beside)")
	}
	var ours, node, c []float64
	for b.Loop() {
		for range turns {
			began := time.Now()
			for i := range rounds {
				if err := f(i); err != nil {
					b.Fatal(err)
				}
			}
			ours = append(ours, float64(time.Since(began).Nanoseconds())/float64(rounds))
			node = append(node, other(b, "node", filepath.Join(dir, "bench.mjs"), what, fmt.Sprint(rounds)))
			c = append(c, other(b, filepath.Join(dir, "bench"), what, fmt.Sprint(rounds)))
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(ours)/1000, "µs")
	b.ReportMetric(median(node)/median(ours), "×node's-rate")
	b.ReportMetric(median(ours)/median(c), "×C's-time")
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
