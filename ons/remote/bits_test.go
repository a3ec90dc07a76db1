package remote

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestCapBits has the bounds.
func TestCapBits(t *testing.T) {
	t.Parallel()
	for names, want := range map[int]int{
		-1: 0, 0: 0, 127: 0, 128: 0, 255: 0, 256: 1, 511: 1, 512: 2, 1000: 2, 8191: 5, 8192: 6, 10_000: 6, 32767: 7, 32768: 8, 1_000_000_000: 8,
	} {
		if got := capBits(names); got != want {
			t.Errorf("%d names: %d bits, want %d", names, got, want)
		}
	}
}

// TestRangesOverTime holds what docs/privacy.md says of ten names that are looked up by range again and again, of 10,000.
func TestRangesOverTime(t *testing.T) {
	t.Parallel()
	bits := capBits(10_000)
	if bits != 6 {
		t.Fatalf("%d bits, want 6", bits)
	}
	const people, names = 100_000, 10
	rng := rand.New(rand.NewPCG(1, 0))
	ranges := 1 << bits
	seen := 0
	for range people {
		asked := map[int]bool{}
		for range names {
			asked[rng.IntN(ranges)] = true
		}
		seen += len(asked)
	}
	mean := float64(seen) / people
	one := mean / float64(ranges)
	if math.Abs(mean-9.3) > .1 || math.Abs(one-.15) > .01 {
		t.Errorf("%.2f ranges, which hold %.3f of other names: want about 9.3 and 0.15", mean, one)
	}
	if all := math.Pow(one, names); all > 1e-8 {
		t.Errorf("ten other names are all in them with a chance of %g, want less than 1 in 100 million", all)
	}
}
