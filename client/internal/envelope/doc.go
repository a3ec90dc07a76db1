// Package envelope turns messages between two accounts into the bytes that lie in a swarm, and back. It is pure: bytes in,
// bytes out; randomness comes in.
//
// From the inside out, x being X25519 keys, ed Ed25519 keys:
//
//	content   protobuf Content (wire/wire.proto)
//	padded    content ‖ 80 ‖ 00 …                                 a multiple of 160; older clients 1 less
//	plain     padded ‖ sender ed 32 ‖ signature 64                signed: padded ‖ sender ed ‖ recipient x
//	box       ephemeral x 32 ‖ tag 16 ‖ XSalsa20(plain)           nonce BLAKE2b-192(ephemeral x ‖ recipient x)
//	envelope  protobuf Envelope{type 6, timestamp, sourceDevice 1, content = box, proSig}
//	data      protobuf WebSocketMessage{type REQUEST, request{"", "", body = envelope, id 0}}
//
// A message is known by its sender and its time in milliseconds, which stands in the envelope for all to see and, signed, in
// the content; both must agree. proSig is 64 bytes that only look like a signature: a paying account's would be one.
//
// Written is what clients of 2026 write; read is what they read, and everything older clients wrote (messaging.md E.5).
// [Open] checks all that can be told from the bytes and the reader's keys alone. Whether a sender is blocked, or a message was
// seen before, is for the caller.
//
// Sources: messaging.md E.1 to E.5, J.2 and J.6 (read from session-desktop 1.17.17 and libsession-util of March 2026), N;
// checked against vectors of libsession-util 1.2.0 and messages that session.js stored on real servers (testdata).
package envelope
