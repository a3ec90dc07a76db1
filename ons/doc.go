// Package ons implements the names of the Oxen Name System: their rules and hashes, the sealed values behind them, the
// transactions that register, update and renew them, and the records those make. It is pure: it knows no network, no
// clock and no database, and its functions may be called concurrently.
//
// # What ONS is
//
// A name of a type (a messenger account, a wallet address, a lokinet host) maps to a value. The chain holds neither in
// the clear: it holds the hash of the name and the value encrypted under a key derived from the name. Who knows a name
// can look it up and read its value; there is no function that lists names, since the chain holds only hashes.
//
// Opening a value proves nothing about who sealed it. The key derives from the public name, so anybody who knows the
// name can make a value that opens; the authentication tag guards against accidents and against those who do not know
// the name, no more. What makes a value the right one is that the chain's record holds it. So trust in an answer is
// trust in who was asked for the record: see Agree.
//
// What people type is not yet a name: clients differ in what they make of it. See Readings, and Lookalikes for names that
// are taken for another.
//
// # Bytes
//
// Integers are little endian; a varint is unsigned LEB128 without superfluous zero bytes; || is concatenation.
//
//	name hash      BLAKE2b-256(name), name folded to lower case, lokinet with ".loki"
//	key            BLAKE2b-256(name, key = name hash)
//	stored value   XChaCha20-Poly1305(key, nonce, value) || nonce(24)
//	of 2020        XSalsa20-Poly1305(Argon2id(name), zero nonce, session value), tag first, 49 bytes, no nonce
//
//	session value  0x05 || X25519 public key(32)                                 stored 73 bytes, or 49
//	wallet value   kind(1) || spend(32) || view(32) [|| payment id(8)]           stored 105 or 113
//	lokinet value  Ed25519 public key(32)                                        stored 72
//
//	address        base58(varint prefix || spend || view [|| payment id] || keccak256 of that(4))
//	owner          0x00 || spend(32) || view(32) || subaddress flag(1)           66 bytes
//	               0x01 || Ed25519 public key(32)                                33 bytes
//
//	ONS field      0x7a || version(1) = 0 || varint type 0..5 || name hash(32) || previous txid(32) || varint parts
//	               then of the parts whose bit is set: 1 owner, 2 backup owner,
//	               4 signature: varint kind || 64, 8 value: varint length || stored value
//	burn field     0x79 || atomic OXEN(8)
//	signed         BLAKE2b-256(stored value || owner || backup owner || previous txid), owners without their flag
//
// A transaction's extra is a row of such fields, each a tag and a body without a length, so a parser must know all of
// them, and one that does not parse voids the others. Only transactions of type 4 count, and in them the first ONS field
// and the first burn.
//
// # Bundles
//
// A [Bundle] is the whole registry at one block in sorted rows of fixed width: a [Source] that asks nobody. Its bytes are
// drawn in bundle.go. They are this project's own.
//
// # Sources
//
// There is no specification. The rules are those of oxen-core 10.6.0: src/cryptonote_core/oxen_name_system.cpp (names,
// encryption, consensus), src/cryptonote_basic/tx_extra.h and cryptonote_basic.h (layouts), src/common/varint.h,
// src/common/base58.cpp, src/cryptonote_config.h (prefixes), src/crypto/crypto.cpp (signatures); as written down in
// this project's chain.md, sections A to C, and checked against recorded chains of 10.6.0 and 11.0.6. Where prose and
// code disagree the code is right:
//
//   - A comment says that the nonce is the beginning of the name hash. It is random, and stored behind the ciphertext.
//   - The worked example in the documentation of ons_resolve prints a session id with two 05 in front. The value has one.
//   - A comment says that extra.ons.type may be "update". It is the type of the name for updates too; and extra.ons
//     shows the last ONS field of an extra, where consensus takes the first.
//   - chain.md gives the subaddress flag as 0 or 1. The code reads any byte; like it we take all but 0 for set.
//   - chain.md calls an all-zero wallet the form of "no backup owner". In the code an all-zero Ed25519 key is that too.
package ons
