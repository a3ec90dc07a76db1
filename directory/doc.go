// Package directory knows the service nodes: who is staked, who is well, how long they take to answer, and whom to
// choose.
//
//	oxend ──list──▶ Node ──▶ Diff ──▶ Event             what happened to whom, in words
//	                 │
//	probes ─Sample─▶ Estimate ─▶ Ring, Judge            how it answers: now, for five years, from several places
//	                 ▼
//	               Entry ──▶ Query, Aggregate, Swarms   what is asked of the list
//	                     ──▶ Score, Pick, Paths, Audit  whom to use, and how good the choice is
//
// What nobody observed is unknown, never down or zero: Reach.Known, the zero Version, Unknown.
//
// Sources: specification F (life, tests, credit, swarms) and B.2, B.4 of the messenger's (how official clients choose);
// Tor's Onionoo for the query language and the form of histories; dnscrypt-proxy for the power of two choices.
package directory
