package ons

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestLookalikes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		of   Name
		want []string // among the nearest
		not  []string
	}{
		{mustName(t, Session, "modern"), []string{"rnodern", "modem", "m0dern", "moclern"}, []string{"modern"}},
		{mustName(t, Session, "wallet"), []string{"vvallet", "wa1let", "waliet"}, nil},
		{mustName(t, Session, "bob_1"), []string{"bob-1", "b0b_1", "bob_i", "bob_l"}, nil},
		{mustName(t, Session, "_bob"), []string{"_b0b"}, []string{"-bob"}},
		{mustName(t, Lokinet, "rnail.loki"), []string{"mail.loki", "rna1l.loki"}, []string{"rnail.ioki", "rnail.l0ki"}},
		{mustName(t, Wallet, "o"), []string{"0"}, nil},
	} {
		got := Lookalikes(tt.of, 1000)
		for _, s := range tt.want {
			if !slices.Contains(got, mustName(t, tt.of.Type(), s)) {
				t.Errorf("%s: %s is not among %d", tt.of, s, len(got))
			}
		}
		for _, n := range got {
			if slices.Contains(tt.not, n.String()) {
				t.Errorf("%s: %s", tt.of, n)
			}
		}
	}
	for _, s := range []string{"xy", "xn--nal-hoa"} {
		if got := Lookalikes(mustName(t, Session, s), 1000); len(got) != 0 {
			t.Errorf("%s: %v", s, got)
		}
	}
}

func TestLookalikesProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.SampledFrom([]Type{Session, Wallet, Lokinet}).Draw(t, "type")
		n, err := ParseName(typ, rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?`).Draw(t, "name"))
		if err != nil {
			t.Skip(err)
		}
		limit := rapid.IntRange(0, 200).Draw(t, "limit")
		got := Lookalikes(n, limit)
		if len(got) > limit {
			t.Fatalf("%d of %d", len(got), limit)
		}
		seen := map[Name]bool{n: true}
		for _, m := range got {
			if again, err := ParseName(typ, m.String()); err != nil || again != m || seen[m] {
				t.Fatalf("%v: %v, seen before: %v", m, err, seen[m])
			}
			seen[m] = true
		}
		if more := Lookalikes(n, limit+50); !slices.Equal(more[:len(got)], got) {
			t.Fatalf("the first %d depend on the limit", limit)
		}
		for _, m := range changed(n) { // of a pair, each looks like the other
			if !slices.Contains(changed(m), n) {
				t.Fatalf("%s is like %s, not the other way round", m, n)
			}
		}
	})
}
