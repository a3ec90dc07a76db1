// Package snode holds what is signed, hashed and addressed in the RPC of storage servers: account ids, message hashes,
// swarms, namespaces, subaccount tokens, and the texts under the signatures of clients and nodes. It is pure: who sends
// and who answers them is elsewhere.
//
// Sources: messaging.md C.4 to C.8 (storage server 2.8.0 and 2.11), checked against the recordings of real servers in
// testdata.
package snode
