package api

import (
	"net/http"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestDates: no two blocks or measurements that follow each other have one date, dates rise, and none is in the future.
func TestDates(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1_700_000_000, 0)
		var old *frame
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			block := now.Unix() + rapid.Int64Range(-3, 1).Draw(t, "block")
			f := &frame{dates: nextDates(old, block, now)}
			if f.dates.changed < block || old != nil && f.dates.changed <= old.dates.changed {
				t.Fatalf("%d after %v for a block of %d", f.dates.changed, old, block)
			}
			if f.dates.changed > block && (old == nil || f.dates.changed != old.dates.changed+1) {
				t.Fatalf("%d after %v for a block of %d: too late", f.dates.changed, old, block)
			}
			future := f.dates.changed > now.Unix()
			if (f.dates.header == nil) != future || !future && f.dates.header[0] != time.Unix(f.dates.changed, 0).UTC().Format(http.TimeFormat) {
				t.Fatalf("Last-Modified %v of %d at %d", f.dates.header, f.dates.changed, now.Unix())
			}
			old = f
			now = now.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "passed")) * time.Second)
		}
	})
	for _, block := range []int64{-1, 1 << 62, time.Time{}.Unix()} {
		if d := nextDates(nil, block, time.Unix(1_700_000_000, 0)); d.header != nil {
			t.Errorf("a block of %d is of %v", block, d.header)
		}
	}
}
