package main

import (
	"math"
	"math/rand/v2"
	"onsight/ons/remote"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPrivacyDocument shows that the tests which docs/privacy.md names for its claims are there.
func TestPrivacyDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/privacy.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`([a-z/]+)\\.(Test[A-Za-z]+)`").FindAllSubmatch(text, -1)
	if len(named) < 20 {
		t.Errorf("only %d tests are named", len(named))
	}
	for _, n := range named {
		files, err := filepath.Glob(filepath.Join("../..", string(n[1]), "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, file := range files {
			code, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			found = found || strings.Contains(string(code), "\nfunc "+string(n[2])+"(")
		}
		if !found {
			t.Errorf("there is no %s.%s", n[1], n[2])
		}
	}
}

// TestRangesOverTime holds what docs/privacy.md says of ten names that are looked up by range again and again, of 10,000.
func TestRangesOverTime(t *testing.T) {
	t.Parallel()
	bits := remote.CapBits(10_000)
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
