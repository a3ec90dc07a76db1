// Package onion makes and opens onion requests: a request wrapped once for its destination and once for each node on
// the way, so that no node knows both who asks and what. It is pure: bytes in, bytes out.
//
// A layer is sealed to one receiver's X25519 key with a fresh key of the client. What a node opens is framed:
//
//	u32 little-endian n ‖ n bytes blob ‖ control, a JSON object to the end
//
//	sent to the guard    sealed layer     {"enc_type","ephemeral_key"}                        not sealed itself
//	relay                sealed layer     {"destination","enc_type","ephemeral_key"}
//	to a server          sealed payload   {"enc_type","ephemeral_key","host","method","port","protocol","target"}
//	destination node     storage request  {"headers":""}, and "json", "base64" if wanted
//
// ephemeral_key and enc_type are those of the blob beside them. A server's payload is not framed but the bencoded
// list of Request. The reply of the destination is sealed with the key of its own layer and passed back as it is.
//
// Ciphertexts by enc_type, ss being the X25519 secret of both keys:
//
//	aes-gcm    nonce 12 ‖ AES-256-GCM ‖ tag 16      key HMAC-SHA256(key "LOKI", ss)
//	xchacha20  nonce 24 ‖ XChaCha20-Poly1305 ‖ 16   key BLAKE2b-256(ss ‖ client's public key ‖ receiver's public key)
//	aes-cbc    IV 16 ‖ AES-256-CBC, PKCS #7         key ss
//
// Sources: messaging.md D and N.9 (which wins), read from storage server 2.8.0 and libsession 1.2.0 and checked against
// recordings of the one and vectors of the other in testdata.
package onion
