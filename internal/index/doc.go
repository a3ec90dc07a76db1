// Package index keeps the whole registry in memory for reading.
//
// An [Index] follows a [Feed] (the database): [Index.Load] asks for what changed and swaps in a new [Snapshot]. Readers take
// the newest snapshot by one atomic read and ask it as long as they like: it never changes, takes no lock, and a lookup
// allocates nothing. Snapshots share what they have in common, so that a block costs its records and a copy of the tables.
//
//	records   every record in the chain's order, in chunks; snapshots share them, each sees its own prefix
//	prev      of each record, the one of the same key before it
//	names     per type, newest record of each key, in order of hash: a list
//	owners    newest records by owner and by backup owner: a list
//	ends      per type, newest records that expire, by height: a list
//	blocks    blocks with records, and when they were made, lowest first
//	changed   keys whose newest record changed, in the order it did: what a reader of an older block lacks
//
// A list is two arrays side by side: 64 bits to search by (of a name's hash, the first eight bytes), and the place of the
// record. Equal bits are told apart by the records themselves.
package index
