package internal

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// module is the import path every package of this tree starts with.
const module = "onsight"

// floors is ARCHITECTURE.md's table as data: a package may import only packages on strictly lower floors.
var floors = map[string]int{
	// words
	"internal/curve":                0,
	"internal/bt":                   0,
	"internal/stack":                0,
	"internal/gate":                 0,
	"internal/spy":                  0,
	"internal/canary":               0,
	"internal/beside":               0,
	"internal/terminal":             0,
	"ons":                           1,
	"client/internal/envelope/wire": 1,
	"frontend":                      1,
	// wires
	"client/internal/envelope": 2,
	"ons/remote":               2,
	"internal/oxend":           2,
	"internal/snode":           2,
	"internal/onion":           2,
	"internal/census":          2,
	// domains
	"indexer":                 3,
	"directory":               3,
	"internal/devnet/storage": 3,
	"client/store":            3,
	// what happened in all domains
	"internal/events": 4,
	// edges
	"internal/devnet": 5,
	"internal/store":  5,
	"internal/index":  5,
	"api":             5,
	"client":          5,
	"client/vault":    5,
	// programs
	"cmd/courier": 6,
	"cmd/onsight": 6,
	"cmd/devnet":  6,
}

// homes are the only packages that may import a heavy dependency (and what lies below its path).
var homes = map[string][]string{
	"gorm.io":                        {"internal/store", "client/store"},
	"github.com/mattn/go-sqlite3":    {"internal/store"},
	"github.com/ncruces":             {"client/store"},
	"github.com/pressly/goose":       {"internal/store", "client/store"},
	"github.com/spf13/cobra":         {"cmd/onsight", "cmd/devnet", "cmd/courier"},
	"github.com/schollz/progressbar": {"cmd/onsight"},
	"github.com/gofrs/flock":         {"internal/store", "client/store", "cmd/onsight"},
	"github.com/zalando/go-keyring":  {"client/vault"},
	"filippo.io/edwards25519":        {"internal/curve"},
	"github.com/gin-gonic/gin":       {"api"},
	"github.com/danielgtaylor/huma":  {"api"},
	"github.com/robfig/cron":         {"cmd/onsight"},
	"google.golang.org/protobuf":     {"client/internal/envelope", "client/internal/envelope/wire"},
	"github.com/prometheus":          {"cmd/onsight"},
	"rsc.io/qr":                      {"cmd/courier"},

	"github.com/HdrHistogram/hdrhistogram-go": {"directory"},
	"github.com/oschwald/maxminddb-golang":    {"directory"},
}

// strangers may not import each other although their floors would allow it: devnet must not repeat the mistakes of what is tried
// against it.
var strangers = map[string][]string{
	"internal/devnet":         {"client", "internal/oxend", "indexer", "directory"},
	"internal/devnet/storage": {"client", "internal/oxend", "indexer", "directory"},
}

// imports parses the files itself, because a test that shells out to `go list` is served stale from the test cache.
func imports(t *testing.T, root string) map[string]map[string]bool {
	t.Helper()
	got := map[string]map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules" || name == "tools") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(dir)
		if got[pkg] == nil {
			got[pkg] = map[string]bool{}
		}
		for _, spec := range file.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			got[pkg][p] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// check returns what breaks the plan, one sentence each.
func check(pkgs map[string]map[string]bool) []string {
	var broken []string
	for pkg, imps := range pkgs {
		floor, known := floors[pkg]
		if !known {
			broken = append(broken, pkg+" has no floor: give it one in internal/floors_test.go and ARCHITECTURE.md")
			continue
		}
		for imp := range imps {
			if low, ok := strings.CutPrefix(imp, module+"/"); ok {
				if lower, known := floors[low]; known && lower >= floor {
					broken = append(broken, pkg+" (floor "+strconv.Itoa(floor)+") imports "+low+" (floor "+strconv.Itoa(lower)+")")
				}
			}
			for _, stranger := range strangers[pkg] {
				if imp == module+"/"+stranger || strings.HasPrefix(imp, module+"/"+stranger+"/") {
					broken = append(broken, pkg+" imports "+stranger+", a stranger to it")
				}
			}
			for dep, at := range homes {
				if imp != dep && !strings.HasPrefix(imp, dep+"/") {
					continue
				}
				home := false
				for _, h := range at {
					home = home || h == pkg
				}
				if !home {
					broken = append(broken, pkg+" imports "+imp+", whose home is "+strings.Join(at, ", "))
				}
			}
		}
	}
	for pkg := range floors {
		if pkgs[pkg] == nil {
			broken = append(broken, pkg+" has a floor but no package")
		}
	}
	sort.Strings(broken)
	return broken
}

func TestFloors(t *testing.T) {
	for _, line := range check(imports(t, "..")) {
		t.Error(line)
	}
}

// TestFloorsCatch shows that the test above can fail: each kind of breach is reported.
func TestFloorsCatch(t *testing.T) {
	whole := func() map[string]map[string]bool {
		pkgs := map[string]map[string]bool{}
		for pkg := range floors {
			pkgs[pkg] = map[string]bool{}
		}
		return pkgs
	}
	for _, c := range []struct {
		name   string
		breach func(map[string]map[string]bool)
		want   string
	}{
		{"upward", func(p map[string]map[string]bool) { p["ons"]["onsight/indexer"] = true }, "imports indexer (floor 3)"},
		{"sideways", func(p map[string]map[string]bool) { p["internal/store"]["onsight/internal/devnet"] = true }, "imports internal/devnet (floor 5)"},
		{"strangers", func(p map[string]map[string]bool) { p["internal/devnet"]["onsight/client/store"] = true }, "imports client, a stranger"},
		{"away from home", func(p map[string]map[string]bool) { p["indexer"]["gorm.io/gorm/clause"] = true }, "whose home is internal/store"},
		{"no floor", func(p map[string]map[string]bool) { p["util"] = map[string]bool{} }, "util has no floor"},
		{"no package", func(p map[string]map[string]bool) { delete(p, "ons") }, "ons has a floor but no package"},
	} {
		t.Run(c.name, func(t *testing.T) {
			pkgs := whole()
			c.breach(pkgs)
			got := strings.Join(check(pkgs), "\n")
			if !strings.Contains(got, c.want) {
				t.Errorf("got %q, want it to say %q", got, c.want)
			}
		})
	}
}

// TestOneSQLite fails if anything links both databases: their drivers register the same name, and the second to do so panics.
func TestOneSQLite(t *testing.T) {
	pkgs := imports(t, "..")
	var reach func(pkg string, seen map[string]bool)
	reach = func(pkg string, seen map[string]bool) {
		if seen[pkg] {
			return
		}
		seen[pkg] = true
		for imp := range pkgs[pkg] {
			if low, ok := strings.CutPrefix(imp, module+"/"); ok {
				reach(low, seen)
			}
		}
	}
	for pkg := range pkgs {
		seen := map[string]bool{}
		reach(pkg, seen)
		if seen["internal/store"] && seen["client/store"] {
			t.Errorf("%s links internal/store and client/store", pkg)
		}
	}
}

// TestPackageComments fails if a package lacks its one package comment.
func TestPackageComments(t *testing.T) {
	for pkg := range floors {
		dir := filepath.Join("..", filepath.FromSlash(pkg))
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Error(err)
			continue
		}
		var with []string
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, e.Name()), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Error(err)
				continue
			}
			if file.Doc != nil {
				with = append(with, e.Name())
			}
		}
		if len(with) != 1 {
			t.Errorf("%s: package comments in %v, want exactly one", pkg, with)
		}
	}
}
