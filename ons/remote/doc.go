// Package remote looks names up at an onsight server without telling it more than it must, and keeps its bundle up to date.
//
// There are three ways, each an [ons.Source]:
//
//	Server.Range   asks for all names in a range of hashes: the server learns that the name is one of many, or none
//	Server.Exact   sends the name's hash, from which a name that can be guessed can be found
//	Server.Bundle  gets the whole registry, or what changed in it; looking up in it asks nobody
//
// The server's word on how much may be told is not taken: a [Range] sends no more bits of a hash than its own rules allow, and
// refuses a server that offers or gives too little to hide in. See [Caution]. One range tells little of one name; several
// that belong together (the readings of one text, its look-alikes, the names of all contacts) tell more than each: look such
// up in a bundle.
//
// Every answer says what it revealed. Values are not opened here: that is the caller's, who knows the name.
//
// A server may also be any file host that has what `onsight export` writes. It cannot answer about one hash, and is asked for the
// rest in the same ways.
//
// What comes from the server is bounded in size and time, and redirects are not followed. Errors name the server's host, never
// a path. No operation of this package logs.
//
// # Requests
//
//	GET /v1/status                                    network, and whether the newest blocks are known; of a file host: what there is
//	GET /v1/names/range                               which ranges there are
//	GET /v1/names/range/{bits}/{index}[/history]      one of them
//	GET /v1/names/{type}/{hash}[/history]             one name
//	GET /v1/names/bundle[?since={block hash}]         the bundle, or a delta
//
// Of a file host /v1/status names a folder, and ranges lie in /v1/names/at/{folder}/range/{bits}/{index} and
// …/history/{bits}/{index}: what is in a folder never changes.
package remote
