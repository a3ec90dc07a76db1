// Package store is the explorer's database: blocks, ONS records and the log of reorganisations, in one SQLite file.
//
// One process writes (it holds PATH.lock), any number read the same file. Every change of the chain is one [Store.Commit];
// readers that keep their own copy ask [Store.Since] what to drop and what to add. The same of the list of service nodes are
// [Store.CommitNodes] and [Store.NodesSince]. Everything in here can be rebuilt from the chain, but for what was measured.
//
//	blocks   height, hash, time, digest     those with records or skips, every 256th, the first, the newest
//	records  place, type, name_hash, …      one per applied ONS transaction, append-only
//	skips    height, place, txid, reason    ONS transactions that could not be applied
//	reorgs, undone                          what reorganisations took away, and what came instead
//	events, event_log                       events.Entry, only ever added; which log it is
//	commits  seq, base_height               what Since reads; the newest 10,000
//	state    one row                        indexer.State
//	writer   one row                        epoch, until: fences a writer that was replaced
//
//	nodes        key, …                     service nodes, as they are now; changed: the commit that wrote the row
//	node_events  seq, round, …              what happened to them; a reorganisation deletes the rows of rounds above it
//	node_points, node_undo                  how to go back to a block whose list was read, down to the newest final one
//	node_state   one row                    directory.Position, and the numbers of the newest event and commit
//	probers      name, key, sequence        enrolled vantage points
//	estimates    key, vantage, blob         directory.Estimate
//	rings        key, vantage, ring, blob   directory.Ring: checks, hours, days
//
// A record's place is height<<20 | index of its transaction in the block: one number that is the primary key, the order of
// history, and what a rollback compares (DELETE … WHERE place >= (height+1)<<20).
//
// An event of a name is a reference: a kind and a place. Whether the place is to be looked for in records or in undone, and there
// under which reorganisation, follows from the numbers: each reorganisation knows that of its own event, and takes back what
// stands before it in the log and above its base in the chain.
//
// # Dialects
//
// The schema is made by the numbered SQL files in migrations, never by gorm. Statements keep to what SQLite and PostgreSQL
// share; SQLite's own words stand in sqlite.go. For PostgreSQL the migrations change in three ways: BLOB becomes BYTEA,
// INTEGER (which SQLite needs for a key that costs nothing) becomes BIGINT, and the index records_by_name gets place as its
// second column (SQLite's indexes end with the row's key anyway). randomblob and json_object, which 00007 uses, have other names
// there. Begin's lease (writer.until) then replaces the lock file.
//
// There is no function that lists names: the chain holds only their hashes.
package store
