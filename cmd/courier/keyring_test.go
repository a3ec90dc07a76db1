package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zalando/go-keyring"
)

// TestKeyring: where there is a keyring, init asks nothing, and a profile is locked and unlocked. The keyring is the library's own in
// memory, since the one of who runs the tests is not for them.
func TestKeyring(t *testing.T) {
	keyring.MockInit()
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere") // what says that there is one
	env := map[string]string{"COURIER_HOME": t.TempDir()}
	file := filepath.Join(t.TempDir(), "passphrase")
	if err := os.WriteFile(file, []byte("open sesame\r\nand more\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	step := func(want int, out string, args ...string) {
		t.Helper()
		code, stdout, stderr := runProgram(t, env, args...)
		if code != want || !strings.Contains(stdout+stderr, out) {
			t.Fatalf("%v: exit code %d, want %d: %s%s", args, code, want, stdout, stderr)
		}
	}
	step(exitOK, "05", "init", "--no-input")
	step(exitOK, "network  mainnet", "account", "show")
	step(exitOK, `"keyring": "open"`, "vault", "status", "-o", "json")
	step(exitOK, "passphrase  none", "vault", "status")
	step(exitError, "courier vault passphrase", "vault", "lock")
	step(exitOK, "", "vault", "passphrase", "--new-passphrase-file", file)
	step(exitOK, "", "vault", "lock")
	step(exitOK, "locked", "vault", "status", "-o", "json")
	step(exitLocked, "the profile is locked: the vault is locked", "account", "show")
	step(exitOK, "network  mainnet", "account", "show", "--passphrase-file", file)
	step(exitLocked, "locked", "account", "show")
	step(exitOK, "", "vault", "unlock", "--passphrase-file", file)
	step(exitOK, "network  mainnet", "account", "show")
	step(exitOK, "by=keyring", "account", "show", "-v")
	step(exitOK, "by=file", "account", "show", "-v", "--passphrase-file", file)
	step(exitOK, "", "vault", "unlock")
	keyring.MockInitWithError(os.ErrPermission)
	step(exitLocked, "COURIER_PASSPHRASE_FILE", "init", "--profile", "two")
	if entries, err := os.ReadDir(env["COURIER_HOME"]); err != nil || len(entries) != 1 {
		t.Errorf("an init that failed leaves %v, %v", entries, err)
	}
}
