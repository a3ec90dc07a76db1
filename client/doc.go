// Package client is a client of the Session messenger's network, as a library.
//
// So far it knows accounts: a [Seed] of 16 bytes is the whole secret, written down as 13 words; the keys of an [Account] and
// the [ID] that others write to follow from it. Nothing is registered anywhere. What a conversation consists of is here too
// (message.go); the database that keeps it is package client/store, and the key that opens it comes from client/vault.
//
//	seed 16 ‖ 0 × 16 = seed of an Ed25519 key, which signs
//	its X25519 form  = the key that messages are sealed to
//	05 ‖ X25519 key  = the id
//
// The words are not BIP-39's: they are of the list that came with Monero, three for each four bytes and one as a check.
//
// Sources: messaging.md A (session-desktop 1.17.17, libsession-util), vectors of both and of session.js. words.txt is the
// English list of npm's @session.js/mnemonic 1.0.6 (MIT), bip39.txt that of npm's @scure/bip39 2.4.0 (MIT).
package client
