package internal

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// answering is what runs while a server follows the chain and answers: whole packages, and files of programs.
var answering = []string{"../api", "../indexer", "../directory", "../internal/store", "../internal/index", "../internal/gate"}

var answeringFiles = []string{"serve.go", "jobs.go", "guard.go", "admin.go", "metrics.go", "index.go"}

// allowed are files that make a name all the same, once, when the program starts.
var allowed = map[string]bool{filepath.Join("..", "api", "examples.go"): true}

// TestServerHasNoNames holds that a server never does the work of argon2 (256 MiB and up to a second for each value of 2020):
// only package ons can, only with a plain name, and what answers has none.
func TestServerHasNoNames(t *testing.T) {
	homesOfArgon2 := 0
	for pkg, imps := range imports(t, "..") {
		if imps["golang.org/x/crypto/argon2"] {
			homesOfArgon2++
			if pkg != "ons" && pkg != "client/vault" { // a vault's passphrase, on the machine of who types it
				t.Errorf("%s imports argon2", pkg)
			}
		}
	}
	if homesOfArgon2 == 0 {
		t.Fatal("nobody imports argon2: this test looks for the wrong thing")
	}
	with := withNames(t)
	for _, want := range []string{"Name", "ParseName", "Resolve"} {
		if !slices.Contains(with, want) {
			t.Fatalf("ons.%s is not among what has names: %v", want, with)
		}
	}
	var files []string
	for _, dir := range answering {
		files = append(files, sources(t, dir)...)
	}
	for _, file := range answeringFiles {
		files = append(files, filepath.Join("..", "cmd", "onsight", file))
	}
	uses := 0
	for _, path := range files {
		ast.Inspect(parse(t, path), func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if of, ok := sel.X.(*ast.Ident); !ok || of.Name != "ons" || !slices.Contains(with, sel.Sel.Name) {
				return true
			}
			if allowed[path] {
				uses++
			} else {
				t.Errorf("%s uses ons.%s: a server has no names", path, sel.Sel.Name)
			}
			return true
		})
	}
	if uses == 0 {
		t.Error("what is allowed is not used: this test finds nothing")
	}
}

// withNames returns the exported words of package ons that have to do with a plain name: the type, and what takes or returns
// one. It fails if argon2 is called by anything but a method of the type.
func withNames(t *testing.T) []string {
	t.Helper()
	words := []string{"Name"}
	called := false
	for _, path := range sources(t, filepath.Join("..", "ons")) {
		for _, decl := range parse(t, path).Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if f.Recv == nil && f.Name.IsExported() && mentions(f.Type, "Name") {
				words = append(words, f.Name.Name)
			}
			if f.Body != nil && mentions(f.Body, "argon2") {
				called = true
				if f.Recv == nil || !mentions(f.Recv, "Name") {
					t.Errorf("%s: %s calls argon2 without a name", path, f.Name.Name)
				}
			}
		}
	}
	if !called {
		t.Error("package ons does not call argon2: this test looks for the wrong thing")
	}
	return words
}

// mentions reports whether an identifier stands in a tree.
func mentions(tree ast.Node, word string) (found bool) {
	ast.Inspect(tree, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		found = found || ok && id.Name == word
		return !found
	})
	return found
}

func sources(t *testing.T, dir string) (files []string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(all) == 0 {
		t.Fatalf("%s: %d files, %v", dir, len(all), err)
	}
	for _, path := range all {
		if !strings.HasSuffix(path, "_test.go") {
			files = append(files, path)
		}
	}
	return files
}

func parse(t *testing.T, path string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return file
}
