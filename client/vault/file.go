package vault

import (
	"bytes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"
)

const (
	magic     = "courierV"
	version   = 1
	idSize    = 16
	checkSize = 16
	saltSize  = 16

	plainSize  = len(magic) + 1 + idSize + checkSize
	headSize   = plainSize + 4 + 4 + 1 + saltSize + chacha20poly1305.NonceSizeX
	sealedSize = headSize + len(Key{}) + chacha20poly1305.Overhead
)

// cost is how much work a passphrase is.
type cost struct {
	time, kib uint32
	lanes     uint8
}

// Less than today's is never written, so it is not read either; what is more than a large machine can do is a damaged file.
var (
	today = cost{time: 3, kib: 64 * 1024, lanes: 4}
	most  = cost{time: 64, kib: 4 * 1024 * 1024, lanes: 64}
)

func (c cost) ok() bool {
	return c.time >= today.time && c.time <= most.time && c.kib >= today.kib && c.kib <= most.kib && c.lanes >= 1 && c.lanes <= most.lanes
}

// file is what is stored.
type file struct {
	id    [idSize]byte
	check [checkSize]byte
	seal  *seal // nil: the key is only in the keyring
}

type seal struct {
	cost  cost
	salt  [saltSize]byte
	nonce [chacha20poly1305.NonceSizeX]byte
	box   []byte
}

// head returns the bytes before the box.
func (f *file) head() []byte {
	b := append([]byte(magic), version)
	b = append(b, f.id[:]...)
	b = append(b, f.check[:]...)
	if f.seal == nil {
		return b
	}
	b = binary.BigEndian.AppendUint32(b, f.seal.cost.time)
	b = binary.BigEndian.AppendUint32(b, f.seal.cost.kib)
	b = append(b, f.seal.cost.lanes)
	b = append(b, f.seal.salt[:]...)
	return append(b, f.seal.nonce[:]...)
}

func (f *file) bytes() []byte {
	b := f.head()
	if f.seal != nil {
		b = append(b, f.seal.box...)
	}
	return b
}

// parse reads a file. The error is ErrFormat or ErrNewer.
func parse(b []byte) (*file, error) {
	if len(b) <= len(magic) || string(b[:len(magic)]) != magic {
		return nil, ErrFormat
	}
	if v := b[len(magic)]; v > version {
		return nil, ErrNewer
	} else if v != version || len(b) != plainSize && len(b) != sealedSize {
		return nil, ErrFormat
	}
	f := new(file)
	r := bytes.NewReader(b[len(magic)+1:])
	take := func(p []byte) { io.ReadFull(r, p) } // never short: the length was looked at
	take(f.id[:])
	take(f.check[:])
	if len(b) == plainSize {
		return f, nil
	}
	s := new(seal)
	var numbers [9]byte
	take(numbers[:])
	s.cost = cost{time: binary.BigEndian.Uint32(numbers[:]), kib: binary.BigEndian.Uint32(numbers[4:]), lanes: numbers[8]}
	if !s.cost.ok() {
		return nil, ErrFormat
	}
	take(s.salt[:])
	take(s.nonce[:])
	s.box = bytes.Clone(b[headSize:])
	f.seal = s
	return f, nil
}

// close seals key under a passphrase with fresh salt and nonce.
func (f *file) close(rand io.Reader, key Key, passphrase []byte) error {
	f.seal = &seal{cost: today}
	for _, p := range [][]byte{f.seal.salt[:], f.seal.nonce[:]} {
		if _, err := io.ReadFull(rand, p); err != nil {
			return fmt.Errorf("choose a salt: %w", err)
		}
	}
	f.seal.box = f.seal.aead(passphrase).Seal(nil, f.seal.nonce[:], key[:], f.head())
	return nil
}

// open returns the key. The error is ErrPassphrase.
func (f *file) open(passphrase []byte) (Key, error) {
	plain, err := f.seal.aead(passphrase).Open(nil, f.seal.nonce[:], f.seal.box, f.head())
	if err != nil {
		return Key{}, ErrPassphrase
	}
	return Key(plain), nil
}

func (s *seal) aead(passphrase []byte) cipher.AEAD {
	key := argon2.IDKey(passphrase, s.salt[:], s.cost.time, s.cost.kib, s.cost.lanes, chacha20poly1305.KeySize)
	defer clear(key)
	a, err := chacha20poly1305.NewX(key)
	if err != nil {
		panic("vault: internal error: " + err.Error())
	}
	return a
}

// write puts f at path in one step: killed anywhere, there is the old file or the new one (but see claim). Unless replace, a file that is
// there already is fs.ErrExist.
func (f *file) write(path string, replace bool) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(dir, ".vault-*") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if gone := os.Remove(temp.Name()); !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}()
	_, err = temp.Write(f.bytes())
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if replace {
		err = os.Rename(temp.Name(), path)
	} else {
		err = link(temp.Name(), path) // unlike a rename it does not replace
		if err != nil && !errors.Is(err, fs.ErrExist) {
			err = claim(temp.Name(), path) // FAT and Android have no hard links
		}
	}
	if err != nil {
		return err
	}
	return sync(dir)
}

// link is os.Link, but for tests of where there are none.
var link = os.Link

// claim renames a file to a name that nobody has (fs.ErrExist): it takes the name first, with an empty file, which is what is left of
// who is killed in between.
func claim(from, to string) error {
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = f.Close()
	if err == nil {
		err = os.Rename(from, to)
	}
	if err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return nil
}

// sync makes a new name in a folder last. On Windows folders cannot be synced, nor need to be.
func sync(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
