package vault

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/zalando/go-keyring"
)

// service is what the keyring shows its owner.
const service = "courier"

// reachable reports whether asking the keyring can make sense. Without a session the D-Bus library would start a bus of its
// own (dbus-launch) in which no keyring can be; it is the one thing of the environment that a library has to look at here.
func reachable() bool {
	switch runtime.GOOS {
	case "darwin", "windows":
		return true
	}
	if os.Getenv("DBUS_SESSION_BUS_ADDRESS") != "" {
		return true
	}
	_, err := os.Stat(fmt.Sprintf("/run/user/%d/bus", os.Getuid()))
	return err == nil
}

func (f *file) user() string { return hex.EncodeToString(f.id[:]) }

// recall asks the keyring. The error is ErrLocked or wraps ErrKeyring.
func (f *file) recall() (Key, error) {
	if !reachable() {
		return Key{}, ErrKeyring
	}
	text, err := keyring.Get(service, f.user())
	switch {
	case errors.Is(err, keyring.ErrNotFound):
		return Key{}, ErrLocked
	case err != nil:
		return Key{}, fmt.Errorf("%w: %w", ErrKeyring, err)
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) != len(Key{}) || !Key(b).fits(f.check) {
		return Key{}, ErrLocked // somebody else's entry opens nothing
	}
	return Key(b), nil
}

func (f *file) remember(key Key) error {
	if !reachable() {
		return ErrKeyring
	}
	if err := keyring.Set(service, f.user(), base64.StdEncoding.EncodeToString(key[:])); err != nil {
		return fmt.Errorf("%w: %w", ErrKeyring, err)
	}
	return nil
}

func (f *file) forget() error {
	if !reachable() {
		return ErrKeyring
	}
	if err := keyring.Delete(service, f.user()); err != nil && !errors.Is(err, keyring.ErrNotFound) {
		return fmt.Errorf("%w: %w", ErrKeyring, err)
	}
	return nil
}
