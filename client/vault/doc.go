// Package vault keeps the key that opens a profile's database. The key is random; it is never in clear on disk. It is sealed
// under a passphrase in a file, or lies in the keyring of the operating system, or both: a passphrase opens the file
// everywhere, and the keyring saves typing it until it is locked again.
//
// The file, numbers big-endian:
//
//	 0   8  "courierV"
//	 8   1  version: 1
//	 9  16  id: what the keyring knows the key by
//	25  16  check: of the key, so that a wrong one from the keyring is noticed
//
// and, if there is a passphrase, a seal:
//
//	41   4  time \
//	45   4  KiB    parameters of argon2id
//	49   1  lanes /
//	50  16  salt
//	66  24  nonce
//	90  48  XChaCha20-Poly1305 of the key, under argon2id(passphrase, salt); all before it is authenticated too
//
// The parameters are RFC 9106's for machines of little memory: 3 passes over 64 MiB in 4 lanes. They are read from the file, so
// they can be raised without breaking older files.
package vault
