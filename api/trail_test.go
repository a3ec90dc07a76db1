package api

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"onsight/directory"
)

// TestTrail: what is kept of older maps is bounded, the newest are known, and one of a snapshot that is asked for late gets
// no patch from one that was made after it.
func TestTrail(t *testing.T) {
	t.Parallel()
	var tr trail
	boards := []*board{}
	snap := GenerateNodes(1, 3, time.Unix(1_735_689_700, 0))
	for i := range stepsMost + 10 {
		next := *snap
		next.Hash, next.Commit = fmt.Sprintf("%064x", i), uint64(i)
		next.Entries = slices.Clone(snap.Entries)
		next.Entries[i%3].Node.Credit, next.Entries[i%3].Node.State = int64(i), directory.Active
		b := newBoard(&next)
		b.mapped = tr.mapped(b)
		boards, snap = append(boards, b), &next
	}
	if len(tr.steps) != stepsMost || tr.bytes <= 0 {
		t.Errorf("%d steps of %d bytes", len(tr.steps), tr.bytes)
	}
	last := boards[len(boards)-1]
	for i, known := range map[int]bool{0: false, 8: false, 9: true, len(boards) - 2: true, len(boards) - 1: true} {
		if _, err := last.patch(&tr, boards[i].mapped.tag()); err != nil && (known || !errors.Is(err, errNoPatch)) || err == nil && !known {
			t.Errorf("from map %d: %v, want known %v", i, err, known)
		}
	}
	if _, err := boards[100].patch(&tr, boards[50].mapped.tag()); err != nil {
		t.Errorf("between two older ones: %v", err)
	}
	if _, err := boards[50].patch(&tr, boards[100].mapped.tag()); !errors.Is(err, errNoPatch) {
		t.Errorf("back in time: %v", err)
	}
	if again := tr.mapped(newBoard(snap)); again != last.mapped {
		t.Error("the same map was made a step")
	}
	tr.extend(step{number: last.mapped.number, tag: "large", bytes: stepBytesMost + 1})
	if len(tr.steps) != 0 || tr.bytes != 0 {
		t.Errorf("%d steps of %d bytes after one that is too large", len(tr.steps), tr.bytes)
	}
}
