// Package wire is the protobuf of messages in a swarm: wire.proto, written from the tables of messaging.md E.3, and the Go
// code made of it. `go test -update` makes it anew.
package wire
