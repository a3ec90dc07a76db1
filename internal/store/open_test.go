package store

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"onsight/indexer"
	"onsight/ons"
)

var update = flag.Bool("update", false, "write golden files")

// TestLock has another process write the database.
func TestLock(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	cmd, _ := child(t, "hold", path)

	_, err := Open(t.Context(), Config{Path: path})
	var locked *LockedError
	if !errors.As(err, &locked) || locked.PID != cmd.Process.Pid || !strings.HasSuffix(locked.Path, "ons.db") {
		t.Fatalf("got error %v, want a lock of process %d", err, cmd.Process.Pid)
	}
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{Path: link}); !errors.As(err, &locked) {
		t.Errorf("by way of a link: got error %v", err)
	}
	mustOpen(t, Config{Path: path, ReadOnly: true}) // readers are not held up

	cmd.Process.Kill()
	cmd.Wait()
	s := mustOpen(t, Config{Path: path})
	if _, err := Open(t.Context(), Config{Path: path}); !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Errorf("within a process: got error %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path + ".lock"); err != nil || len(b) != 0 {
		t.Errorf("a free lock holds %q, error %v", b, err)
	}
}

func TestLockedErrorText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  LockedError
		want string
	}{
		{LockedError{"a.db", 12}, "a.db is being written by process 12"},
		{LockedError{"a.db", 0}, "a.db is being written by another process"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	path := tempPath(t)
	for text, want := range map[string]int{"17\n": 17, "": 0, "x": 0, "-3": 0} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := holder(path); got != want {
			t.Errorf("holder of %q: got %d, want %d", text, got, want)
		}
	}
}

// TestReader reads through another Store while one writes: its copy is right at every moment it looks.
func TestReader(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	w := mustOpen(t, Config{Path: path})
	epoch := mustBegin(t, w)
	r := mustOpen(t, Config{Path: path, ReadOnly: true})

	if _, err := r.Begin(t.Context()); !errors.Is(err, ErrReadOnly) {
		t.Errorf("Begin: got error %v", err)
	}
	if err := r.Commit(t.Context(), epoch, indexer.Range{}); !errors.Is(err, ErrReadOnly) {
		t.Errorf("Commit: got error %v", err)
	}
	if err := r.read.Exec("DELETE FROM writer").Error; err == nil {
		t.Error("a reader can write")
	}

	const commits = 150
	m := model{rows: map[uint64]bool{}}
	want := make([][]ons.Record, commits+1) // after each commit; written before it, so read after it is seen
	g := newGen(5)
	done := make(chan error, 1)
	ranges := make([]indexer.Range, commits)
	for i := range ranges {
		rg := indexer.Range{Blocks: g.blocks(50, 3, 3)}
		if tip := m.tip(); tip != nil {
			base := m.blocks[len(m.blocks)-1-g.r.IntN(min(4, len(m.blocks)))].Point
			rg = indexer.Range{Base: &base, Blocks: g.blocks(base.Height+1, 1+g.r.IntN(6), 3)}
		}
		m.commit(rg)
		ranges[i], want[i+1] = rg, m.all(^uint64(0))
	}
	go func() {
		for _, rg := range ranges {
			if err := w.Commit(context.Background(), epoch, rg); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	var c replica
	seen := 0
	for c.seq < commits {
		d, err := r.Since(t.Context(), c.seq)
		if err != nil {
			t.Fatal(err)
		}
		if d.Seq > c.seq {
			seen++
		}
		c.apply(d)
		if diff := cmp.Diff(append([]ons.Record{}, want[c.seq]...), append([]ons.Record{}, c.records...)); diff != "" {
			t.Fatalf("after commit %d (-want +got):\n%s", c.seq, diff)
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		default:
		}
	}
	t.Logf("%d commits seen in %d looks", commits, seen)
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	write := func(t *testing.T, content string) string {
		path := tempPath(t)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	refuse := func(t *testing.T, cfg Config, want error, text string) {
		t.Helper()
		s, err := Open(t.Context(), cfg)
		if err == nil {
			s.Close()
			t.Fatal("it opened")
		}
		if want != nil && !errors.Is(err, want) || !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), cfg.Path) {
			t.Errorf("got error %q, want %v with %q and the path", err, want, text)
		}
	}
	t.Run("NoFile", func(t *testing.T) {
		t.Parallel()
		path := tempPath(t)
		refuse(t, Config{Path: path, ReadOnly: true}, fs.ErrNotExist, "")
		if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) > 0 {
			t.Errorf("a reader left %v, error %v", left, err)
		}
	})
	t.Run("NoPath", func(t *testing.T) {
		t.Parallel()
		refuse(t, Config{}, nil, "no path")
	})
	t.Run("Folder", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		refuse(t, Config{Path: dir, ReadOnly: true}, nil, "folder")
		refuse(t, Config{Path: dir}, nil, "unable to open")
	})
	t.Run("NoFolder", func(t *testing.T) {
		t.Parallel()
		refuse(t, Config{Path: filepath.Join(write(t, ""), "ons.db")}, nil, "not a directory")
	})
	t.Run("NotADatabase", func(t *testing.T) {
		t.Parallel()
		path := write(t, strings.Repeat("no database\n", 1000))
		refuse(t, Config{Path: path}, nil, "not a database")
		refuse(t, Config{Path: path, ReadOnly: true}, nil, "not a database")
	})
	t.Run("EmptyFile", func(t *testing.T) {
		t.Parallel()
		path := write(t, "")
		refuse(t, Config{Path: path, ReadOnly: true}, ErrSchemaOld, "schema 0")
		mustOpen(t, Config{Path: path})
	})
	t.Run("AnotherProgram", func(t *testing.T) {
		t.Parallel()
		path := tempPath(t)
		db, err := openWriter(path)
		if err != nil {
			t.Fatal(err)
		}
		sqlExec(t, db, "CREATE TABLE songs (title TEXT)")
		refuse(t, Config{Path: path}, nil, "another program")
		refuse(t, Config{Path: path, ReadOnly: true}, nil, "another program")
	})
	t.Run("OldSchema", func(t *testing.T) {
		t.Parallel()
		path := tempPath(t)
		migrateDown(t, path, schema-1)
		refuse(t, Config{Path: path, ReadOnly: true}, ErrSchemaOld, fmt.Sprintf("schema %d", schema-1))
		mustOpen(t, Config{Path: path})
		mustOpen(t, Config{Path: path, ReadOnly: true})
	})
	t.Run("NewSchema", func(t *testing.T) {
		t.Parallel()
		path := tempPath(t)
		s := mustOpen(t, Config{Path: path})
		sqlExec(t, s.write, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		refuse(t, Config{Path: path}, ErrSchemaNew, "schema 99")
		refuse(t, Config{Path: path, ReadOnly: true}, ErrSchemaNew, "schema 99")
	})
}

// TestOpenPath opens files whose names mean something in a URI, in folders that are not there.
func TestOpenPath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"a b.db", "a?mode=memory", "a#b", "100%25.db", "ü/ö/ons.db", ":memory:", "file:x.db"} {
		path := filepath.Join(dir, name)
		mustOpen(t, Config{Path: path})
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
		mustOpen(t, Config{Path: path, ReadOnly: true})
	}
	if info, err := os.Stat(filepath.Join(dir, "ü")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("got folder %v, error %v", info, err)
	}
}

// migrateDown leaves a database of an older schema at path.
func migrateDown(t *testing.T, path string, to int64) {
	t.Helper()
	s := mustOpen(t, Config{Path: path})
	p, err := s.provider()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.DownTo(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestMigrations goes down to nothing and up again, and holds the schema against testdata/schema.sql.
func TestMigrations(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil || len(files) != schema {
		t.Fatalf("got %d migrations, error %v; the schema is %d", len(files), err, schema)
	}
	migrateDown(t, path, 0)
	db, err := openReader(path, "")
	if err != nil {
		t.Fatal(err)
	}
	pool := dbOf(t, db)
	if names, err := tables(t.Context(), pool); err != nil || len(names) != 2 { // goose's, and SQLite's for its sequence
		t.Errorf("after going down there are %q, error %v", names, err)
	}
	pool.Close()

	s := mustOpen(t, Config{Path: path})
	var got []string
	err = s.read.Raw("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY name").Scan(&got).Error
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(got, ";\n\n") + ";\n"
	golden := filepath.Join("testdata", "schema.sql")
	if *update {
		if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), text); d != "" {
		t.Errorf("schema (-want +got), -update writes it:\n%s", d)
	}
}

// TestPragmas holds every connection against what sqlite.go promises.
func TestPragmas(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, Config{Path: tempPath(t)})
	for _, c := range []struct {
		db     *sql.DB
		pragma string
		want   string
	}{
		{dbOf(t, s.write), "journal_mode", "wal"},
		{dbOf(t, s.write), "foreign_keys", "1"},
		{dbOf(t, s.write), "synchronous", "2"},
		{dbOf(t, s.write), "busy_timeout", "10000"},
		{dbOf(t, s.write), "journal_size_limit", "8388608"},
		{dbOf(t, s.read), "query_only", "1"},
		{dbOf(t, s.read), "busy_timeout", "10000"},
	} {
		var got string
		if err := c.db.QueryRow("PRAGMA " + c.pragma).Scan(&got); err != nil || got != c.want {
			t.Errorf("%s: got %q, want %q, error %v", c.pragma, got, c.want, err)
		}
	}
	if n := dbOf(t, s.write).Stats().MaxOpenConnections; n != 1 {
		t.Errorf("%d connections write", n)
	}
}

// TestWaits holds commits against what may be lost in a power cut: of a first sync what only goes forward.
func TestWaits(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	s := mustOpen(t, Config{Path: path})
	epoch := mustBegin(t, s)
	g := newGen(6)
	all := g.blocks(0, 50, 0)
	step := func(what string, phase indexer.Phase, r indexer.Range, want int) {
		t.Helper()
		r.State.Phase = phase
		mustCommit(t, s, epoch, r)
		var got int
		if err := dbOf(t, s.write).QueryRow("PRAGMA synchronous").Scan(&got); err != nil || got != want {
			t.Errorf("%s: synchronous is %d, want %d, error %v", what, got, want, err)
		}
	}
	step("a first sync", indexer.Syncing, indexer.Range{Blocks: all[:10]}, 1)
	step("its next range", indexer.Syncing, indexer.Range{Base: point(all[9]), Blocks: all[10:20]}, 1)
	step("one that takes blocks back", indexer.Syncing, indexer.Range{Base: point(all[15]), Blocks: g.blocks(16, 4, 0)}, 2)
	step("nothing new", indexer.Syncing, indexer.Range{}, 1)
	step("the end", indexer.Synced, indexer.Range{}, 2)
	step("blocks that were missed", indexer.Syncing, indexer.Range{Base: point(all[15]), Blocks: all[16:30]}, 2)
	step("more of them", indexer.Syncing, indexer.Range{Base: point(all[29]), Blocks: all[30:40]}, 2)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, Config{Path: path})
	epoch = mustBegin(t, s)
	step("the rest, after a restart", indexer.Syncing, indexer.Range{Base: point(all[39]), Blocks: all[40:45]}, 2)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	migrateDown(t, path, 7)
	s = mustOpen(t, Config{Path: path})
	epoch = mustBegin(t, s)
	step("those of a database that does not say", indexer.Syncing, indexer.Range{Base: point(all[44]), Blocks: all[45:]}, 2)
}
