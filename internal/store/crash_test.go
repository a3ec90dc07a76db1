package store

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"gorm.io/gorm"

	"onsight/indexer"
)

func sqlExec(t testing.TB, db *gorm.DB, q string, args ...any) {
	t.Helper()
	if err := db.Exec(q, args...).Error; err != nil {
		t.Fatal(err)
	}
}

func dbOf(t testing.TB, db *gorm.DB) *sql.DB {
	t.Helper()
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

// history commits the ranges to a fresh database, one after the other, and returns what it says at each moment, from the
// empty one on.
func history(t *testing.T, s *Store, ranges []indexer.Range) []string {
	t.Helper()
	epoch := mustBegin(t, s)
	states := []string{dump(t, s)}
	for _, r := range ranges {
		mustCommit(t, s, epoch, r)
		states = append(states, dump(t, s))
	}
	return states
}

// TestKilled has a child kill itself at each named point: what it left is what was there before or after the step, and the
// next process goes on from it.
func TestKilled(t *testing.T) {
	t.Parallel()
	ranges := killRanges()
	want := history(t, mustOpen(t, Config{Path: tempPath(t)}), ranges)
	for _, c := range []struct {
		point string
		n     int
		left  int // commits that are left
	}{
		{"migration", 1, 0}, {"migration", 2, 0}, {"migration", 3, 0}, {"migration", 4, 0}, {"migration", 5, 0}, {"migration", 7, 0},
		{"before-commit", 1, 0}, {"after-commit", 1, 1}, {"before-commit", 2, 1}, {"after-commit", 2, 2},
		{"rollback", 1, 2}, {"before-commit", 3, 2}, {"after-commit", 3, 3},
	} {
		t.Run(fmt.Sprint(c.point, c.n), func(t *testing.T) {
			t.Parallel()
			path := tempPath(t)
			cmd, _ := child(t, "kill", path, c.point, fmt.Sprint(c.n))
			var exit *exec.ExitError
			if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the child ended with %v", err)
			}
			if c.point != "migration" { // a reader may be the first to see what was left
				r := mustOpen(t, Config{Path: path, ReadOnly: true})
				if got := dump(t, r); got != want[c.left] {
					t.Fatalf("a reader got %s\nwant %s", got, want[c.left])
				}
			}
			s := mustOpen(t, Config{Path: path})
			if got := dump(t, s); got != want[c.left] {
				t.Fatalf("got %s\nwant %s", got, want[c.left])
			}
			epoch := mustBegin(t, s)
			for _, r := range ranges[c.left:] {
				mustCommit(t, s, epoch, r)
			}
			if got := dump(t, s); got != want[len(ranges)] {
				t.Errorf("went on to %s\nwant %s", got, want[len(ranges)])
			}
		})
	}
}

// TestPowerLoss cuts the write-ahead log anywhere, and puts rubbish where it was cut: the database opens as it was after some
// commit, the later the less is cut.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	const seed = 11
	path := tempPath(t)
	s := mustOpen(t, Config{Path: path})
	g := newGen(seed)
	m := model{rows: map[uint64]bool{}}
	var ranges []indexer.Range
	for range 40 {
		r := indexer.Range{Blocks: g.blocks(100, 5, 3)}
		if tip := m.tip(); tip != nil {
			base := m.blocks[len(m.blocks)-1-g.r.IntN(3)].Point
			r = indexer.Range{Base: &base, Blocks: g.blocks(base.Height+1, 5, 3)}
		}
		m.commit(r)
		ranges = append(ranges, r)
	}
	states := history(t, s, ranges)
	db, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	wal, err := os.ReadFile(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(seed, 1))
	cuts := []int{0, len(wal)}
	for range 40 {
		cuts = append(cuts, rnd.IntN(len(wal)))
	}
	slices.Sort(cuts)
	before, seen := 0, map[int]bool{}
	for i, cut := range cuts {
		tail := wal[cut:cut:cut]
		if i%2 == 1 {
			tail = g.bytes(len(wal) - cut)
		}
		copied := filepath.Join(t.TempDir(), "ons.db")
		if err := errors.Join(os.WriteFile(copied, db, 0o600),
			os.WriteFile(copied+"-wal", append(slices.Clip(wal[:cut]), tail...), 0o600)); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), Config{Path: copied})
		if err != nil {
			t.Fatalf("seed %d, cut at %d of %d: %v", seed, cut, len(wal), err)
		}
		now := slices.Index(states, dump(t, s))
		if now < before {
			t.Fatalf("seed %d, cut at %d of %d: opens as after commit %d, an earlier cut as after %d", seed, cut, len(wal), now, before)
		}
		before, seen[now] = now, true
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if before != len(ranges) || !seen[0] || len(seen) < 10 {
		t.Errorf("the cuts left %d different states, the last %d of %d", len(seen), before, len(ranges))
	}
}

// TestNoRoom has the database full, and then not writable, in the middle of a commit.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, Config{Path: tempPath(t)})
	epoch := mustBegin(t, s)
	g := newGen(12)
	a := indexer.Range{Blocks: g.blocks(0, 50, 50)}
	mustCommit(t, s, epoch, a)
	b := indexer.Range{Base: point(a.Blocks[20]), Blocks: g.blocks(21, 500, 400)}
	want := dump(t, s)

	for _, c := range []struct{ spoil, text, mend string }{
		{"PRAGMA max_page_count = 30", "full", "PRAGMA max_page_count = 1000000"},
		{"PRAGMA query_only = 1", "readonly", "PRAGMA query_only = 0"},
	} {
		sqlExec(t, s.write, c.spoil)
		err := s.Commit(t.Context(), epoch, b)
		if err == nil || !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), s.path) {
			t.Errorf("%s: got error %v", c.spoil, err)
		}
		if got := dump(t, s); got != want {
			t.Errorf("%s: got %s\nwant %s", c.spoil, got, want)
		}
		sqlExec(t, s.write, c.mend)
	}
	mustCommit(t, s, epoch, b)
}

// TestMalformed damages pages of a good database: reading gives errors, or old news, never a panic.
func TestMalformed(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	s := mustOpen(t, Config{Path: path})
	g := newGen(13)
	mustCommit(t, s, mustBegin(t, s), indexer.Range{Blocks: g.blocks(0, 500, 500)})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for range 40 {
		bad := slices.Clone(good)
		at := 4096 + g.r.IntN(len(bad)-2*4096)
		copy(bad[at:], g.bytes(2048))
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), Config{Path: path})
		if err == nil {
			_, err1 := s.Since(t.Context(), 0)
			_, err2 := s.Counts(t.Context(), 1000)
			_, err3 := s.Points(t.Context(), 1000, 1000)
			err = errors.Join(err1, err2, err3, s.Close())
		}
		if err != nil {
			failed++
			if !strings.Contains(err.Error(), path) {
				t.Errorf("seed 13: the error does not name the file: %v", err)
			}
		}
	}
	if failed == 0 {
		t.Error("no damage was found")
	}
	t.Logf("%d of 40 damages were found", failed)
}
