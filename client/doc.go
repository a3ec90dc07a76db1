// Package client is a client of the Session messenger's network, as a library.
//
// An account: a [Seed] of 16 bytes is the whole secret, written down as 13 words; the keys of an [Account] and the [ID] that others
// write to follow from it. Nothing is registered anywhere.
//
//	seed 16 ‖ 0 × 16 = seed of an Ed25519 key, which signs
//	its X25519 form  = the key that messages are sealed to
//	05 ‖ X25519 key  = the id
//
// The words are not BIP-39's: they are of the list that came with Monero, three for each four bytes and one as a check.
//
// A [Client] is an account on the network. Each of its methods does one round and leaves nothing running; [Client.Run] repeats them.
//
//	pinned seed nodes ──list──▶ pool ◀──lists that two of three nodes agree on, through onions
//	                             │ directory.Path: operators and /24s apart
//	                             ▼
//	 Send ──▶ store ──Flush──▶ guard ═ hop ═ hop ═ node of the reader's swarm ──▶ the others of the swarm
//	 Resolve ────────────────▶ guard ═ hop ═ hop ═ five distinct nodes, of which three must say the same
//	 store ◀──Poll──────────── guard ═ hop ═ hop ═ two nodes of the own swarm
//
// Nothing but onions, the list's request to seed nodes and info to guards is ever sent to anybody directly, unless [Config.Extra] asks
// somebody. Guards stay for long: one that fails is left alone for a while, and is one again after it. Whom an account's messages are
// with is computed here. What hops say of other hops is believed only of those that the request was to go through; what a
// node says of a swarm, a clock or a list is not believed of it alone. A stored message counts by the signatures of those who have it,
// and a fetched one by the hash of its bytes. When a name points to another account than before, or to none,
// what is sent to it waits.
//
// The database that keeps all this is package client/store, and the key that opens it comes from client/vault.
//
// Sources: messaging.md A to E, H (session-desktop 1.17.17, libsession-util), vectors of both and of session.js. words.txt is the
// English list of npm's @session.js/mnemonic 1.0.6 (MIT), bip39.txt that of npm's @scure/bip39 2.4.0 (MIT).
package client
