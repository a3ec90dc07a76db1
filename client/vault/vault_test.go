package vault

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zalando/go-keyring"
)

// TestMain gives the tests the library's keyring in memory: the tests of a program must not touch the keyring of who runs
// them. They therefore do not run side by side where they use it.
func TestMain(m *testing.M) {
	keyring.MockInit()
	os.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
	os.Exit(m.Run())
}

func temp(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "profile", "vault")
}

func mustCreate(t testing.TB, path string, passphrase []byte) (*Vault, Key) {
	t.Helper()
	key, err := Create(nil, path, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	v, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return v, key
}

func TestPassphrase(t *testing.T) {
	path := temp(t)
	v, key := mustCreate(t, path, []byte("open sesame"))
	if !v.HasPassphrase() {
		t.Error("has no passphrase")
	}
	if got, err := v.Unlock([]byte("open sesame")); err != nil || got != key {
		t.Errorf("got another key, %v", err)
	}
	for _, wrong := range []string{"", "open sesam", "open sesame\n"} {
		if got, err := v.Unlock([]byte(wrong)); !errors.Is(err, ErrPassphrase) || got != (Key{}) {
			t.Errorf("%q: got error %v", wrong, err)
		}
	}
	if _, err := v.Recall(); !errors.Is(err, ErrLocked) {
		t.Errorf("the keyring knows it: %v", err)
	}
	if err := v.Remember(Key{1}); !errors.Is(err, ErrKey) {
		t.Errorf("another key is remembered: %v", err)
	}
	if err := v.Remember(key); err != nil {
		t.Fatal(err)
	}
	if got, err := v.Recall(); err != nil || got != key {
		t.Errorf("recalled another key, %v", err)
	}
	for range 2 { // twice is not an error
		if err := v.Forget(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := v.Recall(); !errors.Is(err, ErrLocked) {
		t.Errorf("still known: %v", err)
	}
	if _, err := Create(nil, path, []byte("another")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a vault was replaced: %v", err)
	}
	if _, err := Create(nil, temp(t), []byte{}); !errors.Is(err, ErrEmpty) {
		t.Errorf("an empty passphrase: %v", err)
	}
}

func TestKeyringOnly(t *testing.T) {
	path := temp(t)
	v, key := mustCreate(t, path, nil)
	if v.HasPassphrase() {
		t.Error("has a passphrase")
	}
	if got, err := v.Recall(); err != nil || got != key {
		t.Errorf("recalled another key, %v", err)
	}
	if _, err := v.Unlock([]byte("")); !errors.Is(err, ErrNoPassphrase) {
		t.Errorf("unlocked without a passphrase: %v", err)
	}
	if err := v.Forget(); !errors.Is(err, ErrNoPassphrase) {
		t.Errorf("the only copy was forgotten: %v", err)
	}
	if err := keyring.Set(service, v.file.user(), "bm90IGEga2V5"); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Recall(); !errors.Is(err, ErrLocked) {
		t.Errorf("rubbish was recalled: %v", err)
	}
	if err := v.SetPassphrase(nil, key, []byte("now with one")); err != nil {
		t.Fatal(err)
	}
	if got, err := v.Unlock([]byte("now with one")); err != nil || got != key {
		t.Errorf("unlocked another key, %v", err)
	}
}

func TestSetPassphrase(t *testing.T) {
	path := temp(t)
	v, key := mustCreate(t, path, []byte("old"))
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.SetPassphrase(nil, Key{}, []byte("new")); !errors.Is(err, ErrKey) {
		t.Errorf("with another key: %v", err)
	}
	if err := v.SetPassphrase(nil, key, nil); !errors.Is(err, ErrEmpty) {
		t.Errorf("to an empty one: %v", err)
	}
	if err := v.SetPassphrase(strings.NewReader("s"), key, []byte("new")); err == nil {
		t.Error("without randomness")
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(before, now) {
		t.Errorf("what failed changed the file, %v", err)
	}
	if err := v.SetPassphrase(nil, key, []byte("new")); err != nil {
		t.Fatal(err)
	}
	v, err = Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.Unlock([]byte("new")); err != nil || got != key {
		t.Errorf("another key, %v", err)
	}
	if _, err := v.Unlock([]byte("old")); !errors.Is(err, ErrPassphrase) {
		t.Errorf("the old one still opens it: %v", err)
	}
}

func TestNoKeyring(t *testing.T) {
	keyring.MockInitWithError(errors.New("no such service"))
	defer keyring.MockInit()
	for _, bus := range []string{"unix:path=/nowhere", ""} {
		t.Setenv("DBUS_SESSION_BUS_ADDRESS", bus)
		path := temp(t)
		if _, err := Create(nil, path, nil); !errors.Is(err, ErrKeyring) {
			t.Errorf("created without a keyring: %v", err)
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("and left a file: %v", err)
		}
		v, key := mustCreate(t, path, []byte("open sesame"))
		_, err := v.Recall()
		for what, err := range map[string]error{"Recall": err, "Remember": v.Remember(key), "Forget": v.Forget()} {
			if !errors.Is(err, ErrKeyring) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if got, err := v.Unlock([]byte("open sesame")); err != nil || got != key {
			t.Errorf("the passphrase alone does not open it: %v", err)
		}
	}
}

// TestNoLinks: where there are no hard links a vault is made all the same, and none is overwritten.
func TestNoLinks(t *testing.T) {
	link = func(string, string) error { return errors.ErrUnsupported }
	defer func() { link = os.Link }()
	path := temp(t)
	v, key := mustCreate(t, path, []byte("open sesame"))
	if got, err := v.Unlock([]byte("open sesame")); err != nil || got != key {
		t.Errorf("does not open: %v", err)
	}
	if _, err := Create(nil, path, []byte("another")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made over another: %v", err)
	}
	if list, err := os.ReadDir(filepath.Dir(path)); err != nil || len(list) != 1 {
		t.Errorf("left %v, %v", list, err)
	}
}

// TestOnDisk: only the owner may read, nothing is left beside the file, and the key is not in it.
func TestOnDisk(t *testing.T) {
	for _, passphrase := range [][]byte{[]byte("canary passphrase"), nil} {
		path := temp(t)
		_, key := mustCreate(t, path, passphrase)
		for p, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): fs.ModeDir | 0o700} {
			if info, err := os.Stat(p); err != nil || info.Mode() != want {
				t.Errorf("%s: mode %v, %v, want %v", p, info.Mode(), err, want)
			}
		}
		entries, err := os.ReadDir(filepath.Dir(path))
		if err != nil || len(entries) != 1 {
			t.Errorf("%d files, %v", len(entries), err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range [][]byte{key[:], []byte("canary"), key[:8], key[24:]} {
			if bytes.Contains(b, secret) {
				t.Errorf("a secret is in the file")
			}
		}
	}
}

// TestChangedFile: whatever bit is changed, the passphrase does not open it.
func TestChangedFile(t *testing.T) {
	path := temp(t)
	mustCreate(t, path, []byte("open sesame"))
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(good); at += 23 {
		bad := bytes.Clone(good)
		bad[at] ^= 0x40
		f, err := parse(bad)
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrNewer) {
				t.Errorf("byte %d: %v", at, err)
			}
			continue
		}
		if _, err := f.open([]byte("open sesame")); !errors.Is(err, ErrPassphrase) {
			t.Errorf("byte %d was changed, and it opens: %v", at, err)
		}
	}
	for _, c := range []struct {
		name string
		b    []byte
		err  error
	}{
		{"Empty", nil, ErrFormat}, {"Short", good[:len(good)-1], ErrFormat}, {"Long", append(bytes.Clone(good), 0), ErrFormat},
		{"Other", []byte("SQLite format 3\x00"), ErrFormat}, {"Newer", append([]byte(magic), 2), ErrNewer}, {"Older", append([]byte(magic), 0), ErrFormat},
	} {
		if err := os.WriteFile(path, c.b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); !errors.Is(err, c.err) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got error %v", c.name, err)
		}
	}
	if _, err := Open(filepath.Join(path, "x")); err == nil {
		t.Error("opened what cannot be")
	}
	if _, err := Open(path + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v for no file", err)
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	k := Key{0xde, 0xad, 0xbe, 0xef}
	if s := fmt.Sprintf("%v %+v %#v %s", k, struct{ K Key }{k}, k, k); strings.Contains(s, "222") || strings.Contains(s, "dead") || strings.Contains(s, "0xde") {
		t.Errorf("printed as %s", s)
	}
	if k.Derive("a") == k.Derive("b") || k.Derive("a") == (Key{}).Derive("a") {
		t.Error("derived keys do not depend on key and purpose alone")
	}
}

func FuzzParse(f *testing.F) {
	for _, file := range []*file{{}, {seal: &seal{cost: today, box: make([]byte, 48)}}} {
		f.Add(file.bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := parse(b)
		if err == nil && !bytes.Equal(v.bytes(), b) {
			t.Errorf("%x is written as %x", b, v.bytes())
		}
	})
}

// BenchmarkUnlock is what each command costs where there is no keyring.
func BenchmarkUnlock(b *testing.B) {
	v, _ := mustCreate(b, temp(b), []byte("open sesame"))
	for b.Loop() {
		if _, err := v.Unlock([]byte("open sesame")); err != nil {
			b.Fatal(err)
		}
	}
}
