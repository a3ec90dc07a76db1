// Package indexer follows a chain: blocks in, ONS records out, one atomic range at a time.
//
// A round ([Indexer.Sync]) asks a daemon for its tip, finds the newest block both sides agree on, and writes what follows
// it in ranges. A range replaces everything above its base, so going forward and undoing a reorganisation are the same
// step, and a process killed anywhere leaves the last committed range.
//
//	oxend ──headers, transactions──▶ fetch ──ons.Op──▶ apply ──ons.Record──▶ Store.Commit
//	          (parallel, ahead)                 (in order, one goroutine)
//
// What is final is not undone: blocks at or below the daemon's immutable height (specification D.3) stay unless the
// operator accepts the loss by name.
//
// Source: oxen-core 10.6.0 src/cryptonote_core/oxen_name_system.cpp (name_system_db::add_block, block_detach) for what a
// block does to names; specification D.3 for reorganisations.
package indexer
