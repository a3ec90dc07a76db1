// Package devnet is a network on loopback that other programs are tried against: so far one oxend, answering over real HTTP in
// either dialect (10.x, 11.x) as the recorded daemons did, and the chains it serves.
//
// A chain comes from a recording of a real daemon ([OpenRecording], [Replay]) or from a seeded generator ([Generate]), and can be
// cut, lengthened, reorganised and forked while it is being served; names are bought, updated and renewed by hand through its pool, and a
// daemon breaks on demand ([DaemonFaults]). Only consensus, mining and money are fake: the JSON shapes, the error
// codes and texts, the ids, what is omitted and what kills an 11.x daemon follow the recordings in testdata.
//
// Nothing here is taken from package ons but its types, its text forms and the building of extras: transactions are parsed and
// names are kept by this package's own, naive code, so that a mistake in ons shows.
//
// Sources: spec chain.md C (layouts), D (chain facts), E (RPC of 10.x), G (11.x); observed.md and observed-11.md, which win.
package devnet
