package vault

import (
	crand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
)

var (
	// ErrPassphrase is returned by Unlock if and only if the passphrase is wrong, or the file was changed.
	ErrPassphrase = errors.New("wrong passphrase")
	// ErrLocked is returned by Recall if and only if there is a keyring and the key is not in it.
	ErrLocked = errors.New("the vault is locked")
	// ErrKeyring means that there is no keyring, or that it does not answer.
	ErrKeyring = errors.New("the system's keyring is not available")
	// ErrNoPassphrase is returned by Unlock and Forget if and only if the key is only in the keyring.
	ErrNoPassphrase = errors.New("the vault has no passphrase: its key is only in the keyring")
	// ErrEmpty means that a passphrase is to be empty.
	ErrEmpty = errors.New("the passphrase is empty")
	// ErrKey means that a key is not this vault's.
	ErrKey = errors.New("not the key of this vault")
	// ErrFormat means that the file is damaged, or is none of a vault.
	ErrFormat = errors.New("is not a vault")
	// ErrNewer means that a newer program wrote the file.
	ErrNewer = errors.New("is of a newer program")
)

// Vault is a file that was read. Its methods may be called from several goroutines, but for SetPassphrase.
type Vault struct {
	path string
	file *file
}

// Create makes a new key, and a file for it at path; there must be none (fs.ErrExist). With a passphrase the key is sealed in the
// file. With nil it is only in the keyring: ErrKeyring if there is none. A nil rand means crypto/rand, which everything but a test
// wants.
func Create(rand io.Reader, path string, passphrase []byte) (Key, error) {
	key, err := create(rand, path, passphrase)
	if err != nil {
		return Key{}, fmt.Errorf("create vault %s: %w", path, err)
	}
	return key, nil
}

func create(rand io.Reader, path string, passphrase []byte) (Key, error) {
	if rand == nil {
		rand = crand.Reader
	}
	var key Key
	f := new(file)
	for _, p := range [][]byte{key[:], f.id[:]} {
		if _, err := io.ReadFull(rand, p); err != nil {
			return Key{}, fmt.Errorf("choose a key: %w", err)
		}
	}
	f.check = key.check()
	if passphrase == nil {
		// First the key, then the file: a file without a key would be a locked vault that nothing opens.
		if err := f.remember(key); err != nil {
			return Key{}, err
		}
		if err := f.write(path, false); err != nil {
			return Key{}, errors.Join(err, f.forget())
		}
		return key, nil
	}
	if len(passphrase) == 0 {
		return Key{}, ErrEmpty
	}
	if err := f.close(rand, key, passphrase); err != nil {
		return Key{}, err
	}
	if err := f.write(path, false); err != nil {
		return Key{}, err
	}
	return key, nil
}

// Open reads the file at path; it opens nothing yet. Errors: fs.ErrNotExist, ErrFormat, ErrNewer.
func Open(path string) (*Vault, error) {
	b, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("open vault: %w", err) // names the path
	}
	f, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s %w", path, err)
	}
	return &Vault{path: path, file: f}, nil
}

// readFile reads a little more than a vault can have, whatever the file is.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, int64(sealedSize)+1))
	return b, errors.Join(err, f.Close())
}

// HasPassphrase reports whether a passphrase opens the vault. Else only the keyring does.
func (v *Vault) HasPassphrase() bool { return v.file.seal != nil }

// Unlock returns the key that the passphrase seals. It takes a while and 64 MiB, on purpose. The error is ErrPassphrase or
// ErrNoPassphrase.
func (v *Vault) Unlock(passphrase []byte) (Key, error) {
	if v.file.seal == nil {
		return Key{}, ErrNoPassphrase
	}
	return v.file.open(passphrase)
}

// Recall returns the key from the keyring. The error is ErrLocked or wraps ErrKeyring. The keyring may ask its owner first, so
// it may take long.
func (v *Vault) Recall() (Key, error) { return v.file.recall() }

// Remember puts the key into the keyring, where Recall finds it. The error is ErrKey or wraps ErrKeyring.
func (v *Vault) Remember(key Key) error {
	if !key.fits(v.file.check) {
		return ErrKey
	}
	return v.file.remember(key)
}

// Forget takes the key out of the keyring. The error is ErrNoPassphrase, since then it would be lost, or wraps ErrKeyring.
func (v *Vault) Forget() error {
	if v.file.seal == nil {
		return ErrNoPassphrase
	}
	return v.file.forget()
}

// Discard takes the key out of the keyring for good, of a vault that is to be deleted: without a passphrase nothing opens it any more.
// The error wraps ErrKeyring.
func (v *Vault) Discard() error { return v.file.forget() }

// SetPassphrase seals the key under another passphrase, or under a first one. What is sealed with the key stays as it is. A
// nil rand means crypto/rand. Errors: ErrKey, ErrEmpty, or the file's; then the old passphrase still holds.
func (v *Vault) SetPassphrase(rand io.Reader, key Key, passphrase []byte) error {
	if rand == nil {
		rand = crand.Reader
	}
	if !key.fits(v.file.check) {
		return ErrKey
	}
	if len(passphrase) == 0 {
		return ErrEmpty
	}
	next := &file{id: v.file.id, check: v.file.check}
	if err := next.close(rand, key, passphrase); err != nil {
		return err
	}
	if err := next.write(v.path, true); err != nil {
		return fmt.Errorf("write vault %s: %w", v.path, err)
	}
	v.file = next
	return nil
}
