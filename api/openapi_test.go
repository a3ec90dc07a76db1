package api

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"onsight/directory"
	"onsight/internal/events"
)

var update = flag.Bool("update", false, "write openapi.json, the client made from it, and docs/api.md")

// golden compares a file of the tree with what the code makes of it now, or writes it.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is stale: go test ./api -update\n%s", path, diff)
	}
}

// TestDocument shows that the document in the tree is what the code says, and that docs/api.md and the client are what the document says.
func TestDocument(t *testing.T) {
	nodes := func() *directory.Snapshot { return &directory.Snapshot{} }
	s := New(Config{Nodes: nodes, Directory: &Shelf{}, Events: events.NewTail(nil)})
	golden(t, "openapi.json", s.document)

	introduction, err := os.ReadFile("introduction.md")
	if err != nil {
		t.Fatal(err)
	}
	page, err := markdown(introduction, s.document)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "../docs/api.md", page)

	out := filepath.Join(t.TempDir(), "client_test.go")
	gen := exec.CommandContext(t.Context(), "go", "tool", "-modfile=../tools/go.mod", "oapi-codegen", "-config", "client.yaml", "-o", out, "openapi.json")
	if msg, err := gen.CombinedOutput(); err != nil {
		t.Fatalf("oapi-codegen: %v\n%s", err, msg)
	}
	client, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "client_test.go", client)
}

// TestEveryQuery shows that the document says of every operation what a query that does not parse is told.
func TestEveryQuery(t *testing.T) {
	t.Parallel()
	nodes := func() *directory.Snapshot { return &directory.Snapshot{} }
	s := New(Config{Nodes: nodes, Directory: &Shelf{}, Events: events.NewTail(nil)})
	var doc struct {
		Paths map[string]map[string]struct {
			Responses map[string]struct {
				Content map[string]struct{ Examples map[string]any }
			}
		}
	}
	if err := json.Unmarshal(s.document, &doc); err != nil {
		t.Fatal(err)
	}
	for path, operations := range doc.Paths {
		for method, op := range operations {
			for _, code := range []string{"unknown_parameter", "invalid_parameter"} {
				if op.Responses["400"].Content["application/problem+json"].Examples[code] == nil {
					t.Errorf("%s %s does not declare %s", method, path, code)
				}
			}
		}
	}
}
