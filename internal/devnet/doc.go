// Package devnet is the whole network on loopback, for other programs to be tried against: daemons over one chain, seed nodes, and
// service nodes whose storage servers store, replicate and pass on onion requests ([Start], [Network]). It breaks by name and by
// dice ([Fault]).
//
// A chain comes from a recording of a real daemon ([OpenRecording], [Replay]) or from a seeded generator ([Generate]), and can be
// cut, lengthened, reorganised and forked while it is being served; names are bought, updated and renewed through its pool, nodes are
// staked, decommissioned and unlocked by transactions that parse. A daemon over it alone is [Serve]. Only consensus, mining and money
// are fake: the JSON shapes, the error codes and texts, the ids, what is omitted and what kills an 11.x daemon follow the recordings in
// testdata, and so do the storage servers' answers.
//
// Nothing here is taken from package ons but its types, its text forms and the building of extras: transactions are parsed, names and
// nodes are kept by this package's own, naive code, so that a mistake elsewhere shows. It never imports the messenger or the explorer.
//
// Sources: spec chain.md C (layouts), D (chain facts), E (RPC of 10.x), F (service nodes), G (11.x); spec messaging.md B (seeds), C
// (storage servers), D (onion requests); observed.md and observed-11.md, which win.
package devnet
