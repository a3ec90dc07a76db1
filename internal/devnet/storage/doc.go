// Package storage is one Session storage server without its sockets: the requests of clients, those that members of a swarm pass on to
// each other, and the messages kept in between. Package devnet puts HTTPS and onion requests in front of it and joins many of them.
//
// # Requests
//
//	{"method": "<name>", "params": {…}}          Server.Call, by a client
//	 <name>,             params: {…}             Server.Forwarded, by another member of the swarm
//
// All methods of storage servers 2.8.0 but the long-lived monitor; from version 2.11 on also active_nodes_bin and revoked_subaccounts.
// Parameters are checked in the order real servers check them, so that of several mistakes the same one is named.
//
// A method that changes something is carried out by the server asked and, at the same time, by all others of its swarm:
//
//	client ── store ──▶ server ─┬─▶ own messages ───▶ {"hash", "expiry", "signature", …} ─┐
//	                            ├─▶ peer.Forwarded ─▶ {"hash", "expiry", "signature", …} ─┤
//	                            └─▶ peer.Forwarded ─▶ {"failed": true, "timeout": true} ──┤
//	client ◀── {"hash", "hf", "swarm": {"<Ed25519 key>": {…}, …}, "t"} ◀──────────────────┘
//
// Each checks the client's signature by itself and signs its own result. The request is refused before anybody is asked if the server
// itself would refuse it.
//
// # Messages
//
//	account ─▶ namespace ─▶ messages in order of arrival        account ─▶ hash ─▶ message
//
// They are in memory and gone with the process. An expired one is shown to nobody; its memory is freed when its account is next looked
// at, when room is needed, or by Server.Prune. Two bounds hold: messages per account and bytes in all (Config). Beyond them a server
// cannot store: its entry is {"failed": true, "query_failure": true, "reason": "storage is full"}, and the reply's status 500 if all
// members' entries are failures. Nothing is thrown out to make room, but for what has expired.
//
// # Sources
//
// This project's messaging.md, sections C.2 to C.9 (storage server 2.8.0 and 2.11), and the recordings of real servers 2.8.0 in
// ../testdata/rpc/storage, which win over it:
//
//   - get_swarm says "66 hex digits/33 bytes long" of a bad pubkey, the other methods "66 hex digits (33 bytes) long".
//   - "swarm" in get_swarm is hex without leading zeros, not 16 digits.
//   - a ttl that is text and no number is told by its value, not by the type expected.
//   - retrieve shows a message without data as "=", which is not base64.
//   - store's timestamp and ttl are missed before its pubkey is.
//   - in a batch a retrieve shows what a store before it has put there: only waiting is done side by side.
//
// Where neither says anything the choice is ours: the texts for malformed ifelse requests, for malformed, too many or no tokens to revoke
// and for oxend params that are no object; the depth to which ifelse nests; what a full server answers; that a store without signature
// ignores pubkey_ed25519 and subaccount; and that two names for one parameter may not both be given.
package storage
