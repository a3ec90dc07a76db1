// Package snode holds what is signed, hashed and addressed in the RPC of storage servers: account ids, message hashes,
// swarms, namespaces, subaccount tokens, and the texts under the signatures of clients and nodes. All of that is pure. Client
// asks a server for info, and a Link posts onion requests to one over connections that stay open:
//
//	TCP to the storage port ▶ TLS, nothing verified ▶ POST /storage_rpc/v1 {"method":"info","params":{}}
//	200 {"version":[2,11,0],"timestamp":<ms>,"t":<ms>,"hf":[19,3]}
//
// Sources: messaging.md C.1, C.3 to C.8 (storage server 2.8.0 and 2.11), checked against the recordings of real servers in
// testdata.
package snode
