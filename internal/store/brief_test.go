package store

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"onsight/indexer"
	"onsight/ons"
)

// TestBrief reads a database after its writer stopped, as a user who may not write to its folder: a brief reader can, one
// that stays is told.
func TestBrief(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "ons.db")
	s := mustOpen(t, Config{Path: path})
	epoch := mustBegin(t, s)
	mustCommit(t, s, epoch, indexer.Range{State: indexer.State{Network: ons.Testnet, Phase: indexer.Synced}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "store.test") // go test keeps its own where nobody else may look
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(binary, self, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o555); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { os.Chmod(dir, 0o755); os.Chmod(filepath.Dir(dir), 0o755) })
	look := func(how string) (string, error) {
		cmd := exec.CommandContext(context.Background(), binary)
		cmd.Env = append(os.Environ(), "ONSIGHT_STORE_CHILD=look|"+path+"|"+how)
		if os.Getuid() == 0 { // root may write anywhere
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	if out, err := look("brief"); err != nil || out != "testnet" {
		t.Errorf("a brief reader got %q, %v", out, err)
	}
	if out, err := look("stay"); err == nil {
		t.Errorf("a reader that stays got %q: it would miss a writer that begins", out)
	}
}
