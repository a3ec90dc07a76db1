package vault_test

import (
	"fmt"
	"os"
	"path/filepath"

	"onsight/client/vault"
)

// A profile is made once; later its passphrase opens it, unless the keyring remembers.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "vault")
	made, err := vault.Create(nil, path, []byte("open sesame"))
	if err != nil {
		fmt.Println(err)
		return
	}
	v, err := vault.Open(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	key, err := v.Unlock([]byte("open sesame"))
	fmt.Println(key == made, err)
	_, err = v.Unlock([]byte("abracadabra"))
	fmt.Println(err)
	// Output:
	// true <nil>
	// wrong passphrase
}
